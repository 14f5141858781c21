"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import InputError
from ..runtime.decision import REJECTED, Decision
from .errors import UsageError

if TYPE_CHECKING:
    from ..reports import Tally
    from ..rhythm import RhythmStream
    from ..runtime import Classifier
    from ..streaming import Beat, ChunkSource, StreamingClassifier

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
    "add_output",
    "add_records",
    "add_signal",
    "add_strict",
    "check_annotator",
    "check_detection",
    "classifier_for",
    "data_folder",
    "decision_for",
    "example",
    "extension",
    "file_stem",
    "is_or_will_be_folder",
    "labeller_for",
    "lead_list",
    "lead_list_or_all",
    "lead_list_text",
    "make_folder",
    "name_list",
    "output_file",
    "refuse_options",
    "rhythm_for",
    "seconds",
]

#: Model that labels beats where no other is named.
DEFAULT_MODEL = "beats"

Method: TypeAlias = Literal["neural", "adaptive", "pan-tompkins"]

#: What `add_decision` adds, as names of the parsed arguments.
DECISION_OPTIONS = ("sensitivity", "positive_predictivity", "reject")

# Extensions that name a format.
_FORMAT_OF = {".csv": "csv", ".json": "json"}

_FORMATS = ("atr", "csv", "json")

# Bytes of a file name that is made up, at most: systems take 255.
_NAME_MAX = 200

# Extensions that WFDB programs and databases give to annotation files of beats.
_ANNOTATORS = (
    ".ann .ari .atr .beat .beats .ecg .eqrs .gqrs .jqrs .man .qrs .qrsc .reviewed .wqrs .xqrs"
)

# A sampling rate, Hz, within the detector's limits at every highest heart rate that it takes.
_ANY_FS = 1000.0

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
        help="sampling rate, where the source does not carry it",
    )
    parser.add_argument(
        "--leads",
        type=lead_list,
        metavar="NAME,...",
        help="leads to use, by name or column from 0 (default: every ECG lead); all serve the "
        "detection, the first two are classified",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="read files outside the recording's folder, where its header names such",
    )


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Add ``--strict``."""
    parser.add_argument(
        "--strict", action="store_true", help="end with status 3 where no beat is found"
    )


def add_average_leads(parser: argparse.ArgumentParser) -> None:
    """Add ``--average-leads`` and ``--no-average-leads``."""
    parser.add_argument(
        "--average-leads",
        action=argparse.BooleanOptionalAction,
        help="classify every lead and average what the model says; --no-average-leads classifies "
        "the first alone (default: the first two, where there are two and the model labels beats)",
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
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|FILE",
        help="a built-in model (see `ecgfast models`) or a .tflite file with its card beside it; "
        f"none labels no beats (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--precision",
        help="file of the model to run: float32, int8, or fastest, which the model's card names "
        "for the runtime in use (default: float32)",
    )
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


def add_method(parser: argparse.ArgumentParser, *, classes: bool) -> None:
    """Add ``--method``.

    Parameters
    ----------
    parser : ArgumentParser
    classes : bool
        Whether the command labels beats too.
    """
    text = (
        "how R peaks are found: neural (default) is the most robust on recordings of other "
        "hospitals and devices, small complexes, pacing and pauses; adaptive takes a sixth of the "
        "time; pan-tompkins is the fastest"
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help=text)


def check_detection(*, max_delay: float | None = None, max_rate: float | None = None) -> None:
    """Refuse values of ``--max-delay`` and ``--max-rate`` that fit no recording.

    Parameters
    ----------
    max_delay : float, optional
        Seconds from an R peak to its report.
    max_rate : float, optional
        Highest heart rate, beats a minute.

    Raises
    ------
    UsageError
        If the detector does not take them.
    """
    from ..core import QRSDetector

    try:
        QRSDetector(_ANY_FS, max_delay=max_delay, max_rate=max_rate)
    except InputError as error:
        raise UsageError(str(error)) from None


def add_labelling(parser: argparse.ArgumentParser) -> None:
    """Add what decides how the beats of a signal are found and labelled."""
    add_model(parser)
    add_lookahead(parser)
    add_decision(parser)
    add_method(parser, classes=True)
    add_signal(parser)
    add_average_leads(parser)


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
            "class is reported)",
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
        text = str(error)
        for option in DECISION_OPTIONS:
            words = option.replace("_", " ")
            if text.startswith(words):
                text = f"--{option.replace('_', '-')}{text.removeprefix(words)}"
        raise UsageError(text) from None


class _Output(argparse.Action):
    """Stores a path, and whether it was written as a folder, with a separator at its end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        separators = tuple(filter(None, (os.sep, os.altsep)))
        setattr(namespace, self.dest, Path(values).expanduser())
        namespace.output_is_folder = values.endswith(separators)


def add_output(parser: argparse.ArgumentParser, annotator: str) -> None:
    """Add ``--output`` and ``--format``.

    Parameters
    ----------
    parser : ArgumentParser
    annotator : str
        Extension of a WFDB annotation file whose name is made up.
    """
    parser.set_defaults(output_is_folder=False)
    parser.add_argument(
        "--output",
        action=_Output,
        metavar="PATH",
        help=f"file to write (.csv, .json, or an annotation file such as .{annotator}), or a "
        f"folder to write RECORD.{annotator} into; folders are made (default: the current folder); "
        "with /dev/stdout the summary goes to standard error",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="atr is a WFDB annotation file (default: by the extension of --output, else atr)",
    )


