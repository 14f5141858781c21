"""Tables of pandas, polars, pyarrow and xarray as a source: their columns, the times of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..inputs import table_names
from ..records.choosing import role_of
from ..records.record import FS_MAX, FS_MIN

__all__ = ["all_columns", "rate_of_rows", "some_columns"]

# Times of rows that are looked at, and columns that a message lists, at most.
_TIMES, _LISTED = 1000, 4


def all_columns(names: Sequence[str], title: str = "") -> list[int]:
    """Return all columns of a table as leads.

    Parameters
    ----------
    names : sequence of str
        Of the columns.
    title : str
        Of the table, for messages.

    Returns
    -------
    list of int

    Raises
    ------
    InputError
        If a column is a clock or another sensor by its name.
    """
    roles = [role_of(name) for name in names]
    other = [
        f"{name!r} is {why}"
        for name, (role, why) in zip(names, roles, strict=True)
        if role not in ("ecg", "unclear")
    ]
    if other:
        kept = [name for name, (role, _) in zip(names, roles, strict=True) if role == "ecg"]
        raise InputError(
            f"{title}{': ' * bool(title)}of the columns, {', '.join(other[:_LISTED])}: choose the "
            f"leads, such as leads={kept[:_LISTED] or ['II']}"
        )
    return list(range(len(names)))


def some_columns(table: Any, columns: list[int]) -> Any:
    """Return some columns of a table of pandas, polars or pyarrow, as a table."""
    if hasattr(table, "iloc"):
        return table.iloc[:, columns]
    return table.select([table_names(table)[i] for i in columns])


def rate_of_rows(table: Any) -> float:
    """Return the sampling rate that the times of a table's rows tell, in Hz.

    Parameters
    ----------
    table : object
        A Series or DataFrame of pandas with times as its index, or an array of xarray with times.

    Returns
    -------
    float
        0 where it has no times, or numbers that may be no seconds.
    """
    times = getattr(table, "index", None)
    coordinates = getattr(table, "coords", None)
    if isinstance(coordinates, Mapping) and "time" in coordinates:
        times = coordinates["time"]
    values = getattr(times, "values", None)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "mMf" or len(values) < 2:
        return 0.0
    steps = np.diff(values[:_TIMES])
    if steps.dtype.kind == "m":
        steps = steps / np.timedelta64(1, "s")
    step = float(np.median(steps))
    if not step > 0:
        return 0.0
    likely = values.dtype.kind in "mM" or FS_MIN <= 1 / step <= FS_MAX
    return 1 / step if likely else 0.0
