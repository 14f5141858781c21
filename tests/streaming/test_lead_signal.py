"""Which leads of a stored recording carry a signal: what is read to find out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ecgfast.records import Record, synthetic_ecg
from ecgfast.records.record import RecordSource
from ecgfast.streaming.lead_signal import best_leads

FS = 250.0


def counted(record: Record) -> tuple[RecordSource, list[tuple[int, int]]]:
    """The recording as a source, and the stretches that are read of it."""
    reads: list[tuple[int, int]] = []

    def fetch(start: int, stop: int) -> Any:
        reads.append((start, stop))
        return record.signal[start:stop]

    return RecordSource(record.fs, record.leads, record.n_samples, fetch), reads


def test_a_short_recording_is_read_once() -> None:
    source, reads = counted(synthetic_ecg(10, FS, leads=("MLII", "V1", "V5"), seed=1))
    assert best_leads(source, 2) == (0, 1)
    assert reads == [(0, 2500)]


def test_little_is_read_of_a_long_recording() -> None:
    source, reads = counted(synthetic_ecg(600, FS, leads=("MLII", "V1", "V5"), seed=1))
    assert best_leads(source, 2) == (0, 1)
    assert sum(stop - start for start, stop in reads) <= 64 * 2 * FS


def test_leads_without_a_signal_are_passed_over_at_any_length() -> None:
    for seconds in (2, 10, 130, 600):
        record = synthetic_ecg(seconds, FS, leads=("MLII", "V1", "V5"), seed=1)
        signal = record.signal.copy()
        signal[:, 0] = np.where(np.arange(len(signal)) % 7 == 0, 0.005, 0.0)  # a rail that flickers
        source, _ = counted(dataclasses.replace(record, signal=signal))
        assert best_leads(source, 2) == (1, 2)
        signal[:, 1] = np.nan
        source, _ = counted(dataclasses.replace(record, signal=signal))
        assert best_leads(source, 2) == (2,)
        signal[:, 2] = 0.0
        source, _ = counted(dataclasses.replace(record, signal=signal))
        assert best_leads(source, 2) == (0, 1)
