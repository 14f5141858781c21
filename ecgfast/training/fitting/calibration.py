"""Probabilities that mean what they say: a temperature and an offset for each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...extras import need

__all__ = ["Calibration", "fit_calibration"]

# Offsets beyond this only say "never".
_OFFSET_LIMIT = 6.0
# Examples from which a class has an offset: how often a network should tell a rarer one is unknown.
_ENOUGH = 100
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Calibration:
    """Class probabilities p become softmax(log(p) / temperature + offset).

    Attributes
    ----------
    temperature : float
        Above 1 where the network is too sure.
    offset : tuple of float
        One a class, 0 for the first.
    """

    temperature: float
    offset: tuple[float, ...]

    def __call__(self, probability: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, shape (n, classes) as given."""
        return _softmax(_log(probability) / self.temperature + np.asarray(self.offset))

    def fold_into(self, model: Any) -> None:
        """Put it into the softmax layer "probability": the model itself is calibrated then.

        Parameters
        ----------
        model : keras.Model
        """
        last = model.get_layer("probability")
        kernel, bias = last.get_weights()
        offset = np.asarray(self.offset)
        last.set_weights([kernel / self.temperature, bias / self.temperature + offset])


def fit_calibration(
    probability: npt.NDArray[Any], target: npt.ArrayLike, weight: npt.ArrayLike
) -> Calibration:
    """Fit the calibration that makes reference classes likeliest (Guo et al., ICML 2017).

    Parameters
    ----------
    probability : ndarray, shape (n, classes)
        Of examples of patients that the network had not seen.
    target : array_like of int, shape (n,)
    weight : array_like of float, shape (n,)

    Returns
    -------
    Calibration
        Of classes with fewer than 100 examples the offset is 0.
    """
    optimize = need("scipy.optimize", "Calibrating probabilities", "train")
    logits, labels = _log(probability), np.asarray(target, np.int64)
    share = np.asarray(weight, np.float64)
    share = share / share.sum()
    n, classes = logits.shape
    truth = np.zeros((n, classes))
    truth[np.arange(n), labels] = 1.0

    def loss(x: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scale = np.exp(-x[0])
        found = _softmax(logits * scale + np.concatenate([[0.0], x[1:]]))
        error = (found - truth) * share[:, np.newaxis]
        gradient = np.concatenate([[-(error * logits).sum() * scale], error.sum(axis=0)[1:]])
        likely = np.maximum(found[np.arange(n), labels], _SMALLEST)
        return float(-(share * np.log(likely)).sum()), gradient

    known = np.bincount(labels, minlength=classes)[1:] >= _ENOUGH
    limits = np.where(known, _OFFSET_LIMIT, 0.0)
    bounds = [(-2.0, 2.0), *zip(-limits, limits, strict=True)]
    best = optimize.minimize(loss, np.zeros(classes), jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(best[0])), (0.0, *(float(b) for b in best[1:])))


def _log(probability: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    logits: npt.NDArray[np.float64] = np.log(np.maximum(np.asarray(probability, float), _SMALLEST))
    return logits


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: npt.NDArray[np.float64] = above / above.sum(axis=1, keepdims=True)
    return shares
