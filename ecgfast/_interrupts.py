"""Ctrl-C while a compiled library is loaded: it waits, as the library would make an error of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interrupts_wait"]


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP wait for the end of the block.

    Only those that are handled in Python do: the others end the process at once. Outside the main
    thread, which alone handles signals, nothing changes.

    Examples
    --------
    >>> with interrupts_wait():
    ...     import json
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers: dict[int, Callable[[int, Any], Any]] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        handler = None if number is None else signal.getsignal(number)
        if number is not None and callable(handler):
            handlers[number] = handler
            signal.signal(number, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in waiting[:1]:
            handlers[number](number, None)
