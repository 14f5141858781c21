"""Sampling rate, start and gaps from a column of time stamps, whatever it counts in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .clock_order import (
    HOUR_OFF_S,
    HOUR_S,
    fill,
    first_of_repeated,
    of_rows,
    order_of,
    stand_between,
    undo_set_back,
    unwrap,
    without_samples,
)
from .time_stamps import BLOCK, HIGHEST_HZ, LOWEST_HZ, UNITS, Floats, Stamps
from .units import to_seconds

__all__ = [
    "Clock",
    "count_for",
    "moment_of",
    "read_clock",
    "start_of",
    "start_of_days",
    "unit_of_clock",
]


# The sampling rate of a very fast converter, Hz.
_FASTEST = 100_000.0

# Seconds of a gap that is filled with missing samples: a longer one parts two recordings.
_LONGEST_GAP_S = 86_400.0

# Up to this many stamps, all of them enter the rate; from more, a selection.
_LONG = 4096

# Selection from a long clock with gaps: unusual steps at most, and stamps kept on each side of one.
_MOST_ODD, _NEAR = 4096, 256


# Packets of which one row each has a stamp: how many, and the share that are of one size.
_LEAST_PACKETS, _OF_ONE_SIZE = 8, 0.9

# Share of a packet's usual size below which the first one was cut by the begin of the recording.
_CUT = 0.9

_LONG_UNITS = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86_400.0, "days"))

# Dates that spreadsheets and MATLAB count in days: 1954 to 2119, 1916 to 2190.
_DAYS = ((20_000.0, 80_000.0), (700_000.0, 800_000.0))
# The first day of 1970 in them.
_DAYS_BEGIN = (25_569.0, 719_529.0)

# Ticks of Windows: since the year 1 (.NET) and since 1601, in 1980 and 2100.
_TICK_S, _TICKS = 1e-7, ((6.245e17, 6.626e17), (1.196e17, 1.577e17))

# Seconds by which hours, minutes and seconds in one number step over a minute, an hour, a day.
_PACKED = (40.0, 4040.0, 764_040.0)
_NAME_UNIT = re.compile(
    r"(?:^|[_\W])(milli\w*|micro\w*|nano\w*|sec\w*|msecs?|usecs?|ms|us|µs|ns|s)$"
)


@dataclass(frozen=True, eq=False)
class Clock:
    """What a column of time stamps says.

    Attributes
    ----------
    fs : float
        Sampling rate in Hz.
    n_samples : int
        Samples of the recording, missing ones included.
    rows : ndarray of int, or None
        Rows that are samples, in the order of their times; None where all are, as they stand.
    spans : list of (int, int)
        For each stretch without a gap, its first row (of `rows`) and its first sample.
    notes : tuple of str
        What was found, in words.
    """

    fs: float
    n_samples: int
    rows: npt.NDArray[np.intp] | None
    spans: list[tuple[int, int]]
    notes: tuple[str, ...]

    def place(
        self, begin: int, end: int, part: Callable[[int, int], npt.NDArray[Any]]
    ) -> npt.NDArray[np.floating[Any]]:
        """Return samples `begin` to `end` in the order of time, NaN in gaps.

        ``part(first, last)`` returns rows of the file, of shape (n, columns).
        """
        if len(self.spans) == 1 and self.rows is None:
            return part(begin, end)
        out = np.full((end - begin, part(0, 0).shape[1]), np.nan)
        last_row, last_place = self.spans[-1]
        ends = [row for row, _ in self.spans[1:]] + [last_row + self.n_samples - last_place]
        for (row, place), stop in zip(self.spans, ends, strict=True):
            a, b = max(begin, place), min(end, place + stop - row)
            if a >= b:
                continue
            first, last = row + a - place, row + b - place
            if self.rows is None:
                out[a - begin : b - begin] = part(first, last)
            else:
                rows = self.rows[first:last]
                low = int(rows.min())
                out[a - begin : b - begin] = part(low, int(rows.max()) + 1)[rows - low]
        return out


def unit_of_clock(name: str, unit: str) -> float | None:
    """Return the seconds that one count of a clock lasts, where its name or unit says so."""
    stated = to_seconds(unit) if unit else None
    if stated is None:
        stated = to_seconds(name)
    if stated is None:
        found = _NAME_UNIT.search(name.strip().lower())
        stated = to_seconds(found[1]) if found else None
    return stated


def count_for(stamps: Floats, fs: float) -> float | None:
    """Return the seconds of a count by which a clock fits a known rate."""
    steps = np.diff(stamps[np.isfinite(stamps)][:100_000])
    if not len(steps) or not steps[steps > 0].size:
        return None
    mean = float(np.median(steps)) or float(steps[steps > 0].sum()) / len(steps)
    usual = (count for count, _ in UNITS + _LONG_UNITS[1:] if 0.5 < mean * count * fs < 2.0)
    return next(usual, None)


def _refuse_packed(seconds: Floats, name: str, label: str) -> None:
    """Raise if a clock writes hours, minutes and seconds in one number, such as 235959.9."""
    steps = np.diff(seconds)
    usual = float(np.median(steps))
    over = np.flatnonzero(np.abs(steps[:, np.newaxis] - usual - np.array(_PACKED)).min(1) < 0.5)
    if not len(over) or (seconds[over] % 100 < 59).any() or (seconds[over + 1] % 100 > 1).any():
        return
    if not (seconds % 100 < 60).all():
        return
    at = int(over[0])
    raise RecordError(
        f"{name}: the clock {label!r} holds hours, minutes and seconds in one number ("
        f"{seconds[at]:.15g} is followed by {seconds[at + 1]:.15g}); write it as 23:59:59.996, or "
        "as 2024-05-06 23:59:59.996"
    )


def start_of(first: float) -> datetime | None:
    """Return the moment of a stamp in seconds, if it counts from 1970 (1980 to 2100), in UTC."""
    return moment_of(first) if 315e6 < first < 4.1e9 else None


def start_of_days(first: float) -> datetime | None:
    """Return the moment of a count of days, if spreadsheets or MATLAB count so; it has no zone."""
    for (low, high), begin in zip(_DAYS, _DAYS_BEGIN, strict=True):
        if low < first < high:
            return moment_of(round((first - begin) * 86_400e3) / 1e3)
    return None


def moment_of(seconds: float) -> datetime | None:
    """Return the moment so many seconds after the begin of 1970; None if no calendar has it."""
    try:
        return datetime(1970, 1, 1) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # NaN too
        return None


def read_clock(
    stamps: Floats | Stamps,
    count: float | None,
    name: str,
    label: str,
    rows: npt.NDArray[np.floating[Any]] | None = None,
    samples: Callable[[int, int], npt.NDArray[Any]] | None = None,
) -> tuple[Clock | None, datetime | None, str]:
    """Find the sampling rate, the start and the gaps.

    Stamps may be rounded, jitter, repeat within a packet, wrap, pass midnight, be set back by an
    hour as summer time ends, leave out or repeat packets, and come in another order. The rate is
    the median slope over about two seconds, refined by least squares once gaps are known; a step
    counts as a gap only if the stamps after it stay late, so that a packet which merely arrived
    late is none.

    Parameters
    ----------
    stamps : ndarray, shape (n,), or Stamps
        In counts.
    count : float or None
        Seconds that a count lasts; None to guess from the rate that comes of it.
    name, label : str
        The file and the column, for messages.
    rows : ndarray, shape (n, columns), optional
        The samples, by which a packet that was sent twice under one stamp is recognised.
    samples : callable, optional
        ``samples(begin, end)`` returns the samples of these rows: they tell a packet that was sent
        again from a clock that was set back.

    Returns
    -------
    clock : Clock or None
        None if the stamps tell no rate, as a sample counter does not.
    start : datetime or None
        When the first sample was taken, if the stamps say so.
    unit : str
        What the stamps count in, in words.

    Raises
    ------
    RecordError
        If they go back, or do not climb evenly.
    """
    if isinstance(stamps, Stamps):
        even = _evenly_spaced(stamps)
        if even is not None:
            return _clock_from_even(*even, count, name, label)
        picked = _selected(stamps.blocks, len(stamps))
        if picked is not None:
            return _clock_from(*picked, 1.0, len(stamps), None, count, name, label, [])
        t = stamps.part(0, len(stamps))
    else:
        t = np.array(stamps, np.float64)
    if len(t) < 3:
        return None, None, ""
    bad = ~np.isfinite(t)
    if bad.mean() > 0.1 and not _fill_packets(t, bad, samples):
        raise RecordError(f"{name}: the clock {label!r} lacks most of its times; remove the column")
    notes: list[str] = []
    order: npt.NDArray[np.intp] | None = None
    if bad.any():
        remarks = stand_between(t, bad, without_samples(bad, samples))
        fill(t, bad)
        if remarks.any():
            order = np.flatnonzero(~remarks)
            t, rows = t[order], None if rows is None else rows[order]
            samples = None if samples is None else of_rows(order, samples)
    if _newest_first(t, count):
        notes.append(f"rows are reversed: the clock {label!r} begins with the newest one")
        t = t[::-1].copy()
        order = np.arange(len(t))[::-1] if order is None else order[::-1]
        rows = None if rows is None else rows[::-1]
        samples = None if samples is None else of_rows(order, samples)
    unwrap(t, count)
    keep = first_of_repeated(t, rows, samples)
    if keep is not None:
        notes.append(f"{int((~keep).sum())} samples that came twice are left out")
        t = t[keep]
        order = np.flatnonzero(keep) if order is None else order[keep]
    late = order_of(t)
    if late is not None:
        notes.append(f"rows are put in the order of the clock {label!r}")
        t = t[late]
        order = late if order is None else order[late]
    undo_set_back(t, count, label, notes)
    back = np.flatnonzero(np.diff(t) < 0)
    if len(back):
        if len(back) > 0.02 * len(t) or np.diff(t).min() < -0.05 * (t.max() - t.min()):
            raise RecordError(
                f"{name}: the clock {label!r} does not climb evenly at sample {back[0] + 2} (from "
                f"{t[back[0]]:.10g} to {t[back[0] + 1]:.10g}); split the file there, or remove the "
                "column and give the rate, such as fs=250"
            )
        t = np.maximum.accumulate(t)  # a little jitter
    if count is None and np.all(np.diff(t) == 1):
        return None, None, ""  # it counts samples
    picked = _selected(lambda: (t[i : i + BLOCK] for i in range(0, len(t), BLOCK)), len(t))
    n, u = picked or _stamps(t)
    # Samples of a packet, whose stamps are the same.
    packet = 1.0 if picked else len(t) / len(u)
    return _clock_from(n, u, packet, len(t), order, count, name, label, notes)


def _newest_first(t: Floats, count: float | None) -> bool:
    """Whether stamps since 1970 fall throughout, as of logs whose newest line comes first.

    A count that falls and has no date may be the time that is left.
    """
    counts = [count] if count is not None else [each for each, _ in UNITS]
    dated = any(start_of(float(t[-1]) * each) is not None for each in counts)
    return dated and bool((np.diff(t) <= 0).all()) and bool(t[0] > t[-1])


def _fill_packets(
    t: Floats, bad: npt.NDArray[np.bool_], samples: Callable[[int, int], npt.NDArray[Any]] | None
) -> bool:
    """Give each row the stamp of its packet, where one row of each packet has it.

    Returns whether there are such packets, of one size in most places; `t` and `bad` change.
    """
    known = np.flatnonzero(~bad)
    if len(known) < _LEAST_PACKETS or samples is None:
        return False
    sizes = np.diff(known)
    usual = int(np.median(sizes))
    if usual < 2 or np.mean(sizes == usual) < _OF_ONE_SIZE:
        return False
    if without_samples(bad, samples)[bad].mean() > 1 - _OF_ONE_SIZE:
        return False
    at = np.arange(len(t))
    # The first row of a packet has its stamp, or the last one.
    ends = known[0] > 0 and known[-1] == len(t) - 1
    place = np.searchsorted(known, at, "left" if ends else "right") - (0 if ends else 1)
    t[:] = t[known[place.clip(0, len(known) - 1)]]
    bad[:] = False
    return True


def _clock_from(
    n: Floats,
    u: Floats,
    packet: float,
    rows: int,
    order: npt.NDArray[np.intp] | None,
    count: float | None,
    name: str,
    label: str,
    notes: list[str],
) -> tuple[Clock | None, datetime | None, str]:
    """Return what `read_clock` returns, from stamps `u` of the rows `n`, `packet` samples each."""
    if len(u) < 2 or not float(u[-1] - u[0]) > 0:
        return None, None, ""
    count, unit = _count(n, u, count, name, label, notes)
    start = start_of(float(u[0]) * count) if count <= 1.0 else None
    _refuse_packed(u * count, name, label)
    u = (u - u[0]) * count
    if not 0 < u[-1] < math.inf:
        return None, None, ""
    fs, gaps = _rate_and_gaps(n, u, packet, rows, name, label)
    spans = [(0, 0)]
    for row, missing in gaps:
        spans.append((row, row + missing + spans[-1][1] - spans[-1][0]))
    lost = spans[-1][1] - spans[-1][0]
    if lost:
        longest = max(missing for _, missing in gaps) / fs
        if longest > _LONGEST_GAP_S:
            raise RecordError(
                f"{name}: has a gap of {longest / 3600:.1f} hours before sample "
                f"{max(gaps, key=lambda g: g[1])[0] + 1}; split the file there"
            )
        notes.append(
            f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''} of {_length(lost / fs)} in all filled "
            "with missing samples"
        )
        hour = next((row for row, n in gaps if abs(n / fs - HOUR_S) <= HOUR_OFF_S), None)
        if hour is not None:
            notes.append(
                f"the gap before sample {hour + 1} is of one hour: if the clock {label!r} was put "
                "ahead for summer time, nothing is missing; then write its times in UTC"
            )
    return Clock(fs, rows + lost, order, spans, tuple(notes)), start, unit


def _length(seconds: float) -> str:
    """Return a duration in words: a sample or two are some milliseconds."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.1f} ms"


