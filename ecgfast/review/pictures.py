"""What the page shows of beats: a group's beats over each other, and strips around any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from ..records import RecordSource
from ..reports import svg
from ..reports.paper import baseline
from ..streaming.lead_signal import best_leads
from .marks import NOT_A_BEAT
from .session import ReviewSession

__all__ = ["beat_rows", "overlay", "strip_around"]

# Seconds before and after R that are drawn of a beat.
BEFORE_S, AFTER_S = 0.4, 0.6

# Size of the picture of one lead, in pixels, and the least that its height stands for, in mV.
_WIDE, _HIGH = 360.0, 240.0
_LEAST_MV = 0.5
_LEADS = 3

_GRID_S, _GRID_MV = 0.2, 0.5
_MOST_LINES = 12


def beat_rows(
    source: RecordSource, samples: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The signal around beats, each from its own baseline.

    Parameters
    ----------
    source : RecordSource
    samples : sequence of int
        R peaks.

    Returns
    -------
    time : ndarray of float64, shape (m,)
        Seconds from R.
    rows : ndarray of float64, shape (beats, m, leads)
        mV; NaN where nothing is known.
    """
    before, after = round(BEFORE_S * source.fs), round(AFTER_S * source.fs)
    rows = np.full((len(samples), before + after, len(source.leads)), np.nan)
    for row, sample in zip(rows, samples, strict=True):
        start, stop = max(0, sample - before), min(source.n_samples, sample + after)
        row[start - sample + before : stop - sample + before] = source.fetch(start, stop)
        for lead in range(row.shape[1]):
            row[:, lead] -= baseline(row[:, lead])
    return np.arange(-before, after) / source.fs, rows


def overlay(source: RecordSource, samples: Sequence[int], labels: Sequence[str]) -> str:
    """Draw beats over each other, lead beside lead, the first of them on top.

    Parameters
    ----------
    source : RecordSource
    samples : sequence of int
        R peaks, the most typical first.
    labels : sequence of str
        Their labels, which the page gives colours.

    Returns
    -------
    str
        ``<svg>`` elements whose texts and lines take the page's colours.
    """
    time, rows = beat_rows(source, samples)
    return "".join(
        _one_lead(time, rows[:, :, lead], labels, source.leads[lead])
        for lead in best_leads(source, _LEADS)
    )


def _one_lead(
    time: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    labels: Sequence[str],
    name: str,
) -> str:
    known = rows[np.isfinite(rows)]
    low, high = np.quantile(known, (0.002, 0.998)) if len(known) else (-0.5, 0.5)
    middle, span = (low + high) / 2, max(float(high - low) * 1.15, _LEAST_MV)

    def x(second: float) -> float:
        return float((second + BEFORE_S) / (BEFORE_S + AFTER_S) * _WIDE)

    def y(mv: float) -> float:
        return float(_HIGH / 2 - (mv - middle) / span * _HIGH)

    step = _GRID_MV * max(1, math.ceil(span / _GRID_MV / _MOST_LINES))
    first, last = (math.ceil((middle + side * span / 2) / step) for side in (-1, 1))
    lines = [f"M{x(i * _GRID_S):.1f} 0V{_HIGH:g}" for i in range(-2, 4)]
    lines += [f"M0 {y(i * step):.1f}H{_WIDE:g}" for i in range(first, last)]
    parts = [f'<path class="grid" d="{"".join(lines)}"/>']
    xs = [f"{x(second):.1f}" for second in time.tolist()]
    for i in range(len(rows))[::-1]:
        points, begin = [], True
        for at, mv in zip(xs, rows[i].tolist(), strict=True):
            if math.isfinite(mv):
                points.append(f"{'M' if begin else 'L'}{at} {y(mv):.1f}")
            begin = not math.isfinite(mv)
        kind = "typical" if i == 0 else f"other {labels[i] if labels[i].isalpha() else 'X'}"
        parts.append(f'<path class="{kind}" d="{"".join(points)}"/>')
    parts.append(f'<text x="6" y="16">{escape(name)}</text>')
    parts.append(
        f'<text class="scale" x="{_WIDE - 6:g}" y="{_HIGH - 6:g}" text-anchor="end">'
        f"boxes {_GRID_S:g} s by {step:g} mV</text>"
    )
    return (
        f'<svg class="beats" viewBox="0 0 {_WIDE:g} {_HIGH:g}" role="img" '
        f'aria-label="{len(rows)} beats in lead {escape(name, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


def strip_around(
    session: ReviewSession, source: RecordSource, at: float
) -> tuple[str, float, npt.NDArray[np.int64]]:
    """Draw the strip in whose middle a moment is.

    Parameters
    ----------
    session : ReviewSession
    source : RecordSource
    at : float
        Seconds from the start.

    Returns
    -------
    svg : str
    begin : float
        When the strip begins.
    beats : ndarray of int64
        Indices of the beats on it.
    """
    longest = source.n_samples / source.fs
    first = round(max(0.0, min(at - svg.STRIP_S / 2, longest - svg.STRIP_S)) * source.fs)
    last = min(source.n_samples, first + round(svg.STRIP_S * source.fs))
    begin = first / source.fs
    a, b = np.searchsorted(session.beats.sample, (first, last))
    labels = session.labels()[a:b].tolist()
    shown = [
        (float(time) - begin, "\u00d7" if label == NOT_A_BEAT else label, True)
        for time, label in zip(session.beats.time[a:b], labels, strict=True)
    ]
    picture, _ = svg.strip(
        source.fetch(first, last),
        source.fs,
        leads=source.leads,
        beats=shown,
        label=f"strip from {begin:.1f} s",
    )
    return picture, begin, np.arange(a, b)
