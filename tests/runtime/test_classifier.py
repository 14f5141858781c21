"""The interpreter wrapper: what a model answers, by one beat and by many, and which it refuses."""

from __future__ import annotations

import copy
import hashlib
import pickle
import platform
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from model_files import TOY_FEATURES as FEATURES
from model_files import TOY_WINDOW as WINDOW
from model_files import affine_model, each_backend

from ecgfast.errors import InputError, ModelError
from ecgfast.runtime import Classifier, InputSpec, ModelCard, available_models
from ecgfast.runtime.classifier import _Session
from ecgfast.window import WindowSpec


def _beats(rng, n):
    return (
        rng.standard_normal((n, *WINDOW)).astype("f4"),
        rng.standard_normal((n, *FEATURES)).astype("f4"),
    )


def test_importing_the_runtime_loads_numpy_only():
    code = (
        "import sys, ecgfast.runtime;"
        "print([m for m in ('tensorflow', 'ai_edge_litert', 'tflite_runtime', 'scipy', 'keras')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@each_backend
@pytest.mark.parametrize("n", [0, 1, 5, 24, 25, 64, 65, 150])
def test_predict_answers_what_the_model_is(toy_beats, rng, backend, n):
    folder, answer = toy_beats
    windows, features = _beats(rng, n)
    out = Classifier(folder / "toy.tflite", backend=backend).predict_proba(windows, features)
    assert out.shape == (n, 5)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, answer(windows, features), atol=1e-5)


@each_backend
def test_one_beat_equals_any_batch_and_leaves_no_trace(toy_beats, rng, backend):
    folder, _ = toy_beats
    classifier = Classifier(folder / "toy.tflite", backend=backend)
    windows, features = _beats(rng, 90)
    singly = np.array(
        [classifier.predict_one(w, f).copy() for w, f in zip(windows, features, strict=True)]
    )
    np.testing.assert_array_equal(classifier.predict_proba(windows, features), singly)
    backwards = classifier.predict_proba(windows[::-1], features[::-1])
    np.testing.assert_array_equal(backwards[::-1], singly)


@each_backend
def test_a_runtime_whose_batches_differ_is_used_beat_by_beat(toy_beats, rng, monkeypatch, backend):
    folder, _ = toy_beats
    windows, features = _beats(rng, 90)
    run = _Session.run

    def off_by_one_bit(session):
        run(session)
        if len(session.result) > 1:
            session.result[3] = np.nextafter(session.result[3], np.inf, dtype="f4")

    monkeypatch.setattr(_Session, "run", off_by_one_bit)
    classifier = Classifier(folder / "toy.tflite", backend=backend)
    assert classifier.resizable
    out = classifier.predict_proba(windows, features)
    assert not classifier.resizable
    singly = [classifier.predict_one(w, f).copy() for w, f in zip(windows, features, strict=True)]
    np.testing.assert_array_equal(out, singly)


@pytest.mark.thorough
@pytest.mark.parametrize("precision", ["float32", "int8"])
@each_backend
def test_batches_of_the_built_in_models_are_its_single_beats(rng, backend, precision):
    """Bit for bit on x86-64; elsewhere a layer may round a batch otherwise, see `predict`."""
    if (precision, backend, platform.machine()) == ("int8", "tflite-runtime", "aarch64"):
        pytest.skip("int8 is refused there")
    for name, card in available_models().items():
        if precision not in card.precisions:
            continue
        classifier = Classifier(name, precision=precision, backend=backend)
        given = [
            rng.standard_normal((70, *shape)).astype("f4")
            for shape in classifier.input_shapes.values()
        ]
        singly = [classifier.predict_one(*row).copy() for row in zip(*given, strict=True)]
        batch, elsewhere = (
            classifier.predict_proba(*given),
            platform.machine() not in ("x86_64", "AMD64"),
        )
        if (
            elsewhere and precision == "int8"
        ):  # to the next integer, which layers after it make larger
            most = 2 * card.precisions[precision]["max_abs_difference"]
            np.testing.assert_allclose(batch, singly, rtol=0, atol=most, err_msg=name)
        else:
            np.testing.assert_array_max_ulp(batch, np.array(singly), 4 if elsewhere else 0)


