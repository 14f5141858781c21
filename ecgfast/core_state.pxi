# What every class of `core.pyx` holds: memory for its state, and a flag that lets one call at a time in.


cdef int _check(int status) except -1:
    if status != c.ECG_OK:
        raise InputError(c.ecg_status_text(status).decode())
    return 0


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
