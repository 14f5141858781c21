"""Values that stand for missing samples are taken for missing, and said; signals are left alone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from shared_ecgs import demo_record

from ecgfast import MissingValuesWarning, Quality, Record, detect_qrs, stream_classify
from ecgfast.records import open_record, read_record, synthetic_ecg
from ecgfast.records.formats import open_file
from ecgfast.records.missing_codes import find_codes
from ecgfast.records.opened import Opened
from ecgfast.reports import make_report

FS = 250.0


def ecg(seconds: float = 40.0) -> np.ndarray:
    return synthetic_ecg(seconds, FS, leads=("MLII", "V1"), seed=4).signal.astype(np.float64)


def with_code(code: float, *, gain: float = 1.0, run: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A signal with a code in single samples of its first lead and in a stretch, and where."""
    signal = ecg() * gain
    rng = np.random.default_rng(1)
    places = np.sort(rng.choice(len(signal) - 700, 200, replace=False))
    places = np.union1d(places, np.arange(len(signal) - 600, len(signal) - 600 + run))
    signal[places, 0] = code
    return signal, places


def write(folder: Path, kind: str, signal: np.ndarray) -> Path:
    path = folder / f"a.{kind}"
    if kind == "csv":
        np.savetxt(path, signal, "%.9g", ",", header=f"Sampling rate: {FS:g} Hz\nII,V1")
    elif kind == "npy":
        np.save(path, signal)
    elif kind == "npz":
        np.savez(path, signal=signal, fs=FS, leads=["II", "V1"], units="mV")
    elif kind == "json":
        path.write_text(
            json.dumps({"fs": FS, "II": signal[:, 0].tolist(), "V1": signal[:, 1].tolist()})
        )
    elif kind == "parquet":
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        frame = pandas.DataFrame(signal, columns=["II", "V1"])
        frame.attrs["fs"] = FS
        frame.to_parquet(path)
    elif kind == "mat":
        io = pytest.importorskip("scipy.io")
        io.savemat(path, {"signal": signal, "fs": FS})
    return path


def notes(record: Record) -> list[str]:
    assert record.origin is not None
    return [note for note in record.origin.notes if "taken for missing" in note]


@pytest.mark.parametrize("code", [-9999, 9999, -999, -32768, 1e9, -1e6, 9.96921e36, -2147483648])
@pytest.mark.parametrize("kind", ["csv", "npz", "npy"])
def test_codes_of_missing_samples_are_missing_and_said(
    code: float, kind: str, tmp_path: Path
) -> None:
    signal, places = with_code(code, run=500)
    path = write(tmp_path, kind, signal)
    record = read_record(path, fs=FS)
    assert np.flatnonzero(np.isnan(record.signal[:, 0])).tolist() == places.tolist()
    assert not np.isnan(record.signal[:, 1]).any()
    (said,) = notes(record)
    assert (
        f"lead {record.leads[0]}: the value {np.float32(code):.7g}, of {len(places)} samples"
        in said
    )
    blocks = np.concatenate(list(open_record(path, fs=FS).blocks(0.7)))
    np.testing.assert_array_equal(blocks, record.signal)


@pytest.mark.parametrize("kind", ["json", "parquet", "mat"])
def test_codes_in_other_tables(kind: str, tmp_path: Path) -> None:
    signal, places = with_code(-9999, run=500)
    record = read_record(write(tmp_path, kind, signal), fs=FS)
    assert np.isnan(record.signal[:, 0]).sum() == len(places)
    assert len(notes(record)) == 1


@pytest.mark.parametrize("gain", [1000.0, 200.0])  # microvolts, counts
def test_codes_beside_numbers_of_any_unit(gain: float, tmp_path: Path) -> None:
    signal, places = with_code(-9999, gain=gain)
    record = read_record(write(tmp_path, "npz", np.round(signal)))
    assert np.isnan(record.signal[:, 0]).sum() == len(places)


def test_both_ends_may_be_codes(tmp_path: Path) -> None:
    signal, places = with_code(-9999)
    signal[places[::2], 0] = 9999
    record = read_record(write(tmp_path, "npz", signal))
    assert np.isnan(record.signal[:, 0]).sum() == len(places)
    assert [note.split(",")[0] for note in notes(record)] == [
        "lead II: the value -9999",
        "lead II: the value 9999",
    ]


def test_any_value_that_is_far_and_comes_again_in_single_samples(tmp_path: Path) -> None:
    """As 32767 counts in a published strip: no convention says so, nothing sampled looks so."""
    signal, places = with_code(32.767)
    record = read_record(write(tmp_path, "npz", signal))
    assert np.isnan(record.signal[:, 0]).sum() == len(places)
    # A lead that comes off lies at such a value too: that is an event of its own.
    signal, _ = with_code(32.767, run=200)
    record = read_record(write(tmp_path, "npz", signal))
    assert not notes(record)
    assert not np.isnan(record.signal).any()


