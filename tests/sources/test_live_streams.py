"""The command on live sources, as a process."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serial_board import Board, read_back, written
from thorough import thorough_cases

import ecgfast
from ecgfast import Record, stream_classify
from ecgfast.records import read_annotations

ROOT = Path(ecgfast.__file__).parents[1]  # of what is tested, installed or not
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals, pipes and signals")


@pytest.fixture
def started(model: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*args: object, **more: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ecgfast", "stream", *map(str, args)]
        process = subprocess.Popen(
            [*command, "--model", str(model)],
            stdin=more.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            **more,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def beats_in(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The beats among lines of JSON, which hold other things too."""
    rows = (json.loads(line) for line in lines if line)
    return (row for row in rows if "label" in row)


def lines_of(process: subprocess.Popen[bytes], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return list(islice(beats_in(iter(process.stdout.readline, b"")), count))


def held_by(pipe: Any) -> int:
    """Bytes in a pipe."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def sleeps(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process waits for something else than a busy processor; True where none can say."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "S"


def wait_until_full(process: subprocess.Popen[bytes]) -> None:
    """Until a process waits for somebody who reads its output."""
    held = -1
    while True:
        time.sleep(0.7)
        now = held_by(process.stdout)
        if now == held > 1000 and sleeps(process):
            return
        held = now


@posix
def test_a_board_is_labelled_live_and_its_file_outlives_a_crash(
    board: Board, ecg: Record, model: Path, started: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "night.ecg"
    signal_ = ecg.signal[:2500, 0]
    expected = list(stream_classify(read_back(signal_), 250.0, model=model))
    args = [f"serial:{board.port}", "--fs", 250, "--json", "--output", file]
    process = started(*args)
    while not file.exists():  # it opens the port, takes a first sample, and then makes the file
        board.send(b"\n" if not process.poll() else b"")
        board.send(b"0.0\n")
        time.sleep(0.05)
        if process.poll() is not None:
            raise AssertionError(process.communicate())
    board.send(written(signal_))
    first = lines_of(process, 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    marks = read_annotations(file)
    assert marks.sample[:5].tolist() == [line["sample"] for line in first]
    assert list(marks.symbol[:5]) == [line["label"] for line in first]
    lead_in = first[0]["sample"] - expected[0].sample
    assert [line["sample"] - lead_in for line in first] == [b.sample for b in expected[:5]]


@posix
@pytest.mark.parametrize(
    ("queue", "number", "status"),
    [
        *((0, "SIGINT", 0), (0, "SIGTERM", 143), (5, "SIGINT", 0), (5, "SIGHUP", 129)),
        *thorough_cases((0, "SIGHUP", 129), (5, "SIGTERM", 143)),
    ],
)
def test_a_stream_ends_cleanly_before_any_sample(
    queue: int, number: str, status: int, started: Callable[..., Any]
) -> None:
    process = started("-", "--fs", 250, "--json", "--queue", queue, stdin=subprocess.PIPE)
    process.stdin.write(b"0.1")  # no line, hence no sample: once it is taken, more is waited for
    process.stdin.flush()
    while held_by(process.stdin):
        time.sleep(0.05)
    process.send_signal(getattr(signal, number))
    assert process.wait(300) == status  # and not because its input ended
    assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.thorough
@posix
@pytest.mark.parametrize("queue", [0, 3600])
def test_a_slow_reader_loses_no_beat(
    queue: int, ecg: Record, model: Path, started: Callable[..., Any]
) -> None:
    """Standard input is held up, or a queue takes what comes; the output is read late."""
    signal_ = np.tile(ecg.signal[:, 0], 9)
    expected = list(stream_classify(read_back(signal_), 250.0, model=model))
    process = started("-", "--fs", 250, "--json", "--queue", queue, stdin=subprocess.PIPE)

    def send() -> None:
        process.stdin.write(written(signal_))
        process.stdin.close()

    thread = threading.Thread(target=send)
    thread.start()
    wait_until_full(process)
    # The pipe of the output holds less than all beats: without a queue the input waits too.
    assert queue or thread.is_alive()
    found = list(beats_in(process.stdout))
    thread.join()
    assert [line["sample"] for line in found] == [beat.sample for beat in expected]
    assert process.stderr.read() == b""


@posix
def test_the_second_interrupt_ends_a_print_that_waits(
    ecg: Record, started: Callable[..., Any]
) -> None:
    process = started("-", "--fs", 250, "--json", stdin=subprocess.PIPE)
    text = written(np.tile(ecg.signal[:, 0], 30))

    def send() -> None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(text)

    threading.Thread(target=send, daemon=True).start()
    wait_until_full(process)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)  # well after the time in which a second signal counts as the first again
    process.send_signal(signal.SIGINT)
    assert process.wait(300) == 130


@posix
def test_an_overflow_is_counted_and_reported(ecg: Record, started: Callable[..., Any]) -> None:
    signal_ = np.tile(ecg.signal[:, 0], 12)
    process = started("-", "--fs", 250, "--json", "--queue", 1, stdin=subprocess.PIPE)
    # Nobody reads its output while samples come: the pipe fills, and then the queue.
    process.stdin.write(written(signal_))
    process.stdin.close()
    out, err = process.stdout.read(), process.stderr.read()
    times = [beat["time"] for beat in beats_in(out.splitlines())]
    assert times == sorted(times)
    assert times[-1] < 480.0
    told = err.decode().splitlines()
    assert "ecgfast: the queue of 250 samples is full: dropping what comes" in told
    beats, _, dropped = told[-1].partition("; samples dropped by the full queue: ")
    assert beats == f"{len(times)} beats in 480.0 s"
    assert 0 < int(dropped) < len(signal_)
