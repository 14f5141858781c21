from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

@dataclass(frozen=True, slots=True, eq=False)
class NetworkTensor:
    name: str
    array: npt.NDArray[Any]
    scale: float
    zero_point: int

class Network:
    inputs: tuple[NetworkTensor, ...]
    outputs: tuple[NetworkTensor, ...]
    def __init__(self, model: bytes, rows: int = 1) -> None: ...
    @property
    def size(self) -> int: ...
    def run(self) -> None: ...
