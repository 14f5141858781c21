"""Beats with the inputs of a model, as the beat stream returns them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .deprecated import warn_renamed

__all__ = ["BeatBatch"]


@dataclass(frozen=True, slots=True, eq=False)
class BeatBatch:
    """Beats with the inputs of a model.

    One row a beat; where the windows of several leads are cut, one row for each lead of each beat.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        R peaks, in samples from the stream's start.
    known_at : ndarray of int64, shape (n,)
        Samples that had been seen when the beat was complete.
    rr : ndarray of float64, shape (n,)
        RR interval to the previous beat in seconds; NaN on the first beat.
    windows : ndarray of float32, shape (n, points, channels)
        As `WindowSpec` says. A beat window has two channels: the beat, and the patient's running
        dominant beat; the other kinds have one.
    features : ndarray of float32, shape (n, len(FEATURE_NAMES)) or (n, history, len(FEATURE_NAMES))
        RR and morphology features, dimensionless or in seconds; the second shape where the history
        is longer than one beat.
    quality : ndarray of uint32, shape (n,)
        Bits: 1 gap, 2 flat, 4 saturated, 8 noisy, 16 learning, 32 doubtful, 64 ventricular flutter
        or fibrillation, 128 a heart rate within 10 % of the highest that can be found; 0 is good.

    Examples
    --------
    >>> from ecgfast import BeatStream, WindowSpec
    >>> from ecgfast.records import demo_record
    >>> record = demo_record()
    >>> batch = BeatStream(record.fs, window=WindowSpec()).process(record.lead(0))
    >>> batch.windows.shape[0] == len(batch)
    True
    """

    sample: npt.NDArray[np.int64]
    known_at: npt.NDArray[np.int64]
    rr: npt.NDArray[np.float64]
    windows: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    quality: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def r_sample(self) -> npt.NDArray[np.int64]:
        """Deprecated: `sample`."""
        warn_renamed("BeatBatch.r_sample", "BeatBatch.sample")
        return self.sample

    @classmethod
    def concatenate(cls, batches: Iterable[BeatBatch]) -> BeatBatch:
        """One batch of several, in order.

        Parameters
        ----------
        batches : iterable of BeatBatch
            At least one.

        Returns
        -------
        BeatBatch
        """
        parts = list(batches)
        if len(parts) == 1:
            return parts[0]
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def by_lead(self, n_windows: int) -> list[BeatBatch]:
        """The rows of each lead, of a stream that cuts the windows of several.

        Parameters
        ----------
        n_windows : int
            As the stream has it.

        Returns
        -------
        list of BeatBatch
            As many, with views of these arrays.
        """
        return [
            BeatBatch(*(getattr(self, name)[lead::n_windows] for name in self.__dataclass_fields__))
            for lead in range(n_windows)
        ]
