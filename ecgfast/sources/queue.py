"""A bounded queue between a live source and whoever takes its samples too slowly."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError

__all__ = ["SampleQueue", "missing"]

_log = logging.getLogger(__name__)

# Missing samples that go down the path at a time: an hour of them takes no memory either.
_STEP = 4096

# Seconds that a wait lasts before it looks whether the queue was closed.
_WAIT_S = 0.25


def missing(count: int, shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield `count` missing samples (NaN), each of `shape`, in chunks of at most 4096."""
    for begin in range(0, count, _STEP):
        yield np.full((min(_STEP, count - begin), *shape), np.nan, np.float32)


class SampleQueue:
    """Chunks of a live source, read by a thread of their own into a queue of bounded size.

    A source that cannot wait, such as a serial port, is still read while the consumer is
    busy. When the queue is full, samples that arrive are dropped, counted, reported as a warning
    of the logger ``ecgfast``, and replaced by as many missing ones (NaN): the time of later beats
    stays right. Without a queue, iterating over the source itself is back-pressure: nothing is
    read before it is wanted.

    Once full, the queue takes nothing in until half of it is free: one gap, not many.

    Parameters
    ----------
    chunks : iterable of array_like
        Chunks of shape (k,) or (k, n_leads), all of one kind.
    samples : int
        Samples held at most; one larger chunk is taken by an empty queue.

    Attributes
    ----------
    dropped : int
        Samples dropped so far.

    Raises
    ------
    InputError
        If `samples` is less than one.

    Examples
    --------
    >>> queue = SampleQueue(read_board(), 60 * 250)             # doctest: +SKIP
    >>> for beat in stream_classify(queue, 250):                # doctest: +SKIP
    ...     slow_work(beat)
    """

    def __init__(self, chunks: Iterable[Any], samples: int) -> None:
        if samples < 1:
            raise InputError(f"a queue of {samples} samples: give at least one")
        self.dropped = 0
        #: Whether the source itself warns of samples that come at another rate.
        self.watches_rate: bool = getattr(chunks, "watches_rate", False)
        #: Called several times a second while whoever iterates waits, on that thread.
        self.waits: Callable[[], None] | None = None
        self._chunks = chunks
        self._room = samples
        self._held = 0
        self._lost = 0  # dropped since the last chunk that was taken in
        self._ready: deque[tuple[int, Any]] = deque()  # missing samples, then the chunk
        self._error: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._fill, name="ecgfast source", daemon=True)

    def __iter__(self) -> Iterator[Any]:
        """Start the thread and yield the chunks in order; what the source raises is raised here."""
        if self._thread.ident is None:
            self._thread.start()
        shape: tuple[int, ...] = ()
        while (taken := self._next()) is not None:
            lost, chunk = taken
            if chunk is not None:
                shape = np.shape(chunk)[1:]
            yield from missing(lost, shape)
            if chunk is not None:
                yield chunk
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Take nothing more in, within a moment; what is held can still be iterated over.

        It takes no lock: a signal handler may call it.
        """
        self._ended = True

    def _next(self) -> tuple[int, Any] | None:
        while not (self._ready or self._ended):
            with self._changed:
                come = self._ready or self._ended or self._changed.wait(_WAIT_S)
            if not come and self.waits is not None:
                self.waits()
        with self._changed:
            if self._ready:
                lost, chunk = self._ready.popleft()
                self._held -= len(chunk)
                return lost, chunk
            lost, self._lost = self._lost, 0
            return (lost, None) if lost else None

    def _fill(self) -> None:
        try:
            for chunk in self._chunks:
                taken = np.atleast_1d(np.asanyarray(chunk))
                with self._changed:
                    if self._ended:
                        return
                    self._take(taken)
                    self._changed.notify()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _take(self, chunk: npt.NDArray[Any]) -> None:
        if not len(chunk):
            return  # nothing comes, so that nothing is dropped
        limit = self._room // 2 if self._lost else self._room
        if self._held and self._held + len(chunk) > limit:
            if not self._lost:
                _log.warning("the queue of %d samples is full: dropping what comes", self._room)
            self._lost += len(chunk)
            self.dropped += len(chunk)
            return
        if self._lost:
            _log.warning("the queue dropped %d samples; they count as a gap", self._lost)
        self._ready.append((self._lost, chunk))
        self._held += len(chunk)
        self._lost = 0
