"""Pictures of the pages that `beats_pages.py` writes: typical mistakes, and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecgfast import BeatStream
from ecgfast.core import BeatBatch
from ecgfast.evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, is_beat
from ecgfast.records import read_record
from ecgfast.runtime import Classifier
from ecgfast.runtime.cards import LOOKAHEAD_LABELS
from ecgfast.training.datasets.splits import DS2

__all__ = ["draw_mistakes", "draw_probabilities"]

#: Records that the picture of mistakes shows.
PICTURES = 6


def draw_mistakes(classifier: Classifier, data: Path, path: Path) -> None:
    """The surest mistake of each of the records with the most: eight seconds about it."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = []
    for name in DS2:
        record = read_record(data / "mitdb" / name, leads=0)
        marks = record.annotations
        assert marks is not None
        beat = is_beat(marks.symbol)
        actual = [AAMI_OF_SYMBOL[s] for s in marks.symbol[beat]]
        stream = BeatStream(record.fs, method="external", window=classifier.window)
        batch = BeatBatch.concatenate(
            [stream.process(record.signal, marks.sample[beat]), stream.flush()]
        )
        shares = classifier.predict_proba(batch.windows, batch.features)
        given = [AAMI_CLASSES[i] for i in shares.argmax(axis=1)]
        wrong = np.array([a != g for a, g in zip(actual, given, strict=True)])
        if wrong.any():
            at = int(np.where(wrong, shares.max(axis=1), 0).argmax())
            found.append((int(wrong.sum()), name, record, batch, actual, given, at))
    found.sort(key=lambda row: -row[0])
    figure, axes = plt.subplots(PICTURES, 1, figsize=(10, 1.7 * PICTURES), layout="constrained")
    for axis, (_, name, record, batch, actual, given, at) in zip(axes, found, strict=False):
        centre = batch.sample[at] / record.fs
        first, last = (int(max(0, (centre + s) * record.fs)) for s in (-4, 4))
        time = np.arange(first, first + len(record.signal[first:last])) / record.fs
        axis.plot(time, record.signal[first:last, 0], color="black", linewidth=0.7)
        top = float(record.signal[first:last, 0].max())
        for i in np.flatnonzero((batch.sample >= first) & (batch.sample < last)):
            right = actual[i] == given[i]
            text = actual[i] if right else f"{actual[i]} called {given[i]}"
            axis.text(
                batch.sample[i] / record.fs,
                top,
                text,
                ha="center",
                va="bottom",
                fontsize=7,
                color="grey" if right else "tab:red",
            )
        axis.set_ylabel("mV")
        axis.set_title(f"record {name}", loc="left", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("s")
    figure.savefig(path, dpi=110)


def draw_probabilities(probabilities: list[dict[str, Any]], path: Path) -> None:
    """Reliability diagram, and accuracy against the share of beats kept."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    left.plot([0.2, 1], [0.2, 1], color="grey", linewidth=0.8)
    for told, marker in zip(probabilities, "os", strict=True):
        rejections = [row for row in told["decisions"] if row["by"] == "reject"]
        for side, line in (("promised", "--"), ("reached", "-")):
            where = "DS2" if side == "reached" else "cross-validation"
            label = f"{where}, {LOOKAHEAD_LABELS[told['lookahead']]}"
            bins, points = told[side]["bins"], [row[side] for row in rejections]
            sure, share = ([row[k] for row in bins] for k in ("probability", "right"))
            left.plot(sure, share, line, marker=marker)
            kept, accuracy = ([row[k] for row in points] for k in ("coverage", "accuracy"))
            right.plot(kept, accuracy, line, marker=marker, label=label)
    left.set(xlabel="probability of the label", ylabel="share of labels that are right")
    right.set(xlabel="share of beats kept", ylabel="accuracy of those")
    right.legend(frameon=False, loc="lower left")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
