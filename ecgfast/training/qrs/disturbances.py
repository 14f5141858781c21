"""Noise and devices: what a training window goes through between the heart and the detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .draws import Draws, Floats, bump, cells_in
from .grid import GRID_FS
from .hearts import pacing
from .recordings import Noise

__all__ = ["Disturbances"]


class Disturbances:
    """Puts noise and faults of devices on windows.

    Parameters
    ----------
    draws : Draws
        Random choices.
    noises : sequence of Noise
        Noise without beats; may be empty.
    cells : int
        Length of a window.
    """

    def __init__(self, draws: Draws, noises: Sequence[Noise], cells: int) -> None:
        self._draws = draws
        self._noises = noises
        self._n = cells

    def motion(self, x: Floats) -> Floats:
        """Electrode motion: lobes as wide as ventricular beats, no two alike; the beats go on."""
        draws = self._draws
        x = x.copy()
        for _ in range(int(draws.rng.integers(1, 10))):
            width, rise = cells_in(draws.between(0.08, 0.7)), draws.between(0.15, 0.85)
            peak = min(max(round(rise * width), 1), width - 1)
            first = int(draws.rng.integers(self._n))
            part = x[first : first + width]
            lobe = bump(width, peak, peak, width - 1 - peak)[1] ** draws.between(0.6, 2.0)
            part += np.float32(draws.ratio(0.2, 3.0) * draws.polarity()) * lobe[: len(part)]
        return x

    def noisy(self, x: Floats) -> Floats:
        """Recorded and coloured noise, of the amplifier, of the mains, wander of the baseline."""
        draws, n = self._draws, self._n
        if self._noises and draws.chance(0.5):
            x = x + draws.ratio(0.03, 1.1) * self._bursts() * self._piece()
        if draws.chance(0.2 if self._noises else 0.5):
            x = x + draws.ratio(0.03, 1.0) * self._bursts() * self._coloured()
        if draws.chance(0.4):
            level = draws.ratio(0.003, 0.12)
            x = x + (level * draws.rng.standard_normal(n)).astype(np.float32) * self._bursts()
        if draws.chance(0.15):
            hz = float(draws.rng.choice([16.7, 25.0, 50.0, 60.0])) * draws.between(0.99, 1.01)
            wave = np.sin(2 * np.pi * (hz / GRID_FS * np.arange(n) + draws.rng.random()))
            x = x + (draws.ratio(0.01, 0.4) * wave).astype(np.float32) * self._bursts()
        if draws.chance(0.2):
            wander = np.sin(
                2 * np.pi * (draws.between(0.05, 0.6) / GRID_FS * np.arange(n) + draws.rng.random())
            )
            x = x + (draws.ratio(0.1, 3.0) * wander).astype(np.float32)
        return x

    def device(self, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Steps, gains, rails, lost samples, a lead that comes off."""
        draws, n = self._draws, self._n
        if draws.chance(0.1):
            for _ in range(int(draws.rng.integers(1, 4))):
                x = x.copy()
                x[int(draws.rng.integers(n)) :] += draws.polarity() * draws.ratio(0.2, 8.0)
        if draws.chance(0.1):
            x = x.copy()
            x[int(draws.rng.integers(n)) :] *= draws.ratio(0.25, 4.0)
        if draws.chance(0.05):
            top = draws.between(0.3, 1.0) * float(np.abs(x).max())
            x = np.clip(x, -top, top)
        if draws.chance(0.08):
            x = x.copy()
            lost = draws.rng.random(n) < draws.between(0.02, 0.4)
            x = x[np.maximum.accumulate(np.where(lost, 0, np.arange(n)))]
        if draws.chance(0.08):
            x = x.copy()
            first = int(draws.rng.integers(n))
            last = min(n, first + cells_in(draws.ratio(0.4, 6.0)))
            x[first:last] = x[first] if draws.chance(0.5) else draws.between(-3.0, 3.0)
            weight = weight.copy()
            weight[max(0, first - 12) : last + 12] = 0.0
            if last - first > 40:
                weight[first + 15 : last - 15] = -1.0
        if draws.chance(0.04):
            steps = draws.ratio(0.01, 0.15)
            x = (np.round(x / steps) * steps).astype(np.float32)
        return x.astype(np.float32), weight

    def noise_alone(self) -> tuple[Floats, Floats, Floats]:
        """A window without beats, its targets and weights."""
        draws, n = self._draws, self._n
        x = np.zeros(n, np.float32)
        if self._noises and draws.chance(0.5):
            x = x + self._piece()
        if draws.chance(0.4):
            x = x + self._coloured()
        if draws.chance(0.5):
            x = x + (draws.ratio(0.1, 2.0) * draws.rng.standard_normal(n)).astype(np.float32)
        if draws.chance(0.3):
            walk = np.cumsum(draws.rng.standard_normal(n)) / np.sqrt(n)
            x = x + (draws.ratio(0.3, 3.0) * walk).astype(np.float32)
        if draws.chance(0.3):
            wave = np.sin(2 * np.pi * draws.ratio(0.2, 62.0) / GRID_FS * np.arange(n))
            x = x + (draws.ratio(0.3, 2.0) * wave).astype(np.float32)
        if draws.chance(0.2):
            x = pacing(draws, x, np.empty(0))
        weight = np.ones(n, np.float32)
        return x.astype(np.float32), np.zeros(n, np.float32), weight

    def _piece(self) -> Floats:
        """A stretch of recorded noise, about one from peak to peak."""
        draws = self._draws
        noise = self._noises[int(draws.rng.integers(len(self._noises)))]
        n = self._n
        first = int(draws.rng.integers(0, len(noise.cells) - n))
        x = noise.cells[first : first + n, int(draws.rng.integers(noise.cells.shape[1]))]
        x = x - np.linspace(x[0], x[-1], n, dtype=np.float32)
        spread = float(np.percentile(x, 95) - np.percentile(x, 5))
        return (x / max(spread, 1e-3)).astype(np.float32) * draws.polarity()

    def _coloured(self) -> Floats:
        """Noise with any slope of spectrum, about one from peak to peak."""
        draws, n = self._draws, self._n
        hz = np.fft.rfftfreq(n, 1.0 / GRID_FS)
        slope, low, high = draws.between(0.0, 2.0), draws.ratio(0.1, 4.0), draws.ratio(8.0, 60.0)
        gain = np.where((hz >= low) & (hz <= high), np.maximum(hz, 0.1) ** -slope, 0.0)
        phase = np.exp(2j * np.pi * draws.rng.random(len(hz)))
        x = np.fft.irfft(gain * phase * draws.rng.rayleigh(1.0, len(hz)), n)
        return np.asarray(x / (4.0 * x.std() + 1e-12), np.float32)

    def _bursts(self) -> Floats:
        """When noise is there: all the time, or now and then."""
        draws = self._draws
        if draws.chance(0.5):
            return np.ones(self._n, np.float32)
        gate = np.zeros(self._n, np.float32)
        for _ in range(int(draws.rng.integers(1, 4))):
            first = int(draws.rng.integers(self._n))
            gate[first : first + cells_in(draws.ratio(0.3, 5.0))] = 1.0
        return gate
