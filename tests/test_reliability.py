"""Reliability, rejection and thresholds, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.errors import InputError
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


def test_nothing_to_tell() -> None:
    with pytest.raises(InputError):
        reliability(np.zeros((0, 2)), [])
    with pytest.raises(InputError):
        operating_points([0.3], [False])
