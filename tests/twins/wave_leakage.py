"""Slow, plain twin of csrc/src/beats/wave_leakage.c and flutter.c."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def leakage(signal: npt.NDArray[np.float32], fs: float) -> float:
    """Leakage of the last 2.5 s of a signal, from means at 64 to 128 Hz."""
    group = max(1, int(fs // 64))
    n = int(2.5 * fs / group)
    points = signal[-n * group :].astype(float).reshape(n, group).sum(axis=1)
    return wave_leakage(points, fs / group)


def wave_leakage(points: Floats, rate: float) -> float:
    """Notch leakage at the points' own period (Kuo and Dillman, 1978).

    That of waves of more than 300 a minute is weighted: 0.406 of them is 0.55. It is 1 where the
    points repeat better at a longer interval (those are beats), and where the waves do not fill
    them.
    """
    x = points - points.mean()
    period = 2 * np.pi * np.abs(x).sum() / np.abs(np.diff(x)).sum()
    seconds = period / rate
    if not 0.1 <= seconds <= 0.45:
        return 1.0
    half = int(period / 2)
    early, late = x[:-half], x[half:]
    leaked = float(np.abs(early + late).sum() / (np.abs(early) + np.abs(late)).sum())
    leaked *= 0.55 / 0.406 if seconds < 0.2 else 1.0
    if leaked >= 0.72 or (_fills(x) and not _repeats_slower(x, seconds, rate)):
        return leaked
    return 1.0


def _fills(x: Floats) -> bool:
    part = len(x) // 5
    sizes = np.abs(x[: 5 * part]).reshape(5, part).mean(axis=1)
    return bool((sizes >= 0.3 * np.abs(x).mean()).all())


def _repeats_slower(x: Floats, period: float, rate: float) -> bool:
    group = max(1, int(rate // 32))
    y = x[: len(x) // group * group].reshape(-1, group).sum(axis=1)
    rate /= group
    lags = np.arange(1, int(0.9 * rate) + 1)
    r = np.array([_cosine(y[lag:], y[:-lag]) for lag in lags])
    own = r[(lags > 0.75 * period * rate) & (lags < 1.35 * period * rate)].max(initial=-1.0)
    peaks = [
        r[i]
        for i in range(1, len(r) - 1)
        if lags[i] >= 1.35 * period * rate and r[i] >= r[i - 1] and r[i] >= r[i + 1]
    ]
    return max(peaks, default=-1.0) > own + 0.25


def _cosine(a: Floats, b: Floats) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
