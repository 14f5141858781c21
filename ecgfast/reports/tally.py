"""Beats and events counted as they come, for the summary of a recording."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from typing import Any

import numpy as np

from ..records.writers import BeatLike
from ..rhythm import Event, EventKind, RhythmTally
from ..streaming.beat import UNFIT, Quality
from .readable import (
    LOST,
    OFF_EVENTS,
    STANDSTILL,
    bridged,
    burden,
    covered,
    longest_rr,
    rate_figures,
    trusted,
    unreadable,
    within,
)
from .summary import ECTOPIC, FLUTTER, Run, RunCount, Summary
from .words import LONG_S

__all__ = ["OFF", "Tally", "is_doubtful", "is_flutter"]


#: Quality bits of a beat at which every labelled lead is off.
OFF = int(Quality.GAP | Quality.FLAT)

_FLUTTER_BIT = int(Quality.FLUTTER)
_SATURATED = int(Quality.SATURATED)

# A run begins with three ectopic beats in a row (two are a couplet).
_RUN = 3

# What a run of each kind of event is called.
_RUN_LABELS = {
    EventKind.VENTRICULAR_RUN: "V",
    EventKind.SUPRAVENTRICULAR_RUN: "S",
    EventKind.VENTRICULAR_FLUTTER: FLUTTER,
}

# Runs that a summary holds at most: the longest.
_RUNS_MAX = 100

# A longer RR interval is a gap in the signal or in the detection: it ends a run.
_GAP_S = 3.0


class Tally:
    """Counts beats as they come; 9 bytes of each are kept.

    Parameters
    ----------
    classes : tuple of str
        The model's classes; empty where beats carry no labels.
    unit : str
        Unit of the numbers, of a model that gives numbers.

    Examples
    --------
    >>> tally = Tally(("N", "S", "V", "F", "Q"))
    >>> tally.add([])
    >>> tally.summary("208", fs=360.0, duration=1805.6).beats
    0
    """

    def __init__(self, classes: tuple[str, ...] = (), *, unit: str = "") -> None:
        self._unit = unit
        self._rhythm: RhythmTally | None = None
        self._longest_stop: Event | None = None
        self._values: dict[str, list[float]] = {}  # sum, least, greatest
        self._valued = 0
        self._by_class = dict.fromkeys(classes, 0)
        self._beats = 0
        self._flutter = 0
        self._saturated = 0
        self._time = array("d")  # R peak in seconds
        self._quality = bytearray()
        self._lost: list[Event] = []
        self._fibrillation: list[Event] = []
        self._couplets = 0
        self._runs, self._event_runs = _Runs(), _Runs()
        # The ectopic beats in a row, at its end now: how many, and the first and last R peak in s.
        self._row = (0, 0.0, 0.0)
        self._row_label = ""

    def add(self, beats: list[Any] | tuple[Any, ...]) -> None:
        """Count the next beats, in order.

        Parameters
        ----------
        beats : sequence of beats
            With the attributes of `ecgfast.Beat`.
        """
        for beat in beats:
            self._add(beat)

    def _add(self, beat: BeatLike) -> None:
        flutter = is_flutter(beat)
        self._flutter += flutter
        self._beats += not flutter
        self._saturated += bool(int(beat.quality) & _SATURATED) and not flutter
        broken = not beat.rr <= _GAP_S  # NaN too
        self._time.append(beat.time)
        self._quality.append(int(beat.quality) & 0xFF)
        for name, value in getattr(beat, "outputs", {}).items():
            total, least, greatest = self._values.get(name, (0.0, value, value))
            self._values[name] = [total + value, min(least, value), max(greatest, value)]
        self._valued += bool(getattr(beat, "outputs", {}))
        label = FLUTTER if flutter else beat.label
        if self._by_class and not flutter:
            self._by_class[label] = self._by_class.get(label, 0) + 1
        if broken or label != self._row_label:
            self._end_row()
        if label in ("V", "S", FLUTTER):
            n, start, _ = self._row
            self._row_label = label
            self._row = (n + 1, start if n else beat.time, beat.time)

    def _end_row(self) -> None:
        run = self._open_run()
        if run is not None:
            self._runs = self._runs.plus(run)
        elif self._open_couplet():
            self._couplets += 1
        self._row, self._row_label = (0, 0.0, 0.0), ""

    def _open_couplet(self) -> bool:
        return self._row_label == "V" and self._row[0] == _RUN - 1

    def _open_run(self) -> Run | None:
        n, start, end = self._row
        if n < _RUN:
            return None
        return Run(self._row_label, n, start, end, 60.0 * (n - 1) / (end - start))

    def events(self, events: Iterable[Event]) -> None:
        """Count the next rhythm events.

        Parameters
        ----------
        events : iterable of Event
        """
        events = list(events)
        self._rhythm = self._rhythm or RhythmTally()
        self._rhythm.add(events)
        for one in events:
            if one.ongoing:
                continue
            if one.kind in (*LOST, *OFF_EVENTS):
                self._lost.append(one)
            elif one.kind is EventKind.ATRIAL_FIBRILLATION:
                self._fibrillation.append(one)
            elif one.kind in STANDSTILL:
                longest = self._longest_stop
                if longest is None or one.duration > longest.duration:
                    self._longest_stop = one
            elif one.kind in _RUN_LABELS:
                run = Run(
                    _RUN_LABELS[one.kind], one.n_beats, one.start_time, one.end_time, one.rate
                )
                self._event_runs = self._event_runs.plus(run)

    def summary(
        self,
        name: str,
        fs: float,
        duration: float,
        start: datetime | time | None = None,
        leads: Sequence[str] = (),
    ) -> Summary:
        """What was counted so far.

        Parameters
        ----------
        name : str
            The recording's name.
        fs : float
            Sampling rate in Hz.
        duration : float
            Seconds of signal.
        start : datetime or time, optional
            When the first sample was taken.
        leads : sequence of str
            Names of the leads, for events of one lead.

        Returns
        -------
        Summary
        """
        lost = unreadable(self._lost, len(leads), duration)
        at = np.array(self._time)
        rr = np.diff(at)
        bits = np.frombuffer(self._quality, np.uint8).astype(np.int64)
        if self._rhythm is not None:
            bits = bridged(at, bits, self._lost)
        usable, waves = (bits & UNFIT) == 0, (bits & _FLUTTER_BIT) != 0
        off = int((~waves & (bits & OFF != 0)).sum())
        sound = trusted(at, rr, usable & ~waves, lost)
        mean, low, high = rate_figures(at, rr, sound, duration)
        stops = () if self._longest_stop is None else (self._longest_stop,)
        longest = longest_rr(at, rr, sound, stops, duration)
        bad = int((~waves & (~usable | within(at, lost))).sum())
        rhythm, runs = None, self._runs
        couplets = self._couplets + self._open_couplet()
        if self._rhythm is not None:
            rhythm = replace(
                self._rhythm.summary(duration, longest_rr=longest or (math.nan, math.nan)),
                burden=burden(covered(self._fibrillation, duration), lost, duration, LONG_S)
                if ECTOPIC in self._by_class
                else math.nan,
            )
            runs, couplets = self._event_runs, rhythm.count(EventKind.VENTRICULAR_COUPLET)
        elif (last := self._open_run()) is not None:
            runs = runs.plus(last)
        return Summary(
            name=name,
            leads=tuple(leads),
            fs=fs,
            duration=duration,
            beats=self._beats,
            flutter_waves=self._flutter,
            by_class=dict(self._by_class),
            rate_mean=mean,
            rate_min=low[0],
            rate_max=high[0],
            rate_min_at=low[1],
            rate_max_at=high[1],
            couplets=couplets,
            runs=runs.listed(),
            run_counts=dict(runs.counts),
            bad_quality=bad / self._beats if self._beats else 0.0,
            without_signal=off / self._beats if self._beats else 0.0,
            saturated=self._saturated,
            unreadable=float(sum(end - begin for begin, end in lost)),
            values={
                name: {"mean": total / self._valued, "least": least, "greatest": greatest}
                for name, (total, least, greatest) in self._values.items()
            },
            unit=self._unit,
            rhythm=rhythm,
            start=start,
        )


@dataclass(frozen=True)
class _Runs:
    """The longest runs, and how many there are of each label."""

    longest: tuple[Run, ...] = ()  # twice as many as are listed at most
    counts: dict[str, RunCount] = field(default_factory=dict)

    def plus(self, run: Run) -> _Runs:
        """With a later run."""
        longest = (*self.longest, run)
        if len(longest) > 2 * _RUNS_MAX:
            longest = _longest(longest)
        before = self.counts.get(run.label, RunCount(0, 0.0, run.start))
        return _Runs(longest, {**self.counts, run.label: before.plus(run)})

    def listed(self) -> tuple[Run, ...]:
        """The longest, in the order of time."""
        return tuple(sorted(_longest(self.longest), key=lambda run: run.start))


def _longest(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: (-run.beats, run.start))[:_RUNS_MAX])


def is_doubtful(beat: BeatLike) -> bool:
    """Whether the signal around a beat was so bad that its label is in doubt."""
    return bool(int(beat.quality) & UNFIT)


def is_flutter(beat: BeatLike) -> bool:
    """Whether a detection is a wave of ventricular flutter or fibrillation, and no beat."""
    return bool(int(beat.quality) & _FLUTTER_BIT)
