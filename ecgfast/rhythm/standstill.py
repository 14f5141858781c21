"""Pauses and asystoles."""

from __future__ import annotations

from .episode import BEATS_KEPT, BeatsOf, Sink, Trust
from .event import EventKind, Severity
from .steepness import STEEP, Steepness

__all__ = ["Standstill"]

# Quality bit of a detection that is perhaps no beat.
_DOUBTFUL = 32

# With fewer trusted beats among the last eight, the absence of beats means nothing.
_TRUSTED_BEATS = 4

# A doubtful detection below this share of a QRS complex's steepness, and so long after the last
# beat, is a P wave without a beat. The smallest share of 1,176 true doubtful beats that late on
# mitdb and nsrdb is 0.33.
_P_WAVE_STEEPNESS = 0.3
_P_WAVE_AFTER_S = 1.2

# Steep blocks in a row that end an asystole: 1 s. One or two may be the next beat.
_STEEP_BLOCKS = 4


class Standstill:
    """Intervals without a beat, in a signal good enough to show one.

    Parameters
    ----------
    sink : Sink
    steepness : Steepness
    trust : Trust
    size : int
        Samples of a block.
    pause, asystole : float
        Seconds without a beat.
    """

    def __init__(
        self,
        sink: Sink,
        steepness: Steepness,
        trust: Trust,
        size: int,
        pause: float,
        asystole: float,
    ) -> None:
        self._sink = sink
        self._steepness = steepness
        self._trust = trust
        self._size = size
        self._pause, self._asystole = pause, asystole
        self._asystole_samples = asystole * sink.fs
        self._last = -1  # R peak of the last beat; -1 before the first, and after a loss
        self._quiet_from = 0  # since this sample no beat, nothing lost and nothing steep
        self._since: int | None = None  # where an asystole that was reported began
        self._steep = 0

    @property
    def lasts(self) -> bool:
        """Whether an asystole has been reported and has not ended."""
        return self._since is not None

    def block(self, begin: int, steepness: float) -> None:
        """Take the next usable block, which begins at this sample."""
        end = begin + self._size
        if steepness >= STEEP and begin >= self._last + self._steepness.after_r:
            self._steep += 1
            if self._since is None:
                self._quiet_from = end
            elif self._steep >= _STEEP_BLOCKS:
                self._end(end - _STEEP_BLOCKS * self._size)
                self._quiet_from = end
            return
        self._steep = 0
        if (
            self._since is None
            and begin - self._quiet_from >= self._asystole_samples
            and self._trust.trusted >= _TRUSTED_BEATS
            and steepness < STEEP
        ):
            self._since = self._quiet_from
            self._put(end, ongoing=True)

    def is_isolated_p_wave(self, sample: int, quality: int) -> bool:
        """Whether a detection is a P wave without a QRS complex, not a beat.

        Parameters
        ----------
        sample : int
            Its place.
        quality : int
            Its quality bits.
        """
        return (
            bool(quality & _DOUBTFUL)
            and self._last >= 0
            and sample - self._last >= _P_WAVE_AFTER_S * self._sink.fs
            and self._trust.trusted >= _TRUSTED_BEATS
            and self._steepness.of_beat(sample) < _P_WAVE_STEEPNESS
        )

    def lost(self, begin: int) -> None:
        """Take the next block, in which no lead is usable."""
        self._end(begin)
        self._quiet_from = begin + self._size
        self._last = -1
        self._steep = 0

    def beat(self, sample: int, rr: float, *, joined: bool) -> bool:
        """Take the next beat.

        Parameters
        ----------
        sample : int
            Its R peak.
        rr : float
            Seconds since the beat before.
        joined : bool
            Whether nothing was lost in between.

        Returns
        -------
        bool
            Whether it follows the beat before directly: False where beats may have been missed.
        """
        last, self._last = self._last, sample
        self._quiet_from = sample
        self._steep = 0
        if self._since is not None:
            joined = joined and self._since == last
            self._end(sample, by_beat=True)
        elif joined and rr >= self._pause:
            joined = self._interval(last, sample, rr)
        return joined

    def end(self, sample: int) -> None:
        """The stream has ended after so many samples."""
        self._end(sample)

    def _interval(self, last: int, sample: int, rr: float) -> bool:
        if (
            self._trust.trusted < _TRUSTED_BEATS
            or last < 0
            or self._steepness.between(last, sample) >= STEEP
        ):
            return False
        kind, severity = EventKind.PAUSE, Severity.MEDIUM
        if rr >= self._asystole:
            kind, severity = EventKind.ASYSTOLE, Severity.HIGH
        confidence = self._confidence(last, sample)
        self._sink.put(kind, last, sample, severity, confidence, BeatsOf(last, sample))
        return True

    def _end(self, sample: int, *, by_beat: bool = False) -> None:
        if self._since is not None:
            self._put(sample, ongoing=False, by_beat=by_beat)
        self._since = None

    def _put(self, end: int, *, ongoing: bool, by_beat: bool = False) -> None:
        begin = self._since
        assert begin is not None
        beats = [begin] if begin in self._trust.recent else []
        self._sink.put(
            EventKind.ASYSTOLE,
            begin,
            end,
            Severity.HIGH,
            self._confidence(begin, end),
            BeatsOf(*beats, *([end] if by_beat else [])),
            ongoing=ongoing,
        )

    def _confidence(self, first: int, last: int) -> float:
        """Share of trusted beats, less where what lies between these samples is steep."""
        quiet = 1.0 - self._steepness.between(first, last) / (2.0 * STEEP)
        return self._trust.trusted / BEATS_KEPT * max(0.5, quiet)
