"""Arterial pressure as the witness of heartbeats that nobody annotated; for `generalisation.py`.

Each pulse of the pressure in an artery follows a QRS complex by a fraction of a second. A pulse
without a beat before it is a beat that was missed. The reverse does not hold: an early beat may
move no blood, so beats without a pulse are only an upper bound of the false ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from compiled_core import Found
from generalisation_sets import Case, Numbers, Peaks, warned_of

from ecgfast import read_record
from ecgfast.training.datasets.pressure_labels import find_pulses, label_window, low_passed

BEFORE_S = (0.05, 0.75)
"""How long before the steepest rise of a pulse its R peak lies: the way from the heart to the
artery, and the delay of the transducer."""
DELAY_S = 0.1
"""How far this delay may lie from the median of the recording, by the same detector."""
WINDOW_S = 10.0
"""Stretches that are looked at or left out as a whole."""
OTHER_REASONS = {"ecg", "rate"}
"""Rules of the blood pressure data set that look at the ECG, or at beats that were detected."""
ALTERNATING = (0.15, 0.5)
"""Change from one interval to the next, over the median interval, from which pulses alternate, and
the share of it by which every second interval may change: a balloon pump adds a pulse to each."""


@dataclass(frozen=True, eq=False)
class Witnessed:
    """One recording with the pulses of its arterial pressure.

    Attributes
    ----------
    case : Case
        The ECG; `beats` are the steepest points of the pulses in stretches where they can be
        trusted.
    spans : ndarray of int64, shape (k, 2)
        First sample of each such stretch, and the first one after it.
    """

    case: Case
    spans: Peaks


def _alternating(pulses: Peaks) -> bool:
    """Whether long and short intervals take turns: two pulses a beat, or bigeminy."""
    intervals = np.diff(pulses)
    if len(intervals) < 4:
        return False
    next_one = np.median(np.abs(np.diff(intervals)))
    next_but_one = np.median(np.abs(intervals[2:] - intervals[:-2]))
    least, share = ALTERNATING
    return bool(next_one > least * np.median(intervals) and next_but_one < share * next_one)


def witnessed(path: Path) -> Witnessed:
    """Pulses of a recording with an ECG and a pressure named ABP."""
    ecg, pressure = read_record(path, leads=0), read_record(path, leads="ABP")
    arterial, fs = pressure.signal[:, 0], ecg.fs
    length = int(WINDOW_S * fs)
    spans, pulses = [], []
    for first in range(0, len(arterial) - length + 1, length):
        part = arterial[first : first + length]
        if not np.isfinite(part).all():
            continue
        found = find_pulses(low_passed(part, fs), fs).sample
        # No rule of these looks at the ECG, so that what is hard to detect stays in.
        _, reasons = label_window(part, part, found, fs)
        if not set(reasons) - OTHER_REASONS and not _alternating(found):
            spans.append((first, first + length))
            pulses.append(first + found)
    at = np.concatenate(pulses) if pulses else np.empty(0, np.int64)
    case = Case("pressure", path.name, ecg.signal[:, 0].copy(), fs, at)
    return Witnessed(case, np.asarray(spans, np.int64).reshape(-1, 2))


def _pairs(
    pulses: Peaks, beats: Peaks, least: float, most: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Peaks]:
    """Which pulses have a beat before them, which beats a pulse, one of each, and the delays."""
    with_beat, with_pulse = np.zeros(len(pulses), bool), np.zeros(len(beats), bool)
    delays = []
    for k, pulse in enumerate(pulses.tolist()):
        first, end = np.searchsorted(beats, (np.ceil(pulse - most), np.floor(pulse - least) + 1))
        free = first + np.flatnonzero(~with_pulse[first:end])
        if len(free):
            with_beat[k] = with_pulse[free[-1]] = True
            delays.append(pulse - int(beats[free[-1]]))
    return with_beat, with_pulse, np.asarray(delays, np.int64)


def _explained(
    witness: Witnessed, found: Found
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which pulses have a beat at the usual delay, and which beats a pulse."""
    pulses, fs = witness.case.beats, witness.case.fs
    any_delay = _pairs(pulses, found.sample, *(s * fs for s in BEFORE_S))
    if not len(any_delay[2]):
        return any_delay[:2]
    usual, apart = float(np.median(any_delay[2])), DELAY_S * fs
    return _pairs(pulses, found.sample, usual - apart, usual + apart)[:2]


def pulses_alone(witness: Witnessed, found: Found) -> Peaks:
    """Pulses without a beat before them."""
    with_beat, _ = _explained(witness, found)
    return witness.case.beats[~with_beat]


def count_pulses(witness: Witnessed, found: Found) -> Numbers:
    """How many pulses have no beat, and how many beats no pulse."""
    case = witness.case
    pulses, fs = case.beats, case.fs
    with_beat, with_pulse = _explained(witness, found)
    missed = pulses[~with_beat]
    last = round(BEFORE_S[1] * fs)
    counted = np.zeros(len(found.sample), bool)
    for first, end in witness.spans.tolist():
        counted |= (found.sample >= first) & (found.sample < end - last)
    return {
        "pulses": len(pulses),
        "without_beat": len(missed),
        "unflagged": int((~warned_of(case, found, missed)).sum()),
        "beats": int(counted.sum()),
        "without_pulse": int((counted & ~with_pulse).sum()),
        "seconds": int(WINDOW_S * len(witness.spans)),
    }
