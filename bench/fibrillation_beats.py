"""The beats from which the network of atrial fibrillation is fitted and chosen."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb

from ecgfast import Beat, Classifier, Quality, RhythmStream, StreamingClassifier, read_record
from ecgfast.evaluation.ec57 import AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.episodes import rhythm_episodes
from ecgfast.evaluation.false_alarms import strip_rhythms
from ecgfast.evaluation.mitdb import PACED
from ecgfast.records import Record
from ecgfast.rhythm._beat_window import CONTEXT, EVERY, N_INPUTS, BeatWindow
from ecgfast.rhythm.atrial import REGULAR, AtrialModel, AtrialSettings, Floats, shapes
from ecgfast.rhythm.irregular import unscored
from ecgfast.training.datasets.splits import patient_of

FOLDS = 5

DAY_BEATS = 25000
"""Beats of each whole day of reference beats: some five hours."""

Spans = npt.NDArray[np.int64]
NONE = np.empty((0, 2), np.int64)


NO_MODEL = AtrialModel(
    [np.zeros((1, *shape), np.float32) for shape in shapes()], AtrialSettings(0.5, 32.0, 32.0, 0.5)
)
"""For a stream that is to find nothing: its network is not asked."""


@dataclass
class Look:
    """One window at which the rule for episodes can look.

    Attributes
    ----------
    samples : ndarray of int64
        R peaks.
    fresh : int
        Beats since the look before.
    begin, end : int
        The beats that it scores, among those of the recording that are scored.
    ended : bool
        Whether no beat follows.
    readable, irregular, interrupted : bool
        As `BeatWindow` says.
    stretch : (int, int)
        First R peak of the stretch of signal, and its beats up to now.
    """

    samples: npt.NDArray[np.int64]
    fresh: int
    begin: int
    end: int
    ended: bool
    readable: bool
    irregular: bool
    interrupted: bool
    stretch: tuple[int, int]


@dataclass
class Recording:
    """All windows of one recording.

    Attributes
    ----------
    name, patient, dataset : str
    fs : float
    n_samples : int
    label : str
        Of a strip, else "".
    fibrillation, flutter : ndarray of int64, shape (k, 2)
        Episodes of the reference.
    looks : list of Look
    inputs : ndarray of float32, shape (n, N_INPUTS)
        Of all beats that are scored.
    samples : ndarray of int64, shape (n,)
        Their R peaks.
    ends : list of int
        The beats after the last of each stretch without lost signal.
    irregular : ndarray of bool, shape (n,)
        Whether the network is asked.
    target : ndarray of float64, shape (n,)
        1 for atrial fibrillation, 0 for none, NaN for flutter, which trains nothing.
    """

    name: str
    patient: str
    dataset: str
    fs: float
    n_samples: int = 0
    label: str = ""
    fibrillation: Spans = field(default_factory=NONE.copy)
    flutter: Spans = field(default_factory=NONE.copy)
    looks: list[Look] = field(default_factory=list)
    inputs: Floats = field(default_factory=lambda: np.empty((0, N_INPUTS), np.float32))
    samples: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    ends: list[int] = field(default_factory=list)
    irregular: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    target: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def record(self) -> str:
        """Name of the record, of which it may be one lead, or a day's beats."""
        return self.name.partition(" ")[0]

    def stretches(self) -> Iterator[tuple[int, int]]:
        """First beat, and the one after the last, of each stretch without lost signal."""
        yield from itertools.pairwise([0, *self.ends])

    def padded(self) -> Iterator[Floats]:
        """Inputs of each stretch, with the beats missing before and after it."""
        for begin, end in self.stretches():
            yield np.pad(self.inputs[begin:end], ((CONTEXT, CONTEXT), (0, 0)))

    def odds(self, model: AtrialModel) -> list[list[float]]:
        """Log odds of the beats of each look, as `BeatOdds` gives them."""
        some = [model.log_odds(one) for one in self.padded()] if self.irregular.any() else []
        every = np.concatenate(some) if some else np.zeros(len(self.inputs))
        return [
            every[look.begin : look.end].tolist() if look.irregular
            else [REGULAR if look.readable else 0.0] * (look.end - look.begin)
            for look in self.looks
        ]  # fmt: skip


class _Recorder:
    """Stands in place of `Irregular`: looks at every window, and stores it."""

    def __init__(self, window: BeatWindow, into: Recording) -> None:
        self._window, self._into = window, into
        self._inputs: list[Floats] = []
        self._samples: list[npt.NDArray[np.int64]] = []
        self._n = 0
        window.episode = 1  # as in an episode, every window is looked at

    def look(self) -> None:
        self._store(ended=False)
        self._window.fresh, self._window.every = 0, EVERY
        self._window.episode = 1

    def end(self) -> None:
        if self._window.n_beats:
            self._store(ended=True)
            self._into.ends.append(self._n)
            self._window.clear()

    def _store(self, *, ended: bool) -> None:
        window, into = self._window, self._into
        samples = window.samples
        first, last = unscored(window, ended=ended)
        self._inputs.append(window.inputs(first, last)[CONTEXT : CONTEXT + last - first])
        self._samples.append(samples[first:last])
        begin, self._n = self._n, self._n + last - first
        into.looks.append(
            Look(
                samples, window.fresh, begin, self._n, ended, window.is_readable,
                window.is_irregular,
                window.is_interrupted, (window.stretch_start, window.stretch_beats),
            )
        )  # fmt: skip

    def finish(self) -> None:
        """Put the beats of all looks into the recording."""
        into = self._into
        if self._inputs:
            into.inputs, into.samples = np.concatenate(self._inputs), np.concatenate(self._samples)
        into.irregular = np.zeros(self._n, bool)
        for look in into.looks:
            into.irregular[look.begin : look.end] = look.irregular


