"""Lines of samples: cut anywhere, malformed, torn, and bytes that are none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from ecgfast import InputError
from ecgfast.records import synthetic_ecg
from ecgfast.sources.link import LineLink
from ecgfast.sources.text_lines import LineParser


@pytest.mark.parametrize(
    "lines",
    [
        [b"I:0.1", b"II:0.2"],
        [b"I: 0.1", b"II: 0.2", b"V1: -0.3"],
        [b"I:0.1,II:0.2", b"V1:0.3,V2:0.4"],
    ],
)
def test_lines_of_several_signals_by_turns_are_refused(lines: list[bytes]) -> None:
    """Read as one lead, they would be a mixture of all."""
    with pytest.raises(InputError, match=r"by turns .*I.*; send a line for each time.*I.*:0\.1"):
        LineParser("here", fs=250.0).feed(b"\n".join(lines * 3) + b"\n")


def test_names_before_numbers_that_are_no_signals_by_turns() -> None:
    """A setting first, a counter in the name, and a battery now and then."""
    parser = LineParser("here", fs=250.0)
    assert parser.feed(b"Gain: 6\nECG: 512\nECG: 513\n")[1:, 0].tolist() == [512, 513]
    counted = b"".join(b"Sample %d: %d\n" % (i, i % 7) for i in range(300))
    parser = LineParser("here", fs=250.0)
    assert parser.feed(counted)[:, 0].tolist() == [i % 7 for i in range(300)]
    parser = LineParser("here", fs=250.0)
    found = parser.feed(b"ECG: 5\n" * 100 + b"Battery: 3.9\nECG: 6\n")[:, 0]
    assert np.isnan(found[100])
    assert found[[99, 101]].tolist() == [5, 6]
    assert parser.malformed == 1


def test_lines_cut_anywhere_give_the_same_samples() -> None:
    text = b"MLII, V1\n0.1,0.2\r\n\n0.3;0.4\n-1e-3 5\nnan,2\n7,8"
    whole = LineParser("x")
    expected = np.concatenate([part for part in (whole.feed(text), whole.finish()) if len(part)])
    np.testing.assert_array_equal(
        expected, np.array([[0.1, 0.2], [0.3, 0.4], [-1e-3, 5], [np.nan, 2], [7, 8]], "f4")
    )
    assert (whole.names, whole.width, whole.malformed) == (("MLII", "V1"), 2, 0)
    for step in (1, 3, 10):
        parser = LineParser("x")
        parts = [parser.feed(text[i : i + step]) for i in range(0, len(text), step)]
        parts.append(parser.finish())
        np.testing.assert_array_equal(np.concatenate([p for p in parts if len(p)]), expected)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_lines_end_as_the_instrument_ends_them(end: bytes, step: int) -> None:
    """Lines that a carriage return alone ends had been one line that was too long."""
    text = end.join([b"MLII", b"0.1", b"0.2", b"x", b"0.3", b""])
    parser = LineParser("x")
    parts = [parser.feed(text[i : i + step]) for i in range(0, len(text), step)]
    parts.append(parser.finish())
    samples = np.concatenate([part for part in parts if len(part)])
    np.testing.assert_array_equal(samples[:, 0], np.array([0.1, 0.2, np.nan, 0.3], np.float32))
    assert (parser.names, parser.malformed, parser.lines) == (("MLII",), 1, 5)


@pytest.mark.parametrize("step", [1000, 4096, 5000, 1 << 20])
def test_a_line_that_is_too_long_is_said_wherever_it_was_cut(
    step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A head longer than 4,096 bytes had been passed over in silence, or cut within a name."""
    head = ",".join(["II", "V1", *(f"channel {i} of a long head" for i in range(300))])
    text = f"{head}\n".encode() + b"1,2\n3,4\n" + b"5," * 2500 + b"\n" + b"7,8\n"
    now = 0.0
    parser = LineParser("x", clock=lambda: now, every=True)
    parts = []
    for i in range(0, len(text), step):
        parts.append(parser.feed(text[i : i + step]))
        now += 11.0
    parts.append(parser.finish())
    found = np.concatenate([part for part in parts if len(part)])
    np.testing.assert_array_equal(found, [[1, 2], [3, 4], [np.nan, np.nan], [7, 8]])
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("x, line 1: 'II,V1,channel 0")
    assert told[0].endswith("is longer than 4096 bytes; passed over, with the names in it")
    assert parser.names == ()
    assert parser.malformed == 2


