"""What people see of a recording: a summary, pictures, a page, a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .page import write_page
from .strip import strip_figure, write_strip
from .summary import NOT_A_DEVICE, Run, Summary, Tally
from .vector import strip_svg

if TYPE_CHECKING:
    from .report import Report, make_report

__all__ = [
    "NOT_A_DEVICE",
    "Report",
    "Run",
    "Summary",
    "Tally",
    "make_report",
    "strip_figure",
    "strip_svg",
    "write_page",
    "write_strip",
]


def __getattr__(name: str) -> Any:
    # Late: every command imports this package, and few make a report.
    if name in ("Report", "make_report"):
        from . import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
