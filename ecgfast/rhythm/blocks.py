"""State, steepness and level of a signal, block by block, whether or not it has beats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = ["BLOCK_S", "FLAT", "LOST", "USABLE", "Block", "SignalBlocks"]

#: About the sampling rate of the slow signal in Hz: atrial waves lie below 20 Hz.
_SLOW_HZ = 100.0

#: Seconds of a block: an eighth of the shortest pause.
BLOCK_S = 0.25

#: Seconds over which the signal's change is measured: large in a QRS complex, small in a T wave and
#: in baseline wander.
_STEP_S = 0.04

#: Seconds of signal that are processed at a time, so that memory does not grow with a chunk.
_PIECE_S = 120.0

#: States of a lead in a block.
USABLE, LOST, FLAT = 0, 1, 2


class Block(NamedTuple):
    """One block of all leads, a list with an item for each lead in each field."""

    state: list[int]
    """`USABLE`, `LOST` (a sample is missing) or `FLAT` (all samples are equal)."""
    activity: list[float]
    """Largest change within 40 ms, in the signal's unit; 0 where it is not usable."""
    level: list[float]
    """The last sample; NaN where one is missing."""
    slow: npt.NDArray[np.float32]
    """The signal at about 100 Hz, shape (points, n_leads)."""


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
        self._step = max(1, round(_STEP_S * fs))
        self._piece = max(1, round(_PIECE_S * fs))
        # The samples before the next block, which its changes reach back to, and those of it.
        self._held = np.full((n_leads, self._step), np.nan, np.float32)

    def process(self, chunk: Any) -> Iterator[Block]:
        """Take the next samples, and yield the blocks that are complete.

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
            yield from self._take(samples[begin : begin + self._piece])

    def checked(self, chunk: Any) -> npt.NDArray[Any]:
        """The samples as an array of shape (n, n_leads)."""
        samples = np.ma.filled(chunk, np.nan) if np.ma.isMaskedArray(chunk) else np.asarray(chunk)
        if samples.ndim < 2 and self.n_leads == 1:
            samples = samples.reshape(-1, 1)
        if samples.ndim != 2 or samples.shape[1] != self.n_leads:
            raise InputError(
                f"samples must have the shape (n, {self.n_leads}) as n_leads={self.n_leads} says, "
                f"got {samples.shape}"
            )
        return samples

    def _take(self, samples: npt.NDArray[Any]) -> Iterator[Block]:
        with np.errstate(over="ignore"):
            held = np.concatenate([self._held, samples.T.astype(np.float32)], axis=1)
        self.count += len(samples)
        n = (held.shape[1] - self._step) // self.size
        if n:
            yield from self._blocks(held[:, : self._step + n * self.size], n)
            held = held[:, n * self.size :].copy()
        self._held = held

    def _blocks(self, held: npt.NDArray[np.float32], n: int) -> Iterator[Block]:
        step, shape = self._step, (self.n_leads, n, self.size)
        x = held[:, step:].reshape(shape)
        with np.errstate(invalid="ignore", over="ignore"):
            lost = ~(np.abs(x) <= 1e30).all(axis=2)
            low, high = x.min(axis=2), x.max(axis=2)
            change = np.abs(held[:, step:] - held[:, :-step]).reshape(shape)
            activity = np.fmax.reduce(change, axis=2)
        state = np.where(lost, LOST, np.where(low == high, FLAT, USABLE))
        # The first change after a gap reaches back into the gap and is NaN.
        activity = np.where((state == USABLE) & np.isfinite(activity), activity, 0.0)
        level = np.where(lost, np.nan, x[:, :, -1])
        slow = self._slow(held[:, step:]).T.reshape(n, self.size // self.group, self.n_leads)
        yield from map(Block, state.T.tolist(), activity.T.tolist(), level.T.tolist(), slow)

    def _slow(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Means of `group` samples each."""
        total: npt.NDArray[np.float32] = x[:, :: self.group].copy()
        for i in range(1, self.group):
            total += x[:, i :: self.group]
        total /= np.float32(self.group)
        return total
