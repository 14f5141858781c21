"""Numbers and arrays as people bring them, checked once for the whole package."""

from __future__ import annotations

import logging
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import EcgfastError, InputError

__all__ = [
    "OffsetWatch",
    "check_offset",
    "foreign_hint",
    "looks_transposed",
    "real_array",
    "real_number",
    "samples_of",
    "single_precision",
    "table_names",
]

_log = logging.getLogger("ecgfast")

# Rows of numbers from which a first column that rises steadily is taken for times.
_ROWS = 16

# Columns that a message lists, at most.
_SHOWN = 4

# Steps of float32 that the range of a lead has to hold: 100 are less than 7 bits.
_LEAST_STEPS = 100

# Seconds of a stream in which that range is looked for.
_WATCHED_S = 10.0

# The largest float32.
_MOST = float(np.finfo(np.float32).max)


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
        If rows differ in length, or the type is not a real number (bool, complex, object, text,
        dates).
    """
    where = f"{name}: " if name else ""
    needed = f"{where}samples must be real numbers in an array"
    values = _numbers_of_table(values, needed)
    try:
        array = np.asanyarray(values)
    except EcgfastError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        # A tensor on a GPU, or one that has a gradient, raises any of these.
        if hasattr(values, "__array__"):
            raise InputError(
                f"{needed}, and {type(values).__name__} cannot be read as one ({error}): pass a "
                "NumPy array, such as tensor.detach().cpu().numpy()"
            ) from None
        raise InputError(f"{needed}, all rows of one length") from None
    if array.dtype.kind == "b":
        raise InputError(
            f"{needed}, got {array.size} of type bool: a mask is no signal; pass the samples, such "
            "as signal or signal[mask]"
        )
    if array.dtype.kind not in "fiu":
        has_dtype = hasattr(values, "dtype")
        got = f"an array of {array.dtype}" if has_dtype else type(values).__name__
        hint = ": convert it to float32, NaN where a sample is missing" if has_dtype else ""
        if array.dtype.names:
            first, *more = (f"array[{name!r}]" for name in array.dtype.names)
            several = f", or np.column_stack([{first}, {more[0]}])" if more else ""
            hint = f": choose among its fields, such as {first}{several}"
        raise InputError(f"{needed}, got {got}{hint or _what_to_do(values)}")
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        kept = np.array(array.filled(0), copy=True)
        plain = single_precision(kept) if kept.dtype.kind != "f" else kept
        plain[mask] = np.nan
        return plain
    return np.asarray(array)


def _numbers_of_table(values: Any, needed: str) -> Any:
    """Return the numbers of a pandas or polars table, or refuse the columns that hold none."""
    if not hasattr(values, "__array__"):
        return values
    names, dtypes = getattr(values, "columns", None), getattr(values, "dtypes", None)
    if names is None or dtypes is None:
        return values
    # A clock among floats would come out as a number of nanoseconds.
    other = [
        f"{name!r} holds {dtype}"
        for name, dtype in zip(names, dtypes, strict=True)
        if getattr(dtype, "kind", "") not in tuple("fiu")
        and not (hasattr(dtype, "is_numeric") and dtype.is_numeric())
    ]
    if other:
        raise InputError(
            f"{needed}, and of the table's columns {', '.join(other[:_SHOWN])}: pick the leads, "
            "such as table[['I', 'II']], or convert them to float32"
        )
    if hasattr(values, "to_numpy") and any(not isinstance(x, np.dtype) for x in dtypes):
        # pandas' own types come out as objects otherwise.
        return values.to_numpy(np.float64, na_value=np.nan) if hasattr(values, "iloc") else values
    return values


def _what_to_do(values: Any) -> str:
    """What helps where something is no array of numbers."""
    if isinstance(values, Mapping):
        return ": pass np.column_stack(list(leads.values())), or the one entry that is the signal"
    if isinstance(values, (list, tuple)):
        odd = next(
            (i for i, x in enumerate(values) if np.asarray(x, object).ndim == 0 and _is_odd(x)),
            None,
        )
        if odd is not None:
            return (
                f" in which item {odd} is {reprlib.repr(values[odd])}: convert it to float, NaN "
                "where a sample is missing"
            )
    if hasattr(values, "collect"):
        return ": call its collect() first"
    if hint := foreign_hint(values):
        return f": {hint}"
    if isinstance(values, Iterator):
        return ": pass np.array(list(samples))"
    return ""


def foreign_hint(source: Any) -> str:
    """What to pass in place of an object of another library that holds a signal.

    Parameters
    ----------
    source : object

    Returns
    -------
    str
        Empty for what is no such object.
    """
    if hasattr(source, "p_signal"):
        return "pass its p_signal, with fs=record.fs"
    if hasattr(source, "get_data") and hasattr(source, "info"):
        return "pass 1e3 * raw.get_data().T (in mV), with fs=raw.info['sfreq']"
    if hasattr(source, "__aiter__"):
        return "give each chunk that `async for` takes to StreamingClassifier.process"
    if hasattr(source, "get") and hasattr(source, "put") and not hasattr(source, "__iter__"):
        if iscoroutinefunction(source.get):
            return "give each chunk that `await queue.get()` takes to StreamingClassifier.process"
        return "give each chunk that queue.get() returns to StreamingClassifier.process"
    if hasattr(source, "__dlpack__") and not hasattr(source, "__array__"):
        return "pass np.from_dlpack(x), of a tensor in the main memory"
    return ""


def _is_odd(item: Any) -> bool:
    """Whether something is no real number."""
    return not isinstance(item, (int, float, np.integer, np.floating))


def table_names(table: Any) -> tuple[str, ...]:
    """Return the names of a table's columns; none of what is no table, or has no names.

    Parameters
    ----------
    table : object
        Such as a DataFrame of pandas or polars, or a table of pyarrow.

    Returns
    -------
    tuple of str
    """
    if not hasattr(table, "__array__"):
        return ()
    names = getattr(table, "column_names", None)
    if names is None:
        names = getattr(table, "columns", None)
    if not isinstance(names, Iterable):
        return ()
    found = tuple(names)
    return found if all(isinstance(name, str) for name in found) else ()


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


def check_offset(array: npt.NDArray[Any]) -> None:
    """Refuse doubles on an offset so large that float32 would leave steps, or nothing, of a lead.

    Parameters
    ----------
    array : ndarray, shape (n, n_leads)
        A whole signal, as `real_array` returns it.

    Raises
    ------
    InputError
        If the range of a lead is less than 100 steps of float32.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize <= 4:
        return
    lost = _lost_in_float32(*_ranges(array))
    if lost:
        raise InputError(f"{lost}: subtract the offset first, and leave out times")


