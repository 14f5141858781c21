"""Arrays saved by NumPy, MATLAB and HDF5 programs: ``.npy``, ``.npz``, ``.mat`` and ``.h5``."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..extras import need
from . import structures
from .choosing import look_of, role_of
from .clocks import count_for, read_clock, unit_of_clock
from .files import open_regular
from .hdf5_files import read_hdf5
from .opened import Column, Opened, Values
from .opensignals import start_of
from .stated_rates import INTERVALS, rate_of_interval, stated_rate
from .stated_scales import scale_note, unapplied_scale
from .units import unit_kind

__all__ = ["open_array"]

# Bytes that an archive may unpack to, all together: a day of six leads at 1 kHz in 32 bits.
_UNPACKED = 1 << 31

# An element of a MATLAB 5 file that is compressed.
_COMPRESSED = 15

# Levels of MATLAB's structures that are looked through.
_DEEPEST = 4

# Deflate makes at most this of a byte.
_MOST_RATIO = 1100

# How HDF5 begins, at the beginning or after a block of the program's own.
_HDF5, _HDF5_AT = b"\x89HDF\r\n\x1a\n", 512

# Stamps of a clock in an array that are read at once.
_MOST_STAMPS = 1 << 26

# Lines that a transposed array may have, and samples of each of them at least: fewer are pieces.
_MOST_LEADS, _LEAST_RATIO = 64, 10

# Columns of an array at most, and those that are looked at together.
_MOST_COLUMNS, _AT_ONCE = 1024, 64

# A stated rate and that of a clock are the same up to this share.
_SAME = 0.05

_SIGNAL_NAMES = (
    "signal",
    "signals",
    "ecg",
    "ekg",
    "p_signal",
    "val",
    "data",
    "x",
    "y",
    "values",
    "samples",
)
_RATE_NAMES = (
    "fs", "sampling_rate", "samplingrate", "sample_rate", "samplerate", "srate", "sfreq", "sf",
    "freq", "frequency", "sampling_frequency", "samplingfrequency", "rate", "fsamp", "fsample",
    "hz",
)  # fmt: skip
# Those that can be of nothing but samples.
_SAMPLING_RATE_NAMES = tuple(
    name for name in _RATE_NAMES if name not in ("sf", "freq", "frequency", "rate", "hz")
)
_LEAD_NAMES = (
    "leads",
    "lead_names",
    "sig_name",
    "signames",
    "channels",
    "channel_names",
    "ch_names",
    "labels",
    "names",
    "leadnames",
)
_UNIT_NAMES = ("units", "unit", "sig_units")


def open_array(path: Path) -> Opened:
    """Open a ``.npy``, ``.npz``, ``.mat`` or HDF5 file.

    ``.npy`` holds an array (n,) or (n, n_leads), or a table with named fields; others such an array
    by the name ``signal`` or the only one that is long, optionally with ``fs`` (Hz), ``leads``
    (names) and ``units``, each also by the other names that they usually have. One array a lead,
    and a transposed array, are understood too. Blocks of a ``.npy`` file without fields are read as
    they are asked for; the others are held in memory.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _open_npy(path)
    with open_regular(path) as file:
        head = file.read(_HDF5_AT + 8)
    # MATLAB 7.3 puts 512 bytes of its own before it.
    if suffix != ".npz" and (head[:8] == _HDF5 or head[_HDF5_AT:] == _HDF5):
        kind = "MATLAB" if suffix == ".mat" else "HDF5"
        return _from_structures(path, kind, *read_hdf5(path, kind))
    if suffix not in (".npz", ".mat"):
        raise RecordError(f"{path}: is no HDF5 file; save it again")
    try:
        if suffix == ".mat":
            return _from_structures(path, "MATLAB", _read_mat(path))
        arrays = _read_npz(path)
    except RecordError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, KeyError) as error:
        kind = "NumPy" if suffix == ".npz" else "MATLAB"
        raise RecordError(
            f"{path}: is no intact {kind} file of plain numbers ({error}); save it again"
        ) from None
    return _from_arrays(path, "NumPy archive", arrays)


# ---------------------------------------------------------------- .npy


