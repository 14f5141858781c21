"""Live sources by name, such as ``serial:/dev/ttyUSB0`` or ``tcp:192.168.1.20:9000``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..errors import InputError
from .link import LineLink, Link
from .lsl import LslSamples
from .network import TcpSamples, UdpSamples
from .polar import PolarSamples
from .serial_port import SerialSamples

__all__ = ["LIVE_KINDS", "LinkOptions", "LiveKind", "live_kind", "open_link"]


class LinkOptions(NamedTuple):
    """What the user says of a live source.

    Attributes
    ----------
    fs : float or None
        Sampling rate, Hz.
    baud : int
        Bits a second of a serial port.
    every : bool
        Whether all fields or channels but clocks and counters are leads, since the user picks some.
    option : str
        How the user gives the rate, for messages: "fs=" or "--fs ".
    """

    fs: float | None = None
    baud: int = 115200
    every: bool = False
    option: str = "fs="


class LiveKind(NamedTuple):
    """One kind of live source.

    Attributes
    ----------
    scheme : str
        What its names begin with, without the colon.
    what : str
        Noun phrase for messages, such as "a serial port".
    syntax : str
        How it is named, for help texts.
    about : str
        What it is, in a few words.
    knows_rate : bool
        Whether the source states its sampling rate itself.
    open : callable
        Opens it: what follows the colon, and the options.
    """

    scheme: str
    what: str
    syntax: str
    about: str
    knows_rate: bool
    open: Callable[[str, LinkOptions], Link]


def _lines(kind: type[SerialSamples | TcpSamples | UdpSamples]) -> Callable[..., LineLink]:
    def opened(name: str, options: LinkOptions) -> LineLink:
        assert options.fs is not None
        if kind is SerialSamples:
            return SerialSamples(
                name,
                options.fs,
                baud=options.baud,
                option=options.option,
                every=options.every,
            )
        return kind(name, options.fs, option=options.option, every=options.every)

    return opened


#: Every kind of live source; a new one is added here, and nowhere else.
LIVE_KINDS: tuple[LiveKind, ...] = (
    LiveKind(
        "serial",
        "a serial port",
        "serial:PORT",
        "a board that sends such lines, such as serial:/dev/ttyUSB0 or serial:COM3",
        False,
        _lines(SerialSamples),
    ),
    LiveKind(
        "tcp",
        "a TCP connection",
        "tcp:HOST:PORT",
        "a server that sends such lines",
        False,
        _lines(TcpSamples),
    ),
    LiveKind(
        "udp",
        "a UDP port",
        "udp:[HOST:]PORT",
        "datagrams of such lines; HOST is an address of this machine (default: loopback)",
        False,
        _lines(UdpSamples),
    ),
    LiveKind(
        "polar",
        "a Polar strap",
        "polar:[NAME]",
        "a Polar H10 over Bluetooth: address, beginning of the name, or the first one found",
        True,
        lambda name, options: PolarSamples(name, option=options.option),
    ),
    LiveKind(
        "lsl",
        "a Lab Streaming Layer stream",
        "lsl:[NAME]",
        "a Lab Streaming Layer stream by its name, or the first of type ECG",
        True,
        lambda name, options: LslSamples(name, every=options.every),
    ),
)


def live_kind(source: str) -> LiveKind | None:
    """Return the kind of a source by its name; None for a recording's path or ``-``.

    Examples
    --------
    >>> live_kind("udp:9000").what
    'a UDP port'
    >>> live_kind("C:/night.edf") is None
    True
    """
    scheme, colon, _ = source.partition(":")
    if not colon:
        return None
    return next((kind for kind in LIVE_KINDS if kind.scheme == scheme), None)


def open_link(source: str, options: LinkOptions) -> Link:
    """Open a live source by its name.

    Parameters
    ----------
    source : str
        Such as ``serial:/dev/ttyUSB0``; see `LIVE_KINDS`.
    options : LinkOptions

    Returns
    -------
    Link
        Iterable of chunks; its `fs` is the sampling rate.

    Raises
    ------
    InputError
        If it is no such name, its sampling rate is missing or contradicts what the source states,
        or it cannot be opened.
    MissingExtraError
        If the library for it is not installed.
    """
    kind = live_kind(source)
    if kind is None:
        schemes = ", ".join(f"{kind.scheme}:" for kind in LIVE_KINDS)
        raise InputError(f"{source}: is no live source: it begins with one of {schemes}")
    if options.fs is None and not kind.knows_rate:
        raise InputError(
            f"{kind.what} carries no sampling rate: give {options.option.strip(' =')} in Hz"
        )
    link = kind.open(source.partition(":")[2], options)
    if options.fs is not None and abs(options.fs - link.fs) > 0.005 * link.fs:
        link.close()
        raise InputError(
            f"{source}: sends {link.fs:g} samples a second, and {options.option}{options.fs:g} was "
            f"given: leave {options.option.strip(' =')} out"
        )
    return link
