"""Recordings that begin in their midst, or in noise: to train on; nothing is scored on them.

A recording says nothing of its patient yet when it begins. Many begin with noise, too: the lead is
being put on, or the device shows its calibration. What is detected there becomes the patient's
usual beat, and the first true beats differ from it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..._progress import progress_bar
from ...core import QRSDetector, WindowSpec
from ...evaluation import AAMI_CLASSES, is_beat
from ...records import Annotations, Record, read_record
from .beats import labelled_beats
from .draws import random_for
from .examples import ExampleSet
from .splits import patient_of
from .synthetic_noise import largest_waves, synthetic_noise

__all__ = [
    "COLD_STARTS",
    "NOISY_STARTS",
    "prepare_cold_starts",
    "prepare_noisy_starts",
]

#: Names, beside those of `RHYTHMS`, of recordings that begin in their midst, and in noise.
COLD_STARTS, NOISY_STARTS = "cold starts", "noisy starts"

# Seconds that are kept of a recording that begins in its midst, and after noise.
_START_S, _AFTER_NOISE_S = 20.0, 60.0
# Seconds that noise lasts, and between its last detection and the first beat.
_NOISE_S, _APART_S = (4.0, 40.0), 0.2
# Size of noise over that of the lead's largest waves.
_NOISE_SIZE = (0.5, 3.0)


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

    def begins_here(piece: Record, generator: np.random.Generator) -> tuple[Record, int]:
        return piece, 0

    return _starts(
        data, records, COLD_STARTS, begins_here, _START_S, seed, each, lead, window, progress
    )


def prepare_noisy_starts(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    seed: int,
    each: int = 8,
    lead: int = 0,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut the beats of the minute after noise with which a recording begins.

    What the default detector takes for beats in the noise comes before them, as it would live. It
    is no example.

    Parameters
    ----------
    data, records, seed, each, lead, window, progress
        As in `prepare_cold_starts`.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them; `record` is such as ``"mitdb/101, noisy starts"``. Empty
        where no recording is long enough.

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    return _starts(
        data,
        records,
        NOISY_STARTS,
        _after_noise,
        _AFTER_NOISE_S,
        seed,
        each,
        lead,
        window,
        progress,
    )


# ------------------------------------------------------------------ pieces of recordings

#: What a piece of a recording becomes, and how many of its marks come before its own beats.
_Begin = Callable[[Record, np.random.Generator], tuple[Record, int]]


def _after_noise(piece: Record, generator: np.random.Generator) -> tuple[Record, int]:
    """The piece after noise, in which what is detected is marked."""
    assert piece.annotations is not None
    lead = piece.signal[:, 0]
    middle = float(np.nanmedian(lead))
    size = largest_waves(lead) * float(np.exp(generator.uniform(*np.log(_NOISE_SIZE))))
    n = int(generator.uniform(*_NOISE_S) * piece.fs)
    noise = middle + size * synthetic_noise(n, piece.fs, generator)
    signal = np.concatenate([noise, lead]).astype(np.float32)
    detector = QRSDetector(piece.fs)
    found = np.concatenate([detector.process(signal), detector.flush()])
    found = found[found < n - _APART_S * piece.fs]
    marks = Annotations(
        np.concatenate([found, piece.annotations.sample + n]),
        np.concatenate([np.full(len(found), "N"), piece.annotations.symbol]),
    )
    made = Record(signal, piece.fs, piece.leads, annotations=marks, name=piece.name)
    return made, len(found)


def _starts(
    data: str | os.PathLike[str],
    records: Sequence[str],
    kind: str,
    begin: _Begin,
    length_s: float,
    seed: int,
    each: int,
    lead: int,
    window: WindowSpec | None,
    progress: bool,
) -> ExampleSet:
    """Cut the beats of `each` pieces of every recording, each beginning as `begin` makes it."""
    parts = []
    for name in progress_bar(records, kind, "record", show=progress):
        patient = patient_of(*name.split("/", 1))
        generator = random_for(seed, f"{name}, {kind}")
        for piece in _pieces(Path(data), name, kind, length_s, each, lead, generator):
            made, before = begin(piece, generator)
            beats = labelled_beats(made, patient, window=window)
            parts.append(beats.only(np.arange(len(beats)) >= before))
    about = {"classes": list(AAMI_CLASSES), "made": kind, "seed": seed}
    if not parts:
        empty = labelled_beats(read_record(Path(data) / records[0], leads=lead), "", window=window)
        return dataclasses.replace(empty.only(np.zeros(len(empty), bool)), about=about)
    return ExampleSet.concatenate(parts, about)


def _pieces(
    data: Path,
    name: str,
    kind: str,
    length_s: float,
    each: int,
    lead: int,
    generator: np.random.Generator,
) -> Iterator[Record]:
    """One piece of a recording at random in each of equal parts, where it has beats."""
    record = read_record(data / name, leads=lead)
    marks = record.annotations
    length = int(length_s * record.fs)
    begins = np.linspace(0, record.n_samples, each + 1).astype(int)
    for begin, end in itertools.pairwise(begins):
        if end - begin <= length or marks is None:
            continue
        first = int(generator.integers(begin, end - length))
        inside = (marks.sample >= first) & (marks.sample < first + length)
        if not is_beat(marks.symbol[inside]).any():
            continue
        yield Record(
            record.signal[first : first + length],
            record.fs,
            record.leads,
            annotations=Annotations(marks.sample[inside] - first, marks.symbol[inside]),
            name=f"{name}, {kind}",
        )
