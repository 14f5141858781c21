"""Beats of annotations, handed out as a stream would report them."""

from __future__ import annotations

import math
from typing import Any

from ..evaluation.annotated import annotated_beats
from ..records import Annotations
from ..streaming import Beat

__all__ = ["AnnotatedBeats"]

# A stream reports a beat after its end.
_REPORTED_S = 0.5


class AnnotatedBeats:
    """Beats of annotations in the place of a `StreamingClassifier`: each comes with its samples.

    Parameters
    ----------
    annotations : Annotations
    fs : float
        Sampling rate in Hz.
    """

    def __init__(self, annotations: Annotations, fs: float) -> None:
        self._beats = annotated_beats(annotations, fs)
        self._next = next(self._beats, None)
        self._late = math.ceil(_REPORTED_S * fs)
        self._count = 0

    def process(self, chunk: Any) -> list[Beat]:
        """Return the beats whose samples have come with this chunk."""
        self._count += len(chunk)
        return self._until(self._count - self._late)

    def flush(self) -> list[Beat]:
        """Return the last beats; marks beyond the recording's end are none of its beats."""
        return self._until(self._count)

    def _until(self, sample: int) -> list[Beat]:
        beats = []
        while self._next is not None and self._next.sample < sample:
            beats.append(self._next)
            self._next = next(self._beats, None)
        return beats
