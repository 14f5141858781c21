"""Labelled beats of annotated recordings, cut by the C core exactly as it cuts live ones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core import FEATURE_NAMES, BeatBatch, BeatStream, WindowSpec
from ...errors import InputError, RecordError
from ...evaluation import AAMI_CLASSES, AAMI_OF_SYMBOL, is_beat
from ...records import Record, read_record
from .set_files import read_set, write_set
from .splits import PACED, patient_of

__all__ = ["BeatSet", "cut_reference_beats", "labelled_beats", "prepare_beats", "record_names"]

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class BeatSet:
    """Beats with labels, one row each, in the order of recordings and time.

    Attributes
    ----------
    windows : ndarray of float32, shape (n, points, 2)
        As in `BeatBatch`.
    features : ndarray of float32, shape (n, len(FEATURE_NAMES)) or (n, history, len(FEATURE_NAMES))
        As in `BeatBatch`, with the next RR interval (``lookahead=1``); `without_lookahead` takes it
        away again.
    label : ndarray of int8, shape (n,)
        Index into ``"NSVFQ"``.
    patient, record : ndarray of str, shape (n,)
        Such as ``"mitdb/201"`` and ``"mitdb/202"``.
    r_sample : ndarray of int64, shape (n,)
        R peak in the recording.
    rr : ndarray of float64, shape (n,)
        Seconds to the previous beat, NaN on a recording's first.
    quality : ndarray of uint32, shape (n,)
        Quality bits.
    about : dict
        How the set was made.
    """

    windows: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    patient: npt.NDArray[np.str_]
    record: npt.NDArray[np.str_]
    r_sample: npt.NDArray[np.int64]
    rr: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint32]
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.label)

    def only(self, chosen: npt.ArrayLike) -> BeatSet:
        """The rows that a mask or an index chooses.

        Parameters
        ----------
        chosen : array_like of bool or int

        Returns
        -------
        BeatSet
        """
        index = np.asarray(chosen)
        columns = {name: values[index] for name, values in self._columns().items()}
        return BeatSet(**columns, about=self.about)

    def of_records(self, names: Iterable[str]) -> BeatSet:
        """The beats of some recordings, such as ``["mitdb/101"]``.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        BeatSet

        Raises
        ------
        InputError
            If one of them is not in the set.
        """
        wanted = list(names)
        missing = sorted(set(wanted) - set(np.unique(self.record).tolist()))
        if missing:
            raise InputError(
                f"the beats of {missing[0]} are not in the data set: prepare it with that recording"
            )
        return self.only(np.isin(self.record, wanted))

    @classmethod
    def concatenate(cls, parts: Sequence[BeatSet], about: dict[str, Any]) -> BeatSet:
        """One set of several, in their order.

        Parameters
        ----------
        parts : sequence of BeatSet
            At least one.
        about : dict
            How the whole was made.

        Returns
        -------
        BeatSet
        """
        columns = [part._columns() for part in parts]
        return cls(
            **{name: np.concatenate([each[name] for each in columns]) for name in columns[0]},
            about=about,
        )

    def counts(self) -> dict[str, int]:
        """Beats of each class.

        Returns
        -------
        dict of str to int
        """
        return {c: int(np.sum(self.label == i)) for i, c in enumerate(AAMI_CLASSES)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set as one ``.npz`` file, whole or not at all; the same bytes on every run.

        Parameters
        ----------
        path : path

        Raises
        ------
        RecordError
            If it cannot be written.
        """
        write_set(path, self.about, self._columns())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BeatSet:
        """Read a set that `save` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        BeatSet

        Raises
        ------
        RecordError
            If the file is missing, damaged or of another version.
        """
        about, columns = read_set(path, {"format": _FORMAT, "features": list(FEATURE_NAMES)})
        try:
            return cls(**columns, about=about)
        except TypeError as error:
            raise RecordError(f"{path}: not a data set of `ecgfast prepare` ({error})") from None

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "about"}


