"""Atrial fibrillation: RR intervals that stay irregular, without repeating P waves."""

from __future__ import annotations

from math import exp, inf, log
from typing import Protocol

from ._scan import WINDOW, Scan
from .atrial import Floats, PWaves, default_model, rr_features
from .episode import BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Irregular", "Scorer"]

# Beats between two scores after the first, which is of a full window.
_EVERY = 4

# Beats at the end of a window that it does not score: in a later window they are nearer the middle.
_AHEAD = (WINDOW - _EVERY) // 2

# Fewest beats of a stretch of signal that are scored.
_FEWEST = WINDOW // 2

# An episode begins and ends once the log odds, summed over beats, exceed this.
_ENOUGH = 64.0

# One window counts at most so much: evidence has to repeat.
_MOST = 4.0

# Log odds of a regular rhythm.
_REGULAR = -6.0


class Scorer(Protocol):
    """Gives the log odds of atrial fibrillation, as `AtrialModel` does."""

    def log_odds(self, rr: Floats, p: Floats | None) -> float:
        """Logarithm of the odds, from `rr_features` and `p_features`."""


class Irregular:
    """Episodes of irregular RR intervals.

    Each window is scored for the beats in its middle. Outside an episode, the log odds of these
    beats, less those of the threshold, are summed; a sum below 0 starts again from 0. Where it
    exceeds a limit, an episode has begun at the beat from which on it was above 0. The end is found
    likewise, with the opposite sign (a cumulative sum, Page 1954). A window that cannot be read
    counts as even odds. A stretch of signal that ends before the sum was large enough is judged
    as a whole.

    Parameters
    ----------
    sink : Sink
    scan : Scan
        Stores the beats of the window and the signal around them.
    p_waves : PWaves
    lasting : float
        Shortest episode in seconds.
    probability : float
        A window of higher probability is evidence for an episode, of lower against it.
    model : Scorer, optional
        The built-in one by default.

    References
    ----------
    E. S. Page: Continuous inspection schemes. Biometrika 41 (1954) 100-115.
    """

    def __init__(
        self,
        sink: Sink,
        scan: Scan,
        p_waves: PWaves,
        lasting: float,
        probability: float,
        model: Scorer | None = None,
    ) -> None:
        self._sink = sink
        self._scan = scan
        self._p_waves = p_waves
        self._lasting = lasting * sink.fs
        self._threshold = log(probability / (1.0 - probability)) if probability < 1.0 else inf
        self._model = default_model() if model is None else model
        self._judged = (0, 0)
        self._clear()

    def _clear(self) -> None:
        """Forget the stretch of signal."""
        self._total = 0.0  # of all beats of the stretch
        self._found = False  # whether the stretch had an episode
        self._begin_again()

    def _begin_again(self) -> None:
        """Nothing points to an episode."""
        self._scan.episode = 0
        self._inside = self._reported = False
        self._sum = 0.0
        # Where the episode began, and where it may have ended: R peak, and the beats up to it.
        self._start = self._end = 0
        self._head: list[int] = []
        self._tail: list[int] = []
        self._n_beats = 0
        # Probabilities of its beats up to the possible end, and since then.
        self._trust = self._trust_since = (0.0, 0)

    @property
    def window(self) -> tuple[int, int]:
        """R peaks of the first and the last beat that the last score is for."""
        return self._judged

    def end(self) -> None:
        """No beat follows on the last one: signal was lost, or the stream has ended."""
        scan = self._scan
        if not scan.n_window:
            return
        if scan.n_window >= _FEWEST:
            self._score(ended=True)
        last = int(scan.window[-1])
        if self._inside:
            self._mark_end(last, 0)
            self._close()
        elif not self._found and self._total - _MOST * scan.regular > 0.0:
            self._judge_whole(last)
        scan.clear_window()
        self._clear()

    def look(self) -> None:
        """Score the window."""
        self._score(ended=False)
        self._scan.fresh, self._scan.every = 0, _EVERY

    def _score(self, *, ended: bool) -> None:
        scan = self._scan
        # Beats of the window that the score is for: the first, and the one after the last.
        n, window = scan.n_window, scan.window
        first, last = max(0, n - _AHEAD - scan.fresh), n if ended else n - _AHEAD
        self._judged = int(window[first]), int(window[last - 1])
        odds = self._log_odds()
        change = max(-_MOST, min(_MOST, odds - self._threshold))
        if not scan.is_readable:
            change = min(0.0, change)
        probability = 1.0 / (1.0 + exp(-odds)) if odds > -50.0 else 0.0
        self._total += change * (last - first)
        step = (last - first) * (-change if self._inside else change)
        if self._sum <= 0.0 < step:
            self._candidate(first)
        self._trust_since = (
            self._trust_since[0] + probability * (last - first),
            self._trust_since[1] + last - first,
        )
        self._sum = max(0.0, self._sum + step)
        if not self._sum and not self._inside:
            scan.episode = 0
        elif self._sum > _ENOUGH:
            if self._inside:
                self._close()
                return
            self._inside = self._found = True
            self._sum = 0.0
        if self._inside and not self._reported:
            now = self._judged[1]
            if now - self._start >= self._lasting:
                self._reported = True
                self._put(now, scan.episode - (scan.n_window - last), self._head, ongoing=True)

    def _candidate(self, first: int) -> None:
        """An episode begins or ends at this beat of the window, if what follows confirms it."""
        window = self._scan.window
        at = int(window[first])
        n_after = len(window) - first - 1
        if self._inside:
            self._mark_end(at, n_after)
        else:
            self._begin_again()
            self._start, self._scan.episode = at, n_after + 1
            self._head = window[first:].tolist()

    def _mark_end(self, at: int, n_after: int) -> None:
        self._end = at
        self._n_beats = self._scan.episode - n_after
        self._tail = [one for one in self._scan.window.tolist() if one <= at]
        self._trust = (
            self._trust[0] + self._trust_since[0],
            self._trust[1] + self._trust_since[1],
        )
        self._trust_since = (0.0, 0)

    def _log_odds(self) -> float:
        """Of the window; 0, which is even odds, where it cannot be read."""
        scan = self._scan
        if not scan.is_irregular:
            return _REGULAR if scan.is_readable else 0.0
        return self._model.log_odds(
            rr_features(scan.intervals()),
            self._p_waves.features(scan.stretches()) if scan.next else None,
        )

    def _close(self) -> None:
        if self._reported or self._end - self._start >= self._lasting:
            self._put(
                max(self._end, self._start), self._n_beats, self._head + self._tail, ongoing=False
            )
        self._begin_again()

    def _judge_whole(self, last: int) -> None:
        scan = self._scan
        n = scan.stretch_beats
        self._start, self._end, self._n_beats = scan.stretch_start, last, n
        self._tail = scan.window.tolist()
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
