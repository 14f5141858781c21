"""Ventricular fibrillation is found in the signal, whether or not its waves are detected."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from shared_ecgs import synthetic_ecg

from ecgfast import (
    Classifier,
    Event,
    RhythmStream,
    StreamingClassifier,
    events,
    read_record,
)
from ecgfast.evaluation import flutter_intervals

Method = Literal["neural", "adaptive", "pan-tompkins"]
Floats = npt.NDArray[np.float32]

FS = 250.0
#: Seconds of normal rhythm before, of waves, and of normal rhythm after.
BEFORE, WAVES, AFTER = 40.0, 20.0, 20.0
METHODS: tuple[Method, ...] = ("neural", "adaptive", "pan-tompkins")


def fibrillation(mean_hz: float, height: float, seed: int) -> Floats:
    """Waves whose rate and height wander, as those of ventricular fibrillation do."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(WAVES * FS)) / FS
    knots = np.arange(0.0, WAVES + 1.0, 0.5)
    hz = mean_hz + 0.5 * np.interp(t, knots, rng.normal(0.0, 1.0, len(knots)))
    size = np.interp(t, knots, rng.uniform(0.5, 1.0, len(knots)))
    phase = np.cumsum(2 * np.pi * hz / FS)
    return (0.5 * height * size * (np.sin(phase) + 0.3 * np.sin(2 * phase + 1))).astype("f4")


def with_waves(waves: Floats, *, heart_rate: float = 70.0) -> Floats:
    """One lead: a normal rhythm, the waves in place of it, and a normal rhythm again."""
    normal = synthetic_ecg(BEFORE + AFTER, FS, heart_rate=heart_rate, seed=4).lead(0)
    cut = int(BEFORE * FS)
    return np.concatenate([normal[:cut], waves, normal[cut:]]).astype("f4")


def of(found: list[Event], kind: str) -> list[Event]:
    return [one for one in found if one.kind == kind]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hz", [3.5, 5.0, 6.5])
@pytest.mark.parametrize("height", [0.6, 2.0])
def test_made_fibrillation(method: Method, hz: float, height: float) -> None:
    found = list(events(with_waves(fibrillation(hz, height, seed=int(hz))), FS, method=method))
    flutter = of(found, "ventricular_flutter")
    assert sum(one.duration for one in flutter) > 0.8 * WAVES
    assert min(one.start_time for one in flutter) == pytest.approx(BEFORE, abs=2.0)
    assert max(one.end_time for one in flutter) == pytest.approx(BEFORE + WAVES, abs=2.0)
    assert all(one.severity == "high" for one in flutter)
    # The same seconds are not called a standstill, too.
    for one in of(found, "asystole"):
        assert all(one.end <= other.start or one.start >= other.end for other in flutter)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(6))
def test_events_of_small_waves_do_not_overlap(method: Method, seed: int) -> None:
    """Waves about as small as those of an asystole: one or the other at a time."""
    found = list(events(with_waves(fibrillation(3.5, 0.3, seed)), FS, method=method))
    spans = sorted(
        (one.start, one.end) for one in found if one.kind in ("ventricular_flutter", "asystole")
    )
    assert spans
    for (_, last), (first, _) in pairwise(spans):
        assert first >= last


@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0, 500.0, 999.0])
def test_it_is_reported_while_it_lasts(fs: float) -> None:
    """Within six seconds of its first wave, whatever the blocks of that rate are."""
    t = np.arange(int(BEFORE * fs)) / fs
    waves = np.sin(2 * np.pi * (6.5 * t + 0.1 * np.sin(t)))
    normal = synthetic_ecg(BEFORE, fs, seed=4).lead(0)
    signal = np.concatenate([normal, waves[: int(WAVES * fs)]]).astype("f4")
    heard = [int((BEFORE + seconds) * fs) for seconds in np.arange(0.1, WAVES, 0.1)]
    rhythm, labeller = RhythmStream(fs), StreamingClassifier(Classifier("beats"), fs)
    begin, first = 0, None
    for end in heard:
        chunk = signal[begin:end]
        for one in rhythm.process(labeller.process(chunk), chunk):
            if one.kind == "ventricular_flutter" and first is None:
                assert one.ongoing
                first = end / fs - BEFORE
        begin = end
    assert first is not None
    assert first < 6.0


@pytest.mark.parametrize("step", [1, 97, 5000])
def test_it_does_not_depend_on_how_the_stream_is_cut(step: int) -> None:
    signal = with_waves(fibrillation(5.0, 1.0, seed=2))[int(20 * FS) :]
    pieces = (signal[i : i + step] for i in range(0, len(signal), step))
    assert list(events(pieces, FS)) == list(events(signal, FS))


@pytest.mark.parametrize("method", METHODS)
def test_atrial_waves_without_complexes_are_a_standstill(method: Method) -> None:
    """Atrial flutter at 300 a minute, no beat conducted: the one to report is the standstill."""
    t = np.arange(int(WAVES * FS)) / FS
    triangle = 0.15 * (2.0 * np.abs((5.0 * t) % 1.0 - 0.5) - 0.5)
    found = list(events(with_waves(triangle.astype("f4")), FS, method=method))
    assert not of(found, "ventricular_flutter")
    assert sum(one.duration for one in of(found, "asystole")) > 0.8 * WAVES


def test_an_artefact_of_one_lead_is_none_while_the_other_shows_the_beats() -> None:
    clean = synthetic_ecg(BEFORE + AFTER, FS, seed=6).lead(0)
    for seconds in (1.0, 8.0):
        shaken = clean.copy()
        t = np.arange(int(seconds * FS)) / FS
        shaken[int(BEFORE * FS) :][: len(t)] = 1.5 * np.sin(2 * np.pi * 6.0 * t)
        both = np.stack([clean, shaken], axis=1)
        assert not of(list(events(both, FS)), "ventricular_flutter"), seconds


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("heart_rate", [85.0, 100.0])
def test_beats_with_large_t_waves_are_a_rhythm(method: Method, heart_rate: float) -> None:
    """Wide complexes with T waves of their size, as under defibrillator pads."""
    t = np.arange(int(WAVES * FS)) / FS
    phase = (t * heart_rate / 60.0) % 1.0
    wide = -np.exp(-(((phase - 0.2) / 0.07) ** 2)) + 0.6 * np.exp(-(((phase - 0.65) / 0.13) ** 2))
    found = list(events(with_waves(wide.astype("f4")), FS, method=method))
    assert not of(found, "ventricular_flutter")


@pytest.mark.parametrize("leads", [None, 0])
def test_record_207(record_path: Callable[[str], Path], leads: int | None) -> None:
    record = read_record(record_path("mitdb/207"), leads=leads)
    marks = record.annotations
    assert marks is not None
    reference, found = np.zeros((2, record.n_samples), dtype=bool)
    for first, last in flutter_intervals(marks.sample, marks.symbol.tolist()):
        reference[first : last + 1] = True
    for one in of(list(events(record)), "ventricular_flutter"):
        found[one.start : one.end + 1] = True
    assert (reference & found).sum() > 0.8 * reference.sum()
    assert (reference & found).sum() > 0.95 * found.sum()


@pytest.mark.parametrize("name", ["mitdb/101", "mitdb/203", "mitdb/209", "svdb/808", "svdb/865"])
def test_noise_and_fast_rhythms_are_no_fibrillation(
    record_path: Callable[[str], Path], name: str
) -> None:
    assert not of(list(events(record_path(name))), "ventricular_flutter")
