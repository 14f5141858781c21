"""The model `beats` on recordings that had no part in it: QTDB and LUDB.

Neither trained it, and nothing of it was chosen by them: they are kept from the training of beat
classes, and LUDB has none. The detector `neural`, which finds the beats, was trained on both. Makes
``docs/beats-elsewhere.md``::

    python bench/beats_elsewhere.py $ECGFAST_DATA --json docs/beats-elsewhere.json \
        --page docs/beats-elsewhere.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from beats_pages import class_rows

from ecgfast import Classifier, stream_classify
from ecgfast.evaluation import BeatModelScores, evaluate_beat_model
from ecgfast.evaluation.false_alarms import ECTOPIC, false_alarms_of
from ecgfast.records import Record, read_record
from ecgfast.runtime.cards import LOOKAHEAD_LABELS
from ecgfast.training.datasets.splits import record_names

QTDB, LUDB = "qtdb", "ludb"
LEADS: dict[str, Sequence[int]] = {"first lead": (0,), "both leads": (0, 1)}
#: Where the records of QTDB come from, by how their names begin.
SOURCES = {
    "sele": "European ST-T Database",
    "sel16": "MIT-BIH Normal Sinus Rhythm Database, people who are not in `nsrdb`",
    "sel17": "MIT-BIH Normal Sinus Rhythm Database, people who are not in `nsrdb`",
    "sel3": "MIT-BIH ST Change Database",
    "sel1": "MIT-BIH Long-Term Database",
}
#: What LUDB says of a recording whose beats may be S, V or paced.
ECTOPY = ("extrasystol", "pacemaker", "pacing")


def main() -> None:
    """Count and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder that holds qtdb/ and ludb/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="file for the page")
    args = parser.parse_args()
    classifier = Classifier("beats", precision="float32")
    records = [(QTDB, name, f"{QTDB}/{name}") for name in record_names(args.data, QTDB)]
    scores = {
        title: evaluate_beat_model(classifier, args.data, records, leads=columns)
        for title, columns in LEADS.items()
    }
    figures = {QTDB: of_qtdb(scores), LUDB: of_ludb(args.data)}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    text = page(figures)
    if args.page:
        args.page.write_text(text, encoding="utf-8")
    print(text)


# ------------------------------------------------------------------ QTDB


def of_qtdb(scores: dict[str, list[BeatModelScores]]) -> dict[str, Any]:
    """Classes, and false S and V per hour: of all records, by source and one by one."""
    told: dict[str, Any] = {"classes": {}, "false per hour": {}, "records": {}}
    for leads, of in scores.items():
        for score in of:
            title = f"{leads}, {score.beats} beats, {LOOKAHEAD_LABELS[score.lookahead]}"
            told["classes"][title] = score.to_dict()
            if score.beats == "detected":
                told["false per hour"][title] = by_source(score)
    points = {(one.beats, one.lookahead): one for one in scores["both leads"]}
    as_live = points["detected", 0]
    told["records"] = dict(zip(as_live.records, as_live.matrices.tolist(), strict=True))
    return told


def by_source(score: BeatModelScores) -> dict[str, Any]:
    """False S and V per hour of the records of each source."""
    whose = np.array([source_of(name) for name in score.records])
    found: dict[str, Any] = {}
    for source in dict.fromkeys(SOURCES.values()):
        rows = np.flatnonzero(whose == source)
        if len(rows):
            names = [score.records[i] for i in rows]
            hours = [score.hours[i] for i in rows]
            alarms = false_alarms_of(names, hours, score.matrices[rows], score.lookahead)
            found[source] = {"hours": round(sum(hours), 2), **alarms.to_dict()}
    every = false_alarms_of(score.records, score.hours, score.matrices, score.lookahead)
    return {"all": {"hours": round(sum(score.hours), 2), **every.to_dict()}, **found}


def source_of(record: str) -> str:
    """Database that a record of QTDB was taken from."""
    name = record.rpartition("/")[2]
    return next(source for start, source in SOURCES.items() if name.startswith(start))


# ------------------------------------------------------------------ LUDB


