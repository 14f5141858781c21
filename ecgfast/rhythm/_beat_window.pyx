# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The last beats, and the signal around them, from which atrial fibrillation is scored."""

from libc.math cimport fabs, isfinite, log, rint, sqrt
from libc.string cimport memcpy, memset

from ._labels cimport OTHER, S, UNKNOWN

import numpy as np

__all__ = ["CONTEXT", "EVERY", "LAGS", "N_INPUTS", "BeatWindow"]

cdef enum:
    C_EVERY = 4
    C_CONTEXT = 14
    # The last beat has no P wave yet: its complex has not passed.
    C_SIZE = C_EVERY + 2 * C_CONTEXT + 1
    C_LAGS = 6
    # Similarities: of each lag, and with the mean of all waves that are kept.
    C_ALIKE = C_LAGS + 1
    # Waves that are kept, to be compared with later ones: more than the longest lag.
    KEPT = 9
    # Inputs that a beat has from RR intervals, and all of them.
    RR_INPUTS = 14
    # Last RR intervals of which the median is the usual one.
    USUAL = 21
    C_INPUTS = RR_INPUTS + 2 + 2 * C_ALIKE + 2
    # Points of the slow signal on each side of an R peak that show the height of the QRS complex.
    QRS_POINTS = 5
    # Fewest RR intervals from which a window is scored, and intervals in ms that are unequal.
    MIN_RR = 6
    UNEQUAL_MS = 30

# Beats between two scores after the first, which is of a full window; beats before and after one
# that its score rests on; inputs of a beat.
EVERY, CONTEXT, N_INPUTS = C_EVERY, C_CONTEXT, C_INPUTS
# Beats between those whose P waves are compared.
LAGS = (1, 2, 3, 4, 6, 8)
cdef int[C_LAGS] C_LAG = LAGS

# Seconds before the R peak between which a P wave lies.
cdef double P_BEGINS_S = 0.26, P_ENDS_S = 0.07
# The usual RR interval is given beside this one, and changes in units of a fifth, up to four.
cdef double RR_S = 0.8, CHANGE_UNIT = 0.2, CHANGE_MAX = 4.0
# Longer intervals are given as this one.
cdef double SHOWN_MAX_S = 3.0
# Intervals are alike within this share.
cdef double ALIKE = 0.05
# The size of a P wave is the logarithm of its share of the QRS complex, beside that of a usual one.
cdef double SIZE_LEAST = 1e-3, SIZE_USUAL = -3.0, SIZE_RANGE = 3.0
# A longer interval is a pause, and no feature of atrial fibrillation.
cdef double RR_MAX_S = 2.5
# A rhythm is regular if a smaller share of intervals differs by 30 ms from the one before.
cdef double UNEQUAL_MIN = 0.2
# A rhythm that is only interrupted, and one that is regular, have these shares of intervals like
# their median.
cdef double INTERRUPTED = 0.6, REGULAR = 0.8
# Share of the beats that have to be sound.
cdef double SOUND_SHARE = 0.5


cdef double change(double ms, double before) noexcept nogil:
    """The change from one RR interval to another as an input."""
    return max(-CHANGE_MAX, min(CHANGE_MAX, log(ms / before) / CHANGE_UNIT))


cdef double p_size(double share) noexcept nogil:
    """The size of a P wave as an input, from its share of the QRS complex."""
    return max(-SIZE_RANGE, min(SIZE_RANGE, log(share + SIZE_LEAST) - SIZE_USUAL))


