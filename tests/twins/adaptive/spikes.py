"""Candidates that are pacing spikes: what lies around them in the signal without spikes."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .constants import CONSTANT, SPIKE_REACH
from .state import Array, Lead, Phase, State


class Lines(NamedTuple):
    """A lead's lines from decimated sample `base` on."""

    wave: Array
    energy: Array
    high: Array
    base: int


def medians(a: State, s: Lead, i: npt.NDArray[np.int64], seen: int) -> tuple[Array, Array]:
    """Medians of samples `i` and those a spike's width around them, and what they differ by."""
    x = [
        np.where(k < 0, 0.0, s.clean[np.clip(k, 0, seen - 1)])
        for k in (i - a.spike, i, i + a.spike)
    ]
    middle = np.median(x, axis=0)
    return middle, np.abs(x[1] - middle)


def is_spike(a: State, s: Lead, at: int, seen: int) -> bool:
    energy, high = s.energy[at], s.high[at]
    if not high > CONSTANT.spike_bands * (energy - high):
        return False
    faint = CONSTANT.spike_faint * exp(2 * s.signal)
    if a.phase is Phase.RUNS and s.seeded and energy < faint:
        return False
    fours = -(-(2 * SPIKE_REACH + 1) * a.group // 4)
    around = (at - SPIKE_REACH) * a.group + np.arange(4 * fours)
    taken = float(medians(a, s, around, seen)[1].sum())
    centres = [abs(taps[len(taps) // 2]) ** 2 for taps in (a.low, a.high)]
    return bool(sum(centres) * taken**2 > CONSTANT.spike_share * energy)


def lines_without_spikes(a: State, s: Lead, at: int, seen: int) -> Lines:
    """The lines from `hold` before `at` to `hold` after it; the wave reaches further."""
    reach = a.hold + a.centre
    samples = np.arange((at - reach) * a.group, (at + reach + 1) * a.group)
    wave = medians(a, s, samples, seen)[0].reshape(-1, a.group).sum(1)
    low, high = (np.abs(np.convolve(wave, taps, "same")) ** 2 for taps in (a.low, a.high))
    return Lines(wave, low + high, high, at - reach)


def beside_spike(a: State, at: int, seen: int) -> int | None:
    """The highest maximum around a spike without it, after the last candidate."""
    first = max(at - a.hold + 1, a.edge)
    if a.latest:
        first = max(first, a.latest[-1].at + a.hold)
    highest, found = 0.0, None
    for s in a.leads:
        lines = lines_without_spikes(a, s, at, seen)
        for k in range(first, at + a.hold - 1):
            before, here, after = lines.energy[k - 1 - lines.base : k + 2 - lines.base]
            if here > before and here >= after and s.scale * here > highest:
                highest, found = s.scale * float(here), k
    return found
