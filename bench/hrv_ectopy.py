"""What ectopic beats do to heart-rate variability, with and without our labels.

Every test record of mitdb (DS2, which the model `beats` was not trained on) is measured several
times: on all RR intervals between detected beats, on the NN intervals of our labels (with and
without `max_change`), and on those of the reference beats and labels, which are the truth here.
Atrial fibrillation and flutter of the reference are left out of all. Makes the table of
``docs/hrv.md``::

    python bench/hrv_ectopy.py $ECGFAST_DATA --json docs/hrv.json --page docs/hrv.md
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ecgfast import hrv, read_record, stream_classify
from ecgfast.evaluation import AAMI_OF_SYMBOL, is_beat
from ecgfast.training.datasets.splits import DS2

MEASURES = {
    "mean_nn": "mean NN",
    "sdnn": "SDNN",
    "sdnn_index": "SDNN index",
    "rmssd": "RMSSD",
    "pnn50": "pNN50",
    "triangular_index": "triangular index",
    "tinn": "TINN",
    "lf": "LF",
    "hf": "HF",
    "lf_hf": "LF/HF",
    "sd1": "SD1",
    "sd2": "SD2",
    "sample_entropy": "sample entropy",
    "dfa_alpha1": "DFA alpha1",
    "dfa_alpha2": "DFA alpha2",
}
GROUPS = {"below 1 %": (0.0, 0.01), "1 to 10 %": (0.01, 0.1), "above 10 %": (0.1, 1.01)}
IRREGULAR = ("(AFIB", "(AFL")
MARKS = ("<!-- begin: bench/hrv_ectopy.py -->\n", "<!-- end -->\n")


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page whose table is made anew")
    args = parser.parse_args()
    rows = {name: measured(args.data / "mitdb" / name) for name in DS2}
    text = table(rows)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if args.page:
        before, rest = args.page.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        args.page.write_text(before + MARKS[0] + text + "\n" + MARKS[1] + after)


def measured(path: Path) -> dict[str, Any]:
    """One record, three times."""
    record = read_record(path)
    marks = record.annotations
    assert marks is not None
    spans, begin = [], None
    for sample, aux in zip(marks.sample / record.fs, marks.aux, strict=True):
        if aux.startswith("("):
            if begin is not None:
                spans.append((begin, float(sample)))
            begin = float(sample) if aux.startswith(IRREGULAR) else None
    if begin is not None:
        spans.append((begin, record.duration))
    beat = is_beat(marks.symbol)
    symbols = [AAMI_OF_SYMBOL.get(symbol) for symbol in marks.symbol[beat]]
    beats = list(stream_classify(path, lookahead=1))
    common: dict[str, Any] = {"exclude": spans, "duration": record.duration}
    free: dict[str, Any] = {**common, "max_change": None}
    variants = {
        "reference": hrv.nn_from_arrays(
            marks.sample[beat] / record.fs,
            normal=[s == "N" for s in symbols],
            max_change=None,
            **common,
        ),
        "all": hrv.nn_from_arrays([b.time for b in beats], limits=(0.0, math.inf), **free),
        "labels": hrv.nn_intervals(beats, **free),
        "ours": hrv.nn_intervals(beats, **common),
    }
    told: dict[str, Any] = {
        name: {k: v for k, v in hrv.measures(nn).to_dict().items() if k in MEASURES}
        for name, nn in variants.items()
    }
    told["ectopic"] = float(np.mean([s != "N" for s in symbols]))
    told["nn"] = {name: len(nn) for name, nn in variants.items()}
    return told


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Median error of each measure, by how many beats are ectopic."""
    # Where hardly a reference interval is left, there is no truth to compare with.
    rows = {name: row for name, row in rows.items() if row["nn"]["reference"] >= 300}
    groups = {
        name: [row for row in rows.values() if low <= row["ectopic"] < high]
        for name, (low, high) in GROUPS.items()
    }
    columns = "all RR | labels alone | our NN"
    heads = [f"{name} ectopic ({len(group)} records)" for name, group in groups.items()]
    lines = [
        "| measure | " + " | ".join(f"{head}: {columns}" for head in heads) + " |",
        "| --- |" + " ---: | ---: | ---: |" * len(heads),
    ]
    for key, label in MEASURES.items():
        cells = [
            error([(row[kind][key], row["reference"][key]) for row in group])
            for group in groups.values()
            for kind in ("all", "labels", "ours")
        ]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def error(pairs: list[tuple[float, float]]) -> str:
    """Median over records of the absolute error, in percent of the reference."""
    errors = [
        100 * abs(value - truth) / abs(truth)
        for value, truth in pairs
        if math.isfinite(value) and math.isfinite(truth) and truth
    ]
    return f"{median(errors):.1f} %" if errors else "-"


if __name__ == "__main__":
    main()
