"""The detector `neural` with other weights than the built-in ones.

For figures on databases left out. Compiles the core of this checkout with the given weights into a
shared library (needs a C compiler).
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast.core import METHODS
from ecgfast.training.qrs.c_source import weights_source

CSRC = Path(__file__).resolve().parent.parent / "csrc"
ALIGNMENT = 16


class _Config(ctypes.Structure):
    _fields_ = [
        ("fs", ctypes.c_double),
        ("max_delay", ctypes.c_double),
        ("leads", ctypes.c_int32),
        ("method", ctypes.c_int32),
        ("keep", ctypes.c_double),
        ("max_rate", ctypes.c_double),
    ]


class _Qrs(ctypes.Structure):
    _fields_ = [
        ("r_sample", ctypes.c_int64),
        ("reported_at", ctypes.c_int64),
        ("strength", ctypes.c_float),
        ("quality", ctypes.c_uint32),
    ]


def _compiler() -> list[str]:
    folders = sorted({path.parent for path in CSRC.rglob("*.h")})
    options = ["-std=c11", "-O3", "-ffp-contract=off", "-fPIC"]
    return [os.environ.get("CC", "cc"), *options, *(f"-I{path}" for path in folders)]


@functools.cache
def _objects() -> tempfile.TemporaryDirectory[str]:
    """The core but for the weights, compiled once."""
    folder = tempfile.TemporaryDirectory()
    sources = [
        str(path)
        for path in sorted(CSRC.rglob("*.c"))
        if "examples" not in path.parts and path.name != "neural_weights.c"
    ]
    subprocess.run([*_compiler(), "-c", *sources], cwd=folder.name, check=True)
    return folder


@dataclass(frozen=True, eq=False)
class Found:
    """Beats of one recording.

    Attributes
    ----------
    r_sample : ndarray of int64, shape (n,)
        R peaks.
    quality : ndarray of uint32, shape (n,)
        Bits of `Quality`; 0: nothing is said against the beat.
    reported_at : ndarray of int64, shape (k,)
        Samples seen when each of the first k beats was reported; the others came with the end.
    """

    r_sample: npt.NDArray[np.int64]
    quality: npt.NDArray[np.uint32]
    reported_at: npt.NDArray[np.int64]


class WeightedDetector:
    """R peaks of whole recordings by the method `neural` with weights of one's own."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        source, library = folder / "neural_weights.c", folder / "core.so"
        source.write_text(weights_source(weights, "bench/other_weights.py"))
        objects = [str(path) for path in Path(_objects().name).glob("*.o")]
        command = [*_compiler(), "-shared", str(source), *objects, "-o", str(library), "-lm"]
        subprocess.run(command, check=True)
        self._core = ctypes.CDLL(str(library))
        self._core.ecg_detector_size.restype = ctypes.c_size_t
        self._core.ecg_detector_process.restype = ctypes.c_size_t
        self._core.ecg_detector_flush.restype = ctypes.c_size_t

    def __call__(self, signal: npt.ArrayLike, fs: float) -> npt.NDArray[np.int64]:
        """R peaks in samples; as `detect_qrs`."""
        return self.found(signal, fs).r_sample

    def found(
        self,
        signal: npt.ArrayLike,
        fs: float,
        method: str = "neural",
        max_delay: float | None = None,
    ) -> Found:
        """R peaks, their quality, and when each is reported; `method`, `max_delay` as there."""
        x = np.ascontiguousarray(signal, np.float32)
        n_leads = x.shape[1] if x.ndim == 2 else 1
        config = _Config(fs, max_delay or 0.0, n_leads, METHODS[method], 0.0, 0.0)
        size = self._core.ecg_detector_size(ctypes.byref(config))
        block = ctypes.create_string_buffer(size + ALIGNMENT)
        at = -ctypes.addressof(block) % ALIGNMENT
        state = ctypes.c_void_p(ctypes.addressof(block) + at)
        status = self._core.ecg_detector_init(state, ctypes.c_size_t(size), ctypes.byref(config))
        if status:
            raise ValueError(f"the core refuses this configuration: status {status}")
        beats, found, done = (_Qrs * 64)(), ctypes.c_size_t(), 0
        rows: list[tuple[int, int, int]] = []
        n = len(x)
        step = x.strides[0]
        while done < n:
            done += self._core.ecg_detector_process(
                state,
                ctypes.c_void_p(x.ctypes.data + done * step),
                ctypes.c_size_t(n - done),
                beats,
                ctypes.c_size_t(64),
                ctypes.byref(found),
            )
            rows += [(b.r_sample, b.quality, b.reported_at) for b in beats[: found.value]]
        live = len(rows)
        while got := self._core.ecg_detector_flush(state, beats, ctypes.c_size_t(64)):
            rows += [(b.r_sample, b.quality, b.reported_at) for b in beats[:got]]
        table = np.asarray(rows, np.int64).reshape(-1, 3)
        return Found(table[:, 0], table[:, 1].astype(np.uint32), table[:live, 2])
