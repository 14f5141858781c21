"""Training windows of the QRS score.

Cuts of recordings, changed in the ways in which patients and devices differ, with the beats that
are still there afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .disturbances import Disturbances
from .draws import Draws, Floats
from .grid import BLOCK, network_input
from .hearts import flutter, pacing, standstill, tachycardia, ventricular, waves_changed, widened
from .recordings import Noise, Strip

__all__ = ["SHARES", "WindowMaker", "Windows"]

SHARES = {"mitdb": 0.32, "svdb": 0.24, "nsrdb": 0.08, "qtdb": 0.11, "ludb": 0.25}
"""Share of the windows that each database gives: between its size and an equal part."""


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
        self._draws = Draws(seed)
        self._disturbances = Disturbances(self._draws, noises, cells)
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

    def _window(self) -> tuple[Floats, Floats, Floats]:
        draws, rng = self._draws, self._draws.rng
        if draws.chance(0.05):
            return self._disturbances.noise_alone()
        name = self._names[int(rng.choice(len(self._names), p=self._share))]
        strips = self._by_database[name]
        strip = strips[int(rng.integers(len(strips)))]
        x, beats, known = self._cut(strip)
        size = self._size(x, beats)
        x = x / size * draws.polarity()
        weight = known.astype(np.float32)

        if draws.chance(0.06) and len(beats) > 3:
            x, beats = tachycardia(draws, x, beats)
        if draws.chance(0.25):
            x = waves_changed(draws, x, beats)
        if draws.chance(0.12):
            x = widened(draws, x)
        if draws.chance(0.10) and len(beats) > 2:
            x, beats = ventricular(draws, x, beats)
        if draws.chance(0.28) and len(beats) > 2:
            x, beats = standstill(draws, x, beats)
        if draws.chance(0.08):
            x = flutter(draws, x)
        if draws.chance(0.14):
            x = pacing(draws, x, beats)
        if draws.chance(0.10):
            x = self._disturbances.motion(x)
        x = self._disturbances.noisy(x)
        x, weight = self._disturbances.device(x, weight)
        return x, *self._targets(beats, weight)

    def _cut(self, strip: Strip) -> tuple[Floats, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """A stretch of one lead or of a mixture of two, played faster or slower."""
        draws, n, leads = self._draws, self._n, strip.cells.shape[1]
        speed = 1.0
        if draws.chance(0.7):
            speed = draws.ratio(0.6, 1.5)
        elif draws.chance(0.3):
            speed = draws.ratio(1.5, 2.2)
        length = int(np.ceil(n * speed)) + 1
        total = len(strip.cells)
        first = int(draws.rng.integers(0, max(1, total - length + 1)))
        part = strip.cells[first : first + length]
        lead = int(draws.rng.integers(leads))
        x = part[:, lead].astype(np.float64)
        if leads > 1 and draws.chance(0.4):
            other = int(draws.rng.integers(leads))
            angle = draws.between(0.0, 2.0 * np.pi)
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
