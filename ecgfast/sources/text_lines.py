"""Lines of text, a sample each, as boards and pipes send them; malformed lines are counted."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from math import ceil
from time import monotonic
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import EcgfastError, InputError
from ..records._table import TIME, parse_rows
from ..records.choosing import ABOUT, look_of, role_of
from ..records.clocks import count_for, read_clock
from ..records.interleaved import SIGNAL_COLUMNS, numbered_signals, signals_of
from ..records.joined_leads import successive
from ..records.stated_rate import RATE_LINE, rate_in
from ..records.text_body import cells_of
from ..records.text_head import LABEL, LABELLED, are_units, split_unit
from .line_clock import LineClock, lines_of_packet

__all__ = ["Fields", "LineParser"]

_log = logging.getLogger(__name__)

# Lines after which clocks and counters are distinguished from samples; seconds after which an
# ECG is distinguished from other signals (less than what is reported as silence); and the last
# moment for that.
_CLOCK_LINES, _ECG_S, _GIVE_UP_S = 64, 2.4, 10.0

# Why a field of times or counts is no lead.
_STAMPS = ("a clock", "a counter", "numbers of packets")

# Lines of a head that are remembered for their names.
_HEAD_LINES = 64

# A clock and the rate that was given are the same up to this share, in the first lines.
_SAME = 0.1

# The same for a rate that stands before them.
_SAME_STATED = 0.01

# Names before the numbers of a line that are of signals; with more they count the lines.
_MOST_NAMES = 16

# Bytes of a line at most: a port at the wrong rate sends no line ends at all.
_LONGEST = 4096

# Seconds between two reports on malformed lines: a broken cable must not fill the log.
_REPORT_S = 10.0


class Fields(NamedTuple):
    """Which fields of a line are leads.

    Attributes
    ----------
    of : int
        Fields of a line.
    columns : tuple of int
        Those that are leads.
    names : tuple of str
        Names of these leads.
    """

    of: int
    columns: tuple[int, ...]
    names: tuple[str, ...]


class LineParser:
    """Bytes in, samples out: a line is a sample, its fields are the leads.

    Fields are separated by commas, semicolons or blanks. Lines before the first one of numbers may
    hold anything; the last of them with a name for each field gives the names. Once there was a
    line of numbers, every malformed one (words, another number of fields) takes the place of one
    sample, as NaN: the core treats it as a missing sample. An AD8232 sketch that
    sends ``!`` while an electrode is off thus says what it means.

    Which fields are leads is decided as for a file (`ecgfast.records.choosing`), over the first
    lines, which are held back for it: none with one field, 64 where names or clocks decide, else
    2.4 seconds. Where one of them is a clock or a counter and it leaps, samples were lost on the
    way: as many missing ones take their place (see `LineClock`).

    Parameters
    ----------
    name : str
        What the lines come from, for messages.
    fs : float, optional
        Sampling rate in Hz; without it only clocks and counters are distinguished from leads.
    every : bool, default False
        Whether all fields but clocks and counters are leads, since the caller picks some.
    clock : callable, default `time.monotonic`
        Seconds; decides when to report again.
    may_be_lost : callable
        Whether so many seconds can be missing where the clock of the lines leaps, or it was set.

    Attributes
    ----------
    names : tuple of str
        Names of the leads, where the lines give them; empty otherwise.
    width : int
        Leads; zero until it is decided which fields they are.
    left_out : tuple of (str, str)
        Each other field, and why it is no lead.
    lines : int
        Lines so far.
    malformed : int
        Lines that held no sample; each is reported as a warning of the logger ``ecgfast``,
        at most every ten seconds.
    known : Fields or None
        Which fields are leads, where a recording that is continued says so: then nothing is judged
        of lines with as many fields, and a lead that is off just now stays one. Set it before the
        first line.
    """

    def __init__(
        self,
        name: str,
        clock: Callable[[], float] = monotonic,
        *,
        fs: float | None = None,
        every: bool = False,
        may_be_lost: Callable[[float], bool] = lambda _: True,
    ) -> None:
        self._may_be_lost = may_be_lost
        self.name = name
        self.names: tuple[str, ...] = ()
        self.width = 0
        self.left_out: tuple[tuple[str, str], ...] = ()
        self._fs = fs
        self._every = every
        self._fields = 0
        self._head: list[str] = []
        self._held: list[list[float]] = []
        self._wanted = _CLOCK_LINES  # lines on which to decide next
        self._columns: list[int] | None = None
        self._stamped: tuple[int, LineClock] | None = None  # the field of times or counts
        self.known: Fields | None = None
        self._constant: dict[int, float] = {}  # fields left out as they never changed
        self.lines = 0
        self.malformed = 0
        self._clock = clock
        self._rest = b""
        self._torn = False
        self._labels: list[str] = []  # names before the numbers, as they came
        self._labelled = 0  # lines with names
        self._overlong = False
        self._reported = 0
        self._report_again = self._lost_again = -np.inf

    @property
    def fields(self) -> Fields:
        """Which fields are leads, once that is decided."""
        columns = range(self.width) if self._columns is None else self._columns
        return Fields(self._fields, tuple(columns), self.names)

    @property
    def lost(self) -> int:
        """Samples that were lost on the way, by the clock or the counter in the lines."""
        return self._stamped[1].lost if self._stamped is not None else 0

    @property
    def gaps(self) -> int:
        """Times that some were."""
        return self._stamped[1].gaps if self._stamped is not None else 0

    @property
    def repeated(self) -> int:
        """Lines that came twice or too late, by the clock or counter in them, and were left out."""
        return self._stamped[1].repeated if self._stamped is not None else 0

    def feed(self, piece: bytes) -> npt.NDArray[np.float32]:
        """Take the next bytes.

        Parameters
        ----------
        piece : bytes
            Any number, cut anywhere.

        Returns
        -------
        ndarray of float32, shape (k, n_leads)
            The samples whose lines are complete now.
        """
        text = self._rest + piece
        # Some instruments end lines with a carriage return alone; the last may be half of an end.
        half = text[-1:] if text.endswith(b"\r") else b""
        if b"\r" in text:
            text = text.removesuffix(half).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        rest += half
        if lines and self._overlong:
            del lines[0]  # its beginning has been counted
            self._overlong = False
        if len(rest) > _LONGEST:
            if not self._overlong:
                lines.append(rest)
            self._overlong = True
            rest = b""
        self._rest = rest
        return self._samples(lines)

    def finish(self) -> npt.NDArray[np.float32]:
        """End the text: the samples of a last line without a line end, shape (0 or 1, leads)."""
        rest, self._rest = self._rest, b""
        return self._samples([rest] if rest.strip() else [], last=True)

    def tear(self, *, mid_line: bool = True) -> None:
        """Forget the line begun: bytes are missing after it.

        Parameters
        ----------
        mid_line : bool, default True
            Whether what comes next may begin in the middle of a line, so that it is forgotten up to
            the next line end.
        """
        self._rest = b""
        self._torn = mid_line
        if self._stamped is not None:
            self._stamped[1].forget()

    def _samples(self, lines: list[bytes], *, last: bool = False) -> npt.NDArray[np.float32]:
        rows: list[list[float]] = []
        for line in lines:
            self.lines += 1
            if self._torn:
                self._torn = False
                continue
            text = line.strip()
            if len(line) > _LONGEST:
                self._take_overlong(text, rows)
            elif text:
                self._take(text, rows)
        if not self.width:
            self._held += rows
            if not self._held or not self._decide(last=last):
                return np.empty((0, 0), np.float32)
            rows, self._held = self._held, []
        table = np.array(rows, np.float64).reshape(len(rows), self._fields)
        chosen = table if self._columns is None else table[:, self._columns]
        samples = chosen.astype(np.float32)
        if self._constant:
            self._watch_constant(table)
        if self._stamped is None:
            return samples
        column, clock = self._stamped
        lost, repeated = clock.lost, clock.repeated
        filled = clock.fill(table[:, column], samples, last=last)
        if clock.lost > lost:
            self._report_lost(clock.lost)
        if clock.repeated > repeated == 0:
            _log.warning(
                "%s: lines come twice or too late, by the clock or counter in them: they are left "
                "out",
                self.name,
            )
        return filled

    def _take(self, text: bytes, rows: list[list[float]]) -> None:
        text = text.replace(_MINUS, b"-")
        # "Sampling rate: 250" before the first sample is none itself.
        about = not self._fields and RATE_LINE.match(text) and len(LABEL.findall(text)) == 1
        row = [] if about else _numbers(text)
        expected = self._fields or self._named(text)
        if expected > 1 and len(row) != expected and not about:
            row = _with_missing(text, expected, words=self._fields > 0) or row
        other = False
        if row and b":" in text and LABELLED.fullmatch(text):
            names = ",".join(label[:-1].strip().decode() for label in LABEL.findall(text))
            if not self._fields:
                self._head.append(names)
            other = len(row) == (self._fields or len(row)) and self._is_of_another(names)
        if row and len(row) == (self._fields or len(row)) and not other:
            self._fields = len(row)
            rows.append(row)
            return
        words = text[:_LONGEST].decode("utf-8", "replace")
        if not row and not self._fields and len(self._head) < _HEAD_LINES:
            self._head.append(words.lstrip("\ufeff"))
            self._compare_rate(words)
            if len(self._head) == _HEAD_LINES:
                self._refuse_named()
            return
        if self._fields:
            rows.append([np.nan] * self._fields)
        self._report(words, "is of another signal" if other else self._problem(len(row)))

    def _take_overlong(self, text: bytes, rows: list[list[float]]) -> None:
        """Pass over a line that is too long, wherever the pieces that it came in were cut."""
        words = text[:_LONGEST].decode("utf-8", "replace")
        what = f"is longer than {_LONGEST} bytes"
        if self._fields:
            rows.append([np.nan] * self._fields)
            self._report(words, what)
        else:
            self._report(words, what, "passed over, with the names in it")

    def _is_of_another(self, names: str) -> bool:
        """Whether names before the numbers are not those of the lines before: of another signal.

        Raises
        ------
        InputError
            If the first lines are of several signals by turns. One line before all others may be
            a setting, such as "Gain: 6", and numbers in the names may count the lines.
        """
        self._labelled += 1
        if len(self._labels) > _MOST_NAMES:
            return False
        last = self._labels[-1] if self._labels else names
        early = self._labelled <= _HEAD_LINES
        if names == last or (early and names not in self._labels):
            self._labels = list(dict.fromkeys([*self._labels, names]))
            return False
        if early:
            numbers = ",".join(f"{name}:0.1" for name in self._labels)
            raise InputError(
                f"{self.name}: lines of different signals come by turns "
                f"({'; '.join(self._labels[:4])}); send a line for each time, with all of them, "
                f"such as {numbers[:60]}"
            )
        return True

    def _named(self, text: bytes) -> int:
        """Fields that the last line of the head names, with the separator of this line."""
        separator = next((s for s in _SEPARATORS if s in text), None)
        if separator is None or not self._head:
            return 0
        cells = cells_of(self._head[-1].rstrip(separator.decode()), separator.decode())
        return 0 if any(_numbers(cell.encode()) for cell in cells) else len(cells)

    def _decide(self, *, last: bool) -> bool:
        """Decide which fields are leads, if what has come is enough; `width` and `names` say so.

        Always on the same numbers of first lines, so that how they come together changes nothing.
        """
        if self._fields == 1:
            return self._choose([0], self._names_of(1)[0], {})
        while len(self._held) >= self._wanted:
            if self._decide_on(self._held[: self._wanted], last=False):
                return True
            fs = self._fs or 0.0
            self._wanted = max(self._wanted + ceil(fs), ceil(_ECG_S * fs))
        return last and self._decide_on(self._held, last=True)

    def _decide_on(self, lines: list[list[float]], *, last: bool) -> bool:
        n, held = self._fields, len(lines)
        names, units = self._names_of(n)
        table = np.array(lines, np.float64)
        self._refuse_numbered(table, names)
        why: dict[int, str] = {}
        ecg: list[int] = []
        open_: list[int] = []
        clocks: list[int] = []
        counters: list[int] = []
        for i in range(n):
            role, reason = role_of(names[i], units[i]) if names[i] else ("unclear", "")
            look = look_of(table[:, i], None)
            if role == "ecg":
                ecg.append(i)
            elif role != "other" and lines_of_packet(table[:, i]):
                counters.append(i)
                why[i] = "numbers of packets"
            elif role == "clock" or (look == "clock" and held >= 8 and role != "other"):
                clocks.append(i)
                why[i] = "a clock"
            elif look == "counter" or role == "counter":
                counters.append(i)
                why[i] = "a counter"
            elif role == "other" and not self._every:
                why[i] = reason
            else:
                open_.append(i)
        if len(why) == n:  # whatever it looks like, something has to be the signal
            why, open_ = {}, list(range(n))
        known = self.known if self.known is not None and self.known.of == n else None
        likely = ecg or open_
        if known is None and not self._every and successive(table[:, likely]):
            raise InputError(
                f"{self.name}: its {len(likely)} fields hold successive samples of one signal, a "
                "packet in each line: send a line for each sample; if they are leads nevertheless, "
                "name them with leads="
            )
        if known is not None:
            chosen = list(known.columns)
            why = {
                i: why.get(i, "not in the recording so far") for i in range(n) if i not in chosen
            }
        elif self._every:
            chosen = sorted(ecg + open_)
        elif ecg or len(open_) == 1:
            chosen = ecg or open_
        else:
            seconds = held / self._fs if self._fs else 0.0
            if self._fs and seconds < _ECG_S and not last:
                return False
            looks = {i: look_of(table[:, i], self._fs, least_s=_ECG_S) for i in open_}
            chosen = [i for i in open_ if looks[i] == "ecg"]
            if not chosen:
                judged = [i for i in open_ if looks[i] != "short"]
                if judged and seconds < _GIVE_UP_S and not last:
                    return False
                if judged and seconds >= _GIVE_UP_S:
                    listed = "; ".join(
                        f"{names[i] or f'field {i}'} {ABOUT[looks[i]]}" for i in open_
                    )
                    raise InputError(
                        f"{self.name}: it is not clear which of {n} fields a line is the ECG; pick "
                        f"one, such as leads={_place(open_[0], why)}: {listed}"
                    )
                chosen = open_
            why.update({i: ABOUT[looks[i]] for i in open_ if i not in chosen})
            flat = [i for i in open_ if looks[i] == "flat" and i not in chosen]
            self._constant = {i: float(np.nanmedian(table[:, i])) for i in flat}
        if clocks and self._fs:
            self._compare(table[:, clocks[0]], names[clocks[0]])
        for i in (*clocks, *counters) if self._fs else ():
            clock = LineClock(table[:, i], self._fs or 0.0, self.name, self._may_be_lost)
            if i not in chosen and clock.usable:
                self._stamped = i, clock
                break
        why.update({i: "not named as an ECG" for i in open_ if i not in chosen and i not in why})
        return self._choose(chosen, names, why)

    def _refuse_named(self) -> None:
        """Raise if words in the lines so far, none of numbers alone, name a signal for each."""
        objects = sum(_OBJECT.match(line) is not None for line in self._head)
        if 2 * objects > len(self._head):
            raise InputError(
                f"{self.name}: its lines are JSON objects; send the numbers of each alone, such as "
                "0.12,0.34, or store the lines in a file and read that"
            )
        for separator in (",", ";", "\t", None):
            rows = [cells_of(line, separator) for line in self._head[_HEAD_LINES // 2 :]]
            n = len(rows[0])
            if n < 2 or any(len(row) != n for row in rows):
                continue
            numbers = [[bool(_numbers(row[i].encode())) for row in rows] for i in range(n)]
            if not any(all(one) for one in numbers):
                continue
            for i in range(n):
                if not any(numbers[i]):
                    self._refuse_signals(signals_of([row[i] for row in rows]), f"field {i}")

    def _refuse_numbered(self, table: npt.NDArray[np.float64], names: list[str]) -> None:
        """Raise if a field of the first lines holds the number of the signal, a sample a line."""
        if self.known is not None and self.known.of == table.shape[1]:
            return
        for i, name in enumerate(names):
            if name.strip().lower() in SIGNAL_COLUMNS:
                signals = signals_of([f"{value:g}" for value in table[:, i]])
            else:
                signals = [] if self._every else numbered_signals(table, i, self._fs)
            self._refuse_signals(signals, name or f"field {i}")

    def _refuse_signals(self, signals: list[str], field: str) -> None:
        if signals:
            raise InputError(
                f"{self.name}: has a line for each sample of each signal, which {field!r} names "
                f"({', '.join(signals[:4])}); send a line for each time, with a field for each "
                "signal"
            )

    def _watch_constant(self, table: npt.NDArray[np.float64]) -> None:
        """Report a field that was left out since it never changed, once it does."""
        for i, value in list(self._constant.items()):
            if (np.isfinite(table[:, i]) & (table[:, i] != value)).any():
                del self._constant[i]
                _log.warning(
                    "%s: field %d changes now; it was left out since it never did. Begin the "
                    "stream again if it is a lead that was off",
                    self.name,
                    i,
                )

    def _names_of(self, n: int) -> tuple[list[str], list[str]]:
        """Return names and units of the fields, empty where no line of the head gives them."""
        stated = [""] * n
        for line in reversed(self._head):
            plain = line.lstrip("#%; ")
            for separator in (",", ";", "\t", None):
                cells = cells_of(plain, separator)
                if len(cells) == n + 1 and not cells[-1]:
                    cells = cells[:-1]
                if len(cells) != n or not (n > 1 or separator is None or len(plain) < 40):
                    continue
                if n > 1 and are_units(cells):
                    stated = [cell.strip("()[] ") for cell in cells]
                    break
                pairs = [split_unit(cell) for cell in cells]
                return (
                    [name for name, _ in pairs],
                    [unit or other for (_, unit), other in zip(pairs, stated, strict=True)],
                )
        names = [""] * n
        if self.known is not None and self.known.of == n and self.known.names:
            for i, name in zip(self.known.columns, self.known.names, strict=True):
                names[i] = name
        return names, stated

    def _choose(self, chosen: list[int], names: list[str], why: dict[int, str]) -> bool:
        self.width = len(chosen)
        self._columns = None if chosen == list(range(self._fields)) else chosen
        if any(names):
            self.names = tuple(names[i] for i in chosen)
        self.left_out = tuple((names[i] or f"field {i}", why[i]) for i in sorted(why))
        if self.left_out:
            _log.warning(
                "%s: %s left out: %s",
                self.name,
                "field" if len(self.left_out) == 1 else "fields",
                ", ".join(f"{name} ({reason})" for name, reason in self.left_out),
            )
        return True

    def _compare(self, stamps: npt.NDArray[np.float64], label: str) -> None:
        """Report a clock that contradicts the rate which was given."""
        assert self._fs is not None
        try:
            clock, _, _ = read_clock(stamps, count_for(stamps, self._fs), self.name, label)
        except EcgfastError:
            return
        if clock is not None and abs(clock.fs - self._fs) > _SAME * self._fs:
            _log.warning(
                "%s: the clock %s says %.4g Hz, and %g Hz were given", self.name,
                label or "in the lines", clock.fs, self._fs,
            )  # fmt: skip

    def _compare_rate(self, line: str) -> None:
        """Report a rate before the samples that contradicts the one which was given."""
        stated = rate_in(line)
        if stated and self._fs and abs(stated - self._fs) > _SAME_STATED * self._fs:
            _log.warning(
                "%s: its head says %g Hz, and %g Hz were given: check which is right",
                self.name, stated, self._fs,
            )  # fmt: skip

    def _report_lost(self, lost: int) -> None:
        now = self._clock()
        if now < self._lost_again:
            return
        _log.warning(
            "%s: samples lost on the way, by the clock or counter in the lines, count as missing: "
            "%d so far",
            self.name,
            lost,
        )
        self._lost_again = now + _REPORT_S

    def _problem(self, fields: int) -> str:
        return f"has {fields} numbers, not {self._fields}" if fields else "is no line of numbers"

    def _report(self, words: str, what: str, done: str = "counted as a missing sample") -> None:
        self.malformed += 1
        now = self._clock()
        if now < self._report_again:
            return
        more = self.malformed - self._reported - 1
        _log.warning(
            "%s, line %d: %r %s; %s%s",
            self.name,
            self.lines,
            words[:40],
            what,
            done,
            f", as were {more} lines before it" if more else "",
        )
        self._reported = self.malformed
        self._report_again = now + _REPORT_S


def _place(column: int, why: dict[int, str]) -> int:
    """Return a field's number among those that are neither clock nor counter."""
    return column - sum(i < column and why[i] in _STAMPS for i in why)


