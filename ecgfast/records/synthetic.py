"""Synthetic ECG by McSharry's dynamical model, with premature beats and noise.

For demonstrations and tests. No figure of accuracy is ever taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .record import Annotations, Record, check_fs

__all__ = ["demo_record", "synthetic_ecg"]

Float64Array = npt.NDArray[np.float64]
Kind = Literal["N", "V", "A"]

# Mayer waves and breathing in the RR tachogram (paper, section II): Hz, with this spread.
_F_LOW, _F_HIGH, _F_SPREAD = 0.1, 0.25, 0.01

# The equations are integrated at least this fast, in Hz, and then thinned to fs.
_RATE = 1000.0

# Five standard deviations of an event hold all of it.
_REACH = 5.0


@dataclass(frozen=True)
class _Shape:
    """The five events P, Q, R, S, T of one kind of beat.

    `at` and `width` are seconds from the R peak in a cycle of 1 s; P and T shift and T widens with
    the root of the cycle (Bazett). `height` gives mV for each lead.
    """

    at: tuple[float, float, float, float, float]
    width: tuple[float, float, float, float, float]
    height: dict[str, tuple[float, float, float, float, float]]


_SHAPES: dict[Kind, _Shape] = {
    "N": _Shape(
        (-0.170, -0.030, 0.0, 0.030, 0.295),
        (0.024, 0.008, 0.0115, 0.010, 0.052),
        {
            "MLII": (0.14, -0.10, 1.10, -0.20, 0.28),
            "V1": (0.06, 0.22, -0.95, -0.12, 0.14),
            "V5": (0.10, -0.14, 1.30, -0.30, 0.34),
        },
    ),
    # No P wave, a wide and tall complex, a T wave against it.
    "V": _Shape(
        (-0.170, -0.065, 0.0, 0.075, 0.300),
        (0.024, 0.020, 0.029, 0.030, 0.080),
        {
            "MLII": (0.0, -0.16, 1.80, -0.42, -0.46),
            "V1": (0.0, 0.20, -1.45, 0.25, 0.38),
            "V5": (0.0, -0.10, 1.45, -0.55, -0.42),
        },
    ),
    # Early, from another place in the atria: another P wave, the ordinary complex.
    "A": _Shape(
        (-0.135, -0.030, 0.0, 0.030, 0.285),
        (0.020, 0.008, 0.0115, 0.010, 0.050),
        {
            "MLII": (-0.09, -0.10, 1.04, -0.20, 0.26),
            "V1": (0.09, 0.22, -0.90, -0.12, 0.13),
            "V5": (-0.07, -0.14, 1.23, -0.30, 0.31),
        },
    ),
}


class _Beats(NamedTuple):
    """Kinds and R times (s) of all beats, from before the start until after the end."""

    kinds: list[Kind]
    peaks: Float64Array


@dataclass(frozen=True)
class _Rhythm:
    """When beats come, and of which kind; the fields are described at `synthetic_ecg`."""

    rate: float
    rate_std: float
    lf_hf: float
    ventricular: float
    atrial: float

    def __post_init__(self) -> None:
        if not 30.0 <= self.rate <= 200.0:
            raise InputError(f"heart_rate is {self.rate} a minute: give 30 to 200")
        if not 0.0 <= self.rate_std <= 0.2 * self.rate:
            raise InputError(f"heart_rate_std is {self.rate_std}: give 0 to a fifth of heart_rate")
        if not 0.0 <= self.lf_hf < np.inf:
            raise InputError(f"lf_hf is {self.lf_hf}: give a ratio of 0 or more")
        if not (min(self.ventricular, self.atrial) >= 0 and self.ventricular + self.atrial <= 0.5):
            raise InputError(
                f"ventricular is {self.ventricular} and supraventricular {self.atrial}: "
                "give chances that add up to at most 0.5"
            )

    def beats(self, rng: np.random.Generator, duration: float) -> _Beats:
        """Draw the beats of `duration` seconds."""
        mean = 60.0 / self.rate
        wave = _tachogram(rng, duration + 4 * mean, self.lf_hf)
        sway = mean * (self.rate_std / self.rate) * wave
        kinds: list[Kind] = ["N"]
        peaks = [-mean * (0.2 + 0.6 * rng.random())]
        before: float = mean
        while peaks[-1] < duration + mean:
            rr = mean + float(np.interp(peaks[-1] + mean, np.arange(len(sway)) / 4, sway))
            draw, spread = rng.random(2)
            kind: Kind = "N"
            if draw < self.ventricular and kinds[-1] != "A":
                kind, step = "V", rr * (0.56 + 0.12 * spread)
            elif draw < self.ventricular + self.atrial and kinds[-1] == "N":
                kind, step = "A", rr * (0.64 + 0.12 * spread)
            elif kinds[-1] == "V":
                # The sinus node kept its time: the two intervals add up to two of its own.
                step = max(2 * rr - before, rr)
            elif kinds[-1] == "A":
                step = rr * (1.06 + 0.1 * spread)
            else:
                step = rr
            kinds.append(kind)
            peaks.append(peaks[-1] + step)
            before = step
        return _Beats(kinds, np.array(peaks))


def synthetic_ecg(
    duration: float = 60.0,
    fs: float = 360.0,
    *,
    heart_rate: float = 70.0,
    heart_rate_std: float = 2.0,
    lf_hf: float = 0.5,
    ventricular: float = 0.0,
    supraventricular: float = 0.0,
    wander: float = 0.0,
    muscle: float = 0.0,
    mains: float = 0.0,
    mains_hz: float = 50.0,
    leads: Sequence[str] = ("MLII", "V1"),
    seed: int = 0,
) -> Record:
    """Make an ECG whose beats are known.

    The trajectory of McSharry's three equations starts on their limit cycle, the unit circle, and
    so stays there: x and y are cosine and sine of a phase that turns once from R peak to R peak.
    An event at angle theta of width b then pushes z at theta / omega from the R peak, for
    b / omega. The shapes are given in these times, so that a complex is as wide at any rate, and
    omega drops out. The third equation, which draws the ECG, is linear in z and is integrated by
    the exponential trapezoidal rule. Premature beats come by a short RR interval and other event
    parameters in that cycle, and are followed by a pause: a full compensatory one after V, a
    slight one after A.

    Parameters
    ----------
    duration : float
        Length in seconds, at least 2.
    fs : float
        Sampling rate in Hz, 99.5 to 2010.
    heart_rate, heart_rate_std : float
        Mean and standard deviation of the sinus rate in beats a minute; mean 30 to 200.
    lf_hf : float
        Power of the tachogram at 0.1 Hz (Mayer waves) over that at 0.25 Hz (breathing).
    ventricular, supraventricular : float
        Chance that a beat is premature, of ventricular or of atrial origin; at most 0.5 together.
    wander : float
        Baseline wander with the breath, in mV; it enters as the model's z0.
    muscle : float
        Root mean square of the muscle noise in mV; it swells and ebbs.
    mains : float
        Amplitude of the mains hum in mV.
    mains_hz : float
        Frequency of the mains in Hz.
    leads : sequence of str
        Which of MLII, V1 and V5 to make.
    seed : int
        The same seed gives the same recording.

    Returns
    -------
    Record
        With the true beats as annotations: ``N``, ``V`` and ``A`` at the sample where the first
        lead, before noise, is farthest out.

    Raises
    ------
    InputError
        If a parameter is out of its range.

    References
    ----------
    McSharry PE, Clifford GD, Tarassenko L, Smith LA. A dynamical model for generating synthetic
    electrocardiogram signals. IEEE Trans Biomed Eng 50(3):289-294, 2003.

    Examples
    --------
    >>> record = synthetic_ecg(10.0, 250.0, heart_rate=60.0, leads=("MLII",))
    >>> record.signal.shape, record.annotations.symbol[:3].tolist()
    ((2500, 1), ['N', 'N', 'N'])
    """
    fs = check_fs(fs)
    shown = tuple(leads)
    if not 2.0 <= duration < np.inf:
        raise InputError(f"duration is {duration} s: give at least 2 s")
    rhythm = _Rhythm(heart_rate, heart_rate_std, lf_hf, ventricular, supraventricular)
    _check_noise(wander, muscle, mains, shown)
    rng = np.random.default_rng(seed)
    n = round(duration * fs)

    beats = rhythm.beats(rng, duration)
    fine = int(np.ceil(_RATE / fs))
    time = np.arange(n * fine) / (fs * fine)
    breath = 2 * np.pi * (_F_HIGH * time + rng.random())
    drift = _slow_noise(rng, time, 0.05)
    forces = _event_forces(rng, time, beats, shown, breath)

    clean = np.empty((n, len(shown)))
    noisy = np.empty_like(clean)
    for i in range(len(shown)):
        z0 = wander * (1.0 - 0.3 * i) * (np.sin(breath + 0.4 * i) + 0.5 * drift)
        clean[:, i] = _relax(forces[i], 1 / (fs * fine))[::fine]
        noisy[:, i] = clean[:, i] + _relax(z0, 1 / (fs * fine))[::fine]
    thin = time[::fine]
    for i in range(len(shown)):
        swell = np.exp(0.5 * _slow_noise(rng, thin, 0.3))
        grain = np.diff(rng.normal(size=n + 1))
        noisy[:, i] += muscle * swell * grain / np.sqrt(2 * np.mean(swell**2))
    hum = np.sin(2 * np.pi * mains_hz * thin)
    noisy += mains * hum[:, np.newaxis] * (1.0 - 0.3 * np.arange(len(shown)))

    return Record(
        noisy.astype(np.float32),
        fs,
        shown,
        annotations=_truth(clean[:, 0], fs, beats),
        name="synthetic",
        comments=("Synthetic ECG, made by McSharry's dynamical model (2003); no patient.",),
    )


def demo_record() -> Record:
    """Return the built-in recording of ``ecgfast demo``: a minute, two leads, 360 Hz.

    Returns
    -------
    Record
        Made by `synthetic_ecg` with ventricular and atrial premature beats and some noise, the
        same each time; its name and comment say that it is synthetic.

    Examples
    --------
    >>> demo_record()
    Record('demo (synthetic)', 60.0 s at 360 Hz, leads MLII, V1 in mV, 73 annotations)
    """
    made = synthetic_ecg(
        60.0,
        360.0,
        heart_rate=72.0,
        heart_rate_std=2.5,
        ventricular=0.09,
        supraventricular=0.07,
        wander=0.12,
        muscle=0.012,
        mains=0.004,
        seed=_DEMO_SEED,
    )
    return Record(
        made.signal,
        made.fs,
        made.leads,
        annotations=made.annotations,
        name="demo (synthetic)",
        comments=made.comments,
    )


# Picked for a strip that shows both kinds of premature beats, and one pair of ventricular ones.
_DEMO_SEED = 37


def _check_noise(wander: float, muscle: float, mains: float, leads: tuple[str, ...]) -> None:
    """Refuse noise that is no amplitude, and leads that have no shape."""
    for name, level in (("wander", wander), ("muscle", muscle), ("mains", mains)):
        if not 0.0 <= level < np.inf:
            raise InputError(f"{name} is {level} mV: give an amplitude of 0 or more")
    known = _SHAPES["N"].height
    unknown = [lead for lead in leads if lead not in known]
    if unknown or not leads:
        raise InputError(f"no shape for leads {unknown}: choose some of {', '.join(known)}")


def _tachogram(rng: np.random.Generator, seconds: float, lf_hf: float) -> Float64Array:
    """Return a series at 4 Hz with the tachogram's spectrum, of zero mean and unit deviation."""
    n = 1 << int(np.ceil(np.log2(4 * seconds + 64)))
    f = np.fft.rfftfreq(n, 0.25)
    low = lf_hf * np.exp(-0.5 * ((f - _F_LOW) / _F_SPREAD) ** 2)
    high = np.exp(-0.5 * ((f - _F_HIGH) / _F_SPREAD) ** 2)
    phases = np.exp(2j * np.pi * rng.random(len(f)))
    series = np.fft.irfft(np.sqrt(low + high) * phases, n)
    unit: Float64Array = (series - series.mean()) / series.std()
    return unit


