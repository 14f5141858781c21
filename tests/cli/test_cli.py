"""The ecgfast command: what it writes and prints, and what it says when something is wrong."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model

import ecgfast
from ecgfast import Classifier, detect_qrs, stream_classify
from ecgfast.cli import COMMANDS, main
from ecgfast.cli.output import caution_texts
from ecgfast.records import Record, read_annotations, synthetic_ecg
from ecgfast.reports import Tally
from ecgfast.rhythm import RhythmSummary
from ecgfast.runtime import ModelCard, available_models

ROOT = Path(ecgfast.__file__).parents[1]  # of what is tested, installed or not


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(40.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture
def recording(tmp_path: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV recording in the working folder of the test."""
    monkeypatch.chdir(tmp_path)
    lines = ["MLII,V1", *(f"{a:.5f},{b:.5f}" for a, b in ecg.signal)]
    path = tmp_path / "night.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run a command that must fail: one line, no output, no new file."""

    def run(*args: object, status: int = 1) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main([str(arg) for arg in args]) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ecgfast: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run


def beat_rows(lines: str) -> list[Any]:
    """The beats among the lines of JSON of a stream; others are rhythm events."""
    return [row for row in map(json.loads, lines.splitlines()) if "label" in row]


def test_help_lists_every_command_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        present = (ROOT / "ecgfast" / "cli" / f"{name}.py").is_file()
        assert (f"\n    {name} " in text) == present


@pytest.mark.parametrize(
    "name", [n for n in COMMANDS if (ROOT / "ecgfast" / "cli" / f"{n}.py").is_file()]
)
def test_help_of_a_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"ecgfast {name}" in capsys.readouterr().out.partition("example:")[2]


@pytest.mark.parametrize(
    "args",
    [[], ["nope"], ["detect"], ["detect", "x", "--method", "magic"], ["models", "--fs", "3"]],
)
def test_wrong_use_is_status_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: ecgfast" in err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from ecgfast import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ecgfast {__version__}\n"


