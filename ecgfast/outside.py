"""Parts that other packages bring: named ``module:name``, or by an entry point."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .errors import name_hint

__all__ = ["load_outside"]


def load_outside(
    name: str, *, what: str, group: str, built_in: Iterable[str], error: type[Exception]
) -> Any:
    """Load a part that is not built in.

    Modules are looked for as Python does, and in the working directory after that. Importing a
    module runs it.

    Parameters
    ----------
    name : str
        ``"package.module:name"``, or the name of an entry point.
    what : str
        What it is, for messages: "network" or "task".
    group : str
        Group of the entry points.
    built_in : iterable of str
        Names that are, for messages.
    error : type of exception
        What is raised.

    Returns
    -------
    any

    Raises
    ------
    error
        If it is not there, or importing it fails.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    if ":" in name:
        return _of_module(name, what, error)
    known = {point.name: point for point in entry_points(group=group)}
    if name not in known:
        names = [*built_in, *known]
        raise error(f"no {what} {name!r}: {name_hint(name, names)} (one of your own: module:name)")
    try:
        return known[name].load()
    except Exception as problem:
        raise error(f"{what} {name!r} of {known[name].value}: {_told(problem)}") from problem


def _of_module(name: str, what: str, error: type[Exception]) -> Any:
    module, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise error(f"{what} {name!r}: give module:name, such as mypackage.parts:{what}")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module}.".startswith(f"{problem.name}."):
            raise error(
                f"{what} {name!r}: importing {module} failed: {_told(problem)}"
            ) from problem
        raise error(
            f"{what} {name!r}: no module {problem.name!r} is installed or in {Path.cwd()}"
        ) from None
    except Exception as problem:
        raise error(f"{what} {name!r}: importing {module} failed: {_told(problem)}") from problem
    if not hasattr(found, attribute):
        near = get_close_matches(attribute, dir(found), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise error(f"{what} {name!r}: {found.__file__ or module} has no {attribute!r}{hint}")
    return getattr(found, attribute)


def _told(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0]}" if lines else type(problem).__name__
