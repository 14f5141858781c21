"""Which RR intervals count, for rates and as the longest: not those of noise or lost signal."""

from __future__ import annotations

import math
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
    "bridged",
    "burden",
    "covered",
    "joined",
    "longest_rr",
    "overlap",
    "rate_figures",
    "rates_of",
    "trusted",
    "unreadable",
    "within",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: RR intervals over which the lowest and the highest rate are taken. Of a strip of a few seconds
#: that has fewer it is all of them: three at least, over half of it.
RATE_BEATS = 8
_FEWEST_RR = 3
_LEAST_SHARE = 0.5

# A longer RR interval is no rate: it is a pause, or beats were missed.
_LONGEST_RR_S = 3.0

#: Events in which no rate is taken: of all leads, and of one where every lead is off.
LOST = (EventKind.NOISE,)
OFF_EVENTS = (
    EventKind.GAP,
    EventKind.LEAD_OFF,
    EventKind.FLAT_LINE,
    EventKind.MAINS_HUM,
)

# Samples that are missing so many seconds from a beat may set its bit of a gap.
_GAP_REACH_S = 0.75

#: Kinds that are counted as pauses.
STANDSTILL = (EventKind.PAUSE, EventKind.ASYSTOLE)


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return stretches in order, those that overlap as one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
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


def bridged(
    time: Floats, bits: npt.NDArray[np.integer], events: Iterable[Event]
) -> npt.NDArray[np.int64]:
    """Return the quality bits of beats, without that of a gap where no event is a gap.

    Detection bridges scattered missing samples, and so do the rules of rhythm: around such beats
    the signal is good.

    Parameters
    ----------
    time : ndarray of float64, shape (n,)
        R peaks in seconds.
    bits : ndarray of int, shape (n,)
    events : iterable of Event
        All, or those that are gaps.
    """
    gaps = joined(
        (event.start_time - _GAP_REACH_S, event.end_time + _GAP_REACH_S)
        for event in events
        if event.kind is EventKind.GAP
    )
    return np.where(within(time, gaps), bits, bits & ~int(Quality.GAP))


def burden(
    spans: Sequence[tuple[float, float]],
    lost: Sequence[tuple[float, float]],
    duration: float,
    least: float = 0.0,
) -> float:
    """Return the share of the readable time that lies in some stretches, 0 to 1.

    Parameters
    ----------
    spans : sequence of (float, float)
        As of `covered`.
    lost : sequence of (float, float)
        As of `unreadable`: an episode that spans noise counts without it.
    duration : float
        Seconds of the recording.
    least : float
        Seconds of the shortest episode.

    Returns
    -------
    float
        NaN where there is none and none could have been found: the recording is shorter than an
        episode, or nothing of it can be read.
    """
    readable = duration - sum(end - begin for begin, end in lost)
    if not duration > 0 or (not spans and (duration < least or readable < 1e-9)):
        return math.nan
    readable = max(readable, 1e-9)
    inside = sum(end - begin - overlap(lost, begin, end) for begin, end in spans)
    return float(min(1.0, max(0.0, inside) / readable))


def overlap(spans: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    """Return the seconds of disjoint stretches that lie between two times."""
    return float(sum(max(0.0, min(b, end) - max(a, begin)) for a, b in spans))


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


def rates_of(time: Floats, sound: Bools, duration: float) -> tuple[Floats, Floats]:
    """Return the rates over eight trusted RR intervals in a row, and the times in their middle.

    Parameters
    ----------
    time, sound
        As `trusted` takes and returns them.
    duration : float
        Seconds of the recording.
    """
    n = RATE_BEATS
    if len(time) and time[-1] - time[0] >= _LEAST_SHARE * duration:
        n = min(n, max(_FEWEST_RR, len(sound)))
    run = np.cumsum(np.concatenate(([0], sound)))
    last = np.flatnonzero(run[n:] - run[:-n] == n) + n
    spans = time[last] - time[last - n]
    return 60 * n / spans, time[last] - spans / 2


def rate_figures(
    time: Floats, rr: Floats, sound: Bools, duration: float
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Return the mean rate, and the lowest and the highest one with the time of each.

    Parameters
    ----------
    time, rr : ndarray of float64
        As `trusted` takes them.
    sound : ndarray of bool, shape (n - 1,)
        What it returns.
    duration : float
        Seconds of the recording.

    Returns
    -------
    (float, (float, float), (float, float))
        Beats per minute and seconds; NaN where no rate can be taken: single intervals may be of
        noise.
    """
    rates, middles = rates_of(time, sound, duration)
    if not len(rates):
        return math.nan, (math.nan, math.nan), (math.nan, math.nan)
    low, high = int(rates.argmin()), int(rates.argmax())
    return (
        60.0 * int(sound.sum()) / float(rr[sound].sum()),
        (float(rates[low]), float(middles[low])),
        (float(rates[high]), float(middles[high])),
    )


def longest_rr(
    time: Floats, rr: Floats, sound: Bools, stops: Iterable[Event], duration: float
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
    duration : float
        Seconds of the recording.

    Returns
    -------
    (float, float) or None
        None without a rate: single intervals may be of noise.
    """
    if not len(rates_of(time, sound, duration)[0]):
        return None
    i = int(np.where(sound, rr, 0.0).argmax())
    spans = [(float(rr[i]), float(time[i])), *((one.duration, one.start_time) for one in stops)]
    return max(spans, key=lambda one: one[0])
