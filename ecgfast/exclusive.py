"""One object, one thread at a time: a second one gets an error at once, not a wrong result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from .errors import StateError

__all__ = ["Exclusive", "exclusive"]


class Exclusive:
    """Context manager that lets one thread at a time use an object, and never waits.

    The thread that is in may enter again. The compiled classes of `ecgfast.core` do this on their
    own, at the price of one exchange in memory.

    Parameters
    ----------
    owner : str
        Class of the object, for the message.

    Raises
    ------
    StateError
        On entering, while another thread is in.
    """

    __slots__ = ("_lock", "_owner")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise StateError(
                f"this {self._owner} is in use by another thread: use it from one thread at a "
                "time, or give each thread its own"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()


class _Owner(Protocol):
    in_use: Exclusive


S = TypeVar("S", bound=_Owner)
P = ParamSpec("P")
R = TypeVar("R")


def exclusive(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make a method hold its object's ``in_use``, which the first call makes: ``__init__``'s."""

    @wraps(method)
    def alone(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            in_use = self.in_use
        except AttributeError:
            in_use = self.__dict__.setdefault("in_use", Exclusive(type(self).__name__))
        with in_use:
            return method(self, *args, **kwargs)

    return alone
