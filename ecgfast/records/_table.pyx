# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows of numbers and times in text, as doubles: the inner loop of the text reader."""

from libc.math cimport NAN

__all__ = ["NUMBER", "SKIP", "TIME", "parse_rows"]

NUMBER, TIME, SKIP = 0, 1, 2

# A cell that is a number has at most so many characters.
cdef enum:
    LONGEST = 400

cdef double[23] POWERS
for _i in range(23):
    POWERS[_i] = 10.0 ** _i


cdef inline bint _is_digit(unsigned char c) noexcept nogil:
    return 48 <= c <= 57


cdef inline unsigned char _lower(unsigned char c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef bint _missing(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    """Whether a cell says that there is no value: nothing, -, nan, na, n/a, null, none, inf."""
    cdef unsigned char a, b, c, d
    if n == 0:
        return True
    if n > 9:
        return False
    if n == 1:
        return p[0] in (45, 33, 63)  # - ! ?
    if n == 2 and p[0] == 45 and p[1] == 45:
        return True  # --
    if p[0] in (43, 45):
        p += 1
        n -= 1
    a, b = _lower(p[0]), _lower(p[1]) if n > 1 else 0
    c, d = _lower(p[2]) if n > 2 else 0, _lower(p[3]) if n > 3 else 0
    if n == 2:
        return a == 110 and b == 97  # na
    if n == 3:
        return (a == 110 and b == 97 and c == 110) or (a == 110 and b == 47 and c == 97) or (
            a == 105 and b == 110 and c == 102)  # nan, n/a, inf
    if n == 4:
        return a == 110 and ((b == 117 and c == 108 and d == 108) or (b == 111 and c == 110 and d == 101))
    return n == 8 and a == 105 and b == 110 and c == 102  # infinity


cdef bint _spreadsheet_error(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    """Whether a line is one word such as #N/A, #NUM! or #NAME?: capitals, / or 0, and a mark."""
    cdef Py_ssize_t i
    if not 4 <= n <= 8 or not (p[n - 1] in (33, 63) or (n == 4 and p[2] == 47)):
        return False
    for i in range(1, n - 1):
        if not (65 <= p[i] <= 90 or p[i] == 47 or p[i] == 48):
            return False
    return True


cdef int _slow(const unsigned char *p, Py_ssize_t n, unsigned char decimal, double *out) except -2 with gil:
    """Convert a cell that the fast way cannot; 1 if it is a number, 0 if none."""
    cdef char[LONGEST + 1] text
    cdef Py_ssize_t i
    if n > LONGEST:
        return 0
    for i in range(n):
        text[i] = <char>(46 if p[i] == decimal else p[i])
        if not (_is_digit(p[i]) or p[i] in (43, 45, 69, 101) or p[i] == decimal):
            return 0
    text[n] = 0
    try:
        out[0] = float(text[:n])
    except ValueError:
        return 0
    return 1


cdef int _number(const unsigned char *p, Py_ssize_t n, unsigned char decimal, double *out) except -2 nogil:
    """Convert a cell; 1 if it is a number, 0 if none."""
    cdef const unsigned char *at = p
    cdef const unsigned char *end = p + n
    cdef unsigned long long mantissa = 0
    cdef int digits = 0, fraction = 0, exponent = 0, esign = 1
    cdef bint negative = False, any_digit = False
    cdef double value
    if at < end and at[0] in (43, 45):
        negative = at[0] == 45
        at += 1
    while at < end and _is_digit(at[0]):
        mantissa = mantissa * 10 + (at[0] - 48)
        digits += mantissa != 0
        any_digit = True
        at += 1
        if digits > 18:
            return _slow(p, n, decimal, out)
    if at < end and at[0] == decimal:
        at += 1
        while at < end and _is_digit(at[0]):
            mantissa = mantissa * 10 + (at[0] - 48)
            digits += mantissa != 0
            any_digit = True
            fraction += 1
            at += 1
            if digits > 18:
                return _slow(p, n, decimal, out)
    if not any_digit:
        return 0
    if at < end and at[0] in (69, 101):
        at += 1
        if at < end and at[0] in (43, 45):
            esign = -1 if at[0] == 45 else 1
            at += 1
        if at == end:
            return 0
        while at < end and _is_digit(at[0]):
            exponent = min(exponent * 10 + (at[0] - 48), 9999)
            at += 1
    if at != end:
        return 0
    exponent = esign * exponent - fraction
    # Exact: mantissa and power of ten are both doubles without rounding.
    if mantissa >= <unsigned long long>1 << 53 or exponent > 22 or exponent < -22:
        return _slow(p, n, decimal, out)
    value = <double>mantissa
    value = value * POWERS[exponent] if exponent >= 0 else value / POWERS[-exponent]
    out[0] = -value if negative else value
    return 1


cdef double _days(long long y, long long m, long long d) noexcept nogil:
    """Days since 1970-01-01 of a date in the Gregorian calendar."""
    cdef long long era, yoe, doy
    y -= m <= 2
    era = (y if y >= 0 else y - 399) // 400
    yoe = y - era * 400
    doy = (153 * (m + (-3 if m > 2 else 9)) + 2) // 5 + d - 1
    return <double>(era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468)


cdef int _month(const unsigned char *p, Py_ssize_t n) noexcept nogil:
    """The month that three letters begin, 1 to 12; 0 if they are no month's."""
    cdef const char *names = b"janfebmaraprmayjunjulaugsepoctnovdec"
    cdef int i
    if n < 3:
        return 0
    for i in range(12):
        if _lower(p[0]) == names[3 * i] and _lower(p[1]) == names[3 * i + 1] and (
                _lower(p[2]) == names[3 * i + 2]):
            return i + 1
    return 0


cdef Py_ssize_t _after_days(const unsigned char *p, Py_ssize_t n, long long *days) noexcept nogil:
    """Return where what follows "3 days" or "1 day," begins, and the days; 0 if there is none."""
    cdef Py_ssize_t at = 0
    days[0] = 0
    while at < n and at < 6 and _is_digit(p[at]):
        days[0] = days[0] * 10 + (p[at] - 48)
        at += 1
    if not at or n - at < 6 or p[at] != 32:
        return 0
    if _lower(p[at + 1]) != 100 or _lower(p[at + 2]) != 97 or _lower(p[at + 3]) != 121:
        return 0
    at += 4
    if at < n and _lower(p[at]) == 115:
        at += 1
    if at < n and p[at] == 44:
        at += 1
    while at < n and p[at] == 32:
        at += 1
    return at


cdef int _time(const unsigned char *p, Py_ssize_t n, bint day_first, double *out) noexcept nogil:
    """Convert a time, a date, or both, to seconds (since 1970 with a date); 1 if it is one."""
    cdef long long[12] value
    cdef int[12] width
    cdef unsigned char[12] sep
    cdef int groups = 0, i = 0, k
    cdef double fraction = 0, scale, seconds = 0, day = 0
    cdef bint timed = False, dated = False, after_noon = False, noon = False
    cdef int zone_sign = 0, month, named = -1
    cdef long long y, m, d, zone = 0
    cdef Py_ssize_t at = 0
    cdef unsigned char c
    if n > 64:
        return 0
    at = _after_days(p, n, &m)
    if at:  # a time difference, as pandas and Python write it: 0 days 00:00:00.004
        if not (at < n and _is_digit(p[at])) or not _time(p + at, n - at, False, out):
            return 0
        out[0] += 86400.0 * m
        return 1
    while at < n:
        c = p[at]
        if not _is_digit(c):
            if c == 91 and groups:  # [Europe/Berlin]
                n = at
                break
            month = _month(p + at, n - at) if named < 0 and groups < 2 else 0
            if month:
                at += 3
                named = groups
                value[groups], width[groups] = month, 2
                sep[groups] = p[at] if at < n else 0
                groups += 1
                continue
            c = _lower(c)
            if c == 112 or c == 97:  # pm, am
                noon = True
                after_noon = c == 112
            # The last five: blanks that do not break, in UTF-8.
            elif c not in (116, 122, 109, 32, 91, 93, 45, 43, 47, 46, 44, 58, 95, 117, 99, 103,
                           194, 160, 226, 128, 175):
                return 0
            at += 1
            continue
        if groups == 12:
            return 0
        # A number after the seconds' point is their fraction.
        if groups and sep[groups - 1] in (46, 44) and groups >= 2 and sep[groups - 2] == 58:
            scale = 0.1
            while at < n and _is_digit(p[at]):
                fraction += scale * (p[at] - 48)
                scale *= 0.1
                at += 1
            if at < n and p[at] in (43, 45) and at + 2 < n:
                zone_sign = 1 if p[at] == 43 else -1
            sep[groups - 1] = p[at] if at < n else 0
            if sep[groups - 1] in (46, 44, 58):
                return 0
        else:
            value[groups], width[groups] = 0, 0
            while at < n and _is_digit(p[at]):
                value[groups] = value[groups] * 10 + (p[at] - 48)
                width[groups] += 1
                at += 1
                if width[groups] > 9:
                    return 0
            sep[groups] = p[at] if at < n else 0
            groups += 1
    if groups < 2:
        return 0
    if width[0] == 8 and width[1] == 6 and groups <= 3 and sep[0] not in (46, 44):
        # 20240506T235940.004
        y, m, d = value[0] // 10000, value[0] // 100 % 100, value[0] % 100
        if not (1 <= m <= 12 and 1 <= d <= 31) or value[1] // 100 % 100 > 59 or value[1] % 100 > 59:
            return 0
        if groups == 3:
            fraction = value[2] / POWERS[width[2]]
        seconds = value[1] // 10000 * 3600 + value[1] // 100 % 100 * 60 + value[1] % 100
        out[0] = _days(y, m, d) * 86400.0 + seconds + fraction
        return 1
    while i < groups:
        if sep[i] == 58 and not timed:
            k = 0
            seconds = 0
            while i < groups and k < 3:
                if k and value[i] > 59:
                    return 0
                seconds = seconds * 60 + value[i]
                k += 1
                i += 1
                if sep[i - 1] != 58:
                    break
            if i and sep[i - 1] == 58:  # 23:59:40:004
                if i >= groups or width[i] != 3 or fraction != 0 or sep[i] in (46, 44, 58):
                    return 0
                fraction = value[i] / 1000.0
                i += 1
            timed = True
            # What follows a time after a sign, as +01:00, is its zone.
            if i < groups and dated and sep[i - 1] in (43, 45, 32) and width[i] in (2, 4):
                zone = value[i] * 60 if width[i] == 2 else value[i] // 100 * 60 + value[i] % 100
                if i + 1 < groups and width[i] == 2:
                    zone += value[i + 1]
                for k in range(n):
                    if k > 10 and p[k] in (43, 45):
                        zone_sign = 1 if p[k] == 43 else -1
                i = groups
        elif not dated and i + 2 < groups and 0 <= named - i < 2:
            y, m, d = value[i + 2], value[named], value[i + 1 if named == i else i]
            if width[i + 2] != 4 or not 1 <= d <= 31:
                return 0
            day = _days(y, m, d)
            dated = True
            i += 3
        elif not dated and i + 2 < groups and sep[i] in (45, 47, 46) and sep[i + 1] == sep[i]:
            if width[i] == 4:
                y, m, d = value[i], value[i + 1], value[i + 2]
            elif day_first or value[i] > 12:
                y, m, d = value[i + 2], value[i + 1], value[i]
            else:
                y, m, d = value[i + 2], value[i], value[i + 1]
            if y < 100:
                y += 2000 if y < 70 else 1900
            if not (1 <= m <= 12 and 1 <= d <= 31):
                return 0
            day = _days(y, m, d)
            dated = True
            i += 3
        else:
            return 0
    if not timed and not dated:
        return 0
    if noon and timed:
        if after_noon and seconds < 43200:
            seconds += 43200
        elif not after_noon and seconds >= 43200:
            seconds -= 43200
    out[0] = day * 86400.0 + seconds + fraction - zone_sign * zone * 60
    return 1


def parse_rows(
    const unsigned char[::1] data not None,
    int separator,
    int decimal,
    const signed char[::1] kinds not None,
    double[:, ::1] out not None,
    bint last,
    bint day_first=False,
):
    """Parse lines of text into rows of doubles.

    Parameters
    ----------
    data : bytes
        Text in UTF-8 or any encoding that keeps ASCII; lines end with ``\\n`` or ``\\r\\n``.
    separator, decimal : int
        ASCII codes of what parts cells and of the decimal mark; separator 0 for blanks.
    kinds : array of int8, shape (columns,)
        What each column is: NUMBER, TIME (a date, a time of day or both, in seconds) or SKIP.
    out : array of double, shape (rows, columns)
        Takes the rows; NaN where a cell says that there is no value, or is skipped.
    last : bool
        Whether a last line without its end is one.
    day_first : bool
        Whether 3/4/2024 is in April.

    Returns
    -------
    rows : int
        Rows written.
    used : int
        Bytes of the lines that are done with.
    lines : int
        How many lines those are, blank ones and comments included.
    cells : int
        0, or the number of cells of the next line, which could not be taken.
    cell : (int, int)
        Begin and end of the cell in that line which is none, in `data`; (0, 0) if its number of
        cells is wrong.
    """
    cdef Py_ssize_t size = data.shape[0], at = 0, rows = 0, lines = 0
    cdef Py_ssize_t end, a, b, cell_begin = 0, cell_end = 0, next_at
    cdef Py_ssize_t n_columns = kinds.shape[0], capacity = out.shape[0]
    cdef Py_ssize_t column
    cdef int status = 0
    cdef const unsigned char *p
    cdef unsigned char quote
    cdef bint bad
    cdef double value
    if size == 0:
        return 0, 0, 0, 0, (0, 0)
    p = &data[0]
    with nogil:
        while at < size and rows < capacity:
            end = at
            while end < size and p[end] != 10:
                end += 1
            if end == size and not last:
                break
            next_at = end + 1 if end < size else end
            while end > at and (p[end - 1] == 13 or p[end - 1] == 32):
                end -= 1
            a = at
            while a < end and p[a] == 32:
                a += 1
            if separator == 0:
                while a < end and p[a] == 9:
                    a += 1
                while end > a and p[end - 1] in (9, 32):
                    end -= 1
            # Blank, # or %; but not an error of a spreadsheet, which is a sample.
            if a == end or p[a] == 37 or (p[a] == 35 and not _spreadsheet_error(p + a, end - a)):
                at = next_at
                lines += 1
                continue
            column = 0
            bad = False
            cell_begin = cell_end = 0
            while a <= end:
                # One cell: blanks and quotes around it are none of it.
                while a < end and p[a] == 32:
                    a += 1
                quote = p[a] if a < end and p[a] in (34, 39) else 0
                if quote:
                    b = a + 1
                    while b < end and p[b] != quote:
                        b += 1
                    cell_begin, cell_end = a + 1, b
                    if b < end:
                        b += 1
                    while b < end and p[b] != separator and not (separator == 0 and p[b] in (9, 32)):
                        b += 1
                else:
                    b = a
                    if separator == 0 and b < end and p[b] == 91:  # [: up to ]
                        while b < end and p[b] != 93:
                            b += 1
                        if b < end:
                            b += 1
                    elif separator == 0:
                        while b < end and p[b] != 32 and p[b] != 9:
                            b += 1
                    else:
                        while b < end and p[b] != separator:
                            b += 1
                    cell_begin, cell_end = a, b
                while cell_end > cell_begin and p[cell_end - 1] in (32, 9):
                    cell_end -= 1
                while cell_begin < cell_end and p[cell_begin] in (32, 9):
                    cell_begin += 1
                if column >= n_columns:
                    # A separator at the end of the line opens no cell.
                    if not (column == n_columns and b == end and cell_begin == cell_end):
                        column += 1
                else:
                    value = NAN
                    if kinds[column] == 2 or _missing(p + cell_begin, cell_end - cell_begin):
                        pass
                    elif kinds[column] == 0:
                        status = _number(p + cell_begin, cell_end - cell_begin, decimal, &value)
                        bad = status == 0
                    else:
                        bad = not _time(p + cell_begin, cell_end - cell_begin, day_first, &value)
                    if bad:
                        break
                    out[rows, column] = value
                    column += 1
                if b >= end:
                    break
                a = b + 1
                if separator == 0:
                    while a < end and p[a] in (9, 32):
                        a += 1
            if bad:
                break
            if column != n_columns:
                cell_begin = cell_end = 0
                bad = True
                break
            rows += 1
            lines += 1
            at = next_at
        else:
            bad = False
            column = 0
    if at < size and rows < capacity and bad:
        return rows, at, lines, max(1, column), (cell_begin, cell_end)
    return rows, at, lines, 0, (0, 0)
