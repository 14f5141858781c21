"""Reading EDF and BDF files, which edfio writes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from record_files import wave

from ecgfast.errors import RecordError
from ecgfast.records import open_record, read_record


def write_edf(folder: Path, name: str = "a.edf", seconds: int = 8) -> Path:
    edfio = pytest.importorskip("edfio")
    kinds = (edfio.Bdf, edfio.BdfSignal) if name.endswith("bdf") else (edfio.Edf, edfio.EdfSignal)
    n = 256 * seconds
    signals = [
        kinds[1](wave(n, 1)[:, 0] * 1000, 256, label="ECG II", physical_dimension="uV"),
        kinds[1](wave(n, 1, 1)[:, 0], 256, label="V5", physical_dimension="mV"),
        kinds[1](wave(n, 1, 2)[:, 0] * 50, 256, label="EEG Fpz-Cz", physical_dimension="uV"),
        kinds[1](wave(n // 2, 1, 3)[:, 0], 128, label="ECG slow", physical_dimension="mV"),
    ]
    edf = kinds[0](
        signals[:3] if "three" in name else signals,
        starttime=datetime(2024, 5, 6, 7, 8, 9).time(),
        recording=edfio.Recording(startdate=datetime(2024, 5, 6).date()),
        annotations=[
            edfio.EdfAnnotation(2.5, None, "palpitation"),
            # As many digits as a double has: libraries write them.
            edfio.EdfAnnotation(3 + 1 / 3, 1 / 7, "extrasystole"),
        ],
    )
    edf.write(folder / name)
    return folder / name


def test_decimal_commas_in_a_header(tmp_path: Path) -> None:
    """Some recorders write the numbers of their header as their country does."""
    path = write_edf(tmp_path, "three.edf")
    expected = read_record(path).signal
    data = bytearray(path.read_bytes())
    size = 256 * (1 + int(data[252:256]))
    data[244:252] = b"1,0     "
    data[256:size] = bytes(data[256:size]).replace(b".", b",")
    path.write_bytes(data)
    np.testing.assert_allclose(read_record(path).signal, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["three.edf", "three.bdf"])
def test_edf(tmp_path: Path, name: str) -> None:
    path = write_edf(tmp_path, name)
    record = read_record(path)
    assert record.leads == ("ECG II", "V5")
    assert record.fs == 256
    assert record.start == datetime(2024, 5, 6, 7, 8, 9)
    truth = np.column_stack([wave(2048, 1), wave(2048, 1, 1)])
    np.testing.assert_allclose(record.signal, truth, atol=2e-4)
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [640, 853]
    assert record.annotations.aux.tolist() == ["palpitation", "extrasystole"]
    blocks = np.concatenate(list(open_record(path).blocks(0.7)))
    np.testing.assert_array_equal(blocks, record.signal)
    assert read_record(path, leads="EEG Fpz-Cz").leads == ("EEG Fpz-Cz",)


def test_edf_leads_of_two_rates(tmp_path: Path) -> None:
    path = write_edf(tmp_path)
    with pytest.raises(RecordError, match="V5 256 Hz, ECG slow 128 Hz"):
        read_record(path)
    assert read_record(path, leads="ECG slow").fs == 128


def test_bad_edf(tmp_path: Path) -> None:
    path = write_edf(tmp_path, "three.edf")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match="truncated: the header promises 8 data records"):
        read_record(path)
    path.write_bytes(b"not an EDF file at all")
    with pytest.raises(RecordError, match="is no EDF or BDF file"):
        read_record(path)
    path.write_bytes(whole[:252] + b"many" + whole[256:])
    with pytest.raises(RecordError, match="header is damaged"):
        read_record(path)


@pytest.mark.parametrize("field", [0, 2])  # the physical, the digital limits
def test_a_signal_without_a_scale_is_read_as_digital_values(tmp_path: Path, field: int) -> None:
    path = write_edf(tmp_path, "three.edf")
    scaled = read_record(path, leads="V5").signal[:, 0]
    whole = bytearray(path.read_bytes())
    n = int(whole[252:256])
    names = [bytes(whole[256 + 16 * i : 272 + 16 * i]).strip() for i in range(n)]
    low = 256 + n * (16 + 80 + 8 + 8 * field) + 8 * names.index(b"V5")
    whole[low + 8 * n : low + 8 * n + 8] = whole[low : low + 8]
    path.write_bytes(whole)
    record = read_record(path, leads="V5")
    assert record.units == ("unknown",)
    assert record.origin is not None
    assert record.origin.notes == ("the header gives no scale for 'V5': digital values are used",)
    assert np.corrcoef(record.signal[:, 0], scaled)[0, 1] > 0.9999


def test_a_header_filled_with_zero_bytes(tmp_path: Path) -> None:
    path = write_edf(tmp_path, "three.edf")
    expected = read_record(path)
    data = bytearray(path.read_bytes())
    end = 256 * (int(data[252:256]) + 1)
    data[256:end] = data[256:end].replace(b"  ", b"\0\0")
    path.write_bytes(data)
    found = read_record(path)
    assert (found.leads, found.units) == (expected.leads, expected.units)
    np.testing.assert_array_equal(found.signal, expected.signal)


def test_a_signal_without_samples_is_left_out(tmp_path: Path) -> None:
    """It ended with an error of the inside."""
    path = write_edf(tmp_path, "three.edf")
    data = bytearray(path.read_bytes())
    n = int(data[252:256])
    begin, size = 256 * (n + 1), 2 * 256
    counts = 256 + 216 * n  # of the samples in a data record
    data[counts + 8 : counts + 16] = b"0       "  # of V5
    per_record = (len(data) - begin) // 8
    body = b"".join(
        bytes(data[at : at + size] + data[at + 2 * size : at + per_record])
        for at in range(begin, len(data), per_record)
    )
    path.write_bytes(bytes(data[:begin]) + body)
    record = read_record(path)
    assert record.leads == ("ECG II",)
    assert "without samples" in record.origin.text()


def test_a_recorder_that_counts_no_data_records(tmp_path: Path) -> None:
    path = write_edf(tmp_path, "three.edf")
    expected = read_record(path)
    data = bytearray(path.read_bytes())
    data[236:244] = b"0       "
    path.write_bytes(data)
    found = read_record(path)
    np.testing.assert_array_equal(found.signal, expected.signal)
    assert "counts no data records" in found.origin.text()
