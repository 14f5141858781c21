"""Task "normality": whether ten seconds of ECG are normal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...errors import InputError
from ...evaluation.false_alarms import STRIPS, strip_rhythms
from ...runtime import ModelCard
from ...window import WindowSpec
from ..datasets.breathing_strips import prepare_breathing_strips
from ..datasets.examples import ExampleSet
from ..datasets.kaggle import random_part
from ..datasets.label_files import LabelledRecord, read_labels
from ..datasets.splits import DS1, DS2, check_records, named_records, patient_folds
from ..datasets.strips import (
    CLASSES,
    RECORDING_SHARE,
    STRIP_TEXT,
    abnormal_share,
    check_labelled,
    prepare_handheld_strips,
    prepare_labelled_strips,
    prepare_strips,
)
from ..recipes.recipe import Recipe
from ..scoring import given_labels
from .base import CardFacts, Task, given_inputs

__all__ = ["TASK"]

# Seconds between test strips: those of ten seconds do not overlap.
_TEST_STEP_S = 10.0
_TEST_SHARE = 0.2


_RANDOM, _PATIENT = "random", "patient"
_RANDOM_HEADING = "random by strip (overlapping strips of one patient on both sides)"


class NormalityTask(Task):
    """Strips of MIT-BIH, of other annotated databases, or of recordings with labels of one's own.

    Notes
    -----
    ``recipe.options``: ``"step_s"``, seconds from one training strip to the next; ``"leads"``, the
    columns of each recording that training strips are cut from, each by itself (the first, if
    nothing is said); ``"noisy_step_s"``, seconds from one training strip to the next of copies of
    the recordings with made noise (`noise.with_noise`; none, if nothing is said);
    ``"breathing_step_s"``, seconds from one training strip to the next of copies with made sinus
    arrhythmia (`prepare_breathing_strips`; none, if nothing is said); ``"split"``:
    ``"patient"`` (DS2 tests, on first leads; DS1 and all of any other database of the recipe
    train) or ``"random"`` (a fifth of all strips of mitdb tests); ``"test"``: recordings that test
    in place of DS2, such as ``["mitdb/100", "mine"]``, while all others of the recipe's databases
    train, but none of a patient who tests; and ``"labels"``: a CSV file of
    `label_files.read_labels`, whose recordings take the place of the databases. Of these ``"test"``
    names those that test; without it a fifth of the patients does.
    """

    option_types: ClassVar[Mapping[str, type]] = {
        "step_s": float,
        "leads": list,
        "split": str,
        "test": list,
        "labels": str,
        "noisy_step_s": float,
        "breathing_step_s": float,
    }

    name = "normality"
    classes = CLASSES
    criterion_name = "F1 of first leads"
    leading_text = (
        "Of abnormal strips of first leads: F1, recall (the share of them that is found) and "
        "precision (the share of those called abnormal that are)."
    )

    def databases(self, recipe: Recipe) -> Sequence[str]:
        """None where a file of labels names the recordings."""
        return () if recipe.options.get("labels") else recipe.databases

    def check_data(self, recipe: Recipe, data: str | os.PathLike[str]) -> None:
        """Refuse data that lack a recording which trains or tests."""
        parts = _parts(recipe, data)
        if not parts.labels:
            check_records(data, parts.training, "the training part")
            check_records(data, parts.test, f"the test part, {parts.heading}")
            if parts.with_handheld:
                strip_rhythms(Path(data) / STRIPS)

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """The training part, a strip each ``recipe.options["step_s"]`` seconds."""
        parts = _parts(recipe, data)
        if _split(recipe) == _PATIENT:
            strips = parts.training_strips(progress)
            if len(set(strips.target.tolist())) < len(CLASSES):
                raise InputError(
                    f"recipe {recipe.name}: the training part has strips of one class alone, "
                    f"{strips.counts()}: label recordings of both, or choose another test part"
                )
            return strips
        strips = parts.strips(parts.training + parts.test, progress)
        return strips.only(~random_part(strips.target, _TEST_SHARE, recipe.seed))

    def augmented(
        self,
        recipe: Recipe,
        data: str | os.PathLike[str],
        examples: ExampleSet,
        *,
        progress: bool = False,
    ) -> ExampleSet | None:
        """Strips of copies of the annotated recordings: with made noise, and breathing deeply."""
        options, parts = recipe.options, _parts(recipe, data)
        if parts.labels or _split(recipe) == _RANDOM:
            return None
        made = []
        names, leads = parts.training, _leads(recipe)
        if (step := options.get("noisy_step_s")) is not None:
            noisy = prepare_strips(
                data, names, step=step, leads=leads, noise_seed=recipe.seed, progress=progress
            )
            made.append(noisy)
        if (step := options.get("breathing_step_s")) is not None:
            breathing = prepare_breathing_strips(
                data, names, step=step, leads=leads, seed=recipe.seed, progress=progress
            )
            made.append(breathing)
        return ExampleSet.concatenate(made) if made else None

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """The test part; by patient the strips do not overlap."""
        parts = _parts(recipe, data, training_too=False)
        if _split(recipe) == _PATIENT:
            if not parts.labels:
                check_records(data, parts.test, f"the test part, {parts.heading}")
            strips = parts.strips(parts.test, progress, test=True)
            return {f"by patient: {parts.heading}, a strip each ten seconds": strips}
        strips = parts.strips(parts.training + parts.test, progress)
        return {_RANDOM_HEADING: strips.only(random_part(strips.target, _TEST_SHARE, recipe.seed))}

    def figures(self, examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Those of any task, over the first of the recipe's leads: the others only train.

        Where strips are of several databases, also for each the share of abnormal strips that are
        found, and of normal ones that are called abnormal.
        """
        first = examples.columns["lead"] == examples.about["leads"][0]
        examples, outputs = examples.only(first), outputs[first]
        figures = super().figures(examples, outputs)
        called, abnormal = given_labels(outputs) == 1, examples.target == 1
        base = np.array([str(name).partition("/")[0] for name in examples.record])
        present = [name for name in examples.about.get("databases", ()) if (base == name).any()]
        for database in present if len(present) > 1 else ():
            for what, of in (("abnormal found", abnormal), ("normal called abnormal", ~abnormal)):
                part = called[of & (base == database)]
                figures[f"{database} {what}"] = float(part.mean()) if len(part) else np.nan
        return figures

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """What the card says."""
        about = examples.about
        return CardFacts(
            inputs=given_inputs(examples, STRIP_TEXT),
            window=WindowSpec(*about["window"]),
            data={
                "databases": about["databases"],
                "rule": about["rule"],
                "recordings": f"abnormal from {100 * RECORDING_SHARE:g} % of abnormal strips on",
                "training_strips": examples.counts(),
                **{name: about[name] for name in ("without_label",) if name in about},
                "lead": _which_leads(recipe),
                "r_peaks": "our own detections",
            },
            split={"protocol": _RANDOM_HEADING, "patients on both sides": "all"}
            if _split(recipe) == _RANDOM
            else about["split"],
            limits=_limits(recipe, examples) if recipe.options.get("labels") else None,
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
            heading = _parts(recipe, data, training_too=False).heading
            metrics[f"by patient: {heading}, whole recordings, {precision}"] = _of_recordings(
                strips, given_labels(said)
            )
        return metrics


def _split(recipe: Recipe) -> str:
    split = str(recipe.options.get("split", _PATIENT))
    if split not in (_RANDOM, _PATIENT):
        raise InputError(f"recipe {recipe.name}: split {split!r} is not {_RANDOM} or {_PATIENT}")
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


def _limits(recipe: Recipe, examples: ExampleSet) -> tuple[str, ...]:
    """What a model of one's own labels cannot do."""
    whose = len(set(examples.patient.tolist()))
    return (
        f"Trained on recordings of {whose} patients and the labels of "
        f"{Path(recipe.options['labels']).name}: other leads, devices and patients may do worse.",
        "Not a medical device; not for diagnosis or alarm.",
    )


@dataclass(frozen=True)
class _Parts:
    """Which recordings train and which test.

    Attributes
    ----------
    recipe : Recipe
    data : path
    training, test : list of str
        By name.
    heading : str
        What figures of the test part are called.
    shared : str
        Who is on both sides.
    labels : dict of str to LabelledRecord
        By name; empty where the recordings' own annotations tell.
    with_handheld : bool
        Whether the handheld recordings of cinc2017 train too.
    """

    recipe: Recipe
    data: str | os.PathLike[str]
    training: list[str]
    test: list[str]
    heading: str
    shared: str = "none"
    labels: Mapping[str, LabelledRecord] = field(default_factory=dict)
    with_handheld: bool = False

    def training_strips(self, progress: bool) -> ExampleSet:
        """All strips that train."""
        strips = self.strips(self.training, progress)
        if not self.with_handheld:
            return strips
        step = float(self.recipe.options.get("step_s", _TEST_STEP_S))
        handheld = prepare_handheld_strips(self.data, step=step, progress=progress)
        return ExampleSet.concatenate([strips, handheld])

    def strips(self, names: Sequence[str], progress: bool, *, test: bool = False) -> ExampleSet:
        """Strips of some recordings; those that test are of the first lead and do not overlap."""
        options, leads = self.recipe.options, _leads(self.recipe)
        cut: dict[str, Any] = {
            "step": _TEST_STEP_S if test else float(options.get("step_s", _TEST_STEP_S)),
            "leads": leads[:1] if test else leads,
            "progress": progress,
        }
        if self.labels:
            labelled = [self.labels[name] for name in names]
            strips = prepare_labelled_strips(self.data, labelled, file=options["labels"], **cut)
        else:
            strips = prepare_strips(self.data, names, **cut)
        strips.about["databases"] = (
            [Path(options["labels"]).name] if self.labels else list(self.recipe.databases)
        )
        strips.about["split"] = {
            "training": self.training,
            "test": self.test,
            "patients on both sides": self.shared,
        }
        return strips


def _parts(recipe: Recipe, data: str | os.PathLike[str], *, training_too: bool = True) -> _Parts:
    """Who trains and who tests; DS2 is found without the other databases that train."""
    test = recipe.options.get("test")
    if recipe.options.get("labels"):
        return _labelled_parts(recipe, data, test)
    annotated = [name for name in recipe.databases if name != STRIPS]
    handheld = STRIPS in recipe.databases
    if test is None:
        if "mitdb" not in recipe.databases:
            raise InputError(
                f"recipe {recipe.name}: of databases other than mitdb, options.test has to name "
                "the recordings that test"
            )
        training, testing = ([f"mitdb/{name}" for name in part] for part in (DS1, DS2))
        flaw = "one: mitdb 201 and 202, the split's known flaw"
        if _split(recipe) == _RANDOM:
            return _Parts(recipe, data, training, testing, "DS2", flaw)
        others = [name for name in annotated if name != "mitdb"] if training_too else []
        training += [f"{database}/{name}" for database, name, _ in named_records(data, others)]
        return _Parts(recipe, data, training, testing, "DS2", flaw, with_handheld=handheld)
    tests = named_records(data, test)
    whose = {patient for _, _, patient in tests}
    training = [
        f"{database}/{name}"
        for database, name, patient in named_records(data, annotated)
        if patient not in whose
    ]
    testing = [f"{database}/{name}" for database, name, _ in tests]
    if not training or not testing:
        raise InputError(f"recipe {recipe.name}: databases and test leave nothing to train or test")
    return _Parts(recipe, data, training, testing, "test recordings", with_handheld=handheld)


def _labelled_parts(
    recipe: Recipe, data: str | os.PathLike[str], test: Sequence[str] | None
) -> _Parts:
    """The recordings of a label file: those of a patient stand on one side."""
    file = recipe.options["labels"]
    labels = {of.name: of for of in read_labels(file)}
    check_labelled(data, list(labels.values()), file=file)
    names = list(labels)
    patients = np.array([labels[name].patient for name in names])
    if test is None:
        count = len(set(patients.tolist()))
        if count < 2:
            raise InputError(f"{file}: labels one patient alone; another one has to test")
        kinds = [labels[name].abnormal for name in names]
        testing = patient_folds(patients, kinds, min(5, count), recipe.seed) == 0
        if testing.all() or not testing.any():
            raise InputError(
                f"{file}: labels {count} patients, too few to train on some and test on others; "
                "label more, or name the recordings that test (--set options.test=...)"
            )
    else:
        for name in test:
            if name not in labels:
                near = get_close_matches(str(name), names, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InputError(f"recipe {recipe.name}: test {name!r} is not in {file}{hint}")
        testing = np.isin(patients, [labels[name].patient for name in test])
    tests = [name for name, held in zip(names, testing, strict=True) if held]
    trains = [name for name in names if name not in tests]
    if not trains or not tests:
        raise InputError(f"recipe {recipe.name}: {file} and test leave nothing to train or test")
    return _Parts(recipe, data, trains, tests, "test recordings", labels=labels)


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
