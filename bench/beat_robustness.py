"""Beat classes of a model when the signal is worse or other than the one it was trained on.

    python bench/beat_robustness.py $ECGFAST_DATA --json docs/beat_robustness.json \
        --markdown docs/beat_robustness.md

DS2 of mitdb, each beat labelled as soon as it is complete, in two ways: as `ecgfast classify` does
by default, with R peaks detected on both leads and the mean of their log-odds; and the first lead
alone around the reference beats, which shows what is lost in the labels themselves. Conditions:

* noise: recordings of baseline wander (`bw`) and muscle (`ma`) added as in `noise_stress.py`, to
  each lead that of the same channel; beats within the noisy stretches only, and beside them the
  same beats of the clean signal;
* gain and polarity: the whole signal multiplied by a number;
* one lead: the other one is not there, for detection either;
* sampling rate: resampled with anti-aliasing (polyphase) before the core sees it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from noise_stress import add_noise, clean_stretches, noisy_stretches

from ecgfast.evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.beat_model import detected_probabilities
from ecgfast.evaluation.classes import from_matrix
from ecgfast.evaluation.ec57 import class_confusion, flutter_intervals
from ecgfast.records import Annotations, Record, read_record
from ecgfast.runtime import Classifier
from ecgfast.training.datasets.splits import DS2

NOISES = {"bw": "baseline wander", "ma": "muscle noise"}
RATIOS = (24, 18, 12, 6, 0)
GAINS = (0.1, 0.5, 2.0, 10.0, -1.0)
RATES = (125.0, 250.0, 500.0, 1000.0)
ONE_PATIENT = "232"
DEFAULT, FIRST = "by default", "reference beats, first lead"
CLEAN = "as recorded"
# Points of F1 from which a loss is named at the head of the page.
LOSS = 0.02
# Beats of a class below which a record counts as one without it.
FEW = 10

Change = Callable[[Record], Record]
Floats = npt.NDArray[np.float64]
#: Figures of each way to label.
Told = dict[str, dict[str, float]]


class Condition(NamedTuple):
    """A change of a whole record."""

    name: str
    change: Change
    #: The condition whose figures its own are compared with.
    against: str
    #: Only beats of noisy stretches count.
    noisy: bool = False


class Counts(NamedTuple):
    """One recording under one condition, labelled in one way."""

    #: Shape (6, 6): last the false detections (row) and the missed beats (column).
    matrix: npt.NDArray[np.int64]
    hours: float
    #: Classes that the whole record has next to no beat of.
    without: tuple[str, ...]


def lead_of(record: Record, column: int) -> Record:
    """One lead of a record alone."""
    signal = np.ascontiguousarray(record.signal[:, column : column + 1])
    lead = record.leads[column : column + 1]
    return Record(signal, record.fs, lead, annotations=record.annotations)


def scaled(record: Record, gain: float) -> Record:
    """The record multiplied by a number."""
    signal = (record.signal * gain).astype(np.float32)
    return Record(signal, record.fs, record.leads, annotations=record.annotations)


def noisy_record(record: Record, noise: Floats, ratio: float) -> Record:
    """The record with noise on each lead, that of the same channel."""
    leads = range(record.signal.shape[1])
    parts = [add_noise(lead_of(record, k), noise[:, k], ratio) for k in leads]
    signal = np.concatenate([part.signal.reshape(-1, 1) for part in parts], axis=1)
    return Record(signal, record.fs, record.leads, annotations=record.annotations)


def resampled(record: Record, fs: float) -> Record:
    """The record at another sampling rate, its annotations at the nearest sample."""
    from scipy.signal import resample_poly

    step = Fraction(fs / record.fs).limit_denominator(1000)
    moved = resample_poly(record.signal.astype(float), step.numerator, step.denominator, axis=0)
    marks = record.annotations
    assert marks is not None
    sample = np.round(marks.sample * (fs / record.fs)).astype(np.int64)
    annotations = Annotations(sample, marks.symbol, marks.aux)
    return Record(moved.astype(np.float32), fs, record.leads, annotations=annotations)


def conditions(data: Path) -> Iterator[Condition]:
    """What is done to the records, clean ones first."""
    yield Condition(CLEAN, lambda record: record, CLEAN)
    for column, which in enumerate(("first", "second")):
        yield Condition(
            f"{which} lead alone", lambda record, column=column: lead_of(record, column), CLEAN
        )
    for recording, name in NOISES.items():
        noise = read_record(data / "nstdb" / recording).signal.astype(np.float64)
        clean = f"{name}: the same beats, clean"
        yield Condition(clean, lambda record: record, clean, True)
        for ratio in RATIOS:
            yield Condition(
                f"{name}, {ratio} dB",
                lambda record, noise=noise, ratio=ratio: noisy_record(record, noise, ratio),
                clean,
                True,
            )
    for gain in GAINS:
        name = "upside down" if gain == -1 else f"gain x {gain:g}"
        yield Condition(name, lambda record, gain=gain: scaled(record, gain), CLEAN)
    for fs in RATES:
        yield Condition(f"{fs:g} Hz", lambda record, fs=fs: resampled(record, fs), CLEAN)


def count(classifier: Classifier, record: Record, noisy: bool) -> dict[str, Counts]:
    """Confusion of one record, by way of labelling."""
    marks = record.annotations
    assert marks is not None
    n, fs = record.n_samples, record.fs
    beat = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < n)
    reference = marks.sample[beat]
    classes = [AAMI_OF_SYMBOL[symbol] for symbol in marks.symbol[beat]]
    left_out = flutter_intervals(marks.sample, marks.symbol.tolist())
    hours = n / fs / 3600
    if noisy:
        left_out = np.concatenate([left_out, clean_stretches(n, fs)])
        hours = sum(last + 1 - first for first, last in noisy_stretches(n, fs)) / fs / 3600
    without = tuple(c for c in ("V", "S") if classes.count(c) < FEW)
    found = {}
    for way, shown, given in (
        (DEFAULT, record, None),
        (FIRST, lead_of(record, 0), reference),
    ):
        sample, outputs = detected_probabilities(classifier, shown, 0, given)
        labels = [AAMI_CLASSES[i] for i in outputs.argmax(axis=1)]
        matrix = class_confusion(reference, classes, sample, labels, fs, flutter=left_out)
        found[way] = Counts(matrix, hours, without)
    return found


def figures(counts: dict[str, Counts]) -> dict[str, float]:
    """Figures of one condition and way, from each record's counts."""
    matrices = {name: one.matrix for name, one in counts.items()}
    whole = np.sum(list(matrices.values()), axis=0)
    total = from_matrix(whole, AAMI_CLASSES)
    others = [matrix for name, matrix in matrices.items() if name != ONE_PATIENT]
    without = from_matrix(np.sum(others, axis=0), AAMI_CLASSES)
    found = {
        "V F1": total.f1("V"),
        "V Se": total.sensitivity("V"),
        "V +P": total.positive_predictivity("V"),
        "S F1 without 232": without.f1("S"),
        "S F1": total.f1("S"),
        "N Se": total.sensitivity("N"),
        "missed beats": whole[:-1, -1].sum() / whole[:-1].sum(),
    }
    for c in ("V", "S"):
        i = AAMI_CLASSES.index(c)
        of = [one for one in counts.values() if c in one.without]
        false = [(one.matrix[:, i].sum() - one.matrix[i, i]) / one.hours for one in of]
        found[f"false {c} per hour"] = float(np.mean(false)) if false else float("nan")
    return {name: round(float(value), 4) for name, value in found.items()}


