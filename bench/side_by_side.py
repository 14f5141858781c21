"""What the comparisons share: one thread for everyone, and who takes part."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ecgfast.evaluation.detector import Method, ReportedBeats, own_detector
from ecgfast.evaluation.other_detectors import as_detector, installed_detectors
from ecgfast.records import Record

Detect = Callable[[Record], ReportedBeats]

METHODS: tuple[Method, ...] = ("neural", "adaptive", "pan-tompkins")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def one_thread() -> None:
    """Start this script over with one thread for every library: they read it when imported."""
    if any(os.environ.get(name) != "1" for name in _THREADS):
        os.environ.update(dict.fromkeys(_THREADS, "1"))
        os.execv(sys.executable, [sys.executable, *sys.argv])


def own_name(method: Method) -> str:
    return f"ecgfast {method}"


def detectors(only: str = "") -> dict[str, Detect]:
    """ecgfast's methods, live, and the others that are installed, each on the first lead."""
    found: dict[str, Detect] = {own_name(method): own_detector(method) for method in METHODS}
    found |= {name: as_detector(peer) for name, peer in installed_detectors().items()}
    return {name: detect for name, detect in found.items() if only in name}


def note(text: str) -> None:
    """Tell a person what is going on."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K\r", end="", file=sys.stderr, flush=True)
