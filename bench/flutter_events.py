"""Ventricular flutter and fibrillation: what is found, and what is called so.

    python bench/flutter_events.py $ECGFAST_DATA

- Record 207 of mitdb, the only one in the data with marked ventricular flutter: seconds of the
  events against those of the marks, by detector and lead.
- Made fibrillation: 20 s of waves whose rate and height wander, put in place of the rhythm of
  mitdb 100 and nine healthy people (nsrdb), first lead.
- Events in all other recordings, of which none is known to hold ventricular flutter (alarms of
  ventricular tachycardia of intensive care, `bp`, may).

The limits of the statistic are those of Kuo and Dillman (1978) in part; the others were set with
record 207 and with all of these recordings in sight. `rhythm_page.py` puts the tables into docs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ecgfast import Event, EventKind, Record, events, read_record
from ecgfast.evaluation import flutter_intervals
from ecgfast.evaluation.episodes import EpisodeScore, score_episodes
from ecgfast.reports.table import Table

Method = Literal["neural", "adaptive", "pan-tompkins"]
Signal = npt.NDArray[np.float32]

METHODS: tuple[Method, ...] = ("neural", "adaptive", "pan-tompkins")
LEADS = {"both": None, "first": 0, "second": 1}
RECORD = "207"
OTHERS = ("mitdb", "svdb", "nsrdb", "nstdb", "qtdb", "ludb", "cinc2017", "bp")

BEGIN_S, LENGTH_S = 300.0, 20.0
RATES_HZ = (3.5, 5.0, 6.5)
HEIGHTS = (0.5, 1.0)
"""From top to bottom, as shares of the height of the QRS complexes."""
FOUND_SHARE = 0.5
"""Share of the seconds that have to be reported for the stretch to count as found."""


def flutter_of(found: Sequence[Event]) -> npt.NDArray[np.int64]:
    """First and last samples of the events of ventricular flutter that have ended."""
    spans = [
        (one.start, one.end)
        for one in found
        if one.kind == EventKind.VENTRICULAR_FLUTTER and not one.ongoing
    ]
    return np.array(spans, np.int64).reshape(-1, 2)


def marked(path: Path, method: Method, lead: int | None) -> EpisodeScore:
    """Events against the marks of a record."""
    record = read_record(path, leads=lead)
    marks = record.annotations
    assert marks is not None
    reference = flutter_intervals(marks.sample, marks.symbol.tolist())
    found = flutter_of(list(events(record, method=method)))
    return score_episodes(reference, found, record.fs, record.n_samples, record=path.name)


def fibrillation(fs: float, hz: float, height: float, seed: int) -> Signal:
    """Waves whose rate and height wander."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(LENGTH_S * fs)) / fs
    knots = np.arange(0.0, LENGTH_S + 1.0, 0.5)
    rate = hz + 0.8 * np.interp(t, knots, rng.normal(0.0, 1.0, len(knots)))
    size = np.interp(t, knots, rng.uniform(0.4, 1.0, len(knots)))
    phase = np.cumsum(2 * np.pi * rate / fs)
    return np.asarray(0.5 * height * size * (np.sin(phase) + 0.3 * np.sin(2 * phase + 1)), "f4")


def people_of(data: Path) -> list[Path]:
    """The recordings into which fibrillation is put: mitdb 100, and healthy people."""
    people = [data / "mitdb" / "100", *sorted((data / "nsrdb").glob("*.hea"))]
    return [path.with_suffix("") for path in people]


def with_fibrillation(path: Path) -> Iterator[tuple[Signal, float]]:
    """The first lead, each time with other waves in place of the same seconds."""
    record = read_record(path, leads=0)
    x, fs = record.signal[:, 0], record.fs
    begin = int(BEGIN_S * fs)
    before = x[begin - int(30.0 * fs) : begin]
    qrs = float(np.median([np.ptp(part) for part in np.array_split(before, 15)]))
    for hz in RATES_HZ:
        for share in HEIGHTS:
            waves = fibrillation(fs, hz, share * qrs, seed=sum(path.name.encode()) + int(hz))
            tail = x[begin + len(waves) : begin + len(waves) + int(60.0 * fs)]
            yield np.concatenate([x[:begin], x[begin - 1] + waves, tail]), fs


