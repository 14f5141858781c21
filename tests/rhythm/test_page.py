"""The page of rhythm events states the rules of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgfast.rhythm import DEFINITIONS, EventKind

PAGE = Path(__file__).parents[2] / "docs" / "rhythm.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this checkout")
def test_the_page_has_the_rule_of_every_kind() -> None:
    lines = (line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines())
    rows = [tuple(cell.strip() for cell in cells[1:-1]) for cells in lines]
    rules = [row for row in rows if row and row[0].strip("`") in set(EventKind)]
    assert rules == [(f"`{kind}`", one.rule, one.source) for kind, one in DEFINITIONS.items()]
