"""Ventricular flutter and fibrillation."""

from __future__ import annotations

from .episode import BeatNow, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["FlutterWatch"]

# Shortest event in seconds; the core has seen 2.5 s of waves before it marks the first.
_LASTING_S = 3.0

# The core's mark comes from a threshold and has no probability.
_CONFIDENCE = 0.8


class FlutterWatch:
    """Stretches of detections that the core marks as waves, and no beats.

    Parameters
    ----------
    sink : Sink
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waves = BeatsOf()
        self._reported = False

    def beat(self, beat: BeatNow, *, wave: bool, lost: bool) -> None:
        """Take the next beat or wave; `lost` says that signal was lost before it."""
        if self._waves.n and (lost or not wave):
            self.end()
        if not wave:
            return
        self._waves.add(beat.sample, 1.0, trusted=True)
        if not self._reported:
            self._reported = self._waves.last - self._waves.first >= _LASTING_S * self._sink.fs
            if self._reported:
                self._put(ongoing=True)

    def end(self) -> None:
        """The waves have ended."""
        if self._reported:
            self._put(ongoing=False)
        if self._waves.n:
            self._waves, self._reported = BeatsOf(), False

    def _put(self, *, ongoing: bool) -> None:
        waves = self._waves  # without a rate: not every wave is detected
        self._sink.put(
            EventKind.VENTRICULAR_FLUTTER,
            waves.first,
            waves.last,
            Severity.HIGH,
            _CONFIDENCE,
            waves,
            ongoing=ongoing,
        )
