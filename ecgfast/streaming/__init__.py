"""From a source of samples to labelled beats, live."""

from __future__ import annotations

from .beat import Beat, Quality
from .classify import BeatLabeller, stream_classify
from .detect import detect_qrs
from .queue import SampleQueue
from .serial_port import SerialSamples
from .sources import ChunkSource, open_source

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
