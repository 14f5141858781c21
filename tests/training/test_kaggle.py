"""The form of Kaggle's heartbeat files: rebuilt, read, split, and checked against real rows."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from training_records import write_record

from ecgfast.cli import main
from ecgfast.core import WindowSpec
from ecgfast.errors import InputError, RecordError
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.kaggle import (
    CYCLE,
    PUBLISHED,
    PUBLISHED_TEST,
    beat_normality,
    prepare_kaggle,
    random_part,
    random_test,
    read_kaggle_files,
    read_rows,
)
from ecgfast.training.datasets.kaggle_rows import compare_rows, find_rows, shown_points
from ecgfast.training.datasets.splits import DS1, DS2
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks import load_task

RECIPES = ("beats-cnn-bilstm", "beats-custom-cnn", "normality-td-lstm")


@pytest.fixture(scope="module")
def rebuilt(data_root: Path) -> ExampleSet:
    if len(list((data_root / "mitdb").glob("*.hea"))) < 48:
        pytest.skip("mitdb is not whole in ECGFAST_DATA")
    return prepare_kaggle(data_root)


@pytest.fixture(scope="module")
def real_rows(data_root: Path) -> Path:
    path = data_root / "kaggle_form" / "mitbih_test_first999.csv"
    if not path.is_file():
        pytest.skip("kaggle_form is not in ECGFAST_DATA")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, rows: list[list[object]]) -> Path:
        path = tmp_path / name
        text = "".join(",".join(str(cell) for cell in row) + "\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def row(label: object, fill: float = 0.5) -> list[object]:
    return [1.0, *[fill] * 100, *[0.0] * 86, label]


def test_the_totals_are_the_published_ones(rebuilt: ExampleSet) -> None:
    assert rebuilt.counts() == PUBLISHED
    test = random_test(rebuilt.target, seed=1)
    assert rebuilt.only(test).counts() == PUBLISHED_TEST
    assert (len(rebuilt) - test.sum(), test.sum()) == (87554, 21892)
    assert not np.array_equal(test, random_test(rebuilt.target, seed=2))
    np.testing.assert_array_equal(test, random_test(rebuilt.target, seed=1))


def test_rebuilt_beats_have_the_form(rebuilt: ExampleSet) -> None:
    windows = rebuilt.inputs["window"][:, :, 0]
    assert windows.shape[1] == 187
    assert windows.min() == 0.0
    assert windows.max() == 1.0
    # A flat line has no scale; all else reaches from 0 to 1.
    flat = windows.max(axis=1) == 0
    assert flat.mean() < 0.001
    assert (windows.max(axis=1) == 1.0)[~flat].all()
    assert shown_points(windows).min() > 24
    assert np.median(shown_points(windows)) < 150


def test_real_rows_are_every_third_sample_from_the_r_peak_on(
    data_root: Path, rebuilt: ExampleSet, real_rows: Path
) -> None:
    rows, labels = read_rows(real_rows)
    some = slice(None, None, 9)
    found = compare_rows(data_root, rebuilt, rows[some], labels[some])
    assert found["rows"] == found["found_at_120_hz"] == 111
    assert found["found_at_125_hz"] == 0
    assert found["same_class"] == 1.0
    # Ours are low-pass filtered and begin at the R peak that the core finds.
    assert found["correlation"]["median"] > 0.99
    assert found["correlation"]["over 0.99"] > 0.65
    theirs, ours = found["points_shown"]["theirs"], found["points_shown"]["ours"]
    assert ours["median"] == pytest.approx(theirs["median"], abs=6)
    # Their length is that of the beat itself: 1.2 intervals to the next R peak.
    assert found["points_by_rr"]["median"] == pytest.approx(1.2, abs=0.01)


def test_rows_of_nowhere_are_not_found(data_root: Path, rebuilt: ExampleSet) -> None:
    noise = np.random.default_rng(3).random((3, 187, 1)).astype(np.float32)
    assert not find_rows(data_root, noise).found.any()


def test_kaggle_files_are_read_plain_and_compressed(table: Callable[..., Path]) -> None:
    train = table("mitbih_train.csv", [row("0.000000000000000000e+00"), row(4), row("2.0")])
    test = table("mitbih_test.csv.gz", [row(1)])
    examples = read_kaggle_files([train, test])
    assert examples.inputs["window"].shape == (4, 187, 1)
    assert examples.target.tolist() == [0, 4, 2, 1]
    assert examples.counts() == {"N": 1, "S": 1, "V": 1, "F": 0, "Q": 1}
    assert examples.record.tolist() == ["mitbih_train"] * 3 + ["mitbih_test"]
    assert beat_normality(examples).target.tolist() == [0, 1, 1, 1]

    ptb = read_kaggle_files(
        [table("ptbdb_normal.csv", [row(0)]), table("ptbdb_abnormal.csv", [row(1), row("1.0")])]
    )
    assert ptb.counts() == {"normal": 1, "abnormal": 2}
    with pytest.raises(InputError, match="not both"):
        read_kaggle_files([train, "ptbdb_normal.csv"])
    with pytest.raises(InputError, match="not both"):
        read_kaggle_files([])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([row(0), row(0)[1:]], "row 2 has 187 columns, not 188"),
        ([row(0), row(0), [*row(0)[:5], "x", *row(0)[6:]]], "row 3 holds 'x', which is no number"),
        ([row(0), row(5)], "row 2 has the class 5, not 0 to 4"),
        ([row(0.5)], "row 1 has the class 0.5"),
        ([row(0), row(0, fill=1.5)], "row 2 has samples outside 0..1"),
        ([row(0, fill=float("nan"))], "row 1 has samples outside 0..1"),
        ([], "holds no rows"),
    ],
)
def test_bad_files_are_told_by_row(
    table: Callable[..., Path], rows: list[list[object]], problem: str
) -> None:
    path = table("mitbih_test.csv", rows)
    with pytest.raises(RecordError, match=f"{path.name}: {problem}"):
        read_kaggle_files([path])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"mitbih_test\.csv: no such file"):
        read_kaggle_files([tmp_path / "mitbih_test.csv"])
    damaged = tmp_path / "mitbih_test.csv.gz"
    damaged.write_bytes(b"not compressed")
    with pytest.raises(RecordError, match="cannot be read"):
        read_kaggle_files([damaged])


def test_a_random_part_holds_its_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 4], [1000, 100, 20])
    part = random_part(labels, 0.1, seed=5)
    assert np.bincount(labels[part]).tolist() == [100, 10, 0, 0, 2]


@pytest.mark.parametrize("name", RECIPES)
def test_splits_of_the_recipes(
    name: str, data_root: Path, rebuilt: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.training.tasks.kaggle.prepare_kaggle", lambda *a, **k: rebuilt)
    recipe = Recipe.load(name)
    task = load_task(recipe.task)
    train = task.training_set(recipe, data_root)
    ((heading, test),) = task.test_sets(recipe, data_root).items()
    assert "one patient on both sides" in heading
    assert (len(train), len(test)) == (87554, 21892)
    assert train.classes == task.classes
    beats = [
        set(zip(part.record.tolist(), part.columns["sample"].tolist(), strict=True))
        for part in (train, test)
    ]
    assert not beats[0] & beats[1]
    held = task.validation(recipe, train)
    share = recipe.schedule.validation_share
    assert held.mean() == pytest.approx(share, rel=0.01)
    for label in range(len(task.classes)):
        assert held[train.target == label].mean() == pytest.approx(share, rel=0.02)

    by_patient = recipe.changed(recipe.protocols["by patient"])
    train = task.training_set(by_patient, data_root)
    ((heading, test),) = task.test_sets(by_patient, data_root).items()
    assert heading.startswith("by patient")
    assert set(train.record.tolist()) == {f"mitdb/{name}" for name in DS1}
    assert set(test.record.tolist()) == {f"mitdb/{name}" for name in DS2}


@pytest.mark.parametrize("name", RECIPES)
def test_databases_of_one_s_own_train_and_test(name: str, tmp_path: Path) -> None:
    for seed in range(6):
        write_record(tmp_path / "mine", f"p{seed}", seconds=30, seed=seed)
    recipe = dataclasses.replace(Recipe.load(name), databases=("mine",))
    task = load_task(recipe.task)
    task.check_data(recipe, tmp_path)
    train = task.training_set(recipe, tmp_path)
    ((heading, test),) = task.test_sets(recipe, tmp_path).items()
    assert "one patient on both sides" in heading
    assert len(test) == pytest.approx(0.2 * (len(train) + len(test)), abs=2)
    assert task.facts(recipe, train).data["databases"] == ["mine"]

    by_patient = recipe.changed({"options": {"split": "patient"}})
    train = task.training_set(by_patient, tmp_path)
    ((heading, test),) = task.test_sets(by_patient, tmp_path).items()
    assert heading == "by patient"
    assert not set(train.patient) & set(test.patient)
    assert set(train.record) | set(test.record) == {f"mine/p{i}" for i in range(6)}
    assert task.facts(by_patient, train).split["test"] == sorted(set(test.record))

    named = by_patient.changed({"options": {"test": ["mine/p2"]}})
    task.check_data(named, tmp_path)
    train = task.training_set(named, tmp_path)
    ((_, test),) = task.test_sets(named, tmp_path).items()
    assert set(test.record) == {"mine/p2"}
    assert "mine/p2" not in train.record
    assert task.facts(named, train).split["patients on both sides"] == "none"
    held = task.validation(named, train)  # a twentieth of five patients is one of them
    share = recipe.schedule.validation_share
    assert len(set(train.patient[held])) == 1, share

    for options, problem in (
        ({"split": "random", "test": ["mine/p2"]}, "set options.split=patient too"),
        ({"split": "patient", "test": ["mine"]}, "leave none to train or none to test"),
    ):
        with pytest.raises(InputError, match=problem):
            task.training_set(recipe.changed({"options": options}), tmp_path)
    write_record(tmp_path / "other", "q", seed=1)
    elsewhere = recipe.changed({"options": {"split": "patient", "test": ["other/q"]}})
    with pytest.raises(InputError, match="other is not among its databases, mine"):
        task.check_data(elsewhere, tmp_path)


def test_tasks_take_kaggles_own_files(table: Callable[..., Path], tmp_path: Path) -> None:
    table("mitbih_train.csv", [row(k % 5) for k in range(50)])
    table("mitbih_test.csv", [row(k % 5) for k in range(10)])
    table("ptbdb_normal.csv", [row(0)] * 20)
    table("ptbdb_abnormal.csv", [row(1)] * 40)
    recipe = Recipe.load("beats-custom-cnn")
    task = load_task(recipe.task)
    files = {"train_files": ["mitbih_train.csv"], "test_files": ["mitbih_test.csv"]}
    own = recipe.changed({"options": files})
    assert len(task.training_set(own, tmp_path)) == 50
    ((heading, test),) = task.test_sets(own, tmp_path).items()
    assert len(test) == 10
    assert heading.startswith("Kaggle's own split")

    recipe = Recipe.load("normality-td-lstm")
    task = load_task(recipe.task)
    ptb = recipe.changed({"options": {"train_files": ["ptbdb_normal.csv", "ptbdb_abnormal.csv"]}})
    assert task.training_set(ptb, tmp_path).counts() == {"normal": 16, "abnormal": 32}
    ((_, test),) = task.test_sets(ptb, tmp_path).items()
    assert test.counts() == {"normal": 4, "abnormal": 8}
    assert task.facts(ptb, test).window.grid_fs == 125.0

    with pytest.raises(InputError, match="do not tell patients"):
        task.training_set(ptb.changed({"options": {"split": "patient"}}), tmp_path)
    with pytest.raises(InputError, match="does not tell AAMI classes"):
        load_task("kaggle").training_set(ptb, tmp_path)
    with pytest.raises(InputError, match="split 'day' is not random or patient"):
        task.training_set(recipe.changed({"options": {"split": "day"}}), tmp_path)


def test_prepare_writes_the_same_bytes_and_says_how_it_differs(
    data_root: Path, tmp_path: Path, table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "a.npz", tmp_path / "b.npz"]
    csv = table("mitbih_test.csv", [row(k % 5) for k in range(10)])
    for path in paths:
        assert main(["prepare", "--csv", str(csv), "--output", str(path)]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert "10 beats (N 2, S 2, V 2, F 2, Q 2)" in capsys.readouterr().out
    assert ExampleSet.load(paths[0]).counts() == dict.fromkeys("NSVFQ", 2)
    for wrong in (
        ["--dataset", "beats", "--csv", str(csv)],
        ["--dataset", "kaggle", "--lead", "1"],
        ["--compare", str(csv)],
        ["--url", "http://127.0.0.1/"],
    ):
        assert main(["prepare", "--data", str(data_root), *wrong]) == 2


def test_the_form_is_the_cores(rebuilt: ExampleSet) -> None:
    assert isinstance(CYCLE, WindowSpec)
    assert rebuilt.about["window"] == list(CYCLE)


def test_td_cnn_lstm_cuts_a_whole_beat_into_steps() -> None:
    pytest.importorskip("tensorflow")
    from ecgfast.networks import build

    small = {"filters": (4,), "kernels": (3,), "lstm_units": 3, "dense": (5,)}
    whole = build("td_cnn_lstm", window=(187, 1), **small)
    steps = build("td_cnn_lstm", **small)
    steps.set_weights(whole.get_weights())
    beats = np.random.default_rng(0).random((6, 187, 1)).astype(np.float32)
    np.testing.assert_allclose(
        whole(beats).numpy(), steps(beats[:, :180].reshape(6, 10, 18, 1)).numpy(), atol=1e-6
    )


def test_ptb_recordings_are_labelled_by_their_header(tmp_path: Path) -> None:
    import wfdb

    from ecgfast.records import demo_record
    from ecgfast.training.datasets.ptb import prepare_ptb

    made = demo_record()
    signal = made.signal[: int(made.fs * 20), :1].astype(float)
    for patient, reason in (
        ("patient001", "Myocardial infarction"),
        ("patient002", "Healthy control"),
        ("patient003", "Dysrhythmia"),
    ):
        folder = tmp_path / "ptbdb" / patient
        folder.mkdir(parents=True)
        wfdb.wrsamp(
            "s0001_re", made.fs, ["mV"], ["ii"], signal, fmt=["16"], write_dir=str(folder),
            comments=["age: 50", f"Reason for admission: {reason}"],
        )  # fmt: skip
    examples = prepare_ptb(tmp_path)
    beats = examples.counts()
    assert beats["normal"] == beats["abnormal"] > 10
    assert set(examples.patient.tolist()) == {"ptbdb/patient001", "ptbdb/patient002"}
    assert examples.about["left_out"]["recordings: dysrhythmia"] == 1
    assert examples.inputs["window"].max() == 1.0

    recipe = Recipe.load("normality-td-lstm").changed({"options": {"database": "ptbdb"}})
    task = load_task(recipe.task)
    ((heading, test),) = task.test_sets(recipe, tmp_path).items()
    assert len(test) + len(task.training_set(recipe, tmp_path)) == len(examples)
    assert heading.startswith("random by beat")
    with pytest.raises(RecordError, match="prepare --download ptbdb"):
        prepare_ptb(tmp_path / "ptbdb")


def test_narrow_sigmoids_are_widened_and_stay_the_same_function() -> None:
    keras = pytest.importorskip("keras")
    from ecgfast.networks.conditioning import widen_sigmoids

    draw = np.random.default_rng(2)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, activation="sigmoid", name="narrow"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(3, activation="sigmoid", name="wide"),
            keras.layers.BatchNormalization(name="wide_norm"),
        ]
    )
    given = draw.normal(size=(500, 4)).astype(np.float32)
    for layer, norm, size in (("narrow", "norm", 0.002), ("wide", "wide_norm", 1.0)):
        dense = model.get_layer(layer)
        kernel, bias = (draw.normal(size=w.shape) for w in dense.get_weights())
        dense.set_weights([size * kernel, 0.2 * bias])
        made = keras.Model(model.inputs, dense.output)(given).numpy()
        n = made.shape[1]
        model.get_layer(norm).set_weights(
            [draw.uniform(1, 2, n), draw.normal(size=n), made.mean(axis=0), made.var(axis=0)]
        )
    before, kept = model(given).numpy(), model.get_layer("wide").get_weights()[0]
    spread = keras.Model(model.inputs, model.get_layer("narrow").output)
    was = spread(given).numpy().std(axis=0).max()
    widen_sigmoids(model)
    assert spread(given).numpy().std(axis=0).max() > 4 * was
    assert np.abs(model(given).numpy() - before).max() < 0.01 * np.abs(before).max()
    np.testing.assert_array_equal(model.get_layer("wide").get_weights()[0], kept)
