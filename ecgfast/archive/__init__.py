"""Every recording of an archive, on the cores of this machine or on a Dask cluster."""

from __future__ import annotations

from .classify import classify_record
from .engine import Status, annotate_archive, archive_status
from .settings import Settings

__all__ = ["Settings", "Status", "annotate_archive", "archive_status", "classify_record"]
