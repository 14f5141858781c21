"""``ecgfast stream`` with alarms and a folder to save into."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import read_record
from ecgfast.cli import main
from ecgfast.errors import InputError
from ecgfast.records import read_annotations, synthetic_ecg
from ecgfast.records.annotation_file import AnnotationFile
from ecgfast.records.saving import _SignalFile

FS = 250.0


@pytest.fixture
def standing_still(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A lead on standard input: 30 s of an ECG, 8 s without a beat, 20 s of an ECG, 6 s of a lead
    that is off."""
    ecg = synthetic_ecg(58.0, FS, muscle=0.01, seed=4).signal[:, 0]
    noise = np.random.default_rng(0).normal(0, 0.01, 2000)
    # Cut between beats: at the flattest places.
    first = 7500 + int(np.argmin(np.abs(ecg[7500:7700]) + np.abs(np.gradient(ecg[7500:7700]))))
    signal = np.concatenate([ecg[:first], noise, ecg[first:], np.full(1500, 7.0)])
    lines = "".join(f"{value:.4f}\n" for value in signal)

    class Slow(io.BytesIO):
        """As a board sends: about half a second at a time."""

        def read1(self, size: int | None = -1) -> bytes:
            return self.read(1000)

    class Stdin:
        buffer = Slow(lines.encode())

        def fileno(self) -> int:
            raise io.UnsupportedOperation

    monkeypatch.setattr(sys, "stdin", Stdin())
    return signal


def lines_of(text: str) -> tuple[list[Any], list[Any]]:
    rows = [json.loads(line) for line in text.splitlines()]
    alarms = [row for row in rows if row.get("type") == "alarm"]
    return [row for row in rows if "label" in row], alarms


