"""Candidates side by side, each judged on patients it has not seen."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from toy_task import (  # noqa: F401
    POINTS,
    ToyTask,
    save_recipe,
    toy_examples,
    toy_fixture,
    toy_recipe,
)

from ecgfast import InputError, networks
from ecgfast.cli import main
from ecgfast.cli.crossval import _mean_cell, verdict
from ecgfast.training import workflow
from ecgfast.training.fitting.batches import Batches
from ecgfast.training.fitting.crossval import (
    CandidateResult,
    _draws,
    choose,
    difference,
    mean_figures,
    share_of,
)
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.recipes.studies import STUDIES, study


def test_a_share_keeps_every_patient_and_class() -> None:
    examples = toy_examples(2000)
    some = share_of(examples, 0.1, seed=0)
    assert len(some) == pytest.approx(200, abs=16)
    assert set(some.patient) == set(examples.patient)
    assert some.target.mean() == pytest.approx(examples.target.mean(), abs=0.02)
    assert np.array_equal(some.inputs["window"], share_of(examples, 0.1, 0).inputs["window"])
    assert share_of(examples, 1, 0) is examples
    for wrong in (0, 1.5):
        with pytest.raises(InputError, match="share of"):
            share_of(examples, wrong, 0)


def result(
    name: str, folds: tuple[float, ...], draws: tuple[float, ...], f1: float = 0.5
) -> CandidateResult:
    rows = tuple(
        {
            "criterion": x,
            "figures": {"one": {"F1": x}, "two": {"F1": x + 0.2}},
            "examples": 5,
            "epochs": 1,
            "seconds": 1.0,
        }
        for x in folds
    )
    figures = {"one": {"F1": f1}, "two": {"F1": float("nan"), "rate": 2.0}}
    drawn = {"F1": tuple(np.linspace(f1, f1 + 0.1, 101).tolist())}
    return CandidateResult(name, 10, float(np.mean(folds)), figures, rows, draws, drawn)


def test_spreads_and_paired_differences_by_hand() -> None:
    one = result("one", (0.4, 0.6), tuple(np.linspace(0, 1, 101)))
    lacking = dataclasses.replace(
        one, folds=(*one.folds, {**one.folds[0], "figures": {"one": {"F1": float("nan")}}})
    )
    assert mean_figures(lacking)["F1"] == pytest.approx((*mean_figures(one)["F1"][:2], 2))
    assert _mean_cell(mean_figures(lacking)["F1"], 3) == "0.600 ± 0.141 (2 of 3 folds)"
    assert _mean_cell((0.6, 0.0, 1), 2) == "0.600 (1 of 2 folds)"
    other = result("other", (0.3, 0.5), tuple(np.linspace(0, 1, 101) - 0.1))
    mean, spread, folds = mean_figures(one)["F1"]
    assert folds == 2
    assert mean == pytest.approx(0.6)
    assert spread == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert one.interval == pytest.approx((0.025, 0.975))
    # Both vary from draw to draw, and always by as much.
    assert difference(one, other) == pytest.approx((0.1, 0.1, 0.1))
    plain = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert plain["fold_criterion"] == [0.4, 0.6]
    assert plain["two"] == {"F1": None, "rate": 2.0}
    assert plain["leading"] == {"F1": None}
    low, high = difference(result("better", (0.5,), (), 0.7), one, "F1")[1:]
    assert (low, high) == pytest.approx((0.2, 0.2))


def test_the_verdict_says_what_was_shown_and_what_was_not() -> None:
    level = tuple(np.linspace(0, 1, 101).tolist())
    first = result("as it is", (0.5,), level)
    chance = result("chance", (0.6,), level[::-1])
    worse = result("worse", (0.2,), tuple(x - 0.3 for x in level))
    better = result("better", (0.9,), tuple(x + 0.4 for x in level))
    assert verdict([first]).startswith("One candidate")
    assert verdict([first, chance]).startswith("Nothing was shown")
    told = verdict([first, chance, worse, better])
    assert "better: better (+0.400); worse: worse (-0.300)." in told
    assert told.endswith("Not shown to differ (the interval contains 0): chance.")
    assert "Not shown" not in verdict([first, worse])


def test_a_patient_who_is_drawn_twice_counts_as_two_recordings() -> None:
    class Recordings(ToyTask):
        def figures(self, examples, outputs):
            counts = np.unique(examples.columns["recording"], return_counts=True)[1]
            return {"F1": 0.0, "recall": float(len(counts)), "precision": float(counts.max())}

    examples = toy_examples(80, patients=8)
    recording = np.unique(examples.patient, return_inverse=True)[1]
    examples = dataclasses.replace(examples, columns={"recording": recording})
    outputs = {"": np.zeros((80, 1), np.float32)}
    criteria, drawn = _draws(Recordings(), examples, outputs, ["recall", "precision"], 0)
    assert len(criteria) == len(drawn["recall"]) > 100
    assert set(drawn["recall"]) == {8.0}
    assert set(drawn["precision"]) == {10.0}


@pytest.mark.parametrize(
    ("schedule", "offered"),
    [
        ({"balancing": "none"}, False),
        ({"balancing": "weights", "class_weight_power": 0.0}, False),
        ({"balancing": "weights", "class_weight_power": 0.5}, True),
        ({"balancing": "resampling"}, True),
    ],
)
def test_no_weights_is_offered_where_the_recipe_balances(
    schedule: dict[str, object], offered: bool
) -> None:
    pytest.importorskip("keras", reason="networks need Keras (extra train)")
    recipe = Recipe.load("beats").changed({"schedule": schedule})
    assert ("no weights" in study("balancing", recipe)) is offered


def test_balanced_classes_weigh_alike_whatever_the_recipe_leaves_out_of_the_largest() -> None:
    pytest.importorskip("keras", reason="networks need Keras (extra train)")
    recipe = Recipe.load("beats")
    assert recipe.schedule.largest_class_weight > 1
    examples = toy_examples(3000, classes="NVS")
    targets = np.eye(3, dtype=np.float32)[examples.target]
    for name in ("full weights", "resampling"):
        balanced = recipe.changed(study("balancing", recipe)[name])
        batches = Batches(examples, targets, balanced.schedule, seed=0)
        batches.draw()
        total = np.zeros(3)
        for k in range(len(batches)):
            _, target, weight = batches[k]
            total += (target * weight[:, np.newaxis]).sum(axis=0)
        assert total / total.sum() == pytest.approx(np.full(3, 1 / 3), abs=0.05), name


@pytest.mark.thorough
@pytest.mark.parametrize("name", STUDIES)
def test_studies_change_what_they_say(name: str) -> None:
    pytest.importorskip("keras", reason="networks need Keras (extra train)")
    recipe = Recipe.load("beats")
    if name == "loss":
        with pytest.raises(InputError, match="needs a linear head"):
            study(name, recipe)
        linear = {**recipe.architecture, "head": "linear", "outputs": 2}
        recipe = dataclasses.replace(recipe, architecture=linear)
        with pytest.raises(InputError, match="needs classes"):
            study("balancing", recipe)
    changes = study(name, recipe)
    assert next(iter(changes.values())) == {}
    changed = [recipe.changed(change) for change in changes.values()]
    assert len({repr(candidate) for candidate in changed}) >= len(changed) - 1
    if name in ("size", "branches"):
        for candidate in changed:
            options = dict(candidate.architecture)
            networks.build(options.pop("name"), **options)


def test_studies_that_do_not_suit() -> None:
    with pytest.raises(InputError, match="needs a dual_branch network"):
        study("branches", toy_recipe())
    with pytest.raises(InputError, match="no study 'luck'"):
        study("luck", toy_recipe())
    with_lstm = study("size", toy_recipe())["with BiLSTM"]
    assert with_lstm["architecture"]["lstm_units"] > 0


@pytest.mark.thorough
def test_crossval_compares_and_reads_back(toy: ToyTask, tmp_path, capsys) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    path = save_recipe(
        tmp_path, candidates={"plain": {}, "wide net": {"architecture": {"filters": [8]}}}
    )
    command = ["crossval", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    command += ["--output", str(tmp_path / "table"), "--json"]
    assert main(command) == 0
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert json.loads((tmp_path / "table.json").read_text()) == told
    assert [row["candidate"] for row in told["candidates"]] == ["plain", "wide net"]
    assert told["examples"] == 240
    assert (told["patients"], told["folds_by"]) == (8, "patient")
    assert "patients: 8" in (tmp_path / "table.md").read_text()
    assert f"ecgfast crossval {path.name} " in told["command"]
    assert told["candidates"][0]["against_the_first"] == [0, 0, 0]
    low, high = told["candidates"][1]["interval_95"]
    assert low <= told["candidates"][1]["criterion"] <= high
    assert out.err.count("fold") == 4
    page = (tmp_path / "table.md").read_text()
    lines = [line for line in page.split("\n\n") if line]
    assert lines[:2] == ["# Candidates of toy", told["verdict"]]
    assert told["command"] in lines[2]
    # What a user chooses by comes before accuracy, with the difference from the first candidate.
    table = page[page.index("| criterion") :]
    assert table.index("| F1, %") < table.index("| precision, %") < table.index("| accuracy")
    change = told["candidates"][1]["leading_against_the_first"]["F1"]
    value = told["candidates"][1]["leading"]["F1"]
    assert f"{100 * value:.1f} ({100 * change[0]:+.1f} [" in page.split("| F1, %")[1].split("\n")[0]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")

    # Once more: finished folds are read, and figures are the same.
    assert main([*command, "--candidates", "wide"]) == 0
    again = capsys.readouterr()
    assert "fold" not in again.err
    (row,) = json.loads(again.out)["candidates"]
    assert row["criterion"] == told["candidates"][1]["criterion"]
    assert main([*command, "--candidates", "tall"]) == 2
    assert "no candidate 'tall': there are plain; wide net" in capsys.readouterr().err


@pytest.mark.thorough
def test_candidates_of_other_seeds_are_compared_on_the_same_folds_and_draws(
    toy: ToyTask, tmp_path, monkeypatch
) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")

    def figures(examples, outputs):
        return dict.fromkeys(("F1", "precision", "recall"), float(examples.target.mean()))

    # What the figures say is of the examples alone, whatever the networks answer.
    monkeypatch.setattr(toy, "figures", figures)
    recipe = toy_recipe(folds=2, schedule={"epochs": 1})
    seeds = {"the recipe": {}, "another": {"seed": recipe.seed + 100}}
    one, other = workflow.compare_candidates(recipe, seeds, tmp_path, tmp_path / "work", print)
    assert len(set(one.draws)) > 10
    assert one.draws == other.draws
    assert [f["criterion"] for f in one.folds] == [f["criterion"] for f in other.folds]
    (view,) = one.outputs
    assert not np.array_equal(one.outputs[view], other.outputs[view])


@pytest.mark.thorough
def test_crossval_says_that_folds_are_by_example_and_what_is_missing_and_one_patient_shows_nothing(
    toy: ToyTask, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    (tmp_path / "mitdb").mkdir()
    (tmp_path / "mitdb" / "RECORDS").write_text("100\n101\n102\n")
    (tmp_path / "mitdb" / "100.hea").touch()
    path = save_recipe(tmp_path, databases=("mitdb",), candidates={"a": {}, "b": {"seed": 9}})
    whose = np.full(240, "toy/0")
    monkeypatch.setattr(
        toy, "training_set", lambda *a, **o: dataclasses.replace(toy_examples(), patient=whose)
    )
    monkeypatch.setattr(toy, "folds", lambda recipe, examples: np.arange(len(examples)) % 2)
    command = ["crossval", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    command += ["--set", "schedule.validation_share=0"]
    assert main([*command, "--epochs", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"].startswith("Nothing was shown: an interval")
    assert told["missing_records"] == {"mitdb": ["101", "102"]}
    assert (told["patients"], told["folds_by"]) == (1, "example")
    assert told["candidates"][1]["interval_95"] == [None, None]
    page = (tmp_path / "work" / "candidates.md").read_text()
    assert "2 recordings of mitdb: 101, 102." in page
    assert "The folds are by example" in page
    assert "nan" not in page


OWN = """
import keras

