"""Old public names: each works until version 0.3 and says what to write instead.

Modules ask `renamed` from their ``__getattr__``; classes have a property or method that calls
`warn_renamed`. A name that goes is removed here and there.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

__all__ = ["RENAMED", "renamed", "warn_renamed"]

#: By the old name in full, the module and the name to use instead.
RENAMED = {
    "ecgfast.runtime.ModelWindow": ("ecgfast", "WindowSpec"),
    "ecgfast.streaming.BeatLabeller": ("ecgfast", "StreamingClassifier"),
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
