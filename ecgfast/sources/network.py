"""Samples as lines over a network: a TCP connection, or UDP datagrams."""

from __future__ import annotations

import errno
import logging
import select
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..errors import InputError
from .link import WAIT_S, LineLink, reason_of

__all__ = ["TcpSamples", "UdpSamples"]

_log = logging.getLogger(__name__)

# Bytes read at a time, at most; no datagram is longer.
_TAKE = 1 << 16

# Datagrams read at a time, at most: systems hold fewer for a reader that pauses.
_MOST_DATAGRAMS = 4096

# Seconds in which a first connection has to be made, and a later attempt: the gap is filled only
# between attempts.
_CONNECT_S, _AGAIN_S = 5.0, 1.0

# Seconds without a datagram after which another sender is taken.
_QUIET_S = 2.0

_EXAMPLE = "give HOST:PORT, such as 192.168.1.20:9000 or [fe80::1]:9000"


class TcpSamples(LineLink):
    """Chunks of samples from a TCP server that sends a line of numbers a sample.

    A connection that is lost is made again as soon as the server answers; the time between is a
    gap (see `Link`). Data are neither encrypted nor authenticated: use it in a network you trust.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of the server.
    fs : float
        Samples a second that the device sends, Hz: the measure of lost time.
    option : str, default "fs="
        How the caller gives the rate, for messages.
    every : bool, default False
        Whether all fields of a line but clocks and counters are leads, since the caller picks some.
    clock : callable, default `time.monotonic`
        Seconds.

    Attributes
    ----------
    lost, gaps : int
        Samples counted as lost in gaps so far, and gaps.
    lines : LineParser

    Raises
    ------
    InputError
        If the address is none, the server does not answer now, or `fs` is out of range.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> board = TcpSamples("192.168.1.20:9000", fs=250)           # doctest: +SKIP
    >>> for beat in stream_classify(board, 250):                  # doctest: +SKIP
    ...     print(beat.label)
    """

    opens_mid_line = False
    keeps_all = True

    def __init__(
        self,
        address: str,
        fs: float,
        *,
        option: str = "fs=",
        every: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._address = _host_and_port(address)
        if not self._address[0]:
            raise InputError(f"tcp:{address}: names no host: {_EXAMPLE}")
        super().__init__(
            f"tcp:{address}",
            fs,
            option=option,
            advice="check that the device sends",
            every=every,
            clock=clock,
        )
        try:
            self._device = self._connected(_CONNECT_S)
        except OSError as error:
            raise InputError(
                f"tcp:{address}: cannot be reached ({reason_of(error)}); check host and port, and "
                "that the device listens there"
            ) from None

    def _open(self) -> socket.socket:
        return self._connected(_AGAIN_S)

    def _connected(self, seconds: float) -> socket.socket:
        link = socket.create_connection(self._address, timeout=seconds)
        # A peer that has lost its power says nothing: the system asks now and then.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link.settimeout(None)
        return link

    def _take(self) -> bytes:
        link: socket.socket = self._device
        if not select.select([link], [], [], WAIT_S)[0]:
            return b""
        piece = link.recv(_TAKE)
        if not piece:
            raise OSError(errno.ECONNRESET, "closed by the other side")
        return piece


class UdpSamples(LineLink):
    """Chunks of samples from UDP datagrams, each of one or more whole lines of numbers.

    Datagrams of the first sender are taken; those of others are left out and reported, until the
    first one has been silent for two seconds. A datagram that is lost is not noticed, unless the
    lines begin with a counter or a clock (see `LineParser`): use TCP where that matters.

    Parameters
    ----------
    address : str
        ``PORT`` to listen on at the loopback address, or ``HOST:PORT``: an address of this machine,
        such as ``0.0.0.0:9000`` for all of them. Anyone who reaches it can send samples.
    fs, option, every, clock
        As for `TcpSamples`.

    Attributes
    ----------
    lost, gaps : int
        Samples counted as lost in gaps so far, and gaps.
    lines : LineParser
    address : (str, int)
        Host and port that it listens on.

    Raises
    ------
    InputError
        If the address is none or is in use, or `fs` is out of range.

    Examples
    --------
    >>> board = UdpSamples("0.0.0.0:9000", fs=250)                # doctest: +SKIP
    """

    opens_mid_line = False

    def __init__(
        self,
        address: str,
        fs: float,
        *,
        option: str = "fs=",
        every: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        host, port = _host_and_port(address)
        self.address: tuple[str, int] = (host or "127.0.0.1", port)
        self._sender: Any = None
        self._heard = 0.0
        self._warned = False
        super().__init__(
            f"udp:{address}",
            fs,
            option=option,
            advice="check that the device sends to this address and port",
            every=every,
            clock=clock,
        )
        try:
            self._device = self._open()
        except OSError as error:
            raise InputError(
                f"udp:{address}: cannot listen there ({reason_of(error)}); check the port, and "
                "that the address is one of this machine"
            ) from None
        self.address = self._device.getsockname()[:2]

    def _open(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        link = socket.socket(family, socket.SOCK_DGRAM)
        try:
            link.bind(self.address)
        except OSError:
            link.close()
            raise
        return link

    def _take(self) -> bytes:
        link: socket.socket = self._device
        # All that waits is one piece: after a pause of the reader none of it counts as lost.
        pieces: list[bytes] = []
        wait = WAIT_S
        while len(pieces) < _MOST_DATAGRAMS and select.select([link], [], [], wait)[0]:
            pieces.append(self._datagram(link))
            wait = 0.0
        return b"".join(pieces)

    def _datagram(self, link: socket.socket) -> bytes:
        """The next datagram; empty if it is of another sender."""
        piece, sender = link.recvfrom(_TAKE)
        now = self._clock()
        if sender != self._sender:
            if self._sender is not None and now - self._heard < _QUIET_S:
                if not self._warned:
                    self._warned = True
                    _log.warning(
                        "%s: %s sends too; its samples are left out while %s sends",
                        self.name,
                        sender[0],
                        self._sender[0],
                    )
                return b""
            self._sender = sender
        self._heard = now
        return piece if piece.endswith(b"\n") else piece + b"\n"


def _host_and_port(address: str) -> tuple[str, int]:
    """Split ``HOST:PORT``, ``[HOST]:PORT`` or ``PORT``; the host is empty where none is named."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 <= int(port) < 1 << 16) or "\0" in host:
        raise InputError(f"{address!r} is no address: {_EXAMPLE}")
    return host.removeprefix("[").removesuffix("]"), int(port)
