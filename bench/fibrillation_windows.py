"""The windows of beats from which the model of atrial fibrillation is fitted and chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgfast import Beat, Classifier, Quality, RhythmStream, StreamingClassifier, read_record
from ecgfast.evaluation.ec57 import AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.episodes import rhythm_episodes
from ecgfast.evaluation.false_alarms import strip_rhythms
from ecgfast.evaluation.mitdb import PACED
from ecgfast.records import Record
from ecgfast.rhythm._beat_window import EVERY, BeatWindow
from ecgfast.rhythm.atrial import (
    P_FEATURES,
    REGULAR,
    RR_FEATURES,
    AtrialModel,
    AtrialSettings,
    Floats,
    PWaves,
    WindowOdds,
    expanded_p,
    expanded_rr,
)
from ecgfast.training.datasets.splits import patient_of

FOLDS = 5

DAY_BEATS = 25000
"""Beats of each whole day of reference beats: some five hours."""

Spans = npt.NDArray[np.int64]
NONE = np.empty((0, 2), np.int64)


@dataclass
class Look:
    """One window at which the rule for episodes can look.

    Attributes
    ----------
    samples : ndarray of int64
        R peaks.
    fresh : int
        Beats since the look before.
    ended : bool
        Whether no beat follows.
    readable, irregular : bool
        As `BeatWindow` says.
    stretch : (int, int)
        First R peak of the stretch of signal, and its beats up to now.
    """

    samples: npt.NDArray[np.int64]
    fresh: int
    ended: bool
    readable: bool
    irregular: bool
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
    scored : list of int
        Which of them are irregular.
    rr, p : list of ndarray
        Features of these; NaN where P waves are not available.
    spans : list of (int, int)
        First and last R peak of the beats that each of these is scored for.
    target : ndarray of float64
        1 for atrial fibrillation, 0 for none, NaN for windows that train nothing.
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
    scored: list[int] = field(default_factory=list)
    rr: list[Floats] = field(default_factory=list)
    p: list[Floats] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    target: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


class _Features:
    """A scorer that stores the features; what it says is not used."""

    def __init__(self, settings: AtrialSettings, into: Recording) -> None:
        self.settings = settings
        self._into = into

    def log_odds(self, rr: Floats, p: Floats) -> float:
        self._into.rr.append(rr)
        self._into.p.append(p)
        return REGULAR


class _Recorder:
    """Stands in place of `Irregular`: looks at every window, and stores it."""

    def __init__(self, window: BeatWindow, odds: WindowOdds, into: Recording) -> None:
        self._window, self._odds, self._into = window, odds, into
        window.episode = 1  # as in an episode, every window is looked at

    def look(self) -> None:
        self._store(ended=False)
        self._window.fresh, self._window.every = 0, EVERY
        self._window.episode = 1

    def end(self) -> None:
        if self._window.n_beats:
            self._store(ended=True)
            self._window.clear()

    def _store(self, *, ended: bool) -> None:
        window, into = self._window, self._into
        n, samples = window.n_beats, window.samples
        worth = window.is_irregular and (not ended or n >= window.size // 2)
        if worth:
            self._odds()
            into.scored.append(len(into.looks))
            ahead = (window.size - EVERY) // 2
            first, last = max(0, n - ahead - window.fresh), n if ended else n - ahead
            into.spans.append((int(samples[first]), int(samples[last - 1])))
        into.looks.append(
            Look(
                samples, window.fresh, ended, window.is_readable, worth,
                (window.stretch_start, window.stretch_beats),
            )
        )  # fmt: skip


class RecordingStream(RhythmStream):
    """A stream that finds no episodes of fibrillation but stores the windows."""

    def __init__(self, into: Recording, settings: AtrialSettings, n_leads: int = 1) -> None:
        scorer = _Features(settings, into)
        super().__init__(into.fs, n_leads=n_leads, atrial=scorer)
        window = self._scan.window
        odds = WindowOdds(window, PWaves(self.fs / self._signal.group), scorer)
        self._irregular = _Recorder(window, odds, into)  # type: ignore[assignment]


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

    def windows(self, settings: AtrialSettings) -> Recording:
        """The windows of this size, with their targets."""
        out = Recording(self.name, self.patient, self.dataset, self.fs, label=self.label)
        record = self.record
        stream = RecordingStream(out, settings, 1 if record is None else record.signal.shape[1])
        stream.process(self.beats, None if record is None else record.signal)
        stream.flush()
        if self.dataset == "mitdb":
            assert record is not None
            _annotated(out, record)
        else:
            # Other rhythms are needed as negatives: irregular ones with P waves.
            out.target = np.full(len(out.rr), float(self.label == "A"))
            out.n_samples = 0 if record is None else record.n_samples
        return out


def _annotated(out: Recording, record: Record) -> None:
    """Episodes, and targets: 1 with at least 90 % of fibrillation, 0 with at most 10 %."""
    marks = record.annotations
    assert marks is not None
    texts = [str(text) for text in marks.aux]
    out.n_samples = record.n_samples
    out.fibrillation, out.flutter = (
        rhythm_episodes(marks.sample, list(marks.symbol), texts, record.n_samples, code)
        for code in ("(AFIB", "(AFL")
    )

    def share(spans: Spans, begin: int, end: int) -> float:
        inside = (min(end, b) - max(begin, a) for a, b in spans.tolist())
        return float(sum(max(0, one) for one in inside)) / (end - begin)

    target = []
    for begin, end in out.spans:
        fibrillation, flutter = share(out.fibrillation, begin, end), share(out.flutter, begin, end)
        clear = flutter <= 0.1 and not 0.1 < fibrillation < 0.9
        target.append(float(fibrillation > 0.5) if clear else np.nan)
    out.target = np.array(target)


def _from_record(path: Path, dataset: str, patient: str, classifier: Classifier) -> Source:
    record = read_record(path)
    labeller = StreamingClassifier(
        classifier, record.fs, n_leads=record.signal.shape[1], lookahead=classifier.lookahead
    )
    beats = [*labeller.process(record.signal), *labeller.flush()]
    return Source(path.name, patient, dataset, beats, record, record.fs)


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


def sources(
    data: Path, classifier: Classifier, *, without: Sequence[str] = (), every: int = 1
) -> Iterable[Source]:
    """The recordings, one after the other.

    Parameters
    ----------
    data : path
        Holds mitdb/, cinc2017/, nsrdb/ and nsrdb_rr/.
    classifier : Classifier
        Labels the beats.
    without : sequence of str
        Records of mitdb that are left out, beside those with a pacemaker.
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
        if path.stem not in (*PACED, *without):
            patient = patient_of("mitdb", path.stem)
            yield _from_record(path.with_suffix(""), "mitdb", patient, classifier)
    strips = [
        (name, kind) for name, kind in strip_rhythms(data / "cinc2017").items() if kind in "ANO"
    ]
    for name, label in strips[::every]:
        one = _from_record(data / "cinc2017" / name, "cinc2017", name, classifier)
        one.label = label
        yield one
    for path in sorted((data / "nsrdb").glob("*.hea"))[::every]:
        yield _from_record(path.with_suffix(""), "nsrdb", path.stem, classifier)
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


