"""What a reader has to assume, or leaves out, is said; and when a recording began."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from record_files import ecg

from ecgfast.errors import InputError, RecordError
from ecgfast.records import Record, open_record, read_record
from ecgfast.records.clocks import read_clock

FS, N = 250, 2000
LEAD = ecg(N, 1, FS)[:, 0]


def table(folder: Path, head: str, stamps: list[str], separator: str = ",") -> Record:
    path = folder / "a.csv"
    rows = [f"{stamp}{separator}{value:.4f}" for stamp, value in zip(stamps, LEAD, strict=True)]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return read_record(path)


def dates(form: str, begin: datetime) -> list[str]:
    times = [begin + timedelta(milliseconds=4 * i) for i in range(N)]
    return [f"{t.strftime(form)}.{t.microsecond // 1000:03d}" for t in times]


def notes(record: Record) -> str:
    assert record.origin is not None
    return "; ".join(record.origin.notes)


ISO = "%Y-%m-%dT%H:%M:%S"


@pytest.mark.parametrize(
    ("begin", "zone", "said"),
    [
        (datetime(2026, 3, 29, 0, 30), "", ""),
        (datetime(2026, 3, 29, 0, 30), "+01:00", ""),
        (datetime(2026, 3, 29, 23, 30), "-0530", ""),
        (datetime(2026, 3, 29, 0, 30), "Z", "times of day are UTC, as the file's"),
        (datetime(1950, 2, 1, 10, 0), "", ""),
        (datetime(1969, 12, 31, 23, 59, 58), "+01:00", ""),
        (datetime(2150, 2, 1, 10, 0), "", ""),  # dates that were shifted to hide them
    ],
)
def test_a_recording_begins_when_its_own_clock_says(
    begin: datetime, zone: str, said: str, tmp_path: Path
) -> None:
    record = table(tmp_path, "time,ECG", [stamp + zone for stamp in dates(ISO, begin)])
    assert (record.start, record.fs, len(record.signal)) == (begin, FS, N)
    assert notes(record) == said
    assert record.origin is not None
    offset = {"": None, "+01:00": 3600.0, "-0530": -19800.0, "Z": 0.0}[zone]
    assert record.origin.utc_offset == offset


BEFORE = datetime(2026, 3, 29, 0, 59, 58)
CHANGE = (
    "the zone of its clock changes from {} to {}, as for summer time: nothing is missing, and "
    "times of day are by the first one to the end"
)


def changing(first: int, then: int, after: float = 2.0) -> list[str]:
    """Stamps of one stretch of time whose clock has another zone after some seconds."""
    stamps = []
    for i in range(N):
        zone = timezone(timedelta(hours=first if i / FS < after else then))
        moment = BEFORE.replace(tzinfo=timezone.utc) + timedelta(seconds=i / FS)
        stamps.append(moment.astimezone(zone).isoformat(timespec="milliseconds"))
    return stamps


@pytest.mark.parametrize("last_line", ["", "\n", "\n\n"])
@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1), (0, 1), (-5, -4)])
def test_a_zone_that_changes_is_said_and_nothing_is_missing(
    first: int, then: int, last_line: str, tmp_path: Path
) -> None:
    rows = [f"{stamp},{value}" for stamp, value in zip(changing(first, then), LEAD, strict=True)]
    path = tmp_path / "a.csv"
    path.write_text("time,ECG\n" + "\n".join(rows) + last_line)
    record = read_record(path)
    assert record.start == BEFORE + timedelta(hours=first)
    assert len(record.signal) == N
    assert notes(record) == CHANGE.format(f"UTC{first:+03}:00", f"UTC{then:+03}:00")


def test_a_clock_set_back_in_its_first_hour_loses_no_sample(tmp_path: Path) -> None:
    record = table(tmp_path, "time,ECG", [stamp[:-6] for stamp in changing(2, 1)])
    assert len(record.signal) == N
    assert record.start == BEFORE + timedelta(hours=2)
    assert "goes back by an hour at sample 501, as at the end of summer time" in notes(record)


def test_times_that_count_from_1970_are_utc_and_said_to_be(tmp_path: Path) -> None:
    record = table(tmp_path, "timestamp,ECG", [f"{1_700_000_000 + i / FS:.3f}" for i in range(N)])
    assert record.start == datetime(2023, 11, 14, 22, 13, 20)
    assert record.origin is not None
    assert record.origin.utc_offset == 0.0
    assert notes(record) == "times of day are UTC: 'timestamp' counts from 1970"


@pytest.mark.parametrize(
    ("form", "begin", "read", "said"),
    [
        ("%d/%m/%Y %H:%M:%S", datetime(2026, 3, 14), datetime(2026, 3, 14), ""),
        ("%m/%d/%Y %H:%M:%S", datetime(2026, 3, 14), datetime(2026, 3, 14), ""),
        ("%d.%m.%Y %H:%M:%S", datetime(2026, 3, 4), datetime(2026, 3, 4), ""),
        ("%d/%m/%Y %H:%M:%S", datetime(2026, 4, 4), datetime(2026, 4, 4), ""),
        (
            "%d/%m/%Y %H:%M:%S",
            datetime(2026, 3, 4),
            datetime(2026, 4, 3),
            "dates such as 04/03/2026 are read with the month first",
        ),
    ],
)
def test_a_date_that_may_be_two_is_said(
    form: str, begin: datetime, read: datetime, said: str, tmp_path: Path
) -> None:
    record = table(tmp_path, "Date;ECG", dates(form, begin), ";")
    assert (record.start, notes(record)) == (read, said)


def test_times_of_parquet_keep_their_zone(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "a.parquet"
    times = pandas.date_range("2026-03-29T00:30:00", periods=N, freq="4ms", tz="Europe/Berlin")
    pandas.DataFrame({"time": times, "ECG": LEAD}).to_parquet(path)
    record = read_record(path)
    assert record.start == datetime(2026, 3, 29, 0, 30)
    assert notes(record) == ""


def test_times_of_parquet_whose_zone_changes_say_so(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "a.parquet"
    times = pandas.date_range("2026-03-29T01:59:58", periods=N, freq="4ms", tz="Europe/Berlin")
    pandas.DataFrame({"time": times, "ECG": LEAD}).to_parquet(path)
    record = read_record(path)
    assert (record.start, len(record.signal)) == (datetime(2026, 3, 29, 1, 59, 58), N)
    assert notes(record) == CHANGE.format("UTC+01:00", "UTC+02:00")


def test_a_clock_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    stamps = [f"{i / FS:.3f}" for i in range(N)][::-1]
    with pytest.raises(Exception, match="does not climb evenly"):
        table(tmp_path, "time,ECG", stamps)
    record = read_record(tmp_path / "a.csv", fs=FS)
    assert notes(record) == (
        "the clock 'time' does not climb evenly and is not used: gaps are not known"
    )


def test_an_index_is_no_lead_i(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{i},{value:.4f}" for i, value in enumerate(LEAD)]
    path.write_text("\n".join(["I,II", *rows]) + "\n")
    record = read_record(path, fs=FS)
    assert record.leads == ("II",)
    assert record.origin is not None
    assert record.origin.left_out == (("I", "a counter"),)


def test_a_pulse_oximeter_is_no_eeg(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{i / FS:.3f},{value:.4f},98" for i, value in enumerate(LEAD)]
    path.write_text("\n".join(["time,ECG,SpO2", *rows]) + "\n")
    origin = read_record(path).origin
    assert origin is not None
    assert dict(origin.left_out)["SpO2"] == "an oxygen saturation by its name"


# WFDB.


def wfdb(folder: Path, record_line: str, gain: str = "200/mV") -> Record:
    np.round(LEAD * 200).astype("<i2").tofile(folder / "a.dat")
    (folder / "a.hea").write_text(f"{record_line}\na.dat 16 {gain} 16 0 0 0 0 II\n")
    return read_record(folder / "a")


@pytest.mark.parametrize(
    ("line", "gain", "said"),
    [
        (f"a 1 250 {N}", "200/mV", ""),
        (f"a 1 250 {N}", "0", "no gain is stated for II: 200 per mV is assumed, as WFDB does"),
        ("a 1", "200/mV", "no sampling rate is stated: 250 Hz is assumed, as WFDB does"),
        (
            f"a 1 250 {N - 500}",
            "200/mV",
            f"only the {N - 500} samples that the header counts are read: a.dat holds 2.0 s more",
        ),
        (f"a 1 250 {N - 100}", "200/mV", ""),  # the last block of a disk
    ],
)
def test_what_a_header_leaves_open_is_said(line: str, gain: str, said: str, tmp_path: Path) -> None:
    assert notes(wfdb(tmp_path, line, gain)) == said


# EDF.


def edf(
    path: Path,
    *,
    kind: str = "",
    counted: int | None = None,
    duration: str = "1",
    onset: Callable[[int], float] | None = None,
) -> Path:
    """Write eight records of one second, with the onset of each where there is one."""
    n, signals = N // FS, 1 if onset is None else 2

    def fields(values: list[object], width: int) -> bytes:
        return "".join(str(value).ljust(width) for value in values[:signals]).encode()

    head = f"{'0':8}{'X':80}{'':80}04.03.2610.00.00{256 * (signals + 1):<8}{kind:44}"
    head += f"{n if counted is None else counted:<8}{duration:8}{signals:<4}"
    body = [
        head.encode(), fields(["ECG II", "EDF Annotations"], 16), b" " * 80 * signals,
        fields(["mV", ""], 8), fields([-5, -1], 8), fields([5, 1], 8), fields([-32768] * 2, 8),
        fields([32767] * 2, 8), b" " * 80 * signals, fields([FS, 30], 8), b" " * 32 * signals,
    ]  # fmt: skip
    for i in range(n):
        digits = np.round((LEAD[i * FS : (i + 1) * FS] + 5) / 10 * 65535 - 32768)
        body.append(digits.clip(-32768, 32767).astype("<i2").tobytes())
        if onset is not None:
            body.append(f"+{onset(i):g}\x14\x14\0".encode().ljust(60, b"\0"))
    path.write_bytes(b"".join(body))
    return path


def test_records_beyond_those_that_a_header_counts_are_said(tmp_path: Path) -> None:
    record = read_record(edf(tmp_path / "a.edf", counted=6))
    assert len(record.signal) == 6 * FS
    assert (
        notes(record) == "only the 6 data records that the header counts are read: the file holds 8"
    )
    assert notes(read_record(edf(tmp_path / "a.edf"))) == ""


def test_a_continuous_file_whose_times_leap_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    record = read_record(edf(path, kind="EDF+C", onset=lambda i: i if i < 4 else i + 15))
    assert len(record.signal) == N
    assert notes(record).startswith("its times leave gaps of 15.00 s in all, but it calls itself")
    assert notes(read_record(edf(path, kind="EDF+C", onset=lambda i: i))) == ""


def test_data_records_that_overlap_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    # A recorder's clock is set back by 0.4 s after the fifth second, and again after the sixth.
    early = [0, 1, 2, 3, 4, 4.6, 5.2, 6.2]
    record = read_record(edf(path, kind="EDF+D", onset=lambda i: early[i]))
    assert notes(record) == (
        "2 data records (EDF+D) begin before the one before has ended, the first at 4.60 s, 0.40 s "
        "too early: the samples of 0.80 s in all that they repeat are read from the later record"
    )
    assert len(record.signal) == round(7.2 * FS)
    np.testing.assert_allclose(record.signal[-FS:, 0], LEAD[-FS:], atol=2e-4)
    blocks = np.concatenate(list(open_record(path).blocks(0.3)))
    np.testing.assert_array_equal(blocks, record.signal)
    # A gap that is as long as the overlap hides neither.
    both = [0, 1, 2, 2.6, 3.6, 5, 6, 7]
    said = notes(read_record(edf(path, kind="EDF+D", onset=lambda i: both[i])))
    assert "the first at 2.60 s, 0.40 s too early" in said
    assert "gaps of 0.40 s in all (EDF+D) filled with missing samples" in said
    # Times that are rounded are no overlap.
    assert not notes(read_record(edf(path, kind="EDF+D", onset=lambda i: i - 0.004 * (i % 2))))
    back = [0, 1, 2, 3, 2.25, 3.25, 4.25, 5.25]
    with pytest.raises(
        RecordError, match=r"a\.edf: .* overlap: number 5 begins at 2\.25 s, .* at 3\.00 s"
    ):
        read_record(edf(path, kind="EDF+D", onset=lambda i: back[i]))
    said = notes(read_record(edf(path, kind="EDF+C", onset=lambda i: back[i])))
    assert said.startswith("its times overlap by 1.75 s in all, but it calls itself continuous")


def test_a_discontinuous_file_without_times_is_said(tmp_path: Path) -> None:
    record = read_record(edf(tmp_path / "a.edf", kind="EDF+D"))
    assert notes(record).startswith("calls itself discontinuous (EDF+D) and has no times")


def test_records_of_no_duration_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    expected = read_record(edf(path)).signal
    np.testing.assert_array_equal(read_record(edf(path, duration="0"), fs=FS).signal, expected)


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_are_no_samples(kind: type) -> None:
    from ecgfast import detect_qrs, stream_classify

    for read in (detect_qrs, stream_classify):
        with pytest.raises(InputError, match=r"say what the bytes are, such as np\.frombuffer"):
            list(read(kind(range(256)) * 20, FS))


@pytest.mark.parametrize(
    ("unit", "factor", "size"),
    [
        ("mV", 1.0, ""),
        ("uV", 1000.0, ""),
        ("V", 1e-3, ""),
        ("mV", 1000.0, "large"),  # µV in truth
        ("V", 1.0, "large"),
        ("uV", 1.0, "small"),
        ("mV", 1e-3, "small"),
        ("adu", 1000.0, ""),
        ("", 1000.0, ""),
    ],
)
def test_a_unit_that_cannot_be_right_is_said(
    unit: str, factor: float, size: str, tmp_path: Path
) -> None:
    head = f"time (s),II ({unit}),V5 ({unit})" if unit else "time (s),II,V5"
    values = ecg(N, 2, FS) * factor
    rows = [f"{i / FS:.3f},{a:.7g},{b:.7g}" for i, (a, b) in enumerate(values)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    told = notes(read_record(path))
    assert ("check the unit" in told) == bool(size)
    if size:
        assert f"leads II, V5: the values are too {size} for an ECG in {unit}, " in told


def test_a_lead_that_is_off_has_no_wrong_unit(tmp_path: Path) -> None:
    """A rail that flickers by a microvolt, and electrodes that settle from 300 mV."""
    at = np.arange(N) / FS
    values = np.stack([1e-3 * (np.arange(N) % 3 == 0), LEAD + 300 * np.exp(-at / 3)], axis=1)
    np.savez(tmp_path / "a.npz", signal=values, fs=FS, leads=["II", "V5"], units="mV")
    assert "check the unit" not in notes(read_record(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("at", "change", "said"),
    [
        (3900, -3600.0, "goes back by an hour at sample 15601, as at the end of summer time: the"),
        (3900, -3599.8, "goes back by an hour at sample 15601, as at the end of summer time: the"),
        (3900, -30.0, "goes back by 30 s at sample 15601: the samples follow without a gap"),
        (3900, 3600.0, "the gap before sample 15601 is of one hour: if the clock 'time' was put"),
        (3900, 0.0, ""),
    ],
)
def test_a_clock_that_was_set_loses_no_sample(at: int, change: float, said: str) -> None:
    """Its stamps come again, but with other samples: an hour of them was dropped as sent twice."""
    fs = 4.0
    t = 1.8e9 + np.arange(round(4200 * fs)) / fs
    t[round(at * fs) :] += change
    values = np.random.default_rng(1).standard_normal((len(t), 1))
    clock, start, _ = read_clock(t, 1.0, "a.csv", "time", samples=lambda a, b: values[a:b])
    assert clock is not None
    assert clock.fs == pytest.approx(fs, rel=1e-6)
    assert clock.rows is None
    assert clock.n_samples == len(t) + (change > 0) * round(3600 * fs)
    assert start == datetime(2027, 1, 15, 8, 0)
    assert said in "; ".join(clock.notes)
    assert bool(clock.notes) == bool(said)


@pytest.mark.parametrize("step", [-0.15, -0.35, -0.8])
def test_a_clock_that_was_corrected_by_a_little_tells_the_rate(step: float) -> None:
    """Of two minutes the rate was 0.4 % too high, and nothing was said."""
    t = 1.8e9 + np.arange(120 * 128) / 128
    t[7680:] += step
    clock, _, _ = read_clock(t, 1.0, "a.csv", "time")
    assert clock is not None
    assert (clock.fs, clock.n_samples) == (pytest.approx(128, rel=1e-5), 120 * 128)
    (note,) = clock.notes
    assert note.startswith(f"the clock 'time' goes back by {-step:.3g} s at sample 7681: ")


def test_a_packet_that_came_late_is_no_clock_that_was_corrected() -> None:
    """Its stamps go back from the time of arrival: they overlap those of the packet after it."""
    late = np.random.default_rng(3).exponential(0.004, 1200)
    late[[200, 555, 901]] = (0.2, 0.45, 0.7)
    at = np.repeat((np.arange(1200) + 1) * 0.1 + late, 25)
    t = at - np.tile(np.arange(25)[::-1] / 250, 1200)
    clock, _, _ = read_clock(t, 1.0, "a.csv", "time")
    assert clock is not None
    assert (clock.fs, clock.n_samples) == (pytest.approx(250, rel=1e-3), 30_000)
    assert "goes back" not in "".join(clock.notes)


def test_packets_that_came_again_and_recordings_that_were_joined_are_no_set_clock() -> None:
    t = np.arange(4000) / 100
    values = np.random.default_rng(1).standard_normal((4000, 1))
    again = np.concatenate([np.arange(3000), np.arange(2800, 4000)])
    clock, _, _ = read_clock(
        t[again], 1.0, "a.csv", "time", samples=lambda a, b: values[again][a:b]
    )
    assert clock is not None
    assert clock.n_samples == 4000
    assert clock.notes == ("200 samples that came twice are left out",)
    joined = np.concatenate([t, t])
    values = np.random.default_rng(2).standard_normal((8000, 1))
    with pytest.raises(RecordError, match="does not climb evenly at sample 4001"):
        read_clock(joined, 1.0, "a.csv", "time", samples=lambda a, b: values[a:b])
