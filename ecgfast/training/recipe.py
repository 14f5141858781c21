"""One configuration file a model: what is built, how it is trained, what is compared."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import InputError

__all__ = ["Recipe", "Schedule", "recipe_names"]


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training beats; fixed, so that no validation set steers the end.
    batch : int
        Beats a step.
    learning_rate : float
        Its peak, after a short rise and before a cosine fall to zero.
    weight_decay : float
        Of AdamW (Loshchilov and Hutter, 2019).
    largest_class_share : float
        Share of the largest class's beats that each pass draws anew: they are much alike.
    class_weight_power, class_weight_limit : float
        A class of n beats weighs (m / n) ** power, `limit` at the most, where m are the beats of
        the largest class in a pass.
    lookahead_share : float
        Share of beats that are shown with the next RR interval; the others are shown without.
    gain_jitter, window_noise, feature_noise : float
        Standard deviations of the augmentation: of the logarithm of gain, of noise in running QRS
        sizes, of noise in each feature's own standard deviation.
    wander : float
        Standard deviation of the amplitude of a slow wave added to the beat, in running QRS sizes.
    stretch : float
        Share by which windows are stretched or shrunk in time at the most.
    shift : int
        Grid points that a window is moved by at the most: the error of R.
    mixup : float
        Parameter of the beta distribution by which pairs of beats are mixed (Zhang et al., 2018);
        0 mixes none.
    label_smoothing : float
        Share of the label that is spread over all classes.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    largest_class_share: float
    class_weight_power: float
    class_weight_limit: float
    lookahead_share: float
    gain_jitter: float
    window_noise: float
    feature_noise: float
    wander: float
    stretch: float
    shift: int
    mixup: float
    label_smoothing: float


@dataclass(frozen=True)
class Recipe:
    """Everything that a training command needs to know about a model.

    Attributes
    ----------
    name, description, task : str
        As in the model's card.
    architecture : dict
        ``name`` and options of `ecgfast.networks.build`.
    schedule : Schedule
    seed : int
    databases : tuple of str
        Databases that training beats come from.
    folds : int
        Of the patient-wise cross-validation.
    candidates : dict of str to dict
        Named changes (``{"architecture": ..., "schedule": ...}``) that cross-validation compares;
        ``{}`` is the recipe as it stands.
    limits : tuple of str
        What the model cannot do, for its card.
    """

    name: str
    description: str
    task: str
    architecture: dict[str, Any]
    schedule: Schedule
    seed: int
    databases: tuple[str, ...]
    folds: int
    candidates: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    limits: tuple[str, ...] = ()

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Recipe:
        """Read a built-in recipe by its name, or a file of one's own.

        Parameters
        ----------
        name_or_path : str or path

        Returns
        -------
        Recipe

        Raises
        ------
        InputError
            If there is no such recipe, or it lacks or misspells a setting.
        """
        text = os.fspath(name_or_path)
        path = Path(text)
        if path.suffix != ".json":
            path = Path(str(files(__package__))) / "recipes" / f"{text}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{text}: no such recipe; there are {', '.join(recipe_names())}, "
                "or give the path of a .json file"
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a recipe ({error})") from None
        try:
            content["schedule"] = Schedule(**content["schedule"])
            content["databases"] = tuple(content["databases"])
            content["limits"] = tuple(content.get("limits", ()))
            return cls(**content)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a recipe ({error})") from None

    def changed(self, change: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """The recipe with some settings replaced.

        Parameters
        ----------
        change : mapping
            ``{"architecture": {...}, "schedule": {...}}``, each optional.

        Returns
        -------
        Recipe

        Raises
        ------
        InputError
            If a setting is unknown.
        """
        unknown = set(change) - {"architecture", "schedule"}
        if unknown:
            raise InputError(f"recipe {self.name}: cannot change {min(unknown)!r}")
        try:
            schedule = dataclasses.replace(self.schedule, **change.get("schedule", {}))
        except TypeError as error:
            raise InputError(f"recipe {self.name}: {error}") from None
        architecture = {**self.architecture, **change.get("architecture", {})}
        return dataclasses.replace(self, architecture=architecture, schedule=schedule)


def recipe_names() -> list[str]:
    """Names of the built-in recipes.

    Returns
    -------
    list of str
    """
    folder = Path(str(files(__package__))) / "recipes"
    return sorted(path.stem for path in folder.glob("*.json"))
