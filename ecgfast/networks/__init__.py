"""Keras architectures, and the loss for pressure: `build` and `HyperLoss`.

Any backend of Keras 3 trains them; Keras is imported when one of the names is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from .layers import FastLSTM
    from .losses import HyperLoss

__all__ = ["ARCHITECTURES", "FastLSTM", "HyperLoss", "build"]

#: Names that `build` takes.
ARCHITECTURES = ("dual_branch", "custom_cnn", "cnn_bilstm", "td_cnn_lstm")


def build(name: str, **options: Any) -> Any:
    """Build an uncompiled Keras model.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`; `ecgfast.networks.architectures` describes each and its options.
    **options
        Sizes, head and so on, by keyword; each has a default.

    Returns
    -------
    keras.Model
        Inputs "window" and, where the architecture has it, "features"; output "probability"
        (softmax and sigmoid heads) or "value" (linear head).

    Raises
    ------
    ModelError
        There is no such architecture, or an option is unknown or out of range.
    MissingExtraError
        Keras or its backend is not installed.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"no architecture {name!r}: choose one of {', '.join(ARCHITECTURES)}")
    module = _import("architectures")
    try:
        return getattr(module, name)(**options)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name}: {str(error).splitlines()[0]}") from error


def _import(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith(__name__):
            raise
        raise MissingExtraError("Building a network (Keras)", "train") from error


def __getattr__(name: str) -> Any:
    if name == "HyperLoss":
        return _import("losses").HyperLoss
    if name == "FastLSTM":
        return _import("layers").FastLSTM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
