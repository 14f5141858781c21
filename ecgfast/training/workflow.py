"""The making of a model: choose by cross-validation, train, convert, score, record."""

from __future__ import annotations

import dataclasses
import glob
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from .._files import check_writable, temporary_folder, write_whole
from .._one_run import take_folder
from .._types import FloatArray, Report
from ..errors import InputError
from ..extras import need_installed
from ..networks import build
from ..printable import counted
from ..runtime import ModelCard
from .datasets.examples import ExampleSet
from .datasets.same_recording import same_recordings
from .datasets.splits import check_records, listed, missing_records
from .fitting.batches import NOISE_DATABASE, recorded_noise
from .fitting.crossval import CandidateResult, choose, cross_validate, share_of, with_augmented
from .recipes.recipe import Recipe
from .scoring import slug, write_curves, write_json
from .tasks import Task, checked_examples, checked_facts, checked_test_sets, load_task

__all__ = ["compare_candidates", "model_card", "score_on_test", "train_model"]

# Whose the limits of a recipe are, where other databases train.
_OF_RECIPE = "Of the recipe's own model"

# What a training uses sooner or later: its last step must not find that one is missing.
_FITTING = ("keras", "matplotlib", "scipy", "sklearn")


def compare_candidates(
    recipe: Recipe,
    candidates: Mapping[str, Mapping[str, Any]],
    data: str | os.PathLike[str],
    folder: Path,
    report: Report,
    *,
    share: float = 1.0,
    epochs: int | None = None,
    progress: bool = False,
) -> list[CandidateResult]:
    """Cross-validate candidates over training patients; finished folds are read back after a break.

    Parameters
    ----------
    recipe : Recipe
    candidates : mapping of str to mapping
        Changes of the recipe by name; see `Recipe.changed`.
    data : path
        Folder that holds the databases.
    folder : Path
        Where the results of folds are kept.
    report : callable
        Gets lines of progress.
    share : float
        Share of every patient's examples that is used.
    epochs : int, optional
        Instead of the recipe's, for a quick look.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    list of CandidateResult

    Raises
    ------
    RecordError, InputError, MissingExtraError
        If recordings or settings cannot be used.
    """
    need_installed(_FITTING, "Training a model", "train")
    task = load_task(recipe.task)
    changed = {name: recipe.changed(change) for name, change in candidates.items()}
    _check(task, changed.values())
    _say_missing(missing_records(data, task.databases(recipe)), report)
    sets = _TrainingSets(task, data, progress)
    if epochs is not None:
        few = {"schedule": {"epochs": epochs}}
        changed = {name: candidate.changed(few) for name, candidate in changed.items()}
    _check_examples(sets, list(changed.values()), report)
    return _compare(changed, sets, folder, report, share, seed=recipe.seed)


def _alone(folder: Path) -> closing[Connection]:
    """Have no other training write into a work folder, in which each would read the other's."""
    return closing(take_folder(folder, "training.lock", "training", "work="))


class _TrainingSets:
    """Training sets and what is augmented from them, cut once for recipes that agree on them."""

    def __init__(
        self,
        task: Task,
        data: str | os.PathLike[str],
        progress: bool,
        own: ExampleSet | None = None,
        report: Report = print,
    ) -> None:
        self.task, self.data, self.progress, self.own = task, data, progress, own
        self._report = report
        self._settings: tuple[Any, ...] | None = None

    def of(self, recipe: Recipe) -> tuple[ExampleSet, ExampleSet | None]:
        """Training set of a recipe, and what is only learnt from: augmented, and one's own."""
        settings = recipe.options, recipe.seed, recipe.folds
        if self._settings != settings:
            found = self.task.training_set(recipe, self.data, progress=self.progress)
            self._examples = checked_examples(self.task, "training set", found)
            self._augmented = self.task.augmented(
                recipe, self.data, self._examples, progress=self.progress
            )
            if self.own is not None:
                own = self._owned(recipe, self.task.own_examples(recipe, self._examples, self.own))
                more = [] if self._augmented is None else [self._augmented]
                self._augmented = ExampleSet.concatenate([*more, own])
            self._settings = settings
        return self._examples, self._augmented

    def _owned(self, recipe: Recipe, own: ExampleSet) -> ExampleSet:
        """One's own examples with the patients that the data sets have; none of the test part."""
        tests = checked_test_sets(self.task, recipe, self.data, progress=self.progress)
        for part in tests.values():
            for name, tested in same_recordings(own, part).items():
                raise InputError(
                    f"recipe {recipe.name}: {name} of the examples of one's own is the recording "
                    f"{tested}, which tests: export the reviews without it, or test on others "
                    "(options.test)"
                )
        same = same_recordings(own, self._examples)
        whose = dict(
            zip(self._examples.record.tolist(), self._examples.patient.tolist(), strict=True)
        )
        patient = own.patient.astype(object)
        for name, other in same.items():
            self._report(f"{name} is {other}: both are held out together")
            patient[own.record == name] = whose[other]
        return dataclasses.replace(own, patient=patient.astype(str))


