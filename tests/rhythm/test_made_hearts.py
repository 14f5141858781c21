"""What is said of hearts that beat slowly, stand still under a pacemaker, or lack some samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from made_signals import QRS, P, T, made, waves
from thorough import thorough_cases

from ecgfast import Event, StreamingClassifier, events
from ecgfast.rhythm import EventKind, RhythmStream
from ecgfast.runtime import Classifier

Method = Literal["neural", "adaptive"]


def block(fs: float, rate: float, p_rate: float, *, wide: bool, seed: int) -> np.ndarray:
    """A third-degree block: 90 s of P waves of their own rhythm beside an escape rhythm."""
    rng = np.random.default_rng(seed)
    p, beats = np.arange(0.2, 89.5, 60 / p_rate), np.arange(0.6, 89.0, 60 / rate)
    shape = ((1.2, 0.0, 0.036), (-0.4, 0.07, 0.036), (-0.4, 0.34, 0.07)) if wide else (*QRS, T)
    x = waves(p, (P,), fs, 90.0) + waves(beats, shape, fs, 90.0)
    return x + 0.01 * rng.standard_normal(len(x))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("rate", "p_rate"), [(25.0, 104.0), (36.0, 93.0)])
@pytest.mark.parametrize("fs", [128.0, 250.0, *thorough_cases(1000.0)])
def test_the_slow_rate_of_a_block_is_said(
    fs: float, rate: float, p_rate: float, wide: bool
) -> None:
    """Each beat is doubtful, as a P wave before it might have been one: it had been noise."""
    signal = block(fs, rate, p_rate, wide=wide, seed=int(rate))
    found = list(events(signal, fs))
    (slow,) = [one for one in found if one.kind == EventKind.EXTREME_BRADYCARDIA]
    assert slow.start_time < 15.0
    assert slow.end_time > 85.0
    assert slow.rate == pytest.approx(rate, abs=1.0)
    assert not [one for one in found if one.kind in (EventKind.NOISE, EventKind.ASYSTOLE)]


def without_capture(fs: float, spike: float, seed: int) -> tuple[np.ndarray, float, float]:
    """Spikes of 2 ms 60 ms before wide beats, of which those from 40 to 52 s are missing."""
    rng = np.random.default_rng(seed)
    at = np.arange(0.8, 79.5, 1.0)
    beats = at[(at < 40.0) | (at > 52.0)]
    shape = ((1.1, 0.0, 0.03), (-0.4, 0.055, 0.03), (-0.4, 0.3, 0.06))
    x = waves(beats, shape, fs, 80.0)
    for one in at:
        first = round((one - 0.06) * fs)
        x[first : first + max(1, round(0.002 * fs))] += spike
    x += 0.008 * rng.standard_normal(len(x))
    return x, float(beats[beats < 40.0][-1]), float(beats[beats > 52.0][0])


@pytest.mark.parametrize("method", ["neural", *thorough_cases("adaptive")])
@pytest.mark.parametrize("spike", [1.0, 12.0, *thorough_cases(-5.0)])
@pytest.mark.parametrize("fs", [250.0, 500.0, *thorough_cases(1000.0)])
def test_a_heart_that_no_longer_follows_its_pacemaker_stands_still(
    fs: float, spike: float, method: Method
) -> None:
    """The spikes go on, as steep as complexes: there had been noise, or nothing."""
    signal, last, first = without_capture(fs, spike, 1)
    found = list(events(signal, fs, method=method))
    (stop,) = [one for one in found if one.kind == EventKind.ASYSTOLE]
    assert stop.start_time == pytest.approx(last, abs=0.3)
    assert stop.end_time == pytest.approx(first, abs=1.5)
    assert not [one for one in found if one.kind == EventKind.NOISE]


def test_such_an_asystole_is_said_while_it_lasts() -> None:
    fs = 250.0
    signal, last, _ = without_capture(fs, 5.0, 2)
    labeller, rhythm = StreamingClassifier(Classifier("beats"), fs), RhythmStream(fs)
    said: list[float] = []
    for i in range(0, len(signal), 25):
        chunk = signal[i : i + 25]
        rhythm.process(labeller.process(chunk), chunk)
        if rhythm.suspected_asystole is not None:
            said.append((i + 25) / fs)
    assert said[0] < last + 4.5


@pytest.mark.parametrize("fs", [250.0, 500.0])
@pytest.mark.parametrize("kind", ["every other", "random"])
def test_single_missing_samples_are_no_gap_and_hide_no_event(fs: float, kind: str) -> None:
    signal, _ = made(70, fs, 130.0, seed=3)
    signal = np.concatenate([signal, 0.01 * np.random.default_rng(1).standard_normal(int(9 * fs))])
    whole = [(one.kind, one.start_time, one.end_time) for one in events(signal, fs)]
    missing = np.arange(len(signal)) % 2 == 1
    if kind == "random":
        missing = np.random.default_rng(2).random(len(signal)) < 0.1
        missing[0] = False
    signal[missing] = np.nan
    found = list(events(signal, fs))
    assert kinds_of(found) == {kind for kind, _, _ in whole} >= {"asystole", "tachycardia"}
    for one in found:
        assert any(
            one.kind == kind
            and one.start_time == pytest.approx(start, abs=3.0)
            and one.end_time == pytest.approx(end, abs=3.0)
            for kind, start, end in whole
        )


@pytest.mark.parametrize("rate", [250.0, *thorough_cases(220.0, 235.0)])
@pytest.mark.parametrize("fs", [250.0, *thorough_cases(128.0, 360.0)])
def test_there_is_no_noise_after_a_fast_ventricular_tachycardia(fs: float, rate: float) -> None:
    """The waves in the seconds before were as steep as noise; the beats that follow are clean."""
    wide = ((-0.16, -0.065, 0.02), (1.7, 0.0, 0.03), (-0.42, 0.075, 0.03), (-0.46, 0.3, 0.07))
    fast = np.arange(29.8, 45.0, 60.0 / rate)
    slow = np.concatenate([np.arange(0.5, 29.5, 0.8), np.arange(45.4, 79.0, 0.8)])
    x = waves(slow, (P, *QRS, T), fs, 80.0) + waves(fast, wide, fs, 80.0)
    x += 0.008 * np.random.default_rng(1).standard_normal(len(x))
    found = list(events(x, fs))
    assert kinds_of(found) & {"ventricular_flutter", "ventricular_run"}
    assert "noise" not in kinds_of(found)


@pytest.mark.parametrize("kind", ["open", "hum"])
def test_a_lead_that_shows_nothing_hides_no_rhythm_of_the_other(kind: str) -> None:
    """All of the recording had been noise, and a report took no rate."""
    fs, rng = 250.0, np.random.default_rng(4)
    beats = np.concatenate([np.arange(0.5, 40.0, 0.8), np.arange(44.0, 90.0, 0.45)])
    shown = waves(beats, (P, *QRS, T), fs, 90.0)
    other = np.sin(2 * np.pi * 50 * np.arange(len(shown)) / fs) if kind == "hum" else 0.0 * shown
    signal = np.stack([other, shown], axis=1)
    signal += 0.002 * rng.standard_normal(signal.shape)
    kinds = kinds_of(list(events(signal, fs)))
    assert kinds >= {"asystole", "tachycardia"}
    assert "noise" not in kinds


def kinds_of(found: list[Event]) -> set[str]:
    return {str(one.kind) for one in found}
