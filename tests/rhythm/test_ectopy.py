"""Rows and patterns of ectopic beats, and R-on-T, of made beats: each with its known answer."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest

from ecgfast import Beat, Event, EventKind, Quality, RhythmStream
from ecgfast.rhythm import RhythmTally

FS = 250.0
NAMES = {"V": "ventricular", "S": "supraventricular"}


def found(labels: str, rr: list[float], **rules: float) -> tuple[list[int], list[Event]]:
    """R peaks and events of beats with these labels, and `rr` seconds before each."""
    samples, at = [], 0.0
    for step in rr:
        at += step
        samples.append(round(at * FS))
    beats = [
        Beat(sample, sample / FS, label, 0.9, {label: 0.9}, nan, nan, Quality(0))
        for sample, label in zip(samples, labels, strict=True)
    ]
    rhythm = RhythmStream(FS, **rules)
    return samples, [*rhythm.process(beats), *rhythm.flush()]


def spaced(labels: str, within: float, apart: float = 0.8) -> list[float]:
    """0.8 s before each beat, `within` between two ectopic ones in a row."""
    return [
        within if i and labels[i] == labels[i - 1] != "N" else apart for i in range(len(labels))
    ]


@pytest.mark.parametrize("label", ["V", "S"])
@pytest.mark.parametrize(
    ("pattern", "within", "kind", "first", "last", "n", "rate"),
    [
        ("NNNNNXNNNNN", 0.8, "ectopic", 5, 5, 1, nan),
        ("NNNNNXXNNNN", 0.5, "couplet", 5, 6, 2, 120.0),
        ("NNNNXXXNNNN", 0.4, "run", 4, 6, 3, 150.0),
        ("NNNNXXXXXXN", 0.6, "run", 4, 9, 6, 100.0),
        ("NNNNNXXXXXX", 0.5, "run", 5, 10, 6, 120.0),
        ("NNXNXNXNXNN", 0.8, "bigeminy", 2, 8, 4, 75.0),
        ("NXNNXNNXNNN", 0.8, "trigeminy", 1, 7, 3, 75.0),
    ],
)
def test_onset_end_length_and_rate(
    label: str, pattern: str, within: float, kind: str, first: int, last: int, n: int, rate: float
) -> None:
    labels = pattern.replace("X", label)
    samples, events = found(labels, spaced(labels, within))
    name = EventKind(f"{NAMES[label]}_{kind}")
    (event,) = [one for one in events if one.kind == name and not one.ongoing]
    assert (event.start, event.end, event.n_beats) == (samples[first], samples[last], n)
    assert event.duration == pytest.approx((samples[last] - samples[first]) / FS)
    assert event.rate == pytest.approx(rate, nan_ok=True)
    assert event.beats == tuple(samples[i] for i, one in enumerate(labels) if one == label)
    assert event.confidence == pytest.approx(0.9)
    lasting = kind in ("run", "bigeminy", "trigeminy")
    more_severe = kind == "run" and label == "V" and n >= 5  # at 100 per minute and more
    assert sum(one.kind == name and one.ongoing for one in events) == lasting + more_severe
    others = {one.kind for one in events if one.kind != name}
    singles = EventKind(f"{NAMES[label]}_ectopic")
    assert others <= ({singles} if kind.endswith("geminy") else set())


def test_severity_of_ventricular_runs() -> None:
    def severity(n: int, within: float) -> str:
        labels = "N" * 5 + "V" * n + "N" * 3
        _, events = found(labels, spaced(labels, within))
        (run,) = [one for one in events if one.kind == "ventricular_run" and not one.ongoing]
        return str(run.severity)

    assert severity(4, 0.5) == "medium"
    assert severity(5, 0.7) == "medium"  # 86 per minute
    assert severity(5, 0.5) == "high"


def test_a_run_that_becomes_more_severe_is_reported_while_it_lasts() -> None:
    def severities(qualities: list[Quality], within: float) -> list[tuple[str, int, bool]]:
        n = len(qualities)
        labels = "N" * 8 + "V" * n
        at = np.cumsum([0.8] * 8 + [within] * n)
        beats = [
            Beat(round(t * FS), t, label, 0.9, {label: 0.9}, nan, nan, quality)
            for t, label, quality in zip(at, labels, [Quality(0)] * 8 + qualities, strict=True)
        ]
        rhythm = RhythmStream(FS)
        runs = [e for e in rhythm.process(beats) if e.kind == "ventricular_run"]
        return [(str(run.severity), run.n_beats, run.ongoing) for run in runs]

    good, bad = Quality(0), Quality.NOISY
    assert severities([good] * 20, 0.4) == [("medium", 3, True), ("high", 5, True)]
    assert severities([good] * 20, 0.7) == [("medium", 3, True)]  # 86 per minute
    # Two of three beats are in doubt at first.
    assert severities([bad, bad, *[good] * 3], 0.7) == [("info", 3, True), ("medium", 4, True)]


def test_the_longest_and_the_fastest_run() -> None:
    labels = "NNNN" + "VVV" + "NNN" + "VVVVV" + "NNN" + "VVVV" + "NNN"
    rr = [0.8] * 4 + [0.6] * 3 + [0.8] * 3 + [0.5] * 5 + [0.8] * 3 + [0.4] * 4 + [0.8] * 3
    samples, events = found(labels, rr)
    tally = RhythmTally()
    tally.add(events)
    runs = tally.summary(30.0).kinds[EventKind.VENTRICULAR_RUN]
    assert runs.count == 3
    assert (runs.first.start, runs.first.n_beats) == (samples[4], 3)
    assert (runs.longest.start, runs.longest.n_beats) == (samples[10], 5)
    assert runs.fastest is not None
    assert (runs.fastest.start, runs.fastest.rate) == (samples[18], pytest.approx(150.0))


@pytest.mark.parametrize("kind", ["tachycardia", "atrial_fibrillation", "ventricular_run"])
def test_episodes_are_as_long_as_they_last_and_rows_as_their_beats(kind: str) -> None:
    long = Event(kind, 0, 36000, 0.0, 100.0, n_beats=150, rate=90.0)
    dense = Event(kind, 72000, 100800, 200.0, 280.0, n_beats=160, rate=120.0)
    tally = RhythmTally()
    tally.add([long, dense])
    longest = tally.summary(600.0).kinds[EventKind(kind)].longest
    assert longest is (dense if kind == "ventricular_run" else long)


def test_r_on_t_is_a_ventricular_beat_within_the_qt_interval() -> None:
    # Bazett at 75 per minute: QT 0.358 s; R-on-T below 0.304 s.
    labels, early = "N" * 8 + "V" + "N" * 4, [0.8] * 8 + [0.28, 1.2] + [0.8] * 3
    samples, events = found(labels, early)
    (event,) = [one for one in events if one.kind == "r_on_t"]
    assert (event.start, event.end) == (samples[7], samples[8])
    assert (event.n_beats, event.beats) == (2, (samples[7], samples[8]))
    assert event.severity == "medium"
    assert event.confidence == pytest.approx(0.9 * (0.5 + 0.85 - 0.28 / (0.4 * 0.8**0.5)))
    assert isnan(event.rate)


@pytest.mark.parametrize(
    ("labels", "rr"),
    [
        ("N" * 8 + "V" + "N" * 4, [0.8] * 8 + [0.32, 1.2] + [0.8] * 3),  # after the T wave
        ("N" * 8 + "S" + "N" * 4, [0.8] * 8 + [0.28, 1.2] + [0.8] * 3),  # not ventricular
        ("NNN" + "V" + "N" * 4, [0.8] * 3 + [0.28, 1.2] + [0.8] * 3),  # no usual RR interval yet
        ("N" * 8 + "VV" + "N" * 3, [0.8] * 8 + [0.5, 0.28, 1.2] + [0.8] * 2),  # within a row
    ],
)
def test_no_r_on_t(labels: str, rr: list[float]) -> None:
    assert not [one for one in found(labels, rr)[1] if one.kind == "r_on_t"]


def test_episodes_that_overlap_count_their_time_once() -> None:
    tally = RhythmTally()
    kind = EventKind.TACHYCARDIA
    for begin, end in ((10.0, 70.0), (67.0, 100.0), (200.0, 210.0)):
        tally.add([Event(kind, round(begin * FS), round(end * FS), begin, end)])
    (found,) = tally.summary(300.0).kinds.values()
    assert (found.count, found.seconds) == (3, pytest.approx(100.0))
