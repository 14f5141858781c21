"""Whether a recording still holds the signal that was reviewed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..records import RecordSource
from ..records.record import FloatArray
from ..sources.chunks import BLOCK_S

__all__ = ["LevelMeter", "changed_second", "levels_of"]

# A second that differs by more than this share of the lead's usual level is of another signal; less
# may be the rounding of another file format.
_SHARE = 0.02
_LEAST_MV = 1e-5

Levels = npt.NDArray[np.float32]


class LevelMeter:
    """Standard deviation of each lead in each second of a recording, chunk by chunk.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz; a second is the nearest whole number of samples.
    n_leads : int
    """

    def __init__(self, fs: float, n_leads: int) -> None:
        self._second = max(1, round(fs))
        self._rest = np.empty((0, n_leads), np.float32)
        self._found = [np.empty((0, n_leads), np.float32)]

    def process(self, chunk: FloatArray) -> None:
        """Take the samples that follow.

        Parameters
        ----------
        chunk : ndarray of float32, shape (k, n_leads)
            In mV; what is not finite counts as 0.
        """
        known = np.nan_to_num(chunk, nan=0.0, posinf=0.0, neginf=0.0)
        signal = np.concatenate([self._rest, known])
        whole = len(signal) // self._second * self._second
        seconds = signal[:whole].reshape(-1, self._second, signal.shape[1])
        self._found.append(_deviation(seconds))
        self._rest = signal[whole:]

    def levels(self) -> Levels:
        """What was measured; the last second may be shorter than one.

        Returns
        -------
        ndarray of float32, shape (seconds, n_leads)
            In mV.
        """
        rest = [_deviation(self._rest[np.newaxis])] if len(self._rest) else []
        return np.concatenate([*self._found, *rest])


def _deviation(seconds: npt.NDArray[np.float32]) -> Levels:
    """Standard deviation over the samples, of shape (seconds, samples, leads)."""
    leads = np.ascontiguousarray(
        seconds.transpose(0, 2, 1)
    )  # sums over it are fifteen times faster
    leads = leads - leads.mean(axis=2, keepdims=True)
    found: Levels = np.sqrt(np.einsum("ijk,ijk->ij", leads, leads) / leads.shape[2])
    return found


def levels_of(source: RecordSource) -> Levels:
    """Measure a whole recording.

    Parameters
    ----------
    source : RecordSource

    Returns
    -------
    ndarray of float32, shape (seconds, n_leads)
        As of `LevelMeter`.
    """
    meter = LevelMeter(source.fs, len(source.leads))
    for chunk in source.blocks(BLOCK_S):
        meter.process(chunk)
    return meter.levels()


def changed_second(
    then: Levels, leads: Sequence[str], now: Levels, now_leads: Sequence[str]
) -> tuple[int, str] | None:
    """Find the first second that is of another signal, in the leads that both have.

    Parameters
    ----------
    then, now : ndarray of float32, shape (seconds, n_leads)
        Levels when the review began, and of the recording as it is.
    leads, now_leads : sequence of str
        Names of their columns.

    Returns
    -------
    tuple of int and str, or None
        The second and its lead; None where the signal is the same.
    """
    found = []
    for column, name in enumerate(leads):
        if name in now_leads:
            before = then[:, column]
            after = now[:, column if tuple(leads) == tuple(now_leads) else now_leads.index(name)]
            allowed = _SHARE * np.median(before) + _LEAST_MV
            other = np.flatnonzero(np.abs(after - before) > allowed)
            found += [(int(second), name) for second in other[:1]]
    return min(found, default=None)
