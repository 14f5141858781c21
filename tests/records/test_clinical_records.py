"""Reading DICOM, SCP-ECG, HL7 aECG, and XML of GE and of Philips."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from clinical_writers import (
    aecg_file,
    cardiosoft_file,
    counts,
    dicom_file,
    muse_file,
    philips_file,
    residuals,
    scp_file,
)
from limited import read_limited

from ecgfast.errors import RecordError
from ecgfast.records import open_record, read_record

pytest.importorskip("ecgdatakit")
pydicom = pytest.importorskip("pydicom")

BEAT = np.rint(np.hanning(200)[:, np.newaxis] * [300, 200, -100]).astype(np.int64)


def check(path: Path, signal: np.ndarray, offset: float = 0.0) -> None:
    """The file holds `signal` in counts of 5 uV, and began on 4 March 2020 at 10:11:12."""
    record = read_record(path)
    assert record.fs == 500
    assert record.leads[:2] == ("I", "II")
    assert set(record.units) == {"mV"}
    assert record.start is not None
    assert record.start.replace(microsecond=0) == datetime(2020, 3, 4, 10, 11, 12)
    assert record.signal.shape == signal.shape
    np.testing.assert_allclose(record.signal, (signal * 5 + offset) / 1000, atol=1e-6)
    blocks = np.concatenate(list(open_record(path).blocks(0.7)))
    np.testing.assert_array_equal(blocks, record.signal)


@pytest.mark.parametrize("suffix", ["scp", "ecg", "SCP"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"order": 1},
        {"huffman": True, "order": 2},
        {"huffman": True, "order": 2, "beats": (BEAT, [500, 1100, 4000])},
        {"beats": (BEAT, [0, 4800])},
    ],
)
def test_scp(tmp_path: Path, suffix: str, how: dict) -> None:
    check(scp_file(tmp_path / f"a.{suffix}", counts(), **how), counts())


def test_scp_rate_that_is_no_whole_number_and_leads_one_after_the_other(tmp_path: Path) -> None:
    path = scp_file(tmp_path / "a.scp", counts(1000), fs=1e6 / 2222)
    assert read_record(path).fs == pytest.approx(450.045, abs=1e-3)
    path = scp_file(tmp_path / "b.scp", counts(1000), starts=(0, 1000, 2000))
    record = read_record(path)
    assert record.n_samples == 3000
    for lead in range(3):
        there = np.isfinite(record.signal[:, lead])
        np.testing.assert_array_equal(np.flatnonzero(there), np.arange(1000) + 1000 * lead)
        np.testing.assert_allclose(
            record.signal[there, lead], counts(1000)[:, lead] / 200, atol=1e-6
        )
    assert "missing" in record.origin.text()


def test_muse(tmp_path: Path) -> None:
    check(muse_file(tmp_path / "a.xml", counts()), counts())
    record = read_record(muse_file(tmp_path / "a.xml", counts()))
    assert "median beats in it are not read" in record.origin.text()
    assert "above 0.16 Hz and below 150 Hz" in record.origin.text()
    record = read_record(muse_file(tmp_path / "b.xml", counts(), unit="", per_bit="5"))
    assert set(record.units) == {"unknown"}
    np.testing.assert_array_equal(record.signal, counts())


def test_aecg(tmp_path: Path) -> None:
    check(aecg_file(tmp_path / "a.xml", counts()), counts(), offset=10)
    check(aecg_file(tmp_path / "a.aecg", counts()), counts(), offset=10)
    exact = read_record(aecg_file(tmp_path / "b.xml", counts(), increment="0.0039"))
    assert exact.fs == pytest.approx(256.41, abs=1e-2)


def test_philips(tmp_path: Path) -> None:
    signal = counts(n_leads=12)
    check(philips_file(tmp_path / "a.xml", signal, xli=False), signal)
    check(philips_file(tmp_path / "a.xml", residuals(signal)), signal)
    record = read_record(tmp_path / "a.xml")
    assert "lead III is not II - I" in record.origin.text()
    signal[:, 2] = signal[:, 1] - signal[:, 0]
    record = read_record(philips_file(tmp_path / "b.xml", residuals(signal)))
    assert "lead III" not in record.origin.text()
    # A calibration pulse, which is the same in all leads, is none of the patient's.
    signal //= 4
    signal[:, 2] = signal[:, 1] - signal[:, 0]
    signal[-250:], signal[-150:-50] = 0, 200
    record = read_record(philips_file(tmp_path / "c.xml", residuals(signal)))
    assert "lead III" not in record.origin.text()
    assert "taken for missing" not in record.origin.text()
    np.testing.assert_allclose(record.signal[-150:-50], 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("stated", "zone", "late", "start", "offset"),
    [
        ("20200304101112.5", "", 0, datetime(2020, 3, 4, 10, 11, 12, 500000), None),
        ("20200304101112", "+0100", 0, datetime(2020, 3, 4, 10, 11, 12), 3600.0),
        ("20200304101112-0330", "+0100", 0, datetime(2020, 3, 4, 10, 11, 12), -12600.0),
        ("202003042359", "+0545", 90000, datetime(2020, 3, 5, 0, 0, 30), 20700.0),
        ("20200304101112", "+9900", 1e15, datetime(2020, 3, 4, 10, 11, 12), None),
        ("20203104", "+0100", 0, None, None),
    ],
)
def test_dicom_begins_at_its_time_in_its_zone(
    stated: str,
    zone: str,
    late: float,
    start: datetime | None,
    offset: float | None,
    tmp_path: Path,
) -> None:
    """DICOM's zone stands behind the time or in (0008,0201); a group may begin later."""
    path = dicom_file(tmp_path / "a.dcm", counts(), MultiplexGroupTimeOffset=late)
    dataset = pydicom.dcmread(path)
    dataset.AcquisitionDateTime = stated
    if zone:
        dataset.TimezoneOffsetFromUTC = zone
    dataset.save_as(path)
    source = open_record(path)
    assert source.start == start
    assert source.origin is not None
    assert source.origin.utc_offset == offset


