"""Pictures of trainings: learning curves, confusion matrices, ROC and precision-recall curves.

They are drawn from the JSON files that training leaves in its work folder, and need no Keras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._files import write_whole
from ..errors import InputError
from ..extras import need
from ..printable import picture_text
from .strip import write_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "candidates_figure",
    "confusion_figure",
    "draw_run",
    "draw_score",
    "learning_figure",
    "precision_recall_figure",
    "roc_figure",
    "value_figure",
    "write_figure",
]

_DPI = 130
# Of Okabe and Ito (2008), which colour-blind readers tell apart.
_TRAIN, _WATCH, _QUIET = "#0072b2", "#c84a00", "#999999"


def learning_figure(history: Sequence[Mapping[str, float]], title: str = "") -> Figure:
    """Draw loss and metric by epoch, of the training and the validation part.

    Parameters
    ----------
    history : sequence of mapping
        A row an epoch, as ``learning_curves.json`` holds it.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no epoch.
    """
    if not history:
        raise InputError("no epochs to draw: train first")
    names = [k for k in history[0] if k not in ("epoch", "learning rate")]
    shown = [name for name in names if not name.startswith("validation ")]
    shown.sort(key=lambda name: name != "loss")
    figure, axes = _figure(len(shown), title)
    for ax, name in zip(axes, shown, strict=True):
        for key, label, colour in (
            (name, "training, as augmented", _TRAIN),
            (f"validation {name}", "validation", _WATCH),
        ):
            if key in names:
                at = [row["epoch"] for row in history]
                ax.plot(at, [row[key] for row in history], ".-", color=colour, label=label)
        ax.set(xlabel="epoch", ylabel={"mae": "MAE, standard deviations"}.get(name, name))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
    return figure


def confusion_figure(confusion: npt.ArrayLike, classes: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix: counts, coloured by the share of each reference class.

    Parameters
    ----------
    confusion : array_like of int, shape (k, k)
        Rows the reference, columns the model; one more than classes where beats were missed or
        found where there are none.
    classes : sequence of str
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = np.asarray(confusion, np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (ax,) = _figure(1, title)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, j), count in np.ndenumerate(counts):
        text = f"{count:,}\n{100 * shares[i, j]:.1f} %"
        ax.text(
            j,
            i,
            text,
            ha="center",
            va="center",
            fontsize=8,
            color="w" if shares[i, j] > 0.5 else "k",
        )
    more = len(counts) > len(classes)
    classes = [picture_text(name) for name in classes]
    ax.set_xticks(range(len(counts)), [*classes, *(["missed"] if more else [])])
    ax.set_yticks(range(len(counts)), [*classes, *(["false"] if more else [])])
    ax.set(xlabel="model", ylabel="reference")
    ax.spines[:].set_visible(False)
    return figure


def roc_figure(target: npt.ArrayLike, probability: npt.ArrayLike, title: str = "") -> Figure:
    """Draw the receiver operating characteristic of one probability.

    Parameters
    ----------
    target : array_like of int, shape (n,)
        0 or 1.
    probability : array_like, shape (n,)
        Of 1.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If only one of the two occurs.
    """
    metrics = need("sklearn.metrics", "A ROC curve", "train")
    actual, given = _two_classes(target, probability)
    false, right, _ = metrics.roc_curve(actual, given)
    area = f"area {metrics.roc_auc_score(actual, given):.4f}"
    names = ("1 - specificity", "sensitivity")
    return _curve_figure((false, right), area, (0, 1), names, "lower right", title)


def precision_recall_figure(
    target: npt.ArrayLike, probability: npt.ArrayLike, title: str = ""
) -> Figure:
    """Draw precision against recall of one probability.

    Parameters
    ----------
    target, probability, title
        As in `roc_figure`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If only one of the two occurs.
    """
    metrics = need("sklearn.metrics", "A precision-recall curve", "train")
    actual, given = _two_classes(target, probability)
    precision, recall, _ = metrics.precision_recall_curve(actual, given)
    average = f"average precision {metrics.average_precision_score(actual, given):.4f}"
    chance = (actual.mean(), actual.mean())
    return _curve_figure(
        (recall, precision), average, chance, ("recall", "precision"), "lower left", title
    )


def _curve_figure(
    curve: tuple[npt.ArrayLike, npt.ArrayLike],
    label: str,
    chance: tuple[float, float],
    names: tuple[str, str],
    legend: str,
    title: str,
) -> Figure:
    """Draw a curve between 0 and 1 beside the line that chance gives."""
    figure, (ax,) = _figure(1, title)
    ax.plot((0, 1), chance, ":", color=_QUIET)
    ax.plot(*curve, color=_TRAIN, label=label)
    ax.set(xlabel=names[0], ylabel=names[1], aspect="equal", ylim=(-0.02, 1.02))
    ax.legend(frameon=False, loc=legend)
    return figure


def value_figure(
    target: npt.ArrayLike, output: npt.ArrayLike, names: Sequence[str], title: str = ""
) -> Figure:
    """Draw the numbers a model gave against the reference.

    Parameters
    ----------
    target, output : array_like, shape (n, k)
    names : sequence of str, length k
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    actual, given = np.asarray(target, float), np.asarray(output, float)
    figure, axes = _figure(len(names), title)
    for i, (ax, name) in enumerate(zip(axes, map(picture_text, names), strict=True)):
        ends = (
            min(actual[:, i].min(), given[:, i].min()),
            max(actual[:, i].max(), given[:, i].max()),
        )
        ax.plot(ends, ends, ":", color=_QUIET)
        ax.plot(actual[:, i], given[:, i], ".", color=_TRAIN, markersize=2, alpha=0.4)
        ax.set(xlabel=f"{name}, reference", ylabel=f"{name}, model", aspect="equal")
    return figure


