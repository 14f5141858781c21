"""What several commands share: arguments, where output goes, progress, JSON on standard output."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..decision import REJECTED, Decision
from ..errors import EcgfastError, InputError
from ..printable import PrintableStream
from .process import Terminated, reserve_standard_streams, terminations

if TYPE_CHECKING:
    from ..reports import Tally
    from ..runtime import Classifier
    from ..streaming import Beat, BeatLabeller, ChunkSource

__all__ = [
    "EXIT_USAGE",
    "UsageError",
    "add_average_leads",
    "add_data",
    "add_decision",
    "add_json",
    "add_lookahead",
    "add_model",
    "add_output",
    "add_signal",
    "as_json",
    "beat_heading",
    "beat_line",
    "beat_row",
    "data_folder",
    "decision_for",
    "example",
    "guarded",
    "labeller_for",
    "number_text",
    "output_file",
    "pace",
    "print_json",
    "progress",
    "promise_text",
    "tally_for",
]

T = TypeVar("T")

#: Extensions that name a format; every other one is a WFDB annotator's name.
_FORMAT_OF = {".csv": "csv", ".json": "json"}
_FORMATS = ("atr", "csv", "json")


EXIT_FAILURE, EXIT_USAGE, EXIT_SIGNAL, EXIT_PIPE = 1, 2, 128, 141


class UsageError(Exception):
    """Wrong use that argparse cannot see; the command ends with status 2."""


def guarded(work: Callable[[], int], program: str, *, debug: bool) -> int:
    """Do a command's work; whatever goes wrong becomes one line and an exit status.

    Parameters
    ----------
    work : callable
        Returns the exit status.
    program : str
        What to call the program in messages.
    debug : bool
        Show the traceback too.

    Returns
    -------
    int
        Exit status of the process.
    """
    reserve_standard_streams()
    if sys.stdout is None:
        _say(f"{program}: standard output is closed; send it to a file, or to {os.devnull}")
        return EXIT_FAILURE
    with _printable_output():
        return _guarded(work, program, debug=debug)


@contextmanager
def _printable_output() -> Iterator[None]:
    """Have everything that is printed, also by libraries, pass `PrintableStream`."""
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            continue
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows "?"
            stream.reconfigure(errors="replace")
        setattr(sys, name, PrintableStream(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _guarded(work: Callable[[], int], program: str, *, debug: bool) -> int:
    try:
        with terminations():
            status = work()
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _give_up_output()
        return EXIT_PIPE
    except KeyboardInterrupt as error:
        if debug:
            _say(traceback.format_exc())
        _give_up_output()
        return EXIT_SIGNAL + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    except Exception as error:
        if debug:
            _say(traceback.format_exc())
        where = "standard output: " if isinstance(error, OSError) and _output_fails() else ""
        _say(f"{program}: {where}{_one_line(error)}")
        if _output_fails():
            _give_up_output()
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE


def _say(text: str) -> None:
    """Print on standard error, if anybody reads it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _output_fails() -> bool:
    """Whether what was printed cannot be written, such as on a full disk."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def _give_up_output() -> None:
    """Python flushes once more at exit, where nobody may read: let that go nowhere."""
    with suppress(OSError, ValueError):  # not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _one_line(error: Exception) -> str:
    """What went wrong, as one line."""
    text = " ".join(str(error).split())
    if isinstance(error, (EcgfastError, UsageError)):
        return _as_options(text)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return f"unexpected {type(error).__name__}: {text} (run again with --debug and report it)"


# Parameters that messages of the package name as Python spells them, and options spell otherwise.
_PARAMETER = re.compile(r"\b(fs|leads|follow)=(True\b)?('[^']*'|[^\s,;:)]+)?")


def _as_options(text: str) -> str:
    """Spell parameters in a message as the command line does: ``fs=360`` as ``--fs 360``."""
    return _PARAMETER.sub(lambda m: f"--{m[1]}" + (f" {m[3]}" if m[3] else ""), text)


def example(command: str) -> str:
    """Epilog of a command's help: one example."""
    return f"example:\n  {command}"


def add_signal(parser: argparse.ArgumentParser) -> None:
    """Add ``--fs``, ``--leads`` and ``--follow``."""
    parser.add_argument(
        "--fs", type=float, metavar="HZ", help="sampling rate, where the source does not carry it"
    )
    parser.add_argument(
        "--leads",
        type=_leads,
        metavar="NAME,...",
        help="leads to use, by name or column from 0 (default: every ECG lead); all serve the "
        "detection, the first is classified",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="read files outside the recording's folder, where its header names such",
    )