@each_backend
def test_inputs_are_found_by_name_in_either_order(tmp_path, rng, backend):
    content, answer = affine_model(rng, WINDOW, FEATURES, 3, features_first=True)
    (tmp_path / "m.tflite").write_bytes(content)
    windows, features = _beats(rng, 2)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    assert classifier.input_shapes == {"window": WINDOW, "features": FEATURES}
    np.testing.assert_allclose(
        classifier.predict_proba(windows, features), answer(windows, features), atol=1e-6
    )


@each_backend
def test_a_model_without_features(tmp_path, rng, backend):
    content, answer = affine_model(rng, WINDOW, None, 2)
    (tmp_path / "m.tflite").write_bytes(content)
    windows, features = _beats(rng, 70)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    np.testing.assert_allclose(classifier.predict_proba(windows), answer(windows, None), atol=1e-6)
    np.testing.assert_allclose(
        classifier.predict_one(windows[0]), answer(windows[:1], None)[0], atol=1e-6
    )
    with pytest.raises(InputError, match="takes no features"):
        classifier.predict_proba(windows, features)
    with pytest.raises(InputError, match="takes no features"):
        classifier.predict_one(windows[0], features[0])


@each_backend
def test_a_model_of_fixed_batch_goes_beat_by_beat(tmp_path, rng, backend):
    content, answer = affine_model(rng, WINDOW, FEATURES, 3, dynamic=False)
    (tmp_path / "m.tflite").write_bytes(content)
    windows, features = _beats(rng, 80)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    assert classifier.resizable == (backend == "ecgfast")  # which goes beat by beat in any case
    np.testing.assert_allclose(
        classifier.predict_proba(windows, features), answer(windows, features), atol=1e-6
    )


@each_backend
def test_quantised_inputs_and_output(tmp_path, rng, backend):
    """An int8 model that copies its input: what comes back is the input, rounded and clipped."""
    content, _ = affine_model(rng, (2, 3), None, 6, quantised=(0.05, -3))
    (tmp_path / "m.tflite").write_bytes(content)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    window = np.array([[0.0, 1.0, -1.0], [0.07, 100.0, -100.0]], "f4")
    expected = [0.0, 1.0, -1.0, 0.05, (127 + 3) * 0.05, (-128 + 3) * 0.05]
    np.testing.assert_allclose(classifier.predict_one(window), expected, atol=1e-6)
    np.testing.assert_allclose(
        classifier.predict_proba(np.stack([window] * 70)), [expected] * 70, atol=1e-6
    )


def test_predict_one_returns_its_own_array_and_allocates_nothing(toy_beats, rng):
    folder, _ = toy_beats
    classifier = Classifier(folder / "toy.tflite")
    windows, features = _beats(rng, 2)
    first = classifier.predict_one(windows[0], features[0])
    before = first.copy()
    second = classifier.predict_one(windows[1], features[1])
    assert second is first
    assert not np.array_equal(first, before)
    for _ in range(3):
        classifier.predict_one(windows[0], features[0])
    window, row = windows[0], features[0]
    kept, most = [], []
    for _ in range(3):  # the least: a thread of an earlier test may still allocate
        tracemalloc.start()
        try:
            start = tracemalloc.get_traced_memory()[0]
            for _ in range(200):
                classifier.predict_one(window, row)
            now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        kept.append(now - start)
        most.append(peak - start)
    assert min(kept) == 0
    # The handle of numpy's view of the output, for a moment (305 bytes on Python 3.10): no number
    # is ever copied elsewhere.
    assert min(most) < 384


