"""Detectors of other packages, where they are installed, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import Record
from .detector import ReportedBeats

__all__ = ["OtherDetector", "as_detector", "installed_detectors"]

OtherDetector = Callable[[npt.NDArray[np.float64], float], Any]


def _sleepecg() -> dict[str, OtherDetector]:
    sleepecg = import_module("sleepecg")
    return {f"sleepecg {version('sleepecg')}": sleepecg.detect_heartbeats}


def _wfdb() -> dict[str, OtherDetector]:
    processing = import_module("wfdb.processing")

    def gqrs(x: npt.NDArray[np.float64], fs: float) -> Any:
        # WFDB's usual 200 units a mV: given mV, it scales by the extremes and does less well.
        units = np.rint(200 * x).astype(np.int64)
        return processing.gqrs_detect(d_sig=units, fs=fs, adc_gain=200, adc_zero=0)

    return {
        f"wfdb {version('wfdb')} gqrs": gqrs,
        f"wfdb {version('wfdb')} xqrs": lambda x, fs: processing.xqrs_detect(x, fs, verbose=False),
    }


def _neurokit2() -> dict[str, OtherDetector]:
    neurokit2 = import_module("neurokit2")

    def detector(method: str) -> OtherDetector:
        def detect(x: npt.NDArray[np.float64], fs: float) -> Any:
            cleaned = neurokit2.ecg_clean(x, round(fs), method=method)
            return neurokit2.ecg_findpeaks(cleaned, round(fs), method=method)["ECG_R_Peaks"]

        return detect

    name = f"neurokit2 {version('neurokit2')}"
    return {f"{name} {method}": detector(method) for method in ("neurokit", "pantompkins1985")}


def _biosppy() -> dict[str, OtherDetector]:
    ecg = import_module("biosppy.signals.ecg")
    return {
        f"biosppy {version('biosppy')}": lambda x, fs: ecg.ecg(x, fs, show=False)["rpeaks"],
    }


def _py_ecg_detectors() -> dict[str, OtherDetector]:
    detectors = import_module("ecgdetectors").Detectors
    return {
        f"py-ecg-detectors {version('py-ecg-detectors')} pan_tompkins": lambda x, fs: detectors(
            fs
        ).pan_tompkins_detector(x)
    }


def installed_detectors() -> dict[str, OtherDetector]:
    """Every one that is installed and can be imported, as its users call it.

    Returns
    -------
    dict of str to callable
        By name and version: takes one lead as float64 of shape (n,) in mV and the sampling rate in
        Hz, returns the positions of R peaks.
    """
    found: dict[str, OtherDetector] = {}
    for load in (_sleepecg, _wfdb, _neurokit2, _biosppy, _py_ecg_detectors):
        try:
            found |= load()
        except ImportError:  # not installed, or not with this Python or NumPy
            continue
    return found


def as_detector(detector: OtherDetector) -> Callable[[Record], ReportedBeats]:
    """Make one fit for `evaluate_detector`: it gets the first lead of a record.

    Parameters
    ----------
    detector : callable
        As `installed_detectors` gives them.

    Returns
    -------
    callable
        Takes a `Record`, returns `ReportedBeats`, all of them with the end of the recording.
    """

    def detect(record: Record) -> ReportedBeats:
        found = np.asarray(detector(record.signal[:, 0].astype(np.float64), record.fs), np.float64)
        # Some return positions before the first sample, or out of order.
        return ReportedBeats(np.sort(np.maximum(found.ravel(), 0)).astype(np.int64))

    return detect
