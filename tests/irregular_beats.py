"""Beats of regular and irregular rhythm, and the episodes of atrial fibrillation in them."""

from __future__ import annotations

from math import nan

import numpy as np

from ecgfast import Beat, Event, Quality, RhythmStream

FS = 250.0


def beats_of(
    *parts: tuple[bool, float], noisy: tuple[float, float] = (0.0, 0.0), gap: float = 0.0
) -> list[Beat]:
    """Beats without a signal: parts, irregular or not, and how many seconds each lasts."""
    rng = np.random.default_rng(5)
    beats, at, end = [], 0.5, 0.0
    for irregular, seconds in parts:
        end += seconds
        while at < end:
            quality = Quality.NOISY if noisy[0] <= at < noisy[1] else Quality.GOOD
            beats.append(Beat(round(at * FS), at, "N", 0.9, {"N": 0.9}, nan, nan, quality))
            at += rng.uniform(0.4, 1.1) if irregular else 0.8 + rng.normal(0.0, 0.01)
        at += gap
    return beats


def episodes(beats: list[Beat], **rules: float) -> list[Event]:
    rhythm = RhythmStream(FS, **rules)
    events = [*rhythm.process(beats), *rhythm.flush()]
    return [one for one in events if one.kind == "atrial_fibrillation" and not one.ongoing]
