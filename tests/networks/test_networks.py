"""Architectures, the fast LSTM layer and the hyperloss."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from lazily import Lazily
from model_files import SMALL_RUNTIMES  # noqa: F401  (before TensorFlow, see there)

from ecgfast import networks
from ecgfast.errors import ModelError

keras = Lazily("keras", "networks need Keras (extra train)")
Lazily("tensorflow", "networks are tested on TensorFlow (extra train)")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _beats(rng, n=6):
    return {
        "window": rng.standard_normal((n, 72, 2)).astype("f4"),
        "features": rng.standard_normal((n, 32)).astype("f4"),
    }


def outputs(model, inputs):
    """What the model answers, without the seconds that `predict` takes to trace it."""
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def test_importing_networks_does_not_import_keras():
    heavy = "[m for m in ('keras', 'tensorflow') if m in sys.modules]"
    code = f"import sys, ecgfast.networks; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_dual_branch_has_the_inputs_and_output_of_the_beats_model(rng):
    model = networks.build("dual_branch")
    assert {t.name: t.shape for t in model.inputs} == {
        "window": (None, 72, 2),
        "features": (None, 32),
    }
    assert model.output_names == ["probability"]
    assert model.count_params() <= 60_000
    beats = _beats(rng)
    probability = outputs(model, beats)
    assert probability.shape == (6, 5)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("branches", "pooling"),
    [
        ("both", "both"),
        ("lstm", "both"),  # the LSTM has no pooling
        *(("conv", pooling) for pooling in ("average", "max", "both", "flatten")),
    ],
)
def test_each_branch_of_dual_branch_reaches_the_output(rng, branches, pooling):
    model = networks.build("dual_branch", branches=branches, pooling=pooling, dropout=0.0)
    names = {layer.name for layer in model.layers}
    assert ("lstm" in names, "conv_2_add" in names) == (branches != "conv", branches != "lstm")
    beats = _beats(rng)
    changed = dict(beats, window=beats["window"][::-1].copy())
    assert not np.allclose(outputs(model, beats), outputs(model, changed))


def test_dual_branch_reads_the_features_of_earlier_beats(rng):
    model = networks.build("dual_branch", features=[8, 32], branches="conv", history_units=12)
    assert model.get_layer("features").output.shape == (None, 8, 32)
    assert model.get_layer("history_lstm").output.shape == (None, 12)
    beats = {**_beats(rng), "features": rng.standard_normal((6, 8, 32)).astype("f4")}
    told = outputs(model, beats)
    for step in (0, 7):
        changed = beats["features"].copy()
        changed[:, step] += 1.0
        other = outputs(model, {**beats, "features": changed})
        assert not np.allclose(told, other)


def test_dual_branch_without_features_and_with_two_numbers(rng):
    model = networks.build(
        "dual_branch", window=(250, 1), features=0, head="linear", dense=(32, 16), lstm_steps=25
    )
    assert [t.name for t in model.inputs] == ["window"]
    assert model.output_names == ["value"]
    assert model.get_layer("lstm").input.shape[1] <= 25
    assert outputs(model, rng.standard_normal((3, 250, 1))).shape == (3, 2)


def test_sigmoid_head_gives_one_probability(rng):
    model = networks.build("dual_branch", head="sigmoid")
    out = outputs(model, _beats(rng))
    assert out.shape == (6, 1)
    assert ((out > 0) & (out < 1)).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unknown", {}),
        ("dual_branch", {"head": "relu"}),
        ("dual_branch", {"head": "sigmoid", "outputs": 3}),
        ("dual_branch", {"branches": "three"}),
        ("dual_branch", {"pooling": "none"}),
        ("dual_branch", {"colour": "red"}),
        ("cnn_bilstm", {"lstm_layers": 0}),
        ("td_cnn_lstm", {"filters": (8, 8)}),
    ],
)
def test_wrong_options_are_named(name, options):
    with pytest.raises(ModelError) as caught:
        networks.build(name, **options)
    assert "\n" not in str(caught.value)


def test_td_cnn_lstm_matches_its_published_size():
    model = networks.build("td_cnn_lstm")
    assert model.input_shape == (None, 10, 18, 1)
    assert model.count_params() == 1_209_217
    fixed = sum(int(np.prod(w.shape)) for w in model.non_trainable_weights)
    assert fixed == 4_032
    conv = sum(model.get_layer(f"conv_{i}").count_params() for i in (1, 2, 3))
    assert conv == 353_024


def test_td_cnn_lstm_is_the_time_distributed_network(rng):
    """Conv2D of kernel (1, k) against TimeDistributed Conv1D with the same weights."""
    layers = keras.layers
    model = networks.build("td_cnn_lstm", filters=(4, 6), kernels=(3, 5), lstm_units=5, dense=(7,))
    given = keras.Input((10, 18, 1))
    x = given
    for width, kernel in ((4, 3), (6, 5)):
        conv = layers.Conv1D(width, kernel, padding="same", activation="relu")
        x = layers.TimeDistributed(conv)(x)
        x = layers.TimeDistributed(layers.MaxPooling1D(2))(x)
    x = layers.LSTM(5)(layers.TimeDistributed(layers.GlobalMaxPooling1D())(x))
    x = layers.BatchNormalization()(layers.Dense(7, activation="sigmoid")(x))
    twin = keras.Model(given, layers.Dense(1, activation="sigmoid")(x))
    weights = model.get_weights()
    twin.set_weights([w[0] if w.ndim == 4 else w for w in weights])
    window = rng.standard_normal((4, 10, 18, 1)).astype("f4")
    np.testing.assert_allclose(outputs(model, window), outputs(twin, window), atol=1e-6)


def test_settled_norms_hold_the_mean_over_all_batches(rng):
    from ecgfast.networks.conditioning import settle_norms

    given = keras.Input((3,))
    model = keras.Model(given, keras.layers.BatchNormalization(name="norm")(given))
    batches = [rng.normal(5.0, 2.0, (40, 3)).astype("f4") for _ in range(7)]
    settle_norms(model, batches)
    norm = model.get_layer("norm")
    mean, variance = norm.get_weights()[2:]
    np.testing.assert_allclose(mean, np.mean(batches, axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(variance, np.mean([b.var(axis=0) for b in batches], 0), rtol=1e-4)
    assert norm.momentum == 0.99


def test_cnn_bilstm_is_the_stack_of_keras_layers(rng):
    layers = keras.layers
    model = networks.build("cnn_bilstm", window=(40, 1), lstm_units=6)
    given = keras.Input((40, 1))
    x = given
    for width in (64, 32):
        x = layers.MaxPooling1D(2)(layers.Conv1D(width, 3, padding="same", activation="relu")(x))
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(6))(x)
    x = layers.Dense(100, activation="relu")(x)
    twin = keras.Model(given, layers.Dense(5, activation="softmax")(x))
    twin.set_weights(model.get_weights())
    window = rng.standard_normal((4, 40, 1)).astype("f4")
    np.testing.assert_allclose(outputs(model, window), outputs(twin, window), atol=1e-6)


def test_custom_cnn_with_and_without_lstm(rng):
    window = rng.standard_normal((3, 187, 1)).astype("f4")
    for units in (0, 8):
        model = networks.build("custom_cnn", filters=(8, 8, 8), lstm_units=units)
        assert outputs(model, window).shape == (3, 5)
        assert ("bilstm" in {layer.name for layer in model.layers}) == bool(units)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_fast_lstm_equals_keras_lstm_with_its_weights(rng, sequences, backwards):
    plain = keras.layers.LSTM(9, return_sequences=sequences, go_backwards=backwards)
    fast = networks.FastLSTM(9, return_sequences=sequences, go_backwards=backwards)
    x = rng.standard_normal((5, 12, 3)).astype("f4")
    expected = keras.ops.convert_to_numpy(plain(x))
    fast.build(x.shape)
    fast.set_weights([w + rng.standard_normal(w.shape) * 0.3 for w in plain.get_weights()])
    plain.set_weights(fast.get_weights())
    expected = keras.ops.convert_to_numpy(plain(x))
    if sequences and backwards:
        expected = expected[:, ::-1]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(fast(x)), expected, atol=2e-6)
    assert fast.compute_output_shape((None, 12, 3))[1:] == expected.shape[1:]


def test_fast_lstm_starts_like_keras_lstm():
    fast = networks.FastLSTM(4)
    fast.build((None, 3, 2))
    plain = keras.layers.LSTM(4)
    plain.build((None, 3, 2))
    assert [w.shape for w in fast.get_weights()] == [w.shape for w in plain.get_weights()]
    np.testing.assert_array_equal(fast.get_weights()[2], plain.get_weights()[2])


def test_fast_lstm_needs_a_known_length():
    with pytest.raises(ValueError, match="known number of steps"):
        networks.FastLSTM(4)(keras.Input((None, 2)))


def test_a_model_survives_saving(tmp_path, rng):
    model = networks.build("custom_cnn", window=(40, 1), filters=(4, 4), lstm_units=4)
    model.compile("adam", networks.HyperLoss.from_targets(rng.standard_normal((50, 5))))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    window = rng.standard_normal((3, 40, 1)).astype("f4")
    np.testing.assert_array_equal(outputs(model, window), outputs(again, window))
    assert again.loss.get_config() == model.loss.get_config()


@pytest.mark.thorough
@pytest.mark.parametrize("branches", ["conv", "lstm"])
def test_each_branch_learns_a_shape(rng, branches):
    """A bump up or down, at any place: nothing else tells the two classes apart."""
    label = rng.integers(0, 2, 400)
    window = 0.3 * rng.standard_normal((400, 72, 2)).astype("f4")
    window[np.arange(400), rng.integers(10, 60, 400), 0] += np.where(label, 3, -3)
    features = rng.standard_normal((400, 32)).astype("f4")
    keras.utils.set_random_seed(1)
    model = networks.build(
        "dual_branch", outputs=2, branches=branches, filters=(8, 8), lstm_units=8, dense=(8,)
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    given = {"window": window, "features": features}
    model.fit(given, label, epochs=10, batch_size=32, verbose=0)
    assert np.mean(outputs(model, given).argmax(axis=1) == label) > 0.95


# The hyperloss, against numbers worked out by hand.

TARGET = np.array([[0.0, 0.0], [1.0, 4.0]], "f4")
GUESS = np.array([[0.5, 3.0], [1.0, 2.0]], "f4")  # residuals 0.5, 3 | 0, 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 0.25 and 3 | 0 and 2
        ({"threshold": 1.0}, [1.625, 1.0]),
        # 0.25 and 3 | 0 and 4: a residual at the threshold is no outlier
        ({"threshold": 2.0}, [1.625, 2.0]),
        # 0.5 and 3 | 0 and 2: all beyond
        ({"threshold": 0.4}, [1.75, 1.0]),
        # only the target 4 is outside: 0.25 and 9 | 0 and 2
        ({"outlier": "target", "lower": -1.0, "upper": 2.0}, [4.625, 1.0]),
        # a range for each output: the zero of the second is outside too: 0.25 and 3 | 0 and 4
        ({"outlier": "target", "lower": [-1.0, 1.0], "upper": [2.0, 5.0]}, [1.625, 2.0]),
    ],
)
def test_hyperloss_by_hand(options, expected):
    loss = networks.HyperLoss(**options, reduction="none")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loss(TARGET, GUESS)), expected, rtol=1e-6)
    mean = networks.HyperLoss(**options)
    np.testing.assert_allclose(float(mean(TARGET, GUESS)), np.mean(expected), rtol=1e-6)
    again = networks.HyperLoss.from_config(loss.get_config())
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(again(TARGET, GUESS)), expected, rtol=1e-6
    )


def test_hyperloss_range_from_targets_by_hand():
    # Medians 3 and 30, median absolute deviations 1 and 10; 1.482602 of each is a robust deviation.
    targets = [[1, 10], [2, 20], [3, 30], [4, 40], [50, 500]]
    loss = networks.HyperLoss.from_targets(targets, deviations=2.0)
    np.testing.assert_allclose(loss.lower, [3 - 2 * 1.482602, 30 - 20 * 1.482602], rtol=1e-4)
    np.testing.assert_allclose(loss.upper, [3 + 2 * 1.482602, 30 + 20 * 1.482602], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"outlier": "both"}, "'residual' or 'target'"),
        ({"threshold": 0.0}, "above zero"),
        ({"outlier": "target"}, "needs lower and upper"),
        ({"outlier": "target", "lower": 1.0, "upper": 1.0}, "must be below"),
    ],
)
def test_hyperloss_refuses(options, expected):
    with pytest.raises(ValueError, match=expected):
        networks.HyperLoss(**options)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([1.0], "at least two finite"),
        ([1.0, float("nan")], "at least two finite"),
        ([2.0, 2.0, 2.0], "must be below"),
    ],
)
def test_hyperloss_needs_targets_with_a_spread(targets, expected):
    with pytest.raises(ValueError, match=expected):
        networks.HyperLoss.from_targets(targets)


# ---------------------------------------------------------------- networks from outside

OWN = """
import keras

