"""Networks of the C core: their answers beside TensorFlow Lite's kernels; what they refuse."""

from __future__ import annotations

import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from limited import run_limited
from model_files import affine_model
from twins import network as twin

from ecgfast import BeatStream
from ecgfast.errors import StateError
from ecgfast.records import open_record
from ecgfast.runtime import available_models
from ecgfast.runtime._network import Network

CARDS = available_models()
MODELS = sorted((name, precision) for name, card in CARDS.items() for precision in card.precisions)
# The fuzzer's first models: each operator alone, in each type.
SMALL = sorted((Path(__file__).parents[1] / "fuzz" / "corpus" / "network").iterdir())
EXCERPTS = Path(__file__).parents[1] / "excerpts" / "mitdb"
# Runs of TensorFlow Lite's reference kernels, which take some milliseconds with these models.
SLOW = {"beats-cnn-bilstm": 20, "beats-custom-cnn": 20, "normality-td-lstm": 6}

Beats = dict[str, npt.NDArray[np.float32]]


def content_of(name: str, precision: str) -> bytes:
    return CARDS[name].file(precision).read_bytes()


def beats_of(name: str, most: int) -> Beats:
    """Windows and features of real beats, then as many of noise of several sizes."""
    card = CARDS[name]
    shapes = {spec.name: spec.shape for spec in card.inputs}
    found: dict[str, list[npt.NDArray[np.float32]]] = {key: [] for key in shapes}
    if card.window is not None:
        for path in sorted(EXCERPTS.glob("*.hea")):
            record = open_record(path.with_suffix(""))
            signal = np.concatenate(list(record.blocks(60.0)))[:, 0]
            stream = BeatStream(record.fs, window=card.window, lookahead=card.lookahead)
            batch = stream.process(np.ascontiguousarray(signal, np.float32))
            for key, rows in (("window", batch.windows), ("features", batch.features)):
                if key in shapes:
                    found[key].append(rows.reshape(-1, *shapes[key]))
    rng = np.random.default_rng(7)
    beats = {}
    for key, shape in shapes.items():
        real = np.concatenate([*found[key], np.empty((0, *shape), np.float32)])[: most // 2]
        size = rng.choice([0.1, 1.0, 4.0], most - len(real))
        noise = rng.standard_normal((len(size), *shape)) * size.reshape(-1, *[1] * len(shape))
        beats[key] = np.concatenate([real, noise]).astype(np.float32)
    return beats


def plain_name(name: str) -> str:
    return name.removeprefix("serving_default_").partition(":")[0]


def answers(content: bytes, beats: Beats) -> npt.NDArray[np.float32]:
    """Of this interpreter; a single input is the window."""
    count = len(beats["window"])
    network = Network(content, count)
    for tensor in network.inputs:
        key = plain_name(tensor.name) if len(network.inputs) > 1 else "window"
        tensor.array[...] = beats[key]
    network.run()
    return network.outputs[0].array


def litert_answers(content: bytes, beats: Beats, kernels: str) -> npt.NDArray[np.float32]:
    """Of LiteRT with one of its sets of kernels."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=getattr(litert.OpResolverType, kernels),
    )
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    index = interpreter.get_output_details()[0]["index"]
    rows = []
    for k in range(len(beats["window"])):
        for detail in inputs:
            key = plain_name(detail["name"]) if len(inputs) > 1 else "window"
            interpreter.set_tensor(detail["index"], beats[key][k : k + 1])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(index)[0])
    return np.array(rows)


@pytest.mark.parametrize(("name", "precision"), MODELS)
def test_every_model_answers_as_the_reference_kernels(name: str, precision: str) -> None:
    content = content_of(name, precision)
    beats = beats_of(name, SLOW.get(name, 200))
    expected = litert_answers(content, beats, "BUILTIN_REF")
    if precision == "int8" and version("ai-edge-litert").startswith("1."):
        pytest.skip("LiteRT 1.2 rounds otherwise in int8; the twin is what counts there")
    found = answers(content, beats)
    if precision == "int8":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "precision"), MODELS)
def test_every_model_answers_as_its_twin(name: str, precision: str) -> None:
    content, beats = content_of(name, precision), beats_of(name, 4)
    found = answers(content, beats)
    names = [plain_name(tensor.name) for tensor in Network(content).inputs]
    keys = names if len(names) > 1 else ["window"]
    for k, row in enumerate(found):
        (expected,) = twin.run(content, [beats[key][k : k + 1] for key in keys])
        if precision == "int8":
            np.testing.assert_array_equal(row, expected[0])
        else:
            np.testing.assert_allclose(row, expected[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_each_operator_alone_answers_as_its_twin(path: Path) -> None:
    content, rng = path.read_bytes(), np.random.default_rng(3)
    network = Network(content)
    for _ in range(20):
        for tensor in network.inputs:
            values = rng.standard_normal(tensor.array.shape) * rng.choice([0.3, 3.0])
            if tensor.array.dtype == np.int8:
                values = np.clip(np.rint(values * 30), -128, 127)
            tensor.array[...] = values
        network.run()
        expected = twin.run(content, [tensor.array for tensor in network.inputs])
        for tensor, other in zip(network.outputs, expected, strict=True):
            assert (tensor.array.dtype, tensor.array.shape) == (other.dtype, other.shape)
            if other.dtype == np.int8:
                np.testing.assert_array_equal(tensor.array, other)
            else:
                np.testing.assert_allclose(tensor.array, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_beats_are_labelled_as_by_the_fast_kernels(precision: str) -> None:
    # XNNPACK rounds each int8 layer on its own: a layer's output may differ by one.
    content, beats = content_of("beats", precision), beats_of("beats", 300)
    expected = litert_answers(content, beats, "AUTO")
    found = answers(content, beats)
    np.testing.assert_allclose(found, expected, atol=0.1 if precision == "int8" else 1e-5)
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    assert same.mean() >= (0.98 if precision == "int8" else 1.0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_run_of_many_beats_is_that_of_each(precision: str) -> None:
    content, beats = content_of("beats", precision), beats_of("beats", 20)
    together = answers(content, beats).copy()
    for k in reversed(range(20)):
        one = answers(content, {key: rows[k : k + 1] for key, rows in beats.items()})
        np.testing.assert_array_equal(one[0], together[k])


def test_a_quantised_input_is_given_as_it_is() -> None:
    content, _ = affine_model(np.random.default_rng(0), (4, 2), None, 8, quantised=(0.5, 3))
    network = Network(content)
    (tensor,) = network.inputs
    assert (tensor.array.dtype, tensor.scale, tensor.zero_point) == (np.int8, 0.5, 3)
    tensor.array[...] = np.arange(-4, 4).reshape(1, 4, 2)
    network.run()
    np.testing.assert_array_equal(network.outputs[0].array[0], np.arange(-4, 4))


def test_an_operator_that_it_does_not_have_is_named() -> None:
    rng = np.random.default_rng(0)
    content, _ = affine_model(rng, (4, 2), (3,), 5)
    dense, other = (bytes([code, 0, 0, 0, 1, 0, 0, 0, code, 0, 0, 0]) for code in (9, 8))
    changed = content.replace(dense, other)
    assert changed != content
    with pytest.raises(NotImplementedError, match=r"not supported here \(operator 2, of kind 8\)"):
        Network(changed)


def test_what_is_no_model_is_refused() -> None:
    for content in (b"", b"TFL3", bytes(64), content_of("beats", "int8")[:20_000]):
        with pytest.raises(ValueError, match="no TensorFlow Lite model"):
            Network(content)
    with pytest.raises(ValueError, match="rows must be at least 1"):
        Network(content_of("beats", "int8"), 0)


DAMAGED = """
import random
from pathlib import Path
from ecgfast.runtime._network import Network
whole = Path(sys.argv[1]).read_bytes()
draw = random.Random(5)
ran = 0
for k in range(300):
    damaged = bytearray(whole)
    for _ in range(draw.randint(1, 3)):
        damaged[draw.randrange(len(damaged) if k % 2 else 12_000)] = draw.randrange(256)
    try:
        network = Network(bytes(damaged))
    except (ValueError, NotImplementedError):
        continue
    network.run()
    ran += 1
print(ran)
"""


def test_damaged_models_are_refused_or_run() -> None:
    done = run_limited(DAMAGED, CARDS["beats"].file("int8"), seconds=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 30, "some changes are only other weights"


def test_one_network_serves_one_call_at_a_time() -> None:
    network = Network(content_of("beats", "float32"), 2000)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            network.run()
        except StateError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("in use by another call" in str(error) for error in errors)
    network.run()
    with pytest.raises(StateError, match="there already"):
        network.__init__(content_of("beats", "float32"))  # type: ignore[misc]
    with pytest.raises(StateError, match="never initialised"):
        Network.__new__(Network).run()
