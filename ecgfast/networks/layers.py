"""An LSTM layer that trains fast, and that TFLite runs with a few built-in operators."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["FastLSTM"]


@keras.saving.register_keras_serializable(package="ecgfast")
class FastLSTM(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
    """Long short-term memory over a sequence of fixed length.

    The same function of the same weights as ``keras.layers.LSTM`` (Hochreiter and Schmidhuber
    1997, with forget gate), arranged otherwise: one matrix product projects the inputs of all
    steps, one sigmoid serves the three gates, the first step has no recurrent product, and the
    loop over steps is unrolled. It so becomes a short list of built-in TFLite operators without
    loops or resource variables, for any batch size and every form of quantisation.

    Weights have the shapes, order and layout of ``keras.layers.LSTM`` (gates input, forget,
    candidate, output), so that ``fast.set_weights(lstm.get_weights())`` carries them over.

    Parameters
    ----------
    units : int
        Size of the state.
    return_sequences : bool, default False
        Return the output of every step (batch, steps, units), not of the last (batch, units).
    go_backwards : bool, default False
        Read the sequence from its end. With ``return_sequences`` the outputs come in the order
        of the inputs (Keras returns them in the order read), ready to stand beside a forward
        layer's.
    kernel_initializer, recurrent_initializer : default "glorot_uniform", "orthogonal"
        Initialisers of the input and the recurrent weights.
    unit_forget_bias : bool, default True
        Start with a forget bias of one (Jozefowicz et al. 2015).
    kernel_regularizer : optional
        Regulariser of the input weights.
    **kwargs
        Those of ``keras.layers.Layer``.

    Notes
    -----
    Input is (batch, steps, channels) float, where steps must be known when the layer is built.

    Examples
    --------
    >>> import keras
    >>> from ecgfast.networks import FastLSTM
    >>> keras.Sequential([keras.Input((32, 4)), FastLSTM(8)]).output_shape
    (None, 8)
    """

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"FastLSTM needs at least one unit, not {units}")
        self.units = int(units)
        self.return_sequences = bool(return_sequences)
        self.go_backwards = bool(go_backwards)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.unit_forget_bias = bool(unit_forget_bias)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: kernel (channels, 4 u), recurrent (u, 4 u), bias (4 u)."""
        steps, channels = input_shape[1], input_shape[2]
        if steps is None or channels is None:
            raise ValueError(
                "FastLSTM needs a known number of steps and channels: give them to keras.Input"
            )
        u = self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, 4 * u),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(u, 4 * u), initializer=self.recurrent_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(4 * u,), initializer=self._first_bias)
        self.built = True

    def _first_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        u = self.units
        forget = ops.ones((u,), dtype) if self.unit_forget_bias else ops.zeros((u,), dtype)
        return ops.concatenate([ops.zeros((u,), dtype), forget, ops.zeros((2 * u,), dtype)])

    def _gates_together(self, weight: Any) -> Any:
        # Keras keeps i, f, g, o; i, f, o, g lets one sigmoid cover three. The converter folds it.
        u = self.units
        return ops.concatenate(
            [weight[..., : 2 * u], weight[..., 3 * u :], weight[..., 2 * u : 3 * u]], axis=-1
        )

    def call(self, inputs: Any) -> Any:
        """Run over a sequence (batch, steps, channels)."""
        u = self.units
        recurrent = self._gates_together(self.recurrent_kernel)
        count, channels = inputs.shape[1], inputs.shape[2]
        # Two-dimensional, since TFLite spends six operators on a product of unknown batch.
        projected = ops.matmul(
            ops.reshape(inputs, (-1, channels)), self._gates_together(self.kernel)
        )
        projected = ops.add(projected, self._gates_together(self.bias))
        steps = ops.unstack(ops.reshape(projected, (-1, count, 4 * u)), num=count, axis=1)
        if self.go_backwards:
            steps = steps[::-1]
        outputs = []
        hidden = cell = None
        for z in steps:
            if hidden is not None:
                z = ops.add(z, ops.matmul(hidden, recurrent))
            sigmoid, candidate = ops.split(z, [3 * u], axis=-1)
            gates = ops.sigmoid(sigmoid)
            if cell is None:
                # There is nothing to forget. A split into three of which one is not used would be
                # left in float32 now and then by the converter to int8: two runs, two files.
                gate_i, gate_o = gates[..., :u], gates[..., 2 * u :]
                cell = ops.multiply(gate_i, ops.tanh(candidate))
            else:
                gate_i, gate_f, gate_o = ops.split(gates, 3, axis=-1)
                fresh = ops.multiply(gate_i, ops.tanh(candidate))
                cell = ops.add(ops.multiply(gate_f, cell), fresh)
            hidden = ops.multiply(gate_o, ops.tanh(cell))
            outputs.append(hidden)
        if not self.return_sequences:
            return hidden
        return ops.stack(outputs[::-1] if self.go_backwards else outputs, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output for an input shape."""
        if self.return_sequences:
            return (input_shape[0], input_shape[1], self.units)
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        config.update(
            units=self.units,
            return_sequences=self.return_sequences,
            go_backwards=self.go_backwards,
            kernel_initializer=keras.initializers.serialize(self.kernel_initializer),
            recurrent_initializer=keras.initializers.serialize(self.recurrent_initializer),
            unit_forget_bias=self.unit_forget_bias,
            kernel_regularizer=keras.regularizers.serialize(self.kernel_regularizer),
        )
        return config
