"""The neural detector: its slow twin, chunks, snapshots, gain, bad input, delays, accuracy."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from detector_signals import (
    BAD,
    RECORDINGS,
    assert_beats_are_back,
    bad_stretch,
    delays,
    found_near,
    live,
    no_signal,
    noisy_start,
    spoil,
    spoilt,
)
from shared_ecgs import synthetic_ecg
from streams import refused_forgeries
from thorough import thorough_cases
from twins import neural as twin
from twins.neural.state import State

from ecgfast import BeatBatch, BeatStream, QRSDetector, Quality, read_record
from ecgfast.evaluation import flutter_intervals, is_beat, score_detection
from ecgfast.records import read_annotations
from ecgfast.training.qrs import c_source, grid

NEURAL = {"method": "neural"}
SIGNALS = Path(__file__).parent.parent / "signals"


def detect(signal: np.ndarray, fs: float, **options) -> np.ndarray:
    # By the detector alone: `detect_qrs` takes values such as 1e30 for missing samples.
    return live(signal, fs, max(1, len(signal)), method="neural", **options)


@cache
def slow_run(fs: float, leads: int = 1) -> State:
    """The twin at the end of the spoilt signal."""
    return twin.run(spoilt(fs, leads), fs)


# ---------------------------------------------------------------- the twin


# Leads are joined once they are on the grid, where no sampling rate is left: one rate has three of
# them by default.
@pytest.mark.parametrize(
    ("fs", "leads"),
    [
        *((100.0, 1), (250.0, 1), (128.0, 3)),
        *thorough_cases((128.0, 1), (360.0, 1), (500.0, 1), (1000.0, 1)),
        *thorough_cases((100.0, 3), (250.0, 3), (360.0, 3), (500.0, 3), (1000.0, 3)),
    ],
)
def test_agrees_with_the_twin(fs: float, leads: int) -> None:
    clean = synthetic_ecg(20, fs, muscle=0.05, seed=2).signal[:, :1]
    clean = np.repeat(clean, leads, axis=1)
    expected = ((clean, twin.detect(clean, fs)), (spoilt(fs, leads), slow_run(fs, leads).beats))
    for signal, beats in expected:
        found = detect(signal, fs)
        assert len(found) > 15
        assert np.array_equal(found, beats)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("max_delay", "leads"),
    [
        *((0.35, 1), (0.5, 2)),
        *thorough_cases((2.0, 1), (0.5, 1), (1.0, 1), (0.35, 2), (1.0, 2), (2.0, 2)),
    ],
)
def test_agrees_with_the_twin_in_a_hurry(max_delay: float, leads: int) -> None:
    signal = spoilt(360.0, leads)
    found = detect(signal, 360.0, max_delay=max_delay)
    assert len(found) > 20
    assert np.array_equal(found, twin.detect(signal, 360.0, max_delay))


def test_reports_when_the_twin_does() -> None:
    signal = spoilt(250.0)
    online = [at for at in slow_run(250.0).reported_at if at < len(signal)]
    detector = QRSDetector(250.0, **NEURAL)
    counts = [i + 1 for i, x in enumerate(signal) if len(detector.process([x]))]
    assert counts == sorted(set(online))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["white", "missing", *thorough_cases("walk", "dither", "zero")])
def test_agrees_with_the_twin_on_noise(kind: str) -> None:
    signal = no_signal(kind, 250.0)[: 30 * 250]
    assert np.array_equal(detect(signal, 250.0), twin.detect(signal, 250.0))


@pytest.mark.parametrize("name", ["excerpts/mitdb/208", *thorough_cases("mitdb/207")])
def test_agrees_with_the_twin_on_a_recording(name: str, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[: int(40 * record.fs), :2]
    for samples in (signal[:, 0], signal):
        assert np.array_equal(detect(samples, record.fs), twin.detect(samples, record.fs))


def test_constants_of_grid_and_c_agree() -> None:
    c = {**twin.defines("neural.h"), **twin.defines("neural_input.c")}
    assert c["NEURAL_HZ"] == grid.GRID_FS
    assert c["NEURAL_BLOCK"] == grid.BLOCK
    assert c["NEURAL_WINDOW"] == grid.WINDOW_BLOCKS
    assert c["NEURAL_PEAKS"] == grid.WINDOWS * grid.WINDOW_BLOCKS
    assert c["NEURAL_START"] == grid.START_BLOCKS
    assert c["NEURAL_INPUTS"] == grid.CHANNELS
    assert c["HIGH_PASS"] == np.float32(grid.HIGH_PASS)
    assert c["NEURAL_FALL"] == np.float32(grid.FALL)
    assert (c["NEURAL_BEND"], c["ENLARGE"]) == (np.float32(0.5), np.float32(6))


def test_weights_survive_the_c_source() -> None:
    weights = twin.weights()
    again = c_source.read_weights(c_source.weights_source(weights, "a test"))
    assert weights.keys() == again.keys()
    assert all(np.array_equal(weights[name], again[name]) for name in weights)


# ---------------------------------------------------------------- the same however it comes


@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize("fs", [100.0, 360.0, 499.31, 2000.0])
def test_chunks_change_nothing(fs: float, leads: int) -> None:
    signal = spoilt(fs, leads)[: int(24 * fs)]
    whole = detect(signal, fs)
    assert len(whole) > 15
    for size in (1, 7, 360):
        assert np.array_equal(live(signal, fs, size, **NEURAL), whole)


@pytest.mark.parametrize("at", [0, 1, 100, 560, 5001, 12000])
def test_resumes_from_a_pickle(at: int) -> None:
    signal = spoilt(360.0, 2)
    detector = QRSDetector(360.0, n_leads=2, **NEURAL)
    first = detector.process(signal[:at])
    detector = pickle.loads(pickle.dumps(detector))
    found = np.concatenate([first, detector.process(signal[at:]), detector.flush()])
    assert np.array_equal(found, detect(signal, 360.0))


def test_every_state_of_a_stream_is_a_valid_snapshot() -> None:
    signal = spoilt(250.0)
    for options in ({}, {"max_delay": 0.35}, {"max_delay": 0.5}):
        detector = QRSDetector(250.0, **NEURAL, **options)
        found = []
        for i in range(0, len(signal), 23):
            detector = pickle.loads(pickle.dumps(detector))
            found.append(detector.process(signal[i : i + 23]))
        found.append(detector.flush())
        pickle.loads(pickle.dumps(detector))
        assert np.array_equal(np.concatenate(found), detect(signal, 250.0, **options))


def test_forged_states_are_refused_or_harmless() -> None:
    """Every part of the method's own state, with the checksum that goes with it."""
    signal = spoilt(250.0)
    detector = QRSDetector(250.0, **NEURAL)
    detector.process(signal[:3000])
    offsets = range(-32 - 16 * 1024, -40, 96)
    values = (b"\xff" * 8, (1 << 62).to_bytes(8, "little"), b"\xff\xff\x7f\x7f" * 2)
    refused = refused_forgeries(detector, offsets, values, signal[3000:3200])
    assert len(refused) > 100
    assert all("snapshot" in message for message in refused)


