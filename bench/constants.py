"""How much the detector's accuracy hangs on the exact values of its constants.

    python bench/constants.py $ECGFAST_DATA --half --json docs/constants.json

The constants are read from the C source as text: every decimal fraction that is `#define`d or
stands in a table of constants (`.name = 0.5f`). Sizes of arrays, numerical guards and the rate of
decimation are left alone. A copy of the source with other values is compiled to a shared library
and driven through the public C interface, so that what is measured is the code that is shipped.
All counts are EC57's from the first sample, on the first lead.

Figures:

* `shipped`: F1 with the constants as they are, on all of mitdb, on each half of it, and on svdb.
  The halves are the records in the order of their names, every other one: "even" (100, 102, ...) is
  the half on which the constants were chosen, "odd" (101, 103, ...) the one on which they were only
  counted. svdb was recorded with other equipment, at 128 Hz.
* `jittered`: every constant is multiplied by its own number, drawn evenly from 0.85 to 1.15, all at
  once; F1 of each draw and their median. A detector that was fitted to its records falls apart.
* `halves` (with `--half`, of the adaptive method): what a blind choice of the constants is worth.
  All constants of its table start away from their values, each multiplied by its own number from
  0.7 to 1.3. Then all but those of several leads are moved one by one, up or down by the factors
  of `FACTORS`, one pass after the other, and stay where the missed and false beats of one half of
  mitdb become fewer, counted with the constants as they are and with `SHAKES` draws of all of them
  moved by up to `SHAKE` at once: what fits these records by a hair's breadth does not survive
  that. The other half is counted once, at the end. Then with the halves exchanged. The end hangs
  on the start, so that there are several starts; the median counts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from compiled_core import CSRC, FLAGS, CompiledCore
from side_by_side import note

from ecgfast.evaluation import (
    DetectionTotals,
    ReportedBeats,
    annotated_records,
    evaluate_detector,
)
from ecgfast.records import Record, read_record

SOURCES = {"adaptive": "src/adaptive/*.[ch]", "pan-tompkins": "src/pan_tompkins/*.[ch]"}
CONSTANT = re.compile(
    r"(?:^#define ([A-Z]\w*) (?=-?[\d.]+f?\s)|\.([a-z]\w*) = (?=-?[\d.]+f?,))(-?\d+\.\d*)", re.M
)
OF_SEVERAL_LEADS = (
    *("weight_cap", "weight_gap_min", "floor", "lead_score_min"),
    *("loss_margin", "loss_rate", "loss_noise_rate", "loss_floor"),
)
FACTORS = (1.2, 1.2, 1.1, 1.1, 1.05)
SHAKES = 2
SHAKE = 0.1
START_SPREAD = 0.3
STARTS = 5
# Not choices about the ECG: mathematics, numerical guards, and the rate that a method works at.
LEFT_ALONE = {"LOG_TINY", "LOG_HUGE", "NOT_COMPARED", "TWO_PI", "FEATURE_HZ", "RATE_MIN"}


def constants(text: str) -> dict[str, float]:
    """Names and values of the constants of a C source."""
    found = {a or b: float(value) for a, b, value in CONSTANT.findall(text)}
    return {name: value for name, value in found.items() if name not in LEFT_ALONE}


def with_values(text: str, values: dict[str, float]) -> str:
    """The C source with other values."""

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            return match[0]
        return match[0][: match.start(3) - match.start()] + f"{values[name]:.9e}"

    return CONSTANT.sub(replace, text)


class Build:
    """Compiles the core with other constants: what does not belong to the method only once."""

    def __init__(self, method: str, compiler: str, folder: Path) -> None:
        self.method, self.compiler, self.folder = method, compiler, folder
        for part in ("include", "src"):
            shutil.copytree(CSRC / part, folder / part)
        self.own = {path: path.read_text() for path in sorted(folder.glob(SOURCES[method]))}
        self.constants: dict[str, float] = {}
        for text in self.own.values():
            self.constants |= constants(text)
        others = sorted(set(folder.rglob("*.c")) - set(self.own))
        self.objects = [path.with_suffix(".o") for path in others]
        for path, compiled in zip(others, self.objects, strict=True):
            self._cc("-c", path, "-o", compiled)

    def _cc(self, *args: str | Path) -> None:
        subprocess.run([self.compiler, *FLAGS, *args], check=True)

    def detector(self, name: str, values: dict[str, float]) -> Detector:
        """The detector with these values."""
        for path, text in self.own.items():
            path.write_text(with_values(text, values))
        library = self.folder / f"{name}.so"
        sources = [path for path in self.own if path.suffix == ".c"]
        self._cc("-shared", *sources, *self.objects, "-lm", "-o", library)
        return Detector(library, self.method)


class Detector(CompiledCore):
    """One method of a shared library of the core, for `evaluate_detector`."""

    def __init__(self, library: Path, method: str) -> None:
        super().__init__(library)
        self.method = method

    def __call__(self, record: Record) -> ReportedBeats:
        return ReportedBeats(self.found(record.signal[:, 0], record.fs, self.method).sample)


class Table(Detector):
    """The adaptive method, its table of constants writable: nothing is compiled anew."""

    def __init__(self, build: Build) -> None:
        library = build.folder / "table.so"
        objects = []
        for path in build.own:
            if path.suffix == ".c":
                objects.append(path.with_suffix(".o"))
                writable = ["-Dconst="] if path.stem == "adaptive_constants" else []
                build._cc("-c", path, *writable, "-o", objects[-1])
        build._cc("-shared", *objects, *build.objects, "-lm", "-o", library)
        super().__init__(library, "adaptive")
        header = build.own[build.folder / "src/adaptive/adaptive.h"]
        struct = re.search(r"typedef struct adaptive_constants \{(.*?)\}", header, re.S)
        assert struct is not None
        fields = re.findall(r"float ([^;]*);", struct[1])
        self.names = [name for line in fields for name in re.findall(r"\w+", line)]
        floats = ctypes.c_float * len(self.names)
        self.table = floats.in_dll(self.core, "ecg_adaptive_constants")
        self.shipped = dict(zip(self.names, self.table, strict=True))

    def put(self, values: dict[str, float]) -> None:
        """Sets all constants."""
        self.table[:] = [values[name] for name in self.names]


def load(folder: Path) -> list[Record]:
    """First lead of every annotated record."""
    return [read_record(path, leads=0) for path in annotated_records(folder)[0]]


def score(detector: Detector, records: list[Record]) -> DetectionTotals:
    """Counts from the first sample."""
    (result,) = evaluate_detector({"core": detector}, records, starts=(0.0,))
    return result.totals[0.0]


def figures(totals: DetectionTotals) -> dict[str, Any]:
    """The main ones, for JSON."""
    gross = totals.gross
    return {
        "records": len(totals.records),
        "tp": gross.tp,
        "fn": gross.fn,
        "fp": gross.fp,
        "sensitivity": gross.sensitivity,
        "positive_predictivity": gross.positive_predictivity,
        "f1": gross.f1,
        "worst": {"record": totals.worst.record, "f1": totals.worst.f1},
    }


def draws(values: dict[str, float], count: int, spread: float) -> Iterator[dict[str, float]]:
    """Constants with all values moved at once; the same in every run."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        factors = generator.uniform(1 - spread, 1 + spread, len(values))
        yield {name: value * f for (name, value), f in zip(values.items(), factors, strict=True)}


