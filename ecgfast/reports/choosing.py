"""Which stretches of a recording a report shows as strips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..rhythm import Event, EventKind
from .analysis import Analysis
from .svg import STRIP_S

__all__ = ["Shown", "chosen_strips"]

#: At most so many strips.
_MOST = 48

# Kinds of events that are shown, the gravest first, and how many of each at most.
_KINDS = {
    EventKind.VENTRICULAR_FLUTTER: 4,
    EventKind.ASYSTOLE: 4,
    EventKind.VENTRICULAR_RUN: 4,
    EventKind.EXTREME_TACHYCARDIA: 3,
    EventKind.EXTREME_BRADYCARDIA: 3,
    EventKind.PAUSE: 3,
    EventKind.ATRIAL_FIBRILLATION: 4,
    EventKind.R_ON_T: 2,
    EventKind.VENTRICULAR_COUPLET: 3,
    EventKind.VENTRICULAR_BIGEMINY: 2,
    EventKind.VENTRICULAR_TRIGEMINY: 2,
    EventKind.VENTRICULAR_ECTOPIC: 2,
    EventKind.SUPRAVENTRICULAR_RUN: 4,
    EventKind.SUPRAVENTRICULAR_COUPLET: 2,
    EventKind.SUPRAVENTRICULAR_BIGEMINY: 1,
    EventKind.SUPRAVENTRICULAR_TRIGEMINY: 1,
    EventKind.SUPRAVENTRICULAR_ECTOPIC: 2,
    EventKind.TACHYCARDIA: 2,
    EventKind.BRADYCARDIA: 2,
    EventKind.LEAD_OFF: 1,
    EventKind.FLAT_LINE: 1,
    EventKind.NOISE: 1,
}
# Kinds of which the slowest is worth more than the fastest.
_SLOW = (EventKind.BRADYCARDIA, EventKind.EXTREME_BRADYCARDIA)
# Kinds that all last as long: their longest and fastest mean nothing.
_SHORT = (EventKind.VENTRICULAR_ECTOPIC, EventKind.SUPRAVENTRICULAR_ECTOPIC, EventKind.R_ON_T)

# Seconds of a strip before an event that does not fit into it.
_AHEAD_S = 1.6


@dataclass(frozen=True)
class Shown:
    """A strip to draw.

    Attributes
    ----------
    kind, role : str
        What it shows, and why this one: "longest, fastest".
    begin : float
        Second of the recording where the strip begins.
    event : Event or None
        What it shows; none for typical rhythm and extreme rates.
    """

    kind: str
    role: str
    begin: float
    event: Event | None = None


def chosen_strips(found: Analysis) -> list[Shown]:
    """Choose the strips: typical rhythm, extreme rates, and the events of each kind.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.

    Returns
    -------
    list of Shown
        In the order in which they are shown.
    """
    strips = _of_rates(found)
    for kind, most in _KINDS.items():
        events = found.of(kind)
        roles: dict[int, list[str]] = {}
        for name, event in _roles(kind, events)[:most]:
            roles.setdefault(events.index(event), []).append(name)
        for i, names in roles.items():
            strips.append(
                Shown(
                    kind.text,
                    "" if len(events) == 1 else ", ".join(names),
                    _begin(found, events[i].start_time, events[i].end_time),
                    events[i],
                )
            )
    return strips[:_MOST]


def _roles(kind: EventKind, events: list[Event]) -> list[tuple[str, Event]]:
    """Why an event of a kind is shown: each role with its event."""
    if not events:
        return []
    first = ("first", events[0])
    typical = ("most typical", _typical(events))
    if kind in _SHORT:
        return [first, typical]
    roles = [first, ("longest", max(events, key=lambda event: event.duration))]
    with_rate = [event for event in events if math.isfinite(event.rate)]
    if with_rate and kind is not EventKind.PAUSE:
        if kind in _SLOW:
            roles.append(("slowest", min(with_rate, key=lambda event: event.rate)))
        else:
            roles.append(("fastest", max(with_rate, key=lambda event: event.rate)))
    return [*roles, typical]


def _typical(events: list[Event]) -> Event:
    """The event nearest to the medians of length and rate, of the more confident half."""
    trust = float(np.median([event.confidence for event in events]))
    sure = [event for event in events if event.confidence >= trust]
    values = np.array(
        [[event.duration, event.rate if math.isfinite(event.rate) else 0.0] for event in sure]
    )
    scale = np.maximum(values.std(axis=0), 1e-9)
    distance = (((values - np.median(values, axis=0)) / scale) ** 2).sum(axis=1)
    return sure[int(distance.argmin())]


def _begin(found: Analysis, start: float, end: float) -> float:
    """Where a strip begins: the event in its middle, or its onset near the left edge."""
    length = end - start
    begin = (start + end - STRIP_S) / 2 if length < STRIP_S - 2 * _AHEAD_S else start - _AHEAD_S
    return max(0.0, min(begin, found.duration - STRIP_S))


def _of_rates(found: Analysis) -> list[Shown]:
    """Strips of typical rhythm, and of the lowest and the highest rate."""
    rates, middles = found.rates()
    if not len(rates):
        return []
    # Typical: a rate near the median, all beats of the strip normal.
    ectopic = np.concatenate(([0], np.cumsum(found.label != "N")))
    ends = np.searchsorted(found.time, middles + STRIP_S / 2)
    begins = np.searchsorted(found.time, middles - STRIP_S / 2)
    count = ectopic[ends] - ectopic[begins]
    distance = np.abs(rates / float(np.median(rates)) - 1)
    typical = int(np.lexsort((distance, count))[0])
    places = (
        ("typical rhythm", typical),
        ("minimum rate", int(rates.argmin())),
        ("maximum rate", int(rates.argmax())),
    )
    return [
        Shown(name, f"{rates[i]:.0f} per minute", _begin(found, middles[i], middles[i]))
        for name, i in places
    ]
