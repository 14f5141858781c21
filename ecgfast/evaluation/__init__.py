"""How good the detections and labels are: EC57 beat matching and scoring."""

from __future__ import annotations

from ecgfast.evaluation.beat_model import BeatModelScores, evaluate_beat_model
from ecgfast.evaluation.classes import (
    ClassScores,
    confusion_matrix,
    patient_intervals,
    score_classes,
)
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
    "BeatModelScores",
    "ClassScores",
    "DetectionScore",
    "DetectionTotals",
    "class_confusion",
    "confusion_matrix",
    "evaluate_beat_model",
    "flutter_intervals",
    "is_beat",
    "match_beats",
    "patient_intervals",
    "score_classes",
    "score_detection",
    "total_scores",
]
