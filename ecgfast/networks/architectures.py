"""The four architectures, each a function that returns an uncompiled Keras model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from .layers import FastLSTM

__all__ = ["cnn_bilstm", "custom_cnn", "dual_branch", "td_cnn_lstm"]

# Averages that follow within a hundred steps: with Keras's 0.99 short trainings end with old ones.
_MOMENTUM = 0.9


def _head(x: Any, head: str, outputs: int | None) -> Any:
    """Last layer: classes that sum to one, one probability, or plain numbers."""
    if head == "softmax":
        return layers.Dense(outputs or 5, activation="softmax", name="probability")(x)
    if head == "sigmoid":
        if outputs not in (None, 1):
            raise ValueError(f"a sigmoid head has one output, not {outputs}")
        return layers.Dense(1, activation="sigmoid", name="probability")(x)
    if head == "linear":
        return layers.Dense(outputs or 2, name="value")(x)
    raise ValueError(f"head is 'softmax', 'sigmoid' or 'linear', not {head!r}")


def _dense(x: Any, sizes: Sequence[int], dropout: float) -> Any:
    for i, size in enumerate(sizes):
        x = layers.Dense(size, activation="relu", name=f"dense_{i + 1}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dense_{i + 1}_dropout")(x)
    return x


def _conv(x: Any, filters: int, kernel: int, name: str, *, strides: int = 1) -> Any:
    """Convolution and batch normalisation, which the converter folds into one operator."""
    x = layers.Conv1D(filters, kernel, strides=strides, padding="same", use_bias=False, name=name)(
        x
    )
    return layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(x)


def _residual(x: Any, filters: int, kernel: int, name: str) -> Any:
    """Residual block (He et al. 2016): two convolutions, and the input added before the ReLU."""
    y = layers.ReLU(name=f"{name}_a_relu")(_conv(x, filters, kernel, f"{name}_a"))
    y = _conv(y, filters, kernel, f"{name}_b")
    if x.shape[-1] != filters:
        x = _conv(x, filters, 1, f"{name}_skip")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _bidirectional(x: Any, units: int, name: str, *, return_sequences: bool = False) -> Any:
    forward = FastLSTM(units, return_sequences=return_sequences, name=f"{name}_forward")(x)
    backward = FastLSTM(
        units, return_sequences=return_sequences, go_backwards=True, name=f"{name}_backward"
    )(x)
    return layers.Concatenate(name=name)([forward, backward])


def _with_features(
    x: Any, features: int | tuple[int, int], history_units: int = 0
) -> tuple[Any, list[Any]]:
    """Append a second input of feature numbers, scaled by their running mean and deviation.

    Of several beats' features the last beat's are appended, and the state of an LSTM over all.
    """
    if not features:
        return x, []
    given = keras.Input((features,) if isinstance(features, int) else features, name="features")
    scaled = _scaled(given)
    if isinstance(features, int):
        return layers.Concatenate(name="together")([x, scaled]), [given]
    history = FastLSTM(history_units, name="history_lstm")(scaled)
    return layers.Concatenate(name="together")([x, history, scaled[:, -1]]), [given]


def _scaled(features: Any) -> Any:
    return layers.BatchNormalization(
        momentum=_MOMENTUM, center=False, scale=False, name="features_norm"
    )(features)


def dual_branch(
    *,
    window: tuple[int, int] = (72, 2),
    features: int | tuple[int, int] = 32,
    outputs: int | None = None,
    head: str = "softmax",
    branches: str = "both",
    filters: Sequence[int] = (24, 32, 48),
    kernel: int = 5,
    stride: int = 1,
    pooling: str = "both",
    lstm_input: str = "window",
    lstm_filters: int = 24,
    lstm_steps: int = 18,
    lstm_units: int = 32,
    history_units: int = 32,
    dense: Sequence[int] = (64,),
    dropout: float = 0.3,
    branch_dropout: float = 0.0,
) -> Any:
    """Residual Conv1D branch and LSTM branch over one window, joined with feature numbers.

    Parameters
    ----------
    window : (int, int), default (72, 2)
        Samples and channels of input "window".
    features : int or (int, int), default 32
        Length of input "features", which is scaled inside the model; 0 leaves the input out.
        (steps, length) takes those of the last beats, oldest first: an LSTM reads them all, and
        the dense layers also see the last beat's own.
    outputs : int, optional
        Number of outputs: 5 classes, 1 probability or 2 numbers where not given.
    head : {"softmax", "sigmoid", "linear"}, default "softmax"
        Class probabilities, one probability, or plain numbers (minimum and maximum pressure).
    branches : {"both", "conv", "lstm"}, default "both"
        Which branches there are: each alone shows what the other adds.
    filters : sequence of int, default (24, 32, 48)
        Widths of the Conv1D branch: of its first convolution, then of each residual block; the
        length is halved after each but the last.
    kernel : int, default 5
        Kernel of its convolutions, in samples.
    stride : int, default 1
        Step of its first convolution, whose kernel grows with it: long windows are shortened.
    pooling : {"average", "max", "both", "flatten"}, default "both"
        How the branch ends: its mean and its maximum over time, one of them, or all its steps.
    lstm_input : {"window", "features"}, default "window"
        What the LSTM branch reads: the window, or the features of the last beats. These are then a
        branch, which ends with the LSTM's state and the mean of the features.
    lstm_filters, lstm_steps, lstm_units : int, default 24, 18, 32
        The LSTM branch: a strided convolution shortens the window to at most `lstm_steps` steps
        of `lstm_filters` channels; its last LSTM state has `lstm_units` numbers.
    history_units : int, default 32
        Numbers of the state of the LSTM over the last beats' features, where they are given.
    dense : sequence of int, default (64,)
        Sizes of the dense layers after the concatenation.
    dropout : float, default 0.3
        Share of dropped numbers after each dense layer.
    branch_dropout : float, default 0
        Share of dropped numbers at the end of the branches: what they learn of single patients
        counts less against the feature numbers.

    Returns
    -------
    keras.Model
        Inputs "window" (batch, samples, channels) and, unless left out, "features" (batch,
        features) or (batch, steps, features), float32; output "probability" or, from a linear
        head, "value".
    """
    samples, channels = window
    if branches not in ("both", "conv", "lstm"):
        raise ValueError(f"branches is 'both', 'conv' or 'lstm', not {branches!r}")
    if lstm_input not in ("window", "features"):
        raise ValueError(f"lstm_input is 'window' or 'features', not {lstm_input!r}")
    given = keras.Input((samples, channels), name="window")
    ends = []
    if branches != "lstm":
        x = _conv(given, filters[0], kernel * stride, "conv_1", strides=stride)
        x = layers.ReLU(name="conv_1_relu")(x)
        for i, width in enumerate(filters[1:], 2):
            x = layers.MaxPooling1D(2, name=f"conv_{i - 1}_pool")(x)
            x = _residual(x, width, kernel, f"conv_{i}")
        if pooling not in ("average", "max", "both", "flatten"):
            raise ValueError(f"pooling is 'average', 'max', 'both' or 'flatten', not {pooling!r}")
        if pooling in ("average", "both"):
            ends.append(layers.GlobalAveragePooling1D(name="conv_average")(x))
        if pooling in ("max", "both"):
            ends.append(layers.GlobalMaxPooling1D(name="conv_max")(x))
        if pooling == "flatten":
            ends.append(ops.reshape(x, (-1, x.shape[1] * x.shape[2])))
    more = []
    if not isinstance(features, int):
        features = (int(features[0]), int(features[1]))  # a recipe's JSON has a list
    if lstm_input == "features":
        if isinstance(features, int):
            raise ValueError("lstm_input='features' needs features=(steps, length)")
        if branches != "conv":
            more = [keras.Input(features, name="features")]
            y = _scaled(more[0])
            ends.append(FastLSTM(lstm_units, name="lstm")(y))
            ends.append(layers.GlobalAveragePooling1D(name="features_mean")(y))
        features = 0
    elif branches != "conv":
        step = math.ceil(samples / lstm_steps)
        y = _conv(given, lstm_filters, 2 * step - 1, "lstm_conv", strides=step)
        ends.append(FastLSTM(lstm_units, name="lstm")(layers.ReLU(name="lstm_conv_relu")(y)))
    x = layers.Concatenate(name="branches")(ends) if len(ends) > 1 else ends[0]
    if branch_dropout:
        x = layers.Dropout(branch_dropout, name="branches_dropout")(x)
    if features:
        x, more = _with_features(x, features, history_units)
    out = _head(_dense(x, dense, dropout), head, outputs)
    return keras.Model([given, *more], out, name="dual_branch")


def custom_cnn(
    *,
    window: tuple[int, int] = (187, 1),
    features: int = 0,
    outputs: int | None = None,
    head: str = "softmax",
    filters: Sequence[int] = (32, 64, 64),
    kernel: int = 5,
    lstm_units: int = 0,
    dense: Sequence[int] = (64,),
    dropout: float = 0.2,
) -> Any:
    """Conv1D blocks, an optional bidirectional LSTM, dense layers and a head.

    Parameters
    ----------
    window, features, outputs, head
        As in `dual_branch`; by default one beat of 187 samples and no features.
    filters : sequence of int, default (32, 64, 64)
        Widths of the blocks; each is convolution, batch normalisation, ReLU, maximum over pairs
        of samples and dropout.
    kernel : int, default 5
        Kernel of the convolutions, in samples.
    lstm_units : int, default 0
        Units of each direction of the LSTM after the blocks; 0 takes the maximum over time.
    dense, dropout
        Sizes of the dense layers, and the share dropped after each block and each of them.

    Returns
    -------
    keras.Model
        Inputs and output as in `dual_branch`.
    """
    given = keras.Input(window, name="window")
    x = given
    for i, width in enumerate(filters, 1):
        x = layers.ReLU(name=f"conv_{i}_relu")(_conv(x, width, kernel, f"conv_{i}"))
        x = layers.MaxPooling1D(2, name=f"conv_{i}_pool")(x)
        x = layers.Dropout(dropout, name=f"conv_{i}_dropout")(x)
    if lstm_units:
        x = _bidirectional(x, lstm_units, "bilstm")
    else:
        x = layers.GlobalMaxPooling1D(name="conv_max")(x)
    x, more = _with_features(x, features)
    out = _head(_dense(x, dense, dropout), head, outputs)
    return keras.Model([given, *more], out, name="custom_cnn")


def cnn_bilstm(
    *,
    window: tuple[int, int] = (187, 1),
    outputs: int | None = None,
    head: str = "softmax",
    filters: Sequence[int] = (64, 32),
    kernel: int = 3,
    lstm_units: int = 64,
    lstm_layers: int = 2,
    dense: int = 100,
    dropout: float = 0.2,
) -> Any:
    """Two convolutions, a stack of bidirectional LSTM, one dense layer and a head.

    Parameters
    ----------
    window, outputs, head
        As in `dual_branch`; by default one beat of 187 samples.
    filters, kernel : default (64, 32), 3
        Widths and kernel of the convolutions (ReLU), each followed by the maximum over pairs of
        samples and dropout.
    lstm_units, lstm_layers : int, default 64, 2
        Units of each direction, and how many layers there are; the last returns one vector.
    dense : int, default 100
        Size of the dense layer (ReLU).
    dropout : float, default 0.2
        Share dropped after each convolution, after the LSTM and after the dense layer.

    Returns
    -------
    keras.Model
        Input "window" and output as in `dual_branch`.
    """
    if lstm_layers < 1:
        raise ValueError(f"cnn_bilstm needs at least one LSTM layer, not {lstm_layers}")
    given = keras.Input(window, name="window")
    x = given
    for i, width in enumerate(filters, 1):
        x = layers.Conv1D(width, kernel, padding="same", activation="relu", name=f"conv_{i}")(x)
        x = layers.MaxPooling1D(2, name=f"conv_{i}_pool")(x)
        x = layers.Dropout(dropout, name=f"conv_{i}_dropout")(x)
    for i in range(1, lstm_layers + 1):
        x = _bidirectional(x, lstm_units, f"bilstm_{i}", return_sequences=i < lstm_layers)
    x = layers.Dropout(dropout, name="bilstm_dropout")(x)
    out = _head(_dense(x, (dense,), dropout), head, outputs)
    return keras.Model(given, out, name="cnn_bilstm")


def td_cnn_lstm(
    *,
    window: tuple[int, int] | tuple[int, int, int] = (10, 18, 1),
    steps: int = 10,
    outputs: int | None = None,
    head: str = "sigmoid",
    filters: Sequence[int] = (64, 128, 256),
    kernels: Sequence[int] = (5, 7, 9),
    lstm_units: int = 64,
    dense: Sequence[int] = (1024, 512, 256, 128, 64, 32),
    dropout: float = 0.5,
) -> Any:
    """One small convolutional network on every step of a beat, an LSTM over the steps.

    A time-distributed Conv1D of kernel k is written as a Conv2D of kernel (1, k): the same
    weights and the same numbers, and one operator in place of a loop or two reshapes.

    Parameters
    ----------
    window : (int, int, int) or (int, int), default (10, 18, 1)
        Steps, samples of each step and channels of input "window"; or samples and channels of a
        whole beat, such as (187, 1), which the network cuts into steps itself.
    steps : int, default 10
        Steps that a whole beat is cut into, from R on; samples that fill no step are left out.
    outputs, head
        As in `dual_branch`; by default one probability.
    filters, kernels : sequence of int, default (64, 128, 256), (5, 7, 9)
        The convolutions ("same", ReLU), each followed by the maximum over pairs of samples, the
        last also by the maximum over the step.
    lstm_units : int, default 64
        Units of the LSTM over the steps.
    dense : sequence of int
        Sizes of the dense layers (sigmoid), each followed by batch normalisation.
    dropout : float, default 0.5
        Share dropped before the head.

    Returns
    -------
    keras.Model
        Input "window" (batch, steps, samples, channels) or (batch, samples, channels) and output
        as in `dual_branch`; 1,209,217 parameters by default, 4,032 of them not trainable.
    """
    if len(filters) != len(kernels):
        raise ValueError(f"{len(filters)} filters and {len(kernels)} kernels: give one for each")
    given = keras.Input(window, name="window")
    x = given
    if len(window) == 2:
        samples = window[0] // steps
        x = ops.reshape(given[:, : steps * samples], (-1, steps, samples, window[1]))
    for i, (width, kernel) in enumerate(zip(filters, kernels, strict=True), 1):
        x = layers.Conv2D(width, (1, kernel), padding="same", activation="relu", name=f"conv_{i}")(
            x
        )
        x = layers.MaxPooling2D((1, 2), name=f"conv_{i}_pool")(x)
    x = FastLSTM(lstm_units, name="lstm")(ops.max(x, axis=2))
    for i, size in enumerate(dense, 1):
        x = layers.Dense(size, activation="sigmoid", name=f"dense_{i}")(x)
        x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"dense_{i}_norm")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(given, _head(x, head, outputs), name="td_cnn_lstm")
