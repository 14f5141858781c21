"""Write beats: WFDB annotation files, CSV and JSON, each whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._files import whole_file, write_whole
from ..errors import InputError
from .record import check_fs
from .wfdb_annotations import encode_annotations

__all__ = ["BEAT_FIELDS", "BeatLike", "no_formula", "write_annotations", "write_csv", "write_json"]

#: Columns of `write_csv`, and members of each beat of `write_json`.
BEAT_FIELDS = ("sample", "time", "label", "probability", "rr", "heart_rate", "quality")

# Microseconds and millionths: finer than any recording, and short to read.
_DIGITS = 6

# What a formula begins with; an empty text is none of it.
_FORMULA = ("=", "+", "-", "@")


class BeatLike(Protocol):
    """What a beat must have to be written; NaN stands for a number that is not known."""

    @property
    def sample(self) -> int:
        """R peak, index in the recording."""

    @property
    def time(self) -> float:
        """R peak in seconds."""

    @property
    def label(self) -> str:
        """Class."""

    @property
    def probability(self) -> float:
        """Probability of the class."""

    @property
    def rr(self) -> float:
        """Seconds since the beat before."""

    @property
    def heart_rate(self) -> float:
        """Beats a minute."""

    @property
    def quality(self) -> int:
        """Quality bits."""


def write_annotations(
    path: str | os.PathLike[str],
    samples: npt.ArrayLike,
    symbols: Sequence[str] | npt.NDArray[np.str_],
    fs: float,
    *,
    aux: Sequence[str] | npt.NDArray[np.str_] | None = None,
) -> None:
    """Write a WFDB annotation file, such as ``208.ecg``, for ``wfdb.rdann("208", "ecg")``.

    Parameters
    ----------
    path : str or path
        The file; its extension is the annotator's name, letters only.
    samples : array_like of int, shape (n,)
        R peaks as indices in the recording, never falling.
    symbols : sequence of str, length n
        PhysioNet's one-character codes; the AAMI classes N, S, V, F and Q are such codes.
    fs : float
        Sampling rate in Hz.
    aux : sequence of str, length n, optional
        Text to go with each mark; the way to write labels that have no code.

    Raises
    ------
    InputError
        If samples fall or are negative, lengths differ, a symbol has no code, the extension is
        none, or the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from ecgfast.records import read_annotations, write_annotations
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "208.ecg")
    ...     write_annotations(file, [100, 390], ["N", "V"], 360.0)
    ...     read_annotations(file).symbol.tolist()
    ['N', 'V']
    """
    target = Path(path)
    if not target.suffix[1:].isalpha():
        raise InputError(
            f"{target}: an annotation file needs an extension of letters, such as "
            f"{target.stem or 'record'}.ecg"
        )
    data = encode_annotations(samples, symbols, check_fs(fs, str(target)), aux)
    write_whole(target, data)


def _row(beat: BeatLike) -> dict[str, Any]:
    """Return a beat's fields; None where a number is not known."""
    row: dict[str, Any] = {"sample": int(beat.sample), "label": str(beat.label)}
    for name in ("time", "probability", "rr", "heart_rate"):
        value = float(getattr(beat, name))
        row[name] = round(value, _DIGITS) if math.isfinite(value) else None
    row["quality"] = int(beat.quality)
    numbers: Mapping[str, float] = getattr(beat, "outputs", {})  # of models that give numbers
    ordered = {name: row[name] for name in BEAT_FIELDS}
    return ordered | {name: round(float(value), _DIGITS) for name, value in numbers.items()}


def no_formula(value: Any) -> Any:
    """Text that no spreadsheet runs: class names are whatever a model's card says."""
    if isinstance(value, str) and value.lstrip()[:1] in _FORMULA:
        return f"'{value}"
    return value


def write_csv(path: str | os.PathLike[str], beats: Iterable[BeatLike]) -> None:
    """Write beats as a table, one a line under a line of names.

    Parameters
    ----------
    path : str or path
        The file.
    beats : iterable of beats
        Written as they come; numbers that are not known are left empty. What a model gives as
        numbers are columns of their own. A class or column that a spreadsheet would take for a
        formula is written behind an apostrophe.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> from ecgfast.records import write_csv
    >>> write_csv("208.csv", stream_classify("mitdb/208"))          # doctest: +SKIP
    """
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = (
            {no_formula(name): no_formula(value) for name, value in _row(beat).items()}
            for beat in beats
        )
        first = next(rows, None)
        table = csv.DictWriter(text, first or BEAT_FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(chain([] if first is None else [first], rows))
        text.detach()


def write_json(
    path: str | os.PathLike[str],
    beats: Iterable[BeatLike],
    *,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write beats as one JSON object, with the beats as a list under ``beats``.

    Parameters
    ----------
    path : str or path
        The file.
    beats : iterable of beats
        Written as they come, one a line; numbers that are not known become null.
    about : mapping, optional
        Further members of the object, such as the recording's name and rate.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> from ecgfast.records import write_json
    >>> beats = stream_classify("mitdb/208")                        # doctest: +SKIP
    >>> write_json("208.json", beats, about={"record": "208"})      # doctest: +SKIP
    """
    with whole_file(path) as file:
        head = json.dumps(dict(about or {}), allow_nan=False)[:-1]
        file.write((head + (", " if about else "") + '"beats": [').encode())
        mark = b"\n"
        for beat in beats:
            file.write(mark + json.dumps(_row(beat)).encode())
            mark = b",\n"
        file.write(b"\n]}\n")
