"""Reference values of heart-rate variability: neurokit2 and pyhrv on synthetic intervals.

Writes the intervals, the values and the versions to ``tests/hrv/reference.json``, which the tests
compare `ecgfast.hrv` with. Both libraries together weigh 800 MB and pyhrv does not import beside
nolds 0.6, so the tests do not need them::

    python3 -m venv /tmp/reference
    /tmp/reference/bin/pip install neurokit2==0.3.0 pyhrv==0.5.0 nolds==0.5.2 peakutils astropy
    MPLBACKEND=Agg /tmp/reference/bin/python bench/hrv_reference.py
"""

from __future__ import annotations

import json
import math
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parents[1] / "tests" / "hrv" / "reference.json"
LIBRARIES = ("neurokit2", "pyhrv", "nolds", "astropy", "numpy", "scipy")
SERIES = {"five minutes": (375, 1), "an hour": (4500, 2)}


def synthetic(count: int, seed: int) -> list[int]:
    """NN intervals in ms: respiration, Mayer waves and 1/f noise around 0.8 s."""
    rng = np.random.default_rng(seed)
    time = 0.8 * np.arange(count)
    frequency = np.fft.rfftfreq(count)
    amplitude = np.zeros(len(frequency))
    amplitude[1:] = frequency[1:] ** -0.5
    phase = np.exp(2j * np.pi * rng.random(len(frequency)))
    pink = np.fft.irfft(amplitude * phase, count)
    nn = (
        800
        + 30 * np.sin(2 * np.pi * 0.1 * time)
        + 25 * np.sin(2 * np.pi * 0.25 * time)
        + 35 * pink / pink.std()
        + 8 * rng.standard_normal(count)
    )
    return np.round(nn).astype(int).tolist()


def of_neurokit(nn: list[int]) -> dict[str, float]:
    """Measures of these NN intervals by neurokit2."""
    import neurokit2 as nk

    rri = {"RRI": np.array(nn, float), "RRI_Time": np.cumsum(nn) / 1000}
    tables = {
        "": nk.hrv_time(rri),
        "lomb ": nk.hrv_frequency(rri, psd_method="lomb", normalize=False),
        "welch ": nk.hrv_frequency(rri, psd_method="welch", normalize=False),
    }
    values = {
        prefix + name: float(table[name].iloc[0])
        for prefix, table in tables.items()
        for name in table.columns
    }
    x = np.array(nn, float)
    values["SampEn"] = nk.entropy_sample(x, dimension=2, tolerance=0.2 * x.std(ddof=1))[0]
    values["SD1"] = float(np.std((x[:-1] - x[1:]) / math.sqrt(2), ddof=1))
    for name, low, high in (("alpha1", 4, 16), ("alpha2", 16, 64)):
        values[name] = nk.fractal_dfa(x, scale=np.arange(low, high + 1), overlap=False)[0]
    return values


def of_pyhrv(nn: list[int]) -> dict[str, float]:
    """Measures of these NN intervals by pyhrv."""
    from pyhrv import frequency_domain, nonlinear, time_domain

    still: dict[str, Any] = {"plot": False, "show": False}
    results = [
        time_domain.sdnn(nn),
        time_domain.rmssd(nn),
        time_domain.nn50(nn),
        time_domain.nn20(nn),
        time_domain.sdnn_index(nn),
        time_domain.sdann(nn),
        time_domain.triangular_index(nn, **still),
        time_domain.tinn(nn, **still),
        nonlinear.sample_entropy(nn),
        nonlinear.poincare(nn, show=False),
        nonlinear.dfa(nn, show=False),
        frequency_domain.welch_psd(nn, show=False, mode="dev")[0],
    ]
    values = {}
    for result in results:
        for name, value in result.as_dict().items():
            if isinstance(value, (int, float, np.number)):
                values[name] = float(value)
            elif name in ("fft_abs", "fft_norm"):
                values |= {f"{name} {i}": float(one) for i, one in enumerate(value)}
    return values


def main() -> None:
    """Write the file."""
    warnings.simplefilter("ignore")
    result = {
        "made by": "bench/hrv_reference.py",
        "versions": {name: version(name) for name in LIBRARIES},
        "series": {
            name: {"nn_ms": nn, "neurokit2": finite(of_neurokit(nn)), "pyhrv": finite(of_pyhrv(nn))}
            for name, nn in ((name, synthetic(*how)) for name, how in SERIES.items())
        },
    }
    FILE.write_text(json.dumps(result, indent=None, separators=(",", ":")) + "\n")
    for one in result["series"].values():
        for library in ("neurokit2", "pyhrv"):
            print(library, {k: round(v, 4) for k, v in one[library].items()})


def finite(values: dict[str, float]) -> dict[str, float]:
    """The values that are finite numbers."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


if __name__ == "__main__":
    main()
