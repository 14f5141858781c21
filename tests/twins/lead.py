"""The front end of one lead written out slowly: what `csrc/src/common/lead.c` must give."""

from __future__ import annotations

import math

import numpy as np


def cleaned(signal: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Take the offset away, bridge what is missing; where the lead gives nothing.

    That is where it is flat, and where more than 10 ms are missing.

    After 0.12 s without samples or more the lead continues where it stopped.
    """
    long_gap = math.ceil(0.12 * fs)
    flat = math.ceil(0.3 * fs)
    clean = np.zeros(len(signal), np.float32)
    nothing = np.zeros(len(signal), bool)
    offset = None
    missing = repeats = 0
    last = np.float32(0)
    for i, value in enumerate(np.asarray(signal, np.float32)):
        if not abs(value) <= np.float32(1e30):
            missing += 1
            nothing[i] = missing > math.ceil(0.01 * fs)
        else:
            if offset is None:
                offset = value
            elif missing >= long_gap:
                offset = np.float32(value - last)
            x = np.float32(value - offset)
            repeats = repeats + 1 if x == last and not missing and i else 0
            nothing[i] = repeats >= flat
            last, missing = x, 0
        clean[i] = last
    return clean, nothing


def saturated(signal: np.ndarray, fs: float) -> np.ndarray:
    """Where a lead without gaps stays at an extreme of the last 10 to 20 s for 20 ms or more."""
    period = math.ceil(10 * fs)
    blunt = max(4, math.ceil(0.02 * fs))
    flat = math.ceil(0.3 * fs)
    x = np.asarray(signal, np.float32) - np.float32(signal[0])
    out = np.zeros(len(x), bool)
    repeats = 0
    for i in range(len(x)):
        repeats = repeats + 1 if x[i] == (x[i - 1] if i else 0) else 0
        seen = x[max(0, (i // period - 1) * period - 1) : i + 1]
        low, high = seen.min(), seen.max()
        out[i] = blunt <= repeats < flat and x[i] in (low, high) and low < high
    return out
