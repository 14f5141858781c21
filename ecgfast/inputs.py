"""Numbers and arrays as people bring them, checked once for the whole package."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

__all__ = ["looks_transposed", "real_array", "real_number", "samples_of", "single_precision"]

# Rows of numbers from which a first column that rises steadily is taken for times.
_ROWS = 16


def real_number(value: Any, name: str) -> float:
    """Return a parameter as a float, or say why it cannot be used.

    Parameters
    ----------
    value : real number
        Also a NumPy scalar or an array without dimensions, as ``.npz`` files hold them.
    name : str
        What the caller calls it, for the message.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If it is text, a bool, complex, an array of several numbers, or no number at all.
    """
    what = f"{name} must be a number, got {reprlib.repr(value)}"
    if isinstance(value, (str, bytes)):
        raise InputError(f"{what}: give a number, not text, such as {name}=float(text)")
    several = isinstance(value, np.ndarray) and (value.ndim > 0 or value.dtype.kind not in "fiu")
    if several or isinstance(value, (bool, np.bool_, complex, np.complexfloating)):
        raise InputError(f"{what}: give one real number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what}: give one real number") from None


def real_array(values: Any, name: str = "") -> npt.NDArray[Any]:
    """Return samples as a plain array of real numbers, what is masked as NaN.

    Parameters
    ----------
    values : array_like
        Of any real type, byte order, alignment and memory layout.
    name : str
        What they belong to, for the message.

    Returns
    -------
    ndarray
        Not copied where that is not needed.

    Raises
    ------
    InputError
        If rows differ in length, or the type is not a real number (complex, object, text, dates).
    """
    where = f"{name}: " if name else ""
    try:
        array = np.asanyarray(values)
    except (TypeError, ValueError):
        raise InputError(
            f"{where}samples must be real numbers in an array, all rows of one length"
        ) from None
    if array.dtype.kind not in "fiub":
        has_dtype = hasattr(values, "dtype")
        got = f"an array of {array.dtype}" if has_dtype else type(values).__name__
        hint = ": convert it to float32, NaN where a sample is missing" if has_dtype else ""
        raise InputError(f"{where}samples must be real numbers in an array, got {got}{hint}")
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        kept = np.array(array.filled(0), copy=True)
        plain = single_precision(kept) if kept.dtype.kind != "f" else kept
        plain[mask] = np.nan
        return plain
    return np.asarray(array)


def samples_of(chunk: Any, n_leads: int, fs: float) -> Any:
    """Return the samples of whatever a stream of known leads is given.

    Parameters
    ----------
    chunk : array_like, Record or iterable
        Samples; a recording with ``signal`` and ``fs``; or an iterable of numbers or chunks.
    n_leads : int
        Leads of the stream.
    fs : float
        Sampling rate of the stream, Hz.

    Returns
    -------
    array_like

    Raises
    ------
    InputError
        If it is a path, is sampled at another rate, or holds times.
    """
    if isinstance(chunk, (str, bytes, os.PathLike)):
        raise InputError(
            f"samples must be real numbers in an array, got {type(chunk).__name__}: open a "
            "recording with read_record(path), or give its path to detect_qrs, stream_beats or "
            "stream_classify"
        )
    if hasattr(chunk, "signal") and hasattr(chunk, "fs"):
        rate = real_number(chunk.fs, "fs")
        if abs(rate - fs) > 1e-6 * fs:
            raise InputError(
                f"the recording is sampled at {rate:g} Hz and the stream at {fs:g} Hz: make the "
                f"stream with fs={rate:g}"
            )
        return chunk.signal
    if isinstance(chunk, Iterable) and not hasattr(chunk, "__len__"):
        parts = [real_array(item) for item in chunk]
        row = (-1, n_leads) if n_leads > 1 else (-1, 1)
        try:
            table = np.concatenate([np.empty((0, n_leads)), *(part.reshape(row) for part in parts)])
        except ValueError:
            raise InputError(
                f"the items of the iterable do not hold {n_leads} leads each: yield arrays of "
                f"shape (samples, {n_leads})"
            ) from None
        if n_leads == 1 and parts and all(part.shape == (2,) for part in parts):
            _refuse_times(np.stack(parts))
        return table
    return chunk


def _refuse_times(pairs: npt.NDArray[Any]) -> None:
    """Refuse (time, value) pairs, which a stream would take for samples."""
    steps = np.diff(pairs[:, 0])
    if len(steps) >= _ROWS and steps.min() > 0 and steps.max() < 10 * np.median(steps):
        raise InputError(
            "the items look like (time, value) pairs: pass the values alone, such as "
            "(value for _, value in pairs), or give the pairs to stream_beats or stream_classify"
        )


def single_precision(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return real numbers as float32, aligned and in C order.

    Parameters
    ----------
    array : ndarray
        As `real_array` returns it.

    Returns
    -------
    ndarray of float32
        `array` itself where it is that already. What is beyond float32 is infinite: a gap.

    Raises
    ------
    InputError
        If integers need more than the 24 bits that float32 holds.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.require(array, np.float32, ["C_CONTIGUOUS", "ALIGNED"])
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        # Counts of a converter: an ECG on a large offset would come out as steps, or flat.
        inexact = single.astype(np.float64) != array
        if inexact.any():
            raise InputError(
                f"samples of {array.dtype} such as {array[inexact][0]} need more than the 24 bits "
                "of float32: subtract the offset first"
            )
    return single


def looks_transposed(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape has its leads in rows: fewer samples than leads."""
    return len(shape) == 2 and 0 < shape[0] < shape[1]
