"""Quality bits are the same in C, in Python and on their page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ecgfast import Quality

HOME = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("csrc/include/ecgfast.h", r"ECG_QUALITY_(\w+) = (\d+)"),
        ("docs/concepts/quality.md", r"\| `(\w+)` \| (\d+) \|"),
    ],
)
def test_every_bit_is_named(file: str, row: str) -> None:
    path = HOME / file
    if not path.is_file():
        pytest.skip(f"{file} is not in this checkout")
    told = {name: int(value) for name, value in re.findall(row, path.read_text("utf-8"))}
    assert told == {bit.name: bit.value for bit in Quality if bit}
