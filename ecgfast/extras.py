"""Libraries that extras bring: imported where they are used, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .errors import MissingExtraError

__all__ = ["need"]


def need(module: str, what: str, extra: str) -> ModuleType:
    """Import a module that the base installation may lack.

    Parameters
    ----------
    module : str
        Such as ``"scipy.signal"``.
    what : str
        What it is wanted for, as a noun phrase that begins the message.
    extra : str
        The extra of this package that brings it.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it is not installed, or is and cannot be imported.

    Examples
    --------
    >>> need("math", "A square root", "all").sqrt(9.0)
    3.0
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise MissingExtraError(what, extra) from None
    except (ImportError, OSError) as error:  # a shared library that it needs is not there
        reason = " ".join(str(error).split())
        package = module.partition(".")[0]
        raise MissingExtraError(f"{what} ({package} fails to import: {reason})", extra) from None
