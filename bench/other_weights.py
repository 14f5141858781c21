"""The detector `neural` with weights of one's own: for figures on databases left out.

Compiles the core of this checkout with the given weights (needs a C compiler).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast.training.qrs.c_source import weights_source

CSRC = Path(__file__).resolve().parent.parent / "csrc"
NEURAL = 3
ALIGNMENT = 16


class _Config(ctypes.Structure):
    _fields_ = [
        ("fs", ctypes.c_double),
        ("max_delay", ctypes.c_double),
        ("leads", ctypes.c_int32),
        ("method", ctypes.c_int32),
        ("keep", ctypes.c_double),
    ]


class _Qrs(ctypes.Structure):
    _fields_ = [
        ("r_sample", ctypes.c_int64),
        ("reported_at", ctypes.c_int64),
        ("strength", ctypes.c_float),
        ("quality", ctypes.c_uint32),
    ]


class WeightedDetector:
    """R peaks of whole recordings by the method `neural` with weights of one's own."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "neural_weights.c").write_text(weights_source(weights, "bench/other_weights.py"))
        sources = [
            path
            for path in sorted(CSRC.rglob("*.c"))
            if "examples" not in path.parts and path.name != "neural_weights.c"
        ]
        folders = sorted({path.parent for path in CSRC.rglob("*.h")})
        library = folder / "core.so"
        command = [
            os.environ.get("CC", "cc"),
            "-std=c11",
            "-O3",
            "-ffp-contract=off",
            "-fPIC",
            "-shared",
        ]
        command += [f"-I{path}" for path in folders]
        command += [str(path) for path in [*sources, folder / "neural_weights.c"]]
        subprocess.run([*command, "-o", str(library), "-lm"], check=True)
        self._core = ctypes.CDLL(str(library))
        self._core.ecg_detector_size.restype = ctypes.c_size_t
        self._core.ecg_detector_process.restype = ctypes.c_size_t
        self._core.ecg_detector_flush.restype = ctypes.c_size_t

    def __call__(self, signal: npt.ArrayLike, fs: float) -> npt.NDArray[np.int64]:
        """R peaks in samples; as `detect_qrs`."""
        x = np.ascontiguousarray(signal, np.float32)
        config = _Config(fs, 0.0, x.shape[1] if x.ndim == 2 else 1, NEURAL, 0.0)
        size = self._core.ecg_detector_size(ctypes.byref(config))
        block = ctypes.create_string_buffer(size + ALIGNMENT)
        at = -ctypes.addressof(block) % ALIGNMENT
        state = ctypes.c_void_p(ctypes.addressof(block) + at)
        status = self._core.ecg_detector_init(state, ctypes.c_size_t(size), ctypes.byref(config))
        if status:
            raise ValueError(f"the core refuses this configuration: status {status}")
        beats, found, done = (_Qrs * 64)(), ctypes.c_size_t(), 0
        peaks: list[int] = []
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
            peaks += [beats[i].r_sample for i in range(found.value)]
        while got := self._core.ecg_detector_flush(state, beats, ctypes.c_size_t(64)):
            peaks += [beats[i].r_sample for i in range(got)]
        return np.asarray(peaks, np.int64)
