"""Cases of a test that run with `pytest -m ''` only."""

from __future__ import annotations

from typing import Any

import pytest


def slow_cases(*cases: object) -> list[Any]:
    """Parameters of a test, marked slow: other cases of it take the same paths."""
    return [
        pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.slow)
        for case in cases
    ]
