"""Episodes and runs of two annotators, compared as ANSI/AAMI EC57:2012 counts them.

This is our reading of the standard, not a certified implementation. Episodes are compared twice: by
*duration*, where sensitivity is the share of the reference's time that the test covers, and by
*episode*, where a reference episode is found when any test episode overlaps it, and a test episode
is right when any reference episode overlaps it. Rows of ventricular beats are compared by their
length: a row counts as found when the other annotator has a row of the same kind (couplet, short
run of 3 to 5, long run of 6 and more beats) within the match window of it; of several overlapping
ones the longest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ROWS",
    "VENTRICULAR_RHYTHMS",
    "EpisodeScore",
    "FalseTime",
    "RowScore",
    "false_time",
    "interruptions",
    "rhythm_episodes",
    "rows_of",
    "score_episodes",
    "score_rows",
]

Spans = npt.NDArray[np.int64]

#: Kinds of rows of ventricular beats, with the least and the largest number of beats.
ROWS = {"couplet": (2, 2), "short run": (3, 5), "long run": (6, None)}


#: Rhythms of the ventricles in the annotations of mitdb: what the atria do meanwhile is not said.
VENTRICULAR_RHYTHMS = ("(B", "(T", "(VT", "(IVR")


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else float("nan")


@dataclass(frozen=True)
class EpisodeScore:
    """Episodes of one record, or of many added up.

    Attributes
    ----------
    record : str
    reference_s, test_s, both_s : float
        Seconds that the reference, the test, and both mark.
    episodes, found : int
        Episodes of the reference, and those that a test episode overlaps.
    test_episodes, right : int
        Episodes of the test, and those that overlap one of the reference.
    """

    record: str
    reference_s: float
    test_s: float
    both_s: float
    episodes: int
    found: int
    test_episodes: int
    right: int

    @property
    def duration_sensitivity(self) -> float:
        """Share of the reference's time that the test marks, in per cent."""
        return _percent(self.both_s, self.reference_s)

    @property
    def duration_predictivity(self) -> float:
        """Share of the test's time that the reference marks, in per cent."""
        return _percent(self.both_s, self.test_s)

    @property
    def episode_sensitivity(self) -> float:
        """Share of the reference's episodes that were found, in per cent."""
        return _percent(self.found, self.episodes)

    @property
    def episode_predictivity(self) -> float:
        """Share of the test's episodes that are right, in per cent."""
        return _percent(self.right, self.test_episodes)

    def to_dict(self) -> dict[str, Any]:
        """Counts and rates under plain names."""
        return {
            **asdict(self),
            "duration_sensitivity": self.duration_sensitivity,
            "duration_predictivity": self.duration_predictivity,
            "episode_sensitivity": self.episode_sensitivity,
            "episode_predictivity": self.episode_predictivity,
        }

    @classmethod
    def total(cls, scores: Sequence[EpisodeScore], name: str = "all") -> EpisodeScore:
        """All counts added."""
        sums = {
            key: sum(asdict(one)[key] for one in scores)
            for key in (
                "reference_s", "test_s", "both_s", "episodes", "found", "test_episodes", "right",
            )
        }  # fmt: skip
        return cls(name, **sums)


def rhythm_episodes(
    sample: npt.ArrayLike, symbols: Sequence[str], texts: Sequence[str], end: int, code: str
) -> Spans:
    """Episodes of a rhythm in reference annotations.

    Parameters
    ----------
    sample, symbols, texts
        Positions, codes and texts of all annotations; a rhythm begins at a ``+`` with a text such
        as ``(AFIB`` and lasts until the next.
    end : int
        Samples of the record.
    code : str
        The text to look for.

    Returns
    -------
    ndarray of int64, shape (k, 2)
    """
    spans = [
        (begin, till) for begin, till, text in _rhythms(sample, symbols, texts, end) if text == code
    ]
    return np.asarray(spans, np.int64).reshape(-1, 2)


