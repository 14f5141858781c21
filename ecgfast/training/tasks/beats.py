"""AAMI class of each beat from its window and features, trained and tested by patient."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...core import FEATURE_NAMES, WindowSpec
from ...errors import InputError, name_hint
from ...evaluation import (
    AAMI_CLASSES,
    BeatModelScores,
    evaluate_beat_model,
    evaluate_false_alarms,
    score_classes,
)
from ...evaluation.beat_model import ENOUGH, f1_of_each
from ...evaluation.classes import from_matrix
from ...evaluation.false_alarms import (
    ECTOPIC,
    HEALTHY,
    STRIPS,
    false_alarms_of,
    strip_rhythms,
)
from ...evaluation.reliability import coverage_curve, operating_points, reliability
from ...runtime import Classifier, ModelCard
from ...runtime.cards import LOOKAHEAD_LABELS, probabilities_heading
from ..datasets.beats import prepare_beats, without_lookahead
from ..datasets.examples import ExampleSet
from ..datasets.other_leads import MIXED, SECOND, prepare_mixed_leads, prepare_second_leads
from ..datasets.rhythm_augmentation import prepare_augmented_beats
from ..datasets.rhythm_strips import prepare_strip_beats
from ..datasets.rhythms import RHYTHMS
from ..datasets.splits import (
    DS1,
    DS2,
    check_records,
    named_records,
    patient_folds,
    patient_of,
    record_names,
)
from ..datasets.starts import (
    COLD_STARTS,
    NOISY_STARTS,
    prepare_cold_starts,
    prepare_noisy_starts,
)
from ..fitting.calibration import Calibration, fit_calibration
from ..recipes.recipe import Recipe
from ..scoring import given_labels, plain, score_outputs, write_score
from .base import CardFacts, Task, given_inputs

__all__ = ["TASK", "BeatTask", "of_training_patients"]

_TEST = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
# Classes that steer the choice: F and Q come from too few patients to say anything.
_STEERING = ECTOPIC
# One patient in a tachycardia of twelve minutes: a quarter of all S beats of svdb.
_MOST_S = "svdb/865"
# Operating points that patients of other recordings did not keep: on the other half of svdb, in no
# training, sensitivities of S of 80, 90 and 95 % became 64, 80 and 90.
_NOT_KEPT = ("S", "sensitivity")
# Databases of the built-in recipe, whose options may stay where others train.
_DATABASES = ("mitdb", "svdb", HEALTHY, STRIPS)
# Beats of one class below which a patient's weight grows no more.
_FEW = 50


def _second_leads(*args: Any, seed: int, **settings: Any) -> ExampleSet:
    """Second leads as they are: nothing of them is drawn."""
    return prepare_second_leads(*args, **settings)


# How what is made of recordings, beside rhythms, is prepared.
_PREPARE: Mapping[str, Callable[..., ExampleSet]] = {
    COLD_STARTS: prepare_cold_starts,
    NOISY_STARTS: prepare_noisy_starts,
    SECOND: _second_leads,
    MIXED: prepare_mixed_leads,
}


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


def _by_database(examples: ExampleSet) -> dict[str, npt.NDArray[np.bool_]]:
    """Which examples are of which database."""
    of = examples.columns["database"]
    names = examples.about["databases"]
    return {str(name): of == i for i, name in enumerate(names) if np.any(of == i)}


def _databases(examples: ExampleSet) -> npt.NDArray[np.int64]:
    """Database of each example, as an index."""
    index: npt.NDArray[np.int64] = examples.columns["database"].astype(np.int64)
    return index


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


def _test_part(recipe: Recipe, data: str | os.PathLike[str]) -> list[tuple[str, str, str]]:
    """Recordings that test, and whose they are: DS2, or those that the recipe names."""
    named = recipe.options.get("test")
    if named is None:
        return _TEST
    if not named:
        raise InputError(f"recipe {recipe.name}: options.test names no recording")
    return named_records(data, named)


class BeatTask(Task):
    """DS1, and all of any other database of the recipe, train and choose; DS2 tests.

    Options of the recipe: ``test`` (recordings that test in place of DS2, such as ``["mitdb/100",
    "mine"]``, a database standing for all its recordings; all others of the recipe's databases
    train, but none of a patient who tests), ``history`` (beats whose features a network sees, 1 by
    default), ``patient_weight_power`` (see `patient_weights`), ``shares`` (by database, the mean
    weight of its beats, 1 by default), ``made`` (what is made of recordings, and the weight of its
    beats: kinds of rhythms, see `ecgfast.training.datasets.rhythms`, "cold starts", "noisy starts",
    "second lead", "mixed leads"), and in comparisons ``left_out`` (databases that are scored and
    not learnt from) and ``without`` (what is zero: names of features, "window", or "features" for
    all).

    Beats of the database cinc2017 have no reference labels: they are those of strips of normal
    rhythm and of atrial fibrillation, all N (see `prepare_strip_beats`).
    """

    option_types: ClassVar[Mapping[str, type]] = {
        "test": list,
        "history": int,
        "patient_weight_power": float,
        "shares": dict,
        "made": dict,
        "left_out": list,
        "without": list,
    }
    name = "beats"
    classes = tuple(AAMI_CLASSES)
    criterion_name = "mean F1 of S and V, less false S and V"
    leading_text = (
        f"By patient: the median F1 over those with {ENOUGH} beats of the class. False S and V "
        f"per hour: over healthy people ({HEALTHY}). Called S or V: of all beats of strips "
        f"({STRIPS}) of atrial fibrillation. Each candidate is calibrated as a model is."
    )

    def check_options(self, recipe: Recipe) -> None:
        """Refuse names of databases, features and kinds that there are not, and what is no weight.

        A misspelt one would have no effect, or be found after an hour.
        """
        super().check_options(recipe)
        options = recipe.options
        known: dict[str, Sequence[str]] = {
            "shares": (*recipe.databases, *_DATABASES),
            "left_out": (*recipe.databases, *_DATABASES),
            "made": (*RHYTHMS, *_PREPARE),
            "without": ("window", "features", *FEATURE_NAMES),
        }
        for option, names in known.items():
            for name in options.get(option, ()):
                if name not in names:
                    raise InputError(
                        f"recipe {recipe.name}: options.{option} has {name!r}, which it cannot; "
                        f"{name_hint(str(name), names)}"
                    )
        for option in ("shares", "made"):
            for name, weight in options.get(option, {}).items():
                is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
                if not is_number or not 0 <= weight < np.inf:
                    raise InputError(
                        f"recipe {recipe.name}: options.{option}: the weight of {name!r} is a "
                        f"number from 0 on, not {weight!r}"
                    )
        if options.get("history", 1) < 1:
            raise InputError(f"recipe {recipe.name}: options.history counts beats, 1 or more")

    def check_data(self, recipe: Recipe, data: str | os.PathLike[str]) -> None:
        """Refuse data that lack a database or a recording of DS1 that trains, or one that tests.

        Where the recipe names the recordings that test, all others that are there train.
        """
        for database in recipe.databases:
            record_names(data, database)
            if database == STRIPS:
                strip_rhythms(Path(data) / database)
        if "mitdb" in recipe.databases and recipe.options.get("test") is None:
            training = [f"mitdb/{name}" for name in DS1]
            check_records(data, training, "the training part, DS1")
        test = [f"{database}/{name}" for database, name, _ in _test_part(recipe, data)]
        check_records(data, test, f"the test part, {_heading(recipe)}")

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """Beats of the recipe's databases but the test part, with the next RR interval."""
        window = _window(recipe)
        own_test = None if recipe.options.get("test") is None else _test_part(recipe, data)
        parts: list[ExampleSet] = []
        about: dict[str, Any] = {}
        for i, database in enumerate(recipe.databases):
            if database == STRIPS:
                beats = prepare_strip_beats(data, window=window, progress=progress)
            else:
                beats = prepare_beats(data, (database,), window=window, progress=progress)
                beats = of_training_patients(beats, own_test)
                if not len(beats):
                    continue  # all of it tests
                about = {**beats.about, "left_out": about.get("left_out", [])}
                about["left_out"] = about["left_out"] + beats.about["left_out"]
            share = float(recipe.options.get("shares", {}).get(database, 1.0))
            if database in recipe.options.get("left_out", ()):
                share = 0.0
            parts.append(_weighted(recipe, beats, share, i))
        if not about:
            raise InputError(
                f"recipe {recipe.name}: databases and test leave no annotated beats to train on"
            )
        about["test"] = [f"{base}/{name}" for base, name, _ in _test_part(recipe, data)]
        return ExampleSet.concatenate(parts, {**about, "databases": list(recipe.databases)})

    def augmented(
        self,
        recipe: Recipe,
        data: str | os.PathLike[str],
        examples: ExampleSet,
        *,
        progress: bool = False,
    ) -> ExampleSet | None:
        """Beats of the rhythms of the recipe's ``made``, with the next RR interval."""
        told = _annotated(recipe, examples)
        records = sorted(set(examples.record[told].tolist()))
        if not records:
            return None
        parts = []
        for kind, weight in recipe.options.get("made", {}).items():
            prepare = _PREPARE.get(kind) or partial(prepare_augmented_beats, kind=kind)
            beats = prepare(
                data, records, seed=recipe.seed, window=_window(recipe), progress=progress
            )
            if len(beats):  # short recordings have no beats that can be moved
                parts.append(_weighted(recipe, beats, float(weight)))
        return ExampleSet.concatenate(parts) if parts else None

    def own_examples(self, recipe: Recipe, examples: ExampleSet, own: ExampleSet) -> ExampleSet:
        """Beats that reviewers answered; each weighs as one of the recipe's databases does."""
        shapes = [{k: v.shape[1:] for k, v in part.inputs.items()} for part in (examples, own)]
        if own.classes != self.classes or shapes[0] != shapes[1]:
            raise InputError(
                f"recipe {recipe.name}: the examples of one's own are of other classes or windows; "
                "export them with a model of this recipe (ecgfast review --export FILE --model M)"
            )
        known = sorted(set(own.patient.tolist()) & set(examples.patient.tolist()))
        if known:
            raise InputError(f"recipe {recipe.name}: {known[0]} is in its own data sets already")
        return _weighted(recipe, own)

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """Reference beats of the test part; `score_precisions` scores end to end too."""
        test = _test_part(recipe, data)
        databases = list(dict.fromkeys(database for database, _, _ in test))
        beats = prepare_beats(data, databases, window=_window(recipe), progress=progress)
        names = [f"{database}/{name}" for database, name, _ in test]
        return {_heading(recipe): beats.of_records(names)}

    def views(self, examples: ExampleSet) -> dict[str, ExampleSet]:
        """Labelled with the beat, and one beat later, when the next RR interval is known."""
        known = without_lookahead(examples.inputs["features"])
        return dict(
            zip(LOOKAHEAD_LABELS, (examples.with_inputs(features=known), examples), strict=True)
        )

    def folds(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
        """By patient, with like numbers of every class of every database."""
        kinds = examples.target + len(self.classes) * _databases(examples)
        return patient_folds(examples.patient, kinds, recipe.folds, recipe.seed)

    def figures(self, examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Those of any task; of each of several databases F1 of S and V; and false S and V.

        Of a database without S and V these are false ones per hour (over its recordings: median,
        mean, worst) and per beat; of strips of fibrillation and of normal rhythm per beat.
        """
        examples = dataclasses.replace(examples, inputs={})
        labels, parts = given_labels(outputs), _by_database(examples)
        strips = parts.pop(STRIPS, np.zeros(len(examples), bool))
        marked = examples.only(~strips) if strips.any() else examples
        told = super().figures(marked, outputs[~strips])
        told["N Se"] = score_classes(examples.target, labels, self.classes).sensitivity("N")
        for name, part in parts.items():
            matrices, hours = _by_recording(examples, labels, part)
            if name == HEALTHY:
                told |= _false_alarms(name, matrices, hours)
            elif len(parts) > 1:
                scores = from_matrix(matrices.sum(axis=0), self.classes)
                told |= {f"{name} {c} F1": scores.f1(c) for c in _STEERING}
                told |= _by_patient(name, matrices)
        if strips.any():
            fibrillation = examples.columns["fibrillation"]
            for what, kind in (("fibrillation", fibrillation), ("normal strips", ~fibrillation)):
                for c in _STEERING:
                    called = labels[strips & kind] == self.classes.index(c)
                    told[f"{what} called {c}"] = float(called.mean()) if len(called) else np.nan
        return told

    def criterion(self, figures: dict[str, dict[str, float]]) -> float:
        """Mean F1 of S and V over databases, less false S and V where there are none.

        The share of beats of fibrillation that are called S or V is taken off as it is, and that of
        healthy people ten times: one in a hundred beats of theirs is as bad as ten points of F1.
        The mean of both views.
        """
        found = []
        for of in figures.values():
            endings = tuple(f" {c} F1" for c in _STEERING)
            by_database = [value for name, value in of.items() if name.endswith(endings)]
            gain = float(np.nanmean(by_database or [of[f"{c} F1"] for c in _STEERING]))
            for c in _STEERING:
                gain -= float(np.nan_to_num(of.get(f"fibrillation called {c}", 0.0)))
                gain -= 10 * float(np.nan_to_num(of.get(f"{HEALTHY} called {c}", 0.0)))
            found.append(gain)
        return float(np.nanmean(found))

    def calibrated(
        self,
        recipe: Recipe,
        examples: ExampleSet,
        outputs: Mapping[str, npt.NDArray[np.float32]],
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        """By the answers themselves, as `finish` does."""
        calibration = _calibration(recipe, examples, outputs)
        return {view: calibration(of).astype(np.float32) for view, of in outputs.items()}

    def leading(self, names: Iterable[str]) -> list[str]:
        """F1 of S and V by patient, false ones per hour of the healthy, and in fibrillation.

        F1 of all beats of S and V where there is one database with them.
        """
        known = list(names)
        by_patient = [name for name in known if name.endswith(" by patient")]
        false = [
            name
            for name in known
            if " per hour, " in name or name.startswith("fibrillation called")
        ]
        return (by_patient or [f"{c} F1" for c in _STEERING]) + false

    def is_share(self, name: str) -> bool:
        """All but the figures per hour."""
        return " per hour, " not in name

    def finish(
        self,
        model: Any,
        recipe: Recipe,
        examples: ExampleSet,
        answers: Mapping[str, npt.NDArray[np.float32]],
    ) -> dict[str, Any]:
        """Calibrate it by the answers of cross-validation, both views and all databases alike."""
        if not answers:
            return {}
        # Only beats with reference labels, of what was learnt, tell what a probability is worth.
        told_of, whole = _annotated(recipe, examples), dataclasses.replace(examples, inputs={})
        all_answers = answers
        calibration = _calibration(recipe, whole, answers)
        calibration.fold_into(model)
        examples = whole.only(told_of)
        answers = {view: outputs[told_of] for view, outputs in answers.items()}
        told: dict[str, Any] = {"calibration": dataclasses.asdict(calibration)}
        for view, outputs in all_answers.items():
            figures = self.figures(whole, calibration(outputs).astype(np.float32))
            told[f"people left out of training, cross-validation, {view}"] = plain(
                {name: x for name, x in figures.items() if not name.endswith("F1")}
            )
        parts = _by_database(examples)
        others = examples.record != _MOST_S
        if not others.all() and (parts["svdb"] & others).any():
            parts["svdb without record 865"] = parts["svdb"] & others
        for view, outputs in answers.items():
            calibrated = calibration(outputs).astype(np.float32)
            for name, part in parts.items():
                score = score_outputs(examples.only(part), calibrated[part])
                told[f"cross-validation, calibrated, {name}, {view}"] = score
            told[probabilities_heading(view)] = {
                **reliability(calibrated, examples.target),
                "coverage": coverage_curve(calibrated, examples.target, patients=examples.patient),
                "operating points": {
                    c: [
                        {**row, **({"holds": False} if (c, row["by"]) == _NOT_KEPT else {})}
                        for row in operating_points(
                            calibrated[:, i], examples.target == i, patients=examples.patient
                        )
                    ]
                    for i, c in enumerate(self.classes)
                    if c in _STEERING and np.any(examples.target == i)
                },
            }
        return told

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Inputs, window, data and split, for the card."""
        if recipe.options.get("without"):
            raise InputError(
                f"recipe {recipe.name}: the live stream has all features; leave some out "
                "in comparisons only"
            )
        strips = _by_database(examples).get(STRIPS, np.zeros(len(examples), bool))
        patients, records = (
            sorted(set(names[~strips].tolist())) for names in (examples.patient, examples.record)
        )
        n_strips = len(set(examples.record[strips].tolist()))
        if n_strips:
            records.append(f"{STRIPS}/ ({n_strips} strips of normal rhythm or fibrillation)")
        return CardFacts(
            inputs=given_inputs(
                examples, "channel 0 the beat, channel 1 the patient's running dominant beat"
            ),
            window=WindowSpec(*examples.about["window"]),
            data={
                "databases": list(recipe.databases),
                "training_beats": examples.counts(),
                "training_patients": len(patients),
                **({"training_strips": n_strips} if n_strips else {}),
                "left_out": examples.about["left_out"],
                "lead": "the first of each recording",
            },
            split={
                "training": records,
                "choice": f"{recipe.folds}-fold cross-validation over training patients",
                "test": examples.about["test"],
                "patients on both sides": "one: mitdb 201 and 202, the split's known flaw"
                if recipe.options.get("test") is None
                else "none",
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
        """Every precision, from reference beats and end to end, with and without waiting."""
        test, part = _test_part(recipe, data), _heading(recipe)
        metrics: dict[str, Any] = {}
        details: list[dict[str, Any]] = []
        false_alarms: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for precision in ModelCard.load(card_path).precisions:
            classifier = Classifier(card_path, precision=precision)
            for score in evaluate_beat_model(classifier, data, test, progress=True):
                title = f"{part} {precision}, {_title(score)}"
                metrics[title] = _headline(score)
                details.append({"form": precision, **score.to_dict()})
                if folder is not None:
                    write_score(folder, title, self.classes, score.scores().confusion)
                report(f"\n{title}\n{score.scores().table()}")
            healthy, strips = evaluate_false_alarms(classifier, data)
            false_alarms += [{"form": precision, **one.to_dict()} for one in healthy]
            calls += [{"form": precision, **one.to_dict()} for one in strips]
        metrics |= {"false alarms per hour, nsrdb": false_alarms, "strips, cinc2017": calls}
        return {**metrics, "scores": details}


def _calibration(
    recipe: Recipe, examples: ExampleSet, answers: Mapping[str, npt.NDArray[np.float32]]
) -> Calibration:
    """Fitted to beats with reference labels, of what was learnt; all databases count alike."""
    told_of = _annotated(recipe, examples)
    of = _databases(examples)[told_of]
    return fit_calibration(
        np.concatenate([outputs[told_of] for outputs in answers.values()]),
        np.tile(examples.target[told_of], len(answers)),
        np.tile(1.0 / np.bincount(of)[of], len(answers)),
    )


def _heading(recipe: Recipe) -> str:
    """What the figures of the test part are called."""
    return "DS2" if recipe.options.get("test") is None else "test records"


def _annotated(recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.bool_]:
    """Examples with reference labels, of databases that the recipe learns from."""
    apart = {STRIPS, *recipe.options.get("left_out", ())}
    told = [i for i, name in enumerate(examples.about["databases"]) if name not in apart]
    return np.isin(examples.columns["database"], told)


def _by_recording(
    examples: ExampleSet, labels: npt.NDArray[np.int64], part: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Confusion of the beats of a database in each recording, (n, 5, 5), and its hours, (n,)."""
    _, whose = np.unique(examples.columns["recording"][part], return_inverse=True)
    n, k = int(whose.max()) + 1, len(AAMI_CLASSES)
    cell = (whose * k + examples.target[part]) * k + labels[part]
    rr = np.nan_to_num(examples.columns["rr"][part].astype(np.float64))
    hours = np.maximum(np.bincount(whose, rr), 1.0) / 3600.0
    return np.bincount(cell, minlength=n * k * k).reshape(n, k, k).astype(np.int64), hours


def _false_alarms(
    name: str, matrices: npt.NDArray[np.int64], hours: npt.NDArray[np.float64]
) -> dict[str, float]:
    """False S and V per hour of each recording of a database, and per beat."""
    alarms = false_alarms_of([name] * len(hours), hours.tolist(), matrices)
    told = {}
    for c, false in alarms.false.items():
        told[f"{name} called {c}"] = sum(false) / int(matrices.sum())
        for figure, rate in alarms.spread(c).items():
            told[f"{name} false {c} per hour, {figure}"] = rate
    return told


def _by_patient(name: str, matrices: npt.NDArray[np.int64]) -> dict[str, float]:
    """Median F1 of S and V over the recordings of a database that have some."""
    each = {c: f1_of_each(matrices, c) for c in _STEERING}
    return {
        f"{name} {c} by patient": float(np.median(f1)) if len(f1) else np.nan
        for c, f1 in each.items()
    }


def _weighted(
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


def _window(recipe: Recipe) -> WindowSpec:
    return WindowSpec(history=int(recipe.options.get("history", 1)))


def _title(score: BeatModelScores) -> str:
    beats = "reference beats" if score.beats == "reference" else "own detections"
    return f"{beats}, {LOOKAHEAD_LABELS[score.lookahead]}"


def _headline(score: BeatModelScores) -> dict[str, float]:
    total, without = score.scores(), score.scores(without=("mitdb/232",))
    with_232 = "mitdb/232" in score.records
    figures = {
        "N sensitivity": total.sensitivity("N"),
        "V sensitivity": total.sensitivity("V"),
        "V positive predictivity": total.positive_predictivity("V"),
        "V F1": total.f1("V"),
        "S F1": total.f1("S"),
        **({"S F1 without record 232": without.f1("S")} if with_232 else {}),
        "accuracy": total.accuracy,
    }
    # A model that never says V has no positive predictivity to tell.
    return {name: round(figure, 4) for name, figure in figures.items() if isfinite(figure)}


TASK = BeatTask()
