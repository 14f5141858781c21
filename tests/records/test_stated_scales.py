"""A gain beside integers, which is not applied: the unit is not known, and a note says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import ecg

from ecgfast.records import Record, read_record

COUNTS = np.rint(200 * ecg()[:, 0] + 1024).astype(np.int16)


def hdf5(folder: Path, values: np.ndarray, **about: Any) -> Record:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.h5", "w") as file:
        file["ecg"] = values
        file["ecg"].attrs.update({"fs": 250.0, "units": "mV"} | about)
    return read_record(folder / "a.h5")


def npz(folder: Path, values: np.ndarray, **about: Any) -> Record:
    np.savez(folder / "a.npz", signal=values, **({"fs": 250.0, "units": "mV"} | about))
    return read_record(folder / "a.npz")


def mat(folder: Path, values: np.ndarray, **about: Any) -> Record:
    savemat = pytest.importorskip("scipy.io").savemat
    inside = {"data": values.astype(float)} | {"fs": 250.0, "units": "mV"} | about
    savemat(folder / "a.mat", {"ECG": inside})
    return read_record(folder / "a.mat")


def json_(folder: Path, values: np.ndarray, **about: Any) -> Record:
    content = {"ecg": values.tolist()} | {"fs": 250.0, "units": "mV"} | about
    (folder / "a.json").write_text(json.dumps(content))
    return read_record(folder / "a.json")


def notes(record: Record) -> list[str]:
    assert record.origin is not None
    return [note for note in record.origin.notes if "not applied" in note]


@pytest.mark.parametrize("write", [hdf5, npz, mat, json_])
@pytest.mark.parametrize(
    "about", [{"gain": 200.0, "offset": 1024}, {"ADC gain": 200}, {"scale": 0.005}, {"lsb": 5e-3}]
)
def test_counts_with_a_gain_beside_them_are_not_millivolts(
    tmp_path: Path, write: Any, about: dict[str, Any]
) -> None:
    if write in (npz, mat):
        about = {name.replace(" ", "_"): value for name, value in about.items()}
    record = write(tmp_path, COUNTS, **about)
    np.testing.assert_array_equal(record.signal[:, 0], COUNTS.astype("f4"))
    assert record.units == ("unknown",)
    (note,) = notes(record)
    assert f" ({next(iter(about.values())):g}) beside its integers is not applied" in note


@pytest.mark.parametrize("write", [hdf5, npz, mat, json_])
def test_samples_in_their_unit_stay_there(tmp_path: Path, write: Any) -> None:
    """A gain beside numbers with fractions has been applied; one, or the bits, change nothing."""
    record = write(tmp_path, ecg()[:, 0], gain=200.0)
    assert (record.units, notes(record)) == (("mV",), [])
    microvolts = np.rint(1000 * ecg()[:, 0]).astype(np.int16)
    for about in ({"gain": 1.0}, {"resolution": 16}, {}):
        record = write(tmp_path, microvolts, units="uV", **about)
        assert (record.units, notes(record)) == (("mV",), [])


def test_what_netcdf_says_of_a_scale_is_applied(tmp_path: Path) -> None:
    for unit, factor in (("mV", 1), ("uV", 1000)):
        scale = {"scale_factor": 0.005 * factor, "add_offset": -5.12 * factor}
        record = hdf5(tmp_path, COUNTS, units=unit, **scale)
        np.testing.assert_allclose(record.signal[:, 0], ecg()[:, 0], atol=0.003)
        assert (record.units, notes(record)) == (("mV",), [])
