"""A task from its recipe to its card: what is trained, kept, refused and said on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from model_files import affine_model  # before TensorFlow, see there
from toy_task import (  # noqa: F401
    POINTS,
    ToyTask,
    save_recipe,
    toy_examples,
    toy_fixture,
    toy_recipe,
)

from ecgfast import InputError, RecordError
from ecgfast.cli import main
from ecgfast.runtime import ModelCard
from ecgfast.training import workflow
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import CardFacts, checked_test_sets, load_task


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("beat", "no task 'beat': did you mean 'beats'"),
        ("toy_task:ToyTask", "is the class ToyTask, not an object of a subclass"),
        ("toy_task:POINTS", "is int, not an object"),
        ("toy_task:TSK", "has no 'TSK'; did you mean 'TASK'"),
        ("no_such_module:TASK", "no module 'no_such_module' is installed or in"),
    ],
)
def test_tasks_from_outside_that_are_none(name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        load_task(name)


@pytest.mark.thorough
def test_augmented_examples_are_learnt_from_and_counted_but_not_watched_or_scored(
    toy: ToyTask, tmp_path, monkeypatch
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.training.export import tflite as exporting
    from ecgfast.training.fitting import fit as fitting

    shown = []
    original = fitting.fit

    def fit(recipe, examples, validation, **options):
        shown.append((examples, validation))
        return original(recipe, examples, validation, **options)

    def augmented(recipe, data, examples, *, progress=False):
        return dataclasses.replace(examples, record=np.char.add(examples.record, ", made"))

    monkeypatch.setattr(toy, "augmented", augmented, raising=False)
    monkeypatch.setattr(fitting, "fit", fit)
    monkeypatch.setattr(exporting, "export", lambda *args, card, **options: cards.append(card))
    monkeypatch.setattr(workflow, "score_on_test", lambda *args, **options: cards[0])
    cards: list[ModelCard] = []
    path = save_recipe(tmp_path)
    command = ["train", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    assert main([*command, "--output", str(tmp_path / "models")]) == 0
    ((learnt, watched),) = shown
    assert cards[0].data["made_examples"] == toy_examples().counts()
    is_made = np.char.endswith(learnt.record, ", made")
    assert is_made.sum() == (~is_made).sum() > 0
    assert not set(learnt.patient) & set(watched.patient)
    assert not np.char.endswith(watched.record, ", made").any()


def test_two_trainings_do_not_share_a_work_folder(
    toy: ToyTask, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    command = [str(save_recipe(tmp_path)), "--data", str(tmp_path), "--work", str(work)]
    told = (
        "work: another training is at work on it; wait until it has ended, or give another --work"
    )
    with workflow._alone(work):
        for name in ("train", "crossval"):
            assert main([name, *command]) == 1
            assert told in capsys.readouterr().err
    assert [path.name for path in work.iterdir()] == ["training.lock"]


@pytest.mark.parametrize("name", ["train", "crossval"])
def test_an_interrupted_training_says_what_is_kept(
    toy: ToyTask, tmp_path, monkeypatch, capsys, name
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.training.fitting import fit as fitting

    def interrupted(*args, **options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", interrupted)
    monkeypatch.chdir(tmp_path)
    assert main([name, str(save_recipe(tmp_path)), "--data", str(tmp_path), "--work", "w"]) == 130
    told = "interrupted; finished folds and epochs are kept in w: the same command continues"
    assert told in capsys.readouterr().err


def test_scores_of_an_earlier_training_are_deleted_and_nothing_else(tmp_path) -> None:
    kept = ["checkpoint.npz", "model.keras", "learning_curves.csv", "protocol/checkpoint.npz"]
    kept += ["crossval/a/fold-1.npz", "notes/scores/mine.json", "scores/mine.txt"]
    gone = ["learning_curves.json", "learning_curves.png", "protocol/learning_curves.json"]
    gone += [f"scores/ds2{end}" for end in (".json", ".txt", ".roc.png")]
    gone += ["protocol/scores/a.json"]
    for name in (*kept, *gone):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    workflow._forget_scores(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.is_file()}
    assert left == set(kept)


def test_a_training_that_is_refused_leaves_no_folder(toy: ToyTask, tmp_path, capsys) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    path = save_recipe(tmp_path)
    command = ["train", str(path), "--data", str(tmp_path), "--output", str(tmp_path / "models")]
    # Recorded noise needs a time grid, which the toy has not: known when the examples are cut.
    command += ["--set", "schedule.recorded_noise=0.1", "--set", 'schedule.noise_records=["ma"]']
    assert main([*command, "--work", str(tmp_path / "runs" / "toy")]) != 0
    assert "recorded_noise needs windows on a time grid" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_examples_of_one_class_are_refused_and_missing_classes_named(
    toy: ToyTask, tmp_path, capsys, monkeypatch, command: str
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    whole = toy_examples(classes="NVF")
    given = [whole.only(whole.target == 0)]
    monkeypatch.setattr(toy, "training_set", lambda *args, **options: given[0])
    monkeypatch.setattr(workflow, "_compare", lambda *args, **options: [])
    monkeypatch.setattr(workflow, "_trained", lambda *args, **options: 1 / 0)
    path = save_recipe(tmp_path, candidates={"as it is": {}})
    words = [command, str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    assert main(words) == 1
    assert "training examples are N, and a model needs two classes" in capsys.readouterr().err
    given[0] = whole.only(whole.target < 2)
    main(words)
    told = capsys.readouterr()
    assert "caution: no training example of F" in told.out + told.err
    given[0] = whole.only(whole.target == 0)
    monkeypatch.setattr(toy, "augmented", lambda *args, **options: whole, raising=False)
    main(words)
    told = capsys.readouterr()
    assert "two classes" not in told.out + told.err, "made ones are learnt from too"
    assert "caution" not in told.out + told.err


def test_noise_that_a_later_candidate_needs_is_missed_before_the_first_is_trained(
    toy: ToyTask, tmp_path, capsys, monkeypatch
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    monkeypatch.setattr(workflow, "_compare", lambda *args, **options: 1 / 0)
    candidates = {"plain": {}, "noisy": {"schedule": {"recorded_noise": 0.1}}}
    path = save_recipe(tmp_path, candidates=candidates)
    assert main(["crossval", str(path), "--data", str(tmp_path)]) == 1
    assert "lacks nstdb/bw, nstdb/ma of the recorded noise" in capsys.readouterr().err


def test_missing_recordings_end_a_training_before_it_cuts_examples(
    toy: ToyTask, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")

    def lacks(recipe: Recipe, data) -> None:
        if recipe.options.get("n") == 40:
            raise RecordError(f"{data}: lacks toy/3")

    monkeypatch.setattr(toy, "check_data", lacks)
    monkeypatch.setattr(toy, "training_set", lambda *args, **options: pytest.fail("is cut"))
    path = save_recipe(tmp_path, protocols={"few": {"options": {"n": 40}}})
    command = ["train", str(path), "--data", str(tmp_path), "--output", str(tmp_path / "models")]
    assert main([*command, "--work", str(tmp_path / "work")]) == 1
    assert "lacks toy/3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "gives", "told"),
    [
        ("training_set", None, "its training set is of type NoneType; .* an .*ExampleSet"),
        ("facts", {"window": 1}, "facts gives dict; it has to give a CardFacts"),
        ("facts", CardFacts((), split={"test": {1}}), r"CardFacts\.split holds what JSON does not"),
    ],
)
def test_what_a_task_gives_wrongly_is_refused_before_training(
    toy: ToyTask, tmp_path, monkeypatch, capsys, method, gives, told
) -> None:
    """A task may be a stranger's: no traceback, and not after the epochs."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.training.fitting import fit as fitting

    monkeypatch.setattr(fitting, "fit", lambda *args, **options: pytest.fail("trains"))
    monkeypatch.setattr(toy, method, lambda *args, **options: gives)
    command = ["train", str(save_recipe(tmp_path)), "--data", str(tmp_path)]
    command += ["--output", str(tmp_path / "models"), "--work", str(tmp_path / "work")]
    assert main(command) == 1
    assert re.search(rf"task 'normality': {told}", capsys.readouterr().err)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        ({"DS2": None}, "its test set 'DS2' is of type NoneType"),
        (None, "test_sets gives NoneType; it has to give a dict"),
    ],
)
def test_test_sets_that_are_none_are_named(toy: ToyTask, monkeypatch, gives, told) -> None:
    monkeypatch.setattr(toy, "test_sets", lambda *args, **options: gives)
    with pytest.raises(InputError, match=told):
        checked_test_sets(toy, toy_recipe(), "data")


