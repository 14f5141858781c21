"""Samples to cells of 8 ms, their baseline removed, and their running scale."""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

from ecgfast.training.qrs import grid

from .constants import BLOCK, HZ, SMALLEST, WINDOW, C, F, Floats
from .state import State


def faulty(signal: npt.ArrayLike, clean: Floats, fs: float) -> npt.NDArray[np.bool_]:
    """Samples at which a lead has been missing for 0.12 s or flat for 0.3 s."""
    gap, flat = ceil(0.12 * fs), ceil(0.3 * fs)
    out = np.zeros(len(clean), bool)
    missing = run = 0
    seen = False
    last = F(0)
    for i, value in enumerate(np.asarray(signal, np.float32)):
        if not abs(value) <= F(1e30):
            missing += 1
        else:
            run = run + 1 if seen and not missing and clean[i] == last else 0
            missing, seen, last = 0, True, clean[i]
        out[i] = missing >= gap or run >= flat
    return out


def cell_means(s: State, clean: Floats) -> Floats:
    """Cells; after the end the last whole one is repeated."""
    if not s.end:
        return np.zeros(0, np.float32)
    cells = grid.grid_cells(clean, s.cell * HZ / 2**32)[: s.end]
    return np.pad(cells, (0, s.total - s.end), mode="edge")


def take_cells(s: State, known: int) -> None:
    """High-pass the cells that are whole now."""
    for at in range(s.seen_cells, known):
        for k, (means, cells) in enumerate(zip(s.means, s.cells, strict=True)):
            before = cells[at - 1] if at else F(0)
            step = means[at] - means[at - 1] if at else F(0)
            with np.errstate(over="ignore"):
                cells[at] = C["HIGH_PASS"] * before + step
            known_height = s.heights[k] >= C["NEURAL_HEIGHT_BEATS"]
            if known_height and abs(cells[at]) > C["NEURAL_ABSURD"] * np.exp(s.height[k]):
                cells[at] = 0
                s.fault[k][at] = True
    s.seen_cells = known


def peak(s: State, lead: int, first: int, last: int) -> np.float32:
    """Largest of some blocks."""
    first = max(first, 0)
    cells = np.abs(s.cells[lead][first * BLOCK : last * BLOCK])
    return (cells.reshape(-1, BLOCK).max(axis=1) * s.gain[lead][first:last]).max()


def faults(s: State, column: Floats, clean: Floats) -> npt.NDArray[np.bool_]:
    """A sample speaks for the cell that is open when it comes."""
    out = np.zeros(s.total + 1, bool)
    for i in np.flatnonzero(faulty(column, clean, s.fs)):
        out[min(s.whole_cells(int(i)), s.total)] = True
    return out


def scale_up_to(s: State, lead: int, last: int) -> np.float32:
    """Second largest of the maxima of the last windows; the larger of the first two."""
    ends = range(last + 1, max(last + 1 - C["NEURAL_PEAKS"], 0), -WINDOW)
    tops = sorted(peak(s, lead, end - WINDOW, end) for end in ends)
    shown = sum(top > 0 for top in tops)  # before the signal begins there is nothing
    return max(tops[-2] if shown > 2 else tops[-1], SMALLEST)


def set_scale(s: State, lead: int, block: int) -> None:
    if block < C["NEURAL_START"]:
        s.scale[lead] = scale_up_to(s, lead, C["NEURAL_START"] - 1)
        return
    known = s.heights[lead] >= C["NEURAL_HEIGHT_BEATS"]
    fall = C["NEURAL_FALL" if known else "NEURAL_FALL_FIRST"]
    scale = max(scale_up_to(s, lead, block - 1), fall * s.scale[lead])
    if known:
        scale = min(scale, C["NEURAL_ABOVE"] * np.exp(s.height[lead]))
    s.scale[lead] = max(scale, SMALLEST)
