"""The page of rhythm events states the rules of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgfast.rhythm import DEFINITIONS, EventKind
from ecgfast.rhythm.stream import _rate_rules

PAGE = Path(__file__).parents[2] / "docs" / "rhythm.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the docs are not in this checkout")
def test_the_page_has_the_rule_of_every_kind() -> None:
    lines = (line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines())
    rows = [tuple(cell.strip() for cell in cells[1:-1]) for cells in lines]
    rules = [row for row in rows if row and row[0].strip("`") in set(EventKind)]
    assert rules == [(f"`{kind}`", one.rule, one.source) for kind, one in DEFINITIONS.items()]


def test_the_rules_of_rates_are_stated_as_they_work() -> None:
    for rule in _rate_rules(50.0, 100.0, 40.0, 140.0, 30.0):
        side, other = ("below", "above") if rule.is_low else ("above", "below")
        text = DEFINITIONS[rule.kind].rule
        begin = f"mean rate of {rule.intervals} RR intervals {side} {rule.begins:g} per minute"
        assert text.startswith(begin)
        assert f"ends {other} {rule.ends:g};" in text
        assert text.endswith(f"interval {side} {rule.ends:g}")
        assert ("for 30 s" in text) == (rule.lasting > 0)
