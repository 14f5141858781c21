"""Clocks, heads and missing samples as sensors, loggers and their programs write them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from record_files import ecg

from ecgfast.errors import RecordError
from ecgfast.records import Record, read_record

FS = 250
BEGIN = datetime(2024, 5, 6, 7, 8, 9, 120_000)
SIGNAL = ecg(7500)[:, 0]
TIMES = np.arange(len(SIGNAL)) / FS
UV = np.round(1000 * SIGNAL).astype(int)


def read(folder: Path, head: str, rows: Iterable[str], encoding: str = "utf-8") -> Record:
    path = folder / "a.csv"
    path.write_bytes((head + "\n" + "\n".join(rows) + "\n").encode(encoding))
    return read_record(path)


def at(i: int, form: str) -> str:
    return (BEGIN + timedelta(seconds=i / FS)).strftime(form)


def is_whole(record: Record, signal: np.ndarray = UV) -> bool:
    return (
        record.fs == FS
        and len(record.signal) == len(signal)
        and bool(np.allclose(record.signal[:, 0], signal, atol=2e-3 * np.ptp(signal)))
    )


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%H:%M:%S", "%d.%m.%Y;%H:%M:%S"])
def test_stamps_of_whole_seconds_leave_no_gap_at_the_start(tmp_path: Path, form: str) -> None:
    names = ";".join(["date", "time"][-form.count(";") - 1 :])
    record = read(tmp_path, f"{names};ECG", (f"{at(i, form)};{v}" for i, v in enumerate(UV)))
    assert is_whole(record)
    assert "gap" not in record.origin.text()


def test_a_gap_after_a_packet_that_was_cut_is_one(tmp_path: Path) -> None:
    cut = 30  # samples of the first second that came before the recording
    rows = [f"{(i + cut) // FS + (3 if i + cut >= FS else 0)};{v}" for i, v in enumerate(UV)]
    record = read(tmp_path, "time (s);ECG", rows)
    assert "1 gap of" in record.origin.text()


@pytest.mark.parametrize("stamped", [0, 9])
def test_a_packet_may_have_its_stamp_in_one_row(tmp_path: Path, stamped: int) -> None:
    gap = 4000, 2000  # milliseconds that are lost, and after which sample
    rows = [
        f"{1000 * i // FS + (gap[0] if i >= gap[1] else 0) if i % 10 == stamped else ''},{v}"
        for i, v in enumerate(UV)
    ]
    record = read(tmp_path, "time_ms,ECG", rows)
    assert (record.fs, len(record.signal)) == (FS, len(UV) + 1000)
    missing = np.flatnonzero(np.isnan(record.signal[:, 0]))
    np.testing.assert_array_equal(missing, np.arange(2000, 3000))
    np.testing.assert_array_equal(record.signal[3000:, 0], UV[2000:])


def test_a_clock_without_unit_gives_way_to_one_with(tmp_path: Path) -> None:
    """As Shimmer's: ticks of an oscillator beside milliseconds."""
    head = (
        "Shimmer_Timestamp_RAW,Shimmer_Timestamp_CAL,Shimmer_ECG_LL-RA_CAL,Shimmer_ECG_STATUS1\n"
        "no_units,ms,mV,no_units"
    )
    rows = (
        f"{int((400 + t) * 32768) % 2**24},{1000 * (400 + t):.3f},{v:.4f},128"
        for t, v in zip(TIMES, SIGNAL, strict=True)
    )
    record = read(tmp_path, head, rows)
    assert is_whole(record, SIGNAL)
    assert (record.leads, record.units) == (("Shimmer_ECG_LL-RA_CAL",), ("mV",))


@pytest.mark.parametrize(("zero", "name"), [(25569, "Date"), (719529, "datenum")])
def test_days_of_a_spreadsheet_give_the_start(tmp_path: Path, zero: int, name: str) -> None:
    days = (BEGIN - datetime(1970, 1, 1)) / timedelta(days=1) + zero
    rows = (f"{days + t / 86400:.10f};{v}" for t, v in zip(TIMES, UV, strict=True))
    record = read(tmp_path, f"{name};ECG", rows)
    assert is_whole(record)
    assert abs(record.start - BEGIN) < timedelta(milliseconds=2)
    assert record.origin.utc_offset is None


@pytest.mark.parametrize(
    ("form", "zone"),
    [
        ("%Y-%m-%d %H:%M:%S.%f+02", 7200.0),
        ("%Y-%m-%dT%H:%M:%S.%f-05", -18000.0),
        ("%m/%d/%Y %I:%M:%S.%f a.m.", None),
        ("%m/%d/%Y %I:%M:%S.%f a.\u00a0m.", None),
    ],
)
def test_zones_of_hours_and_noon_with_dots(tmp_path: Path, form: str, zone: float | None) -> None:
    rows = (f"{at(i, form)};{v}" for i, v in enumerate(UV))
    record = read(tmp_path, "time;ECG", rows)
    assert is_whole(record)
    assert (record.start, record.origin.utc_offset) == (BEGIN, zone)


