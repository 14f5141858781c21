"""Streams begun anew, copied, and pickled midway."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import FS, METHODS, bits, noisy_signal, peaks, take, whole

from ecgfast import BeatBatch, BeatStream, InputError, QRSDetector, detect_qrs


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
