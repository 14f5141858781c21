"""From outputs to candidates: where most beats are expected, by the early and the late output."""

from __future__ import annotations

from math import floor

import numpy as np

from ..rpeak import flickers
from .constants import HOLD, MERGE, SUM, C, F, Floats
from .path import score_of
from .state import Candidate, State


def around(p: Floats, at: int, known: int) -> range:
    return range(max(at - SUM, 0), min(at + SUM + 1, known))


def mass(p: Floats, at: int, known: int) -> np.float32:
    """Beats expected around a cell."""
    total = F(0)
    for k in around(p, at, known):
        total += p[k]
    return total / C["TARGET_CELLS"]


def odds_of(expected: np.float32) -> np.float32:
    p = min(expected, C["SURE"])
    return np.log(p / (F(1) - p))


def centre(p: Floats, at: int, known: int) -> int:
    total = moment = F(0)
    for k in around(p, at, known):
        total += p[k]
        moment += F(k - at) * p[k]
    return at + floor(moment / total + F(0.5))


def is_maximum(p: Floats, at: int, known: int, here: np.float32) -> bool:
    cells = range(max(at - HOLD, 0), min(at + HOLD + 1, known))
    return not any(mass(p, k, known) > here for k in cells)


def drop(s: State, c: Candidate) -> None:
    """Remember the clearest of what was no beat until the next beat."""
    s.passed_over = max(s.passed_over, c.odds)
    s.pending.remove(c)


def flicker(s: State, at: int) -> bool:
    shown = [x[: s.count] for x, f in zip(s.clean, s.fault, strict=True) if not f[at]]
    return bool(shown) and all(flickers(x, s.sample_of(at), s.fs) for x in shown)


def add(s: State, at: int, odds: np.float32) -> bool:
    after_last = s.last is not None and at <= s.last + MERGE
    cut = s.ended and at >= s.end - C["END_CELLS"]
    if at < 0 or after_last or cut or flicker(s, at):
        return False
    near = [c for c in s.pending if abs(c.at - at) <= MERGE]
    if near:
        c = min(near, key=lambda c: abs(c.at - at))
    else:
        if len(s.pending) == C["NEURAL_PENDING"]:
            if at < s.pending[0].at:
                return False
            drop(s, s.pending[0])
        c = Candidate(at, odds, F(0), F(0))
        s.pending.append(c)
    c.at, c.odds = at, odds
    s.pending.sort(key=lambda c: c.at)
    for each in [c] if s.accepted >= C["NEURAL_HEIGHT_BEATS"] else s.pending:
        each.score = score_of(s, each)
    return True


def peak_here(p: Floats, at: int, known: int, least: np.float32) -> np.float32 | None:
    here = mass(p, at, known)
    if here < least or here <= mass(p, at + 1, known):
        return None
    return None if here < mass(p, at - 1, known) else here


def search_early(s: State, known: int) -> bool:
    found = False
    while s.searched_early + SUM + 1 < known:
        at = s.searched_early
        s.searched_early += 1
        here = peak_here(s.early, at, known, F(0.9))
        if here is None or odds_of(here) < C["EARLY_ODDS"]:
            continue
        if not is_maximum(s.early, at, at + SUM + 2, here):
            continue
        s.claims = [*s.claims, at][-C["NEURAL_CLAIMS"] :]
        if s.early_hold == 0 and s.accepted >= C["LEARNING_BEATS"]:
            found |= add(s, centre(s.early, at, known), odds_of(here))
    return found


def check_claims(s: State, at: int, known: int) -> None:
    for claim in [c for c in s.claims if c + SUM <= at]:
        near = range(max(claim - SUM, 0), claim + SUM + 1)
        best = max(mass(s.late_p, k, known) for k in near)
        if best <= C["NEURAL_FAINT"] or odds_of(best) < C["EARLY_CONFIRMED"]:
            s.early_hold = C["EARLY_BEATS"]
        s.claims.remove(claim)


def search(s: State, p: Floats, known: int) -> bool:
    found = False
    while s.searched + SUM + HOLD < known:
        at = s.searched
        if s.late:
            check_claims(s, at, known)
        here = peak_here(p, at, known, C["NEURAL_FAINT"])
        if here is not None and is_maximum(p, at, known, here):
            found |= add(s, centre(p, at, known), odds_of(here))
        s.searched += 1
    return found
