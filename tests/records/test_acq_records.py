"""Reading AcqKnowledge files, written with the layouts that bioread knows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from acq_writer import BREATH, COUNTS, FS, write_acq

from ecgfast.errors import MissingExtraError, RecordError
from ecgfast.records import open_record, read_record

pytest.importorskip("bioread")


@pytest.mark.parametrize("compressed", [False, True])
def test_acq(tmp_path: Path, compressed: bool) -> None:
    path = write_acq(tmp_path / "a.acq", compressed=compressed)
    record = read_record(path)
    assert (record.fs, record.leads, record.units) == (FS, ("ECG 100C",), ("mV",))
    np.testing.assert_allclose(record.signal[:, 0], 1e-4 * COUNTS, atol=1e-6)
    blocks = np.concatenate(list(open_record(path).blocks(0.7)))
    np.testing.assert_array_equal(blocks, record.signal)
    assert record.origin is not None
    assert record.origin.format == "AcqKnowledge"
    assert record.origin.left_out == (("RSP 100C", "a respiration by its name"),)
    assert record.origin.notes == ()
    breath = read_record(path, leads="RSP 100C")
    assert breath.fs == FS / 4
    np.testing.assert_allclose(breath.signal[:, 0], 1000 * (1e-3 * BREATH + 0.5), rtol=1e-6)


def test_events_are_annotations_and_segments_are_said(tmp_path: Path) -> None:
    markers = ((0, "Segment 1"), (1200, "deep breath"), (3000, "Segment 2"), (5999, "end"))
    record = read_record(write_acq(tmp_path / "a.acq", markers=markers))
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [1200, 5999]
    assert record.annotations.aux.tolist() == ["deep breath", "end"]
    assert record.origin is not None
    (note,) = record.origin.notes
    assert "one after the other begin at 3.00 s" in note
    record = read_record(write_acq(tmp_path / "b.acq", markers=((9, "a"), (70_000, "b"))))
    assert record.annotations is None
    assert record.origin is not None
    assert record.origin.notes == ("its 2 events are not read: they lie outside the recording",)


def test_units_of_acq_channels_are_taken_as_they_are(tmp_path: Path) -> None:
    record = read_record(write_acq(tmp_path / "a.acq", unit="Volts"))
    np.testing.assert_allclose(record.signal[:, 0], 1000 * (1e-4 * COUNTS + 0.5), rtol=1e-5)
    assert record.origin is not None
    assert any("too large for an ECG in Volts" in note for note in record.origin.notes)
    record = read_record(write_acq(tmp_path / "a.acq", unit="mmHg"), leads=0)
    assert record.units == ("mmHg",)


def test_damaged_acq_files(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_acq(tmp_path / "whole.acq").read_bytes()
    packed_ = write_acq(tmp_path / "packed.acq", compressed=True).read_bytes()
    path = tmp_path / "a.acq"
    for content in (whole[:5000], whole[:200], b"", b"\0" * 5000, packed_[:-100], packed_[:2000]):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"a\.acq: .*(copy|export) it"):
            read_record(path)
    monkeypatch.setattr("ecgfast.records.acq_files._LONGEST_PATTERN", 7)
    with pytest.raises(RecordError, match="rates that differ too much"):
        read_record(write_acq(path))
    # bioread prints what it stumbles over.
    assert capfd.readouterr() == ("", "")


def test_without_bioread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_acq(tmp_path / "a.acq")
    monkeypatch.setitem(sys.modules, "bioread", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ecgfast\[biopac\]'"):
        read_record(path)
