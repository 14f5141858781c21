"""Scores of rows of ventricular beats: couplets and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..records import read_record
from ..rhythm import Event, EventKind, RhythmStream
from .ec57 import TOLERANCE_S
from .episodes import RowScore, rows_of, score_rows
from .mitdb import DS2
from .rhythm_events import annotated_beats_of, record_events

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["evaluate_rows"]

_ROW_KINDS = (EventKind.VENTRICULAR_COUPLET, EventKind.VENTRICULAR_RUN)


def _event_rows(events: Iterable[Event]) -> list[tuple[int, int, int]]:
    return [
        (one.start, one.end, one.n_beats)
        for one in events
        if one.kind in _ROW_KINDS and not one.ongoing
    ]


def evaluate_rows(
    folder: Path,
    classifier: Classifier,
    *,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> dict[str, list[RowScore]]:
    """Couplets and runs of V on DS2, from reference beats and from detected ones.

    Parameters
    ----------
    folder : path
        Of mitdb.
    classifier : Classifier
    progress : callable, optional

    Returns
    -------
    dict of str to list of RowScore
        ``"reference"`` and ``"detected"`` beats.
    """
    scores: dict[str, list[list[RowScore]]] = {"reference": [], "detected": []}
    for name in progress(DS2):
        record = read_record(folder / name)
        beats = annotated_beats_of(record)
        rows = rows_of([one.sample for one in beats], [one.label for one in beats])
        reference = [(row[0], row[-1], len(row)) for row in rows]
        rhythm = RhythmStream(record.fs)
        for kind, events in (
            ("reference", [*rhythm.process(beats), *rhythm.flush()]),
            ("detected", record_events(record, classifier)[1]),
        ):
            tolerance = 0.0 if kind == "reference" else TOLERANCE_S * record.fs
            scores[kind].append(score_rows(reference, _event_rows(events), tolerance))
    return {
        kind: [
            RowScore(
                rows[0].kind,
                *(
                    sum(getattr(one, field) for one in rows)
                    for field in ("reference", "found", "test", "right")
                ),
            )
            for rows in zip(*records, strict=True)
        ]
        for kind, records in scores.items()
    }
