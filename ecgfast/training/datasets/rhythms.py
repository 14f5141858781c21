"""Rhythms made from recorded beats: what a few dozen patients show too little of.

A recording is cut between its R peaks and put together again at other RR intervals, with other P
waves, so that every training patient has premature atrial beats, paroxysmal tachycardia, atrial
fibrillation and flutter, and exertion. QRS complexes and T waves stay the patient's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...evaluation import AAMI_CLASSES

__all__ = ["RHYTHMS", "SINUS_ARRHYTHMIA", "AtrialWaves", "Rhythm", "make_rhythm", "retime"]

_Floats = npt.NDArray[np.float64]

#: Seconds before R that move with the beat: PR interval, P wave, and a little of the level before.
_BODY = 0.25
#: Seconds after R where T waves end, two thirds of the interval at most: the rest stretches.
_T_END = 0.36
#: Seconds before R where the P wave begins and ends.
_P_BEGIN, _P_END = 0.22, 0.06
#: Seconds after R from where the QT interval changes with the rate.
_QT_BEGIN = 0.1
#: Seconds around R of the QRS complex, whose size is the unit of atrial waves.
_QRS = 0.08
#: Seconds over which atrial waves rise and fall.
_FADE = 0.3
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
#: Normal beats after an ectopic one that are taught with it.
_RETURN = 8

_N, _S = AAMI_CLASSES.index("N"), AAMI_CLASSES.index("S")


@dataclass(frozen=True)
class AtrialWaves:
    """Flutter or fibrillation waves under the beats from one to another.

    Attributes
    ----------
    first, last : int
        Beats between whose R peaks the waves go on.
    frequency : float
        Hz.
    wander : float
        Standard deviation of the phase after one cycle, in radians: 0 for flutter.
    size : float
        Amplitude, in sizes of the usual QRS complex.
    """

    first: int
    last: int
    frequency: float
    wander: float
    size: float


@dataclass(frozen=True, eq=False)
class Rhythm:
    """What is to become of a recording of n beats.

    Attributes
    ----------
    rr : ndarray of float64, shape (n,)
        Seconds from the beat before; NaN on the first.
    p_gain, p_shift : ndarray of float64, shape (n,)
        Factor of the patient's own P wave (1 leaves it, 0 takes it away, negative ones turn it
        over), and seconds by which it comes later.
    t_scale : ndarray of float64, shape (n,)
        Factor of the QT interval of the beat before.
    label : ndarray of int64, shape (n,)
        Index of the AAMI class.
    taught : ndarray of bool, shape (n,)
        Beats that a network is to learn from.
    waves : tuple of AtrialWaves
    """

    rr: _Floats
    p_gain: _Floats
    p_shift: _Floats
    t_scale: _Floats
    label: npt.NDArray[np.int64]
    taught: npt.NDArray[np.bool_]
    waves: tuple[AtrialWaves, ...] = ()


def retime(
    signal: npt.ArrayLike,
    fs: float,
    r_peaks: npt.ArrayLike,
    rhythm: Rhythm,
    generator: np.random.Generator,
) -> tuple[_Floats, npt.NDArray[np.int64]]:
    """Put a recording together at other intervals.

    A longer interval stretches what lies between T and P wave; a shorter one fades from the beat
    before into the P wave of the next, so that a P wave can lie on a T wave.

    Parameters
    ----------
    signal : array_like of float, shape (m,)
        One lead, mV.
    fs : float
        Hz.
    r_peaks : array_like of int, shape (n,)
        Ascending.
    rhythm : Rhythm
        Of n beats.
    generator : Generator
        Draws the phase of atrial waves.

    Returns
    -------
    signal : ndarray of float64, shape (k,)
    r_peaks : ndarray of int64, shape (n,)
        Where the R peaks are now.

    Raises
    ------
    InputError
        If R peaks are not ascending samples of the signal, or not as many as the rhythm's, or an
        interval of it is no interval.
    """
    x = np.asarray(signal, np.float64)
    peaks = np.asarray(r_peaks, np.int64)
    if len(peaks) != len(rhythm.rr) or not len(peaks):
        raise InputError(f"{len(peaks)} R peaks for a rhythm of {len(rhythm.rr)} beats")
    if peaks[0] < 0 or peaks[-1] >= len(x) or np.any(np.diff(peaks) < 1):
        raise InputError("R peaks must be ascending samples of the signal")
    if not np.all(rhythm.rr[1:] * fs >= 2):
        raise InputError("every RR interval of a rhythm must be of two samples at least")
    before = np.concatenate([[np.nan], np.diff(peaks) / fs])
    kept = (rhythm.rr == before) & (rhythm.p_gain == 1) & (rhythm.p_shift == 0)
    kept &= rhythm.t_scale == 1
    pieces = [x[: peaks[0]]]
    for i in range(1, len(peaks)):
        begin, end = int(peaks[i - 1]), int(peaks[i])
        piece = x[begin:end]
        if not kept[i]:
            length = round(float(rhythm.rr[i]) * fs)
            own = _with_qt(piece, fs, float(rhythm.t_scale[i]))
            piece = _interval(own, fs, 0, len(own), length)
            piece = _with_p_wave(piece, x, fs, end, rhythm.p_gain[i], rhythm.p_shift[i])
        pieces.append(piece)
    at = np.cumsum([len(piece) for piece in pieces])
    made = np.concatenate([*pieces, x[peaks[-1] :]])
    width = round(_QRS * fs)
    sizes = [np.ptp(x[max(0, r - width) : r + width]) for r in peaks.tolist()]
    for waves in rhythm.waves:
        begin, end = int(at[waves.first]), int(at[waves.last])
        made[begin:end] += np.nanmedian(sizes) * _waves(waves, end - begin, fs, generator)
    return made, at


def _with_qt(piece: _Floats, fs: float, scale: float) -> _Floats:
    """An interval, which begins at an R peak, with its T wave nearer or farther."""
    first, last = int(_QT_BEGIN * fs), min(int(_T_END * fs), len(piece) * 2 // 3)
    if scale == 1 or last - first < 3:
        return piece
    wave = piece[first:last]
    at = np.linspace(0, len(wave) - 1, max(2, round(scale * len(wave))))
    moved = np.interp(at, np.arange(len(wave)), wave)
    return np.concatenate([piece[:first], moved, piece[last:]])


def _interval(x: _Floats, fs: float, begin: int, end: int, length: int) -> _Floats:
    """The signal from one R peak to the next, as so many samples."""
    body = min(int(_BODY * fs), (end - begin) // 2, max(length * 2 // 3, 1))
    if length >= end - begin:
        kept = min(int(_T_END * fs), (end - body - begin) * 2 // 3)
        level = x[begin + kept : end - body]
        at = np.linspace(0, len(level) - 1, length - body - kept)
        stretched = np.interp(at, np.arange(len(level)), level)
        return np.concatenate([x[begin : begin + kept], stretched, x[end - body : end]])
    fading = max(body - int(_P_END * fs), 1)
    share = 0.5 + 0.5 * np.cos(np.pi * (np.arange(fading) + 0.5) / fading)
    turn, rest = begin + length - body, end - body
    faded = x[turn : turn + fading] * share + x[rest : rest + fading] * (1 - share)
    return np.concatenate([x[begin:turn], faded, x[rest + fading : end]])


def _with_p_wave(
    piece: _Floats, x: _Floats, fs: float, r_peak: int, gain: float, shift: float
) -> _Floats:
    """An interval, which ends at the R peak, with the beat's own P wave scaled and moved."""
    first, last = r_peak - int(_P_BEGIN * fs), r_peak - int(_P_END * fs)
    if (gain == 1 and shift == 0) or first < 2 or last - first < 3:
        return piece
    ends = x[first - 2 : first + 1].mean(), x[last - 1 : last + 2].mean()
    level = np.linspace(*ends, last - first)
    turns = 2 * np.pi * (np.arange(last - first) + 0.5) / (last - first)
    wave = (x[first:last] - level) * np.minimum(1.0, 1.0 - np.cos(turns))
    changed: _Floats = piece.copy()
    for factor, later in ((-1.0, 0), (gain, int(shift * fs))):
        at = len(piece) - (r_peak - first) + later
        low, high = max(at, 0), min(at + len(wave), len(piece))
        if high > low:
            changed[low:high] += factor * wave[low - at : high - at]
    return changed


