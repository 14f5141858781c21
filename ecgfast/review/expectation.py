"""What is expected of each beat: the model's probabilities, moved by the answers of a review."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .beats import ReviewBeats
from .grouping import distances

__all__ = ["Expectation"]

# A model is overconfident on kinds of beats that it was not trained on: before a question is ranked
# by its probabilities, they are raised to this power and normalized.
_FLATTEN = 0.7

# How far an answer reaches in the space of `describe`, and by how many log-odds it moves beats.
_REACH, _STRENGTH = 0.8, 4.0

# Probabilities are clipped here before their logarithm.
_LEAST = 1e-4

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


class Expectation:
    """Log-odds of the classes of every beat; at first as the model says.

    Parameters
    ----------
    beats : ReviewBeats
    """

    def __init__(self, beats: ReviewBeats) -> None:
        self._beats = beats
        self._log_odds = _logarithm(beats.probabilities.astype(np.float64))

    def pool(self, group: Groups) -> None:
        """Give each beat the mean of the model's probabilities over its group.

        Parameters
        ----------
        group : ndarray of int64, shape (n,)
            Group of each beat; those below 0 stay as they are.
        """
        real = group >= 0
        means = _means(self._beats.probabilities[real].astype(np.float64), group[real])
        self._log_odds[real] = _logarithm(means)[group[real]]

    def answer(self, members: Groups, label: str) -> None:
        """Move what is expected of beats that resemble those that were called so.

        Parameters
        ----------
        members : ndarray of int64
            Indices of the beats that the answer was about.
        label : str
            A class of the model.
        """
        if not len(members):
            return
        said = np.zeros(len(self._beats.classes))
        said[self._beats.classes.index(label)] = 1.0
        surprise = said - self.probabilities()[members].mean(axis=0)
        described = self._beats.described
        centre = described[members].mean(axis=0)
        near = np.exp(-distances(described, centre) / (2 * _REACH**2))
        self._log_odds += _STRENGTH * near[:, np.newaxis] * surprise

    def probabilities(self) -> Floats:
        """Of each class, shape (n, classes)."""
        shares = np.exp(self._log_odds - self._log_odds.max(axis=1, keepdims=True))
        found: Floats = shares / shares.sum(axis=1, keepdims=True)
        return found

    def most_probable(self) -> npt.NDArray[np.int64]:
        """Number of each beat's most probable class, shape (n,)."""
        codes: npt.NDArray[np.int64] = self._log_odds.argmax(axis=1)
        return codes

    def worth(self, group: Groups, codes: npt.NDArray[np.int64], n_groups: int) -> Floats:
        """How many labels an answer about each group is expected to change.

        Parameters
        ----------
        group : ndarray of int64, shape (n,)
            Group of each beat; those below 0 do not count.
        codes : ndarray of int64, shape (n,)
            Label of each beat now: the number of a class, or the number after the last.
        n_groups : int

        Returns
        -------
        ndarray of float64, shape (n_groups,)
        """
        real = group >= 0
        own, flat = group[real], self.probabilities()[real] ** _FLATTEN
        flat /= flat.sum(axis=1, keepdims=True)
        chance = _means(flat, own, n_groups)
        labels = np.zeros((n_groups, len(self._beats.classes) + 1))
        np.add.at(labels, (own, codes[real]), 1.0)
        others = labels.sum(axis=1, keepdims=True) - labels[:, :-1]
        found: Floats = (chance * others).sum(axis=1)
        return found


def _logarithm(probabilities: Floats) -> Floats:
    found: Floats = np.log(np.clip(probabilities, _LEAST, 1.0))
    return found


def _means(values: Floats, own: Groups, number: int = 0) -> Floats:
    """Mean of the rows of each group."""
    counts = np.bincount(own, minlength=number)
    sums = [np.bincount(own, column, minlength=number) for column in values.T]
    return np.column_stack(sums) / np.maximum(counts, 1)[:, np.newaxis]
