"""Patient-wise cross-validation: candidates are chosen on training patients only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from ..evaluation import AAMI_CLASSES, ClassScores, score_classes
from .beats import BeatSet
from .recipe import Recipe
from .splits import patient_folds

__all__ = ["CandidateResult", "choose", "cross_validate"]

#: Classes that steer the choice. F and Q come from too few patients to say anything, and two in
#: five S beats of DS1 are one patient's (209): S is told, but would make the choice one of chance.
STEERING = ("N", "V")
#: Classes that a result tells.
TOLD = ("N", "S", "V")


@dataclass(frozen=True)
class CandidateResult:
    """What cross-validation found of one candidate.

    Attributes
    ----------
    name : str
    parameters : int
    scores : dict of int to ClassScores
        By lookahead, over the beats of all folds, each labelled by a network that had not seen its
        patient.
    fold_criterion : tuple of float
        The criterion in each fold: its spread tells how much a difference means.
    """

    name: str
    parameters: int
    scores: dict[int, ClassScores]
    fold_criterion: tuple[float, ...]

    @property
    def criterion(self) -> float:
        """Mean F1 of N and V, averaged over both lookaheads."""
        return _criterion(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
        """
        return {
            "candidate": self.name,
            "parameters": self.parameters,
            "criterion": _plain(self.criterion),
            "fold_criterion": [_plain(c) for c in self.fold_criterion],
            **{
                f"lookahead_{ahead}": {
                    label: {
                        "sensitivity": _plain(scores.sensitivity(label)),
                        "positive_predictivity": _plain(scores.positive_predictivity(label)),
                        "f1": _plain(scores.f1(label)),
                    }
                    for label in TOLD
                }
                for ahead, scores in self.scores.items()
            },
        }


def _plain(figure: float) -> float | None:
    return round(figure, 4) if isfinite(figure) else None


def _criterion(scores: dict[int, ClassScores]) -> float:
    return float(np.mean([s.f1(label) for s in scores.values() for label in STEERING]))


def cross_validate(
    recipe: Recipe,
    beats: BeatSet,
    name: str = "",
    *,
    report: Callable[[str], None] = lambda line: None,
) -> CandidateResult:
    """Train on all patients but a fold's, label that fold's beats, for each fold.

    Parameters
    ----------
    recipe : Recipe
    beats : BeatSet
        Training patients only.
    name : str
        Of the candidate, for the result.
    report : callable
        Gets a line after each fold.

    Returns
    -------
    CandidateResult
    """
    from .fit import fit, predict

    fold = patient_folds(beats.patient, beats.label, recipe.folds, recipe.seed)
    classes = tuple(AAMI_CLASSES)
    given = {ahead: np.zeros(len(beats), np.int64) for ahead in (0, 1)}
    by_fold = []
    parameters = 0
    for k in range(recipe.folds):
        held = fold == k
        model, _ = fit(recipe, beats.only(~held), seed=recipe.seed + k)
        parameters = int(model.count_params())
        test = beats.only(held)
        for ahead, labels in given.items():
            labels[held] = predict(model, test, ahead).argmax(axis=1)
        by_fold.append(
            _criterion(
                {a: score_classes(test.label, labels[held], classes) for a, labels in given.items()}
            )
        )
        report(f"{name or recipe.name}: fold {k + 1} of {recipe.folds}, {by_fold[-1]:.4f}")
    scores = {a: score_classes(beats.label, labels, classes) for a, labels in given.items()}
    return CandidateResult(name or recipe.name, parameters, scores, tuple(by_fold))


def choose(results: list[CandidateResult]) -> CandidateResult:
    """The candidate with the best criterion; the smaller network where two are equal.

    Parameters
    ----------
    results : list of CandidateResult
        At least one.

    Returns
    -------
    CandidateResult
    """
    return max(results, key=lambda r: (round(r.criterion, 4), -r.parameters))
