"""How good a beat model is on recordings: from reference beats, and from detected ones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._progress import progress_bar
from ..errors import ModelError, no_card
from ..records import Record, read_record
from .annotated import reference_annotations, reference_beats
from .classes import ClassScores, confusion_matrix, from_matrix, patient_intervals
from .ec57 import AAMI_CLASSES, AAMI_OF_SYMBOL, class_confusion, flutter_intervals

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["ENOUGH", "PUBLISHED", "BeatModelScores", "evaluate_beat_model", "f1_of_each"]

#: Beats of a class from which a patient's F1 of it says something.
ENOUGH = 10

#: Published figures of patients never seen: whose, F1 or sensitivity and positive predictivity in
#: %, and on what.
PUBLISHED = (
    ("Llamedo and Martinez, IEEE TBME 58(3), 2011", "S Se 77, +P 39; V Se 81, +P 87", "DS2"),
    ("de Chazal, O'Dwyer and Reilly, IEEE TBME 51(7), 2004", "S Se 75.9, +P 38.5", "DS2"),
    ("Niu and others, 2019", "S F1 77, V F1 90", "DS2"),
    ("OSEA (Hamilton, Computers in Cardiology, 2002)", "V Se 91.3, +P 96.1", "44 records of mitdb"),
)


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
    outputs : ndarray of float32, shape (n, 5)
        Probabilities of each reference beat; none with detected beats.
    target : ndarray of int64, shape (n,)
        Class of each of them.
    record : ndarray of int64, shape (n,)
        Recording of each of them.
    hours : tuple of float
        Length of each recording; none where it is not known.
    """

    beats: str
    lookahead: int
    records: tuple[str, ...]
    patients: tuple[str, ...]
    matrices: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]
    target: npt.NDArray[np.int64]
    record: npt.NDArray[np.int64]
    hours: tuple[float, ...] = ()

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

    def f1_of_patients(self, label: str, least: int = ENOUGH) -> npt.NDArray[np.float64]:
        """F1 of a class in each patient who has some beats of it.

        Parameters
        ----------
        label : str
        least : int
            Beats of the class from which a patient counts.

        Returns
        -------
        ndarray of float64, shape (patients,)
        """
        return f1_of_each(self._patient_matrices(), label, least)

    def _patient_matrices(self) -> npt.NDArray[np.int64]:
        names = sorted(set(self.patients))
        return np.stack(
            [self.matrices[[p == name for p in self.patients]].sum(axis=0) for name in names]
        )

    def intervals(self) -> dict[str, dict[str, list[float]]]:
        """95 % intervals over patients; see `patient_intervals`.

        Returns
        -------
        dict
        """
        return patient_intervals(self._patient_matrices(), AAMI_CLASSES)

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
            "f1_by_patient": {label: _spread(self.f1_of_patients(label)) for label in ("S", "V")},
        }


def f1_of_each(
    matrices: npt.NDArray[np.int64], label: str, least: int = ENOUGH
) -> npt.NDArray[np.float64]:
    """F1 of a class in each confusion matrix that has some beats of it.

    Parameters
    ----------
    matrices : ndarray of int64, shape (n, k, k)
        Of patients or recordings; k is 5 or 6.
    label : str
    least : int
        Beats of the class from which one counts.

    Returns
    -------
    ndarray of float64, at most n
    """
    i = AAMI_CLASSES.index(label)
    there, called = matrices[:, i].sum(axis=1), matrices[:, :, i].sum(axis=1)
    enough = there >= least
    f1: npt.NDArray[np.float64] = 2 * matrices[enough, i, i] / (there + called)[enough]
    return f1


