"""Streams of any gain, offset and polarity, and of bad signal."""

from __future__ import annotations

import numpy as np
import pytest
from shared_ecgs import demo_record, synthetic_ecg
from streams import METHODS, bits, noisy_signal, take
from twins import lead as twin_lead

from ecgfast import BeatStream, detect_qrs
from ecgfast.streaming import Quality

# ---------------------------------------------------------------- gain, offset, polarity


@pytest.mark.parametrize("method", METHODS)
def test_an_offset_changes_no_bit(method: str) -> None:
    """As converter counts, which are exact in single precision."""
    counts = np.round(200 * demo_record().signal[:9000]).astype(np.int32)
    expected = bits(take(BeatStream(360.0, n_leads=2, method=method), [counts]))
    for offset in (1024, -30000, 4_000_000):
        got = take(BeatStream(360.0, n_leads=2, method=method), [counts + offset])
        assert bits(got) == expected


@pytest.mark.parametrize("gain", [1e-4, 0.005, 200.0, 1e4, -1.0, -1e-4, -1e4])
@pytest.mark.parametrize("method", [*METHODS, "external"])
@pytest.mark.parametrize("source", ["demo", "noisy"])
def test_gain_and_polarity_change_no_beat(source: str, method: str, gain: float) -> None:
    signal = demo_record().signal[:, 0] if source == "demo" else noisy_signal(1, 360.0)[:, 0]
    more = {"r_peaks": np.arange(300, len(signal) - 300, 290)} if method == "external" else {}
    batches = [
        take(BeatStream(360.0, method=method, lookahead=1), [s], **more)
        for s in (signal, signal * np.float32(gain))
    ]
    assert len(batches[0]) > 20
    assert batches[0].sample.tolist() == batches[1].sample.tolist()
    assert batches[0].quality.tolist() == batches[1].quality.tolist()
    assert np.abs(batches[0].windows - batches[1].windows).max() < 1e-3
    assert np.abs(batches[0].features - batches[1].features).max() < 5e-3


@pytest.mark.parametrize("method", METHODS)
def test_the_usual_beat_is_upright_in_its_window(method: str) -> None:
    signal = demo_record().signal[:, 0]
    for s in (signal, -signal):
        batch = take(BeatStream(360.0, method=method), [s])
        assert (batch.windows[8:, 40:49, 1].max(axis=1) > 0.5).all()


# ---------------------------------------------------------------- bad signal


