"""Keras architectures, and the loss for pressure: `build` and `HyperLoss`.

Any backend of Keras 3 trains them; Keras is imported when one of the names is first used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError, ModelError, name_hint
from ..outside import load_outside

if TYPE_CHECKING:
    from .layers import FastLSTM
    from .losses import HyperLoss

__all__ = [
    "ARCHITECTURES",
    "ENTRY_POINTS",
    "FastLSTM",
    "HyperLoss",
    "build",
    "network",
]

#: Names of the built-in networks.
ARCHITECTURES = ("dual_branch", "custom_cnn", "cnn_bilstm", "td_cnn_lstm")
#: Group of entry points by which other packages name networks of theirs.
ENTRY_POINTS = "ecgfast.networks"

#: Options that say what goes in and comes out; a network from outside may know that by itself.
SHARED_OPTIONS = ("window", "features", "outputs", "head")


def build(name: str, **options: Any) -> Any:
    """Build an uncompiled Keras model.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`, which `ecgfast.networks.architectures` describes with their options;
        or one from outside: ``"mypackage.parts:network"``, or the name of an entry point of the
        group `ENTRY_POINTS`. That is a function which returns an uncompiled model of this form.
    **options
        Sizes, head and so on, by keyword; each has a default. A function from outside gets of
        ``window``, ``features``, ``outputs`` and ``head`` those that it takes, and all others.

    Returns
    -------
    keras.Model
        Inputs "window" and, where the architecture has it, "features"; output "probability"
        (softmax and sigmoid heads) or "value" (linear head).

    Raises
    ------
    ModelError
        There is no such network or it cannot be imported, an option is unknown or out of range, or
        a network from outside is of another form.
    MissingExtraError
        Keras or its backend is not installed.

    Examples
    --------
    >>> from ecgfast.networks import build
    >>> model = build("dual_branch", window=(96, 2), features=(1, 20), outputs=5)
    >>> model.output_shape
    (None, 5)
    """
    function = network(name)
    given = _taken(name, function, options)
    try:
        model = function(**given)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name}: {(str(error).splitlines() or ['refused'])[0]}") from error
    _import("checks").check_model(name, model)
    return model


def network(name: str) -> Callable[..., Any]:
    """The function that builds a network.

    Parameters
    ----------
    name : str
        As for `build`.

    Returns
    -------
    callable

    Raises
    ------
    ModelError
        There is none of that name, or it cannot be imported.
    MissingExtraError
        Keras or its backend is not installed.

    Examples
    --------
    >>> from ecgfast.networks import network
    >>> network("custom_cnn").__name__
    'custom_cnn'
    """
    module = _import("architectures")
    if name in ARCHITECTURES:
        found: Callable[..., Any] = getattr(module, name)
        return found
    function = load_outside(
        name, what="network", group=ENTRY_POINTS, built_in=ARCHITECTURES, error=ModelError
    )
    if not callable(function):
        raise ModelError(f"network {name!r}: is {type(function).__name__}, not a function")
    outside: Callable[..., Any] = function
    return outside


def _taken(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options for a function; raise ModelError for one that it does not have."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # one without a signature takes what it is given
        return dict(options)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return dict(options)
    given = {}
    for option, value in options.items():
        if option in parameters:
            given[option] = value
        elif name in ARCHITECTURES or option not in SHARED_OPTIONS:
            raise ModelError(f"{name} has no option {option!r}; {name_hint(option, parameters)}")
    return given


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
