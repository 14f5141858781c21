"""Tables and lines with a row for each sample of each signal, whose name stands in a column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..errors import RecordError

__all__ = [
    "SIGNAL_COLUMNS",
    "mean_square",
    "numbered_signals",
    "refuse_interleaved",
    "refuse_numbered",
    "signals_of",
]

#: Columns by these names say which signal a row belongs to.
SIGNAL_COLUMNS = {"channel", "ch", "lead", "signal", "sensor", "type", "stream", "derivation"}

# Signals that a column names, row by row, and shares of rows that begin another one.
_MOST_SIGNALS, _OFTEN = 64, 0.1

# Rows up to which each may be of a signal of its own.
_MOST_ALONE = 16

# Share of rows that repeat the one so many rows before, where signals come by turns.
_BY_TURNS = 0.95

# Mains, Hz, and how near the turns have to be to whole periods of it to repeat with it.
_MAINS, _WHOLE = (50.0, 60.0), 0.05

# Mean square of the steps between rows nearer than the turns are long, over that within each of the
# signals: above it at every such distance they are signals. One signal moves less from row to row
# than over several rows; what repeats earlier repeats by itself, as an open input picks up a clock.
_STEPS = 1.3


def signals_of(words: Sequence[str]) -> list[str]:
    """Return the names of the signals that a column tells row by row; empty where it tells none.

    A state or a label seldom changes; the name of a signal does from row to row.
    """
    different = sorted(set(words))
    changes = sum(a != b for a, b in pairwise(words))
    if not 2 <= len(different) <= _MOST_SIGNALS or "" in different:
        return []
    if len(different) == len(words) > _MOST_ALONE:
        return []  # each row has its own
    return different if changes >= _OFTEN * (len(words) - 1) else []


def refuse_interleaved(words: Sequence[str], column: str, name: str) -> None:
    """Raise if the words of a column, row by row, are the names of several signals."""
    _refuse(signals_of(words), column, name)


def refuse_numbered(table: npt.NDArray[np.float64], columns: Sequence[str], name: str) -> None:
    """Raise if the numbers in a column, row by row, are those of several signals."""
    for i, column in enumerate(columns):
        _refuse(numbered_signals(table, i), column, name)


def _refuse(signals: Sequence[str], column: str, name: str) -> None:
    if signals:
        raise RecordError(
            f"{name}: has a row for each sample of each signal, which {column!r} names "
            f"({', '.join(signals[:4])}); write a column for each signal"
        )


def numbered_signals(
    table: npt.NDArray[np.float64], column: int, fs: float | None = None
) -> list[str]:
    """Return the numbers of the signals that a column without a name tells; empty where none.

    They come by turns, and another column holds several signals: a small counter beside one signal,
    or beside several in columns of their own, comes by turns too.

    Parameters
    ----------
    table : ndarray, shape (n, columns)
    column : int
    fs : float, optional
        Rows a second, Hz, where that is known.
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
        if fs is None or _repeats_with_mains(k, fs):
            # Hum that repeats as the turns do is no offset of signals: what is left decides.
            values = _without_turns(values, k)
        within = mean_square(values[k:] - values[:-k])
        between = (mean_square(values[j:] - values[:-j]) for j in range(1, k))
        if within > 0 and all(steps > _STEPS * within for steps in between):
            return [f"{number:g}" for number in different]
    return []


def _without_turns(values: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    """The values without the mean of every `k`-th of them."""
    out = np.array(values)
    for first in range(k):
        turn = values[first::k]
        good = turn[np.isfinite(turn)]
        out[first::k] -= good.mean() if good.size else 0.0
    return out


def _repeats_with_mains(k: int, fs: float) -> bool:
    periods = [mains * k / fs for mains in _MAINS]
    return any(x > 0.5 and abs(x - round(x)) < _WHOLE for x in periods)


def mean_square(steps: npt.NDArray[np.float64]) -> float:
    """Mean square of what is finite; 0 if nothing is."""
    good = steps[np.isfinite(steps)]
    return float(np.mean(good**2)) if good.size else 0.0
