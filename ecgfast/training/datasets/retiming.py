"""Recordings put together again at other RR intervals.

A recording is cut between its R peaks. QRS complexes and T waves stay the patient's own; P waves
can be changed or moved, and atrial waves added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import InputError

__all__ = ["AtrialWaves", "Rhythm", "retime"]

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
