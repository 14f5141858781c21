"""One pass over a recording: its beats as columns, its events, and what was lost."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelError, no_card
from ..evaluation.annotated import check_beat_annotations
from ..hrv import NNIntervals
from ..hrv.intervals import nn_of_times
from ..records import Annotations, RecordSource
from ..records.record import FloatArray
from ..rhythm import Event, EventKind, RhythmStream
from ..sources.chunks import BLOCK_S
from ..streaming import Beat, Quality, StreamingClassifier
from ..streaming.average import LEADS_LABELLED
from ..streaming.beat import UNFIT
from ..streaming.lead_signal import best_leads, leads_to_label
from ..streaming.lead_windows import LeadWindows
from ..window import WindowSpec
from .annotated import AnnotatedBeats
from .readable import bridged, covered, rates_of, trusted, unreadable, within
from .tally import OFF

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["Analysis", "analyse", "check_classes"]

_FLUTTER = int(Quality.FLUTTER)
_SATURATED = int(Quality.SATURATED)

#: Events in which no interval comes from the sinus node.
_NOT_SINUS = (
    EventKind.ATRIAL_FIBRILLATION,
    EventKind.VENTRICULAR_FLUTTER,
)

_AAMI = frozenset("NSVFQ")

_ANY_DATE = date(2000, 1, 1)


@dataclass(eq=False)
class Analysis:
    """What a pass over a recording found.

    Attributes
    ----------
    name : str
    fs : float
        Sampling rate in Hz.
    duration : float
        Seconds.
    leads, units : tuple of str
    labelled_leads : tuple of str
        Leads that the model labelled; empty where labels are annotations, or there are none.
    passed_over : tuple of str
        Leads that come before one of them and were not labelled: they carry hardly any signal.
    first_lead : int
        Column of the first lead that carries a signal: of pictures that show one lead.
    start : datetime or None
        When the first sample was taken; where only its time of day is known, on any date.
    sample : ndarray of int64, shape (n,)
        R peaks.
    time : ndarray of float64, shape (n,)
        The same in seconds.
    label : ndarray of str, shape (n,)
    good : ndarray of bool, shape (n,)
        Beats whose signal is good, and which lie in no stretch of noise.
    flutter : ndarray of bool, shape (n,)
        Waves of ventricular flutter or fibrillation: no beats.
    events : list of Event
        In the order of their start.
    lost : float
        Seconds in which no lead can be read: missing, flat or noise.
    unreadable : list of (float, float)
        Where these are, in seconds from the start; gaps too short for an event are bridged.
    fetch : callable
        As of `RecordSource`.
    notes : tuple of str
        What reading the file assumed.
    without_signal : float
        Share of beats, 0 to 1, at which every lead that was labelled was off.
    saturated : int
        Beats around which the converter was at its limit.
    """

    name: str
    fs: float
    duration: float
    leads: tuple[str, ...]
    units: tuple[str, ...]
    start: datetime | None
    sample: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    label: npt.NDArray[np.str_]
    good: npt.NDArray[np.bool_]
    flutter: npt.NDArray[np.bool_]
    events: list[Event]
    lost: float
    fetch: Callable[[int, int], FloatArray] = field(repr=False)
    unreadable: list[tuple[float, float]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    labelled_leads: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    first_lead: int = 0
    without_signal: float = 0.0
    saturated: int = 0

    @property
    def n_beats(self) -> int:
        """Beats, without flutter waves."""
        return int((~self.flutter).sum())

    @property
    def is_labelled(self) -> bool:
        """Whether beats have classes: without a model they have none."""
        return not len(self.label) or bool((self.label != "").any())

    def of(self, *kinds: EventKind) -> list[Event]:
        """Return the events of these kinds, in the order of their start."""
        if len(kinds) == 1:
            return self._by_kind.get(kinds[0], [])
        found = [event for kind in kinds for event in self._by_kind.get(kind, ())]
        return sorted(found, key=lambda event: (event.start, event.end))

    @cached_property
    def _by_kind(self) -> dict[EventKind, list[Event]]:
        """The events by kind: a day has some ten thousand."""
        kinds: dict[EventKind, list[Event]] = {}
        for event in self.events:
            kinds.setdefault(event.kind, []).append(event)
        return kinds

    def seconds(self, *kinds: EventKind) -> float:
        """Return how long events of these kinds last together, overlaps counted once."""
        return float(sum(b - a for a, b in self.spans(*kinds)))

    def spans(self, *kinds: EventKind) -> list[tuple[float, float]]:
        """Return the stretches that events of these kinds cover together, in order."""
        events = self.of(*kinds)
        return covered(events, self.duration) if events else []

    def clock(self, seconds: float) -> str:
        """Return a time in the recording: of the day where its start is known, else elapsed."""
        if self.start is None:
            minutes, second = divmod(int(seconds), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{second:02}"
        moment = self.start + timedelta(seconds=seconds)
        days = (moment.date() - self.start.date()).days
        day = f"day {days + 1}, " if self.duration > 86400 else ""
        return f"{day}{moment:%H:%M:%S}"

    def rr(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the RR intervals in seconds, and which of them can be trusted."""
        rr = np.diff(self.time)
        return rr, trusted(self.time, rr, self.good & ~self.flutter, self.unreadable)

    def is_unreadable(self) -> npt.NDArray[np.bool_]:
        """Return which beats lie in a stretch that cannot be read."""
        return within(self.time, self.unreadable)

    def rates(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the rate over eight trusted RR intervals, and the time in their middle."""
        return rates_of(self.time, self.rr()[1], self.duration)

    def nn_intervals(self) -> NNIntervals:
        """Return the NN intervals, without atrial fibrillation, flutter and noise."""
        return nn_of_times(
            self.time,
            normal=(self.label == "N") | (self.label == ""),
            good=self.good & ~self.flutter,
            exclude=[*self.spans(*_NOT_SINUS), *self.unreadable],
            duration=self.duration,
        )


def check_classes(classifier: Classifier) -> None:
    """Raise ModelError unless a model gives the AAMI classes, V among them."""
    if not classifier.classes:
        raise ModelError(
            f"model {str(classifier.path)!r} labels no beat: this needs a model of the AAMI "
            "classes, such as beats"
        )
    if classifier.card is None:
        raise no_card(classifier.path, "which classes its outputs are")
    if not set(classifier.classes) <= _AAMI or "V" not in classifier.classes:
        raise ModelError(
            f"{classifier.path}: its outputs are {', '.join(classifier.classes)}: reports and runs "
            "over archives need a model of the AAMI classes, such as beats"
        )


def analyse(
    source: RecordSource,
    labels: Classifier | Annotations,
    *,
    progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
    on_beats: Callable[[list[Beat]], None] | None = None,
    **options: Any,
) -> Analysis:
    """Find beats and events of a recording, block by block.

    Parameters
    ----------
    source : RecordSource
        An open recording.
    labels : Classifier or Annotations
        A model of AAMI classes; or marks of beats, which then are not labelled, and looked for only
        to know the quality of the signal around each.
    progress : callable
        Wraps the blocks, to show how far it is.
    on_beats : callable, optional
        Given the beats as they come, for what is not kept of them here.
    **options
        Of `StreamingClassifier`: ``method``; and with a model ``lookahead``, ``decision``,
        ``average_leads``.

    Returns
    -------
    Analysis

    Raises
    ------
    ModelError
        If the model gives other classes.
    """
    n_leads = len(source.leads)
    labeller: StreamingClassifier | AnnotatedBeats
    labelled: tuple[int, ...] = ()
    passed_over: tuple[int, ...] = ()
    if isinstance(labels, Annotations):
        columns = best_leads(source, LEADS_LABELLED)
        check_beat_annotations(labels, source.n_samples, source.fs, source.name)
        detector = LeadWindows(source.fs, columns, window=WindowSpec(), n_leads=n_leads, **options)
        labeller = AnnotatedBeats(labels, source.fs, detector)
        rhythm = RhythmStream(source.fs, n_leads=n_leads, delay=labeller.delay)
    else:
        if labels.classes:  # without a model, what needs labels is not reported
            check_classes(labels)
        columns = leads_to_label(source, labels, options.get("average_leads"))
        labeller = StreamingClassifier(
            labels, source.fs, n_leads=n_leads, label_leads=columns, **options
        )
        labelled, passed_over = labeller.labelled, labeller.passed_over
        rhythm = RhythmStream(source.fs, n_leads=n_leads, delay=labeller.stream.delay / source.fs)
    samples, quality = array("q"), array("L")
    names: list[str] = []
    events: list[Event] = []

    def take(beats: list[Beat]) -> list[Beat]:
        for beat in beats:
            samples.append(beat.sample)
            names.append(beat.label)
            quality.append(int(beat.quality))
        if on_beats is not None:
            on_beats(beats)
        return beats

    for chunk in progress(source.blocks(BLOCK_S)):
        events += rhythm.process(take(labeller.process(chunk)), chunk)
    events += rhythm.process(take(labeller.flush()))
    events += rhythm.flush()
    events = sorted((e for e in events if not e.ongoing), key=lambda e: (e.start, e.end))

    sample = np.array(samples, np.int64)
    bits = bridged(sample / source.fs, np.array(quality, np.int64), events)
    found = Analysis(
        name=source.name,
        fs=source.fs,
        duration=source.duration,
        leads=source.leads,
        units=source.units,
        start=_start(source),
        sample=sample,
        time=sample / source.fs,
        label=np.array(names, np.str_) if names else np.empty(0, "<U1"),
        good=(bits & UNFIT) == 0,
        flutter=(bits & _FLUTTER) != 0,
        events=events,
        lost=0.0,
        fetch=source.fetch,
        notes=() if source.origin is None else source.origin.notes,
        labelled_leads=tuple(source.leads[lead] for lead in labelled),
        passed_over=tuple(source.leads[lead] for lead in passed_over),
        first_lead=columns[0],
        without_signal=float((bits & OFF > 0).mean()) if len(bits) else 0.0,
        saturated=int(((bits & _SATURATED != 0) & (bits & _FLUTTER == 0)).sum()),
    )
    found.unreadable = unreadable(events, n_leads, found.duration)
    found.good &= ~found.is_unreadable()
    found.lost = sum(b - a for a, b in found.unreadable)
    return found


def _start(source: RecordSource) -> datetime | None:
    """When the first sample was taken; on any date where only the time of day is known."""
    if source.start is None and source.start_time is not None:
        return datetime.combine(_ANY_DATE, source.start_time)
    return source.start
