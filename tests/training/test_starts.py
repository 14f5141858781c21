"""Recordings that begin in their midst or in noise, and beats on other leads: to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfast import QRSDetector, Record
from ecgfast.core import FEATURE_NAMES
from ecgfast.evaluation import AAMI_CLASSES
from ecgfast.records import read_record
from ecgfast.records.synthetic import synthetic_ecg
from ecgfast.training.datasets.beats import labelled_beats
from ecgfast.training.datasets.noise import prepare_noisy_beats
from ecgfast.training.datasets.other_leads import prepare_mixed_leads, prepare_second_leads
from ecgfast.training.datasets.starts import prepare_cold_starts, prepare_noisy_starts
from ecgfast.training.datasets.synthetic_noise import IN_USE, KINDS, synthetic_noise

N, V, Q = (AAMI_CLASSES.index(c) for c in "NVQ")
FS = 250.0
NAME = "mitdb/100"


@pytest.fixture(scope="module")
def ecg() -> Record:
    """Five minutes on two leads."""
    return synthetic_ecg(300, FS, ventricular=0.02, leads=("MLII", "V1"), seed=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, ecg: Record) -> Path:
    """Folder with the recording on two leads, and on its first alone as mitdb/101."""
    folder = tmp_path_factory.mktemp("starts")
    save(folder, "100", ecg.signal, ecg)
    save(folder, "101", ecg.signal[:, :1], ecg)
    return folder


def save(folder: Path, name: str, signal: np.ndarray, ecg: Record) -> None:
    wfdb = pytest.importorskip("wfdb")
    (folder / "mitdb").mkdir(exist_ok=True)
    leads = signal.shape[1]
    wfdb.wrsamp(
        name, fs=FS, units=["mV"] * leads, sig_name=["MLII", "V1"][:leads], fmt=["16"] * leads,
        write_dir=str(folder / "mitdb"), p_signal=signal.astype(float),
    )  # fmt: skip
    marks = ecg.annotations
    assert marks is not None
    wfdb.wrann(name, "atr", marks.sample, symbol=marks.symbol, write_dir=str(folder / "mitdb"))


def feature(beats, name: str) -> np.ndarray:
    return beats.inputs["features"][:, FEATURE_NAMES.index(name)]


def test_cold_starts_know_nothing_of_the_patient(data: Path) -> None:
    beats = prepare_cold_starts(data, [NAME], seed=3, each=6)
    assert set(beats.record) == {f"{NAME}, cold starts"}
    assert set(beats.patient) == {NAME}
    known = feature(beats, "experience")
    assert (known == 0).sum() == 6  # the first beat of each start
    assert known.max() < 1
    assert {N, V} == set(beats.target.tolist())
    again = prepare_cold_starts(data, [NAME], seed=3, each=6)
    assert np.array_equal(again.inputs["window"], beats.inputs["window"])
    # Parts of 15 s hold no start of 20 s.
    assert not len(prepare_cold_starts(data, [NAME], seed=3, each=20))


def test_after_noise_the_first_beats_are_not_the_usual_ones(data: Path, ecg: Record) -> None:
    beats = prepare_noisy_starts(data, [NAME], seed=4, each=4)
    assert set(beats.record) == {f"{NAME}, noisy starts"}
    # A minute of each of four starts, and nothing of what was detected in the noise.
    assert ecg.annotations is not None
    minute = len(ecg.annotations) / 5
    assert len(beats) == pytest.approx(4 * minute, rel=0.1)
    assert set(beats.target.tolist()) <= {N, V}
    usual = labelled_beats(ecg, NAME)
    strange = (feature(beats, "own_dominant") == 0)[beats.target == N].mean()
    assert strange > 3 * (feature(usual, "own_dominant") == 0)[usual.target == N].mean() + 0.02
    again = prepare_noisy_starts(data, [NAME], seed=4, each=4)
    assert np.array_equal(again.inputs["window"], beats.inputs["window"])
    assert not len(prepare_noisy_starts(data, [NAME], seed=3, each=6))


def test_made_noise_is_of_every_kind_and_holds_detections() -> None:
    generator = np.random.default_rng(1)
    noises = [synthetic_noise(2500, FS, generator) for _ in range(40)]
    assert all(np.isfinite(noise).all() and noise.dtype == np.float32 for noise in noises)
    assert 0.1 < np.median([np.ptp(noise) for noise in noises]) < 10
    assert sum(len(QRSDetector(FS).process(noise)) for noise in noises) > 40
    assert set(IN_USE) < set(KINDS)
    assert all(len(synthetic_noise(20, FS, generator, [kind])) == 20 for kind in KINDS)


def test_beats_in_noise_are_the_detected_ones_with_their_classes(data: Path, ecg: Record) -> None:
    beats = prepare_noisy_beats(data, [NAME], seed=5)
    assert set(beats.record) == {f"{NAME}, noise"}
    assert set(beats.patient) == {NAME}
    sample, reference = beats.columns["sample"], ecg.annotations
    assert (np.diff(sample) > 0).all()
    assert reference is not None
    apart = np.abs(sample[:, np.newaxis] - reference.sample)
    own = apart.min(axis=1) <= 0.15 * FS
    assert 50 < own.sum() < len(reference.sample), "beats far from noise are no examples"
    symbols = reference.symbol[apart.argmin(axis=1)]
    assert (beats.target[own] == [AAMI_CLASSES.index(s) for s in symbols[own]]).mean() > 0.99
    # What is detected where there is no beat is no class of beats, and never far from one.
    assert 0 < (~own).sum() < own.sum()
    assert (beats.target[~own] == Q).all()
    assert apart[~own].min(axis=1).max() <= 2 * FS
    clean = labelled_beats(ecg, NAME)
    assert not np.isin(beats.inputs["window"][:, 0, 0], clean.inputs["window"][:, 0, 0]).all()
    again = prepare_noisy_beats(data, [NAME, "mitdb/101"], seed=5, most=20)
    assert np.bincount(again.target[again.record == f"{NAME}, noise"]).max() == 20


def test_second_leads_are_cut_as_live_beats_of_two_leads_are(data: Path, ecg: Record) -> None:
    beats = prepare_second_leads(data, [NAME, "mitdb/101"])
    assert set(beats.record) == {f"{NAME}, second lead"}, "101 has one lead"
    expected = labelled_beats(read_record(data / NAME), NAME, lead=1, jointly=True)
    assert np.array_equal(beats.inputs["window"], expected.inputs["window"])
    assert np.array_equal(beats.columns["sample"], expected.columns["sample"])
    first = labelled_beats(read_record(data / NAME, leads=0), NAME)
    assert np.array_equal(beats.target, first.target)
    assert not np.array_equal(beats.inputs["window"], first.inputs["window"])
    assert not len(prepare_second_leads(data, ["mitdb/101"]))


def test_mixed_leads_lie_between_the_two(data: Path) -> None:
    both = prepare_mixed_leads(data, [NAME], seed=3)
    assert set(both.record) == {f"{NAME}, mixed leads"}
    beats = both.only(np.arange(len(both)) < len(both) // 2)
    others = [labelled_beats(read_record(data / NAME, leads=i), NAME) for i in (0, 1)]
    for other in others:
        assert np.array_equal(beats.target, other.target)
        assert not np.allclose(beats.inputs["window"], other.inputs["window"], atol=0.05)
    windows = [one.inputs["window"][:, :, 0].ravel() for one in (beats, *others)]
    plane = np.stack([*windows[1:], np.ones(len(windows[0]))], axis=1)
    rest = windows[0] - plane @ np.linalg.lstsq(plane, windows[0], rcond=None)[0]
    assert rest.std() < 0.5 * windows[0].std()
    again = prepare_mixed_leads(data, [NAME], seed=3, each=1)
    assert np.array_equal(again.inputs["window"], beats.inputs["window"])
    assert not len(prepare_mixed_leads(data, ["mitdb/101"], seed=3))
