"""Ten-second strips of annotated recordings, normal or abnormal, cut as live ones are.

A strip ends with a beat. It is **abnormal** if, while it lasts, the reference annotations mark a
beat of another AAMI class than N, or any rhythm but normal sinus rhythm (``(N``); else it is
**normal**. Bundle-branch block beats are of AAMI class N. A whole recording is abnormal if at least
`RECORDING_SHARE` of its strips are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import FEATURE_NAMES, BeatBatch, BeatStream, WindowSpec
from ...errors import InputError, RecordError
from ...evaluation import AAMI_OF_SYMBOL, is_beat
from ...evaluation.annotated import reference_annotations, reference_beats
from ...evaluation.false_alarms import FIBRILLATION, NORMAL, STRIPS, strip_rhythms
from ...records import Annotations, Record, read_record
from ...records.files import path_of
from ...records.formats import existing_file
from .draws import random_for
from .examples import ExampleSet
from .label_files import LabelledRecord
from .noise import NOISE, with_noise
from .splits import listed, patient_of

__all__ = [
    "CLASSES",
    "RECORDING_SHARE",
    "STRIP",
    "STRIP_TEXT",
    "abnormal_share",
    "check_labelled",
    "cut_strips",
    "prepare_handheld_strips",
    "prepare_labelled_strips",
    "prepare_strips",
    "strip_labels",
]

#: Ten seconds at 62.5 Hz that end 0.22 s after an R peak, with the features of the last 16 beats.
STRIP = WindowSpec(62.5, 611, 14, "strip", 16)
#: What a network is shown, for a card.
STRIP_TEXT = "ten seconds of one lead that end with the beat"
CLASSES = ("normal", "abnormal")
#: A recording with this share of abnormal strips, three minutes of half an hour, is abnormal.
RECORDING_SHARE = 0.1


def strip_labels(
    marks: Annotations, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether strips hold an abnormal beat, and whether they hold an abnormal rhythm.

    Parameters
    ----------
    marks : Annotations
        Reference annotations of beats and, with the code ``+`` and a text such as ``(AFIB``, of
        changes of rhythm.
    first, last : ndarray of int64, shape (n,)
        First and last sample of each strip.

    Returns
    -------
    beats, rhythm : ndarray of bool, shape (n,)
    """
    beat = is_beat(marks.symbol)
    other = np.array([AAMI_OF_SYMBOL[s] != "N" for s in marks.symbol[beat]], dtype=bool)
    at = marks.sample[beat][other]
    beats = np.searchsorted(at, last, "right") > np.searchsorted(at, first, "left")
    changes = [
        (int(sample), text.strip("\x00") != "(N")
        for sample, symbol, text in zip(marks.sample, marks.symbol, marks.aux, strict=True)
        if symbol == "+" and text.startswith("(")
    ]
    rhythm = np.zeros(len(first), dtype=bool)
    for i, (begin, abnormal) in enumerate(changes):
        end = changes[i + 1][0] if i + 1 < len(changes) else np.iinfo(np.int64).max
        if abnormal:
            rhythm |= (first < end) & (last >= begin)
    return beats, rhythm


