"""Reading recordings: the wfdb package and edfio are the judges of the fast routes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from ecgfast.errors import InputError, RecordError
from ecgfast.records import Annotations, Record, open_record, read_annotations, read_record

FindRecord = Callable[[str], Path]


def wave(n: int = 2000, leads: int = 2, seed: int = 0) -> np.ndarray:
    """A wandering signal of about 1 mV, (n, leads)."""
    steps = np.random.default_rng(seed).normal(0, 0.05, (n, leads))
    return np.clip(np.cumsum(steps, axis=0), -4, 4)


def write_wfdb(folder: Path, name: str, signal: np.ndarray, fmt: str, **more: object) -> Path:
    """Write a record with the wfdb package."""
    import wfdb

    n_leads = signal.shape[1]
    args: dict[str, object] = {
        "fs": 250,
        "units": ["mV"] * n_leads,
        "sig_name": ["I", "II", "V1", "V2"][:n_leads],
        "fmt": [fmt] * n_leads,
        "adc_gain": [30.0 if fmt == "80" else 200.0] * n_leads,
        "baseline": [3] * n_leads,
        "p_signal": signal,
        "write_dir": str(folder),
    }
    wfdb.wrsamp(name, **(args | more))
    return folder / name


# ---------------------------------------------------------------- Record


def test_record_converts_and_names() -> None:
    record = Record([0, 1, 2], 250)
    assert record.signal.shape == (3, 1)
    assert record.signal.dtype == np.float32
    assert record.signal.flags.c_contiguous
    assert record.leads == ("ECG1",)
    assert record.units == ("mV",)
    assert record.duration == pytest.approx(0.012)
    fortran = Record(np.asfortranarray(wave()), 360.0, ("MLII", "V5"))
    assert fortran.signal.flags.c_contiguous
    np.testing.assert_array_equal(fortran.lead("v5"), fortran.lead(1))
    np.testing.assert_array_equal(fortran.lead("V5"), wave()[:, 1].astype(np.float32))


@pytest.mark.parametrize(
    ("signal", "fs", "leads", "says"),
    [
        (np.zeros(0), 360, (), "0 sample"),
        (np.zeros(1), 360, (), "1 sample"),
        (np.zeros((5, 0)), 360, (), r"shape \(5, 0\)"),
        (np.zeros((5, 2, 2)), 360, (), "shape"),
        (np.zeros((2, 500)), 360, (), "transpose"),
        (np.array(["a", "b"]), 360, (), "real numbers"),
        (np.zeros(50, complex), 360, (), "real numbers"),
        (np.zeros(50), 99.9, (), "99.9 Hz"),
        (np.zeros(50), 2001, (), "2001 Hz"),
        (np.zeros(50), float("nan"), (), "nan Hz"),
        (np.zeros(50), None, (), "None"),
        (np.zeros(50), 360, ("I", "II"), "2 lead names"),
        (np.zeros((50, 2)), 360, "II", "sequence of names"),
    ],
)
def test_record_refuses(signal: np.ndarray, fs: float, leads: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Record(signal, fs, leads)


def test_lead_that_is_not_there_lists_those_that_are() -> None:
    record = Record(wave(), 360.0, ("MLII", "V5"), name="100")
    with pytest.raises(InputError, match=r"100: no lead 'V1'; there are 'MLII', 'V5'"):
        record.lead("V1")
    with pytest.raises(InputError, match="no lead 2"):
        record.lead(2)


def test_annotations_need_equal_lengths() -> None:
    assert Annotations(np.array([1, 2]), np.array(["N", "V"])).aux.tolist() == ["", ""]
    with pytest.raises(InputError, match="2 samples, 1 symbols"):
        Annotations(np.array([1, 2]), np.array(["N"]))


def test_import_is_light() -> None:
    heavy = ("wfdb", "pandas", "matplotlib", "scipy", "edfio", "tensorflow")
    code = f"import sys, ecgfast.records; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- WFDB


@pytest.mark.parametrize(
    "name",
    ["mitdb/100", "mitdb/114", "mitdb/208", "svdb/800", "nstdb/118e_6", "nstdb/bw", "bp/v133l"],
)
def test_real_records_match_wfdb_bit_for_bit(record_path: FindRecord, name: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = record_path(name)
    judge = wfdb.rdrecord(str(path))
    record = read_record(path, leads=range(judge.n_sig))
    assert record.signal.tobytes() == judge.p_signal.astype(np.float32).tobytes()
    assert record.leads == tuple(judge.sig_name)
    assert record.fs == judge.fs
    assert record.name == path.name
    assert list(record.comments) == [line for line in judge.comments if line]
    if path.with_name(f"{path.name}.atr").is_file():
        marks = wfdb.rdann(str(path), "atr")
        assert record.annotations is not None
        np.testing.assert_array_equal(record.annotations.sample, marks.sample)
        assert record.annotations.symbol.tolist() == list(marks.symbol)
        assert record.annotations.aux.tolist() == [a.rstrip("\0") for a in marks.aux_note]
    else:
        assert record.annotations is None


def test_real_record_is_read_without_wfdb_and_fast(record_path: FindRecord) -> None:
    path = record_path("mitdb/208")
    code = (
        "import sys, time; from ecgfast.records import read_record\n"
        f"p = {str(path)!r}; read_record(p)\n"
        "t = min((lambda a: (read_record(p), time.perf_counter() - a)[1])(time.perf_counter())"
        " for _ in range(5))\n"
        "assert 'wfdb' not in sys.modules; print(t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.15


def test_pressure_is_read_only_when_named(record_path: FindRecord) -> None:
    path = record_path("bp/v133l")
    assert read_record(path).leads == ("II",)
    both = read_record(path, leads=["ABP", "II"])
    assert both.leads == ("ABP", "II")
    assert both.units == ("mmHg", "mV")
    assert 40 < np.nanmedian(both.lead("ABP")) < 200


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212"])
@pytest.mark.parametrize("shape", [(2001, 1), (1999, 3), (2000, 2)])
def test_every_common_format_matches_wfdb(tmp_path: Path, fmt: str, shape: tuple[int, int]) -> None:
    wfdb = pytest.importorskip("wfdb")
    signal = wave(*shape)
    signal[100:120, 0] = np.nan
    path = write_wfdb(tmp_path, "made", signal, fmt)
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    source = open_record(path)
    assert source.fetch.__qualname__.startswith("_open_common")
    record = source.read()
    np.testing.assert_array_equal(record.signal, judge)
    assert np.isnan(record.signal[100:120, 0]).all()
    blocks = list(open_record(path).blocks(0.3))
    assert [len(b) for b in blocks[:-1]] == [75] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), judge)
    np.testing.assert_array_equal(source.fetch(777, 778), judge[777:778])


@pytest.mark.parametrize(("fmt", "dtype", "zero"), [("61", ">i2", 0), ("160", "<u2", 1 << 15)])
def test_formats_that_wfdb_only_reads(tmp_path: Path, fmt: str, dtype: str, zero: int) -> None:
    wfdb = pytest.importorskip("wfdb")
    digits = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, 3000)
    digits[7] = -(1 << 15)
    (tmp_path / "r.dat").write_bytes((digits + zero).astype(dtype).tobytes())
    (tmp_path / "r.hea").write_text(
        f"r 2 250 1500\nr.dat {fmt} 99.7(12)/mV 16 0 0 0 0 I\n"
        f"r.dat {fmt} 99.7(12)/mV 16 0 0 0 0 II\n"
    )
    judge = wfdb.rdrecord(str(tmp_path / "r")).p_signal.astype(np.float32)
    record = read_record(tmp_path / "r")
    np.testing.assert_array_equal(record.signal, judge)
    assert np.isnan(record.signal[3, 1])


def test_units_become_millivolts_and_leads_keep_their_order(tmp_path: Path) -> None:
    signal = wave()
    path = write_wfdb(
        tmp_path, "made", signal * [1000, 1e-3], "16", units=["uV", "V"], adc_gain=[5.0, 5e6]
    )
    record = read_record(path)
    assert record.units == ("mV", "mV")
    np.testing.assert_allclose(record.signal, signal, atol=2e-4)
    swapped = read_record(path, leads=["ii", 0])
    assert swapped.leads == ("II", "I")
    np.testing.assert_array_equal(swapped.signal, record.signal[:, ::-1])
    assert read_record(path, leads="II").signal.shape == (2000, 1)
    with pytest.raises(InputError, match="no lead 'aVF'; there are 'I', 'II'"):
        read_record(path, leads="aVF")
    with pytest.raises(InputError, match="empty list"):
        read_record(path, leads=[])


def test_brain_signals_are_left_out(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16", sig_name=["EEG (C4-A1)", "ECG"])
    assert read_record(path).leads == ("ECG",)
    unnamed = write_wfdb(tmp_path, "plain", wave(), "16", sig_name=["noise1", "noise2"])
    assert read_record(unnamed).leads == ("noise1", "noise2")


def test_signals_in_several_files_and_behind_an_offset(tmp_path: Path) -> None:
    first, second = np.arange(-500, 500), np.arange(1000) * 2
    (tmp_path / "a.dat").write_bytes(b"head" + first.astype("<i2").tobytes())
    (tmp_path / "b.dat").write_bytes(second.astype("<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        "# made by hand\n\nr 2 250.5/100(3) 1000 12:30:05.25 24/12/2024\n"
        "a.dat 16+4 100(-10)/mV 16 0 0 0 0 MLII\nb.dat 16 0 12 7\n# and noted\n"
    )
    record = read_record(tmp_path / "r.hea")
    assert record.fs == 250.5
    assert record.start == datetime(2024, 12, 24, 12, 30, 5, 250_000)
    assert record.leads == ("MLII",)
    assert record.comments == ("made by hand", "and noted")
    both = read_record(tmp_path / "r", leads=[0, 1])
    assert both.leads == ("MLII", "signal 1")
    np.testing.assert_allclose(both.signal[:, 0], (first + 10) / 100, rtol=1e-6)
    # No gain means 200, no baseline means the ADC's zero.
    np.testing.assert_allclose(both.signal[:, 1], (second - 7) / 200, rtol=1e-6)


def test_open_length_is_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_bytes(np.arange(600, dtype="<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        "r 2 250\nr.dat 16 200 12 0 0 0 0 I\nr.dat 16 200 12 0 0 0 0 II\n"
    )
    assert open_record(tmp_path / "r").n_samples == 300


@pytest.mark.parametrize("fmt", ["310", "516"])
def test_rare_formats_go_through_wfdb(tmp_path: Path, fmt: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path, "made", wave(1998), "516")
    if fmt == "310":
        raw = np.random.default_rng(2).integers(0, 256, 1998 * 2 // 3 * 4, np.uint8)
        path.with_suffix(".dat").write_bytes(raw.tobytes())
        header = path.with_suffix(".hea").read_text()
        path.with_suffix(".hea").write_text(header.replace(" 516 ", " 310 "))
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, judge)
    np.testing.assert_array_equal(np.concatenate(list(open_record(path).blocks(1.0))), judge)
    np.testing.assert_array_equal(read_record(path, leads=[1, 0]).signal, judge[:, ::-1])


def test_skewed_signals_go_through_wfdb(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path, "made", wave(), "16")
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace("made.dat 16 ", "made.dat 16:3 ", 1))
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    np.testing.assert_array_equal(read_record(path).signal, judge)


def write_two_rates(folder: Path) -> Path:
    """A record of frames at 125 Hz: I and II twice in each, RESP once."""
    frames = np.arange(400)
    table = np.column_stack([2 * frames, 2 * frames + 1, -frames, -frames - 1, frames])
    (folder / "m.dat").write_bytes(table.astype("<i2").tobytes())
    (folder / "m.hea").write_text(
        "m 3 125 400\nm.dat 16x2 100/mV 16 0 0 0 0 I\nm.dat 16x2 100/mV 16 0 0 0 0 II\n"
        "m.dat 16 1/mV 16 0 0 0 0 RESP\n"
    )
    return folder / "m"


def test_several_rates(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    from ecgfast.records.mit import encode_annotations

    path = write_two_rates(tmp_path)
    path.with_suffix(".atr").write_bytes(encode_annotations([10, 200], ["N", "V"], 125))
    record = read_record(path)
    assert record.leads == ("I", "II")
    assert record.fs == 250
    np.testing.assert_allclose(record.lead("I"), np.arange(800) / 100, rtol=1e-6)
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [20, 400]
    odd = np.concatenate(list(open_record(path).blocks(0.3)))
    np.testing.assert_array_equal(odd, record.signal)
    with pytest.raises(RecordError, match=r"differ in rate \(I 250 Hz, RESP 125 Hz\)"):
        read_record(path, leads=["I", "RESP"])
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:1000])
    with pytest.raises(RecordError, match=r"m\.hea"):
        read_record(path)


def test_several_segments(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    signal = wave()
    write_wfdb(tmp_path, "seg1", signal[:1200], "16")
    write_wfdb(tmp_path, "seg2", signal[1200:], "16")
    (tmp_path / "multi.hea").write_text("multi/2 2 250 2000\nseg1 1200\nseg2 800\n")
    judge = wfdb.rdrecord(str(tmp_path / "multi")).p_signal.astype(np.float32)
    record = read_record(tmp_path / "multi")
    assert record.signal.shape == (2000, 2)
    assert record.leads == ("I", "II")
    np.testing.assert_array_equal(record.signal, judge)
    blocks = np.concatenate(list(open_record(tmp_path / "multi").blocks(1.0)))
    np.testing.assert_array_equal(blocks, judge)


def test_layout_of_segments_that_changes(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    signal = wave()
    write_wfdb(tmp_path, "seg1", signal[:1200], "16")
    write_wfdb(tmp_path, "seg2", signal[1200:, :1], "16", sig_name=["II"])
    (tmp_path / "layout.hea").write_text(
        "layout 2 250 0\n~ 0 200/mV 16 0 0 0 0 I\n~ 0 200/mV 16 0 0 0 0 II\n"
    )
    (tmp_path / "multi.hea").write_text(
        "multi/4 2 250 2100\nlayout 0\nseg1 1200\n~ 100\nseg2 800\n"
    )
    record = read_record(tmp_path / "multi")
    assert record.leads == ("I", "II")
    np.testing.assert_allclose(record.signal[:1200], signal[:1200], atol=0.005)
    assert np.isnan(record.lead("I")[1200:]).all()
    assert np.isnan(record.lead("II")[1200:1300]).all()
    np.testing.assert_allclose(record.lead("II")[1300:], signal[1200:, 0], atol=0.005)
    blocks = np.concatenate(list(open_record(tmp_path / "multi").blocks(1.0)))
    np.testing.assert_array_equal(blocks, record.signal)
    only = read_record(tmp_path / "multi", leads="II")
    np.testing.assert_array_equal(only.signal[:, 0], record.lead("II"))


# ---------------------------------------------------------------- bad WFDB


def test_truncated_record_says_promised_and_present(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "212")
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:3000])
    with pytest.raises(
        RecordError, match=r"made\.dat: truncated: .*promises 2000 .*1000 are present"
    ):
        read_record(path)


def test_truncated_compressed_record(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path, "made", wave(), "516")
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:300])
    with pytest.raises(RecordError, match="made"):
        read_record(path)


def test_missing_parts_of_a_record(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16")
    header = path.with_suffix(".hea").read_text()
    path.with_suffix(".hea").unlink()
    with pytest.raises(RecordError, match=r"header made\.hea is missing"):
        read_record(path.with_suffix(".dat"))
    with pytest.raises(RecordError, match=r"did you mean made\.dat"):
        read_record(path)
    path.with_suffix(".hea").write_text(header)
    assert read_record(path.with_suffix(".dat")).n_samples == 2000
    path.with_suffix(".dat").unlink()
    with pytest.raises(RecordError, match=r"made\.dat: missing, though made\.hea names it"):
        read_record(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("dear reader, this is a letter\n", "line 1 is no WFDB record line"),
        ("r two 250 100\n", "line 1 is no WFDB record line"),
        ("r 0 250 100\n", "no signals"),
        ("r 2 250 100\nr.dat 16 200\n", "promises 2 signals and describes 1"),
        ("r 1 250 100\nr.dat sixteen 200\n", "line 2 is no WFDB signal line"),
        ("r 1 250 100\nr.dat 16 many\n", "line 2 is no WFDB signal line"),
        ("r 1 250 100\nr.dat 16 200/mmHg 12 0 0 0 0 ABP\n", "'ABP' .mmHg"),
    ],
)
def test_header_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "r.hea").write_text(text)
    with pytest.raises(RecordError, match=says) as caught:
        read_record(tmp_path / "r")
    assert "\n" not in str(caught.value)
    assert "r.hea" in str(caught.value)


def test_rate_out_of_range_or_contradicted(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16", fs=50)
    with pytest.raises(InputError, match="50 Hz"):
        read_record(path)
    path = write_wfdb(tmp_path, "made", wave(), "16")
    assert read_record(path, fs=250).fs == 250
    with pytest.raises(InputError, match="250 Hz and fs=360"):
        read_record(path, fs=360)
    with pytest.raises(InputError, match="20 Hz"):
        read_record(path, fs=20)


def test_empty_signal_file(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 250\nr.dat 16 200 12 0 0 0 0 I\n")
    (tmp_path / "r.dat").write_bytes(b"")
    with pytest.raises(RecordError, match="holds 0 sample"):
        read_record(tmp_path / "r")


def test_truncated_annotations(tmp_path: Path) -> None:
    from ecgfast.records.mit import encode_annotations

    whole = encode_annotations([10, 5000], ["N", "V"], 250, ["", "a long remark"])
    (tmp_path / "r.atr").write_bytes(whole[:-8])
    with pytest.raises(RecordError, match=r"r\.atr: truncated"):
        read_annotations(tmp_path / "r.atr")
    with pytest.raises(RecordError, match="cannot be read"):
        read_annotations(tmp_path / "none.atr")


# ---------------------------------------------------------------- what is there at all


def test_missing_unknown_and_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none.*no such recording; check the path"):
        read_record(tmp_path / "none")
    with pytest.raises(RecordError, match="is a folder"):
        read_record(tmp_path)
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    with pytest.raises(RecordError, match=r"song\.mp3: of an unknown format; known are WFDB"):
        read_record(tmp_path / "song.mp3")
    with pytest.raises(RecordError, match="no such recording"):
        read_record(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="blocks of 0"):
        next(open_record(save_npy(tmp_path), fs=360).blocks(0))


# ---------------------------------------------------------------- NumPy


def save_npy(folder: Path) -> Path:
    np.save(folder / "a.npy", wave())
    return folder / "a.npy"


def test_npy_needs_fs_and_is_mapped(tmp_path: Path) -> None:
    path = save_npy(tmp_path)
    with pytest.raises(InputError, match="no sampling rate; give it"):
        read_record(path)
    record = read_record(path, fs=500, leads=[1])
    assert record.fs == 500
    assert record.leads == ("ECG2",)
    np.testing.assert_array_equal(record.signal, wave()[:, 1:].astype(np.float32))
    blocks = list(open_record(path, fs=500).blocks(1.0))
    assert [b.shape for b in blocks] == [(500, 2)] * 4
    assert all(b.dtype == np.float32 and b.flags.c_contiguous for b in blocks)


def test_npz_carries_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=wave(), fs=360.0, leads=["MLII", "V1"])
    record = read_record(tmp_path / "a.npz")
    assert (record.fs, record.leads) == (360.0, ("MLII", "V1"))
    np.savez(tmp_path / "b.npz", ecg=wave())
    with pytest.raises(RecordError, match="holds ecg, no 'signal'"):
        read_record(tmp_path / "b.npz", fs=360)
    np.savez(tmp_path / "c.npz", signal=wave(), leads=["one"])
    with pytest.raises(RecordError, match="1 lead names for 2 columns"):
        read_record(tmp_path / "c.npz", fs=360)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(0), "0 sample"),
        (np.zeros(1), "1 sample"),
        (np.zeros((2, 900)), r"shape \(2, 900\)"),
        (np.zeros((9, 2, 2)), "shape"),
        (np.array(["x", "y"]), "not real numbers"),
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
        ("time,I\n0,1\n0.004,2\n0.008,3\n0.5,3\n0.504,4\n", "evenly at sample 4"),
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


# ---------------------------------------------------------------- EDF


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
        annotations=[edfio.EdfAnnotation(2.5, None, "palpitation")],
    )
    edf.write(folder / name)
    return folder / name


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
    assert record.annotations.sample.tolist() == [640]
    assert record.annotations.aux.tolist() == ["palpitation"]
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


def test_edf_without_edfio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgfast.errors import MissingExtraError

    path = write_edf(tmp_path, "three.edf")
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[edf\]"):
        read_record(path)
