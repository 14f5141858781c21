"""The clock or the counter in a board's lines: where it leaps, samples were lost on the way."""

from __future__ import annotations

import logging
from math import isnan

import numpy as np
import numpy.typing as npt

from ..records.clocks import WRAPS, count_for

__all__ = ["LineClock"]

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

    Attributes
    ----------
    usable : bool
        Whether the stamps rise as samples at about this rate do: else nothing is filled.
    lost : int
        Samples counted as lost so far.
    gaps : int
        Leaps so far.
    """

    def __init__(self, stamps: Floats, fs: float, name: str) -> None:
        self.lost = self.gaps = 0
        self._name, self._fs = name, fs
        self._before: float | None = None
        self._unstamped = 0  # lines without a stamp since then
        self._went_back = False
        self._held: tuple[Floats, npt.NDArray[np.float32]] | None = None
        steps = np.diff(stamps[np.isfinite(stamps)])
        rising = steps[steps > 0]
        counter = len(steps) > 0 and float((steps == 1.0).mean()) > _COUNTER
        count = 1.0 / fs if counter else count_for(stamps, fs)
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
            if (steps >= 0).all() and (steps <= self._packet + self._least).all():
                self._before = float(stamps[-1])
                return rows
        parts: list[npt.NDArray[np.float32]] = []
        begin = 0
        for i, stamp in enumerate(stamps.tolist()):
            if isnan(stamp):
                self._unstamped += 1
                continue
            step = self._packet if self._before is None else self._step(stamp)
            late = step - self._packet - self._unstamped
            if late > self._least or step < 0:
                if not last and len(stamps) - i <= _STAY:
                    self._held = stamps[i:], rows[i:]
                    rows = rows[:i]
                    break
                if not self._is_sound(stamp, stamps[i + 1 : i + 1 + _STAY]):
                    self._unstamped += 1
                    continue
                if step < 0 and not self._went_back:
                    self._went_back = True
                    _log.warning(
                        "%s: its clock goes back from %.10g to %.10g; what is lost there is not "
                        "known", self._name, self._before, stamp,
                    )  # fmt: skip
                if late > self._least and self._stays_late(stamp, stamps[i + 1 : i + 1 + _STAY]):
                    if late > _LONGEST_GAP_S * self._fs:
                        _log.warning(
                            "%s: its clock leaps from %.10g to %.10g, %.0f s: that is not filled",
                            self._name, self._before, stamp, late / self._fs,
                        )  # fmt: skip
                    else:
                        lost = round(late)
                        nothing = np.full((lost, rows.shape[1]), np.nan, np.float32)
                        parts += [rows[begin:i], nothing]
                        begin = i
                        self.lost += lost
                        self.gaps += 1
            self._before, self._unstamped = stamp, 0
        return np.concatenate([*parts, rows[begin:]]) if parts else rows

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
                near = max(0.02 * wrap, min(self._near, 0.4 * wrap))
                if wrap - near < before < wrap + near and 0 <= stamp < near:
                    return float((step + wrap) * self._per_count)
            if self._counter and stamp in (0.0, 1.0):  # a counter may wrap anywhere
                self._wraps = (*self._wraps, before + 1.0 - stamp)
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
