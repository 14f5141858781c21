"""Tables with one row per sample: which columns are clocks, and when each sample was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .choosing import look_of, role_of
from .clocks import Clock, count_for, moment_of, read_clock, start_of_days, unit_of_clock
from .interleaved import SIGNAL_COLUMNS, refuse_interleaved, refuse_numbered
from .opened import Column, Opened, Values
from .text_head import Head
from .time_stamps import Stamps

__all__ = ["LOOKED", "Table", "open_table"]

#: Rows in which a column is looked at for a clock or a counter.
LOOKED = 4096

# Rows after which a column that rises by one is a counter, whatever its name.
_COUNTED = 64

# Share of rows from which on sensors have rows of their own, and of those that they share at most.
_APART = 0.02

# Evenly spaced values that tell a sensor slower than the rows, at least.
_EVEN_ROWS = 64

# A rate of the head and one of the clock are the same up to this share.
_SAME = 0.05

_DAY_S = 86_400.0


class Table:
    """The numbers of a file, column by column, added a few rows at a time.

    Columns that may be clocks are held exactly, others as float32, which is what samples come as.

    Parameters
    ----------
    head : Head
        Names, units, kinds, and what the file says of all columns.

    Attributes
    ----------
    rows : int
        Rows added so far.
    notes : list of str
        What was found in reading it.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self.rows = 0
        self.notes: list[str] = []
        # The parts of each column, packed where it may be a clock; None for words.
        self._held: list[list[npt.NDArray[np.float32]] | Stamps | None] = []
        self._begins: list[int] = []

    def add(self, columns: Sequence[npt.NDArray[np.float64]] | npt.NDArray[np.float64]) -> None:
        """Add rows, column by column; the arrays may be used again."""
        if not len(columns) or not len(columns[0]):
            return
        if not self._held:
            for i, values in enumerate(columns):
                kind = self.head.kinds[i]
                exact = (
                    kind == "time"
                    or role_of(self.head.names[i], self.head.units[i])[0] == "clock"
                    or look_of(values[:LOOKED], None) in ("clock", "counter")
                )
                self._held.append(None if kind == "words" else Stamps() if exact else [])
        for held, values in zip(self._held, columns, strict=True):
            if isinstance(held, Stamps):
                held.append(values)
            elif held is not None:
                held.append(values.astype(np.float32))
        self._begins.append(self.rows)
        self.rows += len(columns[0])

    def part(self, column: int, begin: int, end: int) -> npt.NDArray[Any]:
        """Return rows of one column."""
        held = self._held[column]
        if held is None:
            return np.full(max(0, min(end, self.rows) - begin), np.nan, np.float32)
        if isinstance(held, Stamps):
            return held.part(begin, end)
        first = max(0, int(np.searchsorted(self._begins, begin, "right")) - 1)
        last = int(np.searchsorted(self._begins, end, "left"))
        if last <= first:
            return np.empty(0, np.float32)
        at = self._begins[first]
        parts = held[first:last]
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return joined[begin - at : end - at]

    def stamps(self, column: int) -> Stamps:
        """Return a column in double precision, for a clock."""
        held = self._held[column]
        if isinstance(held, Stamps):
            return held
        return Stamps(np.asarray(self.part(column, 0, self.rows), np.float64))


class _Selected(Table):
    """Some rows of a table."""

    def __init__(self, table: Table, rows: npt.NDArray[np.intp], note: str) -> None:
        super().__init__(table.head)
        self._table, self._rows = table, rows
        self.rows = len(rows)
        self.notes = [*table.notes, note]

    def part(self, column: int, begin: int, end: int) -> npt.NDArray[Any]:
        """Return rows of one column."""
        rows = self._rows[begin:end]
        if not len(rows):
            return np.empty(0, np.float32)
        first = int(rows[0])
        values: npt.NDArray[Any] = self._table.part(column, first, int(rows[-1]) + 1)
        return values[rows - first]

    def stamps(self, column: int) -> Stamps:
        """Return a column in double precision, for a clock."""
        return Stamps(np.asarray(self.part(column, 0, self.rows), np.float64))


def _without_other_sensors(table: Table, roles: list[str], ecg: list[int]) -> Table:
    """Return a table without the rows that sensors of another rate have for themselves."""
    others = [
        i
        for i, kind in enumerate(table.head.kinds)
        if i not in ecg and kind == "number" and roles[i] not in ("clock", "counter")
    ]
    if not ecg or not others or not np.isnan(table.part(ecg[0], 0, LOOKED)).any():
        return table
    has_ecg, has_other = (
        np.logical_or.reduce([np.isfinite(table.part(i, 0, table.rows)) for i in columns])
        for columns in (ecg, others)
    )
    every = _spacing(has_ecg)
    if every > 1 and ("clock" in roles or table.head.fs is not None):
        if table.head.fs is not None:  # that of the rows
            table.head.fs /= every
        first = int(np.argmax(has_ecg)) % every
        note = f"the ECG stands in one of {every} rows: the others hold faster sensors alone"
        return _Selected(table, np.arange(first, table.rows, every), note)
    apart = np.count_nonzero(has_other & ~has_ecg)
    if apart < _APART * len(has_ecg) or np.count_nonzero(has_other & has_ecg) > _APART * apart:
        return table
    rows = np.flatnonzero(has_ecg | ~has_other)
    note = f"{table.rows - len(rows)} rows hold no ECG, but other sensors, and are left out"
    return _Selected(table, rows, note)


