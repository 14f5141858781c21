"""Heavy libraries, imported by the test that uses them and not by each process that collects it."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

import pytest


class Lazily:
    """A module that is imported at the first look into it; its file of tests skips without it.

    Parameters
    ----------
    name : str
        Of the module.
    reason : str
        What is reported where it is not installed.
    """

    def __init__(self, name: str, reason: str) -> None:
        if find_spec(name) is None:
            pytest.skip(reason, allow_module_level=True)
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks for marks in whatever a module holds
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


def working(name: str) -> Any:
    """A module; the test skips where it, or a shared library that it needs, is not there.

    Parameters
    ----------
    name : str

    Returns
    -------
    module
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        pytest.skip(f"{name} does not work here: {error}")
