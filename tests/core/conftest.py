"""Fixtures of the tests of the core."""

from __future__ import annotations

import pytest
from c_programs import CPrograms


@pytest.fixture(scope="session")
def c_programs(tmp_path_factory: pytest.TempPathFactory) -> CPrograms:
    """Builds programs with the core."""
    return CPrograms(tmp_path_factory.mktemp("c_programs"))