def interruptions(
    sample: npt.ArrayLike,
    symbols: Sequence[str],
    texts: Sequence[str],
    end: int,
    code: str,
    by: Sequence[str] = VENTRICULAR_RHYTHMS,
) -> Spans:
    """Stretches of other rhythms that interrupt a rhythm: it stands before them and after them.

    The annotations have one rhythm at a time. While a ventricular rhythm lasts within atrial
    fibrillation, the atria still fibrillate.

    Parameters
    ----------
    sample, symbols, texts, end, code
        As in `rhythm_episodes`.
    by : sequence of str
        The texts of the other rhythms.

    Returns
    -------
    ndarray of int64, shape (k, 2)
    """
    spans: list[tuple[int, int]] = []
    open_spans: list[tuple[int, int]] | None = None
    for begin, till, text in _rhythms(sample, symbols, texts, end):
        if text == code:
            spans += open_spans or []
            open_spans = []
        elif text not in by:
            open_spans = None
        elif open_spans is not None:
            open_spans.append((begin, till))
    return np.asarray(spans, np.int64).reshape(-1, 2)


def _rhythms(
    sample: npt.ArrayLike, symbols: Sequence[str], texts: Sequence[str], end: int
) -> list[tuple[int, int, str]]:
    """First sample, the one after the last, and text of each rhythm."""
    at = np.asarray(sample, np.int64).tolist()
    changes = [
        (begin, str(text).strip("\x00 "))
        for begin, symbol, text in zip(at, symbols, texts, strict=True)
        if symbol == "+" and str(text).startswith("(")
    ]
    ends = [begin for begin, _ in changes[1:]] + [end]
    return [(begin, till, text) for (begin, text), till in zip(changes, ends, strict=True)]


