"""Strips of ECG with the minimum and maximum of the arterial pressure beside them.

Pressure is no input: it is looked at only to make labels, and to reject those that artefacts made.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import FEATURE_NAMES, BeatStream, WindowSpec
from ...errors import InputError, RecordError
from ...records import read_record
from .examples import ExampleSet
from .pressure_labels import REASONS, RULES, Floats, PressureRules, label_window
from .splits import patient_folds, record_names

__all__ = [
    "OUTPUTS",
    "STRIP",
    "dropped_table",
    "prepare_person",
    "prepare_pressure",
    "record_groups",
]


OUTPUTS = ("minimum", "maximum")
"""Outputs of the model: diastolic and systolic pressure, mmHg."""
STRIP = WindowSpec(125.0, 1222, 28, "strip", 16)
"""Ten seconds of ECG up to just after a beat, and the features of the last sixteen beats."""


def record_groups(names: npt.ArrayLike, apart: int = 3) -> npt.NDArray[np.str_]:
    """Group of each recording: those whose numbers are neighbours may be of one patient.

    Parameters
    ----------
    names : array_like of str, shape (n,)
        Names with one number each, such as ``"v133l"`` or ``"bp/v133l"``.
    apart : int
        Numbers that differ by this much or less, from one to the next, are one group.

    Returns
    -------
    ndarray of str, shape (n,)
        Name of the group: that of its recording with the lowest number.

    Raises
    ------
    InputError
        If a name has no number.
    """
    given = np.asarray(names, dtype=np.str_)
    unique = sorted(set(given.tolist()), key=lambda name: (_number(name), name))
    group: dict[str, str] = {}
    for before, name in zip([None, *unique], unique, strict=False):
        near = before is not None and _number(name) - _number(before) <= apart
        group[name] = group[before] if near and before is not None else name
    return np.array([group[name] for name in given.tolist()], dtype=np.str_)


def _number(name: str) -> int:
    digits = "".join(c for c in name.rpartition("/")[2] if c.isdigit())
    if not digits:
        raise InputError(f"{name}: no number in its name, which says whose neighbour it is")
    return int(digits)


def prepare_pressure(
    data: str | os.PathLike[str],
    *,
    database: str = "bp",
    window: WindowSpec = STRIP,
    step: float = 5.0,
    folds: int = 5,
    seed: int = 0,
    rules: PressureRules = RULES,
    progress: bool = False,
) -> ExampleSet:
    """Cut strips of ECG with the minimum and maximum of the arterial pressure beside them.

    The core detects the beats and cuts the strips as it does live; of the beats whose strip lies
    inside the recording the last of each `step` seconds is taken. The label is that of
    `label_window` over the strip's own time.

    Parameters
    ----------
    data : path
        Folder that holds the database as a folder of WFDB records, each with one ECG lead and a
        signal named ABP in mmHg.
    database : str
    window : WindowSpec
        Of form "strip".
    step : float
        Seconds from strip to strip, about: they overlap where it is less than their length.
    folds : int
        Folds that groups of recordings are dealt into (`patient_folds`).
    seed : int
        Of the dealing.
    rules : PressureRules
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        Inputs "window" and "features"; target (n, 2), minimum and maximum in mmHg; patient the
        group of neighbouring recordings; columns "time" (s, R of the strip's last beat) and
        "fold". ``about["dropped"]`` says what each rule rejected, ``about["folds"]`` the fold of
        each recording.

    Raises
    ------
    RecordError
        If a recording is missing, damaged or without such signals.
    InputError
        If the rules leave nothing, or fewer groups than folds.
    """
    parts: list[_Strips] = []
    names = record_names(data, database)
    for name in progress_bar(names, "pressure", "record", show=progress):
        parts.append(
            _strips_of(Path(data) / database / name, f"{database}/{name}", window, step, rules)
        )
    examples = _example_set(parts, Path(data) / database, window, step, rules)
    group = record_groups(examples.record)
    fold = patient_folds(group, np.zeros(len(group), np.int8), folds, seed)
    dealt = {n: int(fold[examples.record == n][0]) for n in np.unique(examples.record).tolist()}
    about = {**examples.about, "database": database, "folds": dealt}
    columns = {**examples.columns, "fold": fold}
    return dataclasses.replace(examples, patient=group, about=about, columns=columns)


def prepare_person(
    recordings: Sequence[str | os.PathLike[str]],
    *,
    window: WindowSpec = STRIP,
    step: float = 5.0,
    rules: PressureRules = RULES,
    progress: bool = False,
) -> ExampleSet:
    """Cut the strips of one person's recordings, as `prepare_pressure` cuts them.

    Parameters
    ----------
    recordings : sequence of path
        The earliest first; each with an ECG and a signal named ABP in mmHg.
    window : WindowSpec
        Of form "strip".
    step : float
        Seconds from strip to strip, about.
    rules : PressureRules
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        Inputs and target as of `prepare_pressure`, in the order of time; columns "time" (s in its
        recording) and "order" (of its recording).

    Raises
    ------
    RecordError
        If a recording is missing, damaged or without such signals.
    InputError
        If the rules leave nothing, recordings have one name, or they state that a later one began
        first.
    """
    names = [Path(one).stem for one in recordings]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{twice[0]}: two recordings have this name")
    parts: list[_Strips] = []
    for path, name in progress_bar(
        list(zip(recordings, names, strict=True)), "pressure", "record", show=progress
    ):
        part = _strips_of(Path(path), name, window, step, rules)
        began = [one.start for one in (*parts, part) if one.start is not None]
        if part.start is not None and part.start < max(began):
            raise InputError(f"{path}: began before a recording given before it; sort them by time")
        parts.append(part)
    examples = _example_set(parts, ", ".join(map(str, recordings)), window, step, rules)
    order = np.array([names.index(name) for name in examples.record.tolist()], np.int64)
    person = np.full(len(examples), "the person", dtype=np.str_)
    return dataclasses.replace(
        examples, patient=person, columns={**examples.columns, "order": order}
    )


def _example_set(
    parts: list[_Strips], where: object, window: WindowSpec, step: float, rules: PressureRules
) -> ExampleSet:
    """Strips of recordings together; each recording is a patient."""
    windows = sum(part.seen for part in parts)
    first = sum((part.first for part in parts), Counter[str]())
    fired = sum((part.fired for part in parts), Counter[str]())
    kept = [part for part in parts if len(part.target)]
    if not kept:
        raise InputError(f"{where}: the rules leave none of {windows} windows")
    record = np.array([part.record for part in kept for _ in part.target], dtype=np.str_)
    return ExampleSet(
        {
            "window": np.concatenate([part.windows for part in kept]),
            "features": np.concatenate([part.features for part in kept]),
        },
        np.concatenate([part.target for part in kept]),
        record,
        record,
        {
            "classes": list(OUTPUTS),
            "window": list(window),
            "features": list(FEATURE_NAMES),
            "step_s": step,
            "windows": windows,
            "records": len(parts),
            "rules": {key: text.format(**rules._asdict()) for key, text in REASONS.items()},
            "dropped": {key: {"first": first[key], "any": fired[key]} for key in REASONS},
        },
        {"time": np.concatenate([part.time for part in kept])},
    )


def dropped_table(about: Mapping[str, Any]) -> str:
    """What each rule rejected, as lines of text.

    Parameters
    ----------
    about : mapping
        Of a set from `prepare_pressure`.

    Returns
    -------
    str
        A window that several rules reject is counted under the first, and under each in brackets.
    """
    dropped = about["dropped"]
    kept = about["windows"] - sum(count["first"] for count in dropped.values())
    lines = [
        f"kept {kept} of {about['windows']} windows, {len(about['folds'])} of {about['records']} "
        "records; dropped, by the first rule that holds [by each]:"
    ]
    for key, text in about["rules"].items():
        lines.append(f"  {dropped[key]['first']:5d} [{dropped[key]['any']}] {text}")
    return "\n".join(lines)


class _Strips(NamedTuple):
    """Strips of one recording, and what became of the others."""

    record: str
    windows: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    time: Floats
    seen: int
    first: Counter[str]
    fired: Counter[str]
    start: datetime | None


def _strips_of(
    path: Path, name: str, window: WindowSpec, step: float, rules: PressureRules
) -> _Strips:
    pressure = read_record(path, leads="ABP")
    record = read_record(path)
    if pressure.fs != record.fs:
        raise RecordError(f"{path}: ECG and ABP differ in sampling rate; resample one of them")
    fs, ecg = record.fs, np.ascontiguousarray(record.signal[:, 0])
    stream = BeatStream(fs, window=window)
    beats = stream.finish(ecg)
    start = beats.sample - round(window.before / window.grid_fs * fs)
    stop = beats.sample + round(window.after / window.grid_fs * fs)
    inside = np.flatnonzero((start >= 0) & (stop <= len(ecg)))
    stretch = (beats.sample[inside] / (step * fs)).astype(np.int64)
    last = inside[np.append(np.diff(stretch) > 0, True)] if len(inside) else inside
    rows, labels = [], []
    first, fired = Counter[str](), Counter[str]()
    for i in last.tolist():
        lo, hi = int(start[i]), int(stop[i])
        peaks = beats.sample[(beats.sample >= lo) & (beats.sample < hi)] - lo
        label, reasons = label_window(ecg[lo:hi], pressure.signal[lo:hi, 0], peaks, fs, rules)
        fired.update(reasons)
        if reasons:
            first[next(key for key in REASONS if key in reasons)] += 1
        else:
            rows.append(i)
            labels.append(label)
    return _Strips(
        name,
        beats.windows[rows],
        beats.features[rows],
        np.array(labels, np.float32).reshape(-1, 2),
        beats.sample[rows] / fs,
        len(last),
        first,
        fired,
        record.start.replace(tzinfo=None) if record.start else None,
    )
