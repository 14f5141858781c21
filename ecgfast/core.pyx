# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: embedsignature=True, embedsignature.format=python
"""The compiled layer: the C core's filter, detector and beat stream on NumPy arrays.

No algorithm lives here. Every object owns the state of one stream; work runs without the GIL, so that
several streams run in several threads, each object used by one thread at a time.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport int64_t, uint32_t, uintptr_t

cimport ecgfast.ccore as c

from dataclasses import dataclass
from operator import index
from typing import NamedTuple

import numpy as np

from ecgfast.errors import InputError

FEATURE_NAMES = tuple(c.ecg_feature_name(i).decode() for i in range(c.ECG_FEATURES))
FORMS = {"beat": c.ECG_FORM_BEAT, "cycle": c.ECG_FORM_CYCLE, "strip": c.ECG_FORM_STRIP}
METHODS = {"adaptive": c.ECG_ADAPTIVE, "pan-tompkins": c.ECG_PAN_TOMPKINS}
cdef dict _ALL_METHODS = {**METHODS, "given": c.ECG_GIVEN}

cdef enum:
    ROWS = 256        # beats taken from the core at a time
    PIECES_A_SECOND = 4  # given R peaks are announced for so long at a time: 25 marks, the core holds 64

cdef object _EMPTY = np.empty(0, dtype=np.int64)
_EMPTY.flags.writeable = False
cdef object _GOOD = np.empty(0, dtype=np.uint32)
_GOOD.flags.writeable = False


class WindowSpec(NamedTuple):
    """What a model sees of each beat.

    Attributes
    ----------
    grid_fs : float
        Points a second, Hz.
    before : int
        Points before the R peak.
    after : int
        Points from the R peak on, the R peak included.
    form : {"beat", "cycle", "strip"}
        ``"beat"``: the beat and, as a second channel, the patient's running dominant beat, in
        running QRS sizes. ``"cycle"``: 1.2 running RR intervals from R on, scaled to 0..1, then
        zeros (Kachuee et al., 2018); `before` is 0, up to 2 s. ``"strip"``: up to 10.5 s before R
        and 1 s after, in running QRS sizes. In beat and strip the usual deflection is upright.
    history : int
        Beats whose features a row holds, 1 to 64: this one last, the oldest first, zeros before
        the first beat. Of earlier beats the next RR interval is known.
    """

    grid_fs: float = 125.0
    before: int = 44
    after: int = 28
    form: str = "beat"
    history: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class BeatBatch:
    """Beats with the inputs of a model, one row each.

    Attributes
    ----------
    r_sample : ndarray of int64, shape (n,)
        R peaks, in samples from the stream's start.
    known_at : ndarray of int64, shape (n,)
        Samples that had been seen when the beat was complete.
    rr : ndarray of float64, shape (n,)
        RR interval to the previous beat in seconds; NaN on the first beat.
    windows : ndarray of float32, shape (n, points, channels)
        As `WindowSpec` says. Of a beat window channel 0 is the beat, channel 1 the patient's running
        dominant beat; the other forms have one channel.
    features : ndarray of float32, shape (n, len(FEATURE_NAMES)) or (n, history, len(FEATURE_NAMES))
        RR and morphology features, dimensionless or in seconds; the second shape where the history
        is longer than one beat.
    quality : ndarray of uint32, shape (n,)
        Bits: 1 gap, 2 flat, 4 saturated, 8 noisy, 16 learning, 32 doubtful,
        64 ventricular flutter or fibrillation; 0 is good.
    """

    r_sample: object
    known_at: object
    rr: object
    windows: object
    features: object
    quality: object

    def __len__(self):
        return len(self.r_sample)

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

    cdef restore(self, bytes snapshot):
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

    cdef int take(self, object chunk, int leads) except -1:
        if not self.borrow(chunk, leads):
            if not self.borrow(_converted(chunk, leads), leads):
                raise InputError("cannot read the chunk as float32 samples")
        return 0

    cdef int borrow(self, object chunk, int leads) except -1:
        if not PyObject_CheckBuffer(chunk):
            return 0
        try:
            PyObject_GetBuffer(chunk, &self.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return 0
        self.held = 1
        cdef const char *kind = self.view.format
        cdef bint usable = kind != NULL and kind[0] == b"f" and kind[1] == 0 and (
            (self.view.ndim == 1 and leads == 1)
            or (self.view.ndim == 2 and self.view.shape[1] == leads))
        if not usable:
            PyBuffer_Release(&self.view)
            self.held = 0
            return 0
        self.at = <const float *>self.view.buf
        self.n = <size_t>self.view.shape[0]
        return 1


def _array(values):
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        raise InputError("samples must be real numbers in an array, all rows of one length") from None


def _converted(chunk, leads):
    """The chunk as float32 of shape (n, leads), or an error that says what is wrong with it."""
    array = _array(chunk)
    if array.dtype.kind not in "fiub":
        got = f"an array of {array.dtype}" if hasattr(chunk, "dtype") else type(chunk).__name__
        raise InputError(f"samples must be real numbers in an array, got {got}")
    if array.ndim == 0 and leads == 1:
        array = array.reshape(1)
    if array.ndim == 1 and (leads == 1 or array.size == 0):
        array = array.reshape(-1, leads)
    if array.ndim != 2 or array.shape[1] != leads:
        expected = "(n,) or (n, 1)" if leads == 1 else f"(n, {leads})"
        raise InputError(f"samples must have the shape {expected}, got {array.shape}")
    with np.errstate(over="ignore"):  # beyond float32 is infinite: a gap
        return np.ascontiguousarray(array, dtype=np.float32)


cdef int _check(int status) except -1:
    if status != c.ECG_OK:
        raise InputError(c.ecg_status_text(status).decode())
    return 0


cdef c.ecg_detector_config _detector_config(fs, leads, method, max_delay) except *:
    cdef c.ecg_detector_config config
    if not isinstance(method, str) or method not in _ALL_METHODS:
        raise InputError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    config.fs = _number(fs, "fs")
    config.max_delay = 0.0 if max_delay is None else _number(max_delay, "max_delay")
    config.leads = _whole(leads, "leads")
    config.method = _ALL_METHODS[method]
    config.keep = 0.0
    cdef int status = c.ecg_detector_check(&config)
    if status != c.ECG_OK:
        raise InputError(
            f"{c.ecg_status_text(status).decode()}: fs={fs}, leads={leads}, max_delay={max_delay}")
    return config


def _number(value, name):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}") from None


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
            f"window must be (grid_fs, before, after, form, history), got {window!r}") from None
    if not isinstance(spec.form, str) or spec.form not in FORMS:
        raise InputError(f"unknown form of window {spec.form!r}: choose one of {', '.join(FORMS)}")
    return WindowSpec(_number(spec.grid_fs, "grid_fs"), _whole(spec.before, "before"),
                      _whole(spec.after, "after"), spec.form, _whole(spec.history, "history"))


cdef class BandpassFilter:
    """Streaming Butterworth band-pass of fourth order (two second-order sections).

    Parameters
    ----------
    fs : float
        Sampling rate, Hz.
    low, high : float
        Edges (-3 dB), Hz; 0 < low < high < fs / 2.

    Raises
    ------
    InputError
        If the band does not fit the sampling rate.
    """

    cdef c.ecg_bandpass filter
    cdef readonly double fs
    cdef readonly double low
    cdef readonly double high

    def __init__(self, fs, low=5.0, high=15.0):
        self.fs, self.low, self.high = _number(fs, "fs"), _number(low, "low"), _number(high, "high")
        cdef int status = c.ecg_bandpass_init(&self.filter, self.fs, self.low, self.high)
        if status != c.ECG_OK:
            raise InputError(f"{c.ecg_status_text(status).decode()}: fs={fs}, low={low}, high={high}")

    @property
    def delay(self):
        """Group delay at the band's centre, in samples."""
        return self.filter.delay

    def reset(self):
        """Forgets the past: the next sample is the first."""
        c.ecg_bandpass_reset(&self.filter)

    def process(self, chunk, out=None):
        """Filters the next samples.

        Parameters
        ----------
        chunk : array_like, shape (n,)
            Samples in any unit; a sample that is not finite repeats the last finite one.
        out : ndarray of float32, shape (n,), optional
            Where the result goes; may be `chunk` itself.

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        cdef _Samples samples = _Samples()
        samples.take(chunk, 1)
        if out is None:
            out = np.empty(samples.n, dtype=np.float32)
        elif not isinstance(out, np.ndarray):
            raise InputError(f"out must be an array, got {type(out).__name__}")
        elif (out.dtype != np.float32 or out.shape != (samples.n,) or not out.flags.c_contiguous
              or not out.flags.writeable):
            raise InputError(f"out must be writeable, contiguous float32 of shape ({samples.n},), "
                             f"got {out.dtype} of shape {out.shape}")
        cdef float[::1] result = out
        if samples.n:
            with nogil:
                c.ecg_bandpass_process(&self.filter, samples.at, &result[0], samples.n)
        return out


cdef class QRSDetector:
    """Finds R peaks in a stream, causally.

    Parameters
    ----------
    fs : float
        Sampling rate, 100 to 2000 Hz; fractional rates too.
    method : {"adaptive", "pan-tompkins"}
        ``"adaptive"`` lets doubtful candidates wait for context and is the most accurate;
        ``"pan-tompkins"`` is the algorithm of Pan and Tompkins (IEEE Trans. Biomed. Eng. 32(3), 1985),
        made streaming, and is the fastest.
    max_delay : float, optional
        Seconds from an R peak to its report at the most, at least 0.35.
    leads : int
        Leads in each chunk.

    Raises
    ------
    InputError
        If a parameter cannot be used.

    Attributes
    ----------
    quality : ndarray of uint32, shape (k,)
        Quality bits of the R peaks that the last `process` or `flush` returned, as in `BeatBatch`;
        ventricular flutter is told by `BeatStream` alone.
    """

    cdef _Block block
    cdef c.ecg_detector_config config
    cdef readonly double fs
    cdef readonly str method
    cdef readonly object max_delay
    cdef readonly int leads
    cdef readonly object quality

    def __init__(self, fs, *, method="adaptive", max_delay=None, leads=1):
        self.config = _detector_config(fs, leads, method, max_delay)
        if self.config.method == c.ECG_GIVEN:
            raise InputError("the method 'given' is for BeatStream: nothing is left to detect")
        self.fs, self.method, self.max_delay, self.leads = fs, method, max_delay, leads
        self.block = _Block(c.ecg_detector_size(&self.config))
        self.reset()

    def reset(self):
        """Forgets the past: the next sample is sample 0."""
        _check(c.ecg_detector_init(<c.ecg_detector *>self.block.at, self.block.size, &self.config))
        self.quality = _GOOD

    @property
    def delay(self):
        """Samples from an R peak to its report at the most; the first, also after a bad stretch, may take 2.5 s."""
        return c.ecg_detector_delay(<c.ecg_detector *>self.block.at)

    @property
    def count(self):
        """Samples processed so far."""
        return c.ecg_detector_count(<c.ecg_detector *>self.block.at)

    def process(self, chunk):
        """Takes the next samples.

        Parameters
        ----------
        chunk : array_like, shape (n,) or (n, leads)
            ECG in mV (any gain works); float32 in C order is not copied.

        Returns
        -------
        ndarray of int64, shape (k,)
            R peaks that can be reported now, in samples from the stream's start, ascending.
        """
        cdef _Samples samples = _Samples()
        samples.take(chunk, self.leads)
        cdef c.ecg_detector *detector = <c.ecg_detector *>self.block.at
        cdef c.ecg_qrs beats[ROWS]
        cdef size_t done = 0, found = 0
        self.quality = _GOOD
        peaks = _EMPTY
        while True:
            with nogil:
                done += c.ecg_detector_process(detector, samples.at + done * self.leads,
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
        """
        cdef c.ecg_qrs beats[ROWS]
        cdef size_t found
        self.quality = _GOOD
        peaks = _EMPTY
        while True:
            found = c.ecg_detector_flush(<c.ecg_detector *>self.block.at, beats, ROWS)
            if not found:
                return peaks
            peaks = self._add(peaks, beats, found)

    cdef object _add(self, object peaks, const c.ecg_qrs *beats, size_t n):
        """R peaks with `n` more; their quality bits go to `quality`."""
        more, bits = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.uint32)
        cdef int64_t[::1] r_out = more
        cdef uint32_t[::1] quality_out = bits
        cdef size_t i
        for i in range(n):
            r_out[i] = beats[i].r_sample
            quality_out[i] = beats[i].quality
        if not len(peaks):
            self.quality = bits
            return more
        self.quality = np.concatenate([self.quality, bits])
        return np.concatenate([peaks, more])

    def __reduce__(self):
        return _restore_detector, (self.fs, self.method, self.max_delay, self.leads, self.block.save())


