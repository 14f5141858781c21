"""What a second lead buys: ways to label the beats of two leads, on patients never seen.

mitdb's DS1, svdb and nsrdb train the model `beats`: here each of their records is labelled by a
model of the same recipe that was trained on the other half of the patients (`review_study.py`
trains the two, some minutes, and keeps them). DS2 is not read. Beats are detected on both leads
together. Makes ``docs/beats-leads.md``::

    python bench/leads.py $ECGFAST_DATA --json docs/beats-leads.json --page docs/beats-leads.md

What the models say of each record is kept in ``--cache`` for the next run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from review_study import held_out_models, version

from ecgfast import BeatBatch, BeatStream, Classifier, Quality
from ecgfast.evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.classes import from_matrix
from ecgfast.evaluation.ec57 import class_confusion, flutter_intervals
from ecgfast.evaluation.mitdb import DS1
from ecgfast.evaluation.reliability import operating_points, reliability
from ecgfast.records import read_annotations, read_record
from ecgfast.training.datasets.beats import without_lookahead
from ecgfast.training.datasets.splits import record_names
from ecgfast.training.fitting.calibration import Calibration, fit_calibration

Floats = npt.NDArray[np.float64]
#: Confusion of each record, by name.
Matrices = dict[str, npt.NDArray[np.int64]]
DATABASES = ("mitdb", "svdb", "nsrdb")
# How windows are cut: around the R peak of both leads together, or each lead's own.
JOINT, OWN = "joint", "own"
# Beats of a class from which a patient's F1 of it says something.
ENOUGH = 10
ECTOPIC = ("S", "V")
# Ways that are compared with each other.
FIRST, MEAN = "first lead", "mean of log-odds (`average_leads`)"
PROBABILITIES = "mean of probabilities"
COMPARED = (FIRST, MEAN, PROBABILITIES)
# Smaller probabilities of one lead are no surer, as in `ecgfast.streaming.average`.
LEAST = 1e-3
# Levels of the operating points that are shown.
LEVELS = (0.8, 0.9, 0.95)
DRAWS = 2000


@dataclass(frozen=True)
class Labelled:
    """What models say of the beats of a record, and what they are.

    ``by[beats, cut, lead, lookahead]`` are probabilities; "off" in place of the lookahead says
    where the lead's electrode was off, "bad" where it was or the converter at its limit. ``beats``
    is "ref" (reference) or "" (detected).
    """

    name: str
    fs: float
    hours: float
    reference: npt.NDArray[np.int64]
    label: list[str]
    flutter: npt.NDArray[np.int64]
    detected: npt.NDArray[np.int64]
    by: dict[str, npt.NDArray[Any]]

    @property
    def database(self) -> str:
        """Of the record."""
        return self.name.split("/")[0]

    @property
    def target(self) -> npt.NDArray[np.int64]:
        """Class of each reference beat."""
        return np.array([AAMI_CLASSES.index(c) for c in self.label], np.int64)


def main() -> None:
    """Label, count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/, svdb/ and nsrdb/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="file for the page")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "ecgfast-review-study"
    )
    args = parser.parse_args()
    args.cache /= version()
    args.cache.mkdir(parents=True, exist_ok=True)
    held = held_out_models(args.data, args.cache)
    models = {path: Classifier(path) for path in sorted(set(held.values()))}
    names = {database: record_names(args.data, database) for database in DATABASES}
    names["mitdb"] = list(DS1)
    records = [
        labelled_record(
            f"{database}/{name}", args.data, models[held[f"{database}/{name}"]], args.cache
        )
        for database in DATABASES
        for name in names[database]
    ]
    ways = forms(records)
    figures: dict[str, Any] = {}
    for lookahead in (0, 1):
        found = {form: matrices_of(records, way, lookahead) for form, way in ways.items()}
        first = patients_f1(found[FIRST])
        figures[f"lookahead {lookahead}"] = {
            form: {**figures_of(records, of), **gains(first, patients_f1(of))}
            for form, of in found.items()
        }
        compared = {form: ways[form] for form in COMPARED}
        figures[f"operating points, lookahead {lookahead}"] = operating_points_of(
            records, compared, lookahead
        )
        target = np.concatenate([one.target for one in records])
        for form, way in compared.items():
            outputs = np.concatenate([way(one, "ref", lookahead) for one in records])
            error = reliability(outputs, target)["expected_calibration_error"]
            figures[f"lookahead {lookahead}"][form]["expected calibration error"] = error
    text = page(figures)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    if args.page:
        args.page.write_text(text, "utf-8")


# ------------------------------------------------------------------ what models say


