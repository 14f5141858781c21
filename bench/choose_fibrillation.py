"""Choose the settings of atrial fibrillation: ``python bench/choose_fibrillation.py recordings``.

Compares every combination of the values in `GRID` on the records of DS1 (mitdb), the strips of
cinc2017 and the recordings of nsrdb. DS2 is not scored, but in training: DS1 has two patients with
fibrillation. Each recording is scored by a model that never saw its patient (five folds, these two
in different ones), and its episodes are those of `ecgfast.rhythm`'s own rule. The criterion is
`criterion`; of equal combinations the first in the order of `GRID` is taken. The figures of the
choice itself are nested: each fold is scored with weights and settings for which only the other
folds were used.

Writes ``fibrillation_choice.json``, from which ``bench/fit_rhythm.py`` fits the model and
``bench/rhythm_page.py`` makes a table, and prints the choice beside the settings in use.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fibrillation_beats import FOLDS, NONE, Look, Recording, Spans, patients_of, sources
from fibrillation_network import Examples

from ecgfast import Classifier
from ecgfast.evaluation.episodes import score_episodes
from ecgfast.evaluation.mitdb import DS2
from ecgfast.evaluation.rhythm_fibrillation import STRIP_S
from ecgfast.reports.table import Table
from ecgfast.rhythm._beat_window import EVERY
from ecgfast.rhythm.atrial import AtrialSettings, stored_settings
from ecgfast.rhythm.episode import Sink
from ecgfast.rhythm.irregular import Irregular

OUTPUT = Path(__file__).with_name("fibrillation_choice.json")

GRID: dict[str, tuple[float, ...]] = {
    "probability": (0.5, 0.6, 0.4, 0.7, 0.3),
    "strip_probability": (0.4, 0.35, 0.3, 0.25, 0.2),
    "begins": (96, 64, 32),
    "ends": (16, 32, 64, 96),
}
"""What is compared, the preferred value first: `AtrialSettings` says what each is.

Even odds are preferred, as the sums are of log odds then. A beat adds at most 4 to a sum: at 60
beats a minute an episode of 30 s can reach 96, not 128.
"""

LASTING_S = 30.0
"""Shortest episode in recordings, the default of `RhythmStream`."""

Counts = npt.NDArray[np.float64]


LEAST_SENSITIVITY = 0.95
"""Share of the time of fibrillation that has to be found in recordings."""


def criterion(durations: Counts, strips: Counts) -> Counts:
    """What is maximised: +P by duration in recordings plus F1 of strips.

    The first counts to a hundredth, since few patients have fibrillation, the second to a
    thousandth. Where less of the fibrillation is found than has to be, the sensitivity stands in
    place of +P, less one.

    Parameters
    ----------
    durations : ndarray, shape (..., 3)
        Seconds of the reference, of the test, and of both, on DS1 and nsrdb.
    strips : ndarray, shape (..., 3)
        Strips with fibrillation, strips called so (of these and of the normal ones), and both.
    """
    sensitivity = durations[..., 2] / np.maximum(durations[..., 0], 1e-9)
    predictivity = durations[..., 2] / np.maximum(durations[..., 1], 1e-9)
    recordings = np.where(sensitivity >= LEAST_SENSITIVITY, predictivity, sensitivity - 1.0)
    return np.round(np.round(recordings, 2) + np.round(f1(strips), 3), 3)


def f1(counts: Counts) -> Counts:
    """F1 from the reference, the test, and both."""
    total = counts[..., 0] + counts[..., 1]
    return 2.0 * counts[..., 2] / np.maximum(total, 1e-9)


class _Watched(Irregular):
    """The rule for episodes, and the highest sum that it met."""

    peak = 0.0

    def _add(self, at: int, odds: float, change: float) -> None:
        self.peak = max(self.peak, self._sum + change)
        super()._add(at, odds, change)


class Replay:
    """The windows of a recording once more: a `BeatWindow` for the rule of episodes."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        looks = self._looks = recording.looks
        self.every = EVERY
        self.fresh = self.episode = self.regular = 0
        self.peak = 0.0
        """The highest sum that the last `episodes` met."""
        # The next look at which a rule outside an episode may do something, and the regular beats
        # that have passed before each.
        n = len(looks)
        self._next = [n] * (n + 1)
        for k in range(n - 1, -1, -1):
            due = looks[k].irregular or looks[k].ended
            self._next[k] = k if due else self._next[k + 1]
        regular = [one.fresh if one.readable and not one.irregular else 0 for one in looks]
        self._regular = np.cumsum([0, *regular]).tolist()
        self._show(0)

    def _show(self, k: int) -> None:
        look: Look = self._looks[k]
        self._k = k
        self.samples, self.fresh, self.is_readable = look.samples, look.fresh, look.readable
        self.is_interrupted = look.interrupted
        self.n_beats = len(look.samples)
        self.stretch_start, self.stretch_beats = look.stretch

    def clear(self) -> None:
        """No beat follows."""

    def episodes(
        self, odds: Sequence[Sequence[float]], settings: AtrialSettings, lasting: float
    ) -> Spans:
        """The episodes that these log odds of the beats of each look give."""
        sink = Sink(self.recording.fs)
        rule = _Watched(sink, self, lambda first, last: odds[self._k], settings, lasting)
        k, self.regular = 0, 0
        while k < len(self._looks):
            if not self.episode:
                due = self._next[k]
                self.regular += self._regular[due] - self._regular[k]
                if due == len(self._looks):
                    break
                k = due
            self._show(k)
            if self.episode:
                self.episode += self.fresh
            if self._looks[k].ended:
                rule.end()
                self.regular = 0
            else:
                rule.look()
            k += 1
        self.peak = rule.peak
        spans = [(one.start, one.end) for one in sink.take() if not one.ongoing]
        return np.asarray(spans, np.int64).reshape(-1, 2)


