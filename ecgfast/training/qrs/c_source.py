"""The trained weights as a C source file, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .grid import CHANNELS
from .network import HEADS, STRIDE, Shape

__all__ = ["read_weights", "weights_source"]

Floats = npt.NDArray[np.float32]

#: Members of `ecg_neural_weights` in order, with the layer they come from.
_MEMBERS = ("stem1", "stem2", "deep", "hidden", "heads")
_SHAPE = Shape()
_DILATIONS = _SHAPE.dilations


def _rows(kernel: Floats) -> Floats:
    """Taps and input channels become rows; output channels stay side by side."""
    return kernel.reshape(-1, kernel.shape[-1])


def _numbers(values: Floats) -> str:
    if values.ndim == 1:
        texts = [f"{value:#.9g}f" for value in values]
        return "{" + ", ".join(texts) + "}"
    return "{" + ",\n".join(_numbers(row) for row in values) + "}"


def weights_source(weights: Mapping[str, Floats], command: str) -> str:
    """Write the weights as C.

    Parameters
    ----------
    weights : mapping
        As `weights_of`.
    command : str
        What made them, for the comment at the top.

    Returns
    -------
    str
        The text of ``neural_weights.c``.
    """
    parts = []
    for name in _MEMBERS:
        names = [f"deep{d}" for d in _DILATIONS] if name == "deep" else [name]
        kernels = np.stack([_rows(weights[f"{n}.kernel"]) for n in names])
        biases = np.stack([weights[f"{n}.bias"] for n in names])
        many = name == "deep"
        parts.append(f"    .{name} = {_numbers(kernels if many else kernels[0])},")
        parts.append(f"    .{name}_bias = {_numbers(biases if many else biases[0])},")
    body = "\n".join(parts)
    return (
        f"/* Weights of the network that scores QRS complexes. Made by\n *     {command}\n"
        " * and not to be changed by hand. */\n"
        '#include "neural.h"\n\n'
        f"const ecg_neural_weights ecg_neural_trained = {{\n{body}\n}};\n"
    )


def read_weights(source: str) -> dict[str, Floats]:
    """Read back what `weights_source` wrote.

    Returns
    -------
    dict of str to ndarray
        As `weights_of`.
    """
    found: dict[str, Floats] = {}
    stem, width = _SHAPE.stem, _SHAPE.width
    shapes: dict[str, tuple[int, ...]] = {
        "stem1": (10, CHANNELS, stem),
        "stem2": (6, stem, width),
        "deep": (len(_DILATIONS), 3, width, width),
        "hidden": (width, width),
        "heads": (width, STRIDE * len(HEADS)),
    }
    for name, shape in shapes.items():
        for kind, member, size in (
            ("kernel", name, shape),
            ("bias", f"{name}_bias", (*shape[:-3], shape[-1]) if name == "deep" else (shape[-1],)),
        ):
            match = re.search(rf"\.{member} = (.*?)(?:,\n    \.|,\n\}};)", source, re.S)
            if match is None:
                raise ValueError(f"the C source has no member {member}")
            numbers = re.findall(r"[-+0-9.e]+(?=f)", match.group(1))
            values = np.array(numbers, np.float32).reshape(size)
            if name == "deep":
                found.update({f"deep{d}.{kind}": values[k] for k, d in enumerate(_DILATIONS)})
            else:
                found[f"{name}.{kind}"] = values
    return found