def _check(task: Task, recipes: Iterable[Recipe]) -> None:
    """Refuse settings that are not there before anything is read."""
    built: list[dict[str, Any]] = []
    for recipe in recipes:
        task.check_options(recipe)
        if recipe.architecture not in built:
            options = dict(recipe.architecture)
            if "name" not in options:
                raise InputError(f"recipe {recipe.name}: architecture has no name of a network")
            build(options.pop("name"), **options)
            built.append(recipe.architecture)


def own_examples(files: Sequence[str | os.PathLike[str]]) -> ExampleSet | None:
    """Read files of one's own as one set.

    Parameters
    ----------
    files : sequence of path
        As `ecgfast review --export` writes them.

    Returns
    -------
    ExampleSet or None
        None without any.

    Raises
    ------
    InputError
        If they do not go together: other classes or windows, or a recording in two of them.
    RecordError
        If one cannot be read.
    """
    read = [ExampleSet.load(path) for path in files]
    seen: dict[str, str | os.PathLike[str]] = {}
    for path, part in zip(files, read, strict=True):
        if _kind_of(part) != _kind_of(read[0]):
            raise InputError(
                f"{path}: its examples are of other classes or windows than those of {files[0]}; "
                "export both with the same model (ecgfast review --export FILE --model M)"
            )
        for name in sorted(set(part.record.tolist())):
            if name in seen:
                raise InputError(
                    f"{path}: {name} is in {seen[name]} too; export every recording once, under a "
                    "name of its own"
                )
            seen[name] = path
    return ExampleSet.concatenate(read) if read else None


def _kind_of(examples: ExampleSet) -> tuple[Any, ...]:
    """What sets must share to be one: classes, and the shape of each input."""
    shapes = {name: values.shape[1:] for name, values in examples.inputs.items()}
    return examples.classes, shapes, examples.about.get("features"), set(examples.columns)


def _check_examples(sets: _TrainingSets, recipes: Sequence[Recipe], report: Report) -> None:
    """Refuse what can be refused before a work folder is made; the examples are cut once."""
    recipe = recipes[0]
    examples, augmented = sets.of(recipe)
    if examples.labelled:
        counts = Counter(examples.counts())
        if augmented is not None:
            counts.update(augmented.counts())
        _check_classes(recipe, counts, report)
    checked_facts(sets.task, recipe, examples)
    _noise(sets.task, recipe, examples, sets.data)
    for other in recipes[1:]:
        if other.schedule.recorded_noise:
            noise = [f"{NOISE_DATABASE}/{name}" for name in other.schedule.noise_records]
            check_records(sets.data, noise, "the recorded noise that the schedule adds")


def _check_classes(recipe: Recipe, counts: Mapping[str, int], report: Report) -> None:
    """Refuse examples of one class alone, and say which classes have none."""
    seen = [name for name, count in counts.items() if count]
    if len(seen) == 1:
        raise InputError(
            f"recipe {recipe.name}: all {counts[seen[0]]:,} training examples are {seen[0]}, and a "
            "model needs two classes or more: check the labels, or choose another test part"
        )
    if len(seen) < len(counts):
        unseen = ", ".join(name for name in counts if name not in seen)
        report(f"caution: no training example of {unseen}: the model cannot recognise them")


