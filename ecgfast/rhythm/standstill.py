"""Pauses and asystoles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ._scan import FLAT_BLOCKS, STEEP, Scan
from .blocks import FLAT, USABLE, Blocks
from .episode import BEATS_KEPT, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Standstill"]

# With fewer trusted beats among the last eight, the absence of beats means nothing.
_TRUSTED_BEATS = 4

# Seconds beyond its threshold after which an asystole is suspected: by then the detector has
# usually reported a beat before the threshold, however small.
_USUAL_REPORT_S = 0.5

# Seconds after an R peak in which its T wave moves the signal, as in `Scan`.
_AFTER_R_S = 0.45


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
        # The newest blocks: `Scan` takes them only once no beat can still be reported in them.
        self._quiet = (asystole + _USUAL_REPORT_S) * scan.fs
        self._kept = int(self._quiet / scan.blocks.size) + 2
        self._state: npt.NDArray[np.int8] = np.empty((0, scan.blocks.leads), np.int8)
        self._activity: npt.NDArray[np.float32] = np.empty((0, scan.blocks.leads), np.float32)
        self._end = 0
        self._suspected: tuple[int, int] | None = None  # its begin, and when it was suspected

    def seen(self, pieces: Iterator[Blocks]) -> Iterator[Blocks]:
        """Pass blocks on, and keep the newest of them."""
        kept = self._kept
        for blocks in pieces:
            self._state = np.concatenate([self._state, blocks.state])[-kept:].copy()
            self._activity = np.concatenate([self._activity, blocks.activity])[-kept:].copy()
            self._end += len(blocks.state) * self._scan.blocks.size
            yield blocks

    def suspected(self) -> tuple[int, int] | None:
        """Begin and present end of an asystole that a beat reported late could still disprove.

        It is suspected where the signal since the last reported beat is usable and nothing in it is
        steep enough to be a beat, and holds until a beat is reported, or the blocks in which it was
        suspected have been judged: none is suspected once the asystole has been reported.
        """
        scan = self._scan
        if self._suspected is not None:
            begin, at = self._suspected
            judged = scan.asystole_since >= 0 or scan.blocks.next * scan.blocks.size >= at
            if not judged and scan.stood_last <= begin:
                return begin, self._end
            self._suspected = None
        since = self._quiet_since()
        if since is not None:
            self._suspected = since, self._end
        return self._suspected

    def _quiet_since(self) -> int | None:
        """Since when nothing can have been a beat, where that is long enough to be suspected."""
        scan, end = self._scan, self._end
        last = scan.stood_last
        if last < 0 or end - last < self._quiet or max(scan.asystole_since, scan.waves_since) >= 0:
            return None
        if scan.trust.trusted < _TRUSTED_BEATS:
            return None
        first = end - len(self._state) * scan.blocks.size
        # From the first block behind the T wave of the last beat.
        skipped = max(0, -(-(last + round(_AFTER_R_S * scan.fs) - first) // scan.blocks.size))
        usable = self._state[skipped:] == USABLE
        shown = usable.any(axis=1)
        flat = ~shown & (self._state[skipped:] == FLAT).any(axis=1)
        if not (shown | flat).all() or _longest(flat) >= FLAT_BLOCKS:
            return None
        sizes = np.array([scan.blocks.qrs(lead) for lead in range(scan.blocks.leads)])
        comparable = usable & (sizes > 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(comparable, self._activity[skipped:] / sizes, np.inf).min(axis=1)
        share[flat] = 0.0
        steep = np.flatnonzero(share >= STEEP)
        since = first + (skipped + int(steep[-1]) + 1) * scan.blocks.size if len(steep) else last
        return since if end - since >= self._quiet else None

    def confidence(self, first: int, last: int) -> float:
        """Share of trusted beats, less where what lies between these samples is steep."""
        quiet = 1.0 - self._scan.between(first, last) / (2.0 * STEEP)
        return self._scan.trust.trusted / BEATS_KEPT * max(0.5, quiet)

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
        beats = [begin] if self._scan.trust.is_recent(begin) else []
        self._sink.put(
            EventKind.ASYSTOLE,
            begin,
            end,
            Severity.HIGH,
            self.confidence(begin, end),
            BeatsOf(*beats, *([end] if by_beat else [])),
            ongoing=ongoing,
        )

    def _interval(self, last: int, sample: int, rr: float) -> bool:
        scan = self._scan
        if scan.trust.trusted < _TRUSTED_BEATS or last < 0 or scan.between(last, sample) >= STEEP:
            return False
        kind, severity = EventKind.PAUSE, Severity.MEDIUM
        if rr >= self._asystole:
            kind, severity = EventKind.ASYSTOLE, Severity.HIGH
        confidence = self.confidence(last, sample)
        self._sink.put(kind, last, sample, severity, confidence, BeatsOf(last, sample))
        return True


def _longest(flags: npt.NDArray[np.bool_]) -> int:
    """Longest run of True."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))
