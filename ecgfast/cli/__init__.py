"""The ``ecgfast`` command: one module of this package for each subcommand.

A module ``ecgfast.cli.NAME`` has ``configure(parser)``, which adds arguments, a description and an
epilog with one example, and ``run(args)``, which does the work and raises `EcgfastError` for what
the user can mend and `UsageError` for wrong use. Only the chosen command's module is imported.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType

from .. import __version__
from .errors import EXIT_USAGE, guarded
from .parser import HelpFormatter, Parser, complete

__all__ = ["COMMANDS", "main"]

#: Every command with the line that describes it, in the order of the help text.
COMMANDS = {
    "demo": "label the beats of a built-in synthetic recording, with a picture and a report",
    "detect": "find the R peaks of a recording",
    "classify": "label the beats of a recording",
    "stream": "label beats live, from a serial port, standard input or a replayed file",
    "live": "the same with a page in the browser: signal, labels, events and alarms",
    "service": "run a live command at every start of the machine",
    "report": "write a page of a recording: rates, rhythm, variability, strips",
    "review": "check and correct the labels of a recording with some answers",
    "annotate": "label every recording of an archive, on all cores or a cluster, resumable",
    "summary": "sum up an annotated archive: findings, rates, ectopy, quality",
    "models": "list the built-in models",
    "prepare": "cut the beats of reference databases into a data set",
    "train": "train a model on a data set",
    "crossval": "choose a model by cross-validation over patients",
    "evaluate": "score detections and labels against reference annotations",
    "export": "convert a trained model to TFLite, checked, with its card",
}

_DISCLAIMER = "ecgfast is for research and education. It is not a medical device."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``ecgfast`` command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the command's own name; those of this process by default.

    Returns
    -------
    int
        0 on success, 1 on a failure that one line on standard error explains, 2 on wrong use, 3
        where ``--strict`` is given and no beat was found, 130 when interrupted, 143 by SIGTERM,
        129 by SIGHUP, 141 when the reader of the output went away.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    return guarded(lambda: _run(given), "ecgfast", debug="--debug" in given)


def _run(given: list[str]) -> int:
    parser, commands = _parser()
    if complete(parser, commands, lambda name: _configure(commands, name)):
        return 0
    name = next((text for text in given if not text.startswith("-")), None)
    if name is None and not {"-h", "--help", "--version"} & set(given):
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    try:
        if name not in commands:
            parser.parse_args(given)  # help, version, or the error that lists the commands
        module = _configure(commands, str(name))
        args = parser.parse_args(given)
    except SystemExit as done:  # argparse has said what is wrong, or given help
        return int(done.code or 0)
    module.run(args)
    return 0


def _configure(commands: dict[str, Parser], name: str) -> ModuleType:
    """Import a command and add its arguments."""
    module = importlib.import_module(f"{__name__}.{name}")
    module.configure(commands[name])
    return module


def _parser() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="ecgfast",
        description="Streaming ECG: from samples to labelled beats, while they happen.",
        epilog=f"`ecgfast COMMAND --help` has details and an example. {_DISCLAIMER}",
    )
    parser.add_argument("--version", action="version", version=f"ecgfast {__version__}")
    _add_debug(parser, False)
    group = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    commands = {}
    for name, summary in COMMANDS.items():
        if find_spec(f"{__name__}.{name}") is None:
            continue
        commands[name] = group.add_parser(name, help=summary, formatter_class=HelpFormatter)
        _add_debug(commands[name], argparse.SUPPRESS)
    return parser, commands


def _add_debug(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--debug", action="store_true", default=default, help="show where an error came from"
    )
