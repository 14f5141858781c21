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

from operator import index

import numpy as np

from ecgfast.beat_batch import BeatBatch
from ecgfast.deprecated import renamed_argument, warn_renamed
from ecgfast.errors import InputError, StateError
from ecgfast.inputs import OffsetWatch, looks_transposed, real_array, real_number, samples_of, single_precision
from ecgfast.window import WindowSpec

FEATURE_NAMES = tuple(c.ecg_feature_name(i).decode() for i in range(c.ECG_FEATURES))
WINDOW_KINDS = {"beat": c.ECG_WINDOW_BEAT, "cycle": c.ECG_WINDOW_CYCLE, "strip": c.ECG_WINDOW_STRIP}
METHODS = {"neural": c.ECG_NEURAL, "adaptive": c.ECG_ADAPTIVE, "pan-tompkins": c.ECG_PAN_TOMPKINS}
FS_MIN, RATE_MAX, RATE_MAX_ANIMALS = c.ECG_FS_MIN, c.ECG_RATE_MAX, c.ECG_RATE_MAX_ANIMALS
cdef dict _ALL_METHODS = {**METHODS, "external": c.ECG_EXTERNAL}
cdef dict _KIND_NAMES = {number: name for name, number in WINDOW_KINDS.items()}
cdef dict _METHOD_NAMES = {number: name for name, number in _ALL_METHODS.items()}

cdef enum:
    ROWS = 256  # beats taken from the core at a time

cdef object _ndarray = np.ndarray
cdef object _EMPTY = np.empty(0, dtype=np.int64)
_EMPTY.flags.writeable = False
cdef object _GOOD = np.empty(0, dtype=np.uint32)
_GOOD.flags.writeable = False

# Included rather than imported: they share C types, and one extension is smaller and faster to load than six.
include "core_state.pxi"
include "core_samples.pxi"
include "core_config.pxi"
include "core_bandpass.pxi"
include "core_detector.pxi"
include "core_beat_stream.pxi"
