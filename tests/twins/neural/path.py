"""Scores of candidates by the odds and their height, and the best path through them."""

from __future__ import annotations

import numpy as np

from .constants import C, F
from .heights import shortfall
from .rhythm import open_cost, pair_cost
from .state import Candidate, State
from .waves import is_p_wave, may_be_t_wave


def score_of(s: State, c: Candidate) -> np.float32:
    smaller = shortfall(s, c.at)
    cost = C["HEIGHT_COST"] * (smaller - C["HEIGHT_FROM"])
    cost = min(max(cost, F(0)), C["HEIGHT_CAP"])
    if may_be_t_wave(s, c) and smaller > C["SMALLER"]:
        cost = C["START_COST"]
    return min(c.odds + C["BIAS"] - cost, C["SCORE_MAX"])


def best_path(s: State) -> list[Candidate]:
    """The best path through the candidates, first beat first."""
    best = F(0) if s.last is None else -open_cost(s, s.last)
    end = None
    for i, c in enumerate(s.pending):
        value = F(0) if s.last is None else -pair_cost(s, s.last, c.at)
        c.before = None
        for other in s.pending[:i]:
            through = other.value - pair_cost(s, other.at, c.at)
            if through > value:
                value, c.before = through, other
        c.value = -C["NEVER"] if is_p_wave(s, c) else value + c.score
        if c.value - open_cost(s, c.at) > best:
            best, end = c.value - open_cost(s, c.at), c
    found = []
    while end is not None:
        found.append(end)
        end = end.before
    return found[::-1]


def worth(c: Candidate) -> np.float32:
    return c.score - C["BIAS"]