def candidates_figure(
    names: Sequence[str],
    folds: Sequence[Sequence[float]],
    pooled: Sequence[tuple[float, float, float]],
    *,
    criterion: str,
    title: str = "",
) -> Figure:
    """Draw candidates side by side: each fold, and all folds together with their interval.

    Parameters
    ----------
    names : sequence of str
    folds : sequence of sequence of float
        Criterion of each fold, by candidate.
    pooled : sequence of (value, low, high)
        Of all folds together, by candidate.
    criterion : str
        What it is called on the axis.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (ax,) = _figure(1, title, height=1.4 + 0.45 * len(names), width=7.5)
    for i, (single, (value, low, high)) in enumerate(zip(folds, pooled, strict=True)):
        ax.plot(single, np.full(len(single), i), "o", color=_QUIET, markersize=4, alpha=0.7)
        ax.plot((low, high), (i, i), color=_TRAIN, linewidth=2)
        ax.plot((value,), (i,), "D", color=_TRAIN, markersize=6)
    ax.axvline(pooled[0][0], linestyle=":", color=_QUIET, zorder=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(f"{criterion}\nfolds (dots), all together with 95 % interval over patients")
    return figure


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    path : Path
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    write_strip(path, figure)


def draw_score(path: Path) -> list[Path]:
    """Draw what a score's JSON file holds, and write its classification report as text.

    Parameters
    ----------
    path : Path
        File of ``scores/`` in a work folder.

    Returns
    -------
    list of Path
        The pictures: confusion matrix, ROC and precision-recall curve, or the scatter of numbers.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    content = _read(path)
    title, classes = content["title"], content["classes"]
    figures = {}
    if "confusion" in content:
        figures["confusion"] = confusion_figure(content["confusion"], classes, title)
        report = path.with_suffix(".txt")
        write_whole(report, f"{title}\n\n{content['report_text']}")
        # A test part may lack one of the two classes: there is no curve then.
        if "output" in content and len(set(content["target"])) == 2:
            probability = np.asarray(content["output"])[:, 0]
            figures["roc"] = roc_figure(content["target"], probability, title)
            figures["precision-recall"] = precision_recall_figure(
                content["target"], probability, title
            )
    else:
        figures["values"] = value_figure(content["target"], content["output"], classes, title)
    written = []
    for kind, figure in figures.items():
        written.append(path.with_name(f"{path.stem}.{kind}.png"))
        write_figure(written[-1], figure)
    return written


def draw_run(folder: Path) -> list[Path]:
    """Draw the learning curves and scores in a work folder, and in those within it.

    Parameters
    ----------
    folder : Path
        Work folder of ``ecgfast train``.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    InputError
        If a file there cannot be read.
    """
    written = []
    for path in sorted(folder.rglob("learning_curves.json")):
        written.append(path.with_suffix(".png"))
        write_figure(written[-1], learning_figure(_read(path), path.parent.name))
    for path in sorted(folder.rglob("scores/*.json")):
        written += draw_score(path)
    return written


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def _two_classes(target: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[Any, Any]:
    actual = np.asarray(target).astype(int)
    if set(actual.tolist()) != {0, 1}:
        raise InputError("a curve needs examples of both classes")
    return actual, np.asarray(probability, float)


def _figure(
    count: int, title: str, *, width: float = 5.0, height: float = 4.4
) -> tuple[Figure, Any]:
    """A figure without a window or global state, and its axes side by side."""
    matplotlib = need("matplotlib.figure", "A picture", "plot")
    figure: Figure = matplotlib.Figure(
        figsize=(width * count, height), layout="constrained", facecolor="white"
    )
    axes = figure.subplots(1, count, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(picture_text(title), fontsize=11)
    return figure, axes
