"""Modules of this package in Python processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["module_command"]

_START = (
    "import runpy, sys; sys.path.insert(0, {!r}); runpy.run_module({!r}, None, '__main__', True)"
)


def module_command(module: str) -> list[str]:
    """Command that runs a module of this very package, wherever it is run.

    ``python -m`` looks into the working directory first: in a clone of the repository it would find
    the sources there, without their compiled part, instead of the installed package.

    Parameters
    ----------
    module : str
        Full name.

    Returns
    -------
    list of str
        Arguments of the module may follow.
    """
    return [sys.executable, "-c", _START.format(str(Path(__file__).parents[1]), module)]
