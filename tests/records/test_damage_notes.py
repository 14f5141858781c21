"""Damage that leaves a file readable: what it may have changed is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clinical_writers import muse_file
from record_files import ecg, wave, write_wfdb

from ecgfast.errors import RecordError
from ecgfast.records import read_record

RECORDINGS = Path(__file__).parents[1] / "recordings"


def notes(path: Path) -> str:
    origin = read_record(path).origin
    assert origin is not None
    return "\n".join(origin.notes)


@pytest.mark.parametrize("fmt", ["16", "212", "24", "80"])
def test_samples_without_the_checksum_of_their_header(tmp_path: Path, fmt: str) -> None:
    path = write_wfdb(tmp_path, "a", wave(2000), fmt)
    assert notes(path.with_suffix(".hea")) == ""
    data = path.with_suffix(".dat")
    whole = data.read_bytes()
    for damaged in (
        whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:],
        whole[:500] + b"\r" + whole[500:],  # a transfer as text
    ):
        data.write_bytes(damaged)
        assert "a.dat may be damaged: its samples do not have the checksum that the header" in (
            notes(path.with_suffix(".hea"))
        )


def test_a_checksum_that_was_never_set_tells_nothing(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "a", wave(2000), "16").with_suffix(".hea")
    lines = [line.split() for line in path.read_text().splitlines()]
    for fields in lines[1:]:
        fields[6] = "0"
    path.write_text("\n".join(" ".join(fields) for fields in lines))
    path.with_suffix(".dat").write_bytes((100 * wave(2000, seed=1)).astype("<i2").tobytes())
    assert notes(path) == ""


def test_bytes_that_belong_to_no_data_record(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(ecg()[:, 0], 250, label="ECG II", physical_dimension="mV")
    edfio.Edf([signal]).write(path)
    whole = path.read_bytes()
    assert notes(path) == ""
    path.write_bytes(whole[:3000] + b"\r" + whole[3000:])
    assert "may be damaged: the file holds 1 bytes that belong to no data record" in notes(path)


def test_bytes_beyond_the_samples_of_an_ishne_file(tmp_path: Path) -> None:
    whole = (RECORDINGS / "ishne.ecg").read_bytes()
    path = tmp_path / "a.ecg"
    path.write_bytes(whole)
    assert notes(path) == ""
    path.write_bytes(whole[:4000] + b"\r" + whole[4000:])
    assert "the file holds 1 bytes more" in notes(path)


def test_arrays_under_another_name_are_named_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=ecg(), fs=250.0)
    (tmp_path / "a.npz").rename(tmp_path / "a.phys")
    with pytest.raises(RecordError, match=r"file of NumPy arrays; rename it to \.npz"):
        read_record(tmp_path / "a.phys")


def test_notes_of_a_clinical_decoder_end_with_a_word(tmp_path: Path) -> None:
    counts = (200 * ecg(5000, 3, 500)).astype(int)
    path = muse_file(tmp_path / "a.xml", counts)
    stated = "<FirstSampleBaseline>9080</FirstSampleBaseline><LeadSampleSize>"
    path.write_text(path.read_text().replace("<LeadSampleSize>", stated))
    said = [note for note in notes(path).splitlines() if "FirstSampleBaseline" in note]
    assert len(said) == 1
    assert said[0].endswith("which changes no beat")
