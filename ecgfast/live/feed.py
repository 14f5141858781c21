"""What a stream gives, as small messages for pages that show it: bounded, whoever reads them."""

from __future__ import annotations

import base64
import json
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..reports.page import quality_text
from ..rhythm import Event, EventKind, Severity
from ..sources.clock import TimeOfDay
from .wire import Decimator, encode

if TYPE_CHECKING:
    from ..streaming import Beat

__all__ = ["RING_S", "TREND_S", "Cursor", "LiveFeed"]

#: Seconds of signal that a page can scroll back, and that a late viewer gets.
RING_S = 60.0

#: Seconds of the trend, and of one of its points.
TREND_S, _POINT_S = 3600.0, 10.0

# Seconds after which no beat of a point of the trend is still to come.
_LATE_S = 6.0

# Events kept with their strips, alarms, and messages that a viewer may be behind.
_EVENTS, _ALARMS, _MESSAGES = 200, 100, 1000

# A strip begins so long before its event, and is so long; seconds.
_BEFORE_S, _STRIP_S = 2.0, 10.0

# Seconds without a beat after which no rate is shown; without samples, after which that is said.
_NO_RATE_S, _SILENT_S = 5.0, 2.0

# Beats whose quality is summed up, and seconds that make a lead flat.
_QUALITY_BEATS, _FLAT_S = 8, 1.0

# Larger numbers are no samples.
_LARGEST = 1e30

