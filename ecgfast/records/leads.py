"""Which signals of a file are the ECG, and what their units are in mV."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InputError, RecordError
from .record import find_lead

__all__ = ["Leads", "choose_leads", "looks_like_ecg", "to_millivolt"]

Leads = str | int | Sequence[str | int] | None

# The usual names of limb, chest, modified, bipolar chest and Frank leads.
_LEAD_NAME = re.compile(
    r"(?:lead[ _]*)?"
    r"(?:(?:ml|d)?i{1,3}|[dl][1-3]|m?avr|m?avl|m?avf|m?v[1-9]?r?|mod[._ ]v[1-9]"
    r"|mcl[1-6]?|c[mcb]\d?|v?[xyz])",
    re.IGNORECASE,
)
_ECG_WORD = re.compile(r"ecg|ekg", re.IGNORECASE)

_MILLIVOLT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}


def looks_like_ecg(label: str) -> bool:
    """Whether a signal's label names an ECG lead."""
    return bool(_ECG_WORD.search(label) or _LEAD_NAME.fullmatch(label.strip()))


def to_millivolt(unit: str) -> float | None:
    """Return the factor from `unit` to mV, or None if it is no voltage."""
    text = unit.strip()
    # Capital V alone is volt; a lone small v is taken for the same.
    return 1e3 if text in ("V", "v") else _MILLIVOLT.get(text.lower())


def choose_leads(
    labels: Sequence[str],
    units: Sequence[str],
    wanted: Leads,
    name: str,
    *,
    strict: bool = False,
    by_name: bool = True,
) -> list[int]:
    """Return the columns to read, in the order asked for.

    Parameters
    ----------
    labels, units : sequence of str
        What the file calls each signal, and its unit.
    wanted : str, int, sequence of these, or None
        Names or columns; None takes every signal that is a voltage and, where any of them is
        named like an ECG lead, only those that are.
    name : str
        The file, for messages.
    strict : bool
        Refuse to guess when several voltages are there and none is named like a lead.
    by_name : bool
        Let names decide at all.

    Returns
    -------
    list of int

    Raises
    ------
    InputError
        If a wanted lead is not there.
    RecordError
        If no signal qualifies.
    """
    if not labels:
        raise RecordError(f"{name}: holds no signals; give a recording with at least one lead")
    if wanted is not None:
        asked = [wanted] if isinstance(wanted, (str, int)) else list(wanted)
        if not asked:
            raise InputError(f"{name}: an empty list of leads was asked for; name at least one")
        return [find_lead(which, labels, name) for which in asked]
    volts = [i for i, unit in enumerate(units) if to_millivolt(unit) is not None]
    ecg = [i for i in volts if looks_like_ecg(labels[i])]
    if by_name and ecg:
        return ecg
    if not volts or (strict and len(volts) > 1):
        listed = ", ".join(f"{a!r} ({b})" for a, b in zip(labels, units, strict=True))
        raise RecordError(
            f"{name}: no signal is marked as an ECG in volts; pick with leads=; it has {listed}"
        )
    return volts
