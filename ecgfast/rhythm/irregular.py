"""Atrial fibrillation and flutter: intervals that are irregular for long."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from .episode import BeatNow, BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Irregular"]

# RR intervals that are looked at, and how often.
_WINDOW = 64
_EVERY = 8


class Irregular:
    """Episodes of irregular RR intervals.

    Parameters
    ----------
    sink : Sink
    lasting : float
        Seconds that an episode has to last.
    """

    def __init__(self, sink: Sink, lasting: float) -> None:
        self._sink = sink
        self._lasting = lasting
        self._beats: deque[tuple[int, int, bool]] = deque(maxlen=_WINDOW)
        self._count = 0
        self._episode: tuple[int, int] | None = None
        self._n = 0
        self._reported = False

    def beat(self, beat: BeatNow) -> None:
        """Take the next beat."""
        if not beat.joined:
            self.end()
        self._beats.append((beat.sample, round(1000 * beat.rr) if beat.joined else 0, beat.trusted))
        self._count += 1
        if self._count % _EVERY or len(self._beats) < _WINDOW:
            return
        p = self._score()
        if p < 0.5:
            self._close()
            return
        if self._episode is None:
            self._episode = (self._beats[0][0], beat.sample)
            self._n = _WINDOW
        else:
            self._episode = (self._episode[0], beat.sample)
            self._n += _EVERY
        if not self._reported and beat.sample - self._episode[0] >= self._lasting * self._sink.fs:
            self._reported = True
            self._put(ongoing=True)

    def _score(self) -> float:
        """Lian et al. 2011: cells of 25 ms that the map of RR against its change fills."""
        rr = [one for _, one, _ in self._beats if one]
        cells = {(b // 25, (b - a) // 25) for a, b in pairwise(rr)}
        return 1.0 if len(cells) >= 40 else 0.0

    def end(self) -> None:
        """No beat follows on the last one."""
        self._close()
        self._beats.clear()
        self._count = 0

    def _close(self) -> None:
        if self._episode is not None and self._reported:
            self._put(ongoing=False)
        self._episode, self._reported = None, False

    def _put(self, *, ongoing: bool) -> None:
        assert self._episode is not None
        start, end = self._episode
        beats = BeatsOf(*(at for at, _, _ in self._beats))
        beats.n = self._n
        rate = 60.0 * self._sink.fs * (self._n - 1) / (end - start)
        self._sink.put(
            EventKind.ATRIAL_FIBRILLATION,
            start,
            end,
            Severity.MEDIUM,
            0.9,
            beats,
            rate=rate,
            ongoing=ongoing,
        )
