"""Patient-wise cross-validation: candidates are compared on training patients only."""

from __future__ import annotations

import dataclasses
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..._files import whole_file
from ..._types import FloatArray, Report
from ...errors import InputError
from ..datasets.examples import ExampleSet
from ..recipes.recipe import Recipe
from ..scoring import slug
from ..tasks.base import Task

__all__ = [
    "CandidateResult",
    "choose",
    "cross_validate",
    "difference",
    "mean_figures",
    "share_of",
    "with_augmented",
]

#: Figures of each way in which a network is shown the examples (`Task.views`).
Figures = dict[str, dict[str, float]]

_DRAWS = 400


@dataclass(frozen=True)
class CandidateResult:
    """What cross-validation found of one candidate.

    Attributes
    ----------
    name : str
    parameters : int
    criterion : float
        `Task.criterion` over the examples of all folds together, each answered by a network that
        had not seen its patient.
    figures : dict of str to dict
        `Task.figures` of the same, by view.
    folds : tuple of dict
        For each fold: "criterion", "figures", "examples", "patients", "epochs", "seconds" and
        "history".
    draws : tuple of float
        The criterion over patients drawn with replacement, the same patients for every candidate;
        none of one patient.
    drawn : dict of str to tuple of float
        Of the figures of `Task.leading`, the mean over the views on the same draws.
    outputs : dict of str to ndarray of float32, shape (n, outputs)
        By view, what networks that had not seen its patient made of each example; figures are of
        these after `Task.calibrated`.
    patients : int
        Of all folds together; fewer than the sum over the folds where these are not by patient.
    """

    name: str
    parameters: int
    criterion: float
    figures: Figures
    folds: tuple[dict[str, Any], ...]
    draws: tuple[float, ...] = ()
    drawn: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    outputs: Mapping[str, FloatArray] = dataclasses.field(default_factory=dict)
    patients: int = 0

    @property
    def leading(self) -> dict[str, float]:
        """The figures of `drawn` over the examples of all folds together, mean of the views."""
        return {name: _mean_of_views(self.figures, name) for name in self.drawn}

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the criterion over patients (bootstrap; Efron, 1979)."""
        return _interval(self.draws)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; NaN becomes None.

        Returns
        -------
        dict
        """
        plain: dict[str, Any] = _plain(
            {
                "candidate": self.name,
                "parameters": self.parameters,
                "criterion": self.criterion,
                "interval_95": list(self.interval),
                "fold_criterion": [fold["criterion"] for fold in self.folds],
                "seconds": sum(fold["seconds"] for fold in self.folds),
                "leading": self.leading,
                **{view or "figures": figures for view, figures in self.figures.items()},
            }
        )
        return plain


