"""A signal with everything in it, and streams over it."""

from __future__ import annotations

from functools import cache

import numpy as np

from ecgfast import BeatBatch, BeatStream, QRSDetector
from ecgfast.records import synthetic_ecg

METHODS = ("adaptive", "pan-tompkins", "neural")
FS = 250.0


@cache
def noisy_signal(leads: int = 1, fs: float = FS) -> np.ndarray:
    """Premature beats, noise, a gap, and a lead that comes off: float32 (n, leads)."""
    record = synthetic_ecg(
        24,
        fs,
        ventricular=0.12,
        wander=0.2,
        muscle=0.04,
        leads=("MLII", "V1", "V5")[:leads],
        seed=8,
    )
    signal = record.signal.copy()
    signal[int(9.3 * fs) : int(9.6 * fs)] = np.nan
    signal[int(15 * fs) : int(16.2 * fs), 0] = signal[int(15 * fs), 0]
    signal[int(19 * fs), 0] = np.inf
    signal.flags.writeable = False
    return signal


def take(stream: BeatStream, pieces, **more) -> BeatBatch:
    return BeatBatch.concatenate([*(stream.process(p, **more) for p in pieces), stream.flush()])


def bits(batch: BeatBatch) -> tuple[bytes, ...]:
    names = ("r_sample", "known_at", "rr", "windows", "features", "quality")
    return tuple(getattr(batch, name).tobytes() for name in names)


def peaks(detector: QRSDetector, pieces) -> np.ndarray:
    return np.concatenate([*(detector.process(p) for p in pieces), detector.flush()])


@cache
def whole(method: str, lookahead: int, leads: int) -> tuple[tuple[bytes, ...], int]:
    stream = BeatStream(FS, leads=leads, method=method, lookahead=lookahead)
    batch = take(stream, [noisy_signal(leads)])
    return bits(batch), len(batch)
