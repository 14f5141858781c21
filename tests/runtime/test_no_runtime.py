"""Without a TFLite runtime, the core runs the models; without a model, R peaks and rhythm."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared_ecgs import demo_record

from ecgfast import (
    Classifier,
    Decision,
    ModelError,
    StreamingClassifier,
    detect_qrs,
    events,
    stream_classify,
)
from ecgfast.cli import main
from ecgfast.reports import make_report
from ecgfast.runtime import available_backends

RECORD = Path(__file__).parents[1] / "excerpts" / "mitdb" / "208"

# An interpreter in which no runtime can be imported, as on Alpine or an Intel Mac.
RUN = """
import json, sys

class No:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ai_edge_litert", "tflite_runtime", "tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, No())
from ecgfast.cli import main
sys.exit(main(json.loads(sys.argv[1])))
"""


def without_runtime(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([str(word) for word in command])],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_no_model_gives_the_r_peaks_without_labels() -> None:
    record = demo_record()
    beats = list(stream_classify(record, model="none"))
    assert [beat.sample for beat in beats] == detect_qrs(record).tolist()
    assert {beat.label for beat in beats} == {""}
    assert all(np.isnan(beat.probability) and not beat.probabilities for beat in beats)
    assert all(beat.rr > 0.2 and beat.heart_rate > 30 for beat in beats[1:])
    wanted = Decision(sensitivity={"V": 0.9})
    with pytest.raises(ModelError, match="no class 'V'"):
        StreamingClassifier(Classifier("none"), 360.0, decision=wanted)


def test_no_model_finds_the_rhythm_events_that_need_no_class() -> None:
    record = demo_record()
    signal = record.signal.copy()
    signal[10_000:11_500] = signal[10_000]  # the heart stops, or the lead is off
    without = {e.kind for e in events(signal, record.fs, model="none")}
    assert without
    assert not any("ventricular" in kind for kind in without)
    if available_backends():
        assert without <= {e.kind for e in events(signal, record.fs)}


@pytest.mark.parametrize("average_leads", [False, True])
def test_a_report_without_classes_counts_no_ectopy(average_leads: bool) -> None:
    pytest.importorskip("jinja2")
    report = make_report(demo_record(), model="none", average_leads=average_leads)
    figures = report.figures
    assert figures["ectopy"] == {"V": None, "S": None}
    assert figures["beats"]["by_class"] == {"": figures["beats"]["total"]}
    if available_backends():
        assert figures["rate"] == make_report(demo_record()).figures["rate"]
    assert "Beats have no classes" in report.html
    assert "<h2>Ectopy</h2>" not in report.html
    assert "V beats" not in report.html


def test_commands_without_a_runtime(tmp_path: Path) -> None:
    peaks = tmp_path / "peaks.csv"
    done = without_runtime("detect", RECORD, "--output", peaks)
    assert (done.returncode, done.stderr) == (0, "")
    with peaks.open() as file:
        assert len(list(csv.DictReader(file))) > 90

    for command in (("demo", "--output", tmp_path / "demo"), ("stream", RECORD, "--pace", "fast")):
        done = without_runtime(*command)
        assert done.returncode == 0, done.stderr
        assert "runtime" not in done.stderr

    labels = tmp_path / "labels.csv"
    done = without_runtime("classify", RECORD, "--output", labels)
    assert (done.returncode, done.stderr) == (0, "")
    assert "beats, float32, on ecgfast" in done.stdout
    with labels.open() as file:
        found = [row["label"] for row in csv.DictReader(file)]
    assert set(found) >= {"N", "V"}
    if set(available_backends()) != {"ecgfast"}:
        expected = [beat.label for beat in stream_classify(RECORD)]
        assert found == expected


def test_a_report_without_a_runtime_has_classes(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    page = tmp_path / "page.html"
    done = without_runtime("report", RECORD, "--output", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert "V beats" in page.read_text("utf-8")


def test_what_needs_labels_refuses_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("jinja2", "scipy", "starlette", "uvicorn"):
        pytest.importorskip(library)
    assert main(["review", str(RECORD), "--model", "none", "--output", str(tmp_path)]) == 1
    assert "does not label" in capsys.readouterr().err
