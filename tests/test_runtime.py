"""The interpreter wrapper, the choice of runtime, and model cards."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from model_files import affine_model, each_backend

from ecgfast.errors import InputError, MissingExtraError, ModelError
from ecgfast.runtime import (
    BACKENDS,
    Classifier,
    InputSpec,
    ModelCard,
    ModelWindow,
    available_backends,
    available_models,
    backends,
    cards,
)
from ecgfast.runtime.classifier import _Session
from ecgfast.runtime.flatbuffer import check_model

WINDOW, FEATURES = (4, 2), (3,)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def made(tmp_path, rng):
    """A model whose answer is known, its card, and that answer."""
    content, answer = affine_model(rng, WINDOW, FEATURES, 5)
    file = tmp_path / "toy.tflite"
    file.write_bytes(content)
    card = ModelCard(
        name="toy",
        description="An affine map.",
        task="beats",
        classes=("N", "S", "V", "F", "Q"),
        inputs=(InputSpec("window", WINDOW, "mV"), InputSpec("features", FEATURES)),
        window=ModelWindow(125.0, 3, 1),
        lookahead=1,
        forms={
            "float32": {
                "file": file.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    )
    card.save(tmp_path / "toy.json")
    return tmp_path, answer


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
def test_predict_answers_what_the_model_is(made, rng, backend, n):
    folder, answer = made
    windows, features = _beats(rng, n)
    out = Classifier(folder / "toy.tflite", backend=backend).predict(windows, features)
    assert out.shape == (n, 5)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, answer(windows, features), atol=1e-5)


@each_backend
def test_one_beat_equals_any_batch_and_leaves_no_trace(made, rng, backend):
    folder, _ = made
    classifier = Classifier(folder / "toy.tflite", backend=backend)
    windows, features = _beats(rng, 90)
    singly = np.array(
        [classifier.predict_one(w, f).copy() for w, f in zip(windows, features, strict=True)]
    )
    np.testing.assert_array_equal(classifier.predict(windows, features), singly)
    backwards = classifier.predict(windows[::-1], features[::-1])
    np.testing.assert_array_equal(backwards[::-1], singly)


@each_backend
def test_a_runtime_whose_batches_differ_is_used_beat_by_beat(made, rng, monkeypatch, backend):
    folder, _ = made
    windows, features = _beats(rng, 90)
    run = _Session.run

    def off_by_one_bit(session):
        run(session)
        if len(session.result) > 1:
            session.result[3] = np.nextafter(session.result[3], np.inf, dtype="f4")

    monkeypatch.setattr(_Session, "run", off_by_one_bit)
    classifier = Classifier(folder / "toy.tflite", backend=backend)
    assert classifier.resizable
    out = classifier.predict(windows, features)
    assert not classifier.resizable
    singly = [classifier.predict_one(w, f).copy() for w, f in zip(windows, features, strict=True)]
    np.testing.assert_array_equal(out, singly)


@pytest.mark.parametrize("form", ["float32", "int8"])
@each_backend
def test_batches_of_the_built_in_models_are_its_single_beats(rng, backend, form):
    """Bit for bit on x86-64; elsewhere a layer may round a batch otherwise, see `predict`."""
    if (form, backend, platform.machine()) == ("int8", "tflite-runtime", "aarch64"):
        pytest.skip("int8 is refused there")
    for name, card in available_models().items():
        if form not in card.forms:
            continue
        classifier = Classifier(name, form=form, backend=backend)
        given = [
            rng.standard_normal((70, *shape)).astype("f4")
            for shape in classifier.input_shapes.values()
        ]
        singly = [classifier.predict_one(*row).copy() for row in zip(*given, strict=True)]
        batch, elsewhere = classifier.predict(*given), platform.machine() not in ("x86_64", "AMD64")
        if elsewhere and form == "int8":  # to the next integer, which layers after it make larger
            most = 2 * card.forms[form]["max_abs_difference"]
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
        classifier.predict(windows, features), answer(windows, features), atol=1e-6
    )


@each_backend
def test_a_model_without_features(tmp_path, rng, backend):
    content, answer = affine_model(rng, WINDOW, None, 2)
    (tmp_path / "m.tflite").write_bytes(content)
    windows, features = _beats(rng, 70)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    np.testing.assert_allclose(classifier.predict(windows), answer(windows, None), atol=1e-6)
    np.testing.assert_allclose(
        classifier.predict_one(windows[0]), answer(windows[:1], None)[0], atol=1e-6
    )
    with pytest.raises(InputError, match="takes no features"):
        classifier.predict(windows, features)
    with pytest.raises(InputError, match="takes no features"):
        classifier.predict_one(windows[0], features[0])


@each_backend
def test_a_model_of_fixed_batch_goes_beat_by_beat(tmp_path, rng, backend):
    content, answer = affine_model(rng, WINDOW, FEATURES, 3, dynamic=False)
    (tmp_path / "m.tflite").write_bytes(content)
    windows, features = _beats(rng, 80)
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    assert not classifier.resizable
    np.testing.assert_allclose(
        classifier.predict(windows, features), answer(windows, features), atol=1e-6
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
        classifier.predict(np.stack([window] * 70)), [expected] * 70, atol=1e-6
    )


def test_predict_one_returns_its_own_array_and_allocates_nothing(made, rng):
    folder, _ = made
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
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            classifier.predict_one(window, row)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now == start
    # The handle of numpy's view of the output, for a moment: no number is ever copied elsewhere.
    assert peak - start < 256


def test_several_threads_give_the_results_of_one(made, rng):
    folder, answer = made
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


def test_other_types_and_strides_are_taken(made, rng):
    folder, answer = made
    classifier = Classifier(folder / "toy.tflite")
    windows, features = _beats(rng, 4)
    turned = np.asfortranarray(windows.astype("f8"))
    np.testing.assert_allclose(
        classifier.predict(turned, features.tolist()), answer(windows, features), atol=1e-6
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
def test_wrong_shapes_are_refused(made, window, features):
    classifier = Classifier(made[0] / "toy.tflite")
    given = None if features is None else np.zeros(features)
    with pytest.raises(InputError):
        classifier.predict_one(np.zeros(window), given)
    with pytest.raises(InputError):
        classifier.predict(np.zeros((9, *window)), None if given is None else np.stack([given] * 9))


def test_windows_and_features_must_be_as_many(made):
    with pytest.raises(InputError, match=r"features has the shape \(4, 3\), not \(5, 3\)"):
        Classifier(made[0] / "toy.tflite").predict(np.zeros((5, *WINDOW)), np.zeros((4, 3)))


# Cards and where models are found.


def test_the_card_tells_classes_window_and_lookahead(made):
    classifier = Classifier(made[0] / "toy.tflite")
    assert classifier.classes == ("N", "S", "V", "F", "Q")
    assert classifier.window == (125.0, 3, 1, "beat", 1)
    assert classifier.window.grid_fs == 125.0
    assert classifier.lookahead == 1
    assert classifier.form == "float32"
    assert classifier.card.name == "toy"
    assert Classifier(made[0] / "toy.json").path == made[0] / "toy.tflite"
    (made[0] / "toy.json").unlink()
    bare = Classifier(made[0] / "toy.tflite")
    assert (bare.card, bare.form, bare.window, bare.lookahead) == (None, None, None, 0)
    assert bare.classes == ("0", "1", "2", "3", "4")


def test_a_card_is_read_as_it_was_written(made):
    card = ModelCard.load(made[0] / "toy.json")
    card.save(made[0] / "again.json")
    assert ModelCard.load(made[0] / "again.json") == card
    assert isinstance(card.window, ModelWindow)
    assert card.inputs[0].shape == WINDOW
    assert [path.name for path in made[0].iterdir() if path.name.startswith(".")] == []


def test_built_in_models_by_name(made, monkeypatch):
    monkeypatch.setattr(cards, "models_folder", lambda: made[0])
    assert list(available_models()) == ["toy"]
    assert Classifier("toy").classes == ("N", "S", "V", "F", "Q")
    with pytest.raises(ModelError, match=r"no model 'other'.*toy"):
        Classifier("other")
    with pytest.raises(ModelError, match=r"toy has no form 'int8' .it has: float32"):
        Classifier("toy", form="int8")


def test_every_built_in_model_is_whole():
    for name, card in available_models().items():
        for form, entry in card.forms.items():
            content = card.file(form).read_bytes()
            assert len(content) == entry["bytes"]
            check_model(content)
            classifier = Classifier(name, form=form)
            zeros = [np.zeros(shape) for shape in classifier.input_shapes.values()]
            assert np.isfinite(classifier.predict_one(*zeros)).all()


def _damage(folder, how):
    """Spoil the model or its card; return what the message must name."""
    file, path = folder / "toy.tflite", folder / "toy.json"
    card = json.loads(path.read_text())
    if how == "missing":
        file.unlink()
        return "toy.tflite: no such model file"
    if how == "text":
        file.write_text("these are words, no model")
        return "toy.tflite: not a TFLite model"
    if how == "other bytes":
        file.write_bytes(file.read_bytes() + b"\0")
        return "toy.tflite: its checksum is not the card's"
    if how == "inputs":
        card["inputs"][0]["shape"] = [72, 2]
    if how == "classes":
        card["classes"] = ["N", "V"]
    if how == "lacks":
        del card["classes"]
    if how == "unknown":
        card["colour"] = "red"
    if how == "damaged":
        card["inputs"][0]["shape"] = "wide"
    text = json.dumps(card)
    path.write_text({"list": "[]", "no json": "{'"}.get(how, text))
    return {
        "inputs": "toy.tflite: its inputs are",
        "classes": "toy.tflite: has 5 outputs, but its card names 2",
        "lacks": "toy.json: the card lacks 'classes'",
        "unknown": "toy.json: not a model card of this version .has 'colour'",
        "damaged": "toy.json: a damaged card",
        "list": "toy.json: not a model card",
        "no json": "toy.json: not a model card",
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "text",
        "other bytes",
        "inputs",
        "classes",
        "lacks",
        "unknown",
        "damaged",
        "list",
        "no json",
    ],
)
def test_what_is_wrong_is_named_in_one_line(made, how):
    expected = _damage(made[0], how)
    with pytest.raises(ModelError, match=expected) as caught:
        Classifier(made[0] / "toy.json")
    assert "\n" not in str(caught.value)


def test_a_form_that_is_not_the_files_own(made):
    with pytest.raises(ModelError, match="is the form 'float32', not 'int8'"):
        Classifier(made[0] / "toy.tflite", form="int8")
    (made[0] / "toy.json").unlink()
    with pytest.raises(ModelError, match="no card that lists it"):
        Classifier(made[0] / "toy.tflite", form="int8")


def test_truncated_files_are_refused_and_crash_nothing(made):
    """Without a card, since with one the checksum tells."""
    folder, _ = made
    (folder / "toy.json").unlink()
    whole = (folder / "toy.tflite").read_bytes()
    for length in range(8, len(whole) - 8, 37):
        (folder / "toy.tflite").write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"toy.tflite: "):
            Classifier(folder / "toy.tflite")


def test_indices_out_of_range_are_found(made):
    whole = (made[0] / "toy.tflite").read_bytes()
    check_model(whole)
    refused = 0
    for at in range(8, len(whole) - 4, 4):
        broken = whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4 :]
        try:
            check_model(broken)
        except ValueError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("code", "told"),
    [(32, "FlexErf"), (142, "VAR_HANDLE"), (143, "READ_VARIABLE"), (129, "CALL_ONCE")],
)
def test_operators_that_are_not_built_in_or_keep_state_are_refused(tmp_path, rng, code, told):
    content, _ = affine_model(rng, WINDOW, FEATURES, 3, more_operators=[(code, "FlexErf")])
    check_model(content)
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=rf"m\.tflite: holds {told}: models must consist of"):
        Classifier(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    "window",
    [
        ModelWindow(125.0, 2, 1),
        ModelWindow(125.0, 3, 1, "strip"),
        ModelWindow(125.0, 3, 1, "beat", 8),
    ],
)
def test_a_card_whose_window_is_not_the_models_is_refused(made, window):
    card = ModelCard.load(made[0] / "toy.json")
    card.window = window
    card.save(made[0] / "toy.json")
    with pytest.raises(ModelError, match=r"toy\.tflite: .*which the window of its card"):
        Classifier(made[0] / "toy.json")


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
        window=ModelWindow(125.0, 4, 2, "strip", 4),
        forms={"float32": {"file": "m.tflite", "sha256": hashlib.sha256(content).hexdigest()}},
    ).save(tmp_path / "m.json")
    classifier = Classifier(tmp_path / "m.tflite", backend=backend)
    assert (classifier.output, classifier.classes) == ("value", ("maximum", "minimum"))
    assert (classifier.window.form, classifier.window.history) == ("strip", 4)
    windows = rng.standard_normal((70, *shapes[0])).astype("f4")
    features = rng.standard_normal((70, *shapes[1])).astype("f4")
    np.testing.assert_allclose(
        classifier.predict(windows, features),
        answer(windows, features.reshape(70, -1)),
        atol=1e-5,
    )


def test_the_fastest_form_is_the_cards(made, rng):
    folder, _ = made
    card = ModelCard.load(folder / "toy.json")
    (folder / "toy.int8.tflite").write_bytes((folder / "toy.tflite").read_bytes())
    card.forms["int8"] = {**card.forms["float32"], "file": "toy.int8.tflite"}
    card.fastest = {"forms": {available_backends()[0]: "int8", "tf.lite": "float32"}}
    card.save(folder / "toy.json")
    assert Classifier(folder / "toy.json", form="fastest").form == "int8"
    assert Classifier(folder / "toy.json").form == "float32"
    assert Classifier(folder / "toy.tflite", form="fastest").form == "float32"
    assert card.fastest_form("tf.lite") == "float32"
    assert card.fastest_form("another") == "float32"


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


def test_threads_must_be_one_at_least(made):
    with pytest.raises(InputError):
        Classifier(made[0] / "toy.tflite", 0)


# The choice of runtime.


def test_what_can_crash_a_runtime_is_refused(monkeypatch):
    if "tflite-runtime" not in available_backends():
        pytest.skip("tflite-runtime does not work here")
    monkeypatch.setattr(backends, "machine", lambda: "aarch64")
    with pytest.raises(ModelError, match=r"beats\.int8\.tflite: tflite-runtime can crash"):
        Classifier("beats", form="int8", backend="tflite-runtime")
    Classifier("beats", form="float32", backend="tflite-runtime")
    monkeypatch.setattr(backends, "machine", lambda: "x86_64")
    Classifier("beats", form="int8", backend="tflite-runtime")


@each_backend
def test_a_runtime_can_be_chosen_and_read(made, monkeypatch, backend):
    assert Classifier(made[0] / "toy.tflite", backend=backend).backend == backend
    assert Classifier(made[0] / "toy.tflite").backend == available_backends()[0]
    monkeypatch.setenv("ECGFAST_RUNTIME", backend)
    assert Classifier(made[0] / "toy.tflite").backend == backend


BUILDING = """
import os, sys, threading
from ecgfast.runtime import Classifier
from ecgfast.runtime.backends import _quiet
done = threading.Event()
def talk():
    for i in range(2000):
        sys.stderr.write(f"ecgfast: line {i}\\n")  # in one piece, as logging does
    done.set()
