"""Rhythms made from recorded beats: what a few dozen patients show too little of.

They let every training patient have premature atrial beats, paroxysmal tachycardia, atrial
fibrillation and flutter, exertion and deep breaths. `retiming` puts the recording together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...evaluation import AAMI_CLASSES
from .retiming import AtrialWaves, Rhythm

__all__ = ["RHYTHMS", "SINUS_ARRHYTHMIA", "at_intervals", "make_rhythm"]

_Floats = npt.NDArray[np.float64]

#: The shortest interval that is made, in seconds: 214 beats a minute.
_SHORTEST = 0.28
#: Sinus rhythm of healthy people: the shortest interval that exertion comes to, in seconds, and the
#: fastest change of heart rate, in beats a minute each second. In whole days of nine healthy people
#: (nsrdb) the rate changes by up to 24 beats a minute within ten beats, and it slows down by 39.
_SHORTEST_SINUS, _FASTEST_CHANGE = 0.34, 3.5
#: Sinus rhythm at rest: the longest mean interval, in seconds, and the natural logarithm of a
#: breath's longest interval over its shortest: deep breaths of the young come to 1.5 and more.
_SLOWEST_REST, _DEEPEST = 1.35, 0.55
#: Beats before and after that must be normal, and the scatter of their intervals, for a beat to be
#: moved; a slower rhythm than that leaves pauses that nobody has.
_BEFORE, _AFTER, _SCATTER, _SLOWEST = 4, 2, 0.2, 1.5
#: Beats at either end that are left as they are: the patient's baseline is learnt from the first.
_FIRST, _LAST = 20, 4
#: Beats of a stretch that gets the intervals of another recording, at most.
_LONGEST_STRETCH = 300
#: Beats of such a stretch at which the rate may have changed at once.
_ONSET = 8
#: Normal beats after an ectopic one that are taught with it.
_RETURN = 8

_N, _S = AAMI_CLASSES.index("N"), AAMI_CLASSES.index("S")


def _as_recorded(rr: _Floats, label: npt.NDArray[np.int64]) -> Rhythm:
    n = len(rr)
    still = np.ones(n), np.zeros(n), np.ones(n)
    return Rhythm(rr.copy(), *still, label.copy(), np.zeros(n, bool))


def _movable(rr: _Floats, label: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Beats in the midst of normal ones at a steady rate."""
    steady = np.zeros(len(rr), bool)
    for i in range(_FIRST, len(rr) - _LAST):
        around = rr[i - 3 : i + 3]
        steady[i] = (
            (label[i - _BEFORE : i + _AFTER + 1] == _N).all()
            and np.ptp(around) < _SCATTER * around.mean()
            and around.mean() < _SLOWEST
        )
    return steady


def _stretch(movable: npt.NDArray[np.bool_], i: int, most: int) -> int:
    """End of the movable beats from i on, `most` of them at most."""
    ends = np.flatnonzero(~movable[i : i + most])
    return i + int(ends[0]) if len(ends) else min(i + most, len(movable))


def _episodes(
    movable: npt.NDArray[np.bool_],
    generator: np.random.Generator,
    lengths: tuple[int, int],
    *,
    least: int,
    apart: int,
) -> Iterator[tuple[int, int]]:
    """First beat and end of episodes of so many beats, or of `least` where no more can be moved."""
    shortest, longest = (np.log(length) for length in lengths)
    i = int(generator.uniform(_FIRST, apart))
    while i < len(movable) - _LAST:
        if not movable[i]:
            i += 1
            continue
        end = _stretch(movable, i, int(np.exp(generator.uniform(shortest, longest))))
        if end - i < least:
            i = end + 1
            continue
        yield i, end
        i = end + int(generator.exponential(apart))


def _returned(made: npt.NDArray[np.bool_], label: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Made beats, and the normal ones that follow them."""
    near = np.convolve(made, np.ones(_RETURN + 1))[: len(made)] > 0
    taught: npt.NDArray[np.bool_] = made | (near & (label == _N))
    return taught


class _Foci:
    """Where a patient's ectopic beats come from: two places, one of them the usual one."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.waves = [
            (generator.uniform(-1.0, 1.0), generator.uniform(-0.03, 0.05)) for _ in range(2)
        ]

    def draw(self) -> tuple[float, float]:
        return self.waves[int(self.generator.random() > 0.8)]


