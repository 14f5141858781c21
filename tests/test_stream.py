"""Streams of beats and R peaks: any chunking, any gain, bad signal, bad input, many threads."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfast import BeatBatch, BeatStream, InputError, QRSDetector, detect_qrs, read_record
from ecgfast.core import FEATURE_NAMES
from ecgfast.records import demo_record, synthetic_ecg
from ecgfast.streaming import Quality

METHODS = ("adaptive", "pan-tompkins")
FS = 250.0


@cache
def noisy_signal(leads: int = 1, fs: float = FS) -> np.ndarray:
    """Premature beats, noise, a gap, and a lead that comes off: float32 (n, leads)."""
    record = synthetic_ecg(
        24,
        fs,
        ventricular=0.12,
        wander=0.2,
        muscle=0.04,
        leads=("MLII", "V1", "V5")[:leads],
        seed=8,
    )
    signal = record.signal.copy()
    signal[int(9.3 * fs) : int(9.6 * fs)] = np.nan
    signal[int(15 * fs) : int(16.2 * fs), 0] = signal[int(15 * fs), 0]
    signal[int(19 * fs), 0] = np.inf
    signal.flags.writeable = False
    return signal


def take(stream: BeatStream, pieces, **more) -> BeatBatch:
    return BeatBatch.concatenate([*(stream.process(p, **more) for p in pieces), stream.flush()])


def bits(batch: BeatBatch) -> tuple[bytes, ...]:
    names = ("r_sample", "known_at", "rr", "windows", "features", "quality")
    return tuple(getattr(batch, name).tobytes() for name in names)


@cache
def whole(method: str, lookahead: int, leads: int) -> tuple[tuple[bytes, ...], int]:
    stream = BeatStream(FS, leads=leads, method=method, lookahead=lookahead)
    batch = take(stream, [noisy_signal(leads)])
    return bits(batch), len(batch)


def peaks(detector: QRSDetector, pieces) -> np.ndarray:
    return np.concatenate([*(detector.process(p) for p in pieces), detector.flush()])


# ---------------------------------------------------------------- chunking

cases = pytest.mark.parametrize(
    ("method", "lookahead", "leads"), [(m, a, n) for m in METHODS for a in (0, 1) for n in (1, 2)]
)
random_cuts = st.lists(st.integers(0, 24 * int(FS)), max_size=40).map(sorted)


@cases
@given(cuts=random_cuts)
@settings(max_examples=15, deadline=None)
def test_beats_are_the_same_bits_for_any_chunking(method, lookahead, leads, cuts) -> None:
    expected, n = whole(method, lookahead, leads)
    assert n > 20
    stream = BeatStream(FS, leads=leads, method=method, lookahead=lookahead)
    assert bits(take(stream, np.split(noisy_signal(leads), cuts))) == expected


@cases
def test_beats_are_the_same_bits_one_sample_at_a_time(method, lookahead, leads) -> None:
    expected, _ = whole(method, lookahead, leads)
    stream = BeatStream(FS, leads=leads, method=method, lookahead=lookahead)
    signal = noisy_signal(leads)
    batches = []
    for i in range(len(signal)):
        batch = stream.process(signal[i : i + 1])
        # Each beat comes out at the very sample at which it was complete.
        assert (batch.known_at == i + 1).all()
        batches.append(batch)
    assert stream.count == len(signal)
    batch = BeatBatch.concatenate([*batches, stream.flush()])
    assert bits(batch) == expected


@pytest.mark.parametrize("leads", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@given(cuts=random_cuts)
@settings(max_examples=15, deadline=None)
def test_r_peaks_are_the_same_for_any_chunking(method, leads, cuts) -> None:
    signal = noisy_signal(leads)
    detector = QRSDetector(FS, method=method, leads=leads)
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
@pytest.mark.parametrize("name", ["mitdb/208", "mitdb/203", "svdb/800"])
def test_chunking_of_a_recording(name: str, method: str, record_path) -> None:
    record = read_record(record_path(name))
    signal = record.signal[: round(240 * record.fs), 0]
    cuts = np.sort(np.random.default_rng(1).integers(0, len(signal), 400))
    batches = [
        take(BeatStream(record.fs, method=method, lookahead=1), pieces)
        for pieces in ([signal], np.split(signal, cuts))
    ]
    assert bits(batches[0]) == bits(batches[1])
    assert len(batches[0]) > 150
    assert batches[0].r_sample.tolist() == detect_qrs(signal, record.fs, method=method).tolist()


@pytest.mark.parametrize("method", METHODS)
def test_the_stream_finds_the_peaks_of_the_detector(method: str) -> None:
    for fs in (100.0, 360.0, 499.31):
        signal = noisy_signal(1, fs)
        beats = take(BeatStream(fs, method=method), [signal])
        assert beats.r_sample.tolist() == detect_qrs(signal, fs, method=method).tolist()
        assert np.isnan(beats.rr[0])
        assert beats.rr[1:] == pytest.approx(np.diff(beats.r_sample) / fs, rel=1e-12)


def test_an_empty_chunk_changes_nothing() -> None:
    signal = noisy_signal()
    stream = BeatStream(FS)
    for empty in (np.empty(0, np.float32), np.empty((0, 1)), []):
        assert len(stream.process(empty)) == 0
    assert stream.count == 0
    batch = take(stream, [signal[:3000], [], signal[3000:]])
    assert bits(batch) == whole("adaptive", 0, 1)[0]
    empty = BeatStream(FS).process([])
    assert empty.windows.shape == (0, 72, 2)
    assert empty.features.shape == (0, len(FEATURE_NAMES))
    two = QRSDetector(FS, leads=2)
    assert two.process(np.empty((0, 2), np.float32)).shape == (0,)


@pytest.mark.parametrize("method", METHODS)
def test_streams_without_beats_end_well(method: str) -> None:
    for n in (0, 1, 2, 100):
        stream = BeatStream(FS, method=method, lookahead=1)
        assert len(take(stream, [np.zeros(n, np.float32)])) == 0
        assert len(detect_qrs(np.full(n, np.nan), FS, method=method)) == 0
    assert len(detect_qrs(np.zeros(5000), FS, method=method)) == 0


# ---------------------------------------------------------------- forms of input


def test_other_types_and_layouts_give_the_same_beats() -> None:
    integers = np.round(200 * np.nan_to_num(noisy_signal(2), posinf=0)).astype(np.int16)
    expected = bits(take(BeatStream(FS, leads=2), [integers.astype(np.float32)]))
    forms = [
        integers,
        integers.astype(np.int64),
        integers.astype(np.float64),
        np.asfortranarray(integers.astype(np.float32)),
        np.repeat(integers.astype(np.float32), 2, axis=1)[:, ::2],
        integers.astype(">f4"),
        integers.tolist(),
    ]
    for form in forms:
        assert bits(take(BeatStream(FS, leads=2), [form])) == expected
    one = integers[:, 0].astype(np.float32)
    expected = bits(take(BeatStream(FS), [one]))
    padded = np.stack([one, one])[:, ::1][0]
    for form in (one[:, np.newaxis], np.repeat(one, 3)[::3], padded, memoryview(one), tuple(one)):
        assert bits(take(BeatStream(FS), [form])) == expected


def test_numbers_beyond_single_precision_are_a_gap() -> None:
    signal = noisy_signal().astype(np.float64)[:, 0]
    signal[2000:2010] = 1e300
    other = noisy_signal()[:, 0].copy()
    other[2000:2010] = np.nan
    assert bits(take(BeatStream(FS), [signal])) == bits(take(BeatStream(FS), [other]))


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (np.zeros((4, 2)), r"must have the shape \(n,\) or \(n, 1\), got \(4, 2\)"),
        (np.zeros((2, 2, 2)), r"got \(2, 2, 2\)"),
        (np.zeros(3, complex), "real numbers in an array, got an array of complex128"),
        (np.array(["1", "2"]), "real numbers in an array, got an array of <U1"),
        ("ecg", "real numbers in an array, got str"),
        (None, "real numbers in an array, got NoneType"),
        ([[1.0, 2.0], [3.0]], "all rows of one length"),
    ],
)
@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
def test_chunks_that_cannot_be_used(make, chunk, text: str) -> None:
    stream = make(FS)
    with pytest.raises(InputError, match=text):
        stream.process(chunk)
    assert stream.count == 0  # and the stream goes on


def test_chunks_with_the_wrong_number_of_leads() -> None:
    stream = BeatStream(FS, leads=2)
    for chunk in (np.zeros(4, np.float32), np.zeros((4, 3)), np.zeros((4, 1), np.float32)):
        with pytest.raises(InputError, match=r"must have the shape \(n, 2\), got \(4"):
            stream.process(chunk)


@pytest.mark.parametrize("fs", [99.9, 2000.1, 0, -360, float("nan"), float("inf")])
def test_sampling_rates_out_of_range(fs: float) -> None:
    for make in (BeatStream, QRSDetector):
        with pytest.raises(InputError, match=r"sampling rate outside 100\.\.2000 Hz: fs="):
            make(fs)
    with pytest.raises(InputError, match="sampling rate outside"):
        detect_qrs(np.zeros(100), fs)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"method": "hamilton"}, "unknown method 'hamilton': choose one of adaptive, pan-tompkins"),
        ({"method": ["adaptive"]}, "unknown method"),
        ({"leads": 0}, "number of leads.*leads=0"),
        ({"leads": 65}, "number of leads.*leads=65"),
        ({"leads": "II"}, "leads must be a whole number, got 'II'"),
        ({"leads": 1.5}, "leads must be a whole number, got 1.5"),
        ({"leads": 10**12}, "leads=1000000000000 is out of range"),
        ({"max_delay": 0.1}, r"max_delay is shorter than 0\.35 s.*max_delay=0\.1"),
        ({"max_delay": float("nan")}, "max_delay is shorter"),
        ({"max_delay": "soon"}, "max_delay must be a number, got 'soon'"),
    ],
)
@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
def test_parameters_that_cannot_be_used(make, more, text: str) -> None:
    with pytest.raises(InputError, match=text):
        make(FS, **more)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"lead": 1}, "chosen lead, out of range: lead=1 of 1"),
        ({"lead": -1}, "chosen lead, out of range"),
        ({"lead": "MLII"}, "lead must be a whole number, got 'MLII'"),
        ({"lookahead": 2}, "lookahead=2"),
        ({"lookahead": "1"}, "lookahead must be a whole number"),
        ({"window": (125.0, 44)}, r"window must be \(grid_fs, before, after, form, history\)"),
        ({"window": ("fast", 44, 28)}, "grid_fs must be a number"),
        ({"window": (125.0, 44.5, 28)}, "before must be a whole number"),
    ],
)
def test_parameters_of_a_stream_that_cannot_be_used(more, text: str) -> None:
    with pytest.raises(InputError, match=text):
        BeatStream(FS, **more)


def test_words_for_a_rate_or_a_signal() -> None:
    with pytest.raises(InputError, match="fs must be a number, got '360 Hz'"):
        BeatStream("360 Hz")
    with pytest.raises(InputError, match="fs must be a number, got None"):
        QRSDetector(None)
    with pytest.raises(InputError, match="the method 'given' is for BeatStream"):
        QRSDetector(FS, method="given")
    for signal, text in [
        ("abc", r"shape \(n,\) or \(n, leads\), got \(\)"),
        (5.0, r"got \(\)"),
        (np.zeros((4, 2, 2)), r"got \(4, 2, 2\)"),
        (np.zeros((4, 0)), r"got \(4, 0\)"),
        ([[1, 2], [3]], "all rows of one length"),
        (["a", "b"], "real numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            detect_qrs(signal, FS)


# ---------------------------------------------------------------- reset, copies


@pytest.mark.parametrize("method", METHODS)
def test_reset_makes_a_new_stream(method: str) -> None:
    signal = noisy_signal(2)
    expected, _ = whole(method, 1, 2)
    stream = BeatStream(FS, leads=2, method=method, lookahead=1)
    for used in (0, 700, len(signal)):
        stream.process(signal[:used])
        stream.reset()
        assert stream.count == 0
        assert bits(take(stream, [signal])) == expected
        stream.reset()
    detector = QRSDetector(FS, leads=2, method=method)
    first = peaks(detector, [signal])
    detector.reset()
    assert peaks(detector, [signal]).tolist() == first.tolist()


@pytest.mark.parametrize("method", METHODS)
@given(at=st.integers(0, 24 * int(FS)), cut=st.integers(1, 500))
@settings(max_examples=15, deadline=None)
def test_a_stream_pickled_midway_goes_on_exactly(method: str, at: int, cut: int) -> None:
    signal = noisy_signal(2)
    expected, _ = whole(method, 1, 2)
    stream = BeatStream(FS, leads=2, method=method, lookahead=1)
    batches = [stream.process(signal[:at])]
    stream = pickle.loads(pickle.dumps(stream))
    assert (stream.fs, stream.leads, stream.method, stream.lookahead) == (FS, 2, method, 1)
    batches.append(stream.process(signal[at : at + cut]))
    other = copy.deepcopy(stream)
    rest = [stream.process(signal[at + cut :]), stream.flush()]
    assert bits(BeatBatch.concatenate([*batches, *rest])) == expected
    # The copy is a stream of its own.
    assert other.count == min(at + cut, len(signal))
    rest = [other.process(signal[at + cut :]), other.flush()]
    assert bits(BeatBatch.concatenate([*batches, *rest])) == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_detector_pickled_midway_goes_on_exactly(method: str) -> None:
    signal = noisy_signal()
    expected = detect_qrs(signal, FS, method=method)
    detector = QRSDetector(FS, method=method, max_delay=None)
    got = []
    for piece in np.array_split(signal, 23):
        detector = pickle.loads(pickle.dumps(detector))
        got.append(detector.process(piece))
    assert np.concatenate([*got, detector.flush()]).tolist() == expected.tolist()


@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
def test_damaged_snapshots_are_refused(make) -> None:
    stream = make(FS)
    stream.process(noisy_signal())
    rebuild, arguments = stream.__reduce__()
    at = next(i for i, a in enumerate(arguments) if isinstance(a, bytes))
    good = arguments[at]
    assert rebuild(*arguments).count == stream.count

    def refused(snapshot: bytes) -> None:
        changed = (*arguments[:at], snapshot, *arguments[at + 1 :])
        with pytest.raises(InputError, match="no snapshot of this kind of state, or damaged"):
            rebuild(*changed)

    for position in [*range(0, 64, 3), 100, len(good) // 2, len(good) - 1]:
        if 24 <= position < 32:
            continue  # reserved
        refused(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    for length in (0, 10, 40, len(good) - 1):
        refused(good[:length])
    refused(good + b"\0")
    other = make(2 * FS).__reduce__()[1]
    refused(next(a for a in other if isinstance(a, bytes)))
    # A detector's bytes are no stream's and the other way round.
    wrong = (QRSDetector if make is BeatStream else BeatStream)(FS).__reduce__()[1]
    refused(next(a for a in wrong if isinstance(a, bytes)))


# ---------------------------------------------------------------- when beats are known


@pytest.mark.parametrize("lookahead", [0, 1])
@pytest.mark.parametrize("fs", [100.0, 360.0, 499.31, 2000.0])
@pytest.mark.parametrize("method", METHODS)
def test_beats_are_known_after_their_window_and_within_the_delay(method, fs, lookahead) -> None:
    record = synthetic_ecg(30, fs, ventricular=0.1, muscle=0.05, seed=5)
    stream = BeatStream(fs, method=method, lookahead=lookahead)
    batch = stream.process(record.signal[:, 0])
    late = batch.known_at - batch.r_sample
    # The last grid point of a window lies 27 / 125 s after R, its kernel 32 ms further.
    assert late.min() >= int((27 / 125 + 0.032) * fs)
    settled = batch.r_sample > 5 * fs
    assert late[settled].max() <= stream.delay
    if lookahead:
        following = np.minimum(batch.r_sample[1:], batch.r_sample[:-1] + np.ceil(3 * fs))
        assert (batch.known_at[:-1] >= following).all()
    assert (np.diff(batch.known_at) >= 0).all()
    assert (np.diff(batch.r_sample) > 0).all()


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
        # The adaptive method waits for so long from its own mark; R may lie before that.
        slack = 0.06 if method == "adaptive" else 0.0
        assert detector.delay <= np.ceil((max_delay + slack) * 360)
    assert len(late) > 30
    assert max(wait for r, wait in late if r > 5 * 360) <= detector.delay


# ---------------------------------------------------------------- given R peaks


def given_stream(**more) -> tuple[BeatStream, np.ndarray, np.ndarray]:
    record = synthetic_ecg(20, FS, ventricular=0.1, seed=3)
    marks = record.annotations.sample
    return BeatStream(FS, method="given", **more), record.signal[:, 0], marks[marks > 0]


def test_given_peaks_map_one_to_one_onto_beats() -> None:
    stream, signal, marks = given_stream()
    shifted = marks + np.random.default_rng(0).integers(-6, 7, len(marks))
    batch = take_given(stream, [signal], [shifted])
    assert len(batch) == len(marks)
    # Refined on the ECG: an annotator's error of 24 ms does not count.
    assert np.abs(batch.r_sample - marks).max() <= 2


def take_given(stream: BeatStream, pieces, peaks) -> BeatBatch:
    batches = [stream.process(p, r) for p, r in zip(pieces, peaks, strict=True)]
    return BeatBatch.concatenate([*batches, stream.flush()])


@given(cuts=st.lists(st.integers(0, 20 * int(FS)), max_size=20).map(sorted), early=st.booleans())
@settings(max_examples=25, deadline=None)
def test_given_peaks_and_any_chunking(cuts: list[int], early: bool) -> None:
    stream, signal, marks = given_stream(lookahead=1)
    expected = bits(take_given(stream, [signal], [marks]))
    stream.reset()
    pieces = np.split(signal, cuts)
    if early:
        announced = [marks] + [None] * (len(pieces) - 1)
    else:
        edges = [0, *cuts, len(signal)]
        announced = [marks[(marks >= a) & (marks < b)] for a, b in pairwise(edges)]
    assert bits(take_given(stream, pieces, announced)) == expected


def test_given_peaks_survive_pickling_while_they_wait() -> None:
    stream, signal, marks = given_stream()
    expected = bits(take_given(stream, [signal], [marks]))
    stream.reset()
    first = stream.process(signal[:1234], marks)
    stream = pickle.loads(pickle.dumps(stream))
    rest = [stream.process(signal[1234:]), stream.flush()]
    assert bits(BeatBatch.concatenate([first, *rest])) == expected


def test_given_peaks_ten_milliseconds_apart_each_give_a_beat() -> None:
    for fs in (128.0, 250.0, 1000.0):
        signal = synthetic_ecg(6, fs).signal[:, 0]
        marks = np.arange(20, len(signal), int(np.ceil(0.01 * fs)))
        batch = take_given(BeatStream(fs, method="given"), [signal], [marks])
        assert len(batch) == len(marks)
        assert (np.diff(batch.r_sample) > 0).all()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ([500, 400], "R peak at sample 400 is not at least 10 ms after the one before it"),
        ([500, 500], "R peak at sample 500 is not at least 10 ms after"),
        ([500, 502], "R peak at sample 502 is not at least 10 ms after"),
        ([-4, 500], "R peak at sample -4 lies before the signal"),
        ([500.5], "r_peaks must be integers in one dimension"),
        ([[500]], "r_peaks must be integers in one dimension"),
        ("500", "r_peaks must be integers in one dimension"),
    ],
)
def test_given_peaks_that_cannot_be_used(wrong, text: str) -> None:
    stream, signal, _ = given_stream()
    with pytest.raises(InputError, match=text):
        stream.process(signal, wrong)


def test_given_peaks_out_of_order_between_chunks_too_late_or_beyond_the_end() -> None:
    stream, signal, marks = given_stream()
    stream.process(signal[:1000], [200, 500])
    with pytest.raises(InputError, match="R peak at sample 400 is not at least 10 ms after"):
        stream.process(signal[1000:2000], [400])
    with pytest.raises(InputError, match="R peak at sample 700 comes too late: 1000 samples"):
        stream.process(signal[1000:2000], [700, 1400])
    # The refused ones are forgotten, the stream goes on where it was.
    assert stream.count == 1000
    assert len(stream.process(signal[1000:2000], [1500])) == 2
    stream.process(signal[2000:3000], [3100])
    with pytest.raises(InputError, match=r"3100 lies beyond the end of the signal at sample 3000"):
        stream.flush()
    with pytest.raises(InputError, match="r_peaks go with the method 'given', not with 'adaptive'"):
        BeatStream(FS).process(signal, marks)


# ---------------------------------------------------------------- gain, offset, polarity


@pytest.mark.parametrize("method", METHODS)
def test_an_offset_changes_no_bit(method: str) -> None:
    """As converter counts, which are exact in single precision."""
    counts = np.round(200 * demo_record().signal[:9000]).astype(np.int32)
    expected = bits(take(BeatStream(360.0, leads=2, method=method), [counts]))
    for offset in (1024, -30000, 4_000_000):
        got = take(BeatStream(360.0, leads=2, method=method), [counts + offset])
        assert bits(got) == expected


@pytest.mark.parametrize("gain", [1e-4, 0.005, 200.0, 1e4, -1.0, -1e-4, -1e4])
@pytest.mark.parametrize("method", [*METHODS, "given"])
@pytest.mark.parametrize("source", ["demo", "noisy"])
def test_gain_and_polarity_change_no_beat(source: str, method: str, gain: float) -> None:
    signal = demo_record().signal[:, 0] if source == "demo" else noisy_signal(1, 360.0)[:, 0]
    more = {"r_peaks": np.arange(300, len(signal) - 300, 290)} if method == "given" else {}
    batches = [
        take(BeatStream(360.0, method=method, lookahead=1), [s], **more)
        for s in (signal, signal * np.float32(gain))
    ]
    assert len(batches[0]) > 20
    assert batches[0].r_sample.tolist() == batches[1].r_sample.tolist()
    assert batches[0].quality.tolist() == batches[1].quality.tolist()
    assert np.abs(batches[0].windows - batches[1].windows).max() < 1e-3
    assert np.abs(batches[0].features - batches[1].features).max() < 5e-3


@pytest.mark.parametrize("method", METHODS)
def test_the_usual_beat_is_upright_in_its_window(method: str) -> None:
    signal = demo_record().signal[:, 0]
    for s in (signal, -signal):
        batch = take(BeatStream(360.0, method=method), [s])
        assert (batch.windows[8:, 40:49, 1].max(axis=1) > 0.5).all()


# ---------------------------------------------------------------- bad signal

BAD = {
    "nan": (lambda s: np.full_like(s, np.nan), Quality.GAP),
    "infinite": (lambda s: np.full_like(s, np.inf), Quality.GAP),
    "mixed": (lambda s: np.where(np.arange(len(s)) % 3 > 0, s, np.nan), Quality.GAP),
    "flat": (lambda s: np.full_like(s, s[0]), Quality.FLAT),
    "overdriven": (lambda s: np.clip(8 * s, -1.5, 1.5), Quality.SATURATED),
    "at the rails": (
        lambda s: np.full_like(s, 3.0) * (-1) ** (np.arange(len(s)) // 300),
        Quality.SATURATED | Quality.FLAT,
    ),
}


def with_stretch(kind: str, fs: float = 360.0, seconds: float = 4.0) -> tuple:
    """A recording with a bad stretch from second 20 on."""
    record = synthetic_ecg(45, fs, heart_rate=75, seed=14)
    signal = record.signal[:, 0].copy()
    first, last = round(20 * fs), round((20 + seconds) * fs)
    signal[first:last] = BAD[kind][0](signal[first:last])
    return signal, record.annotations.sample, first, last


@pytest.mark.parametrize("kind", BAD)
def test_bad_stretches_are_told_by_quality(kind: str) -> None:
    signal, marks, first, last = with_stretch(kind)
    stream = BeatStream(360.0, method="given")
    batch = take(stream, [signal], r_peaks=marks[(marks > 100) & (marks < len(signal) - 100)])
    inside = (batch.r_sample > first + 150) & (batch.r_sample < last - 40)
    outside = (batch.r_sample < first - 100) | (batch.r_sample > last + 100)
    assert inside.sum() >= 3
    assert (batch.quality[inside] & BAD[kind][1] > 0).all()
    bad = Quality.GAP | Quality.FLAT | Quality.SATURATED
    assert not (batch.quality[outside] & bad).any()
    learning = batch.quality & Quality.LEARNING > 0
    assert learning.tolist() == [True] * 8 + [False] * (len(batch) - 8)
    assert np.isfinite(batch.windows).all()
    assert np.isfinite(batch.features).all()


@pytest.mark.parametrize("seconds", [0.5, 4.0, 11.0])
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("method", METHODS)
def test_beats_are_found_again_within_two_seconds(method: str, kind: str, seconds: float) -> None:
    signal, marks, first, last = with_stretch(kind, seconds=seconds)
    got = detect_qrs(signal, 360.0, method=method)
    for side in (
        marks[(marks > 3 * 360) & (marks < first - 100)],
        marks[(marks > last + 2 * 360) & (marks < len(signal) - 100)],
    ):
        near = np.abs(got[:, np.newaxis] - side).min(axis=0)
        assert near.max() <= 10, "a beat is missed"
        found = got[(got >= side[0] - 10) & (got <= side[-1] + 10)]
        assert len(found) == len(side), "a beat is invented"


@pytest.mark.parametrize("method", METHODS)
def test_a_recording_that_begins_with_nothing(method: str) -> None:
    record = synthetic_ecg(20, 360.0, seed=15)
    for start in (np.nan, 0.0):
        signal = np.concatenate([np.full(1800, start, np.float32), record.signal[:, 0]])
        marks = record.annotations.sample + 1800
        got = detect_qrs(signal, 360.0, method=method)
        late = marks[(marks > 1800 + 2 * 360) & (marks < len(signal) - 100)]
        assert np.abs(got[:, np.newaxis] - late).min(axis=0).max() <= 10
        assert (got > 1700).all()


def test_a_lead_that_comes_off_leaves_the_other_to_detect() -> None:
    record = synthetic_ecg(60, 360.0, muscle=0.03, seed=16)
    signal = record.signal.copy()
    first, last = 20 * 360, 40 * 360
    for lead in (0, 1):
        for value in (np.nan, 0.0):
            broken = signal.copy()
            broken[first:last, lead] = value
            stream = BeatStream(360.0, leads=2)
            batch = take(stream, [broken])
            inside = record.annotations.sample
            inside = inside[(inside > first + 2 * 360) & (inside < last)]
            near = np.abs(batch.r_sample[:, np.newaxis] - inside).min(axis=0)
            assert (near <= 0.075 * 360).mean() > 0.95
            # Quality is that of the lead that the windows show.
            beats = (batch.r_sample > first + 200) & (batch.r_sample < last - 200)
            bad = batch.quality[beats] & (Quality.GAP | Quality.FLAT) > 0
            assert bad.all() if lead == 0 else not bad.any()


def test_windows_show_the_chosen_lead() -> None:
    signal = demo_record().signal
    first, second = (take(BeatStream(360.0, leads=2, lead=i), [signal]) for i in (0, 1))
    assert first.r_sample.tolist() == second.r_sample.tolist()
    assert not np.allclose(first.windows, second.windows, atol=0.05)
    marks = first.r_sample
    alone = take(BeatStream(360.0, method="given"), [signal[:, 0]], r_peaks=marks)
    if alone.r_sample.tolist() == marks.tolist():
        assert np.array_equal(alone.windows, first.windows)


@pytest.mark.parametrize("method", METHODS)
def test_noise_alone_is_harmless(method: str) -> None:
    noise = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    for signal in (
        noise,
        noise * 1e30,
        noise * 1e-30,
        np.full(20000, 3e38, np.float32) * np.sign(noise),
    ):
        batch = take(BeatStream(360.0, method=method, lookahead=1), [signal])
        assert np.isfinite(batch.windows).all()
        assert np.isfinite(batch.features).all()
        assert (np.diff(batch.r_sample) > 0).all()


# ---------------------------------------------------------------- threads


def test_streams_in_threads_give_the_results_of_one() -> None:
    signal = noisy_signal(2)

    def work(i: int) -> tuple[bytes, ...]:
        stream = BeatStream(FS, leads=2, method=METHODS[i % 2], lookahead=1)
        return bits(take(stream, np.array_split(signal, 5 + i)))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(16)))
    for i, got in enumerate(results):
        assert got == whole(METHODS[i % 2], 1, 2)[0]


@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
def test_other_threads_run_while_samples_are_processed(make) -> None:
    signal = np.tile(np.nan_to_num(noisy_signal()[:, 0], posinf=0), 600)
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
