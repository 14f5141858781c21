"""Tables of pandas, polars, pyarrow and xarray as a source: their columns, the times of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..inputs import table_names
from ..records.choosing import role_of
from ..records.record import FS_MAX, FS_MIN

__all__ = ["all_columns", "check_rows", "some_columns"]

# Times of rows that are looked at, and columns that a message lists, at most.
_TIMES, _LISTED = 1000, 4

# By how much the times of rows may differ from the rate that is given.
_RATE_SHARE = 0.01

# Seconds by which a step between rows may be longer than the others: packets come late.
_LEAP_S = 0.25


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


def check_rows(table: Any, fs: float) -> None:
    """Refuse a table whose times of rows contradict that a row follows on the other at a rate.

    Parameters
    ----------
    table : object
        A Series or DataFrame of pandas with times as its index, or an array of xarray with times;
        what has no times, or numbers that may be no seconds, passes.
    fs : float
        Sampling rate in Hz.

    Raises
    ------
    InputError
        If they are of another rate, go back, or leap.
    """
    times = getattr(table, "index", None)
    coordinates = getattr(table, "coords", None)
    if isinstance(coordinates, Mapping) and "time" in coordinates:
        times = coordinates["time"]
    values = getattr(times, "values", None)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "mMf" or len(values) < 2:
        return
    steps = _steps(values)
    back = np.flatnonzero(steps < 0)
    usual = float(np.nanmedian(_steps(np.sort(values)) if len(back) else steps[:_TIMES]))
    if not usual > 0 or not (values.dtype.kind in "mM" or FS_MIN <= 1 / usual <= FS_MAX):
        return
    alone = "the values alone, without these times"
    if abs(1 / usual - fs) > _RATE_SHARE * fs:
        raise InputError(
            f"fs={fs:g} was given, and the times of the rows are those of {1 / usual:.6g} Hz: "
            f"give fs={1 / usual:.6g}, or {alone}"
        )
    if len(back):
        raise InputError(
            f"the times of the rows go back after row {back[0]}: sort the rows, such as "
            f"table.sort_index(), or give {alone}"
        )
    leaps = np.flatnonzero(steps > usual + _LEAP_S)
    if len(leaps):
        raise InputError(
            f"the times of the rows leap by {steps[leaps[0]]:.3g} s after row {leaps[0]}: add rows "
            f"of NaN for what is missing, or give {alone}, to have them follow on each other"
        )


def _steps(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Seconds from one time to the next; NaN beside one that is missing."""
    steps = np.diff(values)
    return steps / np.timedelta64(1, "s") if steps.dtype.kind == "m" else steps.astype(np.float64)
