"""Figures of beat classifiers: for candidates, for the choice among them, and for the card."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from ...evaluation import AAMI_CLASSES, BeatModelScores
from ...evaluation.beat_model import f1_of_each
from ...evaluation.classes import from_matrix
from ...evaluation.false_alarms import ECTOPIC, HEALTHY, false_alarms_of
from ...evaluation.reliability import coverage_curve, operating_points, reliability
from ...runtime.cards import LOOKAHEAD_LABELS, probabilities_heading
from ..datasets.examples import ExampleSet
from ..fitting.calibration import Calibration, fit_calibration
from ..recipes.recipe import Recipe
from ..scoring import score_outputs
from .beat_examples import annotated, by_database, databases_of

__all__ = [
    "STEERING",
    "calibration_of",
    "criterion",
    "cross_validation_scores",
    "database_figures",
    "headline",
    "score_title",
    "strip_figures",
]

# Classes that steer the choice: F and Q come from too few patients to say anything.
STEERING = ECTOPIC
# One patient in a tachycardia of twelve minutes: a quarter of all S beats of svdb.
_MOST_S = "svdb/865"
# Operating points that patients of other recordings did not keep: on the other half of svdb, in no
# training, sensitivities of S of 80, 90 and 95 % became 64, 80 and 90.
_NOT_KEPT = ("S", "sensitivity")


def database_figures(
    examples: ExampleSet, labels: npt.NDArray[np.int64], parts: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, float]:
    """F1 of S and V in each of several databases; false S and V of healthy people.

    Parameters
    ----------
    examples : ExampleSet
    labels : ndarray of int64, shape (n,)
        The class that each was given.
    parts : mapping of str to ndarray of bool
        The examples of each database with reference labels.

    Returns
    -------
    dict of str to float
    """
    figures: dict[str, float] = {}
    for name, part in parts.items():
        matrices, hours = _by_recording(examples, labels, part)
        if name == HEALTHY:
            figures |= _false_alarms(name, matrices, hours)
        elif len(parts) > 1:
            scores = from_matrix(matrices.sum(axis=0), AAMI_CLASSES)
            figures |= {f"{name} {c} F1": scores.f1(c) for c in STEERING}
            figures |= _by_patient(name, matrices)
    return figures


def strip_figures(
    examples: ExampleSet, labels: npt.NDArray[np.int64], strips: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Share of the beats of strips that are called S and V, in fibrillation and in normal rhythm.

    Parameters
    ----------
    examples : ExampleSet
    labels : ndarray of int64, shape (n,)
        The class that each was given.
    strips : ndarray of bool, shape (n,)
        Which of them are of strips.

    Returns
    -------
    dict of str to float
    """
    figures = {}
    fibrillation = examples.columns["fibrillation"]
    for what, kind in (("fibrillation", fibrillation), ("normal strips", ~fibrillation)):
        for c in STEERING:
            called = labels[strips & kind] == list(AAMI_CLASSES).index(c)
            figures[f"{what} called {c}"] = float(called.mean()) if len(called) else np.nan
    return figures


