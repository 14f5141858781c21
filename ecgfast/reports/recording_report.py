"""The report of a recording: one self-contained page, printed well, with the figures of JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from .._files import write_whole
from ..extras import need
from ..rhythm import DEFINITIONS, EventKind
from . import svg
from .analysis import Analysis
from .choosing import Shown, chosen_strips
from .figures import table_step
from .shell import page, render
from .strip import CLASS_COLOURS
from .summary import CLASS_NAMES, length

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["ModelFacts", "index_page", "model_facts", "recording_report", "write_report"]

# What stands where a figure is not defined.
_NOTHING = "\N{EN DASH}"

# Steps of the heart-rate trend: the first that makes at most so many points.
_STEPS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_POINTS = 720

# Rows of the list of events: the gravest kinds first.
_LISTED = 40
_SEVERITIES = ("high", "medium")
# NN intervals from which on variability is shown.
_FEWEST_NN = 100
_MINUTE_S = 60.0

# Shares from which on the page says first that the signal is bad.
_MUCH_LOST = 0.2
_FEW_RATES = 0.5

_PAUSE = (EventKind.PAUSE, EventKind.ASYSTOLE)
_FIBRILLATION = (EventKind.ATRIAL_FIBRILLATION,)
_WAVES = (EventKind.VENTRICULAR_FLUTTER,)
_BAD = (EventKind.NOISE, EventKind.GAP, EventKind.LEAD_OFF, EventKind.FLAT_LINE)

_INDEX_TILES = (
    "Minimum rate", "Mean rate", "Maximum rate", "Longest RR", "Pauses", "V beats", "S beats",
    "AF burden",
)  # fmt: skip

_HRV_NAMES = (
    ("Time domain", (
        ("mean_nn", "mean NN", "ms", 0), ("sdnn", "SDNN", "ms", 1), ("sdann", "SDANN", "ms", 1),
        ("sdnn_index", "SDNN index", "ms", 1), ("rmssd", "RMSSD", "ms", 1),
        ("pnn50", "pNN50", "%", 1), ("pnn20", "pNN20", "%", 1),
        ("triangular_index", "triangular index", "", 1), ("tinn", "TINN", "ms", 0),
    )),
    ("Frequency domain", (
        ("total", "total power", "ms²", 0), ("ulf", "ULF", "ms²", 0), ("vlf", "VLF", "ms²", 0),
        ("lf", "LF", "ms²", 0), ("hf", "HF", "ms²", 0), ("lf_hf", "LF/HF", "", 2),
        ("lf_nu", "LF norm", "%", 1), ("hf_nu", "HF norm", "%", 1), ("alpha", "slope", "", 2),
    )),
    ("Nonlinear", (
        ("sd1", "SD1", "ms", 1), ("sd2", "SD2", "ms", 1),
        ("sample_entropy", "sample entropy", "", 2), ("dfa_alpha1", "DFA α1", "", 2),  # noqa: RUF001
        ("dfa_alpha2", "DFA α2", "", 2),  # noqa: RUF001
    )),
)  # fmt: skip


@dataclass(frozen=True)
class ModelFacts:
    """What a page says of the model, in plain words.

    Attributes
    ----------
    name, runtime : str
    labelled_from : str
        Which leads were labelled.
    rule : tuple of str
        How a label is chosen.
    scores : tuple of (label, sensitivity, positive predictivity)
        On test recordings, as shares.
    limits : tuple of str
        What the model cannot do.
    """

    name: str
    runtime: str
    labelled_from: str = "the first lead"
    rule: tuple[str, ...] = ()
    scores: tuple[tuple[str, float, float], ...] = ()
    limits: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON."""
        return {
            "name": self.name,
            "runtime": self.runtime,
            "labelled_from": self.labelled_from,
            "rule": list(self.rule),
            "scores": {
                label: {"sensitivity": se, "positive_predictivity": ppv}
                for label, se, ppv in self.scores
            },
            "limits": list(self.limits),
        }


