# Rules that look at beats alone: trust, rates, R-on-T.


@cython.final
cdef class Trust:
    """How many of the last eight beats are trusted, and how many cannot be read.

    Attributes
    ----------
    trusted : int
    """

    cdef readonly int trusted
    cdef int unsound
    cdef unsigned int _trusted_bits, _unsound_bits, _wave_bits
    cdef long long[MARKS] _sample
    cdef long long _n

    cdef void push(self, long long sample, bint trusted, bint sound, bint wave) noexcept nogil:
        cdef unsigned int oldest = 1 << (MARKS - 1)
        self.trusted += trusted - (self._trusted_bits & oldest != 0)
        self.unsound += (not sound) - (self._unsound_bits & oldest != 0)
        self._trusted_bits = (self._trusted_bits << 1 | trusted) & (2 * oldest - 1)
        self._unsound_bits = (self._unsound_bits << 1 | (not sound)) & (2 * oldest - 1)
        self._wave_bits = (self._wave_bits << 1 | wave) & (2 * oldest - 1)
        self._sample[self._n % MARKS] = sample
        self._n += 1

    cdef int certain_after(self, long long sample) noexcept nogil:
        """How many of the last eight beats after a sample are trusted, and no waves."""
        cdef unsigned int certain = self._trusted_bits & ~self._wave_bits
        cdef int i, found = 0
        for i in range(min(self._n, MARKS)):
            if self._sample[(self._n - 1 - i) % MARKS] > sample:
                found += certain >> i & 1
        return found

    cdef long long last_wave(self) noexcept nogil:
        """R peak of the newest wave of ventricular flutter among the last eight beats, or -1."""
        cdef int i
        for i in range(min(self._n, MARKS)):
            if self._wave_bits >> i & 1:
                return self._sample[(self._n - 1 - i) % MARKS]
        return -1

    def is_recent(self, long long sample):
        """Whether this is the R peak of one of the last eight beats."""
        cdef int i
        for i in range(min(self._n, MARKS)):
            if self._sample[i] == sample:
                return True
        return False

    def __reduce__(self):
        numbers = (
            self.trusted, self.unsound, self._trusted_bits, self._unsound_bits, self._wave_bits, self._n
        )
        return Trust, (), (numbers, list(self._sample))

    def __setstate__(self, state):
        numbers, samples = state
        (
            self.trusted, self.unsound, self._trusted_bits, self._unsound_bits, self._wave_bits, self._n
        ) = numbers
        self._sample = samples


@cython.final
cdef class Rates:
    """The rules of rates on the last beats.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    rules : sequence of (bool, float, float, int)
        As for `Scan`.

    Attributes
    ----------
    beyond : int
        By the bits of `Scan.flags` from `RATES` on: the rates that are beyond their limit now.
    """

    cdef readonly int beyond
    cdef object _made_with
    cdef double _fs
    cdef int _n_rules
    cdef double[MOST_RULES] _begins
    cdef double[MOST_RULES] _ends
    cdef int[MOST_RULES] _intervals
    cdef bint[MOST_RULES] _low
    cdef long long[RECENT] _sample
    cdef bint[RECENT] _trusted
    cdef long long _n

    def __init__(self, double fs, rules):
        self._made_with = fs, rules
        self._fs, self._n_rules = fs, len(rules)
        if self._n_rules > MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} rules of rates")
        for i, (low, begins, ends, intervals) in enumerate(rules):
            if intervals >= RECENT:
                raise ValueError(f"rates of fewer than {RECENT} intervals")
            self._low[i], self._begins[i], self._ends[i] = low, begins, ends
            self._intervals[i] = intervals

    cdef int push(
        self, long long sample, bint trusted, bint joined, bint wave, int is_open
    ) noexcept nogil:
        """Take a beat; bits of `Scan.flags` of the rules that have to see it."""
        cdef int rule, k, i, n_trusted, bit
        cdef double rate, edge
        self.beyond = 0
        if not joined or wave:
            self._n = 0
        if wave:
            return 0
        self._sample[self._n % RECENT] = sample
        self._trusted[self._n % RECENT] = trusted
        self._n += 1
        for rule in range(self._n_rules):
            k, bit = self._intervals[rule], C_RATES << rule
            if self._n > k:
                edge = self._ends[rule] if is_open & bit else self._begins[rule]
                rate = 60.0 * self._fs * k / (sample - self._sample[(self._n - 1 - k) % RECENT])
                if rate < edge if self._low[rule] else rate > edge:
                    n_trusted = 0
                    for i in range(k + 1):
                        n_trusted += self._trusted[(self._n - 1 - i) % RECENT]
                    if n_trusted >= TRUSTED_SHARE * (k + 1):
                        self.beyond |= bit
        return self.beyond | (is_open & ~(C_RATES - 1))

    cdef void clear(self) noexcept nogil:
        self._n = 0

    def recent(self, int rule):
        """R peaks of the RR intervals of a rule, and whether each is trusted."""
        cdef int k = self._intervals[rule], i
        cdef long long first = self._n - 1 - k
        return [
            (self._sample[(first + i) % RECENT], bool(self._trusted[(first + i) % RECENT]))
            for i in range(k + 1)
        ]

    def __reduce__(self):
        return Rates, self._made_with, (self._n, list(self._sample), list(self._trusted))

    def __setstate__(self, state):
        self._n, samples, trusted = state
        self._sample = samples
        self._trusted = trusted


@cython.final
cdef class ROnT:
    """Ventricular beats on the T wave of the beat before."""

    cdef double[INTERVALS] _rr
    cdef long long _n
    cdef int _code_before

    cdef bint push(self, int code, double rr, bint joined) noexcept nogil:
        """Take a beat; whether it is one."""
        cdef bint found = False, row = self._code_before == V or self._code_before == WAVE
        self._code_before = code
        if not joined:
            self._n = 0
        elif code == V:
            # The first V of a row only: within a run every beat is early.
            found = not row and self._n >= INTERVALS // 2 and self.qt_share(rr) < R_ON_T_SHARE
        elif not row:
            self._rr[self._n % INTERVALS] = rr
            self._n += 1
        return found

    cdef double qt_share(self, double rr) noexcept nogil:
        """An RR interval as a share of the QT interval."""
        cdef int n = min(self._n, INTERVALS)
        return rr / (QTC_S * sqrt(_ranked(&self._rr[0], n, n // 2)))

    def __reduce__(self):
        return ROnT, (), (self._n, self._code_before, list(self._rr))

    def __setstate__(self, state):
        self._n, self._code_before, intervals = state
        self._rr = intervals
