"""Recordings outside 100 to 2000 Hz, brought into that range block by block as they are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time

import numpy as np

from .record import FS_MAX, FS_MIN, Annotations, FloatArray, Origin, RecordSource

__all__ = ["resampled"]

# Half the length of the low-pass filter, in periods of the lower rate.
_REACH = 10


def resampled(
    fetch: Callable[[int, int], FloatArray],
    *,
    fs: float,
    n_samples: int,
    leads: tuple[str, ...],
    start: datetime | None,
    start_time: time | None,
    annotations: Callable[[float], Annotations | None] | None,
    name: str,
    units: tuple[str, ...],
    comments: tuple[str, ...],
    origin: Origin,
) -> RecordSource:
    """Return a source of samples from 100 to 2000 Hz.

    Rates below are multiplied and rates above divided by the least whole number that leads into
    the range, with the linear-phase low-pass filter of `scipy.signal.resample_poly` (a sinc in a
    Kaiser window); a sample's value does not depend on the blocks in which it is read.

    Parameters
    ----------
    fetch, fs, n_samples, leads, start, start_time, name, units, comments, origin
        As in `RecordSource`, of the recording as it is stored.
    annotations : callable or None
        Gives the marks for a sampling rate.

    Returns
    -------
    RecordSource
    """
    up = max(1, math.ceil(FS_MIN / fs - 1e-9))
    down = max(1, math.ceil(fs / FS_MAX - 1e-9))
    if up > 1 or down > 1:
        fetch = _resampler(fetch, n_samples, up, down)
        origin = replace(
            origin, notes=(*origin.notes, f"resampled from {fs:g} to {fs * up / down:g} Hz")
        )
        fs, n_samples = fs * up / down, -(-n_samples * up // down)
    return RecordSource(
        fs=fs,
        leads=leads,
        n_samples=n_samples,
        fetch=fetch,
        start=start,
        start_time=start_time,
        annotations=annotations(fs) if annotations else None,
        name=name,
        units=units,
        comments=comments,
        origin=origin,
    )


def _resampler(
    fetch: Callable[[int, int], FloatArray], n_samples: int, up: int, down: int
) -> Callable[[int, int], FloatArray]:
    reach = _REACH * max(up, down)  # samples of the filter's half, at `up` times the stored rate
    place = np.arange(-reach, reach + 1)
    taps = np.sinc(place / max(up, down)) * np.kaiser(len(place), 5.0)
    taps *= up / taps.sum()

    def fetch_resampled(start: int, stop: int) -> FloatArray:
        # From a sample that both rates share, with what the filter reaches on both sides.
        margin = -(-reach // up) + 1
        first = max(0, start * down // up - margin) // down * down
        last = min(n_samples, stop * down // up + margin + 1)
        stored = fetch(first, last).astype(np.float64)
        missing = ~np.isfinite(stored)
        stored[missing] = 0.0
        dense = np.zeros((len(stored) * up + 2 * reach, stored.shape[1]))
        dense[reach : len(dense) - reach : up] = stored
        # One tap after the other: the sum has the same order, and so the same bits, in any block.
        out = np.zeros((stop - start, stored.shape[1]))
        begin = start * down - first * up
        for i, tap in enumerate(taps):
            out += tap * dense[begin + i :: down][: len(out)]
        if missing.any():
            nearest = np.minimum((np.arange(start, stop) * down + up // 2) // up, n_samples - 1)
            out[missing[np.clip(nearest - first, 0, len(stored) - 1)]] = np.nan
        return np.ascontiguousarray(out, np.float32)

    return fetch_resampled
