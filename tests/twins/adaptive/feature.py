"""From samples to candidates: decimation, two band filters, maxima of the band energy."""

from __future__ import annotations

from math import ceil, floor, log, pi

import numpy as np
import numpy.typing as npt

from ..lead import cleaned
from ..rpeak import Refiner, flickers
from .constants import (
    CONSTANT,
    FEATURE_HZ,
    LAG_MAX,
    LAG_S,
    LOG_HUGE,
    LOG_TINY,
    MERGE_S,
    PENDING,
    PENDING_MAX,
    SHAPE_MAX,
    SHAPE_S,
)
from .spikes import Lines, beside_spike, is_spike, lines_without_spikes
from .state import Candidate, Lead, Phase, State


def carrier(rate: float, hz: float) -> npt.NDArray[np.complex128]:
    """A quadrature filter: a carrier under a triangle of one period to either side, zero at DC."""
    half = ceil(rate / hz) - 1
    t = np.arange(-half, half + 1) * hz / rate
    weight = 1 - np.abs(t)
    wave = np.exp(2j * pi * t)
    return weight * (wave - np.sum(weight * wave.real) / np.sum(weight)) / np.sum(weight)


def prepared(signal: npt.ArrayLike, fs: float, max_delay: float) -> State:
    """The state before the first sample, with the energies of the whole signal."""
    x = np.asarray(signal, np.float32).astype(np.float64)
    x = x[:, None] if x.ndim == 1 else x
    group = max(1, floor(fs / FEATURE_HZ))
    rate = fs / group
    low = carrier(rate, CONSTANT.low_hz)
    high = CONSTANT.high_gain * carrier(rate, CONSTANT.high_hz)
    centre, hold = len(low) // 2, ceil(CONSTANT.hold_s * rate - 1e-3)
    # After the end the last values continue until the filters have seen it.
    end = len(x) // group
    steps = end + centre + hold + 2
    leads = []
    for column in x.T:
        front, nothing = cleaned(column, fs)
        clean = front.astype(np.float64)
        tail = np.full(steps * group - len(clean), clean[-1] if len(clean) else 0.0)
        wave = np.concatenate([clean, tail]).reshape(steps, group).sum(1)
        bands = [np.abs(np.convolve(wave, f)) ** 2 for f in (low, high)]
        upper = bands[1][len(high) // 2 :][:steps]
        energy = bands[0][centre:][:steps] + upper
        leads.append(Lead(energy, upper, wave, nothing, clean, Refiner(fs)))
    longest = max_delay - CONSTANT.report_s if max_delay > 0 else 1e9
    return State(
        fs=fs,
        samples=len(x),
        group=group,
        rate=rate,
        centre=centre,
        hold=hold,
        edge=ceil(CONSTANT.edge_s * rate - 1e-3),
        spike=ceil(CONSTANT.spike_s * fs - 1e-3) if CONSTANT.spike_s * fs >= 1 else 0,
        merge=floor(MERGE_S * rate + 0.5),
        half=min(floor(SHAPE_S * rate + 0.5), SHAPE_MAX // 2),
        lag=min(floor(LAG_S * rate + 0.5), LAG_MAX),
        end=end,
        steps=steps,
        wait=min(CONSTANT.wait_max_s, longest),
        expire=min(CONSTANT.wait_max_s + CONSTANT.linger_s, longest),
        start=min(CONSTANT.start_s, longest),
        low=low,
        high=high,
        leads=leads,
    )


class Maxima:
    """The highest maximum of any lead that nothing has topped for a while."""

    def __init__(self) -> None:
        self.at, self.energy = -1, 0.0

    def next(self, a: State, index: int) -> int | None:
        """Where it is, once that is known at decimated sample `index`."""
        centre = index - 1 - a.centre
        for s in a.leads:
            if centre < 2:
                continue
            before, here, after = s.energy[centre - 2 : centre + 1]
            higher = self.at < 0 or here * s.scale > self.energy
            if here > before and here >= after and higher:
                self.at, self.energy = centre - 1, here * s.scale
        if self.at < 0 or centre - self.at < a.hold:
            return None
        found, self.at = self.at, -1
        return found


def emit(a: State, peak_at: int, flushing: bool) -> bool:
    """A new candidate, unless it is at an edge, nothing but a spike, or no lead shows it."""
    last = a.end - a.edge if flushing else a.steps
    if not a.edge <= peak_at < last:
        return False
    seen = min((peak_at + a.centre + a.hold + 1) * a.group, a.samples)
    at: int | None = peak_at
    spike = a.spike > 0 and any(is_spike(a, s, peak_at, seen) for s in a.leads)
    if spike:
        at = beside_spike(a, peak_at, seen)
    if at is None or at >= last:
        return False
    n = len(a.leads)
    c = Candidate(at, [], [], [], [], [None] * n, [0.0] * n, [-1.0] * n)
    for s in a.leads:
        lines, begin, end = Lines(s.wave, s.energy, s.high, 0), at - a.merge, at + a.merge
        if spike:
            lines = lines_without_spikes(a, s, peak_at, seen)
            begin, end = max(begin, peak_at - a.hold + 1), min(end, peak_at + a.hold - 2)
        k = at
        if len(a.leads) > 1:
            for near in range(max(begin, 0), end + 1):
                if lines.energy[near - lines.base] > lines.energy[k - lines.base]:
                    k = near
        energy, high = lines.energy[k - lines.base], lines.high[k - lines.base]
        height = 0.5 * log(energy) if energy > 0 else LOG_TINY
        c.heights.append(min(max(height, LOG_TINY), LOG_HUGE))
        c.band_ratios.append(0.5 * log(high / (energy - high)) if energy > high > 0 else 0.0)
        reach = a.half + a.lag
        index = np.arange(k - reach, k + reach + 1) - lines.base
        c.shapes.append(np.where(index >= 0, lines.wave[np.maximum(index, 0)], 0.0))
        first = max((at - a.merge) * a.group, 0)
        nothing = s.nothing[first : min((at + a.merge + 1) * a.group, a.samples)]
        c.faulty.append(
            bool(4 * np.count_nonzero(nothing) > len(nothing))
            or (a.decides and flickers(s.clean[: a.samples], at * a.group, a.fs))
        )
        if (
            not c.faulty[-1]
            and (a.phase is not Phase.RUNS or not s.seeded)
            and len(s.first) < PENDING
        ):
            s.first.append(c.heights[-1])
    if all(c.faulty):
        return False
    a.pending.append(c)
    a.latest = [*a.latest, c][-PENDING_MAX:]
    return True
