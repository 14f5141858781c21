"""Cycles, strips and histories of features: against slow twins, however the input is cut."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from shared_ecgs import synthetic_ecg
from thorough import thorough_cases
from twins import beat_window as twin
from twins import window_kinds
from twins.lead import cleaned

from ecgfast import BeatBatch, BeatStream, InputError, WindowSpec, read_record
from ecgfast.core import FEATURE_NAMES

CYCLE = WindowSpec(125.0, 0, 187, "cycle")
STRIP = WindowSpec(125.0, 1222, 28, "strip", 16)
FORMS = (CYCLE, STRIP, WindowSpec(history=8), WindowSpec(125.0, 0, 187, "cycle", 3))
RATES = (128.0, 360.0, 1000.0)
ONE_RATE = (360.0, *thorough_cases(128.0, 1000.0))
NEXT = [FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")]


def ecg(seconds: float, fs: float, seed: int = 3) -> np.ndarray:
    return synthetic_ecg(seconds, fs, wander=0.1, muscle=0.02, seed=seed).signal[:, 0]


def beats(signal: np.ndarray, fs: float, chunk: int | None = None, **options: object) -> BeatBatch:
    stream = BeatStream(fs, **options)
    step = chunk or len(signal)
    parts = [stream.process(signal[i : i + step]) for i in range(0, len(signal), step)]
    return BeatBatch.concatenate([*parts, stream.flush()])


def assert_same(a: BeatBatch, b: BeatBatch) -> None:
    for name in BeatBatch.__dataclass_fields__:
        assert np.array_equal(getattr(a, name), getattr(b, name), equal_nan=name == "rr"), name


@pytest.mark.parametrize("fs", ONE_RATE)
def test_a_cycle_agrees_with_the_twin(fs: float) -> None:
    signal = ecg(40, fs)
    batch = beats(signal, fs, window=CYCLE)
    assert batch.windows.shape[1:] == (187, 1)
    clean = cleaned(signal, fs)[0].astype(np.float64)
    for i, r in enumerate(batch.sample.tolist()):
        expected = window_kinds.cycle(clean, r, fs, batch.rr[: i + 1])
        assert np.abs(batch.windows[i, :, 0] - expected).max() < 1e-4


def test_a_cycle_is_one_beat_from_0_to_1_and_then_nothing(record_path) -> None:
    record = read_record(record_path("mitdb/100"))
    batch = beats(record.signal[: 360 * 60, 0], record.fs, window=CYCLE)
    kept = 1.2 * np.array([np.median(batch.rr[max(0, i - 7) : i + 1]) for i in range(9, 60)])
    for window, seconds in zip(batch.windows[9:60, :, 0], kept, strict=True):
        assert window.min() == 0.0
        assert window.max() == 1.0
        filled = int(seconds * 125)
        assert not window[filled:].any()
        assert window[:3].max() > 0.6  # R at its start
        # The next R peak comes at two thirds to all of what is shown.
        assert window[filled // 2 : filled].max() > 0.8


def test_a_cycle_is_known_as_soon_as_its_last_point() -> None:
    signal = ecg(40, 360.0)
    batch = beats(signal, 360.0, window=CYCLE)
    late = (batch.known_at - batch.sample)[5:-2] / 360.0
    expected = 1.2 * np.median(batch.rr[1:]) + 0.032
    assert np.abs(late - expected).max() < 0.25  # RR varies
    assert late.max() < 1.6


@pytest.mark.parametrize("fs", ONE_RATE)
def test_a_strip_agrees_with_the_twin(fs: float) -> None:
    signal = ecg(30, fs)
    batch = beats(signal, fs, window=STRIP)
    assert batch.windows.shape[1:] == (1250, 1)
    clean = cleaned(signal, fs)[0].astype(np.float64)
    for i in range(0, len(batch), 7):
        expected = twin.cut(clean, int(batch.sample[i]), fs, 125.0, 1222, 28)
        got = batch.windows[i, :, 0].astype(float)
        free = np.abs(got) < 5  # where strips are cut off
        gain = got[free] @ expected[free] / (expected[free] @ expected[free])
        assert np.abs(got[free] - gain * expected[free]).max() < 1e-4


def test_a_strip_is_in_running_qrs_sizes_and_upright(record_path) -> None:
    record = read_record(record_path("mitdb/100"))
    lead = record.signal[: 360 * 60, 0]
    batch = beats(lead, record.fs, window=STRIP)
    other = beats(-1e3 * lead + 5, record.fs, window=STRIP)
    settled = batch.windows[20:, :, 0]
    assert np.all((settled.max(axis=1) > 0.6) & (settled.max(axis=1) < 1.6))
    assert np.abs(settled - other.windows[20:, :, 0]).max() < 1e-3


@pytest.mark.parametrize("lookahead", [0, 1])
def test_a_history_is_the_features_of_the_beats_before(lookahead: int) -> None:
    signal = ecg(60, 250.0)
    plain = beats(signal, 250.0, lookahead=lookahead).features
    ahead = beats(signal, 250.0, lookahead=1).features
    batch = beats(signal, 250.0, lookahead=lookahead, window=WindowSpec(history=4))
    expected = window_kinds.histories(plain, ahead, 4)
    assert batch.features.shape == expected.shape == (len(plain), 4, len(FEATURE_NAMES))
    assert np.array_equal(batch.features, expected)


@pytest.mark.parametrize("window", FORMS)
@pytest.mark.parametrize("lookahead", [0, 1])
def test_chunks_change_nothing(window: WindowSpec, lookahead: int) -> None:
    signal = ecg(25, 360.0)
    whole = beats(signal, 360.0, window=window, lookahead=lookahead)
    assert len(whole) > 20
    for chunk in (1, 97, 3000):
        assert_same(beats(signal, 360.0, chunk, window=window, lookahead=lookahead), whole)


@pytest.mark.parametrize("window", FORMS)
def test_a_pickled_stream_goes_on(window: WindowSpec) -> None:
    signal = ecg(25, 360.0)
    whole = beats(signal, 360.0, window=window, lookahead=1)
    stream = BeatStream(360.0, window=window, lookahead=1)
    first = stream.process(signal[:4321])
    stream = pickle.loads(pickle.dumps(stream))
    rest = [stream.process(signal[4321:]), stream.flush()]
    assert_same(BeatBatch.concatenate([first, *rest]), whole)


@pytest.mark.parametrize("window", FORMS)
def test_given_beats_closer_than_a_heart_can_beat_are_all_cut(window: WindowSpec) -> None:
    signal = ecg(20, 360.0)
    marks = np.arange(100, len(signal) - 100, 4)
    stream = BeatStream(360.0, method="external", window=window)
    batch = BeatBatch.concatenate([stream.process(signal, marks), stream.flush()])
    assert len(batch) > len(marks) / 40
    assert np.all(np.diff(batch.sample) > 0)
    assert np.isfinite(batch.windows).all()
    assert np.isfinite(batch.features).all()


def test_flat_signal_gives_finite_windows() -> None:
    for window in FORMS:
        stream = BeatStream(360.0, method="external", window=window)
        batch = BeatBatch.concatenate([stream.process(np.zeros(5000), [999, 2000]), stream.flush()])
        assert len(batch) == 2
        assert np.isfinite(batch.windows).all()


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ((125.0, 44, 28, "wave"), "unknown kind"),
        ((125.0, 1, 187, "cycle"), "window"),
        ((125.0, 0, 300, "cycle"), "window"),
        ((125.0, 1400, 28, "strip"), "window"),
        ((125.0, 44, 28, "beat", 0), "window"),
        ((125.0, 44, 28, "beat", 65), "window"),
    ],
)
def test_a_window_that_cannot_be(window: tuple[object, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        BeatStream(360.0, window=window)
