"""The beat window, slowly: each grid point a weighted mean of the samples around it."""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

HALF_WIDTH_S = 0.032


def reach(fs: float, grid_fs: float = 125.0, after: int = 28) -> int:
    """Samples after R that the window is made of."""
    first = ceil(round(((after - 1) / grid_fs - HALF_WIDTH_S) * fs, 9))
    return first + int(2 * HALF_WIDTH_S * fs)


def cut(
    clean: npt.NDArray[np.float64],
    sample: int,
    fs: float,
    grid_fs: float = 125.0,
    before: int = 44,
    after: int = 28,
) -> npt.NDArray[np.float64]:
    """The window of one beat in mV, its median taken away."""
    cutoff = min(40.0, 0.45 * fs, 0.45 * grid_fs)
    count = int(2 * HALF_WIDTH_S * fs) + 1
    points = []
    for k in range(-before, after):
        centre = k / grid_fs
        # Rounding: a tap that falls on the edge of the kernel weighs nothing.
        offsets = ceil(round((centre - HALF_WIDTH_S) * fs, 9)) + np.arange(count)
        t = offsets / fs - centre
        hann = np.where(np.abs(t) < HALF_WIDTH_S, 0.5 + 0.5 * np.cos(np.pi * t / HALF_WIDTH_S), 0)
        weight = np.sinc(2 * cutoff * t) * hann
        at = np.clip(sample + offsets, 0, len(clean) - 1)
        points.append(np.sum(weight * clean[at]) / np.sum(weight))
    return np.array(points) - np.median(points)
