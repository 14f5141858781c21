"""What several tests of the command line need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_files import FEATURES, affine_model, save_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose labels are arbitrary, but vary."""
    folder = tmp_path_factory.mktemp("model")
    content, _ = affine_model(np.random.default_rng(23), (72, 2), FEATURES, 5)
    return save_model(folder, "arbitrary", content, tuple("NSVFQ"))
