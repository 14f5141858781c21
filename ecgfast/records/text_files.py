"""Columns of numbers in a text file: CSV, TSV and their relatives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .array_files import need_fs
from .leads import Leads, choose_leads, to_millivolt
from .record import FloatArray, RecordSource

__all__ = ["open_text"]

_SETTING = re.compile(r"(\w+)\s*[=:]\s*([^,;\s]+)")
_UNIT = re.compile(r"(.*?)\s*[(\[](.*?)[)\]]")
_TIME = re.compile(r"(?:elapsed[ _]?)?time.*|t|secs?|seconds?|s|ms", re.IGNORECASE)
_INDEX = re.compile(r"sample.*|index|n|#?", re.IGNORECASE)
_MISSING = {"", "-", "nan", "na", "n/a", "null", "none"}


@dataclass
class _Table:
    """What a text file holds: settings of its comments, heads of its columns, numbers."""

    values: npt.NDArray[np.float64]
    heads: list[str] | None
    units: list[str] | None
    settings: dict[str, str] = field(default_factory=dict)


def open_text(path: Path, fs: float | None, leads: Leads) -> RecordSource:
    """Open a text file with one column a lead, in mV unless its head says otherwise.

    The whole file is read at once. Separators are commas, tabs, semicolons (with decimal commas
    too) or blanks. Lines that start with ``#`` are comments; ``# fs=360`` among those at the top
    gives the rate. A column named like a time, or the first one if it climbs evenly, is the time
    in seconds (in ms if its head says so) and gives the rate otherwise.

    Parameters
    ----------
    path : Path
        The file.
    fs : float, optional
        Sampling rate in Hz, where the file does not carry it.
    leads : str, int, sequence of these, or None
        Columns to read; the time column does not count.

    Returns
    -------
    RecordSource

    Raises
    ------
    RecordError
        If a cell is no number (the message names its line), or rows differ in length.
    InputError
        If no rate is known.
    """
    name = str(path)
    table = _read_table(path)
    n_samples, n_columns = table.values.shape
    heads = table.heads or [""] * n_columns
    units = table.units or [""] * n_columns

    clock = _clock_column(table)
    found: float | None = None
    if "fs" in table.settings:
        try:
            found = float(table.settings["fs"])
        except ValueError:
            raise RecordError(
                f"{name}: its comment says fs={table.settings['fs']}; write a number, # fs=360"
            ) from None
    elif clock is not None and fs is None:
        found = _rate(table.values[:, clock], heads[clock], units[clock], name)

    columns = [i for i in range(n_columns) if i != clock]
    labels = [heads[c] or f"ECG{i + 1}" for i, c in enumerate(columns)]
    named = [units[c] or table.settings.get("units", "mV") for c in columns]
    chosen = choose_leads(labels, named, leads, name, by_name=False)
    signal = np.empty((n_samples, len(chosen)), np.float32)
    for target, i in enumerate(chosen):
        factor = to_millivolt(named[i])
        signal[:, target] = table.values[:, columns[i]] * (1.0 if factor is None else factor)

    def fetch(start: int, stop: int) -> FloatArray:
        return signal[start:stop]

    return RecordSource(
        fs=need_fs(fs, found, name),
        leads=tuple(labels[i] for i in chosen),
        n_samples=n_samples,
        fetch=fetch,
        name=path.stem,
        units=tuple(named[i] if to_millivolt(named[i]) is None else "mV" for i in chosen),
    )


def _read_table(path: Path) -> _Table:
    """Read comments, heads and numbers of a text file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise RecordError(f"{path}: is no text file; rename it after its true format")

    settings: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip(" \r")
        if line.startswith("#") and not rows:
            settings.update((key.lower(), value) for key, value in _SETTING.findall(line))
        elif line.strip() and not line.startswith("#"):
            rows.append((number, line))
    if not rows:
        raise RecordError(f"{path}: holds no samples; export it again")

    separator = _separator(path, rows[0][1])
    comma = separator == ";" and not any("." in line for _, line in rows[1:20])
    heads = units = None
    cells = _split(rows[0][1], separator)
    if not any(_is_number(cell, comma) for cell in cells):
        heads, units = _heads(cells)
        del rows[0]
        cells = _split(rows[0][1], separator) if rows else []
        # A second line of heads, as rdsamp writes it, gives the units.
        if len(cells) == len(heads) and all(_is_unit(cell) for cell in cells):
            units = cells
            del rows[0]
    if not rows:
        raise RecordError(f"{path}: holds a line of names and no samples; export it again")
    width = len(heads) if heads else len(cells)
    return _Table(_numbers(path, rows, separator, comma, width), heads, units, settings)


