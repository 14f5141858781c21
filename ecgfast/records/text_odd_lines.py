"""Lines of a text table that are samples, though not written as the others are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import RecordError
from .text_body import cells_of, kind_of, may_be_grouped, ungrouped

__all__ = ["WORDS", "key_of", "samples_of"]

#: What is odd in a line with words where samples should be.
WORDS = "words in place of a sample"

# Words in place of a sample: without a digit, an error of a spreadsheet, or what Windows prints.
_IN_PLACE = re.compile(r"[^\d]{1,16}|#[A-Z/0!?]+|[-+]?1\.#[A-Z]+\d*", re.ASCII)

_KEY = re.compile(rb"[#%\s\"']*([A-Za-z][\w ./()-]{0,40}?)[\s\"']*[=:]")


def key_of(line: bytes) -> bytes:
    """Return what a line of settings such as ``Interval= 0.001 s`` sets; nothing if it is none."""
    found = _KEY.match(line)
    return found[1].lower() if found else b""


def samples_of(
    line: str, separator: str | None, decimal: str, kinds: Sequence[str]
) -> tuple[str, str, str] | None:
    """Return the samples of a line that is not written as the others are.

    It has a remark behind them, marks between thousands, or words in place of some samples.

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
    found = [kind_of(cell, decimal) for cell in cells]
    # The first column is a clock in most tables: a word there begins a line of another kind.
    may_lack = len(kinds) == 1 or (
        (found[0] != "words" or kinds[0] == "words") and ("number" in found or "time" in found)
    )
    certain = any(decimal in cell for cell in cells if kind_of(cell, decimal) == "number")
    for i, cell in enumerate(cells):
        if kinds[i] == "number" and kind_of(cell, decimal) == "words":
            if not may_be_grouped(cell, decimal):
                if not may_lack or not _IN_PLACE.fullmatch(cell):
                    return None
                cells[i], odd, example = "nan", WORDS, cell
                continue
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
