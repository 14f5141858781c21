"""``ecgfast evaluate --detector``: R peaks against reference annotations."""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluation.detector import (
    STARTED_S,
    DetectorScores,
    Method,
    annotated_records,
    evaluate_detector,
    own_detector,
)
from ..evaluation.ec57 import LEARNING_S, TOLERANCE_S, DetectionScore
from ..printable import counted
from ..records import Record, read_record
from .evaluate_output import command_text, show_tables
from .labelling import check_detection
from .options import add_old_option, lead_list_text, seconds
from .output import number_text, progress
from .overwriting import record_files

if TYPE_CHECKING:
    from ..reports.table import Table

__all__ = ["OPTIONS", "add_options", "inputs", "run"]

#: Options that only a detector has.
OPTIONS = ("method", "max_delay", "start", "other_detectors")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `OPTIONS`."""
    parser.add_argument(
        "--method",
        choices=("neural", "adaptive", "pan-tompkins"),
        help="with --detector: method to score (default: neural)",
    )
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="with --detector: report each beat at most so many seconds after its R peak (0.35 or "
        "more)",
    )
    parser.add_argument(
        "--start",
        type=seconds,
        action="append",
        metavar="S",
        help="with --detector: set the first seconds aside (default: 0, and beside it "
        f"{LEARNING_S:.0f} as in EC57)",
    )
    parser.add_argument(
        "--other-detectors",
        action="store_true",
        help="with --detector: score the detectors of other installed packages too",
    )
    add_old_option(parser, "--peers", "--other-detectors")


def inputs(args: argparse.Namespace) -> list[Path]:
    """The files that are read."""
    return [args.detector, *record_files(args.detector)]


def run(args: argparse.Namespace) -> None:
    """Score a detector on a folder of annotated records."""
    check_detection(max_delay=args.max_delay)
    paths, left_out = annotated_records(args.detector, args.records)
    leads = args.leads or [0]
    method: Method = args.method or "neural"
    name = f"ecgfast {method}"
    if args.max_delay is not None:
        name += f", at most {args.max_delay:g} s"
    detectors = {name: own_detector(method, args.max_delay)}
    others: list[str] = []
    if args.other_detectors:
        from ..evaluation.other_detectors import as_detector, installed_detectors

        found = installed_detectors()
        others = list(found)
        detectors |= {other: as_detector(found[other]) for other in others}
    starts = sorted(set(args.start or (0.0, LEARNING_S)))

    def records() -> Iterator[Record]:
        what = args.detector.name
        for path in progress(paths, total=len(paths), what=what, unit="record"):
            yield read_record(path, leads=None if leads == "all" else leads)

    with warnings.catch_warnings():
        if others:
            warnings.simplefilter("ignore")  # theirs are not about the figures
        scores = evaluate_detector(detectors, records(), starts=starts, forgiving=others)
    about = {
        "records": len(paths),
        "left_out": left_out,
        "leads": leads,
        "method": method,
        "max_delay": args.max_delay,
        "tolerance_s": TOLERANCE_S,
        "command": command_text(_words(args), args),
    }
    folder = args.detector.resolve().name
    title = f"Detection on {folder}"
    lines = _detector_lines(about, left_out, others, scores)
    tables = [_totals_table(scores), _records_table(scores[0])]
    show_tables(
        args,
        title,
        lines,
        tables,
        {"folder": folder, **about, "detectors": [score.to_dict() for score in scores]},
    )


def _detector_lines(
    about: dict[str, Any], left_out: list[str], others: list[str], scores: list[DetectorScores]
) -> list[str]:
    lines = [
        f"{about['records']} records, {lead_list_text(about['leads'])}; AAMI EC57: beats at most "
        f"{1e3 * TOLERANCE_S:.0f} ms apart match, one to one; ventricular flutter and fibrillation "
        "in the reference are left out. R peaks as reported live, no second pass.",
        "R error: found minus reference, over matched beats. R to report: from the R peak to the "
        "sample at which the stream gave it; beats that came with the end of a recording are left "
        "out.",
    ]
    started = scores[0].delays["all"].worst_started
    if math.isfinite(started):
        lines.append(f"Longest R to report of beats later than {STARTED_S:g} s: {started:,.0f} ms.")
    totals = next(iter(scores[0].totals.values()))
    lines.append(
        f"Worst record: {totals.worst.record}, F1 {_percent(totals.worst.f1)}. Median over records "
        f"of the mean absolute R error: {number_text(totals.median_error_abs_ms, 2)} ms."
    )
    if others:
        lines.append(
            "The others get the first of the leads, as float64, the whole recording at once."
        )
    if left_out:
        lines.append(f"Left out, without reference annotations: {', '.join(left_out)}.")
    for score in scores:
        if score.failed:
            record, error = next(iter(score.failed.items()))
            lines.append(
                f"{score.name} failed on {counted(len(score.failed), 'record')}, where all beats "
                f"count as missed: first on {record} ({error})."
            )
    return lines


def _percent(value: float) -> str:
    return number_text(value, 3)


def _set_aside(start: float) -> str:
    if not start:
        return "from the first sample"
    return f"from {start:g} s{' (EC57)' if start == LEARNING_S else ''}"


def _rates(score: DetectionScore) -> list[str]:
    rates = (score.sensitivity, score.positive_predictivity, score.f1)
    return [f"{score.fn:,}", f"{score.fp:,}", *map(_percent, rates)]


def _totals_table(scores: Sequence[DetectorScores]) -> Table:
    from ..reports.table import Table

    rows = []
    for score in scores:
        for start, totals in score.totals.items():
            gross = totals.gross
            rows.append(
                [
                    score.name,
                    _set_aside(start),
                    f"{gross.tp + gross.fn:,}",
                    *_rates(gross),
                    _percent(totals.average_f1),
                    f"{totals.worst.record} {number_text(totals.worst.f1, 2)}",
                    number_text(gross.error_abs_ms, 2),
                    number_text(gross.error_ms, 2),
                ]
            )
    columns = ["detector", "counted", "beats", "FN", "FP", "Se, %", "+P, %", "F1, %"]
    columns += ["mean F1", "worst F1", "|R error|, ms", "R error, ms"]
    return Table("All records together", columns, rows)


def _records_table(score: DetectorScores) -> Table:
    from ..reports.table import Table

    starts = list(score.totals)
    columns = ["record", "beats"]
    columns += ["FN", "FP", "Se, %", "+P, %", "F1, %"] * len(starts)
    columns += ["mean abs", "signed", "median", "p95", "max"]
    first = score.totals[starts[0]]

    def row(name: str, by_start: Sequence[DetectionScore], delays: str) -> list[str]:
        one, late = by_start[0], score.delays[delays]
        rates = [cell for one in by_start for cell in _rates(one)]
        errors = [number_text(one.error_abs_ms, 2), number_text(one.error_ms, 2)]
        times = [number_text(x, 0) for x in (late.median, late.p95, late.worst)]
        return [name, f"{one.tp + one.fn:,}", *rates, *errors, *times]

    rows = [
        row(own.record, [score.totals[start].records[i] for start in starts], own.record)
        for i, own in enumerate(first.records)
    ]
    rows.append(row("all", [score.totals[start].gross for start in starts], "all"))
    groups = [("", 2), *((_set_aside(start), 5) for start in starts)]
    groups += [("R error, ms", 2), ("R to report, ms", 3)]
    return Table(f"{score.name}, record by record", columns, rows, groups)


def _words(args: argparse.Namespace) -> list[str]:
    """The command's own options, as given."""
    words = ["--detector", args.detector.resolve().name]
    words += ["--method", args.method] if args.method else []
    words += ["--max-delay", f"{args.max_delay:g}"] if args.max_delay is not None else []
    for start in args.start or ():
        words += ["--start", f"{start:g}"]
    return [*words, *(["--other-detectors"] if args.other_detectors else [])]