# ---------------------------------------------------------------- gain, offset, polarity


@pytest.mark.parametrize("gain", [1e-4, 0.37, 1e4])
def test_gain_changes_no_r_peak(gain: float) -> None:
    for leads in (1, 2):
        signal = spoilt(360.0, leads)
        assert np.array_equal(detect(signal * np.float32(gain), 360.0), detect(signal, 360.0))


def test_offset_changes_no_r_peak() -> None:
    # In steps of 1/1024 mV, so that float32 holds the sum exactly.
    signal = np.round(synthetic_ecg(60, 360.0, wander=0.3, muscle=0.05).signal[:, 0] * 1024) / 1024
    whole = detect(signal, 360.0)
    assert len(whole) > 50
    for offset in (-300.0, 5.0, 1000.0):
        assert np.array_equal(detect(signal + offset, 360.0), whole)


@pytest.mark.parametrize("fs", [128.0, 360.0])
def test_polarity_changes_no_beat(fs: float) -> None:
    signal = synthetic_ecg(60, fs, wander=0.2, muscle=0.03, seed=3).signal[:, 0]
    up, down = detect(signal, fs), detect(-signal, fs)
    assert len(up) == len(down)
    assert np.abs(up - down).max() <= np.ceil(0.02 * fs)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("fs", [128.0, 250.0, 500.0])
