"""Comparisons that any recipe can be put to, from balancing to seeds."""

from __future__ import annotations

from typing import Any

from ...errors import InputError
from .recipe import Recipe

__all__ = ["STUDIES", "study"]

Change = dict[str, Any]

#: Names that `study` takes, with what each compares.
STUDIES = {
    "balancing": "none, class weights, resampling, focal loss, and noise augmentation",
    "size": "batch size, learning rate, width, and LSTM layers",
    "loss": "mean squared, mean absolute, Huber and hyperloss, for models that give numbers",
    "branches": "both branches of dual_branch against each alone",
    "seeds": "other seeds of the networks: what differs by chance alone",
}

#: The recipe as it stands: what the others are compared with.
_AS_IT_IS = "the recipe"


def study(name: str, recipe: Recipe) -> dict[str, Change]:
    """Changes of a recipe by name, the recipe as it stands first.

    Parameters
    ----------
    name : str
        Of `STUDIES`.
    recipe : Recipe

    Returns
    -------
    dict of str to dict
        For `Recipe.changed`.

    Raises
    ------
    InputError
        If there is no such study, or it does not suit the recipe's network.
    """
    if name not in STUDIES:
        raise InputError(f"no study {name!r}: there are {', '.join(STUDIES)}")
    changes = {
        "balancing": _balancing,
        "size": _size,
        "loss": _loss,
        "branches": _branches,
        "seeds": _seeds,
    }[name](recipe)
    return {_AS_IT_IS: {}, **changes}


def _balancing(recipe: Recipe) -> dict[str, Change]:
    if recipe.architecture.get("head") == "linear":
        raise InputError(f"recipe {recipe.name}: the study of balancing needs classes")
    schedule = recipe.schedule
    balanced = schedule.balancing == "resampling" or (
        schedule.balancing == "weights" and schedule.class_weight_power > 0
    )
    changes: dict[str, Change] = {}
    if balanced:
        changes["no weights"] = {"schedule": {"balancing": "none"}}
    # Where a recipe makes up for what it leaves out of the largest class by weight, that would be
    # weighed once more.
    plain: Change = {"largest_class_weight": 1.0} if schedule.largest_class_weight != 1 else {}
    mild = {"balancing": "weights", "class_weight_power": 0.2, "class_weight_limit": 1.5}
    full = {"balancing": "weights", "class_weight_power": 1.0, "class_weight_limit": 1000.0}
    changes |= {
        "mild weights": {"schedule": {**mild, **plain}},
        "full weights": {"schedule": {**full, **plain}},
        "resampling": {"schedule": {"balancing": "resampling", **plain}},
        "focal loss": {"schedule": {"balancing": "none", "loss": "focal"}},
        # In the window's unit: a beat is about one QRS high, a cycle goes from 0 to 1.
        "recorded noise": {"schedule": {"recorded_noise": 0.1}},
    }
    if schedule.largest_class_share < 1:
        changes["no weights and all of the largest class"] = {
            "schedule": {"balancing": "none", "largest_class_share": 1.0, **plain}
        }
    else:
        changes["an eighth of the largest class"] = {"schedule": {"largest_class_share": 0.125}}
    return changes


def _size(recipe: Recipe) -> dict[str, Change]:
    schedule, architecture = recipe.schedule, recipe.architecture
    changes: dict[str, Change] = {
        "half the batch": {"schedule": {"batch": max(1, schedule.batch // 2)}},
        "twice the batch": {"schedule": {"batch": 2 * schedule.batch}},
        "a third of the learning rate": {"schedule": {"learning_rate": schedule.learning_rate / 3}},
        "three times the learning rate": {
            "schedule": {"learning_rate": schedule.learning_rate * 3}
        },
    }
    for name, factor in (("half the width", 0.5), ("twice the width", 2.0)):
        wide = {
            key: [max(1, round(factor * width)) for width in architecture[key]]
            for key in ("filters", "dense")
            if isinstance(architecture.get(key), list)
        }
        if wide:
            changes[name] = {"architecture": wide}
    if architecture["name"] == "custom_cnn":
        if architecture.get("lstm_units"):
            changes["without BiLSTM"] = {"architecture": {"lstm_units": 0}}
        else:
            changes["with BiLSTM"] = {"architecture": {"lstm_units": 32}}
    if architecture["name"] == "cnn_bilstm":
        layers = 1 if architecture.get("lstm_layers", 2) > 1 else 2
        changes[f"BiLSTM layers: {layers}"] = {"architecture": {"lstm_layers": layers}}
    return changes


def _loss(recipe: Recipe) -> dict[str, Change]:
    if recipe.architecture.get("head") != "linear":
        raise InputError(f"recipe {recipe.name}: the study of losses needs a linear head")
    losses: dict[str, tuple[str, dict[str, Any]]] = {
        "MSE": ("mse", {}),
        "MAE": ("mae", {}),
        "Huber from 1 SD": ("huber", {"delta": 1.0}),
        "hyperloss with residual over 1 SD": ("hyperloss", {"threshold": 1.0}),
        "hyperloss with residual over 2 SD": ("hyperloss", {"threshold": 2.0}),
        "hyperloss with target beyond 2 robust SD": (
            "hyperloss",
            {"outlier": "target", "deviations": 2.0},
        ),
    }
    return {
        name: {"schedule": {"loss": loss, "loss_options": options}}
        for name, (loss, options) in losses.items()
    }


def _branches(recipe: Recipe) -> dict[str, Change]:
    if recipe.architecture["name"] != "dual_branch":
        raise InputError(f"recipe {recipe.name}: the study of branches needs a dual_branch network")
    return {
        "both branches": {"architecture": {"branches": "both"}},
        "Conv1D branch alone": {"architecture": {"branches": "conv"}},
        "LSTM branch alone": {"architecture": {"branches": "lstm"}},
    }


def _seeds(recipe: Recipe) -> dict[str, Change]:
    # Far apart: a fold's network has the recipe's seed plus the fold's number.
    seeds = [recipe.seed + 100 * i for i in range(1, 4)]
    return {f"seed {seed}": {"seed": seed} for seed in seeds}
