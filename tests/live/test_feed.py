"""What pages are sent of a stream: the same beats, events and samples, in bounded memory."""

from __future__ import annotations

import base64
import json
import sys
import threading
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from ecgfast import Beat, Classifier, Event, Quality, RhythmStream, StreamingClassifier
from ecgfast.live.feed import LiveFeed
from ecgfast.live.wire import decode
from ecgfast.records import synthetic_ecg
from ecgfast.sources.clock import TimeOfDay


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def beat(sample: int, fs: float = 250.0, label: str = "N", **more: Any) -> Beat:
    rest: dict[str, Any] = {"rr": 0.8, "heart_rate": 75.0, "quality": Quality.GOOD} | more
    return Beat(sample, sample / fs, label, 0.9, {"N": 0.9}, **rest)


def texts(messages: list[str | bytes], kind: str) -> list[dict[str, Any]]:
    found = [json.loads(m) for m in messages if isinstance(m, str)]
    return [m for m in found if m["type"] == kind]


def points_of(messages: list[str | bytes]) -> list[tuple[int, np.ndarray]]:
    return [block for m in messages if isinstance(m, bytes) for block in decode(m)]


def state(feed: LiveFeed) -> dict[str, Any]:
    return json.loads(feed.state())


def hello(feed: LiveFeed) -> dict[str, Any]:
    return texts(feed.snapshot()[0], "hello")[0]


@pytest.mark.parametrize("n_leads", [1, 2])
def test_a_page_gets_the_beats_and_samples_of_the_stream(n_leads: int) -> None:
    fs = 360.0
    record = synthetic_ecg(50, fs, ventricular=0.1, leads=("MLII", "V1")[:n_leads], seed=2)
    labeller = StreamingClassifier(Classifier("beats"), fs, n_leads=n_leads)
    rhythm = RhythmStream(fs, n_leads=n_leads, delay=labeller.stream.delay / fs)
    feed = LiveFeed()
    feed.begin("made", fs, record.leads)
    cursor = feed.snapshot()[1]
    got: list[str | bytes] = []
    beats, events = [], []
    for i in range(0, len(record.signal), 37):
        chunk = record.signal[i : i + 37]
        new = labeller.process(chunk)
        found = rhythm.process(new, chunk)
        beats += new
        events += found
        feed.take(chunk if n_leads > 1 else chunk[:, 0], new, found)
        if i % 3 == 0:
            since = feed.since(cursor)
            assert since is not None
            got += since[0]
            cursor = since[1]
    since = feed.since(cursor)
    assert since is not None
    got += since[0]

    assert len(beats) > 40
    sent = [row for m in texts(got, "beats") for row in m["beats"]]
    assert [(row["sample"], row["label"]) for row in sent] == [(b.sample, b.label) for b in beats]
    blocks = points_of(got)
    assert [b for b, _ in blocks] == list(np.cumsum([0, *(len(p) for _, p in blocks)])[:-1])
    shown = np.concatenate([p for _, p in blocks])
    np.testing.assert_allclose(shown, record.signal, atol=1e-4)
    rows = texts(got, "event")
    assert [(r["kind"], r["start"], r["ongoing"]) for r in rows] == [
        (str(e.kind), e.start, e.ongoing) for e in events
    ]
    assert any(r["kind"] == "ventricular_ectopic" for r in rows)

    # A late viewer sees the same.
    (hello,) = texts(late := feed.snapshot()[0], "hello")
    assert [row["sample"] for row in hello["beats"]] == [b.sample for b in beats]
    late_points = np.concatenate([p for _, p in points_of(late)])
    np.testing.assert_allclose(late_points, record.signal, atol=1e-4)
    assert [r["start"] for r in hello["events"]] == list(dict.fromkeys(e.start for e in events))


def test_the_ring_holds_the_last_minute_however_long_the_stream() -> None:
    feed = LiveFeed()
    feed.begin("long", 100.0, ["a"])
    rng = np.random.default_rng(1)
    signal = np.arange(30000, dtype=np.float32) % 9000
    at = 0
    while at < len(signal):
        n = int(rng.integers(1, 2500))
        feed.take(signal[at : at + n], [], [])
        at += n
    blocks = points_of(feed.snapshot()[0])
    assert blocks[0][0] == 24000
    np.testing.assert_allclose(
        np.concatenate([p for _, p in blocks])[:, 0], signal[24000:], atol=0.01
    )
    assert points_of(feed.snapshot(10.0)[0])[0][0] == 29000
    feed.take(np.zeros(20000), [], [])  # one chunk longer than the ring
    assert points_of(feed.snapshot()[0])[0][0] == 44000


