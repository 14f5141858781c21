"""QRS detectors side by side: speed and accuracy on the same records, in one run.

    python bench/compare_detectors.py $ECGFAST_DATA --json docs/detectors.json \
        --picture docs/detectors.png

Every detector gets the same lead of each recording, on one thread, of two sets on which the weights
of `neural` were not trained: the first leads of mitdb's DS2 (22 records of half an hour), and
cpsc2019 (noisy strips of ten seconds, first and last half second aside). Constants of ecgfast's
decisions were set with both in sight; the others may have been made on MIT-BIH too.

Speed is measured on the first record, as float64, in processor time, so that other work on the
machine counts little: the detectors take turns, and the best of five calls counts, or of those that
ten seconds allow. ecgfast is also measured as float32, which it works with. Accuracy is counted by
`ecgfast.evaluation` (AAMI EC57: 150 ms, one to one, ventricular flutter left out); on DS2 from the
first sample, which is stricter, and with the first five minutes set aside. ecgfast's R peaks are
those that it reports live, and how late; the others need the whole recording. A detector that fails
on a recording has missed its beats. Others that are
not installed are left out:
pip install sleepecg wfdb neurokit2 biosppy peakutils py-ecg-detectors.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from compiled_core import Found
from generalisation_sets import Numbers, cases, count, f1, paths
from side_by_side import METHODS, Detect, detectors, note, one_thread, own_name

from ecgfast import __version__, detect_qrs
from ecgfast.evaluation import DetectorScores, evaluate_detector
from ecgfast.evaluation.detector import Method
from ecgfast.evaluation.ec57 import LEARNING_S
from ecgfast.evaluation.mitdb import DS2
from ecgfast.evaluation.other_detectors import OtherDetector, installed_detectors
from ecgfast.records import Record, read_record

ROUNDS = 5
LIMIT_S = 10.0
STRIPS = "cpsc2019"
# Ends the name of a detector that gets samples of four bytes.
FLOAT32 = ", float32"
# Colours of detectors that work sample by sample, and of the others.
LIVE, WHOLE = "#c1121f", "#3d5a80"


def one_shot(method: Method) -> OtherDetector:
    """One of ecgfast's methods as the others are called."""
    return lambda x, fs: detect_qrs(x, fs, method=method)


def speeds(record: Record, only: str) -> dict[str, float]:
    """Nanoseconds a sample of each detector."""
    calls: dict[str, OtherDetector] = {own_name(method): one_shot(method) for method in METHODS}
    calls |= installed_detectors()
    lead = np.ascontiguousarray(record.signal[:, 0])
    turns = [(name, call, lead.astype(np.float64)) for name, call in calls.items() if only in name]
    turns += [
        (f"{name}{FLOAT32}", call, lead)
        for name, call, _ in turns
        if name in map(own_name, METHODS)
    ]
    times: dict[str, list[float]] = {name: [] for name, _, _ in turns}
    for turn in range(ROUNDS):
        for name, call, samples in turns:
            if sum(times[name]) > LIMIT_S:
                continue
            note(f"speed, turn {turn + 1}: {name}")
            begin = process_time()
            call(samples, record.fs)
            times[name].append(process_time() - begin)
    return {name: 1e9 * min(taken) / len(lead) for name, taken in times.items()}


def measure(data: Path, only: str, limit: int | None) -> dict[str, Any]:
    """Speed and accuracy of everyone."""
    names = DS2[:limit]
    speed = speeds(read_record(data / "mitdb" / names[0], leads=0), only)

    def records() -> Iterator[Record]:
        for name in names:
            note(f"accuracy: record {name}")
            yield read_record(data / "mitdb" / name, leads=0)

    taking_part = detectors(only)
    others = [name for name in taking_part if not name.startswith("ecgfast")]
    scores = evaluate_detector(taking_part, records(), forgiving=others)
    files = paths(data, STRIPS)[:limit]
    return {
        "command": "python bench/compare_detectors.py DATA",
        "records": list(names),
        "strips": len(files),
        "ecgfast": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "detectors": [
            row(score, speed, on_strips(taking_part[score.name], files)) for score in scores
        ],
    }


def on_strips(detect: Detect, files: list[Path]) -> dict[str, Any]:
    """Mistakes of a detector on cpsc2019."""
    numbers: Numbers = {"tp": 0, "fn": 0, "fp": 0}
    failed = 0
    for path in files:
        note(f"accuracy: {path.name}")
        for case in cases(STRIPS, path):
            try:
                peaks = detect(Record(case.signal[:, np.newaxis], case.fs, ("ECG",))).sample
            except Exception:  # others fail on strips without clear beats
                peaks, failed = np.empty(0, np.int64), failed + 1
            peaks = np.sort(np.asarray(peaks, np.int64))
            found = count(case, Found(peaks, np.zeros(len(peaks), np.uint32), peaks[:0])).numbers
            numbers = {name: numbers[name] + found[name] for name in numbers}
    return {**numbers, "f1": f1(numbers), "failed": failed}


