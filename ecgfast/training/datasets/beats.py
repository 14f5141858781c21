"""Labelled beats of annotated recordings, cut by the C core exactly as it cuts live ones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import FEATURE_NAMES, BeatBatch, BeatStream, WindowSpec
from ...deprecated import renamed
from ...evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL
from ...evaluation.annotated import reference_beats
from ...records import Record, read_record
from .examples import ExampleSet
from .splits import PACED, patient_of, record_names

__all__ = [
    "cut_reference_beats",
    "examples_of_batch",
    "labelled_beats",
    "prepare_beats",
]


def without_lookahead(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features as they are at the beat itself, the next RR interval not known yet.

    Parameters
    ----------
    features : ndarray of float32, shape (n, k) or (n, history, k)
        With ``k = len(FEATURE_NAMES)``. Of a history only the last beat's next interval is taken
        away: those of the beats before are known by then.

    Returns
    -------
    ndarray of float32, of the same shape
        A copy.
    """
    known: npt.NDArray[np.float32] = features.copy()
    own = known if known.ndim == 2 else known[:, -1]
    own[:, [FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")]] = 0.0
    return known


def cut_reference_beats(
    record: Record, *, lead: int = 0, jointly: bool = False, window: WindowSpec | None = None
) -> tuple[BeatBatch, npt.NDArray[np.str_]]:
    """Cut the beats that a recording's reference annotations mark.

    Parameters
    ----------
    record : Record
        With annotations.
    lead : int
        Column of the lead.
    jointly : bool
        Refine R on all leads of the recording, as beats of several leads are cut live, and not on
        this one alone.
    window : WindowSpec, optional
        The model's time grid.

    Returns
    -------
    batch : BeatBatch
        One row for each beat, with the next RR interval; R refined on the ECG by the core.
    symbols : ndarray of str, shape (n,)
        Their annotation codes.

    Raises
    ------
    RecordError
        If there are no annotations of beats.
    """
    sample, symbol = reference_beats(record)
    signal, leads = record.signal[:, [lead]], 1
    if jointly:
        signal, leads = record.signal, record.signal.shape[1]
    stream = BeatStream(
        record.fs,
        method="external",
        lookahead=1,
        window=window,
        n_leads=leads,
        lead=lead if jointly else 0,
    )
    batch = stream.finish(np.ascontiguousarray(signal), sample)
    return batch, symbol


def labelled_beats(
    record: Record,
    patient: str,
    *,
    lead: int = 0,
    jointly: bool = False,
    window: WindowSpec | None = None,
) -> ExampleSet:
    """Cut the annotated beats of a recording's lead, with their AAMI classes.

    Parameters
    ----------
    record : Record
        With annotations; its name goes into the set.
    patient : str
        Whose it is.
    lead, jointly, window
        As in `cut_reference_beats`.

    Returns
    -------
    ExampleSet
        Inputs "window" and "features" as in `BeatBatch`, with the next RR interval, which
        `without_lookahead` takes away again; target the index into ``"NSVFQ"``; columns
        ``sample`` (R peak in the recording), ``rr`` (seconds to the previous beat, NaN on the
        first) and ``quality``.

    Raises
    ------
    RecordError
        If there are no annotations of beats.
    """
    batch, symbols = cut_reference_beats(record, lead=lead, jointly=jointly, window=window)
    target = [AAMI_CLASSES.index(AAMI_OF_SYMBOL[s]) for s in symbols]
    return examples_of_batch(batch, target, patient, record.name)


def examples_of_batch(
    batch: BeatBatch, target: npt.ArrayLike, patient: str, record: str, **columns: npt.ArrayLike
) -> ExampleSet:
    """Examples of the beats that were cut from one recording.

    Parameters
    ----------
    batch : BeatBatch
        Of n beats.
    target : array_like of int, shape (n,)
        Index of each beat's class in ``"NSVFQ"``.
    patient, record : str
        Whose recording it is, and its name.
    **columns : array_like, shapes (n, ...)
        Further columns.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them.
    """
    return ExampleSet(
        {"window": batch.windows, "features": batch.features},
        np.asarray(target, dtype=np.int8),
        np.full(len(batch), patient),
        np.full(len(batch), record),
        {"classes": list(AAMI_CLASSES)},
        {
            "sample": batch.sample,
            "rr": batch.rr,
            "quality": batch.quality,
            **{name: np.asarray(values) for name, values in columns.items()},
        },
    )


def prepare_beats(
    data: str | os.PathLike[str],
    databases: Sequence[str] = ("mitdb",),
    *,
    lead: int = 0,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut all annotated beats of one or more databases; paced MIT-BIH records are left out.

    Parameters
    ----------
    data : path
        Folder that holds the databases as folders of WFDB records with ``.atr`` annotations.
    databases : sequence of str
        Names of those folders.
    lead : int
        Column of the lead in every recording.
    window : WindowSpec, optional
        The model's time grid.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them, in the order of recordings and time.

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    grid = window or WindowSpec()
    todo = [
        (database, name)
        for database in databases
        for name in record_names(data, database)
        if not (database == "mitdb" and name in PACED)
    ]
    parts = []
    for database, name in progress_bar(todo, "beats", "record", show=progress):
        record = read_record(Path(data) / database / name, leads=lead)
        record = dataclasses.replace(record, name=f"{database}/{name}")
        parts.append(labelled_beats(record, patient_of(database, name), window=grid))
    return ExampleSet.concatenate(
        parts,
        {
            "databases": list(databases),
            "lead": lead,
            "classes": list(AAMI_CLASSES),
            "features": list(FEATURE_NAMES),
            "window": list(grid),
            "left_out": [f"mitdb/{name}" for name in PACED if "mitdb" in databases],
        },
    )


def __getattr__(name: str) -> Any:
    return renamed(__name__, name)
