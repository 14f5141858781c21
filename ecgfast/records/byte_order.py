"""Samples whose bytes stand in the wrong order, as converters for other processors leave them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["LOOKED", "swapped_note"]

#: Samples of a lead that tell it.
LOOKED = 1 << 14

# Different values of the highest byte, at least, and for each of the lowest; and how much rougher
# the samples are than with their bytes turned, then and in any case. Of 535 leads of mitdb, svdb,
# nstdb, qtdb, ludb, bp and cinc2017 none is found as it is (they are up to 1.9 times as rough), and
# 474 are with their bytes swapped.
_DIFFERENT, _TIMES, _ROUGHER, _FAR_ROUGHER = 32, 4, 1.25, 4.0

_LISTED = 4


def swapped_note(leads: Iterable[tuple[str, npt.NDArray[np.integer]]], width: int) -> list[str]:
    """Return a note where the samples of half the leads seem to have their bytes swapped.

    Parameters
    ----------
    leads : iterable of (str, ndarray of int, shape (n,))
        Name and samples as they were read.
    width : int
        Bytes of a sample: 2 to 4.

    Returns
    -------
    list of str
        One note, or none.
    """
    named = list(leads)
    found = [name for name, samples in named if _is_swapped(samples[:LOOKED], width)]
    if not found or 2 * len(found) < len(named):
        return []
    listed = ", ".join(found[:_LISTED]) + ", ..." * (len(found) > _LISTED)
    return [
        f"the bytes of each sample may be in the wrong order: {listed} would be smooth the other "
        "way round, and is rough; look at the signal, and export it again"
    ]


def _is_swapped(samples: npt.NDArray[np.integer], width: int) -> bool:
    """Whether samples seem to have their bytes swapped: of an ECG the lowest has most values."""
    stored = np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    lowest, highest = (len(np.unique(stored[:, i])) for i in (0, width - 1))
    if highest < _DIFFERENT:
        return False
    wide = np.zeros((len(stored), 4), np.uint8)
    wide[:, 4 - width :] = stored[:, ::-1]
    turned = wide.view("<i4")[:, 0] >> 8 * (4 - width)
    rougher = _ROUGHER if highest >= _TIMES * lowest else _FAR_ROUGHER
    return _roughness(samples) > rougher * _roughness(turned)


def _roughness(samples: npt.NDArray[np.integer]) -> float:
    """Return the mean step from sample to sample, in mean distances from the median."""
    x = samples.astype(np.float64)
    spread = float(np.abs(x - np.median(x)).mean())
    return float(np.abs(np.diff(x)).mean()) / spread if spread else 0.0
