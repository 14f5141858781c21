"""A bounded queue between a source and its reader."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import Record, stream_classify
from ecgfast.errors import InputError
from ecgfast.sources.queue import missing
from ecgfast.streaming import SampleQueue


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
                begun.wait(300)
            yield np.full((1, *shape), value, "f4")
        raced.set()

    queue = SampleQueue(source(), 10)
    taken = []
    for chunk in queue:
        if not begun.is_set():
            begun.set()
            raced.wait(300)
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


def test_a_queue_calls_while_its_reader_waits() -> None:
    called: list[int] = []
    enough = threading.Event()

    def chunks() -> Iterator[np.ndarray]:
        yield np.zeros(10)
        enough.wait(300)
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


def test_a_chunk_without_samples_drops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A source may yield what is empty, also while more is held than the queue has room for."""
    queue = SampleQueue([], 250)
    queue._take(np.zeros(300))
    queue._take(np.empty(0))
    assert queue.dropped == 0
    assert not caplog.records