def labelled_record(name: str, data: Path, classifier: Classifier, cache: Path) -> Labelled:
    """What a model says of each lead of a record; read back where it is known."""
    marks = read_annotations(data / f"{name}.atr")
    record = read_record(data / name)
    beat = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < record.n_samples)
    reference = marks.sample[beat]
    file = cache / f"leads-{name.replace('/', '-')}.npz"
    if not file.exists():
        np.savez(file, **probabilities(record.signal, record.fs, reference, classifier))
    with np.load(file) as kept:
        by = dict(kept)
    return Labelled(
        name,
        record.fs,
        record.n_samples / record.fs / 3600.0,
        reference,
        [AAMI_OF_SYMBOL[symbol] for symbol in marks.symbol[beat]],
        flutter_intervals(marks.sample, marks.symbol.tolist()),
        by["joint.sample"],
        by,
    )


def probabilities(
    signal: npt.NDArray[np.float32],
    fs: float,
    reference: npt.NDArray[np.int64],
    classifier: Classifier,
) -> dict[str, npt.NDArray[Any]]:
    """Of reference and detected beats, cut in both ways, with and without the next RR interval."""
    found: dict[str, npt.NDArray[Any]] = {}

    def cut(samples: npt.NDArray[Any], marks: Any = None, **options: Any) -> BeatBatch:
        method = "neural" if marks is None else "external"
        stream = BeatStream(fs, method=method, lookahead=1, window=classifier.window, **options)
        return stream.finish(samples, marks)

    for lead in (0, 1):
        one, both = np.ascontiguousarray(signal[:, lead]), {"n_leads": 2, "lead": lead}
        joint = cut(signal, **both)
        found["joint.sample"] = joint.sample
        for name, batch in (
            (JOINT, joint),
            (OWN, cut(one, joint.sample)),
            (f"ref{JOINT}", cut(signal, reference, **both)),
            (f"ref{OWN}", cut(one, reference)),
        ):
            off = batch.quality & (Quality.GAP | Quality.FLAT) > 0
            off |= np.ptp(batch.windows[..., 0], axis=1) == 0
            found[f"{name}.{lead}.off"] = off
            found[f"{name}.{lead}.bad"] = off | (batch.quality & Quality.SATURATED > 0)
            for lookahead in (0, 1):
                features = batch.features if lookahead else without_lookahead(batch.features)
                found[f"{name}.{lead}.{lookahead}"] = classifier.predict_proba(
                    batch.windows, features
                )
    return found


# ------------------------------------------------------------------ ways to label

#: Probabilities of a record's beats: of the record, "ref" or "", and the lookahead.
Labeller = Callable[[Labelled, str, int], Floats]


def forms(records: list[Labelled]) -> dict[str, Labeller]:
    """The ways, each calibrated as the model is: by first leads of patients never seen."""
    first = calibrated(records, lambda one, beats, ahead: one.by[f"{beats}{JOINT}.0.{ahead}"])

    def of_lead(lead: int, cut: str) -> Labeller:
        return lambda one, beats, ahead: first(one.by[f"{beats}{cut}.{lead}.{ahead}"])

    def mean(
        cut: str, weights: tuple[float, float], *, log: bool = True, without: str = "off"
    ) -> Labeller:
        def labeller(one: Labelled, beats: str, ahead: int) -> Floats:
            shows = np.stack([~one.by[f"{beats}{cut}.{lead}.{without}"] for lead in (0, 1)])
            shows |= ~shows.any(axis=0)
            share = shows * np.array(weights)[:, np.newaxis]
            share = share / share.sum(axis=0)
            outputs = np.stack([of_lead(lead, cut)(one, beats, ahead) for lead in (0, 1)])
            if log:
                outputs = np.log(np.maximum(outputs, LEAST))
            found: Floats = (outputs * share[..., np.newaxis]).sum(axis=0)
            if log:
                found = np.exp(found - found.max(axis=1, keepdims=True))
                found = found / found.sum(axis=1, keepdims=True)
            return found

        return labeller

    plain = mean(JOINT, (1, 1))
    anew = calibrated(records, plain)
    return {
        FIRST: of_lead(0, JOINT),
        "second lead": of_lead(1, JOINT),
        MEAN: plain,
        PROBABILITIES: mean(JOINT, (1, 1), log=False),
        "log-odds, the first lead counts twice": mean(JOINT, (2, 1)),
        "log-odds, saturated leads left out too": mean(JOINT, (1, 1), without="bad"),
        "log-odds, calibrated anew": lambda *given: anew(plain(*given)),
        "log-odds, each lead cut by itself": mean(OWN, (1, 1)),
        "each lead cut by itself, the first counts twice": mean(OWN, (2, 1)),
    }


