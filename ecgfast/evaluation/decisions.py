"""What thresholds come to on test beats, beside what cross-validation promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..runtime.decision import REJECTED, Decision
from .classes import share_interval
from .reliability import reliability

if TYPE_CHECKING:
    from ..runtime import Classifier
    from .beat_model import BeatModelScores

__all__ = ["evaluate_decision", "evaluate_probabilities", "usual_decisions"]

_LEVELS = (0.8, 0.9, 0.95, 0.98)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)


def usual_decisions(classifier: Classifier, lookahead: int) -> list[Decision]:
    """Single thresholds at round levels, and rejections, as far as the model's card has them.

    Parameters
    ----------
    classifier : Classifier
    lookahead : {0, 1}

    Returns
    -------
    list of Decision

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import usual_decisions
    >>> usual_decisions(Classifier(), lookahead=0)[0].sensitivity
    {'S': 0.8}
    """
    measured = {} if classifier.card is None else classifier.card.probabilities(lookahead)
    found = []
    for label, rows in measured.get("operating points", {}).items():
        has = {(row["by"], row["wanted"]) for row in rows}
        found += [Decision({label: x}) for x in _LEVELS if ("sensitivity", x) in has]
        found += [Decision({}, {label: x}) for x in _LEVELS if ("positive predictivity", x) in has]
    kept = [row["coverage"] for row in measured.get("coverage", ())]
    found += [Decision(reject=share) for share in _SHARES if round(1 - share, 9) in kept]
    return found


def evaluate_decision(
    classifier: Classifier, score: BeatModelScores, decision: Decision
) -> list[dict[str, Any]]:
    """What each threshold of a decision reached on reference beats, all of them at work together.

    Parameters
    ----------
    classifier : Classifier
    score : BeatModelScores
        Of reference beats.
    decision : Decision

    Returns
    -------
    list of dict
        A row a threshold: "by", "class", "wanted", "threshold", and under "promised" and "reached"
        "sensitivity" and "positive_predictivity" or, of a rejection, "coverage" and "accuracy",
        with "intervals_95" over patients. What no beat tells of is None.

    Raises
    ------
    ModelError
        If the model's card does not offer what is wanted.

    Examples
    --------
    >>> from ecgfast import Classifier, Decision
    >>> from ecgfast.evaluation import evaluate_beat_model, evaluate_decision
    >>> classifier, records = Classifier(), [("mitdb", "208", "208")]
    >>> score = evaluate_beat_model(classifier, "recordings", records)[0]  # doctest: +SKIP
    >>> evaluate_decision(classifier, score, Decision(sensitivity={"V": 0.95}))  # doctest: +SKIP
    """
    rule = decision.rule(classifier, score.lookahead)
    labels = np.array(rule.labels(score.outputs))
    actual = np.array(classifier.classes)[score.target]
    patient = np.unique(score.patients, return_inverse=True)[1][score.record]
    rows = []
    for point in rule.operating_points:
        if point["by"] == "reject":
            kept = labels != REJECTED
            every = np.ones(len(kept), bool)
            shares = {"coverage": (kept, every), "accuracy": (kept & (labels == actual), kept)}
        else:
            called, of_class = labels == point["class"], actual == point["class"]
            shares = {
                "sensitivity": (called & of_class, of_class),
                "positive_predictivity": (called & of_class, called),
            }
        reached: dict[str, Any] = {name: _share(*share) for name, share in shares.items()}
        reached["intervals_95"] = {
            name: share_interval(*share, patient) for name, share in shares.items()
        }
        rows.append(
            {
                **{key: x for key, x in point.items() if key not in reached},
                "promised": {key: x for key, x in point.items() if key in reached},
                "reached": reached,
            }
        )
    return rows


def evaluate_probabilities(classifier: Classifier, score: BeatModelScores) -> dict[str, Any]:
    """Calibration and the usual decisions on reference beats, beside cross-validation.

    Parameters
    ----------
    classifier : Classifier
    score : BeatModelScores
        Of reference beats.

    Returns
    -------
    dict
        "lookahead", "promised" and "reached" (`reliability`), and "decisions", rows of
        `evaluate_decision`; empty where the model's card has nothing of the kind.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.evaluation import evaluate_beat_model, evaluate_probabilities
    >>> classifier, records = Classifier(), [("mitdb", "208", "208")]
    >>> score = evaluate_beat_model(classifier, "recordings", records)[0]  # doctest: +SKIP
    >>> evaluate_probabilities(classifier, score)["reached"]        # doctest: +SKIP
    """
    promised = {} if classifier.card is None else classifier.card.probabilities(score.lookahead)
    if not promised:
        return {}
    return {
        "lookahead": score.lookahead,
        "promised": {name: promised[name] for name in ("bins", "expected_calibration_error")},
        "reached": reliability(score.outputs, score.target),
        "decisions": [
            row
            for decision in usual_decisions(classifier, score.lookahead)
            for row in evaluate_decision(classifier, score, decision)
        ],
    }


def _share(part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float | None:
    return round(float(part.sum() / whole.sum()), 5) if whole.any() else None
