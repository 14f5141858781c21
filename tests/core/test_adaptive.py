"""The adaptive detector: its slow twin, chunks, gain, bad input, silence, delays, accuracy."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from c_programs import CSRC
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
from thorough import thorough_cases
from twins import adaptive as twin
from twins.adaptive import constants as adaptive_constants

from ecgfast import QRSDetector, read_record
from ecgfast.evaluation import flutter_intervals, is_beat, score_detection

ADAPTIVE = {"method": "adaptive"}


def detect(signal: np.ndarray, fs: float, **options) -> np.ndarray:
    # By the detector alone: `detect_qrs` takes values such as 1e30 for missing samples.
    return live(signal, fs, max(1, len(signal)), method="adaptive", **options)


# ---------------------------------------------------------------- the twin


@pytest.mark.skipif(not CSRC.is_dir(), reason="csrc/ is not beside tests/")
def test_the_twin_has_the_constants_of_the_core() -> None:
    source = (CSRC / "src" / "adaptive" / "adaptive_constants.c").read_text("utf-8")
    header = (CSRC / "src" / "adaptive" / "adaptive.h").read_text("utf-8")
    table = {name: float(x) for name, x in re.findall(r"\.(\w+) = (-?[\d.]+)f,", source)}
    fields = re.search(r"typedef struct adaptive_constants \{(.*?)\}", header, re.S)
    assert fields is not None
    declared = re.findall(r"\w+(?=[,;])", re.sub(r"/\*.*?\*/", "", fields[1]))
    assert sorted(table) == sorted(declared)
    assert vars(adaptive_constants.CONSTANT) == table

    sizes = dict(re.findall(r"#define (\w+) (-?[\d.]+)f?\s", header))
    used = {name: x for name, x in vars(adaptive_constants).items() if name in sizes}
    assert len(used) == 20
    assert used == {name: float(sizes[name]) for name in used}


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 333.3, 360.0, 500.0, 1000.0])
def test_agrees_with_the_twin(fs: float) -> None:
    for signal in (synthetic_ecg(20, fs, muscle=0.05, seed=2).signal[:, 0], spoilt(fs)):
        found = detect(signal, fs)
        assert len(found) > 15
        assert np.array_equal(found, twin.detect(signal, fs))


@pytest.mark.parametrize("max_delay", [0.35, 0.5, 1.0, 2.0])
def test_agrees_with_the_twin_in_a_hurry(max_delay: float) -> None:
    signal = spoilt(360.0)
    found = detect(signal, 360.0, max_delay=max_delay)
    assert np.array_equal(found, twin.detect(signal, 360.0, max_delay))


@pytest.mark.parametrize("leads", [2, 3])
def test_agrees_with_the_twin_on_several_leads(leads: int) -> None:
    signal = spoilt(250.0, leads)
    assert np.array_equal(detect(signal, 250.0), twin.detect(signal, 250.0))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["noise", "smaller", *thorough_cases("motion", "larger")])
def test_agrees_with_the_twin_after_a_bad_stretch(kind: str) -> None:
    signal, _, _ = bad_stretch(kind, 250.0, 75.0, 8, 5.0)
    for samples in (signal, np.stack([signal, -0.5 * signal], axis=1)):
        found = detect(samples, 250.0)
        assert len(found) > 40
        assert np.array_equal(found, twin.detect(samples, 250.0))


@pytest.mark.parametrize(
    "name", ["mitdb/208", *thorough_cases("mitdb/119", "mitdb/124", "mitdb/231")]
)
def test_agrees_with_the_twin_after_a_bad_stretch_of_a_recording(name, record_path) -> None:
    record = read_record(record_path(name))
    fs = record.fs
    clean = record.signal[int(60 * fs) : int(100 * fs)]
    for kind in ("noise", "motion"):
        signal, _ = spoil(clean[:, 0], kind, fs, int(20 * fs), int(26 * fs), 3)
        for samples in (signal, np.column_stack([signal, clean[:, 1]])):
            assert np.array_equal(detect(samples, fs), twin.detect(samples, fs))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    [
        "excerpts/mitdb/208",
        "excerpts/nstdb/118e06",
        "excerpts/svdb/881",
        *thorough_cases("mitdb/108", "mitdb/203", "mitdb/207", "mitdb/232", "svdb/865"),
    ],
)
@pytest.mark.parametrize("leads", [1, 2])
def test_agrees_with_the_twin_on_a_recording(name, leads, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[: int(120 * record.fs), :leads]
    found = detect(signal, record.fs)
    assert len(found) > len(signal) / record.fs * 0.8
    assert np.array_equal(found, twin.detect(signal, record.fs))


@pytest.mark.parametrize(
    "name", ["mitdb/208", *thorough_cases("mitdb/100", "mitdb/105", "mitdb/119")]
)
def test_agrees_with_the_twin_where_a_recording_begins_with_noise(name, record_path) -> None:
    record = read_record(record_path(name))
    clean = record.signal[: int(40 * record.fs)]
    signal = noisy_start(clean[:, 0], record.fs, 6.2)
    signal[int(25 * record.fs) :] /= 8
    found = detect(signal, record.fs)
    assert len(found) > 20
    assert np.array_equal(found, twin.detect(signal, record.fs))
    both = np.column_stack([signal, clean[:, 1]])
    assert np.array_equal(detect(both, record.fs), twin.detect(both, record.fs))


# ---------------------------------------------------------------- the same however it comes


@pytest.mark.parametrize("fs", [128.0, 360.0, 499.31, 2000.0])
def test_chunks_change_nothing(fs: float) -> None:
    signal = spoilt(fs)[: int(24 * fs)]
    whole = detect(signal, fs)
    assert len(whole) > 15
    for size in (1, 7, 360):
        assert np.array_equal(live(signal, fs, size, **ADAPTIVE), whole)
    both = spoilt(fs, 2)[: int(24 * fs)]
    assert np.array_equal(live(both, fs, 7, **ADAPTIVE), detect(both, fs))


def test_resumes_from_a_pickle() -> None:
    signal = spoilt(360.0)
    detector = QRSDetector(360.0, **ADAPTIVE)
    first = detector.process(signal[:5001])
    detector = pickle.loads(pickle.dumps(detector))
    found = np.concatenate([first, detector.process(signal[5001:]), detector.flush()])
    assert np.array_equal(found, detect(signal, 360.0))


@pytest.mark.parametrize("gain", [1e-4, 0.37, 1e4, -1.0, -250.0])
def test_gain_and_polarity_change_no_r_peak(gain: float) -> None:
    signal = spoilt(360.0)
    assert np.array_equal(detect(signal * np.float32(gain), 360.0), detect(signal, 360.0))


def test_offset_changes_no_r_peak() -> None:
    # In steps of 1/1024 mV, so that float32 holds the sum exactly.
    signal = np.round(synthetic_ecg(60, 360.0, wander=0.3, muscle=0.05).signal[:, 0] * 1024) / 1024
    whole = detect(signal, 360.0)
    assert len(whole) > 50
    for offset in (-300.0, 5.0, 1000.0):
        assert np.array_equal(detect(signal + offset, 360.0), whole)


def test_gain_changes_no_r_peak_of_a_recording(record_path) -> None:
    record = read_record(record_path("mitdb/203"))
    signal = record.signal[: int(300 * record.fs), 0]
    whole = detect(signal, record.fs)
    for gain in (1e-4, -3.0, 1e4):
        assert np.array_equal(detect(signal * np.float32(gain), record.fs), whole)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("fs", [128.0, 250.0, 500.0])
@pytest.mark.parametrize(
    "kind",
    [
        *("zero", "missing", "offset", "dither", "white", "walk", "flicker"),
        *("mains 50", "mains 60", "breath"),
    ],
)
def test_silence_in_silence_out(kind: str, fs: float) -> None:
    assert len(detect(no_signal(kind, fs), fs)) == 0


@pytest.mark.parametrize("kind", ["white", "walk", "muscle", "of the band"])
def test_noise_alone_has_no_beats(kind: str) -> None:
    fs, n = 250.0, 300 * 250
    hz = np.fft.rfftfreq(n, 1 / fs)
    low, high = {"muscle": (20, 125), "of the band": (5, 25)}.get(kind, (0, 125))
    for seed in range(24):
        white = np.random.default_rng(seed).normal(size=n)
        noise = np.fft.irfft(np.fft.rfft(white) * ((hz >= low) & (hz <= high)), n)
        assert len(detect(np.cumsum(noise) if kind == "walk" else noise, fs)) == 0


@pytest.mark.thorough
@pytest.mark.parametrize("length", [4.0, 10.0])
@pytest.mark.parametrize(
    ("rate", "seed"), [(52.0, 1), (60.0, 2), (75.0, 8), (110.0, 4), (140.0, 5)]
)
@pytest.mark.parametrize("kind", BAD)
def test_beats_come_back_within_two_seconds(
    kind: str, rate: float, seed: int, length: float
) -> None:
    fs = 360.0
    signal, reference, stretch = bad_stretch(kind, fs, rate, seed, length)
    assert_beats_are_back(detect(signal, fs), reference, stretch, fs)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("kind", ["noise", "motion", "smaller", "larger"])
def test_beats_of_a_recording_come_back_within_two_seconds(kind, name, record_path) -> None:
    record = read_record(record_path(name), leads=0)
    fs, first = record.fs, int(600 * record.fs)
    clean = record.signal[first : first + int(60 * fs), 0]
    usual = detect(clean, fs)
    signal, end = spoil(clean, kind, fs, int(20 * fs), int(26 * fs), 3)
    good = usual[(usual > end + 2 * fs) & (usual < len(clean) - fs)]
    assert np.all(found_near(detect(signal, fs), good, fs))


# Slow rhythms, and ectopic beats between the usual ones: two alike may lie two seconds apart.
SLOW = [("mitdb/119", 60), ("mitdb/124", 60), ("mitdb/231", 60)]
SLOW += thorough_cases(("mitdb/113", 1260), ("mitdb/117", 60), ("mitdb/232", 660))


@pytest.mark.parametrize(("name", "begin"), SLOW)
@pytest.mark.parametrize("kind", ["noise", "motion", "smaller"])
def test_the_first_beats_of_a_slow_rhythm_are_told_late_rather_than_lost(
    kind, name, begin, record_path
) -> None:
    record = read_record(record_path(name), leads=0)
    fs = record.fs
    clean = record.signal[int(begin * fs) : int((begin + 60) * fs), 0]
    usual = detect(clean, fs)
    signal, end = spoil(clean, kind, fs, int(20 * fs), int(26 * fs), 3)
    early = usual[(usual > end) & (usual <= end + 2 * fs)]
    # The one early beat of 124 after motion is as faint and as unlike the kept shape as P waves in
    # standstill, which must not be told: the first is the next one.
    if (name, kind) == ("mitdb/124", "motion"):
        early = usual[(usual > end) & (usual <= end + 3 * fs)]
    assert np.any(found_near(detect(signal, fs), early, fs))
    assert max(delays(signal, fs, **ADAPTIVE)) <= 2.5


@pytest.mark.parametrize("seconds", [4.0, 5.5, 9.0])
def test_a_noisy_start_is_forgotten_within_two_seconds(seconds: float) -> None:
    fs = 250.0
    record = synthetic_ecg(40, fs, muscle=0.02, seed=5)
    reference = record.annotations.sample
    good = reference[reference > (seconds + 2) * fs]
    signal = noisy_start(record.signal[:, 0], fs, seconds)
    assert np.all(found_near(detect(signal, fs), good, fs)[:-1])


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_noisy_start_of_a_recording_is_forgotten(name, record_path) -> None:
    record = read_record(record_path(name), leads=0)
    fs, first = record.fs, int(600 * record.fs)
    clean = record.signal[first : first + int(30 * fs), 0]
    usual = detect(clean, fs)
    good = usual[(usual > 7.5 * fs) & (usual < len(clean) - fs)]
    found = detect(noisy_start(clean, fs, 5.5), fs)
    assert np.all(found_near(found, good, fs))
    assert np.all(found > 5 * fs)


@pytest.mark.parametrize(("name", "most"), [("nstdb/bw", 3.0), ("nstdb/ma", 15.0)])
def test_recorded_noise_seldom_passes_for_beats(name: str, most: float, record_path) -> None:
    noise = read_record(record_path(name))
    minutes = noise.n_samples / noise.fs / 60
    for lead in noise.signal.T:
        assert len(detect(lead, noise.fs)) <= most * minutes


@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("fs", [250.0, 360.0, 500.0])
def test_mains_of_the_size_of_the_qrs_complex(mains: float, fs: float) -> None:
    record = synthetic_ecg(60, fs, muscle=0.02, seed=6)
    signal = record.signal[:, 0] + np.sin(2 * np.pi * mains * np.arange(len(record.signal)) / fs)
    found, reference = detect(signal, fs), record.annotations.sample[1:-1]
    assert np.all(found_near(found, reference, fs))
    assert abs(len(found) - len(reference)) <= 2


def test_a_lead_that_falls_off_takes_no_beat_with_it() -> None:
    fs = 360.0
    record = synthetic_ecg(60, fs, muscle=0.02, seed=7)
    both = np.repeat(record.signal[:, :1], 2, axis=1)
    both[:, 1] *= -0.4
    reference = record.annotations.sample[1:-1]
    rng = np.random.default_rng(7)
    for lead in (0, 1):
        for what in ("flat", "missing", "noise"):
            signal = both.copy()
            stretch = slice(int(20 * fs), int(40 * fs))
            if what == "flat":
                signal[stretch, lead] = 0
            elif what == "missing":
                signal[stretch, lead] = np.nan
            else:
                signal[stretch, lead] = rng.normal(0, 0.3, stretch.stop - stretch.start)
            found = detect(signal, fs)
            assert np.count_nonzero(~found_near(found, reference, fs)) == 0, (lead, what)
            assert len(found) <= len(reference) + 3, (lead, what)


def test_a_lead_that_joins_late_is_used() -> None:
    fs = 360.0
    record = synthetic_ecg(60, fs, muscle=0.02, seed=9)
    signal = np.repeat(record.signal[:, :1], 2, axis=1)
    signal[: int(20 * fs), 1] = np.nan
    signal[int(30 * fs) :, 0] = np.nan
    reference = record.annotations.sample[1:-1]
    assert np.all(found_near(detect(signal, fs), reference, fs))


# ---------------------------------------------------------------- delays


def test_reports_in_time(record_path) -> None:
    quiet = read_record(record_path("mitdb/100")).signal[:21600, 0]
    assert np.median(delays(quiet, 360.0, **ADAPTIVE)) <= 0.21
    record = read_record(record_path("mitdb/203"))
    signal = record.signal[: int(120 * record.fs), 0]
    usual = delays(signal, record.fs, **ADAPTIVE)
    assert max(usual[5:]) <= 1.4
    assert max(usual) <= 2.5
    assert QRSDetector(record.fs, **ADAPTIVE).delay >= max(usual[5:]) * record.fs
    hurried = delays(signal, record.fs, max_delay=0.5, **ADAPTIVE)
    assert max(hurried) <= 0.55
    assert len(hurried) > 0.95 * len(usual)


def test_first_beats_are_told_in_retrospect() -> None:
    record = synthetic_ecg(10, 360.0, muscle=0.02, seed=1)
    reference = record.annotations.sample
    inside = reference[(reference > 36) & (reference < 3500)]
    assert np.all(found_near(detect(record.signal[:, 0], 360.0), inside, 360.0))


@pytest.mark.parametrize("rate", [38, 42, 46, 50, 60])
def test_slow_hearts_are_told_from_their_t_waves(rate: float) -> None:
    errors = beats = 0
    for seed in range(6):
        record = synthetic_ecg(30, 250.0, heart_rate=rate, muscle=0.02, seed=seed)
        found, reference = detect(record.signal[:, 0], 250.0), record.annotations.sample
        errors += np.count_nonzero(~found_near(reference, found, 250.0))
        errors += np.count_nonzero(~found_near(found, reference[1:-1], 250.0))
        beats += len(reference)
    assert errors <= 0.02 * beats


# ---------------------------------------------------------------- accuracy


# Missed and false beats allowed over the whole record, from its first sample.
RECORDS = {
    "mitdb/100": (1, 0),
    "mitdb/108": (8, 9),
    "mitdb/119": (0, 0),
    "mitdb/203": (35, 35),
    "mitdb/208": (15, 8),
    "mitdb/222": (6, 4),
    "mitdb/231": (4, 2),
    "svdb/800": (4, 6),
}


@pytest.mark.parametrize("name", RECORDS)
def test_accuracy(name, record_path) -> None:
    record = read_record(record_path(name))
    marks = record.annotations
    beats = marks.sample[is_beat(marks.symbol)]
    score = score_detection(
        beats,
        detect(record.signal[:, 0], record.fs),
        record.fs,
        flutter=flutter_intervals(marks.sample, marks.symbol),
        start=0,
    )
    missed, false = RECORDS[name]
    assert score.fn <= missed
    assert score.fp <= false


def test_a_second_lead_helps(record_path) -> None:
    record = read_record(record_path("mitdb/116"))  # lead 0 is flat for some seconds
    marks = record.annotations
    beats = marks.sample[is_beat(marks.symbol)]
    one, two = (
        score_detection(beats, detect(record.signal[:, :n], record.fs), record.fs, start=0)
        for n in (1, 2)
    )
    assert two.fn + two.fp <= 3
    assert two.fn < one.fn
