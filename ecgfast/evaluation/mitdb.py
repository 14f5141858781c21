"""Records of the MIT-BIH Arrhythmia Database that train, that test, and that are left out."""

from __future__ import annotations

__all__ = ["DS1", "DS2", "PACED"]

DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
"""Training records, patient-disjoint from `DS2` (de Chazal, O'Dwyer and Reilly, IEEE Trans. Biomed.
Eng. 51(7), 2004) but for one known flaw: 201 here and 202 there are one person."""

DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""Test records: looked at once a published model."""

PACED = ("102", "104", "107", "217")
"""Records with paced beats, left out by AAMI EC57."""