def test_a_date_and_time_in_one_number_says_how_to_write_it(tmp_path: Path) -> None:
    rows = (f"{at(i + 10_000, '%Y%m%d%H%M%S.%f')};{v}" for i, v in enumerate(UV))
    with pytest.raises(RecordError, match=r"20240506070900\); write it as .* 2024-05-06 23:59"):
        read(tmp_path, "time;ECG", rows)


def test_empatica(tmp_path: Path) -> None:
    record = read(tmp_path, "1714979289.50\n250.000000", (f"{v:.4f}" for v in SIGNAL))
    assert is_whole(record, SIGNAL)
    assert record.start == datetime(2024, 5, 6, 7, 8, 9, 500_000)
    assert record.origin.utc_offset == 0.0


def test_spike2(tmp_path: Path) -> None:
    head = '"CHANNEL"\t"1"\n"Waveform"\n\n"ECG"\n"mV"\n\n"START"\t"0.00000"\t"0.00400"'
    assert is_whole(read(tmp_path, head, (f"{v:.5f}" for v in SIGNAL)), SIGNAL)


def test_what_a_board_prints_as_it_starts_names_no_column(tmp_path: Path) -> None:
    head = (
        "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\nmode:DIO, clock div:1\n"
        "load:0x3fff0030,len:1344\nentry 0x400805f0"
    )
    assert is_whole(read(tmp_path, head, (f"{4 * i},{v}" for i, v in enumerate(UV))))


def test_a_log_that_begins_with_a_time_in_brackets_is_no_json(tmp_path: Path) -> None:
    rows = [f"[{at(i, '%H:%M:%S.%f')[:-3]}] {v}" for i, v in enumerate(UV)]
    assert is_whole(read(tmp_path, rows[0], rows[1:]))


@pytest.mark.parametrize("row", ['{t},"[{samples}]"', 'a,NSR,"[{samples}]",250', "{t};[{samples}]"])
def test_a_list_in_a_cell_is_refused(tmp_path: Path, row: str) -> None:
    """It had been read as leads, without the first and the last sample of each packet."""
    packets = range(0, len(UV), 10)
    rows = (row.format(t=4 * i, samples=", ".join(map(str, UV[i : i + 10]))) for i in packets)
    (tmp_path / "a.csv").write_text("time,ecg\n" + "\n".join(rows))
    for fs in (None, FS):
        with pytest.raises(RecordError, match="line 2 holds a list of numbers in one cell"):
            read_record(tmp_path / "a.csv", fs=fs)


@pytest.mark.parametrize(
    "word",
    ["#N/A", "#DIV/0!", "OFF", "lead off", "ERR", "*", ".", "--", "\u2014", "1.#QNAN", "-nan(ind)"],
)
def test_words_in_place_of_samples(tmp_path: Path, word: str) -> None:
    """However many there are, they cost no sample of another lead."""
    lost = slice(1000, 4000)
    cells = [f"{v:.4f}" for v in SIGNAL]
    cells[lost] = [word] * 3000
    for head, rows in (
        ("time (s),I (mV),II (mV)",
         [f"{t:.3f},{v:.4f},{c}" for t, v, c in zip(TIMES, SIGNAL, cells, strict=True)]),
        ("# fs=250\nECG (mV)", cells),
    ):  # fmt: skip
        record = read(tmp_path, head, rows)
        lead = record.signal[:, -1]
        assert (len(record.signal), np.isnan(record.signal).sum()) == (len(SIGNAL), 3000)
        assert np.isnan(lead[lost]).all()
        np.testing.assert_allclose(lead[4000:], SIGNAL[4000:], atol=1e-4)
        if word != "--":
            assert f"3000 lines have words in place of a sample, such as {word!r}" in (
                record.origin.text()
            )


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32(tmp_path: Path, encoding: str) -> None:
    rows = (f"{t:.3f},{v}" for t, v in zip(TIMES, UV, strict=True))
    assert is_whole(read(tmp_path, "time (s),ECG", rows, encoding))


def test_zeros_of_a_lost_block_are_no_end_of_the_text(tmp_path: Path) -> None:
    rows = [f"{t:.3f},{v}" for t, v in zip(TIMES, UV, strict=True)]
    rows[3000] = "\0" * 512
    record = read(tmp_path, "time (s),ECG", rows)
    assert (record.fs, len(record.signal), int(np.isnan(record.signal).sum())) == (FS, 7500, 1)


@pytest.mark.parametrize("minus", "\u2212\u2013\ufe63\uff0d")
def test_dashes_are_minus(tmp_path: Path, minus: str) -> None:
    rows = (f"{t:.3f},{v}".replace("-", minus) for t, v in zip(TIMES, UV, strict=True))
    assert is_whole(read(tmp_path, "time (s),ECG", rows))


