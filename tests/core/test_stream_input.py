"""What streams take: types, layouts, rates, parameters; and what they refuse."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from shared_ecgs import demo_record
from streams import FS, bits, noisy_signal, take

from ecgfast import (
    BandpassFilter,
    BeatStream,
    InputError,
    QRSDetector,
    Record,
    RecordError,
    RhythmStream,
    detect_qrs,
    stream_classify,
)
from ecgfast.records import check_fs


def test_other_types_and_layouts_give_the_same_beats() -> None:
    integers = np.round(200 * np.nan_to_num(noisy_signal(2), posinf=0)).astype(np.int16)
    expected = bits(take(BeatStream(FS, n_leads=2), [integers.astype(np.float32)]))
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
        assert bits(take(BeatStream(FS, n_leads=2), [form])) == expected
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


@pytest.mark.parametrize("made", [QRSDetector, BeatStream])
@pytest.mark.parametrize("seconds", [4.0, 12.0])
def test_doubles_of_which_float32_leaves_nothing_are_said_once_however_they_come(
    made: type[QRSDetector] | type[BeatStream], seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    lead = demo_record().signal[: round(seconds * FS), 0].astype(np.float64)
    signal = np.stack([lead, lead + 1e7], axis=1)
    said = []
    for size in (1, 97, len(signal)):
        caplog.clear()
        stream = made(FS, n_leads=2)
        for i in range(0, len(signal), size):
            stream.process(signal[i : i + size])
            if size == 97:
                stream = pickle.loads(pickle.dumps(stream))
        stream.flush()
        said.append(caplog.messages)
    assert said[0] == said[1] == said[2]
    (one,) = said[0]
    assert one.startswith("column 1 of the signal lies from 9999999.")
    assert one.endswith("subtract the offset before the samples go into the stream")
    caplog.clear()
    for chunk in (np.stack([lead, lead + 1e3], 1), signal.astype(np.float32), signal * [1, 0]):
        made(FS, n_leads=2).process(chunk)
    assert not caplog.messages


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
    assert stream.count == 0  # and the stream continues


def test_chunks_with_the_wrong_number_of_leads() -> None:
    stream = BeatStream(FS, n_leads=2)
    for chunk in (np.zeros(4, np.float32), np.zeros((4, 3)), np.zeros((4, 1), np.float32)):
        with pytest.raises(InputError, match=r"must have the shape \(n, 2\), got \(4"):
            stream.process(chunk)


@pytest.mark.parametrize("fs", [99.4, 2010.1, 0, -360, float("nan"), float("inf")])
def test_sampling_rates_out_of_range(fs: float) -> None:
    for make in (BeatStream, QRSDetector):
        with pytest.raises(InputError, match=r"sampling rate outside 99\.5\.\.2010 Hz: fs="):
            make(fs)
    with pytest.raises(InputError, match="to 2010 Hz; check the rate, or resample"):
        detect_qrs(np.zeros(100), fs)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"method": "hamilton"}, "unknown method 'hamilton': choose one of neural, adaptive"),
        ({"method": ["adaptive"]}, "unknown method"),
        ({"n_leads": 0}, "number of leads.*n_leads=0"),
        ({"n_leads": 65}, "number of leads.*n_leads=65"),
        ({"n_leads": "II"}, "leads must be a whole number, got 'II'"),
        ({"n_leads": 1.5}, "leads must be a whole number, got 1.5"),
        ({"n_leads": 300}, r"number of leads outside 1\.\.64, .*: n_leads=300"),
        ({"n_leads": 10**12}, "n_leads=1000000000000 is out of range"),
        ({"max_delay": 0.1}, r"max_delay outside 0\.35\.\.1000000 s.*max_delay=0\.1"),
        ({"max_delay": 0.0}, r"max_delay outside 0\.35\.\.1000000 s.*max_delay=0;"),
        ({"max_delay": float("nan")}, r"max_delay outside 0\.35\.\.1000000 s"),
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
        ({"lead": 1}, "chosen lead out of range: lead=1 of 1"),
        ({"lead": -1}, "chosen lead out of range"),
        ({"lead": "MLII"}, "lead must be a whole number, got 'MLII'"),
        ({"lookahead": 2}, "lookahead=2"),
        ({"lookahead": "1"}, "lookahead must be a whole number"),
        ({"window": (125.0, 44)}, r"window must be \(grid_fs, before, after, kind, history\)"),
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
    with pytest.raises(InputError, match="the method 'external' is for BeatStream"):
        QRSDetector(FS, method="external")
    for signal, text in [
        (5.0, "cannot read samples from float"),
        (np.zeros((4, 2, 2)), r"got \(4, 2, 2\)"),
        (np.zeros((4, 0)), r"got \(4, 0\)"),
        ([[1, 2], [3]], "all rows of one length"),
        (["a", "b"], "real numbers"),
    ]:
        with pytest.raises(InputError, match=text):
            detect_qrs(signal, FS)


def test_arrays_of_any_build_give_the_same_beats() -> None:
    counts = np.round(200 * np.nan_to_num(noisy_signal(2), posinf=0)).astype(np.int16)
    signal = counts.astype(np.float32)
    expected = bits(take(BeatStream(FS, n_leads=2), [signal]))
    shifted = np.frombuffer(b"." + signal.tobytes(), np.uint8)[1:]
    fields = np.zeros(len(signal), np.dtype([("mark", "u1"), ("ecg", "f4", (2,))]))
    fields["ecg"] = signal
    read_only = signal.copy()
    read_only.flags.writeable = False
    forms = {
        "unaligned": shifted.view(np.float32).reshape(signal.shape),
        "a field of records": fields["ecg"],
        "an unaligned view of memory": memoryview(shifted).cast("f", signal.shape),
        "read-only": read_only,
        "reversed twice": signal[::-1].copy()[::-1],
        "big-endian integers": counts.astype(">i4"),
        "long double": signal.astype(np.longdouble),
        "half precision": (signal / 256).astype(np.float16).astype(np.float32) * 256,
        "masked nowhere": np.ma.masked_array(signal),
        "a subclass": signal.view(np.matrix),
    }
    assert not forms["unaligned"].flags.aligned
    for name, form in forms.items():
        assert bits(take(BeatStream(FS, n_leads=2), [form])) == expected, name
        for method in ("adaptive", "pan-tompkins"):
            found = detect_qrs(form, FS, method=method)
            assert np.array_equal(found, detect_qrs(signal, FS, method=method)), name
    half = (signal[:, 0] / 256).astype(np.float16)
    band = BandpassFilter(FS)
    assert np.array_equal(band.process(half), BandpassFilter(FS).process(half.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, np.int64])
def test_masked_samples_are_missing_ones(dtype) -> None:
    counts = np.round(200 * np.nan_to_num(noisy_signal()[:, 0], posinf=0))
    mask = np.zeros(len(counts), bool)
    mask[2000:2400] = mask[[3000, 3500]] = True
    gap = counts.astype(dtype).astype(np.float32)
    gap[mask] = np.nan
    sentinel = counts.astype(dtype)
    sentinel[mask] = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1e4
    masked = np.ma.masked_array(sentinel, mask)
    kept = masked.copy()
    assert bits(take(BeatStream(FS), [masked])) == bits(take(BeatStream(FS), [gap]))
    expected = detect_qrs(gap, FS)
    assert np.array_equal(detect_qrs(masked, FS), expected)
    record = Record(masked, FS)
    assert np.array_equal(record.signal[:, 0], gap, equal_nan=True)
    live = [b.sample for b in stream_classify(masked, FS)]
    assert live == expected.tolist()
    chunks = (masked[begin : begin + 100] for begin in range(0, len(masked), 100))
    assert [b.sample for b in stream_classify(chunks, FS)] == live
    assert np.array_equal(masked.mask, kept.mask)  # nothing was written into it
    assert np.array_equal(masked.data, kept.data)


def test_integers_that_single_precision_cannot_hold_are_refused() -> None:
    counts = np.round(200 * np.nan_to_num(noisy_signal()[:, 0], posinf=0)).astype(np.int32)
    for offset in (2**30, -(2**30)):
        for call in (BeatStream(FS).process, lambda x: detect_qrs(x, FS), lambda x: Record(x, FS)):
            with pytest.raises(InputError, match=r"more than the 24 bits.*subtract the offset"):
                call(counts + offset)
    # What has 24 bits is held, wherever they are.
    left = counts.astype(np.int64) << 30
    assert np.array_equal(detect_qrs(left, FS), detect_qrs(left.astype(np.float32), FS))
    assert np.array_equal(
        detect_qrs(counts + 2**23, FS), detect_qrs(counts.astype(float) + 2**23, FS)
    )


@pytest.mark.parametrize(
    "signal",
    [
        np.array([1.0, None, 2.0]),
        np.zeros(9, complex),
        np.zeros(9, "M8[s]"),
        np.zeros(9, "m8[s]"),
        np.ma.masked_array([None, 1.0]),
    ],
)
def test_types_that_are_no_real_numbers(signal) -> None:
    for call in (BeatStream(FS).process, BandpassFilter(FS).process, lambda x: detect_qrs(x, FS)):
        with pytest.raises(InputError, match=r"real numbers in an array.*convert it to float32"):
            call(signal)


def test_an_array_with_fields_says_which_to_choose() -> None:
    with pytest.raises(InputError, match=r"choose among its fields, such as array\['a'\]"):
        detect_qrs(np.zeros(9, [("a", "f4")]), FS)


def test_a_transposed_array_is_recognised() -> None:
    signal = noisy_signal(2)
    for call in (
        lambda: detect_qrs(signal.T, FS),
        lambda: QRSDetector(FS, n_leads=2).process(signal.T),
        lambda: BeatStream(FS, n_leads=2).process(np.asfortranarray(signal.T, np.float64)),
        lambda: QRSDetector(FS).process(signal.T[:1]),
        lambda: Record(signal.T, FS),
        lambda: stream_classify(signal.T, FS),
    ):
        with pytest.raises(InputError, match=r"looks transposed, pass signal\.T$"):
            call()
    # Fewer samples than leads, in the right order: a chunk may be short.
    assert len(QRSDetector(FS, n_leads=2).process(np.zeros((1, 2)))) == 0


@pytest.mark.parametrize("fs", ["360", b"360", True, 360 + 0j, np.array([360.0]), [360.0], None])
def test_a_rate_is_a_real_number(fs) -> None:
    signal = noisy_signal()
    for call in (BandpassFilter, QRSDetector, BeatStream):
        with pytest.raises(InputError, match=r"fs must be a number, got .*: give "):
            call(fs)
    with pytest.raises(InputError, match="give the sampling rate in Hz as a number"):
        check_fs(fs)
    with pytest.raises(InputError, match="fs "):
        detect_qrs(signal, fs)


@pytest.mark.parametrize("fs", [250, np.float32(250), np.int16(250), np.array(250.0), 250.0])
def test_rates_as_people_have_them(fs) -> None:
    signal = noisy_signal()
    assert np.array_equal(detect_qrs(signal, fs), detect_qrs(signal, 250.0))
    assert QRSDetector(fs).fs == 250.0


@pytest.mark.parametrize("method", ["adaptive", "pan-tompkins"])
@pytest.mark.parametrize(("nominal", "fs"), [(100.0, 99.5), (100.0, 99.8), (2000.0, 2010.0)])
def test_a_clock_that_is_half_a_percent_off(nominal: float, fs: float, method) -> None:
    signal = noisy_signal(1, nominal)
    usual = detect_qrs(signal, nominal, method=method)
    found = detect_qrs(signal, fs, method=method)
    assert abs(len(found) - len(usual)) <= 1
    assert np.isin(found, usual + np.arange(-2, 3)[:, np.newaxis]).mean() > 0.9
    assert len(take(BeatStream(fs, method=method), [signal])) == len(found)


def test_detect_qrs_takes_a_record_or_a_path(tmp_path) -> None:
    record = demo_record()
    expected = detect_qrs(record.signal, record.fs)
    assert np.array_equal(detect_qrs(record), expected)
    assert np.array_equal(detect_qrs(record, record.fs), expected)
    np.savez(tmp_path / "r.npz", signal=record.signal, fs=record.fs)
    assert np.array_equal(detect_qrs(tmp_path / "r.npz"), expected)
    assert np.array_equal(detect_qrs(str(tmp_path / "r.npz")), expected)
    np.save(tmp_path / "r.npy", record.signal)
    assert np.array_equal(detect_qrs(tmp_path / "r.npy", record.fs), expected)
    # All leads serve: the first alone would find nothing.
    blind = record.signal.copy()
    blind[:, 0] = 0
    one_sees = Record(blind, record.fs)
    assert len(detect_qrs(one_sees)) > 0.9 * len(expected)
    assert len(detect_qrs(blind[:, 0], record.fs)) == 0
    with pytest.raises(InputError, match="fs=500 was given, but the recording says 360 Hz"):
        detect_qrs(record, 500)
    with pytest.raises(InputError, match="fs is needed"):
        detect_qrs(record.signal)
    with pytest.raises(InputError, match="carries no sampling rate"):
        detect_qrs(tmp_path / "r.npy")
    with pytest.raises(RecordError, match="no such recording"):
        detect_qrs(tmp_path / "other.npy")
    for method in ("adaptive", "pan-tompkins"):
        found = detect_qrs(record, method=method, max_delay=0.5)
        again = detect_qrs(record.signal, record.fs, method=method, max_delay=0.5)
        assert np.array_equal(found, again)


def test_out_may_overlap_the_chunk() -> None:
    signal = np.nan_to_num(noisy_signal()[:, 0], posinf=0)
    expected = BandpassFilter(FS).process(signal)
    for shift in (-3, -1, 0, 1, 3):
        memory = np.zeros(len(signal) + 6, np.float32)
        chunk = memory[3 : 3 + len(signal)]
        chunk[:] = signal
        out = memory[3 + shift : 3 + shift + len(signal)]
        assert np.array_equal(BandpassFilter(FS).process(chunk, out), expected)


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, np.ma.masked_array, iter])
def test_a_mask_is_no_signal(kind) -> None:
    mask = np.arange(2000) % 200 == 0
    calls = [lambda x: detect_qrs(x, FS), lambda x: list(stream_classify(x, FS))]
    if kind is not iter:
        calls += [BeatStream(FS).process, QRSDetector(FS).process, BandpassFilter(FS).process]
        calls += [lambda x: Record(x, FS), lambda x: RhythmStream(FS).process([], x)]
    for call in calls:
        with pytest.raises(InputError, match=r"samples must be real numbers.*(mask|yield)"):
            call(kind(mask))
