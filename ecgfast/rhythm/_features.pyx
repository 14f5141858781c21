# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Statistics of a window of RR intervals and P waves: the inner loops of `ecgfast.rhythm.atrial`."""

from libc.math cimport log, sqrt

import numpy as np

__all__ = ["median_height", "rr_statistics", "similarity_ranks", "wave_statistics"]

cdef enum:
    # Beats of a window.
    MOST = 48
    LAGS = 8
    # ms: intervals further apart are unequal (Petrenas 2015); cells of the map (Lian 2011).
    UNEQUAL_MS = 30
    CELL_MS = 25

# Two intervals match within this share of the median interval (sample entropy).
cdef double SIMILAR = 0.05


ctypedef fused number:
    double
    long long


cdef void _order(number *x, Py_ssize_t n) noexcept nogil:
    """Put up to 48 numbers in ascending order: insertion is the fastest way for so few."""
    cdef Py_ssize_t i, j
    cdef number one
    for i in range(1, n):
        one = x[i]
        j = i
        while j and x[j - 1] > one:
            x[j] = x[j - 1]
            j -= 1
        x[j] = one


cdef double _sum(const double *x, Py_ssize_t n) noexcept nogil:
    """Sum of up to 128 numbers in the order of NumPy: the same bits."""
    cdef double[8] part
    cdef double total = 0.0
    cdef Py_ssize_t i, k
    if n < 8:
        for i in range(n):
            total += x[i]
        return total
    for k in range(8):
        part[k] = x[k]
    i = 8
    while i < n - n % 8:
        for k in range(8):
            part[k] += x[i + k]
        i += 8
    total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]))
    while i < n:
        total += x[i]
        i += 1
    return total


