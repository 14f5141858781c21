"""``ecgfast stream``: beats while they happen."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import numpy as np

from ..errors import InputError
from ..records.record import find_lead
from ..streaming import Beat, ChunkSource, open_source
from .common import (
    BEAT_HEADING,
    UsageError,
    add_lookahead,
    add_model,
    add_signal,
    beat_line,
    beat_row,
    example,
    labeller_for,
    print_json,
)

# Bytes taken from standard input at a time, at the most: what is there is taken, never waited for.
_TAKE = 1 << 16

# Seconds of a replayed file that go down the path at a time: ten chunks a second, as devices send.
_STEP_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast stream``."""
    parser.description = (
        "Print each beat as it happens. SOURCE is - for standard input (a sample a line, in mV; "
        "several leads separated by commas; a first line of names is allowed), or a recording, "
        "replayed at its own pace. Ctrl-C or the end of the input ends the stream."
    )
    parser.epilog = example("read_my_board | ecgfast stream - --fs 250 --json")
    parser.add_argument("source", metavar="SOURCE", help="- or a recording")
    parser.add_argument(
        "--pace",
        choices=("real", "fast"),
        default="real",
        help="replay a recording as it was taken, or as fast as it goes (default: real)",
    )
    add_model(parser)
    add_lookahead(parser)
    add_signal(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")


def run(args: argparse.Namespace) -> None:
    """Label a live source until it ends."""
    if args.source == "-":
        if args.fs is None:
            raise UsageError("standard input carries no sampling rate: give --fs HZ")
        source = _standard_input(args)
    else:
        source = open_source(args.source, args.fs, args.leads)
    labeller = labeller_for(source, args)
    chunks = source.chunks
    if args.source != "-":
        chunks = _replayed(chunks, source.fs, wait=args.pace == "real")
    count = 0
    if not args.json:
        print(BEAT_HEADING, flush=True)
    with _Interruptible(chunks) as arriving:
        for chunk in arriving:
            count += _show(labeller.process(chunk), as_lines=args.json)
    count += _show(labeller.flush(), as_lines=args.json)
    if not args.json:
        seconds = labeller.stream.count / source.fs
        print(f"{count} beats in {seconds:.1f} s", file=sys.stderr)


class _Interruptible:
    """Chunks until Ctrl-C, which ends the wait for the next one, and no work on one that came."""

    def __init__(self, chunks: Iterator[Any]) -> None:
        self._chunks = chunks
        self._waiting = False
        self._stopped = False

    def __enter__(self) -> Iterator[Any]:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self._until_stopped()

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, *_: object) -> None:
        self._stopped = True
        if self._waiting:
            raise KeyboardInterrupt

    def _until_stopped(self) -> Iterator[Any]:
        while not self._stopped:
            try:
                self._waiting = True
                chunk = next(self._chunks, None)
                self._waiting = False
            except KeyboardInterrupt:
                return
            if chunk is None:
                return
            yield chunk


def _show(beats: list[Beat], *, as_lines: bool) -> int:
    for beat in beats:
        if as_lines:
            print_json(beat_row(beat), indent=None)
        else:
            print(beat_line(beat))
    if beats:
        sys.stdout.flush()
    return len(beats)


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


def _standard_input(args: argparse.Namespace) -> ChunkSource:
    rows = _Rows()
    chunks = rows.chunks()
    first = next(chunks, None)
    if first is None:
        raise InputError("standard input ended before it gave a sample")
    leads = args.leads
    if leads is not None and rows.names:
        leads = [find_lead(lead, rows.names, "standard input") for lead in leads]

    def again() -> Iterator[Any]:
        yield first
        yield from chunks

    return open_source(again(), args.fs, leads)


class _Rows:
    """Lines of numbers on standard input, as chunks of whatever has arrived."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._line = 0
        self._width = 0

    def chunks(self) -> Iterator[Any]:
        rest = b""
        while piece := sys.stdin.buffer.read1(_TAKE):  # type: ignore[union-attr]
            *lines, rest = (rest + piece).split(b"\n")
            if rows := self._rows(lines):
                yield np.array(rows, np.float32)
        if rows := self._rows([rest]):
            yield np.array(rows, np.float32)

    def _rows(self, lines: list[bytes]) -> list[list[float]]:
        rows = []
        for line in lines:
            self._line += 1
            text = line.strip()
            if not text:
                continue
            fields = text.replace(b",", b" ").replace(b";", b" ").split()
            try:
                row = [float(field) for field in fields]
            except ValueError:
                words = text.decode("utf-8", "replace")
                if self._width or self.names:
                    raise InputError(
                        f"standard input, line {self._line}: {words[:40]!r} is not a line of "
                        "numbers in mV; send one sample a line, leads separated by commas"
                    ) from None
                self.names = tuple(name.strip() for name in words.replace(";", ",").split(","))
                continue
            if len(row) != (self._width or len(row)):
                raise InputError(
                    f"standard input, line {self._line}: has {len(row)} numbers, where the lines "
                    f"before have {self._width}"
                )
            self._width = len(row)
            rows.append(row)
        return rows
