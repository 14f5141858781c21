"""Nonlinear measures of NN intervals: Poincaré plot, sample entropy, detrended fluctuations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .intervals import BoolArray, FloatArray, NNIntervals, check_intervals
from .time_domain import deviation, segments
from .values import Values

__all__ = ["Nonlinear", "dfa", "nonlinear", "sample_entropy"]

# Scales of the two exponents, in beats (Peng 1995; the ranges that most programs use).
_SHORT, _LONG = (4, 16), (16, 64)

# Above this many intervals sample entropy is the mean over five-minute segments.
_MOST_AT_ONCE = 1200

# Pairs of templates compared at a time: 4 MB of flags.
_PAIRS = 1 << 22

# Intervals are multiples of a sampling step: equality at the tolerance must not hang on rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Nonlinear(Values):
    """Nonlinear measures; NaN where there are too few intervals.

    Attributes
    ----------
    sd1, sd2 : float
        Standard deviations of the Poincaré plot across and along the line of identity, ms.
    sd1_sd2 : float
        Their ratio.
    sample_entropy : float
        With templates of two intervals and a tolerance of 0.2 standard deviations; of more than
        1200 intervals, the mean over five-minute segments.
    dfa_alpha1, dfa_alpha2 : float
        Exponents of detrended fluctuation analysis over 4 to 16 and over 16 to 64 beats.
    """

    sd1: float
    sd2: float
    sd1_sd2: float
    sample_entropy: float
    dfa_alpha1: float
    dfa_alpha2: float


def nonlinear(nn: NNIntervals) -> Nonlinear:
    """Compute the nonlinear measures.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.

    Returns
    -------
    Nonlinear

    Notes
    -----
    Pairs and templates never reach over an interval that was left out. Detrended fluctuation
    analysis joins what is left, which changes the exponents little (Chen et al. 2002).

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> rr = 0.8 + 0.05 * np.sin(np.arange(400) / 3)
    >>> found = hrv.nonlinear(hrv.nn_from_arrays(np.cumsum(rr)))
    >>> round(found.sd1, 1), round(found.sd2, 1)
    (8.3, 49.3)
    """
    check_intervals(nn)
    ms = 1000 * nn.interval
    later = np.flatnonzero(nn.adjacent)
    sd1 = deviation((ms[later] - ms[later - 1]) / math.sqrt(2))
    sd2 = deviation((ms[later] + ms[later - 1]) / math.sqrt(2))
    if len(nn) > _MOST_AT_ONCE:
        values = [sample_entropy(part.interval, adjacent=part.adjacent) for _, part in segments(nn)]
        values = [value for value in values if math.isfinite(value)]
        entropy = float(np.mean(values)) if values else math.nan
    else:
        entropy = sample_entropy(nn.interval, adjacent=nn.adjacent)
    return Nonlinear(
        sd1=sd1,
        sd2=sd2,
        sd1_sd2=sd1 / sd2 if sd2 else math.nan,
        sample_entropy=entropy,
        dfa_alpha1=dfa(ms, *_SHORT),
        dfa_alpha2=dfa(ms, *_LONG),
    )


def sample_entropy(
    values: npt.ArrayLike,
    *,
    m: int = 2,
    r: float = 0.2,
    adjacent: npt.ArrayLike | None = None,
) -> float:
    """Sample entropy of Richman and Moorman (2000).

    Parameters
    ----------
    values : array_like, shape (n,)
        The series. Work grows with n²: a second for 20,000.
    m : int, default 2
        Length of a template.
    r : float, default 0.2
        Tolerance, in standard deviations of `values`.
    adjacent : array_like of bool, shape (n,), optional
        Whether each value follows the one before it; templates do not reach over holes.

    Returns
    -------
    float
        NaN where no templates match.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> wave = np.sin(np.arange(1000) / 5)
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> hrv.sample_entropy(wave) < hrv.sample_entropy(noise)
    True
    """
    series = np.asarray(values, np.float64)
    follows: BoolArray = (
        np.ones(len(series), np.bool_) if adjacent is None else np.asarray(adjacent, np.bool_)
    )
    n = len(series) - m
    if n < 2:
        return math.nan
    # The same templates for m and m + 1: each that has a next value.
    usable = np.ones(n, np.bool_)
    for step in range(1, m + 1):
        usable &= follows[step : step + n]
    begins = np.flatnonzero(usable)
    tolerance = r * deviation(series) + _ROUNDING
    columns = [series[begins + step] for step in range(m + 1)]
    rows = max(1, _PAIRS // max(1, len(begins)))
    short = long = 0
    for first in range(0, len(begins), rows):
        match = np.ones((1, 1), np.bool_)
        for step, column in enumerate(columns):
            if step == m:
                short += int(np.count_nonzero(match))
            one = column[first : first + rows, np.newaxis]
            match = match & (np.abs(one - column) <= tolerance)
        long += int(np.count_nonzero(match))
    # Each template matches itself, and each pair was counted twice: neither changes the ratio
    # once the former is taken away.
    short, long = short - len(begins), long - len(begins)
    return math.log(short / long) if short and long else math.nan


def dfa(values: npt.ArrayLike, shortest: int, longest: int) -> float:
    """Exponent of detrended fluctuation analysis (Peng et al. 1995).

    Parameters
    ----------
    values : array_like, shape (n,)
        The series.
    shortest, longest : int
        Window lengths over which the exponent is fitted.

    Returns
    -------
    float
        Slope of log fluctuation over log window length; NaN of fewer than two longest windows.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> noise = np.random.default_rng(0).normal(size=5000)
    >>> round(hrv.dfa(noise, 16, 64), 1)                            # no correlation
    0.5
    """
    series = np.asarray(values, np.float64)
    if len(series) < 2 * longest:
        return math.nan
    profile = np.cumsum(series - series.mean())
    lengths = np.arange(shortest, longest + 1)
    fluctuation = np.array([_fluctuation(profile, int(length)) for length in lengths])
    if not (fluctuation > 0).all():
        return math.nan
    return float(np.polyfit(np.log(lengths), np.log(fluctuation), 1)[0])


def _fluctuation(profile: FloatArray, length: int) -> float:
    """Root mean square of the profile around the line of each window."""
    count = len(profile) // length
    windows = profile[: count * length].reshape(count, length)
    windows = windows - windows.mean(axis=1, keepdims=True)
    ramp = np.arange(length) - (length - 1) / 2
    along = windows @ ramp
    rest = float((windows**2).sum() - (along**2).sum() / (ramp @ ramp))
    return math.sqrt(max(0.0, rest) / (count * length))
