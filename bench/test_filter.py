"""The band-pass filter, beside SciPy's second-order sections of the same order."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfast import BandpassFilter
from ecgfast.records import Record


@pytest.mark.benchmark(group="filter")
@pytest.mark.parametrize("chunk", [36, 3600, None], ids=["36", "3600", "whole"])
def test_bandpass(benchmark, record: Record, chunk: int | None) -> None:
    lead = np.ascontiguousarray(record.signal[:, 0])
    out = np.empty_like(lead)
    band = BandpassFilter(record.fs)
    step = chunk or len(lead)

    def run() -> None:
        for begin in range(0, len(lead), step):
            band.process(lead[begin : begin + step], out[begin : begin + step])

    benchmark.extra_info["samples"] = len(lead)
    benchmark(run)


@pytest.mark.benchmark(group="filter")
def test_scipy_sosfilt(benchmark, record: Record) -> None:
    signal = pytest.importorskip("scipy.signal")
    sections = signal.butter(2, (5.0, 15.0), "bandpass", fs=record.fs, output="sos")
    lead = np.ascontiguousarray(record.signal[:, 0], np.float64)
    benchmark.extra_info["samples"] = len(lead)
    benchmark(signal.sosfilt, sections, lead)
