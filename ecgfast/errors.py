"""Errors that a user can act on: each message names the thing at fault and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .printable import printable

__all__ = [
    "EcgfastError",
    "InputError",
    "MissingExtraError",
    "MissingRuntimeError",
    "MissingValuesWarning",
    "ModelError",
    "NoBeatsWarning",
    "NotBuiltError",
    "RecordError",
    "StateError",
    "content_reason",
    "is_not_built",
    "name_hint",
    "no_card",
    "system_reason",
]

# The compiled modules of this package.
_COMPILED = (
    "ecgfast._cyutility",  # what the others share
    "ecgfast.core",
    "ecgfast.records._samples",
    "ecgfast.records._table",
    "ecgfast.rhythm._beat_window",
    "ecgfast.rhythm._scan",
    "ecgfast.runtime._network",
)


class EcgfastError(Exception):
    """Base of every error that is raised on purpose; the command line prints it as one line.

    Parameters
    ----------
    message : str
        What is wrong, where, and what to do. Names in it may come from a file: what a terminal
        would obey is written out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))

    def __reduce__(self) -> tuple[Any, ...]:
        # By its message: a pool of processes waits for ever for an error that cannot be read back.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[EcgfastError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> EcgfastError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class InputError(EcgfastError, ValueError):
    """A signal, sampling rate or option that cannot be used."""


class StateError(EcgfastError, RuntimeError):
    """An object that cannot do this now: in use by another thread, ended, or never initialised."""


class RecordError(EcgfastError, ValueError):
    """A recording that is missing, truncated, damaged or of an unknown format."""


class ModelError(EcgfastError, ValueError):
    """A model that is unknown, damaged or of the wrong shape."""


class MissingExtraError(EcgfastError, ImportError):
    """Something optional is not installed.

    Parameters
    ----------
    what : str
        What was asked for, as a noun phrase.
    extra : str
        The extra of this package that brings it.
    problem : str, optional
        Why it does not import, where it is installed.
    """

    def __init__(self, what: str, extra: str, problem: str = "") -> None:
        advice = f"pip install 'ecgfast[{extra}]'"
        if problem:
            advice = (
                f"it is installed, but {problem}; install what that lacks (a shared library with "
                "the system's own packages)"
            )
        super().__init__(f"{what} needs the extra {extra!r}: {advice}")


class MissingRuntimeError(MissingExtraError):
    """A model needs a TFLite runtime, and none is installed.

    Built-in models need none: ecgfast runs them itself where there is no runtime.

    Parameters
    ----------
    why : str
        What this package cannot do with the model on its own, with the name of its file.
    """

    def __init__(self, why: str) -> None:
        EcgfastError.__init__(
            self,
            f"{why}, and no TFLite runtime is installed: `pip install ai-edge-litert` or, where "
            "that has no files for this system and this Python, `pip install tensorflow`; "
            "model='none' finds R peaks and rhythm without a model",
        )


class NotBuiltError(EcgfastError, ImportError):
    """A compiled module of this package is missing, or was built for another version."""

    def __init__(self) -> None:
        super().__init__(
            "the compiled core of ecgfast is not here: leave this source folder to use the "
            "installed package, or build it here with `pip install -e .`"
        )


def is_not_built(error: BaseException) -> bool:
    """Return whether an import failed because a compiled module of this package is missing.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    bool
        True also for a module that was built from other sources or for another Python.
    """
    return isinstance(error, ImportError) and error.name in _COMPILED


class MissingValuesWarning(UserWarning):
    """A value of an array, such as -9999, that is taken for missing; the message names it."""


class NoBeatsWarning(UserWarning):
    """A signal in which no beat was found; the message says what to check."""


def name_hint(name: str, known: Iterable[str]) -> str:
    """What a message says of a name that there is not.

    Parameters
    ----------
    name : str
        As it was given.
    known : iterable of str
        Names that there are.

    Returns
    -------
    str
        The known name that is most like it, or all of them.

    Examples
    --------
    >>> name_hint("epocs", ["epochs", "batch"])
    "did you mean 'epochs'?"
    >>> name_hint("x", ["epochs", "batch"])
    'there are epochs, batch'
    """
    names = list(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"


def content_reason(error: Exception) -> str:
    """Why what a file holds cannot be read, in words for a message.

    Parameters
    ----------
    error : Exception
        Of the system, of decoding text, or of a parser.

    Returns
    -------
    str
    """
    if isinstance(error, OSError):
        return system_reason(error)
    return "it is no text" if isinstance(error, UnicodeDecodeError) else str(error)


def no_card(path: str | os.PathLike[str], unknown: str) -> ModelError:
    """Return the error of a model without a card.

    Parameters
    ----------
    path : path
        The model's file.
    unknown : str
        What its card would say, such as "its beat window".

    Returns
    -------
    ModelError
    """
    stem = Path(path).name.partition(".")[0]
    return ModelError(
        f"{path}: has no card that says {unknown}; put {stem}.json, as `ecgfast export` or "
        "`ecgfast train` writes it, beside the file"
    )


def system_reason(error: OSError) -> str:
    """Why the system refused, in its own words, and what to do about a full disk.

    Parameters
    ----------
    error : OSError

    Returns
    -------
    str
    """
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return f"{error.strerror}: make room there"
    return error.strerror or str(error)
