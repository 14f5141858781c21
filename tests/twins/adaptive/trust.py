"""Trust: is what is found an ECG at all, and may it be reported?"""

from __future__ import annotations

from .constants import CONSTANT, PROBATION_BEATS, STORED_BEATS
from .state import State


def common_gap(a: State) -> float:
    cap = CONSTANT.trust_cap
    return sum(s.weight * min(s.signal - s.noise, cap) for s in a.leads if s.seeded)


def trust_of(gap: float, similarity: float, var: float) -> float:
    over = max(similarity, CONSTANT.trust_similarity_min) - CONSTANT.trust_neutral
    return gap + CONSTANT.trust_similarity * over - CONSTANT.trust_var * var


def trust_first(a: State, similarity: float, var: float, beats: int) -> None:
    """What the first seconds are worth."""
    a.gap = common_gap(a)
    a.trust = a.recent = trust_of(a.gap, similarity, var)
    a.trusted, a.mean_similarity = beats, similarity
    poor = a.trust < CONSTANT.relearn_trust or similarity < CONSTANT.relearn_similarity
    a.probation = PROBATION_BEATS if a.relearning and poor else 0


def trust_next(a: State, similarity: float) -> None:
    """What one more beat is worth, as similar as it is to those before."""
    gap, rate = common_gap(a), 1 / (1 + a.trusted)
    trust = trust_of(gap, similarity if a.accepted else CONSTANT.trust_neutral, a.rr_var)
    if rate < CONSTANT.trust_rate:
        rate = CONSTANT.trust_rate
    else:
        a.trusted += 1
    a.trust += rate * (trust - a.trust)
    a.mean_similarity += CONSTANT.mean_similarity_rate * (similarity - a.mean_similarity)
    a.gap += rate * (gap - a.gap)
    a.recent += max(rate, CONSTANT.recent_rate) * (trust - a.recent)


def confident(a: State) -> bool:
    """Is trust enough for beats to be reported?"""
    if a.trust <= CONSTANT.trust_from or a.gap <= CONSTANT.trust_gap:
        return False
    stored = any(s.stored_beats == STORED_BEATS for s in a.leads)
    similar = a.mean_similarity > CONSTANT.mean_similarity_from
    proven = not a.relearning or stored or similar
    return a.trust >= CONSTANT.relearn_trust or (a.probation == 0 and proven)
