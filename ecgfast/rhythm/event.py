"""Rhythm events: their kinds, and the rule and source of each kind."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from math import nan
from typing import Any

from .._equality import NanEqual

__all__ = [
    "BEATS_MAX",
    "DEFINITIONS",
    "Definition",
    "Event",
    "EventKind",
    "Severity",
    "by_length",
]

#: Most R peaks stored in an event; a longer event stores the first and the last half of so many.
BEATS_MAX = 64


class EventKind(str, Enum):
    """The kinds of rhythm events; `DEFINITIONS` says what each is.

    Examples
    --------
    >>> from ecgfast import EventKind
    >>> EventKind("r_on_t").text, EventKind.PAUSE == "pause"
    ('R-on-T', True)
    """

    PAUSE = "pause"
    ASYSTOLE = "asystole"
    BRADYCARDIA = "bradycardia"
    TACHYCARDIA = "tachycardia"
    EXTREME_BRADYCARDIA = "extreme_bradycardia"
    EXTREME_TACHYCARDIA = "extreme_tachycardia"
    VENTRICULAR_ECTOPIC = "ventricular_ectopic"
    VENTRICULAR_COUPLET = "ventricular_couplet"
    VENTRICULAR_RUN = "ventricular_run"
    VENTRICULAR_BIGEMINY = "ventricular_bigeminy"
    VENTRICULAR_TRIGEMINY = "ventricular_trigeminy"
    SUPRAVENTRICULAR_ECTOPIC = "supraventricular_ectopic"
    SUPRAVENTRICULAR_COUPLET = "supraventricular_couplet"
    SUPRAVENTRICULAR_RUN = "supraventricular_run"
    SUPRAVENTRICULAR_BIGEMINY = "supraventricular_bigeminy"
    SUPRAVENTRICULAR_TRIGEMINY = "supraventricular_trigeminy"
    R_ON_T = "r_on_t"
    ATRIAL_FIBRILLATION = "atrial_fibrillation"
    VENTRICULAR_FLUTTER = "ventricular_flutter"
    LEAD_OFF = "lead_off"
    FLAT_LINE = "flat_line"
    MAINS_HUM = "mains_hum"
    GAP = "gap"
    NOISE = "noise"

    def __str__(self) -> str:
        return self.value

    @property
    def text(self) -> str:
        """The kind in words."""
        return "R-on-T" if self is EventKind.R_ON_T else self.value.replace("_", " ")


class Severity(str, Enum):
    """How urgent an event is: the alarm priorities of IEC 60601-1-8, and "info" for no alarm.

    Examples
    --------
    >>> from ecgfast import Severity
    >>> Severity("high") is Severity.HIGH
    True
    """

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class Event(NanEqual):
    """One rhythm event, or the report that one has begun.

    Attributes
    ----------
    kind : EventKind
        A string such as ``"pause"``; `DEFINITIONS` says what each kind is.
    start, end : int
        First and last sample, as indices into the source; `end` of an ongoing event is the last
        sample that belongs to it so far.
    start_time, end_time : float
        The same in seconds from the source's first sample.
    severity : Severity
        ``"info"``, ``"low"``, ``"medium"`` or ``"high"``.
    confidence : float
        0 to 1: from the quality of the signal, the probability of the labels, and how clearly the
        rule is met. It ranks events and is not a calibrated probability.
    n_beats : int
        Beats that the event rests on.
    beats : tuple of int
        Their R peaks in samples; of more than 64 the first and the last 32, of atrial fibrillation
        those around its start and its end.
    rate : float
        Mean heart rate in it, beats per minute; NaN where it has none.
    lead : int or None
        Column of the lead, for events of one lead.
    ongoing : bool
        True in the first report of an event that still lasts; the same event follows with False
        when it has ended. Short events are reported once, with False.

    Examples
    --------
    >>> from ecgfast import Event
    >>> Event("pause", 720, 1620, 2.0, 4.5).duration
    2.5
    """

    kind: EventKind
    start: int
    end: int
    start_time: float
    end_time: float
    severity: Severity = Severity.INFO
    confidence: float = 1.0
    n_beats: int = 0
    beats: tuple[int, ...] = ()
    rate: float = nan
    lead: int | None = None
    ongoing: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", EventKind(self.kind))
        object.__setattr__(self, "severity", Severity(self.severity))

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end_time - self.start_time

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain types, ready for JSON; NaN stays NaN."""
        row = asdict(self)
        return {**row, "kind": str(self.kind), "severity": str(self.severity)}


# Rows of beats, whose length is the number of their beats.
_ROWS = frozenset(
    EventKind(f"{chamber}_{row}")
    for chamber in ("ventricular", "supraventricular")
    for row in ("couplet", "run", "bigeminy", "trigeminy")
)


def by_length(event: Event) -> tuple[float, float]:
    """Return what the longest of several events of a kind has most of.

    Parameters
    ----------
    event : Event

    Returns
    -------
    (float, float)
        Beats and seconds of a row of ectopic beats, seconds and beats of everything else.

    Examples
    --------
    >>> short = Event("tachycardia", 0, 18000, 0.0, 50.0, n_beats=120)
    >>> long = Event("tachycardia", 36000, 57600, 100.0, 160.0, n_beats=110)
    >>> max(short, long, key=by_length) is long
    True
    """
    length = float(event.n_beats), event.duration
    return length if event.kind in _ROWS else length[::-1]


