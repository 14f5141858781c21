"""The lines of samples in a text file: separator, decimal mark, and what each column holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from .units import is_unit

__all__ = [
    "DATED",
    "LONGEST_TIME",
    "Form",
    "best_form",
    "cells_of",
    "counts_rows",
    "day_first_of",
    "encoding_of",
    "first_line",
    "kind_of",
    "may_be_grouped",
    "row_of",
    "starts_with_number",
    "ungrouped",
    "zone_of",
]

# Columns of a table, at most.
_MOST_COLUMNS = 1024

_NUMBER = {
    ".": re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII),
    ",": re.compile(r"[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII),
}
# Marks between thousands, which are no decimal marks: those of both kinds, and "1,005" alone, which
# is a decimal number in some countries.
_APART = " '\u2019\u00a0\u202f"
_GROUPED = {
    d: re.compile(
        rf"[+-]?[1-9]\d{{0,2}}(?:(?:{m}\d{{3}})+{d}\d*|(?:{m}\d{{3}}){{2,}}"
        rf"|(?:[{_APART}]\d{{3}})+(?:{d}\d*)?)",
        re.ASCII,
    )
    for d, m in ((r"\.", ","), (",", r"\."))
}
_GROUPED["."] = _GROUPED.pop(r"\.")
_MAY_BE_GROUPED = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII),
}
_MISSING = {
    "",
    "-",
    "!",
    "?",
    "--",
    "nan",
    "-nan",
    "+nan",
    "na",
    "n/a",
    "null",
    "none",
    "inf",
    "-inf",
    "+inf",
}
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = (
    r"(?:\d{1,4}([-/.])\d{1,2}\1\d{1,4}"
    rf"|\d{{1,2}}[-/. ]{_MONTH}[-/. ]\d{{4}}|{_MONTH} \d{{1,2}},? \d{{4}})"
)
# Milliseconds come after a point, a comma or a third colon.
_CLOCK = r"\d{1,4}:\d{1,2}(?::\d{1,2}:\d{3}|(?::\d{1,2})?(?:[.,]\d{1,9})?)"
# As English, Spanish and Greek programs write it: "PM", "p. m.".
_CLOCK += r"(?:[ \u00a0\u202f]?[ap]\.?[ \u00a0\u202f]?m\.?)?"
_ZONE = r"(?:Z| ?(?:UTC|GMT)| ?[+-]\d\d(?::?\d\d)?)?"
_DATE_AFTER = _DATE.replace(r"\1", r"\3")  # its separator is the third group of the pattern
# Java adds the name of the zone in brackets; the short form has no marks within date and time.
_WHEN = (
    rf"(?:{_DATE}(?:[T _-]{_CLOCK}(?P<zone>{_ZONE}))?(?:\[[\w/+-]+\])?"
    r"|\d{8}[T _-]\d{6}(?:[.,]\d{1,9})?Z?)"
)
# A time difference of pandas and of Python begins with its days: "0 days 00:00:00.004".
_SINCE = r"\d{1,6} days?,? +\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?"
_TIME = re.compile(
    rf"\[?(?:{_WHEN}|{_CLOCK}(?: {_DATE_AFTER})?|{_SINCE})\]?", re.ASCII | re.IGNORECASE
)
#: A date, or one with its time.
DATED = re.compile(rf"\[?(?:{_WHEN}|{_CLOCK} {_DATE_AFTER})", re.ASCII | re.IGNORECASE)
#: Characters of a time, at most.
LONGEST_TIME = 64
_SEPARATORS: tuple[tuple[str | None, str], ...] = (
    ("\t", "."), (";", "."), (",", "."), ("|", "."), (None, "."),
    ("\t", ","), (";", ","), ("|", ","), (None, ","), (",", ","),
)  # fmt: skip
# Brackets keep a time and its date together.
_BLANK_CELL = re.compile(r"\[[^\]]*\]|\S+")
_SETTING = re.compile(r"^[^:=,;\t]{1,60}\s*(?::=|[:=]|[,;\t])")


def encoding_of(data: bytes) -> str | None:
    """Return the encoding of a text that begins with `data`; None if it is no text."""
    for mark, name in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return name
    if len(data) >= 8:
        # Without a mark: every other byte of digits and separators is zero.
        even, odd = data[0:4096:2].count(0), data[1:4096:2].count(0)
        half = min(len(data), 4096) // 2
        if not (data[1:4096:4].strip(b"\0") or data[2:4096:4].strip(b"\0")):
            # Three of four bytes are zero.
            return "utf-32-le" if data[0] else "utf-32-be"
        if odd > 0.7 * half and even < 0.1 * half:
            return "utf-16-le"
        if even > 0.7 * half and odd < 0.1 * half:
            return "utf-16-be"
    # A logger that reserves space before it writes, or lost its power while it did.
    data = re.sub(rb"\0{16,}|\0+$", b"", data)
    if any(c in data for c in (*range(9), 14, 15, 16, 127)):
        return None
    try:
        data[:-4].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError as error:
        if error.end < len(data) - 8:
            return "cp1252"
    return "utf-8"


def cells_of(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line, without blanks and quotes around them."""
    if separator is None:
        return [cell.strip("\"'") for cell in _BLANK_CELL.findall(line)]
    cells: list[str] = []
    rest = line.strip(" \r")
    while True:
        rest = rest.lstrip(" ")
        quote = rest[:1] if rest[:1] in ("'", '"') else ""
        close = rest.find(quote, 1) if quote else -1
        if close > 0:
            cells.append(rest[1:close].strip())
            at = rest.find(separator, close)
        else:
            at = rest.find(separator)
            cells.append((rest if at < 0 else rest[:at]).strip(" \t").strip("\"'"))
        if at < 0:
            return cells
        rest = rest[at + 1 :]


