"""What labels the beats of a stream, as the options ask for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..runtime.decision import Decision
from .errors import UsageError
from .options import DECISION_OPTIONS, METHODS, Method

if TYPE_CHECKING:
    from ..reports import Tally
    from ..rhythm import RhythmStream
    from ..runtime import Classifier
    from ..streaming import Beat, ChunkSource, StreamingClassifier

__all__ = [
    "check_detection",
    "classifier_for",
    "counted_beats",
    "decision_for",
    "labelled_from",
    "labelled_names",
    "labeller_for",
    "rhythm_for",
]

# A sampling rate, Hz, within the detector's limits at every highest heart rate that it takes.
_ANY_FS = 1000.0


def check_detection(*, max_delay: float | None = None, max_rate: float | None = None) -> None:
    """Refuse values of ``--max-delay`` and ``--max-rate`` that fit no recording.

    Parameters
    ----------
    max_delay : float, optional
        Seconds from an R peak to its report.
    max_rate : float, optional
        Highest heart rate, beats a minute.

    Raises
    ------
    UsageError
        If the detector does not take them.
    """
    from ..core import QRSDetector

    try:
        QRSDetector(_ANY_FS, max_delay=max_delay, max_rate=max_rate)
    except InputError as error:
        raise UsageError(str(error)) from None


def decision_for(args: argparse.Namespace) -> Decision:
    """What ``--sensitivity``, ``--positive-predictivity`` and ``--reject`` ask for.

    Raises
    ------
    UsageError
        If a figure is no share, or a class is given twice.
    """
    try:
        return Decision(args.sensitivity, args.positive_predictivity, args.reject)
    except InputError as error:
        text = str(error)
        for option in DECISION_OPTIONS:
            words = option.replace("_", " ")
            if text.startswith(words):
                text = f"--{option.replace('_', '-')}{text.removeprefix(words)}"
        raise UsageError(text) from None


def classifier_for(args: argparse.Namespace) -> Classifier:
    """The model that ``--model`` and ``--precision`` ask for.

    Parameters
    ----------
    args : argparse.Namespace

    Raises
    ------
    ModelError
        If it cannot be used.
    MissingRuntimeError
        If it needs a runtime, and none is installed.
    """
    from ..runtime import Classifier

    return Classifier(args.model, precision=args.precision)


def labeller_for(
    source: ChunkSource,
    args: argparse.Namespace,
    decision: Decision | None = None,
    *,
    classifier: Classifier | None = None,
    average_leads: bool | None = None,
    method: Method = METHODS[0],
    max_delay: float | None = None,
) -> StreamingClassifier:
    """The stream and model that ``--model``, ``--precision`` and ``--lookahead`` ask for.

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    from ..streaming import StreamingClassifier
    from ..streaming.lead_signal import leads_to_label

    classifier = classifier_for(args) if classifier is None else classifier
    return StreamingClassifier(
        classifier,
        source.fs,
        n_leads=len(source.leads),
        average_leads=average_leads,
        lookahead=args.lookahead,
        method=method,
        max_delay=max_delay,
        decision=decision,
        label_leads=leads_to_label(source, classifier, average_leads),
    )


def labelled_names(source: ChunkSource, labeller: StreamingClassifier) -> dict[str, Any]:
    """Names of the leads that are labelled, and of those passed over for them, for JSON."""
    over = [source.leads[lead] for lead in labeller.passed_over]
    return {
        "labelled_leads": [source.leads[lead] for lead in labeller.labelled],
        **({"passed_over": over} if over else {}),
    }


def labelled_from(source: ChunkSource, labeller: StreamingClassifier) -> str:
    """Which leads are labelled, in words; nothing without a model."""
    from ..reports.model_facts import labelled_from_text

    names = labelled_names(source, labeller)
    labelled = names["labelled_leads"]
    return labelled_from_text(labelled, names.get("passed_over", ())) if labelled else ""


def rhythm_for(
    labeller: StreamingClassifier, thresholds: Mapping[str, Any] | None = None
) -> RhythmStream | None:
    """What finds the rhythm events of a labelled stream; None where the model gives no classes."""
    from ..rhythm import RhythmStream

    if labeller.classifier.output == "value":
        return None
    stream = labeller.stream
    return RhythmStream(
        stream.fs, n_leads=stream.n_leads, delay=stream.delay / stream.fs, **(thresholds or {})
    )


def counted_beats(
    chunks: Iterable[Any], labeller: StreamingClassifier, tally: Tally
) -> Iterator[Beat]:
    """The beats as they come, each counted, and the rhythm events among them; none is kept."""
    rhythm = rhythm_for(labeller)
    for chunk in chunks:
        beats = labeller.process(chunk)
        tally.add(beats)
        if rhythm is not None:
            tally.events(rhythm.process(beats, chunk))
        yield from beats
    beats = labeller.flush()
    tally.add(beats)
    if rhythm is not None:
        tally.events([*rhythm.process(beats), *rhythm.flush()])
    yield from beats
