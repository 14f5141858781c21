"""The beats of a recording in a few lines: classes, heart rate, ectopic runs, quality."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from ..printable import counted
from ..rhythm import Event, EventKind, RhythmSummary
from .words import CLASS_NAMES, LONG_S, clock, length

__all__ = ["ECTOPIC", "FLUTTER", "Run", "RunCount", "Summary"]


#: Class of models that tell ectopic beats: without them nothing can be said of atrial fibrillation.
ECTOPIC = "V"
#: Label of runs that are ventricular flutter or fibrillation: waves, and no beats.
FLUTTER = "flutter"


@dataclass(frozen=True)
class Run:
    """Ectopic beats of one class, or flutter waves, in a row.

    Attributes
    ----------
    label : str
        V, S or flutter.
    beats : int
        How many, three at least.
    start, end : float
        First and last R peak, in seconds from the start.
    heart_rate : float
        Mean rate within the run, beats a minute; NaN of flutter, in which waves are missed.
    """

    label: str
    beats: int
    start: float
    end: float
    heart_rate: float


@dataclass(frozen=True)
class RunCount:
    """All runs of one label, also those that are not listed.

    Attributes
    ----------
    count : int
    seconds : float
        How long they last together.
    first : float
        Where the first begins, in seconds from the start.
    """

    count: int
    seconds: float
    first: float

    def plus(self, run: Run) -> RunCount:
        """With a later run."""
        return RunCount(self.count + 1, self.seconds + (run.end - run.start), self.first)


@dataclass(frozen=True)
class Summary:
    """What `Tally` counted.

    Attributes
    ----------
    name : str
        The recording's name.
    fs : float
        Sampling rate in Hz.
    duration : float
        Seconds of signal.
    beats : int
        All beats.
    flutter_waves : int
        Detections within ventricular flutter or fibrillation: not among the beats.
    by_class : dict of str to int
        Beats of each class of the model, zeros included, and of "?" where a `Decision` rejected
        some; empty where beats were not labelled.
    rate_mean : float
        60 over the mean RR interval, beats per minute; NaN where there is none. Intervals count
        whose two beats stand in a good signal, and that reach over no stretch of `unreadable`.
    rate_min, rate_max : float
        Least and greatest heart rate over eight such intervals in a row (of a shorter strip over
        all of them), as in reports and archives.
    couplets : int
        Pairs of V, exactly two in a row. Couplets and runs are those of the rhythm events, where
        these were looked for, as in reports; else of the beats as they follow each other.
    runs : tuple of Run
        Three and more V, or S, or flutter waves, in a row: the longest 100 at most, in order of
        time.
    run_counts : dict of str to RunCount
        All runs of each label that has some.
    bad_quality : float
        Share of beats, 0 to 1, with a gap, a flat line, saturation or noise around them, or
        within a stretch that cannot be read.
    values : dict of str to dict
        Of a model that gives numbers: ``mean``, ``least`` and ``greatest`` of each.
    unit : str
        Unit of these numbers.
    rhythm : RhythmSummary or None
        The rhythm events, where they were looked for.
    start : datetime, time or None
        When the first sample was taken, or its time of day alone, where that is known.
    leads : tuple of str
        Names of the leads, where they are known.
    without_signal : float
        Share of beats, 0 to 1, at which every lead that was labelled was off.
    unreadable : float
        Seconds in which no lead can be read, in noise or off, where rhythm events were looked for:
        no rate is taken there.
    rate_min_at, rate_max_at : float
        Middle of the intervals with the least and the greatest rate, in seconds from the start.
    saturated : int
        Beats around which the converter was at its limit.
    """

    name: str
    fs: float
    duration: float
    beats: int
    flutter_waves: int
    by_class: dict[str, int]
    rate_mean: float
    rate_min: float
    rate_max: float
    couplets: int
    runs: tuple[Run, ...]
    bad_quality: float
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    unit: str = ""
    rhythm: RhythmSummary | None = None
    start: datetime | time | None = None
    run_counts: dict[str, RunCount] = field(default_factory=dict)
    leads: tuple[str, ...] = ()
    without_signal: float = 0.0
    unreadable: float = 0.0
    rate_min_at: float = math.nan
    rate_max_at: float = math.nan
    saturated: int = 0

    @property
    def n_runs(self) -> int:
        """All runs, also those that are not listed."""
        return sum(one.count for one in self.run_counts.values())

    def to_dict(self) -> dict[str, Any]:
        """Everything under plain names, as a JSON writer takes it; NaN stays NaN."""
        return {
            **asdict(replace(self, rhythm=None, start=None)),
            "rhythm": self.rhythm.to_dict() if self.rhythm else None,
            "start": self.start.isoformat() if self.start else None,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Everything as pairs of a heading and a text, for people."""
        lines = [
            ("recording", f"{self.name or 'signal'}, {length(self.duration)} at {self.fs:g} Hz")
        ]
        lines.append(("beats", f"{self.beats:,}"))
        for label, count in self.by_class.items():
            if count or label in "NSV":
                share = 100 * count / self.beats if self.beats else 0.0
                meaning = CLASS_NAMES.get(label, "")
                lines.append((f"  {label}", f"{count:>7,}  {share:5.1f} %  {meaning}".rstrip()))
        for name, numbers in self.values.items():
            text = "{mean:.1f} on average, {least:.1f} to {greatest:.1f}".format(**numbers)
            lines.append((f"  {name}", f"{text} {self.unit}".rstrip()))
        if math.isfinite(self.rate_mean):
            lines.append(("heart rate", f"{self.rate_mean:.0f} a minute on average"))
            for name, rate, at in (
                ("lowest", self.rate_min, self.rate_min_at),
                ("highest", self.rate_max, self.rate_max_at),
            ):
                text = f"{rate:.0f} a minute at {self._when(at)}, over eight beats"
                lines.append((f"  {name}", text))
        if "V" in self.by_class:
            lines.append(("ectopy", self._ectopy()))
            ectopic = [run for run in self.runs if run.label != FLUTTER]
            longest = sorted(ectopic, key=lambda run: -run.beats)[:3]
            for run in sorted(longest, key=lambda run: run.start):
                text = f"{run.beats} {run.label} at {self._when(run.start)}"
                lines.append(("  run", f"{text}, {run.heart_rate:.0f} a minute"))
            more = self.runs_of("V") + self.runs_of("S") - len(longest)
            if more:
                lines.append(("  run", f"{counted(more, 'shorter one')} more"))
        if self.flutter_waves:
            text = f"{counted(self.flutter_waves, 'wave')} of ventricular flutter, not beats"
            flutter = self.run_counts.get(FLUTTER)
            if flutter:
                text += (
                    f"; {counted(flutter.count, 'stretch', 'es')}, {length(flutter.seconds)} in "
                    f"all, the first at {self._when(flutter.first)}"
                )
            lines.append(("flutter", text))
        if self.rhythm is not None:
            lines += self._rhythm_lines(self.rhythm)
        text = f"{100 * self.bad_quality:.1f} % of beats in a bad signal"
        if self.unreadable:
            text += f"; {length(self.unreadable)} cannot be read: no rate is taken there"
        lines.append(("quality", text))
        if self.saturated:
            text = (
                f"{counted(self.saturated, 'beat')} at the limit of the converter: lower the gain"
            )
            lines.append(("  saturated", text))
        return lines

    def _when(self, seconds: float) -> str:
        """A time in the recording, and that of the clock where its start is known."""
        if self.start is None:
            return clock(seconds)
        start = (
            self.start
            if isinstance(self.start, datetime)
            else datetime.combine(date.min, self.start)
        )
        at = start + timedelta(seconds=int(seconds))
        days = (at.date() - start.date()).days
        day = ""
        if days:
            day = f"{at:%Y-%m-%d} " if start is self.start else f"day {days + 1}, "
        return f"{clock(seconds)} ({day}{at:%H:%M:%S})"

    def _rhythm_lines(self, rhythm: RhythmSummary) -> list[tuple[str, str]]:
        lines = []
        if math.isfinite(rhythm.longest_rr):
            at = self._when(rhythm.longest_rr_at)
            lines.append(("longest RR", f"{rhythm.longest_rr:.2f} s at {at}"))
        pauses = rhythm.count(EventKind.PAUSE, EventKind.ASYSTOLE)
        text = counted(pauses, "pause")
        if rhythm.count(EventKind.ASYSTOLE):
            text += f", {rhythm.count(EventKind.ASYSTOLE)} of them as long as an asystole"
        lines.append(("pauses", text))
        gaps = rhythm.kinds.get(EventKind.GAP)
        text = "no gap"
        if gaps is not None:
            text = (
                f"{counted(gaps.count, 'gap')} counted lead by lead, {length(gaps.seconds)} in all"
            )
        lines.append(("gaps", text))
        if math.isfinite(rhythm.burden):
            episodes = rhythm.count(EventKind.ATRIAL_FIBRILLATION)
            text = f"{100 * rhythm.burden:.1f} % of the time, {counted(episodes, 'episode')}"
            lines.append(("AF burden", text if episodes else "no episode of 30 s or more"))
        elif self.duration > 0:
            why = "not told: nothing can be read"
            if ECTOPIC not in self.by_class:
                why = "not told: that needs a model of ectopic beats, as beats is"
            elif self.duration < LONG_S:
                why = "not looked for: an episode is of 30 s or more"
            lines.append(("AF burden", why))
        kinds = f" of {counted(len(rhythm.kinds), 'kind')}" if rhythm.kinds else ""
        lines.append(("events", f"{rhythm.total:,}{kinds}" if kinds else "none"))
        for kind, tally in rhythm.kinds.items():
            # Single beats have no length: the first of them stays the longest.
            how = "longest" if tally.longest.duration > 0.0 else "first"
            shown = {how if tally.count > 1 else "": self._event_text(tally.longest)}
            slow = kind in (EventKind.BRADYCARDIA, EventKind.EXTREME_BRADYCARDIA)
            extreme = tally.slowest if slow else tally.fastest
            if extreme and extreme is not tally.longest:
                shown["slowest" if slow else "fastest"] = self._event_text(extreme)
            text = "; ".join(f"{how} {what}".strip() for how, what in shown.items() if what)
            more = tally.count - sum(bool(what) for what in shown.values())
            text += f"; {more:,} more" if more else ""
            lines.append((f"{tally.count:>9,}", f"{kind.text}: {text}"))
        return lines

    def _event_text(self, event: Event) -> str:
        text = f"at {self._when(event.start_time)}"
        if event.n_beats > 2:
            what = "waves" if event.kind is EventKind.VENTRICULAR_FLUTTER else "beats"
            text = f"{event.n_beats:,} {what} {text}"
        if event.duration >= 1.0:
            text = f"{length(event.duration)}, {text}"
        if math.isfinite(event.rate):
            text += f", {event.rate:.0f} a minute"
        if event.lead is not None and len(self.leads) > 1:
            text += f", lead {self.leads[event.lead]}"
        return text

    def _ectopy(self) -> str:
        return (
            f"{counted(self.couplets, 'ventricular couplet')}, "
            f"{counted(self.runs_of('V'), 'ventricular run')} and "
            f"{counted(self.runs_of('S'), 'supraventricular run')} of three or more"
        )

    def runs_of(self, label: str) -> int:
        """All runs of one label, also those that are not listed."""
        return self.run_counts[label].count if label in self.run_counts else 0

    def text(self) -> str:
        """The lines as text in two columns."""
        return "\n".join(f"{heading:<12}{text}" for heading, text in self.lines())