class RecordingStream(RhythmStream):
    """A stream that finds no episodes of fibrillation but stores the beats."""

    def __init__(self, into: Recording, n_leads: int = 1) -> None:
        super().__init__(into.fs, n_leads=n_leads, atrial=NO_MODEL)
        self.recorder = _Recorder(self._scan.window, into)
        self._irregular = self.recorder  # type: ignore[assignment]


@dataclass
class Source:
    """A recording with its beats, before it is cut into windows."""

    name: str
    patient: str
    dataset: str
    beats: list[Beat]
    record: Record | None
    fs: float
    label: str = ""

    def scored(self) -> Recording:
        """The beats that are scored, with their targets."""
        out = Recording(self.name, self.patient, self.dataset, self.fs, label=self.label)
        record = self.record
        stream = RecordingStream(out, 1 if record is None else record.signal.shape[1])
        stream.process(self.beats, None if record is None else record.signal)
        stream.flush()
        stream.recorder.finish()
        # Other rhythms are needed as negatives: irregular ones with P waves.
        out.target = np.full(len(out.inputs), float(self.label == "A"))
        if self.dataset == "mitdb":
            assert record is not None
            _annotated(out, record)
        else:
            out.n_samples = 0 if record is None else record.n_samples
        return out


def _annotated(out: Recording, record: Record) -> None:
    """Episodes, and targets."""
    marks = record.annotations
    assert marks is not None
    texts = [str(text) for text in marks.aux]
    out.n_samples = record.n_samples
    out.fibrillation, out.flutter = (
        rhythm_episodes(marks.sample, list(marks.symbol), texts, record.n_samples, code)
        for code in ("(AFIB", "(AFL")
    )
    for spans, value in ((out.fibrillation, 1.0), (out.flutter, np.nan)):
        for begin, end in spans.tolist():
            out.target[(out.samples >= begin) & (out.samples < end)] = value


def _from_record(
    path: Path, dataset: str, patient: str, classifier: Classifier, *, each_lead: bool = False
) -> Iterator[Source]:
    """All leads together, then on request each by itself, with the labels that it gives."""
    record = read_record(path)
    for lead in [None, *(record.leads if each_lead else [])]:
        part = record if lead is None else read_record(path, leads=[lead])
        labeller = StreamingClassifier(
            classifier, record.fs, n_leads=part.signal.shape[1], lookahead=classifier.lookahead
        )
        beats = [*labeller.process(part.signal), *labeller.flush()]
        name = path.name if lead is None else f"{path.name} {lead}"
        yield Source(name, patient, dataset, beats, part, record.fs)


def _from_day(path: Path) -> Source:
    """Reference beats of a healthy person's day: RR intervals alone."""
    marks = wfdb.rdann(str(path), "atr")
    keep = is_beat(marks.symbol)
    labels = [AAMI_OF_SYMBOL[one] for one in np.array(marks.symbol)[keep]]
    samples, fs, nan = np.array(marks.sample)[keep].tolist(), 128.0, float("nan")
    beats: list[Beat] = []
    for sample, label in zip(samples[:DAY_BEATS], labels, strict=False):
        if not beats or sample > beats[-1].sample:
            beats.append(Beat(sample, sample / fs, label, 1.0, {}, nan, nan, Quality.GOOD))
    return Source(f"{path.name} day", path.name, "nsrdb_rr", beats, None, fs)


def sources(data: Path, classifier: Classifier, *, every: int = 1) -> Iterable[Source]:
    """The recordings, one after the other; those of mitdb and nsrdb also as each lead by itself.

    Parameters
    ----------
    data : path
        Holds mitdb/, cinc2017/, nsrdb/ and nsrdb_rr/.
    classifier : Classifier
        Labels the beats.
    every : int, default 1
        Of the strips, and of the people of nsrdb, one in so many.
    """
    days = sorted((data / "nsrdb_rr").glob("*.atr"))
    if not days:
        raise SystemExit(
            f"{data / 'nsrdb_rr'}: has no .atr files; put the annotations of nsrdb's whole days "
            "there, as PhysioNet publishes them"
        )
    for path in sorted((data / "mitdb").glob("*.hea")):
        if path.stem not in PACED:
            patient = patient_of("mitdb", path.stem)
            yield from _from_record(
                path.with_suffix(""), "mitdb", patient, classifier, each_lead=True
            )
    strips = [
        (name, kind) for name, kind in strip_rhythms(data / "cinc2017").items() if kind in "ANO"
    ]
    for name, label in strips[::every]:
        for one in _from_record(data / "cinc2017" / name, "cinc2017", name, classifier):
            one.label = label
            yield one
    for path in sorted((data / "nsrdb").glob("*.hea"))[::every]:
        yield from _from_record(
            path.with_suffix(""), "nsrdb", path.stem, classifier, each_lead=True
        )
    yield from (_from_day(path.with_suffix("")) for path in days[::every])


def patients_of(recordings: Iterable[Recording]) -> tuple[list[str], list[str]]:
    """Patients of mitdb with atrial fibrillation or flutter, and all others."""
    patients: dict[str, bool] = {}
    for one in recordings:
        has = one.dataset == "mitdb" and bool(np.any(~(one.target == 0.0)))
        patients[one.patient] = patients.get(one.patient, False) or has
    return [name for name, has in patients.items() if has], [
        name for name, has in patients.items() if not has
    ]


def folds(recordings: Iterable[Recording]) -> list[list[str]]:
    """Patients of each fold: one of mitdb with fibrillation or flutter alone, others together."""
    ill, rest = patients_of(recordings)
    return [*([name] for name in ill), *(rest[i::FOLDS] for i in range(FOLDS))]
