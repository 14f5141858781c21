"""``ecgfast live``: a stream with a page in the browser."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..alarms import Alarm, AlarmSettings
from ..live import LiveFeed, LiveServer
from ..live.server import MAX_VIEWERS, PORT
from ..printable import printable
from ..web import is_loopback
from .errors import UsageError
from .live_input import LiveInput, check_input, input_kinds
from .live_sinks import AlarmSink
from .options import example
from .output import print_row
from .stream import Sink, add_stream, kept, run_stream

if TYPE_CHECKING:
    from ..rhythm import Event, RhythmStream
    from ..streaming import Beat, StreamingClassifier

# Characters of a token that the user gives, at least.
_TOKEN = 12


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast live``."""
    parser.description = f"""\
Show a stream in the browser while it happens: the signal with its labels, rate, rhythm, state of
signal and leads, the last hour, events with their strips, and alarms. SOURCE is one of

{input_kinds()}

The address of the page is printed on standard error. The page is served to this machine only,
unless --host is given; then its address holds a token, without which nothing is shown. Everything
else is as for `ecgfast stream`: Ctrl-C or the end of the source ends it. Alarms are on; --alarms
FILE chooses which, and what they do. Beats are printed with --json only."""
    parser.epilog = example("ecgfast live serial:/dev/ttyUSB0 --fs 250 --save nights")
    add_stream(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to serve the page on; 0.0.0.0 is every address of this machine (default: "
        "127.0.0.1, this machine only)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        metavar="N",
        help=f"port of the page; 0 takes a free one (default: {PORT})",
    )
    parser.add_argument(
        "--token",
        metavar="TEXT",
        help="token of the page's address, so that the address stays the same (default: with "
        "--host a new one at every start, else none)",
    )
    parser.add_argument(
        "--viewers",
        type=int,
        default=MAX_VIEWERS,
        metavar="N",
        help=f"pages at a time, at most (default: {MAX_VIEWERS})",
    )


def run(args: argparse.Namespace) -> None:
    """Label a live source until it ends, and show it."""
    check_input(args)
    if args.viewers < 1:
        raise UsageError(f"--viewers {args.viewers}: give at least one")
    if not 0 <= args.port <= 65535:
        raise UsageError(f"--port {args.port}: ports are 0 to 65535")
    if args.token is not None and len(args.token) < _TOKEN:
        raise UsageError(f"--token: give at least {_TOKEN} characters, or leave it out")
    feed = LiveFeed()

    def changed(alarm: Alarm) -> None:
        row = {"type": "alarm", **alarm.to_dict()}
        feed.publish(row)
        if alarm.withdrawn:
            feed.note(f"alarm withdrawn ({alarm.kind.text}): a beat was reported late")
        if args.json:
            print_row(row)

    args.alarms = args.alarms or AlarmSettings()
    alarms = AlarmSink(args.alarms, as_lines=args.json, changed=changed)
    server = LiveServer(
        feed,
        host=args.host,
        port=args.port,
        token=args.token,
        max_viewers=args.viewers,
        on_acknowledge=lambda number: alarms.acknowledge(int(number)),
        port_option="--port ",
    )
    with server, _notes(feed):
        whose = "this machine only" if is_loopback(args.host) else "whoever has this address"

        def ready() -> None:
            print(f"the page, for {whose}: {server.url}", file=sys.stderr, flush=True)

        sinks: list[Sink] = [_Page(feed, args.source), alarms, *kept(args)]
        run_stream(args, sinks, printed=args.json, ready=ready)


class _Page:
    """Gives a stream to the page."""

    def __init__(self, feed: LiveFeed, name: str) -> None:
        self._feed = feed
        self._name = name
        self._begun = False

    def begin(
        self, live: LiveInput, labeller: StreamingClassifier, rhythm: RhythmStream | None
    ) -> None:
        """The source is open."""
        source = live.source
        name = source.name or ("standard input" if self._name == "-" else self._name)
        if name.endswith(":") and live.link is not None:
            name = live.link.name  # that of the strap or stream that was found
        leads = [printable(lead) for lead in source.leads]
        self._feed.begin(
            printable(name),
            source.fs,
            leads,
            labelled=labeller.labelled,
            time_of_day=live.time_of_day,
        )
        self._begun = True

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """The next samples, and what is known with them."""
        self._feed.take(chunk, beats, events)

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """The begin or the end of a silence; the page itself shows how long it lasts."""
        if self._begun and events:
            self._feed.take(np.empty((0, 0)), (), events)

    def end(self) -> None:
        """The stream has ended."""
        self._feed.end("The stream has ended")


class _Notes(logging.Handler):
    """What sources report stands among the events; what pages do, does not."""

    def __init__(self, feed: LiveFeed) -> None:
        super().__init__(logging.WARNING)
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("ecgfast.live"):
            self._feed.note(printable(record.getMessage()))


@contextmanager
def _notes(feed: LiveFeed) -> Iterator[None]:
    logger, handler = logging.getLogger("ecgfast"), _Notes(feed)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