def _waves(waves: AtrialWaves, n: int, fs: float, generator: np.random.Generator) -> _Floats:
    """Atrial waves of n samples, which fade in and out: a saw tooth of three harmonics."""
    t = np.arange(n) / fs
    wander = np.cumsum(generator.standard_normal(n)) * np.sqrt(waves.frequency / fs)
    phase = 2 * np.pi * waves.frequency * t + waves.wander * wander
    second, third = generator.uniform(0, 2 * np.pi, 2)
    tooth = np.sin(phase) + 0.4 * np.sin(2 * phase + second) + 0.2 * np.sin(3 * phase + third)
    made: _Floats = waves.size * tooth * np.minimum(1.0, np.minimum(t, t[::-1]) / _FADE)
    return made


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
            # The P wave grows, PR and QT shorten (Fridericia: by the cubic root of the interval).
            rhythm.p_gain[k] = min(1 + 0.5 * (faster - 1), 1.6)
            rhythm.p_shift[k] = min(0.02 * (faster - 1), 0.03)
            rhythm.t_scale[k] = float(np.clip(np.cbrt(made / rr[k]), 0.7, 1.2))
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
            rhythm.t_scale[k] = float(np.clip(np.cbrt(rest / usual), 0.7, 1.2))
        rhythm.taught[i:end] = True
    return rhythm


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
