# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: embedsignature=True, embedsignature.format=python
"""The compiled layer: the C core's filter, detector and beat stream on NumPy arrays.

No algorithm lives here. Every object owns the state of one stream; work runs without the GIL, so that
several streams run in several threads. One object serves one call at a time: a second call meanwhile,
from another thread or from code that the first one runs, raises `StateError` at once and changes nothing.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport int64_t, uint32_t, uintptr_t

cimport ecgfast.ccore as c
from ecgfast.busy cimport ecg_use_begin, ecg_use_end, ecg_use_flag

from dataclasses import dataclass
from operator import index

import numpy as np

from ecgfast.deprecated import renamed_argument, warn_renamed
from ecgfast.errors import InputError, StateError
from ecgfast.inputs import looks_transposed, real_array, real_number, samples_of, single_precision
from ecgfast.window import WindowSpec

FEATURE_NAMES = tuple(c.ecg_feature_name(i).decode() for i in range(c.ECG_FEATURES))
WINDOW_KINDS = {"beat": c.ECG_WINDOW_BEAT, "cycle": c.ECG_WINDOW_CYCLE, "strip": c.ECG_WINDOW_STRIP}
METHODS = {"neural": c.ECG_NEURAL, "adaptive": c.ECG_ADAPTIVE, "pan-tompkins": c.ECG_PAN_TOMPKINS}
FS_MIN, RATE_MAX, RATE_MAX_ANIMALS = c.ECG_FS_MIN, c.ECG_RATE_MAX, c.ECG_RATE_MAX_ANIMALS
cdef dict _ALL_METHODS = {**METHODS, "external": c.ECG_EXTERNAL}
cdef dict _KIND_NAMES = {number: name for name, number in WINDOW_KINDS.items()}
cdef dict _METHOD_NAMES = {number: name for name, number in _ALL_METHODS.items()}

cdef enum:
    ROWS = 256        # beats taken from the core at a time
    PIECES_A_SECOND = 4  # external R peaks are announced for so long at a time: 25 marks, the core holds 64

cdef object _ndarray = np.ndarray
cdef object _EMPTY = np.empty(0, dtype=np.int64)
_EMPTY.flags.writeable = False
cdef object _GOOD = np.empty(0, dtype=np.uint32)
_GOOD.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class BeatBatch:
    """Beats with the inputs of a model, one row each; of several leads, one row for each lead of each.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        R peaks, in samples from the stream's start.
    known_at : ndarray of int64, shape (n,)
        Samples that had been seen when the beat was complete.
    rr : ndarray of float64, shape (n,)
        RR interval to the previous beat in seconds; NaN on the first beat.
    windows : ndarray of float32, shape (n, points, channels)
        As `WindowSpec` says. Of a beat window channel 0 is the beat, channel 1 the patient's running
        dominant beat; the other kinds have one channel.
    features : ndarray of float32, shape (n, len(FEATURE_NAMES)) or (n, history, len(FEATURE_NAMES))
        RR and morphology features, dimensionless or in seconds; the second shape where the history
        is longer than one beat.
    quality : ndarray of uint32, shape (n,)
        Bits: 1 gap, 2 flat, 4 saturated, 8 noisy, 16 learning, 32 doubtful,
        64 ventricular flutter or fibrillation, 128 a heart rate within 10 % of the highest that can be
        found; 0 is good.
    """

    sample: object
    known_at: object
    rr: object
    windows: object
    features: object
    quality: object

    def __len__(self):
        return len(self.sample)

    @property
    def r_sample(self):
        """Deprecated: `sample`."""
        warn_renamed("BeatBatch.r_sample", "BeatBatch.sample", stacklevel=2)
        return self.sample

    @classmethod
    def concatenate(cls, batches):
        """One batch of several, in order.

        Parameters
        ----------
        batches : sequence of BeatBatch
            At least one.
        """
        batches = list(batches)
        if len(batches) == 1:
            return batches[0]
        return cls(*(
            np.concatenate([getattr(batch, name) for batch in batches])
            for name in cls.__dataclass_fields__
        ))

    def by_lead(self, n_windows):
        """The rows of each lead, of a stream that cuts the windows of several.

        Parameters
        ----------
        n_windows : int
            As the stream has it.

        Returns
        -------
        list of BeatBatch
            As many, with views of these arrays.
        """
        return [
            BeatBatch(*(getattr(self, name)[lead::n_windows] for name in self.__dataclass_fields__))
            for lead in range(n_windows)
        ]


cdef class _Block:
    """A zeroed, aligned piece of memory for one state."""

    cdef void *raw
    cdef void *at
    cdef size_t size

    def __cinit__(self, size_t size):
        self.raw = PyMem_RawCalloc(1, size + c.ECG_ALIGNMENT)
        if self.raw == NULL:
            raise MemoryError(f"no memory for a stream's state of {size} bytes")
        self.at = <void *>((<uintptr_t>self.raw + c.ECG_ALIGNMENT - 1)
                           & ~<uintptr_t>(c.ECG_ALIGNMENT - 1))
        self.size = size

    def __dealloc__(self):
        PyMem_RawFree(self.raw)

    cdef bytes save(self):
        cdef bytes snapshot = PyBytes_FromStringAndSize(NULL, self.size + c.ECG_SNAPSHOT_EXTRA)
        c.ecg_snapshot_save(self.at, self.size, PyBytes_AS_STRING(snapshot))
        return snapshot

    cdef restore(self, object snapshot):
        if type(snapshot) is not bytes:
            raise InputError(f"a snapshot is bytes, got {type(snapshot).__name__}")
        _check(c.ecg_snapshot_restore(self.at, self.size, PyBytes_AS_STRING(snapshot), len(snapshot)))


cdef class _Samples:
    """A chunk as C-contiguous float32, borrowed where it is that already."""

    cdef Py_buffer view
    cdef int held
    cdef const float *at
    cdef size_t n

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef bint overlap(self, const float *other) noexcept:
        """Do as many floats from `other` on touch these samples."""
        return other < self.at + self.n and self.at < other + self.n

    cdef int take(self, object chunk, int n_leads, double fs) except -1:
        if not self.borrow(chunk, n_leads):
            if not self.borrow(_converted(chunk, n_leads, fs), n_leads):
                raise InputError("cannot read the chunk as float32 samples")
        return 0

    cdef int borrow(self, object chunk, int n_leads) except -1:
        # The buffer of a masked array, as of other subclasses, is not all that it says.
        if not PyObject_CheckBuffer(chunk) or (
                type(chunk) is not _ndarray and isinstance(chunk, _ndarray)):
            return 0
        try:
            PyObject_GetBuffer(chunk, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return 0
        self.held = 1
        cdef const char *kind = self.view.format
        cdef bint usable = kind != NULL and kind[0] == b"f" and kind[1] == 0 and (
            <uintptr_t>self.view.buf % sizeof(float) == 0) and (
            (self.view.ndim == 1 and n_leads == 1)
            or (self.view.ndim == 2 and self.view.shape[1] == n_leads))
        if not usable:
            PyBuffer_Release(&self.view)
            self.held = 0
            return 0
        self.at = <const float *>self.view.buf
        self.n = <size_t>self.view.shape[0]
        return 1


def _converted(chunk, n_leads, fs):
    """The chunk as float32 of shape (n, n_leads), or an error that says what is wrong with it."""
    array = real_array(samples_of(chunk, n_leads, fs))
    if array.ndim == 0 and n_leads == 1:
        array = array.reshape(1)
    if array.ndim == 1 and (n_leads == 1 or array.size == 0):
        array = array.reshape(-1, n_leads)
    if array.ndim != 2 or array.shape[1] != n_leads:
        expected = "(n,) or (n, 1)" if n_leads == 1 else f"(n, {n_leads})"
        turned = array.ndim == 2 and array.shape[0] == n_leads and looks_transposed(array.shape)
        hint = ": it looks transposed, pass signal.T" if turned else ""
        raise InputError(f"samples must have the shape {expected}, got {array.shape}{hint}")
    return single_precision(array)


cdef int _check(int status) except -1:
    if status != c.ECG_OK:
        raise InputError(c.ecg_status_text(status).decode())
    return 0


cdef c.ecg_detector_config _detector_config(fs, n_leads, method, max_delay, max_rate) except *:
    cdef c.ecg_detector_config config
    if isinstance(method, str) and method == "given":
        warn_renamed("method='given'", "method='external'", stacklevel=2)
        method = "external"
    if not isinstance(method, str) or method not in _ALL_METHODS:
        raise InputError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    config.fs = real_number(fs, "fs")
    config.max_delay = 0.0 if max_delay is None else real_number(max_delay, "max_delay")
    config.n_leads = _whole(n_leads, "n_leads")
    config.method = _ALL_METHODS[method]
    config.keep = 0.0
    config.max_rate = 0.0 if max_rate is None else real_number(max_rate, "max_rate")
    if max_rate is not None and config.max_rate == 0.0:
        config.max_rate = -1.0  # 0 stands for the default in the core alone
    cdef int status = c.ecg_detector_check(&config)
    if status != c.ECG_OK:
        # Only what the status is about: the caller may not have given the others.
        given = {
            c.ECG_ERROR_FS: f"fs={config.fs:g}",
            c.ECG_ERROR_LEADS: f"n_leads={n_leads}",
            c.ECG_ERROR_DELAY: f"max_delay={config.max_delay:g}",
            c.ECG_ERROR_RATE: f"max_rate={float(max_rate or 0):g}",
        }.get(status, "")
        moves = {c.ECG_ERROR_FS: "multiplies these limits", c.ECG_ERROR_DELAY: "divides this limit"}
        if config.max_rate not in (0.0, c.ECG_RATE_MAX) and status in moves:
            given += (f"; max_rate={config.max_rate:g} {moves[status]} by "
                      f"{config.max_rate / c.ECG_RATE_MAX:g}")
        raise InputError(f"{c.ecg_status_text(status).decode()}: {given}")
    return config


cdef class _Exclusive:
    """What every class here has: a flag that lets one call at a time in."""

    cdef ecg_use_flag used
    cdef bint ready  # has __init__ come to its end

    cdef int enter(self) except -1:
        if not ecg_use_begin(&self.used):
            raise StateError(
                f"this {type(self).__name__} is in use by another call: use it from one thread at a "
                "time, or give each thread its own")
        return 0

    cdef int begin(self) except -1:
        self.check_ready()
        return self.enter()

    cdef int check_ready(self) except -1:
        if not self.ready:
            raise StateError(f"this {type(self).__name__} was never initialised: make it by calling "
                             f"the class, and call super().__init__ where it has one of its own")
        return 0

    cdef void end(self) noexcept:
        ecg_use_end(&self.used)

    cdef int check_open(self, bint ended) except -1:
        if ended:
            raise StateError("the stream ended with flush(): call reset() to begin a new one")
        return 0


def _whole(value, name):
    try:
        number = index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, got {value!r}") from None
    if not -(1 << 31) <= number < 1 << 31:
        raise InputError(f"{name}={number} is out of range")
    return number


def _window_spec(window):
    if window is None:
        return WindowSpec()
    try:
        grid_fs, before, after, *rest = window
        spec = WindowSpec(grid_fs, before, after, *rest)
    except (TypeError, ValueError):
        raise InputError(
            f"window must be (grid_fs, before, after, kind, history), got {window!r}") from None
    if not isinstance(spec.kind, str) or spec.kind not in WINDOW_KINDS:
        raise InputError(f"unknown kind of window {spec.kind!r}: choose one of {', '.join(WINDOW_KINDS)}")
    return WindowSpec(real_number(spec.grid_fs, "grid_fs"), _whole(spec.before, "before"),
                      _whole(spec.after, "after"), spec.kind, _whole(spec.history, "history"))


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


cdef class _Detecting(_Exclusive):
    """What a detector and a beat stream share: the block of their state, and how R peaks are found."""

    cdef _Block block
    cdef c.ecg_detector_config detector
    cdef int64_t delay_
    cdef bint ended

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
        ``"neural"`` scores the ECG with a small network and is the most robust: other hospitals,
        devices and leads, noise, pauses; ``"adaptive"`` compares candidates with the patient's own
        levels and shape, in a sixth of the time;
        ``"pan-tompkins"`` is the algorithm of Pan and Tompkins (IEEE Trans. Biomed. Eng. 32(3), 1985),
        made streaming, and is the fastest.
    max_delay : float, optional
        Seconds from an R peak to its report at most, at least 0.35.
    n_leads : int
        Leads in each chunk.
    max_rate : float, optional
        Beats a minute that can be found, 300 to 900; 300, the most of a human heart, by default. For
        small animals: all times of detection shrink by 300 / max_rate, so that a mouse's QRS complex at
        600 a minute looks like a person's at 200; `fs` must be at least 99.5 Hz times max_rate / 300.
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
        finally:
            self.end()

    def reset(self):
        """Forgets the past: the next sample is sample 0."""
        self.begin()
        try:
            _check(c.ecg_detector_init(<c.ecg_detector *>self.block.at, self.block.size, &self.detector))
            self.quality_, self.ended = _GOOD, False
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
        samples.take(chunk, self.detector.n_leads, self.detector.fs)
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
                         self.detector.max_rate or None)
            return _restore_detector, arguments
        finally:
            self.end()


def _restore_detector(fs, method, max_delay, n_leads, snapshot, ended=False, max_rate=None):
    cdef QRSDetector detector = QRSDetector(fs, method=method, max_delay=max_delay, n_leads=n_leads,
                                            max_rate=max_rate)
    detector.block.restore(snapshot)
    detector.ended = bool(ended)
    return detector


cdef class BeatStream(_Detecting):
    """The fused path: samples in, beats with their model inputs out.

    Parameters
    ----------
    fs : float
        Sampling rate, 99.5 to 2010 Hz.
    n_leads : int
        Leads in each chunk; all serve the detection.
    method : {"neural", "adaptive", "pan-tompkins", "external"}
        How R peaks are found; with ``"external"`` they come with the samples.
    max_delay : float, optional
        As for `QRSDetector`.
    lead : int
        The lead that the windows show, or the first of them.
    n_windows : int
        How many leads' windows are cut: with more than one, each beat has so many rows, lead after lead
        (`BeatBatch.by_lead` parts them), which are those of a stream for each lead. For windows of the
        kind "beat" alone.
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

    cdef void begin_anew(self):
        self.marks, self.next_mark, self.last_mark, self.ended = _EMPTY, 0, -1, False

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
        samples.take(chunk, self.detector.n_leads, self.detector.fs)
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
            arguments = (self.fs, settings, self.block.save(), waiting, self.last_mark)
            return _restore_stream, (*arguments, True) if self.ended else arguments
        finally:
            self.end()


def _restore_stream(fs, settings, snapshot, waiting, last_mark, ended=False):
    cdef BeatStream stream = BeatStream(fs, **settings)
    stream.block.restore(snapshot)
    stream.last_mark = last_mark
    if len(waiting):
        stream._announce(waiting)
    stream.ended = bool(ended)
    return stream
