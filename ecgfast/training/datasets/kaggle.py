"""Beats in the form of Kachuee et al. (2018), which Kaggle's heartbeat files have.

M. Kachuee, S. Fazeli and M. Sarrafzadeh, "ECG Heartbeat Classification: A Deep Transferable
Representation", ICHI 2018 (arXiv 1805.00794), section III: from R on, 1.2 RR intervals long, scaled
to 0..1, filled up with zeros to 187 samples; classes after AAMI, paced beats among Q.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..._progress import progress_bar
from ...core import BeatBatch, WindowSpec
from ...errors import InputError, RecordError, content_reason
from ...evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL
from ...records import read_record
from .beats import cut_reference_beats
from .examples import ExampleSet
from .splits import patient_of, record_names

__all__ = [
    "CYCLE",
    "NORMALITY",
    "PUBLISHED",
    "PUBLISHED_TEST",
    "beat_normality",
    "prepare_kaggle",
    "random_part",
    "random_test",
    "read_kaggle_files",
]

CYCLE = WindowSpec(120.0, 0, 187, "cycle")
"""The window. The paper says 125 Hz; Kaggle's rows of MIT-BIH, looked up in the recordings, are
every third sample of 360 Hz (`kaggle_rows.find_rows` does it again), which is 120 Hz."""

PUBLISHED = {"N": 90589, "S": 2779, "V": 7236, "F": 803, "Q": 8039}
"""Beats of each class in Kaggle's ``mitbih_train.csv`` and ``mitbih_test.csv`` together."""

PUBLISHED_TEST = {"N": 18118, "S": 556, "V": 1448, "F": 162, "Q": 1608}
"""Those in ``mitbih_test.csv``."""

NORMALITY = ("normal", "abnormal")
"""Classes of `beat_normality`, and of the PTB files."""

_POINTS = CYCLE.after
_RULE = "a beat of AAMI class N is normal; one of S, V, F or Q is abnormal"


def prepare_kaggle(
    data: str | os.PathLike[str],
    databases: Sequence[str] = ("mitdb",),
    *,
    window: WindowSpec = CYCLE,
    progress: bool = False,
) -> ExampleSet:
    """Cut the beats of all recordings as Kaggle's set has those of MIT-BIH, by the C core.

    Parameters
    ----------
    data : path
        Folder that holds the databases as folders of WFDB records with ``.atr`` annotations.
    databases : sequence of str
        Names of those folders. Of the 48 recordings of ``mitdb`` come the beats of Kaggle's files.
    window : WindowSpec
        Another time grid, of the same form.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    ExampleSet
        Input "window" (n, 187, 1), 0..1; target the index into ``"NSVFQ"``, also in
        ``columns["aami"]``; ``columns["sample"]`` the R peak in the recording.

    Raises
    ------
    RecordError
        If a recording is missing or damaged, or has no annotated beats.

    Notes
    -----
    The last beat of every recording is left out, since it has no RR interval to be cut by: with
    that the totals are the published ones.
    """
    todo = [(database, name) for database in databases for name in record_names(data, database)]
    parts: list[BeatBatch] = []
    labels: list[int] = []
    patients: list[str] = []
    records: list[str] = []
    for database, name in progress_bar(todo, "beats", "record", show=progress):
        record = read_record(Path(data) / database / name, leads=0)
        record = dataclasses.replace(record, name=f"{database}/{name}")
        batch, symbols = cut_reference_beats(record, window=window)
        last = len(symbols) - 1
        parts.append(_without_last(batch))
        labels += [AAMI_CLASSES.index(AAMI_OF_SYMBOL[symbol]) for symbol in symbols[:last]]
        patients += [patient_of(database, name)] * last
        records += [f"{database}/{name}"] * last
    cut = BeatBatch.concatenate(parts)
    target = np.array(labels, np.int8)
    return ExampleSet(
        {"window": cut.windows},
        target,
        np.array(patients, np.str_),
        np.array(records, np.str_),
        {
            "classes": list(AAMI_CLASSES),
            "databases": list(databases),
            "form": "Kachuee et al. 2018",
            "left_out": "the last beat of every recording",
            "window": list(window),
        },
        {"aami": target, "sample": cut.sample},
    )


def _without_last(batch: BeatBatch) -> BeatBatch:
    return BeatBatch(
        batch.sample[:-1],
        batch.known_at[:-1],
        batch.rr[:-1],
        batch.windows[:-1],
        batch.features[:-1],
        batch.quality[:-1],
    )


def beat_normality(examples: ExampleSet) -> ExampleSet:
    """The same beats, normal or abnormal: AAMI class N against all others.

    Parameters
    ----------
    examples : ExampleSet
        Of `prepare_kaggle`, or of Kaggle's MIT-BIH files.

    Returns
    -------
    ExampleSet
        Target 0 (normal) or 1 (abnormal); ``columns["aami"]`` keeps the class.
    """
    return ExampleSet(
        examples.inputs,
        (examples.target != AAMI_CLASSES.index("N")).astype(np.int8),
        examples.patient,
        examples.record,
        {**examples.about, "classes": list(NORMALITY), "rule": _RULE},
        examples.columns,
    )


def random_test(labels: npt.ArrayLike, seed: int) -> npt.NDArray[np.bool_]:
    """Draw a test part beat by beat, a fifth of every class, as Kaggle's split was made.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        AAMI class of each beat.
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)
        The test part: of the published totals, exactly `PUBLISHED_TEST`.

    Notes
    -----
    Beats of one patient stand on both sides: figures on it say nothing of new patients.
    """
    classes = np.asarray(labels)
    shares = {i: PUBLISHED_TEST[label] / PUBLISHED[label] for i, label in enumerate(AAMI_CLASSES)}
    return _drawn(classes, shares, seed)


