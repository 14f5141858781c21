"""Whether a recording of one data set is one of another under another name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .examples import ExampleSet

__all__ = ["same_recordings"]

# Samples by which R of one beat may differ: 20 ms at 360 Hz. At other times of another recording
# one beat in twenty lies so near.
_NEAR = 7
# Share of beats that have to be found, and how like their windows have to be: more where so few
# beats are compared that those of another recording may lie there too.
_FOUND = 0.8
_LIKE, _MUCH_LIKE = 0.95, 0.999
_MANY = 10


def same_recordings(examples: ExampleSet, others: ExampleSet) -> dict[str, str]:
    """Find recordings whose beats are at the same places and of the same shapes as another's.

    Parameters
    ----------
    examples, others : ExampleSet
        Of beats, with the input "window" and the column ``sample``, cut at the same sampling rate.

    Returns
    -------
    dict of str to str
        By recording of `examples`, the recording of `others` that it is.
    """
    known = {name: _rows(others, name) for name in np.unique(others.record).tolist()}
    found = {}
    for name in np.unique(examples.record).tolist():
        mine = _rows(examples, name)
        best = max(known, key=lambda other: _likeness(examples, mine, others, known[other]))
        if _likeness(examples, mine, others, known[best]) > 0:
            found[name] = best
    return found


def _rows(examples: ExampleSet, record: str) -> npt.NDArray[np.int64]:
    """Rows of a recording, by time."""
    rows = np.flatnonzero(examples.record == record)
    return rows[np.argsort(examples.columns["sample"][rows], kind="stable")]


def _likeness(
    examples: ExampleSet,
    mine: npt.NDArray[np.int64],
    others: ExampleSet,
    theirs: npt.NDArray[np.int64],
) -> float:
    """Median correlation of the beats that are at the same places; 0 for another recording."""
    at, there = examples.columns["sample"][mine], others.columns["sample"][theirs]
    after = np.searchsorted(there, at).clip(0, len(there) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(there[after] - at) < np.abs(there[before] - at), after, before)
    near = np.abs(there[nearest] - at) <= _NEAR
    if near.mean() < _FOUND:
        return 0.0
    one, other = (
        part.inputs["window"][rows][:, :, 0].astype(np.float64)
        for part, rows in ((examples, mine[near]), (others, theirs[nearest[near]]))
    )
    one, other = (x - x.mean(axis=1, keepdims=True) for x in (one, other))
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    like = float(np.median((one * other).sum(axis=1) / np.maximum(size, 1e-12)))
    return like if like >= (_LIKE if near.sum() >= _MANY else _MUCH_LIKE) else 0.0
