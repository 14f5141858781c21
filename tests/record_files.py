"""Recordings that tests write and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def wave(n: int = 2000, n_leads: int = 2, seed: int = 0) -> np.ndarray:
    """A wandering signal of about 1 mV, (n, n_leads)."""
    steps = np.random.default_rng(seed).normal(0, 0.05, (n, n_leads))
    return np.clip(np.cumsum(steps, axis=0), -4, 4)


def write_wfdb(folder: Path, name: str, signal: np.ndarray, fmt: str, **more: object) -> Path:
    """Write a record with the wfdb package."""
    import wfdb

    n_leads = signal.shape[1]
    args: dict[str, object] = {
        "fs": 250,
        "units": ["mV"] * n_leads,
        "sig_name": ["I", "II", "V1", "V2"][:n_leads],
        "fmt": [fmt] * n_leads,
        "adc_gain": [30.0 if fmt == "80" else 200.0] * n_leads,
        "baseline": [3] * n_leads,
        "p_signal": signal,
        "write_dir": str(folder),
    }
    wfdb.wrsamp(name, **(args | more))
    return folder / name


def ecg(n: int = 2000, n_leads: int = 2, fs: float = 250.0) -> np.ndarray:
    """An ECG in mV with a little noise, (n, n_leads): readers look whether a column is one."""
    from ecgfast.records import synthetic_ecg

    clean = synthetic_ecg(n / fs + 1, fs, seed=1).signal[:n, :1]
    noise = np.random.default_rng(0).normal(0, 0.005, (n, n_leads))
    return clean * np.linspace(1.0, 0.5, n_leads) + noise


def save_npy(folder: Path) -> Path:
    np.save(folder / "a.npy", ecg(fs=500.0))
    return folder / "a.npy"