talker = threading.Thread(target=talk)
with _quiet():
    talker.start()
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n")
    os.write(2, b"Error in cpuinfo: failed to parse the list of possible processors\\n")
    done.wait()
while talker.is_alive():
    pass
Classifier("beats", backend=sys.argv[1])
"""


@each_backend
def test_what_other_threads_say_while_a_runtime_builds_is_not_lost(backend) -> None:
    code = [sys.executable, "-c", BUILDING, backend]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [f"ecgfast: line {i}" for i in range(2000)]


def test_an_unknown_runtime_is_refused(made, monkeypatch):
    with pytest.raises(ModelError, match=r"no TFLite runtime 'onnx'.*ai-edge-litert"):
        Classifier(made[0] / "toy.tflite", backend="onnx")
    monkeypatch.setenv("ECGFAST_RUNTIME", "onnx")
    with pytest.raises(ModelError, match="no TFLite runtime 'onnx'"):
        Classifier(made[0] / "toy.tflite")


class _FailsWhenBuilt:
    """What tflite-runtime is under numpy 2: it imports, and then cannot be built."""

    def __init__(self, **_):
        raise SystemError("initialization of interpreter raised unreported exception\nmore")


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has not looked for a runtime, nor imported TensorFlow."""
    monkeypatch.setattr(backends, "_found", {})
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


