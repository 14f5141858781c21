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


class RateWatch:
    """One `RateRule` on a stream of beats.

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
            self._beats = BeatsOf()
            for sample, trusted in scan.rates.recent(self._number):
                if sample >= self._until:
                    self._beats.add(sample, 1.0, trusted=trusted)
        else:
            self._beats.add(scan.sample, 1.0, trusted=scan.beat_trusted)
        if not self._reported and self._beats.last - self._beats.first >= self._lasting:
            self._reported = True
            self._put(self._beats, ongoing=True)

    def end(self) -> None:
        """The rate is no longer beyond its limit, or unknown."""
        if self._beats is not None and self._reported:
            self._put(self._beats, ongoing=False)
            self._until = self._beats.last
        self._beats, self._reported = None, False

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
