"""Pickles that only the version which wrote them reads: another one might misread them."""

from __future__ import annotations

import pickle
from typing import Any

from . import __version__
from .errors import StateError

__all__ = ["Versioned"]


class Versioned:
    """Base of classes whose objects are pickled with the version of ecgfast.

    Raises
    ------
    StateError
        On loading a pickle of another version.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "in_use"}
        # The state is a pickle of its own: of another version, nothing of it is even looked at.
        content = pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
        return _restored, (type(self), __version__, content)


def _restored(kind: type[Versioned], version: str, content: bytes) -> Any:
    if version != __version__:
        raise StateError(
            f"this {kind.__name__} was saved by ecgfast {version}, and this is ecgfast "
            f"{__version__}: load it with that version, or begin a new one"
        )
    made = kind.__new__(kind)
    made.__dict__.update(pickle.loads(content))
    return made
