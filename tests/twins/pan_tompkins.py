"""Pan-Tompkins detection of one lead written out slowly: the twin of `csrc/src/pan_tompkins`.

From the description, with NumPy and SciPy over whole arrays where the kernel streams: SciPy designs
the filter, the moving-window integral is summed anew at each step, and every decision looks things
up in arrays of the whole recording.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy

from .lead import cleaned
from .rpeak import Refiner, flickers

BLOCKS = 4
NEVER = -(10**12)


def nearest(seconds: float, rate: float) -> int:
    return max(1, math.floor(seconds * rate + 0.5))


@dataclass
class Peak:
    about: int
    height: float
    slope: float


@dataclass
class Levels:
    signal: float = 0.0
    noise: float = 0.0
    slope: float = 0.0
    last: int = NEVER
    idle: int = 0
    noisy: bool = False
    calm: int = 0
    even: int = 0
    interval: int = 0
    height: float = 0.0
    rr: list[float] = field(default_factory=list)


class Decision:
    """Everything after the integral."""

    def __init__(self, clean: np.ndarray, fs: float, limit: int | None) -> None:
        self.clean, self.fs, self.limit = clean, fs, limit
        self.refiner = Refiner(fs)
        self.count = 0  # samples seen
        self.levels = Levels()
        self.waiting: list[Peak] = []
        self.energies: list[float] = []
        self.found: list[int] = []
        self.reported = self.last_r = NEVER
        self.heights: list[tuple[float, int]] = []

    def signal(self, at: int) -> float:
        v = self.levels
        pause, half = (0.8, 0.3) if v.noisy else (1.4, 1.2)
        wait = (at - v.last - v.idle) / self.fs - pause
        if v.last == NEVER or wait <= 0:
            return v.signal
        return v.signal * 2.0 ** -min(40.0, wait / half)

    def threshold(self, signal: float, share: float) -> float:
        noise = self.levels.noise
        return max(share * (noise + 0.36 * (signal - noise)), 1.4 * noise)

    def t_wave(self, p: Peak) -> bool:
        v = self.levels
        return p.about - v.last < 0.33 * self.fs and p.slope < 0.65 * v.slope

    def mean_rr(self) -> float:
        return float(np.mean(self.levels.rr[-8:])) if self.levels.rr else self.fs

    def busy(self, level: float) -> float:
        """Share of the last blocks with more than that share of a beat's energy."""
        recent = np.array(self.energies[-64:])
        if len(recent) < 24:
            return 0.0
        return float(np.mean(recent > level * self.levels.signal**2 / BLOCKS))

    def noise(self) -> bool:
        v, share = self.levels, self.busy(0.1)
        restless = share > 0.7 or self.busy(0.0625) > 0.75 or v.signal < 2.2 * v.noise
        return share > 0.8 or (v.calm < 8 and v.even < 8 and restless)

    def look_anew(
        self, height: float, step: int, block: int, longest: int
    ) -> tuple[float, int] | None:
        """Levels from this peak and one before that is alike, if they are off; the other one."""
        v = self.levels
        since = (self.count - v.last) / self.fs
        misfit = height > 2.4 * v.signal or (since > 1.6 and height < 0.65 * v.signal)
        if not misfit and not v.noisy and (v.calm >= 8 or v.noise <= 0.65 * height):
            return None
        last = self.heights[-16:]
        high = [k for k, (h, _) in enumerate(last) if h >= 0.65 * height]
        if not high or 0.65 * last[high[-1]][0] > height or step - last[high[-1]][1] > longest:
            return None
        between = [h for h, _ in last[high[-1] + 1 :]]
        first, end = last[high[-1]][1] // block + 1, (step - BLOCKS * block) // block
        if end - first < BLOCKS:
            return None
        quiet = np.sum(np.array(self.energies[first:end]) <= 0.0625 * height**2 / BLOCKS)
        if 3 * quiet < 2 * (end - first):
            return None
        v.signal, v.noise = height, float(np.mean(between)) if between else 0.0
        v.noisy, v.idle = True, self.count - v.last
        return last[high[-1]]

    def accept_before(self, p: Peak, steps: int, group: int, height: float, oldest: int) -> None:
        """The first of two peaks that are alike, `steps` before the second."""
        about, v = p.about - steps * group, self.levels
        since = about - v.last
        if since < max(0.19 * self.fs, 0.65 * self.mean_rr()) or self.count - about > oldest:
            return
        self.accept(Peak(about, height, p.slope), v.signal, searched=True)

    def accept(self, p: Peak, signal: float, searched: bool) -> None:
        v = self.levels
        interval = p.about - v.last
        alike = 0.65 * max(p.height, v.height) <= min(p.height, v.height)
        even = abs(interval - v.interval) < 0.1 * v.interval and alike
        v.even = min(v.even + 1, 8) if even else 0
        v.interval, v.height = interval, p.height
        lost = v.noisy or signal < 0.7 * v.signal
        if v.last != NEVER and not v.idle and not lost:
            v.rr.append(p.about - v.last)
        height = p.height if lost else min(p.height, 2.4 * v.signal)
        v.signal = signal + (0.5 if lost else 0.35 if searched else 0.125) * (height - signal)
        v.slope, v.last, v.idle = p.slope, p.about, 0
        self.waiting = [q for q in self.waiting if q.about > p.about]
        v.noisy = self.noise()
        v.calm = 0 if v.noisy and v.calm < 24 else min(v.calm + 1, 24)
        if v.noisy or p.about - self.reported < 0.19 * self.fs:
            return
        r = self.refiner.refined(self.clean, p.about, self.count)
        if self.limit is not None and self.count - r > self.limit:
            return
        self.reported = p.about
        if r > self.last_r:
            self.last_r = r
            self.found.append(r)

    def decide(self, p: Peak) -> None:
        v = self.levels
        if p.about - v.last < 0.19 * self.fs:
            return
        signal = self.signal(p.about)
        if p.height > self.threshold(signal, 1.0) and not self.t_wave(p):
            self.accept(p, signal, searched=False)
        else:
            v.noise += 0.1 * (min(p.height, 2.4 * v.signal) - v.noise)
            self.waiting = [*self.waiting, p][-32:]

    def search_back(self, oldest: int, seen_after: int) -> None:
        while self.waiting and self.count >= self.levels.last + 1.66 * self.mean_rr() + seen_after:
            signal = self.signal(self.count)
            fit = [
                p
                for p in self.waiting
                if p.height > self.threshold(signal, 0.6)
                and self.count - p.about <= oldest
                and p.about - self.levels.last >= 0.19 * self.fs
                and not self.t_wave(p)
            ]
            if not fit:
                return
            self.accept(max(fit, key=lambda p: p.height), signal, searched=True)

    def start(self) -> None:
        """Levels from the peaks of the first seconds, then these peaks one by one."""
        v, heights = self.levels, np.array([p.height for p in self.waiting])
        low = heights[heights < 0.4 * heights.max()]
        v.signal = 0.7 * heights.max()
        v.noise = float(low.mean()) if len(low) else 0.0
        peaks, self.waiting = self.waiting, []
        for p in peaks:
            self.decide(p)


