"""Events in, alarms out: raised, ended, acknowledged, over, withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..rhythm import Event, EventKind
from .settings import PRIORITIES, AlarmRule, AlarmSettings, priority_of

__all__ = ["Alarm", "Alarms"]

# Events of a lead that shows no heart.
_NO_HEART = {EventKind.MAINS_HUM, EventKind.LEAD_OFF, EventKind.FLAT_LINE, EventKind.GAP}


@dataclass(frozen=True)
class Alarm:
    """An alarm, as it is at one moment.

    Attributes
    ----------
    id : int
        The same for all reports of one alarm.
    kind : EventKind
        Of its events.
    priority : str
        ``"low"``, ``"medium"`` or ``"high"``.
    since : float
        Begin of its first event, seconds from the source's first sample.
    raised : float
        Seconds at which it was raised.
    ended : float or None
        End of its last event; None while that lasts.
    acknowledged : bool
    over : bool
        Whether it is no longer shown: it has ended, and was acknowledged or does not latch.
    events : int
        Events that it was raised by so far.
    rate : float
        Heart rate of its last event, beats per minute; NaN where it has none.
    leads : tuple of str
        Leads that are off, flat or missing, of a stream with several; empty for other kinds.
    withdrawn : bool
        Whether it was raised on suspicion, which a beat that was reported late disproved.
    hum : bool
        Whether an asystole was raised while no lead showed more than mains hum: the heart stands
        still, or the electrodes are off.
    """

    id: int
    kind: EventKind
    priority: str
    since: float
    raised: float
    ended: float | None = None
    acknowledged: bool = False
    over: bool = False
    events: int = 1
    rate: float = float("nan")
    leads: tuple[str, ...] = ()
    withdrawn: bool = False
    hum: bool = False

    @property
    def sounds(self) -> bool:
        """Whether it asks for attention: neither acknowledged nor over."""
        return not (self.acknowledged or self.over)

    @property
    def text(self) -> str:
        """One line for a person."""
        rate = f", {self.rate:.0f} per minute" if self.rate == self.rate else ""
        leads = f" ({', '.join(self.leads)})" if self.leads else ""
        more = f", {self.events} times" if self.events > 1 else ""
        state = "" if self.ended is None else ", withdrawn" if self.withdrawn else ", ended"
        hum = " (only mains hum is seen: check the electrodes too)" if self.hum else ""
        return f"{self.kind.text}{leads}{rate}{more}{hum}{state}"

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain types, ready for JSON, with the text."""
        row = asdict(self)
        rate = None if self.rate != self.rate else self.rate
        plain = {"kind": str(self.kind), "rate": rate, "leads": list(self.leads)}
        return {**row, **plain, "text": self.text}


