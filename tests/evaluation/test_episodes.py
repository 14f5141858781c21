"""Episodes and rows, as EC57 counts them."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.evaluation.episodes import (
    EpisodeScore,
    FalseTime,
    false_time,
    interruptions,
    rhythm_episodes,
    rows_of,
    score_episodes,
    score_rows,
)


def spans(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def test_durations_and_episodes() -> None:
    score = score_episodes(spans((0, 100), (300, 400)), spans((50, 150), (200, 250)), 10.0, 500)
    assert (score.reference_s, score.test_s, score.both_s) == (20.0, 15.0, 5.0)
    assert (score.episodes, score.found, score.test_episodes, score.right) == (2, 1, 2, 1)
    assert score.duration_sensitivity == 25.0
    assert score.duration_predictivity == pytest.approx(100 / 3)
    total = EpisodeScore.total([score, score])
    assert (total.reference_s, total.episodes) == (40.0, 4)


def test_stretches_apart_count_on_neither_side() -> None:
    score = score_episodes(
        spans((0, 100)), spans((50, 300)), 10.0, 500, apart=spans((100, 250)), start=2.0
    )
    assert (score.reference_s, score.test_s, score.both_s) == (8.0, 10.0, 5.0)


def test_rhythms_last_until_the_next() -> None:
    found = rhythm_episodes(
        [5, 7, 100, 200], ["+", "N", "+", "+"], ["(N", "", "(AFIB\x00", "(N"], 300, "(AFIB"
    )
    assert found.tolist() == [[100, 200]]
    assert rhythm_episodes([5], ["+"], ["(AFIB"], 300, "(AFIB").tolist() == [[5, 300]]


def test_interruptions_stand_between_two_episodes_of_a_rhythm() -> None:
    # Bigeminy and a run within fibrillation; trigeminy between it and sinus rhythm; one alone.
    texts = ["(AFIB", "(B", "(VT", "(AFIB", "(T", "(N", "(T", "(AFIB", "(N", "(B"]
    at = [10 * i for i in range(len(texts))]
    found = interruptions(at, ["+"] * len(texts), texts, 100, "(AFIB")
    assert found.tolist() == [[10, 20], [20, 30]]


def test_false_time_is_early_late_within_or_alone() -> None:
    found = false_time(
        spans((100, 200), (240, 300)), spans((90, 330), (400, 450)), 10.0, 500,
        ventricular=spans((200, 220)), apart=spans((230, 240), (440, 500)),
    )  # fmt: skip
    assert found == FalseTime(early=1.0, late=3.0, ventricular=2.0, between=1.0, alone=4.0)


def test_rows_count_by_kind() -> None:
    rows = rows_of(range(0, 120, 10), list("NVVNVNVVVVNN"))
    assert rows == [[10, 20], [60, 70, 80, 90]]
    reference = [(10, 20, 2), (60, 90, 4), (200, 260, 7)]
    test = [(10, 20, 2), (60, 80, 3), (205, 215, 2), (240, 260, 3), (400, 410, 2)]
    couplets, short, long = score_rows(reference, test, 5.0)
    assert (couplets.reference, couplets.found, couplets.test, couplets.right) == (1, 1, 3, 1)
    assert (short.reference, short.found, short.test, short.right) == (1, 1, 2, 1)
    assert (long.reference, long.found, long.test) == (1, 0, 0)