def _premature(rr: _Floats, label: npt.NDArray[np.int64], generator: np.random.Generator) -> Rhythm:
    """Premature atrial beats, one in five of them in groups of two to four."""
    rhythm, movable, foci = _as_recorded(rr, label), _movable(rr, label), _Foci(generator)
    made = np.zeros(len(rr), bool)
    gap, i = generator.uniform(6, 30), _FIRST
    while i < len(rr) - _LAST:
        if not movable[i]:
            i += 1
            continue
        group = 1 if generator.random() < 0.8 else int(generator.integers(2, 5))
        end = _stretch(movable, i, group)
        early, usual = generator.uniform(0.5, 0.9), np.median(rr[i - 4 : i])
        scatter = generator.uniform(0.95, 1.05, end - i)
        rhythm.rr[i:end] = np.maximum(early * usual * scatter, _SHORTEST)
        rhythm.p_gain[i:end], rhythm.p_shift[i:end] = foci.draw()
        made[i:end] = True
        if end < len(rr) and movable[end]:
            # The sinus node is reset, a little slowed, or keeps its rhythm.
            pauses = (1.0, generator.uniform(0.95, 1.2), generator.uniform(1.0, 2.0 - early))
            rhythm.rr[end] *= pauses[int(generator.integers(3))]
        i = end + 1 + int(generator.exponential(gap))
    rhythm.label[made] = _S
    return replace(rhythm, taught=_returned(made, rhythm.label))


def _tachycardia(
    rr: _Floats, label: npt.NDArray[np.int64], generator: np.random.Generator
) -> Rhythm:
    """Paroxysmal atrial tachycardia of 5 to 400 beats, which begins at once."""
    rhythm, movable, foci = _as_recorded(rr, label), _movable(rr, label), _Foci(generator)
    made = np.zeros(len(rr), bool)
    for i, end in _episodes(movable, generator, (5, 400), least=5, apart=300):
        level = min(generator.uniform(0.33, 0.58), 0.75 * float(np.median(rr[i - 4 : i])))
        drift = generator.uniform(-0.05, 0.1) * np.arange(end - i) / (end - i)
        jitter = generator.uniform(0.003, 0.03) * generator.standard_normal(end - i)
        rhythm.rr[i:end] = np.maximum(level * (1 + drift) * (1 + jitter), _SHORTEST)
        rhythm.p_gain[i:end], rhythm.p_shift[i:end] = foci.draw()
        made[i:end] = True
        if end < len(rr):
            rhythm.rr[end] *= generator.uniform(1.0, 1.4)
    rhythm.label[made] = _S
    return replace(rhythm, taught=_returned(made, rhythm.label))


def _fibrillation(
    rr: _Floats, label: npt.NDArray[np.int64], generator: np.random.Generator
) -> Rhythm:
    """Atrial fibrillation, or flutter with two to four waves a beat: irregular, no P wave, N."""
    rhythm, movable = _as_recorded(rr, label), _movable(rr, label)
    waves = []
    for i, end in _episodes(movable, generator, (30, 500), least=20, apart=200):
        n = end - i
        if generator.random() < 0.5:
            cycle, stay = generator.uniform(0.18, 0.26), generator.uniform(0.3, 0.9)
            ratios = generator.choice([2, 3, 4], 3)
            moves = generator.random(n) > stay
            ratio = np.maximum.accumulate(np.where(moves, np.arange(n), 0))
            drawn = ratios[generator.integers(3, size=n)][ratio]
            conducted = np.where(moves.cumsum() > 0, drawn, 2)
            made = conducted * cycle * (1 + 0.01 * generator.standard_normal(n))
            size = generator.uniform(0.02, 0.12)
            waves.append(AtrialWaves(i - 1, end - 1, 1 / cycle, 0.0, size))
        else:
            level, scatter = generator.uniform(0.42, 1.0), generator.uniform(0.1, 0.28)
            made = level * np.exp(scatter * generator.standard_normal(n))
            frequency, size = generator.uniform(4.5, 8.0), generator.uniform(0, 0.06)
            waves.append(AtrialWaves(i - 1, end - 1, frequency, 0.4, size))
        rhythm.rr[i:end] = np.clip(made, _SHORTEST, 2.2)
        rhythm.p_gain[i:end] = 0.0
        rhythm.taught[i:end] = True
    return replace(rhythm, waves=tuple(waves))


