"""The rhythm events of a recording or a live source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from ..sources.chunks import Leads, Source, open_source
from ..streaming import StreamingClassifier
from ..streaming.lead_signal import leads_to_label
from .event import Event
from .stream import RhythmStream

if TYPE_CHECKING:
    from ..runtime import Classifier
    from ..runtime.decision import Decision

__all__ = ["events"]


def events(
    source: Source,
    fs: float | None = None,
    *,
    model: str | os.PathLike[str] | Classifier = "beats",
    lookahead: int = 0,
    leads: Leads | None = None,
    average_leads: bool | None = None,
    num_threads: int = 1,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    decision: Decision | None = None,
    ongoing: bool = False,
    **rules: Any,
) -> Iterator[Event]:
    """Find rhythm events: pauses, rates, ectopic runs, atrial fibrillation, lost leads, noise.

    Parameters
    ----------
    source, fs, model, lookahead, leads, average_leads, num_threads, method, decision
        As for `stream_classify`.
    ongoing : bool
        Also report events when they begin; otherwise each comes once, when it has ended.
    **rules
        Numbers of `RhythmStream`, such as ``pause=2.5``.

    Yields
    ------
    Event
        In the order in which they end.

    Raises
    ------
    InputError
        If an argument or the samples cannot be used.
    RecordError
        If the recording cannot be read.
    ModelError
        If the model cannot be used.
    MissingRuntimeError
        If the model needs a TFLite runtime, and none is installed.

    Examples
    --------
    >>> from ecgfast import events
    >>> for event in events("mitdb/208"):                         # doctest: +SKIP
    ...     print(event.kind, event.start_time, event.duration)
    """
    from ..runtime.classifier import loaded

    opened = open_source(source, fs, leads, watch=True)
    n_leads = len(opened.leads)
    classifier = loaded(model, num_threads)
    labeller = StreamingClassifier(
        classifier,
        opened.fs,
        n_leads=n_leads,
        average_leads=average_leads,
        lookahead=lookahead,
        method=method,
        decision=decision,
        label_leads=leads_to_label(opened, classifier, average_leads),
    )
    rhythm = RhythmStream(
        opened.fs, n_leads=n_leads, delay=labeller.stream.delay / opened.fs, **rules
    )
    return _events(opened.chunks, labeller, rhythm, ongoing=ongoing)


def _events(
    chunks: Iterator[Any], labeller: StreamingClassifier, rhythm: RhythmStream, *, ongoing: bool
) -> Iterator[Event]:
    for chunk in chunks:
        for event in rhythm.process(labeller.process(chunk), chunk):
            if ongoing or not event.ongoing:
                yield event
    for event in [*rhythm.process(labeller.flush()), *rhythm.flush()]:
        if ongoing or not event.ongoing:
            yield event
