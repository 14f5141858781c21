"""From a source of samples to labelled beats, live."""

from __future__ import annotations

from typing import Any

from ..deprecated import renamed
from ..sources import ChunkSource, SampleQueue, SerialSamples, open_source
from .beat import Beat, Quality
from .beats import stream_beats
from .classify import StreamingClassifier, stream_classify
from .detect import detect_qrs
from .frames import to_dataframe

__all__ = [
    "Beat",
    "ChunkSource",
    "Quality",
    "SampleQueue",
    "SerialSamples",
    "StreamingClassifier",
    "detect_qrs",
    "open_source",
    "stream_beats",
    "stream_classify",
    "to_dataframe",
]


def __getattr__(name: str) -> Any:
    return renamed(__name__, name)
