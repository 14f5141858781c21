"""Alarms: raised in time, kept until seen, silent where they should be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from ecgfast import Event, RhythmStream
from ecgfast.alarms import Alarm, AlarmRule, Alarms, AlarmSettings
from ecgfast.rhythm import EventKind, Severity


def event(
    kind: str,
    start: float,
    end: float,
    severity: str = "high",
    *,
    ongoing: bool = False,
    lead: int | None = None,
    confidence: float = 1.0,
) -> Event:
    return Event(
        EventKind(kind),
        round(start * 100),
        round(end * 100),
        start,
        end,
        Severity(severity),
        confidence,
        lead=lead,
        ongoing=ongoing,
    )


def seen(alarms: Iterable[Alarm]) -> list[tuple[str, str, bool, bool, bool]]:
    return [(str(a.kind), a.priority, a.ended is not None, a.acknowledged, a.over) for a in alarms]


def test_an_alarm_lasts_until_it_has_ended_and_was_acknowledged() -> None:
    alarms = Alarms()
    raised = alarms.process([event("asystole", 10, 13, ongoing=True)], 13.0)
    assert seen(raised) == [("asystole", "high", False, False, False)]
    assert (raised[0].since, raised[0].raised, raised[0].sounds) == (10.0, 13.0, True)
    assert alarms.process([], 14.0) == []
    ended = alarms.process([event("asystole", 10, 15)], 15.5)
    assert seen(ended) == [("asystole", "high", True, False, False)]
    assert alarms.shown == ended
    over = alarms.acknowledge(raised[0].id, 60.0)
    assert seen(over) == [("asystole", "high", True, True, True)]
    assert alarms.shown == []
    assert alarms.acknowledge(raised[0].id, 61.0) == []


def test_one_that_is_acknowledged_while_it_lasts_is_silent_and_over_at_its_end() -> None:
    alarms = Alarms()
    (raised,) = alarms.process([event("asystole", 10, 13, ongoing=True)], 13.0)
    (silent,) = alarms.acknowledge(raised.id, 14.0)
    assert not silent.sounds
    assert alarms.shown == [silent]
    assert seen(alarms.process([event("asystole", 10, 20)], 20.0)) == [
        ("asystole", "high", True, True, True)
    ]


def test_what_comes_and_goes_is_one_alarm() -> None:
    alarms = Alarms()
    (first,) = alarms.process([event("ventricular_run", 10, 11, "medium", ongoing=True)], 11.0)
    alarms.acknowledge(first.id, 11.5)
    alarms.process([event("ventricular_run", 10, 12, "medium")], 12.5)
    again = alarms.process([event("ventricular_run", 20, 22, "medium")], 22.5)
    assert {alarm.id for alarm in again} == {first.id}
    assert not any(alarm.sounds for alarm in again)
    assert again[-1].events == 2
    # Much later it is another one.
    (later, _) = alarms.process([event("ventricular_run", 90, 92, "medium")], 92.5)
    assert later.id != first.id
    assert later.sounds


def test_one_that_becomes_more_urgent_sounds_again() -> None:
    alarms = Alarms()
    (first,) = alarms.process([event("ventricular_run", 10, 11, "medium", ongoing=True)], 11.0)
    alarms.acknowledge(first.id, 11.5)
    worse = alarms.process([event("ventricular_run", 10, 16, "high")], 16.0)
    assert seen(worse)[0] == ("ventricular_run", "high", False, False, False)
    assert worse[0].id == first.id


def test_a_short_loss_of_a_lead_raises_none_and_a_long_one_ends_by_itself() -> None:
    alarms = Alarms()
    assert alarms.process([event("lead_off", 10, 11, "low", ongoing=True, lead=0)], 11.0) == []
    assert alarms.process([event("lead_off", 10, 11.5, "low", lead=0)], 11.6) == []
    alarms.process([event("lead_off", 20, 21, "low", ongoing=True, lead=0)], 21.0)
    assert seen(alarms.process([], 22.0)) == [("lead_off", "medium", False, False, False)]
    over = alarms.process([event("lead_off", 20, 25, "low", lead=0)], 25.0)
    assert seen(over) == [("lead_off", "medium", True, False, True)]


def test_the_alarm_lasts_as_long_as_any_lead_is_off() -> None:
    alarms = Alarms()
    for lead in (0, 1):
        alarms.process([event("lead_off", 20, 21, "low", ongoing=True, lead=lead)], 23.0)
    assert alarms.process([event("lead_off", 20, 25, "low", lead=0)], 25.0) == []
    assert seen(alarms.process([event("lead_off", 20, 30, "low", lead=1)], 30.0)) == [
        ("lead_off", "medium", True, False, True)
    ]


def test_rules_say_which_events_count() -> None:
    rules = {EventKind.PAUSE: AlarmRule("low", min_confidence=0.5)}
    alarms = Alarms(AlarmSettings(rules))
    assert alarms.process([event("asystole", 10, 13, ongoing=True)], 13.0) == []
    assert alarms.process([event("pause", 10, 12, confidence=0.4)], 13.0) == []
    assert seen(alarms.process([event("pause", 20, 22, confidence=0.6)], 23.0)) == [
        ("pause", "low", False, False, False),
        ("pause", "low", True, False, False),
    ]
    # A run whose beats are hardly labelled V raises none, until it is surer.
    alarms = Alarms()
    run = event("ventricular_run", 33, 35, "medium", ongoing=True, confidence=0.2)
    assert alarms.process([run], 36.0) == []
    sure = event("ventricular_run", 33, 38, "medium", ongoing=True, confidence=0.5)
    assert seen(alarms.process([sure], 39.0)) == [
        ("ventricular_run", "medium", False, False, False)
    ]
    # Where the rule names no priority, an event without severity raises none.
    assert Alarms().process([event("ventricular_run", 1, 2, "info", ongoing=True)], 2.0) == []


def test_the_most_urgent_one_is_first() -> None:
    alarms = Alarms()
    alarms.process([event("asystole", 10, 13, ongoing=True)], 13.0)
    alarms.process([event("atrial_fibrillation", 0, 30, "low", ongoing=True)], 31.0)
    alarms.process([event("ventricular_flutter", 30, 33, ongoing=True)], 33.0)
    assert [str(alarm.kind) for alarm in alarms.shown] == [
        "ventricular_flutter", "asystole", "atrial_fibrillation",
    ]  # fmt: skip


class Beat:
    """What `RhythmStream` needs of a beat."""

    def __init__(self, sample: int, label: str = "N") -> None:
        self.sample, self.label, self.quality, self.probability = sample, label, 0, 1.0


def test_an_alarm_on_suspicion_is_that_of_the_event_which_follows() -> None:
    alarms = Alarms()
    suspected = event("asystole", 10, 13.5, ongoing=True)
    (raised,) = alarms.process([], 13.5, suspected)
    assert seen([raised]) == [("asystole", "high", False, False, False)]
    assert alarms.process([], 13.6, suspected) == []
    assert alarms.process([event("asystole", 10, 13.25, ongoing=True)], 15.8) == []
    assert alarms.process([], 16.0) == []
    (ended,) = alarms.process([event("asystole", 10, 20)], 20.3)
    assert (ended.id, ended.ended, ended.events) == (raised.id, 20.0, 1)
    assert not ended.withdrawn
    # A beat that ends it before it is certain confirms it as well.
    (raised,) = alarms.process([], 93.5, event("asystole", 90, 93.5, ongoing=True))
    (ended,) = alarms.process([event("asystole", 90, 93.8)], 94.1)
    assert seen([ended]) == [("asystole", "high", True, False, False)]
    assert ended.id == raised.id


def test_an_alarm_on_suspicion_is_withdrawn_where_no_event_follows() -> None:
    alarms = Alarms()
    suspected = event("asystole", 10, 13.5, ongoing=True)
    (raised,) = alarms.process([], 13.5, suspected)
    alarms.acknowledge(raised.id, 13.6)
    # Whatever else happens: another kind, or an event that ended before.
    other = [event("pause", 7, 9), event("lead_off", 5, 6, "low", lead=0)]
    (withdrawn,) = alarms.process(other, 13.9)
    assert withdrawn.id == raised.id
    assert withdrawn.withdrawn
    assert withdrawn.over
    assert withdrawn.text == "asystole, withdrawn"
    assert alarms.shown == []
    # What was acknowledged was none: the next one is another, and sounds.
    (again,) = alarms.process([], 30.5, event("asystole", 27, 30.5, ongoing=True))
    assert again.id != raised.id
    assert again.sounds


def test_a_withdrawn_suspicion_leaves_an_earlier_alarm_as_it_was() -> None:
    alarms = Alarms()
    alarms.process([event("asystole", 10, 13, ongoing=True)], 13.0)
    (before,) = alarms.process([event("asystole", 10, 15)], 15.5)
    (reopened,) = alarms.process([], 28.5, event("asystole", 25, 28.5, ongoing=True))
    assert (reopened.id, reopened.events, reopened.ended) == (before.id, 2, None)
    # As text: a rate that is NaN equals none, since Python 3.13 in a data class too.
    assert repr(alarms.process([], 29.0)) == repr([before])
    assert repr(alarms.shown) == repr([before])
    # Acknowledged meanwhile: the earlier one was on the same banner.
    alarms.process([], 38.5, event("asystole", 35, 38.5, ongoing=True))
    alarms.acknowledge(before.id, 38.6)
    (after,) = alarms.process([], 39.0)
    assert after.over
    assert alarms.shown == []


def test_a_kind_without_an_alarm_is_not_suspected() -> None:
    alarms = Alarms(AlarmSettings({EventKind.PAUSE: AlarmRule("low")}))
    assert alarms.process([], 13.5, event("asystole", 10, 13.5, ongoing=True)) == []
    doubted = AlarmSettings({EventKind.ASYSTOLE: AlarmRule("high", min_confidence=0.5)})
    doubtful = event("asystole", 10, 13.5, ongoing=True, confidence=0.4)
    assert Alarms(doubted).process([], 13.5, doubtful) == []


FS, PEAKS = 250.0, list(range(200, 5000, 200))


def spikes(peaks: Iterable[int], height: float = 1.0) -> np.ndarray:
    """40 s of slight noise, with a spike at each R peak."""
    signal = np.random.default_rng(1).normal(0, 0.01, 10000).astype("f4")
    for peak in peaks:
        signal[peak - 3 : peak + 4] += np.float32(height) * np.array(
            [0.1, 0.5, 1, 1.5, 1, 0.5, 0.1], "f4"
        )
    return signal


def alarms_of(
    signal: np.ndarray, known: Iterable[tuple[int, int]], step: int
) -> tuple[list[Alarm], list[Event]]:
    """Alarms and events; each beat is given with its R peak and the sample that completes it."""
    rhythm, alarms = RhythmStream(FS), Alarms()
    waiting = sorted(known, key=lambda beat: beat[1])
    changed: list[Alarm] = []
    events: list[Event] = []
    for begin in range(0, len(signal), step):
        end = begin + step
        beats = [Beat(peak) for peak, at in waiting if begin < at <= end]
        found = rhythm.process(beats, signal[begin:end])
        events += found
        changed += alarms.process(found, end / FS, rhythm.suspected_asystole)
    events += rhythm.flush()
    assert rhythm.suspected_asystole is None
    return changed, events


@pytest.mark.parametrize("hum", [0.0, 0.2])
def test_an_asystole_under_hum_alone_sounds_and_says_to_check_the_electrodes(hum: float) -> None:
    signal = spikes(PEAKS)
    at = np.arange(len(signal) - PEAKS[-1] - 100) / FS
    signal[PEAKS[-1] + 100 :] += np.float32(hum) * np.sin(2 * np.pi * 50.0 * at)
    changed, _ = alarms_of(signal, [(peak, peak + 75) for peak in PEAKS], 25)
    asystoles = [alarm for alarm in changed if alarm.kind == "asystole"]
    assert (asystoles[0].priority, asystoles[0].sounds) == ("high", True)
    assert asystoles[0].raised - PEAKS[-1] / FS < 4.0
    told = asystoles[-1].text
    assert asystoles[-1].hum is (hum > 0)
    assert ("(only mains hum is seen: check the electrodes too)" in told) is (hum > 0)


def test_hum_on_one_of_two_leads_is_no_doubt_about_an_asystole() -> None:
    asystole = Event("asystole", 1000, 2000, 4.0, 8.0, "high", ongoing=True)
    hum = [Event("mains_hum", 1000, 2000, 4.0, 8.0, "low", lead=i, ongoing=True) for i in (0, 1)]
    alarms = Alarms(leads=("I", "II"))
    assert not alarms.process([asystole, hum[0]], 8.0)[0].hum
    (seen,) = alarms.acknowledge(1, 8.5)
    (changed,) = [one for one in alarms.process([hum[1]], 9.0) if one.kind == "asystole"]
    assert changed.hum
    assert changed.acknowledged is seen.acknowledged is True  # it does not sound again


@pytest.mark.parametrize(("step", "resolution"), [(7, None), (25, None), (250, None), (25, 0.045)])
def test_an_asystole_is_raised_within_a_second_of_its_threshold(
    step: int, resolution: float | None
) -> None:
    """A made signal of spikes that stop; beats are reported 0.3 s after their R peak.

    With a coarse converter a fifth of the blocks between beats are flat: no lead is off.
    """
    signal = spikes(PEAKS)
    if resolution is not None:
        signal = np.round(signal / resolution).astype("f4") * np.float32(resolution)
        after = signal[PEAKS[-1] + 100 :][:1000].reshape(-1, 50)
        assert (after == 0.0).all(axis=1).sum() >= 3
    changed, _ = alarms_of(signal, [(peak, peak + 75) for peak in PEAKS], step)
    raised = changed[0]
    assert str(raised.kind) == "asystole"
    assert raised.since == PEAKS[-1] / FS
    # 3 s without a beat, 0.5 s in which one is usually reported, a block, and the chunk.
    assert raised.raised - raised.since <= 3.0 + 0.5 + 0.25 + step / FS
    assert len(changed) == 1  # the event that follows is the same alarm, which lasts


def test_a_small_beat_reported_late_withdraws_the_alarm_of_an_asystole() -> None:
    """No block is steep, as the last beat is small; it is reported two seconds after its R peak."""
    late = PEAKS[-1] + round(2.5 * FS)
    signal = spikes(PEAKS) + spikes([late], 0.3)
    more = list(range(late + 500, 9500, 200))
    signal += spikes(more)
    known = [(peak, peak + 75) for peak in [*PEAKS, *more]] + [(late, late + 499)]
    changed, events = alarms_of(signal, known, 25)
    asystole = [alarm for alarm in changed if str(alarm.kind) == "asystole"]
    assert [alarm.withdrawn for alarm in asystole] == [False, True]
    assert not [one for one in events if one.kind == EventKind.ASYSTOLE]
    assert asystole[1].ended == pytest.approx((late + 499) / FS, abs=0.11)


@pytest.mark.parametrize("beat_s", [3.3, 3.6, 3.9, 5.0])
def test_an_escape_beat_ends_the_alarm_and_withdraws_nothing(beat_s: float) -> None:
    escape = PEAKS[-1] + round(beat_s * FS)
    more = list(range(escape, 9500, 200))
    known = [(peak, peak + 75) for peak in [*PEAKS, *more]]
    changed, _ = alarms_of(spikes([*PEAKS, *more]), known, 25)
    asystole = [alarm for alarm in changed if str(alarm.kind) == "asystole"]
    assert seen(asystole) == [
        ("asystole", "high", False, False, False),
        ("asystole", "high", True, False, False),
    ]
    assert asystole[1].ended == escape / FS


def test_an_asystole_in_which_the_lead_comes_off_stays_one_alarm() -> None:
    signal = spikes(PEAKS)
    off = PEAKS[-1] + round(3.9 * FS)
    signal[off:] = np.nan
    changed, _ = alarms_of(signal, [(peak, peak + 75) for peak in PEAKS], 25)
    asystole = [alarm for alarm in changed if str(alarm.kind) == "asystole"]
    assert [(a.withdrawn, a.ended is None) for a in asystole] == [(False, True), (False, False)]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_lost_signal_is_no_asystole(value: float) -> None:
    signal = spikes(PEAKS)
    signal[PEAKS[-1] + 60 :] = value
    changed, _ = alarms_of(signal, [(peak, peak + 75) for peak in PEAKS], 25)
    assert "asystole" not in {str(alarm.kind) for alarm in changed}


def test_an_alarm_names_the_leads_that_are_off_and_sounds_again_for_another_one() -> None:
    alarms = Alarms(leads=("I", "II", "V1"))
    (first,) = alarms.process([event("lead_off", 10, 11, "low", ongoing=True, lead=1)], 12.5)
    assert (first.leads, first.text) == (("II",), "lead off (II)")
    assert first.to_dict()["leads"] == ["II"]
    (seen_now,) = alarms.acknowledge(first.id, 13.0)
    assert not seen_now.sounds
    # The other one is off for two seconds before that is an alarm.
    assert alarms.process([event("lead_off", 20, 21, "low", ongoing=True, lead=0)], 21.0) == []
    (both,) = alarms.process([], 22.5)
    assert (both.id, both.text, both.sounds) == (first.id, "lead off (I, II)", True)
    alarms.acknowledge(first.id, 23.0)
    # One of them comes back, and goes again: nothing new.
    assert alarms.process([event("lead_off", 20, 30, "low", lead=0)], 30.0) == []
    assert alarms.process([event("lead_off", 31, 32, "low", ongoing=True, lead=0)], 34.0) == []
    ended = alarms.process(
        [event("lead_off", 10, 40, "low", lead=1), event("lead_off", 31, 41, "low", lead=0)], 41.0
    )
    assert [alarm.over for alarm in ended] == [True]
    # The next time it is the lead of that time.
    again = alarms.process([event("lead_off", 50, 51, "low", ongoing=True, lead=2)], 53.0)
    assert [alarm.text for alarm in again] == ["lead off (V1), 2 times"]


def test_the_only_lead_is_not_named() -> None:
    alarms = Alarms(leads=("ECG",))
    (raised,) = alarms.process([event("lead_off", 10, 11, ongoing=True, lead=0)], 12.5)
    assert (raised.leads, raised.text) == ((), "lead off")
