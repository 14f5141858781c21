"""Recordings for training the QRS score: cells of 8 ms, R peaks, and what is annotated at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...evaluation.ec57 import flutter_intervals, is_beat
from ...records import read_annotations, read_record
from ..datasets.splits import DS2
from .grid import GRID_FS, grid_cells

__all__ = ["DATABASES", "Noise", "Strip", "load_noise", "load_strips", "pack", "unpack"]

DATABASES = ("mitdb", "svdb", "nsrdb", "qtdb", "ludb")
"""Databases with beats of which the score learns. CPSC2019 measures only."""

LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")


@dataclass(frozen=True, eq=False)
class Strip:
    """One recording on the grid.

    Attributes
    ----------
    database, record : str
        Where it comes from.
    cells : ndarray of float32, shape (n, n_leads)
        Averages over 1/125 s in mV.
    beats : ndarray of float32, shape (k,)
        R peaks in cells.
    known : ndarray of bool, shape (n,)
        Cells in which all beats are annotated.
    """

    database: str
    record: str
    cells: npt.NDArray[np.float32]
    beats: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Noise:
    """A recording of noise without any beat, in mV: shape (n, n_leads), cells of 1/125 s."""

    name: str
    cells: npt.NDArray[np.float32]


def _filled(signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Missing samples repeat the last one, as the detector has it."""
    out: npt.NDArray[np.float32] = signal.copy()
    for lead in out.T:
        good = np.isfinite(lead)
        if good.all():
            continue
        last = np.maximum.accumulate(np.where(good, np.arange(len(lead)), 0))
        lead[:] = np.where(np.isfinite(lead[last]), lead[last], 0.0)
    return out


def _whole(path: Path, database: str) -> Strip:
    record = read_record(path)
    marks = record.annotations
    assert marks is not None
    cells = grid_cells(_filled(record.signal), record.fs)
    per_cell = GRID_FS / record.fs
    known = np.ones(len(cells), bool)
    for first, last in flutter_intervals(marks.sample, list(marks.symbol)):
        known[int(first * per_cell) : int(min(last, len(record.signal)) * per_cell) + 1] = False
    beats = marks.sample[is_beat(marks.symbol)] * per_cell
    return Strip(database, path.name, cells, beats.astype(np.float32), known)


def _ludb(path: Path) -> Strip:
    """All leads with the beats of lead II; what lies outside the annotated span is not known."""
    record = read_record(path)
    cells = grid_cells(_filled(record.signal), record.fs)
    per_cell = GRID_FS / record.fs
    spans, beats = [], []
    for name in LUDB_LEADS:
        marks = read_annotations(path.with_suffix(f".{name}"))
        symbols = np.asarray(marks.symbol)
        spans.append((marks.sample.min(), marks.sample.max()))
        beats.append(marks.sample[symbols == "N"])
    known = np.zeros(len(cells), bool)
    first, last = max(a for a, _ in spans), min(b for _, b in spans)
    known[int(first * per_cell) : int(last * per_cell)] = True
    longest = max(beats, key=len)
    return Strip("ludb", path.name, cells, (longest * per_cell).astype(np.float32), known)


def load_strips(data: Path, databases: Iterable[str] = DATABASES) -> Iterator[Strip]:
    """Every annotated recording of some databases below `data`, in order of name."""
    for database in databases:
        for header in sorted((data / database).glob("*.hea")):
            path = header.with_suffix("")
            yield _ludb(path) if database == "ludb" else _whole(path, database)


def load_noise(data: Path) -> list[Noise]:
    """Baseline wander, muscle noise and electrode motion of the Noise Stress Test Database.

    Electrode motion is what 118e_6 holds beyond 118, in its noisy stretches.
    """
    noises = []
    for name in ("bw", "ma"):
        record = read_record(data / "nstdb" / name)
        noises.append(Noise(name, grid_cells(_filled(record.signal), record.fs)))
    noisy, clean = (read_record(data / folder) for folder in ("nstdb/118e_6", "mitdb/118"))
    n = min(len(noisy.signal), len(clean.signal))
    motion = _filled(noisy.signal[:n]) - _filled(clean.signal[:n])
    begin = int(300 * clean.fs)
    block = int(120 * clean.fs)
    parts = [motion[a : a + block] for a in range(begin, n - block + 1, 2 * block)]
    noises += [Noise(f"em{k}", grid_cells(part, clean.fs)) for k, part in enumerate(parts)]
    return noises


def pack(strips: Iterable[Strip], noises: Iterable[Noise], path: Path) -> None:
    """Write recordings to one compressed file, in steps of 5 uV."""
    arrays: dict[str, Any] = {}
    for strip in strips:
        key = f"{strip.database}/{strip.record}"
        arrays[f"{key}:cells"] = _whole_steps(strip.cells)
        arrays[f"{key}:beats"] = strip.beats
        arrays[f"{key}:known"] = np.packbits(strip.known)
    for noise in noises:
        arrays[f"noise/{noise.name}:cells"] = _whole_steps(noise.cells)
    np.savez_compressed(path, **arrays)


_STEP_MV = 0.005


def _whole_steps(cells: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    steps = np.clip(np.round(cells / _STEP_MV), -32768, 32767).astype(np.int16)
    return np.diff(steps, axis=0, prepend=np.zeros((1, steps.shape[1]), np.int16))


def unpack(path: Path) -> tuple[list[Strip], list[Noise]]:
    """Read what `pack` wrote."""
    strips, noises = [], []
    with np.load(path) as file:
        for key in file.files:
            name, kind = key.rsplit(":", 1)
            if kind != "cells":
                continue
            cells = np.cumsum(file[key], axis=0, dtype=np.int16).astype(np.float32) * np.float32(
                _STEP_MV
            )
            database, record = name.split("/")
            if database == "noise":
                noises.append(Noise(record, cells))
                continue
            known = np.unpackbits(file[f"{name}:known"])[: len(cells)].astype(bool)
            strips.append(Strip(database, record, cells, file[f"{name}:beats"], known))
    return strips, noises


def in_training(strip: Strip, without: frozenset[str]) -> bool:
    """Tell whether a recording is part of a training that leaves some out.

    `without` names databases, or a half of mitdb: ``mitdb:ds2`` (the recordings on which beat
    classes are reported) and ``mitdb:ds1`` (all others). ``nstdb`` leaves the recorded noise out.
    """
    if strip.database in without:
        return False
    if strip.database != "mitdb":
        return True
    return ("mitdb:ds2" if strip.record in DS2 else "mitdb:ds1") not in without
