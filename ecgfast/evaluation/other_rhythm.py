"""Published detectors of atrial fibrillation from RR intervals alone, for comparison.

Written from the papers, which classify windows and define no episodes. The class of a window is
given here to the beat in its middle, which favours these detectors: they see as far ahead as back.
"""

from __future__ import annotations

from math import log2

import numpy as np
import numpy.typing as npt

__all__ = ["lian_2011", "zhou_2014"]

Spans = npt.NDArray[np.int64]


def lian_2011(peaks: npt.NDArray[np.int64], fs: float) -> Spans:
    """Lian, Wang and Muessig, American Journal of Cardiology 107:1494, 2011.

    Each RR interval is plotted against its change, on a grid of 25 ms cells; 128 intervals that
    fill 65 cells or more are fibrillation.

    Parameters
    ----------
    peaks : ndarray of int64, shape (n,)
        R peaks in samples.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        Episodes.
    """
    cells = np.floor(np.diff(peaks) / fs / 0.025).astype(np.int64)
    change = np.floor(np.diff(peaks, n=2) / fs / 0.025).astype(np.int64)
    pairs = list(zip(cells[1:].tolist(), change.tolist(), strict=True))
    return _episodes(peaks, [len(set(pairs[i : i + 127])) >= 65 for i in range(len(pairs) - 126)])


def zhou_2014(peaks: npt.NDArray[np.int64], fs: float) -> Spans:
    """Zhou, Ding, Ung, Pickwell-MacPherson and Zhang, BioMedical Engineering OnLine 13:18, 2014.

    Heart rates are quantised in steps of 5 per minute, and three in a row make one word. The
    Shannon entropy of 127 words, times the share of distinct words, is above 0.639 in fibrillation.

    Parameters
    ----------
    peaks, fs
        As for `lian_2011`.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        Episodes.
    """
    n = 127
    rate = np.minimum(60.0 * fs / np.diff(peaks), 315.0)
    symbol = np.floor(rate / 5.0).astype(np.int64)
    words = symbol[:-2] * 4096 + symbol[1:-1] * 64 + symbol[2:]
    classes = []
    for i in range(len(words) - n + 1):
        counts = np.unique(words[i : i + n], return_counts=True)[1]
        share = counts / n
        entropy = -len(counts) / (n * log2(n)) * float(share @ np.log2(share))
        classes.append(entropy > 0.639)
    return _episodes(peaks, classes)


def _episodes(peaks: npt.NDArray[np.int64], classes: list[bool]) -> Spans:
    """Stretches of beats in the middle of a window that is fibrillation.

    Beats before the middle of the first window have the class of that window, and those after the
    middle of the last window have the class of that one.
    """
    if not classes:
        return np.empty((0, 2), np.int64)
    before = (len(peaks) - len(classes)) // 2
    every = np.array(
        [classes[0]] * before + classes + [classes[-1]] * (len(peaks) - len(classes) - before)
    )
    edges = np.flatnonzero(np.diff(np.concatenate([[0], every.astype(np.int8), [0]])))
    return np.array(
        [
            (peaks[first], peaks[min(last, len(peaks) - 1)])
            for first, last in edges.reshape(-1, 2).tolist()
        ],
        np.int64,
    ).reshape(-1, 2)
