"""Scores of the pending candidates, and the best path through them."""

from __future__ import annotations

from .constants import CONSTANT
from .levels import lowered
from .rhythm import is_smooth_t, open_cost, pair_cost
from .shape import similarity_of
from .state import Candidate, Lead, State, quantile


def is_small(a: State, s: Lead, c: Candidate, k: int) -> bool:
    """Whether it is a small, slow wave beside a tall beat: a P wave in third-degree block."""
    return (
        c.band_ratios[k] < CONSTANT.small_bands
        and c.heights[k] < s.tall_height - CONSTANT.small_drop
        and c.energies[k] < CONSTANT.small_energy * s.tall_energy
        and abs(a.seconds(s.tall_at, c.at)) < CONSTANT.small_s
    )


def score(a: State, c: Candidate) -> None:
    fall = distrust = 0.0
    if a.accepted:
        since = a.seconds(a.last_at, c.at)
        fall = CONSTANT.gap_rate * max(0.0, since - CONSTANT.gap_from * a.rr_ref)
        if since > CONSTANT.distrust_after_s:
            distrust = CONSTANT.distrust_slope * (CONSTANT.distrust_from - a.recent)
            distrust = min(max(distrust, 0.0), 1.0)
    total = points = similarity = weights = c.height = c.band_ratio = 0.0
    small: list[bool] = []
    for k, s in enumerate(a.leads):
        if not s.seeded:
            continue
        faulty = c.faulty[k]
        c.height += s.weight * (s.last_height if faulty else c.heights[k])
        c.band_ratio += s.weight * (s.last_band_ratio if faulty else c.band_ratios[k])
        if faulty:
            continue
        bar = lowered(s.signal, s.noise, fall)
        slow = lowered(s.slow_signal, s.slow_noise, fall)
        if s.template_beats and bar > slow:
            bar -= distrust * (bar - slow)
        lead_score = min(c.heights[k] - bar, CONSTANT.cap)
        if s.template_beats and lead_score > CONSTANT.faint:
            compared = c.similarities[k]
            if compared is None:
                compared, _, c.energies[k] = similarity_of(a, s, c, k)
                c.similarities[k] = compared
            lead_score += CONSTANT.similarity_cost * (compared - CONSTANT.similarity_from)
            small.append(is_small(a, s, c, k))
            similarity += s.weight * compared
            weights += s.weight
        if len(a.leads) > 1:
            lead_score = max(lead_score, -CONSTANT.floor)
        c.lead_score[k] = lead_score
        points += s.weight * lead_score
        total += s.weight
    c.score = points / total if total else CONSTANT.faint
    if small and all(small):
        c.score -= CONSTANT.small_cost
    c.similarity = similarity / weights if weights else 0.0


def best_path(a: State, index: int) -> list[Candidate]:
    """The best path through the pending candidates, first to last."""
    best, end = 0.0, None
    if a.accepted:
        best = -open_cost(a, a.last_at, index)
    for i, c in enumerate(a.pending):
        score(a, c)
        value, c.before = 0.0, None
        if a.accepted:
            rr = a.seconds(a.last_at, c.at)
            value = -pair_cost(a, a.last_height, a.last_band_ratio, c, rr)
        for p in a.pending[:i]:
            v = p.value - pair_cost(a, p.height, p.band_ratio, c, a.seconds(p.at, c.at))
            if v > value:
                value, c.before = v, p
        c.value = value + c.score
        total = c.value - open_cost(a, c.at, index)
        if total > best:
            best, end = total, c
    found: list[Candidate] = []
    while end is not None:
        found.insert(0, end)
        end = end.before
    return found


def is_tall_t(a: State, before: Candidate, c: Candidate) -> bool:
    """Whether it is the T wave of the beat `before` and stands out like a beat."""
    tall = c.height > before.height - CONSTANT.start_contrast
    return tall and is_smooth_t(before.band_ratio, c, a.seconds(before.at, c.at))


def contrast(a: State, path: list[Candidate]) -> float:
    """How far the path's candidates stand out from the others, medians of either."""
    others, before = [], None
    for c in a.pending:
        if any(c is p for p in path):
            before = c
        elif before is None or not is_tall_t(a, before, c):
            others.append(c.height)
    if not path:
        return 0.0
    if not others:
        return CONSTANT.trust_cap
    return quantile([c.height for c in path], 0.5) - quantile(others, 0.5)