def _count(
    n: Floats, u: Floats, count: float | None, name: str, label: str, notes: list[str]
) -> tuple[float, str]:
    """Return the seconds that a count lasts, and its unit where that had to be guessed.

    Raises
    ------
    RecordError
        If it may be seconds of a very fast converter or a longer unit.
    """
    if count is not None:
        return count, ""
    # By the usual step: gaps and packets do not bend it.
    usual = _usual_period(n, u)
    if not usual > 0:
        return 1.0, "seconds"
    fitting = [(c, unit) for c, unit in UNITS if LOWEST_HZ <= 1 / (usual * c) <= HIGHEST_HZ]
    if any(a < u[0] < b for a, b in _TICKS) and LOWEST_HZ <= 1 / (usual * _TICK_S) <= HIGHEST_HZ:
        fitting = [(_TICK_S, "ticks of 100 ns")]
    if not fitting and 1 / usual > HIGHEST_HZ:
        fitting = [
            (c, unit)
            for c, unit in _LONG_UNITS
            if LOWEST_HZ <= 1 / (usual * c) <= (HIGHEST_HZ if c > 1 else _FASTEST)
        ]
        if fitting and fitting[-1][1] == "days" and any(a < u[0] < b for a, b in _DAYS):
            fitting = fitting[-1:]
        if len(fitting) > 1:
            told = " or ".join(f"{1 / (usual * c):.4g} Hz in {unit}" for c, unit in fitting)
            raise RecordError(
                f"{name}: nothing names the unit of the clock {label!r}: {told}; name it, such as "
                f"'{label} (s)', or give the rate, such as fs=250"
            )
    count, unit = fitting[0] if fitting else (1.0, "seconds")
    if count != 1.0:
        notes.append(f"{label!r} is taken to count {unit}: nothing names its unit")
    return count, unit


