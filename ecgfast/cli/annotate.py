"""``ecgfast annotate``: every recording of an archive, into tables."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..errors import EcgfastError, RecordError
from ..printable import counted
from ..records.files import path_of
from ..records.formats import header_of
from ..reports.words import NOT_A_DEVICE, length
from .errors import SomeFailedError, UsageError, failure_line
from .libraries import quiet_dask
from .many import is_result
from .options import add_json, add_labelling, example, refuse_options
from .output import failed_text, notice, pace, print_json

if TYPE_CHECKING:
    from ..archive import Status
    from ..archive.manifest import Counts

# Reasons of recordings without results that are printed; the table of failures has all.
_SHOWN = 5

_MIB, _GIB = 1 << 20, 1 << 30


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast annotate``."""
    parser.description = (
        "Label the beats of every recording of an archive and find the rhythm events, on all cores "
        "or on a Dask cluster, and write Parquet tables: records, beats, events, failures. "
        "Stopped at any moment, it continues when it is started again with the same --output. A "
        "recording that fails stops no other. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast annotate archive/ --output results\n"
        "  ecgfast annotate 'strips/**/*.edf' --output results --scheduler tcp://10.0.0.1:8786\n"
        "  ecgfast annotate --status results"
    )
    parser.add_argument(
        "archive",
        nargs="*",
        metavar="ARCHIVE",
        help="folder, which is searched with its subfolders, quoted pattern such as "
        "'data/**/*.edf', or recordings; also as addresses that fsspec reads, such as "
        "s3://bucket/folder",
    )
    parser.add_argument(
        "--list",
        type=Path,
        metavar="FILE",
        help="also take the recordings that this file lists, one per line (or as find -print0 "
        "writes them); - reads standard input",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder of the tables, made if missing"
    )
    parser.add_argument(
        "--status",
        type=Path,
        metavar="DIR",
        help="print the progress of the results in DIR, and exit",
    )
    parser.add_argument(
        "--annotations",
        action="store_true",
        help="also write a WFDB annotation file of each recording, into DIR/annotations",
    )
    work = parser.add_argument_group("who does the work")
    work.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="processes on this machine (default: one for each core)",
    )
    work.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="address of a running Dask scheduler, whose workers do the work",
    )
    work.add_argument(
        "--timeout",
        type=_above_zero,
        default=300.0,
        metavar="SECONDS",
        help="time without an answer of a worker after which its recording fails (default: 300)",
    )
    work.add_argument(
        "--memory",
        type=_above_zero,
        default=4.0,
        metavar="GB",
        help="memory that a worker may take for recordings (default: 4)",
    )
    work.add_argument(
        "--batch",
        type=_above_zero,
        metavar="MB",
        help="size of the recordings that are classified together and share a file of each table "
        "(default: a 64th of the archive, from 1 to 64)",
    )
    work.add_argument(
        "--shard",
        type=_shard,
        metavar="K/N",
        help="take the K-th of N parts of the archive, for N jobs of a cluster; each has an "
        "--output of its own, and `ecgfast summary` takes several",
    )
    again = parser.add_argument_group("where --output has results of an earlier run")
    again.add_argument("--retry-failed", action="store_true", help="try failed recordings again")
    again.add_argument(
        "--update",
        action="store_true",
        help="classify changed recordings again, and drop those that are gone",
    )
    again.add_argument(
        "--mix",
        action="store_true",
        help="continue with another model, version or parameters; the table of records has those "
        "of each recording",
    )
    again.add_argument("--restart", action="store_true", help="delete the results and begin anew")
    add_labelling(parser)
    add_json(parser, "the progress")


def run(args: argparse.Namespace) -> None:
    """Classify the archive, or say how far that is."""
    from ..archive import annotate_archive, archive_status

    if args.status is not None:
        refuse_options(args, ("archive", "list", "output"), "does not go with --status")
        _print(archive_status(args.status), args)
        return
    if args.output is None:
        raise UsageError("--output is missing: give the folder of the tables")
    if args.workers is not None and args.scheduler is not None:
        raise UsageError("--workers is for this machine: leave it out, or --scheduler")
    given = [*args.archive, *_listed(args.list)]
    if not given:
        raise UsageError("ARCHIVE is missing: give a folder, a pattern, recordings or --list")
    if all(_is_absent(text) for text in given):
        raise RecordError(f"{given[0]}: no such folder or recording; check the path")
    if args.scheduler is not None:
        quiet_dask()
    begin = perf_counter()
    bar = _Bar()
    try:
        status = annotate_archive(
            given,
            args.output,
            scheduler=args.scheduler,
            workers=args.workers,
            retry_failed=args.retry_failed,
            update=args.update,
            mix=args.mix,
            restart=args.restart,
            timeout=args.timeout,
            memory=int(args.memory * _GIB),
            batch=None if args.batch is None else int(args.batch * _MIB),
            shard=args.shard,
            watch=bar,
            is_output=is_result,
            model=args.model,
            form=args.precision,
            lookahead=args.lookahead,
            method=args.method,
            average_leads=args.average_leads,
            fs=args.fs,
            leads=args.leads,
            follow=args.follow,
            sensitivity=args.sensitivity,
            positive_predictivity=args.positive_predictivity,
            reject=args.reject,
            annotations=args.annotations,
        )
    except KeyboardInterrupt:
        bar.close()
        notice("ecgfast: interrupted; what is complete is kept: start again to continue")
        raise
    finally:
        bar.close()
    wall = perf_counter() - begin
    taken = pace(bar.seconds, wall) if bar.seconds else f"{wall:.2f} s, nothing new to label"
    _print(status, args, f"time        {taken}")
    missing = status.counts.failed + status.counts.problems
    if missing:
        every = status.counts.recordings + status.counts.problems
        raise SomeFailedError(failed_text(missing, every))


