"""What reviewers answered, as a data set, and as examples that a model learns from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError, WindowSpec
from ecgfast.cli import main
from ecgfast.review import NOT_A_BEAT, ReviewSession, reviewed_examples
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.fitting.crossval import with_augmented
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import load_task
from ecgfast.training.workflow import own_examples

pytest.importorskip("scipy")

EXCERPTS = Path(__file__).parents[1] / "excerpts" / "mitdb"
RECORDS = [EXCERPTS / "208", EXCERPTS / "210"]
WINDOW = WindowSpec(history=8)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    first, second = (ReviewSession.open(r, folder=tmp_path, by="Ada", groups=8) for r in RECORDS)
    first.answer_beats([5, 6], "V")
    first.answer_beats([7], NOT_A_BEAT)
    second.answer(0, "S")
    return tmp_path


def test_only_what_was_answered_is_in_the_set(reviews: Path) -> None:
    found = reviewed_examples(RECORDS, window=WINDOW, folder=reviews)
    other = ReviewSession.open(RECORDS[1], folder=reviews)
    size = len(other.members(0))
    assert found.counts() == {"N": 0, "S": size, "V": 2, "F": 0, "Q": 0}
    assert set(found.patient) == {"reviewed/208", "reviewed/210"}
    assert found.inputs["window"].shape == (2 + size, 72, 2)
    assert found.inputs["features"].shape[:2] == (2 + size, 8)
    first = ReviewSession.open(RECORDS[0], folder=reviews)
    of_first = found.columns["sample"][found.record == "reviewed/208"]
    assert np.abs(of_first - first.beats.sample[[5, 6]]).max() < 0.05 * first.beats.fs


def test_the_command_writes_a_set_that_is_read_back(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "answered.npz"  # a missing folder is made
    command = ["review", *map(str, RECORDS), "--output", str(reviews), "--export", str(file)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(ExampleSet.load(file)) == told["beats"]
    assert main(command) == 0  # replaces its own
    file.write_bytes(b"precious")
    assert main(command) == 2
    assert file.read_bytes() == b"precious"
    assert main(["review", *map(str, RECORDS)]) == 2
    assert "one recording" in capsys.readouterr().err


def test_reviews_without_answers_and_recordings_without_reviews(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no review was begun"):
        reviewed_examples(RECORDS, window=WINDOW, folder=tmp_path)
    ReviewSession.open(RECORDS[0], folder=tmp_path)
    with pytest.raises(InputError, match="no beat was answered"):
        reviewed_examples(RECORDS[:1], window=WINDOW, folder=tmp_path)
    with pytest.raises(InputError, match="came before"):
        reviewed_examples(RECORDS[:1] * 2, window=WINDOW, folder=tmp_path)


def examples_of(patients: list[str]) -> ExampleSet:
    n = len(patients)
    return ExampleSet(
        {
            "window": np.zeros((n, 72, 2), np.float32),
            "features": np.zeros((n, 8, 37), np.float32),
        },
        np.zeros(n, np.int8),
        np.array(patients),
        np.array(patients),
        {"classes": list("NSVFQ")},
        {"rr": np.ones(n), "sample": np.arange(n)},
    )


def test_own_examples_are_learnt_from_in_every_fold() -> None:
    whole = examples_of(["a", "b"])
    more = examples_of(["a", "b", "reviewed/x"])
    kept = with_augmented(whole.only([0]), more, whole)
    assert kept.patient.tolist() == ["a", "a", "reviewed/x"], "what is made of b is held out with b"


def test_beats_take_own_examples_of_their_own_windows() -> None:
    task, recipe = load_task("beats"), Recipe.load("beats")
    whole = examples_of(["mitdb/101"])
    own = task.own_examples(recipe, whole, examples_of(["reviewed/x"] * 3))
    assert {"weight", "database", "recording"} <= own.columns.keys()
    other = examples_of(["reviewed/x"])
    short = other.with_inputs(features=other.inputs["features"][:, :1])
    with pytest.raises(InputError, match="other classes or windows"):
        task.own_examples(recipe, whole, short)
    with pytest.raises(InputError, match="mitdb/101 is in its own data sets"):
        task.own_examples(recipe, whole, examples_of(["mitdb/101"]))
    with pytest.raises(InputError, match="takes no examples"):
        load_task("normality").own_examples(Recipe.load("normality"), whole, whole)


def test_files_of_ones_own_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    other = examples_of(["reviewed/y"])
    parts = {
        "one": examples_of(["reviewed/x"]),
        "short": other.with_inputs(window=other.inputs["window"][:, :40]),
        "classes": dataclasses.replace(other, about={"classes": list("NVSFQ")}),
        "same": examples_of(["reviewed/x", "reviewed/z"]),
        "good": examples_of(["reviewed/y", "reviewed/z"]),
    }
    files = {name: tmp_path / f"{name}.npz" for name in parts}
    for name, part in parts.items():
        part.save(files[name])
    for name in ("short", "classes"):
        with pytest.raises(InputError, match=rf"{name}\.npz: .* of other classes or windows than"):
            own_examples([files["one"], files[name]])
    with pytest.raises(InputError, match=r"same\.npz: reviewed/x is in .*one\.npz too"):
        own_examples([files["one"], files["same"]])
    whole = own_examples([files["one"], files["good"]])
    assert whole is not None
    assert whole.record.tolist() == ["reviewed/x", "reviewed/y", "reviewed/z"]
    assert own_examples([]) is None
