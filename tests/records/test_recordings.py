"""Recordings as people have them: read rightly, or refused with the way forward."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from record_files import ecg

from ecgfast import detect_qrs
from ecgfast.cli import main
from ecgfast.errors import EcgfastError, InputError, RecordError
from ecgfast.records import Record, read_record
from ecgfast.sources.text_lines import LineParser

FOLDER = Path(__file__).parents[1] / "recordings"
TRUTH = json.loads((FOLDER / "truth.json").read_text())

# Seconds of missing samples: from there on beats are later than in the signal that was cut.
GAPS = {"vl.hea": (0.0, 10.0), "edf_plus_d_gap.edf": (15.0, 5.0)}
WITHOUT_RATE = {
    "sensors.csv",
    "columns_counter.csv",
    "decimal_comma_one_column.csv",
    "microvolt_no_unit.csv",
}
UNKNOWN = {
    "biosppy.txt",
    "microvolt_no_unit.csv",
    "opensignals.txt",
    "board_micros.csv",
    "x_fs.npz",
}


def beats_of(record: Record) -> np.ndarray:
    """Detected R peaks in seconds."""
    return np.asarray(detect_qrs(record.signal, record.fs)) / record.fs


@pytest.mark.parametrize("name", sorted(set(TRUTH["cases"]) - {"stream_millis.txt"}))
def test_each_form_gives_its_beats(name: str) -> None:
    if TRUTH["cases"][name] is None:
        with pytest.raises(RecordError, match="EEG"):
            read_record(FOLDER / name)
        return
    if name in WITHOUT_RATE:  # the only thing that the caller may be asked for
        with pytest.raises(InputError, match="carries no sampling rate"):
            read_record(FOLDER / name)
    record = read_record(FOLDER / name, fs=250 if name in WITHOUT_RATE else None)
    truth = TRUTH["truths"][TRUTH["cases"][name]]
    at, late = GAPS.get(name, (0.0, 0.0))
    expected = np.array([b + late if b >= at else b for b in truth["beats_s"]])
    expected = expected[expected < record.duration - 0.2]
    found = beats_of(record)
    nearest = np.abs(found[:, None] - expected[None, :])
    assert (nearest.min(axis=1) < truth["tolerance_s"]).all()
    assert (nearest.min(axis=0) >= truth["tolerance_s"]).sum() <= 1  # one may lie in a gap
    assert record.origin is not None
    if name in UNKNOWN:
        assert set(record.units) == {"unknown"}
    told = record.origin.text()
    assert f"{record.fs:g} Hz" in told
    for column, why in record.origin.left_out:
        assert column
        assert why


def test_the_choice_is_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(FOLDER / "columns_named.csv")
    assert main(["detect", path, "--output", str(tmp_path / "a.json")]) == 0
    told = capsys.readouterr().out
    assert "read        ECG (none stated) of text; 250 Hz from the clock 'time'" in told
    assert "left out    time (a clock), PPG (a photoplethysmogram by its name), ACC" in told
    kept = json.loads((tmp_path / "a.json").read_text())["source"]
    assert kept["columns"] == ["ECG"]
    assert kept["left_out"]["PPG"] == "a photoplethysmogram by its name"


def test_a_stream_decides_as_a_file_does() -> None:
    text = (FOLDER / "stream_millis.txt").read_bytes()
    for step in (100, 7777, len(text)):
        parser = LineParser("board", fs=250.0)
        parts = [parser.feed(text[i : i + step]) for i in range(0, len(text), step)]
        signal = np.concatenate([p for p in [*parts, parser.finish()] if len(p)])
        assert parser.width == 1
        assert parser.left_out == (("field 0", "a clock"),)
        lines = [line for line in text.splitlines() if line]
        np.testing.assert_array_equal(signal[:, 0], [float(x.split(b",")[1]) for x in lines])


# ---------------------------------------------------------------- made here

FS, N = 250, 3000
LEAD = ecg(N, 1, FS)[:, 0]
T = np.arange(N) / FS
MV = [f"{x:.4f}" for x in LEAD]
UV = [f"{1000 * x:.0f}" for x in LEAD]
SLOW = [f"{np.sin(1.5 * t):.4f}" for t in T]
NOISE = [f"{x:.3f}" for x in np.random.default_rng(1).normal(0, 1, N)]
BEGIN = datetime(2024, 5, 6, 23, 59, 55)


def clock(form: str, cut: int | None = None) -> list[str]:
    return [(BEGIN + timedelta(seconds=i / FS)).strftime(form)[:cut] for i in range(N)]


def rows(*columns: list[str], separator: str = ",") -> list[str]:
    return [separator.join(row) for row in zip(*columns, strict=False)]


def commas(lines: list[str]) -> list[str]:
    return [line.replace(".", ",") for line in lines]


def months(cells: list[str]) -> list[str]:
    return [cell.replace("/05/", "-May-").replace("/", "-") for cell in cells]


def dates(form: str) -> list[str]:
    """A spreadsheet's days since 1899, or MATLAB's, of every sample."""
    first = {"sheet": 45418.3, "matlab": 739378.3, "day": 0.3}[form]
    return [repr(float(first + t / 86400)) for t in T]


JSON_HEAD = json.dumps(
    {"00:07": {"sampling rate": FS, "sensor": ["RAW", "ECGBIT"], "label": ["A1", "A2"],
               "column": ["nSeq", "I1", "A1", "A2"]}}
)  # fmt: skip
ZERO = ["0"] * N
COUNT = [str(i) for i in range(N)]
SECONDS = [f"{t:.3f}" for t in T]
PACKETS = [
    {"ecg": {"Timestamp": 64 * k, "Samples": [float(x) for x in MV[16 * k : 16 * k + 16]]}}
    for k in range(N // 16)
]
MILLIS = rows([str(4 * i) for i in range(N)], MV)
FORMS: dict[str, list[str]] = {
    "a program's head": [
        "Interval=\t0.004 s",
        "TimeFormat=\tStartOfBlock",
        "ChannelTitle=\tECG\tResp",
        "Range=\t10.000 mV\t1.0 V",
        *rows(SECONDS, MV, SLOW, separator="\t"),
    ],
    "settings above one column": [
        "Recorded at,2024-05-06T07:08:09Z",
        "Frequency,250",
        "Heart Rate,70",
        "Units,mV",
        *MV,
    ],
    "a list of channels": ["---", "Mammal:  human", "Fs:  250", "", "- type: ecg", "---", *MV],
    "a head in JSON": [
        f"# {JSON_HEAD}",
        "# EndOfHeader",
        *rows(COUNT, ZERO, NOISE, MV, separator="\t"),
    ],
    "three clocks": [
        "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]",
        *rows(
            clock("%Y-%m-%dT%H:%M:%S.%f", -3),
            [str(599616 * 10**12 + 4 * 10**6 * i) for i in range(N)],
            [f"{4 * i}.0" for i in range(N)],
            UV,
            separator=";",
        ),
    ],
    "a row of units": [
        '"sep=,"',
        "Unit_Timestamp,Unit_Accel_X,Unit_ECG_LA-RA",
        "ms,m/(s^2),mV",
        *rows([str(1714979289000 + 4 * i) for i in range(N)], NOISE, MV),
    ],
    "bracketed clock and date": [
        "     hh:mm:ss.mmm   (mV)",
        *rows([f"[{c}]" for c in clock("%H:%M:%S.%f %d/%m/%Y")], MV, separator="  "),
    ],
    "decimal commas": ["Zeit [s];EKG [mV]", *commas(rows(SECONDS, MV, separator=";"))],
    "quoted decimal commas": [
        '"time","ecg"',
        *rows(commas([f'"{t}"' for t in SECONDS]), commas([f'"{x}"' for x in MV])),
    ],
    "twelve hours, months first": ["Time,ECG", *rows(clock("%m/%d/%Y %I:%M:%S.%f %p"), MV)],
    "days first": ["Datum;EKG", *rows(clock("%d.%m.%Y %H:%M:%S,%f"), MV, separator=";")],
    "date and time apart": ["date,time,ecg", *rows(clock("%Y-%m-%d"), clock("%H:%M:%S.%f"), MV)],
    "past midnight": ["time,ecg", *rows(clock("%H:%M:%S.%f"), MV)],
    "whole seconds that repeat": ["time,ecg", *rows(clock("%Y-%m-%d %H:%M:%S"), MV)],
    "microseconds that wrap": rows(
        [str((2**32 - 5_000_000 + 4000 * i) % 2**32) for i in range(N)], MV
    ),
    "milliseconds of 16 bits": rows([str((60000 + 4 * i) % 65536) for i in range(N)], MV),
    "a packet sent twice": ["ms,ecg", *MILLIS[:1000], *MILLIS[950:1000], *MILLIS[1000:]],
    "a column of labels": ["time,ecg,label", *rows(SECONDS, MV, ["N", "", ""] * (N // 3))],
    "sensors without names": rows(SECONDS, SLOW, NOISE, MV),
    "the plotter's names": [f"time:{4 * i},ECG:{x}" for i, x in enumerate(MV)],
    "a head of numbers with names": ["Gain: 200", "Sampling rate: 250", "ECG (mV)", *MV],
    "one line of head": ["Sampling rate: 250", *MV],
    "a line of JSON each": [json.dumps({"time": 4 * i, "ecg": float(x)}) for i, x in enumerate(MV)],
    "packets in JSON": [json.dumps(PACKETS)],
    "a watch in Dutch": ["Samplefrequentie,250 hertz", "Afleiding,Afleiding I", "Eenheid,µV", *UV],
    "a watch in Japanese": ["サンプルレート,250ヘルツ", "誘導,第I誘導", "単位,mV", *MV],
    "a watch with decimal commas": [
        "Abtastrate,250 Hertz",
        "Ableitung,Ableitung I",
        "Einheit,mV",
        *commas(MV),
    ],
    "a lead and its unit": ["Frequency,250", "Mains,50", "Lead I,mV", *MV],
    "AcqKnowledge": [
        "a.acq",
        "4 msec/sample",
        "2 channels",
        "RSP",
        "Volts",
        "ECG",
        "mV",
        "min\tCH1\tCH2\t",
        f"\t{N}\t{N}\t",
        *rows([f"{t / 60:.8f}" for t in T], SLOW, MV, separator="\t"),
    ],
    "AcqKnowledge without a clock": [
        "a.acq",
        "250 samples/second",
        "1 channels",
        "ECG",
        "mV",
        "CH1",
        str(N),
        *MV,
    ],
    "R's numbers of rows": [
        '"time" "ppg" "ecg"',
        *(f'"{i + 1}" {row}' for i, row in enumerate(rows(SECONDS, SLOW, MV, separator=" "))),
    ],
    "types below the names": ["time,ECG", "double,double", *rows(SECONDS, MV)],
    "calibration below the names": ["s,s", "Timestamp,ECG_LL-RA", "CAL,CAL", "ms,mV", *MILLIS],
    "MATLAB's dates": ["Time,ECG", *rows(months(clock("%d/%m/%Y %H:%M:%S.%f")), MV)],
    "months first, in words": [
        "Time;ECG",
        *rows(clock("%b %d, %Y %I:%M:%S.%f %p"), MV, separator=";"),
    ],
    "Java's zones": [
        "Time,ECG",
        *rows([f"{c}+02:00[Europe/Berlin]" for c in clock("%Y-%m-%dT%H:%M:%S.%f")], MV),
    ],
    "milliseconds after a colon": [
        "Time,ECG",
        *rows([f"{c[:8]}:{c[9:12]}" for c in clock("%H:%M:%S.%f")], MV),
    ],
    "ISO 8601 without marks": ["Time,ECG", *rows(clock("%Y%m%dT%H%M%S.%f"), MV)],
    "a line between date and time": ["Time,ECG", *rows(clock("%Y/%m/%d-%H:%M:%S.%f"), MV)],
    "minutes past the hour": ["Time,ECG", *rows(clock("%M:%S.%f", -5), MV)],
    "a spreadsheet's days": ["Time,ECG", *rows(dates("sheet"), MV)],
    "MATLAB's days": ["Time,ECG", *rows(dates("matlab"), MV)],
    "parts of a day": ["Time,ECG", *rows(dates("day"), MV)],
    "the ECG's own clock": ["ECG timestamp [ms],ECG", *MILLIS],
    "a line of words": [
        "time,ECG",
        *rows(SECONDS, MV)[:500],
        "EVENT: button",
        *rows(SECONDS, MV)[500:],
    ],
    "the head again": ["time,ECG", *rows(SECONDS, MV)[:500], "time,ECG", *rows(SECONDS, MV)[500:]],
    "packets in another order": [
        "time,ECG",
        *rows(SECONDS, MV)[:500],
        *rows(SECONDS, MV)[520:540],
        *rows(SECONDS, MV)[500:520],
        *rows(SECONDS, MV)[540:],
    ],
    "an ECG beside a slower sensor": [
        "ECG time,ECG,Acc time,Acc",
        *rows(SECONDS[: N // 5], MV, [f"{i / 50:.2f}" for i in range(N // 5)], NOISE),
        *(f"{row},," for row in rows(SECONDS, MV)[N // 5 :]),
    ],
    "an ECG beside a faster sensor": [
        "time,Acc,time,ECG",
        *rows([f"{i / 500:.3f}" for i in range(N)], NOISE, SECONDS, MV),
        *rows([f"{i / 500:.3f}" for i in range(N, 2 * N)], NOISE, [""] * N, [""] * N),
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_text(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("a.json" if "JSON" in form and "head" not in form else "a.csv")
    path.write_text("\n".join(FORMS[form]) + "\n")
    record = read_record(path)
    assert len(record.leads) == 1
    assert record.fs == pytest.approx(FS, rel=2e-3)
    n = min(len(record.signal), N)
    assert abs(len(record.signal) - N) <= 16
    kept = record.signal[:n, -1]
    seen = np.isfinite(kept)
    assert seen.mean() > 0.99
    np.testing.assert_allclose(kept[seen], LEAD[:n][seen], atol=2e-3)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    lines = ["Zeit (s),Ableitung I (µV)", *rows([f"{t:.3f}" for t in T], UV)]
    (tmp_path / "a.csv").write_bytes((end.join(lines) + end).encode(encoding))
    record = read_record(tmp_path / "a.csv")
    assert (record.fs, record.leads, record.units) == (FS, ("Ableitung I",), ("mV",))
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-3)


def test_gaps_late_packets_and_slow_rates(tmp_path: Path) -> None:
    def of(lines: list[str]) -> Record:
        (tmp_path / "a.csv").write_text("\n".join(lines))
        return read_record(tmp_path / "a.csv")

    times = [f"{t:.3f}" for t in T]
    cut = of(["time,ecg", *rows(times[:1000] + times[1500:], MV[:1000] + MV[1500:])])
    assert np.isnan(cut.signal[1000:1500]).all()
    np.testing.assert_allclose(cut.signal[1500:, 0], LEAD[1500:], atol=1e-3)
    # Packets that arrive late are no gaps.
    arrival = np.maximum.accumulate(np.repeat(T[::50] + 0.2, 50) + np.repeat(
        np.random.default_rng(2).exponential(0.02, N // 50), 50))  # fmt: skip
    late = of(["time (s),ecg", *rows([f"{t:.4f}" for t in arrival], MV)])
    assert late.fs == pytest.approx(FS, rel=5e-3)
    assert len(late.signal) == N
    odd = of(["time,ecg", *rows([f"{i / 99.8:.4f}" for i in range(N)], MV)])
    assert odd.fs == pytest.approx(99.8, rel=1e-4)
    slow = of(["time,ecg", *rows([f"{i / 64:.5f}" for i in range(N)], MV)])
    assert slow.fs == 128
    np.testing.assert_allclose(slow.signal[100:-100:2, 0], LEAD[50:-50], atol=0.05)
    assert slow.origin is not None
    assert slow.origin.notes == ("resampled from 64 to 128 Hz",)


def test_fast_rates_are_resampled_the_same_in_any_blocks(tmp_path: Path) -> None:
    from ecgfast.records import open_record

    fast = np.interp(np.arange(20_000) / 5000, np.arange(4000) / 1000, ecg(4000, 1, 1000.0)[:, 0])
    np.save(tmp_path / "a.npy", fast)
    source = open_record(tmp_path / "a.npy", fs=5000.0)
    assert source.fs == pytest.approx(5000 / 3)
    whole = source.read().signal
    parts = np.concatenate(list(source.blocks(0.37)))
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_allclose(whole[50:-50, 0], fast[::3][50:-50], atol=0.02)


@pytest.mark.parametrize(("fs", "up", "down"), [(50.0, 2, 1), (99.0, 2, 1), (7000.0, 1, 4)])
def test_resampling_is_that_of_scipy(tmp_path: Path, fs: float, up: int, down: int) -> None:
    signal = pytest.importorskip("scipy.signal")

    wave = np.random.default_rng(3).standard_normal((6000, 2)).astype(np.float32)
    np.save(tmp_path / "a.npy", wave)
    wanted = signal.resample_poly(wave.astype(np.float64), up, down, axis=0)
    made = read_record(tmp_path / "a.npy", fs=fs, leads=[0, 1])
    assert made.fs == fs * up / down
    np.testing.assert_allclose(made.signal, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["time,ppg", *rows([f"{t:.3f}" for t in T], SLOW)], "photoplethysmogram by its name"),
        (["time,value", *rows([f"{t:.3f}" for t in T], SLOW)], "is smooth and has no QRS"),
        (["time,x,y", *rows([f"{t:.3f}" for t in T], NOISE, NOISE)], "'x' has no clear QRS"),
        (["time,EDA (uS)", *rows(SECONDS, SLOW)], "a skin conductance"),
        (["time,Fp1,Fp2", *rows([f"{t:.3f}" for t in T], MV, MV)], "an EEG by its name"),
        (["time,heart_rate", *rows([f"{t:.3f}" for t in T], ["70"] * N)], "a derived number"),
        (["time,chest (g)", *rows([f"{t:.3f}" for t in T], MV)], "measured in g"),
        (["time,RR-interval [ms]", *rows(SECONDS, ["812", "795"] * (N // 2))], "a derived number"),
        (["# Sample Rate: 500 Hz", "time (s),ecg", *rows([f"{t:.3f}" for t in T], MV)], "500 Hz"),
    ],
)
def test_what_is_no_ecg_is_refused_until_it_is_named(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(RecordError, match=says):
        read_record(tmp_path / "a.csv")
    if "500" not in says:
        assert read_record(tmp_path / "a.csv", leads=0).n_samples == N


LONG = [f"{t},{name},{x}" for t, a, b in zip(SECONDS, MV, SLOW, strict=True)
        for name, x in (("ECG", a), ("PPG", b))]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["time,sensor,value", *LONG], "a row for each sample of each signal, which 'sensor' na"),
        (
            ["time,channel,value", *(x.replace("ECG", "1").replace("PPG", "2") for x in LONG)],
            "which 'channel' names",
        ),
        (
            [x.replace("ECG", "1").replace("PPG", "2") for x in LONG],
            "a row for each sample of each signal, which 'column 1' names .1, 2.; write a column",
        ),
        (["time,ecg", *commas(rows(SECONDS, MV))], "4 columns where 2 are named"),
        (
            ["time,lead,ecg", *rows(SECONDS, ["I"] * N, MV), *rows(SECONDS, ["II"] * N, NOISE)],
            "does not climb evenly",
        ),
        ([f"{800 + 40 * float(x):.0f}" for x in NOISE], "a list of RR intervals"),
        (["Time,ECG", *rows([f"{70_800 + 100 * (int(t) // 60) + t % 60:.3f}" for t in T * 10], MV)],
         "hours, minutes and seconds in one number"),
        (["Time,ECG", *rows(clock("%a %b %d %H:%M:%S %Y"), MV)], "which is not understood"),
        (["Time,ECG", *rows([f"{t / 60:.8f}" for t in T], MV)],
         "1.5e\\+04 Hz in seconds or 250 Hz in minutes"),
        (["time,ECG", *rows(SECONDS, MV), *rows(SECONDS, MV[::-1])], "split the file there"),
    ],
)  # fmt: skip
def test_tables_that_may_mean_several_things_are_refused(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(RecordError, match=says):
        read_record(tmp_path / "a.csv", fs=FS if "channel" in says or "RR" in says else None)


@pytest.mark.parametrize("hum", [0.0, 2.0])
@pytest.mark.parametrize("width", [2, 5])
def test_a_small_counter_beside_an_ecg_names_no_signals(
    tmp_path: Path, width: int, hum: float
) -> None:
    """Also with hum that repeats as the counter does: 50 Hz every five samples."""
    ecg = [f"{float(x) + hum * np.sin(2 * np.pi * 50.0 / FS * i):.4f}" for i, x in enumerate(MV)]
    lines = ["time,n,ecg", *rows(SECONDS, [str(i % width) for i in range(N)], ecg)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert read_record(tmp_path / "a.csv").n_samples == N


def test_a_counter_beside_an_open_input_names_no_signals(tmp_path: Path) -> None:
    """As a BITalino records it: the input picks up a clock of four samples, now more, now less."""
    off = np.random.default_rng(2).random(N) < 0.1
    high = np.where(np.sin(np.arange(N) / 150) > 0, 3, 2)
    picked_up = [str((0, 0, high[i], 0)[i % 4] + off[i]) for i in range(N)]
    lines = ["n,ecg,A1", *rows([str(i % 16) for i in range(N)], MV, picked_up)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert read_record(tmp_path / "a.csv", fs=FS).leads == ("ecg",)


def test_a_rate_tells_the_unit_of_a_clock(tmp_path: Path) -> None:
    lines = ["Time,ECG", *rows([f"{t / 60:.8f}" for t in T], MV)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    record = read_record(tmp_path / "a.csv", fs=FS)
    assert record.fs == FS
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-3)


@pytest.mark.parametrize("timed", [True, False])
def test_rows_of_other_sensors_are_no_samples(tmp_path: Path, timed: bool) -> None:
    ecg_rows = [f"{t},{x}," for t, x in zip(SECONDS, MV, strict=True)]
    lines = ["time,ecg,acc_x"]
    for i in range(0, N, 50):  # packets of each
        lines += ecg_rows[i : i + 50] + [
            f"{i / FS + 0.01 * k:.3f},,{x}" for k, x in enumerate(NOISE[:20])
        ]
    if not timed:
        lines = [line.partition(",")[2] for line in lines]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    record = read_record(tmp_path / "a.csv", fs=None if timed else FS)
    assert (record.fs, record.leads) == (FS, ("ecg",))
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-3)
    assert record.origin is not None
    assert "1200 rows hold no ECG" in " ".join(record.origin.notes)


@pytest.mark.parametrize("timed", [True, False])
def test_an_ecg_in_each_second_row_beside_a_faster_sensor(tmp_path: Path, timed: bool) -> None:
    """As bioread's acq2txt writes channels of AcqKnowledge: half of the rows have no ECG."""
    lines = ["time (s),EDA (microsiemens),ECG (mV)"]
    for i in range(N):
        value = "" if 500 <= i < 540 else f"{MV[i]}"  # and some have lost it
        lines += [f"{i / FS:.4f},{NOISE[i]},{value}", f"{(i + 0.5) / FS:.4f},{NOISE[i]},"]
    if not timed:
        lines = [f"Sampling rate: {2 * FS} Hz", *(x.partition(",")[2] for x in lines)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    record = read_record(tmp_path / "a.csv")
    assert record.fs == pytest.approx(FS)
    assert record.leads == ("ECG",)
    missing = np.isnan(record.signal[:, 0])
    assert np.flatnonzero(missing).tolist() == list(range(500, 540))
    np.testing.assert_allclose(record.signal[~missing, 0], LEAD[~missing], atol=1e-3)
    assert record.origin is not None
    assert "the ECG stands in one of 2 rows" in record.origin.text()


def test_bytes_of_zero_are_no_samples(tmp_path: Path) -> None:
    text = "\n".join(["time,ECG", *rows(SECONDS, MV)]).encode()
    (tmp_path / "a.csv").write_bytes(text + b"\n" + bytes(4096))
    assert read_record(tmp_path / "a.csv").n_samples == N
    (tmp_path / "a.csv").write_bytes(text[:5000] + bytes(512) + text[5000:])
    record = read_record(tmp_path / "a.csv")  # a block that was lost within a line
    assert (record.n_samples, np.isnan(record.signal).sum()) == (N, 1)
    assert "1 lines are no samples and count as missing" in record.origin.text()


def save_mat(folder: Path, **arrays: object) -> Path:
    from scipy.io import savemat

    savemat(folder / "a.mat", arrays)
    return folder / "a.mat"


def save_npz(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "a.npz", **arrays)  # type: ignore[arg-type]
    return folder / "a.npz"


@pytest.mark.parametrize("save", [save_mat, save_npz])
@pytest.mark.parametrize(
    "arrays",
    [
        {"x": LEAD, "fs": 250},
        {"val": LEAD[None, :], "Fs": 250.0},
        {"ecg": LEAD, "t": T},
        {"ecg": LEAD, "ppg": np.sin(T), "sampling_rate": 250},
        {"data": np.stack([LEAD, LEAD]), "sfreq": 250, "ch_names": ["I", "II"]},
        {"signal": np.stack([T, LEAD], axis=1)},
        {"I": LEAD, "II": LEAD, "fs": 250},
    ],
)
def test_names_of_arrays(
    tmp_path: Path, save: Callable[..., Path], arrays: dict[str, object]
) -> None:
    record = read_record(save(tmp_path, **arrays))
    assert record.fs == 250
    assert set(record.units) == {"unknown"}
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-5)


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat"])
def test_gaps_of_a_clock_in_arrays(tmp_path: Path, suffix: str) -> None:
    there = np.r_[0:1000, 1500:N]
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, np.stack([T, LEAD], axis=1)[there])
    else:
        save = save_npz if suffix == "npz" else save_mat
        path = save(tmp_path, ecg=LEAD[there], t=T[there], fs=FS)
    record = read_record(path)
    assert record.fs == FS
    assert np.isnan(record.signal[1000:1500]).all()
    np.testing.assert_allclose(record.signal[there, 0], LEAD[there], atol=1e-5)
    if suffix != "npy":
        save(tmp_path, ecg=LEAD, t=2 * T, fs=FS)
        with pytest.raises(RecordError, match="'fs' says 250 Hz and the clock 't' 125 Hz"):
            read_record(path)


