"""Equality of results that hold NaN where a number is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["NanEqual"]


class NanEqual:
    """Base of data classes that are equal where their fields are, NaN to NaN.

    A NaN is no other NaN to Python, so that a copy from another process would be unequal. The data
    class is made with ``eq=False``.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [one.name for one in fields(self) if one.compare]  # type: ignore[arg-type]
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        values = [getattr(self, one.name) for one in fields(self)]  # type: ignore[arg-type]
        return hash(tuple(value for value in values if isinstance(value, (int, str))))


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
