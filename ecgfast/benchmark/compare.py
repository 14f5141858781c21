"""Two results side by side: slower, faster or the same, as far as the noise allows to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .machine import BUSY

__all__ = ["MARGIN", "YARDSTICK", "Comparison", "Verdict", "compare", "ratio_interval"]

#: A difference up to this share is none: results of one build an hour apart differ by as much.
MARGIN = 0.05
#: Name of the fixed work among the rounds.
YARDSTICK = "yardstick_us"

_LEVEL = 0.95
_OF_MACHINE = ("cpu", "board", "cores", "governor", "system", "python", "numpy")


@dataclass(frozen=True)
class Verdict:
    """How a figure differs.

    Attributes
    ----------
    ratio, low, high : float
        New over old, and its 95 % interval over the rounds.
    word : {"slower", "faster", "same", "unclear"}
        Unclear is what the rounds, or a machine that is slower or faster itself, leave open.
    """

    ratio: float
    low: float
    high: float
    word: str


@dataclass(frozen=True)
class Comparison:
    """Verdicts on every figure that both results have rounds of.

    Attributes
    ----------
    verdicts : dict of str to Verdict
        By the figure's place.
    machine : Verdict, optional
        On the fixed work: whether the machine itself is slower or faster now.
    obstacle : str
        Why there are no verdicts; empty where there are.
    changed : dict of str to (str, str)
        What else was different then and now, such as the version of NumPy.
    shares : (float, float)
        Processor time over wall time then and now; below `BUSY` others took the core.
    """

    verdicts: dict[str, Verdict]
    machine: Verdict | None = None
    obstacle: str = ""
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    shares: tuple[float, float] = (1.0, 1.0)

    @property
    def slower(self) -> bool:
        """Whether any figure is."""
        return any(verdict.word == "slower" for verdict in self.verdicts.values())


def compare(old: dict[str, Any], new: dict[str, Any], margin: float = MARGIN) -> Comparison:
    """Compare two results of ``ecgfast-bench``.

    Parameters
    ----------
    old, new : dict
    margin : float
        Share up to which a difference is none.

    Returns
    -------
    Comparison
        A figure is slower where the whole interval of its ratio is above ``1 + margin``, faster
        where it is below ``1 / (1 + margin)``, the same where it is between these. Where the
        machine itself is slower or faster by the same rule, a figure is so only if it still is
        after division by what the machine is. Where others took the core from a measurement, its
        times may be too long by as much: a figure is slower or faster only if it still is then.
    """
    changed = _changed(old, new)
    if old.get("machine", {}).get("cpu") != new["machine"]["cpu"]:
        return Comparison({}, obstacle="no verdicts: another processor then", changed=changed)
    if old.get("signal") != new["signal"]:
        return Comparison({}, obstacle="no verdicts: another signal then", changed=changed)
    before, now = old.get("rounds", {}), new["rounds"]
    if not before:
        obstacle = "no verdicts: that result has no rounds; measure it anew"
        return Comparison({}, obstacle=obstacle, changed=changed)
    machine = _verdict(before.get(YARDSTICK, ()), now[YARDSTICK], margin)
    shares = float(old.get("cpu_share", 1.0)), float(new.get("cpu_share", 1.0))
    then, at_present = (share if share < BUSY else 1.0 for share in shares)
    found = {}
    for place, values in now.items():
        if place == YARDSTICK or place not in before:
            continue
        verdict = _verdict(before[place], values, margin)
        if verdict is None:
            continue
        if verdict.word in ("slower", "faster"):
            low, high = verdict.low * at_present, verdict.high / then
            if machine is not None and machine.word == verdict.word:
                low, high = low / machine.high, high / machine.low
            if _word(low, high, margin) != verdict.word:
                verdict = Verdict(verdict.ratio, verdict.low, verdict.high, "unclear")
        found[place] = verdict
    return Comparison(found, machine, changed=changed, shares=shares)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """What is different of the package, the processor, the system and the libraries."""
    before, now = old.get("machine", {}), new["machine"]
    pairs = [("ecgfast", old.get("ecgfast"), new.get("ecgfast"))]
    pairs += [(name, before.get(name), now.get(name)) for name in _OF_MACHINE]
    pairs += _versions(before.get("runtimes"), now.get("runtimes"))
    return {
        name: (str(one or "unknown"), str(other or "unknown"))
        for name, one, other in pairs
        if one != other
    }


def _versions(old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    then, now = old or {}, new or {}
    # The core's own interpreter has the version of the package.
    names = [name for name in dict.fromkeys((*then, *now)) if name != "ecgfast"]
    return [(name, then.get(name, "none"), now.get(name, "none")) for name in names]


def _verdict(old: Sequence[float], new: Sequence[float], margin: float) -> Verdict | None:
    interval = ratio_interval(old, new)
    if interval is None:
        return None
    ratio, low, high = interval
    return Verdict(ratio, low, high, _word(low, high, margin))


def _word(low: float, high: float, margin: float) -> str:
    most = 1.0 + margin
    if low > most:
        return "slower"
    if high < 1.0 / most:
        return "faster"
    return "same" if low >= 1.0 / most and high <= most else "unclear"


def ratio_interval(
    old: Sequence[float], new: Sequence[float], level: float = _LEVEL
) -> tuple[float, float, float] | None:
    """By what factor values are larger, and its interval.

    Parameters
    ----------
    old, new : sequence of float
        Rounds; above zero.
    level : float
        At least this confidence.

    Returns
    -------
    (ratio, low, high) or None
        The median of all ratios of a new to an old round (Hodges and Lehmann, 1963), and the
        interval that belongs to the rank test of Mann and Whitney: it needs no normal noise, and a
        single disturbed round cannot move it far. None where there are too few rounds for it.
    """
    m, n = len(old), len(new)
    if not m or not n or min(*old, *new) <= 0:
        return None
    ratios = sorted(math.log(b / a) for a in old for b in new)
    outside = _outside(m, n, level)
    if outside == 0:
        return None
    middle = (ratios[(m * n - 1) // 2] + ratios[m * n // 2]) / 2
    return tuple(math.exp(x) for x in (middle, ratios[outside - 1], ratios[-outside]))  # type: ignore[return-value]


def _outside(m: int, n: int, level: float) -> int:
    """How many of the ordered m * n ratios, less one, may be left out at each end."""
    # Orders of m and n values by the number of pairs in which the first is the larger.
    counts = [[1] + [0] * (m * n) for _ in range(n + 1)]
    for _ in range(m):
        row = [counts[0]]
        for j in range(1, n + 1):
            # The largest value is the new row's (it is above all j) or the other's.
            above, left = counts[j], row[j - 1]
            row.append([left[u] + (above[u - j] if u >= j else 0) for u in range(m * n + 1)])
        counts = row
    whole, below, k = math.comb(m + n, m), 0, 0
    while 2 * (below + counts[n][k]) <= (1.0 - level) * whole:
        below += counts[n][k]
        k += 1
    return k
