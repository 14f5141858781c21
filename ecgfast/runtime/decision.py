"""Where a probability becomes a label: operating points, and beats that are rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from numbers import Real
from typing import TYPE_CHECKING, Any

from ..deprecated import warn_renamed
from ..errors import InputError, ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .classifier import Classifier

__all__ = ["REJECTED", "Decision", "LabelRule", "class_probabilities"]

#: Label of a beat that gets no class: too uncertain.
REJECTED = "?"

_SENSITIVITY, _PREDICTIVITY = "sensitivity", "positive predictivity"


@dataclass(frozen=True)
class LabelRule:
    """Probabilities of one beat in, its label out; made by `Decision.rule`.

    Attributes
    ----------
    classes : tuple of str
        The model's.
    thresholds : dict of str to float
        Classes that are told from this probability on.
    min_probability : float
        Probability below which a beat of the other classes is rejected.
    operating_points : tuple of dict
        What the model's card says of each threshold, by cross-validation: ``by``, ``class`` and
        ``wanted``, ``threshold``, and what was reached there, ``sensitivity`` and
        ``positive_predictivity`` or, of those not rejected, ``coverage`` and ``accuracy``, with
        ``intervals_95`` over patients.

    Examples
    --------
    >>> rule = LabelRule(("N", "S", "V"), {"V": 0.2}, min_probability=0.6)
    >>> rule([0.7, 0.0, 0.3]), rule([0.7, 0.2, 0.1]), rule([0.5, 0.4, 0.1])
    (('V', 0.3), ('N', 0.7), ('?', 0.5))
    """

    classes: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    min_probability: float = -inf
    operating_points: tuple[Mapping[str, Any], ...] = ()

    def __call__(self, probabilities: Sequence[float]) -> tuple[str, float]:
        """Label of one beat, and its probability.

        The most probable of the classes whose threshold is reached; where none is, the most
        probable of the classes without a threshold, or `REJECTED` with the highest probability of
        all where that is too uncertain.

        Parameters
        ----------
        probabilities : sequence of float
            Of each class, in the model's order, as `class_probabilities` gives them.

        Returns
        -------
        label : str
        probability : float
        """
        reached = [i for i, threshold in self._own if probabilities[i] >= threshold]
        best = max(reached or self._others, key=probabilities.__getitem__, default=None)
        if best is None or (not reached and probabilities[best] < self.min_probability):
            return REJECTED, max(probabilities)
        return self.classes[best], probabilities[best]

    @cached_property
    def _own(self) -> list[tuple[int, float]]:
        """Classes with a threshold."""
        return [(i, self.thresholds[c]) for i, c in enumerate(self.classes) if c in self.thresholds]

    @cached_property
    def _others(self) -> list[int]:
        return [i for i, c in enumerate(self.classes) if c not in self.thresholds]

    def labels(self, outputs: npt.NDArray[np.float32]) -> list[str]:
        """Labels of many beats: those that the rule gives one by one.

        Parameters
        ----------
        outputs : ndarray of float32, shape (n, outputs)
            What `Classifier.predict_proba` gives.

        Returns
        -------
        list of str
        """
        return [self(class_probabilities(row, self.classes))[0] for row in outputs.tolist()]

    @property
    def least(self) -> float:
        """Old name of `min_probability`."""
        warn_renamed("LabelRule.least", "LabelRule.min_probability")
        return self.min_probability

    @property
    def promises(self) -> tuple[Mapping[str, Any], ...]:
        """Old name of `operating_points`."""
        warn_renamed("LabelRule.promises", "LabelRule.operating_points")
        return self.operating_points


def _shown(share: Any) -> str:
    return f"{share:g}" if isinstance(share, Real) else repr(share)


@dataclass(frozen=True)
class Decision:
    """How a user wants probabilities to become labels; by default the most probable class.

    Thresholds are read from the model's card. They come from cross-validation: each beat of the
    training patients was labelled by a network that had not seen its patient, from reference R
    peaks, and calibrated; for the model `beats` these are patients of MIT-BIH (DS1) and of its
    Supraventricular Arrhythmia Database. A threshold holds for such patients, on average over
    their beats, and for each option alone. A single patient, another lead or another population
    can be far from it; ``ecgfast evaluate`` shows the figures on the test patients.

    Parameters
    ----------
    sensitivity : dict of str to float
        By class: share of its beats to find, such as ``{"V": 0.95}``. The threshold is the highest
        one that finds at least this share.
    positive_predictivity : dict of str to float
        By class: share of the beats labelled with it that are right, such as ``{"S": 0.8}``. The
        threshold is the lowest one at which at least this share is right.
    reject : float
        Share of beats, at most, that are labelled "?" instead of a class: the least certain ones
        (Chow, 1970). A beat that reaches the threshold of a class is never rejected.

    Raises
    ------
    InputError
        If a figure is no share, or a class is given twice.

    Notes
    -----
    Where the card says that ``holds`` is false, a threshold did not keep its figure on patients of
    other recordings: sensitivities of S of the model `beats`. Levels whose other figure is below
    20 % are not offered.

    A level between two of the card becomes the next stricter one. Where thresholds of two classes
    are reached, the more probable class is reported. An int8 model reports probabilities in steps
    of 1/256: thresholds below a few of these steps are inexact.

    Examples
    --------
    >>> from ecgfast import Decision, stream_classify
    >>> careful = Decision(sensitivity={"V": 0.95}, reject=0.05)
    >>> for beat in stream_classify("mitdb/208", decision=careful):  # doctest: +SKIP
    ...     print(beat.time, beat.label, beat.probability)

    On many beats at once:

    >>> rule = careful.rule(classifier)                              # doctest: +SKIP
    >>> rule.labels(classifier.predict_proba(batch.windows, batch.features))  # doctest: +SKIP
    """

    sensitivity: Mapping[str, float] = field(default_factory=dict)
    positive_predictivity: Mapping[str, float] = field(default_factory=dict)
    reject: float = 0.0

    def __post_init__(self) -> None:
        for by, levels in self._levels():
            if not isinstance(levels, Mapping):
                raise InputError(
                    f"{by} is {levels!r}: give a share by class, such as {{'V': 0.95}}"
                )
            for label, level in levels.items():
                if not (isinstance(level, Real) and 0 < level <= 1):
                    raise InputError(
                        f"{by} of {label}: {_shown(level)} is no share above 0, up to 1"
                    )
        if both := self.sensitivity.keys() & self.positive_predictivity.keys():
            raise InputError(
                f"class {sorted(both)[0]}: give a sensitivity or a positive predictivity, not both"
            )
        if not (isinstance(self.reject, Real) and 0 <= self.reject < 1):
            raise InputError(f"reject: {_shown(self.reject)} is no share from 0 up, below 1")

    def _levels(self) -> tuple[tuple[str, Mapping[str, float]], ...]:
        return (_SENSITIVITY, self.sensitivity), (_PREDICTIVITY, self.positive_predictivity)

    def rule(self, classifier: Classifier, lookahead: int = 0) -> LabelRule:
        """The thresholds that a model's card has for it.

        Parameters
        ----------
        classifier : Classifier
        lookahead : {0, 1}
            Whether the model is shown the next RR interval: thresholds differ.

        Returns
        -------
        LabelRule

        Raises
        ------
        ModelError
            If the model gives no classes, or its card does not offer what is wanted.
        """
        if self == Decision():
            return LabelRule(classifier.classes)
        card, name = classifier.card, str(classifier.path)
        measured: Mapping[str, Any] = {}
        if card is not None:
            name = f"model {card.name}"
            measured = card.probabilities(lookahead)
        chosen = []
        for by, levels in self._levels():
            for label, level in levels.items():
                if label not in classifier.classes:
                    has = ", ".join(classifier.classes)
                    raise ModelError(f"{name}: has no class {label!r} (it has: {has})")
                points = measured.get("operating points", {})
                chosen.append(_operating_point(name, points, by, label, level))
        thresholds = {row["class"]: row["threshold"] for row in chosen}
        min_probability = -inf
        if self.reject:
            chosen.append(_rejection(name, measured.get("coverage", ()), self.reject))
            min_probability = chosen[-1]["threshold"]
        return LabelRule(classifier.classes, thresholds, min_probability, tuple(chosen))


def class_probabilities(output: Any, classes: Sequence[str]) -> list[float]:
    """Probability of each class from a model's output for one beat.

    Parameters
    ----------
    output : ndarray of float32, shape (outputs,)
        One number where a sigmoid gives the probability of the second of two classes.
    classes : sequence of str

    Returns
    -------
    list of float
    """
    shares = [float(number) for number in output]  # of float32, exactly: thresholds are doubles
    return [1.0 - shares[0], shares[0]] if len(shares) == 1 and len(classes) == 2 else shares


def _operating_point(
    name: str, points: Mapping[str, Any], by: str, label: str, level: float
) -> dict[str, Any]:
    """The card's threshold for the least level that is no lower than the one wanted."""
    if label not in points:
        has = f"it offers: {', '.join(points)}" if points else "its card has none"
        raise ModelError(f"{name}: offers no operating points of {label} ({has})")
    rows = [row for row in points[label] if row["by"] == by]
    enough = [row for row in rows if row["wanted"] >= level]
    if not enough:
        most = f"up to {max(row['wanted'] for row in rows):g}" if rows else "at no level"
        raise ModelError(f"{name}: offers {by} of {label} {most}, not {level:g}")
    return {**min(enough, key=lambda row: row["wanted"]), "class": label, "wanted": level}


def _rejection(name: str, coverage: Sequence[Mapping[str, Any]], share: float) -> dict[str, Any]:
    """The card's threshold that rejects the most, but no more than the share wanted."""
    rows = [row for row in coverage if row["coverage"] < 1]
    if not rows:
        raise ModelError(f"{name}: offers no share of beats to reject (its card has none)")
    # A hair of room: 1 - 0.05 is not 0.95 to the last bit.
    enough = [row for row in rows if 1 - row["coverage"] <= share + 1e-9]
    if not enough or share > 1 - min(row["coverage"] for row in rows) + 1e-9:
        least, most = (1 - pick(row["coverage"] for row in rows) for pick in (max, min))
        raise ModelError(
            f"{name}: offers to reject {least:.3g} to {most:.3g} of all beats, not {share:g}"
        )
    return {**min(enough, key=lambda row: row["coverage"]), "by": "reject", "wanted": share}
