"""The main paths on seconds of real recordings, whose reference beats cardiologists annotated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ecgfast import detect_qrs, read_record, stream_classify
from ecgfast.cli import main
from ecgfast.evaluation import is_beat, score_detection
from ecgfast.records import read_annotations

HERE = Path(__file__).parent / "excerpts"
Method = Literal["adaptive", "neural", "pan-tompkins"]


@pytest.mark.parametrize(
    ("name", "method", "errors"),
    [
        ("mitdb/208", "adaptive", 0),
        ("mitdb/208", "neural", 0),
        ("mitdb/208", "pan-tompkins", 0),
        ("mitdb/210", "adaptive", 0),
        ("mitdb/210", "neural", 1),
        ("mitdb/210", "pan-tompkins", 1),
        ("svdb/881", "adaptive", 0),
        ("svdb/881", "neural", 0),
        ("svdb/881", "pan-tompkins", 0),
        ("nstdb/118e06", "adaptive", 8),
        ("nstdb/118e06", "neural", 5),
        ("nstdb/118e06", "pan-tompkins", 11),
    ],
)
def test_beats_are_found(name: str, method: Method, errors: int) -> None:
    """At most so many missed and false beats."""
    record = read_record(HERE / name, leads=0)
    marks = record.annotations
    assert marks is not None
    found = detect_qrs(record.signal, record.fs, method=method)
    score = score_detection(marks.sample[is_beat(marks.symbol)], found, record.fs, start=0.0)
    assert score.tp > 30
    assert score.fn + score.fp <= errors


def test_beats_are_labelled() -> None:
    """Of the 23 ventricular beats of mitdb/210 at least 19, and no more than two others."""
    marks = read_annotations(HERE / "mitdb" / "210.atr")
    ventricular = marks.sample[np.isin(marks.symbol, ["V", "E"])]
    beats = list(stream_classify(HERE / "mitdb" / "210"))
    called = np.array([beat.sample for beat in beats if beat.label == "V"])
    right = sum(bool(np.any(np.abs(called - sample) < 0.15 * 360)) for sample in ventricular)
    assert len(ventricular) == 23
    assert right >= 19
    assert len(called) - right <= 2


@pytest.mark.parametrize("command", ["detect", "classify"])
def test_a_written_annotation_file_holds_the_beats(command: str, tmp_path: Path) -> None:
    record = HERE / "svdb" / "881"
    file = tmp_path / "881.qrs"
    assert main([command, str(record), "--output", str(file)]) == 0
    expected = [beat.sample for beat in stream_classify(record)]
    if command == "detect":
        expected = detect_qrs(record).tolist()
    assert read_annotations(file).sample.tolist() == expected


def test_a_recording_is_streamed_as_it_is_classified(capsys: pytest.CaptureFixture[str]) -> None:
    record = HERE / "mitdb" / "208"
    assert main(["stream", str(record), "--json", "--pace", "fast"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [(beat.sample, beat.label) for beat in stream_classify(record)]
    found = [(line["sample"], line["label"]) for line in lines if "label" in line]
    assert found == expected


def test_a_detector_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--detector", str(HERE / "mitdb"), "--json"]) == 0
    (own,) = json.loads(capsys.readouterr().out)["detectors"]
    strict = own["counted"][0]
    assert [row["record"] for row in strict["records"]] == ["208", "210"]
    assert strict["gross"]["tp"] == 188
    assert strict["gross"]["f1"] == 100


def test_a_model_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "beats", "--data", str(HERE), "--records", "210", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["records"] == ["210"]
