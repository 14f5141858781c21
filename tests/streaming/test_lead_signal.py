"""Which leads of a stored recording carry a signal: what is read to find out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

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


@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0, 1000.0])
@pytest.mark.parametrize("mains", [50.0, 60.0, 49.8])
def test_an_open_lead_full_of_hum_is_passed_over(fs: float, mains: float) -> None:
    """Hum that breathes, with wander and noise: what a lead off shows beside a mains cable."""
    record = synthetic_ecg(60, fs, leads=("MLII", "V1"), seed=1)
    rng = np.random.default_rng(2)
    at = np.arange(record.n_samples) / fs
    hum = (1.5 + 0.1 * np.sin(at)) * np.sin(2 * np.pi * mains * at + 0.3)
    hum += 0.2 * np.sin(2 * np.pi * 0.2 * at) + 0.01 * rng.standard_normal(len(at))
    signal = record.signal.copy()
    signal[:, 0] = hum
    source, _ = counted(dataclasses.replace(record, signal=signal))
    assert best_leads(source, 1) == best_leads(source, 2) == (1,)
    signal[:, 0] = record.signal[:, 0] + 0.3 * hum  # an ECG with strong hum is an ECG
    source, _ = counted(dataclasses.replace(record, signal=signal))
    assert best_leads(source, 2) == (0, 1)
    signal[:] = hum[:, np.newaxis]  # nothing else is there
    source, _ = counted(dataclasses.replace(record, signal=signal))
    assert best_leads(source, 2) == (0, 1)
