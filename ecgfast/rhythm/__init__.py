"""From beats to rhythm events, live and offline alike."""

from __future__ import annotations

from .event import DEFINITIONS, Definition, Event, EventKind, Severity
from .offline import events
from .stream import RhythmStream

__all__ = [
    "DEFINITIONS",
    "Definition",
    "Event",
    "EventKind",
    "RhythmStream",
    "Severity",
    "events",
]
