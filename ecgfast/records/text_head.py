"""What the first lines of a text file say: names, units, rate, start.

No list of programs: every head is read by the same few rules. The form of the body (`text_body`) is
found first, from lines well below the head; the head is everything before the first line of that
form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..errors import RecordError
from . import opensignals
from .choosing import role_of
from .interleaved import refuse_interleaved
from .stated_rate import (
    LEAST_HZ,
    is_rate_word,
    names_rate,
    rate_alone,
    rate_of_interval,
    stated_rate,
    unreadable_rate,
)
from .text_body import (
    DATED,
    LONGEST_TIME,
    best_form,
    cells_of,
    counts_rows,
    day_first_of,
    first_line,
    kind_of,
    row_of,
    starts_with_number,
    zone_of,
)
from .text_first import first_sample
from .units import is_unit, to_millivolt, to_seconds

__all__ = [
    "LABEL",
    "LABELLED",
    "Head",
    "are_units",
    "head_again",
    "names_columns",
    "read_head",
    "split_unit",
    "zones_of",
]


# Lines that the form of the body is found from.
_LINES = 400

# A list of numbers in one cell, such as "[512, 513, ...]".
_LISTED = re.compile(r"\[(?:\s*[-+]?[\d.]+(?:e[-+]?\d+)?\s*[,;\s]){8,}", re.IGNORECASE)

# Rates that stand alone in a second line, Hz, and times since 1970 in the first, s.
_ALONE_HZ, _SINCE_1970 = (1.0, 5000.0), (315e6, 4.1e9)

# Rates of a head are the same up to this share.
_SAME_RATE = 0.01

# Lines that may hold a lead each, and numbers in one of them at least.
_MOST_LEADS, _LEAST_SAMPLES = 64, 256

#: A name before each number, as Arduino's plotter takes them, and a line of such.
LABEL = re.compile(rb"[A-Za-z_][\w .%-]{0,40}:(?=\s*[-+.\d])")
LABELLED = re.compile(
    rb"[A-Za-z_][\w .%-]{0,40}:\s*[-+.\deE]+(?:[,;\t ]+[A-Za-z_][\w .%-]{0,40}:\s*[-+.\deE]+)*"
)

_UNIT_LINE = re.compile(
    r"\b(?:units?|unit ?names?|einheit|unit[eé]s?)\b[\"']?\s*[:=,;\t]+\s*[\"']?([^\s,;\"']+)",
    re.IGNORECASE,
)
# A setting of one column whose value is a voltage is its unit, in whatever language.
_VOLT_LINE = re.compile(r"([^\d\s,;:=][^\d,;:=]{0,40})[:=,;\t]\s*[\"']?([^\s,;\"']+)[\"']?[,;\s]*")
# Of LabChart: the largest value of each channel with its unit.
_RANGES = re.compile(r"range=\s*(.+)", re.IGNORECASE)
_CHANNELS = re.compile(r"(\d{1,3}) channels?", re.IGNORECASE)
_NAMES_LINE = re.compile(
    r"\b(?:labels?|channels?|leads?|columns?|channel ?titles?|kan[aä]le?|ableitung|d[eé]rivation"
    r"|derivaci[oó]n|derivazione|deriva[cç][aã]o|afleiding|avledning|отведение|导联|導程|誘導)\b[\"']?"
    r"\s*[:=,;\t]+\s*(.+)",
    re.IGNORECASE,
)
_START_WORD = re.compile(r"date|time|start|record|begin|datum|zeit", re.IGNORECASE)
_NOT_START = re.compile(r"birth|dob|geboren|export|elapsed|software|version", re.IGNORECASE)
_TIME_OF_DAY = (
    r"[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,6}))?)?"
    r"(?P<zone> ?[+-]\d\d:?\d\d|Z)?"
)
# A date with dots has its day first, one that begins with the year its month second.
_MOMENTS = (
    re.compile(r"(?P<year>\d{4})([-/])(?P<month>\d\d)\2(?P<day>\d\d)" + _TIME_OF_DAY),
    re.compile(r"\b(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4})" + _TIME_OF_DAY),
)
# Days since the end of 1899, as spreadsheets and LabChart count them: 1954 to 2119.
_EXCEL_TIME = re.compile(r"exceldatetime\W*([2-7]\d{4}(?:[.,]\d+)?|[2-7][.,]\d+e\+?0*4)\b", re.I)
_BRACKETED = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]\s*")
# A name and its unit with a link to what they are: "ECG_I [mV](/api/datatype/4113/)".
_LINKED = re.compile(r"(.*\])\((?:/|https?:)[^()\s]*\)")
_AFTER_COMMA = re.compile(r"([^,]+),\s*([^,\s]+)")
_SUFFIX = re.compile(r"(.*?)[ _/]+(mv|uv|µv|μv|nv|volts?|microvolts?|millivolts?)", re.IGNORECASE)


@dataclass
class Head:
    """What the head of a text file says.

    Attributes
    ----------
    separator : str or None
        What parts cells; None for blanks.
    decimal : str
        Decimal mark.
    kinds : list of str
        Of each column ``number``, ``time`` or ``words``.
    names, units : list of str
        Of each column; empty where the file says nothing.
    first : int
        Lines before the first line of the body.
    fs : float or None
        Sampling rate in Hz that the head states.
    fs_from : str
        Where it does.
    fs_sure : int
        How surely it is that of the ECG, from 0 to 5; -1 where there can be no other.
    fs_other : float or None
        Another rate that the head states as surely.
    start : datetime or None
        When the recording began.
    utc_offset : float or None
        Seconds by which the clock of `start` is ahead of UTC; None where nothing says so.
    day_first : bool
        Whether dates have their day before the month.
    unsure_date : str
        A date whose day and month may be either, where nothing in the file decides; else empty.
    zones, last_zones : dict of int to float or None
        Columns of dates, and by how many seconds their clock is ahead of UTC in the first and in
        the last row; None where they do not say.
    examples : dict of int to str
        A word of each column of words.
    about_ecg : bool
        Whether the head says that this is an ECG.
    comments : list of str
        The head's lines, without the marks before them.
    lines : set of bytes
        The head's lines as they are.
    """

    separator: str | None
    decimal: str
    kinds: list[str]
    names: list[str]
    units: list[str]
    first: int
    fs: float | None = None
    fs_from: str = ""
    fs_sure: int = -1
    fs_other: float | None = None
    start: datetime | None = None
    utc_offset: float | None = None
    day_first: bool = False
    unsure_date: str = ""
    zones: dict[int, float | None] = field(default_factory=dict)
    last_zones: dict[int, float | None] = field(default_factory=dict)
    examples: dict[int, str] = field(default_factory=dict)
    about_ecg: bool = False
    comments: list[str] = field(default_factory=list)
    lines: set[bytes] = field(default_factory=set)


def read_head(text: str, whole: bool, name: str) -> Head:
    """Understand the head of a text file.

    Parameters
    ----------
    text : str
        Its beginning.
    whole : bool
        Whether that is all of it.
    name : str
        The file, for messages.

    Returns
    -------
    Head

    Raises
    ------
    RecordError
        If it holds no table of numbers.
    """
    lines = text.split("\n")
    if not whole and len(lines) > 1:
        lines.pop()  # cut anywhere
    numbered = [(i, line.strip("\r \ufeff")) for i, line in enumerate(lines)]
    filled = [(i, line) for i, line in numbered if line.strip() and line[:1] not in ("#", "%")]
    if not filled:
        raise RecordError(f"{name}: holds no samples; export it again")
    at, listed = next(((i, f) for i, x in filled[:64] if (f := _LISTED.search(x))), (0, None))
    if listed is not None and not filled[0][1].startswith(("{", "[[")):
        raise RecordError(
            f"{name}: line {at + 1} holds a list of numbers in one cell, such as "
            f"{listed[0][:24]}...: write a line for each sample, with a column for each lead"
        )
    if len(filled[0][1]) > 1 << 16:
        raise RecordError(
            f"{name}: has lines of more than 65,536 characters; write a line a sample"
        )
    _refuse_lines_of_leads([line for _, line in filled], name)
    # From the end of what is there, below any head: but not the last line, which may be cut.
    body = [line for _, line in (filled[:-1] if len(filled) > 8 else filled)][-_LINES:]
    body = body[len(body) // 4 :] if len(body) > 40 else body[-max(1, min(len(body), 8)) :]
    numeric = [line for line in body if starts_with_number(line)]
    if 2 * len(numeric) >= len(body):  # a short file's head is in what was taken
        body = numeric
    heads = [line for _, line in filled[:64] if not starts_with_number(line)]
    form = best_form(body, heads)
    while form is None and len(body) > 1:
        body = body[len(body) // 2 :]
        form = best_form(body, heads)
    if form is None:
        first, cell = next(
            ((i, line) for i, line in filled[1:] if not starts_with_number(line)), filled[0]
        )
        word = (cells_of(cell, None) or [""])[0][:40]
        if len(filled) == 1:
            raise RecordError(f"{name}: holds a line of names and no samples; export it again")
        raise RecordError(
            f"{name}: line {first + 1}: {word!r} is not a number; this is no table of samples"
        )
    first, beside = first_sample(filled, first_line(filled, form), form)
    above = [(i, line) for i, line in numbered if i < first and line.strip()]
    head = Head(
        form.separator, form.decimal, form.kinds, [""] * form.width, [""] * form.width, first
    )
    rows = [cells_of(line, form.separator) for line in body]
    told = [*(line for _, line in above), *beside]
    _understand(head, told, name, counted=counts_rows(rows))
    _refuse_interleaved(head, rows, name)
    if _from_acqknowledge(head):
        after = [(i, line) for i, line in filled if i >= first][:2]
        if len(after) == 2 and _is_one_count(cells_of(after[0][1], form.separator)):
            head.first = first = after[1][0]
    if head.fs is None:
        _take_rate_alone(head, filled)
    head.day_first, head.unsure_date = day_first_of(rows)
    begin = next(cells_of(line, form.separator) for i, line in filled if i >= head.first)
    head.zones = _zones(head, begin)
    for column, cell in enumerate(begin[: form.width]):
        if form.kinds[column] == "words":
            cells = [cell, *(row[column] for row in rows if len(row) > column)]
            told = [x for x in cells if x and kind_of(x, form.decimal) != "number"]
            head.examples[column] = (told or [cell])[0][:LONGEST_TIME]
    return head


def _take_rate_alone(head: Head, filled: list[tuple[int, str]]) -> None:
    """Take a first line of times since 1970 and a second one of rates, as Empatica writes them."""
    body = [(i, line) for i, line in filled if i >= head.first][:3]
    rows = [cells_of(line, head.separator) for _, line in body]
    if len(rows) < 3 or any(kind != "number" for kind in head.kinds):
        return
    try:
        times, rates, values = ([float(x.replace(head.decimal, ".")) for x in row] for row in rows)
    except ValueError:
        return
    (least, most), (from_, to) = _ALONE_HZ, _SINCE_1970
    if len(set(times)) == len(set(rates)) == 1 and from_ < times[0] < to and (
        least <= rates[0] <= most and max(map(abs, values)) < from_
    ):  # fmt: skip
        head.fs, head.fs_from, head.first = rates[0], "the file's second line", body[2][0]
        head.start = datetime(1970, 1, 1) + timedelta(seconds=times[0])
        head.utc_offset = 0.0


def head_again(head: Head, lines: list[str], where: str) -> Head:
    """Understand a head that stands within the samples, as before each block of a recording.

    Parameters
    ----------
    head : Head
        That of the file.
    lines : list of str
    where : str
        The file and its line, for messages.

    Returns
    -------
    Head

    Raises
    ------
    RecordError
        If its rate, names or units are not those of the file.
    """
    width = len(head.kinds)
    again = Head(head.separator, head.decimal, head.kinds, [""] * width, [""] * width, 0)
    _understand(again, lines, where, counted=False)
    told = (
        ("rate", head.fs, again.fs),
        ("columns", head.names, again.names if any(again.names) else None),
        ("units", head.units, again.units if any(again.units) else None),
    )
    for what, first, now in told:
        if now is not None and now != first:
            raise RecordError(
                f"{where}: what follows has another {what}; split the file there" if what == "rate"
                else f"{where}: what follows has other {what}; split the file there"
            )  # fmt: skip
    return again


def _refuse_lines_of_leads(lines: list[str], name: str) -> None:
    """Raise if each of a few lines holds the samples of a lead."""
    if len(lines) <= _MOST_LEADS:
        for line in lines:
            cells = cells_of(line, next((c for c in "\t;," if c in line), None))
            numbers = sum(kind_of(cell, ".") == "number" for cell in cells)
            if numbers > max(_LEAST_SAMPLES, 0.9 * len(cells)):
                raise RecordError(
                    f"{name}: has a line of {numbers} numbers, as of the samples of a lead; "
                    "write a line a sample and a column a lead"
                )


def zones_of(head: Head, line: str) -> dict[int, float | None]:
    """Return the zones of a line's dates by their columns, as `Head.zones` has those of the first.

    Parameters
    ----------
    head : Head
    line : str
        A line of samples.
    """
    return _zones(head, cells_of(line, head.separator))


def _zones(head: Head, cells: list[str]) -> dict[int, float | None]:
    zones: dict[int, float | None] = {}
    for column, cell in enumerate(cells[: len(head.kinds)]):
        if head.kinds[column] == "time" and DATED.match(cell):
            zones[column] = zone_of(cell)
    return zones


def _refuse_interleaved(head: Head, rows: list[list[str]], name: str) -> None:
    """Raise if a column of words tells of each row which signal it belongs to."""
    for column, kind in enumerate(head.kinds):
        if kind == "words":
            words = [row[column] for row in rows if len(row) == len(head.kinds)]
            refuse_interleaved(words, head.names[column] or f"column {column}", name)


def _from_acqknowledge(head: Head) -> bool:
    """Take names and units as AcqKnowledge lists them, two lines a channel; whether there are."""
    at = next((i for i, line in enumerate(head.comments) if _CHANNELS.fullmatch(line)), None)
    if at is None:
        return False
    channels = int(head.comments[at].split()[0])
    listed = head.comments[at + 1 : at + 1 + 2 * channels]
    if len(listed) < 2 * channels or not 0 <= len(head.kinds) - channels <= 1 or not channels:
        return False
    head.names[-channels:], head.units[-channels:] = listed[::2], listed[1::2]
    return True


def _is_one_count(cells: list[str]) -> bool:
    """Whether a line gives the number of samples of each channel."""
    told = {cell for cell in cells if cell}
    return len(told) == 1 and told.pop().isdecimal()


def _understand(head: Head, lines: list[str], name: str, *, counted: bool) -> None:
    """Take settings, names and units from the lines above the body.

    `counted` says that the first column counts the lines.
    """
    plain = [re.sub(r"^[#%;/!*\s]+", "", line).strip() for line in lines]
    head.comments = [line for line in plain if line]
    head.lines = {line.encode() for line in lines}
    named: list[int] = []
    for i, line in enumerate(plain):
        if line.startswith("{"):
            _from_json(head, line)
            continue
        _settings(head, line, lines[i], name)
        cells = row_of(line, head.separator)
        if len(cells) == len(head.kinds) and _are_names(
            cells, head, line, last=i == len(plain) - 1
        ):
            named.append(i)
    if head.start is None:  # in whatever language: one time with its zone
        moments = {
            _moment_in(line, with_zone=True) for line in plain if not _NOT_START.search(line)
        } - {None}
        head.start = moments.pop() if len(moments) == 1 else None
    if re.search(r"ecg|ekg|electrocardio", " ".join(plain), re.IGNORECASE):
        head.about_ecg = True
    split = head.separator if len(head.kinds) > 1 else ","
    cells = row_of(plain[-1], split) if plain else []
    halved = 2 * len(cells) == len(head.kinds) > 2 and split == ","
    if (len(cells) > len(head.kinds) or halved) and not named and all(
        role_of(cell)[0] in ("ecg", "clock") and to_millivolt(cell) is None for cell in cells
    ) and not _NAMES_LINE.match(plain[-1]):  # fmt: skip
        raise RecordError(
            f"{name}: line {head.first + 1} has {len(head.kinds)} columns where {len(cells)} are "
            "named; correct the names or the lines"
            + (", such as decimal commas between commas" if halved else "")
        )
    units_at = next(
        (i for i in reversed(named) if are_units(row_of(plain[i], head.separator))), None
    )
    rows = [row_of(plain[i], head.separator) for i in reversed(named) if i != units_at]
    if rows:
        for c, cell in enumerate(max(rows, key=_known)):
            label, unit = split_unit(cell)
            head.names[c] = label
            head.units[c] = unit or head.units[c]
    elif (
        counted
        and len(cells) == len(head.kinds) - 1
        and _are_names(["", *cells], head, plain[-1], last=True)
    ):  # R leaves out the name of the rows' numbers
        head.names[1:], head.units[1:] = map(list, zip(*map(split_unit, cells), strict=True))
    if units_at is not None:
        for c, cell in enumerate(row_of(plain[units_at], head.separator)):
            head.units[c] = cell.strip("()[] ") or head.units[c]
    ranges = next((found for line in plain if (found := _RANGES.match(line))), None)
    if ranges and not any(head.units):
        told = [cell.split() for cell in _for_columns(ranges[1], head)]
        head.units = [c[1] if len(c) == 2 and is_unit(c[1]) else "" for c in told] or head.units
    if head.fs is None:
        head.fs = rate_alone(plain)
        head.fs_from = head.fs_from if head.fs is None else "the file's head"


def _known(names: Iterable[str]) -> int:
    """Return how many of a line's names tell what their column is."""
    return sum(role_of(split_unit(name)[0])[0] != "unclear" for name in names)


