import numpy as np
import numpy.typing as npt

def median_height(around: npt.NDArray[np.float32]) -> float: ...
def rr_statistics(
    rr: npt.NDArray[np.int64], out: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]: ...
def similarity_ranks(
    products: npt.NDArray[np.float64], norm: npt.NDArray[np.float64], length: float, least: float
) -> tuple[float, float]: ...
def wave_statistics(
    waves: npt.NDArray[np.float32],
    x: npt.NDArray[np.float64],
    norm: npt.NDArray[np.float64],
    template: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
) -> tuple[float, float, float]: ...
