"""Sets of examples, their augmentation, and training that continues after a break."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import model_files  # noqa: F401  (before TensorFlow, see there)
import numpy as np
import pytest
from thorough import thorough_cases
from toy_task import POINTS, toy_examples, toy_recipe, toy_values

from ecgfast import InputError, ModelError, RecordError
from ecgfast.core import FEATURE_NAMES
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.fitting.batches import Batches, class_weights, recorded_noise
from ecgfast.training.recipes.recipe import Schedule

NEXT = [FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")]


# ---------------------------------------------------------------- examples


def test_saved_examples_are_the_same_bytes_and_come_back(tmp_path: Path) -> None:
    examples = dataclasses.replace(toy_examples(20), columns={"hour": np.arange(20)})
    for name in ("one", "two"):
        examples.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    back = ExampleSet.load(tmp_path / "one.npz")
    assert back.about == examples.about
    for name in ("target", "patient", "record"):
        assert np.array_equal(getattr(back, name), getattr(examples, name))
    assert np.array_equal(back.inputs["window"], examples.inputs["window"])
    assert np.array_equal(back.columns["hour"], np.arange(20))


def test_rows_are_chosen_together() -> None:
    examples = dataclasses.replace(toy_examples(20), columns={"hour": np.arange(20)})
    some = examples.only(examples.target == 1)
    assert set(some.target) == {1}
    assert len(some) == examples.counts()["V"]
    assert np.array_equal(some.columns["hour"], np.flatnonzero(examples.target == 1))
    other = examples.with_inputs(window=np.zeros((20, 4, 1), np.float32))
    assert other.inputs["window"].shape == (20, 4, 1)
    assert other.columns.keys() == {"hour"}
    assert toy_values(7).counts() == {"examples": 7}


def test_what_is_drawn_of_the_largest_class_may_weigh_as_all_of_it() -> None:
    examples = toy_examples(200)
    targets = np.eye(len(examples.classes), dtype=np.float32)[examples.target]
    largest = int(np.bincount(examples.target).argmax())
    weights = {}
    for share, factor in ((1.0, 1.0), (0.25, 4.0)):
        schedule = Schedule(
            epochs=1, batch=1, largest_class_share=share, largest_class_weight=factor
        )
        batches = Batches(examples, targets, schedule, seed=1)
        batches.draw()
        drawn = [batches[i] for i in range(len(batches))]
        target = np.concatenate([one[1] for one in drawn]).argmax(axis=1)
        weight = np.concatenate([one[2] for one in drawn])
        weights[share] = [weight[target == c].sum() for c in range(targets.shape[1])]
        assert (weight[target == largest] == factor).all()
    assert weights[0.25] == pytest.approx(weights[1.0], rel=0.05)
    with pytest.raises(InputError, match="largest_class_weight 0 is not above 0"):
        Schedule(epochs=1, largest_class_weight=0)


def test_sets_that_do_not_hold_together() -> None:
    examples = toy_examples(20)
    with pytest.raises(InputError, match=r"5 rows of input\.window, 20 targets"):
        examples.with_inputs(window=np.zeros((5, 4, 1), np.float32))
    for wrong in (np.zeros((20, 4, 1)), np.full((20, 4, 1), np.nan, np.float32)):
        with pytest.raises(InputError, match="'window' is not finite float32"):
            examples.with_inputs(window=wrong)
    with pytest.raises(InputError, match="not int64 of shape"):
        dataclasses.replace(examples, target=np.zeros(20, np.int64))
    for about in ({}, {"classes": "NV"}, {"classes": [0, 1]}):
        with pytest.raises(InputError, match=r'about\["classes"\] has to list the names'):
            dataclasses.replace(examples, about=about)


def test_files_that_hold_no_examples(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.npz: no such data set"):
        ExampleSet.load(tmp_path / "none.npz")
    path = tmp_path / "set.npz"
    toy_examples(20).save(path)
    whole = path.read_bytes()
    for content in (b"", b"words", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"set\.npz: not a (data set|set of examples)"):
            ExampleSet.load(path)
    with pytest.raises(RecordError, match="cannot be written"):
        toy_examples(20).save(tmp_path / "no" / "set.npz")


# ---------------------------------------------------------------- balancing


def one_hot(examples: ExampleSet) -> np.ndarray:
    return np.eye(len(examples.classes), dtype=np.float32)[examples.target]


def a_pass(batches: Batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    batches.draw()
    parts = [batches[i] for i in range(len(batches))]
    windows = np.concatenate([inputs["window"] for inputs, _, _ in parts])
    return windows, *(np.concatenate([p[i] for p in parts]) for i in (1, 2))


def test_weights_by_hand() -> None:
    labels = [0] * 80 + [1] * 20
    schedule = Schedule(1, class_weight_power=0.5, class_weight_limit=10)
    assert class_weights(labels, 2, schedule).tolist() == [1, 2]
    limited = dataclasses.replace(schedule, class_weight_limit=1.5)
    assert class_weights(labels, 2, limited).tolist() == [1, 1.5]
    half = dataclasses.replace(schedule, largest_class_share=0.5, class_weight_power=1)
    assert class_weights(labels, 2, half).tolist() == [1, 2]
    for other in ("none", "resampling"):
        assert class_weights(labels, 2, Schedule(1, balancing=other)).tolist() == [1, 1]


def test_an_unvaried_pass_shows_every_example_once() -> None:
    examples = toy_examples(96)
    windows, targets, weights = a_pass(
        Batches(examples, one_hot(examples), Schedule(1, batch=32), seed=0)
    )
    order = np.argsort(windows[:, 0, 0])
    expected = np.argsort(examples.inputs["window"][:, 0, 0])
    assert np.array_equal(windows[order], examples.inputs["window"][expected])
    assert np.array_equal(targets[order], one_hot(examples)[expected])
    assert set(weights) == {1}


def test_resampling_draws_classes_alike_and_only_training_rows() -> None:
    examples = toy_examples(3000, classes="NVF")
    batches = Batches(examples, one_hot(examples), Schedule(1, balancing="resampling"), seed=0)
    windows, targets, _ = a_pass(batches)
    assert targets.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.04)
    assert set(windows[:, 0, 0]) <= set(examples.inputs["window"][:, 0, 0])


def test_a_share_of_the_largest_class_is_drawn_anew_in_each_pass() -> None:
    examples = toy_examples(1000)
    schedule = Schedule(1, batch=1, largest_class_share=0.25)
    batches = Batches(examples, one_hot(examples), schedule, seed=0)
    one, two = a_pass(batches), a_pass(batches)
    counts = np.bincount(examples.target)
    assert one[1].sum(axis=0).tolist() == [round(0.25 * counts[0]), counts[1]]
    assert set(one[0][:, 0, 0]) != set(two[0][:, 0, 0])


# ---------------------------------------------------------------- augmentation


def with_features(shape: tuple[int, ...], n: int = 64) -> ExampleSet:
    examples = toy_examples(n)
    features = np.random.default_rng(3).standard_normal((n, *shape)).astype(np.float32)
    features[..., NEXT[1]] = 1.0
    return examples.with_inputs(window=examples.inputs["window"], features=features)


def test_histories_of_features_pass_through() -> None:
    examples = with_features((4, len(FEATURE_NAMES)))
    examples.inputs["features"][:, 0] = 0.0  # no beat yet
    schedule = Schedule(1, batch=64, feature_noise=0.1, lookahead_share=0.5)
    batches = Batches(examples, one_hot(examples), schedule, seed=0)
    batches.draw()
    features = batches[0][0]["features"]
    assert features.shape == (64, 4, len(FEATURE_NAMES))
    assert not features[:, 0].any()
    # Earlier beats know their next interval; this one does in half of the cases.
    assert (features[:, 1:3, NEXT[1]] == 1).all()
    assert (features[:, 1:3, NEXT[0]] != 0).all()
    hidden = features[:, -1, NEXT[1]] == 0
    assert 0.2 < hidden.mean() < 0.8
    assert np.array_equal(hidden, features[:, -1, NEXT[0]] == 0)


def test_features_are_varied_by_their_own_spread() -> None:
    examples = with_features((len(FEATURE_NAMES),), n=4000)
    examples.inputs["features"][:, 0] *= 100
    schedule = Schedule(1, batch=4000, feature_noise=0.1)
    batches = Batches(examples, one_hot(examples), schedule, seed=0)
    batches.draw()
    moved = batches[0][0]["features"] - examples.inputs["features"][batches._order]
    assert moved[:, 0].std() == pytest.approx(10, rel=0.1)
    assert moved[:, 1].std() == pytest.approx(0.1, rel=0.1)
    assert not moved[:, NEXT[1]].any()


@pytest.mark.parametrize("shape", [(POINTS, 1), (4, 4, 1), (8, 2)])
def test_windows_keep_their_shape_and_padding(shape: tuple[int, ...]) -> None:
    examples = toy_examples(64)
    window = examples.inputs["window"].reshape(64, *shape).copy()
    window[:, -1] = 0.0
    examples = examples.with_inputs(window=window)
    schedule = Schedule(1, batch=64, window_noise=0.1, wander=0.1, gain_jitter=0.1, keep_zeros=True)
    batches = Batches(examples, one_hot(examples), schedule, seed=0)
    batches.draw()
    varied = batches[0][0]["window"]
    assert varied.shape == window.shape
    assert not varied[:, -1].any()
    assert (varied[:, :-1] != window[batches._order][:, :-1]).all()


def test_recorded_noise_is_added_at_the_amplitude_asked_for(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    (tmp_path / "nstdb").mkdir()
    time = np.arange(360 * 20) / 360
    wave = 0.3 * np.sin(2 * np.pi * 5 * time)
    wfdb.wrsamp(
        "ma",
        fs=360,
        units=["mV"] * 2,
        sig_name=["a", "b"],
        p_signal=np.stack([wave, -2 * wave], axis=1),
        fmt=["212"] * 2,
        write_dir=str(tmp_path / "nstdb"),
    )
    noise = recorded_noise(tmp_path, ("ma",), 125.0)
    assert [len(part) for part in noise] == [2500, 2500]
    expected = 0.3 * np.sin(2 * np.pi * 5 * np.arange(2500) / 125)
    assert noise[0][100:-100] == pytest.approx(expected[100:-100], abs=0.01)

    examples = toy_examples(4000).with_inputs(window=np.zeros((4000, 50, 1), np.float32))
    schedule = Schedule(1, batch=4000, recorded_noise=0.2)
    batches = Batches(examples, one_hot(examples), schedule, 0, noise)
    batches.draw()
    added = batches[0][0]["window"][:, :, 0]
    assert np.abs(added.mean(axis=1)).max() < 1e-6
    assert np.sqrt(np.mean(added**2)) == pytest.approx(0.2, rel=0.1)
    # The examples themselves stay as they were.
    assert not examples.inputs["window"].any()
    with pytest.raises(RecordError, match="bw"):
        recorded_noise(tmp_path, ("bw",), 125.0)


def test_mixed_pairs_lie_between_two_examples() -> None:
    examples = toy_examples(64)
    batches = Batches(examples, one_hot(examples), Schedule(1, batch=64, mixup=0.4), seed=0)
    windows, targets, _ = a_pass(batches)
    assert targets.sum(axis=1) == pytest.approx(1)
    assert ((targets > 0.01) & (targets < 0.99)).any()
    assert windows.std() < examples.inputs["window"].std()


# ---------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"optimizer": "sgd"}, "optimizer 'sgd' is unknown: give one of adamw, adam"),
        ({"balancing": "luck"}, "balancing 'luck' is unknown"),
        ({"loss": "guess"}, "loss 'guess' is unknown"),
        ({"validation_share": 1.0}, "validation_share 1.0"),
        ({"weight_average": 1.0}, "weight_average 1.0"),
        ({"stop_patience": 3}, "stop_patience needs a validation part"),
    ],
)
def test_schedules_that_make_no_sense(changes: dict, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Schedule(**{"epochs": 1, **changes})


# ---------------------------------------------------------------- training


@pytest.fixture
def fitting():
    pytest.importorskip("keras", reason="training needs Keras (extra train)")
    from ecgfast.training.fitting import fit

    return fit


STEADY = {"mixup": 0.3, "gain_jitter": 0.1, "window_noise": 0.1}
STOPPING = {
    "optimizer": "adam",
    "validation_share": 0.2,
    "plateau_patience": 1,
    "stop_patience": 3,
    "epochs": 4,
}


class BrokenOff(Exception):  # noqa: N818
    """What ends a run in the middle."""


# Everything at once: what is drawn, what stops and what is averaged.
AVERAGING = {**STEADY, **STOPPING, "weight_average": 0.9}


@pytest.mark.thorough
@pytest.mark.parametrize("schedule", [*thorough_cases(STEADY, STOPPING), AVERAGING])
def test_a_broken_off_training_ends_with_the_same_weights(
    fitting, tmp_path, schedule, monkeypatch
) -> None:
    recipe = toy_recipe(schedule=schedule)
    examples, watched = toy_examples(), toy_examples(60, seed=1)
    complete, file = tmp_path / "complete.npz", tmp_path / "checkpoint.npz"
    lines: list[str] = []

    def keep_the_second(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:  # what a run that is broken off here leaves behind
            shutil.copy(complete, file)

    whole = fitting.fit(recipe, examples, watched, checkpoint=complete, report=keep_the_second)
    later: list[str] = []
    resumed = fitting.fit(recipe, examples, watched, checkpoint=file, report=later.append)
    assert resumed.resumed == 2
    assert later[0].startswith("continues after epoch 2")
    assert resumed.history == whole.history
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    # Finished: nothing is trained; other settings: everything is.
    assert fitting.fit(recipe, examples, watched, checkpoint=file).resumed == len(whole.history)

    def begins(_) -> None:
        raise BrokenOff

    monkeypatch.setattr(fitting.Batches, "draw", begins)
    more: list[str] = []
    with pytest.raises(BrokenOff):
        fitting.fit(recipe, examples, watched, checkpoint=file, seed=8, report=more.append)
    assert more == [f"{file} is of another training, and is replaced: seed was 7 and is 8"]


def test_trainings_that_differ_say_in_what(fitting) -> None:
    recipe = toy_recipe()
    before = fitting.fingerprint(recipe, toy_examples(), None, 7)
    assert fitting.difference_text(before, before) == ""
    longer = recipe.changed({"schedule": {"epochs": 99}, "architecture": {"filters": [8]}})
    now = fitting.fingerprint(longer, toy_examples(60), None, 8)
    told = fitting.difference_text(before, now)
    assert f"schedule.epochs was {recipe.schedule.epochs} and is 99" in told
    assert "architecture.filters was" in told
    assert "other examples; seed was 7 and is 8" in told
    # Noise that is mixed in is learnt from too.
    noise = [np.ones(100, np.float32)]
    noisy = fitting.fingerprint(recipe, toy_examples(), None, 7, noise)
    assert fitting.difference_text(before, noisy) == "other examples"


KILLED = """
import os, signal, sys
import model_files
from pathlib import Path
from toy_task import toy_examples, toy_recipe
from ecgfast.training.fitting.fit import fit
lines = []
def kill(line):
    os.kill(os.getpid(), signal.SIGKILL)
