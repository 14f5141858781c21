"""Reliability, rejection and thresholds, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.errors import InputError
from ecgfast.evaluation import share_interval
from ecgfast.evaluation.reliability import coverage_curve, operating_points, reliability


def _two(sure: list[float]) -> np.ndarray:
    first = np.array(sure)
    return np.stack([first, 1 - first], axis=1)


def test_reliability_by_hand() -> None:
    # Four beats at 0.95 of which three are right, two at 0.65 of which one is.
    told = reliability(_two([0.95] * 4 + [0.65] * 2), [0, 0, 0, 1, 0, 1])
    assert [(row["beats"], row["probability"], row["right"]) for row in told["bins"]] == [
        (2, 0.65, 0.5),
        (4, 0.95, 0.75),
    ]
    assert told["expected_calibration_error"] == pytest.approx((2 * 0.15 + 4 * 0.2) / 6, abs=1e-5)


def test_certainty_lies_in_the_last_bin() -> None:
    told = reliability(_two([1.0, 1.0]), [0, 0])
    assert [(row["from"], row["to"]) for row in told["bins"]] == [(0.9, 1.0)]
    assert told["expected_calibration_error"] == 0


def test_rejecting_the_least_sure() -> None:
    curve = coverage_curve(_two([0.9, 0.6, 0.8, 0.7]), [0, 1, 0, 1], coverages=(1.0, 0.75, 0.5))
    assert [row["accuracy"] for row in curve] == [0.5, pytest.approx(2 / 3, abs=1e-5), 1.0]
    assert [row["threshold"] for row in curve] == [0.6, 0.7, 0.8]


def test_thresholds_by_sensitivity_and_predictivity() -> None:
    score = [0.9, 0.8, 0.8, 0.6, 0.5, 0.1]
    rows = operating_points(score, [True, True, False, True, False, True], wanted=(0.5, 0.75, 1.0))
    assert [(row["by"], row["wanted"], row["threshold"]) for row in rows] == [
        ("sensitivity", 0.5, 0.8),
        ("sensitivity", 0.75, 0.6),
        ("sensitivity", 1.0, 0.1),
        ("positive predictivity", 0.5, 0.1),
        ("positive predictivity", 0.75, 0.6),
        ("positive predictivity", 1.0, 0.9),
    ]
    at = rows[0]
    assert (at["sensitivity"], at["positive_predictivity"]) == (0.5, round(2 / 3, 4))


def test_what_is_never_reached_is_left_out() -> None:
    rows = operating_points([0.9, 0.8], [False, True], wanted=(0.9,))
    assert [row["by"] for row in rows] == ["sensitivity"]


def test_intervals_are_over_patients() -> None:
    # Of patient a both beats of the class are found, of patient b none.
    score, positive = [0.9, 0.8, 0.3, 0.2, 0.1], [True, True, True, True, False]
    rows = operating_points(score, positive, wanted=(0.5,), patients=["a", "a", "b", "b", "b"])
    first = rows[0]
    assert (first["threshold"], first["sensitivity"]) == (0.8, 0.5)
    assert first["intervals_95"] == {"sensitivity": [0, 1], "positive_predictivity": [1, 1]}

    (kept,) = coverage_curve(
        _two([0.9, 0.8, 0.7, 0.6]), [0, 0, 1, 1], coverages=(0.75,), patients=[0, 1, 1, 0]
    )
    assert (kept["coverage"], kept["threshold"]) == (0.75, 0.7)
    assert kept["intervals_95"] == {"coverage": [0.5, 1], "accuracy": [0.5, 1]}
    alone = coverage_curve(_two([0.9, 0.8]), [0, 1], coverages=(1.0,), patients=["a", "a"])
    assert alone[0]["intervals_95"] == {}  # nothing is known of others


def test_a_level_that_costs_all_of_the_other_figure_is_not_offered() -> None:
    # The last tenth of the class lies below a hundred others.
    score = [0.9] * 9 + [0.5] * 100 + [0.1]
    positive = [True] * 9 + [False] * 100 + [True]
    rows = operating_points(score, positive, wanted=(0.5, 0.9, 0.95))
    offered = [(row["by"], row["wanted"]) for row in rows]
    assert offered == [
        ("sensitivity", 0.5), ("sensitivity", 0.9),
        ("positive predictivity", 0.5), ("positive predictivity", 0.9),
        ("positive predictivity", 0.95),
    ]  # fmt: skip


def test_a_share_of_nothing_or_of_one_patient_has_no_interval() -> None:
    assert share_interval([True, False], [True, True], [0, 0]) == []
    assert share_interval([False, False], [False, False], [0, 1]) == []
    with pytest.raises(InputError):
        share_interval([True], [True, True], [0, 0])
    with pytest.raises(InputError):
        share_interval([], [], [])


def test_nothing_to_tell() -> None:
    with pytest.raises(InputError):
        reliability(np.zeros((0, 2)), [])
    with pytest.raises(InputError):
        operating_points([0.3], [False])
