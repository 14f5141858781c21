"""`ecgfast classify`, its table of beats, `report` and its rows give the same figures."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thorough import thorough_cases

from ecgfast import Quality
from ecgfast.cli import main
from ecgfast.records import demo_record, synthetic_ecg

pytest.importorskip("jinja2")

CAPTURE = pytest.CaptureFixture[str]


def told_by(capsys: CAPTURE, *args: object) -> dict[str, Any]:
    assert main([*map(str, args), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def same(told: object, expected: object) -> None:
    """Equal; as numbers to the last digits, and a figure that is not defined is None in both."""
    if isinstance(told, float) and isinstance(expected, float):
        assert told == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    else:
        assert told == expected


def check_agreement(record: Path, folder: Path, capsys: CAPTURE, *options: str) -> dict[str, Any]:
    """Compare all that is printed and written of a recording; return the report's figures."""
    table = folder / "beats.csv"
    summary = told_by(capsys, "classify", record, "--output", table, *options)["summary"]
    report = told_by(capsys, "report", record, "--output", folder / "page.html", *options)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    waves = [bool(int(row["quality"]) & Quality.FLUTTER) for row in rows]
    labels = Counter(row["label"] for row, wave in zip(rows, waves, strict=True) if not wave)

    same(summary["beats"], report["beats"]["total"])
    same(summary["beats"], len(rows) - sum(waves))
    same(summary["flutter_waves"], report["beats"]["flutter_waves"])
    same(summary["flutter_waves"], sum(waves))
    same(summary["by_class"], report["beats"]["by_class"])
    same({name: count for name, count in summary["by_class"].items() if count}, dict(labels))

    rate = report["rate"]
    same(summary["rate_mean"], rate["mean"])
    for name in ("minimum", "maximum"):
        short, one = name[:3], rate[name] or {"rate": None, "time": None}
        same(summary[f"rate_{short}"], one["rate"])
        same(summary[f"rate_{short}_at"], one["time"])
    rhythm, longest = summary["rhythm"], rate["longest_rr"] or {"seconds": None, "time": None}
    same(rhythm["longest_rr"], longest["seconds"])
    same(rhythm["longest_rr_at"], longest["time"])

    quality = report["quality"]
    if summary["beats"]:
        same(summary["bad_quality"], quality["beats_in_bad_signal_share"])
    same(summary["unreadable"], quality["lost_seconds"])
    same(summary["saturated"], quality["beats_saturated"])

    same(summary["couplets"], report["ectopy"]["V"]["couplets"])
    for label, one in report["ectopy"].items():
        runs = summary["run_counts"].get(label, {"count": 0})
        same(runs["count"], one["runs"])
        same(one["beats"], one["single"] + 2 * one["couplets"] + one["beats_in_runs"])
        if one["longest_run"]:
            longest = max(
                (run for run in summary["runs"] if run["label"] == label),
                key=lambda run: run["beats"],
            )
            same(longest["beats"], one["longest_run"]["beats"])
            same(longest["heart_rate"], one["longest_run"]["rate"])
            same(longest["start"], one["longest_run"]["time"])

    events = Counter(event["kind"] for event in report["events"])
    same({kind: n for kind, n in rhythm["counts"].items() if n}, dict(events))
    same(summary["run_counts"].get("flutter", {"count": 0})["count"], events["ventricular_flutter"])
    for row in report["rhythm"]:
        same(row["count"], events[row["kind"]])
        if row["count"]:
            kind = rhythm["kinds"][row["kind"]]
            same(kind["seconds"], row["seconds"])
            same(kind["longest"]["start_time"], row["longest"]["time"])
            assert row["kind"] in ("pause", "asystole") or row["burden"] > 0
        if row["kind"] == "atrial_fibrillation":
            same(rhythm["atrial_fibrillation_burden"], row["burden"])
            fibrillation = row["seconds"]

    several = folder / "several"
    command = ["classify", record, record.with_name("none"), "--output", several, *options]
    assert main([*map(str, command)]) == 1
    capsys.readouterr()
    with (several / "summary.csv").open(newline="") as file:
        row, _ = csv.DictReader(file)
    for label, one in report["ectopy"].items():
        for what in ("couplets", "runs"):
            same(int(row[f"{label.lower()}_{what}"]), one[what])

    ectopy, rows = report["ectopy"], report["table"]
    for name, total in {
        "seconds": report["duration"],
        "beats": report["beats"]["total"],
        "v": ectopy["V"]["beats"],
        "s": ectopy["S"]["beats"],
        **{
            f"{label.lower()}_{what}": ectopy[label][what]
            for label in "VS"
            for what in ("couplets", "runs")
        },
        "pauses": events["pause"] + events["asystole"],
        "af_seconds": fibrillation,
        "lost_seconds": quality["lost_seconds"],
    }.items():
        same(float(sum(row[name] for row in rows)), float(total))
    for name, best in (("minimum", min), ("maximum", max)):
        rates = [row[name] for row in rows if row[name] is not None]
        if rate[name]:
            same(best(rates), rate[name]["rate"])
    return report


