"""Examples that a network learns from, whatever the task: inputs, target, and whose they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core import FEATURE_NAMES
from ...deprecated import warn_renamed
from ...errors import InputError, RecordError
from .set_files import read_set, write_set

__all__ = ["ExampleSet"]

_FORMAT = 1

#: By the old name of a column of beats, the field and the name in it.
_OF_BEATS = {
    "windows": ("inputs", "window"),
    "features": ("inputs", "features"),
    "label": ("target", ""),
    "r_sample": ("columns", "sample"),
    "rr": ("columns", "rr"),
    "quality": ("columns", "quality"),
}


@dataclass(frozen=True, eq=False)
class ExampleSet:
    """Examples of one task, one row each.

    Attributes
    ----------
    inputs : dict of str to ndarray of float32, shapes (n, ...)
        By the network's input name: "window", and "features" where the network has it.
    target : ndarray of int8, shape (n,), or of float32, shape (n, outputs)
        Class index (softmax, and 0 or 1 for sigmoid), or the numbers themselves in their own unit.
    patient : ndarray of str, shape (n,)
        What must not straddle a split: patient, or group of recordings of perhaps one patient.
    record : ndarray of str, shape (n,)
        Recording, such as ``"mitdb/100"``.
    about : dict
        How the set was made, as plain JSON; ``about["classes"]`` names the classes or outputs.
    columns : dict of str to ndarray, shapes (n, ...)
        Further facts of each row that the task's own scoring needs; networks never see them.

    Raises
    ------
    InputError
        If rows differ in number, inputs or targets are not of the types above or not finite, or
        ``about`` names no classes.
    """

    inputs: dict[str, npt.NDArray[np.float32]]
    target: npt.NDArray[Any]
    patient: npt.NDArray[np.str_]
    record: npt.NDArray[np.str_]
    about: dict[str, Any]
    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.about.get("classes")
        if not isinstance(names, (list, tuple)) or not all(isinstance(one, str) for one in names):
            raise InputError(
                'example set: about["classes"] has to list the names of the classes or outputs'
            )
        n = len(self.target)
        for name, values in self._arrays().items():
            if len(values) != n:
                raise InputError(f"example set: {len(values)} rows of {name}, {n} targets")
        for name, values in self.inputs.items():
            if values.dtype != np.float32 or not np.isfinite(values).all():
                raise InputError(f"example set: input {name!r} is not finite float32")
        kind = (self.target.dtype, self.target.ndim)
        if kind not in ((np.dtype(np.int8), 1), (np.dtype(np.float32), 2)):
            raise InputError(
                f"example set: targets are int8 of shape (n,) or float32 of shape (n, outputs), "
                f"not {self.target.dtype} of shape {self.target.shape}"
            )
        if not np.isfinite(self.target).all():
            raise InputError("example set: targets hold NaN or infinity")

    def __len__(self) -> int:
        return len(self.target)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # The fields of the class of beats that this one took the place of.
            if name not in _OF_BEATS:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            field_name, key = _OF_BEATS[name]
            new = field_name + (f"[{key!r}]" if key else "")
            warn_renamed(f"ExampleSet.{name}", f"ExampleSet.{new}")
            value = getattr(self, field_name)
            return value[key] if key else value

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the outputs."""
        return tuple(self.about["classes"])

    @property
    def labelled(self) -> bool:
        """Whether targets are classes, not numbers."""
        return self.target.ndim == 1

    def only(self, chosen: npt.ArrayLike) -> ExampleSet:
        """The rows that a mask or an index chooses.

        Parameters
        ----------
        chosen : array_like of bool or int

        Returns
        -------
        ExampleSet
        """
        index = np.asarray(chosen)
        return ExampleSet(
            {name: values[index] for name, values in self.inputs.items()},
            self.target[index],
            self.patient[index],
            self.record[index],
            self.about,
            {name: values[index] for name, values in self.columns.items()},
        )

    def with_inputs(self, **inputs: npt.NDArray[np.float32]) -> ExampleSet:
        """The same examples with some inputs replaced.

        Parameters
        ----------
        **inputs : ndarray of float32, shapes (n, ...)

        Returns
        -------
        ExampleSet
        """
        return ExampleSet(
            {**self.inputs, **inputs},
            self.target,
            self.patient,
            self.record,
            self.about,
            self.columns,
        )

    def of_records(self, names: Iterable[str]) -> ExampleSet:
        """The examples of some recordings, such as ``["mitdb/101"]``.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        ExampleSet

        Raises
        ------
        InputError
            If one of them is not in the set.
        """
        wanted = list(names)
        missing = sorted(set(wanted) - set(np.unique(self.record).tolist()))
        if missing:
            raise InputError(f"{missing[0]} is not in the data set: prepare it with that recording")
        return self.only(np.isin(self.record, wanted))

    @classmethod
    def concatenate(
        cls, parts: Sequence[ExampleSet], about: Mapping[str, Any] | None = None
    ) -> ExampleSet:
        """One set of several, in their order.

        Parameters
        ----------
        parts : sequence of ExampleSet
            At least one, all of one task.
        about : mapping, optional
            How the whole was made; by default what the first part says of itself.

        Returns
        -------
        ExampleSet
        """
        arrays = [part._arrays() for part in parts]
        whole = {name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]}
        return cls(
            _starting("input.", whole),
            whole["target"],
            whole["patient"],
            whole["record"],
            parts[0].about if about is None else dict(about),
            _starting("column.", whole),
        )

    def counts(self) -> dict[str, int]:
        """Examples of each class; of targets that are numbers, how many there are.

        Returns
        -------
        dict of str to int
        """
        if not self.labelled:
            return {"examples": len(self)}
        return {c: int(np.sum(self.target == i)) for i, c in enumerate(self.classes)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as one ``.npz`` file, whole or not at all; the same bytes on every run.

        Parameters
        ----------
        path : path

        Raises
        ------
        RecordError
            If it cannot be written.
        """
        about = {**self.about, "format": _FORMAT}
        write_set(path, about, dict(sorted(self._arrays().items())))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ExampleSet:
        """Read a set that `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        ExampleSet

        Raises
        ------
        RecordError
            If the file is missing, damaged or of another version.
        """
        about, arrays = read_set(path, {"format": _FORMAT})
        del about["format"]
        if about.get("features", list(FEATURE_NAMES)) != list(FEATURE_NAMES):
            raise RecordError(f"{path}: made by another version; run `ecgfast prepare` again")
        columns = _starting("column.", arrays)
        if "r_sample" in columns:  # its name in sets of version 0.1
            columns["sample"] = columns.pop("r_sample")
        try:
            return cls(
                _starting("input.", arrays),
                arrays["target"],
                arrays["patient"],
                arrays["record"],
                about,
                columns,
            )
        except KeyError as error:
            raise RecordError(f"{path}: not a set of examples ({error})") from None

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "target": self.target,
            "patient": self.patient,
            "record": self.record,
            **{f"input.{name}": values for name, values in self.inputs.items()},
            **{f"column.{name}": values for name, values in self.columns.items()},
        }


def _starting(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
