"""False S and V where there are none: healthy people, fibrillation, strips of normal rhythm.

A model of beat classes is chosen by these beside its sensitivity: a patient without ectopic beats
is the usual one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._progress import progress_bar
from ..errors import RecordError, content_reason
from ..records import read_record
from .beat_model import detected_probabilities, end_to_end
from .ec57 import AAMI_CLASSES

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = [
    "ECTOPIC",
    "FIBRILLATION",
    "HEALTHY",
    "NORMAL",
    "STRIPS",
    "FalseAlarms",
    "StripCalls",
    "evaluate_false_alarms",
    "evaluate_healthy",
    "evaluate_strip_beats",
    "false_alarms_of",
    "strip_rhythms",
]

#: Classes whose false beats are counted.
ECTOPIC = ("S", "V")
#: Database of healthy people who move about, with reference beats.
HEALTHY = "nsrdb"
#: Database of strips whose rhythm is labelled, and labels of two of its rhythms.
STRIPS = "cinc2017"
NORMAL, FIBRILLATION = "N", "A"

# Seconds from the first beat on in which little is known of a patient yet.
_FIRST_S = 3.0
# Share of the beats of a strip from which on a label of the rhythm would follow from them.
_MANY = 0.1


@dataclass(frozen=True)
class FalseAlarms:
    """False S and V in recordings, from detected beats.

    Attributes
    ----------
    lookahead : {0, 1}
        Whether the next RR interval was shown.
    records : tuple of str
    hours : tuple of float
        Length of each recording.
    false : dict of str to tuple of int
        By class, in each recording: beats called so that are not, false detections among them.
    """

    lookahead: int
    records: tuple[str, ...]
    hours: tuple[float, ...]
    false: dict[str, tuple[int, ...]]

    def per_hour(self, label: str) -> npt.NDArray[np.float64]:
        """False beats of a class per hour.

        Parameters
        ----------
        label : str
            "S" or "V".

        Returns
        -------
        ndarray of float64, shape (records,)
        """
        rates: npt.NDArray[np.float64] = np.array(self.false[label]) / np.array(self.hours)
        return rates

    def spread(self, label: str) -> dict[str, float]:
        """False beats of a class per hour over the recordings: "median", "mean" and "worst".

        Parameters
        ----------
        label : str
            "S" or "V".

        Returns
        -------
        dict
        """
        rates = self.per_hour(label)
        return {
            "median": float(np.median(rates)),
            "mean": float(rates.mean()),
            "worst": float(rates.max()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
            By class "median", "mean" and "worst" per hour, and the record of the worst.
        """
        row: dict[str, Any] = {"lookahead": self.lookahead, "records": len(self.records)}
        for label in self.false:
            row[label] = {
                **{name: round(rate, 2) for name, rate in self.spread(label).items()},
                "worst record": self.records[int(self.per_hour(label).argmax())],
            }
        return row


