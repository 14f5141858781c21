"""Cases of a test that `pytest` leaves out and CI runs."""

from __future__ import annotations

from typing import Any

import pytest


def thorough_cases(*cases: object) -> list[Any]:
    """Parameters of a test, marked thorough: other cases of it take the same paths."""
    return [
        pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.thorough)
        for case in cases
    ]
