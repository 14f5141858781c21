"""The beats that reviewers answered, as a data set for training."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..core import FEATURE_NAMES, BeatBatch, BeatStream, WindowSpec
from ..errors import InputError
from ..evaluation import AAMI_CLASSES
from ..records import RecordSource, open_record
from ..streaming.lead_signal import best_leads
from ..training.datasets.examples import ExampleSet
from .files import review_files
from .marks import NOT_A_BEAT
from .session import ReviewSession

__all__ = ["DATABASE", "reviewed_examples"]

#: Stands for the name of a database in the names of reviewed recordings.
DATABASE = "reviewed"


def reviewed_examples(
    records: Iterable[str | os.PathLike[str]],
    *,
    window: WindowSpec,
    folder: str | os.PathLike[str] | None = None,
) -> ExampleSet:
    """Cut the beats that reviewers answered, as a data set for training.

    Only beats that somebody answered, alone or with their group, are in it: not those that follow
    from an answer, and not what is no beat. Each recording counts as a patient of its own.

    Parameters
    ----------
    records : iterable of path
        Recordings whose review was begun.
    window : WindowSpec
        The beat window of the model that is to be trained.
    folder : path, optional
        Where the reviews' files are; by default beside the recordings.

    Returns
    -------
    ExampleSet
        As `ecgfast.training.datasets.beats.labelled_beats` cuts them, of the first lead.

    Raises
    ------
    InputError
        If a recording has no review, two have the same name, or nothing was answered in any.
    RecordError
        If a recording or its review cannot be read.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.review import reviewed_examples
    >>> window = Classifier("beats").window
    >>> examples = reviewed_examples(["mitdb/232"], window=window)  # doctest: +SKIP
    >>> len(examples)                                               # doctest: +SKIP
    """
    parts: dict[str, ExampleSet] = {}
    for path in records:
        files = review_files(path, folder)
        if not files.exist():
            raise InputError(f"{path}: no review was begun, {files.beats} is not there")
        source = open_record(path)
        session = ReviewSession.resume(source, files)
        name = f"{DATABASE}/{session.beats.name}"
        if name in parts:
            raise InputError(f"{path}: a recording of the name {session.beats.name} came before")
        # The first lead of the review that carries a signal.
        shown = [i for i in best_leads(source, len(source.leads)) if _reviewed(session, source, i)]
        lead = shown[0] if shown else 0
        parts[name] = _of_one(session, source.read().signal[:, lead], name, window)
    kept = [part for part in parts.values() if len(part)]
    if not kept:
        raise InputError("no beat was answered in these reviews; answer some first")
    return ExampleSet.concatenate(
        kept,
        {
            "databases": [DATABASE],
            "lead": 0,
            "classes": list(AAMI_CLASSES),
            "features": list(FEATURE_NAMES),
            "window": list(window),
            "left_out": [],
        },
    )


def _reviewed(session: ReviewSession, source: RecordSource, lead: int) -> bool:
    return source.leads[lead] in session.beats.leads


def _of_one(
    session: ReviewSession, signal: npt.NDArray[np.float32], name: str, window: WindowSpec
) -> ExampleSet:
    labels = session.labels()
    beats = (labels != NOT_A_BEAT) & ~session.waves
    # The features of a beat depend on the beats before it: all go in, only answered ones are kept.
    stream = BeatStream(session.beats.fs, method="external", lookahead=1, window=window)
    lead = np.ascontiguousarray(signal)
    batch = BeatBatch.concatenate(
        [stream.process(lead, session.beats.sample[beats]), stream.flush()]
    )
    answered = np.array([bool(who) for who in session.reviewers()])[beats]
    whole = ExampleSet(
        {"window": batch.windows, "features": batch.features},
        np.array([AAMI_CLASSES.index(label) for label in labels[beats]], np.int8),
        np.full(len(batch), name),
        np.full(len(batch), name),
        {"classes": list(AAMI_CLASSES)},
        {"sample": batch.sample, "rr": batch.rr, "quality": batch.quality},
    )
    return whole.only(answered)
