"""From a Keras model to files that every runtime answers alike."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lazily import Lazily
from model_files import each_backend

from ecgfast import networks
from ecgfast.cli import main
from ecgfast.errors import InputError, ModelError
from ecgfast.records import synthetic_ecg
from ecgfast.runtime import Classifier, InputSpec, ModelCard
from ecgfast.training.datasets.splits import PACED
from ecgfast.training.export import _convert
from ecgfast.training.export import tflite as exporting
from ecgfast.training.export.tflite import PRECISIONS, export
from ecgfast.window import WindowSpec

keras = Lazily("keras", "export needs Keras (extra train)")
Lazily("tensorflow", "export needs TensorFlow (extra train)")

COUNT = 600


def _card(**changes):
    options = {
        "name": "trial",
        "description": "A trial.",
        "task": "beats",
        "classes": tuple("NSV"),
        "inputs": (InputSpec("window", (72, 2), "mV"), InputSpec("features", (32,))),
        "window": WindowSpec(125.0, 44, 28),
        "metrics": {"V F1": 0.5},
    }
    return ModelCard(**{**options, **changes})


@pytest.fixture(scope="module")
def beats():
    """Beats whose class shows in the window and in the features, and is rare for two of three."""
    rng = np.random.default_rng(11)
    label = rng.choice(3, COUNT, p=(0.9, 0.07, 0.03))
    window = rng.standard_normal((COUNT, 72, 2)).astype("f4")
    window[:, 40:46, 0] += 2.0 * label[:, None]
    features = rng.standard_normal((COUNT, 32)).astype("f4")
    features[:, 0] += label
    # As the core's features are: the one that tells is small beside others.
    features *= np.geomspace(0.03, 10.0, 32, dtype="f4")
    return {"window": window, "features": features}, label


@pytest.fixture(scope="module")
def converted_here():
    """Convert in this process, which has loaded TensorFlow: a process of its own takes 8 s for it.

    `test_a_saved_linear_model_of_a_network_and_a_layer_from_outside` converts as users do.
    """
    run = subprocess.run

    def here(command, **options):
        if command[-2] != "convert":  # a runtime does not go well with TensorFlow
            return run(command, **options)
        _convert.main(command[-2:])
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting.subprocess, "run", here)
        patch.setattr(exporting, "_CALIBRATIONS", (150, 50))  # two to choose from
        yield


@pytest.fixture(scope="module")
def exported(beats, converted_here, tmp_path_factory):
    """A small model trained for seconds, and its files in every precision."""
    given, label = beats
    keras.utils.set_random_seed(2)
    model = networks.build("dual_branch", outputs=3, filters=(24, 32), lstm_steps=6)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(given, label, epochs=3, batch_size=32, verbose=0)
    folder = tmp_path_factory.mktemp("models")
    made = export(
        model,
        folder,
        "small",
        representative=given,
        labels=label,
        precisions=("int8", "float16", "dynamic"),
        card=_card(),
    )
    return model, folder, made


@pytest.mark.slow
def test_every_precision_is_written_with_its_checksum(exported):
    model, folder, made = exported
    assert list(made) == list(PRECISIONS)
    assert {path.name for path in folder.iterdir()} == {
        "small.tflite",
        "small.float16.tflite",
        "small.dynamic.tflite",
        "small.int8.tflite",
        "small.json",
    }
    for entry in made.values():
        content = (folder / entry["file"]).read_bytes()
        assert len(content) == entry["bytes"]
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert entry["dynamic_batch"]
        assert "WHILE" not in entry["operators"]
    assert 2 * made["int8"]["bytes"] <= made["float32"]["bytes"]
    assert made["int8"]["bytes"] < made["float16"]["bytes"] < made["float32"]["bytes"]
    card = ModelCard.load(folder / "small.json")
    assert card.name == "small"
    assert card.parameters == model.count_params()
    assert card.precisions == made
    assert card.metrics == {"V F1": 0.5}
    assert "keras" in card.versions


@pytest.mark.slow
def test_nothing_is_computed_that_nothing_reads(exported):
    """What nothing read was left in float32 in one int8 file of three: two runs, two files."""
    schema = pytest.importorskip("tensorflow.lite.python.schema_py_generated")
    _, folder, _ = exported
    content = bytearray((folder / "small.tflite").read_bytes())
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).subgraphs[0]
    read = {i for operator in graph.operators for i in operator.inputs} | set(graph.outputs)
    made = {i for operator in graph.operators for i in operator.outputs}
    assert made <= read


@pytest.mark.slow
def test_precisions_agree_with_keras(exported):
    made = exported[2]
    assert made["float32"]["max_abs_difference"] <= 1e-5
    assert made["float16"]["max_abs_difference"] <= 0.01
    assert made["int8"]["max_abs_difference"] <= 0.2
    assert made["float32"]["same_label"] == 1.0
    assert min(entry["same_label"] for entry in made.values()) > 0.95


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_was_reported_is_what_a_classifier_answers(exported, beats, precision, backend):
    """Beats other than those that were checked: half of each, half of its neighbour."""
    model, folder, made = exported
    given = {name: (values[1:] + values[:-1]) / 2 for name, values in beats[0].items()}
    if backend == "ecgfast" and precision in ("float16", "dynamic"):
        with pytest.raises(ModelError, match="not supported here"):
            Classifier(folder / "small.json", precision=precision, backend=backend)
        return
    classifier = Classifier(folder / "small.json", precision=precision, backend=backend)
    if backend != "ecgfast":  # an export asks the runtimes of TFLite
        assert made[precision]["runtimes"][backend] == "ok"
    assert classifier.classes == ("N", "S", "V")
    expected = model.predict(given, verbose=0)
    found = classifier.predict_proba(**{"windows": given["window"], "features": given["features"]})
    limit = 1e-5 if precision == "float32" else 2 * made[precision]["max_abs_difference"] + 1e-3
    assert np.abs(found - expected).max() <= limit
    one = classifier.predict_one(given["window"][7], given["features"][7])
    assert np.abs(one - found[7]).max() <= 1e-6


@pytest.mark.slow
def test_inputs_and_output_keep_their_plain_names(exported):
    interpreter = Classifier(exported[1] / "small.tflite")._one.interpreter
    assert {d["name"] for d in interpreter.get_input_details()} == {"window", "features"}
    assert [d["name"] for d in interpreter.get_output_details()] == ["probability"]


OWN = """
import keras

