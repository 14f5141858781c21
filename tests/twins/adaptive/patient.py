"""What the patient looks like, by which the patient is known after noise or with another gain."""

from __future__ import annotations

import numpy as np

from .constants import CONSTANT, MISMATCHES, STORED_BEATS, TEMPLATE_BEATS
from .levels import weigh
from .shape import correlation
from .state import Candidate, Lead, State
from .trust import common_gap, confident


def store_template(s: Lead) -> bool:
    """Of a typical beat; false while it is unlike what is stored."""
    assert s.template is not None
    other = (
        s.stored_template is None
        or float(np.sum(s.stored_template * s.template)) < CONSTANT.store_similarity
    )
    if s.stored_beats == STORED_BEATS and other:
        s.mismatch_run += 1
        if s.mismatch_run < MISMATCHES:
            return False
    s.stored_beats = min(STORED_BEATS, (0 if other else s.stored_beats) + 1)
    s.mismatch_run = 0
    s.stored_template, s.stored_signal, s.stored_noise = s.template.copy(), s.signal, s.noise
    return True


def matches_stored(a: State, c: Candidate) -> bool:
    """Does a candidate match the stored templates?"""
    stored = [
        (k, s.stored_template) for k, s in enumerate(a.leads) if s.stored_beats == STORED_BEATS
    ]
    similarities = [
        correlation(a, c, k, [shape])[0]
        for k, shape in stored
        if shape is not None and not c.faulty[k]
    ]
    return bool(similarities) and float(np.mean(similarities)) >= CONSTANT.return_similarity


def restore(s: Lead, height: float) -> None:
    """A lead's levels and shape as they were, at another gain."""
    assert s.stored_template is not None
    s.signal, s.noise = height, height - (s.stored_signal - s.stored_noise)
    s.signals, s.noises = [s.signal] * 3, [s.noise] * 4
    s.slow_signal, s.slow_noise = s.signal, s.noise
    s.template, s.slow_template = s.stored_template.copy(), s.stored_template.copy()
    s.template_beats = TEMPLATE_BEATS
    s.last_height, s.seeded = s.signal, True


def resume(a: State) -> bool:
    """The patient is back: a second match of the stored template while levels are off."""
    c = a.pending[-1]
    before = a.match_at
    use = [
        (k, s) for k, s in enumerate(a.leads) if s.stored_beats == STORED_BEATS and not c.faulty[k]
    ]
    if not use:
        return False
    over = float(np.mean([c.heights[k] - s.stored_signal for k, s in use]))
    off = float(np.mean([c.heights[k] - s.signal for k, s in use]))
    tallest = a.tallest_since_match
    a.tallest_since_match = max(over, tallest)
    lost = True
    if a.decides and a.accepted:
        since = a.seconds(a.last_at, c.at) / a.rr_ref
        lower = off < -CONSTANT.return_lower and since > CONSTANT.return_short
        if not lower and off < CONSTANT.return_higher:
            return False
        lost = (
            not lower
            or since > CONSTANT.clear_long
            or a.recent < CONSTANT.distrust_from
            or a.last_at == before
        )
    if not matches_stored(a, c):
        return False
    rr = a.seconds(before, c.at) / a.stored_rr if before is not None else 9.0
    if rr < CONSTANT.return_long and over < a.match_height - CONSTANT.return_height:
        return False
    back = lost and CONSTANT.return_short < rr < CONSTANT.return_pause
    back = back and abs(over - a.match_height) < CONSTANT.return_height
    back = back and tallest < over + CONSTANT.return_height
    a.match_at, a.match_height, a.tallest_since_match = c.at, over, over
    for k, s in use:
        if back:
            restore(s, 0.5 * (c.heights[k] + s.match_height))
        s.match_height = c.heights[k]
    if not back:
        return False
    assert before is not None
    unreported = before > a.last_reported and not confident(a)
    if not a.accepted or a.last_at != before or unreported:
        a.accepted = 0
        a.pending = [other for other in a.latest if other.at >= before]
        a.rr, a.rr_ref = [], a.stored_rr
    for other in a.pending:
        other.similarities = [None] * len(a.leads)
    a.doubts = a.probation = 0
    a.trust = a.recent = CONSTANT.relearn_trust
    weigh(a)
    a.gap = common_gap(a)
    return True
