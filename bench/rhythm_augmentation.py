"""Draw the augmented rhythms of `ecgfast train beats`, beside the recording they come from.

python bench/rhythm_augmentation.py $ECGFAST_DATA --output docs/made-rhythms.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ecgfast.evaluation import AAMI_CLASSES
from ecgfast.evaluation.annotated import reference_beats
from ecgfast.training.datasets.rhythm_augmentation import make_record
from ecgfast.training.datasets.rhythms import RHYTHMS
from ecgfast.training.recipes.recipe import Recipe

#: A recording with clear P waves, and seconds drawn before and after the first beat that was made.
RECORD, BEFORE, AFTER = "mitdb/122", 3.0, 7.0


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds mitdb/")
    parser.add_argument("--output", type=Path, default=Path("docs/made-rhythms.png"))
    args = parser.parse_args()
    seed = Recipe.load("beats").seed
    figure, axes = plt.subplots(len(RHYTHMS), 1, figsize=(11, 2.1 * len(RHYTHMS)))
    for axis, kind in zip(axes, RHYTHMS, strict=True):
        record, rhythm = make_record(args.data, RECORD, kind, seed=seed)
        at, _ = reference_beats(record)
        other = np.flatnonzero(rhythm.taught & (at > BEFORE * record.fs))[0]
        begin, end = at[other] + (np.array([-BEFORE, AFTER]) * record.fs).astype(int)
        signal = record.signal[:, 0]
        axis.plot(np.arange(begin, end) / record.fs, signal[begin:end], linewidth=0.8)
        for i in np.flatnonzero((at > begin) & (at < end)):
            axis.annotate(
                AAMI_CLASSES[rhythm.label[i]],
                (at[i] / record.fs, signal[at[i]]),
                color="C3" if rhythm.taught[i] else "0.4",
                ha="center",
            )
        axis.set_title(f"{RECORD}, {kind}", loc="left", fontsize=9)
        axis.set_ylabel("mV")
    axes[-1].set_xlabel("s; red: beats that a network learns from")
    figure.tight_layout()
    figure.savefig(args.output, dpi=90)


if __name__ == "__main__":
    main()
