"""What both kinds of ``ecgfast evaluate`` print: their command, their tables, a page."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..printable import counted
from .options import DECISION_OPTIONS
from .output import print_json
from .output_path import make_folder

if TYPE_CHECKING:
    from ..reports.table import Table

__all__ = ["command_text", "missing_text", "show_tables"]


def command_text(own: Sequence[str], args: argparse.Namespace) -> str:
    """The command that gives these figures, with the names of folders only.

    Parameters
    ----------
    own : sequence of str
        Words that only a detector or only a model has.
    args : Namespace
    """
    words = ["ecgfast", "evaluate", *own]
    if args.leads:
        leads = args.leads if args.leads == "all" else ",".join(map(str, args.leads))
        words += ["--leads", leads]
    for option in DECISION_OPTIONS:
        if given := getattr(args, option):
            text = given if option == "reject" else ",".join(f"{c}={x:g}" for c, x in given.items())
            words += [f"--{option.replace('_', '-')}", str(text)]
    words += ["--records", ",".join(args.records)] if args.records else []
    return shlex.join(words)


def missing_text(database: str, names: Sequence[str]) -> str:
    """Say which recordings of a database are not there, and so not scored.

    Parameters
    ----------
    database : str
    names : sequence of str
        Of the recordings.

    Returns
    -------
    str
    """
    from ..training.datasets.splits import listed

    return (
        f"Missing, so not scored: {counted(len(names), 'recording')} of {database}: "
        f"{listed(names)}."
    )


def show_tables(
    args: argparse.Namespace,
    title: str,
    lines: Sequence[str],
    tables: Sequence[Table],
    figures: dict[str, Any],
) -> None:
    """The figures as a page where one is wanted, and as JSON or text on standard output."""
    if args.html is not None:
        from ..reports.table import write_tables

        make_folder(args.html.parent, "--html")
        write_tables(args.html, title, [*lines, f"Made by: {figures['command']}"], tables)
    if args.json:
        print_json(figures)
        return
    print("\n".join([title, *lines]))
    for table in tables:
        print(f"\n{table.text()}")
    if args.html is not None:
        print(f"\nwritten     {args.html}")
