"""Calibration of class probabilities, and weights by patient."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.training.calibration import Calibration, fit_calibration

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
    from ecgfast.training.tasks.beats import patient_weights

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