def add_average_leads(parser: argparse.ArgumentParser) -> None:
    """Add ``--average-leads``."""
    parser.add_argument(
        "--average-leads",
        action="store_true",
        help="classify each lead, not only the first, and average what the model says",
    )


def _leads(text: str) -> list[str | int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of leads such as MLII,V1 or 0,1")
    return [int(part) if part.lstrip("-").isdecimal() else part for part in parts]


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` and ``--form``."""
    parser.add_argument(
        "--model",
        default="beats",
        metavar="NAME|FILE",
        help="a built-in model (see `ecgfast models`) or a .tflite file with its card beside it "
        "(default: beats)",
    )
    parser.add_argument(
        "--form",
        metavar="FORM",
        help="file of the model to run: float32, int8, or fastest, which the model's card names "
        "for the runtime in use (default: float32)",
    )


def add_lookahead(parser: argparse.ArgumentParser) -> None:
    """Add ``--lookahead``."""
    parser.add_argument(
        "--lookahead",
        type=int,
        choices=(0, 1),
        default=0,
        help="1 waits for the next RR interval and uses it (default: 0)",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add ``--sensitivity``, ``--positive-predictivity`` and ``--reject``."""
    for by, what in (
        ("sensitivity", "find this share of a class's beats"),
        ("positive-predictivity", "have this share of the beats called so right"),
    ):
        parser.add_argument(
            f"--{by}",
            type=_levels,
            default={},
            metavar="CLASS=SHARE,...",
            help=f"{what}, such as V=0.95: the class's threshold is the one that reached it in "
            "cross-validation over the model's training patients (default: the most probable "
            "class is told)",
        )
    parser.add_argument(
        "--reject",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="give at most this share of beats, the least sure ones, no class but the label "
        f"{REJECTED}, likewise by cross-validation (default: 0)",
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


def decision_for(args: argparse.Namespace) -> Decision:
    """What ``--sensitivity``, ``--positive-predictivity`` and ``--reject`` ask for.

    Raises
    ------
    UsageError
        If a figure is no share, or a class is given twice.
    """
    try:
        return Decision(args.sensitivity, args.positive_predictivity, args.reject)
    except InputError as error:
        raise UsageError(str(error)) from None


def number_text(value: float, digits: int) -> str:
    """A figure, or a dash where it is not defined."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else "-"


def promise_text(promise: Mapping[str, Any]) -> str:
    """What cross-validation says of a threshold, in words; 95 % intervals over patients."""
    share = {name: f"{100 * x:.1f} %" for name, x in promise.items() if isinstance(x, float)}
    for name, interval in promise.get("intervals_95", {}).items():
        share[name] += f" [{', '.join(f'{100 * x:.1f}' for x in interval)}]"
    if promise["by"] == "reject":
        return (
            f"{REJECTED} below {share['threshold']}: {share['coverage']} of beats kept, "
            f"{share['accuracy']} of them right"
        )
    return (
        f"{promise['class']} from {share['threshold']} on: sensitivity {share['sensitivity']}, "
        f"positive predictivity {share['positive_predictivity']}"
    )


def add_output(parser: argparse.ArgumentParser, annotator: str) -> None:
    """Add ``--output`` and ``--format``.

    Parameters
    ----------
    parser : ArgumentParser
    annotator : str
        Extension of a WFDB annotation file whose name is made up.
    """
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help=f"file to write, or a folder to write RECORD.{annotator} into "
        f"(default: RECORD.{annotator} in the current folder); with /dev/stdout the summary goes "
        "to standard error",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="atr is a WFDB annotation file (default: by the extension of --output, else atr)",
    )


def labeller_for(
    source: ChunkSource,
    args: argparse.Namespace,
    decision: Decision | None = None,
    *,
    average_leads: bool = False,
) -> BeatLabeller:
    """The stream and model that ``--model``, ``--form`` and ``--lookahead`` ask for.

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    from ..runtime import Classifier
    from ..streaming import BeatLabeller

    classifier = Classifier(args.model, form=args.form)
    return BeatLabeller(
        classifier,
        source.fs,
        leads=len(source.leads),
        average_leads=average_leads,
        lookahead=args.lookahead,
        decision=decision,
    )


def tally_for(classifier: Classifier) -> Tally:
    """An empty count of what this model says of beats."""
    from ..reports import Tally

    card = classifier.card
    if card is not None and card.output == "value":
        return Tally(unit=card.unit)
    return Tally(classifier.classes)


def beat_row(beat: Beat) -> dict[str, Any]:
    """Everything about a beat, for JSON."""
    return {
        "sample": beat.sample,
        "time": beat.time,
        "label": beat.label,
        "probability": beat.probability,
        "probabilities": dict(beat.probabilities),
        "rr": beat.rr,
        "heart_rate": beat.heart_rate,
        "quality": int(beat.quality),
        **({"values": dict(beat.values)} if beat.values else {}),
    }


def beat_heading(classifier: Classifier) -> str:
    """The heading of the columns of `beat_line`, for the beats of this model."""
    if classifier.card is not None and classifier.card.output == "value":
        told = "  ".join(f"{name:>8}" for name in classifier.classes)
    else:
        told = f"{'class':^{_width(classifier.classes)}}  probability"
    return f"     time  {told}     RR   rate  signal"


def beat_line(beat: Beat) -> str:
    """A beat as a line of a table."""
    from ..reports.page import quality_text

    rr = f"{beat.rr:5.3f} s" if math.isfinite(beat.rr) else ""
    rate = f"{beat.heart_rate:3.0f}" if math.isfinite(beat.heart_rate) else ""
    told = "  ".join(f"{value:{max(len(name), 8)}.1f}" for name, value in beat.values.items())
    if not beat.values:
        told = f"{beat.label:^{_width(beat.probabilities)}}  {100 * beat.probability:9.1f} %"
    line = f"{beat.time:8.3f}s  {told}  {rr:>7}  {rate:>4}  {quality_text(beat.quality)}"
    return line.rstrip()


def _width(labels: Iterable[str]) -> int:
    """Columns that a model's longest label takes."""
    return max(len("class"), *map(len, labels))


def pace(duration: float, wall: float) -> str:
    """How fast a recording was worked through, in words."""
    return f"{wall:.2f} s, {duration / wall:,.0f} times real time"


def output_file(
    output: Path | None, form: str | None, name: str, annotator: str
) -> tuple[Path, str]:
    """Where to write, and in which format.

    Parameters
    ----------
    output : path or None
        What the user gave: a file, a folder, or nothing for the current folder.
    form : {"atr", "csv", "json"} or None
        What the user gave; None goes by the file's extension.
    name : str
        The recording's name, for a file name that is made up.
    annotator : str
        Extension of a WFDB annotation file whose name is made up.

    Returns
    -------
    path, str
        The file and its format.

    Raises
    ------
    UsageError
        If extension and format contradict each other, or the folder is not there.
    """
    if output is None or output.is_dir():
        form = form or "atr"
        stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in name) or "record"
        file = (output or Path()) / f"{stem}.{annotator if form == 'atr' else form}"
    else:
        file = output
        by_name = _FORMAT_OF.get(file.suffix.lower(), "atr")
        form = form or by_name
        if form == "atr" and by_name != "atr":
            raise UsageError(f"--output {file}: {file.suffix} is no extension for --format atr")
    if not file.parent.is_dir():
        raise UsageError(f"--output {file}: there is no folder {file.parent}; make it first")
    if form == "atr" and not file.suffix[1:].isalpha():
        raise UsageError(
            f"--output {file}: an annotation file needs an extension of letters, "
            f"such as .{annotator}; for a folder, make it first"
        )
    return file, form


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


def as_json(value: Any) -> Any:
    """Make `value` fit for JSON: NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print `value` as JSON on standard output."""
    print(json.dumps(as_json(value), indent=indent, ensure_ascii=False, allow_nan=False))


def progress(items: Iterable[T], *, total: float | None, what: str, unit: str) -> Iterator[T]:
    """Yield `items`, with a bar on standard error where that is a terminal.

    Parameters
    ----------
    items : iterable
        One step each.
    total : float or None
        Number of steps, where known.
    what, unit : str
        What is going on, and what a step is.
    """
    if not sys.stderr.isatty() or find_spec("tqdm") is None:
        yield from items
        return
    from tqdm import tqdm

    # The bar moves the cursor itself, on the stream behind the one that allows no such thing.
    screen = getattr(sys.stderr, "stream", sys.stderr)
    bar = tqdm(items, total=total, desc=what, unit=unit, leave=False, delay=0.5, file=screen)
    yield from bar
