"""Windows and features of whole streams against running state written out in Python."""

from __future__ import annotations

import numpy as np
import pytest
from shared_ecgs import demo_record, synthetic_ecg
from thorough import thorough_cases
from twins import beat_features as twin
from twins.beat_window import cut
from twins.lead import cleaned

from ecgfast import BeatBatch, BeatStream, WindowSpec, read_record
from ecgfast.core import FEATURE_NAMES

PATIENCE_S = 3.0
GRID = WindowSpec()
# Of values of order one: the core keeps windows and templates in single precision.
LIMIT = 5e-5


def stream_beats(
    signal: np.ndarray, fs: float, marks: np.ndarray, lookahead: int, window: WindowSpec
) -> BeatBatch:
    stream = BeatStream(fs, method="external", lookahead=lookahead, window=window)
    return BeatBatch.concatenate([stream.process(signal, marks), stream.flush()])


def twin_beats(
    signal: np.ndarray, fs: float, r_samples: np.ndarray, lookahead: int, window: WindowSpec
) -> tuple[np.ndarray, np.ndarray]:
    state = twin.Features(*window[:3])
    clean = cleaned(signal, fs)[0].astype(np.float64)
    windows, features, levels = [], [], []
    for i, r in enumerate(r_samples):
        rr = (r - r_samples[i - 1]) / fs if i else float("nan")
        shown, f, level = state.take(cut(clean, int(r), fs, *window[:3]), rr)
        windows.append(shown)
        features.append(f)
        levels.append(level)
    if lookahead:
        for i, (f, level) in enumerate(zip(features, levels, strict=True)):
            if i + 1 < len(r_samples):
                rr = (r_samples[i + 1] - r_samples[i]) / fs
                twin.look_ahead(f, level, min(rr, np.ceil(PATIENCE_S * fs) / fs))
            elif len(signal) - r_samples[i] >= PATIENCE_S * fs:
                twin.look_ahead(f, level, np.ceil(PATIENCE_S * fs) / fs)
    table = np.array([[f[name] for name in FEATURE_NAMES] for f in features])
    return np.array(windows), table


def compare(
    signal: np.ndarray,
    fs: float,
    marks: np.ndarray,
    lookahead: int = 0,
    window: WindowSpec = GRID,
) -> None:
    batch = stream_beats(signal, fs, marks, lookahead, window)
    assert len(batch) == len(marks)
    windows, features = twin_beats(signal, fs, batch.sample, lookahead, window)
    assert np.abs(batch.windows - windows).max() < LIMIT
    off = np.abs(batch.features - features) - LIMIT * np.abs(features)
    worst = np.unravel_index(off.argmax(), off.shape)
    assert off.max() < LIMIT, f"beat {worst[0]}, {FEATURE_NAMES[worst[1]]}"


@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("fs", [100.0, 128.0, 360.0, 499.31, 2000.0])
def test_agrees_with_the_twin(fs: float, lookahead: int) -> None:
    record = synthetic_ecg(
        25, fs, ventricular=0.15, supraventricular=0.1, wander=0.1, muscle=0.03, seed=11
    )
    compare(record.signal[:, 0], fs, record.annotations.sample[1:-1], lookahead)


@pytest.mark.parametrize(("before", "forgotten"), [(4, True), (7, True), (8, False)])
def test_what_came_before_a_long_silence_at_the_start_is_forgotten(
    before: int, forgotten: bool
) -> None:
    """Pulses of an electrode that is being put on: the patient comes after them."""
    fs = 250.0
    record = synthetic_ecg(30, fs, seed=3)
    heart, beats = record.signal[:, 0], record.annotations.sample[1:-1]
    pulses = np.zeros(round(22 * fs), np.float32)
    at = np.arange(before) * round(0.5 * fs) + round(0.5 * fs)
    for pulse in at:
        pulses[pulse - 3 : pulse + 4] = -2.0
    signal = np.concatenate([pulses, heart])
    marks = np.concatenate([at, beats + len(pulses)])
    compare(signal, fs, marks)
    alone = stream_beats(heart, fs, beats, 0, GRID)
    after = stream_beats(signal, fs, marks, 0, GRID)
    late = slice(4, None)  # the level of the baseline settles in the first beats
    same = np.allclose(after.features[before:][late], alone.features[late], atol=1e-3)
    assert same is forgotten


