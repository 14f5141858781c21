"""Leads that are off, flat, missing samples, or show mains hum alone."""

from __future__ import annotations

from ._scan import FLAT_BLOCKS, Scan
from .blocks import FLAT, HUM, HUM_BLOCKS, HUM_EVERY, LOST, USABLE
from .episode import Sink
from .event import EventKind, Severity

__all__ = ["LeadWatch"]


class LeadWatch:
    """Gaps, flat stretches and hum of one lead.

    Parameters
    ----------
    lead : int
    scan : Scan
        Stores the last blocks of the signal.
    sink : Sink
    only : bool
        Whether there is no other lead.
    """

    def __init__(self, lead: int, scan: Scan, sink: Sink, *, only: bool) -> None:
        self._lead = lead
        self._scan = scan
        self._sink = sink
        self._severity = Severity.MEDIUM if only else Severity.LOW
        self._state = USABLE
        self._since = 0
        self._kind: EventKind | None = None

    def block(self) -> None:
        """Look at the last block, whose state is another one or for which an event is due."""
        blocks = self._scan.blocks
        state, level = blocks.lead(self._lead)
        index = blocks.next - 1
        if state != self._state:
            # Hum is looked for in blocks that end here: it began with the first of them, and had
            # ended, at the latest, when it was looked for before.
            ended = HUM_EVERY - 1 if self._state == HUM and state == USABLE else 0
            self.end((index - ended) * blocks.size)
            began = HUM_BLOCKS - 1 if state == HUM else 0
            self._state, self._since = state, max(index - began, self._since)
        if state == LOST and self._kind is None:
            self._kind = EventKind.GAP
            self._put((index + 1) * blocks.size, ongoing=True)
        elif state == FLAT and self._kind is None and index + 1 - self._since >= FLAT_BLOCKS:
            usual, qrs = blocks.usual_level(self._lead), blocks.qrs(self._lead)
            away = usual is not None and abs(level - usual) > qrs > 0.0
            self._kind = EventKind.LEAD_OFF if away else EventKind.FLAT_LINE
            self._put((index + 1) * blocks.size, ongoing=True)
        elif state == HUM and self._kind is None:
            self._kind = EventKind.MAINS_HUM
            self._put((index + 1) * blocks.size, ongoing=True)
        self._scan.watched(self._lead, state, self._kind is None)

    def end(self, sample: int) -> None:
        """The state has ended at this sample."""
        if self._kind is not None:
            self._put(sample, ongoing=False)
        self._kind = None
        self._state = USABLE

    def _put(self, end: int, *, ongoing: bool) -> None:
        assert self._kind is not None
        self._sink.put(
            self._kind,
            self._since * self._scan.blocks.size,
            end,
            Severity.LOW if self._kind is EventKind.GAP else self._severity,
            1.0,
            lead=self._lead,
            ongoing=ongoing,
        )