def calibrated(records: list[Labelled], labeller: Labeller) -> Calibration:
    """By reference beats of all records, with and without the next RR interval."""
    beats = {d: sum(len(one.label) for one in records if one.database == d) for d in DATABASES}
    rows = [(one, ahead) for one in records for ahead in (0, 1)]
    return fit_calibration(
        np.concatenate([labeller(one, "ref", ahead) for one, ahead in rows]),
        np.concatenate([one.target for one, _ in rows]),
        np.concatenate([np.full(len(one.label), 1 / beats[one.database]) for one, _ in rows]),
    )


# ------------------------------------------------------------------ figures


def matrices_of(records: list[Labelled], labeller: Labeller, lookahead: int) -> Matrices:
    """Confusion of each record."""
    matrices = {}
    for one in records:
        called = labeller(one, "", lookahead).argmax(axis=1)
        labels = [AAMI_CLASSES[i] for i in called]
        matrices[one.name] = class_confusion(
            one.reference, one.label, one.detected, labels, one.fs, flutter=one.flutter
        )
    return matrices


def patients_f1(matrices: Matrices) -> dict[tuple[str, str], Floats]:
    """F1 of the patients with enough beats of a class, by database and class."""
    found = {}
    for c in ECTOPIC:
        i = AAMI_CLASSES.index(c)
        for database in ("mitdb", "svdb"):
            of = [m for name, m in matrices.items() if name.startswith(f"{database}/")]
            f1 = [from_matrix(m, AAMI_CLASSES).f1(c) for m in of if m[i].sum() >= ENOUGH]
            found[database, c] = np.nan_to_num(f1)
    return found


def gains(
    first: dict[tuple[str, str], Floats], other: dict[tuple[str, str], Floats]
) -> dict[str, Any]:
    """Mean gain of the patients' F1 over the first lead, with its 95 % interval over them."""
    found = {}
    for (database, c), before in first.items():
        gain = 100 * (other[database, c] - before)
        drawn = np.random.default_rng(0).integers(len(gain), size=(DRAWS, len(gain)))
        low, high = np.percentile(gain[drawn].mean(axis=1), (2.5, 97.5))
        found[f"{database} {c} F1, gain"] = [round(float(x), 1) for x in (gain.mean(), low, high)]
    return found


def operating_points_of(
    records: list[Labelled], ways: dict[str, Labeller], lookahead: int
) -> list[dict[str, Any]]:
    """What thresholds of the first lead, by reference beats of all records, reach in each way."""
    target = np.concatenate([one.target for one in records])
    outputs = {
        form: np.concatenate([way(one, "ref", lookahead) for one in records])
        for form, way in ways.items()
    }
    rows = []
    for c in ECTOPIC:
        i = AAMI_CLASSES.index(c)
        for point in operating_points(outputs[FIRST][:, i], target == i, LEVELS):
            row = {"class": c, **{name: point[name] for name in ("by", "wanted", "threshold")}}
            for form, of in outputs.items():
                called = of[:, i] >= point["threshold"]
                right = called & (target == i)
                row[form] = [
                    percent(right.sum() / (target == i).sum()),
                    percent(right.sum() / max(1, called.sum())),
                ]
            rows.append(row)
    return rows


def figures_of(records: list[Labelled], matrices: Matrices) -> dict[str, Any]:
    """F1, pooled and by patient, and false alarms per hour where there is none of a class."""
    found: dict[str, Any] = {}
    by_patient = patients_f1(matrices)
    for c in ECTOPIC:
        i = AAMI_CLASSES.index(c)
        for database in ("mitdb", "svdb"):
            of = [matrices[one.name] for one in records if one.database == database]
            pooled = from_matrix(np.sum(of, axis=0), AAMI_CLASSES).f1(c)
            found[f"{database} {c} F1"] = percent(pooled)
            found[f"{database} {c} F1, mean of patients"] = percent(by_patient[database, c].mean())
            found[f"{database} {c} F1, median patient"] = percent(
                np.median(by_patient[database, c])
            )
        for where, chosen in (
            ("nsrdb", [one for one in records if one.database == "nsrdb"]),
            (
                f"others without {c}",
                [o for o in records if o.database != "nsrdb" and not matrices[o.name][i].sum()],
            ),
        ):
            rate = np.array(
                [
                    (matrices[one.name][:, i].sum() - matrices[one.name][i, i]) / one.hours
                    for one in chosen
                ]
            )
            found[f"{where}, false {c} per hour"] = {
                name: round(float(of(rate)), 1)
                for name, of in (("median", np.median), ("mean", np.mean), ("worst", np.max))
            }
    return found