def _spacing(filled: npt.NDArray[np.bool_]) -> int:
    """Return how many rows apart values stand that are evenly spaced; 1 where they are not."""
    at = np.flatnonzero(filled)
    if len(at) < _EVEN_ROWS:
        return 1
    steps = np.diff(at)
    every = int(np.median(steps))
    # Missing samples are whole steps, too.
    return every if every > 1 and not (steps % every).any() else 1


def open_table(path: Path, kind: str, table: Table, given: float | None) -> Opened:
    """Separate the clocks of a table from its signals.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        Its format, in words.
    table : Table
        Its numbers.
    given : float or None
        Sampling rate in Hz that the caller gave; by it the unit of a clock is found that names
        none.

    Returns
    -------
    Opened

    Raises
    ------
    RecordError
        If a clock does not climb, or contradicts what the file says.
    """
    head, name = table.head, str(path)
    roles: list[str] = []
    for i, kind_of in enumerate(head.kinds):
        role, why = role_of(head.names[i], head.units[i])
        if kind_of == "time":
            roles.append("clock")
        elif kind_of == "words":
            shown = head.examples.get(i, "")
            roles.append(f"words such as {shown!r}, no numbers" if shown else "words, no numbers")
        elif len(head.kinds) > 1 and role == "ecg" and _counts(table.part(i, 0, LOOKED)):
            roles.append("counter")  # an index that somebody called I
        elif role == "ecg" or (len(head.kinds) == 1 and role != "clock"):
            roles.append("")
        elif role == "clock":
            roles.append("clock")
        else:
            first = table.part(i, 0, LOOKED)
            look = look_of(first, None)
            if look in ("clock", "counter"):
                roles.append(_clock_or_counter(table, i, role, look, name))
            else:
                roles.append("" if role in ("unclear", "counter") else why)
        if kind_of == "number" and head.names[i].strip().lower() in SIGNAL_COLUMNS:
            words = [f"{value:g}" for value in table.part(i, 0, LOOKED)]
            refuse_interleaved(words, head.names[i], name)
    numbers = [i for i, kind_of in enumerate(head.kinds) if kind_of == "number"]
    if len(numbers) > 1:
        first = np.stack([table.part(i, 0, LOOKED) for i in numbers], axis=1)
        refuse_numbered(first, [head.names[i] or f"column {i}" for i in numbers], name)
    named = [i for i, name in enumerate(head.names) if role_of(name, head.units[i])[0] == "ecg"]
    table = _without_other_sensors(table, roles, [i for i in named if not roles[i]])
    clock, fs, fs_from, start, notes, own = _time(path, head, table, roles, given)
    offset = start.utcoffset() if start is not None and head.start is None else None
    columns = []
    for i in range(len(head.kinds)):
        of = own.get(i, clock)
        n = table.rows if of is None else of.n_samples
        rate = own[i].fs if i in own else fs
        columns.append(Column(head.names[i], head.units[i], rate, n, roles[i]))

    def placed(begin: int, end: int, of: Clock | None, chosen: Sequence[int]) -> Values:
        def part(first: int, last: int) -> Values:
            return np.stack([table.part(i, first, last) for i in chosen], axis=1)

        return part(begin, end) if of is None else of.place(begin, end, part)

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        if not own:
            return placed(begin, end, clock, chosen)
        return np.hstack([placed(begin, end, own.get(i, clock), [i]) for i in chosen])

    if len(columns) == 1 and not head.names[0] and head.about_ecg:
        columns = [replace(columns[0], name="ECG", role="ecg")]
    return Opened(
        path=path,
        format=kind,
        columns=tuple(columns),
        read=read,
        fs_from=fs_from,
        start=head.start or (None if start is None else start.replace(tzinfo=None)),
        utc_offset=head.utc_offset if offset is None else offset.total_seconds(),
        comments=tuple(head.comments[:64]),
        notes=(*notes, *table.notes),
    )


def _counts(values: npt.NDArray[Any]) -> bool:
    """Whether a column rises by one from row to row, as no lead does."""
    return len(values) >= _COUNTED and bool(np.all(np.diff(values) == 1))


