"""What a JSON text holds: one value, or several, and the packets that their counter misses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["content_of", "lost_packets"]

# Share of lines that may be damaged, and what stands between values.
_MOST_DAMAGED = 0.01
_BETWEEN = re.compile(r"[\s,]*")

# Bits at which counters wrap, and packets that may be lost at one place.
_BITS = (4, 5, 6, 7, 8, 10, 12, 16, 24, 32)
_MOST_LOST = 100_000


def content_of(text: bytes) -> tuple[Any, list[str]]:
    """Read one value, or a list of those that stand in lines or one after the other.

    Lines that are no intact JSON are left out where they are few, as the last one of a log that was
    cut off.

    Parameters
    ----------
    text : bytes
        In UTF-8.

    Returns
    -------
    content : value of JSON
    notes : list of str
        What to say of damaged lines.

    Raises
    ------
    ValueError, RecursionError
        If there is no JSON, or it is damaged.
    """
    # MongoDB writes numbers and dates as objects.
    hook = _plain_value if b'"$' in text else None
    try:
        return json.loads(text, object_hook=hook), []
    except (ValueError, RecursionError) as error:
        whole = error
    values: list[Any] = []
    damaged: list[int] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if line := line.strip(b" \t,"):
            try:
                values.append(json.loads(line, object_hook=hook))
            except (ValueError, RecursionError):
                damaged.append(number)
    if values and not damaged:
        return values, []
    few = len(damaged) <= max(1, _MOST_DAMAGED * len(values)) and len(values) > 1
    if few and all(isinstance(value, dict) for value in values):
        if damaged == [len(lines)]:
            return values, [f"line {damaged[0]}, the last one, was cut off and is left out"]
        shown = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        return values, [
            f"{len(damaged)} of {len(lines)} lines are no intact JSON and are left out: {shown}"
        ]
    if len(lines) > 1:
        raise whole
    return _successive(text.decode("utf-8", "replace"), hook), []


def _successive(text: str, hook: Any) -> list[Any]:
    """Read values that stand one after the other in one line."""
    decoder = json.JSONDecoder(object_hook=hook)
    values: list[Any] = []
    at = 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
    return values


def _plain_value(value: dict[str, Any]) -> Any:
    """Return what MongoDB's ``{"$numberDouble": "0.12"}`` and ``{"$date": ...}`` stand for."""
    if len(value) == 1:
        ((key, item),) = value.items()
        if key.startswith("$"):
            return float(item) if key.startswith("$number") else item
    return value


def lost_packets(
    counts: Sequence[float], sizes: Sequence[int]
) -> tuple[npt.NDArray[np.int64], int] | None:
    """Find packets that are missing by the counter in each.

    Parameters
    ----------
    counts : sequence of float
        Of each packet.
    sizes : sequence of int
        Samples in each packet.

    Returns
    -------
    lost : ndarray of int64, shape (packets,)
        Packets that are missing before each.
    size : int
        Samples of a packet.
        None where no packet is lost, or the counter does not tell.

    Examples
    --------
    >>> lost_packets([7, 8, 11, 12], [25, 25, 25, 25])[0]
    array([0, 0, 2, 0])
    """
    size = int(np.median(sizes)) if sizes else 0
    if len(counts) < 4 or not all(map(math.isfinite, counts)) or any(n != size for n in sizes[:-1]):
        return None
    steps = np.diff(np.asarray(counts, np.float64))
    usual = float(np.median(steps))
    highest = max(counts)
    wrap = next((1 << bits for bits in _BITS if highest < 1 << bits), 0)
    steps[steps < 0] += wrap
    if usual <= 0 or steps.min() <= 0 or (steps % usual).any():
        return None
    lost = np.concatenate([[0], steps / usual - 1]).astype(np.int64)
    return (lost, size) if 0 < lost.max() <= _MOST_LOST else None
