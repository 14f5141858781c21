"""The example of the documentation that reads a BrainFlow board."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import QRSDetector

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "brainflow_board.py"
pytestmark = pytest.mark.skipif(not EXAMPLE.is_file(), reason="the docs are not in this checkout")


@pytest.fixture
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


def test_packets_that_are_lost_are_missing_samples(example: dict[str, Any]) -> None:
    board = object.__new__(example["BoardSamples"])
    board._before, board.lost = None, 0
    first = board.chunk(np.array([253.0, 254.0]), np.array([1000.0, 2000.0]))
    np.testing.assert_array_equal(first, np.array([1, 2], "f4"))
    # 255 and 0 are lost between two chunks, 2 and 3 within one.
    second = board.chunk(np.array([1.0, 4.0]), np.array([3000.0, 4000.0]))
    np.testing.assert_array_equal(second, np.array([np.nan, np.nan, 3, np.nan, np.nan, 4], "f4"))
    assert board.lost == 4


def test_the_synthetic_board_is_a_source(example: dict[str, Any]) -> None:
    pytest.importorskip("brainflow", reason="brainflow is not installed")
    pytest.importorskip("pkg_resources", reason="brainflow needs setuptools<81")
    board = example["BoardSamples"](-1)
    detector, samples = QRSDetector(board.fs), 0
    for chunk in board:
        assert chunk.ndim == 1
        assert np.abs(chunk[np.isfinite(chunk)]).max() < 50.0  # mV
        detector.process(chunk)
        samples += len(chunk)
        if samples >= 2 * board.fs:
            break
    assert detector.count == samples
