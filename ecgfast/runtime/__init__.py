"""Running models: the TFLite interpreter wrapper, the runtimes it can use, cards, operating points.

Needs numpy; a TFLite runtime is imported when the first `Classifier` is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..deprecated import renamed

if TYPE_CHECKING:
    from .backends import BACKENDS, available_backends
    from .cards import InputSpec, ModelCard, available_models
    from .classifier import Classifier

__all__ = [
    "BACKENDS",
    "Classifier",
    "InputSpec",
    "ModelCard",
    "available_backends",
    "available_models",
]

_HOMES = {
    "backends": ("BACKENDS", "available_backends"),
    "cards": ("InputSpec", "ModelCard", "available_models"),
    "classifier": ("Classifier",),
}


# Commands that run no model use operating points' names alone: they need not load the rest.
def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f".{home}", __name__), name)
            return value
    return renamed(__name__, name)
