"""Kaggle's own rows, looked up in the recordings: what form they really have, and how ours differs.

A row is found if every third sample of a recording from an annotated R peak on, scaled to 0..1,
is the row. That tells the beat that it shows, and so the core's window of the same beat.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ..._types import FloatArray
from ...evaluation.annotated import reference_beats
from ...records import read_record
from .examples import ExampleSet
from .splits import record_names

__all__ = ["FOUND", "FoundRows", "compare_rows", "find_rows", "shown_points"]

FOUND = 0.99999
"""Correlation from which a row is the beat: rounding alone stays above."""

# Points that pick the few beats worth a closer look, and how many those are.
_PREFIX = 25
_CANDIDATES = 8


@dataclass(frozen=True, eq=False)
class FoundRows:
    """Where rows come from.

    Attributes
    ----------
    record : ndarray of str, shape (n,)
        Recording of the most alike beat, such as ``"mitdb/100"``.
    beat : ndarray of int64, shape (n,)
        Which of its annotated beats that is.
    correlation : ndarray of float64, shape (n,)
        How alike they are, over the points that the row shows.
    """

    record: npt.NDArray[np.str_]
    beat: npt.NDArray[np.int64]
    correlation: npt.NDArray[np.float64]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Whether each row is that beat."""
        exact: npt.NDArray[np.bool_] = self.correlation > FOUND
        return exact


def shown_points(windows: FloatArray) -> npt.NDArray[np.int64]:
    """Points of each window before its padding with zeros.

    Parameters
    ----------
    windows : ndarray of float32, shape (n, points) or (n, points, 1)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    shown = windows.reshape(len(windows), -1) != 0
    counts: npt.NDArray[np.int64] = shown.shape[1] - np.argmax(shown[:, ::-1], axis=1)
    return np.where(shown.any(axis=1), counts, 0)


def find_rows(
    data: str | os.PathLike[str], rows: FloatArray, *, step: float = 3.0, progress: bool = False
) -> FoundRows:
    """Look rows up in the 48 MIT-BIH recordings.

    Parameters
    ----------
    data : path
        Folder that holds ``mitdb``.
    rows : ndarray of float32, shape (n, 187, 1)
        Of `kaggle.read_rows`.
    step : float
        Samples of the recording from one point to the next: 3 is 120 Hz, 2.88 is 125 Hz
        (interpolated).
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    FoundRows

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    flat = rows.reshape(len(rows), -1)
    shown = np.maximum(shown_points(rows), 2)
    at = np.arange(flat.shape[1]) * step
    prefix = _unit(flat[:, :_PREFIX])
    record = np.zeros(len(rows), "U16")
    beat = np.zeros(len(rows), np.int64)
    correlation = np.full(len(rows), -1.0)
    names = record_names(data, "mitdb")
    for name in progress_bar(names, "look-up", "record", show=progress):
        recording = read_record(Path(data) / "mitdb" / name, leads=0)
        signal = recording.signal[:, 0].astype(np.float64)
        sample, _ = reference_beats(recording)
        points = np.interp(sample[:, np.newaxis] + at, np.arange(len(signal)), signal)
        likely = prefix @ _unit(points[:, :_PREFIX]).T
        best = np.argpartition(-likely, _CANDIDATES, axis=1)[:, :_CANDIDATES]
        for i, candidates in enumerate(best):
            kept = slice(shown[i])
            alike = _unit(points[candidates, kept]) @ _unit(flat[i : i + 1, kept])[0]
            k = int(alike.argmax())
            if alike[k] > correlation[i]:
                correlation[i] = alike[k]
                record[i], beat[i] = f"mitdb/{name}", candidates[k]
    return FoundRows(record, beat, correlation)


def _unit(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Rows without their mean, of length one: their products are correlations."""
    level = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    size = np.linalg.norm(level, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = level / np.where(size > 0, size, 1.0)
    return unit


def compare_rows(
    data: str | os.PathLike[str],
    examples: ExampleSet,
    rows: FloatArray,
    labels: npt.NDArray[np.int8],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Compare the rebuilt set with Kaggle's own rows, beat by beat.

    Parameters
    ----------
    data : path
        Folder that holds ``mitdb``.
    examples : ExampleSet
        Of `kaggle.prepare_kaggle`.
    rows : ndarray of float32, shape (n, 187, 1)
        Of `kaggle.read_rows`.
    labels : ndarray of int8, shape (n,)
        Their classes.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    dict
        Plain JSON: ``rows``; how many are ``found_at_120_hz`` and ``found_at_125_hz``;
        ``same_class``, share of the found whose class is ours; ``correlation`` of our windows with
        the rows of the same beats, over the points that both show, as quantiles and the share over
        0.99; quantiles of ``points_shown``, theirs and ours of the same beats; and those of
        ``points_by_rr``, theirs over the beat's own RR interval to the next.
    """
    exact = find_rows(data, rows, progress=progress)
    as_told = find_rows(data, rows, step=2.88, progress=progress)
    first = {str(r): int(np.argmax(examples.record == r)) for r in np.unique(examples.record)}
    counts = {r: int(np.sum(examples.record == r)) for r in first}
    pairs = [
        (i, first[r] + int(b))
        for i, (r, b) in enumerate(zip(exact.record.tolist(), exact.beat, strict=True))
        if exact.found[i] and b < counts[r]
    ]
    report: dict[str, Any] = {
        "rows": len(rows),
        "found_at_120_hz": int(exact.found.sum()),
        "found_at_125_hz": int(as_told.found.sum()),
    }
    if not pairs:
        return report
    theirs, ours = (np.array(index) for index in zip(*pairs, strict=True))
    windows = examples.inputs["window"][ours]
    points = np.minimum(shown_points(rows[theirs]), shown_points(windows))
    alike = np.array(
        [
            float((_unit(rows[i, :n, 0][np.newaxis]) @ _unit(w[:n, 0][np.newaxis]).T)[0, 0])
            for i, w, n in zip(theirs, windows, points, strict=True)
        ]
    )
    sample = examples.columns["sample"]
    next_rr = np.append(np.diff(sample), 0)[ours] / 3.0
    same = examples.record[ours] == examples.record[np.minimum(ours + 1, len(examples) - 1)]
    share = (shown_points(rows[theirs]) / np.where(next_rr > 0, next_rr, np.nan))[same]
    return {
        **report,
        "same_class": round(float(np.mean(examples.target[ours] == labels[theirs])), 4),
        "correlation": {**_quantiles(alike), "over 0.99": round(float(np.mean(alike > 0.99)), 4)},
        "points_shown": {
            "theirs": _quantiles(shown_points(rows[theirs])),
            "ours": _quantiles(shown_points(windows)),
        },
        "points_by_rr": _quantiles(share),
    }


def _quantiles(values: npt.NDArray[Any]) -> dict[str, float]:
    steps = {"min": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "max": 1.0}
    return {name: round(float(np.quantile(values, q)), 4) for name, q in steps.items()}
