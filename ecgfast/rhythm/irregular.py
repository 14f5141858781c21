"""Atrial fibrillation: RR intervals that stay irregular, without repeating P waves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, inf, log
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ._beat_window import CONTEXT, EVERY
from .atrial import AtrialSettings
from .episode import BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Irregular", "Window", "unscored"]

# One beat counts at most so much: evidence has to repeat.
_MOST = 4.0
# Fewest beats of a stretch of signal that are scored.
_FEWEST = 8
# Longest stretch of signal that is judged as a whole: in a longer one a sum has had the time.
_WHOLE_S = 120.0
# Beats at the end of a window that are scored with a later one, when those after them are known:
# the last one has no P wave yet.
_AHEAD = CONTEXT + 1


class Window(Protocol):
    """What `Irregular` needs of a `BeatWindow`."""

    fresh: int
    every: int
    episode: int

    @property
    def n_beats(self) -> int:
        """Beats of the window now."""

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """Their R peaks."""

    @property
    def is_readable(self) -> bool:
        """Whether it shows a rhythm."""

    @property
    def is_interrupted(self) -> bool:
        """Whether it shows a regular rhythm with premature beats or pauses."""

    @property
    def stretch_start(self) -> int:
        """First R peak without lost signal up to now."""

    @property
    def stretch_beats(self) -> int:
        """Beats since then."""

    @property
    def regular(self) -> int:
        """Those of them whose rhythm was regular and has not been scored."""

    def clear(self) -> None:
        """No beat follows on the last one."""


def unscored(window: Window, *, ended: bool) -> tuple[int, int]:
    """The first beat of the window that is to be scored now, and the one after the last."""
    n = window.n_beats
    return max(0, n - _AHEAD - window.fresh), n if ended else n - _AHEAD


class Irregular:
    """Episodes of irregular RR intervals.

    Each beat is scored from those around it. Outside an episode, the log odds of beats, less those
    of the threshold, are summed; a sum below 0 starts again from 0. Where it exceeds a limit, an
    episode has begun at the beat from which on it was above 0. The end is found likewise, with the
    opposite sign (a cumulative sum, Page 1954). Beats that cannot be read count as even odds, those
    of a regular rhythm that is only interrupted as evidence against an episode. A short stretch of
    signal that ends before the sum was large enough is judged as a whole, by the log odds alone.

    Parameters
    ----------
    sink : Sink
    window : Window
        The last beats.
    odds : callable
        Gives the log odds of atrial fibrillation of beats of the window: from the first one on,
        counted in the window, to before the last.
    settings : AtrialSettings
    lasting : float
        Shortest episode in seconds.

    References
    ----------
    E. S. Page: Continuous inspection schemes. Biometrika 41 (1954) 100-115.
    """

    def __init__(
        self,
        sink: Sink,
        window: Window,
        odds: Callable[[int, int], Sequence[float]],
        settings: AtrialSettings,
        lasting: float,
    ) -> None:
        self._sink = sink
        self._window = window
        self._odds = odds
        self._lasting, self._whole = lasting * sink.fs, _WHOLE_S * sink.fs
        probability = settings.probability
        self._threshold = log(probability / (1.0 - probability)) if probability < 1.0 else inf
        self._begins, self._ends = settings.begins, settings.ends
        self._clear()

    def _clear(self) -> None:
        """Forget the stretch of signal."""
        self._total = 0.0  # of all beats of the stretch
        self._found = False  # whether the stretch had an episode
        self._begin_again()

    def _begin_again(self) -> None:
        """Nothing points to an episode."""
        self._window.episode = 0
        self._inside = self._reported = False
        self._sum = 0.0
        # Where the episode began, and where it may have ended: R peak, and the beats up to it.
        self._start = self._end = 0
        self._head: list[int] = []
        self._tail: list[int] = []
        self._n_beats = 0
        # Probabilities of its beats up to the possible end, and since then.
        self._trust = self._trust_since = (0.0, 0)

    def end(self) -> None:
        """No beat follows on the last one: signal was lost, or the stream has ended."""
        window = self._window
        if not window.n_beats:
            return
        if window.n_beats >= _FEWEST:
            self._score(ended=True)
        last = int(window.samples[-1])
        if self._inside:
            self._mark_end(last, 0)
            self._close()
        elif (
            not self._found
            and last - window.stretch_start <= self._whole
            and self._total - _MOST * window.regular > 0.0
        ):
            self._judge_whole(last)
        window.clear()
        self._clear()

    def look(self) -> None:
        """Score the window."""
        self._score(ended=False)
        self._window.fresh, self._window.every = 0, EVERY

    def _score(self, *, ended: bool) -> None:
        window = self._window
        n, samples = window.n_beats, window.samples
        first, last = unscored(window, ended=ended)
        readable, interrupted = window.is_readable, window.is_interrupted
        for at, odds in enumerate(self._odds(first, last), start=first):
            change = max(-_MOST, min(_MOST, odds - self._threshold))
            if not readable:
                change = min(0.0, change)
            self._total += change
            self._add(at, odds, -_MOST if interrupted else change)
        if not self._sum and not self._inside:
            window.episode = 0
        now = int(samples[last - 1])
        if self._inside and not self._reported and now - self._start >= self._lasting:
            self._reported = True
            self._put(now, window.episode - (n - last), self._head, ongoing=True)

    def _add(self, at: int, odds: float, change: float) -> None:
        """Sum the evidence of one beat of the window."""
        step = -change if self._inside else change
        if self._sum <= 0.0 < step:
            self._candidate(at)
        probability = 1.0 / (1.0 + exp(-odds)) if odds > -50.0 else 0.0
        self._trust_since = (self._trust_since[0] + probability, self._trust_since[1] + 1)
        self._sum = max(0.0, self._sum + step)
        if self._sum > (self._ends if self._inside else self._begins):
            if self._inside:
                self._close()
            else:
                self._inside = self._found = True
                self._sum = 0.0

    def _candidate(self, first: int) -> None:
        """An episode begins or ends at this beat of the window, if what follows confirms it."""
        samples = self._window.samples
        at = int(samples[first])
        n_after = len(samples) - first - 1
        if self._inside:
            self._mark_end(at, n_after)
        else:
            self._begin_again()
            self._start, self._window.episode = at, n_after + 1
            self._head = samples[first:].tolist()

    def _mark_end(self, at: int, n_after: int) -> None:
        self._end = at
        self._n_beats = self._window.episode - n_after
        self._tail = [one for one in self._window.samples.tolist() if one <= at]
        self._trust = (
            self._trust[0] + self._trust_since[0],
            self._trust[1] + self._trust_since[1],
        )
        self._trust_since = (0.0, 0)

    def _close(self) -> None:
        if self._reported or self._end - self._start >= self._lasting:
            self._put(
                max(self._end, self._start), self._n_beats, self._head + self._tail, ongoing=False
            )
        self._begin_again()

    def _judge_whole(self, last: int) -> None:
        window = self._window
        n = window.stretch_beats
        self._start, self._end, self._n_beats = window.stretch_start, last, n
        self._tail = window.samples.tolist()
        self._trust = n / (1.0 + exp(-self._threshold - self._total / n)), n
        self._close()

    def _put(self, end: int, n_beats: int, shown: list[int], *, ongoing: bool) -> None:
        beats = BeatsOf(*sorted({one for one in shown if self._start <= one <= end}))
        beats.n = max(n_beats, beats.n)
        seconds = (end - self._start) / self._sink.fs
        total, n = self._trust
        if ongoing:
            total, n = total + self._trust_since[0], n + self._trust_since[1]
        self._sink.put(
            EventKind.ATRIAL_FIBRILLATION,
            self._start,
            end,
            Severity.MEDIUM,
            total / max(1, n),
            beats,
            rate=60.0 * (beats.n - 1) / seconds if seconds > 0.0 else float("nan"),
            ongoing=ongoing,
        )
