"""The ECG on paper as a Matplotlib figure: rows of ten seconds, each beat marked and named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from .._files import whole_file
from ..extras import need
from ..printable import picture_text
from ..records.plotting import shows_itself
from ..records.writers import BeatLike
from .paper import (
    BOX,
    CLASS_COLOURS,
    COARSE,
    FINE,
    INK,
    LEFT,
    PAPER,
    QUIET,
    RIGHT,
    TOP,
    Row,
    Strip,
    lay_out,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLASS_COLOURS", "strip_figure", "write_strip"]

_BOTTOM = 9.0  # margin, mm
_MM = 1 / 25.4  # inch
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
        Without a window or global state. A notebook shows it; ``figure.savefig(path)`` writes it.

    Raises
    ------
    InputError
        If the signal has another shape, or the stretch holds no sample.

    Examples
    --------
    >>> from ecgfast.records import demo_record
    >>> from ecgfast.reports import strip_figure
    >>> record = demo_record()
    >>> figure = strip_figure(record.lead("MLII"), record.fs, duration=10.0, lead="MLII")
    >>> figure.savefig("strip.svg")                                 # doctest: +SKIP
    """
    matplotlib = need("matplotlib.figure", "A picture", "plot")
    strip = lay_out(signal, fs, beats, start=start, duration=duration, row=row)
    page = (strip.width + LEFT + RIGHT, strip.height + TOP + _BOTTOM)
    figure: Figure = matplotlib.Figure(
        figsize=(page[0] * _MM, page[1] * _MM), dpi=_DPI, facecolor="white"
    )
    axes = figure.add_axes(
        (LEFT / page[0], _BOTTOM / page[1], strip.width / page[0], strip.height / page[1]),
        xlim=(0, strip.width),
        ylim=(0, strip.height),
    )
    _draw_paper(axes, strip)
    for one in strip.rows:
        _draw_row(axes, one, strip)
    _draw_pulse(axes, strip)
    _draw_heading(figure, page, strip, title=title, lead=lead)
    if note:
        figure.text(
            LEFT / page[0],
            3.2 / page[1],
            picture_text(note),
            fontsize=7.5,
            color=QUIET,
            va="center",
        )
    return shows_itself(figure)


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

    Examples
    --------
    >>> from ecgfast.records import demo_record
    >>> from ecgfast.reports import strip_figure, write_strip
    >>> record = demo_record()
    >>> write_strip("strip.png", strip_figure(record.lead("MLII"), record.fs))  # doctest: +SKIP
    """
    with whole_file(path) as file:
        figure.savefig(
            file, format="png", dpi=_DPI, metadata={"Software": f"ecgfast {__version__}"}
        )


def _draw_paper(axes: Any, strip: Strip) -> None:
    axes.set_facecolor(PAPER)
    width, height = strip.width, strip.height
    for step, colour, thick in ((1.0, FINE, 0.4), (BOX, COARSE, 0.6)):
        axes.vlines(np.arange(0, width + 0.1, step), 0, height, colour, linewidth=thick, zorder=0)
        axes.hlines(np.arange(0, height + 0.1, step), 0, width, colour, linewidth=thick, zorder=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _draw_row(axes: Any, row: Row, strip: Strip) -> None:
    base, high = row.base, strip.high
    axes.plot(row.x, base + row.y, color=INK, linewidth=0.85, solid_joinstyle="round", zorder=3)
    axes.text(-1.5, base, row.time, ha="right", va="center", fontsize=8, color=QUIET)
    for mark in row.marks:
        if not mark.ordinary:
            axes.fill_between(
                (mark.left, mark.right),
                base + strip.low,
                base + high,
                color=mark.colour,
                alpha=0.1,
                linewidth=0,
                zorder=1,
            )
        axes.plot(
            (mark.x,),
            (base + mark.y,),
            "o",
            markersize=3.6,
            markeredgewidth=0.9,
            markeredgecolor=mark.colour,
            markerfacecolor=PAPER if mark.hollow else mark.colour,
            zorder=4,
        )
        box = {"boxstyle": "round,pad=0.2", "fc": mark.colour, "ec": "none"}
        axes.text(
            mark.x,
            base + high + 2.3,
            picture_text(mark.label),
            ha="center",
            va="center",
            fontsize=8,
            color=mark.colour if mark.ordinary else "white",
            fontweight="normal" if mark.ordinary else "bold",
            bbox=None if mark.ordinary else box,
            zorder=5,
        )


def _draw_pulse(axes: Any, strip: Strip) -> None:
    base = strip.rows[0].base
    x, y = strip.pulse()
    axes.plot(x, np.add(y, base), color=INK, linewidth=0.85, clip_on=False, zorder=3)
    top = base + max(y) + 1.8
    axes.text(-6.5, top, "1 mV", ha="center", va="center", fontsize=6.5, color=QUIET)


def _draw_heading(
    figure: Figure, page: tuple[float, float], strip: Strip, *, title: str, lead: str
) -> None:
    width, height = page
    left, right = LEFT / width, 1 - RIGHT / width
    top, below = 1 - 5.5 / height, 1 - 11.5 / height
    figure.text(
        left, top, picture_text(title) or "ECG", fontsize=12, fontweight="bold", va="center"
    )
    figure.text(right, top, strip.scale, fontsize=8, color=QUIET, ha="right", va="center")
    if lead:
        figure.text(left, below, f"lead {picture_text(lead)}", fontsize=9, va="center")
    at = right
    for entry in reversed(strip.legend):
        fill = PAPER if entry.hollow else entry.colour
        at = _legend_entry(figure, at, below, entry.text, edge=entry.colour, fill=fill)


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
