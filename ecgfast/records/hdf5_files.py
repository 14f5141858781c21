"""Arrays and their attributes in HDF5 files, MATLAB 7.3's among them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..extras import need
from .files import open_regular
from .opensignals import channels_of, sensor_name

__all__ = ["read_hdf5"]

# Bytes that all data sets may take, and to how many bytes deflate unpacks one at most.
_UNPACKED, _MOST_RATIO = 1 << 31, 1100

# Data sets and groups that are looked through, and bytes that are unpacked at once.
_MOST_NODES, _LARGEST_CHUNK = 10_000, 1 << 28


def read_hdf5(
    path: Path, kind: str
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, dict[str, Any]]]:
    """Read the data sets of an HDF5 file that are plain arrays of its own.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it is called in messages.

    Returns
    -------
    arrays : dict
        Numbers, texts and tables of numbers (compound types) by the last part of their name, the
        whole name where that is taken.
    attributes : dict
        The attributes of each array; those of the file under the empty name.

    Raises
    ------
    RecordError
        If a data set lies in another file, or would unpack to more than is read.
    MissingExtraError
        If h5py is not installed.
    """
    h5py = need("h5py", f"Reading {kind} files of HDF5 (h5py)", "formats")
    arrays: dict[str, npt.NDArray[Any]] = {}
    attributes: dict[str, dict[str, Any]] = {}
    nodes, left = 0, _UNPACKED
    listed: list[str] = []
    channels: set[str] = set()

    def list_name(name: str, node: Any) -> int | None:
        if isinstance(node, h5py.Dataset):
            listed.append(name)
        return len(listed) if len(listed) > _MOST_NODES else None

    def take(name: str, node: Any) -> None:
        nonlocal nodes, left
        nodes += 1
        if nodes > _MOST_NODES:
            raise RecordError(
                f"{path}: holds more than {_MOST_NODES} data sets; save one recording a file"
            )
        if not isinstance(node, h5py.Dataset) or name.startswith("#"):
            return
        if channels and name not in channels:
            return
        if node.is_virtual or node.external:
            raise RecordError(f"{path}: {name} lies in another file; copy it into this one")
        table = node.dtype.names is not None
        if (node.dtype.kind not in "fiubSO" and not table) or node.shape is None or not node.size:
            return
        size = node.size * node.dtype.itemsize
        if size > _MOST_RATIO * node.id.get_storage_size() + 4096:
            return  # hardly anything is stored: it was never filled
        left -= size
        chunk = math.prod(node.chunks) * node.dtype.itemsize if node.chunks else 0
        if left < 0 or chunk > _LARGEST_CHUNK:
            raise RecordError(f"{path}: unpacks to more than {_UNPACKED >> 30} GB; cut it in parts")
        about = _attributes(node)
        short, label = name.rpartition("/")[2], str(about.get("label", ""))
        scale = 1.0, 0.0
        if "name" in about and re.fullmatch(r"channel_\d+", short):  # bioread's acq2hdf5
            short = str(about["name"]) or short
            scale = float(about.get("scale", 1.0)), float(about.get("offset", 0.0))
        if channels:
            about |= _attributes(node.file[name.partition("/")[0]])
            short = sensor_name(str(about.get("sensor", "")), label or short)
        names = (short, f"{short} {label}", name) if channels else (short, name)
        key = next((one for one in names if one not in arrays), name)
        if node.dtype.kind in "SO":
            if node.size <= _MOST_NODES and h5py.check_string_dtype(node.dtype):
                arrays[key] = np.array(node.asstr(errors="replace")[()], dtype=np.str_)
            return
        if table and node.dtype.hasobject:  # texts of any length among them
            numbers = [n for n in node.dtype.names if node.dtype[n].kind in "fiu"]
            if not numbers:
                return
            values = node.fields(numbers)[()]
        else:
            values = node[()] if scale == (1.0, 0.0) else node[()] * scale[0] + scale[1]
        attributes[key] = about
        if about.get("matlabclass") == "char":
            arrays[key] = np.array("".join(map(chr, values.reshape(-1)[:1000])))
        else:
            arrays[key] = np.asarray(values)

    with open_regular(path) as raw, h5py.File(raw, "r") as file:
        attributes[""] = _attributes(file)
        file.visititems(list_name)
        channels = channels_of(listed)
        file.visititems(take)
    return arrays, attributes


def _attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a data set, by names without blanks, dashes and underscores."""
    found: dict[str, Any] = {}
    for name in list(node.attrs)[:200]:
        try:
            value = node.attrs[name]
        except (OSError, ValueError, TypeError, KeyError, RuntimeError):
            continue  # of a type that is neither number nor text
        if isinstance(value, np.ndarray):
            value = value.reshape(-1)[0] if value.size == 1 else None
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, (str, int, float, np.integer, np.floating)):
            found[re.sub(r"[ _-]", "", name.lower())] = value
    return found
