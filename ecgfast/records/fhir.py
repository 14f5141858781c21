"""What HL7 FHIR says of samples: rate, scale, unit, the lead's name, and when they begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .units import to_seconds

__all__ = ["SampledData", "begin_of", "lead_name", "sampled_data"]

# Leads in ISO/IEEE 11073-10101, by their numbers beyond that of a lead which is not stated.
_MDC = 131_328
_LEADS = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF",
}  # fmt: skip
_MDC_NAME = re.compile(r"MDC_ECG_(?:ELEC_POTL|LEAD)_?(\w*)")


@dataclass(frozen=True)
class SampledData:
    """Rate in Hz, scale, unit, and how many values belong to each time."""

    fs: float
    factor: float
    origin: float
    unit: str
    dimensions: int


def sampled_data(value: dict[str, Any]) -> SampledData | None:
    """Return what an object says of its samples, if it is FHIR's ``SampledData``.

    Release 4 has a period in milliseconds, release 5 an interval and its unit.
    """
    origin = value.get("origin")
    if not isinstance(origin, dict):
        return None
    if "interval" in value:
        period, count = value["interval"], to_seconds(str(value.get("intervalUnit", "")))
    else:
        period, count = value.get("period"), 1e-3
    if not isinstance(period, (int, float)) or not period > 0 or count is None:
        return None
    dimensions = value.get("dimensions")
    return SampledData(
        1.0 / (period * count),
        float(value.get("factor") or 1.0),
        float(origin.get("value") or 0.0),
        str(origin.get("unit") or origin.get("code") or ""),
        dimensions if isinstance(dimensions, int) and dimensions > 1 else 1,
    )


def lead_name(value: dict[str, Any]) -> str:
    """Return the name in an object's code, as its text, its display or MDC's number of a lead."""
    code = value.get("code")
    if not isinstance(code, dict):
        return ""
    coded = code.get("coding")
    first = coded[0] if isinstance(coded, list) and coded and isinstance(coded[0], dict) else {}
    number = str(first.get("code") or "")
    told = str(code.get("text") or first.get("display") or "")
    if not told and number.isdecimal():
        return _LEADS.get(int(number) - _MDC, number)
    found = _MDC_NAME.fullmatch(told or number)
    return (found[1] or "ECG") if found else told or number


def begin_of(value: dict[str, Any]) -> str:
    """Return the time at which an observation's period begins; nothing if it states none."""
    period = value.get("effectivePeriod")
    begin = period.get("start") if isinstance(period, dict) else None
    return begin if isinstance(begin, str) else ""
