"""What the items of an iterable are, decided from the first of them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from thorough import thorough_cases

from ecgfast import (
    BeatBatch,
    BeatStream,
    InputError,
    NoBeatsWarning,
    QRSDetector,
    Record,
    detect_qrs,
    stream_beats,
)
from ecgfast.records import demo_record, synthetic_ecg
from ecgfast.sources import open_source

FS = 360.0


@pytest.fixture(scope="module")
def ecg() -> Record:
    """Half a minute of two leads."""
    whole = demo_record()
    return Record(whole.signal[: 30 * 360].copy(), whole.fs, whole.leads)


def together(source: Any, fs: float = FS, **more: Any) -> np.ndarray:
    """All samples of a source, shape (n, n_leads)."""
    opened = open_source(source, fs, **more)
    rows = [np.reshape(chunk, (-1, len(opened.leads))) for chunk in opened.chunks]
    return np.concatenate(rows).astype(np.float32)


# ------------------------------------------------------------------ distinguished


@pytest.mark.parametrize("kind", [np.asarray, list, tuple])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 16, 36])
def test_chunks_of_one_lead(ecg: Record, kind: Callable[[Any], Any], size: int) -> None:
    lead = ecg.signal[:, 0]
    chunks = (kind(lead[i : i + size]) for i in range(0, len(lead), size))
    np.testing.assert_array_equal(together(chunks)[:, 0], lead)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [np.asarray, list, tuple])
def test_samples_of_several_leads(ecg: Record, kind: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(together(kind(row) for row in ecg.signal), ecg.signal)
    twelve = np.concatenate([ecg.signal * gain for gain in (1, -0.5, 2, 0.3, 0.7, 1.5)], axis=1)
    np.testing.assert_array_equal(together(kind(row) for row in twelve), twelve)
    chosen = together((kind(row) for row in ecg.signal), leads=[1])
    np.testing.assert_array_equal(chosen, ecg.signal[:, 1:])


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("fs", [100.0, 250.0, 1000.0])
def test_at_any_rate_and_with_noise(fs: float, noise: float) -> None:
    rng = np.random.default_rng(7)
    ecg = synthetic_ecg(20.0, fs, seed=3).signal
    ecg = ecg + noise * rng.standard_normal(ecg.shape).astype(np.float32)
    # The second lead of another offset, as electrodes have them.
    ecg = (ecg + np.array([0.0, 0.4])).astype(np.float32)
    np.testing.assert_array_equal(together((list(row) for row in ecg), fs), ecg)
    for size in (4, 8):
        cut = len(ecg) // size * size
        chunks = (list(part) for part in ecg[:cut, 0].reshape(-1, size))
        np.testing.assert_array_equal(together(chunks, fs)[:, 0], ecg[:cut, 0])


@pytest.mark.parametrize(("fs", "mains", "size"), [(500.0, 50, 10), (250.0, 50, 5), (360.0, 60, 6)])
def test_hum_that_repeats_in_each_chunk_makes_no_leads(fs: float, mains: int, size: int) -> None:
    lead = synthetic_ecg(12.0, fs, seed=3).signal[:, 0].astype(float)
    hum = np.sin(2 * np.pi * mains * np.arange(len(lead)) / fs)
    weak, strong = (
        (list(part) for part in (lead + size_mv * hum).reshape(-1, size)) for size_mv in (0.02, 3.0)
    )
    assert together(weak, fs).shape == (len(lead), 1)
    with pytest.raises(InputError, match=f"may be {size} samples of one lead or one sample of"):
        open_source(strong, fs)


def test_columns_of_chunks(ecg: Record) -> None:
    for size in (1, 2, 7, 100):
        chunks = (ecg.signal[i : i + size] for i in range(0, len(ecg.signal), size))
        np.testing.assert_array_equal(together(chunks), ecg.signal)
    twelve = np.concatenate([ecg.signal * gain for gain in (1, -0.5, 2, 0.3, 0.7, 1.5)], axis=1)
    pairs = (twelve[i : i + 2] for i in range(0, len(twelve), 2))
    np.testing.assert_array_equal(together(pairs), twelve)


def test_transposed_chunks_are_refused(ecg: Record) -> None:
    for size in (5, 36, 500):
        chunks = (ecg.signal[i : i + size].T for i in range(0, len(ecg.signal), size))
        with pytest.raises(InputError, match=r"looks transposed; .* yield chunk\.T"):
            open_source(chunks, FS)


def test_what_cannot_be_told_apart_is_refused_with_an_example(ecg: Record) -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((4000, 2))
    held = np.repeat(ecg.signal[:, 0], 2).reshape(-1, 2)  # one lead, each sample twice; or two
    for table in (noise, held):
        with pytest.raises(
            InputError, match=r"2 samples of one lead or one sample of 2 leads"
        ) as e:
            open_source((list(row) for row in table), FS)
        assert "np.reshape(item, (-1, 1))" in str(e.value)
        # As the example says.
        one = together(np.reshape(row, (-1, 1)) for row in table)
        assert one.shape == (2 * len(table), 1)
        two = together(np.reshape(row, (1, -1)) for row in table)
        assert two.shape == (len(table), 2)
        # Leads that were named say it too.
        np.testing.assert_array_equal(
            together((row for row in table), leads=(0, 1)), table.astype(np.float32)
        )


def test_a_quiet_start_is_waited_for_and_then_is_chunks() -> None:
    flat = np.zeros((4000, 2))
    assert together(list(row) for row in flat).shape == (8000, 1)
    flat[100:] = synthetic_ecg(20.0, 360.0, seed=1).signal[:3900] + np.array([0.0, 0.5])
    assert together(list(row) for row in flat).shape == (4000, 2)


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([{"ecg": 1.0}], "an item of the source is {'ecg': 1.0}: samples must be real numbers"),
        (["0.1", "0.2"], "samples must be real numbers; yield single numbers"),
        ([None], "an item of the source is None"),
        ([1 + 2j], "samples must be real numbers"),
        ([[1.0, "a"]], "samples must be real numbers"),
    ],
)
def test_items_that_hold_no_samples(items: list[Any], told: str) -> None:
    with pytest.raises(InputError) as e:
        open_source(iter(items), FS)
    assert told in str(e.value)


# ------------------------------------------------------------------ times


def stamped(ecg: Record, unit: float, jitter: float = 0.0) -> Iterator[tuple[float, float]]:
    rng = np.random.default_rng(5)
    for i, value in enumerate(ecg.signal[:, 0]):
        yield (i / FS + jitter * rng.uniform(-0.3, 0.3) / FS) / unit + 1e3, float(value)


@pytest.mark.parametrize(
    ("unit", "jitter"),
    [
        *((1.0, 0.0), (1e-3, 1.0), (1e-6, 0.0), (1e-9, 1.0)),
        *thorough_cases((1.0, 1.0), (1e-3, 0.0), (1e-6, 1.0), (1e-9, 0.0)),
    ],
)
def test_times_beside_values(ecg: Record, unit: float, jitter: float) -> None:
    np.testing.assert_array_equal(together(stamped(ecg, unit, jitter)), ecg.signal[:, :1])
    np.testing.assert_array_equal(together(list(stamped(ecg, unit))), ecg.signal[:, :1])


def test_counters_and_times_of_several_leads(ecg: Record) -> None:
    np.testing.assert_array_equal(together(enumerate(ecg.signal[:, 0].tolist())), ecg.signal[:, :1])
    rows = ((i / FS, *row) for i, row in enumerate(ecg.signal))
    np.testing.assert_array_equal(together(rows), ecg.signal)


def test_gaps_of_times_are_missing_samples(ecg: Record) -> None:
    pairs = list(stamped(ecg, 1.0))
    lost = [*range(5000, 5001), *range(7000, 7900)]
    kept = [pair for i, pair in enumerate(pairs) if i not in set(lost)]
    found = together(iter(kept))
    expected = ecg.signal[:, :1].copy()
    expected[lost] = np.nan
    np.testing.assert_array_equal(found, expected)
    whole, cut = detect_qrs(ecg.signal[:, 0], FS), detect_qrs(iter(kept), FS)
    assert set(cut.tolist()) - set(whole.tolist()) <= set()
    with pytest.raises(InputError, match="leap by"):
        together(iter([*pairs[:2000], (1e9, 0.0)]))


def test_packets_share_a_stamp(ecg: Record) -> None:
    lead = ecg.signal[: 360 * 10, 0].reshape(-1, 18)
    pairs = [(i * 18 / FS, float(x)) for i, packet in enumerate(lead) for x in packet]
    np.testing.assert_array_equal(together(iter(pairs))[:, 0], lead.reshape(-1))
    del pairs[18 * 100 : 18 * 102]
    found = together(iter(pairs))[:, 0]
    assert len(found) == lead.size
    assert np.isnan(found).sum() == 36


def test_a_clock_that_contradicts_fs(ecg: Record, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ecgfast"):
        together(stamped(ecg, 1.0), 250.0)
    assert "the times of its items say 360 Hz, and fs=250 was given" in caplog.text
    with pytest.raises(InputError, match="like a clock, but at no unit of 360 Hz"):
        together((i * 0.05, 0.1 * (i % 7)) for i in range(1000))


def test_a_column_of_times_is_no_lead(ecg: Record) -> None:
    times = np.arange(len(ecg.signal)) / FS
    table = np.column_stack([times, ecg.signal])
    for read in (detect_qrs, open_source):
        with pytest.raises(InputError, match=r"column 0 .* pass signal\[:, 1:\]"):
            read(table, FS)
    expected = detect_qrs(ecg.signal, FS)
    np.testing.assert_array_equal(detect_qrs(iter(table), FS), expected)
    np.testing.assert_array_equal(detect_qrs(table.tolist(), FS), expected)


# ------------------------------------------------------------------ the same everywhere


@pytest.mark.thorough
def test_detection_understands_every_source(ecg: Record) -> None:
    expected = detect_qrs(ecg).tolist()
    lead = detect_qrs(ecg, leads="MLII").tolist()
    assert len(expected) > 30
    rows = [(i / FS, *row) for i, row in enumerate(ecg.signal.tolist())]
    sources: dict[str, tuple[Any, list[int]]] = {
        "array": (ecg.signal, expected),
        "rows": ((row for row in ecg.signal), expected),
        "chunks": ((ecg.signal[i : i + 9] for i in range(0, len(ecg.signal), 9)), expected),
        "times": (iter(rows), expected),
        "list of times": (rows, expected),
        "numbers": ((float(x) for x in ecg.signal[:, 0]), lead),
        "column": (ecg.signal[:, :1], lead),
        "lists": ((part.tolist() for part in np.split(ecg.signal[:, 0], 50)), lead),
    }
    for name, (source, peaks) in sources.items():
        again = source if isinstance(source, (list, np.ndarray)) else None
        first, second = itertools.tee(source) if again is None else (again, again)
        assert detect_qrs(first, FS).tolist() == peaks, name
        batch = BeatBatch.concatenate(stream_beats(second, FS))
        assert batch.sample.tolist() == peaks, name
    assert detect_qrs(ecg.signal, FS, leads=[0]).tolist() == lead
    with pytest.raises(InputError, match="no lead"):
        detect_qrs(ecg.signal, FS, leads=[2])


def test_a_stream_takes_records_and_iterables(ecg: Record) -> None:
    for kind in (QRSDetector, BeatStream):
        expected = kind(FS, n_leads=2).process(ecg.signal)
        lists = ecg.signal.tolist()
        for chunk in (ecg, lists, iter(lists), iter([ecg.signal[:9000], ecg.signal[9000:]])):
            found = kind(FS, n_leads=2).process(chunk)
            if kind is BeatStream:
                assert found.sample.tolist() == expected.sample.tolist()
            else:
                assert found.tolist() == expected.tolist()
        alone = Record(ecg.signal[:, 0], FS)
        numbers = (float(x) for x in ecg.signal[:, 0])
        assert len(kind(FS).process(alone)) == len(kind(FS).process(numbers)) > 30
        with pytest.raises(InputError, match=r"sampled at 360 Hz and the stream at 250 Hz: "):
            kind(250.0, n_leads=2).process(ecg)
        with pytest.raises(InputError, match=r"samples must have the shape \(n,\) or \(n, 1\)"):
            kind(FS).process(ecg)
        with pytest.raises(InputError, match=r"read_record\(path\)"):
            kind(FS).process("mitdb/208")
        with pytest.raises(InputError, match=r"look like \(time, value\) pairs"):
            kind(FS).process((i / FS, float(x)) for i, x in enumerate(ecg.signal[:, 0]))
        with pytest.raises(InputError, match="do not hold 2 leads each"):
            kind(FS, n_leads=2).process(iter([[1.0, 2.0, 3.0]]))


def test_no_beat_is_a_warning_that_says_what_to_check() -> None:
    for source in (np.full(9000, 0.5), iter(np.full(9000, 0.5).tolist())):
        with pytest.warns(NoBeatsWarning, match=r"fs=.*leads=.* ECG1 is flat \(always 0\.5\)"):
            assert not len(detect_qrs(source, FS))
    with pytest.warns(NoBeatsWarning, match="ECG1 has no samples"):
        detect_qrs(np.full(9000, np.nan), FS)
    with pytest.warns(NoBeatsWarning, match="has only 3 different values"):
        detect_qrs(np.tile([0.0, 1.0, 2.0], 3000), FS)
    with pytest.warns(NoBeatsWarning, match="ECG1 is flat"):
        assert not list(stream_beats(np.zeros(9000), FS))


@pytest.mark.parametrize("fs", [99.5, 100.0, 175.0, 333.0, 1990.0])
def test_no_beat_is_a_warning_at_any_rate(fs: float) -> None:
    # At 175 Hz the fastest heart that can be looked for was a rounding error too fast: an error.
    with pytest.warns(NoBeatsWarning, match="no beat was found"):
        detect_qrs(np.sin(0.3 * np.arange(int(9 * fs)) / fs), fs)
