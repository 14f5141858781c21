"""Beat features, slowly: rhythm against recent intervals, shape against running templates."""

from __future__ import annotations

from itertools import pairwise
from math import floor

import numpy as np
import numpy.typing as npt

from .patient_baseline import PatientBaseline, limited_log

Array = npt.NDArray[np.float64]

LAGS = range(-2, 3)


class Template:
    """A running beat shape."""

    def __init__(self, points: int) -> None:
        self.share = 0.0
        self.count = 0
        self.shape = np.zeros(points)


class Features:
    """One patient's running state."""

    def __init__(self, grid_fs: float = 125.0, before: int = 44, after: int = 28) -> None:
        def point(seconds: float) -> int:
            return min(max(before + floor(seconds * grid_fs + 0.5), 0), before + after - 1)

        self.points = before + after
        self.p = (point(-0.272), point(-0.072))
        self.qrs = (point(-0.080), point(0.096))
        self.t = (point(0.104), self.points - 1)
        self.forget()

    def forget(self) -> None:
        """Nothing is known of the patient."""
        self.beats = 0
        self.rr: list[float] = []
        self.rr_long = 0.0
        self.sizes: list[float] = []
        self.templates = [Template(self.points) for _ in range(8)]
        self.dominant = 0
        self.orientation = 1.0
        self.previous = np.zeros(self.points)
        self.history: list[dict[str, float]] = []
        self.baseline = PatientBaseline(self.p)

    # ------------------------------------------------------------ measures of a shape

    def lagged(self, a: Array, b: Array, region: tuple[int, int], lag: int) -> tuple[Array, Array]:
        """The region of b, and what of a lies over it when a is moved by the lag."""
        index = [i for i in range(region[0], region[1] + 1) if 0 <= i + lag < self.points]
        return a[[i + lag for i in index]], b[index]

    def correlation(self, a: Array, b: Array, region: tuple[int, int], lag: int = 0) -> float:
        x, y = self.lagged(a, b, region, lag)
        if len(x) < 2:
            return 0.0
        dx, dy = x - x.mean(), y - y.mean()
        if self.is_level(x) or self.is_level(y):
            return 0.0
        return float(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)))

    def difference(
        self, a: Array, b: Array, region: tuple[int, int], lag: int, unit: float
    ) -> float:
        x, y = self.lagged(a, b, region, lag)
        if not len(x) or not unit > 0:
            return 0.0
        return min(float(np.sqrt(np.mean((x - y) ** 2))) / unit, 3.0)

    def best_lag(self, beat: Array, shape: Array) -> tuple[float, int]:
        """Highest correlation of the complexes, and the first lag that has it."""
        found = [(self.correlation(beat, shape, self.qrs, lag), -lag) for lag in LAGS]
        best = max(found)
        return best[0], -best[1]

    def size(self, shape: Array) -> float:
        return float(np.ptp(shape[self.qrs[0] : self.qrs[1] + 1]))

    def width(self, shape: Array) -> float:
        """Twice the standard deviation, in points, of where the complex moves."""
        first, last = self.qrs
        energy = np.diff(shape[first : last + 1]) ** 2
        at = np.arange(first + 1, last + 1)
        if not energy.sum() > 0:
            return 0.0
        mean = np.average(at, weights=energy)
        return 2 * float(np.sqrt(np.average((at - mean) ** 2, weights=energy)))

    @staticmethod
    def is_level(x: Array) -> bool:
        """What is left without the mean may be rounding."""
        return not (x.var() > 1e-9 * np.mean(x**2) and x.var() > 1e-10)

    @staticmethod
    def spread(shape: Array, region: tuple[int, int]) -> float:
        x = shape[region[0] : region[1] + 1]
        return 0.0 if Features.is_level(x) else float(np.std(x))

    # ------------------------------------------------------------ the features

    def rhythm(self, rr: float) -> tuple[dict[str, float], float]:
        names = "rr_ratio rr_change rr_ratio_long rr_before_ratio rr rr_local rr_variability"
        f = dict.fromkeys([*names.split(), "rr_next", "rr_next_known"], 0.0)
        if not rr > 0:
            return f, 0.0
        recent = self.rr[-8:]
        if not recent:
            level = rr
        else:
            level = float(np.median(recent))
            changes = [abs(limited_log(b / a)) for a, b in pairwise(recent)]
            f["rr_ratio"] = limited_log(rr / level)
            f["rr_change"] = limited_log(rr / recent[-1])
            f["rr_ratio_long"] = limited_log(rr / self.rr_long)
            f["rr_before_ratio"] = limited_log(recent[-1] / level)
            f["rr_variability"] = float(np.mean(changes)) if changes else 0.0
        f["rr"] = min(rr, 2.0) - 0.8
        f["rr_local"] = min(level, 2.0) - 0.8
        if rr <= 10.0:  # a gap or a standstill says nothing of the rhythm after it
            count = len(self.rr) + 1
            self.rr_long = self.rr_long + (rr - self.rr_long) / min(count, 64) if recent else rr
            self.rr.append(rr)
        return f, level

    def nearest(self, beat: Array) -> tuple[int | None, int]:
        """The template that the beat belongs to, and its lag there."""
        kept = [k for k, t in enumerate(self.templates) if t.share > 0]
        if not kept:
            return None, 0
        scored = {k: self.best_lag(beat, self.templates[k].shape) for k in kept}
        own = max(kept, key=lambda k: scored[k][0])
        correlation, lag = scored[own]
        fits = correlation >= 0.85 and self.alike_in_size(beat, self.templates[own].shape)
        return (own if fits else None), lag

    def alike_in_size(self, a: Array, b: Array) -> bool:
        low, high = sorted([self.size(a), self.size(b)])
        return high <= 1.6 * low

    def learn(self, beat: Array, own: int | None, lag: int) -> None:
        if own is None:
            own = int(np.argmin([t.share for t in self.templates]))
            self.templates[own] = Template(self.points)
            lag = 0
        t = self.templates[own]
        t.count = min(t.count + 1, 24)
        moved = beat[np.clip(np.arange(self.points) + lag, 0, self.points - 1)]
        t.shape = t.shape + (moved - t.shape) / t.count
        rate = 1 / min(self.beats + 1, 128)
        for other in self.templates:
            other.share *= 1 - rate
        t.share += rate
        self.merge(own)
        usual = self.standing(self.dominant)
        for k in range(len(self.templates)):
            if self.standing(k) > 1.25 * usual:
                usual, self.dominant = self.standing(k), k

    def merge(self, own: int) -> None:
        """Of templates that have come to resemble that one, the one of more beats is kept."""
        for k, other in enumerate(self.templates):
            t = self.templates[own]
            if k == own or not other.share > 0:
                continue
            if self.correlation(t.shape, other.shape, self.qrs) < 0.95:
                continue
            if not self.alike_in_size(t.shape, other.shape):
                continue
            keep, gone = (own, k) if t.count > other.count else (k, own)
            self.templates[keep].share += self.templates[gone].share
            self.templates[gone].share = self.templates[gone].count = 0
            if self.dominant == gone:
                self.dominant = keep
            own = keep

    def standing(self, k: int) -> float:
        t = self.templates[k]
        width = self.width(t.shape)
        return t.share / width**2 if t.share > 0 and width > 0 else 0.0

    def orient(self) -> None:
        usual = self.orientation * self.templates[self.dominant].shape
        part = usual[self.qrs[0] : self.qrs[1] + 1]
        if -part.min() > part.max() * (1.3 if self.beats else 1.0):
            self.orientation = -self.orientation

    def take(self, mv: Array, rr: float) -> tuple[Array, dict[str, float], float]:
        """A beat in mV and its RR interval; gives window, features and the RR level."""
        if self.beats < 8 and rr > 10.0:
            self.forget()
            rr = float("nan")
        f, level = self.rhythm(rr)
        self.sizes = [*self.sizes, self.size(mv)][-9:]
        unit = float(np.median(self.sizes))
        beat = mv / (unit if unit > 0 else 1.0)
        first = self.beats == 0
        if first:
            self.learn(beat, None, 0)
            self.orient()
        own, lag = self.nearest(beat)
        usual = self.templates[self.dominant].shape.copy()
        self.shape(f, beat, usual, own)
        self.context(f, usual)
        self.baseline.features(beat, rr, level, f)
        self.baseline.learn(beat, rr, f["own_dominant"] > 0.5)
        window = np.clip(self.orientation * np.stack([beat, usual], axis=1), -5, 5)
        if not first:
            self.learn(beat, own, lag)
            self.orient()
        self.previous = beat
        self.beats += 1
        return window, f, level

    def shape(self, f: dict[str, float], beat: Array, usual: Array, own: int | None) -> None:
        best, lag = self.best_lag(beat, usual)
        qrs_spread = self.spread(usual, self.qrs)
        part = beat[self.qrs[0] : self.qrs[1] + 1]
        size, usual_size = self.size(beat), self.size(usual)
        usual_width, usual_p = self.width(usual), self.spread(usual, self.p)
        f["qrs_correlation"] = best
        f["qrs_difference"] = self.difference(beat, usual, self.qrs, lag, qrs_spread)
        f["qrs_size"] = limited_log(size / usual_size) if usual_size > 0 else 0.0
        f["qrs_width"] = self.width(beat) / (self.qrs[1] - self.qrs[0])
        f["qrs_width_ratio"] = limited_log(self.width(beat) / usual_width) if usual_width > 0 else 0
        f["qrs_balance"] = self.orientation * (part.max() + part.min()) / size if size > 0 else 0.0
        f["p_correlation"] = self.correlation(beat, usual, self.p, lag)
        f["p_difference"] = self.difference(beat, usual, self.p, lag, 0.3 * qrs_spread)
        f["p_size"] = limited_log(self.spread(beat, self.p) / usual_p) if usual_p > 0 else 0.0
        f["t_correlation"] = self.correlation(beat, usual, self.t, lag)
        f["t_difference"] = self.difference(beat, usual, self.t, lag, qrs_spread)
        f["previous_correlation"] = (
            self.correlation(beat, self.previous, self.qrs) if self.beats else 0.0
        )
        f["own_share"] = 0.0 if own is None else self.templates[own].share
        f["own_dominant"] = float(own == self.dominant)
        f["experience"] = min(self.beats, 32) / 32

    def context(self, f: dict[str, float], usual: Array) -> None:
        f["rr_surprise"] = float(np.clip(f["rr_ratio"] / (0.04 + f["rr_variability"]), -10, 10))
        f["p_level"] = self.spread(usual, self.p)
        before, second = [*self.history, {}, {}][:2]
        for name in ("rr_ratio", "qrs_correlation", "qrs_width_ratio", "own_dominant"):
            f[f"before_{name}"] = before.get(name, 0.0)
        for name in ("qrs_correlation", "own_dominant"):
            f[f"second_{name}"] = second.get(name, 0.0)
        self.history = [f, *self.history][:2]


def look_ahead(f: dict[str, float], level: float, rr_next: float) -> None:
    """Fills in the next interval."""
    f["rr_next"] = limited_log(rr_next / level) if level > 0 else 0.0
    f["rr_next_known"] = 1.0
