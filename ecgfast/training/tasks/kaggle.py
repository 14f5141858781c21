"""Task "kaggle": AAMI class of a beat in the form of Kachuee et al. (2018)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ...errors import InputError, RecordError
from ...evaluation import AAMI_CLASSES
from ...runtime import InputSpec
from ...window import WindowSpec
from ..datasets.examples import ExampleSet
from ..datasets.kaggle import prepare_kaggle, random_part, random_test, read_kaggle_files
from ..datasets.ptb import prepare_ptb
from ..datasets.splits import (
    DS1,
    DS2,
    PACED,
    check_records,
    named_records,
    patient_folds,
    record_names,
)
from ..recipes.recipe import Recipe
from .base import CardFacts, Task

__all__ = ["TASK", "KaggleTask"]

_RANDOM, _PATIENT = "random", "patient"
_FILES = ("train_files", "test_files")
_TEST_SHARE = 0.2
_HEADINGS = {
    _RANDOM: "random by beat (beats of one patient on both sides)",
    _PATIENT: "by patient",
}


class KaggleTask(Task):
    """Beats of MIT-BIH or of one's own recordings, split as the recipe's options say.

    Parameters
    ----------
    name : str
        What the card calls the task.
    classes : tuple of str
    relabelled : callable
        Takes examples of AAMI classes, returns those of this task.

    Notes
    -----
    ``recipe.options``: ``"split"``, either ``"random"`` (by beat, as Kaggle's own) or
    ``"patient"`` (of MIT-BIH DS1 trains, DS2 tests, paced recordings are left out; of other
    databases all recordings train, or, where MIT-BIH is not among them, a fifth of the patients
    tests). ``"test"``, of the split by patient: recordings that test in place of these, such as
    ``["mine/p07"]``; no other recording of their patients trains. ``"train_files"`` and
    ``"test_files"`` name Kaggle's own files in the data folder, in place of recordings;
    ``"database": "ptbdb"`` takes PTB Diagnostic. Without test files a fifth of each class, or of
    the patients, is the test part.
    """

    option_types: ClassVar[Mapping[str, type]] = {
        "split": str,
        "test": list,
        "train_files": list,
        "test_files": list,
        "database": str,
    }

    def __init__(
        self,
        name: str,
        classes: tuple[str, ...],
        relabelled: Callable[[ExampleSet], ExampleSet] = lambda examples: examples,
    ) -> None:
        self.name, self.classes, self._relabelled = name, classes, relabelled

    def check_data(self, recipe: Recipe, data: str | os.PathLike[str]) -> None:
        """Refuse data that lack one of Kaggle's files, or a recording of DS1 or DS2."""
        for option in _FILES:
            for name in recipe.options.get(option, ()):
                if not (Path(data) / name).is_file():
                    raise RecordError(
                        f"{Path(data) / name}: no such file (options.{option}); Kaggle's heartbeat "
                        "set has it"
                    )
        if not _of_databases(recipe):
            return
        for database in recipe.databases:
            record_names(data, database)
        if recipe.options.get("test") is not None:
            _named_test(recipe, data)
        elif _kind(recipe) == _PATIENT and "mitdb" in recipe.databases:
            for part, names in (("training part, DS1", DS1), ("test part, DS2", DS2)):
                check_records(data, [f"mitdb/{name}" for name in names], f"the {part}")

    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """The training part."""
        if recipe.options.get("test_files"):
            return self._read(recipe, data, "train_files")
        examples, test = self._split(recipe, data, progress)
        return examples.only(~test)

    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """The test part."""
        heading = _HEADINGS[_kind(recipe)]
        if heading == _HEADINGS[_PATIENT] and _ds2_tests(recipe):
            alone = tuple(recipe.databases) == ("mitdb",)
            heading += f", {'DS1 trains' if alone else 'DS1 and others train'}, DS2 tests"
        if recipe.options.get("test_files"):
            return {f"Kaggle's own split, {heading}": self._read(recipe, data, "test_files")}
        examples, test = self._split(recipe, data, progress)
        return {heading: examples.only(test)}

    def _split(
        self, recipe: Recipe, data: str | os.PathLike[str], progress: bool
    ) -> tuple[ExampleSet, npt.NDArray[np.bool_]]:
        """All examples of a recipe, and which are the test part."""
        kind = _kind(recipe)
        if recipe.options.get("train_files"):
            examples = self._read(recipe, data, "train_files")
            return examples, random_part(examples.target, _TEST_SHARE, recipe.seed)
        database = recipe.options.get("database", "mitdb")
        if database == "ptbdb":
            examples = self._checked(prepare_ptb(data, progress=progress), recipe, "ptbdb")
            if kind == _RANDOM:
                return examples, random_part(examples.target, _TEST_SHARE, recipe.seed)
            return examples, patient_folds(examples.patient, examples.target, 5, recipe.seed) == 0
        if database != "mitdb":
            raise InputError(f"recipe {recipe.name}: database {database!r} is not mitdb or ptbdb")
        examples = prepare_kaggle(data, recipe.databases, progress=progress)
        if kind == _RANDOM:
            if recipe.options.get("test") is not None:
                raise InputError(
                    f"recipe {recipe.name}: options.test names recordings, and the split is by "
                    "beat: set options.split=patient too"
                )
            published = tuple(recipe.databases) == ("mitdb",)
            drawn = random_test if published else partial(random_part, share=_TEST_SHARE)
            return self._relabelled(examples), drawn(examples.target, seed=recipe.seed)
        paced = [f"mitdb/{name}" for name in PACED]
        examples = examples.only(~np.isin(examples.record, paced))
        examples, test = self._by_patient(recipe, data, self._relabelled(examples))
        examples.about["test"] = sorted(set(examples.record[test].tolist()))
        if test.all() or not test.any():
            raise InputError(
                f"recipe {recipe.name}: databases and test leave none to train or none to test"
            )
        return examples, test

    def _by_patient(
        self, recipe: Recipe, data: str | os.PathLike[str], examples: ExampleSet
    ) -> tuple[ExampleSet, npt.NDArray[np.bool_]]:
        """The examples of a split by patient, and which of them test."""
        if recipe.options.get("test") is not None:
            named = _named_test(recipe, data)
            tests = np.isin(examples.record, [f"{base}/{name}" for base, name, _ in named])
            shared = np.isin(examples.patient, [patient for _, _, patient in named]) & ~tests
            return examples.only(~shared), tests[~shared]
        if "mitdb" in recipe.databases:
            records = [f"mitdb/{name}" for name in DS2]
            check_records(data, records, "the test part, DS2")
            return examples, np.isin(examples.record, records)
        whose = len(set(examples.patient.tolist()))
        folds = patient_folds(examples.patient, examples.target, min(5, whose), recipe.seed)
        return examples, folds == 0

    def _read(self, recipe: Recipe, data: str | os.PathLike[str], option: str) -> ExampleSet:
        if _kind(recipe) != _RANDOM:
            raise InputError(f"recipe {recipe.name}: Kaggle's files do not tell patients")
        files = [Path(data) / name for name in recipe.options.get(option, ())]
        if not files:
            raise InputError(f"recipe {recipe.name}: the options lack {option}")
        return self._checked(read_kaggle_files(files), recipe, files[0].name)

    def _checked(self, examples: ExampleSet, recipe: Recipe, origin: str) -> ExampleSet:
        """Examples with this task's classes, if they tell them."""
        if examples.classes != self.classes:
            examples = self._relabelled(examples)
        if examples.classes != self.classes:
            raise InputError(f"recipe {recipe.name}: {origin} does not tell AAMI classes")
        return examples

    def folds(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
        """Folds by beat where the split is, else by patient."""
        if _kind(recipe) == _PATIENT:
            return super().folds(recipe, examples)
        draw = np.random.default_rng(recipe.seed)
        fold = np.zeros(len(examples), np.int64)
        for label in range(len(self.classes)):
            rows = draw.permutation(np.flatnonzero(examples.target == label))
            fold[rows] = np.arange(len(rows)) % recipe.folds
        return fold

    def validation(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.bool_]:
        """A share of every class by beat where the split is, else patients."""
        if _kind(recipe) == _PATIENT:
            return super().validation(recipe, examples)
        return random_part(examples.target, recipe.schedule.validation_share, recipe.seed + 1)

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """Input, window, data and split, for the card."""
        kind = _kind(recipe)
        data = {
            "databases": examples.about["databases"],
            "form": examples.about["form"],
            "training_beats": examples.counts(),
            "left_out": examples.about["left_out"],
            "lead": "the first of each recording",
        }
        data |= {key: examples.about[key] for key in ("rule", "files") if key in examples.about}
        split: dict[str, object] = {"protocol": _HEADINGS[kind]}
        if kind == _PATIENT and data["databases"] == ["ptbdb"]:
            split |= {"test": "a fifth of the patients", "patients on both sides": "none"}
        elif kind == _PATIENT:
            split |= {
                "training": sorted(set(examples.record.tolist())),
                "test": examples.about["test"],
                "patients on both sides": "none",
            }
            if "mitdb" in data["databases"]:
                split["left out"] = [f"mitdb/{name}" for name in PACED]
            if _ds2_tests(recipe):
                split["patients on both sides"] = "one: mitdb 201 and 202, the split's known flaw"
        else:
            split["patients on both sides"] = "all"
        return CardFacts(
            inputs=(
                InputSpec(
                    "window",
                    examples.inputs["window"].shape[1:],
                    "the beat from R on, 1.2 of the running median RR long, scaled to 0..1, then "
                    "zeros (Kachuee et al. 2018), as BeatStream cuts it",
                ),
            ),
            window=WindowSpec(*examples.about["window"]),
            data=data,
            split=split,
        )


def _kind(recipe: Recipe) -> str:
    kind = str(recipe.options.get("split", _RANDOM))
    if kind not in _HEADINGS:
        raise InputError(f"recipe {recipe.name}: split {kind!r} is not {' or '.join(_HEADINGS)}")
    return kind


def _of_databases(recipe: Recipe) -> bool:
    """Whether the beats are of annotated recordings, and not of files of others' making."""
    return not {"database", *_FILES} & set(recipe.options)


def _ds2_tests(recipe: Recipe) -> bool:
    """Whether the test part of the split by patient is DS2."""
    named = recipe.options.get("test") is not None
    return _of_databases(recipe) and "mitdb" in recipe.databases and not named


def _named_test(recipe: Recipe, data: str | os.PathLike[str]) -> list[tuple[str, str, str]]:
    """The recordings that the recipe has test, and whose they are."""
    named = named_records(data, recipe.options["test"])
    for database, name, _ in named:
        if database not in recipe.databases:
            raise InputError(
                f"recipe {recipe.name}: {database}/{name} tests, and {database} is not among its "
                f"databases, {', '.join(recipe.databases)}: add it to databases"
            )
    return named


TASK = KaggleTask("beats", tuple(AAMI_CLASSES))
