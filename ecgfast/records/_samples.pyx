# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stored samples as physical values: the inner loops of the WFDB reader."""

__all__ = ["look_up", "unpack_212"]


def look_up(const short[:, :] digits, const float[::1] table, float[:] out):
    """Fill `out` row by row with what `table` holds for each digit, from -32768 on."""
    cdef Py_ssize_t i, j, at = 0, rows = digits.shape[0], width = digits.shape[1]
    if rows * width != out.shape[0] or table.shape[0] != 65536:
        raise ValueError("out or table differ in length")
    with nogil:
        for i in range(rows):
            for j in range(width):
                out[at] = table[digits[i, j] + 32768]
                at += 1


def unpack_212(const unsigned char[:] data, short[:] out):
    """Unpack pairs of 12-bit samples in three bytes; `out` takes as many samples as it holds."""
    cdef Py_ssize_t i, pairs = out.shape[0] // 2
    cdef unsigned int low, middle, high
    if (out.shape[0] * 3 + 1) // 2 > data.shape[0]:
        raise ValueError("out holds more samples than data")
    with nogil:
        for i in range(pairs):
            low, middle, high = data[3 * i], data[3 * i + 1], data[3 * i + 2]
            # Flipping the sign bit and subtracting its value extends the sign.
            out[2 * i] = <short>(<int>((low | (middle & 15) << 8) ^ 0x800) - 0x800)
            out[2 * i + 1] = <short>(<int>((high | (middle >> 4) << 8) ^ 0x800) - 0x800)
        if out.shape[0] % 2:
            low, middle = data[3 * pairs], data[3 * pairs + 1]
            out[2 * pairs] = <short>(<int>((low | (middle & 15) << 8) ^ 0x800) - 0x800)