@pytest.mark.parametrize("pulses", [1, 3])
def test_a_calibration_pulse_is_signal(pulses: int, tmp_path: Path) -> None:
    """Electrocardiographs draw 1 mV for 0.2 s at the end: far above a small lead, and just once."""
    signal = 0.2 * ecg()
    for at in range(len(signal) - 500, len(signal) - 500 + 100 * pulses, 100):
        signal[at : at + 100] = 0.0
        signal[at + 25 : at + 75] = 1.0
    record = read_record(write(tmp_path, "npz", signal))
    assert not notes(record)
    np.testing.assert_allclose(record.signal, signal, atol=1e-6)
    # The same value in the midst of a moving signal is missing: a packet that was lost.
    signal = 0.2 * ecg()
    signal[4000:4050, 0] = 1.0
    assert np.isnan(read_record(write(tmp_path, "npz", signal)).signal[4000:4050, 0]).all()


def digits(folder: Path, lowest: int, low: int) -> Path:
    """An EDF file whose header says that samples are from `low` on; some are `lowest`."""
    values = np.round(ecg(8.0)[:, 0] * 1000).astype("<i2")
    values[100:900:40] = lowest
    values[1200:1500] = lowest
    head = f"{'0':8}{'X':80}{'':80}04.03.2610.00.00{512:<8}{'':44}{8:<8}{1:<8}{1:<4}"
    head += (
        f"{'ECG II':16}{'':80}{'mV':8}{low / 1000:<8g}{2:<8}{low:<8}{2000:<8}{'':80}{250:<8}{'':32}"
    )
    path = folder / "a.edf"
    path.write_bytes(head.encode() + values.tobytes())
    return path


@pytest.mark.parametrize("av_delay", [None, 0.16])
def test_clipped_pacing_spikes_are_signal(av_delay: float | None, tmp_path: Path) -> None:
    """One sample at the converter's limit before each beat, or before each P wave and beat."""
    record = synthetic_ecg(60.0, FS, leads=("MLII", "V1"), seed=6)
    signal = record.signal.astype(np.float64)
    assert record.annotations is not None
    spikes = record.annotations.sample - round(0.06 * FS)
    if av_delay:
        spikes = np.concatenate([spikes, spikes - round(av_delay * FS)])
    spikes = spikes[spikes >= 0]
    signal[spikes, 0] = 5.115
    source = open_record(write(tmp_path, "csv", signal))
    assert source.origin is not None
    assert not source.origin.notes
    assert np.isfinite(source.fetch(0, source.n_samples)).all()
    # The same value at any time is one that stands for missing samples.
    scattered = np.random.default_rng(3).choice(len(signal), len(spikes), replace=False)
    signal[spikes, 0] = 0.0
    signal[scattered, 0] = 5.115
    missing = read_record(write(tmp_path, "csv", signal)).signal[:, 0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(missing)), np.sort(scattered))


def test_codes_in_edf(tmp_path: Path) -> None:
    record = read_record(digits(tmp_path, -32768, -2000))
    assert np.isnan(record.signal).sum() == 320
    assert "the value -32.768, of 320 samples" in notes(record)[0]
    # At the limit that the header states the converter may have been: it was for 1.2 s.
    record = read_record(digits(tmp_path, -32768, -32768))
    assert not notes(record)
    assert not np.isnan(record.signal).any()


@pytest.mark.parametrize("limit", [0.4, 0.7])
def test_a_converter_at_its_limit_gives_no_codes(limit: float, tmp_path: Path) -> None:
    signal = np.clip(ecg(), -limit, limit)
    record = read_record(write(tmp_path, "npz", signal))
    assert not notes(record)
    np.testing.assert_array_equal(record.signal, signal.astype(np.float32))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(3000),
        np.where(np.arange(3000) % 50 == 0, 1e9, 0.0),  # a flag
        np.where(np.arange(3000) < 1500, 0.0, 5.0),
        np.full(3000, np.nan),
        np.arange(3000.0),
        np.full(3000, -9999.0),
        np.where(np.arange(3000) == 7, np.inf, np.sin(np.arange(3000))),
    ],
)
def test_what_has_no_codes(values: np.ndarray) -> None:
    table = values[:, np.newaxis]
    assert find_codes(lambda a, b: table[a:b], len(table), 1, FS) == [[]]
    counts = np.nan_to_num(table, posinf=0).astype(np.int64)
    assert find_codes(lambda a, b: counts[a:b], len(table), 1, FS) == [[]]


def test_codes_far_apart_are_found_whatever_is_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal = ecg()
    signal[[11, 4000, 9990], 0] = 7.5
    found = find_codes(lambda a, b: signal[a:b], len(signal), 2, FS)
    assert [(code.value, code.samples) for code in found[0]] == [(7.5, 3)]
    for step in (1000, 997, 12):
        monkeypatch.setattr("ecgfast.records.missing_codes._AT_ONCE", step)
        assert find_codes(lambda a, b: signal[a:b], len(signal), 2, FS) == found


