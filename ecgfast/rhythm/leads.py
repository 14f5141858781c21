"""Leads that come off, stand still, or lose samples."""

from __future__ import annotations

from math import isfinite

from .blocks import FLAT, LOST, USABLE
from .episode import Sink
from .event import EventKind, Severity

__all__ = ["LeadWatch"]

# Blocks that a lead stands still before it counts: 1 s.
_FLAT_BLOCKS = 4

# Share of the signal's level that a new block has: the level is a mean over some 5 s.
_LEVEL_SHARE = 0.05


class LeadWatch:
    """Gaps and standstills of one lead.

    Parameters
    ----------
    lead : int
    only : bool
        Whether there is no other lead.
    size : int
        Samples of a block.
    sink : Sink
    """

    def __init__(self, lead: int, size: int, sink: Sink, *, only: bool) -> None:
        self._lead = lead
        self._size = size
        self._sink = sink
        self._severity = Severity.MEDIUM if only else Severity.LOW
        self._state = USABLE
        self._since = 0
        self._kind: EventKind | None = None
        self._mean: float | None = None

    def block(self, index: int, state: int, level: float, qrs: float) -> None:
        """Take the next block.

        Parameters
        ----------
        index : int
            Of the block.
        state : int
            `USABLE`, `LOST` or `FLAT`.
        level : float
            Of its last sample.
        qrs : float
            How much a QRS complex changes within 40 ms in this lead; 0 where that is not known.
        """
        if state != self._state:
            self.end(index * self._size)
            self._state, self._since = state, index
        if state == USABLE:
            mean = self._mean
            if isfinite(level):
                self._mean = level if mean is None else mean + _LEVEL_SHARE * (level - mean)
            return
        if self._kind is not None:
            return
        if state == LOST:
            self._kind = EventKind.GAP
        elif state == FLAT and index + 1 - self._since >= _FLAT_BLOCKS:
            away = self._mean is not None and abs(level - self._mean) > qrs > 0.0
            self._kind = EventKind.LEAD_OFF if away else EventKind.FLAT_LINE
        if self._kind is not None:
            self._put((index + 1) * self._size, ongoing=True)

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
            self._since * self._size,
            end,
            Severity.LOW if self._kind is EventKind.GAP else self._severity,
            1.0,
            lead=self._lead,
            ongoing=ongoing,
        )
