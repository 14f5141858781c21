"""Streams whose R peaks come from the caller."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_ecgs import synthetic_ecg
from streams import FS, bits

from ecgfast import BeatBatch, BeatStream, InputError


def given_stream(**more) -> tuple[BeatStream, np.ndarray, np.ndarray]:
    record = synthetic_ecg(20, FS, ventricular=0.1, seed=3)
    marks = record.annotations.sample
    return BeatStream(FS, method="external", **more), record.signal[:, 0], marks[marks > 0]


def test_given_peaks_map_one_to_one_onto_beats() -> None:
    stream, signal, marks = given_stream()
    shifted = marks + np.random.default_rng(0).integers(-6, 7, len(marks))
    batch = take_announced(stream, [signal], [shifted])
    assert len(batch) == len(marks)
    # Refined on the ECG: an annotator's error of 24 ms does not count.
    assert np.abs(batch.sample - marks).max() <= 2


def take_announced(stream: BeatStream, pieces, peaks) -> BeatBatch:
    batches = [stream.process(p, r) for p, r in zip(pieces, peaks, strict=True)]
    return BeatBatch.concatenate([*batches, stream.flush()])


@given(cuts=st.lists(st.integers(0, 20 * int(FS)), max_size=20).map(sorted), early=st.booleans())
@settings(max_examples=25, deadline=None)
def test_given_peaks_and_any_chunking(cuts: list[int], early: bool) -> None:
    stream, signal, marks = given_stream(lookahead=1)
    expected = bits(take_announced(stream, [signal], [marks]))
    stream.reset()
    pieces = np.split(signal, cuts)
    if early:
        announced = [marks] + [None] * (len(pieces) - 1)
    else:
        edges = [0, *cuts, len(signal)]
        announced = [marks[(marks >= a) & (marks < b)] for a, b in pairwise(edges)]
    assert bits(take_announced(stream, pieces, announced)) == expected


def test_given_peaks_survive_pickling_while_they_wait() -> None:
    stream, signal, marks = given_stream()
    expected = bits(take_announced(stream, [signal], [marks]))
    stream.reset()
    first = stream.process(signal[:1234], marks)
    stream = pickle.loads(pickle.dumps(stream))
    rest = [stream.process(signal[1234:]), stream.flush()]
    assert bits(BeatBatch.concatenate([first, *rest])) == expected


def test_given_peaks_ten_milliseconds_apart_each_give_a_beat() -> None:
    for fs in (128.0, 250.0, 1000.0):
        signal = synthetic_ecg(6, fs).signal[:, 0]
        marks = np.arange(20, len(signal), int(np.ceil(0.01 * fs)))
        batch = take_announced(BeatStream(fs, method="external"), [signal], [marks])
        assert len(batch) == len(marks)
        assert (np.diff(batch.sample) > 0).all()


def test_given_peaks_at_the_end_of_the_signal_stay_within_it() -> None:
    for fs in (100.0, 128.0, 360.0, 2000.0):
        signal = synthetic_ecg(6, fs).signal[:, 0]
        apart = int(np.ceil(0.01 * fs))
        for end in range(len(signal) - 3, len(signal)):
            marks = np.array([200, end - 2 * apart, end - apart, end])
            batch = take_announced(BeatStream(fs, method="external"), [signal], [marks])
            assert len(batch) == len(marks)
            assert (np.diff(batch.sample) > 0).all()
            assert batch.sample[-1] < len(signal)


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
    # The refused ones are forgotten, the stream continues where it was.
    assert stream.count == 1000
    assert len(stream.process(signal[1000:2000], [1500])) == 2
    stream.process(signal[2000:3000], [3100])
    with pytest.raises(InputError, match=r"3100 lies beyond the end of the signal at sample 3000"):
        stream.flush()
    with pytest.raises(InputError, match="go with the method 'external', not with 'neural'"):
        BeatStream(FS).process(signal, marks)


def test_the_old_name_of_the_method_works_and_says_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="use method='external'"):
        stream = BeatStream(FS, method="given")
    assert stream.method == "external"
