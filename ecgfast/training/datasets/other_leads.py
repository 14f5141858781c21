"""Beats of training patients on other leads: to train on; nothing is scored on them.

A model meets leads that no database has. The second lead of a recording shows the same beats from
another side, and sums of both leads show them from any direction between.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..._progress import progress_bar
from ..._types import FloatArray
from ...core import WindowSpec
from ...evaluation import AAMI_CLASSES
from ...records import Record, read_record
from .beats import labelled_beats
from .draws import random_for
from .examples import ExampleSet
from .splits import patient_of

__all__ = ["MIXED", "SECOND", "prepare_mixed_leads", "prepare_second_leads"]

#: Names of what is made of the leads of a recording.
SECOND, MIXED = "second lead", "mixed leads"

# Seconds over which the largest change of a lead is looked for: there is a beat in them.
_BEAT_S = 1.5


def prepare_second_leads(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut the annotated beats on the second lead, with R refined on both leads as it is live.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``"mitdb/101"``, with annotations.
    window : WindowSpec, optional
        The model's time grid.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them; `record` is such as ``"mitdb/101, second lead"``. Recordings
        with one lead have none.

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """

    def second(record: Record, name: str) -> ExampleSet:
        return labelled_beats(record, _patient(name), lead=1, jointly=True, window=window)

    return _each(data, records, SECOND, second, progress)


def prepare_mixed_leads(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    seed: int,
    each: int = 2,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut the annotated beats on sums of the first two leads, in shares drawn at random.

    Parameters
    ----------
    data, records, window, progress
        As in `prepare_second_leads`.
    seed : int
        What is drawn for one recording does not depend on the others.
    each : int
        Sums of each recording.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them; `record` is such as ``"mitdb/101, mixed leads"``. Recordings
        with one lead have none.

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """

    def mixed(record: Record, name: str) -> ExampleSet:
        generator = random_for(seed, f"{name}, {MIXED}")
        first, second = record.signal[:, 0], record.signal[:, 1]
        second = second * (_beat_size(first, record.fs) / _beat_size(second, record.fs))
        parts = []
        # Half a turn shows all directions: a lead upside down is the same to the core.
        for angle in generator.uniform(0.0, np.pi, each):
            signal = np.cos(angle) * first + np.sin(angle) * second
            one = Record(signal, record.fs, annotations=record.annotations, name=name)
            parts.append(labelled_beats(one, _patient(name), window=window))
        return ExampleSet.concatenate(parts)

    return _each(data, records, MIXED, mixed, progress)


def _beat_size(lead: FloatArray, fs: float) -> float:
    """Usual largest change from one sample to the next within a beat."""
    steps = np.abs(np.diff(np.nan_to_num(lead)))
    length = int(_BEAT_S * fs)
    whole = steps[: len(steps) // length * length].reshape(-1, length)
    return max(float(np.median(whole.max(axis=1))), 1e-6) if len(whole) else 1.0


def _each(
    data: str | os.PathLike[str],
    records: Sequence[str],
    kind: str,
    cut: Callable[[Record, str], ExampleSet],
    progress: bool,
) -> ExampleSet:
    """The beats of every recording with two leads, named by what was made of it."""
    parts = []
    about = {"classes": list(AAMI_CLASSES), "made": kind}
    for name in progress_bar(records, kind, "record", show=progress):
        record = read_record(Path(data) / name)
        if record.signal.shape[1] > 1:
            beats = cut(record, name)
            titles = np.full(len(beats), f"{name}, {kind}")
            parts.append(dataclasses.replace(beats, record=titles))
    if not parts:
        one = cut(_doubled(read_record(Path(data) / records[0], leads=0)), records[0])
        return dataclasses.replace(one.only(np.zeros(len(one), bool)), about=about)
    return ExampleSet.concatenate(parts, about)


def _doubled(record: Record) -> Record:
    """A recording of one lead with that lead twice: what has no beats to give has their form."""
    signal = np.repeat(record.signal, 2, axis=1)
    return Record(signal, record.fs, annotations=record.annotations, name=record.name)


def _patient(name: str) -> str:
    return patient_of(*name.split("/", 1))
