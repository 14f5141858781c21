"""AAMI class of each beat from its window and features, trained and tested by patient."""

from __future__ import annotations

import os
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ...core import FEATURE_NAMES
from ...errors import InputError
from ...evaluation import AAMI_CLASSES, BeatModelScores, evaluate_beat_model
from ...runtime import Classifier, InputSpec, ModelCard, ModelWindow
from ..beats import BeatSet, prepare_beats, without_lookahead
from ..examples import ExampleSet
from ..recipe import Recipe
from ..scoring import write_score
from ..splits import DS2, patient_of
from . import CardFacts, Report, Task

__all__ = ["TASK", "BeatTask", "beat_examples", "of_training_patients"]

_TEST = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
# Classes that steer the choice. F and Q come from too few patients to say anything, and two in five
# S beats of DS1 are one patient's (209): S is told, but would make the choice one of chance.
_STEERING = ("N", "V")


def beat_examples(beats: BeatSet) -> ExampleSet:
    """Beats of the core as examples: window and features, target the AAMI class.

    Parameters
    ----------
    beats : BeatSet

    Returns
    -------
    ExampleSet
    """
    return ExampleSet(
        {"window": beats.windows, "features": beats.features},
        beats.label,
        beats.patient,
        beats.record,
        {**beats.about, "classes": list(AAMI_CLASSES)},
    )


def of_training_patients(beats: BeatSet) -> BeatSet:
    """All beats of a set but those of the test records.

    Parameters
    ----------
    beats : BeatSet

    Returns
    -------
    BeatSet

    Raises
    ------
    InputError
        If none is left.
    """
    test = {f"{database}/{name}" for database, name, _ in _TEST}
    kept = beats.only(np.array([record not in test for record in beats.record.tolist()]))
    if not len(kept):
        raise InputError("the data set holds no training records: prepare it with DS1's")
    return kept


class BeatTask(Task):
    """DS1, and all of any other database of the recipe, train and choose; DS2 tests."""

    name = "beats"
    classes = tuple(AAMI_CLASSES)
    criterion_name = "mean F1 of N and V"

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """Beats of the recipe's databases but DS2, with the next RR interval."""
        beats = prepare_beats(data, recipe.databases, progress=progress)
        return beat_examples(of_training_patients(beats))

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """Reference beats of DS2; `score_forms` scores end to end too."""
        beats = prepare_beats(data, ("mitdb",), progress=progress)
        return {"DS2": beat_examples(beats.of_records(f"mitdb/{name}" for name in DS2))}

    def views(self, examples: ExampleSet) -> dict[str, ExampleSet]:
        """Labelled with the beat, and one beat later, when the next RR interval is known."""
        known = without_lookahead(examples.inputs["features"])
        return {
            "label with the beat": examples.with_inputs(features=known),
            "label one beat later": examples,
        }

    def criterion(self, figures: dict[str, dict[str, float]]) -> float:
        """Mean F1 of N and V, averaged over both views."""
        return float(np.mean([of[f"{c} F1"] for of in figures.values() for c in _STEERING]))

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Inputs, window, data and split, for the card."""
        return CardFacts(
            inputs=(
                InputSpec(
                    "window",
                    examples.inputs["window"].shape[1:],
                    "channel 0 the beat, channel 1 the patient's running dominant beat, in running "
                    "QRS sizes, as BeatStream cuts them",
                ),
                InputSpec(
                    "features",
                    examples.inputs["features"].shape[1:],
                    "RR and morphology features of BeatStream: " + ", ".join(FEATURE_NAMES),
                ),
            ),
            window=ModelWindow(*examples.about["window"]),
            data={
                "databases": list(recipe.databases),
                "training_beats": examples.counts(),
                "training_patients": len(set(examples.patient.tolist())),
                "left_out": examples.about["left_out"],
                "lead": "the first of each recording",
            },
            split={
                "training": sorted(set(examples.record.tolist())),
                "choice": f"{recipe.folds}-fold cross-validation over training patients",
                "test": [f"{database}/{name}" for database, name, _ in _TEST],
                "patients on both sides": "one: mitdb 201 and 202, the split's known flaw",
            },
        )

    def score_forms(
        self,
        card_path: Path,
        data: str | os.PathLike[str],
        recipe: Recipe,
        report: Report,
        *,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Every form on DS2, from reference beats and end to end, with and without waiting."""
        metrics: dict[str, Any] = {}
        details = []
        for form in ModelCard.load(card_path).forms:
            classifier = Classifier(card_path, form=form)
            for score in evaluate_beat_model(classifier, data, _TEST, progress=True):
                title = f"DS2 {form}, {_title(score)}"
                metrics[title] = _headline(score)
                details.append({"form": form, **score.to_dict()})
                if folder is not None:
                    write_score(folder, title, self.classes, score.scores().confusion)
                report(f"\n{title}\n{score.scores().table()}")
        return {**metrics, "scores": details}


def _title(score: BeatModelScores) -> str:
    beats = "reference beats" if score.beats == "reference" else "own detections"
    return f"{beats}, label {'one beat later' if score.lookahead else 'with the beat'}"


def _headline(score: BeatModelScores) -> dict[str, float]:
    total, without = score.scores(), score.scores(without=("mitdb/232",))
    figures = {
        "N sensitivity": total.sensitivity("N"),
        "V sensitivity": total.sensitivity("V"),
        "V positive predictivity": total.positive_predictivity("V"),
        "V F1": total.f1("V"),
        "S F1": total.f1("S"),
        "S F1 without record 232": without.f1("S"),
        "accuracy": total.accuracy,
    }
    # A model that never says V has no positive predictivity to tell.
    return {name: round(figure, 4) for name, figure in figures.items() if isfinite(figure)}


TASK = BeatTask()
