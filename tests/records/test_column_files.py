"""Reading Parquet, HDF5, MATLAB 7.3, WAV and FLAC files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from lazily import working
from limited import read_limited
from record_files import ecg

from ecgfast.errors import EcgfastError, InputError, MissingExtraError, RecordError
from ecgfast.records import open_record, read_record
from ecgfast.records.stated_rates import stated_rate


def check(path: Path, signal: np.ndarray, fs: float | None = None, tol: float = 1e-6) -> None:
    record = read_record(path, fs=fs)
    assert record.fs == 250
    np.testing.assert_allclose(record.signal, signal, atol=tol, equal_nan=True)
    blocks = np.concatenate(list(open_record(path, fs=fs).blocks(0.7)))
    np.testing.assert_array_equal(blocks, record.signal)


# ---------------------------------------------------------------- Parquet


def parquet(path: Path, columns: dict[str, object], metadata: dict[str, str] | None = None) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(columns)
    if metadata:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=700)
    return path


def test_parquet_with_clocks(tmp_path: Path) -> None:
    x = ecg()
    path = parquet(
        tmp_path / "a.parquet",
        {"time (ms)": np.arange(2000) * 4, "II (uV)": x[:, 0] * 1000, "V5 (mV)": x[:, 1]},
    )
    check(path, x)
    assert read_record(path).units == ("mV", "mV")
    when = np.datetime64("2020-03-04T10:11:12.000") + np.arange(2000) * np.timedelta64(4, "ms")
    steps = np.sin(np.arange(2000) / 9.0)
    path = parquet(tmp_path / "b.pq", {"stamp": when, "ecg": x[:, 0], "acc_x": steps})
    check(path, x[:, :1])
    record = read_record(path)
    assert str(record.start) == "2020-03-04 10:11:12"
    assert record.units == ("unknown",)
    assert record.origin.format == "Parquet"
    assert ("acc_x", "a motion by its name") in record.origin.left_out
    # A gap becomes missing samples.
    late = np.concatenate([np.arange(1000), np.arange(1000) + 1500]) * 0.004
    record = read_record(parquet(tmp_path / "c.parquet", {"t": late, "ECG": x[:, 0]}))
    assert record.n_samples == 2500
    assert np.isnan(record.signal[1000:1500]).all()


def test_parquet_with_properties(tmp_path: Path) -> None:
    x = ecg()
    for properties in ({"sampling_rate": "250"}, {"pandas": '{"attributes": {"fs": 250}}'}):
        check(parquet(tmp_path / "a.parquet", {"I": x[:, 0]}, properties), x[:, :1])
    path = parquet(tmp_path / "b.parquet", {"I": x[:, 0]})
    with pytest.raises(InputError, match="no sampling rate"):
        read_record(path)
    check(path, x[:, :1], fs=250.0)
    missing = [None, *x[1:, 0].tolist()]
    assert np.isnan(read_record(parquet(path, {"I": missing}), fs=250.0).signal[0, 0])


def test_parquet_that_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"0 columns of numbers \(its columns: name \(string\)"):
        read_record(parquet(tmp_path / "a.parquet", {"name": ["x"] * 10, "l": [[1.0, 2.0]] * 10}))
    noise = np.random.default_rng(0).normal(size=(2000, 2))
    path = parquet(tmp_path / "b.parquet", {"a": noise[:, 0], "b": noise[:, 1]})
    with pytest.raises(RecordError, match=r"leads=NAME: 'a' has no clear QRS; 'b' has no clear"):
        read_record(path, fs=250)
    assert read_record(path, fs=250, leads="b").leads == ("b",)
    pyarrow = pytest.importorskip("pyarrow")
    same = pyarrow.Table.from_arrays([pyarrow.array(ecg()[:, i]) for i in (0, 1)], ["I", "I"])
    pytest.importorskip("pyarrow.parquet").write_table(same, tmp_path / "same.parquet")
    check(tmp_path / "same.parquet", ecg(), fs=250)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RecordError, match=r"b\.parquet"):
        read_record(path, fs=250)


# ---------------------------------------------------------------- HDF5


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    x = ecg()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        held = file.create_dataset("study/ecg", data=x, compression="gzip", chunks=(100, 2))
        held.attrs["Sampling Rate"], held.attrs["unit"] = 250.0, "mV"
        file["study/ppg"] = np.arange(5000.0)
        file["study/lead_names"] = ["II", "V5"]
    check(tmp_path / "a.h5", x)
    record = read_record(tmp_path / "a.h5")
    assert record.leads == ("II", "V5")
    assert record.origin.fs_from == "the attribute 'samplingrate'"
    assert record.units == ("mV", "mV")
    with h5py.File(tmp_path / "b.hdf5", "w") as file:  # a data set a lead, the rate of the file
        file.attrs["fs"] = 250
        file["leads/I"], file["leads/II"] = x[:, 0], x[:, 1]
        file["leads/II"].attrs["units"] = "uV"
    record = read_record(tmp_path / "b.hdf5")
    assert (record.leads, record.units) == (("I", "II"), ("unknown", "mV"))
    np.testing.assert_allclose(record.signal[:, 1], x[:, 1] / 1000, atol=1e-6)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        noise = np.random.default_rng(0).normal(size=(2000, 2))
        file["a"], file["b"], file["fs"] = noise[:, 0], noise[:, 1], 250.0
    with pytest.raises(RecordError, match=r"leads=NAME: 'a' has no clear QRS; 'b' has no clear"):
        read_record(tmp_path / "c.h5")
    assert read_record(tmp_path / "c.h5", leads="b").leads == ("b",)


def test_hdf5_of_acqknowledge(tmp_path: Path) -> None:
    """As bioread's acq2hdf5 writes it: channels by number, their names and rates beside them."""
    h5py = working("h5py")
    x = ecg()
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.attrs["samples_per_second"] = 500.0
        for i, (name, unit, rate, values) in enumerate(
            [
                ("EDA", "microsiemens", 500.0, np.sin(np.arange(4000) / 300)),
                ("EKG - ERS100C", "mV", 250.0, np.round(x[:, 0] / 0.001 - 50).astype(np.int16)),
            ]
        ):
            held = file.create_dataset(f"channels/channel_{i}", data=values)
            held.attrs["name"], held.attrs["units"] = name, unit
            held.attrs["samples_per_second"] = rate
            held.attrs["scale"], held.attrs["offset"] = (0.001, 0.05) if i else (1.0, 0.0)
    record = read_record(tmp_path / "a.hdf5")
    assert (record.leads, record.fs, record.units) == (("EKG - ERS100C",), 250, ("mV",))
    np.testing.assert_allclose(record.signal[:, 0], x[:, 0], atol=6e-4)


