"""Hearts as patients have them: a lead of a training window changed, and the beats still there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .draws import Draws, Floats, bump, cells_in
from .grid import GRID_FS

__all__ = [
    "flutter",
    "pacing",
    "standstill",
    "tachycardia",
    "ventricular",
    "waves_changed",
    "widened",
]


def waves_changed(draws: Draws, x: Floats, beats: npt.NDArray[np.float64]) -> Floats:
    """P, QRS and T larger or smaller than they were, alike in all beats."""
    if not len(beats):
        return x
    rr = float(np.median(np.diff(beats))) if len(beats) > 1 else cells_in(0.8)
    gain = np.ones_like(x)
    p, qrs, t = 1.0, 1.0, 1.0
    if draws.chance(0.5):
        t = draws.ratio(0.5, 5.0)
    if draws.chance(0.4):
        p = draws.ratio(0.5, 4.0)
    if draws.chance(0.4):
        qrs = draws.ratio(0.25, 1.0)
    middle = draws.ratio(0.6, 1.1)
    for beat in beats:
        where, shape = bump(len(x), beat, 9, 9)
        gain[where] += (qrs - 1.0) * shape
        late = min(0.30 * GRID_FS * middle, 0.45 * rr)
        where, shape = bump(len(x), beat + late, min(18, late - 8), 0.25 * rr)
        gain[where] += (t - 1.0) * shape
        early = min(0.17 * GRID_FS, 0.3 * rr)
        where, shape = bump(len(x), beat - early, 12, max(4.0, early - 8))
        gain[where] += (p - 1.0) * shape
    return np.asarray((x - np.median(x)) * np.maximum(gain, 0.1), np.float32)


def widened(draws: Draws, x: Floats) -> Floats:
    """Smooth, wide complexes: bundle branch block, ventricular pacing."""
    width = int(draws.rng.integers(4, 14))
    box = np.ones(width) / width
    smooth = np.convolve(np.convolve(x, box, "same"), box, "same").astype(np.float32)
    return np.asarray(smooth * (np.std(x) / (np.std(smooth) + 1e-6)), np.float32)


def ventricular(
    draws: Draws, x: Floats, beats: npt.NDArray[np.float64]
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Ventricular beats of one focus: wide complexes, a T wave against them, no P wave.

    All beats, now and then, or every second or third beat; early as a rule. Their flanks may be no
    steeper than those of a T wave.
    """
    rng = draws.rng
    coupling = draws.between(0.55, 1.0)
    if draws.chance(0.25):
        chosen, coupling = np.ones(len(beats), bool), 1.0
    elif draws.chance(0.5):
        chosen = rng.random(len(beats)) < draws.between(0.1, 0.4)
    else:
        chosen = np.arange(len(beats)) % int(rng.integers(2, 4)) == 1
    y, moved = x.copy(), beats.copy()
    wave, peak = _ventricular_wave(draws)
    rr = np.diff(beats, prepend=beats[0] - np.median(np.diff(beats)))
    for i in np.flatnonzero(chosen):
        first, last = beats[i] - 0.22 * GRID_FS, beats[i] + min(0.5 * GRID_FS, 0.68 * rr[i])
        if i + 1 < len(beats):
            last = min(last, beats[i + 1] - 0.2 * GRID_FS)
        first, last = max(int(first), 0), min(int(last), len(x) - 1)
        at = round(beats[i] - max(rr[i] - max(coupling * rr[i], 0.3 * GRID_FS), 0.0))
        begin = at - peak
        if last - first < 2 or begin < 0 or begin + len(wave) > len(x):
            continue
        y[first : last + 1] = np.linspace(y[first], y[last], last - first + 1)
        y[begin : begin + len(wave)] += wave * np.float32(rng.normal(1.0, 0.07))
        moved[i] = at
    return y, moved


def _ventricular_wave(draws: Draws) -> tuple[Floats, int]:
    """A wide complex with its T wave, in heights of the complexes, and where its R peak is."""
    width, rise = cells_in(draws.between(0.12, 0.24)), draws.between(0.3, 0.7)
    peak = max(2, round(rise * width))
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(peak) / peak)
    down = 0.5 + 0.5 * np.cos(np.pi * np.arange(width - peak) / max(width - peak, 1))
    qrs = np.concatenate([up, down]) ** draws.between(0.7, 1.6)
    if draws.chance(0.3):
        qrs = np.minimum(qrs / draws.between(0.4, 0.9), 1.0)
    if draws.chance(0.4):
        notch, _ = bump(width, peak + draws.between(-0.3, 0.4) * width, 2, 2)
        qrs[notch] *= draws.between(0.4, 0.9)
    long = cells_in(draws.between(0.18, 0.36))
    against = np.sin(np.pi * np.arange(1, long + 1) / (long + 1)) ** 2
    st = np.zeros(cells_in(draws.between(0.0, 0.08)))
    parts = [qrs, st, -draws.between(0.2, 0.9) * against]
    height = draws.ratio(0.5, 2.2) * draws.polarity()
    return (height * np.concatenate(parts)).astype(np.float32), peak