def _evenly_spaced(stamps: Stamps) -> tuple[Floats, Floats, int] | None:
    """Return about 2048 stamps at equal distances, the first `_LONG` stamps, and the number of all.

    None unless the stamps rise evenly throughout, as in most files: only then does the selection
    give the same rate as all of them.
    """
    n = len(stamps)
    if n <= _LONG:
        return None
    every = n // 2048
    picked: list[Floats] = []
    at, last, low, high = 0, math.nan, math.inf, -math.inf
    for block in stamps.blocks():
        if not len(block):
            continue
        steps = np.diff(block)
        if at:
            steps = np.append(steps, block[0] - last)
        least, most = float(steps.min(initial=math.inf)), float(steps.max(initial=-math.inf))
        if not (least > 0 and most < math.inf):  # False too where a stamp is missing
            return None
        low, high = min(low, least), max(high, most)
        picked.append(block[-at % every :: every].copy())
        at, last = at + len(block), float(block[-1])
    chosen = np.concatenate(picked)
    mean = (last - float(chosen[0])) / (n - 1)
    return (chosen, stamps.part(0, _LONG), n) if low > 0.2 * mean and high < 1.8 * mean else None


def _clock_from_even(
    chosen: Floats, first: Floats, n: int, count: float | None, name: str, label: str
) -> tuple[Clock | None, datetime | None, str]:
    """Return what `read_clock` returns, from the selection of `_evenly_spaced`."""
    every = n // 2048
    notes: list[str] = []
    if count is None and np.all(np.diff(first) == 1) and np.all(np.diff(chosen) == every):
        return None, None, ""  # it counts samples
    count, unit = _count(*_stamps(first), count, name, label, notes)
    fs = _rate(np.arange(0, n, every).astype(np.float64), (chosen - chosen[0]) * count)
    if not fs < math.inf:
        return None, None, ""
    start = start_of(float(first[0]) * count) if count <= 1.0 else None
    return Clock(fs, n, None, [(0, 0)], tuple(notes)), start, unit


