"""What the dual-branch network tells of blood pressure at the size of published work.

The recipe of `blood-pressure` is small, as cross-validation by recording chose. Published networks
have hundreds of thousands of weights, and most are tested on windows of the recordings that they
were trained on. Here the same network is trained at such a size under both protocols::

    python bench/pressure_full_size.py $ECGFAST_DATA --json docs/blood_pressure_size.json \\
        --page docs/blood_pressure_size.md

Half an hour of one core. Networks are kept below ``--cache``, from which a broken-off run
continues. The size was set beforehand; nothing was chosen by these figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import networks
from ecgfast.evaluation.pressure import PressureScores
from ecgfast.reports.table import Table
from ecgfast.training.recipes.recipe import Recipe
from ecgfast.training.tasks.blood_pressure import (
    TASK,
    out_of_fold,
    scores_by_group,
    scores_by_window,
    window_folds,
)

FULL = {
    "architecture": {
        "filters": [32, 64, 128, 128],
        "lstm_units": 128,
        "dense": [128],
        "dropout": 0.2,
        "branch_dropout": 0.0,
    },
    "schedule": {
        "epochs": 8,
        "batch": 64,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "window_noise": 0.0,
        "feature_noise": 0.0,
    },
}

#: Mean error ± standard deviation, mmHg, of Miao et al. 2020 (doi:10.1016/j.artmed.2020.101919), a
#: ResNet and LSTM on one lead of MIMIC, windows of one patient on both sides: other recordings.
MIAO = {"minimum": "-0.75 ± 5.62", "maximum": "-0.22 ± 5.82"}

_PAGE = """# Blood pressure at the size of published work

Written by `python bench/pressure_full_size.py $ECGFAST_DATA --json docs/blood_pressure_size.json
--page docs/blood_pressure_size.md`.

The recipe of `blood-pressure` has {small:,} weights, because cross-validation by recording gave
larger networks nothing. Published networks have hundreds of thousands, and most are tested on
windows of the recordings that they were trained on. This page shows the same dual-branch network
with {full:,} weights, seed {seed}, {epochs} epochs, under both protocols: {windows:,} windows of
ten seconds (every five, so that neighbours share half of their signal) of {records} recordings, in
{folds}-fold cross-validation, mmHg.

## Windows of one recording on both sides

{by_window}

Miao et al. 2020 (a residual network and an LSTM on one lead of MIMIC, other recordings, their
figures for patients with arrhythmia) report {miao_minimum} for the minimum and {miao_maximum} for
the maximum under such a protocol.

## Recordings that the network has not seen

{by_group}

## What it says

{verdict}
"""


def name_of(weights: int) -> str:
    """What the tables call a network."""
    return f"{weights:,} weights"


def rows(scores: PressureScores) -> Table:
    """Errors of everything that was compared, one row each."""
    facts = scores.to_dict()
    table = []
    for name in scores.predicted:
        row = [name]
        for output in scores.outputs:
            predicted = facts[output][name]
            row += [f"{predicted['ME']:+.2f} ± {predicted['SD']:.2f}", f"{predicted['MAE']:.2f}"]
        table.append(row)
    heads = ["", "minimum, ME ± SD", "MAE", "maximum, ME ± SD", "MAE"]
    return Table("", heads, table)


def verdict(by_window: dict[str, Any], by_group: dict[str, Any], small: str, full: str) -> str:
    """What the figures come to, in words."""
    known = "the recording's training mean, no ECG"

    def mae(facts: dict[str, Any], name: str) -> str:
        return " / ".join(f"{facts[output][name]['MAE']:.1f}" for output in MIAO)

    return (
        f"With windows of a recording on both sides, the mean absolute error (minimum / maximum) "
        f"falls from {mae(by_window, small)} with the small network to {mae(by_window, full)} with "
        f"the large one; looking up the mean of the recording's other windows, without any ECG, "
        f"gives {mae(by_window, known)}. On recordings that it has not seen, the large network has "
        f"{mae(by_group, full)}, the small one {mae(by_group, small)}, and telling everyone the "
        f"training median {mae(by_group, 'training median')}. What a large network gains under the "
        f"first protocol is that it recognises the recording."
    )


def compared(
    recipe: Recipe, data: Path, cache: Path
) -> tuple[PressureScores, PressureScores, dict[str, Any]]:
    """Scores by window and by group, and the facts of the page."""
    examples = TASK.training_set(recipe, data, progress=True)
    recipes = {"small": recipe, "full": recipe.changed(FULL)}
    weights = {}
    predicted: dict[str, dict[str, npt.NDArray[np.float64]]] = {"window": {}, "group": {}}
    folds = {"window": window_folds(recipe, examples), "group": examples.columns["fold"]}
    cache.mkdir(parents=True, exist_ok=True)
    for size, one in recipes.items():
        weights[size] = int(networks.build(**one.architecture).count_params())
        name = name_of(weights[size])
        for protocol, fold in folds.items():
            kept = cache / f"{size}-{protocol}"
            outputs = out_of_fold(one, examples, fold, one.seed, kept)
            predicted[protocol][name] = outputs
            error = np.abs(outputs - examples.target).mean(axis=0).round(2).tolist()
            print(f"{name}, by {protocol}: MAE {error} mmHg", flush=True)
    facts = {
        "weights": weights,
        "seed": recipe.seed,
        "epochs": FULL["schedule"]["epochs"],
        "windows": len(examples),
        "records": len(np.unique(examples.record)),
        "folds": recipe.folds,
    }
    return (
        scores_by_window(recipe, examples, predicted["window"]),
        scores_by_group(examples, predicted["group"]),
        facts,
    )


def main() -> None:
    """Train, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/pressure_full_size"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    args = parser.parse_args()
    by_window, by_group, facts = compared(Recipe.load("blood-pressure"), args.data, args.cache)
    found = {"by_window": by_window.to_dict(), "by_group": by_group.to_dict(), **facts}
    small, full = facts["weights"].values()
    text = _PAGE.format(
        **facts,
        small=small,
        full=full,
        by_window=rows(by_window).markdown(),
        by_group=rows(by_group).markdown(),
        miao_minimum=MIAO["minimum"],
        miao_maximum=MIAO["maximum"],
        verdict=verdict(found["by_window"], found["by_group"], name_of(small), name_of(full)),
    )
    print(text)
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if args.page is not None:
        args.page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
