# Codes of labels. V and S are also their bits in `Scan.flags`.
cdef enum:
    OTHER = 0
    V = 1
    S = 2
    FUSION = 3
    WAVE = 4
    UNKNOWN = 5
