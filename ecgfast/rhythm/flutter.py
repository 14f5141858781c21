"""Ventricular flutter and fibrillation."""

from __future__ import annotations

from ._scan import WAVES_S
from .episode import BeatNow, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["FlutterWatch"]

# The core's mark comes from a threshold and has no probability.
_CONFIDENCE = 0.8


class FlutterWatch:
    """Stretches of waves and no beats: detections that are waves, or a signal that is.

    Parameters
    ----------
    sink : Sink
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waves = BeatsOf()
        self._first = self._last = -1
        self._until = 0  # the end of the event before
        self._in_signal = False
        self._reported = False

    def beat(self, beat: BeatNow, *, wave: bool, lost: bool) -> None:
        """Take the next beat or wave; `lost` says that signal was lost before it."""
        if lost or not (wave or self._in_signal):
            self.end()
        if wave:
            self._waves.add(beat.sample, 1.0, trusted=True)
            self._extend(beat.sample, beat.sample)

    def waves_began(self, begin: int, end: int) -> None:
        """The signal has been waves since a sample, and still is."""
        self._in_signal = True
        self._extend(begin, end)

    def waves_ended(self, end: int) -> None:
        """The signal was waves until a sample; detections may go on to be."""
        self._in_signal = False
        if self._first < 0:
            return  # a lost signal has ended them
        self._extend(end, end)
        if not self._waves.n:
            self.end()

    def end(self) -> None:
        """The waves have ended."""
        if self._reported:
            self._put(ongoing=False)
        if self._first >= 0:
            if self._reported:
                self._until = self._last
            self._waves, self._first, self._last, self._reported = BeatsOf(), -1, -1, False
        self._in_signal = False

    def _extend(self, begin: int, end: int) -> None:
        """Waves between two samples belong to the event, but for those of the event before."""
        begin, end = max(begin, self._until), max(end, self._until)
        self._first = begin if self._first < 0 else min(self._first, begin)
        self._last = max(self._last, end)
        if not self._reported and self._last - self._first >= WAVES_S * self._sink.fs:
            self._reported = True
            self._put(ongoing=True)

    def _put(self, *, ongoing: bool) -> None:
        self._sink.put(  # without a rate: not every wave is detected
            EventKind.VENTRICULAR_FLUTTER,
            self._first,
            self._last,
            Severity.HIGH,
            _CONFIDENCE,
            self._waves,
            ongoing=ongoing,
        )
