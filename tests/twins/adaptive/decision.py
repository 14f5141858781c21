"""Which candidates are accepted, and when they are reported."""

from __future__ import annotations

from .constants import CONSTANT, DOUBTS, LOG_TINY
from .levels import learn_accepted, learn_rejected, weigh
from .path import best_path
from .patient import matches_stored, store_template
from .rhythm import learn_interval
from .shape import learn_shape
from .state import Candidate, Phase, State, quantile
from .trust import confident, trust_next


def reject_first(a: State) -> None:
    c = a.pending.pop(0)
    near = a.accepted and a.seconds(a.last_at, c.at) < CONSTANT.near_s
    for k, s in enumerate(a.leads):
        if c.faulty[k] or not s.seeded:
            continue
        learn_rejected(s, c, k, bool(near))


def first_after_relearning(a: State, c: Candidate, index: int) -> bool:
    """One of the first beats after a bad stretch, which may be reported late."""
    after = [other.height for other in a.pending]
    return (
        bool(after)
        and a.seconds(c.at, a.now(index)) <= a.start + CONSTANT.late_s
        and c.height > quantile(after, 0.5) + CONSTANT.start_contrast
        and matches_stored(a, c)
    )


def report(a: State, c: Candidate, index: int) -> None:
    """The R peak, by the first lead unless it does not show the beat."""
    if c.at <= a.last_reported:
        return
    a.last_reported = c.at
    lead = 0
    if c.faulty[0] or c.lead_score[0] < CONSTANT.lead_score_min:
        for k in range(1, len(a.leads)):
            if not c.faulty[k] and c.lead_score[k] > c.lead_score[lead]:
                lead = k
    about = c.at * a.group + (a.group - 1) // 2
    seen = min(index * a.group, a.samples)
    active_lead = a.leads[lead]
    r = active_lead.refiner.refined(active_lead.clean, about, seen)
    if not a.beats or r > a.beats[-1]:
        a.beats.append(r)


def accept(a: State, c: Candidate, index: int) -> None:
    around = [LOG_TINY] * len(a.leads)
    while a.pending[0] is not c:
        other = a.pending[0]
        if a.seconds(other.at, c.at) < CONSTANT.near_s:
            around = [
                max(over, height) if not bad else over
                for over, height, bad in zip(around, other.heights, other.faulty, strict=True)
            ]
        reject_first(a)
    a.pending.pop(0)
    typical = False
    for k, s in enumerate(a.leads):
        if not s.seeded or c.faulty[k]:
            continue
        learn_accepted(s, c, k, around[k])
        typical |= learn_shape(a, s, c, k) and store_template(s)
    if a.phase is Phase.RUNS:
        weigh(a)
    a.last_height = sum(s.weight * s.last_height for s in a.leads if s.seeded)
    a.last_band_ratio = sum(s.weight * s.last_band_ratio for s in a.leads if s.seeded)
    if a.accepted:
        learn_interval(a, a.seconds(a.last_at, c.at))
    if typical:
        a.stored_rr = a.rr_ref
    trust_next(a, c.similarity)
    a.accepted += 1
    a.last_at = c.at

    if a.trust <= CONSTANT.trust_from or a.gap <= CONSTANT.trust_gap:
        a.doubts += a.recent <= CONSTANT.trust_from
        return
    a.doubts = 0
    if not confident(a):
        a.probation = max(a.probation - 1, 0)
        return
    late = a.seconds(c.at, a.now(index)) > a.wait + CONSTANT.late_s
    if a.relearning and late and not first_after_relearning(a, c, index):
        return
    report(a, c, index)


def is_clear(a: State, c: Candidate) -> bool:
    if not a.accepted:
        return False
    rr = a.seconds(a.last_at, c.at)
    level = sum(s.weight * s.signal for s in a.leads)
    return (
        c.score > CONSTANT.clear_score
        and c.similarity > CONSTANT.clear_similarity
        and c.height > level - CONSTANT.clear_drop
        and CONSTANT.clear_short * a.rr_ref < rr < CONSTANT.clear_long * a.rr_ref
    )


def decide(a: State, index: int, final: bool = False) -> bool:
    """Accepts what is due; false where trust is gone and all has to be forgotten."""
    now = a.now(index)
    a.wake = float("inf")
    while path := best_path(a, index):
        c = path[0]
        wait = min(max(CONSTANT.wait_rr * a.rr_ref, CONSTANT.wait_min_s), a.wait)
        due = c.at + int(wait * a.rate)
        if not final and not is_clear(a, c) and now < due:
            a.wake = due + index - now
            break
        accept(a, c, index)
        if not final:
            a.wake = index + 1
            return True
    if a.doubts >= DOUBTS and not final:
        return False
    expire = int(a.expire * a.rate)
    while a.pending and a.pending[0].at + expire <= now:
        reject_first(a)
    if a.pending:
        a.wake = min(a.wake, a.pending[0].at + expire + index - now)
    return True
