"""The table of file formats: one entry makes a format known everywhere."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ecgfast.cli import main
from ecgfast.errors import RecordError
from ecgfast.records import formats, open_record, synthetic_ecg
from ecgfast.records.finding import find_recordings
from ecgfast.records.formats import FORMATS, Format
from ecgfast.records.opened import Column, Opened

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_every_entry_has_a_reader_and_a_line_of_documentation(entry: Format) -> None:
    module, _, name = entry.reader.partition(":")
    assert callable(getattr(import_module(module, "ecgfast.records"), name))
    assert set(entry.options) <= {"fs", "follow"}
    assert set(entry.shared) <= set(entry.suffixes)
    page = (DOCS / "formats.md").read_text("utf-8")
    for suffix in entry.suffixes:
        assert suffix == suffix.lower()
        assert f"`{suffix}`" in page, f"docs/formats.md does not name {suffix}"


def test_no_extension_stands_for_two_formats() -> None:
    suffixes = [suffix for entry in FORMATS for suffix in entry.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def open_made(path: Path, *, fs: float | None) -> Opened:
    """A reader as CONTRIBUTING describes one: two bytes a sample, microvolts, after a magic."""
    x = np.frombuffer(path.read_bytes()[4:], "<i2").astype(np.float32)[:, np.newaxis]
    if not len(x):
        raise RecordError(f"{path}: holds no samples")
    column = Column("II", "uV", fs or 250.0, len(x))
    return Opened(path, "made", (column,), lambda start, stop, columns: x[start:stop, columns])


MADE = Format(
    "Made",
    (".made",),
    f"{__name__}:open_made",
    "a made file",
    recognised=lambda head: head[:4] == b"MADE",
    options=("fs",),
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(formats, "FORMATS", (*FORMATS, MADE))
    signal = synthetic_ecg(20.0, 250.0, seed=3).signal[:, 0] * 1000.0
    path = tmp_path / "in" / "a.made"
    path.parent.mkdir()
    path.write_bytes(b"MADE" + np.rint(signal).astype("<i2").tobytes())
    return path


def test_one_entry_makes_a_format_known_everywhere(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = open_record(made).read()
    assert (record.fs, record.leads, record.units) == (250.0, ("II",), ("mV",))
    assert record.origin is not None
    assert record.origin.format == "made"
    assert open_record(made, fs=500.0).fs == 500.0
    # By its content under any name, and in a folder by its extension.
    other = made.with_suffix(".bin")
    other.write_bytes(made.read_bytes())
    assert np.array_equal(open_record(other).read().signal, record.signal)
    assert find_recordings([str(made.parent)]).names == ["a.made"]
    assert main(["detect", str(made.parent), "--output", str(made.parent.parent / "out")]) == 0
    assert "a.made" in capsys.readouterr().out


def test_what_is_wrong_with_a_file_names_its_format(made: Path) -> None:
    made.write_bytes(b"MADE")
    with pytest.raises(RecordError, match=r"a\.made: holds no samples"):
        open_record(made)
    made.write_bytes(b"MADE1")
    with pytest.raises(RecordError, match=r"a\.made: .*a made file"):
        open_record(made)
    made.write_bytes(b"none")
    with pytest.raises(RecordError, match=r"a\.made: is no Made file"):
        open_record(made)
    made.with_suffix(".odd").write_bytes(b"none")
    with pytest.raises(
        RecordError,
        match=r"no extension of a known format \(WFDB, .*, Made\), and .* text; rename it to \.txt",
    ):
        open_record(made.with_suffix(".odd"))
