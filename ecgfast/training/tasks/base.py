"""What every task has: where its examples come from, how they are split, how it is scored."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..._types import Report
from ...core import FEATURE_NAMES
from ...deprecated import warn_renamed
from ...errors import InputError, name_hint
from ...evaluation.classes import score_classes
from ...runtime import Classifier, InputSpec, ModelCard
from ...window import WindowSpec
from ..datasets.examples import ExampleSet
from ..datasets.splits import patient_folds
from ..scoring import given_labels, plain, score_outputs, write_score

if TYPE_CHECKING:
    from ..recipes.recipe import Recipe

__all__ = [
    "CardFacts",
    "Task",
    "checked_examples",
    "checked_facts",
    "checked_test_sets",
    "given_inputs",
]


@dataclass(frozen=True)
class CardFacts:
    """What a task says of a model on its card.

    Attributes
    ----------
    inputs : tuple of InputSpec
        Name, shape without the batch, and meaning of each input.
    window : WindowSpec, optional
        How the live stream cuts the input; None where a model does not run beat by beat.
    lookahead : int
        How many later beats the features of a beat need.
    data : dict
        Data sets and what was kept of them, with counts of what each rule dropped.
    split : dict
        Which patients trained, chose and tested, and whether any stands on two sides.
    limits : tuple of str, optional
        What the model cannot do, in place of what the recipe says of it.
    """

    inputs: tuple[InputSpec, ...]
    window: WindowSpec | None = None
    lookahead: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] | None = None


def given_inputs(examples: ExampleSet, window: str) -> tuple[InputSpec, ...]:
    """What the card says of a window and, where there are some, of features.

    Parameters
    ----------
    examples : ExampleSet
    window : str
        What the window shows.

    Returns
    -------
    tuple of InputSpec
    """
    meanings = {
        "window": f"{window}, in running QRS sizes, as BeatStream cuts them",
        "features": "RR and morphology features of the last beats, this one last: "
        + ", ".join(FEATURE_NAMES),
    }
    return tuple(
        InputSpec(name, values.shape[1:], meanings[name])
        for name, values in examples.inputs.items()
    )


def checked_examples(task: Task, what: str, found: Any) -> ExampleSet:
    """What a task's method gave, if it is a set of examples.

    Parameters
    ----------
    task : Task
    what : str
        What it should be, for the message: "training set".
    found : any

    Returns
    -------
    ExampleSet

    Raises
    ------
    InputError
        If it is something else: a task may be another package's.
    """
    if not isinstance(found, ExampleSet):
        raise InputError(
            f"task {task.name!r}: its {what} is of type {type(found).__name__}; it has to be an "
            "ecgfast.training.datasets.examples.ExampleSet"
        )
    return found


def checked_test_sets(
    task: Task, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
) -> dict[str, ExampleSet]:
    """The test sets of a task, each if it is a set of examples.

    Parameters
    ----------
    task, recipe, data, progress
        As `Task.test_sets` takes them.

    Returns
    -------
    dict of str to ExampleSet

    Raises
    ------
    InputError
        If there is anything else.
    """
    found = task.test_sets(recipe, data, progress=progress)
    if not isinstance(found, Mapping):
        raise InputError(
            f"task {task.name!r}: test_sets gives {type(found).__name__}; it has to give a dict "
            "of ExampleSet by heading"
        )
    return {name: checked_examples(task, f"test set {name!r}", one) for name, one in found.items()}


def checked_facts(task: Task, recipe: Recipe, examples: ExampleSet) -> CardFacts:
    """What the card of a task's model will say, if a card can hold it.

    Parameters
    ----------
    task, recipe, examples
        As `Task.facts` takes them.

    Returns
    -------
    CardFacts

    Raises
    ------
    InputError
        If it is something else, or holds what JSON does not.
    """
    found = task.facts(recipe, examples)
    if not isinstance(found, CardFacts):
        raise InputError(
            f"task {task.name!r}: facts gives {type(found).__name__}; it has to give a CardFacts"
        )
    for name in ("data", "split"):
        try:
            json.dumps(getattr(found, name), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"task {task.name!r}: CardFacts.{name} holds what JSON does not ({error})"
            ) from None
    return found


class Task(ABC):
    """A task; subclasses say where examples come from, and may refine the rest.

    Attributes
    ----------
    name : str
        What the card calls the task: "beats", "normality" or "blood-pressure".
    classes : tuple of str
        Softmax: a name for each output. Sigmoid: two, the output is the probability of the second.
        Linear: names of the numbers.
    output : {"probability", "value"}
        Name of the network's output.
    unit : str
        Unit of an output "value", such as "mmHg".
    criterion_name : str
        What `criterion` is, in a few words.
    leading_text : str
        What the figures of `leading` are, as a sentence or two.
    trains_to_score : bool
        Whether `score_precisions` trains networks: a task without a test part cross-validates.
    score_text : str
        What a reader of its figures has to know, as a sentence or two.
    option_types : dict of str to type, optional
        Names that ``recipe.options`` may have, and the type of each: `str`, `int`, `float`, `list`
        or `dict`. None takes any.
    """

    name: str
    classes: tuple[str, ...]
    output: str = "probability"
    unit: str = ""
    criterion_name: str = "F1"
    leading_text: str = ""
    trains_to_score: ClassVar[bool] = False
    score_text: str = ""
    option_types: ClassVar[Mapping[str, type] | None] = None

    def check_options(self, recipe: Recipe) -> None:
        """Refuse options of a recipe that this task does not have, or of another type.

        Parameters
        ----------
        recipe : Recipe

        Raises
        ------
        InputError
            The message names the option that is most like an unknown one.
        """
        if self.option_types is None:
            return
        for name, value in recipe.options.items():
            if name not in self.option_types:
                raise InputError(
                    f"recipe {recipe.name}: task {self.name!r} has no option {name!r}; "
                    f"{name_hint(name, self.option_types)}"
                )
            kind = self.option_types[name]
            taken = (int, float) if kind is float else kind
            if not isinstance(value, taken) or isinstance(value, bool):
                raise InputError(
                    f"recipe {recipe.name}: option {name!r} is {_KINDS[kind]}, not {value!r}"
                )

    def databases(self, recipe: Recipe) -> Sequence[str]:
        """Databases below the data folder that a training reads: those of the recipe.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        sequence of str
        """
        return recipe.databases

    def check_data(self, recipe: Recipe, data: str | os.PathLike[str]) -> None:  # noqa: B027
        """Refuse data that lack what a training reads, of the test part too, before it is read.

        Nothing is checked unless a task does: what is missing is then reported when it is read,
        for the test part at the end.

        Parameters
        ----------
        recipe : Recipe
        data : path
            Folder that holds the databases.

        Raises
        ------
        RecordError, InputError
            The message names what is missing.
        """

    @abstractmethod
    def training_set(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> ExampleSet:
        """The examples that may train and choose; never one of the test part.

        Parameters
        ----------
        recipe : Recipe
            ``recipe.options`` holds the task's own settings, such as the split or the window.
        data : path
            Folder that holds the databases (``mitdb``, ``nstdb``, ...).
        progress : bool
            Show a progress bar on a terminal.

        Returns
        -------
        ExampleSet
        """

    def augmented(
        self,
        recipe: Recipe,
        data: str | os.PathLike[str],
        examples: ExampleSet,
        *,
        progress: bool = False,
    ) -> ExampleSet | None:
        """Further examples, augmented from the training set's, that are only ever learnt from.

        A network learns from those of its training patients; none is watched or scored. None
        unless a task makes some.

        Parameters
        ----------
        recipe : Recipe
        data : path
            Folder that holds the databases.
        examples : ExampleSet
            Training set.
        progress : bool
            Show a progress bar on a terminal.

        Returns
        -------
        ExampleSet or None
        """
        return None

    def own_examples(self, recipe: Recipe, examples: ExampleSet, own: ExampleSet) -> ExampleSet:
        """Examples of one's own, as this task learns from them.

        Parameters
        ----------
        recipe : Recipe
        examples : ExampleSet
            Training set.
        own : ExampleSet
            As `ecgfast review --export` writes them.

        Returns
        -------
        ExampleSet
            With the columns of the training set.

        Raises
        ------
        InputError
            If the task takes none, or these do not fit.
        """
        raise InputError(f"recipe {recipe.name}: its task takes no examples of one's own")

    @abstractmethod
    def test_sets(
        self, recipe: Recipe, data: str | os.PathLike[str], *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        """The examples of the test part, by heading; called once, at the very end.

        A heading names the protocol, such as ``"DS2, reference beats"`` or ``"random by beat (one
        patient on both sides)"``.
        """

    @abstractmethod
    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        """What the card says of inputs, window, data and split; `examples` is the training set."""

    def folds(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.int64]:
        """Fold of each example in cross-validation, 0 to ``recipe.folds - 1``, shape (n,).

        By patient, with like numbers of every class.
        """
        return patient_folds(examples.patient, _strata(examples), recipe.folds, recipe.seed)

    def validation(self, recipe: Recipe, examples: ExampleSet) -> npt.NDArray[np.bool_]:
        """Training examples held back to watch, and to stop by where the recipe says so, (n,).

        ``recipe.schedule.validation_share`` of them, by patient, and at least one patient; none
        where that is 0.
        """
        share = recipe.schedule.validation_share
        if not share:
            return np.zeros(len(examples), dtype=bool)
        whose = len(set(examples.patient.tolist()))
        parts = max(2, min(round(1 / share), whose))
        held: npt.NDArray[np.bool_] = (
            patient_folds(examples.patient, _strata(examples), parts, recipe.seed) == 0
        )
        return held

    def views(self, examples: ExampleSet) -> dict[str, ExampleSet]:
        """The ways in which a network is shown the same examples when it is scored, by name.

        One, as they are; beats are shown with and without the next RR interval.
        """
        return {"": examples}

    def figures(self, examples: ExampleSet, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Figures of a network's outputs, by name; NaN where one is not defined.

        Parameters
        ----------
        examples : ExampleSet
            Of n rows.
        outputs : ndarray of float32, shape (n, outputs)
            In the targets' unit.

        Returns
        -------
        dict of str to float
            Of classes: accuracy, precision, recall and F1, of the second class for a sigmoid
            output and else averaged over the classes that occur (macro), then the F1 of each. Of
            numbers: mean absolute error, mean error and its standard deviation, by output.
        """
        if not examples.labelled:
            error = outputs.astype(np.float64) - examples.target
            return {
                f"{name} {figure}": float(value)
                for i, name in enumerate(self.classes)
                for figure, value in (
                    ("MAE", np.abs(error[:, i]).mean()),
                    ("ME", error[:, i].mean()),
                    ("SD", error[:, i].std()),
                )
            }
        scores = score_classes(examples.target, given_labels(outputs), self.classes)
        if outputs.shape[1] == 1:
            of = self.classes[1]
            return {
                "accuracy": scores.accuracy,
                "precision": scores.positive_predictivity(of),
                "recall": scores.sensitivity(of),
                "F1": scores.f1(of),
            }
        there = [c for i, c in enumerate(self.classes) if np.any(examples.target == i)]
        # Of a class that is never given precision is not defined: it counts as 0, as F1 does.
        precision = [np.nan_to_num(scores.positive_predictivity(c)) for c in there]
        return {
            "accuracy": scores.accuracy,
            "precision": float(np.mean(precision)),
            "recall": float(np.mean([scores.sensitivity(c) for c in there])),
            "F1": scores.macro_f1,
            **{f"{c} F1": scores.f1(c) for c in self.classes},
        }

    def criterion(self, figures: dict[str, dict[str, float]]) -> float:
        """The number that a candidate is chosen by, larger is better.

        Parameters
        ----------
        figures : dict of str to dict
            What `figures` gave, by view.

        Returns
        -------
        float
            F1, or minus the mean absolute error over all outputs; the mean over the views.
        """
        if self.output == "probability":
            return float(np.mean([of["F1"] for of in figures.values()]))
        return -float(
            np.mean([of[f"{name} MAE"] for of in figures.values() for name in self.classes])
        )

    def calibrated(
        self,
        recipe: Recipe,
        examples: ExampleSet,
        outputs: Mapping[str, npt.NDArray[np.float32]],
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        """Outputs of cross-validation as `finish` would calibrate them; as they are by default.

        Candidates are compared as they would be published: a class weight that calibration takes
        back is no difference.

        Parameters
        ----------
        recipe : Recipe
        examples : ExampleSet
            Training set, of n rows.
        outputs : mapping of str to ndarray of float32, shape (n, outputs)
            By view, of networks that had not seen an example's patient.

        Returns
        -------
        mapping of str to ndarray of float32, shape (n, outputs)
        """
        return outputs

    def leading(self, names: Iterable[str]) -> list[str]:
        """Names of the figures that a user would choose a model by, first in any comparison.

        Parameters
        ----------
        names : iterable of str
            Of what `figures` gave.

        Returns
        -------
        list of str
            F1 of each class where there are several; or of the second class F1, recall and
            precision; or the mean absolute error of each output.
        """
        known = list(names)
        if self.output != "probability":
            return [name for name in known if name.endswith(" MAE")]
        of_classes = [name for name in known if name.endswith(" F1")]
        return of_classes or [name for name in ("F1", "recall", "precision") if name in known]

    def is_share(self, name: str) -> bool:
        """Whether a figure is a share of 1, which tables have in %; else it is in its own unit."""
        return self.output == "probability"

    def finish(
        self,
        model: Any,
        recipe: Recipe,
        examples: ExampleSet,
        answers: Mapping[str, npt.NDArray[np.float32]],
    ) -> dict[str, Any]:
        """Last changes of a trained network before it is converted; none unless a task has some.

        Parameters
        ----------
        model : keras.Model
            Trained on all training patients; changed in place.
        recipe : Recipe
            Of the chosen candidate.
        examples : ExampleSet
            Training set, of n rows.
        answers : mapping of str to ndarray of float32, shape (n, outputs)
            By view, its outputs in cross-validation; empty where the recipe compares nothing.

        Returns
        -------
        dict
            Plain JSON for ``card.metrics``.
        """
        return {}

    def score_precisions(
        self,
        card_path: Path,
        data: str | os.PathLike[str],
        recipe: Recipe,
        report: Report,
        *,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Score every precision of a converted model on the test part; called once, at the end.

        Parameters
        ----------
        card_path : Path
            NAME.json beside the model's files.
        data : path
            Folder that holds the databases.
        recipe : Recipe
        report : callable
            Gets the tables.
        folder : Path, optional
            Where `scoring.write_score` writes what reports and pictures are made from.

        Returns
        -------
        dict
            ``"HEADING, PRECISION"`` to figures, and under ``"scores"`` all there is to know: plain
            JSON for ``card.metrics``.

        Raises
        ------
        ModelError
            If the model cannot be used.
        """
        headlines: dict[str, Any] = {}
        details = []
        test_sets = checked_test_sets(self, recipe, data)
        for precision in ModelCard.load(card_path).precisions:
            classifier = Classifier(card_path, precision=precision)
            for heading, shown in test_sets.items():
                for view, examples in self.views(shown).items():
                    title = ", ".join(filter(None, (heading, view, precision)))
                    inputs = [examples.inputs[name] for name in classifier.input_shapes]
                    outputs = classifier.predict_proba(*inputs)
                    figures, score = self.score_part(title, examples, outputs, folder)
                    headlines[title] = figures
                    details.append({"title": title, "form": precision, **score})
                    report(f"{title}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
        return {**headlines, "scores": details}

    def score_forms(self, *given: Any, **options: Any) -> dict[str, Any]:
        """Deprecated: `score_precisions`."""
        warn_renamed("Task.score_forms", "Task.score_precisions")
        return self.score_precisions(*given, **options)

    def score_part(
        self,
        title: str,
        examples: ExampleSet,
        outputs: npt.NDArray[np.float32],
        folder: Path | None = None,
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Score outputs, and write what reports and pictures are made from.

        Parameters
        ----------
        title : str
            What was scored, for the file.
        examples : ExampleSet
            Of n rows.
        outputs : ndarray of float32, shape (n, outputs)
        folder : Path, optional
            Where `scoring.write_score` writes.

        Returns
        -------
        figures : dict of str to float
            Those of the task, rounded.
        score : dict
            What `scoring.score_outputs` returns.
        """
        score = score_outputs(examples, outputs)
        if folder is not None:
            write_score(
                folder,
                title,
                examples.classes,
                score.get("confusion", ()),
                target=examples.target,
                outputs=outputs,
            )
        return plain(self.figures(examples, outputs)), score


_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    list: 'a list, such as ["a", "b"]',
    dict: 'an object, such as {"a": 1}',
}


def _strata(examples: ExampleSet) -> npt.NDArray[Any]:
    return examples.target if examples.labelled else np.zeros(len(examples), np.int8)
