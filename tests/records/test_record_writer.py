"""Recordings written as WFDB records, and read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import numpy as np
import pytest

from ecgfast import Annotations, Record, read_record
from ecgfast.errors import InputError
from ecgfast.records import demo_record, write_record


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    made = demo_record()
    signal = made.signal.copy()
    signal[100:200, 1] = np.nan
    signal[0, 0] = np.inf
    record = replace(
        made,
        signal=signal,
        start=datetime(2026, 3, 8, 1, 30, 0, 250_000),
        comments=("Age: 61", "a\nb"),
    )
    write_record(tmp_path / "mine" / "p07", record)
    found = read_record(tmp_path / "mine" / "p07")
    expected = np.where(np.isfinite(signal), signal, np.nan)
    np.testing.assert_allclose(found.signal, expected, atol=6e-7)
    assert (found.fs, found.leads, found.units) == (made.fs, made.leads, made.units)
    assert (found.start, found.comments) == (record.start, ("Age: 61", "a b"))
    assert found.annotations is not None
    assert made.annotations is not None
    assert found.annotations.sample.tolist() == made.annotations.sample.tolist()
    assert found.annotations.symbol.tolist() == made.annotations.symbol.tolist()
    assert found.origin is not None
    assert found.origin.notes == ()  # checksums and first values are right
    wfdb = pytest.importorskip("wfdb")
    theirs = wfdb.rdrecord(str(tmp_path / "mine" / "p07"))
    np.testing.assert_allclose(theirs.p_signal[:, 1], expected[:, 1], atol=6e-7)
    assert (theirs.fs, theirs.sig_name) == (made.fs, list(made.leads))


def test_any_values_and_a_time_of_day_alone(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1, (500, 2)) * [1e7, 1e-3]
    record = Record(
        values, 499.5, ("a lead", "b"), units=("unknown", "mV"), start_time=time(7, 8, 9)
    )
    write_record(tmp_path / "x", record)
    found = read_record(tmp_path / "x", leads=("a lead", "b"))
    np.testing.assert_allclose(found.signal, record.signal, rtol=1e-6, atol=6e-7)
    assert (found.fs, found.leads, found.start_time) == (499.5, ("a lead", "b"), time(7, 8, 9))
    assert found.units == ("unknown", "mV")
    assert found.annotations is None


def test_a_record_that_is_written_anew_is_another(tmp_path: Path) -> None:
    made = demo_record()
    write_record(tmp_path / "x", made)
    write_record(tmp_path / "x.hea", Record(made.signal[:720], made.fs))
    found = read_record(tmp_path / "x")
    assert found.n_samples == 720
    assert found.annotations is None  # not those of the one before


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    made = demo_record()
    with pytest.raises(InputError, match="has letters, digits, - and _ alone"):
        write_record(tmp_path / "p 07", made)
    with pytest.raises(InputError, match="no extension"):
        write_record(tmp_path / "p07.edf", made)
    odd = replace(made, annotations=Annotations([5], ["normal"]))
    with pytest.raises(InputError, match="normal"):
        write_record(tmp_path / "p07", odd)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_record(tmp_path / "file" / "p07", made)


def test_marks_need_not_be_in_order(tmp_path: Path) -> None:
    made = replace(demo_record(), annotations=Annotations([900, 300], ["V", "N"], ["", "first"]))
    write_record(tmp_path / "x", made)
    found = read_record(tmp_path / "x").annotations
    assert found is not None
    assert (found.sample.tolist(), found.symbol.tolist()) == ([300, 900], ["N", "V"])
    assert found.aux.tolist() == ["first", ""]
