"""Beats seen in several leads: what a model says of each, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..core import BeatBatch
    from ..runtime import Classifier

__all__ = ["LEADS_LABELLED", "labelled_leads", "mean_over_leads"]

#: Leads that are labelled where the caller does not say which: each costs what the first one does,
#: and more than two were never compared.
LEADS_LABELLED = 2

# Quality bits GAP and FLAT, of the lead whose window it is: its electrode is off.
_OFF = 1 | 2


def labelled_leads(classifier: Classifier, n_leads: int, average_leads: bool | None) -> int:
    """How many of the first leads of a stream a model labels.

    Parameters
    ----------
    classifier : Classifier
    n_leads : int
        Leads of the stream.
    average_leads : bool or None
        True for all of them, False for the first; None for the first two, where the model labels
        single beats with classes: what the mean is worth to others is not known.

    Returns
    -------
    int
        0 without a model.
    """
    if not classifier.classes:
        return 0
    if average_leads is not None:
        return n_leads if average_leads else 1
    window = classifier.window
    beats = classifier.output != "value" and window is not None and window.kind == "beat"
    return min(n_leads, LEADS_LABELLED) if beats else 1


def mean_over_leads(
    classifier: Classifier, batches: Sequence[BeatBatch]
) -> npt.NDArray[np.float32]:
    """Mean of what a model says of the same beats in each lead; a lead that is off says nothing.

    A lead is off for a beat whose window is flat, or around which it did not move or has samples
    that are missing. Where all are, all are averaged.

    Parameters
    ----------
    classifier : Classifier
    batches : sequence of BeatBatch
        The same n beats, cut from one lead each.

    Returns
    -------
    ndarray of float32, shape (n, outputs)
    """
    with_features = "features" in classifier.input_shapes
    outputs = np.stack(
        [
            classifier.predict_proba(b.windows, b.features if with_features else None)
            for b in batches
        ]
    )
    if len(batches) == 1:
        return np.asarray(outputs[0], np.float32)
    shows = np.stack(
        [(np.ptp(b.windows[..., 0], axis=1) > 0) & (b.quality & _OFF == 0) for b in batches]
    )
    shows |= ~shows.any(axis=0)
    mean = (outputs * shows[..., np.newaxis]).sum(axis=0) / shows.sum(axis=0)[:, np.newaxis]
    return np.asarray(mean, np.float32)
