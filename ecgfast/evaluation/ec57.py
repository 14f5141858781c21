"""Beat-by-beat comparison of two sets of beat marks, after ANSI/AAMI EC57.

Our own reading of ANSI/AAMI EC57:2012, "Testing and reporting performance results of cardiac
rhythm and ST segment measurement algorithms":

* a reference beat and a test beat match when they are at most 150 ms apart, one to one, in order,
  the nearest of several;
* a reference beat without a partner is a false negative, a test beat without one a false positive;
* where the reference marks ventricular flutter or fibrillation (from ``[`` to ``]``), beats count
  on neither side;
* the first 300 s are set aside for learning. `start` = 0 counts from the first sample, which is
  stricter and what a live display shows.

Sensitivity is TP / (TP + FN), positive predictivity TP / (TP + FP), both in per cent; F1 is their
harmonic mean. *Gross* totals add the counts of all records, so that every beat weighs the same;
*average* totals are means over records, so that every record does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast.errors import InputError

__all__ = [
    "AAMI_CLASSES",
    "AAMI_OF_SYMBOL",
    "BEAT_SYMBOLS",
    "DetectionScore",
    "DetectionTotals",
    "class_confusion",
    "flutter_intervals",
    "is_beat",
    "match_beats",
    "score_detection",
    "total_scores",
]

TOLERANCE_S = 0.150
"""Seconds between two marks of one beat at most (EC57)."""

LEARNING_S = 300.0
"""Seconds at the start of a record that EC57 sets aside."""

AAMI_CLASSES = "NSVFQ"
"""Order of the AAMI beat classes in every table."""

# AAMI classes of the WFDB beat codes, escape beats of the atria and the node under N as EC57's
# users have it (de Chazal 2004); "n", "r", "B" and "?" do not occur in the databases of EC57.
AAMI_OF_SYMBOL: dict[str, str] = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
"""AAMI class of each WFDB annotation code that stands for a beat."""

BEAT_SYMBOLS = frozenset(AAMI_OF_SYMBOL)
"""WFDB annotation codes that stand for a beat; all others mark something else."""


def is_beat(symbols: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Tell which annotation codes stand for beats.

    Parameters
    ----------
    symbols : iterable of str, length n
        WFDB annotation codes.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> from ecgfast.evaluation import is_beat
    >>> is_beat(["N", "+", "V", "~"]).tolist()
    [True, False, True, False]
    """
    return np.fromiter((s in BEAT_SYMBOLS for s in symbols), dtype=bool)


def flutter_intervals(sample: npt.ArrayLike, symbols: Sequence[str]) -> npt.NDArray[np.int64]:
    """Find the stretches of ventricular flutter or fibrillation in a reference.

    Parameters
    ----------
    sample : array_like of int, shape (n,)
        Positions of all annotations, in samples.
    symbols : sequence of str, length n
        Their WFDB codes; a stretch begins with ``[`` and ends with ``]``.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        First and last sample of each stretch. One that never ends lasts to the largest int64.

    Examples
    --------
    >>> from ecgfast.evaluation import flutter_intervals
    >>> flutter_intervals([100, 500, 900], ["N", "[", "]"]).tolist()
    [[500, 900]]
    """
    stretches: list[tuple[int, int]] = []
    begin: int | None = None
    for at, symbol in zip(np.asarray(sample, np.int64).tolist(), symbols, strict=True):
        if symbol == "[" and begin is None:
            begin = at
        elif symbol == "]" and begin is not None:
            stretches.append((begin, at))
            begin = None
    if begin is not None:
        stretches.append((begin, int(np.iinfo(np.int64).max)))
    return np.asarray(stretches, np.int64).reshape(-1, 2)


_PAIR, _SKIP_TEST = 1, 2


def _positions(values: npt.ArrayLike, name: str) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{name}: beat positions must be whole samples in one dimension")
    array = array.astype(np.int64)
    if np.any(np.diff(array) < 0):
        raise InputError(f"{name}: beat positions must not decrease; sort them first")
    return array


