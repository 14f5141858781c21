"""The neural detector, slowly: cells, network and decision written from their description.

Constants and weights are read from the C sources, so that only the steps are written twice. Cells
are computed for the whole signal at once; scale, network and decisions step by step, with no more
than the samples that the core has then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast.training.qrs import c_source, forward, grid

from .lead import cleaned
from .rpeak import Refiner, flickers

Floats = npt.NDArray[np.float32]
F = np.float32

SOURCES = Path(__file__).parents[2] / "csrc" / "src" / "neural"


def defines(name: str) -> dict[str, np.float32 | int]:
    """Numbers that a C source defines; whole ones are integers, others float32."""
    text = (SOURCES / name).read_text(encoding="utf-8")
    found: dict[str, np.float32 | int] = {}
    for key, value in re.findall(r"^#define (\w+) \(?(-?[\d.]+(?:e-?\d+)?f?)\)?\s", text, re.M):
        found[key] = int(value) if value.lstrip("-").isdigit() else F(value.rstrip("f"))
    return found


FILES = ("neural.h", "neural.c", "neural_input.c", "neural_constants.h")
C = {name: value for file in FILES for name, value in defines(file).items()}
HZ, STRIDE = C["NEURAL_HZ"], C["NEURAL_STRIDE"]
EARLY, LATE = C["NEURAL_EARLY"], C["NEURAL_LATE"]
SUM, HOLD, MERGE = C["SUM_CELLS"], C["HOLD_CELLS"], C["MERGE_CELLS"]
PAD = (LATE + 1) * STRIDE + 24
BLOCK, WINDOW = C["NEURAL_BLOCK"], C["NEURAL_WINDOW"]
START_CELLS = C["NEURAL_START"] * BLOCK
SMALLEST = F(C["SMALLEST"])
SEEN_STEPS = 80
"""More steps than an output knows of."""


def weights() -> dict[str, Floats]:
    return c_source.read_weights((SOURCES / "neural_weights.c").read_text(encoding="utf-8"))


def faulty(signal: npt.ArrayLike, clean: Floats, fs: float) -> npt.NDArray[np.bool_]:
    """Samples at which a lead has been missing for 0.12 s or flat for 0.3 s."""
    gap, flat = ceil(0.12 * fs), ceil(0.3 * fs)
    out = np.zeros(len(clean), bool)
    missing = run = 0
    seen = False
    last = F(0)
    for i, value in enumerate(np.asarray(signal, np.float32)):
        if not abs(value) <= F(1e30):
            missing += 1
        else:
            run = run + 1 if seen and not missing and clean[i] == last else 0
            missing, seen, last = 0, True, clean[i]
        out[i] = missing >= gap or run >= flat
    return out


@dataclass
class Candidate:
    at: int
    odds: np.float32
    score: np.float32
    value: np.float32
    before: Candidate | None = None


class Neural:
    """Detects the beats of a whole signal (n,) or (n, n_leads) at `fs` Hz."""

    def __init__(self, signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> None:
        x = np.asarray(signal, np.float32)
        x = x[:, None] if x.ndim == 1 else x
        self.fs, self.samples, self.n_leads = fs, len(x), x.shape[1]
        self.cell = floor(fs / HZ * 2**32 + 0.5)
        self.end = self.whole_cells(self.samples)
        self.total = max(self.end + PAD, START_CELLS) if self.end else 0
        self.clean, self.means, self.cells, self.fault = [], [], [], []
        self.refiners: list[Refiner] = []
        for column in x.T:
            clean, _ = cleaned(column, fs)
            self.clean.append(clean)
            self.refiners.append(Refiner(fs))
            self.means.append(self.cell_means(clean))
            self.cells.append(np.zeros(self.total, np.float32))
            self.fault.append(self.faults(column, clean))
        self.weights = weights()
        self.seen_cells = 0
        self.scale = [SMALLEST for _ in x.T]
        self.inputs = [np.zeros((self.total, 2), np.float32) for _ in x.T]
        self.early, self.late_p = np.zeros((2, self.total), np.float32)
        self.odds = [np.zeros(self.total, np.float32) for _ in x.T]

        lag = F((LATE + 1) * STRIDE + SUM + HOLD + 1) / F(HZ)
        early_lag = F((EARLY + 1) * STRIDE + SUM + HOLD + 1) / F(HZ)
        limit = F(max_delay)
        self.late = bool(limit == 0 or limit >= lag + F(0.02))
        wait = C["WAIT_MAX_S"] if limit == 0 else limit - (lag if self.late else early_lag)
        self.wait = F(min(max(wait, F(0)), C["WAIT_MAX_S"]))
        self.expire = self.wait if max_delay else C["EXPIRE_S"]

        self.steps = self.searched = self.searched_early = self.count = 0
        self.pending: list[Candidate] = []
        self.wake = 1 << 62
        self.last: int | None = None
        self.last_clear: int | None = None
        self.rr: list[np.float32] = []
        self.rr_ref, self.rr_var = C["RR_FIRST_S"], C["VAR_FIRST"]
        self.clarity = F(0)
        self.passed_over = C["NONE_PASSED"]
        self.accepted = 0
        self.claims: list[int] = []
        self.early_hold = 0
        self.height = [F(0) for _ in x.T]
        self.heights = [0 for _ in x.T]
        self.ended = False
        self.beats: list[int] = []
        self.quality: list[int] = []
        self.reported_at: list[int] = []

    # ------------------------------------------------------------ from samples to odds

    def whole_cells(self, samples: int) -> int:
        return (samples << 32) // self.cell

    def cell_means(self, clean: Floats) -> Floats:
        """Cells; after the end the last whole one is repeated."""
        if not self.end:
            return np.zeros(0, np.float32)
        cells = grid.grid_cells(clean, self.cell * HZ / 2**32)[: self.end]
        return np.pad(cells, (0, self.total - self.end), mode="edge")

    def take_cells(self, known: int) -> None:
        """High-pass the cells that are whole now."""
        for at in range(self.seen_cells, known):
            for k, (means, cells) in enumerate(zip(self.means, self.cells, strict=True)):
                before = cells[at - 1] if at else F(0)
                step = means[at] - means[at - 1] if at else F(0)
                with np.errstate(over="ignore"):
                    cells[at] = C["HIGH_PASS"] * before + step
                known_height = self.heights[k] >= C["NEURAL_HEIGHT_BEATS"]
                if known_height and abs(cells[at]) > C["NEURAL_ABSURD"] * np.exp(self.height[k]):
                    cells[at] = 0
                    self.fault[k][at] = True
        self.seen_cells = known

    def peak(self, lead: int, first: int, last: int) -> np.float32:
        """Largest of some blocks."""
        return np.abs(self.cells[lead][max(first, 0) * BLOCK : last * BLOCK]).max()

    def faults(self, column: Floats, clean: Floats) -> npt.NDArray[np.bool_]:
        """A sample speaks for the cell that is open when it comes."""
        out = np.zeros(self.total + 1, bool)
        for i in np.flatnonzero(faulty(column, clean, self.fs)):
            out[min(self.whole_cells(int(i)), self.total)] = True
        return out

    def scale_up_to(self, lead: int, last: int) -> np.float32:
        """Second largest of the maxima of the last windows; the larger of the first two."""
        ends = range(last + 1, max(last + 1 - C["NEURAL_PEAKS"], 0), -WINDOW)
        tops = sorted(self.peak(lead, end - WINDOW, end) for end in ends)
        return max(tops[-2] if len(tops) > 2 else tops[-1], SMALLEST)

    def set_scale(self, lead: int, block: int) -> None:
        if block < C["NEURAL_START"]:
            self.scale[lead] = self.scale_up_to(lead, C["NEURAL_START"] - 1)
            return
        known = self.heights[lead] >= C["NEURAL_HEIGHT_BEATS"]
        fall = C["NEURAL_FALL" if known else "NEURAL_FALL_FIRST"]
        scale = max(self.scale_up_to(lead, block - 1), fall * self.scale[lead])
        if known:
            scale = min(scale, C["NEURAL_ABOVE"] * np.exp(self.height[lead]))
        self.scale[lead] = max(scale, SMALLEST)

    def step_outputs(self, lead: int) -> Floats:
        """Log-odds by a lead of the step that is taken now."""
        first = self.steps * STRIDE
        for at in range(first, first + STRIDE):
            if at % BLOCK == 0:
                self.set_scale(lead, at // BLOCK)
            x, scale = self.cells[lead][at], self.scale[lead]
            bend, enlarge = C["NEURAL_BEND"], C["ENLARGE"]
            self.inputs[lead][at] = (
                x / (scale + bend * abs(x)),
                enlarge * x / (scale + enlarge * abs(x)),
            )
        seen = self.inputs[lead][max(first - SEEN_STEPS * STRIDE, 0) : first + STRIDE]
        return forward.log_odds(self.weights, seen)[-1]

    def take_outputs(self, outputs: list[Floats]) -> None:
        """Probabilities of the cells that a step tells of, over all usable leads."""
        join, top = C["JOIN"], C["ODDS_MAX"]
        for column in range(2 * STRIDE):
            cell = (self.steps - (EARLY, LATE)[column // STRIDE]) * STRIDE + column % STRIDE
            if cell < 0:
                continue
            shown = []
            for k, row in enumerate(outputs):
                if not self.fault[k][cell]:
                    self.odds[k][cell] = row[column]
                    shown.append(row[column])
            odds = C["NO_SIGNAL"]
            if shown and self.n_leads == 1:
                odds = shown[0]
            elif shown:
                mean = sum((np.exp(join * min(o, top)) for o in shown), F(0)) / F(len(shown))
                odds = np.log(mean + F(1e-9)) / join
            with np.errstate(over="ignore"):
                (self.early, self.late_p)[column // STRIDE][cell] = F(1) / (F(1) + np.exp(-odds))

    # ------------------------------------------------------------ candidates

    @staticmethod
    def around(p: Floats, at: int, known: int) -> range:
        return range(max(at - SUM, 0), min(at + SUM + 1, known))

    def mass(self, p: Floats, at: int, known: int) -> np.float32:
        """Beats expected around a cell."""
        total = F(0)
        for k in self.around(p, at, known):
            total += p[k]
        return total / C["TARGET_CELLS"]

    @staticmethod
    def odds_of(expected: np.float32) -> np.float32:
        p = min(expected, C["SURE"])
        return np.log(p / (F(1) - p))

    def centre(self, p: Floats, at: int, known: int) -> int:
        total = moment = F(0)
        for k in self.around(p, at, known):
            total += p[k]
            moment += F(k - at) * p[k]
        return at + floor(moment / total + F(0.5))

    def is_maximum(self, p: Floats, at: int, known: int, here: np.float32) -> bool:
        cells = range(max(at - HOLD, 0), min(at + HOLD + 1, known))
        return not any(self.mass(p, k, known) > here for k in cells)

    def height_of(self, lead: int, at: int) -> np.float32:
        x = self.cells[lead][max(at - SUM, 0) : at + SUM + 1]
        size = max(x.max(), F(0)) - min(x.min(), F(0))
        return np.log(max(size, F(1e-30)))

    def known_height(self, lead: int) -> np.float32 | None:
        """Log of the height that complexes have; at first also that of clear candidates."""
        known = [self.height[lead]] if self.heights[lead] else []
        if self.heights[lead] < C["NEURAL_HEIGHT_BEATS"]:
            clear = [c.at for c in self.pending if c.odds >= C["HEIGHT_ODDS"]]
            known += [self.height_of(lead, at) for at in clear if not self.fault[lead][at]]
        return max(known, default=None)

    def shortfall(self, at: int) -> np.float32:
        total, n = F(0), 0
        for k in range(self.n_leads):
            height = self.known_height(k)
            if height is not None and not self.fault[k][at]:
                total += height - self.height_of(k, at)
                n += 1
        return total / F(n) if n else F(0)

    def may_be_cut(self, c: Candidate) -> bool:
        """Perhaps the T wave of a complex before the first sample."""
        return self.last is None and c.at < C["START_CELLS"] and c.odds < C["HEIGHT_ODDS"]

    def score(self, c: Candidate) -> np.float32:
        smaller = self.shortfall(c.at)
        cost = C["HEIGHT_COST"] * (smaller - C["HEIGHT_FROM"])
        cost = min(max(cost, F(0)), C["HEIGHT_CAP"])
        if self.may_be_cut(c) and smaller > C["SMALLER"]:
            cost = C["START_COST"]
        return min(c.odds + C["BIAS"] - cost, C["SCORE_MAX"])

    def drop(self, c: Candidate) -> None:
        """Remember the clearest of what was no beat until the next beat."""
        self.passed_over = max(self.passed_over, c.odds)
        self.pending.remove(c)

    def sample_of(self, at: int) -> int:
        return (at * self.cell + self.cell // 2) >> 32

    def flicker(self, at: int) -> bool:
        shown = [x[: self.count] for x, f in zip(self.clean, self.fault, strict=True) if not f[at]]
        return bool(shown) and all(flickers(x, self.sample_of(at), self.fs) for x in shown)

    def add(self, at: int, odds: np.float32) -> bool:
        after_last = self.last is not None and at <= self.last + MERGE
        cut = self.ended and at >= self.end - C["END_CELLS"]
        if at < 0 or after_last or cut or self.flicker(at):
            return False
        near = [c for c in self.pending if abs(c.at - at) <= MERGE]
        if near:
            c = min(near, key=lambda c: abs(c.at - at))
        else:
            if len(self.pending) == C["NEURAL_PENDING"]:
                if at < self.pending[0].at:
                    return False
                self.drop(self.pending[0])
            c = Candidate(at, odds, F(0), F(0))
            self.pending.append(c)
        c.at, c.odds = at, odds
        self.pending.sort(key=lambda c: c.at)
        for each in [c] if self.accepted >= C["NEURAL_HEIGHT_BEATS"] else self.pending:
            each.score = self.score(each)
        return True

    def peak_here(self, p: Floats, at: int, known: int, least: np.float32) -> np.float32 | None:
        here = self.mass(p, at, known)
        if here < least or here <= self.mass(p, at + 1, known):
            return None
        return None if here < self.mass(p, at - 1, known) else here

    def search_early(self, known: int) -> bool:
        found = False
        while self.searched_early + SUM + 1 < known:
            at = self.searched_early
            self.searched_early += 1
            here = self.peak_here(self.early, at, known, F(0.9))
            if here is None or self.odds_of(here) < C["EARLY_ODDS"]:
                continue
            if not self.is_maximum(self.early, at, at + SUM + 2, here):
                continue
            self.claims = [*self.claims, at][-C["NEURAL_CLAIMS"] :]
            if self.early_hold == 0 and self.accepted >= C["LEARNING_BEATS"]:
                found |= self.add(self.centre(self.early, at, known), self.odds_of(here))
        return found

    def check_claims(self, at: int, known: int) -> None:
        for claim in [c for c in self.claims if c + SUM <= at]:
            near = range(max(claim - SUM, 0), claim + SUM + 1)
            best = max(self.mass(self.late_p, k, known) for k in near)
            if best <= C["NEURAL_FAINT"] or self.odds_of(best) < C["EARLY_CONFIRMED"]:
                self.early_hold = C["EARLY_BEATS"]
            self.claims.remove(claim)

    def search(self, p: Floats, known: int) -> bool:
        found = False
        while self.searched + SUM + HOLD < known:
            at = self.searched
            if self.late:
                self.check_claims(at, known)
            here = self.peak_here(p, at, known, C["NEURAL_FAINT"])
            if here is not None and self.is_maximum(p, at, known, here):
                found |= self.add(self.centre(p, at, known), self.odds_of(here))
            self.searched += 1
        return found

    # ------------------------------------------------------------ rhythm and path

    @staticmethod
    def seconds(cells: int) -> np.float32:
        return F(cells) / F(HZ)

    def pair_cost(self, a: int, b: int) -> np.float32:
        rr = self.seconds(b - a)
        if rr < C["RR_MIN_S"]:
            return C["NEVER"]
        ratio, soft = rr / self.rr_ref, F(1) / (F(1) + C["NEURAL_SOFT"] * self.rr_var)
        cost = F(0)
        if ratio < C["SHORT_FROM"]:
            cost = C["SHORT_COST"] * (self.rr_ref / rr - F(1) / C["SHORT_FROM"]) * soft
        elif ratio > C["LONG_FROM"]:
            cost = min(C["LONG_COST"] * (ratio - C["LONG_FROM"]) * soft, C["LONG_CAP"])
        if rr < C["NEURAL_REFRACTORY_S"]:
            cost += C["REFRACTORY_COST"] * (C["NEURAL_REFRACTORY_S"] - rr) / C["REFRACTORY_RAMP_S"]
        return cost

    def open_cost(self, since: int) -> np.float32:
        late = self.seconds(self.searched - since) / self.rr_ref - C["LONG_FROM"]
        cost = C["LONG_COST"] * late / (F(1) + C["NEURAL_SOFT"] * self.rr_var)
        return min(max(cost, F(0)), C["LONG_CAP"])

    def misfit(self, at: int) -> np.float32:
        """How far the interval up to a cell is from the reference, in logs."""
        assert self.last is not None
        return abs(np.log(self.seconds(at - self.last) / self.rr_ref))

    def taller_by(self, a: int, b: int) -> np.float32:
        """How much taller a complex is than another one, in logs, over the leads that show both."""
        shown = [k for k, fault in enumerate(self.fault) if not fault[a] and not fault[b]]
        total = F(0)
        for k in shown:
            total += self.height_of(k, b) - self.height_of(k, a)
        return total / F(len(shown)) if shown else F(0)

    def heights_unclear(self) -> bool:
        return self.accepted >= C["LEARNING_BEATS"] and bool(self.clarity < C["P_WAVE_CLARITY"])

    def is_p_wave(self, c: Candidate) -> bool:
        """Whether a taller candidate follows within a PR interval, and fits the rhythm better."""
        if self.heights_unclear():
            return False
        for other in self.pending:
            pr = self.seconds(other.at - c.at)
            if pr <= 0 or pr > C["P_WAVE_S"] or pr > C["P_WAVE_RR"] * self.rr_ref:
                continue
            fits = not self.rr or self.misfit(other.at) < self.misfit(c.at)
            if other.odds >= C["NEED"] and fits and self.taller_by(c.at, other.at) > C["SMALLER"]:
                return True
        return False

    def path(self) -> list[Candidate]:
        """The best path through the candidates, first beat first."""
        best = F(0) if self.last is None else -self.open_cost(self.last)
        end = None
        for i, c in enumerate(self.pending):
            value = F(0) if self.last is None else -self.pair_cost(self.last, c.at)
            c.before = None
            for other in self.pending[:i]:
                through = other.value - self.pair_cost(other.at, c.at)
                if through > value:
                    value, c.before = through, other
            c.value = -C["NEVER"] if self.is_p_wave(c) else value + c.score
            if c.value - self.open_cost(c.at) > best:
                best, end = c.value - self.open_cost(c.at), c
        found = []
        while end is not None:
            found.append(end)
            end = end.before
        return found[::-1]

    @staticmethod
    def worth(c: Candidate) -> np.float32:
        return c.score - C["BIAS"]

    def learn_rr(self, rr: np.float32) -> None:
        self.rr = [*self.rr, rr][-C["NEURAL_INTERVALS"] :]
        middle = sorted(self.rr)[len(self.rr) // 2]
        self.rr_ref = min(max(middle, C["RR_LEAST_S"]), C["RR_MAX_S"])
        off = [min(abs(r / self.rr_ref - F(1)), F(1)) for r in self.rr]
        self.rr_var = sum(off, F(0)) / F(len(off))

    # ------------------------------------------------------------ what becomes of candidates

    def quality_of(self, c: Candidate, rr: np.float32) -> int:
        """Bits of this method; those of the signal are the detector's."""
        low, high = C["SHORT_FROM"] * self.rr_ref, C["LONG_FROM"] * self.rr_ref
        least = C["DOUBTFUL_ODDS"] if low <= rr <= high else C["DOUBTFUL_OFF"]
        doubtful = c.odds < least or self.passed_over > C["DOUBTFUL_PASSED"]
        if self.accepted < C["LEARNING_BEATS"]:
            return 32 * doubtful + 16
        return 32 * doubtful + 8 * bool(self.clarity < C["NOISY_CLARITY"])

    def report(self, c: Candidate, rr: np.float32) -> None:
        sample = self.sample_of(c.at)
        usable = [not fault[c.at] for fault in self.fault]
        odds = [values[c.at] for values in self.odds]
        shown = 0
        if not usable[0] or odds[0] < C["NEED"]:
            for k in range(1, self.n_leads):
                if usable[k] and (not usable[shown] or odds[k] > odds[shown]):
                    shown = k
        r = self.refiners[shown].refined(self.clean[shown], sample, self.count)
        if not self.beats or r > self.beats[-1]:
            self.beats.append(r)
            self.reported_at.append(self.count)
            self.quality.append(self.quality_of(c, rr))

    def learn_height(self, lead: int, c: Candidate, alone: bool) -> None:
        """Beats that are not clear, or follow no other, lower the height and never raise it.

        As long as it rests on few beats, one that follows no other takes their place.
        """
        known = self.heights[lead] >= C["NEURAL_HEIGHT_BEATS"]
        if alone and not known:
            self.heights[lead] = 0
        excess = self.height_of(lead, c.at) - self.height[lead]
        clear = c.odds >= C["HEIGHT_CLEAR"] and self.odds[lead][c.at] > 0
        if not known or excess <= 0 or (clear and not alone):
            self.height[lead] += max(F(1) / F(1 + self.heights[lead]), C["HEIGHT_RATE"]) * excess
            self.heights[lead] += 1

    def accept(self, c: Candidate) -> None:
        for other in [other for other in self.pending if other.at < c.at]:
            self.drop(other)
        if self.worth(c) >= 0:
            if self.last_clear is not None:
                self.learn_rr(self.seconds(c.at - self.last_clear))
            self.last_clear = c.at
        alone = self.last is not None and self.seconds(c.at - self.last) > C["RR_MAX_S"]
        for k in range(self.n_leads):
            if not self.fault[k][c.at]:
                self.learn_height(k, c, alone)
        rate = max(F(1) / F(1 + self.accepted), C["CLARITY_RATE"])
        self.clarity += rate * (self.worth(c) - self.clarity)
        rr = self.rr_ref if self.last is None else self.seconds(c.at - self.last)
        self.last = c.at
        hidden = self.clarity < C["HIDE_CLARITY"] and c.odds < C["HIDE_ODDS"]
        if not (hidden and self.accepted >= C["LEARNING_BEATS"]):
            self.report(c, rr)
        self.passed_over = C["NONE_PASSED"]
        self.accepted += 1
        self.early_hold = max(self.early_hold - 1, 0)
        self.pending = [other for other in self.pending if other.at > c.at]

    def due_at(self, c: Candidate, clear: bool) -> int:
        """Searched cell at which a candidate is decided; a clear one at once unless it is small."""
        wait = max(C["WAIT_RR"] * self.rr_ref, C["WAIT_MIN_S"])
        if self.may_be_cut(c):
            wait = C["WAIT_MAX_S"]
        elif clear:
            if self.heights_unclear() or self.shortfall(c.at) <= C["SMALLER"]:
                return 0
            wait = C["P_WAVE_S"]
        return c.at + int(min(wait, self.wait) * F(HZ))

    def decide_pending(self, final: bool) -> None:
        self.wake = 1 << 62
        while path := self.path():
            c = path[0]
            enough = any(self.worth(other) >= C["NEED"] for other in path)
            rr = self.rr_ref if self.last is None else self.seconds(c.at - self.last)
            short, long = C["CLEAR_SHORT"] * self.rr_ref, C["CLEAR_LONG"] * self.rr_ref
            if c.score > C["CERTAIN_SCORE"]:
                clear = rr > C["NEURAL_REFRACTORY_S"]
            else:
                clear = c.score > C["CLEAR_SCORE"] and short < rr < long
            due = self.due_at(c, bool(clear))
            if not final and self.searched < due:
                self.wake = due
                break
            if enough or (final and self.worth(c) > C["FINAL_ODDS"]):
                self.accept(c)
            else:
                self.drop(c)
        expire = int(self.expire * F(HZ))
        for c in [c for c in self.pending if c.at + expire <= self.searched]:
            self.drop(c)
        if self.pending:
            self.wake = min(self.wake, self.pending[0].at + expire)

    def decide(self, final: bool = False) -> None:
        early = max((self.steps - EARLY) * STRIDE, 0)
        late = max((self.steps - LATE) * STRIDE, 0)
        found = self.search(self.late_p, late) if self.late else self.search(self.early, early)
        if self.late:
            found |= self.search_early(early)
        if found or final or self.searched >= self.wake:
            self.decide_pending(final)

    # ------------------------------------------------------------ in time

    def advance(self, cells: int) -> None:
        """At most two steps at a time; none before the scale of the start is known."""
        self.take_cells(cells)
        if cells < START_CELLS:
            return
        for _ in range(C["STEPS_AT_ONCE"]):
            if (self.steps + 1) * STRIDE > cells:
                return
            self.take_outputs([self.step_outputs(k) for k in range(self.n_leads)])
            self.steps += 1
            self.decide()

    def run(self) -> npt.NDArray[np.int64]:
        cells = 0
        for count in range(1, self.samples + 1):
            self.count = count
            if self.whole_cells(self.count) > cells:
                cells = self.whole_cells(self.count)
                self.advance(cells)
        self.ended = True
        if cells:
            while cells < self.total:
                cells += 1
                self.advance(cells)
            while (self.steps + 1) * STRIDE <= cells:
                self.advance(cells)
            self.decide(final=True)
        return np.array(self.beats, np.int64)


def detect(signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> npt.NDArray[np.int64]:
    """R-peak samples of a signal (n,) or (n, n_leads) in mV at `fs` Hz."""
    return Neural(signal, fs, max_delay).run()
