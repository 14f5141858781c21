"""The band-pass filter against SciPy's design and a difference equation written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_ecgs import demo_record, synthetic_ecg
from twins import bandpass as twin

from ecgfast import BandpassFilter, InputError

RATES = (100.0, 128.0, 250.0, 360.0, 499.31, 1000.0, 2000.0)


def close(got: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.abs(got - expected).max() <= 1e-5 * max(np.abs(expected).max(), 1e-30))


@pytest.mark.parametrize("fs", RATES)
def test_agrees_with_the_twin(fs: float) -> None:
    signal = synthetic_ecg(5, fs, wander=0.3, muscle=0.02, seed=3).signal[:, 0]
    assert close(BandpassFilter(fs).process(signal), twin.filtered(signal, fs, 5.0, 15.0))


@pytest.mark.parametrize(("low", "high"), [(0.5, 40.0), (5.0, 15.0), (10.0, 10.5), (1.0, 49.9)])
def test_other_bands_agree_with_the_twin(low: float, high: float) -> None:
    signal = demo_record().signal[:2000, 0]
    got = BandpassFilter(128.0, low, high).process(signal)
    assert close(got, twin.filtered(signal, 128.0, low, high))


@pytest.mark.parametrize("name", ["excerpts/mitdb/208", "excerpts/svdb/881"])
def test_agrees_with_the_twin_on_a_recording(name, record_path) -> None:
    from ecgfast import read_record

    record = read_record(record_path(name))
    signal = record.signal[2000:5000, 0]
    assert close(
        BandpassFilter(record.fs).process(signal), twin.filtered(signal, record.fs, 5.0, 15.0)
    )


@pytest.mark.parametrize("fs", RATES)
def test_edges_are_3_db_down_and_the_impulse_response_is_the_design(fs: float) -> None:
    impulse = np.zeros(int(8 * fs), np.float32)
    impulse[1] = 1.0
    response = BandpassFilter(fs).process(impulse)[1:]
    gain = np.abs(scipy.signal.freqz(response, worN=[5.0, 15.0], fs=fs)[1])
    assert gain == pytest.approx(np.sqrt(0.5), abs=1e-4)


@pytest.mark.parametrize("fs", RATES)
def test_delay_is_the_group_delay_at_the_centre(fs: float) -> None:
    delay = BandpassFilter(fs).delay
    assert delay == pytest.approx(twin.delay(fs, 5.0, 15.0), rel=1e-6)
    # A burst at the centre swells that much later.
    t = np.arange(int(4 * fs)) / fs
    burst = np.exp(-(((t - 2) / 0.4) ** 2)) * np.cos(2 * np.pi * 8.7 * (t - 2))
    swell = np.abs(scipy.signal.hilbert(BandpassFilter(fs).process(burst)))
    centre = np.sum(swell**2 * np.arange(len(t))) / np.sum(swell**2)
    assert centre - 2 * fs == pytest.approx(delay, rel=0.05, abs=0.5)


def test_an_offset_does_not_ring() -> None:
    assert not BandpassFilter(360.0).process(np.full(1000, 1234.5, np.float32)).any()


def test_missing_samples_repeat_the_last_and_leading_ones_are_silent() -> None:
    signal = demo_record().signal[:1500, 0].copy()
    signal[:40] = np.nan
    signal[300:320] = np.nan
    signal[500] = np.inf
    signal[501:510] = -np.inf
    got = BandpassFilter(360.0).process(signal)
    assert np.isfinite(got).all()
    assert not got[:41].any()
    assert close(got, twin.filtered(signal, 360.0, 5.0, 15.0))
    filled = signal.copy()
    filled[300:320] = signal[299]
    filled[500:510] = signal[499]
    assert np.array_equal(BandpassFilter(360.0).process(filled), got)


def test_nothing_but_missing_samples_is_silence() -> None:
    assert not BandpassFilter(360.0).process(np.full(50, np.nan, np.float32)).any()


@given(cuts=st.lists(st.integers(0, 1200), max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_same_bits_for_any_chunking(cuts: list[int]) -> None:
    signal = demo_record_signal()
    whole = BandpassFilter(360.0).process(signal)
    stream = BandpassFilter(360.0)
    pieces = np.split(signal, sorted(cuts))
    got = np.concatenate([stream.process(piece) for piece in pieces])
    assert got.tobytes() == whole.tobytes()


def demo_record_signal(_kept: list[np.ndarray] = []) -> np.ndarray:  # noqa: B006
    if not _kept:
        signal = synthetic_ecg(1200 / 360, 360.0, muscle=0.05).signal[:, 0].copy()
        signal[100:120] = np.nan
        _kept.append(signal)
    return _kept[0]


def test_one_sample_at_a_time_and_reset() -> None:
    signal = demo_record_signal()
    stream = BandpassFilter(360.0)
    whole = stream.process(signal)
    stream.reset()
    single = np.concatenate([stream.process(signal[i : i + 1]) for i in range(len(signal))])
    assert single.tobytes() == whole.tobytes()


def test_in_place_and_into_out() -> None:
    signal = demo_record_signal()
    expected = BandpassFilter(360.0).process(signal)
    out = np.full(len(signal), 7, np.float32)
    assert BandpassFilter(360.0).process(signal, out) is out
    assert np.array_equal(out, expected)
    own = signal.copy()
    BandpassFilter(360.0).process(own, own)
    assert np.array_equal(own, expected)


def test_takes_lists_integers_and_strided_arrays() -> None:
    signal = np.round(100 * demo_record().signal[:600, 0]).astype(np.int16)
    expected = BandpassFilter(360.0).process(signal.astype(np.float32))
    for form in (signal, signal.tolist(), signal.astype(np.float64), np.repeat(signal, 2)[::2]):
        assert np.array_equal(BandpassFilter(360.0).process(form), expected)


def test_an_empty_chunk_gives_nothing() -> None:
    assert BandpassFilter(360.0).process(np.empty(0, np.float32)).shape == (0,)
    assert BandpassFilter(360.0).process([]).shape == (0,)


@pytest.mark.parametrize(
    ("fs", "low", "high"),
    [
        (0.0, 5, 15),
        (-360.0, 5, 15),
        (np.nan, 5, 15),
        (np.inf, 5, 15),
        (360.0, 0, 15),
        (360.0, 15, 5),
        (360.0, 5, 5),
        (30.0, 5, 15),
        (360.0, np.nan, 15),
        (360.0, 5, 180.0),
    ],
)
def test_impossible_bands_are_refused(fs: float, low: float, high: float) -> None:
    with pytest.raises(InputError, match="fs="):
        BandpassFilter(fs, low, high)


def test_words_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="fs must be a number, got 'fast'"):
        BandpassFilter("fast")
    stream = BandpassFilter(360.0)
    with pytest.raises(InputError, match="real numbers"):
        stream.process(["a", "b"])
    with pytest.raises(InputError, match=r"shape \(n,\) or \(n, 1\), got \(4, 3\)"):
        stream.process(np.zeros((4, 3)))
    with pytest.raises(InputError, match="out must be writeable, contiguous, aligned float32"):
        stream.process(np.zeros(4, np.float32), np.zeros(4))
    with pytest.raises(
        InputError, match=r"out must be writeable, contiguous, aligned float32 of shape \(4,\)"
    ):
        stream.process(np.zeros(4, np.float32), np.zeros(5, np.float32))


@pytest.mark.parametrize(
    ("fs", "low", "high"),
    [(1e300, 5.0, 15.0), (1e12, 5.0, 15.0), (360.0, 1e-300, 15.0), (360.0, 5.0, 5.0 + 1e-13)],
)
def test_a_band_that_double_precision_cannot_hold_is_refused(
    fs: float, low: float, high: float
) -> None:
    with pytest.raises(InputError, match="band edges are not 0 < low < high < fs / 2, or too"):
        BandpassFilter(fs, low, high)


@given(st.floats(1e-3, 1e12), st.floats(1e-6, 0.5), st.floats(1e-6, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_band_is_refused_or_gives_finite_output(fs: float, low: float, high: float) -> None:
    try:
        band = BandpassFilter(fs, low * fs, high * fs)
    except InputError:
        return
    out = band.process(np.random.default_rng(0).standard_normal(500).astype(np.float32))
    assert np.isfinite(out).all()
    assert np.isfinite(band.delay)