def _restore_detector(fs, method, max_delay, leads, snapshot):
    cdef QRSDetector detector = QRSDetector(fs, method=method, max_delay=max_delay, leads=leads)
    detector.block.restore(snapshot)
    return detector


def detect_qrs(signal, fs, *, method="adaptive", max_delay=None):
    """R peaks of a whole signal: exactly what a stream returns for it, however it is cut.

    Parameters
    ----------
    signal : array_like, shape (n,) or (n, leads)
        ECG in mV (any gain works).
    fs : float
        Sampling rate, 100 to 2000 Hz.
    method, max_delay
        As for `QRSDetector`.

    Returns
    -------
    ndarray of int64, shape (k,)
        Sample indices, ascending.

    Raises
    ------
    InputError
        If the signal or a parameter cannot be used.
    """
    signal = _array(signal)
    shape = signal.shape
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] < 1):
        raise InputError(f"signal must have the shape (n,) or (n, leads), got {shape}")
    detector = QRSDetector(fs, method=method, max_delay=max_delay,
                           leads=1 if len(shape) == 1 else shape[1])
    return np.concatenate([detector.process(signal), detector.flush()])


cdef class BeatStream:
    """The fused path: samples in, beats with their model inputs out.

    Parameters
    ----------
    fs : float
        Sampling rate, 100 to 2000 Hz.
    leads : int
        Leads in each chunk; all serve the detection.
    method : {"adaptive", "pan-tompkins", "given"}
        How R peaks are found; with ``"given"`` they come with the samples.
    max_delay : float, optional
        As for `QRSDetector`.
    lead : int
        The lead that the windows show.
    lookahead : {0, 1}
        1 waits for the next RR interval, which then is among the features.
    window : WindowSpec, optional
        The model's time grid.

    Raises
    ------
    InputError
        If a parameter cannot be used.
    """

    cdef _Block block
    cdef c.ecg_detector_config detector
    cdef c.ecg_window_config config
    cdef c.ecg_beat beats[ROWS]
    cdef object window_rows, feature_rows, nothing, marks
    cdef size_t next_mark
    cdef int64_t last_mark
    cdef readonly double fs
    cdef readonly str method
    cdef readonly object max_delay
    cdef readonly object window
    cdef readonly int leads
    cdef readonly int lead
    cdef readonly int lookahead

    def __init__(self, fs, *, leads=1, method="adaptive", max_delay=None, lead=0, lookahead=0,
                 window=None):
        self.detector = _detector_config(fs, leads, method, max_delay)
        self.fs, self.method, self.max_delay = fs, method, max_delay
        self.leads = leads
        self.lead, self.lookahead = _whole(lead, "lead"), _whole(lookahead, "lookahead")
        self.window = _window_spec(window)
        self.config.grid_fs = self.window.grid_fs
        self.config.before = self.window.before
        self.config.after = self.window.after
        self.config.lead = self.lead
        self.config.lookahead = self.lookahead
        self.config.form = FORMS[self.window.form]
        self.config.history = self.window.history - 1
        cdef int status = c.ecg_stream_check(&self.detector, &self.config)
        if status != c.ECG_OK:
            raise InputError(f"{c.ecg_status_text(status).decode()}: lead={lead} of {leads}, "
                             f"window={self.window}, lookahead={lookahead}")
        self.block = _Block(c.ecg_stream_size(&self.detector, &self.config))
        points = self.window.before + self.window.after
        channels = c.ecg_window_channels(&self.config)
        self.window_rows = np.empty((ROWS, points, channels), dtype=np.float32)
        self.feature_rows = np.empty((ROWS, self.window.history, len(FEATURE_NAMES)), dtype=np.float32)
        self.nothing = self._batch(0)
        self.reset()

    def reset(self):
        """Forgets the past: the next sample is sample 0."""
        _check(c.ecg_stream_init(<c.ecg_stream *>self.block.at, self.block.size, &self.detector,
                                 &self.config))
        self.marks, self.next_mark, self.last_mark = _EMPTY, 0, -1

    @property
    def delay(self):
        """Samples from an R peak to its batch at the most; the first ones, also after a bad stretch, may take longer."""
        return c.ecg_stream_delay(<c.ecg_stream *>self.block.at)

    @property
    def count(self):
        """Samples processed so far."""
        return c.ecg_stream_count(<c.ecg_stream *>self.block.at)

    def process(self, chunk, r_peaks=None):
        """Takes the next samples.

        Parameters
        ----------
        chunk : array_like, shape (n,) or (n, leads)
            ECG in mV (any gain works); float32 in C order is not copied.
        r_peaks : array_like of int, optional
            With the method ``"given"``: R peaks not announced so far, in samples from the stream's
            start, ascending, at least 10 ms apart; those beyond this chunk wait for theirs.

        Returns
        -------
        BeatBatch
            The beats that are complete.

        Raises
        ------
        InputError
            If samples or R peaks cannot be used.
        """
        cdef _Samples samples = _Samples()
        samples.take(chunk, self.leads)
        if r_peaks is not None:
            self._announce(r_peaks)
        cdef c.ecg_stream *stream = <c.ecg_stream *>self.block.at
        cdef float[:, :, ::1] windows = self.window_rows
        cdef float[:, :, ::1] features = self.feature_rows
        cdef size_t done = 0, found = 0, until = samples.n
        cdef list parts = None
        while True:
            if self.method == "given":
                until = min(samples.n, done + <size_t>(self.fs / PIECES_A_SECOND))
                self._give(c.ecg_stream_count(stream) + <int64_t>(until - done))
            with nogil:
                done += c.ecg_stream_process(stream, samples.at + done * self.leads, until - done,
                                             self.beats, &windows[0, 0, 0], &features[0, 0, 0], ROWS,
                                             &found)
            if done == samples.n and found < ROWS:
                if parts is None:
                    return self._batch(found) if found else self.nothing
                parts.append(self._batch(found))
                return BeatBatch.concatenate(parts)
            if found:
                parts = parts or []
                parts.append(self._batch(found))

    def flush(self):
        """Ends the stream.

        Returns
        -------
        BeatBatch
            The beats that were still waiting for signal or context.

        Raises
        ------
        InputError
            If an announced R peak lies beyond the stream's end.
        """
        cdef c.ecg_stream *stream = <c.ecg_stream *>self.block.at
        if self.next_mark < <size_t>len(self.marks):
            raise InputError(f"R peak at sample {self.marks[self.next_mark]} lies beyond the end of "
                             f"the signal at sample {c.ecg_stream_count(stream)}")
        cdef float[:, :, ::1] windows = self.window_rows
        cdef float[:, :, ::1] features = self.feature_rows
        cdef size_t found = ROWS
        parts = []
        while found == ROWS:
            found = c.ecg_stream_flush(stream, self.beats, &windows[0, 0, 0], &features[0, 0, 0], ROWS)
            parts.append(self._batch(found))
        return BeatBatch.concatenate(parts)

    cdef _announce(self, r_peaks):
        if self.method != "given":
            raise InputError(f"r_peaks go with the method 'given', not with {self.method!r}")
        marks = np.asarray(r_peaks)
        if marks.ndim != 1 or (marks.size and marks.dtype.kind not in "iu"):
            raise InputError("r_peaks must be integers in one dimension")
        marks = marks.astype(np.int64)
        if marks.size and marks.min() < 0:
            raise InputError(f"R peak at sample {marks.min()} lies before the signal")
        waiting = np.concatenate([self.marks[self.next_mark:], marks])
        gaps = np.diff(waiting, prepend=self.last_mark) if self.last_mark >= 0 else np.diff(waiting)
        close = np.flatnonzero(gaps < 0.01 * self.fs)
        if len(close):
            at = waiting[close[0] + (self.last_mark < 0)]
            raise InputError(f"R peak at sample {at} is not at least 10 ms after the one before it")
        self.marks, self.next_mark = waiting, 0

    cdef _give(self, int64_t before):
        cdef const int64_t[::1] marks = self.marks
        cdef size_t n = len(self.marks)
        while self.next_mark < n and marks[self.next_mark] < before:
            self.next_mark += 1  # also where it is refused: the error is told once
            if c.ecg_stream_give(<c.ecg_stream *>self.block.at, marks[self.next_mark - 1]) != c.ECG_OK:
                raise InputError(f"R peak at sample {marks[self.next_mark - 1]} comes too late: "
                                 f"{self.count} samples have been processed")
            self.last_mark = marks[self.next_mark - 1]

    cdef object _batch(self, size_t n):
        r_sample, known_at = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        rr, quality = np.empty(n, dtype=np.float64), np.empty(n, dtype=np.uint32)
        cdef int64_t[::1] r_out = r_sample, known_out = known_at
        cdef double[::1] rr_out = rr
        cdef uint32_t[::1] quality_out = quality
        cdef size_t i
        for i in range(n):
            r_out[i] = self.beats[i].r_sample
            known_out[i] = self.beats[i].known_at
            rr_out[i] = self.beats[i].rr
            quality_out[i] = self.beats[i].quality
        features = self.feature_rows[:n, 0] if self.window.history == 1 else self.feature_rows[:n]
        return BeatBatch(r_sample, known_at, rr, self.window_rows[:n].copy(), features.copy(), quality)

    def __reduce__(self):
        settings = dict(leads=self.leads, method=self.method, max_delay=self.max_delay, lead=self.lead,
                        lookahead=self.lookahead, window=tuple(self.window))
        waiting = self.marks[self.next_mark:].tolist()
        return _restore_stream, (self.fs, settings, self.block.save(), waiting, self.last_mark)


def _restore_stream(fs, settings, snapshot, waiting, last_mark):
    cdef BeatStream stream = BeatStream(fs, **settings)
    stream.block.restore(snapshot)
    stream.marks = np.asarray(waiting, dtype=np.int64)
    stream.last_mark = last_mark
    return stream