@dataclass(frozen=True)
class StripCalls:
    """Beats of strips of one rhythm that were called S and V, from detected beats.

    Attributes
    ----------
    rhythm : str
        "normal" or "fibrillation".
    lookahead : {0, 1}
        Whether the next RR interval was shown.
    strips, beats, first : int
        Strips with a beat; their beats; those of the first three seconds.
    called, called_first : dict of str to int
        By class, beats called so, and those of them in the first three seconds.
    many : dict of str to int
        By class, strips with over a tenth of their beats called so.
    """

    rhythm: str
    lookahead: int
    strips: int
    beats: int
    first: int
    called: dict[str, int]
    called_first: dict[str, int]
    many: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
            Counts, and by class "share" of beats, "share of the first three seconds" and "share of
            strips with over a tenth".
        """
        row: dict[str, Any] = {
            "rhythm": self.rhythm,
            "lookahead": self.lookahead,
            "strips": self.strips,
            "beats": self.beats,
        }
        for label, called in self.called.items():
            row[label] = {
                "share": _share(called, self.beats),
                "share of the first three seconds": _share(self.called_first[label], self.first),
                "share of strips with over a tenth": _share(self.many[label], self.strips),
            }
        return row


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 5) if whole else None


def strip_rhythms(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Rhythm of each strip of the PhysioNet/CinC Challenge 2017.

    Parameters
    ----------
    folder : path
        Holds the strips and ``REFERENCE.csv``.

    Returns
    -------
    dict of str to str
        By the name of a strip: "N" normal, "A" atrial fibrillation, "O" another rhythm, "~" noise.

    Raises
    ------
    RecordError
        If the file cannot be read.

    Examples
    --------
    >>> from ecgfast.evaluation import strip_rhythms
    >>> strip_rhythms("recordings/cinc2017")["A00001"]              # doctest: +SKIP
    'N'
    """
    path = Path(folder) / "REFERENCE.csv"
    try:
        with path.open(newline="", encoding="ascii") as file:
            return {row[0].strip(): row[1].strip() for row in csv.reader(file) if len(row) > 1}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(
            f"{path}: no list of strips and their rhythms ({content_reason(error)}); ecgfast "
            "prepare --download cinc2017 --data DIR fetches it"
        ) from None


def evaluate_false_alarms(
    classifier: Classifier,
    data: str | os.PathLike[str],
    *,
    leads: Sequence[int | str] | None = (0,),
    progress: bool = False,
) -> tuple[list[FalseAlarms], list[StripCalls]]:
    """Count false S and V on what a folder has of `HEALTHY` and `STRIPS`, for each lookahead.

    Parameters
    ----------
    classifier : Classifier
        Of AAMI classes.
    data : path
        Folder that holds the databases; one that is not there is left out.
    leads : sequence of int or str, optional
        Of `HEALTHY`, as in `evaluate_beat_model`; strips have one.
    progress : bool
        Show progress bars on a terminal.

    Returns
    -------
    healthy : list of FalseAlarms
    strips : list of StripCalls

    Raises
    ------
    RecordError
        If a recording is damaged.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import evaluate_false_alarms
    >>> healthy, strips = evaluate_false_alarms(Classifier(), "recordings")  # doctest: +SKIP
    >>> [found.spread("V")["mean"] for found in healthy]            # doctest: +SKIP
    """
    folder = Path(data)
    names = sorted(path.stem for path in (folder / HEALTHY).glob("*.hea"))
    healthy: list[FalseAlarms] = []
    strips: list[StripCalls] = []
    for lookahead in (0, 1):
        if names:
            healthy.append(
                evaluate_healthy(
                    classifier, data, names, leads=leads, lookahead=lookahead, progress=progress
                )
            )
        if (folder / STRIPS / "REFERENCE.csv").is_file():
            strips += evaluate_strip_beats(classifier, data, lookahead=lookahead, progress=progress)
    return healthy, strips


def evaluate_healthy(
    classifier: Classifier,
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    database: str = HEALTHY,
    leads: Sequence[int | str] | None = (0,),
    lookahead: int = 0,
    progress: bool = False,
) -> FalseAlarms:
    """Count false S and V in recordings with reference beats.

    Parameters
    ----------
    classifier : Classifier
        Of AAMI classes.
    data : path
        Folder that holds the database.
    records : sequence of str
        Names of its recordings.
    database : str
        Its folder.
    leads : sequence of int or str, optional
        As in `evaluate_beat_model`.
    lookahead : {0, 1}
        Whether the next RR interval is shown.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    FalseAlarms

    Raises
    ------
    RecordError
        If a recording is missing or damaged.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import evaluate_healthy
    >>> found = evaluate_healthy(Classifier(), "recordings", ["16265"])  # doctest: +SKIP
    >>> found.per_hour("V")                                         # doctest: +SKIP
    """
    hours: list[float] = []
    matrices: list[npt.NDArray[np.int64]] = []
    for name in progress_bar(records, database, "record", show=progress):
        record = read_record(Path(data) / database / name, leads=leads)
        matrices.append(end_to_end(classifier, record, lookahead).matrix)
        hours.append(record.n_samples / record.fs / 3600.0)
    names = [f"{database}/{name}" for name in records]
    return false_alarms_of(names, hours, np.stack(matrices), lookahead)


