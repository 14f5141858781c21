"""Noise, flat lines, short and broken recordings: never a crash, never a rate from noise."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from thorough import thorough_cases

from ecgfast import (
    Beat,
    Classifier,
    Event,
    Quality,
    RhythmStream,
    StreamingClassifier,
    detect_qrs,
    events,
)
from ecgfast.alarms import Alarms
from ecgfast.records import synthetic_ecg
from ecgfast.reports.tally import Tally
from ecgfast.rhythm import EventKind, RhythmTally

FS = 250.0
Signal = npt.NDArray[np.float32]
Method = Literal["neural", "adaptive", "pan-tompkins"]

#: Kinds that say something about the heart's rate.
RATES = ("pause", "asystole", "bradycardia", "tachycardia", "extreme")


def found(signal: Signal) -> list[Event]:
    return list(events(signal, FS))


def kinds(signal: Signal) -> set[str]:
    return {str(event.kind) for event in found(signal)}


@pytest.fixture(scope="module")
def clean() -> Signal:
    return synthetic_ecg(150.0, FS, seed=4).signal[:, :1].astype(np.float32)


@pytest.mark.parametrize("method", ["neural", "adaptive", "pan-tompkins"])
@pytest.mark.parametrize("heart_rate", [110.0, 130.0, 150.0, 175.0, 200.0])
@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0])
def test_a_fast_rhythm_is_no_noise(fs: float, heart_rate: float, method: Method) -> None:
    """Most quarters of a second hold a complex then, and no beat is between them."""
    slow = synthetic_ecg(30.0, fs, heart_rate=75.0, seed=2).lead(0)
    fast = synthetic_ecg(50.0, fs, heart_rate=heart_rate, seed=3).lead(0)
    for signal in (fast, np.concatenate([slow, fast])):
        seen = list(events(signal, fs, method=method))
        assert not [one for one in seen if one.kind == "noise"]
        assert [one for one in seen if one.kind == "tachycardia"]


@pytest.mark.parametrize("rails", [(-1.5, 1.5), (-9.0, 1.5), (-0.5, 9.0)])
def test_complexes_that_are_cut_off_are_no_noise(clean: Signal, rails: tuple[float, float]) -> None:
    """Their place is known: a whole recording had been noise, and reports took no rates."""
    cut = np.clip(8.0 * clean, *rails)
    labeller = StreamingClassifier(Classifier("beats"), FS)
    beats = [*labeller.process(cut), *labeller.flush()]
    whole = list(detect_qrs(clean, FS))
    assert len(beats) == len(whole)
    assert sum(bool(one.quality & Quality.SATURATED) for one in beats) > 10
    assert not kinds(cut)
    tally = Tally(("N",))
    tally.add(beats)
    summary = tally.summary("x", FS, 150.0)
    assert summary.saturated > 10
    assert summary.bad_quality == 0
    assert summary.rate_mean == pytest.approx(70.0, abs=2.0)


@pytest.mark.parametrize("gap", [0.5, 2.0, 2.75, 5.0, 20.0])
@pytest.mark.parametrize("begin", [60.0, 60.3, 60.6])
def test_there_is_no_noise_after_a_gap(clean: Signal, gap: float, begin: float) -> None:
    broken = clean.copy()
    broken[int(begin * FS) : int((begin + gap) * FS)] = np.nan
    assert EventKind.NOISE not in kinds(broken)


def test_noise_has_no_rate() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, round(90 * FS)).astype(np.float32)
    reported = kinds(noise)
    assert "noise" in reported
    assert not [kind for kind in reported if kind.startswith(RATES)]


@pytest.mark.parametrize("level", [0.0, 2.5])
def test_a_flat_line_is_a_flat_line(level: float) -> None:
    assert kinds(np.full(round(60 * FS), level, np.float32)) == {"flat_line"}


def with_hum(fs: float, mains: float, height: float, leads: int) -> Signal:
    """A minute whose first lead shows hum alone from 25 s to 45 s, with a gap of 4 s in it."""
    signal = synthetic_ecg(60.0, fs, leads=("MLII", "V1")[:leads], seed=4).signal
    at = np.arange(len(signal)) / fs
    hum = height * (np.sin(2 * np.pi * mains * at) + 0.1 * np.sin(2 * np.pi * 0.2 * at))
    signal[:, 0] += np.float32(0.1) * hum  # an ECG with hum in it is an ECG
    signal[round(25 * fs) : round(45 * fs), 0] = hum[round(25 * fs) : round(45 * fs)]
    signal[round(38 * fs) : round(42 * fs), 0] = np.nan
    return signal


@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("fs", [130.0, 250.0, 500.0, 1000.0])
def test_a_lead_that_shows_the_mains_alone_is_an_event(fs: float, mains: float) -> None:
    signal = with_hum(fs, mains, 2.0, 2)
    first, second = [one for one in events(signal, fs) if one.kind == "mains_hum"]
    for event, start, end in ((first, 25.0, 38.0), (second, 42.0, 45.0)):
        assert (event.lead, event.severity, event.ongoing) == (0, "low", False)
        assert abs(event.start_time - start) < 1.1
        assert abs(event.end_time - end) < 1.1
    (one, _) = [event for event in events(signal[:, :1], fs) if event.kind == "mains_hum"]
    assert one.severity == "medium"  # there is no other lead


def test_hum_that_lasts_is_reported_within_seconds_in_any_chunks_and_raises_an_alarm() -> None:
    signal = with_hum(FS, 50.0, 2.0, 2)
    told = {}
    for size in (1, 77, len(signal)):
        rhythm, alarms = RhythmStream(FS, n_leads=2), Alarms(leads=("MLII", "V1"))
        reported, texts = [], []
        for i in range(0, len(signal), size):
            chunk = signal[i : i + size]
            new = [one for one in rhythm.process([], chunk) if one.kind == "mains_hum"]
            now = (i + len(chunk)) / FS
            reported += [(one, now if size < 100 else None) for one in new]
            texts += [alarm.text for alarm in alarms.process(new, now)]
        told[size] = [one for one, _ in reported]
        if size < 100:
            begun = next(now for one, now in reported if one.ongoing)
            assert begun < 25 + 2 + 1 + 2.5 + 1  # window, next look, late beats, chunk
            assert texts[:2] == ["mains hum (MLII)", "mains hum (MLII), ended"]
    assert told[1] == told[77] == told[len(signal)]


def test_hum_hides_no_asystole() -> None:
    """A heart that stands still under good electrodes shows nothing but a little hum, too."""
    signal = with_hum(FS, 50.0, 0.05, 1)[: round(38 * FS)]
    assert {"asystole", "mains_hum"} <= kinds(signal)


def test_nothing_and_ten_seconds(clean: Signal) -> None:
    assert not [kind for kind in kinds(clean[: round(10 * FS)]) if kind.startswith(RATES)]
    assert list(events(clean[:3], FS)) == []
    assert RhythmStream(FS).flush() == []


def test_gaps_are_gaps_and_no_pauses(clean: Signal) -> None:
    signal = clean.copy()
    for i in range(20):
        begin = round((8 + 7 * i) * FS)
        signal[begin : begin + round((0.5 + 0.2 * i) * FS)] = np.nan
    reported = found(signal)
    assert sum(event.kind == EventKind.GAP for event in reported) == 20
    assert not [one for one in reported if one.kind in (EventKind.PAUSE, EventKind.ASYSTOLE)]


def test_rates_are_of_intervals_in_a_good_signal() -> None:
    """Beats 0.8 s apart; two of them far from a third in a gap, and noise at 200 per minute."""
    tally = Tally(("N",))
    at = 0.0
    for step, quality in [(0.8, 0)] * 20 + [(2.4, 1)] + [(0.8, 0)] * 20 + [(0.3, 8)] * 50:
        at += step
        tally.add([Beat(round(at * FS), at, "N", 0.9, {}, step, 75.0, Quality(quality))])
    summary = tally.summary("x", FS, at)
    assert summary.rate_mean == pytest.approx(75.0)
    assert (summary.rate_min, summary.rate_max) == pytest.approx((75.0, 75.0))
    noise = Tally(("N",))
    noise.add([Beat(75 * i, 0.3 * i, "N", 0.9, {}, 0.3, 200.0, Quality.NOISY) for i in range(50)])
    assert "heart rate" not in noise.summary("x", FS, 15.0).text()


@pytest.mark.thorough
@pytest.mark.parametrize("days", [2, *thorough_cases(7)])
def test_days_take_no_more_memory_than_one(days: int) -> None:
    """A made RR sequence: sinus rhythm with ectopic beats, fibrillation, pauses."""
    rng = np.random.default_rng(7)
    rhythm, tally, sizes, at = RhythmStream(FS), RhythmTally(), [], 0
    for day in range(days):
        for hour in range(24):
            rr = rng.normal(0.9, 0.02, 4000)
            if hour == 3:
                rr = rng.uniform(0.4, 1.3, 4000)  # atrial fibrillation
            rr[rng.integers(0, 4000, 2)] = 2.6
            samples = at + np.cumsum(np.round(rr * FS).astype(np.int64))
            at = int(samples[-1])
            labels = rng.choice(list("NVS"), 4000, p=[0.98, 0.015, 0.005])
            pairs = zip(samples.tolist(), labels.tolist(), strict=True)
            tally.add(rhythm.process([_Made(sample, label) for sample, label in pairs]))
        sizes.append(len(pickle.dumps((rhythm, tally))))
        summary = tally.summary(at / FS)
        assert summary.count(EventKind.PAUSE) >= 40 * (day + 1)
        assert summary.count(EventKind.ATRIAL_FIBRILLATION) >= day + 1
    tally.add(rhythm.flush())
    summary = tally.summary(at / FS)
    assert summary.burden == pytest.approx(1 / 24, rel=0.15)
    assert len(summary.listed) == 20
    assert summary.more == summary.total - 20
    assert max(sizes) <= 1.1 * sizes[0]


class _Made(NamedTuple):
    """What `RhythmStream` needs of a beat."""

    sample: int
    label: str
    probability: float = 0.9
    quality: int = 0


def test_memory_is_bounded(clean: Signal) -> None:
    rhythm = RhythmStream(FS)
    sizes = []
    for _ in range(30):
        rhythm.process([], clean)
        sizes.append(len(pickle.dumps(rhythm)))
    assert max(sizes[5:]) <= 1.1 * sizes[4]


def test_a_summary_lists_some_and_counts_all() -> None:
    tally = RhythmTally()
    rows = [
        Event("ventricular_run", i * 1000, i * 1000 + 500, 4.0 * i, 4.0 * i + 2.0, "medium",
              n_beats=3 + i % 5, rate=100.0 + i)
        for i in range(50)
    ]  # fmt: skip
    tally.add(rows)
    tally.add([Event("asystole", 99000, 99900, 396.0, 399.6, "high")])
    summary = tally.summary(1000.0)
    assert summary.total == 51
    assert len(summary.listed) + summary.more == 51
    assert summary.listed[-1].kind == "asystole"
    runs = summary.kinds[EventKind.VENTRICULAR_RUN]
    assert (runs.longest.n_beats, runs.fastest.rate) == (7, 149.0)
    row = summary.to_dict()
    assert row["counts"]["ventricular_run"] == 50
    assert row["counts"]["pause"] == 0


def test_the_summary_of_classify_has_events_and_clock_times() -> None:
    tally = Tally(("N", "S", "V", "F", "Q"))
    pause = Event("pause", 250 * 3600, 250 * 3600 + 625, 3600.0, 3602.5, "medium", 1.0, 2)
    tally.add([Beat(250 * i, 1.0 * i, "N", 0.9, {}, 1.0, 60.0, Quality(0)) for i in range(10)])
    tally.events([pause])
    start = datetime(2026, 11, 28, 23, 30)
    text = tally.summary("x", FS, 7200.0, start).text()
    assert "longest RR  2.50 s at 1:00:00 (2026-11-29 00:30:00)" in text
    assert "pauses      1 pause" in text
    assert "gaps        no gap" in text
    assert "AF burden   no episode of 30 s or more" in text
    short = tally.summary("x", FS, 12.0, start)
    assert "AF burden   not looked for: an episode is of 30 s or more" in short.text()
    assert np.isnan(short.rhythm.burden), "no share of what was not looked for"
    assert "events      1 of 1 kind" in text
    assert "pause: 2.5 s, at 1:00:00" in text
    row = tally.summary("x", FS, 7200.0, start).to_dict()
    assert row["start"] == "2026-11-28T23:30:00"
    assert row["rhythm"]["longest_rr"] == 2.5
    assert row["rhythm"]["counts"]["pause"] == 1


def test_the_summary_names_the_lead_that_came_off() -> None:
    tally = Tally(("N", "V"))
    tally.events([Event("lead_off", 0, 500, 0.0, 2.0, "low", lead=1)])
    assert (
        "lead off: 2.0 s, at 0:00, lead V1"
        in tally.summary("x", FS, 60.0, leads=("II", "V1")).text()
    )
    assert "lead off: 2.0 s, at 0:00" in tally.summary("x", FS, 60.0).text()


def test_gaps_and_burden_are_in_the_summary() -> None:
    tally = Tally(("N", "S", "V", "F", "Q"))
    gaps = [Event("gap", 250 * i, 250 * i + 125, 1.0 * i, i + 0.5, "low") for i in range(20)]
    fibrillation = Event("atrial_fibrillation", 0, 45000, 0.0, 180.0, "medium", 0.9, 200)
    tally.events([*gaps, fibrillation])
    text = tally.summary("x", FS, 720.0).text()
    assert "gaps        20 gaps counted lead by lead, 10.0 s in all" in text
    assert "AF burden   25.0 % of the time, 1 episode" in text
    assert "events      21 of 2 kinds" in text
    assert "; 19 more" in text


def test_a_tally_counts_all_runs_and_holds_the_longest() -> None:
    tally = Tally(("N", "V"))
    at, sizes = 0, []
    counts = []
    for i in range(1000):
        n = 3 + i * 7919 % 50
        for label in "V" * n + "N":
            at += 150
            tally.add([Beat(at, at / FS, label, 0.9, {}, 0.6, 100.0, Quality(0))])
        if i % 100 == 99:
            sizes.append(len(pickle.dumps(tally)))
            counts.append(tally.summary("x", FS, at / FS).beats)
    summary = tally.summary("x", FS, at / FS)
    assert len(summary.runs) == 100
    assert min(run.beats for run in summary.runs) >= 48  # 1,000 runs of 3 to 52 beats
    assert [run.start for run in summary.runs] == sorted(run.start for run in summary.runs)
    assert summary.n_runs == summary.run_counts["V"].count == 1000
    assert summary.run_counts["V"].first == pytest.approx(0.6)
    kept = [size - 10 * n for size, n in zip(sizes, counts, strict=True)]  # of beats for the rates
    assert max(kept) <= 2.1 * kept[0]
    assert "997 shorter ones more" in summary.text()


def test_the_summary_says_where_fibrillation_cannot_be_told() -> None:
    tally = Tally(("normal", "abnormal"))
    tally.events([])
    summary = tally.summary("x", FS, 720.0)
    assert (
        "AF burden   not told: that needs a model of ectopic beats, as beats is" in summary.text()
    )
    assert np.isnan(summary.to_dict()["rhythm"]["atrial_fibrillation_burden"])