def _exertion(rr: _Floats, label: npt.NDArray[np.int64], generator: np.random.Generator) -> Rhythm:
    """Sinus rhythm that speeds up, recovers, and follows the breath: exertion, posture, rest; N."""
    rhythm, movable = _as_recorded(rr, label), _movable(rr, label)
    for i, end in _episodes(movable, generator, (24, 600), least=16, apart=60):
        n, base = end - i, float(np.median(rr[i - 4 : i + 8]))
        fastest = max(1.0, base / _SHORTEST_SINUS)
        # One in four is rest alone, with its breathing.
        top = min(np.exp(generator.uniform(0.05, 0.9)), fastest) if generator.random() < 0.75 else 1
        lasts = n * base / top  # no longer than these beats last, so that it ends at rest
        # Recovery takes longer than the rise, as it does after exertion.
        least = 1.5 * (top - 1) * 60 / base / _FASTEST_CHANGE
        rise = max(least, lasts * generator.uniform(0.05, 0.4))
        fall = max(1.2 * least, lasts * generator.uniform(0.3, 0.6))
        depth, breath = 0.4 * generator.random() ** 2, generator.uniform(2.5, 8.0)
        phase, jitter = generator.uniform(0, 2 * np.pi), generator.uniform(0.003, 0.02)
        time, wander = 0.0, 0.0
        for k in range(i, end):
            faster = 1 + (top - 1) * _ramp(time / rise) * _ramp((lasts - time) / fall)
            wander = 0.95 * wander + jitter * float(generator.standard_normal())
            phase += 2 * np.pi * float(rhythm.rr[k - 1]) / breath * generator.uniform(0.8, 1.2)
            swing = 1 + depth / 2 / faster**2 * np.sin(phase) + wander
            made = max(base / faster * swing, _SHORTEST_SINUS)
            rhythm.rr[k], time = made, time + made
            # The P wave grows, PR and QT shorten.
            rhythm.p_gain[k] = min(1 + 0.5 * (faster - 1), 1.6)
            rhythm.p_shift[k] = min(0.02 * (faster - 1), 0.03)
            rhythm.t_scale[k] = _qt_scale(made, rr[k])
        rhythm.taught[i:end] = True
    return rhythm


def _sinus_arrhythmia(
    rr: _Floats, label: npt.NDArray[np.int64], generator: np.random.Generator
) -> Rhythm:
    """Sinus rhythm at rest that follows the breath deeply, as in the young and in sleep; N."""
    rhythm, movable = _as_recorded(rr, label), _movable(rr, label)
    for i, end in _episodes(movable, generator, (24, 400), least=16, apart=60):
        usual = float(np.median(rr[i - 4 : i + 8]))
        rest = max(usual, min(usual * generator.uniform(1.0, 1.5), _SLOWEST_REST))
        depth, breath = generator.uniform(0.1, _DEEPEST), generator.uniform(2.5, 8.0)
        inspiration, jitter = generator.uniform(0.2, 0.8), generator.uniform(0.003, 0.03)
        # Breath by breath; the heart speeds up while air is drawn in, and slows down again.
        phase, length, swing, wander = generator.random(), breath, depth, 0.0
        p_follows = generator.uniform(-0.1, 0.4)
        for k in range(i, end):
            phase += float(rhythm.rr[k - 1]) / length
            if phase >= 1:
                phase %= 1.0
                length = breath * generator.uniform(0.7, 1.3)
                swing = min(depth * generator.uniform(0.6, 1.3), _DEEPEST)
            drawn = phase / inspiration, (1 - phase) / (1 - inspiration)
            slow = 0.5 - _ramp(min(drawn))
            wander = 0.95 * wander + jitter * float(generator.standard_normal())
            made = max(rest * np.exp(swing * slow + wander), _SHORTEST_SINUS)
            rhythm.rr[k] = made
            rhythm.p_gain[k] = 1 - p_follows * slow
        # QT follows the mean of many intervals, not each of them.
        rhythm.t_scale[i:end] = _qt_scale(rest, usual)
        rhythm.taught[i:end] = True
    return rhythm