def _compare(
    candidates: Mapping[str, Recipe],
    sets: _TrainingSets,
    folder: Path,
    report: Report,
    share: float,
    *,
    seed: int,
) -> list[CandidateResult]:
    results: list[CandidateResult] = []
    if not candidates:
        return results
    with _alone(folder):
        for name, candidate in candidates.items():
            # Candidates of other seeds are compared on the same examples, folds and draws.
            examples, augmented = sets.of(dataclasses.replace(candidate, seed=seed))
            examples = share_of(examples, share, seed)
            result = cross_validate(
                sets.task,
                candidate,
                examples,
                name,
                augmented=None if augmented is None else share_of(augmented, share, seed),
                noise=_noise(sets.task, candidate, examples, sets.data),
                folder=folder,
                report=report,
                progress=sets.progress,
                seed=seed,
            )
            between = " [{:.4f}, {:.4f}]".format(*result.interval) if result.draws else ""
            report(f"{name}: criterion {result.criterion:.4f}{between}")
            results.append(result)
    return results


def train_model(
    recipe: Recipe,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    work: str | os.PathLike[str],
    *,
    command: str,
    own: Sequence[str | os.PathLike[str]] = (),
    settings: Mapping[str, Any] | None = None,
    report: Report = print,
    progress: bool = False,
) -> ModelCard:
    """Make a model from nothing.

    Candidates are compared by cross-validation over training patients; the best is trained on all
    of them but its validation part, converted to TFLite and checked against Keras; the converted
    files are scored once on the test part, and everything goes into the card. Learning curves lie
    beside the model, as NAME.learning_curves.csv.

    Parameters
    ----------
    recipe : Recipe
    data : path
        Folder that holds the databases.
    output : path
        Folder for the model's files and card.
    work : path
        Folder for what a broken-off run needs to go on (folds of candidates, the state after each
        epoch), the Keras model, learning curves and scores.
    command : str
        The command that does this, for the card.
    own : sequence of path
        Data sets of one's own (`ecgfast review --export`), that are learnt from beside the
        recipe's, and neither choose nor test.
    settings : mapping of str to any, optional
        What was changed of the recipe before (`recipes.settings.set_values`), for the card.
    report : callable
        Gets lines of progress.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ModelCard

    Raises
    ------
    RecordError, InputError, ModelError, MissingExtraError
        If recordings, recipe or conversion fail.
    """
    need_installed((*_FITTING, "tensorflow"), "Training a model", "train")
    from .export.tflite import export

    check_writable(Path(output) / f"{recipe.name}.json", "output=")
    task = load_task(recipe.task)
    candidates = {name: recipe.changed(change) for name, change in recipe.candidates.items()}
    others = [recipe.changed(change) for change in recipe.protocols.values()]
    _check(task, [recipe, *candidates.values(), *others])
    for each in (recipe, *candidates.values(), *others):
        task.check_data(each, data)
    missing = missing_records(data, task.databases(recipe))
    _say_missing(missing, report)
    whole = own_examples(own)
    folder = Path(work)
    sets = _TrainingSets(task, data, progress, whole, report)
    _check_examples(sets, [*candidates.values(), recipe, *others], report)
    with _alone(folder):
        _forget_scores(folder)
        results = _compare(candidates, sets, folder / "crossval", report, 1.0, seed=recipe.seed)
        chosen, answers = recipe, {}
        if results:
            best = choose(results)
            chosen, answers = candidates[best.name], dict(best.outputs)
            report(f"chosen: {best.name}")
        model, examples, made, parts = _trained(sets, chosen, folder, report)
        parts |= task.finish(model, chosen, examples, answers)
        _save(model, folder / "model.keras")
        card = model_card(task, chosen, examples, command)
        if any(made.values()):
            card.data["made_examples"] = made
        if missing:
            card.data["missing_records"] = missing
        _note_changes(card, recipe, settings or {}, own, sets.own)
        _note_unseen(card, examples, made)
        card.metrics.update(parts)
        if results:
            card.metrics["cross_validation"] = [result.to_dict() for result in results]
        for heading, change in recipe.protocols.items():
            other = chosen.changed(change)
            report(f"protocol: {heading}")
            card.metrics[heading] = _protocol(sets, other, folder / slug(heading), report)
        history = json.loads((folder / "learning_curves.json").read_text(encoding="utf-8"))
        export(
            model,
            output,
            recipe.name,
            representative=examples.inputs,
            labels=examples.target if examples.labelled else None,
            card=card,
            seed=recipe.seed,
        )
        Path(output).mkdir(parents=True, exist_ok=True)
        write_curves(Path(output) / f"{recipe.name}.learning_curves.csv", history)
        return score_on_test(
            chosen,
            Path(output) / f"{recipe.name}.json",
            data,
            report=report,
            folder=folder,
        )


