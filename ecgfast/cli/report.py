"""``ecgfast report``: the page of a recording, or of several with an index."""

from __future__ import annotations

import argparse
import math
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .._files import write_whole
from ..errors import ModelError, NotBuiltError, RecordError
from ..printable import printable
from ..records import RecordSource, open_record
from ..records.finding import find_recordings, record_files
from ..records.reading import annotation_file
from ..records.record import FloatArray
from ..reports.words import NOT_A_DEVICE, length
from ..sources.chunks import BLOCK_S
from .errors import SomeFailedError, UsageError, failure_line, report_nothing
from .labelling import classifier_for, decision_for
from .many import is_result, told_if_interrupted
from .options import DECISION_OPTIONS, add_json, add_labelling, add_strict, example, refuse_options
from .output import failed_text, notice, pace, print_json, progress
from .output_path import file_stem, is_or_will_be_folder, make_folder
from .overwriting import PAGE, PDF, OutputGuard, add_force, model_files, output_option

if TYPE_CHECKING:
    from ..runtime import Classifier

_INDEX = "index.html"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast report``."""
    parser.description = (
        "Write a page of a recording that needs no other file: rates, ectopy, rhythm, heart-rate "
        "variability, and strips of the events that matter. It names no patient: nothing of the "
        "file's header but its name, leads and time of day is shown. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast report mitdb/208 --output 208.html --pdf\n"
        "  ecgfast report 'holter/*.edf' --output pages/"
    )
    parser.add_argument(
        "record",
        nargs="+",
        metavar="RECORD",
        help="WFDB record, or a file such as .edf, .csv or .npz; several of them, a folder or a "
        f"quoted pattern: then --output is a folder, and {_INDEX} in it lists all",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="page to write (.html), or a folder to write RECORD.html into (default: the current "
        "folder)",
    )
    parser.add_argument(
        "--pdf", action="store_true", help="also print the page into a PDF file beside it"
    )
    parser.add_argument(
        "--minutes", action="store_true", help="show the minute around each strip, in print too"
    )
    parser.add_argument(
        "--full", action="store_true", help="add the whole recording, a minute in each row"
    )
    parser.add_argument(
        "--title", default="", metavar="TEXT", help="heading (default: the recording's name)"
    )
    parser.add_argument(
        "--annotator",
        metavar="EXT",
        help="take beats and labels from the WFDB annotation file RECORD.EXT, such as corrected "
        "ones, instead of a model",
    )
    add_labelling(parser)
    add_strict(parser)
    add_force(parser)
    add_json(parser, "the page's figures")


def run(args: argparse.Namespace) -> None:
    """Write the page, or a page for each recording and the index."""
    from ..extras import need

    need("jinja2", "An HTML report", "report")
    if args.pdf:
        need("weasyprint", "A PDF report", "pdf")
    if args.annotator is not None:
        why = f"goes with a model, and --annotator {args.annotator} reads the labels"
        options = (*DECISION_OPTIONS, "precision", "lookahead", "average_leads")
        refuse_options(args, options, why)
        if args.average_leads is False:
            raise UsageError(f"--no-average-leads {why}")
    found = find_recordings(args.record, is_output=is_result)
    if not found.recordings:
        raise RecordError("; ".join(f"{name}: {why}" for name, why in found.problems))
    work = _Report(args)
    if not found.several:
        _run_one(args, work, found.recordings[0])
    else:
        _run_several(args, work, found.recordings, found.names, found.problems)


@dataclass(frozen=True)
class _Page:
    """What was written of one recording."""

    figures: dict[str, Any]
    html: str
    wall: float

    @property
    def beats(self) -> int:
        """How many beats were found."""
        return int(self.figures["beats"]["total"])


class _Report:
    """Makes the page of a recording; the model is loaded once."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._decision = decision_for(args)
        self._classifier: Classifier | None = None

    def __call__(self, path: Path, *, title: str, what: str, bar: bool) -> _Page:
        from ..reports.report import make_report

        begin = perf_counter()
        args = self._args
        source = open_record(
            path, fs=args.fs, leads=args.leads, follow=args.follow, annotator=args.annotator
        )
        if args.annotator is None:
            if self._classifier is None:
                self._classifier = classifier_for(args)
            labels: dict[str, Any] = {
                "model": self._classifier,
                "lookahead": args.lookahead,
                "method": args.method,
                "average_leads": args.average_leads,
                "decision": self._decision,
            }
        else:
            labels = {
                "annotations": source.annotations,
                "annotation_file": annotation_file(path, args.annotator).name,
                "method": args.method,
            }
        made = make_report(
            source,
            title=title,
            minutes=args.minutes,
            full=args.full,
            progress=_blocks(source, what) if bar else iter,
            **labels,
        )
        figures = made.figures if args.json else made.summary
        return _Page(figures, made.html, perf_counter() - begin)


def _blocks(
    source: RecordSource, what: str
) -> Callable[[Iterable[FloatArray]], Iterable[FloatArray]]:
    total = math.ceil(source.duration / BLOCK_S)

    def shown(chunks: Iterable[FloatArray]) -> Iterable[FloatArray]:
        return progress(chunks, total=total, what=what, unit="block")

    return shown


def _write(args: argparse.Namespace, guard: OutputGuard, file: Path, page: _Page) -> list[Path]:
    from ..reports.pdf import write_pdf

    make_folder(file.parent)
    write_whole(file, page.html)
    written = [file]
    if args.pdf:
        write_pdf(file.with_suffix(".pdf"), page.html)
        written.append(file.with_suffix(".pdf"))
    guard.report()
    return written


