"""Streams begun anew, copied, and pickled midway."""

from __future__ import annotations

import copy
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import FS, METHODS, bits, noisy_signal, peaks, refused_forgeries, take, whole

from ecgfast import (
    BandpassFilter,
    BeatBatch,
    BeatStream,
    Classifier,
    InputError,
    QRSDetector,
    StateError,
    detect_qrs,
)
from ecgfast.streaming import StreamingClassifier


@pytest.mark.parametrize("method", METHODS)
def test_reset_makes_a_new_stream(method: str) -> None:
    signal = noisy_signal(2)
    expected, _ = whole(method, 1, 2)
    stream = BeatStream(FS, n_leads=2, method=method, lookahead=1)
    for used in (0, 700, len(signal)):
        stream.process(signal[:used])
        stream.reset()
        assert stream.count == 0
        assert bits(take(stream, [signal])) == expected
        stream.reset()
    detector = QRSDetector(FS, n_leads=2, method=method)
    first = peaks(detector, [signal])
    detector.reset()
    assert peaks(detector, [signal]).tolist() == first.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_finish_is_process_and_flush(method: str) -> None:
    signal = noisy_signal(2)
    expected, _ = whole(method, 1, 2)
    stream = BeatStream(FS, n_leads=2, method=method, lookahead=1)
    batches = [stream.process(signal[:1000]), stream.finish(signal[1000:])]
    assert bits(BeatBatch.concatenate(batches)) == expected
    with pytest.raises(StateError, match="ended"):
        stream.finish(signal)
    stream.reset()
    assert bits(stream.finish(signal)) == expected


