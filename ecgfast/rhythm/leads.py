"""Leads that are off, flat or missing samples."""

from __future__ import annotations

from .blocks import FLAT, LOST, USABLE
from .episode import Sink
from .event import EventKind, Severity
from .steepness import Steepness

__all__ = ["LeadWatch"]

# Flat blocks in a row that make an event: 1 s.
_FLAT_BLOCKS = 4


class LeadWatch:
    """Gaps and flat stretches of one lead.

    Parameters
    ----------
    lead : int
    size : int
        Samples of a block.
    sink : Sink
    only : bool
        Whether there is no other lead.

    Attributes
    ----------
    state : int
        Of the last block.
    """

    def __init__(self, lead: int, size: int, sink: Sink, *, only: bool) -> None:
        self._lead = lead
        self._size = size
        self._sink = sink
        self._severity = Severity.MEDIUM if only else Severity.LOW
        self.state = USABLE
        self._since = 0
        self._kind: EventKind | None = None

    def block(self, index: int, state: int, level: float, steepness: Steepness) -> None:
        """Take the next block; a usable block after a usable one may be left out.

        Parameters
        ----------
        index : int
            Of the block.
        state : int
            `USABLE`, `LOST` or `FLAT`.
        level : float
            Of its last sample.
        steepness : Steepness
        """
        if state != self.state:
            self.end(index * self._size)
            self.state, self._since = state, index
        if state == USABLE or self._kind is not None:
            return
        if state == LOST:
            self._kind = EventKind.GAP
        elif state == FLAT and index + 1 - self._since >= _FLAT_BLOCKS:
            usual, qrs = steepness.usual_level(self._lead), steepness.qrs[self._lead]
            away = usual is not None and abs(level - usual) > qrs > 0.0
            self._kind = EventKind.LEAD_OFF if away else EventKind.FLAT_LINE
        if self._kind is not None:
            self._put((index + 1) * self._size, ongoing=True)

    def end(self, sample: int) -> None:
        """The state has ended at this sample."""
        if self._kind is not None:
            self._put(sample, ongoing=False)
        self._kind = None
        self.state = USABLE

    def _put(self, end: int, *, ongoing: bool) -> None:
        assert self._kind is not None
        self._sink.put(
            self._kind,
            self._since * self._size,
            end,
            Severity.LOW if self._kind is EventKind.GAP else self._severity,
            1.0,
            lead=self._lead,
            ongoing=ongoing,
        )
