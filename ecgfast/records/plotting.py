"""A recording as a picture: its leads one below the other, its beats marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..extras import need
from ..printable import picture_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_leads"]

# Seconds that are shown unless the caller says otherwise, and points of a line at most: of more
# samples the extremes of each stretch are drawn.
_SECONDS, _POINTS = 10.0, 8000

# Inches of the whole width, and of the height of each lead and of the rest.
_WIDTH, _LEAD_HEIGHT, _REST = 11.0, 1.5, 0.9

# Labels that are written, at most: more would cover each other.
_LABELS = 60

_INK, _MARK = "#1c1c1c", "#c84a00"


def plot_leads(
    signal: npt.NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    *,
    beats: Any = None,
    start: float = 0.0,
    duration: float | None = None,
    title: str = "",
) -> Figure:
    """Draw leads one below the other, with beats marked.

    Parameters
    ----------
    signal : ndarray of float32, shape (n, n_leads)
        NaN where a sample is missing.
    fs : float
        Sampling rate, Hz.
    leads : sequence of str
        Name and unit of each.
    beats, start, duration
        As for `Record.plot`.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such stretch, or `beats` is none of the accepted types.
    MissingExtraError
        If matplotlib is not installed.
    """
    matplotlib = need("matplotlib.figure", "A plot of a recording", "plot")
    wanted = _SECONDS if duration is None else duration
    first = max(0, round(start * fs))
    last = min(len(signal), first + round(wanted * fs))
    if last - first < 2:
        raise InputError(
            f"{title or 'the recording'}: has no signal from {start:g} s to {start + wanted:g} s; "
            f"it lasts {len(signal) / fs:g} s"
        )
    samples, labels = _marks(beats)
    inside = (samples >= first) & (samples < last)
    samples, labels = samples[inside], [x for x, kept in zip(labels, inside, strict=True) if kept]

    figure: Figure = matplotlib.Figure(
        figsize=(_WIDTH, _LEAD_HEIGHT * len(leads) + _REST), layout="constrained"
    )
    axes = figure.subplots(len(leads), 1, sharex=True, squeeze=False)[:, 0]
    for axis, name, values in zip(axes, leads, signal.T, strict=True):
        at, line = _line(values[first:last])
        axis.plot((first + at) / fs, line, color=_INK, linewidth=0.8)
        axis.plot(samples / fs, values[samples], ".", color=_MARK, markersize=5)
        axis.set_ylabel(picture_text(name))
        axis.grid(color="#f2c6b9", linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    if len(labels) <= _LABELS:
        for sample, label in zip(samples, labels, strict=True):
            axes[0].annotate(
                picture_text(label),
                (sample / fs, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=8,
                color=_MARK,
            )
    axes[0].set_title(picture_text(title), loc="left", fontsize=10, pad=14)
    axes[-1].set_xlabel("time (s)")
    axes[-1].set_xlim(first / fs, last / fs)
    # A figure without a window shows itself in a notebook only where it says how.
    setattr(figure, "_repr_png_", partial(_png, figure))  # noqa: B010 - the type has no such name
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _marks(beats: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Samples and labels of beats in any of their forms."""
    if beats is None:
        return np.empty(0, np.int64), []
    if hasattr(beats, "symbol"):  # annotations
        return beats.sample, beats.symbol.tolist()
    if hasattr(beats, "windows"):  # a batch of beats, with windows
        return np.asarray(beats.sample, np.int64), [""] * len(beats.sample)
    kept = list(beats) if isinstance(beats, Iterable) else [beats]
    try:
        samples = [int(beat.sample) if hasattr(beat, "sample") else _index(beat) for beat in kept]
    except TypeError:
        raise InputError(
            "beats must be Beat objects, Annotations, a BeatBatch or sample indices, such as "
            "record.plot(list(stream_classify(record))) or record.plot(detect_qrs(record))"
        ) from None
    return np.array(samples, np.int64), [str(getattr(beat, "label", "")) for beat in kept]


def _index(value: Any) -> int:
    return int(np.asarray(value).__index__())


def _line(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Points of a line: all samples, or the least and the greatest of each stretch."""
    n = len(values)
    if n <= _POINTS:
        return np.arange(n), values
    step = -(-n // (_POINTS // 2))
    edges = np.arange(0, n, step)
    low = np.fmin.reduceat(values, edges)
    high = np.fmax.reduceat(values, edges)
    return np.repeat(edges, 2), np.column_stack([low, high]).ravel()
