"""One recording or many, by one command: what each takes, and the table of all."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from .._files import whole_file, write_whole
from ..errors import ModelError, NotBuiltError, RecordError
from ..printable import counted, printable
from ..records.finding import Finding, find_recordings, record_files
from ..records.writers import no_formula
from ..reports.words import length
from .errors import SomeFailedError, UsageError, failure_line, report_nothing, warn_nothing
from .output import as_json, failed_text, notice, pace, print_json, progress
from .output_path import extension, file_stem, is_or_will_be_folder, make_folder, output_file
from .overwriting import (
    ANNOTATIONS,
    CARD,
    DATA_SET,
    RUN_FILE,
    SCORE,
    FileKind,
    OutputGuard,
    csv_kind,
    json_kind,
    output_option,
    summary_beside,
)

__all__ = ["Place", "Result", "Work", "is_result", "run_each"]

_SUMMARY = "summary"

# Columns that every table of recordings has, before and after those of the command.
_FIRST = ("record", "file", "error", "fs", "duration", "leads")
_LAST = ("output",)

_SUMMARIES = {
    ".csv": csv_kind("a summary of ecgfast", _FIRST, more=True),
    ".json": json_kind("a summary of ecgfast", "recordings", "failed", "left_out"),
}

# What the commands write under extensions that recordings have too.
_RESULTS = {
    ".csv": (csv_kind("a table of beats", ("sample", "time"), more=True), _SUMMARIES[".csv"]),
    ".json": (json_kind("a result", "record", "fs", "beats"), _SUMMARIES[".json"], CARD, SCORE),
    ".ecg": (ANNOTATIONS,),
    ".npz": (DATA_SET, RUN_FILE),
}

# Columns that a recording's name takes in the printed table, at most.
_NAME_WIDTH = 40

# Recordings without beats, and files left out, that a message names.
_NAMED = 5

#: Says where a recording of this name is written, and in which format, and checks it.
Place = Callable[[str], tuple[Path, str]]


@dataclass(frozen=True)
class Result:
    """What a command found in one recording.

    Attributes
    ----------
    name : str
        The recording's own name.
    beats : int
        How many beats.
    fs, duration : float
        Sampling rate in Hz, length in seconds.
    leads : sequence of str
        Leads in use.
    file : Path
        What was written.
    facts : mapping
        All of it, for JSON.
    lines : sequence of str
        All of it, for people.
    figures : mapping
        One row of the table of several recordings: numbers and short texts by name.
    cells : sequence of str
        What the printed table shows, under the command's `Work.heads`.
    """

    name: str
    beats: int
    fs: float
    duration: float
    leads: Sequence[str]
    file: Path
    facts: Mapping[str, Any]
    lines: Sequence[str]
    figures: Mapping[str, Any]
    cells: Sequence[str]


class Work(Protocol):
    """What a command does with each recording."""

    #: Extension of an annotation file whose name is made up.
    annotator: str
    #: What it writes, by format.
    kinds: Mapping[str, FileKind]

    @property
    def heads(self) -> Sequence[str]:
        """Headings of `Result.cells`, each as wide as its column."""

    @property
    def cautions(self) -> Sequence[str]:
        """What keeps the figures of every recording from being believed."""

    def __call__(self, path: Path, place: Place, *, what: str, bar: bool) -> Result:
        """Work through one recording; `what` and `bar` are of its progress bar."""


def run_each(args: argparse.Namespace, work: Work, inputs: Iterable[Path] = ()) -> None:
    """Do a command's work on every recording that was named, and print what was found.

    Parameters
    ----------
    args : Namespace
        As `add_records`, `add_output`, `add_force`, `add_strict` and `add_json` leave it.
    work : Work
    inputs : iterable of Path
        Further files that no output may replace.

    Raises
    ------
    EcgfastError, UsageError
        With one recording: what went wrong.
    SomeFailedError
        With several: after the others were worked through, if some could not be.
    NothingFoundError
        If there is a recording without a beat and ``--strict`` asks for some.
    """
    found = find_recordings(args.record, is_output=is_result)
    if found.several:
        _run_several(args, work, found, list(inputs))
        return
    if args.summary is not None:
        raise UsageError("--summary goes with several recordings, a folder or a pattern")
    path = found.recordings[0]
    guard = OutputGuard([*record_files(path), *inputs], force=args.force)

    def place(name: str) -> tuple[Path, str]:
        if args.output is not None:
            guard.check_input(args.output)
        file, file_format = output_file(
            args.output, args.format, name, work.annotator, is_folder=args.output_is_folder
        )
        guard.check(file, work.kinds[file_format], output_option(args))
        return file, file_format

    result = work(path, place, what=path.name, bar=True)
    guard.report()
    with summary_beside(result.file):
        if args.json:
            print_json(dict(result.facts))
        else:
            print("\n".join(result.lines))
    report_nothing(result.beats, path, args)


def is_result(path: Path) -> bool:
    """Whether a file in a folder of recordings is what an earlier command made of them.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    kinds = _RESULTS.get(path.suffix.lower(), ())
    try:
        return any(kind.is_ours(path) for kind in kinds)
    except OSError:  # what cannot be read is not known
        return False