def test_pieces_are_no_leads(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", LEAD.reshape(12, 250))
    assert read_record(tmp_path / "a.npy", fs=FS, leads=0).n_samples == 250
    np.save(tmp_path / "a.npy", LEAD[:2500].reshape(50, 50))
    np.save(tmp_path / "b.npy", LEAD.reshape(30, 100))
    with pytest.raises(RecordError, match=r"shape \(30, 100\)"):
        read_record(tmp_path / "b.npy", fs=FS)


def test_channels_of_labchart_and_acqknowledge(tmp_path: Path) -> None:
    slow = np.sin(T)
    labchart = {
        "data": np.concatenate([slow, LEAD])[None],
        "datastart": np.array([[1], [N + 1]]),
        "dataend": np.array([[N], [2 * N]]),
        "titles": np.array(["Breath ", "ECG    "]),
        "samplerate": np.array([[250.0], [250.0]]),
    }
    record = read_record(save_mat(tmp_path, **labchart))
    assert (record.fs, record.leads) == (250, ("ECG",))
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-5)
    labchart["samplerate"] = np.array([[25.0], [250.0]])
    with pytest.raises(RecordError, match="several rates"):
        read_record(save_mat(tmp_path, **labchart))
    blocks = labchart | {"datastart": np.ones((2, 2)), "dataend": np.full((2, 2), 9)}
    with pytest.raises(RecordError, match="2 blocks"):
        read_record(save_mat(tmp_path, **blocks))
    data = np.stack([slow, LEAD], axis=1)
    record = read_record(
        save_mat(tmp_path, data=data, isi=4.0, isi_units="ms", labels=np.array(["RSP", "ECG"]))
    )
    assert (record.fs, record.leads) == (250, ("ECG",))


