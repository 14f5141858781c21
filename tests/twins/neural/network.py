"""One step of the network in each lead, and the outputs of all leads joined."""

from __future__ import annotations

import numpy as np

from ecgfast.training.qrs import forward

from .constants import BLOCK, EARLY, LATE, SEEN_STEPS, STRIDE, C, F, Floats
from .input import set_scale
from .state import State


def step_outputs(s: State, network: dict[str, Floats], lead: int) -> Floats:
    """Log-odds by a lead of the step that is taken now."""
    first = s.steps * STRIDE
    for at in range(first, first + STRIDE):
        if at % BLOCK == 0:
            set_scale(s, lead, at // BLOCK)
        x, scale = s.cells[lead][at], s.scale[lead]
        bend, enlarge = C["NEURAL_BEND"], C["ENLARGE"]
        s.inputs[lead][at] = (
            x / (scale + bend * abs(x)),
            enlarge * x / (scale + enlarge * abs(x)),
        )
    seen = s.inputs[lead][max(first - SEEN_STEPS * STRIDE, 0) : first + STRIDE]
    return forward.log_odds(network, seen)[-1]


def take_outputs(s: State, outputs: list[Floats]) -> None:
    """Probabilities of the cells that a step tells of, over all usable leads."""
    join, top = C["JOIN"], C["ODDS_MAX"]
    for column in range(2 * STRIDE):
        cell = (s.steps - (EARLY, LATE)[column // STRIDE]) * STRIDE + column % STRIDE
        if cell < 0:
            continue
        shown = []
        for k, row in enumerate(outputs):
            if not s.fault[k][cell]:
                s.odds[k][cell] = row[column]
                shown.append(row[column])
        odds = C["NO_SIGNAL"]
        if shown and s.n_leads == 1:
            odds = shown[0]
        elif shown:
            mean = sum((np.exp(join * min(o, top)) for o in shown), F(0)) / F(len(shown))
            odds = np.log(mean + F(1e-9)) / join
        with np.errstate(over="ignore"):
            (s.early, s.late_p)[column // STRIDE][cell] = F(1) / (F(1) + np.exp(-odds))