def _check(
    args: argparse.Namespace, guard: OutputGuard, file: Path, *, quiet: bool = False
) -> None:
    guard.check(file, PAGE, output_option(args), quiet=quiet)
    if args.pdf:
        guard.check(file.with_suffix(".pdf"), PDF, "--pdf", quiet=quiet)


def _run_one(args: argparse.Namespace, work: _Report, path: Path) -> None:
    output: Path | None = args.output
    if output is None or is_or_will_be_folder(output):
        file = (output or Path()) / f"{file_stem(path.stem if path.suffix else path.name)}.html"
    elif output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"--output {output}: {output.suffix} is no extension of a page; give a .html file"
            + (", --pdf prints it beside that" if output.suffix.lower() == ".pdf" else "")
        )
    else:
        file = output
    guard = OutputGuard([*record_files(path), *model_files(args.model)], force=args.force)
    _check(args, guard, file)
    page = work(path, title=args.title, what=path.name, bar=True)
    written = _write(args, guard, file, page)
    figures = page.figures
    if args.json:
        print_json({**figures, "wall_s": page.wall, "output": [str(one) for one in written]})
    else:
        print("\n".join(_lines(figures)))
        print(f"time        {pace(figures['duration'], page.wall)}")
        print(f"written     {', '.join(map(str, written))}")
        print(NOT_A_DEVICE)
    report_nothing(page.beats, path, args)


def _lines(figures: dict[str, Any]) -> list[str]:
    """The figures that are read first."""
    rate = figures["rate"]
    lines = [
        f"recording   {figures['record']}, {length(figures['duration'])} at {figures['fs']:g} Hz",
        f"beats       {figures['beats']['total']:,}",
    ]
    if rate["minimum"] is not None:
        lines.append(
            f"heart rate  {rate['mean']:.0f} a minute on average, "
            f"lowest {rate['minimum']['rate']:.0f} at {rate['minimum']['clock']}, "
            f"highest {rate['maximum']['rate']:.0f} at {rate['maximum']['clock']}"
        )
    else:
        lines.append("heart rate  none: no eight beats in a good signal")
    for row in figures["rhythm"]:
        if row["count"]:
            name = row["kind"].replace("_", " ")
            lines.append(f"  {name}: {row['count']:,}, {length(row['seconds'])} in all")
    if figures["quality"]["lost_seconds"]:
        lines.append(f"lost        {length(figures['quality']['lost_seconds'])} cannot be read")
    return lines


# ------------------------------------------------------------------ several recordings


def _run_several(
    args: argparse.Namespace,
    work: _Report,
    paths: list[Path],
    names: list[str],
    problems: list[tuple[str, str]],
) -> None:
    folder: Path = args.output or Path()
    if not is_or_will_be_folder(folder):
        raise UsageError(f"--output {folder}: names a file; with several recordings give a folder")
    guard = OutputGuard(
        [file for path in paths for file in record_files(path)] + list(model_files(args.model)),
        force=args.force,
    )
    index = folder / _INDEX
    guard.check(index, PAGE, output_option(args))
    files = _files(names, folder)
    rows: list[dict[str, Any]] = [
        {"record": printable(name), "error": why} for name, why in problems
    ]
    for row in rows:
        notice(f"ecgfast: {row['record']}: {row['error']}")
    begin, seconds = perf_counter(), 0.0
    with told_if_interrupted(lambda: len(rows) - len(problems), len(paths), index):
        for i, path in enumerate(
            progress(paths, total=len(paths), what="recordings", unit="recording")
        ):
            name = printable(names[i])
            try:
                _check(args, guard, files[i], quiet=True)
                page = work(path, title=args.title, what=name, bar=False)
                _write(args, guard, files[i], page)
            except (BrokenPipeError, ModelError, NotBuiltError, UsageError):  # the same for all
                raise
            except Exception as error:
                line = failure_line(error)
                rows.append({"record": name, "error": line})
                if args.debug:
                    notice(traceback.format_exc())
                notice(f"ecgfast: {line}" if name in line else f"ecgfast: {name}: {line}")
                continue
            seconds += page.figures["duration"]
            rows.append({**page.figures, "record": name, "file": files[i].name})
    _write_index(index, rows, args.title)
    guard.report()
    failed = sum("error" in row for row in rows)
    if args.json:
        print_json({"recordings": rows, "failed": failed, "index": str(index)})
    else:
        print(f"recordings  {len(rows) - failed}{f', {failed} failed' if failed else ''}")
        print(f"time        {pace(seconds, perf_counter() - begin)}")
        print(f"written     {index}\n{NOT_A_DEVICE}")
    if failed:
        raise SomeFailedError(failed_text(failed, len(rows)))


def _files(names: list[str], folder: Path) -> list[Path]:
    """A page for each recording; no two the same, and none the index."""
    taken = {_INDEX}
    files = []
    for name in names:
        stem = file_stem(name.removesuffix(Path(name).suffix))
        choice = next(
            text
            for text in (stem, *(f"{stem}-{i}" for i in range(2, len(names) + 3)))
            if f"{text}.html".casefold() not in taken
        )
        taken.add(f"{choice}.html".casefold())
        files.append(folder / f"{choice}.html")
    return files


def _write_index(index: Path, rows: list[dict[str, Any]], title: str) -> None:
    from ..reports.recording_report import index_page

    make_folder(index.parent)
    write_whole(index, index_page(rows, title=title or "ECG reports"))
