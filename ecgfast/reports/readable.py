"""Which RR intervals count, for rates and as the longest: not those of noise or lost signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ..rhythm import Event, EventKind
from ..streaming.beat import Quality

__all__ = [
    "LOST",
    "OFF_EVENTS",
    "RATE_BEATS",
    "STANDSTILL",
    "UNFIT",
    "covered",
    "joined",
    "longest_rr",
    "rates_of",
    "trusted",
    "unreadable",
    "within",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: RR intervals over which the lowest and the highest rate are taken.
RATE_BEATS = 8

#: Bits of a beat that no rate or interval is taken from; flutter waves are counted apart.
UNFIT = int(Quality.GAP | Quality.FLAT | Quality.SATURATED | Quality.NOISY | Quality.RATE_LIMIT)

# A longer RR interval is no rate: it is a pause, or beats were missed.
_LONGEST_RR_S = 3.0

#: Events in which no rate is taken: of all leads, and of one where every lead is off.
LOST = (EventKind.NOISE,)
OFF_EVENTS = (EventKind.GAP, EventKind.LEAD_OFF, EventKind.FLAT_LINE)

#: Kinds that are counted as pauses.
STANDSTILL = (EventKind.PAUSE, EventKind.ASYSTOLE)


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return stretches in order, those that overlap as one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def covered(events: Iterable[Event], duration: float) -> list[tuple[float, float]]:
    """Return the stretches that events cover together, in order, within the recording."""
    return joined((event.start_time, min(event.end_time, duration)) for event in events)


def unreadable(events: Sequence[Event], n_leads: int, duration: float) -> list[tuple[float, float]]:
    """Return where no lead can be read: in noise, and where every lead is off.

    Parameters
    ----------
    events : sequence of Event
        Of which those of `LOST` and `OFF_EVENTS` count.
    n_leads : int
    duration : float
        Seconds.

    Returns
    -------
    list of (float, float)
        Stretches in seconds from the start, in order.
    """
    noise = covered((event for event in events if event.kind in LOST), duration)
    off = [event for event in events if event.kind in OFF_EVENTS]
    return joined([*noise, *_dark(off, n_leads, duration)])


def _dark(off: Sequence[Event], n_leads: int, duration: float) -> list[tuple[float, float]]:
    """Stretches in which every lead is off: a lead alone may be while others show."""
    edges: list[tuple[float, int]] = []
    for lead in range(n_leads):
        of = (event for event in off if event.lead in (lead, None))
        for begin, end in covered(of, duration):
            edges += [(begin, 1), (end, -1)]
    dark, count, since = [], 0, 0.0
    for at, step in sorted(edges):
        if step < 0 and count == n_leads and at > since:
            dark.append((since, at))
        count += step
        since = at
    return dark


def within(time: Floats, spans: Sequence[tuple[float, float]]) -> Bools:
    """Return which beats lie in one of the stretches."""
    found = np.zeros(len(time), np.bool_)
    for begin, end in spans:
        found[slice(*np.searchsorted(time, (begin, end)))] = True
    return found


def trusted(time: Floats, rr: Floats, usable: Bools, spans: Sequence[tuple[float, float]]) -> Bools:
    """Return which RR intervals can be trusted.

    Parameters
    ----------
    time : ndarray of float64, shape (n,)
        R peaks in seconds.
    rr : ndarray of float64, shape (n - 1,)
        The intervals between them in seconds.
    usable : ndarray of bool, shape (n,)
        Beats in a good signal, which are no flutter waves.
    spans : sequence of (float, float)
        Where no lead can be read; beats may be missing there.

    Returns
    -------
    ndarray of bool, shape (n - 1,)
    """
    sound = usable & ~within(time, spans)
    found: Bools = sound[1:] & sound[:-1] & (rr <= _LONGEST_RR_S)
    if spans:
        edges = np.array(spans).reshape(-1, 2)
        begun = np.searchsorted(edges[:, 0], time[1:])
        ended = np.searchsorted(edges[:, 1], time[:-1], side="right")
        found &= begun <= ended
    return found


def rates_of(time: Floats, sound: Bools) -> tuple[Floats, Floats]:
    """Return the rates over eight trusted RR intervals in a row, and the times in their middle."""
    run = np.cumsum(np.concatenate(([0], sound)))
    last = np.flatnonzero(run[RATE_BEATS:] - run[:-RATE_BEATS] == RATE_BEATS) + RATE_BEATS
    spans = time[last] - time[last - RATE_BEATS]
    return 60 * RATE_BEATS / spans, time[last] - spans / 2


def longest_rr(
    time: Floats, rr: Floats, sound: Bools, stops: Iterable[Event]
) -> tuple[float, float] | None:
    """Return the longest trusted RR interval or standstill, and where it begins, in seconds.

    Parameters
    ----------
    time, rr : ndarray of float64
        As `trusted` takes them.
    sound : ndarray of bool, shape (n - 1,)
        What it returns.
    stops : iterable of Event
        Those of `STANDSTILL`: longer intervals than a rate is taken from count as one of these.

    Returns
    -------
    (float, float) or None
        None without a rate over eight intervals: single intervals may be of noise.
    """
    if not len(rates_of(time, sound)[0]):
        return None
    i = int(np.where(sound, rr, 0.0).argmax())
    spans = [(float(rr[i]), float(time[i])), *((one.duration, one.start_time) for one in stops)]
    return max(spans, key=lambda one: one[0])