def test_several_threads_give_the_results_of_one(toy_beats, rng):
    folder, answer = toy_beats
    windows, features = _beats(rng, 300)
    results = {}

    def work(i):
        own = Classifier(folder / "toy.tflite")
        results[i] = np.array(
            [own.predict_one(w, f).copy() for w, f in zip(windows, features, strict=True)]
        )

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results.values():
        np.testing.assert_array_equal(result, results[0])
    np.testing.assert_allclose(results[0], answer(windows, features), atol=1e-5)


def test_other_types_and_strides_are_taken(toy_beats, rng):
    folder, answer = toy_beats
    classifier = Classifier(folder / "toy.tflite")
    windows, features = _beats(rng, 4)
    turned = np.asfortranarray(windows.astype("f8"))
    np.testing.assert_allclose(
        classifier.predict_proba(turned, features.tolist()), answer(windows, features), atol=1e-6
    )
    np.testing.assert_allclose(
        classifier.predict_one(turned[2], features[2].astype("f8")),
        answer(windows, features)[2],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("window", "features"),
    [((2, 4), FEATURES), (WINDOW, (4,)), (WINDOW, None), ((1, *WINDOW), FEATURES)],
)
def test_wrong_shapes_are_refused(toy_beats, window, features):
    classifier = Classifier(toy_beats.folder / "toy.tflite")
    given = None if features is None else np.zeros(features)
    with pytest.raises(InputError):
        classifier.predict_one(np.zeros(window), given)
    with pytest.raises(InputError):
        classifier.predict_proba(
            np.zeros((9, *window)), None if given is None else np.stack([given] * 9)
        )


def test_windows_and_features_must_be_as_many(toy_beats):
    with pytest.raises(InputError, match=r"features has the shape \(4, 3\), not \(5, 3\)"):
        Classifier(toy_beats.folder / "toy.tflite").predict_proba(
            np.zeros((5, *WINDOW)), np.zeros((4, 3))
        )


@each_backend
def test_a_strip_with_the_features_of_the_last_beats(tmp_path, rng, backend):
    shapes = (6, 1), (4, 3)
    content, answer = affine_model(rng, *shapes, 2)
    (tmp_path / "m.tflite").write_bytes(content)
    ModelCard(
        name="m",
        description="An affine map.",
        task="blood-pressure",
        classes=("maximum", "minimum"),
        output="value",
        inputs=(InputSpec("window", shapes[0]), InputSpec("features", shapes[1])),
        window=WindowSpec(125.0, 4, 2, "strip", 4),
        precisions={"float32": {"file": "m.tflite", "sha256": hashlib.sha256(content).hexdigest()}},
    ).save(tmp_path / "m.json")
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    assert (classifier.output, classifier.classes) == ("value", ("maximum", "minimum"))
    assert (classifier.window.kind, classifier.window.history) == ("strip", 4)
    windows = rng.standard_normal((70, *shapes[0])).astype("f4")
    features = rng.standard_normal((70, *shapes[1])).astype("f4")
    np.testing.assert_allclose(
        classifier.predict_proba(windows, features),
        answer(windows, features.reshape(70, -1)),
        atol=1e-5,
    )


def test_a_model_that_answers_nan_is_refused(tmp_path, rng):
    content, _ = affine_model(rng, WINDOW, FEATURES, 3, bias=float("nan"))
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"m.tflite: the model returns NaN"):
        Classifier(tmp_path / "m.tflite")


def test_a_model_with_other_inputs_is_refused(tmp_path, rng):
    content, _ = affine_model(rng, WINDOW, FEATURES, 3, names=("picture", "features"))
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match="its inputs are features, picture"):
        Classifier(tmp_path / "m.tflite")


def test_threads_must_be_one_at_least(toy_beats):
    with pytest.raises(InputError):
        Classifier(toy_beats.folder / "toy.tflite", 0)


def test_a_copy_is_refused_with_what_to_do() -> None:
    for model in (Classifier(), Classifier("none")):
        for copied in (copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="cannot be pickled or copied: make one in each"):
                copied(model)
