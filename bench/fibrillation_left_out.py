"""Atrial fibrillation with whole databases left out.

``python bench/fibrillation_left_out.py recordings``

The networks are fitted to all databases of `fibrillation_beats` but one, and find fibrillation in
that one, with the settings in use. nsrdb and nsrdb_rr are the same people and count as one. Writes
``fibrillation_left_out.json``, of which ``rhythm_page.py`` makes a table.

The figures are not blind in all parts: the settings were chosen on DS1, nsrdb and cinc2017, what a
beat shows to the networks with all of mitdb in sight, and the model `beats`, whose labels the
networks see, learned from DS1, nsrdb and cinc2017.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from choose_fibrillation import LASTING_S, Replay, durations, f1
from fibrillation_beats import Recording, sources
from fibrillation_network import Examples

from ecgfast import Classifier
from ecgfast.evaluation.rhythm_fibrillation import STRIP_S
from ecgfast.reports.table import Table
from ecgfast.rhythm.atrial import AtrialModel, stored_settings

OUTPUT = Path(__file__).with_name("fibrillation_left_out.json")

PARTS = (("mitdb",), ("cinc2017",), ("nsrdb", "nsrdb_rr"))


def main() -> None:
    """Fit, find, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds mitdb/, cinc2017/, nsrdb/, nsrdb_rr/")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    settings = stored_settings()
    recordings = [one.scored() for one in sources(args.data, Classifier("beats"))]
    examples = Examples(recordings)
    found: dict[str, dict[str, float]] = {}
    for part in PARTS:
        used = [one.dataset not in part for one in recordings]
        print(f"without {part[0]}: fitting to {sum(used)} recordings", file=sys.stderr)
        model = examples.fitted(used, settings, args.seed)
        left_out = [one for one, known in zip(recordings, used, strict=True) if not known]
        found[part[0]] = (_strips if part == ("cinc2017",) else _recordings)(left_out, model)
    args.output.write_text(
        json.dumps({"seed": args.seed, "without": found}, indent=1) + "\n", "utf-8"
    )
    print(table(found).text())


def _recordings(left_out: Sequence[Recording], model: AtrialModel) -> dict[str, float]:
    """Seconds of the recordings, of the reference, of the test and of both, all leads together."""
    counts = np.zeros(4)
    for one in left_out:
        if one.name == one.record:
            spans = Replay(one).episodes(one.odds(model), model.settings, LASTING_S)
            counts += [one.n_samples / one.fs, *durations(one, spans)]
    return dict(zip(("seconds", "reference_s", "test_s", "both_s"), counts.tolist(), strict=True))


def _strips(left_out: Sequence[Recording], model: AtrialModel) -> dict[str, float]:
    """Strips of each rhythm, and how many of them are called fibrillation."""
    settings = replace(model.settings, probability=model.settings.strip_probability)
    out: dict[str, float] = {}
    for label in "ANO":
        some = [one for one in left_out if one.label == label]
        called = [len(Replay(one).episodes(one.odds(model), settings, STRIP_S)) > 0 for one in some]
        out |= {f"{label}_strips": len(some), f"{label}_called": sum(called)}
    return out


def table(found: Mapping[str, Mapping[str, float]]) -> Table:
    """The figures of each database, by networks that were fitted without it."""
    mitdb, strips, healthy = (found[part[0]] for part in PARTS)
    counts = np.array(
        [strips["A_strips"], strips["A_called"] + strips["N_called"], strips["A_called"]]
    )
    found_s, right_s = (100 * mitdb["both_s"] / mitdb[key] for key in ("reference_s", "test_s"))
    rows = [
        [
            "mitdb",
            f"of the time of fibrillation {found_s:.1f} % found, of the time reported "
            f"{right_s:.1f} % right",
        ],
        [
            "cinc2017",
            f"F1 of fibrillation against normal {f1(counts):.3f}; {strips['O_called']:g} of "
            f"{strips['O_strips']:g} strips of other rhythms called fibrillation",
        ],
        [
            "nsrdb, nsrdb_rr",
            f"{healthy['test_s'] / 60:.1f} minutes of fibrillation in "
            f"{healthy['seconds'] / 3600:.1f} hours of nsrdb",
        ],
    ]
    return Table("Whole databases left out", ["fitted without", "found in it"], rows, left=2)


if __name__ == "__main__":
    main()
