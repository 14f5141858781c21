"""An ECG, a model for it, and a board that sends lines."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model
from serial_board import Board

from ecgfast import Record
from ecgfast.records import synthetic_ecg


@pytest.fixture(scope="module")
def ecg() -> Record:
    return synthetic_ecg(40.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content, _ = affine_model(np.random.default_rng(23), (72, 2), FEATURES, 5)
    return save_model(tmp_path_factory.mktemp("model"), "arbitrary", content, tuple("NSVFQ"))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    pytest.importorskip("serial")
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    return Board(tmp_path)
