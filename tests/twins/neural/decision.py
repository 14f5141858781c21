"""Which candidates are accepted, and when."""

from __future__ import annotations

from .candidates import drop, search, search_early
from .constants import EARLY, HZ, LATE, STRIDE, C, F
from .heights import heights_unclear, learn_height, shortfall, taller_by
from .path import best_path, worth
from .report import report
from .rhythm import halve_rr, learn_rr
from .shape import learn_shape, look_for_shape
from .state import Candidate, State, seconds
from .waves import may_be_t_wave


def passed_half(s: State, c: Candidate) -> bool:
    """Was a candidate as clear and as tall passed over in the middle of a short interval?"""
    if s.last is None or seconds(c.at - s.last) > C["HALF_RR_S"]:
        return False
    rr = c.at - s.last
    return any(
        abs(F(2 * (other.at - s.last) - rr) / F(rr)) <= C["HALF_OFF"]
        and other.odds >= C["HEIGHT_ODDS"]
        and taller_by(s, other.at, c.at) <= C["SMALLER"]
        for other in s.pending
        if other.at < c.at
    )


def accept(s: State, c: Candidate) -> None:
    s.halves = s.halves + 1 if passed_half(s, c) else 0
    if s.last is not None and s.last == s.last_clear and c.at - s.last >= C["SHAPE_AFTER"]:
        for k in range(s.n_leads):
            learn_shape(s, k, s.last)
    for other in [other for other in s.pending if other.at < c.at]:
        drop(s, other)
    if worth(c) >= 0:
        if s.last_clear is not None:
            learn_rr(s, seconds(c.at - s.last_clear))
        s.last_clear = c.at
    if s.halves >= C["HALF_BEATS"]:
        halve_rr(s)
        s.halves = 0
    alone = s.last is not None and seconds(c.at - s.last) > C["RR_MAX_S"]
    for k in range(s.n_leads):
        if not s.fault[k][c.at]:
            learn_height(s, k, c, alone)
    rate = max(F(1) / F(1 + s.accepted), C["CLARITY_RATE"])
    s.clarity += rate * (worth(c) - s.clarity)
    rr = s.rr_ref if s.last is None else seconds(c.at - s.last)
    s.last = c.at
    hidden = s.clarity < C["HIDE_CLARITY"] and c.odds < C["HIDE_ODDS"]
    if not (hidden and s.accepted >= C["LEARNING_BEATS"]):
        report(s, c, rr)
    s.passed_over = C["NONE_PASSED"]
    s.accepted += 1
    s.early_hold = max(s.early_hold - 1, 0)
    s.pending = [other for other in s.pending if other.at > c.at]


def due_at(s: State, c: Candidate, clear: bool) -> int:
    """Searched cell at which a candidate is decided; a clear one at once unless it is small."""
    wait = max(C["WAIT_RR"] * s.rr_ref, C["WAIT_MIN_S"])
    if may_be_t_wave(s, c):
        wait = C["WAIT_MAX_S"]
    elif clear:
        if heights_unclear(s) or shortfall(s, c.at) <= C["SMALLER"]:
            return 0
        wait = C["P_WAVE_S"]
    return c.at + int(min(wait, s.wait) * F(HZ))


def decide_pending(s: State, final: bool) -> None:
    s.wake = 1 << 62
    while path := best_path(s):
        c = path[0]
        enough = any(worth(other) >= C["NEED"] for other in path)
        rr = s.rr_ref if s.last is None else seconds(c.at - s.last)
        short, long = C["CLEAR_SHORT"] * s.rr_ref, C["CLEAR_LONG"] * s.rr_ref
        if c.score > C["CERTAIN_SCORE"]:
            clear = rr > C["NEURAL_REFRACTORY_S"]
        else:
            clear = c.score > C["CLEAR_SCORE"] and short < rr < long
        due = due_at(s, c, bool(clear))
        if not final and s.searched < due:
            s.wake = due
            break
        if enough or (final and worth(c) > C["FINAL_ODDS"]):
            accept(s, c)
        else:
            drop(s, c)
    expire = int(s.expire * F(HZ))
    for c in [c for c in s.pending if c.at + expire <= s.searched]:
        drop(s, c)
    if s.pending:
        s.wake = min(s.wake, s.pending[0].at + expire)


def decide(s: State, final: bool = False) -> None:
    early = max((s.steps - EARLY) * STRIDE, 0)
    late = max((s.steps - LATE) * STRIDE, 0)
    found = search(s, s.late_p, late) if s.late else search(s, s.early, early)
    if s.late:
        found |= search_early(s, early)
    if found or final or s.searched >= s.wake:
        decide_pending(s, final)
    look_for_shape(s)
