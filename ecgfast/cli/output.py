"""What several commands print: figures, beats, JSON, progress."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from ..reports import Tally
    from ..reports.summary import Summary
    from ..rhythm import Event
    from ..runtime import Classifier
    from ..streaming import Beat

__all__ = [
    "as_json",
    "beat_heading",
    "beat_line",
    "beat_row",
    "caution_texts",
    "event_line",
    "failed_text",
    "notice",
    "number_cautions",
    "number_facts",
    "number_text",
    "pace",
    "print_json",
    "print_row",
    "progress",
    "tally_for",
]

T = TypeVar("T")


def number_text(value: float, digits: int) -> str:
    """A figure, or a dash where it is not defined."""
    return f"{value:,.{digits}f}" if math.isfinite(value) else "-"


# What needs no ECG, by its name on the card of a model of numbers, and in words.
_WITHOUT_ECG = {
    "training median": "by one number for everyone",
    "last calibration held": "by holding the last calibration",
}


def caution_texts(
    classifier: Classifier, summary: Summary, labelled: Sequence[str] = ()
) -> list[str]:
    """What keeps a summary's numbers from being believed.

    Parameters
    ----------
    classifier : Classifier
        With the card that states its errors.
    summary : Summary
    labelled : sequence of str
        Leads that were labelled.

    Returns
    -------
    list of str
        The errors of numbers, that labelled leads are off, and that counts of S mean nothing in
        atrial fibrillation.
    """
    from ..reports.model_facts import labelled_off_text
    from ..reports.words import s_in_fibrillation

    texts = []
    off = labelled_off_text(labelled, summary.without_signal)
    if off:
        texts.append(off)
    if summary.values:
        texts += number_cautions(classifier)
    burden = summary.rhythm.burden if summary.rhythm is not None else math.nan
    false = s_in_fibrillation(burden, summary.by_class.get("S", 0))
    return [*texts, false] if false else texts


def number_cautions(classifier: Classifier) -> list[str]:
    """What keeps the numbers of a model from being believed; nothing for a model of classes.

    Parameters
    ----------
    classifier : Classifier

    Returns
    -------
    list of str
        The errors that its card states, and its first limit.
    """
    card = classifier.card
    if card is None or card.output != "value":
        return []
    limits = card.limits[:1]
    for heading, figures in card.metrics.items():
        if not isinstance(figures, dict):
            continue
        errors = [
            f"{name} {figures[f'{name}, model']['MAE']:.1f} {card.unit} "
            f"({figures[f'{name}, {baseline}']['MAE']:.1f} {without_ecg})"
            for name in card.classes
            for baseline, without_ecg in _WITHOUT_ECG.items()
            if {f"{name}, model", f"{name}, {baseline}"} <= figures.keys()
        ]
        if errors:
            return [f"mean absolute error, {heading}: {', '.join(errors)}", *limits]
    return ["the card states no error of these numbers: nobody knows what they are worth", *limits]


def number_facts(classifier: Classifier) -> dict[str, Any]:
    """Unit, errors and limits of a model's numbers, for JSON; nothing for a model of classes."""
    card = classifier.card
    if card is None or card.output != "value":
        return {}
    return {
        "unit": card.unit,
        "cautions": number_cautions(classifier),
        "limits": list(card.limits),
    }


def tally_for(classifier: Classifier) -> Tally:
    """An empty count of what this model says of beats."""
    from ..reports import Tally

    card = classifier.card
    if card is not None and card.output == "value":
        return Tally(unit=card.unit)
    return Tally(classifier.classes)


def beat_row(beat: Beat) -> dict[str, Any]:
    """Everything about a beat, for JSON."""
    return {
        "sample": beat.sample,
        "time": beat.time,
        "label": beat.label,
        "probability": beat.probability,
        "probabilities": dict(beat.probabilities),
        "rr": beat.rr,
        "heart_rate": beat.heart_rate,
        "quality": int(beat.quality),
        **({"values": dict(beat.outputs)} if beat.outputs else {}),
    }