def _forget_scores(folder: Path) -> None:
    """Delete scores of an earlier training in a work folder, which are not those of the next one.

    What an interrupted training continues with stays.
    """
    for checkpoint in (*folder.glob("checkpoint.npz"), *folder.glob("*/checkpoint.npz")):
        part = checkpoint.parent
        of_it = [part / "learning_curves.json", part / "learning_curves.png"]
        for score in (part / "scores").glob("*.json"):
            of_it += [score, score.with_suffix(".txt")]
            of_it += score.parent.glob(f"{glob.escape(score.stem)}.*.png")
        for path in of_it:
            path.unlink(missing_ok=True)


def _note_changes(
    card: ModelCard,
    recipe: Recipe,
    settings: Mapping[str, Any],
    files: Sequence[str | os.PathLike[str]],
    own: ExampleSet | None,
) -> None:
    """Say in a card what was not as the recipe has it: settings, and examples of one's own."""
    if own is not None:
        card.data["own_examples"] = own.counts()
        card.data["own_recordings"] = sorted(set(own.record.tolist()))
        card.data["own_files"] = [Path(path).name for path in files]
    if settings:
        card.data["settings"] = dict(settings)
    changes = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    changes += [f"examples of {Path(path).name}" for path in files]
    if changes and card.limits == list(recipe.limits):
        if "databases" in settings:  # "trained on 70 patients" is not said of this model
            card.limits = [
                limit if limit.startswith("Not a medical device") else f"{_OF_RECIPE}: {limit}"
                for limit in card.limits
            ]
        card.limits.insert(
            0,
            f"Not the recipe as it stands, but changed ({', '.join(changes)}): numbers in the "
            "other limits are of models of the recipe itself.",
        )


def _note_unseen(card: ModelCard, examples: ExampleSet, made: Mapping[str, int]) -> None:
    """Say in a card which classes had no example, neither in the training set nor made."""
    unseen = [n for n, count in examples.counts().items() if not count and not made.get(n)]
    if examples.labelled and unseen:
        card.limits.append(
            f"Trained without an example of {', '.join(unseen)}: it cannot recognise them."
        )


def _say_missing(missing: Mapping[str, Sequence[str]], report: Report) -> None:
    """Report the recordings that a database lacks: what is learnt or chosen lacks them too."""
    for database, names in missing.items():
        report(
            f"caution: {database} lacks {len(names)} of its recordings, from which nothing is "
            f"learnt: {listed(names)}"
        )


def _save(model: Any, path: Path) -> None:
    """Keep a Keras model, whole or not at all: Keras itself writes into the file that is there."""
    with temporary_folder() as scratch:
        saved = scratch / path.name
        model.save(saved)
        write_whole(path, saved.read_bytes())


def _noise(
    task: Task, recipe: Recipe, examples: ExampleSet, data: str | os.PathLike[str]
) -> list[FloatArray]:
    """Recorded noise on the model's grid, where the schedule adds some."""
    if not recipe.schedule.recorded_noise:
        return []
    window = task.facts(recipe, examples).window
    if window is None:
        raise InputError(f"recipe {recipe.name}: recorded_noise needs windows on a time grid")
    return recorded_noise(data, recipe.schedule.noise_records, window.grid_fs)