def test_dicom(tmp_path: Path) -> None:
    check(dicom_file(tmp_path / "a.dcm", counts()), counts())
    path = dicom_file(tmp_path / "IM0001", counts())  # as scanners and archives name them
    assert read_record(path).leads == ("I", "II", "V1")
    text = read_record(path).origin.text()
    assert "'MEDIAN BEAT' (1.2 s of 3 channels at 500 Hz) is not read" in text
    assert "above 0.05 Hz and below 150 Hz" in text


def test_dicom_groups_and_padding(tmp_path: Path) -> None:
    signal = counts()
    signal[100:200] = -32768
    record = read_record(dicom_file(tmp_path / "a.dcm", signal, groups=3))
    assert record.n_samples == 5000
    assert np.isnan(record.signal[100:200]).all()
    assert np.isfinite(record.signal[200:]).all()
    assert record.origin.text().count("is not read") == 3


def test_dicom_of_pydicom() -> None:
    from pydicom.data import get_testdata_file

    path = get_testdata_file("waveform_ecg.dcm")
    if path is None:
        pytest.skip("pydicom came without its test files")
    record = read_record(path)
    truth = pydicom.dcmread(path).waveform_array(0)
    assert record.leads[:4] == ("I", "II", "III", "aVR")
    np.testing.assert_allclose(record.signal, truth / 1000, atol=1e-6)
    # Einthoven's law, to the resolution of the recorder.
    off = record.lead("II") - record.lead("I") - record.lead("III")
    assert np.abs(off).max() < 0.006


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"NumberOfWaveformSamples": 5001}, "truncated"),
        ({"NumberOfWaveformSamples": 4_000_000_000}, "truncated"),
        ({"NumberOfWaveformChannels": 65535}, "65535 channels"),
        ({"NumberOfWaveformChannels": 0}, "0 channels"),
        ({"NumberOfWaveformChannels": 2}, "describes 3 channels and has 2"),
        ({"WaveformBitsAllocated": 8}, "8 bits of 'SS'"),
        ({"WaveformSampleInterpretation": "MB", "WaveformBitsAllocated": 8}, "u-law"),
        ({"SamplingFrequency": 0}, "0 Hz"),
        ({"MultiplexGroupLabel": "MEDIAN"}, "median beats and no recording"),
        ({"WaveformData": b""}, "truncated"),
    ],
)
def test_dicom_that_lies(tmp_path: Path, changes: dict, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        read_record(dicom_file(tmp_path / "a.dcm", counts(), **changes))


def test_cardiosoft(tmp_path: Path) -> None:
    check(cardiosoft_file(tmp_path / "a.xml", counts()), counts())
    record = read_record(tmp_path / "a.xml")
    assert record.origin is not None
    assert record.origin.notes == (
        "the full disclosure beside the strip is not read",
        "the device's filters pass what is above 0.01 Hz and below 100 Hz",
    )
    record = read_record(cardiosoft_file(tmp_path / "b.xml", counts(), units="adu"))
    assert set(record.units) == {"unknown"}
    np.testing.assert_array_equal(record.signal, counts())
    assert any("'adu'" in note for note in record.origin.notes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"strip": False}, "holds a full disclosure alone"),
        ({"promised": 5001}, "lead I of its strip has 5000 samples, and 5001 are promised"),
    ],
)
def test_cardiosoft_that_cannot_be_read(tmp_path: Path, changes: dict, says: str) -> None:
    path = cardiosoft_file(tmp_path / "a.xml", counts(), **changes)
    with pytest.raises(RecordError, match=says):
        read_record(path)