def durations(recording: Recording, found: Spans) -> Counts:
    """Seconds of the reference, of the test, and of both; flutter is set aside."""
    one = score_episodes(
        recording.fibrillation, found, recording.fs, recording.n_samples, apart=recording.flutter
    )
    return np.array([one.reference_s, one.test_s, one.both_s])


def _score(
    chosen: Iterable[int], replays: Sequence[Replay], odds: Sequence[list[list[float]]]
) -> Iterator[tuple[str, Counts]]:
    """Counts of recordings with these log odds, for all sums and probabilities."""
    sums = list(product(GRID["begins"], GRID["ends"]))
    for i in chosen:
        replay = replays[i]
        one = replay.recording
        strip = one.dataset == "cinc2017"
        if one.dataset == "nsrdb_rr" or one.label == "O" or not one.looks:
            continue
        values = GRID["strip_probability" if strip else "probability"]
        out = np.zeros((len(values), len(sums), 3))
        none = None if strip else durations(one, NONE)

        def counts(settings: AtrialSettings, i=i, replay=replay, none=none) -> Counts:
            one = replay.recording
            if none is None:
                is_real = one.label == "A"
                is_called = len(replay.episodes(odds[i], settings, STRIP_S)) > 0
                return np.array([is_real, is_called, is_real and is_called], float)
            found = replay.episodes(odds[i], settings, LASTING_S)
            return durations(one, found) if len(found) else none

        for p, value in enumerate(values):
            # Without a limit first: where it is not reached, all larger ones give the same.
            free = replace(stored_settings(), probability=value, begins=inf, ends=inf)
            without_limit, peak = counts(free), replay.peak
            for s, (begins, ends) in enumerate(sums):
                reached = peak > begins
                out[p, s] = (
                    counts(replace(free, begins=begins, ends=ends)) if reached else without_limit
                )
        shape = (len(values), len(GRID["begins"]), len(GRID["ends"]), 3)
        yield one.dataset, out.reshape(shape)


@dataclass
class Comparison:
    """Counts of every combination.

    Attributes
    ----------
    folds : list of list of str
        Patients.
    durations, strips : ndarray, shape (1 + folds, folds, probability, begins, ends, 3)
        Of each fold (second axis), by models that saw neither it nor the fold of the first axis
        less one; at 0 it is left out alone.
    """

    folds: list[list[str]]
    durations: Counts
    strips: Counts

    @classmethod
    def empty(cls, parts: list[list[str]]) -> Comparison:
        """Nothing counted."""
        n = {name: len(values) for name, values in GRID.items()}
        head, tail = (1 + len(parts), len(parts)), (n["begins"], n["ends"], 3)
        return cls(
            parts,
            np.zeros((*head, n["probability"], *tail)),
            np.zeros((*head, n["strip_probability"], *tail)),
        )

    def _sums(self, row: int) -> tuple[Counts, Counts]:
        """Counts of all folds, with the axes of `GRID` and the counts."""
        durations, strips = self.durations[row].sum(axis=0), self.strips[row].sum(axis=0)
        return durations[:, np.newaxis], strips[np.newaxis]

    def best(self, row: int = 0) -> tuple[int, ...]:
        """Where the criterion is highest."""
        values = criterion(*self._sums(row))
        return tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))

    def figures(self, at: Sequence[int], fold: int | None = None) -> dict[str, float]:
        """Figures of a combination: by folds, or those of one fold."""
        parts = slice(None) if fold is None else slice(fold, fold + 1)
        p, q, b, e = at
        seconds = self.durations[0, parts, p, b, e].sum(axis=0)
        strips = self.strips[0, parts, q, b, e].sum(axis=0)
        return _figures(seconds, strips)

    def nested(self) -> dict[str, Any]:
        """Figures of each fold with the settings that the other folds choose, added up."""
        seconds, strips, chosen = np.zeros(3), np.zeros(3), []
        for fold in range(len(self.folds)):
            at = p, q, b, e = self.best(1 + fold)
            seconds += self.durations[0, fold, p, b, e]
            strips += self.strips[0, fold, q, b, e]
            chosen.append(asdict(settings_at(at)))
        return {**_figures(seconds, strips), "chosen": chosen}

    def rows(self) -> list[dict[str, Any]]:
        """For each value of each setting, the best combination that has it."""
        values = criterion(*self._sums(0))
        rows = []
        for axis, (name, some) in enumerate(GRID.items()):
            for i, value in enumerate(some):
                part = np.take(values, [i], axis=axis)
                at = [int(j) for j in np.unravel_index(int(part.argmax()), part.shape)]
                at[axis] = i
                rows.append({"setting": name, "value": value, **self.figures(at)})
        return rows


