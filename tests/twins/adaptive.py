"""The adaptive detector, slowly: written from its description, in double precision, nothing saved.

Every decision recomputes all scores and paths; the C core keeps what has not changed. One lead or
several; R peaks come from `Refiner`, the C core's own refinement written out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from math import ceil, exp, floor, log, pi

import numpy as np
import numpy.typing as npt

from .adaptive_constants import (
    CONSTANT,
    DOUBTS,
    FEATURE_HZ,
    INTERVALS,
    LAG_MAX,
    LAG_S,
    LATE_CANDIDATES,
    LOG_HUGE,
    LOG_TINY,
    MERGE_S,
    MISMATCHES,
    NOISES,
    PENDING,
    PENDING_MAX,
    PROBATION_BEATS,
    SHAPE_MAX,
    SHAPE_S,
    SIGNALS,
    STORED_BEATS,
    TEMPLATE_BEATS,
)
from .lead import cleaned
from .rpeak import Refiner, flickers

Array = npt.NDArray[np.float64]


def carrier(rate: float, hz: float) -> npt.NDArray[np.complex128]:
    """A quadrature filter: a carrier under a triangle of one period to either side, zero at DC."""
    half = ceil(rate / hz) - 1
    t = np.arange(-half, half + 1) * hz / rate
    weight = 1 - np.abs(t)
    wave = np.exp(2j * pi * t)
    return weight * (wave - np.sum(weight * wave.real) / np.sum(weight)) / np.sum(weight)


def quantile(values: list[float], q: float) -> float:
    return float(np.quantile(values, q))


class Phase(Enum):
    """What is being done."""

    WAITS = 0  # for the first candidate
    COLLECTS = 1  # the candidates of the first seconds
    LEARNS = 2  # beats are decided; levels still come from the first candidates
    RUNS = 3  # levels come from what is decided


@dataclass
class Candidate:
    at: int
    heights: list[float]
    band_ratios: list[float]
    shapes: list[Array]
    faulty: list[bool]
    similarities: list[float | None]
    lead_score: list[float]
    height: float = 0.0
    band_ratio: float = 0.0
    similarity: float = 0.0
    score: float = 0.0
    value: float = 0.0
    before: Candidate | None = None


@dataclass
class Lead:
    energy: Array
    high: Array
    wave: Array
    nothing: npt.NDArray[np.bool_]
    clean: Array
    refiner: Refiner
    weight: float = 1.0
    scale: float = 1.0
    seeded: bool = False
    first: list[float] = field(default_factory=list)
    signals: list[float] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)
    signal: float = 0.0
    noise: float = 0.0
    slow_signal: float = 0.0
    slow_noise: float = 0.0
    template: Array | None = None
    slow_template: Array | None = None
    template_beats: int = 0
    stored_template: Array | None = None
    stored_signal: float = 0.0
    stored_noise: float = 0.0
    stored_beats: int = 0
    mismatch_run: int = 0
    match_height: float = 0.0
    last_height: float = 0.0
    last_band_ratio: float = 0.0
    loss_accepted: float = 0.0
    loss_rejected: float = 0.0


def threshold(signal: float, noise: float) -> float:
    """Halfway between the levels, and never below a sixth of the signal."""
    return signal - min((1 - CONSTANT.mix) * (signal - noise), CONSTANT.depth)


def lowered(signal: float, noise: float, fall: float) -> float:
    """After a pause: lower, but never below a seventh of the signal."""
    return max(threshold(signal - fall, noise), signal - CONSTANT.gap_depth)


class Adaptive:
    """Detects the beats of a whole signal (n,) or (n, n_leads) at `fs` Hz."""

    def __init__(self, signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> None:
        x = np.asarray(signal, np.float32).astype(np.float64)
        x = x[:, None] if x.ndim == 1 else x
        self.fs, self.samples = fs, len(x)
        self.group = max(1, floor(fs / FEATURE_HZ))
        self.rate = fs / self.group
        low = carrier(self.rate, CONSTANT.low_hz)
        high = CONSTANT.high_gain * carrier(self.rate, CONSTANT.high_hz)
        self.centre = len(low) // 2
        self.hold = ceil(CONSTANT.hold_s * self.rate - 1e-3)
        self.edge = ceil(CONSTANT.edge_s * self.rate - 1e-3)
        self.merge = floor(MERGE_S * self.rate + 0.5)
        self.half = min(floor(SHAPE_S * self.rate + 0.5), SHAPE_MAX // 2)
        self.lag = min(floor(LAG_S * self.rate + 0.5), LAG_MAX)
        # After the end the last values continue until the filters have seen it.
        self.end = len(x) // self.group
        steps = self.end + self.centre + self.hold + 2
        self.leads: list[Lead] = []
        for column in x.T:
            front, nothing = cleaned(column, fs)
            clean = front.astype(np.float64)
            tail = np.full(steps * self.group - len(clean), clean[-1] if len(clean) else 0.0)
            wave = np.concatenate([clean, tail]).reshape(steps, self.group).sum(1)
            bands = [np.abs(np.convolve(wave, f)) ** 2 for f in (low, high)]
            upper = bands[1][len(high) // 2 :][:steps]
            energy = bands[0][self.centre :][:steps] + upper
            self.leads.append(Lead(energy, upper, wave, nothing, clean, Refiner(fs)))
        self.steps = steps
        longest = max_delay - CONSTANT.report_s if max_delay > 0 else 1e9
        self.wait = min(CONSTANT.wait_max_s, longest)
        self.expire = min(CONSTANT.wait_max_s + CONSTANT.linger_s, longest)
        self.start = min(CONSTANT.start_s, longest)
        self.relearning = False
        self.trust = self.gap = self.recent = self.mean_similarity = 0.0
        self.trusted = self.probation = 0
        self.stored_rr = 0.0
        self.match_at: int | None = None
        self.match_height = self.tallest_since_match = 0.0
        self.pending: list[Candidate] = []
        self.latest: list[Candidate] = []
        self.beats: list[int] = []
        self.last_at = self.last_reported = 0
        self.last_height = self.last_band_ratio = 0.0
        self.enter(Phase.WAITS)

    # ------------------------------------------------------------ what is known

    def start_over(self) -> None:
        """The candidates of the last seconds are the first ones, decided or not."""
        self.accepted = 0
        self.rr: list[float] = []
        self.rr_ref, self.rr_var = CONSTANT.rr_first_s, CONSTANT.rr_first_var
        self.doubts = 0
        self.pending = self.look_back()
        for c in self.pending:
            c.similarities = [None] * len(self.leads)
        for k, s in enumerate(self.leads):
            s.weight, s.scale = 1 / len(self.leads), 1.0
            s.seeded, s.template_beats, s.template, s.slow_template = False, 0, None, None
            s.first = [c.heights[k] for c in self.pending if not c.faulty[k]]
            s.loss_accepted = s.loss_rejected = 0.0

    def enter(self, phase: Phase, index: int = 0) -> None:
        """The only place where the phase changes."""
        self.phase = phase
        if phase is Phase.WAITS:
            self.start_over()
            self.learn_until: int | None = None
            self.wake: float = float("inf")
        elif phase is Phase.COLLECTS:
            learn_s, start_s = CONSTANT.learn_s, self.start
            if self.relearning:
                learn_s = start_s = CONSTANT.start_s
            self.learn_until = index + int(learn_s * self.rate)
            self.wake = index + int(start_s * self.rate)

    def give_up(self) -> None:
        self.enter(Phase.WAITS)
        self.relearning = True

    @property
    def decides(self) -> bool:
        return self.phase in (Phase.LEARNS, Phase.RUNS)

    def look_back(self) -> list[Candidate]:
        """The last candidates, of as many seconds as a start takes."""
        if not self.latest:
            return []
        oldest = self.latest[-1].at - int(CONSTANT.start_s * self.rate)
        return [c for c in self.latest if c.at > oldest]

    def seconds(self, a: int, b: int) -> float:
        return (b - a) / self.rate

    def weigh(self) -> None:
        if len(self.leads) == 1:
            return
        for s in self.leads:
            gap = s.signal - s.noise if s.seeded else 0.0
            loss = CONSTANT.loss_floor + s.loss_accepted + s.loss_rejected
            s.weight = min(max(gap, CONSTANT.weight_gap_min), CONSTANT.weight_cap) / loss
        total = sum(s.weight for s in self.leads)
        for s in self.leads:
            s.weight /= total
            s.scale = s.weight * exp(-2 * s.signal) if s.seeded else 0.0

    def learn_first(self) -> None:
        changed = False
        for s in self.leads:
            late = not s.seeded and len(s.first) >= LATE_CANDIDATES
            if s.first and (self.phase is not Phase.RUNS or late):
                self.split(s)
                changed = True
        if changed:
            self.weigh()

    @staticmethod
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

    def correlation(self, c: Candidate, index: int, templates: list[Array]) -> tuple[float, int]:
        """With the best of the shapes at the best lag, less where most is off the bands."""
        n, best, where, amplitude = 2 * self.half + 1, -1.0, self.lag, 0.0
        shape = c.shapes[index]
        for shift in range(2 * self.lag + 1):
            w = shape[shift : shift + n] - np.mean(shape[shift : shift + n])
            size = float(np.sqrt(np.sum(w * w)))
            dot = max(float(np.sum(w * template)) for template in templates)
            if size > 0 and dot / size > best:
                best, where, amplitude = dot / size, shift, size / n**0.5
        inside = exp(c.heights[index])
        outside = CONSTANT.band_from * amplitude
        if best > 0 and inside < outside:
            best *= inside / outside
        return best, where

    def similarity(self, s: Lead, c: Candidate, index: int) -> tuple[float, int]:
        """With the running template, and where trust is low with the slow one."""
        assert s.template is not None
        assert s.slow_template is not None
        templates = [s.template, s.slow_template][
            : 2 if self.recent < CONSTANT.distrust_from else 1
        ]
        return self.correlation(c, index, templates)

    def learn_shape(self, s: Lead, c: Candidate, index: int) -> bool:
        """True for a beat that shows what the patient looks like."""
        shape = c.shapes[index]
        shift = self.similarity(s, c, index)[1] if s.template_beats else self.lag
        w = shape[shift : shift + 2 * self.half + 1]
        w = w - np.mean(w)
        if not np.sum(w * w) > 0:
            return False
        w /= np.sqrt(np.sum(w * w))
        s.template = (
            w if s.template is None else s.template + CONSTANT.template_gain * (w - s.template)
        )
        s.template /= np.sqrt(np.sum(s.template**2))
        similarity = c.similarities[index]
        if s.template_beats < TEMPLATE_BEATS:
            s.template_beats += 1
            s.slow_template, s.slow_signal, s.slow_noise = s.template.copy(), s.signal, s.noise
        elif (
            self.trust > CONSTANT.trust_from
            and self.recent > CONSTANT.distrust_from
            and similarity is not None
            and similarity > CONSTANT.slow_similarity
        ):
            assert s.slow_template is not None
            s.slow_template += CONSTANT.slow_gain * (s.template - s.slow_template)
            s.slow_template /= np.sqrt(np.sum(s.slow_template**2))
            s.slow_signal += CONSTANT.slow_gain * (s.signal - s.slow_signal)
            s.slow_noise += CONSTANT.slow_gain * (s.noise - s.slow_noise)
        if (
            self.recent <= CONSTANT.store_from
            or similarity is None
            or similarity <= CONSTANT.return_similarity
        ):
            return False
        other = (
            s.stored_template is None
            or float(np.sum(s.stored_template * s.template)) < CONSTANT.store_similarity
        )
        if s.stored_beats == STORED_BEATS and other:
            s.mismatch_run += 1
            if s.mismatch_run < MISMATCHES:
                return False
        s.stored_beats = min(STORED_BEATS, (0 if other else s.stored_beats) + 1)
        s.mismatch_run = 0
        s.stored_template, s.stored_signal, s.stored_noise = s.template.copy(), s.signal, s.noise
        return True

    def matches_stored(self, c: Candidate) -> bool:
        """Does a candidate match the stored templates?"""
        stored = [
            (k, s.stored_template)
            for k, s in enumerate(self.leads)
            if s.stored_beats == STORED_BEATS
        ]
        similarities = [
            self.correlation(c, k, [shape])[0]
            for k, shape in stored
            if shape is not None and not c.faulty[k]
        ]
        return bool(similarities) and float(np.mean(similarities)) >= CONSTANT.return_similarity

    def first_after_relearning(self, c: Candidate, index: int) -> bool:
        """One of the first beats after a bad stretch, which may be reported late."""
        after = [other.height for other in self.pending]
        return (
            bool(after)
            and self.seconds(c.at, self.now(index)) <= self.start + CONSTANT.late_s
            and c.height > quantile(after, 0.5) + CONSTANT.start_contrast
            and self.matches_stored(c)
        )

    def resume(self) -> bool:
        """The patient is back: a second match of the stored template while levels are off."""
        c = self.pending[-1]
        before = self.match_at
        use = [
            (k, s)
            for k, s in enumerate(self.leads)
            if s.stored_beats == STORED_BEATS and not c.faulty[k]
        ]
        if not use:
            return False
        over = float(np.mean([c.heights[k] - s.stored_signal for k, s in use]))
        off = float(np.mean([c.heights[k] - s.signal for k, s in use]))
        tallest = self.tallest_since_match
        self.tallest_since_match = max(over, tallest)
        lost = True
        if self.decides and self.accepted:
            since = self.seconds(self.last_at, c.at) / self.rr_ref
            lower = off < -CONSTANT.return_lower and since > CONSTANT.return_short
            if not lower and off < CONSTANT.return_higher:
                return False
            lost = (
                not lower
                or since > CONSTANT.clear_long
                or self.recent < CONSTANT.distrust_from
                or self.last_at == before
            )
        if not self.matches_stored(c):
            return False
        rr = self.seconds(before, c.at) / self.stored_rr if before is not None else 9.0
        if rr < CONSTANT.return_long and over < self.match_height - CONSTANT.return_height:
            return False
        back = lost and CONSTANT.return_short < rr < CONSTANT.return_pause
        back = back and abs(over - self.match_height) < CONSTANT.return_height
        back = back and tallest < over + CONSTANT.return_height
        self.match_at, self.match_height, self.tallest_since_match = c.at, over, over
        for k, s in use:
            if back:
                self.restore(s, 0.5 * (c.heights[k] + s.match_height))
            s.match_height = c.heights[k]
        if not back:
            return False
        assert before is not None
        unreported = before > self.last_reported and not self.confident()
        if not self.accepted or self.last_at != before or unreported:
            self.accepted = 0
            self.pending = [other for other in self.latest if other.at >= before]
            self.rr, self.rr_ref = [], self.stored_rr
        for other in self.pending:
            other.similarities = [None] * len(self.leads)
        self.doubts = self.probation = 0
        self.trust = self.recent = CONSTANT.relearn_trust
        self.weigh()
        self.gap = self.common_gap()
        self.enter(Phase.RUNS)
        return True

    @staticmethod
    def restore(s: Lead, height: float) -> None:
        """A lead's levels and shape as they were, at another gain."""
        assert s.stored_template is not None
        s.signal, s.noise = height, height - (s.stored_signal - s.stored_noise)
        s.signals, s.noises = [s.signal] * 3, [s.noise] * 4
        s.slow_signal, s.slow_noise = s.signal, s.noise
        s.template, s.slow_template = s.stored_template.copy(), s.stored_template.copy()
        s.template_beats = TEMPLATE_BEATS
        s.last_height, s.seeded = s.signal, True

    def common_gap(self) -> float:
        cap = CONSTANT.trust_cap
        return sum(s.weight * min(s.signal - s.noise, cap) for s in self.leads if s.seeded)

    @staticmethod
    def trust_of(gap: float, similarity: float, var: float) -> float:
        over = max(similarity, CONSTANT.trust_similarity_min) - CONSTANT.trust_neutral
        return gap + CONSTANT.trust_similarity * over - CONSTANT.trust_var * var

    def confident(self) -> bool:
        """Is trust enough for beats to be reported?"""
        if self.trust <= CONSTANT.trust_from or self.gap <= CONSTANT.trust_gap:
            return False
        stored = any(s.stored_beats == STORED_BEATS for s in self.leads)
        similar = self.mean_similarity > CONSTANT.mean_similarity_from
        proven = not self.relearning or stored or similar
        return self.trust >= CONSTANT.relearn_trust or (self.probation == 0 and proven)

    def lead_shows_clear_beats(self, k: int, latest: bool) -> float | None:
        """Height of the last seconds' highest candidates if they are beats beyond doubt."""
        s = self.leads[k]
        seen = [c for c in self.look_back() if not c.faulty[k]]
        order = sorted(seen, key=lambda c: -c.heights[k])
        high, widest = 0, 0.0
        for i in range(2, len(order)):
            step = order[i - 1].heights[k] - order[i].heights[k]
            if step > widest:
                high, widest = i, step
        if not high:
            return None
        beats = [c for c in seen if c.heights[k] >= order[high - 1].heights[k]]
        if latest and beats[-1] is not self.latest[-1]:
            return None
        middle = order[high // 2]
        if middle.heights[k] - order[(high + len(order)) // 2].heights[k] < CONSTANT.start_contrast:
            return None
        rr = [self.seconds(a.at, b.at) for a, b in pairwise(beats)]
        if min(rr) < CONSTANT.refractory_s or max(rr) > CONSTANT.return_long * min(rr):
            return None
        shape = middle.shapes[k][self.lag : self.lag + 2 * self.half + 1]
        shape = shape - np.mean(shape)
        if not np.sum(shape * shape) > 0:
            return None
        shape /= np.sqrt(np.sum(shape * shape))
        others = [c for c in order[:high] if c is not middle]
        least = min(self.correlation(c, k, [shape])[0] for c in others)
        if least < CONSTANT.clear_similarity:
            return None
        if s.stored_beats == STORED_BEATS and s.stored_template is not None:
            faint = middle.heights[k] < s.stored_signal - CONSTANT.return_lower
            least = CONSTANT.return_similarity if faint else CONSTANT.clear_beats_similarity
            similarity = self.correlation(middle, k, [s.stored_template])[0]
            return middle.heights[k] if similarity > least else None
        return middle.heights[k]

    def shows_clear_beats(self) -> bool:
        """Are beats in sight that levels do not fit, or while there is no confidence?"""
        c = self.latest[-1]
        well = self.decides and self.probation == 0 and self.confident()
        since = self.seconds(self.last_at, c.at)
        missing = not self.accepted or since > CONSTANT.clear_long * self.rr_ref

        def misfit(s: Lead, height: float) -> bool:
            if height > s.signal + CONSTANT.return_higher:
                return True
            return missing and height < s.signal - CONSTANT.return_lower

        clear = total = 0.0
        for k, s in enumerate(self.leads):
            if c.faulty[k]:
                continue
            total += s.weight
            if well and not misfit(s, c.heights[k]):
                continue
            level = self.lead_shows_clear_beats(k, well)
            if level is not None and (not well or misfit(s, level)):
                clear += s.weight
        return clear > 0.5 * total

    # ------------------------------------------------------------ scores, costs, paths

    def score(self, c: Candidate) -> None:
        fall = distrust = 0.0
        if self.accepted:
            since = self.seconds(self.last_at, c.at)
            fall = CONSTANT.gap_rate * max(0.0, since - CONSTANT.gap_from * self.rr_ref)
            if since > CONSTANT.distrust_after_s:
                distrust = CONSTANT.distrust_slope * (CONSTANT.distrust_from - self.recent)
                distrust = min(max(distrust, 0.0), 1.0)
        total = points = similarity = weights = c.height = c.band_ratio = 0.0
        for k, s in enumerate(self.leads):
            if not s.seeded:
                continue
            faulty = c.faulty[k]
            c.height += s.weight * (s.last_height if faulty else c.heights[k])
            c.band_ratio += s.weight * (s.last_band_ratio if faulty else c.band_ratios[k])
            if faulty:
                continue
            bar = lowered(s.signal, s.noise, fall)
            slow = lowered(s.slow_signal, s.slow_noise, fall)
            if s.template_beats and bar > slow:
                bar -= distrust * (bar - slow)
            lead_score = min(c.heights[k] - bar, CONSTANT.cap)
            if s.template_beats and lead_score > CONSTANT.faint:
                compared = c.similarities[k]
                if compared is None:
                    compared = c.similarities[k] = self.similarity(s, c, k)[0]
                lead_score += CONSTANT.similarity_cost * (compared - CONSTANT.similarity_from)
                similarity += s.weight * compared
                weights += s.weight
            if len(self.leads) > 1:
                lead_score = max(lead_score, -CONSTANT.floor)
            c.lead_score[k] = lead_score
            points += s.weight * lead_score
            total += s.weight
        c.score = points / total if total else CONSTANT.faint
        c.similarity = similarity / weights if weights else 0.0

    def interval_cost(self, rr: float) -> float:
        soft = 1 / (1 + CONSTANT.soft * self.rr_var)
        short, long = CONSTANT.short_from * self.rr_ref, CONSTANT.long_from * self.rr_ref
        cost = CONSTANT.short_cost * soft * (short / rr - 1) if rr < short else 0.0
        if rr > long:
            cost += min(CONSTANT.long_cost * soft * (rr / long - 1), CONSTANT.long_cap)
        if rr < CONSTANT.refractory_s:
            cost += CONSTANT.refractory_cost * (CONSTANT.refractory_s / rr - 1)
        return cost

    def open_cost(self, since: int, index: int) -> float:
        """Cost of an interval that is still open: it will be at least so long."""
        rr = self.seconds(since, self.now(index))
        return self.interval_cost(rr) if rr > self.rr_ref else 0.0

    def pair_cost(self, height: float, band_ratio: float, c: Candidate, rr: float) -> float:
        cost = self.interval_cost(rr)
        fall = height - c.height + CONSTANT.t_band_ratio * (band_ratio - c.band_ratio)
        twin = c.similarity > CONSTANT.twin_similarity and abs(fall) < CONSTANT.twin_drop
        if rr < CONSTANT.refractory_s and twin:
            cost *= CONSTANT.twin_share
        if rr < CONSTANT.t_full_s + CONSTANT.t_ramp_s:
            drop = fall - CONSTANT.t_from
            ramp = min(1.0, 1 - (rr - CONSTANT.t_full_s) / CONSTANT.t_ramp_s)
            cost += CONSTANT.t_gain * ramp * max(drop, 0.0)
        return cost

    def now(self, index: int) -> int:
        return index - 1 - self.centre - self.hold

    def path(self, index: int) -> list[Candidate]:
        """The best path through the pending candidates, first to last."""
        best, end = 0.0, None
        if self.accepted:
            best = -self.open_cost(self.last_at, index)
        for i, c in enumerate(self.pending):
            self.score(c)
            value, c.before = 0.0, None
            if self.accepted:
                rr = self.seconds(self.last_at, c.at)
                value = -self.pair_cost(self.last_height, self.last_band_ratio, c, rr)
            for p in self.pending[:i]:
                v = p.value - self.pair_cost(p.height, p.band_ratio, c, self.seconds(p.at, c.at))
                if v > value:
                    value, c.before = v, p
            c.value = value + c.score
            total = c.value - self.open_cost(c.at, index)
            if total > best:
                best, end = total, c
        found: list[Candidate] = []
        while end is not None:
            found.insert(0, end)
            end = end.before
        return found

    # ------------------------------------------------------------ what becomes of candidates

    def reject_first(self) -> None:
        c = self.pending.pop(0)
        near = self.accepted and self.seconds(self.last_at, c.at) < CONSTANT.near_s
        for k, s in enumerate(self.leads):
            if c.faulty[k] or not s.seeded:
                continue
            s.noises = [*s.noises, c.heights[k]][-NOISES:]
            s.noise = quantile(s.noises, CONSTANT.noise_quantile)
            loss = max(c.lead_score[k] + CONSTANT.loss_margin, 0.0)
            s.loss_rejected += CONSTANT.loss_noise_rate * (loss - s.loss_rejected)
            if near:
                s.signals[-1] = max(s.signals[-1], c.heights[k])

    def accept(self, c: Candidate, index: int) -> None:
        around = [LOG_TINY] * len(self.leads)
        while self.pending[0] is not c:
            other = self.pending[0]
            if self.seconds(other.at, c.at) < CONSTANT.near_s:
                around = [
                    max(a, h) if not bad else a
                    for a, h, bad in zip(around, other.heights, other.faulty, strict=True)
                ]
            self.reject_first()
        self.pending.pop(0)
        typical = False
        for k, s in enumerate(self.leads):
            if not s.seeded or c.faulty[k]:
                continue
            s.signals = [*s.signals, max(c.heights[k], around[k])][-SIGNALS:]
            s.signal = quantile(s.signals, CONSTANT.quantile)
            typical |= self.learn_shape(s, c, k)
            loss = max(CONSTANT.loss_margin - c.lead_score[k], 0.0)
            s.loss_accepted += CONSTANT.loss_rate * (loss - s.loss_accepted)
            s.last_height, s.last_band_ratio = c.heights[k], c.band_ratios[k]
        if self.phase is Phase.RUNS:
            self.weigh()
        self.last_height = sum(s.weight * s.last_height for s in self.leads if s.seeded)
        self.last_band_ratio = sum(s.weight * s.last_band_ratio for s in self.leads if s.seeded)
        if self.accepted:
            self.rr = [*self.rr, self.seconds(self.last_at, c.at)][-INTERVALS:]
            middle = quantile(self.rr, 0.5)
            self.rr_ref = min(max(middle, CONSTANT.rr_min_s), CONSTANT.rr_max_s)
            self.rr_var = float(np.mean([min(abs(r / self.rr_ref - 1), 1.0) for r in self.rr]))
        if typical:
            self.stored_rr = self.rr_ref

        gap, rate = self.common_gap(), 1 / (1 + self.trusted)
        similarity = c.similarity if self.accepted else CONSTANT.trust_neutral
        trust = self.trust_of(gap, similarity, self.rr_var)
        if rate < CONSTANT.trust_rate:
            rate = CONSTANT.trust_rate
        else:
            self.trusted += 1
        self.trust += rate * (trust - self.trust)
        self.mean_similarity += CONSTANT.mean_similarity_rate * (
            c.similarity - self.mean_similarity
        )
        self.gap += rate * (gap - self.gap)
        self.recent += max(rate, CONSTANT.recent_rate) * (trust - self.recent)
        self.accepted += 1
        self.last_at = c.at

        if self.trust <= CONSTANT.trust_from or self.gap <= CONSTANT.trust_gap:
            self.doubts += self.recent <= CONSTANT.trust_from
            return
        self.doubts = 0
        if not self.confident():
            self.probation = max(self.probation - 1, 0)
            return
        late = self.seconds(c.at, self.now(index)) > self.wait + CONSTANT.late_s
        if self.relearning and late and not self.first_after_relearning(c, index):
            return
        if c.at <= self.last_reported:
            return
        self.last_reported = c.at
        lead = 0
        if c.faulty[0] or c.lead_score[0] < CONSTANT.lead_score_min:
            for k in range(1, len(self.leads)):
                if not c.faulty[k] and c.lead_score[k] > c.lead_score[lead]:
                    lead = k
        about = c.at * self.group + (self.group - 1) // 2
        seen = min(index * self.group, self.samples)
        active_lead = self.leads[lead]
        r = active_lead.refiner.refined(active_lead.clean, about, seen)
        if not self.beats or r > self.beats[-1]:
            self.beats.append(r)

    def is_clear(self, c: Candidate) -> bool:
        if not self.accepted:
            return False
        rr = self.seconds(self.last_at, c.at)
        level = sum(s.weight * s.signal for s in self.leads)
        return (
            c.score > CONSTANT.clear_score
            and c.similarity > CONSTANT.clear_similarity
            and c.height > level - CONSTANT.clear_drop
            and CONSTANT.clear_short * self.rr_ref < rr < CONSTANT.clear_long * self.rr_ref
        )

    def decide(self, index: int, final: bool = False) -> None:
        now = self.now(index)
        self.wake = float("inf")
        while path := self.path(index):
            c = path[0]
            wait = min(max(CONSTANT.wait_rr * self.rr_ref, CONSTANT.wait_min_s), self.wait)
            due = c.at + int(wait * self.rate)
            if not final and not self.is_clear(c) and now < due:
                self.wake = due + index - now
                break
            self.accept(c, index)
            if not final:
                self.wake = index + 1
                return
        if self.doubts >= DOUBTS and not final:
            self.give_up()
            return
        expire = int(self.expire * self.rate)
        while self.pending and self.pending[0].at + expire <= now:
            self.reject_first()
        if self.pending:
            self.wake = min(self.wake, self.pending[0].at + expire + index - now)

    def begin(self, index: int) -> bool:
        """Ends the first seconds; false where they hold no ECG."""
        self.learn_first()
        path = self.path(index)
        if not path:
            return False
        best = path[-1]
        for c in reversed(path):
            if c.score > best.score:
                best = c
        for k, s in enumerate(self.leads):
            if s.seeded and not best.faulty[k]:
                self.learn_shape(s, best, k)
        path = self.path(index)
        rr = np.array([self.seconds(a.at, b.at) for a, b in pairwise(path)])
        var = float(np.mean(np.abs(rr / np.mean(rr) - 1))) if len(rr) else 0.0
        similarities = [c.similarity for c in path if c is not best]
        similarity = CONSTANT.trust_neutral
        if similarities and len(rr):
            similarity = float(np.mean(similarities))
        self.gap = self.common_gap()
        self.trust = self.recent = self.trust_of(self.gap, similarity, var)
        self.trusted, self.mean_similarity = len(rr), similarity
        poor = self.trust < CONSTANT.relearn_trust or similarity < CONSTANT.relearn_similarity
        self.probation = PROBATION_BEATS if self.relearning and poor else 0
        if not self.relearning and self.start < CONSTANT.start_s:
            self.trust = self.recent = max(self.trust, CONSTANT.start_trust)
            return True
        similar = similarity > CONSTANT.start_similarity
        uniform = len(rr) > 1 and similar and var < CONSTANT.start_var
        least = CONSTANT.start_low if uniform else CONSTANT.start_contrast
        return self.trust > CONSTANT.start_trust and self.contrast(path) > least

    def contrast(self, path: list[Candidate]) -> float:
        """How far the path's candidates stand out from the others, medians of either."""
        others = [c.height for c in self.pending if not any(c is p for p in path)]
        if not path:
            return 0.0
        if not others:
            return CONSTANT.trust_cap
        return quantile([c.height for c in path], 0.5) - quantile(others, 0.5)

    # ------------------------------------------------------------ the way through the signal

    def emit(self, at: int, flushing: bool) -> bool:
        if at < self.edge or (flushing and at >= self.end - self.edge):
            return False
        c = Candidate(at, [], [], [], [], [None] * len(self.leads), [-1.0] * len(self.leads))
        for s in self.leads:
            k = at
            if len(self.leads) > 1:
                for near in range(max(at - self.merge, 0), at + self.merge + 1):
                    if s.energy[near] > s.energy[k]:
                        k = near
            energy, high = s.energy[k], s.high[k]
            height = 0.5 * log(energy) if energy > 0 else LOG_TINY
            c.heights.append(min(max(height, LOG_TINY), LOG_HUGE))
            c.band_ratios.append(0.5 * log(high / (energy - high)) if energy > high > 0 else 0.0)
            reach = self.half + self.lag
            index = np.arange(k - reach, k + reach + 1)
            c.shapes.append(np.where(index >= 0, s.wave[np.maximum(index, 0)], 0.0))
            first = max((at - self.merge) * self.group, 0)
            nothing = s.nothing[first : min((at + self.merge + 1) * self.group, self.samples)]
            c.faulty.append(
                bool(4 * np.count_nonzero(nothing) > len(nothing))
                or (self.decides and flickers(s.clean[: self.samples], at * self.group, self.fs))
            )
            if (
                not c.faulty[-1]
                and (self.phase is not Phase.RUNS or not s.seeded)
                and len(s.first) < PENDING
            ):
                s.first.append(c.heights[-1])
        if all(c.faulty):
            return False
        self.pending.append(c)
        self.latest = [*self.latest, c][-PENDING_MAX:]
        return True

    def on_candidate(self, index: int) -> None:
        if self.phase is Phase.WAITS:
            self.enter(Phase.COLLECTS, index)
        may_begin = self.phase is Phase.RUNS or (self.phase is Phase.COLLECTS and self.relearning)
        if not self.resume() and may_begin and self.shows_clear_beats():
            self.give_up()
            self.enter(Phase.RUNS if self.begin(index) else Phase.WAITS)
        if self.decides:
            self.learn_first()
            self.decide(index)

    def on_time(self, index: int) -> None:
        if self.phase is Phase.COLLECTS:
            if self.relearning:
                self.start_over()
            if not self.begin(index):
                self.give_up()
                return
            self.enter(Phase.LEARNS)
        self.decide(index)

    def run(self) -> npt.NDArray[np.int64]:
        peak_at, peak = -1, 0.0
        for index in range(1, self.steps + 1):
            centre = index - 1 - self.centre
            for s in self.leads:
                if centre < 2:
                    continue
                a, b, c = s.energy[centre - 2], s.energy[centre - 1], s.energy[centre]
                if b > a and b >= c and (peak_at < 0 or b * s.scale > peak):
                    peak_at, peak = centre - 1, b * s.scale
            if peak_at >= 0 and centre - peak_at >= self.hold:
                if len(self.pending) >= PENDING_MAX:
                    self.reject_first()
                emitted, peak_at = self.emit(peak_at, index > self.end), -1
                if emitted:
                    self.on_candidate(index)
            if index >= self.wake:
                self.on_time(index)
            if (
                self.phase is Phase.LEARNS
                and self.learn_until is not None
                and index > self.learn_until
            ):
                self.enter(Phase.RUNS)
        if self.phase is Phase.COLLECTS and self.begin(self.steps):
            self.enter(Phase.LEARNS)
        if self.decides:
            self.decide(self.steps, final=True)
        return np.array(self.beats, np.int64)


def detect(signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> npt.NDArray[np.int64]:
    """R-peak samples of a signal (n,) or (n, n_leads) in mV at `fs` Hz."""
    return Adaptive(signal, fs, max_delay).run()