def _event_forces(
    rng: np.random.Generator,
    time: Float64Array,
    beats: _Beats,
    leads: tuple[str, ...],
    breath: Float64Array,
) -> Float64Array:
    """Return what the events do to dz/dt, in mV/s, of shape (leads, len(time))."""
    forces = np.zeros((len(leads), len(time)))
    kinds, peaks = beats
    cycles = np.diff(peaks, prepend=2 * peaks[0] - peaks[1])
    rate = 1 / (time[1] - time[0])
    for kind, peak, cycle in zip(kinds, peaks, cycles, strict=True):
        shape = _SHAPES[kind]
        stretch = float(np.sqrt(np.clip(cycle, 0.45, 1.4)))
        varied = 1 + (0.06 if kind == "V" else 0.02) * rng.normal(size=5)
        for event in range(5):
            # The complex keeps its timing at any rate, P and T do not.
            at = shape.at[event] * (1.0 if 0 < event < 4 else stretch)
            width = shape.width[event] * (stretch if event == 4 else 1.0)
            first = max(0, int(np.ceil((peak + at - _REACH * width) * rate)))
            last = min(len(time), int((peak + at + _REACH * width) * rate))
            if first >= last:
                continue
            away = time[first:last] - (peak + at)
            # Divided by the width squared, the push raises z to the table's height in mV.
            push = -(away / width**2) * np.exp(-0.5 * (away / width) ** 2)
            push *= varied[event] * (1 + 0.04 * np.sin(breath[first:last]))
            for i, lead in enumerate(leads):
                forces[i, first:last] += shape.height[lead][event] * push
    return forces


