"""Which stretches of a recording a report shows as strips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..rhythm import Event, EventKind
from ..rhythm.event import by_length
from .analysis import Analysis
from .svg import STRIP_S

__all__ = ["Shown", "chosen_strips"]

FloatArray = npt.NDArray[np.float64]

#: At most so many strips.
_MOST = 60

# Kinds of events that are shown, the gravest first, and how many of each at most.
_KINDS = {
    EventKind.VENTRICULAR_FLUTTER: 4,
    EventKind.ASYSTOLE: 4,
    EventKind.VENTRICULAR_RUN: 4,
    EventKind.EXTREME_TACHYCARDIA: 4,
    EventKind.EXTREME_BRADYCARDIA: 4,
    EventKind.PAUSE: 4,
    EventKind.ATRIAL_FIBRILLATION: 4,
    EventKind.R_ON_T: 2,
    EventKind.VENTRICULAR_COUPLET: 4,
    EventKind.VENTRICULAR_BIGEMINY: 4,
    EventKind.VENTRICULAR_TRIGEMINY: 4,
    EventKind.VENTRICULAR_ECTOPIC: 2,
    EventKind.SUPRAVENTRICULAR_RUN: 4,
    EventKind.SUPRAVENTRICULAR_COUPLET: 4,
    EventKind.SUPRAVENTRICULAR_BIGEMINY: 2,
    EventKind.SUPRAVENTRICULAR_TRIGEMINY: 2,
    EventKind.SUPRAVENTRICULAR_ECTOPIC: 2,
    EventKind.TACHYCARDIA: 4,
    EventKind.BRADYCARDIA: 4,
    EventKind.LEAD_OFF: 1,
    EventKind.FLAT_LINE: 1,
    EventKind.MAINS_HUM: 1,
    EventKind.NOISE: 1,
}
# Kinds of which the slowest is worth more than the fastest.
_SLOW = (EventKind.BRADYCARDIA, EventKind.EXTREME_BRADYCARDIA)
# Kinds that all last as long: their longest and fastest mean nothing.
_SHORT = (EventKind.VENTRICULAR_ECTOPIC, EventKind.SUPRAVENTRICULAR_ECTOPIC, EventKind.R_ON_T)

# Share by which the rate of a typical strip may differ from the median, and how many such strips
# are looked at.
_NEAR, _TRIED = 0.05, 24

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
    roles = [first, ("longest", max(events, key=by_length))]
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


def _typical_place(found: Analysis, rates: FloatArray, middles: FloatArray) -> int:
    """Index of a rate near the median, all beats of whose strip are normal, with little noise."""
    ectopic = np.concatenate(([0], np.cumsum((found.label != "N") | ~found.good)))
    ends = np.searchsorted(found.time, middles + STRIP_S / 2)
    begins = np.searchsorted(found.time, middles - STRIP_S / 2)
    count = ectopic[ends] - ectopic[begins]
    distance = np.abs(rates / float(np.median(rates)) - 1)
    order = np.lexsort((distance, count))
    near = order[(count[order] == count[order[0]]) & (distance[order] <= _NEAR)]
    if not len(near):
        return int(order[0])
    tried = near[np.linspace(0, len(near) - 1, min(len(near), _TRIED)).astype(np.int64)]
    return int(min(tried, key=lambda i: _roughness(found, float(middles[i]))))


def _roughness(found: Analysis, middle: float) -> float:
    """How much of a strip's first lead with a signal goes up and down from sample to sample."""
    begin = round(max(0.0, middle - STRIP_S / 2) * found.fs)
    end = min(begin + round(STRIP_S * found.fs), round(found.duration * found.fs))
    lead = found.fetch(begin, end)[:, found.first_lead].astype(np.float64)
    if len(lead) < 2 or not np.isfinite(lead).all():
        return math.inf
    reach = float(np.ptp(np.quantile(lead, (0.01, 0.99))))
    return float(np.median(np.abs(np.diff(lead)))) / reach if reach > 0 else math.inf


def _of_rates(found: Analysis) -> list[Shown]:
    """Strips of typical rhythm, and of the lowest and the highest rate."""
    rates, middles = found.rates()
    if not len(rates):
        return []
    places = (
        ("typical rhythm", _typical_place(found, rates, middles)),
        ("minimum rate", int(rates.argmin())),
        ("maximum rate", int(rates.argmax())),
    )
    # In a short recording they are one stretch, which is shown once.
    stretches: list[tuple[float, list[str], list[str]]] = []
    for name, i in places:
        begin, rate = _begin(found, middles[i], middles[i]), f"{rates[i]:.0f}"
        near = next((one for one in stretches if abs(one[0] - begin) < STRIP_S / 2), None)
        if near is None:
            stretches.append((begin, [name], [rate]))
        else:
            near[1].append(name)
            near[2].append(rate)
    return [
        Shown(", ".join(names), f"{', '.join(dict.fromkeys(of))} per minute", begin)
        for begin, names, of in stretches
    ]
