"""Signals that the suites measure on: a synthetic one, and record 100 where ECGFAST_DATA has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ecgfast.records import Record, read_record, synthetic_ecg
from ecgfast.runtime import available_models


@pytest.fixture(scope="session", params=["synthetic", "mitdb/100"])
def record(request: pytest.FixtureRequest) -> Record:
    if request.param == "synthetic":
        return synthetic_ecg(
            300.0, 360.0, ventricular=0.09, supraventricular=0.07, wander=0.12, muscle=0.012
        )
    path = Path(os.environ.get("ECGFAST_DATA", "")) / request.param
    if not path.with_suffix(".hea").is_file():
        pytest.skip(f"{request.param} is not in ECGFAST_DATA")
    return read_record(path)


@pytest.fixture(scope="session")
def model() -> str:
    """The default model."""
    if "beats" not in available_models():
        pytest.skip("the model 'beats' is not built in")
    return "beats"
