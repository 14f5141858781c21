"""Minimum and maximum of arterial pressure in a window, and whether an artefact made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...extras import need

__all__ = [
    "REASONS",
    "RULES",
    "Floats",
    "PressureRules",
    "Pulses",
    "find_pulses",
    "label_window",
    "low_passed",
]


Floats = npt.NDArray[np.float64]

# Hz; what pressure holds above it is noise, and its slope is measured below it.
_LOW_PASS = 16.0

# s over which rises are summed (Zong et al. 2003), and between two upstrokes at least.
_RISE = 0.128
_APART = 0.25

# Share of the window's usual rise from which a rise is a pulse.
_PULSE = 0.35

# s before the steepest point of an upstroke within which it begins, and after it within which the
# maximum comes.
_ONSET = 0.3
_PEAK = 0.5

# s after an upstroke within which a rise of less than this share of it, and not above its maximum,
# is its dicrotic wave. One that goes above is a balloon pump's: it stays, and the rates disagree.
_DICROTIC = 0.45
_DICROTIC_RISE = 0.6


class PressureRules(NamedTuple):
    """What a window of ECG and arterial pressure is rejected for."""

    ecg_limit: float = 8.0
    """mV; an ECG that reaches further from its median is no ECG."""
    ecg_spread: float = 0.02
    """mV; an ECG whose standard deviation over any second is below a tenth of it, or over the
    window below it, is flat."""
    lowest: float = 15.0
    """mmHg; pressure below is an artefact."""
    highest: float = 250.0
    """mmHg; pressure above is an artefact."""
    beats: int = 5
    """Whole pulses that a window needs."""
    gap: float = 2.2
    """Median intervals that two pulses may lie apart: beyond, a flush or a lost signal."""
    rate: float = 0.15
    """Share by which the rates of ECG and pressure may differ."""
    maximum_off: float = 25.0
    """mmHg off the window's median from which a pulse's maximum is an outlier."""
    minimum_off: float = 15.0
    """mmHg off the window's median from which a pulse's minimum is an outlier."""
    outliers: float = 0.15
    """Share of pulses that may be outliers."""
    onset_jump: float = 30.0
    """mmHg by which the minima of neighbouring pulses may differ."""
    pulse_pressure: float = 20.0
    """mmHg; a median pulse pressure below it is damped."""
    slope: float = 180.0
    """mmHg/s; a median upstroke below it is damped."""
    fall: float = -1500.0
    """mmHg/s; pressure never falls faster: it was touched or flushed."""
    residue: float = 6.0
    """mmHg; root mean square of what lies above the pulse's frequencies in any second."""


RULES = PressureRules()
"""The rules that the published data set is made with."""

#: Reasons for rejecting a window, in the order in which they are looked at.
REASONS: dict[str, str] = {
    "ecg": "ECG missing, over {ecg_limit:g} mV or flat (below {ecg_spread:g} mV)",
    "range": "pressure missing or outside {lowest:g}..{highest:g} mmHg",
    "few beats": "fewer than {beats} whole pulses",
    "gap": "pulses over {gap:g} median intervals apart (flush)",
    "rate": "rates of ECG and pressure differ by over {rate:.0%}",
    "outliers": "over {outliers:.0%} of pulses off the median by over {maximum_off:g} (maximum) or "
    "{minimum_off:g} (minimum) mmHg",
    "onset jump": "minima of neighbouring pulses differ by over {onset_jump:g} mmHg",
    "damped": "pulse pressure under {pulse_pressure:g} mmHg or upstroke under {slope:g} mmHg/s",
    "noise": "a fall beyond {fall:g} mmHg/s or high-frequency residue over {residue:g} mmHg",
}


@dataclass(frozen=True, eq=False)
class Pulses:
    """Pulses of a stretch of arterial pressure.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        Steepest point of each upstroke.
    minimum, maximum : ndarray of float64, shape (n,)
        Pressure before and after the upstroke, mmHg: diastolic and systolic.
    slope : ndarray of float64, shape (n,)
        Steepest rise, mmHg/s.
    """

    sample: npt.NDArray[np.int64]
    minimum: Floats
    maximum: Floats
    slope: Floats

    def __len__(self) -> int:
        return len(self.sample)


