"""How good a detector is on annotated recordings: beats found and missed, and how late."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..core import QRSDetector
from ..errors import InputError, RecordError
from ..records import Record
from .annotated import reference_annotations
from .ec57 import (
    LEARNING_S,
    DetectionScore,
    DetectionTotals,
    flutter_intervals,
    is_beat,
    score_detection,
    total_scores,
)

__all__ = [
    "Delays",
    "DetectorScores",
    "Method",
    "ReportedBeats",
    "annotated_records",
    "evaluate_detector",
    "own_detector",
    "report_times",
]

Method = Literal["neural", "adaptive", "pan-tompkins"]

# Chunks of about this many seconds are tried first; only those that bring a beat are gone through
# sample by sample. Much shorter or longer ones take more time.
_CHUNK_S = 0.04

STARTED_S = 5.0
"""Seconds after which a stream has started: delays before and after are told apart."""


@dataclass(frozen=True, eq=False)
class ReportedBeats:
    """Beats of one recording, and when each was reported.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        R peaks.
    reported_at : ndarray of int64, shape (k,)
        How many samples had been seen when each of the first k beats was reported. The others came
        with the end of the recording; 0 of them for a detector that needs all of it at once.
    """

    sample: npt.NDArray[np.int64]
    reported_at: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def delays(self, fs: float) -> npt.NDArray[np.float64]:
        """Seconds from each R peak to its report, for the beats that were reported live."""
        late: npt.NDArray[np.float64] = (self.reported_at - self.sample[: self.live]) / fs
        return late

    @property
    def live(self) -> int:
        """How many beats were reported before the end of the recording."""
        return len(self.reported_at)


def report_times(
    signal: npt.ArrayLike,
    fs: float,
    *,
    method: Method = "neural",
    max_delay: float | None = None,
) -> ReportedBeats:
    """Find R peaks in a stream, and the very sample at which each is reported.

    Parameters
    ----------
    signal : array_like of float, shape (n,) or (n, n_leads)
        Samples in mV.
    fs : float
        Sampling rate in Hz.
    method, max_delay
        As in `QRSDetector`.

    Returns
    -------
    ReportedBeats

    Raises
    ------
    InputError
        If the signal, `fs` or an option cannot be used.

    Notes
    -----
    A stream gives the same beats however it is cut. So one detector runs ahead chunk by chunk, and
    a second follows: through the same chunks where no beat came, and sample by sample where one
    did. That is as exact as single samples throughout, and four times faster.

    Examples
    --------
    >>> from ecgfast.evaluation import report_times
    >>> from ecgfast.records import demo_record
    >>> record = demo_record()
    >>> found = report_times(record.signal, record.fs)
    >>> bool((found.reported_at > found.sample[: len(found.reported_at)]).all())
    True
    """
    data = np.asarray(signal, np.float32)
    n_leads = data.shape[1] if data.ndim == 2 else 1
    ahead = QRSDetector(fs, method=method, max_delay=max_delay, n_leads=n_leads)
    exact = QRSDetector(fs, method=method, max_delay=max_delay, n_leads=n_leads)
    step = max(1, round(_CHUNK_S * fs))
    peaks: list[npt.NDArray[np.int64]] = []
    seen: list[int] = []
    for begin in range(0, len(data), step):
        chunk = data[begin : begin + step]
        if not len(ahead.process(chunk)):
            exact.process(chunk)
            continue
        for k in range(len(chunk)):
            found = exact.process(chunk[k : k + 1])
            if len(found):
                peaks.append(found)
                seen += [begin + k + 1] * len(found)
    return ReportedBeats(np.concatenate([*peaks, exact.flush()]), np.asarray(seen, np.int64))


@dataclass(frozen=True)
class Delays:
    """How long after their R peaks beats were reported, in ms; NaN without any.

    Attributes
    ----------
    median, p95, worst : float
        Over all beats that were reported before the end of a recording.
    worst_started : float
        The longest of beats later than 5 s, when the stream has started.
    """

    median: float
    p95: float
    worst: float
    worst_started: float

    @classmethod
    def of(cls, seconds: npt.NDArray[np.float64], r_time: npt.NDArray[np.float64]) -> Delays:
        """Sum up delays.

        Parameters
        ----------
        seconds : ndarray of float64, shape (n,)
            Delay of each beat.
        r_time : ndarray of float64, shape (n,)
            Seconds from the start of the recording to its R peak.

        Returns
        -------
        Delays
        """
        if not len(seconds):
            return cls(*[float("nan")] * 4)
        late = seconds[r_time >= STARTED_S]
        median, p95 = np.percentile(seconds, [50, 95])
        worst_started = late.max() if len(late) else float("nan")
        return cls(*(float(1e3 * x) for x in (median, p95, seconds.max(), worst_started)))

    def to_dict(self) -> dict[str, float]:
        """The figures by name, with their unit, for JSON."""
        return {
            "median_ms": self.median,
            "p95_ms": self.p95,
            "max_ms": self.worst,
            "max_after_5_s_ms": self.worst_started,
        }


@dataclass(frozen=True)
class DetectorScores:
    """What one detector reached on a set of recordings.

    Attributes
    ----------
    name : str
        The detector.
    totals : dict of float to DetectionTotals
        Scores by how many seconds of each recording were set aside.
    delays : dict of str to Delays
        By record; "all" pools the beats of all.
    failed : dict of str to str
        Recordings on which the detector raised an error, with the error: all their beats count as
        missed.
    """

    name: str
    totals: dict[float, DetectionTotals]
    delays: dict[str, Delays]
    failed: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names, as a JSON writer takes it."""
        return {
            "detector": self.name,
            "counted": [
                {"set_aside_s": start, **totals.to_dict()} for start, totals in self.totals.items()
            ],
            "delay": {name: delays.to_dict() for name, delays in self.delays.items()},
            "failed": self.failed,
        }


