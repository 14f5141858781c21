"""Links to devices: samples as they arrive, and the time that is lost while nothing does."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic, sleep
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import check_fs
from .queue import missing
from .rate import RateWatch
from .text_lines import LineParser

__all__ = ["RETRY_S", "WAIT_S", "LineLink", "Link", "reason_of"]

_log = logging.getLogger(__name__)

#: Seconds that a read waits before it looks whether the source was closed.
WAIT_S = 0.25

#: Seconds between two attempts to open a link that went away.
RETRY_S = 0.5

# Seconds without a sample that count as a gap: more than any driver holds back.
_SILENCE_S = 2.0

# A device's stamps may leap by as much more than the time that has passed, in seconds: samples that
# came late, before those that are in time again. More is a clock that was set.
_LATE_S = 5.0

# Seconds of samples that have to be missing for a gap where unreadable ones come.
_MISSED_S = 1.0


class Link:
    """Chunks of samples from a device that may go away and come back.

    The iterator ends only when it is closed. When the link is lost, or silent for two seconds, the
    lost time is filled with missing samples (NaN), as many as it has at `fs`, so that the time of
    later beats stays right; so it is where all that comes are samples that could not be read, and
    too few of them. Gaps are reported as warnings of the logger ``ecgfast``, and so is a
    device that is silent from the start or sends at another rate (see `RateWatch`).

    Parameters
    ----------
    name : str
        What the samples come from, for messages.
    fs : float
        Samples a second that the device sends, Hz: the measure of lost time.
    option : str, default "fs="
        How the caller gives the rate, for messages.
    advice : str
        What to check where nothing comes.
    clock : callable, default `time.monotonic`
        Seconds.

    Attributes
    ----------
    name : str
    fs : float
    lost : int
        Samples counted as lost in gaps so far.
    gaps : int
        Gaps so far.
    """

    #: It compares what arrives with `fs` itself.
    watches_rate = True

    #: Whether what the device sends while nobody reads is kept for the reader, however long that
    #: lasts: then a reader that pauses loses nothing, and its pause is no silence of the device.
    keeps_all = False

    def __init__(
        self,
        name: str,
        fs: float,
        *,
        option: str,
        advice: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.name = name
        self.fs = check_fs(fs)
        self.lost = 0
        self.gaps = 0
        #: Called several times a second while whoever iterates waits.
        self.waits: Callable[[], None] | None = None
        self._clock = clock
        self._rate = RateWatch(name, self.fs, option=option, advice=advice, clock=clock)
        self._closed = False
        self._away = False
        self._taken = -inf  # when samples came last

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield samples as they arrive, shape (k, n_leads), until `close`."""
        last = self._taken = self._clock()
        filled = 0  # missing samples since `last`
        counted = 0  # of them, those that nothing came for
        silent = False
        while not self._closed:
            begun = self._width() > 0  # before the first sample nothing can be missing
            self._rate.wait()
            chunk = self._read()
            if chunk is not None and counted:
                chunk = self._without_counted(chunk, counted)
            arrived = 0 if chunk is None else len(chunk)
            if not begun:
                self._rate.check()
            if arrived and (silent or self._away):
                self._rate.restart()
            self._rate.take(arrived)
            now = self._clock()
            if arrived:
                self._taken = now
            readable = arrived > 0 and bool(np.isfinite(chunk).any())  # type: ignore[arg-type]
            if begun and (silent or self._away or now - last > _SILENCE_S):
                # What arrived together was taken in a row: only the time before it is lost.
                due = max(0, round((now - last) * self.fs) - filled - arrived)
                if arrived and not (silent or self._away) and due < _MISSED_S * self.fs:
                    due = 0  # unreadable samples, but all of them: late by no more than jitter
                elif not silent:
                    silent = True
                    self.gaps += 1
                    _log.warning("%s: no samples; the time that passes counts as a gap", self.name)
                yield from missing(due, (self._width(),))
                filled += due
                counted += due
                self.lost += due
            if arrived and not readable and begun:
                filled += arrived
                yield chunk  # type: ignore[misc]
            elif arrived:
                if silent:
                    seconds = filled / self.fs
                    _log.warning("%s: samples again after a gap of %.1f s", self.name, seconds)
                last, filled, counted, silent, self._away = now, 0, 0, False, False
                yield chunk  # type: ignore[misc]
                if self.keeps_all:
                    last = self._clock()
            elif self.waits is not None:
                self.waits()
        self._hang_up()

    def _without_counted(
        self, chunk: npt.NDArray[np.float32], counted: int
    ) -> npt.NDArray[np.float32]:
        """Leave out the missing samples at the begin of a chunk that the silence has given already.

        A device with time stamps of its own knows of them too.
        """
        there = np.isfinite(chunk).any(axis=1)
        if not there.any():
            return chunk
        twice = min(int(there.argmax()), counted)
        self.lost -= twice
        self.gaps -= twice > 0
        return chunk[twice:]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the leads, once the first samples have come; empty where the device has none."""
        return ()

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each lead; empty where the device states none."""
        return ()

    def close(self) -> None:
        """End the iteration within a moment."""
        self._closed = True

    def troubles(self) -> tuple[str, ...]:
        """What went wrong so far, such as "samples lost in gaps: 130 in 1"."""
        return (f"samples lost in gaps: {self.lost} in {self.gaps}",) if self.gaps else ()

    def _may_be_lost(self, seconds: float) -> bool:
        """Whether so much can be missing where the device's stamps leap, or its clock was set."""
        if seconds <= self._clock() - self._taken + _LATE_S:
            return True
        _log.warning(
            "%s: its clock leaps by %.0f s in less time: it was set, and nothing counts as lost",
            self.name,
            seconds,
        )
        return False

    def _width(self) -> int:
        """Leads; zero before the first sample."""
        raise NotImplementedError

    def _read(self) -> npt.NDArray[np.float32] | None:
        """Samples that have arrived, shape (k, n_leads); None after a pause, or while away.

        Whoever finds the link lost sets `_away`.
        """
        raise NotImplementedError

    def _hang_up(self) -> None:
        """Release the device."""
        raise NotImplementedError


