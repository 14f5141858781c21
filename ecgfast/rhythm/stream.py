"""Beats and signal in, rhythm events out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isfinite
from numbers import Integral, Real
from typing import Any

from ..deprecated import renamed_argument, warn_renamed
from ..errors import InputError, StateError
from ..exclusive import Exclusive, exclusive
from ..versioned import Versioned
from ._beat_window import BeatWindow
from ._scan import (
    ASYSTOLE_BEGAN,
    ASYSTOLE_ENDED,
    BEAT,
    BLOCKS,
    DONE,
    EPISODE,
    INTERVAL,
    LEADS,
    LOST_SIGNAL,
    NOISE_BEGAN,
    NOISE_ENDED,
    ORDER,
    R_ON_T,
    RATES,
    WAVES_BEGAN,
    WAVES_ENDED,
    Scan,
)
from .atrial import P_LEADS, BeatOdds, Scorer, default_model
from .blocks import Blocks, SignalBlocks
from .ectopy import Ectopy, ROnT
from .episode import BeatLike, BeatNow, Part, Sink
from .event import Event, EventKind, Severity
from .flutter import FlutterWatch
from .irregular import Irregular
from .leads import LeadWatch
from .rates import RateRule, RateWatch
from .standstill import Standstill

__all__ = ["RhythmStream"]

# Seconds after an R peak at which a beat has been reported: at the start and after a bad stretch
# the core takes so long (ecgfast.h), else less.
_REPORTED_S = 2.5

# Labels by their codes in a `Scan`; the empty one is a wave of ventricular flutter, or no label.
_LABELS = ("N", "V", "S", "F", "", "Q")
_code = {label: code for code, label in enumerate(_LABELS)}.get
# Any other label, such as "abnormal", does not tell ectopic beats, and is treated as Q is; but what
# a decision rejected is treated as N.
_OTHER, _REJECTED = _LABELS.index("Q"), "?"

# The beats that rows of ectopic beats, or R-on-T, have to see.
_RARE = 1 | 2 | R_ON_T


class RhythmStream(Versioned):
    """Rhythm events of one stream of labelled beats, live or offline.

    Pass each chunk of samples together with the beats that `StreamingClassifier` reported for it.
    With the samples, lost signal, noise and asystole are distinguished, and an asystole is reported
    while it lasts. Beats alone, such as those of an annotation file, give no events of noise or
    lost leads, and atrial fibrillation is then detected without P waves. It is looked for where
    beats have AAMI classes alone: ectopic beats make a rhythm irregular too, and labels such as
    "abnormal" do not tell them.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    n_leads : int, default 1
        Leads in each chunk of samples.
    delay : float, default 2.5
        Longest time from an R peak to its report, in seconds: ``labeller.stream.delay / fs`` of a
        `StreamingClassifier`. Values below 2.5 are raised to 2.5.
    pause, asystole : float
        Seconds without a beat that are a pause (2), and an asystole (3).
    bradycardia, tachycardia : float
        Beats per minute (50, 100); the event ends 5 per minute above or below.
    extreme_bradycardia, extreme_tachycardia : float
        Beats per minute (40, 140).
    sustained : float
        Seconds that bradycardia or tachycardia has to last (30).
    irregular : float
        Seconds that atrial fibrillation has to last (30).
    irregular_probability : float, optional
        Probability above which a beat is evidence for an episode of it, at most 1; by
        default that with which the model was chosen.
    atrial : AtrialModel, optional
        Gives the odds of atrial fibrillation; the built-in model by default.

    Raises
    ------
    InputError
        If an argument is no number above 0, `irregular_probability` is above 1, `pause` is longer
        than `asystole`, the four rates do not ascend, or `atrial` is no model.

    Notes
    -----
    Events depend on the beats and the samples, not on how these are split into calls. A stream can
    be pickled between two calls and continues exactly, in the same version of ecgfast: a pickle of
    another one is refused (`StateError`). Memory is bounded: a large chunk is
    processed in pieces.

    Long events are reported twice: with ``ongoing=True`` once their rule is met, and again when
    they have ended; a run that becomes more severe is also reported then. `DEFINITIONS` lists the
    rule of each kind.

    Examples
    --------
    >>> from ecgfast import RhythmStream
    >>> rhythm = RhythmStream(360.0)
    >>> for chunk in chunks:                                      # doctest: +SKIP
    ...     for event in rhythm.process(labeller.process(chunk), chunk):
    ...         print(event.kind, event.start_time, event.duration)
    """

    in_use: Exclusive

    @exclusive
    def __init__(
        self,
        fs: float,
        *,
        n_leads: int = 1,
        delay: float = _REPORTED_S,
        pause: float = 2.0,
        asystole: float = 3.0,
        bradycardia: float = 50.0,
        tachycardia: float = 100.0,
        extreme_bradycardia: float = 40.0,
        extreme_tachycardia: float = 140.0,
        sustained: float = 30.0,
        irregular: float = 30.0,
        irregular_probability: float | None = None,
        atrial: Scorer | None = None,
        leads: int | None = None,
    ) -> None:
        n_leads = renamed_argument("RhythmStream", "leads", leads, "n_leads", n_leads, stacklevel=4)
        model = default_model() if atrial is None else atrial
        if not hasattr(model, "settings"):
            raise InputError(f"atrial is of {type(atrial).__name__}: give an AtrialModel")
        settings = model.settings
        if irregular_probability is not None:
            settings = replace(settings, probability=irregular_probability)
        given = {
            "fs": fs, "delay": delay, "pause": pause, "asystole": asystole,
            "bradycardia": bradycardia, "tachycardia": tachycardia,
            "extreme_bradycardia": extreme_bradycardia, "extreme_tachycardia": extreme_tachycardia,
            "sustained": sustained, "irregular": irregular,
            "irregular_probability": settings.probability,
        }  # fmt: skip
        _check(given, n_leads)
        self.fs = float(fs)
        self.n_leads = n_leads
        self._pause, self._asystole = pause, asystole
        self._delay = int(max(delay, _REPORTED_S) * fs) + 1
        self._sink = Sink(self.fs)
        self._signal = SignalBlocks(self.fs, n_leads)
        self._ended = False
        self._suspected: Event | None = None
        rules = _rate_rules(
            bradycardia, tachycardia, extreme_bradycardia, extreme_tachycardia, sustained
        )
        size, group = self._signal.size, self._signal.group
        window = BeatWindow(min(n_leads, P_LEADS), group, self.fs / group)
        scan = self._scan = Scan(
            self.fs,
            n_leads,
            size,
            group,
            pause,
            asystole,
            [(rule.is_low, rule.begins, rule.ends, rule.intervals) for rule in rules],
            window,
        )
        self._lead_watches = [
            LeadWatch(i, scan, self._sink, only=n_leads == 1) for i in range(n_leads)
        ]
        self._ectopy = [Ectopy(label, self._sink) for label in "VS"]
        self._r_on_t = ROnT(self._sink)
        self._rates = [RateWatch(rule, i, scan, self._sink) for i, rule in enumerate(rules)]
        self._flutter = FlutterWatch(self._sink)
        self._irregular = Irregular(
            self._sink, window, BeatOdds(window, model), settings, irregular
        )
        self._standstill = Standstill(self._sink, scan, pause, asystole)

    # ------------------------------------------------------------------------------- the stream

    @property
    def leads(self) -> int:
        """Deprecated: `n_leads`."""
        warn_renamed("RhythmStream.leads", "RhythmStream.n_leads")
        return self.n_leads

    @exclusive
    def process(self, beats: Iterable[BeatLike], samples: Any | None = None) -> list[Event]:
        """Process the next samples and the beats that were reported for them.

        Parameters
        ----------
        beats : iterable of Beat
            In order. With samples, doubtful detections more than 1.2 s after the last beat that are
            less than 0.3 as steep as QRS complexes are left out: they are P waves without a beat.
        samples : array_like, shape (n,) or (n, n_leads), optional
            The next samples of the source in which the beats were found. Pass them in every call or
            in none.

        Returns
        -------
        list of Event

        Raises
        ------
        InputError
            If the samples have another shape, or beats come out of order.
        StateError
            If the stream has ended, or another thread uses it.
        """
        if self._ended:
            raise StateError("the stream has ended: make a new RhythmStream")
        try:
            rows = [
                (
                    one.sample,
                    int(one.quality),
                    _code(one.label, 0 if one.label == _REJECTED else _OTHER),
                    one.probability,
                )
                for one in beats
            ]
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"beats is of {type(beats).__name__}: give a list of Beat, such as "
                "StreamingClassifier.process returns"
            ) from error
        pieces: Iterator[Blocks] = iter(())
        if samples is not None:
            samples = self._signal.checked(samples)
            self._scan.with_signal = True
            pieces = self._standstill.seen(self._signal.process(samples))
        self._scan.put_beats(rows)
        self._work(pieces, self._delay)
        self._suspect()
        return self._sink.take()

    @property
    def suspected_asystole(self) -> Event | None:
        """An asystole that seems to last now, before it is certain; None where there is none.

        `process` reports an asystole once no beat can still be reported in it, up to `delay` after
        its threshold. This looks at the signal that has come since the last reported beat: half a
        second after the threshold. It is no event yet: a beat that the detector reports late
        disproves it. `ecgfast.alarms.Alarms` raises an alarm of it, and withdraws that.

        Examples
        --------
        >>> from ecgfast import RhythmStream
        >>> RhythmStream(360.0).suspected_asystole is None
        True
        """
        return self._suspected

    @exclusive
    def flush(self) -> list[Event]:
        """End the stream.

        Returns
        -------
        list of Event
            The events that were still open; empty where the stream has ended already.
        """
        if self._ended:
            return []
        self._ended = True
        self._suspected = None
        self._work(iter(()), 0)
        scan = self._scan
        end = max(self._signal.count, scan.last + 1)
        if scan.asystole_since >= 0:
            self._standstill.put(scan.asystole_since, end, ongoing=False)
        if scan.waves_since >= 0:
            self._flutter.waves_ended(scan.waves_until)
        parts: tuple[Part, ...] = (
            *self._ectopy,
            *self._rates,
            self._irregular,
            self._flutter,
        )
        for part in parts:
            part.end()
        for watch in self._lead_watches:
            watch.end(end)
        if scan.noise_since >= 0:
            self._put_noise(scan.noise_since, max(end, scan.noise_since), ongoing=False)
        return self._sink.take()

    def _work(self, pieces: Iterator[Blocks], delay: int) -> None:
        """Process the beats and blocks, the last ones up to so many samples before the end."""
        scan = self._scan
        exhausted = False
        while True:
            found = scan.run(self._signal.count - delay, exhausted)
            if found == BEAT:
                self._beat()
            elif found == INTERVAL:
                self._interval()
            elif found in (BLOCKS, DONE):
                blocks = None if exhausted else next(pieces, None)
                if blocks is not None:
                    scan.put_blocks(*blocks)
                elif exhausted:
                    return
                exhausted = blocks is None
            else:
                self._block(found)

    # ------------------------------------------------------------------------------- the signal

    def _block(self, found: int) -> None:
        """An event of the signal begins or ends."""
        scan = self._scan
        if found == LEADS:
            for lead, watch in enumerate(self._lead_watches):
                if scan.needs_watch(lead):
                    watch.block()
        elif found == LOST_SIGNAL:
            self._lose()
        elif found == WAVES_BEGAN:
            if scan.asystole_since >= 0:
                begin = max(scan.begin, scan.asystole_since)
                self._standstill.put(scan.asystole_since, begin, ongoing=False)
                scan.end_asystole()
            self._flutter.waves_began(scan.begin, scan.end)
        elif found == WAVES_ENDED:
            self._flutter.waves_ended(scan.end)
        elif found in (ASYSTOLE_BEGAN, ASYSTOLE_ENDED):
            if found == ASYSTOLE_BEGAN:
                self._flutter.end()
            self._standstill.put(scan.begin, scan.end, ongoing=found == ASYSTOLE_BEGAN)
        elif found in (NOISE_BEGAN, NOISE_ENDED):
            self._put_noise(scan.begin, scan.end, ongoing=found == NOISE_BEGAN)
        else:
            assert found == ORDER
            raise InputError(f"beats must come in order: sample {scan.sample} after {scan.last}")

    def _put_noise(self, begin: int, end: int, *, ongoing: bool) -> None:
        self._sink.put(EventKind.NOISE, begin, end, Severity.LOW, 1.0, ongoing=ongoing)

    def _lose(self) -> None:
        """No lead is usable in this block."""
        scan = self._scan
        if scan.asystole_since >= 0:
            self._standstill.put(scan.asystole_since, scan.begin, ongoing=False)
        if not scan.lost:
            self._end_rates()
            self._irregular.end()
            if scan.waves_since >= 0:
                self._flutter.waves_ended(scan.waves_until)
            self._flutter.end()
        if scan.noise_since >= 0:
            self._put_noise(scan.noise_since, max(scan.begin, scan.noise_since), ongoing=False)
        scan.lose()

    def _suspect(self) -> None:
        found = self._standstill.suspected()
        if found is None:
            self._suspected = None
            return
        begin, end = found
        self._suspected = Event(
            EventKind.ASYSTOLE,
            begin,
            end,
            begin / self.fs,
            end / self.fs,
            Severity.HIGH,
            self._standstill.confidence(begin, end),
            ongoing=True,
        )

    def _end_rates(self) -> None:
        for watch in self._rates:
            watch.end()
        self._scan.end_rates()

    # -------------------------------------------------------------------------------- the beats

    def _interval(self) -> None:
        """A beat that does not simply follow the beat before: all rules see it."""
        scan = self._scan
        joined = self._standstill.beat()
        scan.mark()
        now = self._now(joined=joined)
        self._flutter.beat(now, wave=scan.wave, lost=scan.lost_before)
        if joined:
            scan.push_beat(True)
            self._beat()
            return
        for i, row in enumerate(self._ectopy):
            row.beat(now)
            scan.set_open(1 << i, row.is_open)
        self._end_rates()
        self._irregular.end()
        scan.push_beat(False)

    def _beat(self) -> None:
        """Some rules have to see the beat."""
        scan = self._scan
        flags = scan.flags
        if flags & _RARE:
            now = self._now(joined=True)
            for i, row in enumerate(self._ectopy):
                if flags & (1 << i):
                    row.beat(now)
                    scan.set_open(1 << i, row.is_open)
            if flags & R_ON_T:
                self._r_on_t.beat(now, scan.qt_share)
        if flags >= RATES:
            for i, watch in enumerate(self._rates):
                if flags & (RATES << i):
                    watch.beat(beyond=bool(scan.rates.beyond & (RATES << i)))
                    scan.set_open(RATES << i, watch.is_open)
        if flags & EPISODE:
            self._irregular.look()

    def _now(self, *, joined: bool) -> BeatNow:
        scan = self._scan
        return BeatNow(
            scan.sample,
            _LABELS[scan.code],
            scan.probability,
            scan.beat_trusted,
            scan.rr,
            joined,
            scan.before,
        )


def _check(given: dict[str, float], n_leads: int) -> None:
    """Refuse numbers that go with no rule."""
    for name, value in given.items():
        if not (isinstance(value, Real) and isfinite(value) and value > 0):
            raise InputError(f"{name} must be a number above 0, got {value!r}")
    if given["irregular_probability"] > 1.0:
        raise InputError(
            f"irregular_probability must be at most 1, got {given['irregular_probability']!r}"
        )
    if not isinstance(n_leads, Integral) or n_leads < 1:
        raise InputError(f"n_leads must be an integer, 1 or more, got {n_leads!r}")
    pause, asystole = given["pause"], given["asystole"]
    if pause > asystole:
        raise InputError(f"pause={pause:g} must not be longer than asystole={asystole:g}")
    names = ("extreme_bradycardia", "bradycardia", "tachycardia", "extreme_tachycardia")
    lowest, low, high, highest = (given[name] for name in names)
    if not lowest <= low < high <= highest:
        rates = ", ".join(f"{name}={given[name]:g}" for name in names)
        raise InputError(f"rates must ascend: {rates}")


def _rate_rules(
    bradycardia: float,
    tachycardia: float,
    extreme_bradycardia: float,
    extreme_tachycardia: float,
    sustained: float,
) -> tuple[RateRule, ...]:
    """The rules of rates: each event ends 5 beats per minute on the other side of its limit."""
    slow, fast = EventKind.BRADYCARDIA, EventKind.TACHYCARDIA
    very_slow, very_fast = EventKind.EXTREME_BRADYCARDIA, EventKind.EXTREME_TACHYCARDIA
    low, high = Severity.LOW, Severity.HIGH
    return (
        RateRule(slow, low, bradycardia, bradycardia + 5.0, 8, sustained),
        RateRule(fast, low, tachycardia, tachycardia - 5.0, 8, sustained),
        RateRule(very_slow, high, extreme_bradycardia, extreme_bradycardia + 5.0, 4),
        RateRule(very_fast, high, extreme_tachycardia, extreme_tachycardia - 5.0, 16),
    )
