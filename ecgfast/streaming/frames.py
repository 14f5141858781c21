"""Beats and events as pandas tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..core import FEATURE_NAMES, BeatBatch
from ..errors import InputError
from ..extras import need
from .beat import Beat

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["to_dataframe"]

_INTEGERS = ("sample", "quality")

_EXAMPLE = "give beats of stream_classify, batches of stream_beats, or events"


class EventLike(Protocol):
    """What a row of a table of events needs; `ecgfast.Event` has it."""

    @property
    def start_time(self) -> float:
        """Seconds from the source's first sample."""

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""


def to_dataframe(
    beats: Iterable[Beat] | Iterable[BeatBatch] | BeatBatch | Iterable[EventLike],
) -> pd.DataFrame:
    """Beats or events as a table, one row each.

    Parameters
    ----------
    beats : iterable of Beat, BeatBatch, iterable of BeatBatch, or iterable of Event
        Such as ``stream_classify(...)``, ``stream_beats(...)`` or ``events(...)``.

    Returns
    -------
    pandas.DataFrame
        The attributes of `Beat` as columns; probabilities and outputs have a column for each class
        or number, such as ``probabilities.V`` and ``outputs.maximum``. Of batches: ``sample``,
        ``known_at``, ``rr``, ``quality``, and the features of each beat, such as ``features.rr``.
        The attributes of `Event` and its ``duration`` as columns.

    Raises
    ------
    MissingExtraError
        If pandas is not installed: ``pip install 'ecgfast[pandas]'``.
    InputError
        If there is something else among them.

    Examples
    --------
    >>> from ecgfast import stream_classify, to_dataframe
    >>> table = to_dataframe(stream_classify("mitdb/208"))      # doctest: +SKIP
    >>> table.groupby("label").rr.median()                      # doctest: +SKIP
    >>> from ecgfast import events
    >>> to_dataframe(events("mitdb/208")).groupby("kind").duration.max()  # doctest: +SKIP
    """
    pandas = need("pandas", "A table of beats", "pandas")
    if isinstance(beats, BeatBatch):
        beats = [beats]
    if not isinstance(beats, Iterable) or isinstance(beats, (str, bytes)):
        raise InputError(f"cannot make a table of {type(beats).__name__}: {_EXAMPLE}")
    rows: list[Any] = list(beats)
    kinds = {type(row) for row in rows}
    if rows and kinds == {BeatBatch}:
        return pandas.DataFrame(_of_batch(BeatBatch.concatenate(rows)))
    if rows and all(hasattr(kind, "to_dict") and hasattr(kind, "start_time") for kind in kinds):
        return _of_events(rows, pandas)
    if kinds - {Beat}:
        name = next(kind.__name__ for kind in kinds if kind is not Beat)
        raise InputError(f"cannot make a table of {name}: {_EXAMPLE}")
    return pandas.DataFrame(_of_beats(rows))


def _of_beats(beats: list[Beat]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for one in fields(Beat):
        values = [getattr(beat, one.name) for beat in beats]
        if one.name in ("probabilities", "outputs"):
            names = dict.fromkeys(name for value in values for name in value)
            for name in names:
                columns[f"{one.name}.{name}"] = [value.get(name, float("nan")) for value in values]
        elif one.name in _INTEGERS:
            columns[one.name] = np.array([int(value) for value in values], np.int64)
        elif one.name == "label":
            columns[one.name] = np.array(values, object)
        else:
            columns[one.name] = np.array(values, np.float64)
    return columns


def _of_events(events: list[EventLike], pandas: Any) -> pd.DataFrame:
    rows = [event.to_dict() for event in events]
    for row in rows:
        row["duration"] = row["end_time"] - row["start_time"]
    table: pd.DataFrame = pandas.DataFrame(rows)
    # Whole numbers also where most events are of no lead.
    table["lead"] = pandas.array([row["lead"] for row in rows], dtype="Int64")
    return table


def _of_batch(batch: BeatBatch) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: getattr(batch, name) for name in ("sample", "known_at", "rr", "quality")
    }
    # Of a history of several beats the last row is the beat itself.
    features = batch.features if batch.features.ndim == 2 else batch.features[:, -1]
    return columns | {f"features.{name}": features[:, i] for i, name in enumerate(FEATURE_NAMES)}
