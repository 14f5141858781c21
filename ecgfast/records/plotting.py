"""A recording as a picture: its leads one below the other, its beats and events marked."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..extras import need
from ..inputs import real_number
from ..printable import picture_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_leads", "shows_itself"]

# Seconds that are shown unless the caller says otherwise, and points of a line at most: of more
# samples the extremes of each stretch are drawn.
_SECONDS, _POINTS = 10.0, 8000

# Inches of the whole width, and of the height of each lead and of the rest.
_WIDTH, _LEAD_HEIGHT, _REST = 11.0, 1.5, 0.9

# Labels that are written, at most: more would cover each other.
_LABELS = 60

_INK, _MARK = "#1c1c1c", "#c84a00"

# Colours of events by their severity, rows of names below each other, and seconds that the mark of
# an event of one beat is wide.
_SEVERITIES = {"high": "#a3001e", "medium": "#c84a00", "low": "#1f5f99", "info": "#5b6773"}
_NAME_ROWS, _NARROWEST_S = 4, 0.1

# Inches of a row of names, and letters that fit into the width of one.
_NAME_HEIGHT, _LETTERS = 0.2, 160


def plot_leads(
    signal: npt.NDArray[np.float32],
    fs: float,
    leads: Sequence[str],
    *,
    beats: Any = None,
    events: Any = None,
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
    beats, events, start, duration
        As for `Record.plot`.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such stretch, or `beats` or `events` are none of the accepted types.
    MissingExtraError
        If matplotlib is not installed.
    """
    matplotlib = need("matplotlib.figure", "A plot of a recording", "plot")
    wanted = _SECONDS if duration is None else real_number(duration, "duration")
    start = real_number(start, "start")
    if not (np.isfinite(start) and np.isfinite(wanted)):
        raise InputError(f"start={start}, duration={wanted}: give seconds, finite numbers")
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

    spans = _spans(events, first / fs, last / fs)
    names = _rows(spans, first / fs, last / fs)
    rows = 1 + max((row for row, *_ in names), default=-1)
    heights = [_LEAD_HEIGHT] * len(leads) + [_NAME_HEIGHT * rows] * bool(rows)
    figure: Figure = matplotlib.Figure(figsize=(_WIDTH, sum(heights) + _REST), layout="constrained")
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    panels, axes = grid[:, 0], grid[: len(leads), 0]
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
    panels[-1].set_xlim(first / fs, last / fs)
    if rows:
        _draw_events(axes, panels[-1], spans, names)
        panels[-1].set_ylim(-rows, 0)
    axes[0].set_title(picture_text(title), loc="left", fontsize=10, pad=14)
    panels[-1].set_xlabel("time (s)")
    return shows_itself(figure)


def shows_itself(figure: Figure) -> Figure:
    """Return a figure that a notebook shows: one without a window has to say how.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    matplotlib.figure.Figure
        The same.
    """
    setattr(figure, "_repr_png_", partial(_png, figure))  # noqa: B010 - the type has no such name
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


@dataclass(frozen=True)
class _Span:
    """An event as it is drawn."""

    start: float
    end: float
    name: str
    severity: str

    @property
    def colour(self) -> str:
        return _SEVERITIES.get(self.severity, _INK)

    @property
    def worth(self) -> tuple[int, float]:
        """What is named first has most of it: severe events, then long ones."""
        return -list(_SEVERITIES).index(self.severity), self.end - self.start


def _spans(events: Any, begin: float, end: float) -> list[_Span]:
    """The events that reach into a stretch."""
    if events is None:
        return []
    found = events if isinstance(events, Iterable) else [events]
    try:
        spans = [
            _Span(
                float(event.start_time),
                float(event.end_time),
                getattr(event.kind, "text", str(event.kind)),
                str(event.severity),
            )
            for event in found
        ]
    except AttributeError:
        raise InputError(
            "events must be Event objects, such as record.plot(beats, ecgfast.events(record))"
        ) from None
    return [span for span in spans if span.end >= begin and span.start <= end]


def _rows(spans: list[_Span], left: float, right: float) -> list[tuple[int, float, _Span]]:
    """Row, place and event of the names that do not cover each other."""
    rows: list[list[tuple[float, float]]] = [[] for _ in range(_NAME_ROWS)]
    named = []
    for span in sorted(spans, key=lambda span: span.worth, reverse=True):
        wide = (len(span.name) + 2) * (right - left) / _LETTERS
        at = min(max(span.start, left), right - wide)
        for i, row in enumerate(rows):
            if all(at >= end or at + wide <= begin for begin, end in row):
                row.append((at, at + wide))
                named.append((i, at, span))
                break
    return named


def _draw_events(
    axes: Iterable[Any], lane: Any, spans: list[_Span], names: list[tuple[int, float, _Span]]
) -> None:
    """Shade each event on every lead, and name it in the lane below."""
    for span in spans:
        wide = max(span.end - span.start, _NARROWEST_S)
        begin = (span.start + span.end - wide) / 2
        for axis in (*axes, lane):
            axis.axvspan(begin, begin + wide, color=span.colour, alpha=0.12, linewidth=0)
    for row, at, span in names:
        place = (at, -row - 0.5)
        text = picture_text(span.name)
        lane.annotate(text, place, va="center", fontsize=8, color=span.colour)
    lane.set_yticks([])
    lane.spines[["top", "right", "left"]].set_visible(False)


def _marks(beats: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Samples and labels of beats in any of their forms."""
    if beats is None:
        return np.empty(0, np.int64), []
    if hasattr(beats, "symbol"):  # annotations
        return np.asarray(beats.sample, np.int64), [str(symbol) for symbol in beats.symbol]
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
