"""The method `neural` where the gain falls, and in the fastest rhythms."""

from __future__ import annotations

import numpy as np
import pytest
from made_signals import QRS, P, T, found_of, made, waves
from thorough import thorough_cases
from twins import neural as twin

from ecgfast import QRSDetector, detect_qrs


def fallen(
    fs: float, rate: float, factor: float, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """40 s whose gain falls at 20 s, their R peaks, and the time of the fall."""
    signal, r = made(40, fs, rate, noise=0.006, seed=seed)
    signal[int(20 * fs) :] /= factor
    return signal, r, 20.0


@pytest.mark.parametrize("factor", [5.0, 10.0, 20.0])
@pytest.mark.parametrize("fs", [128.0, 250.0, *thorough_cases(500.0, 1000.0)])
def test_beats_come_back_within_three_seconds_of_a_fall_of_the_gain(
    fs: float, factor: float
) -> None:
    """They had been missing for up to half a minute, which looked like an asystole."""
    for seed, rate in enumerate((55.0, 75.0, 100.0)):
        signal, r, fall = fallen(fs, rate, factor, seed)
        found = detect_qrs(signal, fs, method="neural")
        late = r[(r < fall * fs) | (r > (fall + 3.0) * fs)]
        assert found_of(found, late, 0.08 * fs)[0] == len(late)
        assert found_of(found, r, 0.08 * fs)[1] == 0


@pytest.mark.parametrize("size", [0.08, 0.15, 0.25])
@pytest.mark.parametrize("p_width", [0.016, 0.022])
def test_p_waves_are_not_taken_for_beats_of_a_smaller_gain(size: float, p_width: float) -> None:
    """They are as regular and as small, but of another shape, without a T wave."""
    fs, rng = 250.0, np.random.default_rng(5)
    for rate in (60.0, 80.0, 100.0):
        p = np.arange(0.4, 34.5, 60 / rate)
        r = p[(p < 20.0) | (p > 31.0)] + 0.16
        x = waves(p, ((size, 0.0, p_width),), fs, 35.0) + waves(r, (*QRS, T), fs, 35.0)
        found = detect_qrs(x + 0.005 * rng.standard_normal(len(x)), fs, method="neural")
        assert not np.any((found > 20.5 * fs) & (found < 28.0 * fs))


@pytest.mark.parametrize("leads", [1, *thorough_cases(2)])
def test_a_fall_of_the_gain_agrees_with_the_twin_and_any_chunks(leads: int) -> None:
    fs = 250.0
    signal, _, _ = fallen(fs, 75.0, 10.0, 7)
    signal = np.column_stack([signal, -0.6 * signal])[int(10 * fs) : int(30 * fs), :leads]
    found = detect_qrs(signal, fs, method="neural")
    assert np.array_equal(found, twin.detect(signal, fs))
    for size in (1, 97):
        detector = QRSDetector(fs, n_leads=leads, method="neural")
        parts = [detector.process(signal[k : k + size]) for k in range(0, len(signal), size)]
        assert np.array_equal(np.concatenate([*parts, detector.flush()]), found)


def fast(fs: float, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A rhythm of 75 a minute, `rate` a minute from 10 s to 20 s, and 75 again."""
    rng = np.random.default_rng(seed)
    slow, late = np.arange(0.5, 9.9, 0.8), np.arange(20.8, 29.5, 0.8)
    quick = slow[-1] + 60 / rate * np.arange(1, int(10 * rate / 60))
    narrow = [(height, 0.8 * off, 0.8 * width) for height, off, width in QRS]
    beats = np.concatenate([slow, late])
    x = waves(beats, (P, *QRS, T), fs, 30.0) + waves(quick, narrow, fs, 30.0)
    r = np.round(np.sort(np.concatenate([beats, quick])) * fs).astype(int)
    return x + 0.01 * rng.standard_normal(len(x)), r


@pytest.mark.parametrize("rate", [220.0, 260.0, 280.0, 300.0])
@pytest.mark.parametrize("fs", [250.0, *thorough_cases(128.0, 500.0)])
def test_the_fastest_rhythms_are_not_halved(fs: float, rate: float) -> None:
    """Of 300 a minute every second beat had been reported, for as long as it lasted."""
    for seed in range(2):
        signal, r = fast(fs, rate, seed)
        found = detect_qrs(signal, fs, method="neural")
        settled = r[(r < 9.2 * fs) | (r > 12.0 * fs)]
        hit, _ = found_of(found, settled, 0.06 * fs)
        assert hit == len(settled)
        assert found_of(found, r, 0.06 * fs)[1] == 0


def test_the_fastest_rhythm_agrees_with_the_twin() -> None:
    signal, _ = fast(250.0, 300.0, 1)
    found = detect_qrs(signal[:4500], 250.0, method="neural")
    assert np.array_equal(found, twin.detect(signal[:4500], 250.0))
