import numpy as np
import numpy.typing as npt

def rr_statistics(
    rr: npt.NDArray[np.int64], out: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]: ...
def wave_statistics(
    waves: npt.NDArray[np.float32],
    x: npt.NDArray[np.float64],
    power: npt.NDArray[np.float64],
    template: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
) -> None: ...
