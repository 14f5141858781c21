"""What a live stream does beside printing beats: alarms, and saving."""

from __future__ import annotations

import argparse
import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files import check_writable
from ..alarms import (
    ActionRunner,
    Alarm,
    Alarms,
    AlarmSettings,
    check_actions,
    open_actions,
    read_settings,
)
from ..errors import EcgfastError
from ..extras import need
from ..printable import printable
from ..records.saving import RecordingFolder, read_info
from ..records.units import UNKNOWN, to_millivolt
from ..reports.beat_marks import Marker
from ..sources.live import live_kind
from .labelling import labelled_from
from .live_input import LiveInput
from .output import as_json, beat_row, print_row

if TYPE_CHECKING:
    from ..rhythm import Event, RhythmStream
    from ..streaming import Beat, StreamingClassifier

__all__ = ["AlarmSink", "LslSink", "SaveSink", "add_alarms", "add_lsl", "add_save"]


def add_alarms(parser: argparse.ArgumentParser) -> None:
    """Add ``--alarms``."""
    parser.add_argument(
        "--alarms",
        type=_settings,
        nargs="?",
        const=AlarmSettings(),
        metavar="FILE",
        help="report alarms: asystole, ventricular runs and flutter, extreme rates, onset of "
        "atrial fibrillation, leads off, lost signal; FILE (TOML) says which, from when, and what "
        "they do",
    )


def add_save(parser: argparse.ArgumentParser) -> None:
    """Add ``--save``."""
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="save the signal as it comes (WFDB, one file per hour), with beats, events and a "
        "journal; an existing one is continued; read it as FOLDER/recording",
    )


def add_lsl(parser: argparse.ArgumentParser) -> None:
    """Add ``--lsl``."""
    parser.add_argument(
        "--lsl",
        metavar="NAME",
        help="also send beats and events as a Lab Streaming Layer stream of markers (JSON) of this "
        "name, for other programs to record",
    )


def _settings(text: str) -> AlarmSettings:
    if text == "-" or live_kind(text) is not None:
        raise argparse.ArgumentTypeError(f"{text} is a source: write it before --alarms")
    try:
        return read_settings(text)
    except EcgfastError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class AlarmSink:
    """Alarms of a stream: printed, sent on, and done.

    Parameters
    ----------
    settings : AlarmSettings
    as_lines : bool
        Whether to print JSON.
    changed : callable, optional
        Takes each change of an alarm instead of standard output.

    Raises
    ------
    EcgfastError
        If an action could not be done: hours may pass until the first alarm.
    """

    def __init__(
        self,
        settings: AlarmSettings,
        *,
        as_lines: bool,
        changed: Callable[[Alarm], None] | None = None,
    ) -> None:
        check_actions(settings.actions)
        self._alarms = Alarms(settings)
        self._as_lines = as_lines
        self._changed = changed
        self._actions: list[ActionRunner] | None = None
        self._count = 0
        self._fs = 1.0
        self._rhythm: RhythmStream | None = None
        # Changes are reported in the order in which they happen, though a page acknowledges on
        # another thread.
        self._lock = threading.Lock()

    def begin(
        self, live: LiveInput, labeller: StreamingClassifier, rhythm: RhythmStream | None
    ) -> None:
        """The source is open."""
        self._fs = live.source.fs
        self._rhythm = rhythm
        self._alarms.leads = tuple(printable(lead) for lead in live.source.leads)
        self._open()

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """The next samples, and what is known with them."""
        self._count += np.shape(chunk)[0]
        suspected = None if self._rhythm is None else self._rhythm.suspected_asystole
        now = self._count / self._fs
        with self._lock:
            self._report(self._alarms.process(events, now, suspected), now)

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """No sample comes: `now` seconds, those of the silence too."""
        self._open()
        with self._lock:
            self._report(self._alarms.process(events, now), now)

    def acknowledge(self, alarm_id: int) -> None:
        """Somebody has seen an alarm; any thread may say so."""
        with self._lock:
            now = self._count / self._fs
            self._report(self._alarms.acknowledge(alarm_id, now), now)

    def end(self) -> None:
        """The stream has ended."""
        for action in self._actions or ():
            action.close()
        self._actions = []

    def _open(self) -> None:
        if self._actions is None:
            self._actions = open_actions(self._alarms.settings.actions)

    def _report(self, alarms: Sequence[Alarm], now: float) -> None:
        for alarm in alarms:
            for action in self._actions or ():
                action.alarm(alarm)
            if self._changed is not None:
                self._changed(alarm)
            else:
                self._print(alarm, now)

    def _print(self, alarm: Alarm, now: float) -> None:
        if self._as_lines:
            print_row({"type": "alarm", **alarm.to_dict()})
            return
        # One that sounds again was raised before.
        at, word = (now, "ALARM") if alarm.ended is None else (alarm.ended, "alarm")
        print(f"{at:8.3f}s  {word}  {alarm.priority:<6}  {alarm.text}", flush=True)


