"""Atrial fibrillation: RR intervals that stay irregular."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .atrial import MIN_RR, WINDOW, Floats, PWaves, default_model, rr_features
from .episode import TRUSTED_SHARE, BeatNow, BeatsOf, Sink
from .event import EventKind, Severity
from .steepness import Steepness

__all__ = ["Irregular", "Scorer"]

# Beats between two scores: half a window at first and after a regular rhythm, fewer after an
# irregular or uncertain one.
_EVERY = 8
_FIRST = 24
_CLEARLY_REGULAR = 0.2

# A rhythm is regular if a smaller share of intervals differs by 30 ms from the one before.
_UNEQUAL_MS = 30
_UNEQUAL_MIN = 0.2

# An episode ends so far below the probability at which one begins.
_HYSTERESIS = 0.2

# A longer interval is a pause and not used as a feature.
_RR_MAX_S = 2.5


class Scorer(Protocol):
    """Gives the probability of atrial fibrillation, as `AtrialModel` does."""

    def probability(self, rr: Floats, p: Floats | None) -> float:
        """Probability, 0 to 1, from `rr_features` and `p_features`."""


class Irregular:
    """Episodes of irregular RR intervals.

    Parameters
    ----------
    sink : Sink
    steepness : Steepness
        Stores the last blocks of the signal.
    slow_fs : float
        Sampling rate of the slow signal in Hz.
    group : int
        Samples that make one of the slow signal.
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
        steepness: Steepness,
        slow_fs: float,
        group: int,
        lasting: float,
        probability: float,
        model: Scorer | None = None,
    ) -> None:
        self._sink = sink
        self._steepness = steepness
        self._group = group
        self._lasting = lasting * sink.fs
        self._begins, self._ends = probability, probability - _HYSTERESIS
        self._model = default_model() if model is None else model
        self._p_waves = PWaves(slow_fs, len(steepness.qrs))
        # R peak, ms since the beat before or 0, whether the signal could be read.
        self._beats: deque[tuple[int, int, bool]] = deque(maxlen=WINDOW)
        self._sound = 0
        self._fresh = 0  # beats since the last look
        self._every = _FIRST
        self._ventricular = False  # was the last one?
        self._start = 0
        self._n = 0  # beats of the episode; 0 outside
        self._sum = 0.0
        self._looks = 0
        self._reported = False

    @property
    def window(self) -> tuple[int, int]:
        """R peaks of the first and the last beat of the window."""
        return self._beats[0][0], self._beats[-1][0]

    def beat(self, beat: BeatNow) -> None:
        """Take the next beat."""
        beats = self._beats
        if beats:
            if not beat.joined:
                self.end()
            elif self._steepness.next:
                self._p_waves.add(None if self._ventricular else self._around(beat.before))
        ventricular = beat.label in ("V", "F", "")
        valid = beat.joined and not (ventricular or self._ventricular) and beat.rr < _RR_MAX_S
        if len(beats) == WINDOW:
            self._sound -= beats[0][2]
        beats.append((beat.sample, round(1000.0 * beat.rr) if valid else 0, beat.sound))
        self._sound += beat.sound
        self._ventricular = ventricular
        self._fresh += 1
        if self._n:
            self._n += 1
        if self._fresh >= self._every:
            self._look()

    def end(self) -> None:
        """No beat follows on the last one: signal was lost, or the stream has ended."""
        if not self._beats:
            return
        if self._fresh > _EVERY // 2 and len(self._beats) >= MIN_RR:
            self._look()
        if self._n:
            self._close(self._beats[-1][0])
        self._beats.clear()
        self._p_waves.clear()
        self._sound = self._fresh = 0
        self._every = _FIRST

    def _around(self, sample: int) -> npt.NDArray[np.float32] | None:
        """The slow signal around an R peak; None where it is not stored."""
        p = self._p_waves
        return self._steepness.slow(sample // self._group - p.before, p.before + p.after)

    def _look(self) -> None:
        self._fresh = 0
        probability = self._probability()
        self._every = _FIRST if probability < _CLEARLY_REGULAR else _EVERY
        beats = self._beats
        if not self._n:
            if probability < self._begins:
                return
            # A window that has just turned irregular is so in its later half only.
            begins = len(beats) // 2 if len(beats) == WINDOW else 0
            self._start, self._n = beats[begins][0], len(beats) - begins
            self._sum, self._looks = 0.0, 0
        elif probability < self._ends:
            middle = len(beats) // 2
            self._n -= len(beats) - 1 - middle
            self._close(beats[middle][0])
            return
        self._sum += probability
        self._looks += 1
        if not self._reported and beats[-1][0] - self._start >= self._lasting:
            self._reported = True
            self._put(beats[-1][0], ongoing=True)

    def _probability(self) -> float:
        if self._sound < TRUSTED_SHARE * len(self._beats):
            return 0.0
        rr = [one[1] for one in self._beats if one[1]]
        unequal = sum(abs(b - a) > _UNEQUAL_MS for a, b in pairwise(rr))
        if len(rr) < MIN_RR or unequal < _UNEQUAL_MIN * (len(rr) - 1):
            return 0.0
        return self._model.probability(
            rr_features(np.array(rr, np.int64)),
            self._p_waves.features() if self._steepness.next else None,
        )

    def _close(self, end: int) -> None:
        if end - self._start >= self._lasting:
            self._put(end, ongoing=False)
        elif self._reported:  # it was long enough before its end was known
            self._put(max(end, self._start), ongoing=False)
        self._n, self._reported = 0, False

    def _put(self, end: int, *, ongoing: bool) -> None:
        at = [one[0] for one in self._beats if self._start <= one[0] <= end]
        beats = BeatsOf(*at)
        beats.n = max(self._n, len(at))
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