class Search:
    """Coordinate search for the constants with the fewest missed and false beats on some records.

    Parameters
    ----------
    table : Table
        The detector.
    records : list of Record
        Those that the choice may see.
    """

    def __init__(self, table: Table, records: list[Record]) -> None:
        self.table = table
        still = dict.fromkeys(table.names, 1.0)
        shakes = [still, *draws(still, SHAKES, SHAKE)]
        self.runs = [(shake, record) for shake in shakes for record in records]

    def errors(self, values: dict[str, float], limit: float) -> float:
        """Missed and false beats; counting ends where they are no fewer than `limit`."""
        total, own = 0, []
        for shake, record in self.runs:
            self.table.put({name: value * shake[name] for name, value in values.items()})
            gross = score(self.table, [record]).gross
            own.append(gross.fn + gross.fp)
            total += own[-1]
            if total >= limit:
                return total
        tell_most = sorted(range(len(own)), key=lambda i: -own[i])
        self.runs = [self.runs[i] for i in tell_most]  # so that the limit is met early
        return total

    def best(self, start: dict[str, float]) -> dict[str, float]:
        """Where the search ends that begins here."""
        fewest, values = self.errors(start, float("inf")), dict(start)
        for factor in FACTORS:
            for name in self.table.names:
                if name in OF_SEVERAL_LEADS:
                    continue
                for by in (factor, 1 / factor):
                    tried = {**values, name: values[name] * by}
                    count = self.errors(tried, fewest)
                    if count < fewest:
                        fewest, values = count, tried
                        break
        return values


def halves(build: Build, mitdb: list[Record], jobs: int) -> dict[str, Any]:
    """Constants chosen on one half of mitdb, counted on the other, both ways, from each start."""
    table = Table(build)
    tasks = [
        (table, start, mitdb[i::2], mitdb[1 - i :: 2])
        for start in draws(table.shipped, STARTS, START_SPREAD)
        for i in (0, 1)
    ]
    with multiprocessing.get_context("fork").Pool(jobs, _inherit, (tasks,)) as pool:
        found = []
        for one in pool.imap(_choose_and_count, range(len(tasks))):
            found.append(one)
            note(f"half: {len(found)} of {len(tasks)}")
    starts = [_half_split(*found[i : i + 2]) for i in range(0, len(found), 2)]
    return {
        "start_spread": START_SPREAD,
        "factors": FACTORS,
        "shakes": SHAKES,
        "shake": SHAKE,
        "starts": starts,
        "median_f1": float(np.median([one["both held-out halves"]["f1"] for one in starts])),
    }


