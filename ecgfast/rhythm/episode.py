"""Beats in, events out: what the parts of `RhythmStream` share."""

from __future__ import annotations

from collections import deque
from math import nan
from typing import NamedTuple, Protocol

from .event import BEATS_MAX, Event, EventKind, Severity

__all__ = [
    "BEATS_KEPT",
    "TRUSTED_SHARE",
    "BeatLike",
    "BeatNow",
    "BeatsOf",
    "Part",
    "Sink",
]

#: Beats whose quality is stored.
BEATS_KEPT = 8

#: Share of an event's beats that have to be trusted for its usual severity.
TRUSTED_SHARE = 0.5

_HALF = BEATS_MAX // 2


class BeatLike(Protocol):
    """What `RhythmStream` needs of a beat; `ecgfast.Beat` has it."""

    @property
    def sample(self) -> int:
        """R peak, in samples."""

    @property
    def label(self) -> str:
        """Class."""

    @property
    def probability(self) -> float:
        """Of the label; NaN where there is none."""

    @property
    def quality(self) -> int:
        """Bits of `ecgfast.Quality`."""


class Part(Protocol):
    """A part of the stream that has something open."""

    def end(self) -> None:
        """Close what is open: signal was lost, or the stream has ended."""


class BeatNow(NamedTuple):
    """A beat, with what the stream knows of the interval before it."""

    sample: int
    label: str
    """As the model says; "" for a wave of ventricular flutter, and after the stream's end."""
    probability: float
    """Of the label; 1 where there is none."""
    trusted: bool
    """Whether the signal around it was good, and the detection certain."""
    rr: float
    """Seconds since the beat before; NaN on the first."""
    joined: bool
    """Whether no beat can have been missed since the beat before: no signal was lost."""
    before: int
    """R peak of the beat before; the same as `sample` on the first."""


class Sink:
    """Where the parts put their events.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    """

    def __init__(self, fs: float) -> None:
        self.fs = fs
        self._events: list[Event] = []

    def take(self) -> list[Event]:
        """The events since the last call, in the order in which they were found."""
        events, self._events = self._events, []
        return events

    def put(
        self,
        kind: EventKind,
        start: int,
        end: int,
        severity: Severity,
        confidence: float,
        beats: BeatsOf | None = None,
        *,
        rate: float = nan,
        lead: int | None = None,
        ongoing: bool = False,
    ) -> None:
        """Report an event."""
        self._events.append(
            Event(
                kind,
                start,
                end,
                start / self.fs,
                end / self.fs,
                severity,
                min(1.0, max(0.0, confidence)),
                beats.n if beats else 0,
                beats.samples() if beats else (),
                rate,
                lead,
                ongoing,
            )
        )


class BeatsOf:
    """The beats that an event rests on, in bounded memory."""

    def __init__(self, *samples: int) -> None:
        self.n = 0
        self.trusted = 0
        self.probability = 0.0
        self.first = self.last = 0
        self._head: list[int] = []
        self._tail: deque[int] = deque(maxlen=_HALF)
        for sample in samples:
            self.add(sample, 1.0, trusted=True)

    def add(self, sample: int, probability: float, *, trusted: bool) -> None:
        """Take the next beat."""
        if not self.n:
            self.first = sample
        self.last = sample
        self.n += 1
        self.trusted += trusted
        self.probability += probability
        (self._head if len(self._head) < _HALF else self._tail).append(sample)

    @property
    def confidence(self) -> float:
        """Mean probability of the labels, times the share of trusted beats."""
        return self.probability * self.trusted / self.n**2 if self.n else 0.0

    @property
    def in_doubt(self) -> bool:
        """Whether too few of the beats are trusted."""
        return self.trusted < TRUSTED_SHARE * self.n

    def rate(self, fs: float) -> float:
        """Mean heart rate from the first to the last, beats per minute."""
        return 60.0 * fs * (self.n - 1) / (self.last - self.first) if self.n > 1 else nan

    def samples(self) -> tuple[int, ...]:
        """Their R peaks: all, or the first and the last."""
        return (*self._head, *self._tail)
