"""Review of labels: some answers of a reviewer, and the labels of all beats that follow."""

from __future__ import annotations

from .actions import Action
from .beats import ReviewBeats, collect_beats
from .examples import reviewed_examples
from .files import review_files
from .grouping import Group, Question
from .marks import NOT_A_BEAT
from .session import ReviewSession

__all__ = [
    "NOT_A_BEAT",
    "Action",
    "Group",
    "Question",
    "ReviewBeats",
    "ReviewSession",
    "collect_beats",
    "review_files",
    "reviewed_examples",
]
