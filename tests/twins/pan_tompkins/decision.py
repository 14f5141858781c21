"""Which peaks of the integral are beats, and when they are reported (`pan_tompkins_decision.c`)."""

from __future__ import annotations

import math

import numpy as np

from ..rpeak import flickers
from .constants import (
    ALIKE,
    BLOCKS,
    BUSY,
    BUSY_LEVEL,
    CALM,
    CALM_BEATS,
    CALM_LEVEL,
    CALM_LOW,
    CALM_RATIO,
    EARLY_RR,
    EVEN,
    FADE_AFTER_S,
    FADE_MOST,
    FADE_S,
    FIRST,
    HEIGHTS,
    HISTORY,
    HISTORY_MIN,
    KNOWN_BEATS,
    LOST_RATE,
    LOST_SHARE,
    MISFIT_S,
    NEVER,
    NOISE_FADE_S,
    NOISE_FLOOR,
    NOISE_RATE,
    NOISE_WAIT_S,
    PEAKS,
    REFRACTORY_S,
    RR_KEPT,
    SEARCH_RATE,
    SEARCH_RR,
    SECOND,
    SIGNAL_CAP,
    SIGNAL_RATE,
    SLOPE,
    START_LEVEL,
    START_SPLIT,
    T_WAVE_S,
)
from .state import Peak, State


def signal_at(s: State, at: int) -> float:
    """The signal level, which fades in a long pause."""
    v = s.levels
    pause, half = (NOISE_WAIT_S, NOISE_FADE_S) if v.noisy else (FADE_AFTER_S, FADE_S)
    wait = (at - v.last - v.idle) / s.fs - pause
    if v.last == NEVER or wait <= 0:
        return v.signal
    return v.signal * 2.0 ** -min(FADE_MOST, wait / half)


def threshold(s: State, signal: float, share: float) -> float:
    noise = s.levels.noise
    return max(share * (noise + FIRST * (signal - noise)), NOISE_FLOOR * noise)


def is_t_wave(s: State, p: Peak) -> bool:
    v = s.levels
    return p.about - v.last < T_WAVE_S * s.fs and p.slope < SLOPE * v.slope


def mean_rr(s: State) -> float:
    return float(np.mean(s.levels.rr[-RR_KEPT:])) if s.levels.rr else s.fs


def busy(s: State, level: float) -> float:
    """Share of the last blocks with more than that share of a beat's energy."""
    recent = np.array(s.energies[-HISTORY:])
    if len(recent) < HISTORY_MIN:
        return 0.0
    return float(np.mean(recent > level * s.levels.signal**2 / BLOCKS))


def is_noise(s: State) -> bool:
    v, share = s.levels, busy(s, BUSY_LEVEL)
    low = busy(s, CALM_LEVEL) > CALM_LOW
    restless = share > CALM or low or v.signal < CALM_RATIO * v.noise
    return share > BUSY or (v.calm < CALM_BEATS and v.even < CALM_BEATS and restless)


def learn_noise(s: State, height: float) -> None:
    v = s.levels
    v.noise += NOISE_RATE * (min(height, SIGNAL_CAP * v.signal) - v.noise)


def look_anew(s: State, height: float, step: int) -> tuple[float, int] | None:
    """Levels from this peak and one before that is alike, if they are off; the other one."""
    v = s.levels
    since = (s.count - v.last) / s.fs
    misfit = height > SIGNAL_CAP * v.signal or (since > MISFIT_S and height < ALIKE * v.signal)
    if not misfit and not v.noisy and (v.calm >= CALM_BEATS or v.noise <= ALIKE * height):
        return None
    last = s.heights[-HEIGHTS:]
    high = [k for k, (h, _) in enumerate(last) if h >= ALIKE * height]
    if not high or ALIKE * last[high[-1]][0] > height or step - last[high[-1]][1] > s.pair:
        return None
    between = [h for h, _ in last[high[-1] + 1 :]]
    first, end = last[high[-1]][1] // s.block + 1, (step - s.width) // s.block
    if end - first < BLOCKS:
        return None
    quiet = np.sum(np.array(s.energies[first:end]) <= CALM_LEVEL * height**2 / BLOCKS)
    if 3 * quiet < 2 * (end - first):
        return None
    v.signal, v.noise = height, float(np.mean(between)) if between else 0.0
    v.noisy, v.idle = True, s.count - v.last
    return last[high[-1]]


def accept_before(s: State, p: Peak, steps: int, height: float) -> None:
    """The first of two peaks that are alike, `steps` before the second."""
    about, v = p.about - steps * s.group, s.levels
    since = about - v.last
    if since < max(REFRACTORY_S * s.fs, EARLY_RR * mean_rr(s)) or s.count - about > s.first:
        return
    accept(s, Peak(about, height, p.slope), v.signal, searched=True)