cdef class BeatWindow:
    """A window of beats that moves with the stream.

    Parameters
    ----------
    leads : int
        In which P waves are sought.
    group : int
        Samples of a point of the slow signal.
    slow_fs : float
        Points of the slow signal in a second.

    Attributes
    ----------
    n_beats : int
        Beats of the window now.
    fresh, every : int
        Beats since the last score, and until the next one.
    episode : int
        Beats since an episode began or may have begun, with its first; 0 where there is none.
    stretch_start, stretch_beats, regular : int
        Of the beats without lost signal up to now: the first R peak, how many, and those whose
        rhythm was regular and has not been scored.
    """

    def __init__(self, int leads, int group, double slow_fs):
        cdef int i
        self._made_with = (leads, group, slow_fs)
        self.every = C_SIZE
        self._group = group
        self._before = <int>rint(P_BEGINS_S * slow_fs)
        self._points = self._before - <int>rint(P_ENDS_S * slow_fs)
        self._arrays = {
            "sample": np.zeros(2 * C_SIZE, np.int64),
            "ms": np.zeros(2 * C_SIZE, np.int64),
            "shown_ms": np.zeros(2 * C_SIZE, np.int64),
            "is_sound": np.zeros(2 * C_SIZE, np.int8),
            "inputs": np.zeros((2 * C_SIZE, C_INPUTS), np.float32),
            "waves": np.zeros((KEPT, leads, self._points)),
            "wave_shown": np.zeros((KEPT, leads), np.int8),
        }
        at = np.arange(self._points) - (self._points - 1) / 2.0
        self._line = at / np.sqrt(at @ at)
        self._attach()

    cdef _attach(self):
        """Look into the arrays, which are what is pickled."""
        a = self._arrays
        self._sample, self._ms, self._is_sound = a["sample"], a["ms"], a["is_sound"]
        self._inputs, self._shown_ms = a["inputs"], a["shown_ms"]
        self._waves, self._wave_shown = a["waves"], a["wave_shown"]

    def __reduce__(self):
        numbers = (
            self._end, self.n_beats, self._sound, self._n_waves, self._apart, self.fresh,
            self.every, self.episode, self.stretch_start, self.stretch_beats, self.regular,
        )
        return BeatWindow, self._made_with, (numbers, self._arrays)

    def __setstate__(self, state):
        numbers, self._arrays = state
        (
            self._end, self.n_beats, self._sound, self._n_waves, self._apart, self.fresh,
            self.every, self.episode, self.stretch_start, self.stretch_beats, self.regular,
        ) = numbers
        self._attach()

    cdef bint push(
        self, long long sample, double rr, int code, bint sound, bint joined
    ) noexcept nogil:
        """Store a beat with the code of its label; whether the window is to be scored now.

        `rr` are the seconds since the beat before, which it follows directly if it is `joined`.
        """
        cdef bint apart = code != OTHER and code != S
        cdef int at
        if not joined and self.n_beats:
            self.clear_beats()
        if self._end == 2 * C_SIZE:
            memcpy(&self._sample[0], &self._sample[C_SIZE], C_SIZE * sizeof(long long))
            memcpy(&self._ms[0], &self._ms[C_SIZE], C_SIZE * sizeof(long long))
            memcpy(&self._shown_ms[0], &self._shown_ms[C_SIZE], C_SIZE * sizeof(long long))
            memcpy(&self._is_sound[0], &self._is_sound[C_SIZE], C_SIZE)
            memcpy(
                &self._inputs[0, 0], &self._inputs[C_SIZE, 0], C_SIZE * C_INPUTS * sizeof(float)
            )
            self._end = C_SIZE
        at = self._end
        if self.n_beats == C_SIZE:
            self._sound -= self._is_sound[at - C_SIZE]
        else:
            if not self.n_beats:
                self.stretch_start, self.stretch_beats, self.regular = sample, 0, 0
            self.n_beats += 1
        self.stretch_beats += 1
        self._sample[at] = sample
        self._ms[at] = self._shown_ms[at] = 0
        if joined and not (apart or self._apart):
            self._shown_ms[at] = <long long>rint(1000.0 * min(rr, SHOWN_MAX_S))
            self._ms[at] = self._shown_ms[at] if rr < RR_MAX_S else 0
        self._is_sound[at] = sound
        self._end += 1
        self._sound += sound
        self._put_rr(at, code)
        self._apart = apart
        self.fresh += 1
        self.episode += self.episode > 0
        if self.fresh < self.every:
            return False
        if self.episode or self._irregular():
            return True
        self.regular += self.fresh if self._readable() else 0
        self.fresh, self.every = 0, C_EVERY
        return False

    cdef void _put_rr(self, int at, int code) noexcept nogil:
        """The inputs of the last beat that do not need its P wave."""
        cdef float[::1] x = self._inputs[at]
        cdef double ms = self._shown_ms[at], usual = self._usual_ms(at, USUAL), before
        cdef int k
        memset(&x[0], 0, C_INPUTS * sizeof(float))
        x[0] = 1.0
        if usual > 0.0:
            x[1] = log(usual / (1000.0 * RR_S))
        if ms > 0.0:
            x[2] = 1.0
            x[3] = change(ms, usual)
            x[4] = self._share_alike(at)
        for k in range(3):
            before = self._shown_ms[at - 1 - k] if self.n_beats > 1 + k else 0
            if ms > 0.0 and before > 0.0:
                x[5 + 2 * k] = change(ms, before)
                x[6 + 2 * k] = fabs(x[5 + 2 * k])
        x[11] = self._is_sound[at]
        x[12] = code == S
        x[13] = code != OTHER and code != S and code != UNKNOWN

    cdef double _usual_ms(self, int at, int most) noexcept nogil:
        """Median of the last RR intervals, at most so many, 0 without one."""
        cdef long long[C_SIZE] ordered
        cdef long long one
        cdef int i, j, n = 0
        for i in range(min(most, self.n_beats)):
            one = self._shown_ms[at - i]
            if not one:
                continue
            j = n
            while j and ordered[j - 1] > one:
                ordered[j] = ordered[j - 1]
                j -= 1
            ordered[j] = one
            n += 1
        return <double>ordered[n // 2] if n else 0.0

    cdef double _share_alike(self, int at) noexcept nogil:
        """Share of the RR intervals before that are like the last one."""
        cdef double ms = self._shown_ms[at], one
        cdef int i, n = 0, alike = 0
        for i in range(1, min(USUAL, self.n_beats)):
            one = self._shown_ms[at - i]
            n += one > 0.0
            alike += one > 0.0 and fabs(one - ms) <= ALIKE * ms
        return <double>alike / n if n else 0.0

    cdef void push_wave(self, float[:, :, ::1] slow, long long blocks, long long sample) noexcept nogil:
        """Compare the P wave of the last beat with earlier ones, now that its complex has passed.

        `slow` is a ring of blocks, of which so many have come.
        """
        cdef long long begin = sample // self._group - self._before
        cdef long long end = begin + self._before + QRS_POINTS + 1
        cdef int points = slow.shape[1], stored = slow.shape[0], leads = self._waves.shape[1], lead
        cdef int slot = self._n_waves % KEPT
        cdef bint held = (
            not self._apart and begin >= 0 and begin // points >= blocks - stored
            and (end - 1) // points < blocks
        )
        cdef double size, largest = -1.0, smallest = -1.0
        for lead in range(leads):
            size = self._put_wave(slow, begin, lead, slot) if held else -1.0
            self._wave_shown[slot, lead] = size >= 0.0
            if size >= 0.0:
                smallest = size if smallest < 0.0 else min(smallest, size)
                largest = max(largest, size)
        if largest >= 0.0:
            self._put_p(self._inputs[self._end - 1], slot, largest, smallest)
        self._n_waves += 1

    cdef double _put_wave(
        self, float[:, :, ::1] slow, long long begin, int lead, int slot
    ) noexcept nogil:
        """Store the shape of a P wave: without its straight line, of length 1.

        Returns its size as a share of the QRS complex, or -1 where samples are missing.
        """
        cdef int points = slow.shape[1], stored = slow.shape[0], i
        cdef long long point
        cdef double[::1] wave = self._waves[slot, lead]
        cdef double value, before = 0.0, mean = 0.0, slope = 0.0, power = 0.0, least = 0.0, most = 0.0
        for i in range(self._before + QRS_POINTS + 1):
            point = begin + i
            value = slow[point // points % stored, point % points, lead]
            if not isfinite(value):
                return -1.0
            if i < self._points:
                # Points lie a hundredth of a second apart: the mean of two holds no mains of 50 Hz.
                wave[i] = 0.5 * (value + (before if i else value))
                mean += wave[i] / self._points
            before = value
            if i == self._before - QRS_POINTS:
                least = most = value
            elif i > self._before - QRS_POINTS:
                least, most = min(least, value), max(most, value)
        for i in range(self._points):
            wave[i] -= mean
            slope += wave[i] * self._line[i]
        for i in range(self._points):
            wave[i] -= slope * self._line[i]
            power += wave[i] * wave[i]
        power = sqrt(power)
        for i in range(self._points):
            wave[i] = wave[i] / power if power > 0.0 else 0.0
        return power / sqrt(<double>self._points) / (most - least) if most > least else 0.0

    cdef void _put_p(
        self, float[::1] x, int slot, double largest, double smallest
    ) noexcept nogil:
        """The inputs of the last beat from its P wave."""
        cdef int leads = self._waves.shape[1], k, lead, first = RR_INPUTS + 2
        cdef bint two = leads > 1 and self._wave_shown[slot, 0] and self._wave_shown[slot, 1]
        cdef double product, most, least
        x[RR_INPUTS], x[RR_INPUTS + 1] = 1.0, two
        for k in range(C_ALIKE):
            most, least = -1.0, 1.0
            for lead in range(leads):
                if not self._wave_shown[slot, lead]:
                    continue
                if k == C_LAGS:
                    product = self._like_mean(slot, lead)
                else:
                    product = self._like(slot, lead, C_LAG[k])
                if product >= -1.5:
                    most, least = max(most, product), min(least, product)
            if most >= least:
                x[first + k] = most
                x[first + C_ALIKE + k] = least if two else 0.0
        x[C_INPUTS - 2] = p_size(largest)
        x[C_INPUTS - 1] = p_size(smallest) if two else 0.0

    cdef double _like(self, int slot, int lead, int lag) noexcept nogil:
        """Similarity with the wave so many beats before; -2 where there is none."""
        cdef int other = (self._n_waves - lag) % KEPT, i
        cdef double product = 0.0
        if self._n_waves < lag or not self._wave_shown[other, lead]:
            return -2.0
        for i in range(self._points):
            product += self._waves[slot, lead, i] * self._waves[other, lead, i]
        return product

    cdef double _like_mean(self, int slot, int lead) noexcept nogil:
        """Similarity with the mean of the waves that are kept; -2 where there are less than 3."""
        cdef int n = 0, k, i, other
        cdef double product = 0.0, power = 0.0, total
        for i in range(self._points):
            total, n = 0.0, 0
            for k in range(1, KEPT):
                other = (self._n_waves - k) % KEPT
                if self._n_waves >= k and self._wave_shown[other, lead]:
                    total += self._waves[other, lead, i]
                    n += 1
            product += total * self._waves[slot, lead, i]
            power += total * total
        if n < 3:
            return -2.0
        return product / sqrt(power) if power > 0.0 else 0.0

    def clear(self):
        """No beat follows on the last one."""
        self.clear_beats()

    cdef void clear_beats(self) noexcept nogil:
        self.n_beats = self._n_waves = self._sound = self.fresh = 0
        self.every = C_SIZE

    @property
    def samples(self):
        """R peaks, a copy."""
        return np.asarray(self._sample)[self._end - self.n_beats : self._end].copy()

    def inputs(self, int first, int last):
        """Inputs of the network for the scores of some beats of the window.

        Parameters
        ----------
        first, last : int
            From the first of these beats to before the last, counted in the window.

        Returns
        -------
        ndarray of float32, shape (last - first + 2 * CONTEXT, N_INPUTS)
            The beats around them, too; zeros where there is none.
        """
        held = np.asarray(self._inputs)[self._end - self.n_beats : self._end]
        begin, end = max(0, first - C_CONTEXT), min(self.n_beats, last + C_CONTEXT)
        out = np.zeros((last - first + 2 * C_CONTEXT, C_INPUTS), np.float32)
        at = begin - (first - C_CONTEXT)
        out[at : at + end - begin] = held[begin:end]
        return out

    @property
    def is_readable(self):
        """Whether it shows a rhythm: enough certain beats, and enough intervals."""
        return self._readable()

    @property
    def is_irregular(self):
        """Whether it is worth a score: readable, and not regular."""
        return self._irregular()

    @property
    def is_interrupted(self):
        """Whether it shows a regular rhythm with premature beats or pauses: most intervals alike."""
        return self._readable() and self._alike(INTERRUPTED)

    cdef bint _alike(self, double share) noexcept nogil:
        """Whether this share of the RR intervals is like their median."""
        cdef double usual = self._usual_ms(self._end - 1, self.n_beats)
        cdef int at, n = 0, alike = 0
        for at in range(self._end - self.n_beats, self._end):
            n += self._shown_ms[at] > 0
            alike += self._shown_ms[at] > 0 and fabs(self._shown_ms[at] - usual) <= ALIKE * usual
        return n >= MIN_RR and alike >= share * n

    cdef bint _readable(self) noexcept nogil:
        cdef int at, n = 0
        for at in range(self._end - self.n_beats, self._end):
            n += self._ms[at] > 0
        return n >= MIN_RR and self._sound >= SOUND_SHARE * self.n_beats

    cdef bint _irregular(self) noexcept nogil:
        cdef int at, n = 0, unequal = 0
        cdef long long ms, before = 0
        if not self._readable() or self._alike(REGULAR):
            return False
        for at in range(self._end - self.n_beats, self._end):
            ms = self._ms[at]
            if ms:
                if n and (ms - before > UNEQUAL_MS or before - ms > UNEQUAL_MS):
                    unequal += 1
                before = ms
                n += 1
        return unequal >= UNEQUAL_MIN * (n - 1)
