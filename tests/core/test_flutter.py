"""Ventricular flutter is told as such: waves without level stretches, and nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from shared_ecgs import synthetic_ecg
from twins.wave_leakage import leakage

from ecgfast import BeatBatch, BeatStream, QRSDetector, Quality, detect_qrs, read_record
from ecgfast.cli import main
from ecgfast.evaluation import flutter_intervals
from ecgfast.records import read_annotations

Method = Literal["neural", "adaptive", "pan-tompkins"]


def streamed(signal: npt.NDArray[np.float32], fs: float) -> BeatBatch:
    stream = BeatStream(fs)
    return stream.finish(signal)


def wave(fs: float, hz: float, seconds: float = 12.0) -> npt.NDArray[np.float32]:
    t = np.arange(int(seconds * fs)) / fs
    drift = 1 + 0.2 * np.sin(2 * np.pi * 0.3 * t)
    return (drift * np.sin(2 * np.pi * (hz * t + 0.05 * np.sin(2 * np.pi * 0.5 * t)))).astype("f4")


@pytest.mark.parametrize("fs", [128.0, 360.0, 1000.0])
@pytest.mark.parametrize("hz", [2.8, 3.6, 4.5, 6.0, 8.0])
def test_a_wave_after_a_normal_rhythm_is_flutter(fs: float, hz: float) -> None:
    normal = synthetic_ecg(20.0, fs, seed=3).lead(0)
    signal = np.concatenate([normal, wave(fs, hz)])
    assert leakage(signal, fs) < 0.55
    batch = streamed(signal, fs)
    in_wave = batch.sample > len(normal) + 3 * fs
    flagged = (batch.quality & Quality.FLUTTER) > 0
    assert flagged[in_wave].all()
    assert not flagged[batch.sample < len(normal)].any()


def made_signals(fs: float) -> dict[str, npt.NDArray[np.float32]]:
    """A normal rhythm, then waves, beats with T waves of their size, an artefact, or noise."""
    normal = synthetic_ecg(15.0, fs, seed=3).lead(0)
    t = np.arange(int(12 * fs)) / fs
    rng = np.random.default_rng(7)
    tails = {f"wave of {hz} Hz": wave(fs, hz) for hz in (2.3, 3.1, 4.9, 5.2, 7.5, 9.5)}
    for rate in (85, 100, 130):
        at = t * rate / 60 % 1
        tails[f"{rate} a minute"] = np.exp(-(((at - 0.2) / 0.07) ** 2)) + 0.7 * np.exp(
            -(((at - 0.65) / 0.12) ** 2)
        )
    burst = np.where((t > 3) & (t < 4.2), np.sin(2 * np.pi * 7 * t), 0.0)
    tails["burst"] = burst + 0.02 * rng.normal(size=len(t))
    tails["noise"] = np.interp(t, np.arange(0, 13, 0.08), rng.normal(0, 1, 163))
    return {name: np.concatenate([normal, tail]).astype("f4") for name, tail in tails.items()}


@pytest.mark.parametrize("method", ["neural", "adaptive", "pan-tompkins"])
@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0, 1000.0])
def test_marks_are_those_of_the_twin(fs: float, method: Method) -> None:
    for name, signal in made_signals(fs).items():
        batch = BeatStream(fs, method=method).finish(signal)
        marked, expected = False, []
        for sample in batch.sample:
            end = min(int(sample) + int(0.2 * fs), len(signal) - 1) + 1
            of_wave = leakage(signal[:end], fs) if end >= 2.5 * fs else 1.0
            marked = of_wave < (0.72 if marked else 0.55)
            expected.append(marked)
        assert ((batch.quality & Quality.FLUTTER) > 0).tolist() == expected, name


def test_gain_offset_and_polarity_change_nothing() -> None:
    signal = np.concatenate([synthetic_ecg(15.0, 360.0, seed=1).lead(0), wave(360.0, 3.5)])
    flagged = streamed(signal, 360.0).quality & Quality.FLUTTER
    for gain in (-1.0, 1e-4, 1e4):
        again = streamed((signal * gain).astype("f4"), 360.0).quality & Quality.FLUTTER
        assert np.array_equal(flagged, again)


def test_fast_and_slow_rhythms_are_no_flutter() -> None:
    for rate in (45.0, 75.0, 150.0):
        record = synthetic_ecg(60.0, 360.0, heart_rate=rate, ventricular=0.1, seed=5)
        assert not (streamed(record.lead(0), 360.0).quality & Quality.FLUTTER).any()


def test_record_207(record_path: Callable[[str], Path], tmp_path: Path) -> None:
    record = read_record(record_path("mitdb/207"), leads=0)
    marks = record.annotations
    assert marks is not None
    inside = np.zeros(record.n_samples, dtype=bool)
    for first, last in flutter_intervals(marks.sample, marks.symbol.tolist()):
        inside[first : last + 1] = True
    batch = streamed(record.lead(0), record.fs)
    flagged = (batch.quality & Quality.FLUTTER) > 0
    assert flagged[inside[batch.sample]].mean() > 0.65
    assert flagged[~inside[batch.sample]].mean() < 0.005


def test_classify_writes_flutter_between_brackets(
    record_path: Callable[[str], Path], tmp_path: Path
) -> None:
    wfdb = pytest.importorskip("wfdb")
    file = tmp_path / "207.ecg"
    assert main(["classify", str(record_path("mitdb/207")), "--output", str(file)]) == 0
    symbols = wfdb.rdann(str(tmp_path / "207"), "ecg").symbol
    open_now = False
    for symbol in symbols:
        if symbol in "[]":
            assert (symbol == "[") != open_now
            open_now = symbol == "["
        else:
            assert (symbol == "!") == open_now
    assert not open_now
    assert symbols.count("[") >= 3


def test_detect_marks_flutter(record_path: Callable[[str], Path], tmp_path: Path) -> None:
    record = read_record(record_path("mitdb/207"), leads=0)
    args = ["detect", str(record_path("mitdb/207")), "--leads", "0", "--output"]
    for name in ("207.qrs", "207.csv", "207.json"):
        assert main([*args, str(tmp_path / name)]) == 0
    marks = read_annotations(tmp_path / "207.qrs")
    symbols = marks.symbol.tolist()
    assert symbols.count("[") == symbols.count("]") >= 3
    stretches = flutter_intervals(marks.sample, symbols)
    beats = marks.sample[np.isin(marks.symbol, ["N", "!"])]
    assert np.array_equal(beats, detect_qrs(record.lead(0), record.fs))

    rows = list(csv.DictReader((tmp_path / "207.csv").read_text().splitlines()))
    waves = [int(row["sample"]) for row in rows if int(row["quality"]) & Quality.FLUTTER]
    assert waves == marks.sample[marks.symbol == "!"].tolist()
    told = json.loads((tmp_path / "207.json").read_text())
    assert np.allclose(np.array(told["flutter"]) * record.fs, stretches)
    reference = record.annotations
    assert reference is not None
    inside = np.zeros(record.n_samples, dtype=bool)
    for first, last in flutter_intervals(reference.sample, reference.symbol.tolist()):
        inside[first : last + 1] = True
    assert inside[waves].mean() > 0.95


def test_a_detector_tells_the_quality_of_its_peaks() -> None:
    signal = synthetic_ecg(30.0, 250.0, seed=2).lead(0).copy()
    signal[2000:2010] = np.nan
    detector = QRSDetector(250.0)
    assert len(detector.quality) == 0
    bits = []
    for begin in range(0, len(signal), 100):
        peaks = detector.process(signal[begin : begin + 100])
        assert len(detector.quality) == len(peaks)
        bits.append(detector.quality)
    assert len(detector.flush()) == len(detector.quality)
    whole = QRSDetector(250.0)
    assert len(whole.process(signal)) == len(whole.quality)
    assert np.array_equal(whole.quality, np.concatenate(bits))
    assert whole.quality[0] & Quality.LEARNING
    assert not whole.quality[-1] & Quality.LEARNING
