"""Task "normality": whether ten seconds of ECG are normal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...errors import InputError
from ...runtime import ModelCard
from ...window import WindowSpec
from ..datasets.examples import ExampleSet
from ..datasets.kaggle import random_part
from ..datasets.splits import DS1, DS2
from ..datasets.strips import CLASSES, RECORDING_SHARE, STRIP_TEXT, abnormal_share, prepare_strips
from ..recipes.recipe import Recipe
from ..scoring import given_labels
from .base import CardFacts, Task, given_inputs

__all__ = ["TASK"]

# Seconds between test strips: those of ten seconds do not overlap.
_TEST_STEP_S = 10.0
_TEST_SHARE = 0.2


_RANDOM, _PATIENT = "random", "patient"
_HEADINGS = {
    _RANDOM: "random by strip (overlapping strips of one patient on both sides)",
    _PATIENT: "by patient: DS2, a strip each ten seconds",
}


class NormalityTask(Task):
    """Strips of MIT-BIH.

    Notes
    -----
    ``recipe.options``: ``"step_s"``, seconds from one training strip to the next; ``"leads"``, the
    columns of each recording that training strips are cut from, each by itself (the first, if
    nothing is said); and ``"split"``: ``"patient"`` (DS1 trains, DS2 tests, on first leads) or
    ``"random"`` (a fifth of all strips tests).
    """

    name = "normality"
    classes = CLASSES
    criterion_name = "F1 of first leads"

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """The training part, a strip each ``recipe.options["step_s"]`` seconds."""
        if _split(recipe) == _PATIENT:
            return _strips(recipe, data, DS1, progress)
        strips = _strips(recipe, data, DS1 + DS2, progress)
        return strips.only(~random_part(strips.target, _TEST_SHARE, recipe.seed))

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """The test part; by patient the strips do not overlap."""
        split = _split(recipe)
        if split == _PATIENT:
            strips = prepare_strips(data, _records(DS2), step=_TEST_STEP_S, progress=progress)
            return {_HEADINGS[split]: strips}
        strips = _strips(recipe, data, DS1 + DS2, progress)
        return {_HEADINGS[split]: strips.only(random_part(strips.target, _TEST_SHARE, recipe.seed))}

    def figures(self, examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Those of any task, over the first of the recipe's leads: the others only train."""
        first = examples.columns["lead"] == examples.about["leads"][0]
        return super().figures(examples.only(first), outputs[first])

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """What the card says."""
        return CardFacts(
            inputs=given_inputs(examples, STRIP_TEXT),
            window=WindowSpec(*examples.about["window"]),
            data={
                "databases": ["mitdb"],
                "rule": examples.about["rule"],
                "recordings": f"abnormal from {100 * RECORDING_SHARE:g} % of abnormal strips on",
                "training_strips": examples.counts(),
                "lead": _which_leads(recipe),
                "r_peaks": "our own detections",
            },
            split=_sides(recipe),
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
        """Strips and, by patient, whole recordings."""
        from ...runtime import Classifier

        metrics = super().score_precisions(card_path, data, recipe, report, folder=folder)
        if _split(recipe) != _PATIENT:
            return metrics
        (strips,) = self.test_sets(recipe, data).values()
        for precision in ModelCard.load(card_path).precisions:
            said = Classifier(card_path, precision=precision).predict_proba(**_named(strips))
            metrics[f"by patient: DS2, whole recordings, {precision}"] = _of_recordings(
                strips, given_labels(said)
            )
        return metrics


def _split(recipe: Recipe) -> str:
    split = str(recipe.options.get("split", _PATIENT))
    if split not in _HEADINGS:
        raise InputError(f"recipe {recipe.name}: split {split!r} is not {' or '.join(_HEADINGS)}")
    return split


def _leads(recipe: Recipe) -> list[int]:
    return list(recipe.options.get("leads", [0]))


def _which_leads(recipe: Recipe) -> str:
    first, *others = _leads(recipe)
    which = "the first of each recording" if first == 0 else f"column {first} of each recording"
    if others:
        columns = " and ".join(map(str, others))
        which += f"; in training those of column {columns} too, each lead by itself"
    return which


def _sides(recipe: Recipe) -> dict[str, Any]:
    """Who is on which side."""
    if _split(recipe) == _RANDOM:
        return {"protocol": _HEADINGS[_RANDOM], "patients on both sides": "all"}
    return {
        "training": _records(DS1),
        "test": _records(DS2),
        "patients on both sides": "one: mitdb 201 and 202, the split's known flaw",
    }


def _strips(
    recipe: Recipe, data: str | os.PathLike[str], names: tuple[str, ...], progress: bool
) -> ExampleSet:
    step, leads = float(recipe.options["step_s"]), _leads(recipe)
    return prepare_strips(data, _records(names), step=step, leads=leads, progress=progress)


def _records(names: tuple[str, ...]) -> list[str]:
    return [f"mitdb/{name}" for name in names]


def _named(examples: ExampleSet) -> dict[str, Any]:
    return {"windows": examples.inputs["window"], "features": examples.inputs["features"]}


def _of_recordings(strips: ExampleSet, given: Any) -> dict[str, Any]:
    """Right and wrong verdicts over whole recordings."""
    true = abnormal_share(strips.record, strips.target)
    said = abnormal_share(strips.record, given)
    wrong = [r for r in true if (true[r] >= RECORDING_SHARE) != (said[r] >= RECORDING_SHARE)]
    abnormal = [r for r in true if true[r] >= RECORDING_SHARE]
    hit = len([r for r in abnormal if r not in wrong])
    false = len([r for r in wrong if r not in abnormal])
    return {
        "recordings": len(true),
        "abnormal": len(abnormal),
        "accuracy": round(1 - len(wrong) / len(true), 4),
        "F1": round(2 * hit / (len(abnormal) + hit + false), 4) if hit else 0.0,
        "wrong": wrong,
        "mean error of the abnormal share": round(
            float(np.mean([abs(said[r] - true[r]) for r in true])), 4
        ),
    }


TASK = NormalityTask()
