"""Signals without QRS complexes: made standstills, and noise; for `generalisation.py`.

A standstill is made from a recording by cutting out QRS complexes and T waves: from 65 to 95 ms
before each R peak to half a second after it (less where the beats come fast), a straight line
takes the place of the signal. P waves, baseline wander and noise between the beats stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast import read_record
from ecgfast.evaluation import flutter_intervals, is_beat
from ecgfast.evaluation.false_alarms import strip_rhythms

Signal = npt.NDArray[np.float32]

BEGINS_S = (300, 600, 900, 1200, 1500)
LENGTH_S = 15.0
BEFORE_R_S = (0.065, 0.095)
AFTER_R_S = 0.5
AFTER_R_SHARE = 0.68
"""Share of the RR interval that is cut after the R peak of fast beats."""
MARGIN_S = 0.016


@dataclass(frozen=True, eq=False)
class Standstills:
    """One recording with standstills.

    Attributes
    ----------
    signal : ndarray of float32, shape (n,)
        First lead in mV.
    fs : float
        Sampling rate in Hz.
    spans : ndarray of int64, shape (k, 2)
        First and last sample of each stretch in which no beat is right.
    """

    signal: Signal
    fs: float
    spans: npt.NDArray[np.int64]


def standstills(path: Path) -> Standstills | None:
    """Cut five stretches of 15 s; None where the reference marks ventricular flutter."""
    record = read_record(path, leads=0)
    marks, fs = record.annotations, record.fs
    assert marks is not None
    if len(flutter_intervals(marks.sample, list(marks.symbol))):
        return None
    x = record.signal[:, 0].copy()
    beats = np.sort(marks.sample[is_beat(marks.symbol)])
    rng = np.random.default_rng(sum(path.name.encode()))
    spans = []
    for begin_s in BEGINS_S:
        inside = beats[(beats > begin_s * fs) & (beats < (begin_s + LENGTH_S) * fs)]
        if len(inside) < 2:
            continue
        after = min(AFTER_R_S * fs, AFTER_R_SHARE * float(np.median(np.diff(inside))))
        for r in inside:
            first = int(r - rng.uniform(*BEFORE_R_S) * fs)
            last = min(int(r + after), len(x) - 1)
            x[first : last + 1] = np.linspace(x[first], x[last], last - first + 1)
        margin = round(MARGIN_S * fs)
        spans.append((inside[0] - margin, inside[-1] + margin))
    return Standstills(x, fs, np.asarray(spans, np.int64).reshape(-1, 2))


def longest_silence(peaks: npt.NDArray[np.int64], first: int, last: int) -> int:
    """Longest time between two detections, in samples, of those that overlap a stretch."""
    before = peaks[peaks < first][-1:]
    inside = peaks[(peaks >= first) & (peaks <= last)]
    after = peaks[peaks > last][:1]
    ends = [before if len(before) else [first], inside, after if len(after) else [last]]
    return int(np.diff(np.concatenate(ends)).max())


def noise_paths(data: Path) -> Iterator[tuple[str, Path]]:
    """Kind and path of recordings of noise: nstdb's two, and the noise class of cinc2017."""
    for name in ("bw", "ma"):
        yield f"nstdb {name}", data / "nstdb" / name
    for name, label in strip_rhythms(data / "cinc2017").items():
        if label == "~":
            yield "cinc2017 noise class", data / "cinc2017" / name
