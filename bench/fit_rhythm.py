"""Fit the model of atrial fibrillation that `ecgfast.rhythm` uses.

``python bench/fit_rhythm.py recordings`` runs the beats of mitdb, cinc2017 and nsrdb (and the
reference beats of nsrdb's whole days in ``nsrdb_rr``) through `RhythmStream`, fits
two logistic regressions (with and without P waves) and writes ``ecgfast/rhythm/atrial.json``: the
model of all recordings, and for each fold the model that never saw its patients, which
``ecgfast evaluate rhythm`` scores. Each patient of mitdb with atrial fibrillation or flutter is a
fold of its own; the other patients and the strips of cinc2017 are distributed over five.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgfast import Beat, Classifier, Quality, RhythmStream, read_record
from ecgfast.evaluation.ec57 import AAMI_OF_SYMBOL, is_beat
from ecgfast.evaluation.episodes import rhythm_episodes
from ecgfast.evaluation.false_alarms import strip_rhythms
from ecgfast.evaluation.mitdb import PACED
from ecgfast.evaluation.rhythm import record_events
from ecgfast.rhythm.atrial import (
    FEATURES,
    P_FEATURES,
    AtrialModel,
    Floats,
    expanded_p,
    expanded_rr,
)
from ecgfast.training.datasets.splits import patient_of

OUTPUT = Path(__file__).parents[1] / "ecgfast" / "rhythm" / "atrial.json"
FOLDS = 5
STRENGTH = 0.01
"""Inverse strength of the regression's penalty."""

DAY_BEATS = 25000
"""Beats of each whole day: some five hours."""


@dataclass
class Rows:
    """Windows of one recording.

    Attributes
    ----------
    name, patient : str
    rr, p : list of ndarray
        Features; NaN where P waves are not available.
    spans : list of (int, int)
        First and last R peak of the beats that each window is scored for.
    target : ndarray of float64
        1 for atrial fibrillation, 0 for none, NaN for windows that are not used.
    """

    name: str
    patient: str
    rr: list[Floats] = field(default_factory=list)
    p: list[Floats] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    target: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    stream: RhythmStream | None = None

    def log_odds(self, rr: Floats, p: Floats | None) -> float:
        """Store the features; the odds are below every threshold: no episode begins."""
        assert self.stream is not None
        self.rr.append(rr)
        self.p.append(np.full(len(P_FEATURES), np.nan) if p is None else p)
        self.spans.append(self.stream.atrial_window)
        return -9.0


def from_record(path: Path, patient: str, classifier: Classifier) -> Rows:
    """The windows of a recording, from its detected beats."""
    rows, record = Rows(path.name, patient), read_record(path)
    rows.stream = RhythmStream(record.fs, n_leads=record.signal.shape[1], atrial=rows)
    record_events(record, classifier, rhythm=rows.stream)
    rows.stream = None
    return rows


def from_mitdb(path: Path, classifier: Classifier) -> Rows:
    """Windows of mitdb: 1 with at least 90 % of fibrillation, 0 with at most 10 %."""
    rows = from_record(path, patient_of("mitdb", path.name), classifier)
    record = read_record(path)
    marks = record.annotations
    assert marks is not None
    texts = [str(text) for text in marks.aux]

    def share(code: str, begin: int, end: int) -> float:
        spans = rhythm_episodes(marks.sample, list(marks.symbol), texts, record.n_samples, code)
        inside = (min(end, b) - max(begin, a) for a, b in spans.tolist())
        return float(sum(max(0, one) for one in inside)) / (end - begin)

    target = []
    for begin, end in rows.spans:
        fibrillation, flutter = share("(AFIB", begin, end), share("(AFL", begin, end)
        clear = flutter <= 0.1 and not 0.1 < fibrillation < 0.9
        target.append(float(fibrillation > 0.5) if clear else np.nan)
    rows.target = np.array(target)
    return rows


