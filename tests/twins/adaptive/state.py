"""What the detector remembers: the state that its stages share (`adaptive.h`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from ..rpeak import Refiner
from .constants import CONSTANT

Array = npt.NDArray[np.float64]


def quantile(values: list[float], q: float) -> float:
    return float(np.quantile(values, q))


class Phase(Enum):
    """What is being done."""

    WAITS = 0  # for the first candidate
    COLLECTS = 1  # the candidates of the first seconds
    LEARNS = 2  # beats are decided; levels still come from the first candidates
    RUNS = 3  # levels come from what is decided


@dataclass
class Candidate:
    """A local maximum of the band energy, by lead and over the leads."""

    at: int
    heights: list[float]
    band_ratios: list[float]
    shapes: list[Array]
    faulty: list[bool]
    similarities: list[float | None]
    energies: list[float]
    lead_score: list[float]
    height: float = 0.0
    band_ratio: float = 0.0
    similarity: float = 0.0
    score: float = 0.0
    value: float = 0.0
    before: Candidate | None = None


@dataclass
class Lead:
    """One lead: its signal, and what was learned from it."""

    energy: Array
    high: Array
    wave: Array
    nothing: npt.NDArray[np.bool_]
    clean: Array
    refiner: Refiner
    weight: float = 1.0
    scale: float = 1.0
    seeded: bool = False
    first: list[float] = field(default_factory=list)
    signals: list[float] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)
    signal: float = 0.0
    noise: float = 0.0
    slow_signal: float = 0.0
    slow_noise: float = 0.0
    template: Array | None = None
    slow_template: Array | None = None
    template_beats: int = 0
    tall_height: float = 0.0
    tall_energy: float = 0.0
    tall_at: int = 0
    stored_template: Array | None = None
    stored_signal: float = 0.0
    stored_noise: float = 0.0
    stored_beats: int = 0
    mismatch_run: int = 0
    match_height: float = 0.0
    last_height: float = 0.0
    last_band_ratio: float = 0.0
    loss_accepted: float = 0.0
    loss_rejected: float = 0.0


@dataclass
class State:
    """The detector on a whole signal; times are decimated samples, intervals seconds."""

    # from the configuration
    fs: float
    samples: int
    group: int
    rate: float
    centre: int
    hold: int
    edge: int
    spike: int
    merge: int
    half: int
    lag: int
    end: int
    steps: int
    wait: float
    expire: float
    start: float
    low: npt.NDArray[np.complex128]
    high: npt.NDArray[np.complex128]
    leads: list[Lead]
    # phases
    phase: Phase = Phase.WAITS
    learn_until: int | None = None
    wake: float = float("inf")
    relearning: bool = False
    # candidates and beats
    pending: list[Candidate] = field(default_factory=list)
    latest: list[Candidate] = field(default_factory=list)
    beats: list[int] = field(default_factory=list)
    accepted: int = 0
    last_at: int = 0
    last_reported: int = 0
    last_height: float = 0.0
    last_band_ratio: float = 0.0
    # rhythm
    rr: list[float] = field(default_factory=list)
    rr_ref: float = 0.0
    rr_var: float = 0.0
    # trust
    trust: float = 0.0
    gap: float = 0.0
    recent: float = 0.0
    mean_similarity: float = 0.0
    trusted: int = 0
    probation: int = 0
    doubts: int = 0
    # the patient
    stored_rr: float = 0.0
    match_at: int | None = None
    match_height: float = 0.0
    tallest_since_match: float = 0.0

    @property
    def decides(self) -> bool:
        return self.phase in (Phase.LEARNS, Phase.RUNS)

    def seconds(self, a: int, b: int) -> float:
        return (b - a) / self.rate

    def now(self, index: int) -> int:
        """The latest sample of which candidates are known."""
        return index - 1 - self.centre - self.hold

    def look_back(self) -> list[Candidate]:
        """The last candidates, of as many seconds as a start takes."""
        if not self.latest:
            return []
        oldest = self.latest[-1].at - int(CONSTANT.start_s * self.rate)
        return [c for c in self.latest if c.at > oldest]
