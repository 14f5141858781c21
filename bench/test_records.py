"""Before the first sample: the import, and recordings read from a file or made up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgfast.records import read_record, synthetic_ecg

IMPORT = "import ecgfast; ecgfast.stream_classify, ecgfast.BeatStream, ecgfast.read_record"


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("code", ["import numpy", f"import numpy; {IMPORT}"], ids=["numpy", "both"])
def test_import(benchmark, code: str) -> None:
    """A fresh interpreter each: NumPy alone beside NumPy and ecgfast."""
    benchmark(subprocess.run, [sys.executable, "-c", code], check=True)


@pytest.mark.benchmark(group="records")
def test_read_record(benchmark) -> None:
    path = Path(os.environ.get("ECGFAST_DATA", "")) / "mitdb" / "100"
    if not path.with_suffix(".hea").is_file():
        pytest.skip("mitdb/100 is not in ECGFAST_DATA")
    benchmark(read_record, path)


@pytest.mark.benchmark(group="records")
def test_a_synthetic_minute(benchmark) -> None:
    benchmark(synthetic_ecg, 60.0, 360.0, ventricular=0.1, wander=0.1, muscle=0.01)
