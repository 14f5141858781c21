"""Time stamps of a recording: stored in few bytes, and the units that they may count in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "HIGHEST_HZ", "LOWEST_HZ", "UNITS", "Floats", "Stamps"]

Floats = npt.NDArray[np.float64]

#: Sampling rates by which the unit of a clock is guessed where nothing names it, and the units.
LOWEST_HZ, HIGHEST_HZ = 25.0, 5_000.0
UNITS = ((1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds"), (1e-9, "nanoseconds"))

#: Stamps that are packed, or looked at, together.
BLOCK = 1 << 17

# Factors that make decimal stamps whole numbers.
_SCALES = (1.0, 1e3, 1e6, 1e1, 1e2, 1e4, 1e5, 1e7, 1e8, 1e9)


class Stamps:
    """Time stamps of a long recording, packed without loss into a few bits to 8 bytes each.

    Stamps of a file are decimal numbers that rise by almost equal steps. A block of them is stored
    as its first stamp, a scale and small integer steps, or as a single step where all are equal.

    Parameters
    ----------
    stamps : ndarray, shape (n,), optional
        The first stamps, in counts.
    """

    def __init__(self, stamps: Floats | None = None) -> None:
        self._blocks: list[tuple[float, Any]] = []  # scale and steps; scale 0: not packed
        self._begins: list[int] = []
        self._scale = 1.0
        self._n = 0
        if stamps is not None:
            for begin in range(0, len(stamps), BLOCK):
                self.append(np.asarray(stamps[begin : begin + BLOCK], np.float64))

    def __len__(self) -> int:
        return self._n

    def append(self, stamps: Floats) -> None:
        """Add stamps; the array may be used again."""
        self._begins.append(self._n)
        self._n += len(stamps)
        with np.errstate(all="ignore"):
            for scale in (self._scale, *(s for s in _SCALES if s != self._scale)):
                whole = np.rint(stamps * scale)
                # False too where one is missing.
                if (np.abs(whole) < 2**53).all() and np.array_equal(whole / scale, stamps):
                    self._scale = scale
                    self._blocks.append((scale, _packed(whole)))
                    return
        self._blocks.append((0.0, stamps.copy()))

    def blocks(self) -> Iterator[Floats]:
        """Yield the stamps in order, block by block."""
        for i in range(len(self._blocks)):
            yield self._block(i)

    def part(self, begin: int, end: int) -> Floats:
        """Return stamps `begin` to `end`."""
        end = min(end, self._n)
        out = np.empty(max(0, end - begin))
        for i in range(max(0, bisect_right(self._begins, begin) - 1), len(self._blocks)):
            at = self._begins[i]
            if at >= end:
                break
            block = self._block(i)[max(0, begin - at) : end - at]
            out[max(0, at - begin) :][: len(block)] = block
        return out

    def _block(self, i: int) -> Floats:
        scale, held = self._blocks[i]
        if scale == 0.0:
            return np.asarray(held)
        begin, steps, n = held
        whole = np.empty(n)
        whole[:1] = begin
        if n > 1:
            whole[1:] = steps
            np.cumsum(whole, out=whole)
        return whole / scale


def _packed(whole: Floats) -> tuple[float, Any, int]:
    """Return the first of whole numbers, the steps between them (one where all are equal), n."""
    if len(whole) < 2:
        return float(whole[0]) if len(whole) else 0.0, 0.0, len(whole)
    steps = np.diff(whole)
    low, high = float(steps.min()), float(steps.max())
    if low == high:
        return float(whole[0]), low, len(whole)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return float(whole[0]), steps.astype(kind), len(whole)
    return float(whole[0]), steps, len(whole)
