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
  0.7 to 1.3. Then those that decide which candidates are beats (`SEARCHED`) are moved one by one,
  up or down by the factors of `FACTORS`, and stay where the missed and false beats of one half of
  mitdb become fewer. The other half is counted once, at the end. Then with the halves exchanged.
  The end hangs on the start, so that there are several starts; the median counts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side import note

from ecgfast.core import METHODS
from ecgfast.evaluation import (
    DetectionTotals,
    ReportedBeats,
    annotated_records,
    evaluate_detector,
)
from ecgfast.records import Record, read_record

CSRC = Path(__file__).resolve().parents[1] / "csrc"
SOURCES = {"adaptive": "adaptive*.[ch]", "pan-tompkins": "pan_tompkins.c"}
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC")
CONSTANT = re.compile(
    r"(?:^#define ([A-Z]\w*) (?=-?[\d.]+f?\s)|\.([a-z]\w*) = (?=-?[\d.]+f?,))(-?\d+\.\d*)", re.M
)
SEARCHED = (
    *("low_hz", "high_hz", "high_gain", "hold_s"),
    *("mix", "depth", "cap", "quantile", "noise_quantile", "near_s", "gap_from", "gap_rate"),
    *("start_s", "like_cost", "like_from"),
    *("short_from", "short_cost", "long_from", "long_cost", "long_cap", "soft"),
    *("refractory_s", "refractory_cost", "t_gain", "t_share", "t_from", "t_full_s", "t_ramp_s"),
    *("clear_score", "clear_short", "clear_long", "clear_like", "clear_drop"),
    *("wait_rr", "wait_max_s"),
    *("start_contrast", "alike_from", "sure_kept"),
)
FACTORS = (1.2, 1.1)
START_SPREAD = 0.3
STARTS = 5
# Not choices about the ECG: mathematics, numerical guards, and the rate that a method works at.
LEFT_ALONE = {"LOG_TINY", "LOG_HUGE", "TWO_PI", "FEATURE_HZ", "RATE_MIN"}


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


class Config(ctypes.Structure):
    """ecg_detector_config."""

    _fields_ = (
        ("fs", ctypes.c_double),
        ("max_delay", ctypes.c_double),
        ("leads", ctypes.c_int32),
        ("method", ctypes.c_int32),
        ("keep", ctypes.c_double),
    )


QRS = np.dtype([("r", "<i8"), ("at", "<i8"), ("strength", "<f4"), ("quality", "<u4")])


class Build:
    """Compiles the core with other constants: what does not belong to the method only once."""

    def __init__(self, method: str, compiler: str, folder: Path) -> None:
        self.method, self.compiler, self.folder = method, compiler, folder
        for source in CSRC.glob("*.[ch]"):
            shutil.copy(source, folder)
        self.own = {path: path.read_text() for path in sorted(folder.glob(SOURCES[method]))}
        self.constants: dict[str, float] = {}
        for text in self.own.values():
            self.constants |= constants(text)
        others = sorted(set(folder.glob("*.c")) - set(self.own))
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
        return Detector(library, METHODS[self.method])


