"""Beat windows against the weighted mean written out, at several rates and grids."""

from __future__ import annotations

import numpy as np
import pytest
from shared_ecgs import synthetic_ecg
from twins import beat_window as twin
from twins.lead import cleaned

from ecgfast import BeatStream, InputError, WindowSpec, read_record

RATES = (100.0, 128.0, 360.0, 499.31, 2000.0)
GRID = WindowSpec()
GRIDS = (
    WindowSpec(),
    WindowSpec(250.0, 100, 60),
    WindowSpec(62.5, 20, 30),
    WindowSpec(125.0, 1, 1),
)


def first_window(
    signal: np.ndarray, fs: float, mark: int, window: WindowSpec = GRID
) -> tuple[np.ndarray, int]:
    """Window of a stream's only beat, and its R peak: running size and templates are its own."""
    stream = BeatStream(fs, method="external", window=window)
    batches = [stream.process(signal, [mark]), stream.flush()]
    batch = next(batch for batch in batches if len(batch))
    return batch.windows[0, :, 0].astype(np.float64), int(batch.sample[0])


def same_shape(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for gain and polarity."""
    gain = float(got @ expected) / float(expected @ expected)
    assert np.abs(got - gain * expected).max() <= 1e-5 * np.abs(got).max()


def check(signal: np.ndarray, fs: float, mark: int, window: WindowSpec = GRID) -> None:
    got, r = first_window(signal, fs, mark, window)
    expected = twin.cut(cleaned(signal, fs)[0].astype(np.float64), r, fs, *window[:3])
    if np.abs(got).max() < 5:  # where windows are cut off
        same_shape(got, expected)


@pytest.mark.parametrize("window", GRIDS[:3])
@pytest.mark.parametrize("fs", RATES)
def test_agrees_with_the_twin(fs: float, window: WindowSpec) -> None:
    record = synthetic_ecg(6, fs, wander=0.2, muscle=0.02, mains=0.02, seed=1)
    signal = record.signal[:, 0] + 3.0
    for mark in record.annotations.sample[1:-1:2]:
        check(signal, fs, int(mark), window)


@pytest.mark.parametrize(
    ("name", "start"), [("excerpts/mitdb/208", 9000), ("excerpts/svdb/881", 4000)]
)
def test_agrees_with_the_twin_on_a_recording(name, start, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[start : start + round(6 * record.fs), 0]
    marks = record.annotations.sample - start
    for mark in marks[(marks > 0) & (marks < len(signal))]:
        check(signal, record.fs, int(mark))


@pytest.mark.parametrize("fs", RATES)
def test_ends_of_the_recording_repeat_the_nearest_sample(fs: float) -> None:
    record = synthetic_ecg(4, fs, seed=2)
    first, last = (int(record.annotations.sample[i]) for i in (1, -2))
    check(record.signal[first - round(0.1 * fs) :, 0], fs, round(0.1 * fs))
    check(record.signal[: last + round(0.06 * fs), 0], fs, last)


def test_missing_samples_repeat_the_last() -> None:
    record = synthetic_ecg(6, 360.0, seed=2)
    signal = record.signal[:, 0].copy()
    mark = int(record.annotations.sample[3])
    signal[mark - 60 : mark - 50] = np.nan
    signal[mark + 20 : mark + 24] = np.inf
    check(signal, 360.0, mark)


@pytest.mark.parametrize("missing", [40, 43, 44, 60])
def test_after_a_long_gap_the_signal_goes_on_where_it_stopped(missing: int) -> None:
    """Up to 0.12 s, 43.2 samples, it comes back at its own level."""
    record = synthetic_ecg(6, 360.0, seed=2)
    signal = record.signal[:, 0].copy()
    mark = int(record.annotations.sample[3])
    signal[mark - 20 :] += 0.7
    signal[mark - 20 - missing : mark - 20] = np.nan
    check(signal, 360.0, mark)


def pulse(fs: float, at: float = 2.0, width: float = 0.012) -> np.ndarray:
    """A beat of known shape: P, R, S and T as Gaussians."""
    t = np.arange(round(4 * fs)) / fs - at
    waves = ((0.15, -0.17, 0.025), (1.0, 0.0, width), (-0.3, 0.035, width), (0.2, 0.2, 0.05))
    return sum(h * np.exp(-0.5 * ((t - c) / w) ** 2) for h, c, w in waves).astype(np.float32)


@pytest.mark.parametrize("fs", [128.0, 250.0, 499.31, 1000.0, 2000.0])
def test_the_same_beat_looks_the_same_at_any_rate(fs: float) -> None:
    expected, _ = first_window(pulse(360.0, 720 / 360.0), 360.0, 720)
    mark = round(2.0 * fs)
    got, r = first_window(pulse(fs, mark / fs), fs, mark)
    assert abs(r - mark) <= 0.005 * fs
    at_r, _ = first_window(pulse(360.0, 2.0 + (mark - r) / fs), 360.0, 720)
    assert np.abs(got - at_r).max() < 0.06
    assert np.corrcoef(got, expected)[0, 1] > 0.98


def test_the_window_is_the_signal_around_r() -> None:
    """A slow beat comes through unchanged, R on its grid point."""
    fs = 500.0
    signal = pulse(fs, width=0.03)
    got, r = first_window(signal, fs, 1000)
    grid = signal[r + 4 * np.arange(-44, 28)].astype(float)
    grid -= np.median(grid)
    gain = got @ grid / (grid @ grid)
    assert np.abs(got / gain - grid).max() < 0.05
    assert np.argmax(got) in (43, 44, 45)


def test_mains_and_muscle_above_the_cut_off_are_gone() -> None:
    fs = 1000.0
    signal = pulse(fs)
    hum = 0.2 * np.sin(2 * np.pi * 150 * np.arange(len(signal)) / fs)
    noisy, r = first_window(signal + hum.astype(np.float32), fs, 2000)
    assert abs(r - 2000) <= 2
    clean = twin.cut(cleaned(signal, fs)[0].astype(np.float64), r, fs)
    clean /= np.ptp(clean[34:57])
    assert np.abs(noisy - clean).max() < 0.01


@pytest.mark.parametrize(
    "window",
    [
        (125.0, 0, 28),
        (125.0, 44, 0),
        (125.0, 400, 400),
        (49.0, 20, 20),
        (1001.0, 44, 28),
        (125.0, 126, 28),
        (float("nan"), 44, 28),
    ],
)
def test_impossible_grids_are_refused(window: tuple[float, int, int]) -> None:
    with pytest.raises(InputError, match="beat window empty, too long or on an impossible grid"):
        BeatStream(360.0, window=window)


@pytest.mark.parametrize("window", GRIDS)
def test_windows_have_the_shape_of_the_grid(window: WindowSpec) -> None:
    record = synthetic_ecg(8, 360.0)
    stream = BeatStream(360.0, window=window)
    batch = stream.process(record.signal[:, 0])
    assert batch.windows.shape == (len(batch), window.before + window.after, 2)
    assert len(batch) > 5
    assert stream.window == window