_TASKS: list[tuple[Table, dict[str, float], list[Record], list[Record]]] = []


def _inherit(tasks: list[tuple[Table, dict[str, float], list[Record], list[Record]]]) -> None:
    """Keep what a forked process shares with its parent: a library cannot be sent."""
    _TASKS[:] = tasks


def _choose_and_count(number: int) -> dict[str, Any]:
    """Constants chosen on some records, counted on others."""
    table, start, seen, held_out = _TASKS[number]
    result: dict[str, Any] = {}
    table.put(start)
    result["held out, before"] = figures(score(table, held_out))
    result["constants"] = Search(table, seen).best(start)
    table.put(result["constants"])
    result["chosen on"] = figures(score(table, seen))
    result["held out"] = figures(score(table, held_out))
    return result


def _half_split(even: dict[str, Any], odd: dict[str, Any]) -> dict[str, Any]:
    """The two searches of one start, each named after the half that it saw."""
    both = [even["held out"], odd["held out"]]
    missed, false = (sum(one[name] for one in both) for name in ("fn", "fp"))
    found = sum(one["tp"] for one in both)
    f1 = 200 * found / (2 * found + missed + false)
    return {"even": even, "odd": odd, "both held-out halves": {"fn": missed, "fp": false, "f1": f1}}


def measure(build: Build, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of one method."""
    mitdb, svdb = load(args.data / "mitdb"), load(args.data / "svdb")
    shipped = build.detector("shipped", {})
    sets = {"mitdb": mitdb, "mitdb even": mitdb[0::2], "mitdb odd": mitdb[1::2], "svdb": svdb}
    result: dict[str, Any] = {
        "method": build.method,
        "constants": build.constants,
        "shipped": {name: figures(score(shipped, records)) for name, records in sets.items()},
    }
    jittered = []
    for i, values in enumerate(draws(build.constants, args.draws, args.spread)):
        note(f"{build.method}: draw {i + 1} of {args.draws}")
        jittered.append(figures(score(build.detector(f"draw{i}", values), mitdb)))
    if jittered:
        f1 = [one["f1"] for one in jittered]
        result["jittered"] = {
            "spread": args.spread,
            "median_f1": float(np.median(f1)),
            "lowest_f1": min(f1),
            "highest_f1": max(f1),
            "draws": jittered,
        }
    if args.half and build.method == "adaptive":
        result["halves"] = halves(build, mitdb, args.jobs)
    return result


def text(result: dict[str, Any]) -> str:
    """The figures of one method as lines."""
    lines = [f"{result['method']}: {len(result['constants'])} constants, first lead, F1 in %"]
    for name, one in result["shipped"].items():
        lines.append(
            f"  shipped, {name:10} {one['f1']:8.3f}   FN {one['fn']:4} FP {one['fp']:4}   worst "
            f"{one['worst']['record']} {one['worst']['f1']:.2f}"
        )
    if "jittered" in result:
        own = result["jittered"]
        lines.append(
            f"  jittered by {100 * own['spread']:g} %, {len(own['draws'])} draws, mitdb: median "
            f"{own['median_f1']:.3f}, lowest {own['lowest_f1']:.3f}, "
            f"highest {own['highest_f1']:.3f}"
        )
    if "halves" in result:
        for own in result["halves"]["starts"]:
            for half, other in (("even", "odd"), ("odd", "even")):
                one = own[half]
                lines.append(
                    f"  chosen on {half:4} {one['chosen on']['f1']:8.3f}, counted on {other} "
                    f"{one['held out']['f1']:.3f} (before {one['held out, before']['f1']:.3f})"
                )
            both = own["both held-out halves"]
            lines.append(
                f"  both held-out halves    {both['f1']:8.3f}   FN {both['fn']:4} FP {both['fp']:4}"
            )
        lines.append(f"  median of the starts    {result['halves']['median_f1']:8.3f}")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds mitdb/ and svdb/")
    parser.add_argument("--method", action="append", choices=sorted(SOURCES), help="default: both")
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--spread", type=float, default=0.15)
    parser.add_argument(
        "--half", action="store_true", help="choose on one half, count on the other"
    )
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time (default: 1)")
    parser.add_argument("--cc", default="cc", help="C compiler")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    results = []
    for method in args.method or SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            build = Build(method, args.cc, Path(folder))
            results.append(measure(build, args))
        print(text(results[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
