"""Model cards: what a model is, what goes in and comes out, how it was made and how good it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from .._files import write_whole
from ..deprecated import old_field, warn_renamed
from ..errors import ModelError, content_reason
from ..window import WindowSpec
from .card_fields import LOOKAHEAD_LABELS, check_card, probabilities_heading

__all__ = [
    "LOOKAHEAD_LABELS",
    "InputSpec",
    "ModelCard",
    "available_models",
    "models_folder",
    "probabilities_heading",
]

# Bytes: a card of all studies holds a tenth of a megabyte, the largest model five.
_MOST_CARD, _MOST_MODEL = 16 << 20, 256 << 20

# Names in the file, which stay as they were, by the names of fields that have changed.
_OF_FILE = {"precisions": "forms"}

# Contents of cards that were found sound: checking one takes as long as a minute of ECG does.
_sound: set[bytes] = set()
_MOST_SOUND = 64


@dataclass(frozen=True)
class InputSpec:
    """One input of a model."""

    name: str
    """Name of the tensor: "window" or "features"."""
    shape: tuple[int, ...]
    """Shape without the batch."""
    meaning: str = ""
    """What the numbers are, with their units."""
    dtype: str = "float32"
    """Type that `Classifier` takes."""


@old_field("forms", "precisions")
@dataclass
class ModelCard:
    """Everything to know about a trained model, kept as NAME.json beside its files.

    The plain dictionaries hold what can be written as JSON: numbers, text, lists.
    """

    name: str
    """Short name, and stem of the files."""
    description: str
    """What it does, in a sentence."""
    task: str
    """"beats", "normality" or "blood-pressure"."""
    classes: tuple[str, ...]
    """Meaning of each output: class labels, or names of the numbers."""
    inputs: tuple[InputSpec, ...]
    """Inputs, by name."""
    output: str = "probability"
    """Name of the output: "probability" (batch, classes) or "value"."""
    unit: str = ""
    """Unit of an output "value", such as "mmHg"."""
    window: WindowSpec | None = None
    """Place of the window, where the input is a beat."""
    lookahead: int = 0
    """How many later beats the features of a beat need."""
    architecture: dict[str, Any] = field(default_factory=dict)
    """Arguments of `ecgfast.networks.build`."""
    parameters: int = 0
    """Weights of the Keras model."""
    precisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name ("float32", "int8"...): file, bytes, sha256, operators, max_abs_difference. The file
    calls them "forms"."""
    fastest: dict[str, Any] = field(default_factory=dict)
    """Fastest precision that holds accuracy, as ``bench/models.py`` measured it: "forms" (runtime
    to precision), "one_beat_us" (runtime to precision to median), "machine", "rule", "command"."""
    data: dict[str, Any] = field(default_factory=dict)
    """Data sets and what was kept of them."""
    split: dict[str, Any] = field(default_factory=dict)
    """Which patients trained, chose and tested it."""
    seed: int | None = None
    """Seed of the training."""
    command: str = ""
    """Command that makes the model again."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """Figures, each with its protocol."""
    limits: list[str] = field(default_factory=list)
    """What it cannot do."""
    versions: dict[str, str] = field(default_factory=dict)
    """Libraries it was made with."""
    path: Path | None = field(default=None, compare=False)
    """The file the card was read from; not saved."""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelCard:
        """Read a card.

        Raises
        ------
        ModelError
            The file is missing, is not JSON, or is not a card: the message names the field.
        """
        path = Path(path)
        content = read_file(path, "model card", _MOST_CARD)
        try:
            given = json.loads(content.decode("utf-8"), parse_constant=_no_number)
        except RecursionError:
            raise ModelError(f"{path}: not a model card (lists within lists without end)") from None
        except ValueError as error:
            raise ModelError(f"{path}: not a model card ({content_reason(error)})") from None
        if not isinstance(given, dict):
            raise ModelError(f"{path}: not a model card (no JSON object)")
        known = {_OF_FILE.get(f.name, f.name) for f in dataclasses.fields(cls)} - {"path"}
        if unknown := sorted(given.keys() - known):
            raise ModelError(f"{path}: not a model card of this version (has {unknown[0]!r})")
        for name in ("name", "description", "task", "classes", "inputs"):
            if name not in given:
                raise ModelError(f"{path}: the card lacks {name!r}")
        digest = hashlib.sha256(content).digest()
        if digest not in _sound:
            try:
                check_card(given)
            except ValueError as error:
                raise ModelError(
                    f"{path}: a damaged card: {error}; export the model again or correct it"
                ) from None
            if len(_sound) >= _MOST_SOUND:
                _sound.clear()
            _sound.add(digest)
        given["classes"] = tuple(given["classes"])
        given["inputs"] = tuple(
            InputSpec(**{**spec, "shape": tuple(spec["shape"])}) for spec in given["inputs"]
        )
        if given.get("window") is not None:
            given["window"] = _window(given["window"])
        if "forms" in given:
            given["precisions"] = given.pop("forms")
        return cls(**given, path=path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the card as JSON, whole or not at all."""
        content = {_OF_FILE.get(k, k): x for k, x in dataclasses.asdict(self).items()}
        del content["path"]
        if self.window is not None:
            content["window"] = _window_of_card(self.window)
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(path, text, ModelError)

    def fastest_precision(self, backend: str) -> str:
        """The fastest precision on a runtime that holds accuracy; float32 if none was measured."""
        return str(self.fastest.get("forms", {}).get(backend, "float32"))

    def probabilities(self, lookahead: int) -> dict[str, Any]:
        """What probabilities are worth, by cross-validation over the training patients.

        Parameters
        ----------
        lookahead : {0, 1}

        Returns
        -------
        dict
            "bins" and "expected_calibration_error", "coverage", and "operating points" by class,
            as `ecgfast.evaluation.reliability` makes them; empty where the card has none.
        """
        figures: dict[str, Any] = self.metrics.get(
            probabilities_heading(LOOKAHEAD_LABELS[lookahead]), {}
        )
        return figures

    @property
    def forms(self) -> dict[str, dict[str, Any]]:
        """Deprecated: `precisions`."""
        warn_renamed("ModelCard.forms", "ModelCard.precisions")
        return self.precisions

    def fastest_form(self, backend: str) -> str:
        """Deprecated: `fastest_precision`."""
        warn_renamed("ModelCard.fastest_form", "ModelCard.fastest_precision")
        return self.fastest_precision(backend)

    def file(self, precision: str) -> Path:
        """File of one precision, beside the card.

        Raises
        ------
        ModelError
            The model has no such file.
        """
        if precision not in self.precisions:
            has = ", ".join(self.precisions) or "none"
            raise ModelError(f"model {self.name} has no {precision!r} file (it has: {has})")
        folder = self.path.parent if self.path is not None else Path()
        return folder / str(self.precisions[precision]["file"])


