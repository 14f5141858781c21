"""How the recordings of an archive are classified, and with which model and version."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .. import __version__
from ..runtime.decision import Decision

__all__ = ["LAYOUT", "Made", "Settings"]

#: Version of the tables' columns: results of another one do not go into the same tables.
LAYOUT = 3


@dataclass(frozen=True)
class Settings:
    """Parameters of `annotate_archive` that decide what a recording's results are.

    Attributes
    ----------
    model : str
        A built-in model's name, or a .tflite file with its card beside it; of the AAMI classes.
    form : str or None
        File of the model to run: "float32", "int8" or "fastest".
    lookahead : {0, 1}
    method : {"neural", "adaptive", "pan-tompkins"}
    average_leads : bool or None
        As of `stream_classify`.
    fs : float or None
        Sampling rate in Hz of files that carry none.
    leads : tuple of str and int, or None
        Which leads to use.
    follow : bool
        Whether files that a header names may lie outside the recording's folder.
    sensitivity, positive_predictivity : dict of str to float
    reject : float
        As of `Decision`.
    annotations : bool
        Whether a WFDB annotation file of each recording is written too.
    """

    model: str = "beats"
    form: str | None = None
    lookahead: int = 0
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural"
    average_leads: bool | None = None
    fs: float | None = None
    leads: Sequence[str | int] | str | int | None = None
    follow: bool = False
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    positive_predictivity: Mapping[str, float] = field(default_factory=dict)
    reject: float = 0.0
    annotations: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", os.fspath(self.model))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON holds it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @property
    def parameters(self) -> str:
        """What differs from the defaults, but for the model, as JSON."""
        usual = Settings().to_dict()
        content = {
            name: value
            for name, value in self.to_dict().items()
            if name not in ("model", "annotations") and value != usual[name]
        }
        return json.dumps(content)

    @property
    def decision(self) -> Decision:
        """How probabilities become labels."""
        return Decision(self.sensitivity, self.positive_predictivity, self.reject)


@dataclass(frozen=True)
class Made:
    """What results were made with; two runs belong together only where these are the same.

    Attributes
    ----------
    settings : dict
        `Settings` as plain values.
    model_sha256 : str
        Checksum of the model's file.
    version : str
        Version of this package.
    layout : int
        Version of the tables' columns.
    """

    settings: Mapping[str, Any]
    model_sha256: str
    version: str = __version__
    layout: int = LAYOUT

    @classmethod
    def by(cls, settings: Settings, model_sha256: str) -> Made:
        """What results made now would be made with."""
        return cls(settings.to_dict(), model_sha256)

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return asdict(self)

    def differences(self, earlier: Mapping[str, Any]) -> list[str]:
        """Say what differs from what earlier results were made with, one line each."""
        differences = []
        before = dict(earlier.get("settings", {}))
        for name, value in self.settings.items():
            if before.get(name) != value:
                differences.append(f"{name} was {before.get(name)!r} and is {value!r}")
        for name, text in (
            ("model_sha256", "checksum of the model"),
            ("version", "version of ecgfast"),
            ("layout", "layout of the tables"),
        ):
            old, new = earlier.get(name), getattr(self, name)
            if old != new:
                differences.append(f"{text} was {_short(old)} and is {_short(new)}")
        return differences


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) > 12 else text
