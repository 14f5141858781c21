"""The ecgfast command: what it writes and prints."""

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
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model

import ecgfast
from ecgfast import Classifier, detect_qrs, read_record, stream_classify
from ecgfast.cli import COMMANDS, main
from ecgfast.cli.output import caution_texts
from ecgfast.records import Record, read_annotations, synthetic_ecg
from ecgfast.reports import Tally, make_report
from ecgfast.rhythm import RhythmSummary
from ecgfast.runtime import ModelCard, available_models

ROOT = Path(ecgfast.__file__).parents[1]  # of what is tested, installed or not


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

    assert main([*args, "-o", "beats.csv"]) == 0
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
    args = ["classify", str(recording), "--fs", "250", "--model", str(model)]
    averaged, first = (
        Counter(b.label for b in stream_classify(recording, 250.0, model=model, average_leads=a))
        for a in (True, False)
    )
    assert averaged != first
    for options, expected, leads, words in (
        ([], averaged, ["MLII", "V1"], "leads MLII and V1, averaged"),
        (["--average-leads"], averaged, ["MLII", "V1"], "leads MLII and V1, averaged"),
        (["--no-average-leads"], first, ["MLII"], "lead MLII"),
        (["--leads", "MLII"], None, ["MLII"], "lead MLII"),
    ):
        assert main([*args, *options, "--force", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["average_leads"], told["labelled_leads"]) == (len(leads) > 1, leads)
        if expected is not None:
            by_class = {label: n for label, n in told["summary"]["by_class"].items() if n}
            assert by_class == expected
        assert main([*args, *options, "--force"]) == 0
        assert f"labelled    from {words}\n" in capsys.readouterr().out


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


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_beats_that_are_rejected_have_a_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    excerpts = Path(__file__).parents[1] / "excerpts" / "mitdb"
    if not excerpts.is_dir():
        pytest.skip("the excerpts are not in this checkout")
    records = [str(excerpts / name) for name in ("208", "210")]
    assert main(["classify", *records, "--reject", "0.02", "--output", str(tmp_path)]) == 0
    head, row = capsys.readouterr().out.splitlines()[:2]
    assert head.split()[3:9] == ["N", "S", "V", "F", "Q", "?"]
    with (tmp_path / "summary.csv").open() as file:
        rejected = next(csv.DictReader(file))["?"]
    assert int(rejected) > 0
    assert (
        row.split()[9] == rejected
    )  # after the name, the length with its unit, beats, and classes


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
    assert "labelled    from leads MLII and V1, averaged\n" in out
    assert sorted(path.name for path in folder.iterdir()) == ["demo.html", "demo.png"]
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "demo.html").read_text(encoding="utf-8")
    assert "McSharry" in page
    assert "not a medical device" in page

    named = tmp_path / "mine" / "page.html"
    assert main(["demo", "--output", str(named), "--model", str(model)]) == 0
    assert sorted(path.name for path in named.parent.iterdir()) == ["page.html", "page.png"]
    capsys.readouterr()

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
        assert told[name]["forms"].keys() == card.precisions.keys()
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


def test_a_misspelt_source_gets_a_suggestion(fails: Callable[..., str]) -> None:
    assert "did you mean polar:H10?" in fails("stream", "polr:H10", status=2)
    assert "did you mean serial:COM3?" in fails("live", "serail:COM3", "--fs", "250", status=2)
    for port in ("/dev/ttyUSB0", "/dev/ttyACM7", "COM3", "/dev/cu.usbserial-14"):
        told = fails("stream", port, "--fs", "250", status=2)
        assert f"{port}: a serial port is named serial:{port}" in told
    assert "no such recording" in fails("stream", "night:2.edf")


