# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The last beats, and the signal around them, from which atrial fibrillation is scored."""

from libc.math cimport isfinite, rint
from libc.string cimport memcpy

import numpy as np

__all__ = ["EVERY", "MOST", "BeatWindow"]

# Beats between two scores after the first, which is of a full window; most beats of a window.
EVERY, MOST = 4, 48

cdef enum:
    C_EVERY = 4
    C_MOST = 48
    # Fewest RR intervals from which a window is scored, and intervals in ms that are unequal.
    MIN_RR = 6
    UNEQUAL_MS = 30

# A longer interval is a pause, and no feature of atrial fibrillation.
cdef double RR_MAX_S = 2.5
# A rhythm is regular if a smaller share of intervals differs by 30 ms from the one before.
cdef double UNEQUAL_MIN = 0.2
# Share of the beats that have to be sound.
cdef double SOUND_SHARE = 0.5


cdef class BeatWindow:
    """A window of beats that moves with the stream.

    Parameters
    ----------
    size : int
        Beats of a full window, 8 to 48.
    leads : int
        In which P waves are sought.
    before, after : int
        Points of the slow signal stored before and after an R peak.
    group : int
        Samples of a point of the slow signal.

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

    def __init__(self, int size, int leads, int before, int after, int group):
        if not 2 * C_EVERY <= size <= C_MOST:
            raise ValueError(f"a window of {2 * C_EVERY} to {C_MOST} beats, got {size}")
        self._made_with = (size, leads, before, after, group)
        self.size = self.every = size
        self._p_before, self._p_points, self._group = before, before + after, group
        self._arrays = {
            "sample": np.zeros(2 * size, np.int64),
            "ms": np.zeros(2 * size, np.int64),
            "is_sound": np.zeros(2 * size, np.int8),
            "waves": np.zeros((2 * size, self._p_points, leads), np.float32),
            "wave_shown": np.zeros(2 * size, np.int8),
        }
        self._attach()

    cdef _attach(self):
        """Look into the arrays, which are what is pickled."""
        a = self._arrays
        self._sample, self._ms, self._is_sound = a["sample"], a["ms"], a["is_sound"]
        self._waves, self._wave_shown = a["waves"], a["wave_shown"]

    def __reduce__(self):
        numbers = (
            self._end, self.n_beats, self._sound, self._waves_end, self._n_waves,
            self._ventricular, self.fresh, self.every, self.episode, self.stretch_start,
            self.stretch_beats, self.regular,
        )
        return BeatWindow, self._made_with, (numbers, self._arrays)

    def __setstate__(self, state):
        numbers, self._arrays = state
        (
            self._end, self.n_beats, self._sound, self._waves_end, self._n_waves,
            self._ventricular, self.fresh, self.every, self.episode, self.stretch_start,
            self.stretch_beats, self.regular,
        ) = numbers
        self._attach()

    cdef bint push(
        self, long long sample, double rr, bint ventricular, bint sound, bint joined
    ) noexcept nogil:
        """Store a beat; whether the window is to be scored now.

        `rr` are the seconds since the beat before, which it follows directly if it is `joined`.
        """
        cdef int size = self.size, at
        if not joined and self.n_beats:
            self.clear_beats()
        if self._end == 2 * size:
            memcpy(&self._sample[0], &self._sample[size], size * sizeof(long long))
            memcpy(&self._ms[0], &self._ms[size], size * sizeof(long long))
            memcpy(&self._is_sound[0], &self._is_sound[size], size)
            self._end = size
        at = self._end
        if self.n_beats == size:
            self._sound -= self._is_sound[at - size]
        else:
            if not self.n_beats:
                self.stretch_start, self.stretch_beats, self.regular = sample, 0, 0
            self.n_beats += 1
        self.stretch_beats += 1
        self._sample[at] = sample
        self._ms[at] = 0
        if joined and not (ventricular or self._ventricular) and rr < RR_MAX_S:
            self._ms[at] = <long long>rint(1000.0 * rr)
        self._is_sound[at] = sound
        self._end += 1
        self._sound += sound
        self._ventricular = ventricular
        self.fresh += 1
        self.episode += self.episode > 0
        if self.fresh < self.every:
            return False
        if self.episode or self._irregular():
            return True
        self.regular += self.fresh if self._readable() else 0
        self.fresh, self.every = 0, C_EVERY
        return False

    cdef void push_wave(self, float[:, :, ::1] slow, long long blocks, long long sample) noexcept nogil:
        """Store the slow signal around the last R peak; not shown where some is missing.

        `slow` is a ring of blocks, of which so many have come.
        """
        cdef long long first = sample // self._group - self._p_before, point
        cdef int size = self.size, points = slow.shape[1], stored = slow.shape[0]
        cdef int at, i, lead, block, leads = self._waves.shape[2]
        cdef bint shown
        if self._waves_end == 2 * size:
            memcpy(
                &self._waves[0, 0, 0], &self._waves[size, 0, 0],
                size * self._p_points * leads * sizeof(float),
            )
            memcpy(&self._wave_shown[0], &self._wave_shown[size], size)
            self._waves_end = size
        at = self._waves_end
        shown = (
            not self._ventricular and first >= 0 and first // points >= blocks - stored
            and (first + self._p_points - 1) // points < blocks
        )
        if shown:
            for i in range(self._p_points):
                point = first + i
                block = point // points % stored
                for lead in range(leads):
                    self._waves[at, i, lead] = slow[block, point % points, lead]
                    shown = shown and isfinite(self._waves[at, i, lead])
        self._wave_shown[at] = shown
        self._waves_end += 1
        self._n_waves = min(self._n_waves + 1, size)

    def clear(self):
        """No beat follows on the last one."""
        self.clear_beats()

    cdef void clear_beats(self) noexcept nogil:
        self.n_beats = self._n_waves = self._sound = self.fresh = 0
        self.every = self.size

    @property
    def samples(self):
        """R peaks, a copy."""
        return np.asarray(self._sample)[self._end - self.n_beats : self._end].copy()

    def intervals(self):
        """RR intervals in ms, without those that are no features."""
        ms = np.asarray(self._ms)[self._end - self.n_beats : self._end]
        return ms[ms > 0]

    def stretches(self):
        """The slow signal around the R peaks, of those that show P waves.

        Returns
        -------
        ndarray of float32, shape (n, points, n_leads)
        """
        cdef int begin = self._waves_end - self._n_waves
        shown = np.asarray(self._wave_shown)[begin : self._waves_end] != 0
        return np.asarray(self._waves)[begin : self._waves_end][shown]

    @property
    def is_readable(self):
        """Whether it shows a rhythm: enough certain beats, and enough intervals."""
        return self._readable()

    @property
    def is_irregular(self):
        """Whether it is worth a score: readable, and not regular."""
        return self._irregular()

    cdef bint _readable(self) noexcept nogil:
        cdef int at, n = 0
        for at in range(self._end - self.n_beats, self._end):
            n += self._ms[at] > 0
        return n >= MIN_RR and self._sound >= SOUND_SHARE * self.n_beats

    cdef bint _irregular(self) noexcept nogil:
        cdef int at, n = 0, unequal = 0
        cdef long long ms, before = 0
        if not self._readable():
            return False
        for at in range(self._end - self.n_beats, self._end):
            ms = self._ms[at]
            if ms:
                if n and (ms - before > UNEQUAL_MS or before - ms > UNEQUAL_MS):
                    unequal += 1
                before = ms
                n += 1
        return unequal >= UNEQUAL_MIN * (n - 1)
