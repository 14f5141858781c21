"""Normal ten-second strips in which the heart follows the breath deeply, made from recordings."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import FEATURE_NAMES, BeatBatch, WindowSpec
from ...evaluation.annotated import reference_beats
from ...records import Record
from .examples import ExampleSet
from .rhythm_augmentation import make_record
from .rhythms import SINUS_ARRHYTHMIA
from .splits import patient_of
from .strips import CLASSES, STRIP, cut_strips, strip_labels

__all__ = ["normal_strips", "prepare_breathing_strips"]


def prepare_breathing_strips(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    step: float = 10.0,
    leads: Sequence[int] = (0,),
    window: WindowSpec = STRIP,
    seed: int,
    progress: bool = False,
) -> ExampleSet:
    """Make sinus arrhythmia of normal parts of annotated recordings, and cut strips of them.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``["mitdb/100"]``.
    step : float
        Seconds: of each step the last beat's strip is kept.
    leads : sequence of int
        Columns of each recording, each by itself.
    window : WindowSpec
        Of the form ``"strip"``.
    seed : int
        What is drawn for one recording does not depend on the others.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `prepare_strips` gives them, all normal: those strips in which every beat was given a new
        interval. R peaks are our own detections.

    Raises
    ------
    RecordError
        If a recording is missing or damaged, or has no annotations.
    """
    parts = []
    wanted = [(name, lead) for name in records for lead in leads]
    for name, lead in progress_bar(wanted, SINUS_ARRHYTHMIA, "lead", show=progress):
        record, rhythm = make_record(data, name, SINUS_ARRHYTHMIA, seed=seed, lead=lead)
        batch, kept = normal_strips(record, rhythm.taught, step, window)
        title, n = record.name, int(kept.sum())
        parts.append(
            ExampleSet(
                {"window": batch.windows[kept], "features": batch.features[kept]},
                np.zeros(n, np.int8),
                np.full(n, patient_of(*name.split("/", 1))),
                np.full(n, title),
                {"classes": list(CLASSES)},
                {
                    "sample": batch.sample[kept],
                    "beats": np.zeros(n, bool),
                    "rhythm": np.zeros(n, bool),
                    "lead": np.full(n, lead, np.int8),
                },
            )
        )
    return ExampleSet.concatenate(
        parts, {"classes": list(CLASSES), "features": list(FEATURE_NAMES)}
    )


def normal_strips(
    record: Record, among: npt.NDArray[np.bool_], step: float, window: WindowSpec
) -> tuple[BeatBatch, npt.NDArray[np.bool_]]:
    """Cut strips, and find those of a normal rhythm whose beats are all among given ones.

    Parameters
    ----------
    record : Record
        Of one lead, with annotations.
    among : ndarray of bool, shape (n,)
        Which of its n annotated beats those are.
    step, window
        As in `cut_strips`.

    Returns
    -------
    batch : BeatBatch
        Of m strips.
    kept : ndarray of bool, shape (m,)

    Raises
    ------
    RecordError
        If there are no annotations of beats.
    """
    at, _ = reference_beats(record)
    assert record.annotations is not None
    batch, first, last = cut_strips(record, step, window)
    _, abnormal = strip_labels(record.annotations, first, last)
    begin, end = np.searchsorted(at, first), np.searchsorted(at, last, "right")
    before = np.concatenate([[0], np.cumsum(among)])
    return batch, (end > begin) & (before[end] - before[begin] == end - begin) & ~abnormal