def add_records(parser: argparse.ArgumentParser) -> None:
    """Add the recordings, one or several, and ``--summary``."""
    parser.add_argument(
        "record",
        nargs="+",
        metavar="RECORD",
        help="WFDB record, or a file such as .edf, .csv or .npz; several of them; a folder, which "
        "is searched with the folders in it; or a quoted pattern such as 'mitdb/2*' or "
        "'data/**/*.edf'. With several recordings --output is a folder for a file of each, and a "
        "recording that fails stops no other",
    )
    parser.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help="with several recordings: the table of all of them, .csv or .json (default: "
        "summary.csv beside their files)",
    )


def classifier_for(args: argparse.Namespace) -> Classifier:
    """The model that ``--model`` and ``--precision`` ask for.

    Parameters
    ----------
    args : argparse.Namespace

    Raises
    ------
    ModelError
        If it cannot be used.
    MissingRuntimeError
        If it needs a runtime, and none is installed.
    """
    from ..runtime import Classifier

    return Classifier(args.model, precision=args.precision)


def labeller_for(
    source: ChunkSource,
    args: argparse.Namespace,
    decision: Decision | None = None,
    *,
    classifier: Classifier | None = None,
    average_leads: bool | None = None,
    method: Method = METHODS[0],
    max_delay: float | None = None,
) -> StreamingClassifier:
    """The stream and model that ``--model``, ``--precision`` and ``--lookahead`` ask for.

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    from ..streaming import StreamingClassifier

    return StreamingClassifier(
        classifier_for(args) if classifier is None else classifier,
        source.fs,
        n_leads=len(source.leads),
        average_leads=average_leads,
        lookahead=args.lookahead,
        method=method,
        max_delay=max_delay,
        decision=decision,
    )


def rhythm_for(
    labeller: StreamingClassifier, thresholds: Mapping[str, Any] | None = None
) -> RhythmStream | None:
    """What finds the rhythm events of a labelled stream; None where the model gives no classes."""
    from ..rhythm import RhythmStream

    if labeller.classifier.output == "value":
        return None
    stream = labeller.stream
    return RhythmStream(
        stream.fs, n_leads=stream.n_leads, delay=stream.delay / stream.fs, **(thresholds or {})
    )


def counted_beats(
    chunks: Iterable[Any], labeller: StreamingClassifier, tally: Tally
) -> Iterator[Beat]:
    """The beats as they come, each counted, and the rhythm events among them; none is kept."""
    rhythm = rhythm_for(labeller)
    for chunk in chunks:
        beats = labeller.process(chunk)
        tally.add(beats)
        if rhythm is not None:
            tally.events(rhythm.process(beats, chunk), rhythm.longest_rr)
        yield from beats
    beats = labeller.flush()
    tally.add(beats)
    if rhythm is not None:
        tally.events([*rhythm.process(beats), *rhythm.flush()], rhythm.longest_rr)
    yield from beats


def output_file(
    output: Path | None,
    file_format: str | None,
    name: str,
    annotator: str,
    *,
    is_folder: bool = False,
) -> tuple[Path, str]:
    """Where to write, and in which format.

    Parameters
    ----------
    output : path or None
        What the user gave: a file, a folder, or nothing for the current folder. What is not there
        and has no extension is a folder to be made.
    file_format : {"atr", "csv", "json"} or None
        What the user gave; None goes by the file's extension.
    name : str
        The recording's name, for a file name that is made up.
    annotator : str
        Extension of a WFDB annotation file whose name is made up.
    is_folder : bool
        Whether the user wrote a separator at the end.

    Returns
    -------
    path, str
        The file and its format.

    Raises
    ------
    UsageError
        If extension and format contradict each other, or the extension names no format.
    """
    if output is None or is_folder or is_or_will_be_folder(output):
        file_format = file_format or "atr"
        return (
            output or Path()
        ) / f"{file_stem(name)}.{extension(file_format, annotator)}", file_format
    by_name = _FORMAT_OF.get(output.suffix.lower())
    if file_format == "atr" and by_name is not None:
        raise UsageError(f"--output {output}: {output.suffix} is no extension for --format atr")
    file_format = file_format or by_name
    if file_format is None:
        others = ", .csv or .json (--format atr takes any other extension of letters)"
        check_annotator(output, annotator, others)
        file_format = "atr"
    elif file_format == "atr" and not output.suffix[1:].isalpha():
        raise UsageError(
            f"--output {output}: an annotation file needs an extension of letters, such as "
            f".{annotator}"
        )
    return output, file_format


def is_or_will_be_folder(path: Path) -> bool:
    """Whether an output is a folder, or is to be made as one: a new name without extension."""
    return path.is_dir() or not (path.suffix or os.path.lexists(path))


def make_folder(folder: Path) -> None:
    """Make the folder of an output, with those above it.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); check --output") from None


def file_stem(name: str) -> str:
    """A recording's name as one of a file that every system takes."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return stem.encode()[:_NAME_MAX].decode(errors="ignore") or "record"


def extension(file_format: str, annotator: str) -> str:
    """Extension of a file whose name is made up."""
    return annotator if file_format == "atr" else file_format


def check_annotator(output: Path, annotator: str, others: str = "") -> None:
    """Refuse a file that an annotation file would not be expected in.

    Parameters
    ----------
    output : Path
    annotator : str
        A usual extension, for the message.
    others : str
        What else the command writes, for the message.

    Raises
    ------
    UsageError
        If its extension is no usual name of an annotator.
    """
    if output.suffix.lower() in _ANNOTATORS.split():
        return
    what = output.suffix or output.name
    raise UsageError(
        f"--output {output}: {what} names no output of this command; give an annotation file such "
        f"as {output.stem or 'record'}.{annotator}{others}"
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
