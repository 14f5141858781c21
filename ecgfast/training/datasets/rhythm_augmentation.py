"""Rhythm augmentation: beats of changed rhythms, to train on; nothing is scored on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import WindowSpec
from ...evaluation import AAMI_CLASSES
from ...records import Annotations, Record, read_record
from .beats import labelled_beats
from .draws import random_for
from .examples import ExampleSet
from .retiming import Rhythm, retime
from .rhythms import make_rhythm
from .splits import patient_of

__all__ = ["DrawRhythm", "make_record", "prepare_augmented_beats", "retimed_record"]

#: RR intervals, index of each beat's AAMI class, and a generator in; a rhythm of these beats out.
DrawRhythm = Callable[[npt.NDArray[np.float64], npt.NDArray[np.int8], np.random.Generator], Rhythm]

#: Seconds by which R peaks are apart at least: two marks of one beat are one.
_APART = 0.1


def prepare_augmented_beats(
    data: str | os.PathLike[str],
    records: Sequence[str],
    kind: str,
    *,
    seed: int,
    lead: int = 0,
    window: WindowSpec | None = None,
    most: int = 150,
    progress: bool = False,
) -> ExampleSet:
    """Make a rhythm of each recording, and cut its beats as recorded ones are cut.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``"mitdb/101"``, with annotations.
    kind : str
        Of `ecgfast.training.datasets.rhythms.RHYTHMS`.
    seed : int
        What is drawn for one recording does not depend on the others.
    lead : int
        Column of the lead in every recording.
    window : WindowSpec, optional
        The model's time grid.
    most : int
        Beats of a class that one augmented recording gives at most, drawn from all it has.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them; `record` names recording and kind, such as
        ``"mitdb/101, tachycardia"``.

    Raises
    ------
    RecordError, InputError
        If a recording is missing or damaged, or a kind is unknown.
    """
    parts = []
    for name in progress_bar(records, kind, "record", show=progress):
        record, rhythm = make_record(data, name, kind, seed=seed, lead=lead)
        beats = labelled_beats(record, patient_of(*name.split("/", 1)), window=window)
        generator = random_for(seed, f"which of {record.name}")
        chosen = [
            generator.permutation(np.flatnonzero(rhythm.taught & (rhythm.label == c)))[:most]
            for c in range(len(AAMI_CLASSES))
        ]
        parts.append(beats.only(np.sort(np.concatenate(chosen))))
    return ExampleSet.concatenate(
        parts, {"classes": list(AAMI_CLASSES), "made": kind, "seed": seed}
    )


def make_record(
    data: str | os.PathLike[str], name: str, kind: str, *, seed: int, lead: int = 0
) -> tuple[Record, Rhythm]:
    """Make a rhythm of one recording.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    name : str
        Such as ``"mitdb/101"``, with annotations.
    kind : str
        Of `ecgfast.training.datasets.rhythms.RHYTHMS`.
    seed : int
    lead : int
        Column of the lead.

    Returns
    -------
    record : Record
        Of one lead, with the AAMI class of each beat as annotations, and changes of rhythm.
    rhythm : Rhythm
        What was made of its beats.

    Raises
    ------
    RecordError, InputError
        If the recording is missing or damaged, or the kind is unknown.
    """
    return retimed_record(data, name, partial(make_rhythm, kind), kind, seed=seed, lead=lead)


def retimed_record(
    data: str | os.PathLike[str],
    name: str,
    draw: DrawRhythm,
    kind: str,
    *,
    seed: int,
    lead: int = 0,
) -> tuple[Record, Rhythm]:
    """Give the beats of one recording a rhythm.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    name : str
        Such as ``"mitdb/101"``, with annotations.
    draw : callable
        Gets RR intervals, classes and a generator, as `make_rhythm` does, and gives the rhythm.
    kind : str
        What it is called.
    seed : int
    lead : int
        Column of the lead.

    Returns
    -------
    record, rhythm
        As `make_record` gives them.

    Raises
    ------
    RecordError
        If the recording is missing or damaged.
    """
    record = read_record(Path(data) / name, leads=lead)
    title = f"{name}, {kind}"
    generator = random_for(seed, title)
    recorded = labelled_beats(record, patient_of(*name.split("/", 1)))
    sample = recorded.columns["sample"]
    apart = np.diff(sample, prepend=-record.fs) > _APART * record.fs
    peaks = sample[apart]
    rr = np.diff(peaks, prepend=0) / record.fs
    rr[0] = np.nan
    rhythm = draw(rr, recorded.target[apart], generator)
    signal, at = retime(record.signal[:, 0], record.fs, peaks, rhythm, generator)
    marks = _marks(record, peaks, at, np.array(list(AAMI_CLASSES))[rhythm.label])
    lead_signal = signal.astype(np.float32)[:, np.newaxis]
    return Record(lead_signal, record.fs, record.leads, annotations=marks, name=title), rhythm


def _marks(
    record: Record,
    peaks: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    symbols: npt.NDArray[np.str_],
) -> Annotations:
    """Beats where they are now, and the recording's changes of rhythm between the same beats."""
    known = record.annotations
    assert known is not None  # its beats were labelled
    change = known.symbol == "+"
    sample = np.interp(known.sample[change], peaks, at).astype(np.int64)
    order = np.argsort(np.concatenate([sample, at]), kind="stable")
    return Annotations(
        np.concatenate([sample, at])[order],
        np.concatenate([known.symbol[change], symbols])[order],
        aux=np.concatenate([known.aux[change], np.full(len(at), "")])[order],
    )
