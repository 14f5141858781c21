"""Work at one sample is bounded: beats come out one by one, long windows are cut over several."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from shared_ecgs import synthetic_ecg
from streams import METHODS
from twins import beat_window as twin
from twins.lead import cleaned

from ecgfast import BeatBatch, BeatStream, WindowSpec

LONGEST = WindowSpec(190.0, 1948, 100, "strip")
FORMS = (
    WindowSpec(),
    WindowSpec(1000.0, 256, 256),
    WindowSpec(125.0, 0, 187, "cycle"),
    WindowSpec(62.5, 611, 14, "strip", 16),
    LONGEST,
)
PAGE = Path(__file__).parents[2] / "docs" / "work_per_sample.md"


def fast_ecg(seconds: float, fs: float) -> np.ndarray:
    """Some 200 beats a minute: many are reported together after the first seconds."""
    return synthetic_ecg(seconds, fs, heart_rate=200, seed=2).signal[:, 0]


@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("method", METHODS)
def test_at_most_one_window_is_cut_at_a_sample(method: str, lookahead: int) -> None:
    stream = BeatStream(360.0, method=method, lookahead=lookahead)
    batch = stream.process(fast_ecg(10, 360.0))
    assert len(batch) > 20
    # With a beat that is cut, the one before may come out, which waited for its RR interval.
    at_once = 1 + lookahead
    assert (batch.known_at[at_once:] > batch.known_at[:-at_once]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("window", FORMS)
@pytest.mark.parametrize("lookahead", [0, 1])
def test_parts_of_a_window_are_the_same_bits_for_any_chunking(window, lookahead: int) -> None:
    fs, signal = 2000.0, fast_ecg(6, 2000.0)
    stream = BeatStream(fs, window=window, lookahead=lookahead)
    whole = stream.process(signal)
    assert len(whole) > 10
    stream.reset()
    parts = []
    for i, sample in enumerate(signal):
        if i in whole.known_at[3:9] - 1:  # while a window is being cut
            stream = pickle.loads(pickle.dumps(stream))
        parts.append(stream.process(sample[None]))
    again = BeatBatch.concatenate(parts)
    for name in BeatBatch.__dataclass_fields__:
        assert np.array_equal(getattr(whole, name), getattr(again, name), equal_nan=name == "rr")


def test_a_long_strip_takes_several_samples_and_agrees_with_the_twin() -> None:
    fs, signal = 2000.0, fast_ecg(12, 2000.0)
    plain = BeatStream(fs).process(signal)
    stream = BeatStream(fs, window=LONGEST)
    strips = stream.process(signal)
    n = min(len(plain), len(strips))
    assert n > 20
    taps = int(0.064 * fs) + 1
    parts = -(-2048 // (16384 // taps))
    after = int(np.ceil((99 / 190 + 0.032) * fs))  # samples that the strip needs
    late = (strips.known_at - strips.sample)[-5:]
    assert (late >= after + parts - 1).all()
    assert (strips.known_at - strips.sample)[n // 2 :].max() <= stream.delay
    clean = cleaned(signal, fs)[0].astype(np.float64)
    for i in (n // 2, n - 1):
        expected = twin.cut(clean, int(strips.sample[i]), fs, 190.0, 1948, 100)
        got = strips.windows[i, :, 0].astype(float)
        expected -= np.median(expected)
        gain = got @ expected / (expected @ expected)
        assert np.abs(got - gain * expected).max() < 1e-3


def test_the_recorded_bounds_are_below_a_millisecond() -> None:
    if not PAGE.is_file():
        pytest.skip("docs/ is not beside tests/")
    rows = [line.split("|") for line in PAGE.read_text("utf-8").splitlines() if line[:2] == "| "]
    most = [float(row[7]) for row in rows[2:]]
    assert len(most) == 28
    assert max(most) < 1.0
