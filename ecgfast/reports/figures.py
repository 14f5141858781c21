"""The figures of a report: what JSON holds and the page shows."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import hrv
from ..rhythm import Event, EventKind
from ..rhythm.event import by_length
from .analysis import Analysis
from .readable import OFF_EVENTS, STANDSTILL, burden, longest_rr, overlap, rate_figures
from .words import LONG, LONG_S

__all__ = [
    "RHYTHM_KINDS",
    "figures",
    "main_figures",
    "page_figures",
    "table_step",
    "time_table",
    "with_events",
]

#: Kinds of the rhythm table, the gravest first.
RHYTHM_KINDS = (
    EventKind.VENTRICULAR_FLUTTER,
    EventKind.ASYSTOLE,
    EventKind.EXTREME_TACHYCARDIA,
    EventKind.EXTREME_BRADYCARDIA,
    EventKind.PAUSE,
    EventKind.ATRIAL_FIBRILLATION,
    EventKind.TACHYCARDIA,
    EventKind.BRADYCARDIA,
)
_LOST_KINDS = (*OFF_EVENTS, EventKind.NOISE)

# Trusted RR intervals from which on a rate is reported: those of one window of eight.
_FEWEST_RR = 8


def figures(found: Analysis) -> dict[str, Any]:
    """Compute every figure of a report, and list all events.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.

    Returns
    -------
    dict
        Plain numbers, texts, lists and dicts; NaN where something is not defined.
    """
    return with_events(found, page_figures(found))


def with_events(found: Analysis, shown: dict[str, Any]) -> dict[str, Any]:
    """Add the list of all events, the largest part, before the notes of `page_figures`."""
    result: dict[str, Any] = {}
    for name, value in shown.items():
        if name == "notes":
            result["events"] = [_event(found, event) for event in found.events]
        result[name] = value
    return result


def page_figures(found: Analysis) -> dict[str, Any]:
    """Compute the figures that the page of a report shows: all but the list of events.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.

    Returns
    -------
    dict
        As `figures`.
    """
    nn = found.nn_intervals()
    measures = hrv.measures(nn)
    return {
        "record": found.name,
        "fs": found.fs,
        "leads": list(found.leads),
        "duration": found.duration,
        "start_time_of_day": None if found.start is None else f"{found.start:%H:%M:%S}",
        **main_figures(found),
        "table": time_table(found),
        "hrv": measures.to_dict(),
        "hrv_five_minutes": [
            {**_when(found, row.start), **row.to_dict()} for row in hrv.five_minute_table(nn)
        ],
        "notes": list(found.notes),
    }


def main_figures(found: Analysis) -> dict[str, Any]:
    """Compute quality, beats, rates, ectopy and rhythm: what one row of many recordings needs.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.

    Returns
    -------
    dict
        As those of `figures`.
    """
    return {
        "quality": _quality(found),
        "beats": _beats(found),
        "rate": _rate(found),
        # Without classes ectopy is not 0, but unknown.
        "ectopy": {
            label: _ectopy(found, label, name) if found.is_labelled else None
            for label, name in _ECTOPIC.items()
        },
        "rhythm": [_rhythm(found, kind) for kind in RHYTHM_KINDS],
    }


# Hours of readable signal from which beats per hour are given.
_LEAST_HOURS = 5.0 / 3600

_ECTOPIC = {"V": "ventricular", "S": "supraventricular"}


def _quality(found: Analysis) -> dict[str, Any]:
    beats = ~found.flutter
    return {
        "lost_seconds": found.lost,
        "lost_share": found.lost / found.duration,
        "analysed_seconds": max(0.0, found.duration - found.lost),
        "beats_in_bad_signal": int((beats & ~found.good).sum()),
        "beats_in_bad_signal_share": _share(int((beats & ~found.good).sum()), int(beats.sum())),
        "beats_saturated": found.saturated,
        "events": {
            # Stretches, not events: of leads that go together there is one each.
            str(kind): {"count": len(found.spans(kind)), "seconds": found.seconds(kind)}
            for kind in _LOST_KINDS
        },
    }


def _beats(found: Analysis) -> dict[str, Any]:
    counts = Counter(found.label[~found.flutter].tolist())
    by_class = dict.fromkeys("NSVFQ" if found.is_labelled else "", 0) | dict(sorted(counts.items()))
    return {
        "total": found.n_beats,
        "by_class": by_class,
        "flutter_waves": int(found.flutter.sum()),
    }


def _rate(found: Analysis) -> dict[str, Any]:
    rr, sound = found.rr()
    mean, low, high = rate_figures(found.time, rr, sound, found.duration)
    result: dict[str, Any] = {
        "mean": mean,
        "minimum": None,
        "maximum": None,
        "longest_rr": None,
    }
    if math.isfinite(mean):
        for name, (rate, at) in (("minimum", low), ("maximum", high)):
            result[name] = {"rate": rate, **_when(found, at)}
    longest = longest_rr(found.time, rr, sound, found.of(*STANDSTILL), found.duration)
    if longest is not None:
        seconds, begin = longest
        result["longest_rr"] = {"seconds": seconds, **_when(found, begin)}
    return result


def _when(found: Analysis, seconds: float) -> dict[str, Any]:
    return {"time": seconds, "clock": found.clock(seconds)}


def _ectopy(found: Analysis, label: str, name: str) -> dict[str, Any]:
    total = int((found.label[~found.flutter] == label).sum())
    kinds = {
        what: found.of(EventKind(f"{name}_{what}"))
        for what in ("ectopic", "couplet", "run", "bigeminy", "trigeminy")
    }
    runs = kinds["run"]
    # Beats of the time that could be read, over it: the others may be noise.
    hours = (found.duration - found.lost) / 3600
    readable = ~found.flutter & ~found.is_unreadable() & (found.label == label)
    result: dict[str, Any] = {
        "beats": total,
        "share": _share(total, found.n_beats),
        "readable_beats": int(readable.sum()),
        "per_hour": int(readable.sum()) / hours if hours >= _LEAST_HOURS else math.nan,
        "single": len(kinds["ectopic"]),
        "couplets": len(kinds["couplet"]),
        "runs": len(runs),
        "beats_in_runs": sum(run.n_beats for run in runs),
        "longest_run": None,
        "fastest_run": None,
        "bigeminy": len(kinds["bigeminy"]),
        "bigeminy_seconds": found.seconds(EventKind(f"{name}_bigeminy")),
        "trigeminy": len(kinds["trigeminy"]),
        "trigeminy_seconds": found.seconds(EventKind(f"{name}_trigeminy")),
    }
    if label == "V":
        result["r_on_t"] = len(found.of(EventKind.R_ON_T))
    if runs:
        longest = max(runs, key=by_length)
        fastest = max(runs, key=lambda run: run.rate if math.isfinite(run.rate) else 0.0)
        for key, run in (("longest_run", longest), ("fastest_run", fastest)):
            result[key] = {
                "beats": run.n_beats, "rate": run.rate, **_when(found, run.start_time)
            }  # fmt: skip
    return result


def _rhythm(found: Analysis, kind: EventKind) -> dict[str, Any]:
    events = found.of(kind)
    spans = found.spans(kind)
    seconds = float(sum(b - a for a, b in spans))
    # Waves of flutter look like noise: where both were found, it is flutter.
    lost = [] if kind is EventKind.VENTRICULAR_FLUTTER else found.unreadable
    result: dict[str, Any] = {
        "kind": str(kind),
        "count": len(events),
        "seconds": seconds,
        "burden": burden(spans, lost, found.duration, LONG_S if kind in LONG else 0.0),
        "longest": None,
    }
    if events:
        longest = max(events, key=by_length)
        result["longest"] = {
            "seconds": longest.duration,
            "rate": longest.rate,
            **_when(found, longest.start_time),
        }
    return result


def _event(found: Analysis, event: Event) -> dict[str, Any]:
    # Not dataclasses.asdict, which copies each value: a day has some ten thousand events.
    return {
        "kind": str(event.kind),
        "start": event.start,
        "end": event.end,
        "start_time": event.start_time,
        "end_time": event.end_time,
        "clock": found.clock(event.start_time),
        "severity": str(event.severity),
        "confidence": event.confidence,
        "n_beats": event.n_beats,
        "beats": list(event.beats),
        "rate": event.rate,
        "lead": None if event.lead is None else found.leads[event.lead],
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def table_step(found: Analysis) -> float:
    """Seconds of a row of the table along the recording: an hour, ten, five or one minute."""
    for shortest, step in ((3 * 3600, 3600.0), (1800, 600.0), (900, 300.0)):
        if found.duration > shortest:
            return step
    return 60.0


def time_table(found: Analysis) -> list[dict[str, Any]]:
    """Compute the rows along the recording, which begin at full hours where its start is known.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.

    Returns
    -------
    list of dict
    """
    step = table_step(found)
    ahead = 0.0
    if found.start is not None:
        midnight = found.start.hour * 3600 + found.start.minute * 60 + found.start.second
        ahead = midnight % step
    rr, sound = found.rr()
    rates, middles = found.rates()
    fibrillation = found.spans(EventKind.ATRIAL_FIBRILLATION)
    rows = []
    count = math.ceil((found.duration + ahead) / step - 1e-9)
    kinds: dict[str, npt.NDArray[np.float64]] = {
        name: np.array([event.start_time for event in found.of(*which)])
        for name, which in {
            "v_couplets": (EventKind.VENTRICULAR_COUPLET,),
            "v_runs": (EventKind.VENTRICULAR_RUN,),
            "s_couplets": (EventKind.SUPRAVENTRICULAR_COUPLET,),
            "s_runs": (EventKind.SUPRAVENTRICULAR_RUN,),
            "pauses": STANDSTILL,
        }.items()
    }
    for i in range(count):
        begin, end = max(0.0, i * step - ahead), min(found.duration, (i + 1) * step - ahead)
        a, b = np.searchsorted(found.time, (begin, end))
        labels = found.label[a:b][~found.flutter[a:b]]
        inside = slice(max(a - 1, 0), max(b - 1, 0))
        trusted = rr[inside][sound[inside]]
        window = rates[slice(*np.searchsorted(middles, (begin, end)))]
        has_rate = len(trusted) >= min(_FEWEST_RR, len(rr)) and len(window) > 0
        rows.append(
            {
                **_when(found, begin),
                "seconds": end - begin,
                "beats": len(labels),
                "mean": 60 * len(trusted) / float(trusted.sum()) if has_rate else math.nan,
                "minimum": float(window.min()) if has_rate else math.nan,
                "maximum": float(window.max()) if has_rate else math.nan,
                "v": int((labels == "V").sum()) if found.is_labelled else None,
                "s": int((labels == "S").sum()) if found.is_labelled else None,
                **{
                    name: int(((starts >= begin) & (starts < end)).sum())
                    if found.is_labelled or name == "pauses"
                    else None
                    for name, starts in kinds.items()
                },
                "af_seconds": overlap(fibrillation, begin, end),
                "lost_seconds": overlap(found.unreadable, begin, end),
            }
        )
    return rows
