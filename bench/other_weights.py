"""The detector `neural` with weights of one's own: for figures on databases left out.

Compiles the core of this checkout with the given weights (needs a C compiler).
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from compiled_core import CSRC, FLAGS, CompiledCore

from ecgfast.training.qrs.c_source import weights_source


def _compiler() -> list[str]:
    folders = sorted({path.parent for path in CSRC.rglob("*.h")})
    return [os.environ.get("CC", "cc"), *FLAGS, *(f"-I{path}" for path in folders)]


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


class WeightedDetector(CompiledCore):
    """Detectors of a core in which `neural` has weights of one's own."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        source, library = folder / "neural_weights.c", folder / "core.so"
        source.write_text(weights_source(weights, "bench/other_weights.py"))
        objects = [str(path) for path in Path(_objects().name).glob("*.o")]
        command = [*_compiler(), "-shared", str(source), *objects, "-o", str(library), "-lm"]
        subprocess.run(command, check=True)
        super().__init__(library)