class OffsetWatch:
    """Say it where doubles in a stream lie on an offset as `check_offset` refuses it.

    The first ten seconds tell; later samples cost nothing. It is a warning of the logger
    ``ecgfast``: a lead that is off may show as little, and come on later.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    n_leads : int
    """

    def __init__(self, fs: float, n_leads: int) -> None:
        self._left = round(_WATCHED_S * fs)
        self._low = np.full(n_leads, np.inf)
        self._high = np.full(n_leads, -np.inf)

    def take(self, array: npt.NDArray[Any]) -> None:
        """Look at the next samples, shape (n, n_leads), before they become float32."""
        if not self._left or array.dtype.kind != "f" or array.dtype.itemsize <= 4:
            return
        part = array[: self._left]
        self._left -= len(part)
        low, high = _ranges(part)
        np.fmin(self._low, low, out=self._low)
        np.fmax(self._high, high, out=self._high)
        if not self._left:
            self._say()

    def end(self) -> None:
        """The stream has ended."""
        if self._left:
            self._left = 0
            self._say()

    def _say(self) -> None:
        lost = _lost_in_float32(self._low, self._high)
        if lost:
            _log.warning("%s: subtract the offset before the samples go into the stream", lost)


def _ranges(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Lowest and highest value of each lead."""
    return (
        np.fmin.reduce(array, axis=0, initial=np.inf),
        np.fmax.reduce(array, axis=0, initial=-np.inf),
    )


def _lost_in_float32(lows: npt.NDArray[Any], highs: npt.NDArray[Any]) -> str:
    """Which lead float32 leaves hardly anything of, in words; empty where it is none."""
    for i, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        if not -_MOST < low < high < _MOST:  # flat, missing, or a gap
            continue
        if high - low < _LEAST_STEPS * np.spacing(np.float32(max(-low, high))):
            return (
                f"column {i} of the signal lies from {low:.9g} to {high:.9g}: float32 holds hardly "
                "anything of what is between"
            )
    return ""


def looks_transposed(shape: tuple[int, ...]) -> bool:
    """Return whether an array of this shape has its leads in rows: fewer samples than leads."""
    return len(shape) == 2 and 0 < shape[0] < shape[1]
