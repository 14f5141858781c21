"""The rhythm: RR intervals of the last beats, and what an interval costs beside them."""

from __future__ import annotations

import numpy as np

from .constants import C, F
from .state import State, seconds


def pair_cost(s: State, a: int, b: int) -> np.float32:
    rr = seconds(b - a)
    if rr < C["RR_MIN_S"]:
        return C["NEVER"]
    ratio, soft = rr / s.rr_ref, F(1) / (F(1) + C["NEURAL_SOFT"] * s.rr_var)
    cost = F(0)
    if ratio < C["SHORT_FROM"]:
        cost = C["SHORT_COST"] * (s.rr_ref / rr - F(1) / C["SHORT_FROM"]) * soft
    elif ratio > C["LONG_FROM"]:
        cost = min(C["LONG_COST"] * (ratio - C["LONG_FROM"]) * soft, C["LONG_CAP"])
    if rr < C["NEURAL_REFRACTORY_S"]:
        cost += C["REFRACTORY_COST"] * (C["NEURAL_REFRACTORY_S"] - rr) / C["REFRACTORY_RAMP_S"]
    return cost


def open_cost(s: State, since: int) -> np.float32:
    late = seconds(s.searched - since) / s.rr_ref - C["LONG_FROM"]
    cost = C["LONG_COST"] * late / (F(1) + C["NEURAL_SOFT"] * s.rr_var)
    return min(max(cost, F(0)), C["LONG_CAP"])


def misfit(s: State, at: int) -> np.float32:
    """How far the interval up to a cell is from the reference, in logs."""
    assert s.last is not None
    return abs(np.log(seconds(at - s.last) / s.rr_ref))


def learn_rr(s: State, rr: np.float32) -> None:
    s.rr = [*s.rr, rr][-C["NEURAL_INTERVALS"] :]
    middle = sorted(s.rr)[len(s.rr) // 2]
    s.rr_ref = min(max(middle, C["RR_LEAST_S"]), C["RR_MAX_S"])
    off = [min(abs(r / s.rr_ref - F(1)), F(1)) for r in s.rr]
    s.rr_var = sum(off, F(0)) / F(len(off))


def halve_rr(s: State) -> None:
    rr = F(0.5) * s.rr[-1]
    for _ in range(C["NEURAL_INTERVALS"]):
        learn_rr(s, rr)