class Alarms:
    """Which alarms there are, from the events of a stream.

    Each call returns what has changed. Events of one kind are one alarm while it lasts, and for
    `AlarmRule.again_after` seconds after its end: what comes and goes does not sound each time, and
    what was acknowledged stays silent, until it becomes more urgent or another lead is off, flat or
    missing too. An alarm of a latching kind is shown until it is acknowledged. An alarm that was
    raised on suspicion only is withdrawn where no event follows: it is over at once.

    Parameters
    ----------
    settings : AlarmSettings, optional
    leads : sequence of str, optional
        Names of the stream's leads: alarms of one of several leads then name it.

    Examples
    --------
    >>> alarms = Alarms()
    >>> event = Event("asystole", 1000, 2000, 4.0, 8.0, "high", ongoing=True)
    >>> [alarm.text for alarm in alarms.process([event], now=8.0)]
    ['asystole']
    >>> [alarm.over for alarm in alarms.acknowledge(1, now=9.0)]
    [False]
    """

    def __init__(self, settings: AlarmSettings | None = None, leads: Sequence[str] = ()) -> None:
        self.settings = settings or AlarmSettings()
        #: Names of the stream's leads.
        self.leads = tuple(leads)
        self._shown: dict[EventKind, Alarm] = {}  # at most one of a kind
        # Events that have not ended; several leads may be off at once.
        self._lasting: dict[tuple[EventKind, int | None], Event] = {}
        # The event that is suspected to last, and the alarm of its kind before that.
        self._suspected: tuple[Event, Alarm | None] | None = None
        self._no_heart: dict[int, EventKind] = {}  # leads, and what they show now
        self._number = 0
        # A page acknowledges on another thread than the one that reads the source.
        self._lock = threading.Lock()

    @property
    def shown(self) -> list[Alarm]:
        """Alarms that are not over, the most urgent and then the latest first."""
        with self._lock:
            return sorted(
                (alarm for alarm in self._shown.values() if not alarm.over),
                key=lambda alarm: (PRIORITIES.index(alarm.priority), alarm.raised),
                reverse=True,
            )

    def process(
        self, events: Iterable[Event], now: float, suspected: Event | None = None
    ) -> list[Alarm]:
        """Take the next events.

        Parameters
        ----------
        events : iterable of Event
            Of `RhythmStream`, ongoing ones too.
        now : float
            Seconds of signal so far.
        suspected : Event, optional
            `RhythmStream.suspected_asystole` after these events.

        Returns
        -------
        list of Alarm
            Those that were raised, have ended, sound again, are over, or are withdrawn.
        """
        changed: list[Alarm] = []
        with self._lock:
            self._forget(now)
            for event in events:
                self._confirm(event)
                self._see(event)
                rule = self.settings.rules.get(event.kind)
                place = (event.kind, event.lead)
                counts = rule is not None and self._priority(event, rule) is not None
                if rule is None or (not counts and place not in self._lasting):
                    continue
                if counts:
                    self._look(event, rule, now, changed)
                if event.ongoing:
                    self._lasting[place] = event
                    continue
                self._lasting.pop(place, None)
                if not any(kind is event.kind for kind, _ in self._lasting):
                    self._end(event, rule, changed)
            for (kind, _), event in self._lasting.items():
                self._look(event, self.settings.rules[kind], now, changed)
            self._suspect(suspected, now, changed)
            self._say_hum(changed)
        return changed

    def acknowledge(self, alarm_id: int, now: float) -> list[Alarm]:
        """Acknowledge an alarm; nothing changes where there is none, or it was acknowledged.

        Parameters
        ----------
        alarm_id : int
        now : float
            Seconds of signal so far.

        Returns
        -------
        list of Alarm
            The alarm as it is now.
        """
        with self._lock:
            for kind, alarm in self._shown.items():
                if alarm.id == alarm_id and alarm.sounds:
                    changed = replace(alarm, acknowledged=True, over=alarm.ended is not None)
                    self._shown[kind] = changed
                    return [changed]
        return []

    def _see(self, event: Event) -> None:
        """Remember whether a lead shows a heart."""
        if event.lead is None or event.kind not in _NO_HEART:
            return
        if event.ongoing:
            self._no_heart[event.lead] = event.kind
        elif self._no_heart.get(event.lead) is event.kind:
            del self._no_heart[event.lead]

    def _say_hum(self, changed: list[Alarm]) -> None:
        """Have an asystole say that the electrodes may be off, where there is hum alone.

        It is no less urgent: hum alone is also what a heart that stands still shows.
        """
        alarm = self._shown.get(EventKind.ASYSTOLE)
        if alarm is None or alarm.ended is not None or alarm.hum:
            return
        every = len(self._no_heart) >= max(1, len(self.leads))
        if not every or EventKind.MAINS_HUM not in self._no_heart.values():
            return
        self._shown[alarm.kind] = alarm = replace(alarm, hum=True)
        if changed and changed[-1].id == alarm.id:
            changed.pop()
        changed.append(alarm)

    def _confirm(self, event: Event) -> None:
        """Forget a suspicion that this event confirms: its alarm is that of the event now."""
        if self._suspected is None:
            return
        before = self._suspected[0]
        if event.kind is before.kind and (event.ongoing or event.end > before.start):
            self._suspected = None

    def _suspect(self, event: Event | None, now: float, changed: list[Alarm]) -> None:
        """Raise the alarm of a suspected event, or withdraw it."""
        if event is None:
            if self._suspected is not None:
                self._withdraw(*self._suspected, now, changed)
            self._suspected = None
            return
        rule, lasting = self.settings.rules.get(event.kind), (event.kind, event.lead)
        if rule is None or lasting in self._lasting or self._priority(event, rule) is None:
            return
        if self._suspected is None:
            self._suspected = event, self._shown.get(event.kind)
        self._look(event, rule, now, changed)

    def _withdraw(
        self, event: Event, before: Alarm | None, now: float, changed: list[Alarm]
    ) -> None:
        alarm = self._shown.get(event.kind)
        if alarm is None or alarm.ended is not None:
            return
        if before is None:
            # The next one is a new alarm: somebody may have acknowledged this one.
            del self._shown[event.kind]
            changed.append(replace(alarm, ended=now, over=True, withdrawn=True))
        else:
            seen = before.acknowledged or alarm.acknowledged
            self._shown[event.kind] = replace(before, acknowledged=seen, over=before.over or seen)
            changed.append(self._shown[event.kind])

    def _priority(self, event: Event, rule: AlarmRule) -> str | None:
        if event.confidence < rule.min_confidence:
            return None
        return rule.priority or priority_of(event.severity)

    def _look(self, event: Event, rule: AlarmRule, now: float, changed: list[Alarm]) -> None:
        """Raise the alarm of an event that has lasted long enough, or add it to the present one."""
        until = now if event.ongoing else event.end_time
        if until - event.start_time < rule.after:
            return
        priority = self._priority(event, rule)
        if priority is None:
            return
        kind, alarm = event.kind, self._shown.get(event.kind)
        leads = self._leads_of(event, rule, now)
        if alarm is None:
            self._number += 1
            alarm = Alarm(
                self._number, kind, priority, event.start_time, now, rate=event.rate, leads=leads
            )
        elif alarm.ended is not None and event.end_time > alarm.ended:
            # The same kind again: one that was acknowledged stays silent, one that is over sounds
            # again only if nobody has seen it.
            alarm = replace(
                alarm,
                ended=None,
                events=alarm.events + 1,
                rate=event.rate,
                leads=leads,
                over=False,
                hum=False,
                priority=max(alarm.priority, priority, key=PRIORITIES.index),
            )
        elif PRIORITIES.index(priority) > PRIORITIES.index(alarm.priority):
            alarm = replace(
                alarm, priority=priority, acknowledged=False, rate=event.rate, leads=leads
            )
        elif event.ongoing and not set(leads) <= set(alarm.leads):
            # Somebody who acknowledged that one lead is off does not know of the next one.
            both = {*alarm.leads, *leads}
            leads = tuple(name for name in self.leads if name in both)
            alarm = replace(alarm, acknowledged=False, leads=leads)
        else:
            return
        self._shown[kind] = alarm
        changed.append(alarm)

    def _leads_of(self, event: Event, rule: AlarmRule, now: float) -> tuple[str, ...]:
        """Names of the leads for which events of this kind have lasted long enough."""
        if event.lead is None or len(self.leads) < 2:
            return ()
        found = {event.lead}
        for (kind, lead), other in self._lasting.items():
            if kind is event.kind and lead is not None and now - other.start_time >= rule.after:
                found.add(lead)
        return tuple(name for lead, name in enumerate(self.leads) if lead in found)

    def _end(self, event: Event, rule: AlarmRule, changed: list[Alarm]) -> None:
        alarm = self._shown.get(event.kind)
        if alarm is None or alarm.ended is not None:
            return
        over = alarm.acknowledged or not rule.latching
        alarm = replace(alarm, ended=event.end_time, over=over, rate=event.rate)
        self._shown[event.kind] = alarm
        changed.append(alarm)

    def _forget(self, now: float) -> None:
        """Drop alarms that are over, once the same kind would be a new one."""
        for kind, alarm in list(self._shown.items()):
            ended = now if alarm.ended is None else alarm.ended
            if alarm.over and now - ended > self.settings.rules[kind].again_after:
                del self._shown[kind]
