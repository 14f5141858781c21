"""Samples of a board on a serial port, also after its cable was pulled."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..errors import InputError
from ..extras import need
from .link import WAIT_S, LineLink, reason_of

__all__ = ["SerialSamples"]

# Bytes read at a time, at most: a driver holds no more.
_TAKE = 1 << 16


class SerialSamples(LineLink):
    """Chunks of samples from a serial port, where a board sends a line of numbers a sample.

    The iterator ends only when it is closed. When the port goes away (a cable pulled, a board
    restarted) or sends nothing for two seconds, the lost time is filled with missing samples
    (NaN), as many as it has at `fs`, so that the time of later beats stays right; the port is
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
        Holds the names of the leads and the number of malformed lines.

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
        if not port:
            raise InputError(f"no serial port is named: give one, such as serial:PORT; {_ports()}")
        self.port = port
        self.baud = baud
        super().__init__(
            port,
            fs,
            option=option,
            advice="check that the board sends, and its baud rate",
            every=every,
            clock=clock,
        )
        try:
            self._device = self._open()
        except (OSError, ValueError) as error:
            raise InputError(
                f"{port}: cannot be opened ({reason_of(error)}); check the name, the cable and "
                f"that you may use it (on Linux: group dialout); {_ports()}"
            ) from None

    def _open(self) -> Any:
        return self._serial.serial_for_url(self.port, baudrate=self.baud, timeout=WAIT_S)

    def _take(self) -> bytes:
        number = _file_number(self._device)
        if number is None:
            first: bytes = self._device.read(1)
            return first + self._device.read(self._device.in_waiting) if first else b""
        # What pyserial does, at a fraction of its time: there are hundreds of reads a second.
        if not select.select([number], [], [], WAIT_S)[0]:
            return b""
        piece = os.read(number, _TAKE)
        if not piece:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return piece


def _ports() -> str:
    """The ports that there are, in words."""
    found = need("serial.tools.list_ports", "A serial port", "serial").comports()
    return f"this machine has {', '.join(sorted(port.device for port in found)) or 'none'}"


def _file_number(device: Any) -> int | None:
    """File descriptor of an open port; None where it has none that can be waited for."""
    try:
        return None if os.name == "nt" else int(device.fileno())
    except (AttributeError, OSError):
        return None
