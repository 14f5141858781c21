"""The labels of a review as WFDB annotations, with who said what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..records.wfdb_annotations import encode_annotations
from .beats import ReviewBeats

__all__ = ["NOT_A_BEAT", "encoded_marks", "marks_of"]

#: Label of what the detector took for a beat; the WFDB code of an artefact.
NOT_A_BEAT = "|"

_FLUTTER_BEGINS, _FLUTTER_WAVE, _FLUTTER_ENDS = "[!]"


def marks_of(
    beats: ReviewBeats,
    labels: npt.NDArray[np.str_],
    reviewers: Sequence[str],
    *,
    waves: npt.NDArray[np.bool_],
) -> tuple[list[int], list[str], list[str]]:
    """Marks of all beats.

    Parameters
    ----------
    beats : ReviewBeats
    labels : ndarray of str, shape (n,)
        WFDB codes.
    reviewers : sequence of str, length n
        Who said so; the text of the mark.
    waves : ndarray of bool, shape (n,)
        Flutter waves, marked as MIT-BIH does.

    Returns
    -------
    samples, symbols, texts : list
    """
    samples: list[int] = []
    symbols: list[str] = []
    texts: list[str] = []

    def mark(sample: int, symbol: str, text: str = "") -> None:
        samples.append(sample)
        symbols.append(symbol)
        texts.append(text)

    last = -1  # the wave before, within flutter
    for sample, label, text, wave in zip(
        beats.sample.tolist(), labels.tolist(), reviewers, waves.tolist(), strict=True
    ):
        if wave and last < 0:
            mark(sample, _FLUTTER_BEGINS)
        elif last >= 0 and not wave:
            mark(last, _FLUTTER_ENDS)
        if wave:
            mark(sample, _FLUTTER_WAVE)
        else:
            mark(sample, label, text)
        last = sample if wave else -1
    if last >= 0:
        mark(last, _FLUTTER_ENDS)
    return samples, symbols, texts


def encoded_marks(
    beats: ReviewBeats,
    labels: npt.NDArray[np.str_],
    reviewers: Sequence[str],
    *,
    waves: npt.NDArray[np.bool_],
) -> bytes:
    """Marks of all beats as a WFDB annotation file.

    Parameters
    ----------
    beats, labels, reviewers, waves
        As for `marks_of`.

    Returns
    -------
    bytes
    """
    samples, symbols, texts = marks_of(beats, labels, reviewers, waves=waves)
    return encode_annotations(samples, symbols, beats.fs, texts)
