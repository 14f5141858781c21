"""Labelled beats out of annotations, in the form that a model reports them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..records import Annotations
from ..runtime.decision import REJECTED
from ..streaming import Beat, Quality
from .ec57 import AAMI_OF_SYMBOL

__all__ = ["annotated_beats"]

# A wave of ventricular flutter, and the text of a beat that a `Decision` gave no class.
_WAVE, _REJECTED = "!", "rejected"


def annotated_beats(annotations: Annotations, fs: float) -> Iterator[Beat]:
    """Make beats of annotations: WFDB codes as AAMI classes, waves of flutter, no other marks.

    Parameters
    ----------
    annotations : Annotations
    fs : float
        Samples a second that they count in.

    Yields
    ------
    Beat
        In order; of several marks on one sample the first.
    """
    last = -1
    for i in np.argsort(annotations.sample, kind="stable"):
        symbol, sample = str(annotations.symbol[i]), int(annotations.sample[i])
        if sample <= last or not (symbol == _WAVE or symbol in AAMI_OF_SYMBOL):
            continue
        rejected = symbol == "Q" and annotations.aux[i] == _REJECTED
        rr = (sample - last) / fs if last >= 0 else math.nan
        yield Beat(
            sample=sample,
            time=sample / fs,
            label=REJECTED if rejected else AAMI_OF_SYMBOL.get(symbol, ""),
            probability=math.nan,
            probabilities={},
            rr=rr,
            heart_rate=60 / rr,
            quality=Quality.FLUTTER if symbol == _WAVE else Quality.GOOD,
        )
        last = sample
