"""Beat classes of a model when the signal is worse or other than the one it was trained on.

    python bench/beat_robustness.py $ECGFAST_DATA --json docs/beat_robustness.json \
        --markdown docs/beat_robustness.md

Reference beats of DS2, labelled with the beat (no waiting) and one beat later, from the first lead
unless a row says otherwise:

* noise: recordings of baseline wander (`bw`) and muscle (`ma`) added as in `noise_stress.py`; beats
  within the noisy stretches only, and beside them the same beats of the clean signal;
* gain and polarity: the whole signal multiplied by a number;
* second lead: column 1 of the record;
* sampling rate: resampled with anti-aliasing (polyphase) before the core sees it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from noise_stress import add_noise, noisy_stretches

from ecgfast import BeatStream
from ecgfast.evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, confusion_matrix, is_beat
from ecgfast.evaluation.classes import from_matrix
from ecgfast.records import Annotations, Record, read_record
from ecgfast.runtime import Classifier
from ecgfast.training.datasets.splits import DS2

RATIOS = (24, 18, 12, 6, 0)
GAINS = (0.1, 0.5, 2.0, 10.0, -1.0)
RATES = (125.0, 250.0, 500.0, 1000.0)
ONE_PATIENT = "232"
_LOOKAHEADS = {0: "with the beat", 1: "one beat later"}

Change = Callable[[Record], Record]
Matrix = npt.NDArray[np.int64]


def scaled(record: Record, gain: float) -> Record:
    """The record multiplied by a number."""
    signal = (record.signal * gain).astype(np.float32)
    return Record(signal, record.fs, record.leads, annotations=record.annotations)


def lead_of(record: Record, column: int) -> Record:
    """One lead of a record alone."""
    signal = np.ascontiguousarray(record.signal[:, column : column + 1])
    lead = record.leads[column : column + 1]
    return Record(signal, record.fs, lead, annotations=record.annotations)


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


def conditions(data: Path) -> Iterator[tuple[str, Change, bool]]:
    """Name, change of a whole record, and whether only noisy stretches count."""
    yield "as recorded", lambda record: lead_of(record, 0), False
    for name in ("bw", "ma"):
        noise = read_record(data / "nstdb" / name).signal[:, 0].astype(np.float64)
        yield f"{name}: the same beats, clean", lambda record: lead_of(record, 0), True
        for ratio in RATIOS:
            yield (
                f"{name} {ratio} dB",
                lambda record, noise=noise, ratio=ratio: add_noise(record, noise, ratio),
                True,
            )
    for gain in GAINS:
        yield (
            "upside down" if gain == -1 else f"gain x {gain:g}",
            lambda record, gain=gain: scaled(lead_of(record, 0), gain),
            False,
        )
    yield "second lead", lambda record: lead_of(record, 1), False
    for fs in RATES:
        yield (
            f"{fs:g} Hz",
            lambda record, fs=fs: resampled(lead_of(record, 0), fs),
            False,
        )


def confusions(classifier: Classifier, record: Record, noisy_only: bool) -> dict[int, Matrix]:
    """Confusion of one record by lookahead."""
    marks = record.annotations
    assert marks is not None
    beat = is_beat(marks.symbol) & (marks.sample >= 0) & (marks.sample < record.n_samples)
    sample = marks.sample[beat]
    actual = np.array([AAMI_CLASSES.index(AAMI_OF_SYMBOL[s]) for s in marks.symbol[beat]])
    counted = np.ones(len(sample), bool)
    if noisy_only:
        counted[:] = False
        for first, last in noisy_stretches(record.n_samples, record.fs):
            counted |= (sample >= first) & (sample <= last)
    found = {}
    for ahead in _LOOKAHEADS:
        window = classifier.window
        stream = BeatStream(record.fs, method="external", lookahead=ahead, window=window)
        batch = stream.finish(record.signal[:, 0], sample)
        given = classifier.predict_proba(batch.windows, batch.features).argmax(axis=1)
        found[ahead] = confusion_matrix(actual[counted], given[counted], len(AAMI_CLASSES))
    return found


def score(classifier: Classifier, records: dict[str, Record], change: Change, noisy: bool) -> Any:
    """Figures of one condition over all records, by lookahead."""
    every = {
        name: confusions(classifier, change(record), noisy) for name, record in records.items()
    }
    told = {}
    for ahead, view in _LOOKAHEADS.items():
        total = from_matrix(np.sum([of[ahead] for of in every.values()], axis=0), AAMI_CLASSES)
        others = [of[ahead] for name, of in every.items() if name != ONE_PATIENT]
        without = from_matrix(np.sum(others, axis=0), AAMI_CLASSES)
        told[view] = {
            "N Se": round(total.sensitivity("N"), 4),
            "V F1": round(total.f1("V"), 4),
            "S F1": round(total.f1("S"), 4),
            "S F1 without 232": round(without.f1("S"), 4),
        }
    return told


def markdown(result: dict[str, Any]) -> str:
    """The figures as a page."""
    figures = list(next(iter(next(iter(result["conditions"].values())).values())))
    lines = [
        "# Beat classes of a worse signal",
        "",
        f"Model `{result['model']}`, float32, reference beats of MIT-BIH DS2 ({result['records']} "
        "records); % of the condition's beats. Each figure: label with the beat / one beat later. "
        "How each condition is made: `bench/beat_robustness.py`, whose output this page is.",
        "",
        "| condition | " + " | ".join(figures) + " |",
        "| --- |" + " --- |" * len(figures),
    ]
    for name, told in result["conditions"].items():
        cells = [" / ".join(f"{100 * view[f]:.1f}" for view in told.values()) for f in figures]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
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
    for name, change, noisy in conditions(args.data):
        result["conditions"][name] = score(classifier, records, change, noisy)
        print(name, result["conditions"][name], file=sys.stderr)
    page = markdown(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(page, encoding="utf-8")
    print(page, end="")


if __name__ == "__main__":
    main()
