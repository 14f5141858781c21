"""Samples that do not come as the sampling rate says: reported within 5 s, once a change."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgfast import stream_classify
from ecgfast.sources.rate import RateWatch, watched
from ecgfast.streaming import SampleQueue, SerialSamples

FS = 250.0
STEP = 0.1


class Source:
    """A watched source on a clock of its own."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now = 100.0
        self.watch = RateWatch("board", FS, option="--fs ", clock=lambda: self.now)
        self._caplog = caplog
        self._seen = 0
        self._share = 0.0

    def send(self, seconds: float, rate: float, *, step: float = STEP, work: float = 0.0) -> None:
        """Samples at a rate, in chunks of `step` seconds; the consumer works in between."""
        for _ in range(round(seconds / step)):
            self.watch.wait()
            self.now += step - work
            self.watch.check()
            self._share += rate * step
            count = int(self._share)
            self._share -= count
            self.watch.take(count)
            self.now += work

    def told(self) -> list[str]:
        """Messages since the last call."""
        new = [record.getMessage() for record in self._caplog.records[self._seen :]]
        self._seen = len(self._caplog.records)
        return new


@pytest.fixture
def source(caplog: pytest.LogCaptureFixture) -> Source:
    return Source(caplog)


@pytest.mark.parametrize("rate", [FS, 0.96 * FS, 1.04 * FS])
@pytest.mark.parametrize("step", [0.004, 0.1, 1.0])
def test_a_rate_that_is_right_is_no_news(source: Source, rate: float, step: float) -> None:
    source.send(60, rate, step=step)
    assert source.told() == []


@pytest.mark.parametrize("factor", [10.0, 2.0, 1.12, 0.88, 0.5, 0.1])
@pytest.mark.parametrize("step", [0.1, 1.0])
def test_a_wrong_rate_is_told_once_within_five_seconds(
    source: Source, factor: float, step: float
) -> None:
    source.send(5, factor * FS, step=step)
    (told,) = source.told()
    assert told.startswith(f"board: about {factor * FS:.0f} samples come a second, not 250")
    assert told.endswith("check --fs 250")
    source.send(60, factor * FS, step=step)
    assert source.told() == []


def test_a_rate_that_changes_is_told_again(source: Source) -> None:
    source.send(10, FS)
    assert source.told() == []
    source.send(5, 2 * FS)
    assert len(source.told()) == 1
    source.send(15, 2 * FS)
    assert source.told() == []
    source.send(5, 4 * FS)
    (told,) = source.told()
    assert 900 < float(told.split("about ")[1].split()[0]) < 1100
    source.send(5, FS)
    assert source.told() == ["board: samples come at 250 a second again, as --fs 250 says"]
    source.send(30, FS)
    assert source.told() == []


def test_silence_from_the_start(source: Source) -> None:
    source.send(5, 0)
    (told,) = source.told()
    assert told.startswith("board: no sample yet for 3 s")
    source.send(30, 0)
    assert source.told() == []
    source.send(10, FS)
    assert source.told() == ["board: samples again after 35 s without"]


def test_a_stall_and_its_end(source: Source) -> None:
    source.send(10, FS)
    source.send(5, 0)
    (told,) = source.told()
    assert told.startswith("board: no sample any more for 3 s")
    source.now += 0.1
    source.watch.take(round(5.1 * FS))  # what was held back
    assert source.told() == ["board: samples again after 5 s without"]
    source.send(30, FS)
    assert source.told() == []


def test_late_and_early_chunks_are_no_wrong_rate(source: Source) -> None:
    rng = np.random.default_rng(2)
    due = 0.0
    for _ in range(600):
        due += STEP
        arrival = 100 + due + rng.uniform(0, 0.14)
        source.watch.wait()
        source.now = max(source.now, arrival)
        source.watch.take(round(STEP * FS))
    assert source.told() == []


def test_a_consumer_that_is_slow_is_none_of_the_source(source: Source) -> None:
    source.send(30, 0.4 * FS, work=0.07)
    assert source.told() == []
    source.watch.wait()
    source.watch.take(1)
    source.now += 60
    source.watch.check()
    assert source.told() == []


