"""The page in a real browser."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from chromium import Chromium

from ecgfast import Classifier, RhythmStream, StreamingClassifier
from ecgfast.live import LiveFeed, LiveServer
from ecgfast.records import Record, synthetic_ecg

pytest.importorskip("uvicorn", reason="the extra 'live' is not installed")

FS = 250.0
ALARM = {
    "type": "alarm", "id": 1, "kind": "asystole", "priority": "high", "since": 3.5,
    "ended": None, "acknowledged": False, "text": "asystole",
}  # fmt: skip


class Replay:
    """A recording that goes into a feed: its first seconds at once, then as time passes."""

    def __init__(self, record: Record, at_once: float) -> None:
        self.feed = LiveFeed()
        self._record = record
        self._at_once = at_once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> LiveFeed:
        self._thread.start()
        return self.feed

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        record, step = self._record, round(FS / 10)
        n_leads = len(record.leads)
        labeller = StreamingClassifier(Classifier("beats"), FS, n_leads=n_leads)
        rhythm = RhythmStream(FS, n_leads=n_leads, delay=labeller.stream.delay / FS)
        self.feed.begin("made", FS, record.leads)
        begin = time.monotonic() - self._at_once
        for i in range(0, len(record.signal), step):
            chunk = record.signal[i : i + step]
            beats = labeller.process(chunk)
            self.feed.take(chunk, beats, rhythm.process(beats, chunk))
            self._stop.wait(max(0.0, begin + (i + step) / FS - time.monotonic()))
            if self._stop.is_set():
                return


@pytest.fixture(scope="module")
def record() -> Record:
    return synthetic_ecg(900, FS, ventricular=0.1, seed=4)


# Place of the label, and of the largest deflection of the trace of the first lead near it, in a
# picture that is drawn here, of what the page holds now.
DRAWN = """
(() => {
  const { S, view, size, draw } = ecgfast, canvas = document.getElementById('trace');
  draw();
  const ratio = canvas.width / size.width, top = Math.ceil(26 * ratio);
  const lane = Math.floor(size.lane * ratio);
  const picture = canvas.getContext('2d').getImageData(0, top, canvas.width, lane - 4).data;
  const height = (x) => {
    for (let y = 0; y < lane - 4; y++) if (picture[4 * (y * canvas.width + x) + 3] > 90) return y;
    return 1e9;
  };
  return view.drawn.filter((b) => b.label === 'N' && b.x > 60 && b.x < size.width - 40).map((b) => {
    let best = 0, least = 1e9;
    for (let x = Math.round((b.x - 25) * ratio); x < (b.x + 25) * ratio; x++) {
      const y = height(x);
      if (y < least) { least = y; best = x; }
    }
    return [b.sample, b.label, b.x, best / ratio];
  });
})()
"""


def test_labels_stand_where_the_beats_are(browser: Chromium, record: Record) -> None:
    feed = LiveFeed(clock=lambda: 0.0)  # the source is never silent, however slow this machine is
    feed.begin("made", FS, record.leads)
    labeller = StreamingClassifier(Classifier("beats"), FS, n_leads=len(record.leads))
    n, step = round(30 * FS), round(FS / 10)
    expected = []
    for i in range(0, n, step):
        beats = labeller.process(record.signal[i : i + step])
        feed.take(record.signal[i : i + step], beats, [])
        expected += [[beat.sample, beat.label] for beat in beats]
    rows = "ecgfast.view.copy.beats.map((b) => [b.sample, b.label])"
    with LiveServer(feed, port=0) as server:
        browser.screen(1280, 900)
        browser.go(server.url)
        browser.wait(f"window.ecgfast && ecgfast.S.head === {n} && ecgfast.view.drawn.length > 3")
        browser.wait("document.getElementById('link').textContent === 'live'")
        browser.value("document.getElementById('pause').click()")
        drawn = browser.value(DRAWN)
        feed.take(record.signal[n : n + step], [], [])
        browser.wait(f"ecgfast.S.head === {n + step}")  # it is live: the paused part stands still
        assert browser.value("ecgfast.view.copy.head") == n
        assert browser.value(rows) == expected
    assert len(expected) > 20
    assert len(drawn) > 3
    for sample, _, x, highest in drawn:
        assert abs(x - highest) < 3.5, (sample, x, highest)  # pixels: 37 ms
    assert browser.exceptions == 0, browser.log


def test_times_are_by_the_clock_of_the_files_whatever_the_zone_of_the_browser(
    browser: Chromium,
) -> None:
    here = datetime.fromtimestamp(1.7e9).astimezone()
    # The other side of the world, for any machine on which this runs.
    behind = here.utcoffset() < timedelta(0)  # type: ignore[operator]
    browser.call(
        "Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo" if behind else "Pacific/Honolulu"
    )
    feed = LiveFeed(clock=lambda: 0.0, wall=lambda: 1.7e9)
    feed.begin("made", FS, ["I"])
    feed.take(np.zeros((1000, 1)), [], [])
    feed.note("a note")
    feed.publish(ALARM)
    clock = "document.getElementById('clock').textContent"
    try:
        with LiveServer(feed, port=0) as server:
            browser.go(server.url)
            browser.wait(f"window.ecgfast && {clock} !== ''")
            # The picture is a little behind the newest sample.
            browser.wait("ecgfast.S.head === 1000 && ecgfast.view.at > 200")
            now, _, zone = browser.value(clock).partition(" ")
            assert now.startswith(f"{here:%H:%M:}")
            assert zone == str(timezone(here.utcoffset()))  # type: ignore[arg-type]
            shown = browser.value("document.querySelector('#events .time').textContent")
            assert shown == f"{here:%H:%M:%S}"
            since = browser.value("document.querySelector('.alarm .when').textContent")
            assert since == f"since {here - timedelta(seconds=0.5):%H:%M:%S}"
    finally:
        browser.call("Emulation.setTimezoneOverride", timezoneId="")


# Looks at the levels of the signal several times, which the page does each half a second.
SETTLED = """
new Promise((done) => {
  let times = 5;
  const again = () => { ecgfast.draw(); if (times--) setTimeout(again, 510); else done(true); };
  again();
})
"""

# How far the traces of the last eight seconds reach beyond their lanes, in pixels, and the gain.
BEYOND = """
(() => {
  const { S, view, size } = ecgfast, begin = Math.max(0, S.head - Math.floor(7 * S.rate));
  return [view.mmPerMv, Math.max(...S.leads.map((_, lead) => {
    let most = 0;
    for (let i = begin; i < S.head; i++) {
      const v = S.rings[lead][i % S.size];
      if (v === v) most = Math.max(most, Math.abs(v - view.base[lead]));
    }
    return most * view.mmPerMv * 96 / 25.4 - size.lane / 2;
  }))];
})()
"""


@pytest.mark.parametrize("wander", [0.0, 0.8, 1.5])
def test_no_qrs_is_cut_where_the_baseline_wanders(browser: Chromium, wander: float) -> None:
    made = synthetic_ecg(40, FS, leads=("MLII", "V1"), seed=4)
    seconds = np.arange(len(made.signal)) / FS
    waves = np.stack([np.sin(2 * np.pi * hz * seconds) for hz in (0.2, 0.23)], axis=1)
    feed = LiveFeed()
    feed.begin("made", FS, made.leads)
    with LiveServer(feed, port=0) as server:
        browser.screen(1280, 700)
        browser.go(server.url)
        signal = made.signal + wander * waves
        signal[-900:-860, 0] += 30.0  # an artefact of 160 ms is none of them
        feed.take(signal[:-750], [], [])
        browser.wait("window.ecgfast && ecgfast.view.base.length === 2")
        feed.take(signal[-750:], [], [])
        browser.wait(f"ecgfast.S.head === {len(signal)}")
        browser.value(SETTLED)
        gain, beyond = browser.value(BEYOND)
    assert gain == 10 if wander == 0.0 else gain >= 2
    assert beyond > 10  # the artefact
    feed = LiveFeed()
    feed.begin("made", FS, made.leads)
    with LiveServer(feed, port=0) as server:
        browser.go(server.url)
        feed.take(made.signal + wander * waves, [], [])
        browser.wait(f"window.ecgfast && ecgfast.S.head === {len(made.signal)}")
        browser.value(SETTLED)
        clean, beyond = browser.value(BEYOND)
    assert clean == gain
    assert beyond <= 1.0
    assert browser.exceptions == 0, browser.log


@pytest.mark.parametrize("opened", ["before", "during"])
def test_a_standstill_is_drawn_as_small_as_it_is(browser: Chromium, opened: str) -> None:
    """The gain fitted itself to the noise of a standstill: 1000 mm/mV, and beats far beyond."""
    made = synthetic_ecg(30, FS, leads=("MLII", "V1"), seed=4)
    rng = np.random.default_rng(1)
    still = rng.normal(0, 0.004, (round(9 * FS), 2)).astype(np.float32)
    feed = LiveFeed(clock=lambda: 0.0)
    feed.begin("made", FS, made.leads)
    beats = StreamingClassifier(Classifier("beats"), FS, n_leads=2).process(made.signal)
    feed.take(made.signal, beats, [])
    with LiveServer(feed, port=0) as server:
        browser.screen(1280, 700)
        if opened == "before":
            browser.go(server.url)
            browser.wait("window.ecgfast && ecgfast.view.heights.length === 2")
        feed.take(still, [], [])
        if opened == "during":
            browser.go(server.url)
        n = len(made.signal) + len(still)
        browser.wait(
            f"window.ecgfast && ecgfast.view.at > {n - FS} && ecgfast.view.base.length == 2"
        )
        browser.value(SETTLED)
        assert browser.value("ecgfast.view.mmPerMv") == 10
    assert browser.exceptions == 0, browser.log


def test_an_alarm_is_shown_without_waiting_for_samples_and_acknowledged(
    browser: Chromium,
) -> None:
    feed = LiveFeed()
    feed.begin("made", FS, ["x"])
    feed.take(np.zeros((round(4 * FS), 1)), [], [])
    with LiveServer(feed, port=0) as server:
        browser.go(server.url)
        browser.wait("window.ecgfast && ecgfast.S.head > 0")
        head = browser.value("ecgfast.S.head")
        browser.value("document.getElementById('pause').click()")  # what is drawn stands still
        server.publish(ALARM)
        browser.wait("!!document.querySelector('.alarm.high')")
        assert browser.value("[ecgfast.S.head, ecgfast.view.paused]") == [head, True]
        assert browser.value("document.querySelector('.alarm b').textContent") == "asystole"
        assert browser.wait("ecgfast.audio.bursts") >= 1
        browser.value("document.querySelector('.alarm button').click()")
        browser.wait("!!document.querySelector('.alarm.seen')")
        assert browser.value("document.querySelector('.alarm button')") is None
        server.publish({**ALARM, "ended": 9.0, "acknowledged": True})
        browser.wait("!document.querySelector('.alarm')")
    assert browser.exceptions == 0, browser.log


def test_the_focus_stays_where_it_is_while_alarms_come_and_go(browser: Chromium) -> None:
    """All rows were made anew at each change: a click or a key on one of them was lost."""
    feed = LiveFeed(clock=lambda: 0.0)
    feed.begin("made", FS, ["x"])
    feed.take(np.zeros((round(4 * FS), 1)), [], [])
    run = {**ALARM, "id": 2, "kind": "ventricular_run", "text": "ventricular run"}
    focused = "document.activeElement.getAttribute('aria-label')"
    rows = "[...document.querySelectorAll('.alarm')].map((row) => row.dataset.id)"
    with LiveServer(feed, port=0) as server:
        browser.go(server.url)
        browser.wait("window.ecgfast && ecgfast.S.head > 0 && ecgfast.link.ok")
        server.publish({**ALARM, "priority": "low"})
        browser.wait("!!document.querySelector('.alarm button')")
        browser.value("document.querySelector('.alarm button').focus()")
        server.publish({**ALARM, "priority": "low", "ended": 9.0, "text": "asystole, ended"})
        browser.wait("document.querySelector('.alarm b').textContent.endsWith('ended')")
        server.publish(run)
        browser.wait("document.querySelectorAll('.alarm').length === 2")
        assert browser.value(rows) == ["2", "1"]  # the most urgent first
        assert browser.value(focused) == "Acknowledge: asystole, ended"
        browser.key("Enter")
        browser.wait("document.querySelectorAll('.alarm').length === 1")
        # Not on the next button: a key that is held would acknowledge all of them.
        assert browser.value("document.activeElement.id") == "alarms"
        assert feed.alarm(1) is None
        assert feed.alarm(2) == run
        server.publish({**run, "acknowledged": True})
        browser.wait("!document.querySelector('.alarm button')")
        server.publish(run)  # it sounds again
        browser.wait("!!document.querySelector('.alarm button')")
    assert browser.exceptions == 0, browser.log


def test_the_page_fits_the_narrowest_phone(browser: Chromium) -> None:
    feed = LiveFeed(clock=lambda: 0.0)
    feed.begin("serial:/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", FS, ["I", "II"])
    feed.take(np.zeros((round(4 * FS), 2)), [], [])
    feed.publish({**ALARM, "text": "extreme tachycardia (MLII, V1), 188 per minute, 12 times"})
    with LiveServer(feed, port=0) as server:
        browser.screen(320, 568, phone=True)
        browser.go(server.url)
        browser.wait("window.ecgfast && !!document.querySelector('.alarm button')")
        # The longest that it may be.
        browser.value("document.getElementById('sound').textContent = 'Turn sound on'")
        assert browser.value("document.documentElement.scrollWidth") == 320
        wide = "document.getElementById('theme').getBoundingClientRect().right"
        assert browser.value(wide) <= 320
    assert browser.exceptions == 0, browser.log


def test_an_alarm_that_was_there_first_has_a_time_of_day_and_waits_for_the_connection(
    browser: Chromium,
) -> None:
    feed = LiveFeed()
    feed.begin("made", FS, ["x"])
    feed.take(np.zeros((round(4 * FS), 1)), [], [])
    feed.publish(ALARM)
    with LiveServer(feed, port=0) as server:
        browser.go(server.url)
        since = "document.querySelector('.alarm .when')?.textContent"
        browser.wait(f"/^since \\d\\d:\\d\\d:\\d\\d$/.test({since})")
        assert browser.value("document.querySelector('.alarm.high button').disabled") is False
    browser.wait("document.querySelector('.alarm.high button').disabled")
    assert browser.exceptions == 0, browser.log


def test_a_banner_says_that_no_labelled_lead_has_a_signal(browser: Chromium) -> None:
    feed = LiveFeed(clock=lambda: 0.0)  # a source that is silent has no such banner
    feed.begin("made", FS, ["I", "II", "V1"], labelled=(0, 1))
    on = np.tile(np.sin(np.arange(500) / 5.0)[:, None], 3)
    off = np.where([True, True, False], 3.0, on)
    shown = "!document.getElementById('unlabelled').hidden"
    with LiveServer(feed, port=0) as server:
        browser.screen(390, 844, phone=True)
        browser.go(server.url)
        feed.take(off, [], [])
        browser.wait(f"window.ecgfast && {shown}")
        text = browser.value("document.getElementById('unlabelled').textContent")
        assert text == "No signal on I and II: labels of beats mean nothing"
        feed.take(on, [], [])
        browser.wait(f"!({shown})")
    assert browser.exceptions == 0, browser.log


def test_it_reconnects_when_the_server_is_there_again(browser: Chromium, record: Record) -> None:
    with Replay(record, 10.0) as feed:
        with LiveServer(feed, port=0) as server:
            port = int(server.url.rsplit(":", 1)[1].strip("/"))
            browser.go(server.url)
            browser.wait("window.ecgfast && ecgfast.S.head > 0")
        browser.wait("document.getElementById('link').textContent === 'reconnecting'")
        assert "No connection" in browser.value("document.getElementById('still').textContent")
        assert browser.value("document.getElementById('rate').textContent") == "\u2013"
        assert browser.value("document.title") == "reconnecting \u00b7 made"
        browser.wait("!!document.querySelector('.alarm.medium')")  # nobody would hear an alarm
        assert browser.value("document.title").startswith("\u26a0 No connection to ecgfast")
        head = browser.value("ecgfast.S.head")
        with LiveServer(feed, port=port):
            browser.wait(f"ecgfast.link.ok && ecgfast.S.head > {head} + 250")
            # Nothing was lost: the ring of the server covers the time between.
            missing = "ecgfast.S.rings[0].slice(0, ecgfast.S.head).filter((v) => v !== v).length"
            assert browser.value(missing) == 0
            browser.wait("document.getElementById('still').textContent === ''")
            assert browser.value("document.querySelector('.alarm')") is None
    other = LiveFeed()
    with LiveServer(other, port=port):  # another stream: the page begins anew
        browser.wait("ecgfast.link.ok && ecgfast.S.leads.length === 0")
        other.begin("another", 500.0, ["x", "y", "z"])
        other.take(np.zeros((1000, 3)), [], [])
        browser.wait("ecgfast.S.leads.length === 3 && ecgfast.S.head === 500")
        browser.wait("document.querySelectorAll('#leads .bad').length === 3")  # flat
        other.end("The stream has ended")
        browser.wait("document.getElementById('still').textContent === 'The stream has ended'")
    assert browser.exceptions == 0, browser.log


def test_a_page_whose_timers_stand_still_raises_its_alarm_and_reconnects(
    browser: Chromium,
) -> None:
    """As in a tab that is hidden, whose timers browsers run once a minute."""
    feed = LiveFeed()
    feed.begin("made", FS, ["x"])
    feed.take(np.zeros((round(4 * FS), 1)), [], [])
    feed.publish({**ALARM, "acknowledged": True})
    stop = "window.setInterval = window.setTimeout = () => 0"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=stop)["identifier"]
    try:
        with LiveServer(feed, port=0) as server:
            port = int(server.url.rsplit(":", 1)[1].strip("/"))
            browser.go(server.url)
            browser.wait("window.ecgfast && ecgfast.link.ok")
        browser.wait("!!document.querySelector('.alarm.medium')", 30.0)
        # Before one that somebody has acknowledged, though that is more urgent.
        assert browser.value("document.querySelector('.alarm').className") == "alarm medium"
        assert browser.value("document.title").startswith("\u26a0 No connection to ecgfast")
        with LiveServer(feed, port=port):
            browser.wait("ecgfast.link.ok && !document.querySelector('.alarm.medium')", 30.0)
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert browser.exceptions == 0, browser.log


def test_a_server_with_another_token_says_so(browser: Chromium) -> None:
    feed = LiveFeed()
    feed.begin("made", FS, ["x"])
    feed.take(np.zeros((round(4 * FS), 1)), [], [])
    with LiveServer(feed, port=0, token="of the first server") as server:
        port = int(server.url.rsplit(":", 1)[1].split("/")[0])
        browser.go(server.url)
        browser.wait("window.ecgfast && ecgfast.link.ok")
    still = "document.getElementById('still').textContent"
    with LiveServer(feed, port=port, token="of the second one"):
        browser.wait(f"{still}.includes('open the address that the server printed')")
    assert browser.exceptions == 0, browser.log


def test_pause_and_scroll_back_and_a_strip(browser: Chromium, record: Record) -> None:
    with Replay(record, 70.0) as feed, LiveServer(feed, port=0) as server:
        browser.screen(390, 844, phone=True, dark=True)
        browser.go(server.url)
        browser.wait("window.ecgfast && !!document.querySelector('#events button')")
        assert browser.value("document.documentElement.dataset.theme") == "dark"
        assert browser.value("document.documentElement.scrollWidth") == 390
        browser.wait("ecgfast.S.head > 65 * 250")
        browser.value("document.getElementById('pause').click()")
        at = browser.value("ecgfast.view.copy.head")  # what is drawn may be behind it
        browser.value(
            "(() => { const s = document.getElementById('scroll');"
            " s.value = '-50'; s.oninput(); })()"
        )
        back = browser.value("ecgfast.view.at")
        assert at - back == pytest.approx(50 * FS, abs=FS)
        time.sleep(0.5)
        assert browser.value("ecgfast.view.at") == back
        assert browser.value("ecgfast.view.drawn.length") > 0
        browser.value("document.getElementById('resume').click()")
        browser.wait(f"ecgfast.view.at > {at}")
        browser.value("document.querySelector('#events li:last-child button').click()")
        browser.wait("!!document.querySelector('#events .strip canvas')")
        assert browser.value("document.querySelector('#events .strip canvas').width") > 300
        opened = "document.querySelector('#events [aria-expanded=true]').textContent"
        text = browser.value(opened)
        browser.value("ecgfast.link.socket.close()")  # the strip stays open
        browser.wait("!ecgfast.link.ok")
        browser.wait("ecgfast.link.ok")
        assert browser.value(opened) == text
        assert browser.value("!!document.querySelector('#events .strip canvas')")
    assert browser.exceptions == 0, browser.log
