"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..runtime.decision import REJECTED
from .completion import complete_by, models, precisions
from .errors import UsageError

__all__ = [
    "DECISION_OPTIONS",
    "DEFAULT_MODEL",
    "METHODS",
    "add_average_leads",
    "add_data",
    "add_decision",
    "add_json",
    "add_labelling",
    "add_lookahead",
    "add_method",
    "add_model",
    "add_old_option",
    "add_records",
    "add_signal",
    "add_strict",
    "data_folder",
    "example",
    "lead_list",
    "lead_list_or_all",
    "lead_list_text",
    "name_list",
    "refuse_options",
    "seconds",
]

#: Model that labels beats where no other is named.
DEFAULT_MODEL = "beats"

Method: TypeAlias = Literal["neural", "adaptive", "pan-tompkins"]

#: What `add_decision` adds, as names of the parsed arguments.
DECISION_OPTIONS = ("sensitivity", "positive_predictivity", "reject")

#: How R peaks are found, the default first.
METHODS: tuple[Method, ...] = ("neural", "adaptive", "pan-tompkins")


def example(command: str) -> str:
    """Epilog of a command's help: one example."""
    return f"example:\n  {command}"


def add_signal(parser: argparse.ArgumentParser) -> None:
    """Add ``--fs``, ``--leads`` and ``--follow``."""
    parser.add_argument(
        "--fs",
        type=sampling_rate,
        metavar="HZ",
        help="sampling rate, if the source does not state it",
    )
    parser.add_argument(
        "--leads",
        type=lead_list,
        metavar="NAME,...",
        help="leads to use, by name or column from 0 (default: every ECG lead); R peaks are found "
        "on all of them, the first two are classified",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="also read files outside the recording's folder that its header names",
    )


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Add ``--strict``."""
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 3 if no beat is found"
    )


def add_average_leads(parser: argparse.ArgumentParser) -> None:
    """Add ``--average-leads`` and ``--no-average-leads``."""
    parser.add_argument(
        "--average-leads",
        action=argparse.BooleanOptionalAction,
        help="classify every lead and average the results; --no-average-leads classifies the first "
        "alone (default: average the first two, if there are two and the model labels beats)",
    )


def name_list(text: str) -> list[str]:
    """Names parted by commas, such as 100,101."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as 100,101")
    return names


def lead_list(text: str) -> list[str | int]:
    """Names of leads, or their columns from 0, parted by commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of leads such as MLII,V1 or 0,1")
    if twice := next((part for i, part in enumerate(parts) if part in parts[:i]), None):
        raise argparse.ArgumentTypeError(f"{text!r} has lead {twice} twice: give each lead once")
    return [int(part) if part.lstrip("-").isdecimal() else part for part in parts]


def lead_list_or_all(text: str) -> list[str | int] | str:
    """A `lead_list`, or "all"."""
    return text if text == "all" else lead_list(text)


def lead_list_text(leads: Sequence[str | int] | str) -> str:
    """Leads that were asked for, in words."""
    if leads == "all":
        return "all leads"
    return f"lead{'' if len(leads) == 1 else 's'} {', '.join(map(str, leads))}"


def seconds(text: str) -> float:
    """A number of seconds, 0 or more."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def sampling_rate(text: str) -> float:
    """A sampling rate in Hz, above 0; the source says which ones it takes."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no sampling rate in Hz")
    return value


def refuse_options(args: argparse.Namespace, options: Sequence[str], why: str) -> None:
    """Refuse options that mean nothing here.

    Parameters
    ----------
    args : Namespace
    options : sequence of str
        Names in `args`.
    why : str
        End of the message, such as "goes with a model".

    Raises
    ------
    UsageError
        If one is given.
    """
    for option in options:
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')} {why}")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` and ``--precision``."""
    model = parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|FILE",
        help="a built-in model (see `ecgfast models`) or a .tflite file with its card beside it; "
        f"none labels no beats (default: {DEFAULT_MODEL})",
    )
    complete_by(model, lambda line: [*models(line), "none"], ".tflite", ".json")
    precision = parser.add_argument(
        "--precision",
        help="file of the model to run: float32, int8, or fastest, which the model's card names "
        "for the runtime in use (default: float32)",
    )
    complete_by(precision, precisions)
    add_old_option(parser, "--form", "--precision")


