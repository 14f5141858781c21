import numpy as np
import numpy.typing as npt

def look_up(
    digits: npt.NDArray[np.int16], table: npt.NDArray[np.float32], out: npt.NDArray[np.float32]
) -> None: ...
def unpack_212(data: bytes, out: npt.NDArray[np.int16]) -> None: ...