def _trained(
    sets: _TrainingSets,
    recipe: Recipe,
    folder: Path,
    report: Report,
) -> tuple[Any, ExampleSet, dict[str, int], dict[str, Any]]:
    """Network, training set, counts of augmented examples, figures of both parts."""
    from .fitting.fit import fit, predict

    task = sets.task
    examples, augmented = sets.of(recipe)
    report(
        f"{counted(len(examples), 'training example')} of "
        f"{counted(len(set(examples.patient.tolist())), 'patient')}"
        + (f": {examples.counts()}" if examples.labelled else "")
    )
    checked_facts(task, recipe, examples)  # the end of a long training is too late to refuse them
    counts = {} if augmented is None else augmented.counts()
    if sets.own is not None:
        own = sets.own.counts()
        report(f"{len(sets.own)} of one's own, for training alone: {own}")
        counts = {name: count - own[name] for name, count in counts.items()}
    if any(counts.values()):
        report(f"{sum(counts.values())} made from them, for training alone: {counts}")
    watched = task.validation(recipe, examples)
    parts = {"training part": examples.only(~watched), "validation part": examples.only(watched)}
    noise = _noise(task, recipe, examples, sets.data)
    folder.mkdir(parents=True, exist_ok=True)  # what is refused before leaves none
    fitted = fit(
        recipe,
        with_augmented(parts["training part"], augmented, examples),
        parts["validation part"],
        noise=noise,
        checkpoint=folder / "checkpoint.npz",
        curves=folder / "learning_curves.csv",
        report=report,
        progress=sets.progress,
    )
    _save(fitted.model, folder / "model.keras")
    write_json(folder / "learning_curves.json", fitted.history)
    metrics: dict[str, Any] = {}
    for name, part in parts.items():
        if len(part):
            # As the live stream shows them before it knows more.
            shown = next(iter(task.views(part).values()))
            outputs = predict(fitted.model, shown)
            metrics[name], _ = task.score_part(name, shown, outputs, folder / "scores")
    return fitted.model, examples, counts, metrics


def _protocol(
    sets: _TrainingSets,
    recipe: Recipe,
    folder: Path,
    report: Report,
) -> dict[str, Any]:
    """Figures of the recipe trained anew under another protocol, with Keras."""
    from .fitting.fit import predict

    task = sets.task
    model, examples, _, metrics = _trained(sets, recipe, folder, report)
    details: list[Any] = [{"split": task.facts(recipe, examples).split}]
    tests = checked_test_sets(task, recipe, sets.data, progress=sets.progress)
    for heading, shown in tests.items():
        for view, part in task.views(shown).items():
            title = ", ".join(filter(None, (heading, view)))
            outputs = predict(model, part)
            metrics[title], score = task.score_part(title, part, outputs, folder / "scores")
            details.append({"title": title, **score})
            report(f"{title}: {metrics[title]}")
    metrics["scores"] = details
    write_json(folder / "metrics.json", metrics)
    return metrics


def score_on_test(
    recipe: Recipe,
    card_path: Path,
    data: str | os.PathLike[str],
    *,
    report: Report = print,
    folder: Path | None = None,
) -> ModelCard:
    """Score every precision of a converted model on the test part; write the figures into its card.

    Parameters
    ----------
    recipe : Recipe
        The model's.
    card_path : Path
        NAME.json beside the model's files.
    data : path
        Folder that holds the databases.
    report : callable
        Gets the tables.
    folder : Path, optional
        Work folder: ``metrics.json`` and ``scores/`` are written there.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    ModelError, RecordError
        If the model or a recording cannot be used.
    """
    task = load_task(recipe.task)
    scores = None if folder is None else folder / "scores"
    metrics = task.score_precisions(card_path, data, recipe, report, folder=scores)
    card = ModelCard.load(card_path)
    card.metrics = {**metrics, **{k: v for k, v in card.metrics.items() if k not in metrics}}
    card.save(card_path)
    if folder is not None:
        write_json(folder / "metrics.json", card.metrics)
    return card


def model_card(task: Task, recipe: Recipe, examples: ExampleSet, command: str) -> ModelCard:
    """What is known of a model before it is converted and scored.

    Parameters
    ----------
    task : Task
    recipe : Recipe
    examples : ExampleSet
        Training set.
    command : str
        The command that makes the model.

    Returns
    -------
    ModelCard
    """
    facts = task.facts(recipe, examples)
    return ModelCard(
        name=recipe.name,
        description=recipe.description,
        task=task.name,
        classes=task.classes,
        inputs=facts.inputs,
        output=task.output,
        unit=task.unit,
        window=facts.window,
        lookahead=facts.lookahead,
        architecture=recipe.architecture,
        data=facts.data,
        split=facts.split,
        seed=recipe.seed,
        command=command,
        limits=list(recipe.limits if facts.limits is None else facts.limits),
        metrics={"schedule": [dataclasses.asdict(recipe.schedule)]},
    )
