"""Pauses and asystoles."""

from __future__ import annotations

from ._scan import STEEP, Scan
from .episode import BEATS_KEPT, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Standstill"]

# With fewer trusted beats among the last eight, the absence of beats means nothing.
_TRUSTED_BEATS = 4


class Standstill:
    """Intervals without a beat, in a signal good enough to show one.

    Parameters
    ----------
    sink : Sink
    scan : Scan
        Stores the last blocks and beats; it finds where an asystole without a beat begins.
    pause, asystole : float
        Seconds without a beat.
    """

    def __init__(self, sink: Sink, scan: Scan, pause: float, asystole: float) -> None:
        self._sink = sink
        self._scan = scan
        self._pause, self._asystole = pause, asystole

    def beat(self) -> bool:
        """Judge the interval before a beat.

        Returns
        -------
        bool
            Whether the beat follows the beat before directly: False where beats may have been
            missed.
        """
        scan = self._scan
        since = scan.asystole_since
        if since >= 0:
            self.put(since, scan.sample, ongoing=False, by_beat=True)
            return scan.joined and since == scan.stood_last
        if scan.joined and scan.rr >= self._pause:
            return self._interval(scan.stood_last, scan.sample, scan.rr)
        return scan.joined

    def put(self, begin: int, end: int, *, ongoing: bool, by_beat: bool = False) -> None:
        """Report an asystole that began without a beat that ends it.

        Parameters
        ----------
        begin, end : int
            Samples.
        ongoing : bool
        by_beat : bool
            Whether a beat is at its end.
        """
        beats = [begin] if self._scan.is_recent(begin) else []
        self._sink.put(
            EventKind.ASYSTOLE,
            begin,
            end,
            Severity.HIGH,
            self._confidence(begin, end),
            BeatsOf(*beats, *([end] if by_beat else [])),
            ongoing=ongoing,
        )

    def _interval(self, last: int, sample: int, rr: float) -> bool:
        scan = self._scan
        if scan.trusted < _TRUSTED_BEATS or last < 0 or scan.between(last, sample) >= STEEP:
            return False
        kind, severity = EventKind.PAUSE, Severity.MEDIUM
        if rr >= self._asystole:
            kind, severity = EventKind.ASYSTOLE, Severity.HIGH
        confidence = self._confidence(last, sample)
        self._sink.put(kind, last, sample, severity, confidence, BeatsOf(last, sample))
        return True

    def _confidence(self, first: int, last: int) -> float:
        """Share of trusted beats, less where what lies between these samples is steep."""
        quiet = 1.0 - self._scan.between(first, last) / (2.0 * STEEP)
        return self._scan.trusted / BEATS_KEPT * max(0.5, quiet)