@dataclass(frozen=True, slots=True)
class Definition:
    """Rule that defines a kind of event.

    Attributes
    ----------
    rule : str
        The rule, with the default numbers of `RhythmStream`.
    source : str
        Where the rule comes from.
    """

    rule: str
    source: str


_EC57 = "ANSI/AAMI EC57:2012"
_HOLTER = "usual in ambulatory ECG; this project"
_CINC = "PhysioNet/CinC Challenge 2015"
_CODES = "rhythm annotations of the MIT-BIH Arrhythmia Database"
_OWN = "this project"


def _ectopy(label: str, name: str) -> dict[EventKind, Definition]:
    return {
        EventKind(f"{name}_ectopic"): Definition(
            f"one {label} beat with other beats, or lost signal, before and after it", _EC57
        ),
        EventKind(f"{name}_couplet"): Definition(f"exactly two {label} beats in a row", _EC57),
        EventKind(f"{name}_run"): Definition(
            f"three or more {label} beats in a row"
            + ("; high severity from five beats at 100 per minute" if label == "V" else ""),
            _EC57 + (f"; severity {_CINC}" if label == "V" else ""),
        ),
        EventKind(f"{name}_bigeminy"): Definition(
            f"three or more single {label} beats with exactly one other beat between them", _CODES
        ),
        EventKind(f"{name}_trigeminy"): Definition(
            f"three or more single {label} beats with exactly two other beats between them", _CODES
        ),
    }


#: Rule and source of each kind of event.
DEFINITIONS: dict[EventKind, Definition] = {
    EventKind.PAUSE: Definition(
        "RR interval of 2 s or more, in a signal good enough to show a beat; one of 3 s or more is "
        "an asystole",
        _HOLTER,
    ),
    EventKind.ASYSTOLE: Definition(
        "3 s or more without a beat, in a signal good enough to show one; reported while it lasts",
        "ACC/AHA/HRS guideline on bradycardia, 2018 (pauses above 3 s); IEC 60601-2-27 (reported "
        "within 10 s)",
    ),
    EventKind.BRADYCARDIA: Definition(
        "mean rate of 8 RR intervals below 50 per minute for 30 s, four of them below 55; ends "
        "above 55; from the first to the last interval below 55",
        "ACC/AHA/HRS guideline on bradycardia, 2018; duration and hysteresis: " + _OWN,
    ),
    EventKind.TACHYCARDIA: Definition(
        "mean rate of 8 RR intervals above 100 per minute for 30 s; ends below 95; from the first "
        "to the last interval above 95",
        "ACC/AHA/HRS guideline on supraventricular tachycardia, 2015; duration and hysteresis: "
        + _OWN,
    ),
    EventKind.EXTREME_BRADYCARDIA: Definition(
        "mean rate of 4 RR intervals below 40 per minute, two of them below 45; ends above 45; "
        "from the first to the last interval below 45",
        _CINC,
    ),
    EventKind.EXTREME_TACHYCARDIA: Definition(
        "mean rate of 16 RR intervals above 140 per minute; ends below 135; from the first to the "
        "last interval above 135",
        _CINC,
    ),
    **_ectopy("V", "ventricular"),
    **_ectopy("S", "supraventricular"),
    EventKind.R_ON_T: Definition(
        "V beat after less than 0.85 of the QT interval that Bazett's formula expects (QTc 0.40 s)",
        "Lown and Wolf, Circulation 44:130, 1971 (grade 5); ratio: " + _OWN,
    ),
    EventKind.ATRIAL_FIBRILLATION: Definition(
        "irregular RR intervals without repeating P waves, for 30 s: networks score each beat from "
        "the 14 beats before and after; an episode begins and ends where the cumulative sum of "
        "the log odds does, so that one can be shorter in the end",
        "ESC guideline on atrial fibrillation, 2020 (30 s); cumulative sum: Page, Biometrika "
        "41:100, 1954; statistic: " + _OWN,
    ),
    EventKind.VENTRICULAR_FLUTTER: Definition(
        "3 s or more of waves of ventricular flutter or fibrillation, 130 to 600 per minute and "
        "nothing else: in the detections, or in the signal of a lead while no lead shows beats",
        "Kuo and Dillman, Computers in Cardiology, 1978 (the statistic of the core)",
    ),
    EventKind.LEAD_OFF: Definition("a lead is constant for 1 s, away from its usual level", _OWN),
    EventKind.FLAT_LINE: Definition(
        "a lead is constant for 1 s at its usual level: lead off, or no heart signal", _OWN
    ),
    EventKind.MAINS_HUM: Definition(
        "a lead shows the mains, 50 or 60 Hz, and little else for 2 s: lead off, or no heart "
        "signal; an asystole is reported all the same",
        _OWN,
    ),
    EventKind.GAP: Definition("samples are missing for 0.25 s or more", _OWN),
    EventKind.NOISE: Definition(
        "beats cannot be distinguished from noise: the signal between them is at least half as "
        "steep as QRS complexes, or most detections are doubtful, or there is no detection for "
        "10 s without an asystole",
        _OWN,
    ),
}