def test_a_reader_that_missed_too_much_gets_nothing_but_a_new_snapshot() -> None:
    feed = LiveFeed()
    feed.begin("a", 100.0, ["x"])
    cursor = feed.snapshot()[1]
    feed.take(np.zeros(5000), [], [])
    assert feed.since(cursor) is not None
    feed.take(np.zeros(5000), [], [])
    assert feed.since(cursor) is None  # the ring has gone over it
    cursor = feed.snapshot()[1]
    for i in range(2000):
        feed.note(f"note {i}")
    assert feed.since(cursor) is None
    cursor = feed.snapshot()[1]
    feed.begin("b", 100.0, ["x", "y"])
    assert feed.since(cursor) is None
    (hello,) = texts(feed.snapshot()[0], "hello")
    assert (hello["source"], hello["leads"], hello["events"]) == ("b", ["x", "y"], [])


@pytest.mark.thorough
def test_memory_is_bounded() -> None:
    feed = LiveFeed()
    feed.begin("night", 250.0, ["x"])
    for i in range(1200):  # 4 hours
        at = 12 * 250 * i
        feed.take(
            np.full(3000, np.nan),
            [beat(at + 200 * k) for k in range(15)],
            [Event("pause", at, at + 500, at / 250, at / 250 + 2)],
        )
        feed.publish({"type": "alarm", "id": i, "priority": "high", "text": "x"})
    (hello,) = texts(feed.snapshot()[0], "hello")
    assert len(hello["events"]) == 200
    assert len(hello["trend"]) == 360
    assert len(hello["alarms"]) == 100
    assert len(hello["beats"]) <= 75
    assert len(json.dumps(hello)) < 150_000
    assert sum(map(len, feed.snapshot()[0])) < 400_000
    assert len(feed._uncut) <= 1


def test_events_keep_their_strips_when_the_ring_has_lost_them() -> None:
    fs = 250.0
    signal = np.sin(np.arange(round(200 * fs)) / 40).astype(np.float32)
    feed = LiveFeed()
    feed.begin("x", fs, ["II"])
    step = 250
    for i in range(0, len(signal), step):
        beats = [beat(i + 100)] if i % 500 == 0 else []
        events = []
        if i == 20000:  # 30 s after its beginning, as bradycardia is
            events = [Event("bradycardia", 12500, i, 50.0, 80.0, severity="low", ongoing=True)]
        feed.take(signal[i : i + step], beats, events)
        if i == 20000:
            assert feed.strip(0) is not None
    strip = feed.strip(0)
    assert strip is not None
    assert strip["whole"]
    assert (strip["begin"], strip["end"]) == (12000, 14500)
    ((_, points),) = [
        (b, np.concatenate([p for _, p in decode(base64.b64decode(strip["data"]))]))
        for b in [strip["begin"]]
    ]
    np.testing.assert_allclose(points[:, 0], signal[12000:14500], atol=1e-4)
    assert [row["sample"] for row in strip["beats"]] == [12100, 12600, 13100, 13600, 14100]
    assert feed.strip(1) is None


def test_the_strip_of_the_newest_event_is_whole_at_the_end() -> None:
    feed = LiveFeed()
    feed.begin("x", 250.0, ["II"])
    first = beat(390, rr=float("nan"), heart_rate=float("nan"))
    feed.take(np.zeros(1000), [first], [Event("pause", 400, 900, 1.6, 3.6)])
    strip = feed.strip(0)
    assert strip is not None
    json.dumps(strip, allow_nan=False)
    assert not strip["whole"]
    assert (strip["begin"], strip["end"]) == (0, 1000)
    feed.end("the recording has ended")
    strip = feed.strip(0)
    assert strip is not None
    assert strip["whole"]
    (end,) = texts(feed.since(feed.snapshot()[1]._replace(message=0))[0], "end")  # type: ignore[index]
    assert end["text"] == "the recording has ended"


