"""What a command needs of its process: signals that end it cleanly, and standard streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

__all__ = ["AGAIN_S", "Terminated", "ending_signals", "reserve_standard_streams", "terminations"]

#: Seconds after which a second signal is meant: `timeout` and some shells send one twice, to the
#: process and to its group.
AGAIN_S = 0.3

# Seconds after which an interrupt that Python dropped is raised once more.
_LATER_S = 0.01


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: the command ends as on Ctrl-C, with the status of its own signal.

    Parameters
    ----------
    number : int
        The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def ending_signals() -> list[int]:
    """SIGTERM and SIGHUP, where the system has them and nobody (``nohup``) has them ignored."""
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    return [n for n in numbers if n is not None and signal.getsignal(n) is not signal.SIG_IGN]


@contextmanager
def terminations(arrived: list[int]) -> Iterator[None]:
    """Have SIGTERM and SIGHUP raise `Terminated`, so that temporary files are removed.

    Parameters
    ----------
    arrived : list of int
        Gets the number of each signal that asked for an end, SIGINT too: libraries that are being
        imported may turn the exception into another one.
    """
    # Only the main thread may say so; elsewhere the caller's own handlers count.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    at: list[float] = []

    def end(number: int, _: Any) -> None:
        if not at or monotonic() - at[0] > AGAIN_S:
            at.append(monotonic())
            arrived.append(number)
            raise Terminated(number)

    def interrupt(number: int, _: Any) -> None:
        arrived.append(number)
        raise KeyboardInterrupt

    hook = sys.unraisablehook

    def unraisable(ignored: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a callback of its own, as of imports: ask once more."""
        if not (arrived and isinstance(ignored.exc_value, KeyboardInterrupt)):
            hook(ignored)
            return
        at.clear()
        # From another thread, and later: here it would be raised in the same callback.
        again = threading.Timer(_LATER_S, signal.raise_signal, (arrived[-1],))
        again.daemon = True
        again.start()

    before = {number: signal.signal(number, end) for number in ending_signals()}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def reserve_standard_streams() -> None:
    """Open what is closed of the descriptors 0, 1 and 2, so that no file gets their numbers.

    A file that is opened as number 1 or 2 would get what libraries print. `sys.stdin` and
    `sys.stdout` stay None, which says that they were closed; messages to a closed standard error
    are dropped, and not printed elsewhere.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number <= 2:
        os.set_inheritable(number, True)
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