def standstill(
    draws: Draws, x: Floats, beats: npt.NDArray[np.float64]
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """QRS complexes that stay away: for seconds, or one in two or three, P waves going on.

    Those of the recording, or others with a rhythm of their own, as in third-degree block.
    """
    x = x.copy()
    apart = draws.chance(0.4)
    gone = np.zeros(len(beats), bool)
    if draws.chance(0.6):
        begin = draws.between(0, 0.8 * len(x))
        gone = (beats > begin) & (beats < begin + draws.between(2.0, 12.0) * GRID_FS)
    else:
        gone = draws.rng.random(len(beats)) < draws.between(0.2, 0.7)
    rr = float(np.median(np.diff(beats)))
    p = draws.ratio(1.0, 3.0) if draws.chance(0.5) else 1.0
    for beat in beats[gone]:
        _erase(x, float(beat), rr, 0.25 if apart else draws.between(0.065, 0.095))
        if apart:
            continue
        early = min(0.17 * GRID_FS, 0.3 * rr)
        where, shape = bump(len(x), beat - early, 12, max(4.0, early - 6))
        level = np.float32(np.median(x[where])) if len(x[where]) else np.float32(0)
        x[where] += (p - 1.0) * shape * (x[where] - level)
    if apart:
        _p_waves(draws, x)
    return x, beats[~gone]


def _p_waves(draws: Draws, x: Floats) -> None:
    """Add P waves that keep time, in heights of the complexes."""
    period = draws.between(0.45, 1.3) * GRID_FS
    height = draws.ratio(0.05, 0.4) * (1.0 if draws.chance(0.8) else -1.0)
    before, after = cells_in(draws.between(0.03, 0.08)), cells_in(draws.between(0.03, 0.08))
    at = draws.between(0.0, period)
    while at < len(x):
        where, shape = bump(len(x), at, before, after)
        x[where] += np.float32(height * draws.rng.normal(1.0, 0.05)) * shape
        at += period * float(draws.rng.normal(1.0, 0.02))


def _erase(x: Floats, beat: float, rr: float, before: float) -> None:
    """Cut QRS and T out, from so many seconds before the R peak on."""
    first = int(beat - before * GRID_FS)
    last = int(beat + min(0.5 * GRID_FS, 0.68 * rr))
    first, last = max(first, 0), min(last, len(x) - 1)
    if last > first:
        x[first : last + 1] = np.linspace(x[first], x[last], last - first + 1)


def tachycardia(
    draws: Draws, x: Floats, beats: npt.NDArray[np.float64]
) -> tuple[Floats, npt.NDArray[np.float64]]:
    """One beat again and again at 170 to 300 a minute, from some moment on."""
    rng = draws.rng
    beat = int(beats[int(rng.integers(1, len(beats) - 1))])
    period = draws.between(0.2, 0.35) * GRID_FS
    before, after = int(0.42 * period), int(0.9 * period)
    if beat - before < 0 or beat + after > len(x):
        return x, beats
    one = x[beat - before : beat + after].copy()
    one -= np.linspace(one[0], one[-1], len(one), dtype=np.float32)
    fade = max(1, int(0.35 * period))
    one[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    begin = int(draws.between(0, 0.7 * len(x))) if draws.chance(0.6) else 0
    earlier = beats[beats < begin]
    y = x.copy()
    y[begin:] = y[max(begin - 1, 0)]
    at, new = float(begin + before), []
    while at + after < len(x):
        k = round(at)
        y[k - before : k + after] += one * np.float32(rng.normal(1.0, 0.05))
        new.append(k)
        at += period * float(rng.normal(1.0, 0.01))
    if not new:
        return x, beats
    y[int(new[-1]) + after :] = y[int(new[-1]) + after - 1]
    return y, np.concatenate([earlier, np.asarray(new, np.float64)])


def flutter(draws: Draws, x: Floats) -> Floats:
    """Flutter waves under the complexes: a sawtooth of 3.5 to 6 Hz."""
    phase = np.cumsum(draws.rng.normal(draws.between(3.5, 6.0), 0.2, len(x))) / GRID_FS
    saw = phase % 1.0
    rise = draws.between(0.2, 0.8)
    wave = np.where(saw < rise, saw / rise, (1.0 - saw) / (1.0 - rise)) - 0.5
    wave = np.convolve(wave, np.ones(5) / 5, "same")
    return x + (draws.ratio(0.05, 0.4) * wave).astype(np.float32)


def pacing(draws: Draws, x: Floats, beats: npt.NDArray[np.float64]) -> Floats:
    """Spikes of a pacemaker before P, before QRS, or wherever it fires in vain."""
    x = x.copy()
    height = draws.ratio(0.3, 4.0) * draws.polarity()
    delays = [draws.between(0.02, 0.12)]
    if draws.chance(0.5):
        delays.append(delays[0] + draws.between(0.1, 0.22))
    if draws.chance(0.25):
        beats = np.arange(draws.between(0, 60), len(x), draws.between(0.6, 1.2) * GRID_FS)
    tail = draws.between(0.0, 0.3) if draws.chance(0.4) else 0.0
    for beat in beats:
        for delay in delays:
            at = beat - delay * GRID_FS
            k = int(at)
            if not 0 <= k < len(x) - 8:
                continue
            part = np.float32(at - k)
            x[k] += height * (1 - part)
            x[k + 1] += height * part
            if tail:
                x[k + 1 : k + 7] -= np.float32(tail * height) * np.exp(-np.arange(6) / 2.5)
    return x
