"""How tall complexes are: of a candidate, of those before, and of one beside another."""

from __future__ import annotations

import numpy as np

from .constants import SUM, C, F
from .state import Candidate, State


def height_of(s: State, lead: int, at: int) -> np.float32:
    x = s.cells[lead][max(at - SUM, 0) : at + SUM + 1]
    size = max(x.max(), F(0)) - min(x.min(), F(0))
    return np.log(max(size, F(1e-30)))


def known_height(s: State, lead: int) -> np.float32 | None:
    """Log of the height that complexes have; at first also that of clear candidates."""
    known = [s.height[lead]] if s.heights[lead] else []
    if s.heights[lead] < C["NEURAL_HEIGHT_BEATS"]:
        clear = [c.at for c in s.pending if c.odds >= C["HEIGHT_ODDS"]]
        known += [height_of(s, lead, at) for at in clear if not s.fault[lead][at]]
    return max(known, default=None)


def shortfall(s: State, at: int) -> np.float32:
    total, n = F(0), 0
    for k in range(s.n_leads):
        height = known_height(s, k)
        if height is not None and not s.fault[k][at]:
            total += height - height_of(s, k, at)
            n += 1
    return total / F(n) if n else F(0)


def taller_by(s: State, a: int, b: int) -> np.float32:
    """How much taller a complex is than another one, in logs, over the leads that show both."""
    shown = [k for k, fault in enumerate(s.fault) if not fault[a] and not fault[b]]
    total = F(0)
    for k in shown:
        total += height_of(s, k, b) - height_of(s, k, a)
    return total / F(len(shown)) if shown else F(0)


def heights_unclear(s: State) -> bool:
    return s.accepted >= C["LEARNING_BEATS"] and bool(s.clarity < C["P_WAVE_CLARITY"])


def learn_height(s: State, lead: int, c: Candidate, alone: bool) -> None:
    """Beats that are not clear, or follow no other, lower the height and never raise it.

    As long as it rests on few beats, one that follows no other takes their place.
    """
    known = s.heights[lead] >= C["NEURAL_HEIGHT_BEATS"]
    if alone and not known:
        s.heights[lead] = 0
    excess = height_of(s, lead, c.at) - s.height[lead]
    clear = c.odds >= C["HEIGHT_CLEAR"] and s.odds[lead][c.at] > 0
    if not known or excess <= 0 or (clear and not alone):
        s.height[lead] += max(F(1) / F(1 + s.heights[lead]), C["HEIGHT_RATE"]) * excess
        s.heights[lead] += 1