def _relax(drive: Float64Array, step: float) -> Float64Array:
    """Integrate dz/dt = drive - z from z = 0, by the exponential trapezoidal rule."""
    decay = np.exp(-step)
    inputs = 0.5 * step * drive
    inputs[1:] += decay * inputs[:-1].copy()
    # A weighted running sum, in stretches of 20 s so that the weights stay far from overflow.
    length = max(1, int(20 / step))
    out = np.empty_like(inputs)
    last = 0.0
    for begin in range(0, len(inputs), length):
        part = inputs[begin : begin + length]
        weights = decay ** np.arange(1, len(part) + 1)
        out[begin : begin + length] = weights * (last + np.cumsum(part / weights))
        last = float(out[begin + len(part) - 1])
    return out


def _slow_noise(rng: np.random.Generator, time: Float64Array, hertz: float) -> Float64Array:
    """Return a random curve that wanders at about `hertz`, of about unit deviation."""
    knots = int(time[-1] * hertz * 2) + 4
    values = rng.normal(size=knots)
    at = np.arange(knots) / (2 * hertz)
    # Raised-cosine steps between the knots: smooth, and no overshoot.
    left = np.clip((time * 2 * hertz).astype(np.int64), 0, knots - 2)
    blend = 0.5 - 0.5 * np.cos(np.pi * (time - at[left]) * 2 * hertz)
    curve: Float64Array = values[left] * (1 - blend) + values[left + 1] * blend
    return curve


def _truth(clean: Float64Array, fs: float, beats: _Beats) -> Annotations:
    """Return the true beats, each at the extremum of the clean lead near its R time."""
    reach = max(1, round(0.05 * fs))
    samples, symbols = [], []
    for kind, peak in zip(beats.kinds, beats.peaks, strict=True):
        middle = round(float(peak) * fs)
        if not reach <= middle < len(clean) - reach:
            continue
        part = clean[middle - reach : middle + reach + 1]
        samples.append(middle - reach + int(np.argmax(np.abs(part))))
        symbols.append(kind)
    return Annotations(np.array(samples, np.int64), np.array(symbols, np.str_))
