"""Cases of a test that run with `pytest -m ''` only."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet


def slow_cases(*cases: object) -> list[ParameterSet]:
    """Parameters of a test, marked slow: other cases of it take the same paths."""
    return [
        pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.slow)
        for case in cases
    ]
