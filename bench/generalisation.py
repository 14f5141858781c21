"""QRS detection on recordings of many hospitals and devices; weights never saw the set they score.

    python bench/generalisation.py $ECGFAST_DATA --json docs/generalisation.json \
        --page docs/generalisation.md

Every detector gets the same recordings from the first sample on. Counted by AAMI EC57: 150 ms, one
to one, ventricular flutter left out. For the learned method `neural` each set is counted with
weights from whose training that set was left out (`--weights`: a folder with NAME.npz files, or
one .npz file whose arrays are called NAME/ARRAY; see `bench/qrs_weights`). They are compiled into
a copy of the core, which needs a C compiler.

Folders `seed*` below that of the weights hold weights of the same trainings from another seed; with
them `neural` is counted on the sets that they did not see.

`--only` runs some parts (table, standstill, noise, pressure, seeds) or sets (such as ludb) and
leaves the others in the JSON file as they were; without a name it writes the page anew from the
file. Sets that are not below DATA are left out. Of other packages sleepecg takes part, where it is
installed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from compiled_core import Found
from generalisation_page import (
    Pictures,
    delay_lines,
    noise_lines,
    page,
    pressure_lines,
    quality_lines,
    seed_lines,
    standstill_lines,
    table_lines,
)
from generalisation_sets import (
    HALVES,
    LIMITED_S,
    METHODS,
    NOISE_WEIGHTS,
    PARTS_OF,
    PRESSURE_WEIGHTS,
    SETS,
    Case,
    Numbers,
    cases,
    count,
    f1,
    half_of,
    paths,
)
from other_weights import WeightedDetector
from pressure_witness import count_pulses, witnessed
from side_by_side import note, one_thread
from standstill import longest_silence, noise_paths, standstills

from ecgfast.evaluation.other_detectors import OtherDetector, installed_detectors
from ecgfast.records import read_record

OTHERS = "sleepecg"
ALARM_S = 3.0
PROCESSES = 2
Job = tuple[str, str, Path]
"""Part, set or kind, and file."""


def _other(detector: OtherDetector, case: Case) -> Found:
    """Beats by another package; one that fails on a recording has missed its beats.

    Lines take the place of missing samples, which other packages do not know.
    """
    signal, at = case.signal.astype(np.float64), np.arange(len(case.signal))
    there = np.isfinite(signal)
    signal = np.interp(at, at[there], signal[there])
    try:
        found = np.asarray(detector(signal, case.fs), np.float64).ravel()
    except Exception as error:  # whatever another package raises
        print(f"{case.key} {case.name}: {type(error).__name__}: {error}", file=sys.stderr)
        found = np.empty(0)
    sample = np.sort(np.maximum(found, 0)).astype(np.int64)
    return Found(sample, np.zeros(len(sample), np.uint32), np.empty(0, np.int64))


@dataclass
class Bench:
    """Detectors by name of their weights, and the others': what every process needs."""

    data: Path
    cores: dict[str, WeightedDetector]
    others: dict[str, OtherDetector]
    methods: tuple[str, ...] = METHODS

    def table(self, key: str, path: Path) -> list[dict[str, Any]]:
        """Counts of all detectors on one file."""
        rows = []
        for case in cases(key, path):
            core = self.cores[SETS[case.key].weights]
            for method in self.methods:
                found = core.found(case.signal, case.fs, method)
                row: dict[str, Any] = {"set": case.key, "record": case.name, "method": method}
                counted = count(case, found)
                row["counts"], row["errors"] = counted.numbers, counted.errors
                row["unflagged"] = counted.unflagged
                if case.key in HALVES:
                    live = found.sample[: len(found.reported_at)]
                    row["delays"] = ((found.reported_at - live) / case.fs).tolist()
                    limited = core.found(case.signal, case.fs, method, LIMITED_S)
                    row["limited"] = count(case, limited).numbers
                rows.append(row)
            if case.signal.ndim > 1:
                continue
            for method, detector in self.others.items():
                row = {"set": case.key, "record": case.name, "method": method}
                counted = count(case, _other(detector, case))
                row["counts"], row["errors"] = counted.numbers, counted.errors
                rows.append(row)
        return rows

    def standstill(self, key: str, path: Path) -> list[dict[str, Any]]:
        """Alarms and false beats in made standstills of one recording."""
        made, key = standstills(path), half_of(path)
        rows: list[dict[str, Any]] = []
        for method in METHODS if made else ():
            assert made is not None
            found = self.cores[SETS[key].weights].found(made.signal, made.fs, method)
            at = found.sample
            numbers: dict[str, int] = defaultdict(int)
            for first, last in made.spans.tolist():
                inside = (at >= first) & (at <= last)
                numbers["stretches"] += 1
                alarm = longest_silence(at, first, last) >= ALARM_S * made.fs
                numbers["alarms"] += int(alarm)
                numbers["false"] += int(inside.sum())
                numbers["false_unflagged"] += int((inside & (found.quality == 0)).sum())
                numbers["without_false"] += int(not inside.any())
            rows.append({"record": path.name, "method": method, "counts": dict(numbers)})
        return rows

    def noise(self, kind: str, path: Path) -> list[dict[str, Any]]:
        """Beats that are reported where there are none."""
        record = read_record(path)
        rows = []
        for method in METHODS:
            numbers = {"beats": 0, "unflagged": 0, "samples": record.signal.size}
            for lead in record.signal.T:
                found = self.cores[NOISE_WEIGHTS[kind]].found(lead, record.fs, method)
                numbers["beats"] += len(found.sample)
                numbers["unflagged"] += int((found.quality == 0).sum())
            row = {"kind": kind, "record": path.name, "method": method, "fs": record.fs}
            rows.append({**row, "counts": numbers})
        return rows

    def pressure(self, kind: str, path: Path) -> list[dict[str, Any]]:
        """Pulses of the arterial pressure without a beat of one recording."""
        witness = witnessed(path)
        case, core = witness.case, self.cores[PRESSURE_WEIGHTS]
        found = {m: core.found(case.signal, case.fs, m) for m in self.methods}
        found |= {name: _other(detector, case) for name, detector in self.others.items()}
        return [
            {"record": case.name, "method": method, "counts": count_pulses(witness, beats)}
            for method, beats in found.items()
        ]


