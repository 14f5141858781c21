"""Tables and pictures of the page on generalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from compiled_core import Found
from generalisation_sets import (
    HALVES,
    LIMITED_S,
    METHODS,
    NOISE_WEIGHTS,
    PRESSURE_WEIGHTS,
    QUALITY_SETS,
    SETS,
    Case,
    cases,
    f1,
)
from other_weights import WeightedDetector
from pressure_witness import pulses_alone, witnessed

from ecgfast import read_record

Rows = list[dict[str, Any]]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _grid(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows), ""]


def _score(key: str, entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "-"
    score = entry["mean_f1" if key == "nstdb" else "f1"]
    return f"{score:.2f} ({entry['fn']}, {entry['fp']})"


def _per_cent(part: float, whole: float, digits: int = 1) -> str:
    return f"{100 * part / whole:.{digits}f}" if whole else "-"


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


def seed_lines(found: dict[str, Any], seeds: dict[str, Any]) -> list[str]:
    """F1 of the learned method with weights from other seeds; nothing where there are none."""
    if not seeds:
        return []
    rows = [
        [SETS[key].title]
        + [_score(key, one.get(key, {}).get("neural")) for one in (found, *seeds.values())]
        for key in SETS
        if any(key in one for one in seeds.values()) and key != "mitdb"  # its halves are there
    ]
    return _grid(["set", "seed 1", *(name.replace("seed", "seed ") for name in seeds)], rows)


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


def pressure_lines(found: dict[str, Any]) -> list[str]:
    """Pulses of arterial pressure as witnesses of beats."""
    rows = []
    entries = found.get("bp", {})
    for method in dict.fromkeys(name for name in (*METHODS, *entries) if name in entries):
        entry = entries[method]
        pulses, missed = entry["pulses"], entry["without_beat"]
        both = pulses + entry["beats"] - missed - entry["without_pulse"]
        rows.append([f"{method} (ship)" if method == "neural" else method, str(entry["records"])])
        rows[-1] += [str(pulses), _per_cent(pulses - missed, pulses, 2)]
        rows[-1] += [_per_cent(entry["beats"] - entry["without_pulse"], entry["beats"], 2)]
        rows[-1] += [_per_cent(both, pulses + entry["beats"], 2)]
        rows[-1] += [f"{100 - entry['median']:.2f}", str(entry["records_over_5"])]
        rows[-1] += [_per_cent(entry["unflagged"], missed) if method in METHODS else "-"]
    head = ["method", "records", "pulses", "with a beat, %", "beats with a pulse, %", "both, %"]
    head += ["with a beat, median record, %", "records below 95 %"]
    return _grid([*head, "pulses without a beat, not flagged, %"], rows)


TEMPLATE = Path(__file__).with_name("generalisation.md.in")


def page(found: dict[str, Any]) -> str:
    """The page: the text of `generalisation.md.in` with the tables in their places."""
    tables = {
        "TABLE": table_lines(found["table"]),
        "SEEDS": seed_lines(found["table"], found.get("seeds", {})),
        "WORST": worst_lines(found["table"]),
        "QUALITY": quality_lines(found["table"]),
        "DELAYS": delay_lines(found["table"]),
        "STANDSTILL": standstill_lines(found["standstill"]),
        "NOISE": noise_lines(found["noise"]),
        "PRESSURE": pressure_lines(found["pressure"]),
    }
    text = TEMPLATE.read_text()
    for name, lines in tables.items():
        text = text.replace(f"@{name}@\n", "\n".join(lines))
    return text


PICTURES = {"ludb": 10.0, "mitdb": 12.0}
"""Sets of which failures are drawn, and seconds; none of CPSC2019, whose licence is unclear."""

UNFLAGGED = "svdb"
"""The set whose unflagged mistakes are all drawn."""
AROUND_S = 3.0
WITNESS_S = 15.0


class Pictures:
    """Pictures of mistakes of the learned method.

    Parameters
    ----------
    data : Path
        Folder of the recordings.
    cores : mapping of str to WeightedDetector
        By name of their weights.
    folder : Path
        Where the pictures go.
    """

    def __init__(self, data: Path, cores: Mapping[str, WeightedDetector], folder: Path) -> None:
        import matplotlib

        matplotlib.use("Agg")
        self._data, self._cores, self._folder = data, cores, folder

    def draw(self, key: str, rows: Rows) -> None:
        """Draw the rows of a set, if it is one that is drawn."""
        if key in PICTURES and any(row["errors"] for row in rows):
            self._most(key, rows, PICTURES[key])
        if key == UNFLAGGED and any(row["unflagged"] for row in rows):
            self._unflagged(key, rows)

    def draw_witness(self, rows: Rows) -> None:
        """The seconds in which most pulses of the arterial pressure have no beat."""
        import matplotlib.pyplot as plt

        rows = [row for row in rows if row["method"] == "neural"]
        row = max(rows, key=lambda row: row["counts"]["without_beat"])
        path = self._data / "bp" / row["record"]
        witness, pressure = witnessed(path), read_record(path, leads="ABP")
        case, core = witness.case, self._cores[PRESSURE_WEIGHTS]
        found = core.found(case.signal, case.fs, "neural")
        alone, length = pulses_alone(witness, found), WITNESS_S * case.fs
        begin = max(alone, key=lambda at: ((alone >= at) & (alone < at + length)).sum())
        first = int(max(0, min(begin - case.fs, len(case.signal) - length)))
        last = int(first + length)
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(11, 4.2), layout="constrained", sharex=True
        )
        _stretch(upper, replace(case, beats=np.empty(0, np.int64)), found, first, last)
        upper.set(ylabel="mV", title=f"bp: {case.name}, beats of neural")
        lower.plot(np.arange(first, last) / case.fs, pressure.signal[first:last, 0], lw=0.7)
        lower.set(xlabel="s", ylabel="mmHg")
        figure.savefig(self._folder / "generalisation-pressure.png", dpi=90)
        plt.close(figure)

    def _case(self, key: str, record: str) -> tuple[Case, Found]:
        path = self._data / SETS[key].folder / record.split(maxsplit=1)[0]
        case = next(case for case in cases(key, path) if case.name == record)
        core = self._cores[SETS[case.key].weights]
        return case, core.found(case.signal, case.fs, "neural")

    def _most(self, key: str, rows: Rows, seconds: float) -> None:
        """The seconds with the most mistakes."""
        import matplotlib.pyplot as plt

        row = max(rows, key=lambda row: len(row["errors"]))
        case, found = self._case(key, row["record"])
        errors, length = np.asarray(row["errors"]), seconds * case.fs
        begin = max(errors, key=lambda at: ((errors >= at) & (errors < at + length)).sum())
        first = int(max(0, min(begin - case.fs, len(case.signal) - length)))
        figure, axes = plt.subplots(figsize=(11, 2.8), layout="constrained")
        _stretch(axes, case, found, first, int(first + length))
        axes.set(xlabel="s", ylabel="mV", title=f"{SETS[case.key].title}: {case.name}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        figure.savefig(self._folder / f"generalisation-{key}.png", dpi=90)
        plt.close(figure)

    def _unflagged(self, key: str, rows: Rows) -> None:
        """Every mistake that nothing warns of."""
        import matplotlib.pyplot as plt

        number = sum(len(row["unflagged"]) for row in rows)
        lines = -(-number // 4)
        figure, grid = plt.subplots(
            lines, 4, figsize=(14, 1.25 * lines), layout="constrained", squeeze=False
        )
        left = iter(grid.flat)
        for row in rows:
            if not row["unflagged"]:
                continue
            case, found = self._case(key, row["record"])
            for at in row["unflagged"]:
                axes, around = next(left), AROUND_S * case.fs
                _stretch(axes, case, found, int(max(0, at - around)), int(at + around))
                axes.axvline(at / case.fs, lw=0.5)
                axes.set_title(f"{case.name}, {at / case.fs:.1f} s", fontsize=7)
                axes.tick_params(labelsize=6)
        for axes in left:
            axes.set_axis_off()
        figure.savefig(self._folder / f"generalisation-{key}-unflagged.png", dpi=80)
        plt.close(figure)


def _stretch(axes: Any, case: Case, found: Found, first: int, last: int) -> None:
    """A stretch of signal with the reference's beats above and the detector's below."""
    x = case.signal[first:last]
    axes.plot(np.arange(first, first + len(x)) / case.fs, x, "k", lw=0.7)
    top, low = x.max(), x.min()
    for peaks, mark, level, label in (
        (case.beats, "v", top + 0.12 * (top - low), "reference"),
        (found.sample, "^", low - 0.12 * (top - low), "neural"),
    ):
        shown = peaks[(peaks >= first) & (peaks < last)]
        axes.plot(shown / case.fs, np.full(len(shown), level), mark, ms=4, label=label)
