"""Beats of annotations, handed out as a stream would report them, with the signal's quality."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from typing import Any

from ..core import BeatBatch
from ..evaluation.annotated import annotated_beats
from ..records import Annotations
from ..streaming import Beat, Quality
from ..streaming.average import quality_over_leads
from ..streaming.beat import UNFIT
from ..streaming.lead_windows import LeadWindows

__all__ = ["AnnotatedBeats"]

# Seconds in which a beat takes the quality of the detected one that is nearest.
_NEAR_S = 2.0


class AnnotatedBeats:
    """Beats of annotations in the place of a `StreamingClassifier`: each comes with its samples.

    Annotations have no quality of the signal. A detector beside them has: a beat takes the bits of
    a bad signal of the detected beat that is nearest, its own where it was detected too.

    Parameters
    ----------
    annotations : Annotations
    fs : float
        Sampling rate in Hz.
    detector : LeadWindows

    Attributes
    ----------
    delay : float
        Longest time from an R peak to its report, in seconds.
    """

    def __init__(self, annotations: Annotations, fs: float, detector: LeadWindows) -> None:
        self._beats = annotated_beats(annotations, fs)
        self._next = next(self._beats, None)
        self._detector = detector
        self._near = math.ceil(_NEAR_S * fs)
        self._late = detector.first.delay + self._near
        self.delay = self._late / fs
        self._count = 0
        self._samples, self._bits, self._at = array("q"), array("L"), 0

    def process(self, chunk: Any) -> list[Beat]:
        """Return the beats whose samples and quality are known with this chunk."""
        self._take(self._detector.process(chunk))
        self._count += len(chunk)
        return self._until(self._count - self._late)

    def flush(self) -> list[Beat]:
        """Return the last beats; marks beyond the recording's end are none of its beats."""
        self._take(self._detector.flush())
        return self._until(self._count)

    def _take(self, detected: list[BeatBatch]) -> None:
        """Hold the detected beats, which come as cut from each lead."""
        self._samples.extend(detected[0].sample.tolist())
        self._bits.extend((quality_over_leads(detected) & UNFIT).tolist())

    def _until(self, sample: int) -> list[Beat]:
        beats = []
        while self._next is not None and self._next.sample < sample:
            bits = self._quality_at(self._next.sample)
            beats.append(replace(self._next, quality=self._next.quality | Quality(bits)))
            self._next = next(self._beats, None)
        return beats

    def _quality_at(self, sample: int) -> int:
        places = self._samples
        while self._at + 1 < len(places) and abs(places[self._at + 1] - sample) <= abs(
            places[self._at] - sample
        ):
            self._at += 1
        near = self._at < len(places) and abs(places[self._at] - sample) <= self._near
        return self._bits[self._at] if near else 0
