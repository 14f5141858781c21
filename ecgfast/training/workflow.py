"""The making of a beat model: choose by cross-validation, train, convert, score, record."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtraError, ModelError
from ..evaluation import AAMI_CLASSES, BeatModelScores, evaluate_beat_model
from ..runtime import Classifier, InputSpec, ModelCard, ModelWindow
from .beats import BeatSet, prepare_beats
from .crossval import CandidateResult, choose, cross_validate
from .recipe import Recipe
from .splits import DS2, patient_of

__all__ = [
    "beat_card",
    "compare_candidates",
    "of_training_patients",
    "score_on_test",
    "train_beat_model",
    "training_beats",
]

Report = Callable[[str], None]


def training_beats(recipe: Recipe, data: str | os.PathLike[str]) -> BeatSet:
    """The beats that may train and choose: DS1, and all of any other database of the recipe.

    Parameters
    ----------
    recipe : Recipe
    data : path
        Folder that holds the databases.

    Returns
    -------
    BeatSet

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    return of_training_patients(prepare_beats(data, recipe.databases, progress=True))


def of_training_patients(beats: BeatSet) -> BeatSet:
    """All beats of a set but those of the test records.

    Parameters
    ----------
    beats : BeatSet

    Returns
    -------
    BeatSet

    Raises
    ------
    InputError
        If none is left.
    """
    test = {f"mitdb/{name}" for name in DS2}
    kept = beats.only(np.array([record not in test for record in beats.record.tolist()]))
    if not len(kept):
        raise InputError("the data set holds no training records: prepare it with DS1's")
    return kept


def compare_candidates(
    recipe: Recipe, beats: BeatSet, folder: Path, report: Report
) -> list[CandidateResult]:
    """Cross-validate every candidate of a recipe; finished ones are read back after a break.

    Parameters
    ----------
    recipe : Recipe
    beats : BeatSet
        Training patients only.
    folder : Path
        Where each candidate's result is kept.
    report : callable
        Gets a line of progress.

    Returns
    -------
    list of CandidateResult
    """
    results = []
    for name, change in recipe.candidates.items():
        candidate = recipe.changed(change)
        settings = {
            "architecture": candidate.architecture,
            "schedule": dataclasses.asdict(candidate.schedule),
            "folds": recipe.folds,
            "seed": recipe.seed,
            "beats": len(beats),
        }
        kept = folder / f"crossval-{name.replace(' ', '-')}.json"
        result = _read_result(kept, settings)
        if result is None:
            result = cross_validate(candidate, beats, name, report=report)
            _write_json(kept, {"settings": settings, "result": _pack(result)})
        report(f"{name}: criterion {result.criterion:.4f}")
        results.append(result)
    return results


def train_beat_model(
    recipe: Recipe,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    work: str | os.PathLike[str],
    *,
    command: str,
    report: Report = print,
    progress: bool = False,
) -> ModelCard:
    """Make a model of AAMI beat classes from nothing.

    Candidates are compared by cross-validation over training patients; the best is trained on all
    of them, converted to TFLite and checked against Keras; the converted files are scored once on
    DS2, from reference beats and end to end, and everything goes into the card.

    Parameters
    ----------
    recipe : Recipe
    data : path
        Folder that holds the databases.
    output : path
        Folder for the model's files and card.
    work : path
        Folder for what a broken-off run needs to go on: results of candidates, the Keras model.
    command : str
        The command that does this, for the card.
    report : callable
        Gets lines of progress.
    progress : bool
        Show Keras's progress bar.

    Returns
    -------
    ModelCard

    Raises
    ------
    RecordError, InputError, ModelError, MissingExtraError
        If recordings, recipe or conversion fail.
    """
    if find_spec("keras") is None or find_spec("tensorflow") is None:
        raise MissingExtraError("Training a model (Keras and TensorFlow)", "train")
    from .export import export
    from .fit import fit

    beats = training_beats(recipe, data)
    folder = Path(work)
    folder.mkdir(parents=True, exist_ok=True)
    report(
        f"{len(beats)} training beats of {len(set(beats.patient.tolist()))} patients: "
        f"{beats.counts()}"
    )
    results = compare_candidates(recipe, beats, folder, report)
    chosen = recipe
    if results:
        best = choose(results)
        chosen = recipe.changed(recipe.candidates[best.name])
        report(f"chosen: {best.name}")
    model, losses = fit(chosen, beats, progress=progress)
    model.save(folder / "model.keras")
    _write_json(folder / "losses.json", losses)

    card = beat_card(chosen, beats, command)
    card.metrics["cross_validation"] = [result.to_dict() for result in results]
    export(
        model,
        output,
        recipe.name,
        representative={"window": beats.windows, "features": beats.features},
        labels=beats.label,
        card=card,
        seed=recipe.seed,
    )
    return score_on_test(Path(output) / f"{recipe.name}.json", data, report=report)


