"""Clocks of Windows and of logs that begin with their newest line, and names in another case."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ecgfast import RecordError, read_record

N = 3000
X = np.round(np.random.default_rng(4).normal(size=N), 4)


def read(folder: Path, times: list[str], *, newest_first: bool = False, name: str = "time"):  # type: ignore[no-untyped-def]
    rows = [f"{t},{x}" for t, x in zip(times, X, strict=True)]
    rows = rows[::-1] if newest_first else rows
    (folder / "a.csv").write_text("\n".join([f"{name},ecg", *rows]) + "\n")
    return read_record(folder / "a.csv")


@pytest.mark.parametrize("begin", [638_500_000_000_000_000, 133_500_000_000_000_000])
@pytest.mark.parametrize("fs", [250, 500, 1000])
def test_ticks_of_windows(tmp_path: Path, begin: int, fs: int) -> None:
    """At 500 Hz they had been microseconds, of 50 Hz."""
    times = [str(begin + round(1e7 * i / fs)) for i in range(N)]
    assert read(tmp_path, times, name="Ticks").fs == fs


BEGIN = datetime(2024, 5, 6, 7, 8, 9)


@pytest.mark.parametrize("kind", ["dates", "milliseconds since 1970"])
def test_a_log_that_begins_with_its_newest_line(tmp_path: Path, kind: str) -> None:
    moments = [BEGIN + timedelta(milliseconds=4 * i) for i in range(N)]
    times = (
        [moment.isoformat(timespec="milliseconds") + "Z" for moment in moments]
        if kind == "dates"
        else [str(1_714_979_289_000 + 4 * i) for i in range(N)]
    )
    record = read(tmp_path, times, newest_first=True)
    assert record.fs == 250.0
    assert record.start == BEGIN
    np.testing.assert_allclose(record.signal[:, 0], X, atol=1e-6)
    assert "rows are reversed" in record.origin.text()


def test_seconds_that_fall_may_be_those_that_are_left(tmp_path: Path) -> None:
    times = [f"{i / 250:.3f}" for i in range(N)]
    with pytest.raises(RecordError, match="does not climb evenly"):
        read(tmp_path, times, newest_first=True)


def test_a_signal_file_in_another_case_or_with_a_backslash(tmp_path: Path) -> None:
    samples = np.round(200 * X).astype("<i2")
    for names, written in (("r.dat", "R.DAT"), ("R.DAT", "r.dat"), (".\\s.dat", "s.dat")):
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / written).write_bytes(samples.tobytes())
        (tmp_path / "r.hea").write_text(f"r 1 250 {N}\n{names} 16 200/mV 16 0 0 0 0 II\n")
        record = read_record(tmp_path / "r.hea")
        np.testing.assert_allclose(record.signal[:, 0], samples / 200, atol=1e-6)


def test_two_rates_in_an_archive_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ecg=X, fs=500, sampling_rate=250)
    with pytest.raises(RecordError, match="'fs' says 500 Hz and 'sampling_rate' 250 Hz"):
        read_record(tmp_path / "a.npz")


def test_gaps_within_a_second_count_once_each(tmp_path: Path) -> None:
    """The second one was counted with the first, and the rate came out as 252 Hz."""
    kept = np.ones(N, bool)
    for begin, end in ((1000, 1050), (1150, 1200), (1230, 1260)):
        kept[begin:end] = False
    rows = [f"{i / 250:.3f},{X[i]}" for i in np.flatnonzero(kept)]
    (tmp_path / "a.csv").write_text("time,ecg\n" + "\n".join(rows) + "\n")
    record = read_record(tmp_path / "a.csv")
    assert record.fs == 250.0
    np.testing.assert_array_equal(np.isnan(record.signal[:, 0]), ~kept)


def test_a_line_that_was_torn_where_a_block_is_lost(tmp_path: Path) -> None:
    rows = [f"{i / 250:.3f},{x}" for i, x in enumerate(X)]
    rows[1000:1292] = ["torn"]
    (tmp_path / "a.csv").write_text("time,ecg\n" + "\n".join(rows) + "\n")
    record = read_record(tmp_path / "a.csv")
    assert record.fs == 250.0
    assert len(record.signal) == N
    np.testing.assert_allclose(record.signal[1292:, 0], X[1292:], atol=1e-6)