def _spread(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Number, quartiles and mean of some figures."""
    if not len(values):
        return {"patients": 0}
    low, median, high = (round(float(x), 4) for x in np.percentile(values, (25, 50, 75)))
    return {
        "patients": len(values),
        "mean": round(float(values.mean()), 4),
        "median": median,
        "quartiles": [low, high],
    }


def evaluate_beat_model(
    classifier: Classifier,
    data: str | os.PathLike[str],
    records: Sequence[tuple[str, str, str]],
    *,
    leads: Sequence[int | str] | None = (0,),
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
    leads : sequence of int or str, optional
        Columns or names of the leads; None takes all. Beats are detected on all of them together,
        each lead's window is labelled, and the log-odds are averaged.
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

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import evaluate_beat_model
    >>> records = [("mitdb", "100", "100"), ("mitdb", "208", "208")]
    >>> scores = evaluate_beat_model(Classifier(), "recordings", records)  # doctest: +SKIP
    >>> scores[0].beats, scores[0].matrices.shape                   # doctest: +SKIP
    ('reference', (2, 5, 5))
    """
    if classifier.classes and classifier.card is None:
        raise no_card(classifier.path, "which classes its outputs are")
    if classifier.classes != tuple(AAMI_CLASSES) or classifier.window is None:
        raise ModelError(f"{classifier.path}: gives {classifier.classes}, not the AAMI classes")
    points = [("reference", 0), ("reference", 1), ("detected", 0), ("detected", 1)]
    found: dict[tuple[str, int], list[_Answers]] = {point: [] for point in points}
    hours: list[float] = []
    for database, name, _ in progress_bar(records, "evaluate", "record", show=progress):
        record = read_record(Path(data) / database / name, leads=leads)
        record = dataclasses.replace(record, name=f"{database}/{name}")
        hours.append(record.n_samples / record.fs / 3600.0)
        for beats, ahead in points:
            answer = _from_reference if beats == "reference" else end_to_end
            found[beats, ahead].append(answer(classifier, record, ahead))
    return [
        BeatModelScores(
            beats,
            ahead,
            tuple(f"{database}/{name}" for database, name, _ in records),
            tuple(patient for _, _, patient in records),
            np.stack([answers.matrix for answers in of]),
            np.concatenate([answers.outputs for answers in of]),
            np.concatenate([answers.target for answers in of]),
            np.repeat(np.arange(len(of)), [len(answers.target) for answers in of]),
            tuple(hours),
        )
        for (beats, ahead), of in found.items()
    ]


class _Answers(NamedTuple):
    """Confusion of one recording, and what was said of each reference beat."""

    matrix: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.float32]
    target: npt.NDArray[np.int64]


def detected_probabilities(
    classifier: Classifier,
    record: Record,
    lookahead: int,
    given: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """R peaks, given or detected on all leads together, and the mean of what each lead tells.

    Parameters
    ----------
    classifier : Classifier
    record : Record
    lookahead : {0, 1}
    given : ndarray of int64, shape (n,), optional
        R peaks to take in place of detected ones.

    Returns
    -------
    sample : ndarray of int64, shape (n,)
    outputs : ndarray of float32, shape (n, classes)
    """
    from ..streaming.average import mean_over_leads
    from ..streaming.lead_windows import LeadWindows

    n_leads = record.signal.shape[1]
    assert classifier.window is not None
    leads = LeadWindows(
        record.fs,
        range(n_leads),
        n_leads=n_leads,
        method="neural" if given is None else "external",
        lookahead=lookahead,
        window=classifier.window,
    )
    batches = leads.finish(record.signal, given)
    return batches[0].sample, mean_over_leads(classifier, batches)


def _from_reference(classifier: Classifier, record: Record, lookahead: int) -> _Answers:
    samples, symbols = reference_beats(record)
    target = np.array([AAMI_CLASSES.index(AAMI_OF_SYMBOL[s]) for s in symbols], np.int64)
    _, outputs = detected_probabilities(classifier, record, lookahead, samples)
    matrix = confusion_matrix(target, outputs.argmax(axis=1), len(AAMI_CLASSES))
    return _Answers(matrix, outputs, target)


def end_to_end(classifier: Classifier, record: Record, lookahead: int) -> _Answers:
    """Confusion of a recording's detected beats; see `class_confusion`.

    Parameters
    ----------
    classifier : Classifier
    record : Record
        With annotations of beats.
    lookahead : {0, 1}

    Returns
    -------
    NamedTuple
        ``matrix``, of shape (6, 6).
    """
    samples, symbols = reference_beats(record)
    classes = [AAMI_OF_SYMBOL[s] for s in symbols]
    sample, outputs = detected_probabilities(classifier, record, lookahead)
    given = [AAMI_CLASSES[i] for i in outputs.argmax(axis=1)]
    marks = reference_annotations(record)
    flutter = flutter_intervals(marks.sample, marks.symbol.tolist())
    matrix = class_confusion(samples, classes, sample, given, record.fs, flutter=flutter)
    none = np.zeros(0, np.int64)
    return _Answers(matrix, np.zeros((0, len(AAMI_CLASSES)), np.float32), none)