# ------------------------------------------------------------------ several recordings


@contextmanager
def told_if_interrupted(done: Callable[[], int], total: int, last: Path) -> Iterator[None]:
    """Say on an interrupt what of several recordings is done, and what was not written.

    Parameters
    ----------
    done : callable
        How many recordings were worked through.
    total : int
        How many there are.
    last : Path
        What is written after all of them.
    """
    try:
        yield
    except KeyboardInterrupt:
        notice(
            f"ecgfast: interrupted: {done()} of {total} recordings are done, and what was written "
            f"of them is whole; {last} was not written"
        )
        raise


@dataclass
class _Count:
    """What came of several recordings."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    beats: int = 0
    seconds: float = 0.0
    failed: int = 0
    replaced: int = 0
    empty: list[str] = field(default_factory=list)

    def fail(self, name: str, path: str, error: str) -> None:
        """Count a recording that could not be worked through."""
        self.failed += 1
        self.rows.append({"record": name, "file": path, "error": error})
        self.facts.append({"record": name, "file": path, "error": error})

    def add(self, name: str, path: str, result: Result) -> None:
        """Count a recording."""
        self.beats += result.beats
        self.seconds += result.duration
        if not result.beats:
            self.empty.append(name)
        self.rows.append(
            {
                "record": name,
                "file": path,
                "error": "",
                "fs": result.fs,
                "duration": round(result.duration, 6),
                "leads": " ".join(result.leads),
                **result.figures,
                "output": str(result.file),
            }
        )
        self.facts.append({**result.facts, "record": name, "file": path})


def _run_several(args: argparse.Namespace, work: Work, found: Finding, inputs: list[Path]) -> None:
    begin = perf_counter()
    folder = _folder(args)
    if not found.recordings:
        raise RecordError("; ".join(f"{name}: {why}" for name, why in found.problems))
    summary = args.summary or folder / f"{_SUMMARY}.csv"
    guard = OutputGuard(
        [file for path in found.recordings for file in record_files(path)] + inputs,
        force=args.force,
    )
    guard.check(summary, _summary_kind(summary), "--summary" if args.summary else "summary")
    file_format = args.format or "atr"
    files = _files(found.names, folder, extension(file_format, work.annotator))
    names = [printable(name) for name in found.names]
    width = min(max(len("recording"), *map(len, names)), _NAME_WIDTH)
    count = _Count()
    for name, why in found.problems:
        count.fail(printable(name), printable(name), why)
        notice(f"ecgfast: {name}: {why}")
    # Where lines are printed as recordings are done, these show how far it is.
    as_lines = not args.json
    one_bar = args.json or not sys.stdout.isatty()
    if as_lines:
        print("  ".join(["recording".ljust(width), "    length", "    beats", *work.heads]))
    steps: Iterator[tuple[int, Path]] = enumerate(found.recordings)
    if one_bar:
        steps = progress(steps, total=len(names), what="recordings", unit="recording")
    with told_if_interrupted(lambda: len(count.rows) - len(found.problems), len(names), summary):
        for i, path in steps:

            def place(name: str, file: Path = files[i]) -> tuple[Path, str]:
                count.replaced += guard.check(file, work.kinds[file_format], "output", quiet=True)
                return file, file_format

            try:
                what = f"{i + 1}/{len(names)} {names[i]}"
                result = work(path, place, what=what, bar=not one_bar)
            except (BrokenPipeError, ModelError, NotBuiltError):  # the same for every recording
                raise
            except Exception as error:
                line = failure_line(error)
                count.fail(names[i], printable(str(path)), line)
                if args.debug:
                    notice(traceback.format_exc())
                notice(f"ecgfast: {line}" if names[i] in line else f"ecgfast: {names[i]}: {line}")
                continue
            count.add(names[i], printable(str(path)), result)
            if as_lines:
                shown = names[i] if len(names[i]) <= width else f"…{names[i][1 - width :]}"
                cells = [shown.ljust(width), f"{length(result.duration):>10}", f"{result.beats:9,}"]
                notice("  ".join([*cells, *result.cells]).rstrip(), file=sys.stdout)
    _write_summary(summary, count, found)
    guard.report()
    if count.replaced:
        are = "was" if count.replaced == 1 else "were"
        notice(f"ecgfast: {counted(count.replaced, 'file')} of earlier runs {are} replaced")
    _print_end(args, count, found, summary, perf_counter() - begin, work.cautions)
    _end(args, count, len(names) + len(found.problems))


def _folder(args: argparse.Namespace) -> Path:
    """The folder of ``--output``."""
    output: Path | None = args.output
    if output is None:
        return Path()
    if not args.output_is_folder and not is_or_will_be_folder(output):
        raise UsageError(
            f"--output {output}: names a file; with several recordings give a folder, for a file "
            "of each, and --summary FILE for one table of all"
        )
    return output


def _summary_kind(summary: Path) -> FileKind:
    kind = _SUMMARIES.get(summary.suffix.lower())
    if kind is None:
        raise UsageError(f"--summary {summary}: give a .csv or a .json file")
    return kind


def _files(names: Sequence[str], folder: Path, suffix: str) -> list[Path]:
    """A file for each recording, in folders as the recordings are; no two the same."""
    taken = {_key(folder / f"{_SUMMARY}.csv")}
    files = []
    for name in names:
        *above, last = Path(name).parts
        home = folder.joinpath(*(_folder_name(part) for part in above))
        stem = file_stem(Path(last).stem if Path(last).suffix else last)
        choices = [stem, file_stem(last), *(f"{stem}-{i}" for i in range(2, len(names) + 2))]
        options = (home / f"{choice}.{suffix}" for choice in choices)
        file = next(path for path in options if _key(path) not in taken)
        taken.add(_key(file))
        files.append(file)
    return files


def _key(path: Path) -> str:
    """The same for names that differ in case alone: they are one file on some systems."""
    return str(path).casefold()


def _folder_name(part: str) -> str:
    """A folder's name as every system takes it."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in part)
    return kept if kept.strip(".") else "_"