BAD = {
    "nan": (lambda s: np.full_like(s, np.nan), Quality.GAP),
    "infinite": (lambda s: np.full_like(s, np.inf), Quality.GAP),
    "mixed": (lambda s: np.where(np.arange(len(s)) % 3 > 0, s, np.nan), Quality.GAP),
    "flat": (lambda s: np.full_like(s, s[0]), Quality.FLAT),
    "overdriven": (lambda s: np.clip(8 * s, -1.5, 1.5), Quality.SATURATED),
    "at the rails": (
        lambda s: np.full_like(s, 3.0) * (-1) ** (np.arange(len(s)) // 300),
        Quality.SATURATED | Quality.FLAT,
    ),
}


def with_stretch(kind: str, fs: float = 360.0, seconds: float = 4.0) -> tuple:
    """A recording with a bad stretch from second 20 on."""
    record = synthetic_ecg(45, fs, heart_rate=75, seed=14)
    signal = record.signal[:, 0].copy()
    first, last = round(20 * fs), round((20 + seconds) * fs)
    signal[first:last] = BAD[kind][0](signal[first:last])
    return signal, record.annotations.sample, first, last


@pytest.mark.parametrize("kind", BAD)
def test_bad_stretches_are_told_by_quality(kind: str) -> None:
    signal, marks, first, last = with_stretch(kind)
    stream = BeatStream(360.0, method="external")
    batch = take(stream, [signal], r_peaks=marks[(marks > 100) & (marks < len(signal) - 100)])
    inside = (batch.sample > first + 150) & (batch.sample < last - 40)
    outside = (batch.sample < first - 100) | (batch.sample > last + 100)
    assert inside.sum() >= 3
    assert (batch.quality[inside] & BAD[kind][1] > 0).all()
    bad = Quality.GAP | Quality.FLAT | Quality.SATURATED
    assert not (batch.quality[outside] & bad).any()
    learning = batch.quality & Quality.LEARNING > 0
    assert learning.tolist() == [True] * 8 + [False] * (len(batch) - 8)
    assert np.isfinite(batch.windows).all()
    assert np.isfinite(batch.features).all()


@pytest.mark.parametrize("method", [*METHODS, "external"])
def test_a_line_that_rests_between_beats_is_no_lead_that_is_off(method: str) -> None:
    """Simulators, and converters with large steps, give the same value from T wave to P wave."""
    record = synthetic_ecg(40, 250.0, heart_rate=60, seed=14)
    signal = np.round(record.signal[:, :1] / 0.1) * np.float32(0.1)
    marks = record.annotations.sample[1:-1]
    given = {"r_peaks": marks} if method == "external" else {}
    batch = take(BeatStream(250.0, method=method), [signal], **given)
    assert len(batch) >= len(marks) - 1
    assert not (batch.quality & Quality.FLAT).any()
    signal[20 * 250 : 30 * 250] = signal[20 * 250]
    batch = take(BeatStream(250.0, method="external"), [signal], r_peaks=marks)
    flat = batch.quality & Quality.FLAT > 0
    assert flat[(batch.sample > 20.6 * 250) & (batch.sample < 29.7 * 250)].all()
    assert not flat[(batch.sample < 20 * 250) | (batch.sample > 30.3 * 250)].any()


@pytest.mark.parametrize("seconds", [0.5, 4.0, 11.0])
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("method", METHODS)
def test_beats_are_found_again_within_two_seconds(method: str, kind: str, seconds: float) -> None:
    signal, marks, first, last = with_stretch(kind, seconds=seconds)
    got = detect_qrs(signal, 360.0, method=method)
    for side in (
        marks[(marks > 3 * 360) & (marks < first - 100)],
        marks[(marks > last + 2 * 360) & (marks < len(signal) - 100)],
    ):
        near = np.abs(got[:, np.newaxis] - side).min(axis=0)
        assert near.max() <= 10, "a beat is missed"
        found = got[(got >= side[0] - 10) & (got <= side[-1] + 10)]
        assert len(found) == len(side), "a beat is invented"


@pytest.mark.parametrize("method", METHODS)
def test_a_recording_that_begins_with_nothing(method: str) -> None:
    record = synthetic_ecg(20, 360.0, seed=15)
    for start in (np.nan, 0.0):
        signal = np.concatenate([np.full(1800, start, np.float32), record.signal[:, 0]])
        marks = record.annotations.sample + 1800
        got = detect_qrs(signal, 360.0, method=method)
        late = marks[(marks > 1800 + 2 * 360) & (marks < len(signal) - 100)]
        assert np.abs(got[:, np.newaxis] - late).min(axis=0).max() <= 10
        assert (got > 1700).all()


def test_a_lead_that_comes_off_leaves_the_other_to_detect() -> None:
    record = synthetic_ecg(60, 360.0, muscle=0.03, seed=16)
    signal = record.signal.copy()
    first, last = 20 * 360, 40 * 360
    for lead in (0, 1):
        for value in (np.nan, 0.0):
            broken = signal.copy()
            broken[first:last, lead] = value
            stream = BeatStream(360.0, n_leads=2)
            batch = take(stream, [broken])
            inside = record.annotations.sample
            inside = inside[(inside > first + 2 * 360) & (inside < last)]
            near = np.abs(batch.sample[:, np.newaxis] - inside).min(axis=0)
            assert (near <= 0.075 * 360).mean() > 0.95
            # Quality is that of the lead that the windows show.
            beats = (batch.sample > first + 200) & (batch.sample < last - 200)
            bad = batch.quality[beats] & (Quality.GAP | Quality.FLAT) > 0
            assert bad.all() if lead == 0 else not bad.any()


def test_windows_show_the_chosen_lead() -> None:
    signal = demo_record().signal
    first, second = (take(BeatStream(360.0, n_leads=2, lead=i), [signal]) for i in (0, 1))
    assert first.sample.tolist() == second.sample.tolist()
    assert not np.allclose(first.windows, second.windows, atol=0.05)
    marks = first.sample
    alone = take(BeatStream(360.0, method="external"), [signal[:, 0]], r_peaks=marks)
    assert alone.sample.tolist() == marks.tolist()
    assert np.array_equal(alone.windows, first.windows)


@pytest.mark.parametrize("method", METHODS)
def test_noise_alone_is_harmless(method: str) -> None:
    noise = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    for signal in (
        noise,
        noise * 1e30,
        noise * 1e-30,
        np.full(20000, 3e38, np.float32) * np.sign(noise),
    ):
        batch = take(BeatStream(360.0, method=method, lookahead=1), [signal])
        assert np.isfinite(batch.windows).all()
        assert np.isfinite(batch.features).all()
        assert (np.diff(batch.sample) > 0).all()


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 500.0])
@pytest.mark.parametrize("method", METHODS)
def test_flicker_of_one_converter_level_is_no_beat(method: str, fs: float) -> None:
    ecg = synthetic_ecg(40, fs, seed=1).signal[:, 0].astype(np.float64)
    rng = np.random.default_rng(1)
    flicker = np.round(0.3 * rng.normal(size=int(60 * fs))).clip(-1, 1)
    assert len(detect_qrs(flicker, fs, method=method)) == 0
    # A lead that comes off and on again, in the converter's levels.
    beats = np.round(200 * ecg)
    found = detect_qrs(np.concatenate([beats, flicker, beats]), fs, method=method) / fs
    assert not np.any((found > 41) & (found < 99))
    assert np.count_nonzero(found > 102) >= np.count_nonzero((found > 2) & (found < 40)) - 1


@pytest.mark.parametrize("fs", [100.0, 128.0, 360.0])
def test_saturation_agrees_with_the_twin_and_is_found_again_after_a_spike(fs: float) -> None:
    signal = np.clip(3 * synthetic_ecg(65, fs, wander=0.3, seed=5).signal[:, 0], -0.6, 0.6)
    signal[int(0.3 * fs)] = 5.0
    signal[int(31.0 * fs)] = -4.0
    marks = np.arange(int(fs), len(signal) - int(fs), int(0.5 * fs))
    stream = BeatStream(fs, method="external")
    batch = stream.finish(signal, marks)
    expected = twin_lead.saturated(signal, fs)
    around = int(0.25 * fs)
    for r, quality in zip(batch.sample, batch.quality, strict=True):
        assert bool(quality & 4) == expected[max(0, r - around) : r + around + 1].any(), r
    last = batch.sample > 52 * fs
    assert (batch.quality[last] & 4).any(), "the limit is known again after the spikes"
