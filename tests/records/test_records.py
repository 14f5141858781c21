"""A recording in memory, and what is asked for but not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import save_npy, wave

from ecgfast import detect_qrs
from ecgfast.errors import InputError, RecordError
from ecgfast.records import Annotations, Record, open_record, read_record


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
        (np.zeros((2, 500)), 360, (), r"transposed, pass signal\.T"),
        (np.array(["a", "b"]), 360, (), "real numbers"),
        (np.zeros(50, complex), 360, (), "real numbers"),
        (np.zeros(50), 99.4, (), "99.4 Hz"),
        (np.zeros(50), 2011, (), "2011 Hz"),
        (np.zeros(50), float("nan"), (), "nan Hz"),
        (np.zeros(50), None, (), "None"),
        (np.zeros(50), 360, ("I", "II"), "2 lead names"),
        (np.zeros((50, 2)), 360, "II", "give a sequence"),
    ],
)
def test_record_refuses(signal: np.ndarray, fs: float, leads: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Record(signal, fs, leads)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"leads": None}, "leads is None: give a sequence, one for each lead"),
        (
            {"leads": "II"},
            r"leads is 'II': give a sequence, one for each lead, such as leads=\['II'",
        ),
        ({"units": "mV"}, r"units is 'mV': give a sequence, .* such as units=\['mV'\]"),
        ({"start": "2026-03-01 23:59"}, "start is '2026-03-01 23:59': give a datetime"),
        ({"start": np.datetime64("2026-03-01")}, "start is .*: give a datetime"),
    ],
)
def test_what_describes_a_record_has_a_type(wrong: dict[str, Any], told: str) -> None:
    """Two leads of the units "m" and "V" came of units="mV"."""
    with pytest.raises(InputError, match=f"night: {told}"):
        Record(np.zeros((100, 2)), 250.0, name="night", **wrong)


def test_leads_that_are_not_there_or_given_twice() -> None:
    record = Record(wave(), 360.0, ("MLII", "V5"), name="100")
    with pytest.raises(InputError, match=r"100: no lead 'V1'; there are 'MLII', 'V5'"):
        record.lead("V1")
    for twice, told in (
        ([0, 0], "lead 0 is listed twice"),
        (["MLII", "V5", "mlii"], "'MLII' and 'mlii' are the same lead"),
        ([0, "MLII"], "0 and 'MLII' are the same lead"),
        ([1, -1], "1 and -1 are the same lead"),
    ):
        with pytest.raises(InputError, match=f"{told}: give each lead once$"):
            detect_qrs(record, leads=twice)
    with pytest.raises(InputError, match="no lead 2"):
        record.lead(2)


def test_annotations_need_equal_lengths() -> None:
    assert Annotations(np.array([1, 2]), np.array(["N", "V"])).aux.tolist() == ["", ""]
    with pytest.raises(InputError, match="2 samples, 1 symbols"):
        Annotations(np.array([1, 2]), np.array(["N"]))


def test_annotations_are_sample_numbers() -> None:
    peaks = np.array([100, 400, 700])
    assert Annotations(peaks.astype(float), ["N"] * 3).sample.tolist() == peaks.tolist()
    for wrong in (peaks / 360, peaks == 100, peaks.astype("M8[s]"), ["a"] * 3, [1, np.nan, 3]):
        with pytest.raises(InputError, match="give sample indices, whole numbers"):
            Annotations(wrong, ["N"] * 3)
    for wrong in (peaks, [1, 2], "atr", {"ECG_R_Peaks": peaks}):
        with pytest.raises(InputError, match=r"annotations is of .*give ecgfast\.Annotations"):
            Record(np.zeros((1000, 1)), 360, annotations=wrong)


def test_import_is_light() -> None:
    heavy = ("wfdb", "pandas", "matplotlib", "scipy", "edfio", "tensorflow")
    code = f"import sys, ecgfast.records; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_unknown_and_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none.*no such recording; check the path"):
        read_record(tmp_path / "none")
    with pytest.raises(RecordError, match="is a folder"):
        read_record(tmp_path)
    (tmp_path / "song.mp3").write_bytes(b"ID3")
    with pytest.raises(RecordError, match=r"song\.mp3: \.mp3 files are not read; .* WAV"):
        read_record(tmp_path / "song.mp3")
    (tmp_path / "a.strange").write_bytes(b"ID3\0")
    with pytest.raises(RecordError, match=r"a\.strange: has no extension of a known format \(WFDB"):
        read_record(tmp_path / "a.strange")
    with pytest.raises(RecordError, match="no such recording"):
        read_record(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="blocks of 0"):
        next(open_record(save_npy(tmp_path), fs=360).blocks(0))
