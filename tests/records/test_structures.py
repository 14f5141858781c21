"""Structures of MATLAB and groups of HDF5 with a sensor, a device or a person each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import ecg

from ecgfast.errors import RecordError
from ecgfast.records import Record, read_record

FS = 250
ECG = ecg()[:, 0].astype(np.float32)
BREATH = np.sin(np.arange(len(ECG)) / 90)
PULSE = np.sin(np.arange(len(ECG)) / 30) ** 3


def mat(folder: Path, **values: Any) -> Record:
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(folder / "a.mat", values)
    return read_record(folder / "a.mat")


def hdf5(folder: Path, tree: dict[str, Any], about: dict[str, dict[str, Any]]) -> Record:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.h5", "w") as file:
        for name, values in tree.items():
            file[name] = values
        for name, attributes in about.items():
            file[name].attrs.update(attributes)
    return read_record(folder / "a.h5")


def is_the_ecg(record: Record) -> bool:
    return record.fs == FS and np.allclose(record.signal[:, 0], ECG, atol=1e-5)


def test_arrays_of_one_sensor_are_not_those_of_another(tmp_path: Path) -> None:
    """What came first had been read, with the rate of whichever structure had one."""
    breath = {"data": BREATH[::10], "fs": 25.0}
    record = mat(tmp_path, RESP=breath, ECG={"data": ECG, "fs": 250.0})
    assert is_the_ecg(record)
    assert record.leads == ("ECG",)
    chest = {"ECG": ECG, "Resp": BREATH}
    wrist = {"BVP": PULSE[::4], "fs": 62.5}
    assert is_the_ecg(mat(tmp_path, signal={"wrist": wrist, "chest": chest}, fs=250.0))
    tree = {"A/data": BREATH[::10], "ECG/data": ECG}
    assert is_the_ecg(hdf5(tmp_path, tree, {"A": {"fs": 25}, "ECG": {"fs": 250}}))


def test_channels_of_spike2(tmp_path: Path) -> None:
    def channel(title: str, values: Any) -> dict[str, Any]:
        return {"title": title, "interval": 0.004, "units": "mV", "values": values}

    record = mat(tmp_path, V1_Ch1=channel("Resp", BREATH), V1_Ch2=channel("ECG", ECG))
    assert is_the_ecg(record)
    assert (record.leads, record.units) == (("ECG",), ("mV",))
    record = mat(tmp_path, ECG_I=channel("", ECG), ECG_II=channel("", -ECG))
    assert record.leads == ("ECG_I", "ECG_II")
    np.testing.assert_allclose(record.signal, np.stack([ECG, -ECG], axis=1), atol=1e-5)


def test_of_several_people_one_is_read_and_that_is_said(tmp_path: Path) -> None:
    people = {"a": {"ecg": ECG, "fs": 250.0}, "b": {"ecg": ECG[::-1].copy(), "fs": 250.0}}
    for record in (
        mat(tmp_path, person=people),
        hdf5(
            tmp_path,
            {"person/a/ecg": ECG, "person/b/ecg": ECG[::-1]},
            {"person/a": {"fs": 250}, "person/b": {"fs": 250}},
        ),
    ):
        assert is_the_ecg(record)
        assert record.signal.shape[1] == 1
        assert "'person.a' is read; 'person.b' is not" in record.origin.text()


def test_channel_names_of_eeglab_and_fieldtrip(tmp_path: Path) -> None:
    both = np.stack([BREATH, ECG]).astype(np.float32)
    places = np.array([("Resp",), ("ECG",)], dtype=[("labels", "O")])
    record = mat(tmp_path, EEG={"data": both, "srate": 250.0, "chanlocs": places})
    assert is_the_ecg(record)
    label = np.array(["Resp", "ECG"], object)
    assert is_the_ecg(mat(tmp_path, data={"trial": both, "label": label, "fsample": 250.0}))
    # Elsewhere a label is a diagnosis.
    assert mat(tmp_path, ecg=both[::-1], label="sinus rhythm", fs=250.0).leads == ("ECG1",)


def test_nwb(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nwb", "w") as file:
        for name, values in (("Breath", BREATH), ("ECG", ECG)):
            group = file.create_group(f"acquisition/{name}")
            group.attrs["neurodata_type"] = "TimeSeries"
            data = group.create_dataset("data", data=np.rint(values * 1000).astype(np.int16))
            data.attrs.update({"conversion": 1e-6, "offset": 0.0, "unit": "volts"})
            group.create_dataset("starting_time", data=0.0).attrs["rate"] = 250.0
    record = read_record(tmp_path / "a.nwb")
    assert (record.fs, record.leads, record.units) == (FS, ("ECG",), ("mV",))
    np.testing.assert_allclose(record.signal[:, 0], ECG, atol=6e-4)


@pytest.mark.parametrize("name", ["interval", "dt", "sampling interval"])
def test_seconds_between_samples_are_a_rate(tmp_path: Path, name: str) -> None:
    assert hdf5(tmp_path, {"ecg": ECG}, {"ecg": {name: 0.004}}).fs == FS
    if " " not in name:
        assert mat(tmp_path, ecg=ECG, **{name: 0.004}).fs == FS


@pytest.mark.parametrize("sensor", ["ppg", "resp", "abp"])
@pytest.mark.parametrize("name", ["v", "V", "data", "signal"])
def test_another_sensor_alone_is_no_ecg_whatever_its_array_is_called(
    tmp_path: Path, sensor: str, name: str
) -> None:
    """The v of ppg had been taken for lead V, and read as an ECG."""
    pulse = {name: PULSE, "fs": 250.0}
    for values in ({sensor: pulse}, {sensor: {"raw": pulse}}, {sensor: pulse | {"w": PULSE}}):
        with pytest.raises(RecordError, match="no signal is marked as an ECG"):
            mat(tmp_path, **values)
        (tmp_path / "a.json").write_text(json.dumps(values, default=np.ndarray.tolist))
        with pytest.raises(RecordError, match="no signal is marked as an ECG"):
            read_record(tmp_path / "a.json")
    with pytest.raises(RecordError, match="no signal is marked as an ECG"):
        hdf5(tmp_path, {f"{sensor}/{name}": PULSE}, {sensor: {"fs": 250}})
    both = mat(tmp_path, **{sensor: pulse, "ecg": {name: ECG, "fs": 250.0}})
    assert is_the_ecg(both)
    assert mat(tmp_path, monitor={"V": ECG, "fs": 250.0}).leads == ("V",)
