"""Scores of rhythm events on recordings with reference annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..records import Record, read_record
from ..rhythm import Event, EventKind, RhythmStream, Severity
from ..rhythm.atrial import AtrialModel, left_out_models, stored_settings
from ..streaming import Beat, Quality, StreamingClassifier
from .annotated import annotated_beats, check_annotations
from .ec57 import TOLERANCE_S, is_beat
from .episodes import (
    EpisodeScore,
    FalseTime,
    RowScore,
    false_time,
    interruptions,
    rhythm_episodes,
    rows_of,
    score_episodes,
    score_rows,
)
from .false_alarms import strip_rhythms
from .mitdb import DS2, PACED

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = [
    "STRIP_S",
    "AlarmScore",
    "FibrillationScores",
    "PauseScores",
    "StripScores",
    "critical_alarms",
    "evaluate_alarms",
    "evaluate_fibrillation",
    "evaluate_pauses",
    "evaluate_rows",
    "evaluate_strips",
    "insert_pause",
    "noise_recordings",
    "record_events",
    "reference_beats",
]

#: Seconds that atrial fibrillation has to last in a strip: many last ten seconds.
STRIP_S = 8.0

#: Kinds that are alarms of high priority where the event's severity says so.
_CRITICAL = (
    EventKind.ASYSTOLE,
    EventKind.VENTRICULAR_RUN,
    EventKind.VENTRICULAR_FLUTTER,
    EventKind.EXTREME_BRADYCARDIA,
    EventKind.EXTREME_TACHYCARDIA,
)

Samples = npt.NDArray[np.float32]


def reference_beats(record: Record) -> list[Beat]:
    """Reference beats of a record with their AAMI classes, in the form that a model reports.

    Raises
    ------
    InputError
        If the record has no reference annotations.
    """
    marks = record.annotations
    if marks is None:
        raise InputError(f"{record.name}: has no reference annotations")
    check_annotations(marks, record.n_samples, record.fs, record.name)
    return [beat for beat in annotated_beats(marks, record.fs) if beat.quality == Quality.GOOD]


def record_events(
    record: Record, classifier: Classifier, *, rhythm: RhythmStream | None = None
) -> tuple[list[Beat], list[Event]]:
    """Detected beats and events of a record, as a stream reports them.

    Parameters
    ----------
    record : Record
    classifier : Classifier
    rhythm : RhythmStream, optional
        By default one with its default rules.

    Returns
    -------
    list of Beat, list of Event
        The events that have ended.
    """
    n_leads = record.signal.shape[1]
    labeller = StreamingClassifier(
        classifier, record.fs, n_leads=n_leads, lookahead=classifier.lookahead
    )
    if rhythm is None:
        delay = labeller.stream.delay / record.fs
        rhythm = RhythmStream(record.fs, n_leads=n_leads, delay=delay)
    beats = [*labeller.process(record.signal), *labeller.flush()]
    events = [*rhythm.process(beats, record.signal), *rhythm.flush()]
    return beats, [event for event in events if not event.ongoing]


# ------------------------------------------------------------------------- atrial fibrillation


@dataclass(frozen=True)
class FibrillationScores:
    """Atrial fibrillation, record by record.

    Attributes
    ----------
    name : str
        Whose episodes.
    records : tuple of EpisodeScore
        Stretches of atrial flutter count on neither side.
    with_flutter : tuple of EpisodeScore
        Atrial flutter counts as fibrillation, on both sides.
    ventricular_apart : tuple of EpisodeScore
        As `records`, and ventricular rhythms that interrupt fibrillation count on neither side.
    false_times : tuple of FalseTime
        Where the false time of `records` lies.
    """

    name: str
    records: tuple[EpisodeScore, ...]
    with_flutter: tuple[EpisodeScore, ...]
    ventricular_apart: tuple[EpisodeScore, ...]
    false_times: tuple[FalseTime, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "name": self.name,
            "all": EpisodeScore.total(self.records).to_dict(),
            "with_flutter": EpisodeScore.total(self.with_flutter).to_dict(),
            "ventricular_apart": EpisodeScore.total(self.ventricular_apart).to_dict(),
            "records": [
                {**one.to_dict(), "false_time": asdict(false)}
                for one, false in zip(self.records, self.false_times, strict=True)
            ],
        }


def _model_without(record: Record, models: dict[str, AtrialModel]) -> AtrialModel:
    if record.name not in models:
        raise InputError(
            f"{record.name}: no model of atrial fibrillation was fitted without this record; score "
            "the records that bench/fit_rhythm.py learned from"
        )
    return models[record.name]


Finder = Callable[[npt.NDArray[np.int64], float], npt.NDArray[np.int64]]
"""R peaks in samples and the sampling rate in; episodes as spans of samples out."""


def evaluate_fibrillation(
    folder: Path,
    classifier: Classifier,
    *,
    others: dict[str, Finder] | None = None,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> list[FibrillationScores]:
    """Episodes of atrial fibrillation on mitdb, each record by a model that never saw its patient.

    Parameters
    ----------
    folder : path
        Holds the records; those with a pacemaker are left out.
    classifier : Classifier
        Labels the beats.
    others : dict of str to callable, optional
        Other methods, on the same beats.
    progress : callable, optional

    Returns
    -------
    list of FibrillationScores
        ecgfast first, then `others` in their order.
    """
    names = ["ecgfast", *(others or {})]
    scores: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    models = left_out_models()
    paths = [path.with_suffix("") for path in sorted(folder.glob("*.hea"))]
    for path in progress([path for path in paths if path.name not in PACED]):
        record = read_record(path)
        marks = record.annotations
        assert marks is not None
        end, fs = record.n_samples, record.fs
        rhythm = RhythmStream(
            fs, n_leads=record.signal.shape[1], atrial=_model_without(record, models)
        )
        beats, events = record_events(record, classifier, rhythm=rhythm)
        spans = [
            (one.start, one.end) for one in events if one.kind is EventKind.ATRIAL_FIBRILLATION
        ]
        found = {"ecgfast": np.asarray(spans, np.int64).reshape(-1, 2)}
        at = np.asarray([beat.sample for beat in beats], np.int64)
        found |= {name: finder(at, fs) for name, finder in (others or {}).items()}
        annotated = marks.sample, list(marks.symbol), list(marks.aux), end
        fibrillation, flutter = (rhythm_episodes(*annotated, code) for code in ("(AFIB", "(AFL"))
        ventricular = interruptions(*annotated, "(AFIB")
        apart = np.concatenate([flutter, ventricular])
        both = np.concatenate([fibrillation, flutter])
        for name, test in found.items():
            scores[name].append(
                (
                    score_episodes(fibrillation, test, fs, end, record=path.name, apart=flutter),
                    score_episodes(both, test, fs, end, record=path.name),
                    score_episodes(fibrillation, test, fs, end, record=path.name, apart=apart),
                    false_time(fibrillation, test, fs, end, ventricular=ventricular, apart=flutter),
                )
            )
    return [
        FibrillationScores(name, *(tuple(some) for some in zip(*counted, strict=True)))
        for name, counted in scores.items()
    ]


@dataclass(frozen=True)
class StripScores:
    """Strips with atrial fibrillation against strips with a normal rhythm.

    Attributes
    ----------
    tp, fn, fp, tn : int
        Strips.
    others, others_called : int
        Strips of other rhythms, and those of them that were called atrial fibrillation.
    """

    tp: int
    fn: int
    fp: int
    tn: int
    others: int
    others_called: int

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FN + FP)."""
        return 2 * self.tp / max(1, 2 * self.tp + self.fn + self.fp)

    def to_dict(self) -> dict[str, Any]:
        """Counts and F1 under plain names."""
        return {
            "tp": self.tp, "fn": self.fn, "fp": self.fp, "tn": self.tn, "f1": self.f1,
            "others": self.others, "others_called": self.others_called,
        }  # fmt: skip


