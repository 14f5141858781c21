"""Recordings with beats of three classes, as WFDB records with annotations; a recipe for them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ecgfast.core import FEATURE_NAMES
from ecgfast.records import Record, synthetic_ecg, write_annotations
from ecgfast.training.recipes.recipe import Recipe


def write_record(folder: Path, name: str, *, seconds: float = 15.0, seed: int = 0) -> Record:
    """A synthetic recording with N, V and A beats as a WFDB record with annotations."""
    wfdb = pytest.importorskip("wfdb")
    folder.mkdir(parents=True, exist_ok=True)
    made = synthetic_ecg(
        seconds,
        360.0,
        ventricular=0.2,
        supraventricular=0.15,
        muscle=0.02,
        heart_rate=90,
        seed=seed,
    )
    wfdb.wrsamp(
        name,
        fs=360,
        units=["mV"] * 2,
        sig_name=list(made.leads),
        p_signal=made.signal.astype(np.float64),
        fmt=["212"] * 2,
        write_dir=str(folder),
    )
    marks = made.annotations
    # A rhythm mark among the beats, as real annotations have.
    write_annotations(
        folder / f"{name}.atr",
        [0, *marks.sample],
        ["+", *marks.symbol],
        360.0,
        aux=["(N", *[""] * len(marks)],
    )
    return made


def tiny_recipe(folder: Path, **changes) -> Path:
    """The built-in recipe made small enough for a test."""
    recipe = dataclasses.asdict(Recipe.load("beats"))
    recipe["architecture"] |= {
        "features": len(FEATURE_NAMES),
        "branches": "conv",
        "filters": [4, 4],
        "lstm_filters": 4,
        "lstm_units": 4,
        "lstm_steps": 3,
        "dense": [8],
    }
    recipe["options"]["history"] = 1
    recipe["databases"] = ["mitdb"]
    recipe["schedule"] |= {"epochs": 1, "batch": 64}
    recipe |= {"folds": 2, "candidates": {"as it is": {}}, **changes}
    path = folder / "tiny.json"
    path.write_text(json.dumps(recipe))
    return path