@pytest.mark.slow
def test_candidates_and_training_share_examples_that_were_cut_once(
    toy: ToyTask, tmp_path, monkeypatch
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.training.export import tflite as exporting

    cut = []
    original = toy.training_set

    def training_set(recipe, data, *, progress=False):
        cut.append(recipe)
        return original(recipe, data, progress=progress)

    monkeypatch.setattr(toy, "training_set", training_set)
    monkeypatch.setattr(exporting, "export", lambda *args, card, **options: cards.append(card))
    monkeypatch.setattr(workflow, "score_on_test", lambda *args, **options: cards[0])
    cards: list[ModelCard] = []
    path = save_recipe(
        tmp_path, candidates={"plain": {}, "wide net": {"architecture": {"filters": [8]}}}
    )
    command = ["train", str(path), "--data", str(tmp_path), "--work", str(tmp_path / "work")]
    assert main([*command, "--output", str(tmp_path / "models")]) == 0
    assert len(cut) == 1
    assert len(cards[0].metrics["cross_validation"]) == 2


@pytest.mark.thorough
def test_a_task_from_recipe_to_card_and_evaluation(
    toy: ToyTask,
    tmp_path,
    monkeypatch,
    capsys,
) -> None:
    """A sigmoid model with a protocol beside it: everything but the conversion."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.training.export import tflite as exporting

    def convert(model, out_dir, name, *, representative, labels, card, seed) -> None:
        content, _ = affine_model(np.random.default_rng(0), (POINTS, 1), None, 1)
        Path(out_dir).mkdir()
        (Path(out_dir) / f"{name}.tflite").write_bytes(content)
        card.precisions["float32"] = {
            "file": f"{name}.tflite",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        card.save(Path(out_dir) / f"{name}.json")

    monkeypatch.setattr(exporting, "export", convert)
    path = save_recipe(tmp_path, protocols={"fewer": {"options": {"n": 100}}})
    work, models = tmp_path / "work", tmp_path / "models"
    command = ["train", str(path), "--data", str(tmp_path), "--work", str(work)]
    assert main([*command, "--output", str(models)]) == 0
    assert capsys.readouterr().err == ""
    card = ModelCard.load(models / "toy.json")
    parts = ("training part", "validation part", "other patients, float32")
    for part in parts:
        assert set(card.metrics[part]) >= {"accuracy", "F1"}
    assert "accuracy" in card.metrics["fewer"]["other patients"]
    assert (work / "fewer" / "learning_curves.png").exists()
    curves = json.loads((work / "learning_curves.json").read_text())
    assert {"loss", "accuracy", "validation loss", "validation accuracy"} <= set(curves[0])
    for kind in ("confusion", "roc", "precision-recall"):
        assert (work / "scores" / f"training-part.{kind}.png").exists()
    capsys.readouterr()

    command = ["evaluate", str(models / "toy.json"), "--data", str(tmp_path), "--recipe", str(path)]
    assert main([*command, "--work", str(tmp_path / "again"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metrics"][parts[2]] == card.metrics[parts[2]]
    assert (tmp_path / "again" / "scores" / "other-patients-float32.roc.png").exists()
    assert main(command) == 0
    assert "other patients, float32" in capsys.readouterr().out

    # Its name is that of no built-in recipe; and with other options its test part can be another.
    assert main(["evaluate", str(models / "toy.json"), "--data", str(tmp_path)]) == 2
    assert "toy is no built-in recipe. Name the one by which it was" in capsys.readouterr().err
    trained = sorted(set(toy_examples().record.tolist()))
    card.split["training"] = trained
    card.save(models / "toy.json")
    assert main([*command, "--set", "options.n=100"]) == 0
    assert f"are no test of it: {', '.join(trained)}." in capsys.readouterr().out
    assert main(["models", str(models / "toy.tflite")]) == 0
    assert "figures   other patients, float32: accuracy" in capsys.readouterr().out


def test_limits_of_a_recipe_are_not_said_of_other_databases(toy: ToyTask) -> None:
    limits = ("Trained on 70 patients.", "Not a medical device; not for diagnosis.")
    recipe = toy_recipe(limits=limits)
    for settings in ({"seed": 3}, {"databases": ["mine"]}):
        card = workflow.model_card(toy, recipe, toy_examples(), "")
        workflow._note_changes(card, recipe, settings, (), None)
        first, *others = card.limits
        assert first.startswith("Not the recipe as it stands")
        own = others == list(limits)
        assert own == ("seed" in settings)
    assert others == [f"Of the recipe's own model: {limits[0]}", limits[1]]


def test_a_card_names_classes_that_no_training_example_has(toy: ToyTask) -> None:
    examples = toy_examples()
    card = workflow.model_card(toy, toy_recipe(limits=("Small.",)), examples, "")
    workflow._note_unseen(card, examples, {})
    assert card.limits == ["Small."]
    normal = examples.only(examples.target == 0)
    workflow._note_unseen(card, normal, {"N": 1, "V": 1})
    assert card.limits == ["Small."], "made ones are learnt from too"
    workflow._note_unseen(card, normal, {})
    unseen = "Trained without an example of V: it cannot recognise them."
    assert card.limits == ["Small.", unseen]