def fields(signal: np.ndarray, clock: bool) -> np.ndarray:
    """A table with a field for each lead, and perhaps a clock before them."""
    names = ["time"] * clock + ["MLII", "V1"]
    table = np.zeros(len(signal), [(n, "<f8" if n == "time" else ">f4") for n in names])
    table["MLII"], table["V1"] = signal.T
    if clock:
        table["time"] = np.arange(len(signal)) / 250
    return table


@pytest.mark.parametrize("clock", [False, True])
def test_tables_with_named_fields(tmp_path: Path, clock: bool) -> None:
    h5py = working("h5py")
    signal = ecg()
    table = fields(signal, clock)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/table"] = table
        file["run/table"].attrs["fs"] = 250.0
    texts = np.zeros(len(table), [*table.dtype.descr, ("note", h5py.string_dtype())])
    for name in table.dtype.names:
        texts[name] = table[name]
    texts["note"] = "N"
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["table"] = texts
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", table)
    for name in ("a.h5", "b.h5", "a.npy", "a.npz"):
        record = read_record(tmp_path / name, fs=None if clock or name == "a.h5" else 250)
        assert record.leads == ("MLII", "V1"), name
        assert record.fs == pytest.approx(250), name
        np.testing.assert_allclose(record.signal, signal, atol=1e-6)


def test_matlab_of_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    x = ecg()
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["val"], file["fs"] = x.T, [[250.0]]
        file["name"] = np.array([list(b"II")], np.uint16).T
        file["name"].attrs["MATLAB_class"] = np.bytes_("char")
    with (tmp_path / "a.mat").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    check(tmp_path / "a.mat", x)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
def test_hostile_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret.bin").write_bytes(bytes(8000))
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("ecg", (1000,), "f8", external=[("secret.bin", 0, 8000)])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["ecg"] = h5py.ExternalLink("outside.h5", "/ecg")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((1000,), "f8")
        layout[:] = h5py.VirtualSource("outside.h5", "ecg", (1000,))
        file.create_virtual_dataset("ecg", layout)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("ecg", (10**12,), "f8", chunks=(1000,))
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        held = file.create_dataset(
            "ecg", (1000,), "f8", maxshape=(None,), chunks=(2**28,), compression="gzip"
        )
        assert held.chunks
    names = ["outside.h5", "link.h5", "virtual.h5", "empty.h5", "chunk.h5"]
    lines = read_limited(*(tmp_path / name for name in names), memory=2 << 30)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith("refused"), (name, line)
        assert name in line