def test_a_malformed_line_is_a_missing_sample_counted_and_reported_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    parser = LineParser("board", clock=lambda: now)
    samples = parser.feed(b"1\n2\n!\n3\n4,5\n\xff\xfe\n6\n")
    np.testing.assert_array_equal(samples[:, 0], [1, 2, np.nan, 3, np.nan, np.nan, 6])
    assert parser.malformed == 3
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("board, line 3: '!' is no line of numbers")
    now = 11.0
    parser.feed(b"7,8\n")
    assert "has 2 numbers, not 1" in caplog.records[1].getMessage()
    assert "as were 2 lines before it" in caplog.records[1].getMessage()


def test_a_stream_without_line_ends_takes_no_memory() -> None:
    parser = LineParser("board")
    parser.feed(b"1\n")
    for _ in range(300):
        assert len(parser.feed(b"\x80" * 1000)) <= 1
    assert parser.malformed == 1
    np.testing.assert_array_equal(parser.feed(b"\x80\n5\n")[:, 0], [5])


def test_a_line_that_was_torn_is_no_sample() -> None:
    parser = LineParser("board")
    parser.tear()
    np.testing.assert_array_equal(parser.feed(b"23\n524\n52")[:, 0], [524])
    parser.tear()
    np.testing.assert_array_equal(parser.feed(b"6\n527\n")[:, 0], [527])
    assert parser.malformed == 0


def test_a_rate_before_the_first_sample_is_no_sample() -> None:
    parser = LineParser("board")
    np.testing.assert_array_equal(
        parser.feed(b"Sampling rate: 250\nECG: 512\nECG: 513\n")[:, 0], [512, 513]
    )
    assert (parser.names, parser.malformed) == (("ECG",), 0)


class Made(LineLink):
    """A link that gives pieces of bytes in made time."""

    opens_mid_line = False

    def __init__(self, pieces: Iterable[tuple[float, bytes]]) -> None:
        self.now = 0.0
        super().__init__("made", 100.0, option="fs=", advice="", clock=lambda: self.now)
        self._pieces = iter(pieces)
        self._device = self

    def _take(self) -> bytes:
        self.now, piece = next(self._pieces, (self.now, b""))
        if not piece:
            self._closed = True
        return piece

    def _hang_up(self) -> None:
        pass


def test_bytes_that_are_no_samples_are_a_gap_of_their_time() -> None:
    """Ten seconds at a wrong baud rate: few lines, none readable; later beats keep their time."""
    noise = [(1.0 + 0.1 * i, b"\xff" * 9 + b"\n" * (i % 5 == 0)) for i in range(1, 101)]
    source = Made([(1.0, b"0.5\n" * 100), *noise, (11.1, b"\n" + b"0.25\n" * 10)])
    found = np.concatenate(list(source))[:, 0]
    assert len(found) == pytest.approx(11.1 * 100, abs=2)
    assert np.isfinite(found).sum() == 110
    assert source.gaps == 1


