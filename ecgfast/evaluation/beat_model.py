"""How good a beat model is on recordings: from reference beats, and from detected ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core import BeatBatch, BeatStream
from ..errors import ModelError, RecordError
from ..records import Record, read_record
from .classes import ClassScores, confusion_matrix, from_matrix, patient_intervals
from .ec57 import AAMI_CLASSES, AAMI_OF_SYMBOL, class_confusion, flutter_intervals, is_beat

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["BeatModelScores", "evaluate_beat_model"]


@dataclass(frozen=True, eq=False)
class BeatModelScores:
    """Confusion of one model at one operating point, record by record.

    Attributes
    ----------
    beats : {"reference", "detected"}
        Where the R peaks came from.
    lookahead : {0, 1}
        Whether the next RR interval was shown.
    records, patients : tuple of str
        Recordings and whose they are.
    matrices : ndarray of int64, shape (records, k, k)
        Confusion of each recording; k is 5, and 6 with detected beats, for missed and false ones.
    """

    beats: str
    lookahead: int
    records: tuple[str, ...]
    patients: tuple[str, ...]
    matrices: npt.NDArray[np.int64]

    def scores(self, without: Sequence[str] = ()) -> ClassScores:
        """Gross scores over all recordings but some.

        Parameters
        ----------
        without : sequence of str
            Recordings to leave out.

        Returns
        -------
        ClassScores
        """
        kept = [name not in without for name in self.records]
        return from_matrix(self.matrices[kept].sum(axis=0), AAMI_CLASSES)

    def intervals(self) -> dict[str, dict[str, list[float]]]:
        """95 % intervals over patients; see `patient_intervals`.

        Returns
        -------
        dict
        """
        names = sorted(set(self.patients))
        rows = [self.matrices[[p == name for p in self.patients]].sum(axis=0) for name in names]
        return patient_intervals(np.stack(rows), AAMI_CLASSES)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
        """
        return {
            "beats": self.beats,
            "lookahead": self.lookahead,
            "records": len(self.records),
            **self.scores().to_dict(),
            "intervals_95": self.intervals(),
        }


def evaluate_beat_model(
    classifier: Classifier,
    data: str | os.PathLike[str],
    records: Sequence[tuple[str, str, str]],
    *,
    lead: int = 0,
    progress: bool = False,
) -> list[BeatModelScores]:
    """Score a model of AAMI classes on annotated recordings.

    Parameters
    ----------
    classifier : Classifier
        With a card that tells its window.
    data : path
        Folder that holds the databases.
    records : sequence of (database, record, patient)
        Which recordings, and whose they are.
    lead : int
        Column of the lead that is read.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    list of BeatModelScores
        From reference beats and from detected ones, for each lookahead.

    Raises
    ------
    ModelError
        If the model does not give AAMI classes.
    RecordError
        If a recording is missing or damaged.
    """
    from tqdm import tqdm

    if classifier.classes != tuple(AAMI_CLASSES) or classifier.window is None:
        raise ModelError(f"{classifier.path}: gives {classifier.classes}, not the AAMI classes")
    points = [("reference", 0), ("reference", 1), ("detected", 0), ("detected", 1)]
    matrices: dict[tuple[str, int], list[npt.NDArray[np.int64]]] = {p: [] for p in points}
    for database, name, _ in tqdm(
        records, desc="evaluate", unit="record", disable=None if progress else True
    ):
        record = read_record(Path(data) / database / name, leads=lead)
        for beats, ahead in points:
            score = _from_reference if beats == "reference" else _end_to_end
            matrices[beats, ahead].append(score(classifier, record, ahead))
    return [
        BeatModelScores(
            beats,
            ahead,
            tuple(f"{database}/{name}" for database, name, _ in records),
            tuple(patient for _, _, patient in records),
            np.stack(matrices[beats, ahead]),
        )
        for beats, ahead in points
    ]


def _labels(classifier: Classifier, batch: BeatBatch) -> npt.NDArray[np.int64]:
    features = batch.features if "features" in classifier.input_shapes else None
    best: npt.NDArray[np.int64] = classifier.predict(batch.windows, features).argmax(axis=1)
    return best


def _reference(record: Record) -> tuple[npt.NDArray[np.int64], list[str]]:
    marks = record.annotations
    if marks is None:
        raise RecordError(f"{record.name}: no reference annotations (.atr) beside it")
    chosen = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < record.n_samples)
    return marks.sample[chosen], [AAMI_OF_SYMBOL[s] for s in marks.symbol[chosen]]


def _from_reference(
    classifier: Classifier, record: Record, lookahead: int
) -> npt.NDArray[np.int64]:
    samples, classes = _reference(record)
    stream = BeatStream(record.fs, method="given", lookahead=lookahead, window=classifier.window)
    batch = BeatBatch.concatenate([stream.process(record.signal, samples), stream.flush()])
    actual = [AAMI_CLASSES.index(c) for c in classes]
    return confusion_matrix(actual, _labels(classifier, batch), len(AAMI_CLASSES))


def _end_to_end(classifier: Classifier, record: Record, lookahead: int) -> npt.NDArray[np.int64]:
    samples, classes = _reference(record)
    stream = BeatStream(record.fs, lookahead=lookahead, window=classifier.window)
    batch = BeatBatch.concatenate([stream.process(record.signal), stream.flush()])
    given = [AAMI_CLASSES[i] for i in _labels(classifier, batch)]
    marks = record.annotations
    flutter = flutter_intervals(marks.sample, marks.symbol.tolist()) if marks is not None else None
    return class_confusion(samples, classes, batch.r_sample, given, record.fs, flutter=flutter)