def _separator(path: Path, line: str) -> str | None:
    """Return what separates the cells of `line`; None for blanks."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return next((mark for mark in "\t;," if mark in line), None)


def _split(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line, without quotes around them."""
    return [cell.strip().strip("\"'") for cell in line.split(separator)]


def _to_number(cell: str, comma: bool) -> float:
    """Return a cell as a number, NaN where it says that there is none."""
    if cell.lower() in _MISSING:
        return float("nan")
    return float(cell.replace(",", ".") if comma else cell)


def _is_number(cell: str, comma: bool) -> bool:
    """Whether a cell of the first line holds a number."""
    try:
        return cell.lower() not in _MISSING and not np.isnan(_to_number(cell, comma))
    except ValueError:
        return False


def _is_unit(cell: str) -> bool:
    """Whether a cell of the second line names a unit."""
    return to_millivolt(cell) is not None or bool(_TIME.fullmatch(cell) or _INDEX.fullmatch(cell))


def _heads(cells: list[str]) -> tuple[list[str], list[str]]:
    """Take units in brackets, as in ``MLII (uV)``, off the names of columns."""
    parts = [_UNIT.fullmatch(cell) for cell in cells]
    heads = [part[1] if part else cell for part, cell in zip(parts, cells, strict=True)]
    return heads, [part[2] if part else "" for part in parts]


def _numbers(
    path: Path, rows: list[tuple[int, str]], separator: str | None, comma: bool, width: int
) -> npt.NDArray[np.float64]:
    """Return the rows as numbers, (n, width); the message of an error names the line."""
    lines = (line for _, line in rows)
    if not comma:
        try:
            values = np.loadtxt(lines, delimiter=separator, ndmin=2, comments=None)
            if values.shape[1] == width:
                return values
        except ValueError:
            pass
    # The slow way: it accepts empty cells, and knows the line of one that cannot be read.
    table = np.empty((len(rows), width))
    for i, (number, line) in enumerate(rows):
        cells = _split(line, separator)
        if len(cells) != width:
            raise RecordError(
                f"{path}: line {number} has {len(cells)} columns where {width} are expected; "
                "correct or remove it"
            )
        for j, cell in enumerate(cells):
            try:
                table[i, j] = _to_number(cell, comma)
            except ValueError:
                raise RecordError(
                    f"{path}: line {number}: {cell[:40]!r} is not a number; correct or remove it"
                ) from None
    return table


def _clock_column(table: _Table) -> int | None:
    """Return the column that counts time or samples, if there is one."""
    n_columns = table.values.shape[1]
    if n_columns < 2:
        return None
    if table.heads:
        for i, head in enumerate(table.heads):
            if _TIME.fullmatch(head) or (i == 0 and _INDEX.fullmatch(head)):
                return i
        return None
    steps = np.diff(table.values[:, 0])
    # No ECG climbs with every sample in even steps.
    even = len(steps) > 1 and steps.min() > 0 and steps.max() < 2 * steps.min()
    return 0 if even else None


def _rate(clock: npt.NDArray[np.float64], head: str, unit: str, name: str) -> float | None:
    """Return the sampling rate in Hz that a time column tells; None if it counts samples."""
    if len(clock) < 2:
        return None
    steps = np.diff(clock)
    if np.all(steps == 1) or (head and _INDEX.fullmatch(head)):
        return None
    typical = float(np.median(steps))
    wrong = ~((steps > 0) & (steps < 1.5 * typical + 1e-9))
    if wrong.any():
        row = int(np.argmax(wrong)) + 2
        raise RecordError(
            f"{name}: the time column does not climb evenly at sample {row} (from "
            f"{clock[row - 2]:g} to {clock[row - 1]:g}); resample the signal, or remove the column"
        )
    span = float(clock[-1] - clock[0])
    per_second = 1e3 if unit == "ms" or head.lower().endswith("ms") else 1.0
    fs = per_second * len(steps) / span
    # Whole Hz are taken where the rounding of the time stamps allows them.
    bent = float(np.abs(clock - clock[0] - np.arange(len(clock)) * (span / len(steps))).max())
    return round(fs) if abs(fs - round(fs)) <= fs * (2 * bent / span + 1e-9) else fs
