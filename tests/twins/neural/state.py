"""What the detector remembers: the state that its stages share (`neural.h`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor

import numpy as np
import numpy.typing as npt

from ..rpeak import Refiner
from .constants import EARLY, HOLD, HZ, LATE, PAD, SMALLEST, START_CELLS, STRIDE, SUM, C, F, Floats

ZERO = F(0)


def seconds(cells: int) -> np.float32:
    return F(cells) / F(HZ)


@dataclass
class Candidate:
    """A cell around which a beat is expected."""

    at: int
    odds: np.float32
    score: np.float32
    value: np.float32
    before: Candidate | None = None


@dataclass
class Shape:
    """The shape of a lead's last beats, and the cells that look like it."""

    mean: Floats
    beats: int = 0
    unlike: int = 0
    looked: int = 0
    best: np.float32 = ZERO
    best_gain: np.float32 = ZERO
    best_at: int = 0
    match: int = 0
    match_gain: np.float32 = ZERO


@dataclass
class State:
    """The detector on a whole signal of `samples` and `n_leads`."""

    fs: float
    samples: int
    n_leads: int
    max_delay: float
    # of each lead
    clean: list[Floats] = field(default_factory=list)
    refiners: list[Refiner] = field(default_factory=list)
    means: list[Floats] = field(default_factory=list)
    cells: list[Floats] = field(default_factory=list)
    fault: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    # candidates and beats
    pending: list[Candidate] = field(default_factory=list)
    beats: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    reported_at: list[int] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    early_hold: int = 0
    accepted: int = 0
    halves: int = 0
    last: int | None = None
    last_clear: int | None = None
    passed_over: np.float32 = C["NONE_PASSED"]
    # rhythm
    rr: list[np.float32] = field(default_factory=list)
    rr_ref: np.float32 = C["RR_FIRST_S"]
    rr_var: np.float32 = C["VAR_FIRST"]
    # time: samples, cells, steps
    count: int = 0
    seen_cells: int = 0
    steps: int = 0
    searched: int = 0
    searched_early: int = 0
    wake: int = 1 << 62
    ended: bool = False

    def __post_init__(self) -> None:
        self.cell = floor(self.fs / HZ * 2**32 + 0.5)
        self.end = self.whole_cells(self.samples)
        self.total = max(self.end + PAD, START_CELLS) if self.end else 0
        leads = range(self.n_leads)
        self.scale = [SMALLEST for _ in leads]
        self.inputs = [np.zeros((self.total, 2), np.float32) for _ in leads]
        self.odds = [np.zeros(self.total, np.float32) for _ in leads]
        self.heard: list[int | None] = [None for _ in leads]
        self.clear: list[list[int]] = [[] for _ in leads]
        self.early, self.late_p = np.zeros((2, self.total), np.float32)
        self.height = [F(0) for _ in leads]
        self.clarity = F(0)
        self.heights = [0 for _ in leads]
        self.shape = [Shape(np.zeros(C["NEURAL_SHAPE"], np.float32)) for _ in leads]
        # What the maxima of the blocks are multiplied by since the gain fell.
        self.gain = [np.ones(self.total // C["NEURAL_BLOCK"] + 1, np.float32) for _ in leads]
        lag = F((LATE + 1) * STRIDE + SUM + HOLD + 1) / F(HZ)
        early_lag = F((EARLY + 1) * STRIDE + SUM + HOLD + 1) / F(HZ)
        limit = F(self.max_delay)
        self.late = bool(limit == 0 or limit >= lag + F(0.02))
        wait = C["WAIT_MAX_S"] if limit == 0 else limit - (lag if self.late else early_lag)
        self.wait = F(min(max(wait, F(0)), C["WAIT_MAX_S"]))
        self.expire = self.wait if self.max_delay else C["EXPIRE_S"]

    def whole_cells(self, samples: int) -> int:
        return (samples << 32) // self.cell

    def sample_of(self, at: int) -> int:
        return (at * self.cell + self.cell // 2) >> 32