def _window(given: dict[str, Any]) -> WindowSpec:
    """The window that a card states: a card calls its kind "form"."""
    return WindowSpec(**{"kind" if name == "form" else name: x for name, x in given.items()})


def _window_of_card(window: WindowSpec) -> dict[str, Any]:
    """A window as a card states it."""
    return {"form" if name == "kind" else name: x for name, x in window._asdict().items()}


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def read_model(path: Path) -> bytes:
    """Bytes of a model file.

    Raises
    ------
    ModelError
        It is missing, no regular file, or too large.
    """
    return read_file(path, "model file", _MOST_MODEL)


def read_file(path: Path, what: str, most: int) -> bytes:
    """Bytes of a regular file: a pipe could have a reader wait for ever.

    Raises
    ------
    ModelError
        It is missing, no regular file, or larger than `most`.
    """
    try:
        number = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        try:
            regular = stat.S_ISREG(os.fstat(number).st_mode)
            content = b""
            if regular:
                with open(number, "rb", closefd=False) as file:
                    content = file.read(most + 1)
        finally:
            os.close(number)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such {what}") from None
    except (OSError, ValueError) as error:  # a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{path}: cannot be read as a {what} ({reason})") from None
    if not regular:
        raise ModelError(f"{path}: cannot be read as a {what} (a folder, a pipe or a device)")
    if len(content) > most:
        raise ModelError(f"{path}: cannot be read as a {what} (more than {most >> 20} MB)")
    return content


def models_folder() -> Path:
    """Folder of the built-in models: in the installed package, else at the top of the checkout."""
    package = Path(str(files(__package__.partition(".")[0])))
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def available_models() -> dict[str, ModelCard]:
    """Cards of the built-in models by name, in alphabetical order.

    Raises
    ------
    ModelError
        A card is damaged.

    Examples
    --------
    >>> from ecgfast.runtime import available_models
    >>> available_models()["beats"].classes
    ('N', 'S', 'V', 'F', 'Q')
    """
    cards = (ModelCard.load(path) for path in sorted(models_folder().glob("*.json")))
    return {card.name: card for card in cards}
