"""Which patients train, choose and test: no patient ever stands on two sides."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...errors import InputError, RecordError
from ...evaluation.mitdb import DS1, DS2, PACED

__all__ = [
    "DS1",
    "DS2",
    "PACED",
    "check_records",
    "listed",
    "missing_records",
    "named_records",
    "patient_folds",
    "patient_of",
    "record_names",
]

_SAME_PERSON = {("mitdb", "202"): "201"}


def patient_of(database: str, record: str) -> str:
    """Name of the patient that a record comes from.

    Parameters
    ----------
    database, record : str
        Such as ``"mitdb"`` and ``"202"``.

    Returns
    -------
    str
        ``"mitdb/201"`` for that one: records 201 and 202 are one person.
    """
    return f"{database}/{_SAME_PERSON.get((database, record), record)}"


def record_names(data: str | os.PathLike[str], database: str) -> list[str]:
    """Names of a database's recordings that are there, in order.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    database : str
        Folder of one, such as ``"mitdb"``.

    Returns
    -------
    list of str

    Raises
    ------
    RecordError
        If the folder is missing or holds no recording.
    """
    folder = Path(data) / database
    names = sorted(path.stem for path in folder.glob("*.hea"))
    if not names and folder.is_dir() and any(folder.iterdir()):
        raise RecordError(
            f"{folder}: no WFDB records (.hea) there, and training reads no other format; "
            "ecgfast.records.write_record makes them of recordings and labels of other formats "
            "(docs/how-to/own-data.md shows how)"
        )
    if not names:
        raise RecordError(
            f"{folder}: no WFDB records there; give the folder that holds {database}/ with --data "
            f"or ECGFAST_DATA (ecgfast prepare --download {database} --data DIR fetches them)"
        )
    return names


def check_records(data: str | os.PathLike[str], names: Sequence[str], part: str) -> None:
    """Check that WFDB records are there, before hours of work need the first that is not.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    names : sequence of str
        Such as ``["mitdb/100"]``.
    part : str
        What they are of, for the message.

    Raises
    ------
    RecordError
        If any is missing; the message names them.
    """
    missing = [name for name in names if not (Path(data) / f"{name}.hea").is_file()]
    if missing:
        fetch = " ".join(dict.fromkeys(name.partition("/")[0] for name in missing))
        raise RecordError(
            f"{data}: lacks {listed(missing)} of {part}; give the folder that holds "
            f"{'it' if len(missing) == 1 else 'them'} with --data or ECGFAST_DATA (ecgfast prepare "
            f"--download {fetch} --data DIR fetches the database)"
        )


def missing_records(data: str | os.PathLike[str], databases: Sequence[str]) -> dict[str, list[str]]:
    """Recordings that belong to a database and are not there: an unfinished download, say.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    databases : sequence of str

    Returns
    -------
    dict of str to list of str
        By database, where any is missing: those that its file ``RECORDS`` names, as every database
        of PhysioNet has one; of ``mitdb`` without it those of `DS1` and `DS2`.
    """
    found = {}
    for database in databases:
        folder = Path(data) / database
        try:
            names = (folder / "RECORDS").read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            names = sorted({*DS1, *DS2}) if database == "mitdb" else []
        missing = [name for name in names if not (folder / f"{name}.hea").is_file()]
        if missing:
            found[database] = missing
    return found


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are.

    Parameters
    ----------
    names : sequence of str
    most : int

    Returns
    -------
    str
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def named_records(data: str | os.PathLike[str], given: Sequence[str]) -> list[tuple[str, str, str]]:
    """Recordings by name, and all those of a database; paced MIT-BIH records are left out.

    Parameters
    ----------
    data : path
        Folder that holds the databases.
    given : sequence of str
        Such as ``["mitdb/100", "svdb"]``.

    Returns
    -------
    list of (database, record, patient)
        In order, each once.

    Raises
    ------
    InputError
        If a recording is not there; the message names the one that is most like it.
    RecordError
        If a database is not there.
    """
    found: dict[tuple[str, str], str] = {}
    for text in given:
        database, _, name = str(text).partition("/")
        there = record_names(data, database)
        if name and name not in there:
            near = get_close_matches(name, there, n=1)
            hint = f"did you mean {database}/{near[0]}?" if near else f"there is {there[0]}"
            raise InputError(f"{text}: no such recording in {Path(data) / database}; {hint}")
        for one in [name] if name else there:
            if name or not (database == "mitdb" and one in PACED):
                found[database, one] = patient_of(database, one)
    return [(database, one, patient) for (database, one), patient in found.items()]


def patient_folds(
    patients: Sequence[str] | npt.NDArray[np.str_],
    labels: npt.ArrayLike,
    folds: int,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Deal patients into folds that hold like numbers of beats of every class.

    Parameters
    ----------
    patients : sequence of str, length n
        Patient of each beat.
    labels : array_like of int, shape (n,)
        Class of each beat.
    folds : int
        At least 2, at most the number of patients.
    seed : int
        Of the order in which equal patients are dealt.

    Returns
    -------
    ndarray of int64, shape (n,)
        Fold of each beat; all beats of a patient share one.

    Raises
    ------
    InputError
        If there are fewer patients than folds.

    Notes
    -----
    Greedy: patients with the largest share of any rare class first, each into the fold where it
    leaves the class totals most even.
    """
    unique, whose = np.unique(np.asarray(patients), return_inverse=True)
    kinds, kind = np.unique(np.asarray(labels), return_inverse=True)
    if len(unique) < 2:
        raise InputError(
            f"all training recordings are of one patient ({', '.join(unique.tolist())}), and "
            "cross-validation holds patients out: give recordings of two or more, or candidates={} "
            "to train without it"
        )
    if not 2 <= folds <= len(unique):
        raise InputError(
            f"{folds} folds of {len(unique)} patients: set folds to a number from 2 to "
            f"{len(unique)}"
        )
    counts = np.zeros((len(unique), len(kinds)))
    np.add.at(counts, (whose, kind), 1)
    shares = counts / counts.sum(axis=0)
    tie = np.random.default_rng(seed).random(len(unique))
    totals = np.zeros((folds, len(kinds)))
    fold_of = np.zeros(len(unique), np.int64)
    for i in sorted(range(len(unique)), key=lambda i: (-shares[i].max(), tie[i])):
        cost = [np.sum((totals[k] + shares[i]) ** 2) - np.sum(totals[k] ** 2) for k in range(folds)]
        chosen = int(np.argmin(cost))
        totals[chosen] += shares[i]
        fold_of[i] = chosen
    return fold_of[whose]
