"""Tables of figures, as text and on a self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from .._files import write_whole
from .shell import page, render

__all__ = ["Table", "write_tables"]


@dataclass(frozen=True)
class Table:
    """Rows of text under headings: words at the left, figures set to the right.

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
    left : int
        How many of the first columns hold words and are set to the left.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    groups: Sequence[tuple[str, int]] = ()
    left: int = 1

    def text(self) -> str:
        """The table in columns of equal width, its heading above."""
        heads = list(self.columns)
        if self.groups:
            over = [name if not i else "" for name, span in self.groups for i in range(span)]
            heads = [f"{group}\n{column}" for group, column in zip(over, heads, strict=True)]
        lines = [line.rstrip() for line in self._printed("plain", heads).splitlines()]
        return "\n".join([self.heading, *lines] if self.heading else lines)

    def markdown(self) -> str:
        """The table in Markdown, without its heading and its groups."""
        return self._printed("pipe", self.columns)

    def _printed(self, style: str, heads: Sequence[str]) -> str:
        sides = ["left" if i < self.left else "right" for i in range(len(heads))]
        return tabulate(
            self.rows,
            heads,
            tablefmt=style,
            disable_numparse=True,
            colalign=sides if self.rows else None,  # tabulate 0.9 aligns no columns without rows
        )


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
