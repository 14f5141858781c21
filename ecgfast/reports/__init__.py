"""What people see of a recording: a summary, pictures, a page, a report."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .summary import Run, Summary
from .tally import Tally
from .words import NOT_A_DEVICE

if TYPE_CHECKING:
    from .page import write_page
    from .report import Report, make_report
    from .strip import strip_figure, write_strip
    from .vector import strip_svg

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

# Late: every command imports this package, and few make a page, a picture or a report.
_HOME_OF = {
    "Report": "report",
    "make_report": "report",
    "strip_figure": "strip",
    "strip_svg": "vector",
    "write_page": "page",
    "write_strip": "strip",
}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
