"""Steepness of the signal, relative to the patient's QRS complexes."""

from __future__ import annotations

from collections import deque
from math import inf

import numpy as np
import numpy.typing as npt

from .blocks import USABLE, Block

__all__ = ["STEEP", "Steepness"]

#: From this share of a QRS complex's steepness on, a block may hide a beat, or be one.
STEEP = 0.5

# Beats whose size is remembered.
_SIZES = 8

# Blocks that are remembered: 16 s, more than a pause that no asystole has been reported for.
_KEPT = 64

# Seconds after an R peak in which its T wave moves the signal, and before one in which it begins.
_AFTER_R_S = 0.45
_BEFORE_R_S = 0.1


class Steepness:
    """The last blocks, and how much a QRS complex changes within 40 ms in each lead.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    n_leads : int
    size : int
        Samples of a block.
    """

    def __init__(self, fs: float, n_leads: int, size: int) -> None:
        self.qrs = [0.0] * n_leads
        self.blocks: deque[Block] = deque(maxlen=_KEPT)
        self.steepness: deque[float] = deque(maxlen=_KEPT)
        self.next = 0
        self.after_r = round(_AFTER_R_S * fs)
        self._before_r = round(_BEFORE_R_S * fs)
        self._size = size
        self._sizes: list[deque[float]] = [deque(maxlen=_SIZES) for _ in range(n_leads)]

    def block(self, block: Block) -> float:
        """Take the next block.

        Returns
        -------
        float
            Its change within 40 ms divided by that of a QRS complex, the smallest of all leads: a
            beat shows in every lead, an artefact in one only. inf where no lead is usable.
        """
        steepness = inf
        for state, activity, qrs in zip(block.state, block.activity, self.qrs, strict=True):
            if state == USABLE and qrs > 0.0 and activity < steepness * qrs:
                steepness = activity / qrs
        self.blocks.append(block)
        self.steepness.append(steepness)
        self.next += 1
        return steepness

    def learn(self, sample: int) -> None:
        """Learn the size of a complex; the blocks around its R peak have been taken.

        Parameters
        ----------
        sample : int
            Of the R peak.
        """
        blocks = self.blocks
        at = sample // self._size - self.next + len(blocks)
        around = [blocks[i].activity for i in (at - 1, at, at + 1) if 0 <= i < len(blocks)]
        if not around:
            return
        for lead, sizes in enumerate(self._sizes):
            size = max([activity[lead] for activity in around])
            if size > 0.0:
                sizes.append(size)
                self.qrs[lead] = sorted(sizes)[len(sizes) // 2]

    def of_beat(self, sample: int) -> float:
        """Steepness at an R peak, the greatest of all leads, or inf where none is known.

        The block that holds the R peak and the one before it count.

        Parameters
        ----------
        sample : int
            Of the R peak.
        """
        blocks = self.blocks
        at = sample // self._size - self.next + len(blocks)
        return max(
            (
                blocks[i].activity[lead] / qrs
                for i in (at - 1, at)
                if 0 <= i < len(blocks)
                for lead, qrs in enumerate(self.qrs)
                if qrs > 0.0
            ),
            default=inf,
        )

    def between(self, first: int, last: int) -> float:
        """Greatest steepness of the blocks between two R peaks, without the complexes and T wave.

        Blocks without a usable lead do not count; 0 where no block counts.
        """
        size, oldest = self._size, self.next - len(self.steepness)
        begin = -(-(first + self.after_r) // size) - oldest
        end = (last - self._before_r) // size - oldest
        steepness = list(self.steepness)[max(0, begin) : max(0, end)]
        return max((one for one in steepness if one < inf), default=0.0)

    def level(self, blocks: int, rank: int) -> float:
        """Item `rank` of the last `blocks` values in ascending order; 0 with fewer values."""
        if len(self.steepness) < blocks:
            return 0.0
        recent = list(self.steepness)[-blocks:]
        recent.sort()
        return recent[rank]

    def slow(self, first: int, n: int) -> npt.NDArray[np.float32] | None:
        """Points of the slow signal, or None where some of them are no longer stored.

        Parameters
        ----------
        first : int
            Index of the first point, counted from the stream's start.
        n : int
            Number of points.

        Returns
        -------
        ndarray of float32, shape (n, n_leads), or None
        """
        if not self.blocks:
            return None
        points = len(self.blocks[0].slow)
        begin = first // points - self.next + len(self.blocks)
        end = (first + n - 1) // points - self.next + len(self.blocks)
        if begin < 0 or end >= len(self.blocks):
            return None
        parts = [self.blocks[i].slow for i in range(begin, end + 1)]
        return np.concatenate(parts)[first % points : first % points + n]

    def usual_level(self, lead: int) -> float | None:
        """Mean level of a lead over the remembered blocks in which it was usable."""
        levels = [one.level[lead] for one in self.blocks if one.state[lead] == USABLE]
        return sum(levels) / len(levels) if levels else None