def _workers(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of processes")
    return value


def _shard(text: str) -> tuple[int, int]:
    which, slash, of = text.partition("/")
    if not (slash and which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text} is no part: give K/N, such as 3/16, K from 1 on")
    return int(which), int(of)


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return value


# Bytes that are in no name of a file, but in files of another kind.
_NO_NAME = re.compile(rb"[\x01-\x08\x0e-\x1f\x7f]")


def _listed(path: Path | None) -> list[str]:
    """The lines of ``--list``."""
    if path is None:
        return []
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"--list {path}: cannot be read ({error.strerror})") from None
    # Names of files are bytes: only line ends part them, or the zeros of `find -print0`.
    lines = content.split(b"\0") if b"\0" in content else content.splitlines()
    if any(_NO_NAME.search(line) for line in lines):
        raise UsageError(f"--list {path}: is no list of names, a line each: it is no text")
    return [line.decode("utf-8", "surrogateescape") for line in lines if line.strip()]


def _is_absent(text: str) -> bool:
    """Whether an argument names nothing that is there; patterns and addresses are looked up."""
    from ..archive.places import is_remote

    path = path_of(text)
    return not (is_remote(text) or "*" in text or header_of(path) or os.path.lexists(path))


class _Bar:
    """The bar on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._first: Counts | None = None
        self._last: Counts | None = None

    @property
    def seconds(self) -> float:
        """Signal that this run has classified."""
        if self._first is None or self._last is None:
            return 0.0
        return self._last.seconds - self._first.seconds

    def __call__(self, counts: Counts, text: str) -> None:
        self._first = self._first or counts
        self._last = counts
        if not sys.stderr.isatty():
            return
        if text:
            notice(f"ecgfast: {text}")
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=counts.bytes,
                initial=counts.bytes_done,
                unit="B",
                unit_scale=True,
                leave=False,
                file=getattr(sys.stderr, "stream", sys.stderr),
            )
        failed = f", {counts.failed:,} failed" if counts.failed else ""
        self._bar.set_description_str(
            f"{counts.done + counts.failed:,} of {counts.recordings:,} recordings{failed}",
            refresh=False,
        )
        self._bar.update(counts.bytes_done - self._bar.n)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _print(status: Status, args: argparse.Namespace, *more: str) -> None:
    if args.json:
        print_json(status.to_dict())
        return
    counts = status.counts
    waiting = f", {counts.waiting:,} to do" if counts.waiting else ""
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    made = status.made.get("settings", {})
    lines = [
        f"recordings  {counts.done:,} of {counts.recordings:,} done{failed}{waiting}",
        f"beats       {counts.beats:,} in {length(counts.seconds)}",
        f"made with   {made.get('model')}, method {made.get('method')}, ecgfast "
        f"{status.made.get('version')}",
    ]
    lines += [f"mixed with  earlier results: {text}" for text in status.mixed]
    if status.running:
        lines.append("running     yes, a run is at work on it")
    elif counts.waiting:
        lines.append("running     no: start it again to continue")
    if status.left_out:
        lines.append(f"left out    {counted(status.left_out, 'file')} of other kinds")
    lines += _failure_lines(status.failures)
    lines += [*more, f"tables      {status.folder}", NOT_A_DEVICE]
    print("\n".join(lines))


def _failure_lines(failures: Iterable[tuple[str, str]]) -> list[str]:
    """Why recordings failed: a line for each reason, that of the most recordings first."""
    of_reason: dict[str, list[str]] = {}
    for name, reason in failures:
        line = failure_line(EcgfastError(reason))
        file, _, rest = line.partition(": ")
        begins = Path(file).with_suffix("") == Path(name).with_suffix("")
        of_reason.setdefault(rest if begins else line, []).append(file if begins else name)
    groups = sorted(of_reason.items(), key=lambda one: -len(one[1]))
    lines = []
    for reason, files in groups[:_SHOWN]:
        text = reason if files[0] in reason else f"{files[0]}: {reason}"
        several = f"{len(files):,} recordings, such as " if len(files) > 1 else ""
        lines.append(f"failed      {several}{text}")
    if more := sum(len(files) for _, files in groups[_SHOWN:]):
        lines.append(f"            and {more:,} more, in failures/")
    return lines