def _by_recording(
    examples: ExampleSet, labels: npt.NDArray[np.int64], part: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Confusion of the beats of a database in each recording, (n, 5, 5), and its hours, (n,)."""
    _, whose = np.unique(examples.columns["recording"][part], return_inverse=True)
    n, k = int(whose.max()) + 1, len(AAMI_CLASSES)
    cell = (whose * k + examples.target[part]) * k + labels[part]
    rr = np.nan_to_num(examples.columns["rr"][part].astype(np.float64))
    hours = np.maximum(np.bincount(whose, rr), 1.0) / 3600.0
    return np.bincount(cell, minlength=n * k * k).reshape(n, k, k).astype(np.int64), hours


def _false_alarms(
    name: str, matrices: npt.NDArray[np.int64], hours: npt.NDArray[np.float64]
) -> dict[str, float]:
    """False S and V per hour of each recording of a database, and per beat."""
    alarms = false_alarms_of([name] * len(hours), hours.tolist(), matrices)
    figures = {}
    for c, false in alarms.false.items():
        figures[f"{name} called {c}"] = sum(false) / int(matrices.sum())
        for figure, rate in alarms.spread(c).items():
            figures[f"{name} false {c} per hour, {figure}"] = rate
    return figures


def _by_patient(name: str, matrices: npt.NDArray[np.int64]) -> dict[str, float]:
    """Median F1 of S and V over the recordings of a database that have some."""
    each = {c: f1_of_each(matrices, c) for c in STEERING}
    return {
        f"{name} {c} by patient": float(np.median(f1)) if len(f1) else np.nan
        for c, f1 in each.items()
    }


def criterion(figures: dict[str, dict[str, float]]) -> float:
    """Mean F1 of S and V, less false S and V: as `BeatTask.criterion` says."""
    found = []
    for of in figures.values():
        endings = tuple(f" {c} F1" for c in STEERING)
        by_name = [value for name, value in of.items() if name.endswith(endings)]
        gain = float(np.nanmean(by_name or [of[f"{c} F1"] for c in STEERING]))
        for c in STEERING:
            gain -= float(np.nan_to_num(of.get(f"fibrillation called {c}", 0.0)))
            gain -= 10 * float(np.nan_to_num(of.get(f"{HEALTHY} called {c}", 0.0)))
        found.append(gain)
    return float(np.nanmean(found))


def calibration_of(
    recipe: Recipe, examples: ExampleSet, answers: Mapping[str, npt.NDArray[np.float32]]
) -> Calibration:
    """Fitted to beats with reference labels, of what was learnt; all databases count alike."""
    labelled = annotated(recipe, examples)
    of = databases_of(examples)[labelled]
    return fit_calibration(
        np.concatenate([outputs[labelled] for outputs in answers.values()]),
        np.tile(examples.target[labelled], len(answers)),
        np.tile(1.0 / np.bincount(of)[of], len(answers)),
    )


def cross_validation_scores(
    examples: ExampleSet, answers: Mapping[str, npt.NDArray[np.float32]], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Scores of calibrated answers by database, and how far their probabilities hold.

    Parameters
    ----------
    examples : ExampleSet
        Those with reference labels.
    answers : mapping of str to ndarray of float32, shape (n, classes)
        Calibrated outputs, by view.
    classes : tuple of str
        The model's.

    Returns
    -------
    dict
    """
    scores: dict[str, Any] = {}
    parts = by_database(examples)
    others = examples.record != _MOST_S
    if not others.all() and (parts["svdb"] & others).any():
        parts["svdb without record 865"] = parts["svdb"] & others
    for view, outputs in answers.items():
        for name, part in parts.items():
            score = score_outputs(examples.only(part), outputs[part])
            scores[f"cross-validation, calibrated, {name}, {view}"] = score
        scores[probabilities_heading(view)] = {
            **reliability(outputs, examples.target),
            "coverage": coverage_curve(outputs, examples.target, patients=examples.patient),
            "operating points": {
                c: _points(examples, outputs[:, i], i, c)
                for i, c in enumerate(classes)
                if c in STEERING and np.any(examples.target == i)
            },
        }
    return scores


def _points(
    examples: ExampleSet, probability: npt.NDArray[np.float32], index: int, name: str
) -> list[dict[str, Any]]:
    """Operating points of a class; those that other patients did not keep say so."""
    points = operating_points(probability, examples.target == index, patients=examples.patient)
    return [
        {**row, "holds": False} if (name, row["by"]) == _NOT_KEPT else {**row} for row in points
    ]


def score_title(score: BeatModelScores) -> str:
    """What was scored: on which beats, and how long it waited."""
    beats = "reference beats" if score.beats == "reference" else "own detections"
    return f"{beats}, {LOOKAHEAD_LABELS[score.lookahead]}"


def headline(score: BeatModelScores) -> dict[str, float]:
    """The few figures of a score that a card shows first."""
    total, without = score.scores(), score.scores(without=("mitdb/232",))
    with_232 = "mitdb/232" in score.records
    figures = {
        "N sensitivity": total.sensitivity("N"),
        "V sensitivity": total.sensitivity("V"),
        "V positive predictivity": total.positive_predictivity("V"),
        "V F1": total.f1("V"),
        "S F1": total.f1("S"),
        **({"S F1 without record 232": without.f1("S")} if with_232 else {}),
        "accuracy": total.accuracy,
    }
    # A model that never says V has no positive predictivity.
    return {name: round(figure, 4) for name, figure in figures.items() if isfinite(figure)}
