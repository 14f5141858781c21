"""How much of the figures of the model `beats` is chance: the same training from several seeds.

    for seed in 7 8 9; do
        ecgfast train beats --data DATA --set seed=$seed --output runs/$seed --work runs/$seed/work
    done
    python bench/seed_spread.py runs/*/beats.json

Reads the cards and writes ``docs/beats-spread.md`` and ``docs/beats-spread.json``. The seed of the
recipe was set beforehand and is the model's, whatever the others reach.
"""

from __future__ import annotations

import argparse
import json
from functools import reduce
from operator import getitem
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from ecgfast.reports.table import Table
from ecgfast.runtime.card_fields import left_out_heading
from ecgfast.training.recipes.recipe import Recipe

DOCS = Path(__file__).parents[1] / "docs"

_DETECTED = "DS2 float32, own detections, label with the beat"
_REFERENCE = "DS2 float32, reference beats, label with the beat"
LEFT_OUT = left_out_heading("label with the beat")
_POOLED = "cross-validation, calibrated, {}, label with the beat"

Metrics = dict[str, Any]

#: Rows of the page: title to where in a card's metrics it stands, whether it is a share, which the
#: page has in %, and decimal places.
FIGURES: dict[str, tuple[tuple[str, ...], bool, int]] = {
    "DS2, detected beats: V F1, %": ((_DETECTED, "V F1"), True, 1),
    "DS2, detected beats: S F1, %": ((_DETECTED, "S F1"), True, 1),
    "DS2, detected beats: S F1 without 232, %": ((_DETECTED, "S F1 without record 232"), True, 1),
    "DS2, reference beats: V F1, %": ((_REFERENCE, "V F1"), True, 1),
    "DS2, reference beats: S F1, %": ((_REFERENCE, "S F1"), True, 1),
    "mitdb DS1, V F1, %": ((_POOLED.format("mitdb"), "classes", "V", "f1"), True, 1),
    "mitdb DS1, S F1, %": ((_POOLED.format("mitdb"), "classes", "S", "f1"), True, 1),
    "svdb, V F1, %": ((_POOLED.format("svdb"), "classes", "V", "f1"), True, 1),
    "svdb, S F1, %": ((_POOLED.format("svdb"), "classes", "S", "f1"), True, 1),
    "svdb, S F1 without 865, %": (
        (_POOLED.format("svdb without record 865"), "classes", "S", "f1"),
        True,
        1,
    ),
    "mitdb DS1, V F1, median of patients, %": ((LEFT_OUT, "mitdb V by patient"), True, 1),
    "mitdb DS1, S F1, median of patients, %": ((LEFT_OUT, "mitdb S by patient"), True, 1),
    "svdb, V F1, median of patients, %": ((LEFT_OUT, "svdb V by patient"), True, 1),
    "svdb, S F1, median of patients, %": ((LEFT_OUT, "svdb S by patient"), True, 1),
    "healthy, false S per hour, mean": ((LEFT_OUT, "nsrdb false S per hour, mean"), False, 1),
    "healthy, false S per hour, median": ((LEFT_OUT, "nsrdb false S per hour, median"), False, 1),
    "healthy, false V per hour, mean": ((LEFT_OUT, "nsrdb false V per hour, mean"), False, 1),
    "beats of fibrillation called S, %": ((LEFT_OUT, "fibrillation called S"), True, 2),
    "beats of fibrillation called V, %": ((LEFT_OUT, "fibrillation called V"), True, 2),
}


def values(cards: dict[int, Metrics], title: str) -> list[float]:
    """A figure of each card, shares in %."""
    path, share, _ = FIGURES[title]
    return [reduce(getitem, path, card) * (100.0 if share else 1.0) for card in cards.values()]


def table(cards: dict[int, Metrics]) -> Table:
    """The figures, one row each: mean, standard deviation, and each seed's."""
    rows = []
    for title, (*_, digits) in FIGURES.items():
        found = values(cards, title)
        numbers = [mean(found), stdev(found), *found]
        rows.append([title, *(f"{number:.{digits}f}" for number in numbers)])
    return Table("", ["figure", "mean", "deviation", *(f"seed {seed}" for seed in cards)], rows)


def main() -> None:
    """Read the cards, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("card", type=Path, nargs="+", help="NAME.json of models of several seeds")
    parser.add_argument("--page", type=Path, default=DOCS / "beats-spread.md")
    args = parser.parse_args()
    read = [json.loads(path.read_text("utf-8")) for path in args.card]
    cards = {card["seed"]: card["metrics"] for card in sorted(read, key=lambda card: card["seed"])}
    if len(cards) < 2:
        parser.error(f"{len(cards)} seed: give the cards of several")
    seeds = ", ".join(map(str, cards))
    text = f"""\
# The model `beats` from several seeds

Written by `bench/seed_spread.py`, whose head has the commands. The recipe in use on its data, from
seeds {seeds}; {Recipe.load("beats").seed} was set beforehand and is the model's. Labels with the
beat. DS2: 22 records of mitdb in no training; three in four of their S beats are one patient's,
232. The other rows: each patient, healthy person or strip by the network of cross-validation that
had not seen it, reference beats (strips: detected ones). The recipe was chosen on these folds, so
those rows are optimistic. A quarter of the S beats of svdb are 865's, a tachycardia of twelve
minutes that looks like a sinus rhythm: a seed finds it or does not.

{table(cards).markdown()}
"""
    args.page.write_text(text, encoding="utf-8")
    figures = {
        title: dict(zip(map(str, cards), np.round(values(cards, title), 4).tolist(), strict=True))
        for title in FIGURES
    }
    args.page.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
