"""Atrial fibrillation: RR intervals that stay irregular."""

from __future__ import annotations

from typing import Protocol

from ._scan import WINDOW, Scan
from .atrial import MIN_RR, Floats, PWaves, default_model, rr_features
from .episode import BeatsOf, Sink
from .event import EventKind, Severity

__all__ = ["Irregular", "Scorer"]

# Beats between two scores: half a window at first and after a regular rhythm, fewer after an
# irregular or uncertain one.
_EVERY = 8
_FIRST = 24
_CLEARLY_REGULAR = 0.2

# An episode ends so far below the probability at which one begins.
_HYSTERESIS = 0.2


class Scorer(Protocol):
    """Gives the probability of atrial fibrillation, as `AtrialModel` does."""

    def probability(self, rr: Floats, p: Floats | None) -> float:
        """Probability, 0 to 1, from `rr_features` and `p_features`."""


class Irregular:
    """Episodes of irregular RR intervals.

    Parameters
    ----------
    sink : Sink
    scan : Scan
        Stores the beats of the window and the signal around them.
    p_waves : PWaves
    lasting : float
        Shortest episode in seconds.
    probability : float
        Probability at which an episode begins; it ends 0.2 lower.
    model : Scorer, optional
        The built-in one by default.
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
        self._begins, self._ends = probability, probability - _HYSTERESIS
        self._model = default_model() if model is None else model
        self._start = 0
        self._sum = 0.0
        self._looks = 0
        self._reported = False

    @property
    def window(self) -> tuple[int, int]:
        """R peaks of the first and the last beat of the window."""
        window = self._scan.window
        return int(window[0]), int(window[-1])

    def end(self) -> None:
        """No beat follows on the last one: signal was lost, or the stream has ended."""
        scan = self._scan
        if not scan.n_window:
            return
        if scan.fresh > _EVERY // 2 and scan.n_window >= MIN_RR:
            self.look()
        if scan.episode:
            self._close(int(scan.window[-1]))
        scan.clear_window()

    def look(self) -> None:
        """Score the window."""
        scan = self._scan
        probability = self._probability()
        scan.fresh, scan.every = 0, _FIRST if probability < _CLEARLY_REGULAR else _EVERY
        n = scan.n_window
        if not scan.episode:
            if probability < self._begins:
                return
            # A window that has just turned irregular is so in its later half only.
            begins = n // 2 if n == WINDOW else 0
            self._start, scan.episode = int(scan.window[begins]), n - begins
            self._sum, self._looks = 0.0, 0
        elif probability < self._ends:
            middle = n // 2
            scan.episode -= n - 1 - middle
            self._close(int(scan.window[middle]))
            return
        self._sum += probability
        self._looks += 1
        last = int(scan.window[-1])
        if not self._reported and last - self._start >= self._lasting:
            self._reported = True
            self._put(last, ongoing=True)

    def _probability(self) -> float:
        scan = self._scan
        if not scan.is_irregular:
            return 0.0
        return self._model.probability(
            rr_features(scan.intervals()),
            self._p_waves.features(scan.stretches()) if scan.next else None,
        )

    def _close(self, end: int) -> None:
        if end - self._start >= self._lasting:
            self._put(end, ongoing=False)
        elif self._reported:  # it was long enough before its end was known
            self._put(max(end, self._start), ongoing=False)
        self._scan.episode, self._reported = 0, False

    def _put(self, end: int, *, ongoing: bool) -> None:
        at = [one for one in self._scan.window.tolist() if self._start <= one <= end]
        beats = BeatsOf(*at)
        beats.n = max(self._scan.episode, len(at))
        seconds = (end - self._start) / self._sink.fs
        self._sink.put(
            EventKind.ATRIAL_FIBRILLATION,
            self._start,
            end,
            Severity.MEDIUM,
            self._sum / self._looks,
            beats,
            rate=60.0 * (beats.n - 1) / seconds if seconds > 0.0 else float("nan"),
            ongoing=ongoing,
        )
