"""What deep breaths do to `beats` and `normality`: beats of one person at the intervals of another.

In sleep and in the young the heart follows the breath, so that normal beats come early. Recordings
of MIT-BIH DS2 get RR intervals of healthy people (whole days of nsrdb, as annotations): the
stretches of each day in which the heart follows the breath most. DS2 trains neither model, and
these intervals train none. Makes ``docs/breathing.md``::

    python bench/breathing.py $ECGFAST_DATA --json docs/breathing.json --page docs/breathing.md
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import wfdb
from numpy.lib.stride_tricks import sliding_window_view

from ecgfast import Classifier, EventKind, Record, RhythmStream, StreamingClassifier
from ecgfast.evaluation import is_beat, match_beats
from ecgfast.evaluation.annotated import reference_beats
from ecgfast.evaluation.false_alarms import ECTOPIC
from ecgfast.records import read_annotations
from ecgfast.reports.table import Table
from ecgfast.training.datasets.breathing_strips import normal_strips
from ecgfast.training.datasets.retiming import Rhythm
from ecgfast.training.datasets.rhythm_augmentation import retimed_record
from ecgfast.training.datasets.rhythms import at_intervals
from ecgfast.training.datasets.splits import DS2
from ecgfast.training.datasets.strips import STRIP
from ecgfast.training.scoring import given_labels

#: Beats of a stretch of a day, stretches of each day, and beats over which a breath is looked for.
STRETCH, EACH, BREATH = 600, 3, 12
#: Intervals between two normal beats that are no gap, in seconds.
SHORTEST_S, LONGEST_S = 0.3, 2.0
SAME_S = 0.15
SEED = 1
RECORDED, AT_NIGHT = "as recorded", "at the intervals of a night"

Floats = npt.NDArray[np.float64]


class Night(NamedTuple):
    """RR intervals of a stretch, seconds, and how much longest exceeds shortest in a breath."""

    person: str
    rr: Floats
    depth: float


def main() -> None:
    """Count and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder that holds mitdb/ and nsrdb_rr/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="file for the page")
    args = parser.parse_args()
    nights = [night for path in days(args.data) for night in deepest(path)]
    models = Classifier("beats", precision="float32"), Classifier("normality", precision="float32")
    rows = []
    for i, name in enumerate(DS2):
        # By turns, so that no person's nights are more than their share.
        night = nights[(i * EACH + i * EACH // len(nights)) % len(nights)]
        rows += count(args.data, f"mitdb/{name}", night, *models)
    figures = {"nights": [[n.person, round(n.depth, 2)] for n in nights], "records": rows}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    text = page(figures)
    if args.page:
        args.page.write_text(text, encoding="utf-8")
    print(text)


# ------------------------------------------------------------------ nights


def days(data: Path) -> list[Path]:
    """Annotations of whole days."""
    found = sorted((data / "nsrdb_rr").glob("*.atr"))
    if not found:
        raise SystemExit(f"{data / 'nsrdb_rr'}: has no .atr files; put nsrdb's whole days there")
    return found


def deepest(path: Path) -> list[Night]:
    """The stretches of a day in which the heart follows the breath most."""
    fs = float(wfdb.rdheader(str(path.with_suffix(""))).fs)
    marks = read_annotations(path, fs=fs)
    beat = is_beat(marks.symbol)
    normal = marks.symbol[beat] == "N"
    rr = np.diff(marks.sample[beat]) / fs
    usable = normal[1:] & normal[:-1] & (rr > SHORTEST_S) & (rr < LONGEST_S)
    breath = sliding_window_view(rr, BREATH)
    depth = np.log(breath.max(axis=1) / breath.min(axis=1))
    starts = [
        i for i in range(0, len(rr) - STRETCH, STRETCH // 10) if usable[i : i + STRETCH].all()
    ]
    mean = {i: float(depth[i : i + STRETCH - BREATH + 1].mean()) for i in starts}
    chosen: list[int] = []
    for i in sorted(starts, key=mean.__getitem__, reverse=True):
        if all(abs(i - other) >= STRETCH for other in chosen) and len(chosen) < EACH:
            chosen.append(i)
    return [Night(path.stem, rr[i : i + STRETCH], float(np.exp(mean[i]))) for i in chosen]


# ------------------------------------------------------------------ counts


def count(
    data: Path, name: str, night: Night, beats: Classifier, normality: Classifier
) -> list[dict[str, Any]]:
    """One recording as it is, and at the intervals of a night: the same beats of its first lead."""

    def at_night(rr: Floats, label: npt.NDArray[np.int8], draws: np.random.Generator) -> Rhythm:
        return at_intervals(rr, label, night.rr, draws)

    def recorded(rr: Floats, label: npt.NDArray[np.int8], draws: np.random.Generator) -> Rhythm:
        made = at_night(rr, label, draws)
        return replace(made, rr=rr, t_scale=np.ones(len(rr)))

    rows = []
    for title, draw in ((RECORDED, recorded), (AT_NIGHT, at_night)):
        record, rhythm = retimed_record(data, name, draw, "night", seed=SEED)
        if rhythm.taught.any():
            figures = told(record, rhythm.taught, beats, normality)
            rows.append({"record": name, "person": night.person, "rhythm": title, **figures})
    return rows


def told(
    record: Record, among: npt.NDArray[np.bool_], beats: Classifier, normality: Classifier
) -> dict[str, Any]:
    """False S and V of some beats, all normal, those in fibrillation, and abnormal strips."""
    at, _ = reference_beats(record)
    stream = StreamingClassifier(beats, record.fs)
    found = [*stream.process(record.signal), *stream.flush()]
    pairs = match_beats(at, [beat.sample for beat in found], SAME_S * record.fs)
    labels = [found[j].label for i, j in pairs.tolist() if among[i]]
    rhythm = RhythmStream(record.fs)
    events = [*rhythm.process(found, record.signal), *rhythm.flush()]
    fibrillation = np.zeros(len(at), bool)
    for event in events:
        if event.kind is EventKind.ATRIAL_FIBRILLATION:
            fibrillation |= (at >= event.start) & (at <= event.end)
    batch, whole = normal_strips(record, among, 10.0, STRIP)
    abnormal = given_labels(normality.predict_proba(batch.windows[whole], batch.features[whole]))
    return {
        "beats": int(among.sum()),
        "hours": float(np.diff(at, prepend=at[0])[among].sum() / record.fs / 3600),
        "S": labels.count("S"),
        "V": labels.count("V"),
        "fibrillation": int((fibrillation & among).sum()),
        "strips": int(whole.sum()),
        "abnormal": int((abnormal == 1).sum()),
    }


# ------------------------------------------------------------------ page


def page(figures: dict[str, Any]) -> str:
    """The page in Markdown."""
    rows = figures["records"]
    depths = [depth for _, depth in figures["nights"]]
    people = len({person for person, _ in figures["nights"]})
    lines = [
        "# Deep breaths",
        "",
        "In sleep, at rest and in the young the heart speeds up with each breath that is drawn and "
        "slows down again: respiratory sinus arrhythmia. Its normal beats come early. How often "
        "the models take that for illness, on people whom they were not trained on:",
        "",
        *summary(rows),
        "",
        "Written by `python bench/breathing.py recordings --json docs/breathing.json --page "
        "docs/breathing.md`.",
        "",
        f"Stretches of normal beats of MIT-BIH DS2 got the RR intervals of {people} healthy people "
        f"(nsrdb): those {len(depths)} stretches of {STRETCH} beats, {EACH} of each person's day, "
        "in which the heart follows the breath most. There the longest of "
        f"{BREATH} intervals exceeds the shortest by a factor of {min(depths):.2f} to "
        f"{max(depths):.2f}. P waves, QRS complexes and T waves are those of the recording. "
        "DS2 and these intervals train no model; half an hour of the ECG of these nine people "
        "trains both, and that made sinus arrhythmia does was decided by training patients at such "
        "intervals. The first lead; R peaks by `neural`; label with the beat. A beat is false "
        "where it is called S or V; a strip of ten seconds, of such beats alone, where "
        "`normality` calls it abnormal; fibrillation is what the rhythm events say.",
        "",
        "Real deep breaths: one of five healthy people of QTDB, "
        "[here](beats-elsewhere.md#qtdb-27-recordings-of-15-minutes).",
        "",
        "## By record",
        "",
        "The ten records with the most false beats.",
        "",
        *by_record(rows),
    ]
    return "\n".join(lines) + "\n"


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """All records together, as recorded and at night."""
    cells = []
    for title in (RECORDED, AT_NIGHT):
        of = [row for row in rows if row["rhythm"] == title]
        beats = sum(row["beats"] for row in of)
        hourly = {label: [row[label] / row["hours"] for row in of] for label in ECTOPIC}
        cells.append(
            [
                title,
                f"{beats:,}",
                *(f"{per_hour(of, label):.1f}, {max(hourly[label]):.0f}" for label in ECTOPIC),
                f"{100 * sum(row['fibrillation'] for row in of) / beats:.1f}",
                f"{100 * sum(r['abnormal'] for r in of) / sum(r['strips'] for r in of):.1f}",
            ]
        )
    columns = [
        "rhythm",
        "beats",
        "false S per hour: mean, worst record",
        "false V",
        "beats in fibrillation, %",
        "strips called abnormal, %",
    ]
    return Table("", columns, cells).markdown().splitlines()


def per_hour(rows: list[dict[str, Any]], label: str) -> float:
    """Beats called so, per hour of all records."""
    return float(sum(row[label] for row in rows) / sum(row["hours"] for row in rows))


def by_record(rows: list[dict[str, Any]]) -> list[str]:
    """The records that have the most false beats at night."""
    pairs = {row["record"]: {} for row in rows}
    for row in rows:
        pairs[row["record"]][row["rhythm"]] = row
    worst = sorted(pairs, key=lambda name: -sum(pairs[name][AT_NIGHT][c] for c in ECTOPIC))[:10]
    cells = [
        [
            name,
            f"{pairs[name][AT_NIGHT]['beats']:,}",
            *(str(pairs[name][title][c]) for c in ECTOPIC for title in (RECORDED, AT_NIGHT)),
        ]
        for name in worst
    ]
    columns = ["record", "beats", "S as recorded", "S at night", "V as recorded", "V at night"]
    return Table("", columns, cells).markdown().splitlines()


if __name__ == "__main__":
    main()
