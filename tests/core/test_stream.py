"""Streams of beats and R peaks: any chunking, when beats are known, many threads."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_ecgs import synthetic_ecg
from streams import FS, METHODS, bits, noisy_signal, peaks, take, whole

from ecgfast import BeatBatch, BeatStream, InputError, QRSDetector, detect_qrs, read_record
from ecgfast.core import FEATURE_NAMES
from ecgfast.window import WindowSpec

# ---------------------------------------------------------------- chunking


cases = pytest.mark.parametrize(
    ("method", "lookahead", "n_leads"), [(m, a, n) for m in METHODS for a in (0, 1) for n in (1, 2)]
)
random_cuts = st.lists(st.integers(0, 24 * int(FS)), max_size=40).map(sorted)


@cases
@given(cuts=random_cuts)
@settings(max_examples=15, deadline=None)
def test_beats_are_the_same_bits_for_any_chunking(method, lookahead, n_leads, cuts) -> None:
    expected, n = whole(method, lookahead, n_leads)
    assert n > 20
    stream = BeatStream(FS, n_leads=n_leads, method=method, lookahead=lookahead)
    assert bits(take(stream, np.split(noisy_signal(n_leads), cuts))) == expected


@cases
def test_beats_are_the_same_bits_one_sample_at_a_time(method, lookahead, n_leads) -> None:
    expected, _ = whole(method, lookahead, n_leads)
    stream = BeatStream(FS, n_leads=n_leads, method=method, lookahead=lookahead)
    signal = noisy_signal(n_leads)
    batches = []
    for i in range(len(signal)):
        batch = stream.process(signal[i : i + 1])
        # Each beat comes out at the very sample at which it was complete.
        assert (batch.known_at == i + 1).all()
        batches.append(batch)
    assert stream.count == len(signal)
    batch = BeatBatch.concatenate([*batches, stream.flush()])
    assert bits(batch) == expected


@pytest.mark.parametrize("history", [1, 8])
@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("method", METHODS)
@given(cuts=random_cuts, at=st.integers(0, 40))
@settings(max_examples=8, deadline=None)
def test_several_leads_are_cut_at_once_as_each_is_alone(
    method, lookahead, history, cuts, at
) -> None:
    signal = noisy_signal(3)
    options = {"n_leads": 3, "method": method, "lookahead": lookahead}
    options["window"] = WindowSpec(125.0, 44, 28, "beat", history)
    alone = [
        bits(take(BeatStream(FS, lead=lead, **options), np.split(signal, cuts))) for lead in (1, 2)
    ]
    stream = BeatStream(FS, lead=1, n_windows=2, **options)
    batches = []
    for i, piece in enumerate(np.split(signal, cuts)):
        batches.append(stream.process(piece))
        if i == at:
            stream = pickle.loads(pickle.dumps(stream))
    parted = BeatBatch.concatenate([*batches, stream.flush()]).by_lead(2)
    assert len(parted[0]) > 20
    assert [bits(one) for one in parted] == alone


@pytest.mark.parametrize(
    ("n_windows", "kind", "why"),
    [(0, "beat", "at least 1"), (3, "beat", "n_windows=3"), (2, "cycle", "n_windows=2")],
)
def test_windows_of_leads_that_are_not_there_are_refused(n_windows, kind, why) -> None:
    window = WindowSpec(125.0, 0 if kind == "cycle" else 44, 28, kind)
    with pytest.raises(InputError, match=why):
        BeatStream(FS, n_leads=2, n_windows=n_windows, window=window)
    with pytest.raises(InputError, match="n_windows=2"):
        BeatStream(FS, n_leads=2, lead=1, n_windows=2)


@pytest.mark.parametrize("n_leads", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@given(cuts=random_cuts)
@settings(max_examples=15, deadline=None)
def test_r_peaks_are_the_same_for_any_chunking(method, n_leads, cuts) -> None:
    signal = noisy_signal(n_leads)
    detector = QRSDetector(FS, method=method, n_leads=n_leads)
    got = peaks(detector, np.split(signal, cuts))
    one_call = detect_qrs(signal, FS, method=method)
    assert got.dtype == one_call.dtype == np.int64
    assert got.tolist() == one_call.tolist()


@pytest.mark.parametrize("fs", [100.0, 128.0, 360.0, 499.31, 2000.0])
@pytest.mark.parametrize("method", METHODS)
def test_one_sample_at_a_time_at_every_rate(method: str, fs: float) -> None:
    signal = noisy_signal(1, fs)
    expected = detect_qrs(signal, fs, method=method)
    detector = QRSDetector(fs, method=method)
    got = peaks(detector, (signal[i : i + 1] for i in range(len(signal))))
    assert got.tolist() == expected.tolist()
    assert len(got) > 20


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["excerpts/mitdb/208", "excerpts/svdb/881", "mitdb/203"])
def test_chunking_of_a_recording(name: str, method: str, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[: round(240 * record.fs), 0]
    cuts = np.sort(np.random.default_rng(1).integers(0, len(signal), 400))
    batches = [
        take(BeatStream(record.fs, method=method, lookahead=1), pieces)
        for pieces in ([signal], np.split(signal, cuts))
    ]
    assert bits(batches[0]) == bits(batches[1])
    assert len(batches[0]) > len(signal) / record.fs * 0.6
    assert batches[0].sample.tolist() == detect_qrs(signal, record.fs, method=method).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_the_stream_finds_the_peaks_of_the_detector(method: str) -> None:
    for fs in (100.0, 360.0, 499.31):
        signal = noisy_signal(1, fs)
        beats = take(BeatStream(fs, method=method), [signal])
        assert beats.sample.tolist() == detect_qrs(signal, fs, method=method).tolist()
        assert np.isnan(beats.rr[0])
        assert beats.rr[1:] == pytest.approx(np.diff(beats.sample) / fs, rel=1e-12)


def test_an_empty_chunk_changes_nothing() -> None:
    signal = noisy_signal()
    stream = BeatStream(FS)
    for empty in (np.empty(0, np.float32), np.empty((0, 1)), []):
        assert len(stream.process(empty)) == 0
    assert stream.count == 0
    batch = take(stream, [signal[:3000], [], signal[3000:]])
    assert bits(batch) == whole("neural", 0, 1)[0]
    empty = BeatStream(FS).process([])
    assert empty.windows.shape == (0, 72, 2)
    assert empty.features.shape == (0, len(FEATURE_NAMES))
    two = QRSDetector(FS, n_leads=2)
    assert two.process(np.empty((0, 2), np.float32)).shape == (0,)


@pytest.mark.parametrize("method", METHODS)
def test_streams_without_beats_end_well(method: str) -> None:
    for n in (0, 1, 2, 100):
        stream = BeatStream(FS, method=method, lookahead=1)
        assert len(take(stream, [np.zeros(n, np.float32)])) == 0
        if n < 2:  # no signal at all is a mistake of the caller
            with pytest.raises(InputError, match=f"holds {n} sample"):
                detect_qrs(np.full(n, np.nan), FS, method=method)
        else:
            assert len(detect_qrs(np.full(n, np.nan), FS, method=method)) == 0
    assert len(detect_qrs(np.zeros(5000), FS, method=method)) == 0


# ---------------------------------------------------------------- when beats are known


@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("fs", [100.0, 360.0, 499.31, 2000.0])
@pytest.mark.parametrize("method", METHODS)
def test_beats_are_known_after_their_window_and_within_the_delay(method, fs, lookahead) -> None:
    record = synthetic_ecg(30, fs, ventricular=0.1, muscle=0.05, seed=5)
    stream = BeatStream(fs, method=method, lookahead=lookahead)
    batch = stream.process(record.signal[:, 0])
    late = batch.known_at - batch.sample
    # The last grid point of a window lies 27 / 125 s after R, its kernel 32 ms further.
    assert late.min() >= int((27 / 125 + 0.032) * fs)
    settled = batch.sample > 5 * fs
    assert late[settled].max() <= stream.delay
    if lookahead:
        following = np.minimum(batch.sample[1:], batch.sample[:-1] + np.ceil(3 * fs))
        assert (batch.known_at[:-1] >= following).all()
    assert (np.diff(batch.known_at) >= 0).all()
    assert (np.diff(batch.sample) > 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("max_delay", [None, 0.35, 0.6, 1.0])
def test_detectors_report_within_their_delay(method: str, max_delay: float | None) -> None:
    record = synthetic_ecg(40, 360.0, ventricular=0.15, wander=0.2, muscle=0.1, seed=6)
    detector = QRSDetector(360.0, method=method, max_delay=max_delay)
    late = []
    for i in range(record.n_samples):
        for r in detector.process(record.signal[i : i + 1, 0]):
            late.append((int(r), i + 1 - int(r)))
    if max_delay is not None:
        # Some methods wait for so long from their own mark; R may lie before that.
        slack = {"adaptive": 0.06, "neural": 0.12}.get(method, 0.0)
        assert detector.delay <= np.ceil((max_delay + slack) * 360)
    assert len(late) > 30
    assert max(wait for r, wait in late if r > 5 * 360) <= detector.delay


# ---------------------------------------------------------------- threads


def test_streams_in_threads_give_the_results_of_one() -> None:
    signal = noisy_signal(2)

    def work(i: int) -> tuple[bytes, ...]:
        stream = BeatStream(FS, n_leads=2, method=METHODS[i % len(METHODS)], lookahead=1)
        return bits(take(stream, np.array_split(signal, 5 + i)))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(16)))
    for i, got in enumerate(results):
        assert got == whole(METHODS[i % len(METHODS)], 1, 2)[0]


@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
def test_other_threads_run_while_samples_are_processed(make) -> None:
    signal = np.tile(np.nan_to_num(noisy_signal()[:, 0], posinf=0), 150)
    stream = make(FS)
    started, ended = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        stream.process(signal)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    turns = 0
    while not ended.is_set():
        turns += 1
    thread.join()
    # With the lock held all along there would be a handful of turns before and after.
    assert turns > 10_000
