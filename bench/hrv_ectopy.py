"""Errors of heart-rate variability from ectopic beats, with and without labels of beats.

Every test record of mitdb (DS2, which the model `beats` was not trained on) is measured several
times: on all RR intervals between detected beats, on the NN intervals of labelled beats (with and
without `max_change`), and on those of the reference beats and labels, which are the truth here.
Atrial fibrillation and flutter of the reference are excluded from all. Writes the table of
``docs/hrv.md`` and, below it, how much `max_change` alters the reference itself::

    python bench/hrv_ectopy.py $ECGFAST_DATA --json docs/hrv.json --page docs/hrv.md
"""

from __future__ import annotations

import argparse
import json
import math
from functools import partial
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
# Values of `max_change` that are compared: that of PhysioNet's HRV toolkit, and the default.
CHANGES = (0.2, 0.3)
GROUPS = {"below 1 %": (0.0, 0.01), "1 to 10 %": (0.01, 0.1), "above 10 %": (0.1, 1.01)}
IRREGULAR = ("(AFIB", "(AFL")
MARKS = ("<!-- begin: bench/hrv_ectopy.py -->\n", "<!-- end -->\n")


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page whose table is replaced")
    args = parser.parse_args()
    rows = {name: measured(args.data / "mitdb" / name) for name in DS2}
    text = tables(rows)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if args.page:
        before, rest = args.page.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        args.page.write_text(before + MARKS[0] + text + "\n" + MARKS[1] + after)


def tables(rows: dict[str, dict[str, Any]]) -> str:
    """What the page says of the measures of each record."""
    # With few reference intervals left there is no truth to compare with.
    used = [row for row in rows.values() if row["nn"]["reference"] >= 300]
    return f"{table(used)}\n\n{filters(used)}"


def measured(path: Path) -> dict[str, Any]:
    """Measures of one record from each choice of intervals."""
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
    reference = partial(
        hrv.nn_from_arrays,
        marks.sample[beat] / record.fs,
        normal=[s == "N" for s in symbols],
        **common,
    )
    variants = {
        "reference": reference(max_change=None),
        "all": hrv.nn_from_arrays([b.time for b in beats], limits=(0.0, math.inf), **free),
        "labels": hrv.nn_intervals(beats, **free),
        "ours": hrv.nn_intervals(beats, **common),
    }
    result: dict[str, Any] = {
        name: {k: v for k, v in hrv.measures(nn).to_dict().items() if k in MEASURES}
        for name, nn in variants.items()
    }
    result["filtered_sdnn"] = {
        str(change): hrv.time_domain(reference(max_change=change)).sdnn for change in CHANGES
    }
    result["ectopic"] = float(np.mean([s != "N" for s in symbols]))
    result["nn"] = {name: len(nn) for name, nn in variants.items()}
    return result


def table(rows: list[dict[str, Any]]) -> str:
    """Median error of each measure, by how many beats are ectopic."""
    groups = {
        name: [row for row in rows if low <= row["ectopic"] < high]
        for name, (low, high) in GROUPS.items()
    }
    columns = "all RR | labels alone | `nn_intervals`"
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


def filters(rows: list[dict[str, Any]]) -> str:
    """How much each `max_change` alters SDNN of the reference in records with few ectopic beats."""
    few = [row for row in rows if row["ectopic"] < GROUPS["below 1 %"][1]]
    changes = [
        error([(row["filtered_sdnn"][str(change)], row["reference"]["sdnn"]) for row in few])
        + f" with `max_change` {change:g}"
        for change in CHANGES
    ]
    return (
        f"SDNN of the reference beats (median of the {len(few)} records with few ectopic beats) "
        f"changes by {' and by '.join(changes)}."
    )


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
