"""Recordings: read and written, and made by a model of the heart."""

from .mit import read_annotations
from .reading import open_record, read_record
from .record import Annotations, Record, RecordSource

__all__ = [
    "Annotations",
    "Record",
    "RecordSource",
    "open_record",
    "read_annotations",
    "read_record",
]