def test_agrees_with_the_twin_on_the_demo_recording() -> None:
    record = demo_record()
    for lead in (0, 1):
        compare(record.signal[:, lead], record.fs, record.annotations.sample, lookahead=1)


def test_agrees_with_the_twin_on_another_grid() -> None:
    record = demo_record()
    compare(
        record.signal[:, 0],
        record.fs,
        record.annotations.sample[:30],
        window=WindowSpec(250.0, 60, 90),
    )
    compare(
        record.signal[:, 0],
        record.fs,
        record.annotations.sample[:30],
        window=WindowSpec(100.0, 10, 10),
    )


# Bigeminy, paced-like shapes, flutter, muscle: everything that moves templates about.
@pytest.mark.parametrize(
    ("name", "start", "seconds"),
    [
        ("excerpts/mitdb/208", 0, 60),
        ("excerpts/svdb/881", 0, 60),
        *thorough_cases(
            ("mitdb/200", 100, 90),
            ("mitdb/207", 1500, 60),
            ("mitdb/114", 20, 60),
            ("mitdb/232", 60, 60),
            ("svdb/800", 0, 90),
        ),
    ],
)
def test_agrees_with_the_twin_on_recordings(name, start, seconds, record_path) -> None:
    from ecgfast.evaluation import is_beat

    record = read_record(record_path(name))
    first, last = (round(s * record.fs) for s in (start, start + seconds))
    marks = record.annotations.sample[is_beat(record.annotations.symbol)] - first
    marks = marks[(marks > 0) & (marks < last - first)]
    compare(record.signal[first:last, 0], record.fs, marks, lookahead=1)


@pytest.mark.thorough
def test_more_than_the_memory_of_shares_and_templates() -> None:
    """Past the 128 beats that shares remember, the 64 of the RR average and the 24 of templates."""
    record = synthetic_ecg(150, 128.0, heart_rate=90, ventricular=0.1, muscle=0.05, seed=4)
    compare(record.signal[:, 0], 128.0, record.annotations.sample[:-1])


def test_a_pause_counts_as_three_seconds() -> None:
    record = synthetic_ecg(20, 250.0, seed=2)
    marks = record.annotations.sample
    marks = marks[(marks < 8 * 250) | (marks > 13 * 250)][:-4]
    compare(record.signal[:, 0], 250.0, marks, lookahead=1)


@pytest.mark.parametrize("minutes", [1, 60])
def test_a_gap_says_nothing_of_the_rhythm_after_it(minutes: int) -> None:
    """An average that had taken the gap for an interval made the beats after it look early."""
    fs = 250
    ecg = synthetic_ecg(60.0, float(fs), seed=1)
    signal, marks = ecg.signal[:, 0], ecg.annotations.sample
    gap, at = minutes * 60 * fs, 30 * fs
    silence = np.full(gap, np.nan, np.float32)
    parts = np.concatenate([signal[:at], silence, signal[at:]])
    batch = stream_beats(parts, fs, np.where(marks < at, marks, marks + gap), 0, GRID)
    whole = stream_beats(signal, fs, marks, 0, GRID)
    after = np.flatnonzero(marks > at)[1:]
    for name in ("rr_ratio", "rr_ratio_long", "rr_local", "home_ratio"):
        i = FEATURE_NAMES.index(name)
        np.testing.assert_allclose(batch.features[after, i], whole.features[after, i], atol=0.08)


def test_a_flat_signal_has_no_shape() -> None:
    signal = np.zeros(3600, np.float32)
    batch = stream_beats(signal, 360.0, np.arange(300, 3300, 300), 1, GRID)
    assert len(batch) == 10
    assert np.isfinite(batch.windows).all()
    assert np.isfinite(batch.features).all()
    assert not batch.windows.any()
    assert batch.rr[1:] == pytest.approx(np.diff(batch.sample) / 360.0)


@pytest.mark.parametrize("level", [0.0, 0.3, -1.234567, 97.1])
def test_a_level_line_has_no_p_wave_whatever_its_level(level: float) -> None:
    marks = np.arange(300, 3300, 300)
    signal = np.full(3600, level, np.float32)
    for mark in marks:
        signal[mark - 5 : mark + 6] += np.hanning(11).astype(np.float32)
    batch = stream_beats(signal, 360.0, marks, 0, GRID)
    table = dict(zip(FEATURE_NAMES, batch.features.T, strict=True))
    for name in ("p_size", "p_level", "p_correlation", "t_correlation"):
        assert not table[name].any(), name
    assert table["qrs_correlation"][1:].min() > 0.999


