"""Odds of atrial fibrillation at each beat: small networks on RR intervals and P waves.

Fibrillation has irregular RR intervals, and no P waves that repeat. `BeatWindow` gives each beat
the changes of its RR interval, and how alike the signal before its QRS complex is to that of the
beats before. Networks of dilated convolutions over the beats say how likely fibrillation is at
each, from the beats around it; ``python bench/fit_rhythm.py`` fits them, with the settings that
``python bench/choose_fibrillation.py`` chose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ._beat_window import CONTEXT, LAGS, N_INPUTS, BeatWindow

__all__ = [
    "INPUTS",
    "P_LEADS",
    "REGULAR",
    "AtrialModel",
    "AtrialSettings",
    "BeatOdds",
    "Scorer",
    "default_model",
    "left_out_models",
    "shapes",
    "stored_settings",
]

Floats = npt.NDArray[np.float32]

#: What the network sees of each beat, in the order of `BeatWindow.inputs`.
INPUTS = (
    "beat", "usual_rr", "rr_known", "rr_beside_usual", "rr_share_alike",
    *(f"{name}_{lag}" for lag in (1, 2, 3) for name in ("rr_change", "rr_change_size")),
    "sound", "premature", "ventricular", "p_shown", "p_of_two_leads",
    *(f"p_{name}_similarity_{what}" for name in ("greatest", "least") for what in (*LAGS, "mean")),
    "p_largest", "p_smallest",
)  # fmt: skip

#: Leads in which P waves are sought: the first ones.
P_LEADS = 2

#: Beats that a convolution joins, how far apart they are in each layer, and its outputs.
KERNEL, DILATIONS, FILTERS = 5, (1, 2, 4), 16

#: Networks whose log odds are averaged: one alone depends on its random seed.
NETWORKS = 3

assert len(INPUTS) == N_INPUTS
assert sum(DILATIONS) * (KERNEL - 1) == 2 * CONTEXT


@dataclass(frozen=True)
class AtrialSettings:
    """How the odds of beats become episodes of atrial fibrillation.

    Attributes
    ----------
    probability : float
        A beat of higher probability is evidence for an episode, of lower against it.
    begins, ends : float
        An episode begins or ends once the log odds, summed over beats, exceed this.
    strip_probability : float
        `probability` in a strip of some seconds, where no later beats can confirm it.
    """

    probability: float
    begins: float
    ends: float
    strip_probability: float


def shapes() -> list[tuple[int, ...]]:
    """Shapes of the weights: kernel and bias of each layer, the last one for the log odds."""
    sizes = [N_INPUTS, *(FILTERS for _ in DILATIONS)]
    layers = [[(KERNEL * n, FILTERS), (FILTERS,)] for n in sizes[:-1]]
    return [shape for layer in layers for shape in layer] + [(FILTERS, 1), (1,)]


@dataclass(frozen=True, eq=False)
class AtrialModel:
    """The networks, whose log odds are averaged.

    Attributes
    ----------
    weights : sequence of ndarray of float32
        Of `shapes`, with an axis of networks before. The rows of a kernel are those of its first
        beat, then those of the next.
    settings : AtrialSettings
        With which it was chosen.
    """

    weights: Sequence[Floats]
    settings: AtrialSettings

    def __reduce__(self) -> tuple[Any, ...]:
        """The stored model by its name: a pickled stream stays small."""
        if self is default_model():
            return default_model, ()
        return AtrialModel, (self.weights, self.settings)

    def log_odds(self, inputs: Floats) -> Floats:
        """Logarithm of the odds of atrial fibrillation at each beat.

        Parameters
        ----------
        inputs : ndarray of float32, shape (n + 2 * CONTEXT, len(INPUTS))
            The n beats, and those before and after them; zeros where there is none.

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        x = inputs[np.newaxis]
        for layer, step in enumerate(DILATIONS):
            kernel, bias = self.weights[2 * layer : 2 * layer + 2]
            n = x.shape[1] - step * (KERNEL - 1)
            joined = np.concatenate([x[:, i * step : i * step + n] for i in range(KERNEL)], axis=2)
            x = np.maximum(joined @ kernel + bias[:, np.newaxis], 0.0)
        kernel, bias = self.weights[-2:]
        out: Floats = ((x @ kernel)[:, :, 0] + bias).mean(axis=0)
        return out

    @classmethod
    def from_flat(cls, flat: npt.ArrayLike, settings: AtrialSettings) -> AtrialModel:
        """The model whose weights `flat` has written in a row for each network."""
        rows = np.asarray(flat, np.float32)
        sizes = [int(np.prod(shape)) for shape in shapes()]
        parts = np.split(rows, list(accumulate(sizes))[:-1], axis=1)
        pairs = zip(parts, shapes(), strict=True)
        return cls([part.reshape(len(rows), *shape) for part, shape in pairs], settings)

    def flat(self) -> Floats:
        """All weights, a row for each network."""
        return np.concatenate([one.reshape(len(one), -1) for one in self.weights], axis=1)


class Scorer(Protocol):
    """Gives the log odds of atrial fibrillation, as `AtrialModel` does."""

    @property
    def settings(self) -> AtrialSettings:
        """How the odds of beats become episodes."""

    def log_odds(self, inputs: Floats) -> Floats:
        """Logarithm of the odds at each beat but `CONTEXT` at each end."""


#: Log odds of a regular rhythm.
REGULAR = -6.0


class BeatOdds:
    """Log odds of atrial fibrillation of beats of a window.

    Parameters
    ----------
    window : BeatWindow
    model : Scorer
    """

    def __init__(self, window: BeatWindow, model: Scorer) -> None:
        self._window = window
        self._model = model

    def __call__(self, first: int, last: int) -> list[float]:
        """Of these beats, counted in the window; 0, which is even odds, where it cannot be read."""
        window = self._window
        if not window.is_irregular:
            return [REGULAR if window.is_readable else 0.0] * (last - first)
        odds: list[float] = self._model.log_odds(window.inputs(first, last)).tolist()
        return odds


@cache
def _stored() -> dict[str, Any]:
    text = files(__package__).joinpath("atrial.json").read_text("utf-8")
    stored: dict[str, Any] = json.loads(text)
    return stored


@cache
def stored_settings() -> AtrialSettings:
    """The settings that were chosen for the stored models."""
    return AtrialSettings(**_stored()["settings"])


def _stored_weights() -> npt.NDArray[np.float16]:
    """Weights of the stored models, a row for each network of each."""
    with as_file(files(__package__).joinpath("atrial.npy")) as path:
        weights: npt.NDArray[np.float16] = np.load(path)
    return weights


@cache
def default_model() -> AtrialModel:
    """The model fitted to all recordings."""
    return AtrialModel.from_flat(_stored_weights()[0], stored_settings())


def left_out_models() -> dict[str, AtrialModel]:
    """For each recording that the model was fitted to, a model that never saw its patient."""
    settings = stored_settings()
    models = [AtrialModel.from_flat(flat, settings) for flat in _stored_weights()[1:]]
    return {
        name: model
        for names, model in zip(_stored()["folds"], models, strict=True)
        for name in names
    }
