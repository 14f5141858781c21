"""QRS detection on recordings of many hospitals and devices; weights never saw the set they score.

    python bench/generalisation.py $ECGFAST_DATA --json docs/generalisation.json \
        --page docs/generalisation.md

Every detector gets the same recordings from the first sample on. Counted by AAMI EC57: 150 ms, one
to one, ventricular flutter left out. For the learned method `neural` each set is counted with
weights from whose training that set was left out (`--weights`: a folder with NAME.npz files, or
one .npz file whose arrays are called NAME/ARRAY; see `bench/qrs_weights`). They are compiled into
a copy of the core, which needs a C compiler.

`--only` runs some parts (table, standstill, noise) or sets (such as ludb) and leaves the others in
the JSON file as they were; without a name it writes the page anew from the file. Sets that are not
below DATA are left out. Of other packages sleepecg takes part, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from compiled_core import Found
from other_weights import WeightedDetector
from side_by_side import note, one_thread
from standstill import longest_silence, noise_paths, standstills

from ecgfast.evaluation import flutter_intervals, is_beat, match_beats
from ecgfast.evaluation.ec57 import TOLERANCE_S
from ecgfast.evaluation.other_detectors import OtherDetector, installed_detectors
from ecgfast.records import read_annotations, read_record
from ecgfast.streaming import Quality
from ecgfast.training.datasets.splits import DS2

METHODS = ("neural", "adaptive", "pan-tompkins")
OTHERS = "sleepecg"
LIMITED_S = 0.5
"""`max_delay` whose cost is measured."""

LUDB_MARGIN_S = 0.3
CPSC_FS, CPSC_EDGE_S = 500.0, 0.5
SILENCE_S = 2.0
"""A missed beat without any detection this near counts as flagged: silence tells of itself."""
ALARM_S = 3.0
PROCESSES = 2

Peaks = npt.NDArray[np.int64]
Numbers = dict[str, int]


@dataclass(frozen=True)
class Set:
    """One row of the table."""

    title: str
    folder: str
    weights: str
    aim: str
    seen: bool = False
    """Whether the weights were trained on it too."""


SETS = {
    "ludb": Set("LUDB, single leads of 10 s", "ludb", "noludb", "≥ 99.88"),
    "ludb12": Set("LUDB, 12 leads together", "ludb", "noludb", "100"),
    "cpsc2019": Set("CPSC2019, noisy strips of 10 s", "cpsc2019", "ship", "≥ 95"),
    "svdb": Set("svdb", "svdb", "nosvdb", "≥ 99.93"),
    "qtdb": Set("QTDB", "qtdb", "noqtdb", "≥ 99.98"),
    "nstdb": Set("nstdb", "nstdb", "nonst", "≥ 96"),
    "ds1": Set("mitdb, DS1 and paced", "mitdb", "fold", ""),
    "ds2": Set("mitdb, DS2", "mitdb", "ship", ""),
    "mitdb": Set("mitdb, all 48", "mitdb", "fold, ship", "≥ 99.92"),
    "nsrdb": Set("nsrdb, first 30 min", "nsrdb", "ship", "", seen=True),
}
PARTS_OF = {"ds1": "mitdb", "ds2": "mitdb", "ludb12": "ludb"}
"""Sets that come with another one."""
QUALITY_SETS = ("ludb", "cpsc2019", "svdb", "qtdb", "nstdb", "ds2")
HALVES = ("ds1", "ds2")
NOISE_WEIGHTS = {"nstdb bw": "nonst", "nstdb ma": "nonst", "cinc2017 noise class": "ship"}


@dataclass(frozen=True, eq=False)
class Case:
    """A signal with reference beats.

    Attributes
    ----------
    key : str
        Of `SETS`.
    name : str
        Record, and the lead where there are several.
    signal : ndarray, shape (n,) or (n, n_leads)
        In mV.
    fs : float
        Sampling rate in Hz.
    beats : ndarray of int64
        Reference R peaks, not decreasing.
    span : tuple of float
        Samples between which beats and detections count.
    flutter : ndarray of int64, shape (k, 2)
        Stretches in which nothing counts.
    """

    key: str
    name: str
    signal: npt.NDArray[Any]
    fs: float
    beats: Peaks
    span: tuple[float, float] = (-np.inf, np.inf)
    flutter: Peaks = field(default_factory=lambda: np.empty((0, 2), np.int64))


def _ludb(path: Path) -> Iterator[Case]:
    record = read_record(path)
    fs, margin = record.fs, LUDB_MARGIN_S * record.fs
    beats, firsts, lasts = [], [], []
    for k, lead in enumerate(record.leads):
        marks = read_annotations(path.with_suffix(f".{lead}"))
        beats.append(np.sort(marks.sample[np.asarray(marks.symbol) == "N"]))
        firsts.append(float(marks.sample.min() - margin))
        lasts.append(float(marks.sample.max() + margin))
        signal = record.signal[:, k].copy()
        yield Case("ludb", f"{path.name} {lead}", signal, fs, beats[-1], (firsts[-1], lasts[-1]))
    span = (max(firsts), min(lasts))
    yield Case("ludb12", path.name, record.signal, fs, max(beats, key=len), span)


def _cpsc2019(path: Path) -> Iterator[Case]:
    from scipy.io import loadmat

    signal = loadmat(path)["ecg"].ravel().astype(np.float32)
    peaks = loadmat(path.with_name(f"R_{path.stem[5:]}.mat"))["R_peak"].ravel()
    edge = CPSC_EDGE_S * CPSC_FS
    span = (edge, len(signal) - edge - 1)
    yield Case("cpsc2019", path.stem, signal, CPSC_FS, np.sort(peaks.astype(np.int64)), span)


def _wfdb(key: str, path: Path) -> Iterator[Case]:
    record = read_record(path, leads=0)
    marks = record.annotations
    assert marks is not None
    flutter = flutter_intervals(marks.sample, list(marks.symbol))
    beats = np.sort(marks.sample[is_beat(marks.symbol)])
    yield Case(key, path.name, record.signal[:, 0].copy(), record.fs, beats, flutter=flutter)


def cases(key: str, path: Path) -> Iterator[Case]:
    """What a file of a set holds."""
    if key == "ludb":
        return _ludb(path)
    if key == "mitdb":
        key = _half(path)
    return _cpsc2019(path) if key == "cpsc2019" else _wfdb(key, path)


def _half(path: Path) -> str:
    return "ds2" if path.name in DS2 else "ds1"


def paths(data: Path, key: str) -> list[Path]:
    """Files of a set."""
    if key == "cpsc2019":
        return sorted((data / "cpsc2019").glob("data_*.mat"))
    found = [path.with_suffix("") for path in sorted((data / SETS[key].folder).glob("*.hea"))]
    return [path for path in found if path.name[0] == "1"] if key == "nstdb" else found


def _counted(case: Case, samples: Peaks) -> npt.NDArray[np.bool_]:
    keep = (samples >= case.span[0]) & (samples <= case.span[1])
    for first, last in case.flutter:
        keep &= (samples < first) | (samples > last)
    return np.asarray(keep)


def _silent_or_flagged(case: Case, found: Found, missed: Peaks) -> int:
    """Of the missed beats, those that a user is warned of."""
    after = np.searchsorted(found.sample, missed)
    warned = 0
    for at, k in zip(missed, after, strict=True):
        near = [
            bool(found.quality[i])
            for i in (k - 1, k)
            if 0 <= i < len(found.sample) and abs(found.sample[i] - at) <= SILENCE_S * case.fs
        ]
        warned += any(near) or not near
    return warned


def count(case: Case, found: Found) -> tuple[Numbers, list[int]]:
    """Matches and mistakes, how many of them are flagged, and where the mistakes are."""
    counts = _counted(case, found.sample)
    tests, flagged = found.sample[counts], found.quality[counts] != 0
    inside = np.ones(len(case.beats), bool)
    for first, last in case.flutter:
        inside &= (case.beats < first) | (case.beats > last)
    beats = case.beats[inside]
    pairs = match_beats(beats, tests, TOLERANCE_S * case.fs)
    right, hit = np.zeros(len(tests), bool), np.zeros(len(beats), bool)
    right[pairs[:, 1]], hit[pairs[:, 0]] = True, True
    in_span = _counted(case, beats)
    missed = beats[in_span & ~hit]
    learning = right & (found.quality[counts] == int(Quality.LEARNING))
    missed_unflagged = len(missed) - _silent_or_flagged(case, found, missed)
    numbers = {
        "tp": int((in_span & hit).sum()),
        "fn": len(missed),
        "fp": int((~right).sum()),
        "fn_unflagged": missed_unflagged,
        "fp_unflagged": int((~right & ~flagged).sum()),
        "right": int(right.sum()),
        "right_flagged": int((right & flagged).sum()),
        "right_learning": int(learning.sum()),
    }
    return numbers, sorted([*missed.tolist(), *tests[~right].tolist()])


def _other(detector: OtherDetector, case: Case) -> Found:
    """Beats by another package; one that fails on a recording has missed its beats."""
    try:
        found = np.asarray(detector(case.signal.astype(np.float64), case.fs), np.float64).ravel()
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

    def table(self, key: str, path: Path) -> list[dict[str, Any]]:
        """Counts of all detectors on one file."""
        rows = []
        for case in cases(key, path):
            core = self.cores[SETS[case.key].weights]
            for method in METHODS:
                found = core.found(case.signal, case.fs, method)
                row: dict[str, Any] = {"set": case.key, "record": case.name, "method": method}
                row["counts"], row["errors"] = count(case, found)
                if case.key in HALVES:
                    live = found.sample[: len(found.reported_at)]
                    row["delays"] = ((found.reported_at - live) / case.fs).tolist()
                    limited = core.found(case.signal, case.fs, method, LIMITED_S)
                    row["limited"] = count(case, limited)[0]
                rows.append(row)
            if case.signal.ndim > 1:
                continue
            for method, detector in self.others.items():
                row = {"set": case.key, "record": case.name, "method": method}
                row["counts"], row["errors"] = count(case, _other(detector, case))
                rows.append(row)
        return rows

    def standstill(self, key: str, path: Path) -> list[dict[str, Any]]:
        """Alarms and false beats in made standstills of one recording."""
        made, key = standstills(path), _half(path)
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


_BENCHES: list[Bench] = []
"""Filled before the processes fork: a compiled core cannot be sent to one."""


def _work(job: tuple[str, str, Path]) -> tuple[str, str, list[dict[str, Any]]]:
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


def jobs(data: Path, only: set[str] | None) -> list[tuple[str, str, Path]]:
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
    return found


def weights_for(part: str, key: str, path: Path) -> set[str]:
    """Names of the weights that a job takes."""
    if part == "noise":
        return {NOISE_WEIGHTS[key]}
    return {SETS[_half(path) if key == "mitdb" else key].weights}


def _sum(rows: list[dict[str, Any]], what: str = "counts") -> Numbers:
    total: dict[str, int] = defaultdict(int)
    for row in rows:
        for name, value in row[what].items():
            total[name] += value
    return dict(total)


def f1(numbers: Numbers) -> float:
    """In per cent."""
    whole = 2 * numbers["tp"] + numbers["fn"] + numbers["fp"]
    return 200 * numbers["tp"] / whole if whole else float("nan")


def summarise(results: list[tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """From rows of single recordings to what the JSON file holds."""
    by: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for part, key, rows in results:
        for row in rows:
            own = row.get("set", key)
            for group in {own, "mitdb"} if own in HALVES else {own}:
                by[part, group, row["method"]].append(row)
    found: dict[str, Any] = {"table": {}, "standstill": {}, "noise": {}}
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
        found[part].setdefault(key, {})[method] = entry
    return found


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _grid(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows), ""]


def _score(key: str, entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "-"
    score = entry["mean_f1" if key == "nstdb" else "f1"]
    return f"{score:.2f} ({entry['fn']}, {entry['fp']})"


def _per_cent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def table_lines(found: dict[str, Any]) -> list[str]:
    """F1 of every set."""
    names = sorted({name for entries in found.values() for name in entries} - set(METHODS))
    names = [*METHODS, *names]
    rows = []
    for key, chosen in SETS.items():
        if key not in found:
            continue
        any_entry = next(iter(found[key].values()))
        beats = any_entry["tp"] + any_entry["fn"]
        weights = f"{chosen.weights}{' (seen)' if chosen.seen else ''}"
        scores = [_score(key, found[key].get(name)) for name in names]
        title = f"{chosen.title}, mean F1 of the records" if key == "nstdb" else chosen.title
        rows.append([title, str(any_entry["records"]), str(beats), weights, *scores])
        rows[-1].append(chosen.aim or "-")
    return _grid(["set", "records", "beats", "weights of `neural`", *names, "aim"], rows)


def worst_lines(found: dict[str, Any]) -> list[str]:
    """Recordings with the most mistakes of the learned method."""
    rows = [
        [
            SETS[key].title,
            ", ".join(
                f"{w['record']} ({w['fn']}, {w['fp']})" for w in found[key]["neural"]["worst"]
            ),
        ]
        for key in SETS
        if key in found and key not in HALVES
    ]
    return _grid(["set", "most mistakes (missed, false)"], rows)


def quality_lines(found: dict[str, Any]) -> list[str]:
    """What the flags are worth."""
    rows = []
    for key in QUALITY_SETS:
        for method in METHODS if key in found else ():
            entry = found[key][method]
            fn, fp, right = entry["fn"], entry["fp"], entry["right"]
            good = [entry["fn_unflagged"], entry["fp_unflagged"]]
            rows.append([SETS[key].title, method, str(fn), str(fp)])
            rows[-1] += [_per_cent(good[0], fn), _per_cent(good[1], fp)]
            rows[-1] += [_per_cent(sum(good), fn + fp), _per_cent(entry["right_flagged"], right)]
            rows[-1].append(_per_cent(entry["right_flagged"] - entry["right_learning"], right))
    head = ["set", "method", "missed", "false", "missed, not flagged, %", "false, not flagged, %"]
    head += ["both, %", "right beats flagged, %", "not by LEARNING alone, %"]
    return _grid(head, rows)


def delay_lines(found: dict[str, Any]) -> list[str]:
    """When beats are reported, and what a limit costs."""
    if "mitdb" not in found:
        return []
    rows = []
    for method in METHODS:
        entry = found["mitdb"][method]
        late, limited = entry["delay_s"], f1(entry["limited"])
        rows.append([method, *(f"{late[k]:.3f}" for k in ("median", "p95", "latest"))])
        rows[-1] += [f"{entry['f1']:.3f}", f"{limited:.3f}", f"{entry['f1'] - limited:.3f}"]
    head = ["method", "median, s", "95th percentile, s", "latest, s", "F1"]
    return _grid([*head, f"F1, `max_delay={LIMITED_S}`", "cost, points"], rows)


def standstill_lines(found: dict[str, Any]) -> list[str]:
    """Made standstills."""
    rows = []
    for method in METHODS if "mitdb" in found else ():
        entry = found["mitdb"][method]
        n = entry["stretches"]
        rows.append([method, str(n), _per_cent(entry["alarms"], n)])
        rows[-1] += [_per_cent(entry["without_false"], n)]
        rows[-1] += [str(entry["false"]), str(entry["false_unflagged"])]
    head = ["method", "stretches", "no beat for 3 s noticed, %", "without any false beat, %"]
    return _grid([*head, "false beats", "of these with quality 0"], rows)


def noise_lines(found: dict[str, Any]) -> list[str]:
    """Noise without beats."""
    rows = []
    for kind, weights in NOISE_WEIGHTS.items():
        for method in METHODS if kind in found else ():
            entry = found[kind][method]
            good = entry["unflagged"] / entry["minutes"]
            flagged = entry["beats"] - entry["unflagged"]
            name = f"{method} ({weights})" if method == "neural" else method
            rows.append([kind, name, f"{entry['minutes']:.1f}"])
            rows[-1] += [f"{entry['beats'] / entry['minutes']:.1f}"]
            rows[-1] += [_per_cent(flagged, entry["beats"]), f"{good:.1f}"]
    head = ["noise", "method", "minutes", "beats per minute", "flagged, %"]
    return _grid([*head, "not flagged, per minute"], rows)


TEMPLATE = Path(__file__).with_name("generalisation.md.in")


def page(found: dict[str, Any]) -> str:
    """The page: the text of `generalisation.md.in` with the tables in their places."""
    tables = {
        "TABLE": table_lines(found["table"]),
        "WORST": worst_lines(found["table"]),
        "QUALITY": quality_lines(found["table"]),
        "DELAYS": delay_lines(found["table"]),
        "STANDSTILL": standstill_lines(found["standstill"]),
        "NOISE": noise_lines(found["noise"]),
    }
    text = TEMPLATE.read_text()
    for name, lines in tables.items():
        text = text.replace(f"@{name}@\n", "\n".join(lines))
    return text


def draw(rows: list[dict[str, Any]], bench: Bench, key: str, seconds: float, file: Path) -> None:
    """A picture of the most mistakes of the learned method in a few seconds of a set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    row = max(rows, key=lambda row: len(row["errors"]))
    path = bench.data / SETS[key].folder / row["record"].split()[0]
    case = next(case for case in cases(key, path) if case.name == row["record"])
    found = bench.cores[SETS[case.key].weights].found(case.signal, case.fs, "neural")
    errors, length = np.asarray(row["errors"]), seconds * case.fs
    begin = max(errors, key=lambda at: ((errors >= at) & (errors < at + length)).sum())
    first = int(max(0, min(begin - case.fs, len(case.signal) - length)))
    last = int(min(first + length, len(case.signal)))
    figure, axes = plt.subplots(figsize=(11, 2.8), layout="constrained")
    t = np.arange(first, last) / case.fs
    axes.plot(t, case.signal[first:last], "k", lw=0.7)
    top, low = case.signal[first:last].max(), case.signal[first:last].min()
    for peaks, mark, level, label in (
        (case.beats, "v", top + 0.12 * (top - low), "reference"),
        (found.sample, "^", low - 0.12 * (top - low), "neural"),
    ):
        shown = peaks[(peaks >= first) & (peaks < last)]
        axes.plot(shown / case.fs, np.full(len(shown), level), mark, label=label)
    axes.set(xlabel="s", ylabel="mV", title=f"{SETS[case.key].title}: {case.name}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
    figure.savefig(file, dpi=90)
    plt.close(figure)


PICTURES = {"ludb": 10.0, "mitdb": 12.0}
"""Sets of which failures are drawn, and seconds; none of CPSC2019, whose licence is unclear."""


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
    known = {"table", "standstill", "noise", *SETS} - set(PARTS_OF)
    if unknown := set(chosen.only or ()) - known:
        parser.error(f"--only {' '.join(sorted(unknown))}: choose from {', '.join(sorted(known))}")
    if chosen.pictures and not chosen.pictures.is_dir():
        parser.error(f"--pictures {chosen.pictures}: no such folder")
    return chosen


def main() -> None:
    one_thread()
    chosen = parse()
    found: dict[str, Any] = {"table": {}, "standstill": {}, "noise": {}}
    if chosen.only is not None and chosen.json and chosen.json.exists():
        found |= json.loads(chosen.json.read_text())
    work = jobs(chosen.data, None if chosen.only is None else set(chosen.only))
    cores, available = {}, read_weights(chosen.weights)
    for name in sorted({name for job in work for name in weights_for(*job)}):
        if name not in available:
            raise SystemExit(f"--weights {chosen.weights}: no weights called {name}")
        note(f"compiling the core with the weights {name}")
        cores[name] = WeightedDetector(available[name])
    others = {k: call for k, call in installed_detectors().items() if k.startswith(OTHERS)}
    bench = Bench(chosen.data, cores, others)
    _BENCHES.append(bench)
    results = []
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        for result in pool.imap(_work, work):
            results.append(result)
            note(f"{len(results)} of {len(work)}: {result[0]} {result[1]}")
    for part, entries in summarise(results).items():
        found[part] |= entries
    print("\n".join(table_lines(found["table"])))
    for lines in (quality_lines, delay_lines):
        print("\n".join(lines(found["table"])))
    print("\n".join(standstill_lines(found["standstill"])))
    print("\n".join(noise_lines(found["noise"])))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if chosen.page:
        chosen.page.write_text(page(found))
    for key, seconds in PICTURES.items() if chosen.pictures else ():
        rows = [row for part, of, rows in results if (part, of) == ("table", key) for row in rows]
        rows = [row for row in rows if row["method"] == "neural" and row["errors"]]
        if rows:
            draw(rows, bench, key, seconds, chosen.pictures / f"generalisation-{key}.png")


if __name__ == "__main__":
    main()
