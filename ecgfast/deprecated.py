"""Old public names: each works until version 0.3 and says what to write instead.

Modules ask `renamed` from their ``__getattr__``; classes have a property or method that calls
`warn_renamed`, and parameters go through `renamed_argument`. A name that goes is removed here and
there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

__all__ = ["RENAMED", "old_field", "renamed", "renamed_argument", "warn_renamed"]

T = TypeVar("T")

#: By the old name in full, the module and the name to use instead.
RENAMED = {
    "ecgfast.runtime.ModelWindow": ("ecgfast", "WindowSpec"),
    "ecgfast.streaming.BeatLabeller": ("ecgfast", "StreamingClassifier"),
    "ecgfast.training.export.tflite.FORMS": ("ecgfast.training.export.tflite", "PRECISIONS"),
    "ecgfast.training.datasets.beats.BeatSet": (
        "ecgfast.training.datasets.examples",
        "ExampleSet",
    ),
}


def renamed(module: str, name: str) -> Any:
    """What an old name of a module stands for now.

    Parameters
    ----------
    module, name : str

    Returns
    -------
    any

    Raises
    ------
    AttributeError
        If the module never had the name.
    """
    try:
        home, new = RENAMED[f"{module}.{name}"]
    except KeyError:
        raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
    warn_renamed(f"{module}.{name}", f"{home}.{new}", stacklevel=4)
    return getattr(import_module(home), new)


def renamed_argument(
    where: str, old: str, value: T | None, new: str, current: T, *, stacklevel: int = 3
) -> T:
    """Return what a parameter is, by its new or its old name.

    Parameters
    ----------
    where : str
        The function or class.
    old : str
        The parameter's old name.
    value : any
        What was given by it; None for nothing.
    new : str
        Its new name.
    current : any
        What was given by that, or the default.
    stacklevel : int
        As in `warn_renamed`, from the caller on.

    Returns
    -------
    any
    """
    if value is None:
        return current
    warn_renamed(f"{where}({old}=)", f"{where}({new}=)", stacklevel=stacklevel + 1)
    return value


def old_field(old: str, new: str) -> Callable[[type[T]], type[T]]:
    """Return what has a data class take a field by its old name too, as a keyword.

    Parameters
    ----------
    old, new : str
        The field's names.

    Returns
    -------
    callable
        A decorator of the class.
    """

    def decorate(cls: type[T]) -> type[T]:
        made: Callable[..., None] = cls.__init__

        @wraps(made)
        def init(self: T, *args: Any, **fields: Any) -> None:
            if old in fields:
                fields[new] = renamed_argument(
                    cls.__name__, old, fields.pop(old), new, fields.get(new)
                )
            made(self, *args, **fields)

        cls.__init__ = init  # type: ignore[method-assign, assignment]
        return cls

    return decorate


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that a name is deprecated.

    Parameters
    ----------
    old, new : str
        As a user writes them.
    stacklevel : int
        Frames up to the user's own line.
    """
    warnings.warn(
        f"{old} is deprecated and goes with ecgfast 0.3: use {new}",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
