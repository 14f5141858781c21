"""R peaks of a whole recording, wherever it comes from."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..core import QRSDetector
from ..errors import NoBeatsWarning
from ..sources.chunks import Leads, Source, open_source
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
        missing; a DataFrame, whose columns are leads by name; a `Record`; a recording's path
        (WFDB, EDF, BDF, CSV, NumPy), which is read block by block; or any iterable, as for
        `stream_classify`.
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
    opened = open_source(signal, fs, leads)
    detector = QRSDetector(
        opened.fs,
        method=method,
        max_delay=max_delay,
        n_leads=len(opened.leads),
        max_rate=max_rate,
    )
    beginning = Beginning(opened.fs, opened.leads)
    peaks = [detector.process(chunk) for chunk in beginning.kept(opened.chunks)]
    found = np.concatenate([*peaks, detector.flush()])
    if not len(found) and beginning.is_long:
        warnings.warn(beginning.text(), NoBeatsWarning, stacklevel=2)
    return found