class LineLink(Link):
    """A link over which a device sends a line of numbers a sample.

    Parameters
    ----------
    name, fs, option, advice, clock
        As for `Link`.
    every : bool, default False
        Whether all fields of a line but clocks and counters are leads, since the caller picks some.

    Attributes
    ----------
    lines : LineParser
        Holds the names of the leads and the number of malformed lines.
    """

    #: Whether what is read first, and after the link was lost, may begin in the middle of a line.
    opens_mid_line = True

    def __init__(
        self,
        name: str,
        fs: float,
        *,
        option: str,
        advice: str,
        every: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(name, fs, option=option, advice=advice, clock=clock)
        # What is kept for a reader may come faster than it was taken: a file that is sent.
        self.lines = LineParser(
            name,
            fs=self.fs,
            every=every,
            may_be_lost=lambda seconds: self.keeps_all or self._may_be_lost(seconds),
        )
        self._device: Any = None

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield samples as they arrive, shape (k, n_leads), until `close`."""
        if self.opens_mid_line:
            self.lines.tear()
        return super().__iter__()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the leads, where the lines give one for each."""
        return self.lines.names if len(self.lines.names) == self.lines.width else ()

    def troubles(self) -> tuple[str, ...]:
        """What went wrong so far."""
        malformed = self.lines.malformed
        own: tuple[str, ...] = (f"malformed lines: {malformed}",) if malformed else ()
        if self.lines.repeated:
            own += (f"lines that came twice or too late: {self.lines.repeated}",)
        return own + super().troubles()

    def _width(self) -> int:
        return self.lines.width

    def _read(self) -> npt.NDArray[np.float32] | None:
        try:
            if self._device is not None:
                piece = self._take()
                if not piece:
                    return None
                lost, gaps = self.lines.lost, self.lines.gaps
                samples = self.lines.feed(piece)
                self.lost += self.lines.lost - lost
                self.gaps += self.lines.gaps - gaps
                return samples
            self._device = self._open()
            _log.warning("%s: is there again", self.name)
        except (OSError, TypeError) as error:  # pyserial raises TypeError on a port closed under it
            if self._device is not None:
                _log.warning("%s: went away (%s); trying again", self.name, reason_of(error))
                self._away = True
                self._hang_up()
                self.lines.tear(mid_line=self.opens_mid_line)
            sleep(RETRY_S)
        return None

    def _hang_up(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    def _open(self) -> Any:
        """Open the device; OSError if it is not there."""
        raise NotImplementedError

    def _take(self) -> bytes:
        """Whatever has arrived, after a moment at most; OSError if the link is lost."""
        raise NotImplementedError


def reason_of(error: Exception) -> str:
    """Why, without the name of the link, which the message has already."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error)
