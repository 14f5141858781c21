"""Task "personal-blood-pressure": pressure of one person, from recordings that carry it.

The first part of what was recorded trains, the rest tests: what is stated is what the model is
worth later, beside what needs no ECG. A model of one person says nothing of another.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...errors import InputError
from ...evaluation.pressure import MOVED, PressureScores
from ...runtime import Classifier, ModelCard
from ...window import WindowSpec
from ..datasets.examples import ExampleSet
from ..datasets.pressure import OUTPUTS, prepare_person
from ..datasets.strips import STRIP_TEXT
from ..recipes.recipe import Recipe
from ..scoring import write_score
from .base import CardFacts, Task, given_inputs

__all__ = ["HEADING", "TASK", "PersonalPressureTask", "parts_in_time", "personal_recipe"]

Floats = npt.NDArray[np.float64]

HEADING = "one person, later than the training"
"""Of the figures on the card."""
# Windows from which either part says something: a minute and half a minute, five seconds apart.
_LEAST_TRAIN, _LEAST_TEST = 12, 6
# s, by which the intervals of a person's figures are drawn: windows that overlap are not apart.
_STRETCH_S = 60.0


def personal_recipe(recipe: Recipe, recordings: Sequence[str | os.PathLike[str]]) -> Recipe:
    """The recipe of a model of one person.

    Parameters
    ----------
    recipe : Recipe
        Of the task "blood-pressure"; its option ``person`` holds what differs for one person.
    recordings : sequence of path
        The person's, the earliest first.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        If the recipe has no such option.
    """
    change = recipe.options.get("person")
    if recipe.task != "blood-pressure" or not isinstance(change, dict):
        raise InputError(f"recipe {recipe.name}: makes no model of one person; blood-pressure does")
    options = {
        **{name: recipe.options[name] for name in ("step_s", "calibration_s")},
        **change.get("options", {}),
        "recordings": [os.fspath(path) for path in recordings],
    }
    return dataclasses.replace(
        recipe.changed({"schedule": change.get("schedule", {})}),
        name=f"{recipe.name}-personal",
        description=str(change["description"]),
        task="personal-blood-pressure",
        options=options,
        databases=(),
        candidates={},
        comparisons={},
        protocols={},
        limits=tuple(change["limits"]),
    )


def parts_in_time(
    examples: ExampleSet, share: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Windows that train, and those that begin after the last of them.

    Parameters
    ----------
    examples : ExampleSet
        From `prepare_person`, n rows.
    share : float
        Of the windows that train.

    Returns
    -------
    train, test : ndarray of bool, shape (n,)

    Raises
    ------
    InputError
        If too few are left in either.
    """
    order, time = examples.columns["order"], examples.columns["time"]
    window = WindowSpec(*examples.about["window"])
    n = round(share * len(examples))
    train = np.arange(len(examples)) < n
    last = max(n - 1, 0)
    later = time - window.before / window.grid_fs >= time[last] + window.after / window.grid_fs
    test = ~train & ((order > order[last]) | later)
    if train.sum() < _LEAST_TRAIN or test.sum() < _LEAST_TEST:
        raise InputError(
            f"{len(examples)} windows of this person can be used: {int(train.sum())} to train and "
            f"{int(test.sum())} later ones to test; at least {_LEAST_TRAIN} and {_LEAST_TEST} are "
            "needed, some two minutes of ECG and clean pressure"
        )
    return train, test


