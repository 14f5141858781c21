"""How the traces that two machines made of the same recordings (``trace_beats.py``) differ."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np


def compare(ours: Path, theirs: Path) -> dict[str, Any]:
    """How two machines' traces of the same recordings differ.

    Parameters
    ----------
    ours, theirs : Path
        Folders with a .npz for each record.

    Returns
    -------
    dict
        ``records``, ``beats`` (of the adaptive detector); ``arrays``: by name, over all records,
        ``values``, how many ``differ`` in their bits, ``largest`` difference, and for outputs of
        models ``relative``, the largest against 1 or the value, and ``labels``, how many differ;
        ``runtimes``: the same for outputs of one precision from two runtimes on this machine;
        ``refused``: outputs that only one of the machines has, since the other's runtime would
        crash.
    """
    arrays: dict[str, dict[str, Any]] = {}
    runtimes: dict[str, dict[str, Any]] = {}
    refused: set[str] = set()
    beats = 0
    names = sorted(path.name for path in ours.glob("*.npz"))
    for name in names:
        with np.load(ours / name) as own, np.load(theirs / name) as other:
            unlike = set(own.files) ^ set(other.files)
            if not all(map(is_output, unlike)):
                raise RuntimeError(f"{name}: other arrays: {unlike}")
            refused |= unlike
            beats += len(own["adaptive/sample"])
            for key in filter(other.__contains__, own.files):
                entry = arrays.setdefault(key, {"values": 0, "differ": 0, "largest": 0.0})
                add_difference(entry, own[key], other[key], output=is_output(key))
            for key, beside in pairwise(filter(is_output, own.files)):
                precision, _, runtime = key.rpartition("/")
                if beside.rpartition("/")[0] == precision:
                    pair = f"{precision}: {runtime}, {beside.rpartition('/')[2]}"
                    entry = runtimes.setdefault(pair, {"values": 0, "differ": 0, "largest": 0.0})
                    add_difference(entry, own[key], own[beside], output=True)
    return {
        "records": [Path(name).stem for name in names],
        "beats": beats,
        "arrays": arrays,
        "runtimes": runtimes,
        "refused": sorted(refused),
    }


def is_output(key: str) -> bool:
    """Whether an array of a trace is what a model gave: "model/precision/runtime"."""
    return key.count("/") == 2


def add_difference(entry: dict[str, Any], own: Any, other: Any, *, output: bool) -> None:
    """Count how one array differs from its counterpart into `entry`, as `compare` says."""
    entry["values"] += own.size
    if own.shape != other.shape or own.dtype != other.dtype:
        entry["differ"] += max(own.size, other.size)
        entry["largest"] = float("inf")
        return
    bits = [np.ascontiguousarray(a).view(np.uint8).reshape(a.size, -1) for a in (own, other)]
    unlike = (bits[0] != bits[1]).any(axis=1) if own.size else np.zeros(0, bool)
    entry["differ"] += int(unlike.sum())
    gap = np.abs(own.ravel()[unlike].astype(np.float64) - other.ravel()[unlike])
    # A number beside none is no small difference.
    entry["largest"] = max(entry["largest"], float(np.nan_to_num(gap, nan=np.inf).max(initial=0)))
    if output:
        size = np.maximum(1.0, np.abs(own.astype(np.float64)))
        relative = (np.abs(own.astype(np.float64) - other) / size).max(initial=0.0)
        entry["relative"] = max(entry.get("relative", 0.0), float(relative))
        labels = (
            own.argmax(1) != other.argmax(1) if own.shape[1] > 1 else (own > 0.5) != (other > 0.5)
        )
        entry["labels"] = entry.get("labels", 0) + int(labels.sum())
