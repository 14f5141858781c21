"""Model files that would crash a runtime: refused before it reads them, or tried elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from limited import run_limited
from model_files import (
    FLOAT32,
    FULLY_CONNECTED,
    FULLY_CONNECTED_OPTIONS,
    INT32,
    TOY_FEATURES,
    TOY_WINDOW,
    affine_model,
    model_file,
    needs_runtime,
    save_model,
)
from thorough import thorough_cases

from ecgfast.errors import ModelError
from ecgfast.runtime import Classifier, available_models, classifier, trial
from ecgfast.runtime.flatbuffer import check_model, has_int8_layers, refused_operators

HOSTILE = Path(__file__).parents[1] / "hostile"
# Of TensorFlow Lite's schema.
TILE, TILE_OPTIONS = 69, 51


def sound(content: bytes) -> bool:
    """Whether a file passes the check; nothing but ValueError may come out of it."""
    try:
        check_model(content)
    except ValueError:
        return False
    refused_operators(content)
    has_int8_layers(content)
    return True


@pytest.fixture
def toy(rng) -> bytes:
    return affine_model(rng, TOY_WINDOW, TOY_FEATURES, 5)[0]


@pytest.fixture
def tries(monkeypatch) -> list[str]:
    """The models that a process of its own was started for, and none of them known before."""
    found: list[str] = []

    def counted(content, origin, backend):
        found.append(Path(origin).name)
        return real(content, origin, backend)

    real = trial._try
    monkeypatch.setattr(trial, "_try", counted)
    monkeypatch.setattr(trial, "_outcomes", {})
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("step", [3, *thorough_cases(1)])  # of four bytes of a number, any
def test_every_byte_of_a_model_may_be_anything(toy, step):
    passed, places = 0, range(0, len(toy), step)
    for at in places:
        for value in (0, 1, 0x7F, 0x80, 0xFF, toy[at] ^ 4):
            passed += sound(toy[:at] + bytes([value]) + toy[at + 1 :])
    # Weights, names and padding may be anything; what is followed may not.
    assert 0.2 < passed / (6 * len(places)) < 0.9


def test_every_length_of_a_model_is_checked(toy):
    assert not any(sound(toy[:length]) for length in range(len(toy) - 16))


_OPEN_MUTANTS = """
import sys, resource
from pathlib import Path
from ecgfast import Classifier
from ecgfast.errors import ModelError
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        Classifier(path)
    except ModelError as error:
        assert "\\n" not in str(error), error
    print(path.name)
