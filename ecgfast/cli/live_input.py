"""The source that a live command reads, by name, and what ends it."""

from __future__ import annotations

import argparse
import logging
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from ..errors import InputError
from ..records import check_fs
from ..records.record import find_leads
from ..records.saving import read_info
from ..sources.clock import TimeOfDay
from ..sources.link import LineLink, Link
from ..sources.live import LIVE_KINDS, LinkOptions, live_kind, open_link
from ..sources.rate import RateWatch, watched
from ..sources.text_lines import Fields, LineParser
from ..streaming import ChunkSource, SampleQueue, open_source
from .errors import UsageError
from .process import AGAIN_S, Terminated, ending_signals

__all__ = [
    "LiveInput",
    "Stop",
    "add_input",
    "check_input",
    "input_kinds",
    "open_input",
    "warnings_shown",
]

# Bytes taken from standard input at a time, at most: what is there is taken, never waited for.
_TAKE = 1 << 16

# Seconds of a replayed file that go down the path at a time: ten chunks a second, as devices send.
_STEP_S = 0.1

# Seconds of samples that a live source's queue holds: a port's driver holds less than one.
_LIVE_QUEUE_S = 60.0

# How the names of serial ports begin on Linux (of udev rules too) and macOS.
_PORTS = ("tty", "cu.", "rfcomm", "serial", "ecgfast")

# Seconds that a wait for samples lasts before it looks whether the stream is to stop.
_WAIT_S = 0.25


def input_kinds() -> str:
    """What SOURCE may be, as lines for a command's description."""
    sources = [
        (
            "-",
            "standard input: a sample a line, in mV or any other unit; several leads separated by "
            "commas; a first line of names is allowed",
        ),
        *((kind.syntax, kind.about) for kind in LIVE_KINDS),
        ("RECORDING", "replayed at its own pace"),
    ]
    return "\n".join(f"  {syntax:<17}{about}" for syntax, about in sources)


def add_input(parser: argparse.ArgumentParser) -> None:
    """Add SOURCE, ``--pace``, ``--baud`` and ``--queue``."""
    parser.add_argument("source", metavar="SOURCE", help="-, a live source or a recording")
    parser.add_argument(
        "--pace",
        choices=("real", "fast"),
        default="real",
        help="replay a recording in real time, or as fast as possible (default: real)",
    )
    parser.add_argument(
        "--baud",
        type=int,
        default=115200,
        metavar="N",
        help="rate of a serial port (default: 115200)",
    )
    parser.add_argument(
        "--queue",
        type=float,
        metavar="SECONDS",
        help="hold up to this many seconds of samples that wait, and drop what comes beyond it; "
        "0 reads only when samples are needed (default: 60 for a live source, else 0)",
    )


def check_input(args: argparse.Namespace) -> None:
    """Refuse what cannot be read, before anything is opened.

    Raises
    ------
    UsageError
        If the source needs ``--fs`` or is a misspelt live source, or ``--queue`` is not a time.
    """
    kind = live_kind(args.source)
    if kind is None and _is_port(args.source):
        raise UsageError(f"{args.source}: a serial port is named serial:{args.source}")
    if kind is None and args.source != "-" and not Path(args.source).exists():
        scheme, colon, rest = args.source.partition(":")
        near = get_close_matches(scheme, [known.scheme for known in LIVE_KINDS], n=1)
        if colon and near:
            raise UsageError(f"no live source {args.source!r}; did you mean {near[0]}:{rest}?")
    what = "standard input" if args.source == "-" else kind.what if kind else ""
    if what and args.fs is None and not (kind and kind.knows_rate):
        raise UsageError(f"{what} carries no sampling rate: give --fs HZ")
    if args.queue is not None and not 0 <= args.queue < float("inf"):
        raise UsageError(f"--queue {args.queue:g}: give seconds, or 0 for none")


def _is_port(source: str) -> bool:
    """Whether a source is the bare name of a serial port, whether or not it is there."""
    path = Path(source)
    if path.parent.parts[:2] != ("/", "dev"):
        return re.fullmatch(r"(?i)com\d{1,3}", source) is not None and not path.exists()
    return path.name.startswith(_PORTS) or "pts" in path.parts


