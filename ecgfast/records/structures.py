"""Which of the structures or groups of a file holds the ECG, and what is said of it beside it.

MATLAB's structures and HDF5's groups often hold one sensor, device or person each, with arrays of
the same names (``data``, ``fs``): those of one must not be taken for those of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .choosing import role_of, sensor_around

__all__ = ["ArrayPath", "of_the_ecg"]

#: The names that lead to an array, from the file on.
ArrayPath = tuple[str, ...]
Arrays = Mapping[ArrayPath, npt.NDArray[Any]]

# Values that an array has at least that may be a signal.
_LONG = 64

# What a structure calls itself.
_TITLES = ("title", "name", "label", "channel")


def of_the_ecg(arrays: Arrays) -> tuple[dict[str, ArrayPath], list[str]]:
    """Choose the arrays of the structure that holds the ECG, and of those around it.

    Parameters
    ----------
    arrays : mapping of tuple of str to ndarray
        All arrays of a file by the names that lead to them.

    Returns
    -------
    chosen : dict of str to tuple of str
        Short names, and the arrays that have them. Arrays of structures that hold other signals
        are not among them.
    notes : list of str
        What was left out.
    """
    holders = list(dict.fromkeys(path[:-1] for path, a in arrays.items() if _is_long(a)))
    if len(holders) < 2:
        return _named(arrays, holders), []
    ecg = [h for h in holders if _role(arrays, h) == "ecg"]
    unclear = [h for h in holders if _role(arrays, h) == "unclear"]
    chosen = ecg or unclear or holders
    leads = [h for h in chosen if _generic(arrays, h) is not None]
    if len(leads) == len(chosen) > 1 and ecg:
        signals = {_title(arrays, h): _generic(arrays, h) for h in leads}
        sizes = {arrays[path].size for path in signals.values() if path is not None}
        if len(signals) == len(leads) and len(sizes) == 1:
            found = _named(arrays, [leads[0]], holders)
            one = _title(arrays, leads[0])
            return found | {
                name: path for name, path in signals.items() if path and name != one
            }, []
    first = max(chosen, key=lambda h: _size(arrays, h)) if not ecg else chosen[0]
    others = [".".join(h) or "the file's own arrays" for h in ecg if h != first]
    notes = []
    if others:
        notes.append(
            f"of several structures with an ECG, {'.'.join(first) or 'the file itself'!r} is read; "
            f"{', '.join(map(repr, others[:3]))} {'is' if len(others) == 1 else 'are'} not"
        )
    return _named(arrays, [first], holders), notes


def _named(
    arrays: Arrays, chosen: Iterable[ArrayPath], holders: Iterable[ArrayPath] = ()
) -> dict[str, ArrayPath]:
    """Return the arrays of a structure, of those around it, and of those without signals."""
    found: dict[str, ArrayPath] = {}
    for holder in chosen:
        generic = _generic(arrays, holder)
        if generic is not None:
            found[_title(arrays, holder)] = generic
        for depth in range(len(holder), -1, -1):
            for path in arrays:
                if path[:-1] == holder[:depth] and path != generic:
                    found.setdefault(_short(arrays, path), path)
    skipped = set(holders)
    for path in arrays:
        if path[:-1] not in skipped and path not in found.values():
            found.setdefault(_short(arrays, path), path)
    return found


def _short(arrays: Arrays, path: ArrayPath) -> str:
    """Return the name of an array; with that of another sensor around a signal that may be its.

    Arrays of several columns may name these: EEGLAB's recordings are all called EEG.
    """
    name, array = path[-1], arrays[path]
    alone = _is_long(array) and max(array.shape) == array.size
    sensor = sensor_around(name, reversed(path[:-1])) if alone else ""
    return f"{sensor}.{name}" if sensor and role_of(sensor)[0] == "other" else name


def _is_long(array: npt.NDArray[Any]) -> bool:
    return (array.dtype.kind in "fiu" or array.dtype.names is not None) and array.size >= _LONG


def _members(arrays: Arrays, holder: ArrayPath) -> list[ArrayPath]:
    return [path for path, a in arrays.items() if path[:-1] == holder and _is_long(a)]


def _size(arrays: Arrays, holder: ArrayPath) -> int:
    return max(arrays[path].size for path in _members(arrays, holder))


def _title(arrays: Arrays, holder: ArrayPath) -> str:
    """Return the name of a structure, or its title where the name tells nothing."""
    name = holder[-1] if holder else ""
    for key in _TITLES if role_of(name)[0] not in ("ecg", "other") else ():
        told = arrays.get((*holder, key))
        if told is not None and told.dtype.kind in "US" and told.size == 1:
            text = str(np.asarray(told).reshape(-1)[0])
            if role_of(text)[0] in ("ecg", "other"):
                return text
    return sensor_around(name, reversed(holder[:-1])) or name


def _generic(arrays: Arrays, holder: ArrayPath) -> ArrayPath | None:
    """Return the only signal of a structure that has the name, such as that of ``ECG.data``."""
    if not holder or role_of(_title(arrays, holder))[0] not in ("ecg", "other"):
        return None
    signals = [path for path in _members(arrays, holder) if role_of(path[-1])[0] != "clock"]
    if len(signals) != 1:
        return None
    name, array = signals[0][-1], arrays[signals[0]]
    if role_of(name)[0] in ("ecg", "other") and not sensor_around(name, reversed(holder)):
        return None
    return signals[0] if array.dtype.names is None and max(array.shape) == array.size else None


def _role(arrays: Arrays, holder: ArrayPath) -> str:
    """Return whether a structure holds an ``ecg`` by names, an ``other`` signal, or ``unclear``."""
    named = {role_of(_short(arrays, path))[0] for path in _members(arrays, holder)}
    if "ecg" in named:
        return "ecg"
    own = role_of(_title(arrays, holder))[0]
    if own in ("ecg", "other"):
        return own
    return "other" if named <= {"other", "clock", "counter"} else "unclear"
