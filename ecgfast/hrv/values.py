"""What the measures of every domain have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .._equality import NanEqual

__all__ = ["Values"]


@dataclass(frozen=True, eq=False)
class Values(NanEqual):
    """Named numbers, of which those that are not defined are NaN."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON; NaN stays NaN."""
        return asdict(self)
