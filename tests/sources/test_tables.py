"""Signals as notebooks hold them: tables with named columns, tensors, lists of leads."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ecgfast import (
    BeatStream,
    QRSDetector,
    Record,
    RhythmStream,
    StreamingClassifier,
    classify_record,
    detect_qrs,
    events,
    stream_classify,
)
from ecgfast.errors import InputError, ModelError
from ecgfast.records import demo_record, open_record, read_record
from ecgfast.runtime import Classifier

FS = 360.0


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    return demo_record().signal[:7200]


def everywhere(source: Any, leads: Any = None) -> list[list[int]]:
    return [
        detect_qrs(source, FS, leads=leads).tolist(),
        [beat.sample for beat in stream_classify(source, FS, leads=leads, model="none")],
    ]


def tables(signal: np.ndarray, names: list[str], clock: Any = None) -> dict[str, Any]:
    """The leads as tables of three libraries, behind a clock if there is one."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    columns = {"time": clock} if clock is not None else {}
    columns |= {name: signal[:, i] for i, name in enumerate(names)}
    return {
        "pandas": pandas.DataFrame(columns),
        "polars": polars.DataFrame(columns),
        "pyarrow": arrow.table(columns),
    }


def test_leads_of_tables_have_their_names(ecg: np.ndarray) -> None:
    both, second = detect_qrs(ecg, FS).tolist(), detect_qrs(ecg, FS, leads=[1]).tolist()
    assert len(both) > 20
    for name, table in tables(ecg, ["MLII", "V1"]).items():
        assert everywhere(table) == [both] * 2, name
        for leads in ("V1", ["v1"], 1):
            assert everywhere(table, leads) == [second] * 2, name
        assert Record(table, FS).leads == ("MLII", "V1"), name
        assert Record(table, FS, ("a", "b")).leads == ("a", "b"), name
        with pytest.raises(InputError, match="no lead 'V6'; there are 'MLII', 'V1'"):
            detect_qrs(table, FS, leads="V6")


@pytest.mark.parametrize("dates", [False, True])
def test_a_clock_or_a_sensor_of_a_table_is_no_lead(ecg: np.ndarray, dates: bool) -> None:
    expected = detect_qrs(ecg, FS).tolist()
    seconds = np.arange(len(ecg)) / FS
    clock = [datetime(2026, 1, 1) + timedelta(seconds=s) for s in seconds] if dates else seconds
    for name, table in tables(ecg, ["MLII", "V1"], clock).items():
        for call in (detect_qrs, stream_classify, events):
            with pytest.raises(InputError, match=r"'time' is a clock.*leads=\['MLII', 'V1'\]"):
                call(table, FS)
        assert everywhere(table, ["MLII", "V1"]) == [expected] * 2, name
        with pytest.raises(InputError, match=r"'time' is a clock|'time' holds|real numbers"):
            detect_qrs(Record(table, FS))
    for table in tables(np.column_stack([ecg, ecg[:, 0]]), ["MLII", "V1", "acc_x"]).values():
        with pytest.raises(InputError, match=r"'acc_x' is .*leads=\['MLII', 'V1'\]"):
            detect_qrs(table, FS)
        with pytest.raises(InputError, match=r"'acc_x' is .*leads=\['MLII', 'V1'\]"):
            detect_qrs(Record(table, FS))
        assert detect_qrs(Record(table, FS), leads=[0, 1]).tolist() == expected


@pytest.mark.parametrize("dtype", ["Float32", "Float64", "float32[pyarrow]"])
def test_types_that_pandas_adds(ecg: np.ndarray, dtype: str) -> None:
    table = tables(ecg, ["MLII", "V1"])["pandas"].astype(dtype)
    table.iloc[40:43, 0] = None
    missing = ecg.copy()
    missing[40:43, 0] = np.nan
    np.testing.assert_array_equal(Record(table, FS).signal, missing)
    assert everywhere(table) == everywhere(missing)
    assert len(QRSDetector(FS, n_leads=2).process(table)) > 20


def test_columns_that_hold_no_numbers_are_named(ecg: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"MLII": ecg[:, 0], "other": ["N"] * len(ecg)})
    for call in (lambda x: Record(x, FS), QRSDetector(FS, n_leads=2).process):
        with pytest.raises(InputError, match=r"'other' holds (str|object): pick the leads"):
            call(table)


def test_times_that_single_precision_would_lose_are_a_clock(ecg: np.ndarray) -> None:
    epoch = 1.78e9 + np.arange(len(ecg)) / FS
    table = np.column_stack([epoch, ecg])
    for call in (detect_qrs, stream_classify, events):
        with pytest.raises(InputError, match="column 0 of the signal rises steadily"):
            call(table, FS)
    with pytest.raises(InputError, match=r"column 0 .*subtract the offset first, and leave out"):
        Record(table, FS)


