"""The constants and weights of the neural detector, read from the C sources."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfast.training.qrs import c_source

Floats = npt.NDArray[np.float32]
F = np.float32

SOURCES = Path(__file__).parents[3] / "csrc" / "src" / "neural"


def defines(name: str) -> dict[str, np.float32 | int]:
    """Numbers that a C source defines; whole ones are integers, others float32."""
    text = (SOURCES / name).read_text(encoding="utf-8")
    found: dict[str, np.float32 | int] = {}
    for key, value in re.findall(r"^#define (\w+) \(?(-?[\d.]+(?:e-?\d+)?f?)\)?\s", text, re.M):
        found[key] = int(value) if value.lstrip("-").isdigit() else F(value.rstrip("f"))
    return found


def weights() -> dict[str, Floats]:
    return c_source.read_weights((SOURCES / "neural_weights.c").read_text(encoding="utf-8"))


FILES = ("neural.h", "neural.c", "neural_input.c", "neural_constants.h")
C = {name: value for file in FILES for name, value in defines(file).items()}
HZ, STRIDE = C["NEURAL_HZ"], C["NEURAL_STRIDE"]
EARLY, LATE = C["NEURAL_EARLY"], C["NEURAL_LATE"]
SUM, HOLD, MERGE = C["SUM_CELLS"], C["HOLD_CELLS"], C["MERGE_CELLS"]
PAD = (LATE + 1) * STRIDE + 24
BLOCK, WINDOW = C["NEURAL_BLOCK"], C["NEURAL_WINDOW"]
START_CELLS = C["NEURAL_START"] * BLOCK
SMALLEST = F(C["SMALLEST"])
SEEN_STEPS = 80
"""More steps than an output knows of."""
