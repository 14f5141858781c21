"""What is summed up of the results of an archive."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError, annotate_archive
from ecgfast.archive.summary import _by_recording, _wilson, summarise, write_summary
from ecgfast.cli import main
from ecgfast.records import synthetic_ecg

pytest.importorskip("pyarrow")
pytest.importorskip("jinja2")

Save = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, save: Save) -> Path:
    """Strips, a long recording, one that stops, one that is flat, and one that is none."""
    home = tmp_path_factory.mktemp("summary")
    for i in range(3):
        save(home / "a" / f"strip{i}", i)
    save(home / "a" / "long", repeat=10)
    rows = ["# fs=250", "ECG", *("0.25" for _ in range(2500))]
    (home / "a" / "flat<b>.csv").write_text("\n".join(rows))
    signal = synthetic_ecg(30.0, 250.0, seed=2).signal[:, 0].copy()
    # Ten seconds of baseline wander without beats: a flat line would be a lead that is off.
    signal[3000:5500] = signal[3000] + 0.02 * np.sin(2 * np.pi * 0.4 * np.arange(2500) / 250.0)
    (home / "a" / "=stop.csv").write_text("# fs=250\nECG\n" + "\n".join(f"{x:.4f}" for x in signal))
    (home / "a" / "bad.csv").write_text("")
    annotate_archive(home / "a", home / "out", workers=1)
    return home / "out"


def test_its_figures_are_those_of_the_tables(results: Path) -> None:
    found = summarise(results)
    prevalence = {row["finding"]: row for row in found.prevalence}
    assert prevalence["atrial fibrillation"]["of"] == 2  # of 30 s and more
    assert prevalence["ventricular ectopic beat"]["of"] == 6
    assert prevalence["ventricular ectopic beat"]["recordings"] >= 4
    for measure in {(row["measure"], row["unit"]) for row in found.distributions}:
        rows = [row for row in found.distributions if (row["measure"], row["unit"]) == measure]
        if measure[1] == "per hour":  # none is as long as ten minutes
            assert sum(row["recordings"] for row in rows) == 0
            continue
        assert sum(row["share"] for row in rows) == pytest.approx(1.0)
        assert 3 <= sum(row["recordings"] for row in rows) <= 6
    assert found.quality[0]["recording"] == "flat<b>.csv"
    assert found.quality[0]["beats"] == 0
    assert found.hours == pytest.approx((4 * 12 + 9 * 12 + 10 + 30) / 3600, abs=0.01)
    assert [name for name, _ in found.status.failures] == ["bad.csv"]
    assert found.duplicates == []


def test_page_and_tables_are_written(results: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["summary", str(results)]) == 0
    out = capsys.readouterr().out
    assert "ventricular ectopic beat" in out
    page = (results / "summary" / "index.html").read_text("utf-8")
    assert "flat&lt;b&gt;.csv" in page
    assert "flat<b>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    for name, rows in summarise(results).tables().items():
        written = list(csv.DictReader((results / "summary" / f"{name}.csv").open()))
        assert len(written) == len(rows), name
    critical = (results / "summary" / "critical.csv").read_text("utf-8")
    assert "\n=stop" not in critical
    assert "\n'=stop.csv,asystole," in critical
    assert "asystole" in page
    assert main(["summary", str(results), "--output", str(tmp_path / "s"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"]["done"] == 6
    assert (tmp_path / "s" / "index.html").read_text("utf-8") == page


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("full", ["distributions.csv", "failures.csv"])
def test_a_full_disk_leaves_the_earlier_page_and_tables(
    results: Path, tmp_path: Path, full: str
) -> None:
    written = write_summary(results, tmp_path)
    for path in written:
        path.write_text("earlier")
    (tmp_path / full).unlink()
    (tmp_path / full).symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        write_summary(results, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(x.name for x in written)
    assert {x.read_text() for x in written if x.name != full} == {"earlier"}


def test_events_of_a_recording_are_one_row_of_the_page() -> None:
    rows = [("asystole", "b", 5.0), ("asystole", "a", 3.0), ("asystole", "b", 7.0)]
    events = [
        {"kind": kind, "recording": name, "start_time": 1.0, "end_time": end}
        for kind, name, end in rows
    ]
    found = [(key, len(events), longest["end_time"]) for key, events, longest in
             _by_recording(events)]  # fmt: skip
    assert found == [(("asystole", "b"), 2, 7.0), (("asystole", "a"), 1, 3.0)]


def test_without_results_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results"):
        summarise(tmp_path)
    (tmp_path / "bad.csv").write_text("")
    annotate_archive(tmp_path / "bad.csv", tmp_path / "out", workers=1)
    with pytest.raises(InputError, match="no recording has results yet"):
        write_summary(tmp_path / "out")


def test_the_interval_of_a_share() -> None:
    """Against Newcombe, Statistics in Medicine 17:857, 1998, table I."""
    assert _wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert _wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert _wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert _wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)
    assert math.isnan(_wilson(0, 0)[0])


def test_it_names_duplicates_and_mixed_settings(
    tmp_path: Path, save: Save, capsys: Capture
) -> None:
    for i, name in enumerate(("b.csv", "c.csv")):
        save(tmp_path / "a" / name, i)
    annotate_archive(tmp_path / "a", tmp_path / "out", workers=1)
    save(tmp_path / "a" / "d" / "a.csv", 0)
    annotate_archive(tmp_path / "a", tmp_path / "out", workers=1, mix=True, method="adaptive")
    assert main(["summary", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "duplicates  1 recording with the same content as another one" in out
    assert "mixed with  earlier results: method was 'neural' and is 'adaptive'" in out
    folder = tmp_path / "out" / "summary"
    assert (folder / "duplicates.csv").read_text() == "recording,same_as\nd/a.csv,b.csv\n"
    page = (folder / "index.html").read_text("utf-8")
    assert "1 recording with the same content as another one" in page
    assert "Some recordings were classified otherwise" in page