def without_lookahead(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features as they are at the beat itself, the next RR interval not known yet.

    Parameters
    ----------
    features : ndarray of float32, shape (n, k) or (n, history, k)
        With ``k = len(FEATURE_NAMES)``. Of a history only the last beat's next interval is taken
        away: those of the beats before are known by then.

    Returns
    -------
    ndarray of float32, of the same shape
        A copy.
    """
    known: npt.NDArray[np.float32] = features.copy()
    own = known if known.ndim == 2 else known[:, -1]
    own[:, [FEATURE_NAMES.index("rr_next"), FEATURE_NAMES.index("rr_next_known")]] = 0.0
    return known


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
    if not names:
        raise RecordError(
            f"{folder}: no WFDB records there; give the folder that holds {database}/ with --data "
            f"or ECGFAST_DATA (ecgfast prepare --download {database} --data DIR fetches them)"
        )
    return names


def cut_reference_beats(
    record: Record, *, lead: int = 0, window: WindowSpec | None = None
) -> tuple[BeatBatch, npt.NDArray[np.str_]]:
    """Cut the beats that a recording's reference annotations mark.

    Parameters
    ----------
    record : Record
        With annotations.
    lead : int
        Column of the lead.
    window : WindowSpec, optional
        The model's time grid.

    Returns
    -------
    batch : BeatBatch
        One row for each beat, with the next RR interval; R refined on the ECG by the core.
    symbols : ndarray of str, shape (n,)
        Their annotation codes.

    Raises
    ------
    RecordError
        If there are no annotations of beats.
    """
    marks = record.annotations
    beats = is_beat(marks.symbol) if marks is not None else np.zeros(0, dtype=bool)
    if marks is None or not beats.any():
        raise RecordError(f"{record.name}: no annotated beats (.atr) beside the recording")
    sample, symbol = marks.sample[beats], marks.symbol[beats]
    inside = (sample >= 0) & (sample < len(record.signal))
    sample, symbol = sample[inside], symbol[inside]
    stream = BeatStream(record.fs, method="external", lookahead=1, window=window)
    signal = np.ascontiguousarray(record.signal[:, lead])
    batch = BeatBatch.concatenate([stream.process(signal, sample), stream.flush()])
    return batch, symbol


def labelled_beats(record: Record, patient: str, *, window: WindowSpec | None = None) -> BeatSet:
    """Cut the annotated beats of a recording's first lead, with their AAMI classes.

    Parameters
    ----------
    record : Record
        With annotations; its name goes into the set.
    patient : str
        Whose it is.
    window : WindowSpec, optional
        The model's time grid.

    Returns
    -------
    BeatSet

    Raises
    ------
    RecordError
        If there are no annotations of beats.
    """
    batch, symbols = cut_reference_beats(record, window=window)
    return BeatSet(
        windows=batch.windows,
        features=batch.features,
        label=np.array([AAMI_CLASSES.index(AAMI_OF_SYMBOL[s]) for s in symbols], dtype=np.int8),
        patient=np.full(len(batch), patient),
        record=np.full(len(batch), record.name),
        r_sample=batch.r_sample,
        rr=batch.rr,
        quality=batch.quality,
        about={},
    )


def prepare_beats(
    data: str | os.PathLike[str],
    databases: Sequence[str] = ("mitdb",),
    *,
    lead: int = 0,
    window: WindowSpec | None = None,
    progress: bool = False,
) -> BeatSet:
    """Cut all annotated beats of one or more databases; paced MIT-BIH records are left out.

    Parameters
    ----------
    data : path
        Folder that holds the databases as folders of WFDB records with ``.atr`` annotations.
    databases : sequence of str
        Names of those folders.
    lead : int
        Column of the lead in every recording.
    window : WindowSpec, optional
        The model's time grid.
    progress : bool
        Show a progress bar on a terminal.

    Returns
    -------
    BeatSet

    Raises
    ------
    RecordError
        If a recording is missing or damaged.
    """
    from tqdm import tqdm

    grid = window or WindowSpec()
    todo = [
        (database, name)
        for database in databases
        for name in record_names(data, database)
        if not (database == "mitdb" and name in PACED)
    ]
    parts = []
    for database, name in tqdm(
        todo, desc="beats", unit="record", disable=None if progress else True
    ):
        record = read_record(Path(data) / database / name, leads=lead)
        record = dataclasses.replace(record, name=f"{database}/{name}")
        parts.append(labelled_beats(record, patient_of(database, name), window=grid))
    return BeatSet.concatenate(
        parts,
        {
            "format": _FORMAT,
            "databases": list(databases),
            "lead": lead,
            "classes": AAMI_CLASSES,
            "features": list(FEATURE_NAMES),
            "window": list(grid),
            "left_out": [f"mitdb/{name}" for name in PACED if "mitdb" in databases],
        },
    )
