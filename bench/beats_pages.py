"""Pages about the model of beat classes: figures for a reader of papers, a card for a clinician.

    python bench/beats_pages.py $ECGFAST_DATA --folder docs

Writes beats.md (intervals, false alarms, leads, calibration), beats-card.md (whom it was made from,
what it is for, where it fails) and their pictures. The text is beats.md.in and beats-card.md.in
beside this file. Figures come from the model's card, which `ecgfast train beats` wrote, and for the
records one by one, and what thresholds reach on them, from its file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from beats_pictures import draw_mistakes, draw_probabilities
from beats_tables import (
    class_rows,
    corrected_rows,
    counted,
    criterion_rows,
    ds2_rows,
    failures,
    false_rate_rows,
    headline_rows,
    lead_rows,
    left_out_rows,
    patient_rows,
    percent,
    probability_section,
    seed_figures,
    size_rows,
    spread_text,
    strip_rows,
    tested,
    validated,
)

from ecgfast.evaluation import BeatModelScores, evaluate_beat_model, evaluate_probabilities
from ecgfast.evaluation.beat_model import PUBLISHED
from ecgfast.evaluation.false_alarms import HEALTHY
from ecgfast.runtime import Classifier, ModelCard
from ecgfast.runtime.card_fields import left_out_heading
from ecgfast.runtime.cards import LOOKAHEAD_LABELS
from ecgfast.training.datasets.splits import DS2, patient_of

#: Where the figures of seeds and of databases left out are.
DOCS = Path(__file__).parents[1] / "docs"


def filled(page: str, parts: dict[str, str | list[str]]) -> str:
    """The text of a page with its parts in their places."""
    text = Path(__file__).with_name(f"{page}.in").read_text("utf-8")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part if isinstance(part, str) else "\n".join(part))
    return text


def main_rows(card: ModelCard) -> list[str]:
    """The figures that a user gets by default: float32, detected beats."""
    chosen = {t: score for t, score in tested(card).items() if t.startswith("float32, detected")}
    return class_rows(
        {title.removeprefix("float32, detected beats, "): score for title, score in chosen.items()}
    )


def figures_page(
    card: ModelCard,
    probabilities: list[dict[str, Any]],
    leads: dict[str, list[BeatModelScores]],
    corrected: list[str],
) -> str:
    """Figures, leads, corrections, other models and calibration."""
    left_out = card.metrics[left_out_heading(LOOKAHEAD_LABELS[0])]
    surest = max(probabilities[0]["reached"]["bins"], key=lambda row: row["from"])
    sections = [line for found in probabilities for line in [*probability_section(found), ""]]
    seeds = seed_figures(DOCS)
    detected = tested(card)[f"float32, detected beats, {LOOKAHEAD_LABELS[0]}"]
    others = [f"| {who} | {what} | {where} |" for who, what, where in PUBLISHED]
    return filled(
        "beats.md",
        {
            "SHORT": headline_rows(DOCS),
            "N_SE": percent(detected["classes"]["N"]["sensitivity"]),
            "PATIENT_S": percent(detected["f1_by_patient"]["S"]["median"]),
            "FALSE_S": spread_text(seeds["healthy, false S per hour, mean"]),
            "FALSE_V": spread_text(seeds["healthy, false V per hour, mean"]),
            "MEDIAN_S": f"{left_out[f'{HEALTHY} false S per hour, median']:.1f}",
            "AF_S": spread_text(seeds["beats of fibrillation called S, %"]),
            "RIGHT": percent(surest["right"]),
            "TEST": ds2_rows(card),
            "PATIENTS": patient_rows(card),
            "LEFT_OUT": left_out_rows(card),
            "FALSE": false_rate_rows(card),
            "STRIPS": strip_rows(card),
            "LEADS": lead_rows(leads),
            "CORRECTED": corrected,
            "PROBABILITIES": [
                "![Reliability and rejection](beats-probabilities.png)",
                "",
                *sections[:-1],
            ],
            "VALIDATED": class_rows(validated(card)),
            "MADE": counted(card.data["made_examples"]),
            "PUBLISHED": ["| | figures | on |", "| --- | --- | --- |", *others],
        },
    )


def clinical_page(card: ModelCard, score: BeatModelScores) -> str:
    """The card."""
    left_out = card.metrics[left_out_heading(LOOKAHEAD_LABELS[0])]
    return filled(
        "beats-card.md",
        {
            "N_PATIENTS": str(card.data["training_patients"]),
            "DATABASES": ", ".join(card.data["databases"]),
            "TRAINING": counted(card.data["training_beats"]),
            "MADE": counted(card.data["made_examples"]),
            "TEST": main_rows(card),
            "SEED": str(card.seed),
            "WORST_S": f"{left_out[f'{HEALTHY} false S per hour, worst']:.0f}",
            "WORST_V": f"{left_out[f'{HEALTHY} false V per hour, worst']:.0f}",
            "CRITERION": criterion_rows(DOCS),
            "MACHINE": card.fastest["machine"],
            "SIZE": size_rows(card),
            "FALSE": false_rate_rows(card),
            "STRIPS": strip_rows(card),
            "FAILURES": failures(score),
            "LIMITS": [f"- {limit}" for limit in card.limits],
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, help="folder that holds mitdb")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    args = parser.parse_args()
    classifier = Classifier("beats", precision="float32")
    assert classifier.card is not None
    draw_mistakes(classifier, args.data, args.folder / "beats-mistakes.png")
    records = [("mitdb", name, patient_of("mitdb", name)) for name in DS2]
    leads = {
        title: evaluate_beat_model(classifier, args.data, records, leads=columns)
        for title, columns in (("first lead", (0,)), ("second lead", (1,)), ("both", (0, 1)))
    }
    reference = leads["first lead"][: len(LOOKAHEAD_LABELS)]
    probabilities = [evaluate_probabilities(classifier, score) for score in reference]
    draw_probabilities(probabilities, args.folder / "beats-probabilities.png")
    pages = {
        "beats.md": figures_page(
            classifier.card, probabilities, leads, corrected_rows(reference[0], args.data)
        ),
        "beats-card.md": clinical_page(classifier.card, reference[0]),
    }
    for name, text in pages.items():
        (args.folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
