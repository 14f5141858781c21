"""The phases of detection, and what ends each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .clear_beats import shows_clear_beats
from .constants import CONSTANT
from .decision import decide
from .levels import learn_first
from .path import best_path, contrast
from .patient import resume
from .shape import learn_shape
from .state import Phase, State
from .trust import trust_first


def start_over(a: State) -> None:
    """The candidates of the last seconds are the first ones, decided or not."""
    a.accepted = 0
    a.rr = []
    a.rr_ref, a.rr_var = CONSTANT.rr_first_s, CONSTANT.rr_first_var
    a.doubts = 0
    a.pending = a.look_back()
    for c in a.pending:
        c.similarities = [None] * len(a.leads)
    for k, s in enumerate(a.leads):
        s.weight, s.scale = 1 / len(a.leads), 1.0
        s.seeded, s.template_beats, s.template, s.slow_template = False, 0, None, None
        s.first = [c.heights[k] for c in a.pending if not c.faulty[k]]
        s.loss_accepted = s.loss_rejected = 0.0


def enter(a: State, phase: Phase, index: int = 0) -> None:
    """The only place where the phase changes."""
    a.phase = phase
    if phase is Phase.WAITS:
        start_over(a)
        a.learn_until = None
        a.wake = float("inf")
    elif phase is Phase.COLLECTS:
        learn_s, start_s = CONSTANT.learn_s, a.start
        if a.relearning:
            learn_s = start_s = CONSTANT.start_s
        a.learn_until = index + int(learn_s * a.rate)
        a.wake = index + int(start_s * a.rate)


def give_up(a: State) -> None:
    """Forgets all and waits; what comes next has to prove more."""
    enter(a, Phase.WAITS)
    a.relearning = True


def begin(a: State, index: int) -> bool:
    """Ends the first seconds; false where they hold no ECG."""
    learn_first(a)
    path = best_path(a, index)
    if not path:
        return False
    best = path[-1]
    for c in reversed(path):
        if c.score > best.score:
            best = c
    for k, s in enumerate(a.leads):
        if s.seeded and not best.faulty[k]:
            learn_shape(a, s, best, k)
    path = best_path(a, index)
    rr = np.array([a.seconds(one.at, other.at) for one, other in pairwise(path)])
    var = float(np.mean(np.abs(rr / np.mean(rr) - 1))) if len(rr) else 0.0
    similarities = [c.similarity for c in path if c is not best]
    similarity = CONSTANT.trust_neutral
    if similarities and len(rr):
        similarity = float(np.mean(similarities))
    trust_first(a, similarity, var, len(rr))
    if not a.relearning and a.start < CONSTANT.start_s:
        a.trust = a.recent = max(a.trust, CONSTANT.start_trust)
        return True
    similar = similarity > CONSTANT.start_similarity
    uniform = len(rr) > 1 and similar and var < CONSTANT.start_var
    least = CONSTANT.start_low if uniform else CONSTANT.start_contrast
    return a.trust > CONSTANT.start_trust and contrast(a, path) > least


def decide_or_give_up(a: State, index: int) -> None:
    """Decides what is due; without trust all is forgotten."""
    if not decide(a, index):
        give_up(a)


def on_candidate(a: State, index: int) -> None:
    if a.phase is Phase.WAITS:
        enter(a, Phase.COLLECTS, index)
    may_begin = a.phase is Phase.RUNS or (a.phase is Phase.COLLECTS and a.relearning)
    if resume(a):
        enter(a, Phase.RUNS)
    elif may_begin and shows_clear_beats(a):
        give_up(a)
        enter(a, Phase.RUNS if begin(a, index) else Phase.WAITS)
    if a.decides:
        learn_first(a)
        decide_or_give_up(a, index)


def on_time(a: State, index: int) -> None:
    if a.phase is Phase.COLLECTS:
        if a.relearning:
            start_over(a)
        if not begin(a, index):
            give_up(a)
            return
        enter(a, Phase.LEARNS)
    decide_or_give_up(a, index)


def on_sample(a: State, index: int, found: bool) -> None:
    """Everything that may happen at a decimated sample, with a candidate or without."""
    if found:
        on_candidate(a, index)
    if index >= a.wake:
        on_time(a, index)
    if a.phase is Phase.LEARNS and a.learn_until is not None and index > a.learn_until:
        enter(a, Phase.RUNS)


def on_end(a: State) -> None:
    """Nothing follows: what waits is decided."""
    if a.phase is Phase.COLLECTS and begin(a, a.steps):
        enter(a, Phase.LEARNS)
    if a.decides:
        decide(a, a.steps, final=True)