def _figures(seconds: Counts, strips: Counts) -> dict[str, float]:
    return {
        "criterion": float(criterion(seconds, strips)),
        "duration_sensitivity": 100.0 * seconds[2] / max(seconds[0], 1e-9),
        "duration_predictivity": 100.0 * seconds[2] / max(seconds[1], 1e-9),
        "duration_f1": float(f1(seconds)),
        "strips_f1": float(f1(strips)),
    }


def settings_at(at: Sequence[int]) -> AtrialSettings:
    """The settings at these places of the grid."""
    return AtrialSettings(
        **{name: some[i] for (name, some), i in zip(GRID.items(), at, strict=True)}
    )


def folds(recordings: Sequence[Recording]) -> list[list[str]]:
    """Patients of each fold: those with fibrillation or flutter first, so that no two share one."""
    ill, rest = patients_of(recordings)
    return [[*ill, *rest][i::FOLDS] for i in range(FOLDS)]


def _is_of_ds2(one: Recording) -> bool:
    """Whether a recording, or a lead of one, is of DS2."""
    return one.dataset == "mitdb" and one.record in DS2


def compare(recordings: Sequence[Recording]) -> Comparison:
    """Count all combinations on the recordings that are not of DS2."""
    scored = [i for i, one in enumerate(recordings) if not _is_of_ds2(one)]
    comparison = Comparison.empty(folds([recordings[i] for i in scored]))
    examples, replays = Examples(recordings), [Replay(one) for one in recordings]
    n = len(comparison.folds)
    members = [
        [i for i, one in enumerate(recordings) if one.patient in set(part)]
        for part in comparison.folds
    ]
    for pair in [*((f,) for f in range(n)), *combinations(range(n), 2)]:
        print(f"without {' and '.join(str(f) for f in pair)} of {n} folds", file=sys.stderr)
        without = {i for f in pair for i in members[f]}
        used = [i not in without for i in range(len(recordings))]
        model = examples.fitted(used, stored_settings())
        odds = [one.odds(model) if i in without else [] for i, one in enumerate(recordings)]
        for f in pair:
            outer = next((g for g in pair if g != f), None)
            row = 0 if outer is None else 1 + outer
            for dataset, counts in _score((i for i in members[f] if i in scored), replays, odds):
                into = comparison.strips if dataset == "cinc2017" else comparison.durations
                into[row, f] += counts
    return comparison


def tables(result: dict[str, Any]) -> list[Table]:
    """The choice beside the settings in use, its figures, and what was compared."""
    columns = ["criterion", "duration Se, %", "duration +P, %", "duration F1", "F1 of strips"]

    def cells(row: dict[str, Any]) -> list[str]:
        return [
            f"{row['criterion']:.3f}",
            f"{row['duration_sensitivity']:.1f}",
            f"{row['duration_predictivity']:.1f}",
            f"{row['duration_f1']:.3f}",
            f"{row['strips_f1']:.3f}",
        ]

    compared = [[row["setting"], f"{row['value']:g}", *cells(row)] for row in result["compared"]]
    figures = [
        [what, *cells(result[key])]
        for what, key in (
            ("chosen", "figures"),
            ("chosen anew without each fold, scored in it", "nested"),
        )
    ]
    values = [
        [name, f"{value:g}", f"{result['in_use'][name]:g}"]
        for name, value in result["chosen"].items()
    ]
    return [
        Table("The choice", ["setting", "chosen", "in use"], values),
        Table("Figures of the choice", ["settings", *columns], figures),
        Table("The best combination with each value", ["setting", "value", *columns], compared),
    ]


def main() -> None:
    """Compare, choose, and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="holds mitdb/, cinc2017/, nsrdb/, nsrdb_rr/")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--every", type=int, default=1, help="take one strip, and one person, in so many"
    )
    args = parser.parse_args()
    some = sources(args.data, Classifier("beats"), every=args.every)
    comparison = compare([one.scored() for one in some])
    best = comparison.best()
    result = {
        "command": "python bench/choose_fibrillation.py recordings",
        "grid": GRID,
        "chosen": asdict(settings_at(best)),
        "in_use": asdict(stored_settings()),
        "figures": comparison.figures(best),
        "nested": comparison.nested(),
        "compared": comparison.rows(),
    }
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for table in tables(result):
        print(table.text(), end="\n\n")


if __name__ == "__main__":
    main()