def false_alarms_of(
    records: Sequence[str],
    hours: Sequence[float],
    matrices: npt.NDArray[np.int64],
    lookahead: int = 0,
) -> FalseAlarms:
    """False S and V of recordings whose confusion is known.

    Parameters
    ----------
    records : sequence of str
        Their names.
    hours : sequence of float
        Their lengths.
    matrices : ndarray of int64, shape (records, k, k)
        Their confusion; k is 5, or 6 with missed and false beats.
    lookahead : {0, 1}
        Whether the next RR interval was shown.

    Returns
    -------
    FalseAlarms
    """
    false = {}
    for label in ECTOPIC:
        i = AAMI_CLASSES.index(label)
        false[label] = tuple((matrices[:, :, i].sum(axis=1) - matrices[:, i, i]).tolist())
    return FalseAlarms(lookahead, tuple(records), tuple(hours), false)


def evaluate_strip_beats(
    classifier: Classifier,
    data: str | os.PathLike[str],
    *,
    lookahead: int = 0,
    progress: bool = False,
) -> tuple[StripCalls, StripCalls]:
    """Count beats called S and V in strips of atrial fibrillation, and in those of normal rhythm.

    Parameters
    ----------
    classifier : Classifier
        Of AAMI classes.
    data : path
        Folder that holds ``cinc2017``.
    lookahead : {0, 1}
        Whether the next RR interval is shown.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    fibrillation, normal : StripCalls

    Raises
    ------
    RecordError
        If a strip or the list of rhythms is missing or damaged.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import evaluate_strip_beats
    >>> fibrillation, normal = evaluate_strip_beats(Classifier(), "recordings")  # doctest: +SKIP
    >>> normal.called["V"], normal.beats                            # doctest: +SKIP
    """
    folder = Path(data) / STRIPS
    kinds = {FIBRILLATION: "fibrillation", NORMAL: "normal"}
    labels: dict[str, list[npt.NDArray[np.int64]]] = {rhythm: [] for rhythm in kinds}
    firsts: dict[str, list[npt.NDArray[np.bool_]]] = {rhythm: [] for rhythm in kinds}
    for name, rhythm in progress_bar(strip_rhythms(folder).items(), STRIPS, "strip", show=progress):
        if rhythm not in kinds:
            continue
        record = read_record(folder / name, leads=0)
        sample, outputs = detected_probabilities(classifier, record, lookahead)
        if len(sample):
            labels[rhythm].append(outputs.argmax(axis=1).astype(np.int64))
            firsts[rhythm].append(sample < sample[0] + _FIRST_S * record.fs)
    fibrillation, normal = (
        _calls(kinds[rhythm], lookahead, labels[rhythm], firsts[rhythm])
        for rhythm in (FIBRILLATION, NORMAL)
    )
    return fibrillation, normal


def _calls(
    rhythm: str,
    lookahead: int,
    labels: Sequence[npt.NDArray[np.int64]],
    firsts: Sequence[npt.NDArray[np.bool_]],
) -> StripCalls:
    called: dict[str, int] = {}
    called_first: dict[str, int] = {}
    many: dict[str, int] = {}
    for label in ECTOPIC:
        is_one = [of == AAMI_CLASSES.index(label) for of in labels]
        called[label] = sum(int(one.sum()) for one in is_one)
        called_first[label] = sum(
            int((one & first).sum()) for one, first in zip(is_one, firsts, strict=True)
        )
        many[label] = sum(bool(one.mean() > _MANY) for one in is_one)
    return StripCalls(
        rhythm,
        lookahead,
        len(labels),
        sum(map(len, labels)),
        sum(int(first.sum()) for first in firsts),
        called,
        called_first,
        many,
    )