def beat_heading(classifier: Classifier) -> str:
    """The heading of the columns of `beat_line`, for the beats of this model."""
    if classifier.card is not None and classifier.card.output == "value":
        labels = "  ".join(f"{name:>8}" for name in classifier.classes)
    elif not classifier.classes:
        labels = ""
    else:
        labels = f"{'class':^{_width(classifier.classes)}}  probability"
    return f"     time  {labels}     RR   rate  signal"


def beat_line(beat: Beat) -> str:
    """A beat as a line of a table."""
    from ..reports.page import quality_text

    rr = f"{beat.rr:5.3f} s" if math.isfinite(beat.rr) else ""
    rate = f"{beat.heart_rate:3.0f}" if math.isfinite(beat.heart_rate) else ""
    values = "  ".join(f"{value:{max(len(name), 8)}.1f}" for name, value in beat.outputs.items())
    if beat.probabilities:
        values = f"{beat.label:^{_width(beat.probabilities)}}  {100 * beat.probability:9.1f} %"
    line = f"{beat.time:8.3f}s  {values}  {rr:>7}  {rate:>4}  {quality_text(beat.quality)}"
    return line.rstrip()


def event_line(event: Event, leads: Sequence[str] = ()) -> str:
    """A rhythm event as a line among those of `beat_line`; of one lead with its name."""
    text = event.kind.text
    if event.lead is not None:
        text += f", lead {leads[event.lead] if event.lead < len(leads) else event.lead + 1}"
    if event.ongoing:
        text += ", ongoing"
    elif event.duration > 0.0:
        text += f", {event.duration:.1f} s"
    if math.isfinite(event.rate):
        text += f", {event.rate:.0f} per minute"
    return f"{event.start_time:8.3f}s  event  {event.severity!s:<6}  {text}"


def _width(labels: Iterable[str]) -> int:
    """Columns that a model's longest label takes."""
    return max(len("class"), *map(len, labels))


def pace(duration: float, wall: float) -> str:
    """How fast a recording was worked through, in words."""
    return f"{wall:.2f} s, {duration / wall:,.0f} times real time"


def as_json(value: Any) -> Any:
    """Make `value` fit for JSON: NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print `value` as JSON on standard output."""
    print(json.dumps(as_json(value), indent=indent, ensure_ascii=False, allow_nan=False))


def print_row(value: Any) -> None:
    """Print `value` as a line of JSON on standard output, for whoever reads it at once."""
    print_json(value, indent=None)
    sys.stdout.flush()


def failed_text(failed: int, total: int) -> str:
    """How many recordings failed, in words."""
    if failed < total:
        return f"{failed} of {total} recordings failed; the others were written"
    return f"all {total} recordings failed" if total > 1 else "the recording failed"


def notice(text: str, *, file: TextIO | None = None) -> None:
    """Print a line beside a progress bar; on standard error unless `file` says otherwise."""
    out = file or sys.stderr
    if "tqdm" in sys.modules and sys.stderr.isatty():
        from tqdm import tqdm

        tqdm.write(text, file=out)
        out.flush()
        return
    print(text, file=out, flush=True)


def progress(
    items: Iterable[T], *, total: float | None, what: str, unit: str, bar: bool = True
) -> Iterator[T]:
    """Yield `items`, with a bar on standard error where that is a terminal.

    Parameters
    ----------
    items : iterable
        One step each.
    total : float or None
        Number of steps, where known.
    what, unit : str
        What is going on, and what a step is.
    bar : bool
        False for none.
    """
    if not bar or not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm

    # The bar moves the cursor itself, on the stream behind the one that allows no such thing.
    screen = getattr(sys.stderr, "stream", sys.stderr)
    yield from tqdm(items, total=total, desc=what, unit=unit, leave=False, delay=0.5, file=screen)