def percent(share: float) -> float:
    """Of one, with a digit."""
    return round(100 * float(share), 1)


def page(figures: dict[str, Any]) -> str:
    """The page."""
    lines = [
        "# One lead and two, on patients never seen",
        "",
        "Written by `python bench/leads.py recordings --json docs/beats-leads.json --page "
        "docs/beats-leads.md`.",
        "",
        "Ways to label the beats of recordings with two leads: DS1 of mitdb (22 records), svdb "
        "(39) and nsrdb (nine healthy people). Each record is labelled by a model of the recipe of "
        "`beats` that was trained on the other half of the patients, on first leads only; DS2 was "
        "not used. Beats are detected on both leads together by `neural`. F1 in %: of all beats, "
        "and the mean and the median over patients with ten beats of the class. False S and V per "
        "hour: median / mean / worst record. All but the one that is calibrated anew use the "
        "calibration of first leads, as the model has it. A lead whose electrode is off around a "
        "beat is left out.",
        "",
        "What it says. The mean of log-odds gains S and V on both databases, of all beats and of "
        "the mean of patients. In the healthy false S hardly change, and there are no false V "
        "with the first lead or both. So it is the default where there are two leads. The most "
        "probable class is as good by the mean of probabilities, which does not keep thresholds: "
        "a beat reaches a low one where one lead alone is sure. With the mean of log-odds "
        "thresholds of the first lead reach what was asked for, and probabilities are as well "
        "calibrated as the first lead's, without a calibration of its own; that one gains S by "
        "patient, and costs false S in the healthy. Where the first lead counts twice, less is "
        "gained. Windows that are cut around each lead's own R peak gain as much V on svdb, and "
        "less S on mitdb. Leads that the converter clips are too rare to tell. One seed: two "
        "networks, of half the patients each.",
        "",
        "More leads were not compared: no database with three or more is at hand. By default the "
        "first two of a stream are labelled, so that a strip of twelve leads costs two inferences.",
    ]
    for lookahead, title in ((0, "Label with the beat"), (1, "Label one beat later")):
        of = figures[f"lookahead {lookahead}"]
        lines += ["", f"## {title}", ""]
        heads = [
            *(f"{d} {c} F1: all / mean / median" for c in ECTOPIC for d in ("mitdb", "svdb")),
            *(f"false {c} per hour, nsrdb" for c in ECTOPIC),
            *(f"false {c} per hour, others without {c}" for c in ECTOPIC),
        ]
        lines += [f"| | {' | '.join(heads)} |", f"|{' --- |' * (len(heads) + 1)}"]
        for form, row in of.items():
            cells = [
                f"{row[f'{d} {c} F1']} / {row[f'{d} {c} F1, mean of patients']} / "
                f"{row[f'{d} {c} F1, median patient']}"
                for c in ECTOPIC
                for d in ("mitdb", "svdb")
            ]
            for where in ("nsrdb", "others without {}"):
                for c in ECTOPIC:
                    rate = row[f"{where.format(c)}, false {c} per hour"]
                    cells.append(" / ".join(f"{x:g}" for x in rate.values()))
            lines.append(f"| {form} | {' | '.join(cells)} |")
        lines += [
            "",
            "Gain of the mean of patients over the first lead, points of F1, with its 95 % "
            "interval from drawing patients:",
            "",
            f"| | {' | '.join(f'{d} {c}' for c in ECTOPIC for d in ('mitdb', 'svdb'))} |",
            "| --- | --- | --- | --- | --- |",
        ]
        for form, row in of.items():
            if form != FIRST:
                gained = (row[f"{d} {c} F1, gain"] for c in ECTOPIC for d in ("mitdb", "svdb"))
                cells = [f"{gain:+} [{low}, {high}]" for gain, low, high in gained]
                lines.append(f"| {form} | {' | '.join(cells)} |")
        lines += [
            "",
            "Thresholds of the first lead at work on the means, reference beats of all records, "
            "sensitivity / positive predictivity. Expected calibration error: "
            + ", ".join(
                f"{form} {100 * of[form]['expected calibration error']:.1f} points"
                for form in COMPARED
            )
            + ".",
            "",
            f"| asked for | threshold | {' | '.join(COMPARED)} |",
            "| --- | --- | --- | --- | --- |",
        ]
        for row in figures[f"operating points, lookahead {lookahead}"]:
            shares = (" / ".join(f"{x}" for x in row[form]) for form in COMPARED)
            asked = f"{row['by']} of {row['class']} {100 * row['wanted']:g}"
            lines.append(f"| {asked} | {row['threshold']:.3f} | {' | '.join(shares)} |")
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
