"""Odds of atrial fibrillation: a small model on RR intervals and P waves.

The features are those of published detectors that use RR intervals alone (spread and successive
differences, the map of Lian et al. 2011, sample entropy as Lake and Moorman 2011 use it, the count
of unequal pairs of Petrenas et al. 2015), and the similarity of the signal before QRS complexes:
P waves repeat, fibrillation waves do not. A logistic regression on piecewise linear functions of
the features combines them; ``python bench/fit_rhythm.py`` fits it, with the settings that
``python bench/choose_fibrillation.py`` chose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log, nan, sqrt
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ._beat_window import BeatWindow
from ._features import median_height, rr_statistics, similarity_ranks, wave_statistics

__all__ = [
    "FEATURES",
    "MIN_RR",
    "P_FEATURES",
    "P_LEADS",
    "REGULAR",
    "RR_FEATURES",
    "AtrialModel",
    "AtrialSettings",
    "PWaves",
    "Scorer",
    "WindowOdds",
    "default_model",
    "expanded_p",
    "expanded_rr",
    "left_out_models",
    "p_features",
    "rr_features",
    "stored_settings",
]

Floats = npt.NDArray[np.float64]

#: Fewest RR intervals of a window from which it is scored.
MIN_RR = 6

RR_FEATURES = (
    "log_n", "log_rr", "rmssd", "sd", "diff_10", "diff_25", "diff_50", "diff_75", "range_80",
    "range_50", "map_cells", "rr_entropy", "sample_entropy", "turning_points",
    *(f"unequal_{lag}" for lag in range(1, 9)), "unequal_least", "lag_median_least",
)  # fmt: skip
P_FEATURES = ("p_coherence", "p_similarity", "p_similarity_25", "p_size", "p_energy")
FEATURES = RR_FEATURES + P_FEATURES

# The feature that `rr_statistics` leaves to NumPy.
_ENTROPY = RR_FEATURES.index("rr_entropy")


def rr_features(rr: npt.NDArray[np.int64]) -> Floats:
    """Features of RR intervals, in the order of `RR_FEATURES`.

    Parameters
    ----------
    rr : ndarray of int64, shape (n,)
        Intervals between beats that are not ventricular, in ms, `MIN_RR` to 48 of them.

    Returns
    -------
    ndarray of float64, shape (len(RR_FEATURES),)
    """
    out = np.empty(len(RR_FEATURES))
    counts = rr_statistics(rr, out)
    shares = counts / len(rr)
    out[_ENTROPY] = -float(shares @ np.log2(shares)) / log(len(rr), 2)
    return out


def p_features(waves: npt.NDArray[np.float32], around: npt.NDArray[np.float32]) -> Floats:
    """Features of the signal before QRS complexes, in the lead with the most similar P waves.

    Parameters
    ----------
    waves : ndarray of float32, shape (n, n_leads, points)
        Stretches, without their straight line.
    around : ndarray of float32, shape (n, points, n_leads)
        QRS complexes.

    Returns
    -------
    ndarray of float64, shape (len(P_FEATURES),)
        NaN with fewer than `MIN_RR` stretches.
    """
    n, points = len(waves), waves.shape[2]
    best = np.full(len(P_FEATURES), nan)
    if n < MIN_RR:
        return best
    x, norm = np.empty((n, points)), np.empty(n)
    template, mean = np.empty(points), np.empty(points)
    for lead in range(waves.shape[1]):
        size = median_height(around[:, :, lead])
        if not size > 0.0:
            continue
        power, median_norm, span = wave_statistics(waves[:, lead], x, norm, template, mean)
        length = sqrt(template @ template)
        middle, quarter = similarity_ranks(x @ template, norm, length, 1e-12 * size)
        share = float(mean @ mean) / (power + 1e-12 * size**2)
        one = (
            (share * n - 1.0) / (n - 1.0),
            middle,
            quarter,
            span / size,
            median_norm / size / points**0.5,
        )
        if not best[1] >= one[1]:
            best[:] = one
    return best


# Seconds before the R peak between which a P wave lies.
_P_BEGINS_S, _P_ENDS_S = 0.26, 0.07
# Points of the slow signal around the R peak that show the height of the QRS complex.
_QRS_POINTS = 5

#: Leads in which P waves are sought: the first ones.
P_LEADS = 2


class PWaves:
    """Where P waves lie in the slow signal around an R peak.

    Parameters
    ----------
    fs : float
        Of the slow signal, in Hz.

    Attributes
    ----------
    before, after : int
        Points around the R peak that `features` needs.
    """

    def __init__(self, fs: float) -> None:
        self.before = round(_P_BEGINS_S * fs)
        self.after = _QRS_POINTS + 1
        points = self.before - round(_P_ENDS_S * fs)
        self._points = points
        at = np.arange(points) - (points - 1) / 2.0
        self._at = (at / np.sqrt(at @ at)).astype(np.float32)

    def features(self, signal: npt.NDArray[np.float32]) -> Floats:
        """`p_features` of the signal around QRS complexes; NaN where there are too few.

        Parameters
        ----------
        signal : ndarray of float32, shape (n, before + after, n_leads)
            Finite.
        """
        if len(signal) < MIN_RR:
            return np.full(len(P_FEATURES), nan)
        x = signal[:, : self._points].transpose(0, 2, 1)
        x = x - x.mean(axis=2, keepdims=True)
        x -= (x @ self._at)[:, :, np.newaxis] * self._at
        return p_features(x, signal[:, self.before - _QRS_POINTS :])


# Spreads are limited to this share of the median interval: larger ones come from pauses and ectopy.
_SPREADS = slice(RR_FEATURES.index("rmssd"), RR_FEATURES.index("range_50") + 1)
_SPREAD_MAX = 0.3

# Knots of the piecewise linear functions: each adds the feature max(knot - value, 0).
_RR_KNOTS = (
    ("sample_entropy", (0.6, 1.0, 1.4)),
    ("unequal_least", (0.3, 0.5, 0.65)),
    ("rmssd", (0.08, 0.15, 0.22)),
)
_P_KNOTS = (
    ("p_similarity", (0.4, 0.55, 0.7, 0.85)),
    ("p_similarity_25", (0.0, 0.3, 0.6)),
    ("p_coherence", (0.05, 0.15, 0.3, 0.5)),
)


def _knots(
    knots: tuple[tuple[str, tuple[float, ...]], ...], names: tuple[str, ...]
) -> tuple[npt.NDArray[np.intp], Floats]:
    columns = [names.index(name) for name, at in knots for _ in at]
    return np.array(columns, np.intp), np.array([value for _, at in knots for value in at])


_RR_COLUMNS, _RR_AT = _knots(_RR_KNOTS, RR_FEATURES)
_P_COLUMNS, _P_AT = _knots(_P_KNOTS, P_FEATURES)


def expanded_rr(rr: Floats) -> Floats:
    """Inputs of the regression from RR intervals: limited features, and those at the knots.

    Parameters
    ----------
    rr : ndarray of float64, shape (..., len(RR_FEATURES))
    """
    n = len(RR_FEATURES)
    x = np.empty((*rr.shape[:-1], n + len(_RR_AT)))
    x[..., :n] = rr
    np.minimum(x[..., _SPREADS], _SPREAD_MAX, out=x[..., _SPREADS])
    np.maximum(_RR_AT - x[..., _RR_COLUMNS], 0.0, out=x[..., n:])
    return x


def expanded_p(p: Floats) -> Floats:
    """Inputs of the regression from P waves: the features, and those at the knots."""
    n = len(P_FEATURES)
    x = np.empty((*p.shape[:-1], n + len(_P_AT)))
    x[..., :n] = p
    np.maximum(_P_AT - p[..., _P_COLUMNS], 0.0, out=x[..., n:])
    return x


@dataclass(frozen=True)
class AtrialSettings:
    """How windows of beats become episodes of atrial fibrillation.

    Attributes
    ----------
    window : int
        Beats of a window.
    probability : float
        A window of higher probability is evidence for an episode, of lower against it.
    begins, ends : float
        An episode begins or ends once the log odds, summed over beats, exceed this.
    strip_probability : float
        `probability` in a strip of some seconds, where no other window can confirm it.
    """

    window: int
    probability: float
    begins: float
    ends: float
    strip_probability: float


@dataclass(frozen=True, eq=False)
class AtrialModel:
    """Two logistic regressions: on RR intervals and P waves, and on RR intervals alone.

    Attributes
    ----------
    with_p, without_p : ndarray of float64
        Weights of `expanded_rr`, then (in `with_p`) of `expanded_p`, then the constant.
    settings : AtrialSettings
        With which it was chosen.
    """

    with_p: Floats
    without_p: Floats
    settings: AtrialSettings

    def log_odds(self, rr: Floats, p: Floats) -> float:
        """Logarithm of the odds of atrial fibrillation; `p` is NaN without P waves."""
        x, weights = expanded_rr(rr), self.without_p
        if np.isfinite(p).all():
            x, weights = np.concatenate([x, expanded_p(p)]), self.with_p
        return float(x @ weights[:-1]) + float(weights[-1])

    @classmethod
    def from_dict(cls, weights: dict[str, Any], settings: AtrialSettings) -> AtrialModel:
        """The model that `to_dict` wrote."""
        return cls(np.array(weights["with_p"]), np.array(weights["without_p"]), settings)

    def to_dict(self) -> dict[str, Any]:
        """The weights as lists, ready for JSON."""
        return {"with_p": self.with_p.tolist(), "without_p": self.without_p.tolist()}


class Scorer(Protocol):
    """Gives the log odds of atrial fibrillation, as `AtrialModel` does."""

    @property
    def settings(self) -> AtrialSettings:
        """How windows become episodes."""

    def log_odds(self, rr: Floats, p: Floats) -> float:
        """Logarithm of the odds, from `rr_features` and `p_features`."""


#: Log odds of a regular rhythm.
REGULAR = -6.0


class WindowOdds:
    """Log odds of atrial fibrillation of a window of beats.

    Parameters
    ----------
    window : BeatWindow
    p_waves : PWaves
    model : Scorer
    """

    def __init__(self, window: BeatWindow, p_waves: PWaves, model: Scorer) -> None:
        self._window = window
        self._p_waves = p_waves
        self._model = model

    def __call__(self) -> float:
        """The log odds now; 0, which is even odds, where the window cannot be read."""
        window = self._window
        if not window.is_irregular:
            return REGULAR if window.is_readable else 0.0
        return self._model.log_odds(
            rr_features(window.intervals()), self._p_waves.features(window.stretches())
        )


@cache
def _stored() -> dict[str, Any]:
    text = files(__package__).joinpath("atrial.json").read_text("utf-8")
    stored: dict[str, Any] = json.loads(text)
    return stored


@cache
def stored_settings() -> AtrialSettings:
    """The settings that were chosen for the stored models."""
    return AtrialSettings(**_stored()["settings"])


@cache
def default_model() -> AtrialModel:
    """The model fitted to all recordings."""
    return AtrialModel.from_dict(_stored()["model"], stored_settings())


def left_out_models() -> dict[str, AtrialModel]:
    """For each recording that the model was fitted to, a model that never saw its patient."""
    stored = _stored()
    settings = stored_settings()
    models = [AtrialModel.from_dict(fold["model"], settings) for fold in stored["folds"]]
    return {
        name: model
        for fold, model in zip(stored["folds"], models, strict=True)
        for name in fold["records"]
    }
