"""Scores of beat classes: confusion matrix, sensitivity, positive predictivity, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = [
    "ClassScores",
    "confusion_matrix",
    "patient_intervals",
    "score_classes",
    "share_interval",
]


@dataclass(frozen=True)
class ClassScores:
    """Figures of one classifier on one set of beats.

    Attributes
    ----------
    classes : tuple of str
        Labels, in the order of the matrix.
    confusion : tuple of tuple of int
        Rows: class in the reference. Columns: class given. Beats that were missed or invented have
        a last column or row of their own, where detection was part of the way.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    def _counts(self, label: str) -> tuple[int, int, int]:
        """True positives, beats of the class, beats called so."""
        i = self.classes.index(label)
        matrix = np.asarray(self.confusion)
        return int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())

    def sensitivity(self, label: str) -> float:
        """Share of the class's beats that were called so; NaN without any."""
        right, actual, _ = self._counts(label)
        return right / actual if actual else float("nan")

    def positive_predictivity(self, label: str) -> float:
        """Share of the beats called so that are of the class; NaN without any."""
        right, _, called = self._counts(label)
        return right / called if called else float("nan")

    def f1(self, label: str) -> float:
        """Harmonic mean of the two; NaN where the class neither occurs nor is given."""
        right, actual, called = self._counts(label)
        return 2 * right / (actual + called) if actual + called else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of all reference beats with the right class."""
        n = len(self.classes)
        matrix = np.asarray(self.confusion)
        total = int(matrix[:n].sum())
        return float(np.trace(matrix[:n, :n]) / total) if total else float("nan")

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur in the reference."""
        scores = [self.f1(c) for c in self.classes if self._counts(c)[1]]
        return float(np.mean(scores)) if scores else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, for JSON; NaN becomes None.

        Returns
        -------
        dict
        """

        def plain(value: float) -> float | None:
            return None if value != value else round(value, 5)  # noqa: PLR0124

        return {
            "accuracy": plain(self.accuracy),
            "macro_f1": plain(self.macro_f1),
            "classes": {
                label: {
                    "beats": self._counts(label)[1],
                    "sensitivity": plain(self.sensitivity(label)),
                    "positive_predictivity": plain(self.positive_predictivity(label)),
                    "f1": plain(self.f1(label)),
                }
                for label in self.classes
            },
            "confusion": [list(row) for row in self.confusion],
        }

    def table(self) -> str:
        """The figures as lines of text.

        Returns
        -------
        str
        """
        rows = ["class   beats      Se      +P      F1"]
        for label in self.classes:
            figures = (self.sensitivity(label), self.positive_predictivity(label), self.f1(label))
            shown = " ".join("     - " if f != f else f"{100 * f:7.2f}" for f in figures)  # noqa: PLR0124
            rows.append(f"{label:5s} {self._counts(label)[1]:7d} {shown}")
        rows.append(f"accuracy {100 * self.accuracy:.2f}, macro F1 {100 * self.macro_f1:.2f}")
        return "\n".join(rows)


def confusion_matrix(
    reference: npt.ArrayLike, given: npt.ArrayLike, classes: int
) -> npt.NDArray[np.int64]:
    """Count pairs of classes.

    Parameters
    ----------
    reference, given : array_like of int, shape (n,)
        Class indices.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (classes, classes)
        Rows: reference. Columns: given.

    Raises
    ------
    InputError
        If lengths differ or an index is out of range.

    Examples
    --------
    >>> from ecgfast.evaluation import confusion_matrix
    >>> confusion_matrix([0, 0, 1], [0, 1, 1], classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    ref, got = np.asarray(reference, np.int64), np.asarray(given, np.int64)
    if ref.shape != got.shape or ref.ndim != 1:
        raise InputError(
            f"reference has the shape {ref.shape} and given {got.shape}: give the class index of "
            "each beat in both, shape (n,)"
        )
    both = np.concatenate([ref, got])
    if len(both) and (both.min() < 0 or both.max() >= classes):
        raise InputError(f"class indices must be 0 to {classes - 1}: give indices into classes")
    return np.bincount(ref * classes + got, minlength=classes * classes).reshape(classes, classes)


def score_classes(
    reference: npt.ArrayLike, given: npt.ArrayLike, classes: Sequence[str]
) -> ClassScores:
    """Score class indices against reference ones.

    Parameters
    ----------
    reference, given : array_like of int, shape (n,)
        Indices into `classes`.
    classes : sequence of str

    Returns
    -------
    ClassScores

    Raises
    ------
    InputError
        If lengths differ or an index is out of range.

    Examples
    --------
    >>> from ecgfast.evaluation import score_classes
    >>> score_classes([0, 0, 1], [0, 1, 1], ["N", "V"]).confusion
    ((1, 1), (0, 1))
    """
    return from_matrix(confusion_matrix(reference, given, len(classes)), classes)


def from_matrix(matrix: npt.NDArray[np.int64], classes: Sequence[str]) -> ClassScores:
    """Scores of a confusion matrix, with or without a row and column for missed and false beats."""
    return ClassScores(tuple(classes), tuple(tuple(int(n) for n in row) for row in matrix))


def patient_intervals(
    matrices: npt.ArrayLike,
    classes: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, dict[str, list[float]]]:
    """Confidence intervals over patients: the bootstrap draws whole patients (Efron, 1979).

    Parameters
    ----------
    matrices : array_like of int, shape (patients, k, k)
        One confusion matrix a patient, k at least the number of classes.
    classes : sequence of str
    level : float
        Coverage.
    draws : int
        Bootstrap samples.
    seed : int

    Returns
    -------
    dict of str to dict
        By class: ``sensitivity``, ``positive_predictivity`` and ``f1`` as [low, high].

    Raises
    ------
    InputError
        If there are no patients.

    Examples
    --------
    >>> from ecgfast.evaluation import patient_intervals
    >>> matrices = [[[90, 10], [2, 8]], [[80, 0], [5, 15]], [[70, 3], [1, 9]]]
    >>> low, high = patient_intervals(matrices, ["N", "V"])["V"]["sensitivity"]
    >>> low < 32 / 40 < high
    True
    """
    table = np.asarray(matrices, np.int64)
    if table.ndim != 3 or not len(table):
        raise InputError(
            f"matrices has the shape {table.shape}: give one confusion matrix a patient, "
            "(patients, k, k)"
        )
    if len(table) == 1:  # every draw is the same, and would pass for certainty
        return {label: {} for label in classes}
    weights = _draws(len(table), draws, seed)
    drawn = np.einsum("dp,pij->dij", weights, table)
    tails = [50 * (1 - level), 50 * (1 + level)]
    intervals: dict[str, dict[str, list[float]]] = {}
    for i, label in enumerate(classes):
        right = drawn[:, i, i].astype(float)
        actual, called = drawn[:, i].sum(axis=1), drawn[:, :, i].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            figures = {
                "sensitivity": right / actual,
                "positive_predictivity": right / called,
                "f1": 2 * right / (actual + called),
            }
        intervals[label] = {
            name: [round(float(x), 4) for x in np.percentile(values[np.isfinite(values)], tails)]
            for name, values in figures.items()
            if np.isfinite(values).any()
        }
    return intervals


def share_interval(
    part: npt.ArrayLike,
    whole: npt.ArrayLike,
    patient: npt.ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> list[float]:
    """Confidence interval of a share of beats over patients, by the draws of `patient_intervals`.

    Parameters
    ----------
    part, whole : array_like of bool, shape (n,)
        Which beats count, and of which.
    patient : array_like of int, shape (n,)
        Whose they are, from 0.
    level : float
        Coverage.
    draws : int
        Bootstrap samples.
    seed : int

    Returns
    -------
    list of float
        Low and high; empty where there is no beat to tell of, or one patient.

    Raises
    ------
    InputError
        If there are no beats at all, or lengths differ.

    Examples
    --------
    >>> from ecgfast.evaluation import share_interval
    >>> right = [True, True, False, True, True, False]
    >>> share_interval(right, [True] * 6, patient=[0, 0, 1, 1, 2, 2])
    [0.5, 1.0]
    """
    whose = np.asarray(patient, np.int64)
    some, every = np.asarray(part, float), np.asarray(whole, float)
    if not len(whose) or not len(whose) == len(some) == len(every):
        raise InputError(
            f"part, whole and patient have {len(some)}, {len(every)} and {len(whose)} entries: "
            "give one of each a beat"
        )
    counts = np.stack([np.bincount(whose, some), np.bincount(whose, every)], axis=1)
    if len(counts) == 1:
        return []
    drawn = _draws(len(counts), draws, seed) @ counts
    known = drawn[:, 1] > 0
    tails = [50 * (1 - level), 50 * (1 + level)]
    shares = drawn[known, 0] / drawn[known, 1]
    return [round(float(x), 4) for x in np.percentile(shares, tails)] if known.any() else []


def _draws(patients: int, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each patient is drawn, draw by draw."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(patients, np.full(patients, 1 / patients), size=draws)
