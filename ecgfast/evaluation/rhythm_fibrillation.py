"""Scores of atrial fibrillation: in recordings with annotated rhythms, and in strips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..records import Record, read_record
from ..rhythm import EventKind, RhythmStream
from ..rhythm.atrial import AtrialModel, left_out_models, stored_settings
from .annotated import reference_annotations
from .episodes import (
    EpisodeScore,
    FalseTime,
    false_time,
    interruptions,
    rhythm_episodes,
    score_episodes,
)
from .false_alarms import strip_rhythms
from .mitdb import PACED
from .rhythm_events import record_events

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = [
    "STRIP_S",
    "FibrillationScores",
    "StripScores",
    "evaluate_fibrillation",
    "evaluate_strips",
]


#: Seconds that atrial fibrillation has to last in a strip: many last ten seconds.
STRIP_S = 8.0

Finder = Callable[[npt.NDArray[np.int64], float], npt.NDArray[np.int64]]
"""R peaks in samples and the sampling rate in; episodes as spans of samples out."""


@dataclass(frozen=True)
class FibrillationScores:
    """Atrial fibrillation, record by record.

    Attributes
    ----------
    name : str
        Whose episodes.
    records : tuple of EpisodeScore
        Stretches of atrial flutter count on neither side.
    with_flutter : tuple of EpisodeScore
        Atrial flutter counts as fibrillation, on both sides.
    ventricular_apart : tuple of EpisodeScore
        As `records`, and ventricular rhythms that interrupt fibrillation count on neither side.
    false_times : tuple of FalseTime
        Where the false time of `records` lies.
    """

    name: str
    records: tuple[EpisodeScore, ...]
    with_flutter: tuple[EpisodeScore, ...]
    ventricular_apart: tuple[EpisodeScore, ...]
    false_times: tuple[FalseTime, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "name": self.name,
            "all": EpisodeScore.total(self.records).to_dict(),
            "with_flutter": EpisodeScore.total(self.with_flutter).to_dict(),
            "ventricular_apart": EpisodeScore.total(self.ventricular_apart).to_dict(),
            "records": [
                {**one.to_dict(), "false_time": asdict(false)}
                for one, false in zip(self.records, self.false_times, strict=True)
            ],
        }


def _model_without(record: Record, models: dict[str, AtrialModel]) -> AtrialModel:
    if record.name not in models:
        raise InputError(
            f"{record.name}: no model of atrial fibrillation was fitted without this record; score "
            "the records that bench/fit_rhythm.py learned from"
        )
    return models[record.name]


def evaluate_fibrillation(
    folder: Path,
    classifier: Classifier,
    *,
    others: dict[str, Finder] | None = None,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> list[FibrillationScores]:
    """Episodes of atrial fibrillation on mitdb, each record by a model that never saw its patient.

    Parameters
    ----------
    folder : path
        Holds the records; those with a pacemaker are left out.
    classifier : Classifier
        Labels the beats.
    others : dict of str to callable, optional
        Other methods, on the same beats.
    progress : callable, optional

    Returns
    -------
    list of FibrillationScores
        ecgfast first, then `others` in their order.
    """
    names = ["ecgfast", *(others or {})]
    scores: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    models = left_out_models()
    paths = [path.with_suffix("") for path in sorted(folder.glob("*.hea"))]
    for path in progress([path for path in paths if path.name not in PACED]):
        record = read_record(path)
        marks = reference_annotations(record)
        end, fs = record.n_samples, record.fs
        rhythm = RhythmStream(
            fs, n_leads=record.signal.shape[1], atrial=_model_without(record, models)
        )
        beats, events = record_events(record, classifier, rhythm=rhythm)
        spans = [
            (one.start, one.end) for one in events if one.kind is EventKind.ATRIAL_FIBRILLATION
        ]
        found = {"ecgfast": np.asarray(spans, np.int64).reshape(-1, 2)}
        at = np.asarray([beat.sample for beat in beats], np.int64)
        found |= {name: finder(at, fs) for name, finder in (others or {}).items()}
        annotated = marks.sample, list(marks.symbol), list(marks.aux), end
        fibrillation, flutter = (rhythm_episodes(*annotated, code) for code in ("(AFIB", "(AFL"))
        ventricular = interruptions(*annotated, "(AFIB")
        apart = np.concatenate([flutter, ventricular])
        both = np.concatenate([fibrillation, flutter])
        for name, test in found.items():
            scores[name].append(
                (
                    score_episodes(fibrillation, test, fs, end, record=path.name, apart=flutter),
                    score_episodes(both, test, fs, end, record=path.name),
                    score_episodes(fibrillation, test, fs, end, record=path.name, apart=apart),
                    false_time(fibrillation, test, fs, end, ventricular=ventricular, apart=flutter),
                )
            )
    return [
        FibrillationScores(name, *(tuple(some) for some in zip(*counted, strict=True)))
        for name, counted in scores.items()
    ]


@dataclass(frozen=True)
class StripScores:
    """Strips with atrial fibrillation against strips with a normal rhythm.

    Attributes
    ----------
    tp, fn, fp, tn : int
        Strips.
    others, others_called : int
        Strips of other rhythms, and those of them that were called atrial fibrillation.
    """

    tp: int
    fn: int
    fp: int
    tn: int
    others: int
    others_called: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FN + FP)."""
        return 2 * self.tp / max(1, 2 * self.tp + self.fn + self.fp)

    def to_dict(self) -> dict[str, Any]:
        """Counts and F1 under plain names."""
        return {
            "tp": self.tp, "fn": self.fn, "fp": self.fp, "tn": self.tn, "f1": self.f1,
            "others": self.others, "others_called": self.others_called,
        }  # fmt: skip


def evaluate_strips(
    folder: Path,
    classifier: Classifier,
    *,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> StripScores:
    """Atrial fibrillation in the strips of cinc2017, each by a model that never saw it.

    Raises
    ------
    RecordError
        If a strip or the list of rhythms is missing or damaged.
    """
    labels = strip_rhythms(folder)
    models = left_out_models()
    counts = dict.fromkeys(("A", "N", "O"), 0)
    called = dict(counts)
    for name in progress([name for name, label in labels.items() if label in counts]):
        record = read_record(folder / name)
        rhythm = RhythmStream(
            record.fs,
            irregular=STRIP_S,
            irregular_probability=stored_settings().strip_probability,
            atrial=_model_without(record, models),
        )
        _, events = record_events(record, classifier, rhythm=rhythm)
        counts[labels[name]] += 1
        called[labels[name]] += any(one.kind is EventKind.ATRIAL_FIBRILLATION for one in events)
    return StripScores(
        called["A"],
        counts["A"] - called["A"],
        called["N"],
        counts["N"] - called["N"],
        counts["O"],
        called["O"],
    )