def made(paths: Sequence[Path], method: Method) -> dict[str, Any]:
    """What becomes of made fibrillation: how often it is found, and after how many seconds."""
    n = found = standstill = 0
    delays = []
    for path in paths:
        for signal, fs in with_fibrillation(path):
            told = list(events(signal, fs, method=method))
            inside = np.zeros(len(signal), dtype=bool)
            for first, last in flutter_of(told):
                inside[first : last + 1] = True
            begin, end = int(BEGIN_S * fs), int((BEGIN_S + LENGTH_S) * fs)
            n += 1
            if inside[begin:end].mean() >= FOUND_SHARE:
                found += 1
                delays.append((np.flatnonzero(inside[begin:end])[0]) / fs)
            elif any(
                one.kind == EventKind.ASYSTOLE and one.end > begin and one.start < end
                for one in told
            ):
                standstill += 1
    return {
        "method": method,
        "stretches": n,
        "found": found,
        "asystole": standstill,
        "begins_late_s": median(delays) if delays else None,
    }


def recordings(folder: Path) -> Iterator[Record]:
    """All recordings of a database but the marked one."""
    for header in sorted(folder.glob("*.hea")):
        if (folder.name, header.stem) != ("mitdb", RECORD):
            yield read_record(header.with_suffix(""))


def elsewhere(data: Path) -> list[dict[str, Any]]:
    """Events in recordings without marks of flutter, by the default detector, all leads."""
    out = []
    for name in OTHERS:
        seconds, found = 0.0, []
        for record in recordings(data / name):
            seconds += record.n_samples / record.fs
            found += [
                f"{record.name} at {first / record.fs:.0f} s, {(last - first) / record.fs:.1f} s"
                for first, last in flutter_of(list(events(record)))
            ]
        out.append({"set": name, "hours": seconds / 3600.0, "events": found})
    return out


def score(data: Path) -> tuple[list[Table], dict[str, Any]]:
    """The tables, and all figures under plain names."""
    scores = {
        (method, name): marked(data / "mitdb" / RECORD, method, lead)
        for method in METHODS
        for name, lead in LEADS.items()
    }
    waves = [made(people_of(data), method) for method in METHODS]
    others = elsewhere(data)
    tables = [
        Table(
            f"Ventricular flutter of mitdb {RECORD}",
            ["detector", "leads", "marked, s", "reported, s", "duration Se, %", "duration +P, %"],
            [
                [
                    method,
                    name,
                    f"{one.reference_s:.0f}",
                    f"{one.test_s:.0f}",
                    f"{one.duration_sensitivity:.1f}",
                    f"{one.duration_predictivity:.1f}",
                ]
                for (method, name), one in scores.items()
            ],
            left=2,
        ),
        Table(
            f"Made fibrillation, {LENGTH_S:.0f} s each",
            ["detector", "stretches", "found", "asystole alone", "begins late, s, median"],
            [
                [
                    one["method"],
                    str(one["stretches"]),
                    str(one["found"]),
                    str(one["asystole"]),
                    "-" if one["begins_late_s"] is None else f"{one['begins_late_s']:.1f}",
                ]
                for one in waves
            ],
        ),
        Table(
            "Ventricular flutter reported elsewhere",
            ["set", "hours", "events", "where"],
            [
                [
                    one["set"],
                    f"{one['hours']:.1f}",
                    str(len(one["events"])),
                    "; ".join(one["events"]),
                ]
                for one in others
            ],
        ),
    ]
    figures = {
        "record": {f"{method}, {name}": one.to_dict() for (method, name), one in scores.items()},
        "made": waves,
        "elsewhere": others,
    }
    return tables, figures


def main() -> None:
    """Score, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds mitdb/, nsrdb/, ...")
    for table in score(parser.parse_args().data)[0]:
        print(f"{table.heading}\n\n{table.markdown()}\n")


if __name__ == "__main__":
    main()
