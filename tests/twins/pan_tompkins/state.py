"""What the stages share (`pan_tompkins.h`): peaks of the integral, and what they taught."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..rpeak import Refiner
from .constants import NEVER


@dataclass
class Peak:
    """What lies under a peak of the integral."""

    about: int  # sample of the complex's main band-pass extremum, filter delay removed
    height: float
    slope: float


@dataclass
class Levels:
    """What was learned from the peaks so far; heights are amplitudes, times samples."""

    signal: float = 0.0
    noise: float = 0.0
    slope: float = 0.0  # of the last beat, as are the next three
    last: int = NEVER
    interval: int = 0
    height: float = 0.0
    idle: int = 0  # samples without signal since the last beat
    noisy: bool = False  # the last beat was noise
    calm: int = 0  # beats in a row that were no noise
    even: int = 0  # beats in a row like the one before
    rr: list[float] = field(default_factory=list)


@dataclass
class State:
    """One lead, from the band-passed signal to the beats; steps are groups of samples."""

    # from the configuration
    clean: np.ndarray
    fs: float
    group: int  # samples a step
    delay: int  # samples, of the band-pass and of the groups
    block: int  # steps, as are the next four
    width: int
    lookback: int  # difference for the slope
    hold: int
    pair: int
    first: int  # samples, as are the next two
    oldest: int
    limit: int | None
    refiner: Refiner
    # of each step
    sums: np.ndarray
    band: np.ndarray
    squared: np.ndarray
    integral: np.ndarray
    # peak search
    rising: bool = False
    peak: float = 0.0
    peak_at: int = 0
    passed: list[tuple[float, int]] = field(default_factory=list)  # in this block
    # decisions
    count: int = 0  # samples seen
    started: bool = False
    begin: float = float("inf")  # sample from which decisions are made
    levels: Levels = field(default_factory=Levels)
    waiting: list[Peak] = field(default_factory=list)  # no beats so far
    energies: list[float] = field(default_factory=list)  # of each block
    heights: list[tuple[float, int]] = field(default_factory=list)
    reported: int = NEVER
    found: list[int] = field(default_factory=list)
