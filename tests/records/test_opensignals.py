"""Recordings of biosignalsplux and BITalino devices, as OpenSignals saves them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lazily import working
from record_files import ecg

from ecgfast.errors import RecordError
from ecgfast.records import read_record

FS = 250
COUNTS = np.round(32768 + 8000 * ecg()).astype(np.uint16)
FLAT = np.zeros(len(COUNTS), np.uint16)


def text(path: Path, devices: dict[str, dict[str, Any]], columns: list[np.ndarray]) -> Path:
    head = f"# OpenSignals Text File Format\n# {json.dumps(devices)}\n# EndOfHeader\n"
    rows = ["\t".join(map(str, row)) + "\t" for row in zip(*columns, strict=True)]
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def device(sensors: list[str], position: int = 0) -> dict[str, Any]:
    labels = [f"CH{i + 1}" for i in range(len(sensors))]
    return {
        "sensor": sensors, "label": labels, "column": ["nSeq", "DI", *labels], "position": position,
        "sampling rate": FS, "date": "2019-2-7", "time": "7:3:47.29", "digital IO": [0, 1],
    }  # fmt: skip


def hdf5(path: Path, devices: dict[str, dict[str, Any]], channels: list[np.ndarray]) -> Path:
    left = list(channels)
    with working("h5py").File(path, "w") as file:
        for name, about in devices.items():
            group = file.create_group(name)
            for key in ("sampling rate", "date", "time"):
                group.attrs[key] = about[key]
            group["digital/digital_1"] = FLAT[:, np.newaxis]
            group["raw/nSeq"] = (np.arange(len(FLAT)) % 16)[:, np.newaxis]
            group["plugin/events/events_on"] = np.zeros((0, 11))
            for i, sensor in enumerate(about["sensor"]):
                channel = group.create_dataset(
                    f"raw/channel_{i + 1}", data=left.pop(0)[:, np.newaxis], compression="gzip"
                )
                channel.attrs["label"], channel.attrs["sensor"] = f"CH{i + 1}", sensor
                for level in (10, 100):
                    for what in ("Mx", "mx", "mean", "sd"):
                        group[f"support/level_{level}/channel_{i + 1}/{what}"] = (
                            channel[::level, 0] * 1.0
                        )
    return path


def test_a_digital_input_is_no_lead(tmp_path: Path) -> None:
    """`DI` is lead I in some languages; of OpenSignals it is an input that is nearly always 0."""
    counter = np.arange(len(COUNTS)) % 16
    for sensor, name in (("ECG", "ECG"), ("RAW", "CH1")):
        path = text(tmp_path / "a.txt", {"00:07": device([sensor])}, [counter, FLAT, COUNTS[:, 0]])
        record = read_record(path)
        assert record.leads == (name,), sensor
        assert record.fs == FS
        assert record.start == datetime(2019, 2, 7, 7, 3, 47, 29000)
        np.testing.assert_array_equal(record.signal[:, 0], COUNTS[:, 0])
        assert ("digital DI", "an event or a state by its name") in record.origin.left_out


def test_two_devices_in_a_row(tmp_path: Path) -> None:
    """Their columns stand side by side, in the order of their positions."""
    noise = np.random.default_rng(0).integers(0, 65536, len(COUNTS))
    counter = np.arange(len(COUNTS)) % 16
    devices = {"00:07": device(["ECG"], position=1), "00:08": device(["EMG"], position=0)}
    columns = [counter, FLAT, noise, counter, FLAT, COUNTS[:, 0]]
    record = read_record(text(tmp_path / "a.txt", devices, columns))
    assert record.leads == ("ECG",)
    np.testing.assert_array_equal(record.signal[:, 0], COUNTS[:, 0])
    assert ("EMG", "a muscle by its name") in record.origin.left_out


def test_hdf5(tmp_path: Path) -> None:
    """Averages of each channel at other scales stand beside it, under many names."""
    noise = np.random.default_rng(0).integers(0, 65536, len(COUNTS)).astype(np.uint16)
    path = hdf5(tmp_path / "a.h5", {"00:07": device(["EMG", "ECG"])}, [noise, COUNTS[:, 0]])
    record = read_record(path)
    assert (record.leads, record.fs, record.units) == (("ECG",), FS, ("unknown",))
    assert record.start == datetime(2019, 2, 7, 7, 3, 47, 29000)
    np.testing.assert_array_equal(record.signal[:, 0], COUNTS[:, 0])
    # Any sensor may be plugged in: the values tell which one is an ECG.
    path = hdf5(tmp_path / "b.h5", {"00:07": device(["RAW", "RAW"])}, [noise, COUNTS[:, 0]])
    record = read_record(path)
    assert record.leads == ("CH2",)
    np.testing.assert_array_equal(record.signal[:, 0], COUNTS[:, 0])
    path = hdf5(tmp_path / "c.h5", {"00:07": device(["ECG", "ECG"])}, list(COUNTS.T))
    record = read_record(path)
    assert record.leads == ("ECG", "ECG CH2")
    np.testing.assert_array_equal(record.signal, COUNTS)


def test_hdf5_of_another_sensor(tmp_path: Path) -> None:
    """Its refusal says what it is, and how it can be read nevertheless."""
    wave = np.round(500 + 100 * np.sin(np.arange(len(COUNTS)) / 40)).astype(np.uint16)
    path = hdf5(tmp_path / "a.h5", {"00:07": device(["BVP"])}, [wave])
    with pytest.raises(RecordError, match=r"leads=NAME: 'BVP' is a photoplethysmogram by its name"):
        read_record(path)
    assert read_record(path, leads="BVP").n_samples == len(COUNTS)