Detect = Callable[[Record], ReportedBeats]


def own_detector(method: Method = "neural", max_delay: float | None = None) -> Detect:
    """One of this package's detectors, live on all leads of a record.

    Parameters
    ----------
    method, max_delay
        As in `QRSDetector`.

    Returns
    -------
    callable
        Takes a `Record`, returns `ReportedBeats`.

    Examples
    --------
    >>> from ecgfast.evaluation import own_detector
    >>> from ecgfast.records import demo_record
    >>> len(own_detector("pan-tompkins")(demo_record()).sample)
    73
    """
    return lambda record: report_times(record.signal, record.fs, method=method, max_delay=max_delay)


def evaluate_detector(
    detectors: dict[str, Detect],
    records: Iterable[Record],
    *,
    starts: Sequence[float] = (0.0, LEARNING_S),
    forgiving: Sequence[str] = (),
) -> list[DetectorScores]:
    """Score detectors beat by beat, as AAMI EC57 counts, on the same recordings.

    Parameters
    ----------
    detectors : dict of str to callable
        Each takes a `Record` and returns `ReportedBeats`.
    records : iterable of Record
        With reference annotations; read one at a time.
    starts : sequence of float
        How many seconds to set aside at the beginning of each recording: one count for each.
    forgiving : sequence of str
        Detectors whose errors are noted in `DetectorScores.failed` rather than raised.

    Returns
    -------
    list of DetectorScores
        In the order of `detectors`.

    Raises
    ------
    RecordError
        If a recording has no reference annotations.
    InputError
        If there is no recording.

    Examples
    --------
    >>> from ecgfast.evaluation import evaluate_detector, own_detector
    >>> from ecgfast.records import demo_record
    >>> detectors = {"neural": own_detector(), "adaptive": own_detector("adaptive")}
    >>> for found in evaluate_detector(detectors, [demo_record()], starts=(0.0,)):
    ...     print(found.name, found.totals[0.0].gross.fn, found.totals[0.0].gross.fp)
    neural 0 0
    adaptive 0 0
    """
    scores: dict[str, dict[float, list[DetectionScore]]] = {
        name: {float(start): [] for start in starts} for name in detectors
    }
    delays: dict[str, dict[str, Delays]] = {name: {} for name in detectors}
    pooled: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in detectors}
    failed: dict[str, dict[str, str]] = {name: {} for name in detectors}
    for record in records:
        marks = reference_annotations(record)
        beats = marks.sample[is_beat(marks.symbol)]
        flutter = flutter_intervals(marks.sample, marks.symbol.tolist())
        for name, detect in detectors.items():
            try:
                found = detect(record)
            except Exception as error:
                if name not in forgiving:
                    raise
                failed[name][record.name] = f"{type(error).__name__}: {error}"
                found = ReportedBeats(np.empty(0, np.int64))
            for start, own in scores[name].items():
                own.append(
                    score_detection(
                        beats,
                        found.sample,
                        record.fs,
                        flutter=flutter,
                        start=start,
                        record=record.name,
                    )
                )
            both = np.stack([found.delays(record.fs), found.sample[: found.live] / record.fs])
            delays[name][record.name] = Delays.of(*both)
            pooled[name].append(both)
    if not any(pooled.values()):
        raise InputError("no recording to score: give at least one")
    return [
        DetectorScores(
            name,
            {start: total_scores(own) for start, own in scores[name].items()},
            {"all": Delays.of(*np.concatenate(pooled[name], axis=1)), **delays[name]},
            failed[name],
        )
        for name in detectors
    ]


def annotated_records(
    folder: str | os.PathLike[str], only: Sequence[str] = ()
) -> tuple[list[Path], list[str]]:
    """Find the WFDB records of a folder that carry reference annotations.

    Parameters
    ----------
    folder : path
        Holds ``NAME.hea`` with ``NAME.atr``; or one record, named without extension.
    only : sequence of str
        Names of the records that are wanted; all by default.

    Returns
    -------
    records : list of Path
        Sorted by name, without extension.
    left_out : list of str
        Names of the records that have no ``.atr`` file.

    Raises
    ------
    RecordError
        If the folder or a wanted record is not there, or none is annotated.

    Examples
    --------
    >>> from ecgfast.evaluation import annotated_records
    >>> records, left_out = annotated_records("mitdb")              # doctest: +SKIP
    >>> records[0].name, left_out                                   # doctest: +SKIP
    ('100', [])
    """
    where = Path(folder).expanduser()
    if where.is_dir():
        found = sorted(path.with_suffix("") for path in where.glob("*.hea"))
    elif where.with_name(f"{where.name}.hea").is_file():
        found = [where]
    else:
        raise RecordError(f"{where}: no such folder of WFDB records; check the path")
    missing = sorted(set(only) - {path.name for path in found})
    if missing:
        raise RecordError(f"{where}: holds no record {', '.join(missing)}; check the names")
    wanted = [path for path in found if not only or path.name in only]
    if not wanted:
        raise RecordError(f"{where}: holds no WFDB records (.hea); check the folder")
    annotated = [path for path in wanted if path.with_name(f"{path.name}.atr").is_file()]
    left_out = [path.name for path in wanted if path not in annotated]
    if not annotated:
        raise RecordError(
            f"{where}: none of its records has reference annotations (.atr), such as "
            f"{left_out[0]}; put them beside the headers"
        )
    return annotated, left_out
