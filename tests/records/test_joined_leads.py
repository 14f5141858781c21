"""Columns that are no leads of one recording: packets in rows, pieces, several recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from record_files import ecg

from ecgfast.errors import InputError, RecordError
from ecgfast.records import read_record
from ecgfast.records.joined_leads import apart, successive
from ecgfast.sources.text_lines import LineParser

FS = 250
SIGNAL = ecg(15_000)[:, 0]


def as_text(path: Path, table: np.ndarray) -> Path:
    path = path.with_suffix(".csv")
    np.savetxt(path, table, "%.4f", ",")
    return path


def as_npy(path: Path, table: np.ndarray) -> Path:
    np.save(path.with_suffix(".npy"), table)
    return path.with_suffix(".npy")


def as_matlab(path: Path, table: np.ndarray) -> Path:
    scipy.io.savemat(path.with_suffix(".mat"), {"data": table})
    return path.with_suffix(".mat")


def as_hdf5(path: Path, table: np.ndarray) -> Path:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["ecg"] = table
    return path.with_suffix(".h5")


@pytest.mark.parametrize("write", [as_text, as_npy, as_matlab, as_hdf5])
@pytest.mark.parametrize("size", [2, 5, 10, 50])
def test_packets_in_rows_are_no_leads(
    tmp_path: Path, write: Callable[[Path, np.ndarray], Path], size: int
) -> None:
    table = SIGNAL.reshape(-1, size)
    path = write(tmp_path / "a", table)
    with pytest.raises(RecordError, match=r"successive samples of one signal.*in one column"):
        read_record(path, fs=FS)
    # What the caller names is read.
    assert read_record(path, fs=FS, leads=[0, 1]).signal.shape == (len(table), 2)


def test_packets_with_a_clock_and_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = (
        f"{1000 * i / FS:.0f}," + ",".join(f"{v:.3f}" for v in SIGNAL[i : i + 5])
        for i in range(0, len(SIGNAL), 5)
    )
    path.write_text("time_ms,ecg0,ecg1,ecg2,ecg3,ecg4\n" + "\n".join(rows))
    with pytest.raises(RecordError, match="its 5 columns hold successive samples"):
        read_record(path)


def test_packets_in_lines_of_a_stream() -> None:
    lines = LineParser("port", fs=FS)
    text = "".join(",".join(f"{v:.3f}" for v in row) + "\n" for row in SIGNAL.reshape(-1, 8))
    with pytest.raises(InputError, match="its 8 fields hold successive samples"):
        lines.feed(text.encode())


@pytest.mark.parametrize("write", [as_npy, as_matlab])
def test_pieces_in_rows_are_no_leads(
    tmp_path: Path, write: Callable[[Path, np.ndarray], Path]
) -> None:
    path = write(tmp_path / "a", SIGNAL.reshape(-1, 2500))
    with pytest.raises(RecordError, match=r"'ECG1'.* lie at other times in each: they are pieces"):
        read_record(path, fs=FS)


def test_runs_side_by_side_are_no_leads(tmp_path: Path) -> None:
    names = "Run 1: Time (s),Run 1: EKG (mV),Run 2: Time (s),Run 2: EKG (mV)\n"
    halves = SIGNAL[:7400], SIGNAL[7550:14950]  # beats do not lie above each other
    rows = (
        f"{i / FS:.3f},{a:.4f},{i / FS:.3f},{b:.4f}"
        for i, (a, b) in enumerate(zip(*halves, strict=True))
    )
    path = tmp_path / "a.csv"
    path.write_text(names + "\n".join(rows))
    with pytest.raises(RecordError, match="'Run 1: EKG', 'Run 2: EKG' lie at other times"):
        read_record(path)
    assert read_record(path, leads="Run 2: EKG").signal.shape == (7400, 1)


def test_leads_stay_leads(tmp_path: Path) -> None:
    both = ecg(15_000, 2)
    for leads in (both, np.column_stack([both[:, 0], -both[:, 0]]), both[:, [0, 0]]):
        assert not successive(leads)
        assert not apart(leads, FS)
        assert read_record(as_npy(tmp_path / "a", leads), fs=FS).signal.shape == leads.shape


@pytest.mark.parametrize("name", ["mitdb/208", "svdb/823", "svdb/881", "nsrdb/16795", "ludb/116"])
def test_leads_of_recordings(record_path: Callable[[str], Path], name: str) -> None:
    """Those whose leads are the least alike."""
    record = read_record(record_path(name))
    for begin in (0, len(record.signal) // 2):
        part = np.asarray(record.signal[begin : begin + round(20 * record.fs)], np.float64)
        assert not successive(part)
        assert not apart(part, record.fs)