def test_a_command_imports_no_more_than_it_needs() -> None:
    code = (
        "import sys; from ecgfast.cli import main; main(['detect', '--help']);"
        "print(sorted({'tensorflow', 'ai_edge_litert', 'tflite_runtime', 'matplotlib', 'pandas',"
        "'sklearn', 'ecgfast.cli.classify', 'ecgfast.runtime.classifier'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("method", ["adaptive", "pan-tompkins"])
def test_detect_writes_what_detect_qrs_finds(
    method: Any, recording: Path, ecg: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = detect_qrs(np.round(ecg.signal.astype(float), 5), 250.0, method=method)
    args = ["detect", str(recording), "--fs", "250", "--method", method]
    assert main(args) == 0
    assert f"beats       {len(expected)}" in capsys.readouterr().out
    marks = read_annotations("night.qrs")
    np.testing.assert_array_equal(marks.sample, expected)
    assert set(marks.symbol) == {"N"}

    assert main([*args, "--output", "peaks.csv"]) == 0
    rows = list(csv.DictReader(Path("peaks.csv").read_text().splitlines()))
    assert [int(row["sample"]) for row in rows] == expected.tolist()
    assert rows[0]["rr"] == ""
    assert float(rows[1]["rr"]) == pytest.approx((expected[1] - expected[0]) / 250.0)

    capsys.readouterr()
    assert main([*args, "--format", "json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == "night.json"
    assert told["beats"] == len(expected)
    held = json.loads(Path("night.json").read_text())
    assert [beat["sample"] for beat in held["beats"]] == expected.tolist()
    assert held["method"] == method


def test_classify_writes_the_beats_of_stream_classify(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beats = list(stream_classify(recording, 250.0, model=model))
    labels = [beat.label for beat in beats]
    assert len(set(labels)) > 1
    args = ["classify", str(recording), "--fs", "250", "--model", str(model)]
    assert main(args) == 0
    out = capsys.readouterr().out
    assert f"beats       {len(beats)}\n" in out
    assert "real time" in out
    assert "not a medical device" in out

    wfdb = pytest.importorskip("wfdb")
    marks = wfdb.rdann("night", "ecg")
    np.testing.assert_array_equal(marks.sample, [beat.sample for beat in beats])
    assert marks.symbol == labels

    assert main([*args, "--output", "beats.csv"]) == 0
    rows = list(csv.DictReader(Path("beats.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == labels

    Path("out").mkdir()
    capsys.readouterr()
    assert main([*args, "--output", "out", "--format", "json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["beats"] == len(beats)
    assert {k: v for k, v in told["summary"]["by_class"].items() if v} == {
        label: labels.count(label) for label in labels
    }
    held = json.loads(Path("out", "night.json").read_text())
    assert [beat["sample"] for beat in held["beats"]] == [beat.sample for beat in beats]
    assert held["record"] == "night"
    assert held["leads"] == ["MLII", "V1"]


def test_labels_without_a_code_go_into_the_text(recording: Path, tmp_path: Path) -> None:
    content, _ = affine_model(np.random.default_rng(18), (72, 2), FEATURES, 2)
    other = save_model(tmp_path, "other", content, ("normal", "abnormal"))
    assert main(["classify", str(recording), "--fs", "250", "--model", str(other)]) == 0
    marks = read_annotations("night.ecg")
    assert set(marks.symbol) == {"Q"}
    expected = [beat.label for beat in stream_classify(recording, 250.0, model=other)]
    assert list(marks.aux) == expected


def test_the_form_of_a_model_can_be_chosen(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    args = ["classify", str(recording), "--fs", "250", "--model", str(model.with_suffix(".json"))]
    for form in ("float32", "fastest"):  # the card tells of no faster one
        assert main([*args, "--precision", form, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["form"] == "float32"
    Path("night.ecg").unlink()
    assert "has no 'int8' file" in fails(*args, "--precision", "int8")


def test_classify_uses_the_leads_asked_for(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["classify", str(recording), "--fs", "250", "--model", str(model), "--json"]
    assert main([*args, "--leads", "V1", "--lookahead", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["leads"], told["lookahead"]) == (["V1"], 1)
    expected = list(stream_classify(recording, 250.0, model=model, lookahead=1, leads="V1"))
    np.testing.assert_array_equal(
        read_annotations("night.ecg").sample, [beat.sample for beat in expected]
    )


@pytest.mark.parametrize("command", ["classify", "stream"])
def test_the_method_of_detection_is_chosen(
    command: str, recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = [command, str(recording), "--fs", "250", "--model", str(model), "--output", "a.ecg"]
    args += ["--pace", "fast", "--json"] if command == "stream" else ["--json"]
    for method in ("adaptive", "neural", "pan-tompkins"):
        assert main([*args, "--force", "--method", method]) == 0
        expected = stream_classify(recording, 250.0, model=model, method=method)
        found = read_annotations("a.ecg").sample.tolist()
        assert found == [beat.sample for beat in expected]
        if command == "classify":
            assert json.loads(capsys.readouterr().out)["method"] == method
    assert main([*args, "--method", "magic"]) == 2


def test_classify_averages_over_leads(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["classify", str(recording), "--fs", "250", "--model", str(model), "--json"]
    assert main([*args, "--average-leads"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["average_leads"]
    averaged, first = (
        Counter(b.label for b in stream_classify(recording, 250.0, model=model, average_leads=a))
        for a in (True, False)
    )
    assert averaged != first
    assert {label: n for label, n in told["summary"]["by_class"].items() if n} == averaged


def test_classify_a_real_record(
    record_path: Callable[[str], Path], model: Path, tmp_path: Path
) -> None:
    wfdb = pytest.importorskip("wfdb")
    out = tmp_path / "100.ecg"
    record = record_path("mitdb/100")
    assert main(["classify", str(record), "--model", str(model), "--output", str(out)]) == 0
    marks = wfdb.rdann(str(tmp_path / "100"), "ecg")
    assert abs(len(marks.sample) - 2273) < 10
    assert marks.fs == 360


def test_bad_recordings_name_the_file(
    recording: Path, model: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    words = tmp_path / "words.csv"
    words.write_text("ECG\n0.1\n0.2\nhello\n0.3\n")
    short = tmp_path / "short.csv"
    short.write_text("0.1\n")
    strange = tmp_path / "strange.xyz"
    strange.write_bytes(b"\0\1\2")
    for command in (["detect"], ["classify", "--model", model]):
        assert "missing" in fails(*command, "missing", "--fs", 250)
        assert "words.csv" in fails(*command, words, "--fs", 250)
        assert "short: holds 1 sample" in fails(*command, short, "--fs", 250)
        assert "strange.xyz" in fails(*command, strange)
        assert "fs" in fails(*command, recording)
        assert "5 Hz" in fails(*command, recording, "--fs", 5)
        assert "'aVR'" in fails(*command, recording, "--fs", 250, "--leads", "aVR")


def test_a_truncated_record_leaves_no_output(
    record_path: Callable[[str], Path], fails: Callable[..., str], tmp_path: Path
) -> None:
    whole = record_path("mitdb/100")
    for suffix in (".hea", ".dat"):
        data = whole.with_name(f"100{suffix}").read_bytes()
        (tmp_path / f"100{suffix}").write_bytes(data if suffix == ".hea" else data[:100_000])
    assert "100" in fails("detect", tmp_path / "100", "--output", tmp_path / "100.qrs")


def test_bad_models_name_the_file(
    recording: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"this is not a model")
    content, _ = affine_model(np.random.default_rng(3), (70, 2), None, 5)
    small = tmp_path / "small.tflite"
    small.write_bytes(content)
    base = ["classify", recording, "--fs", 250, "--model"]
    assert "broken.tflite" in fails(*base, broken)
    assert "small.tflite" in fails(*base, small)
    assert "no model 'nobody'" in fails(*base, "nobody")


def test_impossible_outputs_are_wrong_use(
    recording: Path, model: Path, fails: Callable[..., str]
) -> None:
    base = ["classify", recording, "--fs", 250, "--model", model, "--output"]
    for name in ("night.b3", "night.xlsx", "night.html", "night.txt", "night.dat"):
        told = fails(*base, name, status=2)
        assert f"--output {name}: {name[5:]} names no output" in told
        assert "extension" in fails(*base, "night.b3", "--format", "atr", status=2)
    assert ".csv" in fails(*base, "x.csv", "--format", "atr", status=2)


def test_an_old_output_survives_a_failure(
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    fails: Callable[..., str],
    tmp_path: Path,
) -> None:
    old = tmp_path / "night.qrs"
    assert main(["detect", str(recording), "--fs", "250"]) == 0
    before = old.read_bytes()
    text = recording.read_text().splitlines()
    recording.write_text("\n".join([*text[:9000], *["oops,1"] * 900, *text[9000:]]))
    capsys.readouterr()
    assert "night.csv" in fails("detect", recording, "--fs", 250)
    assert old.read_bytes() == before


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["--debug", "detect", "missing"], ["detect", "missing", "--debug"]):
        assert main(args) == 1
        err = capsys.readouterr().err
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("ecgfast: missing")


def test_unexpected_errors_are_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ecgfast.cli.models as command

    def broken() -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(command, "available_models", broken)
    assert main(["models"]) == 1
    assert capsys.readouterr().err == (
        "ecgfast: unexpected ZeroDivisionError: division by zero "
        "(run again with --debug and report it)\n"
    )

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "available_models", interrupted)
    assert main(["models"]) == 130
    assert capsys.readouterr().err == ""


def stdin_of(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_stream_from_standard_input_equals_stream_classify(
    recording: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = list(stream_classify(recording, 250.0, model=model))
    stdin_of(monkeypatch, recording.read_text())
    args = ["--fs", "250", "--model", str(model)]
    assert main(["stream", "-", *args, "--json"]) == 0
    lines = beat_rows(capsys.readouterr().out)
    assert [line["sample"] for line in lines] == [beat.sample for beat in expected]
    assert [line["probability"] for line in lines] == [beat.probability for beat in expected]
    assert lines[0]["rr"] is None

    stdin_of(monkeypatch, recording.read_text())
    assert main(["stream", "-", *args, "--leads", "V1"]) == 0
    out, err = capsys.readouterr()
    alone = list(stream_classify(recording, 250.0, model=model, leads="V1"))
    assert sum("  event  " not in line for line in out.splitlines()) == len(alone) + 1
    assert err == f"{len(alone)} beats in 40.0 s\n"


def test_stream_replays_a_recording(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = list(stream_classify(recording, 250.0, model=model))
    args = ["stream", str(recording), "--fs", "250", "--model", str(model), "--json"]
    assert main([*args, "--pace", "fast"]) == 0
    lines = beat_rows(capsys.readouterr().out)
    assert [(line["sample"], line["label"]) for line in lines] == [
        (beat.sample, beat.label) for beat in expected
    ]


def test_stream_keeps_the_pace(
    model: Path, tmp_path: Path, ecg: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "brief.npy"
    np.save(path, ecg.signal[:500, 0])
    begin = time.monotonic()
    assert main(["stream", str(path), "--fs", "250", "--model", str(model)]) == 0
    assert time.monotonic() - begin >= 1.99


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ended before"),
        ("lead\n", "ended before"),
        ("lead\nother\n", "ended before"),
    ],
)
def test_standard_input_without_a_sample_is_a_failure(
    text: str,
    told: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin_of(monkeypatch, text)
    assert main(["stream", "-", "--fs", "250", "--model", str(model), "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("ecgfast: standard input")
    assert told in err


def test_malformed_lines_are_missing_samples_and_reported(
    model: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.round(ecg.signal[:, 0].astype(float), 5)
    lines = [f"{value:.5f}" for value in values]
    for at, text in ((2000, "!"), (2001, "garb\0age"), (5000, "0.1,0.2")):
        lines[at], values[at] = text, np.nan
    stdin_of(monkeypatch, "\n".join(lines))
    assert main(["stream", "-", "--fs", "250", "--model", str(model), "--json"]) == 0
    out, err = capsys.readouterr()
    found = [row["sample"] for row in beat_rows(out)]
    assert found == [beat.sample for beat in stream_classify(values, 250.0, model=model)]
    first, last = err.splitlines()
    assert first.startswith("ecgfast: standard input, line 2001: '!' is no line of numbers")
    assert last == f"{len(found)} beats in 40.0 s; malformed lines: 3"


def test_stream_writes_the_beats_that_it_prints(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    wfdb = pytest.importorskip("wfdb")
    args = ["stream", str(recording), "--fs", "250", "--model", str(model), "--pace", "fast"]
    assert main([*args, "--json", "--output", "live.ecg"]) == 0
    printed = beat_rows(capsys.readouterr().out)
    marks = wfdb.rdann("live", "ecg")
    assert marks.sample.tolist() == [line["sample"] for line in printed]
    assert marks.symbol == [line["label"] for line in printed]
    assert "live.ecg: is there already" in fails(*args, "--output", "live.ecg", status=2)
    assert main([*args, "--output", "live.ecg", "--force"]) == 0


def test_stream_needs_fs_where_the_source_has_none(fails: Callable[..., str]) -> None:
    assert "--fs" in fails("stream", "-", status=2)
    assert "--fs" in fails("stream", "serial:/dev/ttyUSB0", status=2)
    assert "--queue" in fails("stream", "-", "--fs", 250, "--queue", -1, status=2)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_live_stream_prints_at_once_and_ends_on_interrupt(model: Path, ecg: Record) -> None:
    import signal

    command = [sys.executable, "-m", "ecgfast", "stream", "-", "--fs", "250", "--json"]
    with subprocess.Popen(
        [*command, "--model", str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"{value:.5f}\n" for value in ecg.signal[:2500, 0]))
        process.stdin.flush()
        first = process.stdout.readline()  # while the input stays open
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0  # and not because its input ended
        out = process.stdout.read()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    samples = [row["sample"] for row in beat_rows(first + out)]
    expected = stream_classify(np.round(ecg.signal[:2500, 0].astype(float), 5), 250.0, model=model)
    assert samples == [beat.sample for beat in expected]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away_is_no_error(recording: Path, model: Path) -> None:
    command = [sys.executable, "-m", "ecgfast", "stream", str(recording), "--fs", "250"]
    command += ["--pace", "fast", "--json", "--model", str(model)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_demo_writes_picture_and_report(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo" / "out"
    assert main(["demo", "--output", str(folder), "--model", str(model)]) == 0
    out = capsys.readouterr().out
    assert "McSharry" in out
    assert "no figure of accuracy comes from it" in out
    assert sorted(path.name for path in folder.iterdir()) == ["demo.html", "demo.png"]
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "demo.html").read_text(encoding="utf-8")
    assert "McSharry" in page
    assert "not a medical device" in page

    assert main(["demo", "--output", str(folder), "--model", str(model), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "McSharry" in told["origin"]
    assert len(told["beats"]) == told["summary"]["beats"] > 60


def test_demo_says_where_it_cannot_write(model: Path, fails: Callable[..., str]) -> None:
    assert "model.json" not in fails("demo", "--output", model, "--model", model)


def test_models_lists_what_is_built_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    cards = available_models()
    assert told.keys() == cards.keys()
    for name, card in cards.items():
        assert told[name]["parameters"] == card.parameters
        assert told[name]["forms"].keys() == card.forms.keys()
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    for name, card in cards.items():
        assert f" {card.parameters:,} " in rows[name]
        assert main(["models", name]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{name}: ")
        assert f"{card.parameters:,} parameters" in text
        assert all(limit in text for limit in card.limits)
    if not cards:
        assert "no built-in models" in text


def test_models_shows_one(fails: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    if not available_models():
        pytest.skip("no built-in models in this installation")
    assert main(["models", "beats", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["beats"]
    assert "no built-in model 'beets': choose one of" in fails("models", "beets")


def test_classify_with_a_model_that_gives_numbers(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, _ = affine_model(np.random.default_rng(18), (72, 2), FEATURES, 2)
    names = ("minimum", "maximum")
    other = save_model(tmp_path, "numbers", content, names, output="value", unit="mmHg")
    beats = list(stream_classify(recording, 250.0, model=other))
    args = ["classify", str(recording), "--fs", "250", "--model", str(other)]
    assert main([*args, "--output", "beats.csv"]) == 0
    rows = list(csv.DictReader(Path("beats.csv").read_text().splitlines()))
    assert [float(row["maximum"]) for row in rows] == [
        pytest.approx(beat.outputs["maximum"], abs=1e-6) for beat in beats
    ]
    text = capsys.readouterr().out
    mean = np.mean([beat.outputs["minimum"] for beat in beats])
    assert f"minimum   {mean:.1f} on average" in text
    assert "mmHg" in text
    assert main([*args, "--output", "night.ecg"]) == 0
    assert read_annotations("night.ecg").aux[0].startswith("minimum ")


def test_a_model_of_numbers_states_its_error_beside_them(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, _ = affine_model(np.random.default_rng(18), (72, 2), FEATURES, 2)
    other = save_model(
        tmp_path, "numbers", content, ("minimum", "maximum"), output="value", unit="mmHg"
    )
    card = ModelCard.load(other.with_suffix(".json"))
    card.metrics["calibration-free"] = {
        f"{name}, {what}": {"MAE": error}
        for name, what, error in (
            ("minimum", "model", 10.1), ("minimum", "training median", 10.32),
            ("maximum", "model", 21.8), ("maximum", "training median", 21.48),
        )
    }  # fmt: skip
    card.save(other.with_suffix(".json"))
    args = ["classify", str(recording), "--fs", "250", "--model", str(other)]
    assert main([*args, "--output", "beats.csv"]) == 0
    caution = (
        "mean absolute error, calibration-free: minimum 10.1 mmHg (10.3 by one number for "
        "everyone), maximum 21.8 mmHg (21.5 by one number for everyone)"
    )
    assert f"\ncaution     {caution}\n" in capsys.readouterr().out
    assert main([*args, "--output", "beats.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cautions"] == [caution]


def test_s_counts_of_a_fibrillation_carry_a_caution(model: Path) -> None:
    tally = Tally(("N", "S"))
    counted = tally.summary("night", 250.0, 3600.0)
    for burden, s_beats, told in ((0.25, 1200, True), (0.25, 0, False), (0.0, 1200, False)):
        summary = dataclasses.replace(
            counted, by_class={"N": 9, "S": s_beats}, rhythm=RhythmSummary(burden=burden)
        )
        texts = caution_texts(Classifier(model), summary)
        assert bool(texts) == told
        assert not told or (texts[0].startswith("25.0 % of the time") and "1,200 S" in texts[0])


@pytest.mark.parametrize("command", ["detect", "classify"])
def test_no_beat_is_a_warning_and_with_strict_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "flat.csv").write_text("# fs=250\nECG\n" + "0.5\n" * 5000)
    args = [command, str(tmp_path / "flat.csv"), "--output", str(tmp_path / "flat.json")]
    assert main(args) == 0
    told = capsys.readouterr().err
    assert "no beat was found; check the sampling rate (--fs)" in told
    assert main([*args, "--strict", "--json"]) == 3
    out = capsys.readouterr()
    assert "no beat was found" in out.err
    assert json.loads(out.out)


def test_a_stream_without_a_beat_is_a_warning_and_with_strict_a_status(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["stream", "-", "--fs", "250", "--model", str(model), "--json"]
    stdin_of(monkeypatch, "0.5\n" * 3000)
    assert main(args) == 0
    told = capsys.readouterr().err
    assert "no beat was found; check the sampling rate (--fs)" in told
    assert "ECG1 is flat (always 0.5)" in told
    stdin_of(monkeypatch, "0.5\n" * 3000)
    assert main([*args, "--strict"]) == 3
    stdin_of(monkeypatch, "0.5\n" * 300)  # too short for one
    assert main([*args, "--strict"]) == 0


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--max-delay", 0.1], 2, "--max-delay is shorter than 0.35 s"),
        (["--max-delay", 0.1], 2, "or not a number: --max-delay 0.1\n"),
        (["--max-delay", "nan"], 2, "or not a number: --max-delay nan\n"),
        (["--max-rate", 100], 2, "--max-rate outside 300..900 beats a minute: --max-rate 100\n"),
        (
            ["--max-rate", 600, "--max-delay", 0.1],
            2,
            "--max-delay 0.1; --max-rate 600 divides this limit by 2\n",
        ),
        (["--fs", 5], 1, "--fs is 5 Hz"),
        (["--max-rate", 900], 1, ": --fs 250; --max-rate 900 multiplies these limits by 3\n"),
    ],
)
def test_messages_spell_options_as_the_command_line_does(
    options: list[Any], status: int, told: str, recording: Path, fails: Callable[..., str]
) -> None:
    given = options if "--fs" in options else ["--fs", 250, *options]
    err = fails("detect", recording, *given, status=status)
    assert told in err
    assert "=" not in err
    with pytest.raises(ecgfast.InputError, match=r"max_delay=0\.1$"):
        detect_qrs(np.zeros(900), 250.0, max_delay=0.1)


def test_what_no_recording_could_be_worked_through_with_is_wrong_use(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Said once, and not of each recording.
    assert main(["detect", str(recording), str(recording.parent), "--max-delay", "0.1"]) == 2
    assert capsys.readouterr().err.count("--max-delay is shorter") == 1
    for rate in ("0", "-250", "nan", "inf"):
        assert main(["detect", str(recording), f"--fs={rate}"]) == 2
        assert f"argument --fs: {rate} is no sampling rate in Hz" in capsys.readouterr().err


def test_a_model_that_cannot_be_tried_first(
    recording: Path, model: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.runtime.trial._outcomes", {})
    monkeypatch.setattr(sys, "executable", "")
    told = fails("classify", recording, "--fs", 250, "--model", model)
    # Not as an option: the command line has none for it.
    assert "in Python with Classifier(path, trusted=True)" in told


def test_shares_spell_options_as_the_command_line_does(
    recording: Path, fails: Callable[..., str]
) -> None:
    for options, told in (
        (["--sensitivity", "V=2"], "ecgfast: --sensitivity of V: 2 is no share"),
        (["--positive-predictivity", "V=2"], "ecgfast: --positive-predictivity of V: 2 is no"),
        (["--reject", 3], "ecgfast: --reject: 3 is no share"),
    ):
        assert fails("classify", recording, "--fs", 250, *options, status=2).startswith(told)
