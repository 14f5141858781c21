"""The compiled loops of rhythm against their twins in NumPy."""

from __future__ import annotations

import itertools
import threading
from math import nan

import numpy as np
import numpy.typing as npt
import pytest
from twins import rhythm_loops as twin

from ecgfast import Beat, Quality, RhythmStream, StateError
from ecgfast.rhythm._beat_window import CONTEXT
from ecgfast.rhythm._scan import crest
from ecgfast.rhythm.atrial import INPUTS, AtrialModel, default_model
from ecgfast.rhythm.blocks import SignalBlocks


class Seen:
    """A model of atrial fibrillation that keeps what it is shown."""

    settings = default_model().settings

    def __init__(self) -> None:
        self.inputs: list[npt.NDArray[np.float32]] = []

    def log_odds(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.inputs.append(inputs)
        return np.zeros(len(inputs) - 2 * CONTEXT, np.float32)


@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_what_the_network_of_fibrillation_sees(seed: int, leads: int) -> None:
    rng = np.random.default_rng(seed)
    fs, n = 250.0, 120
    at = np.cumsum(rng.uniform(0.4, 1.15, n))
    samples = np.round(fs * at).astype(int).tolist()
    labels = "".join(rng.choice(list("NNNNNNNNNNNNSVFQ"), n))
    sound = (rng.random(n) > 0.1).tolist()
    x = rng.normal(0.0, 0.3, (samples[-1] + 500, leads)).astype(np.float32)
    for sample in samples:
        x[sample - 3 : sample + 4] += 1.0
    beats = [
        Beat(s, s / fs, one, 0.9, {one: 0.9}, nan, nan, Quality.GOOD if good else Quality.NOISY)
        for s, one, good in zip(samples, labels, sound, strict=True)
    ]
    model = Seen()
    rhythm = RhythmStream(fs, n_leads=leads, atrial=model)
    rhythm.process(beats, x)
    rhythm.flush()
    expected = twin.beat_inputs(samples, labels, sound, x, fs, rhythm._signal.group)
    expected = np.pad(expected, ((CONTEXT, CONTEXT), (0, 0)))
    first = 0
    for inputs in model.inputs:
        np.testing.assert_allclose(inputs, expected[first : first + len(inputs)], atol=2e-5)
        first += len(inputs) - 2 * CONTEXT
    assert first == n


def test_log_odds_of_the_network_of_fibrillation() -> None:
    model = default_model()
    inputs = np.random.default_rng(0).normal(0.0, 1.0, (50, len(INPUTS)))
    expected = twin.log_odds(inputs, model.weights)
    np.testing.assert_allclose(model.log_odds(inputs.astype(np.float32)), expected, atol=1e-4)
    again = AtrialModel.from_flat(model.flat(), model.settings)
    assert again.log_odds(inputs.astype(np.float32)).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("leads", [1, 2, 3])
def test_figures_of_blocks(leads: int) -> None:
    rng = np.random.default_rng(leads)
    signal = SignalBlocks(360.0, leads)
    x = rng.normal(0, 1, (40 * signal.size + 17, leads)).astype(np.float32)
    for i, value in enumerate((np.nan, np.inf, -np.inf, 2e30, 0.5, 1e30)):
        x[(3 * i + 2) * signal.size : (3 * i + 3) * signal.size + 5 * (i % 3), i % leads] = value
    x[20 * signal.size + 7, 0] = np.nan  # one sample
    for i in range(4):  # spikes of 1 to 4 samples, of which 360 Hz has two at most
        quiet = slice((24 + 3 * i) * signal.size, (27 + 3 * i) * signal.size)
        x[quiet] *= 0.05
        x[(25 + 3 * i) * signal.size + 11 :][: i + 1] += 3.0
    before = np.full((round(0.04 * 360) + 4, leads), np.nan, np.float32)
    expected = twin.block_figures(twin.bridged(x, 15), before, 2, signal.size, signal.group)
    assert np.all(expected[1][25] < 0.6)
    assert np.all(expected[1][34] > 2.0)
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
            done.wait(300)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(300)
    try:
        with pytest.raises(StateError, match="RhythmStream is in use by another thread"):
            rhythm.process([])
    finally:
        done.set()
        thread.join()
    assert rhythm.process([]) == []
