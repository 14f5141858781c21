"""The rhythm: RR intervals of the last beats, and what an interval costs beside them."""

from __future__ import annotations

import numpy as np

from .constants import CONSTANT, INTERVALS
from .state import Candidate, State, quantile


def learn_interval(a: State, rr: float) -> None:
    a.rr = [*a.rr, rr][-INTERVALS:]
    middle = quantile(a.rr, 0.5)
    a.rr_ref = min(max(middle, CONSTANT.rr_min_s), CONSTANT.rr_max_s)
    a.rr_var = float(np.mean([min(abs(r / a.rr_ref - 1), 1.0) for r in a.rr]))


def interval_cost(a: State, rr: float) -> float:
    soft = 1 / (1 + CONSTANT.soft * a.rr_var)
    short, long = CONSTANT.short_from * a.rr_ref, CONSTANT.long_from * a.rr_ref
    cost = CONSTANT.short_cost * soft * (short / rr - 1) if rr < short else 0.0
    if rr > long:
        cost += min(CONSTANT.long_cost * soft * (rr / long - 1), CONSTANT.long_cap)
    if rr < CONSTANT.refractory_s:
        cost += CONSTANT.refractory_cost * (CONSTANT.refractory_s / rr - 1)
    return cost


def open_cost(a: State, since: int, index: int) -> float:
    """Cost of an interval that is still open: it will be at least so long."""
    rr = a.seconds(since, a.now(index))
    return interval_cost(a, rr) if rr > a.rr_ref else 0.0


def is_smooth_t(band_ratio: float, c: Candidate, rr: float) -> bool:
    """Whether it is the T wave of a beat of that band ratio, as it has no quick part."""
    return (
        rr < CONSTANT.t_smooth_s
        and c.band_ratio < CONSTANT.t_smooth
        and band_ratio - c.band_ratio > CONSTANT.t_smooth_drop
    )


def pair_cost(a: State, height: float, band_ratio: float, c: Candidate, rr: float) -> float:
    cost = interval_cost(a, rr)
    fall = height - c.height + CONSTANT.t_band_ratio * (band_ratio - c.band_ratio)
    twin = c.similarity > CONSTANT.twin_similarity and abs(fall) < CONSTANT.twin_drop
    if rr < CONSTANT.refractory_s and twin:
        cost *= CONSTANT.twin_share
    if rr < CONSTANT.t_full_s + CONSTANT.t_ramp_s:
        drop = fall - CONSTANT.t_from
        ramp = min(1.0, 1 - (rr - CONSTANT.t_full_s) / CONSTANT.t_ramp_s)
        cost += CONSTANT.t_gain * ramp * max(drop, 0.0)
        cost += CONSTANT.t_smooth_cost * is_smooth_t(band_ratio, c, rr)
    return cost
