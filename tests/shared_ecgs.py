"""Synthetic ECGs, made once for all tests of a process that take the same; none may change one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ecgfast import records
from ecgfast.records import Record

__all__ = ["demo_record", "synthetic_ecg"]


def _once(make: Callable[..., Record]) -> Callable[..., Record]:
    @cache
    def made(*args: Any, **options: Any) -> Record:
        record = make(*args, **options)
        record.signal.flags.writeable = False
        return record

    return made


synthetic_ecg = _once(records.synthetic_ecg)
demo_record = _once(records.demo_record)
