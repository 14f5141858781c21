# The band-pass filter.


cdef class BandpassFilter(_Exclusive):
    """Streaming Butterworth band-pass of fourth order (two second-order sections).

    Parameters
    ----------
    fs : float
        Sampling rate, Hz; any at which double precision holds the band.
    low, high : float
        Edges (-3 dB), Hz; 0 < low < high < fs / 2.

    Raises
    ------
    InputError
        If the sampling rate or the band cannot be used.
    StateError
        By every method, while another call uses the filter.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import BandpassFilter
    >>> band = BandpassFilter(250.0)
    >>> band.process(np.zeros(5)).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """

    cdef c.ecg_bandpass filter
    cdef double fs_
    cdef double low_
    cdef double high_

    def __init__(self, fs, low=5.0, high=15.0):
        cdef c.ecg_bandpass filter
        cdef double rate, lower, upper
        cdef int status
        self.enter()
        try:
            rate, lower, upper = real_number(fs, "fs"), real_number(low, "low"), real_number(high, "high")
            status = c.ecg_bandpass_init(&filter, rate, lower, upper)
            if status == c.ECG_ERROR_FS:  # the core's line tells the limits of detectors
                raise InputError(f"the sampling rate must be positive and finite: fs={fs}")
            if status != c.ECG_OK:
                raise InputError(f"{c.ecg_status_text(status).decode()}: fs={fs}, low={low}, high={high}")
            self.filter, self.fs_, self.low_, self.high_ = filter, rate, lower, upper
            self.ready = True
        finally:
            self.end()

    @property
    def fs(self):
        """Sampling rate, Hz."""
        self.check_ready()
        return self.fs_

    @property
    def low(self):
        """Lower edge, Hz."""
        self.check_ready()
        return self.low_

    @property
    def high(self):
        """Upper edge, Hz."""
        self.check_ready()
        return self.high_

    @property
    def delay(self):
        """Group delay at the band's centre, in samples."""
        self.check_ready()
        return self.filter.delay

    def reset(self):
        """Forgets the past: the next sample is the first."""
        self.begin()
        c.ecg_bandpass_reset(&self.filter)
        self.end()

    def process(self, chunk, out=None):
        """Filters the next samples.

        Parameters
        ----------
        chunk : array_like, shape (n,)
            Samples in any unit; a sample that is not finite repeats the last finite one.
        out : ndarray of float32, shape (n,), optional
            Where the result goes; may be `chunk` itself or overlap it.

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        self.begin()
        try:
            return self.filtered(chunk, out)
        finally:
            self.end()

    cdef object filtered(self, object chunk, object out):
        cdef _Samples samples = _Samples()
        samples.take(chunk, 1, self.fs_)
        if out is None:
            out = np.empty(samples.n, dtype=np.float32)
        elif not isinstance(out, np.ndarray):
            raise InputError(f"out must be an array, got {type(out).__name__}")
        elif (out.dtype != np.float32 or out.shape != (samples.n,) or not out.flags.carray):
            raise InputError(f"out must be writeable, contiguous, aligned float32 of shape ({samples.n},), "
                             f"got {out.dtype} of shape {out.shape}")
        cdef float[::1] result = out
        if samples.n:
            if &result[0] != samples.at and samples.overlap(&result[0]):
                samples = _Samples()
                samples.take(np.array(chunk, dtype=np.float32), 1, self.fs_)
            with nogil:
                c.ecg_bandpass_process(&self.filter, samples.at, &result[0], samples.n)
        return out

    def __reduce__(self):
        cdef c.ecg_bandpass *f = &self.filter
        self.begin()
        try:
            past = (f.section[0].s1, f.section[0].s2, f.section[1].s1, f.section[1].s2, f.last)
            return _restore_filter, (self.fs_, self.low_, self.high_, past if f.primed else None)
        finally:
            self.end()


def _restore_filter(fs, low, high, past):
    cdef BandpassFilter band = BandpassFilter(fs, low, high)
    cdef c.ecg_bandpass *f = &band.filter
    if past is not None:
        values = [real_number(value, "a filter's past") for value in past]
        if len(values) != 5 or not np.isfinite(values).all():
            raise InputError("a filter's past is five finite numbers")
        f.section[0].s1, f.section[0].s2, f.section[1].s1, f.section[1].s2, f.last = values
        f.primed = 1
    return band