def test_an_event_that_ends_is_the_one_that_began() -> None:
    feed = LiveFeed()
    feed.begin("x", 250.0, ["I", "II"])
    feed.take(np.zeros((500, 2)), [beat(100)], [])
    begun = [
        Event("atrial_fibrillation", 0, 400, 0.0, 1.6, severity="medium", ongoing=True),
        Event("lead_off", 10, 400, 0.04, 1.6, severity="low", lead=1, ongoing=True),
        Event("lead_off", 20, 400, 0.08, 1.6, severity="low", lead=0, ongoing=True),
    ]
    feed.take(np.ones((1, 2)), [], begun)
    assert state(feed)["rhythm"] == "atrial fibrillation"
    assert state(feed)["leads"] == ["lead off", "lead off"]
    feed.take(np.ones((1, 2)), [], [Event("lead_off", 10, 450, 0.04, 1.8, lead=1)])
    assert state(feed)["leads"][0] == "lead off"
    (hello,) = texts(feed.snapshot()[0], "hello")
    rows = [(r["id"], r["kind"], r["lead"], r["ongoing"]) for r in hello["events"]]
    assert rows == [
        (0, "atrial_fibrillation", None, True),
        (1, "lead_off", "II", False),
        (2, "lead_off", "I", True),
    ]
    feed.take(np.ones((1, 2)), [], [Event("atrial_fibrillation", 0, 450, 0.0, 1.8)])
    assert state(feed)["rhythm"] == "no event"


def test_the_state_in_words() -> None:
    clock = Clock()
    feed = LiveFeed(clock=clock, wall=lambda: 1.7e9)
    assert state(feed)["leads"] == []
    feed.begin("x", 250.0, ["I", "II"])
    signal = np.random.default_rng(0).standard_normal((1000, 2))
    feed.take(signal, [], [])
    found = state(feed)
    assert (found["rate"], found["rhythm"], found["leads"]) == (None, "no beat yet", ["", ""])
    feed.take(signal, [beat(900)], [])
    assert (state(feed)["rate"], state(feed)["quality"]) == (75.0, "good")
    noisy = [beat(2000 + k, quality=Quality.NOISY | Quality.DOUBTFUL) for k in range(8)]
    feed.take(signal, noisy, [])
    assert state(feed)["quality"] == "noisy"
    signal[-300:, 0] = 0.0  # flat before the rhythm engine says so
    signal[-2:, 1] = np.nan
    feed.take(signal, [], [])
    assert state(feed)["leads"] == ["flat", "no data"]
    assert state(feed)["quality"] == "no signal"
    assert state(feed)["silent"] == 0
    clock.now += 7.0
    feed.take(np.empty((0, 0)), [], [])  # nothing is no sample
    now = state(feed)
    assert now["silent"] == 7.0
    # Not what they were when the last sample came.
    assert (now["rhythm"], now["quality"], now["leads"]) == ("", "no signal", ["no data"] * 2)
    feed.take(signal, [], [])
    assert state(feed)["rate"] is None  # more than five seconds after the last beat
    assert state(feed)["wall"] == 1.7e9


def test_times_of_day_of_a_replayed_recording() -> None:
    feed = LiveFeed()
    feed.begin("x", 250.0, ["I"], time_of_day=TimeOfDay(250.0, datetime(2026, 7, 1, 23)))
    feed.take(np.zeros(2500), [], [])
    told = hello(feed)
    assert told["zone"] == ""
    shown = datetime(1970, 1, 1) + timedelta(seconds=state(feed)["wall"] + told["utc_offset"])
    assert shown == datetime(2026, 7, 1, 23, 0, 10)


def test_the_time_of_day_that_the_stream_has_is_that_of_the_page() -> None:
    """Its caller alone reports arrivals: one who arrives later would see all samples later."""
    clock = Clock()
    time_of_day = TimeOfDay(250.0, now=clock)
    feed = LiveFeed(clock=clock, wall=clock)
    feed.begin("x", 250.0, ["I"], time_of_day=time_of_day)
    time_of_day.arrived(250)
    clock.now += 3.0
    feed.take(np.zeros(250), [], [])
    assert state(feed)["wall"] == time_of_day.at(250) == 1000.0


def test_samples_that_are_none_are_missing() -> None:
    feed = LiveFeed()
    feed.begin("x", 250.0, ["I"])
    feed.take(np.array([1.0, np.inf, -np.inf, 3e38, np.nan, 2.0]), [], [])
    masked = np.ma.masked_array([4.0, 5.0], [True, False])
    feed.take(masked, [], [])
    (block,) = points_of(feed.snapshot()[0])
    assert np.isnan(block[1][:, 0]).tolist() == [False, True, True, True, True, False, True, False]


