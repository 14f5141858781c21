"""Time of day of samples whose source has a clock of its own, and a link that is late."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from ecgfast.sources.clock import SampleClock, TimeOfDay

FS = 250.0
BEGIN = 1_790_000_000.0


def played(
    drift: float, seconds: float, *, late: float = 0.02, chunk: int = 25, seed: int = 0
) -> tuple[SampleClock, float]:
    """A source that samples too fast by `drift`, over a link with exponential lateness."""
    rng = np.random.default_rng(seed)
    now = [BEGIN]
    clock = SampleClock(FS, now=lambda: now[0])
    rate = FS * (1 + drift)
    for count in range(chunk, round(seconds * rate), chunk):
        now[0] = max(now[0], BEGIN + count / rate + rng.exponential(late))
        clock.arrived(count)
    return clock, rate


@pytest.mark.parametrize("drift", [0.0, 200e-6, -200e-6, 0.002])
def test_times_stay_right_through_drift_and_jitter(drift: float) -> None:
    clock, rate = played(drift, 1200.0)
    for sample in (round(1100 * rate), round(1199 * rate)):
        assert clock.time_of(sample) == pytest.approx(BEGIN + sample / rate, abs=0.01)
    assert clock.drift == pytest.approx(drift, abs=20e-6)
    assert 0.005 < clock.jitter < 0.04


def test_the_first_minute_is_right_to_the_lateness_of_the_link() -> None:
    clock, _ = played(0.0, 30.0)
    assert clock.time_of(0) == pytest.approx(BEGIN, abs=0.02)
    assert np.isnan(clock.drift)


def test_a_clock_that_is_set_is_followed() -> None:
    now = [BEGIN]
    clock = SampleClock(FS, now=lambda: now[0])
    for count in range(25, 25_000, 25):
        now[0] = BEGIN + count / FS + (3600.0 if count > 20_000 else 0.0)
        clock.arrived(count)
    assert clock.time_of(25_000) == pytest.approx(BEGIN + 3700.0, abs=0.01)


def test_nothing_has_arrived() -> None:
    assert np.isnan(SampleClock(FS).time_of(3))


def test_the_time_of_day_is_by_the_header_or_by_arrival() -> None:
    now = [BEGIN]
    header = TimeOfDay(FS, datetime(1970, 1, 1, 0, 16, 40), now=lambda: now[0])
    header.arrived(100_000)
    assert (header.at(round(10 * FS)), header.known) == (1010.0, True)
    board, pipe = (TimeOfDay(FS, live=live, now=lambda: now[0]) for live in (True, False))
    assert board.at(0) == BEGIN  # nothing has arrived: now
    for clock in (board, pipe):
        clock.arrived(0)
        now[0] = BEGIN + 2.0
        clock.arrived(round(FS))
    assert board.at(0) == pipe.at(0) == BEGIN + 1.0
    assert (board.known, pipe.known) == (True, False)


@pytest.mark.parametrize("year", [1, 2, 1899, 1950, 2026, 9999])
def test_any_year_of_a_header_has_a_time_of_day_or_none(year: int) -> None:
    """Recordings without a date are given such years; their beats have none then."""
    clock = TimeOfDay(FS, datetime(year, 1, 1), live=False)
    assert clock.moment(round(10 * FS)) == datetime(year, 1, 1, 0, 0, 10)
    assert clock.moment(round(1e15)) is None  # beyond the calendar


@pytest.mark.parametrize("machine", ["UTC", "America/New_York", "Australia/Lord_Howe"])
def test_times_of_a_recording_are_by_its_clock_wherever_it_is_replayed(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("no zones of this machine to choose from")
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        # Two hours from half an hour before clocks are set forward in New York.
        night = TimeOfDay(1.0, datetime(2026, 3, 8, 1, 30), live=False)
        assert str(night.moment(7200)) == "2026-03-08 03:30:00"
        assert (night.zone, night.utc_offset) == ("", 0.0)
        stated = TimeOfDay(1.0, datetime(2026, 3, 8, 1, 30, tzinfo=timezone(timedelta(hours=1))))
        assert str(stated.moment(7200)) == "2026-03-08 03:30:00+01:00"
        assert (stated.zone, stated.utc_offset) == ("UTC+01:00", 3600.0)
        assert datetime.fromtimestamp(stated.at(7200), timezone.utc) == stated.moment(7200)
        # What is live is by this machine's clock, and its zone is stated.
        live = TimeOfDay(1.0, now=lambda: BEGIN)
        live.arrived(1)
        moment = live.moment(1)
        assert moment is not None
        assert timedelta(seconds=live.utc_offset) == moment.utcoffset()
        assert live.zone == str(timezone(timedelta(seconds=live.utc_offset)))
    finally:
        monkeypatch.undo()
        time.tzset()