@pytest.mark.parametrize(
    "name",
    [
        "excerpts/mitdb/208",
        "excerpts/nstdb/118e06",
        *thorough_cases(
            "mitdb/203",  # noise, fibrillation
            "mitdb/207",  # ventricular flutter
            "mitdb/208",
            "mitdb/222",
            "svdb/865",  # long tachycardia, noise
            "nsrdb/19090",
            "bp/v224s",  # almost no readable interval
            "ludb/2",  # ten seconds
        ),
    ],
)
def test_all_figures_of_a_recording_agree(
    name: str,
    record_path: Any,
    tmp_path: Path,
    capsys: CAPTURE,
) -> None:
    check_agreement(record_path(name), tmp_path, capsys)


@pytest.mark.parametrize(
    "kind", ["gap", "every third missing", "one lead off", "noise", "flutter", "saturated"]
)
def test_all_figures_of_a_bad_recording_agree(kind: str, tmp_path: Path, capsys: CAPTURE) -> None:
    record = demo_record()
    fs, signal = record.fs, np.tile(record.signal, (3, 1))
    rng = np.random.default_rng(5)
    at = round(60 * fs)
    if kind == "gap":
        signal[at : at + round(7 * fs)] = np.nan
    elif kind == "every third missing":
        signal[at::3] = np.nan
    elif kind == "one lead off":
        signal[at:, 1] = 4.0
    elif kind == "saturated":
        signal = np.clip(signal, None, 0.3)
    elif kind == "noise":
        signal[at : at + round(40 * fs)] += rng.normal(0, 1.5, (round(40 * fs), 2))
    else:
        wave = np.sin(2 * np.pi * 4.5 * np.arange(round(30 * fs)) / fs)
        signal[at : at + len(wave)] = wave[:, None]
    path = tmp_path / "made.npz"
    np.savez(path, signal=signal.astype(np.float32), fs=fs, leads=np.array(record.leads))
    report = check_agreement(path, tmp_path, capsys, "--leads", ",".join(record.leads))
    assert (report["quality"]["beats_saturated"] > 10) == (kind == "saturated")
    limit = "Beats at the converter" in (tmp_path / "page.html").read_text("utf-8")
    assert limit == (kind == "saturated")
    if kind == "flutter":
        flutter = report["rhythm"][0]
        assert flutter["kind"] == "ventricular_flutter"
        assert flutter["burden"] == pytest.approx(flutter["seconds"] / report["duration"])
        # Not every wave is detected: a rate would be too low.
        (event,) = (one for one in report["events"] if one["kind"] == "ventricular_flutter")
        assert event["rate"] is None


def test_a_strip_with_fewer_than_eight_intervals_has_a_rate(
    tmp_path: Path, capsys: CAPTURE
) -> None:
    """Ten seconds at 38 a minute: six RR intervals."""
    record = synthetic_ecg(10.0, 250.0, heart_rate=38.0, seed=2)
    path = tmp_path / "slow.npz"
    np.savez(path, signal=record.signal[:, :1].astype(np.float32), fs=250.0, leads=["II"])
    report = check_agreement(path, tmp_path, capsys)
    assert report["rate"]["mean"] == pytest.approx(38, abs=3)
    assert report["rate"]["minimum"]["rate"] == report["rate"]["maximum"]["rate"]
    assert math.isfinite(report["table"][0]["mean"])