@keras.saving.register_keras_serializable("own")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x

def linear(window, outputs):
    given = keras.Input(window, name="window")
    x = keras.layers.Conv1D(4, 5, activation="relu")(Doubled()(given))
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(given, keras.layers.Dense(outputs, name="value")(x))
"""


@pytest.mark.thorough
def test_a_saved_linear_model_of_a_network_and_a_layer_from_outside(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    (tmp_path / "own_layers.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    architecture = {"name": "own_layers:linear", "window": (50, 1), "outputs": 2}
    model = networks.build(**architecture)
    model.get_layer("value").set_weights(
        [w * 50 + 100 for w in model.get_layer("value").get_weights()]
    )
    model.save(tmp_path / "pressure.keras")
    window = rng.standard_normal((30, 50, 1))
    made = export(
        tmp_path / "pressure.keras",
        tmp_path / "out",
        "pressure",
        representative={"window": window},
        precisions=("float32",),
        card=_card(
            task="blood-pressure",
            classes=("minimum", "maximum"),
            inputs=(InputSpec("window", (50, 1)),),
            output="value",
            window=None,
            architecture=architecture,
        ),
    )
    assert list(made) == ["float32"]
    found = Classifier(tmp_path / "out" / "pressure.tflite").predict_proba(window)
    expected = model.predict(window, verbose=0)
    assert np.abs(expected).max() > 10
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.thorough
def test_the_network_of_the_documentation_converts(beats, converted_here, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "new-network.md").read_text("utf-8")
    (tmp_path / "my_networks.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    given, _ = beats
    architecture = {"name": "my_networks:small", "window": (72, 2), "features": (32,), "width": 4}
    model = networks.build(**architecture, outputs=3)
    model.save(tmp_path / "mine.keras")
    export(
        tmp_path / "mine.keras",
        tmp_path,
        "mine",
        representative=given,
        precisions=("float32",),
        card=_card(architecture=architecture),
    )
    classifier = Classifier(tmp_path / "mine.tflite")
    found = classifier.predict_proba(given["window"], given["features"])
    np.testing.assert_allclose(found, model.predict(given, verbose=0), atol=1e-5)


@pytest.mark.thorough
def test_the_task_of_the_documentation_trains_and_labels_beats(tmp_path, monkeypatch, capsys):
    wfdb = pytest.importorskip("wfdb")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "new-network.md").read_text("utf-8")
    blocks = re.findall(r"```(?:python\n# (my_\w+\.py)|json)\n(.*?)```", page, re.DOTALL)
    for name, text in blocks:
        (tmp_path / (name or "paced.json")).write_text(text, "utf-8")
    names = re.findall(r'"mitdb/(\d+)"', dict(blocks)["my_tasks.py"])
    (tmp_path / "recordings" / "mitdb").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "recordings" / "mitdb")
    for seed, name in enumerate(names):  # of the paced ones every beat is
        made = synthetic_ecg(40.0, 360.0, seed=seed)
        at = made.annotations.sample
        wfdb.wrsamp(
            name, 360, ["mV"] * 2, list(made.leads), made.signal.astype(float), fmt=["16"] * 2
        )
        wfdb.wrann(name, "atr", at, ["/" if name in PACED else "N"] * len(at))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    command = ["train", "paced.json", "--data", "recordings", "--output", "mine"]
    assert main([*command, "--set", "schedule.epochs=1"]) == 0
    command = ["classify", f"recordings/mitdb/{names[0]}", "--model", "mine/paced.json"]
    assert main([*command, "--output", "x.csv"]) == 0
    assert {row.split(",")[2] for row in Path("x.csv").read_text().split()[1:]} <= {"own", "paced"}


def _tiny(kind):
    """Models that must not get through."""
    given = keras.Input((6, 2), name="window")
    if kind == "flex":
        x = keras.ops.real(keras.ops.fft2((given, keras.ops.zeros_like(given)))[0])
    elif kind == "nan":
        x = keras.ops.log(keras.ops.subtract(keras.ops.multiply(given, 0.0), 1.0))
    else:
        x = given
    x = keras.layers.Flatten()(x)
    return keras.Model(given, keras.layers.Dense(3, activation="softmax")(x))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("flex", "converting to float32 failed"), ("nan", "float32 file.*NaN")],
)
def test_a_model_that_cannot_run_is_refused_and_nothing_is_written(
    converted_here, tmp_path, kind, expected
):
    window = np.random.default_rng(0).standard_normal((20, 6, 2))
    with pytest.raises(ModelError, match=expected) as caught:
        export(
            _tiny(kind),
            tmp_path / "out",
            "bad",
            representative={"window": window},
            card=_card(inputs=(InputSpec("window", (6, 2)),)),
        )
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_crash_of_the_converter_is_one_line(tmp_path, monkeypatch):
    killed = subprocess.CompletedProcess([], -11, stdout="", stderr="Fatal\nerror")
    monkeypatch.setattr(exporting.subprocess, "run", lambda *_, **__: killed)
    (tmp_path / "m.keras").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match=r"converting to float32 failed: crashed \(signal 11\)"):
        export(
            tmp_path / "m.keras",
            tmp_path,
            "m",
            representative={"window": np.zeros((3, 6, 2))},
            card=_card(inputs=(InputSpec("window", (6, 2)),)),
        )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"precisions": ("int4",)}, "no precision 'int4'"),
        ({"representative": {"window": np.zeros((3, 6, 2))}}, "representative has .'window'."),
        ({"representative": {}}, "at least one"),
        ({"labels": [0, 1]}, r"labels has the shape \(2,\)"),
        (
            {"representative": {"window": np.zeros((3, 72, 2)), "features": np.zeros((2, 32))}},
            "same number of beats",
        ),
        (
            {"representative": {"window": np.full((1, 72, 2), np.nan), "features": [[0.0] * 32]}},
            "'window' holds NaN",
        ),
    ],
)
def test_wrong_arguments_are_named(tmp_path, changes, expected):
    given = {
        "representative": {"window": np.zeros((3, 72, 2)), "features": np.zeros((3, 32))},
        "card": _card(),
    }
    with pytest.raises(InputError, match=expected):
        export(tmp_path / "no.keras", tmp_path, "no", **{**given, **changes})


def test_a_missing_keras_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no\.keras: no such Keras model"):
        export(
            tmp_path / "no.keras",
            tmp_path,
            "no",
            representative={"window": np.zeros((3, 72, 2)), "features": np.zeros((3, 32))},
            card=_card(),
        )


def test_chosen_beats_are_even_over_classes():
    label = np.repeat([0, 1, 2], [1000, 40, 3])
    chosen = exporting._balanced(label, 100, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 100
    # Three of the rarest, all forty of the next, the rest of the first.
    assert np.bincount(label[chosen]).tolist() == [57, 40, 3]
    assert len(exporting._balanced(label[:5], 100, np.random.default_rng(1))) == 5


def test_importing_export_does_not_import_tensorflow():
    code = "import sys, ecgfast.training.export.tflite; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_card_is_plain_json(exported):
    card = json.loads((exported[1] / "small.json").read_text())
    assert card["window"] == {
        "grid_fs": 125.0,
        "before": 44,
        "after": 28,
        "form": "beat",
        "history": 1,
    }
    assert card["forms"]["int8"]["file"] == "small.int8.tflite"
