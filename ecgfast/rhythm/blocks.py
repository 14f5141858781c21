"""State, steepness and level of a signal, block by block, whether or not it has beats."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..inputs import real_array
from ..streaming.lead_signal import HUM_S, SINE_CREST, hums
from ._scan import FLAT, HUM, LOST, USABLE, block_figures, crest

__all__ = [
    "BLOCK_S",
    "FLAT",
    "HUM",
    "HUM_BLOCKS",
    "HUM_EVERY",
    "LOST",
    "USABLE",
    "Blocks",
    "SignalBlocks",
]

#: About the sampling rate of the slow signal in Hz: atrial waves lie below 20 Hz.
_SLOW_HZ = 100.0

#: Seconds of a block: an eighth of the shortest pause.
BLOCK_S = 0.25

#: Blocks in which hum is looked for, and blocks after which it is looked for again.
HUM_BLOCKS, HUM_EVERY = round(HUM_S / BLOCK_S), 4

#: Seconds over which the signal's change is measured: large in a QRS complex, small in a T wave and
#: in baseline wander.
_STEP_S = 0.04

#: Seconds of the longest spike of a pacemaker, as filters of recorders widen it.
_SPIKE_S = 0.005

#: Seconds of missing samples over which the last one stands for them, as scattered ones are.
_BRIDGE_S = 0.04

#: Samples that are larger are missing ones, as in `_scan`.
_LARGEST = 1e30

#: Seconds of signal that are processed at a time, so that memory does not grow with a chunk.
_PIECE_S = 120.0


class Blocks(NamedTuple):
    """Successive blocks, arrays with a row for each block and an item for each lead."""

    state: npt.NDArray[np.int8]
    """`USABLE`, `LOST` (samples are missing for over 40 ms) or `FLAT` (all samples are equal)."""
    activity: npt.NDArray[np.float32]
    """Largest change within 40 ms, in the signal's unit, without the spikes of a pacemaker; 0 where
    it is not usable."""
    level: npt.NDArray[np.float32]
    """The last sample; NaN where one is missing."""
    slow: npt.NDArray[np.float32]
    """The signal at about 100 Hz, shape (n, points, n_leads)."""
    hum: npt.NDArray[np.bool_]
    """Whether a lead showed the mains and little else in the two seconds looked at last."""


class SignalBlocks:
    """Cut a stream into blocks of about a quarter of a second, for any chunk sizes.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    n_leads : int

    Attributes
    ----------
    size : int
        Samples of a block.
    group : int
        Samples that make one of the slow signal.
    count : int
        Samples that have been taken.
    """

    def __init__(self, fs: float, n_leads: int) -> None:
        self.group = max(1, round(fs / _SLOW_HZ))
        self.size = self.group * max(2, round(BLOCK_S * fs / self.group))
        self.n_leads = n_leads
        self.count = 0
        self._fs = fs
        self._step = max(1, round(_STEP_S * fs))
        self._spike = ceil(_SPIKE_S * fs)
        self._bridge = ceil(_BRIDGE_S * fs)
        self._piece = max(1, round(_PIECE_S * fs))
        # The samples before the next block, which its changes reach back to, and those of it.
        self._held = np.full((self._step + 2 * self._spike, n_leads), np.nan, np.float32)
        # The last sample of each lead that was not missing, and those that were since.
        self._last = np.full(n_leads, np.nan, np.float32)
        self._missing = np.zeros(n_leads, np.int64)
        # The blocks before the next one in which hum is looked for, and what was found last.
        self._before = np.full(((HUM_BLOCKS - 1) * self.size, n_leads), np.nan, np.float32)
        self._n_blocks = 0
        self._hums = np.zeros(n_leads, np.bool_)

    def process(self, chunk: Any) -> Iterator[Blocks]:
        """Take the next samples, and yield the blocks that are complete, some at a time.

        Parameters
        ----------
        chunk : array_like, shape (n,) or (n, n_leads)

        Raises
        ------
        InputError
            If the shape does not fit.
        """
        samples = self.checked(chunk)
        for begin in range(0, len(samples), self._piece):
            blocks = self._take(samples[begin : begin + self._piece])
            if blocks is not None:
                yield blocks

    def checked(self, chunk: Any) -> npt.NDArray[Any]:
        """The samples as an array of shape (n, n_leads)."""
        samples = real_array(chunk)
        if samples.ndim < 2 and self.n_leads == 1:
            samples = samples.reshape(-1, 1)
        if samples.ndim != 2 or samples.shape[1] != self.n_leads:
            raise InputError(
                f"samples must have the shape (n, {self.n_leads}) as n_leads={self.n_leads} says, "
                f"got {samples.shape}"
            )
        return samples

    def _take(self, samples: npt.NDArray[Any]) -> Blocks | None:
        size, n_leads = self.size, self.n_leads
        with np.errstate(over="ignore"):
            held = np.concatenate([self._held, samples], dtype=np.float32, casting="unsafe")
        self._fill(held[len(self._held) :])
        self.count += len(samples)
        before = self._step + 2 * self._spike
        n = (len(held) - before) // size
        if not n:
            self._held = held
            return None
        blocks = Blocks(
            np.empty((n, n_leads), np.int8),
            np.empty((n, n_leads), np.float32),
            np.empty((n, n_leads), np.float32),
            np.empty((n, size // self.group, n_leads), np.float32),
            np.empty((n, n_leads), np.bool_),
        )
        block_figures(held, self._step, self._spike, size, self.group, *blocks[:-1])
        self._find_hum(held[before : before + n * size], blocks.hum)
        self._held = held[n * size :].copy()
        return blocks

    def _fill(self, samples: npt.NDArray[np.float32]) -> None:
        """Let the last sample of a lead stand for those that are missing after it, for 40 ms."""
        if not len(samples):
            return
        missing = ~(np.abs(samples) <= _LARGEST)
        if not missing.any():
            self._last, self._missing = samples[-1].copy(), np.zeros_like(self._missing)
            return
        at = np.arange(len(samples))[:, None]
        last = np.maximum.accumulate(np.where(missing, -1, at), axis=0)
        since = np.where(last < 0, at + 1 + self._missing, at - last)
        known = np.where(last < 0, self._last, np.take_along_axis(samples, last.clip(0), axis=0))
        np.copyto(samples, known, where=missing & (since <= self._bridge))
        self._last, self._missing = known[-1].copy(), since[-1]

    def _find_hum(self, samples: npt.NDArray[np.float32], found: npt.NDArray[np.bool_]) -> None:
        """Fill in whether each lead hums in these blocks, which follow on those before."""
        fs, size = self._fs, self.size
        held = np.concatenate([self._before, samples])
        for block in range(len(found)):
            self._n_blocks += 1
            if self._n_blocks % HUM_EVERY == 0:
                window = held[block * size : (block + HUM_BLOCKS) * size]
                for lead in range(self.n_leads):
                    # Nearly all signals are higher than a sine, which costs little to see.
                    self._hums[lead] = crest(window, lead) <= SINE_CREST and hums(
                        window[:, lead].astype(np.float64), fs
                    )
            found[block] = self._hums
        self._before = held[len(samples) :].copy()