def test_alarms_are_reported_and_everything_is_saved(
    standing_still: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "night"
    command = ["stream", "-", "--fs", "250", "--json", "--alarms", "--save", str(folder)]
    assert main(command) == 0
    beats, alarms = lines_of(capsys.readouterr().out)
    # A rate over 8 s without a beat is below 40 per minute too.
    alarms = [alarm for alarm in alarms if alarm["kind"] != "extreme_bradycardia"]
    assert [(a["kind"], a["priority"], a["ended"] is None) for a in alarms] == [
        ("asystole", "high", True),
        ("asystole", "high", False),
        ("lead_off", "medium", True),
        ("lead_off", "medium", False),
    ]
    assert alarms[0]["since"] == pytest.approx(30.0, abs=1.5)
    assert alarms[0]["raised"] - alarms[0]["since"] < 6.5
    assert alarms[2]["since"] == pytest.approx(66.0, abs=1.0)
    record = read_record(folder / "recording")
    np.testing.assert_allclose(record.signal[:, 0], standing_still, atol=1.1e-4)
    marks = read_annotations(folder / "recording.ecg")
    assert marks.sample.tolist() == [beat["sample"] for beat in beats]
    assert "".join(marks.symbol) == "".join(beat["label"] for beat in beats)
    events = [json.loads(line) for line in (folder / "recording.events").read_text().splitlines()]
    assert {"asystole", "lead_off"} <= {event["kind"] for event in events}
    journal = (folder / "recording.journal").read_text()
    assert journal.count("begins at sample 0: -") == 1
    assert journal.count("beats are labelled from lead ") == 1


def test_the_file_says_what_is_an_alarm_and_what_it_does(
    standing_still: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    settings = tmp_path / "alarms.toml"
    code = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ';')"
    command = json.dumps([sys.executable, "-c", code, str(out), "{kind} {state}"])
    settings.write_text(
        "[alarms]\nlead_off.enabled = false\nextreme_bradycardia.enabled = false\n"
        f"[[actions]]\nkind = 'command'\ncommand = {command}\n"
    )
    assert main(["stream", "-", "--fs", "250", "--alarms", str(settings)]) == 0
    text = capsys.readouterr().out
    assert text.count("  ALARM  high    asystole") == 1
    assert text.count("  alarm  high    asystole") == 1
    assert "lead off" not in text
    assert out.read_text() == "asystole raised;asystole ended;"


@pytest.mark.parametrize("command", ["stream", "live"])
def test_an_action_that_cannot_be_done_is_refused_before_the_first_sample(
    command: str,
    standing_still: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tmp_path / "alarms.toml"
    settings.write_text("[[actions]]\nkind = 'command'\ncommand = ['no-such-program', '{text}']\n")
    assert main([command, "-", "--fs", "250", "--alarms", str(settings)]) == 1
    out, err = capsys.readouterr()
    assert "alarm action command: there is no program 'no-such-program' here" in err
    assert "the page" not in err
    assert not out
    assert sys.stdin.buffer.read1(1)  # nothing has been taken of the source


@pytest.mark.skipif(os.name == "nt", reason="a pipe cannot be waited for there")
def test_a_silent_source_is_an_alarm_before_its_first_sample_too(tmp_path: Path) -> None:
    """Without a queue and with one: both at once, as most of it is waiting."""
    settings = tmp_path / "alarms.toml"
    settings.write_text("[alarms.gap]\nafter = 2.5\n")
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "ecgfast", "stream", "-", "--fs", "250", "--json"),
                *("--queue", queue, "--alarms", str(settings), "--save", str(tmp_path / queue)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for queue in ("0", "5")
    ]

    def seen(process: subprocess.Popen[str]) -> list[tuple[Any, ...]]:
        """The begin of a silence, and its alarm."""
        assert process.stdout is not None
        rows: list[Any] = []
        while len(rows) < 2:
            row = json.loads(process.stdout.readline())
            rows += [row] if row["type"] != "stream" else []
        return [(r["type"], r["kind"], r.get("ongoing", r.get("ended") is None)) for r in rows]

    begun = [("event", "gap", True), ("alarm", "gap", True)]
    ended = [("event", "gap", False), ("alarm", "gap", False)]
    try:
        for samples in (500, 1):
            for process in started:
                assert seen(process) == begun
                assert process.stdin is not None
                process.stdin.write("0.5\n" * samples)
                process.stdin.flush()
                assert seen(process) == ended
                if samples == 1:
                    process.stdin.close()
        assert [process.wait(300) for process in started] == [0, 0]
    finally:
        for process in started:
            with process:
                process.kill()
    for queue in ("0", "5"):
        saved = [json.loads(row) for row in (tmp_path / queue / "recording.events").open()]
        gaps = [row for row in saved if row["kind"] == "gap"]
        assert [(row["start"], row["ongoing"]) for row in gaps] == [
            (0, False),  # before the first sample there was no folder to write its begin into
            (500, True),
            (500, False),
        ]
        assert gaps[2]["end_time"] - gaps[2]["start_time"] > 2.5
        assert len(read_record(tmp_path / queue / "recording").signal) == 501  # none was missing


def test_wrong_settings_are_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "alarms.toml"
    settings.write_text("[alarms.asistole]\n")
    assert main(["stream", "-", "--fs", "250", "--alarms", str(settings)]) == 2
    assert "did you mean asystole?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("owner", "method", "allowed", "lacks"),
    [
        (_SignalFile, "write", 1, " samples ("),
        (_SignalFile, "header", 1, "the end of recording_0000.dat (No space left on device)"),
        (AnnotationFile, "write", 3, " annotations"),
    ],
)
def test_a_recording_that_is_not_whole_is_a_failure(
    owner: type,
    method: str,
    allowed: int,
    lacks: str,
    standing_still: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The disk becomes full after a while; the beats go on, and the end says what is missing."""
    real, calls = getattr(owner, method), count(1)

    def full(*args: Any, **options: Any) -> Any:
        if next(calls) <= allowed:
            return real(*args, **options)
        problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise problem if owner is _SignalFile else InputError("recording.ecg: disk full")

    folder = tmp_path / "night"
    monkeypatch.setattr(owner, method, full)
    assert main(["stream", "-", "--fs", "250", "--json", "--save", str(folder)]) == 1
    shown = capsys.readouterr()
    beats, _ = lines_of(shown.out)
    assert len(beats) > 40
    last = shown.err.splitlines()[-1]
    assert f"--save {folder}: the recording is not whole, it lacks " in last
    assert lacks in last
    assert "not saved: " in (folder / "recording.journal").read_text()


def test_a_folder_of_another_recording_is_left_alone(
    standing_still: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("text")
    assert main(["stream", "-", "--fs", "250", "--save", str(tmp_path)]) == 1
    assert "name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_recording_continues_while_leads_are_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board sends the names of its leads once, and was not started again with the program."""
    ecg = synthetic_ecg(20.0, FS, muscle=0.01, seed=4).signal
    on = np.column_stack([ecg, ecg[:, :1] - ecg[:, 1:], np.zeros(len(ecg))])  # the last one is none
    off = on.copy()
    off[:, :2] = 3.2
    folder = tmp_path / "night"
    for head, rows in (("I,II,V1,button\n", on), ("", off)):
        lines = head + "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in rows)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        assert main(["stream", "-", "--fs", "250", "--json", "--save", str(folder)]) == 0
    assert "continue" not in capsys.readouterr().err
    record = read_record(folder / "recording")
    assert record.leads == ("I", "II", "V1")
    np.testing.assert_allclose(record.signal[:5000], on[:, :3], atol=1.1e-4)
    np.testing.assert_allclose(record.signal[-5000:], off[:, :3], atol=1.1e-4)
