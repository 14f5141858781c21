"""Text of oscilloscopes, and other tables whose first lines are written unlike those below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfast import read_record
from ecgfast.records.synthetic import synthetic_ecg

FS = 250
N = 2000
X = np.round(np.asarray(synthetic_ecg(N / FS, FS, seed=3).signal[:, 0], float), 4)
T = np.arange(N) / FS


def read(folder: Path, lines: list[str]):  # type: ignore[no-untyped-def]
    (folder / "a.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return read_record(folder / "a.csv")


def test_settings_beside_the_first_samples_cost_none(tmp_path: Path) -> None:
    """Tektronix: thirteen samples had been taken for lines of the head."""
    told = ["Record Length,2000", "Sample Interval,0.004", "Source,CH1", "Vertical Units,V",
            "Vertical Scale,0.5", "Horizontal Units,s", "Model Number,TDS2014"]  # fmt: skip
    rows = [
        f"{told[i] if i < len(told) else ','},,{t - 4:.6f},{x / 1000:.7f},"
        for i, (t, x) in enumerate(zip(T, X, strict=True))
    ]
    record = read(tmp_path, rows)
    assert record.fs == FS
    assert record.units == ("mV",)
    np.testing.assert_allclose(record.signal[:, 0], X, atol=1e-4)


def test_a_horizontal_unit_is_that_of_the_clock(tmp_path: Path) -> None:
    head = ["Model,MSO54", "Horizontal Units,s", "Vertical Units,V", "TIME,CH1"]
    record = read(tmp_path, [*head, *(f"{t},{x / 1000}" for t, x in zip(T, X, strict=True))])
    assert record.fs == FS
    assert record.units == ("mV",)


@pytest.mark.parametrize("word", ["∞", "OL", "Saturated"])
@pytest.mark.parametrize("clock", ["seconds", "times"])
def test_words_in_place_of_the_first_samples(tmp_path: Path, word: str, clock: str) -> None:
    """They were taken for lines of the head: all beats came too early by as many samples."""
    stamps = [f"{t:.3f}" if clock == "seconds" else f"2024-05-06 07:08:{9 + t:06.3f}" for t in T]
    rows = [
        f"{stamp},{word if i < 100 else x}"
        for i, (stamp, x) in enumerate(zip(stamps, X, strict=True))
    ]
    record = read(tmp_path, ["Time,ECG (mV)", *rows])
    assert len(record.signal) == N
    assert np.flatnonzero(np.isnan(record.signal[:, 0])).tolist() == list(range(100))
    np.testing.assert_allclose(record.signal[100:, 0], X[100:], atol=1e-6)


def test_a_head_with_a_number_is_no_sample(tmp_path: Path) -> None:
    rows = [f"{t:.3f},{x}" for t, x in zip(T, X, strict=True)]
    record = read(tmp_path, ["250,Hz", "Time,ECG", *rows])
    assert len(record.signal) == N


def test_time_differences_are_a_clock(tmp_path: Path) -> None:
    def said(seconds: float) -> str:
        days, rest = divmod(seconds, 86400)
        return f"{days:.0f} days {rest // 3600:02.0f}:{rest // 60 % 60:02.0f}:{rest % 60:06.3f}"

    begin = 86396.0  # passes a day
    rows = [f"{said(begin + t)},{x}" for t, x in zip(T, X, strict=True)]
    rows[0] = f"0 days 23:59:56,{X[0]}"  # pandas leaves out a fraction of zero
    record = read(tmp_path, ["time,ecg", *rows[:1000], *rows[1100:]])
    assert record.fs == FS
    missing = np.isnan(record.signal[:, 0])
    assert np.flatnonzero(missing).tolist() == list(range(1000, 1100))
