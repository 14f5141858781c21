# The detector of R peaks, and what it shares with the beat stream.


cdef class _Detecting(_Exclusive):
    """What a detector and a beat stream share: the block of their state, and how R peaks are found."""

    cdef _Block block
    cdef c.ecg_detector_config detector
    cdef int64_t delay_
    cdef bint ended
    cdef object watch  # OffsetWatch

    @property
    def fs(self):
        """Sampling rate, Hz."""
        self.check_ready()
        return self.detector.fs

    @property
    def method(self):
        """How R peaks are found."""
        self.check_ready()
        return _METHOD_NAMES[self.detector.method]

    @property
    def max_delay(self):
        """Seconds from an R peak to its report at most, as was asked for; None for the method's own."""
        self.check_ready()
        return self.detector.max_delay or None

    @property
    def max_rate(self):
        """Beats a minute that can be found, at most."""
        self.check_ready()
        return self.detector.max_rate or c.ECG_RATE_MAX

    @property
    def n_leads(self):
        """Leads in each chunk."""
        self.check_ready()
        return self.detector.n_leads

    @property
    def leads(self):
        """Deprecated: `n_leads`."""
        warn_renamed(f"{type(self).__name__}.leads", f"{type(self).__name__}.n_leads", stacklevel=2)
        return self.n_leads


