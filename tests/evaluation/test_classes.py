"""Scores of classes: against scikit-learn, by hand, and their intervals over patients."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ecgfast import InputError
from ecgfast.evaluation import (
    AAMI_CLASSES,
    ClassScores,
    confusion_matrix,
    patient_intervals,
    score_classes,
)


def test_scores_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    reference = rng.choice(5, 3000, p=(0.7, 0.1, 0.1, 0.05, 0.05))
    given = np.where(rng.random(3000) < 0.8, reference, rng.integers(0, 5, 3000))
    scores = score_classes(reference, given, AAMI_CLASSES)
    labels = np.arange(5)
    matrix = metrics.confusion_matrix(reference, given, labels=labels)
    assert np.array_equal(scores.confusion, matrix)
    assert np.array_equal(confusion_matrix(reference, given, 5), matrix)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(reference, given)
    for i, label in enumerate(AAMI_CLASSES):
        assert scores.sensitivity(label) == pytest.approx(recall[i])
        assert scores.positive_predictivity(label) == pytest.approx(precision[i])
        assert scores.f1(label) == pytest.approx(f1[i])
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(reference, given))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(reference, given, average="macro"))


def test_scores_by_hand() -> None:
    #  N: 8 right, 2 called V. V: 3 right, 1 called N. S: never there, never called.
    scores = score_classes([0] * 10 + [2] * 4, [0] * 8 + [2] * 2 + [2] * 3 + [0], "NSV")
    assert scores.confusion == ((8, 0, 2), (0, 0, 0), (1, 0, 3))
    assert scores.sensitivity("N") == 0.8
    assert scores.sensitivity("V") == 0.75
    assert scores.positive_predictivity("N") == pytest.approx(8 / 9)
    assert scores.positive_predictivity("V") == 0.6
    assert scores.f1("V") == pytest.approx(2 * 3 / (4 + 5))
    assert scores.accuracy == pytest.approx(11 / 14)
    for nothing in (scores.sensitivity("S"), scores.positive_predictivity("S"), scores.f1("S")):
        assert np.isnan(nothing)
    assert scores.macro_f1 == pytest.approx((scores.f1("N") + scores.f1("V")) / 2)
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["classes"]["S"] == {
        "beats": 0,
        "sensitivity": None,
        "positive_predictivity": None,
        "f1": None,
    }
    assert plain["classes"]["V"]["beats"] == 4
    table = scores.table().splitlines()
    assert table[1].split() == ["N", "10", "80.00", "88.89", "84.21"]
    assert table[2].split() == ["S", "0", "-", "-", "-"]


def test_missed_and_false_beats_count_against_the_classes() -> None:
    # Rows N, V, false; columns N, V, missed.
    scores = ClassScores(("N", "V"), ((8, 0, 2), (0, 3, 1), (4, 1, 0)))
    assert scores.sensitivity("N") == 0.8
    assert scores.positive_predictivity("N") == pytest.approx(8 / 12)
    assert scores.sensitivity("V") == 0.75
    assert scores.positive_predictivity("V") == 0.75
    assert scores.accuracy == pytest.approx(11 / 14)


def test_classes_that_cannot_be_counted() -> None:
    with pytest.raises(InputError, match=r"reference has the shape \(3,\) and given \(2,\): give"):
        confusion_matrix([0, 1, 2], [0, 1], 3)
    with pytest.raises(InputError, match="class indices must be 0 to 2"):
        confusion_matrix([0, 3], [0, 1], 3)
    with pytest.raises(InputError, match="class indices must be 0 to 2"):
        confusion_matrix([0, 1], [0, -1], 3)
    assert np.isnan(score_classes([], [], "NV").accuracy)


def test_intervals_over_patients() -> None:
    rng = np.random.default_rng(2)
    right = rng.integers(60, 100, 30)
    matrices = np.array([[[n, 100 - n], [5, 15]] for n in right])
    intervals = patient_intervals(matrices, "NV", draws=4000)
    low, high = intervals["N"]["sensitivity"]
    mean, error = right.mean() / 100, right.std(ddof=1) / 100 / np.sqrt(30)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.006)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.006)
    assert intervals["V"]["sensitivity"] == [0.75, 0.75]  # every patient alike
    assert intervals == patient_intervals(matrices, "NV", draws=4000)
    narrow = patient_intervals(matrices, "NV", level=0.5)["N"]["sensitivity"]
    assert low < narrow[0] < narrow[1] < high
    # A class that nobody has gets no interval.
    assert patient_intervals([[[5, 0], [0, 0]]], "NV")["V"] == {}
    # Nor does one patient, of whom every draw is the same.
    assert patient_intervals([[[5, 1], [2, 4]]], "NV") == {"N": {}, "V": {}}
    for nobody in ([], np.zeros((0, 2, 2)), [[1, 2], [3, 4]]):
        with pytest.raises(InputError, match="give one confusion matrix a patient"):
            patient_intervals(nobody, "NV")
