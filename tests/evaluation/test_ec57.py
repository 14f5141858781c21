"""The EC57 scorer: constructed cases, an exhaustive matcher, and wfdb's own comparison."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ecgfast.errors import InputError
from ecgfast.evaluation import (
    AAMI_OF_SYMBOL,
    DetectionScore,
    class_confusion,
    flutter_intervals,
    is_beat,
    match_beats,
    score_detection,
    total_scores,
)

FS = 360.0


def pairs(reference, test, tolerance=54):
    return [tuple(p) for p in match_beats(reference, test, tolerance).tolist()]


@pytest.mark.parametrize(
    ("reference", "test", "expected"),
    [
        ([], [], []),
        ([100], [], []),
        ([], [100], []),
        ([100], [154], [(0, 0)]),  # the tolerance counts
        ([100], [155], []),
        ([100, 500], [80, 520], [(0, 0), (1, 1)]),
        ([100], [60, 110, 140], [(0, 1)]),  # the nearest of three
        ([60, 110, 140], [100], [(1, 0)]),
        ([100, 160], [130], [(0, 0)]),  # one beat serves one beat
        ([100, 140], [130, 170], [(0, 0), (1, 1)]),  # both, though 130 lies nearer to 140
        ([100, 170], [60, 120], [(0, 0), (1, 1)]),
        ([100, 200], [150, 152], [(0, 0), (1, 1)]),
    ],
)
def test_pairs_of_constructed_beats(reference, test, expected):
    assert pairs(reference, test) == expected


def exhaustive(ref, tst, tolerance):
    """Most pairs and, of those, the smallest sum of distances, by trying everything."""

    @cache
    def best(i, j):
        if i == len(ref) or j == len(tst):
            return 0, 0
        options = [best(i + 1, j), best(i, j + 1)]
        distance = abs(ref[i] - tst[j])
        if distance <= tolerance:
            count, negative = best(i + 1, j + 1)
            options.append((count + 1, negative - distance))
        return max(options)

    count, negative = best(0, 0)
    return count, -negative


@pytest.mark.parametrize("shortest", [5, 40, 72])  # samples between beats: nonsense to 300 a minute
def test_pairs_are_as_many_and_as_near_as_can_be(shortest):
    rng = np.random.default_rng(5)
    for _ in range(200):
        ref = np.cumsum(rng.integers(shortest, 300, 14))
        tst = np.sort(
            np.concatenate(
                [
                    (ref + rng.integers(-60, 61, len(ref)))[rng.random(len(ref)) > 0.2],
                    rng.integers(0, ref[-1], 6),
                ]
            )
        )
        found = match_beats(ref, tst, 54)
        distance = np.abs(ref[found[:, 0]] - tst[found[:, 1]])
        assert np.all(distance <= 54)
        assert np.all(np.diff(found, axis=0) > 0)
        expected = exhaustive(tuple(ref.tolist()), tuple(tst.tolist()), 54)
        assert (len(found), distance.sum()) == expected


def test_a_day_of_dense_marks_takes_no_time():
    ref = np.arange(0, 24 * 3600 * 360, 290)
    tst = np.arange(0, 24 * 3600 * 360, 145)
    found = match_beats(ref, tst, 54)
    assert np.array_equal(ref[found[:, 0]], tst[found[:, 1]])
    assert len(found) == len(ref)


def test_swapping_the_sides_swaps_the_errors():
    rng = np.random.default_rng(6)
    ref = np.cumsum(rng.integers(72, 400, 500))
    tst = np.sort(ref + rng.integers(-80, 81, len(ref)))
    one = score_detection(ref, tst, FS, start=0)
    other = score_detection(tst, ref, FS, start=0)
    assert (one.tp, one.fn, one.fp) == (other.tp, other.fp, other.fn)
    assert one.error_ms == pytest.approx(-other.error_ms)


def test_counts_rates_and_errors():
    score = score_detection([1000, 2000, 3000, 4000], [1018, 2000, 3500, 3982], FS, start=0)
    assert (score.tp, score.fn, score.fp) == (3, 1, 1)
    assert score.sensitivity == score.positive_predictivity == score.f1 == 75.0
    assert score.error_abs_ms == pytest.approx(100 / 3)
    assert score.error_ms == pytest.approx(0.0)
    assert json.loads(json.dumps(score.to_dict()))["f1"] == 75.0


def test_the_first_five_minutes_are_set_aside():
    border = int(300 * FS)
    reference = [1000, 5000, border - 10, border + 400, border + 800]
    test = [2000, border + 2, border + 400]
    score = score_detection(reference, test, FS)
    # The beat at the border pairs across it: no error, and no hit either.
    assert (score.tp, score.fn, score.fp) == (1, 1, 0)
    strict = score_detection(reference, test, FS, start=0)
    assert (strict.tp, strict.fn, strict.fp) == (2, 3, 1)


def test_flutter_counts_on_neither_side():
    sample = [100, 500, 600, 700, 900, 1300, 1700]
    symbol = ["N", "[", "!", "!", "]", "N", "["]
    stretches = flutter_intervals(sample, symbol)
    assert stretches[0].tolist() == [500, 900]
    assert stretches[1, 0] == 1700
    assert stretches[1, 1] > 10**15  # never ended
    beats = np.asarray(sample)[is_beat(symbol)]
    score = score_detection(beats, [100, 550, 700, 1300, 1900], FS, flutter=stretches, start=0)
    assert (score.tp, score.fn, score.fp) == (2, 0, 0)
    with_flutter = score_detection(beats, [100, 550, 700, 1300, 1900], FS, start=0)
    assert with_flutter.fp == 3


def test_rates_without_beats_are_nan():
    score = score_detection([], [], FS)
    assert np.isnan(
        [score.sensitivity, score.positive_predictivity, score.f1, score.error_abs_ms]
    ).all()
    assert np.isnan(total_scores([score]).gross.f1)


def test_totals_are_gross_and_average():
    first = DetectionScore("a", tp=90, fn=10, fp=0, error_abs_ms=2.0, error_ms=1.0)
    second = DetectionScore("b", tp=10, fn=0, fp=10, error_abs_ms=4.0, error_ms=-1.0)
    empty = DetectionScore("c", tp=0, fn=0, fp=0, error_abs_ms=np.nan, error_ms=np.nan)
    totals = total_scores([first, second, empty])
    assert (totals.gross.tp, totals.gross.fn, totals.gross.fp) == (100, 10, 10)
    assert totals.gross.sensitivity == pytest.approx(100 * 100 / 110)
    assert totals.gross.error_abs_ms == pytest.approx(2.2)
    assert totals.gross.error_ms == pytest.approx(0.8)
    assert totals.average_sensitivity == pytest.approx(95.0)
    assert totals.average_positive_predictivity == pytest.approx(75.0)
    assert totals.median_error_abs_ms == pytest.approx(3.0)
    assert totals.worst.record == "b"
    assert len(totals.to_dict()["records"]) == 3


def test_classes_end_to_end():
    table = class_confusion([1000, 2000, 3000, 4000], "NVSN", [1010, 2010, 3010, 5000], "NVNV", FS)
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[2, 2] = 1  # N and V as they are
    expected[1, 0] = 1  # S called N
    expected[0, 5] = 1  # N missed
    expected[5, 2] = 1  # false V
    assert np.array_equal(table, expected)


def test_beat_codes():
    assert is_beat("N+~|x!V/").tolist() == [True, False, False, False, False, False, True, True]
    assert {AAMI_OF_SYMBOL[s] for s in "LRejN"} == {"N"}
    assert {AAMI_OF_SYMBOL[s] for s in "/fQ"} == {"Q"}


@pytest.mark.parametrize(
    "call",
    [
        lambda: match_beats([2, 1], [1], 5),
        lambda: match_beats([1.5], [1], 5),
        lambda: match_beats([[1, 2]], [1], 5),
        lambda: match_beats([1], [1], -1),
        lambda: score_detection([1], [1], 0.0),
        lambda: score_detection([1], [1], float("nan")),
        lambda: total_scores([]),
        lambda: class_confusion([1], "X", [1], "N", FS),
        lambda: class_confusion([1], "NN", [1], "N", FS),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_agrees_with_wfdb():
    processing = pytest.importorskip("wfdb.processing")
    rng = np.random.default_rng(7)
    for _ in range(20):
        ref = np.cumsum(rng.integers(150, 400, 300))
        tst = ref[rng.random(len(ref)) > 0.03]
        tst = tst + rng.integers(-50, 51, len(tst))
        extra = (ref[:-1] + ref[1:]) // 2
        tst = np.unique(np.concatenate([tst, extra[rng.random(len(extra)) > 0.95]]))
        theirs = processing.compare_annotations(ref, tst, 54)
        ours = score_detection(ref, tst, FS, start=0)
        assert (ours.tp, ours.fn, ours.fp) == (theirs.tp, theirs.fn, theirs.fp)


@pytest.mark.parametrize("record", ["100", "203", "207"])
def test_agrees_with_wfdb_on_reference_marks(record):
    folder = os.environ.get("ECGFAST_DATA")
    if not folder or not (Path(folder) / "mitdb" / f"{record}.atr").exists():
        pytest.skip("ECGFAST_DATA does not name a folder with mitdb")
    wfdb = pytest.importorskip("wfdb")
    processing = pytest.importorskip("wfdb.processing")
    annotation = wfdb.rdann(str(Path(folder) / "mitdb" / record), "atr")
    beats = annotation.sample[is_beat(annotation.symbol)]
    flutter = flutter_intervals(annotation.sample, annotation.symbol)
    assert len(flutter) == (6 if record == "207" else 0)
    rng = np.random.default_rng(8)
    test = beats[rng.random(len(beats)) > 0.05]
    test = np.unique(test + rng.integers(-20, 21, len(test)))
    theirs = processing.compare_annotations(beats, test, 54)
    ours = score_detection(beats, test, FS, start=0)
    assert (ours.tp, ours.fn, ours.fp) == (theirs.tp, theirs.fn, theirs.fp)
    assert ours.tp == len(test)
