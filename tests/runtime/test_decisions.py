"""Thresholds and rejection: the same labels everywhere, and what the card promises of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model
from shared_ecgs import demo_record

from ecgfast import (
    BeatStream,
    Classifier,
    Decision,
    InputError,
    ModelError,
    Record,
    stream_classify,
)
from ecgfast.cli import main
from ecgfast.evaluation import BeatModelScores, evaluate_decision, evaluate_probabilities
from ecgfast.records import read_annotations
from ecgfast.reports import Tally
from ecgfast.runtime import available_models
from ecgfast.runtime.cards import LOOKAHEAD_LABELS, probabilities_heading
from ecgfast.runtime.decision import REJECTED, LabelRule

CLASSES = ("N", "S", "V", "F", "Q")


def point(by: str, wanted: float, threshold: float) -> dict[str, object]:
    return {
        "by": by,
        "wanted": wanted,
        "threshold": threshold,
        "sensitivity": 0.91,
        "positive_predictivity": 0.62,
        "intervals_95": {"sensitivity": [0.8, 0.95], "positive_predictivity": [0.4, 0.7]},
    }


def measured(shift: float) -> dict[str, object]:
    """What a card says of one view: thresholds in the outputs of the models made here."""
    return {
        "bins": [],
        "expected_calibration_error": 0.01,
        "coverage": [
            {"coverage": 1.0, "threshold": -99.0, "accuracy": 0.9},
            {"coverage": 0.95, "threshold": 3.0 + shift, "accuracy": 0.93},
            {"coverage": 0.9, "threshold": 5.0 + shift, "accuracy": 0.95},
        ],
        "operating points": {
            "S": [point("positive predictivity", 0.8, 4.0 + shift)],
            "V": [point("sensitivity", 0.9, -1.0 + shift), point("sensitivity", 0.8, 2.0 + shift)],
        },
    }


def saved(folder: Path, name: str, outputs: int, classes: tuple[str, ...], **more: Any) -> Path:
    content, _ = affine_model(np.random.default_rng(23), (72, 2), FEATURES, outputs)
    return save_model(folder, name, content, classes, **more)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with arbitrary labels, and thresholds for them."""
    metrics = {
        probabilities_heading(view): measured(i / 4) for i, view in enumerate(LOOKAHEAD_LABELS)
    }
    return saved(tmp_path_factory.mktemp("model"), "told", 5, CLASSES, metrics=metrics)


@pytest.fixture(scope="module")
def ecg() -> Record:
    whole = demo_record()
    return Record(whole.signal[: 40 * 360, :1].copy(), whole.fs, whole.leads[:1], name="night")


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        ([0.70, 0.10, 0.20], ("V", 0.20)),  # the threshold counts, not the most probable class
        ([0.80, 0.01, 0.19], ("N", 0.80)),
        ([0.05, 0.75, 0.20], ("V", 0.20)),  # S is below its own
        ([0.05, 0.76, 0.19], ("?", 0.76)),  # neither S nor V, and too little of N
        ([0.00, 0.80, 0.20], ("S", 0.80)),  # both reached: the more probable
        ([0.60, 0.30, 0.10], ("N", 0.60)),
        ([0.59, 0.31, 0.10], ("?", 0.59)),
    ],
)
def test_the_rule_by_hand(probabilities: list[float], told: tuple[str, float]) -> None:
    rule = LabelRule(("N", "S", "V"), {"V": 0.2, "S": 0.8}, min_probability=0.6)
    assert rule(probabilities) == told
    assert rule.labels(np.array([probabilities])) == [told[0]]


def test_without_a_decision_the_most_probable_class_is_told(model: Path) -> None:
    outputs = np.random.default_rng(2).integers(-3, 3, (500, 5)).astype(np.float32)  # ties too
    rule = Decision().rule(Classifier(model))
    assert rule.labels(outputs) == [CLASSES[i] for i in outputs.argmax(axis=1)]
    assert REJECTED not in rule.labels(np.full((1, 5), -1.0))


