"""Last touches to the weights of a trained network."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

__all__ = ["settle_norms", "widen_sigmoids"]

# Standard deviation of a sigmoid's output below which rounding of numbers near a half is felt
# after normalisation, and up to which a sigmoid is straight enough to be widened.
_NARROW = 0.005
_STRAIGHT = 0.02


def settle_norms(model: Any, batches: Iterable[Any]) -> None:
    """Take the means and variances of batch normalisation anew, with the weights as they are now.

    The running ones are of the weights that training went through, and of its last few batches;
    averaged weights need their own, over many batches alike (Wu and Johnson, 2021, "Rethinking
    'Batch' in BatchNorm").

    Parameters
    ----------
    model : keras.Model
        Changed in place; all its batch normalisations are settled, all else stays.
    batches : iterable
        Inputs of the model, as training shows them.
    """
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    if not norms:
        return
    usual = [norm.momentum for norm in norms]
    for i, inputs in enumerate(batches):
        for norm in norms:
            norm.momentum = i / (i + 1)
        model(inputs, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def widen_sigmoids(model: Any) -> None:
    """Widen sigmoid layers that use a sliver of their range before a batch normalisation.

    Such a layer gives 0.5 and a little; normalisation subtracts the 0.5 and magnifies what float32
    has left of the little. Here the layer's weights grow by a power of two about the point where
    it works, and the normalisation shrinks as much: the same function but for the bend of the
    sigmoid (which is what bounds the power), with that many fewer digits lost.

    Parameters
    ----------
    model : keras.Model
        Trained; changed in place. Pairs of ``Dense(activation="sigmoid")`` and the
        ``BatchNormalization`` after it are looked at, all else stays.
    """
    for before, norm in zip(model.layers, model.layers[1:], strict=False):
        if not (
            isinstance(before, keras.layers.Dense)
            and before.activation is keras.activations.sigmoid
            and isinstance(norm, keras.layers.BatchNormalization)
            and norm.scale
            and norm.center
        ):
            continue
        kernel, bias = before.get_weights()
        gamma, beta, mean, variance = (w.astype(np.float64) for w in norm.get_weights())
        widest = math.sqrt(float(variance.max()))
        if not 0 < widest < _NARROW or not ((mean > 0) & (mean < 1)).all():
            continue
        times = 2.0 ** math.floor(math.log2(_STRAIGHT / widest))
        # From the slope where each unit works to the slope in the middle.
        spread = times * 0.25 / (mean * (1.0 - mean))
        wider = variance * spread**2
        shrunk = gamma / spread * np.sqrt((wider + norm.epsilon) / (variance + norm.epsilon))
        middle = np.log(mean / (1.0 - mean))
        before.set_weights([kernel * times, (bias - middle) * times])
        norm.set_weights([shrunk, beta, np.full_like(mean, 0.5), wider])