@pytest.mark.parametrize("method", METHODS)
@given(at=st.integers(0, 24 * int(FS)), cut=st.integers(1, 500))
@settings(max_examples=15, deadline=None)
def test_a_stream_pickled_midway_goes_on_exactly(method: str, at: int, cut: int) -> None:
    signal = noisy_signal(2)
    expected, _ = whole(method, 1, 2)
    stream = BeatStream(FS, n_leads=2, method=method, lookahead=1)
    batches = [stream.process(signal[:at])]
    stream = pickle.loads(pickle.dumps(stream))
    assert (stream.fs, stream.n_leads, stream.method, stream.lookahead) == (FS, 2, method, 1)
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

    def refused(snapshot: bytes, match: str = "no snapshot of this kind of state, or dam") -> None:
        changed = (*arguments[:at], snapshot, *arguments[at + 1 :])
        with pytest.raises(InputError, match=match):
            rebuild(*changed)

    for position in [*range(0, 64, 3), 100, len(good) // 2, len(good) - 1]:
        if 24 <= position < 32:
            continue  # reserved
        refused(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    for length in (0, 10, 40, len(good) - 1):
        refused(good[:length])
    refused(good + b"\0")
    other = make(2 * FS).__reduce__()[1]
    refused(
        next(a for a in other if isinstance(a, bytes)), match="snapshot of another configuration"
    )
    # A detector's bytes are no stream's and the other way round.
    wrong = (QRSDetector if make is BeatStream else BeatStream)(FS).__reduce__()[1]
    refused(next(a for a in wrong if isinstance(a, bytes)))


@pytest.mark.parametrize("make", [BeatStream, QRSDetector])
@pytest.mark.parametrize("longer", [0, 64])
def test_a_snapshot_of_another_version_is_refused_with_what_to_do(make, longer: int) -> None:
    rebuild, arguments = make(FS).__reduce__()
    at = next(i for i, a in enumerate(arguments) if isinstance(a, bytes))
    state = bytearray(arguments[at][32:]) + bytes(longer)
    kind, version = struct.unpack_from("<II", state)
    struct.pack_into("<IIQ", state, 0, kind, version - 1, len(state))
    checksum = 0xCBF29CE484222325
    for byte in state:
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    head = arguments[at][:8] + struct.pack("<QQQ", len(state), checksum, 0)
    changed = (*arguments[:at], head + bytes(state), *arguments[at + 1 :])
    with pytest.raises(InputError, match=r"another version of ecgfast.*begin a new stream"):
        rebuild(*changed)


@pytest.mark.parametrize("method", [*METHODS, "external"])
def test_forged_snapshots_are_refused_or_harmless(method: str) -> None:
    """Whatever a forger writes over the detector's head and the method's state (see tests/fuzz)."""
    stream = BeatStream(FS, method=method)
    signal = noisy_signal()
    stream.process(signal[:3000])
    offsets = [*range(0, 400, 40), -40, -400]
    values = (b"\xff" * 8, (1 << 40).to_bytes(8, "little"), b"\x00\x00\xc0\x7f" * 2)
    refused = refused_forgeries(stream, offsets, values, signal[3000:4000])
    assert refused
    assert all("snapshot" in message for message in refused)


@pytest.mark.parametrize(
    ("make", "more"),
    [
        (QRSDetector, {"max_delay": 0.6}),
        (QRSDetector, {"method": "pan-tompkins"}),
        (BeatStream, {"lookahead": 1}),
        (BeatStream, {"method": "external"}),
    ],
)
def test_a_snapshot_of_another_sampling_rate_is_refused(make, more) -> None:
    """360 and 500 Hz take blocks of one size."""
    stream = make(360.0, **more)
    stream.process(noisy_signal())
    rebuild, arguments = stream.__reduce__()
    for fs in (500.0, 360.5, 340.0):
        with pytest.raises(InputError, match="snapshot of another configuration"):
            rebuild(fs, *arguments[1:])
    at = next(i for i, a in enumerate(arguments) if isinstance(a, bytes))
    for wrong in (None, "text", bytearray(arguments[at])):
        with pytest.raises(InputError, match="a snapshot is bytes, got"):
            rebuild(*arguments[:at], wrong, *arguments[at + 1 :])


def test_announced_peaks_of_a_pickled_stream_are_checked() -> None:
    stream = BeatStream(FS, method="external")
    stream.process(np.zeros(500), [100, 400, 700, 900])
    rebuild, arguments = stream.__reduce__()
    assert rebuild(*arguments).__reduce__() == (rebuild, arguments)
    *rest, waiting, last, ended, watch = arguments
    assert (waiting, last) == ([700, 900], 400)
    for wrong, text in [
        ([900, 700], "at least 10 ms"),
        ([401], "at least 10 ms"),
        ([-3, 700], "before the signal"),
        ([700.5], "integers"),
    ]:
        with pytest.raises(InputError, match=text):
            rebuild(*rest, wrong, last, ended, watch)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [QRSDetector, BeatStream])
def test_flush_ends_a_stream(make, method: str) -> None:
    signal = noisy_signal()
    stream = make(FS, method=method)
    first = stream.process(signal)
    rest = stream.flush()
    count = stream.count
    copies = [stream, pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)]
    for ended in copies:
        for chunk in (signal, signal[:0], "no samples"):
            with pytest.raises(StateError, match=r"ended with flush\(\): call reset\(\)"):
                ended.process(chunk)
        assert len(ended.flush()) == 0
        if make is QRSDetector:
            assert len(ended.quality) == 0
        assert ended.count == count == len(signal)
        ended.reset()
        assert ended.count == 0
        again = ended.process(signal), ended.flush()
        for now, then in zip(again, (first, rest), strict=True):
            if make is QRSDetector:
                assert np.array_equal(now, then)
            else:
                assert bits(now) == bits(then)


def test_a_flush_that_fails_ends_nothing() -> None:
    stream = BeatStream(FS, method="external")
    first = stream.process(np.zeros(500), [100, 700])
    with pytest.raises(InputError, match="beyond the end"):
        stream.flush()
    batch = BeatBatch.concatenate([first, stream.process(np.zeros(500)), stream.flush()])
    assert len(batch) == 2


