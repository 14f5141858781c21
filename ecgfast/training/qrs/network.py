"""The network that scores QRS complexes: strided, causal, dilated convolutions in Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .grid import CHANNELS

if TYPE_CHECKING:
    import keras

__all__ = ["STRIDE", "Shape", "build", "qrs_loss", "weights_of"]

STRIDE = 4
"""Cells that a step of the deep layers covers: 31.25 steps a second."""

HEADS = (4, 9)
"""Steps of signal after a step at which the early and the late output score it."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes
    ----------
    stem : int
        Channels after the first layer, at 62.5 Hz.
    width : int
        Channels of the deep layers, at 31.25 Hz.
    dilations : tuple of int
        One residual layer with three taps for each.
    """

    stem: int = 12
    width: int = 28
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)


def build(shape: Shape, cells: int | None = None) -> keras.Model:
    """Build the network.

    Inputs of shape (batch, cells, 2); outputs of shape (batch, cells / 4, 8): for each step of four
    cells the log-odds of a QRS complex in the four cells `HEADS[0]` steps earlier, then in those
    `HEADS[1]` steps earlier.
    """
    import keras
    from keras import layers

    x = inputs = layers.Input((cells, CHANNELS))
    x = layers.ZeroPadding1D((8, 0))(x)
    x = layers.Conv1D(shape.stem, 10, strides=2, activation="relu", name="stem1")(x)
    x = layers.ZeroPadding1D((4, 0))(x)
    x = layers.Conv1D(shape.width, 6, strides=2, activation="relu", name="stem2")(x)
    for dilation in shape.dilations:
        y = layers.ZeroPadding1D((2 * dilation, 0))(x)
        y = layers.Conv1D(
            shape.width, 3, dilation_rate=dilation, activation="relu", name=f"deep{dilation}"
        )(y)
        x = layers.Add()([x, y])
    x = layers.Dense(shape.width, activation="relu", name="hidden")(x)
    outputs = layers.Dense(STRIDE * len(HEADS), name="heads")(x)
    return keras.Model(inputs, outputs)


def qrs_loss(y_true: Any, y_pred: Any) -> Any:
    """Weighted cross-entropy of both heads; `y_true` holds targets and weights of each output."""
    from keras import ops

    n = STRIDE * len(HEADS)
    target, weight = y_true[..., :n], y_true[..., n:]
    # softplus(x) - t x, finite for any x
    loss = ops.maximum(y_pred, 0.0) - y_pred * target + ops.log1p(ops.exp(-ops.abs(y_pred)))
    return ops.sum(loss * weight) / (ops.sum(weight) + 1.0)


def weights_of(model: keras.Model) -> dict[str, Any]:
    """Kernels and biases by layer and kind: ``stem1.kernel`` has shape (taps, in, out)."""
    found = {}
    for layer in model.layers:
        for kind, value in zip(("kernel", "bias"), layer.get_weights(), strict=False):
            found[f"{layer.name}.{kind}"] = value
    return found
