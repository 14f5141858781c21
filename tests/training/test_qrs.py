"""Training of the detector's QRS score: recordings, windows, network, weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ecgfast.records import synthetic_ecg
from ecgfast.training.datasets.splits import DS2
from ecgfast.training.qrs.c_source import read_weights, weights_source
from ecgfast.training.qrs.forward import log_odds
from ecgfast.training.qrs.grid import GRID_FS, grid_cells, network_input
from ecgfast.training.qrs.recordings import Noise, Strip, in_training, pack, unpack
from ecgfast.training.qrs.windows import WindowMaker

SECONDS = 60


@pytest.fixture(scope="module")
def strip() -> Strip:
    record = synthetic_ecg(SECONDS, 250.0, ventricular=0.1, seed=2)
    marks = record.annotations
    assert marks is not None
    cells = grid_cells(record.signal, record.fs)
    beats = (marks.sample * (GRID_FS / record.fs)).astype(np.float32)
    return Strip("mitdb", "100", cells, beats, np.ones(len(cells), bool))


@pytest.fixture(scope="module")
def noise() -> Noise:
    rng = np.random.default_rng(1)
    return Noise("bw", np.cumsum(rng.normal(size=(8000, 2)), axis=0).astype(np.float32))


@pytest.fixture
def packed(strip: Strip, noise: Noise, tmp_path: Path) -> Path:
    path = tmp_path / "packed.npz"
    pack([strip], [noise], path)
    return path


def named(database: str, record: str) -> Strip:
    return Strip(
        database, record, np.zeros((8, 1), np.float32), np.empty(0, np.float32), np.ones(8, bool)
    )


def test_packed_recordings_come_back_to_half_a_step(packed: Path, strip: Strip) -> None:
    (back,), (noise,) = unpack(packed)
    assert (back.database, back.record, noise.name) == ("mitdb", "100", "bw")
    assert np.abs(back.cells - strip.cells).max() <= 0.0026
    assert np.array_equal(back.beats, strip.beats)
    assert np.array_equal(back.known, strip.known)


def test_what_is_left_out_is_left_out() -> None:
    other = "101"
    assert other not in DS2
    assert not in_training(named("mitdb", DS2[0]), frozenset({"mitdb:ds2"}))
    assert in_training(named("mitdb", other), frozenset({"mitdb:ds2"}))
    assert not in_training(named("mitdb", other), frozenset({"mitdb:ds1"}))
    assert not in_training(named("ludb", "2"), frozenset({"ludb", "mitdb:ds2"}))
    assert in_training(named("svdb", "800"), frozenset({"ludb"}))


def test_windows_follow_the_seed_and_hold_beats(strip: Strip, noise: Noise) -> None:
    first, again, other = (
        WindowMaker([strip], [noise], 1280, seed).batch(24) for seed in (5, 5, 6)
    )
    assert np.array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)
    assert np.isfinite(first.inputs).all()
    assert np.abs(first.inputs).max() <= 2.0
    assert set(np.unique(first.targets)) == {0.0, 1.0}
    assert set(np.unique(first.weights)) == {0.0, 1.0}
    # A beat marks five cells, and its neighbours do not count.
    rates = first.targets.sum(axis=1) / 5 * 60 / 10.24
    assert 30 < np.median(rates) < 200


def test_gain_and_offset_do_not_reach_the_network(strip: Strip) -> None:
    cells = strip.cells[:, 0]
    as_it_is, changed = network_input(cells), network_input(1000 * cells + 77)
    assert np.allclose(as_it_is, changed, atol=2e-3)


def test_network_and_plain_numpy_agree_and_weights_survive_c(strip: Strip) -> None:
    pytest.importorskip("keras")
    from ecgfast.training.qrs.network import Shape, build, weights_of

    model = build(Shape())
    weights = weights_of(model)
    inputs = network_input(strip.cells[:1280, 0])
    theirs = np.asarray(model(inputs[None]))[0]
    assert np.allclose(log_odds(weights, inputs), theirs, atol=1e-4)
    back = read_weights(weights_source(weights, "a test"))
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="starts processes that make windows")
def test_training_lowers_the_loss_and_repeats(packed: Path) -> None:
    pytest.importorskip("keras")
    from ecgfast.training.qrs.fit import fit_score
    from ecgfast.training.qrs.network import Shape

    def train() -> tuple[dict[str, np.ndarray], list[float]]:
        lines: list[str] = []
        made = fit_score(
            packed,
            shape=Shape(dilations=(1, 4)),
            steps=30,
            batch=4,
            seed=3,
            workers=2,
            report_every=15,
            report=lines.append,
        )
        return made, [float(line.split()[-1]) for line in lines]

    (first, losses), (second, _) = train(), train()
    assert losses[1] < losses[0]
    assert all(np.isfinite(value).all() for value in first.values())
    assert all(np.allclose(first[name], second[name], atol=1e-3) for name in first)
