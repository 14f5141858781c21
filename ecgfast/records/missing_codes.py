"""Values that stand for missing samples, such as -9999: found in stored signals, and said.

Some programs and devices write a number where they have no sample. It is taken for one where it is
the lowest or the highest value of a lead and lies farther from all others than these from each
other: clipped waves reach a converter's limit over values in between, and nothing that was sampled
jumps so far and back. In mitdb, svdb, nstdb, qtdb, ludb, nsrdb, cinc2017, cpsc2019 and bp the
largest such distance of a value that repeats is 0.15 times the range of the others; but for one
strip of cpsc2019, in which 32 single samples of the largest 16-bit number lie 4.7 times as far.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingValuesWarning

__all__ = [
    "BEYOND",
    "CODES",
    "Code",
    "cleaned",
    "code_text",
    "find_codes",
    "is_code",
    "without_codes",
]

Values = npt.NDArray[np.floating[Any]]

# Distance of a code from all other values, over the range of these.
_FAR = 1.0

# Different values that the others have, at least: those of a flag or a flat lead say nothing.
_DIFFERENT = 16

# Samples of a value that no convention gives a meaning, at least, and seconds of a stretch of them,
# at most: longer ones are a lead that is off, which has events of its own.
_REPEATS, _RUN_S = 3, 0.25

# Peaks that a converter clips come once a beat, as pacing spikes do: so many of them at least, and
# this share of the seconds between them like RR intervals; or nearly all of them like RR intervals
# and, where both chambers are paced, AV delays.
_SPIKES, _SPIKE_SHARE, _HALF, _PAIR_SHARE = 4, 0.8, 0.45, 0.95
_RR_S, _AV_S = (0.3, 2.0), (0.06, 0.3)

# A calibration pulse that a device draws: a level for so many seconds at least, between others.
_PULSES, _LEVEL_S = 4, 0.04

# Stretches of a value of which the intervals are looked at.
_MOST_INTERVALS = 10_000

# Samples read at a time; those of which the extremes are looked at first; then one in so many is.
_AT_ONCE, _PIECE, _EACH = 1 << 18, 1 << 12, 16

#: Values beyond any unit of a voltage.
BEYOND = 1e15

_WORDS = frozenset(
    float(value)
    for value in (-(1 << 15), -(1 << 31), (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32)
)
_NINES = frozenset(sign * (10.0**k - 1) for k in range(3, 16) for sign in (-1, 1))
_POWERS = frozenset(sign * 10.0**k for k in range(5, 16) for sign in (-1, 1))
#: Values that programs write for missing samples.
CODES = _WORDS | _NINES | _POWERS


@dataclass(frozen=True)
class Code:
    """A value that stands for missing samples.

    Attributes
    ----------
    value : float
        In the unit of the file.
    samples : int
        How many have it.
    """

    value: float
    samples: int


def is_code(value: float) -> bool:
    """Return whether programs write a value for missing samples: -9999, -32768, 1e9, ...

    Examples
    --------
    >>> [value for value in (-9999, 999.0, -32768, 32767, 1e9, 1000, 1e20) if is_code(value)]
    [-9999, 999.0, -32768, 1000000000.0, 1e+20]
    """
    return value in CODES or BEYOND <= abs(value) < np.inf


class _Extreme:
    """The highest value of a column so far, how often it came, and the highest of the others."""

    def __init__(self) -> None:
        self.value, self.count, self.next = -np.inf, 0, -np.inf

    def add(self, values: Values) -> None:
        """Take the next values, of which at least one is finite and none infinite."""
        top = float(np.fmax.reduce(values))
        if top < self.value:
            self.next = max(self.next, top)
            return
        equal = values == top
        others = values[~equal & ~np.isnan(values)]
        if top > self.value:
            self.next, self.value, self.count = max(self.next, self.value), top, 0
        self.count += int(equal.sum())
        if len(others):
            self.next = max(self.next, float(others.max()))


def find_codes(
    read: Callable[[int, int], Values],
    n_samples: int,
    n_columns: int,
    fs: float,
    known: Sequence[Collection[float]] = (),
) -> list[list[Code]]:
    """Find the values of each column that stand for missing samples.

    Parameters
    ----------
    read : callable
        ``read(start, stop)`` returns values of shape (stop - start, n_columns).
    n_samples, n_columns : int
    fs : float
        Sampling rate in Hz.
    known : sequence of collections of float
        For each column, values that the format itself gives no other meaning.

    Returns
    -------
    list of list of Code
        For each column: none, one, or the lowest and the highest value.
    """

    def column(i: int) -> Callable[[int, int], Values]:
        return lambda begin, end: read(begin, end)[:, i]

    suspects = _suspects(read, n_samples, n_columns)
    extremes = {i: (_Extreme(), _Extreme()) for i in suspects}
    for begin in range(0, n_samples if suspects else 0, _AT_ONCE):
        table = _block(read, begin, n_samples)
        for i, (low, high) in extremes.items():
            values = np.ascontiguousarray(table[:, i])
            values = np.where(np.isinf(values), np.nan, values)
            if not np.isnan(np.fmax.reduce(values)):
                low.add(-values)
                high.add(values)
    return [
        _codes_of(*extremes[i], column(i), n_samples, fs, known[i] if known else ())
        if i in extremes
        else []
        for i in range(n_columns)
    ]


def _block(read: Callable[[int, int], Values], begin: int, n_samples: int) -> Values:
    """The next values of all columns."""
    table = np.asarray(read(begin, min(begin + _AT_ONCE, n_samples)))
    return table if table.dtype.kind == "f" else table.astype(np.float64)


def _suspects(read: Callable[[int, int], Values], n_samples: int, n_columns: int) -> list[int]:
    """Columns that may hold codes: all where these few values do not show that there is none.

    Between two codes lie all other values. Of these a few are enough to see that the extremes are
    nearer to them than they are apart, as in nearly every signal; more of them bring the extremes
    nearer and take the others farther apart.
    """
    extremes: list[list[Values]] = [[] for _ in range(n_columns)]
    some: list[list[Values]] = [[] for _ in range(n_columns)]
    for begin in range(0, n_samples, _AT_ONCE):
        table = _block(read, begin, n_samples)
        for i in range(n_columns):
            values = np.ascontiguousarray(table[:, i])
            extremes[i] += _extremes(values)
            some[i].append(values[::_EACH])
    return [
        i
        for i in range(n_columns)
        if not extremes[i] or not _are_near(np.concatenate(extremes[i]), some[i])
    ]


def _extremes(values: Values) -> list[Values]:
    """The lowest and the highest value of each piece of them."""
    begins = np.arange(0, len(values), _PIECE)
    return [np.fmin.reduceat(values, begins), np.fmax.reduceat(values, begins)]


def _are_near(extremes: Values, some: Sequence[Values]) -> bool:
    """Whether lowest and highest are nearer to all others than these, as far as seen, are apart."""
    low, high = float(np.fmin.reduce(extremes)), float(np.fmax.reduce(extremes))
    if not np.isfinite([low, high]).all():
        return False
    for looked_at in ([extremes], some):
        values = np.concatenate(looked_at)
        others = values[(values > low) & (values < high)]
        if len(others):
            lowest, highest = float(others.min()), float(others.max())
            if max(lowest - low, high - highest) < _FAR * (highest - lowest):
                return True
    return False


def _codes_of(
    low: _Extreme,
    high: _Extreme,
    read: Callable[[int, int], Values],
    n_samples: int,
    fs: float,
    known: Collection[float],
) -> list[Code]:
    """The codes of one column, whose extremes are known."""
    found: list[Code] = []
    for end, sign in ((low, -1.0), (high, 1.0)):
        value, other = sign * end.value, (high if end is low else low)
        # The other end may be a code too: then the range is that of what lies between.
        for far in (-other.value, -other.next):
            if not (np.isfinite(end.next) and np.isfinite(far)) or end.next <= far:
                continue
            reach = end.next - far
            if end.value - end.next < _FAR * reach:
                continue
            meant = value in known or is_code(round(value, 6))
            if not meant and end.count < _REPEATS:
                continue
            if _is_scattered(read, n_samples, value, None if meant else fs):
                found.append(Code(value, end.count))
            break
    return found


def _is_scattered(
    read: Callable[[int, int], Values],
    n_samples: int,
    value: float,
    fs: float | None,
) -> bool:
    """Whether the others have values enough, and stretches of the value are short, unlike spikes.

    Without `fs`, of a value that programs write for missing samples, stretches may be of any kind.
    """
    different: set[float] = set()
    run = 0
    begins: list[int] = []
    for begin in range(0, n_samples, _AT_ONCE):
        values = np.asarray(read(begin, min(begin + _AT_ONCE, n_samples)))
        equal = values == value
        if len(different) < _DIFFERENT:
            others = values[~equal & np.isfinite(values)]
            different.update(np.unique(others[:4096]).tolist())
        if fs is None:
            if len(different) >= _DIFFERENT:
                return True
            continue
        edges = np.flatnonzero(np.diff(np.concatenate(([False], equal, [False]))))
        runs = edges[1::2] - edges[::2]
        starts = edges[::2] + begin
        if len(runs) and equal[0]:
            runs[0] += run
            starts = starts[1:] if run else starts
        if len(runs) and runs.max() > _RUN_S * fs:
            return False
        if len(begins) < _MOST_INTERVALS:
            begins += starts.tolist()
        run = int(runs[-1]) if len(runs) and equal[-1] else 0
    return len(different) >= _DIFFERENT and (
        fs is None or not (_beat_like(begins, fs) or _are_pulses(read, n_samples, begins, fs))
    )


def _are_pulses(
    read: Callable[[int, int], Values], n_samples: int, begins: list[int], fs: float
) -> bool:
    """Whether these stretches are a drawn calibration: levels that follow on levels."""
    level = max(3, round(_LEVEL_S * fs))
    for begin in begins:
        first = max(0, begin - level)
        end = min(n_samples, begin + math.ceil(_RUN_S * fs) + level)
        steps = np.diff(np.asarray(read(first, end)))
        edges = np.flatnonzero(steps != 0) + first + 1
        # Before it, in it and after it nothing moves, as far as the recording goes.
        after = edges[edges > begin]
        if not len(after) or edges[0] != begin or after[0] - begin < level:
            return False
        if len(after) > 1 and after[1] - after[0] < level:
            return False
    return len(begins) <= _PULSES


def _beat_like(begins: list[int], fs: float) -> bool:
    """Whether most of these samples follow each other as heartbeats do."""
    if len(begins) < _SPIKES:
        return False
    seconds = np.diff(begins) / fs
    beats, delays = (
        float(((seconds >= low) & (seconds < high)).mean()) for low, high in (_RR_S, _AV_S)
    )
    return beats >= _SPIKE_SHARE or (beats >= _HALF and beats + delays >= _PAIR_SHARE)


def without_codes(values: Values, codes: Sequence[Sequence[Code]]) -> Values:
    """Return values of shape (n, columns) with NaN for the codes of each column."""
    out = values
    for i, found in enumerate(codes):
        for code in found:
            equal = values[:, i] == code.value
            if equal.any():
                if out is values:
                    out = np.array(values, np.result_type(values.dtype, np.float32))
                out[equal, i] = np.nan
    return out


def cleaned(
    signal: npt.NDArray[Any], fs: float, leads: Sequence[str], *, stacklevel: int = 3
) -> npt.NDArray[Any]:
    """Return an array's samples with NaN for values that stand for missing ones.

    Parameters
    ----------
    signal : ndarray, shape (n, n_leads)
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names, for the message.
    stacklevel : int
        As of `warnings.warn`.

    Returns
    -------
    ndarray
        The array itself where there are none.

    Warns
    -----
    MissingValuesWarning
        For each such value.
    """
    codes = find_codes(lambda start, stop: signal[start:stop], len(signal), signal.shape[1], fs)
    for lead, found in zip(leads, codes, strict=True):
        for code in found:
            warnings.warn(code_text(lead, code), MissingValuesWarning, stacklevel=stacklevel)
    return without_codes(signal, codes)


def code_text(lead: str, code: Code) -> str:
    """What to say of a code.

    Examples
    --------
    >>> code_text("II", Code(-9999.0, 1234))
    'lead II: the value -9999, of 1,234 samples, lies far from all others and is taken for missing'
    """
    samples = "1 sample" if code.samples == 1 else f"{code.samples:,} samples"
    return (
        f"lead {lead}: the value {code.value:.7g}, of {samples}, lies far from all others and is "
        "taken for missing"
    )