def test_an_offset_that_leaves_nothing_of_the_ecg_is_refused(ecg: np.ndarray) -> None:
    expected = detect_qrs(ecg, FS)
    far = ecg.astype(np.float64) + 1e7
    for call in (lambda x: detect_qrs(x, FS), lambda x: Record(x, FS)):
        with pytest.raises(InputError, match=r"column 0 .* float32 .*subtract the offset"):
            call(far)
    assert np.abs(detect_qrs(far - 1e7, FS) - expected).max() <= 1
    assert np.abs(detect_qrs(ecg.astype(np.float64) + 100, FS) - expected).max() <= 1
    assert np.isnan(Record(np.full((9, 1), np.nan), FS).signal).all()


class _Tensor:
    """A tensor that cannot be read, as PyTorch's on a GPU or with a gradient."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 9

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError, TypeError])
def test_a_tensor_that_cannot_be_read_says_why(error: type[Exception]) -> None:
    tensor = _Tensor(error("can't convert cuda:0 device type tensor"))
    labeller = StreamingClassifier(Classifier("none"), FS)
    for call in (lambda x: detect_qrs(x, FS), lambda x: Record(x, FS), labeller.process):
        with pytest.raises(InputError, match=r"cuda:0 device.*detach\(\)\.cpu\(\)\.numpy\(\)"):
            call(tensor)


def test_a_list_of_leads_is_not_read_as_one_lead(ecg: np.ndarray) -> None:
    for leads in ([ecg[:, 0], ecg[:, 1]], (ecg[:, 0].copy(), ecg[:, 1].copy())):
        for call in (detect_qrs, stream_classify, events):
            with pytest.raises(InputError, match=r"2 leads, or chunks .*column_stack.*concatenate"):
                call(leads, FS)
    # Chunks as devices send them, and a last one that is shorter.
    for size in (36, 5000):
        parts = [ecg[i : i + size, 0] for i in range(0, len(ecg), size)]
        assert detect_qrs(parts, FS).tolist() == detect_qrs(ecg[:, 0], FS).tolist()


def test_what_is_no_signal_says_what_to_pass(ecg: np.ndarray) -> None:
    polars = pytest.importorskip("polars")

    class Foreign:
        p_signal, fs = ecg, 360

    for source, text in (
        ({"MLII": ecg[:, 0]}, "column_stack"),
        ({1.0, 2.0}, "cannot read samples from set"),
        (Foreign(), r"pass its p_signal, with fs=record\.fs"),
        (polars.DataFrame(ecg).lazy(), r"call its collect\(\) first"),
        ([0.1, None, 0.2], "item 1 is None: convert it to float, NaN"),
        (["0.1", "0.2"], r"item 0 is '0\.1': convert it to float"),
    ):
        for call in (detect_qrs, stream_classify):
            with pytest.raises(InputError, match=text):
                call(source, FS)
    with pytest.raises(InputError, match=r"pass np\.array\(list\(samples\)\)"):
        Record(iter(ecg), FS)


def test_leads_are_names_or_columns_and_no_mask(ecg: np.ndarray) -> None:
    record = Record(ecg, FS, ("MLII", "V1"))
    second = detect_qrs(ecg, FS, leads=[1]).tolist()
    for source in (ecg, record):
        for leads in (np.int64(1), np.array([1]), [np.int32(1)]):
            assert everywhere(source, leads)[0] == second
        for mask in ([True, False], np.array([False, True]), True):
            with pytest.raises(InputError, match=r"a lead is (True|False): .*np\.flatnonzero"):
                detect_qrs(source, FS, leads=mask)
        for wrong in (1.0, slice(0, 1)):
            with pytest.raises(InputError, match="give the name or the column of a lead"):
                detect_qrs(source, FS, leads=wrong)
        with pytest.raises(InputError, match="no lead None"):
            detect_qrs(source, FS, leads=[None])


def test_queues_and_asynchronous_sources_say_how_they_are_read(ecg: np.ndarray) -> None:
    async def chunks() -> AsyncIterator[np.ndarray]:
        yield ecg

    for source, says in (
        (chunks(), "`async for` takes to StreamingClassifier"),
        (asyncio.Queue(), r"await queue.get\(\)` takes to StreamingClassifier"),
        (queue.Queue(), r"each chunk that queue.get\(\) returns to StreamingClassifier"),
    ):
        for call in (detect_qrs, stream_classify, lambda x, fs: BeatStream(fs).process(x)):
            with pytest.raises(InputError, match=says):
                call(source, FS)


def test_what_is_no_model_is_refused(ecg: np.ndarray) -> None:
    for model in (None, 3, b"beats"):
        with pytest.raises(ModelError, match=r"model is of .*give a model's name"):
            stream_classify(ecg, FS, model=model)


def test_rhythm_is_found_of_beats_alone(ecg: np.ndarray) -> None:
    peaks = detect_qrs(ecg, FS)
    batches = BeatStream(FS, n_leads=2).process(ecg)
    for wrong in (peaks, batches, None, "beats", Record(ecg, FS)):
        with pytest.raises(InputError, match="give a list of Beat, such as"):
            RhythmStream(FS).process(wrong)


@pytest.mark.parametrize("kind", ["dates", "seconds"])
def test_rows_out_of_order_or_with_gaps_are_said(ecg: np.ndarray, kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    times = np.arange(len(ecg)) / FS
    index = pandas.Timestamp("2024-12-31 23:59") + pandas.to_timedelta(times, unit="s")
    table = pandas.Series(ecg[:, 0], index=index if kind == "dates" else times)
    expected = detect_qrs(ecg[:, 0], FS)
    assert np.array_equal(detect_qrs(table, FS), expected)
    assert np.array_equal(detect_qrs(table[::-1].sort_index(), FS), expected)
    for wrong in (table[::-1], table.sample(frac=1.0, random_state=0)):
        with pytest.raises(InputError, match=r"times of the rows go back after row .*sort_index"):
            detect_qrs(wrong, FS)
    holes = pandas.concat([table.iloc[:1000], table.iloc[1720:]])
    with pytest.raises(InputError, match=r"leap by 2 s after row 999: add rows of NaN"):
        detect_qrs(holes, FS)
    assert len(detect_qrs(holes.to_numpy(), FS))
    late = table.set_axis(np.where(np.arange(len(table)) < 500, times, times + 0.2))  # a packet
    assert np.array_equal(detect_qrs(late, FS), expected)


@pytest.mark.parametrize("kind", ["dates", "zones", "lengths", "seconds", "xarray"])
def test_times_of_rows_that_contradict_the_rate_are_said(ecg: np.ndarray, kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    lead = ecg[:, 0]
    seconds = np.arange(len(lead)) / 250

    class Coordinates(dict[str, Any]):
        """As those of xarray."""

    class Labelled:
        """An array with times, as xarray's."""

        def __init__(self) -> None:
            time = type("Time", (), {"values": seconds})()
            self.coords = Coordinates(time=time)

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.asarray(lead, dtype)

    index = {
        "dates": lambda: pandas.date_range("2024-01-01", periods=len(lead), freq="4ms"),
        "zones": lambda: pandas.date_range("2024-01-01", periods=len(lead), freq="4ms", tz="UTC"),
        "lengths": lambda: pandas.to_timedelta(seconds, unit="s"),
        "seconds": lambda: seconds,
    }
    made = Labelled() if kind == "xarray" else pandas.Series(lead, index=index[kind]())
    with pytest.raises(InputError, match="those of 250 Hz: give fs=250"):
        detect_qrs(made, 360)
    with pytest.raises(InputError, match="those of 250 Hz: give fs=250"):
        next(iter(stream_classify(made, 360, model="none")))
    np.testing.assert_array_equal(detect_qrs(made, 250), detect_qrs(lead, 250))