class PersonalPressureTask(Task):
    """Of one person's recordings (``recipe.options["recordings"]``) the first part trains.

    ``recipe.options["train_share"]`` of the windows do; the model is what these made, and is scored
    on the later ones.
    """

    option_types: ClassVar[Mapping[str, type]] = {
        "recordings": list,
        "train_share": float,
        "step_s": float,
        "calibration_s": float,
    }
    # The card's: such a model is read and shown as that of everyone is.
    name = "blood-pressure"
    classes = OUTPUTS
    output = "value"
    unit = "mmHg"
    criterion_name = "minus the mean of both MAE, mmHg"

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """Windows of the first part."""
        examples = _windows(recipe, progress)
        return examples.only(parts_in_time(examples, recipe.options["train_share"])[0])

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """Windows of the later part."""
        examples = _windows(recipe, progress)
        return {HEADING: examples.only(parts_in_time(examples, recipe.options["train_share"])[1])}

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Inputs, window, data with what each rule dropped, and split, for the card."""
        about = examples.about
        return CardFacts(
            inputs=given_inputs(examples, STRIP_TEXT),
            window=WindowSpec(*about["window"]),
            data={
                "recordings": [Path(path).stem for path in recipe.options["recordings"]],
                "windows": about["windows"],
                "training_windows": len(examples),
                "step_s": about["step_s"],
                "label": "medians over the window's pulses of the arterial minimum and maximum",
                "rules": about["rules"],
                "dropped": about["dropped"],
            },
            split={
                "training": f"the first {100 * recipe.options['train_share']:g} % of the windows",
                "test": "windows that begin after the last of them",
                "patients on both sides": "one: the model is of this person alone",
            },
        )

    def score_precisions(
        self,
        card_path: Path,
        data: str | os.PathLike[str],
        recipe: Recipe,
        report: Report,
        *,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Every precision on the later part, beside what needs no ECG."""
        examples = _windows(recipe, progress=False)
        train, test = parts_in_time(examples, recipe.options["train_share"])
        metrics: dict[str, Any] = {}
        details = []
        for precision in ModelCard.load(card_path).precisions:
            classifier = Classifier(card_path, precision=precision)
            shown = examples.only(test).inputs
            predicted = classifier.predict_proba(*(shown[name] for name in classifier.input_shapes))
            heading = HEADING if not metrics else f"{HEADING}, {precision}"
            score = personal_scores(
                recipe, examples, train, test, predicted.astype(np.float64), heading
            )
            metrics[heading] = score.headline()
            details.append({"form": precision, **score.to_dict()})
            if folder is not None:
                write_score(
                    folder,
                    heading,
                    OUTPUTS,
                    (),
                    target=score.measured,
                    outputs=score.predicted["model"],
                )
            report(f"\n{score.table()}")
        return {**metrics, "scores": details}


def personal_scores(
    recipe: Recipe,
    examples: ExampleSet,
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
    predicted: Floats,
    heading: str = HEADING,
) -> PressureScores:
    """What a model tells of the later windows, beside what the first part tells without an ECG.

    Parameters
    ----------
    recipe : Recipe
        ``options["calibration_s"]``: seconds at the end of the first part whose median is the last
        calibration.
    examples : ExampleSet
        Of n rows.
    train, test : ndarray of bool, shape (n,)
    predicted : ndarray of float64, shape (m, 2)
        Of the m test windows, mmHg.
    heading : str

    Returns
    -------
    PressureScores
    """
    order, time = examples.columns["order"], examples.columns["time"]
    known, rows = examples.target[train].astype(np.float64), examples.only(test)
    last = int(np.flatnonzero(train)[-1])
    ending = time[train] > time[last] - float(recipe.options["calibration_s"])
    held = np.median(known[ending & (order[train] == order[last])], axis=0)

    def always(value: npt.NDArray[Any]) -> Floats:
        return np.broadcast_to(value, predicted.shape)

    stretch = (rows.columns["time"] // _STRETCH_S).astype(np.int64).tolist()
    return PressureScores(
        heading,
        OUTPUTS,
        rows.target.astype(np.float64),
        {
            "last calibration held": always(held),
            "the person's training mean": always(known.mean(axis=0)),
            "the person's training median": always(np.median(known, axis=0)),
            "model": predicted,
        },
        np.array([f"{one}, {k}" for one, k in zip(rows.record.tolist(), stretch, strict=True)]),
        rows.record,
        np.abs(rows.target - held) >= MOVED,
        of_one_person=True,
    )


def _windows(recipe: Recipe, progress: bool) -> ExampleSet:
    recordings = recipe.options.get("recordings")
    if not recordings:
        raise InputError(
            "a model of one person needs recordings: "
            "ecgfast train blood-pressure --person RECORDING"
        )
    return prepare_person(recordings, step=float(recipe.options["step_s"]), progress=progress)


TASK = PersonalPressureTask()
