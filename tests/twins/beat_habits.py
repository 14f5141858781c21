"""Habits of a patient, slowly: lists of everything, quantiles and averages anew at every beat."""

from __future__ import annotations

from itertools import pairwise
from math import log

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SHAPES = ("qrs_difference", "qrs_size", "p_correlation", "p_difference", "p_size", "t_difference")
NAMES = (
    *("home_ratio", "home_level", "rr_ratio_median", "rr_ratio_high", "rr_spread"),
    *("rr_irregularity", "rr_irregular_share", *(f"{name}_score" for name in SHAPES)),
    *("usual_qrs_difference", "usual_p_correlation", "home_p_correlation", "home_p_difference"),
    *("early_p_preference", "early_share", "other_share"),
)


def limited_log(ratio: float) -> float:
    """Natural logarithm within 1.5; 0 where there is none."""
    return float(np.clip(log(ratio), -1.5, 1.5)) if ratio > 0 else 0.0


def correlation(a: Array, b: Array) -> float:
    da, db = a - a.mean(), b - b.mean()
    if len(a) < 2 or not (da @ da > 1e-9 * (a @ a) and db @ db > 1e-9 * (b @ b)):
        return 0.0
    return float(da @ db / np.sqrt((da @ da) * (db @ db)))


class Running:
    """An average that forgets."""

    def __init__(self, memory: int) -> None:
        self.memory, self.count, self.value = memory, 0, 0.0

    def take(self, x: float | Array) -> None:
        self.count = min(self.count + 1, self.memory)
        self.value = self.value + (x - self.value) / self.count


class Habits:
    """One patient's habits; `p` are the first and last grid point of the P wave."""

    def __init__(self, p: tuple[int, int]) -> None:
        self.p = slice(p[0], p[1] + 1)
        self.home = 0.0
        self.intervals: list[float] = []  # all
        self.undisturbed: list[float] = []
        self.was_early = self.was_usual = False
        self.early_share, self.other_share = Running(64), Running(64)
        self.scattered = 0
        self.mean, self.variance = np.zeros(6), np.full(6, 0.05)
        self.late, self.early = Running(24), Running(24)

    def features(self, beat: Array, rr: float, level: float, f: dict[str, float]) -> None:
        f.update(dict.fromkeys(NAMES, 0.0))
        now = rr if rr > 0 else 0.0
        if self.home > 0:
            f["home_ratio"] = limited_log(now / self.home)
            f["home_level"] = limited_log(level / self.home)
        recent = sorted(self.undisturbed[-64:])
        if len(recent) > 1:
            low, middle, high = (
                recent[((len(recent) - 1) * tenths + 5) // 10] for tenths in (1, 5, 9)
            )
            f["rr_ratio_median"] = limited_log(now / middle)
            f["rr_ratio_high"] = limited_log(now / high)
            f["rr_spread"] = limited_log(high / low)
        changes = [abs(limited_log(b / a)) for a, b in pairwise(self.intervals[-33:])]
        if changes:
            f["rr_irregularity"] = float(np.mean(changes))
            f["rr_irregular_share"] = float(np.mean([c > 0.08 for c in changes]))
        if self.scattered >= 4:
            for i, name in enumerate(SHAPES):
                score = (f[name] - self.mean[i]) / np.sqrt(self.variance[i] + 1e-3)
                f[f"{name}_score"] = float(np.clip(score, -8, 8))
            f["usual_qrs_difference"], f["usual_p_correlation"] = self.mean[0], self.mean[2]
        if self.late.count >= 3:
            wave, late = beat[self.p], np.asarray(self.late.value)
            far = float(np.std(wave - late))
            f["home_p_correlation"] = correlation(wave, late)
            f["home_p_difference"] = min(far / max(float(np.std(late)), 0.02), 4.0)
            if self.early.count >= 3:
                near = float(np.std(wave - np.asarray(self.early.value)))
                f["early_p_preference"] = (far - near) / (far + near + 0.02)
        f["early_share"] = float(self.early_share.value)
        f["other_share"] = float(self.other_share.value)

    def learn(self, beat: Array, rr: float, f: dict[str, float]) -> None:
        now = min(rr, 3.0) if rr > 0 else 0.0
        usual = f["own_dominant"] > 0.5
        timed = now > 0 and self.home > 0
        change = limited_log(now / self.home) if timed else 0.0
        early = change < -0.15
        self.early_share.take(float(early))
        self.other_share.take(float(not usual))
        if usual and not early:
            self.scatter(f)
        if usual and timed and early:
            self.early.take(beat[self.p])
        elif usual and timed and change > -0.08:
            self.late.take(beat[self.p])
        if usual and self.was_usual and now > 0:
            self.undisturbed.append(now)
            self.follow(now)
        if now > 0:
            self.intervals.append(now)
        self.was_early, self.was_usual = early, usual

    def follow(self, now: float) -> None:
        if len(self.undisturbed) <= 16:
            self.home = sorted(self.undisturbed)[len(self.undisturbed) // 2]
            return
        change = limited_log(now / self.home)
        if change > 0.12 and self.was_early:
            return
        memory = 1024 if change < -0.12 else 8
        self.home += (min(now, 1.5 * self.home) - self.home) / memory

    def scatter(self, f: dict[str, float]) -> None:
        self.scattered += 1
        shapes = np.array([f[name] for name in SHAPES])
        if self.scattered == 1:
            self.mean = shapes
            return
        rate = 1 / min(self.scattered, 32)
        limit = 3 * np.sqrt(self.variance + 1e-3)
        off = np.clip(shapes - self.mean, -limit, limit)
        self.mean = self.mean + rate * off
        self.variance = (1 - rate) * (self.variance + rate * off**2)
