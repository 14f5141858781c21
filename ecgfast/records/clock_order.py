"""Stamps that lack, wrap, go back, repeat or come in another order: rising again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .time_stamps import BLOCK, HIGHEST_HZ, LOWEST_HZ, UNITS, Floats

__all__ = [
    "HOUR_OFF_S",
    "HOUR_S",
    "WRAPS",
    "fill",
    "first_of_repeated",
    "of_rows",
    "order_of",
    "stand_between",
    "undo_set_back",
    "unwrap",
    "without_samples",
]

#: What clocks wrap at, in their own counts; a time of day wraps at midnight.
WRAPS = (1 << 16, 1 << 24, 1 << 32)

#: Seconds of an hour by which a clock is changed, and how exactly.
HOUR_S, HOUR_OFF_S = 3600.0, 0.5

# Seconds of a correction, of which NTP makes those from 0.128 on at once; seconds before it in
# which a late packet would be seen; changes of a clock at most; and samples that are compared, as a
# packet that came again is no clock that was set back.
_LEAST_BACK_S, _MOST_BACK_S = 0.1, 120.0
_AHEAD_S = 5.0
_MOST_CHANGES = 10
_COMPARED = 4096

# Share of rows that come after a later one, at most, where packets came in another order.
_MOST_LATE = 0.05


def without_samples(
    bad: npt.NDArray[np.bool_], samples: Callable[[int, int], npt.NDArray[Any]] | None
) -> npt.NDArray[np.bool_]:
    """Return which of the rows without a stamp have no sample either."""
    empty = np.zeros(len(bad), bool)
    if samples is not None:
        for begin in range(0, len(bad), BLOCK):
            end = min(begin + BLOCK, len(bad))
            if bad[begin:end].any():
                empty[begin:end] = bad[begin:end] & np.isnan(samples(begin, end)).all(axis=1)
    return empty


def stand_between(
    t: Floats, bad: npt.NDArray[np.bool_], empty: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which empty rows are no samples: the stamps around them leave no time for them.

    A remark between two samples takes no time; a sample that was damaged does.
    """
    known = np.flatnonzero(~bad)
    rows = np.flatnonzero(empty)
    after = np.searchsorted(known, rows)
    inside = (after > 0) & (after < len(known))
    before, following = known[after[inside] - 1], known[after[inside]]
    near = np.diff(known) == 1
    usual = float(np.median(np.diff(t[known])[near])) if near.any() else 0.0
    remarks: npt.NDArray[np.bool_] = empty.copy()
    if usual > 0:
        lasts = (t[following] - t[before]) / usual
        remarks[rows[inside]] = lasts < following - before - 0.5
    return remarks


def of_rows(
    order: npt.NDArray[np.intp], samples: Callable[[int, int], npt.NDArray[Any]]
) -> Callable[[int, int], npt.NDArray[Any]]:
    """Return `samples` of a selection of rows."""

    def selected(begin: int, end: int) -> npt.NDArray[Any]:
        rows = order[begin:end]
        low = int(rows.min())
        part: npt.NDArray[Any] = samples(low, int(rows.max()) + 1)[rows - low]
        return part

    return selected


def fill(t: Floats, bad: npt.NDArray[np.bool_]) -> None:
    """Give rows without a stamp one, in place, between their neighbours unless these fall."""
    known = np.flatnonzero(~bad)
    missing = np.flatnonzero(bad)
    after = np.searchsorted(known, missing).clip(1, len(known) - 1)
    falls = t[known[after]] < t[known[after - 1]]
    filled = np.interp(missing, known, t[known])
    t[missing] = np.where(falls, t[known[after - 1]], filled)


def order_of(t: Floats) -> npt.NDArray[np.intp] | None:
    """Return the rows in the order of their stamps; None if they are, or the stamps do not tell.

    They tell where the clock seldom goes back, every stamp stands in one place only, and no two are
    closer than half of the usual step: neither clocks that jitter, wrap or count down nor two
    recordings that were joined look like this.
    """
    steps = np.diff(t)
    if not 0 < np.count_nonzero(steps < 0) <= _MOST_LATE * len(steps):
        return None
    edge = 0.1 * float(t.max() - t.min())
    if t[0] > t.min() + edge or t[-1] < t.max() - edge:
        return None  # it wraps
    order = np.argsort(t, kind="stable")
    stamps = np.unique(t)
    apart = np.diff(stamps)
    if len(stamps) != np.count_nonzero(steps) + 1 or apart.min() < 0.5 * np.median(apart):
        return None
    return order


