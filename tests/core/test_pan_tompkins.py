"""The Pan-Tompkins kernel: its slow twin, chunks, bad input, delays, accuracy on recordings."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from shared_ecgs import synthetic_ecg
from thorough import thorough_cases
from twins import pan_tompkins as twin

from ecgfast import QRSDetector, read_record
from ecgfast.evaluation import flutter_intervals, is_beat, match_beats, score_detection

METHOD = "pan-tompkins"


def live(signal: np.ndarray, fs: float, size: int, **options: float) -> np.ndarray:
    leads = 1 if signal.ndim == 1 else signal.shape[1]
    detector = QRSDetector(fs, method=METHOD, n_leads=leads, **options)
    parts = [detector.process(signal[i : i + size]) for i in range(0, len(signal), size)]
    return np.concatenate([*parts, detector.flush()])


def detect(signal: np.ndarray, fs: float, **options: float) -> np.ndarray:
    """By the kernel alone: `detect_qrs` takes values such as 1e20 for missing samples."""
    return live(signal, fs, max(1, len(signal)), **options)


def spoilt(fs: float) -> np.ndarray:
    """Half a minute with everything a real lead does."""
    signal = synthetic_ecg(36, fs, wander=0.3, muscle=0.03, seed=4).signal[:, 0].copy()
    rng = np.random.default_rng(4)

    def part(begin: float, end: float) -> slice:
        return slice(int(begin * fs), int(end * fs))

    signal[part(6, 6.004)] = np.nan
    signal[part(8, 9.5)] = np.nan
    signal[part(11, 11.1)] = np.nan
    signal[part(14, 16)] = signal[int(14 * fs)]
    signal[part(20, 22)] += rng.normal(0, 4, len(signal[part(20, 22)])).astype(np.float32)
    signal[part(26, 27)] = np.clip(signal[part(26, 27)] * 20, -5, 5)
    signal[part(30, 31)] += 2
    signal[int(33 * fs)] = np.inf
    signal[int(34 * fs)] = 1e20
    return signal


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 333.3, 360.0, 500.0, 1000.0])
def test_agrees_with_the_twin(fs: float) -> None:
    for signal in (synthetic_ecg(20, fs, muscle=0.05, seed=2).signal[:, 0], spoilt(fs)):
        found = detect(signal, fs)
        assert len(found) > 15
        assert np.array_equal(found, twin.detected(signal, fs))


@pytest.mark.parametrize("max_delay", [0.35, *thorough_cases(0.5, 1.0)])
def test_agrees_with_the_twin_in_a_hurry(max_delay: float) -> None:
    signal = spoilt(360.0)
    found = detect(signal, 360.0, max_delay=max_delay)
    assert np.array_equal(found, twin.detected(signal, 360.0, max_delay))


@pytest.mark.parametrize(
    "name", ["excerpts/mitdb/208", "excerpts/svdb/881", "mitdb/203", "mitdb/207", "mitdb/232"]
)
def test_agrees_with_the_twin_on_a_recording(name, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[: int(120 * record.fs), 0]
    found = detect(signal, record.fs)
    assert len(found) > len(signal) / record.fs * 0.8
    assert np.array_equal(found, twin.detected(signal, record.fs))


@pytest.mark.parametrize("kind", ["saturated", "fainter"])
@pytest.mark.parametrize("name", ["mitdb/117", "mitdb/119", "mitdb/124", "mitdb/202"])
def test_the_first_beats_after_a_bad_stretch_are_told(kind, name, record_path) -> None:
    record = read_record(record_path(name), leads=0)
    fs = record.fs
    clean = record.signal[int(60 * fs) : int(100 * fs), 0]
    usual = detect(clean, fs)
    signal, begin, end = clean.copy(), int(20 * fs), int(26 * fs)
    if kind == "fainter":
        signal[end:] /= 10
    else:  # a rail, and now and then the other
        signal[begin:end] = np.where(np.arange(end - begin) // int(1.25 * fs) % 2, 20.0, -20.0)
    found = detect(signal, fs)
    assert np.array_equal(found, twin.detected(signal, fs))
    early = usual[(usual > end + 0.1 * fs) & (usual <= end + 2 * fs)]
    assert np.any(np.abs(found[:, np.newaxis] - early) <= 0.15 * fs)


@pytest.mark.parametrize("fs", [128.0, 360.0, 499.31, 2000.0])
def test_chunks_change_nothing(fs: float) -> None:
    signal = spoilt(fs)[: int(24 * fs)]
    whole = detect(signal, fs)
    for size in (1, 7, 36, 1000):
        assert np.array_equal(live(signal, fs, size), whole)


@pytest.mark.parametrize("fs", [128.0, 360.0])
def test_chunks_change_nothing_where_an_artefact_sets_the_filters_to_rest(fs: float) -> None:
    signal = synthetic_ecg(40, fs, muscle=0.03, seed=4).signal[:, 0].copy()
    for second in np.arange(5.0, 35.0, 1.37):
        signal[int(second * fs)] = 1e12
    whole = detect(signal, fs)
    assert len(whole) > 20
    for size in (1, 7, 1000):
        assert np.array_equal(live(signal, fs, size), whole)


def test_a_pickle_goes_on_where_it_was() -> None:
    signal = spoilt(360.0)
    detector = QRSDetector(360.0, method=METHOD)
    first = detector.process(signal[:5001])
    rest = pickle.loads(pickle.dumps(detector))
    for one in (detector, rest):
        found = np.concatenate([first, one.process(signal[5001:]), one.flush()])
        assert np.array_equal(found, detect(signal, 360.0))


@pytest.mark.parametrize("change", [-1.0, 1e-4, 0.37, 1e4])
def test_gain_and_polarity_change_no_r_peak(change: float) -> None:
    signal = synthetic_ecg(30, 360.0, muscle=0.03, seed=5).signal[:, 0]
    found = detect(signal, 360.0)
    assert np.array_equal(detect(signal * np.float32(change), 360.0), found)
    assert np.array_equal(detect(signal + np.float32(8), 360.0), found)


def test_silence_in_silence_out() -> None:
    rng = np.random.default_rng(6)
    time = np.arange(60 * 360) / 360.0
    for signal, most in (
        (np.zeros(len(time)), 0),
        (np.full(len(time), np.nan), 0),
        (np.sin(2 * np.pi * 50 * time) + 0.01 * rng.normal(size=len(time)), 2),
    ):
        assert len(detect(signal, 360.0)) <= most


@pytest.mark.parametrize("kind", ["white", "walk", "muscle", "of the band", "flicker"])
def test_noise_alone_has_hardly_any_beats(kind: str) -> None:
    fs, n = 250.0, 300 * 250
    hz = np.fft.rfftfreq(n, 1 / fs)
    low, high = {"muscle": (20, 125), "of the band": (5, 25)}.get(kind, (0, 125))
    found = 0
    for seed in range(24):
        white = np.random.default_rng(seed).normal(size=n)
        noise = np.fft.irfft(np.fft.rfft(white) * ((hz >= low) & (hz <= high)), n)
        signal = {"walk": np.cumsum(noise), "flicker": np.round(0.6 * white)}.get(kind, noise)
        found += len(detect(signal, fs))
    assert found <= 3  # in two hours


@pytest.mark.parametrize("kind", ["noise", "start", "louder", "fainter", "huge"])
@pytest.mark.parametrize("number", [100, 117, 118, 230, *thorough_cases(103, 112, 122, 123)])
def test_beats_of_a_recording_come_back_within_two_seconds(kind, number, record_path) -> None:
    record = read_record(record_path(f"mitdb/{number}"), leads=0)
    fs, first = record.fs, int(600 * record.fs)
    clean = record.signal[first : first + int(40 * fs), 0].astype(float)
    usual = detect(clean, fs)
    signal, begin, end = clean.copy(), int(12 * fs), int(18 * fs)
    if kind in ("noise", "start"):
        begin = 0 if kind == "start" else begin
        noise = np.random.default_rng(7).normal(0, 3 * np.ptp(clean), end - begin)
        signal[begin:end] += noise
    elif kind == "huge":
        signal[end - 2 : end] = 1e30
    else:
        signal[end:] *= 10 if kind == "louder" else 0.1
    found = detect(signal, fs)
    good = usual[(usual > end + 2 * fs) & (usual < len(clean) - fs)]
    assert len(match_beats(good, found, round(0.15 * fs))) == len(good)
    assert np.array_equal(found, twin.detected(signal, fs))


@pytest.mark.parametrize("rate", [200.0, 240.0])
def test_fast_hearts_are_no_noise(rate: float) -> None:
    record = synthetic_ecg(40, 360.0 * 190 / rate, heart_rate=190.0, muscle=0.02, seed=1)
    found = detect(record.signal[:, 0], 360.0)
    expected = record.annotations.sample
    expected = expected[(expected > 5 * 360) & (expected < len(record.signal) - 360)]
    assert len(match_beats(expected, found, 36)) == len(expected)


@pytest.mark.parametrize("kind", ["gap", "flat", "noise", "saturation", "motion"])
def test_beats_are_found_within_two_seconds_after_a_bad_stretch(kind: str) -> None:
    fs = 360.0
    signal = synthetic_ecg(60, fs, muscle=0.02, seed=7).signal[:, 0].copy()
    expected = detect(signal, fs)
    bad = slice(int(25 * fs), int(35 * fs))
    noise = np.random.default_rng(7).normal(0, 5, bad.stop - bad.start)
    signal[bad] = {
        "gap": np.nan,
        "flat": 0.0,
        "noise": signal[bad] + noise,
        "saturation": np.clip(signal[bad] * 20, -5, 5),
        "motion": signal[bad] + 30 * np.sin(2 * np.pi * 3 * np.arange(bad.stop - bad.start) / fs),
    }[kind]
    found = detect(signal, fs)
    later = expected[expected > bad.stop + 2 * fs]
    assert len(match_beats(later, found, 5)) == len(later)
    if kind in ("gap", "flat"):
        assert not np.any((found > bad.start + 0.3 * fs) & (found < bad.stop - 0.3 * fs))


def test_a_lead_that_falls_off_takes_no_beat_with_it() -> None:
    fs = 360.0
    signal = synthetic_ecg(60, fs, muscle=0.02, seed=8).signal[:, 0]
    expected = detect(signal, fs)
    other = np.float32(-0.6) * signal
    for value in (np.nan, 0.0):
        first = signal.copy()
        first[int(20 * fs) : int(40 * fs)] = value
        found = detect(np.column_stack([first, other]), fs)
        assert len(match_beats(expected, found, 54)) == len(expected)
        assert len(found) <= len(expected) + 2  # the edges of the fault


@pytest.mark.parametrize("max_delay", [None, 0.35, 0.5])
def test_delays_keep_their_bound(max_delay: float | None) -> None:
    fs = 360.0
    signal = spoilt(fs)
    detector = QRSDetector(fs, method=METHOD, max_delay=max_delay)
    delays = []
    for value in signal:
        delays.extend(
            (detector.count - r, r) for r in detector.process(np.array([value], np.float32))
        )
    late = np.array([delay for delay, r in delays if max_delay or r > 2.3 * fs])
    assert late.max() <= detector.delay
    assert detector.delay <= (max_delay or 1.3) * fs
    assert np.median(late) <= 0.25 * fs
    assert max(delay for delay, _ in delays) <= 2.5 * fs


@pytest.mark.parametrize(("name", "least"), [("100", 99.9), ("203", 98.9), ("108", 98.5)])
def test_accuracy_from_the_first_sample(name: str, least: float, record_path) -> None:
    record = read_record(record_path(f"mitdb/{name}"))
    marks = record.annotations
    score = score_detection(
        marks.sample[is_beat(marks.symbol)],
        detect(record.signal[:, 0], record.fs),
        record.fs,
        flutter=flutter_intervals(marks.sample, marks.symbol),
        start=0,
    )
    assert score.f1 >= least