def of_ludb(data: Path) -> dict[str, Any]:
    """Beats called S and V in recordings without ectopic or paced beats, by lead."""
    called: dict[str, dict[str, int]] = {}
    used = 0
    for name in record_names(data, LUDB):
        record = read_record(data / LUDB / name)
        if any(word in " ".join(record.comments).lower() for word in ECTOPY):
            continue
        used += 1
        for i, lead in enumerate(record.leads):
            count(called.setdefault(lead, {}), record, [i])
        count(called.setdefault("the first two", {}), record, [0, 1])
    return {"recordings": used, "called": called}


def count(into: dict[str, int], record: Record, leads: list[int]) -> None:
    """Add the labels of the beats on some leads."""
    signal = np.ascontiguousarray(record.signal[:, leads])
    for beat in stream_classify(signal, record.fs):
        into[beat.label] = into.get(beat.label, 0) + 1


# ------------------------------------------------------------------ page


def page(figures: dict[str, Any]) -> str:
    """The page in Markdown."""
    told = figures[QTDB]
    lines = [
        "# Beat classes on recordings that had no part in the model",
        "",
        "Written by `python bench/beats_elsewhere.py recordings --json docs/beats-elsewhere.json "
        "--page docs/beats-elsewhere.md`.",
        "",
        "QTDB and LUDB trained no weight of `beats`, and no setting of it was chosen by them. The "
        "detector `neural`, which finds the beats, was trained on both: figures of reference beats "
        "stand beside. In %; in brackets 95 % intervals (bootstrap over patients).",
        "",
        f"## QTDB: {len(told['records'])} recordings of 15 minutes",
        "",
        "Excerpts of other databases with their reference beats, none of mitdb or svdb. They were "
        "chosen for their ST segments and T waves, not for arrhythmia: nine in ten S beats are one "
        "patient's (sele0114), so the figures of S say little. What they do say is how often "
        "beats are called S or V that are not.",
        "",
        *class_rows(told["classes"]),
        "",
        "False S and V per hour over the recordings, detected beats, both leads:",
        "",
        "| label | recordings of | recordings | S: median | mean | worst | V: median | mean "
        "| worst |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, sources in told["false per hour"].items():
        if not title.startswith("both"):
            continue
        for source, one in sources.items():
            cells = [
                f"{one[label][figure]:.1f}"
                for label in ECTOPIC
                for figure in ("median", "mean", "worst")
            ]
            row = [title.rpartition(", ")[2], source, str(one["records"]), *cells]
            lines.append(f"| {' | '.join(row)} |")
    lines += [
        "",
        "Recordings with S or V, or a beat called so, both leads, label with the beat:",
        "",
        "| recording | N called S | N called V | S right | S missed or called N | V right | "
        "V missed or called N | other mistakes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in told["records"].items():
        matrix = np.array(rows)
        lost_s, lost_v = matrix[1, [0, 5]].sum(), matrix[2, [0, 5]].sum()
        named = [matrix[0, 1], matrix[0, 2], matrix[1, 1], lost_s, matrix[2, 2], lost_v]
        # The rest, but for N right or missed, F and Q right.
        wrong = int(matrix.sum() - sum(named) - matrix[[0, 0, 3, 4], [0, 5, 3, 4]].sum())
        if sum(named) + wrong:
            lines.append(f"| {name} | {' | '.join(f'{x:,}' for x in [*named, wrong])} |")
    called = figures[LUDB]["called"]
    lines += [
        "",
        f"## LUDB: {figures[LUDB]['recordings']} recordings of ten seconds, twelve leads",
        "",
        "Recordings whose notes tell of no extrasystole and no pacemaker (fibrillation and "
        "irregular rhythms are among them): no beat should be S, and none V. Each lead is labelled "
        "by itself, and the first two together, as by default. In ten seconds nothing is known of "
        "the patient at first.",
        "",
        "| lead | beats | called S | % | called V | % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for lead, labels in called.items():
        beats = sum(labels.values())
        cells = [f"{labels.get(c, 0)} | {100 * labels.get(c, 0) / beats:.2f}" for c in ECTOPIC]
        lines.append(f"| {lead} | {beats:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