def test_features_say_what_their_names_say() -> None:
    record = synthetic_ecg(60, 360.0, ventricular=0.12, seed=9)
    marks = record.annotations
    batch = stream_beats(record.signal[:, 0], 360.0, marks.sample, 1, GRID)
    table = dict(zip(FEATURE_NAMES, batch.features.T, strict=True))
    settled = table["experience"] > 0.3
    normal, ventricular = ((marks.symbol == s) & settled for s in "NV")
    assert ventricular.sum() >= 4
    assert table["qrs_correlation"][normal].min() > 0.97
    assert table["qrs_correlation"][ventricular].max() < 0.9
    assert (
        table["qrs_width_ratio"][ventricular].min() > 0.2 > table["qrs_width_ratio"][normal].max()
    )
    assert table["rr_ratio"][ventricular].max() < -0.2  # premature
    single = ventricular[:-1] & (marks.symbol[1:] == "N")
    assert table["rr_next"][:-1][single].min() > 0.1  # and a pause after it
    assert table["own_dominant"][normal].all()
    assert not table["own_dominant"][ventricular].any()
    assert np.array_equal(
        table["experience"], np.minimum(np.arange(len(batch)), 32, dtype=np.float32) / 32
    )
    assert table["rr_next_known"][:-1].all()
    assert not table["rr_next_known"][-1]


def test_an_atrial_rhythm_of_minutes_is_told_from_the_home_rhythm() -> None:
    """Sinus at 75 a minute, then a regular rhythm at 120 whose P waves point down."""
    fs, grid = 250.0, []
    for rr, beats in ((0.8, 90), (0.5, 300)):
        grid += [rr] * beats
    marks = np.cumsum(np.array(grid) * fs).round().astype(np.int64)
    time = np.arange(marks[-1] + 500) / fs
    signal = np.zeros(len(time))
    for i, mark in enumerate(marks):
        near = slice(max(0, mark - 125), mark + 125)
        t = time[near] - mark / fs
        p = 0.15 if i < 90 else -0.15
        signal[near] += np.exp(-((t / 0.012) ** 2)) + p * np.exp(-(((t + 0.16) / 0.025) ** 2))
    batch = stream_beats(signal.astype(np.float32), fs, marks, 0, GRID)
    table = dict(zip(FEATURE_NAMES, batch.features.T, strict=True))
    sinus, fast = slice(40, 90), slice(110, 390)
    assert np.abs(table["rr_ratio"][fast]).max() < 0.02  # the local rhythm has got used to it
    assert table["home_ratio"][fast].max() < -0.2 < -0.05 < table["home_ratio"][sinus].min()
    assert table["home_p_correlation"][sinus].min() > 0.9
    assert table["home_p_correlation"][fast].max() < 0.0
    assert table["early_p_preference"][fast].min() > 0.5


def test_without_lookahead_the_next_interval_is_unknown_and_all_else_the_same() -> None:
    record = demo_record()
    now, later = (
        stream_beats(record.signal[:, 0], 360.0, record.annotations.sample, k, GRID) for k in (0, 1)
    )
    ahead = [FEATURE_NAMES.index(name) for name in ("rr_next", "rr_next_known")]
    others = [i for i in range(len(FEATURE_NAMES)) if i not in ahead]
    assert not now.features[:, ahead].any()
    assert np.array_equal(now.features[:, others], later.features[:, others])
    assert np.array_equal(now.windows, later.windows)
    assert (later.known_at > now.known_at)[:-1].all()


def test_in_bigeminy_the_usual_shape_stays_that_of_the_conducted_beats(record_path) -> None:
    # Noise had begun templates anew for the conducted beats of 200, until the halves of these were
    # rarer than the ventricular beats.
    record = read_record(record_path("mitdb/200"), leads=0)
    marks = record.annotations
    assert marks is not None
    is_beat = np.isin(marks.symbol, ["N", "A", "V", "F"])
    beats = stream_beats(record.signal[:, 0], record.fs, marks.sample[is_beat], 0, GRID)
    usual = beats.features[:, FEATURE_NAMES.index("own_dominant")] > 0.5
    symbols = np.array(marks.symbol)[is_beat]
    assert np.mean(usual[symbols == "N"]) > 0.95
    assert np.mean(usual[symbols == "V"]) < 0.1
