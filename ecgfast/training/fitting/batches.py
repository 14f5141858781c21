"""Batches of training examples, balanced over classes and varied anew in each pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._types import FloatArray
from ...core import FEATURE_NAMES
from ...extras import need
from ...records import read_record
from ..datasets.examples import ExampleSet
from ..recipes.recipe import Schedule

__all__ = ["NOISE_DATABASE", "Batches", "FloatArray", "class_weights", "recorded_noise"]

NOISE_DATABASE = "nstdb"
"""Folder of the recorded noise, below the data folder."""

_NEXT, _KNOWN = FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")


def class_weights(labels: npt.ArrayLike, classes: int, schedule: Schedule) -> FloatArray:
    """Weight of each class: rarer ones count more, softened by a power and a limit.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
    classes : int
    schedule : Schedule
        Its balancing, and the share of the largest class that a pass draws.

    Returns
    -------
    ndarray of float32, shape (classes,)
        1 for the largest class, and for all of them unless the schedule balances by weights.
    """
    if schedule.balancing != "weights":
        return np.ones(classes, np.float32)
    counts = np.bincount(np.asarray(labels, np.int64), minlength=classes).astype(float)
    counts[counts.argmax()] *= schedule.largest_class_share
    weights = (counts.max() / np.maximum(counts, 1.0)) ** schedule.class_weight_power
    limited: FloatArray = np.minimum(weights, schedule.class_weight_limit).astype("f4")
    return limited


def recorded_noise(
    data: str | os.PathLike[str], names: Sequence[str], grid_fs: float
) -> list[FloatArray]:
    """Noise of the MIT-BIH Noise Stress Test Database on a model's time grid.

    Parameters
    ----------
    data : path
        Folder that holds `NOISE_DATABASE`.
    names : sequence of str
        Such as ``("bw", "ma")``: baseline wander and muscle artefact.
    grid_fs : float
        Samples a second of the grid, Hz.

    Returns
    -------
    list of ndarray of float32, each of shape (m,)
        Each channel of each record, in mV, resampled with anti-aliasing.

    Raises
    ------
    RecordError
        If a record is missing or damaged.
    """
    signal = need("scipy.signal", "Noise for training", "train")
    found: list[FloatArray] = []
    for name in names:
        record = read_record(Path(data) / NOISE_DATABASE / name)
        step = Fraction(grid_fs / record.fs).limit_denominator(1000)
        for channel in record.signal.T:
            moved = signal.resample_poly(channel.astype(float), step.numerator, step.denominator)
            found.append(moved.astype(np.float32))
    return found


class Batches:
    """Training examples in random order, varied anew in each pass.

    Parameters
    ----------
    examples : ExampleSet
        Training part, of n examples; a column "weight" (n,) multiplies the weights of the classes.
    targets : ndarray of float32, shape (n, outputs)
        What the network shall give, as the loss takes it.
    schedule : Schedule
        Batch size, balancing and augmentation.
    seed : int
    noise : sequence of ndarray of float32, each of shape (m,)
        Recorded noise to add; each is brought to a root mean square of one over a window.
    """

    def __init__(
        self,
        examples: ExampleSet,
        targets: FloatArray,
        schedule: Schedule,
        seed: int,
        noise: Sequence[FloatArray] = (),
    ) -> None:
        self._inputs, self._targets, self._schedule = examples.inputs, targets, schedule
        self.generator = np.random.default_rng(seed)
        n = len(examples)
        self._labels = examples.target.astype(np.int64) if examples.labelled else None
        if self._labels is None:
            self._weights = np.ones(n, np.float32)
            self._always, self._some = np.arange(0), np.arange(n)
        else:
            counts = np.bincount(self._labels)
            self._weights = class_weights(self._labels, len(counts), schedule)[self._labels]
            largest = self._labels == counts.argmax()
            self._always, self._some = np.flatnonzero(~largest), np.flatnonzero(largest)
            self._weights[largest] *= np.float32(schedule.largest_class_weight)
        if "weight" in examples.columns:
            self._weights = self._weights * examples.columns["weight"]
        self._drawn = max(1, round(schedule.largest_class_share * len(self._some)))
        features = examples.inputs.get("features")
        if features is not None:
            self._spread = features.reshape(-1, features.shape[-1]).std(axis=0)
        points = _as_signal(examples.inputs["window"][:1]).shape[1]
        self._noise = [_scaled(part, points) for part in noise]
        self._order = np.arange(0)

    def __len__(self) -> int:
        return max(1, (len(self._always) + self._drawn) // self._schedule.batch)

    def draw(self) -> None:
        """Draw the examples of the next pass."""
        draw = self.generator
        some = draw.choice(self._some, self._drawn, replace=False)
        self._order = draw.permutation(np.concatenate([self._always, some]))
        if self._schedule.balancing == "resampling" and self._labels is not None:
            labels = self._labels[self._order]
            share = 1.0 / np.bincount(labels)[labels]
            self._order = draw.choice(self._order, len(self._order), p=share / share.sum())

    def __getitem__(self, index: int) -> tuple[dict[str, Any], FloatArray, FloatArray]:
        schedule = self._schedule
        rows = self._order[index * schedule.batch : (index + 1) * schedule.batch]
        inputs = {name: values[rows] for name, values in self._inputs.items()}
        target, weight = self._targets[rows], self._weights[rows]
        if "features" in inputs:
            self._vary_features(inputs["features"])
        shape = inputs["window"].shape
        inputs["window"] = self._varied(_as_signal(inputs["window"])).reshape(shape)
        if schedule.mixup:
            draw, n = self.generator, len(rows)
            share = draw.beta(schedule.mixup, schedule.mixup, n).astype(np.float32)
            share = np.maximum(share, 1 - share)
            with_whom = draw.permutation(n)
            inputs = {name: _mixed(values, share, with_whom) for name, values in inputs.items()}
            target, weight = _mixed(target, share, with_whom), _mixed(weight, share, with_whom)
        return inputs, target, weight

    def _vary_features(self, features: FloatArray) -> None:
        """Vary feature vectors (n, k) in place, or histories of them (n, beats, k)."""
        schedule, draw = self._schedule, self.generator
        hidden = draw.random(len(features)) >= schedule.lookahead_share
        if schedule.feature_noise:
            # Before the first beat a history holds zeros, and what is known is yes or no.
            empty, known = ~features.any(axis=-1), features[..., _KNOWN].copy()
            noise = draw.standard_normal(features.shape, np.float32)
            features += noise * (schedule.feature_noise * self._spread)
            features[..., _KNOWN] = known
            features[empty] = 0.0
        own = features if features.ndim == 2 else features[:, -1]
        own[hidden, _NEXT] = own[hidden, _KNOWN] = 0.0

    def _varied(self, window: FloatArray) -> FloatArray:
        """Windows (n, points, channels) as they might have been recorded on another day."""
        schedule, draw = self._schedule, self.generator
        n, points, channels = window.shape
        padding = window == 0 if schedule.keep_zeros else None
        if schedule.gain_jitter:
            # Of all channels together, then of the beat alone: R and template vary on their own.
            both, own = np.exp(draw.normal(0, schedule.gain_jitter, (2, n, 1))).astype(np.float32)
            window *= both[:, :, np.newaxis]
            if channels > 1:
                window[:, :, 0] *= own
        if schedule.window_noise:
            noise = draw.standard_normal(window.shape, np.float32)
            window += noise * np.float32(schedule.window_noise)
        if schedule.wander:
            window[:, :, 0] += _slow_waves(draw, n, points, schedule.wander)
        if schedule.recorded_noise and self._noise:
            window[:, :, 0] += self._pieces(n, points)
        if padding is not None:
            window[padding] = 0.0
        if schedule.shift or schedule.stretch:
            shift = int(draw.integers(-schedule.shift, schedule.shift + 1))
            window = _resampled(window, shift, draw.uniform(-schedule.stretch, schedule.stretch))
        return window

    def _pieces(self, n: int, points: int) -> FloatArray:
        """Pieces of recorded noise, each with an amplitude of its own."""
        draw = self.generator
        size = np.abs(draw.normal(0, self._schedule.recorded_noise, n)).astype(np.float32)
        which = draw.integers(len(self._noise), size=n)
        at = draw.random(n)
        pieces = np.empty((n, points), np.float32)
        for i, (source, place) in enumerate(zip(which, at, strict=True)):
            part = self._noise[source]
            start = int(place * (len(part) - points))
            pieces[i] = part[start : start + points]
        pieces -= pieces.mean(axis=1, keepdims=True)
        pieces *= size[:, np.newaxis]
        return pieces


def _as_signal(window: FloatArray) -> FloatArray:
    """Windows as (n, points, channels), those in steps (n, steps, points, channels) too."""
    return window.reshape(len(window), -1, window.shape[-1])


def _scaled(noise: FloatArray, points: int) -> FloatArray:
    """Noise with a root mean square of one, on average, about the mean of a window's length."""
    count = len(noise) // points
    parts = noise[: count * points].reshape(count, points).astype(float)
    size = float(np.sqrt(np.mean((parts - parts.mean(axis=1, keepdims=True)) ** 2)))
    return (noise / (size or 1.0)).astype(np.float32)


def _slow_waves(draw: np.random.Generator, n: int, points: int, size: float) -> FloatArray:
    """Baseline wander: a sine of less than a period a window each."""
    turns = draw.uniform(0.1, 0.9, (n, 1)) * np.arange(points) / points + draw.random((n, 1))
    waves = draw.normal(0, size, (n, 1)) * np.sin(2 * np.pi * turns)
    added: FloatArray = waves.astype(np.float32)
    return added


def _resampled(window: FloatArray, shift: int, stretch: float) -> FloatArray:
    """Windows moved by whole points and stretched about their middle, ends repeated."""
    last = window.shape[1] - 1
    middle = last / 2
    at = np.clip(middle + (np.arange(last + 1) - middle) * (1 + stretch) - shift, 0, last)
    left = np.minimum(at.astype(np.int64), last - 1)
    part = (at - left).astype(np.float32)[:, np.newaxis]
    moved: FloatArray = window[:, left] * (1 - part) + window[:, left + 1] * part
    return moved


def _mixed(array: FloatArray, share: FloatArray, with_whom: Any) -> FloatArray:
    part = share.reshape(-1, *[1] * (array.ndim - 1))
    mixed: FloatArray = array * part + array[with_whom] * (1 - part)
    return mixed
