"""Heart rates that are too low or too high."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .episode import TRUSTED_SHARE, BeatNow, BeatsOf, Sink
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


class RateWatch:
    """One `RateRule` on a stream of beats.

    Parameters
    ----------
    rule : RateRule
    sink : Sink
    """

    def __init__(self, rule: RateRule, sink: Sink) -> None:
        self._rule = rule
        self._sink = sink
        self._low = rule.begins <= rule.ends
        self._span = 60.0 * sink.fs * rule.intervals
        self._lasting = rule.lasting * sink.fs
        self._recent: deque[tuple[int, bool]] = deque()
        self._trusted = 0
        self._beats: BeatsOf | None = None
        self._reported = False

    def beat(self, beat: BeatNow) -> None:
        """Take the next beat."""
        recent, rule = self._recent, self._rule
        if not beat.joined and recent:
            self.end()
        recent.append((beat.sample, beat.trusted))
        self._trusted += beat.trusted
        if len(recent) <= rule.intervals:
            return
        if len(recent) > rule.intervals + 1:
            self._trusted -= recent.popleft()[1]
        rate = self._span / (beat.sample - recent[0][0])
        edge = rule.begins if self._beats is None else rule.ends
        beyond = rate < edge if self._low else rate > edge
        if not beyond or self._trusted < TRUSTED_SHARE * len(recent):
            if self._beats is not None:
                self._close()
            return
        if self._beats is None:
            self._beats = BeatsOf()
            for sample, trusted in recent:
                self._beats.add(sample, 1.0, trusted=trusted)
        else:
            self._beats.add(beat.sample, 1.0, trusted=beat.trusted)
        if not self._reported and self._beats.last - self._beats.first >= self._lasting:
            self._reported = True
            self._put(self._beats, ongoing=True)

    def end(self) -> None:
        """No beat follows on the last one: signal was lost, or the stream has ended."""
        self._close()
        self._recent.clear()
        self._trusted = 0

    def _close(self) -> None:
        if self._beats is not None and self._reported:
            self._put(self._beats, ongoing=False)
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