def score_on_test(
    card_path: Path, data: str | os.PathLike[str], *, report: Report = print
) -> ModelCard:
    """Score every form of a converted model on DS2 and write the figures into its card.

    Parameters
    ----------
    card_path : Path
        NAME.json beside the model's files.
    data : path
        Folder that holds ``mitdb``.
    report : callable
        Gets the tables.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    ModelError, RecordError
        If the model or a recording cannot be used.
    """
    card = ModelCard.load(card_path)
    test = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
    metrics: dict[str, Any] = {}
    details = []
    for form in card.forms:
        scores = evaluate_beat_model(Classifier(card_path, form=form), data, test, progress=True)
        for score in scores:
            metrics[f"DS2 {form}, {_title(score)}"] = _headline(score)
            details.append({"form": form, **score.to_dict()})
            report(f"\nDS2 {form}, {_title(score)}\n{score.scores().table()}")
    kept = {key: value for key, value in card.metrics.items() if not key.startswith("DS2 ")}
    card.metrics = {**metrics, **kept, "scores": details}
    card.save(card_path)
    return card


def _title(score: BeatModelScores) -> str:
    beats = "reference beats" if score.beats == "reference" else "own detections"
    return f"{beats}, label {'one beat later' if score.lookahead else 'with the beat'}"


def _headline(score: BeatModelScores) -> dict[str, float]:
    total, without = score.scores(), score.scores(without=("mitdb/232",))
    figures = {
        "N sensitivity": total.sensitivity("N"),
        "V sensitivity": total.sensitivity("V"),
        "V positive predictivity": total.positive_predictivity("V"),
        "V F1": total.f1("V"),
        "S F1": total.f1("S"),
        "S F1 without record 232": without.f1("S"),
        "accuracy": total.accuracy,
    }
    # A model that never says V has no positive predictivity to tell.
    return {name: round(figure, 4) for name, figure in figures.items() if isfinite(figure)}


def beat_card(recipe: Recipe, beats: BeatSet, command: str) -> ModelCard:
    """What is known of a model before it is converted and scored.

    Parameters
    ----------
    recipe : Recipe
    beats : BeatSet
        Training beats.
    command : str
        The command that makes the model.

    Returns
    -------
    ModelCard
    """
    points, channels = beats.windows.shape[1:]
    window = ModelWindow(*beats.about["window"])
    return ModelCard(
        name=recipe.name,
        description=recipe.description,
        task=recipe.task,
        classes=tuple(AAMI_CLASSES),
        inputs=(
            InputSpec(
                "window",
                (points, channels),
                "channel 0 the beat, channel 1 the patient's running dominant beat, in running QRS "
                "sizes, as BeatStream cuts them",
            ),
            InputSpec(
                "features",
                (beats.features.shape[1],),
                "RR and morphology features of BeatStream: " + ", ".join(beats.about["features"]),
            ),
        ),
        window=window,
        architecture=recipe.architecture,
        data={
            "databases": list(recipe.databases),
            "training_beats": beats.counts(),
            "training_patients": len(set(beats.patient.tolist())),
            "left_out": beats.about["left_out"],
            "lead": "the first of each recording",
        },
        split={
            "training": sorted(set(beats.record.tolist())),
            "choice": f"{recipe.folds}-fold cross-validation over training patients",
            "test": [f"mitdb/{name}" for name in DS2],
            "patients on both sides": "one: mitdb 201 and 202, the split's known flaw",
        },
        seed=recipe.seed,
        command=command,
        limits=list(recipe.limits),
        metrics={"schedule": [dataclasses.asdict(recipe.schedule)]},
    )


def _pack(result: CandidateResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "parameters": result.parameters,
        "fold_criterion": list(result.fold_criterion),
        "confusion": {str(a): [list(r) for r in s.confusion] for a, s in result.scores.items()},
    }


def _read_result(path: Path, settings: dict[str, Any]) -> CandidateResult | None:
    """A finished candidate of the same settings, if the file holds one."""
    from ..evaluation.classes import from_matrix

    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != json.loads(json.dumps(settings)):
            return None
        packed = content["result"]
        return CandidateResult(
            packed["name"],
            packed["parameters"],
            {
                int(ahead): from_matrix(np.array(matrix), AAMI_CLASSES)
                for ahead, matrix in packed["confusion"].items()
            },
            tuple(packed["fold_criterion"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: damaged ({error}); delete it and run again") from None


def _write_json(path: Path, content: Any) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