def unwrap(t: Floats, count: float | None) -> None:
    """Undo, in place, what a counter of limited width and midnight do to the stamps."""
    falls = np.flatnonzero(np.diff(t) < 0)
    if not len(falls) or len(falls) > 1000:
        return
    wraps = [float(w) for w in WRAPS]
    if count is not None:
        wraps += [86_400.0 / count, 3_600.0 / count]  # also of minutes and seconds alone
    usual = float(np.median(np.abs(np.diff(t))))
    for at in falls.tolist():
        before, after = t[at], t[at + 1]
        for wrap in wraps:
            # Close to the end before and to the beginning after it.
            near = max(0.02 * wrap, 100 * usual)
            if before < wrap + near and wrap - before < near and 0 <= after < near:
                t[at + 1 :] += wrap
                break


def undo_set_back(t: Floats, count: float | None, label: str, notes: list[str]) -> None:
    """Undo, in place, that the clock was set back, by an hour or a little, and say it.

    After it the stamps go on with their usual steps, also where they pass the latest one before:
    a packet that came late is left alone, and so is a clock that starts anew, as in two recordings
    that were joined.
    """
    steps = np.diff(t)
    if not (steps < 0).any() or not (steps > 0).any():
        return
    usual = float(np.median(steps[steps > 0]))  # of a packet, whose samples have one stamp
    one = count or next((c for c, _ in UNITS if LOWEST_HZ <= 1 / (usual * c) <= HIGHEST_HZ), 1.0)
    for at in np.flatnonzero(steps < 0)[:_MOST_CHANGES].tolist():
        back = (usual - float(steps[at])) * one
        is_hour = abs(back - HOUR_S) <= HOUR_OFF_S
        if not (is_hour or _LEAST_BACK_S <= back <= _MOST_BACK_S):
            continue
        # A clock that starts anew; an hour to the second is summer time, even in the first hour.
        since = float(t[at + 1] - t[0])
        if abs(since) <= 1e3 * usual or (since < 0 and not is_hour):
            continue
        if not is_hour and _was_ahead(t[: at + 1], usual, usual - float(steps[at]), _AHEAD_S / one):
            continue
        passed = at + 1 + int(np.searchsorted(t[at + 1 :], t[at], side="right"))
        if passed < len(t) and t[passed] - t[passed - 1] > 2 * usual:
            continue
        t[at + 1 :] += usual - float(steps[at])
        how = "an hour" if is_hour else f"{back:.3g} s"
        notes.append(
            f"the clock {label!r} goes back by {how} at sample {at + 2}"
            f"{', as at the end of summer time' if is_hour else ''}: the samples follow without a "
            "gap, and times of day are those of the clock before"
        )


def _was_ahead(before: Floats, usual: float, back: float, within: float) -> bool:
    """Whether a late packet had put the stamps ahead: they return to where they were."""
    recent = before[-max(2, round(within / usual)) :]
    return bool((np.diff(recent) > usual + 0.5 * back).any())


def first_of_repeated(
    t: Floats,
    rows: npt.NDArray[np.floating[Any]] | None,
    samples: Callable[[int, int], npt.NDArray[Any]] | None,
) -> npt.NDArray[np.bool_] | None:
    """Return the rows that are left without packets that came twice; None if none did."""
    falls = np.flatnonzero(np.diff(t) < 0) + 1
    if len(falls) and len(falls) <= 10_000:
        keep = np.ones(len(t), bool)
        latest = np.maximum.accumulate(t)
        for begin in falls.tolist():
            behind = latest[begin - 1]
            after = np.flatnonzero(t[begin:] > behind)
            end = begin + int(after[0]) if len(after) else len(t)
            # The same stamps and samples again, not a clock that was set back.
            if np.isin(t[begin:end], t[:begin]).all() and _same_samples(
                samples, int(np.searchsorted(latest[:begin], t[begin])), begin, end
            ):
                keep[begin:end] = False
        if not keep.all():
            return keep
    if rows is None or len(t) < 16:
        return None
    edges = np.flatnonzero(np.diff(t) > 0) + 1
    if len(edges) < 4 or len(edges) > len(t) // 3:
        return None
    begins = np.concatenate([[0], edges])
    sizes = np.diff(np.concatenate([begins, [len(t)]]))
    usual = int(np.median(sizes))
    keep = np.ones(len(t), bool)
    for begin in begins[sizes == 2 * usual].tolist():
        first, second = rows[begin : begin + usual], rows[begin + usual : begin + 2 * usual]
        if np.array_equal(first, second, equal_nan=True):
            keep[begin + usual : begin + 2 * usual] = False
    return None if keep.all() else keep


def _same_samples(
    samples: Callable[[int, int], npt.NDArray[Any]] | None, first: int, begin: int, end: int
) -> bool:
    """Whether the rows from `begin` on are those from `first` on; true of what is not known."""
    n = min(end - begin, begin - first, _COMPARED)
    return samples is None or np.array_equal(
        samples(first, first + n), samples(begin, begin + n), equal_nan=True
    )