def test_a_runtime_counts_only_once_it_has_built_an_interpreter(made, fresh, monkeypatch):
    module = type(sys)("broken")
    module.Interpreter = _FailsWhenBuilt
    monkeypatch.setattr(backends, "import_module", lambda name: module)
    assert available_backends() == ()
    with pytest.raises(ModelError, match="tflite-runtime is installed and does not work") as caught:
        Classifier(made[0] / "toy.tflite", backend="tflite-runtime")
    assert "\n" not in str(caught.value)


def test_no_runtime_at_all_names_the_extra(made, fresh, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backends, "import_module", missing)
    assert available_backends() == ()
    with pytest.raises(MissingExtraError, match=r"ecgfast\[tflite\]"):
        Classifier(made[0] / "toy.tflite")
    with pytest.raises(ModelError, match="ai-edge-litert is not installed"):
        Classifier(made[0] / "toy.tflite", backend="ai-edge-litert")


def test_the_next_runtime_is_tried(made, fresh, monkeypatch):
    working = backends._probe(BACKENDS[0])

    class TooOld:
        def __init__(self, **_):
            raise ValueError("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'")

    monkeypatch.setattr(backends, "_found", {BACKENDS[0]: TooOld, BACKENDS[1]: working})
    assert Classifier(made[0] / "toy.tflite").backend == BACKENDS[1]
    with pytest.raises(ModelError, match="FULLY_CONNECTED"):
        Classifier(made[0] / "toy.tflite", backend=BACKENDS[0])


def test_tflite_runtime_is_kept_out_of_a_process_with_tensorflow(made, fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", type(sys)("tensorflow"))
    with pytest.raises(ModelError, match="process that has imported TensorFlow"):
        Classifier(made[0] / "toy.tflite", backend="tflite-runtime")


def test_nothing_is_written_to_standard_error(made):
    code = f"from ecgfast import Classifier; Classifier({str(made[0] / 'toy.tflite')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
