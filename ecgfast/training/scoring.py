"""Scores of a model's outputs on a set of examples, and the JSON files that hold them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._files import write_whole
from ..evaluation.classes import confusion_matrix, from_matrix, patient_intervals
from ..extras import need
from .datasets.examples import ExampleSet

__all__ = [
    "given_labels",
    "plain",
    "score_outputs",
    "slug",
    "write_curves",
    "write_json",
    "write_score",
]


def given_labels(outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Class that a network gives: the likeliest, or whether one probability is over a half.

    Parameters
    ----------
    outputs : ndarray of float32, shape (n, outputs)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    labels = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
    return labels.astype(np.int64)


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


def write_score(
    folder: Path,
    title: str,
    classes: Sequence[str],
    confusion: Sequence[Sequence[int]],
    *,
    target: npt.ArrayLike | None = None,
    outputs: npt.ArrayLike | None = None,
) -> Path:
    """Write what pictures and reports of one score are made from, as one JSON file.

    Parameters
    ----------
    folder : Path
        It is made.
    title : str
        Of the score; the file is named after it.
    classes : sequence of str
        Of the classes, or of the numbers.
    confusion : sequence of sequence of int
        Rows the reference, columns the model; empty for numbers.
    target, outputs : array_like, shapes (n,) and (n, 1), or (n, outputs), optional
        Kept for what depends on every single output: the curves of a sigmoid model, and the scatter
        of numbers.

    Returns
    -------
    Path
        The file. It holds the title, the classes, the confusion matrix, scikit-learn's
        classification report as text and as figures, and target and output where they are kept.
    """
    content: dict[str, Any] = {"title": title, "classes": list(classes)}
    rows = [row[: len(classes)] for row in confusion[: len(classes)]]
    matrix = np.array(rows, np.int64)
    if matrix.size:
        metrics = need("sklearn.metrics", "A classification report", "train")
        pairs = np.indices(matrix.shape).reshape(2, -1).repeat(matrix.ravel(), axis=1)
        options: dict[str, Any] = {
            "labels": np.arange(len(classes)),
            "target_names": list(classes),
            "zero_division": 0,
        }
        content["confusion"] = [list(map(int, row)) for row in np.asarray(confusion)]
        content["report"] = metrics.classification_report(*pairs, output_dict=True, **options)
        content["report_text"] = metrics.classification_report(*pairs, digits=4, **options)
    given = np.asarray(outputs, np.float64)
    if outputs is not None and (not matrix.size or given.shape[1] == 1):
        content["target"] = np.asarray(target, np.float64).round(6).tolist()
        content["output"] = given.round(6).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug(title)}.json"
    write_json(path, content)
    return path


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; NaN is refused.

    Parameters
    ----------
    path : Path
    content : any
        What JSON can hold.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")


def write_curves(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write learning curves as CSV, whole or not at all.

    Parameters
    ----------
    path : Path
    history : sequence of mapping
        A row an epoch, as `fitting.fit.Fitted` has it: its names are the columns.
    """
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in history:
        writer.writerow([f"{row[name]:.7g}" if name in row else "" for name in columns])
    write_whole(path, text.getvalue())


def slug(name: str) -> str:
    """A name as a file can have it.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "unnamed"
