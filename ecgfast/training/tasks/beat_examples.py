"""Which beats train and which test, and how much each of them weighs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...core import FEATURE_NAMES
from ...errors import InputError
from ...evaluation.false_alarms import STRIPS
from ..datasets.examples import ExampleSet
from ..datasets.splits import DS2, named_records, patient_of
from ..recipes.recipe import Recipe

__all__ = [
    "annotated",
    "by_database",
    "databases_of",
    "of_training_patients",
    "patient_weights",
    "test_part",
    "test_part_name",
    "weighted",
]

_TEST = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
# Beats of one class below which a patient's weight grows no more.
_FEW = 50


def of_training_patients(
    beats: ExampleSet, test: Sequence[tuple[str, str, str]] | None = None
) -> ExampleSet:
    """All beats of a set but those of the test part.

    Parameters
    ----------
    beats : ExampleSet
    test : sequence of (database, record, patient), optional
        The test part: no beat of its patients is left. By default DS2, of which one patient is
        known to be in DS1 too.

    Returns
    -------
    ExampleSet

    Raises
    ------
    InputError
        If none is left.
    """
    if test is None:
        kept = beats.only(~np.isin(beats.record, [f"{base}/{name}" for base, name, _ in _TEST]))
        if not len(kept):
            raise InputError("the data set holds no training records: prepare it with DS1's")
        return kept
    return beats.only(~np.isin(beats.patient, [patient for _, _, patient in test]))


def test_part(recipe: Recipe, data: str | os.PathLike[str]) -> list[tuple[str, str, str]]:
    """Recordings that test, and whose they are: DS2, or those that the recipe names."""
    named = recipe.options.get("test")
    if named is None:
        return _TEST
    if not named:
        raise InputError(f"recipe {recipe.name}: options.test names no recording")
    return named_records(data, named)


def test_part_name(recipe: Recipe) -> str:
    """What the figures of the test part are called."""
    return "DS2" if recipe.options.get("test") is None else "test records"


def annotated(recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.bool_]:
    """Examples with reference labels, of databases that the recipe learns from."""
    apart = {STRIPS, *recipe.options.get("left_out", ())}
    learnt = [i for i, name in enumerate(examples.about["databases"]) if name not in apart]
    return np.isin(examples.columns["database"], learnt)


def by_database(examples: ExampleSet) -> dict[str, npt.NDArray[np.bool_]]:
    """Which examples are of which database."""
    of = examples.columns["database"]
    names = examples.about["databases"]
    return {str(name): of == i for i, name in enumerate(names) if np.any(of == i)}


def databases_of(examples: ExampleSet) -> npt.NDArray[np.int64]:
    """Database of each example, as an index."""
    index: npt.NDArray[np.int64] = examples.columns["database"].astype(np.int64)
    return index


def patient_weights(
    labels: npt.ArrayLike, patients: npt.ArrayLike, power: float
) -> npt.NDArray[np.float32]:
    """Weights by which no patient decides alone what a class looks like.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
    patients : array_like of str, shape (n,)
    power : float
        A patient's m beats of a class weigh ``m ** -power`` each: 0 all beats alike, 1 all
        patients alike.

    Returns
    -------
    ndarray of float32, shape (n,)
        With a mean of one over each class.
    """
    classes = np.asarray(labels, np.int64)
    _, whose = np.unique(np.asarray(patients), return_inverse=True)
    counts = np.zeros((classes.max() + 1, whose.max() + 1))
    np.add.at(counts, (classes, whose), 1.0)
    weights = np.maximum(counts, _FEW) ** -power
    weights *= (counts.sum(axis=1) / (counts * weights).sum(axis=1).clip(1e-9))[:, np.newaxis]
    return weights[classes, whose].astype(np.float32)


def weighted(
    recipe: Recipe, examples: ExampleSet, share: float = 1.0, database: int = -1
) -> ExampleSet:
    """Beats as the recipe's examples; `share` is the mean weight of a class."""
    for name in recipe.options.get("without", ()):
        if name in examples.inputs:
            examples.inputs[name][:] = 0.0
        else:
            examples.inputs["features"][..., FEATURE_NAMES.index(name)] = 0.0
    power = float(recipe.options.get("patient_weight_power", 0.0))
    weight = share * patient_weights(examples.target, examples.patient, power)
    n, whose = len(examples), np.unique(examples.record, return_inverse=True)[1]
    columns = {
        "sample": examples.columns["sample"],
        "weight": (weight * examples.columns.get("taught", np.ones(n))).astype(np.float32),
        "rr": examples.columns["rr"],
        "database": np.full(n, database, np.int8),
        "recording": (whose + 100_000 * (database + 1)).astype(np.int64),
        "fibrillation": examples.columns.get("fibrillation", np.zeros(n, bool)),
    }
    return dataclasses.replace(examples, columns=columns)
