"""The sampling rate by the lines of a text's head: which one counts, and which do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError, RecordError, read_record

SAMPLES = "\n".join(f"{x:.4f}" for x in np.random.default_rng(1).normal(size=2000))


def written(path: Path, *head: str, rows: str = SAMPLES) -> Path:
    file = path / "a.csv"
    file.write_text("".join(f"# {line}\n" for line in (*head, "ECG")) + rows + "\n", "utf-8")
    return file


@pytest.mark.parametrize(
    "line",
    [
        "Sampling rate: 500 Hz (downsampled to 250 Hz)",
        "Original sampling rate: 1000 Hz, resampled to 250 Hz",
        "decimated from 1000 Hz to 250 Hz",
        "Sampling: 4 ms",
        "Sample rate: 4000 us",
        "Sampling rate (kHz): 0.25",
        "dt = 0.004",
        "Delta_X\t4.0E-3",
        "Notch 50 Hz; Fs 250 Hz",
        "samples per second: 250",
        "采样率: 250",
        "サンプリング周波数: 250",
        "Samplingsfrekvens: 250",
        "Częstotliwość próbkowania: 250",
    ],
)
def test_the_rate_that_the_samples_have(tmp_path: Path, line: str) -> None:
    assert read_record(written(tmp_path, line)).fs == 250.0


@pytest.mark.parametrize(
    "line",
    [
        "Refresh rate: 60 Hz",
        "Packet rate: 60",
        "Max sampling rate: 1000 Hz",
        "Original sampling rate: 500 Hz",
        "Sampling rate: 500 Hz, downsampled by 2",
        "PPG sampling rate: 100",
    ],
)
def test_another_rate_is_none_of_the_samples(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match="carries no sampling rate"):
        read_record(written(tmp_path, line))


def test_an_original_rate_gives_way_to_that_of_the_samples(tmp_path: Path) -> None:
    file = written(tmp_path, "Original sampling rate: 1000 Hz", "Sampling rate: 250 Hz")
    assert read_record(file).fs == 250.0


@pytest.mark.parametrize("second", ["Sampling rate: 250 Hz", "Sampling interval: 4 ms"])
def test_two_rates_of_a_head_are_refused_until_one_is_given(tmp_path: Path, second: str) -> None:
    file = written(tmp_path, "Sampling rate: 500 Hz", second)
    with pytest.raises(RecordError, match=r"its head says 500 Hz and 250 Hz.*fs=250"):
        read_record(file)
    assert read_record(file, fs=500.0).fs == 500.0
    assert read_record(file, fs=250.0).fs == 250.0


def test_a_clock_decides_between_two_rates_of_a_head(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 250:.3f},{x}" for i, x in enumerate(SAMPLES.split()))
    file = written(tmp_path, "Sampling rate: 500 Hz", "Sampling rate: 250 Hz", rows=rows)
    assert read_record(file).fs == 250.0