# Digits on both sides of each comma.
_COMMA_BETWEEN = re.compile(rb"\A(?:[^,]|(?<=\d),(?=\d))*\Z")

# Dates with dots have their day first.
_DOTTED_DATE = re.compile(rb"\b\d{1,2}\.\d{1,2}\.\d{4}\b")

_TIME_SIGNS = re.compile(rb"\d[:/-]\d")


# What parts fields that may be blank, and what stands in those without a value.
_SEPARATORS = (b"\t", b";", b",")
_NO_VALUE = {b"", b"-", b"na", b"n/a", b"null", b"none"}

# A word in place of a number, such as OFF.
_WORD = re.compile(rb"[^\d]{1,16}")

# The minus of typography, in UTF-8.
_MINUS = "\u2212".encode()

# How an object of JSON begins.
_OBJECT = re.compile(r"\s*\{\s*\"")

_QUOTED = re.compile(rb'"([^"]*)"')


def _unquoted(cell: re.Match[bytes]) -> bytes:
    """Return a field without its quotes: a comma in it is the decimal mark, unless a point is."""
    number: bytes = cell[1]
    return number.replace(b",", b"" if b"." in number else b".")


def _with_missing(text: bytes, n: int, *, words: bool) -> list[float]:
    """Return `n` fields of a line, NaN where one has no value; nothing if there are not as many.

    `words` says that fields other than the first may have words in place of a value.
    """
    separator = next((s for s in _SEPARATORS if s in text), b",")
    cells = text.split(separator)
    if len(cells) != n:
        return []
    row: list[float] = []
    for cell in cells:
        plain = cell.strip() if separator == b"," else cell.strip().replace(b",", b".")
        lacks = plain.lower() in _NO_VALUE or (words and row and _WORD.fullmatch(plain))
        one = [np.nan] if lacks else _numbers(plain)
        if len(one) != 1:
            return []
        row += one
    return row if np.isfinite(row).any() else []


