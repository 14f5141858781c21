"""The clock or the counter in a board's lines: where it leaps, samples were lost on the way."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from math import inf, isnan

import numpy as np
import numpy.typing as npt

from ..records.clock_order import WRAPS
from ..records.clocks import count_for

__all__ = ["LineClock", "lines_of_packet"]

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

# Share of steps by one from which a column counts samples, and of steps by nothing from which the
# lines of a packet share a stamp.
_COUNTER, _SHARED = 0.9, 0.3

# Samples by which a stamp is late before it counts as a leap; of a clock whose steps differ by more
# than half of a sample, seconds: there a late line and a lost one look alike.
_LATE, _UNEVEN, _UNEVEN_LATE_S = 0.75, 0.5, 0.5

# Lines after a leap that have to go on from it: a damaged stamp, or a line that came late, is none.
_STAY = 4

# Seconds of lines that are remembered: one that comes again, or after later ones, is known by them.
_REMEMBERED_S = 2.0

# A longer leap is a clock that was set, or more than should be filled at once.
_LONGEST_GAP_S = 7200.0

# A counter of one byte wraps here, a time of day at midnight.
_BYTE = 1 << 8
_DAY_S = 86_400.0


class LineClock:
    """Puts missing samples where the stamps of lines leap.

    Parameters
    ----------
    stamps : ndarray, shape (n,)
        Those of the first lines.
    fs : float
        Sampling rate, Hz.
    name : str
        What the lines come from, for messages.
    may_be_lost : callable
        Whether so many seconds can be missing where the stamps leap, or the clock was set.

    Attributes
    ----------
    usable : bool
        Whether the stamps rise as samples at about this rate do: else nothing is filled.
    lost : int
        Samples counted as lost so far.
    gaps : int
        Leaps so far.
    repeated : int
        Lines that were left out so far: they had come before, or came after later ones, when they
        had been counted as lost.
    """

    def __init__(
        self,
        stamps: Floats,
        fs: float,
        name: str,
        may_be_lost: Callable[[float], bool] = lambda _: True,
    ) -> None:
        self._may_be_lost = may_be_lost
        self.lost = self.gaps = self.repeated = 0
        self._name, self._fs = name, fs
        self._before: float | None = None
        self._largest = -inf
        self._unstamped = 0  # lines without a stamp since then
        self._went_back = False
        self._wrap = 0.0  # where it wraps, once it has
        self._held: tuple[Floats, npt.NDArray[np.float32]] | None = None
        steps = np.diff(stamps[np.isfinite(stamps)])
        rising = steps[steps > 0]
        counter = len(steps) > 0 and float((steps == 1.0).mean()) > _COUNTER
        packet_lines = lines_of_packet(stamps)
        count = 1.0 / fs if counter else count_for(stamps, fs)
        if packet_lines:
            counter, count = True, packet_lines / fs
        self.usable = count is not None and len(rising) > 0
        if count is None or not len(rising):
            return
        shared = float((steps == 0).mean()) > _SHARED
        packet = max(1.0, float(np.median(rising)) * count * fs) if shared else 1.0
        self._packet: float = packet
        usual = rising[rising <= 1.8 * np.median(rising)]
        period = float(usual.mean()) * count * fs / self._packet
        # A rate that is not the given one is reported elsewhere, and is no loss.
        self._per_count = count * fs / (period if abs(period - 1.0) > 0.1 else 1.0)
        uneven = np.percentile(np.abs(usual * self._per_count / self._packet - 1.0), 95) > _UNEVEN
        self._least = _UNEVEN_LATE_S * fs if uneven else max(_LATE, 0.5 * self._packet)
        self._uneven = bool(uneven)
        # Stamps and rows that were given out last, and whether they were filled.
        self._memory: deque[tuple[Floats, npt.NDArray[np.float32], bool]] = deque()
        self._remembered = 0
        self._counter = counter
        self._wraps: tuple[float, ...] = (*((_BYTE, *WRAPS) if counter else WRAPS), _DAY_S / count)
        self._near = 100.0 * float(np.median(rising))

    def fill(
        self, stamps: Floats, rows: npt.NDArray[np.float32], *, last: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the rows with missing ones where the stamps leap.

        Parameters
        ----------
        stamps : ndarray, shape (n,)
            NaN for a line that was malformed.
        rows : ndarray, shape (n, n_leads)
        last : bool, default False
            Whether no more will come. Else up to four lines after a leap are held back.
        """
        if not self.usable:
            return rows
        if self._held is not None:
            stamps = np.concatenate([self._held[0], stamps])
            rows = np.concatenate([self._held[1], rows])
            self._held = None
        if not len(stamps):
            return rows
        if self._before is not None and not self._unstamped:
            steps = np.diff(stamps, prepend=self._before) * self._per_count
            if self._in_row(stamps, steps):
                self._before = float(stamps[-1])
                self._largest = max(self._largest, self._before)
                self._remember(stamps, rows)
                return rows
        parts: list[npt.NDArray[np.float32]] = []
        begin = noted = 0
        for i, stamp in enumerate(stamps.tolist()):
            if isnan(stamp):
                self._unstamped += 1
                continue
            step = self._packet if self._before is None else self._step(stamp)
            late = step - self._packet - self._unstamped
            if step <= 0 or late > self._least:
                self._remember(stamps[noted:i], rows[noted:i])
                noted = i
                if self._came_before(stamp, rows[i], step):
                    parts.append(rows[begin:i])
                    begin = noted = i + 1
                    self.repeated += 1
                    continue
            if late > self._least or step < 0:
                if not last and len(stamps) - i <= _STAY:
                    self._held = stamps[i:], rows[i:]
                    rows = rows[:i]
                    break
                after = stamps[i + 1 : i + 1 + _STAY]
                if self._wrap:
                    after = np.where(after < stamp - 0.5 * self._wrap, after + self._wrap, after)
                if not self._is_sound(stamp, after):
                    self._unstamped += 1
                    continue
                if step < 0 and not self._went_back:
                    self._went_back = True
                    _log.warning(
                        "%s: its clock goes back from %.10g to %.10g; what is lost there is not "
                        "known", self._name, self._before, stamp,
                    )  # fmt: skip
                if late > self._least and self._stays_late(stamp, after):
                    if late > _LONGEST_GAP_S * self._fs:
                        _log.warning(
                            "%s: its clock leaps from %.10g to %.10g, %.0f s: that is not filled",
                            self._name, self._before, stamp, late / self._fs,
                        )  # fmt: skip
                    elif self._may_be_lost(late / self._fs):
                        lost = round(late)
                        nothing = np.full((lost, rows.shape[1]), np.nan, np.float32)
                        self._remember(self._stamps_between(stamp, lost), nothing, filled=True)
                        parts += [rows[begin:i], nothing]
                        begin = i
                        self.lost += lost
                        self.gaps += 1
            self._before, self._unstamped = stamp, 0
            self._largest = max(self._largest, stamp)
        self._remember(stamps[noted : len(rows)], rows[noted:])
        return np.concatenate([*parts, rows[begin:]]) if parts else rows

    def _in_row(self, stamps: Floats, steps: Floats) -> bool:
        """Whether each line follows the one before it."""
        if not ((steps >= 0).all() and (steps <= self._packet + self._least).all()):
            return False
        if self._packet <= 1.0:
            return self._uneven or bool((steps > 0).all())
        # A packet that came twice has its stamp on too many lines.
        _, counts = np.unique(stamps, return_counts=True)
        return bool(counts.max() <= round(self._packet)) and self._lines_of(stamps[0]) == 0

    def _remember(
        self, stamps: Floats, rows: npt.NDArray[np.float32], *, filled: bool = False
    ) -> None:
        if not len(stamps):
            return
        self._memory.append((stamps, rows, filled))
        self._remembered += len(stamps)
        most = _REMEMBERED_S * self._fs
        while self._remembered - len(self._memory[0][0]) >= most:
            self._remembered -= len(self._memory.popleft()[0])

    def _lines_of(self, stamp: float) -> int:
        """Lines with this stamp that are remembered, and were not filled."""
        return sum(int((stamps == stamp).sum()) for stamps, _, filled in self._memory if not filled)

    def _came_before(self, stamp: float, row: npt.NDArray[np.float32], step: float) -> bool:
        """Whether a line is one that has come, or that was counted as lost when others had come."""
        if step == 0 and (self._uneven or self._lines_of(stamp) < round(self._packet)):
            return False  # a clock that is coarse, or the lines of a packet
        assert self._before is not None
        # Samples back, over a wrap too; where it may be lost lines as well, the nearer is taken.
        back = (self._before - stamp) * self._per_count
        if back < 0:
            over = (back + wrap * self._per_count for wrap in self._wraps)
            back = min((samples for samples in over if samples >= 0), default=-1.0)
        if not 0 <= back < self._remembered or 0 < step <= back:
            return False
        near = int(back + self._packet) + 2
        seen = 0
        for stamps, rows, filled in reversed(self._memory):
            there = np.abs(stamps - stamp) * self._per_count < 0.25
            there[: max(0, len(there) - (near - seen))] = False
            if there.any() and (filled or bool((rows[there] == row).all(axis=1).any())):
                return True
            seen += len(stamps)
            if seen >= near:
                return False
        return False

    def _stamps_between(self, stamp: float, lost: int) -> Floats:
        """The stamps of lines that were lost before this one."""
        wraps = [wrap for wrap in self._wraps if self._before is not None and stamp < self._before]
        packets = -(-np.arange(lost, 0, -1) // round(self._packet))
        found = stamp - packets * self._packet / self._per_count
        wrap = next((wrap for wrap in sorted(wraps) if wrap > (self._before or 0.0)), None)
        if wrap is not None:
            found[found < 0] += wrap
        return found.astype(np.float64)

    def forget(self) -> None:
        """Drop the lines that are held back: what comes next does not follow them."""
        self._held = None

    def _step(self, stamp: float) -> float:
        """Samples from the stamp before to this one."""
        before = self._before
        assert before is not None
        step = stamp - before
        if step < 0:
            for wrap in self._wraps:
                if self._largest > wrap + 1.0 / self._per_count:
                    continue  # it does not wrap there
                near = max(0.02 * wrap, min(self._near, 0.4 * wrap))
                near = 0.5 * wrap if wrap == self._wrap else near
                if wrap - near < before and 0 <= stamp < near:
                    self._wrap = wrap
                    return float((step + wrap) * self._per_count)
            # A counter may wrap anywhere, but always at the same number.
            if self._counter and not self._wrap and stamp in (0.0, 1.0):
                self._wrap = before + 1.0 - stamp
                self._wraps = (*self._wraps, self._wrap)
                return self._packet
        return float(step * self._per_count)

    def _is_sound(self, stamp: float, after: Floats) -> bool:
        """Whether the stamps after one that leaps are nearer to it than to those before it."""
        assert self._before is not None
        after = after[np.isfinite(after)]
        if not len(after):
            return stamp > self._before
        return bool(np.median(np.abs(after - stamp)) <= np.median(np.abs(after - self._before)))

    def _stays_late(self, stamp: float, after: Floats) -> bool:
        """Whether the stamps after one that leaps go on from it, and do not catch up."""
        after = after[np.isfinite(after)]
        if not len(after) or self._packet > 1.5:
            return True
        return bool((after[-1] - stamp) * self._per_count > 0.5 * len(after))


def lines_of_packet(stamps: Floats) -> int:
    """Return how many lines share a number, where stamps number packets of a size; else zero.

    Parameters
    ----------
    stamps : ndarray, shape (n,)
        Those of the first lines.

    Examples
    --------
    >>> lines_of_packet(np.arange(60.0) // 10)
    10
    """
    steps = np.diff(stamps)
    ends = np.flatnonzero(steps != 0)
    if len(ends) < 4 or np.isnan(stamps).any():
        return 0
    sizes = np.diff(ends)
    size = int(np.median(sizes))
    regular = (sizes == size).mean() > _COUNTER and (steps[ends] == 1).mean() > _COUNTER
    return size if size > 1 and regular else 0
