"""A made recording with its analysis, once for all tests of reports."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ecgfast import Classifier
from ecgfast.records import demo_record, open_record
from ecgfast.reports.analysis import Analysis, analyse


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    return Classifier("beats")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of made ECG with premature beats, as a file."""
    record = demo_record()
    path = tmp_path_factory.mktemp("demo") / "demo.npz"
    signal = np.tile(record.signal, (math.ceil(300 / record.duration), 1))
    np.savez(path, signal=signal, fs=record.fs, leads=np.array(["MLII", "V1"]))
    return path


@pytest.fixture(scope="session")
def found(demo: Path, classifier: Classifier) -> Analysis:
    return analyse(open_record(demo), classifier)
