"""Fit the networks of atrial fibrillation to some recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from fibrillation_beats import Recording

from ecgfast.rhythm._beat_window import CONTEXT, N_INPUTS
from ecgfast.rhythm.atrial import (
    DILATIONS,
    FILTERS,
    INPUTS,
    KERNEL,
    NETWORKS,
    AtrialModel,
    AtrialSettings,
    Floats,
    shapes,
)

PIECE = 128
"""Beats of one example."""

BATCH, EPOCHS, RATE = 32, 10, 3e-3

NOISE, DROPOUT, PENALTY = 0.1, 0.1, 1e-4
"""Noise added to the inputs, outputs of a layer left out, penalty of squared weights."""

WITHOUT_P = 0.15
"""Share of the examples that are shown without P waves: beats may come without a signal."""

TWO_LEADS = 0.3
"""Share of the examples of one lead that are shown as of two: no strip of fibrillation has two,
and what a network sees in two leads of healthy people alone it takes for health."""

FIRST_P, OF_TWO_LEADS = INPUTS.index("p_shown"), INPUTS.index("p_of_two_leads")
MOST, LEAST = (
    [i for i, name in enumerate(INPUTS) if name.startswith(starts)]
    for starts in (("p_greatest", "p_largest"), ("p_least", "p_smallest"))
)


class Examples:
    """Pieces of recordings.

    Parameters
    ----------
    recordings : sequence of Recording
        A recording's weight is the root of its number of beats that have a target.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        inputs, target, weight, self.of = [], [], [], []
        for i, one in enumerate(recordings):
            counts = np.isfinite(one.target)
            share = counts / np.sqrt(max(float(counts.sum()), 1.0))
            for (begin, end), x in zip(one.stretches(), one.padded(), strict=True):
                for at in range(begin, end, PIECE):
                    last = min(at + PIECE, end)
                    if not counts[at:last].any():
                        continue
                    piece = x[at - begin : last - begin + 2 * CONTEXT]
                    missing = PIECE - (last - at)
                    inputs.append(np.pad(piece, ((0, missing), (0, 0))))
                    target.append(np.pad(np.nan_to_num(one.target[at:last]), (0, missing)))
                    weight.append(np.pad(share[at:last], (0, missing)))
                    self.of.append(i)
        self.inputs = np.array(inputs, np.float32)
        self.target = np.array(target, np.float32)
        self.weight = np.array(weight, np.float32)

    def fitted(self, used: Sequence[bool], settings: AtrialSettings, seed: int = 0) -> AtrialModel:
        """The networks of some of the recordings, with seeds from this one on."""
        chosen = np.flatnonzero(np.asarray(used, bool)[self.of])
        networks = [self._network(chosen, seed + i) for i in range(NETWORKS)]
        pairs = zip(zip(*networks, strict=True), shapes(), strict=True)
        return AtrialModel(
            [np.stack([one.reshape(shape) for one in some]) for some, shape in pairs], settings
        )

    def _network(self, chosen: npt.NDArray[np.intp], seed: int) -> list[Floats]:
        """Weights of one network, as Keras gives them."""
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(seed)
        network = _untrained()
        steps = EPOCHS * (len(chosen) // BATCH)
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps))

        @tf.function  # type: ignore[untyped-decorator]
        def step(x: Any, y: Any, w: Any) -> None:
            with tf.GradientTape() as tape:
                odds = network(x, training=True)[..., 0]
                losses = w * tf.nn.sigmoid_cross_entropy_with_logits(y, odds)
                loss = tf.reduce_sum(losses) / tf.reduce_sum(w) + tf.add_n(network.losses)
            gradient = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradient, network.trainable_variables, strict=True))

        rng = np.random.default_rng(seed)
        for _ in range(EPOCHS):
            order = rng.permutation(chosen)
            for at in range(0, len(order) - BATCH + 1, BATCH):
                part = order[at : at + BATCH]
                x = self.inputs[part]
                pairs = rng.random(BATCH) < TWO_LEADS
                x[pairs] = as_of_two_leads(x[pairs])
                x[rng.random(BATCH) < WITHOUT_P, :, FIRST_P:] = 0.0
                step(x, self.target[part], self.weight[part])
        weights: list[Floats] = network.get_weights()
        return weights


def as_of_two_leads(x: Floats) -> Floats:
    """Examples of one lead in which the P wave of the next beat is what a second lead shows.

    Parameters
    ----------
    x : ndarray of float32, shape (n, beats, inputs)

    Returns
    -------
    ndarray of float32, shape (n, beats, inputs)
        Beats that already are of two leads, or without a P wave here or there, are as they were.
    """
    after = np.zeros_like(x)
    after[:, :-1] = x[:, 1:]
    one = (x[..., OF_TWO_LEADS] == 0.0) & (x[..., FIRST_P] > 0.0) & (after[..., FIRST_P] > 0.0)
    out, here, other = x.copy(), x[one], after[one]
    here[:, LEAST] = np.minimum(here[:, MOST], other[:, MOST])
    here[:, MOST] = np.maximum(here[:, MOST], other[:, MOST])
    here[:, OF_TWO_LEADS] = 1.0
    out[one] = here
    return out


def _untrained() -> Any:
    import keras

    layers = keras.layers
    x = given = keras.Input((None, N_INPUTS))
    x = layers.GaussianNoise(NOISE)(x)
    for step in DILATIONS:
        x = layers.Conv1D(
            FILTERS, KERNEL, dilation_rate=step, activation="relu",
            kernel_regularizer=keras.regularizers.L2(PENALTY),
        )(x)  # fmt: skip
        x = layers.SpatialDropout1D(DROPOUT)(x)
    return keras.Model(given, layers.Conv1D(1, 1)(x))
