"""Kinds of signals that detectors get wrong: each at several rates, gains and polarities."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from made_signals import QRS, Made, P, T, found_of, made, waves
from thorough import thorough_cases
from twins import adaptive as twin_adaptive
from twins import neural as twin_neural
from twins import pan_tompkins as twin_pan_tompkins

from ecgfast import BeatBatch, BeatStream, InputError, QRSDetector, detect_qrs
from ecgfast.cli import main
from ecgfast.streaming.beat import Quality

METHODS = ("adaptive", "pan-tompkins")
SIGNALS = Path(__file__).parent.parent / "signals"


def twin(signal: np.ndarray, fs: float, method: str) -> np.ndarray:
    detect = twin_adaptive.detect if method == "adaptive" else twin_pan_tompkins.detected
    return detect(signal, fs)


# ---------------------------------------------------------------- missing samples


def scattered(kind: str, fs: float, gain: float, seed: int) -> Made:
    signal, r = made(20, fs, 70 + 10 * seed, gain=gain, seed=seed)
    if kind == "every other":
        signal[1::2] = np.nan
    else:
        signal[np.random.default_rng(seed).random(len(signal)) < 0.15] = np.nan
    return Made(signal, r)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fs", [250.0, 500.0, *thorough_cases(360.0, 1000.0)])
@pytest.mark.parametrize("kind", ["every other", "15 %"])
def test_scattered_missing_samples_are_bridged(kind: str, fs: float, method: str) -> None:
    for seed, gain in enumerate((1.0, -1.0, 1e3)):
        signal, r = scattered(kind, fs, gain, seed)
        found = detect_qrs(signal, fs, method=method)
        assert found_of(found, r, 0.03 * fs) == (len(r), 0)
        assert np.array_equal(found, twin(signal, fs, method))


def test_scattered_missing_samples_are_said() -> None:
    signal, _ = scattered("every other", 500.0, 1.0, 0)
    detector = QRSDetector(500.0)
    detector.process(signal)
    assert np.all(detector.quality & 1)
    assert np.all(detector.quality < 128)  # nothing that only the core knows


# ---------------------------------------------------------------- R or S


def equal_r_and_s(fs: float, tip: float, period: float, gain: float, seed: int) -> Made:
    """R and S of one size; `tip` of it goes from one to the other and back in `period` beats."""
    rng = np.random.default_rng(seed)
    seconds, rate = 40.0, 70.0
    at = 0.6 + np.cumsum(
        60 / rate * (1 + 0.004 * rng.standard_normal(int(seconds * rate / 60) - 2))
    )
    t = np.arange(int(seconds * fs)) / fs
    x = 0.01 * rng.standard_normal(len(t))
    for k, r in enumerate(at):
        sway = tip * np.sin(2 * np.pi * k / period)
        x += (1 + sway) * np.exp(-0.5 * ((t - r) / 0.011) ** 2)
        x -= (1 - sway) * np.exp(-0.5 * ((t - r - 0.033) / 0.011) ** 2)
        x += 0.2 * np.exp(-0.5 * ((t - r - 0.3) / 0.05) ** 2)
    return Made(gain * x, np.round(at * fs).astype(np.int64))


@pytest.mark.parametrize("fs", [250.0, *thorough_cases(500.0)])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("tip", "period"), [(0.12, 4.4), (0.05, 2.0), (0.15, 7.3)])
def test_r_peaks_stay_on_one_of_two_equal_deflections(tip, period, method, fs) -> None:
    for seed, gain in enumerate((1.0, -1.0)):
        signal, r = equal_r_and_s(fs, tip, period, gain, seed)
        found = detect_qrs(signal, fs, method=method)
        assert len(found) == len(r)
        off = (found - r) / fs
        assert np.ptp(off) < 0.015  # R or S, 33 ms apart, but never both
        rr = np.diff(found) / fs
        assert np.sqrt(np.mean(np.diff(rr) ** 2)) < 0.008
        assert np.array_equal(found, twin(signal, fs, method))


def test_given_r_peaks_stay_on_one_of_two_equal_deflections() -> None:
    fs = 500.0
    signal, r = equal_r_and_s(fs, 0.12, 4.4, 1.0, 0)
    stream = BeatStream(fs, method="external")
    found = np.concatenate([stream.process(signal, r).sample, stream.flush().sample])
    assert np.ptp(found - r) < 0.015 * fs


def test_another_deflection_takes_over_where_it_is_higher() -> None:
    """R is the higher one, then S: the R peak follows within ten beats or so."""
    fs, seconds, rate = 360.0, 60.0, 75.0
    rng = np.random.default_rng(1)
    at = np.arange(0.6, seconds - 0.5, 60 / rate)
    t = np.arange(int(seconds * fs)) / fs
    x = 0.01 * rng.standard_normal(len(t))
    for k, r in enumerate(at):
        up, down = (1.0, 0.8) if k < len(at) // 2 else (0.8, 1.0)
        x += up * np.exp(-0.5 * ((t - r) / 0.011) ** 2)
        x -= down * np.exp(-0.5 * ((t - r - 0.033) / 0.011) ** 2)
    for method in METHODS:
        off = detect_qrs(x, fs, method=method) / fs - at
        half = len(at) // 2
        assert np.all(np.abs(off[:half]) < 0.01)
        assert np.all(np.abs(off[half + 12 :] - 0.033) < 0.01)


def test_an_ectopic_beat_has_its_own_r_peak() -> None:
    fs = 360.0
    signal, r = made(30, fs, 70, jitter=0.0, seed=2)
    t = np.arange(len(signal)) / fs
    premature = (r[[10, 20]] / fs + 0.5).tolist()
    for at in premature:
        signal -= 1.6 * np.exp(-0.5 * ((t - at) / 0.025) ** 2)
    found = detect_qrs(signal, fs, method="adaptive")
    for at in premature:
        assert np.min(np.abs(found / fs - at)) < 0.01
    assert found_of(found, r, 0.01 * fs)[0] == len(r)


@pytest.mark.parametrize("method", METHODS)
def test_the_choice_is_part_of_a_snapshot(method: str) -> None:

    fs = 500.0
    signal, _ = equal_r_and_s(fs, 0.12, 4.4, 1.0, 3)
    whole = detect_qrs(signal, fs, method=method)
    detector, parts = QRSDetector(fs, method=method), []
    for k in range(0, len(signal), 1777):
        parts.append(detector.process(signal[k : k + 1777]))
        detector = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(np.concatenate([*parts, detector.flush()]), whole)


# ---------------------------------------------------------------- small animals


def small_animal(fs: float, rate: float, seed: int) -> Made:
    """A mouse's or rat's ECG: a person's, as many times faster as its heart."""
    person = made(20, fs * 110 / rate, 110, noise=0.01, seed=seed)
    return Made(person.signal, person.r)


