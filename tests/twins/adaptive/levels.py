"""Levels of signal and noise in each lead, the threshold between them, and each lead's weight."""

from __future__ import annotations

from math import exp

import numpy as np

from .constants import CONSTANT, LATE_CANDIDATES, NOISES, SIGNALS
from .state import Candidate, Lead, Phase, State, quantile


def threshold(signal: float, noise: float) -> float:
    """Halfway between the levels, and never below a sixth of the signal."""
    return signal - min((1 - CONSTANT.mix) * (signal - noise), CONSTANT.depth)


def lowered(signal: float, noise: float, fall: float) -> float:
    """After a pause: lower, but never below a seventh of the signal."""
    return max(threshold(signal - fall, noise), signal - CONSTANT.gap_depth)


def weigh(a: State) -> None:
    if len(a.leads) == 1:
        return
    for s in a.leads:
        gap = s.signal - s.noise if s.seeded else 0.0
        loss = CONSTANT.loss_floor + s.loss_accepted + s.loss_rejected
        s.weight = min(max(gap, CONSTANT.weight_gap_min), CONSTANT.weight_cap) / loss
    total = sum(s.weight for s in a.leads)
    for s in a.leads:
        s.weight /= total
        s.scale = s.weight * exp(-2 * s.signal) if s.seeded else 0.0


def split(s: Lead) -> None:
    """Two groups of heights, so that the variance between them is largest."""
    v = sorted(s.first)
    if len(v) > 2:
        v[-1] = min(v[-1], v[-2] + CONSTANT.first_excess)
    v = [max(h, v[-1] - CONSTANT.first_range) for h in v]
    n, cut, best = len(v), len(v) - 1, -1.0
    for i in range(1, n):
        between = (np.mean(v[i:]) - np.mean(v[:i])) ** 2 * i * (n - i)
        if between > best:
            best, cut = float(between), i
    s.signal = v[cut + (n - 1 - cut) // 2]
    s.noise = v[(cut - 1) // 2] if cut else v[0] - CONSTANT.first_noise
    s.signals, s.noises = [s.signal] * 3, [s.noise] * 4
    s.last_height, s.last_band_ratio, s.seeded = s.signal, 0.0, True


def learn_first(a: State) -> None:
    changed = False
    for s in a.leads:
        late = not s.seeded and len(s.first) >= LATE_CANDIDATES
        if s.first and (a.phase is not Phase.RUNS or late):
            split(s)
            changed = True
    if changed:
        weigh(a)


def learn_rejected(s: Lead, c: Candidate, k: int, near: bool) -> None:
    """A rejected candidate is noise; `near` the last beat, part of it."""
    s.noises = [*s.noises, c.heights[k]][-NOISES:]
    s.noise = quantile(s.noises, CONSTANT.noise_quantile)
    loss = max(c.lead_score[k] + CONSTANT.loss_margin, 0.0)
    s.loss_rejected += CONSTANT.loss_noise_rate * (loss - s.loss_rejected)
    if near:
        s.signals[-1] = max(s.signals[-1], c.heights[k])


def learn_accepted(s: Lead, c: Candidate, k: int, around: float) -> None:
    """A beat is signal, or what is higher `around` it."""
    s.signals = [*s.signals, max(c.heights[k], around)][-SIGNALS:]
    s.signal = quantile(s.signals, CONSTANT.quantile)
    loss = max(CONSTANT.loss_margin - c.lead_score[k], 0.0)
    s.loss_accepted += CONSTANT.loss_rate * (loss - s.loss_accepted)
    s.last_height, s.last_band_ratio = c.heights[k], c.band_ratios[k]
