"""The first lines of samples that are written unlike those that follow them."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ._table import TIME, parse_rows
from .text_body import Form, cells_of, kind_of, row_of

__all__ = ["first_sample"]

# Steps from stamp to stamp, as shares of the usual one.
_LEAST_STEP, _MOST_STEP = 0.5, 1.5


def first_sample(filled: list[tuple[int, str]], first: int, form: Form) -> tuple[int, list[str]]:
    """Return the line of the first sample where lines above `first` are samples, too.

    Oscilloscopes write settings in the first lines, in columns that are empty below them, and
    devices that begin off their range words such as ``OL`` in place of samples, behind stamps that
    those below continue.

    Parameters
    ----------
    filled : list of (int, str)
        Lines that are not empty, with their numbers.
    first : int
        The first line that is written as most are.
    form : Form
        Of the body. The kind of columns that hold such settings becomes ``words``.

    Returns
    -------
    first : int
        The line of the first sample.
    beside : list of str
        The settings that stand beside samples.
    """
    at = bisect_left(filled, first, key=lambda line: line[0])
    above = at
    while (
        above and form.empty and _has_settings(row_of(filled[above - 1][1], form.separator), form)
    ):
        above -= 1
    if above < at:
        rows = [row_of(line, form.separator) for _, line in filled[above:at]]
        for column in form.empty:
            if any(kind_of(row[column], form.decimal) == "words" for row in rows if row[column]):
                form.kinds[column] = "words"
        joined = (",".join(row[c] for c in sorted(form.empty) if row[c]) for row in rows)
        return filled[above][0], [line for line in joined if line]
    if form.width > 1 and at + 1 < len(filled):
        begin, following = (_stamp(line, form) for _, line in filled[at : at + 2])
        step = following - begin
        while above and step > 0 and _has_words(filled[above - 1][1], form):
            stamp = _stamp(filled[above - 1][1], form)
            if not _LEAST_STEP * step <= begin - stamp <= _MOST_STEP * step:
                break
            begin, above = stamp, above - 1
    return filled[above][0] if above < len(filled) else first, []


def _has_settings(row: list[str], form: Form) -> bool:
    """Whether a row has samples, and words in columns that are empty in the body."""
    if len(row) != form.width:
        return False
    kinds = [kind_of(row[i], form.decimal) for i in range(form.width) if i not in form.empty]
    return bool(kinds) and all(kind in ("number", "time") for kind in kinds)


def _has_words(line: str, form: Form) -> bool:
    """Whether a line has a stamp in its first column, and words where samples should be."""
    row = row_of(line, form.separator)
    if len(row) != form.width or kind_of(row[0], form.decimal) != form.kinds[0]:
        return False
    return form.kinds[0] != "words" and not any(c.isdigit() for cell in row[1:] for c in cell)


def _stamp(line: str, form: Form) -> float:
    """Return the number or time in the first column of a line; NaN if there is none."""
    cell = cells_of(line, form.separator)[0]
    try:
        if form.kinds[0] == "number":
            return float(cell.replace(form.decimal, "."))
    except ValueError:
        return float("nan")
    out = np.full((1, 1), np.nan)
    if form.kinds[0] == "time":
        parse_rows(cell.encode(), 9, 46, np.array([TIME], np.int8), out, True)
    return float(out[0, 0])
