"""The notebooks run from top to bottom on a small share of the data, and show their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Name, and the pictures that it must show at least.
BOOKS = {
    "1_dataset_preparation": 8,
    "2_model_training_experiments": 2,
    "3_model_training": 4,
}
# Of the beats; less leaves no S or V to some folds.
SHARE = "0.05"
# What a notebook does at length, and less of the same.
SHORTER = {
    "2_model_training_experiments": {
        "folds=3": "folds=2",  # in each, every candidate is trained
        '("the recipe", "focal loss")': '("the recipe",)',
        "epochs=4": "epochs=1",
        # Without augmented rhythms, which are made of all recordings whatever the share.
        '{"schedule": {"batch": 64}}': '{"schedule": {"batch": 64}, "options": {"made": {}}}',
    },
    "3_model_training": {'"validation_share": 0.25': '"validation_share": 0.25, "epochs": 2'},
}

pytestmark = pytest.mark.skipif(not NOTEBOOKS.is_dir(), reason="no notebooks/ beside tests/")


def read(name: str) -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


@pytest.fixture(name="kernel")
def kernel_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel of the interpreter that runs the tests, whatever this user has installed."""
    spec = pytest.importorskip("ipykernel.kernelspec")
    spec.write_kernel_spec(tmp_path / "jupyter" / "kernels" / "under-test")
    for variable, folder in (
        ("JUPYTER_PATH", "jupyter"),
        ("JUPYTER_CONFIG_DIR", "config"),
        ("JUPYTER_RUNTIME_DIR", "runtime"),
        ("IPYTHONDIR", "ipython"),
    ):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    return "under-test"


@pytest.mark.parametrize("name", BOOKS)
def test_stored_without_outputs_or_paths(name: str) -> None:
    cells = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert "/home/" not in (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", BOOKS)
def test_runs_from_top_to_bottom(
    name: str, kernel: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient")
    if not name.startswith("1"):
        pytest.importorskip("tensorflow")
    if not (data_root / "mitdb" / "208.hea").is_file():
        pytest.skip("mitdb is not in ECGFAST_DATA")
    monkeypatch.setenv("ECGFAST_SHARE", SHARE)
    monkeypatch.setenv("ECGFAST_DATA", str(data_root.resolve()))
    work = tmp_path / "work"
    work.mkdir()
    book = read(name)
    for long, short in SHORTER.get(name, {}).items():
        (cell,) = (cell for cell in book.cells if cell.cell_type == "code" and long in cell.source)
        cell.source = cell.source.replace(long, short)
    nbclient.NotebookClient(
        book,
        kernel_name=kernel,
        timeout=600,
        startup_timeout=300,
        resources={"metadata": {"path": str(work)}},
    ).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= BOOKS[name]
    assert not list(work.iterdir()), "a notebook leaves files behind"
