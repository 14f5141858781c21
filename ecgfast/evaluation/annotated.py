"""Labelled beats out of annotations, in the form that a model reports them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..records import Annotations, Record
from ..records.wfdb_annotations import UNDEFINED
from ..runtime.decision import REJECTED
from ..streaming import Beat, Quality
from .ec57 import AAMI_OF_SYMBOL, is_beat

__all__ = ["annotated_beats", "check_beat_annotations", "reference_annotations", "reference_beats"]

# A wave of ventricular flutter, and the text of a beat that a `Decision` gave no class.
_WAVE, _REJECTED = "!", "rejected"

# What `ecgfast review` writes.
_REVIEWED = ".reviewed"

# Seconds beyond a recording's end in which its last beats may be marked.
_BEYOND_S = 1.0


def reference_annotations(record: Record) -> Annotations:
    """Return the reference annotations of a recording.

    Parameters
    ----------
    record : Record

    Returns
    -------
    Annotations

    Raises
    ------
    RecordError
        If it has none, or they are of another recording.
    """
    marks = record.annotations
    if marks is None:
        raise _no_beats_marked(record)
    check_beat_annotations(marks, record.n_samples, record.fs, record.name)
    return marks


def reference_beats(record: Record) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """Beats that a recording's reference annotations mark.

    Parameters
    ----------
    record : Record

    Returns
    -------
    sample : ndarray of int64, shape (n,)
    symbols : ndarray of str, shape (n,)
        Their annotation codes.

    Raises
    ------
    RecordError
        If there are no annotations of beats, or they are not of this recording.
    """
    marks = reference_annotations(record)
    chosen = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < record.n_samples)
    if not chosen.any():
        raise _no_beats_marked(record)
    return marks.sample[chosen], marks.symbol[chosen]


def check_beat_annotations(annotations: Annotations, n_samples: int, fs: float, name: str) -> None:
    """Refuse annotations of another recording, and marks that nobody knows the meaning of.

    Parameters
    ----------
    annotations : Annotations
    n_samples : int
        Samples a lead of the recording.
    fs : float
        Its sampling rate, Hz.
    name : str
        Its name, for the message.

    Raises
    ------
    RecordError
        If a beat is marked more than a second after the recording's end, or a mark has a code that
        neither WFDB nor its file defines: whether it is a beat is not known.
    """
    unknown = annotations.sample[annotations.symbol == UNDEFINED]
    if len(unknown):
        raise RecordError(
            f"{name}: {len(unknown)} of its annotations have a code that neither WFDB nor their "
            f"file defines, the first at {unknown[0] / fs:.1f} s: whether they are beats is not "
            "known; give them a code of WFDB, or remove them"
        )
    beats = annotations.sample[is_beat(annotations.symbol)]
    last = int(beats.max(initial=0))
    if last > n_samples + _BEYOND_S * fs:
        raise RecordError(
            f"{name}: its annotations mark {int((beats >= n_samples).sum())} of {len(beats)} beats "
            f"after its end (until {last / fs:.1f} s; it lasts {n_samples / fs:.1f} s): they are "
            "of another recording, or of one that was cut; give those that belong to it"
        )


def _no_beats_marked(record: Record) -> RecordError:
    """The error of a recording whose reference annotations are missing or mark no beat.

    It names labels of a review that lie beside the recording, as they have another extension.
    """
    if record.annotations is not None:
        what = "its annotations mark no beat; give those of its beats"
    else:
        what = "no reference annotations (.atr) beside it"
    path = Path(record.origin.file) if record.origin is not None else None
    if path is not None and path.with_suffix(_REVIEWED).is_file():
        reviewed, reference = path.with_suffix(_REVIEWED).name, path.with_suffix(".atr").name
        what += f"; to take the labels of its review copy {reviewed} to {reference}"
    elif record.annotations is None:
        what += "; put its .atr file there"
    return RecordError(f"{record.name}: {what}")


def annotated_beats(annotations: Annotations, fs: float) -> Iterator[Beat]:
    """Make beats of annotations: WFDB codes as AAMI classes, waves of flutter, no other marks.

    Parameters
    ----------
    annotations : Annotations
    fs : float
        Samples a second that they count in.

    Yields
    ------
    Beat
        In order; of several marks on one sample the first.
    """
    last = -1
    for i in np.argsort(annotations.sample, kind="stable"):
        symbol, sample = str(annotations.symbol[i]), int(annotations.sample[i])
        if sample <= last or not (symbol == _WAVE or symbol in AAMI_OF_SYMBOL):
            continue
        rejected = symbol == "Q" and annotations.aux[i] == _REJECTED
        rr = (sample - last) / fs if last >= 0 else math.nan
        yield Beat(
            sample=sample,
            time=sample / fs,
            label=REJECTED if rejected else AAMI_OF_SYMBOL.get(symbol, ""),
            probability=math.nan,
            probabilities={},
            rr=rr,
            heart_rate=60 / rr,
            quality=Quality.FLUTTER if symbol == _WAVE else Quality.GOOD,
        )
        last = sample
