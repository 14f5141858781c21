"""The ECG on paper: rows of ten seconds, each beat marked and named.

Drawn in millimetres, at 25 mm/s and (where the signal allows) 10 mm/mV, so that a large box is
0.2 s by 0.5 mV as on a printed ECG.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from .._files import whole_file
from ..errors import InputError
from ..printable import picture_text
from ..records.record import check_fs
from ..records.writers import BeatLike
from .summary import CLASS_NAMES, clock, is_doubtful

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLASS_COLOURS", "strip_figure", "write_strip"]

#: Colours of Okabe and Ito (2008), which colour-blind readers tell apart; the letters tell it too.
CLASS_COLOURS = {"N": "#56616b", "S": "#0072b2", "V": "#c84a00", "F": "#00805c", "Q": "#a8518a"}
_OTHER = ("#0072b2", "#c84a00", "#00805c", "#a8518a", "#56616b")

_PAPER, _FINE, _COARSE = "#fffdfb", "#fbe9e3", "#f2c6b9"
_INK, _QUIET = "#1c1c1c", "#555555"

_SPEED = 25.0  # mm/s
_BOX = 5.0  # mm, side of a large box
_GAINS = (40.0, 20.0, 10.0, 5.0, 2.5, 1.25)  # mm/mV, as ECG machines offer them, and around
_HIGHEST = 40.0  # mm that the trace of one row may take
_NAMES = 5.0  # mm above the trace, for the beats' names
_LEFT, _RIGHT, _TOP, _BOTTOM = 15.0, 4.0, 17.0, 9.0  # margins, mm
_MM = 1 / 25.4  # inch
_PULSE_UP = 4.0  # mm above the row's middle, clear of the time
_DPI = 130


def strip_figure(
    signal: npt.ArrayLike,
    fs: float,
    beats: Sequence[BeatLike] = (),
    *,
    start: float = 0.0,
    duration: float | None = None,
    row: float = 10.0,
    title: str = "",
    lead: str = "",
    note: str = "",
) -> Figure:
    """Draw a stretch of one lead with its beats.

    Parameters
    ----------
    signal : array_like, shape (n,)
        One lead in mV; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    beats : sequence of beats
        With the attributes of `ecgfast.Beat`; samples are indices of `signal`.
    start, duration : float
        The stretch, in seconds; by default from `start` to the end, and two minutes at most.
    row : float, default 10
        Seconds a row.
    title, lead, note : str
        Heading, name of the lead, and a line below the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Without a window or global state; ``figure.savefig(path)`` writes it.

    Raises
    ------
    InputError
        If the signal has another shape, or the stretch holds no sample.
    """
    from matplotlib.figure import Figure

    rate = check_fs(fs)
    values = np.asarray(signal, np.float64)
    if values.ndim != 1:
        raise InputError(f"a strip shows one lead: give a signal of shape (n,), not {values.shape}")
    first = max(0, round(start * rate))
    wanted = 120.0 if duration is None else duration
    last = min(len(values), first + round(wanted * rate))
    if last - first < 2:
        raise InputError(f"there is no signal from {start:g} s to {start + wanted:g} s to draw")
    per_row = round(row * rate)
    rows = [(i, min(i + per_row, last)) for i in range(first, last, per_row)]
    rows = [span for span in rows if span[1] - span[0] >= rate / 2] or rows

    gain, low, high = _scale([values[a:b] for a, b in rows])
    height = high - low + _NAMES
    width = row * _SPEED
    total = height * len(rows)
    page = (width + _LEFT + _RIGHT, total + _TOP + _BOTTOM)
    figure = Figure(figsize=(page[0] * _MM, page[1] * _MM), dpi=_DPI, facecolor="white")
    axes = figure.add_axes(
        (_LEFT / page[0], _BOTTOM / page[1], width / page[0], total / page[1]),
        xlim=(0, width),
        ylim=(0, total),
    )
    _draw_paper(axes, width, total)
    shown: list[BeatLike] = []
    for i, (a, b) in enumerate(rows):
        base = total - (i + 1) * height - low
        own = [beat for beat in beats if a <= beat.sample < b]
        _draw_row(
            axes, values[a:b], own, begin=a, fs=rate, gain=gain, base=base, limits=(low, high)
        )
        axes.text(-1.5, base, clock(a / rate), ha="right", va="center", fontsize=8, color=_QUIET)
        shown += own
    _draw_pulse(axes, total - height - low, gain)
    _draw_heading(figure, page, shown, title=title, lead=lead, gain=gain)
    if note:
        figure.text(
            _LEFT / page[0],
            3.2 / page[1],
            picture_text(note),
            fontsize=7.5,
            color=_QUIET,
            va="center",
        )
    return figure


def write_strip(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    path : str or path
        The file.
    figure : matplotlib.figure.Figure
        As `strip_figure` makes it.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with whole_file(path) as file:
        figure.savefig(
            file, format="png", dpi=_DPI, metadata={"Software": f"ecgfast {__version__}"}
        )


def _scale(rows: list[npt.NDArray[np.float64]]) -> tuple[float, float, float]:
    """Gain in mm/mV, and the lowest and highest millimetre of a row, in whole boxes."""
    centred = [part - _middle(part) for part in rows]
    whole = np.concatenate(centred)
    whole = whole[np.isfinite(whole)]
    if not len(whole):
        return _GAINS[2], -2 * _BOX, 2 * _BOX
    # One artefact must not flatten everything: it leaves the row.
    bottom, top = (float(v) for v in np.quantile(whole, (0.0005, 0.9995)))
    gain = next((g for g in _GAINS[2:] if (top - bottom) * g <= _HIGHEST), _GAINS[-1])
    if gain == _GAINS[2]:  # a small signal may be drawn larger
        gain = next(g for g in _GAINS if g == gain or (top - bottom) * g <= _HIGHEST / 2)
    low = _BOX * np.floor((bottom * gain - 0.5) / _BOX)
    high = _BOX * np.ceil((top * gain + 0.5) / _BOX)
    return gain, max(float(low), -_HIGHEST), min(float(high), _HIGHEST)


def _middle(part: npt.NDArray[np.float64]) -> float:
    finite = part[np.isfinite(part)]
    return float(np.median(finite)) if len(finite) else 0.0


def _draw_paper(axes: Any, width: float, height: float) -> None:
    axes.set_facecolor(_PAPER)
    for step, colour, thick in ((1.0, _FINE, 0.4), (_BOX, _COARSE, 0.6)):
        axes.vlines(np.arange(0, width + 0.1, step), 0, height, colour, linewidth=thick, zorder=0)
        axes.hlines(np.arange(0, height + 0.1, step), 0, width, colour, linewidth=thick, zorder=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _draw_row(
    axes: Any,
    part: npt.NDArray[np.float64],
    beats: list[BeatLike],
    *,
    begin: int,
    fs: float,
    gain: float,
    base: float,
    limits: tuple[float, float],
) -> None:
    low, high = limits
    y = base + np.clip((part - _middle(part)) * gain, low, high)
    x = np.arange(len(part)) / fs * _SPEED
    axes.plot(x, y, color=_INK, linewidth=0.85, solid_joinstyle="round", zorder=3)
    places = [(beat.sample - begin) / fs * _SPEED for beat in beats]
    for i, beat in enumerate(beats):
        at = places[i]
        colour = _colour(beat.label)
        ordinary = beat.label == "N"
        if not ordinary:
            axes.fill_between(
                (
                    max(at - _BOX, (at + places[i - 1]) / 2 if i else 0.0),
                    min(at + _BOX, (at + places[i + 1]) / 2 if i + 1 < len(beats) else at + _BOX),
                ),
                base + low,
                base + high,
                color=colour,
                alpha=0.1,
                linewidth=0,
                zorder=1,
            )
        axes.plot(
            (at,),
            (y[beat.sample - begin],),
            "o",
            markersize=3.6,
            markeredgewidth=0.9,
            markeredgecolor=colour,
            markerfacecolor=_PAPER if is_doubtful(beat) else colour,
            zorder=4,
        )
        axes.text(
            at,
            base + high + 2.3,
            picture_text(beat.label),
            ha="center",
            va="center",
            fontsize=8,
            color=colour if ordinary else "white",
            fontweight="normal" if ordinary else "bold",
            bbox=None if ordinary else {"boxstyle": "round,pad=0.2", "fc": colour, "ec": "none"},
            zorder=5,
        )


def _draw_pulse(axes: Any, base: float, gain: float) -> None:
    """1 mV for 0.2 s in the margin, as at the head of a printed ECG."""
    x = np.array([-_BOX - 1.5, -_BOX, -_BOX, 0.0, 0.0, 1.5]) - 4.0
    y = base + np.array([0.0, 0.0, gain, gain, 0.0, 0.0]) + _PULSE_UP
    axes.plot(x, y, color=_INK, linewidth=0.85, clip_on=False, zorder=3)
    axes.text(
        -6.5,
        base + gain + _PULSE_UP + 1.8,
        "1 mV",
        ha="center",
        va="center",
        fontsize=6.5,
        color=_QUIET,
    )


def _draw_heading(
    figure: Figure,
    page: tuple[float, float],
    beats: list[BeatLike],
    *,
    title: str,
    lead: str,
    gain: float,
) -> None:
    width, height = page
    left, right = _LEFT / width, 1 - _RIGHT / width
    top, below = 1 - 5.5 / height, 1 - 11.5 / height
    figure.text(
        left, top, picture_text(title) or "ECG", fontsize=12, fontweight="bold", va="center"
    )
    scale = f"{_SPEED:g} mm/s, {gain:g} mm/mV: a large box is 0.2 s by {_BOX / gain:g} mV"
    figure.text(right, top, scale, fontsize=8, color=_QUIET, ha="right", va="center")
    if lead:
        figure.text(left, below, f"lead {picture_text(lead)}", fontsize=9, va="center")
    counts: dict[str, int] = {}
    for beat in beats:
        counts[beat.label] = counts.get(beat.label, 0) + 1
    order = [*CLASS_NAMES, *sorted(set(counts) - CLASS_NAMES.keys())]
    at = right
    if any(is_doubtful(beat) for beat in beats):
        at = _legend_entry(figure, at, below, "hollow: poor signal", edge=_QUIET, fill=_PAPER)
    for label in reversed([label for label in order if counts.get(label)]):
        name = f"{label} {CLASS_NAMES.get(label, '')}".strip() + f": {counts[label]}"
        at = _legend_entry(figure, at, below, name, edge=_colour(label), fill=_colour(label))


def _legend_entry(
    figure: Figure, right: float, y: float, text: str, *, edge: str, fill: str
) -> float:
    """Put one entry so that it ends at `right`; returns where the one before it ends."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.lines import Line2D

    entry = figure.text(
        right, y, picture_text(text), fontsize=9, color=edge, ha="right", va="center"
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    box = entry.get_window_extent(renderer)
    wide = figure.get_figwidth() * figure.dpi
    dot = (box.x0 - 12) / wide
    figure.add_artist(
        Line2D(
            (dot,),
            (y,),
            marker="o",
            markersize=5,
            markeredgecolor=edge,
            markerfacecolor=fill,
            linestyle="",
            transform=figure.transFigure,
        )
    )
    return float(dot - 28 / wide)


def _colour(label: str) -> str:
    """Colour of a class; the classes of other models get one by their letters."""
    return CLASS_COLOURS.get(label) or _OTHER[sum(label.encode()) % len(_OTHER)]
