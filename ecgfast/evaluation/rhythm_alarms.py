"""Pauses that were inserted, and false alarms of healthy people and of noise alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..records import Record, read_record
from ..rhythm import Event, EventKind, Severity
from .ec57 import TOLERANCE_S, is_beat
from .rhythm_events import Samples, record_events

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = [
    "NOISE",
    "AlarmScore",
    "PauseScores",
    "critical_alarms",
    "evaluate_alarms",
    "evaluate_pauses",
    "insert_pause",
    "noise_recordings",
]


#: Kinds that are alarms of high priority where the event's severity says so.
_CRITICAL = (
    EventKind.ASYSTOLE,
    EventKind.VENTRICULAR_RUN,
    EventKind.VENTRICULAR_FLUTTER,
    EventKind.EXTREME_BRADYCARDIA,
    EventKind.EXTREME_TACHYCARDIA,
)

#: Seconds before an R peak in which its P wave lies; an inserted pause comes before it.
_BEFORE_R_S = 0.24

#: Recordings of noise alone, and the one whose noise `noise_recordings` takes off its ECG.
NOISE = ("nstdb/bw", "nstdb/ma", "nstdb/118e_6")

# nstdb adds noise from minute 5 on, in turns of two minutes with noise and two without.
_EM_BEGIN_S, _EM_LENGTH_S = 300, 120


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


def noise_recordings(data: Path) -> Iterator[Record]:
    """Recordings of noise alone: nstdb's `bw` and `ma`, and its electrode motion `em`.

    Electrode motion is the difference between 118e_6 and 118 in the minutes with noise.
    """
    *alone, motion_and_ecg = NOISE
    for name in alone:
        record = read_record(data / name)
        yield Record(record.signal, record.fs, record.leads, name=name.replace("/", " "))
    noisy, clean = read_record(data / motion_and_ecg), read_record(data / "mitdb" / "118")
    n, fs = min(noisy.n_samples, clean.n_samples), noisy.fs
    motion = noisy.signal[:n] - clean.signal[:n]
    begins = range(round(_EM_BEGIN_S * fs), n, round(2 * _EM_LENGTH_S * fs))
    pieces = [motion[begin : begin + round(_EM_LENGTH_S * fs)] for begin in begins]
    yield Record(np.concatenate(pieces), fs, noisy.leads, name="nstdb em")
