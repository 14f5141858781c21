"""Pictures of a report as inline SVG: trend, histogram, Poincaré plot, strips on ECG paper.

Lengths are millimetres; a strip that is printed in its own size has 25 mm/s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from .paper import CLASS_COLOURS, baseline

__all__ = [
    "MINUTE_SPEED",
    "STRIP_S",
    "WIDTH",
    "bars",
    "minute",
    "minute_gain",
    "poincare",
    "rr_histogram",
    "strip",
    "trend",
]

FloatArray = npt.NDArray[np.float64]

#: Width of every picture: A4 with its margins.
WIDTH = 180.0
#: Seconds of a strip.
STRIP_S = 7.2
_SPEED = 25.0
#: Paper speed of the minute around a strip, mm/s.
MINUTE_SPEED = 3.0

INK, QUIET, LINE = "#16202a", "#5b6773", "#d9dfe5"
# The orange is lighter than the blue on paper printed in grey, too.
BLUE, BAND, ORANGE = "#1f5f99", "#cfe0ef", "#f0953f"
_FINE, _COARSE, _PAPER = "#f9e3dd", "#efc1b4", "#fffdfb"

_GAINS = (20.0, 10.0, 5.0, 2.5, 1.25)  # mm/mV
_USUAL_GAIN = 10.0
_TALLEST = 25.0  # mm of one lead's trace
_LANE = 7.5  # mm above the traces, for beat labels and RR intervals
UNIT = 20  # steps in a millimetre of the whole numbers of a `trace`
# Millimetres of which a trace keeps the lowest and the highest sample: up to 360 Hz each sample of
# a strip at 25 mm/s; and in a report, which has dozens of strips, a third fewer.
_BUCKET, _REPORT_BUCKET = 0.2, 0.25


def _svg(
    width: float, height: float, parts: Sequence[str], label: str, *, chart: bool = True
) -> str:
    # A page may show charts in other colours where it is dark; paper stays paper.
    kind = ' class="chart"' if chart else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{kind} viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}mm" height="{height:g}mm" role="img" '
        f'aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


def _text(
    x: float, y: float, text: str, *, size: float = 2.6, fill: str = QUIET, anchor: str = "start",
    weight: str = "",
) -> str:  # fmt: skip
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:g}" fill="{fill}" '
        f'text-anchor="{anchor}"{bold}>{escape(text)}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, fill: str, opacity: float = 1.0) -> str:
    faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.01):.2f}" '
        f'height="{max(height, 0.01):.2f}" fill="{fill}"{faint}/>'
    )


def _path(d: str, stroke: str, width: float, extra: str = "") -> str:
    return f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width:g}"{extra}/>'


# ------------------------------------------------------------------------------------ the ECG


def trace(values: FloatArray, per_mm: float, bucket: float = _BUCKET) -> str:
    """Path of a curve in whole twentieths of a millimetre.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Millimetres upwards; NaN where there is nothing.
    per_mm : float
        Samples in a millimetre of width.
    bucket : float
        Millimetres of width of which the lowest and the highest sample are kept.

    Returns
    -------
    str
        Attribute ``d``, for a group that is scaled by 1/20.
    """
    size = int(bucket * per_mm)
    index = np.arange(len(values))
    if size > 2:  # keep the extremes of each bucket, in their order
        count = len(values) // size
        boxes = values[: count * size].reshape(count, size)
        filled = np.where(np.isnan(boxes), 0.0, boxes)
        some = np.isfinite(boxes)
        low = np.where(some, filled, np.inf).argmin(axis=1)
        high = np.where(some, filled, -np.inf).argmax(axis=1)
        base = np.arange(count) * size
        index = np.stack((base + np.minimum(low, high), base + np.maximum(low, high)), 1).ravel()
    kept = values[index]
    x = np.rint(index / per_mm * UNIT).astype(np.int64)
    finite = np.isfinite(kept)
    y = np.rint(-np.where(finite, kept, 0.0) * UNIT).astype(np.int64)
    parts = []
    edges = np.flatnonzero(np.diff(np.concatenate(([0], finite.astype(np.int8), [0]))))
    for a, b in edges.reshape(-1, 2).tolist():
        steps = zip(np.diff(x[a:b]).tolist(), np.diff(y[a:b]).tolist(), strict=True)
        moves = " ".join(f"{dx}{dy}" if dy < 0 else f"{dx} {dy}" for dx, dy in steps)
        parts.append(f"M{x[a]} {y[a]}l{moves}" if moves else f"M{x[a]} {y[a]}h1")
    return "".join(parts)


def _gain(leads: Sequence[FloatArray]) -> tuple[float, list[tuple[float, float]]]:
    """Millimetres per mV that fit all leads, and how far each reaches down and up."""
    reaches = []
    for lead in leads:
        finite = lead[np.isfinite(lead)]
        # One artefact must not flatten everything: it is cut off.
        low, high = np.quantile(finite, (0.002, 0.998)) if len(finite) else (-0.5, 0.5)
        reaches.append((float(low), float(high)))
    tallest = max(high - low for low, high in reaches)
    gain = next((g for g in _GAINS if tallest * g <= _TALLEST), 0.0)
    if not gain:
        gain = float(f"{_TALLEST / tallest:.1g}")
    if gain > _USUAL_GAIN and tallest * _USUAL_GAIN > _TALLEST / 4:
        gain = _USUAL_GAIN
    return gain, [(low * gain, high * gain) for low, high in reaches]


def _paper(height: float, top: float) -> list[str]:
    fine = "".join(f"M{x} {top}V{height}" for x in range(1, int(WIDTH)) if x % 5)
    fine += "".join(f"M0 {top + y}H{WIDTH:g}" for y in range(1, int(height - top)) if y % 5)
    coarse = "".join(f"M{x} {top}V{height}" for x in range(0, int(WIDTH) + 1, 5))
    coarse += "".join(f"M0 {top + y}H{WIDTH:g}" for y in range(0, int(height - top) + 1, 5))
    return [
        _rect(0, top, WIDTH, height - top, _PAPER),
        _path(fine, _FINE, 0.12),
        _path(coarse, _COARSE, 0.16),
    ]


def strip(
    signal: npt.NDArray[np.float32],
    fs: float,
    *,
    leads: Sequence[str],
    beats: Sequence[tuple[float, str, bool]],
    span: tuple[float, float] | None = None,
    label: str = "",
) -> tuple[str, float]:
    """Draw some seconds of every lead on ECG paper.

    Parameters
    ----------
    signal : ndarray of float32, shape (n, n_leads)
        In mV; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names.
    beats : sequence of (float, str, bool)
        Second within the strip, label, and whether the signal was good.
    span : (float, float), optional
        Seconds within the strip to shade.
    label : str
        What the picture shows, for who cannot see it.

    Returns
    -------
    svg, gain : str, float
        The picture, and its mm/mV.
    """
    columns = [signal[:, i].astype(np.float64) for i in range(signal.shape[1])]
    columns = [column - baseline(column) for column in columns]
    gain, reaches = _gain(columns)
    places, height = [], _LANE
    for low, high in reaches:
        above = 5 * math.ceil((min(high, _TALLEST) + 1) / 5)
        below = 5 * math.ceil((min(-low, _TALLEST) + 1) / 5)
        places.append((height + above, -below + 0.5, above - 0.5))
        height += above + below
    parts = _paper(height, _LANE)
    if span is not None:
        a, b = (min(max(t * _SPEED, 0.0), WIDTH) for t in span)
        if b - a > 0.5 and (a > 0 or b < WIDTH):
            parts.append(_rect(a, _LANE, b - a, height - _LANE, BLUE, 0.07))
    for name, column, (base, low, high) in zip(leads, columns, places, strict=True):
        curve = trace(np.clip(column * gain, low, high), fs / _SPEED, _REPORT_BUCKET)
        parts.append(
            f'<g transform="translate(0 {base:g}) scale({1 / UNIT:g})">'
            + _path(curve, INK, 0.28 * UNIT, ' stroke-linejoin="round"')
            + "</g>"
        )
        parts.append(_text(1, base - high + 1.6, name, size=2.8, fill=INK, weight="600"))
    last = -math.inf
    for i, (second, name, good) in enumerate(beats):
        x = second * _SPEED
        colour = CLASS_COLOURS.get(name, QUIET)
        mark = name if good else f"{name}?"
        if x - last > 3:
            weight = "" if name == "N" else "700"
            edge = min(max(x, 1.3), WIDTH - 1.3)
            parts.append(
                _text(edge, 3.4, mark, size=3.2, fill=colour, anchor="middle", weight=weight)
            )
            last = x
        parts.append(_path(f"M{x:.2f} {_LANE - 1.4:g}v1.4", colour, 0.3))
        if i and x - beats[i - 1][0] * _SPEED > 9:
            middle = (x + beats[i - 1][0] * _SPEED) / 2
            rr = f"{1000 * (second - beats[i - 1][0]):.0f}"
            parts.append(_text(middle, 6.4, rr, size=2.3, anchor="middle"))
    return _svg(WIDTH, height, parts, label, chart=False), gain


def minute_gain(signal: npt.NDArray[np.float64]) -> float:
    """Gain in mm/mV at which the row of a minute shows all but the rarest samples.

    Parameters
    ----------
    signal : ndarray, shape (n,)
        One lead in mV.

    Returns
    -------
    float
    """
    reach = np.abs(signal - baseline(signal))
    reach = reach[np.isfinite(reach)]
    return 4.0 / max(float(np.quantile(reach, 0.998)) if len(reach) else 1.0, 1e-6)


def minute(
    signal: npt.NDArray[np.float64], fs: float, *, marks: Sequence[tuple[float, str]],
    span: tuple[float, float] | None = None, label: str = "", gain: float = 0.0,
) -> str:  # fmt: skip
    """Draw a minute of one lead in one row, at 3 mm/s.

    Parameters
    ----------
    signal : ndarray, shape (n,)
        One lead in mV.
    fs : float
        Sampling rate in Hz.
    marks : sequence of (float, str)
        Second, and label, of beats to mark: those that are not normal.
    span : (float, float), optional
        Seconds to shade.
    label : str
        What the picture shows.
    gain : float
        mm/mV; by default what fits.

    Returns
    -------
    str
        SVG.
    """
    height, base = 11.0, 6.5
    column = signal - baseline(signal)
    gain = gain or minute_gain(signal)
    parts = [_path(f"M0 {height}H{WIDTH:g}", LINE, 0.15)]
    if span is not None:
        a, b = (min(max(t * MINUTE_SPEED, 0.0), WIDTH) for t in span)
        parts.append(_rect(a, 0, max(b - a, 0.3), height, BLUE, 0.12))
    curve = trace(np.clip(column * gain, -4.3, 5.3), fs / MINUTE_SPEED, _REPORT_BUCKET)
    parts.append(
        f'<g transform="translate(0 {base:g}) scale({1 / UNIT:g})">'
        + _path(curve, INK, 0.14 * UNIT)
        + "</g>"
    )
    for second, name in marks:
        x, colour = second * MINUTE_SPEED, CLASS_COLOURS.get(name, QUIET)
        parts.append(_rect(x - 0.3, 0, 0.6, 1.1, colour))
    return _svg(WIDTH, height, parts, label, chart=False)


# ------------------------------------------------------------------------------------ graphs


def _ticks(low: float, high: float, most: int, *, least: float = 1e-9) -> list[float]:
    """Round numbers from low to high, `most` at most, and `least` apart."""
    raw = max((high - low) / most, least)
    power = 10 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def trend(
    times: FloatArray,
    mean: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    duration: float,
    hours: Sequence[tuple[float, str]],
    lanes: Sequence[tuple[str, str, Sequence[tuple[float, float, float]]]],
) -> str:
    """Draw heart rate along the recording, with a lane for each kind of event.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Middle of each step, seconds.
    mean, low, high : ndarray, shape (n,)
        Rates per minute; NaN where there is none.
    duration : float
        Seconds.
    hours : sequence of (float, str)
        Ticks of the time axis.
    lanes : sequence of (name, colour, marks)
        Each mark has start, end and strength from 0 to 1.

    Returns
    -------
    str
        SVG.
    """
    left, right, top, graph, lane = 22.0, 2.0, 3.0, 46.0, 4.6
    scale = (WIDTH - left - right) / duration
    height = top + graph + 5 + lane * len(lanes) + 1
    finite = np.concatenate([part[np.isfinite(part)] for part in (mean, low, high)])
    bottom = math.floor((finite.min() - 5) / 10) * 10 if len(finite) else 40
    ceiling = math.ceil((finite.max() + 5) / 10) * 10 if len(finite) else 120
    rise = graph / (ceiling - bottom)

    def y(rate: float) -> float:
        return top + (ceiling - rate) * rise

    parts = []
    for tick in _ticks(bottom, ceiling, 6):
        parts.append(_path(f"M{left} {y(tick):.2f}H{WIDTH - right:g}", LINE, 0.15))
        parts.append(_text(left - 1.5, y(tick) + 0.9, f"{tick:g}", anchor="end"))
    end = top + graph + 5 + lane * len(lanes)
    for second, name in hours:
        x = left + second * scale
        parts.append(_path(f"M{x:.2f} {top}V{end:.2f}", LINE, 0.12))
        anchor = "end" if x > WIDTH - right - 5 else "middle"
        parts.append(_text(x, top + graph + 3.6, name, size=2.4, anchor=anchor))
    runs = np.flatnonzero(np.diff(np.concatenate(([0], np.isfinite(mean).astype(np.int8), [0]))))
    for a, b in runs.reshape(-1, 2).tolist():
        places = [left + float(t) * scale for t in times[a:b]]
        spread = np.isfinite(low[a:b]) & np.isfinite(high[a:b])
        up = [(places[i], y(float(high[a + i]))) for i in np.flatnonzero(spread)]
        down = [(places[i], y(float(low[a + i]))) for i in np.flatnonzero(spread)[::-1]]
        if len(up) > 1:
            outline = "L".join(f"{px:.2f} {py:.2f}" for px, py in up + down)
            parts.append(f'<path d="M{outline}z" fill="{BAND}"/>')
        points = "L".join(
            f"{px:.2f} {y(float(rate)):.2f}" for px, rate in zip(places, mean[a:b], strict=True)
        )
        parts.append(_path(f"M{points}" + ("h.4" if b - a == 1 else ""), BLUE, 0.35))
    for i, (name, colour, marks) in enumerate(lanes):
        place = top + graph + 5 + lane * i
        parts.append(_path(f"M{left} {place + lane - 0.6:.2f}H{WIDTH - right:g}", LINE, 0.12))
        parts.append(_text(left - 1.5, place + 3.2, name, size=2.3, anchor="end"))
        for start, stop, strength in marks:
            x = left + start * scale
            wide = min(max((stop - start) * scale, 0.35), WIDTH - right - x)
            tall = (lane - 1) * (0.25 + 0.75 * strength)
            parts.append(_rect(x, place + lane - 0.6 - tall, wide, tall, colour))
    parts.append(_text(left, top - 0.6, "beats per minute", size=2.3))
    return _svg(WIDTH, height, parts, "Heart rate along the recording, with its events")


def _axes(
    x_range: tuple[float, float], y_range: tuple[float, float], box: tuple[float, ...],
    x_name: str, y_name: str, *, ticks: int = 6, least: float = 1e-9,
) -> list[str]:  # fmt: skip
    left, top, width, height = box
    parts = [_path(f"M{left} {top}V{top + height:g}H{left + width:g}", QUIET, 0.2)]
    for tick in _ticks(*x_range, ticks):
        x = left + (tick - x_range[0]) / (x_range[1] - x_range[0]) * width
        parts.append(_path(f"M{x:.2f} {top}V{top + height:g}", LINE, 0.12))
        parts.append(_text(x, top + height + 3.4, f"{tick:g}", size=2.4, anchor="middle"))
    for tick in _ticks(*y_range, ticks, least=least):
        y = top + height - (tick - y_range[0]) / (y_range[1] - y_range[0]) * height
        parts.append(_path(f"M{left} {y:.2f}H{left + width:g}", LINE, 0.12))
        parts.append(_text(left - 1.2, y + 0.8, f"{tick:g}", size=2.4, anchor="end"))
    parts.append(_text(left + width, top + height + 7, x_name, size=2.4, anchor="end"))
    parts.append(_text(left - 9, top - 2.2, y_name, size=2.4))
    return parts


def _rr_range(rr: FloatArray) -> tuple[float, float]:
    """Whole 0.2 s around all but the rarest intervals."""
    low, high = np.quantile(rr, (0.0005, 0.9995))
    return max(0.0, math.floor(5 * low) / 5), math.ceil(5 * high + 0.01) / 5


def rr_histogram(nn: FloatArray, other: FloatArray) -> str:
    """Draw the histogram of RR intervals: NN intervals, and the others on top of them.

    Parameters
    ----------
    nn, other : ndarray
        Seconds.

    Returns
    -------
    str
        SVG.
    """
    size, box = (84.0, 70.0), (12.0, 5.0, 70.0, 56.0)
    low, high = _rr_range(np.concatenate((nn, other)))
    edges = np.arange(low, high + 1 / 128, 1 / 64) - 1e-6
    counts = np.histogram(nn, edges)[0], np.histogram(other, edges)[0]
    tallest = max(int((counts[0] + counts[1]).max()), 1)
    parts = _axes((low, high), (0, tallest), box, "RR interval, s", "intervals", ticks=7, least=1)
    left, top, width, height = box
    step = width / (high - low) / 64
    for colour, count, below in ((BLUE, counts[0], 0 * counts[0]), (ORANGE, counts[1], counts[0])):
        d = "".join(
            f"M{left + i * step:.2f} {top + height - b / tallest * height:.2f}"
            f"v{-n / tallest * height:.2f}h{step * 0.92:.2f}v{n / tallest * height:.2f}z"
            for i, (n, b) in enumerate(zip(count.tolist(), below.tolist(), strict=True))
            if n
        )
        parts.append(f'<path d="{d}" fill="{colour}"/>')
    return _svg(*size, parts, "Histogram of the RR intervals")


def poincare(first: FloatArray, second: FloatArray, normal: npt.NDArray[np.bool_]) -> str:
    """Draw each RR interval against the one before it, as a map of how often.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Intervals in seconds, and those that follow.
    normal : ndarray of bool, shape (n,)
        Whether both are NN intervals.

    Returns
    -------
    str
        SVG.
    """
    size, box = (84.0, 70.0), (12.0, 5.0, 56.0, 56.0)
    low, high = _rr_range(np.concatenate((first, second)))
    # Whole steps of 1/128 s: intervals of recordings at 128 or 256 Hz fill every cell alike.
    cells = round((high - low) * (128 if high - low <= 1 else 64))
    parts = _axes((low, high), (low, high), box, "RR, s", "next RR, s", ticks=7)
    left, top, width, height = box
    parts.append(_path(f"M{left} {top + height:g}L{left + width:g} {top}", LINE, 0.2))
    cell = width / cells
    for colour, chosen in ((ORANGE, ~normal), (BLUE, normal)):
        x, y = (side[chosen] + 1e-6 for side in (first, second))  # an edge belongs to the right
        grid, _, _ = np.histogram2d(x, y, cells, ((low, high), (low, high)))
        if not grid.any():
            continue
        level = np.ceil(4 * np.log1p(grid) / math.log1p(float(grid.max()))).astype(int)
        for shade in range(1, 5):
            d = "".join(
                f"M{left + i * cell:.2f} {top + height - (j + 1) * cell:.2f}h{cell:.2f}v{cell:.2f}"
                f"h-{cell:.2f}z"
                for i, j in np.argwhere(level == shade).tolist()
            )
            parts.append(f'<path d="{d}" fill="{colour}" fill-opacity="{0.2 + 0.2 * shade:g}"/>')
    return _svg(*size, parts, "Poincaré plot: each RR interval against the one before it")


def bars(names: Sequence[str], counts: Sequence[int], *, label: str) -> str:
    """Draw how many there are of each class: a line each, with a bar and the number.

    Parameters
    ----------
    names : sequence of str
        The classes, in order.
    counts : sequence of int
    label : str
        What the picture shows, for who cannot see it.

    Returns
    -------
    str
        SVG.
    """
    left, width, row = 24.0, 84.0, 4.6
    room = width - left - 14.0
    most = max([1, *counts])
    parts = []
    for i, (name, count) in enumerate(zip(names, counts, strict=True)):
        y = i * row
        long = room * count / most
        parts.append(_text(left - 1.5, y + 3.2, name, anchor="end"))
        if count:
            parts.append(_rect(left, y + 0.6, max(long, 0.3), row - 1.2, BLUE))
        parts.append(_text(left + long + 1.2, y + 3.2, f"{count:,}", fill=INK))
    return _svg(width, len(names) * row + 0.5, parts, label)
