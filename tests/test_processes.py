"""Processes of the package's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ecgfast import __version__
from ecgfast.processes import module_command


def test_a_clone_in_the_working_directory_is_not_taken_for_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "ecgfast"
    clone.mkdir()
    (clone / "__init__.py").write_text("raise ImportError('sources, not the package')\n")
    monkeypatch.chdir(tmp_path)
    command = [*module_command("ecgfast"), "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["ecgfast", __version__]