def add_old_option(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Let an option's old name work until version 0.3; it is not in the help, and says so.

    Parameters
    ----------
    parser : ArgumentParser
        It has the new option already.
    old, new : str
        As they are typed.
    """
    (action,) = (a for a in parser._actions if new in a.option_strings)

    class _Old(type(action)):  # type: ignore[misc]
        def __call__(self, parser: Any, *args: Any) -> None:
            print(f"{parser.prog}: {old} is deprecated: use {new}", file=sys.stderr)
            super().__call__(parser, *args)

    choices: dict[str, Any] = {} if action.choices is None else {"choices": action.choices}
    parser.add_argument(old, action=_Old, dest=action.dest, help=argparse.SUPPRESS, **choices)


def add_lookahead(parser: argparse.ArgumentParser) -> None:
    """Add ``--lookahead``."""
    parser.add_argument(
        "--lookahead",
        type=int,
        choices=(0, 1),
        default=0,
        help="1 waits for the next RR interval and uses it (default: 0)",
    )


def add_method(parser: argparse.ArgumentParser) -> None:
    """Add ``--method``."""
    text = (
        "how R peaks are found: neural (default) is the most robust on recordings of other "
        "hospitals and devices, small complexes, pacing and pauses; adaptive takes a tenth of the "
        "time; pan-tompkins is the fastest"
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help=text)


def add_labelling(parser: argparse.ArgumentParser) -> None:
    """Add what decides how the beats of a signal are found and labelled."""
    add_model(parser)
    add_lookahead(parser)
    add_decision(parser)
    add_method(parser)
    add_signal(parser)
    add_average_leads(parser)


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add ``--sensitivity``, ``--positive-predictivity`` and ``--reject``."""
    for by, what in (
        ("sensitivity", "share of a class's beats to find"),
        ("positive-predictivity", "share of the beats labelled with a class that are right"),
    ):
        parser.add_argument(
            f"--{by}",
            type=_levels,
            default={},
            metavar="CLASS=SHARE,...",
            help=f"{what}, such as V=0.95: the class's threshold is the one that reached it in "
            "cross-validation over the model's training patients (default: the most probable "
            "class is reported)",
        )
    parser.add_argument(
        "--reject",
        type=float,
        default=0.0,
        metavar="SHARE",
        help=f"label at most this share of beats, the least certain ones, {REJECTED} instead of a "
        "class; the threshold is likewise from cross-validation (default: 0)",
    )


def _levels(text: str) -> dict[str, float]:
    levels: dict[str, float] = {}
    for part in text.split(","):
        label, _, level = part.strip().rpartition("=")
        try:
            levels[label] = float(level)
        except ValueError:
            label = ""
        if not label:
            raise argparse.ArgumentTypeError(f"{text!r} is no list such as V=0.95,S=0.8")
    return levels


def add_records(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, one or several, and ``--summary``."""
    parser.add_argument(
        "record",
        nargs="+",
        metavar="RECORD",
        help="WFDB record, or a file such as .edf, .csv or .npz; several of them; a folder, which "
        "is searched with its subfolders; or a quoted pattern such as 'mitdb/2*' or "
        "'data/**/*.edf'. With several recordings --output is a folder with a file for each, and "
        "one that fails does not stop the others",
    )
    parser.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help="with several recordings: the table of all of them, .csv or .json (default: "
        "summary.csv beside their files)",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder that holds the databases, such as mitdb/ (default: ECGFAST_DATA)",
    )


def data_folder(args: argparse.Namespace) -> Path:
    """The folder of ``--data`` or of the environment variable ECGFAST_DATA.

    Raises
    ------
    UsageError
        If neither is given.
    """
    given = args.data or os.environ.get("ECGFAST_DATA")
    if not given:
        raise UsageError("give the folder of the recordings with --data or ECGFAST_DATA")
    return Path(given)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")
