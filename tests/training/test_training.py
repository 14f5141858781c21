"""A tiny model from recordings to its card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from model_files import affine_model  # before TensorFlow, see there
from training_records import tiny_recipe, write_record

from ecgfast import InputError, RecordError
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import AAMI_CLASSES
from ecgfast.training.datasets.beats import prepare_beats
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.splits import DS1, DS2
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import load_task
from ecgfast.training.tasks.beat_examples import of_training_patients
from ecgfast.training.workflow import score_on_test


def renamed(beats: ExampleSet, name: str) -> ExampleSet:
    """The same beats as a reviewed recording has them."""
    names = np.full(len(beats), name)
    return dataclasses.replace(beats, patient=names, record=names)


def test_reviews_of_a_recording_that_tests_are_refused(all_data, tmp_path, capsys) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast.cli import main

    beats = prepare_beats(all_data).of_records([f"mitdb/{DS2[0]}"])
    for rows in (slice(None), slice(5, 8)):  # all of it, and three answers
        renamed(beats.only(np.arange(len(beats))[rows]), "reviewed/x").save(tmp_path / "own.npz")
        command = ["train", str(tiny_recipe(tmp_path)), "--data", str(all_data)]
        command += ["--work", str(tmp_path / "work"), "--output", str(tmp_path / "models")]
        assert main([*command, "--examples", str(tmp_path / "own.npz")]) == 1
        told = capsys.readouterr().err
        assert f"reviewed/x of the examples of one's own is the recording mitdb/{DS2[0]}" in told
    assert not (tmp_path / "models").exists()


def test_a_test_part_of_one_s_own(all_data) -> None:
    task = load_task("beats")
    options = {"history": 1, "test": ["mitdb/202", "mitdb/100"]}
    recipe = dataclasses.replace(Recipe.load("beats"), databases=("mitdb",), options=options)
    examples = task.training_set(recipe, all_data)
    assert "mitdb/201" not in examples.record, "201 and 202 are one person"
    assert "mitdb/103" in examples.record, "of DS2, which does not test now"
    facts = task.facts(recipe, examples)
    assert facts.split["test"] == ["mitdb/202", "mitdb/100"]
    assert facts.split["patients on both sides"] == "none"
    ((heading, tested),) = task.test_sets(recipe, all_data).items()
    assert heading == "test records"
    assert not set(tested.patient) & set(examples.patient)
    for test, problem in (([], "names no recording"), (["mitdb"], "leave no annotated beats")):
        with pytest.raises(InputError, match=problem):
            task.training_set(recipe.changed({"options": {"test": test}}), all_data)


def test_a_card_says_whether_anything_was_compared(all_data) -> None:
    task = load_task("beats")
    recipe = dataclasses.replace(Recipe.load("beats"), databases=("mitdb",), options={"history": 1})
    examples = task.training_set(recipe, all_data)
    assert task.facts(recipe, examples).split["choice"].startswith("5-fold cross-validation")
    alone = dataclasses.replace(recipe, candidates={})
    assert task.facts(alone, examples).split["choice"].startswith("none")


def test_own_recordings_without_a_test_part_are_told_how_to_name_one(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write_record(tmp_path / "mine", name)
    recipe = dataclasses.replace(Recipe.load("beats"), databases=("mine",), options={})
    with pytest.raises(RecordError, match=r"lacks mitdb/100.*such as options\.test=mine/p2"):
        load_task("beats").check_data(recipe, tmp_path)


def test_a_folder_of_another_format_is_no_missing_download(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "p1.csv").write_text("time,ecg\n0,1\n")
    with pytest.raises(RecordError, match=r"mine: no WFDB records \(\.hea\) there.*write_record"):
        prepare_beats(tmp_path, ["mine"])
    with pytest.raises(RecordError, match="--download other"):
        prepare_beats(tmp_path, ["other"])


def test_a_tiny_model_from_recordings_to_card(all_data, tmp_path, capsys, monkeypatch) -> None:
    """Everything but the conversion, which has tests of its own."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    from ecgfast import stream_classify
    from ecgfast.cli import main
    from ecgfast.runtime import ModelCard
    from ecgfast.training.export import tflite as exporting

    given = {}

    def convert(model, out_dir, name, *, representative, labels, card, seed) -> None:
        given.update(model=model, windows=representative["window"], labels=labels)
        Path(out_dir).mkdir(exist_ok=True)
        width = (len(FEATURE_NAMES),)
        content, _ = affine_model(np.random.default_rng(seed), (72, 2), width, 5)
        (Path(out_dir) / f"{name}.tflite").write_bytes(content)
        card.precisions["float32"] = form_of(f"{name}.tflite", content)
        card.save(Path(out_dir) / f"{name}.json")

    monkeypatch.setattr(exporting, "export", convert)
    # Reviewed: a recording of somebody else, and one that trains under another name.
    write_record(tmp_path / "other", "mine", seed=99)
    answered = [
        renamed(prepare_beats(tmp_path, ["other"]), "reviewed/mine"),
        renamed(prepare_beats(all_data).of_records(["mitdb/101"]), "reviewed/x"),
    ]
    ExampleSet.concatenate(answered).save(tmp_path / "answered.npz")
    command = ["train", str(tiny_recipe(tmp_path)), "--data", str(all_data), "--set", "seed=3"]
    command += ["--output", str(tmp_path / "models"), "--work", str(tmp_path / "work")]
    assert main([*command, "--examples", str(tmp_path / "answered.npz")]) == 0
    told, warned = capsys.readouterr()
    assert warned == ""
    assert "training examples of 22 patients" in told
    assert "caution: mitdb lacks 1 of its recordings, from which nothing is learnt: 999" in told
    assert "reviewed/x is mitdb/101: both are held out together" in told
    assert f"{sum(len(part) for part in answered)} of one's own, for training alone" in told
    assert "chosen: as it is" in told
    assert told.count("macro F1") == 4

    beats = of_training_patients(prepare_beats(all_data))
    assert np.array_equal(given["windows"], beats.inputs["window"])
    assert np.array_equal(given["labels"], beats.target)
    assert (None, 72, 2) in given["model"].input_shape
    card = ModelCard.load(tmp_path / "models" / "beats.json")
    assert card.split["training"] == [f"mitdb/{name}" for name in DS1]
    assert card.data["missing_records"] == {"mitdb": ["999"]}
    assert card.split["test"] == [f"mitdb/{name}" for name in DS2]
    assert card.seed == 3
    assert card.data["settings"] == {"seed": 3}
    assert card.data["own_files"] == ["answered.npz"]
    assert card.data["own_recordings"] == ["reviewed/mine", "reviewed/x"]
    assert card.limits[0].startswith("Not the recipe as it stands, but changed (seed=3, examples")
    assert card.command.endswith("--set seed=3 --examples answered.npz")
    assert [(row["beats"], row["lookahead"]) for row in card.metrics["scores"]] == [
        ("reference", 0),
        ("reference", 1),
        ("detected", 0),
        ("detected", 1),
    ]
    assert all(row["records"] == 22 for row in card.metrics["scores"])
    assert card.metrics["cross_validation"][0]["candidate"] == "as it is"
    assert card.metrics["calibration"]["temperature"] > 0
    assert set(card.metrics["training part"]) >= {"accuracy", "precision", "recall", "F1"}
    path = tmp_path / "models" / "beats.json"
    assert len(list(stream_classify(all_data / "mitdb" / "100", model=path))) > 10

    # Learning curves, reports and pictures lie in the work folder.
    work = tmp_path / "work"
    curves = json.loads((work / "learning_curves.json").read_text())
    assert [row["epoch"] for row in curves] == [1]
    beside = (tmp_path / "models" / "beats.learning_curves.csv").read_text()
    assert beside == (work / "learning_curves.csv").read_text()
    assert beside == f"{','.join(curves[0])}\n{','.join(f'{x:.7g}' for x in curves[0].values())}\n"
    assert (work / "crossval" / "as-it-is" / "fold-2.csv").read_text().startswith("epoch,")
    assert json.loads((work / "metrics.json").read_text()) == card.metrics
    score = work / "scores" / "ds2-float32-reference-beats-label-with-the-beat"
    confusion = json.loads(score.with_suffix(".json").read_text())["confusion"]
    assert confusion == card.metrics["scores"][0]["confusion"]
    assert "macro avg" in score.with_suffix(".txt").read_text()
    for picture in (work / "learning_curves.png", score.with_suffix(".confusion.png")):
        assert picture.read_bytes().startswith(b"\x89PNG")

    # A fold that is finished is read back, a damaged one is named.
    command += ["--examples", str(tmp_path / "answered.npz")]
    monkeypatch.setattr("ecgfast.reports.training.draw_run", lambda folder: [])  # as before
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "fold 1" not in told
    assert "continues after epoch 1" in told
    again = ModelCard.load(path)
    assert again.metrics["cross_validation"] == card.metrics["cross_validation"]
    (work / "crossval" / "as-it-is" / "fold-1.npz").write_text("{")
    assert main(command) == 1
    assert "; delete it and run again" in capsys.readouterr().err


