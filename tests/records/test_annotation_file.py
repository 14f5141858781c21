"""An annotation file that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgfast.errors import InputError
from ecgfast.records import read_annotations
from ecgfast.records.annotation_file import AnnotationFile


def test_a_growing_file_is_whole_after_each_mark(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = tmp_path / "night.ecg"
    marks = [(5, "N", ""), (5, "V", ""), (2000, "Q", "abnormal"), (4_000_000, "S", "")]
    with AnnotationFile(path, 250.0) as file:
        assert len(read_annotations(path)) == 0
        for i, mark in enumerate(marks):
            file.write(*mark)
            found = read_annotations(path)
            assert found.sample.tolist() == [sample for sample, _, _ in marks[: i + 1]]
            assert list(found.symbol) == [symbol for _, symbol, _ in marks[: i + 1]]
            read = wfdb.rdann(str(tmp_path / "night"), "ecg")
            assert read.sample.tolist() == found.sample.tolist()
            assert read.fs == 250
        with pytest.raises(InputError, match="after one at 4000000"):
            file.write(3, "N")
        with pytest.raises(InputError, match="no code"):
            file.write(4_000_001, "§")
    assert list(read_annotations(path).aux) == ["", "", "abnormal", ""]


def test_a_growing_file_is_never_written_over_another(tmp_path: Path) -> None:
    old = tmp_path / "night.ecg"
    old.write_bytes(b"old")
    with pytest.raises(InputError, match=r"night\.ecg: is there already"):
        AnnotationFile(old, 250.0)
    assert old.read_bytes() == b"old"
    with pytest.raises(InputError, match="extension of letters"):
        AnnotationFile(tmp_path / "night.1", 250.0)
    with pytest.raises(InputError, match="cannot be written"):
        AnnotationFile(tmp_path / "none" / "night.ecg", 250.0)