cdef class QRSDetector(_Detecting):
    """Finds R peaks in a stream, causally.

    Parameters
    ----------
    fs : float
        Sampling rate, 99.5 to 2010 Hz; fractional rates too.
    method : {"neural", "adaptive", "pan-tompkins"}
        ``"neural"`` scores the ECG with a small network and is the most robust on other hospitals,
        devices and leads, and in noise and pauses. ``"adaptive"`` compares candidates with the
        patient's own levels and shape, in a tenth of the time. ``"pan-tompkins"`` is the algorithm of
        Pan and Tompkins (IEEE Trans. Biomed. Eng. 32(3), 1985) as a stream, and the fastest.
    max_delay : float, optional
        Seconds from an R peak to its report at most, at least 0.35.
    n_leads : int
        Leads in each chunk.
    max_rate : float, optional
        Highest heart rate that can be found, 300 (default; the limit of a human heart) to 900 beats
        per minute, for small animals. All times of detection shrink by 300 / max_rate, and `fs` must be
        at least 99.5 Hz times max_rate / 300. With 900 a mouse's QRS complex at 600 beats per minute
        looks like a person's at 200.
        A rate within 10 % of `max_rate` sets quality bit 128: beats may be missed.

    Raises
    ------
    InputError
        If a parameter cannot be used.

    StateError
        By every method, while another call uses the detector; by `process`, after `flush`.

    Notes
    -----
    `flush` ends the stream: after it, `flush` returns nothing more, `process` raises `StateError`, and
    `reset` begins a new stream. A pickled or copied detector continues exactly where it was.

    Examples
    --------
    >>> from ecgfast import QRSDetector
    >>> from ecgfast.records import demo_record
    >>> record = demo_record()
    >>> detector = QRSDetector(record.fs, n_leads=record.signal.shape[1])
    >>> peaks = [*detector.process(record.signal), *detector.flush()]
    """

    cdef object quality_

    def __init__(self, fs, *, method="neural", max_delay=None, n_leads=1, max_rate=None, leads=None):
        cdef c.ecg_detector_config config
        cdef _Block block
        self.enter()
        try:
            n_leads = renamed_argument("QRSDetector", "leads", leads, "n_leads", n_leads, stacklevel=2)
            config = _detector_config(fs, n_leads, method, max_delay, max_rate)
            if config.method == c.ECG_EXTERNAL:
                raise InputError("the method 'external' is for BeatStream: nothing is left to detect")
            block = _Block(c.ecg_detector_size(&config))
            _check(c.ecg_detector_init(<c.ecg_detector *>block.at, block.size, &config))
            self.detector, self.block = config, block
            self.delay_ = c.ecg_detector_delay(<c.ecg_detector *>block.at)
            self.quality_, self.ended, self.ready = _GOOD, False, True
            self.watch = OffsetWatch(config.fs, config.n_leads)
        finally:
            self.end()

    def reset(self):
        """Forgets the past: the next sample is sample 0."""
        self.begin()
        try:
            _check(c.ecg_detector_init(<c.ecg_detector *>self.block.at, self.block.size, &self.detector))
            self.quality_, self.ended = _GOOD, False
            self.watch = OffsetWatch(self.detector.fs, self.detector.n_leads)
        finally:
            self.end()

    @property
    def delay(self):
        """Samples from an R peak to its report at most; the first, also after a bad stretch, may take 2.5 s."""
        self.check_ready()
        return self.delay_

    @property
    def count(self):
        """Samples processed so far."""
        self.begin()
        try:
            return c.ecg_detector_count(<c.ecg_detector *>self.block.at)
        finally:
            self.end()

    @property
    def quality(self):
        """Quality bits of the R peaks that the last `process` or `flush` returned, as in `BeatBatch`.

        `BeatStream` alone reports ventricular flutter.
        """
        self.begin()
        try:
            return self.quality_
        finally:
            self.end()

    def process(self, chunk):
        """Takes the next samples.

        Parameters
        ----------
        chunk : array_like of shape (n,) or (n, n_leads), Record, or iterable
            ECG in mV (any gain works); float32 in C order is not copied. The items of an iterable are
            numbers or chunks.

        Returns
        -------
        ndarray of int64, shape (k,)
            R peaks that can be reported now, in samples from the stream's start, ascending.

        Raises
        ------
        InputError
            If the samples cannot be used.
        StateError
            If the stream has ended.
        """
        self.begin()
        try:
            self.check_open(self.ended)
            return self.detected(chunk)
        finally:
            self.end()

    cdef object detected(self, object chunk):
        cdef _Samples samples = _Samples()
        samples.take(chunk, self.detector.n_leads, self.detector.fs, self.watch)
        cdef c.ecg_detector *detector = <c.ecg_detector *>self.block.at
        cdef c.ecg_qrs beats[ROWS]
        cdef size_t done = 0, found = 0, n_leads = self.detector.n_leads
        self.quality_ = _GOOD
        peaks = _EMPTY
        while True:
            with nogil:
                done += c.ecg_detector_process(detector, samples.at + done * n_leads,
                                               samples.n - done, beats, ROWS, &found)
            if found:
                peaks = self._add(peaks, beats, found)
            if done == samples.n and found < ROWS:
                return peaks

    def flush(self):
        """Ends the stream: decides what is still in doubt.

        Returns
        -------
        ndarray of int64, shape (k,)
            The R peaks that were still in doubt; none where the stream has ended already.
        """
        self.begin()
        try:
            return self.rest()
        finally:
            self.end()

    cdef object rest(self):
        cdef c.ecg_qrs beats[ROWS]
        cdef size_t found = ROWS
        self.quality_ = _GOOD
        peaks = _EMPTY
        while found and not self.ended:
            found = c.ecg_detector_flush(<c.ecg_detector *>self.block.at, beats, ROWS)
            if found:
                peaks = self._add(peaks, beats, found)
        self.ended = True
        self.watch.end()
        return peaks

    cdef object _add(self, object peaks, const c.ecg_qrs *beats, size_t n):
        """R peaks with `n` more; their quality bits go to `quality`."""
        more, bits = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.uint32)
        cdef int64_t[::1] r_out = more
        cdef uint32_t[::1] quality_out = bits
        cdef size_t i
        for i in range(n):
            r_out[i] = beats[i].sample
            quality_out[i] = beats[i].quality
        if not len(peaks):
            self.quality_ = bits
            return more
        self.quality_ = np.concatenate([self.quality_, bits])
        return np.concatenate([peaks, more])

    def __reduce__(self):
        self.begin()
        try:
            arguments = (self.fs, self.method, self.max_delay, self.n_leads, self.block.save(), bool(self.ended),
                         self.detector.max_rate or None, self.watch)
            return _restore_detector, arguments
        finally:
            self.end()


def _restore_detector(fs, method, max_delay, n_leads, snapshot, ended, max_rate, watch):
    cdef QRSDetector detector = QRSDetector(fs, method=method, max_delay=max_delay, n_leads=n_leads,
                                            max_rate=max_rate)
    detector.block.restore(snapshot)
    detector.ended, detector.watch = bool(ended), watch
    return detector