def test_cardiosoft_that_is_damaged(tmp_path: Path) -> None:
    whole = cardiosoft_file(tmp_path / "a.xml", counts()).read_text()
    for old, new, says in (
        ('units="Hz">500', 'units="ms">500', "no sampling rate in Hz"),
        ('units="Hz">500', 'units="Hz">fast', "SampleRate of its strip is 'fast'"),
        ('lead="II"', 'lead="I"', "some of one name"),
        ("\n\t\t", "\n\t\tx", "something that is no number"),
    ):
        (tmp_path / "a.xml").write_text(whole.replace(old, new))
        with pytest.raises(RecordError, match=says):
            read_record(tmp_path / "a.xml")


def test_muse_leads_without_their_checksum_may_be_damaged(tmp_path: Path) -> None:
    def notes(wrong: Callable[[str, str], bool]) -> list[str]:
        def checksum(kind: str, lead: str, data: bytes) -> int:
            return zlib.crc32(data) ^ wrong(kind, lead)

        record = read_record(muse_file(tmp_path / "a.xml", counts(), checksum=checksum))
        assert record.origin is not None
        return [note for note in record.origin.notes if "damaged" in note or "CRC" in note]

    assert notes(lambda *_: False) == []
    assert notes(lambda kind, lead: (kind, lead) == ("Rhythm", "II")) == [
        "may be damaged: without its checksum (CRC-32): lead II; check the beats, or export it "
        "again"
    ]
    # Median beats are not read, and could hide what is said of the rhythm.
    assert notes(lambda kind, lead: kind == "Median") == []
    (note,) = notes(lambda *_: True)
    assert "leads I, II, V1;" in note
    # Some programs write a zero in place of a checksum.
    path = muse_file(tmp_path / "b.xml", counts(), checksum=lambda *_: 0)
    assert not any("damaged" in note for note in read_record(path).origin.notes)


def test_scp_without_its_checksum_may_be_damaged(tmp_path: Path) -> None:
    whole = bytearray(scp_file(tmp_path / "a.scp", counts()).read_bytes())
    assert not any("damaged" in note for note in read_record(tmp_path / "a.scp").origin.notes)
    whole[-100] ^= 1
    (tmp_path / "a.scp").write_bytes(bytes(whole))
    assert any("may be damaged: " in note for note in read_record(tmp_path / "a.scp").origin.notes)


def test_a_cut_dicom_file_is_one_clear_line(tmp_path: Path) -> None:
    """pydicom's own words name tags and places in the file."""
    whole = dicom_file(tmp_path / "a.dcm", counts()).read_bytes()
    for size in {*range(150, 1500, 7), *range(0, len(whole) - 8, 997)}:
        (tmp_path / "a.dcm").write_bytes(whole[:size])
        with pytest.raises(RecordError, match=r"a\.dcm: .*(export|check) ") as caught:
            read_record(tmp_path / "a.dcm")
        assert "tag" not in str(caught.value)
        assert "buffer" not in str(caught.value)


