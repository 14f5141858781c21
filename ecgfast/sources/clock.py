"""When the samples of a live source were taken, by the clock of this machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from math import isnan

import numpy as np

__all__ = ["SampleClock", "TimeOfDay"]

# Samples are never early and often late: of each stretch of so many seconds the least late arrival
# counts, and an hour of them says how fast the source's clock goes.
_STRETCH_S, _STRETCHES = 10.0, 360

# Stretches before the drift is estimated: in a minute 200 ppm are 12 ms, more than jitter.
_FOR_DRIFT = 6

# A quartz is off by less; what is off by more is a wrong sampling rate, which `RateWatch` reports.
_MOST_DRIFT = 0.01

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# A delay that grows by so much at once is a gap that was not counted, or a clock that was set.
_STEP_S = 5.0


class SampleClock:
    """Time of day of each sample of a live source, from when samples arrive.

    A sample cannot arrive before it is taken. So the line through the least late arrivals gives
    the time of each sample and the drift of the source's clock; what is above the line is jitter.

    Parameters
    ----------
    fs : float
        Nominal sampling rate, Hz.
    now : callable, default `time.time`
        Seconds since 1970.

    Attributes
    ----------
    drift : float
        How much faster than nominal the source samples, as a share; NaN in the first minute.
    jitter : float
        Median lateness of arrivals over the last ten seconds, seconds; NaN before.

    Examples
    --------
    >>> clock = SampleClock(250.0, now=lambda: 1000.0)
    >>> clock.arrived(250)
    >>> clock.time_of(0)
    999.0
    """

    def __init__(self, fs: float, *, now: Callable[[], float] = time.time) -> None:
        self._fs = fs
        self._now = now
        self.drift = float("nan")
        self.jitter = float("nan")
        self._offset: float | None = None  # time of sample 0, by the line
        self._slope = 0.0  # seconds of delay a sample gains
        self._restart()

    def _restart(self) -> None:
        self._least: deque[tuple[int, float]] = deque(maxlen=_STRETCHES)
        self._stretch: list[tuple[int, float]] = []
        self._until = 0

    def arrived(self, count: int) -> None:
        """Samples have arrived: `count` in all, missing ones that were filled in too."""
        delay = self._now() - count / self._fs
        if self._offset is None:
            self._offset = delay
        elif abs(delay - self._at(count)) > _STEP_S:
            self._restart()
            self._offset, self._slope = delay, 0.0
        elif delay < self._at(count):
            self._offset += delay - self._at(count)
        if not self._stretch:
            self._until = count + round(_STRETCH_S * self._fs)
        self._stretch.append((count, delay))
        if count >= self._until:
            self._end_stretch()

    def time_of(self, sample: int) -> float:
        """When a sample was taken, seconds since 1970; NaN before anything has arrived."""
        return self._at(sample) + sample / self._fs if self._offset is not None else float("nan")

    def _at(self, count: int) -> float:
        assert self._offset is not None
        return self._offset + self._slope * count

    def _end_stretch(self) -> None:
        stretch, self._stretch = self._stretch, []
        # The delay of the stretch's best arrival, freed of the slope known so far.
        self._least.append(min(stretch, key=lambda at: at[1] - self._slope * at[0]))
        counts, delays = np.array(self._least, np.float64).T
        if len(counts) >= _FOR_DRIFT:
            centre = counts.mean()
            slope = float(((counts - centre) * delays).sum() / ((counts - centre) ** 2).sum())
            if abs(slope * self._fs) < _MOST_DRIFT:
                self._slope = slope
                self.drift = -slope * self._fs
        # The line lies below all of the last stretches.
        self._offset = float((delays - self._slope * counts)[-_FOR_DRIFT:].min())
        late = [delay - self._at(count) for count, delay in stretch]
        self.jitter = float(np.median(late))


class TimeOfDay:
    """Time of day of the samples of one source: by its header, or by their arrival.

    Parameters
    ----------
    fs : float
        Nominal sampling rate, Hz.
    start : datetime, optional
        When sample 0 was taken, where the source states it: by the clock of the recording, which is
        not that of this machine; with a zone where that is known.
    live : bool, default True
        Whether samples arrive as they are taken. A pipe may hold a file as well.
    now : callable, default `time.time`
        Seconds since 1970.

    Attributes
    ----------
    known : bool
        Whether the time is known, and not only that of an arrival.

    Examples
    --------
    >>> from datetime import datetime
    >>> night = TimeOfDay(250.0, datetime(2026, 3, 29, 22, 0))
    >>> str(night.moment(500))
    '2026-03-29 22:00:02'
    """

    def __init__(
        self,
        fs: float,
        start: datetime | None = None,
        *,
        live: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.known = live or start is not None
        self._fs = fs
        self._start = start
        self._now = now
        self._clock = SampleClock(fs, now=now) if start is None else None

    @property
    def utc_offset(self) -> float:
        """Seconds that the clock of `moment` is ahead of UTC; 0 where its zone is not known."""
        return (self._offset() or timedelta()).total_seconds()

    @property
    def zone(self) -> str:
        """Zone of `moment`, such as ``UTC`` or ``UTC+01:00``; empty where it is not known."""
        offset = self._offset()
        return "" if offset is None else str(timezone(offset))

    def _offset(self) -> timedelta | None:
        """Of the recording's clock where there is one, else of this machine's, as it is now."""
        if self._start is not None:
            return self._start.utcoffset()
        return (_EPOCH + timedelta(seconds=self._now())).astimezone().utcoffset()

    def arrived(self, count: int) -> None:
        """Samples have arrived: `count` in all, missing ones that were filled in too."""
        if self._clock is not None and count:
            self._clock.arrived(count)

    def moment(self, sample: int) -> datetime | None:
        """When a sample was taken; None where that is not known.

        By the clock of the recording, where there is one, and without a zone where that is not
        known; else in the zone of this machine.
        """
        if not self.known:
            return None
        try:
            if self._start is not None:
                return self._start + timedelta(seconds=sample / self._fs)
            return (_EPOCH + timedelta(seconds=self.at(sample))).astimezone()
        except (OverflowError, ValueError, OSError):  # beyond what the system's calendar has
            return None

    def at(self, sample: int) -> float:
        """When a sample was taken, seconds since 1970; before anything has arrived, now.

        A clock without a zone is taken for UTC: with `utc_offset` added its hands are right.
        """
        if self._clock is None:
            assert self._start is not None
            start = self._start if self._start.tzinfo else self._start.replace(tzinfo=timezone.utc)
            return (start - _EPOCH).total_seconds() + sample / self._fs
        time_of = self._clock.time_of(sample)
        return self._now() if isnan(time_of) else time_of
