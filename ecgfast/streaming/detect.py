"""R peaks of a whole recording, wherever it comes from."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..core import QRSDetector
from ..errors import InputError
from ..inputs import looks_transposed, real_array
from ..records import Record, RecordSource
from ..sources.chunks import open_source

__all__ = ["detect_qrs"]


def detect_qrs(
    signal: npt.ArrayLike | Record | RecordSource | str | os.PathLike[str],
    fs: float | None = None,
    *,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    max_delay: float | None = None,
    max_rate: float | None = None,
) -> npt.NDArray[np.int64]:
    """R peaks of a whole signal: exactly what a stream returns for it, however it is cut.

    Parameters
    ----------
    signal : array_like, Record or path
        Samples of shape (n,) or (n, leads) in mV (any gain works), NaN or masked where one is
        missing; a `Record`; or a recording's path (WFDB, EDF, BDF, CSV, NumPy), which is read
        block by block. All leads serve the detection.
    fs : float, optional
        Sampling rate, 99.5 to 2010 Hz; needed only where the signal does not carry it.
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

    Examples
    --------
    >>> from ecgfast import detect_qrs
    >>> from ecgfast.records import demo_record
    >>> peaks = detect_qrs(demo_record())
    >>> detect_qrs("mitdb/208")                                 # doctest: +SKIP
    """
    if isinstance(signal, (str, os.PathLike, Record, RecordSource)):
        opened = open_source(signal, fs)
        rate, n_leads, chunks = opened.fs, len(opened.leads), opened.chunks
    else:
        array = _as_samples(signal)
        if fs is None:
            raise InputError("fs is needed: the signal carries no sampling rate (give it in Hz)")
        rate, n_leads, chunks = fs, array.shape[1] if array.ndim == 2 else 1, iter((array,))
    detector = QRSDetector(
        rate, method=method, max_delay=max_delay, leads=n_leads, max_rate=max_rate
    )
    peaks = [detector.process(chunk) for chunk in chunks]
    return np.concatenate([*peaks, detector.flush()])


def _as_samples(signal: npt.ArrayLike) -> npt.NDArray[Any]:
    """The signal as an array of shape (n,) or (n, leads)."""
    array = real_array(signal)
    expected = f"signal must have the shape (n,) or (n, leads), got {array.shape}"
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise InputError(expected)
    if looks_transposed(array.shape):
        raise InputError(f"{expected}: it looks transposed, pass signal.T")
    return array
