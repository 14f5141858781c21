"""What the items of an iterable are: samples, chunks, rows of leads, or values with their times."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..inputs import real_array
from ..records.choosing import look_of
from ..records.clocks import count_for

__all__ = ["Items", "as_chunks", "has_clock", "shape_of", "size_of"]

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

# An item of so many numbers may be one sample of each lead; a longer one is a chunk of one lead.
_MOST_LEADS = 16

# Items that are held back to distinguish the two, at least; and seconds of samples, at first and
# where these are not enough. Less than the time in which the first beat is found.
_ITEMS, _FIRST_S, _LAST_S = 16, 1.0, 2.0

# Mean square of the steps through all numbers in order, over that of the steps from item to item:
# below 0.9 for 99 % of stretches of one lead (chunks of two; of four below 0.6), above 1.3 for
# 97 % of two leads and all of twelve (mitdb, svdb, ludb, nstdb, cinc2017).
_CHUNK, _ROW = 0.9, 1.3

# Steps along a row, over those from row to row, below which the rows of chunks are leads.
_TURNED = 0.5

# In one lead the steps from item to item are as large as those within items; both are measured on
# the items held: the ratio of their means is at most 1 + this / sqrt(items).
_UNEVEN = 15.0

# Samples of an array whose first column is looked at, at most and at least.
_LOOK, _CLOCK_ROWS = 4096, 64

# Mains, Hz, and how near a chunk has to be to whole periods of it to look the same each time.
_MAINS, _WHOLE = (50.0, 60.0), 0.05

# A clock and the rate that was given are the same up to this share.
_SAME = 0.1

# Share of steps by one, from which the first number of an item counts samples.
_COUNTER = 0.9

# Seconds of missing samples that are made at a time, and a gap that parts two recordings.
_FILL_S, _LONGEST_GAP_S = 1.0, 86_400.0

_NOTHING = object()

_EXAMPLES = (
    "yield single numbers, arrays of shape (samples,) of one lead, arrays of shape "
    "(samples, leads), or (time, value) pairs"
)


class Items(NamedTuple):
    """What the items of an iterable are.

    Attributes
    ----------
    n_leads : int
        How many.
    chunks : iterator
        Numbers or arrays of shape (k,) of one lead, or arrays of shape (k, n_leads). Where times
        leap, the missing samples are NaN.
    rows : bool
        Whether an item of several numbers is one sample.
    """

    n_leads: int
    chunks: Iterator[Any]
    rows: bool = False


def as_chunks(items: Iterable[Any], fs: float, *, rows: bool = False) -> Items:
    """Find out what the items of a source are, and yield them as chunks.

    Parameters
    ----------
    items : iterable
        Single numbers; chunks of shape (k,) of one lead, or (k, n_leads); one sample of each lead;
        or a time (or a counter) with one value for each lead. Up to two seconds are held back
        where the first items alone are not enough.
    fs : float
        Sampling rate in Hz.
    rows : bool, default False
        Whether the caller knows that short items are samples of several leads.

    Returns
    -------
    Items

    Raises
    ------
    InputError
        If there is no item, or it is not clear what they are.
    """
    given = (item for item in items if 0 not in shape_of(item))
    first = next(given, _NOTHING)
    if first is _NOTHING:
        raise InputError("the source ended before it gave a sample")
    shape = shape_of(first)
    _check_number(first)
    if len(shape) == 2:
        return Items(shape[1], _upright(first, given, fs))
    if len(shape) == 1 and 2 <= shape[0] <= _MOST_LEADS:
        return _short_items(first, given, fs, rows=rows)
    return Items(1, chain([first], given))


def shape_of(item: Any) -> tuple[int, ...]:
    """Shape of an item; InputError where it has none."""
    try:
        return np.shape(item)
    except ValueError:
        raise InputError("a chunk has rows of different lengths") from None


def size_of(item: Any, *, rows: bool) -> int:
    """Samples of an item; with `rows` an item of a few numbers is one."""
    shape: tuple[int, ...] | None = getattr(item, "shape", None)
    if shape is None:
        if not hasattr(item, "__len__"):
            return 1
        flat = not len(item) or not hasattr(item[0], "__len__")
        shape = (len(item),) if flat else (len(item), 0)
    if not shape:
        return 1
    return 1 if rows and len(shape) == 1 and 2 <= shape[0] <= _MOST_LEADS else shape[0]


def has_clock(signal: npt.NDArray[Any]) -> bool:
    """Whether the first of several columns holds times or counts samples, and no lead."""
    if signal.ndim != 2 or signal.shape[1] < 2 or len(signal) < _CLOCK_ROWS:
        return False
    first, second = (look_of(signal[:_LOOK, i], None) for i in (0, 1))
    return first == "clock" and second != "clock"


def _check_number(item: Any) -> None:
    """Refuse what holds no real numbers."""
    try:
        real_array(item)
    except InputError:
        raise InputError(
            f"an item of the source is {reprlib.repr(item)}: samples must be real numbers; "
            f"{_EXAMPLES}"
        ) from None


def _upright(first: Any, items: Iterator[Any], fs: float) -> Iterator[Any]:
    """Chunks of several leads; refuse those whose rows are leads."""
    n, n_leads = shape_of(first)
    if not 1 < n < n_leads:
        return chain([first], items)
    held = [first]
    for item in items:
        held.append(item)
        if len(held) * n >= _FIRST_S * fs or len(held) >= _ITEMS:
            break
    tables = [
        real_array(item).astype(np.float64) for item in held if shape_of(item) == (n, n_leads)
    ]
    along = _mean_square(np.concatenate([np.diff(table, axis=1).ravel() for table in tables]))
    across = _mean_square(np.concatenate([np.diff(table, axis=0).ravel() for table in tables]))
    # Many leads in few samples are rare, and taken where they look so.
    turned = along < _ROW * across if n_leads > _MOST_LEADS else 0 < along < _TURNED * across
    if turned:
        raise InputError(
            f"a chunk has the shape {(n, n_leads)}: it looks transposed; a chunk is (samples, "
            "leads), yield chunk.T"
        )
    return chain(held, items)


def _short_items(first: Any, items: Iterator[Any], fs: float, *, rows: bool) -> Items:
    """Items of a few numbers each."""
    held = [first]
    width = len(first)
    wanted, most = _held_items(_FIRST_S, width, fs), _held_items(_LAST_S, width, fs)
    kind = ""
    while not kind:
        for item in items:
            held.append(item)
            if shape_of(item) != (width,):
                return Items(1, chain(held, items))  # chunks of any length
            if len(held) >= wanted:
                break
        ended = len(held) < wanted
        table = np.array([real_array(item) for item in held], np.float64)
        kind = _kind(table, fs, rows=rows)
        if not kind and (ended or wanted >= most):
            break
        wanted = most
    if kind == "times":
        return Items(width - 1, _timed(chain(held, items), table[:, 0], fs), rows=True)
    if kind == "rows":
        each = (np.reshape(real_array(item), (1, -1)) for item in _even(held, items, width))
        return Items(width, each, rows=True)
    if kind == "unclear" or (not kind and rows):
        raise InputError(
            f"items of {width} numbers, such as {reprlib.repr(first)}, may be {width} samples of "
            f"one lead or one sample of {width} leads: yield np.reshape(item, (-1, 1)) in the "
            "first case, np.reshape(item, (1, -1)) in the second"
        )
    return Items(1, chain(held, items))


def _held_items(seconds: float, width: int, fs: float) -> int:
    """Items to hold back: of `width` samples each, if they are chunks."""
    return max(_ITEMS, int(seconds * fs / width))


def _even(held: list[Any], items: Iterator[Any], width: int) -> Iterator[Any]:
    for item in chain(held, items):
        shape = shape_of(item)
        if shape != (width,):
            raise InputError(f"an item has the shape {shape}: those before it hold {width} numbers")
        yield item


def _kind(table: Floats, fs: float, *, rows: bool) -> str:
    """What rows of numbers are: ``times``, ``rows``, ``chunks``, ``unclear``; empty if too few."""
    if len(table) < _ITEMS // 2:
        return "rows" if rows else ""
    if look_of(table[:, 0], None) in ("clock", "counter") and look_of(table[:, 1], None) != "clock":
        return "times"
    if rows:
        return "rows"
    ratio = _roughness(table)
    if not np.isfinite(ratio):  # nothing but one value
        return ""
    if ratio >= _ROW:
        periods = [mains * table.shape[1] / fs for mains in _MAINS]
        if any(x > 0.5 and abs(x - round(x)) < _WHOLE for x in periods):
            # Hum repeats from chunk to chunk as offsets of leads do: what is left decides.
            left = _roughness(table - np.nanmean(table, axis=0))
            return "rows" if left >= _ROW else "unclear"
        return "rows"
    inner, outer = _mean_size(np.diff(table, axis=1)), _mean_size(table[1:, 0] - table[:-1, -1])
    most = 1.0 + _UNEVEN / len(table) ** 0.5
    even = inner <= most * outer and outer <= most * inner
    return "chunks" if ratio <= _CHUNK and even else "unclear"


def _roughness(table: Floats) -> float:
    """Mean square of the steps through all numbers in order, over that from item to item."""
    down = _mean_square(np.diff(table, axis=0))
    if not down > 0:
        return float("nan")
    return _mean_square(np.diff(table.ravel())) / down


def _mean_size(values: Floats) -> float:
    good = values[np.isfinite(values)]
    return float(np.abs(good).mean()) if good.size else float("nan")


def _mean_square(values: Floats) -> float:
    good = values[np.isfinite(values)]
    return float((good**2).mean()) if good.size else float("nan")


def _timed(items: Iterator[Any], stamps: Floats, fs: float) -> Iterator[Any]:
    """The values of items that begin with a time or a counter; NaN where times leap."""
    steps = np.diff(stamps[np.isfinite(stamps)])
    usual = float(np.median(steps[steps > 0]))
    counter = bool((steps == 1.0).mean() > _COUNTER)
    count = 1.0 / fs if counter else count_for(stamps, fs)
    if count is None:
        raise InputError(
            f"the first number of each item rises by {usual:g}, like a clock, but at no unit of "
            f"{fs:g} Hz: check fs, or yield the values alone"
        )
    # Packets share a stamp, or have stamps that do not rise evenly: what is usual is no gap.
    packet = max(1.0, float(steps.max()) * count * fs) if not counter else 1.0
    mean = float(steps.sum()) * count * fs / len(steps)
    if not counter and abs(mean - 1.0) > _SAME:
        _log.warning(
            "the source: the times of its items say %.4g Hz, and fs=%g was given", fs / mean, fs
        )
    before: float | None = None
    width = 0
    for item in items:
        row = np.asarray(real_array(item), np.float64)
        if row.ndim != 1 or (width and len(row) != width):
            raise InputError(f"an item is {reprlib.repr(item)}: give a time and the values")
        width = len(row)
        step = 0.0 if before is None else (float(row[0]) - before) * count * fs
        if step > packet + 0.75:
            yield from _missing(step - packet, width - 1, fs)
        before = float(row[0]) if np.isfinite(row[0]) else before
        yield np.reshape(row[1:], (1, -1))


def _missing(samples: float, n_leads: int, fs: float) -> Iterator[Floats]:
    """So many missing samples, a second at a time."""
    if samples > _LONGEST_GAP_S * fs:
        raise InputError(
            f"the times of the source leap by {samples / fs:,.0f} s: begin a new stream there"
        )
    left = round(samples)
    while left > 0:
        n = min(left, max(1, round(_FILL_S * fs)))
        yield np.full((n, n_leads), np.nan)
        left -= n
