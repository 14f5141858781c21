"""What several tests of the command line need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model

from ecgfast.cli import main
from ecgfast.records import Record, synthetic_ecg


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose labels are arbitrary, but vary."""
    folder = tmp_path_factory.mktemp("model")
    content, _ = affine_model(np.random.default_rng(23), (72, 2), FEATURES, 5)
    return save_model(folder, "arbitrary", content, tuple("NSVFQ"))


@pytest.fixture(scope="session")
def ecg() -> Record:
    return synthetic_ecg(40.0, 250.0, ventricular=0.1, muscle=0.01, seed=4)


@pytest.fixture
def recording(tmp_path: Path, ecg: Record, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV recording in the working folder of the test."""
    monkeypatch.chdir(tmp_path)
    lines = ["MLII,V1", *(f"{a:.5f},{b:.5f}" for a, b in ecg.signal)]
    path = tmp_path / "night.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run a command that must fail: one line, no output, no new file."""

    def run(*args: object, status: int = 1) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main([str(arg) for arg in args]) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("ecgfast: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return run
