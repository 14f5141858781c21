"""Beats of the PTB Diagnostic ECG Database, healthy or after an infarction, from WFDB records.

R. Bousseljot, D. Kreiseler and A. Schnabel, Biomedizinische Technik 40(S1), 1995; the labels are
those of Kachuee et al. (2018), whose ``ptbdb_*.csv`` hold the same patients' beats.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np

from ..._progress import progress_bar
from ...core import BeatBatch, BeatStream, WindowSpec
from ...errors import RecordError
from ...records import read_record
from .examples import ExampleSet
from .kaggle import CYCLE, NORMALITY

__all__ = ["PTB_CYCLE", "prepare_ptb"]

PTB_CYCLE = CYCLE._replace(grid_fs=125.0)
"""The window: every eighth sample of 1000 Hz."""

_REASON = "reason for admission"
_CLASS_OF = {"healthy control": "normal", "myocardial infarction": "abnormal"}
_RULE = (
    "every beat of a recording whose header gives as reason for admission a healthy control is "
    "normal, of one that gives myocardial infarction abnormal; other recordings are left out"
)


def prepare_ptb(
    data: str | os.PathLike[str],
    *,
    lead: str = "ii",
    window: WindowSpec = PTB_CYCLE,
    progress: bool = False,
) -> ExampleSet:
    """Cut the beats of PTB Diagnostic, found by our own detector, in Kaggle's form.

    Parameters
    ----------
    data : path
        Folder that holds ``ptbdb``, with a folder of WFDB records for each patient
        (``ecgfast prepare --download ptbdb`` makes it).
    lead : str
        Name of the lead.
    window : WindowSpec
        Of the form ``"cycle"``.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        Input "window" (n, 187, 1), target 0 (normal) or 1 (abnormal); ``columns["sample"]`` the
        R peak. The last beat of every recording is left out, as in MIT-BIH's set.

    Raises
    ------
    RecordError
        If there is no such database, a recording is damaged, or none has a label.
    """
    headers = sorted((Path(data) / "ptbdb").glob("*/*.hea"))
    if not headers:
        raise RecordError(
            f"{Path(data) / 'ptbdb'}: no WFDB records there; `ecgfast prepare --download ptbdb` "
            "fetches them"
        )
    parts: list[BeatBatch] = []
    labels: list[int] = []
    patients: list[str] = []
    records: list[str] = []
    left_out: Counter[str] = Counter()
    for header in progress_bar(headers, "beats", "record", show=progress):
        record = read_record(header.with_suffix(""), leads=lead)
        reason = _reason(record.comments)
        label = _CLASS_OF.get(reason)
        if label is None:
            left_out[reason or "no reason given"] += 1
            continue
        stream = BeatStream(record.fs, window=window)
        signal = np.ascontiguousarray(record.signal[:, 0])
        batch = stream.finish(signal)
        kept = max(len(batch) - 1, 0)
        parts.append(batch)
        labels += [NORMALITY.index(label)] * kept
        patients += [f"ptbdb/{header.parent.name}"] * kept
        records += [f"ptbdb/{header.parent.name}/{header.stem}"] * kept
    if not labels:
        raise RecordError(f"{Path(data) / 'ptbdb'}: no recording there has a label")
    return ExampleSet(
        {"window": np.concatenate([batch.windows[:-1] for batch in parts])},
        np.array(labels, np.int8),
        np.array(patients, np.str_),
        np.array(records, np.str_),
        {
            "classes": list(NORMALITY),
            "databases": ["ptbdb"],
            "form": "Kachuee et al. 2018",
            "left_out": {
                "beats, the last of every recording": len(parts),
                **{f"recordings: {reason}": n for reason, n in sorted(left_out.items())},
            },
            "rule": _RULE,
            "window": list(window),
        },
        {"sample": np.concatenate([batch.sample[:-1] for batch in parts])},
    )


def _reason(comments: tuple[str, ...]) -> str:
    """Reason for admission, in small letters; nothing where the header does not tell."""
    for comment in comments:
        name, _, value = comment.partition(":")
        if name.strip().lower() == _REASON:
            return value.strip().lower()
    return ""
