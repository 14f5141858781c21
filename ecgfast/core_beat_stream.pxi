# The beat stream.


cdef enum:
    PIECES_A_SECOND = 4  # external R peaks are announced for so long at a time: 25 marks, the core holds 64


cdef class BeatStream(_Detecting):
    """Samples in, beats with their model inputs out.

    Parameters
    ----------
    fs : float
        Sampling rate, 99.5 to 2010 Hz.
    n_leads : int
        Leads in each chunk; R peaks are found on all of them.
    method : {"neural", "adaptive", "pan-tompkins", "external"}
        How R peaks are found; with ``"external"`` they come with the samples.
    max_delay : float, optional
        As for `QRSDetector`.
    lead : int
        The lead that the windows show, or the first of them.
    n_windows : int
        Leads of which windows are cut, from `lead` on. Each beat has a row for each of them
        (`BeatBatch.by_lead` separates them). More than one only for windows of the kind "beat".
    lookahead : {0, 1}
        1 waits for the next RR interval, which then is among the features.
    window : WindowSpec, optional
        The model's time grid.
    max_rate : float, optional
        As for `QRSDetector`; above 300 windows and features show time stretched by max_rate / 300.

    Raises
    ------
    InputError
        If a parameter cannot be used.
    StateError
        By every method, while another call uses the stream; by `process`, after `flush`.

    Notes
    -----
    `flush` ends the stream: after it, `flush` returns nothing more, `process` raises `StateError`, and
    `reset` begins a new stream. A pickled or copied stream continues exactly where it was.

    Examples
    --------
    >>> from ecgfast import BeatStream
    >>> from ecgfast.records import demo_record
    >>> record = demo_record()
    >>> stream = BeatStream(record.fs, n_leads=record.signal.shape[1])
    >>> beats = [*stream.process(record.signal).sample, *stream.flush().sample]
    """

    cdef c.ecg_window_config config
    cdef c.ecg_beat beats[ROWS]
    cdef object window_rows, feature_rows, nothing, marks
    cdef size_t next_mark, n_rows, capacity
    cdef int64_t last_mark

    def __init__(self, fs, *, n_leads=1, method="neural", max_delay=None, lead=0, n_windows=1, lookahead=0,
                 window=None, max_rate=None, leads=None):
        cdef c.ecg_detector_config detector
        cdef c.ecg_window_config config
        cdef _Block block
        cdef int status
        self.enter()
        try:
            n_leads = renamed_argument("BeatStream", "leads", leads, "n_leads", n_leads, stacklevel=2)
            detector = _detector_config(fs, n_leads, method, max_delay, max_rate)
            spec = _window_spec(window)
            config.grid_fs = spec.grid_fs
            config.before = spec.before
            config.after = spec.after
            config.lead = _whole(lead, "lead")
            config.lookahead = _whole(lookahead, "lookahead")
            config.kind = WINDOW_KINDS[spec.kind]
            config.history = spec.history - 1
            config.leads = _whole(n_windows, "n_windows")
            if config.leads < 1:
                raise InputError(f"n_windows must be at least 1, got {n_windows}")
            status = c.ecg_stream_check(&detector, &config)
            if status != c.ECG_OK:
                raise InputError(f"{c.ecg_status_text(status).decode()}: lead={lead} of {n_leads}, "
                                 f"n_windows={n_windows}, window={spec}, lookahead={lookahead}")
            block = _Block(c.ecg_stream_size(&detector, &config))
            _check(c.ecg_stream_init(<c.ecg_stream *>block.at, block.size, &detector, &config))
            shape = (ROWS, spec.before + spec.after, c.ecg_window_channels(&config))
            windows = np.empty(shape, dtype=np.float32)
            features = np.empty((ROWS, spec.history, len(FEATURE_NAMES)), dtype=np.float32)
            self.detector, self.config, self.block = detector, config, block
            self.window_rows, self.feature_rows = windows, features
            self.n_rows, self.capacity = <size_t>config.leads, ROWS // <size_t>config.leads
            self.nothing = self._batch(0)
            self.delay_ = c.ecg_stream_delay(<c.ecg_stream *>block.at)
            self.begin_anew()
            self.ready = True
        finally:
            self.end()

    def reset(self):
        """Forgets the past: the next sample is sample 0."""
        self.begin()
        try:
            _check(c.ecg_stream_init(<c.ecg_stream *>self.block.at, self.block.size, &self.detector,
                                     &self.config))
            self.begin_anew()
        finally:
            self.end()

    cdef int begin_anew(self) except -1:
        self.marks, self.next_mark, self.last_mark, self.ended = _EMPTY, 0, -1, False
        self.watch = OffsetWatch(self.detector.fs, self.detector.n_leads)

    @property
    def lead(self):
        """The lead that the windows show, or the first of them."""
        self.check_ready()
        return self.config.lead

    @property
    def n_windows(self):
        """Leads, from `lead` on, that the windows show."""
        self.check_ready()
        return self.config.leads

    @property
    def lookahead(self):
        """RR intervals that a beat waits for: 0 or 1."""
        self.check_ready()
        return self.config.lookahead

    @property
    def window(self):
        """What a model sees of each beat."""
        self.check_ready()
        return WindowSpec(self.config.grid_fs, self.config.before, self.config.after,
                          _KIND_NAMES[self.config.kind], self.config.history + 1)

    @property
    def delay(self):
        """Samples from an R peak to its batch at most; the first ones, also after a bad stretch, may take longer."""
        self.check_ready()
        return self.delay_

    @property
    def count(self):
        """Samples processed so far."""
        self.begin()
        try:
            return c.ecg_stream_count(<c.ecg_stream *>self.block.at)
        finally:
            self.end()

    def process(self, chunk, r_peaks=None):
        """Takes the next samples.

        Parameters
        ----------
        chunk : array_like of shape (n,) or (n, n_leads), Record, or iterable
            ECG in mV (any gain works); float32 in C order is not copied. The items of an iterable are
            numbers or chunks.
        r_peaks : array_like of int, optional
            With the method ``"external"``: R peaks not announced so far, in samples from the stream's
            start, ascending, at least 10 ms apart; those beyond this chunk wait for theirs.

        Returns
        -------
        BeatBatch
            The beats that are complete.

        Raises
        ------
        InputError
            If samples or R peaks cannot be used.
        StateError
            If the stream has ended.
        """
        self.begin()
        try:
            self.check_open(self.ended)
            return self.cut(chunk, r_peaks)
        finally:
            self.end()

    cdef object cut(self, object chunk, object r_peaks):
        cdef _Samples samples = _Samples()
        samples.take(chunk, self.detector.n_leads, self.detector.fs, self.watch)
        if r_peaks is not None:
            self._announce(r_peaks)
        cdef c.ecg_stream *stream = <c.ecg_stream *>self.block.at
        cdef float[:, :, ::1] windows = self.window_rows
        cdef float[:, :, ::1] features = self.feature_rows
        cdef size_t done = 0, found = 0, until = samples.n, n_leads = self.detector.n_leads
        cdef list parts = None
        while True:
            if self.detector.method == c.ECG_EXTERNAL:
                until = min(samples.n, done + <size_t>(self.detector.fs / PIECES_A_SECOND))
                self._announce_until(c.ecg_stream_count(stream) + <int64_t>(until - done))
            with nogil:
                done += c.ecg_stream_process(stream, samples.at + done * n_leads, until - done,
                                             self.beats, &windows[0, 0, 0], &features[0, 0, 0],
                                             self.capacity, &found)
            if done == samples.n and found < self.capacity:
                if parts is None:
                    return self._batch(found) if found else self.nothing
                parts.append(self._batch(found))
                return BeatBatch.concatenate(parts)
            if found:
                parts = parts or []
                parts.append(self._batch(found))

    def finish(self, chunk, r_peaks=None):
        """Takes the last samples, or all there are, and ends the stream.

        Parameters
        ----------
        chunk, r_peaks
            As in `process`.

        Returns
        -------
        BeatBatch
            What `process` and then `flush` return.

        Raises
        ------
        InputError, StateError
            As by these.

        Examples
        --------
        >>> from ecgfast import BeatStream
        >>> from ecgfast.records import demo_record
        >>> record = demo_record()
        >>> batch = BeatStream(record.fs, n_leads=record.signal.shape[1]).finish(record.signal)
        >>> len(batch)
        73
        """
        self.begin()
        try:
            self.check_open(self.ended)
            return BeatBatch.concatenate([self.cut(chunk, r_peaks), self.rest()])
        finally:
            self.end()

    def flush(self):
        """Ends the stream.

        Returns
        -------
        BeatBatch
            The beats that were still waiting for signal or context; none where the stream has ended
            already.

        Raises
        ------
        InputError
            If an announced R peak lies beyond the stream's end.
        """
        self.begin()
        try:
            return self.rest()
        finally:
            self.end()

    cdef object rest(self):
        if self.ended:
            return self.nothing
        cdef c.ecg_stream *stream = <c.ecg_stream *>self.block.at
        if self.next_mark < <size_t>len(self.marks):
            raise InputError(f"R peak at sample {self.marks[self.next_mark]} lies beyond the end of "
                             f"the signal at sample {c.ecg_stream_count(stream)}")
        cdef float[:, :, ::1] windows = self.window_rows
        cdef float[:, :, ::1] features = self.feature_rows
        cdef size_t found = self.capacity
        parts = []
        while found == self.capacity:
            found = c.ecg_stream_flush(stream, self.beats, &windows[0, 0, 0], &features[0, 0, 0],
                                       self.capacity)
            parts.append(self._batch(found))
        self.ended = True
        self.watch.end()
        return BeatBatch.concatenate(parts)

    cdef _announce(self, r_peaks):
        if self.detector.method != c.ECG_EXTERNAL:
            method = _METHOD_NAMES[self.detector.method]
            raise InputError(f"r_peaks go with the method 'external', not with {method!r}")
        marks = np.asarray(r_peaks)
        if marks.ndim != 1 or (marks.size and marks.dtype.kind not in "iu"):
            raise InputError("r_peaks must be integers in one dimension")
        marks = marks.astype(np.int64)
        if marks.size and marks.min() < 0:
            raise InputError(f"R peak at sample {marks.min()} lies before the signal")
        waiting = np.concatenate([self.marks[self.next_mark:], marks])
        gaps = np.diff(waiting, prepend=self.last_mark) if self.last_mark >= 0 else np.diff(waiting)
        close = np.flatnonzero(gaps < 0.01 * self.detector.fs)
        if len(close):
            at = waiting[close[0] + (self.last_mark < 0)]
            raise InputError(f"R peak at sample {at} is not at least 10 ms after the one before it")
        self.marks, self.next_mark = waiting, 0

    cdef _announce_until(self, int64_t before):
        cdef const int64_t[::1] marks = self.marks
        cdef size_t n = len(self.marks)
        while self.next_mark < n and marks[self.next_mark] < before:
            self.next_mark += 1  # also where it is refused: the error is raised once
            if c.ecg_stream_announce(<c.ecg_stream *>self.block.at, marks[self.next_mark - 1]) != c.ECG_OK:
                raise InputError(f"R peak at sample {marks[self.next_mark - 1]} comes too late: "
                                 f"{c.ecg_stream_count(<c.ecg_stream *>self.block.at)} samples have been "
                                 "processed")
            self.last_mark = marks[self.next_mark - 1]

    cdef object _batch(self, size_t found):
        cdef size_t n = found * self.n_rows
        sample, known_at = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        rr, quality = np.empty(n, dtype=np.float64), np.empty(n, dtype=np.uint32)
        cdef int64_t[::1] r_out = sample, known_out = known_at
        cdef double[::1] rr_out = rr
        cdef uint32_t[::1] quality_out = quality
        cdef size_t i
        for i in range(n):
            r_out[i] = self.beats[i].sample
            known_out[i] = self.beats[i].known_at
            rr_out[i] = self.beats[i].rr
            quality_out[i] = self.beats[i].quality
        features = self.feature_rows[:n] if self.config.history else self.feature_rows[:n, 0]
        return BeatBatch(sample, known_at, rr, self.window_rows[:n].copy(), features.copy(), quality)

    def __reduce__(self):
        self.begin()
        try:
            settings = dict(n_leads=self.n_leads, method=self.method, max_delay=self.max_delay, lead=self.lead,
                            n_windows=self.n_windows, lookahead=self.lookahead, window=tuple(self.window),
                            max_rate=self.detector.max_rate or None)
            waiting = self.marks[self.next_mark:].tolist()
            return _restore_stream, (self.fs, settings, self.block.save(), waiting, self.last_mark,
                                     bool(self.ended), self.watch)
        finally:
            self.end()


def _restore_stream(fs, settings, snapshot, waiting, last_mark, ended, watch):
    cdef BeatStream stream = BeatStream(fs, **settings)
    stream.block.restore(snapshot)
    stream.last_mark = last_mark
    if len(waiting):
        stream._announce(waiting)
    stream.ended, stream.watch = bool(ended), watch
    return stream