def small(window, *, width=3):
    given = keras.Input(window, name="window")
    x = keras.layers.Dense(width, activation="relu")(keras.layers.Flatten()(given))
    return keras.Model(given, keras.layers.Dense(1, activation="sigmoid", name="probability")(x))
"""


@pytest.mark.thorough
def test_crossval_under_a_protocol_of_a_task_and_network_from_outside(
    tmp_path, capsys, monkeypatch
) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    (tmp_path / "own_network.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = save_recipe(tmp_path, protocols={"short": {"schedule": {"epochs": 1}}})
    command = ["crossval", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    command += ["--set", "task=toy_task:TASK", "--set", "architecture.name=own_network:small"]
    command += ["--set", "architecture.width=4"]
    assert main([*command, "--protocol", "short", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["epochs"] == 1
    assert [row["parameters"] for row in told["candidates"]] == [4 * (POINTS + 1) + 5]
    assert "--protocol short" in told["command"]
    assert "--set architecture.name=own_network:small" in told["command"]
    assert "protocol 'short'" in (tmp_path / "work" / "candidates.md").read_text()
    assert main([*command, "--protocol", "long"]) == 2
    assert "no protocol 'long': there are short" in capsys.readouterr().err


@pytest.mark.thorough
def test_folds_of_other_patients_or_settings_are_trained_again_and_said(
    toy: ToyTask, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    path = save_recipe(tmp_path)
    command = ["crossval", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    assert main(command) == 0
    assert "another training" not in capsys.readouterr().err
    # The same examples and folds as large, of other patients: what was held out is another half.
    examples = toy_examples()
    other = np.roll(examples.patient, 1)
    monkeypatch.setattr(
        toy, "training_set", lambda *a, **o: dataclasses.replace(examples, patient=other)
    )
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "fold-1.npz is of another training, and is replaced: other folds" in told
    assert "fold 1 of 2" in told
    assert main([*command, "--set", "seed=8"]) == 0
    assert "is replaced: seed was 7 and is 8" in capsys.readouterr().err


def test_the_best_candidate_is_chosen_and_the_smaller_of_equals() -> None:
    def result(name: str, parameters: int, criterion: float) -> CandidateResult:
        return CandidateResult(name, parameters, criterion, {"": {}}, ())

    assert choose([result("a", 100, 0.5), result("b", 900, 0.6)]).name == "b"
    assert choose([result("a", 900, 0.6), result("b", 100, 0.60001)]).name == "b"
