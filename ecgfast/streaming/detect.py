"""R peaks of a whole recording, wherever it comes from."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..core import QRSDetector
from ..errors import InputError, NoBeatsWarning
from ..inputs import looks_transposed, real_array
from ..records import Record, RecordSource, check_fs
from ..records.missing_codes import cleaned
from ..sources.chunks import (
    CLOCK_IN_COLUMN,
    Leads,
    Source,
    is_array,
    lead_columns,
    open_source,
)
from ..sources.items import has_clock
from .nothing import Beginning

__all__ = ["detect_qrs"]


def detect_qrs(
    signal: Source,
    fs: float | None = None,
    *,
    leads: Leads | None = None,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    max_delay: float | None = None,
    max_rate: float | None = None,
) -> npt.NDArray[np.int64]:
    """R peaks of a whole signal: exactly what a stream returns for it, however it is cut.

    Parameters
    ----------
    signal : array_like, Record, path or iterable
        Samples of shape (n,) or (n, n_leads) in mV (any gain works), NaN or masked where one is
        missing; a `Record`; a recording's path (WFDB, EDF, BDF, CSV, NumPy), which is read block
        by block; or any iterable, as for `stream_classify`.
    fs : float, optional
        Sampling rate, 99.5 to 2010 Hz; needed only where the signal does not carry it.
    leads : str, int or sequence of them, optional
        Which leads to use, by name or column (default: all); R peaks are found on all of them.
    method, max_delay, max_rate
        As for `QRSDetector`.

    Returns
    -------
    ndarray of int64, shape (k,)
        Sample indices, ascending.

    Raises
    ------
    InputError
        If the signal or a parameter cannot be used.
    RecordError
        If the recording cannot be read.

    Warns
    -----
    NoBeatsWarning
        If three seconds or more show no beat; it says what to check.
    MissingValuesWarning
        If a value of an array, such as -9999, is taken for missing.

    Examples
    --------
    >>> from ecgfast import detect_qrs
    >>> from ecgfast.records import demo_record
    >>> peaks = detect_qrs(demo_record())
    >>> detect_qrs("mitdb/208")                                 # doctest: +SKIP
    """
    chunks: Iterable[Any]
    if is_array(signal) or not _is_source(signal):
        array = _as_samples(signal)
        if fs is None:
            raise InputError("fs is needed: the signal carries no sampling rate (give it in Hz)")
        rate, names = check_fs(fs), tuple(f"ECG{i + 1}" for i in range(array.shape[1]))
        array = cleaned(array, rate, names)
        columns = lead_columns(leads, names)
        names = tuple(names[column] for column in columns)
        chunks = (array if leads is None else array[:, columns],)
    else:
        opened = open_source(signal, fs, leads)
        rate, names, chunks = opened.fs, opened.leads, opened.chunks
    detector = QRSDetector(
        rate, method=method, max_delay=max_delay, n_leads=len(names), max_rate=max_rate
    )
    beginning = Beginning(rate, names)
    peaks = [detector.process(chunk) for chunk in beginning.kept(chunks)]
    found = np.concatenate([*peaks, detector.flush()])
    if not len(found) and beginning.is_long:
        warnings.warn(beginning.text(), NoBeatsWarning, stacklevel=2)
    return found


def _is_source(signal: Any) -> bool:
    """Whether something opens or yields samples; what else it may be, an array says."""
    kinds = (str, os.PathLike, Record, RecordSource, Iterable)
    return isinstance(signal, kinds)


def _as_samples(signal: Any) -> npt.NDArray[Any]:
    """The signal as an array of shape (n, n_leads)."""
    array = real_array(signal)
    expected = f"signal must have the shape (n,) or (n, n_leads), got {array.shape}"
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise InputError(expected)
    if looks_transposed(array.shape):
        raise InputError(f"{expected}: it looks transposed, pass signal.T")
    if has_clock(array):
        raise InputError(CLOCK_IN_COLUMN)
    return array[:, np.newaxis] if array.ndim == 1 else array
