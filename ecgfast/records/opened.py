"""What a reader returns for a file: columns with names, units and rates, and values on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .record import Annotations

__all__ = ["Column", "Opened", "Values", "filter_notes"]

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Column:
    """One column, channel or signal of a file.

    Attributes
    ----------
    name : str
        What the file calls it; empty where it says nothing.
    unit : str
        Unit of the values as the file states it; empty where it says nothing.
    fs : float or None
        Sampling rate in Hz; None where the file says nothing.
    n_samples : int
        Samples of this column.
    role : str
        What the format itself says that the column is: ``clock``, ``ecg``, or a sensor that is no
        ECG; empty where only name, unit and values can tell.
    codes : tuple of float
        Values that the format gives no meaning but that of a missing sample.
    """

    name: str
    unit: str
    fs: float | None
    n_samples: int
    role: str = ""
    codes: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Opened:
    """A file as its reader found it, before leads are chosen and converted.

    Attributes
    ----------
    path : Path
        The file.
    format : str
        What it was read as.
    columns : tuple of Column
        Everything in it that could be a signal.
    read : callable
        ``read(start, stop, columns)`` returns values of shape (stop - start, len(columns)) in the
        columns' own units, NaN where a sample is missing.
    fs_from : str
        Where the sampling rate comes from, in words.
    declared : bool
        Whether the format itself says that columns measured in volts are leads; else names, units
        and values have to tell.
    start, start_time, comments
        As in `Record`.
    utc_offset : float or None
        Seconds that the clock of `start` is ahead of UTC; None where the file does not say.
    annotations : callable or None
        Gives the marks, counted in samples at a sampling rate.
    annotation_fs : float or None
        Samples a second that an annotation file counts in unless it says so itself; None where
        that is the sampling rate.
    notes : tuple of str
        What was done to the file's content in reading it, in words.
    marks_missing : bool
        Whether the format says which samples are missing, so that no value has to be taken for one.
    """

    path: Path
    format: str
    columns: tuple[Column, ...]
    read: Callable[[int, int, Sequence[int]], Values] = field(repr=False)
    fs_from: str = "the file's header"
    declared: bool = False
    start: datetime | None = None
    start_time: time | None = None
    utc_offset: float | None = None
    annotations: Callable[[float], Annotations | None] | None = None
    annotation_fs: float | None = None
    comments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    marks_missing: bool = False


def filter_notes(high_pass: float | None, low_pass: float | None) -> list[str]:
    """Return a note that names the filters of the recording device.

    Parameters
    ----------
    high_pass, low_pass : float or None
        Cut-off frequencies in Hz; None or 0 where the file names none.

    Returns
    -------
    list of str
        One note, or none where there is no filter.
    """
    passed = [
        f"{where} {cutoff:g} Hz"
        for where, cutoff in (("above", high_pass), ("below", low_pass))
        if cutoff
    ]
    return [f"the device's filters pass what is {' and '.join(passed)}"] if passed else []