def prepare_strips(
    data: str | os.PathLike[str],
    records: Sequence[str],
    *,
    step: float = 10.0,
    leads: Sequence[int] = (0,),
    window: WindowSpec = STRIP,
    noise_seed: int | None = None,
    progress: bool = False,
) -> ExampleSet:
    """Cut strips of annotated recordings; R peaks are our own detections, as they are live.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    records : sequence of str
        Such as ``["mitdb/100"]``.
    step : float
        Seconds: of each step the last beat's strip is kept; 10 gives strips that do not overlap.
    leads : sequence of int
        Columns of each recording: strips are cut from each lead by itself, as from a recording of
        one lead. A recording without one of them but the first gives none of it.
    window : WindowSpec
        Of the form ``"strip"``.
    noise_seed : int, optional
        Put made noise on each lead now and then (`noise.with_noise`), drawn by this seed; records
        are then named such as ``"mitdb/100, noise"``.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        Inputs "window" and "features"; targets 0 normal, 1 abnormal; columns ``sample``,
        ``beats`` and ``rhythm`` (why a strip is abnormal), and ``lead``.

    Raises
    ------
    RecordError
        If a recording is missing or damaged, or has no annotations.
    """
    parts: list[BeatBatch] = []
    labels: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = []
    owners: list[tuple[str, str, int]] = []
    wanted = [(name, lead) for name in records for lead in leads]
    for name, lead in progress_bar(wanted, "strips", "lead", show=progress):
        found = _lead(Path(data) / name, lead, needed=lead == leads[0])
        if found is None:
            continue
        reference_beats(replace(found, name=name))  # refuses a recording without any
        record, marks = found, reference_annotations(found)
        title = name
        if noise_seed is not None:
            title = f"{name}, {NOISE}"
            generator = random_for(noise_seed, f"{title}, lead {lead}")
            noisy, _ = with_noise(record.signal[:, 0], record.fs, generator)
            record = Record(noisy, record.fs, record.leads, annotations=marks)
        batch, first, last = cut_strips(record, step, window)
        labels.append(strip_labels(marks, first, last))
        parts.append(batch)
        database, _, short = name.partition("/")
        owners += [(patient_of(database, short), title, lead)] * len(batch)
    batch = BeatBatch.concatenate(parts)
    patient, record_of, lead_of = (np.array(column) for column in zip(*owners, strict=True))
    beats, rhythm = (np.concatenate(column) for column in zip(*labels, strict=True))
    return ExampleSet(
        inputs={"window": batch.windows, "features": batch.features},
        target=(beats | rhythm).astype(np.int8),
        patient=patient,
        record=record_of,
        about={
            "classes": list(CLASSES),
            "rule": "abnormal: a beat of another AAMI class than N, or a rhythm but normal sinus",
            "records": list(records),
            "step_s": step,
            "leads": list(leads),
            "window": list(window),
            "features": list(FEATURE_NAMES),
        },
        columns={
            "sample": batch.sample,
            "beats": beats,
            "rhythm": rhythm,
            "lead": lead_of.astype(np.int8),
        },
    )


def prepare_handheld_strips(
    data: str | os.PathLike[str],
    *,
    step: float = 10.0,
    window: WindowSpec = STRIP,
    progress: bool = False,
) -> ExampleSet:
    """Cut strips of the handheld recordings of cinc2017 with a normal rhythm or fibrillation.

    Parameters
    ----------
    data : path
        Folder that holds cinc2017.
    step, window, progress
        As in `prepare_strips`.

    Returns
    -------
    ExampleSet
        As `prepare_strips` gives them, normal or abnormal as the whole recording is said to be;
        each recording is a patient of its own, as the database does not publish whose it is.

    Raises
    ------
    RecordError
        If a recording or the list of rhythms is missing or damaged.
    """
    folder = Path(data) / STRIPS
    known = {n: r for n, r in strip_rhythms(folder).items() if r in (NORMAL, FIBRILLATION)}
    parts = []
    for name, rhythm in progress_bar(known.items(), "strips", "recording", show=progress):
        batch, _, _ = cut_strips(read_record(folder / name, leads=0), step, window)
        n, title = len(batch), f"{STRIPS}/{name}"
        abnormal = np.full(n, rhythm == FIBRILLATION)
        strips = ExampleSet(
            {"window": batch.windows, "features": batch.features},
            abnormal.astype(np.int8),
            np.full(n, title),
            np.full(n, title),
            {"classes": list(CLASSES)},
            {
                "sample": batch.sample,
                "beats": np.zeros(n, bool),
                "rhythm": abnormal,
                "lead": np.zeros(n, np.int8),
            },
        )
        parts.append(strips)
    return ExampleSet.concatenate(parts)


def _lead(path: Path, lead: int, *, needed: bool) -> Record | None:
    """One lead of a recording; None where it has none of that number and need not."""
    try:
        return read_record(path, leads=lead)
    except InputError:  # all else that it is raised for, the first lead would have met
        if needed:
            raise
        return None


