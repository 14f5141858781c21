"""Lines of text, a sample each, as boards and pipes send them: numbers in, what is none counted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

import numpy as np
import numpy.typing as npt

__all__ = ["LineParser"]

_log = logging.getLogger(__name__)

# Bytes of a line at the most: a port at the wrong rate sends no line ends at all.
_LONGEST = 4096

# Seconds between two reports on malformed lines: a broken cable must not fill the log.
_REPORT_S = 10.0


class LineParser:
    """Bytes in, samples out: a line is a sample, its fields are the leads.

    Fields are separated by commas, semicolons or blanks. A first line of names is allowed. Once
    there was a line of numbers, every malformed one (words, another number of fields) takes the
    place of one sample, as NaN: time goes on, and the core treats it as a missing sample. An
    AD8232 sketch that sends ``!`` while an electrode is off thus says what it means.

    Parameters
    ----------
    name : str
        What the lines come from, for messages.
    clock : callable, default `time.monotonic`
        Seconds; tells when to report again.

    Attributes
    ----------
    names : tuple of str
        The first line, where it held names for the leads; empty otherwise.
    width : int
        Leads; zero before the first line of numbers.
    lines : int
        Lines so far.
    malformed : int
        Lines that held no sample; each is reported as a warning of the logger ``ecgfast``,
        at most every ten seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = monotonic) -> None:
        self.name = name
        self.names: tuple[str, ...] = ()
        self.width = 0
        self.lines = 0
        self.malformed = 0
        self._clock = clock
        self._rest = b""
        self._torn = False
        self._overlong = False
        self._told = 0
        self._tell_again = -np.inf

    def feed(self, piece: bytes) -> npt.NDArray[np.float32]:
        """Take the next bytes.

        Parameters
        ----------
        piece : bytes
            Any number, cut anywhere.

        Returns
        -------
        ndarray of float32, shape (k, leads)
            The samples whose lines are complete now.
        """
        *lines, rest = (self._rest + piece).split(b"\n")
        if lines and self._overlong:
            del lines[0]  # its beginning has been counted
            self._overlong = False
        if len(rest) > _LONGEST:
            if not self._overlong:
                lines.append(rest)
            self._overlong = True
            rest = b""
        self._rest = rest
        return self._samples(lines)

    def finish(self) -> npt.NDArray[np.float32]:
        """End the text: the samples of a last line without a line end, shape (0 or 1, leads)."""
        rest, self._rest = self._rest, b""
        return self._samples([rest] if rest.strip() else [])

    def tear(self) -> None:
        """Forget the line begun and the next one up to its end: bytes between them are missing."""
        self._rest = b""
        self._torn = True

    def _samples(self, lines: list[bytes]) -> npt.NDArray[np.float32]:
        rows: list[list[float]] = []
        for line in lines:
            self.lines += 1
            if self._torn:
                self._torn = False
                continue
            text = line.strip()
            if text:
                self._take(text, rows)
        return np.array(rows, np.float32).reshape(len(rows), self.width)

    def _take(self, text: bytes, rows: list[list[float]]) -> None:
        try:
            row = [float(field) for field in text.replace(b",", b" ").replace(b";", b" ").split()]
        except ValueError:
            row = []
        if row and len(row) == (self.width or len(row)):
            self.width = len(row)
            rows.append(row)
            return
        words = text[:_LONGEST].decode("utf-8", "replace")
        if not row and not self.width and not self.names and not self.malformed:
            self.names = tuple(name.strip() for name in words.replace(";", ",").split(","))
            return
        if self.width:
            rows.append([np.nan] * self.width)
        self._report(words, len(row))

    def _report(self, words: str, fields: int) -> None:
        self.malformed += 1
        now = self._clock()
        if now < self._tell_again:
            return
        what = f"has {fields} numbers, not {self.width}" if fields else "is no line of numbers"
        more = self.malformed - self._told - 1
        _log.warning(
            "%s, line %d: %r %s; counted as a missing sample%s",
            self.name,
            self.lines,
            words[:40],
            what,
            f", as were {more} lines before it" if more else "",
        )
        self._told = self.malformed
        self._tell_again = now + _REPORT_S
