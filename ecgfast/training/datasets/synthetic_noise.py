"""Synthetic noise, as devices and moving people add it to an ECG."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..._types import FloatArray

__all__ = ["IN_USE", "KINDS", "largest_waves", "synthetic_noise"]

# Share of a lead's samples that are nearer to its median than its largest waves.
_LARGEST = 99.5

_Noise = npt.NDArray[np.float64]


def largest_waves(lead: npt.NDArray[np.floating]) -> float:
    """Size of the largest waves of a lead: noise is as large as a multiple of it.

    Parameters
    ----------
    lead : ndarray, shape (n,)
        NaN where a sample is missing.

    Returns
    -------
    float
        In the unit of the lead.
    """
    return float(np.nanpercentile(np.abs(lead - np.nanmedian(lead)), _LARGEST))


def synthetic_noise(
    n: int, fs: float, generator: np.random.Generator, kinds: Sequence[str] | None = None
) -> FloatArray:
    """Noise of one kind, drawn at random.

    Parameters
    ----------
    n : int
        Samples.
    fs : float
        Sampling rate, Hz.
    generator : numpy.random.Generator
    kinds : sequence of str, optional
        Of `KINDS`; all of them by default.

    Returns
    -------
    ndarray of float32, shape (n,)
        Of size 1 or so.
    """
    among = list(KINDS if kinds is None else kinds)
    kind = among[int(generator.integers(len(among)))]
    # Slow parts are taken off over up to a second, which a shorter piece does not hold.
    made = KINDS[kind](max(n, round(_SHORTEST_S * fs)), fs, generator)[:n]
    return made.astype(np.float32)


def _calibration(n: int, fs: float, generator: np.random.Generator) -> _Noise:
    """Square pulses at an even rate."""
    phase = np.arange(n) / fs * generator.uniform(0.8, 2.5) % 1.0
    return (phase < generator.uniform(0.1, 0.6)).astype(float)


def _spikes(n: int, fs: float, generator: np.random.Generator) -> _Noise:
    """Narrow pulses at an even rate, such as those of a pump."""
    phase = np.arange(n) / fs * generator.uniform(1.0, 3.0) % 1.0
    return np.exp(-(((phase - 0.5) / generator.uniform(0.01, 0.06)) ** 2))


def _motion(n: int, fs: float, generator: np.random.Generator) -> _Noise:
    """Brownian noise without its slow part."""
    walk = np.cumsum(generator.standard_normal(n))
    walk = walk - _smooth(walk, fs * generator.uniform(0.2, 1.0))
    return 0.5 * walk / max(float(walk.std()), 1e-9)


def _muscle(n: int, fs: float, generator: np.random.Generator) -> _Noise:
    """White noise, smoothed over some milliseconds."""
    noise = _smooth(generator.standard_normal(n), fs * generator.uniform(0.005, 0.04))
    return 0.4 * noise / max(float(noise.std()), 1e-9)


def _knocks(n: int, fs: float, generator: np.random.Generator) -> _Noise:
    """Single waves of 30 ms and any size."""
    noise = np.zeros(n)
    at = generator.integers(0, n, int(n / fs * generator.uniform(0.3, 2.0)))
    noise[at] = 2.0 * generator.standard_normal(len(at))
    return np.convolve(noise, np.hanning(int(0.03 * fs) + 2), "same")


def _smooth(x: _Noise, width: float) -> _Noise:
    points = max(1, int(width))
    return np.convolve(x, np.full(points, 1.0 / points), "same")


# Seconds of noise that are made at least.
_SHORTEST_S = 2.0

#: How each kind of noise is made.
KINDS: dict[str, Callable[[int, float, np.random.Generator], _Noise]] = {
    "calibration": _calibration,
    "spikes": _spikes,
    "motion": _motion,
    "muscle": _muscle,
    "knocks": _knocks,
}

#: Kinds that come while a recording is made.
IN_USE = ("motion", "muscle", "knocks")
