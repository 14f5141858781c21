"""``ecgfast stream``: beats while they happen."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError
from ..printable import counted
from ..records.annotation_file import AnnotationFile
from ..reports.beat_marks import Mark, Marker
from ..reports.model_facts import labelled_off_text, operating_point_text
from ..reports.readable import OFF_EVENTS
from ..reports.tally import OFF
from ..rhythm import Event, EventKind, Severity
from ..sources.clock import TimeOfDay
from ..sources.live import live_kind
from ..streaming import Beat
from ..streaming.classify import rule_of_beats
from ..streaming.nothing import Beginning
from .errors import warn_nothing
from .labelling import (
    check_detection,
    classifier_for,
    decision_for,
    labelled_from,
    labelled_names,
    labeller_for,
    rhythm_for,
)
from .live_input import (
    LiveInput,
    Stop,
    add_input,
    check_input,
    input_kinds,
    open_input,
    warnings_shown,
)
from .live_sinks import AlarmSink, LslSink, SaveSink, add_alarms, add_lsl, add_save
from .options import add_labelling, add_strict, example
from .output import (
    beat_heading,
    beat_line,
    beat_row,
    event_line,
    notice,
    number_cautions,
    number_facts,
    print_json,
    print_row,
)
from .output_path import check_annotator, make_folder
from .overwriting import LIVE, OutputGuard, add_force, model_files, record_files
from .process import Terminated

if TYPE_CHECKING:
    from ..rhythm import RhythmStream
    from ..streaming import StreamingClassifier

__all__ = ["ALARM_DELAY_S", "Sink", "add_stream", "configure", "kept", "run", "run_stream"]

#: Seconds from an R peak until alarms know of the beat: a run is raised 1 s after its third beat.
ALARM_DELAY_S = 0.9

# Seconds without a sample that are reported, as for a link that has been lost.
_SILENT_S = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast stream``."""
    parser.description = f"""\
Print each beat as it happens, and a line for each rhythm event of high or medium severity when
it begins; with --alarms, the alarms instead. SOURCE is one of

{input_kinds()}

Ctrl-C, SIGTERM, SIGHUP or the end of the input ends the stream, after all samples so far have been
labelled (exit status 0; 143 after SIGTERM, 129 after SIGHUP; 1 if the disk did not take all that
--save asks for). A line that is no sample counts as
a missing sample. A live source that disconnects, or is silent for two seconds, is a gap: later
beats keep their time, and the source is opened again as soon as possible. All of this is reported
on standard error, and so are samples that do not arrive at the rate of --fs.

If the reader of the beats is too slow, standard input and a replayed recording wait for it
(back-pressure: nothing is lost). A live source cannot wait: up to a minute of samples is held, and
what comes beyond it is dropped, counted, and is a gap. --queue changes this."""
    parser.epilog = example("ecgfast stream serial:/dev/ttyUSB0 --fs 250 --output night.ecg --json")
    add_stream(parser)


def add_stream(parser: argparse.ArgumentParser) -> None:
    """Add the options of a stream, for ``ecgfast stream`` and ``ecgfast live``."""
    add_input(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="also write the beats to this WFDB annotation file, such as night.ecg; it can be "
        "read at any moment",
    )
    add_force(parser)
    add_save(parser)
    add_alarms(parser)
    add_lsl(parser)
    add_labelling(parser)
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="report each beat at most so many seconds after its R peak (0.35 or more); doubtful "
        f"ones are then decided on less of what follows (default: {ALARM_DELAY_S} with alarms, "
        "else as --method needs)",
    )
    add_strict(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object per line: first, with type=stream, the leads, those that are "
        "labelled, and the model; then a beat, or with type=event a rhythm event of any "
        "severity, when it is established (ongoing=true) and when it has ended",
    )


def run(args: argparse.Namespace) -> None:
    """Label a live source until it ends."""
    sinks: list[Sink] = []
    if args.alarms is not None:
        sinks.append(AlarmSink(args.alarms, as_lines=args.json))
    run_stream(args, [*sinks, *kept(args)])


