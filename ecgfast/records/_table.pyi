import numpy as np
import numpy.typing as npt

NUMBER: int
TIME: int
SKIP: int

def parse_rows(
    data: bytes | memoryview,
    separator: int,
    decimal: int,
    kinds: npt.NDArray[np.int8],
    out: npt.NDArray[np.float64],
    last: bool,
    day_first: bool = False,
) -> tuple[int, int, int, int, tuple[int, int]]: ...
