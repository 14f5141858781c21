"""The comparison of two machines tells a bit that differs, and what comes of it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

REPORT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.test_a" name="test_one" time="1"/>
<testcase classname="tests.test_a" name="test_two" time="1">
<failure message="assert 1 == 2&#10; +  where 1"/></testcase>
<testcase classname="tests.test_a" name="test_three"><skipped message="no recordings"/></testcase>
<testcase classname="tests.test_a" name="test_four"><error message="broken fixture"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    if not SCRIPTS.is_dir():
        pytest.skip("scripts/ is not beside tests/")
    if sys.platform == "win32":
        pytest.skip("the script is for Debian")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("emulate_aarch64")


def traces(folder: Path, **changes: np.ndarray) -> Path:
    """A small trace; `changes` by name, with "__" for the slash."""
    arrays = {
        "adaptive__sample": np.array([100, 350], np.int64),
        "adaptive__rr": np.array([np.nan, 0.7]),
        "beats__features": np.ones((2, 3), np.float32),
        "beats__float32__one": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
        "beats__float32__two": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
    }
    folder.mkdir()
    named = {key.replace("__", "/"): value for key, value in {**arrays, **changes}.items()}
    np.savez(folder / "100.npz", **named)
    return folder


def test_the_same_is_the_same(script: ModuleType, tmp_path: Path) -> None:
    found = script.compare(traces(tmp_path / "a"), traces(tmp_path / "b"))
    assert found["records"] == ["100"]
    assert found["beats"] == 2
    assert all(entry["differ"] == 0 for entry in found["arrays"].values())
    assert found["arrays"]["beats/float32/one"]["labels"] == 0
    assert found["runtimes"]["beats/float32: one, two"]["differ"] == 0


def test_a_bit_is_told(script: ModuleType, tmp_path: Path) -> None:
    features = np.ones((2, 3), np.float32)
    features[1, 2] = np.nextafter(np.float32(1), np.float32(2))
    found = script.compare(
        traces(tmp_path / "a"),
        traces(
            tmp_path / "b",
            beats__features=features,
            adaptive__rr=np.array([0.7, 0.7]),
            beats__float32__two=np.array([[0.25, 0.75], [0.4, 0.6]], np.float32),
        ),
    )["arrays"]
    assert found["beats/features"]["differ"] == 1
    assert found["beats/features"]["largest"] == pytest.approx(2**-23)
    assert found["adaptive/rr"] == {"values": 2, "differ": 1, "largest": np.inf}
    assert found["beats/float32/one"]["relative"] == 0.0
    assert found["beats/float32/two"]["relative"] == pytest.approx(0.1)
    assert found["beats/float32/two"]["labels"] == 1


def test_another_number_of_beats_is_no_agreement(script: ModuleType, tmp_path: Path) -> None:
    other = traces(tmp_path / "b", adaptive__sample=np.array([100], np.int64))
    found = script.compare(traces(tmp_path / "a"), other)["arrays"]["adaptive/sample"]
    assert found["differ"] == 2
    assert found["largest"] == np.inf


def test_a_report_is_counted(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    assert script.outcome(path) == {
        "passed": 1,
        "failed": 2,
        "skipped": 1,
        "reasons": {"no recordings": 1},
        "failures": {"test_two": "assert 1 == 2", "test_four": "broken fixture"},
    }