def match_beats(
    reference: npt.ArrayLike, test: npt.ArrayLike, tolerance: float
) -> npt.NDArray[np.int64]:
    """Pair the beats of two annotators, one to one and in order.

    Of all ways to pair beats within the tolerance, one with the most pairs is taken, and of these
    the one with the smallest sum of distances: a beat belongs to the nearest mark unless that would
    leave another beat alone. Time and memory grow with the number of marks within the tolerance of
    each other, so that days of beats are no problem.

    Parameters
    ----------
    reference, test : array_like of int, shapes (n,) and (m,)
        Beat positions in samples, not decreasing.
    tolerance : float
        Largest distance of a pair, in samples, inclusive.

    Returns
    -------
    ndarray of int64, shape (k, 2)
        Indices into `reference` and `test`, both increasing.

    Raises
    ------
    InputError
        If positions are not whole numbers in one dimension, or decrease, or the tolerance is
        negative.

    Examples
    --------
    >>> from ecgfast.evaluation import match_beats
    >>> match_beats([100, 400, 700], [103, 550, 699], tolerance=54).tolist()
    [[0, 0], [2, 2]]
    """
    ref = _positions(reference, "reference").tolist()
    tst = _positions(test, "test").tolist()
    if not tolerance >= 0:
        raise InputError(f"tolerance must be zero or more samples, not {tolerance}")
    # Longest common subsequence, each pair worth more than all distances together; row i only
    # covers the test beats within reach of reference beat i.
    worth = int(tolerance) * (min(len(ref), len(tst)) + 1) + 1
    best = [0] * (len(tst) + 1)  # value of the pairs among the test beats before each index
    filled = 0  # best[k] for k beyond equals best[filled]
    rows: list[tuple[int, bytearray]] = []
    low = high = 0
    for at in ref:
        while low < len(tst) and tst[low] < at - tolerance:
            low += 1
        high = max(high, low)
        while high < len(tst) and tst[high] <= at + tolerance:
            high += 1
        for k in range(filled + 1, high + 1):
            best[k] = best[filled]
        filled = max(filled, high)
        choice = bytearray(high - low)
        before = best[low] if low < high else 0
        for j in range(low, high):
            with_pair = before + worth - abs(tst[j] - at)
            before = best[j + 1]
            if with_pair > before and with_pair >= best[j]:
                best[j + 1] = with_pair
                choice[j - low] = _PAIR
            elif best[j] > before:
                best[j + 1] = best[j]
                choice[j - low] = _SKIP_TEST
        rows.append((low, choice))
    pairs: list[tuple[int, int]] = []
    end = len(tst)
    for i in range(len(ref) - 1, -1, -1):
        low, choice = rows[i]
        end = min(end, low + len(choice)) if choice else end
        while end > low and choice and choice[end - 1 - low] == _SKIP_TEST:
            end -= 1
        if end > low and choice and choice[end - 1 - low] == _PAIR:
            end -= 1
            pairs.append((i, end))
    return np.asarray(pairs[::-1], np.int64).reshape(-1, 2)


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else float("nan")


@dataclass(frozen=True)
class DetectionScore:
    """Counts of one record, or of many added up.

    Attributes
    ----------
    record : str
        Name of the record, or of the total.
    tp, fn, fp : int
        Matched beats, missed beats, false beats.
    error_abs_ms, error_ms : float
        Mean absolute and mean signed distance (test minus reference) of matched beats, in ms; NaN
        without any.
    """

    record: str
    tp: int
    fn: int
    fp: int
    error_abs_ms: float
    error_ms: float

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN) in per cent; NaN without reference beats."""
        return _percent(self.tp, self.tp + self.fn)

    @property
    def positive_predictivity(self) -> float:
        """TP / (TP + FP) in per cent; NaN without test beats."""
        return _percent(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two in per cent; NaN without any beats."""
        return _percent(2 * self.tp, 2 * self.tp + self.fn + self.fp)

    def to_dict(self) -> dict[str, Any]:
        """Give counts and rates with plain names, as a JSON writer takes them."""
        return {
            **asdict(self),
            "sensitivity": self.sensitivity,
            "positive_predictivity": self.positive_predictivity,
            "f1": self.f1,
        }