def _clock_or_counter(table: Table, column: int, role: str, look: str, name: str) -> str:
    """Return ``clock`` for a clock that wraps, ``counter`` for a column that counts samples."""
    steps = np.diff(table.part(column, 0, LOOKED))
    if role == "other" or bool(np.all((steps == 1) | (steps == 0) | (steps < 0))):
        return "counter"
    if look == "clock":
        return "counter" if role == "counter" else "clock"
    try:  # a timer's microseconds wrap at a power of two
        clock, _, _ = read_clock(table.stamps(column), None, name, "")
    except RecordError:
        return "counter"
    return "counter" if clock is None else "clock"


@dataclass(frozen=True, eq=False)
class _Found:
    """A clock of a table: its column, what it is called, and how many rows it has."""

    column: int
    label: str
    clock: Clock
    rows: int
    fineness: int
    unit_known: bool


def _time(
    path: Path, head: Head, table: Table, roles: list[str], given: float | None
) -> tuple[Clock | None, float | None, str, datetime | None, list[str], dict[int, Clock]]:
    """Find sampling rate, start and gaps from the head and the clocks.

    The last of what is returned holds the clocks of signals that have one of their own.
    """
    start: datetime | None = None
    notes: list[str] = []
    stated = head.fs
    both = [stated, head.fs_other] if stated is not None and head.fs_other is not None else []
    if both:  # the caller or a clock decides
        near = [fs for fs in both if given is not None and abs(given - fs) <= _SAME * fs]
        stated = near[0] if near else None
    found: list[_Found] = []
    troubles: list[RecordError] = []
    unused = ""
    expected = given if given is not None else stated
    for i in [i for i, role in enumerate(roles) if role == "clock"]:
        label = head.names[i] or ("first column" if i == 0 else f"column {i}")
        stamps = _stamps_of(table, i)
        first_rows = stamps.part(0, 100_000)
        count = 1.0 if head.kinds[i] == "time" else unit_of_clock(head.names[i], head.units[i])
        if count is None and expected is not None:
            count = count_for(first_rows, expected)
        rows = None
        signals = [c for c, role in enumerate(roles) if not role]
        if signals and len(signals) <= 16 and _repeats(first_rows):
            rows = np.stack([table.part(c, 0, len(stamps)) for c in signals], axis=1)

        def samples(
            begin: int, end: int, signals: list[int] = signals
        ) -> npt.NDArray[np.floating[Any]]:
            return np.stack([table.part(c, begin, end) for c in signals], axis=1)

        try:
            clock, first, unit = read_clock(
                stamps, count, str(path), label, rows, samples if signals else None
            )
        except RecordError as error:
            troubles.append(error)
            unused = (
                f"the clock {label!r} does not climb evenly and is not used: gaps are not known"
            )
            continue
        if start is None:
            newest = clock is not None and clock.rows is not None and clock.rows[0] > clock.rows[-1]
            begin = stamps.part(len(stamps) - 1, len(stamps)) if newest else first_rows
            start, said = _start(head, i, begin, first)
            if start is None and (unit == "days" or count == _DAY_S):
                start = start_of_days(float(first_rows[0]))
            if start is None and head.kinds[i] == "time":
                start = _dated_beside(head, table, i, first_rows)
            notes += [said] if said and head.start is None else []
        if clock is not None:
            # The finest clock is the most accurate: others repeat stamps, or round them.
            fineness = len(np.unique(first_rows[:LOOKED]))
            found.append(_Found(i, label, clock, len(stamps), fineness, count is not None))
    if not found:
        signal_named = any(name.strip().lower() in SIGNAL_COLUMNS for name in head.names)
        if troubles and (expected is None or signal_named):
            raise troubles[0]
        if troubles:
            notes.append(unused)
        for i, example in head.examples.items():
            if role_of(head.names[i])[0] == "clock":
                said = f"the clock {head.names[i]!r} holds {example!r}, which is not understood"
                if expected is None:
                    raise RecordError(
                        f"{path}: {said}; write times as 2024-05-06 07:08:09.004 or in seconds, or "
                        "give the rate, such as fs=250"
                    )
                notes.append(f"{said}: gaps are not known")
        if both and given is None:
            raise RecordError(
                f"{path}: its head says {both[0]:g} Hz and {both[1]:g} Hz; give the rate that is "
                f"right, such as fs={both[1]:g}"
            )
        return None, stated, head.fs_from, start, notes, {}
    own = _side_by_side(found, roles)
    best = _best(found)
    fs_from = f"the clock {best.label!r}"
    if own:
        labels = {id(each.clock): each.label for each in found}
        shown = [repr(labels[id(clock)]) for clock in dict.fromkeys(own.values())]
        fs_from = f"the clocks {', '.join(shown)}, each of the columns after it"
        notes += [note for clock in dict.fromkeys(own.values()) for note in clock.notes]
        return best.clock, best.clock.fs, fs_from, start, notes, own
    clock = best.clock
    if stated is not None and abs(clock.fs - stated) > _SAME * stated:
        if given is None:
            raise RecordError(
                f"{path}: its head says {stated:g} Hz and {fs_from} {clock.fs:g} Hz; give the rate "
                "that is right, such as fs=" + f"{stated:g}"
            )
        if abs(given - stated) <= 0.01 * given:
            said = f"{fs_from} says {clock.fs:g} Hz and is not used"
            return None, stated, head.fs_from, start, [said], {}
    notes += clock.notes
    return clock, clock.fs, fs_from, start, notes, {}


