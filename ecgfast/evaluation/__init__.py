"""How good the detections and labels are: EC57 beat matching and scoring."""

from __future__ import annotations

from ecgfast.evaluation.ec57 import (
    AAMI_CLASSES,
    AAMI_OF_SYMBOL,
    BEAT_SYMBOLS,
    DetectionScore,
    DetectionTotals,
    class_confusion,
    flutter_intervals,
    is_beat,
    match_beats,
    score_detection,
    total_scores,
)

__all__ = [
    "AAMI_CLASSES",
    "AAMI_OF_SYMBOL",
    "BEAT_SYMBOLS",
    "DetectionScore",
    "DetectionTotals",
    "class_confusion",
    "flutter_intervals",
    "is_beat",
    "match_beats",
    "score_detection",
    "total_scores",
]