def test_of_several_rates_the_first_of_the_list_counts() -> None:
    assert stated_rate({"Hz": 50, "Sampling Rate": "250", "unit": "mV"}) == (250.0, "Sampling Rate")
    assert stated_rate({"sampling_rate": "high", "hz": 250}) == (250.0, "hz")
    assert stated_rate({"fs": "-1", "srate": "nan"}) == (None, "")


# ---------------------------------------------------------------- WAV and FLAC


@pytest.mark.parametrize(
    ("kind", "subtype", "scale"),
    [
        ("WAV", "PCM_U8", 100),
        ("WAV", "PCM_16", 20_000),
        ("WAV", "PCM_24", 1_000_000),
        ("WAV", "PCM_32", 1_000_000_000),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 0),
        ("WAVEX", "PCM_16", 20_000),
        ("RF64", "PCM_16", 20_000),
        ("FLAC", "PCM_16", 20_000),
    ],
)
def test_sound(tmp_path: Path, kind: str, subtype: str, scale: int) -> None:
    soundfile = working("soundfile")
    x = ecg() / 2
    path = tmp_path / ("a.flac" if kind == "FLAC" else "a.wav")
    if scale:
        bits = int(subtype[4:].replace("U", ""))
        truth = np.rint(x * scale)
        stored = (truth.astype(np.int64) << (32 - bits)).astype(np.int32)
    else:
        truth = stored = x
    soundfile.write(path, stored, 250, subtype=subtype, format=kind)
    check(path, truth, tol=1e-6 * max(1, scale))
    record = read_record(path)
    assert record.units == ("unknown", "unknown")
    assert record.origin.format == kind


def test_sound_of_a_sound_card(tmp_path: Path) -> None:
    soundfile = working("soundfile")
    fs = 44_100
    slow = ecg(5000)[:, 0]
    x = np.interp(np.arange(20 * fs) / fs, np.arange(5000) / 250, slow)
    soundfile.write(tmp_path / "a.wav", x / 4, fs, subtype="PCM_16")
    record = read_record(tmp_path / "a.wav")
    assert record.fs == pytest.approx(fs / 22)
    assert "check that it is an ECG" not in record.origin.text()
    hum = np.sin(np.arange(20 * fs) * 2 * np.pi * 440 / fs)
    soundfile.write(tmp_path / "b.wav", hum / 2, fs, subtype="PCM_16")
    with pytest.raises(RecordError, match="has no QRS, like a pulse wave"):
        read_record(tmp_path / "b.wav")


def test_sound_that_cannot_be_used(tmp_path: Path) -> None:
    soundfile = working("soundfile")
    path = tmp_path / "a.wav"
    soundfile.write(path, ecg() / 4, 8000, subtype="ULAW")
    with pytest.raises(RecordError, match="ULAW, which keeps no exact samples"):
        read_record(path)
    soundfile.write(path, ecg() / 4, 250, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(RecordError, match="truncated"):
        read_record(path)
    for name, kind, says in (
        ("b.w64", "W64", "truncated"),
        ("c.wav", "RF64", "truncated"),
        ("d.flac", "FLAC", "cannot be read as an intact FLAC file"),
    ):
        soundfile.write(tmp_path / name, ecg() / 4, 250, subtype="PCM_16", format=kind)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 9 // 10])
        with pytest.raises(RecordError, match=says):
            read_record(tmp_path / name)
    path.write_bytes(b"no sound")
    with pytest.raises(EcgfastError, match=r"a\.wav"):
        read_record(path)


@pytest.mark.parametrize(
    ("name", "module"), [("a.h5", "h5py"), ("a.parquet", "pyarrow.parquet"), ("a.wav", "soundfile")]
)
def test_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MissingExtraError, match=r"ecgfast\[formats\]"):
        read_record(tmp_path / name, fs=250)


def test_an_ecg_whose_electrode_settles_is_one_by_what_comes_later(tmp_path: Path) -> None:
    """A drift of many times the height of a beat at the start had made it a smooth wave."""
    n, fs = 7500, 250
    settling = 10 * np.exp(-np.arange(n) / (3 * fs))
    pulse = 0.3 * np.sin(np.arange(n) / 35) + 0.1 * np.sin(np.arange(n) / 17)
    np.savetxt(tmp_path / "ecg.csv", ecg(n, 1)[:, 0] + settling)
    assert read_record(tmp_path / "ecg.csv", fs=fs).leads == ("ECG1",)
    for name, other in (("pulse", pulse + settling), ("drift", settling)):
        np.savetxt(tmp_path / f"{name}.csv", other)
        with pytest.raises(RecordError, match="is smooth and has no QRS"):
            read_record(tmp_path / f"{name}.csv", fs=fs)