def _head(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read an array's head: shape, whether columns are stored together, type."""
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
    except Exception as error:  # whatever the parser of a Python literal raises
        raise RecordError(
            f"{name}: is no intact NumPy file of plain numbers ({error}); save it again"
        ) from None
    if dtype.hasobject:
        raise RecordError(
            f"{name}: is no intact NumPy file of plain numbers (it holds Python objects); save it "
            "again"
        )
    if any(not 0 <= n < 1 << 62 for n in shape):
        raise RecordError(f"{name}: has shape {shape}; save it again")
    return shape, fortran, dtype


def _open_npy(path: Path) -> Opened:
    with open_regular(path) as file:
        shape, fortran, dtype = _head(file, str(path))
        begin = file.tell()
        size = file.seek(0, 2) - begin
    if dtype.names is None:
        _check_numbers(path, dtype)
    if math.prod(shape) * dtype.itemsize > size:
        raise RecordError(
            f"{path}: truncated: shape {shape} needs {math.prod(shape) * dtype.itemsize} bytes and "
            f"{size} are present; save it again"
        )
    if dtype.names is not None:
        with open_regular(path) as file:
            file.seek(begin)
            data = file.read(math.prod(shape) * dtype.itemsize)
        table = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return _from_arrays(path, "NumPy array", {"table": table})
    n, leads, turned = _orient(path, shape)
    # Whether the values of one column lie together.
    together = fortran != turned

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        out = np.empty((stop - start, len(columns)), np.float64)
        with open_regular(path) as file:
            if not together:
                file.seek(begin + start * leads * dtype.itemsize)
                data = file.read((stop - start) * leads * dtype.itemsize)
                _check_length(path, data, (stop - start) * leads * dtype.itemsize)
                out[:] = np.frombuffer(data, dtype).reshape(-1, leads)[:, list(columns)]
                return out
            for target, column in enumerate(columns):
                file.seek(begin + (column * n + start) * dtype.itemsize)
                data = file.read((stop - start) * dtype.itemsize)
                _check_length(path, data, (stop - start) * dtype.itemsize)
                out[:, target] = np.frombuffer(data, dtype)
        return out

    columns = _unnamed(read, n, leads)
    opened = Opened(
        path=path,
        format="NumPy array",
        columns=columns,
        read=read,
        notes=("transposed: leads by samples",) if turned else (),
    )
    clock = next((i for i, column in enumerate(columns) if column.role == "clock"), None)
    if clock is None or n > _MOST_STAMPS:
        return opened
    return _timed(opened, read(0, n, [clock])[:, 0], "", None)


def _timed(opened: Opened, stamps: npt.NDArray[Any], name: str, stated: float | None) -> Opened:
    """Return what was opened with the rate and the gaps that a clock in it tells."""
    values = np.asarray(stamps, np.float64)
    count = unit_of_clock(name, "")
    if count is None and stated is not None:
        count = count_for(values, stated)
    label = name or "first column"
    clock, start, _ = read_clock(values, count, str(opened.path), label)
    if clock is None:
        return opened
    if stated is not None and abs(clock.fs - stated) > _SAME * stated:
        raise RecordError(
            f"{opened.path}: {opened.fs_from} says {stated:g} Hz and the clock {label!r} "
            f"{clock.fs:g} Hz; save one of them only"
        )
    notes = [*opened.notes, *clock.notes]
    if start is not None:
        notes.append(f"times of day are UTC: {label!r} counts from 1970")

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        return clock.place(begin, end, lambda first, last: opened.read(first, last, chosen))

    return replace(
        opened,
        columns=tuple(replace(c, fs=clock.fs, n_samples=clock.n_samples) for c in opened.columns),
        read=read,
        fs_from=f"the clock {name!r}" if name else "the clock in it",
        start=start,
        utc_offset=None if start is None else 0.0,
        notes=tuple(notes),
    )


def _check_length(path: Path, data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise RecordError(f"{path}: became shorter while it was read; read it when it is complete")


def _check_numbers(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "fiu":
        raise RecordError(f"{path}: holds {dtype}, not real numbers; save the samples as numbers")


def _orient(path: Path, shape: tuple[int, ...]) -> tuple[int, int, bool]:
    """Return samples, leads, and whether an array of this shape is leads by samples."""
    if len(shape) == 1:
        return shape[0], 1, False
    if len(shape) == 2 and min(shape) > 0:
        if shape[0] >= shape[1]:
            return shape[0], shape[1], False
        if shape[0] <= _MOST_LEADS and shape[1] >= _LEAST_RATIO * shape[0]:
            return shape[1], shape[0], True
    raise RecordError(f"{path}: has shape {shape}; save it as (samples,) or (samples, leads)")


def _unnamed(read: Any, n: int, leads: int) -> tuple[Column, ...]:
    """Return the columns of an array without names: a clock or a counter among them is none."""
    if leads > _MOST_COLUMNS:
        raise RecordError(
            f"an array of {leads} columns is no recording; save it as (samples, leads)"
        )
    columns = []
    for i in range(leads):
        if i % _AT_ONCE == 0:
            first = read(0, min(n, 4096), range(i, min(i + _AT_ONCE, leads))) if n else None
        look = look_of(first[:, i % _AT_ONCE], None) if leads > 1 and first is not None else ""
        columns.append(Column("", "", None, n, look if look in ("clock", "counter") else ""))
    return tuple(columns)


# ---------------------------------------------------------------- archives


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an archive whose sizes are possible."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    with open_regular(path) as raw, zipfile.ZipFile(raw) as archive:
        if sum(info.file_size for info in archive.infolist()) > _UNPACKED:
            raise RecordError(f"{path}: unpacks to more than {_UNPACKED >> 30} GB; save it as .npy")
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            name = info.filename.removesuffix(".npy")
            if info.file_size > _MOST_RATIO * info.compress_size + 4096:
                raise ValueError(f"{name} cannot unpack to {info.file_size} bytes")
            with archive.open(info) as file:
                head = io.BytesIO(file.read(min(info.file_size, 1 << 16)))
                shape, fortran, dtype = _head(head, f"{path}: {name}")
                need = math.prod(shape) * dtype.itemsize
                if head.tell() + need > info.file_size:
                    raise ValueError(f"{name} of shape {shape} is cut short")
                data = head.read() + file.read()
            values = np.frombuffer(data[:need], dtype)
            arrays[name] = values.reshape(shape, order="F" if fortran else "C")
    return arrays


def _read_mat(path: Path) -> dict[structures.ArrayPath, npt.NDArray[Any]]:
    """Read the numeric arrays of a MATLAB file whose sizes are possible, by their structures."""
    _check_unpacked(path)
    scipy_io = need("scipy.io", f"{path}: a MATLAB file", "formats")
    try:
        for name, shape, _ in scipy_io.whosmat(str(path)):
            if math.prod(shape) > _UNPACKED:
                raise ValueError(f"{name} cannot have the shape {shape}")
        loaded = scipy_io.loadmat(str(path), simplify_cells=True)
    except Exception as error:  # whatever the parser raises, the file is at fault
        raise ValueError(f"{type(error).__name__}: {error}"[:160]) from None
    arrays: dict[structures.ArrayPath, npt.NDArray[Any]] = {}
    _gather(loaded, arrays, ())
    return arrays


def _gather(
    values: dict[str, Any],
    arrays: dict[structures.ArrayPath, npt.NDArray[Any]],
    around: structures.ArrayPath,
) -> None:
    """Gather the arrays of structures by the names that lead to them."""
    for name, value in values.items():
        if isinstance(value, dict) and len(around) < _DEEPEST:
            _gather(value, arrays, (*around, name))
        elif not name.startswith("__"):
            found = np.asarray(value)
            members = found.reshape(-1).tolist() if found.dtype.kind == "O" else []
            if members and all(isinstance(v, str) for v in members):
                found = found.astype(np.str_)
            if name == "chanlocs" and all(isinstance(v, dict) and "labels" in v for v in members):
                # EEGLAB: a structure for each channel.
                labels = np.array([str(v["labels"]) for v in members])
                arrays.setdefault((*around, "labels"), labels)
            key = (*around, name)
            arrays[key] = found


def _from_structures(
    path: Path,
    kind: str,
    arrays: dict[structures.ArrayPath, npt.NDArray[Any]],
    attributes: dict[structures.ArrayPath, dict[str, Any]] | None = None,
) -> Opened:
    """Find the signal in the structure or group that holds the ECG."""
    attributes = attributes or {}
    chosen, notes = structures.of_the_ecg(arrays)
    about = {name: attributes.get(path, {}) for name, path in chosen.items()}
    about[""] = attributes.get((), {})
    opened = _from_arrays(path, kind, {name: arrays[at] for name, at in chosen.items()}, about)
    return replace(opened, notes=(*opened.notes, *notes))


def _check_unpacked(path: Path) -> None:
    """Raise if the compressed elements of a MATLAB 5 file unpack to more than is read."""
    left = _UNPACKED
    with open_regular(path) as file:
        head = file.read(128)
        if head[126:128] not in (b"IM", b"MI"):
            return  # version 4, which compresses nothing
        order: Literal["little", "big"] = "little" if head[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind, length = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)
            if kind != _COMPRESSED:
                file.seek(length, 1)
                continue
            unpack = zlib.decompressobj()
            while length > 0 and (piece := file.read(min(length, 1 << 16))):
                length -= len(piece)
                while piece and left > 0:
                    left -= len(unpack.decompress(piece, 1 << 20))
                    piece = unpack.unconsumed_tail
                if left <= 0:
                    raise RecordError(f"{path}: unpacks to more than {_UNPACKED >> 30} GB")


def _from_arrays(
    path: Path,
    kind: str,
    arrays: dict[str, npt.NDArray[Any]],
    attributes: dict[str, dict[str, Any]] | None = None,
) -> Opened:
    """Find signal, rate, names and units among named arrays and their attributes."""
    attributes = attributes or {}
    arrays, attributes = _without_fields(arrays, attributes)
    arrays = {name: _in_seconds(a) if a.dtype.kind in "Mm" else a for name, a in arrays.items()}
    if {"data", "datastart", "dataend"} <= {name.lower() for name in arrays}:
        return _from_arrays(path, kind, _channels_of_labchart(path, arrays))
    numeric = {name: a for name, a in arrays.items() if a.dtype.kind in "fiu" and a.size > 1}
    listed = ", ".join(_described(name, arrays[name]) for name in sorted(arrays)[:20]) or "nothing"
    signal = _signal_of(path, numeric, listed)
    notes: tuple[str, ...] = ()
    if isinstance(signal, dict):
        labels, values = list(signal), list(signal.values())
        keys = labels
    else:
        labels, values, turned = _leads_of(path, signal, arrays)
        keys = [_key_of(signal, arrays)] * len(labels)
        notes = ("transposed: leads by samples",) if turned else ()
    units = _texts(arrays, _UNIT_NAMES)
    units = units * len(labels) if len(units) == 1 else units
    if len(units) != len(labels):
        own = [attributes.get(key, {}) for key in keys]
        units = [str(found.get("units", found.get("unit", ""))) for found in own]
    n = len(values[0])
    clocks = [
        (name, a.reshape(-1))
        for name, a in numeric.items()
        if a.size == n and role_of(name)[0] == "clock"
    ]
    roles = []
    for label, unit, column in zip(labels, units, values, strict=True):
        role = _role(label, unit, column) if len(labels) > 1 else ""
        if role == "clock":
            clocks.append((label or "first column", column))
        roles.append(role)
    rate, fs_from = _rate_of(arrays, attributes, keys[0])
    beside = {name: a for name, a in arrays.items() if a.size in (1, len(labels))}
    for i, (key, column) in enumerate(zip(keys, values, strict=True)):
        gain = unapplied_scale(column, {**beside, **attributes.get(key, {})})
        if gain:
            units[i], note = "", scale_note(labels[i], gain)
            notes = notes if note in notes else (*notes, note)

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        return np.stack([values[i][begin:end].astype(np.float64) for i in chosen], axis=1)

    opened = Opened(
        path=path,
        format=kind,
        columns=tuple(
            Column(label, unit, rate, n, role)
            for label, unit, role in zip(labels, units, roles, strict=True)
        ),
        read=read,
        fs_from=fs_from,
        notes=notes,
        declared=all(unit_kind(u) == "volt" for u in units),
        start=start_of(attributes.get(keys[0], {})),
    )
    return _timed(opened, clocks[0][1], clocks[0][0], rate) if clocks else opened


def _in_seconds(times: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return dates and durations of NumPy in seconds, since 1970 where they are dates."""
    kind = "M8" if times.dtype.kind == "M" else "m8"
    counts = times.astype(f"{kind}[us]").astype(np.int64)
    return np.where(np.isnat(times), np.nan, counts / 1e6)


def _described(name: str, array: npt.NDArray[Any]) -> str:
    """Name of an array, and its type where that is none of numbers or texts."""
    return name if array.dtype.kind in "fiuUS" else f"{name} ({array.dtype})"


def _without_fields(
    arrays: dict[str, npt.NDArray[Any]], attributes: dict[str, dict[str, Any]]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, dict[str, Any]]]:
    """Return tables (compound types) as an array for each field; the first of a name counts."""
    plain = {name: a for name, a in arrays.items() if a.dtype.names is None}
    about = dict(attributes)
    for name, table in arrays.items():
        for field in table.dtype.names or ():
            if field not in plain:
                plain[field] = table[field]
                about[field] = attributes.get(name, {})
    return plain, about


def _named(
    arrays: dict[str, npt.NDArray[Any]], names: Sequence[str]
) -> tuple[str, npt.NDArray[Any] | None]:
    """Return the first of the names that an array has, in any case, and the array."""
    folded = {name.lower(): name for name in arrays}
    found = next((folded[name] for name in names if name in folded), "")
    return found, arrays[found] if found else None


def _texts(arrays: dict[str, npt.NDArray[Any]], names: Sequence[str]) -> list[str]:
    """Return the texts of the array of one of these names."""
    _, found = _named(arrays, names)
    if found is None or found.dtype.kind not in "US" or found.size > 4096:
        return []
    return [
        (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)).strip()
        for item in found.reshape(-1).tolist()
    ]


def _leads_of(
    path: Path, signal: npt.NDArray[Any], arrays: dict[str, npt.NDArray[Any]]
) -> tuple[list[str], list[npt.NDArray[Any]], bool]:
    """Return name and samples of each lead of an array, and whether it had to be transposed."""
    flat = signal.reshape(-1) if signal.ndim == 2 and 1 in signal.shape else signal
    _, leads, turned = _orient(path, flat.shape)
    table = flat[:, np.newaxis] if flat.ndim == 1 else flat.T if turned else flat
    labels = _texts(arrays, _LEAD_NAMES)
    single = _texts(arrays, ("label",))  # of FieldTrip; elsewhere a diagnosis
    if not labels and leads > 1 and len(single) == leads:
        labels = single
    if labels and len(labels) != leads:
        raise RecordError(
            f"{path}: has {len(labels)} lead names for {leads} columns; save both alike"
        )
    labels = labels or [""] * leads
    if leads == 1 and not labels[0]:
        key = _key_of(signal, arrays)
        labels = [key if role_of(key)[0] in ("ecg", "other") else ""]
    return labels, [table[:, i] for i in range(leads)], turned


def _role(label: str, unit: str, values: npt.NDArray[Any]) -> str:
    """Return whether one of several columns is a clock or a counter; "" where it is neither."""
    if label and role_of(label, unit)[0] == "ecg":
        return ""
    look = look_of(values[:4096].astype(np.float64), None)
    return look if look in ("clock", "counter") else ""


def _rate_of(
    arrays: dict[str, npt.NDArray[Any]], attributes: dict[str, dict[str, Any]], key: str
) -> tuple[float | None, str]:
    """Return the sampling rate that an array or an attribute states, and which one does."""
    # "ecg_fs" where other sensors have rates of their own.
    own_names = [name for each in _RATE_NAMES for name in (f"{key}_{each}", f"{each}_{key}")]
    name, fs = _named(arrays, [name.lower() for name in own_names] if key else [])
    if fs is None:
        name, fs = _named(arrays, _RATE_NAMES)
    if fs is not None and fs.size == 1 and fs.dtype.kind in "fiu":
        rate = float(fs.reshape(-1)[0])
        _refuse_other_rate(arrays, name, rate)
        return rate, f"the array {name!r}" if rate else ""
    name, interval = _named(arrays, ("isi",))
    if interval is not None and _texts(arrays, ("isi_units",)) == ["ms"]:  # AcqKnowledge
        return 1000.0 / float(interval.reshape(-1)[0]), f"the array {name!r}"
    folded = {re.sub(r"[ _-]", "", each.lower()): each for each in arrays}
    for each in INTERVALS:
        step = arrays.get(folded.get(each, ""))
        if step is not None and step.size == 1 and step.dtype.kind in "fiu":
            spaced = rate_of_interval(float(step.reshape(-1)[0]))
            if spaced is not None:
                return spaced, f"the array {folded[each]!r}"
    own = stated_rate(attributes.get(key, {}))
    stated, attribute = own if own[0] else stated_rate(attributes.get("", {}))
    return stated, f"the attribute {attribute!r}" if stated else ""


def _refuse_other_rate(arrays: dict[str, npt.NDArray[Any]], name: str, rate: float) -> None:
    """Raise if another array states another sampling rate."""
    folded = {each.lower(): each for each in arrays}
    for other in (folded[each] for each in _SAMPLING_RATE_NAMES if each in folded):
        value = arrays[other]
        if name.lower() not in _SAMPLING_RATE_NAMES or value.size != 1:
            continue
        if value.dtype.kind in "fiu" and rate > 0:
            second = float(value.reshape(-1)[0])
            if second > 0 and abs(second - rate) > 0.01 * rate:
                raise ValueError(
                    f"{name!r} says {rate:g} Hz and {other!r} {second:g} Hz; correct one of them"
                )


def _channels_of_labchart(
    path: Path, arrays: dict[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Return an array a channel: LabChart saves them behind each other, with their places."""
    data = arrays["data"].reshape(-1)
    begins, ends = (
        np.atleast_2d(arrays[key].T).T.astype(np.int64) for key in ("datastart", "dataend")
    )
    rates = np.atleast_2d(arrays.get("samplerate", np.zeros(0)).T).T.reshape(-1)
    if begins.shape[1] != 1:
        raise RecordError(f"{path}: holds {begins.shape[1]} blocks of LabChart; export each alone")
    titles = [str(title).strip() for title in arrays.get("titles", np.empty(0)).reshape(-1)]
    channels = {}
    for i, (begin, end) in enumerate(zip(begins[:, 0].tolist(), ends[:, 0].tolist(), strict=True)):
        if 1 <= begin <= end <= len(data):
            name = titles[i] if i < len(titles) and titles[i] else f"channel {i + 1}"
            channels[name] = data[begin - 1 : end]
    if not channels:
        raise RecordError(f"{path}: its channels lie outside its data; export it again")
    if len(np.unique(rates)) > 1:
        raise RecordError(f"{path}: its channels have several rates; export the ECG alone")
    return channels | ({"fs": rates[:1]} if len(rates) else {})


def _key_of(signal: npt.NDArray[Any], arrays: dict[str, npt.NDArray[Any]]) -> str:
    """Return the name of an array."""
    return next(name for name, a in arrays.items() if a is signal)


def _signal_of(
    path: Path, numeric: dict[str, npt.NDArray[Any]], listed: str
) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """Return the array that is the signal, or one array a lead."""
    by_name = {name.lower(): a for name, a in numeric.items()}
    long = {name: a for name, a in numeric.items() if a.size >= 64 or len(numeric) == 1}
    ecg = {
        n: a.reshape(-1)
        for n, a in long.items()
        if max(a.shape) == a.size and role_of(n)[0] == "ecg"
    }
    several = bool(ecg) and len({len(a) for a in ecg.values()}) == 1
    for name in _SIGNAL_NAMES[:5]:
        # Beside "ECG" there may be "ECG CH2".
        if name in by_name and not (several and len(ecg) > 1 and role_of(name)[0] == "ecg"):
            return by_name[name]
    if several:
        return ecg
    left = {n: a for n, a in long.items() if role_of(n)[0] not in ("clock", "other", "counter")}
    if len(left) == 1:
        return next(iter(left.values()))
    for name in _SIGNAL_NAMES[5:]:
        if name in by_name and by_name[name].size >= 64:
            return by_name[name]
    # Single columns of one length: their values tell, or the user does.
    # Other sensors alone are refused by what they are, which says how to read them nevertheless.
    left = left or {n: a for n, a in long.items() if role_of(n)[0] == "other"}
    lines = {n: a.reshape(-1) for n, a in left.items() if max(a.shape) == a.size}
    if len(lines) == len(left) and len({len(a) for a in lines.values()}) == 1:
        return lines
    raise RecordError(
        f"{path}: holds {listed}, no 'signal'; save it with np.savez(path, signal=..., fs=..., "
        "leads=..., units=...)"
    )
