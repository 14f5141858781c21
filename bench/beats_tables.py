"""Tables of the pages about the model of beat classes, as lines of Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from seed_spread import FIGURES, LEFT_OUT

from ecgfast.evaluation import AAMI_CLASSES, BeatModelScores, is_beat
from ecgfast.evaluation.classes import confusion_matrix, from_matrix
from ecgfast.evaluation.false_alarms import ECTOPIC, HEALTHY
from ecgfast.records import read_record
from ecgfast.runtime import ModelCard
from ecgfast.runtime.card_fields import left_out_heading
from ecgfast.runtime.cards import LOOKAHEAD_LABELS
from ecgfast.runtime.corrections import Corrections

#: The patient who has three in four S beats of DS2.
ONE_PATIENT = "mitdb/232"
#: How many of the least certain beats of the first five minutes are corrected, patient by patient.
ANSWERS, FIRST_S = (0, 5, 10, 20), 300.0


def percent(value: float | None) -> str:
    """A share in %, or a dash where it is not defined."""
    return "-" if value is None or value != value else f"{100 * value:.1f}"  # noqa: PLR0124


def counted(counts: dict[str, int]) -> str:
    """Numbers of beats, class by class."""
    return ", ".join(f"{n:,} {label}" for label, n in counts.items() if n)


def with_interval(score: dict[str, Any], label: str, figure: str) -> str:
    """A figure and its 95 % interval over patients."""
    low, high = score["intervals_95"][label].get(figure, (None, None))
    return f"{percent(score['classes'][label][figure])} [{percent(low)}, {percent(high)}]"


def headline_rows(docs: Path) -> list[str]:
    """A table: the figures that a model is judged by first, over seeds; DS2 without one patient."""
    kept = (
        "DS2, detected beats: V F1, %",
        "DS2, detected beats: S F1 without 232, %",
        "svdb, V F1, median of patients, %",
        "svdb, S F1, median of patients, %",
        "healthy, false S per hour, mean",
        "healthy, false V per hour, mean",
        "beats of fibrillation called S, %",
        "beats of fibrillation called V, %",
    )
    seeds = seed_figures(docs)
    return _seed_table({title: seeds[title] for title in kept}, {})


def criterion_rows(docs: Path) -> list[str]:
    """A table: all figures over seeds, and with whole databases left out of training."""
    told = json.loads((docs / "beats-left-out.json").read_text("utf-8"))
    without: dict[str, float] = {}
    for one in told["candidates"]:
        databases = one["candidate"].removesuffix(" left out").split(" and ")
        for title, (path, share, _) in FIGURES.items():
            heading, name = path[0], path[-1]
            of = "cinc2017" if name.startswith("fibrillation") else name.partition(" ")[0]
            if heading == LEFT_OUT and of in databases:
                without[title] = one[LOOKAHEAD_LABELS[0]][name] * (100.0 if share else 1.0)
    return _seed_table(seed_figures(docs), without)


def seed_figures(docs: Path) -> dict[str, dict[str, float]]:
    """Figures of each seed by title, as `seed_spread.py` wrote them."""
    found: dict[str, dict[str, float]] = json.loads((docs / "beats-spread.json").read_text("utf-8"))
    return found


def spread_text(figures: dict[str, float], digits: int = 1) -> str:
    """Mean and standard deviation over seeds."""
    values = list(figures.values())
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def _seed_table(figures: dict[str, dict[str, float]], without: dict[str, float]) -> list[str]:
    seeds = next(iter(figures.values()))
    columns = [
        f"{len(seeds)} seeds, mean ± deviation",
        f"this model (seed {next(iter(seeds))})",
        *(["database left out, one seed"] if without else []),
    ]
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for title, of in figures.items():
        digits = FIGURES[title][-1]
        cells = [spread_text(of, digits), f"{next(iter(of.values())):.{digits}f}"]
        if without:
            cells.append(f"{without[title]:.{digits}f}" if title in without else "-")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def size_rows(card: ModelCard) -> list[str]:
    """A table: size and latency by precision; one beat on one core, medians, by runtime."""
    told = card.fastest["one_beat_us"]
    lines = [
        f"| | size, kB | {' | '.join(f'one beat with {name}, µs' for name in told)} |",
        f"| --- | --- |{' --- |' * len(told)}",
    ]
    for name, of in card.precisions.items():
        times = [f"{one[name]:.0f}" if name in one else "-" for one in told.values()]
        lines.append(f"| {name} | {of['bytes'] / 1000:.0f} | {' | '.join(times)} |")
    return lines


def class_rows(scores: dict[str, dict[str, Any]]) -> list[str]:
    """A table: a row for each score, N, S and V in columns."""
    lines = [
        "| | N Se | S Se | S +P | S F1 | V Se | V +P | V F1 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, score in scores.items():
        cells = [with_interval(score, "N", "sensitivity")]
        for label in ("S", "V"):
            cells += [
                with_interval(score, label, figure)
                for figure in ("sensitivity", "positive_predictivity", "f1")
            ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def with_column(lines: list[str], heading: str, cells: list[str]) -> list[str]:
    """A table with one more column."""
    rows = [f"{line} {cell} |" for line, cell in zip(lines[2:], cells, strict=True)]
    return [f"{lines[0]} {heading} |", f"{lines[1]} --- |", *rows]


def ds2_rows(card: ModelCard) -> list[str]:
    """A table: all scores on DS2, with S F1 without the one patient who has most S beats."""
    alone = [
        percent(told.get("S F1 without record 232"))
        for title, told in card.metrics.items()
        if title.startswith("DS2 ")
    ]
    return with_column(class_rows(tested(card)), "S F1 without 232", alone)


def tested(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Scores on DS2 by heading."""
    return {
        f"{score['form']}, {score['beats']} beats, {LOOKAHEAD_LABELS[score['lookahead']]}": score
        for score in card.metrics["scores"]
    }


