"""The making of a model: choose by cross-validation, train, convert, score, record."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .._files import write_whole
from .._types import FloatArray, Report
from ..errors import InputError, MissingExtraError
from ..runtime import ModelCard
from .datasets.examples import ExampleSet
from .fitting.batches import recorded_noise
from .fitting.crossval import CandidateResult, choose, cross_validate, share_of, with_augmented
from .recipes.recipe import Recipe
from .scoring import slug, write_json
from .tasks import Task, load_task

__all__ = ["compare_candidates", "model_card", "score_on_test", "train_model"]


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
    _need_keras()
    task = load_task(recipe.task)
    results = []
    shown: tuple[Any, ExampleSet, ExampleSet | None] | None = None
    for name, change in candidates.items():
        candidate = recipe.changed(change)
        if epochs is not None:
            candidate = candidate.changed({"schedule": {"epochs": epochs}})
        settings = candidate.options, candidate.seed
        if shown is None or shown[0] != settings:
            examples = task.training_set(candidate, data, progress=progress)
            augmented = task.augmented(candidate, data, examples, progress=progress)
            shown = (
                settings,
                share_of(examples, share, recipe.seed),
                None if augmented is None else share_of(augmented, share, recipe.seed),
            )
        result = cross_validate(
            task,
            candidate,
            shown[1],
            name,
            augmented=shown[2],
            noise=_noise(task, candidate, shown[1], data),
            folder=folder,
            report=report,
            progress=progress,
        )
        low, high = result.interval
        report(f"{name}: criterion {result.criterion:.4f} [{low:.4f}, {high:.4f}]")
        results.append(result)
    return results


def train_model(
    recipe: Recipe,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    work: str | os.PathLike[str],
    *,
    command: str,
    report: Report = print,
    progress: bool = False,
) -> ModelCard:
    """Make a model from nothing.

    Candidates are compared by cross-validation over training patients; the best is trained on all
    of them but its validation part, converted to TFLite and checked against Keras; the converted
    files are scored once on the test part, and everything goes into the card.

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
    _need_keras()
    if find_spec("tensorflow") is None:
        raise MissingExtraError("Exporting a model (TensorFlow)", "train")
    from .export.tflite import export

    task = load_task(recipe.task)
    folder = Path(work)
    folder.mkdir(parents=True, exist_ok=True)
    results = compare_candidates(
        recipe, recipe.candidates, data, folder / "crossval", report, progress=progress
    )
    chosen, answers = recipe, {}
    if results:
        best = choose(results)
        chosen, answers = recipe.changed(recipe.candidates[best.name]), dict(best.outputs)
        report(f"chosen: {best.name}")
    model, examples, made, parts = _trained(task, chosen, data, folder, report, progress)
    parts |= task.finish(model, chosen, examples, answers)
    _save(model, folder / "model.keras")
    card = model_card(task, chosen, examples, command)
    if made:
        card.data["made_examples"] = made
    card.metrics.update(parts)
    if results:
        card.metrics["cross_validation"] = [result.to_dict() for result in results]
    for heading, change in recipe.protocols.items():
        other = chosen.changed(change)
        report(f"protocol: {heading}")
        card.metrics[heading] = _protocol(
            task, other, data, folder / slug(heading), report, progress
        )
    export(
        model,
        output,
        recipe.name,
        representative=examples.inputs,
        labels=examples.target if examples.labelled else None,
        card=card,
        seed=recipe.seed,
    )
    return score_on_test(
        chosen,
        Path(output) / f"{recipe.name}.json",
        data,
        report=report,
        folder=folder,
    )


def _save(model: Any, path: Path) -> None:
    """Keep a Keras model, whole or not at all: Keras itself writes into the file that is there."""
    with tempfile.TemporaryDirectory(prefix="ecgfast-train-") as scratch:
        saved = Path(scratch) / path.name
        model.save(saved)
        write_whole(path, saved.read_bytes())


def _need_keras() -> None:
    if find_spec("keras") is None:
        raise MissingExtraError("Training a model (Keras)", "train")


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
    task: Task,
    recipe: Recipe,
    data: str | os.PathLike[str],
    folder: Path,
    report: Report,
    progress: bool,
) -> tuple[Any, ExampleSet, dict[str, int], dict[str, Any]]:
    """Network, training set, counts of augmented examples, figures of both parts."""
    from .fitting.fit import fit, predict

    folder.mkdir(parents=True, exist_ok=True)
    examples = task.training_set(recipe, data, progress=progress)
    report(
        f"{len(examples)} training examples of {len(set(examples.patient.tolist()))} patients: "
        f"{examples.counts()}"
    )
    augmented = task.augmented(recipe, data, examples, progress=progress)
    counts = {} if augmented is None else augmented.counts()
    if counts:
        report(f"{sum(counts.values())} made from them, for training alone: {counts}")
    watched = task.validation(recipe, examples)
    parts = {"training part": examples.only(~watched), "validation part": examples.only(watched)}
    fitted = fit(
        recipe,
        with_augmented(parts["training part"], augmented),
        parts["validation part"],
        noise=_noise(task, recipe, examples, data),
        checkpoint=folder / "checkpoint.npz",
        report=report,
        progress=progress,
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
    task: Task,
    recipe: Recipe,
    data: str | os.PathLike[str],
    folder: Path,
    report: Report,
    progress: bool,
) -> dict[str, Any]:
    """Figures of the recipe trained anew under another protocol, with Keras."""
    from .fitting.fit import predict

    model, examples, _, metrics = _trained(task, recipe, data, folder, report, progress)
    details: list[Any] = [{"split": task.facts(recipe, examples).split}]
    for heading, shown in task.test_sets(recipe, data, progress=progress).items():
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
    """Score every form of a converted model on the test part; write the figures into its card.

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
    metrics = task.score_forms(card_path, data, recipe, report, folder=scores)
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
        limits=list(recipe.limits),
        metrics={"schedule": [dataclasses.asdict(recipe.schedule)]},
    )
