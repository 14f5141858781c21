"""Random choices of the training windows, and the shapes that are drawn with them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .grid import GRID_FS

__all__ = ["Draws", "Floats", "bump", "cells_in"]

Floats = npt.NDArray[np.float32]


class Draws:
    """Random choices, the same for the same seed.

    Parameters
    ----------
    seed : int
        Of all choices.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, p: float) -> bool:
        """True with probability `p`."""
        return bool(self.rng.random() < p)

    def between(self, low: float, high: float) -> float:
        """Any value between the two alike."""
        return float(self.rng.uniform(low, high))

    def ratio(self, low: float, high: float) -> float:
        """The same for the logarithm."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def polarity(self) -> float:
        """-1 or 1."""
        return float(self.rng.choice([-1.0, 1.0]))


def cells_in(seconds: float) -> int:
    """Cells of so many seconds, at least one."""
    return max(1, round(seconds * GRID_FS))


def bump(n: int, at: float, before: float, after: float) -> tuple[slice, Floats]:
    """A window that rises and falls like a cosine, 1 at `at`."""
    first = min(n, max(0, int(at - before)))
    last = max(first, min(n, int(at + after) + 1))
    k = np.arange(first, last, dtype=np.float32) - np.float32(at)
    side = np.where(k < 0, -k / max(before, 1.0), k / max(after, 1.0))
    return slice(first, last), (0.5 + 0.5 * np.cos(np.pi * np.minimum(side, 1.0))).astype(
        np.float32
    )
