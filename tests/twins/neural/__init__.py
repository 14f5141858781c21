"""The neural detector, slowly: cells, network and decision written from their description.

Constants and weights are read from the C sources, so that only the steps are written twice. Cells
are computed for the whole signal at once; scale, network and decisions step by step, with no more
than the samples that the core has then. The files are those of `csrc/src/neural`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..lead import cleaned
from ..rpeak import Refiner
from .constants import START_CELLS, STRIDE, C, Floats, defines, weights
from .decision import decide
from .input import cell_means, faults, take_cells
from .network import step_outputs, take_outputs
from .state import State

__all__ = ["defines", "detect", "run", "weights"]


def prepared(signal: npt.ArrayLike, fs: float, max_delay: float) -> State:
    """The state before the first sample."""
    x = np.asarray(signal, np.float32)
    x = x[:, None] if x.ndim == 1 else x
    s = State(fs, len(x), x.shape[1], max_delay)
    for column in x.T:
        clean, _ = cleaned(column, fs)
        s.clean.append(clean)
        s.refiners.append(Refiner(fs))
        s.means.append(cell_means(s, clean))
        s.cells.append(np.zeros(s.total, np.float32))
        s.fault.append(faults(s, column, clean))
    return s


def advance(s: State, network: dict[str, Floats], cells: int) -> None:
    """At most two steps at a time; none before the scale of the start is known."""
    take_cells(s, cells)
    if cells < START_CELLS:
        return
    for _ in range(C["STEPS_AT_ONCE"]):
        if (s.steps + 1) * STRIDE > cells:
            return
        take_outputs(s, [step_outputs(s, network, k) for k in range(s.n_leads)])
        s.steps += 1
        decide(s)


def run(signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> State:
    """The state after the last sample of a signal (n,) or (n, n_leads) in mV at `fs` Hz."""
    s, network, cells = prepared(signal, fs, max_delay), weights(), 0
    for count in range(1, s.samples + 1):
        s.count = count
        if s.whole_cells(s.count) > cells:
            cells = s.whole_cells(s.count)
            advance(s, network, cells)
    s.ended = True
    if cells:
        while cells < s.total:
            cells += 1
            advance(s, network, cells)
        while (s.steps + 1) * STRIDE <= cells:
            advance(s, network, cells)
        decide(s, final=True)
    return s


def detect(signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> npt.NDArray[np.int64]:
    """R-peak samples of a signal (n,) or (n, n_leads) in mV at `fs` Hz."""
    return np.array(run(signal, fs, max_delay).beats, np.int64)