def _qt_scale(interval: float, before: float) -> float:
    """Factor of the QT interval at another RR interval: by its cubic root (Fridericia)."""
    return float(np.clip(np.cbrt(interval / before), 0.7, 1.2))


def _ramp(share: float) -> float:
    """From 0 to 1 without a corner."""
    x = min(max(share, 0.0), 1.0)
    return x * x * (3 - 2 * x)


#: Kind of rhythm, also of strips.
SINUS_ARRHYTHMIA = "sinus arrhythmia"

_Maker = Callable[[_Floats, npt.NDArray[np.int64], np.random.Generator], Rhythm]

#: What can be made of a recording, by name.
RHYTHMS: dict[str, _Maker] = {
    "premature beats": _premature,
    "tachycardia": _tachycardia,
    "fibrillation": _fibrillation,
    "exertion": _exertion,
    SINUS_ARRHYTHMIA: _sinus_arrhythmia,
}


def make_rhythm(
    kind: str, rr: npt.ArrayLike, label: npt.ArrayLike, generator: np.random.Generator
) -> Rhythm:
    """Draw a rhythm for a recording of n beats.

    Parameters
    ----------
    kind : str
        Of `RHYTHMS`: "premature beats" and "tachycardia" are S; "fibrillation" is N, as AAMI EC57
        has it, and so are "exertion" and "sinus arrhythmia".
    rr : array_like of float, shape (n,)
        Seconds from the beat before; NaN on the first.
    label : array_like of int, shape (n,)
        Index of the AAMI class.
    generator : Generator

    Returns
    -------
    Rhythm

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in RHYTHMS:
        raise InputError(f"no rhythm {kind!r} can be made: there are {', '.join(RHYTHMS)}")
    return RHYTHMS[kind](np.asarray(rr, np.float64), np.asarray(label, np.int64), generator)


def at_intervals(
    rr: npt.ArrayLike,
    label: npt.ArrayLike,
    intervals: npt.ArrayLike,
    generator: np.random.Generator,
) -> Rhythm:
    """Give stretches of normal beats the intervals of another recording.

    Parameters
    ----------
    rr, label : array_like, shape (n,)
        As in `make_rhythm`.
    intervals : array_like of float, shape (m,)
        Successive RR intervals of a sinus rhythm, seconds; m is 300 or more.
    generator : Generator
        Draws which beats get which of them.

    Returns
    -------
    Rhythm
        Its ``taught`` are the beats with such an interval, but for the first eight of a stretch:
        where the rate changes at once, as no heart's does.

    Raises
    ------
    InputError
        If the intervals are too few.
    """
    before, given = np.asarray(rr, np.float64), np.asarray(intervals, np.float64)
    if len(given) < _LONGEST_STRETCH:
        raise InputError(f"{len(given)} intervals: give {_LONGEST_STRETCH} or more")
    labels = np.asarray(label, np.int64)
    rhythm = _as_recorded(before, labels)
    lengths = _LONGEST_STRETCH // 5, _LONGEST_STRETCH
    for i, end in _episodes(_movable(before, labels), generator, lengths, least=24, apart=40):
        first = int(generator.integers(len(given) - (end - i) + 1))
        rhythm.rr[i:end] = given[first : first + end - i]
        mean = float(rhythm.rr[i:end].mean())
        rhythm.t_scale[i:end] = _qt_scale(mean, float(np.median(before[i - 4 : i + 8])))
        rhythm.taught[i + _ONSET : end] = True
    return rhythm