_BENCHES: list[Bench] = []
"""Filled before the processes fork: a compiled core cannot be sent to one."""


def _work(job: Job) -> tuple[str, str, list[dict[str, Any]]]:
    part, key, path = job
    run: Callable[[str, Path], list[dict[str, Any]]] = getattr(_BENCHES[-1], part)
    return part, key, run(key, path)


def read_weights(where: Path) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Weights by name, of a folder or of one file."""
    if where.is_dir():
        files = sorted(where.glob("*.npz"))
        if not files:
            raise SystemExit(f"--weights {where}: no .npz file in this folder")
        if [file.name for file in files] != ["weights.npz"]:
            return {file.stem: dict(np.load(file)) for file in files}
        where = files[0]
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = defaultdict(dict)
    for key, values in np.load(where).items():
        name, array = key.split("/")
        found[name][array] = values
    return dict(found)


def jobs(data: Path, only: set[str] | None) -> list[Job]:
    """What to run: part, set or kind, file."""
    found = []
    for key, chosen in SETS.items():
        if key not in PARTS_OF and (only is None or only & {"table", key}):
            if not paths(data, key):
                print(f"{chosen.title}: no records below {data / chosen.folder}", file=sys.stderr)
            found += [("table", key, path) for path in paths(data, key)]
    if only is None or "standstill" in only:
        found += [("standstill", "mitdb", path) for path in paths(data, "mitdb")]
    if only is None or "noise" in only:
        found += [("noise", kind, path) for kind, path in noise_paths(data)]
    if only is None or "pressure" in only:
        headers = sorted((data / "bp").glob("*.hea"))
        found += [("pressure", "bp", path.with_suffix("")) for path in headers]
    return found


def weights_for(part: str, key: str, path: Path) -> set[str]:
    """Names of the weights that a job takes."""
    if part == "noise":
        return {NOISE_WEIGHTS[key]}
    if part == "pressure":
        return {PRESSURE_WEIGHTS}
    return {SETS[half_of(path) if key == "mitdb" else key].weights}


def _sum(rows: list[dict[str, Any]], what: str = "counts") -> Numbers:
    total: dict[str, int] = defaultdict(int)
    for row in rows:
        for name, value in row[what].items():
            total[name] += value
    return dict(total)


def summarise(results: list[tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """From rows of single recordings to what the JSON file holds."""
    by: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for part, key, rows in results:
        for row in rows:
            own = row.get("set", key)
            for group in {own, "mitdb"} if own in HALVES else {own}:
                by[part, group, row["method"]].append(row)
    found: dict[str, Any] = {"table": {}, "standstill": {}, "noise": {}, "pressure": {}}
    for (part, key, method), rows in sorted(by.items()):
        total = _sum(rows)
        entry: dict[str, Any] = {"records": len(rows), **total}
        if part == "table":
            scores = [f1(row["counts"]) for row in rows]
            entry |= {"f1": f1(total), "mean_f1": float(np.nanmean(scores))}
            if method in METHODS:
                entry["weights"] = SETS[key].weights if method == "neural" else None
            worst = sorted(rows, key=lambda row: -len(row["errors"]))[:5]
            entry["worst"] = [
                {"record": row["record"], "fn": row["counts"]["fn"], "fp": row["counts"]["fp"]}
                for row in worst
                if row["errors"]
            ]
            if "limited" in rows[0]:
                entry["limited"] = _sum(rows, "limited")
                late = np.concatenate([row["delays"] for row in rows])
                entry["delay_s"] = {
                    "median": float(np.median(late)),
                    "p95": float(np.percentile(late, 95)),
                    "latest": float(late.max()),
                }
        elif part == "noise":
            seconds = sum(row["counts"]["samples"] / row["fs"] for row in rows)
            entry["minutes"] = seconds / 60
            entry["weights"] = NOISE_WEIGHTS[key] if method == "neural" else None
        elif part == "pressure":
            shares = [
                100 * row["counts"]["without_beat"] / row["counts"]["pulses"]
                for row in rows
                if row["counts"]["pulses"]
            ]
            entry["records"] = len(shares)
            entry["records_over_5"] = sum(share > 5 for share in shares)
            entry["median"] = float(np.median(shares))
            most = sorted(rows, key=lambda row: -row["counts"]["without_beat"])[:6]
            entry["worst"] = [{"record": row["record"], **row["counts"]} for row in most]
        found[part].setdefault(key, {})[method] = entry
    return found


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    here = Path(__file__).resolve().parent
    weights = here / "qrs_weights"
    parser.add_argument("--weights", type=Path, default=weights, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--page", type=Path, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="where failures are drawn")
    parser.add_argument("--only", nargs="*", metavar="PART")
    chosen = parser.parse_args(arguments)
    known = {"table", "standstill", "noise", "pressure", "seeds", *SETS} - set(PARTS_OF)
    if unknown := set(chosen.only or ()) - known:
        parser.error(f"--only {' '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}")
    if chosen.pictures and not chosen.pictures.is_dir():
        parser.error(f"--pictures {chosen.pictures}: no such folder")
    return chosen


def compiled(weights: Path, names: set[str]) -> dict[str, WeightedDetector]:
    """Cores with the weights of these names."""
    available = read_weights(weights)
    for name in sorted(names - set(available)):
        raise SystemExit(f"--weights {weights}: no weights called {name}")
    note(f"compiling the core with the weights {', '.join(sorted(names))}")
    return {name: WeightedDetector(available[name]) for name in sorted(names)}


def run(bench: Bench, work: list[Job]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Rows of all jobs, in two processes."""
    _BENCHES.append(bench)
    results = []
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        for result in pool.imap(_work, work):
            results.append(result)
            note(f"{len(results)} of {len(work)}: {result[0]} {result[1]}")
    return results


