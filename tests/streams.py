"""A signal with everything in it, and streams over it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import cache

import numpy as np
from shared_ecgs import synthetic_ecg

from ecgfast import BeatBatch, BeatStream, QRSDetector
from ecgfast.errors import InputError

METHODS = ("adaptive", "pan-tompkins", "neural")
FS = 250.0


@cache
def noisy_signal(leads: int = 1, fs: float = FS) -> np.ndarray:
    """Premature beats, noise, a gap, and a lead that comes off: float32 (n, n_leads)."""
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
    names = ("sample", "known_at", "rr", "windows", "features", "quality")
    return tuple(getattr(batch, name).tobytes() for name in names)


def peaks(detector: QRSDetector, pieces) -> np.ndarray:
    return np.concatenate([*(detector.process(p) for p in pieces), detector.flush()])


@cache
def whole(method: str, lookahead: int, leads: int) -> tuple[tuple[bytes, ...], int]:
    stream = BeatStream(FS, n_leads=leads, method=method, lookahead=lookahead)
    batch = take(stream, [noisy_signal(leads)])
    return bits(batch), len(batch)


@cache
def _hashes(state: bytes) -> list[int]:
    """The checksum before each byte of a state: most of it is the same for all forgeries."""
    checksums = [0xCBF29CE484222325]
    for byte in state:
        checksums.append(((checksums[-1] ^ byte) * 0x100000001B3) & (2**64 - 1))
    return checksums


def forged(snapshot: bytes, at: int, value: bytes) -> bytes:
    """With other bytes in the state and the checksum that goes with them."""
    state = bytearray(snapshot[32:])
    checksum = _hashes(bytes(state))[at]
    state[at : at + len(value)] = value
    for byte in state[at:]:
        checksum = ((checksum ^ byte) * 0x100000001B3) & (2**64 - 1)
    return snapshot[:16] + checksum.to_bytes(8, "little") + snapshot[24:32] + bytes(state)


def refused_forgeries(
    stream: BeatStream | QRSDetector,
    offsets: Iterable[int],
    values: Iterable[bytes],
    signal: np.ndarray,
) -> list[str]:
    """What restoring says of forged states; those that are taken have to stand the signal.

    Parameters
    ----------
    stream : BeatStream or QRSDetector
        Whose state is forged.
    offsets : iterable of int
        Where in the snapshot; negative ones count from its end.
    values : iterable of bytes
        What is written there.
    signal : ndarray
        What streams with a forged state process.
    """
    rebuild, arguments = stream.__reduce__()
    at = next(i for i, a in enumerate(arguments) if isinstance(a, bytes))
    good = arguments[at]
    refused = []
    for offset, value in itertools.product(offsets, values):
        where = offset if offset >= 0 else len(good) + offset
        changed = (*arguments[:at], forged(good, where, value), *arguments[at + 1 :])
        try:
            other = rebuild(*changed)
        except InputError as error:
            refused.append(str(error))
        else:
            other.process(signal)
    return refused