def test_the_trend_of_an_hour() -> None:
    feed = LiveFeed()
    feed.begin("x", 100.0, ["I"])
    for i in range(100):
        beats = [
            beat(100 * i + k, 100.0, "V" if i == 15 else "N", heart_rate=60.0 + i)
            for k in ([10, 60] if i < 40 or i >= 60 else [])
        ]
        feed.take(np.zeros(100), beats, [])
    (hello,) = texts(feed.snapshot()[0], "hello")
    trend = hello["trend"]
    assert [p[0] for p in trend] == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    assert trend[1][1:] == [74.5, 70.0, 79.0, 20, 2, 0]
    assert trend[4][1:] == [None, None, None, 0, 0, 0]


def test_alarms_are_shown_until_they_have_ended_and_are_acknowledged() -> None:
    feed = LiveFeed()
    feed.begin("x", 100.0, ["I"])
    cursor = feed.snapshot()[1]
    alarm = {
        "type": "alarm", "id": "a", "kind": "asystole", "priority": "high", "since": 3.5,
        "ended": None, "acknowledged": False, "text": "Asystole",
    }  # fmt: skip
    feed.publish(alarm)
    feed.publish({**alarm, "ended": 9.0})
    assert feed.alarm("a") is not None
    feed.begin("y", 100.0, ["I"])  # an alarm outlives its source
    assert feed.alarm("a") is not None
    feed.publish({**alarm, "ended": 9.0, "acknowledged": True})
    assert feed.alarm("a") is None
    (hello,) = texts(feed.snapshot()[0], "hello")
    assert hello["alarms"] == []
    assert feed.since(cursor) is None


def test_readers_do_not_hold_up_the_signal() -> None:
    """Many readers of all there is: what is sent stays consistent, and the writer gets on."""
    feed = LiveFeed()
    feed.begin("x", 250.0, ["I", "II"])
    done = threading.Event()
    faults: list[object] = []

    def read() -> None:
        cursor = feed.snapshot()[1]
        while not done.is_set():
            found = feed.since(cursor)
            if found is None:
                faults.append("missed")
                return
            messages, cursor = found
            for begin, points in points_of(messages):
                if not np.allclose(points[:, 0], np.arange(begin, begin + len(points)), atol=0.5):
                    faults.append(begin)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    readers = [threading.Thread(target=read) for _ in range(4)]
    try:
        for reader in readers:
            reader.start()
        for i in range(0, 12000, 25):
            at = np.arange(i, i + 25, dtype=np.float32)
            feed.take(np.stack([at, at], axis=1), [beat(i)], [])
    finally:
        done.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(interval)
    assert faults == []


def test_it_says_so_while_no_labelled_lead_has_a_signal() -> None:
    feed = LiveFeed()
    feed.begin("made", 250.0, ["I", "II", "V1"], labelled=(0, 1))
    moving = np.sin(np.arange(500) / 5.0)
    on = np.stack([moving, moving, moving], 1)
    feed.take(on, [], [])
    assert state(feed)["unlabelled"] == ""
    one_off = on.copy()
    one_off[:, 0] = 3.0
    feed.take(one_off, [], [])
    assert state(feed)["unlabelled"] == ""
    both_off = one_off.copy()
    both_off[:, 1] = np.nan
    feed.take(both_off[:100], [], [])
    assert state(feed)["unlabelled"] == ""  # for less than a second
    feed.take(both_off, [], [])
    assert state(feed)["unlabelled"] == "No signal on I and II: labels of beats mean nothing"
    feed.take(np.full((500, 3), 3.0), [], [])
    assert state(feed)["unlabelled"] == "No lead has a signal: no beats are found"
    feed.take(on, [], [])
    assert state(feed)["unlabelled"] == ""


def test_a_lead_that_shows_nothing_but_the_mains_is_said_to() -> None:
    feed = LiveFeed()
    feed.begin("made", 250.0, ["I", "II"], labelled=(0,))
    heart = np.random.default_rng(0).normal(0, 1, (500, 2))
    hum = Event("mains_hum", 10, 510, 0.04, 2.04, severity="low", lead=0, ongoing=True)
    feed.take(heart, [], [hum])
    assert state(feed)["leads"] == ["mains hum", ""]
    assert state(feed)["unlabelled"] == "No signal on I: labels of beats mean nothing"
    assert state(feed)["rhythm"] == "no beat yet"
    feed.take(heart, [], [Event("mains_hum", 10, 1000, 0.04, 4.0, severity="low", lead=0)])
    assert (state(feed)["leads"], state(feed)["unlabelled"]) == (["", ""], "")
