"""Which patients train and which test, and in which fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfast import InputError
from ecgfast.training.datasets.beats import record_names
from ecgfast.training.datasets.splits import DS1, DS2, PACED, patient_folds, patient_of


def test_ds1_and_ds2_are_the_split_of_2004() -> None:
    assert len(DS1) == len(set(DS1)) == len(DS2) == len(set(DS2)) == 22
    assert not set(DS1) & set(DS2)
    assert not set(PACED) & {*DS1, *DS2}
    assert len({*DS1, *DS2, *PACED}) == 48


def test_201_and_202_are_one_person_and_the_split_s_only_flaw() -> None:
    assert patient_of("mitdb", "201") == patient_of("mitdb", "202") == "mitdb/201"
    assert patient_of("svdb", "202") == "svdb/202"
    train = {patient_of("mitdb", name) for name in DS1}
    test = {patient_of("mitdb", name) for name in DS2}
    assert train & test == {"mitdb/201"}


def test_the_records_are_those_of_the_database(data_root: Path) -> None:
    assert set(record_names(data_root, "mitdb")) == {*DS1, *DS2, *PACED}


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_share_no_patient_and_every_class(folds: int) -> None:
    rng = np.random.default_rng(1)
    patients = np.array([f"p{i}" for i in rng.integers(0, 25, 4000)])
    labels = rng.choice(4, 4000, p=(0.85, 0.08, 0.05, 0.02))
    fold = patient_folds(patients, labels, folds, seed=3)
    assert fold.shape == (4000,)
    for patient in set(patients):
        assert len(set(fold[patients == patient])) == 1
    assert set(fold) == set(range(folds))
    for kind in range(4):
        share = np.bincount(fold[labels == kind], minlength=folds) / np.sum(labels == kind)
        assert share.min() > 0.5 / folds
        assert share.max() < 2 / folds
    assert np.array_equal(fold, patient_folds(patients, labels, folds, seed=3))
    assert not np.array_equal(fold, patient_folds(patients, labels, folds, seed=4))


def test_a_rare_class_of_two_patients_stands_in_two_folds() -> None:
    patients = np.repeat([f"p{i}" for i in range(10)], 100)
    labels = np.zeros(1000, int)
    labels[[5, 15, 205, 215]] = 1
    fold = patient_folds(patients, labels, 2, seed=0)
    assert set(fold[labels == 1]) == {0, 1}


@pytest.mark.parametrize("folds", [0, 1, 4])
def test_folds_need_as_many_patients(folds: int) -> None:
    with pytest.raises(
        InputError, match=f"{folds} folds of 3 patients: set folds to a number from 2 to 3"
    ):
        patient_folds(["a", "b", "c"], [0, 1, 0], folds, seed=0)