@pytest.mark.parametrize(
    "kind", ["zero", "missing", "offset", "dither", "flicker", "mains 50", "breath"]
)
def test_silence_in_silence_out(kind: str, fs: float) -> None:
    assert len(detect(no_signal(kind, fs), fs)) == 0


@pytest.mark.parametrize("hz", [49.97, 50.0, 60.0, 60.02])
def test_mains_hum_alone_gives_hardly_a_beat_and_none_unflagged(hz: float) -> None:
    # At 100 to 130 Hz hum beats with the network's grid of 125 Hz; at other rates it gives none.
    for fs in (100.0, 128.0, 130.0, 250.0, 256.0, 360.0, 500.0):
        t = np.arange(int(120 * fs)) / fs
        noise = 0.01 * np.random.default_rng(3).normal(size=len(t))
        sample, quality = qualities(np.sin(2 * np.pi * hz * t + 0.3) + noise, fs)
        assert len(sample) <= (4 if fs <= 130.0 else 0)
        assert np.all(quality != 0)


@pytest.mark.parametrize("length", [4.0, 10.0])
@pytest.mark.parametrize(("rate", "seed"), [(52.0, 1), (75.0, 8), (140.0, 5)])
@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "smaller"])
def test_beats_come_back_within_two_seconds(
    kind: str, rate: float, seed: int, length: float
) -> None:
    fs = 360.0
    signal, reference, stretch = bad_stretch(kind, fs, rate, seed, length)
    assert_beats_are_back(detect(signal, fs), reference, stretch, fs)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("kind", ["noise", "motion", "tremor", "larger", "a third"])
def test_beats_of_a_recording_come_back_within_two_seconds(kind, name, record_path) -> None:
    record = read_record(record_path(name), leads=0)
    fs, first = record.fs, int(600 * record.fs)
    clean = record.signal[first : first + int(60 * fs), 0]
    usual = detect(clean, fs)
    if kind == "a third":
        end = int(20 * fs)
        signal = np.concatenate([clean[:end], clean[end:] / 3])
    else:
        signal, end = spoil(clean, kind, fs, int(20 * fs), int(26 * fs), 3)
    good = usual[(usual > end + 2 * fs) & (usual < len(clean) - fs)]
    assert np.all(found_near(detect(signal, fs), good, fs))


@pytest.mark.parametrize("seconds", [4.0, 5.5, 9.0])
def test_a_noisy_start_is_forgotten(seconds: float) -> None:
    fs = 250.0
    record = synthetic_ecg(40, fs, muscle=0.02, seed=5)
    reference = record.annotations.sample
    good = reference[reference > (seconds + 5) * fs]
    signal = noisy_start(record.signal[:, 0], fs, seconds)
    assert np.all(found_near(detect(signal, fs), good, fs)[:-1])


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_a_jump_each_second_hides_hardly_a_beat_beside_it(seed: int) -> None:
    fs, rng = 250.0, np.random.default_rng(seed)
    record = synthetic_ecg(60, fs, muscle=0.02, seed=seed)
    signal, reference = record.signal[:, 0].astype(np.float64), record.annotations.sample
    jumps = (20 + np.cumsum(rng.uniform(0.8, 1.1, 20))) * fs
    for at in jumps.astype(int):
        size = rng.choice([-1, 1]) * rng.uniform(4, 8) * np.ptp(record.signal)
        signal[at:] += size * np.exp(-np.arange(len(signal) - at) / (0.08 * fs))
    beside = np.abs(reference[:, None] - jumps).min(axis=1) > 0.25 * fs
    good = reference[beside & (reference > jumps[0]) & (reference < jumps[-1])]
    assert len(good) >= 6
    assert found_near(detect(signal, fs), good, fs).sum() >= len(good) - 1