def test_dicom_that_lacks_an_element(tmp_path: Path) -> None:
    path = dicom_file(tmp_path / "a.dcm", counts())
    whole = path.read_bytes()
    dataset = pydicom.dcmread(path)
    del dataset.WaveformSequence[0].WaveformData
    dataset.save_as(path)
    with pytest.raises(RecordError, match=r"a waveform group lacks its WaveformData; export it"):
        read_record(path)
    path.write_bytes(whole[:150])
    with pytest.raises(RecordError, match="without waveforms, or cut short before them"):
        read_record(path)


def test_clinical_files_that_cannot_be_read(tmp_path: Path) -> None:
    def refused(name: str, content: bytes, says: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordError, match=says):
            read_record(tmp_path / name)

    refused("a.xml", b"<svg/>", "XML of another kind .*save2gdf")
    refused("a.xml", b"<RestingECG>", "no intact XML file")
    refused("a.xml", b"<RestingECG/>", "No rhythm waveform")
    refused("a.xml", b"no XML", "is no HL7 aECG, GE MUSE, GE CardioSoft or Philips")
    refused("a.scp", b"\0" * 100, "is no SCP-ECG file")
    refused("a.dcm", b"\0" * 100, "is no DICOM file")
    whole = scp_file(tmp_path / "a.scp", counts()).read_bytes()
    refused("a.scp", whole[: len(whole) // 2], "the file has")
    whole = dicom_file(tmp_path / "a.dcm", counts()).read_bytes()
    refused("a.dcm", whole[: len(whole) // 2], r"a\.dcm")
    whole = muse_file(tmp_path / "a.xml", counts()).read_bytes()
    refused("a.xml", whole.replace(b"<WaveFormData>", b"<WaveFormData>!"), "Invalid Base64")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
def test_hostile_clinical_files(tmp_path: Path) -> None:
    bombs = {
        "laughs.xml": b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>'
        b"<RestingECG>&b;</RestingECG>",
        "outside.xml": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
        b"<RestingECG>&a;</RestingECG>",
        "deep.xml": b"<RestingECG>" + b"<a>" * 3_000_000,
        "many.xml": b"<RestingECG>" + b"<a/>" * 3_000_000 + b"</RestingECG>",
        "large.xml": b"<RestingECG>" + b" " * (1 << 25) + b"</RestingECG>",
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    # LZW: each code may stand for a string one byte longer than the one before.
    codes = [0, *range(256, 1023), *[1022] * 600_000]
    bits = (np.array(codes)[:, np.newaxis] >> np.arange(9, -1, -1)) & 1
    chunk = np.packbits(bits.astype(np.uint8)).tobytes()
    data = len(chunk).to_bytes(4, "little") + bytes(4) + chunk
    philips_file(tmp_path / "lzw.xml", counts(n_leads=12), data=data * 12)
    data = (1 << 23).to_bytes(4, "little") + bytes(4) + b"\xff" * (1 << 20)
    philips_file(tmp_path / "short.xml", counts(n_leads=12), data=data)
    # A lead of four thousand million samples, and one that begins as late.
    whole = bytearray(scp_file(tmp_path / "long.scp", counts(), huffman=True).read_bytes())
    at = whole.index((1).to_bytes(4, "little") + (5000).to_bytes(4, "little"))
    whole[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    (tmp_path / "long.scp").write_bytes(bytes(whole))
    scp_file(tmp_path / "late.scp", counts(), starts=(0, 0, 1 << 31))
    scp_file(tmp_path / "beats.scp", counts(), beats=(BEAT, [k % 4000 for k in range(2000)]))
    names = [*bombs, "lzw.xml", "short.xml", "long.scp", "late.scp", "beats.scp"]
    lines = read_limited(*(tmp_path / name for name in names), memory=2 << 30)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith("refused"), (name, line)
        assert name in line
        assert "unexpected" not in line
    assert "unpacks to more than" in lines[names.index("lzw.xml")]


def test_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgfast.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ecgfast\[formats\]'"):
        read_record(_stub(tmp_path / "a.dcm", bytes(128) + b"DICM"))
    for module in list(sys.modules):
        if module.startswith("ecgdatakit"):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "ecgdatakit", None)
    with pytest.raises(MissingExtraError, match=r"GE MUSE XML .*pip install 'ecgfast\[formats\]'"):
        read_record(_stub(tmp_path / "a.xml", b"<RestingECG/>"))


def _stub(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
