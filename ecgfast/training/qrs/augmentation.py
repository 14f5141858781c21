"""Training windows of the QRS score.

Cuts of recordings, changed in the ways in which patients and devices differ, with the beats that
are still there afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .grid import BLOCK, GRID_FS, network_input
from .recordings import Noise, Strip

__all__ = ["SHARES", "WindowMaker", "Windows"]

SHARES = {"mitdb": 0.32, "svdb": 0.24, "nsrdb": 0.08, "qtdb": 0.11, "ludb": 0.25}
"""Share of the windows that each database gives: between its size and an equal part."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Windows:
    """A batch of windows.

    Attributes
    ----------
    inputs : ndarray of float32, shape (windows, cells, 2)
        What the network sees.
    targets : ndarray of float32, shape (windows, cells)
        1 where a QRS complex is, 0 where none is.
    weights : ndarray of float32, shape (windows, cells)
        0 where that is not known, or too close to a beat's edge to matter.
    """

    inputs: Floats
    targets: Floats
    weights: Floats


def _cells(seconds: float) -> int:
    return max(1, round(seconds * GRID_FS))


def _bump(n: int, at: float, before: float, after: float) -> tuple[slice, Floats]:
    """A window that rises and falls like a cosine, 1 at `at`."""
    first = min(n, max(0, int(at - before)))
    last = max(first, min(n, int(at + after) + 1))
    k = np.arange(first, last, dtype=np.float32) - np.float32(at)
    side = np.where(k < 0, -k / max(before, 1.0), k / max(after, 1.0))
    return slice(first, last), (0.5 + 0.5 * np.cos(np.pi * np.minimum(side, 1.0))).astype(
        np.float32
    )