def _mean_of_views(figures: Figures, name: str) -> float:
    return float(np.mean([of.get(name, np.nan) for of in figures.values()]))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def cross_validate(
    task: Task,
    recipe: Recipe,
    examples: ExampleSet,
    name: str = "",
    *,
    augmented: ExampleSet | None = None,
    noise: Sequence[FloatArray] = (),
    folder: Path | None = None,
    report: Report = lambda line: None,
    progress: bool = False,
    seed: int | None = None,
) -> CandidateResult:
    """Train on all patients but a fold's, answer that fold's examples, for each fold.

    Parameters
    ----------
    task : Task
    recipe : Recipe
        The candidate.
    examples : ExampleSet
        Training patients only, n rows.
    name : str
        Of the candidate, for the result.
    augmented : ExampleSet, optional
        Examples that are only learnt from, of the same patients (`Task.augmented`), or of others
        (`Task.own_examples`).
    noise : sequence of ndarray of float32, each of shape (m,)
        Recorded noise for a schedule that adds some.
    folder : Path, optional
        Where finished folds are kept, and from where they are read back after a break; the learning
        curves of each are there as CSV.
    report : callable
        Gets a line after each fold.
    progress : bool
        Show a progress bar on a terminal.
    seed : int, optional
        Of the folds and of the draws of patients, the same for candidates that are compared; the
        recipe's by default, which is also that of the networks.

    Returns
    -------
    CandidateResult
    """
    from .fit import fingerprint

    name = name or recipe.name
    divided = recipe if seed is None else dataclasses.replace(recipe, seed=seed)
    fold = task.folds(divided, examples)
    settings = fingerprint(recipe, examples, augmented, recipe.seed, noise)
    # Also by whom they are divided: the same examples of other patients make other folds.
    settings["folds"] = [recipe.folds, zlib.crc32(np.ascontiguousarray(fold).data)]
    pooled: dict[str, FloatArray] = {}
    rows: list[dict[str, Any]] = []
    parameters = 0
    kept = None if folder is None else folder / slug(name)
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    for k in range(recipe.folds):
        file = None if kept is None else kept / f"fold-{k + 1}.npz"
        held = examples.only(fold == k)
        finished = None
        if file is not None:
            finished, other = _read_fold(file, settings)
            if other:
                report(f"{file} is of another training, and is replaced: {other}")
        if finished is not None:
            numbers, outputs = finished
        else:
            others = examples.only(fold != k)
            watched = task.validation(divided, others)
            numbers, outputs = _fit_fold(
                recipe,
                with_augmented(others.only(~watched), augmented, examples),
                others.only(watched),
                task.views(held),
                noise,
                None if kept is None else kept / f"fold-{k + 1}",
                seed=recipe.seed + k,
                begun=partial(_of_fold, report, f"{name}: fold {k + 1}"),
                progress=progress,
            )
            if kept is not None and file is not None:
                _write_fold(file, settings, numbers, outputs)
                (kept / f"fold-{k + 1}.checkpoint.npz").unlink(missing_ok=True)
        parameters = numbers.pop("parameters")
        patients = len(set(held.patient.tolist()))
        rows.append({"examples": len(held), "patients": patients, **numbers})
        for view, answers in outputs.items():
            whole = pooled.setdefault(view, np.empty((len(examples), answers.shape[1]), np.float32))
            whole[fold == k] = answers
        if finished is None:
            report(f"{name}: fold {k + 1} of {recipe.folds}")
    bare = dataclasses.replace(examples, inputs={})
    calibrated = task.calibrated(divided, bare, pooled)
    for k, row in enumerate(rows):
        held = bare.only(fold == k)
        of_fold = {view: task.figures(held, of[fold == k]) for view, of in calibrated.items()}
        row |= {"criterion": task.criterion(of_fold), "figures": of_fold}
    figures = {view: task.figures(bare, of) for view, of in calibrated.items()}
    return CandidateResult(
        name,
        parameters,
        task.criterion(figures),
        figures,
        tuple(rows),
        *_draws(task, bare, calibrated, task.leading(next(iter(figures.values()))), divided.seed),
        pooled,
        len(set(bare.patient.tolist())),
    )


def _of_fold(report: Report, fold: str, line: str) -> None:
    report(f"{fold} {line}")


def with_augmented(
    examples: ExampleSet, augmented: ExampleSet | None, whole: ExampleSet
) -> ExampleSet:
    """Examples, and what may be learnt from beside them.

    Parameters
    ----------
    examples : ExampleSet
        Those that train.
    augmented : ExampleSet, optional
        Examples that are only learnt from.
    whole : ExampleSet
        All examples: what is augmented from their patients goes only with those that train.

    Returns
    -------
    ExampleSet
    """
    if augmented is None:
        return examples
    held = np.isin(augmented.patient, whole.patient) & ~np.isin(augmented.patient, examples.patient)
    return ExampleSet.concatenate([examples, augmented.only(~held)])


