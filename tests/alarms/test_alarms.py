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


@pytest.mark.parametrize("step", [25, 250])
def test_an_asystole_is_raised_while_it_lasts(step: int) -> None:
    """A made signal of spikes that stop; beats arrive 0.3 s after their R peak."""
    fs, peaks = 250.0, list(range(200, 5000, 200))
    rng = np.random.default_rng(1)
    signal = rng.normal(0, 0.01, 10000).astype("f4")
    for peak in peaks:
        signal[peak - 3 : peak + 4] += [0.1, 0.5, 1, 1.5, 1, 0.5, 0.1]
    rhythm, alarms = RhythmStream(fs), Alarms()
    raised: list[Alarm] = []
    given = 0
    for begin in range(0, len(signal), step):
        end = begin + step
        beats = []
        while given < len(peaks) and peaks[given] + 75 <= end:
            beats.append(Beat(peaks[given]))
            given += 1
        raised += alarms.process(rhythm.process(beats, signal[begin:end]), end / fs)
        if raised:
            break
    assert str(raised[0].kind) == "asystole"
    assert raised[0].since == peaks[-1] / fs
    # 3 s without a beat, 2.5 s in which a beat may still be reported, the rest of a block, a chunk.
    assert raised[0].raised - raised[0].since <= 3.0 + 2.5 + 0.5 + step / fs
