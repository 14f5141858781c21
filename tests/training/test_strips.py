"""Strips: what is abnormal, and that they are what a live stream gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from training_records import write_record

from ecgfast import BeatStream, InputError, RecordError, read_record
from ecgfast.core import FEATURE_NAMES
from ecgfast.records import Annotations
from ecgfast.training.datasets.breathing_strips import prepare_breathing_strips
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.splits import DS1, DS2
from ecgfast.training.datasets.strips import (
    STRIP,
    abnormal_share,
    prepare_handheld_strips,
    prepare_strips,
    strip_labels,
)
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import normality


def marks(*rows: tuple[int, str, str]) -> Annotations:
    sample, symbol, aux = zip(*rows, strict=True)
    return Annotations(np.array(sample), np.array(symbol), np.array(aux))


def test_an_abnormal_beat_makes_a_strip_abnormal() -> None:
    reference = marks((10, "N", ""), (50, "L", ""), (100, "V", ""), (150, "N", ""), (160, "~", ""))
    first, last = np.array([0, 60, 100, 101]), np.array([99, 100, 120, 200])
    beats, rhythm = strip_labels(reference, first, last)
    assert beats.tolist() == [False, True, True, False]
    assert not rhythm.any()


def test_a_rhythm_lasts_until_the_next_change() -> None:
    reference = marks((5, "+", "(N"), (10, "N", ""), (100, "+", "(AFIB"), (200, "+", "(N\x00"))
    first, last = np.array([0, 50, 120, 199, 200]), np.array([99, 100, 180, 250, 300])
    beats, rhythm = strip_labels(reference, first, last)
    assert rhythm.tolist() == [False, True, True, True, False]
    assert not beats.any()


def test_strips_are_those_of_a_live_stream(record_path) -> None:
    data = Path(record_path("mitdb/201")).parent.parent
    strips = prepare_strips(data, ["mitdb/201"], step=10.0)
    record = read_record(record_path("mitdb/201"))
    stream = BeatStream(record.fs, window=STRIP)
    batch = stream.finish(record.signal[:, 0])
    rows = np.searchsorted(batch.sample, strips.columns["sample"])
    assert np.array_equal(batch.windows[rows], strips.inputs["window"])
    assert np.array_equal(batch.features[rows], strips.inputs["features"])
    assert 170 < len(strips) < 182
    # Atrial fibrillation for most of it, with few ectopic beats outside.
    assert 0.6 < strips.columns["rhythm"].mean() < 0.8
    assert set(strips.patient.tolist()) == {"mitdb/201"}
    assert abnormal_share(strips.record, strips.target == 1)["mitdb/201"] > 0.9


def test_strips_of_two_leads_are_those_of_each(record_path) -> None:
    data = Path(record_path("mitdb/208")).parent.parent
    both = prepare_strips(data, ["mitdb/208"], leads=(0, 1))
    for lead in (0, 1):
        one = prepare_strips(data, ["mitdb/208"], leads=(lead,))
        rows = both.columns["lead"] == lead
        assert np.array_equal(both.inputs["window"][rows], one.inputs["window"])
        assert np.array_equal(both.target[rows], one.target)


def test_strips_in_made_noise_keep_their_labels(record_path) -> None:
    data = Path(record_path("mitdb/201")).parent.parent
    clean = prepare_strips(data, ["mitdb/201"])
    noisy = prepare_strips(data, ["mitdb/201"], noise_seed=3)
    assert set(noisy.record.tolist()) == {"mitdb/201, noise"}
    assert set(noisy.patient.tolist()) == {"mitdb/201"}
    assert abs(noisy.target.mean() - clean.target.mean()) < 0.03
    n = min(len(noisy), len(clean))
    same = (noisy.inputs["window"][:n] == clean.inputs["window"][:n]).all(axis=(1, 2))
    assert same.mean() < 0.5
    again = prepare_strips(data, ["mitdb/201"], noise_seed=3)
    assert np.array_equal(noisy.inputs["window"], again.inputs["window"])


def test_handheld_strips_are_as_their_recording_is_said_to_be(tmp_path: Path) -> None:
    folder = tmp_path / "cinc2017"
    for name in ("A1", "A2", "A3"):
        write_record(folder, name, seconds=30.0)
    (folder / "REFERENCE.csv").write_text("A1,N\nA2,A\nA3,O\n")
    strips = prepare_handheld_strips(tmp_path, step=5.0)
    assert set(strips.record.tolist()) == {"cinc2017/A1", "cinc2017/A2"}, "A3 has another rhythm"
    assert np.array_equal(strips.target == 1, strips.record == "cinc2017/A2")
    assert 4 <= (strips.record == "cinc2017/A1").sum() <= 5


def test_recordings_without_annotations_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="mitdb/1"):
        prepare_strips(tmp_path, ["mitdb/1"])


def test_the_task_keeps_patients_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_of: list[tuple[int, ...]] = []

    def made(
        data: object,
        records: list[str],
        *,
        step: float,
        progress: bool,
        leads: Sequence[int] = (0,),
    ) -> ExampleSet:
        leads_of.append(tuple(leads))
        n = 20 * len(records)
        return ExampleSet(
            {"window": np.zeros((n, 4, 1), np.float32)},
            np.tile(np.array([0, 1], np.int8), n // 2),
            np.repeat(records, 20),
            np.repeat(records, 20),
            {"classes": ["normal", "abnormal"], "step": step},
        )

    def handheld(data: object, *, step: float, progress: bool) -> ExampleSet:
        return made(data, ["cinc2017/A1"], step=step, progress=progress, leads=(0,))

    monkeypatch.setattr(normality, "prepare_strips", made)
    monkeypatch.setattr(normality, "prepare_handheld_strips", handheld)
    # No recording is read.
    monkeypatch.setattr(normality, "check_records", lambda *_: None)
    one = {"nsrdb": "16265"}
    monkeypatch.setattr(
        normality, "named_records", lambda _, names: [(d, one[d], f"{d}/{one[d]}") for d in names]
    )
    recipe = Recipe.load("normality")
    train = normality.TASK.training_set(recipe, "data")
    ((heading, test),) = normality.TASK.test_sets(recipe, "data").items()
    assert "by patient" in heading
    assert not set(train.record.tolist()) & set(test.record.tolist())
    others = {"nsrdb/16265", "cinc2017/A1"}
    assert set(train.record.tolist()) == {f"mitdb/{name}" for name in DS1} | others
    assert set(test.record.tolist()) == {f"mitdb/{name}" for name in DS2}
    assert test.about["step"] == 10.0
    # The second lead helps to learn; what is told of the model is told of first leads.
    assert leads_of == [(0, 1), (0,), (0,)]
    other = recipe.changed({"options": {"split": "random"}})
    train = normality.TASK.training_set(other, "data")
    ((heading, test),) = normality.TASK.test_sets(other, "data").items()
    assert "one patient on both sides" in heading
    assert len(train) + len(test) == 20 * 44
    assert abs(len(test) / (20 * 44) - 0.2) < 0.01


def test_figures_are_of_first_leads() -> None:
    examples = ExampleSet(
        {"window": np.zeros((4, 4, 1), np.float32)},
        np.array([0, 1, 0, 1], np.int8),
        np.array(["p"] * 4),
        np.array(["p"] * 4),
        {"classes": ["normal", "abnormal"], "leads": [0, 1]},
        {"lead": np.array([0, 0, 1, 1], np.int8)},
    )
    outputs = np.array([[0.1], [0.9], [0.9], [0.1]], np.float32)
    assert normality.TASK.figures(examples, outputs)["accuracy"] == 1.0


def test_figures_are_told_for_each_database() -> None:
    records = np.array(["mitdb/1", "mitdb/1", "nsrdb/2", "nsrdb/2"])
    examples = ExampleSet(
        {"window": np.zeros((4, 4, 1), np.float32)},
        np.array([0, 1, 0, 0], np.int8),
        records,
        records,
        {"classes": ["normal", "abnormal"], "leads": [0], "databases": ["mitdb", "nsrdb", "svdb"]},
        {"lead": np.zeros(4, np.int8)},
    )
    figures = normality.TASK.figures(examples, np.array([[0.9], [0.9], [0.1], [0.6]], np.float32))
    assert figures["mitdb abnormal found"] == figures["mitdb normal called abnormal"] == 1.0
    assert figures["nsrdb normal called abnormal"] == 0.5
    assert np.isnan(figures["nsrdb abnormal found"])
    assert not any(name.startswith("svdb") for name in figures)
    alone = normality.TASK.figures(examples.only(records == "mitdb/1"), np.ones((2, 1), np.float32))
    assert not any(name.startswith("mitdb") for name in alone)


def test_another_split_is_refused() -> None:
    recipe = Recipe.load("normality").changed({"options": {"split": "weekday"}})
    with pytest.raises(InputError, match="weekday"):
        normality.TASK.training_set(recipe, "data")


def test_strips_that_follow_the_breath_are_normal_and_hold_made_intervals_alone(
    record_path,
) -> None:
    data = Path(record_path("mitdb/101")).parent.parent
    strips = prepare_breathing_strips(data, ["mitdb/101"], seed=3)
    assert len(strips) > 20
    assert not strips.target.any()
    assert set(strips.record.tolist()) == {"mitdb/101, sinus arrhythmia"}
    assert set(strips.patient.tolist()) == {"mitdb/101"}
    again = prepare_breathing_strips(data, ["mitdb/101"], seed=3)
    assert np.array_equal(again.inputs["window"], strips.inputs["window"])
    other = prepare_breathing_strips(data, ["mitdb/101"], seed=4)
    assert not np.array_equal(other.columns["sample"], strips.columns["sample"])
    # Deeper than the recording's own rhythm.
    rr = strips.inputs["features"][..., FEATURE_NAMES.index("rr")]
    assert np.median(np.ptp(rr, axis=1)) > 0.15


def test_no_strip_of_an_abnormal_rhythm_is_made_normal(record_path) -> None:
    data = Path(record_path("mitdb/201")).parent.parent  # fibrillation for most of it
    strips = prepare_breathing_strips(data, ["mitdb/201"], seed=3)
    assert len(strips) < 40