def model_facts(
    classifier: Classifier,
    *,
    lookahead: int = 0,
    labelled_from: str = "the first lead",
    promises: Sequence[str] = (),
) -> ModelFacts:
    """Gather what a page says of the model from its card.

    Parameters
    ----------
    classifier : Classifier
    lookahead : {0, 1}
        As it was used.
    labelled_from : str
        Which leads were labelled.
    promises : sequence of str
        Operating points that were asked for, in words.

    Returns
    -------
    ModelFacts
    """
    card = classifier.card
    rule = tuple(promises) or ("Each beat gets its most probable class.",)
    form = f", {classifier.form}" if classifier.form else ""
    runtime = f"{classifier.backend}{form}"
    if card is None:
        return ModelFacts(str(classifier.path), runtime, labelled_from, rule)
    scores: tuple[tuple[str, float, float], ...] = ()
    for score in card.metrics.get("scores", ()):
        if (score.get("form"), score.get("beats"), score.get("lookahead")) == (
            classifier.form or "float32",
            "detected",
            lookahead,
        ):
            scores = tuple(
                (label, _number(one.get("sensitivity")), _number(one.get("positive_predictivity")))
                for label, one in score["classes"].items()
            )
    return ModelFacts(card.name, runtime, labelled_from, rule, scores, tuple(card.limits))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def recording_report(
    found: Analysis,
    told: Mapping[str, Any],
    model: ModelFacts,
    *,
    title: str = "",
    minutes: bool = False,
    full: bool = False,
) -> str:
    """Make the page.

    Parameters
    ----------
    found : Analysis
        As `analyse` makes it.
    told : mapping
        As `figures` makes it.
    model : ModelFacts
        What labelled the beats.
    title : str
        Heading; by default the recording's name.
    minutes : bool
        Show the minute around each strip, also in print.
    full : bool
        Add the whole recording, a minute in each row.

    Returns
    -------
    str
        HTML that needs no other file and no network.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    strips = [_drawn(found, shown) for shown in chosen_strips(found)]
    body = render(
        "report.html",
        found=found,
        told=told,
        model=model,
        facts=_facts(found),
        banners=_banners(found, told),
        tiles=_tiles(told),
        trend=_trend(found, told) if found.n_beats else "",
        quality=_quality(told),
        classes=_classes(told),
        ectopy=_ectopy(told),
        rhythm=_rhythm(told),
        rows=_rows(told),
        step=_step_name(found),
        pictures=_pictures(found),
        hrv=_hrv(told),
        events=_events(told),
        strips=strips,
        minutes=minutes,
        disclosure=list(_disclosure(found)) if full else [],
        CLASS_NAMES=CLASS_NAMES,
        CLASS_COLOURS=CLASS_COLOURS,
    )
    return page(title or f"ECG report: {found.name}", body, style=_style())


def index_page(rows: Sequence[Mapping[str, Any]], *, title: str) -> str:
    """Make the page that lists the reports of several recordings.

    Parameters
    ----------
    rows : sequence of mapping
        Figures of each recording with its ``file``, or its name and ``error``.
    title : str
        Heading.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    listed = []
    for row in rows:
        if "error" in row:
            listed.append({"record": row["record"], "error": row["error"]})
            continue
        tiles = dict.fromkeys(_INDEX_TILES, _NOTHING)
        tiles |= {name: value for name, value, _, _ in _tiles(row)}
        listed.append(
            {
                "record": row["record"],
                "href": quote(row["file"]),
                "error": "",
                "cells": [
                    length(row["duration"]),
                    f"{row['beats']['total']:,}",
                    *(tiles[name] for name in _INDEX_TILES),
                    _percent(row["quality"]["lost_share"]),
                ],
            }
        )
    names = [name if name[1] in " F" else name[0].lower() + name[1:] for name in _INDEX_TILES]
    heads = ["length", "beats", *names, "not readable"]
    body = render("index.html", rows=listed, heads=heads)
    return page(title, body, style=_style() + "body { max-width: 72rem; }")


