"""Tables of a model of beats: its classes, and what its probabilities are worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..evaluation.false_alarms import ECTOPIC, HEALTHY, STRIPS, false_alarms_of
from ..printable import counted
from ..reports.table import Table
from ..runtime.card_fields import left_out_heading
from ..runtime.cards import LOOKAHEAD_LABELS
from .output import number_text

if TYPE_CHECKING:
    from ..evaluation import BeatModelScores, FalseAlarms, StripCalls

__all__ = [
    "DATABASE",
    "class_tables",
    "false_alarm_tables",
    "false_alarms_of_records",
    "false_rate_table",
    "left_out_of_training",
    "left_out_table",
    "patient_table",
    "point_text",
    "probability_tables",
]

#: Database whose records a model of beats is scored on.
DATABASE = "mitdb"
# Three quarters of DS2's S beats are in this one record: the figures without it stand beside.
_ONE_PATIENT = "232"
# Which figures of people left out of training a model is chosen by.
_CHOSEN_BY = (" by patient", " per hour, ", "fibrillation called ", "normal strips called ")
# What stands side by side: of cross-validation, and of test beats.
_BESIDE = ("promised", "reached")


def point_text(score: BeatModelScores) -> str:
    """Which beats were labelled, and when."""
    beats = "reference beats" if score.beats == "reference" else "detected beats"
    return f"{beats}, {LOOKAHEAD_LABELS[score.lookahead]}"


def class_tables(score: BeatModelScores) -> Iterator[Table]:
    """Figures of each class with their intervals, and the confusion."""
    total, intervals = score.scores(), score.intervals()
    figures = ("sensitivity", "positive_predictivity", "f1")
    rows = []
    for i, name in enumerate(total.classes):
        row = [name, f"{sum(total.confusion[i]):,}"]
        for figure in figures:
            row.append(number_text(100 * getattr(total, figure)(name), 2))
            low, high = intervals[name].get(figure, (math.nan, math.nan))
            row.append(f"[{number_text(100 * low, 1)}, {number_text(100 * high, 1)}]")
        rows.append(row)
    heading = (
        f"{point_text(score)}: accuracy {number_text(100 * total.accuracy, 2)} %, "
        f"macro F1 {number_text(100 * total.macro_f1, 2)} %"
    )
    alone = f"{DATABASE}/{_ONE_PATIENT}"
    if alone in score.records and len(score.records) > 1:
        without = score.scores(without=(alone,))
        heading += f", S F1 without record {_ONE_PATIENT} {number_text(100 * without.f1('S'), 2)} %"
    yield Table(
        heading,
        ["class", "beats", "Se", "", "+P", "", "F1", ""],
        rows,
    )
    detected = score.beats != "reference"
    names = [*total.classes, *(["none"] if detected else [])]
    yield Table(
        f"{point_text(score)}: reference (rows) against model (columns)",
        ["", *[*total.classes, *(["missed"] if detected else [])]],
        [
            ["false" if name == "none" else name, *(f"{n:,}" for n in total.confusion[i])]
            for i, name in enumerate(names)
        ],
    )


def patient_table(scores: Sequence[BeatModelScores]) -> Table:
    """F1 of S and V patient by patient: pooled figures can be those of one patient."""
    rows = []
    for score in scores:
        for label, facts in score.to_dict()["f1_by_patient"].items():
            if facts["patients"]:
                quartiles = ", ".join(number_text(100 * x, 1) for x in facts["quartiles"])
                middle = [number_text(100 * facts[x], 1) for x in ("median", "mean")]
                pooled = number_text(100 * score.scores().f1(label), 1)
                count = str(facts["patients"])
                rows.append([point_text(score), label, count, *middle, f"[{quartiles}]", pooled])
    columns = ["", "class", "patients", "median", "mean", "quartiles", "pooled"]
    return Table("F1 by patient, of those with ten beats of the class, in %", columns, rows, left=2)


def left_out_of_training(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What a model is chosen by, of people left out of training, by when the label comes.

    Parameters
    ----------
    metrics : mapping
        Of the model's card.

    Returns
    -------
    dict of str to dict of str to float
        Empty where the card has no such figures.
    """
    views = {view: metrics.get(left_out_heading(view)) for view in LOOKAHEAD_LABELS}
    return {
        view: {
            name: float(figure)
            for name, figure in figures.items()
            if any(part in name for part in _CHOSEN_BY) and isinstance(figure, (int, float))
        }
        for view, figures in views.items()
        if isinstance(figures, dict)
    }


def left_out_table(views: Mapping[str, Mapping[str, float]]) -> Table:
    """The figures of `left_out_of_training`, one row each."""
    names = list(dict.fromkeys(name for figures in views.values() for name in figures))
    rows = [[_figure_name(n), *(_figure(n, figures) for figures in views.values())] for n in names]
    return Table(
        "People left out of training, by cross-validation when the model was made (of its card): "
        "each patient and strip by a network that had not seen them, reference beats (strips: "
        "detected ones)",
        ["", *views],
        rows,
    )


def _figure_name(name: str) -> str:
    """A figure of a card in words: F1 by patient, or false beats."""
    database, _, rest = name.partition(" ")
    if rest.endswith(" by patient"):
        return f"{database}, F1 of {rest.removesuffix(' by patient')}, median of patients, %"
    return name if " per hour, " in name else f"{name}, %"


