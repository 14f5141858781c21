"""The labels of a review as WFDB annotations, with who said what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..records import write_annotations
from .beats import ReviewBeats

__all__ = ["NOT_A_BEAT", "marks_of", "write_marks"]

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


def write_marks(
    path: Path,
    beats: ReviewBeats,
    labels: npt.NDArray[np.str_],
    reviewers: Sequence[str],
    *,
    waves: npt.NDArray[np.bool_],
) -> None:
    """Write the marks of all beats as an annotation file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    beats, labels, reviewers, waves
        As for `marks_of`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    samples, symbols, texts = marks_of(beats, labels, reviewers, waves=waves)
    write_annotations(path, samples, symbols, beats.fs, aux=texts)
