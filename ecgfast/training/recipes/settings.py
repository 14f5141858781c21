"""Settings of a recipe as text, ``schedule.epochs=3``: found by name, read by type."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_type_hints

from ...errors import InputError
from ...networks import SHARED_OPTIONS
from .recipe import Recipe, Schedule

__all__ = ["conflicts", "set_values", "setting_names"]

# Settings whose value says what the recipe compares, not how it trains.
_CHANGES = ("candidates", "protocols")
_NETWORK = "architecture.name"


def set_values(
    recipe: Recipe,
    settings: Iterable[str],
    *,
    option_types: Mapping[str, type] | None = None,
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with settings that are given as text.

    Parameters
    ----------
    recipe : Recipe
    settings : iterable of str
        ``KEY=VALUE``. A key is dotted: ``seed``, ``schedule.epochs``, ``architecture.dropout``,
        ``options.step_s``. A value has the type that the setting has: numbers and true or false as
        JSON writes them, text as it stands, a tuple of names as ``a,b`` or ``["a", "b"]``. What
        has no type of its own (``architecture``, ``options``) is read as JSON, and as text where
        it is none. With another ``architecture.name`` only ``window``, ``features``, ``outputs``
        and ``head`` of the architecture stay: the other options are those of the former network.
    option_types : mapping of str to type, optional
        Names and types that ``options`` may have: those of the recipe's task. A list may then be
        given as ``a,b``.

    Returns
    -------
    recipe : Recipe
    values : dict
        What was set, by key.

    Raises
    ------
    InputError
        If a setting is no ``KEY=VALUE``, or its key or value is not one of a recipe; the message
        names the key that is most like it.
    """
    given: dict[str, str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not all(key.strip().split(".")):
            raise InputError(f"{text!r} is no KEY=VALUE, such as schedule.epochs=3")
        given[key.strip()] = value.strip()
    values: dict[str, Any] = {}
    # Another network drops the options of the former one: it comes before its own.
    for key in sorted(given, key=lambda key: key != _NETWORK):
        recipe, values[key] = _changed(recipe, key.split("."), given[key], option_types)
    return recipe, values


def setting_names(recipe: Recipe, option_types: Mapping[str, type] | None = None) -> list[str]:
    """Keys of a recipe, dotted, as `set_values` takes them.

    Parameters
    ----------
    recipe : Recipe
    option_types : mapping of str to type, optional
        As in `set_values`.

    Returns
    -------
    list of str
    """
    options = recipe.options if option_types is None else option_types
    return [
        *(f.name for f in dataclasses.fields(Recipe) if f.name != "schedule"),
        *(f"schedule.{f.name}" for f in dataclasses.fields(Schedule)),
        *(f"architecture.{name}" for name in recipe.architecture),
        *(f"options.{name}" for name in options),
    ]


def conflicts(recipe: Recipe, keys: Iterable[str]) -> list[str]:
    """Candidates and protocols of a recipe that have a value of their own for a key.

    Parameters
    ----------
    recipe : Recipe
    keys : iterable of str
        Dotted.

    Returns
    -------
    list of str
        A line for each: they keep their own value.
    """
    found = []
    for key in keys:
        first, *rest = key.split(".")
        for kind in _CHANGES:
            for name, change in getattr(recipe, kind).items():
                value = change.get(first)
                for part in rest:
                    value = value.get(part) if isinstance(value, Mapping) else None
                if value is not None:
                    found.append(
                        f"{kind[:-1]} {name!r} keeps its own {key}, {json.dumps(value)}: "
                        f"set {kind}.{name}.{key}, or {kind}={{}} to leave them out"
                    )
    return found


def _changed(
    recipe: Recipe, path: Sequence[str], text: str, option_types: Mapping[str, type] | None
) -> tuple[Recipe, Any]:
    """The recipe with one setting, and its value as it was read."""
    key, (first, *rest) = ".".join(path), path
    types = get_type_hints(Recipe)
    if first not in types:
        raise _unknown(recipe, key, option_types)
    if first == "options" and rest and option_types is not None:
        if rest[0] not in option_types:
            raise _unknown(recipe, key, option_types)
        if option_types[rest[0]] is list and len(rest) == 1 and not text.startswith("["):
            text = json.dumps([_json(part.strip()) for part in text.split(",") if part.strip()])
    if first == "schedule":
        of_schedule = get_type_hints(Schedule)
        if not rest or rest[0] not in of_schedule:
            raise _unknown(recipe, key, option_types)
        name, *inner = rest
        value, whole = _read(key, text, of_schedule[name], getattr(recipe.schedule, name), inner)
        try:
            schedule = dataclasses.replace(recipe.schedule, **{name: whole})
        except InputError as error:
            raise InputError(f"{key}: {error}") from None
        return dataclasses.replace(recipe, schedule=schedule), value
    value, whole = _read(key, text, types[first], getattr(recipe, first), rest)
    if key == _NETWORK and value != recipe.architecture.get("name"):
        kept = {k: v for k, v in recipe.architecture.items() if k in SHARED_OPTIONS}
        whole = {"name": value, **kept}
    return dataclasses.replace(recipe, **{first: whole}), value


def _read(key: str, text: str, kind: Any, present: Any, inner: Sequence[str]) -> tuple[Any, Any]:
    """A value by its type, and the whole setting with it: of a dict one entry may be set."""
    if getattr(kind, "__origin__", kind) is dict:
        if not inner:
            value = _json(text)
            if not isinstance(value, dict):
                raise InputError(f"{key}: {text!r} is no JSON object, such as {{}}")
            return value, value
        value, whole = _json(text), copy.deepcopy(present)
        at = whole
        for name in inner[:-1]:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                raise InputError(f"{key}: {name!r} holds {json.dumps(at)}, and no settings")
        at[inner[-1]] = value
        return value, whole
    if inner:
        raise InputError(f"{key}: {'.'.join(inner)!r} is not within a single value")
    value = _VALUES[getattr(kind, "__origin__", kind)](key, text)
    return value, value


def _json(text: str) -> Any:
    """The value of a JSON text; the text itself where it is not JSON."""
    try:
        return json.loads(text, parse_constant=_refused)
    except ValueError:
        return text


def _refused(name: str) -> Any:
    raise ValueError(name)


def _integer(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{key}: {text!r} is no whole number") from None


def _number(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{key}: {text!r} is no number")
    return value


def _flag(key: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InputError(f"{key}: {text!r} is neither true nor false")
    return text == "true"


def _names(key: str, text: str) -> tuple[str, ...]:
    given = _json(text) if text.startswith("[") else [part.strip() for part in text.split(",")]
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise InputError(f'{key}: {text!r} is no list of names: give a,b or ["a", "b"]')
    return tuple(part for part in given if part)


_VALUES: dict[Any, Any] = {
    int: _integer,
    float: _number,
    bool: _flag,
    str: lambda key, text: text,
    tuple: _names,
}


def _unknown(recipe: Recipe, key: str, options: Mapping[str, type] | None) -> InputError:
    """The error for a key that no recipe has, with the key that is most like it."""
    known = setting_names(recipe, options)
    last = {name.rpartition(".")[2]: name for name in known}
    near = get_close_matches(key, known, n=1) or [
        last[name] for name in get_close_matches(key.rpartition(".")[2], last, n=1)
    ]
    # A key whose last part is right, such as epochs, means that one and no other.
    near = [last[key]] if key in last else near
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return InputError(f"a recipe has no setting {key!r}; {hint}")
