"""Samples as a page gets them: fewer of them, in 16 bits, in blocks with a scale of their own."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

__all__ = ["MISSING", "Decimator", "decode", "encode"]

# Points a second that a page needs at least: 25 mm/s is 95 pixels a second, and twice that on a
# dense screen.
_ENOUGH_HZ = 250.0

#: Stands for a missing sample.
MISSING = -32768

# Largest number of a block.
_TOP = 32000.0

# Of a message: version, leads, nothing, blocks. Of a block: its first point, its points, nothing.
_HEAD, _BLOCK = struct.Struct("<BBHI"), struct.Struct("<dII")


class Decimator:
    """Keep the lowest and the highest of each 2 x `step` samples, in the order in which they came.

    No peak is lost, whatever its width; a point lies within 2 x `step` samples of its place. At
    rates below 500 Hz every sample is kept. The result does not depend on how samples are cut.

    Parameters
    ----------
    fs : float
        Sampling rate, Hz.
    n_leads : int

    Attributes
    ----------
    step : int
        Samples for each point.
    """

    def __init__(self, fs: float, n_leads: int) -> None:
        self.step = max(1, int(fs / _ENOUGH_HZ))
        self._held: list[npt.NDArray[np.float32]] = []
        self._n_held = 0
        self._n_leads = n_leads

    def process(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the points that the next samples, shape (n, n_leads), complete."""
        if self.step == 1:
            return samples
        self._held.append(samples)
        self._n_held += len(samples)
        size = 2 * self.step
        n = self._n_held // size
        if not n:
            return np.empty((0, self._n_leads), np.float32)
        held = np.concatenate(self._held)
        rest = held[n * size :]
        self._held, self._n_held = [rest.copy()], len(rest)
        return _extremes(held[: n * size].reshape(n, size, self._n_leads))


def _extremes(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Lowest and highest along axis 1, in their order: shape (n, size, leads) to (2 n, leads)."""
    missing = np.isnan(x)
    at_low = np.where(missing, np.inf, x).argmin(axis=1)[:, np.newaxis]
    at_high = np.where(missing, -np.inf, x).argmax(axis=1)[:, np.newaxis]
    first, second = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    points = np.concatenate(
        [np.take_along_axis(x, first, axis=1), np.take_along_axis(x, second, axis=1)], axis=1
    )
    # Where all are missing the first is taken, which is missing too.
    return points.reshape(-1, x.shape[2]).astype(np.float32, copy=False)


def encode(points: npt.NDArray[np.float32], begin: int, size: int) -> bytes:
    """Points as one message.

    Parameters
    ----------
    points : ndarray, shape (n, n_leads)
        NaN is a missing one.
    begin : int
        Number of the first point.
    size : int
        Points of a block: each has its own offset and scale for each lead, so that a large
        artefact makes the other blocks no coarser.

    Notes
    -----
    Little endian: a head (version 1, leads: 1 byte each; 2 bytes; blocks: 4 bytes), then for each
    block its first point (float64), its number of points n (uint32) and 4 bytes; for each lead an
    offset, then for each lead a scale (float32); for each lead n values (int16; -32768 is missing),
    filled up to a multiple of 8 bytes. A sample is offset + scale * value.
    """
    n_leads = points.shape[1]
    parts = []
    starts = range(0, len(points), max(1, size))
    for i in starts:
        block = points[i : i + size].T.astype(np.float64)
        low = np.fmin.reduce(block, axis=1, initial=np.inf)
        high = np.fmax.reduce(block, axis=1, initial=-np.inf)
        there = low <= high
        low, high = np.where(there, low, 0.0), np.where(there, high, 0.0)
        offset = ((low + high) / 2.0).astype("<f4")
        scale = ((high - low) / (2.0 * _TOP)).astype("<f4")
        scale[scale == 0.0] = 1.0
        missing = np.isnan(block)
        value = np.rint((np.where(missing, 0.0, block) - offset[:, None]) / scale[:, None])
        value = np.where(missing, MISSING, value.clip(-32767, 32767)).astype("<i2")
        body = value.tobytes()
        parts += [
            _BLOCK.pack(float(begin + i), block.shape[1], 0),
            offset.tobytes(),
            scale.tobytes(),
            body,
            bytes(-len(body) % 8),
        ]
    return b"".join([_HEAD.pack(1, n_leads, 0, len(starts)), *parts])


def decode(message: bytes) -> list[tuple[int, npt.NDArray[np.float32]]]:
    """The blocks of a message: number of the first point, and points of shape (n, n_leads)."""
    _, n_leads, _, n_blocks = _HEAD.unpack_from(message)
    at = _HEAD.size
    blocks = []
    for _ in range(n_blocks):
        begin, n, _ = _BLOCK.unpack_from(message, at)
        at += _BLOCK.size
        offset, scale = np.frombuffer(message, "<f4", 2 * n_leads, at).reshape(2, n_leads, 1)
        at += 8 * n_leads
        value = np.frombuffer(message, "<i2", n * n_leads, at).reshape(n_leads, n)
        at += 2 * n * n_leads + -(2 * n * n_leads) % 8
        points = np.where(value == MISSING, np.nan, offset + scale * value.astype(np.float32))
        blocks.append((int(begin), points.T.astype(np.float32)))
    return blocks
