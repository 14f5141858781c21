"""Settings of a recipe as text, as `--set` takes them, and the options that a task has."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ecgfast import InputError, RecordError
from ecgfast.cli import main
from ecgfast.training.datasets.splits import (
    DS1,
    DS2,
    missing_records,
    named_records,
    patient_folds,
)
from ecgfast.training.recipes.recipe import Recipe, recipe_names
from ecgfast.training.recipes.settings import conflicts, set_values
from ecgfast.training.tasks import load_task

BEATS = Recipe.load("beats")
TYPES = load_task("beats").option_types


def setting(text: str, recipe: Recipe = BEATS) -> Recipe:
    return set_values(recipe, [text], option_types=load_task(recipe.task).option_types)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=8", 8),
        ("name=mine", "mine"),
        ("folds = 3", 3),
        ("description=2 of 3", "2 of 3"),
        ("schedule.epochs=3", 3),
        ("schedule.learning_rate=2", 2.0),
        ("schedule.keep_zeros=true", True),
        ("schedule.noise_records=bw, em", ("bw", "em")),
        ('databases=["mitdb", "svdb"]', ("mitdb", "svdb")),
        ("databases=", ()),
        ("candidates={}", {}),
        ("architecture.dropout=0.25", 0.25),
        ("architecture.filters=[8, 8]", [8, 8]),
        ("architecture.pooling=max", "max"),
        ("options.made.exertion=0.5", 0.5),
        ("options.test=mitdb/100,svdb", ["mitdb/100", "svdb"]),
        ("options.left_out=nsrdb", ["nsrdb"]),
    ],
)
def test_a_setting_has_the_type_of_what_it_takes_the_place_of(text: str, value: Any) -> None:
    found: Any = setting(text)
    for name in text.partition("=")[0].strip().split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == value
    assert type(found) is type(value)


def test_all_else_stays_and_the_recipe_itself_too() -> None:
    before = dataclasses.asdict(BEATS)
    changed = dataclasses.asdict(setting("options.made.exertion=0.5"))
    assert before == dataclasses.asdict(Recipe.load("beats"))
    assert changed["options"]["made"] == {**before["options"]["made"], "exertion": 0.5}
    assert changed["schedule"] == before["schedule"]
    _, values = set_values(BEATS, ["seed=8", "schedule.epochs=3"])
    assert values == {"seed": 8, "schedule.epochs": 3}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed", "'seed' is no KEY=VALUE"),
        ("=3", "no KEY=VALUE"),
        ("schedule.=3", "no KEY=VALUE"),
        ("epochs=3", "no setting 'epochs'; did you mean 'schedule.epochs'"),
        ("schedule.epocs=3", "'schedule.epocs'; did you mean 'schedule.epochs'"),
        ("scheduler.epochs=3", "did you mean 'schedule.epochs'"),
        ("schedule=3", "no setting 'schedule'"),
        ("options.histories=3", "did you mean 'options.history'"),
        ("zzz=3", "there are name, description, "),
        ("seed=1.5", "seed: '1.5' is no whole number"),
        ("schedule.learning_rate=fast", "schedule.learning_rate: 'fast' is no number"),
        ("schedule.learning_rate=nan", "is no number"),
        ("schedule.keep_zeros=yes", "'yes' is neither true nor false"),
        ("schedule.epochs=0", "schedule.epochs: epochs and batch must be at least 1"),
        ("schedule.epochs.more=1", "'more' is not within a single value"),
        ("databases=[1]", "is no list of names"),
        ("candidates=3", "'3' is no JSON object"),
        ("schedule.learning_rate=-1", "schedule.learning_rate: learning_rate -1 is not above 0"),
        ("schedule.mixup=-1", "mixup -1 is not 0 or more"),
        ("schedule.lookahead_share=2", "lookahead_share 2 is not from 0 to 1"),
        ("folds=1", "folds 1 is below 2"),
        ("seed=-1", "seed -1 is below 0"),
        ("name=../mine", "name '../mine' cannot be that of files"),
        ("options.history.x=1", "'history' holds 16, and no settings"),
    ],
)
def test_settings_that_are_none(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        setting(text)


def test_another_network_has_options_of_its_own() -> None:
    texts = ["architecture.kernel=3", "architecture.name=custom_cnn"]
    recipe, _ = set_values(BEATS, texts)
    assert recipe.architecture == {
        "name": "custom_cnn",
        "window": [72, 2],
        "features": BEATS.architecture["features"],
        "outputs": 5,
        "head": "softmax",
        "kernel": 3,  # of the new network, wherever it stands
    }


def test_what_keeps_a_value_of_its_own_is_named() -> None:
    recipe = Recipe.load("normality")
    (line,) = conflicts(recipe, ["schedule.epochs", "seed", "architecture.kernel"])
    assert "protocol 'random by strip' keeps its own schedule.epochs, 24" in line
    recipe = setting("protocols.random by strip.schedule.epochs=2", recipe)
    assert recipe.protocols["random by strip"]["schedule"]["epochs"] == 2
    assert recipe.protocols["random by strip"]["architecture"]["dropout"] == 0.2


def test_built_in_recipes_have_options_that_their_tasks_know() -> None:
    for name in recipe_names():
        recipe = Recipe.load(name)
        for change in ({}, *recipe.protocols.values(), *recipe.comparisons.values()):
            load_task(recipe.task).check_options(recipe.changed(change))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"histories": 8}, "task 'beats' has no option 'histories'; did you mean 'history'"),
        ({"zzz": 8}, "no option 'zzz'; there are test, history"),
        ({"history": "8"}, "option 'history' is a whole number, not '8'"),
        ({"history": True}, "not True"),
        ({"patient_weight_power": "x"}, "is a number, not 'x'"),
        ({"test": "mitdb/100"}, "option 'test' is a list, such as"),
        ({"made": []}, "is an object"),
        ({"made": {"tachicardia": 0.1}}, "'tachicardia', .* did you mean 'tachycardia'"),
        ({"made": {"tachycardia": "0.1"}}, "the weight of 'tachycardia' is a number"),
        ({"shares": {"cinc2071": 0.4}}, "'cinc2071', .* did you mean 'cinc2017'"),
        ({"shares": {"svdb": -1}}, "a number from 0 on, not -1"),
        ({"left_out": ["svbd"]}, "did you mean 'svdb'"),
        ({"without": ["p_corelation"]}, "did you mean 'p_correlation'"),
        ({"history": 0}, "options.history counts beats"),
    ],
)
def test_options_that_a_task_does_not_have(options: dict[str, Any], problem: str) -> None:
    recipe = dataclasses.replace(BEATS, options=options)
    with pytest.raises(InputError, match=problem):
        load_task("beats").check_options(recipe)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"seed": "7"}, "seed is a whole number, not '7'"),
        ({"folds": 2.5}, "folds is a whole number, not 2.5"),
        ({"databases": "mitdb"}, "databases is a list of names, not 'mitdb'"),
        ({"candidates": []}, "candidates is an object of settings"),
        ({"schedule": {"epochs": "6"}}, "epochs is a whole number, not '6'"),
        ({"schedule": {"epochs": 6, "learning_rate": "0.1"}}, "learning_rate is a number"),
        ({"schedule": {"epochs": 6, "noise_records": "bw"}}, "noise_records is a list of names"),
        ({"schedule": {"epochs": 6, "keep_zeros": 1}}, "keep_zeros is true or false, not 1"),
        ({"schedule": 6}, "schedule is an object of settings"),
        ({"schedule": None}, "schedule is an object"),
    ],
)
def test_a_recipe_s_file_with_a_wrong_type_says_which(
    change: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**dataclasses.asdict(BEATS), **change}), "utf-8")
    with pytest.raises(InputError, match=f"not a recipe \\({problem}"):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[]", "it is no JSON object"), ('{"name": "x"}', "it has no 'description'"), ("{", "Expect")],
)
def test_a_file_that_is_no_recipe_says_why(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=f"not a recipe \\({problem}"):
        Recipe.load(path)


def test_recordings_and_databases_by_name(tmp_path: Path) -> None:
    for name in ("mitdb/100", "mitdb/102", "mitdb/202", "mine/ab"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.hea").touch()
    assert named_records(tmp_path, ["mine", "mitdb", "mine/ab"]) == [
        ("mine", "ab", "mine/ab"),
        ("mitdb", "100", "mitdb/100"),  # 102 is paced
        ("mitdb", "202", "mitdb/201"),
    ]
    with pytest.raises(InputError, match=r"mitdb/10: no such recording .* mean mitdb/10"):
        named_records(tmp_path, ["mitdb/10"])
    with pytest.raises(RecordError, match="no WFDB records there"):
        named_records(tmp_path, ["none"])


@pytest.mark.parametrize("name", ["beats", "normality", "beats-custom-cnn"])
def test_a_missing_test_recording_is_named_before_training(tmp_path: Path, name: str) -> None:
    """All that trains is there: the end of a long training is too late to say it."""
    recipe = Recipe.load(name)
    if name == "beats-custom-cnn":  # its protocol by patient
        (change, *_) = recipe.protocols.values()
        recipe = recipe.changed(change)
        assert recipe.options["split"] == "patient"
    recipe = dataclasses.replace(recipe, databases=("mitdb",))
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for one in (*DS1, *DS2):
        (folder / f"{one}.hea").touch()
    load_task(recipe.task).check_data(recipe, tmp_path)
    (folder / "232.hea").unlink()
    (folder / "100.hea").unlink()
    told = r"lacks mitdb/100, mitdb/232 of the test part, DS2; .*--data.* --download mitdb"
    with pytest.raises(RecordError, match=told):
        load_task(recipe.task).check_data(recipe, tmp_path)


@pytest.mark.parametrize("name", ["beats", "normality", "beats-custom-cnn"])
def test_a_missing_training_recording_is_named_before_training(tmp_path: Path, name: str) -> None:
    """A model of a part of DS1 would carry the name and the limits of one of all of it."""
    recipe = Recipe.load(name)
    if name == "beats-custom-cnn":
        (change, *_) = recipe.protocols.values()
        recipe = recipe.changed(change)
    recipe = dataclasses.replace(recipe, databases=("mitdb",))
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for one in (*DS1, *DS2):
        if one not in ("101", "230"):
            (folder / f"{one}.hea").touch()
    told = r"lacks mitdb/101, mitdb/230 of the training part.*--download mitdb"
    with pytest.raises(RecordError, match=told):
        load_task(recipe.task).check_data(recipe, tmp_path)
    if name == "beats":  # who names what tests, has chosen what trains
        load_task("beats").check_data(
            recipe.changed({"options": {"test": ["mitdb/100"]}}), tmp_path
        )


def test_recordings_that_a_database_lacks(tmp_path: Path) -> None:
    for database, there in (("mitdb", DS1), ("svdb", ("800", "801")), ("mine", ("a",))):
        (tmp_path / database).mkdir()
        for one in there:
            (tmp_path / database / f"{one}.hea").touch()
    databases = ["mitdb", "svdb", "mine", "none"]
    assert missing_records(tmp_path, databases) == {"mitdb": sorted(DS2)}
    (tmp_path / "svdb" / "RECORDS").write_text("800\n801\n802\n", encoding="utf-8")
    (tmp_path / "mitdb" / "RECORDS").write_text("101\n", encoding="utf-8")
    assert missing_records(tmp_path, databases) == {"svdb": ["802"]}


def test_a_missing_database_is_named_before_the_first_is_read(tmp_path: Path) -> None:
    (tmp_path / "mitdb").mkdir()
    (tmp_path / "mitdb" / "100.hea").write_text("damaged", encoding="utf-8")
    recipe = dataclasses.replace(BEATS, databases=("mitdb", "svdb"))
    with pytest.raises(RecordError, match="svdb: no WFDB records there"):
        load_task("beats").check_data(recipe, tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--set", "epochs=3"], "--set: a recipe has no setting 'epochs'; did you mean"),
        (["--labels", "x.csv"], "--labels: task 'beats' takes no file of labels; normality does"),
    ],
)
def test_wrong_settings_end_a_command(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "beats", "--data", str(tmp_path), *options]) == 2
    assert told in capsys.readouterr().err


def test_a_recipe_s_own_task_is_no_fault_of_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (extra train)")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**dataclasses.asdict(BEATS), "task": "beast"}), "utf-8")
    assert main(["train", str(path), "--data", str(tmp_path), "--set", "seed=3"]) == 1
    assert capsys.readouterr().err.startswith("ecgfast: no task 'beast': did you mean 'beats'?")
    assert main(["train", "beats", "--data", str(tmp_path), "--set", "task=beast"]) == 2
    assert "--set: no task 'beast'" in capsys.readouterr().err


def test_one_patient_alone_cannot_be_held_out() -> None:
    with pytest.raises(InputError, match=r"are of one patient \(mine/anna\), and .* candidates={}"):
        patient_folds(["mine/anna"] * 4, [0, 1, 0, 1], 2, 7)
