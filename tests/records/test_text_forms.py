"""Text as LabChart, Shimmer, Hexoskin, watches and spreadsheets write it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from record_files import ecg

from ecgfast.errors import RecordError
from ecgfast.records import Record, read_record
from ecgfast.records.choosing import role_of
from ecgfast.records.units import to_millivolt, unit_kind

FS = 250
ECG = 1000 * ecg(fs=FS)  # in µV
BEGIN = datetime(2018, 4, 30, 14, 10)


def read(folder: Path, text: str) -> Record:
    (folder / "a.txt").write_text(text, encoding="utf-8")
    return read_record(folder / "a.txt")


def block(begin: datetime, first: int, last: int, *, rate: str = "0.004 s", names: str = "") -> str:
    """A block of a LabChart text file, whose times begin at its first sample."""
    days = (begin - datetime(1899, 12, 30)) / timedelta(days=1)
    head = (
        f"Interval=\t{rate}\nExcelDateTime=\t{days:.16e}\t{begin:%d/%m/%y %H:%M:%S.%f}\n"
        f"TimeFormat=\tStartOfBlock\nDateFormat=\t\nChannelTitle=\t{names or 'ECG'}\tSpO2\n"
        "Range=\t2.000 mV\t100.0 %\n"
    )
    rows = (f"{(i - first) / FS:.3f}\t{ECG[i, 0] / 1000:.5f}\t97\n" for i in range(first, last))
    return head + "".join(rows)


def test_labchart(tmp_path: Path) -> None:
    record = read(tmp_path, block(BEGIN, 0, 2000))
    assert (record.fs, record.leads, record.units) == (FS, ("ECG",), ("mV",))
    assert record.start == BEGIN
    np.testing.assert_allclose(record.signal[:, 0], ECG[:, 0] / 1000, atol=1e-5)


def test_a_remark_behind_samples_costs_no_sample(tmp_path: Path) -> None:
    lines = block(BEGIN, 0, 2000).splitlines()
    lines[700] += "\t#* start of rest, 2nd part"
    record = read(tmp_path, "\n".join(lines))
    assert len(record.signal) == 2000
    assert not np.isnan(record.signal).any()
    assert "a remark behind the samples, which is not read, such as '#* start" in (
        record.origin.text()
    )


def test_blocks_are_placed_by_the_times_in_their_heads(tmp_path: Path) -> None:
    later = BEGIN + timedelta(seconds=800 / FS + 20)
    record = read(tmp_path, block(BEGIN, 0, 800) + block(later, 800, 2000))
    assert (record.fs, len(record.signal)) == (FS, 2000 + 20 * FS)
    assert np.isnan(record.signal[800 : 800 + 20 * FS]).all()
    np.testing.assert_allclose(record.signal[800 + 20 * FS :, 0], ECG[800:, 0] / 1000, atol=1e-5)
    for other, says in (({"rate": "0.002 s"}, "another rate"), ({"names": "V5"}, "other columns")):
        with pytest.raises(RecordError, match=f"line 807: what follows has {says}; split the file"):
            read(tmp_path, block(BEGIN, 0, 800) + block(later, 800, 2000, **other))


@pytest.mark.parametrize(
    ("separator", "decimal", "apart"),
    [(";", ",", "."), (";", ",", "\u202f"), (";", ".", "'"), ("\t", ".", ","), (";", ",", " ")],
)
@pytest.mark.parametrize("scale", [1, 1000])
def test_marks_between_thousands(
    tmp_path: Path, separator: str, decimal: str, apart: str, scale: int
) -> None:
    """The R peaks are what has four digits: such lines had counted as missing samples."""
    marks = str.maketrans({",": apart, ".": decimal})
    rows = (
        f"{i / FS:.3f}".replace(".", decimal) + separator + f"{scale * v:,.2f}".translate(marks)
        for i, v in enumerate(1.2 * ECG[:, 0])
    )
    unit = {1: "uV", 1000: "nV"}[scale]
    record = read(tmp_path, f"Time (s){separator}ECG ({unit})\n" + "\n".join(rows))
    assert (record.fs, record.units) == (FS, ("mV",))
    np.testing.assert_allclose(record.signal[:, 0], 1.2 * ECG[:, 0] / 1000, atol=1e-4)
    assert "numbers with marks between thousands, such as" in record.origin.text()


def test_a_mark_that_may_be_a_decimal_one_is_refused(tmp_path: Path) -> None:
    rows = [f"{i};{v:,.0f}" for i, v in enumerate(ECG[:, 0])]
    rows[500] = "500;1,005"
    with pytest.raises(RecordError, match="line 502: '1,005' may have a decimal mark or one"):
        read(tmp_path, "n;ECG (uV)\n" + "\n".join(rows))


def test_hexoskin(tmp_path: Path) -> None:
    first = 1_700_000_000 * 256
    rows = (
        f"{first + i},{v / 1000:.5f},{72 if i % 256 == 0 else ''}" for i, v in enumerate(ECG[:, 0])
    )
    head = "time [s/256],ECG_I [mV](/api/datatype/4113/),heart_rate [bpm](/api/datatype/19/)\n"
    record = read(tmp_path, head + "\n".join(rows))
    assert (record.fs, record.leads, record.units) == (256, ("ECG_I",), ("mV",))
    assert record.start == datetime(2023, 11, 14, 22, 13, 20)


def test_shimmer(tmp_path: Path) -> None:
    moments = (BEGIN + timedelta(seconds=i / FS) for i in range(2000))
    rows = (
        f"{m:%Y/%m/%d %H:%M:%S}.{m.microsecond // 1000:03},{a / 1000:.5f},{b / 1000:.5f},"
        for m, (a, b) in zip(moments, ECG, strict=True)
    )
    head = (
        '"sep=,"\nS_5E_Timestamp_FormattedUnix_CAL,S_5E_ECG_LL_RA_24BIT_CAL,'
        "S_5E_ECG_LA_RA_24BIT_CAL,\nyyyy/mm/dd hh:mm:ss.000,mV,mV,\n"
    )
    record = read(tmp_path, head + "\n".join(rows))
    assert (record.fs, record.units, record.start) == (FS, ("mV", "mV"), BEGIN)


def test_a_watch_in_another_language(tmp_path: Path) -> None:
    samples = "\n".join(f"{v:.3f}".replace(".", ",") for v in ECG[:, 0])
    record = read(
        tmp_path,
        'Имя,N\nДата рождения,"1 янв. 1970 г."\nЗаписано,2018-04-30 14:10:00 +0300\n'  # noqa: RUF001
        f"Частота выборки,{FS} Гц\n\nОтведение,Отведение I\nЕдиница,мкВ\n\n{samples}\n",  # noqa: RUF001
    )
    assert (record.fs, record.units, record.start) == (FS, ("mV",), BEGIN)
    np.testing.assert_allclose(record.signal[:, 0], ECG[:, 0] / 1000, atol=1e-5)


@pytest.mark.parametrize(
    ("unit", "mv"),
    [
        ("uVolt", 1e-3),
        ("Microv", 1e-3),
        ("mVolts", 1.0),
        ("milli V", 1.0),
        ("kV", 1e6),
        ("nV", 1e-6),
    ],
)
def test_spellings_of_a_voltage(unit: str, mv: float) -> None:
    assert to_millivolt(unit) == mv
    assert unit_kind(unit) == "volt"


@pytest.mark.parametrize("unit", ["vs", "ms", "m", "u", "n", "v/s", "uV/bit"])
def test_no_voltage(unit: str) -> None:
    assert to_millivolt(unit) is None


def test_leads_are_known_by_their_names_in_other_languages() -> None:
    for name in (
        "Ableitung II",
        "Dérivation I",
        "Derivación III",
        "Отведение V1",
        "导联 aVR",
        "心电",
    ):
        assert role_of(name)[0] == "ecg"


def test_the_minus_of_typography(tmp_path: Path) -> None:
    rows = (f"{i / FS:.3f};{v:.2f}".replace("-", "\u2212") for i, v in enumerate(ECG[:, 0]))
    record = read(tmp_path, "time (s);ECG (uV)\n" + "\n".join(rows))
    np.testing.assert_allclose(record.signal[:, 0], ECG[:, 0] / 1000, atol=1e-5)


def test_dates_and_times_in_two_columns(tmp_path: Path) -> None:
    moments = (BEGIN + timedelta(hours=9.8313, seconds=i / FS) for i in range(2000))
    rows = (
        f"{m:%d.%m.%Y};{m:%H:%M:%S}.{m.microsecond // 1000:03};{v:.2f}"
        for m, v in zip(moments, ECG[:, 0], strict=True)
    )
    record = read(tmp_path, "Date;Time;ECG (uV)\n" + "\n".join(rows))
    assert (record.fs, len(record.signal)) == (FS, 2000)
    assert record.start == BEGIN + timedelta(hours=9.8313)


@pytest.mark.parametrize("begin", ["", "II,"])
def test_a_lead_in_a_line_is_named_so(tmp_path: Path, begin: str) -> None:
    line = begin + ",".join(f"{v:.1f}" for v in ECG[:, 0])
    with pytest.raises(RecordError, match="a line of 2000 numbers, as of the samples of a lead"):
        read(tmp_path, f"{line}\n{line}\n")
