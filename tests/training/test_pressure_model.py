"""Task "blood-pressure": its protocols, the baselines beside them, and its network."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from ecgfast.core import FEATURE_NAMES
from ecgfast.errors import InputError
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.pressure import STRIP
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import blood_pressure, load_task
from ecgfast.training.tasks.personal_blood_pressure import (
    parts_in_time,
    personal_recipe,
    personal_scores,
)

RR = FEATURE_NAMES.index("rr")


def examples() -> ExampleSet:
    """Four recordings of 24 windows; the minimum follows the heart rate by 0.2 mmHg a beat."""
    record = np.repeat(["bp/v1", "bp/v2", "bp/v50", "bp/v90"], 24)
    time = np.tile(np.arange(24) * 5.0 + 12, 4)
    rate = 60 + 30 * np.sin(time / 15 + np.repeat(np.arange(4), 24))
    features = np.zeros((96, 16, len(FEATURE_NAMES)), np.float32)
    features[:, :, RR] = (60 / rate - 0.8)[:, np.newaxis]
    usual = np.repeat([50.0, 60, 70, 80], 24)
    target = np.column_stack([usual + 0.2 * (rate - 60), 2 * usual])
    return ExampleSet(
        {"window": np.zeros((96, 50, 1), np.float32), "features": features},
        target.astype(np.float32),
        np.repeat(["bp/v1", "bp/v1", "bp/v50", "bp/v90"], 24),
        record,
        {
            "classes": ["minimum", "maximum"],
            "database": "bp",
            "window": [125.0, 1222, 28, "strip", 16],
            "windows": 200,
            "records": 5,
            "step_s": 5.0,
            "rules": {},
            "dropped": {},
            "folds": {"bp/v1": 0, "bp/v2": 0, "bp/v50": 1, "bp/v90": 1},
        },
        {"time": time, "fold": np.repeat([0, 0, 1, 1], 24)},
    )


def test_protocols_stand_beside_what_needs_no_ecg(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = examples()
    seen = []

    def predicted(recipe, given, fold, seed, checkpoint):
        seen.append((fold, seed))
        return given.target + 3.0

    monkeypatch.setattr(blood_pressure, "out_of_fold", predicted)
    recipe = dataclasses.replace(Recipe.load("blood-pressure"), folds=2)
    recipe = recipe.changed({"options": {"seeds": 2}})
    lines: list[str] = []
    free, calibrated, mixed = blood_pressure.score_protocols(recipe, shown, lines.append)

    # By group: two seeds of the data set's folds; then windows dealt without regard to records.
    assert [fold.tolist() == shown.columns["fold"].tolist() for fold, _ in seen] == [
        True,
        True,
        False,
    ]
    assert len({seed for _, seed in seen[:2]}) == 2
    fold = seen[2][0]
    assert all(len(set(fold[shown.record == name])) == 2 for name in set(shown.record))

    # Maxima are 100 and 120 in fold 0, 140 and 160 in fold 1: each gets the other's mean.
    facts = free.to_dict()["maximum"]
    assert facts["training mean"]["MAE"] == pytest.approx(40.0)
    assert facts["training median"]["MAE"] == pytest.approx(40.0)
    assert facts["model"]["MAE"] == pytest.approx(3.0)
    assert facts["model"]["gain"]["mmHg"] == pytest.approx(37.0)
    assert "model, seed 2" in facts

    # The first minute holds windows that end at 12, 17, ..., 57 s: from 70 s on they are predicted.
    facts = calibrated.to_dict()
    assert facts["windows"] == 4 * np.sum(shown.columns["time"][:24] >= 70)
    held = facts["minimum"]["calibration held"]["MAE"]
    assert facts["maximum"]["calibration held"]["MAE"] == 0.0
    assert facts["minimum"]["held, and change of heart rate"]["MAE"] < 0.7 * held

    # Each recording's maximum never moves: looking it up needs no ECG.
    name = "the recording's training mean, no ECG"
    assert mixed.to_dict()["maximum"][name]["MAE"] == pytest.approx(0.0)
    assert "both sides" in mixed.heading


def one_person() -> ExampleSet:
    """Two recordings of one person, of 24 windows each; the minimum rises by 1 mmHg a window."""
    shown = examples().only(np.arange(48))
    shown.target[:] = np.column_stack([50.0 + np.arange(48), np.repeat([100.0, 140.0], 24)])
    return dataclasses.replace(
        shown, columns={**shown.columns, "order": np.repeat([0, 1], 24).astype(np.int64)}
    )


def test_a_persons_later_windows_share_no_sample_with_the_training() -> None:
    shown = one_person()
    train, test = parts_in_time(shown, 0.25)
    assert np.flatnonzero(train).tolist() == list(range(12))
    # The last that trains ends 0.224 s after R at 67 s; one begins 9.776 s before its R, here 77 s.
    assert np.flatnonzero(test)[0] == 13
    assert test[13:].all()
    # The recording after begins anew.
    train, test = parts_in_time(shown, 0.5)
    assert np.flatnonzero(test).tolist() == list(range(24, 48))
    with pytest.raises(InputError, match="43 to train and 4 later ones to test"):
        parts_in_time(shown, 0.9)


def test_a_persons_model_stands_beside_what_needs_no_ecg() -> None:
    shown = one_person()
    recipe = personal_recipe(Recipe.load("blood-pressure"), ["a", "b"])
    train, test = parts_in_time(shown, 0.5)
    predicted = np.tile([90.0, 130.0], (24, 1))
    facts = personal_scores(recipe, shown, train, test, predicted).to_dict()
    # Minima of 50 to 73 train (61.5 on average), those of 74 to 97 test (85.5).
    assert facts["minimum"]["the person's training mean"]["ME"] == pytest.approx(61.5 - 85.5)
    assert facts["minimum"]["the person's training median"]["ME"] == pytest.approx(61.5 - 85.5)
    # Twelve windows end in the last minute of training: 62 to 73.
    assert facts["minimum"]["last calibration held"]["ME"] == pytest.approx(67.5 - 85.5)
    assert facts["maximum"]["last calibration held"]["MAE"] == pytest.approx(40.0)
    assert facts["maximum"]["model"]["MAE"] == pytest.approx(10.0)
    assert facts["maximum"]["model"]["gain"]["mmHg"] == pytest.approx(30.0)
    with pytest.raises(InputError, match="recipe beats: makes no model of one person"):
        personal_recipe(Recipe.load("beats"), ["a"])


def test_a_second_database_is_refused_and_not_left_out_in_silence() -> None:
    recipe = dataclasses.replace(Recipe.load("blood-pressure"), databases=("bp", "mine"))
    with pytest.raises(InputError, match="databases names bp, mine, and blood-pressure trains on"):
        load_task("blood-pressure").check_options(recipe)


def test_task_says_how_the_figures_were_made() -> None:
    task, recipe, shown = load_task("blood-pressure"), Recipe.load("blood-pressure"), examples()
    assert (task.classes, task.output, task.unit) == (("minimum", "maximum"), "value", "mmHg")
    assert task.folds(recipe, shown).tolist() == shown.columns["fold"].tolist()
    # The network reads what the core gives.
    assert recipe.architecture["features"] == [STRIP.history, len(FEATURE_NAMES)]
    assert recipe.architecture["window"] == [STRIP.before + STRIP.after, 1]
    facts = task.facts(recipe, shown)
    assert facts.data["windows_kept"] == 96
    assert facts.data["groups"] == 3
    assert facts.split["folds"]["bp/v90"] == 1
    assert "out of fold" in facts.split["figures"]


def test_scores_are_written_for_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    shown, task, lines = examples(), load_task("blood-pressure"), []
    monkeypatch.setattr(blood_pressure, "out_of_fold", lambda recipe, given, *rest: given.target)
    monkeypatch.setattr(blood_pressure, "_by_precision", lambda *given: {"forms": {}})
    monkeypatch.setattr(type(task), "training_set", lambda self, recipe, data: shown)
    recipe = dataclasses.replace(Recipe.load("blood-pressure"), folds=2)
    folder = tmp_path / "work" / "scores"
    found = task.score_precisions(tmp_path / "card", tmp_path, recipe, lines.append, folder=folder)
    free, *_ = found["scores"]
    assert found[free["protocol"]]["maximum, model"]["MAE"] == 0.0
    assert json.loads((folder / "protocols" / "tables.json").read_text()) == found["scores"]
    assert "training mean" in (folder / "protocols" / "tables.txt").read_text()
    # The pictures of a run are drawn from these.
    pytest.importorskip("matplotlib")
    from ecgfast.reports.training import draw_run

    assert draw_run(tmp_path / "work")


@pytest.mark.thorough
def test_network_has_two_branches_and_tells_mmhg() -> None:
    pytest.importorskip("tensorflow")
    from ecgfast.networks import build
    from ecgfast.training.fitting.fit import fit, predict

    options = dict(Recipe.load("blood-pressure").architecture)
    name = options.pop("name")
    sizes = {b: build(name, **{**options, "branches": b}).count_params() for b in ("conv", "both")}
    assert sizes["conv"] < sizes["both"] < 10_000
    with pytest.raises(ValueError, match="lstm_input"):
        build(name, **{**options, "lstm_input": "beats"})
    with pytest.raises(ValueError, match="needs features"):
        build(name, **{**options, "features": 37})

    shown = examples()
    recipe = Recipe.load("blood-pressure").changed(
        {
            "architecture": {"window": [50, 1], "lstm_units": 1, "filters": [2]},
            "schedule": {"epochs": 2, "batch": 32},
        }
    )
    predicted = predict(fit(recipe, shown).model, shown)
    # Not standardised: near the mean of the targets, 65 and 130 mmHg.
    assert np.abs(predicted.mean(axis=0) - shown.target.mean(axis=0)).max() < 20
