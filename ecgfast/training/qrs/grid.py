"""From samples to what the network sees: the plain twin of the detector's front end in C.

Samples are averaged into cells of 1/125 s, a first-order high-pass takes the baseline away, and a
running scale makes the result independent of gain. `csrc` holds the same steps, sample by sample;
`tests` hold the two to each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...extras import need

__all__ = [
    "BLOCK",
    "CHANNELS",
    "GRID_FS",
    "START_BLOCKS",
    "grid_cells",
    "network_input",
    "running_scale",
]

GRID_FS = 125.0
"""Cells a second."""

BLOCK = 16
"""Cells over which one maximum is taken for the running scale: 0.128 s."""

WINDOW_BLOCKS = 8
"""Blocks of one window of the scale: about a second."""

WINDOWS = 6
"""Windows of which the second largest maximum is the scale: a single artefact is ignored."""

START_BLOCKS = 12
"""Blocks at the start whose scale is found in retrospect: 1.5 s."""

FALL = 0.995
"""Least ratio of the scale to that of the block before: 4 % a second, so that P waves do not grow
into QRS complexes while the heart stands still."""

HIGH_PASS = 0.97
"""Pole of the high-pass: 0.6 Hz at 125 cells a second."""

CHANNELS = 2
"""Channels of the network's input: the scaled ECG, and the same with small deflections enlarged."""

_SOFT = 0.5
_ENLARGE = 6.0


def grid_cells(signal: npt.ArrayLike, fs: float) -> npt.NDArray[np.float32]:
    """Average a signal over cells of 1/125 s; each sample lasts until the next.

    Parameters
    ----------
    signal : array_like of float, shape (n,) or (n, n_leads)
        Finite samples.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of float32, shape (floor(n * 125 / fs),) or (..., leads)
    """
    data = np.asarray(signal, np.float64)
    total = np.concatenate([np.zeros((1, *data.shape[1:])), np.cumsum(data, axis=0)])
    cells = int(np.floor(len(data) * GRID_FS / fs))
    edges = np.arange(cells + 1) * (fs / GRID_FS)
    below = np.minimum(edges.astype(np.int64), len(data) - 1)
    rest = (edges - below).reshape(-1, *[1] * (data.ndim - 1))
    at = total[below] + rest * data[below]
    return (np.diff(at, axis=0) * (GRID_FS / fs)).astype(np.float32)


def high_pass(cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Take the baseline away along the last axis; the first cell gives 0."""
    signal = need("scipy.signal", "Training of the QRS score", "train")
    steps = np.diff(cells, axis=-1, prepend=cells[..., :1])
    return np.asarray(signal.lfilter([1.0], [1.0, -HIGH_PASS], steps, axis=-1), np.float32)


def running_scale(filtered: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale in force in each cell, along the last axis.

    Each block of cells is scaled by the second largest of the last six window maxima before it,
    falling slowly; the first blocks have what the first 1.5 s give.

    Parameters
    ----------
    filtered : ndarray of float32, shape (..., n)
        High-passed cells.

    Returns
    -------
    ndarray of float32, shape (..., n)
        At least the smallest positive float32.
    """
    n = filtered.shape[-1]
    blocks = -(-n // BLOCK)
    padded = np.zeros((*filtered.shape[:-1], blocks * BLOCK), np.float32)
    padded[..., :n] = np.abs(filtered)
    peaks = padded.reshape(*filtered.shape[:-1], blocks, BLOCK).max(axis=-1)
    windows = np.empty_like(peaks)
    for b in range(blocks):
        windows[..., b] = peaks[..., max(0, b - WINDOW_BLOCKS + 1) : b + 1].max(axis=-1)
    scale = np.empty_like(peaks)
    for b in range(blocks):
        last = min(max(b - 1, START_BLOCKS - 1), blocks - 1)
        chosen = windows[..., last::-WINDOW_BLOCKS][..., :WINDOWS]
        # A window of the start may hold no beat at all: of the first two the larger counts.
        rank = -2 if chosen.shape[-1] > 2 else -1
        scale[..., b] = np.partition(chosen, rank, axis=-1)[..., rank]
        if b >= START_BLOCKS:
            scale[..., b] = np.maximum(scale[..., b], np.float32(FALL) * scale[..., b - 1])
    tiny = np.float32(np.finfo(np.float32).tiny)
    return np.repeat(np.maximum(scale, tiny), BLOCK, axis=-1)[..., :n]


def network_input(cells: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the network sees of cells.

    Parameters
    ----------
    cells : ndarray of float32, shape (..., n)
        Averages over 1/125 s, any gain and offset.

    Returns
    -------
    ndarray of float32, shape (..., n, 2)
        Both channels lie between -2 and 2 and between -1 and 1.
    """
    filtered = high_pass(cells)
    scale, size = running_scale(filtered), np.abs(filtered)
    return np.stack(
        [filtered / (scale + _SOFT * size), _ENLARGE * filtered / (scale + _ENLARGE * size)],
        axis=-1,
    ).astype(np.float32)
