"""Columns that are no leads of one recording: samples of one signal, or other recordings."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from ..core import BandpassFilter
from .interleaved import mean_square
from .record import FS_MAX, FS_MIN

__all__ = ["apart", "successive"]

# Rows that tell whether columns follow each other, at least: fewer may do so by chance.
_LEAST_ROWS = 256

# Mean square of the step from the last column of a row to the first of the next: at most this
# share of that from row to row, and of the size of the steps within a row. No 20 s of two leads or
# more of mitdb, svdb, nsrdb, qtdb, ludb and nstdb are like that (234 recordings, at their begin and
# in their middle), and all of 106 signals cut into rows of 2 to 10 samples; of 25, 103.
_JOINED, _SIZE = 0.65, 1.6

# Correlation of the energy of beats in two columns: 0.37 and more between the leads of the
# recordings above, less than 0.25 in 9 of 10 cut into pieces.
_BEATS_TOGETHER = 0.25
_SMOOTH_S, _SETTLED_S, _LEAST_S = 0.2, 0.5, 8.0
_CLIP = 90


def successive(table: npt.NDArray[np.float64]) -> bool:
    """Whether each row holds successive samples of one signal, as a packet does.

    Parameters
    ----------
    table : ndarray, shape (n, columns)
    """
    if table.shape[1] < 2 or len(table) < _LEAST_ROWS:
        return False
    within = [mean_square(table[:, k + 1] - table[:, k]) for k in range(table.shape[1] - 1)]
    on = mean_square(table[1:, 0] - table[:-1, -1])
    rows = mean_square(table[1:] - table[:-1])
    # Between two leads that happen to be alike, steps are as large the other way round.
    back = mean_square(table[1:, -1] - table[:-1, 0])
    usual = float(np.median(within))
    return 0 < on < _JOINED * min(rows, back) and usual / _SIZE < on < usual * _SIZE


def apart(table: npt.NDArray[np.float64], fs: float) -> bool:
    """Whether the beats of ECGs are at other times in each column, as those of other recordings.

    Parameters
    ----------
    table : ndarray, shape (n, columns)
        Columns that each look like an ECG.
    fs : float
        Sampling rate in Hz.
    """
    if table.shape[1] < 2 or not FS_MIN <= fs <= FS_MAX or len(table) < _LEAST_S * fs:
        return False
    beats = [_energy(column, fs) for column in table.T]
    together = [float(a @ b) for a, b in combinations(beats, 2)]
    return float(np.median(together)) < _BEATS_TOGETHER


def _energy(column: npt.NDArray[np.float64], fs: float) -> npt.NDArray[np.float64]:
    """Energy of QRS complexes over time, without mean and of norm 1."""
    good = np.isfinite(column)
    x = np.where(good, column - np.median(column[good]) if good.any() else 0.0, 0.0)
    x /= x.std() or 1.0
    band = np.asarray(BandpassFilter(fs, 8.0, 20.0).process(x.astype(np.float32)), np.float64)
    width = max(1, round(_SMOOTH_S * fs))
    energy = np.convolve(band[round(_SETTLED_S * fs) :] ** 2, np.full(width, 1 / width), "same")
    # The tallest complexes do not decide alone.
    energy = np.minimum(energy, np.percentile(energy, _CLIP))
    energy -= energy.mean()
    out: npt.NDArray[np.float64] = energy / (np.sqrt(energy @ energy) or 1.0)
    return out
