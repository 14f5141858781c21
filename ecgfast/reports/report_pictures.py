"""The pictures of a recording's report: what of the recording each of them shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..extras import need
from ..rhythm import EventKind
from . import svg
from .analysis import Analysis
from .choosing import Shown
from .paper import CLASS_COLOURS
from .readable import OFF_EVENTS, STANDSTILL
from .words import length

__all__ = ["FULL_S", "event_strip", "full_disclosure", "rr_pictures", "trend_picture"]

#: Seconds of a recording that full disclosure shows at most: a day takes some 12 MB.
FULL_S = 36 * 3600.0

# Steps of the heart-rate trend: the first that makes at most so many points.
_STEPS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_POINTS = 720

_MINUTE_S = 60.0

# Minutes along the recording whose median gain is that of full disclosure.
_GAINS = 15

_WAVES = (EventKind.VENTRICULAR_FLUTTER,)
_BAD = (EventKind.NOISE, *OFF_EVENTS)


def _safe(text: str) -> Any:
    """Mark what this package drew as HTML: its texts are escaped already."""
    return need("markupsafe", "An HTML report", "report").Markup(text)


def _hours(found: Analysis, most: int = 12) -> list[tuple[float, str]]:
    """Ticks of a time axis: full hours of the day, or round times from the start."""
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
    step = next((s for s in steps if found.duration / s <= most), steps[-1])
    ahead = 0.0
    if found.start is not None:
        ahead = (found.start.hour * 3600 + found.start.minute * 60 + found.start.second) % step
    first = (step - ahead) % step
    ticks = np.arange(first, found.duration + 1e-6, step)
    ticks = ticks[:: max(1, math.ceil(len(ticks) / (2 * most)))]
    cut = step >= 60 and found.start is not None
    named = []
    for tick in ticks.tolist():
        day, _, clock = found.clock(tick).rpartition(", ")
        name = clock[:5] if cut else clock
        # Over several days a tick at midnight is named by the day that begins.
        named.append((tick, day if day and name == "00:00" else name))
    return named


def trend_picture(found: Analysis) -> Any:
    """The heart rate along the recording, with a lane for each kind of event that was found."""
    step = next((s for s in _STEPS if found.duration / s <= _POINTS), _STEPS[-1])
    count = math.ceil(found.duration / step)
    rates, middles = found.rates()
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    where = np.minimum((middles / step).astype(np.int64), count - 1)
    np.minimum.at(low, where, rates)
    np.maximum.at(high, where, rates)
    # Not of the RR intervals in the step: a step of some seconds has few, and one pause moves them.
    total = np.bincount(where, 60.0 / rates, minlength=count)
    number = np.bincount(where, minlength=count)
    mean = np.divide(60.0 * number, total, out=np.full(count, np.nan), where=number > 0)
    low[number == 0] = high[number == 0] = np.nan

    def density(label: str) -> list[tuple[float, float, float]]:
        times = found.time[(found.label == label) & ~found.flutter]
        each = np.bincount(np.minimum((times / step).astype(np.int64), count - 1), minlength=count)
        top = max(int(each.max()), 1)
        return [(i * step, (i + 1) * step, math.sqrt(each[i] / top)) for i in np.flatnonzero(each)]

    def spans(*kinds: EventKind) -> list[tuple[float, float, float]]:
        return _merged([(e.start_time, e.end_time) for e in found.of(*kinds)], found.duration)

    lanes = [
        ("V beats", CLASS_COLOURS["V"], density("V")),
        ("S beats", CLASS_COLOURS["S"], density("S")),
        ("V runs", CLASS_COLOURS["V"], spans(EventKind.VENTRICULAR_RUN)),
        ("S runs", CLASS_COLOURS["S"], spans(EventKind.SUPRAVENTRICULAR_RUN)),
        ("AF", "#8a4f9e", spans(EventKind.ATRIAL_FIBRILLATION)),
        ("VF, flutter", "#a3001e", spans(*_WAVES)),
        ("pauses", "#a3001e", spans(*STANDSTILL)),
        ("bad signal", "#8b96a0", spans(*_BAD)),
    ]
    kept = [lane for lane in lanes if lane[2]]
    return _safe(
        svg.trend(
            step * (np.arange(count, dtype=np.float64) + 0.5),
            mean,
            low,
            high,
            duration=found.duration,
            hours=_hours(found),
            lanes=kept,
        )
    )


def _merged(
    spans: Sequence[tuple[float, float]], duration: float
) -> list[tuple[float, float, float]]:
    """Spans, joined where the picture cannot separate them."""
    gap = duration / 1000
    joined: list[tuple[float, float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]), 1.0)
        else:
            joined.append((start, end, 1.0))
    return joined


def rr_pictures(found: Analysis) -> list[Any]:
    """Histogram and Poincaré plot of the RR intervals; none of fewer than eight."""
    rr, sound = found.rr()
    if sound.sum() < 8:
        return []
    normal, time = found.nn_intervals().time, found.time[1:]
    place = np.searchsorted(normal, time)  # np.isin sorts copies of both
    nn = place < len(normal)
    nn[nn] = normal[place[nn]] == time[nn]
    both = sound[1:] & sound[:-1]
    return [
        _safe(svg.rr_histogram(rr[sound & nn], rr[sound & ~nn])),
        _safe(svg.poincare(rr[:-1][both], rr[1:][both], (nn[1:] & nn[:-1])[both])),
    ]


def event_strip(found: Analysis, shown: Shown) -> dict[str, Any]:
    """A strip with its heading and the minute around it, as the template shows them."""
    signal, begin = _signal(found, shown.begin, svg.STRIP_S)
    a, b = np.searchsorted(found.time, (begin, begin + svg.STRIP_S))
    beats = [
        (float(found.time[i]) - begin, str(found.label[i]), bool(found.good[i]))
        for i in range(a, b)
        if not found.flutter[i]
    ]
    event = shown.event
    span = None if event is None else (event.start_time - begin, event.end_time - begin)
    name = f"{shown.kind}, {found.clock(begin)}"
    picture, gain = svg.strip(
        signal, found.fs, leads=found.leads, beats=beats, span=span, label=name
    )
    facts = [found.clock(begin if event is None else event.start_time)]
    if event is not None:
        if event.duration >= 0.1:
            facts.append(length(event.duration))
        if event.n_beats:
            what = "wave" if event.kind in _WAVES else "beat"
            facts.append(f"{event.n_beats:,} {what}{'' if event.n_beats == 1 else 's'}")
        if math.isfinite(event.rate):
            facts.append(f"{event.rate:.0f}/min")
        if event.lead is not None:
            facts.append(f"lead {found.leads[event.lead]}")
    middle = begin + svg.STRIP_S / 2
    start = max(0.0, min(middle - _MINUTE_S / 2, found.duration - _MINUTE_S))
    return {
        "kind": shown.kind,
        "role": shown.role,
        "facts": facts,
        "gain": f"{gain:g} mm/mV",
        "svg": _safe(picture),
        "from": found.clock(start),
        "minute": _safe(_row(found, start, span=(begin - start, begin + svg.STRIP_S - start))),
    }


def _signal(found: Analysis, begin: float, seconds: float) -> tuple[Any, float]:
    """Samples of a stretch, and when the first was taken."""
    first = max(0, round(begin * found.fs))
    last = min(round(found.duration * found.fs), first + round(seconds * found.fs))
    return found.fetch(first, last), first / found.fs


def _row(
    found: Analysis,
    start: float,
    *,
    span: tuple[float, float] | None = None,
    gain: float = 0.0,
) -> str:
    """A minute of the first lead that carries a signal."""
    signal, begin = _signal(found, start, _MINUTE_S)
    a, b = np.searchsorted(found.time, (begin, begin + _MINUTE_S))
    marks = [
        (float(found.time[i]) - begin, str(found.label[i]))
        for i in range(a, b)
        if found.label[i] != "N"
    ]
    return svg.minute(
        signal[:, found.first_lead].astype(np.float64),
        found.fs,
        marks=marks,
        span=span,
        gain=gain,
        label=f"one minute from {found.clock(begin)}",
    )


def full_disclosure(found: Analysis) -> Iterator[tuple[str, Any]]:
    """Every minute of one lead, all at one gain: when it begins, and its picture."""
    count = math.ceil(min(found.duration, FULL_S) / _MINUTE_S)
    lead = found.first_lead
    gains = [
        svg.minute_gain(_signal(found, i * _MINUTE_S, _MINUTE_S)[0][:, lead].astype(np.float64))
        for i in np.unique(np.linspace(0, count - 1, _GAINS).astype(np.int64)).tolist()
    ]
    gain = float(np.median(gains))
    for i in range(count):
        yield found.clock(i * _MINUTE_S), _safe(_row(found, i * _MINUTE_S, gain=gain))