@pytest.mark.parametrize(
    ("fs", "rate", "max_rate"),
    [(1000.0, 540.0, 900.0), (2000.0, 700.0, 900.0), (1000.0, 380.0, 600.0)],
)
def test_small_animals(fs: float, rate: float, max_rate: float) -> None:
    signal, r = small_animal(fs, rate, 1)
    for method in METHODS:
        found = detect_qrs(signal, fs, method=method, max_rate=max_rate)
        hit, false = found_of(found, r, 0.02 * fs)
        assert hit >= 0.97 * len(r)
        assert false == 0
    batch = BeatStream(fs, max_rate=max_rate, method="adaptive").process(signal)
    assert np.nanmedian(batch.rr) == pytest.approx(60 / rate, rel=0.03)


def test_max_rate_is_another_clock() -> None:
    """The same samples at a third of fs: the same R peaks."""
    signal, _ = small_animal(1200.0, 540.0, 2)
    for method in METHODS:
        slow = detect_qrs(signal, 400.0, method=method, max_delay=0.6)
        fast = detect_qrs(signal, 1200.0, method=method, max_rate=900.0, max_delay=0.2)
        assert np.array_equal(slow, fast)


def test_max_rate_out_of_range() -> None:
    for bad in (0, 299, 901, float("nan")):
        with pytest.raises(InputError, match="max_rate"):
            QRSDetector(1000.0, max_rate=bad)
    with pytest.raises(InputError, match="max_rate=900"):
        QRSDetector(250.0, max_rate=900)
    assert QRSDetector(250.0).max_rate == 300
    assert QRSDetector(500.0, max_rate=600).max_rate == 600