def test_samples_that_are_missing_one_by_one_are_no_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A board that sends a sign for each sample while an electrode is off loses no time."""
    off = [(1.0 + 0.1 * i, b"!\n" * (10 + (-1) ** i)) for i in range(1, 101)]
    source = Made([(1.0, b"0.5\n" * 100), *off, (11.1, b"0.25\n" * 10)])
    found = np.concatenate(list(source))[:, 0]
    assert len(found) == 1110
    assert np.isfinite(found).sum() == 110
    assert (source.gaps, source.lost) == (0, 0)
    assert "no samples" not in caplog.text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("time,ecg,acc\n0.000,{},0.5\n0.004,{},\n0.008,{},\n", ("ecg",)),
        ("time,ecg,acc\n0.000,{},\n0.004,{},\n0.008,{},0.5\n", ("ecg",)),
        ("time;acc;ecg\n0,000;;{}\n0,004;NA;{}\n0,008;-1,5;{}\n", ("ecg",)),
        ('"time","ecg"\n"0.000","{}"\n"0.004","{}"\n"0.008","{}"\n', ("ecg",)),
        ("n\tppg\tecg\n1\t\t{}\n2\t\t{}\n3\t7\t{}\n", ("ecg",)),
    ],
)
def test_a_blank_field_is_a_missing_value_of_its_own(text: str, names: tuple[str, ...]) -> None:
    parser = LineParser("board", fs=250.0)
    parts = [parser.feed(text.format("11", "12", "13").encode()), parser.finish()]
    assert np.concatenate([part for part in parts if len(part)])[:, 0].tolist() == [11, 12, 13]
    assert parser.names == names
    assert parser.malformed == 0


def test_quoted_decimal_commas_and_ends_of_lines() -> None:
    parser = LineParser("board")
    assert parser.feed(b'"-0,25"\n"1,5"\n"2,048.5"\n').tolist() == [[-0.25], [1.5], [2048.5]]
    parser = LineParser("board", fs=250.0)  # a line of words is no line of names
    parser.feed(b"time,ecg,label\n0.000,11,N\n0.004,12,\n0.008,13,\n")
    assert parser.finish()[:, -1].tolist() == [12, 13]
    parser = LineParser("board", fs=250.0)
    parser.feed(b"1,2,\n3,4,\n")
    assert parser.finish().tolist() == [[1, 2], [3, 4]]  # a separator at the end opens no field


def lines_of(names: tuple[str, str], head: str, stamped: bool) -> bytes:
    """Two seconds of two leads, a line for each sample of each."""
    x = synthetic_ecg(2.0, 250.0, leads=("MLII", "V1"), seed=1).signal
    rows = [
        f"{f'{i / 250.0:.3f},' if stamped else ''}{name},{value:.4f}\n"
        for i, sample in enumerate(x)
        for name, value in zip(names, sample, strict=True)
    ]
    return (head + "".join(rows)).encode()


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("names", [("1", "2"), ("0", "1"), ("7", "3"), ("I", "V1")])
@pytest.mark.parametrize("fs", [None, 250.0, 500.0])
def test_a_line_for_each_sample_of_each_lead_is_refused(
    names: tuple[str, str], stamped: bool, head: bool, fs: float | None
) -> None:
    """Read as one lead they would be an ECG of twice the rate with a comb in it."""
    words = ("time," if stamped else "") + "channel,value\n" if head else ""
    parser = LineParser("dev", fs=fs)
    says = f"dev: has a line for each sample of each signal, .* names .{min(names)}, {max(names)}.;"
    with pytest.raises(InputError, match=says):
        parser.feed(lines_of(names, words, stamped))


@pytest.mark.parametrize("hum", [0.0, 0.2])
@pytest.mark.parametrize("width", [2, 5])
@pytest.mark.parametrize("n_leads", [1, 2])
def test_a_small_counter_beside_leads_names_no_signals(
    width: int, n_leads: int, hum: float
) -> None:
    """Also with hum that repeats as the counter does: 50 Hz every five samples."""
    x = synthetic_ecg(4.0, 250.0, leads=("MLII", "V1")[:n_leads], seed=1).signal
    x = x + hum * np.sin(0.4 * np.pi * np.arange(len(x)))[:, np.newaxis]
    rows = [f"{i % width}," + ",".join(f"{v:.4f}" for v in row) for i, row in enumerate(x)]
    samples = LineParser("dev", fs=250.0).feed("\n".join(rows).encode() + b"\n")
    assert samples.shape == (len(x), n_leads)


@pytest.mark.parametrize("word", ["OFF", "--", "#N/A", "lead off", "nan", ""])
def test_a_word_in_place_of_a_number_costs_no_other_lead(word: str) -> None:
    parser = LineParser("board", every=True, fs=250.0)
    rows = [f"{i % 7},{word if 100 <= i < 200 else i % 5}\n" for i in range(700)]
    samples = np.concatenate([parser.feed("".join(rows).encode()), parser.finish()])
    assert parser.malformed == 0
    assert np.isfinite(samples[:, 0]).all()
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(samples[:, 1])), np.arange(100, 200))


def test_the_minus_of_typography_is_one() -> None:
    parser = LineParser("board")
    samples = parser.feed("0.5\n\u22120.25\n".encode())
    np.testing.assert_array_equal(samples[:, 0], [0.5, -0.25])


def test_a_rate_in_the_head_that_contradicts_is_said(caplog: pytest.LogCaptureFixture) -> None:
    for fs, line in ((250.0, "# fs=250"), (500.0, "Sampling rate: 500 Hz"), (250.0, "baud: 9600")):
        LineParser("board", fs=fs).feed(f"{line}\n1\n2\n".encode())
    assert not caplog.records
    LineParser("board", fs=250.0).feed(b"# fs=500\n1\n2\n")
    assert "its head says 500 Hz, and 250 Hz were given" in caplog.text


def test_objects_of_json_are_refused_as_such() -> None:
    lines = b"".join(b'{"t": %d, "ecg": %d}\n' % (4 * i, i % 9) for i in range(100))
    with pytest.raises(InputError, match="its lines are JSON objects; send the numbers"):
        LineParser("board", fs=250.0).feed(lines)
