"""The band-pass filter, slowly: SciPy's design, and the difference equation written out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy


def design(fs: float, low: float, high: float) -> tuple[npt.NDArray, npt.NDArray]:
    """Numerator and denominator of the fourth-order Butterworth band-pass."""
    return scipy.signal.butter(2, [low, high], btype="bandpass", fs=fs)


def delay(fs: float, low: float, high: float) -> float:
    """Group delay in samples where the band's centre comes to lie on the warped axis."""
    centre = 2 * np.arctan(np.sqrt(np.tan(np.pi * low / fs) * np.tan(np.pi * high / fs)))
    return float(scipy.signal.group_delay(design(fs, low, high), [centre])[1][0])


def filtered(signal: npt.ArrayLike, fs: float, low: float, high: float) -> npt.NDArray[np.float64]:
    """The filter's answer to a signal that had always stood at its first finite sample."""
    b, a = design(fs, low, high)
    clean = []
    for sample in np.asarray(signal, np.float64):
        clean.append(sample if np.isfinite(sample) else (clean[-1] if clean else np.nan))
    finite = [x for x in clean if np.isfinite(x)]
    rest = finite[0] if finite else 0.0
    x = [sample - rest if np.isfinite(sample) else 0.0 for sample in clean]
    y: list[float] = []
    for n in range(len(x)):
        value = sum(b[k] * x[n - k] for k in range(len(b)) if n >= k)
        value -= sum(a[k] * y[n - k] for k in range(1, len(a)) if n >= k)
        y.append(value)
    return np.array(y)
