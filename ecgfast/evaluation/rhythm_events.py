"""Rhythm events of a recording, from its reference beats or as they are found, to be scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..records import Record
from ..rhythm import Event, RhythmStream
from ..streaming import Beat, Quality, StreamingClassifier
from .annotated import annotated_beats, reference_annotations

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["annotated_beats_of", "record_events"]

Samples = npt.NDArray[np.float32]


def annotated_beats_of(record: Record) -> list[Beat]:
    """Reference beats of a record with their AAMI classes, in the form that a model reports.

    Raises
    ------
    RecordError
        If the record has no reference annotations, or those of another one.
    """
    marks = reference_annotations(record)
    return [beat for beat in annotated_beats(marks, record.fs) if beat.quality == Quality.GOOD]


def record_events(
    record: Record, classifier: Classifier, *, rhythm: RhythmStream | None = None
) -> tuple[list[Beat], list[Event]]:
    """Detected beats and events of a record, as a stream reports them.

    Parameters
    ----------
    record : Record
    classifier : Classifier
    rhythm : RhythmStream, optional
        By default one with its default rules.

    Returns
    -------
    list of Beat, list of Event
        The events that have ended.
    """
    n_leads = record.signal.shape[1]
    labeller = StreamingClassifier(
        classifier, record.fs, n_leads=n_leads, lookahead=classifier.lookahead
    )
    if rhythm is None:
        delay = labeller.stream.delay / record.fs
        rhythm = RhythmStream(record.fs, n_leads=n_leads, delay=delay)
    beats = [*labeller.process(record.signal), *labeller.flush()]
    events = [*rhythm.process(beats, record.signal), *rhythm.flush()]
    return beats, [event for event in events if not event.ongoing]
