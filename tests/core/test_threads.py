"""One object and several threads: an error at once, and what succeeds is right; forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from shared_ecgs import demo_record
from streams import FS, METHODS, bits, noisy_signal

from ecgfast import (
    BandpassFilter,
    BeatBatch,
    BeatStream,
    Classifier,
    QRSDetector,
    StateError,
    detect_qrs,
)
from ecgfast.exclusive import Exclusive, exclusive
from ecgfast.streaming import StreamingClassifier

THREADS = 4
IN_USE = "is in use by another"
# Of calls at random, as for damaged readers.
SECONDS = float(os.environ.get("ECGFAST_FUZZ_S", "0.2"))


class Meddler:
    """A chunk that tries other calls while it is being read: what a second thread would do."""

    def __init__(self, *calls: Callable[[], object]) -> None:
        self.calls = calls
        self.refused = 0

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        def meddle() -> None:
            for call in self.calls:
                with pytest.raises(StateError, match=IN_USE):
                    call()
                self.refused += 1

        other = threading.Thread(target=meddle)
        other.start()
        other.join()
        return np.zeros(250, np.float32)


def calls_of(stream: Any) -> list[Callable[[], object]]:
    """Every call that touches the state."""
    zeros = np.zeros(100, np.float32)
    calls = [
        lambda: stream.process(zeros),
        lambda: stream.__init__(FS),
        stream.reset,
        stream.__reduce__,
    ]
    if not isinstance(stream, BandpassFilter):
        calls += [stream.flush, lambda: stream.count]
    if isinstance(stream, QRSDetector):
        calls.append(lambda: stream.quality)
    return calls


@pytest.mark.parametrize("make", [BandpassFilter, QRSDetector, BeatStream])
def test_a_second_call_is_refused_at_once(make: Callable[[float], Any]) -> None:
    stream = make(FS)
    meddler = Meddler(*calls_of(stream))
    stream.process(meddler)
    assert meddler.refused == len(meddler.calls)
    assert stream.fs == FS  # what never changes can be read
    assert stream.delay > 0
    if make is not BandpassFilter:
        assert stream.count == 250
        assert stream.n_leads == 1
    # An error leaves the object free.
    with pytest.raises(ValueError, match="real numbers"):
        stream.process("ecg")
    stream.process(np.zeros(10))


def test_a_call_from_within_is_refused_too() -> None:
    stream = BeatStream(FS)

    class Within:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            stream.reset()
            return np.zeros(100)

    with pytest.raises(StateError, match="in use by another call"):
        stream.process(Within())
    assert stream.count == 0


def share(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Run work(k) in several threads at once; the first error of any is raised."""
    errors: list[BaseException] = []
    begin = threading.Barrier(threads)

    def run(k: int) -> None:
        try:
            begin.wait()
            work(k)
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=run, args=(k,)) for k in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]


class Pieces:
    """Pieces of a signal that threads feed to one object.

    Which comes next is decided within the call. A call that is refused takes none.
    """

    def __init__(self, pieces: list[np.ndarray]) -> None:
        self.pieces = pieces
        self.taken = 0
        self.results: dict[int, Any] = {}

    def feed(self, process: Callable[[Any], Any]) -> None:
        """Feed pieces until none is left."""
        while True:
            piece = Piece(self)
            try:
                result = process(piece)
            except StateError:
                time.sleep(0)  # lets the other thread come to its end
            except EOFError:
                return
            else:
                assert piece.index not in self.results
                self.results[piece.index] = result

    def in_order(self) -> list[Any]:
        """What the calls returned, in the order of the pieces."""
        assert sorted(self.results) == list(range(len(self.pieces)))
        return [self.results[k] for k in range(len(self.pieces))]


class Piece:
    """The next piece, whichever that is when the object reads it."""

    def __init__(self, of: Pieces) -> None:
        self.of = of
        self.index = -1

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self.of.taken == len(self.of.pieces):
            raise EOFError
        self.index = self.of.taken
        self.of.taken += 1
        return self.of.pieces[self.index]


