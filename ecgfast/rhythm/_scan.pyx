# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Blocks of signal and beats in order of time, up to the next one that a rule has to see.

Nearly all blocks and beats change counters and rings only. They are handled here, without the GIL;
the rules, in Python, are called for the others. Of the C core it has the leakage of waves.
"""

cimport cython
from libc.math cimport INFINITY, NAN, fabsf, isfinite, sqrt
from libc.string cimport memcpy

import numpy as np

from ._beat_window cimport BeatWindow
from ._labels cimport FUSION, OTHER, S, UNKNOWN, V, WAVE


cdef extern from "../../csrc/src/beats/wave_leakage.h" nogil:
    float ECG_FLUTTER_LEAKAGE
    float ECG_FLUTTER_ENDS
    float ecg_wave_leakage(float *x, int n, float rate)


__all__ = [
    "ASYSTOLE_BEGAN", "ASYSTOLE_ENDED", "BEAT", "BLOCKS", "DONE", "EPISODE", "FLAT", "FLAT_BLOCKS",
    "INTERVAL", "LEADS", "LOST", "LOST_SIGNAL", "NOISE_BEGAN", "NOISE_ENDED", "ORDER", "RATES", "R_ON_T",
    "HUM", "STEEP", "USABLE", "WAVES_BEGAN", "WAVES_ENDED",
    "WAVES_S", "Scan", "block_figures", "crest",
]

# States of a lead in a block; one that hums counts as usable, as an asystole may show hum too.
USABLE, LOST, FLAT, HUM = 0, 1, 2, 3

# Why `Scan.run` returned.
DONE, BLOCKS, LEADS, LOST_SIGNAL, ASYSTOLE_BEGAN, ASYSTOLE_ENDED, NOISE_BEGAN, NOISE_ENDED, \
    INTERVAL, BEAT, ORDER, WAVES_BEGAN, WAVES_ENDED = range(13)

# Bits of `Scan.flags`: a row of V, a row of S, an early V, the look for atrial fibrillation, rates.
R_ON_T, EPISODE, RATES = 4, 8, 16

# From this share of a QRS complex's steepness on, a block may hide a beat, or be one.
STEEP = 0.5

# Seconds that waves of ventricular fibrillation have to last.
WAVES_S = 3.0

# Flat blocks in a row, 1 s, of a lead that is off or has no signal. Fewer are a coarse converter between beats.
FLAT_BLOCKS = 4

cdef enum:
    # States and codes as above.
    C_USABLE = 0
    C_LOST = 1
    C_FLAT = 2
    C_HUM = 3
    C_DONE = 0
    C_BLOCKS = 1
    C_LEADS = 2
    C_LOST_SIGNAL = 3
    C_ASYSTOLE_BEGAN = 4
    C_ASYSTOLE_ENDED = 5
    C_NOISE_BEGAN = 6
    C_NOISE_ENDED = 7
    C_INTERVAL = 8
    C_BEAT = 9
    C_ORDER = 10
    C_WAVES_BEGAN = 11
    C_WAVES_ENDED = 12

    # Bits of `flags`, after those of V and S.
    C_R_ON_T = 4
    C_EPISODE = 8
    C_RATES = 16

    # Quality bits of `ecgfast.Quality`.
    GAP = 1
    GAP_OR_FLAT = 1 | 2
    LEARNING = 16
    DOUBTFUL = 32
    FLUTTER = 64
    # Bits that do not lower trust: the tip of a complex cut off at the converter's limit, detector
    # still learning, rate at its limit, flutter wave.
    HARMLESS = 4 | 16 | 64 | 128

    # Blocks that are stored: 16 s, more than a pause for which no asystole has been reported.
    KEPT = 64
    # Beats whose size is stored, whose quality is, and RR intervals that the QT interval follows.
    SIZES = 8
    MARKS = 8
    INTERVALS = 8
    # Rules of rates, and the most RR intervals of one.
    MOST_RULES = 8
    RECENT = 32

    # With fewer trusted beats among the last eight, the absence of beats means nothing.
    TRUSTED_BEATS = 4
    C_FLAT_BLOCKS = 4
    # Steep blocks in a row that end an asystole: 1 s. One or two may be the next beat.
    STEEP_BLOCKS = 4

    # Noise is looked for every 2 s, in the blocks of the last 5 s that hold no readable beat: a quarter of
    # them at least has no T wave. With fewer of them steepness tells nothing.
    NOISE_EVERY = 8
    NOISE_BLOCKS = 20
    NOISE_LEAST = 4
    # Waves of ventricular fibrillation are looked for every half second, in the last 2.5 s.
    WAVE_EVERY = 2
    WAVE_BLOCKS = 10
    WAVE_POINTS = 400  # 2.5 s below 150 Hz
    # More certain beats than this among the waves are a rhythm.
    WAVE_BEATS = 1
    # So is a lead of which the third quietest block moves far less than the second steepest.
    QUIET_RANK = 2
    STEEP_RANK = 8
    # Noise begins with fewer readable beats than this among the last eight, and ends with more.
    NOISE_SOUND = 3

cdef double C_STEEP = 0.5
# The steepness between the beats below which noise has ended.
cdef double NOISE_ENDS = 0.35
# Waves below this mean share of a QRS complex's steepness are atrial ones, or an asystole.
cdef double WAVE_STEEPNESS = 0.1
# The share of the steeper block below which that is far less.
cdef double QUIET_SHARE = 0.2
# Seconds without a beat, and without an asystole, that are noise.
cdef double NO_BEATS_S = 10.0
# A doubtful detection below this share of a QRS complex's steepness, and so long after the last
# beat, is a P wave without a beat. The smallest share of 1,176 true doubtful beats that late on
# mitdb and nsrdb is 0.33.
cdef double P_WAVE_STEEPNESS = 0.3
cdef double P_WAVE_AFTER_S = 1.2
# Seconds after an R peak in which its T wave moves the signal, and before one in which it begins.
cdef double AFTER_R_S = 0.45
cdef double BEFORE_R_S = 0.1
# Seconds after an R peak in which its complex ends.
cdef double COMPLEX_S = 0.15
# Share of the beats that have to be trusted.
cdef double TRUSTED_SHARE = 0.5
# Bazett: QT = QTc * sqrt(RR), with a usual QTc in s; R-on-T below this share of it (Engel 1978).
cdef double QTC_S = 0.40
cdef double R_ON_T_SHARE = 0.85
# A block holds a spike, as of a pacemaker, where without it the signal changes less than this share
# of its change with it: in white noise that is two thirds, in the shortest complexes more.
cdef float SPIKE_SHARE = 0.4
# Samples that are larger are missing ones.
cdef float LARGEST = 1e30


include "_scan_blocks.pxi"
include "_scan_beats.pxi"


cdef class Scan:
    """The last blocks and beats, and the counters of the rules.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    leads : int
    size, group : int
        Samples of a block, and of a point of the slow signal.
    pause, asystole : float
        Seconds without a beat.
    rates : sequence of (bool, float, float, int)
        For each rule of rates: whether it is a low rate, beats per minute at which its event begins
        and ends, and RR intervals of the mean.
    window : BeatWindow
        Of atrial fibrillation.

    Attributes
    ----------
    flags : int
        The rules that have to see the beat: 1 rows of V, 2 rows of S, `R_ON_T`, `EPISODE`, and from
        `RATES` on a bit for each rule of rates.
    blocks : StoredBlocks
    trust : Trust
    rates : Rates
    begin, end : int
        Samples between which an asystole, noise, waves, or the next block lies.
    waves_since, waves_until : int
        Samples since which there are waves, -1 where there are none, and up to which the last were.
    """

    cdef public bint with_signal
    cdef readonly double fs
    cdef readonly StoredBlocks blocks
    cdef readonly Trust trust
    cdef readonly Rates rates
    cdef ROnT _r_on_t
    # The block now.
    cdef readonly long long begin, end
    cdef long long _after_r, _before_r, _complex, _n_waiting, _block, _n_beats, _beat
    cdef int _phase
    cdef object _made_with, _waiting, _arrays
    cdef signed char[::1] _lead_state
    cdef signed char[::1] _lead_due
    # The blocks and beats that wait.
    cdef const signed char[:, ::1] _new_state
    cdef const float[:, ::1] _new_activity
    cdef const float[:, ::1] _new_level
    cdef const float[:, :, ::1] _new_slow
    cdef const unsigned char[:, ::1] _new_hum
    cdef const long long[::1] _new_sample
    cdef const int[::1] _new_quality
    cdef const int[::1] _new_code
    cdef const double[::1] _new_probability
    # The standstill.
    cdef double _pause, _asystole_samples, _p_wave_after
    cdef long long _stood_last, _quiet_from
    cdef readonly long long asystole_since
    cdef int _steep_blocks
    # Noise.
    cdef double _no_beats
    cdef long long _signal_since
    cdef readonly long long noise_since
    cdef long long _noise_until
    # Waves: since when they last, up to when they have, and since when they are seen, if only just.
    cdef readonly long long waves_since, waves_until
    cdef long long _waves_from
    cdef double _waves_samples
    # The beat now.
    cdef readonly long long sample, before
    cdef readonly int code, flags
    cdef readonly double rr, probability
    cdef readonly bint beat_trusted, beat_sound, wave, lost_before, joined
    cdef int _beat_quality
    cdef int _open
    # The beat before.
    cdef readonly long long last
    cdef bint _wave_before, _unlearned
    cdef readonly bint lost
    cdef int _quality
    # Atrial fibrillation.
    cdef readonly BeatWindow window

    def __init__(
        self, double fs, int leads, int size, int group, double pause, double asystole, rates,
        BeatWindow window not None,
    ):
        self._made_with = (fs, leads, size, group, pause, asystole, tuple(rates), window)
        self.window = window
        self.fs = fs
        self.blocks = StoredBlocks(leads, size, group)
        self.trust, self.rates, self._r_on_t = Trust(), Rates(fs, tuple(rates)), ROnT()
        self._after_r = round(AFTER_R_S * fs)
        self._before_r = round(BEFORE_R_S * fs)
        self._complex = round(COMPLEX_S * fs)
        self._pause, self._asystole_samples = pause, asystole * fs
        self._p_wave_after = P_WAVE_AFTER_S * fs
        self._no_beats = NO_BEATS_S * fs
        self.asystole_since = self.noise_since = self.last = self._stood_last = -1
        self.waves_since = self.waves_until = self._waves_from = -1
        self._waves_samples = WAVES_S * fs
        self._arrays = np.zeros(leads, np.int8), np.zeros(leads, np.int8)
        self._waiting = (
            np.empty((0, leads), np.int8),
            np.empty((0, leads), np.float32),
            np.empty((0, leads), np.float32),
            np.empty((0, size // group, leads), np.float32),
            np.empty((0, leads), np.bool_),
        )
        self._attach()
        self.put_beats(())

    cdef _attach(self):
        """Look into the arrays, which are what is pickled."""
        self._lead_state, self._lead_due = self._arrays
        self._new_state, self._new_activity, self._new_level, self._new_slow, hum = self._waiting
        self._new_hum = hum.view(np.uint8)
        self._n_waiting = len(self._waiting[0])

    def __reduce__(self):
        numbers = (
            self.with_signal, self._stood_last, self._quiet_from, self.asystole_since,
            self._steep_blocks, self._signal_since, self.noise_since, self._noise_until, self._open,
            self.last, self._wave_before, self._unlearned, self.lost, self._quality,
            self.waves_since, self.waves_until, self._waves_from,
        )
        waiting = tuple([one[self._block:] for one in self._waiting])
        parts = self.blocks, self.trust, self.rates, self._r_on_t
        return Scan, self._made_with, (numbers, waiting, self._arrays, parts)

    def __setstate__(self, state):
        numbers, self._waiting, self._arrays, parts = state
        self.blocks, self.trust, self.rates, self._r_on_t = parts
        (
            self.with_signal, self._stood_last, self._quiet_from, self.asystole_since,
            self._steep_blocks, self._signal_since, self.noise_since, self._noise_until, self._open,
            self.last, self._wave_before, self._unlearned, self.lost, self._quality,
            self.waves_since, self.waves_until, self._waves_from,
        ) = numbers
        self._block = 0
        self._attach()

    # ------------------------------------------------------------------------------- the work

    def put_blocks(self, state, activity, level, slow, hum):
        """Take the next blocks: the arrays of `block_figures`, and whether each lead hums."""
        fresh = (state, activity, level, slow, hum)
        if self._block < self._n_waiting:
            fresh = tuple(
                [
                    np.concatenate([one[self._block:], more])
                    for one, more in zip(self._waiting, fresh)
                ]
            )
        self._waiting, self._block = fresh, 0
        self._attach()

    def put_beats(self, beats):
        """Take the next beats, all before them have been processed: (sample, quality, label code,
        probability) of each."""
        samples, qualities, codes, probabilities = zip(*beats) if beats else ((), (), (), ())
        self._new_sample = np.array(samples, np.int64)
        self._new_quality = np.array(qualities, np.int32)
        self._new_code = np.array(codes, np.int32)
        self._new_probability = np.array(probabilities, np.float64)
        self._n_beats, self._beat = len(samples), 0

    def run(self, long long to, bint exhausted):
        """Go on to the next block or beat that a rule has to see.

        Parameters
        ----------
        to : int
            Sample up to which blocks are processed after the last beat.
        exhausted : bool
            Whether no more blocks can be given: a beat then comes without those that are missing.

        Returns
        -------
        int
            Why it has stopped: `DONE`, `BLOCKS` (more are needed) or what has been found.
        """
        cdef int code
        with nogil:
            code = self._run(to, exhausted)
        return code

    cdef int _run(self, long long to, bint exhausted) noexcept nogil:
        cdef long long bound
        cdef int code
        while True:
            # With the block that holds the R peak: a beat is reported after its end.
            bound = self._new_sample[self._beat] + self.blocks.size if self._beat < self._n_beats else to
            while (self.blocks.next + (self._phase == 0)) * self.blocks.size <= bound:
                if self._block == self._n_waiting:
                    if self._beat < self._n_beats and not exhausted:
                        return C_BLOCKS
                    break
                code = self._take_block()
                if code != C_DONE:
                    return code
            if self._beat == self._n_beats:
                return C_DONE
            code = self._take_beat()
            if code != C_DONE:
                return code

    # ------------------------------------------------------------------------------ the blocks

    cdef int _take_block(self) noexcept nogil:
        """One block, in steps after each of which a rule may be needed."""
        cdef int lead, code = C_DONE
        cdef signed char state
        cdef bint usable, watched = False
        if self._phase == 0:
            self._push_block()
            self._phase = 1
            for lead in range(self.blocks.leads):
                state = self.blocks.shown(lead)
                watched = watched or state != self._lead_state[lead] or (
                    state != C_USABLE and self._lead_due[lead]
                )
            if watched:
                return C_LEADS
        usable = self.blocks.usable()
        if self._phase == 1:
            self._phase = 2
            if not usable:
                if self.asystole_since >= 0 or self.noise_since >= 0 or not self.lost:
                    return C_LOST_SIGNAL
                self._lose()
            else:
                if self._unlearned and self.last >= 0 and self.begin > self.last:
                    self.blocks.learn(self.last)
                    self._unlearned = False
                code = self._stand(self.blocks.last_steepness())
                if code != C_DONE:
                    return code
        if self._phase == 2:
            self._phase = 3
            if usable and self.blocks.next % WAVE_EVERY == 0:
                code = self._look_for_waves()
                if code != C_DONE:
                    return code
        # The last step.
        if usable and self.blocks.next % NOISE_EVERY == 0:
            code = self._look_for_noise()
        self._block += 1
        self._phase = 0
        return code

    cdef void _push_block(self) noexcept nogil:
        self.begin = self.blocks.next * self.blocks.size
        self.blocks.push(
            &self._new_state[self._block, 0], &self._new_activity[self._block, 0],
            &self._new_level[self._block, 0], &self._new_slow[self._block, 0, 0],
            &self._new_hum[self._block, 0],
        )
        self.end = self.blocks.next * self.blocks.size

    cdef int _stand(self, double steepness) noexcept nogil:
        """Whether an asystole begins or ends with this block."""
        if steepness >= C_STEEP and self.begin >= self._stood_last + self._after_r:
            self._steep_blocks += 1
            if self.asystole_since < 0:
                self._quiet_from = self.end
            elif self._steep_blocks >= STEEP_BLOCKS:
                self.begin, self.end = (
                    self.asystole_since, self.end - STEEP_BLOCKS * self.blocks.size
                )
                self.asystole_since = -1
                self._quiet_from = self.blocks.next * self.blocks.size
                return C_ASYSTOLE_ENDED
            return C_DONE
        self._steep_blocks = 0
        if self.waves_since >= 0:
            self._quiet_from = self.end
        if (
            self.asystole_since < 0
            and self._waves_from < 0
            and self.begin - self._quiet_from >= self._asystole_samples
            and self.trust.trusted >= TRUSTED_BEATS
            and steepness < C_STEEP
        ):
            self.asystole_since = self.begin = self._quiet_from
            return C_ASYSTOLE_BEGAN
        return C_DONE

    cdef bint _waves(self, float limit) noexcept nogil:
        """Whether the signal of a lead is waves, while no other one shows beats, and next to none of the
        detections are certain."""
        cdef long long first = self.blocks.next - WAVE_BLOCKS
        cdef int lead
        if first < 0 or self.trust.certain_after(first * self.blocks.size) > WAVE_BEATS:
            return False
        for lead in range(self.blocks.leads):
            if self.blocks.shows_beats(lead):
                return False
        for lead in range(self.blocks.leads):
            if self.blocks.leakage(lead, self.fs) < limit:
                return True
        return False

    cdef int _look_for_waves(self) noexcept nogil:
        cdef long long now = self.blocks.next * self.blocks.size
        if self._waves(ECG_FLUTTER_LEAKAGE if self.waves_since < 0 else ECG_FLUTTER_ENDS):
            if self._waves_from < 0:
                self._waves_from = max(
                    now - WAVE_BLOCKS * self.blocks.size, self._signal_since, self.waves_until
                )
            if self.waves_since >= 0:
                self.waves_until = now
            elif now - self._waves_from >= self._waves_samples:
                self.waves_since = self.begin = self._waves_from
                self.waves_until = self.end = now
                return C_WAVES_BEGAN
            return C_DONE
        self._waves_from = -1
        if self.waves_since >= 0:
            self.begin, self.end = self.waves_since, self.waves_until
            self.waves_since = -1
            return C_WAVES_ENDED
        return C_DONE

    def end_asystole(self):
        """An asystole has ended with this block, in waves; the rule has reported it."""
        self.asystole_since = -1
        self._quiet_from = self.end

    cdef int _look_for_noise(self) noexcept nogil:
        cdef long long now = self.blocks.next * self.blocks.size, last = max(self.last, self.waves_until, 0)
        cdef double level = self.blocks.between_beats()
        cdef bint silent
        cdef int unsound
        silent = self.asystole_since < 0 and now - max(last, self._signal_since) >= self._no_beats
        # A detector that has just begun to learn doubts everything.
        unsound = 0 if now - self._signal_since < self._no_beats else self.trust.unsound
        if self.noise_since < 0:
            if self._waves_from >= 0 or (self._wave_before and not silent):
                return C_DONE
            # Waves are as steep as noise, and no noise where they have just ended.
            if now - max(self.waves_until, self.trust.last_wave()) < NOISE_BLOCKS * self.blocks.size:
                level = 0.0
            if silent or level >= C_STEEP or unsound > MARKS - NOISE_SOUND:
                # Not before the end of the noise, or the waves, before, which have been reported.
                self.noise_since = max(
                    self._signal_since, self._noise_until, self.waves_until,
                    now - NOISE_BLOCKS * self.blocks.size,
                )
                self.begin, self.end = self.noise_since, now
                return C_NOISE_BEGAN
        elif not silent and level < NOISE_ENDS and unsound < MARKS - NOISE_SOUND:
            self.begin, self.end = self.noise_since, max(now, self.noise_since)
            self._noise_until, self.noise_since = self.end, -1
            return C_NOISE_ENDED
        return C_DONE

    def lose(self):
        """No lead is usable in this block; the rules have closed what was open."""
        self._lose()

    cdef void _lose(self) noexcept nogil:
        self.asystole_since = self.noise_since = self._stood_last = -1
        self.waves_since = self._waves_from = -1
        self._quiet_from = self._signal_since = self.blocks.next * self.blocks.size
        self._steep_blocks = 0
        self.lost = True

    # ------------------------------------------------------------------------------- the beats

    cdef int _take_beat(self) noexcept nogil:
        """One beat; `INTERVAL` where the interval before it has to be seen first."""
        cdef int quality = self._new_quality[self._beat], code = self._new_code[self._beat]
        cdef long long sample = self._new_sample[self._beat]
        if self.last >= 0 and sample <= self.last:
            self.sample = sample
            self._beat = self._n_beats  # the others of the call are not taken either
            return C_ORDER
        if (
            quality & DOUBTFUL
            and self._stood_last >= 0
            and sample - self._stood_last >= self._p_wave_after
            and self.trust.trusted >= TRUSTED_BEATS
            and self.blocks.steepness_at(sample) < P_WAVE_STEEPNESS
        ):
            self._beat += 1
            return C_DONE
        self.sample, self._beat_quality = sample, quality
        self.before = sample if self.last < 0 else self.last
        if quality & DOUBTFUL and self._is_certain(sample):
            quality &= ~DOUBTFUL
        if quality & GAP and self.blocks.usable_at(sample):
            quality &= ~GAP  # single samples are missing
        self.beat_trusted = quality & ~HARMLESS == 0
        self.wave = quality & FLUTTER != 0
        self.code = WAVE if self.wave else code
        self.rr = NAN if self.last < 0 else (sample - self.last) / self.fs
        self.lost_before = self.lost
        if not self.with_signal and self.rr >= self._pause:
            self.lost_before = (quality | self._quality) & GAP_OR_FLAT != 0
        self.joined = (
            self.last >= 0 and not self.lost_before and not self.wave and not self._wave_before
            and self.waves_until <= self.last
        )
        self.probability = self._new_probability[self._beat]
        if not isfinite(self.probability):
            self.probability = 1.0
        self.beat_sound = not (
            quality & ~HARMLESS & ~DOUBTFUL
            or quality & (DOUBTFUL | LEARNING) == DOUBTFUL | LEARNING
        )
        if not self.joined or self.asystole_since >= 0 or self.rr >= self._pause:
            return C_INTERVAL
        self._mark()
        self._push_beat(True)
        return C_BEAT if self.flags else C_DONE

    cdef bint _is_certain(self, long long sample) noexcept nogil:
        """Whether a doubtful beat long after the last one is as steep as a beat, and nothing between
        them is steeper than a P wave."""
        cdef double steepness = self.blocks.steepness_at(sample)
        return (
            self._stood_last >= 0
            and sample - self._stood_last >= self._p_wave_after
            and C_STEEP <= steepness < INFINITY
            and self.blocks.between(self._stood_last + self._after_r, sample - self._before_r)
            < P_WAVE_STEEPNESS
        )

    def mark(self):
        """Count the trust in the beat, after the interval before it has been judged."""
        self._mark()

    cdef void _mark(self) noexcept nogil:
        self.trust.push(self.sample, self.beat_trusted, self.beat_sound, self.wave)
        if self.beat_sound and not self.wave:
            self.blocks.hold_complex(self.sample - self._before_r, self.sample + self._complex)

    def push_beat(self, bint joined):
        """Store the beat, and set `flags`.

        Parameters
        ----------
        joined : bool
            Whether it follows the beat before directly: no beat can have been missed.
        """
        self.joined = joined
        self._push_beat(joined)

    cdef void _push_beat(self, bint joined) noexcept nogil:
        self._stood_last = self._quiet_from = self.sample
        self._steep_blocks = 0
        self.asystole_since = -1
        self.flags = self._open & (V | S)
        if self.code == V or self.code == S:
            self.flags |= self.code
        if self._r_on_t.push(self.code, self.rr, joined):
            self.flags |= C_R_ON_T
        self.flags |= self.rates.push(self.sample, self.beat_trusted, joined, self.wave, self._open)
        self._push_window(joined)
        self.last, self._wave_before, self.lost = self.sample, self.wave, False
        self._quality = self._beat_quality
        self._unlearned = self.beat_trusted
        self._beat += 1

    cdef void _push_window(self, bint joined) noexcept nogil:
        if joined and self.window.n_beats and self.blocks.next:
            self.window.push_wave(self.blocks._slow, self.blocks.next, self.before)
        if self.window.push(self.sample, self.rr, self.code, self.beat_sound, joined):
            self.flags |= C_EPISODE

    def end_rates(self):
        """No beat follows on the last one of the rates, and no rule of rates has anything open."""
        self.rates.clear()
        self._open &= C_RATES - 1

    def set_open(self, int bit, bint is_open):
        """A rule, by its bit of `flags`, has something open and sees every beat, or not."""
        self._open = self._open | bit if is_open else self._open & ~bit

    # ------------------------------------------------------------------------ what rules look at

    @property
    def qt_share(self):
        """RR interval of an early V beat as a share of the QT interval."""
        return self._r_on_t.qt_share(self.rr)

    @property
    def stood_last(self):
        """R peak of the last beat; -1 before the first, and after lost signal."""
        return self._stood_last

    def needs_watch(self, int lead):
        """Whether the state of a lead has changed, or an event of it is due."""
        cdef signed char state = self.blocks.shown(lead)
        return state != self._lead_state[lead] or (state != C_USABLE and self._lead_due[lead])

    def watched(self, int lead, signed char state, bint due):
        """The last block of a lead has been seen.

        Parameters
        ----------
        lead : int
        state : int
        due : bool
            Whether an event of this state has still to be reported.
        """
        self._lead_state[lead], self._lead_due[lead] = state, due

    def between(self, long long first, long long last):
        """Greatest steepness of the blocks between two R peaks, without the complexes and T wave."""
        return self.blocks.between(first + self._after_r, last - self._before_r)