def _write_summary(path: Path, count: _Count, found: Finding) -> None:
    make_folder(path.parent)
    if path.suffix.lower() == ".json":
        content = json.dumps(as_json(_told(count, found)), indent=2, ensure_ascii=False)
        write_whole(path, f"{content}\n")
        return
    middle = dict.fromkeys(key for row in count.rows for key in row if key not in (*_FIRST, *_LAST))
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.DictWriter(text, (*_FIRST, *middle, *_LAST), lineterminator="\n")
        table.writeheader()
        for row in count.rows:
            table.writerow({key: _cell(value) for key, value in row.items()})
        text.detach()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else ""
    return no_formula(value)


def _told(count: _Count, found: Finding) -> dict[str, Any]:
    return {
        "recordings": count.facts,
        "failed": count.failed,
        "without_beats": count.empty,
        "left_out": {printable(str(path)): why for path, why in found.left_out},
    }


def _print_end(
    args: argparse.Namespace,
    count: _Count,
    found: Finding,
    summary: Path,
    wall: float,
    cautions: Sequence[str],
) -> None:
    if args.json:
        facts = {**_told(count, found), "summary": str(summary), "wall_s": wall}
        print_json({**facts, **({"cautions": list(cautions)} if cautions else {})})
        return
    done = len(count.rows) - count.failed
    failed = f", {count.failed} failed" if count.failed else ""
    beats = counted(count.beats, "beat")
    print(f"\nrecordings  {done}{failed}, {beats} in {length(count.seconds)}")
    if found.left_out:
        shown = ", ".join(path.name for path, _ in found.left_out[:_NAMED])
        more = len(found.left_out) - _NAMED
        print(f"left out    {shown}{f' and {more} more files' if more > 0 else ''}")
    print(f"time        {pace(count.seconds, wall)}")
    for text in cautions:
        print(f"caution     {text}")
    print(f"summary     {summary}")


def _end(args: argparse.Namespace, count: _Count, total: int) -> None:
    """What the exit status says."""
    empty = ""
    if count.empty:
        shown = ", ".join(count.empty[:_NAMED])
        more = len(count.empty) - _NAMED
        empty = (
            f"no beat was found in {len(count.empty)} of {total} recordings ({shown}"
            f"{f' and {more} more' if more > 0 else ''}); run one alone to see what to check"
        )
    if count.failed:
        if empty:
            notice(f"ecgfast: warning: {empty}")
        raise SomeFailedError(failed_text(count.failed, total))
    if empty:
        warn_nothing(empty, strict=args.strict)
