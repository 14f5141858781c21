"""A fork waits while a thread builds an interpreter: no thread could finish it in the child."""

from __future__ import annotations

import os
import threading
from contextlib import ContextDecorator
from types import TracebackType

__all__ = ["BUILDING"]


class _Building(ContextDecorator):
    """Lock that a fork takes too: around what takes locks of modules and of a runtime's own.

    The thread that has it may take it again, also by a fork. Whoever waits is next, so that a
    thread that builds one interpreter after the other does not keep a fork waiting.
    """

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            with self._next:
                self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def in_child(self) -> None:
        """Leave it after a fork; who waited for it in the parent is not here."""
        self._next = threading.Lock()
        self.__exit__()


#: Held while a classifier is built.
BUILDING = _Building()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=BUILDING.__enter__,
        after_in_parent=BUILDING.__exit__,
        after_in_child=BUILDING.in_child,
    )