def test_numbers_of_rows_that_may_be_no_seconds_state_no_rate(ecg: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas")
    lead = ecg[:, 0]
    for index in (range(len(lead)), np.arange(len(lead)) * 4.0, [*range(len(lead) - 1), None]):
        table = pandas.Series(lead, index=index)
        np.testing.assert_array_equal(detect_qrs(table, 360), detect_qrs(lead, 360))


def test_objects_of_other_libraries_say_what_to_pass(ecg: np.ndarray) -> None:
    class Raw:
        """As of mne."""

        def __init__(self) -> None:
            self.info = {"sfreq": 360.0}

        def get_data(self) -> np.ndarray:
            return ecg.T

        def __len__(self) -> int:
            return len(ecg)

        def __getitem__(self, item: Any) -> Any:
            return ecg.T, None

    class Tensor:
        """Of a library whose tensors NumPy reads by DLPack alone."""

        def __dlpack__(self, **given: Any) -> Any:
            return ecg.__dlpack__(**given)

    fields = np.zeros(5000, [("I", "f4"), ("II", "f4")])
    for made, expected in (
        (Raw(), r"pass 1e3 \* raw\.get_data\(\)\.T"),
        (Tensor(), r"pass np\.from_dlpack\(x\)"),
        (fields, r"its fields, such as array\['I'\], or np\.column_stack"),
        (fields[["II"]], r"its fields, such as array\['II'\]$"),
    ):
        with pytest.raises(InputError, match=expected):
            detect_qrs(made, 360)
        with pytest.raises(InputError, match=expected):
            next(iter(stream_classify(made, 360, model="none")))


def test_functions_of_files_refuse_samples(ecg: np.ndarray) -> None:
    for read in (read_record, open_record):
        with pytest.raises(InputError, match=r"got ndarray: .* a Record\(signal, fs=\.\.\.\)"):
            read(ecg)  # type: ignore[arg-type]
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match=r"got ndarray: .* go to stream_classify"):
        classify_record(ecg)  # type: ignore[arg-type]