"""


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="limits are those of POSIX systems")
@pytest.mark.parametrize("source", ["toy", "int8"])
def test_mutants_that_pass_the_check_crash_a_child_at_most(toy, tmp_path, source):
    rng = np.random.default_rng(5)
    whole = toy if source == "toy" else available_models()["beats"].file("int8").read_bytes()
    count = 0
    while count < 6:
        mutant = bytearray(whole)
        mutant[rng.integers(8, len(whole))] = rng.integers(256)
        if bytes(mutant) != whole and sound(bytes(mutant)):
            (tmp_path / f"{count:02}.tflite").write_bytes(mutant)
            count += 1
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_MUTANTS, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == count


def test_parts_that_are_pointed_at_over_and_over_are_refused(tries):
    """32 kB that a runtime turns into 2.6 GB."""
    with pytest.raises(ModelError, match=r"amp\.tflite: a damaged model file .its parts point at"):
        Classifier(HOSTILE / "amp.tflite")
    assert tries == []


def _dense(**change):
    """A model of one dense layer as tables, with fields of its tensors changed."""
    tensors = [
        {0: [1, 4], 1: FLOAT32, 2: 0, 3: "window"},
        {0: [2, 4], 1: FLOAT32, 2: 1, 3: "weights"},
        {0: [1, 2], 1: FLOAT32, 2: 0, 3: "out"},
    ]
    for name, fields in change.get("tensors", {}).items():
        next(tensor for tensor in tensors if tensor[3] == name).update(fields)
    ends = change.get("ends", ([0, 1, -1], [2]))
    layer = {0: 0, 1: ends[0], 2: ends[1], 3: FULLY_CONNECTED_OPTIONS, 4: {}}
    code = {0: FULLY_CONNECTED, 2: 1, 3: FULLY_CONNECTED}
    graph = {0: tensors, 1: change.get("inputs", [0]), 2: [2], 3: [layer]}
    weights = np.ones(8, "<f4").tobytes()
    return model_file({0: 3, 1: [code], 2: [graph], 4: [{}, {0: weights}]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tensors": {"weights": {0: [2, 400]}}}, "a constant of 3200 bytes has 32"),
        ({"tensors": {"weights": {1: 4}}}, "a constant of 64 bytes has 32"),
        ({"tensors": {"window": {0: [1, 10**9]}}}, "a tensor takes 3814 MB: more than 64"),
        ({"tensors": {"window": {0: [2**31 - 1] * 8}}}, "a tensor takes"),
        ({"tensors": {"window": {0: [1, -4]}}}, "a negative shape"),
        ({"tensors": {"window": {0: [1] * 9}}}, "more than 8 axes"),
        ({"tensors": {"window": {1: 5}}}, "a type that is not supported"),
        ({"tensors": {"window": {2: 7}}}, "a tensor has no buffer"),
        ({"tensors": {"window": {7: [-1, 5]}}}, "two shapes that contradict"),
        ({"tensors": {"out": {4: {2: np.ones(3, "<f4"), 3: np.ones(3, "<i8")}}}}, "scales for"),
        ({"tensors": {"out": {4: {2: np.ones(1, "<f4")}}}}, "scales for"),
        ({"inputs": [-1]}, "does not exist"),
        ({"inputs": []}, "computed after it, or never"),
        ({"ends": ([0, 1, 3], [2])}, "does not exist"),
        ({"ends": ([0, 1], [1])}, "writes into a constant"),
        ({"ends": ([0, 1], [])}, "an output is never computed"),
        ({"ends": ([2, 1], [2])}, "computed after it, or never"),
    ],
)
def test_what_does_not_add_up_is_named(change, told):
    check_model(_dense())
    with pytest.raises(ValueError, match=told):
        check_model(_dense(**change))


@needs_runtime
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_tensor_that_grows_where_it_runs_is_refused(tmp_path, tries):
    """The file says one number; the runtime would make 400 MB of it, and 26 GB of a batch."""
    many = np.array([1, 10**8], "<i4")
    tensors = [
        {0: [1, 1], 1: FLOAT32, 2: 0, 3: "window"},
        {0: [2], 1: INT32, 2: 1, 3: "multiples"},
        {0: [1, 1], 1: FLOAT32, 2: 0, 3: "out"},
    ]
    tile = {0: 0, 1: [0, 1], 2: [2], 3: TILE_OPTIONS, 4: {}}
    code = {0: TILE, 2: 1, 3: TILE}
    graph = {0: tensors, 1: [0], 2: [2], 3: [tile]}
    content = model_file({0: 3, 1: [code], 2: [graph], 4: [{}, {0: many.tobytes()}]})
    check_model(content)
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.tflite: needs more than 512 MB"):
        Classifier(tmp_path / "m.tflite")
    assert tries == ["m.tflite"]
    code = """
from ecgfast.runtime import Classifier
Classifier("beats")
before = peak_mb()
try:
    Classifier(sys.argv[1])
except ValueError as error:
    print(peak_mb() - before)
"""
    done = run_limited(code, tmp_path / "m.tflite", memory=8 << 30)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 100


@needs_runtime
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that end a process")
def test_a_runtime_that_dies_takes_a_child_with_it_only(toy, tmp_path, monkeypatch, tries):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(trial, "module_command", lambda _: [sys.executable, "-c", code])
    (tmp_path / "m.tflite").write_bytes(toy)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"m\.tflite: .* dies of it \(SIGSEGV\)"):
            Classifier(tmp_path / "m.tflite", backend="ai-edge-litert")
    assert tries == ["m.tflite"]


@needs_runtime
def test_a_model_that_does_not_end_is_given_up(toy, tmp_path, monkeypatch, tries):
    code = "import time; time.sleep(60)"
    monkeypatch.setattr(trial, "module_command", lambda _: [sys.executable, "-c", code])
    monkeypatch.setattr(trial, "_WAIT_S", 0.5)
    (tmp_path / "m.tflite").write_bytes(toy)
    with pytest.raises(ModelError, match=r"m\.tflite: .* does not end within 0.5 s"):
        Classifier(tmp_path / "m.tflite")


@needs_runtime
def test_built_in_models_and_trusted_ones_are_opened_at_once(toy, tmp_path, tries, monkeypatch):
    checked = []
    monkeypatch.setattr(classifier, "check_model", checked.append)
    Classifier()
    assert (tries, checked) == ([], [])
    file = save_model(tmp_path, "own", toy, ("a", "b", "c", "d", "e"))
    (tmp_path / "own.json").unlink()
    Classifier(file, trusted=True)
    assert tries == []
    assert checked == [toy]
    Classifier(file)
    Classifier(file)
    assert tries == ["own.tflite"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_no_model(tmp_path):
    os.mkfifo(tmp_path / "m.tflite")
    with pytest.raises(ModelError, match=r"m\.tflite: cannot be read as a model file"):
        Classifier(tmp_path / "m.tflite")
    os.mkfifo(tmp_path / "m.json")
    with pytest.raises(ModelError, match=r"m\.json: cannot be read as a model card"):
        Classifier(tmp_path / "m.json")