def _figure(name: str, figures: Mapping[str, float]) -> str:
    if name not in figures:
        return "-"
    return number_text(figures[name] * (1.0 if " per hour, " in name else 100.0), 1)


def false_alarm_tables(
    healthy: Sequence[FalseAlarms], strips: Sequence[StripCalls]
) -> Iterator[Table]:
    """False S and V of healthy people per hour, and beats of strips called S and V."""
    if healthy:
        yield _rate_table(f"Healthy people of {HEALTHY}", healthy)
    if strips:
        yield Table(
            f"Strips of {STRIPS}, detected beats, in %",
            [
                "",
                "strips of",
                "strips",
                "beats",
                *(f"called {label}" for label in ECTOPIC),
                *(f"{label} in the first 3 s" for label in ECTOPIC),
                *(f"strips over 10 % {label}" for label in ECTOPIC),
            ],
            [_strip_row(one.to_dict()) for one in strips],
            left=2,
        )


def false_alarms_of_records(scores: Sequence[BeatModelScores]) -> list[FalseAlarms]:
    """False S and V of the records that are scored, from detected beats."""
    return [
        false_alarms_of(one.records, one.hours, one.matrices, one.lookahead)
        for one in scores
        if one.beats == "detected"
    ]


def false_rate_table(alarms: Sequence[FalseAlarms]) -> Table:
    """False S and V per hour of the records that are scored."""
    return _rate_table("The records above", alarms)


def _rate_table(whose: str, alarms: Sequence[FalseAlarms]) -> Table:
    rows = []
    for one in alarms:
        facts = one.to_dict()
        for label in one.false:
            rates = [number_text(facts[label][x], 1) for x in ("median", "mean", "worst")]
            view = LOOKAHEAD_LABELS[one.lookahead]
            rows.append([view, label, *rates, facts[label]["worst record"]])
    hours = number_text(sum(alarms[0].hours), 1)
    return Table(
        f"{whose} ({counted(len(alarms[0].records), 'recording')}, {hours} hours, detected "
        "beats): "
        "false S and V per hour",
        ["", "class", "median", "mean", "worst", "worst record"],
        rows,
        left=2,
    )


def _strip_row(facts: dict[str, Any]) -> list[str]:
    figures = ("share", "share of the first three seconds", "share of strips with over a tenth")
    shares = [_share(facts[label][figure]) for figure in figures for label in ECTOPIC]
    rhythm = "normal rhythm" if facts["rhythm"] == "normal" else "atrial fibrillation"
    counts = [f"{facts['strips']:,}", f"{facts['beats']:,}"]
    return [LOOKAHEAD_LABELS[facts["lookahead"]], rhythm, *counts, *shares]


def _share(value: float | None) -> str:
    return "-" if value is None else number_text(100 * value, 1)


def probability_tables(facts: dict[str, Any]) -> Iterator[Table]:
    """Calibration, and what thresholds and rejections reach."""
    view = LOOKAHEAD_LABELS[facts["lookahead"]]
    yield from _decision_tables(f"the decision asked for, {view}", facts.get("asked for", ()))
    promised, reached = ({row["from"]: row for row in facts[x]["bins"]} for x in _BESIDE)
    errors = [number_text(100 * facts[x]["expected_calibration_error"], 2) for x in _BESIDE]
    rows = []
    for start in sorted(promised | reached):
        row = [f"{start:.1f} to {start + 0.1:.1f}"]
        for bins in (promised, reached):
            one = bins.get(start)
            row += (
                [f"{one['beats']:,}", _share(one["probability"]), _share(one["right"])]
                if one
                else ["0", "-", "-"]
            )
        rows.append(row)
    yield Table(
        f"Probabilities, {view}: expected calibration error {errors[0]} points in "
        f"cross-validation, {errors[1]} here",
        ["probability of the label", *["beats", "mean", "right"] * 2],
        rows,
        [("", 1), *((name, 3) for name in _BESIDE)],
    )
    yield from _decision_tables(view, facts["decisions"])


def _decision_tables(what: str, decided: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """What thresholds and rejections promise, and what they reached."""
    kinds = {False: ("Thresholds of one class", "Se", "+P"), True: ("Rejection", "kept", "right")}
    for rejects, (heading, *names) in kinds.items():
        rows = []
        for row in decided:
            if (row["by"] == "reject") != rejects:
                continue
            name = row["by"] if rejects else f"{row['class']} {row['by']}"
            star = "" if row.get("holds", True) else " *"
            cells = [f"{name} {_share(row['wanted'])}{star}", _share(row["threshold"])]
            for figures in (row[x] for x in _BESIDE):
                intervals = figures.get("intervals_95", {})
                for figure in (figure for figure in figures if figure != "intervals_95"):
                    interval = ", ".join(map(_share, intervals.get(figure, ())))
                    cells += [_share(figures[figure]), f"[{interval}]" if interval else ""]
            rows.append(cells)
        if rows:
            yield Table(
                f"{heading}, {what}, in %",
                ["wanted", "threshold", *(x for name in names * 2 for x in (name, ""))],
                rows,
                [("", 2), *((name, 4) for name in _BESIDE)],
            )
