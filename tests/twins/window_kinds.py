"""What a model's window shows, slowly: cycles and histories of features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import beat_window


def cycle(
    clean: npt.NDArray[np.float64], sample: int, fs: float, rr: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """187 points at 125 Hz from R on; `rr` (s) are all RR intervals up to this beat's."""
    known = [interval for interval in rr[-8:] if np.isfinite(interval)]
    kept = min(187, int(1.2 * np.median(known) * 125)) if known else 187
    points = beat_window.cut(clean, sample, fs, 125.0, 0, kept)
    out = np.zeros(187)
    out[:kept] = (points - points.min()) / np.ptp(points)
    return out


def histories(
    now: npt.NDArray[np.float32], ahead: npt.NDArray[np.float32], length: int
) -> npt.NDArray[np.float32]:
    """The last `length` beats' features: `now` this beat's, `ahead` the earlier ones'."""
    rows = []
    for i in range(len(now)):
        before = [ahead[k] if k >= 0 else np.zeros_like(now[0]) for k in range(i - length + 1, i)]
        rows.append([*before, now[i]])
    return np.array(rows, np.float32)