def test_max_rate_survives_a_pickle() -> None:
    signal, _ = small_animal(1000.0, 540.0, 3)
    detector = QRSDetector(1000.0, max_rate=900)
    parts = [detector.process(signal[:1500])]
    detector = pickle.loads(pickle.dumps(detector))
    assert detector.max_rate == 900
    parts += [detector.process(signal[1500:]), detector.flush()]
    assert np.array_equal(np.concatenate(parts), detect_qrs(signal, 1000.0, max_rate=900))
    stream = pickle.loads(pickle.dumps(BeatStream(1000.0, max_rate=900)))
    assert stream.max_rate == 900


@pytest.mark.parametrize("method", METHODS)
def test_a_rate_near_the_limit_is_said(method: str) -> None:
    fs = 500.0
    for rate, said in ((285.0, True), (180.0, False)):
        narrow = [(height, off * 0.7, width * 0.7) for height, off, width in QRS]
        signal, r = made(15, fs, rate, shape=narrow, jitter=0.005)
        stream = BeatStream(fs, method=method)
        batch = BeatBatch.concatenate([stream.process(signal), stream.flush()])
        assert len(batch) >= 0.95 * len(r)
        assert np.mean((batch.quality[8:] & Quality.RATE_LIMIT) > 0) == said


def test_max_rate_on_the_command_line(tmp_path, capsys) -> None:
    signal, r = small_animal(1000.0, 540.0, 4)
    np.save(tmp_path / "mouse.npy", signal[:, None].astype(np.float32))
    files = [str(tmp_path / "mouse.npy"), "--output", str(tmp_path / "out.csv")]
    assert main(["detect", *files, "--fs", "1000", "--max-rate", "900", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["beats"] == pytest.approx(len(r), abs=1)


# ---------------------------------------------------------------- fast rates


@pytest.mark.parametrize("fs", [250.0, *thorough_cases(360.0, 500.0)])
@pytest.mark.parametrize("rate", [210.0, 240.0, 270.0, 295.0])
def test_every_beat_of_a_fast_rhythm(rate: float, fs: float) -> None:
    narrow = [(height, 0.85 * off, 0.85 * width) for height, off, width in QRS]
    wave = (0.2, 0.13 * 240 / rate, 0.035 * 240 / rate)
    for seed, gain in enumerate((1.0, -1e-2)):
        signal, r = made(20, fs, rate, shape=(*narrow, wave), jitter=0.01, gain=gain, seed=seed)
        for method in METHODS if rate < 250 else METHODS[:1]:
            found = detect_qrs(signal, fs, method=method)
            hit, false = found_of(found, r, 0.05 * fs)
            assert hit >= 0.97 * len(r)
            assert false == 0
        assert np.array_equal(
            detect_qrs(signal, fs, method="adaptive"), twin(signal, fs, "adaptive")
        )


# ---------------------------------------------------------------- standstill


def standstill(fs: float, rate: float, height: float, gain: float, seed: int) -> Made:
    """P waves all along; QRS complexes stop from 14 to 28 s."""
    rng = np.random.default_rng(seed)
    p = 0.5 + np.arange(0, 38, 60 / rate)
    beats = p[(p < 14) | (p > 28)]
    x = waves(p, ((height, P[1], P[2]),), fs, 40) + waves(beats, (*QRS, T), fs, 40)
    return Made(gain * (x + 0.01 * rng.standard_normal(len(x))), np.round(beats * fs).astype(int))


@pytest.mark.parametrize("fs", [250.0, *thorough_cases(360.0, 500.0)])
def test_p_waves_are_no_beats_where_qrs_complexes_stop(fs: float) -> None:
    for seed, (rate, height, gain) in enumerate(
        ((60.0, 0.1, 1.0), (75.0, 0.15, -1.0), (90.0, 0.18, 100.0))
    ):
        signal, r = standstill(fs, rate, height, gain, seed)
        found = detect_qrs(signal, fs, method="adaptive")
        hit, false = found_of(found, r, 0.08 * fs)
        assert false == 0
        assert hit >= len(r) - 1  # all but the first after it at most
        assert np.array_equal(found, twin(signal, fs, "adaptive"))


# ---------------------------------------------------------------- wide and smooth


@pytest.mark.parametrize("fs", [250.0, 360.0, 500.0])
@pytest.mark.parametrize("width", [0.15, 0.17])
def test_smooth_wide_complexes_are_found(width: float, fs: float) -> None:
    for seed, (rate, gain) in enumerate(((65.0, 1.0), (92.0, -1.0))):
        rng = np.random.default_rng(seed)
        at = np.arange(0.7, 24, 60 / rate)
        t = np.arange(int(25 * fs)) / fs
        x = waves(at, ((-0.25, 0.28, 0.06), (0.08, -0.22, 0.025)), fs, 25)
        for r in at:
            rise, fall = t - r + width / 2, t - r - width / 2
            x += 0.4 * (np.tanh(rise / 0.02) - np.tanh(fall / 0.02))
        x += 0.005 * rng.standard_normal(len(x))
        found = detect_qrs(gain * x, fs, method="adaptive")
        # Two beats in the first seconds may be too few to tell them from noise.
        settled = np.round(at[at > 4] * fs).astype(int)
        assert found_of(found, settled, 0.16 * fs)[0] == len(settled)
        assert found_of(found, np.round(at * fs).astype(int), 0.16 * fs)[1] == 0


# ---------------------------------------------------------------- tall T waves


@pytest.mark.parametrize("fs", [250.0, *thorough_cases(360.0, 500.0)])
@pytest.mark.parametrize("width", [0.075, 0.09])
@pytest.mark.parametrize("height", [1.0, 1.6, 2.2])
def test_tall_peaked_t_waves_are_no_beats(height: float, width: float, fs: float) -> None:
    """Hyperkalaemia: T waves taller than R, so wide at half their height."""
    for seed, (rate, gain, direction) in enumerate(((50, 1, 1), (70, -1, 1), (100, 1e2, -1))):
        t_wave = (direction * height, 0.26 if rate > 90 else 0.28, width / 2.355)
        signal, r = made(24, fs, rate, shape=(P, *QRS, t_wave), gain=gain, seed=seed)
        found = detect_qrs(signal, fs, method="adaptive")
        assert found_of(found, r, 0.08 * fs) == (len(r), 0)
        assert np.array_equal(found, twin(signal, fs, "adaptive"))


# ---------------------------------------------------------------- pacing spikes


def paced(fs: float, rate: float, spike: float, chambers: str, gain: float, seed: int) -> Made:
    """Spikes of `spike` mV, at most 2 ms: atrial (A) 200 ms before R, ventricular (V) 50 ms."""
    signal, r = made(24, fs, rate, jitter=0.01, seed=seed)
    width = max(1, int(0.002 * fs))
    for before in [{"A": 0.2, "V": 0.05}[chamber] for chamber in chambers]:
        for at in r - round(before * fs):
            signal[at : at + width] += spike
    return Made(gain * signal, r)


@pytest.mark.parametrize("fs", [250.0, 500.0, *thorough_cases(360.0)])
@pytest.mark.parametrize("chambers", ["A", "V", "AV"])
@pytest.mark.parametrize("spike", [2.0, 8.0, -15.0])
def test_pacing_spikes_are_no_beats(spike: float, chambers: str, fs: float) -> None:
    for seed, (rate, gain) in enumerate(((60.0, 1.0), (85.0, -10.0))):
        signal, r = paced(fs, rate, spike, chambers, gain, seed)
        found = detect_qrs(signal, fs, method="adaptive")
        assert found_of(found, r, 0.08 * fs) == (len(r), 0)
        assert np.array_equal(found, twin(signal, fs, "adaptive"))
        both = np.column_stack([signal, -0.5 * signal])
        found = detect_qrs(both, fs, method="adaptive")
        assert found_of(found, r, 0.08 * fs) == (len(r), 0)
        assert np.array_equal(found, twin(both, fs, "adaptive"))


@pytest.mark.parametrize("fs", [250.0, 1000.0, *thorough_cases(500.0)])
@pytest.mark.parametrize("spike", [8.0, -15.0])
@pytest.mark.parametrize("method", ["neural", *METHODS])
def test_the_r_peak_of_a_paced_beat_is_not_its_spike(method: str, spike: float, fs: float) -> None:
    signal, r = paced(fs, 70.0, spike, "V", 1.0, 1)
    found = detect_qrs(signal, fs, method=method)
    assert found_of(found, r, 0.02 * fs) == (len(r), 0)
    marked = BeatStream(fs, method="external")
    given = marked.finish(signal, r - round(0.03 * fs)).sample
    assert found_of(given, r, 0.02 * fs) == (len(r), 0)
    if method != "neural":
        assert np.array_equal(found, twin(signal, fs, method))
    else:
        assert np.array_equal(found, twin_neural.detect(signal, fs))


def test_chunks_change_nothing_beside_pacing_spikes() -> None:
    fs = 500.0
    signal, _ = paced(fs, 70.0, 8.0, "AV", 1.0, 3)
    whole = detect_qrs(signal, fs, method="adaptive")
    for size in (1, 7, 130):
        detector, parts = QRSDetector(fs, method="adaptive"), []
        for k in range(0, len(signal), size):
            parts.append(detector.process(signal[k : k + size]))
        assert np.array_equal(np.concatenate([*parts, detector.flush()]), whole)


# ---------------------------------------------------------------- third-degree block


def escape_rhythm(fs: float, p_rate: float, rate: float, gain: float, seed: int) -> Made:
    """P waves of 0.12 mV that go their own way, and wide escape beats of 1 mV."""
    rng = np.random.default_rng(seed)
    seconds = 40
    p = np.arange(0.2, seconds - 0.3, 60 / p_rate)
    beats = np.arange(0.7, seconds - 0.6, 60 / rate)
    wide = ((-0.07, -0.05, 0.02), (1.0, 0.0, 0.028), (-0.2, 0.065, 0.022), (0.35, 0.3, 0.05))
    x = waves(p, ((0.12, 0.0, 0.022),), fs, seconds) + waves(beats, wide, fs, seconds)
    x += 0.01 * rng.standard_normal(len(x))
    return Made(gain * x, np.round(beats * fs).astype(np.int64))


@pytest.mark.parametrize("fs", [250.0, *thorough_cases(360.0, 500.0)])
@pytest.mark.parametrize(("p_rate", "rate"), [(75.0, 32.0), (90.0, 28.0), (105.0, 38.0)])
def test_p_waves_beside_an_escape_rhythm_are_no_beats(p_rate, rate, fs) -> None:
    for seed, gain in enumerate((1.0, -1e2)):
        signal, r = escape_rhythm(fs, p_rate, rate, gain, seed)
        found = detect_qrs(signal, fs, method="adaptive")
        hit, false = found_of(found, r, 0.08 * fs)
        assert hit == len(r)
        assert false <= 1
        assert np.array_equal(found, twin(signal, fs, "adaptive"))


@pytest.mark.parametrize(
    ("name", "most"), [("heart_block_escape32", 2), ("pacing_spikes_av", 0), ("peaked_t", 0)]
)
def test_signals_of_these_kinds(name: str, most: int) -> None:
    """In the block two T waves of the first seconds, on which P waves lie, are still beats."""
    case = np.load(SIGNALS / f"{name}.npz")
    found = detect_qrs(case["signal"], float(case["fs"]), method="adaptive")
    hit, false = found_of(found, case["r"], 0.08 * float(case["fs"]))
    assert hit == len(case["r"])
    assert false <= most
