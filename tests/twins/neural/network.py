"""One step of the network in each lead, and the outputs of all leads joined."""

from __future__ import annotations

import numpy as np

from ecgfast.training.qrs import forward

from .constants import BLOCK, EARLY, LATE, SEEN_STEPS, STRIDE, C, F, Floats
from .input import set_scale
from .state import State, seconds


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


def listen(s: State, lead: int, late: Floats) -> None:
    """Remember what the late output shows of a lead."""
    first = (s.steps - LATE) * STRIDE
    for cell, odds in enumerate(late, start=first):
        if cell < 0 or s.fault[lead][cell] or odds < C["SILENT"]:
            continue
        s.heard[lead] = cell
        clear = s.clear[lead]
        if odds >= C["CLEAR"] and (not clear or seconds(cell - clear[-1]) >= C["APART_S"]):
            clear.append(cell)


def lately(s: State, cell: int | None) -> bool:
    return cell is not None and s.steps * STRIDE - cell <= C["LISTEN_S"] * C["NEURAL_HZ"]


def counted_leads(s: State) -> list[int]:
    """Leads that are not silent, where one shows beats; else all."""
    leads = range(s.n_leads)
    n = C["NEURAL_CLEAR"]
    if not any(len(s.clear[k]) >= n and lately(s, s.clear[k][-n]) for k in leads):
        return list(leads)
    return [k for k in leads if lately(s, s.heard[k])]


def take_outputs(s: State, outputs: list[Floats]) -> None:
    """Probabilities of the cells that a step tells of, over the usable leads that count."""
    join, top = C["JOIN"], C["ODDS_MAX"]
    for k, row in enumerate(outputs):
        listen(s, k, row[STRIDE:])
    leads = counted_leads(s)
    for column in range(2 * STRIDE):
        cell = (s.steps - (EARLY, LATE)[column // STRIDE]) * STRIDE + column % STRIDE
        if cell < 0:
            continue
        usable = [k for k in range(s.n_leads) if not s.fault[k][cell]]
        for k in usable:
            s.odds[k][cell] = outputs[k][column]
        counted = [k for k in usable if k in leads] or usable
        shown = [outputs[k][column] for k in counted]
        odds = C["NO_SIGNAL"]
        if shown and s.n_leads == 1:
            odds = shown[0]
        elif shown:
            mean = sum((np.exp(join * min(o, top)) for o in shown), F(0)) / F(len(shown))
            odds = np.log(mean + F(1e-9)) / join
        with np.errstate(over="ignore"):
            (s.early, s.late_p)[column // STRIDE][cell] = F(1) / (F(1) + np.exp(-odds))
