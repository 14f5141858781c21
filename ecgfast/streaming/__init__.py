"""From a source of samples to labelled beats, live."""

from __future__ import annotations

from ..sources import ChunkSource, SampleQueue, SerialSamples, open_source
from .beat import Beat, Quality
from .classify import BeatLabeller, stream_classify
from .detect import detect_qrs

__all__ = [
    "Beat",
    "BeatLabeller",
    "ChunkSource",
    "Quality",
    "SampleQueue",
    "SerialSamples",
    "detect_qrs",
    "open_source",
    "stream_classify",
]