def kind_of(cell: str, decimal: str) -> str:
    """Return what a cell is: ``number``, ``time``, ``missing`` or ``words``."""
    if _NUMBER[decimal].fullmatch(cell) or _GROUPED[decimal].fullmatch(cell):
        return "number"
    if cell.lower() in _MISSING:
        return "missing"
    return "time" if len(cell) <= LONGEST_TIME and _TIME.fullmatch(cell) else "words"


def may_be_grouped(cell: str, decimal: str) -> bool:
    """Whether a cell may be a number of one mark between thousands, such as ``1,005``."""
    return bool(_MAY_BE_GROUPED[decimal].fullmatch(cell))


def ungrouped(cell: str, decimal: str) -> str:
    """Return a number without marks between thousands; anything else as it is."""
    if _GROUPED[decimal].fullmatch(cell) or may_be_grouped(cell, decimal):
        return re.sub(rf"[{_APART}{'.,'.replace(decimal, '')}]", "", cell)
    return cell


def row_of(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line of the body, without the empty one that a last separator opens."""
    cells = cells_of(line, separator)
    return cells[:-1] if len(cells) > 1 and not cells[-1] and separator is not None else cells


@dataclass
class Form:
    """A separator and decimal mark with what the lines are under them.

    `empty` holds the columns in which no line that was looked at has anything.
    """

    separator: str | None
    decimal: str
    width: int
    kinds: list[str]
    score: tuple[float, ...]
    empty: frozenset[int] = frozenset()


def _form(lines: list[str], separator: str | None, decimal: str, heads: list[str]) -> Form | None:
    """Judge the lines of a body as a table of such cells; None if they are none."""
    # A last separator opens a cell that may be filled in other lines.
    rows = [cells_of(line, separator) for line in lines]
    widths = [len(row) for row in rows]
    width = max(set(widths), key=lambda w: (widths.count(w), w))
    named = (cells_of(line, separator) for line in heads)
    if (
        width > 1
        and all(not row[-1] for row in rows if len(row) == width)
        # A column with a name may be filled above, as of a sensor that ended before the others.
        and not any(len(names) == width and names[-1] for names in named)
    ):
        rows = [row[:-1] if len(row) == width and not row[-1] else row for row in rows]
        width -= 1
    fitting = [row for row in rows if len(row) == width]
    if width > _MOST_COLUMNS or not fitting:
        return None
    kinds: list[str] = []
    empty: set[int] = set()
    good = 0.0
    for column in zip(*fitting, strict=True):
        found = [kind_of(cell, decimal) for cell in column]
        told = [kind for kind in found if kind != "missing"]
        if not any(column):
            empty.add(len(kinds))
        kind = max(("number", "time", "words"), key=told.count) if told else "number"
        # Words here and there are malformed lines; more of them, and it is a column of words.
        share = told.count(kind) / len(told) if told else 1.0
        kinds.append(kind if share >= 0.5 else "words")
        good += share if kinds[-1] != "words" else 0.0
    if "number" not in kinds:
        return None
    fits = len(fitting) / len(rows)
    score = (round(fits * good / width, 3), width > 1)
    return Form(separator, decimal, width, kinds, score, frozenset(empty))


def best_form(lines: list[str], heads: list[str]) -> Form | None:
    """Return the form that fits the lines of a body best."""
    forms = [form for s, d in _SEPARATORS if (form := _form(lines, s, d, heads)) is not None]
    if not forms:
        return None
    best = max(forms, key=lambda form: form.score)
    if best.decimal == ",":
        best = next((f for f in forms if _apart_from(f, best, lines)), best)
    if best.separator == "," and best.width == 2 and _decimal_commas(lines, heads):
        return next((f for f in forms if f.decimal == "," and f.width == 1), best)
    return best


def _apart_from(form: Form, best: Form, lines: list[str]) -> bool:
    """Whether a form with points reads 998 and 1,005 where the best one has 998 and 1.005."""
    if form.decimal != "." or (form.separator, form.width) != (best.separator, best.width):
        return False
    rows = [cells_of(line, form.separator) for line in lines]
    for column in zip(*(row for row in rows if len(row) == form.width), strict=True):
        commas = [cell for cell in column if "," in cell]
        if commas and all(may_be_grouped(cell, ".") for cell in commas):
            whole = [cell.lstrip("+-") for cell in column if "," not in cell]
            if whole and all(map(str.isdecimal, whole)) and max(map(len, whole)) == 3:
                return True
    return False


def _decimal_commas(lines: list[str], heads: list[str]) -> bool:
    """Whether ``3,456`` is one number with a decimal comma, not two cells."""
    pairs = [cells_of(line, ",") for line in lines]
    pairs = [pair for pair in pairs if len(pair) == 2]
    if not pairs or any(
        not re.fullmatch(r"\d+", b) or not re.fullmatch(r"[+-]?\d+", a) for a, b in pairs
    ):
        return False
    # Counts have no leading zeros and no minus before one.
    telling = any(len(b) > 1 and b[0] == "0" for _, b in pairs) or any(a == "-0" for a, _ in pairs)
    last = cells_of(heads[-1], ",") if heads else []
    named = (
        len(last) == 2
        and not _SETTING.match(heads[-1].replace(",", " "))
        and not (is_unit(last[1]) and not is_unit(last[0]))  # "Einheit,µV" is a setting
    )
    return telling and not (named and not _NUMBER["."].fullmatch(last[0]))


def counts_rows(rows: list[list[str]]) -> bool:
    """Whether the first cell of each row is the number of the row."""
    cells = [row[0] for row in rows if row]
    return (
        len(cells) > 2
        and all(cell.isdecimal() and len(cell) < 16 for cell in cells)
        and all(int(b) - int(a) == 1 for a, b in pairwise(cells))
    )


def starts_with_number(line: str) -> bool:
    """Whether the first cell of a line is a number or a time."""
    return bool(re.match(r"[\s\"'\[]*[+-]?[.,]?\d", line))


def _fits(line: str, form: Form) -> bool:
    row = cells_of(line, form.separator)
    if len(row) == form.width + 1 and not row[-1]:
        row = row[:-1]
    if len(row) != form.width:
        return False
    kinds = [kind_of(cell, form.decimal) for cell in row]
    return any(kind in ("number", "time") for kind in kinds) and all(
        kind in (wanted, "missing") or wanted == "words"
        for kind, wanted in zip(kinds, form.kinds, strict=True)
    )


def first_line(filled: list[tuple[int, str]], form: Form) -> int:
    """Return the number of the first line of the body."""
    fits = [_fits(line, form) for _, line in filled[:2000]]
    for place, ok in enumerate(fits):
        # One line of numbers may stand in a head, such as a count.
        if ok and (place + 1 >= len(fits) or fits[place + 1] or form.width > 1):
            return filled[place][0]
    return filled[0][0]


def day_first_of(rows: list[list[str]]) -> tuple[bool, str]:
    """Whether dates like 3/4/2024 have their day first, and one of them if that is not clear.

    Dots, a time before the date as in WFDB, and days over 12 tell.
    """
    unsure = ""
    for row in rows:
        for cell in row:
            found = re.match(
                r"\[?([\d:.,]+ )?((\d{1,2})([-/.])(\d{1,2})\4(?:\d{4}|\d\d)(?!\d))", cell
            )
            if found and (found[1] or int(found[3]) > 12 or found[4] == "."):
                return True, ""
            if found and int(found[5]) > 12:
                return False, ""
            if found and found[3] != found[5]:
                unsure = unsure or found[2]
    return False, unsure


def zone_of(cell: str) -> float | None:
    """Seconds that the clock of a date and time is ahead of UTC; None where it does not say."""
    dated = DATED.match(cell)
    return _zone_s(dated["zone"] or "") if dated else None


def _zone_s(text: str) -> float | None:
    """Seconds that a clock is ahead of UTC, by the end of its times; None where they do not say."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)?", text.strip())
    if found is None:
        return 0.0 if text.strip() else None
    seconds = 3600.0 * int(found[2]) + 60.0 * int(found[3] or 0)
    return -seconds if found[1] == "-" else seconds
