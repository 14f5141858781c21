"""The ECG on paper as SVG, for a page: it needs no library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from ..printable import printable
from ..records.writers import BeatLike
from .paper import (
    BOX,
    COARSE,
    FINE,
    INK,
    LEFT,
    PAPER,
    QUIET,
    RIGHT,
    TOP,
    Entry,
    Mark,
    Row,
    Strip,
    lay_out,
)
from .svg import UNIT, trace

__all__ = ["strip_svg"]

_BOTTOM = 2.0  # margin, mm


def strip_svg(
    signal: npt.ArrayLike,
    fs: float,
    beats: Sequence[BeatLike] = (),
    *,
    start: float = 0.0,
    duration: float | None = None,
    row: float = 10.0,
    lead: str = "",
    title: str = "ECG strip",
) -> str:
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
    lead : str
        Name of the lead.
    title : str
        What the picture shows, for those who hear the page.

    Returns
    -------
    str
        One ``<svg>`` element, to scale: 25 mm/s.

    Raises
    ------
    InputError
        If the signal has another shape, or the stretch holds no sample.

    Examples
    --------
    >>> import numpy as np
    >>> strip_svg(np.zeros(500), 250.0).startswith("<svg ")
    True
    """
    strip = lay_out(signal, fs, beats, start=start, duration=duration, row=row)
    wide, high = strip.width + LEFT + RIGHT, strip.height + TOP + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{wide:g}mm" '
        f'height="{high:g}mm" viewBox="{-LEFT:g} {-TOP:g} {wide:g} {high:g}" '
        f'font-family="system-ui, sans-serif" font-size="2.9" fill="{INK}">',
        f"<title>{_text(title)}</title>",
        *_paper(strip),
        *(line for one in strip.rows for line in _row(one, strip)),
        *_heading(strip, lead),
        "</svg>",
    ]
    return "\n".join(parts)


def _text(text: str) -> str:
    return escape(printable(text))


def _paper(strip: Strip) -> list[str]:
    width, height = strip.width, strip.height

    def lines(step: float) -> str:
        across = "".join(f"M{x:g} 0v{height:g}" for x in np.arange(0, width + 0.1, step))
        return across + "".join(f"M0 {y:g}h{width:g}" for y in np.arange(0, height + 0.1, step))

    return [
        f'<path fill="{PAPER}" d="M0 0h{width:g}v{height:g}h{-width:g}z"/>',
        f'<path fill="none" stroke="{FINE}" stroke-width=".14" d="{lines(1.0)}"/>',
        f'<path fill="none" stroke="{COARSE}" stroke-width=".21" d="{lines(BOX)}"/>',
    ]


def _row(row: Row, strip: Strip) -> list[str]:
    middle = strip.height - row.base
    shades = [
        f'<rect x="{mark.left:.2f}" y="{middle - strip.high:.2f}" '
        f'width="{mark.right - mark.left:.2f}" height="{strip.high - strip.low:.2f}" '
        f'fill="{mark.colour}" fill-opacity=".1"/>'
        for mark in row.marks
        if not mark.ordinary
    ]
    curve = (
        f'<path transform="translate(0 {middle:.2f}) scale({1 / UNIT:g})" fill="none" '
        f'stroke="{INK}" stroke-width="{0.3 * UNIT:g}" stroke-linejoin="round" '
        f'd="{trace(row.y, strip.per_mm)}"/>'
    )
    time = f'<text x="-1.5" y="{middle + 1:.2f}" text-anchor="end" fill="{QUIET}">{row.time}</text>'
    marks = [part for mark in row.marks for part in _mark(mark, middle, strip.high)]
    return [*shades, curve, time, *marks]


def _mark(mark: Mark, middle: float, high: float) -> list[str]:
    fill = PAPER if mark.hollow else mark.colour
    y = middle - high - 2.3
    label = _text(mark.label)
    dot = (
        f'<circle cx="{mark.x:.2f}" cy="{middle - mark.y:.2f}" r=".6" fill="{fill}" '
        f'stroke="{mark.colour}" stroke-width=".3"/>'
    )
    place = f'x="{mark.x:.2f}" y="{y + 1:.2f}" text-anchor="middle"'
    if mark.ordinary:
        return [dot, f'<text {place} fill="{mark.colour}">{label}</text>']
    half = 0.9 * max(1, len(mark.label)) + 0.6
    return [
        dot,
        f'<rect x="{mark.x - half:.2f}" y="{y - 1.6:.2f}" width="{2 * half:.2f}" height="3.2" '
        f'rx=".6" fill="{mark.colour}"/>',
        f'<text {place} fill="#fff" font-weight="bold">{label}</text>',
    ]


def _heading(strip: Strip, lead: str) -> list[str]:
    top = strip.height - strip.rows[0].base
    x, y = strip.pulse()
    pulse = " ".join(f"{a:g},{top - b:g}" for a, b in zip(x, y, strict=True))
    legend = "".join(_entry(entry) for entry in strip.legend)
    return [
        f'<polyline fill="none" stroke="{INK}" stroke-width=".3" points="{pulse}"/>',
        f'<text x="-6.5" y="{top - max(y) - 1:g}" text-anchor="middle" font-size="2.3" '
        f'fill="{QUIET}">1 mV</text>',
        f'<text x="0" y="-5" font-weight="bold">{f"lead {_text(lead)}" if lead else ""}</text>',
        f'<text x="{strip.width:g}" y="-11" text-anchor="end" fill="{QUIET}">{strip.scale}</text>',
        f'<text x="{strip.width:g}" y="-5" text-anchor="end" xml:space="preserve">{legend}</text>',
    ]


def _entry(entry: Entry) -> str:
    """One entry of the legend; the line of them ends at the right edge, however wide the font."""
    dot = "\u25cb" if entry.hollow else "\u25cf"
    return f'<tspan fill="{entry.colour}">   {dot} {_text(entry.text)}</tspan>'
