# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Blocks of signal and beats in order of time, up to the next one that a rule has to see.

Nearly all blocks and beats change counters and rings only. They are handled here, without the GIL;
the rules, in Python, are called for the others. No algorithm of the C core is here.
"""

from libc.math cimport INFINITY, NAN, fabsf, isfinite, sqrt
from libc.string cimport memcpy

import numpy as np

from ._beat_window cimport BeatWindow

__all__ = [
    "ASYSTOLE_BEGAN", "ASYSTOLE_ENDED", "BEAT", "BLOCKS", "DONE", "EPISODE", "FLAT", "FLAT_BLOCKS",
    "INTERVAL", "LEADS", "LOST", "LOST_SIGNAL", "NOISE_BEGAN", "NOISE_ENDED", "ORDER", "RATES", "R_ON_T",
    "STEEP", "USABLE", "Scan", "block_figures",
]

# States of a lead in a block.
USABLE, LOST, FLAT = 0, 1, 2

# Why `Scan.run` returned.
DONE, BLOCKS, LEADS, LOST_SIGNAL, ASYSTOLE_BEGAN, ASYSTOLE_ENDED, NOISE_BEGAN, NOISE_ENDED, \
    INTERVAL, BEAT, ORDER = range(11)

# Bits of `Scan.flags`: a row of V, a row of S, an early V, the look for atrial fibrillation, rates.
R_ON_T, EPISODE, RATES = 4, 8, 16

# From this share of a QRS complex's steepness on, a block may hide a beat, or be one.
STEEP = 0.5

# Flat blocks in a row, 1 s, of a lead that is off or has no signal. Fewer are a coarse converter between beats.
FLAT_BLOCKS = 4

cdef enum:
    # States and codes as above.
    C_USABLE = 0
    C_LOST = 1
    C_FLAT = 2
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

    # Codes of labels: V and S are those of their bits in `flags`.
    OTHER = 0
    V = 1
    S = 2
    FUSION = 3
    WAVE = 4
    C_R_ON_T = 4
    C_EPISODE = 8
    C_RATES = 16

    # Quality bits of `ecgfast.Quality`.
    GAP_OR_FLAT = 1 | 2
    LEARNING = 16
    DOUBTFUL = 32
    FLUTTER = 64
    # Bits that do not lower trust: detector still learning, rate at its limit, flutter wave.
    HARMLESS = 16 | 64 | 128

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

    # Noise is looked for every 2 s, in the last 5 s: the first quarter of their blocks by steepness
    # lies between the beats.
    NOISE_EVERY = 8
    NOISE_BLOCKS = 20
    NOISE_RANK = 5
    # Noise begins with fewer readable beats than this among the last eight, and ends with more.
    NOISE_SOUND = 3

cdef double C_STEEP = 0.5
# The steepness between the beats below which noise has ended.
cdef double NOISE_ENDS = 0.35
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
# Share of the beats that have to be trusted.
cdef double TRUSTED_SHARE = 0.5
# Bazett: QT = QTc * sqrt(RR), with a usual QTc in s; R-on-T below this share of it (Engel 1978).
cdef double QTC_S = 0.40
cdef double R_ON_T_SHARE = 0.85
# Samples that are larger are missing ones.
cdef float LARGEST = 1e30


def block_figures(
    const float[:, ::1] held,
    int step,
    int size,
    int group,
    signed char[:, ::1] state,
    float[:, ::1] activity,
    float[:, ::1] level,
    float[:, :, ::1] slow,
):
    """State, activity and level of each lead in each block, and the slow signal.

    Parameters
    ----------
    held : array of float32, shape (step + n * size, n_leads)
        The samples of the blocks, after those that the first changes reach back to.
    step, size, group : int
        Samples of a change, of a block, and of a point of the slow signal.
    state, activity, level : arrays of shape (n, n_leads)
        Take the figures that `Block` describes.
    slow : array of float32, shape (n, size // group, n_leads)
    """
    cdef Py_ssize_t n = state.shape[0], leads = state.shape[1], points = slow.shape[1]
    cdef Py_ssize_t block, lead, point, i
    cdef float x, low, high, change, most, total
    cdef const float *at
    cdef const float *earlier
    cdef bint lost, missing
    with nogil:
        for block in range(n):
            for lead in range(leads):
                at = &held[step + block * size, lead]
                earlier = &held[block * size, lead]
                low = high = at[0]
                missing = False
                most = 0.0
                for point in range(points):
                    total = at[0]
                    for i in range(group):
                        x = at[0]
                        if i:
                            total += x
                        missing |= x != x
                        low = x if x < low else low
                        high = x if x > high else high
                        # The first change after a gap reaches back into the gap and is NaN.
                        change = fabsf(x - earlier[0])
                        most = change if change > most else most
                        at += leads
                        earlier += leads
                    slow[block, point, lead] = total / <float>group
                lost = missing or high > LARGEST or low < -LARGEST
                state[block, lead] = C_LOST if lost else C_FLAT if low == high else C_USABLE
                level[block, lead] = NAN if lost else held[step + (block + 1) * size - 1, lead]
                if lost or low == high or not isfinite(most):
                    most = 0.0
                activity[block, lead] = most


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
    beyond : int
        By the bits of `flags` from `RATES` on: the rates that are beyond their limit now.
    begin, end : int
        Samples between which an asystole, noise, or the next block lies.
    """

    cdef readonly int leads, size, group
    cdef public bint with_signal
    cdef readonly double fs
    # The blocks.
    cdef readonly long long next, begin, end
    cdef long long _after_r, _before_r, _n_waiting, _block, _n_beats, _beat
    cdef int _points, _phase
    cdef object _made_with, _waiting, _arrays
    cdef float[:, ::1] _activity
    cdef float[:, ::1] _level
    cdef signed char[:, ::1] _state
    cdef double[::1] _steep
    cdef float[:, :, ::1] _slow
    cdef double[::1] _qrs
    cdef double[:, ::1] _sizes
    cdef long long[::1] _n_sizes
    cdef signed char[::1] _lead_state
    cdef signed char[::1] _lead_due
    # The blocks and beats that wait.
    cdef const signed char[:, ::1] _new_state
    cdef const float[:, ::1] _new_activity
    cdef const float[:, ::1] _new_level
    cdef const float[:, :, ::1] _new_slow
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
    # Trust.
    cdef unsigned int _trusted_marks, _unsound_marks
    cdef readonly int trusted
    cdef int _unsound
    cdef long long[::1] _marked
    cdef long long _n_marked
    # The beat now.
    cdef readonly long long sample, before
    cdef readonly int code, flags, beyond
    cdef readonly double rr, probability
    cdef readonly bint beat_trusted, beat_sound, wave, lost_before, joined
    cdef int _beat_quality
    cdef int _open
    # The beat before.
    cdef readonly long long last
    cdef bint _wave_before, _unlearned
    cdef readonly bint lost
    cdef int _quality
    # Rates.
    cdef readonly int n_rates
    cdef double[::1] _begins
    cdef double[::1] _ends
    cdef long long[::1] _of_rate
    cdef signed char[::1] _low
    cdef long long[::1] _recent
    cdef signed char[::1] _recent_trusted
    cdef long long _n_recent
    # R-on-T.
    cdef double[::1] _intervals
    cdef long long _n_intervals
    cdef int _code_before
    # Atrial fibrillation.
    cdef readonly BeatWindow window

    def __init__(
        self, double fs, int leads, int size, int group, double pause, double asystole, rates,
        BeatWindow window not None,
    ):
        self._made_with = (fs, leads, size, group, pause, asystole, tuple(rates), window)
        self.window = window
        self.fs = fs
        self.leads, self.size, self.group = leads, size, group
        self._points = size // group
        self._after_r = round(AFTER_R_S * fs)
        self._before_r = round(BEFORE_R_S * fs)
        self._pause, self._asystole_samples = pause, asystole * fs
        self._p_wave_after = P_WAVE_AFTER_S * fs
        self._no_beats = NO_BEATS_S * fs
        self.asystole_since = self.noise_since = self.last = self._stood_last = -1
        self.n_rates = len(rates)
        if self.n_rates > MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} rules of rates")
        low, begins, ends, intervals = zip(*rates)
        if max(intervals) >= RECENT:
            raise ValueError(f"rates of fewer than {RECENT} intervals")
        self._arrays = {
            "activity": np.zeros((KEPT, leads), np.float32),
            "level": np.zeros((KEPT, leads), np.float32),
            "state": np.zeros((KEPT, leads), np.int8),
            "steep": np.zeros(KEPT),
            "slow": np.zeros((KEPT, self._points, leads), np.float32),
            "qrs": np.zeros(leads),
            "sizes": np.zeros((leads, SIZES)),
            "n_sizes": np.zeros(leads, np.int64),
            "lead_state": np.zeros(leads, np.int8),
            "lead_due": np.zeros(leads, np.int8),
            "marked": np.zeros(MARKS, np.int64),
            "begins": np.array(begins, np.float64),
            "ends": np.array(ends, np.float64),
            "of_rate": np.array(intervals, np.int64),
            "low": np.array(low, np.int8),
            "recent": np.zeros(RECENT, np.int64),
            "recent_trusted": np.zeros(RECENT, np.int8),
            "intervals": np.zeros(INTERVALS),
        }
        self._waiting = (
            np.empty((0, leads), np.int8),
            np.empty((0, leads), np.float32),
            np.empty((0, leads), np.float32),
            np.empty((0, self._points, leads), np.float32),
        )
        self._attach()
        self.put_beats(())

    cdef _attach(self):
        """Look into the arrays, which are what is pickled."""
        a = self._arrays
        self._activity, self._level, self._state = a["activity"], a["level"], a["state"]
        self._steep, self._slow = a["steep"], a["slow"]
        self._qrs, self._sizes, self._n_sizes = a["qrs"], a["sizes"], a["n_sizes"]
        self._lead_state, self._lead_due = a["lead_state"], a["lead_due"]
        self._marked = a["marked"]
        self._begins, self._ends = a["begins"], a["ends"]
        self._of_rate, self._low = a["of_rate"], a["low"]
        self._recent, self._recent_trusted = a["recent"], a["recent_trusted"]
        self._intervals = a["intervals"]
        self._new_state, self._new_activity, self._new_level, self._new_slow = self._waiting
        self._n_waiting = len(self._waiting[0])

    def __reduce__(self):
        numbers = (
            self.with_signal, self.next, self._stood_last, self._quiet_from, self.asystole_since,
            self._steep_blocks, self._signal_since, self.noise_since, self._trusted_marks,
            self._unsound_marks, self.trusted, self._unsound, self._n_marked, self._open, self.last,
            self._wave_before, self._unlearned, self.lost, self._quality,
            self._n_recent, self._n_intervals, self._code_before,
        )
        waiting = tuple([one[self._block:] for one in self._waiting])
        return Scan, self._made_with, (numbers, waiting, self._arrays)

    def __setstate__(self, state):
        numbers, self._waiting, self._arrays = state
        (
            self.with_signal, self.next, self._stood_last, self._quiet_from, self.asystole_since,
            self._steep_blocks, self._signal_since, self.noise_since, self._trusted_marks,
            self._unsound_marks, self.trusted, self._unsound, self._n_marked, self._open, self.last,
            self._wave_before, self._unlearned, self.lost, self._quality,
            self._n_recent, self._n_intervals, self._code_before,
        ) = numbers
        self._block = 0
        self._attach()

    # ------------------------------------------------------------------------------- the work

    def put_blocks(self, state, activity, level, slow):
        """Take the next blocks: the arrays of `block_figures`."""
        fresh = (state, activity, level, slow)
        if self._block < self._n_waiting:
            fresh = tuple(
                [
                    np.concatenate([one[self._block:], more])
                    for one, more in zip(self._waiting, fresh)
                ]
            )
        self._waiting, self._block = fresh, 0
        self._new_state, self._new_activity, self._new_level, self._new_slow = fresh
        self._n_waiting = len(fresh[0])

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
            bound = self._new_sample[self._beat] + self.size if self._beat < self._n_beats else to
            while (self.next + (self._phase == 0)) * self.size <= bound:
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
        cdef int lead, code = C_DONE, at
        cdef signed char state
        cdef bint usable = False, watched = False
        if self._phase == 0:
            self._push_block()
            self._phase = 1
            for lead in range(self.leads):
                state = self._new_state[self._block, lead]
                watched = watched or state != self._lead_state[lead] or (
                    state != C_USABLE and self._lead_due[lead]
                )
            if watched:
                return C_LEADS
        at = (self.next - 1) % KEPT
        for lead in range(self.leads):
            usable = usable or self._state[at, lead] == C_USABLE
        usable = usable or self._briefly_flat()
        if self._phase == 1:
            self._phase = 2
            if not usable:
                if self.asystole_since >= 0 or self.noise_since >= 0 or not self.lost:
                    return C_LOST_SIGNAL
                self._lose()
            else:
                if self._unlearned and self.last >= 0 and self.begin > self.last:
                    self._learn(self.last)
                    self._unlearned = False
                code = self._stand(self._steep[at])
                if code != C_DONE:
                    return code
        # The last step.
        if usable and self.next % NOISE_EVERY == 0:
            code = self._look_for_noise()
        self._block += 1
        self._phase = 0
        return code

    cdef void _push_block(self) noexcept nogil:
        """Store a block. Its steepness is its change within 40 ms divided by that of a QRS complex,
        the smallest of all leads: a beat shows in every lead, an artefact in one only."""
        cdef int lead, at = self.next % KEPT
        cdef double steepness = INFINITY, activity
        for lead in range(self.leads):
            activity = self._new_activity[self._block, lead]
            self._state[at, lead] = self._new_state[self._block, lead]
            self._activity[at, lead] = self._new_activity[self._block, lead]
            self._level[at, lead] = self._new_level[self._block, lead]
            if (
                self._state[at, lead] == C_USABLE and self._qrs[lead] > 0.0
                and activity < steepness * self._qrs[lead]
            ):
                steepness = activity / self._qrs[lead]
        memcpy(
            &self._slow[at, 0, 0], &self._new_slow[self._block, 0, 0],
            sizeof(float) * self._points * self.leads,
        )
        self.begin = self.next * self.size
        self.next += 1
        self.end = self.next * self.size
        self._steep[at] = 0.0 if self._briefly_flat() else steepness

    cdef bint _briefly_flat(self) noexcept nogil:
        """Whether the newest block, and less than a second of blocks, show no change in any lead."""
        cdef int lead, i, at
        cdef bint flat
        for i in range(C_FLAT_BLOCKS):
            if self.next - 1 - i < 0:
                return i > 0
            at = (self.next - 1 - i) % KEPT
            flat = False
            for lead in range(self.leads):
                if self._state[at, lead] == C_USABLE:
                    return i > 0
                flat = flat or self._state[at, lead] == C_FLAT
            if not flat:
                return i > 0
        return False

    cdef void _learn(self, long long sample) noexcept nogil:
        """Learn the size of a complex; the blocks around its R peak have been taken."""
        cdef long long first = max(sample // self.size - 1, self.next - KEPT, 0)
        cdef long long last = min(sample // self.size + 1, self.next - 1), block
        cdef int lead, n
        cdef double size
        if first > last:
            return
        for lead in range(self.leads):
            size = 0.0
            for block in range(first, last + 1):
                size = max(size, <double>self._activity[block % KEPT, lead])
            if size > 0.0:
                self._sizes[lead, self._n_sizes[lead] % SIZES] = size
                self._n_sizes[lead] += 1
                n = min(self._n_sizes[lead], SIZES)
                self._qrs[lead] = _ranked(&self._sizes[lead, 0], n, n // 2)

    cdef int _stand(self, double steepness) noexcept nogil:
        """Whether an asystole begins or ends with this block."""
        if steepness >= C_STEEP and self.begin >= self._stood_last + self._after_r:
            self._steep_blocks += 1
            if self.asystole_since < 0:
                self._quiet_from = self.end
            elif self._steep_blocks >= STEEP_BLOCKS:
                self.begin, self.end = (
                    self.asystole_since, self.end - STEEP_BLOCKS * self.size
                )
                self.asystole_since = -1
                self._quiet_from = self.next * self.size
                return C_ASYSTOLE_ENDED
            return C_DONE
        self._steep_blocks = 0
        if (
            self.asystole_since < 0
            and self.begin - self._quiet_from >= self._asystole_samples
            and self.trusted >= TRUSTED_BEATS
            and steepness < C_STEEP
        ):
            self.asystole_since = self.begin = self._quiet_from
            return C_ASYSTOLE_BEGAN
        return C_DONE

    cdef int _look_for_noise(self) noexcept nogil:
        cdef double[NOISE_BLOCKS] steep
        cdef long long now = self.next * self.size, last = max(self.last, 0)
        cdef double level = 0.0
        cdef bint silent
        cdef int unsound, i
        if self.next >= NOISE_BLOCKS:
            for i in range(NOISE_BLOCKS):
                steep[i] = self._steep[(self.next - 1 - i) % KEPT]
            level = _ranked(steep, NOISE_BLOCKS, NOISE_RANK)
            if level == INFINITY:  # no size of a beat to compare it with
                level = 0.0
        silent = self.asystole_since < 0 and now - max(last, self._signal_since) >= self._no_beats
        # A detector that has just begun to learn doubts everything.
        unsound = 0 if now - self._signal_since < self._no_beats else self._unsound
        if self.noise_since < 0:
            if silent or level >= C_STEEP or unsound > MARKS - NOISE_SOUND:
                self.noise_since = max(self._signal_since, now - NOISE_BLOCKS * self.size)
                self.begin, self.end = self.noise_since, now
                return C_NOISE_BEGAN
        elif not silent and level < NOISE_ENDS and unsound < MARKS - NOISE_SOUND:
            self.begin, self.end = self.noise_since, max(now, self.noise_since)
            self.noise_since = -1
            return C_NOISE_ENDED
        return C_DONE

    def lose(self):
        """No lead is usable in this block; the rules have closed what was open."""
        self._lose()

    cdef void _lose(self) noexcept nogil:
        self.asystole_since = self.noise_since = self._stood_last = -1
        self._quiet_from = self._signal_since = self.next * self.size
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
            and self.trusted >= TRUSTED_BEATS
            and self._steepness_at(sample) < P_WAVE_STEEPNESS
        ):
            self._beat += 1
            return C_DONE
        self.sample, self._beat_quality = sample, quality
        self.before = sample if self.last < 0 else self.last
        self.wave = quality & FLUTTER != 0
        self.code = WAVE if self.wave else code
        self.rr = NAN if self.last < 0 else (sample - self.last) / self.fs
        self.lost_before = self.lost
        if not self.with_signal and self.rr >= self._pause:
            self.lost_before = (quality | self._quality) & GAP_OR_FLAT != 0
        self.joined = (
            self.last >= 0 and not self.lost_before and not self.wave and not self._wave_before
        )
        self.probability = self._new_probability[self._beat]
        if not isfinite(self.probability):
            self.probability = 1.0
        self.beat_trusted = quality & ~HARMLESS == 0
        self.beat_sound = not (
            quality & ~HARMLESS & ~DOUBTFUL
            or quality & (DOUBTFUL | LEARNING) == DOUBTFUL | LEARNING
        )
        if not self.joined or self.asystole_since >= 0 or self.rr >= self._pause:
            return C_INTERVAL
        self._mark()
        self._push_beat(True)
        return C_BEAT if self.flags else C_DONE

    def mark(self):
        """Count the trust in the beat, after the interval before it has been judged."""
        self._mark()

    cdef void _mark(self) noexcept nogil:
        cdef unsigned int oldest = 1 << (MARKS - 1)
        self.trusted += self.beat_trusted - (self._trusted_marks & oldest != 0)
        self._unsound += (not self.beat_sound) - (self._unsound_marks & oldest != 0)
        self._trusted_marks = (self._trusted_marks << 1 | self.beat_trusted) & (2 * oldest - 1)
        self._unsound_marks = (self._unsound_marks << 1 | (not self.beat_sound)) & (2 * oldest - 1)
        self._marked[self._n_marked % MARKS] = self.sample
        self._n_marked += 1

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
        if self._on_t(joined):
            self.flags |= C_R_ON_T
        self._push_rates(joined)
        self._push_window(joined)
        self.last, self._wave_before, self.lost = self.sample, self.wave, False
        self._quality = self._beat_quality
        self._unlearned = self.beat_trusted
        self._code_before = self.code
        self._beat += 1

    cdef bint _on_t(self, bint joined) noexcept nogil:
        """Whether it is a ventricular beat on the T wave of the beat before."""
        cdef bint row = self._code_before == V or self._code_before == WAVE
        if not joined:
            self._n_intervals = 0
            return False
        if self.code != V:
            if not row:
                self._intervals[self._n_intervals % INTERVALS] = self.rr
                self._n_intervals += 1
            return False
        # The first V of a row only: within a run every beat is early.
        return (
            not row and self._n_intervals >= INTERVALS // 2
            and self._qt_share() < R_ON_T_SHARE
        )

    cdef double _qt_share(self) noexcept nogil:
        cdef int n = min(self._n_intervals, INTERVALS)
        return self.rr / (QTC_S * sqrt(_ranked(&self._intervals[0], n, n // 2)))

    cdef void _push_rates(self, bint joined) noexcept nogil:
        cdef int rule, k, i, trusted, bit
        cdef double rate, edge
        cdef long long n
        self.beyond = 0
        if not joined or self.wave:
            self._n_recent = 0
        if self.wave:
            return
        self._recent[self._n_recent % RECENT] = self.sample
        self._recent_trusted[self._n_recent % RECENT] = self.beat_trusted
        self._n_recent += 1
        n = self._n_recent
        for rule in range(self.n_rates):
            k, bit = self._of_rate[rule], C_RATES << rule
            if n > k:
                edge = self._ends[rule] if self._open & bit else self._begins[rule]
                rate = 60.0 * self.fs * k / (self.sample - self._recent[(n - 1 - k) % RECENT])
                if rate < edge if self._low[rule] else rate > edge:
                    trusted = 0
                    for i in range(k + 1):
                        trusted += self._recent_trusted[(n - 1 - i) % RECENT]
                    if trusted >= TRUSTED_SHARE * (k + 1):
                        self.beyond |= bit
        self.flags |= self.beyond | (self._open & ~(C_RATES - 1))

    cdef void _push_window(self, bint joined) noexcept nogil:
        cdef bint ventricular = self.code == V or self.code == FUSION or self.code == WAVE
        if joined and self.window.n_beats and self.next:
            self.window.push_wave(self._slow, self.next, self.before)
        if self.window.push(self.sample, self.rr, ventricular, self.beat_sound, joined):
            self.flags |= C_EPISODE

    def end_rates(self):
        """No beat follows on the last one of the rates, and no rule of rates has anything open."""
        self._n_recent = 0
        self._open &= C_RATES - 1

    def set_open(self, int bit, bint is_open):
        """A rule, by its bit of `flags`, has something open and sees every beat, or not."""
        self._open = self._open | bit if is_open else self._open & ~bit

    # ------------------------------------------------------------------------ what rules look at

    def recent(self, int rule):
        """R peaks of the RR intervals of a rule of rates, and whether each is trusted."""
        cdef int k = self._of_rate[rule], i
        cdef long long n = self._n_recent
        return [
            (self._recent[(n - 1 - k + i) % RECENT], bool(self._recent_trusted[(n - 1 - k + i) % RECENT]))
            for i in range(k + 1)
        ]

    @property
    def qt_share(self):
        """RR interval of an early V beat as a share of the QT interval."""
        return self._qt_share()

    @property
    def stood_last(self):
        """R peak of the last beat; -1 before the first, and after lost signal."""
        return self._stood_last

    def is_recent(self, long long sample):
        """Whether this is the R peak of one of the last eight beats."""
        cdef int i
        for i in range(min(self._n_marked, MARKS)):
            if self._marked[i] == sample:
                return True
        return False

    def lead(self, int lead):
        """State and level of a lead in the last block."""
        cdef int at = (self.next - 1) % KEPT
        return self._state[at, lead], <double>self._level[at, lead]

    def needs_watch(self, int lead):
        """Whether the state of a lead has changed, or an event of it is due."""
        cdef signed char state = self._state[(self.next - 1) % KEPT, lead]
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

    def qrs(self, int lead):
        """Change of QRS complexes within 40 ms in a lead; 0 before it is known."""
        return self._qrs[lead]

    def usual_level(self, int lead):
        """Mean level of a lead over the stored blocks in which it was usable, or None."""
        cdef long long block
        cdef double total = 0.0
        cdef int n = 0
        for block in range(max(self.next - KEPT, 0), self.next):
            if self._state[block % KEPT, lead] == C_USABLE:
                total += self._level[block % KEPT, lead]
                n += 1
        return total / n if n else None

    cdef double _steepness_at(self, long long sample) noexcept nogil:
        """Steepness at an R peak, the greatest of all leads, or inf where none is known.

        The block that holds the R peak and the one before it count.
        """
        cdef long long block = sample // self.size, one
        cdef double most = -INFINITY
        cdef int lead
        for one in range(max(block - 1, self.next - KEPT, 0), min(block, self.next - 1) + 1):
            for lead in range(self.leads):
                if self._qrs[lead] > 0.0:
                    most = max(most, self._activity[one % KEPT, lead] / self._qrs[lead])
        return most if most >= 0.0 else INFINITY

    def between(self, long long first, long long last):
        """Greatest steepness of the blocks between two R peaks, without the complexes and T wave.

        Blocks without a usable lead do not count; 0 where no block counts.
        """
        cdef long long begin = max((first + self._after_r + self.size - 1) // self.size, 0)
        cdef long long end = min((last - self._before_r) // self.size, self.next), block
        cdef double most = 0.0
        for block in range(max(begin, self.next - KEPT), end):
            if self._steep[block % KEPT] < INFINITY:
                most = max(most, self._steep[block % KEPT])
        return most


cdef double _ranked(const double *values, int n, int rank) noexcept nogil:
    """Item of this rank in ascending order, of 32 values at most."""
    cdef double[32] ordered
    cdef int i, j
    for i in range(n):
        j = i
        while j and ordered[j - 1] > values[i]:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = values[i]
    return ordered[rank]