def write_report(path: str | os.PathLike[str], html: str) -> None:
    """Write a page, whole or not at all.

    Parameters
    ----------
    path : str or path
    html : str
        As `recording_report` makes it.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_whole(path, html)


def _safe(text: str) -> Any:
    """Mark what this package drew as HTML: its texts are escaped already."""
    return need("markupsafe", "An HTML report", "report").Markup(text)


def _style() -> str:
    from importlib.resources import files

    return (files("ecgfast.reports") / "templates" / "report.css").read_text("utf-8")


# ------------------------------------------------------------------------------------ the parts


def _facts(found: Analysis) -> list[tuple[str, str]]:
    units = {unit for unit in found.units if unit != "mV"}
    leads = ", ".join(found.leads)
    rows = [
        ("Recording", found.name),
        ("Length", length(found.duration)),
        ("Leads", leads + (f" (unit {', '.join(sorted(units))})" if units else "")),
        ("Sampling rate", f"{found.fs:g} Hz"),
    ]
    if found.start is None:
        return [*rows, ("Times", "from the start of the recording")]
    return [*rows, ("Start", f"{found.start:%H:%M:%S}"), ("Times", "of the day")]


def _banners(found: Analysis, told: Mapping[str, Any]) -> list[str]:
    texts = []
    rate, quality = told["rate"], told["quality"]
    rr, sound = found.rr()
    if not found.n_beats:
        texts.append(
            "No heartbeat was found in this recording. No rate, rhythm or variability is reported."
        )
    elif math.isnan(rate["mean"]):
        texts.append(
            "No stretch of eight heartbeats in a good signal was found: no heart rate is reported. "
            "Beats that are listed may be noise."
        )
    elif len(rr) and sound.mean() < _FEW_RATES:
        texts.append(
            f"Only {_percent(float(sound.mean()))} of the intervals between beats lie in a good "
            "signal: rates are of these alone, and counts of beats may contain noise."
        )
    if quality["lost_share"] > _MUCH_LOST:
        texts.append(
            f"{_percent(quality['lost_share'])} of the recording, "
            f"{length(quality['lost_seconds'])}, cannot be read: samples are missing, or noise."
        )
    if 0 < found.duration < _MINUTE_S:
        texts.append(
            "This recording is shorter than a minute: burdens, shares and variability mean little."
        )
    return texts


def _tiles(told: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Heading, figure, unit and a second line of the figures that are read first."""
    rate = told["rate"]
    af = sum(row["seconds"] for row in told["rhythm"] if row["kind"] in map(str, _FIBRILLATION))
    share = af / max(told["quality"]["analysed_seconds"], 1e-9)
    pauses = sum(row["count"] for row in told["rhythm"] if row["kind"] in map(str, _PAUSE))
    low, high, longest = rate["minimum"], rate["maximum"], rate["longest_rr"]
    if not told["beats"]["total"]:
        return []
    known = low is not None
    return [
        ("Mean rate", f"{rate['mean']:.0f}" if known else _NOTHING, "/min", ""),
        *(
            (
                name,
                f"{one['rate']:.0f}" if one else _NOTHING,
                "/min",
                f"at {one['clock']}" if one else "",
            )
            for name, one in (("Minimum rate", low), ("Maximum rate", high))
        ),
        (
            "Longest RR",
            f"{longest['seconds']:.2f}" if longest else _NOTHING,
            "s",
            f"at {longest['clock']}" if longest else "",
        ),
        ("Pauses", f"{pauses:,}", "", "of 2 s and more"),
        *(
            (
                f"{label} beats",
                f"{told['ectopy'][label]['beats']:,}",
                "",
                _percent(told["ectopy"][label]["share"]),
            )
            for label in "VS"
        ),
        ("AF burden", _percent(min(share, 1.0)), "", length(af) if af else "none found"),
    ]


def _percent(share: float) -> str:
    if not math.isfinite(share):
        return _NOTHING
    return f"{100 * share:.1f} %" if share < 0.0995 or share > 0.995 else f"{100 * share:.0f} %"


def _plain(value: float | None, digits: int = 0) -> str:
    if value is None or not math.isfinite(value):
        return _NOTHING
    return f"{value:,.{digits}f}"


