"""QRS detectors side by side: speed and accuracy on the same records, in one run.

    python bench/compare_detectors.py $ECGFAST_DATA/mitdb --json docs/detectors.json \
        --picture docs/detectors.png

Every detector gets the first lead of every record with reference annotations (.atr) in the folder,
on one thread. Speed is measured on the first record, as float64, in processor time, so that other
work on the machine counts little: the detectors take turns, and the best of five calls counts, or
of those that ten seconds allow. Accuracy is counted by
`ecgfast.evaluation` (AAMI EC57: 150 ms, one to one, ventricular flutter left out), from the first
sample, which is stricter, and with the first five minutes set aside. ecgfast's R peaks are those
that it reports live, and how late; the others need the whole recording. A detector that fails on a
record has missed its beats. Others that are not installed are left out:
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
from side_by_side import METHODS, detectors, note, one_thread, own_name

from ecgfast import __version__, detect_qrs
from ecgfast.evaluation import DetectorScores, annotated_records, evaluate_detector
from ecgfast.evaluation.detector import Method
from ecgfast.evaluation.ec57 import LEARNING_S
from ecgfast.evaluation.other_detectors import OtherDetector, installed_detectors
from ecgfast.records import Record, read_record

ROUNDS = 5
LIMIT_S = 10.0


def one_shot(method: Method) -> OtherDetector:
    """One of ecgfast's methods as the others are called."""
    return lambda x, fs: detect_qrs(x, fs, method=method)


def speeds(record: Record, only: str) -> dict[str, float]:
    """Nanoseconds a sample of each detector."""
    calls: dict[str, OtherDetector] = {own_name(method): one_shot(method) for method in METHODS}
    calls |= installed_detectors()
    calls = {name: call for name, call in calls.items() if only in name}
    lead = record.signal[:, 0].astype(np.float64)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS):
        for name, call in calls.items():
            if sum(times[name]) > LIMIT_S:
                continue
            note(f"speed, turn {turn + 1}: {name}")
            begin = process_time()
            call(lead, record.fs)
            times[name].append(process_time() - begin)
    return {name: 1e9 * min(taken) / len(lead) for name, taken in times.items()}


def measure(folder: Path, only: str, limit: int | None) -> dict[str, Any]:
    """Speed and accuracy of everyone."""
    paths, _ = annotated_records(folder)
    paths = paths[:limit]
    speed = speeds(read_record(paths[0], leads=0), only)

    def records() -> Iterator[Record]:
        for path in paths:
            note(f"accuracy: record {path.name}")
            yield read_record(path, leads=0)

    taking_part = detectors(only)
    others = [name for name in taking_part if not name.startswith("ecgfast")]
    scores = evaluate_detector(taking_part, records(), forgiving=others)
    return {
        "command": f"python bench/compare_detectors.py {folder.name}",
        "records": [path.name for path in paths],
        "ecgfast": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "detectors": [row(score, speed[score.name]) for score in scores],
    }


def row(score: DetectorScores, speed: float) -> dict[str, Any]:
    """Figures of one detector."""
    strict, late = score.totals[0.0], score.totals[LEARNING_S]
    delays = score.delays["all"].to_dict()
    return {
        "detector": score.name,
        "live": bool(np.isfinite(delays["median_ms"])),
        "ns_per_sample": round(speed, 2),
        "first_sample": strict.gross.to_dict(),
        "ec57": late.gross.to_dict(),
        "worst_record": {"record": strict.worst.record, "f1": strict.worst.f1},
        "median_error_abs_ms": strict.median_error_abs_ms,
        "delay": delays if np.isfinite(delays["median_ms"]) else None,
        "failed": sorted(score.failed),
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| detector | live | ns a sample | Se / +P / F1 from the first sample | Se / +P / F1, EC57 "
        "| worst record, F1 | R error, ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in result["detectors"]:
        rates = [
            f"{c['sensitivity']:.2f} / {c['positive_predictivity']:.2f} / {c['f1']:.2f}"
            for c in (r["first_sample"], r["ec57"])
        ]
        live = f"yes, {r['delay']['median_ms']:.0f} ms after R" if r["live"] else "no"
        digits = 1 if r["ns_per_sample"] < 100 else 0
        lines.append(
            f"| {r['detector']} | {live} | {r['ns_per_sample']:,.{digits}f} | {rates[0]} | "
            f"{rates[1]} | {r['worst_record']['record']}, {r['worst_record']['f1']:.1f} | "
            f"{r['first_sample']['error_abs_ms']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def draw(result: dict[str, Any], path: Path) -> None:
    """Accuracy over speed: best is top right."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 5.2))
    rows = result["detectors"]
    speed = [1e3 / r["ns_per_sample"] for r in rows]
    # Beats missed or false of a hundred: a scale that shows the last percent.
    wrong = [100 - r["first_sample"]["f1"] for r in rows]
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(0.5 * min(speed), 2 * max(speed))
    axis.set_ylim(1.5 * max(wrong), 0.7 * min(wrong))
    ticks = [t for t in (95, 98, 99, 99.5, 99.8, 99.9, 99.95) if 100 - t < 1.5 * max(wrong)]
    axis.set_yticks([100 - t for t in ticks], [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    taken: list[tuple[float, float]] = []  # where labels stand, in pixels of 100 to the inch
    for r, x, y in sorted(zip(rows, speed, wrong, strict=True), key=lambda point: -point[2]):
        colour = "#c1121f" if r["live"] else "#3d5a80"
        axis.plot(x, y, "o" if r["live"] else "s", color=colour, markersize=10)
        at, height = axis.transData.transform((x, y))
        up = 0.0  # from the worst to the best: a label that would cover one below it moves up
        while any(abs(at - a) < 220 and abs(height + up - b) < 32 for a, b in taken):
            up += 4
        taken.append((at, height + up))
        right = not r["live"]
        rate = f"{x:,.0f}" if x >= 10 else f"{x:.2g}"
        axis.annotate(
            f"{r['detector']}\n{r['first_sample']['f1']:.2f} %, {rate} M/s",
            (x, y),
            xytext=(9 if right else -9, 0.72 * up),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="bold" if r["live"] else "normal",
        )
    axis.set_xlabel("million samples a second, one core (log)")
    axis.set_ylabel("F1 from the first sample, % (log of 100 - F1)")
    axis.set_title(
        f"QRS detection, MIT-BIH Arrhythmia Database, {len(result['records'])} records, one lead"
    )
    axis.plot([], [], "o", color="#c1121f", label="live: sample by sample")
    axis.plot([], [], "s", color="#3d5a80", label="needs the whole recording")
    axis.legend(loc="upper left", frameon=False)
    axis.grid(color="#e8e8e8")
    axis.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> int:
    """Measure, print the table, write what is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="WFDB records with .atr files")
    parser.add_argument("--only", default="", help="names of detectors that contain this text")
    parser.add_argument("--limit", type=int, help="this many records only")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--picture", type=Path, help="file for the picture (.png)")
    args = parser.parse_args()
    one_thread()
    warnings.simplefilter("ignore")
    result = measure(args.folder, args.only, args.limit)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    if args.picture:
        draw(result, args.picture)
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
