"""Do samples come as the sampling rate says? A wrong rate makes every time and heart rate wrong."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, TypeVar

__all__ = ["RateWatch", "watched"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds without a sample that are reported.
_SILENCE_S = 3.0
# Seconds after the first sample, or the first one after a silence, in which what had been held back
# arrives too.
_SETTLE_S = 0.5
# Seconds over which a rate is measured: shorter is jitter, longer is the past.
_SHORTEST_S, _LONGEST_S = 2.5, 10.0
# Seconds between two measurements, and for which all of them have to agree.
_STEP_S, _AGREE_S = 0.25, 0.5
# A board's clock is off by less; and so many seconds may a sample be late.
_TOLERANCE, _JITTER_S = 0.05, 0.15
# Both rates lie from 100 to 2000 Hz: what comes faster than that is a file that is read out.
_REPLAYED = 25.0
# Share of the time for which a live source that is too fast has to be waited for at least: samples
# that wait for their reader come as fast as it works, also on a busy machine.
_WAITED = 0.25
# A rate that changes by more than this since it was reported is reported again.
_CHANGE = 0.1


class RateWatch:
    """Compares samples that arrive with the sampling rate and the clock.

    Warnings of the logger ``ecgfast`` report three seconds without a sample, a rate that is off
    by more than 5 %, and their end: within five seconds for what is off by 10 % and more. Late
    samples are the source's only while somebody waits for them: a consumer that is slow is none of
    its faults. What comes over 25 times too fast, or is hardly ever waited for, is taken for a file
    that is read out.

    Parameters
    ----------
    name : str
        What the samples come from, for messages.
    fs : float
        Sampling rate, Hz.
    option : str, default "fs="
        How the caller gives the rate, such as "--fs ".
    advice : str
        What to do about silence.
    clock : callable, default `time.monotonic`
        Seconds.
    """

    def __init__(
        self,
        name: str,
        fs: float,
        *,
        option: str = "fs=",
        advice: str = "check what sends them",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name = name
        self._fs = fs
        self._option = option
        self._advice = advice
        self._clock = clock
        self._waiting: float | None = None  # since when
        self._waited = 0.0  # seconds, of waits that are over
        self._count = 0
        self._silent_from: float | None = None  # seconds waited at the last sample
        self._reported_silent = False
        self._reported_rate: float | None = None
        self.restart()

    def restart(self) -> None:
        """Forget what has been measured: samples begin, or begin again after a gap."""
        self._begin: float | None = None
        self._next_mark = 0.0
        self._off: tuple[float, bool] | None = None  # since when all measurements say so
        self._changing: float | None = None  # since when the last second differs
        self._marks: deque[tuple[float, float, int]] = deque()

    def wait(self) -> None:
        """Somebody waits for samples from now on."""
        if self._waiting is None:
            self._waiting = self._clock()

    def take(self, count: int) -> None:
        """`count` samples have come, and the wait is over."""
        now = self._clock()
        if self._waiting is not None:
            self._waited += now - self._waiting
            self._waiting = None
        if not count:
            return
        self._count += count
        if self._reported_silent:
            self._reported_silent = False
            seconds = self._waited - (self._silent_from or 0.0)
            _log.warning("%s: samples again after %.0f s without", self._name, seconds)
            self.restart()
        self._silent_from = self._waited
        if self._begin is None:
            self._begin = now
            self._next_mark = now + _SETTLE_S
        elif now >= self._next_mark:
            self._next_mark = now + _STEP_S
            self._measure(now)

    def check(self) -> None:
        """Report silence, where somebody has been waiting for long; any thread may call it."""
        waiting = self._waiting
        if waiting is None or self._reported_silent:
            return
        quiet = self._waited + self._clock() - waiting - (self._silent_from or 0.0)
        if quiet < _SILENCE_S:
            return
        self._reported_silent = True
        ever = "yet" if self._silent_from is None else "any more"
        _log.warning("%s: no sample %s for %.0f s; %s", self._name, ever, quiet, self._advice)

    def _measure(self, now: float) -> None:
        marks = self._marks
        marks.append((now, self._waited, self._count))
        # Once a wrong rate has been reported, its end is looked for, in the last seconds.
        longest = _LONGEST_S if self._reported_rate is None else _SHORTEST_S + 2 * _AGREE_S
        while marks[-1][0] - marks[0][0] > longest and len(marks) > 2:
            marks.popleft()
        seconds, waited, count = self._since(marks[0])
        if seconds < _SHORTEST_S:
            return
        slack = _JITTER_S * self._fs
        due, due_waited = self._fs * seconds, self._fs * waited
        fast = count - due > _TOLERANCE * due + slack and count < _REPLAYED * due
        fast = fast and waited > _WAITED * seconds
        slow = due_waited - count > _TOLERANCE * due_waited + slack
        if not (fast or slow):
            self._off = None
            self._recover(count / due - 1)
            return
        if self._off is None or self._off[1] != fast:
            self._off = now, fast
        # One late chunk is none: the next says otherwise, or a long one has come since.
        if max(now - self._off[0], now - marks[-2][0]) < _AGREE_S:
            return
        rate = self._rate(_SHORTEST_S, slow=slow)
        last = self._rate(2 * _AGREE_S, slow=slow)
        if abs(last / rate - 1) < _TOLERANCE:
            self._changing = None
        elif self._changing is None:
            self._changing = now
        if self._changing is not None and now - self._changing < _SHORTEST_S:
            return  # it is measured once the change is over
        if abs(last / self._fs - 1) < _TOLERANCE:
            return  # right again, for as long as the rate just reported is still in the measure
        if self._reported_rate is not None and abs(rate / self._reported_rate - 1) < _CHANGE:
            return
        self._reported_rate = rate
        _log.warning(
            "%s: about %.0f samples come a second, not %g: times and heart rates are wrong; "
            "check %s%g",
            self._name,
            rate,
            self._fs,
            self._option,
            self._fs,
        )

    def _recover(self, off: float) -> None:
        """Report that the rate is right again, where it is nearer to `fs` than to the wrong one."""
        if self._reported_rate is None or abs(off) > abs(self._reported_rate / self._fs - 1) / 2:
            return
        self._reported_rate = None
        _log.warning(
            "%s: samples come at %g a second again, as %s%g says",
            self._name,
            self._fs,
            self._option,
            self._fs,
        )

    def _since(self, mark: tuple[float, float, int]) -> tuple[float, float, int]:
        """Seconds, seconds waited and samples since a mark."""
        now, waited, count = self._marks[-1]
        return now - mark[0], waited - mark[1], count - mark[2]

    def _rate(self, seconds: float, *, slow: bool) -> float:
        """Samples a second over the last `seconds` at least, above zero."""
        end = self._marks[-1][0]
        begin = next((m for m in reversed(self._marks) if end - m[0] >= seconds), self._marks[0])
        total, waited, count = self._since(begin)
        return max(count, 1) / (waited if slow and waited else total)


def watched(
    chunks: Iterable[T],
    watch: RateWatch,
    size: Callable[[T], int] = len,  # type: ignore[assignment]
) -> Iterator[T]:
    """Yield `chunks`, with an eye on when they come.

    A thread looks twice a second whether a wait has become long.

    Parameters
    ----------
    chunks : iterable
        A live source.
    watch : RateWatch
    size : callable
        Samples of a chunk.

    Yields
    ------
    chunk
    """
    ended = threading.Event()
    threading.Thread(
        target=_check_often, args=(watch, ended), name="ecgfast rate", daemon=True
    ).start()
    try:
        items = iter(chunks)
        while True:
            watch.wait()
            try:
                chunk: Any = next(items)
            except StopIteration:
                return
            watch.take(size(chunk))
            yield chunk
    finally:
        ended.set()


def _check_often(watch: RateWatch, ended: threading.Event) -> None:
    while not ended.wait(0.5):
        watch.check()