class Detector:
    """A shared library of the core, as a detector for `evaluate_detector`."""

    def __init__(self, library: Path, method: int) -> None:
        self.core, self.method = ctypes.CDLL(str(library)), method
        for name in ("ecg_detector_size", "ecg_detector_process", "ecg_detector_flush"):
            getattr(self.core, name).restype = ctypes.c_size_t

    def __call__(self, record: Record) -> ReportedBeats:
        core, config = self.core, Config(record.fs, 0.0, 1, self.method)
        size = core.ecg_detector_size(ctypes.byref(config))
        block = np.zeros(size + 16, np.uint8)
        state = ctypes.c_void_p(-(-block.ctypes.data // 16) * 16)  # states lie on 16 bytes
        if core.ecg_detector_init(state, ctypes.c_size_t(size), ctypes.byref(config)):
            raise RuntimeError("the core refuses the configuration")
        signal = np.ascontiguousarray(record.signal[:, 0])
        beats = np.zeros(record.n_samples, QRS)
        out = ctypes.c_void_p(beats.ctypes.data)
        found = ctypes.c_size_t()
        capacity = ctypes.c_size_t(len(beats))
        samples = ctypes.c_void_p(signal.ctypes.data)
        n = ctypes.c_size_t(len(signal))
        core.ecg_detector_process(state, samples, n, out, capacity, ctypes.byref(found))
        count = found.value
        while True:
            out = ctypes.c_void_p(beats.ctypes.data + count * QRS.itemsize)
            more = core.ecg_detector_flush(state, out, ctypes.c_size_t(len(beats) - count))
            if not more:
                break
            count += more
        return ReportedBeats(beats["r"][:count].astype(np.int64))


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
        super().__init__(library, METHODS["adaptive"])
        header = build.own[build.folder / "adaptive.h"]
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


def search(table: Table, start: dict[str, float], records: list[Record]) -> dict[str, float]:
    """Coordinate search for the fewest missed and false beats on these records."""
    order = list(range(len(records)))

    def errors(values: dict[str, float], limit: float) -> float:
        """Missed and false beats; counting ends where they are no fewer than `limit`."""
        table.put(values)
        total, own = 0, dict.fromkeys(order, 0)
        for i in order:
            gross = score(table, [records[i]]).gross
            own[i] = gross.fn + gross.fp
            total += own[i]
            if total >= limit:
                return total
        order.sort(key=lambda i: -own[i])  # those that tell most come first
        return total

    best, values = errors(start, float("inf")), dict(start)
    for factor in FACTORS:
        for name in SEARCHED:
            for by in (factor, 1 / factor):
                tried = {**values, name: values[name] * by}
                count = errors(tried, best)
                if count < best:
                    best, values = count, tried
                    break
            note(f"half: {name}, {best:.0f} errors")
    return values


def halves(build: Build, mitdb: list[Record]) -> dict[str, Any]:
    """Constants chosen on one half of mitdb, counted on the other, both ways, from each start."""
    table = Table(build)
    starts = [
        half_split(table, start, mitdb) for start in draws(table.shipped, STARTS, START_SPREAD)
    ]
    return {
        "start_spread": START_SPREAD,
        "searched": list(SEARCHED),
        "starts": starts,
        "median_f1": float(np.median([one["both held-out halves"]["f1"] for one in starts])),
    }


def half_split(table: Table, start: dict[str, float], mitdb: list[Record]) -> dict[str, Any]:
    """The same from one start."""
    parts = {"even": mitdb[0::2], "odd": mitdb[1::2]}
    result: dict[str, Any] = {}
    counted: list[DetectionTotals] = []
    for chosen_on, counted_on in (("even", "odd"), ("odd", "even")):
        table.put(start)
        begun = score(table, parts[counted_on])
        values = search(table, start, parts[chosen_on])
        table.put(values)
        counted.append(score(table, parts[counted_on]))
        result[f"chosen on {chosen_on}"] = {
            "there": figures(score(table, parts[chosen_on])),
            f"on {counted_on}, before": figures(begun),
            f"on {counted_on}": figures(counted[-1]),
            "constants": {name: values[name] for name in table.names},
        }
    both = [one.gross for one in counted]
    missed, false = sum(one.fn for one in both), sum(one.fp for one in both)
    found = sum(one.tp for one in both)
    f1 = 200 * found / (2 * found + missed + false)
    result["both held-out halves"] = {"fn": missed, "fp": false, "f1": f1}
    return result


def measure(build: Build, data: Path, count: int, spread: float, *, half: bool) -> dict[str, Any]:
    """All figures of one method."""
    mitdb, svdb = load(data / "mitdb"), load(data / "svdb")
    shipped = build.detector("shipped", {})
    sets = {"mitdb": mitdb, "mitdb even": mitdb[0::2], "mitdb odd": mitdb[1::2], "svdb": svdb}
    result: dict[str, Any] = {
        "method": build.method,
        "constants": build.constants,
        "shipped": {name: figures(score(shipped, records)) for name, records in sets.items()},
    }
    jittered = []
    for i, values in enumerate(draws(build.constants, count, spread)):
        note(f"{build.method}: draw {i + 1} of {count}")
        jittered.append(figures(score(build.detector(f"draw{i}", values), mitdb)))
    if jittered:
        f1 = [one["f1"] for one in jittered]
        result["jittered"] = {
            "spread": spread,
            "median_f1": float(np.median(f1)),
            "lowest_f1": min(f1),
            "highest_f1": max(f1),
            "draws": jittered,
        }
    if half and build.method == "adaptive":
        result["halves"] = halves(build, mitdb)
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
            for here, there in (("even", "odd"), ("odd", "even")):
                one = own[f"chosen on {here}"]
                before, after = one[f"on {there}, before"], one[f"on {there}"]
                lines.append(
                    f"  chosen on {here:4} {one['there']['f1']:8.3f}, counted on {there} "
                    f"{after['f1']:.3f} (before {before['f1']:.3f})"
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
    parser.add_argument("--cc", default="cc", help="C compiler")
    parser.add_argument("--json", type=Path, help="file for all figures")
    args = parser.parse_args()
    results = []
    for method in args.method or SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            build = Build(method, args.cc, Path(folder))
            results.append(measure(build, args.data, args.draws, args.spread, half=args.half))
        print(text(results[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
