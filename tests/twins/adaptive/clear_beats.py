"""Beats beyond doubt: candidates that stand out from all others, similar and regular."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .constants import CONSTANT, STORED_BEATS
from .shape import correlation
from .state import Lead, State
from .trust import confident


def lead_shows_clear_beats(a: State, k: int, latest: bool) -> float | None:
    """Height of the last seconds' highest candidates if they are beats beyond doubt."""
    s = a.leads[k]
    seen = [c for c in a.look_back() if not c.faulty[k]]
    order = sorted(seen, key=lambda c: -c.heights[k])
    high, widest = 0, 0.0
    for i in range(2, len(order)):
        step = order[i - 1].heights[k] - order[i].heights[k]
        if step > widest:
            high, widest = i, step
    if not high:
        return None
    beats = [c for c in seen if c.heights[k] >= order[high - 1].heights[k]]
    if latest and beats[-1] is not a.latest[-1]:
        return None
    middle = order[high // 2]
    if middle.heights[k] - order[(high + len(order)) // 2].heights[k] < CONSTANT.start_contrast:
        return None
    rr = [a.seconds(one.at, other.at) for one, other in pairwise(beats)]
    if min(rr) < CONSTANT.refractory_s or max(rr) > CONSTANT.return_long * min(rr):
        return None
    shape = middle.shapes[k][a.lag : a.lag + 2 * a.half + 1]
    shape = shape - np.mean(shape)
    if not np.sum(shape * shape) > 0:
        return None
    shape /= np.sqrt(np.sum(shape * shape))
    others = [c for c in order[:high] if c is not middle]
    least = min(correlation(a, c, k, [shape])[0] for c in others)
    if least < CONSTANT.clear_similarity:
        return None
    if s.stored_beats == STORED_BEATS and s.stored_template is not None:
        faint = middle.heights[k] < s.stored_signal - CONSTANT.return_lower
        least = CONSTANT.return_similarity if faint else CONSTANT.clear_beats_similarity
        similarity = correlation(a, middle, k, [s.stored_template])[0]
        return middle.heights[k] if similarity > least else None
    return middle.heights[k]


def shows_clear_beats(a: State) -> bool:
    """Are beats in sight that levels do not fit, or while there is no confidence?"""
    c = a.latest[-1]
    well = a.decides and a.probation == 0 and confident(a)
    since = a.seconds(a.last_at, c.at)
    missing = not a.accepted or since > CONSTANT.clear_long * a.rr_ref

    def misfit(s: Lead, height: float) -> bool:
        if height > s.signal + CONSTANT.return_higher:
            return True
        return missing and height < s.signal - CONSTANT.return_lower

    clear = total = 0.0
    for k, s in enumerate(a.leads):
        if c.faulty[k]:
            continue
        total += s.weight
        if well and not misfit(s, c.heights[k]):
            continue
        level = lead_shows_clear_beats(a, k, well)
        if level is not None and (not well or misfit(s, level)):
            clear += s.weight
    return clear > 0.5 * total