def losses(result: dict[str, Any]) -> list[str]:
    """Conditions that cost more than `LOSS` of the F1 of V, the worst first."""
    told = result["conditions"]
    lost = {
        name: told[row["against"]][DEFAULT]["V F1"] - row[DEFAULT]["V F1"]
        for name, row in told.items()
    }
    worst = sorted((name for name in lost if lost[name] > LOSS), key=lambda name: -lost[name])
    return [f"{name} ({-100 * lost[name]:.1f})" for name in worst]


def markdown(result: dict[str, Any]) -> str:
    """The figures as a page."""
    shown = {
        DEFAULT: ["V F1", "V Se", "V +P", "S F1 without 232", "false V per hour"],
        FIRST: ["V F1", "S F1 without 232"],
    }
    shown[DEFAULT] += ["false S per hour", "missed beats"]
    worst = losses(result)
    points = f"{100 * LOSS:.0f} points"
    head = (
        f"These cost V F1 more than {points}: {'; '.join(worst)}. Everything else costs less."
        if worst
        else f"No condition costs V F1 more than {points}."
    )
    lines = [
        "# Beat classes of a worse signal",
        "",
        head,
        "",
        f"Model `{result['model']}`, float32, MIT-BIH DS2 ({result['records']} records), label "
        "with the beat. By default: R peaks detected on both leads, their log-odds averaged; a "
        "missed beat counts against its class, a false detection against the class that it was "
        "given. The last two columns: the first lead alone around reference beats. Figures in %, "
        "but false V and S per hour: the mean of the records with fewer than "
        f"{FEW} beats of the class. Rows of noise, each at a signal-to-noise ratio, "
        "count beats in noisy stretches only, to be compared with the same beats of the clean "
        "signal. S without record 232, which has three in four S beats. No intervals over "
        "patients: differences of a point or two are within chance.",
        "",
        "Made by: `python bench/beat_robustness.py DATA --json docs/beat_robustness.json "
        "--markdown docs/beat_robustness.md`, whose head says how each condition is made.",
        "",
        "| condition | "
        + " | ".join(
            name if way == DEFAULT else f"{name}, {way}"
            for way, names in shown.items()
            for name in names
        )
        + " |",
        "| --- |" + " --- |" * sum(map(len, shown.values())),
    ]
    for name, row in result["conditions"].items():
        cells = [
            f"{row[way][figure] * (1 if 'per hour' in figure else 100):.1f}"
            for way, names in shown.items()
            for figure in names
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Label, count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder that holds mitdb and nstdb")
    parser.add_argument("--model", default="beats")
    parser.add_argument("--records", default=",".join(DS2))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    classifier = Classifier(args.model, precision="float32")
    names = args.records.split(",")
    records = {name: read_record(args.data / "mitdb" / name) for name in names}
    result: dict[str, Any] = {"model": args.model, "records": len(names), "conditions": {}}
    for condition in conditions(args.data):
        counts = {
            name: count(classifier, condition.change(record), condition.noisy)
            for name, record in records.items()
        }
        told: Told = {
            way: figures({name: of[way] for name, of in counts.items()}) for way in (DEFAULT, FIRST)
        }
        result["conditions"][condition.name] = {"against": condition.against, **told}
        print(condition.name, told, file=sys.stderr, flush=True)
    page = markdown(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(page, encoding="utf-8")
    print(page, end="")


if __name__ == "__main__":
    main()
