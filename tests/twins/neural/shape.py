"""The shape of the last beats: beats after a fall of the gain."""

from __future__ import annotations

import numpy as np

from .constants import BLOCK, HZ, SMALLEST, C, F, Floats
from .state import State, seconds


def total(values: Floats) -> np.float32:
    """Sum, one after the other as in C."""
    return np.cumsum(values, dtype=np.float32)[-1]


def window_of(s: State, lead: int, at: int) -> Floats | None:
    """The window around a cell without its mean; None where it is not kept or not shown."""
    first, end = at - C["SHAPE_BEFORE"], at + C["SHAPE_AFTER"]
    if first < 0 or first <= s.seen_cells - C["NEURAL_CELLS"] or end > s.seen_cells:
        return None
    if s.fault[lead][first:end].any():
        return None
    window = s.cells[lead][first:end]
    return window - total(window) / F(len(window))


def compare(window: Floats, shape: Floats) -> tuple[np.float32, np.float32]:
    """Correlation of the two, and the size of the first beside the second."""
    with np.errstate(over="ignore", invalid="ignore"):
        both, one, other = total(window * shape), total(window**2), total(shape**2)
    if not (one > 0 and other > 0 and np.isfinite(one) and np.isfinite(other)):
        return F(0), F(0)
    return both / (np.sqrt(one) * np.sqrt(other)), both / other


def learn_shape(s: State, lead: int, at: int) -> None:
    known, window = s.shape[lead], window_of(s, lead, at)
    if window is None:
        return
    if known.beats >= C["SHAPE_BEATS"] and compare(window, known.mean)[0] < C["SHAPE_LEARNED"]:
        known.unlike += 1
        if known.unlike < C["SHAPE_UNLIKE"]:
            return
        known.beats = 0
    known.unlike = 0
    rate = max(F(1) / F(1 + known.beats), C["SHAPE_RATE"])
    before = known.mean if known.beats else np.zeros(len(window), np.float32)
    known.mean = before + rate * (window - before)
    known.beats = min(known.beats + 1, C["SHAPE_BEATS"])


def regain(s: State, lead: int, gain: np.float32, first: int) -> None:
    s.height[lead] += np.log(gain)
    s.scale[lead] = max(s.scale[lead] * gain, SMALLEST)
    s.gain[lead][: first // BLOCK] *= gain
    s.shape[lead].mean = s.shape[lead].mean * gain


def take_match(s: State, lead: int, at: int, gain: np.float32) -> None:
    known = s.shape[lead]
    assert s.last is not None
    if known.match > s.last:
        rr = seconds(at - known.match) / s.rr_ref
        fits = C["SHAPE_SHORT"] < rr < C["SHAPE_LONG"]
        if fits and abs(np.log(gain / known.match_gain)) < C["SHAPE_CHANGE"]:
            regain(s, lead, gain, known.match)
            gain = F(1)
    known.match, known.match_gain = at, gain


def look(s: State, lead: int, at: int) -> None:
    known, window = s.shape[lead], window_of(s, lead, at)
    likeness, gain = (F(0), F(0)) if window is None else compare(window, known.mean)
    smaller = C["SHAPE_LEAST"] < gain < C["SHAPE_SMALLER"]
    if likeness >= C["SHAPE_LIKE"] and smaller and likeness > known.best:
        known.best, known.best_gain, known.best_at = likeness, gain, at
    elif known.best > 0 and at - known.best_at >= C["SHAPE_BEFORE"]:
        take_match(s, lead, known.best_at, known.best_gain)
        known.best = F(0)


def look_for_shape(s: State) -> None:
    if s.last is None:
        return
    first = s.last + int(C["SHAPE_FROM"] * s.rr_ref * F(HZ))
    first = max(first, s.seen_cells - C["NEURAL_CELLS"])
    for k, known in enumerate(s.shape):
        if known.looked < first:
            known.looked, known.best = first, F(0)
        if known.beats < C["SHAPE_BEATS"] or s.heights[k] < C["NEURAL_HEIGHT_BEATS"]:
            continue
        for _ in range(C["SHAPE_AT_ONCE"]):
            if known.looked + C["SHAPE_AFTER"] <= s.seen_cells:
                look(s, k, known.looked)
                known.looked += 1