def _end(given, units, activation, name="probability", **options):
    flat = keras.layers.Flatten()(given)
    last = keras.layers.Dense(units, activation=activation, name=name, **options)
    return keras.Model(given, last(flat))

def small(window, outputs=5, *, width=4):
    return _end(keras.Input(window, name="window"), outputs, "softmax")

def no_model(): return 3
def compiled():
    model = small((72, 2))
    model.compile("adam", "mse")
    return model
def signal(): return _end(keras.Input((72, 2), name="signal"), 5, "softmax")
def classes(): return _end(keras.Input((72, 2), name="window"), 5, "softmax", "classes")
def logits(): return _end(keras.Input((72, 2), name="window"), 5, None)
def curved(): return _end(keras.Input((72, 2), name="window"), 2, "tanh", "value")
def unbiased(): return _end(keras.Input((72, 2), name="window"), 5, "softmax", use_bias=False)
def ragged():
    given = keras.Input((72, 2), name="window")
    return keras.Model(given, keras.layers.Dense(5, "softmax", name="probability")(given))
def refused(): raise ValueError("two kernels, three widths")
word = "small"
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module in the working directory."""
    (tmp_path / "my_networks.py").write_text(OWN)
    (tmp_path / "my_broken.py").write_text("import no_such_library")
    (tmp_path / "my_failure.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "my_networks"
    for name in ("my_networks", "my_broken", "my_failure"):
        sys.modules.pop(name, None)


def test_a_network_from_outside_is_built_with_what_it_takes(own):
    from ecgfast.networks.checks import check_examples

    recipe = {"window": [72, 2], "features": [8, 37], "outputs": 5, "head": "softmax"}
    model = networks.build(f"{own}:small", **recipe, width=8)
    assert [tensor.name for tensor in model.inputs] == ["window"]
    assert model.output_shape == (None, 5)
    check_examples("x", model, {"window": (72, 2), "features": (37,)}, "NSVFQ", labelled=True)
    for inputs, outputs, labelled, problem in (
        ({"window": (187, 1)}, "NSVFQ", True, r"'window' takes \(72, 2\), .*\(187, 1\)"),
        ({"features": (37,)}, "NSVFQ", True, "an input 'window'; the examples have features"),
        ({"window": (72, 2)}, "NV", True, "has 5 outputs; the examples have 2: N, V"),
        ({"window": (72, 2)}, "NSVFQ", False, "does not fit targets that are numbers"),
    ):
        with pytest.raises(ModelError, match=problem):
            check_examples("x", model, inputs, outputs, labelled=labelled)


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("custom_cn", {}, "no network 'custom_cn': did you mean 'custom_cnn'"),
        ("my_networks:small", {"wide": 3}, "has no option 'wide'; did you mean 'width'"),
        ("my_networks:smalle", {}, r"my_networks\.py has no 'smalle'; did you mean 'small'"),
        ("my_networks:", {}, "give module:name"),
        ("../my_networks:small", {}, "give module:name"),
        ("my_none:small", {}, "no module 'my_none' is installed or in "),
        ("my_broken:small", {}, "importing my_broken failed: .*no_such_library"),
        ("my_failure:small", {}, "importing my_failure failed: ZeroDivisionError"),
        ("my_networks:word", {}, "is str, not a function"),
        ("my_networks:no_model", {}, "gives int, not a Keras model"),
        ("my_networks:compiled", {}, "gives a compiled model"),
        ("my_networks:signal", {}, r"inputs are \['signal'\]; name them 'window'"),
        ("my_networks:classes", {}, r"outputs are \['classes'\]; end it with"),
        ("my_networks:logits", {}, "has the activation linear; it is read as softmax"),
        ("my_networks:curved", {}, "has the activation tanh; it is read as linear"),
        ("my_networks:unbiased", {}, "has no bias"),
        ("my_networks:ragged", {}, r"of shape \(None, 72, 5\)"),
        ("my_networks:refused", {}, "two kernels, three widths"),
    ],
)
def test_networks_from_outside_that_do_not_fit(own, name, options, problem):
    with pytest.raises(ModelError, match=problem):
        networks.build(name, **options)


def test_a_network_by_an_entry_point(own, monkeypatch):
    from importlib.metadata import EntryPoint

    from ecgfast import outside

    point = EntryPoint("tiny", f"{own}:small", networks.ENTRY_POINTS)
    monkeypatch.setattr(outside, "entry_points", lambda group: [point] * (group == point.group))
    assert networks.build("tiny", window=(72, 2)).output_shape == (None, 5)
    with pytest.raises(ModelError, match="no network 'tinny': did you mean 'tiny'"):
        networks.build("tinny")
