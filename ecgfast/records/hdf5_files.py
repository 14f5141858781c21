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
from .structures import ArrayPath

__all__ = ["read_hdf5"]

# Bytes that all data sets may take, and to how many bytes deflate unpacks one at most.
_UNPACKED, _MOST_RATIO = 1 << 31, 1100

# Data sets and groups that are looked through, and bytes that are unpacked at once.
_MOST_NODES, _LARGEST_CHUNK = 10_000, 1 << 28


def read_hdf5(
    path: Path, kind: str
) -> tuple[dict[ArrayPath, npt.NDArray[Any]], dict[ArrayPath, dict[str, Any]]]:
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
        Numbers, texts and tables of numbers (compound types) by their groups and name. Channels
        that a program names in attributes stand under that name alone.
    attributes : dict
        The attributes of each array; those of the file under no name.

    Raises
    ------
    RecordError
        If a data set lies in another file, or would unpack to more than is read.
    MissingExtraError
        If h5py is not installed.
    """
    h5py = need("h5py", f"Reading {kind} files of HDF5 (h5py)", "formats")
    arrays: dict[ArrayPath, npt.NDArray[Any]] = {}
    attributes: dict[ArrayPath, dict[str, Any]] = {}
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
        about = _around(node) | _attributes(node)
        short, label = name.rpartition("/")[2], str(about.get("label", ""))
        gain, offset = "scalefactor", "addoffset"  # netCDF
        if "neurodatatype" in about and short == "data":  # a time series of NWB
            short = name.split("/")[-2]
            gain, offset = "conversion", "offset"
        if "name" in about and re.fullmatch(r"channel_\d+", short):  # bioread's acq2hdf5
            short = str(about["name"]) or short
            gain, offset = "scale", "offset"
        scale = float(about.pop(gain, 1.0)), float(about.pop(offset, 0.0))
        if channels:
            about |= _attributes(node.file[name.partition("/")[0]])
            short = sensor_name(str(about.get("sensor", "")), label or short)
        whole = tuple(name.split("/"))
        if channels:
            names = [(short,), (f"{short} {label}",), whole]
        else:
            names = [whole] if short == whole[-1] else [(short,), whole]
        key = next((one for one in names if one not in arrays), whole)
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
        attributes[()] = _attributes(file)
        file.visititems(list_name)
        channels = channels_of(listed)
        file.visititems(take)
    return arrays, attributes


def _around(node: Any) -> dict[str, Any]:
    """Return the attributes of the groups around a data set, and of NWB's time beside it."""
    found: dict[str, Any] = {}
    parts = node.name.strip("/").split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        found |= _attributes(node.file["/".join(parts[:depth])])
    if "neurodatatype" in found and "starting_time" in node.parent:
        rate = _attributes(node.parent["starting_time"]).get("rate")
        found |= {} if rate is None else {"samplingrate": rate}
    return found


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
