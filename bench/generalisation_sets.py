"""Sets of recordings with reference beats, and the count of a detector's mistakes on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from compiled_core import Found

from ecgfast.evaluation import flutter_intervals, is_beat, match_beats
from ecgfast.evaluation.ec57 import TOLERANCE_S
from ecgfast.records import read_annotations, read_record
from ecgfast.streaming import Quality
from ecgfast.training.datasets.splits import DS2

METHODS = ("neural", "adaptive", "pan-tompkins")
LIMITED_S = 0.5
"""`max_delay` whose cost is measured."""

LUDB_MARGIN_S = 0.3
CPSC_FS, CPSC_EDGE_S = 500.0, 0.5
SILENCE_S = 2.0
"""A missed beat without any detection this near counts as flagged: silence tells of itself."""
Peaks = npt.NDArray[np.int64]
Numbers = dict[str, int]


@dataclass(frozen=True)
class Set:
    """One row of the table."""

    title: str
    folder: str
    weights: str
    aim: str
    seen: bool = False
    """Whether the weights were trained on it too."""


SETS = {
    "ludb": Set("LUDB, single leads of 10 s", "ludb", "fold_a", "≥ 99.88"),
    "ludb12": Set("LUDB, 12 leads together", "ludb", "fold_a", "100"),
    "cpsc2019": Set("CPSC2019, noisy strips of 10 s", "cpsc2019", "ship", "≥ 95"),
    "svdb": Set("svdb", "svdb", "fold_b", "≥ 99.93"),
    "qtdb": Set("QTDB", "qtdb", "fold_b", "≥ 99.98"),
    "nstdb": Set("nstdb", "nstdb", "fold_a", "≥ 96"),
    "ds1": Set("mitdb, DS1 and paced", "mitdb", "fold_a", ""),
    "ds2": Set("mitdb, DS2", "mitdb", "ship", ""),
    "mitdb": Set("mitdb, all 48", "mitdb", "fold_a, ship", "≥ 99.92"),
    "nsrdb": Set("nsrdb, first 30 min", "nsrdb", "ship", "", seen=True),
}
PARTS_OF = {"ds1": "mitdb", "ds2": "mitdb", "ludb12": "ludb"}
"""Sets that come with another one."""
QUALITY_SETS = ("ludb", "cpsc2019", "svdb", "qtdb", "nstdb", "ds2")
HALVES = ("ds1", "ds2")
NOISE_WEIGHTS = {"nstdb bw": "fold_a", "nstdb ma": "fold_a", "cinc2017 noise class": "ship"}

PRESSURE_WEIGHTS = "ship"


@dataclass(frozen=True, eq=False)
class Case:
    """A signal with reference beats.

    Attributes
    ----------
    key : str
        Of `SETS`.
    name : str
        Record, and the lead where there are several.
    signal : ndarray, shape (n,) or (n, n_leads)
        In mV.
    fs : float
        Sampling rate in Hz.
    beats : ndarray of int64
        Reference R peaks, not decreasing.
    span : tuple of float
        Samples between which beats and detections count.
    flutter : ndarray of int64, shape (k, 2)
        Stretches in which nothing counts.
    """

    key: str
    name: str
    signal: npt.NDArray[Any]
    fs: float
    beats: Peaks
    span: tuple[float, float] = (-np.inf, np.inf)
    flutter: Peaks = field(default_factory=lambda: np.empty((0, 2), np.int64))


def _ludb(path: Path) -> Iterator[Case]:
    record = read_record(path)
    fs, margin = record.fs, LUDB_MARGIN_S * record.fs
    beats, firsts, lasts = [], [], []
    for k, lead in enumerate(record.leads):
        marks = read_annotations(path.with_suffix(f".{lead}"))
        beats.append(np.sort(marks.sample[np.asarray(marks.symbol) == "N"]))
        firsts.append(float(marks.sample.min() - margin))
        lasts.append(float(marks.sample.max() + margin))
        signal = record.signal[:, k].copy()
        yield Case("ludb", f"{path.name} {lead}", signal, fs, beats[-1], (firsts[-1], lasts[-1]))
    span = (max(firsts), min(lasts))
    yield Case("ludb12", path.name, record.signal, fs, max(beats, key=len), span)


def _cpsc2019(path: Path) -> Iterator[Case]:
    from scipy.io import loadmat

    signal = loadmat(path)["ecg"].ravel().astype(np.float32)
    peaks = loadmat(path.with_name(f"R_{path.stem[5:]}.mat"))["R_peak"].ravel()
    edge = CPSC_EDGE_S * CPSC_FS
    span = (edge, len(signal) - edge - 1)
    yield Case("cpsc2019", path.stem, signal, CPSC_FS, np.sort(peaks.astype(np.int64)), span)


def _wfdb(key: str, path: Path) -> Iterator[Case]:
    record = read_record(path, leads=0)
    marks = record.annotations
    assert marks is not None
    flutter = flutter_intervals(marks.sample, list(marks.symbol))
    beats = np.sort(marks.sample[is_beat(marks.symbol)])
    yield Case(key, path.name, record.signal[:, 0].copy(), record.fs, beats, flutter=flutter)


def cases(key: str, path: Path) -> Iterator[Case]:
    """What a file of a set holds."""
    if key == "ludb":
        return _ludb(path)
    if key == "mitdb":
        key = half_of(path)
    return _cpsc2019(path) if key == "cpsc2019" else _wfdb(key, path)


def half_of(path: Path) -> str:
    return "ds2" if path.name in DS2 else "ds1"


def paths(data: Path, key: str) -> list[Path]:
    """Files of a set."""
    if key == "cpsc2019":
        return sorted((data / "cpsc2019").glob("data_*.mat"))
    found = [path.with_suffix("") for path in sorted((data / SETS[key].folder).glob("*.hea"))]
    return [path for path in found if path.name[0] == "1"] if key == "nstdb" else found


def _counted(case: Case, samples: Peaks) -> npt.NDArray[np.bool_]:
    keep = (samples >= case.span[0]) & (samples <= case.span[1])
    for first, last in case.flutter:
        keep &= (samples < first) | (samples > last)
    return np.asarray(keep)


def warned_of(case: Case, found: Found, missed: Peaks) -> npt.NDArray[np.bool_]:
    """Which missed beats a user is warned of: by a flag nearby, or by silence."""
    after = np.searchsorted(found.sample, missed)
    warned = np.zeros(len(missed), bool)
    for n, (at, k) in enumerate(zip(missed, after, strict=True)):
        near = [
            bool(found.quality[i])
            for i in (k - 1, k)
            if 0 <= i < len(found.sample) and abs(found.sample[i] - at) <= SILENCE_S * case.fs
        ]
        warned[n] = any(near) or not near
    return warned


@dataclass(frozen=True, eq=False)
class Counted:
    """What a detector made of a case.

    Attributes
    ----------
    numbers : dict of str to int
        Matches, and mistakes with and without a flag.
    errors, unflagged : list of int
        Samples of all mistakes, and of those that nothing warns of.
    """

    numbers: Numbers
    errors: list[int]
    unflagged: list[int]


def count(case: Case, found: Found) -> Counted:
    """Matches and mistakes, and how many of them are flagged."""
    counts = _counted(case, found.sample)
    tests, flagged = found.sample[counts], found.quality[counts] != 0
    inside = np.ones(len(case.beats), bool)
    for first, last in case.flutter:
        inside &= (case.beats < first) | (case.beats > last)
    beats = case.beats[inside]
    pairs = match_beats(beats, tests, TOLERANCE_S * case.fs)
    right, hit = np.zeros(len(tests), bool), np.zeros(len(beats), bool)
    right[pairs[:, 1]], hit[pairs[:, 0]] = True, True
    in_span = _counted(case, beats)
    missed = beats[in_span & ~hit]
    learning = right & (found.quality[counts] == int(Quality.LEARNING))
    missed_unflagged = missed[~warned_of(case, found, missed)]
    false_unflagged = tests[~right & ~flagged]
    numbers = {
        "tp": int((in_span & hit).sum()),
        "fn": len(missed),
        "fp": int((~right).sum()),
        "fn_unflagged": len(missed_unflagged),
        "fp_unflagged": len(false_unflagged),
        "right": int(right.sum()),
        "right_flagged": int((right & flagged).sum()),
        "right_learning": int(learning.sum()),
    }
    return Counted(
        numbers,
        sorted([*missed.tolist(), *tests[~right].tolist()]),
        sorted([*missed_unflagged.tolist(), *false_unflagged.tolist()]),
    )


def f1(numbers: Numbers) -> float:
    """In per cent."""
    whole = 2 * numbers["tp"] + numbers["fn"] + numbers["fp"]
    return 200 * numbers["tp"] / whole if whole else float("nan")
