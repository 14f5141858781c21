"""Signals that every detector has to bear, and what it reports for them."""

from __future__ import annotations

from functools import cache

import numpy as np
from shared_ecgs import synthetic_ecg

from ecgfast import QRSDetector

BAD = ["missing", "flat", "clipped", "jump", "noise", "motion", "huge", "smaller", "larger"]
"""What `spoil` does to a stretch."""

RECORDINGS = [f"mitdb/{n}" for n in (100, 102, 103, 112, 113, 117, 118, 122, 123, 230, 234)]
"""First leads with steady rhythms, for `spoil`."""


def live(signal: np.ndarray, fs: float, size: int, **options: float) -> np.ndarray:
    leads = 1 if signal.ndim == 1 else signal.shape[1]
    detector = QRSDetector(fs, n_leads=leads, **options)
    parts = [detector.process(signal[i : i + size]) for i in range(0, len(signal), size)]
    return np.concatenate([*parts, detector.flush()])


def delays(signal: np.ndarray, fs: float, **options: float) -> np.ndarray:
    """Seconds from each R peak to its report, to one sample."""
    detector, found = QRSDetector(fs, **options), []
    for i in range(len(signal)):
        found += [(i + 1 - int(r)) / fs for r in detector.process(signal[i : i + 1])]
    return np.array(found)


@cache
def spoilt(fs: float, leads: int = 1) -> np.ndarray:
    """Half a minute with everything that a real lead does."""
    columns = [
        synthetic_ecg(36, fs, wander=0.3, muscle=0.03 * (k + 1), seed=4).signal[:, 0]
        for k in range(leads)
    ]
    signal = np.stack(columns, axis=1)
    rng = np.random.default_rng(4)

    def part(begin: float, end: float) -> slice:
        return slice(int(begin * fs), int(end * fs))

    signal[part(6, 6.004), 0] = np.nan
    signal[part(8, 9.5)] = np.nan
    signal[part(14, 16), 0] = signal[int(14 * fs), 0]
    signal[part(20, 22)] += rng.normal(0, 4, signal[part(20, 22)].shape).astype(np.float32)
    signal[part(26, 27), 0] = np.clip(signal[part(26, 27), 0] * 20, -5, 5)
    signal[part(30, 36), 0] += 2
    signal[int(33 * fs), 0] = np.inf
    signal = signal[:, 0].copy() if leads == 1 else signal
    signal.flags.writeable = False
    return signal


def found_near(found: np.ndarray, reference: np.ndarray, fs: float) -> np.ndarray:
    """Which reference beats have a detection within 150 ms."""
    return np.array([np.any(np.abs(found - r) <= 0.15 * fs) for r in reference])


def no_signal(kind: str, fs: float) -> np.ndarray:
    n, rng = int(120 * fs), np.random.default_rng(3)
    t = np.arange(n) / fs
    return {
        "zero": np.zeros(n),
        "missing": np.full(n, np.nan),
        "offset": np.full(n, 3.7),
        "dither": 0.005 * (rng.random(n) < 0.01),
        "white": rng.normal(size=n),
        "walk": np.cumsum(rng.normal(size=n)),
        "flicker": np.round(0.3 * rng.normal(size=n)),
        "mains 50": np.sin(2 * np.pi * 50 * t),
        "mains 60": np.sin(2 * np.pi * 60 * t) + 0.01 * rng.normal(size=n),
        "breath": np.sin(2 * np.pi * 0.3 * t),
    }[kind]


def spoil(
    clean: np.ndarray, kind: str, fs: float, a: int, b: int, seed: int
) -> tuple[np.ndarray, int]:
    """A signal with one bad stretch, noise of ten times the QRS complex say, and where it ends."""
    signal = clean.astype(np.float64)
    size = np.ptp(signal)
    if kind == "missing":
        signal[a:b] = np.nan
    elif kind == "flat":
        signal[a:b] = signal[a]
    elif kind == "clipped":
        signal[a:b] = 4 * size
    elif kind == "noise":
        signal[a:b] += np.random.default_rng(seed).normal(0, 3 * size, b - a)
    elif kind == "motion":
        signal[a:b] += 15 * size * np.sin(2 * np.pi * 3 * np.arange(b - a) / fs)
    elif kind == "tremor":
        signal[a:b] += 4 * size * np.sin(2 * np.pi * 4 * np.arange(b - a) / fs)
    else:
        if kind == "jump":
            signal[a:] += 4 * size
        elif kind == "huge":
            signal[a : a + 2] = 1e30
        elif kind == "smaller":
            signal[a:] /= 10
        elif kind == "larger":
            signal[a:] *= 10
        b = a
    return signal, b


def bad_stretch(
    kind: str, fs: float, rate: float, seed: int, length: float
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """A minute with one bad stretch, the beats in it, and where the stretch begins and ends."""
    record = synthetic_ecg(60, fs, heart_rate=rate, muscle=0.02, seed=seed)
    begin = int(20.4 * fs)
    signal, end = spoil(record.signal[:, 0], kind, fs, begin, begin + int(length * fs), seed)
    assert record.annotations is not None
    return signal, record.annotations.sample, (begin, end)


def noisy_start(clean: np.ndarray, fs: float, seconds: float) -> np.ndarray:
    """Noise of ten times the QRS complex before anything of the patient has been seen."""
    signal, n = clean.astype(np.float64), int(seconds * fs)
    signal[:n] += np.random.default_rng(5).normal(0, 3 * np.ptp(clean), n)
    return signal


def assert_beats_are_back(
    found: np.ndarray, reference: np.ndarray, stretch: tuple[int, int], fs: float
) -> None:
    """Before a bad stretch and from two seconds after it: every beat, and no other."""
    begin, end = stretch
    good = reference[(reference < begin - 0.2 * fs) | (reference > end + 2 * fs)]
    assert np.all(found_near(found, good, fs)[:-1])
    clean = (found > end + 2 * fs) | (found < begin - 0.2 * fs)
    assert np.all(found_near(reference, found[clean], fs))
