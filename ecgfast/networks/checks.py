"""Whether a network fits what it is to learn, said before training does in words of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ..errors import ModelError

__all__ = ["check_examples", "check_model"]

_INPUTS = ("window", "features")
_OUTPUTS = ("probability", "value")


def check_model(name: str, model: Any) -> None:
    """Refuse what is no network of this package's form.

    Parameters
    ----------
    name : str
        Of the network, for messages.
    model : keras.Model

    Raises
    ------
    ModelError
        Unless it is a Keras model of float32 inputs "window" and perhaps "features" that ends with
        one dense layer "probability" (softmax, or sigmoid of one unit) or "value" (linear).
    """
    if not isinstance(model, keras.Model):
        raise ModelError(f"network {name!r}: gives {type(model).__name__}, not a Keras model")
    if getattr(model, "optimizer", None) is not None:
        raise ModelError(f"network {name!r}: gives a compiled model; training compiles it")
    try:
        inputs = [tensor.name for tensor in model.inputs or ()]
    except (AttributeError, ValueError):  # a subclass of Model that nothing was shown yet
        inputs = []
    if not inputs or set(inputs) - set(_INPUTS) or len(set(inputs)) < len(inputs):
        raise ModelError(
            f"network {name!r}: its inputs are {inputs}; name them 'window' and, if it has them, "
            "'features' (keras.Input(shape, name=...))"
        )
    last = model.layers[-1]
    outputs = list(model.output_names)
    if len(outputs) != 1 or outputs[0] not in _OUTPUTS or last.name != outputs[0]:
        raise ModelError(
            f"network {name!r}: its outputs are {outputs}; end it with one dense layer named "
            "'probability' (classes) or 'value' (numbers)"
        )
    if not isinstance(last, keras.layers.Dense) or len(model.output_shape) != 2:
        raise ModelError(
            f"network {name!r}: its last layer {last.name!r} is {type(last).__name__} of shape "
            f"{model.output_shape}; take keras.layers.Dense, of shape (batch, outputs)"
        )
    wanted = "linear"
    if last.name == "probability":
        wanted = "softmax" if last.units > 1 else "sigmoid"
    if last.activation is not getattr(keras.activations, wanted):
        raise ModelError(
            f"network {name!r}: its layer {last.name!r} of {last.units} has the activation "
            f"{last.activation.__name__}; it is read as {wanted}"
        )
    if not last.use_bias:
        raise ModelError(
            f"network {name!r}: its layer {last.name!r} has no bias, which calibration needs"
        )


def check_examples(
    name: str,
    model: Any,
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    *,
    labelled: bool,
) -> None:
    """Refuse a network whose inputs or outputs are not those of the examples.

    Parameters
    ----------
    name : str
        Of the network, for messages.
    model : keras.Model
    inputs : mapping of str to sequence of int
        Shapes without the batch.
    outputs : sequence of str
        Names of the classes, or of the numbers.
    labelled : bool
        Whether they are classes.

    Raises
    ------
    ModelError
    """
    for tensor in model.inputs:
        if tensor.name not in inputs:
            raise ModelError(
                f"network {name!r}: has an input {tensor.name!r}; the examples have "
                f"{', '.join(inputs)}"
            )
        shape, given = tuple(tensor.shape)[1:], tuple(inputs[tensor.name])
        fits = len(shape) == len(given) and all(
            a in (None, b) for a, b in zip(shape, given, strict=True)
        )
        if not fits:
            raise ModelError(
                f"network {name!r}: its input {tensor.name!r} takes {shape}, the examples have "
                f"{given}; set architecture.{tensor.name}"
            )
    count, kind = int(model.output_shape[-1]), model.output_names[0]
    if labelled != (kind == "probability"):
        what = "classes" if labelled else "numbers"
        raise ModelError(
            f"network {name!r}: its output {kind!r} does not fit targets that are {what}"
        )
    if count != len(outputs) and not (labelled and count == 1 and len(outputs) == 2):
        raise ModelError(
            f"network {name!r}: has {count} outputs; the examples have {len(outputs)}: "
            f"{', '.join(outputs)}"
        )
