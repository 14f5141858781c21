"""A recording as a WFDB record: its signal, its header and its marks."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..errors import InputError
from .record import Record
from .writers import write_annotations

__all__ = ["write_record"]

_NAME = re.compile(r"[A-Za-z0-9_-]+")

# WFDB format 32: a missing sample, and the largest value.
_MISSING, _LARGEST = -(2**31), 2**31 - 1

# Steps to a unit, at most: a nanovolt in mV, finer than single precision at the height of a beat.
_FINEST = 1e6


def write_record(path: str | os.PathLike[str], record: Record) -> None:
    """Write a recording as a WFDB record, with its annotations: what `ecgfast train` reads.

    Parameters
    ----------
    path : str or path
        The record without an extension, such as ``recordings/mine/p07``; folders are made. Its
        files are ``p07.dat`` (format 32), ``p07.hea`` and, where there are annotations,
        ``p07.atr``; earlier ones of these names are replaced.
    record : Record

    Raises
    ------
    InputError
        If the name has other characters than letters, digits, ``-`` and ``_``, an annotation has no
        code of WFDB, or a file cannot be written.

    Examples
    --------
    A recording of any format, with the labels of a review (``p07.reviewed``):

    >>> from ecgfast import read_record
    >>> record = read_record("p07.edf", annotator="reviewed")      # doctest: +SKIP
    >>> write_record("recordings/mine/p07", record)                # doctest: +SKIP
    """
    target = Path(path).expanduser()
    name = target.name.removesuffix(".hea")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{path}: a record's name has letters, digits, - and _ alone, and no extension"
        )
    signal = record.signal.astype(np.float64)
    size = np.nan_to_num(np.abs(signal), posinf=0.0).max(axis=0)
    gains = np.array([_gain(value) for value in size])
    steps = np.rint(signal * gains)
    good = np.abs(steps) <= _LARGEST  # not NaN
    values = np.where(good, steps, _MISSING).astype("<i4")
    lines = [f"{name} {len(record.leads)} {record.fs!r} {len(signal)}{_start(record)}"]
    for i, lead in enumerate(record.leads):
        total = int(values[:, i].sum(dtype=np.int64)) & 0xFFFF
        total -= 1 << 16 if total >> 15 else 0
        first = int(values[0, i])
        gain = f"{gains[i]:.15g}/{'_'.join(record.units[i].split())}"
        lines.append(f"{name}.dat 32 {gain} 32 0 {first} {total} 0 {' '.join(lead.split())}")
    lines += [f"# {' '.join(text.split())}" for text in record.comments]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent}: cannot be made ({error.strerror})") from None
    marks = record.annotations
    file = target.with_name(f"{name}.atr")
    if marks is not None:
        order = np.argsort(marks.sample, kind="stable")
        write_annotations(
            file, marks.sample[order], marks.symbol[order], record.fs, aux=marks.aux[order]
        )
    elif file.is_file():  # of an earlier record
        file.unlink()
    write_whole(target.with_name(f"{name}.dat"), values.tobytes())
    # The record is there with its header, which is written last.
    write_whole(target.with_name(f"{name}.hea"), "\n".join(lines) + "\n")


def _gain(size: float) -> float:
    """Steps to a unit of a lead whose largest value is `size`: a power of ten."""
    if not size:
        return _FINEST
    return float(min(_FINEST, 10.0 ** np.floor(np.log10(_LARGEST / size))))


def _start(record: Record) -> str:
    """Time of day and date of the first sample, as a header has them."""
    if isinstance(record.start, datetime):
        return (
            f" {record.start:%H:%M:%S.%f}"[:-3] + f" {record.start:%d/%m}/{record.start.year:04d}"
        )
    if record.start_time is not None:
        return f" {record.start_time:%H:%M:%S.%f}"[:-3]
    return ""
