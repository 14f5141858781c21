"""Live sources: lines, a bounded queue, a serial port that comes and goes, a growing file."""

from __future__ import annotations

import contextlib
import json
import os
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
from model_files import FEATURES, affine_model, save_model
from thorough import thorough_cases

import ecgfast
from ecgfast import Record, stream_classify
from ecgfast.errors import InputError, MissingExtraError
from ecgfast.records import read_annotations, synthetic_ecg
from ecgfast.records.annotation_file import AnnotationFile
from ecgfast.sources.link import LineLink
from ecgfast.sources.queue import missing
from ecgfast.sources.text_lines import LineParser
from ecgfast.streaming import SampleQueue, SerialSamples

ROOT = Path(ecgfast.__file__).parents[1]  # of what is tested, installed or not
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals, pipes and signals")


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(40.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content, _ = affine_model(np.random.default_rng(23), (72, 2), FEATURES, 5)
    return save_model(tmp_path_factory.mktemp("model"), "arbitrary", content, tuple("NSVFQ"))


def written(values: Any) -> bytes:
    return "".join(f"{value:.5f}\r\n" for value in values).encode()


def read_back(values: Any) -> np.ndarray:
    return np.array([float(f"{value:.5f}") for value in values], np.float32)


# Lines.


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


# The queue.


def test_a_queue_with_room_changes_nothing() -> None:
    chunks = [np.full((3, 2), i, "f4") for i in range(50)]
    queue = SampleQueue(chunks, 1000)
    np.testing.assert_array_equal(np.concatenate(list(queue)), np.concatenate(chunks))
    assert queue.dropped == 0


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_full_queue_counts_what_it_drops_and_keeps_the_time(
    shape: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """One chunk is taken, the source races ahead, and only then the rest is taken."""
    raced, begun = threading.Event(), threading.Event()
    chunks = np.arange(1, 101, dtype="f4").reshape(100, 1)

    def source() -> Iterator[Any]:
        for i, value in enumerate(chunks[:, 0]):
            if i == 1:
                begun.wait(10)
            yield np.full((1, *shape), value, "f4")
        raced.set()

    queue = SampleQueue(source(), 10)
    taken = []
    for chunk in queue:
        if not begun.is_set():
            begun.set()
            raced.wait(10)
        taken.append(chunk)
    values = np.concatenate(taken).reshape(100, -1)[:, 0]
    np.testing.assert_array_equal(values[:11], np.arange(1, 12))
    assert np.isnan(values[11:]).all()
    assert queue.dropped == 89
    assert "queue of 10 samples is full" in caplog.records[0].getMessage()


def test_after_an_overflow_half_of_the_queue_must_be_free() -> None:
    """So that a slow consumer gets long stretches and few gaps."""
    queue = SampleQueue([], 10)
    for value in range(12):
        queue._take(np.array([float(value)]))
    assert queue.dropped == 2
    for _ in range(4):
        queue._next()
    queue._take(np.array([50.0]))
    assert queue.dropped == 3
    for _ in range(2):
        queue._next()
    queue._take(np.array([60.0]))
    assert queue.dropped == 3
    *_, last = (queue._next() for _ in range(5))
    assert last is not None
    assert last[0] == 3
    assert last[1] == [60.0]


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


def test_a_queue_calls_while_its_reader_waits() -> None:
    called: list[int] = []
    enough = threading.Event()

    def chunks() -> Iterator[np.ndarray]:
        yield np.zeros(10)
        enough.wait(30)
        yield np.ones(10)

    def waits() -> None:
        called.append(threading.get_ident())
        if len(called) == 3:
            enough.set()

    queue = SampleQueue(chunks(), 100)
    queue.waits = waits
    assert len(np.concatenate(list(queue))) == 20
    assert set(called) == {threading.get_ident()}  # on the thread that takes the samples


def test_what_the_source_raises_arrives() -> None:
    def source() -> Iterator[Any]:
        yield np.zeros(5)
        raise OSError("gone")

    queue = iter(SampleQueue(source(), 100))
    assert len(next(queue)) == 5
    with pytest.raises(OSError, match="gone"):
        next(queue)
    with pytest.raises(InputError, match="at least one"):
        SampleQueue([], 0)


def test_missing_samples_come_in_small_chunks() -> None:
    chunks = list(missing(10_000, (2,)))
    assert sum(map(len, chunks)) == 10_000
    assert max(map(len, chunks)) <= 4096
    assert chunks[0].shape[1:] == (2,)


def test_beats_through_a_queue_are_the_same(ecg: Record, model: Path) -> None:
    chunks = [ecg.signal[i : i + 25] for i in range(0, ecg.n_samples, 25)]
    through = [repr(b) for b in stream_classify(SampleQueue(chunks, 10**6), 250, model=model)]
    assert through == [repr(b) for b in stream_classify(ecg, model=model)]


def test_streams_in_threads_give_the_beats_of_one(ecg: Record, model: Path) -> None:
    expected = [repr(beat) for beat in stream_classify(ecg, model=model)]
    found: dict[int, list[str]] = {}

    def work(i: int) -> None:
        chunks = (ecg.signal[a : a + 7 + i] for a in range(0, ecg.n_samples, 7 + i))
        found[i] = [repr(beat) for beat in stream_classify(chunks, 250, model=model)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(6), expected)


# The annotation file that grows.


def test_a_growing_file_is_whole_after_each_mark(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = tmp_path / "night.ecg"
    marks = [(5, "N", ""), (5, "V", ""), (2000, "Q", "abnormal"), (4_000_000, "S", "")]
    with AnnotationFile(path, 250.0) as file:
        assert len(read_annotations(path)) == 0
        for i, mark in enumerate(marks):
            file.write(*mark)
            found = read_annotations(path)
            assert found.sample.tolist() == [sample for sample, _, _ in marks[: i + 1]]
            assert list(found.symbol) == [symbol for _, symbol, _ in marks[: i + 1]]
            read = wfdb.rdann(str(tmp_path / "night"), "ecg")
            assert read.sample.tolist() == found.sample.tolist()
            assert read.fs == 250
        with pytest.raises(InputError, match="after one at 4000000"):
            file.write(3, "N")
        with pytest.raises(InputError, match="no code"):
            file.write(4_000_001, "§")
    assert list(read_annotations(path).aux) == ["", "", "abnormal", ""]


def test_a_growing_file_is_never_written_over_another(tmp_path: Path) -> None:
    old = tmp_path / "night.ecg"
    old.write_bytes(b"old")
    with pytest.raises(InputError, match=r"night\.ecg: is there already"):
        AnnotationFile(old, 250.0)
    assert old.read_bytes() == b"old"
    with pytest.raises(InputError, match="extension of letters"):
        AnnotationFile(tmp_path / "night.1", 250.0)
    with pytest.raises(InputError, match="cannot be written"):
        AnnotationFile(tmp_path / "none" / "night.ecg", 250.0)


# The serial port, played by a pseudo-terminal.


class Board:
    """The other end of a serial port that can be plugged in and out, under one name."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "ttyBoard"
        self.plug()

    def plug(self) -> None:
        import tty

        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        beside = self.port.with_name("ttyNew")
        beside.symlink_to(os.ttyname(theirs))
        beside.replace(self.port)
        self._theirs = theirs

    def pull(self) -> None:
        self.port.unlink()
        os.close(self._theirs)
        os.close(self._ours)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._ours, view[:1000]) :]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    pytest.importorskip("serial")
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    return Board(tmp_path)


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
    board.send(b"\n" + written([1, 2, 3]) + b"12.")  # a line that the cable cuts
    found = taken(chunks, lambda x: len(x) == 3)
    begin = time.monotonic()
    board.pull()
    more = taken(chunks, lambda x: len(x) > 10)
    assert np.isnan(more).all()
    board.plug()
    # On this terminal nobody has read yet: wait until the source has it.
    while not any("is there again" in record.getMessage() for record in caplog.records):
        more = np.concatenate([more, taken(chunks, lambda x: True)])
    board.send(b"34\n" + written([4, 5]))
    more = np.concatenate([more, taken(chunks, lambda x: x[-1, 0] == 5)])
    seconds = time.monotonic() - begin
    found = np.concatenate([found, more])[:, 0]
    np.testing.assert_array_equal(found[:3], [1, 2, 3])
    np.testing.assert_array_equal(found[-2:], [4, 5])
    assert np.isnan(found[3:-2]).all()
    assert source.gaps == 1
    assert source.lost == len(found) - 5
    assert source.lost == pytest.approx(100 * seconds, abs=60)
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
    pytest.importorskip("serial")
    source = SerialSamples("loop://", 250)
    source._device.write(b"torn\n1\n2\n")
    found = taken(iter(source), lambda x: len(x) == 2)
    np.testing.assert_array_equal(found[:, 0], [1, 2])


def test_a_closed_source_ends(board: Board) -> None:
    source = SerialSamples(str(board.port), 250)
    threading.Timer(0.1, source.close).start()
    assert list(source) == []


def test_a_port_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    with pytest.raises(InputError, match=r"ttyNone: cannot be opened \(No such file") as caught:
        SerialSamples(str(tmp_path / "ttyNone"), 250)
    assert "\n" not in str(caught.value)


def test_without_pyserial_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[serial\]"):
        SerialSamples("/dev/ttyUSB0", 250)


# The command, as a process.


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


def wait_until_full(pipe: Any) -> None:
    """Until a pipe has stopped to fill, since nobody reads it."""
    held = -1
    while True:
        time.sleep(0.7)
        now = held_by(pipe)
        if now == held > 1000:
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
    assert process.wait(10) == status  # and not because its input ended
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
    wait_until_full(process.stdout)
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
    wait_until_full(process.stdout)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)  # well after the time in which a second signal counts as the first again
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


@posix
def test_an_overflow_is_counted_and_reported(ecg: Record, started: Callable[..., Any]) -> None:
    signal_ = np.tile(ecg.signal[:, 0], 12)
    process = started("-", "--fs", 250, "--json", "--queue", 1, stdin=subprocess.PIPE)
    out, err = process.communicate(written(signal_), timeout=60)
    times = [beat["time"] for beat in beats_in(out.splitlines())]
    assert times == sorted(times)
    assert times[-1] < 480.0
    told = err.decode().splitlines()
    assert "ecgfast: the queue of 250 samples is full: dropping what comes" in told
    beats, _, dropped = told[-1].partition("; samples dropped by the full queue: ")
    assert beats == f"{len(times)} beats in 480.0 s"
    assert 0 < int(dropped) < len(signal_)
