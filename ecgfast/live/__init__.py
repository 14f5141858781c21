"""A stream while it happens: the page that shows it, and what goes with it."""

from __future__ import annotations

from .feed import LiveFeed
from .server import LiveServer

__all__ = ["LiveFeed", "LiveServer"]