def test_what_is_read_out_of_a_file_is_no_wrong_rate(source: Source) -> None:
    source.send(10, 100 * FS)
    assert source.told() == []


@pytest.mark.parametrize("factor", [1.2, 3.0, 10.0])
def test_samples_that_wait_for_a_busy_reader_are_no_wrong_rate(
    source: Source, factor: float
) -> None:
    """On a machine with other work, times of a recording in memory had been called wrong."""
    source.send(20, factor * FS, work=0.09)
    assert source.told() == []


def test_an_iterator_that_stalls_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    going_on = threading.Event()

    def board():
        yield np.zeros(25)
        going_on.wait(300)

    def wait_for(text: str) -> None:
        end = time.monotonic() + 200
        while not any(text in record.getMessage() for record in caplog.records):
            assert time.monotonic() < end
            time.sleep(0.05)
        going_on.set()

    waiting = threading.Thread(target=wait_for, args=("the source: no sample any more",))
    waiting.start()
    assert list(stream_classify(board(), FS)) == []
    waiting.join()
    assert going_on.is_set()
    for thread in threading.enumerate():
        if thread.name == "ecgfast rate":
            thread.join(300)
            assert not thread.is_alive()


def test_sequences_and_sources_that_watch_themselves_are_not_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []
    monkeypatch.setattr(
        "ecgfast.sources.chunks.watched", lambda items, *_: begun.append(1) or items
    )
    chunks = [np.zeros(25)] * 4
    list(stream_classify(chunks, FS))
    own = iter(chunks)
    queue = SampleQueue(type("Own", (), {"__iter__": lambda _: own, "watches_rate": True})(), 1000)
    list(stream_classify(queue, FS))
    assert begun == []
    list(stream_classify(iter(chunks), FS))
    assert begun == [1]


def test_watched_chunks_are_the_chunks() -> None:
    chunks = [np.full(n, n, "f4") for n in range(1, 50)]
    watch = RateWatch("x", FS)
    assert all(a is b for a, b in zip(watched(iter(chunks), watch), chunks, strict=True))


@pytest.fixture
def stream() -> Callable[..., subprocess.Popen[bytes]]:
    started = []

    def start(source: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ecgfast", "stream", source, "--fs", "250", *more]
        started.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=Path(__file__).parents[1],
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def test_standard_input_that_is_silent_then_too_fast(
    stream: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = stream("-")
    assert process.stdin is not None
    assert process.stderr is not None
    assert b"standard input: no sample yet for" in process.stderr.readline()
    ended = threading.Event()

    def write() -> None:
        begin, sent = time.monotonic(), 0
        while not ended.is_set():
            due = int((time.monotonic() - begin) * 2500)
            process.stdin.write(b"0.1\n" * (due - sent))
            process.stdin.flush()
            sent = due
            time.sleep(0.05)
        process.stdin.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert b"samples again after" in process.stderr.readline()
    told = ""
    while "samples come a second" not in told:  # on a busy machine the writer may pause again
        told = process.stderr.readline().decode()
        assert told
    ended.set()
    writer.join()
    # How fast they come depends on the machine too.
    assert float(told.split("about ")[1].split()[0]) > 275
    assert "samples come a second, not 250: times and heart rates are wrong" in told
    assert "check --fs 250" in told


def test_a_port_that_is_silent_from_the_start(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("serial")
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    import tty

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        source = SerialSamples(os.ttyname(theirs), FS)
        chunks = iter(source)

        def send() -> None:
            end = time.monotonic() + 200
            while not caplog.records and time.monotonic() < end:
                time.sleep(0.05)
            os.write(ours, b"1\n2\n3\n")

        sender = threading.Thread(target=send)
        sender.start()
        assert len(next(chunks))
        sender.join()
        source.close()
    finally:
        os.close(ours)
        os.close(theirs)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "no sample yet for 3 s; check that the board sends" in told[0]
    assert "samples again after" in told[1]
