"""The words and tables of a recording's report: figures as texts, a function for each section."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..rhythm import DEFINITIONS, EventKind
from .analysis import Analysis
from .figures import table_step
from .model_facts import labelled_off_text
from .readable import STANDSTILL
from .words import CLASS_NAMES, LONG, LONG_S, length, s_in_fibrillation

__all__ = [
    "NOTHING",
    "banners",
    "class_rows",
    "ectopy_rows",
    "event_list",
    "facts_line",
    "hrv_section",
    "key_figures",
    "percent",
    "quality_rows",
    "rhythm_rows",
    "step_name",
    "time_rows",
]

#: What stands where a figure is not defined.
NOTHING = "\N{EN DASH}"

# Rows of the list of events, the gravest first, and rows that are listed on request.
_LISTED, _FOLDED = 30, 300
_SEVERITIES = ("high", "medium")
# Rows of the five-minute table that a page has at most: those of two days.
_MOST_SEGMENTS = 576
# NN intervals from which on variability is shown.
_FEWEST_NN = 100
# A shorter recording gets a warning.
_SHORT_S = 60.0

# Shares from which on the page says first that the signal is bad.
_MUCH_LOST = 0.2
_FEW_RATES = 0.5

# Columns of the table along the recording that are counts.
_COUNTS = ("v", "v_couplets", "v_runs", "s", "s_couplets", "s_runs", "pauses")

# Why intervals are left out of variability, where a reason's name says too little.
_LEFT_OUT = {"excluded": "in atrial fibrillation, flutter or an unreadable stretch"}

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


def facts_line(found: Analysis) -> list[tuple[str, str]]:
    """Pairs of a name and a text that say what was recorded."""
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


def banners(found: Analysis, figures: Mapping[str, Any], *, annotated: bool = False) -> list[str]:
    """Warnings that stand first: no beats, no rate, much of the signal lost, a short recording.

    S beats of fibrillation are doubted where a model called them, not where labels were read from
    a file (`annotated`).
    """
    texts = []
    rate, quality = figures["rate"], figures["quality"]
    rr, sound = found.rr()
    if not found.is_labelled:
        texts.append(
            "Beats have no classes: they were found without a model. Ectopic beats are not counted "
            "and are part of every figure below; rhythms that follow from classes were not looked "
            "for."
        )
    if not found.n_beats:
        texts.append(
            "No heartbeat was found in this recording: no heart rate or variability is reported."
        )
    elif math.isnan(rate["mean"]):
        texts.append(
            "No eight consecutive RR intervals in a good signal were found: no heart rate is "
            "reported, and detected beats may be noise."
        )
    elif len(rr) and sound.mean() < _FEW_RATES:
        texts.append(
            f"Only {percent(float(sound.mean()))} of the intervals between beats lie in a good "
            "signal: rates are of these alone, and counts of beats may contain noise."
        )
    if quality["lost_share"] > _MUCH_LOST:
        texts.append(
            f"{percent(quality['lost_share'])} of the recording, "
            f"{length(quality['lost_seconds'])}, cannot be read: missing samples, flat lines or "
            "noise."
        )
    off = labelled_off_text(found.labelled_leads, found.without_signal)
    if off:
        texts.append(f"{off[0].upper()}{off[1:]}.")
    supraventricular = figures["ectopy"]["S"]
    if supraventricular is not None and not annotated:
        burden = _rhythm_figures(figures, EventKind.ATRIAL_FIBRILLATION)["burden"]
        false = s_in_fibrillation(burden, supraventricular["beats"])
        texts += [f"{false}."] if false else []
    if 0 < found.duration < _SHORT_S:
        texts.append(
            "This recording is shorter than a minute: burdens, shares and variability mean little."
        )
    return texts


def _rhythm_figures(figures: Mapping[str, Any], kind: EventKind) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(row for row in figures["rhythm"] if row["kind"] == kind)
    return found


def key_figures(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Heading, figure, unit and a second line of the figures read first; none without a rate."""
    rate = figures["rate"]
    fibrillation = _rhythm_figures(figures, EventKind.ATRIAL_FIBRILLATION)
    af = fibrillation["seconds"]
    pauses = sum(row["count"] for row in figures["rhythm"] if row["kind"] in map(str, STANDSTILL))
    asystoles = next(r["count"] for r in figures["rhythm"] if r["kind"] == EventKind.ASYSTOLE)
    still = f"of at least 2 s; asystoles: {asystoles:,}" if asystoles else "of at least 2 s"
    low, high, longest = rate["minimum"], rate["maximum"], rate["longest_rr"]
    if low is None:  # without a rate, counts of beats may be of noise
        return []
    return [
        ("Mean rate", f"{rate['mean']:.0f}", "/min", f"{figures['beats']['total']:,} beats"),
        *(
            (name, f"{one['rate']:.0f}", "/min", f"at {one['clock']}")
            for name, one in (("Minimum rate", low), ("Maximum rate", high))
        ),
        ("Longest RR", f"{longest['seconds']:.2f}", "s", f"at {longest['clock']}"),
        ("Pauses", f"{pauses:,}", "", still),
        *(
            (
                f"{label} beats",
                f"{figures['ectopy'][label]['beats']:,}",
                "",
                percent(figures["ectopy"][label]["share"]),
            )
            for label in "VS"
            if figures["ectopy"][label] is not None
        ),
        ("AF burden", NOTHING, "", f"needs {LONG_S:.0f} s")
        if figures["duration"] < LONG_S and not af
        else ("AF burden", percent(fibrillation["burden"]), "", length(af) if af else "none found"),
    ]


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, with a decimal where a whole number hides something."""
    if not math.isfinite(share):
        return NOTHING
    if 0.0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1.0:
        return "> 99.9 %"
    whole = share in (0.0, 1.0) or 0.0995 <= share <= 0.995
    return f"{100 * share:.0f} %" if whole else f"{100 * share:.1f} %"


def _plain(value: float | None, digits: int = 0) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}"


def _unbroken(row: tuple[str, ...]) -> tuple[str, ...]:
    """Texts of a row whose numbers stay with their units where a cell is narrow."""
    return tuple(re.sub(r"(?<=\d) (?=[a-z%])", "\N{NO-BREAK SPACE}", text) for text in row)


def quality_rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of signal quality: name and text."""
    quality = figures["quality"]
    rows = [
        ("Analysed", length(quality["analysed_seconds"])),
        (
            "Not readable",
            f"{length(quality['lost_seconds'])} ({percent(quality['lost_share'])})"
            if quality["lost_seconds"]
            else "nothing",
        ),
        (
            "Beats in a bad signal",
            f"{quality['beats_in_bad_signal']:,} ({percent(quality['beats_in_bad_signal_share'])})"
            if quality["beats_in_bad_signal"]
            else "none",
        ),
    ]
    if quality["beats_saturated"]:
        rows.append(("Beats at the converter's limit", f"{quality['beats_saturated']:,}"))
    for kind, one in quality["events"].items():
        if one["count"]:
            text = f"{one['count']:,}, {length(one['seconds'])} in all"
            rows.append((EventKind(kind).text.capitalize(), text))
    return rows


