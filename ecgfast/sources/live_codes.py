"""Values that stand for missing samples in what arrives, such as -9999."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records.missing_codes import BEYOND, CODES, is_code

__all__ = ["CodeWatch", "watched_for_codes"]

_log = logging.getLogger(__name__)

# Distance of a code from all other values so far, over their range and over the largest of them;
# and seconds of these before one is sure.
_FAR, _SURE_S = 2.0, 1.0

# Before any other value has come, only these are taken for codes: smaller ones may be counts.
_AT_FIRST = 9999.0

_SORTED = np.array(sorted(CODES))
_LEAST = float(np.abs(_SORTED).min())


class CodeWatch:
    """Replaces codes with NaN, sample by sample, in bounded memory.

    What comes later is not known: only values that programs write for missing samples count
    (`ecgfast.records.missing_codes.is_code`), where they lie farther from all other values so far
    than twice their range and twice the largest of them. Each is reported once that is sure, and
    counted.

    Parameters
    ----------
    name : str
        What messages call the source.
    fs : float
        Sampling rate, Hz.
    n_leads : int
    """

    def __init__(self, name: str, fs: float, n_leads: int) -> None:
        self._name = name
        self._sure = max(2, round(_SURE_S * fs))
        self._low = [inf] * n_leads
        self._high = [-inf] * n_leads
        self._seen = [0] * n_leads
        self._counts: dict[tuple[int, float], int] = {}
        self._reported: set[float] = set()

    def take(self, chunk: Any) -> Any:
        """Return a chunk of shape (n,) or (n, n_leads), or a single sample, without its codes."""
        n_leads = len(self._low)
        if n_leads == 1 and isinstance(chunk, (float, int, np.number)):
            return nan if self._is_missing(0, float(chunk)) else chunk
        if not isinstance(chunk, (np.ndarray, list, tuple)):
            return chunk  # for whoever takes it to understand, or to refuse
        values = np.asarray(chunk)
        if values.dtype.kind not in "fiu" or not values.size or values.size % n_leads:
            return chunk
        table = values.reshape(-1, n_leads)
        lows, highs = table.min(axis=0).tolist(), table.max(axis=0).tolist()
        if all(low > -_LEAST for low in lows) and all(high < _LEAST for high in highs):
            # As in millivolts; a lead of which a sample is missing has neither.
            self._low = list(map(min, self._low, lows))
            self._high = list(map(max, self._high, highs))
            self._seen = [seen + len(table) for seen in self._seen]
            return chunk
        out: npt.NDArray[Any] | None = None
        for lead in range(n_leads):
            places = self._codes(lead, table[:, lead])
            if places:
                if out is None:
                    out = table.astype(np.result_type(table.dtype, np.float32))
                out[places, lead] = nan
        return chunk if out is None else out.reshape(values.shape)

    def end(self) -> None:
        """Say how many there were."""
        counts: dict[float, int] = {}
        for (lead, value), count in self._counts.items():
            if self._seen[lead] and self._is_far(lead, value):
                counts[value] = counts.get(value, 0) + count
        for value, count in counts.items():
            _log.warning(
                "%s: the value %.7g was taken for missing at %s samples",
                self._name,
                value,
                f"{count:,}",
            )

    def _codes(self, lead: int, values: npt.NDArray[Any]) -> list[int]:
        """Places of the codes among the next samples of a lead."""
        found: list[int] = []
        done = 0
        for place in _candidates(values):
            self._others(lead, values[done:place])
            done = place + 1
            if self._is_missing(lead, float(values[place])):
                found.append(place)
        self._others(lead, values[done:])
        return found

    def _is_missing(self, lead: int, value: float) -> bool:
        """Whether the next sample of a lead is a code."""
        if not is_code(value) or not self._is_far(lead, value):
            if -inf < value < inf:
                self._low[lead] = min(self._low[lead], value)
                self._high[lead] = max(self._high[lead], value)
                self._seen[lead] += 1
            return False
        self._counts[lead, value] = self._counts.get((lead, value), 0) + 1
        if self._seen[lead] >= self._sure and value not in self._reported:
            self._reported.add(value)
            _log.warning(
                "%s: the value %.7g lies far from all others and is taken for missing",
                self._name,
                value,
            )
        return True

    def _is_far(self, lead: int, value: float) -> bool:
        if not self._seen[lead]:
            return abs(value) >= _AT_FIRST
        low, high = self._low[lead], self._high[lead]
        return max(value - high, low - value) > _FAR * max(high - low, high, -low)

    def _others(self, lead: int, values: npt.NDArray[Any]) -> None:
        """Take samples that are no codes."""
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if len(values):
            self._low[lead] = min(self._low[lead], float(values.min()))
            self._high[lead] = max(self._high[lead], float(values.max()))
            self._seen[lead] += len(values)


def watched_for_codes(items: Iterable[Any], watch: CodeWatch) -> Iterator[Any]:
    """Pass samples on without codes, and say at the end how many there were."""
    try:
        for item in items:
            yield watch.take(item)
    finally:
        watch.end()


def _candidates(values: npt.NDArray[Any]) -> list[int]:
    """Places of values that may be codes."""
    if len(values) <= 64:
        return [i for i, value in enumerate(values.tolist()) if is_code(value)]
    sizes = np.abs(values.astype(np.float64))
    large = np.flatnonzero(sizes >= _LEAST)
    if not len(large):
        return []
    those = values[large].astype(np.float64)
    near = _SORTED[np.minimum(np.searchsorted(_SORTED, those), len(_SORTED) - 1)]
    beyond = (sizes[large] >= BEYOND) & (sizes[large] < inf)
    found: list[int] = large[(near == those) | beyond].tolist()
    return found
