"""Several recordings by one command: each once, each in its own file, and a table of all."""

from __future__ import annotations

import csv
import importlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import detect_qrs
from ecgfast.cli import main
from ecgfast.records import Record, read_annotations, synthetic_ecg, write_annotations
from ecgfast.records.finding import find_recordings
from ecgfast.records.formats import CONVERTERS, FORMATS

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX links and names")


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(20.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture
def save(tmp_path: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a recording under a name, in the working folder of the test."""
    monkeypatch.chdir(tmp_path)

    def save(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            path.write_text("# fs=250\nECG\n" + "\n".join(f"{x:.5f}" for x in ecg.signal[:, 0]))
        else:
            counts = np.round(ecg.signal * 200).astype("<i2")
            path.with_name(f"{path.name}.dat").write_bytes(counts.tobytes())
            signal = f"{path.name}.dat 16 200 16 0 0 0 0"
            path.with_name(f"{path.name}.hea").write_text(
                f"{path.name} 2 250 {len(counts)}\n{signal} MLII\n{signal} V1\n"
            )
            write_annotations(path.with_name(f"{path.name}.atr"), [10, 500], ["N", "V"], 250.0)
        return path

    return save


def table(path: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


Save = Callable[[str], Path]
Capture = pytest.CaptureFixture[str]


# ------------------------------------------------------------------ which recordings


def found(*given: str) -> list[str]:
    return find_recordings(given).names


def test_the_files_of_a_record_count_once(save: Save) -> None:
    save("db/100"), save("db/101"), save("db/b.csv")
    Path("db/100.xws").write_text("of another program\n")
    Path("db/RECORDS").write_text("100\n101\n")
    assert found("db") == ["100", "101", "b.csv"]
    assert found("db/100", "db/100.hea", "db/100.dat", "db/100.atr") == ["100"]
    assert found(*(str(path) for path in sorted(Path("db").glob("10*")))) == ["100", "101"]
    for pattern in ("db/10*", "db/*.dat", "db/10?.atr", "**/*.hea", "d*/10[01]*"):
        assert [Path(name).name for name in found(pattern)] == ["100", "101"], pattern
    assert found("db/b.csv", "./db/b.csv") == ["b.csv"]
    assert find_recordings(["db"]).left_out == [(Path("db/RECORDS"), "no recording")]


def test_segments_belong_to_their_record(save: Save) -> None:
    for name in ("seg/s1", "seg/s2", "seg/alone"):
        save(name)
    Path("seg/whole.hea").write_text("whole/2 1 250 10000\ns1 5000\ns2 5000\n")
    Path("seg/x.hea").write_text("x/1 1 250 5000\ny 5000\n")  # two that name each other stay
    Path("seg/y.hea").write_text("y/1 1 250 5000\nx 5000\n")
    assert found("seg") == ["alone", "whole", "x", "y"]


def test_text_of_words_is_no_recording(save: Save) -> None:
    save("d/a.csv")
    Path("d/README.txt").write_text("Twelve leads of 10 s, taken in 1999.\n" * 40)
    Path("d/SHA256SUMS.txt").write_text("0123456789abcdef" * 4 + "  a.csv\n")
    Path("d/info.json").write_text('{"name": "a", "comment": "nothing to see"}')
    Path("d/samples.txt").write_text("0.125\n" * 3000)
    Path("d/.hidden.csv").write_text("0.125\n" * 3000)
    assert found("d") == ["a.csv", "samples.txt"]
    # What is named is tried, whatever it is.
    assert found("d/README.txt") == ["README.txt"]


@posix
def test_links_and_loops(save: Save) -> None:
    save("d/deep/100")
    Path("d/deep/up").symlink_to("..")
    Path("d/again").symlink_to("deep")
    Path("d/round.csv").symlink_to("round.csv")
    Path("other").symlink_to("d")
    for given in ("d", "other", "d/", "./d"):
        names = found(given)
        assert [Path(name).name for name in names if name != "round.csv"] == ["100"], given
    assert len(found("d/**/*.dat")) == 1
    assert found("d", "d/deep/100", "d/again/100") == found("d")


def test_names_lead_from_the_folder_that_holds_all(save: Save) -> None:
    save("a/100"), save("b/100"), save("b/c/100")
    assert found("a", "b") == ["a/100", "b/100", "b/c/100"]
    assert found("b") == ["100", "c/100"]
    assert found("a/100", "b/100") == ["a/100", "b/100"]
    assert found("b/*/100*") == ["c/100"]


def test_every_extension_is_read_or_has_a_converter() -> None:
    assert not {suffix for each in FORMATS for suffix in each.suffixes} & set(CONVERTERS)


# ------------------------------------------------------------------ what comes of them


def test_each_has_its_file_and_all_a_table(save: Save, ecg: Record, capsys: Capture) -> None:
    save("in/a/100"), save("in/b/100"), save("in/b/n.csv")
    assert main(["detect", "in", "--output", "out/new"]) == 0
    expected = detect_qrs("in/a/100").tolist()
    files = sorted(str(path) for path in Path("out").rglob("*") if path.is_file())
    assert files == [f"out/new/{name}" for name in ("a/100.qrs", "b/100.qrs", "b/n.qrs")] + [
        "out/new/summary.csv"
    ]
    assert read_annotations("out/new/a/100.qrs").sample.tolist() == expected
    rows = table("out/new/summary.csv")
    assert [row["record"] for row in rows] == ["a/100", "b/100", "b/n.csv"]
    assert [int(row["beats"]) for row in rows][:2] == [len(expected)] * 2
    assert [row["output"] for row in rows] == files[:3]
    assert all(float(row["heart_rate"]) > 40 and row["error"] == "" for row in rows)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0].split() == [
        "recording",
        "length",
        "beats",
        "heart",
        "rate",
        "flutter",
    ]
    assert "recordings  3, " in out

    args = ["detect", "in", "--format", "csv", "--output", "csv", "--summary", "s/all.json"]
    assert main([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    kept = json.loads(Path("s/all.json").read_text())
    assert kept["recordings"] == told["recordings"]
    assert [one["beats"] for one in kept["recordings"]][:2] == [len(expected)] * 2
    assert [int(row["sample"]) for row in table("csv/b/100.csv")] == expected


def test_classify_takes_many_and_loads_the_model_once(
    save: Save, model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgfast import runtime

    made = []

    class Counted(runtime.Classifier):
        def __init__(self, *args: Any, **more: Any) -> None:
            made.append(args)
            super().__init__(*args, **more)

    monkeypatch.setattr(runtime, "Classifier", Counted)
    save("in/100"), save("in/101")
    assert main(["classify", "in", "--model", str(model), "--output", "out"]) == 0
    assert len(made) == 1
    rows = table("out/summary.csv")
    assert [sum(int(row[c]) for c in "NSVFQ") for row in rows] == [int(r["beats"]) for r in rows]
    assert read_annotations("out/101.ecg").symbol.tolist().count("V") == int(rows[1]["V"])
    assert main(["classify", "in", "--model", str(model), "--output", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert told["failed"] == 0


@pytest.mark.parametrize("command", ["detect", "classify"])
def test_a_bad_file_stops_no_other(command: str, save: Save, model: Path, capsys: Capture) -> None:
    save("in/a"), save("in/z")
    Path("in/m.csv").write_text("# fs=250\nECG\n0.1\noops\n" * 9)
    save("in/cut")
    Path("in/cut.dat").write_bytes(Path("in/cut.dat").read_bytes()[:5000])
    args = [command, "in", "missing.csv", "--output", "out"]
    args += ["--model", str(model)] if command == "classify" else []
    assert main(args) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 4
    for name, line in zip(("in/cut", "in/m.csv", "missing.csv"), lines, strict=False):
        assert line.startswith("ecgfast: ")
        assert name in line
    assert lines[-1] == "ecgfast: 3 of 5 recordings failed; the others were written"
    rows = {row["record"]: row for row in table("out/summary.csv")}
    assert [name for name in rows if not rows[name]["error"]] == ["in/a", "in/z"]
    assert "2, 3 failed" in out
    capsys.readouterr()
    assert main([*args, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_no_recording_at_all(save: Save, capsys: Capture) -> None:
    save("in/a")
    Path("empty").mkdir()
    Path("words").mkdir()
    Path("words/notes.md").write_text("none\n")
    for given, told in (
        ("empty", "empty: the folder is empty"),
        ("words", "words: holds no recording, but one other file, notes.md"),
        ("in/*.xyz", "in/*.xyz: the pattern matches no file; check it"),
        ("words/*", "words/*: the pattern matches no recording: holds no recording, but one"),
    ):
        assert main(["detect", given, "--output", "out"]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"ecgfast: {told}")
        assert not Path("out").exists()
    # Beside others it is one that failed.
    assert main(["detect", "in/a", "empty", "--output", "out"]) == 1
    out, err = capsys.readouterr()
    assert "ecgfast: 1 of 2 recordings failed" in err
    assert Path("out/in/a.qrs").is_file()


def test_without_beats(save: Save, capsys: Capture) -> None:
    save("in/a")
    Path("in/flat.csv").write_text("# fs=250\nECG\n" + "0.5\n" * 5000)
    assert main(["detect", "in", "--output", "out"]) == 0
    told = capsys.readouterr().err
    assert "warning: no beat was found in 1 of 2 recordings (flat.csv)" in told
    assert main(["detect", "in", "--output", "out", "--strict"]) == 3
    Path("in/bad.csv").write_text("ECG\nwords\n")
    assert main(["detect", "in", "--output", "out", "--strict"]) == 1  # a failure says more


@posix
def test_strange_names(save: Save, capsys: Capture) -> None:
    names = ["a b.csv", "a_b.csv", "A_B.csv", "=1+1.csv", "line\nbreak.csv", "é.csv", "-x.csv"]
    names += ["summary.csv", "[1].csv", "\udcff.csv", "x" * 230 + ".csv"]
    for name in names:
        save(f"in/{name}")
    assert main(["detect", "in", "--output", "out", "--format", "csv"]) == 0
    rows = table("out/summary.csv")
    assert len(rows) == len(names)
    files = [Path(row["output"]) for row in rows]
    assert len({str(path).casefold() for path in files}) == len(names)
    assert all(path.is_file() and path.parent == Path("out") for path in files)
    assert "'=1+1.csv" in {row["record"] for row in rows}
    assert "\x1b" not in capsys.readouterr().out
    for name in ("[1].csv", "line\nbreak.csv"):
        assert main(["detect", f"in/{name}", "--output", "one.qrs"]) == 0


def test_one_recording_under_several_extensions(save: Save, ecg: Record) -> None:
    save("in/x.csv")
    np.savez(Path("in/x.npz"), signal=ecg.signal, fs=250.0)
    assert main(["detect", "in", "--output", "out"]) == 0
    assert {path.name for path in Path("out").iterdir()} == {"x.qrs", "x_npz.qrs", "summary.csv"}


# ------------------------------------------------------------------ what is written over


@pytest.mark.parametrize("form", ["csv", "json", "atr"])
def test_results_among_recordings_are_none(form: str, save: Save, capsys: Capture) -> None:
    save("in/a"), save("in/sub/b")
    args = ["detect", "in", "--output", "in", "--format", form]
    assert main(args) == 0
    assert main(args) == 0
    err = capsys.readouterr().err
    assert "ecgfast: in/summary.csv: replaced a summary of ecgfast" in err
    assert "ecgfast: 2 files of earlier runs were replaced" in err
    assert [row["record"] for row in table("in/summary.csv")] == ["a", "sub/b"]


def test_no_input_and_nothing_foreign_is_written_over(
    save: Save, model: Path, capsys: Capture
) -> None:
    save("in/a.csv"), save("in/b.csv")
    before = Path("in/a.csv").read_bytes()
    for force in ([], ["--force"]):
        args = ["detect", "in", "--output", "in", "--format", "csv", *force]
        assert main(args) == 1
        assert "in/a.csv: is read as input" in capsys.readouterr().err
        assert Path("in/a.csv").read_bytes() == before
    shutil.rmtree("in")
    save("in/a"), save("in/b")
    Path("out").mkdir()
    Path("out/a.qrs").write_text("mine\n")
    assert main(["detect", "in", "--output", "out"]) == 1
    assert "out/a.qrs: is there already" in capsys.readouterr().err
    assert Path("out/a.qrs").read_text() == "mine\n"
    assert Path("out/b.qrs").is_file()
    assert main(["detect", "in", "--output", "out", "--force"]) == 0
    Path("out/summary.csv").write_text("name,price\n")
    assert main(["detect", "in", "--output", "out"]) == 2
    assert Path("out/summary.csv").read_text() == "name,price\n"


def test_outputs_that_are_none(save: Save, capsys: Capture) -> None:
    save("in/a"), save("in/b")
    for args, told in (
        (["in", "--output", "all.csv"], "--output all.csv: names a file; with several"),
        (["in", "--output", "in/a.dat"], "--output in/a.dat: names a file"),
        (["in", "--summary", "all.xlsx"], "--summary all.xlsx: give a .csv or a .json file"),
        (["in/a", "--summary", "all.csv"], "--summary goes with several recordings"),
    ):
        assert main(["detect", *args]) == 2
        assert told in capsys.readouterr().err
        assert sorted(path.name for path in Path().iterdir()) == ["in"]


def test_output_makes_its_folder(save: Save) -> None:
    save("in/a")
    for output, file in (
        ("x/y/peaks.csv", "x/y/peaks.csv"),
        ("new", "new/a.qrs"),
        ("v1.0/", "v1.0/a.qrs"),
        ("one/two", "one/two/a.qrs"),
    ):
        assert main(["detect", "in/a", "--output", output]) == 0
        assert Path(file).is_file()


@pytest.mark.parametrize("command", ["classify", "detect", "report"])
def test_an_interrupt_among_several_says_what_is_done(
    command: str,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command == "report":
        pytest.importorskip("jinja2")
    for name in ("b.csv", "c.csv"):
        (tmp_path / name).write_bytes(recording.read_bytes())
    module = importlib.import_module(f"ecgfast.cli.{command}")
    work = getattr(module, f"_{command.capitalize()}")
    whole = work.__call__

    def interrupted(self: Any, path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "c.csv":
            raise KeyboardInterrupt
        return whole(self, path, *args, **options)

    monkeypatch.setattr(work, "__call__", interrupted)
    assert main([command, "b.csv", "c.csv", "night.csv", "--fs", "250", "--output", "out"]) == 130
    last = "index.html" if command == "report" else "summary.csv"
    err = capsys.readouterr().err
    assert "ecgfast: interrupted: 1 of 3 recordings are done, and what was written" in err
    assert f"out/{last} was not written\n" in err
    assert [path.stem for path in (tmp_path / "out").iterdir()] == ["b"]
