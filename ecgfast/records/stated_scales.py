"""A gain that a file states beside integers, and that is not applied."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["scale_note", "unapplied_scale"]

# Names of gains, without blanks, dashes and underscores: some multiply, some divide, and "gain" is
# used for both.
_NAMES = {
    "gain", "gains", "adcgain", "siggain", "gainfactor", "scale", "scalefactor", "scaling",
    "scalingfactor", "conversion", "conversionfactor", "lsb", "lsbvalue", "adcresolution",
    "resolution", "sensitivity", "calibration", "calibrationfactor", "factor", "countspermv",
    "mvpercount", "uvpercount", "uvperlsb", "mvperlsb", "unitsperbit",
}  # fmt: skip

# Bits of a converter, which some call its resolution.
_BITS = range(8, 33)

# Samples that tell whether all are integers.
_LOOKED = 4096


def unapplied_scale(values: npt.NDArray[Any], properties: Mapping[str, Any]) -> str:
    """Find a gain that the samples still wait for.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Samples of a lead as the file holds them.
    properties : mapping of str
        What the file says of them, by name: numbers, or arrays of them with one a lead.

    Returns
    -------
    str
        Its name and value, such as ``"'gain' (200)"``; empty where there is none, it is one, or
        the samples are no integers, as those in the unit of the file never are.

    Examples
    --------
    >>> unapplied_scale(np.array([512, 514, 530]), {"gain": 200.0, "units": "mV"})
    "'gain' (200)"
    """
    for name, stated in properties.items():
        if re.sub(r"[ _-]", "", name.lower()) not in _NAMES:
            continue
        try:
            gains = np.asarray(stated, np.float64).reshape(-1)
        except (TypeError, ValueError):
            continue
        gain = float(gains[0]) if len(gains) else 1.0
        if not math.isfinite(gain) or gain in (0.0, 1.0):
            continue
        if name.lower().endswith("resolution") and gain in _BITS:
            continue
        if _are_integers(values[:_LOOKED]):
            return f"{name!r} ({gain:g})"
    return ""


def scale_note(label: str, gain: str) -> str:
    """Return what to say of a lead whose gain, from `unapplied_scale`, is not applied."""
    return (
        f"{label or 'the signal'}: {gain} beside its integers is not applied, as it may multiply "
        "or divide: the unit of the samples is not known"
    )


def _are_integers(values: npt.NDArray[Any]) -> bool:
    if values.dtype.kind in "iu":
        return True
    present = values[np.isfinite(values)]
    return bool(len(present) and np.ptp(present) > 0 and np.array_equal(present, np.rint(present)))
