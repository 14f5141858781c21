"""Tables of figures, as text and on a self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from .._files import write_whole
from .shell import page, render

__all__ = ["Table", "write_tables"]


@dataclass(frozen=True)
class Table:
    """Rows of text under headings: the first column to the left, the others to the right.

    Attributes
    ----------
    heading : str
        What the table shows.
    columns : sequence of str
        One heading a column.
    rows : sequence of sequence of str
        As many cells as columns each.
    groups : sequence of (str, int), optional
        Headings over the columns, with the number of columns that each covers, all in all.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    groups: Sequence[tuple[str, int]] = ()

    def text(self) -> str:
        """The table in columns of equal width."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        at = 0
        for name, span in self.groups:
            room = sum(widths[at : at + span]) + 2 * (span - 1)
            widths[at + span - 1] += max(0, len(name) - room)
            at += span
        out = [self.heading] if self.heading else []
        if self.groups:
            heads, at = [], 0
            for name, span in self.groups:
                heads.append(name.center(sum(widths[at : at + span]) + 2 * (span - 1)))
                at += span
            out.append("  ".join(heads).rstrip())
        for line in lines:
            cells = [cell.rjust(widths[i]) for i, cell in enumerate(line)]
            cells[0] = line[0].ljust(widths[0])
            out.append("  ".join(cells).rstrip())
        return "\n".join(out)


def write_tables(
    path: str | os.PathLike[str], title: str, lines: Sequence[str], tables: Sequence[Table]
) -> None:
    """Write tables as one HTML page that needs no other file and no network, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    title : str
        Heading of the page.
    lines : sequence of str
        What the reader must know of how the figures came about, a paragraph each.
    tables : sequence of Table

    Raises
    ------
    InputError
        If the file cannot be written.
    MissingExtraError
        If Jinja2 is not installed.
    """
    write_whole(path, page(title, render("tables.html", lines=lines, tables=tables)))
