"""Beats of strips whose rhythm alone is labelled: PhysioNet/CinC Challenge 2017.

A strip of normal rhythm, and one of atrial fibrillation, hold no supraventricular ectopic beat, and
few ventricular ones, so that every beat that a model calls S in them is a false alarm. Their beats
are N, as AAMI EC57 has the conducted beats of atrial fibrillation.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..._progress import progress_bar
from ...core import FEATURE_NAMES, BeatStream, WindowSpec
from ...errors import RecordError
from ...evaluation import AAMI_CLASSES
from ...evaluation.false_alarms import FIBRILLATION, NORMAL, STRIPS, strip_rhythms
from ...records import read_record
from ...streaming.beat import Quality
from .beats import examples_of_batch
from .examples import ExampleSet

__all__ = ["prepare_strip_beats"]

_N = AAMI_CLASSES.index("N")
#: Logarithm of the QRS width over the usual one from which a beat of a strip may be ventricular.
_WIDE = 0.2
_UNUSABLE = Quality.GAP | Quality.FLAT | Quality.SATURATED | Quality.NOISY | Quality.DOUBTFUL


def prepare_strip_beats(
    data: str | os.PathLike[str],
    *,
    database: str = STRIPS,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Detect and cut the beats of all strips with a normal rhythm or with atrial fibrillation.

    Parameters
    ----------
    data : path
        Folder that holds the database.
    database : str
        Its folder.
    window : WindowSpec, optional
        The model's time grid.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them, all of class N, each strip a patient of its own: the
        database does not publish which are of one person. Columns also ``fibrillation``, and
        ``taught``: beats that a network may learn from. Those of bad signal, of doubtful detection,
        and wide ones in a strip of fibrillation, which may be ventricular, it may not.

    Raises
    ------
    RecordError
        If a strip or the list of rhythms is missing or damaged.
    """
    folder = Path(data) / database
    rhythms = {n: r for n, r in strip_rhythms(folder).items() if r in (NORMAL, FIBRILLATION)}
    width = FEATURE_NAMES.index("qrs_width_ratio")
    grid = window or WindowSpec()
    parts = []
    for name, rhythm in progress_bar(rhythms.items(), "strips", "strip", show=progress):
        record = read_record(folder / name, leads=0)
        stream = BeatStream(record.fs, lookahead=1, window=grid)
        signal = np.ascontiguousarray(record.signal[:, 0])
        batch = stream.finish(signal)
        if not len(batch):
            continue
        own = batch.features if batch.features.ndim == 2 else batch.features[:, -1]
        taught = (batch.quality & int(_UNUSABLE)) == 0
        if rhythm == FIBRILLATION:
            taught &= own[:, width] < _WIDE
        strip = f"{database}/{name}"
        fibrillation = np.full(len(batch), rhythm == FIBRILLATION)
        parts.append(
            examples_of_batch(
                batch,
                np.full(len(batch), _N),
                strip,
                strip,
                fibrillation=fibrillation,
                taught=taught,
            )
        )
    if not parts:
        raise RecordError(f"{folder}: no strip of normal rhythm or atrial fibrillation there")
    return ExampleSet.concatenate(parts)
