"""Lines of a text table that are samples, though not written as the others are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import RecordError
from .text_body import cells_of, kind_of, may_be_grouped, ungrouped

__all__ = ["key_of", "samples_of"]

_KEY = re.compile(rb"[#%\s\"']*([A-Za-z][\w ./()-]{0,40}?)[\s\"']*[=:]")


def key_of(line: bytes) -> bytes:
    """Return what a line of settings such as ``Interval= 0.001 s`` sets; nothing if it is none."""
    found = _KEY.match(line)
    return found[1].lower() if found else b""


def samples_of(
    line: str, separator: str | None, decimal: str, kinds: Sequence[str]
) -> tuple[str, str, str] | None:
    """Return the samples of a line with a remark behind them, or with marks between thousands.

    Parameters
    ----------
    line : str
    separator, decimal : str
        As `Head` has them; None for blanks.
    kinds : sequence of str
        Of the columns ``number``, ``time`` or ``words``.

    Returns
    -------
    text, odd, example : str
        The line as the others are, what is odd in it, and an example; None if it holds no samples.

    Raises
    ------
    RecordError
        If a number such as 1,005 may be either of two.
    """
    cells = cells_of(line, separator)
    odd = example = ""
    if len(cells) > len(kinds):
        behind = cells[len(kinds) :]
        if behind[0] and kind_of(behind[0], decimal) != "words":
            return None
        odd = "a remark behind the samples, which is not read"
        example = " ".join(behind).strip()[:40]
        cells = cells[: len(kinds)]
    if len(cells) != len(kinds):
        return None
    # A decimal mark in the line tells that the other mark is none.
    certain = any(decimal in cell for cell in cells if kind_of(cell, decimal) == "number")
    for i, cell in enumerate(cells):
        if kinds[i] == "number" and kind_of(cell, decimal) == "words":
            if not may_be_grouped(cell, decimal):
                return None
            if not certain:
                raise RecordError(
                    f"{cell!r} may have a decimal mark or one between thousands; write numbers "
                    "without marks between thousands"
                )
        plain = ungrouped(cell, decimal) if kinds[i] == "number" else cell
        if plain != cell:
            odd, example = "numbers with marks between thousands", cell
        cells[i] = plain
    return (separator or " ").join(cells), odd, example