def test_test_scores_are_those_of_the_confusion(all_data: Path, tmp_path: Path) -> None:
    """A model that calls every beat N, scored on DS2."""
    from ecgfast.runtime import InputSpec, ModelCard
    from ecgfast.window import WindowSpec

    content, _ = constant_model(0)
    (tmp_path / "always-n.tflite").write_bytes(content)
    card = ModelCard(
        name="always-n",
        description="Calls every beat N.",
        task="beats",
        classes=tuple(AAMI_CLASSES),
        inputs=(InputSpec("window", (72, 2)), InputSpec("features", (len(FEATURE_NAMES),))),
        window=WindowSpec(125.0, 44, 28),
        precisions={"float32": form_of("always-n.tflite", content)},
        metrics={"cross_validation": []},
    )
    card.save(tmp_path / "always-n.json")
    told: list[str] = []
    scored = score_on_test(
        Recipe.load("beats"), tmp_path / "always-n.json", all_data, report=told.append
    )
    test = prepare_beats(all_data).of_records(f"mitdb/{name}" for name in DS2)
    normal = test.counts()["N"] / len(test)
    reference = scored.metrics["DS2 float32, reference beats, label with the beat"]
    assert reference["N sensitivity"] == 1
    assert reference["V sensitivity"] == reference["V F1"] == 0
    assert "V positive predictivity" not in reference  # it never says V
    assert reference["accuracy"] == pytest.approx(normal, abs=1e-4)
    own = scored.metrics["DS2 float32, own detections, label one beat later"]
    assert own["N sensitivity"] > 0.9
    row = scored.metrics["scores"][0]
    assert sum(map(sum, row["confusion"])) == len(test)
    assert row["intervals_95"]["N"]["sensitivity"] == [1, 1]
    assert ModelCard.load(tmp_path / "always-n.json").metrics == scored.metrics
    assert len(told) == 4


def form_of(name: str, content: bytes) -> dict[str, object]:
    return {"file": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def constant_model(label: int) -> tuple[bytes, object]:
    """A model whose answer is one class, whatever it is shown."""

    class Nothing:
        standard_normal = staticmethod(np.zeros)

    width = (len(FEATURE_NAMES),)
    return affine_model(Nothing(), (72, 2), width, 5, bias=np.eye(5)[label])