def _selected(blocks: Callable[[], Iterable[Floats]], total: int) -> tuple[Floats, Floats] | None:
    """Select rows and their stamps that give the same rate and gaps as all of a long recording.

    They are those around each unusual step, and about 65,536 at equal distances. None if the
    recording is short, the stamps do not rise throughout, or too many steps are unusual.
    """
    if total <= 2 * BLOCK:
        return None
    usual, at, last, found = math.nan, 0, math.nan, 0
    odd: list[npt.NDArray[np.int64]] = []
    for block in blocks():
        steps = np.diff(block)
        if at:
            steps = np.concatenate([[block[0] - last], steps])
        elif len(steps):
            usual = float(np.median(steps))
        if not (float(steps.min(initial=math.inf)) > 0 and float(steps.max(initial=0)) < math.inf):
            return None
        where = np.flatnonzero((steps <= 0.2 * usual) | (steps >= 1.8 * usual))
        odd.append(where + (at if at else 1))
        found += len(where)
        if found > _MOST_ODD:
            return None
        at, last = at + len(block), float(block[-1])
    near = np.concatenate(odd)[:, np.newaxis] + np.arange(-_NEAR, _NEAR)
    even = np.arange(0, total, total // 65_536 + 1)
    rows = np.unique(np.concatenate([even, near.reshape(-1).clip(0, total - 1), [total - 1]]))
    stamps, at = np.empty(len(rows)), 0
    for block in blocks():
        a, b = np.searchsorted(rows, [at, at + len(block)])
        stamps[a:b] = block[rows[a:b] - at]
        at += len(block)
    return rows.astype(np.float64), stamps


def _usual_period(n: Floats, u: Floats) -> float:
    """Return the counts from sample to sample, without gaps."""
    return _slope(n, u, max(1, min(len(u) // 4, 50)))


def _stamps(t: Floats) -> tuple[Floats, Floats]:
    """Return the first row of each different stamp, and the stamp."""
    rows = np.concatenate([[0], np.flatnonzero(np.diff(t) > 0) + 1])
    return rows.astype(np.float64), t[rows]


def _slope(n: Floats, u: Floats, lag: int) -> float:
    """Return the median slope of `u` on `n` over `lag` stamps."""
    lag = max(1, min(lag, len(u) - 1))
    return float(np.median((u[lag:] - u[:-lag]) / (n[lag:] - n[:-lag])))


def _rate_and_gaps(
    n: Floats, u: Floats, packet: float, rows: int, name: str, label: str
) -> tuple[float, list[tuple[int, int]]]:
    """Return the sampling rate, and the rows before which so many samples are missing."""
    if len(u) > _LEAST_PACKETS and packet > 1.5:
        sizes, steps = np.diff(n), np.diff(u)
        # A packet that the begin of the recording cut: its stamp is that of lost samples.
        if sizes[0] < _CUT * np.median(sizes) and steps[0] < 1.5 * np.median(steps):
            n, u = n[1:], u[1:] - u[1]
    if _LONG < len(u) == rows:
        even, steps = float(u[-1]) / (rows - 1), np.diff(u)
        if steps.min() > 0.2 * even and steps.max() < 1.8 * even:
            # Even steps throughout, as in most files: a selection gives the same rate.
            every = rows // 2048
            return _rate(n[::every], u[::every]), []
    period = _slope(n, u, max(1, len(u) // 4)) if len(u) < 16 else _usual_period(n, u)
    lag = max(1, min(len(u) // 4, round(2.0 / (period * packet))))
    period = _slope(n, u, lag)
    if not 0 < period < math.inf or not math.isfinite(1 / period):
        raise RecordError(
            f"{name}: the clock {label!r} has steps that are no time; remove the column"
        )
    late = u - period * n
    # Least: what rounding, jitter and packets do to the stamps.
    steps = np.diff(late)
    jitter = float(np.median(np.abs(steps - np.median(steps))))
    least = max(0.75 * period, 6.0 * jitter)
    window = max(8, min(len(u), round(1.0 / (period * packet))))
    gaps: list[tuple[int, int]] = []
    suspects = np.flatnonzero(steps > least)
    if len(suspects) > max(64, len(u) // 8):
        suspects = suspects[:0]  # it is the stamps that jitter
    since = 0  # the end of the last gap: stamps before it are earlier by its length
    for at in suspects.tolist():
        before = late[max(since, at - window + 1) : at + 1].min()
        after = late[at + 1 : at + 1 + window].min()
        missing = round(float(after - before) / period)
        if missing >= 1 and after - before > max(least, 0.5 * steps[at]):
            gaps.append((int(n[at + 1]), missing))
            since = at + 1
    if gaps:
        lost = np.zeros(len(u))
        for row, missing in gaps:
            lost[np.searchsorted(n, row) :] += missing
        n = n + lost
    fs = _rate(n, u)
    if not LOWEST_HZ / 10 <= fs <= 1e7 or abs(1 - fs * period) > 0.05:
        raise RecordError(
            f"{name}: the clock {label!r} does not climb evenly (about {1 / period:.4g} samples a "
            "second); remove the column and give the rate, such as fs=250"
        )
    return fs, gaps


def _rate(n: Floats, u: Floats) -> float:
    """Return the samples a second of stamps `u` at the samples `n`."""
    slope, begin = np.polyfit(n, u, 1)
    if not slope > 0:
        return math.inf
    fs = 1.0 / float(slope)
    # Whole Hz are taken where the rounding of the stamps allows them.
    bent = float(np.percentile(np.abs(u - (begin + slope * n)), 95))
    whole = round(fs) if fs < 1e9 else 0
    close = abs(fs - whole) <= min(0.1, fs * (2 * bent / float(u[-1] - u[0]) + 1e-6))
    return float(whole) if close and whole else fs