@dataclass
class Inputs:
    """Inputs of the regression, of many recordings.

    Attributes
    ----------
    rr, p : ndarray of float64, shape (n, ...)
        `expanded_rr` and `expanded_p` of all scored windows.
    target, weight : ndarray of float64, shape (n,)
        A recording's weight is the root of its number of windows that have a target.
    begin : ndarray of int, shape (recordings + 1,)
        Where each recording begins.
    """

    rr: Floats
    p: Floats
    target: Floats
    weight: Floats
    begin: npt.NDArray[np.intp]

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> Inputs:
        """The windows of these recordings."""
        clear = [np.isfinite(one.target) for one in recordings]
        return cls(
            expanded_rr(_rows([one.rr for one in recordings], len(RR_FEATURES))),
            expanded_p(_rows([one.p for one in recordings], len(P_FEATURES))),
            np.concatenate([one.target for one in recordings]),
            np.concatenate([np.full(len(one), max(1, one.sum()) ** -0.5) for one in clear]),
            np.cumsum([0, *(len(one) for one in clear)]),
        )

    def fitted(
        self, used: Sequence[bool], settings: AtrialSettings, strength: float
    ) -> AtrialModel:
        """Fit to some of the recordings; `strength` is the inverse one of the penalty."""
        of_used = np.repeat(np.asarray(used, bool), np.diff(self.begin)) & np.isfinite(self.target)
        shown = of_used & np.isfinite(self.p).all(axis=1)
        both = np.concatenate([self.rr[shown], self.p[shown]], axis=1)
        return AtrialModel(
            _weights(both, self.target[shown], self.weight[shown], strength),
            _weights(self.rr[of_used], self.target[of_used], self.weight[of_used], strength),
            settings,
        )

    def log_odds(self, recording: int, model: AtrialModel) -> Floats:
        """Of the scored windows of a recording, as `AtrialModel.log_odds` gives them."""
        part = slice(self.begin[recording], self.begin[recording + 1])
        rr, p = self.rr[part], self.p[part]
        n = rr.shape[1]
        out: Floats = rr @ model.without_p[:-1] + model.without_p[-1]
        shown = np.isfinite(p).all(axis=1)
        out[shown] = rr[shown] @ model.with_p[:n] + p[shown] @ model.with_p[n:-1] + model.with_p[-1]
        return out


def _rows(parts: Sequence[list[Floats]], n: int) -> Floats:
    return np.array([row for part in parts for row in part], np.float64).reshape(-1, n)


def _weights(x: Floats, y: Floats, w: Floats, strength: float) -> Floats:
    regression = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
    model: Pipeline = make_pipeline(StandardScaler(), regression)
    model.fit(x, y, logisticregression__sample_weight=w)
    scaler = model[0]
    weights = regression.coef_[0] / scaler.scale_
    constant = regression.intercept_[0] - float(weights @ scaler.mean_)
    return np.round(np.append(weights, constant), 6)
