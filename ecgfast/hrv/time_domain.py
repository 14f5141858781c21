"""Time-domain and geometrical measures of NN intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .intervals import FloatArray, NNIntervals, check_intervals
from .values import Values

__all__ = ["SEGMENT_S", "TimeDomain", "segments", "time_domain"]

#: The Task Force's short segment, in seconds.
SEGMENT_S = 300.0

# A segment counts if NN intervals cover this share of it.
_COVERED = 0.5

# Bins of the histogram in one second: the Task Force's 7.8125 ms.
_BINS = 128

# Intervals that fall on the edge of a bin belong to the bin above, whatever the rounding.
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class TimeDomain(Values):
    """Measures in milliseconds, percent or without a unit; NaN where there are too few intervals.

    Attributes
    ----------
    mean_nn : float
        Mean NN interval, ms.
    heart_rate : float
        60,000 over `mean_nn`, beats a minute.
    sdnn : float
        Standard deviation of all NN intervals, ms.
    sdann : float
        Standard deviation of the mean NN intervals of 5-minute segments, ms.
    sdnn_index : float
        Mean of the standard deviations of the NN intervals of 5-minute segments, ms.
    rmssd : float
        Root mean square of successive differences, ms.
    pnn50, pnn20 : float
        Share of successive differences above 50 and 20 ms, %.
    triangular_index : float
        Intervals over the height of their histogram with bins of 1/128 s.
    tinn : float
        Baseline of the triangle that fits this histogram best, ms.
    """

    mean_nn: float
    heart_rate: float
    sdnn: float
    sdann: float
    sdnn_index: float
    rmssd: float
    pnn50: float
    pnn20: float
    triangular_index: float
    tinn: float


def time_domain(nn: NNIntervals) -> TimeDomain:
    """Compute the time-domain measures.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.

    Returns
    -------
    TimeDomain

    Notes
    -----
    Names and definitions are those of the Task Force (1996). Successive differences are taken
    where no interval was left out between the two, and pNN50 is a share of these differences.

    References
    ----------
    Task Force of the European Society of Cardiology and the North American Society of Pacing and
    Electrophysiology: Heart rate variability. Circulation 93 (1996) 1043-1065.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> found = hrv.time_domain(hrv.nn_from_arrays(np.arange(0.0, 60.0, 0.8)))
    >>> round(found.mean_nn), round(found.heart_rate)
    (800, 75)
    """
    check_intervals(nn)
    ms = 1000 * nn.interval
    steps = 1000 * nn.differences
    parts = [1000 * part.interval for _, part in segments(nn)]
    mean = float(ms.mean()) if len(ms) else math.nan
    return TimeDomain(
        mean_nn=mean,
        heart_rate=60000 / mean,
        sdnn=deviation(ms),
        sdann=deviation(np.array([part.mean() for part in parts])),
        sdnn_index=float(np.mean([deviation(part) for part in parts])) if parts else math.nan,
        rmssd=math.sqrt(float(np.mean(steps**2))) if len(steps) else math.nan,
        pnn50=_share_above(steps, 50.0),
        pnn20=_share_above(steps, 20.0),
        triangular_index=_triangular_index(nn.interval),
        tinn=_tinn(nn.interval),
    )


def segments(nn: NNIntervals, seconds: float = SEGMENT_S) -> Iterator[tuple[float, NNIntervals]]:
    """Yield the segments of a recording of which NN intervals cover at least half.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.
    seconds : float, default 300
        Length of a segment.

    Yields
    ------
    start, part : float, NNIntervals
        Where the segment starts, a multiple of `seconds`, and its intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> nn = hrv.nn_from_arrays(np.arange(601.0))
    >>> [(start, len(part.interval)) for start, part in hrv.segments(nn)]
    [(0.0, 299), (300.0, 300)]
    """
    check_intervals(nn)
    for i in np.unique(nn.time // seconds).tolist():
        part = nn.between(i * seconds, (i + 1) * seconds)
        if part.interval.sum() >= _COVERED * seconds:
            yield i * seconds, part


def deviation(values: FloatArray) -> float:
    """Standard deviation with n - 1; NaN of fewer than two."""
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _share_above(steps: FloatArray, limit: float) -> float:
    # 50.000000001 of rounding is not above 50.
    return 100 * float(np.mean(np.abs(steps) > limit + _EDGE)) if len(steps) else math.nan


def _histogram(interval: FloatArray) -> npt.NDArray[np.int64]:
    """Intervals in each bin of 1/128 s, from zero on."""
    return np.bincount(np.floor(interval * _BINS + _EDGE).astype(np.int64))


def _triangular_index(interval: FloatArray) -> float:
    return len(interval) / int(_histogram(interval).max()) if len(interval) else math.nan


def _tinn(interval: FloatArray) -> float:
    """Least-squares triangle on the histogram, its top at the highest bin."""
    if len(interval) < 2:
        return math.nan
    counts = _histogram(interval)
    top = int(counts.argmax())
    # A triangle's two sides are fitted independently: each error holds the bins of its own side.
    left = _side(counts[top::-1])
    right = _side(counts[top:])
    return (left + right) / _BINS * 1000


def _side(counts: npt.NDArray[np.int64]) -> int:
    """Bins from the top to where the line that fits `counts` best meets zero."""
    heights = np.append(counts, 0).astype(np.float64)
    bins = np.arange(len(heights))
    feet = np.arange(1, len(heights))[:, np.newaxis]
    lines = heights[0] * np.maximum(0.0, 1 - bins / feet)
    errors = ((heights - lines) ** 2).sum(axis=1)
    return int(feet[errors.argmin(), 0])