def from_day(path: Path) -> Rows:
    """Reference beats of a healthy person's day: RR intervals alone."""
    marks = wfdb.rdann(str(path), "atr")
    keep = is_beat(marks.symbol)
    labels = [AAMI_OF_SYMBOL[one] for one in np.array(marks.symbol)[keep]]
    samples, fs, nan = np.array(marks.sample)[keep].tolist(), 128.0, float("nan")
    rows = Rows(f"{path.name} day", path.name)
    rows.stream = RhythmStream(fs, atrial=rows)
    last = -1
    for sample, label in zip(samples[:DAY_BEATS], labels, strict=False):
        if sample > last:
            beat = Beat(sample, sample / fs, label, 1.0, {}, nan, nan, Quality.GOOD)
            rows.stream.process([beat])
            last = sample
    rows.stream = None
    rows.target = np.zeros(len(rows.rr))
    return rows


def collected(data: Path, classifier: Classifier) -> list[Rows]:
    """The windows of all recordings."""
    rows = []
    for path in sorted((data / "mitdb").glob("*.hea")):
        if path.stem not in PACED:
            rows.append(from_mitdb(path.with_suffix(""), classifier))
    for name, label in strip_rhythms(data / "cinc2017").items():
        if label in "ANO":
            one = from_record(data / "cinc2017" / name, name, classifier)
            # Other rhythms are needed as negatives: irregular ones with P waves.
            one.target = np.full(len(one.rr), float(label == "A"))
            rows.append(one)
    for path in sorted((data / "nsrdb").glob("*.hea")):
        one = from_record(path.with_suffix(""), path.stem, classifier)
        one.target = np.zeros(len(one.rr))
        rows.append(one)
    days = sorted((data / "nsrdb_rr").glob("*.atr"))
    if not days:
        raise SystemExit(
            f"{data / 'nsrdb_rr'}: has no .atr files; put the annotations of nsrdb's whole days "
            "there, as PhysioNet publishes them"
        )
    rows += [from_day(path.with_suffix("")) for path in days]
    return rows


def fitted(rows: Sequence[Rows]) -> AtrialModel:
    """Fit to these recordings; a recording's weight is the root of its number of windows."""
    rr, p, target, weight = [], [], [], []
    for one in rows:
        clear = np.isfinite(one.target)
        if clear.any():
            rr.append(expanded_rr(np.array(one.rr)[clear]))
            p.append(expanded_p(np.array(one.p)[clear]))
            target.append(one.target[clear])
            weight.append(np.full(int(clear.sum()), clear.sum() ** -0.5))
    x = np.concatenate([np.concatenate(rr), np.concatenate(p)], axis=1)
    y, w = np.concatenate(target), np.concatenate(weight)
    shown = np.isfinite(x).all(axis=1)
    n = rr[0].shape[1]
    return AtrialModel(_weights(x[shown], y[shown], w[shown]), _weights(x[:, :n], y, w))


def _weights(x: Floats, y: Floats, w: Floats) -> Floats:
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000))
    model.fit(x, y, logisticregression__sample_weight=w)
    scaler, regression = model[0], model[1]
    weights = regression.coef_[0] / scaler.scale_
    constant = regression.intercept_[0] - float(weights @ scaler.mean_)
    return np.round(np.append(weights, constant), 6)


def folds(rows: Iterable[Rows]) -> list[list[str]]:
    """Patients of each fold."""
    patients = {one.patient: False for one in rows}
    for one in rows:
        if not one.name.startswith("A"):
            patients[one.patient] |= bool(np.any(~(one.target == 0.0)))
    alone = [[name] for name, has in patients.items() if has]
    rest = [name for name, has in patients.items() if not has]
    return [*alone, *(rest[i::FOLDS] for i in range(FOLDS))]


def main() -> None:
    """Fit, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds mitdb/, cinc2017/, nsrdb/, nsrdb_rr/")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    rows = collected(args.data, Classifier("beats"))
    stored = {
        "features": list(FEATURES),
        "made_by": "python bench/fit_rhythm.py recordings",
        "windows": sum(len(one.rr) for one in rows),
        "model": fitted(rows).to_dict(),
        "folds": [
            {
                "records": [one.name for one in rows if one.patient in fold],
                "model": fitted([one for one in rows if one.patient not in fold]).to_dict(),
            }
            for fold in folds(rows)
        ],
    }
    args.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"{stored['windows']} windows; written {args.output}")


if __name__ == "__main__":
    main()
