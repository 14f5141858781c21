"""How good the detections and labels are: EC57 beat matching and scoring."""

from __future__ import annotations

from ecgfast.evaluation.beat_model import BeatModelScores, evaluate_beat_model
from ecgfast.evaluation.classes import (
    ClassScores,
    confusion_matrix,
    patient_intervals,
    score_classes,
    share_interval,
)
from ecgfast.evaluation.decisions import (
    evaluate_decision,
    evaluate_probabilities,
    usual_decisions,
)
from ecgfast.evaluation.detector import (
    Delays,
    DetectorScores,
    ReportedBeats,
    annotated_records,
    evaluate_detector,
    own_detector,
    report_times,
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
from ecgfast.evaluation.false_alarms import (
    FalseAlarms,
    StripCalls,
    evaluate_false_alarms,
    evaluate_healthy,
    evaluate_strip_beats,
    strip_rhythms,
)

__all__ = [
    "AAMI_CLASSES",
    "AAMI_OF_SYMBOL",
    "BEAT_SYMBOLS",
    "BeatModelScores",
    "ClassScores",
    "Delays",
    "DetectionScore",
    "DetectionTotals",
    "DetectorScores",
    "FalseAlarms",
    "ReportedBeats",
    "StripCalls",
    "annotated_records",
    "class_confusion",
    "confusion_matrix",
    "evaluate_beat_model",
    "evaluate_decision",
    "evaluate_detector",
    "evaluate_false_alarms",
    "evaluate_healthy",
    "evaluate_probabilities",
    "evaluate_strip_beats",
    "flutter_intervals",
    "is_beat",
    "match_beats",
    "own_detector",
    "patient_intervals",
    "report_times",
    "score_classes",
    "score_detection",
    "share_interval",
    "strip_rhythms",
    "total_scores",
    "usual_decisions",
]
