"""Recordings with noise put on them now and then: to train on; nothing is scored on them.

A beat in noise looks like none of the patient's other beats, and a detector finds beats in noise
where there are none: a model that has seen neither calls both ectopic.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ..._types import FloatArray
from ...core import BeatStream, WindowSpec
from ...evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, match_beats
from ...evaluation.annotated import reference_beats
from ...records import Record, read_record
from .beats import examples_of_batch
from .draws import random_for
from .examples import ExampleSet
from .splits import patient_of
from .synthetic_noise import IN_USE, largest_waves, synthetic_noise

__all__ = ["NOISE", "prepare_noisy_beats", "with_noise"]

#: Name, beside those of `RHYTHMS`, of recordings with noise put on them.
NOISE = "noise"

# Seconds that noise lasts, between two stretches of it, and to rise and to fall.
_NOISE_S, _BETWEEN_S, _RISE_S = (0.4, 15.0), (2.0, 15.0), 0.1
# Size of noise over that of the lead's largest waves.
_SIZE = (0.08, 2.5)
# Seconds from noise within which beats are examples: their windows hold some of it.
_NEAR_S = 0.5
# A detection this near to a reference beat is that beat, s (ANSI/AAMI EC57:2012).
_SAME_S = 0.15
# Seconds from a reference beat within which a detection that is none is false: farther off the
# reference may have been left out, as in ventricular flutter.
_KNOWN_S = 2.0
_UNKNOWN = AAMI_CLASSES.index("Q")


def prepare_noisy_beats(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    seed: int,
    lead: int = 0,
    window: WindowSpec | None = None,
    most: int = 400,
    progress: bool = False,
) -> ExampleSet:
    """Put made noise on recordings now and then, and cut the beats that are detected in it.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``"mitdb/101"``, with annotations.
    seed : int
        What is drawn for one recording does not depend on the others.
    lead : int
        Column of the lead in every recording.
    window : WindowSpec, optional
        The model's time grid.
    most : int
        Beats of a class that one recording gives at most, and false detections, drawn from all it
        has.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        As `labelled_beats` gives them, of detected beats in and beside noise. What the default
        detector takes for a beat where the reference has none is of class Q. `record` is such as
        ``"mitdb/101, noise"``.

    Raises
    ------
    RecordError
        If a recording is missing or damaged, or has no annotated beats.
    """
    parts = []
    for name in progress_bar(records, NOISE, "record", show=progress):
        generator = random_for(seed, f"{name}, {NOISE}")
        record = read_record(Path(data) / name, leads=lead)
        beats, kind, near = _beats_in_noise(record, name, generator, window)
        chosen = [
            generator.permutation(np.flatnonzero(near & (kind == k)))[:most]
            for k in np.unique(kind)
        ]
        parts.append(beats.only(np.sort(np.concatenate(chosen))))
    about = {"classes": list(AAMI_CLASSES), "made": NOISE, "seed": seed}
    return ExampleSet.concatenate(parts, about)


def with_noise(
    lead: FloatArray, fs: float, generator: np.random.Generator
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Put made noise on a lead now and then.

    Parameters
    ----------
    lead : ndarray of float32, shape (n,)
    fs : float
        Sampling rate, Hz.
    generator : numpy.random.Generator

    Returns
    -------
    lead : ndarray of float32, shape (n,)
        Motion, muscle or knocks, for 0.4 to 15 s, of 0.08 to 2.5 times the lead's largest waves.
    there : ndarray of bool, shape (n,)
        Where noise is.
    """
    noise, there = _now_and_then(len(lead), fs, generator)
    return (lead + largest_waves(lead) * noise).astype(np.float32), there


def _beats_in_noise(
    record: Record, name: str, generator: np.random.Generator, window: WindowSpec | None
) -> tuple[ExampleSet, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Detected beats, the class of each (-1: no beat), and whether it is an example: near noise."""
    reference, symbols = reference_beats(record)
    signal, there = with_noise(record.signal[:, 0], record.fs, generator)
    stream = BeatStream(record.fs, lookahead=1, window=window)
    batch = stream.finish(signal)
    classes = [AAMI_CLASSES.index(AAMI_OF_SYMBOL[s]) for s in symbols]
    pairs = match_beats(reference, batch.sample, _SAME_S * record.fs)
    kind = np.full(len(batch), -1)
    kind[pairs[:, 1]] = np.array(classes)[pairs[:, 0]]
    target = np.where(kind < 0, _UNKNOWN, kind)
    examples = examples_of_batch(batch, target, patient_of(*name.split("/", 1)), f"{name}, {NOISE}")
    known = _any_near(reference, batch.sample, _KNOWN_S * record.fs)
    near = _any_near(np.flatnonzero(there), batch.sample, _NEAR_S * record.fs)
    return examples, kind, near & (known | (kind >= 0))


def _any_near(
    some: npt.NDArray[np.int64], sample: npt.NDArray[np.int64], distance: float
) -> npt.NDArray[np.bool_]:
    """Whether any of some samples, ascending, is within a distance of each of others."""
    after = np.searchsorted(some, sample - distance)
    return np.append(some, np.iinfo(np.int64).max)[after] <= sample + distance


def _now_and_then(
    n: int, fs: float, generator: np.random.Generator
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Noise in stretches with pauses between them, and where it is."""
    noise, there = np.zeros(n, np.float32), np.zeros(n, bool)
    first = round(_between(_BETWEEN_S, generator) * fs)
    while first < n:
        length = min(round(_between(_NOISE_S, generator) * fs), n - first)
        place = np.arange(length)
        edges = np.minimum(1.0, np.minimum(place + 1, length - place) / (_RISE_S * fs))
        size = _between(_SIZE, generator)
        made = synthetic_noise(length, fs, generator, IN_USE)
        noise[first : first + length] = size * edges * made
        there[first : first + length] = True
        first += length + round(_between(_BETWEEN_S, generator) * fs)
    return noise, there


def _between(limits: tuple[float, float], generator: np.random.Generator) -> float:
    """A number between two, each of its doubles as likely."""
    return float(np.exp(generator.uniform(*np.log(limits))))