class Stop:
    """Ctrl-C, SIGTERM and SIGHUP end the wait for the next samples, and no work.

    A later one ends work too: a print may wait for a reader that does not read. The signal only
    leaves word: an exception out of it could cut a chunk in two, and a read that begins just then
    would miss it, so that every wait looks for itself, several times a second.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.number = 0
        self._at = 0.0
        self._closed: list[Callable[[], None]] = []

    def __enter__(self) -> Stop:
        self._before = {
            number: signal.signal(number, self._interrupt)
            for number in (signal.SIGINT, *ending_signals())
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def closes(self, close: Callable[[], None]) -> None:
        """Have a source end its wait when the stream is to stop."""
        self._closed.append(close)

    def _interrupt(self, number: int, _: object) -> None:
        if not self.stopped:
            self.stopped, self._at = True, monotonic()
            self.number = number
            for close in self._closed:
                close()
        elif monotonic() - self._at > AGAIN_S:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    @contextmanager
    def terminal_may_be_gone(self) -> Iterator[None]:
        """Print into a terminal that SIGHUP said is closed, or not."""
        try:
            yield
        except OSError:
            if self.number in (0, signal.SIGINT, signal.SIGTERM):
                raise

    def until(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """Yield the chunks that come before the stop."""
        for chunk in chunks:
            if self.stopped:
                return
            yield chunk


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Print what the live sources report on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("ecgfast: %(message)s"))
    logger = logging.getLogger("ecgfast")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@dataclass
class LiveInput:
    """An opened source, and what counts its troubles."""

    source: ChunkSource
    lines: LineParser | None = None
    link: Link | None = None
    queue: SampleQueue | None = None

    def __post_init__(self) -> None:
        start, origin = self.source.start, self.source.origin
        if start is not None and origin is not None and origin.utc_offset is not None:
            start = start.replace(tzinfo=timezone(timedelta(seconds=origin.utc_offset)))
        #: When samples were taken; whoever takes them reports their arrival to it.
        self.time_of_day = TimeOfDay(self.source.fs, start, live=self.link is not None)

    @property
    def fields(self) -> Fields | None:
        """Which fields of its lines are leads; None where it sends no lines."""
        parser = self.link.lines if isinstance(self.link, LineLink) else self.lines
        return None if parser is None else parser.fields

    def close(self) -> None:
        """Read nothing more."""
        for part in (self.queue, self.link):
            if part is not None:
                part.close()

    def troubles(self) -> str:
        """What went wrong, as the end of a sentence; empty if nothing did."""
        found = list(self.link.troubles()) if self.link is not None else []
        if self.lines is not None and self.lines.malformed:
            found.append(f"malformed lines: {self.lines.malformed}")
        if self.lines is not None and self.lines.lost:
            found.append(f"samples lost on the way: {self.lines.lost} in {self.lines.gaps}")
        if self.lines is not None and self.lines.repeated:
            found.append(f"lines that came twice or too late: {self.lines.repeated}")
        if self.queue is not None and self.queue.dropped:
            found.append(f"samples dropped by the full queue: {self.queue.dropped}")
        return "".join(f"; {text}" for text in found)


def open_input(
    args: argparse.Namespace, stop: Stop, waits: Callable[[], None] = lambda: None
) -> LiveInput | None:
    """Open the source that the user named; None if the stream was ended before the first sample.

    Whoever waits for samples calls `waits` several times a second, on the thread that takes them.
    """
    lines = link = opened = None
    chunks: Iterable[Any]
    live = args.source == "-" or live_kind(args.source) is not None
    seconds = args.queue
    if seconds is None:
        seconds = _LIVE_QUEUE_S if live and args.source != "-" else 0.0
    idle = _nothing if seconds else waits  # a queue reads on a thread of its own
    known = _known_fields(args)
    if args.source == "-":
        fs = check_fs(args.fs)
        lines = LineParser("standard input", fs=fs, every=args.leads is not None)
        lines.known = known
        watch = RateWatch(lines.name, fs, option="--fs ", advice="check what writes to it")
        chunks = watched(_parsed(lines, stop, idle), watch)
    elif live:
        options = LinkOptions(args.fs, args.baud, every=args.leads is not None, option="--fs ")
        chunks = link = open_link(args.source, options)
        fs = link.fs
        link.waits = idle
        if isinstance(link, LineLink):
            link.lines.known = known
        stop.closes(link.close)
    else:
        opened = open_source(args.source, args.fs, args.leads, follow=args.follow)
        fs = opened.fs
        chunks = _replayed(opened.chunks, fs, wait=args.pace == "real")
    queue = None
    if seconds:
        queue = SampleQueue(chunks, max(1, round(seconds * fs)))
        queue.waits = waits
        chunks = queue
        stop.closes(queue.close)
    arriving = stop.until(chunks)
    if opened is not None:
        return LiveInput(replace(opened, chunks=arriving), queue=queue)
    first = next((chunk for chunk in arriving if len(chunk)), None)
    name = lines.name if lines is not None else args.source
    if first is None:
        if stop.stopped:
            return None
        none = f"{name} ended before it gave a sample"
        if lines is not None and lines.lines:
            none += (
                f": none of its {lines.lines} lines holds numbers; give a sample a line as text "
                "(of a compressed file gunzip -c FILE | ecgfast ..., of a recording its path)"
            )
        raise InputError(none)
    names = link.names if link is not None else lines.names if lines is not None else ()
    if len(names) != np.shape(first)[1]:
        return LiveInput(open_source(chain([first], arriving), fs, args.leads), lines, link, queue)
    # By place where none are asked for: two leads may have one name.
    asked = range(len(names)) if args.leads is None else args.leads
    columns = find_leads(asked, names, name)
    source = open_source(chain([first], arriving), fs, columns)
    return LiveInput(replace(source, leads=tuple(names[i] for i in columns)), lines, link, queue)


def _known_fields(args: argparse.Namespace) -> Fields | None:
    """Which fields of the lines are leads, where ``--save`` continues a recording of such lines."""
    if args.save is None or args.leads is not None:
        return None
    fields: Any = read_info(args.save).get("fields")
    try:
        of, columns, names = fields["of"], tuple(fields["columns"]), tuple(fields["names"])
    except (KeyError, TypeError):
        return None
    named = len(names) in (0, len(columns)) and all(isinstance(name, str) for name in names)
    if named and isinstance(of, int) and columns and set(columns) <= set(range(of)):
        return Fields(of, columns, names)
    return None


def _nothing() -> None:
    """Nobody watches this wait."""


def _parsed(lines: LineParser, stop: Stop, waits: Callable[[], None]) -> Iterator[Any]:
    """Samples on standard input, as chunks of whatever has arrived."""
    for piece in _standard_input(stop, waits):
        chunk = lines.feed(piece)
        if len(chunk):
            yield chunk
    yield lines.finish()


def _standard_input(stop: Stop, waits: Callable[[], None]) -> Iterator[bytes]:
    if sys.stdin is None:
        raise InputError("standard input is closed: pipe samples into it")
    try:
        # Not through sys.stdin: a thread that waits there would hold its lock at the exit.
        number = sys.stdin.fileno()
    except OSError:  # no file
        yield from iter(lambda: sys.stdin.buffer.read1(_TAKE), b"")  # type: ignore[union-attr]
        return
    while not stop.stopped:
        # Windows has no such wait: there the stop is seen when the next bytes come, and a silence
        # where --queue reads on another thread.
        if os.name != "nt" and not select.select([number], [], [], _WAIT_S)[0]:
            waits()
            continue
        try:
            piece = os.read(number, _TAKE)
        except OSError as error:
            raise InputError(f"standard input: cannot be read ({error.strerror})") from None
        if not piece:
            return
        yield piece


def _replayed(chunks: Iterator[Any], fs: float, *, wait: bool) -> Iterator[Any]:
    """Small chunks, each given out when its last sample would have been taken."""
    step = max(1, round(_STEP_S * fs))
    begin = monotonic()
    given = 0
    for chunk in chunks:
        for i in range(0, len(chunk), step):
            part = chunk[i : i + step]
            given += len(part)
            if wait:
                sleep(max(0.0, begin + given / fs - monotonic()))
            yield part
