# Blocks of signal: their figures, and the last of them.


def block_figures(
    const float[:, ::1] held,
    int step,
    int width,
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
    held : array of float32, shape (step + 2 * width + n * size, n_leads)
        The samples of the blocks, after those that the first changes reach back to.
    step, width, size, group : int
        Samples of a change, of the longest spike, of a block, and of a point of the slow signal.
    state, activity, level : arrays of shape (n, n_leads)
        Take the figures that `Block` describes.
    slow : array of float32, shape (n, size // group, n_leads)
    """
    cdef Py_ssize_t n = state.shape[0], leads = state.shape[1], points = slow.shape[1]
    cdef Py_ssize_t first = step + 2 * width, back = step * leads, apart = width * leads
    cdef Py_ssize_t block, lead, point, i
    cdef float x, low, high, change, most, calm, total
    cdef const float *at
    cdef const float *earlier
    cdef bint lost, missing, compared
    with nogil:
        for block in range(n):
            for lead in range(leads):
                at = &held[first + block * size, lead]
                low = high = at[0]
                missing, compared = False, True
                most = calm = 0.0
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
                        earlier = at - back
                        change = fabsf(x - earlier[0])
                        most = change if change > most else most
                        if change >= 0.0:
                            change = fabsf(_without_spike(at, apart) - _without_spike(earlier, apart))
                            compared &= change >= 0.0
                            calm = change if change > calm else calm
                        at += leads
                    slow[block, point, lead] = total / <float>group
                lost = missing or high > LARGEST or low < -LARGEST
                state[block, lead] = C_LOST if lost else C_FLAT if low == high else C_USABLE
                level[block, lead] = NAN if lost else held[first + (block + 1) * size - 1, lead]
                if lost or low == high or not isfinite(most):
                    most = 0.0
                elif compared and calm < SPIKE_SHARE * most:
                    most = calm
                activity[block, lead] = most


cdef inline float _without_spike(const float *at, Py_ssize_t apart) noexcept nogil:
    """Median of a sample and two before it, which no spike as long as they are apart changes; NaN
    where one is missing."""
    cdef float a = at[0], b = at[-apart], c = at[-2 * apart], low, high
    if not isfinite(a + b + c):
        return NAN
    low, high = (a, b) if a < b else (b, a)
    return low if c < low else high if c > high else c


def crest(const float[:, ::1] samples, int lead):
    """Height of a lead from its lowest to its highest sample, in standard deviations.

    Parameters
    ----------
    samples : array of float32, shape (n, n_leads)
    lead : int

    Returns
    -------
    float
        inf where all samples are equal, or one is missing.
    """
    cdef Py_ssize_t n = samples.shape[0], i
    cdef float x, low = INFINITY, high = -INFINITY
    cdef double total = 0.0, squares = 0.0, first, away
    cdef bint lost = False
    with nogil:
        first = samples[0, lead]
        for i in range(n):
            x = samples[i, lead]
            lost |= not (-LARGEST <= x <= LARGEST)
            low = x if x < low else low
            high = x if x > high else high
            away = x - first
            total += away
            squares += away * away
        squares -= total * total / n
    return INFINITY if lost or squares <= 0.0 else (<double>high - low) / sqrt(squares / n)


@cython.final
cdef class StoredBlocks:
    """The last 16 s of blocks, and the size of QRS complexes.

    Parameters
    ----------
    leads : int
    size, group : int
        Samples of a block, and of a point of the slow signal.

    Attributes
    ----------
    next : int
        Number of the block that comes next.
    """

    cdef readonly int leads, size, group
    cdef readonly long long next
    cdef int _points
    cdef object _arrays
    cdef float[:, ::1] _activity
    cdef float[:, ::1] _level
    cdef signed char[:, ::1] _state
    cdef unsigned char[::1] _hum
    # Which blocks hold a complex, and the last sample of the newest complex.
    cdef unsigned char[::1] _complex
    cdef long long _complex_to
    cdef double[::1] _steep
    cdef float[:, :, ::1] _slow
    cdef double[::1] _qrs
    cdef double[:, ::1] _sizes
    cdef long long[::1] _n_sizes

    def __init__(self, int leads, int size, int group):
        self.leads, self.size, self.group = leads, size, group
        self._points = size // group
        self._complex_to = -1
        self._arrays = {
            "activity": np.zeros((KEPT, leads), np.float32),
            "level": np.zeros((KEPT, leads), np.float32),
            "state": np.zeros((KEPT, leads), np.int8),
            "hum": np.zeros(leads, np.uint8),
            "complex": np.zeros(KEPT, np.uint8),
            "steep": np.zeros(KEPT),
            "slow": np.zeros((KEPT, self._points, leads), np.float32),
            "qrs": np.zeros(leads),
            "sizes": np.zeros((leads, SIZES)),
            "n_sizes": np.zeros(leads, np.int64),
        }
        self._attach()

    cdef _attach(self):
        """Look into the arrays, which are what is pickled."""
        a = self._arrays
        self._activity, self._level, self._state = a["activity"], a["level"], a["state"]
        self._hum, self._complex = a["hum"], a["complex"]
        self._steep, self._slow = a["steep"], a["slow"]
        self._qrs, self._sizes, self._n_sizes = a["qrs"], a["sizes"], a["n_sizes"]

    def __reduce__(self):
        numbers = self.next, self._complex_to
        return StoredBlocks, (self.leads, self.size, self.group), (numbers, self._arrays)

    def __setstate__(self, state):
        (self.next, self._complex_to), self._arrays = state
        self._attach()

    cdef void push(
        self, const signed char *state, const float *activity, const float *level, const float *slow,
        const unsigned char *hum,
    ) noexcept nogil:
        """Store a block. Its steepness is its change within 40 ms divided by that of a QRS complex,
        the smallest of all leads: a beat shows in every lead, an artefact in one only."""
        cdef int lead, at = self.next % KEPT
        cdef double steepness = INFINITY
        for lead in range(self.leads):
            self._state[at, lead] = state[lead]
            self._activity[at, lead] = activity[lead]
            self._level[at, lead] = level[lead]
            self._hum[lead] = hum[lead]
            if (
                state[lead] == C_USABLE and self._qrs[lead] > 0.0
                and activity[lead] < steepness * self._qrs[lead]
            ):
                steepness = activity[lead] / self._qrs[lead]
        self._complex[at] = self.next * self.size <= self._complex_to
        memcpy(&self._slow[at, 0, 0], slow, sizeof(float) * self._points * self.leads)
        self.next += 1
        self._steep[at] = 0.0 if self.briefly_flat() else steepness

    cdef signed char shown(self, int lead) noexcept nogil:
        """State of a lead in the newest block, with hum told from other signal."""
        cdef signed char state = self._state[(self.next - 1) % KEPT, lead]
        return C_HUM if state == C_USABLE and self._hum[lead] else state

    cdef double last_steepness(self) noexcept nogil:
        return self._steep[(self.next - 1) % KEPT]

    cdef bint usable(self) noexcept nogil:
        """Whether a lead of the newest block is usable, or flat for less than a second."""
        cdef int lead, at = (self.next - 1) % KEPT
        for lead in range(self.leads):
            if self._state[at, lead] == C_USABLE:
                return True
        return self.briefly_flat()

    cdef bint usable_at(self, long long sample) noexcept nogil:
        """Whether a lead is usable in the block that holds a sample, and in the one before."""
        cdef long long block = sample // self.size
        cdef int lead
        if block >= self.next or block <= self.next - KEPT:
            return False
        for lead in range(self.leads):
            if self._state[block % KEPT, lead] == C_USABLE and (
                block == 0 or self._state[(block - 1) % KEPT, lead] == C_USABLE
            ):
                return True
        return False

    cdef bint briefly_flat(self) noexcept nogil:
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

    cdef void learn(self, long long sample) noexcept nogil:
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

    cdef float leakage(self, int lead, double fs) noexcept nogil:
        """How little of a lead is one wave in the last blocks: 1 where one of them is not usable, or
        where their changes are too small beside those of QRS complexes."""
        cdef float[WAVE_POINTS] x
        cdef double change = 0.0
        cdef float start
        cdef int i, point, at, n = 0
        if self._points * WAVE_BLOCKS > WAVE_POINTS:
            return 1.0
        start = self._slow[(self.next - WAVE_BLOCKS) % KEPT, 0, lead]  # so that a far level costs no digits
        for i in range(WAVE_BLOCKS):
            at = (self.next - WAVE_BLOCKS + i) % KEPT
            if self._state[at, lead] != C_USABLE:
                return 1.0
            change += self._activity[at, lead]
            for point in range(self._points):
                x[n] = self._slow[at, point, lead] - start
                n += 1
        if change < WAVE_STEEPNESS * WAVE_BLOCKS * self._qrs[lead]:
            return 1.0
        return ecg_wave_leakage(x, n, fs / self.group)

    cdef bint shows_beats(self, int lead) noexcept nogil:
        """Whether a lead shows steep complexes between quiet stretches in the last blocks."""
        cdef double[WAVE_BLOCKS] change
        cdef int i, at
        for i in range(WAVE_BLOCKS):
            at = (self.next - 1 - i) % KEPT
            if self._state[at, lead] != C_USABLE:
                return False
            change[i] = self._activity[at, lead]
        return _ranked(change, WAVE_BLOCKS, QUIET_RANK) < QUIET_SHARE * _ranked(change, WAVE_BLOCKS, STEEP_RANK)

    cdef void hold_complex(self, long long first, long long last) noexcept nogil:
        """There is a complex between two samples, of which the last blocks may still come."""
        cdef long long block
        for block in range(max(first // self.size, self.next - KEPT, 0), min(last // self.size + 1, self.next)):
            self._complex[block % KEPT] = 1
        self._complex_to = last

    cdef double between_beats(self) noexcept nogil:
        """Steepness that three quarters of the blocks of the last 5 s without a readable beat exceed.

        0 where it is not known: at the start, where half of them are lost, and where nearly all hold the
        complexes of a fast rhythm.
        """
        cdef double[NOISE_BLOCKS] steep
        cdef int i, at, usable = 0, n = 0
        if self.next < NOISE_BLOCKS:
            return 0.0
        for i in range(NOISE_BLOCKS):
            at = (self.next - 1 - i) % KEPT
            if self._steep[at] == INFINITY:  # lost, or without the size of a beat to compare it with
                continue
            usable += 1
            if not self._complex[at]:
                steep[n] = self._steep[at]
                n += 1
        if 2 * usable < NOISE_BLOCKS or n < NOISE_LEAST:
            return 0.0
        return _ranked(steep, n, n // 4)

    cdef double steepness_at(self, long long sample) noexcept nogil:
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

    def lead(self, int lead):
        """State and level of a lead in the last block."""
        return self.shown(lead), <double>self._level[(self.next - 1) % KEPT, lead]

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

    cdef double between(self, long long first, long long last) noexcept nogil:
        """Greatest steepness of the blocks between two samples.

        Blocks without a usable lead do not count; 0 where no block counts.
        """
        cdef long long begin = max((first + self.size - 1) // self.size, 0)
        cdef long long end = min(last // self.size, self.next), block
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