def detected(signal: np.ndarray, fs: float, max_delay: float | None = None) -> np.ndarray:
    """R peaks of one lead (n,) in samples, in the order of their report."""
    clean, nothing = cleaned(signal, fs)
    group = 1 if fs < 320 else math.floor(fs / 160)
    rate = fs / group
    steps = len(clean) // group
    _, poles, _ = scipy.signal.butter(2, [5.0, 15.0], "bandpass", fs=rate, output="zpk")
    coefficients = np.real(np.poly(poles))
    sums = clean[: steps * group].astype(float).reshape(-1, group).sum(axis=1)
    band = scipy.signal.lfilter(np.poly([1, 1, -1, -1]), coefficients, sums)
    low, high = (math.tan(math.pi * f / rate) for f in (5.0, 15.0))
    centre = 2 * math.atan(math.sqrt(low * high))
    lag = float(scipy.signal.group_delay((np.poly([1, 1, -1, -1]), coefficients), [centre])[1][0])
    delay = math.floor(lag * group + 0.5 * (group - 1) + 0.5)
    block, lookback = nearest(0.172 / BLOCKS, rate), nearest(0.018, rate)
    width, hold = BLOCKS * block, nearest(0.2, rate)
    squared = (band - np.concatenate([np.zeros(lookback), band])[: len(band)]) ** 2
    integral = np.array([squared[max(0, i + 1 - width) : i + 1].sum() for i in range(steps)])

    limit = None if max_delay is None else math.floor(max_delay * fs)
    first = nearest(2.2, fs) if limit is None else min(nearest(2.2, fs), limit)
    oldest = nearest(1.1, fs) if limit is None else min(nearest(1.1, fs), limit)
    seen_after = delay + width * group // 2

    d = Decision(clean, fs, limit)
    started = False
    begin = math.inf
    rising, peak, peak_at = False, 0.0, 0
    passed: list[tuple[float, int]] = []

    def examine(value: float, step: int) -> Peak:
        window = slice(max(0, step - width - lookback), step + 1)
        at = window.start + int(np.argmax(np.abs(band[window])))
        about = max(0, (at + 1) * group - 1 - delay)
        return Peak(about, math.sqrt(value), math.sqrt(squared[window].max()))

    def end_of_block() -> None:
        nonlocal started, rising, peak
        if limit is not None and started and rising:
            p = examine(peak, peak_at)
            r = min(p.about, d.refiner.refined(clean, p.about, d.count, learn=False))
            if d.count + block * group - r > limit:
                passed.append((peak, peak_at))
                rising, peak = False, integral[d.count // group - 1]
        for value, step in passed:
            if flickers(clean[: d.count], (step - width // 2) * group - delay, fs):
                continue
            other = None
            if started:
                other = d.look_anew(math.sqrt(value), step, block, nearest(2.2, rate))
            d.heights.append((math.sqrt(value), step))
            if not started:
                d.waiting = [*d.waiting, examine(value, step)][-32:]
            elif math.sqrt(value) < 1.4 * d.levels.noise:
                height = min(math.sqrt(value), 2.4 * d.levels.signal)
                d.levels.noise += 0.1 * (height - d.levels.noise)
            else:
                p = examine(value, step)
                if other:
                    d.accept_before(p, step - other[1], group, other[0], first)
                d.decide(p)
        passed.clear()
        if not started and d.waiting and d.count >= begin:
            started = True
            d.start()
        if started:
            d.search_back(oldest, seen_after)

    for i in range(steps):
        if integral[i] > peak:
            rising, peak, peak_at = True, integral[i], i
        elif not rising:
            peak = integral[i]
        elif integral[i] < 0.6 * peak or i - peak_at >= hold:
            passed.append((peak, peak_at))
            rising, peak = False, integral[i]
        if (i + 1) % block == 0:
            d.count = (i + 1) * group
            of_block = slice(d.count - block * group, d.count)
            d.energies.append(float(squared[i + 1 - block : i + 1].sum()))
            if started and d.energies[-1] > 1e10 * d.levels.signal**2:  # at rest again
                d.energies[-BLOCKS:] = [0.0] * BLOCKS
                moves = (sums - np.concatenate([np.zeros(2), sums])[:steps])[i + 1 :]
                band[: i + 1], band[i + 1 :] = (
                    0,
                    scipy.signal.lfilter([1, 0, -1], coefficients, moves),
                )
                squared = (band - np.concatenate([np.zeros(lookback), band])[:steps]) ** 2
                integral[i + 1 :] = [
                    squared[max(0, k + 1 - width) : k + 1].sum() for k in range(i + 1, steps)
                ]
                rising, peak = False, 0.0
                passed.clear()
            if begin == math.inf and d.energies[-1] > 0:
                begin = of_block.start + first
            if nothing[of_block].any():
                d.levels.idle += block * group
            end_of_block()
    d.count = len(clean)
    if rising:
        passed.append((peak, peak_at))
        rising = False
    begin = 0
    end_of_block()
    return np.array(d.found, np.int64)
