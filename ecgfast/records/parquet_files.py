"""Tables in Parquet files: a column a lead, a row a sample, read with pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..extras import need
from .choosing import role_of
from .files import open_regular
from .interleaved import refuse_interleaved
from .opened import Opened
from .stated_rates import stated_rate
from .tables import LOOKED, Table, open_table
from .text_head import Head, split_unit

__all__ = ["open_parquet"]

# Bytes that the columns of numbers may take, and columns of a table.
_UNPACKED, _MOST_COLUMNS = 1 << 31, 1024

# Rows read at a time.
_AT_ONCE = 1 << 17


def open_parquet(path: Path, fs: float | None = None) -> Opened:
    """Open a Parquet file; its columns of numbers are held in memory as float32.

    Clocks among them, and columns of times, give the rate, the start and the gaps as in a text
    file; a rate among the file's own properties (``fs``, ``sampling_rate``, ...) counts too.
    """
    parquet = need("pyarrow.parquet", "Reading Parquet files (pyarrow)", "formats")
    with open_regular(path) as file:
        table = _table(path, parquet.ParquetFile(file))
    return open_table(path, "Parquet", table, fs)


def _table(path: Path, file: Any) -> Table:
    """Read the columns of numbers and times."""
    import pyarrow

    schema, rows = file.schema_arrow, file.metadata.num_rows
    kinds: dict[int, str] = {}
    for i, field in enumerate(schema):
        of = field.type
        if pyarrow.types.is_timestamp(of) or pyarrow.types.is_duration(of):
            kinds[i] = "time"
        elif pyarrow.types.is_floating(of) or pyarrow.types.is_integer(of):
            kinds[i] = "number"
    names = list(schema.names)
    if not kinds or len(kinds) > _MOST_COLUMNS:
        listed = ", ".join(f"{field.name} ({field.type})" for field in list(schema)[:20])
        raise RecordError(
            f"{path}: has {len(kinds)} columns of numbers (its columns: {listed}); save a column "
            "a lead and a row a sample"
        )
    if not 0 < rows * len(kinds) * 8 <= _UNPACKED:
        raise RecordError(
            f"{path}: has {rows} rows of {len(kinds)} columns of numbers, which is nothing or more "
            f"than {_UNPACKED >> 30} GB; cut it in parts"
        )
    ecg = [i for i, name in enumerate(names) if role_of(split_unit(name)[0])[0] == "ecg"]
    if ecg and not set(ecg) & set(kinds):
        field = schema.field(ecg[0])
        raise RecordError(
            f"{path}: the column {field.name!r} holds {field.type}, no numbers; save a column a "
            "lead and a row a sample"
        )
    pairs = [split_unit(names[i]) for i in kinds]
    rate, where = _rate_of(schema.metadata or {})
    table = Table(
        Head(
            separator=None,
            decimal=".",
            kinds=list(kinds.values()),
            names=[name for name, _ in pairs],
            units=[unit for _, unit in pairs],
            first=0,
            fs=rate,
            fs_from=where,
        )
    )
    dated = [k for k, i in enumerate(kinds) if pyarrow.types.is_timestamp(schema.field(i).type)]
    for batch in file.iter_batches(batch_size=_AT_ONCE, columns=[names[i] for i in kinds]):
        if batch.schema.names != [names[i] for i in kinds]:
            raise RecordError(f"{path}: has several columns of one name; name each differently")
        if not table.rows:
            _refuse_interleaved(path, file, schema)
            table.head.zones = {k: _zone_s(batch.column(k)) for k in dated}
        table.add([_numbers(pyarrow, batch.column(k)) for k in range(len(kinds))])
    table.head.last_zones = {k: _zone_s(batch.column(k)[::-1]) for k in dated}
    if table.rows != rows:
        raise RecordError(f"{path}: promises {rows} rows and has {table.rows}; save it again")
    return table


def _refuse_interleaved(path: Path, file: Any, schema: Any) -> None:
    """Raise if a column of words tells of each row which signal it belongs to."""
    words = [field.name for field in schema if str(field.type) in ("string", "large_string")]
    if words:
        first = next(file.iter_batches(batch_size=LOOKED, columns=words))
        for name, column in zip(first.schema.names, first.columns, strict=True):
            refuse_interleaved([str(word) for word in column.to_pylist()], name, str(path))


def _numbers(pyarrow: Any, column: Any) -> npt.NDArray[np.float64]:
    """Return a column as doubles, NaN where a value is missing; times in seconds from 1970."""
    count = 1.0
    if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_duration(column.type):
        count = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
        column = column.cast(pyarrow.int64())
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(values / count if count != 1.0 else values, np.float64)


def _zone_s(column: Any) -> float | None:
    """Seconds that a clock is ahead of UTC at its first known time; None where it has no zone."""
    if column.type.tz is None:
        return None
    try:
        first = next((value.as_py() for value in column if value.is_valid), None)
    except (ValueError, LookupError, ModuleNotFoundError):  # no such zone here
        return 0.0
    offset = first.utcoffset() if first is not None else None
    return offset.total_seconds() if offset is not None else 0.0


def _rate_of(metadata: dict[bytes, bytes]) -> tuple[float | None, str]:
    """Return the sampling rate among a file's properties; also pandas' ``DataFrame.attrs``."""
    found = {
        k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in metadata.items()
    }
    try:
        attributes = json.loads(found.get("pandas", "{}")).get("attributes", {})
        found.update({str(k): str(v) for k, v in attributes.items()})
    except (ValueError, AttributeError, RecursionError):
        pass
    rate, name = stated_rate(found)
    return rate, f"the property {name!r}" if rate else ""