def test_arrays_carry_a_warning_that_names_the_value() -> None:
    signal, places = with_code(-9999)
    gone = signal.copy()
    gone[places, 0] = np.nan
    expected = detect_qrs(gone, FS)
    said = "lead ECG1: the value -9999, of 200 samples"
    with pytest.warns(MissingValuesWarning, match=said):
        assert detect_qrs(signal, FS).tolist() == expected.tolist()
    record = Record(signal, FS)
    for source in (signal, record):
        with pytest.warns(MissingValuesWarning, match=said):
            beats = list(stream_classify(source, None if source is record else FS, model="none"))
        assert [beat.sample for beat in beats] == expected.tolist()
    with pytest.warns(MissingValuesWarning, match=said):
        assert make_report(record, model="none").analysis.sample.tolist() == expected.tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error", MissingValuesWarning)
        detect_qrs(gone, FS)
        detect_qrs(demo_record())
    assert signal[places[0], 0] == -9999  # the caller's array stays as it is


def test_beats_of_a_recording_with_codes_are_those_without(tmp_path: Path) -> None:
    signal, _ = with_code(-9999)
    found = detect_qrs(read_record(write(tmp_path, "csv", signal)))
    clean = detect_qrs(ecg(), FS)
    assert np.abs(found - clean).max() <= 1


def chunks(signal: np.ndarray, step: int) -> Iterator[np.ndarray]:
    for begin in range(0, len(signal), step):
        yield signal[begin : begin + step]


@pytest.mark.parametrize(
    ("step", "code"), [(1, -9999), (7, -32768), (250, 1e9), (5000, -1e20), (5000, -9999)]
)
def test_live_codes_are_missing_and_said(
    step: int, code: float, caplog: pytest.LogCaptureFixture
) -> None:
    signal, places = with_code(code, run=500)
    gone = signal.copy()
    gone[places, 0] = np.nan
    expected = list(stream_classify(chunks(gone, 100), FS, model="none"))
    assert not caplog.records
    beats = list(stream_classify(chunks(signal, step), FS, model="none"))
    assert [repr(beat) for beat in beats] == [repr(beat) for beat in expected]
    first, last = (record.getMessage() for record in caplog.records)
    assert first == (
        f"the source: the value {code:.7g} lies far from all others and is taken for missing"
    )
    assert last == f"the source: the value {code:.7g} was taken for missing at 700 samples"


def test_a_live_lead_may_have_codes_beside_missing_samples(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signal, places = with_code(-9999)
    signal[places + 1, 0] = np.nan
    gone = signal.copy()
    gone[places, 0] = np.nan
    beats = list(stream_classify(chunks(signal, 25), FS, model="none"))
    assert [repr(b) for b in beats] == [
        repr(b) for b in stream_classify(chunks(gone, 25), FS, model="none")
    ]
    count = int((signal == -9999).sum())
    assert f"-9999 was taken for missing at {count} samples" in caplog.text


def test_single_live_samples_and_a_start_without_any(caplog: pytest.LogCaptureFixture) -> None:
    signal = ecg()[:, 0]
    signal[:1000] = -9999
    gone = np.where(signal == -9999, np.nan, signal)
    for samples in (signal.tolist(), signal.astype(np.float32)):
        caplog.clear()
        beats = list(stream_classify(iter(samples), FS, model="none"))
        clean = list(stream_classify(iter(gone.astype(np.float32)), FS, model="none"))
        assert [beat.sample for beat in beats] == [beat.sample for beat in clean]
        assert not any(beat.quality & Quality.SATURATED for beat in beats)
        assert "-9999 was taken for missing at 1,000 samples" in caplog.text


@pytest.mark.parametrize("offset", [0, 500, 9990, 99990])
def test_live_counts_that_pass_through_such_values_stay(
    offset: int, caplog: pytest.LogCaptureFixture
) -> None:
    counts = np.round(ecg()[:, 0] * 400 + offset).astype(np.int32)
    counts[2000:2100] = 999 if offset == 500 else offset + 9
    arrived = list(stream_classify(chunks(counts, 25), FS, model="none"))
    whole = list(stream_classify(counts, FS, model="none"))
    assert [repr(beat) for beat in arrived] == [repr(beat) for beat in whole]
    assert not caplog.records


def test_recordings_of_databases_have_no_codes(data_root: Path) -> None:
    """But for one strip, whose authors wrote the largest 16-bit number."""
    found = []
    for database in ("mitdb", "svdb", "nstdb", "qtdb", "ludb", "nsrdb", "cinc2017", "bp"):
        for path in sorted((data_root / database).rglob("*.hea"))[::7]:
            opened = open_file(path.with_suffix(""), fs=None, follow=False)
            for i, column in enumerate(opened.columns):
                read = partial(column_of, opened, i)
                if find_codes(read, column.n_samples, 1, column.fs or FS) != [[]]:
                    found.append((path.stem, column.name))
    for path in sorted((data_root / "cpsc2019").glob("data*.mat")):
        record = read_record(path, fs=500.0)
        if notes(record):
            found.append((path.stem, "ecg"))
    strip = [("data_00098", "ecg")]
    assert found == strip * (data_root / "cpsc2019" / "data_00098.mat").exists()


def column_of(opened: Opened, column: int, start: int, stop: int) -> np.ndarray:
    return np.asarray(opened.read(start, stop, [column]))