def _mask(spans: Spans, end: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(end, bool)
    for first, last in spans:
        mask[max(0, first) : last] = True
    return mask


def _overlapping(some: Spans, others: npt.NDArray[np.bool_]) -> int:
    return sum(bool(others[max(0, first) : last].any()) for first, last in some)


def score_episodes(
    reference: Spans,
    test: Spans,
    fs: float,
    end: int,
    *,
    record: str = "",
    start: float = 0.0,
    apart: Spans | None = None,
) -> EpisodeScore:
    """Compare the episodes of one record.

    Parameters
    ----------
    reference, test : ndarray of int, shape (k, 2)
        First sample of each episode, and the one after its last.
    fs : float
        Sampling rate in Hz.
    end : int
        Samples of the record.
    record : str
    start : float
        Seconds at the beginning that are set aside.
    apart : ndarray of int, shape (k, 2), optional
        Stretches that count on neither side.

    Returns
    -------
    EpisodeScore
    """
    counted = np.ones(end, bool)
    counted[: round(start * fs)] = False
    if apart is not None:
        counted &= ~_mask(apart, end)
    real, found = _mask(reference, end) & counted, _mask(test, end) & counted
    shown = [
        np.asarray([one for one in spans if counted[max(0, one[0]) : one[1]].any()], np.int64)
        for spans in (reference, test)
    ]
    return EpisodeScore(
        record,
        float(real.sum() / fs),
        float(found.sum() / fs),
        float((real & found).sum() / fs),
        len(shown[0]),
        _overlapping(shown[0], found),
        len(shown[1]),
        _overlapping(shown[1], real),
    )


@dataclass(frozen=True)
class FalseTime:
    """Where the test marks an episode and the reference does not, in seconds.

    Attributes
    ----------
    early, late : float
        Before the first and after the last episode of the reference that a test episode overlaps.
    ventricular : float
        Between two of them, in ventricular rhythms that interrupt the rhythm.
    between : float
        Between two of them, in other rhythms.
    alone : float
        In test episodes that overlap none.
    """

    early: float
    late: float
    ventricular: float
    between: float
    alone: float


def false_time(
    reference: Spans, test: Spans, fs: float, end: int, *, ventricular: Spans, apart: Spans
) -> FalseTime:
    """Where the false time of one record lies.

    Parameters
    ----------
    reference, test, fs, end
        As for `score_episodes`.
    ventricular : ndarray of int, shape (k, 2)
        `interruptions` of the reference.
    apart : ndarray of int, shape (k, 2)
        Stretches that do not count.

    Returns
    -------
    FalseTime
    """
    real = _mask(reference, end)
    false = ~real & ~_mask(apart, end)
    in_ventricular = _mask(ventricular, end)
    seconds = dict.fromkeys(("early", "late", "ventricular", "between", "alone"), 0.0)
    for start, stop in test.tolist():
        inside = np.flatnonzero(real[start:stop])
        if not len(inside):
            seconds["alone"] += float(false[start:stop].sum()) / fs
            continue
        first, last = start + int(inside[0]), start + int(inside[-1])
        middle = false[first:last]
        by_ventricles = float((middle & in_ventricular[first:last]).sum()) / fs
        seconds["early"] += float(false[start:first].sum()) / fs
        seconds["late"] += float(false[last:stop].sum()) / fs
        seconds["ventricular"] += by_ventricles
        seconds["between"] += float(middle.sum()) / fs - by_ventricles
    return FalseTime(**seconds)


def rows_of(sample: Sequence[int], labels: Sequence[str], label: str = "V") -> list[list[int]]:
    """Beats of one class in rows, as lists of their R peaks; single ones are left out."""
    rows: list[list[int]] = []
    row: list[int] = []
    for at, one in zip(sample, labels, strict=True):
        if one == label:
            row.append(int(at))
            continue
        if len(row) > 1:
            rows.append(row)
        row = []
    return [*rows, row] if len(row) > 1 else rows


@dataclass(frozen=True)
class RowScore:
    """Rows of one kind, of one record or of many added up.

    Attributes
    ----------
    kind : str
    reference, found : int
        Rows of the reference, and those that the test has with the same kind.
    test, right : int
        Rows of the test, and those that the reference has with the same kind.
    """

    kind: str
    reference: int
    found: int
    test: int
    right: int

    @property
    def sensitivity(self) -> float:
        """Share of the reference's rows that were found, in per cent."""
        return _percent(self.found, self.reference)

    @property
    def positive_predictivity(self) -> float:
        """Share of the test's rows that are right, in per cent."""
        return _percent(self.right, self.test)

    def to_dict(self) -> dict[str, Any]:
        """Counts and rates under plain names."""
        return {
            **asdict(self),
            "sensitivity": self.sensitivity,
            "positive_predictivity": self.positive_predictivity,
        }


def _kind(n: int) -> str:
    return next(
        (name for name, (low, high) in ROWS.items() if n >= low and (high is None or n <= high)), ""
    )


def _matched(
    some: Sequence[tuple[int, int, int]], others: Sequence[tuple[int, int, int]], tolerance: float
) -> dict[str, int]:
    """How many of some rows (first, last, beats) have the same kind on the other side."""
    out = dict.fromkeys(ROWS, 0)
    for first, last, n in some:
        overlapping = [
            beats
            for begin, end, beats in others
            if begin <= last + tolerance and end >= first - tolerance
        ]
        kind = _kind(n)
        out[kind] += bool(overlapping) and _kind(max(overlapping)) == kind
    return out


def score_rows(
    reference: Sequence[tuple[int, int, int]],
    test: Sequence[tuple[int, int, int]],
    tolerance: float,
) -> list[RowScore]:
    """Compare rows of ventricular beats.

    Parameters
    ----------
    reference, test : sequence of (int, int, int)
        R peaks of the first and the last beat, and how many beats there are.
    tolerance : float
        Samples that two marks of one beat may be apart.

    Returns
    -------
    list of RowScore
        One for each kind of `ROWS`.
    """
    found = _matched(reference, test, tolerance)
    right = _matched(test, reference, tolerance)
    return [
        RowScore(
            kind,
            sum(_kind(n) == kind for _, _, n in reference),
            found[kind],
            sum(_kind(n) == kind for _, _, n in test),
            right[kind],
        )
        for kind in ROWS
    ]