_ORDER = (Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
_OF_LEADS = {
    EventKind.LEAD_OFF: "lead off",
    EventKind.FLAT_LINE: "flat",
    EventKind.MAINS_HUM: "mains hum",
    EventKind.GAP: "no data",
}


class Cursor(NamedTuple):
    """How far a reader of a `LiveFeed` has come."""

    session: str
    point: int
    message: int


@dataclass(slots=True)
class _Shown:
    """An event in the list, with its strip once that is whole."""

    row: dict[str, Any]
    begin: int
    end: int
    strip: dict[str, Any] | None = None


class LiveFeed:
    """Holds what pages show of one stream, and gives it out as messages.

    The thread of the signal calls `begin`, `take`, `note`, `publish` and `end`; these take a lock
    for some microseconds and wait for nothing else. Readers (`snapshot`, `since`, `state`, `strip`)
    may be slow or gone: they pull, and what they have missed is dropped.

    Parameters
    ----------
    clock, wall : callable
        Seconds, for silences; seconds since 1970, for times of day.

    Notes
    -----
    Memory is bounded: 60 s of signal at about 250 Hz, one hour of trend, 200 events with a strip of
    10 s each, 1000 messages.

    Examples
    --------
    >>> import numpy as np
    >>> feed = LiveFeed()
    >>> feed.begin("strap", 130.0, ["ECG"])
    >>> feed.take(np.zeros((13, 1)), [], [])
    >>> len(feed.snapshot()[0])      # one JSON text, one block of samples, the state
    3
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._wall_clock = clock, wall
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, str]] = deque(maxlen=_MESSAGES)
        self._next_message = 0
        self._alarms: dict[str | int, dict[str, Any]] = {}
        self._events: deque[_Shown] = deque(maxlen=_EVENTS)
        self._next_event = 0
        self._ended: str | None = None
        self._start("waiting for the first sample", 0.0, ())

    # ------------------------------------------------------------------- the thread of the signal

    def begin(
        self,
        name: str,
        fs: float,
        leads: Sequence[str],
        *,
        labelled: Sequence[int] = (),
        time_of_day: TimeOfDay | None = None,
    ) -> None:
        """A source has been opened: its next sample is sample 0.

        Parameters
        ----------
        name : str
        fs : float
            Sampling rate, Hz.
        leads : sequence of str
        labelled : sequence of int
            Columns of the leads that are labelled, `StreamingClassifier.labelled`: while all of
            them are without a signal, pages say so. None: all leads.
        time_of_day : TimeOfDay, optional
            When samples were taken. The caller reports their arrival to it; by default samples are
            taken to come when `take` is called.
        """
        with self._lock:
            self._events.clear()
            self._ended = None
            self._start(name, fs, tuple(leads), time_of_day, tuple(labelled))

    def take(self, chunk: Any, beats: Sequence[Beat], events: Sequence[Event]) -> None:
        """Take the next samples, shape (n, n_leads), and what is known with them."""
        filled = np.ma.filled(chunk, np.nan) if np.ma.isMaskedArray(chunk) else chunk
        samples = np.asarray(filled, np.float32).reshape(-1, max(1, len(self._leads)))
        if len(samples):
            with np.errstate(invalid="ignore"):
                samples = np.where(np.abs(samples) <= _LARGEST, samples, np.float32(np.nan))
            points = self._decimator.process(samples)
        else:
            points = samples
        with self._lock:
            if len(samples):
                self._arrived = self._clock()
            self._count += len(samples)
            if self._own_time is not None:
                self._own_time.arrived(self._count)
            self._put(points)
            if beats:
                self._take_beats(beats)
            for event in events:
                self._take_event(event)
            self._cut_strips()
            self._extend_trend()

    def note(self, text: str) -> None:
        """Add a line about the connection to the list of events."""
        with self._lock:
            self._list(
                {"kind": "note", "text": text, "severity": "info", "ongoing": False},
                self._count,
                self._count,
            )

    def publish(self, message: Mapping[str, Any]) -> None:
        """Show an alarm, or what has become of it.

        Parameters
        ----------
        message : mapping
            With ``"type": "alarm"``, ``"id"``, ``"kind"``, ``"priority"``, ``"since"``,
            ``"ended"``, ``"acknowledged"`` and ``"text"``, as plain JSON. A later one with the same
            id takes its place; one that has ended and is acknowledged, or is ``"over"``, is shown
            no more.
        """
        plain = dict(message)
        with self._lock:
            self._alarms.pop(plain["id"], None)
            ended = plain.get("ended") is not None and plain.get("acknowledged")
            if not (ended or plain.get("over")):
                self._alarms[plain["id"]] = plain
                while len(self._alarms) > _ALARMS:
                    del self._alarms[next(iter(self._alarms))]
            self._say(plain)

    def alarm(self, number: str | int) -> dict[str, Any] | None:
        """The alarm with this id, if it is shown."""
        with self._lock:
            return self._alarms.get(number)

    def end(self, text: str) -> None:
        """The stream has ended, and why."""
        with self._lock:
            if self._ended is None:
                self._ended = text
                self._cut_strips(ended=True)
                self._say({"type": "end", "text": text})

    # ------------------------------------------------------------------------------- the readers

    def snapshot(self, seconds: float = RING_S) -> tuple[list[str | bytes], Cursor]:
        """All that a new viewer needs: a ``hello``, the signal of the last seconds, the state."""
        with self._lock:
            cursor = Cursor(self._session, self._points, self._next_message)
            begin = max(self._points - self._held, self._points - round(seconds * self._rate))
            held = self._slice(begin, self._points).copy()
            hello = {
                "type": "hello",
                "session": self._session,
                "source": self._name,
                "leads": self._leads,
                "fs": self._fs,
                "step": self._decimator.step,
                "ring": RING_S,
                **self._zone(),
                "beats": list(self._beats),
                "trend": list(self._trend),
                "events": [shown.row for shown in self._events],
                "alarms": list(self._alarms.values()),
                "ended": self._ended,
            }
            text = _json(hello)
        messages: list[str | bytes] = [text]
        if len(held):
            messages.append(encode(held, begin, max(1, round(self._rate))))
        return [*messages, self.state()], cursor

    def since(self, cursor: Cursor) -> tuple[list[str | bytes], Cursor] | None:
        """What has come since; None where the reader has missed too much and needs a `snapshot`."""
        with self._lock:
            now = Cursor(self._session, self._points, self._next_message)
            oldest = self._messages[0][0] if self._messages else self._next_message
            if cursor.session != self._session or cursor.message < oldest:
                return None
            if cursor.point < self._points - self._held:
                return None
            fresh = self._slice(cursor.point, self._points).copy()
            texts = self._since_message(cursor.message)
        blocks = [encode(fresh, cursor.point, len(fresh))] if len(fresh) else []
        return [*blocks, *texts], now

    def state(self) -> str:
        """Rate, rhythm, quality and leads in words, as a message."""
        with self._lock:
            return _json(self._state())

    def strip(self, number: int) -> dict[str, Any] | None:
        """The signal around an event, as plain JSON; None if it is not, or not yet, there."""
        with self._lock:
            for shown in self._events:
                if shown.row["id"] == number:
                    return shown.strip or self._strip(shown, whole=False)
        return None

    # ------------------------------------------------------------------------ all under the lock

    def _start(
        self,
        name: str,
        fs: float,
        leads: tuple[str, ...],
        given: TimeOfDay | None = None,
        labelled: tuple[int, ...] = (),
    ) -> None:
        self._session = secrets.token_hex(8)
        self._name, self._fs, self._leads = name, fs, leads
        self._labelled = labelled or tuple(range(len(leads)))
        self._decimator = Decimator(fs, max(1, len(leads)))
        self._rate = fs / self._decimator.step
        self._capacity = max(1, round(RING_S * self._rate))
        # Twice as long as needed: what is held is one piece, and is moved once in a minute.
        size = 2 * self._capacity if leads else 0
        self._buffer = np.full((size, max(1, len(leads))), np.nan, np.float32)
        self._points = self._fill = 0
        self._count = 0
        self._arrived = self._clock()
        self._own_time = TimeOfDay(fs, now=self._wall_clock) if fs and given is None else None
        self._time_of_day = given or self._own_time
        self._beats: deque[dict[str, Any]] = deque()
        self._last_beats: deque[Beat] = deque(maxlen=_QUALITY_BEATS)
        self._trend: deque[list[Any]] = deque(maxlen=round(TREND_S / _POINT_S))
        self._for_trend: deque[Beat] = deque()
        self._open_events: dict[tuple[str, int | None], _Shown] = {}
        self._uncut: list[_Shown] = []

    @property
    def _held(self) -> int:
        return min(self._fill, self._capacity)

    def _slice(self, begin: int, end: int) -> npt.NDArray[np.float32]:
        """Points `begin` to `end` of the ring, which holds the last of them at `_fill`."""
        shift = self._fill - self._points
        return self._buffer[begin + shift : end + shift]

    def _put(self, points: npt.NDArray[np.float32]) -> None:
        self._points += len(points)
        points = points[-self._capacity :]
        if self._fill + len(points) > len(self._buffer):
            kept = self._buffer[self._fill - self._capacity : self._fill].copy()
            self._buffer[: len(kept)] = kept
            self._fill = len(kept)
        self._buffer[self._fill : self._fill + len(points)] = points
        self._fill += len(points)

    def _say(self, message: dict[str, Any]) -> None:
        self._messages.append((self._next_message, _json(message)))
        self._next_message += 1

    def _since_message(self, number: int) -> list[str]:
        texts = []
        for i, text in reversed(self._messages):
            if i < number:
                break
            texts.append(text)
        return texts[::-1]

    def _take_beats(self, beats: Sequence[Beat]) -> None:
        rows = [_beat_row(beat) for beat in beats]
        self._beats.extend(rows)
        oldest = self._count - RING_S * self._fs
        while self._beats and self._beats[0]["sample"] < oldest:
            self._beats.popleft()
        self._last_beats.extend(beats)
        self._for_trend.extend(beats)
        self._say({"type": "beats", "beats": rows})

    def _take_event(self, event: Event) -> None:
        key = (str(event.kind), event.lead)
        row = {
            "kind": str(event.kind),
            "text": event.kind.text,
            "severity": str(event.severity),
            "confidence": event.confidence,
            "start": event.start,
            "end": event.end,
            "n_beats": event.n_beats,
            "rate": event.rate,
            "lead": None if event.lead is None else self._leads[event.lead],
            "ongoing": event.ongoing,
        }
        shown = self._open_events.pop(key, None)
        if shown is None:
            shown = self._list(row, event.start, event.end)
        else:
            shown.row.update(row)
            self._say({"type": "event", **shown.row})
        if event.ongoing:
            self._open_events[key] = shown

    def _list(self, row: dict[str, Any], start: int, end: int) -> _Shown:
        begin = max(0, round(start - _BEFORE_S * self._fs))
        shown = _Shown(
            {"id": self._next_event, "start": start, "end": end, "wall": self._wall_of(start)}
            | row,
            begin,
            round(begin + _STRIP_S * self._fs),
        )
        self._next_event += 1
        self._events.append(shown)
        self._uncut.append(shown)
        self._say({"type": "event", **shown.row})
        return shown

    def _wall_of(self, sample: int) -> float:
        """Seconds since 1970 at which a sample was taken."""
        return self._time_of_day.at(sample) if self._time_of_day else self._wall_clock()

    def _zone(self) -> dict[str, Any]:
        """The zone of all times on pages: that of the files, whatever that of a browser is."""
        known = self._time_of_day
        return {
            "utc_offset": known.utc_offset if known else None,
            "zone": known.zone if known else "",
        }

    def _cut_strips(self, *, ended: bool = False) -> None:
        """Keep the strips that are whole, before the ring loses them."""
        waiting = []
        for shown in self._uncut:
            if ended or shown.end <= self._count:
                shown.strip = self._strip(shown, whole=True)
            else:
                waiting.append(shown)
        self._uncut = waiting

    def _strip(self, shown: _Shown, *, whole: bool) -> dict[str, Any]:
        step = self._decimator.step
        oldest = self._points - self._held
        begin = max(oldest, shown.begin // step)
        end = max(begin, min(self._points, shown.end // step))
        data = encode(self._slice(begin, end), begin, max(1, round(self._rate)))
        beats = [_plain(row) for row in self._beats if begin * step <= row["sample"] < end * step]
        return {
            "id": shown.row["id"],
            "leads": self._leads,
            "fs": self._fs,
            "step": step,
            "begin": begin,
            "end": end,
            "whole": whole,
            "beats": beats,
            "data": base64.b64encode(data).decode(),
        }

    def _extend_trend(self) -> None:
        """Add the points of the trend for which no beat is still to come."""
        while True:
            begin = (self._trend[-1][0] + _POINT_S) if self._trend else 0.0
            if self._count / (self._fs or 1.0) < begin + _POINT_S + _LATE_S or not self._fs:
                return
            inside = []
            while self._for_trend and self._for_trend[0].time < begin + _POINT_S:
                inside.append(self._for_trend.popleft())
            rates = [beat.heart_rate for beat in inside if beat.heart_rate > 0.0]
            point = [
                begin,
                round(sum(rates) / len(rates), 1) if rates else None,
                round(min(rates), 1) if rates else None,
                round(max(rates), 1) if rates else None,
                len(inside),
                sum(beat.label == "V" for beat in inside),
                sum(beat.label == "S" for beat in inside),
            ]
            self._trend.append(point)
            self._say({"type": "trend", "point": point})

    def _state(self) -> dict[str, Any]:
        silent = self._clock() - self._arrived
        silent = round(silent, 1) if silent >= _SILENT_S and self._ended is None else 0
        leads = ["no data" if silent else self._lead(i) for i in range(len(self._leads))]
        last = self._last_beats[-1] if self._last_beats else None
        rate = None
        near = _NO_RATE_S * self._fs
        if last is not None and self._count - last.sample < near and not silent:
            rate = last.heart_rate
        return {
            "type": "state",
            "sample": self._count,
            "wall": self._wall_of(self._count),
            **self._zone(),
            "rate": rate,
            # What is not known now is not said: a pipe that gives nothing leaves its last state.
            "rhythm": "" if silent else self._rhythm(),
            "quality": self._quality(leads),
            "leads": leads,
            "unlabelled": self._unlabelled(),
            "silent": silent,
        }

    def _rhythm(self) -> str:
        if not self._leads:
            return ""
        open_now = [
            shown.row
            for (kind, _), shown in self._open_events.items()
            if EventKind(kind) not in (*_OF_LEADS, EventKind.NOISE)
        ]
        if open_now:
            open_now.sort(key=lambda row: _ORDER.index(Severity(row["severity"])))
            return ", ".join(row["text"] for row in open_now[:2])
        return "no event" if self._last_beats else "no beat yet"

    def _quality(self, leads: Sequence[str]) -> str:
        if leads and all(leads):
            return "no signal"
        if ("noise", None) in self._open_events:
            return "noise: beats may be wrong"
        if not self._last_beats:
            return ""
        bad = [beat.quality for beat in self._last_beats if beat.quality]
        if 2 * len(bad) < len(self._last_beats):
            return "good"
        words = [quality_text(quality).split(", ")[0] for quality in bad]
        return max(set(words), key=words.count)

    def _unlabelled(self) -> str:
        """That all labelled leads are without a signal, in words; empty while one has one."""
        if not all(map(self._is_lost, self._labelled)) or not self._leads:
            return ""
        if all(map(self._is_lost, range(len(self._leads)))):
            return "No lead has a signal: no beats are found"
        names = " and ".join(self._leads[i] for i in self._labelled)
        return f"No signal on {names}: labels of beats mean nothing"

    def _is_lost(self, i: int) -> bool:
        """Whether a lead has been without a signal for a second."""
        if any(lead == i and EventKind(kind) in _OF_LEADS for kind, lead in self._open_events):
            return True
        n = max(2, round(_FLAT_S * self._rate))
        values = self._slice(self._points - min(n, self._held), self._points)[:, i]
        return len(values) == n and bool(np.isnan(values).all() or (values == values[0]).all())

    def _lead(self, i: int) -> str:
        """What is wrong with a lead, in words; empty if nothing."""
        name = self._leads[i]
        found = _OF_LEADS.get
        for (kind, lead), shown in self._open_events.items():
            if lead == i and (text := found(EventKind(kind))) is not None:
                assert shown.row["lead"] == name
                return text
        # The events come some seconds later.
        n = min(self._held, max(2, round(_FLAT_S * self._rate)))
        values = self._slice(self._points - n, self._points)[:, i]
        if not n or np.isnan(values[-1]):
            return "no data"
        if n >= round(_FLAT_S * self._rate) and (values == values[0]).all():
            return "flat"
        return ""


def _beat_row(beat: Beat) -> dict[str, Any]:
    return {
        "sample": beat.sample,
        "label": beat.label,
        "probability": beat.probability,
        "rr": beat.rr,
        "heart_rate": beat.heart_rate,
        "quality": quality_text(beat.quality),
        **({"outputs": dict(beat.outputs)} if beat.outputs else {}),
    }


def _json(message: Mapping[str, Any]) -> str:
    return json.dumps(_plain(message), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """NaN and infinity become null; numbers of four digits after the point are exact enough."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
