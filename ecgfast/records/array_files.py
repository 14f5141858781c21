"""Arrays saved by NumPy: ``.npy`` (samples only) and ``.npz`` (signal, fs, leads)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from .leads import Leads, choose_leads
from .record import FloatArray, RecordSource, check_fs

__all__ = ["need_fs", "open_array"]


def need_fs(given: float | None, found: float | None, name: str) -> float:
    """Return the sampling rate in Hz, given by the caller or found in the file.

    Raises
    ------
    InputError
        If there is none, or the two differ by more than a hundredth.
    """
    if given is None and found is None:
        raise InputError(f"{name}: carries no sampling rate; give it, such as fs=360")
    fs = check_fs(given if given is not None else found, name)  # type: ignore[arg-type]
    if found is not None and abs(found - fs) > 0.01 * fs:
        raise InputError(
            f"{name}: carries the sampling rate {found:g} Hz and fs={fs:g} was given; "
            "leave fs out, or correct the file"
        )
    return found if found is not None else fs


def open_array(path: Path, fs: float | None, leads: Leads) -> RecordSource:
    """Open a ``.npy`` or ``.npz`` file.

    A ``.npy`` file is mapped, not loaded: blocks are read as they are asked for.

    Parameters
    ----------
    path : Path
        ``.npy`` with an array (n,) or (n, leads) in mV, or ``.npz`` with such an array as
        ``signal``, and optionally ``fs`` (Hz) and ``leads`` (names).
    fs : float, optional
        Sampling rate in Hz, where the file does not carry it.
    leads : str, int, sequence of these, or None
        Columns to read.

    Returns
    -------
    RecordSource

    Raises
    ------
    RecordError
        If the file is no such array.
    InputError
        If no rate is known.
    """
    name = str(path)
    found: float | None = None
    labels: list[str] | None = None
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            with loaded:
                if "signal" not in loaded:
                    raise RecordError(
                        f"{name}: holds {', '.join(loaded.files) or 'nothing'}, no 'signal'; "
                        "save it with np.savez(path, signal=..., fs=..., leads=...)"
                    )
                signal: npt.NDArray[Any] = loaded["signal"]
                found = float(loaded["fs"]) if "fs" in loaded else None
                labels = [str(s) for s in loaded["leads"].flat] if "leads" in loaded else None
        else:
            signal = loaded
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(
            f"{name}: is no intact NumPy file of plain numbers ({error}); save it again"
        ) from None

    if signal.dtype.kind not in "fiub":
        raise RecordError(f"{name}: holds {signal.dtype}, not real numbers; save the samples in mV")
    if signal.ndim == 1:
        signal = signal[:, np.newaxis]
    elif signal.ndim != 2 or signal.shape[0] < signal.shape[1]:
        raise RecordError(
            f"{name}: has shape {signal.shape}; save it as (samples,) or (samples, leads)"
        )
    n_samples, n_leads = signal.shape
    if labels is None:
        labels = [f"ECG{i + 1}" for i in range(n_leads)]
    if len(labels) != n_leads:
        raise RecordError(
            f"{name}: has {len(labels)} lead names for {n_leads} columns; save both alike"
        )
    chosen = choose_leads(labels, ["mV"] * n_leads, leads, name, by_name=False)

    mapped = isinstance(loaded, np.memmap)

    def fetch(start: int, stop: int) -> FloatArray:
        # Mapped anew: pages of an old mapping would stay resident, in the end all of the file.
        held = np.load(path, mmap_mode="r").reshape(signal.shape) if mapped else signal
        return np.ascontiguousarray(held[start:stop, chosen], np.float32)

    return RecordSource(
        fs=need_fs(fs, found, name),
        leads=tuple(labels[i] for i in chosen),
        n_samples=n_samples,
        fetch=fetch,
        name=path.stem,
    )