def evaluate_strips(
    folder: Path,
    classifier: Classifier,
    *,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> StripScores:
    """Atrial fibrillation in the strips of cinc2017, each by a model that never saw it.

    Raises
    ------
    RecordError
        If a strip or the list of rhythms is missing or damaged.
    """
    labels = strip_rhythms(folder)
    models = left_out_models()
    counts = dict.fromkeys(("A", "N", "O"), 0)
    called = dict(counts)
    for name in progress([name for name, label in labels.items() if label in counts]):
        record = read_record(folder / name)
        rhythm = RhythmStream(
            record.fs,
            irregular=STRIP_S,
            irregular_probability=stored_settings().strip_probability,
            atrial=_model_without(record, models),
        )
        _, events = record_events(record, classifier, rhythm=rhythm)
        counts[labels[name]] += 1
        called[labels[name]] += any(one.kind is EventKind.ATRIAL_FIBRILLATION for one in events)
    return StripScores(
        called["A"],
        counts["A"] - called["A"],
        called["N"],
        counts["N"] - called["N"],
        counts["O"],
        called["O"],
    )


# ------------------------------------------------------------------------- rows of ectopic beats

_ROW_KINDS = (EventKind.VENTRICULAR_COUPLET, EventKind.VENTRICULAR_RUN)


def _event_rows(events: Iterable[Event]) -> list[tuple[int, int, int]]:
    return [
        (one.start, one.end, one.n_beats)
        for one in events
        if one.kind in _ROW_KINDS and not one.ongoing
    ]


def evaluate_rows(
    folder: Path,
    classifier: Classifier,
    *,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> dict[str, list[RowScore]]:
    """Couplets and runs of V on DS2, from reference beats and from detected ones.

    Parameters
    ----------
    folder : path
        Of mitdb.
    classifier : Classifier
    progress : callable, optional

    Returns
    -------
    dict of str to list of RowScore
        ``"reference"`` and ``"detected"`` beats.
    """
    scores: dict[str, list[list[RowScore]]] = {"reference": [], "detected": []}
    for name in progress(DS2):
        record = read_record(folder / name)
        beats = reference_beats(record)
        rows = rows_of([one.sample for one in beats], [one.label for one in beats])
        reference = [(row[0], row[-1], len(row)) for row in rows]
        rhythm = RhythmStream(record.fs)
        for kind, events in (
            ("reference", [*rhythm.process(beats), *rhythm.flush()]),
            ("detected", record_events(record, classifier)[1]),
        ):
            tolerance = 0.0 if kind == "reference" else TOLERANCE_S * record.fs
            scores[kind].append(score_rows(reference, _event_rows(events), tolerance))
    return {
        kind: [
            RowScore(
                rows[0].kind,
                *(
                    sum(getattr(one, field) for one in rows)
                    for field in ("reference", "found", "test", "right")
                ),
            )
            for rows in zip(*records, strict=True)
        ]
        for kind, records in scores.items()
    }


# --------------------------------------------------------------------------------------- pauses

#: Seconds before an R peak in which its P wave lies; an inserted pause comes before it.
_BEFORE_R_S = 0.24


def insert_pause(
    signal: Samples, fs: float, r_peak: int, seconds: float, seed: int, *, p_waves: bool
) -> Samples:
    """Insert a pause before a beat, filled with noise like that between the beats.

    Parameters
    ----------
    signal : ndarray of float32, shape (n, n_leads)
    fs : float
        Sampling rate in Hz.
    r_peak : int
        The beat before whose P wave the pause is inserted.
    seconds : float
        Length of what is inserted.
    seed : int
        Of the noise.
    p_waves : bool
        Whether P waves continue through the pause, as in atrioventricular block.

    Returns
    -------
    ndarray of float32, shape (n + seconds * fs, leads)
    """
    rng = np.random.default_rng(seed)
    at = r_peak - round(_BEFORE_R_S * fs)
    n = round(seconds * fs)
    rest = signal[at - round(0.1 * fs) : at].astype(np.float64)
    steps = np.diff(rest, axis=0)
    noise = rng.normal(0.0, 1.0, (n + 2, signal.shape[1]))
    noise = (noise[:-2] + noise[1:-1] + noise[2:]) / 3.0 * (steps.std(axis=0) + 1e-3)
    wander = 0.05 * np.sin(2 * np.pi * 0.25 * np.arange(n) / fs)[:, np.newaxis]
    ramp = np.linspace(0.0, 1.0, n)[:, np.newaxis]
    ends = signal[at - 1] * (1.0 - ramp) + signal[at] * ramp
    inside = ends + noise + wander
    if p_waves:
        wave = signal[at : r_peak - round(0.08 * fs)].astype(np.float64)
        wave = wave - np.linspace(wave[0], wave[-1], len(wave))
        for begin in range(round(0.6 * fs), n - round(0.5 * fs), round(0.8 * fs)):
            inside[begin : begin + len(wave)] += wave
    return np.concatenate([signal[:at], inside.astype(np.float32), signal[at:]])


@dataclass(frozen=True)
class PauseScores:
    """Pauses that were put into recordings.

    Attributes
    ----------
    inserted, found : int
        Pauses, and those that were reported with both their beats right.
    false : int
        Pauses and asystoles that were reported elsewhere in these recordings.
    hours : float
        Hours of signal.
    missed : tuple of (str, float, float)
        Recording, time and length in s of the others.
    """

    inserted: int
    found: int
    false: int
    hours: float
    missed: tuple[tuple[str, float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "inserted": self.inserted, "found": self.found, "false": self.false,
            "hours": self.hours, "missed": [list(one) for one in self.missed],
        }  # fmt: skip


def evaluate_pauses(
    paths: Sequence[Path],
    classifier: Classifier,
    *,
    each: int = 20,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> PauseScores:
    """Insert pauses of 2.05 to 8 s into recordings, every other one with P waves, and find them.

    Parameters
    ----------
    paths : sequence of path
        Records with reference beats.
    classifier : Classifier
    each : int
        Pauses in each.
    progress : callable, optional

    Returns
    -------
    PauseScores

    Raises
    ------
    InputError
        If a record is too short for so many pauses.
    """
    found = false = inserted = 0
    hours = 0.0
    missed = []
    for path in progress(paths):
        record = read_record(path)
        marks = record.annotations
        assert marks is not None
        fs, rng = record.fs, np.random.default_rng(sum(path.name.encode()))
        beats = np.asarray(marks.sample)[is_beat(marks.symbol)]
        # One pause in each of as many equal parts, the first half minute left alone.
        parts = np.linspace(30 * fs, record.n_samples - 30 * fs, each + 1)
        if parts[1] - parts[0] <= 10 * fs:
            raise InputError(
                f"{record.name}: {each} pauses need more than {60 + 10 * each} s of signal, got "
                f"{record.n_samples / fs:.0f} s"
            )
        signal, shift, truth = record.signal.astype(np.float32), 0, []
        for i in range(each):
            k = int(np.searchsorted(beats, rng.uniform(parts[i], parts[i + 1] - 10 * fs)))
            length = rng.uniform(2.05, 8.0)
            before, after = int(beats[k - 1]) + shift, int(beats[k]) + shift
            extra = length - (after - before) / fs
            signal = insert_pause(signal, fs, after, extra, i, p_waves=bool(i % 2))
            shift += round(extra * fs)
            truth.append((before, after + round(extra * fs)))
        changed = Record(signal, fs, record.leads, name=path.name)
        _, events = record_events(changed, classifier)
        reported = [
            (one.start, one.end)
            for one in events
            if one.kind in (EventKind.PAUSE, EventKind.ASYSTOLE)
        ]
        for begin, end in truth:
            hit = next(
                (
                    one
                    for one in reported
                    if max(abs(one[0] - begin), abs(one[1] - end)) <= TOLERANCE_S * fs
                ),
                None,
            )
            if hit is None:
                missed.append((path.name, begin / fs, (end - begin) / fs))
            else:
                reported.remove(hit)
                found += 1
        false += len(reported)
        inserted += len(truth)
        hours += len(signal) / fs / 3600.0
    return PauseScores(inserted, found, false, hours, tuple(missed))


# --------------------------------------------------------------------------------------- alarms


def critical_alarms(events: Iterable[Event]) -> list[Event]:
    """The events of high severity: asystole, ventricular runs and flutter, extreme rates."""
    return [one for one in events if one.kind in _CRITICAL and one.severity is Severity.HIGH]


@dataclass(frozen=True)
class AlarmScore:
    """False alarms in a recording that should have no alarm.

    Attributes
    ----------
    record : str
    hours : float
    alarms : tuple of str
        Kind of each critical alarm.
    runs : int
        Ventricular runs of any severity.
    pauses : int
        Pauses and asystoles.
    noise : float
        Share of the recording within events of noise, 0 to 1.
    beats : int
        Beats that were detected.
    """

    record: str
    hours: float
    alarms: tuple[str, ...]
    runs: int
    pauses: int
    noise: float
    beats: int

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names."""
        return {
            "record": self.record, "hours": self.hours, "alarms": list(self.alarms),
            "runs": self.runs, "pauses": self.pauses, "noise": self.noise, "beats": self.beats,
        }  # fmt: skip


def evaluate_alarms(records: Iterable[Record], classifier: Classifier) -> list[AlarmScore]:
    """Count alarms in recordings."""
    scores = []
    for record in records:
        beats, events = record_events(record, classifier)
        noisy = np.zeros(record.n_samples, bool)
        for one in events:
            if one.kind is EventKind.NOISE:
                noisy[one.start : one.end] = True
        scores.append(
            AlarmScore(
                record.name,
                record.n_samples / record.fs / 3600.0,
                tuple(str(one.kind) for one in critical_alarms(events)),
                sum(one.kind is EventKind.VENTRICULAR_RUN for one in events),
                sum(one.kind in (EventKind.PAUSE, EventKind.ASYSTOLE) for one in events),
                float(noisy.mean()),
                len(beats),
            )
        )
    return scores


# nstdb adds noise from minute 5 on, in turns of two minutes with noise and two without.
_EM_BEGIN_S, _EM_LENGTH_S = 300, 120


def noise_recordings(data: Path) -> Iterator[Record]:
    """Recordings of noise alone: nstdb's `bw` and `ma`, and its electrode motion `em`.

    Electrode motion is the difference between 118e_6 and 118 in the minutes with noise.
    """
    for name in ("bw", "ma"):
        record = read_record(data / "nstdb" / name)
        yield Record(record.signal, record.fs, record.leads, name=f"nstdb {name}")
    noisy, clean = read_record(data / "nstdb" / "118e_6"), read_record(data / "mitdb" / "118")
    n, fs = min(noisy.n_samples, clean.n_samples), noisy.fs
    motion = noisy.signal[:n] - clean.signal[:n]
    begins = range(round(_EM_BEGIN_S * fs), n, round(2 * _EM_LENGTH_S * fs))
    pieces = [motion[begin : begin + round(_EM_LENGTH_S * fs)] for begin in begins]
    yield Record(np.concatenate(pieces), fs, noisy.leads, name="nstdb em")
