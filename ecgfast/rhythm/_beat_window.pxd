
cdef class BeatWindow:
    cdef int _before, _points, _group
    cdef object _made_with, _arrays
    # Twice the window, so that it is always one piece.
    cdef long long[::1] _sample
    # RR intervals by which the rhythm is irregular, and those that the network is shown.
    cdef long long[::1] _ms
    cdef long long[::1] _shown_ms
    cdef signed char[::1] _is_sound
    cdef float[:, ::1] _inputs
    cdef int _end
    cdef readonly int n_beats
    cdef int _sound
    # Shapes of the last P waves, and the straight line that is taken out of them.
    cdef double[:, :, ::1] _waves
    cdef signed char[:, ::1] _wave_shown
    cdef double[::1] _line
    cdef long long _n_waves
    cdef bint _apart
    cdef public int fresh, every, episode
    cdef readonly long long stretch_start, stretch_beats, regular

    cdef _attach(self)
    cdef bint push(
        self, long long sample, double rr, int code, bint sound, bint joined
    ) noexcept nogil
    cdef void _put_rr(self, int at, int code) noexcept nogil
    cdef double _usual_ms(self, int at, int most) noexcept nogil
    cdef double _share_alike(self, int at) noexcept nogil
    cdef void push_wave(self, float[:, :, ::1] slow, long long blocks, long long sample) noexcept nogil
    cdef double _put_wave(
        self, float[:, :, ::1] slow, long long begin, int lead, int slot
    ) noexcept nogil
    cdef void _put_p(
        self, float[::1] x, int slot, double largest, double smallest
    ) noexcept nogil
    cdef double _like(self, int slot, int lead, int lag) noexcept nogil
    cdef double _like_mean(self, int slot, int lead) noexcept nogil
    cdef void clear_beats(self) noexcept nogil
    cdef bint _alike(self, double share) noexcept nogil
    cdef bint _readable(self) noexcept nogil
    cdef bint _irregular(self) noexcept nogil
