"""Stretches in which beats cannot be distinguished from noise."""

from __future__ import annotations

from math import inf

from .episode import Sink, Trust
from .event import EventKind, Severity
from .steepness import STEEP, Steepness

__all__ = ["NoiseWatch"]

# Blocks looked at, 5 s; the first quarter of them by steepness lies between the beats.
_BLOCKS = 20
_RANK = 5

# The steepness between the beats below which noise has ended.
_ENDS = 0.35

# Noise begins with fewer readable beats than this among the last eight, and ends with more.
_SOUND = 3

# Seconds without a beat, and without an asystole, that are noise.
_NO_BEATS_S = 10.0


class NoiseWatch:
    """Stretches of noise.

    Parameters
    ----------
    sink : Sink
    steepness : Steepness
    trust : Trust
    size : int
        Samples of a block.
    """

    def __init__(self, sink: Sink, steepness: Steepness, trust: Trust, size: int) -> None:
        self._sink = sink
        self._steepness = steepness
        self._trust = trust
        self._reach = _BLOCKS * size
        self._no_beats = _NO_BEATS_S * sink.fs
        self._signal_since = 0
        self._since: int | None = None

    def look(self, now: int, last: int, *, standstill: bool) -> None:
        """Begin or end noise by the last blocks and beats.

        Parameters
        ----------
        now : int
            Samples that have been processed.
        last : int
            R peak of the last beat.
        standstill : bool
            Whether an asystole has been reported and lasts.
        """
        level = self._steepness.level(_BLOCKS, _RANK)
        if level == inf:
            level = 0.0  # no size of a beat to compare it with
        silent = not standstill and now - max(last, self._signal_since) >= self._no_beats
        # A detector that has just begun to learn doubts everything.
        learning = now - self._signal_since < self._no_beats
        unsound = 0 if learning else self._trust.unsound
        if self._since is None:
            if silent or level >= STEEP or unsound > self._trust.kept - _SOUND:
                self._since = max(self._signal_since, now - self._reach)
                self._put(now, ongoing=True)
        elif not silent and level < _ENDS and unsound < self._trust.kept - _SOUND:
            self.end(now)

    def lost(self, begin: int, end: int) -> None:
        """No lead is usable from sample `begin` to `end`."""
        self.end(begin)
        self._signal_since = end

    def end(self, sample: int) -> None:
        """The noise, if any, has ended at this sample."""
        if self._since is not None:
            self._put(max(sample, self._since), ongoing=False)
        self._since = None

    def _put(self, end: int, *, ongoing: bool) -> None:
        assert self._since is not None
        self._sink.put(EventKind.NOISE, self._since, end, Severity.LOW, 1.0, ongoing=ongoing)