def _are_names(cells: list[str], head: Head, line: str, *, last: bool) -> bool:
    """Whether a line above the body gives names or units of its columns."""
    told = [cell for cell in cells if cell]
    if not told or any(kind_of(cell, head.decimal) in ("number", "time") for cell in told):
        return False
    if not any(c.isalpha() for c in line) or told[0].endswith(("=", ":")):
        return False
    if not last and all(re.fullmatch(r"[^:]+:\S.*", cell) for cell in told):
        # Settings, such as "mode:DIO, clock div:1".
        return any(role_of(split_unit(cell)[0])[0] == "ecg" for cell in told)
    if len(cells) > 2:
        return True
    if len(cells) == 1:
        return last and len(line) <= 40 and not re.search(r"[:=,;\t]", line)
    # Two cells may be a setting: "Unit,mV" says no more than that.
    setting = _UNIT_LINE.match(line) or _NAMES_LINE.match(line) or names_rate(line)
    return not setting or role_of(cells[0])[0] in ("clock", "counter")


def are_units(cells: list[str]) -> bool:
    """Whether a line gives units: most of its cells are some, and the rest are as short."""
    told = [cell.strip("()[] ") for cell in cells if cell.strip("()[] ")]
    known = [cell for cell in told if is_unit(cell)]
    if any(role_of(cell)[0] == "ecg" for cell in told if cell not in known):
        return False
    return (
        2 * len(known) > len(told)
        and all(len(cell) <= 16 for cell in told if cell not in known)
        and any(
            to_millivolt(c) is not None or to_seconds(c) is not None or len(c) > 1 for c in known
        )
    )


