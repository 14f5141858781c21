"""The version stands in one place; what cannot read it from there agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ecgfast

HOME = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("CITATION.cff", r"^version: (.+)$"),
        ("packaging/conda-forge/recipe.yaml", r"^  version: (\d.+)$"),
    ],
)
def test_the_version_of_other_files_is_that_of_the_package(name: str, pattern: str) -> None:
    path = HOME / name
    if not path.is_file():
        pytest.skip(f"{name} is not in this checkout")
    assert re.findall(pattern, path.read_text("utf-8"), re.MULTILINE) == [ecgfast.__version__]


def test_the_changelog_begins_with_this_version_and_a_date_or_none_yet() -> None:
    """As the release workflow wants it: a tag is refused while the section has no date."""
    path = HOME / "CHANGELOG.md"
    if not path.is_file():
        pytest.skip("CHANGELOG.md is not in this checkout")
    version, dated = re.findall(r"^## \[(.+)\] - (.+)$", path.read_text("utf-8"), re.MULTILINE)[0]
    assert version == ecgfast.__version__
    assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", dated)


def test_the_project_states_no_version_of_its_own() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"] == {"version": {"attr": "ecgfast.__version__"}}