def test_artefacts_before_the_first_beats_do_not_pass_for_beats(record_path) -> None:
    # The arterial pressure rises a quarter of a second after each of these beats. Spikes of up to
    # 35 mV come at 1.6, 11.5 and 25.5 s.
    record = read_record(record_path("bp/v224s"), leads=0)
    beats = np.array([37.17, 37.92, 38.68, 39.43, 40.18]) * record.fs
    found = detect(record.signal[: int(45 * record.fs), 0], record.fs)
    assert np.all(found_near(found, beats, record.fs))


def qualities(signal: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    stream = BeatStream(fs, **NEURAL)
    beats = BeatBatch.concatenate([stream.process(signal), stream.flush()])
    return beats.sample, beats.quality


@pytest.mark.parametrize("kind", ["white", "walk", "of the band"])
def test_beats_that_noise_makes_are_flagged(kind: str) -> None:
    fs, n = 250.0, 300 * 250
    noise = np.random.default_rng(3).normal(size=n)
    if kind == "of the band":
        hz = np.fft.rfftfreq(n, 1 / fs)
        noise = np.fft.irfft(np.fft.rfft(noise) * ((hz >= 5) & (hz <= 25)), n)
    _, quality = qualities(np.cumsum(noise) if kind == "walk" else noise, fs)
    assert np.all(quality != 0)


@pytest.mark.parametrize("name", ["nstdb/bw", "nstdb/ma"])
def test_recorded_noise_has_no_beat_of_good_quality(name: str, record_path) -> None:
    noise = read_record(record_path(name))
    for lead in noise.signal.T:
        sample, quality = qualities(lead, noise.fs)
        assert len(sample) < 15 * noise.n_samples / noise.fs / 60
        assert np.count_nonzero(quality == 0) <= 2


def test_the_beat_after_one_that_was_passed_over_says_so() -> None:
    fs = 250.0
    record = synthetic_ecg(60, fs, muscle=0.01, seed=3)
    signal, r = record.signal[:, 0].copy(), record.annotations.sample
    at = int(r[30])
    bump = np.hanning(int(0.1 * fs)) * 0.35 * np.ptp(signal)
    signal[at + int(0.4 * fs) : at + int(0.4 * fs) + len(bump)] += bump
    sample, quality = qualities(signal, fs)
    near = (sample > at + 0.3 * fs) & (sample < r[32])
    assert np.all(quality[near] & Quality.DOUBTFUL)
    assert np.all(quality[(sample > r[7]) & (sample < at - fs)] == 0)


def test_quality_agrees_with_the_twin() -> None:
    own = Quality.NOISY | Quality.DOUBTFUL
    for fs in (100.0, 250.0):
        slow = slow_run(fs)
        sample, quality = qualities(spoilt(fs), fs)
        assert sample.tolist() == slow.beats
        assert (quality & own).tolist() == [bits & own for bits in slow.quality]


@pytest.mark.parametrize("n", [0, 1, 10, 62, 125, 250, 374])
def test_short_recordings(n: int) -> None:
    record = synthetic_ecg(10, 250.0, seed=1)
    found = detect(record.signal[:n, 0], 250.0)
    assert np.array_equal(found, twin.detect(record.signal[:n, 0], 250.0))
    assert np.all((found >= 0) & (found < n))
    inside = record.annotations.sample[record.annotations.sample < n - 50]
    assert np.all(found_near(found, inside, 250.0))


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize("what", ["flat", "missing"])
def test_a_lead_that_falls_off_takes_no_beat_with_it(what: str, lead: int) -> None:
    fs = 360.0
    record = synthetic_ecg(60, fs, muscle=0.02, seed=7)
    signal = np.repeat(record.signal[:, :1], 2, axis=1)
    signal[:, 1] *= -0.4
    signal[int(20 * fs) : int(40 * fs), lead] = 0 if what == "flat" else np.nan
    found, reference = detect(signal, fs), record.annotations.sample[1:-1]
    assert np.all(found_near(found, reference, fs))
    assert len(found) <= len(reference) + 3


@pytest.mark.parametrize("fs", [250.0, 360.0])
@pytest.mark.parametrize("seed", range(4))
def test_p_waves_of_a_standing_heart_are_no_beats(fs: float, seed: int) -> None:
    record = synthetic_ecg(60, fs, muscle=0.01, seed=seed)
    signal, r = record.signal[:, 0].copy(), record.annotations.sample
    begin, end = 25 * fs, 40 * fs
    for at in r[(r > begin) & (r < end)]:
        first, last = int(at - 0.06 * fs), int(at + 0.45 * fs)
        signal[first:last] = np.linspace(signal[first], signal[last], last - first)
    found = detect(signal, fs)
    assert not np.any((found > begin) & (found < end - 0.2 * fs))
    going = r[((r > fs) & (r < begin - 0.5 * fs)) | ((r > end + fs) & (r < len(signal) - fs))]
    assert np.all(found_near(found, going, fs))


def with_waves(
    at_s: float, width_s: float, after_s: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """An ECG at 250 Hz with a wave of 0.45 of the QRS complexes beside each, and its R peaks."""
    fs = 250.0
    record = synthetic_ecg(40, fs, muscle=0.01, seed=seed)
    signal, r = record.signal[:, 0].copy(), record.annotations.sample
    time = np.arange(len(signal)) / fs
    height = 0.45 * np.median([np.ptp(signal[max(at - 12, 0) : at + 12]) for at in r])
    for beat in r[r > after_s * fs] / fs:
        signal += height * np.exp(-0.5 * ((time - beat - at_s) / width_s) ** 2)
    return signal, r


@pytest.mark.parametrize("pr", [0.16, 0.2, 0.24])
def test_sharp_p_waves_do_not_take_the_place_of_complexes(pr: float) -> None:
    for seed in range(4):
        signal, r = with_waves(-pr, 0.01, after_s=8.0, seed=seed)
        found = detect(signal, 250.0)
        assert np.all(found_near(r, found, 250.0))
        assert np.all(found_near(found, r, 250.0))
    signal = signal[:5000]
    assert np.array_equal(detect(signal, 250.0), twin.detect(signal, 250.0))


@pytest.mark.parametrize("cut", [0.06, 0.12])
def test_a_t_wave_whose_complex_is_before_the_first_sample_is_no_beat(cut: float) -> None:
    signal, r = with_waves(0.24, 0.03, after_s=0.0)
    for beat in r[3:30:5]:
        first = beat + int(cut * 250)
        found = detect(signal[first : first + 2000], 250.0)
        expected = r[r > first][: len(found)] - first
        assert np.all(np.abs(found - expected) < 0.15 * 250)
        assert len(found) > 5
    assert np.array_equal(found, twin.detect(signal[first : first + 2000], 250.0))


# Tolerance in seconds. The last reference beat of standstill_p_only lies after its end.
MADE = {
    "every_other_missing": 0.08,
    "heart_block_escape32": 0.16,
    "pacing_spikes_av": 0.08,
    "peaked_t": 0.08,
    "r_s_swap": 0.08,
    "rate240_halved": 0.08,
    "standstill_p_only": 0.08,
    "wide_qrs_none": 0.16,
}


@pytest.mark.parametrize("name", MADE)
def test_made_signals(name: str) -> None:
    tolerance = MADE[name]
    made = np.load(SIGNALS / f"{name}.npz")
    fs, reference = float(made["fs"]), made["r"]
    reference = reference[reference < len(made["signal"])]
    found = detect(made["signal"], fs)
    assert np.abs(found[:, None] - reference).min(axis=0).max() <= tolerance * fs
    assert np.abs(reference[:, None] - found).min(axis=0).max() <= tolerance * fs


def test_r_stays_r_where_s_is_as_tall() -> None:
    made = np.load(SIGNALS / "r_s_swap.npz")
    fs = float(made["fs"])
    intervals_ms = np.diff(detect(made["signal"], fs)) / fs * 1e3
    assert np.sqrt(np.mean(np.diff(intervals_ms) ** 2)) < 8


# ---------------------------------------------------------------- delays


@pytest.mark.parametrize("max_delay", [None, 0.35, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["clean", "spoilt"])
def test_reports_in_time(kind: str, max_delay: float | None) -> None:
    fs = 250.0
    clean = synthetic_ecg(60, fs, muscle=0.03, seed=3).signal[:, 0]
    signal = clean if kind == "clean" else spoilt(fs)
    waits = delays(signal, fs, method="neural", max_delay=max_delay)
    detector = QRSDetector(fs, max_delay=max_delay, **NEURAL)
    assert len(waits) > 25
    assert waits.max() <= 1.6  # the first 1.5 s are looked at together
    assert waits[5:].max() * fs <= detector.delay
    if max_delay is not None:
        assert waits[5:].max() <= max_delay + 0.03
        assert detector.delay <= np.ceil((max_delay + 0.121) * fs)
    assert np.median(waits) <= 0.5


# ---------------------------------------------------------------- accuracy


@pytest.mark.parametrize(
    ("name", "least"), [("mitdb/100", 0.995), ("mitdb/105", 0.992), ("mitdb/208", 0.995)]
)
def test_accuracy(name: str, least: float, record_path) -> None:
    record = read_record(record_path(name))
    marks = record.annotations
    score = score_detection(
        marks.sample[is_beat(marks.symbol)],
        detect(record.signal[:, 0], record.fs),
        record.fs,
        flutter=flutter_intervals(marks.sample, marks.symbol),
    )
    f1 = 2 * score.tp / (2 * score.tp + score.fp + score.fn)
    assert f1 >= least


@pytest.mark.parametrize("name", [f"ludb/{k}" for k in (2, 4, 6, 8, 10)])
def test_twelve_leads_together(name: str, record_path) -> None:
    path = record_path(name)
    record = read_record(path)
    assert record.signal.shape[1] == 12
    marks = read_annotations(path.with_name(f"{path.name}.ii"))
    # The first and the last beats of these recordings are not annotated.
    beats = marks.sample[is_beat(marks.symbol)]
    found = detect(record.signal, record.fs)
    assert len(beats) >= 4
    assert np.all(found_near(found, beats, record.fs))
    inside = found[(found > beats[0] - 100) & (found < beats[-1] + 100)]
    assert len(inside) == len(beats)


@pytest.mark.parametrize("seconds", [2.0, 10.0, 30.0])
@pytest.mark.parametrize("phase", [0.2, 0.45, 0.8, 0.85])
def test_p_and_t_waves_after_samples_that_are_missing_at_the_start_are_no_beats(
    seconds: float, phase: float
) -> None:
    fs = 250.0
    record = synthetic_ecg(20, fs, seed=4)
    marks = record.annotations
    assert marks is not None
    r = marks.sample / fs
    first = round((r[2] - phase * (r[2] - r[1])) * fs)
    signal = record.signal[first:, 0]
    missing = np.full(round(seconds * fs), np.nan)
    found = detect(np.concatenate([missing, signal]), fs) - len(missing) + first
    assert np.all(found_near(marks.sample, found, fs))
    assert found_near(found, marks.sample[3:], fs).all()