def accept(s: State, p: Peak, signal: float, searched: bool) -> None:
    v = s.levels
    interval = p.about - v.last
    alike = ALIKE * max(p.height, v.height) <= min(p.height, v.height)
    even = abs(interval - v.interval) < EVEN * v.interval and alike
    v.even = min(v.even + 1, CALM_BEATS) if even else 0
    v.interval, v.height = interval, p.height
    lost = v.noisy or signal < LOST_SHARE * v.signal
    if v.last != NEVER and not v.idle and not lost:
        v.rr.append(p.about - v.last)
    height = p.height if lost else min(p.height, SIGNAL_CAP * v.signal)
    rate = LOST_RATE if lost else SEARCH_RATE if searched else SIGNAL_RATE
    v.signal = signal + rate * (height - signal)
    v.slope, v.last, v.idle = p.slope, p.about, 0
    s.waiting = [q for q in s.waiting if q.about > p.about]
    v.noisy = is_noise(s)
    v.calm = 0 if v.noisy and v.calm < KNOWN_BEATS else min(v.calm + 1, KNOWN_BEATS)
    if not v.noisy:
        report(s, p)


def report(s: State, p: Peak) -> None:
    if p.about - s.reported < REFRACTORY_S * s.fs:
        return
    r = s.refiner.refined(s.clean, p.about, s.count)
    if s.limit is not None and s.count - r > s.limit:
        return
    s.reported = p.about
    if not s.found or r > s.found[-1]:
        s.found.append(r)


def decide(s: State, p: Peak) -> None:
    if p.about - s.levels.last < REFRACTORY_S * s.fs:
        return
    signal = signal_at(s, p.about)
    if p.height > threshold(s, signal, 1.0) and not is_t_wave(s, p):
        accept(s, p, signal, searched=False)
    else:
        learn_noise(s, p.height)
        s.waiting = [*s.waiting, p][-PEAKS:]


def search_back(s: State) -> None:
    seen_after = s.delay + s.width * s.group // 2
    while s.waiting and s.count >= s.levels.last + SEARCH_RR * mean_rr(s) + seen_after:
        signal = signal_at(s, s.count)
        fit = [
            p
            for p in s.waiting
            if p.height > threshold(s, signal, SECOND)
            and s.count - p.about <= s.oldest
            and p.about - s.levels.last >= REFRACTORY_S * s.fs
            and not is_t_wave(s, p)
        ]
        if not fit:
            return
        accept(s, max(fit, key=lambda p: p.height), signal, searched=True)


def start(s: State) -> None:
    """Levels from the peaks of the first seconds, then these peaks one by one."""
    v, heights = s.levels, np.array([p.height for p in s.waiting])
    low = heights[heights < START_SPLIT * heights.max()]
    v.signal = START_LEVEL * heights.max()
    v.noise = float(low.mean()) if len(low) else 0.0
    peaks, s.waiting, s.started = s.waiting, [], True
    for p in peaks:
        decide(s, p)


def examine(s: State, value: float, step: int) -> Peak:
    window = slice(max(0, step - s.width - s.lookback), step + 1)
    at = window.start + int(np.argmax(np.abs(s.band[window])))
    about = max(0, (at + 1) * s.group - 1 - s.delay)
    return Peak(about, math.sqrt(value), math.sqrt(s.squared[window].max()))


def on_peak(s: State, value: float, step: int) -> None:
    """The integral has passed a peak."""
    if flickers(s.clean[: s.count], (step - s.width // 2) * s.group - s.delay, s.fs):
        return
    height = math.sqrt(value)
    other = look_anew(s, height, step) if s.started else None
    s.heights.append((height, step))
    if not s.started:
        s.waiting = [*s.waiting, examine(s, value, step)][-PEAKS:]
    elif height < NOISE_FLOOR * s.levels.noise:
        learn_noise(s, height)
    else:
        p = examine(s, value, step)
        if other:
            accept_before(s, p, step - other[1], other[0])
        decide(s, p)


def hurry(s: State) -> None:
    """A peak counts as passed where its R peak would be too old at the end of the next block."""
    if s.limit is None or not s.started or not s.rising:
        return
    p = examine(s, s.peak, s.peak_at)
    r = min(p.about, s.refiner.refined(s.clean, p.about, s.count, learn=False))
    if s.count + s.block * s.group - r > s.limit:
        s.passed.append((s.peak, s.peak_at))
        s.rising, s.peak = False, s.integral[s.count // s.group - 1]


def end_of_block(s: State) -> None:
    hurry(s)
    for value, step in s.passed:
        on_peak(s, value, step)
    s.passed.clear()
    if not s.started and s.waiting and s.count >= s.begin:
        start(s)
    if s.started:
        search_back(s)
