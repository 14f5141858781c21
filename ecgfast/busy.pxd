# One call at a time: the flag that every compiled class with a state has.
cdef extern from *:
    """
    #ifndef ECG_USE_FLAG
    #define ECG_USE_FLAG
    /* Taken by an atomic exchange: right with the GIL and without. */
    #if defined(_MSC_VER)
    #include <intrin.h>
    typedef volatile long ecg_use_flag;
    static int ecg_use_begin(ecg_use_flag *flag) { return _InterlockedExchange(flag, 1) == 0; }
    static void ecg_use_end(ecg_use_flag *flag) { _InterlockedExchange(flag, 0); }
    #else
    typedef int ecg_use_flag;
    static int ecg_use_begin(ecg_use_flag *flag) { return !__atomic_exchange_n(flag, 1, __ATOMIC_ACQUIRE); }
    static void ecg_use_end(ecg_use_flag *flag) { __atomic_store_n(flag, 0, __ATOMIC_RELEASE); }
    #endif
    #endif
    """
    ctypedef int ecg_use_flag
    bint ecg_use_begin(ecg_use_flag *flag) nogil
    void ecg_use_end(ecg_use_flag *flag) nogil