def split_unit(cell: str) -> tuple[str, str]:
    """Take the unit off a column's name: ``MLII (uV)``, ``ecg [mV]``, ``ECG_uV``."""
    linked = _LINKED.fullmatch(cell.strip())
    cell = linked[1] if linked else cell
    found = _BRACKETED.fullmatch(cell)
    if found and (is_unit(found[2]) or not found[2].isdigit()):
        return found[1], found[2]
    found = _SUFFIX.fullmatch(cell) or _AFTER_COMMA.fullmatch(cell)
    return (found[1], found[2]) if found and is_unit(found[2]) else (cell, "")


def names_columns(head: Head, line: str) -> bool:
    """Whether a line within the samples names the columns anew, an ECG among them."""
    cells = [cell for cell in row_of(line, head.separator) if cell]
    if len(cells) != len(head.kinds) or any(kind_of(x, head.decimal) != "words" for x in cells):
        return False
    roles = [role_of(*split_unit(cell))[0] for cell in cells]
    return len(cells) > 1 and ("ecg" in roles or ("clock" in roles and len(set(cells)) > 1))


def _settings(head: Head, line: str, raw: str, name: str) -> None:
    """Take a rate, a unit, names or a start from a line of the head."""
    stated_fs, sure = stated_rate(line)
    if stated_fs is None and (spaced := rate_of_interval(line)):
        of_samples = "sampl" in line.lower()
        if of_samples or spaced >= LEAST_HZ:
            stated_fs, sure = spaced, 3 if of_samples else 1
    if stated_fs is not None and sure > 0:
        if head.fs is None or sure > head.fs_sure > -1:
            head.fs, head.fs_from, head.fs_sure = stated_fs, "the file's head", sure
            head.fs_other = None
        elif sure == head.fs_sure and abs(stated_fs - head.fs) > _SAME_RATE * head.fs:
            head.fs_other = stated_fs
    elif head.fs is None and raw.startswith("#") and (told := unreadable_rate(line)):
        raise RecordError(f"{name}: its comment says fs={told[:40]}; write a number, # fs=360")
    found = _UNIT_LINE.search(line)
    if found and is_unit(found[1]):
        several = _for_columns(line[found.start(1) :], head)
        units = several if several and all(map(is_unit, several)) else [found[1]] * len(head.kinds)
        alone = len([unit for unit in units if unit]) == 1 or units is not several
        if alone and len(units) > 1 and to_seconds(found[1]) is not None:
            units = [""] * len(units)  # "Horizontal Units,s" of an oscilloscope: of its clock
        head.units = [a or b for a, b in zip(head.units, units, strict=True)]
    if len(head.kinds) == 1 and not head.units[0]:
        found = _VOLT_LINE.fullmatch(line)
        if found and to_millivolt(found[2]) is not None:
            head.units = [found[2]]
            if role_of(found[1])[0] == "ecg":  # "Lead I,mV"
                head.names = [found[1]]
    found = _NAMES_LINE.search(line)
    if found:
        cells = _for_columns(found[1], head)
        if len(head.kinds) == 1:
            cells = [found[1].strip("\"' []")]
        if cells and not any(c.isdigit() for c in cells):
            for c, cell in enumerate(cells):
                head.names[c], unit = split_unit(cell.strip("\"' []"))
                head.units[c] = unit or head.units[c]
    if head.start is None and _START_WORD.search(line) and not _NOT_START.search(line):
        head.start = _moment_in(line)


