cdef class BeatWindow:
    cdef readonly int size
    cdef int _p_before, _p_points, _group
    cdef object _made_with, _arrays
    # Twice the window, so that it is always one piece.
    cdef long long[::1] _sample
    cdef long long[::1] _ms
    cdef signed char[::1] _is_sound
    cdef int _end
    cdef readonly int n_beats
    cdef int _sound
    cdef float[:, :, ::1] _waves
    cdef signed char[::1] _wave_shown
    cdef int _waves_end, _n_waves
    cdef bint _ventricular
    cdef public int fresh, every, episode
    cdef readonly long long stretch_start, stretch_beats, regular

    cdef _attach(self)
    cdef bint push(
        self, long long sample, double rr, bint ventricular, bint sound, bint joined
    ) noexcept nogil
    cdef void push_wave(self, float[:, :, ::1] slow, long long blocks, long long sample) noexcept nogil
    cdef void clear_beats(self) noexcept nogil
    cdef bint _readable(self) noexcept nogil
    cdef bint _irregular(self) noexcept nogil
