"""Heart rates that are too low or too high."""

from __future__ import annotations

from dataclasses import dataclass

from ._scan import Scan
from .episode import BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["RateRule", "RateWatch"]


@dataclass(frozen=True, slots=True)
class RateRule:
    """When a rate is an event.

    Attributes
    ----------
    kind : EventKind
    severity : Severity
    begins, ends : float
        Beats per minute: the event begins beyond `begins` and ends on the other side of `ends`.
    intervals : int
        RR intervals whose mean is the rate.
    lasting : float
        Seconds that the rate has to stay beyond `begins`.
    """

    kind: EventKind
    severity: Severity
    begins: float
    ends: float
    intervals: int
    lasting: float = 0.0

    @property
    def is_low(self) -> bool:
        """Whether low rates are the event."""
        return self.begins <= self.ends

    def holds(self, rate: float) -> bool:
        """Whether a rate belongs to an event that has begun."""
        return rate < self.ends if self.is_low else rate > self.ends


class RateWatch:
    """One `RateRule` on a stream of beats.

    The mean of some intervals follows a rate late, so that an event begins with the first and ends
    with the last interval that is itself beyond the limit at which it ends.

    Parameters
    ----------
    rule : RateRule
    number : int
        Of the rule in `scan`.
    scan : Scan
        Stores the last beats, and compares their rate with the rule.
    sink : Sink
    """

    def __init__(self, rule: RateRule, number: int, scan: Scan, sink: Sink) -> None:
        self._rule = rule
        self._number = number
        self._scan = scan
        self._sink = sink
        self._lasting = rule.lasting * sink.fs
        self._beats: BeatsOf | None = None
        self._waiting: list[tuple[int, bool]] = []  # since the last such interval
        self._reported = False
        self._until = 0  # end of the last event, before which the next one cannot begin

    @property
    def is_open(self) -> bool:
        """Whether the rate was beyond its limit at the last beat."""
        return self._beats is not None

    def beat(self, *, beyond: bool) -> None:
        """Take the next beat, at which the rate is beyond the limit of the rule or not."""
        if not beyond:
            self.end()
            return
        scan = self._scan
        if self._beats is None:
            self._begin()
        else:
            self._take(scan.sample, trusted=scan.beat_trusted, rr=scan.rr)
        assert self._beats is not None
        beats = self._beats
        # A pause alone lowers the mean, and is no slow rate.
        fewest = self._rule.intervals // 2 + 1 if self._rule.is_low else 2
        if not self._reported and beats.n >= fewest and beats.last - beats.first >= self._lasting:
            self._reported = True
            self._put(beats, ongoing=True)

    def _begin(self) -> None:
        """The intervals of the mean are the first ones, but for those that belong to no event."""
        self._beats, fs = BeatsOf(), self._sink.fs
        recent = [one for one in self._scan.rates.recent(self._number) if one[0] >= self._until]
        before: int | None = None
        for sample, trusted in recent:
            if before is None:
                self._waiting = [(sample, trusted)]
            else:
                self._take(sample, trusted=trusted, rr=(sample - before) / fs)
                if not self._beats.n:
                    self._waiting = [(sample, trusted)]
            before = sample

    def _take(self, sample: int, *, trusted: bool, rr: float) -> None:
        """The next beat: of the event, or only once another interval is."""
        assert self._beats is not None
        self._waiting.append((sample, trusted))
        if self._rule.holds(60.0 / rr):
            for at, is_trusted in self._waiting:
                self._beats.add(at, 1.0, trusted=is_trusted)
            self._waiting = []

    def end(self) -> None:
        """The rate is no longer beyond its limit, or unknown."""
        if self._beats is not None and self._reported:
            self._put(self._beats, ongoing=False)
            self._until = self._beats.last
        self._beats, self._waiting, self._reported = None, [], False

    def _put(self, beats: BeatsOf, *, ongoing: bool) -> None:
        self._sink.put(
            self._rule.kind,
            beats.first,
            beats.last,
            self._rule.severity,
            beats.confidence,
            beats,
            rate=beats.rate(self._sink.fs),
            ongoing=ongoing,
        )
