"""Pan-Tompkins detection of one lead written out slowly: the twin of `csrc/src/pan_tompkins`.

From the description, with NumPy and SciPy over whole arrays where the kernel streams: SciPy designs
the filter, the moving-window integral is summed anew at each step, and every decision looks things
up in arrays of the whole recording. The files are those of `csrc/src/pan_tompkins`; this one is the
signal path, `pan_tompkins.c`.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from ..lead import cleaned
from ..rpeak import Refiner
from .constants import (
    ARTEFACT,
    BAND_HIGH,
    BAND_LOW,
    BLOCKS,
    FALL,
    HOLD_S,
    INTEGRAL_S,
    OLDEST_S,
    RATE_MIN,
    SLOPE_S,
    START_S,
)
from .decision import end_of_block
from .state import State

__all__ = ["detected"]


def nearest(seconds: float, rate: float) -> int:
    return max(1, math.floor(seconds * rate + 0.5))


def poles(rate: float) -> np.ndarray:
    """Coefficients of the band-pass behind its zeros."""
    _, of_band, _ = scipy.signal.butter(2, [BAND_LOW, BAND_HIGH], "bandpass", fs=rate, output="zpk")
    return np.real(np.poly(of_band))


def band_delay(rate: float) -> float:
    """Steps by which the band-pass delays the centre of its band."""
    low, high = (math.tan(math.pi * f / rate) for f in (BAND_LOW, BAND_HIGH))
    centre = 2 * math.atan(math.sqrt(low * high))
    return float(scipy.signal.group_delay((np.poly([1, 1, -1, -1]), poles(rate)), [centre])[1][0])


def prepared(clean: np.ndarray, fs: float, max_delay: float | None) -> State:
    """The state before the first block, with the signal path of the whole recording."""
    group = 1 if fs < 2 * RATE_MIN else math.floor(fs / RATE_MIN)
    rate, steps = fs / group, len(clean) // group
    sums = clean[: steps * group].astype(float).reshape(-1, group).sum(axis=1)
    block, limit = nearest(INTEGRAL_S / BLOCKS, rate), None
    first, oldest = nearest(START_S, fs), nearest(OLDEST_S, fs)
    if max_delay is not None:
        limit = math.floor(max_delay * fs)
        first, oldest = min(first, limit), min(oldest, limit)
    s = State(
        clean=clean,
        fs=fs,
        group=group,
        delay=math.floor(band_delay(rate) * group + 0.5 * (group - 1) + 0.5),
        block=block,
        width=BLOCKS * block,
        lookback=nearest(SLOPE_S, rate),
        hold=nearest(HOLD_S, rate),
        pair=nearest(START_S, rate),
        first=first,
        oldest=oldest,
        limit=limit,
        refiner=Refiner(fs),
        sums=sums,
        band=scipy.signal.lfilter(np.poly([1, 1, -1, -1]), poles(rate), sums),
        squared=np.zeros(steps),
        integral=np.zeros(steps),
    )
    integrate(s, 0)
    return s


def integrate(s: State, begin: int) -> None:
    """Squared slope of the band-passed signal, and its moving-window integral from `begin` on."""
    before = np.concatenate([np.zeros(s.lookback), s.band])[: len(s.band)]
    s.squared = (s.band - before) ** 2
    s.integral[begin:] = [
        s.squared[max(0, i + 1 - s.width) : i + 1].sum() for i in range(begin, len(s.band))
    ]


def come_to_rest(s: State, i: int) -> None:
    """The filters begin anew after step `i`: they would ring for seconds after an artefact."""
    s.energies[-BLOCKS:] = [0.0] * BLOCKS
    moves = (s.sums - np.concatenate([np.zeros(2), s.sums])[: len(s.sums)])[i + 1 :]
    s.band[: i + 1] = 0
    s.band[i + 1 :] = scipy.signal.lfilter([1, 0, -1], poles(s.fs / s.group), moves)
    integrate(s, i + 1)
    s.rising, s.peak = False, 0.0
    s.passed.clear()


def search(s: State, i: int) -> None:
    """Whether the integral has passed a peak with step `i`."""
    value = s.integral[i]
    if value > s.peak:
        s.rising, s.peak, s.peak_at = True, value, i
    elif not s.rising:
        s.peak = value
    elif value < FALL * s.peak or i - s.peak_at >= s.hold:
        s.passed.append((s.peak, s.peak_at))
        s.rising, s.peak = False, value


def take_block(s: State, i: int, no_signal: bool) -> None:
    """What follows from the block that ends with step `i`."""
    s.count = (i + 1) * s.group
    s.energies.append(float(s.squared[i + 1 - s.block : i + 1].sum()))
    if s.started and s.energies[-1] > ARTEFACT**2 * s.levels.signal**2:
        come_to_rest(s, i)
    if s.begin == math.inf and s.energies[-1] > 0:
        s.begin = s.count - s.block * s.group + s.first
    if no_signal:
        s.levels.idle += s.block * s.group
    end_of_block(s)


def detected(signal: np.ndarray, fs: float, max_delay: float | None = None) -> np.ndarray:
    """R peaks of one lead (n,) in samples, in the order of their report."""
    clean, nothing = cleaned(signal, fs)
    s = prepared(clean, fs, max_delay)
    for i in range(len(s.sums)):
        search(s, i)
        if (i + 1) % s.block == 0:
            end = (i + 1) * s.group
            take_block(s, i, bool(nothing[end - s.block * s.group : end].any()))
    s.count = len(clean)
    if s.rising:
        s.passed.append((s.peak, s.peak_at))
        s.rising = False
    s.begin = 0
    end_of_block(s)
    return np.array(s.found, np.int64)
