"""Task "kaggle-normality": beats in the form of Kachuee et al. (2018), normal or abnormal."""

from __future__ import annotations

from ..datasets.kaggle import NORMALITY, beat_normality
from .kaggle import KaggleTask

__all__ = ["TASK"]

TASK = KaggleTask("normality", NORMALITY, beat_normality)
