"""What people see of a recording: a summary, pictures, a page."""

from __future__ import annotations

from .page import write_page
from .strip import strip_figure, write_strip
from .summary import NOT_A_DEVICE, Run, Summary, Tally
from .vector import strip_svg

__all__ = [
    "NOT_A_DEVICE",
    "Run",
    "Summary",
    "Tally",
    "strip_figure",
    "strip_svg",
    "write_page",
    "write_strip",
]
