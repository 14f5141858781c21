"""Calibration of class probabilities, and weights by patient."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.training.fitting.calibration import Calibration, fit_calibration

CLASSES = 4


def _softmax(logits: np.ndarray) -> np.ndarray:
    above = np.exp(logits - logits.max(axis=1, keepdims=True))
    return above / above.sum(axis=1, keepdims=True)


def test_finds_the_temperature_and_the_offsets_again() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (40_000, CLASSES))
    truth = _softmax(logits)
    target = (truth.cumsum(axis=1) > rng.random((len(truth), 1))).argmax(axis=1)
    offset = np.array([0.0, 1.0, -0.5, 2.0])
    shown = _softmax(2.0 * (logits - offset))  # twice too sure, and classes weighed wrongly
    found = fit_calibration(shown, target, np.ones(len(target)))
    assert found.temperature == pytest.approx(2.0, rel=0.05)
    assert np.asarray(found.offset) == pytest.approx(offset, abs=0.08)
    assert np.abs(found(shown) - truth).mean() < 0.01


def test_weights_say_which_examples_count() -> None:
    shown = np.full((200, 2), 0.5)
    target = np.repeat([0, 1], 100)
    found = fit_calibration(shown, target, np.where(target == 1, 3.0, 1.0))
    assert found(shown)[0] == pytest.approx([0.25, 0.75], abs=1e-3)


def test_a_class_with_few_examples_keeps_its_level() -> None:
    shown = np.full((2000, 3), 1 / 3)
    target = np.repeat([0, 1, 2], [1900, 95, 5])
    assert fit_calibration(shown, target, np.ones(2000)).offset[2] == 0.0
    many = fit_calibration(shown, np.repeat([0, 1, 2], [1800, 90, 110]), np.ones(2000))
    assert many.offset[2] < -2.0
    assert many.offset[1] == 0.0


def test_a_model_with_it_folded_in_gives_calibrated_probabilities() -> None:
    keras = pytest.importorskip("keras", reason="networks need Keras (extra train)")
    inputs = keras.Input((3,), name="window")
    model = keras.Model(
        inputs, keras.layers.Dense(CLASSES, activation="softmax", name="probability")(inputs)
    )
    x = np.random.default_rng(1).standard_normal((50, 3)).astype("f4")
    calibration = Calibration(1.7, (0.0, 0.3, -1.0, 0.5))
    wanted = calibration(model.predict(x, verbose=0))
    calibration.fold_into(model)
    assert model.predict(x, verbose=0) == pytest.approx(wanted, abs=1e-5)


def test_weights_by_patient() -> None:
    from ecgfast.training.tasks.beat_examples import patient_weights

    labels = np.repeat([0, 0, 1, 1], [800, 200, 100, 400])
    patients = np.repeat(["a", "b", "a", "b"], [800, 200, 100, 400])
    flat = patient_weights(labels, patients, 0.0)
    assert np.all(flat == 1.0)
    alike = patient_weights(labels, patients, 1.0)
    for label in (0, 1):
        of = labels == label
        assert alike[of].mean() == pytest.approx(1.0, rel=1e-5)
        one, other = (alike[of & (patients == p)].sum() for p in "ab")
        assert one == pytest.approx(other, rel=1e-5)
    half = patient_weights(labels, patients, 0.5)
    assert half[0] / half[900] == pytest.approx(0.5, rel=1e-5)


def _examples(records: list[str], target: list[int]):
    from ecgfast.training.datasets.examples import ExampleSet

    n = len(records)
    patient, names = np.array(records), ["mitdb", "svdb"]
    about = {"classes": list("NSVFQ"), "databases": names}
    window = {"window": np.zeros((n, 72, 2), np.float32)}
    columns = {
        "database": np.array(
            [names.index(record.partition("/")[0]) for record in records], np.int8
        ),
        "recording": np.unique(patient, return_inverse=True)[1],
        "rr": np.full(n, 0.8),
        "fibrillation": np.zeros(n, bool),
    }
    return ExampleSet(window, np.array(target, np.int8), patient, patient, about, columns)


def test_databases_count_alike_in_the_choice() -> None:
    from ecgfast.training.tasks.beats import BeatTask

    task = BeatTask()
    target = [0, 1, 2] + [0, 1, 2] * 3
    examples = _examples(["mitdb/101"] * 3 + ["svdb/800"] * 9, target)
    given = [0, 0, 2] + [0, 1, 2] * 3  # S of mitdb is missed, all of svdb is right
    figures = task.figures(examples, np.eye(5, dtype=np.float32)[given])
    assert figures["mitdb S F1"] == 0
    assert figures["svdb S F1"] == 1
    assert figures["S F1"] == pytest.approx(6 / 7)
    assert figures["N Se"] == 1
    assert task.criterion({"one": figures}) == pytest.approx((0 + 1 + 1 + 1) / 4)


def test_what_a_user_chooses_by_comes_first() -> None:
    from ecgfast.training.tasks.beats import BeatTask

    task = BeatTask()
    target = [0, 1, 2] + [0] * 10 + [1] * 10 + [2] * 9
    examples = _examples(["mitdb/101"] * 3 + ["svdb/800"] * 29, target)
    examples.about["databases"] = ["mitdb", "nsrdb"]  # svdb/800 as if it were a healthy person's
    given = [0, 1, 2] + [0] * 5 + [2] * 5 + [1] * 10 + [2] * 9
    figures = task.figures(examples, np.eye(5, dtype=np.float32)[given])
    names = task.leading(figures)
    assert {n for n in names if task.is_share(n)} < set(figures)
    assert figures["nsrdb false V per hour, worst"] == pytest.approx(5 * 3600 / (29 * 0.8))
    assert not task.is_share("nsrdb false V per hour, worst")
    rates = [f"nsrdb false {c} per hour, {x}" for c in "SV" for x in ("median", "mean", "worst")]
    assert [name for name in names if "per hour" in name] == rates
    assert "mitdb S by patient" in names
    assert np.isnan(figures["mitdb S by patient"])  # one beat of S says nothing
    assert not {"accuracy", "F1", "N Se"} & set(names)


def test_calibration_is_learnt_from_the_answers_of_cross_validation() -> None:
    keras = pytest.importorskip("keras", reason="networks need Keras (extra train)")
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import BeatTask

    rng = np.random.default_rng(2)
    target = rng.choice(5, 4000, p=[0.7, 0.1, 0.1, 0.05, 0.05])
    records = np.array(["mitdb/101", "svdb/800", "mitdb/103", "svdb/865"])[np.arange(4000) % 4]
    examples = _examples(records.tolist(), target.tolist())
    logits = 2.0 * np.eye(5)[target] + rng.normal(0, 1, (4000, 5))
    answers = {view: _softmax(3 * logits).astype(np.float32) for view in ("with", "later")}
    inputs = keras.Input((5,), name="window")
    model = keras.Model(inputs, keras.layers.Dense(5, "softmax", name="probability")(inputs))
    kernel, bias = np.eye(5, dtype=np.float32), np.zeros(5, np.float32)
    model.get_layer("probability").set_weights([kernel, bias])
    told = BeatTask().finish(model, Recipe.load("beats"), examples, answers)
    assert told["calibration"]["temperature"] > 1.3
    folded, offset = model.get_layer("probability").get_weights()
    assert folded[0, 0] == pytest.approx(1 / told["calibration"]["temperature"])
    assert offset == pytest.approx(told["calibration"]["offset"], abs=1e-6)
    sure = told["probabilities, cross-validation, with"]
    assert sure["expected_calibration_error"] < 0.03
    assert sure["coverage"][0]["coverage"] == 1.0
    assert set(sure["operating points"]) == {"S", "V"}
    scores = {
        name: told[f"cross-validation, calibrated, {name}, later"] for name in ("mitdb", "svdb")
    }
    assert [score["patients"] for score in scores.values()] == [2, 2]
    # The one patient with most S beats, left out.
    alone = told["cross-validation, calibrated, svdb without record 865, later"]
    assert (alone["patients"], alone["examples"]) == (1, 1000)


def test_candidates_are_compared_as_calibrated() -> None:
    pytest.importorskip("scipy", reason="calibration needs scipy (extra train)")
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import BeatTask

    rng = np.random.default_rng(3)
    target = rng.choice(3, 6000, p=[0.9, 0.05, 0.05])
    records = np.array(["mitdb/101", "svdb/800", "mitdb/103", "svdb/865"])[np.arange(6000) % 4]
    examples = _examples(records.tolist(), target.tolist())
    logits = 4.0 * np.eye(5)[target] + rng.normal(0, 1.5, (6000, 5))
    # As after training with class weights: rare classes are said far too often.
    weighed = {"with": _softmax(logits + np.array([0, 3, 3, 0, 0])).astype(np.float32)}
    task, recipe = BeatTask(), Recipe.load("beats")
    before = task.figures(examples, weighed["with"])
    after = task.figures(examples, task.calibrated(recipe, examples, weighed)["with"])
    assert before["S F1"] < 0.6
    assert after["S F1"] > before["S F1"] + 0.2


def test_a_published_model_leaves_no_feature_out() -> None:
    import dataclasses

    from ecgfast.errors import InputError
    from ecgfast.training.recipes.recipe import Recipe
    from ecgfast.training.tasks.beats import BeatTask

    recipe = dataclasses.replace(Recipe.load("beats"), options={"without": ["rr_ratio"]})
    with pytest.raises(InputError, match="in comparisons only"):
        BeatTask().facts(recipe, _examples(["mitdb/101"], [0]))
