"""Frequency-domain measures of NN intervals: Lomb-Scargle, and Welch on resampled intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import InputError
from ..extras import need
from .intervals import FloatArray, NNIntervals, check_intervals
from .values import Values

__all__ = ["BANDS", "FrequencyDomain", "Method", "frequency_domain", "lomb_scargle", "welch"]

Method = Literal["lomb-scargle", "welch"]

#: Bands of the Task Force (1996), in Hz.
BANDS = {"ulf": (0.0, 0.003), "vlf": (0.003, 0.04), "lf": (0.04, 0.15), "hf": (0.15, 0.4)}

_HIGHEST = BANDS["hf"][1]

# Grid points per 1/T in the frequencies that are returned, for smooth integration.
_OVERSAMPLING = 2

# Grid points on which Press and Rybicki spread an interval, and frequencies of their FFT above the
# highest that is used: both keep the error below 1e-3 of the total power.
_SPREAD = 6
_SPARE = 4
# Intervals that are spread at a time, and points of a grid that are transformed at once: a day's.
_AT_ONCE = 1 << 15
_ONE_TRANSFORM = 1 << 20

_RESAMPLED_HZ = 4.0
# Segments of Welch's method: half of a short recording, five minutes of a long one.
_LONGEST_SEGMENT_S = 300.0
# Resampling goes over a hole of some beats, not over more.
_LONGEST_HOLE_S = 10.0
# Power, ms², of intervals that differ by rounding alone: its parts say nothing.
_ROUNDING = 1e-12
# Below two cycles of the lowest LF frequency there is no spectrum.
_SHORTEST_S = 50.0


@dataclass(frozen=True, eq=False)
class FrequencyDomain(Values):
    """Power in the Task Force's bands; NaN where the recording is too short for a band.

    Attributes
    ----------
    method : str
        ``lomb-scargle`` or ``welch``.
    total : float
        Power up to 0.4 Hz, ms².
    ulf, vlf, lf, hf : float
        Power in each of the `BANDS`, ms². Recordings under one hour, and Welch's method, cannot
        resolve ULF: then `ulf` is NaN and `vlf` is all power below 0.04 Hz.
    lf_nu, hf_nu : float
        LF and HF as a share of LF + HF, %.
    lf_hf : float
        LF over HF.
    alpha : float
        Slope of log power over log frequency from 0.0001 to 0.01 Hz; NaN below 12 hours.
    """

    method: str
    total: float
    ulf: float
    vlf: float
    lf: float
    hf: float
    lf_nu: float
    hf_nu: float
    lf_hf: float
    alpha: float


def frequency_domain(nn: NNIntervals, method: Method = "lomb-scargle") -> FrequencyDomain:
    """Compute the power in the Task Force's bands.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.
    method : {"lomb-scargle", "welch"}
        The first takes the intervals as they lie and needs no resampling; the second interpolates
        them at 4 Hz and needs scipy.

    Returns
    -------
    FrequencyDomain

    Raises
    ------
    InputError
        If there is no such method.
    MissingExtraError
        If Welch's method is asked for and scipy is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> time = np.arange(600.0)
    >>> time += 0.02 * np.sin(2 * np.pi * 0.25 * time)              # breathing, 0.25 Hz: HF
    >>> found = hrv.frequency_domain(hrv.nn_from_arrays(time))
    >>> found.hf > 100 * found.lf
    True
    """
    if method not in ("lomb-scargle", "welch"):
        raise InputError(f"method={method!r}: there are 'lomb-scargle' and 'welch'")
    frequency, density = lomb_scargle(nn) if method == "lomb-scargle" else welch(nn)
    if not len(frequency):
        return FrequencyDomain(method, *[math.nan] * 9)
    power = {
        name: _power(frequency, density, *((low, high) if low else (-1.0, high)))
        for name, (low, high) in BANDS.items()
    }
    span = float(nn.time[-1] - nn.time[0])
    long_enough = span >= 3600 and method == "lomb-scargle"
    if not long_enough:
        power["vlf"] += power["ulf"]
        power["ulf"] = math.nan
    fast = power["lf"] + power["hf"]
    return FrequencyDomain(
        method,
        total=sum(value for value in power.values() if math.isfinite(value)),
        **power,
        lf_nu=100 * power["lf"] / fast if fast > _ROUNDING else math.nan,
        hf_nu=100 * power["hf"] / fast if fast > _ROUNDING else math.nan,
        lf_hf=power["lf"] / power["hf"] if power["hf"] > _ROUNDING else math.nan,
        alpha=_alpha(frequency, density) if long_enough and span >= 12 * 3600 else math.nan,
    )


def lomb_scargle(nn: NNIntervals) -> tuple[FloatArray, FloatArray]:
    """Power spectral density of unevenly spaced intervals, up to 0.4 Hz.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.

    Returns
    -------
    frequency : ndarray of float64, shape (k,)
        In Hz; the step is half of one over the duration. Empty below 50 s of intervals.
    density : ndarray of float64, shape (k,)
        In ms²/Hz, one-sided: its integral up to the highest frequency is the variance.

    Notes
    -----
    The sums over all intervals are computed by FFTs (Press and Rybicki): 24 hours take less
    than a tenth of a second, where `scipy.signal.lombscargle` needs minutes.

    References
    ----------
    W. H. Press and G. B. Rybicki: Fast algorithm for spectral analysis of unevenly sampled data.
    Astrophysical Journal 338 (1989) 277-280.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> time = np.arange(600.0)
    >>> time += 0.02 * np.sin(2 * np.pi * 0.1 * time)
    >>> frequency, density = hrv.lomb_scargle(hrv.nn_from_arrays(time))
    >>> round(float(frequency[density.argmax()]), 2)
    0.1
    """
    check_intervals(nn)
    n = len(nn)
    covered = float(nn.interval.sum())
    if n < 4 or covered < _SHORTEST_S:
        return np.empty(0), np.empty(0)
    time = nn.time - nn.time[0]
    value = 1000 * (nn.interval - nn.interval.mean())
    step = 1 / (_OVERSAMPLING * (float(time[-1]) + covered / n))
    count = int(_HIGHEST / step)
    frequency: FloatArray = step * np.arange(1, count + 1, dtype=np.float64)

    size = 2 * count * _SPARE
    size = 1 << (size - 1).bit_length()
    # Sums of value * exp(2 pi i f t), and of exp(2 pi i 2f t), at every frequency.
    h = _sums(value, time * step * size, size, count)
    del value
    w = _sums(np.ones(n), 2 * time * step * size, size, count)

    # Scargle's phase, which makes the two sums below orthogonal.
    length = np.hypot(w.real, w.imag)
    cos2 = np.divide(w.real, length, out=np.ones(count), where=length > 0)
    sin2 = np.divide(w.imag, length, out=np.zeros(count), where=length > 0)
    cos = np.sqrt(np.maximum(0.0, (1 + cos2) / 2))
    sin = np.copysign(np.sqrt(np.maximum(0.0, (1 - cos2) / 2)), sin2)
    cc = (n + length) / 2
    ss = np.maximum(n - cc, 1e-12 * n)
    del w, length, cos2, sin2
    even = (h.real * cos + h.imag * sin) ** 2 / cc
    odd = (h.imag * cos - h.real * sin) ** 2 / ss
    # Scargle's power is (even + odd) / 2; twice that over n times the covered time is a density.
    return frequency, (even + odd) * covered / n


def _sums(value: FloatArray, place: FloatArray, size: int, count: int) -> FloatArray:
    """Sums of value * exp(2 pi i k place / size) for k from 1 to `count`, through a grid."""
    grid = _on_grid(value, place, size)
    if size <= _ONE_TRANSFORM:
        return np.conj(np.fft.rfft(grid)[1 : count + 1])
    # In four parts, every fourth point each: one transform of a week takes 100 MB.
    sums = np.zeros(count, np.complex128)
    turn = -2j * np.pi / size * np.arange(1, count + 1)
    for part in range(4):
        sums += np.exp(part * turn) * np.fft.rfft(grid[part::4])[1 : count + 1]
    return np.conj(sums, out=sums)


def _on_grid(value: FloatArray, place: FloatArray, size: int) -> FloatArray:
    """Values at places between the points of a grid, spread over the points around them."""
    # Lagrange's weights spread each value over the points around its place; in pieces, as a week
    # has 700,000 values.
    grid, one = np.zeros(size), np.empty(size)
    for j in range(_SPREAD):
        one[:] = 0.0
        for begin in range(0, len(value), _AT_ONCE):
            piece = place[begin : begin + _AT_ONCE]
            first = np.floor(piece).astype(np.int64) - _SPREAD // 2 + 1
            offset = piece - first
            weight = np.ones_like(piece)
            for i in range(_SPREAD):
                if i != j:
                    weight *= (offset - i) / (j - i)
            weight *= value[begin : begin + _AT_ONCE]
            np.add.at(one, (first + j) % size, weight)
        grid += one
    return grid


def welch(nn: NNIntervals) -> tuple[FloatArray, FloatArray]:
    """Power spectral density by Welch's method on intervals resampled at 4 Hz.

    Parameters
    ----------
    nn : NNIntervals
        As `nn_intervals` finds them.

    Returns
    -------
    frequency : ndarray of float64, shape (k,)
        In Hz. Empty where no stretch without a hole of ten seconds lasts 50 s.
    density : ndarray of float64, shape (k,)
        In ms²/Hz, one-sided.

    Raises
    ------
    MissingExtraError
        If scipy is not installed.

    Notes
    -----
    Cubic splines, Hann windows that overlap by half, each without its mean; a window is five
    minutes, or half of a shorter recording. Holes of up to ten seconds, such as an ectopic beat
    leaves, are interpolated; longer ones split the recording into stretches, whose
    spectra are averaged, weighted by length.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import hrv
    >>> time = np.arange(600.0)
    >>> time += 0.02 * np.sin(2 * np.pi * 0.1 * time)
    >>> frequency, density = hrv.welch(hrv.nn_from_arrays(time))
    >>> round(float(frequency[density.argmax()]), 2)
    0.1
    """
    interpolate = need("scipy.interpolate", "Welch's method", "hrv")
    signal = need("scipy.signal", "Welch's method", "hrv")
    check_intervals(nn)
    empty = np.empty(0), np.empty(0)
    if len(nn) < 4:
        return empty
    cuts = np.flatnonzero(np.diff(nn.time) > _LONGEST_HOLE_S) + 1
    stretches = [
        (nn.time[part], nn.interval[part])
        for part in np.split(np.arange(len(nn)), cuts)
        if len(part) > 3 and nn.time[part[-1]] - nn.time[part[0]] >= _SHORTEST_S
    ]
    if not stretches:
        return empty
    longest = max(float(time[-1] - time[0]) for time, _ in stretches)
    segment = int(min(_LONGEST_SEGMENT_S, longest / 2) * _RESAMPLED_HZ)
    frequency = np.arange(segment // 2 + 1, dtype=np.float64) * (_RESAMPLED_HZ / segment)
    total: FloatArray = np.zeros(len(frequency))
    weights = 0.0
    for time, interval in stretches:
        grid = np.arange(time[0], time[-1], 1 / _RESAMPLED_HZ)
        if len(grid) < segment:
            continue
        even = interpolate.CubicSpline(time, 1000 * interval)(grid)
        _, density = signal.welch(even, _RESAMPLED_HZ, "hann", segment)
        total += density * len(grid)
        weights += len(grid)
    below = frequency <= _HIGHEST
    return frequency[below], total[below] / weights


def _power(frequency: FloatArray, density: FloatArray, low: float, high: float) -> float:
    """Power above `low` and up to `high`, each frequency standing for one step around it."""
    inside = (frequency > low) & (frequency <= high)
    return float(density[inside].sum() * (frequency[1] - frequency[0]))


def _alpha(frequency: FloatArray, density: FloatArray) -> float:
    """Slope of the line through log density over log frequency, 0.0001 to 0.01 Hz.

    Means over even steps of log frequency, so that the many high frequencies do not outweigh.
    """
    inside = (frequency >= 1e-4) & (frequency <= 1e-2) & (density > 0)
    x, y = np.log10(frequency[inside]), np.log10(density[inside])
    bins = np.floor((x + 4) * 30).astype(np.int64)
    count = np.bincount(bins)
    filled = count > 0
    mean_x = np.bincount(bins, x)[filled] / count[filled]
    mean_y = np.bincount(bins, y)[filled] / count[filled]
    return float(np.polyfit(mean_x, mean_y, 1)[0])