def class_rows(figures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of the table of beats: label, name, count and share."""
    total = figures["beats"]["total"]
    rows = []
    for label, count in figures["beats"]["by_class"].items():
        if label == "":
            rows.append(("", "without a class", f"{count:,}", ""))
        elif count or label in "NSV":
            share = percent(count / total) if total else NOTHING
            rows.append((label, CLASS_NAMES.get(label, ""), f"{count:,}", share))
    waves = figures["beats"]["flutter_waves"]
    if waves:
        rows.append(("", "waves of ventricular flutter, not beats", f"{waves:,}", ""))
    return rows


def ectopy_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the table of ectopy: name, ventricular and supraventricular."""
    v, s = figures["ectopy"]["V"], figures["ectopy"]["S"]
    if v is None:
        return []

    def run(one: Mapping[str, Any] | None) -> str:
        if one is None:
            return NOTHING
        return f"{one['beats']} beats, {_plain(one['rate'])}/min, {one['clock']}"

    def episodes(one: Mapping[str, Any], name: str) -> str:
        if not one[name]:
            return "0"
        return f"{one[name]:,} ({length(one[f'{name}_seconds'])})"

    def beats(one: Mapping[str, Any]) -> str:
        return f"{one['beats']:,} ({percent(one['share'])})"

    def runs(one: Mapping[str, Any]) -> str:
        inside = f" ({one['beats_in_runs']:,} beats)" if one["runs"] else ""
        return f"{one['runs']:,}{inside}"

    rows = [
        ("Beats", beats(v), beats(s)),
        ("In readable signal", *(f"{one['readable_beats']:,}" for one in (v, s))),
        ("Of these per hour", _plain(v["per_hour"], 1), _plain(s["per_hour"], 1)),
        ("Single", f"{v['single']:,}", f"{s['single']:,}"),
        ("Couplets", f"{v['couplets']:,}", f"{s['couplets']:,}"),
        ("Runs of at least three", runs(v), runs(s)),
        ("Longest run", run(v["longest_run"]), run(s["longest_run"])),
        ("Fastest run", run(v["fastest_run"]), run(s["fastest_run"])),
        ("Bigeminy", episodes(v, "bigeminy"), episodes(s, "bigeminy")),
        ("Trigeminy", episodes(v, "trigeminy"), episodes(s, "trigeminy")),
        ("R-on-T", f"{v['r_on_t']:,}", ""),
    ]
    return [_unbroken(row) for row in rows]


def rhythm_rows(figures: Mapping[str, Any]) -> dict[str, Any]:
    """``rows`` of the kinds that were found, ``absent``, the names of the others.

    ``too_short`` has the names of those that a recording as short as this cannot show.
    """
    rows = []
    absent: list[str] = []
    too_short: list[str] = []
    short = figures["duration"] < LONG_S
    for row in figures["rhythm"]:
        kind, longest = EventKind(row["kind"]), row["longest"]
        if longest is None:
            (too_short if short and kind in LONG else absent).append(kind.text)
            continue
        cells = (
            kind.text[0].upper() + kind.text[1:],
            f"{row['count']:,}",
            length(row["seconds"]),
            "" if kind in STANDSTILL else percent(row["burden"]),
            f"{length(longest['seconds'])} at {longest['clock']}",
        )
        rows.append((*_unbroken(cells), DEFINITIONS[kind].rule.replace("`", "")))
    # Where no rate was found, a rhythm could not have been found either.
    looked = figures["rate"]["minimum"] is not None
    return {
        "rows": rows,
        "absent": ", ".join(absent) if looked else "",
        "too_short": ", ".join(too_short) if looked else "",
    }


def time_rows(found: Analysis, figures: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table along the recording, a text in each cell."""
    rows = []
    for row in figures["table"]:
        counts = [row[name] for name in _COUNTS]
        rows.append(
            [
                row["clock"] if found.start is None else row["clock"].removesuffix(":00"),
                f"{row['beats']:,}",
                *(_plain(row[name]) for name in ("minimum", "mean", "maximum")),
                *(NOTHING if count is None else f"{count:,}" if count else "·" for count in counts),
                *(
                    f"{row[name] / 60:.1f}" if row[name] else "·"
                    for name in ("af_seconds", "lost_seconds")
                ),
            ]
        )
    return rows


def step_name(found: Analysis) -> str:
    """How long a row of the table along the recording is, in words."""
    step = table_step(found)
    return "hour" if step >= 3600 else "minute" if step == 60 else f"{step / 60:.0f} minutes"


def hrv_section(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Heart-rate variability: measures by domain, five-minute rows, and what limits them."""
    values = figures["hrv"]
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
    few_rows = len(figures["hrv_five_minutes"]) <= _MOST_SEGMENTS
    left_out = [
        f"{count:,} {_LEFT_OUT.get(reason, reason)}"
        for reason, count in values["left_out"].items()
        if count
    ]
    waves = " and waves of flutter" if figures["beats"]["flutter_waves"] else ""
    return {
        "groups": [(name, rows) for name, rows in groups if rows] if enough else [],
        "few": not enough,
        "intervals": f"{values['nn_intervals']:,} NN intervals of {values['rr_intervals']:,} "
        f"between beats{waves}",
        "left_out": ", ".join(left_out),
        "coverage": percent(values["coverage"]),
        "short": figures["duration"] < 300,
        "long": figures["duration"] >= 18 * 3600,
        "slow": figures["fs"] < 250,
        "segments_left_out": 0 if few_rows else len(figures["hrv_five_minutes"]),
        "segments": [
            [
                row["clock"],
                *(
                    _plain(row[name], digits)
                    for name, digits in (
                        ("heart_rate", 0), ("sdnn", 1), ("rmssd", 1), ("pnn50", 1), ("total", 0),
                        ("vlf", 0), ("lf", 0), ("lf_nu", 0), ("hf", 0), ("hf_nu", 0), ("lf_hf", 2),
                    )
                ),
                percent(row["coverage"]),
            ]
            for row in (figures["hrv_five_minutes"] if few_rows else [])
        ],
    }  # fmt: skip


def event_list(found: Analysis) -> dict[str, Any]:
    """Rows of the list of events, those that would be an alarm of high or medium priority."""
    listed = [event for event in found.events if event.severity in _SEVERITIES]
    listed.sort(key=lambda event: (_SEVERITIES.index(event.severity), event.start))
    shown = listed[: _LISTED + _FOLDED]
    rows = [
        (
            found.clock(event.start_time),
            found.clock(event.end_time),
            event.kind.text,
            length(event.duration),
            _plain(event.rate),
            f"{event.n_beats:,}" if event.n_beats else "",
            f"{event.confidence:.2f}",
            str(event.severity),
        )
        for event in shown
    ]
    return {
        "rows": rows[:_LISTED],
        "folded": rows[_LISTED:],
        "more": len(listed) - len(shown),
        "all": len(found.events),
    }
