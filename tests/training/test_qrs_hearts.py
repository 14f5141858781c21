"""Hearts made for the training windows of the QRS score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from ecgfast.records import synthetic_ecg
from ecgfast.training.qrs.disturbances import Disturbances
from ecgfast.training.qrs.draws import Draws, Floats
from ecgfast.training.qrs.grid import GRID_FS, grid_cells
from ecgfast.training.qrs.hearts import standstill, ventricular

SEEDS = range(40)

Heart = tuple[Floats, npt.NDArray[np.float64]]


@pytest.fixture(scope="module")
def heart() -> Heart:
    """Ten seconds of a regular rhythm in heights of its complexes, and its beats."""
    record = synthetic_ecg(10, 250.0, seed=2)
    marks = record.annotations
    assert marks is not None
    x = grid_cells(record.signal, record.fs)[:, 0]
    beats = marks.sample * (GRID_FS / record.fs)
    part = x[int(beats[1]) - 7 : int(beats[1]) + 8]
    inside = beats[(beats >= 0) & (beats < len(x))]
    return (x / np.ptp(part)).astype(np.float32), inside.astype(np.float64)


def steepest(x: Floats, beat: float) -> float:
    """Largest step within 100 ms of a beat."""
    part = x[max(0, int(beat) - 12) : int(beat) + 13]
    return float(np.abs(np.diff(part)).max())


def test_ventricular_beats_are_marked_where_their_wave_is(heart: Heart) -> None:
    x, beats = heart
    every = 0
    for seed in SEEDS:
        y, moved = ventricular(Draws(seed), x, beats)
        assert len(moved) == len(beats)
        assert np.all(moved <= beats + 0.5)
        assert np.all(np.diff(moved) > 0.25 * GRID_FS)
        wide = [i for i, at in enumerate(moved) if y[int(at)] != x[int(at)]]
        assert len(wide) > 0 or np.array_equal(x, y)
        every += len(wide) >= len(beats) - 2
    assert 0.1 * len(SEEDS) < every < 0.6 * len(SEEDS)


def test_a_standstill_leaves_no_complex_and_keeps_or_makes_p_waves(heart: Heart) -> None:
    x, beats = heart
    apart = 0
    for seed in SEEDS:
        y, left = standstill(Draws(seed), x, beats)
        gone = np.setdiff1d(beats, left)
        for beat in gone:
            assert steepest(y, beat) < 0.5 * steepest(x, beat)
        for beat in left:
            assert steepest(y, beat) > 0.6 * steepest(x, beat)
        # P waves of their own rhythm lie beside the beats that are left, too.
        beside = np.ones(len(x), bool)
        for beat in gone:
            beside[max(0, int(beat - 0.3 * GRID_FS)) : int(beat + 0.6 * GRID_FS)] = False
        apart += not np.array_equal(x[beside], y[beside])
    assert 0.2 * len(SEEDS) < apart < 0.6 * len(SEEDS)


def test_motion_is_as_tall_as_complexes_and_spares_most_of_the_window(heart: Heart) -> None:
    x, _ = heart
    heights = []
    for seed in SEEDS:
        y = Disturbances(Draws(seed), [], len(x)).motion(x)
        lobes = y - x
        assert lobes.any()
        heights.append(float(np.abs(lobes).max()))
    assert 0.4 < np.median(heights) < 3.0