def kept(args: argparse.Namespace) -> list[Sink]:
    """What ``--save`` and ``--lsl`` ask for."""
    sinks: list[Sink] = []
    if args.save is not None:
        sinks.append(SaveSink(args.save, args.source))
    if args.lsl is not None:
        sinks.append(LslSink(args.lsl))
    return sinks


class Sink(Protocol):
    """What else takes a stream, on the thread that reads the source: it must not wait."""

    def begin(
        self, live: LiveInput, labeller: StreamingClassifier, rhythm: RhythmStream | None
    ) -> None:
        """The source is open; there is no rhythm where the model gives no classes."""

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """The next samples, and the beats and rhythm events that are known with them."""

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """No sample has come for two seconds; called several times a second, before `begin` too.

        `now` counts the seconds of the silence in. Events are its begin or its end.
        """

    def end(self) -> None:
        """The stream has ended."""


def run_stream(
    args: argparse.Namespace,
    sinks: Sequence[Sink] = (),
    *,
    printed: bool = True,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Label a live source until it ends.

    Parameters
    ----------
    args : Namespace
        What `add_stream` added.
    sinks : sequence of Sink
    printed : bool, default True
        Whether beats go to standard output.
    ready : callable
        Called once nothing is left to refuse, before the first sample is waited for.

    Raises
    ------
    Terminated
        After SIGTERM or SIGHUP, once all that was sampled is labelled.
    InputError
        If the disk did not take all of what ``--save`` asks for, once the stream has ended.
    """
    stop = Stop()
    try:
        nothing = _run(args, stop, sinks, printed=printed, ready=ready)
        if stop.number not in (0, signal.SIGINT):  # Ctrl-C is the usual end of a stream
            raise Terminated(stop.number)
    except BaseException:
        for text in _missing(sinks):
            notice(f"ecgfast: {text}")
        raise
    for text in _missing(sinks):
        raise InputError(text)
    if nothing:
        warn_nothing(nothing, strict=args.strict)


def _missing(sinks: Sequence[Sink]) -> list[str]:
    """What saved recordings lack."""
    return [sink.missing for sink in sinks if isinstance(sink, SaveSink) and sink.missing]


def _max_delay(args: argparse.Namespace) -> float | None:
    if args.max_delay is None and args.alarms is not None:
        return ALARM_DELAY_S
    given: float | None = args.max_delay
    return given


def _run(
    args: argparse.Namespace,
    stop: Stop,
    sinks: Sequence[Sink],
    *,
    printed: bool,
    ready: Callable[[], None],
) -> str:
    """Do the work; returns what to check, if no beat came of a signal that is long enough."""
    check_input(args)
    check_detection(max_delay=args.max_delay)
    guard = _guard(args)
    if args.output is not None:
        guard.check_input(args.output)
        check_annotator(args.output, "ecg")
    replace = args.output is not None and guard.check(args.output, LIVE)
    decision = decision_for(args)
    classifier = classifier_for(args)
    rule_of_beats(classifier, args.lookahead, decision)
    replayed = args.source != "-" and live_kind(args.source) is None
    with ExitStack() as stack:
        stack.enter_context(warnings_shown())
        stack.enter_context(stop)
        show = _Show(stop, printed=printed, as_lines=args.json, with_alarms=args.alarms is not None)
        silence = _Silence(args.fs, [show, *sinks])
        for sink in sinks:
            stack.callback(sink.end)
        if not replayed:
            ready()
        live = open_input(args, stop, silence.waits)
        if replayed:
            ready()
        if live is None:  # interrupted before the first sample
            return ""
        stack.callback(live.close)
        labeller = labeller_for(
            live.source,
            args,
            decision,
            classifier=classifier,
            average_leads=args.average_leads,
            method=args.method,
            max_delay=_max_delay(args),
        )
        file = None
        if args.output is not None:
            make_folder(args.output.parent)
            file = stack.enter_context(AnnotationFile(args.output, live.source.fs, replace=replace))
            guard.report()
        for point in () if args.json else labeller.rule.operating_points:
            print(f"{operating_point_text(point)}, in cross-validation", file=sys.stderr)
        for text in () if args.json else number_cautions(labeller.classifier):
            notice(f"ecgfast: caution: {text}")
        show.begin(labeller, file, live.time_of_day, _about(args, live, labeller))
        thresholds = args.alarms.thresholds if args.alarms is not None else None
        rhythm = rhythm_for(labeller, thresholds) if sinks or printed else None
        for sink in sinks:
            sink.begin(live, labeller, rhythm)
        # What was loaded stays: a collection that looks through all of it holds a beat up 20 ms.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        beginning = Beginning(live.source.fs, live.source.leads)
        events: Sequence[Event]
        for chunk in silence.ended_by(beginning.kept(live.source.chunks), live):
            beats = labeller.process(chunk)
            live.time_of_day.arrived(labeller.stream.count)
            show.beats(beats)
            events = rhythm.process(beats, chunk) if rhythm is not None else ()
            show.events(events)
            for sink in sinks:
                sink.take(chunk, beats, events)
        beats = labeller.flush()
        show.beats(beats)
        events = (*rhythm.process(beats), *rhythm.flush()) if rhythm is not None else ()
        show.events(events)
        for sink in sinks:
            sink.take((), beats, events)
        show.end()
        troubles = live.troubles()
        if troubles or not args.json:
            seconds = labeller.stream.count / live.source.fs
            several = labeller.n_labelled > 1 or labeller.passed_over
            how = f", labelled from {labelled_from(live.source, labeller)}" if several else ""
            with stop.terminal_may_be_gone():
                found = counted(show.count, "beat")
                print(f"{found} in {seconds:.1f} s{how}{troubles}", file=sys.stderr)
        off = labelled_off_text(labelled_names(live.source, labeller)["labelled_leads"], show.off)
        if off:
            notice(f"ecgfast: {off}")
        if show.count or not beginning.is_long:
            return ""
        return beginning.text(rate_option="--fs", leads_option="--leads")


def _about(
    args: argparse.Namespace, live: LiveInput, labeller: StreamingClassifier
) -> dict[str, Any]:
    """What the beats come from and how they are labelled, under the names of `ecgfast classify`."""
    source = live.source
    points = labeller.rule.operating_points
    return {
        "record": source.name or args.source,
        "fs": source.fs,
        "leads": list(source.leads),
        "average_leads": labeller.n_labelled > 1,
        **labelled_names(source, labeller),
        "model": str(args.model),
        "form": labeller.classifier.precision,
        "runtime": labeller.classifier.backend,
        "lookahead": args.lookahead,
        "method": args.method,
        **number_facts(labeller.classifier),
        **({"source": source.origin.to_dict()} if source.origin else {}),
        **({"decision": list(points)} if points else {}),
    }


def _guard(args: argparse.Namespace) -> OutputGuard:
    """What ``--output`` must not be."""
    inputs = list(model_files(args.model))
    if args.source != "-" and live_kind(args.source) is None:
        inputs += record_files(args.source)
    return OutputGuard(inputs, force=args.force)


class _Silence:
    """A source that gives nothing while it is waited for, as an event without missing samples.

    Links that have given a sample fill a gap instead; a pipe may only be late, and before its first
    sample nothing has a time.
    """

    def __init__(self, fs: float | None, takers: Sequence[_Show | Sink]) -> None:
        self._fs = fs or 1.0
        self._takers = takers
        self._count = 0
        self._filled = False  # whether silence comes as missing samples
        self._since: float | None = None
        self._event: Event | None = None

    def waits(self) -> None:
        """Somebody waits; called several times a second."""
        if self._filled:
            return
        now = monotonic()
        self._since = now if self._since is None else self._since
        seconds = now - self._since
        if seconds < _SILENT_S:
            return
        events = [] if self._event is not None else [self._made(seconds, ongoing=True)]
        self._event = self._event or events[0]
        self._tell(seconds, events)

    def ended_by(self, chunks: Iterator[Any], live: LiveInput) -> Iterator[Any]:
        """The chunks, each of which ends a silence."""
        self._fs = live.source.fs
        self._filled = live.link is not None
        for chunk in chunks:
            self._end()
            yield chunk
            self._count += np.shape(chunk)[0]
        self._end()

    def _end(self) -> None:
        if self._event is not None and self._since is not None:
            seconds = monotonic() - self._since
            self._event = None
            self._tell(seconds, [self._made(seconds, ongoing=False)])
        self._since = None

    def _made(self, seconds: float, *, ongoing: bool) -> Event:
        begin = self._count / self._fs
        return Event(
            EventKind.GAP,
            self._count,
            self._count,
            begin,
            begin + seconds,
            Severity.LOW,
            1.0,
            ongoing=ongoing,
        )

    def _tell(self, seconds: float, events: Sequence[Event]) -> None:
        for taker in self._takers:
            taker.wait(self._count / self._fs + seconds, events)


class _Important:
    """Which events a person is shown: of high and medium severity, each once, when it begins.

    An event that has become important, or more so, by its end is shown again.
    """

    def __init__(self) -> None:
        self._shown: dict[tuple[str, int, int | None], str] = {}  # severity of those that last

    def is_next(self, event: Event) -> bool:
        """Whether to show this report of an event."""
        key = (event.kind, event.start, event.lead)
        before = self._shown.pop(key, None)
        if event.ongoing:
            self._shown[key] = event.severity
        important = event.severity in ("high", "medium")
        return important and event.severity != before


class _Show:
    """Prints beats and rhythm events, and writes them into the annotation file."""

    def __init__(
        self,
        stop: Stop,
        *,
        printed: bool,
        as_lines: bool,
        with_alarms: bool,
    ) -> None:
        self.count = 0
        self._off = 0
        self._lost = False  # whether a lead has been off: scattered missing samples are bridged
        self._stop = stop
        self._clock: TimeOfDay | None = None
        self._file: AnnotationFile | None = None
        self._marker = Marker()
        self._leads: Sequence[str] = ()
        self._printed = printed
        self._as_lines = as_lines
        # A person reads alarms instead of events.
        self._with_events = printed and (as_lines or not with_alarms)
        self._important = _Important()

    def begin(
        self,
        labeller: StreamingClassifier,
        file: AnnotationFile | None,
        clock: TimeOfDay,
        about: dict[str, Any],
    ) -> None:
        """The source is open."""
        self._file, self._clock = file, clock
        self._leads = about["leads"]
        if not self._printed:
            return
        with self._stop.terminal_may_be_gone():
            if self._as_lines:
                print_row({"type": "stream", **about} | self._at(0))
            else:
                print(beat_heading(labeller.classifier))
            sys.stdout.flush()

    @property
    def off(self) -> float:
        """Share of the beats at which every labelled lead is off."""
        return self._off / self.count if self.count and self._lost else 0.0

    def beats(self, beats: list[Beat]) -> None:
        """Keep and show the next beats."""
        # All go into the file first: the file is complete even if nobody reads the output any more.
        for beat in beats:
            self._write(self._marker.marks(beat))
        self.count += len(beats)
        self._off += sum(int(beat.quality) & OFF > 0 for beat in beats)
        if not beats or not self._printed:
            return
        with self._stop.terminal_may_be_gone():
            for beat in beats:
                if self._as_lines:
                    print_json(beat_row(beat) | self._at(beat.sample), indent=None)
                else:
                    print(beat_line(beat))
            sys.stdout.flush()

    def events(self, events: Sequence[Event]) -> None:
        """Show the next rhythm events: all as JSON, else a line for each important one."""
        self._lost |= any(event.kind in OFF_EVENTS for event in events)
        if not events or not self._with_events:
            return
        with self._stop.terminal_may_be_gone():
            for event in events:
                if self._as_lines:
                    row = {"type": "event", **event.to_dict()} | self._at(event.start)
                    print_json(row, indent=None)
                elif self._important.is_next(event):
                    print(event_line(event, self._leads))
            sys.stdout.flush()

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """Show the begin or the end of a silence."""
        self.events(events)

    def _at(self, sample: int) -> dict[str, str]:
        """Member ``at`` of a JSON row; none where the time of day is not known."""
        at = self._clock.moment(sample) if self._clock is not None else None
        return {} if at is None else {"at": at.isoformat(timespec="milliseconds")}

    def end(self) -> None:
        """Write what the end of the stream adds."""
        self._write(self._marker.end())

    def _write(self, marks: Iterator[Mark]) -> None:
        if self._file is not None:
            for sample, symbol, text in marks:
                self._file.write(sample, symbol, text)
