"""AAMI class of each beat from its window and features, trained and tested by patient."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...core import FEATURE_NAMES, WindowSpec
from ...errors import InputError, RecordError, name_hint
from ...evaluation import AAMI_CLASSES, evaluate_beat_model, evaluate_false_alarms, score_classes
from ...evaluation.beat_model import ENOUGH
from ...evaluation.false_alarms import HEALTHY, STRIPS, strip_rhythms
from ...runtime import Classifier, ModelCard
from ...runtime.card_fields import left_out_heading
from ...runtime.cards import LOOKAHEAD_LABELS
from ..datasets.beats import prepare_beats, without_lookahead
from ..datasets.examples import ExampleSet
from ..datasets.noise import NOISE, prepare_noisy_beats
from ..datasets.other_leads import MIXED, SECOND, prepare_mixed_leads, prepare_second_leads
from ..datasets.rhythm_augmentation import prepare_augmented_beats
from ..datasets.rhythm_strips import prepare_strip_beats
from ..datasets.rhythms import RHYTHMS
from ..datasets.splits import DS1, check_records, patient_folds, record_names
from ..datasets.starts import COLD_STARTS, NOISY_STARTS, prepare_cold_starts, prepare_noisy_starts
from ..recipes.recipe import Recipe
from ..scoring import given_labels, plain, write_score
from .base import CardFacts, Task, given_inputs
from .beat_examples import (
    annotated,
    by_database,
    databases_of,
    of_training_patients,
    test_part,
    test_part_name,
    weighted,
)
from .beat_figures import (
    STEERING,
    calibration_of,
    criterion,
    cross_validation_scores,
    database_figures,
    headline,
    score_title,
    strip_figures,
)

__all__ = ["TASK", "BeatTask"]

# Databases of the built-in recipe, whose options may stay where others train.
_DATABASES = ("mitdb", "svdb", HEALTHY, STRIPS)


def _second_leads(*args: Any, seed: int, **settings: Any) -> ExampleSet:
    """Second leads as they are: nothing of them is drawn."""
    return prepare_second_leads(*args, **settings)


# How what is made of recordings, beside rhythms, is prepared.
_PREPARE: Mapping[str, Callable[..., ExampleSet]] = {
    COLD_STARTS: prepare_cold_starts,
    NOISY_STARTS: prepare_noisy_starts,
    NOISE: prepare_noisy_beats,
    SECOND: _second_leads,
    MIXED: prepare_mixed_leads,
}


class BeatTask(Task):
    """DS1, and all of any other database of the recipe, train and choose; DS2 tests.

    Options of the recipe: ``test`` (recordings that test in place of DS2, such as ``["mitdb/100",
    "mine"]``, a database standing for all its recordings; all others of the recipe's databases
    train, but none of a patient who tests), ``history`` (beats whose features a network sees, 1 by
    default), ``patient_weight_power`` (see `patient_weights`), ``shares`` (by database, the mean
    weight of its beats, 1 by default), ``made`` (what is made of recordings, and the weight of its
    beats: kinds of rhythms, see `ecgfast.training.datasets.rhythms`, "noise", "cold starts", "noisy
    starts", "second lead", "mixed leads"), and in comparisons ``left_out`` (databases that are
    scored and not learnt from) and ``without`` (what is zero: names of features, "window", or
    "features" for all).

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
        test = [f"{database}/{name}" for database, name, _ in test_part(recipe, data)]
        try:
            check_records(data, test, f"the test part, {test_part_name(recipe)}")
        except RecordError as error:
            if "mitdb" in recipe.databases:
                raise
            raise RecordError(
                f"{error}; or name recordings of your own that test, such as options.test="
                f"{recipe.databases[0]}/{record_names(data, recipe.databases[0])[-1]}"
            ) from None

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """Beats of the recipe's databases but the test part, with the next RR interval."""
        window = _window(recipe)
        own_test = None if recipe.options.get("test") is None else test_part(recipe, data)
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
            parts.append(weighted(recipe, beats, share, i))
        if not about:
            raise InputError(
                f"recipe {recipe.name}: databases and test leave no annotated beats to train on"
            )
        about["test"] = [f"{base}/{name}" for base, name, _ in test_part(recipe, data)]
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
        records = sorted(set(examples.record[annotated(recipe, examples)].tolist()))
        if not records:
            return None
        parts = []
        for kind, weight in recipe.options.get("made", {}).items():
            prepare = _PREPARE.get(kind) or partial(prepare_augmented_beats, kind=kind)
            beats = prepare(
                data, records, seed=recipe.seed, window=_window(recipe), progress=progress
            )
            if len(beats):  # short recordings have no beats that can be moved
                parts.append(weighted(recipe, beats, float(weight)))
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
        return weighted(recipe, own)

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """Reference beats of the test part; `score_precisions` scores end to end too."""
        test = test_part(recipe, data)
        tested = [f"{database}/{name}" for database, name, _ in test]
        check_records(data, tested, f"the test part, {test_part_name(recipe)}")
        databases = list(dict.fromkeys(database for database, _, _ in test))
        beats = prepare_beats(data, databases, window=_window(recipe), progress=progress)
        return {test_part_name(recipe): beats.of_records(tested)}

    def views(self, examples: ExampleSet) -> dict[str, ExampleSet]:
        """Labelled with the beat, and one beat later, when the next RR interval is known."""
        known = without_lookahead(examples.inputs["features"])
        return dict(
            zip(LOOKAHEAD_LABELS, (examples.with_inputs(features=known), examples), strict=True)
        )

    def folds(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
        """By patient, with like numbers of every class of every database."""
        kinds = examples.target + len(self.classes) * databases_of(examples)
        return patient_folds(examples.patient, kinds, recipe.folds, recipe.seed)

    def figures(self, examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Those of any task; of each of several databases F1 of S and V; and false S and V.

        Of a database without S and V these are false ones per hour (over its recordings: median,
        mean, worst) and per beat; of strips of fibrillation and of normal rhythm per beat.
        """
        examples = dataclasses.replace(examples, inputs={})
        labels, parts = given_labels(outputs), by_database(examples)
        strips = parts.pop(STRIPS, np.zeros(len(examples), bool))
        reference = examples.only(~strips) if strips.any() else examples
        figures = super().figures(reference, outputs[~strips])
        figures["N Se"] = score_classes(examples.target, labels, self.classes).sensitivity("N")
        figures |= database_figures(examples, labels, parts)
        if strips.any():
            figures |= strip_figures(examples, labels, strips)
        return figures

    def criterion(self, figures: dict[str, dict[str, float]]) -> float:
        """Mean F1 of S and V over databases, less false S and V where there are none.

        The share of beats of fibrillation that are called S or V is taken off as it is, and that of
        healthy people ten times: one in a hundred beats of theirs is as bad as ten points of F1.
        The mean of both views.
        """
        return criterion(figures)

    def calibrated(
        self,
        recipe: Recipe,
        examples: ExampleSet,
        outputs: Mapping[str, npt.NDArray[np.float32]],
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        """By the answers themselves, as `finish` does."""
        calibration = calibration_of(recipe, examples, outputs)
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
        return (by_patient or [f"{c} F1" for c in STEERING]) + false

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
        # A probability is judged by beats with reference labels, of what was learnt.
        labelled = annotated(recipe, examples)
        whole = dataclasses.replace(examples, inputs={})
        calibration = calibration_of(recipe, whole, answers)
        calibration.fold_into(model)
        scores: dict[str, Any] = {"calibration": dataclasses.asdict(calibration)}
        calibrated = {view: calibration(of).astype(np.float32) for view, of in answers.items()}
        for view, outputs in calibrated.items():
            figures = self.figures(whole, outputs)
            scores[left_out_heading(view)] = plain(
                {name: x for name, x in figures.items() if not name.endswith("F1")}
            )
        known = {view: outputs[labelled] for view, outputs in calibrated.items()}
        return scores | cross_validation_scores(whole.only(labelled), known, self.classes)

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Inputs, window, data and split, for the card."""
        if recipe.options.get("without"):
            raise InputError(
                f"recipe {recipe.name}: the live stream has all features; leave some out "
                "in comparisons only"
            )
        strips = by_database(examples).get(STRIPS, np.zeros(len(examples), bool))
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
                "choice": f"{recipe.folds}-fold cross-validation over training patients"
                if recipe.candidates
                else "none: the recipe has no candidates to compare",
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
        test, part = test_part(recipe, data), test_part_name(recipe)
        metrics: dict[str, Any] = {}
        details: list[dict[str, Any]] = []
        false_alarms: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for precision in ModelCard.load(card_path).precisions:
            classifier = Classifier(card_path, precision=precision)
            for score in evaluate_beat_model(classifier, data, test, progress=True):
                title = f"{part} {precision}, {score_title(score)}"
                metrics[title] = headline(score)
                details.append({"form": precision, **score.to_dict()})
                if folder is not None:
                    write_score(folder, title, self.classes, score.scores().confusion)
                report(f"\n{title}\n{score.scores().table()}")
            healthy, strips = evaluate_false_alarms(classifier, data)
            false_alarms += [{"form": precision, **one.to_dict()} for one in healthy]
            calls += [{"form": precision, **one.to_dict()} for one in strips]
        metrics |= {"false alarms per hour, nsrdb": false_alarms, "strips, cinc2017": calls}
        return {**metrics, "scores": details}


def _window(recipe: Recipe) -> WindowSpec:
    return WindowSpec(history=int(recipe.options.get("history", 1)))


TASK = BeatTask()