def rr_statistics(const long long[::1] rr not None, double[::1] out not None):
    """The features of `rr_features`, but for the entropy of the RR intervals.

    Parameters
    ----------
    rr : ndarray of int64, shape (n,)
        3 to 48 intervals in ms.
    out : ndarray of float64, shape (len(RR_FEATURES),)
        Takes the features; the entropy is left as it is.

    Returns
    -------
    ndarray of int64
        Intervals in each cell of 25 ms from the shortest on, without empty cells.
    """
    cdef Py_ssize_t n = rr.shape[0], d = n - 1, i, j, lag, n_cells = 0, n_counts = 0
    cdef long long[MOST] ordered
    cdef long long[MOST] diff
    cdef long long[MOST] size
    cdef long long[MOST] cell
    cdef long long[MOST] counts
    cdef double[MOST] x
    cdef bint[MOST] similar
    cdef bint[MOST] before
    cdef double median, mean, squares = 0.0, least, least_median, share
    cdef long long pairs = 0, longer = 0, turns = 0, unequal, one
    cdef Py_ssize_t at
    if n < 3 or n > MOST:
        raise ValueError(f"3 to {MOST} intervals, got {n}")
    with nogil:
        for i in range(n):
            ordered[i] = rr[i]
        _order(ordered, n)
        median = <double>ordered[n // 2]
        for i in range(d):
            diff[i] = rr[i + 1] - rr[i]
            size[i] = diff[i] if diff[i] >= 0 else -diff[i]
            squares += <double>(diff[i] * diff[i])
            one = rr[i + 1] // CELL_MS * 1000000 + (diff[i] + 25000000) // CELL_MS
            j = 0
            while j < n_cells and cell[j] != one:
                j += 1
            if j == n_cells:
                cell[j] = one
                n_cells += 1
            if i and (diff[i] > 0) != (diff[i - 1] > 0) and diff[i] != 0 and diff[i - 1] != 0:
                turns += 1
        _order(size, d)
        for i in range(n):
            x[i] = <double>rr[i] / median
        mean = _sum(x, n) / n
        for i in range(n):
            x[i] -= mean
            x[i] *= x[i]

        one = -1
        for i in range(n):
            if (ordered[i] - ordered[0]) // CELL_MS != one:
                one = (ordered[i] - ordered[0]) // CELL_MS
                counts[n_counts] = 0
                n_counts += 1
            counts[n_counts - 1] += 1

        # Pairs of intervals that match, and of which the next ones match too.
        for i in range(n):
            for j in range(n):
                one = rr[i] - rr[j]
                similar[j] = <double>(one if one >= 0 else -one) < SIMILAR * median
            for j in range(d):
                if i < d:
                    pairs += similar[j]
                if i:
                    longer += before[j] and similar[j + 1]
            for j in range(n):
                before[j] = similar[j]
        pairs -= d
        longer -= d

        out[0] = log(<double>n)
        out[1] = log(median / 1000.0)
        out[2] = sqrt(squares / d) / median
        out[3] = sqrt(_sum(x, n) / n)
        out[4] = size[d // 10] / median
        out[5] = size[d // 4] / median
        out[6] = size[d // 2] / median
        out[7] = size[3 * d // 4] / median
        out[8] = (ordered[n - 1 - n // 10] - ordered[n // 10]) / median
        out[9] = (ordered[n - 1 - n // 4] - ordered[n // 4]) / median
        out[10] = <double>n_cells / d
        out[12] = -log(<double>(longer + 2) / (pairs + 4))
        out[13] = <double>turns / max(1, d - 1)
        least = least_median = 1e300
        for lag in range(1, LAGS + 1):
            if lag <= n - 2:
                unequal = 0
                for i in range(n - lag):
                    one = rr[i + lag] - rr[i]
                    size[i] = one if one >= 0 else -one
                    unequal += size[i] > UNEQUAL_MS
                _order(size, n - lag)
                share = <double>unequal / (n - lag)
                least_median = min(least_median, size[(n - lag) // 2] / median)
            out[13 + lag] = share
            least = min(least, share)
        out[22] = least
        out[23] = least_median
    return np.array([counts[i] for i in range(n_counts)], np.int64)


cdef double _middle(double *x, Py_ssize_t n, Py_ssize_t rank) noexcept nogil:
    """Item of this rank in ascending order; the numbers are put in order."""
    _order(x, n)
    return x[rank]


def wave_statistics(
    const float[:, :] waves not None,
    double[:, ::1] x not None,
    double[::1] norm not None,
    double[::1] template not None,
    double[::1] mean not None,
):
    """Median and mean of stretches of signal, and the size of each.

    Parameters
    ----------
    waves : ndarray of float32, shape (n, points)
        At most 48 stretches of at most 128 points.
    x : ndarray of float64, shape (n, points)
        Takes the same numbers.
    norm : ndarray of float64, shape (n,)
        Takes the root of the sum of squares of each stretch.
    template, mean : ndarray of float64, shape (points,)
        Take the median and the mean of each point.

    Returns
    -------
    power, norm, span : float
        Mean sum of squares, median `norm`, and difference of the extremes of `template`.
    """
    cdef Py_ssize_t n = waves.shape[0], points = waves.shape[1], i, k
    cdef double[MOST] column
    cdef double[MOST] power
    cdef double[128] squares
    cdef double total, least, most
    if n > MOST or points > 128:
        raise ValueError(f"at most {MOST} stretches of 128 points, got {n} of {points}")
    with nogil:
        for i in range(n):
            for k in range(points):
                x[i, k] = waves[i, k]
                squares[k] = x[i, k] * x[i, k]
            power[i] = _sum(squares, points)
            norm[i] = column[i] = sqrt(power[i])
        total = _middle(column, n, n // 2)
        for k in range(points):
            mean[k] = x[0, k]
            column[0] = x[0, k]
            for i in range(1, n):
                column[i] = x[i, k]
                mean[k] += x[i, k]
            template[k] = _middle(column, n, n // 2)
            mean[k] /= n
        least = most = template[0]
        for k in range(1, points):
            least = min(least, template[k])
            most = max(most, template[k])
    return _sum(power, n) / n, total, most - least


def similarity_ranks(
    const double[::1] products not None,
    const double[::1] norm not None,
    double length,
    double least,
):
    """Median and first quartile of the similarity of stretches to their template.

    Parameters
    ----------
    products, norm : ndarray of float64, shape (n,)
        Of each stretch with the template, and the size of the stretch.
    length, least : float
        The size of the template, and a number above 0 that is added to the product of the sizes.
    """
    cdef Py_ssize_t n = products.shape[0], i
    cdef double[MOST] similarity
    if n > MOST or norm.shape[0] != n:
        raise ValueError(f"at most {MOST} stretches, got {n}")
    for i in range(n):
        similarity[i] = products[i] / (norm[i] * length + least)
    _middle(similarity, n, 0)
    return similarity[n // 2], similarity[n // 4]


def median_height(const float[:, :] around not None):
    """Median over the rows of the difference between the largest and the smallest item.

    Parameters
    ----------
    around : ndarray of float32, shape (n, points)
        At most 48 rows.
    """
    cdef Py_ssize_t n = around.shape[0], i, k
    cdef double[MOST] height
    cdef float least, most
    if n > MOST:
        raise ValueError(f"at most {MOST} rows, got {n}")
    for i in range(n):
        least = most = around[i, 0]
        for k in range(1, around.shape[1]):
            least = min(least, around[i, k])
            most = max(most, around[i, k])
        height[i] = most - least
    return _middle(height, n, n // 2)
