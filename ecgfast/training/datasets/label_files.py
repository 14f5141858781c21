"""Labels of one's own: a CSV file that says which recordings, or parts of them, are abnormal."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from .splits import patient_of

__all__ = ["LABELS", "Interval", "LabelledRecord", "read_labels"]

#: Labels that a row may have, in the order of the classes.
LABELS = ("normal", "abnormal")

_NEEDED = ("record", "label")
_TIMES = ("start_s", "end_s")
_COLUMNS = (*_NEEDED, *_TIMES, "patient")


@dataclass(frozen=True)
class Interval:
    """A part of a recording with one label.

    Attributes
    ----------
    start, end : float
        Seconds.
    label : int
        Index into `LABELS`.
    line : int
        Of the file, from 1 on.
    """

    start: float
    end: float
    label: int
    line: int


@dataclass(frozen=True)
class LabelledRecord:
    """What a file says of one recording.

    Attributes
    ----------
    name, patient : str
        As the file has them.
    line : int
        Where it comes first.
    whole : int, optional
        Label of all that no interval covers; None where there is none.
    intervals : tuple of Interval
        By time; they do not overlap.
    """

    name: str
    patient: str
    line: int
    whole: int | None
    intervals: tuple[Interval, ...]

    @property
    def abnormal(self) -> bool:
        """Whether any of it is."""
        return self.whole == 1 or any(part.label == 1 for part in self.intervals)

    def labels(
        self, first: npt.NDArray[np.float64], last: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int8]:
        """Labels of strips of the recording.

        Parameters
        ----------
        first, last : ndarray of float64, shape (n,)
            Begin and end of each strip, in seconds.

        Returns
        -------
        ndarray of int8, shape (n,)
            1 where an abnormal part reaches into the strip; 0 where all of it is normal; -1 where
            some of it has no label.
        """
        covered = np.zeros(len(first))
        found = np.zeros(len(first), np.int8)
        for part in self.intervals:
            shared = np.clip(np.minimum(last, part.end) - np.maximum(first, part.start), 0.0, None)
            covered += shared
            if part.label == 1:
                found[shared > 0] = 1
        # Intervals that meet end to end add up to the strip, but for rounding.
        open_part = covered < last - first - 1e-6
        if self.whole == 1:
            found[open_part] = 1
        elif self.whole is None:
            found[open_part & (found == 0)] = -1
        return found


def read_labels(path: str | os.PathLike[str]) -> list[LabelledRecord]:
    """Read which recordings, or parts of them, are normal and abnormal.

    Parameters
    ----------
    path : path
        A CSV file in UTF-8 with a header. Columns, in any order: ``record`` (as below the folder
        of the data), ``label`` (normal or abnormal); optionally ``start_s`` and ``end_s`` (seconds;
        both empty: all of the recording that no other row covers) and ``patient`` (whose it is:
        without it each recording counts as a patient). Other columns are not read.

    Returns
    -------
    list of LabelledRecord
        In the order of the file.

    Raises
    ------
    InputError
        If it cannot be read; the message names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from None
    header = text.partition("\n")[0]
    lines = text.splitlines(keepends=True)
    rows = csv.reader(lines, delimiter=";" if ";" in header and "," not in header else ",")
    by_record: dict[str, list[_Row]] = {}
    try:
        for row in _rows(path, rows):
            by_record.setdefault(row.record, []).append(row)
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: not CSV ({error})") from None
    if not by_record:
        raise InputError(f"{path}: holds no labels, only a header")
    return [_joined(path, name, rows) for name, rows in by_record.items()]


@dataclass(frozen=True)
class _Row:
    record: str
    label: int
    times: tuple[float, float] | None
    patient: str
    line: int


def _rows(path: Path, rows: Any) -> Iterator[_Row]:
    """The rows of a `csv.reader`, checked one by one."""
    header = [name.strip().lower() for name in next(rows, [])]
    _check_header(path, header)
    for cells in rows:
        line = rows.line_num
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}, line {line}"
        if len(cells) != len(header):
            raise InputError(f"{where}: has {len(cells)} cells, the header has {len(header)}")
        given = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        if not given["record"]:
            raise InputError(f"{where}: names no record")
        label = given["label"].lower()
        if label not in LABELS:
            raise InputError(f"{where}: label {given['label']!r} is not {' or '.join(LABELS)}")
        yield _Row(
            given["record"],
            LABELS.index(label),
            _times(where, given),
            given.get("patient", ""),
            line,
        )


def _check_header(path: Path, header: Sequence[str]) -> None:
    twice = [name for name in _COLUMNS if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}, line 1: column {twice[0]!r} is there twice")
    wanted = _COLUMNS if set(_TIMES) & set(header) else (*_NEEDED, "patient")
    for name in wanted:
        if name in header:
            continue
        near = get_close_matches(name, [one for one in header if one not in _COLUMNS], n=1)
        if near or name != "patient":
            has = f"has {near[0]!r}" if near else f"has {', '.join(header) or 'nothing'}"
            raise InputError(
                f"{path}, line 1: no column {name!r} ({has}); the header is record,label or "
                "record,start_s,end_s,label, each with patient if you like"
            )


def _times(where: str, given: Mapping[str, str]) -> tuple[float, float] | None:
    texts = [given.get(name, "") for name in _TIMES]
    if not any(texts):
        return None
    values = []
    for name, text in zip(_TIMES, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{where}: {name} {text!r} is no number of seconds")
        values.append(value)
    start, end = values
    if start < 0 or end <= start:
        raise InputError(f"{where}: {start:g} to {end:g} s is no part of a recording")
    return start, end


def _joined(path: Path, name: str, rows: Sequence[_Row]) -> LabelledRecord:
    """The rows of one recording as one."""
    patients = {row.patient for row in rows}
    if len(patients) > 1:
        listed = " and ".join(repr(one) for one in sorted(patients))
        raise InputError(f"{path}, line {rows[-1].line}: {name} is of patients {listed}")
    whole = [row for row in rows if row.times is None]
    if len(whole) > 1:
        raise InputError(
            f"{path}, line {whole[1].line}: {name} as a whole has a label in line {whole[0].line}"
        )
    parts = sorted(
        (Interval(*row.times, row.label, row.line) for row in rows if row.times is not None),
        key=lambda part: part.start,
    )
    for one, other in pairwise(parts):
        if other.start < one.end:
            late, early = sorted((one, other), key=lambda part: -part.line)
            raise InputError(
                f"{path}, line {late.line}: {late.start:g} to {late.end:g} s of {name} overlaps "
                f"line {early.line}, {early.start:g} to {early.end:g} s"
            )
    (patient,) = patients
    if not patient:
        database, _, short = name.rpartition("/")
        patient = patient_of(database, short) if database else name
    return LabelledRecord(
        name, patient, rows[0].line, whole[0].label if whole else None, tuple(parts)
    )
