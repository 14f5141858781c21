"""Fit the networks of atrial fibrillation that `ecgfast.rhythm` uses.

``python bench/fit_rhythm.py recordings`` runs the beats of mitdb, cinc2017 and nsrdb (and the
reference beats of nsrdb's whole days in ``nsrdb_rr``) through `RhythmStream` and fits networks to
them. It writes ``ecgfast/rhythm/atrial.npy``: the networks of all recordings, then for each fold
those that never saw its patients, which ``ecgfast evaluate rhythm`` scores. Beside it,
``atrial.json`` has the settings that ``bench/choose_fibrillation.py`` chose, and the recordings of
each fold. Each patient of mitdb with atrial fibrillation or flutter is a fold of its own; the other
patients and the strips of cinc2017 are distributed over five.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from choose_fibrillation import OUTPUT as CHOICE
from fibrillation_beats import folds, sources
from fibrillation_network import Examples

from ecgfast import Classifier
from ecgfast.rhythm.atrial import INPUTS, AtrialSettings, Floats

OUTPUT = Path(__file__).parents[1] / "ecgfast" / "rhythm" / "atrial.json"


def main() -> None:
    """Fit, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds mitdb/, cinc2017/, nsrdb/, nsrdb_rr/")
    parser.add_argument("--choice", type=Path, default=CHOICE, help="what was chosen")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    settings = AtrialSettings(**json.loads(args.choice.read_text("utf-8"))["chosen"])
    recordings = [one.scored() for one in sources(args.data, Classifier("beats"))]
    examples = Examples(recordings)

    def without(patients: list[str]) -> Floats:
        used = [one.patient not in patients for one in recordings]
        print(f"fitting to {sum(used)} recordings", file=sys.stderr)
        return examples.fitted(used, settings, args.seed).flat()

    parts = folds(recordings)
    stored = {
        "inputs": list(INPUTS),
        "made_by": "python bench/choose_fibrillation.py recordings, then "
        "python bench/fit_rhythm.py recordings",
        "seed": args.seed,
        "settings": asdict(settings),
        "folds": [[one.name for one in recordings if one.patient in part] for part in parts],
    }
    weights = np.stack([without(part) for part in [[], *parts]])
    np.save(args.output.with_suffix(".npy"), weights.astype(np.float16))
    args.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"written {args.output} and {args.output.with_suffix('.npy').name}")


if __name__ == "__main__":
    main()
