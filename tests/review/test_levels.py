"""The level of a signal in each second, by which another recording is recognised."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.review.levels import LevelMeter, changed_second

FS = 100.3  # a second is 100 samples


@pytest.fixture
def signal(rng: np.random.Generator) -> np.ndarray:
    made = rng.standard_normal((1050, 2)).astype(np.float32)
    made[300:310] = np.nan
    return made


def levels(signal: np.ndarray, chunk: int) -> np.ndarray:
    meter = LevelMeter(FS, 2)
    for start in range(0, len(signal), chunk):
        meter.process(signal[start : start + chunk])
    return meter.levels()


def test_it_is_the_deviation_of_each_second_in_any_chunks(signal: np.ndarray) -> None:
    known = np.nan_to_num(signal)
    expected = [known[i : i + 100].std(axis=0) for i in range(0, 1050, 100)]
    for chunk in (1, 37, 100, 2000):
        assert levels(signal, chunk) == pytest.approx(np.array(expected), abs=1e-5)


def test_the_first_changed_second_of_any_lead_is_told(signal: np.ndarray) -> None:
    before, names = levels(signal, 100), ("I", "II")
    other = signal.copy()
    assert changed_second(before, names, levels(other, 7), names) is None
    other[700:] *= 1.1
    other[500:600, 1] *= 1.1
    now = levels(other, 100)
    assert changed_second(before, names, now, names) == (5, "II")
    assert changed_second(before, names, now[:, ::-1], ("II", "I")) == (5, "II")
    assert changed_second(before, names, now[:, :1], ("I",)) == (7, "I")
    assert changed_second(before, names, now[:, :1], ("V6",)) is None, "none in common"


def test_a_flat_lead_stays_flat() -> None:
    flat = np.zeros((300, 1), np.float32)
    noise = flat.copy()
    noise[150] = 0.01
    then, now = LevelMeter(100, 1), LevelMeter(100, 1)
    then.process(flat)
    now.process(noise)
    assert changed_second(then.levels(), ("I",), then.levels(), ("I",)) is None
    assert changed_second(then.levels(), ("I",), now.levels(), ("I",)) == (1, "I")