@pytest.mark.parametrize(
    ("names", "factor"),
    [
        ("Время, \u0441;ЭКГ, мВ", 1e-3), ("時間(秒);心電図(ミリボルト)", 1e-3),
        ("时间(毫秒);心电(微伏)", 1.0), ("time (s);ECG (Âµv)", 1.0),
        ("time (s);ECG (\ufffdV)", 1.0),
        ("time (s);ECG (?V)", 1.0), ("time (s);ECG (æV)", 1.0),
    ],
)  # fmt: skip
def test_units_in_other_scripts_and_damaged_ones(tmp_path: Path, names: str, factor: float) -> None:
    count = 1000 if "毫秒" in names else 1
    rows = (f"{count * t:.3f};{factor * v:.6g}" for t, v in zip(TIMES, UV, strict=True))
    record = read(tmp_path, names, rows)
    assert record.units == ("mV",)
    assert is_whole(record, SIGNAL)


def test_the_words_that_are_shown_are_no_numbers(tmp_path: Path) -> None:
    rows = (f"{t:.3f},{abs(v)}{'-' if v < 0 else ''}" for t, v in zip(TIMES, UV - 200, strict=True))
    with pytest.raises(RecordError, match=r"'ECG' is words such as '[0-9]+-', no numbers"):
        read(tmp_path, "time,ECG", rows)


@pytest.mark.parametrize(("version", "kind"), [("5", "<i2"), ("4", "<f8")])
def test_a_matlab_file_that_its_header_does_not_describe(
    tmp_path: Path, version: str, kind: str
) -> None:
    both = np.stack([UV, UV])
    scipy.io.savemat(tmp_path / "a.mat", {"val": both.astype(kind)}, format=version)
    lines = "a.mat 16+24 1000/mV 16 0 0 0 0 I\na.mat 16+24 1000/mV 16 0 0 0 0 II\n"
    (tmp_path / "a.hea").write_text(f"a 2 250 {len(UV)}\n{lines}")
    with pytest.raises(RecordError, match=r"a\.mat: is a MATLAB file of .*save it with version 4"):
        read_record(tmp_path / "a")
    scipy.io.savemat(tmp_path / "a.mat", {"val": both.astype("<i2")}, format="4")
    assert is_whole(read_record(tmp_path / "a"), SIGNAL)


def test_a_rate_for_each_sensor_and_dates_of_numpy(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ecg=UV, ecg_fs=FS, ppg=np.sin(np.arange(900.0)), ppg_fs=32)
    assert is_whole(read_record(tmp_path / "a.npz"))
    table = np.zeros(len(UV), [("time", "M8[ns]"), ("ecg", "f4")])
    table["time"] = np.datetime64(BEGIN) + (TIMES * 1e9).astype("m8[ns]")
    table["ecg"] = UV
    np.save(tmp_path / "a.npy", table)
    record = read_record(tmp_path / "a.npy")
    assert is_whole(record)
    assert record.start == BEGIN


def test_a_parquet_column_of_lists_says_so(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    packets = [UV[i : i + 10] for i in range(0, len(UV), 10)]
    table = pandas.DataFrame({"ts": np.arange(len(packets)) * 0.04, "ecg": packets})
    table.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(RecordError, match=r"the column 'ecg' holds list<.*>, no numbers"):
        read_record(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("lines", "fs"),
    [
        ("Frame rate,50\nECG rate,250", 250),
        ("Resp sample rate,25\nECG sample rate,250", 250),
        ("Display rate: 25 mm/s\nSample rate: 250", 250),
        ("Update rate: 10\nSampling rate: 250", 250),
        ("ECG rate: 72\nSampling rate: 250", 250),
        ("Average ECG rate: 72 bpm\nfs: 250", 250),
        ("Sample rate [1/s]: 250", 250),
        ("Sampling Rate: 1,000 Hz", 1000),
        ("Sampling Rate: 512,345 Hz", 512.345),
        ("Sampling: 250", 250),
        ("# 250 samples per second", 250),
        ("Taux d'échantillonnage;250", 250),
        ("Frequenza di campionamento: 250", 250),
        ("Tasa de muestreo: 250", 250),
        ("[Header]\nfs=250\n[Data]", 250),
    ],
)
def test_the_rate_of_the_samples_among_others(tmp_path: Path, lines: str, fs: float) -> None:
    record = read(tmp_path, f"{lines}\nECG", map(str, UV))
    assert (record.fs, len(record.signal)) == (fs, len(UV))


@pytest.mark.parametrize(
    ("names", "says"),
    [("time (s),ECG (uV)", "other units"), ("time (s),RESP (mV)", "other columns")],
)
def test_other_names_within_the_samples_are_refused(tmp_path: Path, names: str, says: str) -> None:
    """Microvolts had been read on as millivolts."""
    rows = [f"{t:.3f},{v:.4f}" for t, v in zip(TIMES, SIGNAL, strict=True)]
    rows.insert(3000, names)
    with pytest.raises(RecordError, match=f"line 3002: what follows has {says}; split the file"):
        read(tmp_path, "time (s),ECG (mV)", rows)
