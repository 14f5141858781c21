"""What streams take: types, layouts, rates, parameters; and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from streams import FS, bits, noisy_signal, take

from ecgfast import BeatStream, InputError, QRSDetector, detect_qrs


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


@pytest.mark.parametrize("fs", [99.4, 2010.1, 0, -360, float("nan"), float("inf")])
def test_sampling_rates_out_of_range(fs: float) -> None:
    for make in (BeatStream, QRSDetector):
        with pytest.raises(InputError, match=r"sampling rate outside 99\.5\.\.2010 Hz: fs="):
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
        (5.0, r"got \(\)"),
        (np.zeros((4, 2, 2)), r"got \(4, 2, 2\)"),
        (np.zeros((4, 0)), r"got \(4, 0\)"),
        ([[1, 2], [3]], "all rows of one length"),
        (["a", "b"], "real numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            detect_qrs(signal, FS)