def _numbers(text: bytes) -> list[float]:
    """Return the fields of a line as numbers, times in seconds; nothing if one is neither."""
    if b'"' in text:
        text = _QUOTED.sub(_unquoted, text)
    plain = text
    if b"," in text:
        # Beside semicolons, or between digits beside tabs, a comma is a decimal mark.
        mark = b";" in text or (b"\t" in text and _COMMA_BETWEEN.search(text))
        text = text.replace(b",", b".") if mark else text
        plain = text if mark else text.replace(b",", b" ")
    try:
        return [float(field) for field in plain.replace(b";", b" ").split()]
    except ValueError:
        pass
    if LABELLED.fullmatch(text):  # names before each number, as Arduino's plotter takes them
        return _numbers(LABEL.sub(b"", text))
    if not _TIME_SIGNS.search(text):
        return []
    row: list[float] = []
    cells = re.split(rb"[,;\t]", text)
    for cell in cells if len(cells) > 1 else text.split():
        try:
            row.append(float(cell))
        except ValueError:
            out = np.empty((1, 1))
            day_first = _DOTTED_DATE.search(cell) is not None
            done = parse_rows(
                cell.strip(), 0 if b" " not in cell.strip() else 1, 46, _ONE_TIME, out, True,
                day_first=day_first,
            )  # fmt: skip
            if not done[0] or np.isnan(out[0, 0]):
                return []
            row.append(float(out[0, 0]))
    return row


_ONE_TIME = np.array([TIME], np.int8)
