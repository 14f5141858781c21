"""Samples of a board on a serial port, through whatever becomes of its cable."""

from __future__ import annotations

import errno
import logging
import os
import select
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..extras import need
from ..records import check_fs
from .queue import missing
from .rate import RateWatch
from .text_lines import LineParser

__all__ = ["SerialSamples"]

_log = logging.getLogger(__name__)

# Seconds that a read waits before it looks whether the source was closed.
_WAIT_S = 0.25

# Bytes read at a time, at most: a driver holds no more.
_TAKE = 1 << 16

# Seconds between two attempts to open a port that went away.
_RETRY_S = 0.5

# Seconds without a sample that count as a gap: more than any driver holds back.
_SILENCE_S = 2.0


class SerialSamples:
    """Chunks of samples from a serial port, where a board sends a line of numbers a sample.

    The iterator ends only when it is closed. When the port goes away (a cable pulled, a board
    restarted) or sends nothing for two seconds, the lost time is filled with missing samples
    (NaN), as many as `fs` makes of it, so that the time of later beats stays right; the port is
    opened again as soon as it is there. Both are reported as warnings of the logger ``ecgfast``,
    and so is a board that is silent from the start or sends at another rate (see `RateWatch`).

    Parameters
    ----------
    port : str
        Device such as ``/dev/ttyUSB0`` or ``COM3``, or a URL that pyserial knows.
    fs : float
        Samples a second that the board sends, Hz: the measure of lost time.
    baud : int, default 115200
        Bits a second of the port.
    option : str, default "fs="
        How the caller gives the rate, for messages.
    every : bool, default False
        Whether all fields of a line but clocks and counters are leads, since the caller picks some.
    clock : callable, default `time.monotonic`
        Seconds.

    Attributes
    ----------
    lost : int
        Samples counted as lost in gaps so far.
    gaps : int
        Gaps so far.
    lines : LineParser
        Tells the names of the leads and how many lines were malformed.

    Raises
    ------
    InputError
        If the port cannot be opened now, or `fs` is out of range.
    MissingExtraError
        If pyserial is not installed.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> from ecgfast.streaming import SampleQueue, SerialSamples
    >>> board = SerialSamples("/dev/ttyUSB0", fs=250)             # doctest: +SKIP
    >>> for beat in stream_classify(SampleQueue(board, 15000), 250):   # doctest: +SKIP
    ...     print(beat.label)
    """

    #: It compares what arrives with `fs` itself.
    watches_rate = True

    def __init__(
        self,
        port: str,
        fs: float,
        *,
        baud: int = 115200,
        option: str = "fs=",
        every: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._serial = need("serial", "A serial port", "serial")
        self.port = port
        self.fs = check_fs(fs)
        self.baud = baud
        self.lost = 0
        self.gaps = 0
        self.lines = LineParser(port, fs=self.fs, every=every)
        self._clock = clock
        self._rate = RateWatch(
            port,
            self.fs,
            option=option,
            advice="check that the board sends, and its baud rate",
            clock=clock,
        )
        self._closed = False
        self._away = False
        try:
            self._device: Any = self._open()
        except (OSError, ValueError) as error:
            raise InputError(
                f"{port}: cannot be opened ({_reason(error)}); check the name, the cable and that "
                "you may use it (on Linux: group dialout)"
            ) from None

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield samples as they arrive, shape (k, leads), until `close`."""
        self.lines.tear()  # the first line may have begun before the port was opened
        last = self._clock()
        filled = 0  # missing samples since `last`
        silent = False
        while not self._closed:
            begun = self.lines.width > 0  # before the first sample nothing can be missing
            self._rate.wait()
            piece = self._read()
            chunk = self.lines.feed(piece) if piece else None
            arrived = 0 if chunk is None else len(chunk)
            if not begun:
                self._rate.check()
            if arrived and (silent or self._away):
                self._rate.restart()
            self._rate.take(arrived)
            now = self._clock()
            if begun and (silent or self._away or now - last > _SILENCE_S):
                # What arrived together was taken in a row: only the time before it is lost.
                due = max(0, round((now - last) * self.fs) - filled - arrived)
                if not silent:
                    silent = True
                    self.gaps += 1
                    _log.warning("%s: no samples; the time that passes counts as a gap", self.port)
                yield from missing(due, (self.lines.width,))
                filled += due
                self.lost += due
            if arrived:
                if silent:
                    seconds = filled / self.fs
                    _log.warning("%s: samples again after a gap of %.1f s", self.port, seconds)
                last, filled, silent, self._away = now, 0, False, False
                yield chunk  # type: ignore[misc]
        self._device.close()

    def close(self) -> None:
        """End the iteration within a moment."""
        self._closed = True

    def _open(self) -> Any:
        return self._serial.serial_for_url(self.port, baudrate=self.baud, timeout=_WAIT_S)

    def _read(self) -> bytes:
        """Whatever has arrived; nothing after a moment, or while the port is away."""
        try:
            if self._device.is_open:
                return self._take()
            self._device = self._open()
            _log.warning("%s: is there again", self.port)
        except (OSError, TypeError) as error:  # pyserial raises TypeError on a port closed under it
            if self._device.is_open:
                _log.warning("%s: went away (%s); trying again", self.port, _reason(error))
                self._away = True
                self._device.close()
                self.lines.tear()
            sleep(_RETRY_S)
        return b""

    def _take(self) -> bytes:
        """Whatever has arrived, waiting a moment for the first byte."""
        number = _file_number(self._device)
        if number is None:
            first: bytes = self._device.read(1)
            return first + self._device.read(self._device.in_waiting) if first else b""
        # What pyserial does, at a fraction of its time: there are hundreds of reads a second.
        if not select.select([number], [], [], _WAIT_S)[0]:
            return b""
        piece = os.read(number, _TAKE)
        if not piece:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return piece


def _file_number(device: Any) -> int | None:
    """File descriptor of an open port; None where it has none that can be waited for."""
    try:
        return None if os.name == "nt" else int(device.fileno())
    except (AttributeError, OSError):
        return None


def _reason(error: Exception) -> str:
    """Why, without the port's name, which the message has already."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)
