"""Counts of the rhythm events of a recording."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .event import Event, EventKind, Severity, by_length

__all__ = ["KindTally", "RhythmSummary", "RhythmTally"]

# Events that a summary lists at most, the most severe first.
_LISTED = 20

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True)
class KindTally:
    """The events of one kind.

    Attributes
    ----------
    count : int
    seconds : float
        How long they last together; of one lead, overlaps count once.
    first, longest : Event
        The longest by `by_length`.
    fastest : Event or None
        The one with the highest rate, of those that have one.
    slowest : Event or None
        The one with the lowest.
    """

    count: int
    seconds: float
    first: Event
    longest: Event
    fastest: Event | None
    slowest: Event | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "count": self.count,
            "seconds": self.seconds,
            "first": self.first.to_dict(),
            "longest": self.longest.to_dict(),
            "fastest": self.fastest.to_dict() if self.fastest else None,
            "slowest": self.slowest.to_dict() if self.slowest else None,
        }


@dataclass(frozen=True)
class RhythmSummary:
    """What `RhythmTally` counted.

    Attributes
    ----------
    kinds : dict of EventKind to KindTally
        The kinds that were found.
    listed : tuple of Event
        At most 20 events of high and medium severity, the most severe ones, in order of time.
    more : int
        Events that are not listed.
    longest_rr : float
        Longest RR interval in seconds, with pauses, without lost signal and noise; NaN if none.
    longest_rr_at : float
        Where it begins, in seconds from the start.
    burden : float
        Share of the time, 0 to 1, in atrial fibrillation; NaN for an empty recording.
    """

    kinds: dict[EventKind, KindTally] = field(default_factory=dict)
    listed: tuple[Event, ...] = ()
    more: int = 0
    longest_rr: float = math.nan
    longest_rr_at: float = math.nan
    burden: float = math.nan

    def count(self, *kinds: EventKind) -> int:
        """Events of these kinds together."""
        return sum(self.kinds[kind].count for kind in kinds if kind in self.kinds)

    @property
    def total(self) -> int:
        """All events."""
        return self.count(*self.kinds)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain types, ready for JSON; NaN stays NaN."""
        return {
            "counts": {str(kind): self.count(kind) for kind in EventKind},
            "kinds": {str(kind): tally.to_dict() for kind, tally in self.kinds.items()},
            "listed": [event.to_dict() for event in self.listed],
            "more": self.more,
            "longest_rr": self.longest_rr,
            "longest_rr_at": self.longest_rr_at,
            "atrial_fibrillation_burden": self.burden,
        }


class RhythmTally:
    """Counts events one by one, in constant memory.

    Examples
    --------
    >>> tally = RhythmTally()
    >>> tally.add([Event("pause", 500, 1125, 2.0, 4.5)])
    >>> tally.summary(60.0).count(EventKind.PAUSE)
    1
    """

    def __init__(self) -> None:
        self._kinds: dict[EventKind, KindTally] = {}
        self._until: dict[tuple[EventKind, int | None], float] = {}
        self._listed: list[Event] = []

    def add(self, events: Iterable[Event]) -> None:
        """Count the next events; ongoing ones are skipped, since they are reported again."""
        for event in events:
            if not event.ongoing:
                self._add(event)

    def _add(self, event: Event) -> None:
        before = self._kinds.get(event.kind)
        # Where an episode begins before the one before it has ended, the time counts once.
        key = (event.kind, event.lead)
        begin = max(event.start_time, self._until.get(key, event.start_time))
        seconds = max(0.0, event.end_time - begin)
        self._until[key] = max(event.end_time, begin)
        fast = event if math.isfinite(event.rate) else None
        if before is None:
            self._kinds[event.kind] = KindTally(1, seconds, event, event, fast, fast)
        else:
            longest, fastest, slowest = before.longest, before.fastest, before.slowest
            longest = max(longest, event, key=by_length)
            if fast and (fastest is None or fast.rate > fastest.rate):
                fastest = fast
            if fast and (slowest is None or fast.rate < slowest.rate):
                slowest = fast
            self._kinds[event.kind] = KindTally(
                before.count + 1,
                before.seconds + seconds,
                before.first,
                longest,
                fastest,
                slowest,
            )
        if event.severity in (Severity.HIGH, Severity.MEDIUM):
            self._listed.append(event)
            if len(self._listed) > _LISTED:
                self._listed.sort(key=_urgency)
                self._listed.pop()

    def summary(
        self, duration: float, *, longest_rr: tuple[float, float] = (math.nan, math.nan)
    ) -> RhythmSummary:
        """What was counted so far.

        Parameters
        ----------
        duration : float
            Seconds of signal.
        longest_rr : (float, float)
            The longest RR interval and where it begins, in s.

        Returns
        -------
        RhythmSummary
        """
        fibrillation = self._kinds.get(EventKind.ATRIAL_FIBRILLATION)
        seconds = fibrillation.seconds if fibrillation else 0.0
        return RhythmSummary(
            kinds={kind: self._kinds[kind] for kind in EventKind if kind in self._kinds},
            listed=tuple(sorted(self._listed, key=lambda event: event.start)),
            more=sum(one.count for one in self._kinds.values()) - len(self._listed),
            longest_rr=longest_rr[0],
            longest_rr_at=longest_rr[1],
            burden=min(1.0, seconds / duration) if duration > 0.0 else math.nan,
        )


def _urgency(event: Event) -> tuple[int, int]:
    return -_RANK[event.severity], event.start
