"""The compiled loops of rhythm against their twins in NumPy."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from twins import rhythm_loops as twin

from ecgfast import RhythmStream, StateError
from ecgfast.rhythm._scan import crest
from ecgfast.rhythm.atrial import MIN_RR, p_features, rr_features
from ecgfast.rhythm.blocks import SignalBlocks


@pytest.mark.parametrize("seed", range(30))
def test_features_of_rr_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(MIN_RR, 49))
    spread = rng.choice([1, 5, 40, 300])
    rr = np.clip(rng.normal(800, spread, n), 200, 2499).round().astype(np.int64)
    if seed % 3 == 0:
        rr[rng.integers(0, n, n // 3)] = rr[0]
    np.testing.assert_allclose(rr_features(rr), twin.rr_features(rr), rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("leads", [1, 2])
def test_features_of_p_waves(seed: int, leads: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(MIN_RR - 1, 49))
    wave = rng.normal(0, 0.1, (1, leads, 19))
    waves = (wave + rng.normal(0, rng.choice([0.01, 0.1]), (n, leads, 19))).astype(np.float32)
    around = rng.normal(0, 1, (n, 11, leads)).astype(np.float32)
    if seed % 5 == 0:
        around[:, :, 0] = 0.0  # a lead without a complex
    expected = twin.p_features(waves, around)
    np.testing.assert_allclose(p_features(waves, around), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("leads", [1, 2, 3])
def test_figures_of_blocks(leads: int) -> None:
    rng = np.random.default_rng(leads)
    signal = SignalBlocks(360.0, leads)
    x = rng.normal(0, 1, (40 * signal.size + 17, leads)).astype(np.float32)
    for i, value in enumerate((np.nan, np.inf, -np.inf, 2e30, 0.5, 1e30)):
        x[(3 * i + 2) * signal.size : (3 * i + 3) * signal.size + 5 * (i % 3), i % leads] = value
    x[20 * signal.size + 7, 0] = np.nan  # one sample
    before = np.full((round(0.04 * 360), leads), np.nan, np.float32)
    expected = twin.block_figures(x, before, signal.size, signal.group)
    cuts = [0, 1, 50, 51, 5 * signal.size, 31 * signal.size + 3, len(x)]
    pieces = [one for a, b in itertools.pairwise(cuts) for one in signal.process(x[a:b])]
    fields = list(zip(*pieces, strict=True))
    assert not np.concatenate(fields.pop()).any()  # nothing hums
    for field, right in zip(fields, expected, strict=True):
        np.testing.assert_array_equal(np.concatenate(field), right)


def test_height_of_a_lead_in_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (500, 6)).astype(np.float32)
    x[:, 1] += 1e3
    x[:, 2] = 7.5
    x[9, 3], x[10, 4], x[0, 5] = np.nan, np.inf, 2e30
    found = [crest(x, lead) for lead in range(6)]
    assert found == pytest.approx([twin.crest(x, lead) for lead in range(6)], rel=1e-6)
    assert found[2:] == [np.inf] * 4


def test_a_stream_is_used_by_one_thread_at_a_time() -> None:
    rhythm = RhythmStream(250.0)
    entered, done = threading.Event(), threading.Event()

    def hold() -> None:
        with rhythm.in_use:
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(StateError, match="RhythmStream is in use by another thread"):
            rhythm.process([])
    finally:
        done.set()
        thread.join()
    assert rhythm.process([]) == []
