"""What to check where a signal shows no beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LOOK_S", "no_beats_text"]

#: Seconds of a recording that are looked at.
LOOK_S = 120.0

# Shorter signals may well hold no beat that can be found.
_SHORT_S = 5.0

# Share of samples that are missing, or are the same value, from which this is the likely reason.
_MOST = 0.9

# Different values with which a converter shows no QRS complex.
_FEW = 4

# Leads that a message tells of.
_LISTED = 3


def no_beats_text(
    signal: npt.NDArray[Any],
    fs: float,
    leads: Sequence[str],
    *,
    rate_option: str = "fs=",
    leads_option: str = "leads=",
) -> str:
    """Say that no beat was found, what to check, and what the signal looks like.

    Parameters
    ----------
    signal : ndarray, shape (n, leads)
        The beginning of the signal, or all of it.
    fs : float
        Sampling rate, Hz.
    leads : sequence of str
        Names of the leads.
    rate_option, leads_option : str
        How the caller gives the sampling rate and the leads.

    Returns
    -------
    str
        One line.
    """
    checks = (
        f"no beat was found; check the sampling rate ({rate_option}): {fs:g} Hz was used; the lead "
        f"({leads_option}): {', '.join(leads[:_LISTED])}{', ...' * (len(leads) > _LISTED)} was "
        "read; unit and gain; and that the signal is an ECG"
    )
    seen = [
        f"{name} {fault}"
        for name, values in zip(leads, signal.T, strict=False)
        if (fault := _fault(values))
    ]
    if len(signal) < _SHORT_S * fs:
        seen.insert(0, f"the signal lasts {len(signal) / fs:.1f} s, which may be too short")
    more = len(seen) - _LISTED
    told = "; ".join(seen[:_LISTED]) + (f"; and {more} more leads" if more > 0 else "")
    return f"{checks}. {told}" if told else checks


def _fault(values: npt.NDArray[Any]) -> str:
    """Why one lead shows no beat, where its values tell."""
    good = values[np.isfinite(values)]
    if len(good) < (1 - _MOST) * len(values):
        return "has no samples" if not len(good) else "has hardly any samples"
    low, high = float(good.min()), float(good.max())
    if low == high:
        return f"is flat (always {low:g})"
    _, counts = np.unique(good, return_counts=True)
    if counts.max() > _MOST * len(good):
        return f"is nearly flat ({counts.max() / len(good):.0%} of its samples have one value)"
    if len(counts) <= _FEW:
        return f"has only {len(counts)} different values, from {low:g} to {high:g}: check the gain"
    return ""
