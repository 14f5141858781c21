"""Alarms in intensive care, with the arterial pressure as their witness; for `alarms.py`.

A heart that has stopped, or one that flutters, moves no blood: pulses of the pressure contradict
such an alarm. A rate that is too low is contradicted by pulses that come faster. An early or fast
beat may move no blood, so that pressure says nothing against fast rates and ventricular runs.
"""

from __future__ import annotations

import numpy as np
from generalisation_sets import Peaks
from pressure_witness import Witnessed

from ecgfast.alarms import Alarm

AFTER_BEAT_S = 0.75
"""Until then the pulse of the last beat may come."""
LATE_S = 0.25
"""From an R peak to its pulse, about."""
COVERED = 0.8
"""Share of an alarm's time in which pulses can be trusted, for a verdict."""
PULSES_PER_S = 0.6
"""Of a heart that beats."""
SLOW = 50.0
"""Pulses a minute that contradict a rate below 40."""
MONITOR_S, BEFORE_MONITOR_S = 300.0, 20.0
"""Where the bedside monitor alarmed in each of these recordings, and the seconds before it."""


def contradicted(witness: Witnessed, alarm: Alarm) -> bool | None:
    """Whether pulses contradict an alarm; None where they cannot tell."""
    fs = witness.case.fs
    end = alarm.ended if alarm.ended is not None else len(witness.case.signal) / fs
    if not _covered(witness, alarm.since, end):
        return None
    if alarm.kind == "asystole":
        return bool(len(_pulses(witness, alarm.since + AFTER_BEAT_S, end + LATE_S)))
    pulses = _pulses(witness, alarm.since + LATE_S, end + LATE_S) / fs
    if alarm.kind == "ventricular_flutter":
        return bool(len(pulses) >= PULSES_PER_S * (end - alarm.since))
    if alarm.kind == "extreme_bradycardia" and len(pulses) > 2:
        return bool(60.0 * (len(pulses) - 1) / (pulses[-1] - pulses[0]) >= SLOW)
    return None


def before_monitor(alarm: Alarm) -> bool:
    """Whether an alarm was raised in the last seconds before the bedside monitor's."""
    return MONITOR_S - BEFORE_MONITOR_S <= alarm.raised <= MONITOR_S


def _pulses(witness: Witnessed, first_s: float, end_s: float) -> Peaks:
    at, fs = witness.case.beats, witness.case.fs
    return at[(at > first_s * fs) & (at < end_s * fs)]


def _covered(witness: Witnessed, first_s: float, end_s: float) -> bool:
    spans = witness.spans / witness.case.fs
    inside = np.minimum(spans[:, 1], end_s) - np.maximum(spans[:, 0], first_s)
    return bool(np.maximum(inside, 0).sum() >= COVERED * (end_s - first_s))
