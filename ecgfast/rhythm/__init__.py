"""Rhythm events from beats and signal, live and offline."""

from __future__ import annotations

from .event import DEFINITIONS, Definition, Event, EventKind, Severity
from .offline import events
from .stream import RhythmStream
from .tally import KindTally, RhythmSummary, RhythmTally

__all__ = [
    "DEFINITIONS",
    "Definition",
    "Event",
    "EventKind",
    "KindTally",
    "RhythmStream",
    "RhythmSummary",
    "RhythmTally",
    "Severity",
    "events",
]