def test_where_every_class_has_a_threshold_a_beat_may_be_of_none() -> None:
    rule = LabelRule(("a", "b"), {"a": 0.7, "b": 0.7})
    assert rule.labels(np.array([[0.8, 0.2], [0.6, 0.4]])) == ["a", REJECTED]


def test_thresholds_are_the_cards_next_stricter_ones(model: Path) -> None:
    classifier = Classifier(model)
    wanted = Decision({"V": 0.85}, {"S": 0.5}, reject=0.07)
    for lookahead in (0, 1):
        rule = wanted.rule(classifier, lookahead)
        shift = lookahead / 4
        assert rule.thresholds == {"V": -1.0 + shift, "S": 4.0 + shift}
        assert rule.min_probability == 3.0 + shift  # 10 % would be more than was allowed
        assert [point["by"] for point in rule.operating_points] == [
            "sensitivity",
            "positive predictivity",
            "reject",
        ]
    assert Decision(reject=0.1).rule(classifier).min_probability == 5.0
    assert Decision({"V": 0.8}).rule(classifier).thresholds == {"V": 2.0}


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (Decision({"V": 0.95}), "model told: offers sensitivity of V up to 0.9, not 0.95"),
        (Decision({"S": 0.5}), "model told: offers sensitivity of S at no level, not 0.5"),
        (Decision({"X": 0.9}), "model told: has no class 'X' (it has: N, S, V, F, Q)"),
        (Decision({}, {"F": 0.9}), "model told: offers no operating points of F (it offers: S, V)"),
        (Decision(reject=0.2), "model told: offers to reject 0.05 to 0.1 of all beats, not 0.2"),
        (Decision(reject=0.01), "model told: offers to reject 0.05 to 0.1 of all beats, not 0.01"),
    ],
)
def test_what_the_card_does_not_offer_is_named(model: Path, decision: Decision, told: str) -> None:
    with pytest.raises(ModelError) as caught:
        decision.rule(Classifier(model))
    assert str(caught.value) == told


def test_a_card_that_has_no_thresholds(tmp_path: Path) -> None:
    classifier = Classifier(saved(tmp_path, "bare", 5, CLASSES))
    with pytest.raises(ModelError, match="offers no operating points of V"):
        Decision({"V": 0.9}).rule(classifier)
    with pytest.raises(ModelError, match="bare: offers no share of beats to reject"):
        Decision(reject=0.05).rule(classifier)


@pytest.mark.parametrize(
    "wanted",
    [
        {"sensitivity": {"V": 0.0}},
        {"sensitivity": {"V": 1.01}},
        {"positive_predictivity": {"V": float("nan")}},
        {"sensitivity": {"V": 0.9}, "positive_predictivity": {"V": 0.9}},
        {"reject": 1.0},
        {"reject": -0.1},
        {"reject": "5 %"},
        {"sensitivity": 0.95},
        {"sensitivity": {"V": "0.95"}},
    ],
)
def test_impossible_wishes(wanted: dict) -> None:
    with pytest.raises(InputError):
        Decision(**wanted)


@pytest.mark.parametrize("lookahead", [0, 1])
def test_streamed_batched_and_single_beats_get_the_same_labels(
    model: Path, ecg: Record, lookahead: int
) -> None:
    wanted = Decision({"V": 0.9}, {"S": 0.8}, reject=0.1)
    beats = list(stream_classify(ecg, model=model, lookahead=lookahead, decision=wanted))
    labels = [beat.label for beat in beats]
    assert {"V", REJECTED} < set(labels)

    signal = (float(x) for x in ecg.signal[:, 0])
    single = stream_classify(signal, 360.0, model=model, lookahead=lookahead, decision=wanted)
    assert [repr(beat) for beat in single] == [repr(beat) for beat in beats]

    classifier = Classifier(model)
    stream = BeatStream(360.0, lookahead=lookahead, window=classifier.window)
    batch = stream.finish(ecg.signal)
    rule = wanted.rule(classifier, lookahead)
    assert rule.labels(classifier.predict_proba(batch.windows, batch.features)) == labels
    assert [
        rule.labels(classifier.predict_one(window, row)[np.newaxis])[0]
        for window, row in zip(batch.windows, batch.features, strict=True)
    ] == labels

    # All but the label is as without it.
    plain = list(stream_classify(ecg, model=model, lookahead=lookahead))
    assert [beat.probabilities for beat in plain] == [beat.probabilities for beat in beats]
    assert [beat.label for beat in plain] != labels
    for beat in beats:
        sure = max(beat.probabilities.values())
        assert beat.probability == beat.probabilities.get(beat.label, sure)