def main() -> None:
    one_thread()
    chosen = parse()
    found: dict[str, Any] = {
        part: {} for part in ("table", "standstill", "noise", "pressure", "seeds")
    }
    if chosen.only is not None and chosen.json and chosen.json.exists():
        found |= json.loads(chosen.json.read_text())
    work = jobs(chosen.data, None if chosen.only is None else set(chosen.only))
    cores = compiled(chosen.weights, {name for job in work for name in weights_for(*job)})
    others = {k: call for k, call in installed_detectors().items() if k.startswith(OTHERS)}
    results = run(Bench(chosen.data, cores, others), work)
    for part, entries in summarise(results).items():
        found[part] |= entries
    if chosen.only is None or "seeds" in chosen.only:
        every = jobs(chosen.data, {"table"})
        for folder in sorted(path for path in chosen.weights.glob("seed*") if path.is_dir()):
            there = set(read_weights(folder))
            work = [job for job in every if weights_for(*job) <= there]
            other = Bench(chosen.data, compiled(folder, there), {}, ("neural",))
            found["seeds"][folder.name] = summarise(run(other, work))["table"]
    print("\n".join(table_lines(found["table"])))
    for lines in (quality_lines, delay_lines):
        print("\n".join(lines(found["table"])))
    print("\n".join(seed_lines(found["table"], found["seeds"])))
    print("\n".join(standstill_lines(found["standstill"])))
    print("\n".join(noise_lines(found["noise"])))
    print("\n".join(pressure_lines(found["pressure"])))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if chosen.page:
        chosen.page.write_text(page(found))
    if chosen.pictures:
        pictures = Pictures(chosen.data, cores, chosen.pictures)
        for key in SETS:
            rows = [
                row for part, of, rows in results if (part, of) == ("table", key) for row in rows
            ]
            pictures.draw(key, [row for row in rows if row["method"] == "neural"])
        if witnesses := [row for part, _, rows in results if part == "pressure" for row in rows]:
            pictures.draw_witness(witnesses)


if __name__ == "__main__":
    main()
