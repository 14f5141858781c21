"""Reading NumPy and text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from record_files import ecg, save_npy, wave

from ecgfast.errors import InputError, RecordError
from ecgfast.records import open_record, read_record

# ---------------------------------------------------------------- NumPy


def test_npy_needs_fs_and_is_mapped(tmp_path: Path) -> None:
    path = save_npy(tmp_path)
    with pytest.raises(InputError, match="no sampling rate; give it"):
        read_record(path)
    record = read_record(path, fs=500, leads=[1])
    assert record.fs == 500
    assert record.leads == ("ECG2",)
    np.testing.assert_array_equal(record.signal, ecg(fs=500.0)[:, 1:].astype(np.float32))
    blocks = list(open_record(path, fs=500).blocks(1.0))
    assert [b.shape for b in blocks] == [(500, 2)] * 4
    assert all(b.dtype == np.float32 and b.flags.c_contiguous for b in blocks)


def test_npz_carries_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=wave(), fs=360.0, leads=["MLII", "V1"])
    record = read_record(tmp_path / "a.npz")
    assert (record.fs, record.leads) == (360.0, ("MLII", "V1"))
    np.savez(tmp_path / "b.npz", one=wave(), other=wave())
    with pytest.raises(RecordError, match="holds one, other, no 'signal'"):
        read_record(tmp_path / "b.npz", fs=360)
    np.savez(tmp_path / "d.npz", signal=wave() > 0)
    with pytest.raises(RecordError, match=r"holds signal \(bool\), no 'signal'"):
        read_record(tmp_path / "d.npz", fs=360)
    np.savez(tmp_path / "c.npz", signal=wave(), leads=["one"])
    with pytest.raises(RecordError, match="1 lead names for 2 columns"):
        read_record(tmp_path / "c.npz", fs=360)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(0), "0 sample"),
        (np.zeros(1), "1 sample"),
        (np.zeros((200, 900)), r"shape \(200, 900\)"),
        (np.zeros((900, 2)), "'ECG2' never changes"),
        (np.zeros((9, 2, 2)), "shape"),
        (np.array(["x", "y"]), "not real numbers"),
        (np.arange(900) % 90 == 0, "holds bool, not real numbers"),
        (np.array([{}, {}], dtype=object), "plain numbers"),
    ],
)
def test_npy_that_is_no_signal(tmp_path: Path, array: np.ndarray, says: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(RecordError, match=says):
        read_record(tmp_path / "a.npy", fs=360)


@pytest.mark.parametrize("content", [b"", b"words, no array", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_npy_that_is_no_array(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(RecordError, match=r"a\.npy: is no intact NumPy file"):
        read_record(tmp_path / "a.npy", fs=360)


# ---------------------------------------------------------------- text


def write_text(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


ROWS = "0.1,0.2\n0.3,-0.4\n-0.5,0.6\n"
SIGNAL = np.array([[0.1, 0.2], [0.3, -0.4], [-0.5, 0.6]], np.float32)


@pytest.mark.parametrize(
    ("text", "name", "fs", "leads"),
    [
        (ROWS, "a.csv", 360, ("ECG1", "ECG2")),
        ("# fs=250\n" + ROWS, "a.csv", None, ("ECG1", "ECG2")),
        ("\ufeff# made by hand, fs: 250\r\nMLII,V1\r\n" + ROWS, "a.csv", None, ("MLII", "V1")),
        (ROWS.replace(",", "\t"), "a.tsv", 360, ("ECG1", "ECG2")),
        (ROWS.replace(",", "  "), "a.txt", 360, ("ECG1", "ECG2")),
        ("I;II\n" + ROWS.replace(",", ";").replace(".", ","), "a.csv", 360, ("I", "II")),
        ("time,I,II\n0,0.1,0.2\n0.004,0.3,-0.4\n0.008,-0.5,0.6\n", "a.csv", None, ("I", "II")),
        ("I,time (ms),II\n0.1,0,0.2\n0.3,4,-0.4\n-0.5,8,0.6\n", "a.csv", None, ("I", "II")),
        ("0,0.1,0.2\n0.004,0.3,-0.4\n0.008,-0.5,0.6\n", "a.csv", None, ("ECG1", "ECG2")),
        ("'sample #','I','II'\n0,0.1,0.2\n1,0.3,-0.4\n2,-0.5,0.6\n", "a.csv", 250, ("I", "II")),
        ("I (uV),II [V]\n100,0.0002\n300,-0.0004\n-500,0.0006\n", "a.csv", 250, ("I", "II")),
        (
            "'Elapsed time','I','II'\n'seconds','mV','uV'\n"
            "0,0.1,200\n0.004,0.3,-400\n0.008,-0.5,600\n",
            "a.csv",
            None,
            ("I", "II"),
        ),
    ],
)
def test_text_in_many_dresses(
    tmp_path: Path, text: str, name: str, fs: float | None, leads: tuple[str, ...]
) -> None:
    record = read_record(write_text(tmp_path, text, name), fs=fs)
    assert record.leads == leads
    assert record.fs == (fs or 250)
    np.testing.assert_allclose(record.signal, SIGNAL, rtol=1e-6)


def test_empty_cells_are_missing_samples(tmp_path: Path) -> None:
    record = read_record(write_text(tmp_path, "I,II\n0.1,\nnan,0.4\n0.5,0.6\n"), fs=360)
    np.testing.assert_array_equal(
        np.isnan(record.signal), [[False, True], [True, False], [False, False]]
    )


def test_rounded_time_stamps_give_the_whole_rate(tmp_path: Path) -> None:
    clock = np.round(np.arange(720) / 360, 3)
    rows = "\n".join(f"{t:.3f},{v:.4f}" for t, v in zip(clock, wave(720, 1)[:, 0], strict=True))
    assert read_record(write_text(tmp_path, "time,MLII\n" + rows)).fs == 360
    clock = np.arange(720) / 249.89
    rows = "\n".join(f"{t:.6f},0.1" for t in clock)
    assert read_record(write_text(tmp_path, "time,MLII\n" + rows)).fs == pytest.approx(249.89, 1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no samples"),
        ("# fs=360\n", "holds no samples"),
        ("MLII,V1\n", "no samples"),
        ("0.1\n", "1 sample"),
        ("dear reader\nthis is\na letter\n", "line 2: 'this' is not a number"),
        ("I,II\n0.1,0.2\n\n0.3,oops\n", "line 4: 'oops' is not a number"),
        ("0.1,0.2\n0.3\n", "line 2 has 1 columns where 2 are expected"),
        ("I,II\n0.1\n0.2\n", "line 2 has 1 columns"),
        ("# fs=fast\n0.1\n0.2\n", "fs=fast; write a number"),
        ("time,I\n0,1\n0.004,2\n0.008,2\n0.007,3\n", "does not climb evenly at sample 4"),
    ],
)
def test_text_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    path = write_text(tmp_path, text)
    fs = None if "fs" in text or "time" in text else 360
    with pytest.raises(RecordError, match=says) as caught:
        read_record(path, fs=fs)
    assert "a.csv" in str(caught.value) or "a:" in str(caught.value)


def test_text_rates_that_clash_or_lack(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sampling rate"):
        read_record(write_text(tmp_path, ROWS))
    with pytest.raises(InputError, match="250 Hz and fs=360"):
        read_record(write_text(tmp_path, "# fs=250\n" + ROWS), fs=360)
    with pytest.raises(InputError, match="10 Hz"):
        read_record(write_text(tmp_path, "time,I\n0,1\n0.1,2\n0.2,3\n"))


def test_binary_dressed_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(range(256)))
    with pytest.raises(RecordError, match="is no text file"):
        read_record(tmp_path / "a.csv", fs=360)
