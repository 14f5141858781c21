"""Training of one network on one set of beats, with any Keras backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ..core import FEATURE_NAMES
from ..networks import build
from .beats import BeatSet, without_lookahead
from .recipe import Recipe, Schedule

__all__ = ["BeatBatches", "class_weights", "fit", "predict"]

_NEXT = [FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")]
# Steps over which the learning rate rises: the averages of batch normalisation must settle first.
_WARM_UP = 200


def class_weights(
    labels: npt.ArrayLike, classes: int, schedule: Schedule
) -> npt.NDArray[np.float32]:
    """Weight of each class: rarer ones count more, softened by a power and a limit.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
    classes : int
    schedule : Schedule
        Its class weights, and the share of the largest class that a pass draws.

    Returns
    -------
    ndarray of float32, shape (classes,)
        1 for the largest class.
    """
    counts = np.bincount(np.asarray(labels, np.int64), minlength=classes).astype(float)
    counts[counts.argmax()] *= schedule.largest_class_share
    weights = (counts.max() / np.maximum(counts, 1.0)) ** schedule.class_weight_power
    limited: npt.NDArray[np.float32] = np.minimum(weights, schedule.class_weight_limit).astype("f4")
    return limited


class BeatBatches:
    """Training beats in random order, varied anew in each pass.

    Parameters
    ----------
    beats : BeatSet
    weights : ndarray of float32, shape (classes,)
        Weight of each class.
    schedule : Schedule
        Batch size and augmentation.
    seed : int
    """

    def __init__(self, beats: BeatSet, weights: Any, schedule: Schedule, seed: int) -> None:
        self._beats, self._weights, self._schedule = beats, weights, schedule
        self._generator = np.random.default_rng(seed)
        smoothing, classes = schedule.label_smoothing, len(weights)
        self._targets = (np.eye(classes) * (1 - smoothing) + smoothing / classes).astype(np.float32)
        self._spread = beats.features.std(axis=0)
        largest = beats.label == np.bincount(beats.label).argmax()
        self._always, self._some = np.flatnonzero(~largest), np.flatnonzero(largest)
        self._drawn = max(1, round(schedule.largest_class_share * len(self._some)))
        self.draw()

    def __len__(self) -> int:
        return max(1, (len(self._always) + self._drawn) // self._schedule.batch)

    def draw(self) -> None:
        """Draw the beats of the next pass."""
        some = self._generator.choice(self._some, self._drawn, replace=False)
        self._order = self._generator.permutation(np.concatenate([self._always, some]))

    def __getitem__(self, index: int) -> tuple[dict[str, Any], Any, Any]:
        schedule, draw = self._schedule, self._generator
        rows = self._order[index * schedule.batch : (index + 1) * schedule.batch]
        n = len(rows)
        window, features = self._beats.windows[rows], self._beats.features[rows]
        label, weight = (
            self._targets[self._beats.label[rows]],
            self._weights[self._beats.label[rows]],
        )

        hidden = draw.random(n) >= schedule.lookahead_share
        known = features[:, _NEXT[1]].copy()
        noise = draw.normal(0, schedule.feature_noise, features.shape)
        features += (noise * self._spread).astype(np.float32)
        features[:, _NEXT[1]] = known
        features[hidden, _NEXT[0]] = features[hidden, _NEXT[1]] = 0.0
        # Gain of both channels together, then of the beat alone: R and template vary on their own.
        both, own = np.exp(draw.normal(0, schedule.gain_jitter, (2, n, 1))).astype(np.float32)
        window *= both[:, :, np.newaxis]
        window[:, :, 0] *= own
        window += draw.normal(0, schedule.window_noise, window.shape).astype(np.float32)
        window[:, :, 0] += _slow_waves(draw, n, window.shape[1], schedule.wander)
        shift = int(draw.integers(-schedule.shift, schedule.shift + 1))
        window = _resampled(window, shift, draw.uniform(-schedule.stretch, schedule.stretch))
        if schedule.mixup:
            share = draw.beta(schedule.mixup, schedule.mixup, n).astype(np.float32)
            share = np.maximum(share, 1 - share)
            with_whom = draw.permutation(n)
            window, features, label, weight = (
                _mixed(array, share, with_whom) for array in (window, features, label, weight)
            )
        return {"window": window, "features": features}, label, weight


def _slow_waves(draw: np.random.Generator, n: int, points: int, size: float) -> Any:
    """Baseline wander: a sine of less than a period a window each, in running QRS sizes."""
    turns = draw.uniform(0.1, 0.9, (n, 1)) * np.arange(points) / points + draw.random((n, 1))
    return (draw.normal(0, size, (n, 1)) * np.sin(2 * np.pi * turns)).astype(np.float32)


def _resampled(window: Any, shift: int, stretch: float) -> Any:
    """Windows moved by whole points and stretched about their middle, ends repeated."""
    last = window.shape[1] - 1
    middle = last / 2
    at = np.clip(middle + (np.arange(last + 1) - middle) * (1 + stretch) - shift, 0, last)
    left = np.minimum(at.astype(np.int64), last - 1)
    part = (at - left).astype(np.float32)[:, np.newaxis]
    return window[:, left] * (1 - part) + window[:, left + 1] * part


def _mixed(array: Any, share: Any, with_whom: Any) -> Any:
    part = share.reshape(-1, *[1] * (array.ndim - 1))
    return array * part + array[with_whom] * (1 - part)


def fit(
    recipe: Recipe, beats: BeatSet, *, seed: int | None = None, progress: bool = False
) -> tuple[Any, list[float]]:
    """Build and train a network.

    Parameters
    ----------
    recipe : Recipe
    beats : BeatSet
        Training beats.
    seed : int, optional
        Instead of the recipe's.
    progress : bool
        Show a progress bar with the loss on a terminal.

    Returns
    -------
    model : keras.Model
    losses : list of float
        Training loss of each epoch.
    """
    seed = recipe.seed if seed is None else seed
    schedule = recipe.schedule
    keras.utils.set_random_seed(seed)
    options = dict(recipe.architecture)
    model = build(options.pop("name"), **options)
    classes = int(model.output_shape[-1])
    weights = class_weights(beats.label, classes, schedule)
    batches = BeatBatches(beats, weights, schedule, seed)
    steps = max(len(batches) * schedule.epochs, 2)
    warm_up = min(_WARM_UP, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-6, steps - warm_up, warmup_target=schedule.learning_rate, warmup_steps=warm_up
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(),
    )
    losses: list[float] = []
    # Step by step: Keras's own loop over a generator waits most of the time on its queue.
    with tqdm(total=steps, desc="train", unit="step", disable=None if progress else True) as bar:
        for _ in range(schedule.epochs):
            model.reset_metrics()
            loss = float("nan")
            for i in range(len(batches)):
                inputs, label, weight = batches[i]
                loss = float(model.train_on_batch(inputs, label, sample_weight=weight))
                bar.update()
            losses.append(loss)  # Keras returns the mean since the reset
            bar.set_postfix(loss=f"{loss:.4f}")
            batches.draw()
    return model, losses


def predict(model: Any, beats: BeatSet, lookahead: int) -> npt.NDArray[np.float32]:
    """Class probabilities of beats.

    Parameters
    ----------
    model : keras.Model
    beats : BeatSet
    lookahead : {0, 1}
        Whether the next RR interval is shown.

    Returns
    -------
    ndarray of float32, shape (n, classes)
    """
    features = beats.features if lookahead else without_lookahead(beats.features)
    inputs = {"window": beats.windows, "features": features}
    return np.asarray(model.predict(inputs, batch_size=2048, verbose=0), np.float32)
