"""A shared library of the core with other constants or weights, driven through the C interface."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast.core import METHODS

CSRC = Path(__file__).resolve().parents[1] / "csrc"
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC")
ALIGNMENT = 16
QRS = np.dtype([("r", "<i8"), ("at", "<i8"), ("strength", "<f4"), ("quality", "<u4")])
"""ecg_qrs."""


class Config(ctypes.Structure):
    """ecg_detector_config."""

    _fields_ = (
        ("fs", ctypes.c_double),
        ("max_delay", ctypes.c_double),
        ("leads", ctypes.c_int32),
        ("method", ctypes.c_int32),
        ("keep", ctypes.c_double),
        ("max_rate", ctypes.c_double),
    )


@dataclass(frozen=True, eq=False)
class Found:
    """Beats of one recording.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        R peaks.
    quality : ndarray of uint32, shape (n,)
        Bits of `Quality`; 0: nothing is said against the beat.
    reported_at : ndarray of int64, shape (k,)
        Samples seen when each of the first k beats was reported; the others came with the end.
    """

    sample: npt.NDArray[np.int64]
    quality: npt.NDArray[np.uint32]
    reported_at: npt.NDArray[np.int64]


class CompiledCore:
    """The detectors of a shared library."""

    def __init__(self, library: Path) -> None:
        self.core = ctypes.CDLL(str(library))
        for name in ("ecg_detector_size", "ecg_detector_process", "ecg_detector_flush"):
            getattr(self.core, name).restype = ctypes.c_size_t

    def found(
        self, signal: npt.ArrayLike, fs: float, method: str, max_delay: float | None = None
    ) -> Found:
        """Beats of a signal, shape (n,) or (n, n_leads); options as those of `detect_qrs`."""
        x = np.ascontiguousarray(signal, np.float32)
        leads = x.shape[1] if x.ndim == 2 else 1
        config = Config(fs, max_delay or 0.0, leads, METHODS[method], 0.0, 0.0)
        size = self.core.ecg_detector_size(ctypes.byref(config))
        block = np.zeros(size + ALIGNMENT, np.uint8)
        state = ctypes.c_void_p(-(-block.ctypes.data // ALIGNMENT) * ALIGNMENT)
        status = self.core.ecg_detector_init(state, ctypes.c_size_t(size), ctypes.byref(config))
        if status:
            raise ValueError(f"the core refuses this configuration: status {status}")
        beats = np.zeros(len(x) + 1, QRS)  # no detector reports two beats at one sample
        count = ctypes.c_size_t()
        self.core.ecg_detector_process(
            state,
            ctypes.c_void_p(x.ctypes.data),
            ctypes.c_size_t(len(x)),
            ctypes.c_void_p(beats.ctypes.data),
            ctypes.c_size_t(len(beats)),
            ctypes.byref(count),
        )
        live = total = count.value
        while True:
            rest = ctypes.c_void_p(beats.ctypes.data + total * QRS.itemsize)
            more = self.core.ecg_detector_flush(state, rest, ctypes.c_size_t(len(beats) - total))
            if not more:
                break
            total += more
        beats = beats[:total]
        return Found(beats["r"].copy(), beats["quality"].copy(), beats["at"][:live].copy())
