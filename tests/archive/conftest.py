"""Small archives, and what a run leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgfast.records import Record, synthetic_ecg


@pytest.fixture(scope="session")
def ecg() -> Record:
    return synthetic_ecg(12.0, 250.0, ventricular=0.15, muscle=0.01, seed=4)


Save = Callable[..., Path]


@pytest.fixture(scope="session")
def save(ecg: Record) -> Save:
    """Write a recording: a WFDB record, or a .csv file; `turn` makes one differ from another.

    With `beside`, columns that are no ECG: bytes that cost no labelling.
    """

    def save(path: Path, turn: int = 0, repeat: int = 1, beside: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        signal = np.tile(np.roll(ecg.signal, 31 * turn, axis=0), (repeat, 1))
        if path.suffix == ".csv":
            path.write_text("# fs=250\nECG\n" + "\n".join(f"{x:.4f}" for x in signal[:, 0]))
            return path
        counts = np.round(signal * 200).astype("<i2")
        counts = np.pad(counts, ((0, 0), (0, beside)))
        path.with_name(f"{path.name}.dat").write_bytes(counts.tobytes())
        names = ["MLII", "V1", *["RESP"] * beside]
        lines = [f"{path.name}.dat 16 200 16 0 0 0 0 {name}" for name in names]
        path.with_name(f"{path.name}.hea").write_text(
            "\n".join([f"{path.name} {len(names)} 250 {len(counts)}", *lines, ""])
        )
        return path

    return save


@pytest.fixture(scope="session")
def parts() -> Callable[[Path], dict[str, bytes]]:
    """Every Parquet file and annotation file of a run, by path."""

    def parts(folder: Path) -> dict[str, bytes]:
        files = [*folder.rglob("*.parquet"), *folder.rglob("*.ecg")]
        return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(files)}

    return parts


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have worker processes, and these alone, run some code before anything else."""

    def hook(code: str) -> None:
        folder = tmp_path / "hook"
        folder.mkdir()
        lines = "\n".join(f"    {line}" for line in code.splitlines())
        (folder / "sitecustomize.py").write_text(
            "import sys\n"
            f"if any('ecgfast.archive.child' in arg for arg in sys.orig_argv):\n{lines}\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return hook