def test_flush_ends_a_labeller_and_reset_begins_anew() -> None:
    classifier = Classifier()
    labeller = StreamingClassifier(classifier, FS, n_leads=2, average_leads=True)
    signal = noisy_signal(2)
    expected = repr([labeller.process(signal), labeller.flush()])
    for _ in range(2):
        assert labeller.flush() == []
        with pytest.raises(StateError, match=r"call reset\(\)"):
            labeller.process(signal)
        labeller.reset()
        assert repr([labeller.process(signal), labeller.flush()]) == expected


@pytest.mark.parametrize("kind", [BandpassFilter, QRSDetector, BeatStream])
def test_what_was_never_initialised_says_so(kind) -> None:
    bare = kind.__new__(kind)
    # "leads" is the deprecated name of "n_leads".
    names = [name for name in dir(kind) if not name.startswith("_") and name != "leads"]
    assert len(names) > 5

    def touch(name: str) -> None:
        value = getattr(bare, name)
        value(*([np.zeros(4)] if name in ("process", "finish") else []))

    for name in names:
        with pytest.raises(StateError, match=f"this {kind.__name__} was never initialised"):
            touch(name)
    with pytest.raises(StateError, match="never initialised"):
        pickle.dumps(bare)
    with pytest.raises(InputError):
        bare.__init__(-1)
    with pytest.raises(StateError, match="never initialised"):
        bare.process(np.zeros(4))
    bare.__init__(FS)
    bare.process(np.zeros(4))


@pytest.mark.parametrize("kind", [BandpassFilter, QRSDetector, BeatStream])
def test_initialising_again_begins_anew_or_changes_nothing(kind) -> None:
    signal = noisy_signal()[:, 0]
    expected = pickle.dumps(kind(FS).process(signal))
    stream = kind(360.0)
    stream.process(signal)
    before = pickle.dumps(stream)
    for wrong in ({"fs": "360"}, {"fs": -1.0}):
        with pytest.raises(InputError):
            stream.__init__(**wrong)
    assert pickle.dumps(stream) == before
    stream.__init__(FS)
    assert stream.fs == FS
    assert pickle.dumps(stream.process(signal)) == expected


def test_a_filter_pickled_midway_continues_exactly() -> None:
    signal = noisy_signal()[:, 0]
    whole = BandpassFilter(FS, 1.0, 40.0).process(signal)
    band = BandpassFilter(FS, 1.0, 40.0)
    parts = []
    for piece in np.array_split(signal, 7):
        band = copy.deepcopy(pickle.loads(pickle.dumps(band)))
        parts.append(band.process(piece))
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    rebuild, arguments = band.__reduce__()
    for past in ((1.0, 2.0), (0.0, 0.0, 0.0, 0.0, np.nan), ("1", 0, 0, 0, 0)):
        with pytest.raises(InputError, match="a filter's past"):
            rebuild(*arguments[:-1], past)


def test_what_was_set_can_be_read() -> None:
    detector = QRSDetector(360, method="pan-tompkins", max_delay=1, n_leads=3)
    assert (detector.fs, detector.method, detector.max_delay, detector.n_leads) == (
        *(360.0, "pan-tompkins"),
        *(1.0, 3),
    )
    assert QRSDetector(360).max_delay is None
    window = (100.0, 0, 200, "cycle", 4)
    stream = BeatStream(360, method="external", n_leads=3, lead=2, lookahead=1, window=window)
    assert stream.window == window
    assert (stream.fs, stream.method, stream.n_leads) == (360.0, "external", 3)
    assert (stream.lead, stream.lookahead, stream.max_delay) == (2, 1, None)
    for name in ("fs", "method", "leads", "max_delay", "quality", "count", "delay"):
        with pytest.raises(AttributeError):
            setattr(detector, name, 1)