def test_models_shows_one(fails: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    if not available_models():
        pytest.skip("no built-in models in this installation")
    assert main(["models", "beats", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["beats"]
    assert "no built-in model 'beets'; did you mean 'beats'?" in fails("models", "beets")
    assert "no built-in model 'x'; there are " in fails("models", "x")


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
    card.limits = ["No better than chance.", "Not of children."]
    card.save(other.with_suffix(".json"))
    model = ["--fs", "250", "--model", str(other)]
    args = ["classify", str(recording), *model]
    assert main([*args, "--output", "beats.csv"]) == 0
    caution = (
        "mean absolute error, calibration-free: minimum 10.1 mmHg (10.3 by one number for "
        "everyone), maximum 21.8 mmHg (21.5 by one number for everyone)"
    )
    stated = f"\ncaution     {caution}\ncaution     No better than chance.\n"
    assert stated in capsys.readouterr().out
    cautions = [caution, "No better than chance."]
    assert main([*args, "--output", "beats.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cautions"] == cautions
    facts = {"unit": "mmHg", "cautions": cautions, "limits": card.limits}
    assert facts.items() <= json.loads(Path("beats.json").read_text()).items()

    copy = tmp_path / f"copy{recording.suffix}"
    copy.write_bytes(recording.read_bytes())
    several = ["classify", str(recording), str(copy), *model, "--output", "all/"]
    assert main(several) == 0
    assert stated in capsys.readouterr().out
    assert main([*several, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cautions"] == cautions

    assert main(["stream", str(recording), *model]) == 0
    error = capsys.readouterr().err
    assert [f"ecgfast: caution: {text}" for text in cautions] == error.splitlines()[:2]
    assert main(["stream", str(recording), *model, "--json"]) == 0
    assert facts.items() <= json.loads(capsys.readouterr().out.splitlines()[0]).items()


def test_numbers_of_unknown_error_are_said_to_be_so(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, _ = affine_model(np.random.default_rng(18), (72, 2), FEATURES, 2)
    other = save_model(tmp_path, "numbers", content, ("low", "high"), output="value", unit="mmHg")
    args = ["classify", str(recording), "--fs", "250", "--model", str(other)]
    assert main([*args, "--output", "beats.csv"]) == 0
    assert "caution     the card states no error of these numbers" in capsys.readouterr().out


def three_leads(path: Path, off: tuple[str, ...]) -> Path:
    """A recording of which some leads are off from beginning to end."""
    ecg = synthetic_ecg(40.0, 250.0, seed=4).signal[:, 0]
    names = ("I", "II", "V1")
    columns = [np.zeros_like(ecg) if name in off else ecg for name in names]
    np.savez(path, signal=np.stack(columns, axis=1), fs=250.0, leads=names, units="mV")
    return path


@pytest.mark.parametrize(
    ("off", "labelled"), [((), ["I", "II"]), (("I",), ["II", "V1"]), (("I", "II"), ["V1"])]
)
def test_the_first_leads_that_carry_a_signal_are_labelled(
    off: tuple[str, ...],
    labelled: list[str],
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = three_leads(tmp_path / "three.npz", off)
    args = ["--model", str(model)]
    how = {
        0: "leads I and II, averaged",
        1: "leads II and V1, averaged (lead I: no signal, or hardly any, or mains hum)",
        2: "lead V1 (leads I and II: no signal, or hardly any, or mains hum)",
    }[len(off)]
    assert main(["classify", str(path), *args, "--output", str(tmp_path / "a.csv")]) == 0
    assert f"\nlabelled    from {how}\n" in capsys.readouterr().out
    assert main(["classify", str(path), *args, "--json", "--output", str(tmp_path / "a.csv")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labelled_leads"] == labelled
    assert tuple(told.get("passed_over", ())) == off
    assert told["summary"]["bad_quality"] == 0
    assert "cautions" not in told
    assert main(["stream", str(path), *args, "--pace", "fast", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["labelled_leads"] == labelled
    classified = [line for line in lines if "probability" in line]
    assert len(classified) == told["summary"]["beats"]
    assert not any(beat["quality"] & 3 for beat in classified)
    report = make_report(path, model=model)
    assert f"from {how}." in report.html
    assert report.analysis.labelled_leads == tuple(labelled)
    assert report.figures["rate"]["minimum"] is not None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no zones of this machine to choose from")
@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        (lambda seconds: f"{1_700_000_000 + seconds:.3f}", "2023-11-14T22:13:20.000+00:00"),
        (lambda seconds: f"2026-03-08T01:30:{seconds:06.3f}", "2026-03-08T01:30:00.000"),
        (lambda seconds: f"2026-03-08T01:30:{seconds:06.3f}Z", "2026-03-08T01:30:00.000+00:00"),
    ],
)
def test_a_replayed_recording_has_the_times_of_its_own_clock(
    stamp: Callable[[float], str],
    at: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not those of the zone of whoever replays it."""
    ecg = synthetic_ecg(20.0, 250.0, seed=4).signal[:, 0].tolist()
    rows = [f"{stamp(i / 250)},{value:.4f}" for i, value in enumerate(ecg)]
    path = tmp_path / "night.csv"
    path.write_text("\n".join(["time,ECG", *rows, ""]))
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert main(["stream", str(path), "--model", str(model), "--pace", "fast", "--json"]) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["at"] == at
    first = next(line for line in lines if "probability" in line)
    later = datetime.fromisoformat(first["at"]) - datetime.fromisoformat(at)
    assert later.total_seconds() == pytest.approx(first["time"], abs=1e-3)


def test_a_live_source_whose_first_leads_are_off_carries_a_caution(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes later is not known: beats are found in the third lead, and labelled from none."""
    record = read_record(three_leads(tmp_path / "three.npz", ("I", "II")))
    rows = [",".join(f"{value:.3f}" for value in row) for row in record.signal.tolist()]
    text = "\n".join(["I,II,V1", *rows, ""])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["stream", "-", "--fs", "250", "--model", str(model)]) == 0
    said = "there is no signal in leads I and II, from which they are labelled"
    assert said in capsys.readouterr().err


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
