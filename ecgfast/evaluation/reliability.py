"""Whether probabilities mean what they say, and what is gained by rejecting or by thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .classes import share_interval

__all__ = ["coverage_curve", "operating_points", "reliability"]

#: Shares of the beats that a coverage curve keeps.
COVERAGES = tuple(x / 100 for x in (*range(100, 90, -1), *range(90, 45, -5)))
#: An operating point whose other figure is below this is of no use: it is not offered.
LEAST_USEFUL = 0.2
#: Sensitivities and positive predictivities that operating points are given for.
WANTED = tuple(x / 100 for x in (*range(50, 90, 5), *range(90, 100)))


def reliability(
    probability: npt.ArrayLike, target: npt.ArrayLike, *, bins: int = 10
) -> dict[str, Any]:
    """How often the reported class is right, against its probability.

    Parameters
    ----------
    probability : array_like of float, shape (n, classes)
    target : array_like of int, shape (n,)
    bins : int
        Of equal width in the probability of the class given.

    Returns
    -------
    dict
        ``bins``: rows of "from", "to", "beats", "probability" (mean) and "right" (share), empty
        bins left out; ``expected_calibration_error``: the mean distance of the two, over beats
        (Guo et al., ICML 2017).

    Raises
    ------
    InputError
        If there are no beats, or numbers of rows differ.
    """
    sure, right = _told(probability, target)
    index = np.minimum((sure * bins).astype(np.int64), bins - 1)
    rows = []
    error = 0.0
    for i in np.unique(index):
        part = index == i
        mean, share = float(sure[part].mean()), float(right[part].mean())
        error += part.mean() * abs(mean - share)
        rows.append(
            {
                "from": i / bins,
                "to": (i + 1) / bins,
                "beats": int(part.sum()),
                "probability": round(mean, 4),
                "right": round(share, 4),
            }
        )
    return {"bins": rows, "expected_calibration_error": round(float(error), 5)}


def coverage_curve(
    probability: npt.ArrayLike,
    target: npt.ArrayLike,
    coverages: Sequence[float] = COVERAGES,
    *,
    patients: npt.ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Accuracy of the beats that are kept where the least certain ones are rejected (Chow, 1970).

    Parameters
    ----------
    probability : array_like of float, shape (n, classes)
    target : array_like of int, shape (n,)
    coverages : sequence of float
        Shares of the beats to keep.
    patients : array_like, shape (n,), optional
        Whose beats they are.

    Returns
    -------
    list of dict
        "coverage", "threshold" (probability of the class given, below which a beat is rejected)
        and "accuracy" of the beats kept; with patients, "intervals_95" over them.

    Raises
    ------
    InputError
        If there are no beats, or numbers of rows differ.
    """
    sure, right = _told(probability, target)
    whose = _index(patients)
    order = np.argsort(-sure, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    rows = []
    for coverage in coverages:
        last = max(0, round(coverage * len(order)) - 1)
        kept = sure >= sure[order[last]]
        rows.append(
            {
                "coverage": coverage,
                "threshold": round(float(sure[order[last]]), 5),
                "accuracy": round(float(shares[last]), 5),
                **_intervals(
                    whose, coverage=(kept, np.ones_like(kept)), accuracy=(kept & right, kept)
                ),
            }
        )
    return rows


def operating_points(
    probability: npt.ArrayLike,
    positive: npt.ArrayLike,
    wanted: Sequence[float] = WANTED,
    *,
    patients: npt.ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Thresholds of one class's probability by sensitivity and by positive predictivity.

    Parameters
    ----------
    probability : array_like of float, shape (n,)
        Of the class.
    positive : array_like of bool, shape (n,)
        Which beats are of it.
    wanted : sequence of float
        Sensitivities and positive predictivities.
    patients : array_like, shape (n,), optional
        Whose beats they are.

    Returns
    -------
    list of dict
        "by", "wanted", "threshold" (a beat from it on is of the class), "sensitivity" and
        "positive_predictivity" there; with patients, "intervals_95" of both over them. By
        sensitivity: the highest threshold that reaches it; by positive predictivity: the lowest
        one. What is never reached is left out, and so is what costs the other figure so much that
        less than `LEAST_USEFUL` of it is left.

    Raises
    ------
    InputError
        If there is no beat of the class, or numbers of rows differ.
    """
    score, of_class = np.asarray(probability, np.float64), np.asarray(positive, bool)
    if score.shape != of_class.shape or not of_class.any():
        raise InputError(
            f"probability has the shape {score.shape} and positive {of_class.shape}, "
            f"{int(of_class.sum())} of them True: give one of each a beat, at least one of the "
            "class"
        )
    whose = _index(patients)
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(of_class[order])
    last = np.append(np.diff(score[order]) != 0, True)  # of those that are equal
    sensitivity = (found / found[-1])[last]
    predictivity = (found / np.arange(1, len(order) + 1))[last]
    threshold = score[order][last]
    rows = []
    for by, figure in (("sensitivity", sensitivity), ("positive predictivity", predictivity)):
        for level in wanted:
            reached = np.flatnonzero(figure >= level)
            if len(reached):
                at = reached[0] if by == "sensitivity" else reached[-1]
                if min(sensitivity[at], predictivity[at]) < LEAST_USEFUL:
                    continue
                called = score >= threshold[at]
                right = called & of_class
                rows.append(
                    {
                        "by": by,
                        "wanted": level,
                        "threshold": round(float(threshold[at]), 5),
                        "sensitivity": round(float(sensitivity[at]), 4),
                        "positive_predictivity": round(float(predictivity[at]), 4),
                        **_intervals(
                            whose,
                            sensitivity=(right, of_class),
                            positive_predictivity=(right, called),
                        ),
                    }
                )
    return rows


def _index(patients: npt.ArrayLike | None) -> npt.NDArray[np.int64] | None:
    return None if patients is None else np.unique(np.asarray(patients), return_inverse=True)[1]


def _intervals(
    whose: npt.NDArray[np.int64] | None, **shares: tuple[npt.NDArray[Any], npt.NDArray[Any]]
) -> dict[str, Any]:
    """95 % intervals of shares over patients, where these are known."""
    if whose is None:
        return {}
    found = {name: share_interval(*of, whose) for name, of in shares.items()}
    return {"intervals_95": {name: interval for name, interval in found.items() if interval}}


def _told(
    probability: npt.ArrayLike, target: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """How sure each class was given, and whether it was right."""
    shares, truth = np.asarray(probability, np.float64), np.asarray(target, np.int64)
    if shares.ndim != 2 or len(shares) != len(truth) or not len(truth):
        raise InputError(
            f"probability has the shape {shares.shape} and target {truth.shape}: give "
            "(n, classes) and (n,), one row a beat"
        )
    return shares.max(axis=1), shares.argmax(axis=1) == truth
