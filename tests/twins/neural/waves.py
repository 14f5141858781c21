"""P and T waves that the network takes for complexes."""

from __future__ import annotations

from .constants import C
from .heights import heights_unclear, taller_by
from .rhythm import misfit
from .state import Candidate, State, seconds


def may_be_t_wave(s: State, c: Candidate) -> bool:
    """Perhaps the T wave of a complex before the first sample of any lead."""
    before = c.at - C["START_CELLS"]
    begins = before < 0 or all(fault[before] for fault in s.fault)
    unclear = c.odds < C["HEIGHT_ODDS"] or before >= 0
    return s.last is None and unclear and begins


def is_p_wave(s: State, c: Candidate) -> bool:
    """Whether a taller candidate follows within a PR interval, and fits the rhythm better."""
    if heights_unclear(s):
        return False
    for other in s.pending:
        pr = seconds(other.at - c.at)
        if pr <= 0 or pr > C["P_WAVE_S"] or pr > C["P_WAVE_RR"] * s.rr_ref:
            continue
        fits = not s.rr or misfit(s, other.at) < misfit(s, c.at)
        if other.odds >= C["NEED"] and fits and taller_by(s, c.at, other.at) > C["SMALLER"]:
            return True
    return False
