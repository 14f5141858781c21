"""Beats and signal in, rhythm events out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from math import isfinite, nan
from typing import Any

from ..deprecated import renamed_argument, warn_renamed
from ..errors import InputError, StateError
from .blocks import USABLE, Block, SignalBlocks
from .ectopy import Ectopy, ROnT
from .episode import BeatLike, BeatNow, Part, Sink, Trust
from .event import Event, EventKind, Severity
from .flutter import FlutterWatch
from .irregular import Irregular, Scorer
from .leads import LeadWatch
from .noise import NoiseWatch
from .rates import RateRule, RateWatch
from .standstill import Standstill
from .steepness import Steepness

__all__ = ["RhythmStream"]

# Quality bits of `ecgfast.Quality` that are needed here.
_GAP, _FLAT, _FLUTTER = 1, 2, 64

# Seconds after an R peak at which a beat has been reported: at the start and after a bad stretch
# the core takes so long (ecgfast.h), else less.
_REPORTED_S = 2.5

# Blocks after which noise is looked for: 2 s.
_NOISE_EVERY = 8


class RhythmStream:
    """Rhythm events of one stream of labelled beats, live or offline.

    Pass each chunk of samples together with the beats that `StreamingClassifier` reported for it.
    With the samples, lost signal, noise and asystole are distinguished, and an asystole is reported
    while it lasts. Beats alone, such as those of an annotation file, give no events of noise or
    lost leads, and atrial fibrillation is then detected without P waves.

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
    irregular_probability : float
        Probability at which an episode of it begins (0.7), at most 1; it ends 0.2 lower.
    atrial : AtrialModel, optional
        Gives the probability of atrial fibrillation; the built-in model by default.

    Raises
    ------
    InputError
        If a number is not above 0, `irregular_probability` is above 1, `pause` is longer than
        `asystole`, or the four rates do not ascend.

    Notes
    -----
    Events depend on the beats and the samples, not on how these are split into calls. A stream can
    be pickled between two calls and continues exactly. Memory is bounded: a large chunk is
    processed in pieces.

    Long events are reported twice: with ``ongoing=True`` once their rule is met, and again when
    they have ended. `DEFINITIONS` lists the rule of each kind.

    Examples
    --------
    >>> from ecgfast import RhythmStream
    >>> rhythm = RhythmStream(360.0)
    >>> for chunk in chunks:                                      # doctest: +SKIP
    ...     for event in rhythm.process(labeller.process(chunk), chunk):
    ...         print(event.kind, event.start_time, event.duration)
    """

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
        irregular_probability: float = 0.7,
        atrial: Scorer | None = None,
        leads: int | None = None,
    ) -> None:
        n_leads = renamed_argument("RhythmStream", "leads", leads, "n_leads", n_leads)
        given = {
            "fs": fs, "delay": delay, "pause": pause, "asystole": asystole,
            "bradycardia": bradycardia, "tachycardia": tachycardia,
            "extreme_bradycardia": extreme_bradycardia, "extreme_tachycardia": extreme_tachycardia,
            "sustained": sustained, "irregular": irregular,
            "irregular_probability": irregular_probability,
        }  # fmt: skip
        for name, value in given.items():
            if not (isfinite(value) and value > 0):
                raise InputError(f"{name} must be a number above 0, got {value!r}")
        if irregular_probability > 1.0:
            raise InputError(
                f"irregular_probability must be at most 1, got {irregular_probability!r}"
            )
        if n_leads < 1:
            raise InputError(f"n_leads must be 1 or more, got {n_leads!r}")
        if pause > asystole:
            raise InputError(f"pause={pause:g} must not be longer than asystole={asystole:g}")
        if not extreme_bradycardia <= bradycardia < tachycardia <= extreme_tachycardia:
            raise InputError(
                "rates must ascend: extreme_bradycardia, bradycardia, tachycardia, "
                "extreme_tachycardia"
            )
        self.fs = float(fs)
        self.n_leads = n_leads
        self._pause, self._asystole = pause, asystole
        self._delay = int(max(delay, _REPORTED_S) * fs) + 1
        self._sink = Sink(self.fs)
        self._signal = SignalBlocks(self.fs, n_leads)
        self._waiting: deque[Block] = deque()
        self._next_block = 0
        self._with_signal = False
        self._ended = False

        size = self._signal.size
        self._lead_watches = [
            LeadWatch(i, size, self._sink, only=n_leads == 1) for i in range(n_leads)
        ]
        self._ectopy = [Ectopy(label, self._sink) for label in "VS"]
        self._r_on_t = ROnT(self._sink)
        low, high = Severity.LOW, Severity.HIGH
        self._rates = [
            RateWatch(rule, self._sink)
            for rule in (
                RateRule(EventKind.BRADYCARDIA, low, bradycardia, bradycardia + 5.0, 8, sustained),
                RateRule(EventKind.TACHYCARDIA, low, tachycardia, tachycardia - 5.0, 8, sustained),
                RateRule(
                    EventKind.EXTREME_BRADYCARDIA,
                    high,
                    extreme_bradycardia,
                    extreme_bradycardia + 5.0,
                    4,
                ),
                RateRule(
                    EventKind.EXTREME_TACHYCARDIA,
                    high,
                    extreme_tachycardia,
                    extreme_tachycardia - 5.0,
                    16,
                ),
            )
        ]
        self._flutter = FlutterWatch(self._sink)
        self._trust = Trust()
        self._steepness = Steepness(self.fs, n_leads, size)
        group = self._signal.group
        self._irregular = Irregular(
            self._sink,
            self._steepness,
            self.fs / group,
            group,
            irregular,
            irregular_probability,
            atrial,
        )
        self._standstill = Standstill(
            self._sink, self._steepness, self._trust, size, pause, asystole
        )
        self._noise = NoiseWatch(self._sink, self._steepness, self._trust, size)

        self._longest_rr = (0.0, nan)
        self._last: int | None = None  # R peak of the last beat
        self._wave = False  # was it a wave of ventricular flutter?
        self._lost = False  # has signal been lost since?
        self._quality = 0  # of the last beat
        self._sized = True  # has the size of its complex been learned, or can it not be?

    # ------------------------------------------------------------------------------- the stream

    @property
    def leads(self) -> int:
        """Deprecated: `n_leads`."""
        warn_renamed("RhythmStream.leads", "RhythmStream.n_leads")
        return self.n_leads

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
            If the stream has ended.
        """
        if self._ended:
            raise StateError("the stream has ended: make a new RhythmStream")
        blocks: Iterator[Block] = iter(())
        if samples is not None:
            samples = self._signal.checked(samples)
            self._with_signal = True
            blocks = self._signal.process(samples)
        for beat in beats:
            # With the block that holds the R peak: a beat is reported after its end.
            self._advance(beat.sample + self._signal.size, blocks)
            self._beat(beat)
        for block in blocks:
            self._waiting.append(block)
            self._advance(self._signal.count - self._delay, iter(()))
        self._advance(self._signal.count - self._delay, iter(()))
        return self._sink.take()

    @property
    def longest_rr(self) -> tuple[float, float]:
        """The longest RR interval so far, and where it begins, in seconds; NaN before there is one.

        Intervals in which signal was lost, or beats may have been missed, do not count.
        """
        return self._longest_rr if self._longest_rr[0] > 0.0 else (nan, nan)

    @property
    def atrial_window(self) -> tuple[int, int]:
        """R peaks of the first and last beat of the window scored for atrial fibrillation."""
        return self._irregular.window

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
        self._advance(self._signal.count, iter(()))
        end = max(self._signal.count, 0 if self._last is None else self._last + 1)
        self._standstill.end(end)
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
        self._noise.end(end)
        return self._sink.take()

    def _advance(self, to: int, blocks: Iterator[Block]) -> None:
        """Take all blocks that end at or before this sample."""
        size, waiting = self._signal.size, self._waiting
        while (self._next_block + 1) * size <= to:
            if not waiting:
                block = next(blocks, None)
                if block is None:
                    return
                waiting.append(block)
            self._block(self._next_block, waiting.popleft())
            self._next_block += 1

    # ------------------------------------------------------------------------------- the signal

    def _block(self, index: int, block: Block) -> None:
        size = self._signal.size
        begin, end = index * size, (index + 1) * size
        steepness = self._steepness.block(block)
        state = block.state
        for lead, watch in enumerate(self._lead_watches):
            if state[lead] != watch.state or state[lead] != USABLE:
                watch.block(index, state[lead], block.level[lead], self._steepness)
        if USABLE not in state:
            self._lose(begin, end)
            return
        if not self._sized and self._last is not None and begin > self._last:
            self._steepness.learn(self._last)
            self._sized = True
        self._standstill.block(begin, steepness)
        if index % _NOISE_EVERY == _NOISE_EVERY - 1:
            self._noise.look(end, self._last or 0, standstill=self._standstill.lasts)

    def _lose(self, begin: int, end: int) -> None:
        """No lead is usable in this block."""
        self._standstill.lost(begin)
        if not self._lost:
            parts: tuple[Part, ...] = (*self._rates, self._irregular, self._flutter)
            for part in parts:
                part.end()
        self._lost = True
        self._noise.lost(begin, end)

    # -------------------------------------------------------------------------------- the beats

    def _beat(self, beat: BeatLike) -> None:
        sample, quality, last = beat.sample, int(beat.quality), self._last
        if last is not None and sample <= last:
            raise InputError(f"beats must come in order: sample {sample} after {last}")
        if self._standstill.is_isolated_p_wave(sample, quality):
            return
        wave = bool(quality & _FLUTTER)
        rr = nan if last is None else (sample - last) / self.fs
        lost = self._lost
        if not self._with_signal and rr >= self._pause:
            lost = bool((quality | self._quality) & (_GAP | _FLAT))
        joined = last is not None and not lost and not wave and not self._wave
        joined = self._standstill.beat(sample, rr, joined=joined)
        trusted, sound = self._trust.beat(sample, quality)
        probability = beat.probability
        now = BeatNow(
            sample,
            "" if wave else beat.label,
            probability if isfinite(probability) else 1.0,
            trusted,
            sound,
            rr,
            joined,
            sample if last is None else last,
        )
        self._flutter.beat(now, wave=wave, lost=lost)
        for row in self._ectopy:
            row.beat(now)
        self._r_on_t.beat(now)
        if wave:
            for watch in self._rates:
                watch.end()
        else:
            for watch in self._rates:
                watch.beat(now)
        self._irregular.beat(now)
        if joined and rr > self._longest_rr[0]:
            self._longest_rr = (rr, now.before / self.fs)
        self._last, self._wave, self._lost = sample, wave, False
        self._quality = quality
        self._sized = not trusted
