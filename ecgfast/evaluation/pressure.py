"""How good predicted pressures are: against limits of standards, and against what needs no ECG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from ..errors import InputError
from ..printable import counted

__all__ = [
    "MOVED",
    "Agreement",
    "Calibration",
    "Gain",
    "PressureScores",
    "agreement",
    "calibrate",
    "damped_changes",
    "gain_over",
]

Floats = npt.NDArray[np.float64]

# Share of windows within 5, 10 and 15 mmHg that each grade needs (British Hypertension Society).
_WITHIN = (5.0, 10.0, 15.0)
_GRADES = {"A": (0.60, 0.85, 0.95), "B": (0.50, 0.75, 0.90), "C": (0.40, 0.65, 0.85)}
MOVED = (5.0, 10.0)
"""mmHg by which minimum and maximum must be off a usual or known value to have moved."""
# Mean error and standard deviation that ISO 81060-2 allows, mmHg.
_ISO_MEAN, _ISO_SD = 5.0, 8.0


@dataclass(frozen=True)
class Agreement:
    """How far predicted pressures are from measured ones.

    Attributes
    ----------
    windows : int
    mean_error, deviation : float
        Mean and standard deviation of predicted minus measured, mmHg.
    mae : float
        Mean absolute error, mmHg.
    within : tuple of float
        Shares of windows within 5, 10 and 15 mmHg.
    """

    windows: int
    mean_error: float
    deviation: float
    mae: float
    within: tuple[float, float, float]

    @property
    def grade(self) -> str:
        """Grade A to D by `within` (O'Brien et al., J Hypertens 11, 1993); not a validation."""
        for grade, needed in _GRADES.items():
            if all(share >= need for share, need in zip(self.within, needed, strict=True)):
                return grade
        return "D"

    @property
    def within_iso(self) -> bool:
        """Whether error and spread are within ISO 81060-2's limits, 5 and 8 mmHg."""
        return abs(self.mean_error) <= _ISO_MEAN and self.deviation <= _ISO_SD

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
        """
        return {
            "windows": self.windows,
            "ME": round(self.mean_error, 2),
            "SD": round(self.deviation, 2),
            "MAE": round(self.mae, 2),
            "within_5_10_15": [round(share, 4) for share in self.within],
            "BHS_grade": self.grade,
            "within_ISO_81060_2": self.within_iso,
        }


def agreement(measured: npt.ArrayLike, predicted: npt.ArrayLike) -> Agreement:
    """Compare predicted with measured pressures.

    Parameters
    ----------
    measured, predicted : array_like, shape (n,)
        mmHg.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        If there is nothing to compare, or lengths differ.
    """
    actual, given = np.asarray(measured, np.float64), np.asarray(predicted, np.float64)
    if actual.shape != given.shape or actual.ndim != 1 or not len(actual):
        raise InputError(
            f"measured has the shape {actual.shape} and predicted {given.shape}: give both of "
            "shape (n,), for the same windows"
        )
    error = given - actual
    within = [float((np.abs(error) <= limit).mean()) for limit in _WITHIN]
    return Agreement(
        len(error),
        float(error.mean()),
        float(error.std(ddof=1)) if len(error) > 1 else 0.0,
        float(np.abs(error).mean()),
        (within[0], within[1], within[2]),
    )


class Gain(NamedTuple):
    """By how much the mean absolute error of one is smaller than another's, mmHg."""

    mmhg: float
    low: float
    high: float
    """End of its 95 % interval, as `low` is its begin; NaN where there is one group alone."""
    share: float
    """Of the other's mean absolute error."""

    @property
    def has_interval(self) -> bool:
        """Whether there were several groups to draw from."""
        return math.isfinite(self.low)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
        """
        interval = {"interval_95": [round(self.low, 3), round(self.high, 3)]}
        return {
            "mmHg": round(self.mmhg, 3),
            **(interval if self.has_interval else {}),
            "percent": round(100 * self.share, 2),
        }


def gain_over(
    measured: npt.ArrayLike,
    predicted: npt.ArrayLike,
    otherwise: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Gain:
    """Gain in mean absolute error over other predictions, with its interval over groups.

    Parameters
    ----------
    measured, predicted, otherwise : array_like, shape (n,)
        mmHg.
    groups : array_like of str, shape (n,)
        What is drawn with replacement as a whole (bootstrap; Efron, 1979).
    draws : int
    seed : int

    Returns
    -------
    Gain
        With a 95 % interval where there are several groups.
    """
    actual = np.asarray(measured, np.float64)
    other = np.abs(np.asarray(otherwise, np.float64) - actual)
    better = other - np.abs(np.asarray(predicted, np.float64) - actual)
    _, whose = np.unique(np.asarray(groups), return_inverse=True)
    size = np.bincount(whose).astype(np.float64)
    total = np.bincount(whose, better)
    low = high = math.nan  # of one group every draw is the same, and would pass for certainty
    if len(size) > 1:
        generator = np.random.default_rng(seed)
        weights = generator.multinomial(len(size), np.full(len(size), 1 / len(size)), size=draws)
        low, high = np.percentile((weights @ total) / (weights @ size), (2.5, 97.5))
    base = float(other.mean())
    return Gain(
        float(better.mean()), float(low), float(high), float(better.mean()) / base if base else 0.0
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the first part of each recording tells of the rest.

    Attributes
    ----------
    later : ndarray of bool, shape (n,)
        Windows of recordings that could be calibrated, past the calibration.
    start : ndarray of float64, shape (n, k)
        Of each window the median over its recording's calibration windows; NaN where there is
        none.
    """

    later: npt.NDArray[np.bool_]
    start: Floats


def calibrate(
    values: npt.ArrayLike,
    record: npt.ArrayLike,
    time: npt.ArrayLike,
    *,
    seconds: float = 60.0,
    length: float = 10.0,
    windows: int = 3,
) -> Calibration:
    """Take the first windows of each recording as known.

    Parameters
    ----------
    values : array_like, shape (n, k)
        Numbers of each window: pressures, or what a model tells of it.
    record : array_like of str, shape (n,)
        Recording of each window.
    time : array_like, shape (n,)
        End of each window, s from the recording's start.
    seconds : float
        Windows that end by then are known.
    length : float
        Of a window, s: those to tell begin after the calibration.
    windows : int
        Known windows that a recording needs at least; others are left out.

    Returns
    -------
    Calibration
    """
    numbers = np.asarray(values, np.float64)
    names, end = np.asarray(record), np.asarray(time, np.float64)
    start = np.full(numbers.shape, np.nan)
    later = np.zeros(len(numbers), dtype=bool)
    for name in np.unique(names):
        own = names == name
        known = own & (end <= seconds)
        if known.sum() >= windows:
            start[own] = np.median(numbers[known], axis=0)
            later |= own & (end - length >= seconds)
    return Calibration(later, start)


def damped_changes(
    change: npt.ArrayLike,
    measured: npt.ArrayLike,
    fold: npt.ArrayLike,
    *,
    damping: float = 0.5,
    limit: float = 2.0,
) -> Floats:
    """Change of pressure since the calibration, predicted from the change of something else.

    Least squares through zero, its slope damped, found on the other folds alone: what one group of
    patients does is a weak guide to the next.

    Parameters
    ----------
    change : array_like, shape (n, k) or (n,)
        Of what is known of the window since the calibration: of each output's own, or of one
        number for all.
    measured : array_like, shape (n, k)
        Change of pressure, mmHg.
    fold : array_like of int, shape (n,)
    damping : float
        Share of the slope that is used.
    limit : float
        Changes beyond this many of their root mean squares count as that many.

    Returns
    -------
    ndarray of float64, shape (n, k)
    """
    actual, folds = np.asarray(measured, np.float64), np.asarray(fold)
    of = np.asarray(change, np.float64)
    of = np.broadcast_to(of if of.ndim == 2 else of[:, np.newaxis], actual.shape)
    predicted = np.zeros_like(actual)
    for k in np.unique(folds):
        other, own = folds != k, folds == k
        size = np.sqrt(np.mean(of[other] ** 2, axis=0))
        size[size == 0] = 1.0
        known = np.clip(of[other] / size, -limit, limit)
        power = np.sum(known**2, axis=0)
        slope = np.sum(known * actual[other], axis=0) / np.where(power == 0, 1.0, power)
        predicted[own] = damping * slope * np.clip(of[own] / size, -limit, limit)
    return predicted


_COLUMNS = (
    *("ME ± SD", "MAE", "<=5 %", "<=10 %", "<=15 %", "BHS", "ISO", "MAE moved"),
    "gain in MAE [95 %]",
)


# Columns of the table that say something of standards, which are for many people.
_OF_STANDARDS = ("BHS", "ISO")
_NO_VALIDATION = "BHS and ISO: limits of the errors alone; a validation measures 85 people."
_ONE_PERSON = "Of one person: it says nothing of anybody else; the standards are for 85 people."


@dataclass(frozen=True, eq=False)
class PressureScores:
    """A model and what needs no ECG, side by side on the same windows.

    Attributes
    ----------
    heading : str
        The protocol.
    outputs : tuple of str
        Names of the k numbers, such as "minimum" and "maximum".
    measured : ndarray, shape (n, k)
        mmHg.
    predicted : dict of str to ndarray, shapes (n, k)
        By name; the first is the baseline that gains are over.
    group : ndarray of str, shape (n,)
        Of perhaps one patient.
    record : ndarray of str, shape (n,)
    moved : ndarray of bool, shape (n, k)
        Windows where each pressure had really moved.
    of_one_person : bool
        Whether `group` holds stretches of one person's time. Grade and limits of the standards are
        then left out: they are for 85 people.
    """

    heading: str
    outputs: tuple[str, ...]
    measured: Floats
    predicted: Mapping[str, Floats]
    group: npt.NDArray[np.str_]
    record: npt.NDArray[np.str_]
    moved: npt.NDArray[np.bool_]
    of_one_person: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON.

        Returns
        -------
        dict
        """
        return {
            "protocol": self.heading,
            "windows": len(self.measured),
            "records": len(np.unique(self.record)),
            "groups": len(np.unique(self.group)),
            **{output: self._of(i) for i, output in enumerate(self.outputs)},
        }

    def headline(self) -> dict[str, Any]:
        """Error, spread and gain of each of `predicted`, for a model's card.

        Returns
        -------
        dict
        """
        facts = self.to_dict()
        return {
            f"{output}, {name}": {
                "ME ± SD": f"{predicted['ME']:+.2f} ± {predicted['SD']:.2f}",
                "MAE": predicted["MAE"],
                **({"gain": predicted["gain"]} if "gain" in predicted else {}),
            }
            for output in self.outputs
            for name, predicted in facts[output].items()
        }

    def _of(self, i: int) -> dict[str, Any]:
        base = next(iter(self.predicted))
        found: dict[str, Any] = {}
        for name, predicted in self.predicted.items():
            found[name] = self._agreement(self.measured[:, i], predicted[:, i])
            if name != base:
                found[name]["gain"] = self.gain(name, i).to_dict()
            moved = self.moved[:, i]
            if moved.any():
                where_moved = self._agreement(self.measured[moved, i], predicted[moved, i])
                found[name]["where_it_moved"] = where_moved
        return found

    def _agreement(self, measured: Floats, predicted: Floats) -> dict[str, Any]:
        facts = agreement(measured, predicted).to_dict()
        if self.of_one_person:
            del facts["BHS_grade"], facts["within_ISO_81060_2"]
        return facts

    def gain(self, name: str, output: int) -> Gain:
        """Gain of one of `predicted` over the first of them.

        Parameters
        ----------
        name : str
        output : int
            Index of the number.

        Returns
        -------
        Gain
        """
        base = next(iter(self.predicted.values()))
        predicted = self.predicted[name]
        return gain_over(
            self.measured[:, output], predicted[:, output], base[:, output], self.group
        )

    def table(self) -> str:
        """The figures as lines of text, mmHg.

        Returns
        -------
        str
        """
        facts = self.to_dict()
        groups = counted(facts["groups"], "minute" if self.of_one_person else "group")
        parts = [
            f"{self.heading}: {counted(facts['windows'], 'window')} of "
            f"{counted(facts['records'], 'record')} in {groups}"
        ]
        shown = [name for name in _COLUMNS if not (self.of_one_person and name in _OF_STANDARDS)]
        for i, output in enumerate(self.outputs):
            cells = [
                dict(zip(_COLUMNS, self._cells(i, name), strict=True)) for name in self.predicted
            ]
            rows = [
                [name, *(row[column] for column in shown)]
                for name, row in zip(self.predicted, cells, strict=True)
            ]
            align = ["left", *["right"] * len(shown)]
            parts += [
                tabulate(rows, [output, *shown], "plain", disable_numparse=True, colalign=align),
                f"moved: {counted(int(self.moved[:, i].sum()), 'window')}",
            ]
        parts.append(_ONE_PERSON if self.of_one_person else _NO_VALIDATION)
        return "\n".join(parts)

    def _cells(self, i: int, name: str) -> list[str]:
        """What stands under `_COLUMNS`."""
        measured, predicted, moved = (
            self.measured[:, i],
            self.predicted[name][:, i],
            self.moved[:, i],
        )
        found = agreement(measured, predicted)
        cells = [
            f"{found.mean_error:+.2f} ± {found.deviation:.2f}",
            f"{found.mae:.2f}",
            *(f"{100 * share:.0f}" for share in found.within),
            found.grade,
            "yes" if found.within_iso else "no",
            f"{agreement(measured[moved], predicted[moved]).mae:.2f}" if moved.any() else "-",
        ]
        if name == next(iter(self.predicted)):
            return [*cells, ""]
        gain = self.gain(name, i)
        interval = f" [{gain.low:+.2f}, {gain.high:+.2f}]" if gain.has_interval else ""
        return [*cells, f"{gain.mmhg:+.2f}{interval} {100 * gain.share:+.1f} %"]