def test_the_output_of_a_sigmoid_stands_for_two_classes(tmp_path: Path, ecg: Record) -> None:
    table = {"abnormal": [point("sensitivity", 0.9, 0.5)]}
    metrics = {probabilities_heading(LOOKAHEAD_LABELS[0]): {"operating points": table}}
    file = saved(tmp_path, "one", 1, ("normal", "abnormal"), metrics=metrics)
    beats = list(stream_classify(ecg, model=file, decision=Decision({"abnormal": 0.9})))
    assert {beat.label for beat in beats} == {"normal", "abnormal"}
    for beat in beats:
        assert (beat.label == "abnormal") == (beat.probabilities["abnormal"] >= 0.5)


# ------------------------------------------------------------------ commands


@pytest.fixture
def recording(tmp_path: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "night.npy", ecg.signal[:, 0])
    return tmp_path / "night.npy"


WISHES = ["--sensitivity", "V=0.9", "--positive-predictivity", "S=0.8", "--reject", "0.1"]


def test_classify_writes_rejected_beats(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Decision({"V": 0.9}, {"S": 0.8}, 0.1)
    expected = list(stream_classify(recording, 360.0, model=model, decision=wanted))
    labels = [beat.label for beat in expected]
    rejected = labels.count(REJECTED)
    assert rejected > 1
    command = ["classify", str(recording), "--fs", "360", "--model", str(model), *WISHES]

    assert main([*command, "--output", "night.ecg"]) == 0
    out = capsys.readouterr().out
    assert f"{'  ?':<12}{rejected:>7,}" in out
    assert (
        "decision    V from -100.0 % on: sensitivity 91.0 % [80.0, 95.0], positive predictivity "
        "62.0 % [40.0, 70.0], in cross-validation\n"
    ) in out
    assert "decision    ? below 500.0 %: 90.0 % of beats kept, 95.0 % of them right" in out
    marks = read_annotations("night.ecg")
    assert list(marks.symbol) == ["Q" if label == REJECTED else label for label in labels]
    assert [text for text in marks.aux if text] == ["rejected"] * rejected

    assert main([*command, "--output", "night.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["by_class"][REJECTED] == rejected
    assert [row["by"] for row in told["decision"]][-1] == "reject"
    rows = list(csv.DictReader(Path("night.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == labels


def test_stream_prints_what_was_promised_and_rejected(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Decision({"V": 0.9}, {"S": 0.8}, 0.1)
    expected = list(stream_classify(recording, 360.0, model=model, decision=wanted))
    args = ["stream", str(recording), "--fs", "360", "--model", str(model), "--pace", "fast"]
    assert main([*args, *WISHES, "--json"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["label"] for row in rows if "label" in row] == [b.label for b in expected]
    assert err == ""

    assert main([*args, *WISHES]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()[1:]] == [b.label for b in expected]
    assert err.splitlines()[0].startswith("V from -100.0 % on: sensitivity 91.0 %")
    assert len(err.splitlines()) == 3 + 1


def test_without_options_nothing_is_said(
    recording: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["classify", str(recording), "--fs", "360", "--model", str(model)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "decision" not in told
    assert list(told["summary"]["by_class"]) == list(CLASSES)


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (["--sensitivity", "V"], 2, "is no list such as V=0.95,S=0.8"),
        (["--sensitivity", "=0.9"], 2, "is no list"),
        (["--sensitivity", "V=much"], 2, "is no list"),
        (["--sensitivity", "V=95"], 2, "sensitivity of V: 95 is no share"),
        (["--reject", "1.5"], 2, "reject: 1.5 is no share"),
        (["--reject", "0.5"], 1, "model told: offers to reject 0.05 to 0.1"),
        (["--positive-predictivity", "X=0.5"], 1, "model told: has no class 'X'"),
    ],
)
@pytest.mark.parametrize("command", ["classify", "stream"])
def test_impossible_options(
    command: str,
    options: list[str],
    status: int,
    told: str,
    recording: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = [command, str(recording), "--fs", "360", "--model", str(model), *options]
    try:
        ended = main(args)
    except SystemExit as stop:  # argparse
        ended = stop.code
    assert ended == status
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err.splitlines()[-1]
    assert not Path("night.ecg").exists()


def test_a_rejected_beat_ends_a_run() -> None:
    beats = list(stream_classify(demo_record()))

    def tally(labels: str) -> Tally:
        found = Tally(CLASSES)
        row = zip(beats, labels, strict=False)
        found.add([replace(b, label=c, rr=0.8, time=0.8 * i) for i, (b, c) in enumerate(row)])
        return found

    assert len(tally("VVV").summary("", 360.0, 9.0).runs) == 1
    broken = tally("VV?V").summary("", 360.0, 9.0)
    assert broken.runs == ()
    assert broken.by_class["?"] == 1
    assert "rejected" in broken.text()


# ------------------------------------------------------------------ what was reached


@pytest.fixture
def score() -> BeatModelScores:
    """Ten beats of two patients, answered in the scale of the thresholds above."""
    low = -9.0
    outputs = np.full((10, 5), low, np.float32)
    outputs[:, 0] = [6, 6, 6, 4, 6, 6, 6, 6, 6, 4]
    outputs[:, 2] = [-1, -1, low, low, -1, low, low, low, low, low]
    target = np.array([2, 2, 2, 0, 0, 0, 0, 0, 0, 1])
    record = np.repeat([0, 1], 5)
    none = np.zeros((2, 5, 5), np.int64)
    return BeatModelScores(
        "reference", 0, ("mitdb/a", "mitdb/b"), ("a", "b"), none, outputs, target, record
    )


def test_reached_by_hand(model: Path, score: BeatModelScores) -> None:
    classifier = Classifier(model)
    (row,) = evaluate_decision(classifier, score, Decision({"V": 0.9}))
    # Three beats are called V, two of the three V among them, all by the first patient.
    assert row["reached"]["sensitivity"] == pytest.approx(2 / 3, abs=1e-5)
    assert row["reached"]["positive_predictivity"] == pytest.approx(2 / 3, abs=1e-5)
    assert row["reached"]["intervals_95"]["sensitivity"] == [0.6667, 0.6667]
    assert row["promised"]["sensitivity"] == 0.91
    assert row["promised"]["intervals_95"] == {
        "sensitivity": [0.8, 0.95],
        "positive_predictivity": [0.4, 0.7],
    }

    (row,) = evaluate_decision(classifier, score, Decision(reject=0.1))
    # Two N of 4 are rejected; of the eight kept, three V and no other are wrong.
    assert row["reached"]["coverage"] == 0.8
    assert row["reached"]["accuracy"] == 5 / 8
    assert row["promised"]["coverage"] == 0.9
    assert row["reached"]["intervals_95"]["coverage"] == [0.8, 0.8]
    low, high = row["reached"]["intervals_95"]["accuracy"]
    assert (low, high) == (0.25, 1.0)

    rows = evaluate_decision(classifier, score, Decision({"V": 0.9}, reject=0.1))
    # Together: the three called V are kept whatever N is.
    assert rows[1]["reached"]["coverage"] == 0.8
    assert rows[1]["reached"]["accuracy"] == 6 / 8


def test_what_no_beat_tells_of_is_none(model: Path, score: BeatModelScores) -> None:
    (row,) = evaluate_decision(Classifier(model), score, Decision({}, {"S": 0.8}))
    assert row["reached"]["positive_predictivity"] is None  # nothing was called S
    assert row["reached"]["sensitivity"] == 0.0
    assert row["reached"]["intervals_95"]["positive_predictivity"] == []


def test_a_card_without_probabilities_has_nothing_beside(
    tmp_path: Path, score: BeatModelScores
) -> None:
    assert evaluate_probabilities(Classifier(saved(tmp_path, "bare", 5, CLASSES)), score) == {}


@pytest.mark.skipif("beats" not in available_models(), reason="no built-in model 'beats'")
@pytest.mark.parametrize("lookahead", [0, 1])
def test_the_built_in_model_keeps_its_promises_in_its_card(lookahead: int) -> None:
    classifier = Classifier("beats")
    for label in "SV":
        found = []
        levels = (0.5, 0.83, 0.9) if label == "S" else (0.5, 0.83, 0.9, 0.95, 0.99)
        for level in levels:
            (point,) = Decision({label: level}).rule(classifier, lookahead).operating_points
            assert point["sensitivity"] >= level - 1e-4
            low, high = point["intervals_95"]["sensitivity"]
            assert low <= point["sensitivity"] <= high
            found.append(point["threshold"])
        assert found == sorted(found, reverse=True)
        assert found[-1] > 0
        assert found[0] < 1
        (point,) = Decision({}, {label: 0.8}).rule(classifier, lookahead).operating_points
        assert point["positive_predictivity"] >= 0.8 - 1e-4
    kept = [
        Decision(reject=share).rule(classifier, lookahead).operating_points[0]
        for share in (0.01, 0.05, 0.07, 0.2, 0.5)
    ]
    assert [row["coverage"] for row in kept] == [0.99, 0.95, 0.93, 0.8, 0.5]
    accuracy = [row["accuracy"] for row in kept]
    assert accuracy == sorted(accuracy)


def test_evaluate_shows_what_was_promised_and_reached(
    ecg_folder: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "beats" not in available_models():
        pytest.skip("no built-in model 'beats'")
    data = ecg_folder(tmp_path)
    page = tmp_path / "page.html"
    args = ["evaluate", "beats", "--data", str(data), "--records", "100", "--sensitivity", "V=0.93"]
    assert main([*args, "--html", str(page)]) == 0
    out = capsys.readouterr().out
    for text in (
        "expected calibration error",
        "Thresholds of one class, the decision asked for, label with the beat, in %",
        "V sensitivity 93.0",
        "Rejection, label one beat later, in %",
        "docs/beats-inputs.md",
        "Llamedo",
    ):
        assert text in out
    assert "V sensitivity 93.0" in page.read_text()
    assert main([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"].endswith("--sensitivity V=0.93 --records 100")
    assert [view["lookahead"] for view in told["probabilities"]] == [0, 1]
    first = told["probabilities"][0]
    assert first["asked for"][0]["wanted"] == 0.93
    assert sum(row["beats"] for row in first["reached"]["bins"]) == 50
    assert main(["evaluate", "--detector", str(data / "mitdb"), "--reject", "0.1"]) == 2


@pytest.fixture
def ecg_folder() -> Callable[[Path], Path]:
    """Write a mitdb of one record of fifty beats, every tenth called V in the reference."""
    from ecgfast import detect_qrs
    from ecgfast.records import write_annotations

    def write(folder: Path) -> Path:
        wfdb = pytest.importorskip("wfdb")
        (folder / "data" / "mitdb").mkdir(parents=True)
        record = demo_record()
        peaks = detect_qrs(record.signal[:, 0], record.fs)[:50]
        n = int(peaks[-1]) + 500
        wfdb.wrsamp(
            "100",
            record.fs,
            ["mV"],
            ["MLII"],
            record.signal[:n, :1].astype(float),
            fmt=["16"],
            write_dir=str(folder / "data" / "mitdb"),
        )
        symbols = ["V" if i % 10 == 9 else "N" for i in range(len(peaks))]
        write_annotations(folder / "data" / "mitdb" / "100.atr", peaks, symbols, record.fs)
        return folder / "data"

    return write
