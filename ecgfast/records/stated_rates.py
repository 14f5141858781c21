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


#: Names of properties that state the seconds between samples, likewise.
INTERVALS = ("dt", "interval", "samplinginterval", "sampleinterval", "samplingperiod")

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

    Examples
    --------
    >>> stated_rate({"Sampling Rate": "250", "device": "X1"})
    (250.0, 'Sampling Rate')
    """
    folded = {key: re.sub(r"[ _-]", "", key.lower()) for key in properties}
    by_name = {name: key for key, name in folded.items()}
    # "samplingFrequencyHz" is one of them, too.
    by_name |= {
        name.removesuffix("hz"): key
        for key, name in folded.items()
        if len(name) > 2 and name.removesuffix("hz") not in by_name
    }
    for name in _NAMES:
        if name not in by_name:
            continue
        try:
            fs = float(re.sub(r"\s*(?:hz|hertz)$", "", str(properties[by_name[name]]).lower()))
        except ValueError:
            continue
        if 0 < fs < math.inf:
            return fs, by_name[name]
    for name in INTERVALS:
        value = properties.get(by_name.get(name, ""))
        if isinstance(value, (int, float)) and (rate := rate_of_interval(value)) is not None:
            return rate, by_name[name]
    return None, ""
