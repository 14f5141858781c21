"""QRS detection: one call, and a stream in chunks of a tenth of a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecgfast import QRSDetector, detect_qrs
from ecgfast.records import Record

methods = pytest.mark.parametrize("method", ["neural", "adaptive", "pan-tompkins"])


@methods
@pytest.mark.benchmark(group="detector")
@pytest.mark.parametrize("leads", [1, 2])
def test_one_call(benchmark, record: Record, method: Any, leads: int) -> None:
    signal = np.ascontiguousarray(record.signal[:, :leads])
    benchmark.extra_info["samples"] = len(signal)
    assert len(benchmark(detect_qrs, signal, record.fs, method=method)) > 300


@methods
@pytest.mark.benchmark(group="detector")
def test_stream(benchmark, record: Record, method: Any) -> None:
    signal = np.ascontiguousarray(record.signal[:, 0])
    step = round(0.1 * record.fs)

    def run() -> int:
        detector = QRSDetector(record.fs, method=method)
        found = sum(
            len(detector.process(signal[begin : begin + step]))
            for begin in range(0, len(signal), step)
        )
        return found + len(detector.flush())

    benchmark.extra_info["samples"] = len(signal)
    assert benchmark(run) == len(detect_qrs(signal, record.fs, method=method))


@pytest.mark.benchmark(group="detector")
def test_sleepecg(benchmark, record: Record) -> None:
    peer = pytest.importorskip("sleepecg")
    lead = record.signal[:, 0].astype(np.float64)
    benchmark.extra_info["samples"] = len(lead)
    assert len(benchmark(peer.detect_heartbeats, lead, record.fs)) > 300