class LslSink:
    """Beats and events as a Lab Streaming Layer stream of markers, each a JSON object.

    Parameters
    ----------
    name : str
        Of the stream; its type is ``Markers``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._outlet: Any = None

    def begin(
        self, live: LiveInput, labeller: StreamingClassifier, rhythm: RhythmStream | None
    ) -> None:
        """The source is open."""
        self._lsl = need("pylsl", "A Lab Streaming Layer stream", "lsl")
        self._stream = labeller.stream
        info = self._lsl.StreamInfo(
            self._name, "Markers", 1, 0.0, "string", f"ecgfast {self._name}"
        )
        self._outlet = self._lsl.StreamOutlet(info)

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """The next samples, and what is known with them."""
        if self._outlet is None:
            return
        now, fs = self._lsl.local_clock(), self._stream.fs
        rows = [(beat.sample, {"type": "beat", **beat_row(beat)}) for beat in beats]
        rows += [(event.start, {"type": "event", **event.to_dict()}) for event in events]
        for sample, row in rows:
            # The newest sample has just come.
            at = now - (self._stream.count - sample) / fs
            self._outlet.push_sample([json.dumps(as_json(row))], at)

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """No sample comes."""
        self.take((), (), events)

    def end(self) -> None:
        """The stream has ended."""
        self._outlet = None


class SaveSink:
    """Saves a stream into a folder.

    Parameters
    ----------
    folder : Path
    source : str
        The source's name.

    Attributes
    ----------
    missing : str
        After `end`: what the folder lacks and what to do; empty if the recording is whole.
    """

    missing = ""

    def __init__(self, folder: Path, source: str) -> None:
        if not read_info(folder):  # one that is continued bears a full disk
            check_writable(folder / "recording.info", "--save")
        self._folder = folder
        self._source = source
        self._marker = Marker()
        self._kept: RecordingFolder | None = None
        self._journal: _Journal | None = None

    def begin(
        self, live: LiveInput, labeller: StreamingClassifier, rhythm: RhythmStream | None
    ) -> None:
        """The source is open."""
        source = live.source
        units = live.link.units if live.link is not None else ()
        if source.origin is not None:
            known = (to_millivolt(unit) is not None for unit in source.origin.units)
            units = tuple("mV" if voltage else UNKNOWN for voltage in known)
        fields = live.fields
        chosen = fields is not None and len(fields.columns) == len(source.leads)
        self._kept = RecordingFolder(
            self._folder,
            source.fs,
            source.leads,
            units if len(units) == len(source.leads) else (),
            source=self._source,
            about={"fields": fields._asdict()} if fields is not None and chosen else None,
        )
        if labeller.n_labelled:
            self._kept.note(f"beats are labelled from {labelled_from(source, labeller)}")
        self._journal = _Journal(self._kept)
        logging.getLogger("ecgfast").addHandler(self._journal)

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """The next samples, and what is known with them."""
        assert self._kept is not None
        if np.shape(chunk)[0]:
            self._kept.write(chunk)
        for beat in beats:
            for mark in self._marker.marks(beat):
                self._kept.mark(*mark)
        for event in events:
            self._kept.event(as_json(event.to_dict()))

    def wait(self, now: float, events: Sequence[Event]) -> None:
        """No sample comes; before the first one there is no folder to write it into."""
        if self._kept is not None:
            self.take((), (), events)

    def end(self) -> None:
        """The stream has ended."""
        if self._kept is None:
            return
        for mark in self._marker.end():
            self._kept.mark(*mark)
        if self._journal is not None:
            logging.getLogger("ecgfast").removeHandler(self._journal)
        self._kept.close()
        if self._kept.missing:
            self.missing = (
                f"--save {self._folder}: the recording is not whole, it lacks "
                f"{self._kept.missing}; make room there before the next one"
            )


class _Journal(logging.Handler):
    """What sources report goes into the folder too."""

    def __init__(self, kept: RecordingFolder) -> None:
        super().__init__(logging.WARNING)
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.note(record.getMessage())
