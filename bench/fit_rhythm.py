"""Fit the model of atrial fibrillation that `ecgfast.rhythm` uses.

``python bench/fit_rhythm.py recordings`` runs the beats of mitdb, cinc2017 and nsrdb (and the
reference beats of nsrdb's whole days in ``nsrdb_rr``) through `RhythmStream`, fits
two logistic regressions (with and without P waves) and writes ``ecgfast/rhythm/atrial.json``: the
settings that ``bench/choose_fibrillation.py`` chose, the model of all recordings, and for each fold
the model that never saw its patients, which ``ecgfast evaluate rhythm`` scores. Each patient of
mitdb with atrial fibrillation or flutter is a fold of its own; the other patients and the strips of
cinc2017 are distributed over five.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from choose_fibrillation import OUTPUT as CHOICE
from choose_fibrillation import Candidate
from fibrillation_windows import Inputs, folds, sources

from ecgfast import Classifier
from ecgfast.rhythm.atrial import FEATURES

OUTPUT = Path(__file__).parents[1] / "ecgfast" / "rhythm" / "atrial.json"


def main() -> None:
    """Fit, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds mitdb/, cinc2017/, nsrdb/, nsrdb_rr/")
    parser.add_argument("--choice", type=Path, default=CHOICE, help="what was chosen")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    chosen = Candidate.from_dict(json.loads(args.choice.read_text("utf-8"))["chosen"])
    settings = chosen.settings
    rows = [one.windows(settings) for one in sources(args.data, Classifier("beats"))]
    inputs = Inputs.of(rows)

    def without(patients: list[str]) -> dict[str, list[float]]:
        used = [one.patient not in patients for one in rows]
        return inputs.fitted(used, settings, chosen.strength).to_dict()

    stored = {
        "features": list(FEATURES),
        "made_by": "python bench/choose_fibrillation.py recordings, then "
        "python bench/fit_rhythm.py recordings",
        "windows": len(inputs.target),
        "settings": asdict(settings),
        "model": without([]),
        "folds": [
            {
                "records": [one.name for one in rows if one.patient in fold],
                "model": without(fold),
            }
            for fold in folds(rows)
        ],
    }
    args.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"{stored['windows']} windows; written {args.output}")


if __name__ == "__main__":
    main()
