"""Recordings: read and written, and made by a model of the heart."""

from .reading import open_record, read_record
from .record import Annotations, Origin, Record, RecordSource, check_fs
from .record_writer import write_record
from .synthetic import demo_record, synthetic_ecg
from .wfdb_annotations import read_annotations
from .writers import write_annotations, write_csv, write_json

__all__ = [
    "Annotations",
    "Origin",
    "Record",
    "RecordSource",
    "check_fs",
    "demo_record",
    "open_record",
    "read_annotations",
    "read_record",
    "synthetic_ecg",
    "write_annotations",
    "write_csv",
    "write_json",
    "write_record",
]