class WindowMaker:
    """Makes windows for training, without end.

    Parameters
    ----------
    strips : sequence of Strip
        Recordings of the training patients.
    noises : sequence of Noise
        Noise without beats.
    cells : int
        Length of a window.
    seed : int
        Of all choices.
    """

    def __init__(
        self, strips: Sequence[Strip], noises: Sequence[Noise], cells: int, seed: int
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._noises = noises
        self._n = cells
        self._by_database = {
            name: [strip for strip in strips if strip.database == name] for name in SHARES
        }
        names = [name for name in SHARES if self._by_database[name]]
        share = np.array([SHARES[name] for name in names])
        self._names, self._share = names, share / share.sum()

    def batch(self, windows: int) -> Windows:
        """Make the next windows."""
        cells = np.zeros((windows, self._n), np.float32)
        targets = np.zeros((windows, self._n), np.float32)
        weights = np.zeros((windows, self._n), np.float32)
        for i in range(windows):
            cells[i], targets[i], weights[i] = self._window()
        return Windows(network_input(cells), targets, weights)

    # ------------------------------------------------------------------ one window

    def _chance(self, p: float) -> bool:
        return bool(self._rng.random() < p)

    def _between(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))

    def _ratio(self, low: float, high: float) -> float:
        return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))

    def _window(self) -> tuple[Floats, Floats, Floats]:
        rng = self._rng
        if self._chance(0.05):
            return self._noise_alone()
        name = self._names[int(rng.choice(len(self._names), p=self._share))]
        strips = self._by_database[name]
        strip = strips[int(rng.integers(len(strips)))]
        x, beats, known = self._cut(strip)
        size = self._size(x, beats)
        x = x / size * self._polarity()
        weight = known.astype(np.float32)

        if self._chance(0.06) and len(beats) > 3:
            x, beats = self._tachycardia(x, beats)
        if self._chance(0.25):
            x = self._waves_changed(x, beats)
        if self._chance(0.12):
            x = self._widened(x)
        if self._chance(0.28) and len(beats) > 2:
            x, beats = self._standstill(x, beats)
        if self._chance(0.08):
            x = self._flutter(x)
        if self._chance(0.14):
            x = self._pacing(x, beats)
        x = self._noisy(x)
        x, weight = self._device(x, weight)
        return x, *self._targets(beats, weight)

    def _polarity(self) -> float:
        return float(self._rng.choice([-1.0, 1.0]))

    def _cut(self, strip: Strip) -> tuple[Floats, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """A stretch of one lead or of a mixture of two, played faster or slower."""
        rng, n, leads = self._rng, self._n, strip.cells.shape[1]
        speed = 1.0
        if self._chance(0.7):
            speed = self._ratio(0.6, 1.5)
        elif self._chance(0.3):
            speed = self._ratio(1.5, 2.2)
        length = int(np.ceil(n * speed)) + 1
        total = len(strip.cells)
        first = int(rng.integers(0, max(1, total - length + 1)))
        part = strip.cells[first : first + length]
        lead = int(rng.integers(leads))
        x = part[:, lead].astype(np.float64)
        if leads > 1 and self._chance(0.4):
            other = int(rng.integers(leads))
            angle = self._between(0.0, 2.0 * np.pi)
            spread = part.std(axis=0) + 1e-6
            x = np.cos(angle) * x / spread[lead] + np.sin(angle) * part[:, other] / spread[other]
        known = strip.known[first : first + length]
        beats = (strip.beats.astype(np.float64) - first) / speed
        at = np.arange(n) * speed
        inside = at <= len(part) - 1
        y = np.interp(at, np.arange(len(part)), x)
        ok = known[np.minimum(np.round(at).astype(int), len(known) - 1)] & inside
        return y.astype(np.float32), beats[(beats >= 0) & (beats < n)], ok

    def _size(self, x: Floats, beats: npt.NDArray[np.float64]) -> float:
        """Median height of the QRS complexes, peak to peak; of the signal where there is none."""
        heights = []
        for beat in beats[:12]:
            part = x[max(0, int(beat) - 7) : int(beat) + 8]
            if len(part) > 4:
                heights.append(float(np.ptp(part)))
        size = float(np.median(heights)) if heights else float(np.ptp(x))
        return size if size > 1e-4 else 1.0

    # ------------------------------------------------------------------ hearts

    def _waves_changed(self, x: Floats, beats: npt.NDArray[np.float64]) -> Floats:
        """P, QRS and T larger or smaller than they were, alike in all beats."""
        if not len(beats):
            return x
        rr = float(np.median(np.diff(beats))) if len(beats) > 1 else _cells(0.8)
        gain = np.ones_like(x)
        p, qrs, t = 1.0, 1.0, 1.0
        if self._chance(0.5):
            t = self._ratio(0.5, 5.0)
        if self._chance(0.4):
            p = self._ratio(0.5, 4.0)
        if self._chance(0.4):
            qrs = self._ratio(0.25, 1.0)
        middle = self._ratio(0.6, 1.1)
        for beat in beats:
            where, shape = _bump(len(x), beat, 9, 9)
            gain[where] += (qrs - 1.0) * shape
            late = min(0.30 * GRID_FS * middle, 0.45 * rr)
            where, shape = _bump(len(x), beat + late, min(18, late - 8), 0.25 * rr)
            gain[where] += (t - 1.0) * shape
            early = min(0.17 * GRID_FS, 0.3 * rr)
            where, shape = _bump(len(x), beat - early, 12, max(4.0, early - 8))
            gain[where] += (p - 1.0) * shape
        return np.asarray((x - np.median(x)) * np.maximum(gain, 0.1), np.float32)

    def _widened(self, x: Floats) -> Floats:
        """Smooth, wide complexes: bundle branch block, ventricular pacing."""
        width = int(self._rng.integers(4, 14))
        box = np.ones(width) / width
        smooth = np.convolve(np.convolve(x, box, "same"), box, "same").astype(np.float32)
        return np.asarray(smooth * (np.std(x) / (np.std(smooth) + 1e-6)), np.float32)

    def _erase(self, x: Floats, beat: float, rr: float) -> None:
        """Cut QRS and T out, P stays."""
        first = int(beat - self._between(0.065, 0.095) * GRID_FS)
        last = int(beat + min(0.5 * GRID_FS, 0.68 * rr))
        first, last = max(first, 0), min(last, len(x) - 1)
        if last > first:
            x[first : last + 1] = np.linspace(x[first], x[last], last - first + 1)

    def _standstill(
        self, x: Floats, beats: npt.NDArray[np.float64]
    ) -> tuple[Floats, npt.NDArray[np.float64]]:
        """QRS complexes that stay away: for seconds, or one in two or three, P waves going on."""
        x = x.copy()
        gone = np.zeros(len(beats), bool)
        if self._chance(0.6):
            begin = self._between(0, 0.8 * self._n)
            gone = (beats > begin) & (beats < begin + self._between(2.0, 12.0) * GRID_FS)
        else:
            gone = self._rng.random(len(beats)) < self._between(0.2, 0.7)
        rr = float(np.median(np.diff(beats)))
        p = self._ratio(1.0, 3.0) if self._chance(0.5) else 1.0
        for beat in beats[gone]:
            self._erase(x, float(beat), rr)
            early = min(0.17 * GRID_FS, 0.3 * rr)
            where, shape = _bump(len(x), beat - early, 12, max(4.0, early - 6))
            level = np.float32(np.median(x[where])) if len(x[where]) else np.float32(0)
            x[where] += (p - 1.0) * shape * (x[where] - level)
        return x, beats[~gone]

    def _tachycardia(
        self, x: Floats, beats: npt.NDArray[np.float64]
    ) -> tuple[Floats, npt.NDArray[np.float64]]:
        """One beat again and again at 170 to 300 a minute, from some moment on."""
        rng = self._rng
        beat = int(beats[int(rng.integers(1, len(beats) - 1))])
        period = self._between(0.2, 0.35) * GRID_FS
        before, after = int(0.42 * period), int(0.9 * period)
        if beat - before < 0 or beat + after > len(x):
            return x, beats
        one = x[beat - before : beat + after].copy()
        one -= np.linspace(one[0], one[-1], len(one), dtype=np.float32)
        fade = max(1, int(0.35 * period))
        one[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        begin = int(self._between(0, 0.7 * self._n)) if self._chance(0.6) else 0
        earlier = beats[beats < begin]
        y = x.copy()
        y[begin:] = y[max(begin - 1, 0)]
        at, new = float(begin + before), []
        while at + after < self._n:
            k = round(at)
            y[k - before : k + after] += one * np.float32(rng.normal(1.0, 0.05))
            new.append(k)
            at += period * float(rng.normal(1.0, 0.01))
        if not new:
            return x, beats
        y[int(new[-1]) + after :] = y[int(new[-1]) + after - 1]
        return y, np.concatenate([earlier, np.asarray(new, np.float64)])

    def _flutter(self, x: Floats) -> Floats:
        """Flutter waves under the complexes: a sawtooth of 3.5 to 6 Hz."""
        phase = np.cumsum(self._rng.normal(self._between(3.5, 6.0), 0.2, self._n)) / GRID_FS
        saw = phase % 1.0
        rise = self._between(0.2, 0.8)
        wave = np.where(saw < rise, saw / rise, (1.0 - saw) / (1.0 - rise)) - 0.5
        wave = np.convolve(wave, np.ones(5) / 5, "same")
        return x + (self._ratio(0.05, 0.4) * wave).astype(np.float32)

    def _pacing(self, x: Floats, beats: npt.NDArray[np.float64]) -> Floats:
        """Spikes of a pacemaker before P, before QRS, or wherever it fires in vain."""
        x = x.copy()
        height = self._ratio(0.3, 4.0) * self._polarity()
        delays = [self._between(0.02, 0.12)]
        if self._chance(0.5):
            delays.append(delays[0] + self._between(0.1, 0.22))
        if self._chance(0.25):
            beats = np.arange(self._between(0, 60), self._n, self._between(0.6, 1.2) * GRID_FS)
        tail = self._between(0.0, 0.3) if self._chance(0.4) else 0.0
        for beat in beats:
            for delay in delays:
                at = beat - delay * GRID_FS
                k = int(at)
                if not 0 <= k < self._n - 8:
                    continue
                part = np.float32(at - k)
                x[k] += height * (1 - part)
                x[k + 1] += height * part
                if tail:
                    x[k + 1 : k + 7] -= np.float32(tail * height) * np.exp(-np.arange(6) / 2.5)
        return x

    # ------------------------------------------------------------------ noise and devices

    def _piece(self) -> Floats:
        """A stretch of recorded noise, about one from peak to peak."""
        noise = self._noises[int(self._rng.integers(len(self._noises)))]
        n = self._n
        first = int(self._rng.integers(0, len(noise.cells) - n))
        x = noise.cells[first : first + n, int(self._rng.integers(noise.cells.shape[1]))]
        x = x - np.linspace(x[0], x[-1], n, dtype=np.float32)
        spread = float(np.percentile(x, 95) - np.percentile(x, 5))
        return (x / max(spread, 1e-3)).astype(np.float32) * self._polarity()

    def _coloured(self) -> Floats:
        """Noise with any slope of spectrum, about one from peak to peak."""
        n = self._n
        hz = np.fft.rfftfreq(n, 1.0 / GRID_FS)
        slope, low, high = self._between(0.0, 2.0), self._ratio(0.1, 4.0), self._ratio(8.0, 60.0)
        gain = np.where((hz >= low) & (hz <= high), np.maximum(hz, 0.1) ** -slope, 0.0)
        phase = np.exp(2j * np.pi * self._rng.random(len(hz)))
        x = np.fft.irfft(gain * phase * self._rng.rayleigh(1.0, len(hz)), n)
        return np.asarray(x / (4.0 * x.std() + 1e-12), np.float32)

    def _bursts(self) -> Floats:
        """When noise is there: all the time, or now and then."""
        if self._chance(0.5):
            return np.ones(self._n, np.float32)
        gate = np.zeros(self._n, np.float32)
        for _ in range(int(self._rng.integers(1, 4))):
            first = int(self._rng.integers(self._n))
            gate[first : first + _cells(self._ratio(0.3, 5.0))] = 1.0
        return gate

    def _noisy(self, x: Floats) -> Floats:
        rng, n = self._rng, self._n
        if self._noises and self._chance(0.5):
            x = x + self._ratio(0.03, 1.1) * self._bursts() * self._piece()
        if self._chance(0.2 if self._noises else 0.5):
            x = x + self._ratio(0.03, 1.0) * self._bursts() * self._coloured()
        if self._chance(0.4):
            level = self._ratio(0.003, 0.12)
            x = x + (level * rng.standard_normal(n)).astype(np.float32) * self._bursts()
        if self._chance(0.15):
            hz = float(rng.choice([16.7, 25.0, 50.0, 60.0])) * self._between(0.99, 1.01)
            wave = np.sin(2 * np.pi * (hz / GRID_FS * np.arange(n) + rng.random()))
            x = x + (self._ratio(0.01, 0.4) * wave).astype(np.float32) * self._bursts()
        if self._chance(0.2):
            wander = np.sin(
                2 * np.pi * (self._between(0.05, 0.6) / GRID_FS * np.arange(n) + rng.random())
            )
            x = x + (self._ratio(0.1, 3.0) * wander).astype(np.float32)
        return x

    def _device(self, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Steps, gains, rails, lost samples, a lead that comes off."""
        n = self._n
        if self._chance(0.1):
            for _ in range(int(self._rng.integers(1, 4))):
                x = x.copy()
                x[int(self._rng.integers(n)) :] += self._polarity() * self._ratio(0.2, 8.0)
        if self._chance(0.1):
            x = x.copy()
            x[int(self._rng.integers(n)) :] *= self._ratio(0.25, 4.0)
        if self._chance(0.05):
            top = self._between(0.3, 1.0) * float(np.abs(x).max())
            x = np.clip(x, -top, top)
        if self._chance(0.08):
            x = x.copy()
            lost = self._rng.random(n) < self._between(0.02, 0.4)
            x = x[np.maximum.accumulate(np.where(lost, 0, np.arange(n)))]
        if self._chance(0.08):
            x = x.copy()
            first = int(self._rng.integers(n))
            last = min(n, first + _cells(self._ratio(0.4, 6.0)))
            x[first:last] = x[first] if self._chance(0.5) else self._between(-3.0, 3.0)
            weight = weight.copy()
            weight[max(0, first - 12) : last + 12] = 0.0
            if last - first > 40:
                weight[first + 15 : last - 15] = -1.0
        if self._chance(0.04):
            steps = self._ratio(0.01, 0.15)
            x = (np.round(x / steps) * steps).astype(np.float32)
        return x.astype(np.float32), weight

    def _noise_alone(self) -> tuple[Floats, Floats, Floats]:
        rng, n = self._rng, self._n
        x = np.zeros(n, np.float32)
        if self._noises and self._chance(0.5):
            x = x + self._piece()
        if self._chance(0.4):
            x = x + self._coloured()
        if self._chance(0.5):
            x = x + (self._ratio(0.1, 2.0) * rng.standard_normal(n)).astype(np.float32)
        if self._chance(0.3):
            walk = np.cumsum(rng.standard_normal(n)) / np.sqrt(n)
            x = x + (self._ratio(0.3, 3.0) * walk).astype(np.float32)
        if self._chance(0.3):
            wave = np.sin(2 * np.pi * self._ratio(0.2, 30.0) / GRID_FS * np.arange(n))
            x = x + (self._ratio(0.3, 2.0) * wave).astype(np.float32)
        if self._chance(0.2):
            x = self._pacing(x, np.empty(0))
        weight = np.ones(n, np.float32)
        return x.astype(np.float32), np.zeros(n, np.float32), weight

    def _targets(self, beats: npt.NDArray[np.float64], weight: Floats) -> tuple[Floats, Floats]:
        """1 within two cells of a beat, not counted two cells beyond, 0 elsewhere.

        A weight of 0 says that nothing is known, -1 that no beat can be seen.
        """
        target = np.zeros(self._n, np.float32)
        given, weight = weight, np.abs(weight)
        cells = np.minimum(np.round(beats).astype(int), self._n - 1)
        for k in cells:
            weight[max(0, k - 4) : k + 5] = 0.0
        for k in cells[given[cells] > 0]:
            where = slice(max(0, k - 2), k + 3)
            target[where] = 1.0
            weight[where] = 1.0
        weight[given < 0] = 1.0
        target[given < 0] = 0.0
        weight[: BLOCK // 4] = 0.0
        return target, weight
