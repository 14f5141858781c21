"""Lines with a clock or a counter: lines that were lost on the way are missing samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from ecgfast.records import synthetic_ecg
from ecgfast.sources.link import LineLink, Link
from ecgfast.sources.text_lines import LineParser

FS = 250.0
N = 1000
VALUES = np.random.default_rng(3).normal(0, 1, N).round(4)

STAMPS: dict[str, Callable[[int], str]] = {
    "milliseconds": lambda i: str(4 * i),
    "microseconds that wrap": lambda i: str((4_294_000_000 + 4000 * i) % 2**32),
    "counter": str,
    "counter of a byte": lambda i: str(i % 256),
    "counter to 99": lambda i: str(i % 100),
    "time of day": lambda i: (
        f"23:59:{58 + i // 250:02d}.{4 * i % 1000:03d}"
        if i < 500
        else f"00:00:{i // 250 - 2:02d}.{4 * i % 1000:03d}"
    ),
}


def parsed(lines: Iterable[str], *, step: int | None = None) -> tuple[np.ndarray, LineParser]:
    parser = LineParser("board", fs=FS)
    text = "".join(f"{line}\n" for line in lines).encode()
    step = step or len(text)
    parts = [parser.feed(text[i : i + step]) for i in range(0, len(text), step)]
    return np.concatenate([p for p in [*parts, parser.finish()] if len(p)])[:, 0], parser


@pytest.mark.parametrize("kind", STAMPS)
@pytest.mark.parametrize("step", [None, 17])
def test_lines_that_are_lost_become_missing_samples(kind: str, step: int | None) -> None:
    lost = [*range(300, 325), 600, *range(800, 830)]
    lines = [f"{STAMPS[kind](i)},{VALUES[i]}" for i in range(N) if i not in lost]
    signal, parser = parsed(lines, step=step)
    expected = VALUES.astype("f4")
    expected[lost] = np.nan
    np.testing.assert_array_equal(signal, expected)
    assert (parser.lost, parser.gaps) == (len(lost), 3)


@pytest.mark.parametrize("kind", STAMPS)
def test_where_nothing_is_lost_nothing_is_filled(kind: str) -> None:
    signal, parser = parsed(f"{STAMPS[kind](i)},{VALUES[i]}" for i in range(N))
    np.testing.assert_array_equal(signal, VALUES.astype("f4"))
    assert parser.lost == 0


def test_a_malformed_line_is_one_missing_sample_and_no_lost_one() -> None:
    lines = [f"{4 * i},{VALUES[i]}" for i in range(N)]
    lines[500] = lines[501] = "!"
    signal, parser = parsed(lines)
    assert np.flatnonzero(np.isnan(signal)).tolist() == [500, 501]
    assert (len(signal), parser.lost, parser.malformed) == (N, 0, 2)


@pytest.mark.parametrize("damaged", ["99999999", "3"])
def test_a_damaged_stamp_is_no_leap(damaged: str) -> None:
    lines = [f"{4 * i},{VALUES[i]}" for i in range(N)]
    lines[500] = f"{damaged},{VALUES[500]}"
    signal, parser = parsed(lines)
    np.testing.assert_array_equal(signal, VALUES.astype("f4"))
    assert parser.lost == 0


def test_a_line_that_came_late_is_no_leap() -> None:
    """A board that stamps lines when it sends them was busy for 20 ms, and caught up."""
    stamps = [4 * i for i in range(N)]
    stamps[500:505] = [2020, 2020, 2020, 2020, 2020]
    signal, parser = parsed(f"{s},{v}" for s, v in zip(stamps, VALUES, strict=True))
    assert (len(signal), parser.lost) == (N, 0)


def test_lines_of_a_packet_share_a_stamp() -> None:
    lost = range(400, 425)
    lines = [f"{100 * (i // 25)},{VALUES[i]}" for i in range(N) if i not in lost]
    signal, parser = parsed(lines)
    expected = VALUES.astype("f4")
    expected[lost] = np.nan
    np.testing.assert_array_equal(signal, expected)
    assert parser.lost == 25


def test_a_clock_of_another_rate_fills_nothing() -> None:
    """The wrong rate is reported; it is no loss."""
    signal, parser = parsed(f"{2 * i},{VALUES[i]}" for i in range(N))
    assert (len(signal), parser.lost) == (N, 0)


def test_a_clock_that_goes_back_or_far_ahead_is_reported_and_not_filled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stamps = [*range(0, 2000, 4), *range(0, 1000, 4), *range(90_000_000, 90_001_000, 4)]
    signal, parser = parsed(f"{s},{v}" for s, v in zip(stamps, VALUES, strict=True))
    assert (len(signal), parser.lost) == (N, 0)
    assert "its clock goes back from 1996 to 0" in caplog.text
    assert "its clock leaps from 996 to 90000000, 89999 s: that is not filled" in caplog.text


class Board(LineLink):
    """A link that gives pieces of bytes in made time."""

    opens_mid_line = False

    def __init__(self, pieces: Iterable[tuple[float, bytes]]) -> None:
        self.now = 0.0
        super().__init__("board", 100.0, option="fs=", advice="", clock=lambda: self.now)
        self._pieces = iter(pieces)
        self._device = self

    def _take(self) -> bytes:
        self.now, piece = next(self._pieces, (self.now, b"end"))
        self._closed = piece == b"end"
        return b"" if self._closed else piece

    def _hang_up(self) -> None:
        pass


def lines(first: int, last: int) -> bytes:
    return b"".join(b"%d,%d\n" % (10 * i, i % 7) for i in range(first, last))


def test_a_silence_is_filled_once_where_the_device_has_a_clock_too() -> None:
    """Five seconds out of reach: counted while they pass, and known by the stamps after them."""
    silence = [(1.0 + 0.25 * i, b"") for i in range(1, 20)]
    board = Board([(1.0, lines(0, 100)), *silence, (6.1, lines(600, 610))])
    found = np.concatenate(list(board))[:, 0]
    assert len(found) == 610
    assert np.isfinite(found).sum() == 110
    assert (board.gaps, board.lost) == (1, 500)


def test_datagrams_that_are_lost_are_counted_as_lost() -> None:
    board = Board([(1.0, lines(0, 100)), (1.1, lines(100, 110)), (1.3, lines(120, 130))])
    found = np.concatenate(list(board))[:, 0]
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(110, 120))
    assert (board.gaps, board.lost) == (1, 10)
    assert board.troubles() == ("samples lost in gaps: 10 in 1",)


@pytest.mark.parametrize("kept", [False, True])
def test_a_clock_that_is_set_in_less_time_than_it_leaps_has_lost_nothing(
    kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board([(1.0, lines(0, 100)), (1.1, lines(100, 110)), (1.3, lines(3100, 3110))])
    board.keeps_all = kept  # a file that is sent over TCP passes faster than it was recorded
    found = np.concatenate(list(board))[:, 0]
    assert len(found) == (3110 if kept else 120)
    assert board.lost == (2990 if kept else 0)
    assert ("its clock leaps by 30 s in less time" in caplog.text) is not kept


class Strap(Link):
    """A device that knows by its own stamps what was lost, as `PolarSamples`."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__("strap", 100.0, option="fs=", advice="", clock=lambda: self.now)
        nothing = np.full((500, 1), np.nan, "f4")
        self._chunks = iter(
            [(1.0, np.zeros((100, 1), "f4"))]
            + [(1.0 + 0.25 * i, None) for i in range(1, 20)]
            + [(6.1, np.concatenate([nothing, np.ones((10, 1), "f4")]))]
        )
        self._begun = False

    def _width(self) -> int:
        return int(self._begun)

    def _read(self) -> np.ndarray | None:
        self.now, chunk = next(self._chunks, (self.now, None))
        self._closed = self._begun and self.now == 6.1 and chunk is None
        if chunk is not None:
            self._begun = True
            self.lost += int(np.isnan(chunk).sum())
            self.gaps += bool(np.isnan(chunk).any())
        return chunk

    def _hang_up(self) -> None:
        pass


