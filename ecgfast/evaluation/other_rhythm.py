"""Published detectors of atrial fibrillation that see RR intervals alone, for comparison.

Written from the papers; each window's verdict is that of its middle, which favours them: they have
no episodes of their own.
"""

from __future__ import annotations

from math import log2

import numpy as np
import numpy.typing as npt

__all__ = ["lian_2011", "zhou_2014"]

Spans = npt.NDArray[np.int64]


def lian_2011(peaks: npt.NDArray[np.int64], fs: float) -> Spans:
    """Lian, Wang and Muessig, American Journal of Cardiology 107:1494, 2011.

    The map of each RR interval against its change, in cells of 25 ms: fibrillation fills 65 or more
    cells with 128 intervals.

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

    Heart rates in steps of 5 per minute, three in a row as one word; Shannon entropy of 127 words,
    times the share of different ones: fibrillation lies above 0.639.

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
    verdicts = []
    for i in range(len(words) - n + 1):
        counts = np.unique(words[i : i + n], return_counts=True)[1]
        share = counts / n
        entropy = -len(counts) / (n * log2(n)) * float(share @ np.log2(share))
        verdicts.append(entropy > 0.639)
    return _episodes(peaks, verdicts)


def _episodes(peaks: npt.NDArray[np.int64], verdicts: list[bool]) -> Spans:
    """Stretches of beats whose window, with them in its middle, is fibrillation.

    Beats before the middle of the first window share its verdict, and those after the last its.
    """
    if not verdicts:
        return np.empty((0, 2), np.int64)
    before = (len(peaks) - len(verdicts)) // 2
    every = np.array(
        [verdicts[0]] * before + verdicts + [verdicts[-1]] * (len(peaks) - len(verdicts) - before)
    )
    edges = np.flatnonzero(np.diff(np.concatenate([[0], every.astype(np.int8), [0]])))
    return np.array(
        [
            (peaks[first], peaks[min(last, len(peaks) - 1)])
            for first, last in edges.reshape(-1, 2).tolist()
        ],
        np.int64,
    ).reshape(-1, 2)