def _best(found: list[_Found]) -> _Found:
    """Return the clock to use: the finest one, unless it counts in an unknown unit.

    Then it may count ticks of an oscillator, which another clock contradicts.
    """
    best = max(found, key=lambda each: each.fineness)
    if best.unit_known:
        return best
    other = [
        each
        for each in found
        if each.unit_known and abs(each.clock.fs - best.clock.fs) > _SAME * each.clock.fs
    ]
    return max(other, key=lambda each: each.fineness, default=best)


def _stamps_of(table: Table, column: int) -> Stamps:
    """Return the stamps of a clock up to its last one: a sensor may end before the others."""
    stamps = table.stamps(column)
    if len(stamps) and np.isfinite(stamps.part(len(stamps) - 1, len(stamps))[0]):
        return stamps
    values = stamps.part(0, len(stamps))
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > 1 and len(values) - known[-1] <= np.median(np.diff(known)):
        return stamps  # the rest of a packet that has one stamp
    return Stamps(values[: int(known[-1]) + 1 if len(known) else 0])


def _side_by_side(found: list[_Found], roles: list[str]) -> dict[int, Clock]:
    """Return the clock of each column where tables of several rates stand side by side.

    There, columns stand after each clock, and the clocks differ in rate or length.
    """
    if len(found) < 2:
        return {}
    rates, rows = [each.clock.fs for each in found], [each.rows for each in found]
    if max(rates) <= 1.01 * min(rates) and max(rows) == min(rows):
        return {}
    own: dict[int, Clock] = {}
    for i, role in enumerate(roles):
        before = [each for each in found if each.column < i]
        if role != "clock" and before:
            own[i] = before[-1].clock
    return own if all(any(c is each.clock for c in own.values()) for each in found) else {}


def _start(
    head: Head, column: int, stamps: npt.NDArray[np.float64], counted: datetime | None
) -> tuple[datetime | None, str]:
    """When a recording began, by the clock that wrote the file, with its zone if it has one.

    The second is what to say of it.
    """
    if head.kinds[column] != "time":
        label = repr(head.names[column]) if head.names[column] else "the clock"
        said = f"times of day are UTC: {label} counts from 1970"
        return counted and counted.replace(tzinfo=timezone.utc), said if counted else ""
    if column not in head.zones:  # times of a day, or elapsed ones
        return None, ""
    zone = head.zones[column]
    known = stamps[np.isfinite(stamps)]
    start = moment_of(float(known[0]) + (zone or 0.0)) if len(known) else None
    if start is not None and zone is not None and abs(zone) < _DAY_S:
        start = start.replace(tzinfo=timezone(timedelta(seconds=zone)))
    notes = []
    if head.unsure_date:
        notes.append(f"dates such as {head.unsure_date} are read with the month first")
    last = head.last_zones.get(column)
    if zone is not None and last is not None and last != zone:
        notes.append(
            f"the zone of its clock changes from {_zone_text(zone)} to {_zone_text(last)}, as for "
            "summer time: nothing is missing, and times of day are by the first one to the end"
        )
    elif zone == 0.0:
        notes.append("times of day are UTC, as the file's")
    return start, "; ".join(notes)


def _dated_beside(
    head: Head, table: Table, column: int, stamps: npt.NDArray[np.float64]
) -> datetime | None:
    """When a recording began whose dates stand in one column and times of day in another."""
    for i in head.zones:
        dates = table.stamps(i).part(0, 1)
        known = stamps[np.isfinite(stamps)]
        dated = len(dates) > 0 and dates[0] % _DAY_S == 0
        if i != column and dated and len(known) and 0 <= known[0] < _DAY_S:
            return moment_of(float(dates[0] + known[0]))
    return None


def _zone_text(seconds: float) -> str:
    """A zone as ``UTC+01:00``."""
    hours, minutes = divmod(round(abs(seconds) / 60), 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _repeats(stamps: npt.NDArray[np.float64]) -> bool:
    """Whether many stamps are the same as the one before, as within packets."""
    return len(stamps) > 16 and bool(np.mean(np.diff(stamps) == 0) > 0.3)