def _moment_in(line: str, *, with_zone: bool = False) -> datetime | None:
    """Return the date and time in a line of the head, by the clock that wrote it; None if none."""
    days = _EXCEL_TIME.match(line)
    if days:
        count = float(days[1].replace(",", "."))
        return datetime(1899, 12, 30) + timedelta(microseconds=round(count * 86_400e3) * 1000)
    found = next((m for moment in _MOMENTS if (m := moment.search(line))), None)
    if found is None or (with_zone and not found["zone"]):
        return None
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    micro = int((found["part"] or "0").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micro)
    except ValueError:
        return None


def _for_columns(text: str, head: Head) -> list[str]:
    """Return what a setting lists, for each column; nothing if it does not fit them.

    A list that is one short leaves out the first column, the clock.
    """
    width = len(head.kinds)
    for separator in (head.separator, ",", ";", "\t", None):
        cells = row_of(text, separator)
        if len(cells) == width:
            return cells
        if len(cells) == width - 1 > 0:
            return ["", *cells]
    return []


def _from_json(head: Head, line: str) -> None:
    """Take names, rate and start from a JSON object in the head, such as OpenSignals writes."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return
    names: list[str] | None = None
    for key, value in _walk(found, 0):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if is_rate_word(key) and head.fs is None and 0 < value < 1e6:
                head.fs, head.fs_from = float(value), "the file's head"
        elif isinstance(value, dict):
            head.start = head.start or opensignals.start_of(value)
        elif isinstance(value, list) and len(value) == len(head.kinds) and names is None:
            names = value if all(isinstance(item, str) for item in value) else None
    told = opensignals.column_names(found)
    if len(told) == len(head.kinds):
        names = told
    if names is not None:
        head.names = [str(item) for item in names]


def _walk(value: Any, depth: int) -> list[tuple[str, Any]]:
    """Return the members of a JSON object and of those in it, a few levels deep."""
    found: list[tuple[str, Any]] = []
    if isinstance(value, dict) and depth < 4:
        for key, item in list(value.items())[:1000]:
            found.append((str(key), item))
            found += _walk(item, depth + 1)
    return found