def low_passed(pressure: npt.ArrayLike, fs: float) -> Floats:
    """Pressure without what lies above the frequencies of a pulse, without delay.

    Parameters
    ----------
    pressure : array_like, shape (n,)
        Finite, mmHg.
    fs : float
        Hz.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    signal = need("scipy.signal", "Arterial pressure", "train")
    values = np.asarray(pressure, np.float64)
    smooth: Floats = signal.sosfiltfilt(signal.butter(2, _LOW_PASS, fs=fs, output="sos"), values)
    return smooth


def find_pulses(smooth: npt.ArrayLike, fs: float) -> Pulses:
    """Find the whole pulses of a stretch of arterial pressure.

    A pulse is a stretch of 128 ms over which pressure rises (the slope sum of Zong, Heldt, Moody
    and Mark, Computers in Cardiology 30, 2003) by at least a third of what is usual here. Its
    minimum is that before the upstroke, its maximum that after it.

    Parameters
    ----------
    smooth : array_like, shape (n,)
        Finite, mmHg, from `low_passed`.
    fs : float
        Hz.

    Returns
    -------
    Pulses
        Of those whose upstroke and maximum lie inside the stretch.
    """
    signal = need("scipy.signal", "Arterial pressure", "train")
    values = np.asarray(smooth, np.float64)
    nothing = np.zeros(0)
    rise = np.maximum(np.diff(values, prepend=values[:1]), 0.0)
    length = max(1, round(_RISE * fs))
    summed = np.convolve(rise, np.ones(length), mode="same")
    # Over all pulses and not the largest: one artefact must not hide the pulses beside it.
    peaks, _ = signal.find_peaks(summed, distance=max(1, round(_APART * fs)))
    if not len(peaks):
        return Pulses(np.zeros(0, np.int64), nothing, nothing, nothing)
    seconds = max(1.0, len(values) / fs)
    usual = np.median(np.sort(summed[peaks])[::-1][: max(1, round(seconds))])
    peaks = peaks[summed[peaks] >= _PULSE * usual]
    slope = np.gradient(values) * fs
    half, before, after = length // 2, round(_ONSET * fs), round(_PEAK * fs)
    peaks = _without_dicrotic(values, peaks, summed, fs)
    samples, rows = [], []
    for i, peak in enumerate(peaks):
        first = max(0, peak - half)
        steepest = first + int(np.argmax(slope[first : peak + half + 1]))
        last = peaks[i + 1] - half if i + 1 < len(peaks) else len(values)
        if steepest - before < 0 or steepest + after > len(values) or last <= steepest:
            continue
        top = values[steepest : min(steepest + after, last)].max()
        samples.append(steepest)
        rows.append((values[steepest - before : steepest + 1].min(), top, slope[steepest]))
    minimum, maximum, steep = np.array(rows, np.float64).reshape(-1, 3).T
    return Pulses(np.array(samples, np.int64), minimum, maximum, steep)


def _without_dicrotic(
    values: Floats, peaks: npt.NDArray[np.int64], summed: Floats, fs: float
) -> npt.NDArray[np.int64]:
    kept: list[int] = []
    for peak in peaks.tolist():
        if kept and peak - kept[-1] <= _DICROTIC * fs:
            small = summed[peak] < _DICROTIC_RISE * summed[kept[-1]]
            after = values[peak : peak + round(_APART * fs)].max()
            if small and after <= values[kept[-1] : peak].max():
                continue
        kept.append(peak)
    return np.array(kept, np.int64)


def label_window(
    ecg: npt.ArrayLike,
    pressure: npt.ArrayLike,
    r_peaks: npt.ArrayLike,
    fs: float,
    rules: PressureRules = RULES,
) -> tuple[tuple[float, float], list[str]]:
    """Minimum and maximum pressure of a window, and what speaks against them.

    Parameters
    ----------
    ecg : array_like, shape (n,)
        mV.
    pressure : array_like, shape (n,)
        Arterial pressure at the same times, mmHg.
    r_peaks : array_like of int, shape (k,)
        R peaks inside the window, as samples of it.
    fs : float
        Hz.
    rules : PressureRules

    Returns
    -------
    (minimum, maximum) : tuple of float
        Medians over the window's pulses, mmHg; NaN where there are none.
    reasons : list of str
        Keys of `REASONS` that hold; empty for a window to keep.

    Raises
    ------
    InputError
        If ECG and pressure differ in length.
    """
    lead, arterial = np.asarray(ecg, np.float64), np.asarray(pressure, np.float64)
    if lead.shape != arterial.shape or lead.ndim != 1:
        raise InputError(f"ECG of shape {lead.shape} beside pressure of shape {arterial.shape}")
    reasons = [] if _is_ecg(lead, fs, rules) else ["ecg"]
    if not np.all((arterial >= rules.lowest) & (arterial <= rules.highest)):
        # Without pressure nothing more can be said.
        return (np.nan, np.nan), [*reasons, "range"]
    smooth = low_passed(arterial, fs)
    pulses = find_pulses(smooth, fs)
    if len(pulses) < rules.beats:
        return (np.nan, np.nan), [*reasons, "few beats"]
    intervals = np.diff(pulses.sample) / fs
    usual = float(np.median(intervals))
    # From edge to edge of where pulses can be whole: a lost signal may be at the window's ends.
    edges = np.array([_ONSET, len(arterial) / fs - _PEAK])
    if (
        np.diff(np.concatenate((edges[:1], pulses.sample / fs, edges[1:]))).max()
        > rules.gap * usual
    ):
        reasons.append("gap")
    if not _same_rate(np.asarray(r_peaks, np.float64) / fs, pulses.sample / fs, rules.rate):
        reasons.append("rate")
    minimum, maximum = float(np.median(pulses.minimum)), float(np.median(pulses.maximum))
    off = (np.abs(pulses.maximum - maximum) > rules.maximum_off) | (
        np.abs(pulses.minimum - minimum) > rules.minimum_off
    )
    if off.mean() > rules.outliers:
        reasons.append("outliers")
    if np.abs(np.diff(pulses.minimum)).max() > rules.onset_jump:
        reasons.append("onset jump")
    height = np.median(pulses.maximum - pulses.minimum)
    if height < rules.pulse_pressure or np.median(pulses.slope) < rules.slope:
        reasons.append("damped")
    second = max(1, round(fs))
    residue = np.convolve((arterial - smooth) ** 2, np.ones(second) / second, mode="valid")
    if (np.gradient(smooth) * fs).min() < rules.fall or residue.max() > rules.residue**2:
        reasons.append("noise")
    return (minimum, maximum), reasons


def _is_ecg(lead: Floats, fs: float, rules: PressureRules) -> bool:
    if not np.isfinite(lead).all() or np.abs(lead - np.median(lead)).max() > rules.ecg_limit:
        return False
    second = max(1, round(fs))
    whole = lead[: len(lead) // second * second].reshape(-1, second)
    spread = whole.std(axis=1) if len(whole) else lead.std()
    return bool(lead.std() >= rules.ecg_spread and np.min(spread) >= rules.ecg_spread / 10)


def _same_rate(r_peaks: Floats, upstrokes: Floats, share: float) -> bool:
    """Whether beats a minute agree; rates are those between the first and the last beat."""
    if len(r_peaks) < 2:
        return False
    electrical = (len(r_peaks) - 1) / (r_peaks[-1] - r_peaks[0])
    mechanical = (len(upstrokes) - 1) / (upstrokes[-1] - upstrokes[0])
    return bool(abs(electrical / mechanical - 1.0) <= share)
