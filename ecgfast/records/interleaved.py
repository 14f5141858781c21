"""Tables and lines with a row for each sample of each signal, whose name stands in a column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..errors import RecordError

__all__ = ["SIGNAL_COLUMNS", "numbered_signals", "refuse_interleaved", "signals_of"]

#: Columns by these names say which signal a row belongs to.
SIGNAL_COLUMNS = {"channel", "ch", "lead", "signal", "sensor", "type", "stream", "derivation"}

# Signals that a column names, row by row, and shares of rows that begin another one.
_MOST_SIGNALS, _OFTEN = 64, 0.1

# Share of rows that repeat the one so many rows before, where signals come by turns.
_BY_TURNS = 0.95

# Mean square of the steps from row to row, over that within each of the signals: above it they are
# signals, as one signal moves less from row to row than over several rows.
_STEPS = 1.3


def signals_of(words: Sequence[str]) -> list[str]:
    """Return the names of the signals that a column tells row by row; empty where it tells none.

    A state or a label seldom changes; the name of a signal does from row to row.
    """
    different = sorted(set(words))
    changes = sum(a != b for a, b in pairwise(words))
    if not 2 <= len(different) <= _MOST_SIGNALS or "" in different:
        return []
    return different if changes >= _OFTEN * (len(words) - 1) else []


def refuse_interleaved(words: Sequence[str], column: str, name: str) -> None:
    """Raise if the words of a column, row by row, are the names of several signals."""
    found = signals_of(words)
    if found:
        raise RecordError(
            f"{name}: has a row for each sample of each signal, which {column!r} names "
            f"({', '.join(found[:4])}); write a column for each signal"
        )


def numbered_signals(table: npt.NDArray[np.float64], column: int) -> list[str]:
    """Return the numbers of the signals that a column without a name tells; empty where none.

    They come by turns, and another column holds several signals: a small counter beside one signal,
    or beside several in columns of their own, comes by turns too.

    Parameters
    ----------
    table : ndarray, shape (n, columns)
    column : int
    """
    turn = table[:, column]
    different = np.unique(turn)
    k = len(different)
    if not 2 <= k <= min(_MOST_SIGNALS, len(turn) // 4) or not np.array_equal(
        different, different.round()
    ):
        return []
    if (turn[k:] == turn[:-k]).mean() < _BY_TURNS or (np.diff(turn) == 0).any():
        return []
    for i in range(table.shape[1]):
        values = table[:, i]
        if i == column or (values[k:] == values[:-k]).mean() >= _BY_TURNS:
            continue
        within = _mean_square(values[k:] - values[:-k])
        if within > 0 and _mean_square(np.diff(values)) > _STEPS * within:
            return [f"{number:g}" for number in different]
    return []


def _mean_square(steps: npt.NDArray[np.float64]) -> float:
    good = steps[np.isfinite(steps)]
    return float(np.mean(good**2)) if good.size else 0.0
