"""Scores of trained networks and converted models on sets of examples, whatever the task."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluation.classes import confusion_matrix, from_matrix, patient_intervals
from ..runtime import Classifier
from ..runtime.cards import ModelCard
from .examples import ExampleSet
from .tasks import Report, Task, given_labels

__all__ = ["plain", "score_outputs", "score_test_sets"]


def score_test_sets(
    task: Task,
    card_path: Path,
    test_sets: Mapping[str, ExampleSet],
    report: Report,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Score every form of a converted model on every test part.

    Parameters
    ----------
    task : Task
    card_path : Path
        NAME.json beside the model's files.
    test_sets : mapping of str to ExampleSet
        By heading.
    report : callable
        Gets the figures.
    folder : Path, optional
        Where reports and pictures go.

    Returns
    -------
    dict
        ``"HEADING, FORM"`` to figures, and under ``"scores"`` all there is to know, as plain JSON.

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    headlines: dict[str, Any] = {}
    details = []
    for form in ModelCard.load(card_path).forms:
        classifier = Classifier(card_path, form=form)
        for heading, shown in test_sets.items():
            for view, examples in task.views(shown).items():
                title = ", ".join(filter(None, (heading, view, form)))
                inputs = [examples.inputs[name] for name in classifier.input_shapes]
                outputs = classifier.predict(*inputs)
                figures = plain(task.figures(examples, outputs))
                headlines[title] = figures
                details.append({"title": title, "form": form, **score_outputs(examples, outputs)})
                report(f"{title}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    return {**headlines, "scores": details}


def score_outputs(examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Confusion, figures of each class, and their intervals over patients, as plain JSON.

    Parameters
    ----------
    examples : ExampleSet
        Of n rows.
    outputs : ndarray of float32, shape (n, outputs)

    Returns
    -------
    dict
        Number of examples, records and patients; of classes also accuracy, macro F1, each class's
        figures, the confusion matrix (rows the reference) and 95 % intervals from drawing
        patients.
    """
    patients, whose = np.unique(examples.patient, return_inverse=True)
    about = {
        "examples": len(examples),
        "records": len(np.unique(examples.record)),
        "patients": len(patients),
    }
    if not examples.labelled:
        return about
    classes, given = examples.classes, given_labels(outputs)
    matrices = np.stack(
        [
            confusion_matrix(examples.target[whose == i], given[whose == i], len(classes))
            for i in range(len(patients))
        ]
    )
    return {
        **about,
        **from_matrix(matrices.sum(axis=0), classes).to_dict(),
        "intervals_95": patient_intervals(matrices, classes),
    }


def plain(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures rounded for a card; what is not defined is left out.

    Parameters
    ----------
    figures : mapping of str to float

    Returns
    -------
    dict of str to float
    """
    return {name: round(float(x), 4) for name, x in figures.items() if isfinite(x)}
