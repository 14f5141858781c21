"""One configuration file a model: what is built, how it is trained, what is compared."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from math import inf, isfinite
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from ...errors import InputError, content_reason, name_hint

__all__ = ["LOSSES", "Recipe", "Schedule", "recipe_names"]


#: Names that `Schedule.loss` may have; "" is the usual one of the network's head.
LOSSES = (
    "",
    "categorical crossentropy",
    "binary crossentropy",
    "focal",
    "mse",
    "mae",
    "huber",
    "hyperloss",
)
_OPTIMIZERS = ("adamw", "adam")
_BALANCING = ("weights", "resampling", "none")

# Settings of a schedule with limits.
_RANGES = (
    (("largest_class_share", "lookahead_share", "label_smoothing", "stretch"), 0.0, 1.0),
    (
        (
            *("weight_decay", "plateau_patience", "stop_patience", "class_weight_power"),
            *("gain_jitter", "window_noise", "feature_noise", "recorded_noise", "wander"),
            *("shift", "mixup"),
        ),
        0.0,
        inf,
    ),
)
_ABOVE_ZERO = ("learning_rate", "plateau_factor", "class_weight_limit", "largest_class_weight")


@dataclass(frozen=True)
class Schedule:
    """How a network is trained; everything but the number of epochs has a default.

    Attributes
    ----------
    epochs : int
        Passes over the training examples, at most where `stop_patience` is set.
    batch : int
        Examples a step.
    optimizer : {"adamw", "adam"}
        AdamW (Loshchilov and Hutter, 2019) with a short rise of the learning rate and a cosine
        fall to zero; or Adam (Kingma and Ba, 2015) with a rate that falls when learning stalls.
    learning_rate : float
        Its peak, or where Adam starts.
    weight_decay : float
        Of AdamW.
    plateau_patience, plateau_factor : int, float
        Adam: after so many epochs without a lower validation loss (training loss where there is no
        validation part) the rate is multiplied by the factor; 0 never does.
    stop_patience : int
        End after so many epochs without a lower validation loss, and take the weights of the best
        epoch; 0 trains all epochs and takes the last.
    weight_average : float
        Momentum of a running average of the weights (Polyak and Juditsky, 1992), which is what is
        validated and kept; 0 keeps the weights themselves. For rates that do not fall to zero.
    validation_share : float
        Share of the training examples held back to watch and to stop by; 0 holds back none.
    loss : str
        Of `LOSSES`; by default the usual one of the network's head: categorical or binary
        crossentropy, or the mean squared error.
    loss_options : dict
        Arguments of the loss: ``gamma`` and ``alpha`` (focal), ``delta`` (huber), ``outlier``,
        ``threshold`` and ``deviations`` (hyperloss). Numbers to be told are standardised in
        training, so that these are in units of the targets' standard deviation.
    balancing : {"weights", "resampling", "none"}
        What makes up for rare classes in the training part: weights of the next two settings;
        drawing with replacement, each class as often as any other; or nothing. The focal loss is a
        fourth way, best with "none".
    class_weight_power, class_weight_limit : float
        A class of n examples weighs (m / n) ** power, `limit` at most, where m are the
        examples of the largest class in a pass; power 0 weighs all alike.
    largest_class_share : float
        Share of the largest class's examples that each pass draws anew: they are much alike.
    largest_class_weight : float
        Factor of their weight: one over the share leaves the class as much as all of it would have.
    label_smoothing : float
        Share of the label that is spread over all classes.
    lookahead_share : float
        Share of beats that are shown with the next RR interval; the others are shown without. At 1
        features stay as they are.
    gain_jitter, window_noise, feature_noise : float
        Standard deviations of the augmentation: of the logarithm of gain, of white noise in the
        window's unit, of noise in each feature's own standard deviation.
    recorded_noise : float
        Standard deviation of the amplitude of recorded noise that is added to the beat, in the
        window's unit; 0 adds none.
    noise_records : tuple of str
        Where it comes from: records of the MIT-BIH Noise Stress Test Database (Moody et al.,
        1984), baseline wander and muscle artefact.
    wander : float
        Standard deviation of the amplitude of a slow wave added to the beat, in the window's unit.
    stretch : float
        Share by which windows are stretched or shrunk in time at most.
    shift : int
        Grid points that a window is moved by at most: the error of R.
    keep_zeros : bool
        Exact zeros of the window (padding) stay zero under noise.
    mixup : float
        Parameter of the beta distribution by which pairs of examples are mixed (Zhang et al.,
        2018); 0 mixes none.
    """

    epochs: int
    batch: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    plateau_patience: int = 0
    plateau_factor: float = 0.3
    stop_patience: int = 0
    weight_average: float = 0.0
    validation_share: float = 0.0
    loss: str = ""
    loss_options: dict[str, Any] = field(default_factory=dict)
    balancing: str = "weights"
    class_weight_power: float = 0.0
    class_weight_limit: float = 10.0
    largest_class_share: float = 1.0
    largest_class_weight: float = 1.0
    label_smoothing: float = 0.0
    lookahead_share: float = 1.0
    gain_jitter: float = 0.0
    window_noise: float = 0.0
    feature_noise: float = 0.0
    recorded_noise: float = 0.0
    noise_records: tuple[str, ...] = ("bw", "ma")
    wander: float = 0.0
    stretch: float = 0.0
    shift: int = 0
    keep_zeros: bool = False
    mixup: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise_records", _listed(self.noise_records))
        _check_types(self)
        for name, known in (
            ("optimizer", _OPTIMIZERS),
            ("loss", LOSSES),
            ("balancing", _BALANCING),
        ):
            given = getattr(self, name)
            if given not in known:
                raise InputError(f"{name} {given!r} is unknown: give one of {', '.join(known)}")
        if self.epochs < 1 or self.batch < 1:
            raise InputError("epochs and batch must be at least 1")
        for names, low, high in _RANGES:
            for name in names:
                value = getattr(self, name)
                if not low <= value <= high:
                    raise InputError(f"{name} {value:g} is not {_range_text(low, high)}")
        for name in _ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} {getattr(self, name):g} is not above 0")
        if not 0 <= self.weight_average < 1:
            raise InputError(f"weight_average {self.weight_average} is not from 0 to below 1")
        if not 0 <= self.validation_share < 1:
            raise InputError(f"validation_share {self.validation_share} is not from 0 to below 1")
        if self.stop_patience and not self.validation_share:
            raise InputError("stop_patience needs a validation part: set validation_share")


@dataclass(frozen=True)
class Recipe:
    """Everything that a training command needs to know about a model.

    Attributes
    ----------
    name, description : str
        As in the model's card.
    task : str
        Module of `ecgfast.training.tasks` that makes the examples and scores the model.
    architecture : dict
        ``name`` and options of `ecgfast.networks.build`, among them ``window``, the input's shape.
    schedule : Schedule
    seed : int
    options : dict
        Settings of the task itself, such as the split, or how windows are cut.
    databases : tuple of str
        Databases that training examples come from.
    folds : int
        Of the patient-wise cross-validation.
    candidates : dict of str to dict
        Named changes (``{"architecture": ..., "schedule": ..., "options": ...}``) that
        cross-validation compares to choose one; ``{}`` is the recipe as it stands.
    comparisons : dict of str to dict
        Further changes that `ecgfast crossval` compares, and training does not choose from.
    protocols : dict of str to dict
        Changes by heading: the recipe is trained once more with each and scored on the test part
        of its own, and the figures stand beside the model's in its card. So one model shows
        another split too.
    limits : tuple of str
        What the model cannot do, for its card.
    """

    name: str
    description: str
    task: str
    architecture: dict[str, Any]
    schedule: Schedule
    seed: int = 7
    options: dict[str, Any] = field(default_factory=dict)
    databases: tuple[str, ...] = ()
    folds: int = 5
    candidates: dict[str, dict[str, Any]] = field(default_factory=dict)
    comparisons: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocols: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_types(self)
        if not self.name or set(self.name) & set("/\\:\0"):
            raise InputError(f"name {self.name!r} cannot be that of files")
        if self.folds < 2:
            raise InputError(f"folds {self.folds} is below 2: patients are held out in turn")
        if self.seed < 0:
            raise InputError(f"seed {self.seed} is below 0")

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
            path = Path(str(files(__package__))) / f"{text}.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{text}: no such recipe, nor a .json file; {name_hint(text, recipe_names())}"
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a recipe ({content_reason(error)})") from None
        try:
            if not isinstance(content, dict):
                raise InputError("it is no JSON object")
            _check_names(content, Recipe, "a recipe")
            for one in dataclasses.fields(cls):
                is_needed = (one.default, one.default_factory) == (dataclasses.MISSING,) * 2
                if is_needed and one.name not in content:
                    raise InputError(f"it has no {one.name!r}")
            if not isinstance(content["schedule"], dict):
                raise InputError("schedule is an object of settings")
            _check_names(content["schedule"], Schedule, "schedule")
            content["schedule"] = Schedule(**content["schedule"])
            for name in ("databases", "limits"):
                content[name] = _listed(content.get(name, ()))
            return cls(**content)
        except (AttributeError, KeyError, TypeError, InputError) as error:
            raise InputError(f"{path}: not a recipe ({error})") from None

    def changed(self, change: Mapping[str, Any]) -> Recipe:
        """The recipe with some settings replaced.

        Parameters
        ----------
        change : mapping
            ``{"architecture": {...}, "schedule": {...}, "options": {...}, "seed": 8}``, each
            optional.

        Returns
        -------
        Recipe

        Raises
        ------
        InputError
            If a setting is unknown or wrong.
        """
        unknown = set(change) - {"architecture", "schedule", "options", "seed"}
        if unknown:
            raise InputError(f"recipe {self.name}: cannot change {min(unknown)!r}")
        try:
            _check_names(change.get("schedule", {}), Schedule, "schedule")
            schedule = dataclasses.replace(self.schedule, **change.get("schedule", {}))
            seed = change.get("seed", self.seed)
            for part in ("architecture", "options"):
                if not isinstance(change.get(part, {}), Mapping):
                    raise InputError(f"{part} is an object of settings, not {change[part]!r}")
            return dataclasses.replace(
                self,
                architecture={**self.architecture, **change.get("architecture", {})},
                schedule=schedule,
                seed=seed,
                options={**self.options, **change.get("options", {})},
            )
        except (TypeError, ValueError, InputError) as error:
            raise InputError(f"recipe {self.name}: {error}") from None


# What a setting of each type is, for messages.
_TYPES: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    dict: "an object of settings",
    tuple: "a list of names",
    Schedule: "an object of settings",
}


def _listed(value: Any) -> Any:
    """A list as a tuple; what is none as it is, to be refused by its type."""
    return tuple(value) if isinstance(value, list) else value


def _check_types(made: Recipe | Schedule) -> None:
    """Raise InputError for a setting of another type; whole numbers are numbers too."""
    for name, kind in get_type_hints(type(made)).items():
        value = getattr(made, name)
        taken: type | tuple[type, ...] = get_origin(kind) or kind
        if taken is float:
            taken = (int, float)
        right = isinstance(value, taken) and (taken is bool or not isinstance(value, bool))
        if right and isinstance(value, float):
            right = isfinite(value)
        if not right:
            text = _TYPES[get_origin(kind) or kind]
            raise InputError(f"{name} is {text}, not {value!r}")


def _range_text(low: float, high: float) -> str:
    return f"{low:g} or more" if high == inf else f"from {low:g} to {high:g}"


def _check_names(given: Mapping[str, Any], kind: type[Recipe | Schedule], what: str) -> None:
    """Raise InputError for a setting that does not exist, with the one that is most like it."""
    known = [one.name for one in dataclasses.fields(kind)]
    for name in given:
        if name not in known:
            raise InputError(f"{what} has no setting {name!r}; {name_hint(name, known)}")


def recipe_names() -> list[str]:
    """Names of the built-in recipes.

    Returns
    -------
    list of str
    """
    folder = Path(str(files(__package__)))
    return sorted(path.stem for path in folder.glob("*.json"))
