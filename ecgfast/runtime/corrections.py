"""What a patient's corrected beats say of the level of each class's probability."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InputError, StateError
from ..versioned import Versioned

if TYPE_CHECKING:
    from .classifier import Classifier

__all__ = ["MOST_CORRECTIONS", "Corrections", "model_of"]

#: Corrections that are kept: the last ones.
MOST_CORRECTIONS = 256

# Standard deviation of the offsets before any correction, in logits: a few beats move them by as
# much as patients differ, and no answer of one class alone moves them without end.
_PRIOR = 2.0
_STEPS, _SMALLEST = 25, 1e-7


class Corrections(Versioned):
    """Offsets of a patient's class probabilities, from beats whose class somebody knows.

    Within a patient a model orders beats almost without error; the level differs between patients.
    So each class but the first has an offset, which is added to the logarithm of its probability:
    those that make the known classes likeliest, with a Gaussian prior about 0 (a logistic
    regression, fitted anew after each correction).

    Parameters
    ----------
    classes : sequence of str
        The model's.
    model : str
        Which one, as `model_of` names it: the offsets are of its probabilities. "" where it is not
        known.

    Examples
    --------
    >>> corrections = Corrections(("N", "S"))
    >>> for _ in range(5):
    ...     corrections.add([0.4, 0.6], "N")
    >>> corrections([0.4, 0.6]).argmax()
    0
    """

    model = ""

    def __init__(self, classes: Sequence[str], model: str = "") -> None:
        self.classes, self.model = tuple(classes), model
        if len(self.classes) < 2:
            raise InputError(f"corrections need two classes, not {', '.join(self.classes)}")
        self._known: deque[tuple[tuple[float, ...], int]] = deque(maxlen=MOST_CORRECTIONS)
        self.offsets: npt.NDArray[np.float64] = np.zeros(len(self.classes))

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[tuple[float, ...], str]]:
        """The probabilities and the label of each correction that is kept, the oldest first."""
        return ((shares, self.classes[index]) for shares, index in self._known)

    def add(self, probabilities: Sequence[float], label: str) -> None:
        """Learn what a beat is.

        Parameters
        ----------
        probabilities : sequence of float
            What the model says of it, before any correction.
        label : str
            Its class.

        Raises
        ------
        InputError
            If there is no such class, or as many probabilities as classes are not given.
        """
        if label not in self.classes:
            raise InputError(f"no class {label!r}: the model has {', '.join(self.classes)}")
        shares = tuple(float(share) for share in probabilities)
        if len(shares) != len(self.classes) or not all(map(isfinite, shares)):
            raise InputError(f"a probability is needed for each of {', '.join(self.classes)}")
        self._known.append((shares, self.classes.index(label)))
        self._fit()

    def __call__(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Corrected probabilities.

        Parameters
        ----------
        probabilities : array_like of float, shape (classes,) or (n, classes)

        Returns
        -------
        ndarray of float64, of the same shape
        """
        return _softmax(_log(probabilities) + self.offsets)

    def check_of(self, classes: Sequence[str], model: str) -> None:
        """Refuse to correct another model: its probabilities have other levels.

        Parameters
        ----------
        classes : sequence of str
            That model's.
        model : str
            Which one it is.

        Raises
        ------
        StateError
            If these corrections are of another one.
        """
        if self.classes != tuple(classes):
            raise StateError(
                f"these corrections are of a model of {', '.join(self.classes)}, and this one has "
                f"{', '.join(classes)}: begin new ones"
            )
        if self.model and model and self.model != model:
            raise StateError(
                f"these corrections are of the model {self.model}, and this one is {model}: load "
                "that one, or begin new ones"
            )

    def _fit(self) -> None:
        """Newton's method on the log posterior, which is concave."""
        logits = _log([shares for shares, _ in self._known])
        truth = np.eye(len(self.classes))[[index for _, index in self._known]]
        offsets = np.zeros(len(self.classes))
        for _ in range(_STEPS):
            shares = _softmax(logits + offsets)
            gradient = (truth - shares).sum(axis=0)[1:] - offsets[1:] / _PRIOR**2
            spread = np.diag(shares.sum(axis=0)) - shares.T @ shares
            curvature = spread[1:, 1:] + np.eye(len(offsets) - 1) / _PRIOR**2
            step = np.linalg.solve(curvature, gradient)
            # Far from the answer the curvature says too little: no step is longer than the prior.
            step *= min(1.0, _PRIOR / max(float(np.abs(step).max()), 1e-12))
            offsets[1:] += step
            if np.abs(step).max() < 1e-9:
                break
        self.offsets = offsets


def model_of(classifier: Classifier) -> str:
    """Name a model so that one trained anew under the same name is another.

    Parameters
    ----------
    classifier : Classifier

    Returns
    -------
    str
        Its precisions are one model: their levels are alike.
    """
    card = classifier.card
    if card is None:
        return classifier.path.name
    digests = [str(of.get("sha256", "")) for of in card.precisions.values()]
    return f"{card.name} {min(digests, default='')[:12]}".strip()


def _log(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    logits: npt.NDArray[np.float64] = np.log(
        np.maximum(np.asarray(probabilities, np.float64), _SMALLEST)
    )
    return logits


def _softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = above / above.sum(axis=-1, keepdims=True)
    return shares
