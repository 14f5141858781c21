"""Libraries that extras bring: imported where they are used, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from ._interrupts import interrupts_wait
from .errors import MissingExtraError

__all__ = ["need", "need_installed"]


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
        with interrupts_wait():
            return import_module(module)
    except ModuleNotFoundError:
        raise MissingExtraError(what, extra) from None
    except (ImportError, OSError) as error:  # a shared library that it needs is not there
        reason = " ".join(str(error).split())
        package = module.partition(".")[0]
        problem = f"{package} fails to import: {reason}"
        raise MissingExtraError(what, extra, problem) from None


def need_installed(packages: tuple[str, ...], what: str, extra: str) -> None:
    """Check that packages are installed without importing them, before long work that ends in them.

    Parameters
    ----------
    packages : tuple of str
        Such as ``("keras", "scipy")``.
    what, extra
        As in `need`.

    Raises
    ------
    MissingExtraError
        If one is not.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(f"{what} ({package})", extra)
