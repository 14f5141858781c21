"""Running models: the TFLite interpreter wrapper, the runtimes it can use, and model cards.

Needs numpy; a TFLite runtime is imported when the first `Classifier` is made.
"""

from __future__ import annotations

from .backends import BACKENDS, available_backends
from .cards import InputSpec, ModelCard, ModelWindow, available_models
from .classifier import Classifier

__all__ = [
    "BACKENDS",
    "Classifier",
    "InputSpec",
    "ModelCard",
    "ModelWindow",
    "available_backends",
    "available_models",
]
