"""Rhythm augmentation: beats of changed rhythms, to train on; nothing is scored on them."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._progress import progress_bar
from ...core import WindowSpec
from ...evaluation import AAMI_CLASSES, is_beat
from ...records import Annotations, Record, read_record
from .beats import labelled_beats
from .examples import ExampleSet
from .rhythms import Rhythm, make_rhythm, retime
from .splits import patient_of

__all__ = ["COLD_STARTS", "make_record", "prepare_augmented_beats", "prepare_cold_starts"]

#: Name, beside those of `RHYTHMS`, of recordings that begin in their midst.
COLD_STARTS = "cold starts"

#: Seconds that are kept of a recording that begins in its midst.
_START_S = 20.0

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
        generator = _generator(seed, f"which of {record.name}")
        chosen = [
            generator.permutation(np.flatnonzero(rhythm.taught & (rhythm.label == c)))[:most]
            for c in range(len(AAMI_CLASSES))
        ]
        parts.append(beats.only(np.sort(np.concatenate(chosen))))
    return ExampleSet.concatenate(
        parts, {"classes": list(AAMI_CLASSES), "made": kind, "seed": seed}
    )


def prepare_cold_starts(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    seed: int,
    each: int = 12,
    lead: int = 0,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut the first beats of recordings that begin anywhere: nothing is known of the patient yet.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``"mitdb/101"``, with annotations.
    seed : int
        What is drawn for one recording does not depend on the others.
    each : int
        Starts in each recording, one at random in each of as many equal parts.
    lead : int
        Column of the lead in every recording.
    window : WindowSpec, optional
        The model's time grid.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them; `record` is such as ``"mitdb/101, cold starts"``. Empty
        where no recording is long enough.

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    parts = []
    for name in progress_bar(records, COLD_STARTS, "record", show=progress):
        record = read_record(Path(data) / name, leads=lead)
        marks = record.annotations
        title = f"{name}, {COLD_STARTS}"
        generator = _generator(seed, title)
        length = int(_START_S * record.fs)
        begins = np.linspace(0, record.n_samples, each + 1)
        for begin, end in zip(begins[:-1].astype(int), begins[1:].astype(int), strict=True):
            if end - begin <= length or marks is None:
                continue
            first = int(generator.integers(begin, end - length))
            inside = (marks.sample >= first) & (marks.sample < first + length)
            if not is_beat(marks.symbol[inside]).any():
                continue
            piece = Record(
                record.signal[first : first + length],
                record.fs,
                record.leads,
                annotations=Annotations(marks.sample[inside] - first, marks.symbol[inside]),
                name=title,
            )
            parts.append(labelled_beats(piece, patient_of(*name.split("/", 1)), window=window))
    about = {"classes": list(AAMI_CLASSES), "made": COLD_STARTS, "seed": seed}
    if not parts:
        empty = labelled_beats(read_record(Path(data) / records[0], leads=lead), "", window=window)
        return dataclasses.replace(empty.only(np.zeros(len(empty), bool)), about=about)
    return ExampleSet.concatenate(parts, about)


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
        Of one lead, with the AAMI class of each beat as annotations.
    rhythm : Rhythm
        What was made of its beats.

    Raises
    ------
    RecordError, InputError
        If the recording is missing or damaged, or the kind is unknown.
    """
    record = read_record(Path(data) / name, leads=lead)
    title = f"{name}, {kind}"
    generator = _generator(seed, title)
    recorded = labelled_beats(record, patient_of(*name.split("/", 1)))
    sample = recorded.columns["sample"]
    apart = np.diff(sample, prepend=-record.fs) > _APART * record.fs
    peaks = sample[apart]
    rr = np.diff(peaks, prepend=0) / record.fs
    rr[0] = np.nan
    rhythm = make_rhythm(kind, rr, recorded.target[apart], generator)
    signal, at = retime(record.signal[:, 0], record.fs, peaks, rhythm, generator)
    marks = Annotations(at, np.array(list(AAMI_CLASSES))[rhythm.label])
    lead_signal = signal.astype(np.float32)[:, np.newaxis]
    return Record(lead_signal, record.fs, record.leads, annotations=marks, name=title), rhythm


def _generator(seed: int, purpose: str) -> np.random.Generator:
    """Numbers that depend on what they are for alone, not on what else is drawn."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])
