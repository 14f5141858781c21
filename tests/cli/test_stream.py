"""``ecgfast stream``: the beats of `stream_classify`, at once, from whatever comes in."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfast
from ecgfast import stream_classify
from ecgfast.cli import main
from ecgfast.records import Record

ROOT = Path(ecgfast.__file__).parents[1]  # of what is tested, installed or not


def beat_rows(lines: str) -> list[Any]:
    """The beats among the lines of JSON of a stream; others are rhythm events."""
    return [row for row in map(json.loads, lines.splitlines()) if "label" in row]


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

    stdin_of(monkeypatch, recording.read_text())
    assert main(["stream", "-", *args]) == 0
    said = capsys.readouterr().err
    how = "labelled from leads MLII and V1, averaged"
    assert said == f"{len(expected)} beats in 40.0 s, {how}\n"


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
        # What is streamed, then the first beat, while the input stays open.
        first = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0  # and not because its input ended
        out = process.stdout.read()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    samples = [row["sample"] for row in beat_rows(first + out)]
    expected = stream_classify(np.round(ecg.signal[:2500, 0].astype(float), 5), 250.0, model=model)
    assert samples == [beat.sample for beat in expected]


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


def test_two_leads_of_one_name_are_two_leads(
    model: Path,
    ecg: Record,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first one was read twice."""
    signal = np.stack([ecg.signal[:, 0] * 0.0, ecg.signal[:, 0]], axis=1)
    stdin_of(monkeypatch, "ECG,ECG\n" + "".join(f"{a:.4f},{b:.4f}\n" for a, b in signal))
    assert main(["stream", "-", "--fs", "250", "--model", str(model), "--json"]) == 0
    found = [row["sample"] for row in beat_rows(capsys.readouterr().out)]
    rounded = np.round(signal.astype(np.float64), 4).astype(np.float32)
    assert found == [beat.sample for beat in stream_classify(rounded, 250.0, model=model)]


@pytest.mark.parametrize("more", [[], ["--no-average-leads"], ["--leads", "V1"]])
def test_the_first_line_says_what_classify_says(
    more: list[str],
    recording: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    args = [str(recording), "--fs", "250", "--model", str(model), "--json", *more]
    assert main(["stream", *args, "--pace", "fast"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert main(["classify", *args, "--output", str(tmp_path / "a.csv")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert first.pop("type") == "stream"
    assert first == {name: told[name] for name in first}
    assert {"fs", "leads", "labelled_leads", "model", "method"} <= first.keys()


def test_what_holds_no_lines_of_numbers_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    packed = io.TextIOWrapper(io.BytesIO(gzip.compress(b"0.125\n" * 999, mtime=0)))
    monkeypatch.setattr(sys, "stdin", packed)
    told = fails("stream", "-", "--fs", "250")
    assert "holds numbers; give a sample a line as text (of a compressed file gunzip" in told
