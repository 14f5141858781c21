"""Folders of recordings to train on."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_records import write_record

from ecgfast.training.datasets.beats import prepare_beats
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.datasets.splits import DS1, DS2


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with three records of mitdb, one of them paced."""
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("100", "101", "102")):
        write_record(root / "mitdb", name, seed=seed)
    return root


@pytest.fixture(scope="module")
def beats(data: Path) -> ExampleSet:
    return prepare_beats(data)


@pytest.fixture(scope="module")
def all_data(tmp_path_factory) -> Path:
    """All of DS1 and DS2, and a list of recordings that has one more."""
    root = tmp_path_factory.mktemp("all")
    for seed, name in enumerate((*DS1, *DS2)):
        write_record(root / "mitdb", name, seconds=12, seed=seed)
    (root / "mitdb" / "RECORDS").write_text("\n".join([*DS1, *DS2, "999"]), encoding="utf-8")
    return root