fit(toy_recipe(), toy_examples(), checkpoint=Path(sys.argv[1]), report=kill)
"""


@pytest.mark.thorough
def test_a_killed_training_goes_on(fitting, tmp_path) -> None:
    file = tmp_path / "checkpoint.npz"
    package = Path(fitting.__file__).parents[3]
    paths = f"{Path(__file__).parents[1]}:{package}"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(file)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    whole = fitting.fit(toy_recipe(), toy_examples())
    resumed = fitting.fit(toy_recipe(), toy_examples(), checkpoint=file)
    assert resumed.resumed == 1
    assert [row["loss"] for row in resumed.history] == pytest.approx(
        [row["loss"] for row in whole.history], rel=1e-5
    )


def test_a_damaged_checkpoint_is_named(fitting, tmp_path) -> None:
    file = tmp_path / "checkpoint.npz"
    file.write_bytes(b"words")
    with pytest.raises(InputError, match=r"checkpoint\.npz: damaged .*delete it and run again"):
        fitting.fit(toy_recipe(), toy_examples(), checkpoint=file)


@pytest.mark.thorough
def test_a_rate_falls_when_learning_stalls_and_the_best_epoch_is_taken(fitting) -> None:
    schedule = {**STOPPING, "epochs": 12, "learning_rate": 0.4, "stop_patience": 4}
    examples, watched = toy_examples(), toy_examples(60, seed=1)
    for seed in range(8):  # until the last epoch is clearly worse than the best: backends differ
        fitted = fitting.fit(toy_recipe(schedule=schedule), examples, watched, seed=seed)
        rates = [row["learning rate"] for row in fitted.history]
        losses = [row["validation loss"] for row in fitted.history]
        if losses[-1] > 1.2 * min(losses):
            break
    worse = [i for i in range(1, len(losses)) if losses[i] >= min(losses[:i])]
    assert worse, "learning never stalled"
    for i in range(1, len(rates)):
        fell = i - 1 in worse
        assert rates[i] == pytest.approx(rates[i - 1] * (0.3 if fell else 1.0), rel=1e-5)
    if len(losses) < 12:
        assert len(losses) - 1 - int(np.argmin(losses)) == 4
    given = fitting.predict(fitted.model, watched)[:, 0].clip(1e-7, 1 - 1e-7)
    right = np.where(watched.target == 1, given, 1 - given)
    assert -np.log(right).mean() == pytest.approx(min(losses), rel=1e-3)
    assert losses[-1] > 1.2 * min(losses), "the last epoch is always as good as the best"


@pytest.mark.thorough
def test_the_running_average_of_the_weights_is_kept(fitting, tmp_path) -> None:
    examples, schedule = toy_examples(), {"optimizer": "adam", "epochs": 3, "learning_rate": 0.03}
    file, after = tmp_path / "checkpoint.npz", []

    def keep(_: str) -> None:
        with np.load(file) as stored:
            after.append(stored["variable.0"])

    fitting.fit(toy_recipe(schedule=schedule), examples, checkpoint=file, report=keep)
    averaged = {**schedule, "weight_average": 0.995}
    kept = fitting.fit(toy_recipe(schedule=averaged), examples)
    early, late, mean = after[0], after[-1], kept.model.trainable_variables[0].numpy()
    assert early.shape == late.shape == mean.shape
    # So slow an average stays nearer to where training began than to where it ended.
    assert np.abs(mean - early).mean() < 0.7 * np.abs(mean - late).mean()


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        *thorough_cases(("huber", {"delta": 1.0}), ("hyperloss", {"threshold": 1.5})),
        ("hyperloss", {"outlier": "target", "deviations": 2.0}),
    ],
)
def test_numbers_are_told_in_their_own_unit(fitting, loss, options) -> None:
    examples = toy_values()
    schedule = {"loss": loss, "loss_options": options, "epochs": 10}
    # A seed from which the small network learns with every backend.
    fitted = fitting.fit(toy_recipe("linear", 2, schedule=schedule), examples, seed=2)
    given = fitting.predict(fitted.model, examples)
    error = np.abs(given - examples.target).mean(axis=0)
    spread = np.abs(examples.target - examples.target.mean(axis=0)).mean(axis=0)
    assert (error < 0.8 * spread).all()
    assert set(fitted.history[0]) == {"epoch", "learning rate", "loss", "mae"}


@pytest.mark.thorough
def test_a_row_of_the_history_is_of_all_batches_of_its_epoch_and_keras_alone_loads_the_network(
    fitting, monkeypatch, tmp_path
) -> None:
    import keras

    batches = []
    train = keras.Model.train_on_batch

    def watched(model, inputs, target, **options):
        told = train(model, inputs, target, **options)
        batches.append((float(told["loss"]), float(told["accuracy"])))
        return told

    monkeypatch.setattr(keras.Model, "train_on_batch", watched)
    examples = toy_examples()
    fitted = fitting.fit(toy_recipe(), examples)
    means = np.reshape(batches, (3, -1, 2)).mean(axis=1)  # all batches are of one size
    told = np.array([(row["loss"], row["accuracy"]) for row in fitted.history])
    assert told == pytest.approx(means, rel=1e-5)

    fitted.model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(fitting.predict(again, examples), fitting.predict(fitted.model, examples))


@pytest.mark.parametrize(("head", "loss"), [*thorough_cases(("sigmoid", "focal")), ("softmax", "")])
def test_classes_are_learned(fitting, head, loss) -> None:
    examples = toy_examples()
    outputs = 2 if head == "softmax" else None
    recipe = toy_recipe(head, outputs, schedule={"loss": loss, "epochs": 10})
    fitted = fitting.fit(recipe, examples, toy_examples(60, seed=1))
    assert fitted.history[-1]["validation accuracy"] > 0.75
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


@pytest.mark.parametrize(
    ("recipe", "problem"),
    [
        (toy_recipe(schedule={"loss": "mse"}), "'mse' does not go with this head"),
        (toy_recipe("linear", 2), "'value' does not fit targets that are classes"),
        (toy_recipe("softmax", 3), "has 3 outputs; the examples have 2: N, V"),
        (toy_recipe(schedule={"loss": "focal", "loss_options": {"x": 1}}), "loss 'focal'"),
    ],
)
def test_losses_and_heads_that_do_not_go_together(fitting, recipe, problem) -> None:
    with pytest.raises((InputError, ModelError), match=problem):
        fitting.fit(recipe, toy_examples())


def test_accuracy_of_softened_targets(fitting) -> None:
    metric = fitting._accuracy(1)
    metric.update_state(
        np.array([[0.975], [0.025], [0.975], [0.025]]), np.array([[0.9], [0.2], [0.4], [0.1]])
    )
    assert float(metric.result()) == 0.75
