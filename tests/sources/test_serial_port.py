"""A serial port that comes and goes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from serial_board import Board, written

from ecgfast.errors import InputError, MissingExtraError
from ecgfast.streaming import SerialSamples


def taken(chunks: Iterator[Any], until: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Samples until there are as wanted."""
    found = np.empty((0, 1), "f4")
    for chunk in chunks:
        found = np.concatenate([found, chunk])
        if until(found):
            return found
    return found


def test_lines_of_a_port_are_samples(board: Board) -> None:
    source = SerialSamples(str(board.port), 250)
    # Opened in the middle of a line, whose end could be taken for a number.
    board.send(b"99\n" + written([0.5, 0.25, -1.0]) + b"!\n" + written([2.0]))
    found = taken(iter(source), lambda x: len(x) == 5)
    np.testing.assert_array_equal(found[:, 0], [0.5, 0.25, -1.0, np.nan, 2.0])
    assert source.lines.malformed == 1
    assert (source.lost, source.gaps) == (0, 0)


def test_a_port_that_goes_away_is_opened_again_and_the_time_counted(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    source = SerialSamples(str(board.port), 100)
    chunks = iter(source)
    begin = time.monotonic()
    board.send(b"\n" + written([1, 2, 3]) + b"12.")  # a line that the cable cuts
    found = taken(chunks, lambda x: len(x) == 3)
    pulled = time.monotonic()
    board.pull()
    more = taken(chunks, lambda x: len(x) > 10)
    assert np.isnan(more).all()
    plugged = time.monotonic()
    board.plug()
    # On this terminal nobody has read yet: wait until the source has it.
    while not any("is there again" in record.getMessage() for record in caplog.records):
        more = np.concatenate([more, taken(chunks, lambda x: True)])
    board.send(b"34\n" + written([4, 5]))
    more = np.concatenate([more, taken(chunks, lambda x: x[-1, 0] == 5)])
    end = time.monotonic()
    found = np.concatenate([found, more])[:, 0]
    np.testing.assert_array_equal(found[:3], [1, 2, 3])
    np.testing.assert_array_equal(found[-2:], [4, 5])
    assert np.isnan(found[3:-2]).all()
    assert source.gaps == 1
    assert source.lost == len(found) - 5
    # However late a busy machine reads: from the last sample before to the first one after.
    assert 100 * (plugged - pulled) - 3 <= source.lost <= 100 * (end - begin) + 3
    told = [record.getMessage() for record in caplog.records]
    assert "went away" in told[0]
    assert any("samples again after a gap of" in text for text in told)


def test_a_silent_port_is_a_gap(board: Board) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.0 if source.lines.width else 60.0  # a board that starts late
        return now[0]

    source = SerialSamples(str(board.port), 100, clock=clock)
    chunks = iter(source)
    threading.Timer(0.4, board.send, [b"\n1\n"]).start()
    assert len(taken(chunks, lambda x: len(x) == 1)) == 1
    assert now[0] > 100.0
    now[0] += 1.9
    board.send(b"2\n3\n")
    np.testing.assert_array_equal(taken(chunks, lambda x: len(x) == 2)[:, 0], [2, 3])
    now[0] += 3600.0
    board.send(written(range(10)))
    found = taken(chunks, lambda x: x[-1, 0] == 9)
    assert len(found) == 360_000
    assert np.isnan(found[:-10]).all()
    assert (source.gaps, source.lost) == (1, 359_990)


def test_a_port_without_a_file_descriptor_is_read_through_pyserial() -> None:
    pytest.importorskip("serial.tools.list_ports")
    source = SerialSamples("loop://", 250)
    source._device.write(b"torn\n1\n2\n")
    found = taken(iter(source), lambda x: len(x) == 2)
    np.testing.assert_array_equal(found[:, 0], [1, 2])


def test_a_closed_source_ends(board: Board) -> None:
    source = SerialSamples(str(board.port), 250)
    threading.Timer(0.1, source.close).start()
    assert list(source) == []


def test_a_port_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("serial.tools.list_ports")
    made = SimpleNamespace(device="/dev/ttyACM7")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [made])
    with pytest.raises(
        InputError, match=r"no serial port is named: .*this machine has /dev/ttyACM7"
    ):
        SerialSamples("", 250)
    with pytest.raises(InputError, match=r"ttyNone: cannot be opened \(No such file") as caught:
        SerialSamples(str(tmp_path / "ttyNone"), 250)
    assert "\n" not in str(caught.value)


def test_without_pyserial_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[serial\]"):
        SerialSamples("/dev/ttyUSB0", 250)
