"""The choice of a TFLite runtime, and what it may say."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from model_files import TOY_FEATURES, TOY_WINDOW, affine_model, each_backend, needs_runtime

from ecgfast.errors import MissingRuntimeError, ModelError
from ecgfast.runtime import (
    BACKENDS,
    Classifier,
    available_backends,
    backends,
)


def test_what_can_crash_a_runtime_is_refused(monkeypatch):
    if "tflite-runtime" not in available_backends():
        pytest.skip("tflite-runtime does not work here")
    monkeypatch.setattr(backends, "machine", lambda: "aarch64")
    with pytest.raises(ModelError, match=r"beats\.int8\.tflite: tflite-runtime can crash"):
        Classifier("beats", precision="int8", backend="tflite-runtime")
    Classifier("beats", precision="float32", backend="tflite-runtime")
    monkeypatch.setattr(backends, "machine", lambda: "x86_64")
    Classifier("beats", precision="int8", backend="tflite-runtime")


@each_backend
def test_a_runtime_can_be_chosen_and_read(toy_beats, monkeypatch, backend):
    assert Classifier(toy_beats.folder / "toy.tflite", backend=backend).backend == backend
    assert Classifier(toy_beats.folder / "toy.tflite").backend == available_backends()[0]
    monkeypatch.setenv("ECGFAST_RUNTIME", backend)
    assert Classifier(toy_beats.folder / "toy.tflite").backend == backend


BUILDING = """
import os, sys, threading
from ecgfast.runtime import Classifier
from ecgfast.runtime.backends import quiet_runtime
done = threading.Event()
def talk():
    for i in range(2000):
        sys.stderr.write(f"ecgfast: line {i}\\n")  # in one piece, as logging does
    done.set()
talker = threading.Thread(target=talk)
with quiet_runtime():
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


def test_an_unknown_runtime_is_refused(toy_beats, monkeypatch):
    with pytest.raises(ModelError, match=r"no TFLite runtime 'onnx'.*ai-edge-litert"):
        Classifier(toy_beats.folder / "toy.tflite", backend="onnx")
    monkeypatch.setenv("ECGFAST_RUNTIME", "onnx")
    with pytest.raises(ModelError, match="no TFLite runtime 'onnx'"):
        Classifier(toy_beats.folder / "toy.tflite")


class _FailsWhenBuilt:
    """What tflite-runtime is under numpy 2: it imports, and then cannot be built."""

    def __init__(self, **_):
        raise SystemError("initialization of interpreter raised unreported exception\nmore")


@pytest.fixture
def fresh(monkeypatch):
    """As in a process that has not looked for a runtime, nor imported TensorFlow."""
    monkeypatch.setattr(backends, "_found", {})
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


def test_a_runtime_counts_only_once_it_has_built_an_interpreter(toy_beats, fresh, monkeypatch):
    module = type(sys)("broken")
    module.Interpreter = _FailsWhenBuilt
    monkeypatch.setattr(backends, "import_module", lambda name: module)
    assert available_backends() == ("ecgfast",)
    with pytest.raises(ModelError, match="tflite-runtime is installed and does not work") as caught:
        Classifier(toy_beats.folder / "toy.tflite", backend="tflite-runtime")
    assert "\n" not in str(caught.value)


@pytest.fixture
def alone(fresh, monkeypatch):
    """No runtime of others is installed."""

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backends, "import_module", missing)


def test_without_a_runtime_the_core_runs_the_model(toy_beats, alone, rng):
    assert available_backends() == ("ecgfast",)
    model = toy_beats.folder / "toy.tflite"
    classifier = Classifier(model)
    assert classifier.backend == "ecgfast"
    windows = rng.standard_normal((70, *TOY_WINDOW)).astype("f4")
    features = rng.standard_normal((70, *TOY_FEATURES)).astype("f4")
    found = classifier.predict_proba(windows, features)
    np.testing.assert_allclose(found, toy_beats.answer(windows, features), atol=1e-5)
    assert Classifier("beats", precision="fastest").precision == "float32"
    with pytest.raises(ModelError, match="ai-edge-litert is not installed"):
        Classifier(model, backend="ai-edge-litert")


def test_networks_that_were_not_built_are_told_so():
    code = (
        "import sys; sys.modules['ecgfast.runtime._network'] = None\n"
        "from ecgfast import Classifier; Classifier(backend='ecgfast')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NotBuiltError: the compiled core of ecgfast is not here" in done.stderr


def test_an_operator_that_the_core_lacks_names_what_to_install(tmp_path, alone, rng):
    content, _ = affine_model(rng, TOY_WINDOW, TOY_FEATURES, 5)
    dense, transpose = (bytes([code, 0, 0, 0, 1, 0, 0, 0, code, 0, 0, 0]) for code in (9, 39))
    model = tmp_path / "other.tflite"
    model.write_bytes(content.replace(dense, transpose))
    with pytest.raises(MissingRuntimeError) as caught:
        Classifier(model)
    assert str(caught.value).startswith(f"{model}: ecgfast cannot load it")
    for part in ("(operator 2, TRANSPOSE)", "pip install ai-edge-litert", "model='none'"):
        assert part in str(caught.value)
    assert isinstance(caught.value, ImportError)
    with pytest.raises(ModelError, match=r"ecgfast cannot load it .*TRANSPOSE"):
        Classifier(model, backend="ecgfast")


@needs_runtime
def test_the_next_runtime_is_tried(toy_beats, fresh, monkeypatch):
    working = backends._probe(BACKENDS[0])

    class TooOld:
        def __init__(self, **_):
            raise ValueError("Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'")

    monkeypatch.setattr(backends, "_found", {BACKENDS[0]: TooOld, BACKENDS[1]: working})
    # The process that tries what is not trusted would not know of these runtimes.
    model = toy_beats.folder / "toy.tflite"
    assert Classifier(model, trusted=True).backend == BACKENDS[1]
    with pytest.raises(ModelError, match="FULLY_CONNECTED"):
        Classifier(model, backend=BACKENDS[0], trusted=True)


def test_tflite_runtime_is_kept_out_of_a_process_with_tensorflow(toy_beats, fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", type(sys)("tensorflow"))
    with pytest.raises(ModelError, match="process that has imported TensorFlow"):
        Classifier(toy_beats.folder / "toy.tflite", backend="tflite-runtime")


def test_nothing_is_written_to_standard_error(toy_beats):
    code = f"from ecgfast import Classifier; Classifier({str(toy_beats.folder / 'toy.tflite')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_an_interrupt_while_a_runtime_is_imported_is_no_failed_import(monkeypatch):
    """Compiled libraries make an ImportError of it; the next runtime was then tried."""
    tried = []

    def interrupted(name):
        tried.append(name)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(backends, "_found", {})
    monkeypatch.setattr(backends, "import_module", interrupted)
    # What is started in the background ignores interrupts, the tests too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            available_backends()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(tried) == 1
