"""What a page says of where the labels of the beats come from: a model, or annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..runtime.decision import REJECTED

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["ModelFacts", "annotation_facts", "model_facts", "operating_point_text"]


@dataclass(frozen=True)
class ModelFacts:
    """What a page says of the model, in plain words.

    Attributes
    ----------
    name, runtime : str
        Of annotations the file's name, and nothing; empty where there is no model.
    labelled_from : str
        Which leads were labelled.
    rule : tuple of str
        How a label is chosen.
    scores : tuple of (label, sensitivity, positive predictivity)
        On test recordings, as shares.
    limits : tuple of str
        What the model cannot do.
    annotated : bool
        Whether beats and labels were read from an annotation file, and no model was used.
    """

    name: str
    runtime: str
    labelled_from: str = "the first lead"
    rule: tuple[str, ...] = ()
    scores: tuple[tuple[str, float, float], ...] = ()
    limits: tuple[str, ...] = ()
    annotated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON."""
        return {
            "name": self.name,
            "runtime": self.runtime,
            "labelled_from": self.labelled_from,
            "rule": list(self.rule),
            "scores": {
                label: {"sensitivity": se, "positive_predictivity": ppv}
                for label, se, ppv in self.scores
            },
            "limits": list(self.limits),
        }


def model_facts(
    classifier: Classifier,
    *,
    lookahead: int = 0,
    labelled_from: str = "the first lead",
    operating_points: Sequence[str] = (),
) -> ModelFacts:
    """Gather what a page says of the model from its card.

    Parameters
    ----------
    classifier : Classifier
    lookahead : {0, 1}
        As it was used.
    labelled_from : str
        Which leads were labelled.
    operating_points : sequence of str
        Operating points that were asked for, in words.

    Returns
    -------
    ModelFacts
    """
    card = classifier.card
    if not classifier.classes:
        return ModelFacts("", "", labelled_from)
    rule = tuple(operating_points) or ("Each beat gets its most probable class.",)
    form = f", {classifier.precision}" if classifier.precision else ""
    runtime = f"{classifier.backend}{form}"
    if card is None:
        return ModelFacts(str(classifier.path), runtime, labelled_from, rule)
    scores: tuple[tuple[str, float, float], ...] = ()
    for score in card.metrics.get("scores", ()):
        if (score.get("form"), score.get("beats"), score.get("lookahead")) == (
            classifier.precision or "float32",
            "detected",
            lookahead,
        ):
            scores = tuple(
                (label, _number(one.get("sensitivity")), _number(one.get("positive_predictivity")))
                for label, one in score["classes"].items()
            )
    return ModelFacts(card.name, runtime, labelled_from, rule, scores, tuple(card.limits))


def labelled_from_text(leads: Sequence[str], passed_over: Sequence[str] = ()) -> str:
    """Which leads a recording's labels come from, in words.

    Parameters
    ----------
    leads : sequence of str
        Those that the model labelled.
    passed_over : sequence of str
        Those that were left out since they carry hardly any signal.

    Returns
    -------
    str
    """
    text = f"{_named(leads)}, averaged" if len(leads) > 1 else _named(leads)
    if passed_over:
        text += f" ({_named(passed_over)}: no signal, or hardly any, or mains hum)"
    return text


def _named(leads: Sequence[str]) -> str:
    """Leads in words."""
    if len(leads) > 1:
        return f"leads {', '.join(leads[:-1])} and {leads[-1]}"
    return f"lead {leads[0]}"


# Share of beats at which every labelled lead is off, from which labels are not to be believed.
_MOSTLY_OFF = 0.5


def labelled_off_text(leads: Sequence[str], share: float) -> str:
    """What to say where the labelled leads are off at most beats; nothing where they are not.

    Parameters
    ----------
    leads : sequence of str
        Those that the model labelled.
    share : float
        Share of beats, 0 to 1, at which every one of them is off.

    Returns
    -------
    str
    """
    if not leads or share < _MOSTLY_OFF:
        return ""
    return (
        f"at {100 * share:.0f} % of the beats there is no signal in {_named(leads)}, from which "
        "they are labelled: these labels mean nothing; choose other leads with --leads"
    )


def annotation_facts(file: str) -> ModelFacts:
    """What a page says of labels that were read from an annotation file.

    Parameters
    ----------
    file : str
        Its name.

    Returns
    -------
    ModelFacts
    """
    return ModelFacts(file, "", annotated=True)


def operating_point_text(point: Mapping[str, Any]) -> str:
    """What cross-validation says of a threshold, in words; 95 % intervals over patients."""
    share = {name: f"{100 * x:.1f} %" for name, x in point.items() if isinstance(x, float)}
    for name, interval in point.get("intervals_95", {}).items():
        share[name] += f" [{', '.join(f'{100 * x:.1f}' for x in interval)}]"
    if point["by"] == "reject":
        return (
            f"{REJECTED} below {share['threshold']}: {share['coverage']} of beats kept, "
            f"{share['accuracy']} of them right"
        )
    kept = "" if point.get("holds", True) else " (not kept by patients of other recordings)"
    return (
        f"{point['class']} from {share['threshold']} on: sensitivity {share['sensitivity']}"
        f"{kept}, positive predictivity {share['positive_predictivity']}"
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
