"""Made ECGs of kinds that detectors get wrong, with the right answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Wave = tuple[float, float, float]
"""Height in mV, seconds from the R peak, standard deviation in seconds."""

P: Wave = (0.12, -0.16, 0.022)
QRS: tuple[Wave, ...] = ((-0.1, -0.03, 0.01), (1.0, 0.0, 0.012), (-0.2, 0.032, 0.01))
T: Wave = (0.25, 0.27, 0.05)


class Made(NamedTuple):
    """A signal of one lead and its R peaks in samples."""

    signal: npt.NDArray[np.float64]
    r: npt.NDArray[np.int64]


def beat_times(
    seconds: float, rate: float, jitter: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """R peaks in seconds at `rate` a minute, each interval off by `jitter` of itself."""
    intervals = 60 / rate * (1 + jitter * rng.standard_normal(int(seconds * rate / 60) + 2))
    times: npt.NDArray[np.float64] = 0.4 + np.cumsum(intervals)
    return times[times < seconds - 0.4]


def waves(
    times: npt.NDArray[np.float64], shape: Sequence[Wave], fs: float, seconds: float
) -> npt.NDArray[np.float64]:
    """The sum of a beat's waves at each of `times`."""
    t = np.arange(int(seconds * fs)) / fs
    out = np.zeros(len(t))
    for at in times:
        for height, off, width in shape:
            out += height * np.exp(-0.5 * ((t - at - off) / width) ** 2)
    return out


def made(
    seconds: float,
    fs: float,
    rate: float,
    *,
    shape: Sequence[Wave] = (P, *QRS, T),
    jitter: float = 0.02,
    noise: float = 0.01,
    gain: float = 1.0,
    seed: int = 0,
) -> Made:
    """Beats of one shape with white noise of `noise` mV; a negative gain turns them over."""
    rng = np.random.default_rng(seed)
    times = beat_times(seconds, rate, jitter, rng)
    x = waves(times, shape, fs, seconds) + noise * rng.standard_normal(int(seconds * fs))
    return Made(gain * x, np.round(times * fs).astype(np.int64))


def found_of(
    found: npt.NDArray[np.int64], r: npt.NDArray[np.int64], within: float
) -> tuple[int, int]:
    """R peaks with a detection within so many samples, and detections without an R peak."""
    far = np.abs(found[:, None] - r[None, :]) > within
    return int(np.sum(~far.all(axis=0))), int(np.sum(far.all(axis=1)))