def _quality(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    quality = told["quality"]
    rows = [
        ("Analysed", length(quality["analysed_seconds"])),
        (
            "Not readable",
            f"{length(quality['lost_seconds'])} ({_percent(quality['lost_share'])})"
            if quality["lost_seconds"]
            else "nothing",
        ),
        (
            "Beats in a bad signal",
            f"{quality['beats_in_bad_signal']:,} ({_percent(quality['beats_in_bad_signal_share'])})"
            if quality["beats_in_bad_signal"]
            else "none",
        ),
    ]
    for kind, one in quality["events"].items():
        if one["count"]:
            text = f"{one['count']:,}, {length(one['seconds'])} in all"
            rows.append((EventKind(kind).text.capitalize(), text))
    return rows


def _classes(told: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    total = told["beats"]["total"]
    rows = []
    for label, count in told["beats"]["by_class"].items():
        if count or label in "NSV":
            share = _percent(count / total) if total else _NOTHING
            rows.append((label, CLASS_NAMES.get(label, ""), f"{count:,}", share))
    waves = told["beats"]["flutter_waves"]
    if waves:
        rows.append(("", "waves of ventricular flutter, not beats", f"{waves:,}", ""))
    return rows


def _ectopy(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    v, s = told["ectopy"]["V"], told["ectopy"]["S"]

    def run(one: Mapping[str, Any] | None) -> str:
        if one is None:
            return _NOTHING
        return f"{one['beats']} beats, {_plain(one['rate'])}/min, {one['clock']}"

    def episodes(one: Mapping[str, Any], name: str) -> str:
        if not one[name]:
            return "0"
        return f"{one[name]:,} ({length(one[f'{name}_seconds'])})"

    def beats(one: Mapping[str, Any]) -> str:
        return f"{one['beats']:,} ({_percent(one['share'])})"

    return [
        ("Beats", beats(v), beats(s)),
        ("Per hour", _plain(v["per_hour"], 1), _plain(s["per_hour"], 1)),
        ("Single", f"{v['single']:,}", f"{s['single']:,}"),
        ("Couplets", f"{v['couplets']:,}", f"{s['couplets']:,}"),
        ("Runs of three and more", f"{v['runs']:,}", f"{s['runs']:,}"),
        ("Longest run", run(v["longest_run"]), run(s["longest_run"])),
        ("Fastest run", run(v["fastest_run"]), run(s["fastest_run"])),
        ("Bigeminy", episodes(v, "bigeminy"), episodes(s, "bigeminy")),
        ("Trigeminy", episodes(v, "trigeminy"), episodes(s, "trigeminy")),
        ("R-on-T", f"{v['r_on_t']:,}", ""),
    ]


def _rhythm(told: Mapping[str, Any]) -> dict[str, Any]:
    rows, absent = [], []
    for row in told["rhythm"]:
        kind, longest = EventKind(row["kind"]), row["longest"]
        if longest is None:
            absent.append(kind.text)
            continue
        rows.append(
            (
                kind.text[0].upper() + kind.text[1:],
                f"{row['count']:,}",
                length(row["seconds"]),
                "" if kind in _PAUSE else _percent(row["burden"]),
                f"{length(longest['seconds'])} at {longest['clock']}",
                DEFINITIONS[kind].rule.replace("`", ""),
            )
        )
    return {"rows": rows, "absent": ", ".join(absent)}


def _rows(told: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for row in told["table"]:
        counts = [row[name] for name in ("v", "v_couplets", "v_runs", "s", "s_runs", "pauses")]
        rows.append(
            [
                row["clock"],
                f"{row['beats']:,}",
                *(_plain(row[name]) for name in ("minimum", "mean", "maximum")),
                *(f"{count:,}" if count else "·" for count in counts),
                *(
                    length(row[name]) if row[name] else "·"
                    for name in ("af_seconds", "lost_seconds")
                ),
            ]
        )
    return rows


def _step_name(found: Analysis) -> str:
    step = table_step(found)
    return "hour" if step >= 3600 else "minute" if step == 60 else f"{step / 60:.0f} minutes"


def _hrv(told: Mapping[str, Any]) -> dict[str, Any]:
    values = told["hrv"]
    groups = [
        (
            name,
            [
                (label, f"{_plain(values[key], digits)} {unit}".rstrip())
                for key, label, unit, digits in rows
                if math.isfinite(values[key])
            ],
        )
        for name, rows in _HRV_NAMES
    ]
    enough = values["nn_intervals"] >= _FEWEST_NN
    left_out = [f"{count:,} {reason}" for reason, count in values["left_out"].items() if count]
    return {
        "groups": [(name, rows) for name, rows in groups if rows] if enough else [],
        "few": not enough,
        "intervals": f"{values['nn_intervals']:,} NN of {values['rr_intervals']:,} RR intervals",
        "left_out": ", ".join(left_out),
        "coverage": _percent(values["coverage"]),
        "short": told["duration"] < 300,
        "long": told["duration"] >= 18 * 3600,
        "slow": told["fs"] < 250,
        "segments": [
            [
                length(row["start"]) if row["start"] else "0 s",
                *(
                    _plain(row[name], digits)
                    for name, digits in (
                        ("heart_rate", 0), ("sdnn", 1), ("rmssd", 1), ("pnn50", 1), ("total", 0),
                        ("lf", 0), ("hf", 0), ("lf_hf", 2),
                    )
                ),
                _percent(row["coverage"]),
            ]
            for row in told["hrv_five_minutes"]
        ],
    }  # fmt: skip


def _events(told: Mapping[str, Any]) -> dict[str, Any]:
    """The list of events: what would be an alarm of high or medium priority."""
    listed = [event for event in told["events"] if event["severity"] in _SEVERITIES]
    listed.sort(key=lambda event: (_SEVERITIES.index(event["severity"]), event["start"]))
    shown = listed[:_LISTED]
    rows = [
        (
            event["clock"],
            EventKind(event["kind"]).text,
            length(event["end_time"] - event["start_time"]),
            _plain(event["rate"]),
            f"{event['beats']:,}" if event["beats"] else "",
            event["severity"],
        )
        for event in shown
    ]
    return {"rows": rows, "more": len(listed) - len(shown), "all": len(told["events"])}


# ------------------------------------------------------------------------------------ pictures


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
    names = [found.clock(float(tick)).split(", ")[-1] for tick in ticks]
    cut = step >= 60 and found.start is not None
    return [
        (float(tick), name[:5] if cut else name) for tick, name in zip(ticks, names, strict=True)
    ]


def _trend(found: Analysis, told: Mapping[str, Any]) -> Any:
    step = next((s for s in _STEPS if found.duration / s <= _POINTS), _STEPS[-1])
    count = math.ceil(found.duration / step)
    rr, sound = found.rr()
    at = np.minimum((found.time[1:][sound] / step).astype(np.int64), count - 1)
    number = np.bincount(at, minlength=count)
    seconds = np.bincount(at, rr[sound], minlength=count)
    rates, middles = found.rates()
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    where = np.minimum((middles / step).astype(np.int64), count - 1)
    np.minimum.at(low, where, rates)
    np.maximum.at(high, where, rates)
    mean = np.divide(60.0 * number, seconds, out=np.full(count, np.nan), where=seconds > 0)
    mean[~np.isfinite(low)] = np.nan  # a lone interval is no rate
    empty = np.isnan(mean)
    low[empty | ~np.isfinite(low)] = np.nan
    high[empty | ~np.isfinite(high)] = np.nan

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
        ("AF", "#8a4f9e", spans(*_FIBRILLATION)),
        ("VF, flutter", "#a3001e", spans(*_WAVES)),
        ("pauses", "#a3001e", spans(*_PAUSE)),
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
    """Spans with those that cannot be told apart in the picture joined."""
    gap = duration / 1000
    joined: list[tuple[float, float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]), 1.0)
        else:
            joined.append((start, end, 1.0))
    return joined


def _pictures(found: Analysis) -> list[Any]:
    rr, sound = found.rr()
    if sound.sum() < 8:
        return []
    nn = np.isin(found.time[1:], found.nn_intervals().time)
    both = sound[1:] & sound[:-1]
    return [
        _safe(svg.rr_histogram(rr[sound & nn], rr[sound & ~nn])),
        _safe(svg.poincare(rr[:-1][both], rr[1:][both], (nn[1:] & nn[:-1])[both])),
    ]


def _drawn(found: Analysis, shown: Shown) -> dict[str, Any]:
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
            facts.append(f"{event.n_beats:,} beat{'' if event.n_beats == 1 else 's'}")
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
    """A minute of the first lead."""
    signal, begin = _signal(found, start, _MINUTE_S)
    a, b = np.searchsorted(found.time, (begin, begin + _MINUTE_S))
    marks = [
        (float(found.time[i]) - begin, str(found.label[i]))
        for i in range(a, b)
        if found.label[i] != "N"
    ]
    return svg.minute(
        signal[:, 0].astype(np.float64),
        found.fs,
        marks=marks,
        span=span,
        gain=gain,
        label=f"one minute from {found.clock(begin)}",
    )


def _disclosure(found: Analysis) -> Iterator[tuple[str, Any]]:
    """Every minute of the first lead."""
    for i in range(math.ceil(found.duration / _MINUTE_S)):
        yield found.clock(i * _MINUTE_S), _safe(_row(found, i * _MINUTE_S))