def row(score: DetectorScores, speed: dict[str, float], strips: dict[str, Any]) -> dict[str, Any]:
    """Figures of one detector."""
    strict, late = score.totals[0.0], score.totals[LEARNING_S]
    delays = score.delays["all"].to_dict()
    return {
        "detector": score.name,
        "live": bool(np.isfinite(delays["median_ms"])),
        "ns_per_sample": round(speed[score.name], 2),
        **(
            {"ns_per_sample_float32": round(speed[f"{score.name}{FLOAT32}"], 2)}
            if f"{score.name}{FLOAT32}" in speed
            else {}
        ),
        "first_sample": strict.gross.to_dict(),
        "ec57": late.gross.to_dict(),
        "strips": strips,
        "worst_record": {"record": strict.worst.record, "f1": strict.worst.f1},
        "median_error_abs_ms": strict.median_error_abs_ms,
        "delay": delays if np.isfinite(delays["median_ms"]) else None,
        "failed": sorted(score.failed),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| detector | live | ns a sample | Se / +P / F1 from the first sample | Se / +P / F1, EC57 "
        "| worst record, F1 | R error, ms | F1 of the noisy strips |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in result["detectors"]:
        rates = [
            f"{c['sensitivity']:.2f} / {c['positive_predictivity']:.2f} / {c['f1']:.2f}"
            for c in (r["first_sample"], r["ec57"])
        ]
        live = f"yes, {r['delay']['median_ms']:.0f} ms after R" if r["live"] else "no"
        digits = 1 if r["ns_per_sample"] < 100 else 0
        speed = f"{r['ns_per_sample']:,.{digits}f}"
        if "ns_per_sample_float32" in r:
            speed += f" (float32: {r['ns_per_sample_float32']:.1f})"
        lines.append(
            f"| {r['detector']} | {live} | {speed} | {rates[0]} | "
            f"{rates[1]} | {r['worst_record']['record']}, {r['worst_record']['f1']:.1f} | "
            f"{r['first_sample']['error_abs_ms']:.1f} | {r['strips']['f1']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def draw(result: dict[str, Any], path: Path) -> None:
    """A row for each detector: accuracy on both sets, and speed; right is better."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = result["detectors"][::-1]
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True)
    records, strips, speed = axes
    # Beats missed or false of a hundred: a scale that shows the last percent.
    wrong = [max(100 - r["first_sample"]["f1"], 1e-3) for r in rows]
    wrong_strips = [max(100 - r["strips"]["f1"], 1e-3) for r in rows]
    dots(records, rows, [1 / x for x in wrong], [f"{100 - x:.2f}" for x in wrong])
    dots(strips, rows, [1 / x for x in wrong_strips], [f"{100 - x:.1f}" for x in wrong_strips])
    rates = [1e3 / r["ns_per_sample"] for r in rows]
    dots(speed, rows, rates, [f"{x:,.0f}" if x >= 10 else f"{x:.2g}" for x in rates])
    for axis, ticks in ((records, (98, 99, 99.5, 99.8, 99.95)), (strips, (80, 90, 95, 98))):
        axis.set_xticks([1 / (100 - t) for t in ticks], [f"{t:g}" for t in ticks])
    speed.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    records.set_title(f"F1, %: MIT-BIH DS2,\n{len(result['records'])} records of half an hour")
    strips.set_title(f"F1, %: CPSC2019,\n{result['strips']} noisy strips of 10 s")
    speed.set_title("million samples per second,\none core")
    records.set_yticks(range(len(rows)), [r["detector"] for r in rows])
    for name, r in zip(records.get_yticklabels(), rows, strict=True):
        name.set(color=LIVE if r["live"] else WHOLE, fontweight="bold" if r["live"] else "normal")
    figure.text(0.01, 0.015, "red: live, sample by sample", color=LIVE, fontsize=9)
    figure.text(0.2, 0.015, "blue: needs the whole recording", color=WHOLE, fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=130)


def dots(axis: Any, rows: list[dict[str, Any]], at: list[float], texts: list[str]) -> None:
    """One column, on a logarithmic scale."""
    axis.set_xscale("log")
    axis.set_xlim(0.6 * min(at), 4 * max(at))
    axis.minorticks_off()
    axis.grid(color="#e8e8e8")
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)
    for y, (r, x, text) in enumerate(zip(rows, at, texts, strict=True)):
        colour = LIVE if r["live"] else WHOLE
        axis.plot(x, y, "o", color=colour, markersize=8)
        axis.annotate(
            text,
            (x, y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="bold" if r["live"] else "normal",
        )


def main() -> int:
    """Measure, print the table, write what is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds mitdb/ and cpsc2019/")
    parser.add_argument("--only", default="", help="names of detectors that contain this text")
    parser.add_argument("--limit", type=int, help="this many recordings of each set only")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--picture", type=Path, help="file for the picture (.png)")
    args = parser.parse_args()
    one_thread()
    warnings.simplefilter("ignore")
    result = measure(args.data, args.only, args.limit)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.picture:
        draw(result, args.picture)
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
