"""The network's outputs by plain NumPy: what the detector's C code is held to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .network import STRIDE

__all__ = ["log_odds"]

Floats = npt.NDArray[np.float32]


def _conv(x: Floats, kernel: Floats, bias: Floats, stride: int = 1, dilation: int = 1) -> Floats:
    """Causal convolution over the first axis, zeros before the first value."""
    taps = len(kernel)
    reach = (taps - 1) * dilation + 1 - stride
    padded = np.concatenate([np.zeros((reach, x.shape[1]), np.float32), x])
    n = len(x) // stride
    out = np.repeat(bias[None], n, axis=0)
    for k in range(taps):
        out = out + padded[k * dilation : k * dilation + (n - 1) * stride + 1 : stride] @ kernel[k]
    return np.asarray(out, np.float32)


def log_odds(weights: Mapping[str, Floats], inputs: Floats) -> Floats:
    """Outputs for one recording.

    Parameters
    ----------
    weights : mapping
        As `weights_of`.
    inputs : ndarray of float32, shape (cells, 2)
        As `network_input`.

    Returns
    -------
    ndarray of float32, shape (cells // 4, 8)
        As `build` has them.
    """

    def layer(name: str) -> tuple[Floats, Floats]:
        return weights[f"{name}.kernel"], weights[f"{name}.bias"]

    x = inputs[: len(inputs) // STRIDE * STRIDE]
    x = np.maximum(_conv(x, *layer("stem1"), stride=2), 0)
    x = np.maximum(_conv(x, *layer("stem2"), stride=2), 0)
    deep = sorted(int(k[4:-7]) for k in weights if k.startswith("deep") and k.endswith("kernel"))
    for dilation in deep:
        x = x + np.maximum(_conv(x, *layer(f"deep{dilation}"), dilation=dilation), 0)
    for name in ("hidden", "heads"):
        kernel, bias = layer(name)
        x = x @ kernel + bias
        x = np.maximum(x, 0) if name == "hidden" else x
    return np.asarray(x, np.float32)
