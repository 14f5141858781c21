"""Habits of a patient, slowly: the home rhythm, and the P waves of beats in time and early."""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NAMES = (
    *("home_ratio", "home_level", "home_p_correlation", "home_p_difference"),
    "early_p_preference",
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


class PatientBaseline:
    """One patient's baseline; `p` are the first and last grid point of the P wave."""

    def __init__(self, p: tuple[int, int]) -> None:
        self.p = slice(p[0], p[1] + 1)
        self.home = 0.0
        self.undisturbed: list[float] = []
        self.was_early = self.was_usual = False
        self.late, self.early = Running(24), Running(24)

    def features(self, beat: Array, rr: float, level: float, f: dict[str, float]) -> None:
        f.update(dict.fromkeys(NAMES, 0.0))
        now = rr if rr > 0 else 0.0
        if self.home > 0:
            f["home_ratio"] = limited_log(now / self.home)
            f["home_level"] = limited_log(level / self.home)
        if self.late.count >= 3:
            wave, late = beat[self.p], np.asarray(self.late.value)
            far = float(np.std(wave - late))
            f["home_p_correlation"] = correlation(wave, late)
            f["home_p_difference"] = min(far / max(float(np.std(late)), 0.02), 4.0)
            if self.early.count >= 3:
                near = float(np.std(wave - np.asarray(self.early.value)))
                f["early_p_preference"] = (far - near) / (far + near + 0.02)

    def learn(self, beat: Array, rr: float, usual: bool) -> None:
        now = min(rr, 3.0) if rr > 0 else 0.0
        timed = now > 0 and self.home > 0
        change = limited_log(now / self.home) if timed else 0.0
        early = change < -0.15
        if usual and timed and early:
            self.early.take(beat[self.p])
        elif usual and timed and change > -0.08:
            self.late.take(beat[self.p])
        if usual and self.was_usual and now > 0:
            self.undisturbed.append(now)
            self.follow(now)
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