@dataclass(frozen=True)
class DetectionTotals:
    """Scores of many records.

    Attributes
    ----------
    records : tuple of DetectionScore
    gross : DetectionScore
        All counts added; the R errors are means over all matched beats.
    average_sensitivity, average_positive_predictivity, average_f1 : float
        Means over records in per cent; records without a figure are left out.
    median_error_abs_ms : float
        Median over records of the mean absolute R error.
    worst : DetectionScore
        The record with the lowest F1.
    """

    records: tuple[DetectionScore, ...]
    gross: DetectionScore
    average_sensitivity: float
    average_positive_predictivity: float
    average_f1: float
    median_error_abs_ms: float
    worst: DetectionScore

    def to_dict(self) -> dict[str, Any]:
        """Give everything with plain names, as a JSON writer takes it."""
        return {
            "records": [score.to_dict() for score in self.records],
            "gross": self.gross.to_dict(),
            "average": {
                "sensitivity": self.average_sensitivity,
                "positive_predictivity": self.average_positive_predictivity,
                "f1": self.average_f1,
            },
            "median_error_abs_ms": self.median_error_abs_ms,
            "worst": self.worst.to_dict(),
        }


def _counted(
    position: npt.NDArray[np.int64], first: float, excluded: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    keep = position >= first
    for begin, end in excluded:
        keep &= ~((position >= begin) & (position <= end))
    return keep


def _matched(
    reference: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    tolerance: float,
    first: float,
    flutter: npt.ArrayLike | None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Pairs whose reference beat counts; reference beats that were missed; false test beats."""
    pairs = match_beats(reference, test, tolerance)
    excluded = np.asarray([] if flutter is None else flutter, np.int64).reshape(-1, 2)
    counted = _counted(reference, first, excluded)
    missed, false = counted.copy(), _counted(test, first, excluded)
    missed[pairs[:, 0]] = False
    false[pairs[:, 1]] = False
    return pairs[counted[pairs[:, 0]]], missed, false


def score_detection(
    reference: npt.ArrayLike,
    test: npt.ArrayLike,
    fs: float,
    *,
    flutter: npt.ArrayLike | None = None,
    start: float = LEARNING_S,
    tolerance: float = TOLERANCE_S,
    record: str = "",
) -> DetectionScore:
    """Score the beats that a detector found in one record.

    Beats are paired over the whole record first, so that a pair across the border of an excluded
    stretch is no error; then reference beats and false beats in such stretches are left out.

    Parameters
    ----------
    reference, test : array_like of int, shapes (n,) and (m,)
        Positions of beats (only) in samples, not decreasing.
    fs : float
        Sampling rate in Hz.
    flutter : array_like of int, shape (k, 2), optional
        Stretches of ventricular flutter, as `flutter_intervals` finds them.
    start : float, default 300
        Seconds at the beginning that are set aside.
    tolerance : float, default 0.15
        Seconds between the marks of one beat at most.
    record : str, optional
        Name to put into the result.

    Returns
    -------
    DetectionScore

    Raises
    ------
    InputError
        If positions or `fs` make no sense.

    Examples
    --------
    >>> from ecgfast.evaluation import score_detection
    >>> found = score_detection([100, 400, 700], [103, 550, 699], fs=360.0, start=0.0)
    >>> found.tp, found.fn, found.fp
    (2, 1, 1)
    """
    if not (np.isfinite(fs) and fs > 0):
        raise InputError(f"fs={fs}: give a sampling rate above 0, in Hz")
    ref, tst = _positions(reference, "reference"), _positions(test, "test")
    pairs, missed, false = _matched(ref, tst, tolerance * fs, start * fs, flutter)
    error = (tst[pairs[:, 1]] - ref[pairs[:, 0]]) * (1e3 / fs)
    return DetectionScore(
        record=record,
        tp=len(pairs),
        fn=int(missed.sum()),
        fp=int(false.sum()),
        error_abs_ms=float(np.abs(error).mean()) if len(pairs) else float("nan"),
        error_ms=float(error.mean()) if len(pairs) else float("nan"),
    )


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if not np.isnan(v)]
    return float(np.mean(finite)) if finite else float("nan")


def total_scores(scores: Iterable[DetectionScore], name: str = "gross") -> DetectionTotals:
    """Add up the scores of several records.

    Parameters
    ----------
    scores : iterable of DetectionScore
    name : str, default "gross"
        Name of the sum.

    Returns
    -------
    DetectionTotals

    Raises
    ------
    InputError
        If there is no score.

    Examples
    --------
    >>> from ecgfast.evaluation import score_detection, total_scores
    >>> scores = [score_detection([100, 400], [102], 360.0, start=0.0, record=n) for n in "ab"]
    >>> total_scores(scores).gross.fn
    2
    """
    records = tuple(scores)
    if not records:
        raise InputError("no record to add up: give at least one score")
    tp = sum(s.tp for s in records)
    with_beats = [s for s in records if s.tp]
    error_abs = sum(s.tp * s.error_abs_ms for s in with_beats)
    error = sum(s.tp * s.error_ms for s in with_beats)
    gross = DetectionScore(
        record=name,
        tp=tp,
        fn=sum(s.fn for s in records),
        fp=sum(s.fp for s in records),
        error_abs_ms=error_abs / tp if tp else float("nan"),
        error_ms=error / tp if tp else float("nan"),
    )
    errors = [s.error_abs_ms for s in with_beats]
    return DetectionTotals(
        records=records,
        gross=gross,
        average_sensitivity=_mean([s.sensitivity for s in records]),
        average_positive_predictivity=_mean([s.positive_predictivity for s in records]),
        average_f1=_mean([s.f1 for s in records]),
        median_error_abs_ms=float(np.median(errors)) if errors else float("nan"),
        worst=min(records, key=lambda s: 101.0 if np.isnan(s.f1) else s.f1),
    )


def class_confusion(
    reference: npt.ArrayLike,
    reference_class: Sequence[str],
    test: npt.ArrayLike,
    test_class: Sequence[str],
    fs: float,
    *,
    flutter: npt.ArrayLike | None = None,
    start: float = 0.0,
    tolerance: float = TOLERANCE_S,
    classes: str = AAMI_CLASSES,
) -> npt.NDArray[np.int64]:
    """Score labelled beats end to end: what each reference beat was called, or that it was missed.

    Parameters
    ----------
    reference, test : array_like of int, shapes (n,) and (m,)
        Positions of beats in samples, not decreasing.
    reference_class, test_class : sequence of str, lengths n and m
        Their classes, letters of `classes`.
    fs : float
        Sampling rate in Hz.
    flutter, start, tolerance
        As in `score_detection`; here nothing is set aside by default.
    classes : str, default "NSVFQ"
        The classes, in the order of the table.

    Returns
    -------
    ndarray of int64, shape (len(classes) + 1, len(classes) + 1)
        Rows: class in the reference, last the false detections. Columns: class in the test, last
        the missed beats.

    Raises
    ------
    InputError
        If positions, `fs` or a class make no sense, or lengths differ.

    Examples
    --------
    >>> from ecgfast.evaluation import class_confusion
    >>> class_confusion([100, 400], "NV", [102, 401], "NN", fs=360.0, classes="NV").tolist()
    [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    """
    if not (np.isfinite(fs) and fs > 0):
        raise InputError(f"fs={fs}: give a sampling rate above 0, in Hz")
    ref, tst = _positions(reference, "reference"), _positions(test, "test")
    index = {letter: i for i, letter in enumerate(classes)}
    for position, labels, name in ((ref, reference_class, "reference"), (tst, test_class, "test")):
        if len(position) != len(labels):
            raise InputError(
                f"{name}: {len(position)} beats but {len(labels)} classes: give one a beat"
            )
        unknown = set(labels) - set(classes)
        if unknown:
            raise InputError(
                f"{name}: class {min(unknown)!r} is none of {classes}: map it, or give classes="
            )
    pairs, missed, false = _matched(ref, tst, tolerance * fs, start * fs, flutter)
    table = np.zeros((len(classes) + 1, len(classes) + 1), np.int64)
    for i, j in pairs.tolist():
        table[index[reference_class[i]], index[test_class[j]]] += 1
    for i in np.flatnonzero(missed).tolist():
        table[index[reference_class[i]], -1] += 1
    for j in np.flatnonzero(false).tolist():
        table[-1, index[test_class[j]]] += 1
    return table