def cut_strips(
    record: Record, step: float, window: WindowSpec
) -> tuple[BeatBatch, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut the last beat's strip of each step of a recording.

    Parameters
    ----------
    record : Record
        Of one lead, or more, of which the first is cut.
    step : float
        Seconds.
    window : WindowSpec
        Of the form ``"strip"``.

    Returns
    -------
    batch : BeatBatch
        Of n strips, each with its last beat; R peaks are our own detections.
    first, last : ndarray of int64, shape (n,)
        First and last sample of each.
    """
    stream = BeatStream(record.fs, window=window)
    signal = np.ascontiguousarray(record.signal[:, 0])
    batch = stream.finish(signal)
    of_step = (batch.sample // round(step * record.fs)).astype(np.int64)
    kept = np.flatnonzero(np.append(np.diff(of_step) > 0, True)[: len(batch)])
    # The first ten seconds are not a whole strip.
    kept = kept[batch.sample[kept] >= window.before / window.grid_fs * record.fs]
    first = batch.sample[kept] - round(window.before / window.grid_fs * record.fs)
    last = batch.sample[kept] + round(window.after / window.grid_fs * record.fs)
    chosen = BeatBatch(*(getattr(batch, column)[kept] for column in BeatBatch.__dataclass_fields__))
    return chosen, first, last


def check_labelled(
    data: str | os.PathLike[str],
    records: Sequence[LabelledRecord],
    *,
    file: str | os.PathLike[str],
) -> None:
    """Check that the recordings that a file labels are there, before any is read.

    Parameters
    ----------
    data : path
        Folder below which the recordings are.
    records : sequence of LabelledRecord
    file : path
        Where the labels are from, for messages.

    Raises
    ------
    RecordError
        If any is missing; the message names the recordings and their lines.
    """
    missing: list[tuple[LabelledRecord, RecordError]] = []
    for of in records:
        try:
            existing_file(path_of(Path(data) / of.name))
        except RecordError as error:
            missing.append((of, error))
    if not missing:
        return
    what_to_do = (
        f"column record is a path below {data}: correct it, or give the folder that holds the "
        "recordings with --data or ECGFAST_DATA"
    )
    if len(missing) == 1:
        ((of, problem),) = missing
        raise RecordError(f"{file}, line {of.line}: {problem}; {what_to_do}")
    names = listed([f"{of.name} (line {of.line})" for of, _ in missing])
    raise RecordError(
        f"{file}: no such recordings as {len(missing)} of its {len(records)}: {names}; {what_to_do}"
    )


def prepare_labelled_strips(
    data: str | os.PathLike[str],
    records: Sequence[LabelledRecord],
    *,
    file: str | os.PathLike[str],
    step: float = 10.0,
    leads: Sequence[int] = (0,),
    window: WindowSpec = STRIP,
    progress: bool = False,
) -> ExampleSet:
    """Cut strips of recordings that a file labels; see `label_files.read_labels`.

    Parameters
    ----------
    data : path
        Folder below which the recordings are, in any format that is read.
    records : sequence of LabelledRecord
    file : path
        Where the labels are from, for messages.
    step, leads, window, progress
        As in `prepare_strips`.

    Returns
    -------
    ExampleSet
        As `prepare_strips` gives them, without the columns ``beats`` and ``rhythm``. Strips that
        no label covers are left out; ``about["without_label"]`` counts them.

    Raises
    ------
    InputError
        If a recording is not there or ends before an interval begins; the message names the line.
    RecordError
        If a recording is damaged.
    """
    parts: list[ExampleSet] = []
    without = 0
    wanted = [(record, lead) for record in records for lead in leads]
    for of, lead in progress_bar(wanted, "strips", "lead", show=progress):
        try:
            record = _lead(Path(data) / of.name, lead, needed=lead == leads[0])
        except (RecordError, InputError) as error:
            raise type(error)(f"{file}, line {of.line}: {error}") from None
        if record is None:
            continue
        end = len(record.signal) / record.fs
        for part in of.intervals:
            if part.start >= end:
                raise InputError(
                    f"{file}, line {part.line}: {part.start:g} s is after the end of {of.name}, "
                    f"which is {end:.1f} s long"
                )
        batch, first, last = cut_strips(record, step, window)
        target = of.labels(first / record.fs, last / record.fs)
        has_label = target >= 0
        without += int((~has_label).sum())
        n = len(batch)
        strips = ExampleSet(
            {"window": batch.windows, "features": batch.features},
            target,
            np.full(n, of.patient),
            np.full(n, of.name),
            {"classes": list(CLASSES)},
            {"sample": batch.sample, "lead": np.full(n, lead, np.int8)},
        )
        parts.append(strips.only(has_label))
    return ExampleSet.concatenate(
        parts,
        {
            "classes": list(CLASSES),
            "rule": f"labels of {Path(file).name}: abnormal where an abnormal part reaches into "
            "the strip, normal where all of it is",
            "records": [of.name for of in records],
            "step_s": step,
            "leads": list(leads),
            "window": list(window),
            "features": list(FEATURE_NAMES),
            "without_label": without,
        },
    )


def abnormal_share(record: npt.NDArray[np.str_], abnormal: npt.ArrayLike) -> dict[str, float]:
    """Share of abnormal strips of each recording.

    Parameters
    ----------
    record : ndarray of str, shape (n,)
        Recording of each strip.
    abnormal : array_like of bool, shape (n,)

    Returns
    -------
    dict of str to float
    """
    flags = np.asarray(abnormal, dtype=bool)
    return {str(name): float(flags[record == name].mean()) for name in np.unique(record)}