def test_structures_of_matlab(tmp_path: Path) -> None:
    record = read_record(save_mat(tmp_path, ECG={"data": LEAD, "fs": 250}))
    assert record.fs == 250
    np.testing.assert_allclose(record.signal[:, 0], LEAD, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.xlsx", "CSV"),
        ("a.gdf", "save2gdf"),
        ("a.mp3", "WAV"),
        ("a.pdf", "picture"),
        ("a.zip", "unpack it"),
        ("a.pkl", "numpy.save"),
    ],
)
def test_formats_that_are_not_read_name_a_converter(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(EcgfastError, match=says):
        read_record(tmp_path / name)


def test_what_neurokit2_derives_from_an_ecg_is_no_lead(tmp_path: Path) -> None:
    """The columns of its `ecg_process`, as `DataFrame.to_csv` writes them."""
    marks = [f"ECG_{wave}_Peaks" for wave in "RPQST"] + ["ECG_R_Onsets", "ECG_T_Offsets"]
    names = ["", "ECG_Raw", "ECG_Clean", "ECG_Rate", "ECG_Quality", *marks, "ECG_Phase_Atrial"]
    path = tmp_path / "processed.csv"
    lines = [f"{i},{x},{x},72.0,0.9,{'0,' * len(marks)}1.0" for i, x in enumerate(MV)]
    path.write_text("\n".join([",".join(names), *lines]))
    assert read_record(path, fs=250.0).leads == ("ECG_Raw", "ECG_Clean")


def test_lines_of_several_signals_by_turns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "turns.txt"
    path.write_text("".join(f"I:{x:.3f}\nII:{-x:.3f}\n" for x in np.sin(np.arange(900))))
    with pytest.raises(RecordError, match=r"each signal, which 'NAME:' names \(I, II\); write"):
        read_record(path, fs=250.0)


def test_names_before_each_number_lose_no_sample_of_a_long_log(tmp_path: Path) -> None:
    counts = np.arange(60_000) * 37 % 1000
    path = tmp_path / "plotter.txt"
    path.write_text("".join(f"ECG:{count},Resp:3\n" for count in counts))
    record = read_record(path, fs=250.0)
    assert np.array_equal(record.signal[:, 0], counts)
