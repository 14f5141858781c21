"""From beats to NN intervals: which RR intervals lie between two normal beats of a good signal."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .._equality import NanEqual
from ..errors import InputError
from ..inputs import real_number
from ..records.writers import BeatLike
from ..streaming.beat import UNFIT, Quality

__all__ = [
    "LIMITS",
    "NNIntervals",
    "check_intervals",
    "nn_from_arrays",
    "nn_intervals",
    "nn_of_times",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Shortest and longest NN interval in seconds: 200 and 30 a minute. PhysioNet's HRV toolkit has
#: 0.4 and 2.0 s; children and exercise go below 0.4 s.
LIMITS = (0.3, 2.0)

# An interval that differs by more than this share from the mean of the 20 before and 20 after it is
# an ectopic beat that was not labelled, or a beat that was missed. PhysioNet's HRV toolkit has 0.2,
# which also takes respiratory arrhythmia; docs/hrv.md compares.
_CHANGE = 0.3
_NEIGHBOURS = 20
_FEWEST_NEIGHBOURS = 10

# Labels of beats from the sinus node; beats that nobody labelled count too.
_NORMAL = ("N", "")

# R peaks from which no interval is taken: those in a bad signal, waves of flutter, and those whose
# tip is cut off, which have their place to some hundredths of a second.
_BAD = UNFIT | int(Quality.FLUTTER | Quality.SATURATED)

# Of so many intervals a median above this is of no heart: the times are no seconds.
_FEW, _NO_SECONDS = 5, 30.0

# R times are sample numbers over a sampling rate: finer digits are rounding.
_DIGITS = 9


@dataclass(frozen=True, eq=False, repr=False)
class NNIntervals(NanEqual):
    """Intervals between adjacent normal beats, and what was left out.

    Attributes
    ----------
    time : ndarray of float64, shape (n,)
        R peak at the end of each interval, in seconds from the recording's start.
    interval : ndarray of float64, shape (n,)
        Length in seconds.
    adjacent : ndarray of bool, shape (n,)
        Whether the NN interval before it ends where it begins; successive differences are taken
        there only.
    n_rr : int
        RR intervals in all.
    left_out : dict of str to int
        RR intervals that are not used, by reason: ``bad signal``, ``excluded``, ``ectopic``,
        ``too short``, ``too long``, ``early or late``.
    duration : float
        Seconds of the recording.
    """

    time: FloatArray
    interval: FloatArray
    adjacent: BoolArray
    n_rr: int
    left_out: dict[str, int] = field(default_factory=dict)
    duration: float = math.nan

    def __len__(self) -> int:
        return len(self.interval)

    def __repr__(self) -> str:
        return f"NNIntervals({self.describe()})"

    @property
    def nn_rr(self) -> float:
        """Share of the RR intervals that are NN intervals, 0 to 1; NaN without any."""
        return len(self) / self.n_rr if self.n_rr else math.nan

    @property
    def coverage(self) -> float:
        """Share of the recording, 0 to 1, that lies within NN intervals."""
        return float(self.interval.sum()) / self.duration if self.duration > 0 else math.nan

    @property
    def differences(self) -> FloatArray:
        """Successive differences of adjacent NN intervals, in seconds."""
        return np.diff(self.interval)[self.adjacent[1:]]

    def between(self, start: float, end: float) -> NNIntervals:
        """The intervals that end from `start` (included) to `end` (not included).

        Parameters
        ----------
        start, end : float
            Seconds from the recording's start.

        Returns
        -------
        NNIntervals
            Without `left_out`; `n_rr` is that of the intervals kept.
        """
        a, b = np.searchsorted(self.time, (start, end))
        adjacent = self.adjacent[a:b].copy()
        adjacent[:1] = False
        return NNIntervals(
            self.time[a:b], self.interval[a:b], adjacent, int(b - a), {}, end - start
        )

    def describe(self) -> str:
        """How much was left out, and why, in words."""
        if not self.n_rr:
            return "no RR intervals"
        text = f"{len(self):,} NN of {self.n_rr:,} RR intervals ({100 * self.nn_rr:.1f} %)"
        reasons = [f"{reason} {count:,}" for reason, count in self.left_out.items() if count]
        return f"{text}; left out: {', '.join(reasons)}" if reasons else text


def nn_intervals(
    beats: Iterable[BeatLike],
    *,
    exclude: Sequence[tuple[float, float]] = (),
    limits: tuple[float, float] = LIMITS,
    max_change: float | None = _CHANGE,
    duration: float | None = None,
) -> NNIntervals:
    """Find the NN intervals of labelled beats.

    An RR interval counts if both its beats are normal (label N, or none at all), the signal around
    both is good, it lies within `limits` and outside `exclude`, and it is not far from the
    intervals around it. So both intervals that touch an ectopic beat are out, the early one and
    the pause after it.

    Parameters
    ----------
    beats : iterable of beats
        Such as what `stream_classify` yields: with the attributes of `ecgfast.Beat`, in the order
        of time.
    exclude : sequence of (start, end)
        Stretches to leave out, in seconds from the start, such as atrial fibrillation, where no
        interval is from the sinus node.
    limits : (float, float)
        Shortest and longest NN interval in seconds.
    max_change : float or None, default 0.3
        Share by which an interval may differ from the mean of the 20 before and 20 after it; None
        lets all pass.
    duration : float, optional
        Seconds of the recording; by default up to the last beat.

    Returns
    -------
    NNIntervals

    Raises
    ------
    InputError
        If these are no beats, they are not in order, or a setting is out of range.

    Examples
    --------
    >>> from ecgfast import stream_classify, hrv
    >>> nn = hrv.nn_intervals(list(stream_classify("mitdb/100")))  # doctest: +SKIP
    >>> print(nn.describe())                                       # doctest: +SKIP
    2,202 NN of 2,271 RR intervals (97.0 %); left out: ectopic 69
    """
    if not isinstance(beats, Iterable):
        raise InputError(
            f"beats is one {type(beats).__name__}: give a list of those of stream_classify, or R "
            "peaks in seconds to nn_from_arrays"
        )
    beats = list(beats)
    n = len(beats)
    if n and not all(hasattr(beats[0], name) for name in ("time", "label", "quality")):
        raise InputError(
            f"beats are of {type(beats[0]).__name__}: give a list of those of stream_classify, or "
            "R peaks in seconds to nn_from_arrays"
        )
    return nn_of_times(
        np.fromiter((beat.time for beat in beats), np.float64, n),
        normal=np.fromiter((beat.label in _NORMAL for beat in beats), np.bool_, n),
        good=np.fromiter((not int(beat.quality) & _BAD for beat in beats), np.bool_, n),
        exclude=exclude,
        limits=limits,
        max_change=max_change,
        duration=duration,
    )


def nn_from_arrays(
    time: npt.ArrayLike,
    *,
    normal: npt.ArrayLike | None = None,
    good: npt.ArrayLike | None = None,
    exclude: Sequence[tuple[float, float]] = (),
    limits: tuple[float, float] = LIMITS,
    max_change: float | None = _CHANGE,
    duration: float | None = None,
) -> NNIntervals:
    """Find the NN intervals of R peaks, as `nn_intervals` does of beats.

    Parameters
    ----------
    time : array_like, shape (n,)
        R peaks in seconds from the recording's start.
    normal : array_like of bool, shape (n,), optional
        Which of them are normal beats; all by default.
    good : array_like of bool, shape (n,), optional
        Around which of them the signal is good; all by default.
    exclude, limits, max_change, duration
        As in `nn_intervals`.

    Returns
    -------
    NNIntervals

    Raises
    ------
    InputError
        If the times are not in order or no seconds, the arrays differ in length, or a setting is
        out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> time = np.array([0.0, 0.8, 1.6, 2.1, 3.2, 4.0])
    >>> labels = np.array(["N", "N", "N", "V", "N", "N"])
    >>> nn = hrv.nn_from_arrays(time, normal=labels == "N")
    >>> nn.interval.round(1).tolist(), nn.left_out["ectopic"]
    ([0.8, 0.8, 0.8], 2)
    """
    try:
        peaks = np.ma.filled(np.ma.asarray(time).astype(np.float64), np.nan)
    except (TypeError, ValueError):
        raise InputError("time must be numbers: give R peaks in seconds") from None
    rr = np.diff(peaks) if peaks.ndim == 1 else np.empty(0)
    if len(rr) >= _FEW and np.median(rr) > _NO_SECONDS:
        raise InputError(
            f"the median of the RR intervals would be {np.median(rr):,.0f} s: give R peaks in "
            "seconds, sample numbers divided by the sampling rate or milliseconds by 1000"
        )
    return nn_of_times(
        peaks,
        normal=normal,
        good=good,
        exclude=exclude,
        limits=limits,
        max_change=max_change,
        duration=duration,
    )


def nn_of_times(
    peaks: FloatArray,
    *,
    normal: npt.ArrayLike | None,
    good: npt.ArrayLike | None,
    exclude: Sequence[tuple[float, float]] = (),
    limits: tuple[float, float] = LIMITS,
    max_change: float | None = _CHANGE,
    duration: float | None = None,
) -> NNIntervals:
    """Find the NN intervals as `nn_from_arrays` does, of times that are known to be seconds."""
    if peaks.ndim != 1 or not np.isfinite(peaks).all():
        raise InputError(
            f"time has shape {peaks.shape}: give R peaks in seconds, in one dimension, all finite"
        )
    sinus, clear = (
        np.ones(len(peaks), np.bool_) if flags is None else _flags(flags, name)
        for flags, name in ((normal, "normal"), (good, "good"))
    )
    if sinus.shape != peaks.shape or clear.shape != peaks.shape:
        raise InputError(
            f"{len(peaks)} R peaks, {sinus.size} flags in normal and {clear.size} in good: "
            "give one of each a beat"
        )
    try:
        shortest, longest = (real_number(limit, "limits") for limit in limits)
    except (TypeError, ValueError):  # InputError is one
        shortest = longest = math.nan
    if not 0 <= shortest < longest:
        raise InputError(f"limits={limits}: give the shortest and the longest interval in seconds")
    if max_change is not None and not real_number(max_change, "max_change") > 0:
        raise InputError(f"max_change={max_change}: give a share above 0, such as 0.3, or None")
    try:
        spans = np.asarray(exclude, np.float64)
    except (TypeError, ValueError):
        spans = np.full((1, 2), math.nan)
    paired = spans.ndim == 2 and spans.shape[1] == 2 and bool((spans[:, 0] <= spans[:, 1]).all())
    if (spans.size and not paired) or spans.shape == (1, 0):
        raise InputError(
            "exclude must be pairs of a start and a later end, in seconds, of events such as "
            "[(event.start_time, event.end_time) for event in events]"
        )
    rr = np.diff(peaks).round(_DIGITS)
    if (rr < 0).any():
        raise InputError(
            "the beats are not in the order of time: sort them first, and of RR intervals give the "
            "running sum, np.cumsum(rr)"
        )
    excluded = np.zeros(len(rr), np.bool_)
    for start, end in spans:
        excluded |= (peaks[1:] > start) & (peaks[:-1] < end)

    kept = np.ones(len(rr), np.bool_)
    left_out = {}
    for reason, found in (
        ("bad signal", ~(clear[1:] & clear[:-1])),
        ("excluded", excluded),
        ("ectopic", ~(sinus[1:] & sinus[:-1])),
        ("too short", rr < shortest),
        ("too long", rr > longest),
    ):
        left_out[reason] = int((kept & found).sum())
        kept &= ~found
    left_out["early or late"] = 0
    if max_change is not None:
        steady = _is_steady(rr[kept], max_change)
        left_out["early or late"] = int((~steady).sum())
        kept[kept] = steady
    follows = np.zeros(len(rr), np.bool_)
    follows[1:] = kept[1:] & kept[:-1]
    end_time = float(peaks[-1]) if len(peaks) else 0.0
    if duration is not None and not real_number(duration, "duration") >= end_time:
        raise InputError(
            f"duration={duration:g} s is less than the {end_time:.3f} s of the last beat: give the "
            "seconds of the whole recording"
        )
    return NNIntervals(
        peaks[1:][kept],
        rr[kept],
        follows[kept],
        len(rr),
        left_out,
        end_time if duration is None else duration,
    )


def _flags(values: npt.ArrayLike, name: str) -> BoolArray:
    """Flags as an array; InputError for labels, of which each would be true."""
    flags = np.asarray(values)
    if flags.size and (flags.dtype.kind not in "biuf" or not np.isin(flags, (0, 1)).all()):
        raise InputError(
            f"{name} must be flags, True or False for each beat, got {reprlib.repr(values)}: of "
            "labels give np.array(labels) == 'N'"
        )
    return flags.astype(np.bool_)


def check_intervals(nn: object) -> None:
    """Raise InputError for what are no NN intervals, such as an array of numbers."""
    if not isinstance(nn, NNIntervals):
        raise InputError(
            f"nn is of {type(nn).__name__}: give NNIntervals, as nn_intervals makes them of beats "
            "and nn_from_arrays of R peaks in seconds"
        )


def _is_steady(interval: FloatArray, max_change: float) -> BoolArray:
    """Which intervals are close to the mean of those around them."""
    n = len(interval)
    if n <= _FEWEST_NEIGHBOURS:
        return np.ones(n, np.bool_)
    # Of a week there are 700,000: what can be is done in place.
    index = np.arange(n, dtype=np.int32)
    first = np.maximum(0, index - _NEIGHBOURS)
    last = np.minimum(n, index + _NEIGHBOURS + 1)
    total = np.zeros(n + 1)
    np.cumsum(interval, out=total[1:])
    mean: FloatArray = total[last]
    mean -= total[first]
    mean -= interval
    mean /= last - first - 1
    change = np.abs(interval - mean)
    mean *= max_change
    steady: BoolArray = change <= mean
    return steady