def _draws(
    task: Task,
    bare: ExampleSet,
    answers: Mapping[str, FloatArray],
    leading: Sequence[str],
    seed: int,
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
    """The criterion and the leading figures over patients drawn with replacement."""
    _, whose = np.unique(bare.patient, return_inverse=True)
    rows = np.split(np.argsort(whose, kind="stable"), np.cumsum(np.bincount(whose))[:-1])
    generator = np.random.default_rng(seed)
    criteria: list[float] = []
    drawn: dict[str, list[float]] = {name: [] for name in leading}
    # Of one patient every draw is the same, and would pass for certainty.
    for _ in range(_DRAWS if len(rows) > 1 else 0):
        patients = generator.integers(len(rows), size=len(rows)).tolist()
        chosen = np.concatenate([rows[i] for i in patients])
        some = bare.only(chosen)
        if "recording" in some.columns:
            # A patient who is drawn twice counts as two, in figures of recordings too.
            turn = np.repeat(np.arange(len(patients)), [len(rows[i]) for i in patients])
            apart = some.columns["recording"].astype(np.int64) * len(patients) + turn
            some = dataclasses.replace(some, columns={**some.columns, "recording": apart})
        figures = {view: task.figures(some, out[chosen]) for view, out in answers.items()}
        criteria.append(task.criterion(figures))
        for name, values in drawn.items():
            values.append(_mean_of_views(figures, name))
    return tuple(criteria), {name: tuple(values) for name, values in drawn.items()}


def _interval(draws: Sequence[float]) -> tuple[float, float]:
    known = np.asarray(draws)[np.isfinite(draws)] if len(draws) else np.zeros(0)
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def difference(
    one: CandidateResult, other: CandidateResult, figure: str | None = None
) -> tuple[float, float, float]:
    """How much the criterion, or another figure, of one candidate is above another's.

    Parameters
    ----------
    one, other : CandidateResult
        Of the same examples.
    figure : str, optional
        One of `CandidateResult.leading`, in place of the criterion.

    Returns
    -------
    difference, low, high : float
        And its 95 % interval over patients, both candidates judged on the same draws.
    """
    if figure is None:
        low, high = _interval(np.subtract(one.draws, other.draws).tolist())
        return one.criterion - other.criterion, low, high
    low, high = _interval(np.subtract(one.drawn[figure], other.drawn[figure]).tolist())
    return one.leading[figure] - other.leading[figure], low, high


def choose(results: Sequence[CandidateResult]) -> CandidateResult:
    """The candidate with the best criterion; the smaller network where two are equal.

    Parameters
    ----------
    results : sequence of CandidateResult
        At least one.

    Returns
    -------
    CandidateResult
    """
    return max(results, key=lambda r: (round(r.criterion, 4), -r.parameters))


def mean_figures(result: CandidateResult) -> dict[str, tuple[float, float, int]]:
    """Mean and spread of each figure over the folds, averaged over the views.

    Parameters
    ----------
    result : CandidateResult

    Returns
    -------
    dict of str to (float, float, int)
        Mean and standard deviation over the folds where the figure is defined, and how many those
        are.
    """
    found = {}
    for name in next(iter(result.figures.values())):
        values = np.array(
            [np.mean([of[name] for of in fold["figures"].values()]) for fold in result.folds]
        )
        values = values[np.isfinite(values)]
        if len(values):
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            found[name] = (float(values.mean()), float(spread), len(values))
    return found


def share_of(examples: ExampleSet, share: float, seed: int) -> ExampleSet:
    """A share of every patient's examples, of each class alike, at least one of each.

    Parameters
    ----------
    examples : ExampleSet
    share : float
        Above 0, at most 1.
    seed : int

    Returns
    -------
    ExampleSet

    Raises
    ------
    InputError
        If the share is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"a share of {share} of the data: give one above 0, at most 1")
    if share == 1:
        return examples
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(examples))
    kind = examples.target if examples.labelled else np.zeros(len(examples), np.int8)
    _, group = np.unique(examples.patient, return_inverse=True)
    group = group * 128 + kind
    kept = []
    for one in np.unique(group):
        own = order[group[order] == one]
        kept.append(own[: max(1, round(share * len(own)))])
    return examples.only(np.sort(np.concatenate(kept)))


def _write_fold(
    file: Path,
    settings: dict[str, Any],
    numbers: dict[str, Any],
    outputs: Mapping[str, FloatArray],
) -> None:
    about = json.dumps({"settings": settings, "numbers": numbers, "views": list(outputs)})
    with whole_file(file) as out:
        arrays: dict[str, Any] = {
            f"output.{i}": values for i, values in enumerate(outputs.values())
        }
        np.savez(out, about=np.array(about), **arrays)


def _fit_fold(
    recipe: Recipe,
    training: ExampleSet,
    watched: ExampleSet,
    held: Mapping[str, ExampleSet],
    noise: Sequence[FloatArray],
    stem: Path | None,
    *,
    seed: int,
    begun: Report,
    progress: bool,
) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Train on all folds but one, and answer this one's views; numbers of the training, outputs."""
    from .fit import fit, predict

    started = time.monotonic()
    fitted = fit(
        recipe,
        training,
        watched,
        seed=seed,
        noise=noise,
        checkpoint=None if stem is None else stem.with_suffix(".checkpoint.npz"),
        curves=None if stem is None else stem.with_suffix(".csv"),
        begun=begun,
        progress=progress,
    )
    outputs = {view: predict(fitted.model, shown) for view, shown in held.items()}
    numbers = {
        "parameters": int(fitted.model.count_params()),
        "epochs": len(fitted.history),
        "seconds": time.monotonic() - started,
        "history": fitted.history,
    }
    return numbers, outputs


def _read_fold(
    file: Path, settings: dict[str, Any]
) -> tuple[tuple[dict[str, Any], dict[str, FloatArray]] | None, str]:
    """A finished fold of the same settings, if the file holds one; or how they differ."""
    from .fit import difference_text

    if not file.exists():
        return None, ""
    try:
        with np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if other := difference_text(about["settings"], settings):
                return None, other
            outputs = {view: stored[f"output.{i}"] for i, view in enumerate(about["views"])}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{file}: damaged ({error}); delete it and run again") from None
    return (about["numbers"], outputs), ""
