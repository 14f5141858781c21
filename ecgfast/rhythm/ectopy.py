"""Ectopic beats: single ones, couplets, runs, bigeminy, trigeminy; R-on-T."""

from __future__ import annotations

from .episode import BeatNow, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Ectopy", "ROnT"]

_NAME = {"V": "ventricular", "S": "supraventricular"}

# Beats in a row that make a run; single beats that make bigeminy or trigeminy.
_RUN = 3
_PATTERN = 3

# A ventricular run of so many beats at so high a rate is an alarm (CinC 2015).
_ALARM_BEATS = 5
_ALARM_RATE = 100.0

# The least severe first.
_ORDER = tuple(Severity)

# A longer interval ends a row: beats so far apart follow on no beat.
_ROW_S = 3.0


class Ectopy:
    """Rows of beats of one class, and the patterns that single ones make.

    Parameters
    ----------
    label : {"V", "S"}
    sink : Sink
    """

    def __init__(self, label: str, sink: Sink) -> None:
        self._label = label
        self._sink = sink
        name = _NAME[label]
        self._single = EventKind(f"{name}_ectopic")
        self._couplet = EventKind(f"{name}_couplet")
        self._run = EventKind(f"{name}_run")
        self._patterns = [
            _Pattern(EventKind(f"{name}_bigeminy"), 1, sink),
            _Pattern(EventKind(f"{name}_trigeminy"), 2, sink),
        ]
        self._row: BeatsOf | None = None
        self._reported = Severity.INFO  # of the run that lasts
        self._open_patterns = False

    @property
    def is_open(self) -> bool:
        """Whether the next beat matters, whatever its label."""
        return self._row is not None or self._open_patterns

    def beat(self, beat: BeatNow) -> None:
        """Take the next beat; one without this label may be left out while nothing is open."""
        ectopic = beat.label == self._label
        if not ectopic and not self.is_open:
            return
        joined = beat.joined and beat.rr <= _ROW_S
        if self._row is not None and not (ectopic and joined):
            self._end_row()
        if not joined:
            for pattern in self._patterns:
                pattern.end()
        if not ectopic:
            for pattern in self._patterns:
                pattern.other()
            self._open_patterns = any(pattern.is_open for pattern in self._patterns)
            return
        if self._row is None:
            self._row = BeatsOf()
        self._row.add(beat.sample, beat.probability, trusted=beat.trusted)
        # Once it is a run, and whenever it is more severe: alarms must not wait for its end.
        row = self._row
        if row.n == _RUN or (
            row.n > _RUN and _ORDER.index(self._severity(row)) > _ORDER.index(self._reported)
        ):
            self._put_run(row, ongoing=True)

    def end(self) -> None:
        """The stream has ended."""
        if self._row is not None:
            self._end_row()
        for pattern in self._patterns:
            pattern.end()

    def _end_row(self) -> None:
        row, self._row = self._row, None
        assert row is not None
        for pattern in self._patterns:
            pattern.row(row)
        self._open_patterns = True
        if row.n >= _RUN:
            self._put_run(row, ongoing=False)
            return
        kind, severity = (
            (self._single, Severity.INFO) if row.n == 1 else (self._couplet, Severity.LOW)
        )
        self._sink.put(
            kind,
            row.first,
            row.last,
            Severity.INFO if row.in_doubt else severity,
            row.confidence,
            row,
            rate=row.rate(self._sink.fs),
        )

    def _severity(self, run: BeatsOf) -> Severity:
        if run.in_doubt:
            return Severity.INFO
        if self._label != "V":
            return Severity.LOW
        fast = run.n >= _ALARM_BEATS and run.rate(self._sink.fs) >= _ALARM_RATE
        return Severity.HIGH if fast else Severity.MEDIUM

    def _put_run(self, run: BeatsOf, *, ongoing: bool) -> None:
        self._reported = self._severity(run)
        self._sink.put(
            self._run,
            run.first,
            run.last,
            self._reported,
            run.confidence,
            run,
            rate=run.rate(self._sink.fs),
            ongoing=ongoing,
        )


class _Pattern:
    """Single ectopic beats with the same number of other beats between them."""

    def __init__(self, kind: EventKind, others: int, sink: Sink) -> None:
        self._kind = kind
        self._others = others
        self._sink = sink
        self._beats = BeatsOf()
        self._between = 0

    @property
    def is_open(self) -> bool:
        """Whether a next beat may continue it."""
        return bool(self._beats.n)

    def other(self) -> None:
        """A beat that is not ectopic."""
        self._between += 1
        if self._between > self._others and self._beats.n:
            self.end()

    def row(self, row: BeatsOf) -> None:
        """Ectopic beats in a row, which has ended; the beat after it comes next."""
        fits = row.n == 1 and (not self._beats.n or self._between == self._others)
        if not fits:
            self.end()
        if row.n == 1:
            self._beats.add(row.first, row.probability, trusted=bool(row.trusted))
        self._between = 0
        if fits and self._beats.n == _PATTERN:
            self._put(ongoing=True)

    def end(self) -> None:
        """The pattern is broken, or the stream has ended."""
        if self._beats.n >= _PATTERN:
            self._put(ongoing=False)
        self._beats, self._between = BeatsOf(), 0

    def _put(self, *, ongoing: bool) -> None:
        beats = self._beats
        severity = Severity.INFO if beats.in_doubt else Severity.LOW
        # Of all beats: those between the ectopic ones count.
        intervals = (beats.n - 1) * (self._others + 1)
        rate = 60.0 * self._sink.fs * intervals / (beats.last - beats.first)
        self._sink.put(
            self._kind,
            beats.first,
            beats.last,
            severity,
            beats.confidence,
            beats,
            rate=rate,
            ongoing=ongoing,
        )


# The confidence grows with the time by which a beat is earlier than this share of the QT interval.
_SHARE = 0.85


class ROnT:
    """Ventricular beats on the T wave of the beat before.

    Parameters
    ----------
    sink : Sink
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def beat(self, beat: BeatNow, share: float) -> None:
        """Report a ventricular beat that comes after this share of the QT interval."""
        beats = BeatsOf(beat.before)
        beats.add(beat.sample, beat.probability, trusted=beat.trusted)
        severity = Severity.INFO if not beat.trusted else Severity.MEDIUM
        confidence = beat.probability * (0.5 + min(0.5, _SHARE - share)) * beat.trusted
        self._sink.put(EventKind.R_ON_T, beat.before, beat.sample, severity, confidence, beats)
