"""Units of measurement: which are voltages, which say nothing, and which are no ECG's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["UNKNOWN", "is_unit", "scale_notes", "to_millivolt", "to_seconds", "unit_kind"]

#: Unit of a lead whose file does not say what its numbers mean.
UNKNOWN = "unknown"

# Volts by what stands before them, as "uV", "micro volts" or "мкВ" in Cyrillic.
# A "µ" that was read in another encoding is one nevertheless: nothing else becomes these.
_VOLTS = re.compile(
    r"(k|kilo|m|milli|u|µ|μ|âµ|î¼|æ|\ufffd|\?|micro|mc|n|nano)?[ -]?(?:v|volts?)|(м|мк|н)?в"
    r"|(毫|微|ミリ|マイクロ|밀리|마이크로)(?:伏特?|ボルト|볼트)"
)
_MILLIVOLT = {
    "k": 1e6, "": 1e3, "m": 1.0, "u": 1e-3, "µ": 1e-3, "μ": 1e-3, "n": 1e-6,
    "м": 1.0, "н": 1e-6,
}  # fmt: skip
_PREFIX = {
    "kilo": "k", "milli": "m", "micro": "u", "mc": "u", "nano": "n", "мк": "u",
    **dict.fromkeys(("âµ", "î¼", "æ", "\ufffd", "?", "微", "マイクロ", "마이크로"), "u"),
    **dict.fromkeys(("毫", "ミリ", "밀리"), "m"),
}  # fmt: skip

# Steepest fiftieth of a lead's changes over 20 ms, in mV: 0.02 to 3 in the recordings of mitdb,
# svdb, nstdb, qtdb, ludb, nsrdb and bp. A unit that is a thousand times too large or too small
# is far beyond both.
_STEP_S, _STEEP_SHARE = 0.02, 0.98
_LEAST_MV, _MOST_MV = 0.003, 30.0

# Values that differ, at least, of which anything is said: a lead that is off has a few.
_DIFFERENT = 32

# What converters and normalised signals are given in: numbers that mean no voltage.
_NUMBERS = {
    "", "nu", "n.u.", "adu", "adc", "au", "a.u.", "a.u", "arb", "arbitrary", "arbitrary units",
    "count", "counts", "lsb", "raw", "bit", "bits", "digit", "digits", "unit", "units", "unknown",
    "none", "n/a", "na", "-", "?", "1", "normalized", "normalised", "norm", "int", "integer",
    "float", "dimensionless", "no_units", "no units", "adc counts", "adc units",
}  # fmt: skip

_SECONDS = {
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "epoch": 1.0,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "milli": 1e-3, "millis": 1e-3,
    "millisec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "micros": 1e-6, "microsec": 1e-6,
    "microsecond": 1e-6, "microseconds": 1e-6,
    "\u0441": 1.0, "сек": 1.0, "мс": 1e-3, "мкс": 1e-6, "秒": 1.0, "毫秒": 1e-3, "微秒": 1e-6,
    "ミリ秒": 1e-3, "マイクロ秒": 1e-6, "초": 1.0, "밀리초": 1e-3,
    "ns": 1e-9, "nsec": 1e-9, "nanos": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip

# Other units that stand in lines of units.
_OTHERS = {
    "g", "mg", "m/s2", "m/s^2", "m/s²", "m/s", "m/(s^2)", "m/(s2)",
    "deg", "deg/s", "°/s", "dps", "rad/s", "gauss", "ut",
    "µt", "mmhg", "cmh2o", "kpa", "pa", "hpa", "mbar", "bar", "c", "°c", "degc", "f", "k", "%",
    "bpm", "1/min", "/min", "brpm", "l", "ml", "l/min", "lpm", "l/s", "ohm", "ohms", "kohm", "ω",
    "us/cm", "usiemens", "µsiemens", "microsiemens", "ma", "ua", "hz", "lux", "db", "m", "cm", "mm",
}  # fmt: skip

# A second in equal parts, as "s/256".
_PARTS = re.compile(r"s(?:ec)?/([1-9]\d{0,8})")
_CLOCK = re.compile(
    r"(?:[hmsdy]+[:/.\- ])+[hmsdyf.]+0{0,6}|hh:mm:ss.*|mm:ss.*|iso ?8601", re.IGNORECASE
)


def _plain(unit: str) -> str:
    return " ".join(unit.strip().strip("'\"()[]").split()).lower()


def to_millivolt(unit: str) -> float | None:
    """Return the factor from `unit` to mV, or None if it is no voltage.

    Capital and small letters are not told apart, but for ``MV``, which nobody means.
    """
    found = _VOLTS.fullmatch(_plain(unit))
    if found is None:
        return None
    prefix = found[1] or found[2] or found[3] or ""
    return _MILLIVOLT[_PREFIX.get(prefix, prefix)]


def scale_notes(
    names: Sequence[str], units: Sequence[str], values: npt.NDArray[Any], fs: float
) -> list[str]:
    """Return what to say of leads whose values are no ECG's in their unit.

    Parameters
    ----------
    names, units : sequence of str
        Of the leads, the units as the file states them.
    values : ndarray, shape (n, n_leads)
        Some seconds of them in mV, NaN where samples are missing.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    list of str
        A note for each unit that cannot be right.
    """
    step = max(1, round(_STEP_S * fs))
    change = np.abs(values[step:] - values[:-step])
    if len(change) < fs:
        return []
    wrong: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        good = change[np.isfinite(change[:, i]), i]
        rank = int(_STEEP_SHARE * len(good))
        steep = float(np.partition(good, rank)[rank]) if len(good) >= fs else 0.0
        if steep <= 0.0 or _LEAST_MV <= steep <= _MOST_MV:
            continue
        if len(np.unique(values[:, i])) >= _DIFFERENT:
            size = "large" if steep > _MOST_MV else "small"
            wrong.setdefault((unit, size), []).append((name, steep))
    return [
        f"lead{'s' * (len(leads) > 1)} {', '.join(name for name, _ in leads)}: the values are too "
        f"{size} for an ECG in {unit}, the steepest change by {leads[0][1]:.2g} mV in 20 ms; check "
        "the unit (beats and labels do not depend on it)"
        for (unit, size), leads in wrong.items()
    ]


def to_seconds(unit: str) -> float | None:
    """Return the factor from `unit` to seconds, or None if it is no time."""
    plain = _plain(unit)
    parts = _PARTS.fullmatch(plain)
    return 1.0 / int(parts[1]) if parts else _SECONDS.get(plain)


def unit_kind(unit: str) -> str:
    """Return ``volt``, ``number`` (no unit, or a converter's counts) or ``other``."""
    plain = _plain(unit)
    if _VOLTS.fullmatch(plain):
        return "volt"
    return "number" if plain in _NUMBERS else "other"


def is_unit(text: str) -> bool:
    """Whether a cell in a table's head names a unit, or the form of a clock."""
    plain = _plain(text)
    return (
        bool(_VOLTS.fullmatch(plain))
        or to_seconds(plain) is not None
        or plain in _OTHERS
        or (plain in _NUMBERS and plain not in ("1", "unknown", "raw", "unit"))
        or bool(_CLOCK.fullmatch(plain))
    )
