"""Splits, data sets, scores and recipes; and a tiny model from recordings to card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from model_files import affine_model  # before TensorFlow, see there

from ecgfast import InputError, RecordError, WindowSpec, read_record
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import (
    AAMI_CLASSES,
    ClassScores,
    confusion_matrix,
    patient_intervals,
    score_classes,
)
from ecgfast.records import Record, synthetic_ecg, write_annotations
from ecgfast.training.datasets.beats import (
    cut_reference_beats,
    prepare_beats,
    record_names,
    without_lookahead,
)
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.splits import DS1, DS2, PACED, patient_folds, patient_of
from ecgfast.training.fitting.crossval import CandidateResult, choose
from ecgfast.training.recipes.recipe import Recipe, recipe_names
from ecgfast.training.tasks import load_task
from ecgfast.training.tasks.beat_examples import of_training_patients
from ecgfast.training.workflow import score_on_test


def write_record(folder: Path, name: str, *, seconds: float = 15.0, seed: int = 0) -> Record:
    """A synthetic recording with N, V and A beats as a WFDB record with annotations."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir(parents=True, exist_ok=True)
    made = synthetic_ecg(
        seconds,
        360.0,
        ventricular=0.2,
        supraventricular=0.15,
        muscle=0.02,
        heart_rate=90,
        seed=seed,
    )
    wfdb.wrsamp(
        name,
        fs=360,
        units=["mV"] * 2,
        sig_name=list(made.leads),
        p_signal=made.signal.astype(np.float64),
        fmt=["212"] * 2,
        write_dir=str(folder),
    )
    marks = made.annotations
    # A rhythm mark among the beats, as real annotations have.
    write_annotations(
        folder / f"{name}.atr",
        [0, *marks.sample],
        ["+", *marks.symbol],
        360.0,
        aux=["(N", *[""] * len(marks)],
    )
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with three records of mitdb, one of them paced."""
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("100", "101", "102")):
        write_record(root / "mitdb", name, seed=seed)
    return root


@pytest.fixture(scope="module")
def beats(data: Path) -> ExampleSet:
    return prepare_beats(data)


# ---------------------------------------------------------------- splits


def test_ds1_and_ds2_are_the_split_of_2004() -> None:
    assert len(DS1) == len(set(DS1)) == len(DS2) == len(set(DS2)) == 22
    assert not set(DS1) & set(DS2)
    assert not set(PACED) & {*DS1, *DS2}
    assert len({*DS1, *DS2, *PACED}) == 48


def test_201_and_202_are_one_person_and_the_split_s_only_flaw() -> None:
    assert patient_of("mitdb", "201") == patient_of("mitdb", "202") == "mitdb/201"
    assert patient_of("svdb", "202") == "svdb/202"
    train = {patient_of("mitdb", name) for name in DS1}
    test = {patient_of("mitdb", name) for name in DS2}
    assert train & test == {"mitdb/201"}


def test_the_records_are_those_of_the_database(data_root: Path) -> None:
    assert set(record_names(data_root, "mitdb")) == {*DS1, *DS2, *PACED}


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_share_no_patient_and_every_class(folds: int) -> None:
    rng = np.random.default_rng(1)
    patients = np.array([f"p{i}" for i in rng.integers(0, 25, 4000)])
    labels = rng.choice(4, 4000, p=(0.85, 0.08, 0.05, 0.02))
    fold = patient_folds(patients, labels, folds, seed=3)
    assert fold.shape == (4000,)
    for patient in set(patients):
        assert len(set(fold[patients == patient])) == 1
    assert set(fold) == set(range(folds))
    for kind in range(4):
        share = np.bincount(fold[labels == kind], minlength=folds) / np.sum(labels == kind)
        assert share.min() > 0.5 / folds
        assert share.max() < 2 / folds
    assert np.array_equal(fold, patient_folds(patients, labels, folds, seed=3))
    assert not np.array_equal(fold, patient_folds(patients, labels, folds, seed=4))


def test_a_rare_class_of_two_patients_stands_in_two_folds() -> None:
    patients = np.repeat([f"p{i}" for i in range(10)], 100)
    labels = np.zeros(1000, int)
    labels[[5, 15, 205, 215]] = 1
    fold = patient_folds(patients, labels, 2, seed=0)
    assert set(fold[labels == 1]) == {0, 1}


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_folds_need_as_many_patients(folds: int) -> None:
    with pytest.raises(InputError, match=f"{folds} folds of 3 patients: give 2 to 3"):
        patient_folds(["a", "b", "c"], [0, 1, 0], folds, seed=0)


# ---------------------------------------------------------------- data sets


def test_beats_are_those_of_the_annotations(data: Path, beats: ExampleSet) -> None:
    assert set(beats.record) == {"mitdb/100", "mitdb/101"}  # 102 is paced
    assert beats.about["left_out"] == [f"mitdb/{name}" for name in PACED]
    assert beats.inputs["window"].shape == (len(beats), 72, 2)
    assert beats.inputs["features"].shape == (len(beats), len(FEATURE_NAMES))
    for name in ("100", "101"):
        record = read_record(data / "mitdb" / name)
        marks = record.annotations
        kept = np.isin(marks.symbol, ["N", "V", "A"])
        own = beats.of_records([f"mitdb/{name}"])
        # S is A's class; each beat within the refinement's reach of its mark.
        classes = ["NSV".index({"A": "S"}.get(s, s)) for s in marks.symbol[kept]]
        assert own.target.tolist() == classes
        assert np.abs(own.columns["sample"] - marks.sample[kept]).max() <= 3
        assert np.isnan(own.columns["rr"][0])
        assert own.columns["rr"][1:] == pytest.approx(np.diff(own.columns["sample"]) / 360.0)
        batch, symbols = cut_reference_beats(record)
        assert np.array_equal(batch.windows, own.inputs["window"])
        assert symbols.tolist() == marks.symbol[kept].tolist()
    counts = beats.counts()
    assert list(counts) == list(AAMI_CLASSES)
    assert sum(counts.values()) == len(beats)
    assert min(counts[c] for c in "NSV") > 0


def test_the_next_interval_is_known_and_can_be_taken_away(beats: ExampleSet) -> None:
    known = FEATURE_NAMES.index("rr_next_known")
    last = np.append(beats.record[1:] != beats.record[:-1], True)
    assert np.array_equal(beats.inputs["features"][:, known] == 0, last)
    before = beats.inputs["features"].copy()
    without = without_lookahead(beats.inputs["features"])
    assert np.array_equal(before, beats.inputs["features"], equal_nan=True)
    ahead = [known, FEATURE_NAMES.index("rr_next")]
    assert not without[:, ahead].any()
    others = np.setdiff1d(np.arange(len(FEATURE_NAMES)), ahead)
    assert np.array_equal(without[:, others], beats.inputs["features"][:, others])


def test_saved_sets_are_the_same_bytes_and_come_back(
    data: Path, beats: ExampleSet, tmp_path
) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    beats.save(one)
    prepare_beats(data).save(two)
    assert one.read_bytes() == two.read_bytes()
    assert [path.name for path in tmp_path.iterdir()].count("one.npz") == len([one])
    assert {path.name for path in tmp_path.iterdir()} == {"one.npz", "two.npz"}
    back = ExampleSet.load(one)
    assert back.about == beats.about
    kept, loaded = beats._arrays(), back._arrays()
    assert sorted(kept) == sorted(loaded)
    for name, values in kept.items():
        assert values.dtype == loaded[name].dtype
        assert values.tobytes() == loaded[name].tobytes()


def test_files_that_are_no_data_set(beats: ExampleSet, tmp_path) -> None:
    with pytest.raises(RecordError, match=r"none\.npz: no such data set.*ecgfast prepare"):
        ExampleSet.load(tmp_path / "none.npz")
    path = tmp_path / "set.npz"
    beats.save(path)
    whole = path.read_bytes()
    for content in (b"", b"words", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"set\.npz: not a data set"):
            ExampleSet.load(path)
    np.savez(path, label=beats.target)
    with pytest.raises(RecordError, match=r"set\.npz: not a data set"):
        ExampleSet.load(path)
    dataclasses.replace(beats, about={**beats.about, "features": ["old"]}).save(path)
    with pytest.raises(RecordError, match="made by another version; run `ecgfast prepare` again"):
        ExampleSet.load(path)
    with pytest.raises(RecordError, match="cannot be written"):
        beats.save(tmp_path / "no" / "folder" / "set.npz")


def test_rows_are_chosen_together(beats: ExampleSet) -> None:
    some = beats.only(beats.target == 2)
    assert len(some) == beats.counts()["V"]
    assert set(some.target) == {2}
    assert np.array_equal(some.inputs["window"], beats.inputs["window"][beats.target == 2])
    with pytest.raises(InputError, match=r"mitdb/999 is not in the data set"):
        beats.of_records(["mitdb/100", "mitdb/999"])


def test_test_records_never_train(beats: ExampleSet) -> None:
    kept = of_training_patients(beats)
    assert set(kept.record) == {"mitdb/101"}  # 100 is in DS2
    with pytest.raises(InputError, match="holds no training records"):
        of_training_patients(beats.of_records(["mitdb/100"]))


def test_another_grid_and_lead(data: Path, beats: ExampleSet) -> None:
    other = prepare_beats(data, window=WindowSpec(250.0, 50, 50), lead=1)
    assert other.inputs["window"].shape == (len(beats), 100, 2)
    assert other.about["window"] == [250.0, 50, 50, "beat", 1]
    assert other.about["lead"] == 1


def test_folders_and_records_that_cannot_be_prepared(data: Path, tmp_path) -> None:
    with pytest.raises(RecordError, match=r"nodb: no WFDB records there; give the folder"):
        prepare_beats(data, ["nodb"])
    record = write_record(tmp_path / "x", "100")
    with pytest.raises(RecordError, match="no annotated beats"):
        cut_reference_beats(Record(record.signal, record.fs, record.leads, name="bare"))
    (tmp_path / "x" / "100.atr").unlink()
    with pytest.raises(RecordError, match="100: no annotated beats"):
        prepare_beats(tmp_path, ["x"])


# ---------------------------------------------------------------- scores


def test_scores_agree_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    reference = rng.choice(5, 3000, p=(0.7, 0.1, 0.1, 0.05, 0.05))
    given = np.where(rng.random(3000) < 0.8, reference, rng.integers(0, 5, 3000))
    scores = score_classes(reference, given, AAMI_CLASSES)
    labels = np.arange(5)
    matrix = metrics.confusion_matrix(reference, given, labels=labels)
    assert np.array_equal(scores.confusion, matrix)
    assert np.array_equal(confusion_matrix(reference, given, 5), matrix)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(reference, given)
    for i, label in enumerate(AAMI_CLASSES):
        assert scores.sensitivity(label) == pytest.approx(recall[i])
        assert scores.positive_predictivity(label) == pytest.approx(precision[i])
        assert scores.f1(label) == pytest.approx(f1[i])
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(reference, given))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(reference, given, average="macro"))


def test_scores_by_hand() -> None:
    #  N: 8 right, 2 called V. V: 3 right, 1 called N. S: never there, never called.
    scores = score_classes([0] * 10 + [2] * 4, [0] * 8 + [2] * 2 + [2] * 3 + [0], "NSV")
    assert scores.confusion == ((8, 0, 2), (0, 0, 0), (1, 0, 3))
    assert scores.sensitivity("N") == 0.8
    assert scores.sensitivity("V") == 0.75
    assert scores.positive_predictivity("N") == pytest.approx(8 / 9)
    assert scores.positive_predictivity("V") == 0.6
    assert scores.f1("V") == pytest.approx(2 * 3 / (4 + 5))
    assert scores.accuracy == pytest.approx(11 / 14)
    for nothing in (scores.sensitivity("S"), scores.positive_predictivity("S"), scores.f1("S")):
        assert np.isnan(nothing)
    assert scores.macro_f1 == pytest.approx((scores.f1("N") + scores.f1("V")) / 2)
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["classes"]["S"] == {
        "beats": 0,
        "sensitivity": None,
        "positive_predictivity": None,
        "f1": None,
    }
    assert plain["classes"]["V"]["beats"] == 4
    table = scores.table().splitlines()
    assert table[1].split() == ["N", "10", "80.00", "88.89", "84.21"]
    assert table[2].split() == ["S", "0", "-", "-", "-"]


def test_missed_and_false_beats_count_against_the_classes() -> None:
    # Rows N, V, false; columns N, V, missed.
    scores = ClassScores(("N", "V"), ((8, 0, 2), (0, 3, 1), (4, 1, 0)))
    assert scores.sensitivity("N") == 0.8
    assert scores.positive_predictivity("N") == pytest.approx(8 / 12)
    assert scores.sensitivity("V") == 0.75
    assert scores.positive_predictivity("V") == 0.75
    assert scores.accuracy == pytest.approx(11 / 14)


def test_classes_that_cannot_be_counted() -> None:
    with pytest.raises(InputError, match=r"\(3,\) reference classes against \(2,\) given"):
        confusion_matrix([0, 1, 2], [0, 1], 3)
    with pytest.raises(InputError, match=r"outside 0\.\.2"):
        confusion_matrix([0, 3], [0, 1], 3)
    with pytest.raises(InputError, match=r"outside 0\.\.2"):
        confusion_matrix([0, 1], [0, -1], 3)
    assert np.isnan(score_classes([], [], "NV").accuracy)


def test_intervals_over_patients() -> None:
    rng = np.random.default_rng(2)
    right = rng.integers(60, 100, 30)
    matrices = np.array([[[n, 100 - n], [5, 15]] for n in right])
    intervals = patient_intervals(matrices, "NV", draws=4000)
    low, high = intervals["N"]["sensitivity"]
    mean, error = right.mean() / 100, right.std(ddof=1) / 100 / np.sqrt(30)
    assert low == pytest.approx(mean - 1.96 * error, abs=0.006)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.006)
    assert intervals["V"]["sensitivity"] == [0.75, 0.75]  # every patient alike
    assert intervals == patient_intervals(matrices, "NV", draws=4000)
    narrow = patient_intervals(matrices, "NV", level=0.5)["N"]["sensitivity"]
    assert low < narrow[0] < narrow[1] < high
    # A class that nobody has gets no interval.
    assert patient_intervals([[[5, 0], [0, 0]]], "NV")["V"] == {}
    for nobody in ([], np.zeros((0, 2, 2)), [[1, 2], [3, 4]]):
        with pytest.raises(InputError, match="no patients to draw from"):
            patient_intervals(nobody, "NV")


def test_the_best_candidate_is_chosen_and_the_smaller_of_equals() -> None:
    def result(name: str, parameters: int, criterion: float) -> CandidateResult:
        return CandidateResult(name, parameters, criterion, {"": {}}, ())

    assert choose([result("a", 100, 0.5), result("b", 900, 0.6)]).name == "b"
    assert choose([result("a", 900, 0.6), result("b", 100, 0.60001)]).name == "b"


# ---------------------------------------------------------------- recipes


def tiny_recipe(folder: Path, **changes) -> Path:
    """The built-in recipe made small enough for a test."""
    recipe = dataclasses.asdict(Recipe.load("beats"))
    recipe["architecture"] |= {
        "features": len(FEATURE_NAMES),
        "branches": "conv",
        "filters": [4, 4],
        "lstm_filters": 4,
        "lstm_units": 4,
        "lstm_steps": 3,
        "dense": [8],
    }
    recipe["options"]["history"] = 1
    recipe["databases"] = ["mitdb"]
    recipe["schedule"] |= {"epochs": 1, "batch": 64}
    recipe |= {"folds": 2, "candidates": {"as it is": {}}, **changes}
    path = folder / "tiny.json"
    path.write_text(json.dumps(recipe))
    return path


def test_built_in_recipes_load() -> None:
    assert "beats" in recipe_names()
    for name in recipe_names():
        recipe = Recipe.load(name)
        assert recipe.name == name
        for change in recipe.candidates.values():
            recipe.changed(change)
        # Each can be named among others, as in ecgfast crossval --candidates a,b.
        assert not any("," in name for name in (*recipe.candidates, *recipe.comparisons))
    beats = Recipe.load("beats")
    assert beats.architecture["features"] == [beats.options["history"], len(FEATURE_NAMES)]
    assert beats.limits


def test_changes_of_a_recipe() -> None:
    recipe = Recipe.load("beats")
    other = recipe.changed({"architecture": {"dropout": 0.5}, "schedule": {"epochs": 3}})
    assert (other.architecture["dropout"], other.schedule.epochs) == (0.5, 3)
    assert other.architecture["name"] == recipe.architecture["name"]
    assert recipe.changed({}) == recipe
    assert recipe.changed({"seed": 8}).seed == 8
    with pytest.raises(InputError, match="recipe beats: cannot change 'limits'"):
        recipe.changed({"limits": []})
    with pytest.raises(InputError, match="recipe beats: seed is a whole number"):
        recipe.changed({"seed": {}})
    with pytest.raises(InputError, match=r"recipe beats: .*'epoch'; did you mean 'epochs'"):
        recipe.changed({"schedule": {"epoch": 3}})


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cakes: no such recipe, .*; there are .*beats"):
        Recipe.load("cakes")
    with pytest.raises(InputError, match=r"none\.json: no such recipe"):
        Recipe.load(tmp_path / "none.json")
    path = tiny_recipe(tmp_path)
    good = json.loads(path.read_text())
    assert Recipe.load(path).schedule.epochs == 1
    lacking = {key: value for key, value in good.items() if key != "schedule"}
    unknown = {**good, "schedule": {**good["schedule"], "loss": "guess"}}
    misspelt = {**good, "schedule": {**good["schedule"], "epocs": 1}}
    for content in (
        "words",
        json.dumps(lacking),
        json.dumps(misspelt),
        json.dumps(unknown),
        json.dumps({**good, "x": 1}),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=r"tiny\.json: not a recipe"):
            Recipe.load(path)
    path.write_text(json.dumps(misspelt))
    with pytest.raises(InputError, match=r"no setting 'epocs'; did you mean 'epochs'\?"):
        Recipe.load(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match=r"tiny\.json: not a recipe"):
        Recipe.load(path)


# ---------------------------------------------------------------- the whole way


@pytest.fixture(scope="module")
def all_data(tmp_path_factory) -> Path:
    """All of DS1 and DS2, and a list of recordings that has one more."""
    root = tmp_path_factory.mktemp("all")
    for seed, name in enumerate((*DS1, *DS2)):
        write_record(root / "mitdb", name, seconds=12, seed=seed)
    (root / "mitdb" / "RECORDS").write_text("\n".join([*DS1, *DS2, "999"]), encoding="utf-8")
    return root


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
