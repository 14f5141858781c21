# The samples of a chunk, as the C core reads them.


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

    cdef int take(self, object chunk, int n_leads, double fs, object watch=None) except -1:
        if not self.borrow(chunk, n_leads):
            if not self.borrow(_converted(chunk, n_leads, fs, watch), n_leads):
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


def _converted(chunk, n_leads, fs, watch):
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
    if watch is not None:
        watch.take(array)
    return single_precision(array)
