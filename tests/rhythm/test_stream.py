"""`RhythmStream`: the events of beats and signal, however they are cut into calls."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import pairwise
from math import nan

import numpy as np
import numpy.typing as npt
import pytest

from ecgfast import (
    Beat,
    Classifier,
    Event,
    EventKind,
    InputError,
    Quality,
    RhythmStream,
    StateError,
    StreamingClassifier,
)
from ecgfast.runtime.corrections import Corrections

FS = 250.0


def beat(sample: int, label: str = "N", quality: int = 0) -> Beat:
    return Beat(sample, sample / FS, label, 0.9, {label: 0.9}, nan, nan, Quality(quality))


def beats_at(seconds: Sequence[float], labels: str | None = None) -> list[Beat]:
    labels = labels or "N" * len(seconds)
    return [beat(round(at * FS), label) for at, label in zip(seconds, labels, strict=True)]


def signal_of(beats: Sequence[Beat], seconds: float) -> npt.NDArray[np.float32]:
    """A QRS complex of 1 mV at each beat, on a little noise."""
    rng = np.random.default_rng(1)
    x = rng.normal(0.0, 0.01, round(seconds * FS)).astype(np.float32)
    shape = np.exp(-0.5 * (np.arange(-15, 16) / 3.0) ** 2).astype(np.float32)
    for one in beats:
        begin, end = max(0, one.sample - 15), min(len(x), one.sample + 16)
        x[begin:end] += shape[begin - one.sample + 15 : end - one.sample + 15]
    return x


def found(
    beats: Sequence[Beat],
    x: npt.NDArray[np.float32] | None = None,
    *,
    step: int | None = None,
    **rules: float,
) -> list[Event]:
    """All events; with `step`, beats come 1.4 s after their R peak at most, as they do live."""
    rhythm = RhythmStream(FS, **rules)
    if x is None:
        return [*rhythm.process(beats), *rhythm.flush()]
    events = []
    left = list(beats)
    step = step or len(x)
    for begin in range(0, len(x), step):
        seen = begin + step
        now = [one for one in left if one.sample + 1.4 * FS <= seen or seen >= len(x)]
        left = left[len(now) :]
        events += rhythm.process(now, x[begin:seen])
        if begin // step % 50 == 0:
            rhythm = pickle.loads(pickle.dumps(rhythm))
    return [*events, *rhythm.flush()]


def of(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind and not event.ongoing]


def with_pause(length: float) -> list[Beat]:
    first = list(np.arange(0.5, 20.0, 0.8))
    return beats_at([*first, *np.arange(first[-1] + length, 40.0, 0.8)])


def test_a_pause_is_the_interval_between_its_two_beats() -> None:
    beats = with_pause(2.5)
    (pause,) = of(found(beats, signal_of(beats, 40.0)), "pause")
    gap = next(i for i in range(1, len(beats)) if beats[i].sample - beats[i - 1].sample > 2 * FS)
    assert pause.beats == (beats[gap - 1].sample, beats[gap].sample)
    assert (pause.start, pause.end) == pause.beats
    assert pause.duration == pytest.approx(2.5, abs=0.01)
    assert of(found(beats), "pause")


@pytest.mark.parametrize("flat_s", [0.3, 0.9])
def test_a_signal_that_does_not_move_for_less_than_a_second_can_show_a_pause(flat_s: float) -> None:
    """A coarse converter gives equal samples between beats; a lead that is off does so longer."""
    beats = with_pause(2.5)
    x = signal_of(beats, 40.0)
    begin = round((of(found(beats, x), "pause")[0].start_time + 1.0) * FS)
    x[begin : begin + round(flat_s * FS)] = 0.0
    assert len(of(found(beats, x), "pause")) == 1
    x[begin : begin + round(1.3 * FS)] = 0.0
    assert not of(found(beats, x), "pause")


@pytest.mark.parametrize("resolution", [None, 0.045])
def test_an_asystole_is_reported_while_it_lasts(resolution: float | None) -> None:
    beats = with_pause(15.0)
    x = signal_of(beats, 40.0)
    if resolution is not None:
        x = np.round(x / resolution).astype(np.float32) * np.float32(resolution)
    rhythm = RhythmStream(FS)
    last = max(one.sample for one in beats if one.time < 21)
    till = last + round(6.0 * FS)
    before = rhythm.process([one for one in beats if one.sample <= last], x[:till])
    (asystole,) = [event for event in before if event.kind == EventKind.ASYSTOLE]
    assert asystole.ongoing
    assert asystole.start == last
    assert asystole.severity == "high"
    after = [*rhythm.process([one for one in beats if one.sample > last], x[till:])]
    (ended,) = of(after, "asystole")
    assert ended.start == last
    assert ended.duration == pytest.approx(15.0, abs=0.01)


@pytest.mark.parametrize("step", [1, 7, 250, 3001])
def test_events_do_not_depend_on_how_the_stream_is_cut(step: int) -> None:
    rng = np.random.default_rng(3)
    rr = rng.choice([0.35, 0.6, 0.8, 0.9, 2.6, 5.0], 150, p=[0.1, 0.3, 0.3, 0.2, 0.05, 0.05])
    times = 0.5 + np.cumsum(rr)
    labels = "".join(rng.choice(list("NNNVVS"), len(times)))
    beats = beats_at(list(times), labels)
    x = signal_of(beats, times[-1] + 8.0)
    x[5000:6500] = np.nan
    x[12000:13500] = 0.25
    whole = found(beats, x)
    assert {event.kind for event in whole} >= {"pause", "ventricular_run", "gap", "flat_line"}
    if step == 1:
        beats, x = beats[:40], x[: beats[39].sample + 500]
        whole = found(beats, x)
    assert repr(found(beats, x, step=step)) == repr(whole)


@pytest.mark.parametrize("step", [None, 77, 3001])
def test_noise_does_not_begin_before_the_noise_before_has_ended(step: int | None) -> None:
    beats = beats_at(list(np.arange(0.5, 120.0, 0.8)))
    x = signal_of(beats, 120.0)
    rng = np.random.default_rng(5)
    for begin in range(2000, len(x), 2000):  # 6 s of noise, 2 s without
        x[begin : begin + 1500] += rng.normal(0.0, 0.6, 1500).astype(np.float32)[: len(x) - begin]
    noise = of(found(beats, x, step=step), "noise")
    assert any(one.end == after.start for one, after in pairwise(noise))
    assert all(one.end <= after.start for one, after in pairwise(noise))


@pytest.mark.parametrize(
    ("kind", "rr"),
    [
        ("tachycardia", [0.55] * 120 + [0.8] * 5 + [0.4] * 120),
        ("bradycardia", [1.4] * 40 + [0.85] * 5 + [1.4] * 40),
        ("extreme_tachycardia", [0.4] * 20 + [0.7] * 3 + [0.35] * 20),
        ("extreme_bradycardia", [1.7] * 6 + [0.9] * 2 + [1.9] * 6),
    ],
)
def test_a_rate_does_not_begin_before_the_event_before_has_ended(
    kind: str, rr: list[float]
) -> None:
    events = found(beats_at(list(np.cumsum(rr))))
    first, second = of(events, kind)
    assert first.end <= second.start
    begun = [one.start for one in events if one.kind == kind and one.ongoing]
    assert begun == [first.start, second.start]
    assert second.beats[0] == second.start


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        ("NNNVNNNNN", ["ventricular_ectopic"]),
        ("NNNVVNNN", ["ventricular_couplet"]),
        ("NNNVVVNN", ["ventricular_run"]),
        ("NNNSSSSNN", ["supraventricular_run"]),
        ("NVNVNVNN", ["ventricular_ectopic"] * 3 + ["ventricular_bigeminy"]),
        ("NVNNVNNVNNN", ["ventricular_ectopic"] * 3 + ["ventricular_trigeminy"]),
        ("NVNVVNVNN", ["ventricular_ectopic", "ventricular_couplet", "ventricular_ectopic"]),
        ("NVSVVV", ["ventricular_ectopic", "supraventricular_ectopic", "ventricular_run"]),
    ],
)
def test_rows_of_ectopic_beats(labels: str, kinds: list[str]) -> None:
    beats = beats_at([0.5 + 0.7 * i for i in range(len(labels))], labels)
    events = [event for event in found(beats) if not event.ongoing]
    assert sorted(str(event.kind) for event in events) == sorted(kinds)


def test_lost_signal_is_no_pause() -> None:
    beats = with_pause(6.0)
    x = signal_of(beats, 40.0)
    last = max(one.sample for one in beats if one.time < 21)
    inside = slice(last + 200, last + 1300)
    for value, kind in ((np.nan, "gap"), (0.02, "flat_line"), (5.0, "lead_off")):
        y = x.copy()
        y[inside] = value
        events = found(beats, y)
        assert of(events, kind), kind
        assert not of(events, "asystole"), kind
        assert not of(events, "pause"), kind
    noisy = x.copy()
    noisy[inside] += np.random.default_rng(0).normal(0, 0.6, 1100).astype(np.float32)
    events = found(beats, noisy)
    assert not of(events, "asystole")
    assert not of(events, "pause")


def test_rates_have_hysteresis_and_a_length() -> None:
    fast = beats_at(list(np.arange(0.5, 80.0, 0.5)))
    (one,) = of(found(fast), "tachycardia")
    assert one.rate == pytest.approx(120.0, rel=0.01)
    assert not of(found(fast[:40]), "tachycardia")
    slow = beats_at(list(np.arange(0.5, 80.0, 1.7)))
    assert of(found(slow), "bradycardia")
    assert of(found(slow), "extreme_bradycardia")
    very = beats_at(list(np.arange(0.5, 80.0, 0.4)))
    assert of(found(very), "extreme_tachycardia")[0].severity == "high"


@pytest.mark.parametrize(
    ("kind", "usual", "interval", "beats"),
    [
        ("extreme_tachycardia", 0.8, 0.35, 24),
        ("tachycardia", 0.9, 0.5, 90),
        ("extreme_bradycardia", 0.8, 1.7, 8),
        ("bradycardia", 0.9, 1.4, 40),
    ],
)
def test_a_rate_begins_and_ends_where_it_changes(
    kind: str, usual: float, interval: float, beats: int
) -> None:
    """Not where the mean of many intervals does, which also made a rate of its own of both."""
    intervals = np.array([usual] * 60 + [interval] * beats + [usual] * 60)
    (one,) = of(found(beats_at(np.cumsum(intervals))), kind)
    assert one.rate == pytest.approx(60.0 / interval, rel=0.001)
    assert one.start_time == pytest.approx(60 * usual, abs=0.01)
    assert one.duration == pytest.approx(beats * interval, abs=0.01)
    assert one.n_beats == beats + 1


@pytest.mark.parametrize("pause", [4.4, 15.0, 45.0])
def test_a_single_pause_is_no_slow_rate(pause: float) -> None:
    """Its mean with the intervals beside it had been: "extreme bradycardia, 4 a minute"."""
    events = found(beats_at(np.cumsum([0.8] * 25 + [pause] + [0.8] * 25)))
    assert of(events, "asystole")
    assert not of(events, "extreme_bradycardia")
    assert not of(events, "bradycardia")
    twice = [0.8] * 20 + [2.6, 2.6] + [0.8] * 20
    assert of(found(beats_at(np.cumsum(twice))), "extreme_bradycardia")


def test_wrong_use_is_refused() -> None:
    with pytest.raises(InputError, match="pause"):
        RhythmStream(FS, pause=4.0)
    with pytest.raises(InputError, match="fs"):
        RhythmStream(nan)
    with pytest.raises(InputError, match="irregular_probability must be at most 1"):
        RhythmStream(FS, irregular_probability=70.0)
    for wrong in ({"fs": "360"}, {"pause": "2"}, {"n_leads": 1.5}, {"atrial": "model"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            RhythmStream(**{"fs": FS, **wrong})
    rhythm = RhythmStream(FS, n_leads=2)
    with pytest.raises(InputError, match="shape"):
        rhythm.process([], np.zeros(5))
    with pytest.raises(InputError, match="order"):
        rhythm.process([beat(100), beat(100)])
    rhythm.flush()
    assert rhythm.flush() == []
    with pytest.raises(StateError):
        rhythm.process([])


def test_a_pickle_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr("ecgfast.versioned.__version__", "0.0.9")
        saved = [pickle.dumps(made) for made in (RhythmStream(250.0), Corrections(("N", "V")))]
    for content, name in zip(saved, ("RhythmStream", "Corrections"), strict=True):
        with pytest.raises(StateError, match=f"this {name} was saved by ecgfast 0.0.9, and this"):
            pickle.loads(content)


def test_a_labeller_says_why_it_does_not_pickle() -> None:
    with pytest.raises(TypeError, match="holds a runtime and cannot be pickled"):
        pickle.dumps(StreamingClassifier(Classifier("beats"), 250.0))
