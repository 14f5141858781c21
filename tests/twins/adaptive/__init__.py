"""The adaptive detector, slowly: written from its description, in double precision, nothing saved.

Every decision recomputes all scores and paths; the C core keeps what has not changed. One lead or
several; R peaks come from `Refiner`, the C core's own refinement written out. The files are those
of `csrc/src/adaptive`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .constants import PENDING_MAX
from .decision import reject_first
from .feature import Maxima, emit, prepared
from .phase import enter, on_end, on_sample
from .state import Phase


def detect(signal: npt.ArrayLike, fs: float, max_delay: float = 0.0) -> npt.NDArray[np.int64]:
    """R-peak samples of a signal (n,) or (n, n_leads) in mV at `fs` Hz."""
    a = prepared(signal, fs, max_delay)
    enter(a, Phase.WAITS)
    maxima = Maxima()
    for index in range(1, a.steps + 1):
        at, found = maxima.next(a, index), False
        if at is not None:
            if len(a.pending) >= PENDING_MAX:
                reject_first(a)
            found = emit(a, at, flushing=index > a.end)
        on_sample(a, index, found)
    on_end(a)
    return np.array(a.beats, np.int64)
