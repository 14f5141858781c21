"""The synthetic ECG: repeatable, of plausible shape, with beats where it says."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast.errors import InputError
from ecgfast.records import Record, demo_record, synthetic_ecg


def around(record: Record, symbol: str, before: float, after: float) -> np.ndarray:
    """Windows of the first lead around the beats of a kind, (beats, samples)."""
    marks = record.annotations
    assert marks is not None
    low, high = round(before * record.fs), round(after * record.fs)
    at = marks.sample[marks.symbol == symbol]
    at = at[(at >= low) & (at < record.n_samples - high)]
    return np.stack([record.signal[s - low : s + high, 0] for s in at])


def test_same_seed_same_bits() -> None:
    one, same, other = (
        synthetic_ecg(10, ventricular=0.1, wander=0.1, muscle=0.02, mains=0.01, seed=s)
        for s in (5, 5, 6)
    )
    assert one.signal.tobytes() == same.signal.tobytes()
    assert one.signal.tobytes() != other.signal.tobytes()


@pytest.mark.parametrize("fs", [100.0, 128.0, 333.3, 360.0, 2000.0])
def test_shape_and_rate_at_any_fs(fs: float) -> None:
    record = synthetic_ecg(20, fs, heart_rate=75, leads=("MLII", "V1", "V5"))
    assert record.signal.shape == (round(20 * fs), 3)
    assert record.annotations is not None
    assert 23 <= len(record.annotations) <= 26
    rr = np.diff(record.annotations.sample) / fs
    assert abs(60 / rr.mean() - 75) < 3
    peaks = record.signal[record.annotations.sample, 0]
    assert (peaks > 0.75).all()
    assert (peaks < 1.3).all()


def test_waves_are_of_ordinary_size() -> None:
    record = synthetic_ecg(60, 1000, heart_rate=60, heart_rate_std=0.5)
    beats = around(record, "N", 0.35, 0.5)
    mean = beats.mean(axis=0) - np.median(beats[:, :60])
    r = 350
    assert 0.08 < mean[r - 220 : r - 110].max() < 0.2
    assert 0.8 < mean[r] < 1.3
    assert 0.2 < mean[r + 200 : r + 400].max() < 0.35
    assert mean[r - 50 : r].min() < -0.03
    assert mean[r : r + 60].min() < -0.1
    # The complex lasts as long as the slope exceeds a twentieth of its greatest.
    slope = np.abs(np.gradient(mean[r - 100 : r + 120]))
    steep = np.flatnonzero(slope > slope.max() / 20)
    assert 80 <= steep[-1] - steep[0] <= 105


def test_marks_sit_on_the_extremum() -> None:
    record = synthetic_ecg(60, ventricular=0.15, supraventricular=0.1, seed=2)
    for symbol in "NVA":
        windows = around(record, symbol, 0.04, 0.04)
        middle = round(0.04 * record.fs)
        assert (np.abs(windows).argmax(axis=1) == middle).all()


def test_ventricular_beats_are_early_wide_tall_and_discordant() -> None:
    record = synthetic_ecg(300, ventricular=0.08, seed=3)
    marks = record.annotations
    assert marks is not None
    rr = np.diff(marks.sample, prepend=marks.sample[0]) / record.fs
    kinds = marks.symbol
    assert 12 <= (kinds == "V").sum() <= 45
    usual = np.median(rr[1:])
    early = np.flatnonzero(kinds == "V")
    early = early[(early > 1) & (early < len(kinds) - 1)]
    assert (rr[early] < 0.75 * usual).all()
    alone = early[(kinds[early - 1] == "N") & (kinds[early + 1] == "N")]
    # A full compensatory pause: two intervals of the sinus node around the early beat.
    np.testing.assert_allclose(rr[alone] + rr[alone + 1], 2 * usual, rtol=0.15)
    v, n = around(record, "V", 0.1, 0.45), around(record, "N", 0.1, 0.45)
    middle = round(0.1 * record.fs)

    def wide(beats: np.ndarray) -> float:
        return float((beats > beats[:, [middle]] / 2).sum(axis=1).mean())

    assert wide(v) > 2 * wide(n)
    assert v[:, middle].mean() > 1.3 * n[:, middle].mean()
    t_wave = slice(round(0.3 * record.fs), None)
    assert v[:, t_wave].min(axis=1).max() < -0.15


def test_atrial_beats_are_early_and_narrow_with_another_p_wave() -> None:
    record = synthetic_ecg(300, supraventricular=0.1, seed=4)
    marks = record.annotations
    assert marks is not None
    rr = np.diff(marks.sample, prepend=marks.sample[0]) / record.fs
    kinds = marks.symbol
    assert set(kinds) == {"N", "A"}
    early = np.flatnonzero(kinds == "A")
    early = early[(early > 1) & (early < len(kinds) - 1)]
    usual = np.median(rr[1:])
    assert (rr[early] < 0.85 * usual).all()
    assert (rr[early + 1] > usual).mean() > 0.8
    a, n = (
        around(record, "A", 0.04, 0.04).mean(axis=0),
        around(record, "N", 0.04, 0.04).mean(axis=0),
    )
    assert np.corrcoef(a, n)[0, 1] > 0.99


def test_tachogram_holds_both_waves() -> None:
    record = synthetic_ecg(600, heart_rate=60, heart_rate_std=2, lf_hf=0.5, seed=1)
    assert record.annotations is not None
    times = record.annotations.sample / record.fs
    even = np.arange(2, 590, 0.25)
    series = np.interp(even, times[1:], np.diff(times))
    power = np.abs(np.fft.rfft(series - series.mean())) ** 2
    f = np.fft.rfftfreq(len(even), 0.25)

    def band(low: float, high: float) -> float:
        return float(power[(f >= low) & (f < high)].sum())

    low, high = band(0.07, 0.13), band(0.21, 0.29)
    assert low + high > 0.8 * band(0.02, 0.5)
    assert 0.3 < low / high < 1.2
    assert 0.02 < np.diff(times).std() < 0.05


def test_noise_is_as_loud_as_asked() -> None:
    quiet = synthetic_ecg(30, 500, seed=7)
    for name, level, rms in (("muscle", 0.05, 0.05), ("mains", 0.1, 0.1 / np.sqrt(2))):
        noise = synthetic_ecg(30, 500, seed=7, **{name: level}).signal - quiet.signal
        assert noise[:, 0].std() == pytest.approx(rms, rel=0.05)
    swing = synthetic_ecg(30, 500, seed=7, wander=0.5).signal - quiet.signal
    assert 0.1 < swing[:, 0].std() < 0.6
    assert np.abs(np.diff(swing[:, 0])).max() < 0.01


def test_demo_says_that_it_is_synthetic() -> None:
    record = demo_record()
    assert record.duration == 60
    assert record.fs == 360
    assert record.leads == ("MLII", "V1")
    assert "synthetic" in record.name
    assert "Synthetic" in record.comments[0]
    assert record.annotations is not None
    symbols = record.annotations.symbol
    assert (symbols == "V").sum() >= 4
    assert (symbols == "A").sum() >= 4
    assert "VV" in "".join(symbols)
    assert record.signal.tobytes() == demo_record().signal.tobytes()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"duration": 1}, "at least 2 s"),
        ({"duration": float("nan")}, "nan s"),
        ({"fs": 50}, "50 Hz"),
        ({"heart_rate": 10}, "30 to 200"),
        ({"heart_rate_std": 40}, "a fifth"),
        ({"lf_hf": -1}, "lf_hf"),
        ({"ventricular": 0.4, "supraventricular": 0.2}, "add up to at most 0.5"),
        ({"muscle": -0.1}, "muscle is -0.1 mV"),
        ({"leads": ("V9",)}, "V9"),
        ({"leads": ()}, "choose some of"),
    ],
)
def test_what_cannot_be_made(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        synthetic_ecg(**wrong)