def random_part(labels: npt.ArrayLike, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Draw a share of every class.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
    share : float
    seed : int

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    classes = np.asarray(labels)
    return _drawn(classes, dict.fromkeys(np.unique(classes).tolist(), share), seed)


def _drawn(
    classes: npt.NDArray[np.generic], shares: dict[int, float], seed: int
) -> npt.NDArray[np.bool_]:
    draw = np.random.default_rng(seed)
    chosen = np.zeros(len(classes), dtype=bool)
    for label, share in shares.items():
        rows = np.flatnonzero(classes == label)
        chosen[draw.permutation(rows)[: round(share * len(rows))]] = True
    return chosen


def read_kaggle_files(paths: Sequence[str | os.PathLike[str]]) -> ExampleSet:
    """Read Kaggle's own files: rows of 187 samples and a class, no heading.

    Parameters
    ----------
    paths : sequence of path
        ``mitbih_train.csv`` and ``mitbih_test.csv``, or ``ptbdb_normal.csv`` and
        ``ptbdb_abnormal.csv`` (PTB Diagnostic), also compressed (``.gz``). A file whose name
        begins with ``ptbdb`` holds the classes 0 (normal) and 1 (abnormal), any other those of
        AAMI, 0 to 4.

    Returns
    -------
    ExampleSet
        As of `prepare_kaggle`; the files do not tell patients, so patient and record are the
        file's name, and any split by rows has patients on both sides.

    Raises
    ------
    RecordError
        If a file is missing or damaged; the message names the row.
    InputError
        If both kinds of files are given, or none.
    """
    kinds = {Path(path).name.startswith("ptbdb") for path in paths}
    if len(kinds) != 1:
        raise InputError("give Kaggle's files of MIT-BIH (mitbih_*) or of PTB (ptbdb_*), not both")
    classes = NORMALITY if kinds.pop() else tuple(AAMI_CLASSES)
    tables = [read_rows(path, len(classes)) for path in paths]
    names = [Path(path).name.partition(".")[0] for path in paths]
    target = np.concatenate([labels for _, labels in tables])
    owner = np.repeat(np.array(names, np.str_), [len(labels) for _, labels in tables])
    return ExampleSet(
        {"window": np.concatenate([windows for windows, _ in tables])},
        target,
        owner,
        owner,
        {
            "classes": list(classes),
            "databases": ["ptbdb" if classes == NORMALITY else "mitdb"],
            "form": "Kachuee et al. 2018",
            "files": [Path(path).name for path in paths],
            "left_out": "patients are not told: one may stand on both sides of any split",
            # PTB Diagnostic is sampled at 1000 Hz, of which 125 Hz is a whole part.
            "window": list(CYCLE._replace(grid_fs=125.0) if classes == NORMALITY else CYCLE),
        },
        {} if classes == NORMALITY else {"aami": target},
    )


def read_rows(
    path: str | os.PathLike[str], classes: int = len(AAMI_CLASSES)
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """Read one of Kaggle's files.

    Parameters
    ----------
    path : path
        A ``.csv`` or ``.csv.gz`` file.
    classes : int
        Classes that its last column may name, from 0 on.

    Returns
    -------
    windows : ndarray of float32, shape (n, 187, 1)
    labels : ndarray of int8, shape (n,)

    Raises
    ------
    RecordError
        If the file is missing or damaged; the message names the row.
    """
    columns = _POINTS + 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is told below
            table = np.loadtxt(_lines(path, columns), np.float32, delimiter=",", ndmin=2)
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file; Kaggle's heartbeat set has it") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path}: cannot be read ({content_reason(error)}); give a .csv file of Kaggle's "
            "heartbeat set"
        ) from None
    except ValueError as error:
        # NumPy counts rows from 0 or 1, by the kind of error: look for the row ourselves.
        raise RecordError(f"{path}: {_first_bad(path) or error}") from None
    if not len(table):
        raise RecordError(f"{path}: holds no rows")
    windows, labels = table[:, :_POINTS], table[:, _POINTS]
    # Written so that NaN is wrong too.
    wrong = ~((windows >= 0) & (windows <= 1)).all(axis=1)
    if wrong.any():
        raise RecordError(f"{path}: row {wrong.argmax() + 1} has samples outside 0..1")
    wrong = ~np.isin(labels, np.arange(classes))
    if wrong.any():
        row = int(wrong.argmax())
        raise RecordError(
            f"{path}: row {row + 1} has the class {labels[row]:g}, not 0 to {classes - 1}"
        )
    return windows[:, :, np.newaxis], labels.astype(np.int8)


def _lines(path: str | os.PathLike[str], columns: int) -> Iterator[str]:
    import gzip

    opened = gzip.open if os.fspath(path).endswith(".gz") else open
    with opened(path, "rt", encoding="ascii") as file:
        for row, line in enumerate(file, 1):
            if line.strip():
                found = line.count(",") + 1
                if found != columns:
                    raise RecordError(f"{path}: row {row} has {found} columns, not {columns}")
                yield line


def _first_bad(path: str | os.PathLike[str]) -> str | None:
    """The first row that is not all numbers."""
    for row, line in enumerate(_lines(path, _POINTS + 1), 1):
        for cell in line.split(","):
            try:
                float(cell)
            except ValueError:
                return f"row {row} holds {cell.strip()!r}, which is no number"
    return None
