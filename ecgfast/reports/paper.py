"""A strip of ECG on paper: where each row, beat and word stands, in millimetres.

At 25 mm/s and (where the signal allows) 10 mm/mV a large box is 0.2 s by 0.5 mV, as on a printed
ECG. `strip.py` draws it with Matplotlib, `vector.py` as SVG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..records.record import check_fs
from ..records.writers import BeatLike
from .tally import is_doubtful
from .words import CLASS_NAMES, clock

__all__ = ["CLASS_COLOURS", "Entry", "Mark", "Row", "Strip", "baseline", "lay_out"]

#: Colours of Okabe and Ito (2008), which colour-blind readers tell apart; the letters tell it too.
CLASS_COLOURS = {"N": "#56616b", "S": "#0072b2", "V": "#c84a00", "F": "#00805c", "Q": "#a8518a"}
_OTHER = ("#0072b2", "#c84a00", "#00805c", "#a8518a", "#56616b")

PAPER, FINE, COARSE = "#fffdfb", "#fbe9e3", "#f2c6b9"
INK, QUIET = "#1c1c1c", "#555555"

SPEED = 25.0  # mm/s
BOX = 5.0  # mm, side of a large box
LEFT, RIGHT, TOP = 15.0, 4.0, 17.0  # margins, mm
PULSE_UP = 4.0  # mm above the row's middle, clear of the time

_GAINS = (40.0, 20.0, 10.0, 5.0, 2.5, 1.25)  # mm/mV, as ECG machines offer them, and around
_HIGHEST = 40.0  # mm that the trace of one row may take
_NAMES = 5.0  # mm above the trace, for the beats' names


@dataclass(frozen=True)
class Mark:
    """A beat in a row.

    Attributes
    ----------
    x, y : float
        Where the R peak is: from the left, and above the row's middle.
    left, right : float
        What of the row is shaded for it.
    label, colour : str
    ordinary : bool
        A normal beat, which is named and not highlighted.
    hollow : bool
        In a bad signal.
    """

    x: float
    y: float
    left: float
    right: float
    label: str
    colour: str
    ordinary: bool
    hollow: bool


@dataclass(frozen=True)
class Row:
    """Some seconds of the signal.

    Attributes
    ----------
    base : float
        The row's middle, above the lower edge of the paper.
    x, y : ndarray, shape (n,)
        The trace: from the left, and above `base`; NaN where a sample is missing.
    time : str
        When it begins.
    marks : list of Mark
    """

    base: float
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    time: str
    marks: list[Mark]


@dataclass(frozen=True)
class Entry:
    """A class in the legend, or what a hollow mark means."""

    text: str
    colour: str
    hollow: bool = False


@dataclass(frozen=True)
class Strip:
    """What stands on the paper.

    Attributes
    ----------
    width, height : float
        Of the paper without its margins.
    low, high : float
        Lower and upper end of a trace, from its row's middle.
    gain : float
        mm/mV.
    per_mm : float
        Samples in a millimetre of width.
    rows : list of Row
    legend : list of Entry
    """

    width: float
    height: float
    low: float
    high: float
    gain: float
    per_mm: float
    rows: list[Row]
    legend: list[Entry]

    @property
    def scale(self) -> str:
        """Speed and gain, in words."""
        return (
            f"{SPEED:g} mm/s, {self.gain:g} mm/mV: a large box is 0.2 s by {BOX / self.gain:g} mV"
        )

    def pulse(self) -> tuple[list[float], list[float]]:
        """1 mV for 0.2 s in the left margin, as at the head of a printed ECG: x, y above `base`."""
        x = [-BOX - 5.5, -BOX - 4.0, -BOX - 4.0, -4.0, -4.0, -2.5]
        return x, [PULSE_UP + mv * self.gain for mv in (0, 0, 1, 1, 0, 0)]


def lay_out(
    signal: npt.ArrayLike,
    fs: float,
    beats: Sequence[BeatLike],
    *,
    start: float,
    duration: float | None,
    row: float,
) -> Strip:
    """Place a stretch of one lead and its beats; parameters and errors as in `strip_figure`."""
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
    spans = [(i, min(i + per_row, last)) for i in range(first, last, per_row)]
    spans = [span for span in spans if span[1] - span[0] >= rate / 2] or spans
    gain, low, high = _scale([values[a:b] for a, b in spans])
    height = high - low + _NAMES
    rows, shown = [], []
    for i, (a, b) in enumerate(spans):
        part = values[a:b]
        y = np.clip((part - baseline(part)) * gain, low, high)
        own = [beat for beat in beats if a <= beat.sample < b]
        base = (len(spans) - 1 - i) * height - low
        x = np.arange(len(part)) / rate * SPEED
        rows.append(Row(base, x, y, clock(a / rate), _marks(own, x, y, a, row * SPEED)))
        shown += own
    return Strip(
        width=row * SPEED,
        height=height * len(spans),
        low=low,
        high=high,
        gain=gain,
        per_mm=rate / SPEED,
        rows=rows,
        legend=_legend(shown),
    )


def _marks(
    beats: list[BeatLike],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    begin: int,
    width: float,
) -> list[Mark]:
    places = [float(x[beat.sample - begin]) for beat in beats]
    marks = []
    for i, (beat, at) in enumerate(zip(beats, places, strict=True)):
        before = (at + places[i - 1]) / 2 if i else 0.0
        after = (at + places[i + 1]) / 2 if i + 1 < len(beats) else width
        marks.append(
            Mark(
                x=at,
                y=float(y[beat.sample - begin]),
                left=max(at - BOX, before),
                right=min(at + BOX, after),
                label=beat.label,
                colour=_colour(beat.label),
                ordinary=beat.label == "N",
                hollow=is_doubtful(beat),
            )
        )
    return marks


def _legend(beats: list[BeatLike]) -> list[Entry]:
    counts: dict[str, int] = {}
    for beat in beats:
        counts[beat.label] = counts.get(beat.label, 0) + 1
    order = [*CLASS_NAMES, *sorted(counts.keys() - CLASS_NAMES.keys())]
    entries = [
        Entry(
            " ".join((label, CLASS_NAMES.get(label, ""))).strip() + f": {counts[label]}",
            _colour(label),
        )
        for label in order
        if label in counts
    ]
    if any(is_doubtful(beat) for beat in beats):
        entries.append(Entry("hollow: poor signal", QUIET, hollow=True))
    return entries


def _colour(label: str) -> str:
    """Colour of a class; the classes of other models get one by their letters."""
    return CLASS_COLOURS.get(label) or _OTHER[sum(label.encode()) % len(_OTHER)]


def _scale(rows: list[npt.NDArray[np.float64]]) -> tuple[float, float, float]:
    """Gain in mm/mV, and the lowest and highest millimetre of a row, in whole boxes."""
    centred = [part - baseline(part) for part in rows]
    whole = np.concatenate(centred)
    whole = whole[np.isfinite(whole)]
    if not len(whole):
        return _GAINS[2], -2 * BOX, 2 * BOX
    # One artefact must not flatten everything: it leaves the row.
    bottom, top = (float(v) for v in np.quantile(whole, (0.0005, 0.9995)))
    gain = next((g for g in _GAINS[2:] if (top - bottom) * g <= _HIGHEST), _GAINS[-1])
    if gain == _GAINS[2]:  # a small signal may be drawn larger
        gain = next(g for g in _GAINS if g == gain or (top - bottom) * g <= _HIGHEST / 2)
    low = BOX * np.floor((bottom * gain - 0.5) / BOX)
    high = BOX * np.ceil((top * gain + 0.5) / BOX)
    return gain, max(float(low), -_HIGHEST), min(float(high), _HIGHEST)


def baseline(part: npt.NDArray[np.float64]) -> float:
    """Level that a trace is drawn around: the median, 0 where nothing is known."""
    finite = part[np.isfinite(part)]
    return float(np.median(finite)) if len(finite) else 0.0
