"""The report of a beat: its R peak and its quality."""

from __future__ import annotations

import numpy as np

from .constants import C
from .state import Candidate, State


def quality_of(s: State, c: Candidate, rr: np.float32) -> int:
    """Bits of this method; those of the signal are the detector's."""
    low, high = C["SHORT_FROM"] * s.rr_ref, C["LONG_FROM"] * s.rr_ref
    least = C["DOUBTFUL_ODDS"] if low <= rr <= high else C["DOUBTFUL_OFF"]
    doubtful = c.odds < least or s.passed_over > C["DOUBTFUL_PASSED"]
    if s.accepted < C["LEARNING_BEATS"]:
        return 32 * doubtful + 16
    return 32 * doubtful + 8 * bool(s.clarity < C["NOISY_CLARITY"])


def report(s: State, c: Candidate, rr: np.float32) -> None:
    sample = s.sample_of(c.at)
    usable = [not fault[c.at] for fault in s.fault]
    odds = [values[c.at] for values in s.odds]
    shown = 0
    if not usable[0] or odds[0] < C["NEED"]:
        for k in range(1, s.n_leads):
            if usable[k] and (not usable[shown] or odds[k] > odds[shown]):
                shown = k
    r = s.refiners[shown].refined(s.clean[shown], sample, s.count)
    if not s.beats or r > s.beats[-1]:
        s.beats.append(r)
        s.reported_at.append(s.count)
        s.quality.append(quality_of(s, c, rr))