def validated(card: ModelCard) -> dict[str, dict[str, Any]]:
    """Scores of cross-validation by database and view."""
    start = "cross-validation, calibrated, "
    return {k.removeprefix(start): v for k, v in card.metrics.items() if k.startswith(start)}


def lead_rows(scores: dict[str, list[BeatModelScores]]) -> list[str]:
    """A table: scores on the first lead, the second and both."""
    rows = {
        f"{leads}, {score.beats} beats, {LOOKAHEAD_LABELS[score.lookahead]}": score
        for leads, of in scores.items()
        for score in of
    }
    lines = class_rows({title: score.to_dict() for title, score in rows.items()})
    return with_column(
        lines,
        "S F1 without 232",
        [percent(score.scores(without=(ONE_PATIENT,)).f1("S")) for score in rows.values()],
    )


def patient_rows(card: ModelCard) -> list[str]:
    """F1 of S and V patient by patient."""
    lines = [
        "| | class | patients | median F1 | mean | quartiles |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for title, score in tested(card).items():
        for label, told in score["f1_by_patient"].items():
            if told["patients"]:
                shares = [told["median"], told["mean"], *told["quartiles"]]
                median, mean, low, high = map(percent, shares)
                row = [title, label, str(told["patients"]), median, mean, f"{low} to {high}"]
                lines.append(f"| {' | '.join(row)} |")
    return lines


def left_out_rows(card: ModelCard) -> list[str]:
    """Tables: false S and V of people and strips that a network had not seen."""
    views = {view: card.metrics[left_out_heading(view)] for view in LOOKAHEAD_LABELS}
    lines = [
        "| false per hour, healthy people | class | median | mean | worst |",
        "| --- | --- | --- | --- | --- |",
    ]
    for view, told in views.items():
        for label in ECTOPIC:
            figures = ("median", "mean", "worst")
            rates = [f"{told[f'{HEALTHY} false {label} per hour, {x}']:.1f}" for x in figures]
            lines.append(f"| {view} | {label} | {' | '.join(rates)} |")
    kinds = ("fibrillation", "normal strips")
    columns = [f"{kind} called {label}" for kind in kinds for label in ECTOPIC]
    lines += ["", f"| % of beats | {' | '.join(columns)} |", f"| --- |{' --- |' * len(columns)}"]
    for view, told in views.items():
        lines.append(f"| {view} | {' | '.join(percent(told[name]) for name in columns)} |")
    return lines


def false_rate_rows(card: ModelCard) -> list[str]:
    """A table: false S and V per hour of healthy people."""
    lines = [
        "| false per hour, healthy people | class | median | mean | worst record |",
        "| --- | --- | --- | --- | --- |",
    ]
    for told in card.metrics["false alarms per hour, nsrdb"]:
        for label in ECTOPIC:
            one = told[label]
            title = f"{told['form']}, {LOOKAHEAD_LABELS[told['lookahead']]}"
            worst = f"{one['worst']:.0f} ({one['worst record']})"
            lines.append(
                f"| {title} | {label} | {one['median']:.1f} | {one['mean']:.1f} | {worst} |"
            )
    return lines


def strip_rows(card: ModelCard) -> list[str]:
    """A table: beats of strips that are called S and V."""
    shares = {
        "called": "share",
        "in the first 3 s": "share of the first three seconds",
        "strips with over a tenth": "share of strips with over a tenth",
    }
    columns = [f"{label} {what}" for what in shares for label in ECTOPIC]
    lines = [
        f"| strips, % | beats | {' | '.join(columns)} |",
        f"| --- | --- |{' --- |' * len(columns)}",
    ]
    for told in card.metrics["strips, cinc2017"]:
        cells = [percent(told[label][key]) for key in shares.values() for label in ECTOPIC]
        title = f"{told['rhythm']}, {told['form']}, {LOOKAHEAD_LABELS[told['lookahead']]}"
        lines.append(f"| {title} | {told['beats']:,} | {' | '.join(cells)} |")
    return lines


def corrected_rows(score: BeatModelScores, data: Path) -> list[str]:
    """A table: scores of the beats after five minutes, by number of corrected beats before."""
    matrices = np.zeros((len(ANSWERS), len(score.records), len(AAMI_CLASSES), len(AAMI_CLASSES)))
    for i, name in enumerate(score.records):
        rows = score.record == i
        outputs, target = score.outputs[rows].astype(np.float64), score.target[rows]
        record = read_record(data / name, leads=0)
        marks = record.annotations
        assert marks is not None
        at = marks.sample[is_beat(marks.symbol) & (marks.sample < record.n_samples)]
        early = np.flatnonzero(at < FIRST_S * record.fs)
        late = at >= FIRST_S * record.fs
        least_sure = early[np.argsort(outputs[early].max(axis=1), kind="stable")]
        for k, answers in enumerate(ANSWERS):
            corrections = Corrections(AAMI_CLASSES)
            for row in least_sure[:answers]:
                corrections.add(outputs[row].tolist(), AAMI_CLASSES[target[row]])
            shown = corrections(outputs[late]) if answers else outputs[late]
            matrices[k, i] = confusion_matrix(target[late], shown.argmax(axis=1), len(AAMI_CLASSES))
    lines = [
        "| answers for each patient | S F1 | V F1 | S F1 without 232 |",
        "| --- | --- | --- | --- |",
    ]
    others = [name != ONE_PATIENT for name in score.records]
    for answers, of in zip(ANSWERS, matrices.astype(np.int64), strict=True):
        total, rest = (from_matrix(m.sum(axis=0), AAMI_CLASSES) for m in (of, of[others]))
        figures = [total.f1("S"), total.f1("V"), rest.f1("S")]
        lines.append(f"| {answers} | {' | '.join(map(percent, figures))} |")
    return lines


def probability_section(told: dict[str, Any]) -> list[str]:
    """Reliability, rejection and operating points of one view, promised and reached."""
    sides = [told["promised"], told["reached"]]
    errors = [f"{100 * side['expected_calibration_error']:.2f}" for side in sides]
    lines = [
        f"## Probabilities, {LOOKAHEAD_LABELS[told['lookahead']]}",
        "",
        f"Expected calibration error {errors[0]} points in cross-validation, {errors[1]} on DS2.",
        "",
        "| probability of the label | beats | mean | right | beats, DS2 | mean | right |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    bins = [{row["from"]: row for row in side["bins"]} for side in sides]
    for start in sorted(bins[0] | bins[1]):
        cells = []
        for row in (side.get(start) for side in bins):
            cells += (
                ["0", "-", "-"]
                if row is None
                else [f"{row['beats']:,}", percent(row["probability"]), percent(row["right"])]
            )
        lines.append(f"| {start:.1f} to {start + 0.1:.1f} | " + " | ".join(cells) + " |")
    rejections = [row for row in told["decisions"] if row["by"] == "reject"]
    thresholds = [row for row in told["decisions"] if row["by"] != "reject"]
    return [
        *lines,
        "",
        "Rejecting the least certain beats (`Decision(reject=...)`, `--reject`):",
        "",
        *decision_rows(rejections, ("kept", "accuracy")),
        "",
        "Thresholds of one class's probability (`Decision(sensitivity=...)`, "
        "`Decision(positive_predictivity=...)`):",
        "",
        *decision_rows(thresholds, ("Se", "+P")),
        "",
        "\\* Sensitivities of S do not hold for patients of other recordings: on the other half of "
        "svdb, which is in no training, 80, 90 and 95 % became 64, 80 and 90. Levels whose other "
        "figure falls below 20 % are not offered.",
    ]


def decision_rows(rows: list[dict[str, Any]], names: tuple[str, str]) -> list[str]:
    """A table: a row a threshold, as cross-validation promised it and as DS2 had it."""
    columns = ["wanted", "threshold", *names, *(f"{name}, DS2" for name in names)]
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for row in rows:
        star = "" if row.get("holds", True) else " \\*"
        cells = [f"{row.get('class', '')} {row['by']} {percent(row['wanted'])}{star}".strip()]
        cells.append(percent(row["threshold"]))
        for side in (row["promised"], row["reached"]):
            for name, (low, high) in side["intervals_95"].items():
                cells.append(f"{percent(side[name])} [{percent(low)}, {percent(high)}]")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def failures(score: BeatModelScores) -> list[str]:
    """Records with the most mistakes."""
    wrong = [int(m.sum() - np.trace(m)) for m in score.matrices]
    lines = [
        "| record | beats | wrong | N Se | S beats | S Se | V beats | V Se | mistake made most |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for i in np.argsort(wrong)[::-1][:10]:
        matrix = score.matrices[i]
        one = from_matrix(matrix, AAMI_CLASSES)
        off = matrix - np.diag(np.diag(matrix))
        worst, called = np.unravel_index(off.argmax(), off.shape)
        lines.append(
            f"| {score.records[i]} | {matrix.sum():,} | {wrong[i]:,} | "
            f"{percent(one.sensitivity('N'))} | {matrix[1].sum():,} | "
            f"{percent(one.sensitivity('S'))} | {matrix[2].sum():,} | "
            f"{percent(one.sensitivity('V'))} | {AAMI_CLASSES[worst]} called "
            f"{AAMI_CLASSES[called]}: {off.max():,} |"
        )
    return lines
