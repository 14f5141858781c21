"""Beats and signal in, rhythm events out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from math import inf, isfinite, nan
from typing import Any

from ..errors import InputError, StateError
from .blocks import USABLE, Block, SignalBlocks
from .ectopy import Ectopy, ROnT
from .episode import BeatLike, BeatNow, BeatsOf, Part, Sink, is_sound, is_trusted
from .event import Event, EventKind, Severity
from .irregular import Irregular
from .leads import LeadWatch
from .rates import RateRule, RateWatch

__all__ = ["RhythmStream"]

# Quality bits of `ecgfast.Quality` that are needed here.
_GAP, _FLAT, _FLUTTER = 1, 2, 64

# Seconds after an R peak at which a beat has been reported: at the start and after a bad stretch
# the core takes so long (ecgfast.h), else less.
_REPORTED_S = 2.5

# Beats whose size and quality are remembered, and how many of them make a signal in which the
# absence of beats means something.
_BEATS_KEPT = 8
_TRUSTED_BEATS = 4

# Seconds after an R peak in which its T wave moves the signal, and before one in which it begins.
_AFTER_R_S = 0.45
_BEFORE_R_S = 0.1

# Share of a QRS complex's steepness from which on a block may hide or be one.
_LOUD = 0.5
# Loud blocks in a row that end an asystole: 1 s. One may be the next beat.
_LOUD_BLOCKS = 4

# Blocks looked at for noise, 5 s; their first quarter by size lies between the beats.
_NOISE_BLOCKS = 20
_NOISE_RANK = 5
# Noise ends below this share of a QRS complex's steepness.
_NOISE_ENDS = 0.35
# Of the last eight detections fewer than so many are sound: noise; with more there is none.
_NOISE_SOUND = 3
# Seconds without a beat, and without an asystole, that are noise.
_NO_BEATS_S = 10.0
# Seconds of flutter waves that are an event.
_FLUTTER_S = 3.0


class RhythmStream:
    """Rhythm events of one stream of labelled beats, live and offline alike.

    Give it each chunk of samples together with the beats that `StreamingClassifier` reported for
    it: then lost signal, noise and a heart that has stopped are told apart, and an asystole is
    reported while it lasts. Beats alone, as they come out of an annotation file, give everything
    that can be said without the signal.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    leads : int, default 1
        Leads in each chunk of samples.
    delay : float, default 2.5
        Seconds from an R peak to its report at most; `StreamingClassifier.stream` has it as
        ``delay`` in samples. Values below 2.5 count as 2.5.
    pause, asystole : float
        Seconds without a beat that are a pause (2), and an asystole (3).
    bradycardia, tachycardia : float
        Beats per minute (50, 100); the event ends 5 beyond.
    extreme_bradycardia, extreme_tachycardia : float
        Beats per minute (40, 140).
    sustained : float
        Seconds that bradycardia or tachycardia has to last (30).
    irregular : float
        Seconds that atrial fibrillation or flutter has to last (30).

    Raises
    ------
    InputError
        If a parameter makes no sense.

    Notes
    -----
    Time is that of the samples: an event depends on the beats and the signal, never on how they
    were cut into calls. A stream can be pickled between two calls and continues exactly. Memory is
    bounded; a call's chunk is worked through in pieces.

    Long events are reported twice: when they are established, with ``ongoing=True``, and when they
    have ended. `DEFINITIONS` has the rule of each kind.

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
        leads: int = 1,
        delay: float = _REPORTED_S,
        pause: float = 2.0,
        asystole: float = 3.0,
        bradycardia: float = 50.0,
        tachycardia: float = 100.0,
        extreme_bradycardia: float = 40.0,
        extreme_tachycardia: float = 140.0,
        sustained: float = 30.0,
        irregular: float = 30.0,
    ) -> None:
        given = {
            "fs": fs, "delay": delay, "pause": pause, "asystole": asystole,
            "bradycardia": bradycardia, "tachycardia": tachycardia,
            "extreme_bradycardia": extreme_bradycardia, "extreme_tachycardia": extreme_tachycardia,
            "sustained": sustained, "irregular": irregular,
        }  # fmt: skip
        for name, value in given.items():
            if not (isfinite(value) and value > 0):
                raise InputError(f"{name} must be a number above 0, got {value!r}")
        if leads < 1:
            raise InputError(f"leads must be 1 or more, got {leads!r}")
        if pause > asystole:
            raise InputError(f"pause={pause:g} must not be longer than asystole={asystole:g}")
        if not extreme_bradycardia <= bradycardia < tachycardia <= extreme_tachycardia:
            raise InputError(
                "rates must ascend: extreme_bradycardia, bradycardia, tachycardia, "
                "extreme_tachycardia"
            )
        self.fs = float(fs)
        self.leads = leads
        self._pause, self._asystole = pause, asystole
        self._delay = int(max(delay, _REPORTED_S) * fs) + 1
        self._sink = Sink(self.fs)
        self._signal = SignalBlocks(self.fs, leads)
        self._waiting: deque[Block] = deque()
        self._next_block = 0
        self._with_signal = False
        self._ended = False

        size = self._signal.size
        self._lead_watches = [LeadWatch(i, size, self._sink, only=leads == 1) for i in range(leads)]
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
        self._irregular = Irregular(self._sink, irregular)
        self._flutter = _Flutter(self._sink)
        self._noise = _Noise(self._sink)

        self._last: int | None = None  # R peak of the last beat
        self._before_last: int | None = None
        self._wave = False  # was it a wave of ventricular flutter?
        self._lost = False  # has signal been lost since?
        self._bad_bits = 0  # of the last beat
        self._trusted: deque[bool] = deque(maxlen=_BEATS_KEPT)
        self._sound: deque[bool] = deque(maxlen=_BEATS_KEPT)
        self._sizes: list[deque[float]] = [deque(maxlen=_BEATS_KEPT) for _ in range(leads)]
        self._qrs = [0.0] * leads  # how much a QRS complex changes within 40 ms
        # Index of a block, least loudness over the leads (inf where none is usable).
        self._recent: deque[tuple[int, float]] = deque(maxlen=64)
        self._activity: deque[tuple[int, list[float]]] = deque(maxlen=16)
        self._quiet_from = 0  # since this sample no beat, nothing lost and nothing loud
        self._loud = 0
        self._standstill: int | None = None  # where an asystole that was reported began

    # ------------------------------------------------------------------------------- the stream

    def process(self, beats: Iterable[BeatLike], samples: Any | None = None) -> list[Event]:
        """Take the next beats, and the samples after which they were reported.

        Parameters
        ----------
        beats : iterable of Beat
            In order.
        samples : array_like, shape (n,) or (n, leads), optional
            The next samples of the source, the same that the beats were found in. Give them in
            each call or in none.

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
            self._advance(beat.sample, blocks)
            self._beat(beat)
        for block in blocks:
            self._waiting.append(block)
            self._advance(self._signal.count - self._delay, iter(()))
        self._advance(self._signal.count - self._delay, iter(()))
        return self._sink.take()

    def flush(self) -> list[Event]:
        """End the stream.

        Returns
        -------
        list of Event
            What was still open; nothing where the stream has ended already.
        """
        if self._ended:
            return []
        self._ended = True
        self._advance(self._signal.count, iter(()))
        end = max(self._signal.count, 0 if self._last is None else self._last + 1)
        self._end_standstill(end)
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
        loudness = inf
        for watch, state, activity, level, qrs in zip(
            self._lead_watches, block.state, block.activity, block.level, self._qrs, strict=True
        ):
            watch.block(index, state, level, qrs)
            if state == USABLE and qrs > 0.0:
                loudness = min(loudness, activity / qrs)
        usable = USABLE in block.state
        self._recent.append((index, loudness if usable else inf))
        self._activity.append((index, block.activity))

        after_r = self._last is not None and begin < self._last + _AFTER_R_S * self.fs
        if not usable:
            self._quiet_from = end
            self._lose(begin)
        elif loudness >= _LOUD and not after_r:
            self._loud += 1
            if self._standstill is None:
                self._quiet_from = end
            elif self._loud >= _LOUD_BLOCKS:
                self._end_standstill(end - _LOUD_BLOCKS * size)
                self._quiet_from = end
        else:
            self._loud = 0
            self._watch_standstill(end)
        if index % 4 == 3:
            self._watch_noise(end, usable=usable)

    def _lose(self, begin: int) -> None:
        """No lead shows anything in a block that begins here."""
        self._end_standstill(begin)
        self._lost = True
        self._loud = 0
        parts: tuple[Part, ...] = (*self._rates, self._irregular, self._flutter)
        for part in parts:
            part.end()
        self._noise.lost(begin)

    def _may_stand_still(self) -> bool:
        """Whether the absence of beats would mean something."""
        return sum(self._trusted) >= _TRUSTED_BEATS and max(self._qrs) > 0.0

    def _watch_standstill(self, now: int) -> None:
        if now - self._quiet_from < self._asystole * self.fs or not self._may_stand_still():
            return
        if self._standstill is None:
            self._standstill = self._quiet_from
            self._put_standstill(now, ongoing=True)

    def _end_standstill(self, end: int, *, by_beat: bool = False) -> None:
        if self._standstill is not None:
            self._put_standstill(end, ongoing=False, by_beat=by_beat)
        self._standstill = None

    def _put_standstill(self, end: int, *, ongoing: bool, by_beat: bool = False) -> None:
        assert self._standstill is not None
        beats = [self._standstill] if self._standstill == self._last else []
        self._sink.put(
            EventKind.ASYSTOLE,
            self._standstill,
            end,
            Severity.HIGH,
            self._quiet_confidence(self._standstill, end),
            BeatsOf(*beats, *([end] if by_beat else [])),
            ongoing=ongoing,
        )

    def _between(self, first: int, last: int) -> list[float]:
        """Loudness of the blocks between two R peaks, without the complexes."""
        size = self._signal.size
        begin = first + _AFTER_R_S * self.fs
        end = last - _BEFORE_R_S * self.fs
        return [
            loudness
            for index, loudness in self._recent
            if index * size >= begin and (index + 1) * size <= end
        ]

    def _quiet_confidence(self, first: int, last: int) -> float:
        """How sure it is that no beat was missed between two R peaks."""
        between = [loudness for loudness in self._between(first, last) if loudness < inf]
        share = sum(self._trusted) / _BEATS_KEPT
        if not between:
            return 0.5 * share
        return share * (1.0 - min(1.0, max(between) / _LOUD) / 2.0)

    def _watch_noise(self, now: int, *, usable: bool) -> None:
        if not usable:
            return
        recent = [loudness for _, loudness in list(self._recent)[-_NOISE_BLOCKS:]]
        level = sorted(recent)[_NOISE_RANK] if len(recent) == _NOISE_BLOCKS else 0.0
        sound = sum(self._sound) + _BEATS_KEPT - len(self._sound)
        silent = now - max(self._last or 0, self._noise.signal_since) >= _NO_BEATS_S * self.fs
        silent = silent and self._standstill is None
        starts = silent or sound < _NOISE_SOUND or _LOUD <= level < inf
        ends = not silent and sound > _NOISE_SOUND and not _NOISE_ENDS <= level < inf
        self._noise.second(now, self._signal.size, starts=starts, ends=ends)

    # -------------------------------------------------------------------------------- the beats

    def _beat(self, beat: BeatLike) -> None:
        sample, quality, last = beat.sample, int(beat.quality), self._last
        if last is not None and sample <= last:
            raise InputError(f"beats must come in order: sample {sample} after {last}")
        trusted = is_trusted(quality)
        wave = bool(quality & _FLUTTER)
        rr = nan if last is None else (sample - last) / self.fs
        lost = self._lost
        if not self._with_signal:
            bits = (quality | self._bad_bits) & (_GAP | _FLAT)
            lost = bool(bits) and rr >= self._pause
        joined = last is not None and not lost and not wave and not self._wave
        if joined and rr >= self._pause:
            joined = self._long_interval(last, sample, rr)
        elif self._standstill is not None:
            self._end_standstill(sample, by_beat=True)
        self._take_size(last)
        now = BeatNow(
            sample,
            "" if wave else beat.label,
            beat.probability if isfinite(beat.probability) else 1.0,
            trusted,
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

        self._trusted.append(trusted)
        self._sound.append(is_sound(quality))
        self._last, self._wave, self._lost = sample, wave, False
        self._bad_bits = quality
        self._quiet_from = sample
        self._loud = 0

    def _long_interval(self, last: int | None, sample: int, rr: float) -> bool:
        """Report a pause; False where the interval may hide beats."""
        assert last is not None
        if self._standstill is not None:
            whole = self._standstill == last
            self._end_standstill(sample, by_beat=True)
            return whole
        hidden = any(loudness >= _LOUD for loudness in self._between(last, sample))
        if hidden or not self._may_pause():
            return False
        kind, severity = EventKind.PAUSE, Severity.MEDIUM
        if rr >= self._asystole:
            kind, severity = EventKind.ASYSTOLE, Severity.HIGH
        confidence = self._quiet_confidence(last, sample)
        self._sink.put(kind, last, sample, severity, confidence, BeatsOf(last, sample))
        return True

    def _may_pause(self) -> bool:
        return sum(self._trusted) >= _TRUSTED_BEATS

    def _take_size(self, last: int | None) -> None:
        """Learn the size of the last beat's complex: the blocks around it are known now."""
        if last is None or not self._with_signal or not (self._trusted and self._trusted[-1]):
            return
        at = last // self._signal.size
        for lead, sizes in enumerate(self._sizes):
            size = max(
                (activity[lead] for index, activity in self._activity if abs(index - at) <= 1),
                default=0.0,
            )
            if size > 0.0:
                sizes.append(size)
                self._qrs[lead] = sorted(sizes)[len(sizes) // 2]


class _Flutter:
    """Stretches of waves of ventricular flutter or fibrillation."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waves: BeatsOf | None = None
        self._reported = False

    def beat(self, beat: BeatNow, *, wave: bool, lost: bool) -> None:
        """Take the next beat or wave."""
        if lost or not wave:
            self.end()
        if not wave:
            return
        if self._waves is None:
            self._waves = BeatsOf()
        self._waves.add(beat.sample, 1.0, trusted=True)
        if not self._reported and self._long(self._waves):
            self._reported = True
            self._put(self._waves, ongoing=True)

    def end(self) -> None:
        """The waves have ended."""
        if self._waves is not None and self._reported:
            self._put(self._waves, ongoing=False)
        self._waves, self._reported = None, False

    def _long(self, waves: BeatsOf) -> bool:
        return waves.last - waves.first >= _FLUTTER_S * self._sink.fs

    def _put(self, waves: BeatsOf, *, ongoing: bool) -> None:
        rate = waves.rate(self._sink.fs)
        self._sink.put(
            EventKind.VENTRICULAR_FLUTTER,
            waves.first,
            waves.last,
            Severity.HIGH,
            0.8,
            waves,
            rate=rate,
            ongoing=ongoing,
        )


class _Noise:
    """Stretches in which beats cannot be told from noise."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._since: int | None = None
        self.signal_since = 0

    def lost(self, begin: int) -> None:
        """The signal is lost from here on."""
        self.end(begin)
        self.signal_since = begin

    def second(self, now: int, size: int, *, starts: bool, ends: bool) -> None:
        """Take the next second."""
        if self._since is None:
            if starts:
                self._since = max(self.signal_since, now - _NOISE_BLOCKS * size)
                self._put(now, ongoing=True)
        elif ends:
            self.end(now)

    def end(self, at: int) -> None:
        """The noise has ended at this sample."""
        if self._since is not None:
            self._put(max(at, self._since), ongoing=False)
        self._since = None

    def _put(self, end: int, *, ongoing: bool) -> None:
        assert self._since is not None
        self._sink.put(EventKind.NOISE, self._since, end, Severity.LOW, 1.0, ongoing=ongoing)
