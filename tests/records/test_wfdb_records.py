"""Reading WFDB records: the wfdb package is the judge of the fast route."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path

import numpy as np
import pytest
from lazily import working
from record_files import wave, write_wfdb

from ecgfast.errors import InputError, RecordError
from ecgfast.records import open_record, read_annotations, read_record

FindRecord = Callable[[str], Path]


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize(
    "name",
    [
        "excerpts/mitdb/210",
        "excerpts/svdb/881",
        "mitdb/114",
        "mitdb/208",
        "svdb/800",
        "nstdb/118e_6",
        "nstdb/bw",
        "bp/v133l",
    ],
)
def test_real_records_match_wfdb_bit_for_bit(record_path: FindRecord, name: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = record_path(name)
    judge = wfdb.rdrecord(str(path))
    record = read_record(path, leads=range(judge.n_sig))
    assert record.signal.tobytes() == judge.p_signal.astype(np.float32).tobytes()
    assert record.leads == tuple(judge.sig_name)
    assert record.fs == judge.fs
    assert record.name == path.name
    assert list(record.comments) == [line for line in judge.comments if line]
    if path.with_name(f"{path.name}.atr").is_file():
        marks = wfdb.rdann(str(path), "atr")
        assert record.annotations is not None
        np.testing.assert_array_equal(record.annotations.sample, marks.sample)
        assert record.annotations.symbol.tolist() == list(marks.symbol)
        assert record.annotations.aux.tolist() == [a.rstrip("\0") for a in marks.aux_note]
    else:
        assert record.annotations is None


def test_real_record_is_read_without_wfdb(record_path: FindRecord) -> None:
    path = record_path("excerpts/mitdb/208")
    code = (
        f"import sys; from ecgfast.records import read_record; read_record({str(path)!r})\n"
        "assert 'wfdb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pressure_is_read_only_when_named(record_path: FindRecord) -> None:
    path = record_path("bp/v133l")
    assert read_record(path).leads == ("II",)
    both = read_record(path, leads=["ABP", "II"])
    assert both.leads == ("ABP", "II")
    assert both.units == ("mmHg", "mV")
    assert 40 < np.nanmedian(both.lead("ABP")) < 200


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212"])
@pytest.mark.parametrize("shape", [(2001, 1), (1999, 3), (2000, 2)])
def test_every_common_format_matches_wfdb(tmp_path: Path, fmt: str, shape: tuple[int, int]) -> None:
    wfdb = pytest.importorskip("wfdb")
    signal = wave(*shape)
    signal[100:120, 0] = np.nan
    path = write_wfdb(tmp_path, "made", signal, fmt)
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    source = open_record(path)
    record = source.read()
    np.testing.assert_array_equal(record.signal, judge)
    assert np.isnan(record.signal[100:120, 0]).all()
    blocks = list(open_record(path).blocks(0.3))
    assert [len(b) for b in blocks[:-1]] == [75] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), judge)
    np.testing.assert_array_equal(source.fetch(777, 778), judge[777:778])


@pytest.mark.parametrize(("fmt", "dtype", "zero"), [("61", ">i2", 0), ("160", "<u2", 1 << 15)])
def test_formats_that_wfdb_only_reads(tmp_path: Path, fmt: str, dtype: str, zero: int) -> None:
    wfdb = pytest.importorskip("wfdb")
    digits = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, 3000)
    digits[7] = -(1 << 15)
    (tmp_path / "r.dat").write_bytes((digits + zero).astype(dtype).tobytes())
    (tmp_path / "r.hea").write_text(
        f"r 2 250 1500\nr.dat {fmt} 99.7(12)/mV 16 0 0 0 0 I\n"
        f"r.dat {fmt} 99.7(12)/mV 16 0 0 0 0 II\n"
    )
    judge = wfdb.rdrecord(str(tmp_path / "r")).p_signal.astype(np.float32)
    record = read_record(tmp_path / "r")
    np.testing.assert_array_equal(record.signal, judge)
    assert np.isnan(record.signal[3, 1])


def test_units_become_millivolts_and_leads_keep_their_order(tmp_path: Path) -> None:
    signal = wave()
    path = write_wfdb(
        tmp_path, "made", signal * [1000, 1e-3], "16", units=["uV", "V"], adc_gain=[5.0, 5e6]
    )
    record = read_record(path)
    assert record.units == ("mV", "mV")
    np.testing.assert_allclose(record.signal, signal, atol=2e-4)
    swapped = read_record(path, leads=["ii", 0])
    assert swapped.leads == ("II", "I")
    np.testing.assert_array_equal(swapped.signal, record.signal[:, ::-1])
    assert read_record(path, leads="II").signal.shape == (2000, 1)
    with pytest.raises(InputError, match="no lead 'aVF'; there are 'I', 'II'"):
        read_record(path, leads="aVF")
    with pytest.raises(InputError, match="empty list"):
        read_record(path, leads=[])


def test_brain_signals_are_left_out(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16", sig_name=["EEG (C4-A1)", "ECG"])
    assert read_record(path).leads == ("ECG",)
    unnamed = write_wfdb(tmp_path, "plain", wave(), "16", sig_name=["noise1", "noise2"])
    assert read_record(unnamed).leads == ("noise1", "noise2")


def test_signals_in_several_files_and_behind_an_offset(tmp_path: Path) -> None:
    first, second = np.arange(-500, 500), np.arange(1000) * 2
    (tmp_path / "a.dat").write_bytes(b"head" + first.astype("<i2").tobytes())
    (tmp_path / "b.dat").write_bytes(second.astype("<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        "# made by hand\n\nr 2 250.5/100(3) 1000 12:30:05.25 24/12/2024\n"
        "a.dat 16+4 100(-10)/mV 16 0 0 0 0 MLII\nb.dat 16 0 12 7\n# and noted\n"
    )
    record = read_record(tmp_path / "r.hea")
    assert record.fs == 250.5
    assert record.start == datetime(2024, 12, 24, 12, 30, 5, 250_000)
    assert record.leads == ("MLII",)
    assert record.comments == ("made by hand", "and noted")
    both = read_record(tmp_path / "r", leads=[0, 1])
    assert both.leads == ("MLII", "signal 1")
    np.testing.assert_allclose(both.signal[:, 0], (first + 10) / 100, rtol=1e-6)
    # No gain means 200, no baseline means the ADC's zero.
    np.testing.assert_allclose(both.signal[:, 1], (second - 7) / 200, rtol=1e-6)


def test_open_length_is_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_bytes(np.zeros(600, "<i2").tobytes())
    (tmp_path / "r.hea").write_text(
        "r 2 250\nr.dat 16 200 12 0 0 0 0 I\nr.dat 16 200 12 0 0 0 0 II\n"
    )
    assert open_record(tmp_path / "r").n_samples == 300


@pytest.mark.parametrize("fmt", ["310", "311", "8", "516"])
def test_rare_formats_match_wfdb(tmp_path: Path, fmt: str) -> None:
    wfdb = pytest.importorskip("wfdb")
    working("soundfile")
    path = write_wfdb(tmp_path, "made", wave(1998), "516")
    if fmt != "516":
        raw = np.random.default_rng(2).integers(0, 256, 1998 * 2 // 3 * 4, np.uint8)
        raw[3::4] &= 0x3F if fmt == "311" else 0xFF  # two bits that no sample of 311 has
        path.with_suffix(".dat").write_bytes(raw.tobytes())
        header = path.with_suffix(".hea").read_text()
        path.with_suffix(".hea").write_text(header.replace(" 516 ", f" {fmt} "))
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, judge)
    np.testing.assert_array_equal(np.concatenate(list(open_record(path).blocks(1.0))), judge)
    np.testing.assert_array_equal(read_record(path, leads=[1, 0]).signal, judge[:, ::-1])


def test_skewed_signals_match_wfdb(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = write_wfdb(tmp_path, "made", wave(), "16")
    header = path.with_suffix(".hea")
    header.write_text(header.read_text().replace("made.dat 16 ", "made.dat 16:3 ", 1))
    judge = wfdb.rdrecord(str(path)).p_signal.astype(np.float32)
    np.testing.assert_array_equal(read_record(path).signal, judge)


def write_two_rates(folder: Path) -> Path:
    """A record of frames at 125 Hz: I and II twice in each, RESP once."""
    frames = np.arange(400)
    table = np.column_stack([2 * frames, 2 * frames + 1, -frames, -frames - 1, frames])
    (folder / "m.dat").write_bytes(table.astype("<i2").tobytes())
    (folder / "m.hea").write_text(
        "m 3 125 400\nm.dat 16x2 100/mV 16 0 0 0 0 I\nm.dat 16x2 100/mV 16 0 0 0 0 II\n"
        "m.dat 16 1/mV 16 0 0 0 0 RESP\n"
    )
    return folder / "m"


def test_several_rates(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    from ecgfast.records.wfdb_annotations import encode_annotations

    path = write_two_rates(tmp_path)
    path.with_suffix(".atr").write_bytes(encode_annotations([10, 200], ["N", "V"], 125))
    record = read_record(path)
    assert record.leads == ("I", "II")
    assert record.fs == 250
    np.testing.assert_allclose(record.lead("I"), np.arange(800) / 100, rtol=1e-6)
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [20, 400]
    odd = np.concatenate(list(open_record(path).blocks(0.3)))
    np.testing.assert_array_equal(odd, record.signal)
    with pytest.raises(RecordError, match=r"differ in rate \(I 250 Hz, RESP 125 Hz\)"):
        read_record(path, leads=["I", "RESP"])
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:1000])
    with pytest.raises(RecordError, match=r"m\.dat: truncated"):
        read_record(path)


def test_several_segments(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    signal = wave()
    write_wfdb(tmp_path, "seg1", signal[:1200], "16")
    write_wfdb(tmp_path, "seg2", signal[1200:], "16")
    (tmp_path / "multi.hea").write_text("multi/2 2 250 2000\nseg1 1200\nseg2 800\n")
    judge = wfdb.rdrecord(str(tmp_path / "multi")).p_signal.astype(np.float32)
    record = read_record(tmp_path / "multi")
    assert record.signal.shape == (2000, 2)
    assert record.leads == ("I", "II")
    np.testing.assert_array_equal(record.signal, judge)
    blocks = np.concatenate(list(open_record(tmp_path / "multi").blocks(1.0)))
    np.testing.assert_array_equal(blocks, judge)


def test_layout_of_segments_that_changes(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    signal = wave()
    write_wfdb(tmp_path, "seg1", signal[:1200], "16")
    write_wfdb(tmp_path, "seg2", signal[1200:, :1], "16", sig_name=["II"])
    (tmp_path / "layout.hea").write_text(
        "layout 2 250 0\n~ 0 200/mV 16 0 0 0 0 I\n~ 0 200/mV 16 0 0 0 0 II\n"
    )
    (tmp_path / "multi.hea").write_text(
        "multi/4 2 250 2100\nlayout 0\nseg1 1200\n~ 100\nseg2 800\n"
    )
    record = read_record(tmp_path / "multi")
    assert record.leads == ("I", "II")
    np.testing.assert_allclose(record.signal[:1200], signal[:1200], atol=0.005)
    assert np.isnan(record.lead("I")[1200:]).all()
    assert np.isnan(record.lead("II")[1200:1300]).all()
    np.testing.assert_allclose(record.lead("II")[1300:], signal[1200:, 0], atol=0.005)
    blocks = np.concatenate(list(open_record(tmp_path / "multi").blocks(1.0)))
    np.testing.assert_array_equal(blocks, record.signal)
    only = read_record(tmp_path / "multi", leads="II")
    np.testing.assert_array_equal(only.signal[:, 0], record.lead("II"))


# ---------------------------------------------------------------- damaged files


def test_truncated_record_says_promised_and_present(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "212")
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:3000])
    with pytest.raises(
        RecordError, match=r"made\.dat: truncated: .*promises 2000 .*1000 are present"
    ):
        read_record(path)


def test_truncated_compressed_record(tmp_path: Path) -> None:
    pytest.importorskip("wfdb")
    working("soundfile")
    path = write_wfdb(tmp_path, "made", wave(), "516")
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:300])
    with pytest.raises(RecordError, match="made"):
        read_record(path)


def test_missing_parts_of_a_record(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16")
    header = path.with_suffix(".hea").read_text()
    path.with_suffix(".hea").unlink()
    with pytest.raises(RecordError, match=r"header made\.hea is missing"):
        read_record(path.with_suffix(".dat"))
    with pytest.raises(RecordError, match=r"did you mean made\.dat"):
        read_record(path)
    path.with_suffix(".hea").write_text(header)
    assert read_record(path.with_suffix(".dat")).n_samples == 2000
    path.with_suffix(".dat").unlink()
    with pytest.raises(RecordError, match=r"made\.dat: missing, though made\.hea names it"):
        read_record(path)


@pytest.mark.parametrize("form", ["16", "212"])
@pytest.mark.parametrize(("described", "held"), [(1, 2), (1, 3), (2, 3), (5, 12)])
def test_a_header_that_describes_fewer_signals_than_its_file_holds_is_refused(
    described: int, held: int, form: str, tmp_path: Path
) -> None:
    """Its samples would be those of several leads in turn."""
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"][:held]
    path = write_wfdb(tmp_path, "made", np.resize(wave(), (1999, held)), form, sig_name=names)
    header = path.with_suffix(".hea")
    record, *signals = header.read_text().splitlines()
    few = record.replace(f" {held} ", f" {described} ", 1)
    says = (
        rf"made\.hea: describes {described} signals? of 1999 samples in made\.dat, which holds as "
        rf"many samples as {held} signals; give each signal a line in the header"
    )
    header.write_text("\n".join([few, *signals[:described]]))
    with pytest.raises(RecordError, match=says):
        read_record(path)
    header.write_text("\n".join([few, *signals]))
    with pytest.raises(
        RecordError, match=f"counts {described} signals?, and {held} are described; correct the"
    ):
        read_record(path)
    header.write_text("\n".join([record, *signals, "Age: 61", "# made.dat 16"]))
    assert len(read_record(path).leads) == held


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("dear reader, this is a letter\n", "line 1 is no WFDB record line"),
        ("r two 250 100\n", "line 1 is no WFDB record line"),
        ("r 0 250 100\n", "no signals"),
        ("r 2 250 100\nr.dat 16 200\n", "promises 2 signals and describes 1"),
        ("r 1 250 100\nr.dat sixteen 200\n", "line 2 is no WFDB signal line"),
        ("r 1 250 100\nr.dat 16 many\n", "line 2 is no WFDB signal line"),
        ("r 1 250 100\nr.dat 16 200/mmHg 12 0 0 0 0 ABP\n", "'ABP' .mmHg"),
    ],
)
def test_header_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "r.hea").write_text(text)
    (tmp_path / "r.dat").write_bytes(bytes(200))
    with pytest.raises(RecordError, match=says) as caught:
        read_record(tmp_path / "r")
    assert "\n" not in str(caught.value)
    assert "r.hea" in str(caught.value)


def test_a_rate_is_given_where_the_header_states_none(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    (tmp_path / "r.dat").write_bytes(np.arange(1200, dtype="<i2").tobytes())
    (tmp_path / "r.hea").write_text("r 2\nr.dat 16x2\nr.dat 16x2 200 12 0 0 0 0 II\n")
    wfdb.wrann("r", "atr", np.array([50, 100]), symbol=["N", "V"], write_dir=str(tmp_path))
    assumed = read_record(tmp_path / "r")
    assert assumed.fs == 500
    text = assumed.origin.text()
    assert "250 Hz is assumed" in text
    assert "no gain is stated for signal 0: 200 per mV is assumed" in text
    given = read_record(tmp_path / "r", fs=360)
    assert given.fs == 360
    assert "assumed, as WFDB" not in given.origin.text().replace("200 per mV is assumed", "")
    np.testing.assert_array_equal(given.signal, assumed.signal)
    # Marks count frames, of two samples each.
    assert given.annotations.sample.tolist() == assumed.annotations.sample.tolist() == [100, 200]
    (tmp_path / "m.hea").write_text("m/2 2\nr 300\nr 300\n")
    assert read_record(tmp_path / "m", fs=360).fs == 360


def test_rate_out_of_range_or_contradicted(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16", fs=40)
    with pytest.raises(InputError, match="40 Hz"):
        read_record(path)
    path = write_wfdb(tmp_path, "made", wave(), "16")
    assert read_record(path, fs=250).fs == 250
    with pytest.raises(InputError, match="250 Hz and fs=360"):
        read_record(path, fs=360)
    with pytest.raises(InputError, match="20 Hz"):
        read_record(path, fs=20)


def test_empty_signal_file(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 250\nr.dat 16 200 12 0 0 0 0 I\n")
    (tmp_path / "r.dat").write_bytes(b"")
    with pytest.raises(RecordError, match="holds 0 sample"):
        read_record(tmp_path / "r")


def test_time_of_day_without_a_date(tmp_path: Path) -> None:
    path = write_wfdb(tmp_path, "made", wave(), "16")
    header = path.with_suffix(".hea")
    first, rest = header.read_text().split("\n", 1)
    header.write_text(f"{' '.join(first.split()[:4])} 8:04:30\n{rest}")
    record = read_record(path)
    assert record.start is None
    assert record.start_time == time(8, 4, 30)
    header.write_text(f"{' '.join(first.split()[:4])} 8:04:30 1/2/2003\n{rest}")
    record = read_record(path)
    assert record.start == datetime(2003, 2, 1, 8, 4, 30)
    assert record.start_time == time(8, 4, 30)
    header.write_text(f"{' '.join(first.split()[:4])} 25:04:30\n{rest}")
    assert read_record(path).start_time is None


def test_marks_of_another_annotation_file(tmp_path: Path) -> None:
    from ecgfast.records import write_annotations

    path = write_wfdb(tmp_path, "made", wave(), "16")
    write_annotations(tmp_path / "made.atr", [10, 20], ["N", "N"], 250)
    write_annotations(tmp_path / "made.cor", [10, 40], ["N", "V"], 500)
    assert read_record(path).annotations.sample.tolist() == [10, 20]  # type: ignore[union-attr]
    fs = read_record(path).fs
    marks = open_record(path, annotator="cor").annotations
    assert marks is not None
    assert marks.sample.tolist() == [round(10 * fs / 500), round(40 * fs / 500)]
    assert marks.symbol.tolist() == ["N", "V"]
    with pytest.raises(RecordError, match=r"no annotation file made\.qrs beside it"):
        open_record(path, annotator="qrs")
    for wrong in ("a/b", "", "../x"):
        with pytest.raises(InputError, match="extension of an annotation file"):
            open_record(path, annotator=wrong)


def test_truncated_annotations(tmp_path: Path) -> None:
    from ecgfast.records.wfdb_annotations import encode_annotations

    whole = encode_annotations([10, 5000], ["N", "V"], 250, ["", "a long remark"])
    (tmp_path / "r.atr").write_bytes(whole[:-8])
    with pytest.raises(RecordError, match=r"r\.atr: truncated"):
        read_annotations(tmp_path / "r.atr")
    with pytest.raises(RecordError, match="cannot be read"):
        read_annotations(tmp_path / "none.atr")


def test_a_date_at_the_end_of_the_calendar_is_none(tmp_path: Path) -> None:
    """Some write it for an unknown one; the clock of what follows had no date."""
    (tmp_path / "a.dat").write_bytes(np.arange(72000, dtype="<i2").tobytes())
    for date, known in (("31/12/9999", False), ("31/12/2025", True), ("01/01/0001", True)):
        (tmp_path / "a.hea").write_text(
            f"a 1 360 72000 23:59:50 {date}\na.dat 16 200 16 0 0 0 0 MLII\n"
        )
        record = open_record(tmp_path / "a", leads="MLII")
        assert (record.start is not None) == known
        assert record.start_time == time(23, 59, 50)
        notes = record.origin.notes if record.origin else ()
        assert any("9999-12-31 is none of a recording" in note for note in notes) != known
