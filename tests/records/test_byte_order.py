"""Samples whose bytes are swapped are read with a note: what is read of them is noise."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from record_files import ecg, write_wfdb

from ecgfast.records import read_record, synthetic_ecg
from ecgfast.records.byte_order import swapped_note

FS, N = 250, 5000


def said(path: Path) -> list[str]:
    origin = read_record(path).origin
    assert origin is not None
    return [note for note in origin.notes if "wrong order" in note]


def write_edf(folder: Path, name: str) -> tuple[Path, int]:
    """Write a file, and return where its samples begin."""
    edfio = pytest.importorskip("edfio")
    file, signal = (
        (edfio.Bdf, edfio.BdfSignal) if name.endswith("bdf") else (edfio.Edf, edfio.EdfSignal)
    )
    leads = ecg(N).T
    file([signal(x, FS, label=f"ECG {i}") for i, x in enumerate(leads)]).write(folder / name)
    return folder / name, 256 * (len(leads) + 1)


@pytest.mark.parametrize(("name", "width"), [("a.edf", 2), ("a.bdf", 3)])
def test_edf_and_bdf(tmp_path: Path, name: str, width: int) -> None:
    path, begin = write_edf(tmp_path, name)
    assert said(path) == []
    whole = path.read_bytes()
    samples = np.frombuffer(whole[begin:], np.uint8).reshape(-1, width)
    path.write_bytes(whole[:begin] + samples[:, ::-1].tobytes())
    (note,) = said(path)
    assert "ECG 0, ECG 1" in note


def test_ishne(tmp_path: Path) -> None:
    whole = (Path(__file__).parents[1] / "recordings" / "ishne.ecg").read_bytes()
    (at,) = struct.unpack_from("<i", whole, 22)
    path = tmp_path / "a.ecg"
    path.write_bytes(whole)
    assert said(path) == []
    path.write_bytes(whole[:at] + np.frombuffer(whole[at:], "<i2").byteswap().tobytes())
    assert len(said(path)) == 1


@pytest.mark.parametrize(
    ("fmt", "other", "gain"), [("16", "61", 200.0), ("61", "16", 200.0), ("16", "61", 5000.0)]
)
def test_a_wfdb_header_without_checksums_that_names_the_other_format(
    tmp_path: Path, fmt: str, other: str, gain: float
) -> None:
    pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path, "a", ecg(N), "16", adc_gain=[gain] * 2, baseline=[0, 0])
    header, data = path.with_suffix(".hea"), path.with_suffix(".dat")
    if fmt == "61":
        data.write_bytes(np.frombuffer(data.read_bytes(), "<i2").astype(">i2").tobytes())
    lines = [line.split() for line in header.read_text().splitlines()]
    for form, notes in ((fmt, 0), (other, 1)):
        signals = [[line[0], form, f"{gain}(0)/mV", "16", "0"] for line in lines[1:3]]
        header.write_text("\n".join(" ".join(line) for line in [lines[0], *signals]) + "\n")
        assert len(said(path)) == notes


def test_signals_that_are_as_they_are() -> None:
    """Noise, coarse steps, multiples of 16 or 256, a flat line and a short one are no sign."""
    rng = np.random.default_rng(0)
    signal = synthetic_ecg(60.0, FS, seed=3).signal[:, 0].astype(np.float64)
    for gain in (10, 200, 1000, 8000):
        counts = np.rint(gain * signal).astype(np.int32)
        for samples in (
            counts,
            counts + 1024,
            16 * (counts // 16),
            np.clip(256 * counts, -32768, 32767),
        ):
            assert swapped_note([("II", samples)], 2) == []
    for size in (1, 100, 3000, 10_000):
        noise = np.rint(rng.normal(0, size, 9000)).clip(-32768, 32767).astype(np.int32)
        assert swapped_note([("II", noise)], 2) == []
    assert swapped_note([("II", np.zeros(9000, np.int32))], 2) == []
    assert swapped_note([("II", np.arange(3, dtype=np.int32))], 2) == []
    assert swapped_note([("II", np.empty(0, np.int32))], 2) == []