def fed_by_threads(process: Callable[[Any], Any], signal: np.ndarray, n: int) -> list[Any]:
    pieces = Pieces(np.array_split(signal, n))
    share(lambda k: pieces.feed(process))
    return pieces.in_order()


def test_threads_share_a_filter() -> None:
    signal = np.nan_to_num(np.tile(noisy_signal()[:, 0], 10), posinf=0)
    band = BandpassFilter(FS)
    got = fed_by_threads(band.process, signal, 200)
    assert np.array_equal(np.concatenate(got), BandpassFilter(FS).process(signal))


@pytest.mark.parametrize("method", METHODS)
def test_threads_share_a_detector(method: Any) -> None:
    signal = np.tile(noisy_signal(2), (10, 1))
    detector = QRSDetector(FS, method=method, n_leads=2)
    got = fed_by_threads(detector.process, signal, 200)
    assert detector.count == len(signal)
    got.append(detector.flush())
    assert np.array_equal(np.concatenate(got), detect_qrs(signal, FS, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_threads_share_a_beat_stream(method: Any) -> None:
    signal = np.tile(noisy_signal(2), (10, 1))
    stream, alone = (BeatStream(FS, method=method, n_leads=2) for _ in range(2))
    got = fed_by_threads(stream.process, signal, 200)
    got.append(stream.flush())
    expected = [alone.process(piece) for piece in np.array_split(signal, 200)] + [alone.flush()]
    assert bits(BeatBatch.concatenate(got)) == bits(BeatBatch.concatenate(expected))


@pytest.fixture(scope="module")
def beats() -> BeatBatch:
    record = demo_record()
    stream = BeatStream(record.fs, n_leads=record.signal.shape[1], window=Classifier().window)
    return BeatBatch.concatenate([stream.process(record.signal), stream.flush()])


def test_threads_share_a_classifier(beats: BeatBatch) -> None:
    classifier = Classifier()
    expected = classifier.predict_proba(beats.windows, beats.features)
    successes = []

    def one_by_one(k: int) -> None:
        for i in range(k, 200 * THREADS + k):
            row = i % len(beats)
            try:
                got = classifier.predict_one(beats.windows[row], beats.features[row])
            except StateError:
                continue
            time.sleep(0)  # the others may write: not into this thread's answer
            assert np.array_equal(got, expected[row])
            successes.append(k)

    share(one_by_one)
    assert successes

    def many(k: int) -> None:
        for _ in range(20):
            try:
                got = classifier.predict_proba(beats.windows, beats.features)
            except StateError:
                time.sleep(0)
                continue
            assert np.array_equal(got, expected)

    share(many)
    assert np.array_equal(classifier.predict_proba(beats.windows, beats.features), expected)


def test_threads_share_a_labeller_and_its_classifier() -> None:
    record = demo_record()
    signal = np.tile(record.signal, (3, 1))
    n_leads = signal.shape[1]
    classifier = Classifier()

    def made() -> StreamingClassifier:
        return StreamingClassifier(classifier, record.fs, n_leads=n_leads, average_leads=True)

    alone = made()
    expected = [alone.process(piece) for piece in np.array_split(signal, 50)] + [alone.flush()]
    shared = made()
    got = fed_by_threads_of_labeller(shared, signal)
    assert repr(got) == repr(expected)
    # Each its own, one classifier: refused before a sample is taken, so that trying again is right.
    results: dict[int, list[Any]] = {}

    def own(k: int) -> None:
        labeller = made_when_free()
        answers = []
        for piece in np.array_split(signal, 50):
            answers.append(until_free(lambda piece=piece: labeller.process(piece)))
        results[k] = [*answers, until_free(labeller.flush)]

    def made_when_free() -> StreamingClassifier:
        return until_free(made)

    share(own)
    assert all(repr(result) == repr(expected) for result in results.values())


def until_free(call: Callable[[], Any]) -> Any:
    while True:
        try:
            return call()
        except StateError:
            time.sleep(0.0005)


def fed_by_threads_of_labeller(labeller: StreamingClassifier, signal: np.ndarray) -> list[Any]:
    """The labeller reads a chunk once for each lead: the piece is chosen while it is held."""
    pieces = np.array_split(signal, 50)
    results: list[Any] = []

    def work(k: int) -> None:
        while len(results) < len(pieces):
            try:
                with labeller.in_use:
                    if len(results) < len(pieces):
                        results.append(labeller.process(pieces[len(results)]))
            except StateError:
                time.sleep(0)

    share(work)
    return [*results, labeller.flush()]


def test_exclusive_lets_its_own_thread_in_again() -> None:
    class Thing:
        in_use: Exclusive

        @exclusive
        def __init__(self) -> None:
            self.value = 1

        @exclusive
        def outer(self) -> int:
            return self.inner()

        @exclusive
        def inner(self) -> int:
            return self.value

    thing = Thing()
    assert thing.outer() == 1
    refused: list[str] = []

    def other() -> None:
        for call in (thing.outer, thing.__init__):
            with pytest.raises(StateError, match="this Thing is in use by another thread"):
                call()
            refused.append("yes")

    with thing.in_use:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 2
    assert thing.inner() == 1


def run(code: str, limit_s: float) -> str:
    """Standard output of a program of its own, which must end well and in time."""
    head = (
        "import os, pickle, random, signal, threading, time, numpy as np\n"
        "from ecgfast import *\n"
        "x = np.random.default_rng(0).standard_normal((20000, 2)).astype(np.float32)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", head + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    ("make", "again"),
    [
        ("BandpassFilter(360.0)", "s.__init__(random.choice([100.0, 2000.0]))"),
        ("QRSDetector(2000.0, n_leads=2)", "s.__init__(random.choice([100.0, 2000.0]), n_leads=2)"),
        (
            "QRSDetector(2000.0, n_leads=2, method='pan-tompkins')",
            "s.__init__(random.choice([100.0, 2000.0]), n_leads=2, method='pan-tompkins')",
        ),
        ("BeatStream(2000.0, n_leads=2)", "s.__init__(random.choice([100.0, 2000.0]), n_leads=2)"),
    ],
)
def test_no_mixture_of_calls_crashes_or_hangs(make: str, again: str) -> None:
    out = run(
        f"""
        s = {make}
        chunk = x[:, 0].copy() if isinstance(s, BandpassFilter) else x
        calls = [lambda: s.process(chunk), lambda: s.reset(), lambda: {again},
                 lambda: pickle.loads(pickle.dumps(s)), lambda: s.fs, lambda: s.delay]
        if not isinstance(s, BandpassFilter):
            calls += [lambda: s.flush(), lambda: s.count]
        end = time.monotonic() + {SECONDS}
        done = [0, 0]
        def work():
            while True:  # once at least, however late a busy machine begins
                try:
                    random.choice(calls)()
                    done[0] += 1
                except StateError:
                    done[1] += 1
                if time.monotonic() > end:
                    return
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        s.reset()
        s.process(chunk)
        print(done[0] > 0)
        """,
        300,
    )
    assert out.strip() == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_while_another_thread_builds_a_classifier() -> None:
    out = run(
        """
        stop, built = [], []
        def work():
            while not stop: built.append(Classifier() is not None)
        thread = threading.Thread(target=work)
        thread.start()
        ends = []
        for k in range(12):
            time.sleep(0.003)
            child = os.fork()
            if not child:
                signal.alarm(20)  # ends a child that waits for what never comes
                Classifier()
                os._exit(0)
            ends.append(os.waitpid(child, 0)[1])
        stop.append(1)
        thread.join()
        print(set(ends), len(built) > 0)
        """,
        300,
    )
    assert out.strip() == "{0} True"