def test_what_a_strap_lost_in_a_silence_is_filled_once() -> None:
    strap = Strap()
    found = np.concatenate(list(strap))[:, 0]
    assert len(found) == 610
    assert (strap.gaps, strap.lost) == (1, 500)


# What else such lines look like.


@pytest.mark.parametrize(
    ("line", "head", "names"),
    [
        ("04.03.2026 23:59:{s:02d},{ms:03d};{v},5", "Datum;EKG [mV]", ("EKG",)),
        ("{i}\t{v},5", "ms\tEKG", ("EKG",)),
        ("{i},{v}.5", "\ufefftime,ECG", ("ECG",)),
        ("{i},{v}.5,", "time,ECG,", ("ECG",)),
        ("{i},{v}.5", "time,ECG\nms,mV", ("ECG",)),
    ],
)
def test_lines_as_programs_of_other_countries_write_them(
    line: str, head: str, names: tuple[str, ...]
) -> None:
    numbers = np.random.default_rng(1).integers(-9, 10, 500)
    lines_ = [
        line.format(i=4 * i, s=i // 250, ms=4 * (i % 250), v=v) for i, v in enumerate(numbers)
    ]
    signal, parser = parsed([head, *lines_])
    assert parser.names == names
    np.testing.assert_array_equal(np.abs(signal), np.abs(numbers) + 0.5)


def test_how_lines_come_together_changes_nothing() -> None:
    """A damaged stamp far behind the lines that decide which field is the ECG."""
    lines_ = [f"{4 * i},{VALUES[i]}" for i in range(N)]
    lines_[500] = f"99999999,{VALUES[500]}"
    one, many = parsed(lines_), parsed(lines_, step=100)
    np.testing.assert_array_equal(one[0], many[0])
    assert one[1].left_out == many[1].left_out


def test_a_date_with_dots_passes_midnight(caplog: pytest.LogCaptureFixture) -> None:
    """The fourth of March is followed by the fifth, and not by another month."""
    days = [("04", 86_398.0 + i / 250) if i < 500 else ("05", (i - 500) / 250) for i in range(N)]
    stamps = [
        f"{day}.03.2026 {int(s) // 3600:02d}:{int(s) // 60 % 60:02d}:{s % 60:06.3f}"
        for day, s in days
    ]
    signal, parser = parsed(f"{s};{v}" for s, v in zip(stamps, VALUES, strict=True))
    assert (len(signal), parser.lost) == (N, 0)
    assert "clock leaps" not in caplog.text
    assert "goes back" not in caplog.text


def test_a_field_that_was_left_out_as_it_never_changed_is_reported_once_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parser = LineParser("board", fs=FS)
    ecg = synthetic_ecg(10.0, FS, muscle=0.01).signal[:, 0]
    off = [f"{value:.4f},3.2\n".encode() for value in ecg]
    parser.feed(b"".join(off))
    assert parser.width == 1
    assert "changes now" not in caplog.text
    on = [f"{value:.4f},{value / 2:.4f}\n".encode() for value in ecg]
    for line in on:
        parser.feed(line)
    assert caplog.text.count("field 1 changes now; it was left out since it never did") == 1


@pytest.mark.parametrize("kind", [*STAMPS, "number of a packet"])
@pytest.mark.parametrize("step", [None, 17])
def test_lines_that_come_twice_or_too_late_are_left_out(kind: str, step: int | None) -> None:
    """Datagrams of ten lines: on the way one is doubled, and one comes after the next."""
    stamp = STAMPS.get(kind, lambda i: str(i // 10 % 256))
    lines = [f"{stamp(i)},{VALUES[i]}" for i in range(N)]
    packets = [lines[i : i + 10] for i in range(0, N, 10)]
    late = [40, 70]
    order = [*range(40), 41, 40, *range(42, 50), 49, *range(50, 70), 71, 70, *range(72, 100), 99]
    signal, parser = parsed([line for k in order for line in packets[k]], step=step)
    expected = VALUES.astype("f4")
    for k in late:
        expected[10 * k : 10 * k + 10] = np.nan
    np.testing.assert_array_equal(signal, expected)
    assert (parser.lost, parser.gaps, parser.repeated) == (20, 2, 40)


@pytest.mark.parametrize("kind", STAMPS)
def test_lines_of_a_lead_that_is_off_are_not_taken_for_ones_that_came_before(kind: str) -> None:
    lost = [*range(300, 325), *range(600, 640)]
    lines = [f"{STAMPS[kind](i)},3.2" for i in range(N) if i not in lost]
    signal, parser = parsed(lines, step=17)
    assert (len(signal), parser.lost, parser.repeated) == (N, len(lost), 0)
    assert np.flatnonzero(np.isnan(signal)).tolist() == lost
