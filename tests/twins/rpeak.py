"""R-peak refinement and flicker written out slowly: what `csrc/src/common/rpeak.c` must give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Refiner:
    """R peaks of one lead: which of several deflections it is depends on the beats before."""

    fs: float
    sign: int = 0
    offset: float = 0.0
    surplus: float = 0.0
    misses: int = 0

    def refined(self, clean: np.ndarray, about: int, count: int, *, learn: bool = True) -> int:
        """The kept deflection where it has 70 % of the highest, otherwise the first with 95 %.

        Heights are mean of 20 ms - mean of 140 ms, without a pacing spike that is the highest.
        """
        fs = self.fs
        search, level = math.ceil(0.12 * fs), math.ceil(0.07 * fs)
        smooth, reach = math.floor(0.01 * fs + 0.5), math.ceil(0.15 * fs)
        first, last = max(0, about - search - level), min(about + reach, count - 1)
        if last <= first:
            return max(0, about)
        x = clean[first : last + 1].astype(float)
        low, high = max(0, about - search - first), min(about + search - first, len(x) - 1)
        height = heights(x, low, high, smooth, level)
        width = math.floor(0.0045 * fs + 1e-3)
        if width:
            quiet = without_spikes(x, width)
            at = low + int(np.abs(height).argmax())
            off = (x - quiet)[max(0, at - smooth) : at + smooth + 1]
            enough = 0.4 * np.abs(height).max() * (2 * smooth + 1)
            if (
                abs(off.sum()) > enough
                and np.abs(off).max() > 1.5 * np.ptp(quiet[low : high + 1]) > 0
            ):
                height = heights(quiet, low, high, smooth, level)
        mark = about - first - low
        return first + low + self.choose(height, mark, learn)

    def choose(self, height: np.ndarray, mark: int, learn: bool) -> int:
        size = np.abs(height)
        top = size.max()
        maxima = [
            k
            for k in range(len(size) - 1)
            if size[k + 1] <= size[k] and (k == 0 or size[k - 1] <= size[k])
        ]
        early = [k for k in maxima if size[k] >= 0.95 * top]
        first = early[0] if early else len(size) - 1
        same = [
            k
            for k in maxima
            if size[k] >= 0.7 * top
            and (height[k] >= 0) == (self.sign > 0)
            and abs(k - mark - self.offset) <= 0.025 * self.fs
        ]
        kept = max(same, key=lambda k: size[k]) if same and self.sign else None
        if not learn:
            return first if kept is None else kept
        if kept is None:
            if self.sign:
                self.misses += 1
                if self.misses < 8:
                    return first
        else:
            self.misses = 0
            self.offset += 0.25 * (kept - mark - self.offset)
            self.surplus += 0.125 * (math.log(top / size[kept]) - self.surplus)
            if self.surplus < math.log(1.1):
                return kept
        self.sign = -1 if height[first] < 0 else 1
        self.offset, self.surplus, self.misses = first - mark, 0.0, 0
        return first


def heights(x: np.ndarray, low: int, high: int, smooth: int, level: int) -> np.ndarray:
    """Short mean less long mean around each sample from `low` to `high`."""
    return np.array(
        [
            x[max(0, i - smooth) : i + smooth + 1].mean()
            - x[max(0, i - level) : i + level + 1].mean()
            for i in range(low, high + 1)
        ]
    )


def without_spikes(x: np.ndarray, width: int) -> np.ndarray:
    """Medians of each sample and those `width` before and after it; the ends as they are."""
    quiet = x.copy()
    if len(x) > 2 * width:
        quiet[width:-width] = np.median([x[: -2 * width], x[width:-width], x[2 * width :]], axis=0)
    return quiet


def flickers(clean: np.ndarray, about: int, fs: float) -> bool:
    """Three levels at most around a mark."""
    search = math.ceil(0.12 * fs)
    return len(np.unique(clean[max(about - search, 0) : max(about + search + 1, 0)])) <= 3
