"""Task "blood-pressure": minimum and maximum arterial pressure from ten seconds of one lead."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._files import write_whole
from ..._types import Report
from ...core import FEATURE_NAMES
from ...errors import InputError
from ...evaluation.pressure import MOVED, PressureScores, calibrate, damped_changes
from ...runtime import Classifier, ModelCard
from ...window import WindowSpec
from ..datasets.examples import ExampleSet
from ..datasets.pressure import OUTPUTS, prepare_pressure
from ..datasets.strips import STRIP_TEXT
from ..recipes.recipe import Recipe
from ..scoring import slug, write_json, write_score
from .base import CardFacts, Task, given_inputs

__all__ = [
    "TASK",
    "PressureTask",
    "out_of_fold",
    "score_protocols",
    "scores_by_group",
    "scores_by_window",
    "window_folds",
]

Floats = npt.NDArray[np.float64]

# Of the features' "rr": it is centred there, s; and how many of the last beats give the heart rate.
_RR_CENTRE, _RATE_BEATS = 0.8, 10
_RR = FEATURE_NAMES.index("rr")


class PressureTask(Task):
    """All recordings train the published model; its figures are those of cross-validation.

    There is no test part: with some fifty groups of recordings one would be noise.
    """

    option_types: ClassVar[Mapping[str, type]] = {
        "step_s": float,
        "fold_seed": int,
        "calibration_s": float,
        "seeds": int,
        "person": dict,
    }
    name = "blood-pressure"
    classes = OUTPUTS
    output = "value"
    unit = "mmHg"
    criterion_name = "minus the mean of both MAE, mmHg"
    leading_text = (
        "MAE: mean absolute error in windows of recordings that did not train; smaller is better. "
        "To be compared with telling everyone the training median, which needs no ECG "
        "(docs/blood_pressure.txt)."
    )
    trains_to_score = True
    score_text = (
        "In mmHg. No recording is kept aside as a test: networks of the same recipe are trained, "
        "and each is scored on recordings that it has not seen. The published model has seen all "
        "recordings; on training windows only the differences between precisions mean something."
    )

    def check_options(self, recipe: Recipe) -> None:
        """Refuse several databases too: recordings of one are neighbours by their numbers."""
        super().check_options(recipe)
        if len(recipe.databases) > 1:
            raise InputError(
                f"recipe {recipe.name}: databases names {', '.join(recipe.databases)}, and "
                "blood-pressure trains on one: put the recordings into one folder"
            )

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """Strips each ``recipe.options["step_s"]`` seconds, of every recording."""
        return prepare_pressure(
            data,
            database=recipe.databases[0],
            step=float(recipe.options["step_s"]),
            folds=recipe.folds,
            seed=int(recipe.options["fold_seed"]),
            progress=progress,
        )

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """None: `score_precisions` cross-validates."""
        return {}

    def folds(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
        """Those that the data set keeps, by group of neighbouring recordings."""
        fold: npt.NDArray[np.int64] = examples.columns["fold"]
        return fold

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Inputs, window, data with what each rule dropped, and split, for the card."""
        about = examples.about
        return CardFacts(
            inputs=given_inputs(examples, STRIP_TEXT),
            window=WindowSpec(*about["window"]),
            data={
                "databases": [about["database"]],
                "records": about["records"],
                "records_kept": len(about["folds"]),
                "groups": len(set(examples.patient.tolist())),
                "windows": about["windows"],
                "windows_kept": len(examples),
                "step_s": about["step_s"],
                "label": "medians over the window's pulses of the arterial minimum and maximum",
                "rules": about["rules"],
                "dropped": about["dropped"],
            },
            split={
                "training": sorted(about["folds"]),
                "folds": about["folds"],
                "groups": "recordings whose numbers differ by up to 3 are of one group",
                "figures": "out of fold, of networks of the same recipe; the published model is "
                "trained on all recordings",
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
        """Protocols by cross-validation, and how far the converted files are from each other."""
        examples = self.training_set(recipe, data)
        # Apart from the scores that pictures are drawn of.
        protocols = folder and folder / "protocols"
        scores = score_protocols(recipe, examples, report, protocols)
        for score in scores:
            report(f"\n{score.table()}")
        details = [score.to_dict() for score in scores]
        if folder is not None and protocols is not None:
            for score in scores:
                predicted = score.predicted.get("model")
                if predicted is not None:
                    write_score(
                        folder, score.heading, OUTPUTS, (), target=score.measured, outputs=predicted
                    )
            write_json(protocols / "tables.json", details)
            text = "\n\n".join(score.table() for score in scores)
            write_whole(protocols / "tables.txt", f"{text}\n")
        headlines = {score.heading: score.headline() for score in scores}
        return {**headlines, **_by_precision(card_path, examples, report), "scores": details}


def out_of_fold(
    recipe: Recipe,
    examples: ExampleSet,
    fold: npt.NDArray[np.int64],
    seed: int,
    checkpoint: Path | None = None,
) -> Floats:
    """What networks of a recipe tell of windows whose fold they have not seen.

    Parameters
    ----------
    recipe : Recipe
    examples : ExampleSet
        Of n rows.
    fold : ndarray of int64, shape (n,)
    seed : int
        Of the first fold's network; the next one's is one more.
    checkpoint : Path, optional
        Stem of the files that a broken-off run continues from.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        mmHg.
    """
    from ..fitting.fit import fit, predict

    predicted = np.empty(examples.target.shape)
    for k in np.unique(fold).tolist():
        kept = checkpoint and checkpoint.with_name(f"{checkpoint.name}-fold-{k + 1}.npz")
        model = fit(recipe, examples.only(fold != k), seed=seed + k, checkpoint=kept).model
        predicted[fold == k] = predict(model, examples.only(fold == k))
    return predicted


def score_protocols(
    recipe: Recipe, examples: ExampleSet, report: Report, folder: Path | None = None
) -> list[PressureScores]:
    """Cross-validate a recipe by group, calibrated, and with recordings on both sides.

    Parameters
    ----------
    recipe : Recipe
        ``options["seeds"]`` networks of different seeds tell the spread of the first protocol.
    examples : ExampleSet
        From `prepare_pressure`.
    report : callable
        Gets a line for each.
    folder : Path, optional
        For the networks' checkpoints.

    Returns
    -------
    list of PressureScores
        Each beside baselines that need no ECG, on the same windows.
    """
    fold = examples.columns["fold"]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def predicted(name: str, of: npt.NDArray[np.int64], seed: int) -> Floats:
        checkpoint = folder and folder / slug(name)
        outputs = out_of_fold(recipe, examples, of, seed, checkpoint)
        report(f"cross-validated: {name}")
        return outputs

    by_group = {}
    seeds = int(recipe.options["seeds"])
    report(f"cross-validation: {(seeds + 1) * len(np.unique(fold))} networks are trained")
    for i in range(seeds):
        name = "model" if not i else f"model, seed {i + 1}"
        by_group[name] = predicted(f"{name}, by group", fold, recipe.seed + 100 * i)
    by_window = predicted("model, by window", window_folds(recipe, examples), recipe.seed)
    return [
        scores_by_group(examples, by_group),
        _calibrated(recipe, examples, by_group["model"]),
        scores_by_window(recipe, examples, {"model": by_window}),
    ]


def window_folds(recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
    """Folds with windows of one recording on both sides, shape (n,)."""
    return np.random.default_rng(recipe.seed).permutation(len(examples)) % recipe.folds


def scores_by_group(examples: ExampleSet, predicted: Mapping[str, Floats]) -> PressureScores:
    """Score what networks predicted for groups of recordings that they had not seen.

    Parameters
    ----------
    examples : ExampleSet
        From `prepare_pressure`.
    predicted : mapping of str to ndarray, shape (n, 2)
        mmHg, by name of the network; from `out_of_fold` with the folds of `examples`.

    Returns
    -------
    PressureScores
        Beside mean and median of the other folds.
    """
    fold = examples.columns["fold"]
    known = {
        "training mean": _means(examples.target, fold),
        "training median": _means(examples.target, fold, of=np.median),
    }
    return _scores("calibration-free, by group of recordings", examples, {**known, **predicted})


def scores_by_window(
    recipe: Recipe, examples: ExampleSet, predicted: Mapping[str, Floats]
) -> PressureScores:
    """Score what networks predicted for windows whose recordings they had seen.

    Parameters
    ----------
    recipe : Recipe
    examples : ExampleSet
    predicted : mapping of str to ndarray, shape (n, 2)
        mmHg, by name of the network; from `out_of_fold` with `window_folds`.

    Returns
    -------
    PressureScores
        Beside the mean of the recording's other windows, which needs no ECG.
    """
    known = _means(examples.target, window_folds(recipe, examples), examples.record)
    return _scores(
        "windows of one recording on both sides (measures recognising the recording)",
        examples,
        {"the recording's training mean, no ECG": known, **predicted},
    )


def _scores(heading: str, examples: ExampleSet, predicted: dict[str, Floats]) -> PressureScores:
    return PressureScores(
        heading,
        OUTPUTS,
        examples.target.astype(np.float64),
        predicted,
        examples.patient,
        examples.record,
        np.abs(examples.target - _usual(examples)) >= MOVED,
    )


def _usual(examples: ExampleSet) -> Floats:
    """Median of each window's recording."""
    usual = np.empty(examples.target.shape)
    for name in np.unique(examples.record):
        own = examples.record == name
        usual[own] = np.median(examples.target[own], axis=0)
    return usual


def _means(
    target: npt.NDArray[np.float32],
    fold: npt.NDArray[np.int64],
    record: npt.NDArray[np.str_] | None = None,
    *,
    of: Callable[..., Any] = np.mean,
) -> Floats:
    """Mean target over the other folds; given `record`, over their windows of the same one."""
    known = target.astype(np.float64)
    predicted = np.empty(target.shape)
    for k in np.unique(fold):
        predicted[fold == k] = of(known[fold != k], axis=0)
        for name in np.unique(record[fold == k]) if record is not None else ():
            there = (record == name) & (fold != k)
            if there.any():
                predicted[(record == name) & (fold == k)] = of(known[there], axis=0)
    return predicted


def _calibrated(recipe: Recipe, examples: ExampleSet, predicted: Floats) -> PressureScores:
    """The first minute of each recording known: its pressure held, and changes added to it."""
    seconds = float(recipe.options["calibration_s"])
    where = examples.record, examples.columns["time"]
    known = calibrate(examples.target, *where, seconds=seconds)
    rows = examples.only(known.later)
    held, fold = known.start[known.later], rows.columns["fold"]
    changes = {}
    for name, values in (
        ("held, and change of heart rate", _heart_rate(examples)[:, np.newaxis]),
        ("held, and change of the model", predicted),
    ):
        change = (values - calibrate(values, *where, seconds=seconds).start)[known.later]
        changes[name] = held + damped_changes(change, rows.target - held, fold)
    scores = _scores(
        f"calibrated on the first {seconds:g} s", rows, {"calibration held": held, **changes}
    )
    return dataclasses.replace(scores, moved=np.abs(rows.target - held) >= MOVED)


def _heart_rate(examples: ExampleSet) -> Floats:
    """Beats a minute, from the median of the last RR intervals, shape (n,)."""
    rr = examples.inputs["features"][:, -_RATE_BEATS:, _RR].astype(np.float64) + _RR_CENTRE
    rate: Floats = 60.0 / np.median(rr, axis=1)
    return rate


def _by_precision(card_path: Path, examples: ExampleSet, report: Report) -> dict[str, Any]:
    """Each precision on all windows: trained on, so that only differences between them count."""
    found = {}
    for precision in ModelCard.load(card_path).precisions:
        classifier = Classifier(card_path, precision=precision)
        predicted = classifier.predict_proba(
            *(examples.inputs[name] for name in classifier.input_shapes)
        )
        mae = np.abs(predicted - examples.target).mean(axis=0, dtype=np.float64)
        title = f"training windows, {precision}"
        found[title] = {
            f"{name} MAE": round(float(value), 3) for name, value in zip(OUTPUTS, mae, strict=True)
        }
        report(f"{title}: {found[title]}")
    return found


TASK = PressureTask()
