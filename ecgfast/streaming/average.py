"""Beats seen in several leads: what a model says of each, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ..core import BeatBatch
    from ..runtime import Classifier

__all__ = ["LEADS_LABELLED", "mean_over_leads", "n_labelled_leads", "quality_over_leads"]

#: Leads that are labelled where the caller does not say which: more than two were never compared.
LEADS_LABELLED = 2

# Smaller probabilities of one lead are no surer: an int8 model knows steps of 1/256.
_LEAST = 1e-3

# Quality bits of the lead whose window it is: GAP and FLAT, its electrode is off; SATURATED.
_OFF, _BY_ALL = np.uint32(1 | 2), np.uint32(4 | 64)


def n_labelled_leads(classifier: Classifier, n_leads: int, average_leads: bool | None) -> int:
    """How many leads of a stream a model labels.

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
    if average_leads is False or not isinstance(n_leads, Integral):  # which `BeatStream` refuses
        return 1
    if average_leads is not None:
        return int(n_leads)
    window = classifier.window
    beats = classifier.output != "value" and window is not None and window.kind == "beat"
    return int(min(n_leads, LEADS_LABELLED)) if beats else 1


def mean_over_leads(
    classifier: Classifier, batches: Sequence[BeatBatch]
) -> npt.NDArray[np.float32]:
    """Mean of what a model says of the same beats in each lead; a lead that is off says nothing.

    Of probabilities the log-odds are averaged: a beat reaches a low threshold where the leads
    together are as sure of it as one alone would have to be, and not where one of them is. A lead
    is off for a beat whose window is flat, or around which it did not move or has samples that are
    missing. Where all are, all are averaged; where one shows the beat, its answer is the mean.

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
    share = (shows / shows.sum(axis=0))[..., np.newaxis]
    if classifier.output == "value":
        return np.asarray((outputs * share).sum(axis=0), np.float32)
    mean = np.asarray(_mean_of_log_odds(outputs, share), np.float32)
    alone = shows.sum(axis=0) == 1
    mean[alone] = outputs[shows.argmax(axis=0)[alone], alone]
    return mean


def quality_over_leads(batches: Sequence[BeatBatch]) -> npt.NDArray[np.uint32]:
    """Quality bits of beats that are labelled from several leads.

    A lead that is off, or has missing samples, is left out while another one shows the beat. A
    converter at its limit, and a wave of flutter, count where all of the others have it, every
    other bit where one has it.

    Parameters
    ----------
    batches : sequence of BeatBatch
        The same n beats, cut from one lead each.

    Returns
    -------
    ndarray of uint32, shape (n,)
    """
    bits = np.stack([batch.quality for batch in batches])
    off = (bits & _OFF) > 0
    seen = ~off | off.all(axis=0)
    either = np.bitwise_or.reduce(np.where(seen, bits, 0))
    common = np.bitwise_and.reduce(np.where(seen, bits, _BY_ALL))
    return np.asarray(either & ~_BY_ALL | common & _BY_ALL, np.uint32)


def _mean_of_log_odds(
    outputs: npt.NDArray[np.float32], share: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Probabilities of those of each lead, shape (n, outputs); one output is of two classes."""
    probability = outputs.astype(np.float64)
    if outputs.shape[-1] == 1:
        probability = np.concatenate([1.0 - probability, probability], axis=-1)
    mean = (np.log(np.maximum(probability, _LEAST)) * share).sum(axis=0)
    odds = np.exp(mean - mean.max(axis=1, keepdims=True))
    found: npt.NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return found[:, -outputs.shape[-1] :]
