"""The sampling rate among the properties that a file keeps beside its columns."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["INTERVALS", "rate_of_interval", "stated_rate"]

# Names of properties that state it, without blanks, dashes and underscores. The first that is
# there counts.
_NAMES = (
    "fs", "samplingrate", "samplerate", "samplingfrequency", "samplefrequency", "sfreq", "srate",
    "fsamp", "fsample", "samplespersecond", "frequency", "hz",
)  # fmt: skip
# Those that may be of something else.
_OF_ANYTHING = ("frequency", "hz")

# Rates are the same up to this share.
_SAME = 0.01

#: Names of properties that state the seconds between samples, likewise.
INTERVALS = ("dt", "interval", "samplinginterval", "sampleinterval", "samplingperiod")

# What ends the name of an interval: its unit.
_UNITS = (("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))

# Rates by which an interval is one in seconds, Hz.
_LOWEST, _HIGHEST = 25.0, 100_000.0


def rate_of_interval(seconds: float) -> float | None:
    """Return the sampling rate of so many seconds between samples; None if none has it."""
    rate = 1.0 / seconds if seconds > 0 else 0.0
    return rate if _LOWEST <= rate <= _HIGHEST else None


def stated_rate(properties: Mapping[str, Any]) -> tuple[float | None, str]:
    """Find the sampling rate among properties.

    Parameters
    ----------
    properties : mapping of str
        Numbers or text by name, such as ``{"Sampling Rate": "250 Hz"}``.

    Returns
    -------
    fs : float or None
        Hz; None if no property states a positive number.
    name : str
        The property's name; empty where there is none.

    Raises
    ------
    ValueError
        If two properties contradict each other; what reads the file names it.

    Examples
    --------
    >>> stated_rate({"Sampling Rate": "250", "device": "X1"})
    (250.0, 'Sampling Rate')
    """
    folded = {
        key: re.sub(r"^(?:ecg|ekg)|(?:ecg|ekg)$", "", re.sub(r"[ _-]", "", key.lower()))
        for key in properties
    }
    by_name = {name: key for key, name in folded.items()}
    # "samplingFrequencyHz" is one of them, too.
    by_name |= {
        name.removesuffix("hz"): key
        for key, name in folded.items()
        if len(name) > 2 and name.removesuffix("hz") not in by_name
    }
    found: dict[str, float] = {}
    for name in _NAMES:
        if name not in by_name or (found and name in _OF_ANYTHING):
            continue
        try:
            fs = float(re.sub(r"\s*(?:hz|hertz)$", "", str(properties[by_name[name]]).lower()))
        except ValueError:
            continue
        if not 0 < fs < math.inf:
            continue
        found[name] = fs
        if name in _OF_ANYTHING:
            break
    if found:
        name, fs = next(iter(found.items()))
        for other, second in found.items():
            if abs(second - fs) > _SAME * fs:
                raise ValueError(
                    f"its {by_name[name]!r} says {fs:g} Hz and {by_name[other]!r} {second:g} Hz; "
                    "correct one of them"
                )
        return fs, by_name[name]
    for name, key in by_name.items():  # "sampling_interval_ms", "sampling_rate_khz"
        value = properties[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            continue
        if name.endswith("khz") and name.removesuffix("khz") in _NAMES:
            return 1e3 * value, key
        seconds = next((s for end, s in _UNITS if name.endswith(end)), 0.0)
        rate = rate_of_interval(seconds * value) if name[:-2] in INTERVALS else None
        if rate is not None:
            return rate, key
    for name in INTERVALS:
        value = properties.get(by_name.get(name, ""))
        if isinstance(value, (int, float)) and (rate := rate_of_interval(value)) is not None:
            return rate, by_name[name]
    return None, ""
